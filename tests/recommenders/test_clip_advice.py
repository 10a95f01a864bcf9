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
    off, squares = [], []
    for seed in range(runs):
        reward, propensity = log(rows, seed)
        found = advise_clip(reward, propensity, np.random.default_rng(0), target=0.05, resamples=1, candidates=256)
        near = np.argmin(abs(found.clips - clip))
        off.append(found.mean_squared_error[near] - STEEP.mean_squared_error(found.clips[near], rows))
        lost = reward * 0.05 * (1 / propensity - 1 / np.maximum(propensity, found.clips[near]))
        squares.append(lost.mean() ** 2 - lost.var() / (rows - 1))
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
    runs, pays = 60, 0
    for seed in range(runs):
        found = advise_clip(*log(3000, seed), np.random.default_rng(0), target=0.05, resamples=20)
        assert found.clip_low <= found.clip_high
        assert found.saving < 1.0
        pays += STEEP.mean_squared_error(found.clip, 3000) < STEEP.mean_squared_error(0.0, 3000)
    assert clopper_pearson(pays, runs, alpha=1e-6)[0] > 0.5


def test_the_same_generator_gives_the_same_advice():
    first, second = (advise_clip(*log(500), np.random.default_rng(9), target=0.05) for _ in range(2))
    assert first[:6] == second[:6]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reward": np.ones(1), "propensity": np.ones(1)}, "at least 2"),
        ({"reward": np.ones(0), "propensity": np.ones(0)}, "0 rows"),
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
