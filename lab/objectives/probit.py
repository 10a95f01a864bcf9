r"""Probit preference losses: the likelihood of $P(y \succ y') = \Phi(h)$ and its corrected form. Source: `rdpo`, C8."""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_broadcast, check_positive, floats, namespace
from lab.normal import log_normal_cdf, normal_quantile
from lab.objectives.noise import push
from lab.objectives.pairwise import scaled, scaled_with_rate
from lab.preferences import unflipped


def probit(margin: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$-\log\Phi(\beta m)$ in nats; grows like $h^2/2$ for very negative margins.

    Raises ValueError unless the margin is finite and beta positive. Source: `rdpo`, C8.
    """
    return -log_normal_cdf(scaled(margin, beta=beta))


def robust_probit(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""The clean probit loss in expectation over flips, $\ell(h) + c\,[\ell(h) - \ell(-h)]$.

    Not convex, and falls like $-c\,h^2/2$. Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C8.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    observed = -log_normal_cdf(h)
    return observed + push(flip_rate) * (observed + log_normal_cdf(-h))


def probit_minimiser(win_rate: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$\beta m = \Phi^{-1}(\tilde p)$; infinite for unanimous labels.

    Raises ValueError unless beta is positive and 0 ≤ win_rate ≤ 1. Source: `rdpo`, C8.
    """
    check_broadcast(win_rate=win_rate, beta=beta)
    check_between(0.0, 1.0, win_rate=win_rate)
    check_positive(beta=beta)
    win_rate, beta = floats(win_rate, beta)
    return normal_quantile(win_rate) / beta


def robust_probit_minimiser(win_rate: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""$\beta m = \Phi^{-1}\!\left(\frac{\tilde p - \varepsilon}{1-2\varepsilon}\right)$.

    Infinite unless $\varepsilon < \tilde p < 1-\varepsilon$. Raises ValueError also unless 0 ≤ flip_rate < 1/2.
    Source: `rdpo`, C8 and C9.
    """
    check_between(0.0, 1.0, win_rate=win_rate)
    clean = unflipped(win_rate, flip_rate=flip_rate)
    return probit_minimiser(namespace(clean).clip(clean, 0.0, 1.0), beta=beta)
