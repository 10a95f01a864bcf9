"""The flip rate from repeated votes: enumeration, round trips, exact coverage of the interval."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from lab.estimation.votes import disagreement, flip_rate_from_disagreement, flip_rate_from_votes
from tests.libraries import assert_libraries_agree


@given(st.floats(0.0, 0.4999))
def test_round_trip(rate):
    np.testing.assert_allclose(flip_rate_from_disagreement(2 * rate * (1 - rate)), rate, rtol=1e-7, atol=1e-12)


@given(st.floats(0.0, 0.5), st.integers(2, 5), st.booleans())
def test_expected_disagreement_by_enumeration(rate, votes, label):
    """All patterns of flips around a fixed label: the mean is 2ε(1−ε) for any number of votes and either label."""
    mean = 0.0
    for flips in itertools.product((0, 1), repeat=votes):
        weight = np.prod([rate if f else 1 - rate for f in flips])
        seen = np.array([[float(label ^ bool(f)) for f in flips]])
        mean += weight * disagreement(seen)
    np.testing.assert_allclose(mean, 2 * rate * (1 - rate), atol=1e-14)


def test_interval_covers_exactly_as_often_as_stated():
    """Two votes: the number of differing pairs is binomial, so the coverage is a finite sum."""
    items, level, refused = 40, 0.9, 26  # from 26 of 40 on the disagreement is refused: not covered, whatever the rate
    votes = np.zeros((refused, items, 2))
    votes[..., 1] = np.arange(items) < np.arange(refused)[:, None]  # as many items differ as the data set's number
    found = flip_rate_from_votes(votes, level=level)
    for rate in (0.01, 0.1, 0.25, 0.4):
        chance = binom.pmf(np.arange(refused), items, 2 * rate * (1 - rate))
        covered = np.sum(chance, where=(found.low <= rate) & (rate <= found.high))
        assert covered >= level
        assert covered < 0.995  # not by being vacuous


def test_a_batch_is_its_data_sets_one_by_one():
    votes = (np.random.default_rng(0).random((2, 3, 30, 5)) < 0.4).astype(float)
    found = flip_rate_from_votes(votes, level=0.9)
    for at in np.ndindex(2, 3):
        assert [field[at] for field in found] == [*flip_rate_from_votes(votes[at], level=0.9)]


def test_edges():
    same, half = np.ones((10, 2)), np.stack([np.arange(10) % 2, np.zeros(10)], axis=-1)
    assert flip_rate_from_votes(same)[:2] == (0.0, 0.0)
    assert flip_rate_from_votes(half)[0] == 0.5
    assert flip_rate_from_votes(half).high == 0.5


def test_votes_that_no_rate_explains_are_refused():
    """Two votes on one label differ less than half of the time at every rate below one half."""
    different = np.tile([0.0, 1.0], (50, 1))
    with pytest.raises(
        ValueError, match=r"contradict a fixed label with one flip rate: disagreement 1, at least 0\.929"
    ):
        flip_rate_from_votes(different)
    with pytest.raises(ValueError, match=r"disagreement 1 in data set \(0, 1\)"):
        flip_rate_from_votes(np.stack([np.zeros((50, 2)), different])[None])
    # 26 of 40 exceed one half with confidence 0.95 on that side, 25 do not.
    few = np.zeros((40, 2))
    few[:25, 1] = 1
    assert flip_rate_from_votes(few, level=0.9).high == 0.5
    few[25, 1] = 1
    with pytest.raises(ValueError, match=r"disagreement 0\.65"):
        flip_rate_from_votes(few, level=0.9)


def test_libraries_agree():
    assert_libraries_agree(flip_rate_from_disagreement, np.array([0.01, 0.2, 0.4, 0.7]))
    # Shares of votes strictly inside [0, 1]: a finite difference needs room on both sides.
    assert_libraries_agree(disagreement, np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, 4)))


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        (np.zeros((5, 1)), "two votes"),
        (np.zeros((0, 2)), "at least one item"),
        (np.full((5, 2), 0.3), "0 or 1"),
        (np.full((5, 2), 2.0), "votes = 2"),
    ],
)
def test_bad_votes_are_refused(votes, words):
    with pytest.raises(ValueError, match=words):
        flip_rate_from_votes(votes)
    with pytest.raises(ValueError, match="level = 1"):
        flip_rate_from_votes(np.zeros((5, 2)), level=1.0)


def test_impossible_disagreement_is_refused():
    with pytest.raises(ValueError, match=r"rate = 1\.2"):
        flip_rate_from_disagreement(1.2)
