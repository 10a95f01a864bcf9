"""From a solver's floating-point answer to an exact certificate: analytic centre, rounding, repair.

A worst-case bound is certified by multipliers λ ≥ 0 and a matrix M ≥ 0 that satisfy linear equations. The equations are
kept exactly: the free unknowns are rounded, and the others are computed from them. The start is the analytic centre,
the point farthest (in the logarithmic sense) from all boundaries, so that small moves stay inside. Where the bound is
tight the slack has the attaining vectors in its kernel; it is written as Q M Qᵀ with Q a basis of their complement.
"""

import warnings
from collections.abc import Sequence
from fractions import Fraction

import cvxpy
import numpy as np
from flint import fmpq, fmpq_mat

from proofs_check.checker import Rejected
from proofs_check.checker.steps import semidefinite

Matrix = list[list[Fraction]]
GRIDS = (10**3, 10**4, 10**5, 10**6)  # free unknowns are rounded to multiples of 1/grid, the coarsest that will do


class NotFound(Exception):
    """No certificate of this form."""


def complement(vectors: Matrix, size: int) -> Matrix:
    """Columns of a rational basis of the vectors orthogonal to these rows."""
    reduced, pivots = _reduced([[Fraction(x) for x in row] for row in vectors])
    free = [j for j in range(size) if j not in pivots]
    basis = []
    for j in free:
        column = [Fraction(int(i == j)) for i in range(size)]
        for row, pivot in zip(reduced, pivots, strict=False):
            column[pivot] = -row[j]
        basis.append(column)
    return basis


def certificate(
    target: Matrix,
    constraints: Sequence[Matrix],
    linear: Sequence[Sequence[Fraction]],
    goal: Sequence[Fraction],
    kernel: Matrix,
) -> tuple[list[Fraction], Matrix]:
    """λ ≥ 0 and S ≥ 0 with target = Σ λ C + S, Σ λ linear = goal and S orthogonal to the rows of `kernel`.

    Multipliers that are zero in every solution are found and left at zero.
    """
    size = len(target)
    basis = complement(kernel, size) if kernel else [[Fraction(int(i == j)) for i in range(size)] for j in range(size)]
    kept = list(range(len(constraints)))
    while True:
        numeric = _centre(target, [constraints[k] for k in kept], [linear[k] for k in kept], goal, basis)
        zero = {k for k, x in zip(kept, numeric[0], strict=True) if x < 1e-6}
        if not zero:
            break
        kept = [k for k in kept if k not in zero]
    for grid in GRIDS:
        multipliers, inner = _repaired(
            target, [constraints[k] for k in kept], [linear[k] for k in kept], goal, basis, numeric, grid
        )
        if min(multipliers) > 0 and _semidefinite(inner):
            break
    else:
        raise NotFound("rounding leaves the cone")
    found = [Fraction(0)] * len(constraints)
    for k, x in zip(kept, multipliers, strict=True):
        found[k] = x
    rank = len(basis)
    slack = [
        [
            sum((basis[a][i] * inner[a][b] * basis[b][j] for a in range(rank) for b in range(rank)), Fraction(0))
            for j in range(size)
        ]
        for i in range(size)
    ]
    return found, slack


