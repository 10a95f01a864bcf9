"""What the click losses do to a trained recommender in made-up worlds: `mnar-clipped`, C7 and C9.

Theory is about a loss at a fixed prediction; these checks train. Worlds (lab/recommenders/ratings.py: 150 users, 150
items) are independent of each other: a world is one observation, and a claim is about most worlds, by signs, because
a trained log loss has no upper bound: a weight Y/θ > 1 makes a clicked pair's loss unbounded below. All checks look
at the same worlds, so that each model is trained once.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from lab.inference.rates import median_interval
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import Mean, equal, mean_at_least
from lab.recommenders.factorisation import Factors, fit_dense, scores, start, value
from lab.recommenders.losses import Weights, clipped, exposure_mf, ideal, naive, unbiased
from lab.recommenders.propensity import exposure_posterior
from lab.recommenders.ratings import Events, Ratings, draw_events, ratings

WORLDS = 48  # a chunk, trained together: enough to decide when nearly all of them agree
POWERS = (0.5, 1.0, 2.0, 3.0, 4.0)
THIRD = 50  # items
STEPS, PATIENCE = 300, 60  # early stopping: the best validation loss mostly comes before the 60th step

# Weights of the local losses from clicks, propensities and relevances.
LOSSES: dict[str, Callable[..., Weights]] = {
    "oracle": lambda click, propensity, relevance: ideal(relevance),
    "naive": lambda click, propensity, relevance: naive(click),
    "unbiased": lambda click, propensity, relevance: unbiased(click, propensity),
    "clip 0.05": lambda click, propensity, relevance: clipped(click, propensity, clip=0.05),
    "clip 0.1": lambda click, propensity, relevance: clipped(click, propensity, clip=0.1),
    "ExpoMF": lambda click, propensity, relevance: exposure_mf(click, exposure_posterior(click, propensity, relevance)),
}


class Problem(NamedTuple):
    """Worlds with their events, the pairs held out (1 where one is), and a start: one of each for all models."""

    world: Ratings
    events: Events
    held_out: np.ndarray
    initial: Factors


def problem(world: Ratings, rng: np.random.Generator) -> Problem:
    """One draw of all that training needs besides the loss."""
    count, users, items = world.relevance.shape
    events = draw_events(rng, world.relevance)
    held_out = (rng.random(world.relevance.shape) < 0.1).astype(np.float32)
    starts = [start(rng, users, items) for _ in range(count)]
    return Problem(world, events, held_out, Factors(*(np.stack(x) for x in zip(*starts, strict=True))))


def train(given: Problem, loss: str, power: float, *, shuffled: bool = False) -> np.ndarray:
    """Scores (worlds, users, items) of the models trained on the clicks at a power.

    With `shuffled`, the loss is told the propensities of other pairs of the same world.
    """
    propensity = given.world.propensity(power)
    click = given.events.click(propensity)
    if shuffled:
        flat = propensity.reshape(len(propensity), -1)
        propensity = np.random.default_rng(0).permuted(flat, axis=1).reshape(propensity.shape)
    positive, negative = LOSSES[loss](click, propensity, given.world.relevance)
    weight = positive + negative
    target, weight = (x.astype(np.float32) for x in (positive / weight, weight))
    return np.asarray(scores(_fit(given.initial, target, given.held_out, weight)))


@jax.jit
def _fit(*models: Any) -> Factors:
    """One model after the other: what one needs stays in the cache."""
    return jax.lax.map(lambda model: fit_dense(*model[:3], weight=model[3], steps=STEPS, patience=PATIENCE), models)


def even(world: Ratings) -> Ratings:
    """The same worlds with the exposure of every pair made that of the mean pair."""
    mean = world.exposure.mean(axis=(-2, -1), keepdims=True)
    return Ratings(world.relevance, np.broadcast_to(mean, world.exposure.shape))


@cache
def worlds(chunk: int, variant: str = "") -> Problem:
    """The worlds of a chunk, as designed or with "even" exposure."""
    rng = np.random.default_rng([1909, 3601, chunk])
    world = ratings(150, 150).draw(rng, WORLDS)
    return problem(even(world) if variant == "even" else world, rng)


@cache
def _losses(chunk: int, loss: str, power: float, variant: str, shuffled: bool) -> tuple[np.ndarray, np.ndarray]:
    """`expected_loss` of one model of each world, against the relevance and against the probability of a click."""
    given = worlds(chunk, variant)
    score = train(given, loss, power, shuffled=shuffled)
    order = np.argsort(given.world.exposure.mean(axis=-2), axis=-1, kind="stable")

    def parts(target: np.ndarray) -> np.ndarray:
        by_item = np.take_along_axis(np.asarray(value(score, target)).mean(axis=-2), order, axis=-1)
        return np.stack([x.mean(axis=-1) for x in (by_item, by_item[:, :THIRD], by_item[:, -THIRD:])], axis=-1)

    relevance = given.world.relevance
    return parts(relevance), parts(relevance * given.world.propensity(power))


def expected_loss(
    chunk: int, loss: str, power: float, *, variant: str = "", shuffled: bool = False, by_clicks: bool = False
) -> np.ndarray:
    """Expected log loss in nats, worlds × (all items, the rarest third, the commonest third), against relevance.

    `by_clicks`: against the probability of a click instead, which is all that a log would show.
    """
    return _losses(chunk, loss, power, variant, shuffled)[by_clicks]


def overall(chunk: int, loss: str, power: float, **how: Any) -> np.ndarray:
    """The same over all items, one number a world."""
    return expected_loss(chunk, loss, power, **how)[:, 0]


def for_most(values: np.ndarray, **series: np.ndarray) -> Mean:
    """Won by more than half of the worlds or people, column by column; values are 0 or 1, or shares of replicates."""
    return mean_at_least(values, np.full(values.shape[-1], 0.5), low=0.0, high=1.0, series=series)


def mostly(wins: list[np.ndarray], **series: np.ndarray) -> Mean:
    """The same from one array of wins a column."""
    return for_most(np.stack(wins, axis=-1).astype(float), **series)


@cache
def curves() -> dict[str, np.ndarray]:
    """For the figure, of the first chunk: median over worlds of the loss relative to the oracle's, exact intervals."""
    oracle = overall(0, "oracle", 1.0)  # no power touches it
    found = {"powers": np.array(POWERS), "worlds": np.array(WORLDS)}
    for loss in ("naive", "unbiased", "clip 0.05", "clip 0.1"):
        ratio = np.stack([overall(0, loss, power) / oracle for power in POWERS])
        low, high = np.transpose([median_interval(row, alpha=0.05) for row in ratio])
        found |= {loss: np.median(ratio, axis=-1), f"{loss}_low": low, f"{loss}_high": high}
    return found


