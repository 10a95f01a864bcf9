r"""Biased top-K routing: which experts a token goes to, how many tokens an expert gets, with which gate.

Scores $\gamma_{ik}$ are (..., tokens, experts), biases $p_k$ are (..., experts). The bias decides who is chosen and
never enters the gate. **Ties**: of equal biased scores the lower expert index wins, in every array library. Batches
lead.

Source: Wang et al. (arXiv 2408.15664), Equation 3 and Algorithm 1; `alf-lb` (arXiv 2512.03915).
"""

import math
from typing import Any, Literal

from jaxtyping import Bool, Float, Int

from lab.arrays import Array, check_between, check_finite, floats, is_traced, namespace

Acts = Literal["added", "multiplied"]
FEW_EXPERTS = 8


def check_experts_per_token(experts_per_token: int, experts: int) -> None:
    """Raise ValueError unless 1 ≤ experts_per_token ≤ experts."""
    if not 1 <= experts_per_token <= experts:
        raise ValueError(
            f"experts_per_token = {experts_per_token}: must lie in [1, {experts}], there are {experts} experts"
        )


def top_k(values: Float[Array, "... experts"], *, k: int) -> Bool[Array, "... experts"]:
    """Whether each value is among the k largest along the last axis; of equal ones the lower index wins.

    Raises ValueError unless 1 ≤ k ≤ number of values, and for a NaN.
    """
    check_experts_per_token(k, values.shape[-1])
    check_between(-math.inf, math.inf, values=values)
    if not is_traced(values):
        return _by_threshold(values, k)
    # Compiled code is fast without sorts and without branches: E² comparisons, or K passes, whichever is less.
    return _by_comparisons(values, k) if values.shape[-1] <= FEW_EXPERTS else _by_passes(values, k)


def _by_threshold(values: Array, k: int) -> Array:
    """Compare with the k-th largest; where several equal it, the first of them fill what room is left."""
    xp = namespace(values)
    threshold = _kth_largest(values, k)
    chosen = values >= threshold
    if not bool(xp.all(xp.count_nonzero(chosen, axis=-1) == k)):
        above, level = values > threshold, values == threshold
        room = k - xp.count_nonzero(above, axis=-1)[..., None]
        place = xp.cumulative_sum(xp.astype(level, xp.int64), axis=-1)
        chosen = above | (level & (place <= room))
    return chosen


def _kth_largest(values: Array, k: int) -> Array:
    """(..., 1): by the library's own selection where it has one, else by sorting."""
    if hasattr(values, "topk"):  # torch, whose sort is several times slower
        return values.topk(k, dim=-1).values[..., -1:]
    # The order of equal values does not matter here, and a stable sort costs ten times as much.
    return namespace(values).sort(values, axis=-1, stable=False)[..., values.shape[-1] - k, None]


def _by_comparisons(values: Array, k: int) -> Array:
    """Count for each expert those that come before it."""
    xp = namespace(values)
    columns = [values[..., j] for j in range(values.shape[-1])]
    chosen = []
    for j, own in enumerate(columns):
        before = [other >= own if i < j else other > own for i, other in enumerate(columns) if i != j]
        rank = sum((xp.astype(x, xp.int32) for x in before), start=xp.zeros_like(own, dtype=xp.int32))
        chosen.append(rank < k)
    return xp.stack(chosen, axis=-1)


def _by_passes(values: Array, k: int) -> Array:
    """Take the first largest k times, experts leading, which compilers turn into vector code."""
    xp = namespace(values)
    left = xp.moveaxis(values, -1, 0)
    experts = left.shape[0]
    index = xp.reshape(xp.arange(experts), (experts, *[1] * (left.ndim - 1)))
    chosen = xp.zeros_like(left, dtype=xp.bool)
    for _ in range(k):
        largest = xp.max(left, axis=0, keepdims=True)
        hit = index == xp.min(xp.where(left == largest, index, experts), axis=0, keepdims=True)
        chosen = chosen | hit
        left = xp.where(hit, -xp.inf, left)
    return xp.moveaxis(chosen, 0, -1)


def biased(
    scores: Float[Array, "... tokens experts"], bias: Float[Array, "... experts"], *, bias_acts: Acts = "added"
) -> Float[Array, "... tokens experts"]:
    r"""$\gamma_{ik} + p_k$, or $\gamma_{ik} p_k$ for multiplicative biases."""
    scores, bias = floats(scores, bias)
    return scores + bias[..., None, :] if bias_acts == "added" else scores * bias[..., None, :]


def route(
    scores: Float[Array, "... tokens experts"],
    bias: Float[Array, "... experts"],
    *,
    experts_per_token: int,
    bias_acts: Acts = "added",
) -> Bool[Array, "... tokens experts"]:
    r"""The routing $x_{ik} = 1[\gamma_{ik} + p_k \in \mathrm{TopK}_j(\gamma_{ij} + p_j)]$.

    Raises ValueError unless scores and biases are finite and 1 ≤ experts_per_token ≤ experts. Source: Wang et al., Eq.
    3.
    """
    check_finite(scores=scores, bias=bias)
    return top_k(biased(scores, bias, bias_acts=bias_acts), k=experts_per_token)


def loads(routing: Bool[Array, "... tokens experts"]) -> Int[Array, "... experts"]:
    r"""Tokens of each expert, $A_k = \sum_i x_{ik}$."""
    return namespace(routing).count_nonzero(routing, axis=-2)


def gates(
    scores: Float[Array, "... tokens experts"], routing: Bool[Array, "... tokens experts"], *, normalised: bool
) -> Float[Array, "... tokens experts"]:
    r"""Mixing weights: $\gamma_{ik}$ where chosen and 0 elsewhere, or these divided by their sum over the chosen.

    `normalised=False` is Wang et al., Equation 3; `normalised=True` is DeepSeek-V3. The bias does not enter.
    """
    (scores,) = floats(scores)
    xp = namespace(scores)
    kept = scores * xp.astype(routing, scores.dtype)
    return kept / xp.sum(kept, axis=-1, keepdims=True) if normalised else kept


def centred(bias: Float[Array, "... experts"]) -> Float[Array, "... experts"]:
    """The bias minus its mean: added biases that differ by a constant route alike, so compare centred ones."""
    xp = namespace(bias)
    return bias - xp.mean(bias, axis=-1, keepdims=True)


def weighted(routing: Any, values: Any) -> Array:
    """Values where chosen, 0 elsewhere."""
    xp = namespace(values)
    return xp.where(routing, values, xp.zeros_like(values))
