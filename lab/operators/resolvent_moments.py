r"""Algorithm 2 on linear components without Monte Carlo: second moments of the inner solver and of the whole method.

The inner solver (variance-reduced forward-reflected-backward) seeks $v = J_{\eta F}(u)$ by

$$v^+ = \alpha v + (1-\alpha) w - \tau\big(\eta\bar M w + w - u + \eta M_i(v - w^-) + v - w^-\big),\quad
w^- \leftarrow w,\quad w \leftarrow v^+ \text{ with probability } p,$$

a random linear map of $s = (v, w, w^-, u, u_0)$, whose second moment $S$ follows $S^+ = \sum_j \pi_j B_j S B_j^\top$.
Between outer iterations $u \leftarrow \lambda u_0 + (1-\lambda)v$ and $v, w, w^- \leftarrow u$. Points are relative to
the solution; offsets of the components cancel. M inner steps are the M-th power of one matrix: its powers 1, 2, 4, …
come from whole-number arithmetic, right to the last place, and an outer iteration applies those that M is made of.
Rounding is bounded as in `lab.operators.moments`: errors between −W and W stay between the images of −W and W.

Source: derived, `vr-halpern` C3; the solver: Alacaoglu and Malitsky (2022).
"""

from fractions import Fraction
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from lab.arrays import Array
from lab.operators.moments import UNIT

V, SNAPSHOT, BEFORE, CENTRE, START = range(5)


class Inner(NamedTuple):
    """The inner solver's parameters: step of the resolvent η, its own step τ, weight of the snapshot and its reset."""

    resolvent_step: float
    step_size: float
    reset: float


def inner_parameters(components: int, lipschitz: float, *, factor: float = 0.5) -> Inner:
    r"""$\eta = \sqrt n/L$, $p = \frac1n$, $\tau = \frac{c\sqrt{p(1-p)}}{\eta L + 1}$; c is `factor`, 5 in the code."""
    p = 1.0 / components
    eta = np.sqrt(components) / lipschitz
    return Inner(float(eta), float(factor * np.sqrt(p * (1 - p)) / (eta * lipschitz + 1.0)), p)


def inner_map(matrices: Float[np.ndarray, "n dim dim"], inner: Inner) -> Float[np.ndarray, "pairs pairs"]:
    r"""$S \mapsto \sum_j \pi_j B_j S B_j^\top$ on the upper triangles of second moments of s."""
    dim = matrices.shape[-1]
    eye, mean = np.eye(dim), np.mean(matrices, axis=0)
    eta, tau, p = inner
    full = np.zeros(((5 * dim) ** 2, (5 * dim) ** 2))
    for matrix in matrices:
        move = np.zeros((5, dim, 5, dim))
        move[V, :, V] = (1 - p - tau) * eye - tau * eta * matrix
        move[V, :, SNAPSHOT] = p * eye - tau * (eta * mean + eye)
        move[V, :, BEFORE] = tau * (eye + eta * matrix)
        move[V, :, CENTRE] = tau * eye
        move[BEFORE, :, SNAPSHOT] = move[CENTRE, :, CENTRE] = move[START, :, START] = eye
        for share, snapshot in ((p, V), (1 - p, SNAPSHOT)):
            move[SNAPSHOT] = move[V] if snapshot == V else 0.0
            if snapshot == SNAPSHOT:
                move[SNAPSHOT, :, SNAPSHOT] = eye
            b = move.reshape(5 * dim, 5 * dim)
            full += share / len(matrices) * np.kron(b, b)
    return on_triangles(full, 5 * dim)


def on_triangles(full: Float[np.ndarray, "square square"], size: int) -> Float[np.ndarray, "pairs pairs"]:
    """A map of symmetric matrices, given on all entries, on their upper triangles."""
    row, column = np.triu_indices(size)
    rows = row * size + column
    both = full[np.ix_(rows, rows)]
    return np.where(row == column, both, both + full[np.ix_(rows, column * size + row)])


def contraction(matrices: Float[np.ndarray, "n dim dim"], inner: Inner) -> float:
    r"""Spectral radius of the inner solver's second-moment map: $\mathbb{E}\|v_t - J\|^2 \sim \rho^t$."""
    dim = matrices.shape[-1]
    size = 5 * dim
    row, column = np.triu_indices(size)
    moving = (row < 3 * dim) & (column < 3 * dim)
    found = np.linalg.eigvals(inner_map(matrices, inner)[np.ix_(moving, moving)])
    return float(np.max(np.abs(found)))


class OuterPath(NamedTuple):
    r"""For outer iterations k = 0, 1, …: E‖F‖² at the inner output $v_k$ and at the anchored iterate $u_{k+1}$, and
    bounds on the rounding of both."""

    inner_output: Array
    anchored: Array
    inner_output_error: Array
    anchored_error: Array


