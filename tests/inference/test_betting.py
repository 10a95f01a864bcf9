"""Wealth is a martingale (by enumeration), bounds cover at all times at once, degenerate streams have closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from lab.inference.betting import (
    FRACTIONS,
    confidence_sequence,
    growth,
    log_wealth,
    log_wealth_path,
    lower_bound,
    paired_difference,
    rejects,
)
from tests.inference.streams import STREAMS

REGRET = np.log(len(FRACTIONS))


def alone(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return y, np.ones(len(y))


@pytest.mark.parametrize(
    ("values", "probabilities"),
    [
        ([0.0, 1.0], [0.7, 0.3]),
        ([0.0, 0.2, 50.0], [0.5, 0.45, 0.05]),
        ([0.1, 0.1000001], [0.4, 0.6]),
        ([1e-9, 1.0], [0.99, 0.01]),
    ],
)
def test_wealth_is_a_martingale_by_enumeration(values: list[float], probabilities: list[float]) -> None:
    """E[K] = 1 at the true mean, less at candidates above it, more below; and Ville's inequality, path by path."""
    rounds = 6
    mean = float(np.dot(values, probabilities))
    expected = dict.fromkeys((mean, 1.2 * mean, 0.8 * mean), 0.0)
    ever = dict.fromkeys((2.0, 5.0, 20.0), 0.0)
    for path in itertools.product(range(len(values)), repeat=rounds):
        y, p = np.asarray(values)[list(path)], np.prod(np.asarray(probabilities)[list(path)])
        for candidate in expected:
            expected[candidate] += p * np.exp(log_wealth(alone(y), candidate))
        peak = np.exp(np.max(log_wealth_path(y, mean)))
        for level in ever:
            ever[level] += p * (peak >= level)
    at_mean, above, below = expected.values()
    assert at_mean == pytest.approx(1.0, rel=1e-12)
    assert above < 1 < below
    assert all(probability <= 1 / level for level, probability in ever.items())


def peaks(y: np.ndarray, candidate: float, *, peek: bool = False) -> np.ndarray:
    """Highest log-wealth of each row's path; to peek is to choose the best fraction for the observation it bets on."""
    capital = np.zeros((len(y), len(FRACTIONS)))
    peak = np.zeros(len(y))
    for column in y.T:
        step = growth(column, candidate)
        capital += np.max(step, axis=1, keepdims=True) if peek else step
        peak = np.maximum(peak, np.logaddexp.reduce(capital, axis=1) - REGRET)
    return peak


ALPHA = 0.1


def allowed(replications: int, alpha: float = ALPHA) -> int:
    """False alarms that a correct judge exceeds with probability below 1e-6."""
    return int(binom.isf(1e-6, replications, alpha))


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_false_alarms_under_adversarial_stopping(name: str, side: str) -> None:
    """Someone who may stop at any of 300 moments, and knows the truth, rejects it no more often than alpha."""
    stream = STREAMS[name]
    x = stream.draw(np.random.default_rng(7), (500, 300))
    y, mean = (x, stream.mean) if side == "lower" else (1 - x, 1 - stream.mean)
    alarms = np.sum(peaks(y, mean * (1 + 1e-12)) >= -np.log(ALPHA))
    assert alarms <= allowed(len(x))


def test_bets_that_peek_would_be_caught() -> None:
    """The control of the test above: bets that are not predictable reject the truth far too often."""
    x = STREAMS["uniform"].draw(np.random.default_rng(7), (500, 300))
    assert np.sum(peaks(x, 0.5, peek=True) >= -np.log(ALPHA)) > allowed(len(x))


