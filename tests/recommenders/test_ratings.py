"""The made-up rating worlds and the semi-synthetic one: ranges, laws, and refusals."""

import jax
import numpy as np
import pytest
from scipy.stats import binom

from lab.arrays import sigmoid
from lab.recommenders.ratings import Ratings, draw_events, rate, ratings
from lab.recommenders.semi_synthetic import semi_synthetic


@pytest.fixture(scope="module")
def world():
    return ratings(30, 40).draw(np.random.default_rng(0), 5)


def test_shapes_and_ranges(world):
    assert world.relevance.shape == world.exposure.shape == (5, 30, 40)
    assert world.relevance.min() >= sigmoid(-4.0)
    assert world.relevance.max() <= 0.5
    assert np.all((world.exposure > 0) & (world.exposure < 1))


def test_world_by_hand():
    """One user, one item: the match is half the inner product, 1; the rating 3.2 + 0.9 + 1 = 5.1 is cut at 5."""
    one = np.ones((1, 1))
    world = rate(np.ones((1, 2)), np.ones((1, 2)), 1.4 * one[0], 0.6 * one[0], 2 * one[0], -1 * one[0])
    assert world.relevance[0, 0] == pytest.approx(0.5)
    assert world.exposure[0, 0] == pytest.approx(1 / (1 + np.exp(1.5 + 1.2 - 0.8 - 0.6)))


def test_worlds_are_independent_of_their_number():
    """Every world of a family is one that the effects alone determine: the third of five is that of its own effects."""
    rng = np.random.default_rng(3)
    effects = [rng.normal(size=shape) for shape in ((5, 6, 4), (5, 7, 4), (5, 6), (5, 7), (5, 6), (5, 7))]
    all_at_once, third = rate(*effects), rate(*(x[2] for x in effects))
    np.testing.assert_allclose(all_at_once.relevance[2], third.relevance, rtol=1e-14)
    np.testing.assert_allclose(all_at_once.exposure[2], third.exposure, rtol=1e-14)


def test_powers_make_exposure_rarer(world):
    assert np.all(world.propensity(0.0) == 1)
    assert np.all(world.propensity(2.0) < world.propensity(1.0))
    with pytest.raises(ValueError, match=r"power = -1.*must lie in \[0, inf"):
        world.propensity(-1.0)


def test_clicks_have_the_probability_of_exposure_times_relevance(world):
    """Exact binomial bounds on the counts, at one in a million over both tails."""
    many = Ratings(np.full((200, 200), 0.3), np.full((200, 200), 0.5))
    events = draw_events(np.random.default_rng(1), many.relevance)
    for power in (0.0, 1.0, 3.0):
        propensity = many.propensity(power)
        clicks = events.click(propensity)
        low, high = binom.ppf([5e-7, 1 - 5e-7], clicks.size, 0.3 * propensity[0, 0])
        assert low <= clicks.sum() <= high
        assert np.all(clicks <= events.relevant)


def test_world_passes_through_jit(world):
    np.testing.assert_allclose(jax.jit(lambda w: w.propensity(2.0))(world), world.propensity(2.0), rtol=1e-12)


def test_semi_synthetic_learns_what_is_rated_and_liked():
    """Half of the items are seen by everyone and half are loved: more exposure and more relevance there."""
    rng = np.random.default_rng(2)
    user, item = (x.ravel() for x in np.meshgrid(np.arange(60), np.arange(0, 40, 2), indexing="ij"))
    rating = np.where(item % 4 == 0, 5.0, 1.0)
    world = semi_synthetic(rng, user, item, rating)
    assert world.relevance.shape == (60, 39)
    assert np.all(world.exposure[:, ::2] > world.exposure[:, 1::2].max())
    assert world.relevance[:, 0::4].min() > world.relevance[:, 2::4].max()


def test_semi_synthetic_refuses_empty_logs():
    nothing = np.array([], int)
    with pytest.raises(ValueError, match="not be empty: 0, 0, 0"):
        semi_synthetic(np.random.default_rng(0), nothing, nothing, nothing.astype(float))
