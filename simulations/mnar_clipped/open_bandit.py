"""Clipped inverse-propensity estimates on the Open Bandit sample, where the propensities are known: `mnar-clipped`,
checks A, B, C.

Thompson sampling chose the exposures; weights (1/K)/p carry them over to the uniform policy, so that their mean is
known to be 1 without looking at a single click. Clipping keeps p from below by M and pulls that mean down: a bias
that can be read off real data. The rows are a random subsample of a much larger log; in random order they are
independent draws from it.

What is and is not identified: the logs hold the probability of the item that was shown, not those of the others, so
the clipping bias (1/K)ΣE[p_a/max(p_a, M)] − 1 can be estimated but not computed; and without a bound on the weights
no sample bounds their mean from above. Statements about the weights therefore concern clipped ones, whose range is
known.
"""

from functools import cache

import numpy as np

from lab.datasets.open_bandit import CAMPAIGNS, OPEN_BANDIT, TICK, Log, open_bandit
from lab.inference.rounding import rounded
from lab.inference.sequential import MeanJudge
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import below, equal, mean_at_most, mean_equals
from lab.recommenders.clipping import clip_error, optimal_clip
from lab.recommenders.losses import clipped, ideal, local_losses, loss
from lab.recommenders.moments import clipped_bias, clipped_variance

ROWS = 10_000
CURVE = np.geomspace(1e-5, 0.1, 17)  # clips of the bias–variance curve


def logs(policy: str = "bts") -> list[Log]:
    """The logs of the three campaigns under one policy."""
    return [open_bandit(campaign, policy) for campaign in CAMPAIGNS]


def clipped_weight(log: Log, clip: float, propensity: np.ndarray | None = None) -> np.ndarray:
    """(1/K)/max(p, M): at most 1/(KM)."""
    p = log.propensity if propensity is None else propensity
    return 1 / (log.items * np.maximum(p, clip))


def ceiling(clip: float) -> np.ndarray:
    """The largest value of a clipped weight, campaign by campaign."""
    return np.array([1 / (log.items * clip) for log in logs()])


def honest(values: np.ndarray, low: float, high: float) -> list[float]:
    """Mean and 95 % interval for observations known to lie in [low, high], however skewed."""
    judge = MeanJudge(-np.inf, np.inf, low, high, 0.05)
    judge.update(values[:, None])
    return [float(np.squeeze(x)) for x in (judge.estimate(), *judge.interval())]


@cache
def curve() -> dict[str, np.ndarray]:
    """For figures, campaigns × clips: the mean weight, its interval, and its plain standard error."""
    weights = [[clipped_weight(log, clip) for clip in CURVE] for log in logs()]
    judged = [
        [honest(w, 0.0, 1 / (log.items * clip)) for w, clip in zip(row, CURVE, strict=True)]
        for row, log in zip(weights, logs(), strict=True)
    ]
    mean, low, high = np.moveaxis(np.array(judged), -1, 0)
    spread = np.std(weights, axis=-1) / np.sqrt(ROWS)
    return {"clips": CURVE, "mean": mean, "mean_low": low, "mean_high": high, "standard_error": spread}


@evidence("mnar-clipped/mean-weight-is-one", kind="data", data=OPEN_BANDIT)
def mean_weight(draw: Draw, clip=1e-4, power=1.0):
    """Check A: no click enters. Half of the truth is what matters here: the clicks of one log say no more (check B)."""
    order = draw.rng.permutation(ROWS)
    columns = [clipped_weight(log, clip, log.propensity**power)[order] for log in logs()]
    return mean_equals(
        np.stack(columns, axis=-1), np.ones(3), within=0.5, low=0.0, high=ceiling(clip), series=curve(),
        note=f"campaigns {', '.join(CAMPAIGNS)}; clip {clip:g}",
    )  # fmt: skip


mean_weight.control("clipped at 0.02, the mean misses the known truth", clip=0.02)
mean_weight.control("square roots of the propensities are wrong propensities", power=0.5)


@evidence("mnar-clipped/clipping-shortfall", kind="data", data=OPEN_BANDIT)
def shortfall(draw: Draw, clip=0.01):
    """Check A, the bias: at M = 0.01 the mean of the weights falls short of the truth 1 by a third at least."""
    order = draw.rng.permutation(ROWS)
    columns = [clipped_weight(log, clip)[order] for log in logs()]
    return mean_at_most(np.stack(columns, axis=-1), np.full(3, 2 / 3), low=0.0, high=ceiling(clip))


shortfall.control("clipped at 0.0001 hardly anything is lost", clip=1e-4)


