"""Plackett–Luce losses: the mean over all rankings from subsets, the correction by enumeration, two items as a pair."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.objectives.listwise import mean_ranking_loss, plackett_luce_dpo, robust_plackett_luce_dpo
from lab.objectives.logistic import dpo, robust_dpo
from tests.libraries import assert_libraries_agree

scores = st.integers(1, 5).flatmap(lambda k: arrays(float, (k,), elements=st.floats(-20, 20)))


@given(scores)
def test_the_mean_over_rankings_by_enumeration(log_ratios):
    orders = itertools.permutations(range(len(log_ratios)))
    listed = np.mean([plackett_luce_dpo(log_ratios[list(order)], beta=1.0) for order in orders])
    np.testing.assert_allclose(mean_ranking_loss(log_ratios), listed, rtol=1e-12, atol=1e-12)


@given(scores, st.floats(0, 0.95))
def test_the_correction_by_the_printed_formula(log_ratios, part):
    n = math.factorial(len(log_ratios))
    rate = part * (n - 1) / n
    losses = [plackett_luce_dpo(log_ratios[list(o)], beta=1.0) for o in itertools.permutations(range(len(log_ratios)))]
    if n == 1:
        return
    printed = ((n - 1 - rate) * losses[0] - rate * sum(losses[1:])) / ((1 - rate) * n - 1)
    own = robust_plackett_luce_dpo(log_ratios, beta=1.0, flip_rate=rate)
    np.testing.assert_allclose(own, printed, rtol=1e-10, atol=1e-8)


@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(0, 0.49))
def test_two_items_are_a_pair(first, second, rate):
    both = np.array([first, second])
    np.testing.assert_allclose(plackett_luce_dpo(both, beta=0.5), dpo(first - second, beta=0.5), rtol=1e-12, atol=1e-13)
    robust = robust_dpo(first - second, beta=0.5, flip_rate=rate)
    np.testing.assert_allclose(robust_plackett_luce_dpo(both, beta=0.5, flip_rate=rate), robust, rtol=1e-11, atol=1e-11)


@given(scores, st.floats(-5, 5))
def test_a_shift_of_all_log_ratios_changes_nothing(log_ratios, shift):
    for loss in (lambda x: plackett_luce_dpo(x, beta=1.0), mean_ranking_loss):
        np.testing.assert_allclose(loss(log_ratios + shift), loss(log_ratios), rtol=1e-10, atol=1e-11)


def test_the_mean_over_rankings_on_all_libraries():
    assert_libraries_agree(mean_ranking_loss, np.random.default_rng(0).normal(size=(3, 4)))


def test_rates_beyond_a_half_are_legal_for_more_than_two_items():
    three = np.array([1.0, 0.0, -1.0])
    assert np.isfinite(robust_plackett_luce_dpo(three, beta=1.0, flip_rate=0.8))
    with pytest.raises(ValueError, match=r"flip_rate = 0.833333: must lie in \[0, 0.833333\)"):
        robust_plackett_luce_dpo(three, beta=1.0, flip_rate=5 / 6)
    with pytest.raises(ValueError, match=r"flip_rate = 0.5"):
        robust_plackett_luce_dpo(three[:2], beta=1.0, flip_rate=0.5)


def test_too_many_items_and_none_are_refused():
    with pytest.raises(ValueError, match="17 items"):
        mean_ranking_loss(np.zeros(17))
    with pytest.raises(ValueError, match="at least one item"):
        plackett_luce_dpo(np.zeros((2, 0)), beta=1.0)
