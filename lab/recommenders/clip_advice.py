r"""Which clip to use for a log at hand: the plug-in minimum of the mean squared error, with its uncertainty.

The error of a clip is estimated from the log itself: the variance of the clipped terms, plus the square of the
estimated bias, less that estimate's own variance (else noise would pass for bias). The log is cut into contiguous
groups of rows, and resampling the groups shows how far the advice depends on which rows happened to be seen. What
the log has never seen, an item with a tiny propensity, it cannot warn of. Source: `mnar-clipped`, C5 and C6; the
estimate is derived here.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lab.arrays import Array, check_between, check_positive
from lab.recommenders.inverse_propensity import check_log


class ClipAdvice(NamedTuple):
    """The advised clip and the share of the mean squared error that it saves, with intervals, and the curve behind
    them."""

    clip: Float[Array, "..."]
    clip_low: Float[Array, "..."]
    clip_high: Float[Array, "..."]
    saving: Float[Array, "..."]
    saving_low: Float[Array, "..."]
    saving_high: Float[Array, "..."]
    clips: Float[Array, "... candidates"]
    mean_squared_error: Float[Array, "... candidates"]

    @property
    def worthwhile(self) -> Bool[Array, "..."]:
        """Whether the log shows that the clip helps: the whole interval of the saving is positive."""
        return self.saving_low > 0.0


def advise_clip(
    reward: Float[np.ndarray, "... rows"],
    propensity: Float[np.ndarray, "..."],
    rng: np.random.Generator,
    *,
    target: Float[np.ndarray, "..."] | float = 1.0,
    candidates: int = 64,
    groups: int = 50,
    resamples: int = 400,
    level: float = 0.9,
) -> ClipAdvice:
    """The clip with the least estimated mean squared error among geometrically spaced candidates from min p (no
    clip) to 1.

    Leading axes are independent logs, each with an advice and candidates of its own.

    Cost: a few passes over the rows, whatever the number of candidates and resamples. Raises ValueError for a bad log
    as `inverse_propensity_mean`, for fewer than two rows or groups, no candidate or resample, and a level outside
    (0, 1).
    """
    reward, propensity, target, _ = check_log(reward, propensity, target=target)
    rows = reward.shape[-1]
    if rows < 2:
        raise ValueError("reward has 1 row: advice on a clip needs at least 2")
    check_between(0.0, 1.0, open_low=True, open_high=True, level=level)
    check_positive(candidates=candidates, resamples=resamples)
    check_between(2.0, float("inf"), groups=groups)
    smallest = propensity.min(axis=-1)
    clips = np.geomspace(smallest, 1.0, candidates, axis=-1)
    clips[..., 0] = smallest  # exactly: here nothing is clipped
    groups = min(groups, rows)
    sums, sizes = _sums(reward * target, propensity, clips, groups)
    error = _curve(sums.sum(axis=-2), clips, rows)
    best = np.argmin(error, axis=-1, keepdims=True)

    picks = rng.multinomial(groups, np.full(groups, 1.0 / groups), size=(*smallest.shape, resamples))
    again = _curve(picks @ sums, clips[..., None, :], (picks @ sizes)[..., None])
    chosen = np.take_along_axis(clips, np.argmin(again, axis=-1), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        at_best = np.take_along_axis(again, best[..., None], axis=-1)[..., 0]
        saving = np.nan_to_num(1.0 - at_best / again[..., 0], neginf=0.0)
        saved = np.nan_to_num(1.0 - error.min(axis=-1) / error[..., 0], neginf=0.0)
    clip = np.take_along_axis(clips, best, axis=-1)[..., 0]
    tails = [(1.0 - level) / 2, (1.0 + level) / 2]
    low, high = np.quantile(chosen, tails, axis=-1)
    saving_low, saving_high = np.quantile(saving, tails, axis=-1)
    return ClipAdvice(clip, low, high, saved, saving_low, saving_high, clips, error)


def _sums(value: np.ndarray, propensity: np.ndarray, clips: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the rows of each group that start to be clipped at each candidate: of u, u², v, v², uv; u = v/p, v =
    rq.

    Shape (5, ..., groups, candidates + 1), and the number of rows of each group.
    """
    rows, bins = value.shape[-1], clips.shape[-1] + 1
    logs = zip(clips.reshape(-1, bins - 1), propensity.reshape(-1, rows), strict=True)
    start = np.ravel([np.searchsorted(c, p, side="right") for c, p in logs])
    group = np.arange(value.size) * groups // rows  # numbered on from log to log
    place, places = group * bins + start, value.size // rows * groups * bins
    unclipped = value / propensity
    columns = (unclipped, unclipped**2, value, value**2, unclipped * value)
    sums = [np.bincount(place, weights=c.ravel(), minlength=places) for c in columns]
    return np.reshape(sums, (5, *value.shape[:-1], groups, bins)), np.bincount(group[:rows], minlength=groups)


def _curve(sums: np.ndarray, clips: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
    """Estimated mean squared error at every candidate, from sums of shape (5, ..., candidates + 1)."""
    # Over the rows whose p is less than the candidate: these are clipped.
    u, u2, v, v2, uv = np.cumsum(sums, axis=-1)[..., :-1]
    total, total2 = sums[:2].sum(axis=-1, keepdims=True)
    mean = (total - u + v / clips) / rows
    square = (total2 - u2 + v2 / clips**2) / rows
    lost = (u - v / clips) / rows
    lost_square = (u2 - 2.0 * uv / clips + v2 / clips**2) / rows
    bias = np.maximum(lost**2 - (lost_square - lost**2) / (rows - 1), 0.0)
    return bias + np.maximum(square - mean**2, 0.0) / (rows - 1)
