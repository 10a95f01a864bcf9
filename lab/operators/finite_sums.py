r"""Finite sums of linear operators $F = \frac1n\sum_i F_i$, $F_i(u) = M_i u + c_i$, and their constants.

On average, with $\bar M$ the mean matrix:

    Lipschitz     L² = λ_max of (1/n) Σ M_iᵀM_i
    cocoercive    L = λ_max of the pencil ((1/n) Σ M_iᵀM_i, (M̄ + M̄ᵀ)/2); infinite when the pencil is singular on a
                  direction that some M_i sees, as for every bilinear problem
    sharp         μ = λ_min of (M̄ + M̄ᵀ)/2

Source: `vr-halpern`, Setting; the formulas for linear components are derived.
"""

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from lab.arrays import Array, Real, check_finite, namespace
from lab.family import static, world
from lab.operators.projections import Resolvent


class NotMonotone(ValueError):
    """An operator that was promised to be monotone is not; `eigenvalue` is the offending one."""

    def __init__(self, eigenvalue: float) -> None:
        super().__init__(
            f"the mean operator is not monotone: its symmetric part has the eigenvalue {eigenvalue:.6g}, "
            "which must be at least 0"
        )
        self.eigenvalue = eigenvalue


@world
class LinearSum:
    """Components $M_i u + c_i$, each taken `copies` times; a resolvent of G (the identity when it is None)."""

    matrices: Float[Array, "... n dim dim"]
    offsets: Float[Array, "... n dim"]
    constraint: Resolvent | None = None
    copies: int = static(default=1)

    @property
    def count(self) -> int:
        return self.matrices.shape[-3] * self.copies

    @property
    def mean_matrix(self) -> Float[Array, "... dim dim"]:
        return namespace(self.matrices).mean(self.matrices, axis=-3)

    @property
    def mean_offset(self) -> Float[Array, "... dim"]:
        return namespace(self.offsets).mean(self.offsets, axis=-2)

    def operator(self, u: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        """F(u)."""
        return _times(self.mean_matrix, u) + self.mean_offset

    def batch(self, indices: Int[Array, "b"], u: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """Mean of the components with these indices, 0 … count − 1, at u."""
        rows = indices % self.matrices.shape[-3]
        return jnp.mean(self.matrices[rows] @ u + self.offsets[rows], axis=0)

    def resolvent(self, point: Float[Array, "... dim"], step_size: Real) -> Float[Array, "... dim"]:
        return point if self.constraint is None else self.constraint.apply(point)

    def solution(self) -> Float[Array, "... dim"]:
        """The zero of F without constraints."""
        return _solve(self.mean_matrix, -self.mean_offset)


def _times(matrix: Array, u: Array) -> Array:
    return namespace(u, matrix).matmul(matrix, u[..., None])[..., 0]


def _solve(matrix: Array, right: Array) -> Array:
    return namespace(matrix).linalg.solve(matrix, right[..., None])[..., 0]


def mean_gram(matrices: Float[np.ndarray, "... n dim dim"]) -> Float[np.ndarray, "... dim dim"]:
    r"""$\frac1n\sum_i M_i^\top M_i$."""
    tall = matrices.reshape(*matrices.shape[:-3], -1, matrices.shape[-1])
    return np.swapaxes(tall, -1, -2) @ tall / matrices.shape[-3]


def symmetric_part(matrices: Float[np.ndarray, "... n dim dim"]) -> Float[np.ndarray, "... dim dim"]:
    r"""$\frac12(\bar M + \bar M^\top)$, of the mean matrix."""
    mean = np.mean(matrices, axis=-3)
    return (mean + np.swapaxes(mean, -1, -2)) / 2


def check_monotone(matrices: Float[np.ndarray, "n dim dim"]) -> float:
    """Smallest eigenvalue of the mean's symmetric part. Raises NotMonotone when it is negative beyond rounding."""
    check_finite(matrices=matrices)
    lowest = float(np.linalg.eigvalsh(symmetric_part(matrices))[0])
    size = float(np.linalg.norm(np.mean(matrices, axis=-3)))
    if lowest < -matrices.shape[-1] * np.finfo(float).eps * size:
        raise NotMonotone(lowest)
    return lowest


def operator_norm(matrices: Float[np.ndarray, "n dim dim"]) -> float:
    r"""$L_F$, the Lipschitz constant of F itself."""
    return float(np.linalg.norm(np.mean(matrices, axis=-3), 2))


def average_lipschitz(matrices: Float[np.ndarray, "n dim dim"]) -> float:
    r"""$L$ with $\frac1n\sum\|F_i(u)-F_i(w)\|^2 \le L^2\|u-w\|^2$; at least $L_F$."""
    check_finite(matrices=matrices)
    return float(np.sqrt(np.linalg.eigvalsh(mean_gram(matrices))[-1]))


def average_cocoercivity(matrices: Float[np.ndarray, "n dim dim"]) -> float:
    r"""$L$ with $\langle F(u)-F(w), u-w\rangle \ge \frac{1}{nL}\sum\|F_i(u)-F_i(w)\|^2$; infinite when there is none.

    Raises NotMonotone.
    """
    check_monotone(matrices)
    gram, symmetric = mean_gram(matrices), symmetric_part(matrices)
    values, vectors = np.linalg.eigh(symmetric)
    scale = np.linalg.norm(mean_gram(matrices), 2) ** 0.5
    flat = values <= len(values) * np.finfo(float).eps * scale
    seen = vectors[:, flat].T @ gram @ vectors[:, flat]
    if seen.size and np.linalg.norm(seen, 2) > len(values) * np.finfo(float).eps * scale**2:
        return float("inf")
    if flat.all():
        return 0.0
    steep = vectors[:, ~flat] / np.sqrt(values[~flat])
    return float(scipy.linalg.eigvalsh(steep.T @ gram @ steep)[-1])


def sharpness(matrices: Float[np.ndarray, "n dim dim"]) -> float:
    r"""$\mu$ with $\langle F(u)-F(w),u-w\rangle \ge \mu\|u-w\|^2$. Raises NotMonotone."""
    return max(check_monotone(matrices), 0.0)
