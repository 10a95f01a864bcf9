"""Gradient mixing: closed forms against search and enumeration, symmetries, limits, array libraries, bad input."""

from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.mixing import closed_form as mixing
from lab.mixing.closed_form import Moments
from tests.libraries import assert_libraries_agree
from tests.unannotated import assert_refused, unannotated

numbers = st.floats(-10, 10, allow_subnormal=False)
weights = st.floats(0, 1)


@st.composite
def moments(draw, dim=3):
    """Moments that a pair of estimators can have: the covariances come from a joint square root."""
    root = draw(arrays(float, (2 * dim, 2 * dim), elements=numbers))
    joint = root @ root.T
    found = Moments(
        draw(arrays(float, dim, elements=numbers)),
        draw(arrays(float, dim, elements=numbers)),
        np.trace(joint[:dim, :dim]),
        np.trace(joint[dim:, dim:]),
        np.trace(joint[:dim, dim:]),
    )
    distance = np.sum((found.bias_trace - found.bias_empty) ** 2) + found.var_trace + found.var_empty - 2 * found.cov
    assume(distance > 1e-3)
    return found


def outcomes(seed=0, batch=(), count=6, dim=3):
    """A finite joint law of two gradients, and its moments by enumeration around a target."""
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.ones(count), batch)
    trace, empty = rng.normal(size=(2, *batch, count, dim))
    return chance, trace, empty, rng.normal(size=(*batch, dim))


def enumerated(chance, trace, empty, target):
    def mean(x):
        return np.sum(chance[..., None] * x, axis=-2)

    def cov(x, y):
        x, y = x - mean(x)[..., None, :], y - mean(y)[..., None, :]
        return np.einsum("...k,...ki,...kj->...ij", chance, x, y)

    matrices = cov(trace, trace), cov(empty, empty), cov(trace, empty)
    traces = (np.trace(m, axis1=-2, axis2=-1) for m in matrices)
    return Moments(mean(trace) - target, mean(empty) - target, *traces), matrices


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_error_by_enumeration(weight):
    chance, trace, empty, target = outcomes(batch=(4,))
    around, matrices = enumerated(chance, trace, empty, target)
    both = mixing.mixed(trace, empty, weight=weight) - target[:, None, :]
    matrix = np.einsum("...k,...ki,...kj->...ij", chance, both, both)
    np.testing.assert_allclose(
        mixing.mean_squared_error(weight, *around), np.trace(matrix, axis1=1, axis2=2), rtol=1e-13
    )
    np.testing.assert_allclose(mixing.error_matrix(weight, *around[:2], *matrices), matrix, atol=1e-14)
    centred = both - np.sum(chance[..., None] * both, axis=-2, keepdims=True)
    spread = np.einsum("...k,...ki,...kj->...ij", chance, centred, centred)
    np.testing.assert_allclose(mixing.covariance(weight, *matrices), spread, atol=1e-14)
    np.testing.assert_allclose(mixing.variance(weight, *around[2:]), np.trace(spread, axis1=1, axis2=2), rtol=1e-13)


def test_weight_against_rational_arithmetic():
    bias_trace, bias_empty = np.array([0.25, -0.5]), np.array([1.5, 0.75])
    found = mixing.unclipped_weight(bias_trace, bias_empty, 2.0, 0.5, 0.25)
    t, e = ([Fraction(x) for x in b] for b in (bias_trace, bias_empty))
    numerator = sum(y * (y - x) for x, y in zip(t, e, strict=True)) + Fraction(1, 2) - Fraction(1, 4)
    denominator = sum((y - x) ** 2 for x, y in zip(t, e, strict=True)) + 2 + Fraction(1, 2) - 2 * Fraction(1, 4)
    assert found == pytest.approx(float(numerator / denominator), rel=1e-15)


@settings(deadline=None)
@given(moments(), st.floats(0.01, 10))
def test_no_weight_is_better(around, rho):
    best = mixing.step_error(mixing.optimal_weight(*around, smoothness_step=rho), *around, smoothness_step=rho)
    others = mixing.step_error(np.linspace(0, 1, 101), *around, smoothness_step=rho)
    assert best <= np.min(others) + 1e-12 * np.max(others)


