"""What the click losses do to a trained recommender: `mnar-clipped`, C7 and C9, on made-up ratings and on MovieLens.

Theory is about a loss at a fixed prediction; these checks train. Made-up worlds (lab/recommenders/ratings.py) are
independent of each other: a world is one observation, and a claim is about most worlds. MovieLens is one world: its
943 people are the observations, given the trained models. Both compare by signs, because a trained log loss has no
upper bound: a weight Y/θ > 1 makes a clicked pair's loss unbounded below.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from lab.datasets.movielens import MOVIELENS, movielens
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import Mean, equal, mean_at_least
from lab.recommenders.factorisation import Factors, fit_batches, fit_dense, scores, start, value
from lab.recommenders.losses import clipped
from lab.recommenders.metrics import dcg
from lab.recommenders.ratings import Ratings, draw_events, ratings
from lab.recommenders.semi_synthetic import semi_synthetic

NAIVE, UNBIASED = 1.0, 0.0  # the two ends of the clip
WORLDS = 40  # a chunk, trained together: enough to decide when nearly all of them agree
STEPS = 100  # of the design's 300: on click losses the best validation loss comes before the 60th
worlds = ratings(64, 64)


def train(world: Ratings, rng: np.random.Generator, models: list[tuple[float, float]]) -> np.ndarray:
    """Scores of the models (power, clip), trained on one draw of clicks, one start and one validation set a world.

    Shape (models, worlds, users, items); models of one world differ in their targets alone.
    """
    count, users, items = world.relevance.shape
    events = draw_events(rng, world.relevance)
    held_out = (rng.random(world.relevance.shape) < 0.1).astype(np.float32)
    starts = [start(rng, users, items) for _ in range(count)]
    initial = Factors(*(np.stack(x) for x in zip(*starts, strict=True)))
    trained = {}
    for power, clip in dict.fromkeys(models):
        propensity = world.propensity(power)
        target = clipped(events.click(propensity), propensity, clip=clip).positive
        trained[power, clip] = np.asarray(scores(fit_dense(initial, target.astype(np.float32), held_out, steps=STEPS)))
    return np.stack([trained[model] for model in models])


def expected_loss(score: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """The log loss against the true relevance, over all pairs of a world, in nats."""
    return np.asarray(value(score.astype(np.float64), relevance)).mean(axis=(-2, -1))


def for_most(values: np.ndarray, **series: np.ndarray) -> Mean:
    """Won by more than half of the worlds or people, column by column; values are 0 or 1, or shares of replicates."""
    return mean_at_least(values, np.full(values.shape[-1], 0.5), low=0.0, high=1.0, series=series)


def mostly(*wins: np.ndarray) -> Mean:
    """The same from one array of wins a column."""
    return for_most(np.stack(wins, axis=-1).astype(float))


@evidence("mnar-clipped/unbiased-learns-better", kind="sampled", over=worlds, size=WORLDS)
def unbiased_wins(world: Ratings, draw: Draw, powers=(1.0, 4.0)):
    """Columns: the powers."""
    loss = expected_loss(train(world, draw.rng, [(p, c) for p in powers for c in (NAIVE, UNBIASED)]), world.relevance)
    return mostly(loss[0] > loss[1], loss[2] > loss[3])


unbiased_wins.control("power 0: everything is seen, all losses are one", powers=(0.0, 0.0))


@evidence("mnar-clipped/no-missing-no-difference", kind="exact", over=ratings(32, 32), size=8, rounding="declared")
def same_when_all_is_seen(world: Ratings, power=0.0, clip=0.1):
    """The trained models coincide bit for bit: with θ = 1 the three targets are one."""
    naive, unbiased, between = train(world, np.random.default_rng(7), [(power, c) for c in (NAIVE, UNBIASED, clip)])
    return equal(naive, unbiased, error=0.0), equal(naive, between, error=0.0)


same_when_all_is_seen.control("power 1: exposure is uneven, the models differ", power=1.0)


@evidence("mnar-clipped/loss-grows-with-power", kind="sampled", over=worlds, size=WORLDS)
def harder_when_uneven(world: Ratings, draw: Draw, powers=(0.5, 4.0)):
    """Columns: naive, unbiased. No power touches the oracle's γ: ratios to its loss compare as the losses do."""
    loss = expected_loss(train(world, draw.rng, [(p, c) for c in (NAIVE, UNBIASED) for p in powers]), world.relevance)
    return mostly(loss[1] > loss[0], loss[3] > loss[2])


harder_when_uneven.control("the same power twice", powers=(4.0, 4.0))


