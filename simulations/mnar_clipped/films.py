"""What the click losses do to a recommender trained on MovieLens by the paper's protocol: `mnar-clipped`, C7 and C9.

MovieLens is one world: its 943 people are the observations, given the trained models, and a claim is about most of
them, by signs (`simulations.mnar_clipped.learning` says why).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from lab.datasets.movielens import MOVIELENS, movielens
from lab.ledger.evidence import Draw, evidence
from lab.recommenders.factorisation import Factors, fit_batches, scores, start, value
from lab.recommenders.losses import clipped
from lab.recommenders.metrics import dcg
from lab.recommenders.ratings import Ratings, draw_events
from lab.recommenders.semi_synthetic import semi_synthetic
from simulations.mnar_clipped.learning import for_most, mostly, rare_gains

POWERS = (0.5, 1.0, 2.0, 3.0, 4.0)
FEW = (0.5, 1.0, 4.0)  # the quick profile's
CLIPS = {"naive": 1.0, "unbiased": 0.0, "clipped": 0.01}
CUTOFF = 10
PUBLISHED = {  # log loss relative to the oracle's at POWERS, read off the published plot to ±0.0003
    "naive": (1.331, 1.446, 1.482, 1.487, 1.489),
    "unbiased": (1.001, 1.018, 1.096, 1.134, 1.343),
}


class Outcome(NamedTuple):
    """What one replicate leaves for each person: arrays (people,) of the oracle, and (powers, people) of the others,
    by name.

    loss: expected log loss over all films, the rarest and the commonest third; click_loss: over all films, against the
    probability of a click and not of relevance; dcg: DCG@10 over all and over the rarest third.
    """

    loss: dict[str, np.ndarray]
    rare_loss: dict[str, np.ndarray]
    common_loss: dict[str, np.ndarray]
    click_loss: dict[str, np.ndarray]
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
    names = list(CLIPS)
    tables = evaluate(models, (0.0, *np.repeat(powers, len(names))), world, events.relevant, rng)
    return Outcome(*({"oracle": t[0]} | {n: t[1 + k :: len(names)] for k, n in enumerate(names)} for t in tables))


def evaluate(
    models: Factors, powers: tuple[float, ...], world: Ratings, relevant: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """The tables (models, people) of `Outcome`, for models with these powers of exposure.

    DCG with the paper's discount, divided by the relevant films.
    """
    films = world.relevance.shape[1]
    order = np.argsort(world.exposure.mean(axis=0), kind="stable")
    rare, common = order[: films // 3], order[-(films // 3) :]
    # Candidates as in the protocol: the relevant films and about 100 others, the same for every model.
    listed = (relevant == 1) | (rng.random(relevant.shape) < 100 / films)
    lists = [candidates(listed), candidates(listed & np.isin(np.arange(films), rare))]
    gamma = world.relevance.astype(np.float32)
    found = []
    for power, users, items, bias in zip(powers, *(np.asarray(x) for x in models), strict=True):
        score = scores(Factors(users, items, bias))
        losses = np.asarray(value(score, gamma))
        unseen = np.mean(gamma * (1.0 - world.propensity(power).astype(np.float32)) * score, axis=1)
        gains = []
        for at, real in lists:
            hit, rank_by = (np.take_along_axis(x, at, axis=1) for x in (relevant, score))
            gains.append(np.nan_to_num(dcg(hit, rank_by, listed=real, cutoff=CUTOFF, divisor="relevant")))
        mean = losses.mean(axis=1)
        found.append((mean, *(losses[:, part].mean(axis=1) for part in (rare, common)), mean + unseen, *gains))
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
    published = {f"published_{name}": np.array(row) for name, row in PUBLISHED.items()}
    series = {"powers": np.array(powers), "published_powers": np.array(POWERS)} | relative(outcomes, "loss")
    return for_most(wins, **series, **published)


people_gain.control("against the oracle, which trains on the true relevance", against="oracle")


@evidence("mnar-clipped/loss-grows-with-power", kind="data", data=MOVIELENS, size=3)
def people_lose(draw: Draw, table="loss"):
    """Columns: naive, unbiased. The person's loss is larger at p = 4 than at p = 0.5."""
    outcomes, _ = replicates(draw)

    def wins(o: Outcome) -> np.ndarray:
        return np.stack([getattr(o, table)[name][-1] > getattr(o, table)[name][0] for name in ("naive", "unbiased")])

    return for_most(share(outcomes, wins))


