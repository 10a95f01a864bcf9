"""The noisy likelihood as a loss (`rdpo`, C6): bounded, hence not convex, and its infimum may lie at infinity too."""

from itertools import pairwise

import numpy as np

from lab.family import family, log_uniform, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.objectives.logistic import noisy_likelihood_dpo, robust_dpo
from lab.worlds.noisy_pairs import Chord, NoisyPair
from simulations.rdpo.shapes import near_certain

RATES = uniform(0.01, 0.45)

anywhere = family(NoisyPair, margin=uniform(-1e3, 1e3), flip_rate=RATES, beta=log_uniform(0.1, 10))


@evidence("rdpo/likelihood-bounded-not-convex", kind="exact", over=anywhere)
def between_two_bounds(world, loss=noisy_likelihood_dpo):
    """−log(1−ε) and −log ε, however far the margin goes."""
    found = loss(world.margin, beta=world.beta, flip_rate=world.flip_rate)
    return at_most(-np.log1p(-world.flip_rate), found), at_most(found, -np.log(world.flip_rate))


between_two_bounds.control("the robust loss", loss=lambda world: robust_dpo)


def _chord(nearest, length, side, flip_rate, beta):
    """A chord on one side of h = −½ logit(1−ε)."""
    turn = (np.log(flip_rate) - np.log1p(-flip_rate)) / 2.0
    ends = np.stack([turn + side * nearest, turn + side * (nearest + length)]) / beta
    return Chord(ends.min(axis=0), ends.max(axis=0), flip_rate, beta)


_near = {"nearest": uniform(0, 2), "length": uniform(1, 3), "flip_rate": RATES, "beta": log_uniform(0.3, 3)}
beneath = family(_chord, side=uniform(-1, -1), **_near)
above = family(_chord, side=uniform(1, 1), **_near)


def _sag(chord):
    return chord.sag(lambda m: noisy_likelihood_dpo(m, beta=chord.beta, flip_rate=chord.flip_rate))


@evidence("rdpo/likelihood-bounded-not-convex", kind="exact", over=beneath)
def concave_for_pairs_far_behind(chord):
    """Random chords left of h = −½ logit(1−ε) lie beneath the loss."""
    return below(_sag(chord), 0.0)


concave_for_pairs_far_behind.control("chords to the right of it", over=above)


@evidence("rdpo/likelihood-bounded-not-convex", kind="exact", over=above)
def convex_from_there_on(chord):
    """Random chords to the right lie above it."""
    return below(0.0, _sag(chord))


convex_from_there_on.control("chords to the left of it", over=beneath)


@evidence("rdpo/likelihood-infimum-at-infinity", kind="exact", over=near_certain)
def falls_to_a_finite_value(world, assumed_rate=None):
    """At a share of labels above 1 − ε' the population loss falls from each margin to the next, towards its limit."""
    rate, share = world.assumed_rate if assumed_rate is None else assumed_rate, world.win_rate
    limit = -share * np.log1p(-rate) - (1.0 - share) * np.log(rate)
    losses = [
        world.expect_over_labels(lambda m: noisy_likelihood_dpo(m, beta=world.beta, flip_rate=rate), h / world.beta)
        for h in (0.0, 2.0, 4.0, 8.0, 16.0, 1000.0)
    ]
    falling = [below(after, before) for before, after in pairwise(losses)]
    return (*falling, equal(losses[-1], limit))


falls_to_a_finite_value.control("the true rate: the minimum is where it should be", assumed_rate=lambda w: w.flip_rate)
