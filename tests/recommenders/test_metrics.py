"""Ranking metrics: values worked out by hand, scikit-learn in its own convention, invariances, and refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import dcg_score, ndcg_score

from lab.recommenders.metrics import average_precision, dcg, discounts, recall
from tests.libraries import assert_libraries_agree

# Ranked by score the relevances are 1, 0, 1, 1, 0.
RELEVANCE = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
SCORE = np.array([0.3, 0.1, 0.9, -2.0, 0.2])
METRICS = (dcg, recall, average_precision)


def test_discounts_of_paper_and_code_differ_by_one_rank():
    ranks = np.arange(1.0, 10.0)
    assert discounts(ranks)[:4] == pytest.approx([1, 1 / math.log2(3), 1 / 2, 1 / math.log2(5)])
    assert discounts(ranks, discount="code")[:4] == pytest.approx([1, 1, 1 / math.log2(3), 1 / 2])
    assert np.array_equal(discounts(ranks, discount="code")[1:], discounts(ranks)[:-1])
    assert_libraries_agree(discounts, ranks, gradient=False)


def test_values_by_hand():
    assert dcg(RELEVANCE, SCORE, cutoff=1) == 1
    assert dcg(RELEVANCE, SCORE, cutoff=3) == pytest.approx(1 + 1 / 2)
    assert dcg(RELEVANCE, SCORE, cutoff=3, discount="code") == pytest.approx(1 + 1 / math.log2(3))
    assert dcg(RELEVANCE, SCORE, cutoff=3, divisor="relevant") == pytest.approx(1.5 / 3)
    assert dcg(RELEVANCE, SCORE, cutoff=2, divisor="ideal") == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert recall(RELEVANCE, SCORE, cutoff=3) == pytest.approx(2 / 3)
    assert recall(RELEVANCE, SCORE, cutoff=2, divisor="ideal") == pytest.approx(1 / 2)
    assert recall(RELEVANCE, SCORE, cutoff=3, divisor="none") == 2
    assert average_precision(RELEVANCE, SCORE, cutoff=4) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert average_precision(RELEVANCE, SCORE, cutoff=2) == pytest.approx(1 / 3)
    assert average_precision(RELEVANCE, SCORE, cutoff=2, divisor="ideal") == pytest.approx(1 / 2)
    assert average_precision(RELEVANCE, SCORE, cutoff=4, divisor="none") == pytest.approx(1 + 2 / 3 + 3 / 4)


def test_first_rank_of_dcg_is_recall_only_when_divided_by_the_relevant():
    """The published plots have DCG@1 = Recall@1: so does the semi-synthetic divisor, and not the undivided DCG."""
    assert dcg(RELEVANCE, SCORE, cutoff=1, divisor="relevant") == recall(RELEVANCE, SCORE, cutoff=1)
    assert dcg(RELEVANCE, SCORE, cutoff=1) != recall(RELEVANCE, SCORE, cutoff=1)


lists = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(lists, st.integers(1, 12))
def test_dcg_is_scikit_learns(rng, cutoff):
    relevance, score = rng.random((3, 9)), rng.permuted(np.tile(np.arange(9.0), (3, 1)), axis=1)
    ours = dcg(relevance, score, cutoff=cutoff)
    np.testing.assert_allclose(np.mean(ours), dcg_score(relevance, score, k=cutoff), rtol=1e-12)
    ours = dcg(relevance, score, cutoff=cutoff, divisor="ideal")
    np.testing.assert_allclose(np.mean(ours), ndcg_score(relevance, score, k=cutoff), rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@given(rng=lists, cutoff=st.integers(1, 8))
def test_shuffled_items_and_increasing_maps_of_the_score_change_nothing(metric, rng, cutoff):
    relevance, score = (rng.random(8) < 0.5) * 1.0, rng.normal(size=8)
    relevance[0] = 1
    order = rng.permutation(8)
    value = metric(relevance, score, cutoff=cutoff)
    np.testing.assert_allclose(metric(relevance[order], np.exp(score[order]), cutoff=cutoff), value, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@given(rng=lists)
def test_perfect_ranking_is_worth_one_and_unlisted_items_do_not_count(metric, rng):
    relevance = (rng.random(8) < 0.5) * 1.0
    relevance[0] = 1
    assert metric(relevance, relevance, cutoff=3, divisor="ideal") == pytest.approx(1)
    listed = np.arange(12) < 8
    longer = np.concatenate([relevance, np.ones(4)]), np.concatenate([rng.normal(size=8), np.full(4, 9.0)])
    alone = metric(relevance, longer[1][:8], cutoff=5)
    np.testing.assert_allclose(metric(*longer, cutoff=5, listed=listed), alone, rtol=1e-12)


def test_inverse_propensity_weights_make_an_unbiased_dcg():
    """Enumerating every pattern of exposure and relevance of three items: the mean of DCG on Y/θ is DCG on γ."""
    propensity, relevance, score = np.array([0.9, 0.5, 0.1]), np.array([0.2, 0.5, 0.8]), np.array([2.0, 1.0, 3.0])
    clicks = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], float)
    chance = np.prod(np.where(clicks == 1, propensity * relevance, 1 - propensity * relevance), axis=1)
    weighted = dcg(clicks / propensity, np.tile(score, (8, 1)), cutoff=2)
    np.testing.assert_allclose(chance @ weighted, dcg(relevance, score, cutoff=2), rtol=1e-12)


@pytest.mark.parametrize("divisor", ["none", "relevant", "ideal"])
@pytest.mark.parametrize("metric", METRICS)
def test_libraries_agree(metric, divisor):
    rng = np.random.default_rng(5)
    relevance = (rng.random((4, 7)) < 0.4) * 1.0
    relevance[:, 0] = 1
    score = rng.normal(size=(4, 7))
    assert_libraries_agree(metric, relevance, score, cutoff=3, divisor=divisor, gradient=False)


@pytest.mark.parametrize("divisor", ["none", "relevant", "ideal"])
def test_gradient_in_the_relevance(divisor):
    relevance = np.random.default_rng(6).permutation(np.linspace(0.2, 0.9, 7))
    assert_libraries_agree(lambda x: dcg(x, 3.0 * x, cutoff=3, divisor=divisor), relevance)


@pytest.mark.parametrize("divisor", ["none", "relevant"])
def test_recall_has_a_gradient_in_the_relevance_too(divisor):
    relevance = np.random.default_rng(6).permutation(np.linspace(0.2, 0.9, 7))
    assert_libraries_agree(lambda x: recall(x, 3.0 * x, cutoff=3, divisor=divisor), relevance)


def test_list_without_relevance_is_undefined_only_under_a_divisor():
    nothing = np.zeros(3)
    assert dcg(nothing, SCORE[:3], cutoff=2) == 0
    for metric in METRICS:
        assert np.isnan(metric(nothing, SCORE[:3], cutoff=2, divisor="relevant"))


@pytest.mark.parametrize("metric", METRICS)
def test_bad_input_is_refused(metric):
    with pytest.raises(ValueError, match="cutoff = 0: must be at least 1"):
        metric(RELEVANCE, SCORE, cutoff=0)
    with pytest.raises(ValueError, match="relevance = -1"):
        metric(-RELEVANCE, SCORE, cutoff=2)
    with pytest.raises(ValueError, match="divisor = 'all'"):
        metric.__wrapped__(RELEVANCE, SCORE, cutoff=2, divisor="all")
    with pytest.raises(ValueError, match="score = nan"):
        metric(RELEVANCE, SCORE * np.nan, cutoff=2)
    with pytest.raises(ValueError, match="needs a last axis of items"):
        metric(RELEVANCE[:0], SCORE[:0], cutoff=2)


def test_precision_is_for_items_that_are_relevant_or_not():
    with pytest.raises(ValueError, match="relevance must be 0 or 1"):
        average_precision(RELEVANCE / 2, SCORE, cutoff=2)


@pytest.mark.parametrize("metric", METRICS)
def test_lists_are_arrays_and_other_items_are_named(metric):
    found = metric.__wrapped__(RELEVANCE.tolist(), SCORE.tolist(), cutoff=2)
    assert found == metric(RELEVANCE, SCORE, cutoff=2)
    with pytest.raises(ValueError, match=r"relevance has \(5,\), score has \(4,\)"):
        metric.__wrapped__(RELEVANCE, SCORE[:4], cutoff=2)
    with pytest.raises(ValueError, match=r"listed has \(1,\)"):
        metric.__wrapped__(RELEVANCE, SCORE, cutoff=2, listed=np.array([True]))
