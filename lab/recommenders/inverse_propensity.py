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

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_finite,
    check_last_axis,
    check_positive,
    check_same_shape,
    floats,
    namespace,
)
from lab.recommenders.propensity import clip_propensity

ONE = np.float64(1.0).view(np.uint64)
BLOCK = 2**17  # rows handled at once: their 1 MiB of weights stays in the cache; shorter blocks pay for their loop
SHORT = 2**12  # rows of one dot product


def importance_weights(propensity: Real, *, target: Real = 1.0, clip: Real = 0.0) -> Float[Array, "..."]:
    r"""$w = q/\max(p, M)$. Raises ValueError unless 0 < propensity ≤ 1, 0 ≤ target ≤ 1, 0 ≤ clip ≤ 1 and the shapes
    broadcast."""
    check_broadcast(propensity=propensity, target=target, clip=clip)
    check_between(0.0, 1.0, target=target)
    propensity, target, clip = floats(propensity, target, clip)
    return target / clip_propensity(propensity, clip=clip)


def inverse_propensity_mean(
    reward: Float[Array, "... rows"], propensity: Float[Array, "..."], *, target: Real = 1.0, clip: Real = 0.0
) -> Float[Array, "..."]:
    r"""$n^{-1}\sum_i r_i w_i$: unbiased for the mean reward without a clip, biased towards 0 with one.

    Raises ValueError for an empty log, shapes that differ, a target or clip that is neither a number nor spreads over
    the log, non-finite rewards, propensities outside (0, 1], and targets or clips outside [0, 1].
    """
    total, _, rows = _sums(reward, propensity, target, clip)
    return total / rows


def self_normalised_mean(
    reward: Float[Array, "... rows"], propensity: Float[Array, "..."], *, target: Real = 1.0, clip: Real = 0.0
) -> Float[Array, "..."]:
    r"""$\sum_i r_i w_i / \sum_i w_i$: a weighted mean, inside the range of the rewards; biased, consistent without a
    clip.

    Raises ValueError as `inverse_propensity_mean`, and where all weights are 0.
    """
    total, weight, _ = _sums(reward, propensity, target, clip, normalise=True)
    check_positive(**{"sum of the weights": weight})
    return total / weight


def effective_sample_size(weights: Float[Array, "... rows"]) -> Float[Array, "..."]:
    r"""$(\sum w)^2/\sum w^2$: the number of equally weighted rows that would vary as little.

    Raises ValueError for weights that are negative or not finite, for none of them, and where all are 0.
    """
    check_last_axis("rows", weights=weights)
    check_between(0.0, float("inf"), weights=weights)
    check_finite(weights=weights)
    (weights,) = floats(weights)
    xp = namespace(weights)
    largest = xp.max(weights, axis=-1, keepdims=True)
    check_positive(**{"largest weight": largest})
    relative = weights / largest
    return xp.sum(relative, axis=-1) ** 2 / xp.sum(relative**2, axis=-1)


def check_log(reward: Array, propensity: Array, *, target: Real = 1.0, clip: Real = 0.0) -> tuple[Array, ...]:
    """All four as floating-point arrays of one library. Raises ValueError as `inverse_propensity_mean`."""
    check_last_axis("rows", reward=reward)
    check_same_shape(reward=reward, propensity=propensity)
    check_broadcast(reward=reward, target=target, clip=clip)
    check_finite(reward=reward)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    check_between(0.0, 1.0, target=target, clip=clip)
    reward, propensity, target, clip = floats(reward, propensity, target, clip)
    for name, x in (("target", target), ("clip", clip)):
        if np.broadcast_shapes(tuple(reward.shape), tuple(x.shape)) != tuple(reward.shape):
            raise ValueError(f"{name} has {tuple(x.shape)}: must spread over the log's {tuple(reward.shape)}")
    return reward, propensity, target, clip


def _sums(
    reward: Array, propensity: Array, target: Real, clip: Real, *, normalise: bool = False
) -> tuple[Array, Array, int]:
    """Σ r w, Σ w when it is asked for, over the last axis, and its length."""
    if _one_plain_log(reward, propensity, target, clip):
        sums = _sums_in_blocks(reward, propensity, target, clip, normalise)
        if sums is not None:
            return (*sums, reward.shape[0])
    reward, propensity, target, clip = check_log(reward, propensity, target=target, clip=clip)
    xp = namespace(reward)
    weights = xp.broadcast_to(importance_weights(propensity, target=target, clip=clip), reward.shape)
    return xp.sum(reward * weights, axis=-1), xp.sum(weights, axis=-1) if normalise else weights, reward.shape[-1]


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

    As bits, the floating-point numbers in [0, 1] are the integers up to those of 1.0: the checks cost one pass over p
    and one over a target of each row. A propensity of 0 and a reward that is not finite show in the total.
    """
    varied = target if isinstance(target, np.ndarray) else None
    scale = 1.0 if isinstance(target, np.ndarray) else target
    if not (0.0 <= scale <= 1.0 and 0.0 <= clip <= 1.0):
        return None
    buffer = np.empty(min(BLOCK, reward.shape[0]))
    total = weight = 0.0
    with np.errstate(all="ignore"):
        for start in range(0, reward.shape[0], BLOCK):
            part = slice(start, start + BLOCK)
            p, r, q = propensity[part], reward[part], 1.0 if varied is None else varied[part]
            w = buffer[: p.shape[0]]
            kept = np.maximum(p, clip, out=w) if clip > 0.0 else p
            if varied is None and not normalise:
                total += np.einsum("i->", np.divide(r, kept, out=w))  # faster than a pairwise sum; blocks are short
            else:
                total += _dot(r, np.divide(q, kept, out=w))
                weight += np.einsum("i->", w) if normalise else 0.0
            legal: list[Any] = [p] if varied is None else [p, q]  # by now in the cache
            if not all(np.maximum.reduce(x.view(np.uint64)) <= ONE for x in legal):
                return None
            if clip > 0.0 and not np.minimum.reduce(p) > 0.0:
                return None
    if not (np.isfinite(total) and np.isfinite(weight)):
        return None
    return np.asarray(total * scale), np.asarray(weight * scale)


def _dot(x: np.ndarray, y: np.ndarray) -> float:
    """Σ x y, in rows so short that no BLAS starts threads for them: on a busy machine those wait for each other."""
    whole = x.shape[0] // SHORT * SHORT
    rows = np.vecdot(x[:whole].reshape(-1, SHORT), y[:whole].reshape(-1, SHORT))
    return float(np.add.reduce(rows) + np.vecdot(x[whole:], y[whole:]))
