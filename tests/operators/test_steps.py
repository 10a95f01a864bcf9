"""Steps on three array libraries, their fixed points and their refusals."""

from functools import partial

import numpy as np
import pytest

from lab.operators import steps
from lab.operators.worst_cases import (
    averaged_bound,
    averaged_worst_angle,
    gradient_bound,
    halpern_identity,
    huber_gradient,
    shrinking_map,
)
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(0)
U, V, W = RNG.normal(size=(3, 5, 4))


def quarter(u):
    """The rotation of two planes by a quarter turn, on any array library."""
    return -u[..., [1, 0, 3, 2]] * np.array([1.0, -1.0, 1.0, -1.0])


STEPS = [
    (partial(steps.forward, step_size=0.3), (U, V)),
    (partial(steps.averaged, weight=0.4), (U, V)),
    (partial(steps.anchored, anchor=0.25), (U, V)),
    (partial(steps.halpern, iteration=3), (U, V)),
    (lambda u, v, w: steps.page(u, v, w, reset=np.array(False)), (U, V, W)),
    (lambda u, v, w: steps.page_halpern(u, v, w, anchor=0.5, step_size=0.1)[0], (U, V, W)),
    (lambda u, v: steps.extragradient(u, lambda x: x * x, step_size=0.1)[0] + v, (U, V)),
    (lambda u, v: steps.anchored_extragradient(u, v, lambda x: x * x, iteration=2, step_size=0.1), (U, V)),
    (lambda u, v: steps.fast_extragradient(u, v, lambda x: x * x, iteration=2, step_size=0.1), (U, V)),
    (lambda u, v, w: halpern_identity(u, v[:, None] + w[:, None], w)[1], (U, V, W)),
]


@pytest.mark.parametrize(("step", "arrays"), STEPS)
def test_libraries_agree(step, arrays):
    assert_libraries_agree(step, *arrays)


def test_worst_cases_on_three_libraries():
    x = np.array([-2.0, -0.31, 0.2, 0.9])
    assert_libraries_agree(partial(shrinking_map, step=0.5), x)
    assert_libraries_agree(partial(huber_gradient, slope=0.25), x)
    t = np.array([0.3, 0.55, 0.97])
    assert_libraries_agree(partial(averaged_bound, 5), t)
    assert_libraries_agree(partial(averaged_worst_angle, 5), t, gradient=False)
    assert_libraries_agree(partial(gradient_bound, 4), np.array([0.5, 1.2, 1.9]))


def test_a_zero_is_a_fixed_point_of_every_step_from_it():
    zero = np.zeros(4)
    for method in (steps.anchored_extragradient, steps.fast_extragradient):
        assert not np.any(method(zero, zero, quarter, iteration=3, step_size=0.5))
    assert not np.any(steps.extragradient(zero, quarter, step_size=0.5)[0])


def test_page_halpern_returns_the_element_of_the_normal_cone():
    """Projection onto the non-negative orthant: g ≤ 0, and g is 0 where the point is positive."""
    after, element = steps.page_halpern(U, V, W, anchor=0.3, step_size=0.7, resolvent=lambda z: np.maximum(z, 0.0))
    assert np.all(element <= 0)
    assert np.all(element[after > 0] == 0)


def test_extragradient_on_a_quarter_turn():
    """One step of η multiplies by 1 − iη − η²: at η = 1 the norm does not change."""
    u = np.array([1.0, 0.0, 0.0, 0.0])
    after, ahead = steps.extragradient(u, quarter, step_size=1.0)
    assert np.linalg.norm(after) == pytest.approx(1.0, abs=1e-15)
    assert np.linalg.norm(ahead) == pytest.approx(np.sqrt(2), abs=1e-15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: steps.forward(U, V, step_size=-0.1), "step_size = -0.1: must be positive"),
        (lambda: steps.averaged(U, V, weight=0.0), r"weight = 0: must lie in \(0, 1\]"),
        (lambda: steps.anchored(U, V, anchor=1.5), r"anchor = 1.5: must lie in \[0, 1\]"),
        (lambda: steps.halpern(U, V, iteration=0), "iteration = 0"),
        (lambda: shrinking_map(U, step=0.0), "step = 0: must be positive"),
        (lambda: averaged_bound(3, 1.0), "weight = 1"),
        (lambda: gradient_bound(3, 2.0), "relative_step = 2"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
