"""The clip: bias, variance, and the best compromise between them (C5 and C6)."""

from itertools import pairwise

import numpy as np

from lab.family import family, normal, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal, exponent, mean_between
from lab.recommenders.clipping import clip_error, optimal_clip
from lab.recommenders.exposure import Exposure, patterns
from lab.recommenders.losses import clipped, loss, naive, unbiased
from lab.recommenders.moments import clipped_bias, clipped_relevance, clipped_variance
from simulations.mnar_clipped.worlds import (
    PAIRS,
    WORLDS,
    dependent,
    expected_loss,
    ideal_loss,
    independent,
    loss_variance,
)

CLIPS = (0.0, 0.2, 0.4, 1.0)

_chances = {"propensity": uniform(0.02, 0.95, shape=(PAIRS,)), "relevance": uniform(0.02, 0.98, shape=(PAIRS,))}
one_sign = family(Exposure, logit=uniform(0.5, 4.0, shape=(PAIRS,)), **_chances)


# C5: bias and variance


@evidence("mnar-clipped/clipped-bias", kind="exact", over=independent, size=WORLDS)
def clipped_bias_by_enumeration(world: Exposure):
    """The expected clipped loss over all click patterns: its bias, and the shrunk relevance that it targets."""
    propensity = world.per_pattern(world.propensity)
    found = []
    for clip in CLIPS:
        expected = expected_loss(world, lambda clicks, clip=clip: clipped(clicks, propensity, clip=clip))
        formula = clipped_bias(world.relevance, world.propensity, world.losses().difference, clip=clip)
        kept = clipped_relevance(world.relevance, world.propensity, clip=clip)
        shrunk = Exposure(world.propensity, kept, world.logit)
        found += [equal(expected - ideal_loss(world), formula), equal(expected, ideal_loss(shrunk))]
    return tuple(found)


clipped_bias_by_enumeration.control("exposure and relevance depend on each other", over=dependent)


@evidence("mnar-clipped/clipped-variance", kind="exact", over=independent, size=WORLDS)
def clipped_variance_by_enumeration(world: Exposure):
    """The variance of the clipped loss over all click patterns."""
    propensity = world.per_pattern(world.propensity)
    return tuple(
        equal(
            loss_variance(world, lambda clicks, clip=clip: clipped(clicks, propensity, clip=clip)),
            clipped_variance(world.relevance, world.propensity, world.losses().difference, clip=clip),
        )
        for clip in CLIPS
    )


clipped_variance_by_enumeration.control("exposure and relevance depend on each other", over=dependent)


def _variance(world: Exposure, clip: float):
    return clipped_variance(world.relevance, world.propensity, world.losses().difference, clip=clip)


def _size_of_bias(world: Exposure, clip: float):
    return abs(clipped_bias(world.relevance, world.propensity, world.losses().difference, clip=clip))


_RISING = tuple(float(clip) for clip in np.linspace(0.0, 1.0, 21))


@evidence("mnar-clipped/clipped-variance-falls", kind="exact", over=independent, size=WORLDS)
def variance_against_clip(world: Exposure, bias_share=0.0):
    """At each of 21 rising clips the variance is at most what it was at the one before."""
    errors = [bias_share * _size_of_bias(world, clip) ** 2 + _variance(world, clip) for clip in _RISING]
    return tuple(at_most(after, before) for before, after in pairwise(errors))


variance_against_clip.control("the squared bias is counted too", bias_share=1.0)


@evidence("mnar-clipped/clipped-bias-grows", kind="exact", over=independent, size=WORLDS)
def bias_against_clip(world: Exposure):
    """At each of 21 rising clips the size of the bias is at least what it was at the one before."""
    sizes = [_size_of_bias(world, clip) for clip in _RISING]
    return tuple(at_most(before, after) for before, after in pairwise(sizes))


bias_against_clip.control("the local-loss differences have one sign", over=one_sign)


@evidence("mnar-clipped/clipped-bias-grows-one-sign", kind="exact", over=one_sign, size=WORLDS)
def bias_of_one_sign_against_clip(world: Exposure):
    """As above, where every prediction lies on one side of 1/2, so that no two pairs' biases cancel."""
    return bias_against_clip(world)


bias_of_one_sign_against_clip.control("predictions on both sides of 1/2", over=independent)


@evidence("mnar-clipped/clip-endpoints", kind="exact", over=independent, size=WORLDS)
def ends_of_the_clip(world: Exposure, highest=1.0):
    """On every click pattern: the clip at the least propensity is the unbiased loss, the clip at 1 the naive one."""
    clicks, propensity = patterns(world.pairs), world.per_pattern(world.propensity)
    logit = world.per_pattern(world.logit)
    least = world.per_pattern(world.propensity.min(axis=-1)[..., None])
    return (
        equal(loss(logit, clipped(clicks, propensity, clip=least)), loss(logit, unbiased(clicks, propensity))),
        equal(loss(logit, clipped(clicks, propensity, clip=highest)), loss(logit, naive(clicks))),
    )


ends_of_the_clip.control("a clip of one half is not the naive loss", highest=0.5)


# C6: the best clip


@evidence("mnar-clipped/clip-optimum-closed-form", kind="exact", over=independent, size=WORLDS)
def closed_form_against_grid(world: Exposure, assumed_users=30.0):
    """The closed form's error is what the error formula says at its clip, and no clip of a fine grid does better."""
    problem = world.relevance, world.propensity, world.losses().difference
    best = optimal_clip(*problem, users=assumed_users)
    reached = clip_error(*problem, clip=best.clip[..., None], users=30.0)
    grid = np.linspace(0.005, 1.0, 400)[:, None, None]
    return (
        at_most(reached, clip_error(*problem, clip=grid, users=30.0).min(axis=0)),
        equal(reached, best.mean_squared_error),
    )


