"""Where the flip rate can be learnt from (`rdpo`, pitfall 3): repeated votes on a fixed clean label, or features that
pairs share; not the shares of labels of a tabular policy."""

import numpy as np

from lab.arrays import Array, sigmoid
from lab.estimation.votes import flip_rate_from_disagreement, flip_rate_from_votes
from lab.family import family, uniform, world
from lab.ledger.evidence import evidence
from lab.ledger.findings import equal, mean_at_least
from lab.objectives.logistic import noisy_likelihood_dpo, robust_dpo_minimiser
from lab.preferences import flipped
from simulations.rdpo.losses import overestimated


@world
class TwoVotes:
    """Two votes on one pair: its Bradley–Terry probability, and the rate at which a vote is flipped."""

    preference: Array
    flip_rate: Array

    def disagreement(self, fixed_label: bool):
        """Probability that the votes differ, by enumeration of the clean label and of both votes."""
        total = 0.0
        for label, weight in ((1.0, self.preference), (0.0, 1.0 - self.preference)):
            clean = (label + 0.0 * self.preference) if fixed_label else self.preference
            one = flipped(clean, flip_rate=self.flip_rate)
            zero = flipped(1.0 - clean, flip_rate=self.flip_rate)
            total = total + weight * 2.0 * one * zero
        return total


pairs = family(TwoVotes, preference=uniform(0.05, 0.95), flip_rate=uniform(0.01, 0.45))
certain = family(TwoVotes, preference=uniform(1.0, 1.0), flip_rate=uniform(0.01, 0.45))


@evidence("rdpo/votes-identify-flip-rate", kind="exact", over=pairs)
def rate_from_disagreement(pair, fixed_label=True):
    """The clean label is drawn once and both votes see it: their disagreement gives back the flip rate, whatever the
    preference."""
    return equal(flip_rate_from_disagreement(pair.disagreement(fixed_label)), pair.flip_rate)


rate_from_disagreement.control("each vote draws its own clean label", fixed_label=False)


@evidence("rdpo/votes-identify-without-fixed-label", kind="exact", over=pairs)
def rate_from_fresh_labels(pair):
    """Each vote draws a clean label of its own: the disagreement mixes taste and flips."""
    return equal(flip_rate_from_disagreement(pair.disagreement(fixed_label=False)), pair.flip_rate)


rate_from_fresh_labels.control("preferences without noise: the fresh labels are all the same", over=certain)


# Without repeated votes: what the shares of labels say about the rate.


@evidence("rdpo/rate-unidentified-in-tables", kind="exact", over=overestimated)
def fit_under_either_rate(world, anchored=False):
    """The best likelihood under an assumed rate against that under the true one, with infinitely many labels."""

    def best(rate):
        margin = robust_dpo_minimiser(world.win_rate, beta=world.beta, flip_rate=world.flip_rate if anchored else rate)
        return world.expect_over_labels(lambda m: noisy_likelihood_dpo(m, beta=world.beta, flip_rate=rate), margin)

    return equal(best(world.assumed_rate), best(world.flip_rate))


fit_under_either_rate.control("the true margin is known: an anchor pair", anchored=True)


@world
class TwoSteps:
    """Two pairs of a log-linear policy: the features of one differ by `steps` times those of the other."""

    margin: Array
    steps: Array
    flip_rate: Array

    @property
    def excess(self):
        """Twice the observed share of labels less one, of both pairs."""
        return [
            2.0 * flipped(sigmoid(h), flip_rate=self.flip_rate) - 1.0 for h in (self.margin, self.steps * self.margin)
        ]


twice = family(TwoSteps, margin=uniform(0.5, 4), steps=uniform(2, 2), flip_rate=uniform(0.01, 0.45))
otherwise = family(TwoSteps, margin=uniform(0.5, 4), steps=uniform(1.2, 1.9), flip_rate=uniform(0.01, 0.45))


@evidence("rdpo/rate-identified-by-shared-features", kind="exact", over=twice)
def rate_from_two_shares(world):
    """From the ratio of the two excesses, (1−2ε) tanh(h/2) and (1−2ε) tanh(h), back to the flip rate."""
    one, two = world.excess
    tangent = np.sqrt(2.0 * one / two - 1.0)
    return equal((1.0 - one / tangent) / 2.0, world.flip_rate)


rate_from_two_shares.control("a second margin that is not twice the first: nothing ties the two", over=otherwise)


@evidence("rdpo/votes-interval-coverage", kind="sampled", size=512)
def interval_covers(draw, fixed_label=True, level=0.9):
    """Nine-tenths intervals from 200 pairs with two and with five votes; preferences from 0.5 to 1, flip rate 0.2."""
    rng, covered = draw.rng, []
    preference = np.linspace(0.5, 1.0, 200)[:, None]
    for votes in (2, 5):
        clean = rng.random((draw.size, 200, 1 if fixed_label else votes)) < preference
        seen = clean ^ (rng.random((draw.size, 200, votes)) < 0.2)
        found = flip_rate_from_votes(seen.astype(float), level=level)
        covered.append((found.low <= 0.2) & (found.high >= 0.2))
    values = np.stack(covered, axis=-1).astype(float)
    return mean_at_least(values, np.full(2, 0.85), low=0.0, high=1.0)


interval_covers.control("each vote draws its own clean label", fixed_label=False)
interval_covers.control("an interval of level 0.7", level=0.7)
