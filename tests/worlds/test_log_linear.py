"""The log-linear world: exact expectations against brute force, its samplers against its probabilities."""

import jax
import numpy as np
import pytest
from scipy.stats import chi2

from lab.family import family, log_uniform, normal, uniform
from lab.inference.rounding import error, rounded, value
from lab.policies import kl_divergence, regularised_optimum
from lab.worlds.log_linear import LogLinear

worlds = family(
    LogLinear,
    features=normal(shape=(2, 3, 2)),
    theta=normal(shape=(2,)),
    reference_theta=normal(0.5, shape=(2,)),
    context_logits=normal(shape=(2,)),
    beta=log_uniform(0.3, 3.0),
    flip_rate=uniform(0.0, 0.45),
)


@pytest.fixture
def many():
    return worlds.draw(np.random.default_rng(0), 5)


@pytest.fixture
def one(many):
    return jax.tree.map(lambda x: x[0], many)


def test_optimum_is_the_regularised_optimum_of_the_reward(many):
    beta = many.beta[:, None]
    best = regularised_optimum(many.reward, many.log_reference, beta=np.broadcast_to(beta, many.reward.shape[:-1]))
    np.testing.assert_allclose(best, many.log_optimum, atol=1e-12)


def test_pair_table_against_brute_force(one):
    """Both actions drawn from the reference: sums over ordered pairs equal the table's sums over unordered ones."""
    p, context = np.exp(one.log_reference), one.context_probabilities
    moment, wins = np.zeros((2, 2)), 0.0
    for s in range(2):
        for a in range(3):
            for b in range(3):
                x = one.features[s, a] - one.features[s, b]
                weight = context[s] * p[s, a] * p[s, b]
                moment += weight * np.outer(x, x)
                wins += weight * (a < b) / (1 + np.exp(-one.beta * x @ one.shift))
                wins += weight * (a > b) / (1 + np.exp(one.beta * x @ one.shift))
    np.testing.assert_allclose(one.second_moment(), moment, rtol=1e-12)
    np.testing.assert_allclose(one.pair_probabilities @ one.preferences, wins, rtol=1e-12)
    np.testing.assert_allclose(one.pair_probabilities.sum(), 1 - context @ np.sum(p**2, axis=-1), rtol=1e-12)


def test_second_moment_is_twice_the_reference_covariance(many):
    np.testing.assert_allclose(
        many.second_moment(), 2 * many.policy_covariance(many.log_reference), rtol=1e-10, atol=1e-13
    )


def test_covariance_is_the_curvature_of_the_divergence(one):
    """KL(π_θ ‖ π_{θ+δ}) is half the squared length of δ to second order. Exactly, it is the integral of 1 − t times the
    variance of φ·δ at θ + tδ, which changes by e^{±r} at most: a third cumulant is at most the range r times that."""
    small = 1e-4 * np.array([1.0, -2.0])
    divergence = one.expect(kl_divergence(one.log_optimum, one.log_policy(one.shift + small)))
    half = small @ one.policy_covariance(one.log_optimum) @ small / 2
    reach = np.max(np.ptp(one.features @ small, axis=-1))
    # Divergences of 1e-8 are sums of numbers of size 1, rounded at 1e-16.
    assert abs(np.log(divergence / half)) <= reach + 1e-7


def test_frequencies_are_flipped_preferences(many):
    won, lost = many.frequencies()
    np.testing.assert_allclose(won + lost, many.pair_probabilities, rtol=1e-12)
    rate = many.flip_rate[:, None]
    seen = (1 - rate) * many.preferences + rate * (1 - many.preferences)
    np.testing.assert_allclose(won, many.pair_probabilities * seen, rtol=1e-12)


def test_a_family_is_its_worlds(many):
    for k in range(5):
        alone = jax.tree.map(lambda x, k=k: x[k], many)
        np.testing.assert_allclose(many.pair_features[k], alone.pair_features)
        np.testing.assert_allclose(many.frequencies()[0][k], alone.frequencies()[0], rtol=1e-12)


def chi_square(counts, chances):
    expected = counts.sum() * chances
    return np.sum((counts - expected) ** 2 / expected)


def test_counts_follow_the_frequencies(one):
    """Goodness of fit at level 1e-6, computed from the law, for both samplers."""
    chances = np.concatenate([*one.frequencies(), [1 - one.pair_probabilities.sum()]])
    limit = chi2.isf(1e-6, len(chances) - 1)
    size = 200_000
    won, lost = one.sample_counts(np.random.default_rng(1), size, 2)
    assert won.shape == (2, 6)
    assert np.all((won + lost).sum(axis=-1) <= size)
    for k in range(2):
        counts = np.concatenate([won[k], lost[k], [size - won[k].sum() - lost[k].sum()]])
        assert chi_square(counts, chances) < limit
    pair, first = (np.asarray(x) for x in one.sample_pairs(jax.random.key(0), size))
    counts = [np.sum((pair == i) & (first == f)) for f in (True, False) for i in range(6)] + [np.sum(pair < 0)]
    assert chi_square(np.array(counts), chances) < limit


def test_same_generator_same_counts(one):
    first, again = (one.sample_counts(np.random.default_rng(3), 100, 2) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_passes_through_jit_and_vmap(many):
    moments = jax.vmap(LogLinear.second_moment)(jax.tree.map(jax.numpy.asarray, many))
    np.testing.assert_allclose(moments, many.second_moment(), rtol=1e-12)


def test_tracks_rounding(many):
    tracked = rounded(many).second_moment()
    assert np.all(np.abs(value(tracked) - many.second_moment()) <= error(tracked) + 1e-15)
    assert np.max(error(tracked)) < 1e-10
