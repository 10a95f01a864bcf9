"""Small positive definite systems, many at once, over the array API.

Elimination without pivoting is stable for positive definite matrices. Written in elementary operations it runs on the
whole batch in one compiled loop (LAPACK is called once a matrix), and on arrays that carry their rounding error.
"""

from jaxtyping import Float

from lab.arrays import Array, floats, namespace


def pivots(matrix: Float[Array, "... n m"]) -> Float[Array, "... n"]:
    r"""Pivots of $A = LDL^\top$: all positive exactly when the symmetric matrix is positive definite.

    The k-th pivot is the Schur complement of the leading $k-1$ coordinates; a zero pivot makes those after it NaN or
    infinite. Raises ValueError for a matrix that is not square.
    """
    _check_square(matrix)
    return _eliminate(matrix, matrix[..., :0])[0]


def solve(matrix: Float[Array, "... n m"], right: Float[Array, "... rows columns"]) -> Float[Array, "... m columns"]:
    r"""$A^{-1}B$ for symmetric positive definite $A$. Raises ValueError for shapes that do not fit."""
    _check_square(matrix)
    matrix, right = floats(matrix, right)
    if right.ndim < 2 or right.shape[-2] != matrix.shape[-1]:
        raise ValueError(f"right has shape {tuple(right.shape)}: must have {matrix.shape[-1]} rows, as the matrix")
    xp = namespace(matrix, right)
    diagonal, rows, sides = _eliminate(matrix, right)
    found: list[Array] = []
    for k in reversed(range(matrix.shape[-1])):
        known = sides[k]
        for below, x in enumerate(reversed(found)):
            known = known - rows[k][..., below + 1, None] * x
        found.append(known / diagonal[..., k, None])
    return xp.stack(found[::-1], axis=-2)


def inverse(matrix: Float[Array, "... n m"]) -> Float[Array, "... n n"]:
    r"""$A^{-1}$ for symmetric positive definite $A$. Raises ValueError for a matrix that is not square."""
    xp = namespace(matrix)
    return solve(matrix, xp.broadcast_to(xp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape))


def quadratic_form(matrix: Float[Array, "... n m"], vector: Float[Array, "... n"]) -> Float[Array, "..."]:
    r"""$v^\top A v$, the square of the norm $\|v\|_A$."""
    matrix, vector = floats(matrix, vector)
    xp = namespace(matrix, vector)
    return xp.sum(vector * xp.sum(matrix * vector[..., None, :], axis=-1), axis=-1)


def _eliminate(matrix: Array, right: Array) -> tuple[Array, list[Array], list[Array]]:
    """Pivots, and for each step the pivot row from the diagonal on with its right-hand side."""
    xp = namespace(matrix, right)
    rows, sides = [], []
    for _ in range(matrix.shape[-1]):
        row, side = matrix[..., 0, :], right[..., 0, :]
        rows.append(row)
        sides.append(side)
        share = matrix[..., 1:, 0] / row[..., :1]
        matrix = matrix[..., 1:, 1:] - share[..., None] * row[..., None, 1:]
        right = right[..., 1:, :] - share[..., None] * side[..., None, :]
    return xp.stack([row[..., 0] for row in rows], axis=-1), rows, sides


def _check_square(matrix: Array) -> None:
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"matrix has shape {tuple(matrix.shape)}: must be square")