@evidence("mnar-clipped/weights-share-out-the-catalogue", kind="data", data=OPEN_BANDIT)
def popular_half(draw: Draw, clip=1e-3, shuffled=False):
    """The half of the catalogue shown most in the first 2,000 rows must get half of the weight of the other 8,000.

    Unlike the mean over all items, this sees which propensity belongs to which row.
    """
    first, columns = 2_000, []
    for log in logs():
        often = np.argsort(-np.bincount(log.item[:first], minlength=log.items), kind="stable")[: log.items // 2]
        rest = first + draw.rng.permutation(ROWS - first)
        weight = clipped_weight(log, clip)
        given = weight[draw.rng.permutation(ROWS)] if shuffled else weight
        columns.append(given[rest] * np.isin(log.item[rest], often))
    values = np.stack(columns, axis=-1)
    return mean_equals(values, np.full(3, 0.5), within=0.15, low=0.0, high=ceiling(clip))


popular_half.control(
    "propensities shuffled over the rows keep their mean weight, and give the popular half too much", shuffled=True
)


@evidence("mnar-clipped/logged-propensities-are-frequencies", kind="data", data=OPEN_BANDIT)
def grid(draw: Draw, floors=()):
    """Multiples of 1/200,000, but for four rows at 1/K and one at 1e-6; bound: four units in the last place of p."""
    p = np.concatenate([log.propensity[~np.isin(log.propensity, (1 / log.items, 1e-6))] for log in logs()])
    p = np.concatenate([p, floors])
    ticks = p / TICK
    return equal(ticks, np.round(ticks), error=4 * np.finfo(float).eps * ticks)


grid.control("the propensity 1e-6 behind the largest weight is no such frequency", floors=(1e-6,))


def values() -> dict[str, np.ndarray]:
    """For figures: the uniform policy's values, campaigns × (own log, then clips) × (mean, low, high)."""
    own = [[honest(log.click.astype(float), 0.0, 1.0) for log in logs("random")]]
    clips = np.array([0.001, 0.01, 0.1])
    other = [[honest(clipped_weight(log, c) * log.click, 0.0, 1 / (log.items * c)) for log in logs()] for c in clips]
    return {"value": np.moveaxis(np.array(own + other), 0, 1), "value_clips": clips}


@evidence("mnar-clipped/uniform-policy-value", kind="data", data=OPEN_BANDIT)
def uniform_value(draw: Draw, clip=0.01, items_forgotten=False):
    """Check B: the uniform policy's clicks per impression, from the other policy's log minus from its own.

    38 to 69 clicks a log cannot do better than a hundredth; they rank no estimators.
    """
    scale = [log.items if items_forgotten else 1 for log in logs()]
    columns = []
    for own, other, times in zip(logs("random"), logs("bts"), scale, strict=True):
        order = draw.rng.permutation(ROWS), draw.rng.permutation(ROWS)
        columns.append(
            (times * clipped_weight(other, clip) * other.click)[order[0]] - own.click[order[1]].astype(float)
        )
    return mean_equals(
        np.stack(columns, axis=-1), np.zeros(3), within=0.01, low=-1.0, high=ceiling(clip) * scale, series=values(),
        note="clicks under the uniform policy: " + ", ".join(str(int(log.click.sum())) for log in logs("random")),
    )  # fmt: skip


uniform_value.control("weights 1/p that forget the number of items", items_forgotten=True)


def planted(log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check C: real propensities (their mean over the rows of each shown item and position), planted relevance and
    scores.

    The mean over logged rows favours moments at which an item was likely: a heavy-tailed set of real numbers, not the
    policy's average.
    """
    cell = 3 * log.item.astype(int) + log.position - 1
    shown = np.bincount(cell)
    propensity = np.bincount(cell, log.propensity)[shown > 0] / shown[shown > 0]
    rng = np.random.default_rng(log.items)
    relevance = rng.beta(1, 4, len(propensity))
    prediction = np.clip(relevance + rng.normal(0, 0.1, len(propensity)), 0.02, 0.98)
    return relevance, propensity, np.log(prediction / (1 - prediction))


@evidence("mnar-clipped/clipping-on-real-propensities", kind="exact", data=OPEN_BANDIT)
def planted_moments(clips=(0.0, 0.005, 0.05, 1.0), assumed_power=1.0):
    """C3 to C5 on real propensities: enumerate exposure and relevance of every pair and compare mean and variance."""
    found = []
    for relevance, propensity, score in map(planted, logs()):
        gamma, theta, logit = rounded(relevance), rounded(propensity), rounded(score)
        difference = local_losses(logit).difference
        for clip in clips:
            first = second = 0.0
            for exposed in (0.0, 1.0):
                for relevant in (0.0, 1.0):
                    chance = (theta if exposed else 1 - theta) * (gamma if relevant else 1 - gamma)
                    click = rounded(np.full(relevance.shape, exposed * relevant))
                    term = loss(logit, clipped(click, theta**assumed_power, clip=clip))
                    first, second = first + chance * term, second + chance * term**2
            mean = loss(logit, ideal(gamma), reduction="mean") + clipped_bias(gamma, theta, difference, clip=clip)
            found.append(equal(first.mean(), mean))
            each = (second - first**2).sum() / len(relevance) ** 2
            found.append(equal(each, clipped_variance(gamma, theta, difference, clip=clip)))
    return tuple(found)


planted_moments.control("square roots of the propensities", assumed_power=0.5)


@evidence("mnar-clipped/best-clip-on-real-propensities", kind="exact", data=OPEN_BANDIT)
def planted_clip(users=1.0, tuned_for=None):
    """C6 on real propensities: the best clip beats both no clipping and full clipping (the naive loss)."""
    found = []
    for relevance, propensity, score in map(planted, logs()):
        difference = local_losses(score).difference
        best = float(optimal_clip(relevance, propensity, difference, users=tuned_for or users).clip)
        world = rounded(relevance), rounded(propensity), rounded(difference)
        errors = [clip_error(*world, clip=clip, users=users) for clip in (best, 0.0, 1.0)]
        found += [below(errors[0], errors[1]), below(errors[0], errors[2])]
    return tuple(found)


planted_clip.control("a clip tuned for a million users' clicks, used on one user's", tuned_for=1e6)
