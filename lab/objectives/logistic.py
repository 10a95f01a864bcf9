r"""Logistic preference losses: DPO, its label-smoothed and flip-corrected forms, and the likelihood of flipped labels.

With $\ell(h) = -\log\sigma(h)$, $\ell(-h) - \ell(h) = h$ and $c = \varepsilon/(1-2\varepsilon)$, both variants are DPO
plus a line: conservative $\ell + \varepsilon h$, robust $\ell - c h$. So all three have the curvature of DPO. A weight
$\zeta$ is minus the slope in h: the gradient in a policy's parameters is $-\beta\,\zeta\,\nabla m$.

`win_rate` is the observed (flipped) probability that the label points the way the margin does; a `*_minimiser` is the
margin that a tabular policy takes with infinitely many labels.
Sources: `rdpo` (arXiv 2403.00409v1), C1–C3; Rafailov et al. (2023); Mitchell (2023) for the conservative loss.
"""

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_flip_rate,
    check_positive,
    floats,
    log_sigmoid,
    logit,
    namespace,
    sigmoid,
    softplus,
)
from lab.objectives.noise import push
from lab.objectives.pairwise import scaled, scaled_with_rate
from lab.preferences import flipped, noisy_log_likelihood, unflipped


def dpo(margin: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""Direct preference optimisation, $-\log\sigma(\beta m)$ in nats.

    Raises ValueError unless the margin is finite and beta positive. Source: `dpo-background`; `rdpo`, setting.
    """
    return softplus(-scaled(margin, beta=beta))


def conservative_dpo(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""Label-smoothed DPO, $-(1-\varepsilon)\log\sigma(h) - \varepsilon\log\sigma(-h) = -\log\sigma(h)+\varepsilon h$.

    Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: Mitchell (2023); `rdpo`, method.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    return softplus(-h) + flip_rate * h


def robust_dpo(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""Provably robust DPO: the clean DPO loss in expectation over flips,

    $$\frac{-(1-\varepsilon)\log\sigma(h) + \varepsilon\log\sigma(-h)}{1-2\varepsilon} = -\log\sigma(h) - c\,h.$$

    Convex; falls without bound as h grows. Raises ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C1.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    return softplus(-h) - push(flip_rate) * h


def noisy_likelihood_dpo(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""Likelihood of labels with known flips, $-\log[(1-2\varepsilon)\,\sigma(h) + \varepsilon]$.

    Consistent like `robust_dpo`, and the efficient benchmark for it. Between $-\log(1-\varepsilon)$ and
    $-\log\varepsilon$, hence not convex: it is so exactly for $h \ge -\frac12\mathrm{logit}(1-\varepsilon)$. Raises
    ValueError also unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C6.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    return -noisy_log_likelihood(h, flip_rate=flip_rate)


def dpo_weight(margin: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$\zeta = \sigma(-h)$, in (0, 1). Raises ValueError as `dpo`. Source: `rdpo`, C3."""
    return sigmoid(-scaled(margin, beta=beta))


def conservative_dpo_weight(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""$\zeta = \sigma(-h) - \varepsilon$: reversed once $\sigma(-h) < \varepsilon$.

    Raises ValueError as `conservative_dpo`. Source: `rdpo`, C3.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    return sigmoid(-h) - flip_rate


def robust_dpo_weight(margin: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""$\zeta = \sigma(-h) + c$, in (c, 1 + c): every observed pair keeps being pushed.

    Raises ValueError as `robust_dpo`. Source: `rdpo`, C3.
    """
    h, flip_rate = scaled_with_rate(margin, beta=beta, flip_rate=flip_rate)
    return sigmoid(-h) + push(flip_rate)


def dpo_curvature(margin: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$\sigma(h)\,\sigma(-h)$, the second derivative in h of the plain, the conservative and the robust loss alike.

    Raises ValueError as `dpo`. Source: `rdpo`, method.
    """
    h = scaled(margin, beta=beta)
    return namespace(h).exp(log_sigmoid(h) + log_sigmoid(-h))


def dpo_minimiser(win_rate: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$\beta m = \mathrm{logit}\,\tilde p$; infinite for unanimous labels.

    Raises ValueError unless beta is positive and 0 ≤ win_rate ≤ 1. Source: `rdpo`, C2.
    """
    return _margin_with_rate(win_rate, beta)


def conservative_dpo_minimiser(win_rate: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""$\beta m = \mathrm{logit}[(1-2\varepsilon)\tilde p + \varepsilon]$: shrunk further.

    Raises ValueError as `dpo_minimiser`, and unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C2.
    """
    check_between(0.0, 1.0, win_rate=win_rate)
    return _margin_with_rate(flipped(win_rate, flip_rate=flip_rate), beta)


def robust_dpo_minimiser(win_rate: Real, *, beta: Real, flip_rate: Real) -> Float[Array, "..."]:
    r"""$\beta m = \mathrm{logit}\frac{\tilde p - \varepsilon}{1-2\varepsilon}$.

    Infinite unless $\varepsilon < \tilde p < 1-\varepsilon$: there the loss has no minimiser, it falls for ever.
    Raises ValueError as `dpo_minimiser`, and unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C2 and C9.
    """
    check_between(0.0, 1.0, win_rate=win_rate)
    check_flip_rate(flip_rate)
    clean = unflipped(win_rate, flip_rate=flip_rate)
    xp = namespace(clean)
    return _margin_with_rate(xp.clip(clean, 0.0, 1.0), beta)


def _margin_with_rate(win_rate: Real, beta: Real) -> Array:
    check_broadcast(win_rate=win_rate, beta=beta)
    check_between(0.0, 1.0, win_rate=win_rate)
    check_positive(beta=beta)
    win_rate, beta = floats(win_rate, beta)
    return logit(win_rate) / beta
