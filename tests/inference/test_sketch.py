"""A compressed sample keeps its size and mean, and never makes the gambler richer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.inference.betting import growth, log_wealth
from lab.inference.sketch import CAPACITY, Sketch
from tests.inference.streams import STREAMS


def sketched(x: np.ndarray, chunk: int) -> Sketch:
    sketch = Sketch()
    for start in range(0, len(x), chunk):
        sketch.add(x[start : start + chunk])
    return sketch


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
        exact, compressed = np.sum(growth(x, candidate), axis=0), weights @ growth(points, candidate)
        finite = np.isfinite(exact)
        assert np.array_equal(finite, np.isfinite(compressed))
        assert np.all(compressed[finite] <= exact[finite] + 1e-9 * np.abs(exact[finite]))
        whole = log_wealth((x, np.ones(len(x))), candidate)
        assert log_wealth((points, weights), candidate) == pytest.approx(whole, rel=1e-3, abs=1e-2)


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
    assert np.all(weights @ growth(points, candidate) <= np.sum(growth(x, candidate), axis=0) + 1e-8)


def test_short_samples_are_kept_as_they_are() -> None:
    x = np.random.default_rng(0).uniform(size=CAPACITY)
    points, weights = sketched(x, 10).points()
    assert np.array_equal(points, x)
    assert np.array_equal(weights, np.ones(CAPACITY))
