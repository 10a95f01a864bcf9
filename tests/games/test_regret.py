"""Value, loss gradient and the bounds of INPO's theorems."""

import numpy as np
import pytest

from lab.games.gaps import regularised_gap
from lab.games.regret import diameter, gradient_bound, last_iterate_bound, loss_gradient, regret_bound, value
from lab.policies import kl_divergence, regularised_optimum, tabular
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(0)
UPPER = np.triu(RNG.uniform(-0.5, 0.5, (4, 4)), 1)
ADVANTAGE = UPPER - UPPER.T
REFERENCE, FIRST, SECOND = (tabular(RNG.normal(size=4)) for _ in range(3))
BETA = 0.3


def test_value_is_symmetric_and_its_best_response_gives_the_gap():
    there = value(ADVANTAGE, FIRST, SECOND, REFERENCE, beta=BETA)
    back = value(ADVANTAGE, SECOND, FIRST, REFERENCE, beta=BETA)
    assert there + back == pytest.approx(1.0, abs=1e-15)
    response = regularised_optimum(ADVANTAGE @ np.exp(FIRST), REFERENCE, beta=BETA)
    best = value(ADVANTAGE, response, FIRST, REFERENCE, beta=BETA)
    assert 2 * (best - 0.5) == pytest.approx(regularised_gap(ADVANTAGE, FIRST, REFERENCE, beta=BETA), rel=1e-12)


def test_loss_gradient_is_the_derivative_of_the_loss():
    """The loss −P(π ≻ π_t) + τ KL(π‖π_ref) along a direction within the simplex."""
    direction = RNG.normal(size=4)
    direction -= direction.mean()
    policy = np.exp(FIRST)

    def loss(step):
        here = np.log(policy + step * direction)
        return -np.exp(here) @ (0.5 + ADVANTAGE @ policy) + BETA * kl_divergence(here, REFERENCE)

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    assert loss_gradient(ADVANTAGE, FIRST, REFERENCE, beta=BETA) @ direction == pytest.approx(slope, rel=1e-8)


def test_bounds_have_their_numbers():
    assert diameter(np.log([0.7, 0.2, 0.1])) == pytest.approx(np.log(10))
    assert gradient_bound(2.0, beta=0.5) == 5.0
    assert regret_bound(16, inverse_step=4.0, distance=1.0, squared_norm=5.0) == 4.0 + 20.0
    assert last_iterate_bound(1, beta=0.5) == 64.0  # 32/τ²(T + 1)
    assert last_iterate_bound(1, beta=0.5, allowance=0.5) == 4.0


def test_libraries_agree():
    def by(function):
        return lambda a, *policies: function(a, *policies, beta=BETA)

    assert_libraries_agree(by(value), ADVANTAGE, FIRST, SECOND, REFERENCE)
    assert_libraries_agree(by(loss_gradient), ADVANTAGE, FIRST, REFERENCE)
    assert_libraries_agree(diameter, REFERENCE)
    assert_libraries_agree(lambda b: gradient_bound(b, beta=BETA), np.array([1.0, 3.0]))
    assert_libraries_agree(lambda b: last_iterate_bound(3, beta=b), np.array([0.1, 2.0]))
    assert_libraries_agree(
        lambda d, g: regret_bound(9, inverse_step=2.0, distance=d, squared_norm=g), np.array([1.0]), np.array([2.0])
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"beta = -1"):
        value(ADVANTAGE, FIRST, SECOND, REFERENCE, beta=-1.0)
    with pytest.raises(ValueError, match=r"inverse_step = 0"):
        regret_bound(3, inverse_step=0.0, distance=1.0, squared_norm=1.0)
    with pytest.raises(ValueError, match=r"beta = 0"):
        last_iterate_bound(3, beta=0.0)
