"""The clip advised from a log: the estimated error curve against its plain definition, and what the advice does."""

import numpy as np
import pytest

from lab.recommenders.clip_advice import advise_clip
from lab.worlds.logs import Log

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
    clip, rows = 0.01, 2000
    exact = STEEP.mean_squared_error(clip, rows)
    estimates = []
    for seed in range(200):
        found = advise_clip(*log(rows, seed), np.random.default_rng(0), target=0.05, resamples=1, candidates=256)
        estimates.append(found.mean_squared_error[np.argmin(abs(found.clips - clip))])
    error = np.std(estimates) / np.sqrt(200)
    assert abs(np.mean(estimates) - exact) < 5 * error + 0.1 * exact


def test_even_exposure_needs_no_clip():
    even = Log(propensity=np.full(20, 0.05), relevance=STEEP.relevance)
    found = advise_clip(*log(1000, world=even), np.random.default_rng(0), target=0.05)
    assert found.clip == pytest.approx(0.05)
    assert found.saving == 0.0
    assert not found.worthwhile


def test_a_large_log_shows_that_a_small_clip_pays():
    found = advise_clip(*log(3000, seed=2), np.random.default_rng(0), target=0.05)
    assert found.clip_low <= found.clip <= found.clip_high
    assert 0.0 < found.saving < 1.0
    assert STEEP.propensity.min() <= found.clip < 0.01


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
