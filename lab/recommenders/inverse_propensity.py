r"""The mean reward under another exposure policy, estimated from a log: inverse-propensity estimators.

A row of the log is one exposed item with its reward $r$, the probability $p$ with which the log exposed it (its
propensity) and the probability $q$ with which the policy in question would have (`target`; 1 when the log is a
sample of exposures and the mean over all pairs is wanted). Its importance weight is $w = q/\max(p, M)$, with the
clip $M = 0$ for the unbiased estimator.

Intervals are in `lab.recommenders.intervals`, advice on the clip in `lab.recommenders.clip_advice`. Source:
`mnar-clipped`, C5 and the checks on logged data.
"""

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_finite, check_positive, check_same_shape, floats, namespace

ONE = np.float64(1.0).view(np.uint64)
BLOCK = 2**18  # rows handled at once: their 2 MiB of weights stay in the cache; shorter blocks pay for their loop


def importance_weights(propensity: Real, *, target: Real = 1.0, clip: Real = 0.0) -> Float[Array, "..."]:
    r"""$w = q/\max(p, M)$. Raises ValueError unless 0 < propensity ≤ 1, 0 ≤ target ≤ 1 and 0 ≤ clip ≤ 1."""
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    check_between(0.0, 1.0, target=target, clip=clip)
    propensity, target, clip = floats(propensity, target, clip)
    return target / namespace(propensity).maximum(propensity, clip)


def inverse_propensity_mean(
    reward: Float[Array, "... rows"], propensity: Float[Array, "..."], *, target: Real = 1.0, clip: Real = 0.0
) -> Float[Array, "..."]:
    r"""$n^{-1}\sum_i r_i w_i$: unbiased for the mean reward without a clip, biased towards 0 with one.

    Raises ValueError for an empty log, shapes that differ, non-finite rewards, or propensities outside (0, 1].
    """
    total, _ = _sums(reward, propensity, target, clip)
    return total / reward.shape[-1]


def self_normalised_mean(
    reward: Float[Array, "... rows"], propensity: Float[Array, "..."], *, target: Real = 1.0, clip: Real = 0.0
) -> Float[Array, "..."]:
    r"""$\sum_i r_i w_i / \sum_i w_i$: a weighted mean, inside the range of the rewards; biased, consistent without a
    clip.

    Raises ValueError as `inverse_propensity_mean`, and where all weights are 0.
    """
    total, weight = _sums(reward, propensity, target, clip, normalise=True)
    check_positive(**{"sum of the weights": weight})
    return total / weight


def effective_sample_size(weights: Float[Array, "... rows"]) -> Float[Array, "..."]:
    r"""$(\sum w)^2/\sum w^2$: the number of equally weighted rows that would vary as little.

    Raises ValueError for weights that are negative or not finite, for none of them, and where all are 0.
    """
    check_between(0.0, float("inf"), weights=weights)
    check_finite(weights=weights)
    (weights,) = floats(weights)
    xp = namespace(weights)
    if weights.ndim == 0 or weights.shape[-1] == 0:
        raise ValueError("weights is empty: the log must have at least one row")
    largest = xp.max(weights, axis=-1, keepdims=True)
    check_positive(**{"largest weight": largest})
    relative = weights / largest
    return xp.sum(relative, axis=-1) ** 2 / xp.sum(relative**2, axis=-1)


def check_log(reward: Array, propensity: Array) -> tuple[Array, Array]:
    """Both columns as floating-point arrays. Raises ValueError unless the log is non-empty, of one shape, finite and
    legal."""
    check_same_shape(reward=reward, propensity=propensity)
    if len(reward.shape) == 0 or reward.shape[-1] == 0:
        raise ValueError("reward is empty: the log must have at least one row")
    check_finite(reward=reward)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    return floats(reward, propensity)


def _sums(
    reward: Array, propensity: Array, target: Real, clip: Real, *, normalise: bool = False
) -> tuple[Array, Array]:
    """Σ r w, and Σ w when it is asked for, over the last axis."""
    if _one_plain_log(reward, propensity, target, clip):
        sums = _sums_in_blocks(reward, propensity, target, clip, normalise)
        if sums is not None:
            return sums
    reward, propensity = check_log(reward, propensity)
    xp = namespace(reward, propensity)
    weights = importance_weights(propensity, target=target, clip=clip)
    weights = xp.broadcast_to(weights, reward.shape)
    return xp.sum(reward * weights, axis=-1), xp.sum(weights, axis=-1) if normalise else weights


def _one_plain_log(reward: Array, propensity: Array, target: Real, clip: Real) -> bool:
    arrays = [x for x in (reward, propensity, target) if not isinstance(x, int | float)]
    return (
        all(type(x) is np.ndarray and x.dtype == np.float64 and x.ndim == 1 for x in arrays)
        and isinstance(clip, int | float)
        and len({x.shape for x in arrays}) == 1
        and arrays[0].size > 0
    )


def _sums_in_blocks(
    reward: np.ndarray, propensity: np.ndarray, target: np.ndarray | float, clip: float, normalise: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """The sums block by block, in a buffer that stays in the cache; None when something in the log is not legal.

    1/p ≥ 1 in every row, and a finite total, mean that every p lies in (0, 1] and every reward is finite: the checks
    cost one pass over the buffer. With a target of each row they cost one over p and one over the target instead: as
    bits, the floating-point numbers in [0, 1] are the integers up to those of 1.0.
    """
    rows = reward.shape[0]
    smallest, largest = np.minimum.reduce, np.maximum.reduce
    varied = target if isinstance(target, np.ndarray) else None
    scale = 1.0 if isinstance(target, np.ndarray) else target
    if not (0.0 <= scale <= 1.0 and 0.0 <= clip <= 1.0):
        return None
    if clip > 0.0 and not smallest(propensity) > 0.0:
        return None
    buffer = np.empty(min(BLOCK, rows))
    total = weight = 0.0
    with np.errstate(all="ignore"):
        for start in range(0, rows, BLOCK):
            p = propensity[start : start + BLOCK]
            w = buffer[: p.shape[0]]
            kept = np.maximum(p, clip, out=w) if clip > 0.0 else p
            if varied is None:
                np.divide(1.0, kept, out=w)
                if not smallest(w) >= 1.0:
                    return None
            else:
                q = varied[start : start + BLOCK]
                if not max(largest(p.view(np.uint64)), largest(q.view(np.uint64))) <= ONE:
                    return None
                np.divide(q, kept, out=w)
            total += reward[start : start + BLOCK].dot(w)
            if normalise:
                weight += np.add.reduce(w)
    if not (np.isfinite(total) and np.isfinite(weight)):
        return None
    return np.asarray(total * scale), np.asarray(weight * scale)