@evidence("mnar-clipped/clipping-helps-then-hurts", kind="sampled", over=worlds, size=WORLDS)
def clip_helps_then_hurts(world: Ratings, draw: Draw, powers=(1.0, 4.0), clip=0.2):
    """Columns: clipped at 0.2 beats unbiased at the first power, loses to it at the second."""
    loss = expected_loss(train(world, draw.rng, [(p, c) for p in powers for c in (clip, UNBIASED)]), world.relevance)
    return mostly(loss[0] < loss[1], loss[2] > loss[3])


clip_helps_then_hurts.control("the powers exchanged", powers=(4.0, 1.0))


# ── MovieLens ──

POWERS = (0.5, 1.0, 2.0, 3.0, 4.0)
FEW = (0.5, 1.0, 4.0)  # the quick profile's
CLIPS = {"naive": NAIVE, "unbiased": UNBIASED, "clipped": 0.01}
CUTOFF = 10
PUBLISHED = {  # log loss relative to the oracle's at POWERS, read off the published plot to ±0.0003
    "naive": (1.331, 1.446, 1.482, 1.487, 1.489),
    "unbiased": (1.001, 1.018, 1.096, 1.134, 1.343),
}


class Outcome(NamedTuple):
    """What one replicate leaves for each person: arrays (people,) of the oracle, and (powers, people) of the others,
    by name.

    loss: expected log loss over all films, the rarest and the commonest third; dcg: DCG@10 over all and over the
    rarest third.
    """

    loss: dict[str, np.ndarray]
    rare_loss: dict[str, np.ndarray]
    common_loss: dict[str, np.ndarray]
    dcg: dict[str, np.ndarray]
    rare_dcg: dict[str, np.ndarray]


@cache
def film_world() -> Ratings:
    """Relevance and exposure of every person and film."""
    return semi_synthetic(np.random.default_rng(0), *movielens())


