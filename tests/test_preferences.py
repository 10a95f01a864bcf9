"""Bradley–Terry, Plackett–Luce, general preferences, and labels flipped at random."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab import preferences
from lab.arrays import log_sigmoid, sigmoid
from lab.ledger.findings import mean_equals
from lab.ledger.judge import judge
from tests.libraries import assert_libraries_agree
from tests.unannotated import LIBRARIES, assert_refused, unannotated

rewards = arrays(float, (4,), elements=st.floats(-30, 30))
rates = st.floats(0.0, 0.49)


def test_every_function_on_all_libraries():
    rng = np.random.default_rng(0)
    assert_libraries_agree(preferences.bradley_terry, rng.normal(size=(2, 4)))
    assert_libraries_agree(preferences.plackett_luce, rng.normal(size=(2, 4)))
    assert_libraries_agree(lambda p, e: preferences.flipped(p, flip_rate=e), rng.uniform(0.1, 0.9, 5), np.full(5, 0.2))
    assert_libraries_agree(
        lambda p, e: preferences.unflipped(p, flip_rate=e), rng.uniform(0.1, 0.9, 5), np.full(5, 0.2)
    )
    assert_libraries_agree(
        lambda h, e: preferences.noisy_log_likelihood(h, flip_rate=e), rng.normal(size=5), np.full(5, 0.2)
    )


@given(rewards, st.floats(-10, 10))
def test_bradley_terry_matrices(reward, shift):
    matrix = preferences.bradley_terry(reward)
    preferences.check_preference_matrix(matrix)
    np.testing.assert_array_equal(np.diagonal(matrix), 0.5)
    np.testing.assert_allclose(preferences.bradley_terry(reward + shift), matrix, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(preferences.bradley_terry(-reward), matrix.T, rtol=1e-13)


@given(rewards)
def test_plackett_luce_sums_to_one_over_all_rankings(reward):
    total = sum(np.exp(preferences.plackett_luce(reward[list(o)])) for o in itertools.permutations(range(4)))
    assert total == pytest.approx(1.0, rel=1e-12)


@given(rewards, st.floats(-10, 10))
def test_plackett_luce_does_not_see_a_shift(reward, shift):
    moved = preferences.plackett_luce(reward + shift)
    np.testing.assert_allclose(moved, preferences.plackett_luce(reward), rtol=1e-10, atol=1e-10)


def test_plackett_luce_by_hand_and_of_one_and_two_items():
    reward = np.log(np.array([3.0, 2.0, 1.0]))
    assert preferences.plackett_luce(reward) == pytest.approx(np.log(3 / 6 * 2 / 3))
    assert preferences.plackett_luce(reward[:2]) == pytest.approx(float(log_sigmoid(np.log(1.5))))
    assert preferences.plackett_luce(reward[:1]) == 0.0


@given(rewards)
def test_the_first_place_of_plackett_luce_is_a_softmax(reward):
    """Independence of what comes after: summing over the order of the others leaves the softmax."""
    rest = [[0, *o] for o in itertools.permutations(range(1, 4))]
    first = sum(np.exp(preferences.plackett_luce(reward[o])) for o in rest)
    weights = np.exp(reward - reward.max())
    assert first == pytest.approx(weights[0] / weights.sum(), rel=1e-11, abs=1e-300)


def test_matrices_that_are_no_preferences_are_refused():
    preferences.check_preference_matrix(np.array([[0.5, 1.0], [0.0, 0.5]]))  # not transitive, not Bradley–Terry: fine
    cases = {
        r"preference_matrix = 1\.5": np.array([[0.5, 1.5], [-0.5, 0.5]]),
        r"preference_matrix \+ its transpose − 1 = 0\.2": np.array([[0.5, 0.7], [0.5, 0.5]]),
        r"preference_matrix = nan": np.array([[0.5, np.nan], [0.5, 0.5]]),
    }
    for message, matrix in cases.items():
        with pytest.raises(ValueError, match=message):
            preferences.check_preference_matrix(matrix)


@given(st.floats(0, 1), rates)
def test_unflipping_undoes_flipping(p, rate):
    observed = preferences.flipped(p, flip_rate=rate)
    assert rate - 1e-15 <= observed <= 1 - rate + 1e-15
    assert preferences.unflipped(observed, flip_rate=rate) == pytest.approx(p, abs=1e-15 / (1 - 2 * rate) * 4)


@given(st.floats(0, 1), rates, rates)
def test_two_flips_one_after_the_other(p, first, second):
    twice = preferences.flipped(preferences.flipped(p, flip_rate=first), flip_rate=second)
    assert twice == pytest.approx(preferences.flipped(p, flip_rate=first + second - 2 * first * second), abs=1e-15)


@given(st.floats(-600, 600), rates)
def test_the_likelihood_of_flipped_labels(margin, rate):
    ours = preferences.noisy_log_likelihood(margin, flip_rate=rate)
    direct = np.log((1 - 2 * rate) * sigmoid(margin) + rate)
    np.testing.assert_allclose(ours, direct, rtol=1e-12, atol=1e-14)
    both = np.exp(ours) + np.exp(preferences.noisy_log_likelihood(-margin, flip_rate=rate))
    assert both == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_the_likelihood_at_extreme_margins(dtype, rate):
    margin = np.array([-1e4, -50.0, 0.0, 50.0, 1e4], dtype)
    ours = preferences.noisy_log_likelihood(margin, flip_rate=rate)
    assert ours.dtype == dtype
    floor = np.log(rate) if rate else -1e4
    np.testing.assert_allclose(ours[[0, 2, 4]], [floor, np.log(0.5), np.log1p(-rate)], rtol=1e-6)
    gradient = jax.grad(lambda h: preferences.noisy_log_likelihood(h, flip_rate=rate).sum())(jax.numpy.asarray(margin))
    assert np.all(np.isfinite(gradient))
    in_rate = jax.grad(lambda e: preferences.noisy_log_likelihood(jax.numpy.asarray(margin), flip_rate=e).sum())(0.2)
    assert np.isfinite(in_rate)


def test_without_flips_it_is_the_clean_likelihood():
    margin = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(preferences.noisy_log_likelihood(margin, flip_rate=0.0), log_sigmoid(margin), rtol=1e-15)


@pytest.mark.parametrize("rate", [0.5, -0.1, 1.0, np.nan])
def test_rates_that_carry_no_information_are_refused(rate):
    for function in (preferences.flipped, preferences.unflipped, preferences.noisy_log_likelihood):
        with pytest.raises(ValueError, match=r"flip_rate = .*must lie in \[0, 0\.5\)"):
            function(0.3, flip_rate=rate)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan])
def test_what_is_no_probability_is_refused(wrong):
    for function in (preferences.flipped, preferences.unflipped):
        with pytest.raises(ValueError, match=rf"probability = {wrong:g}.*must lie in \[0, 1\]"):
            function(np.array([0.5, wrong]), flip_rate=0.1)


def test_margins_that_are_not_finite_and_empty_rankings_are_refused():
    with pytest.raises(ValueError, match="margin = inf"):
        preferences.noisy_log_likelihood(np.array([0.0, np.inf]), flip_rate=0.1)
    with pytest.raises(ValueError, match="needs a last axis of ranked items, at least 1"):
        preferences.plackett_luce(np.empty((2, 0)))


def test_rewards_that_are_not_finite_are_refused():
    for function in (preferences.bradley_terry, preferences.plackett_luce):
        with pytest.raises(ValueError, match="reward = nan"):
            function(np.array([0.0, np.nan]))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.35])
def test_random_flips_have_their_frequency_and_are_independent(rate):
    """The judge decides, with a generator and with a key: the mean flip is ε, of two neighbours' product ε²."""
    clean = np.arange(2) % 2 == 0

    def from_generator(chunk):
        return preferences.flip_at_random(np.random.default_rng([7, chunk]), np.tile(clean, (4096, 1)), flip_rate=rate)

    def from_key(chunk):
        keys = jax.random.split(jax.random.key(chunk), 4096)
        draw = jax.jit(jax.vmap(lambda key: preferences.flip_at_random(key, jax.numpy.asarray(clean), flip_rate=rate)))
        return np.asarray(draw(keys))

    for draw in (from_generator, from_key):
        for wrong, expected in ((0.0, "holds"), (0.05, "fails")):
            found = judge(
                (
                    mean_equals(
                        np.column_stack([flips, flips.all(axis=1)]),
                        [rate + wrong, rate + wrong, rate**2 + wrong],
                        within=0.02,
                        low=0.0,
                        high=1.0,
                    )
                    for flips in (draw(chunk) ^ clean for chunk in range(32))
                ),
                alpha=2e-7,
            )
            assert found.verdict == expected


