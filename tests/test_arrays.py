"""Array helpers: three libraries, extremes, float32, mixed arguments, tracing, and refusal of bad input."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab import arrays
from lab.inference.rounding import Rounded, error, rounded, value
from tests.libraries import assert_libraries_agree

LIBRARIES = pytest.mark.parametrize("library", [np.asarray, jnp.asarray, torch.asarray], ids=["numpy", "jax", "torch"])
EXTREMES = [-1e4, -745.0, -30.0, 0.0, 30.0, 745.0, 1e4]
numbers = st.floats(-1e4, 1e4)


@pytest.mark.parametrize("function", [arrays.softplus, arrays.log_sigmoid, arrays.sigmoid])
def test_logistic_helpers_on_all_libraries(function):
    assert_libraries_agree(function, np.linspace(-8, 8, 33))


def test_logit_and_the_softmax_on_all_libraries():
    rng = np.random.default_rng(0)
    assert_libraries_agree(arrays.logit, rng.uniform(0.2, 0.8, 7))
    assert_libraries_agree(arrays.logsumexp, rng.normal(size=(3, 4)))
    assert_libraries_agree(arrays.log_softmax, rng.normal(size=(3, 4)))
    assert_libraries_agree(lambda x: arrays.logsumexp(x, axis=0, keepdims=True), rng.normal(size=(3, 4)))


@pytest.mark.parametrize("x", EXTREMES)
def test_log_sigmoid_against_sixty_digits(x):
    with mpmath.workdps(60):
        truth = -mpmath.log1p(mpmath.exp(-mpmath.mpf(x)))
        assert abs(float(arrays.log_sigmoid(x)) - truth) <= 4e-16 * abs(truth) + mpmath.mpf(5e-324)
        assert abs(float(arrays.sigmoid(x)) - mpmath.exp(truth)) <= 1e-12 * mpmath.exp(truth) + mpmath.mpf(5e-324)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", [arrays.softplus, arrays.log_sigmoid, arrays.sigmoid])
def test_extremes_have_finite_values_and_gradients(function, dtype):
    x = np.array(EXTREMES, dtype)
    assert np.all(np.isfinite(function(x)))
    assert function(x).dtype == dtype
    assert np.all(np.isfinite(jax.grad(lambda v: function(v).sum())(jnp.asarray(x))))
    leaf = torch.tensor(x, requires_grad=True)
    function(leaf).sum().backward()
    assert torch.all(torch.isfinite(leaf.grad))


@given(numbers)
def test_symmetries_of_the_logistic_function(x):
    assert float(arrays.log_sigmoid(x)) - float(arrays.log_sigmoid(-x)) == pytest.approx(x, rel=1e-15, abs=1e-15)
    assert float(arrays.sigmoid(x)) + float(arrays.sigmoid(-x)) == pytest.approx(1.0, rel=1e-15)


@given(st.floats(-30, 30))
def test_logit_inverts_the_sigmoid(x):
    # Near 1 the sigmoid rounds, and the logit enlarges that by 1/(1−σ) = 1 + e^x.
    assert float(arrays.logit(arrays.sigmoid(x))) == pytest.approx(x, abs=1e-15 * (1 + np.exp(x)) + 1e-13)


@LIBRARIES
def test_logit_at_the_ends(library):
    ends = np.asarray(arrays.logit(library(np.array([0.0, 0.5, 1.0]))))
    np.testing.assert_array_equal(ends, [-np.inf, 0.0, np.inf])
    assert np.isfinite(np.asarray(jax.grad(lambda p: arrays.logit(p).sum())(jnp.array([0.25, 0.75])))).all()


@given(st.lists(numbers, min_size=1, max_size=6), st.floats(-1e3, 1e3))
def test_log_softmax_is_normalised_and_does_not_see_a_shift(scores, shift):
    scores = np.array(scores)
    log_p = arrays.log_softmax(scores)
    assert np.sum(np.exp(log_p)) == pytest.approx(1.0, rel=1e-13)
    np.testing.assert_allclose(arrays.log_softmax(scores + shift), log_p, rtol=1e-11, atol=1e-11)


@LIBRARIES
def test_empty_outcomes_contribute_nothing(library):
    x = library(np.array([[0.0, -np.inf, 0.0], [-np.inf, -np.inf, -np.inf]]))
    found = np.asarray(arrays.logsumexp(x)[0])
    assert found == pytest.approx(np.log(2))
    gradient = jax.grad(lambda v: arrays.logsumexp(v))(jnp.array([0.0, -jnp.inf, 1.0]))
    assert np.all(np.isfinite(gradient))


def test_the_rounding_bound_passes_through_the_helpers():
    x = np.linspace(-40, 40, 41)
    tracked = arrays.log_sigmoid(rounded(x))
    assert isinstance(tracked, Rounded)
    with mpmath.workdps(60):
        for point, found, bound in zip(x, value(tracked), error(tracked), strict=True):
            assert abs(mpmath.mpf(float(found)) + mpmath.log1p(mpmath.exp(-mpmath.mpf(point)))) <= float(bound)


def test_python_numbers_take_the_dtype_and_the_library_of_the_arrays():
    for x in (np.zeros(2, "float32"), jnp.zeros(2, "float32"), torch.zeros(2)):
        first, second = arrays.floats(x, 0.1)
        assert type(first) is type(x)
        assert type(second) is type(x)
        assert str(second.dtype).endswith("float32")
    assert arrays.floats(1, 2)[0].dtype == np.float64


@LIBRARIES
def test_numbers_stand_beside_the_axes_they_multiply(library):
    weight, points = library(np.array([2.0, 3.0])), library(np.ones((2, 5, 4)))
    assert arrays.beside(weight).shape == (2, 1)
    np.testing.assert_array_equal((arrays.beside(weight, axes=2) * points)[:, 4, 3], [2.0, 3.0])
    assert arrays.beside(library(np.array(2.0))).shape == ()
    assert arrays.beside(0.5) == 0.5
    assert value(arrays.beside(rounded(np.ones(3)))).shape == (3, 1)


def test_a_numpy_constant_yields_to_the_other_library():
    for x in (jnp.ones(2), torch.ones(2, dtype=torch.float64)):
        assert all(type(y) is type(x) for y in arrays.floats(np.ones(2), x))


@LIBRARIES
@pytest.mark.parametrize(
    ("check", "bad", "message"),
    [
        (
            lambda x: arrays.check_finite(margin=x),
            np.nan,
            r"margin = nan \(first offending value of 3\): must be finite",
        ),
        (lambda x: arrays.check_finite(margin=x), -np.inf, r"margin = -inf .*must be finite"),
        (lambda x: arrays.check_positive(beta=x), 0.0, r"beta = 0 .*must be positive and finite"),
        (lambda x: arrays.check_positive(beta=x), np.inf, r"beta = inf .*must be positive and finite"),
        (lambda x: arrays.check_flip_rate(x), 0.5, r"flip_rate = 0\.5 .*must lie in \[0, 0\.5\)"),
        (lambda x: arrays.check_flip_rate(x), np.nan, r"flip_rate = nan .*must lie in \[0, 0\.5\)"),
        (
            lambda x: arrays.check_between(0.0, 1.0, open_low=True, propensity=x),
            0.0,
            r"propensity = 0 .*must lie in \(0, 1\]",
        ),
    ],
)
def test_checks_name_the_argument_the_value_and_the_range(library, check, bad, message):
    with pytest.raises(ValueError, match=message):
        check(library(np.array([0.25, bad, 0.125])))
    check(library(np.array([0.25, 0.125, 0.375])))


def test_checks_step_aside_while_tracing():
    def checked(x):
        arrays.check_positive(x=x)
        return x

    bad = jnp.array([-1.0, 1.0])
    np.testing.assert_array_equal(jax.jit(checked)(bad), bad)
    np.testing.assert_array_equal(jax.vmap(checked)(bad), bad)
    np.testing.assert_array_equal(torch.func.vmap(checked)(torch.tensor([-1.0, 1.0])), [-1.0, 1.0])
    with pytest.raises(ValueError, match="x = -1"):
        checked(bad)


def test_shapes_are_checked_even_while_tracing():
    with pytest.raises(ValueError, match=r"shapes must agree: a has \(2,\), b has \(3,\)"):
        arrays.check_same_shape(a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(ValueError, match=r"shapes must broadcast: a has \(2,\), b has \(3,\)"):
        jax.jit(lambda a, b: arrays.check_broadcast(a=a, b=b))(jnp.zeros(2), jnp.zeros(3))
    arrays.check_broadcast(a=np.zeros((4, 1)), b=np.zeros(3), c=0.5)


@LIBRARIES
def test_last_axes_must_agree(library):
    def check(*shapes):
        arrays.check_last_axis("actions", **{f"x{i}": library(np.zeros(shape)) for i, shape in enumerate(shapes)})

    check((3,), (2, 3), (4, 1, 3))
    for shapes in [((3,), (1,)), ((2, 3), (4, 3)), ((0,), (0,)), ((), (3,))]:
        with pytest.raises(ValueError, match=r"x0 has .*, x1 has .*: needs a last axis of actions, at least 1 of one"):
            check(*shapes)
    with pytest.raises(ValueError, match=r"^x0 has \(2, 0\): needs a last axis of actions, at least 1$"):
        check((2, 0))
    with pytest.raises(ValueError, match=r"a has \(2,\), b has \(1,\)"):
        arrays.check_same_shape(a=[1.0, 2.0], b=[1.0])


@LIBRARIES
def test_logarithms_of_something_possible(library):
    arrays.check_logs(x=library(np.array([[0.0, -np.inf], [-3.0, 2.0]])))
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(
            ValueError, match=rf"x = {bad:g} .*must be finite or −∞, and not −∞ throughout the last axis"
        ):
            arrays.check_logs(x=library(np.array([[0.0, 1.0], [bad, -np.inf]])))
    arrays.check_logs(x=rounded(np.array([0.0, -np.inf])))
