"""Inverse-propensity estimators of a mean reward: against plain NumPy, on all libraries, and on illegal logs."""

import jax
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.recommenders import inverse_propensity
from lab.recommenders.inverse_propensity import (
    effective_sample_size,
    importance_weights,
    inverse_propensity_mean,
    self_normalised_mean,
)
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(3)
ROWS = 1000
PROPENSITY, TARGET = RNG.uniform(0.01, 1.0, ROWS), RNG.uniform(0.0, 1.0, ROWS)
REWARD = RNG.normal(size=ROWS)


@pytest.mark.parametrize(("block", "short"), [(2**17, 2**12), (2**17, 16), (64, 64), (7, 2)])
@pytest.mark.parametrize("clip", [0.0, 0.3])
@pytest.mark.parametrize("target", [1.0, 0.05, TARGET], ids=["one", "constant", "varied"])
def test_equals_the_plain_line(block, short, clip, target, monkeypatch):
    for name, number in (("BLOCK", block), ("SHORT", short)):
        monkeypatch.setattr(inverse_propensity, name, number)
    weights = target / np.maximum(PROPENSITY, clip)
    found = inverse_propensity_mean(REWARD, PROPENSITY, target=target, clip=clip)
    np.testing.assert_allclose(found, np.mean(REWARD * weights), rtol=1e-12, atol=1e-15)
    found = self_normalised_mean(REWARD, PROPENSITY, target=target, clip=clip)
    np.testing.assert_allclose(found, np.sum(REWARD * weights) / np.sum(weights), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(importance_weights(PROPENSITY, target=target, clip=clip), weights, rtol=1e-15)


def test_several_logs_at_once_equal_one_after_the_other():
    reward, propensity = REWARD.reshape(4, -1), PROPENSITY.reshape(4, -1)
    for estimator in (inverse_propensity_mean, self_normalised_mean):
        one_by_one = [estimator(r, p, clip=0.1) for r, p in zip(reward, propensity, strict=True)]
        np.testing.assert_allclose(estimator(reward, propensity, clip=0.1), one_by_one, rtol=1e-12)


@given(st.floats(-5.0, 5.0), st.floats(0.1, 10.0))
def test_self_normalised_mean_moves_with_the_rewards(shift, scale):
    before = self_normalised_mean(REWARD, PROPENSITY)
    assert np.isclose(self_normalised_mean(shift + scale * REWARD, PROPENSITY), shift + scale * before, atol=1e-12)


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_a_higher_clip_lowers_the_mean_of_non_negative_rewards(first, second):
    low, high = sorted((first, second))
    reward = np.abs(REWARD)
    means = [inverse_propensity_mean(reward, PROPENSITY, clip=clip) for clip in (low, high)]
    assert means[1] <= means[0] * (1 + 1e-12)


def test_effective_sample_size_limits():
    assert effective_sample_size(np.full(50, 3.7)) == pytest.approx(50.0, rel=1e-12)
    assert effective_sample_size(np.array([1e300, 1.0, 1.0])) == pytest.approx(1.0, rel=1e-12)


def test_libraries_agree():
    reward, propensity = REWARD[:12], 0.02 + 0.9 * PROPENSITY[:12]
    for estimator in (inverse_propensity_mean, self_normalised_mean):
        for clip in (0.0, 0.3):
            assert_libraries_agree(estimator, reward, propensity, target=0.5, clip=clip)
    assert_libraries_agree(effective_sample_size, 1.0 + np.abs(reward))


def test_float32_logs_keep_their_type():
    found = inverse_propensity_mean(REWARD.astype(np.float32), PROPENSITY.astype(np.float32), clip=0.1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, inverse_propensity_mean(REWARD, PROPENSITY, clip=0.1), atol=1e-5)


def _spoilt(column, value):
    copy = column.copy()
    copy[777] = value
    return copy


@pytest.mark.parametrize("estimator", [inverse_propensity_mean, self_normalised_mean])
@pytest.mark.parametrize("clip", [0.0, 0.2])
@pytest.mark.parametrize(
    ("reward", "propensity", "target", "named"),
    [
        (REWARD, _spoilt(PROPENSITY, 0.0), 1.0, "propensity = 0 "),
        (REWARD, _spoilt(PROPENSITY, -0.2), 1.0, "propensity = -0.2"),
        (REWARD, _spoilt(PROPENSITY, 1.01), 1.0, "propensity = 1.01"),
        (REWARD, _spoilt(PROPENSITY, np.nan), 1.0, "propensity = nan"),
        (REWARD, _spoilt(PROPENSITY, np.inf), 1.0, "propensity = inf"),
        (_spoilt(REWARD, np.nan), PROPENSITY, 1.0, "reward = nan"),
        (_spoilt(REWARD, np.inf), PROPENSITY, 1.0, "reward = inf"),
        (REWARD, PROPENSITY, _spoilt(TARGET, 1.5), "target = 1.5"),
        (REWARD, PROPENSITY, _spoilt(TARGET, -0.5), "target = -0.5"),
        (REWARD, PROPENSITY, _spoilt(TARGET, np.nan), "target = nan"),
        (REWARD, PROPENSITY, 2.0, "target = 2"),
        (REWARD[:-1], PROPENSITY, 1.0, "shapes must agree"),
        (REWARD[:0], PROPENSITY[:0], 1.0, "needs a last axis of rows"),
    ],
)
def test_illegal_logs_are_named(estimator, clip, reward, propensity, target, named):
    with pytest.raises(ValueError, match=named):
        estimator(reward, propensity, target=target, clip=clip)


def test_weights_that_are_all_zero_make_no_weighted_mean():
    with pytest.raises(ValueError, match="sum of the weights = 0"):
        self_normalised_mean(REWARD, PROPENSITY, target=0.0)
    for weights, named in (
        (np.zeros(3), "largest weight = 0"),
        (np.empty(0), "needs a last axis of rows"),
        (np.array([np.inf]), "inf"),
    ):
        with pytest.raises(ValueError, match=named):
            effective_sample_size(weights)


def test_zero_rewards_do_not_hide_a_zero_propensity():
    with pytest.raises(ValueError, match="propensity = 0"):
        inverse_propensity_mean(np.zeros(3), np.array([0.5, 0.0, 0.5]))


@pytest.mark.parametrize("clip", [-0.1, 1.1, float("nan")])
def test_illegal_clips_are_named(clip):
    with pytest.raises(ValueError, match="clip = "):
        inverse_propensity_mean(REWARD, PROPENSITY, clip=clip)


def test_sums_of_whole_numbers_are_exact():
    """Every partial sum is a whole number below 2⁵³: blocks, short rows and the rest lose and repeat nothing."""
    rows = 2 * inverse_propensity.BLOCK + inverse_propensity.SHORT + 5
    reward, propensity = np.arange(float(rows)), np.where(np.arange(rows) % 2, 0.25, 1.0)
    total = np.sum(reward * (1 / propensity))
    assert inverse_propensity_mean(reward, propensity) == total / rows
    assert inverse_propensity_mean(reward, propensity, target=np.ones(rows)) == total / rows
    assert self_normalised_mean(reward, propensity) == total / np.sum(1 / propensity)


def test_lists_are_arrays():
    """Beneath the suite's own type checker, which lets no list pass."""
    reward, propensity = [1.0, 0.0, 1.0], [0.5, 0.25, 0.1]
    for function in (inverse_propensity_mean, self_normalised_mean):
        assert function.__wrapped__(reward, propensity) == function(np.array(reward), np.array(propensity))
    assert effective_sample_size.__wrapped__([1.0, 1.0]) == 2.0


@pytest.mark.parametrize("library", [np.asarray, jax.numpy.asarray, torch.asarray], ids=["numpy", "jax", "torch"])
@pytest.mark.parametrize(
    ("reward", "propensity", "more", "named"),
    [
        (3, 2, {}, r"shapes must agree: reward has \(3,\), propensity has \(2,\)"),
        (3, 1, {}, "shapes must agree"),
        (3, 3, {"target": 2}, r"shapes must broadcast: reward has \(3,\), target has \(2,\)"),
        (1, 1, {"target": 2}, r"target has \(2,\): must spread over the log's \(1,\)"),
        (1, 1, {"clip": 2}, r"clip has \(2,\): must spread over the log's \(1,\)"),
    ],
)
def test_columns_that_do_not_fit_are_named(library, reward, propensity, more, named):
    columns = [library(np.full(length, 0.5)) for length in (reward, propensity)]
    settings = {name: library(np.full(length, 0.5)) for name, length in more.items()}
    for estimator in (inverse_propensity_mean, self_normalised_mean):
        with pytest.raises(ValueError, match=named):
            estimator(*columns, **settings)
    with pytest.raises(ValueError, match="shapes must broadcast"):
        importance_weights(library(np.full(3, 0.5)), target=library(np.full(2, 0.5)))