@cache
def replicate(number: int, powers: tuple[float, ...] = POWERS) -> Outcome:
    """Draw clicks, train every model by the paper's protocol, and evaluate it."""
    world, rng = film_world(), np.random.default_rng([1, number])
    events = draw_events(rng, world.relevance)
    # Filled column by column: all tables at once in double precision would take three times the memory.
    target = np.empty((world.relevance.size, 1 + len(powers) * len(CLIPS)), np.float32)
    target[:, 0] = world.relevance.ravel()
    for i, power in enumerate(powers):
        propensity = world.propensity(power)
        click = events.click(propensity)
        for j, clip in enumerate(CLIPS.values()):
            target[:, 1 + i * len(CLIPS) + j] = clipped(click, propensity, clip=clip).positive.ravel()
    pairs, part = rng.permutation(len(target)).astype(np.int32), 2**12
    held_out, rest = np.split(pairs, [len(pairs) // 10 // part * part])
    batches = rest[rng.integers(len(rest), size=(1000, part))]
    models = fit_batches(start(rng, *world.relevance.shape), target, batches, held_out.reshape(-1, part))
    tables = evaluate(models, world, events.relevant, rng)
    names = list(CLIPS)
    return Outcome(*({"oracle": t[0]} | {n: t[1 + k :: len(names)] for k, n in enumerate(names)} for t in tables))


def evaluate(models: Factors, world: Ratings, relevant: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """The tables (models, people) of `Outcome`; DCG with the paper's discount, divided by the relevant films."""
    films = world.relevance.shape[1]
    order = np.argsort(world.exposure.mean(axis=0), kind="stable")
    rare, common = order[: films // 3], order[-(films // 3) :]
    # Candidates as in the protocol: the relevant films and about 100 others, the same for every model.
    listed = (relevant == 1) | (rng.random(relevant.shape) < 100 / films)
    lists = [candidates(listed), candidates(listed & np.isin(np.arange(films), rare))]
    gamma = world.relevance.astype(np.float32)
    found = []
    for users, items, bias in zip(*(np.asarray(x) for x in models), strict=True):
        score = scores(Factors(users, items, bias))
        losses = np.asarray(value(score, gamma))
        gains = []
        for at, real in lists:
            hit, rank_by = (np.take_along_axis(x, at, axis=1) for x in (relevant, score))
            gains.append(np.nan_to_num(dcg(hit, rank_by, listed=real, cutoff=CUTOFF, divisor="relevant")))
        found.append((losses.mean(axis=1), losses[:, rare].mean(axis=1), losses[:, common].mean(axis=1), *gains))
    return [np.stack(x) for x in zip(*found, strict=True)]


def candidates(listed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The listed films of each person, side by side: their numbers, and which places are real and not padding."""
    length = listed.sum(axis=1)
    at = np.argsort(~listed, axis=1, kind="stable")[:, : length.max()]
    return at, np.arange(at.shape[1]) < length[:, None]


def replicates(draw: Draw) -> tuple[list[Outcome], tuple[float, ...]]:
    """A profile's replicates and their powers. Their seeds are fixed: all checks of a process share them."""
    powers = POWERS if draw.size > 1 else FEW
    return [replicate(number, powers) for number in range(draw.size)], powers


def share(outcomes: list[Outcome], wins: Callable[[Outcome], np.ndarray]) -> np.ndarray:
    """For each person and column: in which share of the replicates the comparison is won. Shape (people, columns)."""
    return np.mean([wins(o) for o in outcomes], axis=0).T


def relative(outcomes: list[Outcome], table: str) -> dict[str, np.ndarray]:
    """For figures: means over people and replicates relative to the oracle's, with plain 95 % intervals over people."""
    people = {name: np.mean([getattr(o, table)[name] for o in outcomes], axis=0) for name in ("oracle", *CLIPS)}
    oracle = people["oracle"]
    found = {}
    for name in CLIPS:
        ratio = people[name].mean(axis=-1) / oracle.mean()
        spread = (people[name] - ratio[:, None] * oracle).std(axis=-1) / oracle.mean() / np.sqrt(len(oracle))
        found |= {name: ratio, f"{name}_low": ratio - 1.96 * spread, f"{name}_high": ratio + 1.96 * spread}
    return found


@evidence("mnar-clipped/unbiased-learns-better", kind="data", data=MOVIELENS, size=3)
def people_gain(draw: Draw, against="naive"):
    """Columns: powers. The person's expected log loss over all films is lower with the unbiased loss."""
    outcomes, powers = replicates(draw)
    wins = share(outcomes, lambda o: o.loss["unbiased"] < o.loss[against])
    published = {
        f"published_{name}": np.array([row[POWERS.index(p)] for p in powers]) for name, row in PUBLISHED.items()
    }
    return for_most(wins, powers=np.array(powers), **relative(outcomes, "loss"), **published)


people_gain.control("against the oracle, which trains on the true relevance", against="oracle")


@evidence("mnar-clipped/loss-grows-with-power", kind="data", data=MOVIELENS, size=3)
def people_lose(draw: Draw, ends=(0, -1)):
    """Columns: naive, unbiased. The person's loss is larger at p = 4 than at p = 0.5."""
    outcomes, _ = replicates(draw)
    low, high = ends
    return for_most(
        share(outcomes, lambda o: np.stack([o.loss[n][high] > o.loss[n][low] for n in ("naive", "unbiased")]))
    )


people_lose.control("the powers exchanged", ends=(-1, 0))


@evidence("mnar-clipped/clipping-hurts-on-films", kind="data", data=MOVIELENS, size=3)
def people_clipped(draw: Draw, column=-1):
    """At p = 4 nearly all propensities lie below the clip."""
    outcomes, _ = replicates(draw)
    return for_most(share(outcomes, lambda o: (o.loss["clipped"] > o.loss["unbiased"])[[column]]))


people_clipped.control("at p = 0.5 no propensity lies below the clip: the models are the same", column=0)


@evidence("mnar-clipped/rare-items-gain-more", kind="data", data=MOVIELENS, size=3)
def rare_gain(draw: Draw, exchanged=False):
    """Columns: powers. A person's log loss falls by a larger share on the rarest third of films than the commonest."""
    outcomes, powers = replicates(draw)

    def wins(o: Outcome) -> np.ndarray:
        rare, common = (1 - t["unbiased"] / t["naive"] for t in (o.rare_loss, o.common_loss))
        return common > rare if exchanged else rare > common

    series = {
        f"{part}_{name}": x for part in ("rare_loss", "common_loss") for name, x in relative(outcomes, part).items()
    }
    return for_most(share(outcomes, wins), powers=np.array(powers), **series)


rare_gain.control("the thirds exchanged", exchanged=True)


@evidence("mnar-clipped/rare-items-rank-better", kind="data", data=MOVIELENS, size=3)
def rare_ranking(draw: Draw, columns=(0, 1)):
    """Columns: p = 0.5 and 1. DCG@10 among the rarest third of films is higher with the unbiased loss."""
    outcomes, powers = replicates(draw)
    series = {f"{part}_{name}": x for part in ("dcg", "rare_dcg") for name, x in relative(outcomes, part).items()}
    wins = share(outcomes, lambda o: (o.rare_dcg["unbiased"] > o.rare_dcg["naive"])[list(columns)])
    return for_most(wins, powers=np.array(powers), **series)


rare_ranking.control("p = 4: too few clicks on rare films to rank them by", columns=(-1,))
