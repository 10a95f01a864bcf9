"""Small positive definite systems against NumPy's LAPACK, on all libraries, and with tracked rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.estimation.linear import inverse, pivots, quadratic_form, solve
from lab.inference.rounding import error, rounded, value
from tests.libraries import assert_libraries_agree


def positive(seed: int, n: int, batch: tuple[int, ...] = (3,)) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(*batch, n, n + 2))
    return root @ np.swapaxes(root, -1, -2)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_solution_satisfies_the_system(seed, n):
    matrix = positive(seed, n)
    right = np.random.default_rng(seed + 1).normal(size=(3, n, 2))
    found = solve(matrix, right)
    # Backward stability: the residual is small against |A||x|, with n operations an entry.
    bound = (
        20
        * n
        * np.finfo(float).eps
        * (np.abs(matrix) @ np.abs(found) + np.abs(right))
        * np.linalg.cond(matrix)[:, None, None]
    )
    assert np.all(np.abs(matrix @ found - right) <= bound)


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_pivots_multiply_to_the_determinant(seed, n):
    matrix = positive(seed, n)
    np.testing.assert_allclose(np.prod(pivots(matrix), axis=-1), np.linalg.det(matrix), rtol=1e-9)


def test_pivots_see_an_indefinite_matrix():
    assert np.all(pivots(np.array([[2.0, 1.0], [1.0, 2.0]])) > 0)
    assert np.any(pivots(np.array([[1.0, 2.0], [2.0, 1.0]])) < 0)


def test_quadratic_form_is_the_squared_norm():
    assert quadratic_form(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, -2.0])) == 2 - 4 + 12


@pytest.mark.parametrize("function", [inverse, pivots])
def test_libraries_agree(function):
    assert_libraries_agree(function, positive(0, 2, (2,)))


def test_libraries_agree_on_solutions():
    assert_libraries_agree(solve, positive(1, 2, ()), np.random.default_rng(2).normal(size=(2, 2)))
    assert_libraries_agree(quadratic_form, positive(1, 3, ()), np.random.default_rng(2).normal(size=3))


def test_tracked_rounding_encloses_a_more_precise_inverse():
    matrix = positive(3, 4, ())
    tracked = inverse(rounded(matrix))
    mp = pytest.importorskip("mpmath")
    with mp.workdps(40):
        exact = np.array((mp.matrix(matrix.tolist()) ** -1).tolist(), dtype=object).reshape(4, 4)
        assert all(
            abs(exact[i, j] - mp.mpf(value(tracked)[i, j])) <= error(tracked)[i, j] for i in range(4) for j in range(4)
        )


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [(pivots, (np.zeros((2, 3)),), "square"), (solve, (np.eye(2), np.zeros((3, 1))), "2 rows")],
)
def test_bad_shapes_are_refused(function, arguments, words):
    with pytest.raises(ValueError, match=words):
        function(*arguments)