@pytest.mark.parametrize("name", ["uniform", "skewed", "rare event", "rare large value"])
def test_coverage_at_all_times_at_once(name: str) -> None:
    stream = STREAMS[name]
    x = stream.draw(np.random.default_rng(3), (300, 60))
    times = [5, 10, 20, 40, 80, 160, 300]
    lower, upper = confidence_sequence(x, alpha=ALPHA, low=0, high=1, times=times)
    assert np.all(np.diff(lower, axis=0) >= 0)
    assert np.all(np.diff(upper, axis=0) <= 0)
    missed = (lower > stream.mean) | (upper < stream.mean)
    assert np.sum(np.any(missed, axis=0)) <= allowed(x.shape[1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.floats(1e-9, 0.5),
    st.sampled_from([1.0, 1e-9, 1e12]),
    st.integers(1, 50),
)
def test_lower_bound_is_the_last_rejected_candidate(
    values: list[float], alpha: float, scale: float, copies: int
) -> None:
    y = np.asarray(values)
    y[y < 1e-150] = 0.0
    points = y * scale, np.full(len(y), float(copies))
    bound = lower_bound(points, alpha=alpha)
    assert 0 <= bound <= np.mean(points[0])
    if bound > 0:
        assert log_wealth(points, bound) >= -np.log(alpha) - 1e-9
        assert log_wealth(points, bound * (1 + 1e-6)) < -np.log(alpha) + 1e-6 * np.sum(points[1])
    assert lower_bound((y, points[1]), alpha=alpha) * scale == pytest.approx(bound, rel=1e-6)


@pytest.mark.parametrize("alpha", [1e-9, 1e-3, 0.3])
@pytest.mark.parametrize("size", [300, 1000, 8192])
@pytest.mark.parametrize("name", STREAMS)
def test_the_fractions_left_out_cost_a_thousandth_of_a_nat_at_most(name: str, size: int, alpha: float) -> None:
    points = alone(STREAMS[name].draw(np.random.default_rng(size), (size,)))
    bound = lower_bound(points, alpha=alpha)
    if bound > 0:
        assert -1e-9 <= log_wealth(points, bound) + np.log(alpha) <= 1e-3


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1e-9, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1), min_size=1, max_size=30),
    st.floats(0, 1),
    st.sampled_from([1.0, 10.0, 1e4]),
    st.floats(1e-9, 0.9),
)
def test_the_short_cut_never_changes_a_rejection(values: list[float], c: float, copies: float, alpha: float) -> None:
    points = np.asarray(values), np.full(len(values), copies)
    assert rejects(points, c, alpha=alpha) == (log_wealth(points, c) >= -np.log(alpha))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_wealth_falls_in_the_candidate_and_ignores_the_order(values: list[float]) -> None:
    y = np.asarray(values)
    wealth = [log_wealth(alone(y), c) for c in np.linspace(0.01, 0.99, 25)]
    assert np.all(np.diff(wealth) <= 1e-9)
    assert log_wealth(alone(y[::-1]), 0.4) == pytest.approx(log_wealth(alone(y), 0.4), abs=1e-9)
    assert log_wealth_path(y, 0.4)[-1] == pytest.approx(log_wealth(alone(y), 0.4), abs=1e-9)


def test_point_mass_has_a_closed_form() -> None:
    """All equal to v: the gambler stakes everything, and the bound is between v (G/α)^{-1/n} and v (1/α)^{-1/n}."""
    n, v, alpha = 1000, 0.4, 1e-6
    lower, upper = confidence_sequence(np.full(n, v), alpha=alpha, low=0, high=1)
    worst = np.exp(-(np.log(2 / alpha) + REGRET) / n)
    best = np.exp(-np.log(2 / alpha) / n)
    assert v * worst <= lower <= v * best
    assert 1 - (1 - v) * best <= upper <= 1 - (1 - v) * worst


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_all_at_a_boundary(edge: float) -> None:
    lower, upper = confidence_sequence(np.full(500, edge), alpha=0.01, low=0, high=1)
    assert (lower == 0.0) if edge == 0 else (upper == 1.0)
    assert 1 - np.exp(-np.log(200) / 500) <= upper - lower <= 1 - np.exp(-(np.log(200) + REGRET) / 500)


def test_no_observations_say_nothing() -> None:
    lower, upper = confidence_sequence(np.empty((0, 3)), alpha=0.01, low=-1, high=[1, 2, 3])
    assert np.array_equal(lower, [-1, -1, -1])
    assert np.array_equal(upper, [1, 2, 3])


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.8, 0.95, 0.99])
def test_power_is_the_information_limit_plus_the_regret(p: float, part: float) -> None:
    """Ones with frequency p reject a smaller mean after [log(1/α) + log(35)] / KL observations and 6 % for the grid."""
    alpha, candidate = 1e-6, part * p
    kl = p * np.log(p / candidate) + (1 - p) * np.log((1 - p) / (1 - candidate))
    n = (-np.log(alpha) + REGRET) / kl / 0.94
    assert log_wealth((np.asarray([0.0, 1.0]), n * np.asarray([1 - p, p])), candidate) >= -np.log(alpha)


