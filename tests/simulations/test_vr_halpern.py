"""The costs, rates and worst cases of `vr-halpern` have the numbers of the fact sheet."""

import numpy as np
import pytest

from lab.operators.worst_cases import anchored_huber_slope
from simulations.vr_halpern.baselines import worst_rotation
from simulations.vr_halpern.cost import first_passage, iterations_needed
from simulations.vr_halpern.infinite_sum import total_samples


def test_iterations_of_the_sheet():
    """L = 4, ε = D/10: 8LD/ε less the start-up, whatever n."""
    found = [iterations_needed(4, n, 0.1) for n in (16, 256)]
    assert max(found) - min(found) <= 2
    assert 290 <= found[0] <= 320


def test_leading_constant_tends_to_twelve():
    """Summed, the slope is 12/(k + 16 − 24/(k + 2)(k + 3))."""
    for k in (1, 10, 1000):
        assert anchored_huber_slope(k) == pytest.approx(12 / (k + 16 - 24 / ((k + 2) * (k + 3))), rel=1e-12)
    assert 1004 * anchored_huber_slope(1000) / 16 == pytest.approx(0.74, abs=0.005)


def test_worst_rotations_have_their_rates():
    """Four times the steps: a half and a quarter, up to a part that the steps divide."""
    horizons = np.array([64, 256, 1024])
    for method, ratio in (("extragradient", 1 / 2), ("fast", 1 / 4)):
        found = worst_rotation(method, horizons)
        off = found[1:] / found[:-1] / ratio - 1
        assert np.all(np.abs(off) <= 2 / horizons[:-1])


def test_first_passage():
    assert first_passage(np.array([3.0, 1.0, 2.0, 0.5]), 1.0) == 1
    with pytest.raises(RuntimeError, match="no residual of 2"):
        first_passage(np.array([3.0, 2.0]), 1.0)


def test_variance_reduction_saves_samples_for_small_accuracy():
    assert total_samples(0.005, True) < total_samples(0.005, False)