@pytest.mark.parametrize("library", LIBRARIES)
def test_random_flips_in_every_library(library):
    won = np.arange(6).reshape(2, 3) % 2 == 0
    found = preferences.flip_at_random(np.random.default_rng(3), library(won), flip_rate=0.4)
    assert type(found) is type(library(won))
    np.testing.assert_array_equal(found, won ^ (np.random.default_rng(3).random((2, 3)) < 0.4))
    rates = np.array([0.0, 0.4, 0.0])
    changed = preferences.flip_at_random(np.random.default_rng(3), library(won), flip_rate=library(rates)) ^ library(
        won
    )
    assert not np.asarray(changed)[:, [0, 2]].any()
    with pytest.raises(ValueError, match=r"flip_rate = 0\.5"):
        preferences.flip_at_random(np.random.default_rng(0), library(won), flip_rate=0.5)
    with pytest.raises(ValueError, match=r"flip_rate has \(4, 2, 3\): must broadcast to the shape of won, \(2, 3\)"):
        preferences.flip_at_random(np.random.default_rng(0), library(won), flip_rate=library(np.full((4, 2, 3), 0.1)))
    with pytest.raises(ValueError, match="shapes must broadcast"):
        preferences.flip_at_random(np.random.default_rng(0), library(won), flip_rate=library(np.full(2, 0.1)))
    with unannotated(), pytest.raises(ValueError, match=r"won has dtype .*float64: must hold truth values"):
        preferences.flip_at_random(np.random.default_rng(0), library(won * 1.0), flip_rate=0.1)
    with unannotated():
        assert preferences.flip_at_random(np.random.default_rng(0), [True, False], flip_rate=0.0).tolist() == [
            True,
            False,
        ]


