"""The bound of a Rounded array covers the true error, known from 60 digits, and is not absurdly larger."""

from typing import Any

import mpmath
import numpy as np
import pytest
from array_api_compat import array_namespace
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab import arrays, policies
from lab.inference.rounding import Rounded, rounded

mpmath.mp.dps = 60


def exact(function: Any, *operands: Any) -> np.ndarray:
    """A function of mpmath numbers, elementwise over object arrays (or floats, converted exactly)."""

    def convert(x: Any) -> Any:
        return x if isinstance(x, mpmath.mpf) else mpmath.mpf(float(x))

    return np.vectorize(lambda *xs: function(*[convert(x) for x in xs]), otypes=[object])(*operands)


def true_error(result: Rounded, truth: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda v, t: float(abs(mpmath.mpf(float(v)) - t)))(result.value, truth)


def assert_covers(result: Rounded, truth: Any) -> None:
    truth = np.asarray(truth, dtype=object)
    assert result.shape == truth.shape
    covered = np.vectorize(lambda v, e, t: abs(mpmath.mpf(float(v)) - t) <= mpmath.mpf(float(e)))
    assert np.all(covered(result.value, result.error, truth)), (result, truth)


# One row an operation: its NumPy function, the exact one, and the operands it is defined for.
anywhere, positive, small = st.floats(-50, 50), st.floats(1e-8, 1e8), st.floats(-2, 2)
UNARY = {
    "exp": (np.exp, mpmath.exp, anywhere),
    "exp2": (np.exp2, lambda x: mpmath.mpf(2) ** x, anywhere),
    "expm1": (np.expm1, mpmath.expm1, anywhere),
    "log": (np.log, mpmath.log, positive),
    "log2": (np.log2, lambda x: mpmath.log(x, 2), positive),
    "log10": (np.log10, mpmath.log10, positive),
    "log1p": (np.log1p, mpmath.log1p, positive),
    "sqrt": (np.sqrt, mpmath.sqrt, positive),
    "square": (np.square, lambda x: x**2, anywhere),
    "cube": (lambda x: x**3, lambda x: x**3, anywhere),
    "root": (lambda x: x**0.3, lambda x: x ** mpmath.mpf(0.3), positive),
    "negative power": (lambda x: x**-1.7, lambda x: x ** mpmath.mpf(-1.7), positive),
    "base": (lambda x: 1.5**x, lambda x: mpmath.mpf(1.5) ** x, anywhere),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, positive),
    "tanh": (np.tanh, mpmath.tanh, small),
    "sinh": (np.sinh, mpmath.sinh, small),
    "cosh": (np.cosh, mpmath.cosh, small),
    "arctan": (np.arctan, mpmath.atan, anywhere),
    "arcsinh": (np.arcsinh, mpmath.asinh, anywhere),
    "sin": (np.sin, mpmath.sin, anywhere),
    "cos": (np.cos, mpmath.cos, anywhere),
    "abs": (np.abs, abs, anywhere),
    "negative": (np.negative, lambda x: -x, anywhere),
    "softplus": (lambda x: np.logaddexp(x, 0.0), lambda x: mpmath.log1p(mpmath.exp(x)), anywhere),
}
BINARY = {
    "add": (np.add, lambda x, y: x + y),
    "subtract": (np.subtract, lambda x, y: x - y),
    "multiply": (np.multiply, lambda x, y: x * y),
    "divide": (np.divide, lambda x, y: x / y),
    "maximum": (np.maximum, max),
    "minimum": (np.minimum, min),
    "logaddexp": (np.logaddexp, lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y))),
}


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_one_operation_is_covered_and_sharp(name: str, data: st.DataObject) -> None:
    operation, truth, domain = UNARY[name]
    x = np.asarray(data.draw(st.lists(domain, min_size=1, max_size=5)))
    result = operation(rounded(x))
    assert_covers(result, exact(truth, x))
    assert np.all(result.error <= 40 * 2.0**-53 * np.maximum(np.abs(result.value), 2.0**-900))


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_uncertain_operand_is_covered(name: str, data: st.DataObject) -> None:
    """The result's bound holds for the exact function at any point within the operand's error, however large it is."""
    operation, truth, domain = UNARY[name]
    x = data.draw(domain)
    e = data.draw(st.sampled_from([1e-12, 1e-3, 0.3])) * (abs(x) if domain is positive else 1.0)
    place = data.draw(st.sampled_from([-1.0, -0.6, 0.0, 0.7, 1.0]))
    result = operation(Rounded(x, e))
    moved = mpmath.mpf(x) + mpmath.mpf(place) * mpmath.mpf(e)
    assert_covers(result, truth(moved))


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=60, deadline=None)
@given(anywhere, anywhere, st.sampled_from([0.0, 1e-14, 1e-3, 0.5]), st.sampled_from([0.0, 1e-13, 0.1]), st.data())
def test_two_uncertain_operands_are_covered(
    name: str, a: float, b: float, ea: float, eb: float, data: st.DataObject
) -> None:
    operation, truth = BINARY[name]
    ends = st.sampled_from([-1.0, -0.5, 0.5, 1.0])
    moved = [mpmath.mpf(x) + mpmath.mpf(data.draw(ends)) * mpmath.mpf(e) for x, e in ((a, ea), (b, eb))]
    if name == "divide":
        assume(abs(b) > 1e-200 and moved[1] != 0)
    assert_covers(operation(Rounded(a, ea), Rounded(b, eb)), truth(*moved))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> tuple[Any, Any]:
    """A random formula, as a function of a Rounded array and as one of exact numbers."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        if draw(st.booleans()):
            return (lambda x: x), (lambda x: x)
        c = draw(st.floats(-3, 3))
        return (lambda x: c + 0 * x), (lambda x: exact(lambda t: mpmath.mpf(c) + 0 * t, x))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["add", "subtract", "multiply", "maximum", "logaddexp"]))
        operation, truth = BINARY[name]
        (f, f_exact), (g, g_exact) = draw(expressions(depth - 1)), draw(expressions(depth - 1))
        return (lambda x: operation(f(x), g(x))), (lambda x: exact(truth, f_exact(x), g_exact(x)))
    name = draw(st.sampled_from(["square", "tanh", "sin", "cos", "softplus", "expm1", "abs", "arctan"]))
    operation, truth, _ = UNARY[name]
    f, f_exact = draw(expressions(depth - 1))
    # Keep the numbers moderate, so that exp does not overflow.
    return (lambda x: operation(np.tanh(f(x)))), (lambda x: exact(lambda t: truth(mpmath.tanh(t)), f_exact(x)))


@settings(max_examples=150, deadline=None)
@given(expressions(), st.lists(st.floats(-3, 3), min_size=1, max_size=4))
def test_random_formulas_are_covered(formula: tuple[Any, Any], numbers: list[float]) -> None:
    plain, truth = formula
    x = np.asarray(numbers)
    assert_covers(plain(rounded(x)), truth(x))


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape) * scale


def sharpness(result: Rounded, truth: np.ndarray, scale: float) -> float:
    """The bound over the larger of the true error and one rounding of the problem's scale."""
    return float(np.max(result.error / np.maximum(true_error(result, truth), 2.0**-53 * scale)))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_sums_with_cancellation(n: int, scale: float) -> None:
    x = random(n, 2, scale=scale)
    x[n // 2 :] -= x[: n - n // 2]  # nearly cancels
    result = np.sum(rounded(x), axis=0)
    truth = np.sum(exact(lambda t: t, x), axis=0)
    assert_covers(result, truth)
    assert sharpness(result, truth, scale * n**0.5) < 100
    assert_covers(np.cumsum(rounded(x), axis=0), np.cumsum(exact(lambda t: t, x), axis=0))


def test_a_million_terms() -> None:
    x = random(10**6)
    result = np.sum(rounded(x))
    assert abs(result.value - np.sum(x.astype(np.longdouble))) <= result.error
    assert result.error < 1e-12 * np.sum(np.abs(x)) / 100


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_log_sum_exp_and_softmax(scale: float) -> None:
    x = random(50, seed=1, scale=scale)
    truth = exact(lambda t: t, x)
    total = mpmath.log(sum(mpmath.exp(t) for t in truth))
    result = arrays.logsumexp(rounded(x))
    assert_covers(result, total)
    assert result.error < 1e4 * 2.0**-53 * max(1.0, scale)
    assert_covers(arrays.log_softmax(rounded(x)), truth - total)
    assert_covers(np.exp(arrays.log_softmax(rounded(x))), exact(mpmath.exp, truth - total))


@pytest.mark.parametrize("scale", [1.0, 30.0, 700.0, 1e4])
def test_log_sigmoid_keeps_its_relative_accuracy(scale: float) -> None:
    x = np.concatenate([random(20, seed=2, scale=scale), [0.0, scale, -scale]])
    result = arrays.log_sigmoid(rounded(x))
    truth = exact(lambda t: -mpmath.log1p(mpmath.exp(-t)), x)
    assert_covers(result, truth)
    assert np.all(result.error <= 64 * 2.0**-53 * np.maximum(np.abs(result.value), 2.0**-900))


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
def test_polynomial_near_a_root(distance: float) -> None:
    """(x − 1)^7 expanded: the value is all rounding error near 1, and the bound says so."""
    coefficients = [1, -7, 21, -35, 35, -21, 7, -1]

    def horner(x: Any) -> Any:
        total = 0 * x
        for c in coefficients:
            total = total * x + c
        return total

    x = 1 + distance * np.linspace(-1, 1, 9)
    result, truth = horner(rounded(x)), horner(exact(lambda t: t, x))
    assert_covers(result, truth)
    assert sharpness(result, truth, 128.0) < 100
    if distance < 1e-3:
        assert np.all(result.error > np.abs(result.value))


def test_products_of_matrices() -> None:
    a, b = random(4, 6), random(6, 3, seed=1)
    exact_a, exact_b = exact(lambda t: t, a), exact(lambda t: t, b)
    truth = exact_a @ exact_b
    third = rounded(a) / 3  # an operand that has an error of its own
    xp = rounded(a).__array_namespace__()
    for result in (
        rounded(a) @ rounded(b),
        a @ rounded(b),
        rounded(a) @ b,
        np.einsum("ij,jk->ik", rounded(a), b),
        np.tensordot(rounded(a), b, axes=1),
        xp.tensordot(a, rounded(b), axes=([1], [0])),
        xp.vecdot(rounded(a)[:, None, :], b.T[None]),
        xp.sum(rounded(a)[:, :, None] * b, axis=1),
    ):
        assert_covers(result, truth)
        assert np.max(result.error) < 1e-14
    assert_covers(third @ b, truth / 3)
    assert np.all((third @ b).error > 0)
    assert_covers(np.einsum("ij,jk,k->i", third, b, b[0]), (exact_a / 3) @ exact_b @ exact_b[0])
    assert_covers(np.einsum("ij->", third), np.sum(exact_a) / 3)


def test_linear_systems_are_verified() -> None:
    a, b = random(5, 5), random(5, seed=1)
    truth = np.asarray(mpmath.lu_solve(mpmath.matrix(a.tolist()), mpmath.matrix(b.tolist())).tolist())[:, 0]
    result = np.linalg.solve(rounded(a), rounded(b))
    assert_covers(result, truth)
    assert np.max(result.error) < 1e-10
    hilbert = 1 / (np.arange(14)[:, None] + np.arange(14) + 1.0)
    singular = np.linalg.solve(rounded(hilbert), rounded(np.ones(14)))
    assert np.all(np.isinf(singular.error))  # cannot be verified, and says so


def test_statistics_of_numbers() -> None:
    x = random(3, 11, scale=1e3) + 1e6
    t = exact(lambda t: t, x)
    mean = np.sum(t, axis=1) / 11
    var = np.sum((t - mean[:, None]) ** 2, axis=1) / 10
    r = rounded(x)
    assert_covers(np.mean(r, axis=1), mean)
    assert_covers(r.mean(axis=-1), mean)
    assert_covers(np.var(r, axis=1, ddof=1), var)
    assert_covers(np.std(r, axis=1, ddof=1), exact(mpmath.sqrt, var))
    assert_covers(np.linalg.norm(r), mpmath.sqrt(np.sum(t**2)))
    assert_covers(np.linalg.vector_norm(r, axis=1), exact(mpmath.sqrt, np.sum(t**2, axis=1)))
    assert_covers(np.prod(r / 1e6, axis=1), np.prod(t / mpmath.mpf(1e6), axis=1))
    assert_covers(np.cumprod(r / 1e6, axis=1), np.cumprod(t / mpmath.mpf(1e6), axis=1))


def test_order_statistics() -> None:
    x = np.asarray([3.0, 1.0, 1.0 + 1e-12, -5.0, 1e10])
    e = np.asarray([0.1, 1e-13, 1e-9, 0.0, 1e-3])
    for seed in range(50):
        moved = x + np.random.default_rng(seed).uniform(-1, 1, x.shape) * e * 0.999
        r = Rounded(x, e)
        for computed, truth in ((np.sort(r), np.sort(moved)), (np.max(r), moved.max()), (np.min(r), moved.min())):
            assert np.all(np.abs(computed.value - truth) <= computed.error)
    assert np.sort(r).error[0] < 1e-14  # far from its neighbours, a number keeps its own error
    assert np.max(r).error == pytest.approx(1e-3)


def test_infinities_are_exact_outcomes_not_errors() -> None:
    r = rounded(np.asarray([-np.inf, 0.0, 1.0]))
    assert np.all(np.isfinite(np.exp(r).error))
    assert np.exp(r).error[0] == 0
    with np.errstate(divide="ignore"):
        assert np.log(np.exp(r)).error[0] == 0
    assert np.isfinite(arrays.logsumexp(r).error)
    assert np.all(np.isfinite(arrays.log_softmax(r).error))
    with np.errstate(divide="ignore"):
        assert arrays.logsumexp(rounded(np.full(3, -np.inf))).error == 0
    with np.errstate(over="ignore"):
        assert np.isinf(np.exp(rounded(np.asarray(1e4))).error)  # an overflow says nothing
    assert np.isinf((rounded(np.ones(1)) / Rounded(np.ones(1), 2.0)).error)  # the divisor may be 0
    p = rounded(np.asarray([0.5, 0.5, 0.0]))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert policies.kl_divergence(np.log(p), np.log(p)).error < 1e-14


def test_steps_admit_that_they_may_jump() -> None:
    assert np.sign(Rounded(2.0, 1.0)).error < 1e-300
    assert np.sign(Rounded(0.5, 1.0)).error == pytest.approx(2)
    assert np.sign(rounded(np.asarray(0.0))).error == 0
    assert np.floor(Rounded(2.0, 1e-300)).error == pytest.approx(1)


def test_float32_is_a_rounding() -> None:
    x = np.asarray([0.1, 2.0])
    xp = rounded(x).__array_namespace__()
    single = xp.astype(rounded(x), xp.float32)
    assert np.all(single.value == x.astype(np.float32))
    assert single.error[0] == pytest.approx(abs(float(np.float32(0.1)) - 0.1))
    assert single.error[1] == 0
    assert xp.astype(rounded(x), xp.int64).dtype == np.int64


def test_points_between() -> None:
    xp = array_namespace(rounded(np.ones(1)))
    assert_covers(xp.linspace(0.0, 1.0, 7), [mpmath.mpf(k) / 6 for k in range(7)])
