r"""Algorithm 1 on linear components without Monte Carlo: its second moments follow an exact recursion.

Around the solution, $u_{k+1} = \lambda u_0 + A u_k - \eta e_k$ with $A = (1-\lambda)I - \eta\bar M$ and the estimator's
error $e_k$, whose mean is always 0. So the mean of $u_k$ is the noise-free iterate, and the covariance J of $(u, e)$
obeys

$$\mathrm{Cov}(u^+) = [A\ {-\eta}]\,J\,[A\ {-\eta}]^\top,\quad
\mathrm{E}[e^+e^{+\top}] = (1-p)(\mathrm{E}[ee^\top] + K(\mathrm{E}[\delta\delta^\top])),\quad
\mathrm{Cov}(u^+, e^+) = (1-p)\,\mathrm{Cov}(u^+, e),$$

with $\delta = u^+ - u$ and $K(D) = \frac{1}{bn}\sum_i (M_i-\bar M) D (M_i-\bar M)^\top$ for batches with replacement.
Offsets cancel. One compiled scan; cost $O(d^4)$ a step, whatever n.

Each number comes with a bound on its rounding. The recursion for J is a positive map: an error that lies between −W and
W, as symmetric matrices, stays between the images of −W and W. W is carried along with J and grows by each step's own
rounding, bounded by the standard estimate $\|\mathrm{fl}(XY)-XY\|_F \le \gamma_d\|X\|_F\|Y\|_F$ (Higham 2002, §3.5).

Source: derived, `vr-halpern` C1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real
from lab.operators.schedules import potential

UNIT = 2.0**-53


class Noise(NamedTuple):
    """What one batch adds: the map K on symmetric matrices (their upper triangles), and the mean Gram matrix."""

    mean: Array  # (dim, dim)
    spread: Array  # (dim (dim+1)/2, dim (dim+1)/2)
    gram: Array  # (dim, dim)


class Path(NamedTuple):
    """Along k = 0 … steps: exact expectations, and bounds on the rounding of the first two."""

    square: Array  # E‖F(u_k)‖²
    potential: Array  # E C_k
    noise: Array  # E‖e_k‖²
    move: Array  # (1/n) Σ E‖F_i(u_{k+1}) − F_i(u_k)‖²
    square_error: Array
    potential_error: Array
    second_moment: Array  # E u_K u_Kᵀ at the last k


def batch_noise(
    matrices: Float[Array, "n dim dim"], *, batch: int, replacement: bool = True, count: int | None = None
) -> Noise:
    r"""The map K of a batch. Without replacement it shrinks by $\frac{n-b}{n-1}$; `count` n differs from the number of
    matrices when each stands for several equal components."""
    matrices = np.asarray(matrices, dtype=float)
    kinds, dim, _ = matrices.shape
    count = kinds if count is None else count
    mean = np.mean(matrices, axis=0)
    flat = (matrices - mean).reshape(kinds, dim * dim)
    share = 1.0 if replacement else (count - batch) / max(count - 1, 1)
    full = (flat.T @ flat * (share / (batch * kinds))).reshape(dim, dim, dim, dim)  # [a, c, b, d]
    row, column = np.triu_indices(dim)
    both = full[row[:, None], row[None, :], column[:, None], column[None, :]]
    swapped = full[row[:, None], column[None, :], column[:, None], row[None, :]]
    # K(D)_{ab} sums over all (c, d): for a symmetric D an off-diagonal pair stands for both orders.
    spread = np.where(row == column, both, both + swapped)
    return Noise(mean, spread, np.einsum("iab,iac->bc", matrices, matrices) / kinds)


def page_halpern_moments(
    noise: Noise,
    start: Float[Array, "dim rank"],
    *,
    step_size: Real,
    anchor_weights: Float[Array, "steps"],
    reset_probabilities: Float[Array, "steps"],
) -> Path:
    r"""Exact moments of Algorithm 1 for G = 0 from $u_0$, relative to the solution, with second moment `start start`ᵀ.

    One column is a fixed start; more are a random one. `reset_probabilities` are $p_0 = 1, p_1, \dots$.
    """
    return _scan(
        Noise(*map(jnp.asarray, noise)),
        jnp.asarray(start),
        jnp.asarray(step_size, dtype=float),
        jnp.asarray(anchor_weights),
        jnp.asarray(reset_probabilities),
    )


@jax.jit
def _scan(noise: Noise, start: Array, step_size: Array, anchors: Array, resets: Array) -> Path:
    mean = noise.mean
    dim = mean.shape[0]
    eye = jnp.eye(dim)
    norms = jnp.linalg.norm(mean), jnp.linalg.norm(noise.spread), jnp.linalg.norm(start)
    contraction = jnp.linalg.norm(eye - step_size * mean, 2), step_size * jnp.linalg.norm(mean, 2)

    def advance(state: tuple, now: tuple) -> tuple[tuple, tuple]:
        centre, joint, bound, centre_error = state
        k, anchor, reset = now
        a = (1.0 - anchor) * eye - step_size * mean
        square, inner, errors = _read(mean, centre, start, joint, bound, centre_error)
        value = potential(square, inner, iteration=k, step_size=step_size)
        value_error = potential(errors[0], errors[1], iteration=k, step_size=step_size)
        after = anchor * start + a @ centre
        spread, move = _spread(joint, a, step_size)
        drift = after - centre
        move = move + drift @ drift.T
        spread_bound, move_bound = _spread(bound, a, step_size)
        # K on both at once: the matrix is read from memory once.
        fresh, fresh_bound = _apply(noise.spread, move, move_bound)
        keep = 1.0 - reset
        joint_after = _joint(spread, keep, joint, fresh, a, step_size)
        bound_after = _joint(spread_bound, keep, bound, fresh_bound, a, step_size)
        # Rounding of this step: three products of 2 dim terms, and one of dim² terms after them.
        gamma = 8.0 * (2 * dim + 8) * UNIT
        size = jnp.linalg.norm(a) + 2.0
        short = jnp.linalg.norm(a - eye) + step_size * dim**0.5
        pull = (1.0 - anchor) * contraction[0] + anchor * contraction[1]
        centre_new = gamma * size * (jnp.linalg.norm(centre) + norms[2])
        drift_error = (1.0 + pull) * centre_error + centre_new
        whole, moved = jnp.trace(joint), jnp.trace(move)
        move_error = gamma * (short**2 * whole + moved) + drift_error * (2.0 * jnp.linalg.norm(drift) + drift_error)
        new = gamma * size**2 * whole + norms[1] * (move_error + 2.0 * dim**2 * UNIT * moved)
        bound_after = bound_after + 2.0 * new * jnp.eye(2 * dim)
        centre_error = (1 + 2.0**-20) * pull * centre_error + centre_new
        found = (square, value, jnp.trace(joint[dim:, dim:]), jnp.sum(noise.gram * move), errors[0], value_error)
        return (after, joint_after, bound_after, centre_error), found

    nothing = jnp.zeros((2 * dim, 2 * dim))
    steps = len(anchors)
    # p belongs to the *next* estimate: e_{k+1} is reset with probability p_{k+1}.
    later = jnp.concatenate([resets[1:], resets[-1:]])
    state, out = jax.lax.scan(
        advance, (start, nothing, nothing, jnp.zeros(())), (jnp.arange(steps) * 1.0, anchors, later)
    )
    centre, joint = state[:2]
    square, value, error, move, square_error, value_error = out
    last = centre @ centre.T + joint[:dim, :dim]
    return Path(square, value, error, move, square_error, value_error, last)


def _spread(joint: Array, a: Array, step_size: Array) -> tuple[Array, Array]:
    """Second moments of u⁺ and of δ = u⁺ − u that the covariance J of (u, e) causes."""
    dim = len(a)
    eye = jnp.eye(dim)
    ahead = jnp.concatenate([a, -step_size * eye], axis=1)
    move = jnp.concatenate([a - eye, -step_size * eye], axis=1)
    return ahead @ joint @ ahead.T, move @ joint @ move.T


def _joint(spread: Array, keep: Array, joint: Array, fresh: Array, a: Array, step_size: Array) -> Array:
    dim = len(a)
    cross = keep * (a @ joint[:dim, dim:] - step_size * joint[dim:, dim:])
    return jnp.block([[spread, cross], [cross.T, keep * (joint[dim:, dim:] + fresh)]])


def _apply(spread: Array, *matrices: Array) -> list[Array]:
    dim = matrices[0].shape[0]
    row, column = np.triu_indices(dim)
    where = np.zeros((dim, dim), dtype=int)
    where[row, column] = where[column, row] = np.arange(len(row))
    found = spread @ jnp.stack([m[row, column] for m in matrices], axis=1)
    return [found[:, i][where] for i in range(len(matrices))]


def _read(
    mean: Array, centre: Array, start: Array, joint: Array, bound: Array, centre_error: Array
) -> tuple[Array, Array, tuple[Array, Array]]:
    """E‖v‖², E⟨v, u − u₀⟩ and bounds on their rounding, at one k."""
    dim = mean.shape[0]
    value, away = mean @ centre, centre - start
    cov, cov_bound = joint[:dim, :dim], bound[:dim, :dim]
    square = jnp.sum(value**2) + jnp.sum((mean @ cov) * mean)
    inner = jnp.sum(value * away) + jnp.sum(mean * cov)
    gamma = 8.0 * (2 * dim + 8) * UNIT
    size = jnp.linalg.norm(mean)
    lengths = jnp.linalg.norm(centre) + jnp.linalg.norm(start)
    # ⟨X, R⟩ with −W ≤ R ≤ W is at most ‖X‖ tr W; the mean's error enters linearly and squared.
    width = jnp.trace(cov_bound)
    moved = centre_error * (2.0 * lengths + centre_error)
    square_error = size**2 * (width + moved + gamma * (lengths**2 + jnp.trace(cov)))
    inner_error = size * (width + moved + gamma * (lengths**2 + jnp.trace(cov)))
    return square, inner, (2.0 * square_error, 2.0 * inner_error)
