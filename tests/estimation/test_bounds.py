"""The explicit bounds: the sheet's constants, limits, and the inequality on random policies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.estimation.bounds import error_bound, least_curvature, reward_bound, segment_coverage
from lab.policies import log_linear
from tests.libraries import assert_libraries_agree

SHEET = {"dimension": 4.0, "beta": 1.0, "margin": 1.0, "delta": 0.05}


def test_least_curvature_of_the_sheet():
    """`rdpo`, C5: L = 1, B = 1/4, β = 1 give margins up to 1 and γ = 0.197."""
    assert round(float(least_curvature(1.0)), 3) == 0.197
    b = np.linspace(0, 20, 50)
    np.testing.assert_allclose(least_curvature(b), 1 / (2 + np.exp(b) + np.exp(-b)), rtol=1e-12)
    assert least_curvature(1e4) == 0.0


def test_error_bound_by_hand():
    t = np.log(20.0)
    by_hand = np.sqrt((4 + 2 * np.sqrt(4 * t) + 2 * t) / 2000) / (2 * (1 / (2 + np.e + 1 / np.e)) * 0.6)
    np.testing.assert_allclose(error_bound(2000, flip_rate=0.2, **SHEET), by_hand, rtol=1e-12)


@given(st.floats(0.0, 0.49), st.floats(10, 1e6))
def test_error_bound_scales_as_stated(rate, size):
    bound = error_bound(size, flip_rate=rate, **SHEET)
    np.testing.assert_allclose(error_bound(4 * size, flip_rate=rate, **SHEET), bound / 2, rtol=1e-12)
    np.testing.assert_allclose(bound * (1 - 2 * rate), error_bound(size, flip_rate=0.0, **SHEET), rtol=1e-9)


def test_a_ridge_adds_its_bias():
    plain = error_bound(2000, flip_rate=0.2, **SHEET)
    with_ridge = error_bound(2000, flip_rate=0.2, penalty=0.25, length=0.6, **SHEET)
    np.testing.assert_allclose(with_ridge, plain + 0.3, rtol=1e-12)
    assert_libraries_agree(
        lambda p, r: error_bound(2000.0, flip_rate=0.2, penalty=p, length=r, **SHEET), np.array([0.1, 2.0]), np.ones(2)
    )


def random_policies(seed, actions=4):
    rng = np.random.default_rng(seed)
    features, theta, error = rng.normal(size=(3, actions, 2)), rng.normal(size=2), rng.normal(size=2)
    reference = log_linear(rng.normal(size=2), features)
    return features, np.full(3, 1 / 3), reference, log_linear(theta, features), error, theta


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_coverage_bounds_every_point_of_the_segment(seed):
    features, weight, reference, optimum, error, theta = random_policies(seed)
    bound = segment_coverage(features, weight, reference, optimum, error, points=4)

    def spread(log_p):
        along = features @ error
        mean = np.sum(np.exp(log_p) * along, axis=-1, keepdims=True)
        return weight @ np.sum(np.exp(log_p) * (along - mean) ** 2, axis=-1)

    on_the_way = [spread(log_linear(theta + t * error, features)) for t in np.linspace(0, 1, 101)]
    assert bound >= max(on_the_way) / spread(reference) * (1 - 1e-12)
    finer = segment_coverage(features, weight, reference, optimum, error, points=256)
    assert finer >= max(on_the_way) / spread(reference) * (1 - 1e-12)


def test_coverage_needs_a_point():
    features, weight, reference, optimum, error, _ = random_policies(0)
    with pytest.raises(ValueError, match="points = 0"):
        segment_coverage(features, weight, reference, optimum, error, points=0)


def test_coverage_is_one_where_nothing_moves():
    features, weight, reference, *_ = random_policies(0)
    still = segment_coverage(features, weight, reference, reference, np.array([1e-9, 0.0]))
    np.testing.assert_allclose(still, 1.0, rtol=1e-6)


def test_reward_bound_by_hand():
    assert reward_bound(0.2, reward_range=3.0, coverage=4.0) == pytest.approx(0.6)


def test_libraries_agree():
    assert_libraries_agree(least_curvature, np.linspace(0.1, 4, 5))
    features, weight, reference, optimum, error, _ = random_policies(3)
    assert_libraries_agree(segment_coverage, features, weight, reference, optimum, error, points=1)
    assert_libraries_agree(lambda n: error_bound(n, flip_rate=0.2, **SHEET), np.array([1e2, 1e4]))
    assert_libraries_agree(
        lambda e, c: reward_bound(e, reward_range=2.0, coverage=c), np.array([0.1, 2.0]), np.array([1.0, 3.0])
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"flip_rate": 0.5},
        {"delta": 0.0},
        {"delta": 1.5},
        {"beta": -1.0},
        {"dimension": 0.0},
        {"margin": -1.0},
        {"penalty": -1.0},
        {"length": -1.0},
    ],
)
def test_bad_input_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        error_bound(100, **(SHEET | {"flip_rate": 0.1} | bad))
