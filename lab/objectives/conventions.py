r"""Where papers and libraries disagree on what a loss's constants mean: translations, each a tested function.

TRL's facts were read in its releases 0.19.1 and 1.16.0; Liger 0.8.5 agrees with the latter. Source: `dpo-background`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float

from lab.arrays import Array, Real, check_flip_rate, check_positive, floats
from lab.objectives.hinge import hinge
from lab.objectives.logistic import conservative_dpo, dpo, robust_dpo
from lab.objectives.squared import ipo


def ipo_target(beta: Real) -> Float[Array, "..."]:
    r"""IPO's target margin $\frac{1}{2\beta}$ in nats, from its beta (the paper's $\tau$).

    Raises ValueError unless beta is positive. Source: `dpo-background`.
    """
    check_positive(beta=beta)
    (beta,) = floats(beta)
    return 0.5 / beta


def ipo_beta(target: Real) -> Float[Array, "..."]:
    r"""IPO's beta from its target margin: the same formula, $\frac{1}{2t}$. Raises ValueError unless it is positive."""
    check_positive(target=target)
    (target,) = floats(target)
    return 0.5 / target


def dpo_beta_like_ipo(beta: Real) -> Float[Array, "..."]:
    r"""DPO's beta whose minimiser agrees with IPO's to first order at win rates near 1/2: $\beta_{DPO} = 4\beta_{IPO}$.

    $\mathrm{logit}\,p \approx 4(p - \frac12)$ against $(p - \frac12)/\beta$. Raises ValueError unless beta is positive.
    Source: `dpo-background`, B9.
    """
    check_positive(beta=beta)
    (beta,) = floats(beta)
    return 4.0 * beta


def robust_ipo_beta(beta: Real, *, flip_rate: Real) -> Float[Array, "..."]:
    r"""The beta with which plain IPO is robust IPO, $\beta(1-2\varepsilon)$.

    Raises ValueError unless beta is positive and 0 ≤ flip_rate < 1/2. Source: `rdpo`, C8.
    """
    check_positive(beta=beta)
    check_flip_rate(flip_rate)
    beta, flip_rate = floats(beta, flip_rate)
    return beta * (1.0 - 2.0 * flip_rate)


class Translated(NamedTuple):
    """A loss of ours with the settings that make it a library's, and how the library reduces a response's tokens."""

    loss: Callable[..., Any]
    settings: dict[str, float]
    tokens: str  # "sum" or "mean" over a response's tokens


def from_trl(
    loss_type: str, *, beta: float = 0.1, label_smoothing: float = 0.0, release: tuple[int, int] = (1, 16)
) -> Translated:
    """TRL's `DPOConfig(loss_type=…, beta=…, label_smoothing=…)` as one of our losses; the defaults are TRL's.

    Two traps: since 0.29 `sigmoid` ignores label_smoothing (before, it was the conservative loss), and `ipo` averages
    log-ratios over tokens, so that its target depends on the length unless every response has one token.
    Raises ValueError for a loss that is not among sigmoid, robust, hinge, ipo, a beta that is not positive and a
    label_smoothing outside [0, 1/2) (TRL warns and goes on).
    """
    check_positive(beta=beta)
    check_flip_rate(label_smoothing, name="label_smoothing")
    if loss_type == "sigmoid":
        if release < (0, 29) and label_smoothing > 0:
            return Translated(conservative_dpo, {"beta": beta, "flip_rate": label_smoothing}, "sum")
        return Translated(dpo, {"beta": beta}, "sum")
    if loss_type == "robust":
        return Translated(robust_dpo, {"beta": beta, "flip_rate": label_smoothing}, "sum")
    if loss_type == "hinge":
        return Translated(hinge, {"beta": beta}, "sum")
    if loss_type == "ipo":
        return Translated(ipo, {"beta": beta}, "mean")
    raise ValueError(f"loss_type = {loss_type!r}: must be one of sigmoid, robust, hinge, ipo")
