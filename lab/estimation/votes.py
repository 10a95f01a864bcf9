r"""The flip rate from several votes on the same pairs.

If the clean label of a pair is fixed and each vote flips it independently with probability $\varepsilon$, two votes
differ with probability $2\varepsilon(1-\varepsilon)$, whatever the label is. If every vote draws a fresh
Bradley–Terry label, two votes differ with probability $2\tilde p(1-\tilde p)$: the flip rate is then not identified
without a model of the preferences (`rdpo`, pitfall 3).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, floats, namespace
from lab.inference.intervals import clopper_pearson


class FlipRate(NamedTuple):
    """An estimate with its confidence interval."""

    estimate: Float[Array, "..."]
    low: Float[Array, "..."]
    high: Float[Array, "..."]


def disagreement(votes: Float[Array, "... items votes"]) -> Float[Array, "..."]:
    r"""Share of differing pairs of votes on the same item, $\text{mean}_i\, \frac{2k_i(K-k_i)}{K(K-1)}$, $k_i$ votes
    of 1 among $K \ge 2$.

    Raises ValueError for fewer than two votes, or votes outside [0, 1]. Its expectation is
    $2\varepsilon(1-\varepsilon)$ when the clean labels are fixed.
    """
    (votes,) = floats(votes)
    xp = namespace(votes)
    _check_votes(votes)
    each = votes.shape[-1]
    ones = xp.sum(votes, axis=-1)
    return xp.mean(2.0 * ones * (each - ones) / (each * (each - 1.0)), axis=-1)


def flip_rate_from_disagreement(rate: Real) -> Float[Array, "..."]:
    r"""$\varepsilon = \frac{1-\sqrt{1-2D}}{2}$, the root below 1/2 of $2\varepsilon(1-\varepsilon) = D$; 1/2 for $D
    \ge 1/2$ (no information).

    Computed as $D/(1+\sqrt{1-2D})$, accurate for small $D$. Raises ValueError unless 0 ≤ D ≤ 1.
    """
    check_between(0.0, 1.0, rate=rate)
    (rate,) = floats(rate)
    xp = namespace(rate)
    known = rate < 0.5
    inside = xp.where(known, 1.0 - 2.0 * rate, xp.ones_like(rate))
    return xp.where(known, rate / (1.0 + xp.sqrt(inside)), 0.5 * xp.ones_like(rate))


def flip_rate_from_votes(votes: Float[np.ndarray, "... items votes"], *, level: float = 0.95) -> FlipRate:
    r"""Moment estimate of the flip rate from votes of 0 and 1, with an exact confidence interval.

    The interval is Clopper and Pearson's for the disagreements of disjoint pairs of votes (⌊K/2⌋ an item), which are
    independent with probability $2\varepsilon(1-\varepsilon)$; it covers the flip rate with at least the stated
    probability for every number of items. Leading axes are independent data sets. Assumes a fixed clean label an item
    and independent flips with one rate below 1/2: then two votes differ less than half of the time, and a disagreement
    whose whole interval lies above that is refused. Raises ValueError for that, for fewer than two votes an item, no
    items, values other than 0 and 1, or a level outside (0, 1).
    """
    votes = np.asarray(votes, float)
    check_between(0.0, 1.0, open_low=True, open_high=True, level=level)
    if votes.ndim < 2 or votes.shape[-2] == 0:
        raise ValueError(f"votes has shape {votes.shape}: must be (..., items, votes) with at least one item")
    _check_votes(votes)
    if not np.all((votes == 0) | (votes == 1)):
        raise ValueError("votes must be 0 or 1")
    pairs = votes.shape[-1] // 2
    differ = np.sum(votes[..., : 2 * pairs : 2] != votes[..., 1 : 2 * pairs : 2], axis=(-2, -1))
    low, high = clopper_pearson(differ, votes.shape[-2] * pairs, alpha=1 - level)
    share = disagreement(votes)
    if np.any(low > 0.5):
        first = np.unravel_index(int(np.argmax(low > 0.5)), low.shape)
        where = f" in data set {tuple(map(int, first))}" if low.ndim else ""
        raise ValueError(
            f"the votes contradict a fixed label with one flip rate: disagreement {share[first]:g}{where}, "
            f"at least {low[first]:.3g} with confidence {level:g}: must be below 1/2"
        )
    return FlipRate(*(flip_rate_from_disagreement(rate) for rate in (share, low, high)))


def _check_votes(votes: Array) -> None:
    if votes.ndim < 2 or votes.shape[-1] < 2:
        raise ValueError(f"votes has shape {tuple(votes.shape)}: at least two votes an item are needed")
    check_between(0.0, 1.0, votes=votes)
