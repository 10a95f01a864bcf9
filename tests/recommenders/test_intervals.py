"""Intervals for a mean reward: fixtures, validity on whole distributions, and refusals."""

import numpy as np
import pytest

from lab.recommenders.intervals import check_mean_weight, honest_interval, normal_interval
from lab.recommenders.logs import Log
from tests.libraries import assert_libraries_agree

WORLD = Log(propensity=np.array([0.9, 0.09, 0.01]), relevance=np.array([0.1, 0.5, 0.9]))
REWARD, PROPENSITY = (column[0] for column in WORLD.sample(np.random.default_rng(0), 1, 5000))


def test_normal_interval_by_hand():
    reward, propensity = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.25, 0.1])
    terms = np.array([2.0, 0.0, 4.0, 5.0])  # the clip 0.2 binds in the last row
    found = normal_interval(reward, propensity, clip=0.2)
    reach = 1.959963984540054 * np.std(terms, ddof=1) / 2
    np.testing.assert_allclose(found, [terms.mean() - reach, terms.mean() + reach], rtol=1e-12)


def test_libraries_agree():
    reward, propensity = np.linspace(-1.0, 2.0, 8), np.linspace(0.1, 0.9, 8)
    assert_libraries_agree(lambda r, p: normal_interval(r, p, clip=0.25).high, reward, propensity)


@pytest.mark.parametrize("clip", [0.0, 0.05, 1.0])
def test_honest_interval_holds_the_truth_and_shrinks(clip):
    widths = []
    for rows in (50, 500, 5000):
        found = honest_interval(REWARD[:rows], PROPENSITY[:rows], target=WORLD.target, clip=clip)
        assert 0.0 <= found.low <= WORLD.mean_reward <= found.high <= 1.0
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]


def test_a_clip_widens_the_honest_interval_by_what_it_hides():
    """The clip takes weight away from both bounds: with the clip at 1 at least 1 − E[w_M] stays unknown."""
    wide = honest_interval(REWARD, PROPENSITY, target=WORLD.target, clip=1.0)
    hidden = 1.0 - np.mean(WORLD.target / np.ones(5000))
    assert wide.high - wide.low >= hidden


def test_honest_interval_turns_round_with_the_rewards():
    found = honest_interval(REWARD, PROPENSITY, target=WORLD.target, clip=0.02)
    mirrored = honest_interval(1.0 - REWARD, PROPENSITY, target=WORLD.target, clip=0.02)
    np.testing.assert_allclose([found.low, found.high], [1.0 - mirrored.high, 1.0 - mirrored.low], rtol=1e-12)


def test_honest_interval_moves_with_the_range_of_the_rewards():
    found = honest_interval(REWARD, PROPENSITY, target=WORLD.target)
    moved = honest_interval(10.0 * REWARD - 4.0, PROPENSITY, target=WORLD.target, reward_range=(-4.0, 6.0))
    np.testing.assert_allclose(moved, 10.0 * np.array(found) - 4.0, rtol=1e-9)


def test_long_logs_are_sketched_without_losing_much():
    """More rows than a sketch has points: nearly the interval of the exact points, and never a narrower one."""
    reward, propensity = (np.tile(column[:1000], 3) for column in (REWARD, PROPENSITY))
    jitter = 1.0 - 1e-9 * np.arange(3000.0)  # all weights differ, so that equal ones cannot be merged
    sketched = honest_interval(reward, propensity * jitter, target=WORLD.target)
    exact = honest_interval(reward[:1000], propensity[:1000], target=WORLD.target)
    assert exact.low < sketched.low < sketched.high < exact.high


def test_a_batch_is_its_logs_one_by_one():
    reward, propensity = (column.reshape(2, 5, 500) for column in (REWARD, PROPENSITY))
    batch = honest_interval(reward, propensity, target=WORLD.target, clip=0.05)
    for at in np.ndindex(2, 5):
        alone = honest_interval(reward[at], propensity[at], target=WORLD.target, clip=0.05)
        assert (batch.low[at], batch.high[at]) == alone


def test_weights_that_cannot_have_mean_one_are_refused():
    check_mean_weight(WORLD.target / PROPENSITY)
    with pytest.raises(ValueError, match="mean importance weight"):
        honest_interval(REWARD, PROPENSITY, target=1.0)
    with pytest.raises(ValueError, match="mean importance weight is 2, certainly above"):
        check_mean_weight(np.outer([1.0, 2.0, 1.0], np.ones(500)))


def test_one_row_has_no_standard_error():
    with pytest.raises(ValueError, match="needs at least 2"):
        normal_interval(REWARD[:1], PROPENSITY[:1])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"level": 1.0}, "level = 1"),
        ({"reward": REWARD + 0.5}, "reward = 1.5"),
        ({"reward_range": (1.0, 1.0)}, "reward_range"),
        ({"propensity": PROPENSITY * 0.0}, "propensity = 0"),
        ({"reward": REWARD[1:]}, "shapes must agree"),
        ({"reward": REWARD[:0], "propensity": PROPENSITY[:0]}, "needs a last axis of rows"),
        ({"clip": 2.0}, "clip = 2"),
    ],
)
def test_bad_input_is_named(changes, named):
    arguments = {"reward": REWARD, "propensity": PROPENSITY, "target": WORLD.target} | changes
    with pytest.raises(ValueError, match=named):
        honest_interval(**arguments)


def test_lists_are_arrays():
    """Beneath the suite's own type checker, which lets no list pass."""
    reward, propensity = [1.0, 0.0, 1.0], [0.5, 0.25, 0.5]
    columns = np.array(reward), np.array(propensity)
    assert normal_interval.__wrapped__(reward, propensity) == normal_interval(*columns)
    found = honest_interval.__wrapped__(reward, propensity, target=0.1)
    assert found == honest_interval(*columns, target=0.1)


@pytest.mark.parametrize("target", [np.full(2, 0.1), np.full((2, 5000), 0.1)])
def test_a_target_of_other_rows_is_named(target):
    with pytest.raises(ValueError, match="target has"):
        honest_interval(REWARD, PROPENSITY, target=target)
    with pytest.raises(ValueError, match="target has"):
        normal_interval(REWARD, PROPENSITY, target=target)