def binary_powers(matrix: Float[np.ndarray, "pairs pairs"], count: int) -> Float[np.ndarray, "count pairs pairs"]:
    r"""$T, T^2, T^4, \dots, T^{2^{count-1}}$, each entry right to the last place as long as no power exceeds $10^3$.

    Whole numbers with 256 binary digits after the point: a squaring multiplies the error by at most twice the power's
    norm, in 20 squarings by less than $2^{220}$.
    """
    scale = 1 << 256
    whole = np.vectorize(lambda x: round(Fraction(float(x)) * scale), otypes=[object])(matrix)
    found = []
    for _ in range(count):
        found.append((whole / scale).astype(float))
        whole = (whole @ whole) // scale
    return np.stack(found)


def outer_moments(
    matrices: Float[np.ndarray, "n dim dim"], start: Float[np.ndarray, "dim"], inner: Inner, steps: Int[Array, "outer"]
) -> OuterPath:
    """Exact second moments of Algorithm 2 for G = 0; `steps` are the inner steps of each outer iteration."""
    transfer = inner_map(np.asarray(matrices), inner)
    powers = binary_powers(transfer, int(np.max(steps)).bit_length())
    bits = (np.asarray(steps)[:, None] >> np.arange(len(powers))) & 1
    mean = np.mean(matrices, axis=0)
    return _outer(jnp.asarray(powers), jnp.asarray(mean), jnp.asarray(start), jnp.asarray(bits))


@jax.jit
def _outer(powers: Array, mean: Array, start: Array, bits: Array) -> OuterPath:
    dim = len(start)
    size = 5 * dim
    row, column = np.triu_indices(size)
    place = np.zeros((size, size), dtype=int)
    place[row, column] = place[column, row] = np.arange(len(row))
    unit = jnp.eye(size)[row, column]
    diagonal = row == column

    def apply(both: Array, now: tuple) -> tuple[Array, None]:
        power, wanted = now
        # Sums of len(row) products, each at most the power's Frobenius norm times tr S; its entries are rounded once.
        gamma = 4.0 * (len(row) + 4) * UNIT * jnp.linalg.norm(power)
        new = gamma * jnp.sum(jnp.where(diagonal, both[:, 0], 0.0))
        after = (power @ both).at[:, 1].add(new * unit)
        return jnp.where(wanted == 1, after, both), None

    def squares(moment: Array, rows: Array) -> Array:
        return jnp.sum((mean @ rows @ moment @ rows.T) * mean)

    def outer_step(both: Array, now: tuple) -> tuple[Array, tuple]:
        k, wanted = now
        both, _ = jax.lax.scan(apply, both, (powers, wanted))
        anchor = 1.0 / (k + 2.0)
        moment, bound = both[:, 0][place], both[:, 1][place]
        take_v = jnp.eye(size)[:dim]
        take_u = anchor * jnp.eye(size)[START * dim :] + (1.0 - anchor) * take_v
        restart = jnp.concatenate([take_u] * 4 + [jnp.eye(size)[START * dim :]])
        norm = jnp.linalg.norm(mean)
        rounding = 16.0 * size * UNIT * jnp.trace(moment)
        found = [squares(moment, take_v), squares(moment, take_u)]
        # A form of a matrix between −W and W is at most that of W; the reading's own rounding is added.
        errors = [2.0 * squares(bound, take) + norm**2 * rounding for take in (take_v, take_u)]
        after, after_bound = restart @ moment @ restart.T, restart @ bound @ restart.T
        after_bound = after_bound + 64.0 * rounding * jnp.eye(size)
        return jnp.stack([after[row, column], after_bound[row, column]], axis=1), (*found, *errors)

    whole = jnp.tile(start, 5)
    first = jnp.outer(whole, whole)[row, column]
    both = jnp.stack([first, 0.0 * first], axis=1)
    _, out = jax.lax.scan(outer_step, both, (jnp.arange(len(bits)) * 1.0, bits))
    return OuterPath(*out)


def relative_error(
    matrices: Float[np.ndarray, "n dim dim"], centre: Float[np.ndarray, "dim"], inner: Inner, steps: int
) -> Float[np.ndarray, "..."]:
    r"""$\mathbb{E}\|v_t - J\|^2 / \|u - J\|^2$ for t = 0 … steps, exact; J is the resolvent at `centre`."""
    transfer = inner_map(np.asarray(matrices), inner)
    mean = np.mean(matrices, axis=0)
    goal = np.linalg.solve(np.eye(len(mean)) + inner.resolvent_step * mean, centre)
    away = np.concatenate([*[centre - goal] * 3, 0.0 * centre, 0.0 * centre])
    return np.asarray(_decay(jnp.asarray(transfer), jnp.asarray(away), steps)) / np.sum((centre - goal) ** 2)


@partial(jax.jit, static_argnames="steps")
def _decay(transfer: Array, away: Array, steps: int) -> Array:
    size = len(away)
    row, column = np.triu_indices(size)
    head = (row == column) & (row < size // 5)

    def advance(moment: Array, _: None) -> tuple[Array, Array]:
        return transfer @ moment, jnp.sum(jnp.where(head, moment, 0.0))

    _, found = jax.lax.scan(advance, jnp.outer(away, away)[row, column], None, length=steps + 1)
    return found
