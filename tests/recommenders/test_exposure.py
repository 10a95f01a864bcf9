"""Worlds of exposure: enumeration against sampling and against plain products, and the worlds of logs."""

import numpy as np
import pytest

from lab.inference.intervals import clopper_pearson
from lab.inference.rounding import Rounded, rounded, value
from lab.recommenders.exposure import Exposure, ExposureShock, pattern_probability, patterns
from lab.recommenders.logs import Log
from lab.recommenders.losses import clipped, loss, unbiased

RNG = np.random.default_rng(11)


def worlds(association=0.0, shape=(3, 5)):
    return Exposure(RNG.uniform(0.05, 0.95, shape), RNG.uniform(0.05, 0.95, shape), RNG.normal(size=shape), association)


def test_patterns_and_their_probabilities():
    chance = np.array([0.2, 0.7, 0.5])
    assert patterns(3).shape == (8, 3)
    assert len({tuple(row) for row in patterns(3)}) == 8
    plain = [np.prod(np.where(row == 1, chance, 1 - chance)) for row in patterns(3)]
    np.testing.assert_allclose(pattern_probability(chance), plain, rtol=1e-14)


def test_expectation_and_variance_of_the_number_of_clicks():
    world = worlds()
    chance = world.propensity * world.relevance
    np.testing.assert_allclose(world.expect(lambda clicks: clicks.sum(-1)), chance.sum(-1), rtol=1e-12)
    np.testing.assert_allclose(
        world.variance(lambda clicks: clicks.sum(-1)), (chance * (1 - chance)).sum(-1), rtol=1e-12
    )


@pytest.mark.parametrize("association", [-1.0, -0.4, 0.0, 0.7, 1.0])
def test_outcomes_have_their_margins(association):
    world = worlds(association)
    np.testing.assert_allclose(world.expect_outcomes(lambda o, r: o), world.propensity, rtol=1e-12)
    np.testing.assert_allclose(world.expect_outcomes(lambda o, r: r), world.relevance, rtol=1e-12)
    np.testing.assert_allclose(world.expect_outcomes(lambda o, r: o * r), world.click_probability, rtol=1e-12)
    cells = [world.expect_outcomes(lambda o, r, a=a, b=b: float(o == a and r == b)) for a in (0, 1) for b in (0, 1)]
    assert np.min(cells) >= -1e-15
    np.testing.assert_allclose(np.sum(cells, axis=0), 1.0, rtol=1e-12)
    if abs(association) == 1.0:
        assert np.max(np.min(cells, axis=0)) < 1e-15, "a full association leaves one of the four cells empty"


@pytest.mark.parametrize("association", [-0.8, 0.0, 0.8])
def test_samples_follow_the_probabilities(association):
    world = worlds(association, shape=(4,))
    draws = 200_000
    exposed, relevant = world.sample(np.random.default_rng(0), draws)
    for found, expected in (
        (exposed, world.propensity),
        (relevant, world.relevance),
        (exposed * relevant, world.click_probability),
    ):
        # Twelve comparisons a case.
        low, high = clopper_pearson(found.sum(axis=0), draws, alpha=1e-6 / 12)
        assert np.all((low <= expected) & (expected <= high))


def test_shock_leaves_the_margins_and_correlates_the_items():
    shape = (2, 3)
    world = ExposureShock(np.full(shape, 0.4), np.full(shape, 0.5), RNG.normal(size=shape), 0.6)
    mean, variance = world.loss_moments(lambda clicks: clicks)
    np.testing.assert_allclose(mean, 0.2, rtol=1e-12)
    # A user's number of clicks: binomial with chance 0.2(1 ± 0.6), mixed.
    chances = 0.2 * np.array([1.6, 0.4])
    within, between = np.mean(3 * chances * (1 - chances)), np.var(3 * chances)
    np.testing.assert_allclose(variance, 2 * (within + between) / 36, rtol=1e-12)


def test_worlds_run_on_arrays_that_track_their_rounding():
    world = worlds()
    exact = rounded(world)
    p, s = (exact.per_pattern(x) for x in (exact.propensity, exact.logit))
    expected = exact.expect(lambda clicks: loss(s, clipped(clicks, p, clip=0.3), reduction="mean"))
    assert isinstance(expected, Rounded)
    p, s = (world.per_pattern(x) for x in (world.propensity, world.logit))
    plain = world.expect(lambda clicks: loss(s, clipped(clicks, p, clip=0.3), reduction="mean"))
    np.testing.assert_allclose(value(expected), plain, rtol=1e-12)
    assert np.all(expected.error < 1e-12)


def test_never_exposed_pairs_are_never_clicked():
    world = Exposure(np.array([0.0, 0.5]), np.array([0.9, 0.9]), np.zeros(2))
    np.testing.assert_allclose(world.expect(lambda clicks: clicks[:, 0] + 0.0), 0.0)


def test_twelve_pairs_are_enumerated():
    world = worlds(shape=(12,))
    expected = world.expect(lambda clicks: unbiased(clicks, world.propensity).positive.sum(-1))
    np.testing.assert_allclose(expected, world.relevance.sum(), rtol=1e-11)


# Logs

LOG = Log(propensity=np.array([0.7, 0.25, 0.05]), relevance=np.array([0.2, 0.5, 0.9]))


def test_log_moments_by_hand():
    mean, variance = LOG.term_moments(0.0)
    np.testing.assert_allclose(mean, LOG.mean_reward, rtol=1e-12)
    second = np.sum(LOG.relevance / (9 * LOG.propensity))
    np.testing.assert_allclose(variance, second - mean**2, rtol=1e-12)
    mean, _ = LOG.term_moments(0.1)
    np.testing.assert_allclose(mean, (0.2 + 0.5 + 0.9 / 2) / 3, rtol=1e-12)
    np.testing.assert_allclose(LOG.mean_squared_error(0.0, 10), variance / 10, rtol=1e-12)


def test_log_samples_follow_the_world():
    reward, propensity = LOG.sample(np.random.default_rng(0), 100, 2000)
    assert reward.shape == propensity.shape == (100, 2000)
    for chance, relevance in zip(LOG.propensity, LOG.relevance, strict=True):
        shown = propensity == chance
        for seen, count, expected in ((shown.sum(), shown.size, chance), (reward[shown].sum(), shown.sum(), relevance)):
            low, high = clopper_pearson(seen, count, alpha=1e-6 / 6)
            assert low <= expected <= high


def test_log_errors_of_several_clips_at_once():
    clips = np.array([0.0, 0.1, 0.5, 1.0])
    one_by_one = [LOG.mean_squared_error(float(clip), 10) for clip in clips]
    assert LOG.mean_squared_error(clips[:, None], 10).tolist() == one_by_one
