"""The schedule of Algorithm 1 with the numbers of the fact sheet, its cost in closed form, and its condition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.operators import advice, schedules


@given(st.integers(1, 10**12))
def test_batch_is_the_ceiling_of_the_root(n):
    b = schedules.batch_size(n)
    assert (b - 1) ** 2 < n <= b * b


def test_schedule_as_printed():
    np.testing.assert_allclose(schedules.anchor_weight(np.arange(3)), [0.5, 0.4, 1 / 3])
    # √10 = 3.16: p = 4/(k+4) for k = 2, 3, 4, then 4/(√10 + 5).
    late = 4 / (np.sqrt(10) + 5)
    np.testing.assert_allclose(schedules.reset_probability(10, np.arange(7)), [1, 1, 4 / 6, 4 / 7, 4 / 8, late, late])


@pytest.mark.parametrize(("n", "cost"), [(16, 3479), (64, 9351), (256, 23300), (1024, 56093)])
def test_expected_cost_of_300_iterations(n, cost):
    assert schedules.expected_cost(n, 300)[-1] == pytest.approx(cost, abs=0.5)
    assert advice.algorithm_1_cost(n, 300) == pytest.approx(schedules.expected_cost(n, 300)[-1], rel=1e-12)


@pytest.mark.parametrize(
    ("n", "ratio"),
    [(2, 0.91), (3, 1.001), (4, 1.081), (9, 0.853), (100, 0.392), (10**6, 0.215)],
)
def test_condition_of_the_sheet(n, ratio):
    found = schedules.noise_condition(np.float64(n), batch=float(schedules.batch_size(n)))
    assert np.max(found.ratio) == pytest.approx(ratio, abs=5e-4 if n > 2 else 5e-3)
    assert min(found.tail) > 0


@pytest.mark.parametrize("n", [2, 5, 30, 400])
def test_condition_against_a_plain_sum(n):
    """Backwards over 60 (√n + 20) terms, beyond which nothing is left, also where the cubic speaks."""
    length = int(60 * (np.sqrt(n) + 20))
    p = schedules.reset_probability(n, np.arange(length + 2))
    b = schedules.batch_size(n)
    left, plain = 0.0, {}
    for j in range(length, 0, -1):
        left = (1 - p[j + 1]) * ((j + 4) * (j + 5) * (j + 7) + left)
        plain[j] = left
    found = schedules.noise_condition(np.float64(n), batch=float(b))
    early = len(found.ratio)
    gain = np.array([b * (j + 3) * (j + 4) * (3 * j + 2) for j in range(1, early + 1)])
    np.testing.assert_allclose(found.ratio, np.array([plain[j] for j in range(1, early + 1)]) / gain, rtol=1e-12)
    for j in (early + 1, early + 2, early + 40):
        x = float(j - early - 1)
        right = b * (j + 3) * (j + 4) * (3 * j + 2)
        assert sum(c * x**m for m, c in enumerate(found.tail)) == pytest.approx(right - plain[j], rel=1e-9)


def test_restart_length():
    length = schedules.restart_length(10.0, 1.0)
    bound = schedules.residual_bound(np.array([length - 1.0, length]), cocoercivity=10.0, distance=1.0)
    assert bound[1] <= 0.5 < bound[0]
    assert length == pytest.approx(32 * 10, rel=0.02)


def test_refusals():
    with pytest.raises(ValueError, match="components = 0"):
        schedules.batch_size(0)
    with pytest.raises(ValueError, match="cocoercivity = -1"):
        schedules.step_size_limit(-1.0)
    with pytest.raises(ValueError, match="sharpness = 0"):
        schedules.restart_length(1.0, 0.0)
