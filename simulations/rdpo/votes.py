"""The flip rate from repeated votes on the same pairs (`rdpo`, pitfall 3): identified by a fixed clean label, not
without."""

import numpy as np

from lab.arrays import Array
from lab.estimation.votes import flip_rate_from_disagreement, flip_rate_from_votes
from lab.ledger.evidence import evidence
from lab.ledger.findings import equal, mean_at_least
from lab.preferences import flipped
from lab.worlds.family import family, uniform, world


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


@evidence("rdpo/votes-interval-coverage", kind="sampled", size=512)
def interval_covers(draw, fixed_label=True, level=0.9):
    """Nine-tenths intervals from 200 pairs with two and with five votes; preferences from 0.5 to 1, flip rate 0.2."""
    rng, covered = draw.rng, []
    preference = np.linspace(0.5, 1.0, 200)
    for votes in (2, 5):
        for _ in range(draw.size):
            clean = rng.random((200, 1 if fixed_label else votes)) < preference[:, None]
            seen = clean ^ (rng.random((200, votes)) < 0.2)
            found = flip_rate_from_votes(seen.astype(float), level=level)
            covered.append(found.low <= 0.2 <= found.high)
    values = np.reshape(covered, (2, draw.size)).T.astype(float)
    return mean_at_least(values, np.full(2, 0.85), low=0.0, high=1.0)


interval_covers.control("each vote draws its own clean label", fixed_label=False)
interval_covers.control("an interval of level 0.7", level=0.7)
