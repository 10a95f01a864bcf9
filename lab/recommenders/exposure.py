r"""Worlds of exposure and relevance: a click is seen when an item was exposed and relevant, $Y = O R$.

`Exposure` has up to about a dozen user–item pairs, so that every expectation over clicks is a sum over all $2^{|D|}$
click patterns; relevance and exposure may depend on each other within a pair. `ExposureShock` groups the pairs by
user and lets all exposures of a user rise and fall together, so that clicks are correlated. Source: `mnar-clipped`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from lab.arrays import Array, namespace
from lab.family import world
from lab.recommenders.losses import Local, Losses, local_losses


def patterns(pairs: int) -> np.ndarray:
    """All 2^pairs patterns of zeros and ones, one a row."""
    return (np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1).astype(float)


def pattern_probability(chance: Array) -> Array:
    """Probability of each pattern of independent events with these chances: (..., pairs) to (..., 2^pairs).

    Built pair by pair, in the order of `patterns`: each further pair doubles the list.
    """
    xp = namespace(chance)
    probability = xp.ones_like(chance[..., :1])
    for pair in range(chance.shape[-1]):
        p = chance[..., pair : pair + 1]
        probability = xp.concat([probability * (1.0 - p), probability * p], axis=-1)
    return probability


@world
class Exposure:
    """User–item pairs with their propensity, relevance, and the logit of the prediction that is being judged.

    `association` in [−1, 1] says how exposure and relevance depend within a pair: 0 not at all, ±1 as far as their
    marginal probabilities allow.
    """

    propensity: Array
    relevance: Array
    logit: Array
    association: Any = 0.0

    @property
    def pairs(self) -> int:
        return self.propensity.shape[-1]

    @property
    def covariance(self) -> Array:
        """Cov(O, R) of each pair: the association's share of the Fréchet bound on its side."""
        xp = namespace(self.propensity)
        both = self.propensity * self.relevance
        upper = xp.minimum(self.propensity, self.relevance) - both
        lower = both - xp.maximum(self.propensity + self.relevance - 1.0, xp.zeros_like(both))
        share = self.association + xp.zeros_like(both)
        return xp.where(share >= 0.0, share * upper, share * lower)

    @property
    def click_probability(self) -> Array:
        """P(Y = 1) of each pair: θγ, and the covariance when exposure and relevance depend."""
        return self.propensity * self.relevance + self.covariance

    def losses(self, local: Local = "log") -> Losses:
        """Local losses of the prediction."""
        return local_losses(self.logit, local=local)

    @cached_property
    def _click_probabilities(self) -> Array:
        return pattern_probability(self.click_probability)

    def expect(self, statistic: Callable[[np.ndarray], Array]) -> Array:
        """Exact expectation over the clicks of a statistic of the pattern.

        `statistic` gets all patterns at once, (2^pairs, pairs), and works beside world arrays given a pattern axis by
        `per_pattern`; it returns (..., 2^pairs).
        """
        probability = self._click_probabilities
        return namespace(probability).sum(probability * statistic(patterns(self.pairs)), axis=-1)

    def variance(self, statistic: Callable[[np.ndarray], Array]) -> Array:
        """Exact variance over the clicks of a statistic of the pattern."""
        found = statistic(patterns(self.pairs))
        mean = self.expect(lambda _: found)
        return self.expect(lambda _: (found - mean[..., None]) ** 2)

    @staticmethod
    def per_pattern(x: Array) -> Array:
        """An array of the world, (..., pairs), with an axis for the patterns: (..., 1, pairs)."""
        return x[..., None, :]

    def expect_outcomes(self, statistic: Callable[[float, float], Array]) -> Array:
        """Exact expectation, pair by pair, of a statistic of the pair's exposure and relevance, over its four
        outcomes."""
        both = self.click_probability
        exposed, relevant = self.propensity - both, self.relevance - both
        neither = 1.0 - both - exposed - relevant
        return (
            both * statistic(1.0, 1.0)
            + exposed * statistic(1.0, 0.0)
            + relevant * statistic(0.0, 1.0)
            + neither * statistic(0.0, 0.0)
        )

    def sample(self, rng: np.random.Generator, draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Exposures and relevances as 0/1 arrays of shape (draws, ..., pairs); their product is the clicks.

        One uniform number a pair lies in one of the four cells both, exposed only, relevant only, neither.
        """
        both = self.click_probability
        u = rng.random((draws, *np.shape(both)))
        exposed = u < self.propensity
        relevant = (u < both) | (exposed ^ (u < self.propensity + self.relevance - both))
        return exposed.astype(float), relevant.astype(float)


@world
class ExposureShock:
    """Pairs grouped by user, (..., users, items); each user's exposures are θ(1 + shock·z) with one z = ±1 a user."""

    propensity: Array
    relevance: Array
    logit: Array
    shock: Any

    def losses(self, local: Local = "log") -> Losses:
        """Local losses of the prediction."""
        return local_losses(self.logit, local=local)

    def loss_moments(self, term: Callable[[np.ndarray], Array]) -> tuple[Array, Array]:
        """Exact mean and variance of a loss that averages over all pairs.

        `term` gets all click patterns of one user's items, (2^items, items), and returns each pair's term for every
        user, (..., users, 2^items, items). Users are independent; within a user both shocks are enumerated.
        """
        xp = namespace(self.propensity)
        users, items = self.propensity.shape[-2:]
        loss = xp.sum(term(patterns(items)), axis=-1)
        shock = (self.shock + xp.zeros_like(self.propensity[..., 0, 0]))[..., None, None]
        probability = 0.5 * (
            pattern_probability(self.propensity * (1.0 + shock) * self.relevance)
            + pattern_probability(self.propensity * (1.0 - shock) * self.relevance)
        )
        mean = xp.sum(probability * loss, axis=-1)
        spread = xp.sum(probability * (loss - mean[..., None]) ** 2, axis=-1)
        pairs = users * items
        return xp.sum(mean, axis=-1) / pairs, xp.sum(spread, axis=-1) / pairs**2