def test_narrower_than_hoeffding_when_the_variance_is_small() -> None:
    n, alpha = 10**5, 1e-6
    hoeffding = 2 * np.sqrt(np.log(2 / alpha) / (2 * n))
    x = 0.5 + 0.01 * np.sin(np.arange(n))
    lower, upper = confidence_sequence(x, alpha=alpha, low=0, high=1)
    assert upper - lower < hoeffding / 10
    lower, upper = confidence_sequence(np.tile([0.0, 1.0], n // 2), alpha=alpha, low=0, high=1)
    assert upper - lower < 1.3 * hoeffding  # the largest variance there is, and any time against one time


def test_unbounded_above_gives_a_lower_bound_only() -> None:
    """Importance weights: heavy tails, mean 1; the lower bound uses all of alpha."""
    w = np.random.default_rng(0).pareto(1.5, (20_000, 1)) / 2
    lower, upper = confidence_sequence(w, alpha=1e-6, low=0, high=np.inf)
    assert np.isinf(upper)
    assert 0 < lower < 1
    assert lower[0] == pytest.approx(lower_bound(alone(w[:, 0]), alpha=1e-6), rel=1e-3)
    mirrored = confidence_sequence(-w, alpha=1e-6, low=-np.inf, high=0)
    assert mirrored[1] == pytest.approx(-lower)
    assert np.isneginf(mirrored[0])


def test_ranges_shift_and_scale() -> None:
    x = np.random.default_rng(0).uniform(size=(3000, 2))
    lower, upper = confidence_sequence(x, alpha=1e-3, low=0, high=1, times=[100, 3000])
    moved = confidence_sequence(x * [1, 1000] + [-5, 3], alpha=1e-3, low=[-5, 3], high=[-4, 1003], times=[100, 3000])
    np.testing.assert_allclose((moved[0] - [-5, 3]) / [1, 1000], lower, rtol=1e-6)
    np.testing.assert_allclose((moved[1] - [-5, 3]) / [1, 1000], upper, rtol=1e-6)


def test_pairs_cancel_what_they_share() -> None:
    rng = np.random.default_rng(0)
    y = rng.uniform(size=4000)
    x = np.clip(y + 0.01, 0, 1)
    lower, upper = paired_difference(x, y, alpha=1e-6, low=0, high=1)
    assert 0 < lower <= np.mean(x - y) <= upper
    unpaired = confidence_sequence(np.stack([x, y], axis=1), alpha=5e-7, low=0, high=1)
    assert upper - lower < np.max(unpaired[1] - unpaired[0]) / 3
    with pytest.raises(ValueError, match="shapes must agree"):
        paired_difference(x, y[1:], alpha=0.1, low=0, high=1)


def test_float32_and_integers_are_welcome() -> None:
    x = np.random.default_rng(0).uniform(size=500).astype(np.float32)
    x[3] = np.float32(0.7)  # a little more than 0.7
    single = confidence_sequence(np.minimum(x, np.float32(0.7)), alpha=0.01, low=0, high=0.7)
    double = confidence_sequence(np.minimum(x.astype(float), 0.7), alpha=0.01, low=0, high=0.7)
    np.testing.assert_allclose(single, double, rtol=1e-6)
    flags = x > 0.5
    bounds = [confidence_sequence(x, alpha=0.01, low=0, high=1) for x in (flags, flags.astype(int), flags * 1.0)]
    assert bounds[0] == bounds[1] == bounds[2]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([0.5, 1.25], r"observation 1.25 \(row 1, column 0\): must be finite and lie in \[0, 1\]"),
        ([0.5, -0.001], "observation -0.001"),
        ([np.nan], "observation nan"),
        ([[0.1, np.inf]], r"observation inf \(row 0, column 1\)"),
        ([[[0.1]]], "shape"),
    ],
)
def test_bad_observations_are_named(x: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confidence_sequence(x, alpha=0.1, low=0, high=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha = 0"),
        ({"alpha": 1.5}, "alpha = 1.5"),
        ({"low": 2.0}, "low must not exceed high"),
        ({"high": np.nan}, "high"),
        ({"low": -np.inf, "high": np.inf}, "one of them must be finite"),
        ({"times": [2, 1]}, "times"),
        ({"times": [3]}, "times"),
    ],
)
def test_bad_arguments_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confidence_sequence([0.1, 0.2], **({"alpha": 0.1, "low": 0.0, "high": 1.0} | options))
