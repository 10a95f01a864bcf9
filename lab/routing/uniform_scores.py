r"""Independent uniform scores, where the expected dual function, its gradient and its Hessian are exact.

Expert k scores $\gamma_k \sim U[m_k, m_k+1]$, independently, so $\gamma_k + p_k \sim U[q_k, q_k+1]$ with $q = m + p$;
biases that multiply, $\gamma_k p_k \sim U[m_kp_k, (m_k+1)p_k]$, change the width too.
Between neighbouring ends of these intervals all integrands are polynomials: Gauss–Legendre quadrature on each piece is
exact up to rounding. Per token; multiply by T for a batch. Balanced exactly where all $q_k$ agree.

Source: `alf-lb`, C5 (derived).
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, namespace
from lab.routing.selection import check_experts_per_token


def selection_probability(
    shift: Float[Array, "... experts"], *, experts_per_token: int, width: Real | Float[Array, "... experts"] = 1.0
) -> Float[Array, "... experts"]:
    r"""$\pi_k = P(\text{expert k's score is among the K largest})$, scores $U[q_k, q_k + w_k]$; sums to K.

    shift: q. width: w > 0, 1 for biases that are added. Raises ValueError for a width that is not positive.
    """
    check_positive(width=width)
    width = width + 0.0 * shift
    at, weight = _nodes(shift, experts_per_token, width)
    xp = namespace(shift)
    wins = _wins(at, shift, experts_per_token, width)
    return xp.sum(weight[..., None] * _density(at, shift, width) * wins, axis=-2)


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


def balanced_curvature(experts: int) -> float:
    r"""$\frac{E}{E-1}$: curvature of $\mathbb{E}f/T$ at balance along any vector that sums to 0, whatever K.

    All weights of the Laplacian are $\frac1{E-1}$ there; a batch has $\mu = T\frac{E}{E-1}$ tokens a unit of bias.
    Raises ValueError for fewer than two experts. Source: `alf-lb`, C5.
    """
    check_between(2.0, float("inf"), experts=experts)
    return experts / (experts - 1)


def _nodes(shift: Array, experts_per_token: int, width: Any = 1.0) -> tuple[Array, Array]:
    """Quadrature nodes and weights on the pieces between the ends of the intervals, (..., pieces · nodes)."""
    experts = shift.shape[-1]
    check_experts_per_token(experts_per_token, experts)
    xp = namespace(shift)
    # Degree: E − 1 chances of the other experts and the score itself.
    place, weight = np.polynomial.legendre.leggauss(experts // 2 + 1)
    ends = xp.sort(xp.concat([shift, shift + width], axis=-1), axis=-1)
    low, piece = ends[..., :-1, None], (ends[..., 1:] - ends[..., :-1])[..., None]
    at, weights = low + piece * (place + 1.0) / 2.0, piece * weight / 2.0
    flat = (*shift.shape[:-1], -1)
    return xp.reshape(at, flat), xp.reshape(weights, flat)


def _density(at: Array, shift: Array, width: Any = 1.0) -> Array:
    """Density of the expert's score, (..., nodes, experts)."""
    xp = namespace(shift)
    width = (width + 0.0 * shift)[..., None, :]
    gap = at[..., None] - shift[..., None, :]
    return xp.where((gap > 0.0) & (gap < width), 1.0 / width + 0.0 * gap, 0.0 * gap)


def _above(at: Array, shift: Array, width: Any = 1.0) -> Array:
    """P(the expert's score > t), (..., nodes, experts)."""
    xp = namespace(shift)
    width = (width + 0.0 * shift)[..., None, :]
    gap = (shift[..., None, :] - at[..., None]) / width + 1.0
    zero = 0.0 * gap
    return xp.minimum(xp.maximum(gap, zero), zero + 1.0)


def _wins(at: Array, shift: Array, experts_per_token: int, width: Any = 1.0) -> Array:
    """P(at most K − 1 of the other experts > t), for each expert: (..., nodes, experts)."""
    above = _above(at, shift, width)
    if experts_per_token == 1:
        return _all_others(1.0 - above)
    counts = _exactly(above, np.eye(shift.shape[-1], dtype=bool), experts_per_token)
    total = counts[0]
    for count in counts[1:]:
        total = total + count
    return total


def _all_others(chance: Array) -> Array:
    """Product of the chances of all other experts: 3E multiplications instead of E²."""
    xp = namespace(chance)
    columns = [chance[..., j] for j in range(chance.shape[-1])]
    before, after = [1.0 + 0.0 * columns[0]], [1.0 + 0.0 * columns[0]]
    for first, last in zip(columns[:-1], columns[:0:-1], strict=True):
        before.append(before[-1] * first)
        after.append(after[-1] * last)
    return xp.stack([x * y for x, y in zip(before, after[::-1], strict=True)], axis=-1)


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