@settings(deadline=None)
@given(moments(), st.floats(0.01, 10))
def test_exchanging_the_estimators_turns_the_weight_round(around, rho):
    swapped = Moments(around.bias_empty, around.bias_trace, around.var_empty, around.var_trace, around.cov)
    ours = mixing.unclipped_weight(*around, smoothness_step=rho)
    theirs = mixing.unclipped_weight(*swapped, smoothness_step=rho)
    assert ours + theirs == pytest.approx(1, abs=1e-9 * (1 + abs(ours)))


@settings(deadline=None)
@given(moments(), st.floats(1e-4, 1e4))
def test_weight_does_not_depend_on_the_unit(around, unit):
    scaled = Moments(*(x * unit for x in around[:2]), *(x * unit**2 for x in around[2:]))
    assert mixing.unclipped_weight(*scaled) == pytest.approx(mixing.unclipped_weight(*around), rel=1e-6, abs=1e-9)


@settings(deadline=None)
@given(moments(), st.floats(0.1, 10))
def test_step_size_scales_the_variances(around, rho):
    scaled = around._replace(var_trace=rho * around.var_trace, var_empty=rho * around.var_empty, cov=rho * around.cov)
    assert mixing.unclipped_weight(*scaled) == pytest.approx(
        mixing.unclipped_weight(*around, smoothness_step=rho), rel=1e-9, abs=1e-9
    )


@settings(deadline=None)
@given(moments())
def test_improvement_is_the_gap_to_both_ends(around):
    gains = mixing.improvement(*around)
    best = mixing.mean_squared_error(mixing.optimal_weight(*around), *around)
    ends = mixing.mean_squared_error(np.array([0.0, 1.0]), *around)
    slack = 1e-9 * np.max(ends)
    np.testing.assert_allclose([gains.over_empty, gains.over_trace], ends - best, atol=slack)
    inside = 0 < mixing.unclipped_weight(*around) < 1
    assert (min(gains) > slack) <= inside
    assert min(gains) >= -slack


def test_ends_and_limits():
    trace, empty = np.array([1.0, 2.0]), np.array([-3.0, 0.5])
    np.testing.assert_array_equal(mixing.mixed(trace, empty, weight=1.0), trace)
    np.testing.assert_array_equal(mixing.mixed(trace, empty, weight=0.0), empty)
    np.testing.assert_array_equal(
        mixing.mixed(np.stack([trace] * 2), np.stack([empty] * 2), weight=np.array([0.0, 1.0])), [empty, trace]
    )
    zero = np.zeros(2)
    # Unbiased traces: small steps ask for plain traces, long ones for none of them.
    assert mixing.optimal_weight(zero, trace, 1.0, 0.0, 0.0, smoothness_step=1e-12) == pytest.approx(1)
    assert mixing.optimal_weight(zero, trace, 1.0, 0.0, 0.0, smoothness_step=1e12) == pytest.approx(0, abs=1e-10)
    # An exact empty-trace gradient leaves nothing to the traces; a hopeless one leaves everything.
    assert mixing.optimal_weight(zero, zero, 1.0, 0.0, 0.0) == 0
    assert mixing.optimal_weight(zero, 1e8 * trace, 1.0, 0.0, 0.0) == pytest.approx(1)
    # Same direction, half the bias, no noise: better alone, and the unclipped weight is negative.
    assert mixing.unclipped_weight(trace, trace / 2, 0.0, 0.0, 0.0) == -1
    assert mixing.optimal_weight(trace, trace / 2, 0.0, 0.0, 0.0) == 0
    assert mixing.optimal_weight(trace / 2, trace, 0.0, 0.0, 0.0) == 1


def test_equal_weights_win_between_a_quarter_and_three_quarters():
    for best in (0.2, 0.25, 0.3, 0.5, 0.74, 0.76):
        # b_t = 0 and one unit of ‖b_e‖² + S_t: the weight is ‖b_e‖².
        around = Moments(np.zeros(1), np.array([np.sqrt(best)]), 1 - best, 0.0, 0.0)
        empty, half, trace = mixing.mean_squared_error(np.array([0.0, 0.5, 1.0]), *around)
        assert half < trace if best < 0.75 else half > trace
        if best != 0.25:
            assert half < empty if best > 0.25 else half > empty


def test_averaging_and_batches():
    around = Moments(np.ones(2), np.zeros(2), 4.0, 1.0, 0.5)
    found = mixing.averaged(around, traces=4, within=2.0)
    assert found.var_trace == 4 - 2 + 2 / 4
    assert (found.var_empty, found.cov) == (1.0, 0.5)
    found = mixing.batched(around, batch=8)
    assert (found.var_trace, found.var_empty, found.cov) == (0.5, 0.125, 0.0625)
    np.testing.assert_array_equal(found.bias_trace, around.bias_trace)


