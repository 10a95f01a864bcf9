r"""Monotone inclusions that are finite sums: games, regressions, saddle problems, and linear families to test on.

Every problem has `count` components, `operator(u)` $= F(u)$, `batch(indices, u)` $= \frac1b\sum_{i\in S}F_i(u)$ and
`resolvent(z, step_size)` $= J_{\eta G}(z)$. Points are flat vectors; of a saddle problem, first x, then y.

Source: `vr-halpern` (arXiv 2310.02987v2), Section 5 and its code.
"""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from lab.arrays import Array, Real, check_between, check_finite, check_positive
from lab.family import static, world
from lab.operators import projections
from lab.operators.finite_sums import LinearSum
from lab.operators.projections import Resolvent, Simplices


@runtime_checkable
class FiniteSum(Protocol):
    """What the methods need to know of a problem."""

    @property
    def count(self) -> int: ...
    def operator(self, u: Float[Array, "dim"]) -> Float[Array, "dim"]: ...
    def batch(self, indices: Int[Array, "b"], u: Float[Array, "dim"]) -> Float[Array, "dim"]: ...
    def resolvent(self, point: Float[Array, "dim"], step_size: Real) -> Float[Array, "dim"]: ...


@world
class MatrixGame:
    r"""$\min_x\max_y \langle Ax, y\rangle$ over two simplices: $F = (A^\top y, -Ax)$, with row i and column i of A, n
    times, as component i. The matrix is square."""

    matrix: Float[Array, "n n"]

    @property
    def count(self) -> int:
        return self.matrix.shape[0]

    def operator(self, u: Float[Array, "two_n"]) -> Float[Array, "two_n"]:
        x, y = u[: self.count], u[self.count :]
        return jnp.concatenate([y @ self.matrix, -(self.matrix @ x)])

    def batch(self, indices: Int[Array, "b"], u: Float[Array, "two_n"]) -> Float[Array, "two_n"]:
        x, y = u[indices], u[self.count + indices]
        scale = self.count / len(indices)
        return scale * jnp.concatenate([y @ self.matrix[indices], -(self.matrix[:, indices] @ x)])

    def resolvent(self, point: Float[Array, "two_n"], step_size: Real) -> Float[Array, "two_n"]:
        return Simplices((self.count, self.count)).apply(point)

    def start(self) -> Float[Array, "two_n"]:
        """Both players mix uniformly."""
        return jnp.full(2 * self.count, 1.0 / self.count)

    def gap(self, u: Float[Array, "two_n"]) -> Float[Array, ""]:
        r"""Duality gap $\max_{y'}\langle Ax, y'\rangle - \min_{x'}\langle Ax', y\rangle$."""
        x, y = u[: self.count], u[self.count :]
        return jnp.max(self.matrix @ x) - jnp.min(y @ self.matrix)


