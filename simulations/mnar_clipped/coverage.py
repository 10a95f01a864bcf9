"""Intervals around clipped estimates from logged data: which of them cover the truth, and the clip chosen from a
log."""

import numpy as np

from lab.ledger.evidence import evidence
from lab.ledger.findings import mean_at_least, mean_equals
from lab.recommenders.clip_advice import advise_clip
from lab.recommenders.intervals import honest_interval, normal_interval
from lab.recommenders.inverse_propensity import inverse_propensity_mean
from lab.recommenders.logs import Log

ITEMS = 20
_rank = np.arange(1, ITEMS + 1)
# The less an item is shown the more it is liked: what a clip takes away is not like what it leaves.
steep = Log(propensity=_rank**-2.0 / np.sum(_rank**-2.0), relevance=0.1 + 0.4 * _rank / ITEMS)
even = Log(propensity=np.full(ITEMS, 1.0 / ITEMS), relevance=steep.relevance)

CLIP, ROWS, FEW_ROWS = 0.02, 1000, 100
NOMINAL, LEAST = 0.95, 0.9


def _covered(world: Log, draw, truth, *, clip: float, rows: int, interval=normal_interval) -> np.ndarray:
    """Whether the interval covers the truth, for each of `draw.size` logs."""
    reward, propensity = world.sample(draw.rng, draw.size, rows)
    found = interval(reward, propensity, target=world.target, clip=clip, level=NOMINAL)
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
    covered = [
        _covered(world, draw, truth, clip=clip, rows=rows, interval=honest_interval)
        for rows, clip in ((FEW_ROWS, 0.0), (ROWS, CLIP))
    ]
    values = np.stack(covered, axis=-1)
    return mean_at_least(values, NOMINAL, low=0.0, high=1.0, series={"clip": np.array(CLIP)})


betting_interval.control("the log was filled by other users: those in question like all items 0.5 more", shift=0.5)


@evidence("mnar-clipped/plug-in-clip", kind="sampled", over=steep, size=256)
def clip_from_the_log(world: Log, draw, tuned_on=1.0):
    """The advised clip of each log, judged by the exact mean squared error of the estimator that uses it.

    A log scores the share that its clip realises of what the best clip saves; whatever is worse than −1 counts as −1.
    """
    rng = draw.rng
    reward, propensity = (column[:, : int(ROWS * tuned_on)] for column in world.sample(rng, draw.size, ROWS))
    advice = advise_clip(reward, propensity, rng, target=world.target, resamples=1)
    unclipped = world.mean_squared_error(0.0, ROWS)
    clips = np.geomspace(world.propensity.min(), 1.0, 300)
    least = np.min(world.mean_squared_error(clips[:, None], ROWS))
    saved = unclipped - world.mean_squared_error(advice.clip[:, None], ROWS)
    return mean_at_least(np.clip(saved / (unclipped - least), -1.0, 1.0), 0.25, low=-1.0, high=1.0)


clip_from_the_log.control("tuned on the first tenth of the log", tuned_on=0.1)


@evidence("mnar-clipped/log-mean-expectation", kind="sampled", over=steep, size=2**12)
def means_of_logs(world: Log, draw, assumed_power=1.0):
    """Logs of 100 rows: the mean of r q/p over logs, and of r q/max(p, 0.02), against their exact expectations."""
    reward, propensity = world.sample(draw.rng, draw.size, FEW_ROWS)
    means = [
        inverse_propensity_mean(reward, propensity**assumed_power, target=world.target, clip=clip)
        for clip in (0.0, CLIP)
    ]
    expected = np.array([world.mean_reward, world.term_moments(CLIP)[0]])
    largest = world.target / np.array([world.propensity.min(), CLIP])
    return mean_equals(np.stack(means, axis=-1), expected, within=0.05, low=0.0, high=largest)


means_of_logs.control("the square roots of the propensities are assumed", assumed_power=0.5)