def test_sgd_bound_by_hand():
    assert mixing.sgd_bound(3.0, 0.5, step_size=0.1, smoothness=10.0, steps=6) == pytest.approx(2 * 3 / 0.6 + 0.5)


FUNCTIONS = {
    "mixed": (lambda t, e, w: mixing.mixed(t, e, weight=w), [(2, 3), (2, 3), "inside"]),
    "bias": (lambda t, e, w: mixing.bias(w, t, e), [(2, 3), (2, 3), "inside"]),
    "step_error": (lambda *x: mixing.step_error(*x, smoothness_step=0.3), ["inside", *"mmmmm"]),
    "mean_squared_error": (mixing.mean_squared_error, ["inside", *"mmmmm"]),
    "unclipped_weight": (lambda *x: mixing.unclipped_weight(*x, smoothness_step=0.3), [*"mmmmm"]),
    "optimal_weight": (mixing.optimal_weight, [*"mmmmm"]),
    "over_trace": (lambda *x: mixing.improvement(*x).over_trace, [*"mmmmm"]),
    "over_empty": (lambda *x: mixing.improvement(*x).over_empty, [*"mmmmm"]),
    "variance": (lambda w, *x: mixing.variance(w, *x[2:]), ["inside", *"mmmmm"]),
    "covariance": (lambda w, *x: mixing.covariance(w, *x), ["inside", (2, 3, 3), (2, 3, 3), (2, 3, 3)]),
    "error_matrix": (mixing.error_matrix, ["inside", (2, 3), (2, 3), (2, 3, 3), (2, 3, 3), (2, 3, 3)]),
    "averaged": (lambda *x: mixing.averaged(Moments(*x), traces=3, within=x[2]).var_trace, [*"mmmmm"]),
    "batched": (lambda *x: mixing.batched(Moments(*x), batch=3).cov, [*"mmmmm"]),
    "sgd_bound": (lambda g, e: mixing.sgd_bound(g, e, step_size=0.1, smoothness=2.0, steps=5), ["inside", "inside"]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_array_libraries_agree(name):
    function, wanted = FUNCTIONS[name]
    rng = np.random.default_rng(3)
    around = iter(enumerated(*outcomes(5, batch=(2,)))[0])
    inputs = [
        next(around) if w == "m" else rng.uniform(0.2, 0.8, 2) if w == "inside" else rng.normal(size=w) for w in wanted
    ]
    assert_libraries_agree(function, *inputs)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_single_precision(size):
    around, _ = enumerated(*outcomes(1))
    scaled = Moments(*(x * size for x in around[:2]), *(x * size**2 for x in around[2:]))
    small = Moments(*(np.asarray(x, dtype=np.float32) for x in scaled))
    found = mixing.optimal_weight(*small)
    assert found.dtype == np.float32
    # Ten roundings, none of a difference that cancels by more than a factor of 10 here.
    assert float(found) == pytest.approx(
        float(mixing.optimal_weight(*around)), rel=100 * float(np.finfo(np.float32).eps)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias_trace": np.array([1.0, np.nan, 0.0])}, "bias_trace = nan"),
        ({"bias_empty": np.zeros((2, 3))}, "shapes must agree"),
        ({"var_trace": -1.0}, "var_trace = -1"),
        ({"var_empty": np.inf}, "var_empty = inf"),
        ({"cov": np.nan}, "cov = nan"),
        ({"smoothness_step": 0.0}, "smoothness_step = 0"),
    ],
)
def test_bad_moments_are_refused(change, message):
    good = {"bias_trace": np.zeros(3), "bias_empty": np.ones(3), "var_trace": 1.0, "var_empty": 0.0, "cov": 0.0}
    for function in (mixing.optimal_weight, mixing.improvement, lambda **x: mixing.step_error(0.5, **x)):
        with pytest.raises(ValueError, match=message):
            function(**(good | change))


def test_coinciding_estimators_are_refused():
    same = np.array([1.0, 2.0])
    for cov, bias in ((0.5, same), (0.7, same)):
        with pytest.raises(ValueError, match="coincide"):
            mixing.optimal_weight(same, bias, 0.5, 0.5, cov)


def test_bad_settings_are_refused():
    x = np.zeros(2)
    with pytest.raises(ValueError, match=r"weight = 1\.5.*must lie in \[0, 1\]"):
        mixing.mixed(x, x, weight=1.5)
    with pytest.raises(ValueError, match="g_empty = inf"):
        mixing.mixed(x, x + np.inf, weight=0.5)
    with pytest.raises(ValueError, match="weight = nan"):
        mixing.step_error(np.nan, x, x, 1.0, 1.0, 0.0)
    around = Moments(x, x, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="traces = 0"):
        mixing.averaged(around, traces=0, within=1.0)
    with pytest.raises(ValueError, match="batch = 0"):
        mixing.batched(around, batch=0)
    with pytest.raises(ValueError, match=r"step_size · smoothness = 1\.1"):
        mixing.sgd_bound(1.0, 1.0, step_size=0.11, smoothness=10.0, steps=3)
    with pytest.raises(ValueError, match="steps = 0"):
        mixing.sgd_bound(1.0, 1.0, step_size=0.1, smoothness=10.0, steps=0)


def test_moments_that_are_no_numbers_are_refused_everywhere():
    x = np.zeros(2)
    calls = {
        "bias_trace = nan": lambda: mixing.bias(0.5, x + np.nan, x),
        "var_trace = -1": lambda: mixing.variance(0.5, -1.0, 1.0, 0.0),
        "cov = nan": lambda: mixing.variance(0.5, 1.0, 1.0, np.nan),
        "within = nan": lambda: mixing.averaged(Moments(x, x, 1.0, 1.0, 0.0), traces=2, within=np.nan),
        "mean_step_error = nan": lambda: mixing.sgd_bound(1.0, np.nan, step_size=0.1, smoothness=1.0, steps=3),
        "estimators = -8: must be positive": lambda: mixing.optimal_weight(x, x, 1.0, 1.0, 5.0),
    }
    for named, call in calls.items():
        with pytest.raises(ValueError, match=named):
            call()


WRONG_SHAPES = {
    "mixed": (lambda t, e: mixing.mixed(t, e, weight=0.5), [(1,), (3,)], r"g_trace has \(1,\), g_empty has \(3,\)"),
    "weights": (
        lambda t, e, w: mixing.mixed(t, e, weight=w),
        [(2, 3), (2, 3), (3,)],
        r"weight has \(3,\), g_trace\[\.\.\., 0\] has \(2,\)",
    ),
    "a number": (lambda t, e: mixing.mixed(t, e, weight=0.5), [(), ()], "needs a last axis of dimensions"),
    "bias": (lambda t, e: mixing.bias(0.5, t, e), [(1,), (3,)], r"bias_trace has \(1,\), bias_empty has \(3,\)"),
    "variance": (lambda *x: mixing.variance(0.5, *x), [(2,), (3,), ()], r"var_trace has \(2,\), var_empty has \(3,\)"),
    "moments": (
        lambda t, e, v: mixing.mean_squared_error(0.5, t, e, v, 1.0, 0.0),
        [(2, 3), (2, 3), (3,)],
        r"bias_trace\[\.\.\., 0\] has \(2,\), var_trace has \(3,\)",
    ),
    "covariance": (
        lambda *x: mixing.covariance(0.5, *x),
        [(2, 3), (2, 3), (2, 3)],
        r"cross has \(2, 3\): covariances must be square",
    ),
    "error_matrix": (
        lambda t, e, *x: mixing.error_matrix(0.5, t, e, *x),
        [(1,), (1,), (3, 3), (3, 3), (3, 3)],
        r"bias_trace has \(1,\), cov_trace\[\.\.\., 0, :\] has \(3,\)",
    ),
    "sgd_bound": (
        lambda g, e: mixing.sgd_bound(g, e, step_size=0.1, smoothness=1.0, steps=1),
        [(2,), (3,)],
        r"initial_gap has \(2,\), mean_step_error has \(3,\)",
    ),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_shapes_that_do_not_agree_are_refused(name):
    call, shapes, message = WRONG_SHAPES[name]
    assert_refused(call, *map(np.zeros, shapes), match=message)
    with unannotated(), pytest.raises(ValueError, match=message):
        jax.jit(call)(*(jax.numpy.zeros(shape) for shape in shapes))


def test_covariances_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="cov_empty = nan"):
        mixing.covariance(0.5, np.eye(2), np.full((2, 2), np.nan), np.eye(2))
