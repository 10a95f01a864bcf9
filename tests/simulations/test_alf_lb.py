"""The online study, noise floors and gaps of `alf-lb` have the numbers of the fact sheet."""

import numpy as np
import pytest
from scipy.stats import t as student

from lab.routing.balance import noise_floor, noise_floor_bound
from lab.routing.online import Policy, follow
from lab.routing.regret import logarithmic_coefficient, sign_rule_slope, worst_gradient_square
from simulations.alf_lb.iterations import smallest_gap
from simulations.alf_lb.worlds import SIX


def test_numbers_of_the_online_study():
    """The stream of six experts: μ = 144, tr Cov A = 160, growth 0.56 per unit of ln N, sign rule 0.09 a step."""
    assert SIX.strong_convexity == 144
    covariance = SIX.load_covariance
    assert np.trace(covariance) == pytest.approx(160)
    curvature = np.linalg.eigvalsh(SIX.hessian(-SIX.means))
    np.testing.assert_allclose(curvature, [0, 144, 144, 144, 144, 144], atol=1e-10)
    growth = logarithmic_coefficient(curvature[1:], np.linalg.eigvalsh(covariance)[1:], step_factor=1 / 144)
    assert growth == pytest.approx(0.556, abs=0.001)
    assert worst_gradient_square(120, 6, experts_per_token=2) == pytest.approx(19200)
    assert sign_rule_slope(120, 6, experts_per_token=2, rate=0.01) == pytest.approx(0.0912, abs=1e-4)


@pytest.mark.slow
def test_regret_of_the_online_study():
    """Regret after 300 steps as the fact sheet has it (20 runs there): 16 for 1/(μn), 124 for the sign rule at 0.01."""
    import jax

    policies = (Policy("harmonic", 1 / 144), Policy("sign", 0.01))
    regret = np.asarray(follow(SIX, jax.random.key(0), policies=policies, runs=20, steps=300).regret)
    total = regret.sum(axis=-1)
    # Two means of 20 runs each differ by √(2/20) deviations of a run: Student's law, once in a million for both.
    error = student.isf(1e-6 / 4, 19) * total.std(axis=0, ddof=1) * np.sqrt(2 / 20)
    np.testing.assert_array_less(np.abs(total.mean(axis=0) - [16.1, 124]), error)
    # Expectations are exact up to the rounding of sums of a few hundred terms of size T.
    assert np.all(regret > -1e-9)


def test_noise_floor_of_the_headline_settings():
    assert noise_floor(4096, 64, experts_per_token=6) == pytest.approx(0.117, abs=0.001)
    assert noise_floor(65536, 64, experts_per_token=6) == pytest.approx(0.0288, abs=5e-5)
    assert noise_floor_bound(4096, 64, experts_per_token=6) == pytest.approx(0.140, abs=5e-4)
    assert noise_floor_bound(65536, 64, experts_per_token=6) == pytest.approx(0.035, abs=0.0005)


def test_smallest_gap_by_hand():
    scores = np.array([[[0.0, 0.5], [1.0, 0.25], [0.5, 0.5]]])  # differences −0.5, 0.75, 0
    assert smallest_gap(scores) == pytest.approx(0.5)
