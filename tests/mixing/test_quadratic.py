"""SGD on noisy quadratics: the recursion against all noise paths, the stationary error, the simulator."""

from itertools import product

import jax
import numpy as np
import pytest

from lab.mixing.closed_form import mean_squared_error
from lab.mixing.quadratic import MixedQuadratic, NoisyQuadratic

WORLD = NoisyQuadratic(
    curvature=np.array([1.0, 0.4]),
    start=np.array([2.0, -1.0]),
    bias=np.array([0.3, -0.1]),
    noise=np.array([0.5, 0.2]),
    step_size=np.array(0.7),
)


def test_recursion_against_every_path_of_two_point_noise():
    steps = 4
    found = np.zeros(steps + 1)
    for signs in product([-1, 1], repeat=2 * steps):
        theta, path = WORLD.start.copy(), np.reshape(signs, (steps, 2))
        for k in range(steps + 1):
            found[k] += np.sum((WORLD.curvature * theta) ** 2) / 4**steps
            if k < steps:
                gradient = WORLD.curvature * theta + WORLD.bias + np.sqrt(WORLD.noise) * path[k]
                theta = theta - WORLD.step_size * gradient
    np.testing.assert_allclose(WORLD.squared_gradients(steps), found, rtol=1e-12)


def test_stationary_error_is_the_limit():
    assert WORLD.squared_gradients(400)[-1] == pytest.approx(float(WORLD.stationary_error()), rel=1e-12)
    by_hand = 0.3**2 + 0.1**2 + 0.7 / 1.3 * 0.5 + 0.28 / 1.72 * 0.2
    assert float(WORLD.stationary_error()) == pytest.approx(by_hand, rel=1e-12)


def test_gap_and_smoothness():
    assert float(WORLD.smoothness) == 1.0
    assert float(WORLD.initial_gap) == pytest.approx((1.0 * 4 + 0.4 * 1) / 2)


def test_simulator_has_the_exact_mean():
    """Hoeffding's inequality with the range of ‖∇L‖²; fails once in 10^9 seeds."""
    runs, steps = 50_000, 6
    values = np.asarray(WORLD.simulate(jax.random.key(0), runs, steps))
    # |h θ| never exceeds its start, or b and the noise together, since ηh ≤ 1.
    most = np.sum(np.maximum(np.abs(WORLD.curvature * WORLD.start), np.abs(WORLD.bias) + np.sqrt(WORLD.noise)) ** 2)
    assert values.max() <= most
    allowed = most * np.sqrt(np.log(2e9) / (2 * runs))
    assert abs(values.mean() - WORLD.squared_gradients(steps)[-1]) <= allowed


def test_mixture_at_the_longest_step_has_the_mean_squared_error():
    one = np.array(1.0)
    world = MixedQuadratic(3 * one, one, np.array([0.2]), np.array([-0.5]), 2 * one, 0.3 * one, 0.4 * one)
    moments = world.moments()
    assert float(moments.cov) == pytest.approx(0.4 * np.sqrt(0.6))
    for weight in (0.0, 0.3, 1.0):
        quadratic = world.under(weight)
        assert float(quadratic.stationary_error()) == pytest.approx(float(mean_squared_error(weight, *moments)))
        np.testing.assert_allclose(quadratic.squared_gradients(3)[1:], quadratic.stationary_error())
