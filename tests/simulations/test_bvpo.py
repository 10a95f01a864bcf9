"""The brute-force search behind `bvpo` is exact, and the catalogue's counterexamples have their numbers."""

from fractions import Fraction

import numpy as np
import pytest

from lab.mixing.closed_form import Moments, averaged, mean_squared_error, optimal_weight, step_error
from simulations.bvpo.brute_force import best_weight, integers


def test_brute_force_finds_the_vertex():
    """One outcome, g_t = 1, g_e = −1: the mixture 2α − 1 meets the target μ at α = (1 + μ)/2, or at an end."""
    targets = np.array([[-2.0], [-1.0], [-0.3], [0.0], [0.7], [1.0], [5.0]])
    ones = np.ones((len(targets), 1, 1))
    found = best_weight(np.ones((len(targets), 1)), ones, -ones, targets)
    np.testing.assert_allclose(found, np.clip((1 + targets[:, 0]) / 2, 0, 1), atol=2.0**-40)


def test_integers_are_exact():
    numbers = np.array([1.0, -0.1, 3e-9, 0.0, 12345.678])
    whole = integers(numbers)
    for number, exact in zip(numbers, whole, strict=True):
        assert Fraction(exact, whole[0]) == Fraction(number)


def test_counterexamples_in_numbers():
    # Small steps: unbiased traces, ‖b_e‖² = S_t = 1, ηL = 0.1.
    even = Moments(np.zeros(1), np.ones(1), 1.0, 0.0, 0.0)
    assert optimal_weight(*even) == 0.5
    assert step_error(0.5, *even, smoothness_step=0.1 / 1.9) == pytest.approx(0.26, abs=0.005)
    assert step_error(1.0, *even, smoothness_step=0.1 / 1.9) == pytest.approx(0.05, abs=0.005)
    # Two traces beat the best mixture where ‖b_e‖² > S_t.
    biased = even._replace(bias_empty=np.array([1.5]))
    assert mean_squared_error(optimal_weight(*biased), *biased) > mean_squared_error(
        1.0, *averaged(biased, traces=2, within=1.0)
    )
