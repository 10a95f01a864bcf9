r"""Worlds of routing: a fixed batch of tokens, and streams of batches whose scores are stationary or drift.

The stream draws new tokens at every step, $\gamma_k \sim U[m_k(n), m_k(n)+1]$ independently, with means that may swing,
$m_k(n) = m_k + a_k\cos(2\pi n/\text{period})$. The bias $-m(n)$ balances it in expectation. Our design (`alf-lb`, C6).
"""

from dataclasses import field
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, namespace, sigmoid
from lab.family import static, world
from lab.routing.balance import load_variance
from lab.routing.lagrangian import dual_value
from lab.routing.selection import check_experts_per_token, loads, route
from lab.routing.uniform_scores import balanced_curvature, expected_dual, hessian, selection_probability


@world
class FixedTokens:
    """One batch of tokens that comes again and again: scores (..., tokens, experts)."""

    scores: Float[Array, "... tokens experts"]
    experts_per_token: int = static()

    def route(self, bias: Array) -> Array:
        return route(self.scores, bias, experts_per_token=self.experts_per_token)

    def loads(self, bias: Array) -> Array:
        return loads(self.route(bias))

    def dual(self, bias: Array) -> Array:
        return dual_value(self.scores, bias, experts_per_token=self.experts_per_token)

    @property
    def balanced_load(self) -> float:
        """L = KT/E."""
        tokens, experts = self.scores.shape[-2:]
        return tokens * self.experts_per_token / experts


@world
class BiasedTokens:
    """One batch of tokens with the biases (..., experts) and the update rate (...) of some moment."""

    scores: Float[Array, "... tokens experts"]
    bias: Float[Array, "... experts"]
    rate: Float[Array, "..."] = field(default_factory=lambda: np.asarray(0.0))
    experts_per_token: int = static(default=1)


def sigmoid_tokens(logits: Any, lean: Any, *, experts_per_token: int) -> FixedTokens:
    """Sigmoid affinities of normal logits (..., tokens, experts) that lean towards some experts (..., experts)."""
    return FixedTokens(np.asarray(sigmoid(logits + lean[..., None, :])), experts_per_token)


@world
class TokenStream:
    """New tokens at every step, with independent uniform scores: see the module. Fields are (..., experts), (...)."""

    means: Float[Array, "... experts"]
    swing: Real
    period: Real
    tokens: int = static()
    experts_per_token: int = static()

    def __post_init__(self) -> None:
        if hasattr(self.means, "shape"):
            check_experts_per_token(self.experts_per_token, self.means.shape[-1])

    @property
    def experts(self) -> int:
        return self.means.shape[-1]

    @property
    def balanced_load(self) -> float:
        """L = KT/E."""
        return self.tokens * self.experts_per_token / self.experts

    def means_at(self, step: Any) -> Array:
        """m(n)."""
        xp = namespace(self.means, step)
        return self.means + self.swing * xp.cos(2.0 * np.pi * step / self.period)

    def sample(self, key: Any, step: Any) -> Array:
        """Scores of the tokens of one step, (tokens, experts); for a single world, by JAX."""
        return self.means_at(step) + jax.random.uniform(key, (self.tokens, self.experts))

    def expected_loads(self, bias: Array) -> Array:
        """E A(p) of the means without swing, (..., experts)."""
        return self.tokens * selection_probability(self.means + bias, experts_per_token=self.experts_per_token)

    def expected_dual(self, bias: Array) -> Array:
        """E f(p) of the means without swing."""
        return self.tokens * expected_dual(bias, self.means, experts_per_token=self.experts_per_token)

    def regret(self, bias: Array) -> Array:
        """E f(p) − E f(p*): what biases p cost in expectation, at least 0; p* = −m."""
        return self.expected_dual(bias) - self.expected_dual(-self.means + 0.0 * bias)

    def hessian(self, bias: Array) -> Array:
        """∇²E f(p) of the means without swing, (..., experts, experts)."""
        return self.tokens * hessian(self.means + bias, experts_per_token=self.experts_per_token)

    @property
    def strong_convexity(self) -> float:
        r"""$\mu = TE/(E-1)$ at the balanced bias, on vectors that sum to 0; for every K (`alf-lb`, C5)."""
        return self.tokens * balanced_curvature(self.experts)

    @property
    def load_covariance(self) -> np.ndarray:
        r"""Cov A at the balanced bias: $\frac{TR(1-R)E}{E-1}(I - \frac1E 11^\top)$, R = K/E."""
        experts = self.experts
        variance = load_variance(self.tokens, experts, experts_per_token=self.experts_per_token)
        return variance * experts / (experts - 1) * (np.eye(experts) - 1.0 / experts)


def stream(means: Any, *, tokens: int, experts_per_token: int, swing: Any = 0.0, period: Real = 1.0) -> TokenStream:
    """A stream with these means, (experts,); without `swing` it is stationary."""
    means = np.asarray(means, dtype=float)
    swing = np.broadcast_to(np.asarray(swing, dtype=float), means.shape)
    return TokenStream(means, swing, np.asarray(period, dtype=float), tokens, experts_per_token)


def spread_means(experts: int, width: float) -> np.ndarray:
    """Means from +width down to −width in equal steps."""
    return np.linspace(width, -width, experts)
