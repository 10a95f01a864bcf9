r"""Squared preference losses: IPO and its flip-corrected form.

`beta` is IPO's regularisation strength, which its paper calls $\tau$: the target margin is $1/(2\beta)$. It acts on the
unscaled margin, and it is not DPO's beta (`lab.objectives.conventions` translates).
Sources: Azar et al. (2023); `dpo-background`, B8 and B9; `rdpo`, C8.
"""

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_finite,
    check_flip_rate,
    check_positive,
    floats,
)
from lab.objectives.noise import push


def ipo(margin: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""Identity preference optimisation, $\left(m - \frac{1}{2\beta}\right)^2$ in nats².

    Raises ValueError unless the margin is finite and beta positive. Source: `dpo-background`.
    """
    check_broadcast(margin=margin, beta=beta)
    check_finite(margin=margin)
    check_positive(beta=beta)
    margin, beta = floats(margin, beta)
    distance = margin - 0.5 / beta
    return distance * distance


def robust_ipo(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""The clean IPO loss in expectation over flips: IPO with its target stretched, up to a constant,

    $$\ell(m) - \frac{2c\,m}{\beta} = \left(m - \frac{1}{2\beta(1-2\varepsilon)}\right)^2
      + \frac{1 - (1-2\varepsilon)^{-2}}{4\beta^2}.$$

    Convex and bounded below. Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C8.
    """
    check_broadcast(margin=margin, beta=beta, flip_rate=flip_rate)
    check_flip_rate(flip_rate)
    loss, margin, beta, flip_rate = floats(ipo(margin, beta=beta), margin, beta, flip_rate)
    return loss - 2.0 * push(flip_rate) * margin / beta


def ipo_minimiser(win_rate: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$m = \frac{2\tilde p - 1}{2\beta}$: flips shrink every margin by $1-2\varepsilon$.

    Raises ValueError unless beta is positive and 0 ≤ win_rate ≤ 1. Source: `rdpo`, C8.
    """
    check_broadcast(win_rate=win_rate, beta=beta)
    check_between(0.0, 1.0, win_rate=win_rate)
    check_positive(beta=beta)
    win_rate, beta = floats(win_rate, beta)
    return (win_rate - 0.5) / beta


def robust_ipo_minimiser(win_rate: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""$m = \frac{2\tilde p - 1}{2\beta(1-2\varepsilon)}$, finite for every win rate.

    Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C8.
    """
    check_broadcast(win_rate=win_rate, beta=beta, flip_rate=flip_rate)
    check_flip_rate(flip_rate)
    shrunk, flip_rate = floats(ipo_minimiser(win_rate, beta=beta), flip_rate)
    return shrunk / (1.0 - 2.0 * flip_rate)