def test_shapes_that_do_not_broadcast_are_refused():
    for function in (preferences.flipped, preferences.unflipped):
        call = lambda p, e, function=function: function(p, flip_rate=e)  # noqa: E731
        assert_refused(call, np.zeros(3), np.zeros(2), match=r"probability has \(3,\), flip_rate has \(2,\)")
    call = lambda h, e: preferences.noisy_log_likelihood(h, flip_rate=e)  # noqa: E731
    assert_refused(call, np.zeros(3), np.zeros(2), match=r"margin has \(3,\), flip_rate has \(2,\)")


def test_lists_and_whole_numbers_are_numbers():
    with unannotated():
        np.testing.assert_allclose(preferences.bradley_terry([0, 0]), 0.5)
        assert preferences.plackett_luce([0.0, 0.0]) == pytest.approx(np.log(0.5))
        for library in LIBRARIES:
            with pytest.raises(ValueError, match=r"its transpose − 1 = 1 "):
                preferences.check_preference_matrix(library(np.array([[1, 0], [0, 1]])))
        with pytest.raises(ValueError, match=r"preference_matrix has shape \(2,\): must be square"):
            preferences.check_preference_matrix([0.5, 0.5])
    assert_refused(preferences.bradley_terry, np.float64(1.0), match=r"reward has \(\): needs a last axis of actions")