people_lose.control("judged by the probability of a click, which is all that a log shows", table="click_loss")


@evidence("mnar-clipped/clipping-hurts-on-films", kind="data", data=MOVIELENS, size=3)
def people_clipped(draw: Draw, against="unbiased"):
    """At p = 4 nearly all propensities lie below the clip."""
    outcomes, _ = replicates(draw)
    return for_most(share(outcomes, lambda o: (o.loss["clipped"] > o.loss[against])[[-1]]))


people_clipped.control("against the naive loss, which clips everything", against="naive")


@evidence("mnar-clipped/rare-items-gain-more", kind="data", data=MOVIELENS, size=3)
def rare_gain(draw: Draw, made_up=False):
    """Columns: powers. A person's log loss falls by a larger share on the rarest third of films than the commonest."""
    if made_up:
        return mostly([rare_gains(0, "unbiased")])
    outcomes, powers = replicates(draw)

    def wins(o: Outcome) -> np.ndarray:
        rare, common = (1 - t["unbiased"] / t["naive"] for t in (o.rare_loss, o.common_loss))
        return rare > common

    series = {
        f"{part}_{name}": x for part in ("rare_loss", "common_loss") for name, x in relative(outcomes, part).items()
    }
    return for_most(share(outcomes, wins), powers=np.array(powers), **series)


rare_gain.control("in 48 made-up worlds, where good items are not shown more often", made_up=True)


@evidence("mnar-clipped/clip-moves-loss-to-common-films", kind="data", data=MOVIELENS, size=3)
def thirds_under_a_clip(draw: Draw, power=1.0):
    """Columns: at p = 1 the clipped loss is lower on the rarest third of films, and higher on the commonest."""
    outcomes, powers = replicates(draw)
    at = powers.index(power)

    def wins(o: Outcome) -> np.ndarray:
        rare, common = (t["clipped"][at] - t["unbiased"][at] for t in (o.rare_loss, o.common_loss))
        return np.stack([rare < 0, common > 0])

    return for_most(share(outcomes, wins))


thirds_under_a_clip.control("p = 4: nearly every propensity is clipped, and both thirds lose", power=4.0)


@evidence("mnar-clipped/unbiased-ranks-better", kind="data", data=MOVIELENS, size=3)
def all_ranking(draw: Draw, table="dcg"):
    """Columns: powers. The person's DCG@10 among all films is higher with the unbiased loss."""
    outcomes, _ = replicates(draw)
    return for_most(share(outcomes, lambda o: getattr(o, table)["unbiased"] > getattr(o, table)["naive"]))


all_ranking.control("among the rarest third alone: at p = 4 too few clicks to rank them by", table="rare_dcg")


@evidence("mnar-clipped/rare-items-rank-better", kind="data", data=MOVIELENS, size=3)
def rare_ranking(draw: Draw, columns=(0, 1)):
    """Columns: p = 0.5 and 1. DCG@10 among the rarest third of films is higher with the unbiased loss."""
    outcomes, powers = replicates(draw)
    series = {f"{part}_{name}": x for part in ("dcg", "rare_dcg") for name, x in relative(outcomes, part).items()}
    wins = share(outcomes, lambda o: (o.rare_dcg["unbiased"] > o.rare_dcg["naive"])[list(columns)])
    return for_most(wins, powers=np.array(powers), **series)


rare_ranking.control("p = 4: too few clicks on rare films to rank them by", columns=(-1,))
