"""Contexts × actions × features: log-linear policies, pairs drawn from the reference, Bradley–Terry labels, random
flips.

The world of `rdpo` (setting): everything is finite, so that each expectation over contexts and pairs is a sum, and a
data set of any size is a table of counts. Both actions of a pair are drawn from the reference policy; a pair of equal
actions carries no information and is left out of the tables, its probability is the mass that they lack.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, namespace, sigmoid
from lab.family import world
from lab.policies import log_linear, tabular
from lab.preferences import flipped


@world
class LogLinear:
    r"""$\pi_\theta(a|s) \propto e^{\phi(s,a)^\top\theta}$ with optimum $\theta$ and reference $\theta_0$; batch
    dimensions lead.

    The reward is $r(s,a) = \beta\,\phi(s,a)^\top(\theta-\theta_0)$, whose KL-regularised optimum is $\pi_\theta$.
    """

    features: Float[Array, "*batch contexts actions features"]
    theta: Float[Array, "*batch features"]
    reference_theta: Float[Array, "*batch features"]
    context_logits: Float[Array, "*batch contexts"]
    beta: Float[Array, "*batch"]
    flip_rate: Float[Array, "*batch"]

    def log_policy(self, shift: Float[Array, "... features"]) -> Float[Array, "... contexts actions"]:
        r"""$\log\pi_{\theta_0+\text{shift}}(a|s)$: estimates are shifts from the reference, $\hat\theta-\theta_0$."""
        return log_linear((self.reference_theta + shift)[..., None, :], self.features)

    @property
    def shift(self) -> Float[Array, "... features"]:
        r"""The truth that is to be estimated, $\theta-\theta_0$."""
        return self.theta - self.reference_theta

    @property
    def log_reference(self) -> Float[Array, "... contexts actions"]:
        return self.log_policy(0.0 * self.reference_theta)

    @property
    def log_optimum(self) -> Float[Array, "... contexts actions"]:
        return self.log_policy(self.shift)

    @property
    def reward(self) -> Float[Array, "... contexts actions"]:
        xp = namespace(self.features)
        return self.beta[..., None, None] * xp.sum(self.features * self.shift[..., None, None, :], axis=-1)

    @property
    def context_probabilities(self) -> Float[Array, "... contexts"]:
        return namespace(self.context_logits).exp(tabular(self.context_logits))

    def expect(self, values: Float[Array, "... contexts"]) -> Float[Array, "..."]:
        """Mean over contexts."""
        return namespace(values).sum(self.context_probabilities * values, axis=-1)

    def expected_reward(self, log_policy: Float[Array, "... contexts actions"]) -> Float[Array, "..."]:
        r"""$\mathbb{E}_s\mathbb{E}_{a\sim\pi}\,r(s,a)$."""
        xp = namespace(log_policy)
        return self.expect(xp.sum(xp.exp(log_policy) * self.reward, axis=-1))

    def policy_covariance(
        self, log_policy: Float[Array, "... contexts actions"]
    ) -> Float[Array, "... features features"]:
        r"""$\Sigma_\pi = \mathbb{E}_s\,\mathrm{Cov}_{a\sim\pi}\,\phi(s,a)$."""
        xp = namespace(log_policy, self.features)
        weight = xp.exp(log_policy)[..., None]
        centred = self.features - xp.sum(weight * self.features, axis=-2, keepdims=True)
        outer = centred[..., :, None] * centred[..., None, :]
        per_context = xp.sum(weight[..., None] * outer, axis=-3)
        return xp.sum(self.context_probabilities[..., None, None] * per_context, axis=-3)

    # Pairs: contexts × unordered pairs of different actions, flattened into one axis

    @property
    def pair_actions(self) -> tuple[np.ndarray, np.ndarray]:
        """First and second action of the unordered pairs of one context."""
        return np.triu_indices(self.features.shape[-2], 1)

    @property
    def pair_features(self) -> Float[Array, "... pairs features"]:
        r"""$x = \phi(s,a) - \phi(s,a')$."""
        first, second = self.pair_actions
        x = self.features[..., first, :] - self.features[..., second, :]
        return namespace(x).reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))

    @property
    def pair_probabilities(self) -> Float[Array, "... pairs"]:
        r"""$2\rho(s)\pi_0(a|s)\pi_0(a'|s)$; together 1 less the probability of drawing one action twice."""
        xp = namespace(self.features)
        first, second = self.pair_actions
        log_p = self.log_reference
        both = 2.0 * xp.exp(log_p[..., first] + log_p[..., second]) * self.context_probabilities[..., None]
        return xp.reshape(both, (*both.shape[:-2], both.shape[-2] * both.shape[-1]))

    @property
    def margins(self) -> Float[Array, "... pairs"]:
        r"""Unscaled margins $x^\top(\theta-\theta_0)$ of the truth."""
        x = self.pair_features
        return namespace(x).sum(x * self.shift[..., None, :], axis=-1)

    @property
    def preferences(self) -> Float[Array, "... pairs"]:
        r"""Clean probability that the first action wins, $\sigma(\beta x^\top(\theta-\theta_0))$."""
        return sigmoid(self.beta[..., None] * self.margins)

    def second_moment(self) -> Float[Array, "... features features"]:
        r"""$\mathbb{E}\,xx^\top$ over pairs, which is $2\Sigma_{\pi_0}$."""
        x, xp = self.pair_features, namespace(self.features)
        return xp.sum(self.pair_probabilities[..., None, None] * x[..., :, None] * x[..., None, :], axis=-3)

    def frequencies(self) -> tuple[Float[Array, "... pairs"], Float[Array, "... pairs"]]:
        """Exact probabilities of the two observed outcomes of each pair: the first seen to win, the second seen to
        win."""
        wins = flipped(self.preferences, flip_rate=self.flip_rate[..., None])
        return self.pair_probabilities * wins, self.pair_probabilities * (1.0 - wins)

    def sample_counts(self, rng: np.random.Generator, size: int, replications: int) -> tuple[np.ndarray, np.ndarray]:
        """How often each pair's first and second action was seen to win, in independent data sets of `size` drawn
        pairs.

        For one world (no batch dimension). Multinomial: the same law as counting `size` single draws, at a cost that
        does not grow with the size.
        """
        won, lost = (np.asarray(x, float) for x in self.frequencies())
        outcomes = np.concatenate([won, lost, [max(0.0, 1.0 - won.sum() - lost.sum())]])
        counts = rng.multinomial(size, outcomes / outcomes.sum(), size=replications)
        return counts[:, : won.size].astype(float), counts[:, won.size : -1].astype(float)

    def sample_pairs(self, key: Any, size: int) -> tuple[jax.Array, jax.Array]:
        """Single draws of one world, one uniform number each: the index of the pair (−1: equal actions), and whether
        the first action was seen to win."""
        won, lost = self.frequencies()
        edges = jnp.cumsum(jnp.concatenate([jnp.asarray(won), jnp.asarray(lost)]))
        outcome = jnp.searchsorted(edges, jax.random.uniform(key, (size,), dtype=edges.dtype), side="right")
        pairs = won.shape[-1]
        return jnp.where(outcome < 2 * pairs, outcome % pairs, -1), outcome < pairs
