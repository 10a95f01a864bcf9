"""Travel of momentum: the sheet's numbers, its closed form, its limits, and a run of the solver itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.games.acceleration import (
    extrapolated_travel,
    scheduled_travel,
    signal_to_noise,
    step_weights,
    suboptimality_bound,
    total_variation_bound,
    travel,
)
from lab.games.solvers import SOLVERS
from lab.policies import tabular
from tests.libraries import assert_libraries_agree

SHARES = np.array([0.0, 0.3, 0.5, 0.9])


def test_travel_has_the_numbers_of_the_sheet():
    np.testing.assert_allclose(travel(30, extrapolation=SHARES), [30, 42.245, 58.0, 213.8], rtol=2e-4)
    assert signal_to_noise(20, extrapolation=0.5) == pytest.approx(4.437, abs=5e-4)
    assert signal_to_noise(20, extrapolation=0.0) == pytest.approx(np.sqrt(20), abs=1e-14)


@given(st.integers(1, 60), st.floats(0.0, 0.99))
def test_travel_is_its_closed_form(steps, share):
    closed = (steps - share * (1 - share**steps) / (1 - share)) / (1 - share)
    assert travel(steps, extrapolation=share) == pytest.approx(closed, rel=1e-9)
    carried = (1 - share**steps) / (1 - share)
    assert extrapolated_travel(steps, extrapolation=share) == pytest.approx(closed + share * carried, rel=1e-9)
    np.testing.assert_allclose(
        step_weights(steps, extrapolation=share),
        (1 - share ** (steps - np.arange(1, steps + 1) + 1)) / (1 - share),
        rtol=1e-9,
    )


def test_limits():
    assert travel(7, extrapolation=0.0) == 7
    assert travel(7, extrapolation=1.0) == 28
    assert travel(1, extrapolation=0.4) == 1
    constant = scheduled_travel(np.full(6, 0.4))
    np.testing.assert_allclose(constant, [travel(t, extrapolation=0.4) for t in range(1, 8)])


@pytest.mark.parametrize("share", SHARES)
def test_the_solver_travels_so_far(share):
    """T = 30 steps of momentum with a fixed reward: the last proximal policy, and the extrapolated one."""
    rng = np.random.default_rng(2)
    reward, reference, beta = rng.normal(size=6), tabular(rng.normal(size=6)), 2.0
    momentum = SOLVERS["momentum"]
    state = momentum.start(reference)
    for _ in range(30):
        state = momentum.step(
            state, lambda policy, query: reward, log_reference=reference, beta=0.0, step_size=1 / beta,
            extrapolation=share,
        )  # fmt: skip
    for log_policy, distance in (
        (state.memory, travel(30, extrapolation=share)),
        (state.log_policy, extrapolated_travel(30, extrapolation=share)),
    ):
        np.testing.assert_allclose(log_policy, tabular(reference + distance * reward / beta), rtol=1e-11, atol=1e-11)


def test_bounds_have_their_numbers():
    assert suboptimality_bound(4.0, beta=2.0, log_best=np.log(0.25)) == pytest.approx(0.5 * np.log(4))
    found = total_variation_bound(4.0, beta=2.0, log_best=np.log(0.25), reward_gap=0.5)
    assert found == pytest.approx(3 * np.exp(-1.0))


def test_libraries_agree():
    for function in (step_weights, travel, extrapolated_travel, signal_to_noise):
        assert_libraries_agree(lambda a, function=function: function(6, extrapolation=a), np.array([0.2, 0.5, 0.9]))
    assert_libraries_agree(scheduled_travel, np.array([0.1, 0.5, 0.9]))
    assert_libraries_agree(lambda s: suboptimality_bound(s, beta=0.5, log_best=-2.0), np.array([1.0, 5.0]))
    assert_libraries_agree(
        lambda s, m: total_variation_bound(s, beta=0.5, log_best=-2.0, reward_gap=m), np.array([1.0]), np.array([0.3])
    )


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"extrapolation = 1\.5"):
        travel(3, extrapolation=1.5)
    with pytest.raises(ValueError, match="steps = 0"):
        travel(0, extrapolation=0.5)
    with pytest.raises(ValueError, match="distance = 0"):
        suboptimality_bound(0.0, beta=1.0, log_best=-1.0)