def matrix_game(matrix: Float[np.ndarray, "..."]) -> MatrixGame:
    """The game of a square payoff matrix. Raises ValueError when it is not square or not finite."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix has shape {matrix.shape}: must be square, (n, n)")
    check_finite(matrix=matrix)
    return MatrixGame(matrix)


def policeman_and_burglar(size: int, wealth: Float[np.ndarray, "n"], *, decay: float = 0.8) -> MatrixGame:
    r"""$A_{ij} = w_j(1 - e^{-\theta|i-j|})$: the burglar picks house j, the policeman waits at i.

    Raises ValueError unless size ≥ 2 and decay > 0. Source: Nemirovski (2013), as in the code of `vr-halpern`.
    """
    check_between(2.0, float("inf"), size=size)
    check_positive(decay=decay)
    house = np.arange(size)
    caught = np.exp(-decay * np.abs(house[:, None] - house[None, :]))
    return MatrixGame(np.asarray(wealth) * (1.0 - caught))


@world
class QuadraticSaddle:
    r"""Lagrangian of $\min_x \frac12x^\top Hx - h^\top x$ subject to $Ax = b$:
    $F = (Hx - h - A^\top y,\ Ax - b)$, with column i of H and A and row i of A, n times, as component i."""

    quadratic: Float[Array, "n n"]
    matrix: Float[Array, "n n"]
    linear: Float[Array, "n"]
    right: Float[Array, "n"]

    @property
    def count(self) -> int:
        return self.matrix.shape[0]

    def operator(self, u: Float[Array, "two_n"]) -> Float[Array, "two_n"]:
        x, y = u[: self.count], u[self.count :]
        return jnp.concatenate([self.quadratic @ x - y @ self.matrix - self.linear, self.matrix @ x - self.right])

    def batch(self, indices: Int[Array, "b"], u: Float[Array, "two_n"]) -> Float[Array, "two_n"]:
        x, y = u[indices], u[self.count + indices]
        scale = self.count / len(indices)
        top = scale * (self.quadratic[:, indices] @ x - y @ self.matrix[indices]) - self.linear
        return jnp.concatenate([top, scale * (self.matrix[:, indices] @ x) - self.right])

    def resolvent(self, point: Float[Array, "two_n"], step_size: Real) -> Float[Array, "two_n"]:
        return point

    def start(self) -> Float[Array, "two_n"]:
        return jnp.full(2 * self.count, 1.0 / self.count)

    def linear_sum(self) -> LinearSum:
        """The same problem as matrices and offsets, (n, 2n, 2n) numbers: for the constants of small ones."""
        n = self.count
        matrices = np.zeros((n, 2 * n, 2 * n))
        for i in range(n):
            matrices[i, :n, i] = n * np.asarray(self.quadratic)[:, i]
            matrices[i, :n, n + i] = -n * np.asarray(self.matrix)[i]
            matrices[i, n:, i] = n * np.asarray(self.matrix)[:, i]
        offset = np.concatenate([-np.asarray(self.linear), -np.asarray(self.right)])
        return LinearSum(matrices, np.tile(offset, (n, 1)))


@world
class OuyangXu:
    r"""The worst-case data of Ouyang and Xu (2021) for `QuadraticSaddle`: $A = \frac14$ anti-bidiagonal (1, −1),
    $H = 2A^\top A$, $b = \frac14\mathbf 1$, $h = \frac14 e_n$; every product costs O(n)."""

    size: int = static()

    @property
    def count(self) -> int:
        return self.size

    def product(self, x: Float[Array, "n"]) -> Float[Array, "n"]:
        r"""$Ax = A^\top x$: the matrix is symmetric."""
        turned = x[::-1]
        return 0.25 * (turned - jnp.concatenate([turned[1:], jnp.zeros(1, turned.dtype)]))

    def operator(self, u: Float[Array, "two_n"]) -> Float[Array, "two_n"]:
        x, y = u[: self.size], u[self.size :]
        across = self.product(x)
        top = self.product(2.0 * across - y)
        return jnp.concatenate([top.at[-1].add(-0.25), across - 0.25])

    def batch(self, indices: Int[Array, "b"], u: Float[Array, "two_n"]) -> Float[Array, "two_n"]:
        # Component i sees only the coordinates x_i and y_i, n times: the others are as good as 0.
        weight = jnp.zeros(self.size, u.dtype).at[indices].add(self.size / len(indices))
        return self.operator(u * jnp.concatenate([weight, weight]))

    def resolvent(self, point: Float[Array, "two_n"], step_size: Real) -> Float[Array, "two_n"]:
        return point

    def start(self) -> Float[Array, "two_n"]:
        return jnp.full(2 * self.size, 1.0 / self.size)

    def dense(self) -> QuadraticSaddle:
        """The same problem with its matrices written out."""
        matrix = (np.fliplr(np.eye(self.size)) - np.fliplr(np.eye(self.size, k=1))) / 4.0
        linear = np.eye(self.size)[-1] / 4.0
        return QuadraticSaddle(2.0 * matrix.T @ matrix, matrix, linear, np.full(self.size, 0.25))


def ouyang_xu(size: int) -> OuyangXu:
    """Raises ValueError unless size ≥ 2."""
    check_between(2.0, float("inf"), size=size)
    return OuyangXu(int(size))


@world
class Regression:
    r"""$F_i(u) = a_i\,\psi(a_i^\top u - y_i)$ with $\psi(r) = \mathrm{clip}(r, -\delta, \delta)$: least squares for
    δ = ∞, else Huber's robust loss; optionally in a box."""

    features: Float[Array, "n dim"]
    targets: Float[Array, "n"]
    threshold: Real = float("inf")
    constraint: Resolvent | None = None

    @property
    def count(self) -> int:
        return self.features.shape[0]

    def operator(self, u: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self._mean(self.features, self.targets, u)

    def batch(self, indices: Int[Array, "b"], u: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self._mean(self.features[indices], self.targets[indices], u)

    def resolvent(self, point: Float[Array, "dim"], step_size: Real) -> Float[Array, "dim"]:
        return point if self.constraint is None else self.constraint.apply(point)

    def loss(self, u: Float[Array, "dim"]) -> Float[Array, ""]:
        """Mean Huber loss (half the squared error within the threshold)."""
        left = jnp.abs(self.features @ u - self.targets)
        inside = jnp.minimum(left, self.threshold)
        outside = left - inside
        return jnp.mean(0.5 * inside**2 + jnp.where(outside > 0, self.threshold, 0.0) * outside)

    def _mean(self, features: Array, targets: Array, u: Array) -> Array:
        return jnp.clip(features @ u - targets, -self.threshold, self.threshold) @ features / features.shape[0]

    def cocoercivity(self) -> float:
        r"""$\max_i\|a_i\|^2$: every component is the gradient of a convex function this smooth."""
        return float(np.max(np.sum(np.asarray(self.features) ** 2, axis=1)))

    def smoothness(self) -> float:
        r"""$L_F = \lambda_{\max}(\frac1n\sum a_ia_i^\top)$."""
        features = np.asarray(self.features)
        return float(np.linalg.norm(features, 2) ** 2 / len(features))

    def linear_sum(self) -> LinearSum:
        """The same components as matrices and offsets, for least squares without constraints."""
        a = np.asarray(self.features)
        return LinearSum(a[:, :, None] * a[:, None, :], -a * np.asarray(self.targets)[:, None])


def regression(
    features: Float[np.ndarray, "n dim"],
    targets: Float[np.ndarray, "n"],
    *,
    threshold: float = float("inf"),
    box: tuple[float, float] | None = None,
) -> Regression:
    """A regression from data. Raises ValueError on non-finite data, a threshold that is not positive, an empty box."""
    check_finite(features=features, targets=targets)
    check_between(0.0, float("inf"), open_low=True, threshold=np.minimum(threshold, 1e300))
    return Regression(features, targets, threshold, None if box is None else projections.box(*box))


def coordinate_sum(dim: int, *, copies: int = 1) -> LinearSum:
    r"""$M_i = d\,e_je_j^\top$, one kind a coordinate: $\bar M = I$ and L = d, the hardest case for a batch."""
    kinds = np.stack([dim * np.outer(e, e) for e in np.eye(dim)])
    return LinearSum(kinds, np.zeros((dim, dim)), copies=copies)


def rare_sum(rarity: int, *, copies: int = 1) -> LinearSum:
    r"""$M_i = r$ for one component in r, else 0, in one dimension: $L_F = 1$ and L = r, as `coordinate_sum`."""
    check_between(1.0, float("inf"), rarity=rarity)
    kinds = rarity * np.eye(rarity)[:1].reshape(rarity, 1, 1)
    return LinearSum(kinds, np.zeros((rarity, 1)), copies=copies)


def bilinear_sum(spread: float, *, copies: int = 1) -> LinearSum:
    r"""$F = (y, -x)$ in the plane, as the mean of four components that differ by symmetric matrices of this size:
    $L_F = 1$, $L = \sqrt{1 + s^2}$ on average, cocoercive never."""
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    swap, flip = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
    kinds = np.stack([turn + spread * s for s in (swap, -swap, flip, -flip)])
    return LinearSum(kinds, np.zeros((4, 2)), copies=copies)