closed_form_against_grid.control("tuned for a single user, used with 30", assumed_users=1.0)


@evidence("mnar-clipped/clip-optimum-interior", kind="exact", over=independent, size=WORLDS)
def best_clip_against_no_clip(world: Exposure, variance=1.0):
    """A clip slightly above the least propensity beats no clip, from one user to a million, for all worlds."""
    problem = world.relevance, world.propensity, world.losses().difference
    least = world.propensity.min(axis=-1)
    found = []
    for users in (1.0, 1e3, 1e6):
        clip = least * (1.0 + 1e-3 / users)
        bias = clipped_bias(*problem, clip=clip[..., None])
        # Written as a difference: beside the whole variance the gain would drown in rounding.
        rarest = world.propensity == least[..., None]
        chance = world.propensity * world.relevance
        spread = (chance * (1.0 - chance) * world.losses().difference ** 2 * rarest).sum(axis=-1) / world.pairs**2
        saved = spread * (1.0 / least - 1.0 / clip) * (1.0 / least + 1.0 / clip) / users
        found.append(below(bias**2, variance * saved))
    return tuple(found)


best_clip_against_no_clip.control("infinitely many users: only the bias counts", variance=0.0)


def _gain(world: Exposure, users) -> np.ndarray:
    """The share of the unclipped estimator's mean squared error that the best clip saves."""
    problem = world.relevance, world.propensity, world.losses().difference
    best = optimal_clip(*problem, users=users)
    return 1.0 - best.mean_squared_error / clip_error(*problem, clip=0.0, users=users)


def even_clicks(logit: np.ndarray) -> Exposure:
    """Twenty pairs whose propensities fall by a constant factor, with equal relevances."""
    propensity = np.broadcast_to(np.logspace(-2.5, -0.1, 20), logit.shape)
    return Exposure(propensity, np.full(logit.shape, 0.4), logit)


twenty_pairs = family(even_clicks, logit=uniform(-2.0, -0.5, shape=(20,)))


@evidence("mnar-clipped/clip-value-vanishes", kind="rate", over=twenty_pairs)
def gain_against_users(world: Exposure, draw, pooled=True):
    """The saved share of the mean squared error, from 10⁶ to 10¹⁰ users with independent clicks."""
    users = np.logspace(6, 10, 9)
    gains = np.stack([_gain(world, m if pooled else 1.0 + 0.0 * m) for m in users], axis=-1)
    few = np.logspace(0, 10, 41)
    shown = np.stack([_gain(world, m) for m in few])
    return exponent(
        users, gains, between=(-1.1, -0.9), predicted=-1.0,
        series={"users": few, "gain_median": np.median(shown, axis=1), "gain_low": np.quantile(shown, 0.1, axis=1),
                "gain_high": np.quantile(shown, 0.9, axis=1)},
    )  # fmt: skip


gain_against_users.control("more users do not add clicks: one user's clicks all along", pooled=False)


ITEMS = 1000


def rank_law(quantile: np.ndarray, noise: np.ndarray) -> Exposure:
    """A catalogue of items: propensity rank^−0.8, relevance Beta(1, 4), prediction = relevance + noise."""
    relevance = 1.0 - (1.0 - quantile) ** 0.25  # the inverse distribution function of Beta(1, 4)
    predicted = np.clip(relevance + noise, 0.01, 0.99)
    propensity = np.broadcast_to(np.arange(1, ITEMS + 1) ** -0.8, relevance.shape)
    return Exposure(propensity, relevance, np.log(predicted) - np.log1p(-predicted))


catalogues = family(rank_law, quantile=uniform(0.0, 1.0, shape=(ITEMS,)), noise=normal(0.1, shape=(ITEMS,)))

USERS = np.array([1.0, 10.0, 100.0, 1000.0])
# Share of the root mean squared error of the unclipped estimator that is left at the best clip, for so many users; the
# margins say what matters: that the value of the clip is large, moderate, small, none.
LEFT = np.array([0.52, 0.833, 0.968, 0.996])
MARGIN = np.array([0.08, 0.06, 0.03, 0.02])


@evidence("mnar-clipped/clip-value-by-users", kind="sampled", over=catalogues, size=256)
def error_left_at_the_best_clip(world: Exposure, draw, exponent=1.0):
    """The exact errors of random catalogues, at the best clip of each and without a clip, for 1 to 1000 users."""
    curve = np.geomspace(world.propensity.min(), 1.0, 24)
    left, best, best_errors, errors = [], [], [], []
    problem = world.relevance, world.propensity**exponent, world.losses().difference
    for users in USERS:
        optimum = optimal_clip(*problem, users=users)
        unclipped = clip_error(*problem, clip=0.0, users=users)
        left.append(np.sqrt(optimum.mean_squared_error / unclipped))
        # For the figure: the first catalogue alone.
        best.append(optimum.clip[0])
        best_errors.append(np.sqrt(optimum.mean_squared_error[0]))
        first = [x[0] for x in problem]
        errors.append(np.sqrt([clip_error(*first, clip=float(clip), users=users) for clip in curve]))
    low, high = LEFT - MARGIN, np.minimum(LEFT + MARGIN, 1.0)
    return mean_between(
        np.stack(left, axis=-1), (low, high), low=0.0, high=1.0, predicted=LEFT,
        series={"users": USERS, "clip": curve, "error": np.stack(errors), "best_clip": np.array(best),
                "best_error": np.array(best_errors), "claimed": np.stack([low, high])},
    )  # fmt: skip


error_left_at_the_best_clip.control("nearly even exposure: propensity rank^−0.2", exponent=0.25)
