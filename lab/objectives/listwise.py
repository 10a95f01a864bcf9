r"""Plackett–Luce losses over rankings, and their correction for rankings that were replaced at random.

A ranking of K items is kept with probability $1-\varepsilon$ and else replaced by one of the $N-1 = K!-1$ others, all
equally likely. Two items give the pairwise flips of `rdpo` and its loss. Sources: `dpo-background`, B16; `rdpo`, C8.
"""

import math

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_finite,
    check_positive,
    floats,
    namespace,
)
from lab.preferences import plackett_luce


def plackett_luce_dpo(log_ratios: Float[Array, "... ranked"], *, beta: Real) -> Float[Array, "..."]:
    r"""$-\sum_k \log\frac{e^{\beta\ell_k}}{\sum_{j \ge k} e^{\beta\ell_j}}$ of log-ratios in observed order.

    Raises ValueError unless log_ratios are finite and beta positive. Source: `dpo-background`.
    """
    return -plackett_luce(_scores(log_ratios, beta))


def robust_plackett_luce_dpo(
    log_ratios: Float[Array, "... ranked"], *, beta: Real, flip_rate: Real
) -> Float[Array, "..."]:
    r"""The clean Plackett–Luce loss in expectation over replacements; $N = K!$, $\bar\ell$ the mean over all rankings:

    $$\frac{(N-1-\varepsilon)\,\ell(\tau) - \varepsilon\sum_{\tau'\ne\tau}\ell(\tau')}{(1-\varepsilon)N - 1}
      = \ell(\tau) + \frac{\varepsilon N}{(1-\varepsilon)N - 1}\,[\ell(\tau) - \bar\ell].$$

    Raises ValueError also unless 0 ≤ flip_rate < (N−1)/N. Source: `rdpo`, C8.
    """
    scores = _scores(log_ratios, beta)
    rankings = float(math.factorial(scores.shape[-1]))
    check_between(0.0, (rankings - 1.0) / rankings, open_high=True, flip_rate=flip_rate)
    loss = -plackett_luce(scores)
    check_broadcast(ranking=loss, flip_rate=flip_rate)
    loss, flip_rate = floats(loss, flip_rate)
    weight = flip_rate * rankings / ((1.0 - flip_rate) * rankings - 1.0)
    return loss + weight * (loss - mean_ranking_loss(scores))


def mean_ranking_loss(scores: Float[Array, "... ranked"]) -> Float[Array, "..."]:
    r"""Mean of the Plackett–Luce loss over all K! orders of the items, from the $2^K$ subsets instead:

    $$\bar\ell = \sum_{\emptyset\ne S} \binom{K}{|S|}^{-1} \log\sum_{i \in S} e^{r_i} - \sum_i r_i.$$

    In a random order the last s items are a uniformly random subset of that size; each term averages over them.
    Raises ValueError for more than 16 items.
    """
    xp = namespace(scores)
    places = scores.shape[-1]
    if places > 16:
        raise ValueError(f"scores rank {places} items: the sum over subsets is for at most 16")
    # Logarithms of sums over subsets, doubling with every item: without it, it alone, with it.
    sums, sizes = scores[..., :1], [1]
    for i in range(1, places):
        item = scores[..., i : i + 1]
        sums = xp.concat([sums, item, xp.logaddexp(sums, item)], axis=-1)
        sizes = [*sizes, 1, *[s + 1 for s in sizes]]
    _, weights = floats(scores, [1.0 / math.comb(places, s) for s in sizes])
    return xp.sum(sums * weights, axis=-1) - xp.sum(scores, axis=-1)


def _scores(log_ratios: Array, beta: Real) -> Array:
    check_finite(log_ratios=log_ratios)
    check_positive(beta=beta)
    if log_ratios.ndim == 0 or log_ratios.shape[-1] == 0:
        raise ValueError(f"log_ratios has shape {tuple(log_ratios.shape)}: the last axis must hold at least one item")
    check_broadcast(rankings=log_ratios[..., 0], beta=beta)
    log_ratios, beta = floats(log_ratios, beta)
    return log_ratios * (beta[..., None] if beta.ndim else beta)
