r"""Closed forms of the regret of the balancing procedure on a stream, near the balanced bias.

With Hessian eigenvalues $\lambda_j > 0$ of the expected dual function on vectors that sum to 0, and $\sigma_j^2$ the
variances of the loads along them, the update $p \leftarrow p + \varepsilon_n(L - A)$ is a linear stochastic recursion,
with second moments $v' = (1-\varepsilon\lambda)^2v + \varepsilon^2\sigma^2$ and expected regret
$\frac12\sum_j\lambda_jv_j$ a step.

Source: `alf-lb`, C6 (derived); the deployed sign rule's slope is derived here.
"""

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, floats, namespace
from lab.routing.balance import load_variance


def logarithmic_bound(gradient_square: Real, *, strong_convexity: Real, steps: Real) -> Float[Array, "..."]:
    r"""$\frac{G^2}{2\mu}(1+\ln N)$ for steps $1/(\mu n)$, with $\mathbb{E}\|A-L\|^2\le G^2$. The standard form."""
    check_positive(gradient_square=gradient_square, strong_convexity=strong_convexity, steps=steps)
    gradient_square, strong_convexity, steps = floats(gradient_square, strong_convexity, steps)
    return gradient_square / (2.0 * strong_convexity) * (1.0 + namespace(steps).log(steps))


def worst_gradient_square(tokens: int, experts: int, *, experts_per_token: int) -> float:
    r"""$KT^2(1-K/E)$: $\|A-L\|^2$ when all tokens choose the same K experts."""
    return experts_per_token * tokens**2 * (1.0 - experts_per_token / experts)


def logarithmic_coefficient(
    eigenvalues: Float[Array, "... directions"], variances: Float[Array, "... directions"], *, step_factor: Real
) -> Float[Array, "..."]:
    r"""Growth of the regret per unit of ln N for steps c/n: $\sum_j\frac{c^2\lambda_j\sigma_j^2}{2(2c\lambda_j-1)}$.

    Raises ValueError unless $c\lambda_j > \frac12$ for all j: otherwise the regret grows as $N^{1-2c\lambda}$.
    """
    eigenvalues, variances, step_factor = floats(eigenvalues, variances, step_factor)
    check_between(0.5, float("inf"), open_low=True, **{"step_factor · eigenvalues": step_factor * eigenvalues})
    each = step_factor**2 * eigenvalues * variances / (2.0 * (2.0 * step_factor * eigenvalues - 1.0))
    return namespace(each).sum(each, axis=-1)


def constant_step_slope(
    eigenvalues: Float[Array, "... directions"], variances: Float[Array, "... directions"], *, step_size: Real
) -> Float[Array, "..."]:
    r"""Regret a step with constant steps: $\sum_j\frac{\varepsilon\sigma_j^2}{2(2-\varepsilon\lambda_j)}$.

    Raises ValueError unless $0 < \varepsilon\lambda_j < 2$: beyond that, gradient steps diverge.
    """
    eigenvalues, variances, step_size = floats(eigenvalues, variances, step_size)
    check_between(0.0, 2.0, open_low=True, open_high=True, **{"step_size · eigenvalues": step_size * eigenvalues})
    each = step_size * variances / (2.0 * (2.0 - step_size * eigenvalues))
    return namespace(each).sum(each, axis=-1)


def sign_variance(experts: int) -> float:
    r"""$1+\frac2\pi\arcsin\frac1{E-1}$: variance of the signs of E balanced loads along any vector that sums to 0.

    Normal loads with correlation ρ have signs with correlation $\frac2\pi\arcsin\rho$, and $\rho = -1/(E-1)$.
    Raises ValueError for fewer than two experts. Derived here.
    """
    check_between(2.0, float("inf"), experts=experts)
    return float(1.0 + 2.0 / np.pi * np.arcsin(1.0 / (experts - 1)))


def sign_rule_spread(rate: float, *, deviation: float, experts: int) -> float:
    r"""$\lambda v = \Bigl(1+\frac2\pi\arcsin\frac1{E-1}\Bigr)\frac{\sigma u}{2\sqrt{2/\pi}}$: curvature times the
    variance of the biases per direction, in scores · tokens, that the sign rule with a small rate u leaves.

    The sign of a shortfall is that of a normal with mean $-\lambda\delta_k$ and deviation σ: its mean is
    $-\sqrt{2/\pi}\,\lambda\delta_k/\sigma$. In a symmetric stream $v' = (1-2u\sqrt{2/\pi}\,\lambda/\sigma)v + u^2c$,
    c the `sign_variance`: λ cancels. Derived here; assumes that no load is exactly balanced by chance (K·T/E far from a
    whole number, or many tokens).
    """
    check_positive(rate=rate, deviation=deviation)
    return sign_variance(experts) * deviation * rate / (2.0 * float(np.sqrt(2.0 / np.pi)))


def sign_rule_slope(tokens: int, experts: int, *, experts_per_token: int, rate: float) -> float:
    r"""Regret a step of the sign rule with a constant rate u in symmetric streams, for small u:

    $$\frac{E-1}2\lambda v = (E-1)\,\Bigl(1+\tfrac2\pi\arcsin\tfrac1{E-1}\Bigr)\frac{\sigma u}{4\sqrt{2/\pi}}$$

    with the λv of `sign_rule_spread`, σ² of `load_variance`: whatever the curvature λ. In units of the scores.
    """
    deviation = load_variance(tokens, experts, experts_per_token=experts_per_token) ** 0.5
    return (experts - 1) / 2.0 * sign_rule_spread(rate, deviation=deviation, experts=experts)


def second_moments(
    eigenvalues: Float[Array, "... directions"],
    variances: Float[Array, "... directions"],
    steps: Float[Array, " steps"],
    *,
    start: Float[Array, "... directions"],
) -> Float[Array, "... steps"]:
    r"""Expected regret before each update of the linear recursion with step sizes `steps`, from second moments."""
    xp = namespace(eigenvalues, variances, start)
    moment, found = start, []
    for step in steps:
        found.append(0.5 * xp.sum(eigenvalues * moment, axis=-1))
        moment = (1.0 - step * eigenvalues) ** 2 * moment + step**2 * variances
    return xp.stack(found, axis=-1)
