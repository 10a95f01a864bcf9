"""A compressed sample keeps its size and mean, and never makes the gambler richer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.inference.betting import FRACTIONS, growth, log_wealth
from lab.inference.sketch import CAPACITY, PowerSums, Sketch
from tests.inference.streams import STREAMS


def sketched(x: np.ndarray, chunk: int) -> Sketch:
    sketch = Sketch()
    for start in range(0, len(x), chunk):
        sketch.add(x[start : start + chunk])
    return sketch


def part_lost(points: np.ndarray, weights: np.ndarray, x: np.ndarray, candidate: float) -> float:
    """Which part of its growth the wealth loses; a gambler starts with one part in so many, and grows from there."""
    whole, compressed = log_wealth((x, np.ones(len(x))), candidate), log_wealth((points, weights), candidate)
    return float((whole - compressed) / (whole + np.log(len(FRACTIONS))))


def never_richer(points: np.ndarray, weights: np.ndarray, x: np.ndarray, candidate: float) -> bool:
    """Whether no bet gains more on the points than on the observations, beyond the rounding of one sum of logarithms.

    A bet that has lost all on an observation of 0 has lost all on the points.
    """
    exact, compressed = np.sum(growth(x, candidate), axis=0), weights @ growth(points, candidate)
    lost = np.isneginf(exact)
    exact, rest = exact[~lost], compressed[~lost]
    return bool(np.all(np.isneginf(compressed[lost])) and np.all(rest <= exact + 1e-9 * np.abs(exact) + 1e-15 * len(x)))


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("chunk", [100, 5000])
def test_compression_keeps_the_mean_and_only_lowers_the_wealth(name: str, chunk: int) -> None:
    x = STREAMS[name].draw(np.random.default_rng(0), (5000,))
    sketch = sketched(x, chunk)
    points, weights = sketch.points()
    assert len(points) <= 3 * CAPACITY
    assert np.sum(weights) == pytest.approx(len(x), rel=1e-12)
    assert weights @ points == pytest.approx(np.sum(x), rel=1e-12)
    assert sketch.mean == pytest.approx(np.mean(x), rel=1e-12)
    for candidate in STREAMS[name].mean * np.asarray([0.5, 0.9, 1.1]):
        assert never_richer(points, weights, x, candidate)
        assert -1e-12 <= part_lost(points, weights, x, candidate) <= 1e-4


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_any_sample_spreads_out(values: list[float], seed: int, candidate: float) -> None:
    """Also when later observations leave the first grid, repeat its points, or sit between them."""
    rng = np.random.default_rng(seed)
    between = rng.uniform(*np.sort(rng.uniform(size=2)), 1100)
    x = np.concatenate([rng.choice(values, 1100), between, rng.choice(values, 1100)])
    sketch = sketched(x, 1100)
    points, weights = sketch.points()
    assert np.all(weights > 0)
    assert np.min(points) >= np.min(x)
    assert np.max(points) <= np.max(x)
    assert weights @ points == pytest.approx(np.sum(x), rel=1e-12)
    # The most concave test function there is: min(x, candidate).
    assert weights @ np.minimum(points, candidate) <= np.sum(np.minimum(x, candidate)) * (1 + 1e-12)
    assert never_richer(points, weights, x, candidate)


def test_short_samples_are_kept_as_they_are() -> None:
    x = np.random.default_rng(0).uniform(size=CAPACITY)
    points, weights = sketched(x, 10).points()
    assert np.array_equal(points, x)
    assert np.array_equal(weights, np.ones(CAPACITY))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=40),
    st.floats(0, 1),
    st.floats(0.01, 0.99),
)
def test_the_rule_of_the_sums_has_their_moments_and_lowers_the_wealth(
    values: list[int], part: float, candidate: float
) -> None:
    x = np.asarray(values) / 1000
    width = np.max(x) - np.min(x)
    points, weights = PowerSums.of(x, np.min(x) + part * width).rule()
    assert np.all(weights >= 0)
    assert np.min(points) >= np.min(x) - 1e-15
    assert np.max(points) <= np.max(x) + 1e-15
    for power in range(4):
        difference = weights @ (points - np.min(x)) ** power - np.sum((x - np.min(x)) ** power)
        assert abs(difference) <= 1e-12 * len(x) * width**power
    used = weights > 0
    assert never_richer(points[used], weights[used], x, candidate)


@pytest.mark.parametrize("distance", [1e-4, 1e-7, 1e-12, 0.0])
def test_observations_near_an_end_keep_the_mean(distance: float) -> None:
    """Below a millionth of the range they are spread to the ends: the variance grows by less than that part."""
    x = np.asarray([0.0, distance, 1.0, 1.0 - distance] * 50)
    points, weights = PowerSums.of(x, 0.4).rule()
    assert weights @ points == pytest.approx(np.sum(x), rel=1e-12)
    assert np.sum(weights) == pytest.approx(len(x), rel=1e-12)
    assert -1e-9 <= weights @ points**2 - np.sum(x**2) <= 1e-6 * len(x)


def test_sums_of_parts_are_the_sums_of_all() -> None:
    x, weights = np.random.default_rng(0).uniform(size=(2, 300))
    x = np.sort(x)  # one extreme in each part
    parts = PowerSums.of(x[:100], 0.3) + PowerSums.of(x[100:], 0.3)
    whole = PowerSums.of(x, 0.3)
    np.testing.assert_allclose(np.concatenate(parts.rule()), np.concatenate(whole.rule()), rtol=1e-12)
    twice = PowerSums.of(np.concatenate([x, x]), 0.3, np.concatenate([weights, 1 - weights]))
    np.testing.assert_allclose(np.concatenate(twice.rule()), np.concatenate(whole.rule()), rtol=1e-12)


@pytest.mark.parametrize("name", STREAMS)
def test_long_samples_lose_a_thousandth_of_the_growth_at_most(name: str) -> None:
    """Sums where they may stand for the sample, the grid where it is too skewed: never richer, hardly poorer."""
    x = STREAMS[name].draw(np.random.default_rng(0), (200_000,))
    points, weights = sketched(x, 16_384).points()
    smooth = name not in ("skewed", "rare event", "rare large value", "point")
    assert (len(points) <= 3 + CAPACITY // 4) == (smooth or len(np.unique(x)) < 3)
    for candidate in STREAMS[name].mean - np.std(x) * np.asarray([0.004, 0.008]) - 1e-9:
        assert -1e-9 <= part_lost(points, weights, x, candidate) <= 1e-3


def test_outliers_after_the_sums_are_still_lowered() -> None:
    """A range that grows later brings the grid back, beside the sums."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0.4, 0.6, 100_000), [0.0, 1.0], rng.uniform(0.4, 0.6, 40_000)])
    sketch = sketched(x, 10_000)
    points, weights = sketch.points()
    assert len(points) > 3
    assert np.sum(weights) == pytest.approx(len(x), rel=1e-12)
    assert weights @ points == pytest.approx(np.sum(x), rel=1e-12)
    for candidate in (0.3, 0.49, 0.499):
        assert never_richer(points, weights, x, candidate)


def test_later_changes_of_the_array_do_not_matter() -> None:
    x = np.full(10, 0.5)
    sketch = Sketch()
    sketch.add(x)
    x[:] = 0.0
    assert np.array_equal(sketch.points()[0], np.full(10, 0.5))