def _centre(
    target: Matrix,
    constraints: Sequence[Matrix],
    linear: Sequence[Sequence[Fraction]],
    goal: Sequence[Fraction],
    basis: Matrix,
) -> tuple[np.ndarray, np.ndarray]:
    # An orthonormal basis for the solver; `inverse` leads back to the rational one.
    columns, triangle = np.linalg.qr(np.array(basis, float).T)
    inverse = np.linalg.inv(triangle)
    multipliers = cvxpy.Variable(len(constraints))
    inner = cvxpy.Variable((columns.shape[1],) * 2, symmetric=True)
    total = columns @ inner @ columns.T + sum(multipliers[k] * np.array(c, float) for k, c in enumerate(constraints))
    rules = [total == np.array(target, float)]
    if len(goal):
        rules.append(np.array(linear, float).T @ multipliers == np.array(goal, float))
    # First, how far from the boundary one can be: constraints that are zero in every solution show up.
    margin = cvxpy.Variable()
    margins = [inner >> margin * np.eye(columns.shape[1]), multipliers >= margin, margin <= 1]
    _solve(cvxpy.Problem(cvxpy.Maximize(margin), [*rules, *margins]))
    if margin.value < 1e-7:
        _solve(
            cvxpy.Problem(
                cvxpy.Maximize(cvxpy.sum(cvxpy.minimum(multipliers, 1))), [*rules, inner >> 0, multipliers >= 0]
            )
        )
        if min(multipliers.value) > 1e-6:
            raise NotFound("the slack has a larger kernel")
        return multipliers.value, inverse @ inner.value @ inverse.T
    _solve(cvxpy.Problem(cvxpy.Maximize(cvxpy.log_det(inner) + cvxpy.sum(cvxpy.log(multipliers))), rules))
    return multipliers.value, inverse @ inner.value @ inverse.T


def _solve(problem: cvxpy.Problem) -> None:
    with warnings.catch_warnings():  # an inaccurate answer is as good: what is kept of it is checked exactly
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        try:
            problem.solve(solver="CLARABEL")
        except cvxpy.error.SolverError as trouble:
            raise NotFound(str(trouble)) from None
    if problem.status not in ("optimal", "optimal_inaccurate"):
        raise NotFound(problem.status)


def _repaired(
    target: Matrix,
    constraints: Sequence[Matrix],
    linear: Sequence[Sequence[Fraction]],
    goal: Sequence[Fraction],
    basis: Matrix,
    numeric: tuple[np.ndarray, np.ndarray],
    grid: int,
) -> tuple[list[Fraction], Matrix]:
    """Round the free unknowns and solve the equations for the others, exactly."""
    size, rank = len(target), len(basis)
    places = [(a, b) for a in range(rank) for b in range(a + 1)]
    guess = [*map(float, numeric[0]), *(float(numeric[1][a, b]) for a, b in places)]
    rows = []
    for i in range(size):
        for j in range(i + 1):
            slack = [
                basis[a][i] * basis[b][j] + (basis[b][i] * basis[a][j] if a != b else Fraction(0)) for a, b in places
            ]
            rows.append([*(c[i][j] for c in constraints), *slack, target[i][j]])
    rows += [[*(x[r] for x in linear), *([Fraction(0)] * len(places)), value] for r, value in enumerate(goal)]
    reduced, pivots = _reduced(rows)
    if pivots and pivots[-1] == len(guess):
        raise NotFound("the equations contradict each other")
    solution = [Fraction(round(x * grid), grid) for x in guess]
    free = [j for j in range(len(guess)) if j not in set(pivots)]
    for row, pivot in zip(reduced, pivots, strict=False):
        solution[pivot] = row[len(guess)] - sum((row[j] * solution[j] for j in free), Fraction(0))
    multipliers = solution[: len(constraints)]
    inner = [[Fraction(0)] * rank for _ in range(rank)]
    for (a, b), x in zip(places, solution[len(constraints) :], strict=True):
        inner[a][b] = inner[b][a] = x
    return multipliers, inner


def _semidefinite(matrix: Matrix) -> bool:
    try:
        semidefinite(matrix)
    except Rejected:
        return False
    return True


def _reduced(rows: Matrix) -> tuple[Matrix, list[int]]:
    """Reduced row echelon form and its pivot columns."""
    matrix, rank = fmpq_mat([[fmpq(x.numerator, x.denominator) for x in row] for row in rows]).rref()
    found = [[Fraction(int(x.p), int(x.q)) for x in row] for row in matrix.tolist()[:rank]]
    return found, [next(j for j, x in enumerate(row) if x) for row in found]
