r"""Hinge preference losses: the hinge on DPO's margin (RSO's "hinge-norm") and its flip-corrected form.

SLiC-HF uses the same hinge on log-probabilities without a reference, and adds a likelihood term.
Sources: `dpo-background`, B12; `rdpo`, C8 (there called rSLiC).
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_broadcast, check_positive, floats, namespace
from lab.objectives.noise import push
from lab.objectives.pairwise import scaled, scaled_with_rate
from lab.preferences import unflipped


def hinge(margin: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$\max(0, 1 - \beta m)$.

    Raises ValueError unless the margin is finite and beta positive. Source: `dpo-background`.
    """
    return _hinge(scaled(margin, beta=beta))


def robust_hinge(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""The clean hinge loss in expectation over flips, $\ell(h) + c\,[\ell(h) - \ell(-h)]$.

    Not convex (its slope falls at $h = -1$) and unbounded below (slope $-c$ at $+\infty$).
    Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C8.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    observed = _hinge(h)
    return observed + push(flip_rate) * (observed - _hinge(-h))


def hinge_minimiser(win_rate: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$\beta m = \mathrm{sign}(\tilde p - \frac12)$: the win rate itself is lost.

    Raises ValueError unless beta is positive and 0 ≤ win_rate ≤ 1. Source: `dpo-background`, B12.
    """
    check_broadcast(win_rate=win_rate, beta=beta)
    check_between(0.0, 1.0, win_rate=win_rate)
    check_positive(beta=beta)
    win_rate, beta = floats(win_rate, beta)
    return namespace(win_rate).sign(win_rate - 0.5) / beta


def robust_hinge_minimiser(win_rate: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""As `hinge_minimiser`, but infinite where the observed win rate lies outside $[\varepsilon, 1-\varepsilon]$.

    Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C8 and C9.
    """
    kink, clean = floats(hinge_minimiser(win_rate, beta=beta), unflipped(win_rate, flip_rate=flip_rate))
    xp = namespace(clean)
    never = xp.zeros_like(kink) + xp.inf
    return xp.where(clean < 0.0, -never, xp.where(clean > 1.0, never, kink))


def _hinge(h: Array) -> Array:
    xp = namespace(h)
    return xp.maximum(1.0 - h, xp.zeros_like(h))
