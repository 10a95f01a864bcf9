"""The best clip in closed form, against a fine grid and SciPy's scalar minimiser."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from lab.recommenders.clipping import clip_error, optimal_clip
from tests.libraries import assert_libraries_agree

seeds = st.integers(0, 2**32 - 1)


def problem(seed, pairs=9):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.0, 1.0, pairs), rng.uniform(0.01, 1.0, pairs), rng.normal(size=pairs)


@settings(max_examples=60)
@given(seeds, st.floats(1.0, 1e6))
def test_no_clip_is_better(seed, users):
    parts = problem(seed)
    found = optimal_clip(*parts, users=users)
    np.testing.assert_allclose(found.mean_squared_error, clip_error(*parts, clip=found.clip, users=users), rtol=1e-9)
    grid = np.concatenate([np.linspace(0.0, 1.0, 2001), parts[1]])
    assert found.mean_squared_error <= clip_error(*parts, clip=grid[:, None], users=users).min() * (1 + 1e-9)
    assert parts[1].min() * (1 - 1e-12) <= found.clip <= 1.0 + 1e-12


def test_agrees_with_a_scalar_minimiser():
    relevance, propensity, difference = problem(4)
    found = optimal_clip(relevance, propensity, np.abs(difference), users=20.0)
    peer = minimize_scalar(
        lambda clip: clip_error(relevance, propensity, np.abs(difference), clip=float(clip), users=20.0),
        bounds=(propensity.min(), 1.0), method="bounded", options={"xatol": 1e-12},
    )  # fmt: skip
    assert found.mean_squared_error <= peer.fun * (1 + 1e-12)
    np.testing.assert_allclose(found.mean_squared_error, peer.fun, rtol=1e-9)


def test_one_pair_by_hand():
    """One pair: (γ(θ/M − 1)Δ)² + θγ(1 − θγ)Δ²/(mM²) is least at M = θ + (1 − θγ)/(γm), at most 1."""
    relevance, propensity, difference = np.array([0.8]), np.array([0.05]), np.array([2.0])
    for users in (1.0, 10.0, 1000.0):
        best = min(1.0, 0.05 + (1 - 0.04) / (0.8 * users))
        np.testing.assert_allclose(optimal_clip(relevance, propensity, difference, users=users).clip, best, rtol=1e-12)


def test_order_of_the_pairs_and_leading_axes_do_not_matter():
    batch = [np.stack(x) for x in zip(*(problem(s) for s in range(5)), strict=True)]
    together = optimal_clip(*batch, users=7.0)
    alone = [optimal_clip(*(x[i, ::-1] for x in batch), users=7.0) for i in range(5)]
    np.testing.assert_allclose(together.clip, [a.clip for a in alone], rtol=1e-12)


def test_many_users_clip_nothing_and_indifferent_pairs_neither():
    relevance, propensity, difference = problem(1)
    assert optimal_clip(relevance, propensity, difference, users=1e12).clip == pytest.approx(propensity.min(), rel=1e-6)
    assert optimal_clip(relevance, propensity, np.zeros(9)).clip == pytest.approx(propensity.min())


def test_libraries_agree():
    # An odd number of users puts the optimum inside a segment, where it is a smooth function of the world.
    parts = problem(12)
    assert_libraries_agree(lambda *x: optimal_clip(*x, users=3.0).mean_squared_error, *parts)
    assert_libraries_agree(lambda *x: clip_error(*x, clip=0.3, users=3.0), *parts)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"propensity": np.zeros(9)}, "propensity = 0"),
        ({"relevance": np.full(9, 2.0)}, "relevance = 2"),
        ({"difference": np.full(9, np.inf)}, "difference = inf"),
        ({"users": 0.5}, "users = 0.5"),
        (
            {"relevance": np.zeros(0), "propensity": np.zeros(0), "difference": np.zeros(0)},
            "needs a last axis of pairs",
        ),
    ],
)
def test_bad_input_is_named(changes, named):
    arguments = dict(zip(("relevance", "propensity", "difference"), problem(0), strict=True)) | changes
    with pytest.raises(ValueError, match=named):
        optimal_clip(**arguments)


def test_other_pairs_are_named():
    """Also lengths 1 and 2, which would spread silently; beneath the suite's own checker of shapes."""
    two = np.full(2, 0.5)
    for length in (1, 3):
        for changed in range(3):
            arguments = [np.full(length, 0.5) if i == changed else two for i in range(3)]
            with pytest.raises(ValueError, match=rf"has \({length},\).*needs a last axis of pairs"):
                optimal_clip.__wrapped__(*arguments)
            with pytest.raises(ValueError, match="needs a last axis of pairs"):
                clip_error(*arguments, clip=0.1)
    with pytest.raises(ValueError, match=r"worlds has \(4,\), users has \(3,\)"):
        optimal_clip(np.full((4, 2), 0.5), np.full((4, 2), 0.5), np.ones((4, 2)), users=np.ones(3))
    with pytest.raises(ValueError, match=r"worlds has \(4,\), users has \(3,\)"):
        clip_error(np.full((4, 2), 0.5), np.full((4, 2), 0.5), np.ones((4, 2)), clip=0.1, users=np.ones(3))
    assert optimal_clip.__wrapped__([0.5], [0.1], [1.0]).clip == optimal_clip(*np.array([[0.5], [0.1], [1.0]])).clip
