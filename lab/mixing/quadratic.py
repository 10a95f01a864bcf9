r"""Stochastic gradient descent with a biased, noisy gradient on a quadratic, where every second moment is exact.

The loss is $\frac12\sum_i h_i\theta_i^2$, the gradient used is $h_i\theta_i + b_i + \xi_i$ with independent noise of
variance $V_i$. Mean and variance of θ obey linear recursions, whose fixed point gives the stationary error
$\mathbb{E}\|\nabla L\|^2 = \|b\|^2 + \sum_i \frac{\eta h_i}{2-\eta h_i} V_i$, at most $\|b\|^2 + \eta L V$ for ηL ≤ 1.

Source: `bvpo` (arXiv 2510.05095v1), C4 and C5; the stationary error is derived.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lab.arrays import Array, Real, namespace
from lab.family import world
from lab.mixing.closed_form import Moments, bias, variance


@world
class NoisyQuadratic:
    """Coordinates are independent: curvatures, start, bias and noise variance are (..., dim), the step size (...)."""

    curvature: Float[Array, "... dim"]
    start: Float[Array, "... dim"]
    bias: Float[Array, "... dim"]
    noise: Float[Array, "... dim"]
    step_size: Float[Array, "..."]

    @property
    def smoothness(self) -> Array:
        """L, the largest curvature."""
        return namespace(self.curvature).max(self.curvature, axis=-1)

    @property
    def initial_gap(self) -> Array:
        r"""$L(\theta_0) - L^*$."""
        return namespace(self.start).sum(self.curvature * self.start * self.start, axis=-1) / 2.0

    def squared_gradients(self, steps: int) -> Array:
        r"""$\mathbb{E}\|\nabla L(\theta_k)\|^2$ for k = 0 … steps, exact, (..., steps + 1)."""
        xp = namespace(self.start)
        step = self.step_size[..., None]
        contraction = 1.0 - step * self.curvature
        mean, spread, found = self.start, 0.0 * self.start, []
        for _ in range(steps + 1):
            found.append(xp.sum(self.curvature * self.curvature * (mean * mean + spread), axis=-1))
            mean = contraction * mean - step * self.bias
            spread = contraction * contraction * spread + step * step * self.noise
        return xp.stack(found, axis=-1)

    def stationary_error(self) -> Array:
        r"""$\|b\|^2 + \sum_i \frac{\eta h_i}{2-\eta h_i} V_i$, the limit of `squared_gradients` for 0 < η h_i < 2."""
        xp = namespace(self.bias)
        sharp = self.step_size[..., None] * self.curvature
        return xp.sum(self.bias * self.bias + sharp / (2.0 - sharp) * self.noise, axis=-1)

    def simulate(self, key: Any, runs: int, steps: int) -> Array:
        r"""$\|\nabla L(\theta_{steps})\|^2$ of independent runs, (runs, ...), with noise $\pm\sqrt{V_i}$; in JAX."""
        step = self.step_size[..., None]
        size = jnp.sqrt(self.noise)

        def advance(theta: Array, key: Any) -> tuple[Array, None]:
            sign = jax.random.rademacher(key, theta.shape, dtype=theta.dtype)
            return theta - step * (self.curvature * theta + self.bias + size * sign), None

        start = jnp.broadcast_to(self.start, (runs, *jnp.shape(self.start)))
        theta, _ = jax.lax.scan(advance, start, jax.random.split(key, steps))
        return jnp.sum((self.curvature * theta) ** 2, axis=-1)


@world
class MixedQuadratic:
    """One curved direction, and two gradient estimators on it: biases (..., 1), variances and correlation (...)."""

    curvature: Float[Array, "..."]
    smoothness_step: Float[Array, "..."]
    bias_trace: Float[Array, "... 1"]
    bias_empty: Float[Array, "... 1"]
    var_trace: Float[Array, "..."]
    var_empty: Float[Array, "..."]
    correlation: Float[Array, "..."]

    def moments(self) -> Moments:
        """Moments of the two estimators, the same everywhere."""
        xp = namespace(self.var_trace)
        cov = self.correlation * xp.sqrt(self.var_trace * self.var_empty)
        return Moments(self.bias_trace, self.bias_empty, self.var_trace, self.var_empty, cov)

    def under(self, weight: Real) -> NoisyQuadratic:
        """The quadratic that SGD sees when it uses the mixture of this weight; it starts at its stationary mean."""
        mean = bias(weight, self.bias_trace, self.bias_empty)
        noise = variance(weight, *self.moments()[2:])[..., None]
        curvature = self.curvature[..., None] + 0.0 * mean
        return NoisyQuadratic(curvature, -mean / curvature, mean, noise, self.smoothness_step / self.curvature)
