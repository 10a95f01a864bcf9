"""Step sizes and losses of one paper in the terms of another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.games import conventions
from tests.libraries import assert_libraries_agree

positive = st.floats(1e-4, 10)


@given(positive, positive)
def test_magnetic_steps(step, magnet):
    """η = η_m/(1 + η_mα): the pull ηα stays below 1, and short steps are the same in both."""
    eta = float(conventions.step_from_magnetic(step, magnet=magnet))
    assert eta * magnet < 1
    assert eta == pytest.approx(1 / (1 / step + magnet), rel=1e-14)


@pytest.mark.parametrize(("sgd_step", "beta", "eta"), [(0.1, 0.1, 0.4), (0.02, 0.01, 0.8), (2e-4, 0.001, 0.08)])
def test_steps_of_the_published_protocol(sgd_step, beta, eta):
    """`egpo`, simulation protocol: ten actions."""
    assert float(conventions.step_from_sgd(sgd_step, beta=beta, actions=10)) == pytest.approx(eta, rel=1e-15)


@given(positive)
def test_inverse_twice_is_the_same(step):
    again = conventions.step_from_inverse(float(conventions.step_from_inverse(step)))
    assert float(again) == pytest.approx(step, rel=1e-15)


def test_targets_and_exploitability():
    assert float(conventions.slope_from_target(0.25)) == 0.5
    assert float(conventions.exploitability(0.3)) == 0.15


def test_libraries_agree():
    x = np.array([0.3, 2.0])
    for function in (
        lambda s: conventions.step_from_sgd(s, beta=0.1, actions=10),
        conventions.step_from_inverse,
        lambda s: conventions.step_from_magnetic(s, magnet=0.2),
        conventions.slope_from_target,
        conventions.exploitability,
    ):
        assert_libraries_agree(function, x)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: conventions.step_from_sgd(-0.1, beta=0.1, actions=10), "sgd_step = -0.1"),
        (lambda: conventions.step_from_sgd(0.1, beta=0.0, actions=10), "beta = 0"),
        (lambda: conventions.step_from_inverse(0.0), "inverse_step = 0"),
        (lambda: conventions.step_from_magnetic(0.1, magnet=-1.0), "magnet = -1"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
