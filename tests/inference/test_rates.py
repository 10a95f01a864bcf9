"""Slopes are recovered exactly without noise, and their interval covers at its stated rate with nasty noise."""

import numpy as np
import pytest
from scipy.stats import binom

from lab.inference.rates import geometric_factor, median_interval, power_law, replications_needed

SIZES = np.asarray([100, 200, 400, 800, 1600])


@pytest.mark.parametrize("exponent", [-0.5, -1.0, 0.3])
def test_exact_power_law(exponent: float) -> None:
    curve = 3.7 * SIZES.astype(float) ** exponent
    replicated = power_law(SIZES, np.tile(curve, (30, 1)) * np.arange(1, 31)[:, None], alpha=1e-6)
    single = power_law(SIZES, curve, alpha=1e-6)
    for rate in (replicated, single):
        assert [rate.low, rate.estimate, rate.high] == pytest.approx([exponent] * 3, abs=1e-12)


def test_exact_geometric_factor() -> None:
    steps = np.arange(0, 50, 5)
    curve = 2.0 * 0.83**steps
    for errors in (curve, np.tile(curve, (25, 1))):
        rate = geometric_factor(steps, errors, alpha=1e-6)
        assert [rate.low, rate.estimate, rate.high] == pytest.approx([0.83] * 3, abs=1e-12)


def test_deterministic_curves_are_judged_late() -> None:
    """A burn-in with another slope does not count; the range shows what curvature is left: from n to 2n the curve
    1/n + 10⁴/n³ has the slope −1 + log₂ (1 + c/4)/(1 + c), c = 10⁴/n²."""
    curve = 1 / SIZES + 1e4 / SIZES.astype(float) ** 3
    rate = power_law(SIZES, curve, alpha=0.1)
    c = 1e4 / SIZES[:-1].astype(float) ** 2
    slopes = -1 + np.log2((1 + c / 4) / (1 + c))
    np.testing.assert_allclose(rate.values, slopes, rtol=1e-13)
    assert [rate.low, rate.estimate, rate.high] == pytest.approx([slopes[2], slopes[2:].mean(), slopes[3]], rel=1e-13)
    assert slopes[0] < -1.6


@pytest.mark.parametrize("noise", ["normal", "cauchy", "exponential", "two-point"])
def test_coverage_of_the_exponent(noise: str) -> None:
    """Noise with no moments or of one sign: the interval for the median covers the exponent as often as it says."""
    rng = np.random.default_rng(0)
    draw = {
        "normal": rng.standard_normal,
        "cauchy": rng.standard_cauchy,
        "exponential": rng.standard_exponential,
        "two-point": lambda size: np.where(rng.uniform(size=size) < 0.1, 3.0, rng.uniform(0, 0.1, size)),
    }[noise]
    runs, alpha, exponent = 400, 0.1, -0.5
    missed = 0
    for _ in range(runs):
        errors = np.exp(np.clip(draw((15, len(SIZES))), -300, 300)) * SIZES**exponent
        rate = power_law(SIZES, errors, alpha=alpha)
        missed += not rate.low <= exponent <= rate.high
    assert missed <= binom.isf(1e-6, runs, alpha)


def test_an_interval_that_is_too_narrow_would_be_caught() -> None:
    """The control: the interquartile range of the slopes misses far too often."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(400):
        values = power_law(SIZES, np.exp(rng.standard_normal((15, 5))) / SIZES, alpha=0.1).values
        low, high = np.quantile(values, [0.4, 0.6])
        missed += not low <= -1 <= high
    assert missed > binom.isf(1e-6, 400, 0.1)


@pytest.mark.parametrize("count", [5, 6, 21, 40, 101])
@pytest.mark.parametrize("alpha", [1e-6, 0.05])
def test_order_statistics_cover_the_median_exactly(count: int, alpha: float) -> None:
    values = np.arange(1.0, count + 1)
    low, high = median_interval(values, alpha=alpha)
    if np.isinf(low):
        assert count < replications_needed(alpha)
        return
    assert count >= replications_needed(alpha)
    # The number of values below the median is Bin(count, 1/2): the interval misses when it is < low or ≥ high.
    missed = binom.cdf(low - 1, count, 0.5) + binom.sf(high - 1, count, 0.5)
    assert missed <= alpha
    assert binom.cdf(low, count, 0.5) > alpha / 2  # the next order statistic would not do


def test_replications_needed() -> None:
    assert replications_needed(1e-6) == 21
    assert replications_needed(0.05) == 6


@pytest.mark.parametrize(
    ("sizes", "errors", "message"),
    [
        (SIZES, np.asarray([1, 1, 0, 1, 1.0]), r"errors\[2\] = 0: must be positive and finite"),
        (SIZES, np.asarray([[1, 1, 1, 1, -1.0]]), r"errors\[0, 4\] = -1"),
        (SIZES, np.asarray([[1, np.nan, 1, 1, 1.0]]), r"errors\[0, 1\] = nan"),
        (SIZES, np.ones((3, 4)), "shape"),
        (SIZES, np.ones((0, 5)), "no replications"),
        (SIZES[::-1], np.ones(5), "must increase"),
        (np.asarray([0, 1]), np.ones(2), r"sizes\[0\] = 0"),
        (np.asarray([1]), np.ones(1), "shape"),
    ],
)
def test_refusals(sizes: np.ndarray, errors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        power_law(sizes, errors, alpha=0.1)
