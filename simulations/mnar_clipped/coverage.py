"""Intervals around clipped estimates from logged data: which of them cover the truth, and the clip chosen from a
log."""

import numpy as np

from lab.ledger.evidence import evidence
from lab.ledger.findings import mean_at_least
from lab.recommenders.clip_advice import advise_clip
from lab.recommenders.intervals import honest_interval, normal_interval
from lab.recommenders.logs import Log

ITEMS = 20
_rank = np.arange(1, ITEMS + 1)
# The less an item is shown the more it is liked: what a clip takes away is not like what it leaves.
steep = Log(propensity=_rank**-2.0 / np.sum(_rank**-2.0), relevance=0.1 + 0.4 * _rank / ITEMS)
even = Log(propensity=np.full(ITEMS, 1.0 / ITEMS), relevance=steep.relevance)

CLIP, ROWS, FEW_ROWS = 0.02, 1000, 100
NOMINAL, LEAST = 0.95, 0.9


def _covered(world: Log, draw, truth, *, clip: float, rows: int) -> np.ndarray:
    """Whether the usual interval covers the truth, for each of `draw.size` logs."""
    reward, propensity = world.sample(draw.rng, draw.size, rows)
    found = normal_interval(reward, propensity, target=world.target, clip=clip, level=NOMINAL)
    return ((found.low <= truth) & (truth <= found.high)).astype(float)


@evidence("mnar-clipped/normal-interval-covers-truth", kind="sampled", over=steep, size=2**10)
def usual_interval_of_a_clipped_estimate(world: Log, draw, clip=CLIP):
    """Logs of 1000 rows: does mean ± 1.96 standard errors of the clipped terms cover the true mean reward?"""
    covered = _covered(world, draw, world.mean_reward, clip=clip, rows=ROWS)
    return mean_at_least(covered, LEAST, low=0.0, high=1.0)


usual_interval_of_a_clipped_estimate.control("all items are shown equally often: the clip never binds", over=even)


@evidence("mnar-clipped/normal-interval-covers-clipped-mean", kind="sampled", over=steep, size=2**10)
def usual_interval_and_the_clipped_mean(world: Log, draw, around=None):
    """The same intervals, against the exact expectation of the clipped terms; coverage by clip goes to the figure."""
    clipped_mean, _ = world.term_moments(CLIP)
    truth = clipped_mean if around is None else around
    covered = _covered(world, draw, truth, clip=CLIP, rows=ROWS)
    clips = np.geomspace(world.propensity.min(), 0.3, 10)
    few = type(draw)(draw.seed, draw.chunk, draw.size // 4, draw.alpha)
    of_truth = [np.mean(_covered(world, few, world.mean_reward, clip=clip, rows=ROWS)) for clip in clips]
    of_clipped = [np.mean(_covered(world, few, world.term_moments(clip)[0], clip=clip, rows=ROWS)) for clip in clips]
    return mean_at_least(
        covered, LEAST, low=0.0, high=1.0,
        series={"clip": clips, "covers_truth": np.array(of_truth), "covers_clipped_mean": np.array(of_clipped),
                "logs": np.array(few.size)},
    )  # fmt: skip


usual_interval_and_the_clipped_mean.control("around the true mean reward", around=lambda world: world.mean_reward)


@evidence("mnar-clipped/normal-interval-unclipped-covers", kind="sampled", over=steep, size=2**11)
def usual_interval_without_a_clip(world: Log, draw):
    """Logs of 100 rows, no clip: most have never shown the rarest items, and know nothing of their own variance."""
    covered = _covered(world, draw, world.mean_reward, clip=0.0, rows=FEW_ROWS)
    return mean_at_least(covered, LEAST, low=0.0, high=1.0)


usual_interval_without_a_clip.control("all items are shown equally often", over=even)


@evidence("mnar-clipped/honest-interval-covers", kind="sampled", over=steep, size=64)
def betting_interval(world: Log, draw, shift=0.0):
    """Logs of 100 rows without a clip and of 1000 rows with one: do the betting bounds cover the true mean reward?"""
    truth = world.mean_reward + shift
    columns = []
    for rows, clip in ((FEW_ROWS, 0.0), (ROWS, CLIP)):
        reward, propensity = world.sample(draw.rng, draw.size, rows)
        found = [
            honest_interval(r, p, target=world.target, clip=clip, level=NOMINAL)
            for r, p in zip(reward, propensity, strict=True)
        ]
        columns.append([interval.low <= truth <= interval.high for interval in found])
    return mean_at_least(np.array(columns, dtype=float).T, NOMINAL, low=0.0, high=1.0, series={"clip": np.array(CLIP)})


betting_interval.control("the log was filled by other users: those in question like all items 0.5 more", shift=0.5)


@evidence("mnar-clipped/plug-in-clip", kind="sampled", over=steep, size=256)
def clip_from_the_log(world: Log, draw, tuned_on=1.0):
    """The advised clip of each log, judged by the exact mean squared error of the estimator that uses it.

    A log scores the share that its clip realises of what the best clip saves; whatever is worse than −1 counts as −1.
    """
    rng = draw.rng
    reward, propensity = world.sample(rng, draw.size, ROWS)
    rows = int(ROWS * tuned_on)
    unclipped = world.mean_squared_error(0.0, ROWS)
    clips = np.geomspace(world.propensity.min(), 1.0, 300)
    least = min(world.mean_squared_error(clip, ROWS) for clip in clips)
    shares = []
    for r, p in zip(reward[:, :rows], propensity[:, :rows], strict=True):
        advice = advise_clip(r, p, rng, target=world.target, resamples=1)
        saved = unclipped - world.mean_squared_error(advice.clip, ROWS)
        shares.append(np.clip(saved / (unclipped - least), -1.0, 1.0))
    return mean_at_least(shares, 0.25, low=-1.0, high=1.0)


clip_from_the_log.control("tuned on the first tenth of the log", tuned_on=0.1)
