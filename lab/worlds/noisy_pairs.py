r"""Preferences whose labels were replaced at random: every expectation over the noise is a finite sum.

The margin is in the clean orientation, $m$ in nats; a flip, with probability $\varepsilon$ independently of everything
else given the clean label, shows it as $-m$. Source: `rdpo`, setting and C8.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, floats, namespace, sigmoid
from lab.family import world

Observed = Callable[[Array], Array]  # a function of the margins, or of the log-ratios, as labelled


@world
class NoisyPair:
    """Independent pairs, one an entry; fields broadcast."""

    margin: Float[Array, "*pairs"]
    flip_rate: Float[Array, "*pairs"]
    beta: Float[Array, "*pairs"]

    def expect_over_flips(self, observed: Observed, *, order: int = 0) -> Array:
        r"""$\mathbb{E} f(\tilde m) = (1-\varepsilon) f(m) + \varepsilon f(-m)$: a flip has two outcomes.

        For the derivative of some order of a loss: a flip turns the margin, so odd orders change sign.
        """
        sign = -1.0 if order % 2 else 1.0
        return (1.0 - self.flip_rate) * observed(self.margin) + sign * self.flip_rate * observed(-self.margin)

    def variance_over_flips(self, observed: Observed, *, order: int = 0) -> Array:
        r"""$\varepsilon(1-\varepsilon)[f(m) - f(-m)]^2$, or $[f(m) + f(-m)]^2$ for odd orders."""
        sign = -1.0 if order % 2 else 1.0
        return self.flip_rate * (1.0 - self.flip_rate) * (observed(self.margin) - sign * observed(-self.margin)) ** 2


@world
class MisjudgedPair(NoisyPair):
    """A noisy pair for which another flip rate than the true one is assumed."""

    assumed_rate: Float[Array, "*pairs"]


@world
class NoisyPairs:
    """Small data sets of pairs, one data set an entry of the leading axes: all 2ⁿ patterns of flips are listed."""

    margins: Float[Array, "*sets pairs"]
    flip_rate: Float[Array, "*sets"]
    beta: Float[Array, "*sets"]

    def expect_over_flips(self, observed: Observed) -> Array:
        r"""$\mathbb{E} F(\tilde m_1, \dots, \tilde m_n)$ for a function of whole data sets (last axis)."""
        pairs = self.margins.shape[-1]
        patterns = np.array(list(itertools.product((1.0, -1.0), repeat=pairs)))
        flips = np.sum(patterns < 0, axis=-1)
        rate = self.flip_rate[..., None]
        probability = (1.0 - rate) ** (pairs - flips) * rate**flips
        seen = observed(self.margins[..., None, :] * patterns)
        return namespace(probability).sum(probability * seen, axis=-1)


@world
class VotedPair:
    r"""Pairs with infinitely many labels, of which a share `clean_rate` points forwards before the flips."""

    clean_rate: Float[Array, "*pairs"]
    flip_rate: Float[Array, "*pairs"]
    beta: Float[Array, "*pairs"]

    @property
    def win_rate(self) -> Array:
        r"""The observed share, $\tilde p = (1-\varepsilon)p + \varepsilon(1-p)$."""
        return (1.0 - self.flip_rate) * self.clean_rate + self.flip_rate * (1.0 - self.clean_rate)

    def expect_over_labels(self, observed: Observed, margin: Array) -> Array:
        r"""Population loss of a margin: $\tilde p\,f(m) + (1-\tilde p)\,f(-m)$."""
        return self.win_rate * observed(margin) + (1.0 - self.win_rate) * observed(-margin)


@world
class MisjudgedVotes(VotedPair):
    """As `VotedPair`, where another flip rate than the true one is assumed."""

    assumed_rate: Float[Array, "*pairs"]


@world
class NoisyRanking:
    """Rankings of K items, each replaced with probability `flip_rate` by one of the other K! − 1 at random."""

    log_ratios: Float[Array, "*rankings ranked"]
    flip_rate: Float[Array, "*rankings"]
    beta: Float[Array, "*rankings"]

    def expect_over_rankings(self, observed: Observed) -> Array:
        r"""$(1-\varepsilon) f(\tau) + \frac{\varepsilon}{K!-1}\sum_{\tau' \ne \tau} f(\tau')$: all K! orders."""
        places = self.log_ratios.shape[-1]
        orders = list(itertools.permutations(range(places)))
        others = sum(observed(self.log_ratios[..., np.array(order)]) for order in orders[1:])
        return (1.0 - self.flip_rate) * observed(self.log_ratios) + self.flip_rate / (len(orders) - 1) * others


@world
class Chord:
    """Two margins, for convexity: a loss is convex where its chords lie above it."""

    left: Float[Array, "*pairs"]
    right: Float[Array, "*pairs"]
    flip_rate: Float[Array, "*pairs"]
    beta: Float[Array, "*pairs"]

    def sag(self, loss: Observed) -> Array:
        """Mean of the loss at both ends minus the loss in the middle: never negative for a convex loss."""
        ends = (loss(self.left) + loss(self.right)) / 2.0
        return ends - loss((self.left + self.right) / 2.0)


@world
class LabelledPairs:
    """Data sets of pairs with features and labels ±1 as observed, one data set an entry of the leading axes."""

    features: Float[Array, "*sets pairs features"]
    labels: Float[Array, "*sets pairs"]


def labelled_pairs(
    features: np.ndarray, theta: np.ndarray, label_draw: np.ndarray, flip_draw: np.ndarray, flip_rate: np.ndarray
) -> LabelledPairs:
    r"""Bradley–Terry labels of $h = x^\top\theta$, then flips, from given uniform draws."""
    wins = label_draw < sigmoid(np.sum(features * theta[..., None, :], axis=-1))
    flips = flip_draw < flip_rate[..., None]
    return LabelledPairs(features, np.where(wins != flips, 1.0, -1.0))


def flip_counts(pairs: int, flip_rate: Float[Array, "..."]) -> Array:
    r"""Probabilities $\binom nk\varepsilon^k(1-\varepsilon)^{n-k}$ of k flips among n pairs, along a new last axis."""
    (rate,) = floats(flip_rate)
    _, ways = floats(rate, [float(math.comb(pairs, k)) for k in range(pairs + 1)])
    k = np.arange(pairs + 1)
    return ways * rate[..., None] ** k * (1.0 - rate[..., None]) ** (pairs - k)
