r"""A log of exposed items: a logging policy shows one item a row, and the reward is seen for that item alone.

The policy in question shows all items equally often, so that its mean reward is the plain mean of the relevances.
Source: `mnar-clipped`, the checks on logged data.
"""

import numpy as np

from lab.arrays import Array, Real
from lab.family import world
from lab.recommenders.propensity import clip_propensity


@world
class Log:
    """Items with the probability that a row shows each (they sum to 1) and the probability of its reward of 1."""

    propensity: Array
    relevance: Array

    @property
    def items(self) -> int:
        return self.propensity.shape[-1]

    @property
    def target(self) -> float:
        """Probability with which the policy in question shows an item."""
        return 1.0 / self.items

    @property
    def mean_reward(self) -> Array:
        """The truth: mean reward when all items are shown equally often."""
        return self.relevance.mean(axis=-1)

    def term_moments(self, clip: Real) -> tuple[Array, Array]:
        """Exact mean and variance of one row's term r·q/max(p, clip); several clips stand as (clips, 1)."""
        weight = self.target / clip_propensity(self.propensity, clip=clip)
        rewarded = self.propensity * self.relevance
        mean = (rewarded * weight).sum(axis=-1)
        return mean, (rewarded * weight**2).sum(axis=-1) - mean**2

    def mean_squared_error(self, clip: Real, rows: int) -> Array:
        """Exact mean squared error of the clipped estimator over so many rows."""
        mean, variance = self.term_moments(clip)
        return (mean - self.mean_reward) ** 2 + variance / rows

    def sample(self, rng: np.random.Generator, logs: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Rewards and propensities of independent logs: two arrays of shape (logs, rows)."""
        last = np.cumsum(self.propensity)
        # The list of chances may sum to a little less than 1: the last item takes what rounding left over.
        item = np.minimum(np.searchsorted(last, rng.random((logs, rows)), side="right"), self.items - 1)
        reward = rng.random((logs, rows)) < np.asarray(self.relevance)[item]
        return reward.astype(float), np.asarray(self.propensity)[item]
