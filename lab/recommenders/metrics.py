r"""Ranking metrics at a cutoff, with the conventions on which papers and code disagree as arguments.

A list of items is ranked by score, ties in the order in which they stand. `relevance` may be 0 or 1, a probability of
relevance, or an inverse-propensity weight $Y/\theta$: then the metrics are inverse-propensity estimates, and dividing
by the list's total (`divisor="relevant"`) makes them self-normalised. Source: `mnar-clipped`, target metric and
reference implementation 3.
"""

import math
from collections.abc import Callable
from typing import Literal

from jaxtyping import Bool, Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_finite,
    check_last_axis,
    check_same_shape,
    floats,
    is_traced,
    namespace,
)

Discount = Literal["paper", "code"]
Divisor = Literal["none", "relevant", "ideal"]


def discounts(rank: Real, *, discount: Discount = "paper") -> Float[Array, "..."]:
    r"""The weight of rank $z = 1, 2, \dots$: paper $1/\log_2(z+1)$; code 1 at first, then $1/\log_2 z$.

    Raises ValueError for a rank below 1 or another discount.
    """
    check_between(1.0, math.inf, rank=rank)
    (rank,) = floats(rank)
    xp = namespace(rank)
    if discount == "paper":
        return 1.0 / xp.log2(rank + 1.0)
    if discount == "code":
        return 1.0 / xp.log2(xp.maximum(rank, xp.full_like(rank, 2.0)))
    raise ValueError(f"discount = {discount!r}: must be 'paper' or 'code'")


def dcg(
    relevance: Float[Array, "... items"],
    score: Float[Array, "... items"],
    *,
    cutoff: int,
    discount: Discount = "paper",
    divisor: Divisor = "none",
    listed: Bool[Array, "... items"] | None = None,
) -> Float[Array, "..."]:
    r"""Discounted cumulative gain $\sum_{z \le K} c(z)\,\gamma_{(z)}$ of each list, for the item $(z)$ at rank $z$.

    divisor: "none" (the paper), "relevant" ($\sum_i\gamma_i$, the authors' semi-synthetic code) or "ideal" (the
    largest value any ranking attains: nDCG). A list without relevance is undefined under a divisor and gives NaN.
    `listed` marks the candidates; other items are not ranked. Raises ValueError for a cutoff below 1, negative
    relevance, scores that are not finite, shapes that differ, a list without items, and an unknown convention.
    """
    relevance, ranked = _rank(relevance, score, cutoff, listed)
    return _divided(
        _discounted(ranked, discount), relevance, divisor, lambda: _discounted(_best(relevance, cutoff), discount)
    )


def recall(
    relevance: Float[Array, "... items"],
    score: Float[Array, "... items"],
    *,
    cutoff: int,
    divisor: Divisor = "relevant",
    listed: Bool[Array, "... items"] | None = None,
) -> Float[Array, "..."]:
    r"""Relevance among the first $K$ ranks: over all of the list's ("relevant"), over the most that $K$ ranks can
    hold ("ideal").

    NaN and errors as in `dcg`.
    """
    relevance, ranked = _rank(relevance, score, cutoff, listed)
    return _divided(_sum(ranked), relevance, divisor, lambda: _sum(_best(relevance, cutoff)))


def average_precision(
    relevance: Float[Array, "... items"],
    score: Float[Array, "... items"],
    *,
    cutoff: int,
    divisor: Divisor = "relevant",
    listed: Bool[Array, "... items"] | None = None,
) -> Float[Array, "..."]:
    r"""$\sum_{z\le K} \gamma_{(z)}\,\frac1z\sum_{y\le z}\gamma_{(y)}$, the precision at each relevant rank; its mean
    over users is MAP.

    divisor: "relevant" (all relevant items: the semi-synthetic code), "ideal" (at most $K$ of them) or "none" (the
    Yahoo! R3 code). NaN and errors as in `dcg`; also ValueError for a relevance other than 0 and 1.
    """
    relevance, ranked = _rank(relevance, score, cutoff, listed)
    xp = namespace(relevance)
    check_between(0.0, 1.0, relevance=relevance)
    _refuse_graded(relevance)
    total = _sum(ranked * xp.cumulative_sum(ranked, axis=-1) / _ranks(ranked))
    return _divided(total, relevance, divisor, lambda: _sum(_best(relevance, cutoff)))


def _refuse_graded(relevance: Array) -> None:
    if not is_traced(relevance) and bool(namespace(relevance).any((relevance > 0) & (relevance < 1))):
        raise ValueError("relevance must be 0 or 1: a precision counts relevant items")


def _rank(relevance: Array, score: Array, cutoff: int, listed: Array | None) -> tuple[Array, Array]:
    """The relevance of the listed items (0 elsewhere), and of the first ranks."""
    if cutoff < 1:
        raise ValueError(f"cutoff = {cutoff}: must be at least 1")
    check_same_shape(relevance=relevance, score=score, **({} if listed is None else {"listed": listed}))
    check_last_axis("items", relevance=relevance)
    check_between(0.0, math.inf, relevance=relevance)
    check_finite(score=score)
    relevance, score = floats(relevance, score)
    xp = namespace(relevance, score)
    if listed is not None:
        relevance = xp.where(listed, relevance, xp.zeros_like(relevance))
        score = xp.where(listed, score, xp.full_like(score, -math.inf))
    order = xp.argsort(-score, axis=-1, stable=True)
    return relevance, xp.take_along_axis(relevance, order[..., :cutoff], axis=-1)


def _discounted(ranked: Array, discount: Discount) -> Array:
    return _sum(ranked * discounts(_ranks(ranked), discount=discount))


def _ranks(ranked: Array) -> Array:
    """1, 2, … along the last axis, in the list's type and on its device."""
    xp = namespace(ranked)
    return xp.cumulative_sum(xp.ones_like(ranked), axis=-1)


def _sum(x: Array) -> Array:
    return namespace(x).sum(x, axis=-1)


def _best(relevance: Array, cutoff: int) -> Array:
    """The first ranks of the best ranking there is."""
    return namespace(relevance).sort(relevance, axis=-1, descending=True)[..., :cutoff]


def _divided(value: Array, relevance: Array, divisor: str, most: Callable[[], Array]) -> Array:
    """The value itself, over the list's relevance, or over the most that any ranking attains; NaN over nothing."""
    if divisor == "none":
        return value
    if divisor not in ("relevant", "ideal"):
        raise ValueError(f"divisor = {divisor!r}: must be 'none', 'relevant' or 'ideal'")
    total = _sum(relevance) if divisor == "relevant" else most()
    xp = namespace(value)
    some = total > 0
    return xp.where(some, value / xp.where(some, total, xp.ones_like(total)), xp.full_like(value, math.nan))
