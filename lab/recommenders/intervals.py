r"""Intervals for a mean reward estimated from a log: the usual one, and one that may be trusted.

`normal_interval` covers the mean of the *clipped* terms, which is not the mean reward; and without a clip it fails as
long as the log has not seen its largest weights. `honest_interval` covers the mean reward at every number of rows,
clipped or not. Source: derived; the bounds are those of `lab.inference.betting`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from lab.arrays import Array, Real, check_between, namespace
from lab.inference import betting
from lab.inference.sketch import CAPACITY, Sketch
from lab.recommenders.inverse_propensity import check_log, importance_weights

IMPOSSIBLE = 1e-6  # how improbable the observed weights must be under a mean of 1 before they are refused


class ConfidenceInterval(NamedTuple):
    """Both ends of a confidence interval."""

    low: Float[Array, "..."] | float
    high: Float[Array, "..."] | float


def normal_interval(
    reward: Float[Array, "... rows"],
    propensity: Float[Array, "..."],
    *,
    target: Real = 1.0,
    clip: Real = 0.0,
    level: float = 0.95,
) -> ConfidenceInterval:
    r"""$\bar x \pm z\,s/\sqrt n$ of the terms $x_i = r_i w_i$: the usual interval, for many rows and weights without
    a heavy tail.

    It is centred on the expectation of the clipped terms. With a clip that binds it misses the mean reward more
    surely the larger the log (`mnar-clipped/normal-interval-covers-truth` fails). Raises ValueError for a bad log as
    `inverse_propensity_mean`, for a level outside (0, 1), and for a single row, which says nothing of its own spread.
    """
    check_between(0.0, 1.0, open_low=True, open_high=True, level=level)
    reward, propensity, target, clip = check_log(reward, propensity, target=target, clip=clip)
    if reward.shape[-1] < 2:
        raise ValueError("reward has 1 row: a standard error needs at least 2")
    xp = namespace(reward)
    terms = reward * importance_weights(propensity, target=target, clip=clip)
    centre = xp.mean(terms, axis=-1)
    rows = terms.shape[-1]
    variance = xp.sum((terms - centre[..., None]) ** 2, axis=-1) / (rows - 1)
    reach = float(ndtri(0.5 + level / 2)) * xp.sqrt(variance / rows)
    return ConfidenceInterval(centre - reach, centre + reach)


def honest_interval(
    reward: Float[np.ndarray, "... rows"],
    propensity: Float[np.ndarray, "..."],
    *,
    target: Float[np.ndarray, "..."] | float,
    clip: float = 0.0,
    level: float = 0.95,
    reward_range: tuple[float, float] = (0.0, 1.0),
) -> ConfidenceInterval:
    r"""Interval for the mean reward itself, valid at every number of rows and for weights of any size.

    For rewards in [0, 1] a clip can only lower the mean of $r w$, so a lower bound for $E[r\,w_M]$ is one for
    $E[r w]$. And since $E[w] = 1$, the mean reward is $1 - E[(1-r)w] \le 1 - E[(1-r)w_M]$: a lower bound there gives
    the upper end, and the mass that the clip took away widens the interval by itself. Both bounds are betting bounds
    for means of non-negative numbers, each with error (1 − level)/2. `target` must be the probabilities of a policy
    that shows only what the log can show, so that the unclipped weights have mean 1. Leading axes are independent
    logs, each with an interval of its own.

    Raises ValueError for rewards outside their range, for a bad log as in `inverse_propensity_mean`, for a level
    outside (0, 1), and when the mean weight lies above 1 beyond doubt: then the propensities or targets are not
    probabilities of this log.
    """
    check_between(0.0, 1.0, open_low=True, open_high=True, level=level)
    low, high = reward_range
    if not low < high:
        raise ValueError(f"reward_range = {reward_range}: the first must be less than the second")
    reward, propensity, target, clip = check_log(reward, propensity, target=target, clip=clip)
    check_between(low, high, reward=reward)
    check_mean_weight(importance_weights(propensity, target=target))
    weights = importance_weights(propensity, target=target, clip=clip)
    gain = (reward - low) / (high - low)
    error = (1.0 - level) / 2
    floor = _least_mean(gain * weights, alpha=error)
    ceiling = 1.0 - _least_mean((1.0 - gain) * weights, alpha=error)
    # The two bounds hold together with probability `level`; should they cross, the data contradict the assumptions.
    return ConfidenceInterval(low + (high - low) * floor, low + (high - low) * ceiling)


def check_mean_weight(weights: Float[np.ndarray, "... rows"]) -> None:
    """Raise ValueError when unclipped importance weights have a mean above 1 beyond doubt (error 1e-6 a log)."""
    bound = _least_mean(weights, alpha=IMPOSSIBLE)
    beyond = bound > 1.0
    if np.any(beyond):
        raise ValueError(
            f"mean importance weight is {np.mean(weights[beyond][0]):g}, certainly above {bound[beyond][0]:g}: it must "
            "be 1; are propensity and target probabilities of the same choice?"
        )


def _least_mean(values: Float[np.ndarray, "... rows"], *, alpha: float) -> Float[np.ndarray, "..."]:
    """Betting bound from below for the mean of each sample of non-negative values."""
    samples = values.reshape(-1, values.shape[-1])
    return np.reshape([betting.lower_bound(_points(x), alpha=alpha) for x in samples], values.shape[:-1])


def _points(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative observations as few weighted points: equal ones together, and long samples as a sketch."""
    if len(values) <= CAPACITY:
        points, counts = np.unique(values, return_counts=True)
        return points, counts.astype(float)
    sketch = Sketch()
    sketch.add(values)
    return sketch.points()
