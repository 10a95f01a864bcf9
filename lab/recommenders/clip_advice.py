r"""Which clip to use for a log at hand: the plug-in minimum of the mean squared error, with its uncertainty.

The error of a clip is estimated from the log itself: the variance of the clipped terms, plus the square of the
estimated bias, less that estimate's own variance (else noise would pass for bias). The log is cut into contiguous
groups of rows, and resampling the groups shows how far the advice depends on which rows happened to be seen. What
the log has never seen, an item with a tiny propensity, it cannot warn of. Source: `mnar-clipped`, C5 and C6; the
estimate is derived here.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lab.arrays import check_between, check_finite, check_positive, check_same_shape


class ClipAdvice(NamedTuple):
    """The advised clip and the share of the mean squared error that it saves, with intervals, and the curve behind
    them."""

    clip: float
    clip_low: float
    clip_high: float
    saving: float
    saving_low: float
    saving_high: float
    clips: np.ndarray
    mean_squared_error: np.ndarray

    @property
    def worthwhile(self) -> bool:
        """Whether the log shows that the clip helps: the whole interval of the saving is positive."""
        return self.saving_low > 0.0


def advise_clip(
    reward: Float[np.ndarray, " rows"],
    propensity: Float[np.ndarray, "..."],
    rng: np.random.Generator,
    *,
    target: Float[np.ndarray, " rows"] | float = 1.0,
    candidates: int = 64,
    groups: int = 50,
    resamples: int = 400,
    level: float = 0.9,
) -> ClipAdvice:
    """The clip with the least estimated mean squared error among geometrically spaced candidates from min p (no
    clip) to 1.

    Cost: a few passes over the rows, whatever the number of candidates and resamples. Raises ValueError for fewer
    than two rows, shapes that differ, non-finite rewards, or propensities outside (0, 1].
    """
    check_same_shape(reward=reward, propensity=propensity)
    rows = reward.shape[0]
    if rows < 2:
        raise ValueError(f"reward has {rows} rows: advice on a clip needs at least 2")
    check_finite(reward=reward)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    check_between(0.0, 1.0, target=target)
    check_between(0.0, 1.0, open_low=True, open_high=True, level=level)
    check_positive(candidates=candidates, resamples=resamples)
    check_between(2.0, float("inf"), groups=groups)
    clips = np.geomspace(propensity.min(), 1.0, candidates)
    clips[0] = propensity.min()  # exactly: here nothing is clipped
    groups = min(groups, rows)
    sums, sizes = _sums(reward * target, propensity, clips, groups)
    error = _curve(sums.sum(axis=0), clips, rows)
    best = int(np.argmin(error))

    picks = rng.multinomial(groups, np.full(groups, 1.0 / groups), size=resamples)
    again = _curve(np.tensordot(picks, sums, axes=1), clips, (picks @ sizes)[:, None])
    chosen = clips[np.argmin(again, axis=-1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        saving = np.nan_to_num(1.0 - again[:, best] / again[:, 0], neginf=0.0)
        saved = float(np.nan_to_num(1.0 - error[best] / error[0], neginf=0.0))
    tails = [(1.0 - level) / 2, (1.0 + level) / 2]
    low, high = np.quantile(chosen, tails)
    saving_low, saving_high = np.quantile(saving, tails)
    return ClipAdvice(
        float(clips[best]), float(low), float(high), saved, float(saving_low), float(saving_high), clips, error
    )


def _sums(value: np.ndarray, propensity: np.ndarray, clips: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the rows of each group that start to be clipped at each candidate: of u, u², v, v², uv; u = v/p, v =
    rq.

    Shape (groups, 5, candidates + 1), and the number of rows of each group.
    """
    rows, bins = value.shape[0], clips.shape[0] + 1
    group = np.arange(rows) * groups // rows
    place = group * bins + np.searchsorted(clips, propensity, side="right")
    unclipped = value / propensity
    columns = (unclipped, unclipped**2, value, value**2, unclipped * value)
    sums = [np.bincount(place, weights=c, minlength=groups * bins).reshape(groups, bins) for c in columns]
    return np.stack(sums, axis=1), np.bincount(group, minlength=groups)


def _curve(sums: np.ndarray, clips: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
    """Estimated mean squared error at every candidate, from sums of shape (..., 5, candidates + 1)."""
    below = np.cumsum(sums, axis=-1)[..., :-1]  # rows whose p is less than the candidate: these are clipped
    total = sums.sum(axis=-1)[..., None]
    u, u2, v, v2, uv = (below[..., k, :] for k in range(5))
    mean = (total[..., 0, :] - u + v / clips) / rows
    square = (total[..., 1, :] - u2 + v2 / clips**2) / rows
    lost = (u - v / clips) / rows
    lost_square = (u2 - 2.0 * uv / clips + v2 / clips**2) / rows
    bias = np.maximum(lost**2 - (lost_square - lost**2) / (rows - 1), 0.0)
    return bias + np.maximum(square - mean**2, 0.0) / (rows - 1)
