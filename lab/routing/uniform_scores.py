r"""Independent uniform scores, where the expected dual function, its gradient and its Hessian are exact.

Expert k scores $\gamma_k \sim U[m_k, m_k+1]$, independently, so $\gamma_k + p_k \sim U[q_k, q_k+1]$ with $q = m + p$.
Between neighbouring ends of these intervals all integrands are polynomials: Gauss–Legendre quadrature on each piece is
exact up to rounding. Per token; multiply by T for a batch. Balanced exactly where all $q_k$ agree.

Source: `alf-lb`, C5 (derived).
"""

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, namespace
from lab.routing.selection import check_experts_per_token


def selection_probability(shift: Float[Array, "... experts"], *, experts_per_token: int) -> Float[Array, "... experts"]:
    r"""$\pi_k = P(\gamma_k + p_k \text{ is among the K largest})$ at $q$ = `shift`; sums to K."""
    at, weight = _nodes(shift, experts_per_token)
    xp = namespace(shift)
    return xp.sum(weight[..., None] * _density(at, shift) * _wins(at, shift, experts_per_token), axis=-2)


def expected_top_k_sum(shift: Float[Array, "... experts"], *, experts_per_token: int) -> Float[Array, "..."]:
    r"""$\mathbb{E}\,\mathrm{TopKsum}(\gamma + p)$ at $q$ = `shift`, in units of the scores."""
    at, weight = _nodes(shift, experts_per_token)
    xp = namespace(shift)
    chosen = xp.sum(_density(at, shift) * _wins(at, shift, experts_per_token), axis=-1)
    return xp.sum(weight * at * chosen, axis=-1)


def expected_dual(
    bias: Float[Array, "... experts"], mean_shift: Float[Array, "... experts"], *, experts_per_token: int
) -> Float[Array, "..."]:
    r"""$\mathbb{E} f(p)/T = \mathbb{E}\,\mathrm{TopKsum}(\gamma+p) - \frac KE\sum_kp_k$, per token."""
    xp = namespace(bias, mean_shift)
    return expected_top_k_sum(bias + mean_shift, experts_per_token=experts_per_token) - experts_per_token * xp.mean(
        bias, axis=-1
    )


def hessian(shift: Float[Array, "... experts"], *, experts_per_token: int) -> Float[Array, "... experts experts"]:
    r"""$\nabla^2\mathbb{E}f/T$: off the diagonal minus
    $\int f_k(t-p_k)f_j(t-p_j)P(\text{exactly } K-1 \text{ of the others} > t)\,dt$; rows sum to 0.

    A weighted graph Laplacian: connected experts are those whose biased scores overlap. Source: `alf-lb`, C5.
    """
    at, weight = _nodes(shift, experts_per_token)
    xp = namespace(shift)
    experts = shift.shape[-1]
    dense = _density(at, shift)
    pair = dense[..., :, None] * dense[..., None, :]
    skipped = np.eye(experts, dtype=bool)
    without = skipped[:, None, :] | skipped[None, :, :]
    tie = _exactly(_above(at, shift), without, experts_per_token)[experts_per_token - 1]
    between = xp.sum(weight[..., None, None] * pair * tie, axis=-3)
    off = xp.where(skipped, 0.0 * between, -between)
    return off - xp.where(skipped, xp.sum(off, axis=-1)[..., None], 0.0 * off)


def _nodes(shift: Array, experts_per_token: int) -> tuple[Array, Array]:
    """Quadrature nodes and weights on the pieces between the ends of the intervals, (..., pieces · nodes)."""
    experts = shift.shape[-1]
    check_experts_per_token(experts_per_token, experts)
    xp = namespace(shift)
    # Degree: E − 1 chances of the other experts and the score itself.
    place, weight = np.polynomial.legendre.leggauss(experts // 2 + 1)
    ends = xp.sort(xp.concat([shift, shift + 1.0], axis=-1), axis=-1)
    low, width = ends[..., :-1, None], (ends[..., 1:] - ends[..., :-1])[..., None]
    at, weights = low + width * (place + 1.0) / 2.0, width * weight / 2.0
    flat = (*shift.shape[:-1], -1)
    return xp.reshape(at, flat), xp.reshape(weights, flat)


def _density(at: Array, shift: Array) -> Array:
    """1 where a score of the expert can lie, (..., nodes, experts)."""
    xp = namespace(shift)
    gap = at[..., None] - shift[..., None, :]
    return xp.where((gap > 0.0) & (gap < 1.0), 1.0 + 0.0 * gap, 0.0 * gap)


def _above(at: Array, shift: Array) -> Array:
    """P(γ_k + p_k > t), (..., nodes, experts)."""
    xp = namespace(shift)
    gap = shift[..., None, :] + 1.0 - at[..., None]
    zero = 0.0 * gap
    return xp.minimum(xp.maximum(gap, zero), zero + 1.0)


def _wins(at: Array, shift: Array, experts_per_token: int) -> Array:
    """P(at most K − 1 of the other experts > t), for each expert: (..., nodes, experts)."""
    counts = _exactly(_above(at, shift), np.eye(shift.shape[-1], dtype=bool), experts_per_token)
    total = counts[0]
    for count in counts[1:]:
        total = total + count
    return total


def _exactly(above: Array, without: np.ndarray, largest: int) -> list[Array]:
    """P(exactly c of the experts > t) for c < largest, without those marked in `without` (..., experts)."""
    xp = namespace(above)
    experts = above.shape[-1]
    lead = [1] * (without.ndim - 1)
    counts: list[Array] = []
    for j in range(experts):
        chance = xp.reshape(above[..., j], (*above.shape[:-1], *lead))
        chance = xp.where(without[..., j], 0.0 * chance, chance)
        if not counts:
            counts = [1.0 - chance, chance, *[0.0 * chance] * (largest - 2)][: max(largest, 1)]
            continue
        counts = [
            counts[c] * (1.0 - chance) + (counts[c - 1] * chance if c else 0.0 * chance) for c in range(len(counts))
        ]
    return counts