@evidence("mnar-clipped/unbiased-learns-better", kind="sampled", size=WORLDS)
def unbiased_wins(draw: Draw, powers=POWERS, shuffled=False):
    """Columns: the powers. The unbiased loss leaves a lower expected log loss than the naive one, trained alike."""
    wins = [overall(draw.chunk, "unbiased", p, shuffled=shuffled) < overall(draw.chunk, "naive", p) for p in powers]
    return mostly(wins, **({} if shuffled else curves()))


unbiased_wins.control(
    "at power 1, with the propensities of other pairs of the same world", powers=(1.0,), shuffled=True
)


@evidence("mnar-clipped/no-missing-no-difference", kind="exact", over=ratings(32, 32), size=8, rounding="declared")
def same_when_all_is_seen(world: Ratings, power=0.0):
    """The trained models coincide bit for bit: with θ = 1 the three targets are one."""
    given = problem(world, np.random.default_rng(7))
    first, *others = (train(given, loss, power) for loss in ("naive", "unbiased", "clip 0.1"))
    return tuple(equal(first, other, error=0.0) for other in others)


same_when_all_is_seen.control("power 1: exposure is uneven, the models differ", power=1.0)


@evidence("mnar-clipped/loss-grows-with-power", kind="sampled", size=WORLDS)
def harder_when_uneven(draw: Draw, by_clicks=False):
    """Columns: naive, unbiased. No power touches the oracle's γ: ratios to its loss compare as the losses do."""
    judged = {"by_clicks": by_clicks}
    return mostly(
        [
            overall(draw.chunk, loss, 4.0, **judged) > overall(draw.chunk, loss, 0.5, **judged)
            for loss in ("naive", "unbiased")
        ]
    )


harder_when_uneven.control("judged by the probability of a click, which is all that a log shows", by_clicks=True)


@evidence("mnar-clipped/clipping-helps-then-hurts", kind="sampled", size=WORLDS)
def clip_helps_then_hurts(draw: Draw, variant=""):
    """Columns: the clips 0.05 and 0.1 beat no clip at power 1; the clip 0.1 loses to it at power 4."""

    def gap(clip: str, power: float) -> np.ndarray:
        clipped_, unclipped = (overall(draw.chunk, loss, power, variant=variant) for loss in (clip, "unbiased"))
        return clipped_ - unclipped

    return mostly([gap("clip 0.05", 1.0) < 0, gap("clip 0.1", 1.0) < 0, gap("clip 0.1", 4.0) > 0])


clip_helps_then_hurts.control("exposure made even: at power 1 no propensity lies below the clip", variant="even")


def share_taken(losses: tuple[str, ...], *, power: float = 2.0) -> dict[str, np.ndarray]:
    """For the figure, of the first chunk: the share taken off the naive loss on the rarest and the commonest third."""
    base, found = expected_loss(0, "naive", power), {}
    for loss in losses:
        gain = 1.0 - (expected_loss(0, loss, power) / base)[:, 1:].T
        found[loss] = np.array([[np.median(row), *median_interval(row, alpha=0.05)] for row in gain])
    return found


def rare_gains(chunk: int, loss: str, *, power: float = 2.0, by_clicks: bool = False) -> np.ndarray:
    """Whether the loss takes a larger share off the naive one's log loss on the rarest third than on the commonest."""
    found, base = (expected_loss(chunk, name, power, by_clicks=by_clicks) for name in (loss, "naive"))
    _, rare, common = (1.0 - found / base).T
    return rare > common


@evidence("mnar-clipped/rare-items-gain-more-if-unrelated", kind="sampled", size=WORLDS)
def rare_third_gains(draw: Draw, by_clicks=False):
    """Columns: unbiased, clipped at 0.05, ExpoMF with the exact posterior; power 2."""
    losses = ("unbiased", "clip 0.05", "ExpoMF")
    return mostly([rare_gains(draw.chunk, loss, by_clicks=by_clicks) for loss in losses], **share_taken(losses))


rare_third_gains.control("judged by the probability of a click, which is all that a log shows", by_clicks=True)
