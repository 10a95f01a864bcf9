"""The clip advised from a log: the estimated error curve against its plain definition, and what the advice does."""

import numpy as np
import pytest
from scipy.stats import norm

from lab.inference.intervals import clopper_pearson
from lab.recommenders.clip_advice import advise_clip
from lab.recommenders.logs import Log

RANK = np.arange(1, 21)
STEEP = Log(propensity=RANK**-2.0 / np.sum(RANK**-2.0), relevance=0.1 + 0.02 * RANK)


def log(rows, seed=0, world=STEEP):
    reward, propensity = world.sample(np.random.default_rng(seed), 1, rows)
    return reward[0], propensity[0]


def test_curve_is_variance_plus_debiased_squared_bias():
    reward, propensity = log(400)
    found = advise_clip(reward, propensity, np.random.default_rng(1), target=0.05, candidates=16)
    for clip, error in zip(found.clips, found.mean_squared_error, strict=True):
        terms = reward * 0.05 / np.maximum(propensity, clip)
        lost = reward * 0.05 / propensity - terms
        bias = max(lost.mean() ** 2 - lost.var() / 399, 0.0)
        np.testing.assert_allclose(error, bias + terms.var() / 399, rtol=1e-9, atol=1e-15)
    assert found.clip == found.clips[np.argmin(found.mean_squared_error)]
    assert found.clips[0] == propensity.min()


def test_curve_estimates_the_exact_error():
    """Over many logs the estimated error averages to the exact one, up to what cutting the squared bias at 0 adds."""
    clip, rows, runs = 0.01, 2000, 200
    rng = np.random.default_rng(0)
    reward, propensity = STEEP.sample(rng, runs, rows)
    found = advise_clip(reward, propensity, rng, target=0.05, resamples=1, candidates=256)
    near = np.argmin(abs(found.clips - clip), axis=-1, keepdims=True)
    near, estimate = (np.take_along_axis(x, near, axis=-1) for x in (found.clips, found.mean_squared_error))
    off = estimate[:, 0] - [STEEP.mean_squared_error(clip, rows) for clip in near[:, 0]]
    lost = reward * 0.05 * (1 / propensity - 1 / np.maximum(propensity, near))
    squares = lost.mean(axis=-1) ** 2 - lost.var(axis=-1) / (rows - 1)
    error = norm.isf(1e-6 / 2) * np.std(off) / np.sqrt(runs)
    # Cutting a variable with a mean that is not negative at 0 adds at most half its deviation.
    assert -error < np.mean(off) < error + np.std(squares) / 2


def test_even_exposure_needs_no_clip():
    even = Log(propensity=np.full(20, 0.05), relevance=STEEP.relevance)
    found = advise_clip(*log(1000, world=even), np.random.default_rng(0), target=0.05)
    assert found.clip == pytest.approx(0.05)
    assert found.saving == 0.0
    assert not found.worthwhile


def test_the_advised_clip_pays_in_most_large_logs():
    """Its exact error is below that of no clip: in more than half of all logs, shown with an error of one in a
    million."""
    runs, rng = 60, np.random.default_rng(0)
    found = advise_clip(*STEEP.sample(rng, runs, 3000), rng, target=0.05, resamples=20)
    assert np.all(found.clip_low <= found.clip_high)
    assert np.all(found.saving < 1.0)
    pays = sum(STEEP.mean_squared_error(clip, 3000) < STEEP.mean_squared_error(0.0, 3000) for clip in found.clip)
    assert clopper_pearson(pays, runs, alpha=1e-6)[0] > 0.5


def test_the_same_generator_gives_the_same_advice():
    first, second = (advise_clip(*log(500), np.random.default_rng(9), target=0.05) for _ in range(2))
    assert first[:6] == second[:6]


def test_a_batch_is_its_logs_one_by_one():
    """With a generator that goes from log to log; 701 rows do not divide into groups of one size."""
    rng = np.random.default_rng(0)
    reward, propensity = STEEP.sample(rng, 6, 701)
    propensity = propensity * rng.uniform(0.9, 1.0, propensity.shape)
    target = rng.uniform(0.0, 0.1, propensity.shape)
    shaped = [column.reshape(2, 3, 701) for column in (reward, propensity, target)]
    batch = advise_clip(*shaped[:2], np.random.default_rng(5), target=shaped[2], resamples=20)
    turn = np.random.default_rng(5)
    for log in range(6):
        alone = advise_clip(reward[log], propensity[log], turn, target=target[log], resamples=20)
        for together, one in zip(batch, alone, strict=True):
            np.testing.assert_allclose(together.reshape(6, *one.shape)[log], one, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reward": np.ones(1), "propensity": np.ones(1)}, "at least 2"),
        ({"reward": np.ones(0), "propensity": np.ones(0)}, r"reward has \(0,\): needs a last axis of rows"),
        ({"propensity": np.zeros(10)}, "propensity = 0"),
        ({"reward": np.ones(9)}, "shapes must agree"),
        ({"reward": np.full(10, np.nan)}, "reward = nan"),
        ({"target": 3.0}, "target = 3"),
        ({"level": 0.0}, "level = 0"),
        ({"candidates": 0}, "candidates = 0"),
        ({"groups": 1}, "groups = 1"),
    ],
)
def test_bad_input_is_named(changes, named):
    arguments = {"reward": np.ones(10), "propensity": np.full(10, 0.5)} | changes
    with pytest.raises(ValueError, match=named):
        advise_clip(arguments.pop("reward"), arguments.pop("propensity"), np.random.default_rng(0), **arguments)


def test_lists_are_arrays_and_a_target_of_other_rows_is_named():
    reward, propensity = log(50)
    listed = advise_clip.__wrapped__(reward.tolist(), propensity.tolist(), np.random.default_rng(0), target=0.05)
    assert listed[:6] == advise_clip(reward, propensity, np.random.default_rng(0), target=0.05)[:6]
    with pytest.raises(ValueError, match=r"target has \(3,\)"):
        advise_clip(reward, propensity, np.random.default_rng(0), target=np.full(3, 0.05))
