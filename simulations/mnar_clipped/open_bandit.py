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
from scipy.optimize import brentq

from lab.datasets.open_bandit import CAMPAIGNS, OPEN_BANDIT, TICK, Log, open_bandit
from lab.inference.betting import log_wealth
from lab.inference.intervals import clopper_pearson
from lab.inference.rounding import rounded
from lab.inference.sequential import MeanJudge
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, mean_at_most, mean_equals
from lab.recommenders.clipping import clip_error, optimal_clip
from lab.recommenders.intervals import honest_interval
from lab.recommenders.inverse_propensity import (
    effective_sample_size,
    importance_weights,
    inverse_propensity_mean,
    self_normalised_mean,
)
from lab.recommenders.losses import clipped, ideal, local_losses, loss
from lab.recommenders.moments import clipped_bias, clipped_variance

ROWS, FIRST = 10_000, 2_000
CURVE = np.geomspace(1e-5, 0.1, 17)  # clips of the bias–variance curve


def logs(policy: str = "bts") -> list[Log]:
    """The logs of the three campaigns under one policy."""
    return [open_bandit(campaign, policy) for campaign in CAMPAIGNS]


def clipped_weight(log: Log, clip: float, propensity: np.ndarray | None = None) -> np.ndarray:
    """(1/K)/max(p, M): at most 1/(KM)."""
    p = log.propensity if propensity is None else propensity
    return importance_weights(p, target=1 / log.items, clip=clip)


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
def mean_weight(draw: Draw, clip=2e-4, power=1.0):
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


def shown_most(log: Log) -> np.ndarray:
    """The half of the catalogue that stands most often in the log's first 2,000 rows."""
    return np.argsort(-np.bincount(log.item[:FIRST], minlength=log.items), kind="stable")[: log.items // 2]


@evidence("mnar-clipped/weights-share-out-the-catalogue", kind="data", data=OPEN_BANDIT)
def popular_half(draw: Draw, clip=1e-3, shuffled=False):
    """The half of the catalogue shown most in the first 2,000 rows must get half of the weight of the other 8,000.

    Unlike the mean over all items, this sees which propensity belongs to which row.
    """
    columns = []
    for log in logs():
        rest = FIRST + draw.rng.permutation(ROWS - FIRST)
        weight = clipped_weight(log, clip)
        given = weight[draw.rng.permutation(ROWS)] if shuffled else weight
        columns.append(given[rest] * np.isin(log.item[rest], shown_most(log)))
    values = np.stack(columns, axis=-1)
    return mean_equals(values, np.full(3, 0.5), within=0.15, low=0.0, high=ceiling(clip))


popular_half.control(
    "propensities shuffled over the rows keep their mean weight, and give the popular half too much", shuffled=True
)


@evidence("mnar-clipped/logged-propensities-are-frequencies", kind="data", data=OPEN_BANDIT)
def grid(draw: Draw, coarser=1):
    """Count the rows whose propensity is no multiple of 1/200,000, within four units in the last place of p/tick."""
    odd, weights = [], []
    for log in logs():
        ticks = log.propensity / (TICK * coarser)
        off = np.abs(ticks - np.round(ticks)) > 4 * np.finfo(float).eps * ticks
        odd += [(1 / log.items, p) for p in log.propensity[off].tolist()]
        weights.append(clipped_weight(log, 0.0))
    largest = max(weights, key=np.max)
    # A sum of 10,000 positive numbers, added in pairs, errs by fewer than 20 units in the last place.
    share = largest.max() / largest.sum()
    return (
        equal(len(odd), 5),
        equal(sum(p == even for even, p in odd), 4),
        equal(sum(p == 1e-6 for _, p in odd), 1),
        at_most(2 / 3, share, error=1e-14, note=f"the largest weight is {largest.max():.0f}, {share:.3f} of all"),
    )


grid.control("frequencies in 100,000 simulations", coarser=2)


@evidence("mnar-clipped/rows-are-worth-few", kind="data", data=OPEN_BANDIT)
def worth_of_the_rows(draw: Draw, clip=0.0):
    """The effective number of rows, (Σw)²/Σw², of each log's 10,000, against 341, 657 and 2.2."""
    effective = np.stack([effective_sample_size(clipped_weight(log, clip)) for log in logs()])
    note = ", ".join(f"{name} {rows:.1f}" for name, rows in zip(CAMPAIGNS, effective, strict=True))
    return at_most(effective, np.array([341.0, 657.0, 2.2]), error=1e-12 * effective, note=note)


worth_of_the_rows.control("clipped at 0.01, the rows are worth thousands", clip=0.01)


# Check B. Clicks are few: what they decide, and what they do not.

LEVEL = 0.999  # of the intervals of check B


def share_interval(value: np.ndarray, marked: np.ndarray, largest: float) -> tuple[float, float]:
    """Interval for E[value · marked]/E[value] of independent rows with values in [0, largest].

    A share s is refuted when betting refutes that the mean of value · (marked − s) is at most, or at least, 0.
    """
    values, counts = np.unique(np.stack([value, marked]), axis=1, return_counts=True)

    def surplus(s: float, side: int) -> float:
        floor = largest * (s if side > 0 else 1.0 - s)
        gain = side * values[0] * (values[1] - s)
        return log_wealth((gain + floor, counts.astype(float)), floor) - np.log(2.0 / (1.0 - LEVEL))

    estimate, edge = float(value @ marked / value.sum()), 1e-9
    low = brentq(surplus, edge, estimate, args=(1,)) if surplus(edge, 1) > 0 else 0.0
    high = brentq(surplus, estimate, 1.0 - edge, args=(-1,)) if surplus(1.0 - edge, -1) > 0 else 1.0
    return low, high


def clicks_on_the_rest(policy: str, clip: float | None) -> tuple[float, float, float]:
    """The share of the uniform policy's clicks that falls on the half of the items which Thompson sampling shows less.

    All campaigns' clicks together, weighted (`clip` None: not weighted); estimate and interval. Rows in which the
    halves were chosen are left out. Campaigns take turns: a bet's mean growth over one row of each is at most that of a
    row with their mean, so that the interval holds for the share of the three together.
    """
    weights, clicks, rest = [], [], []
    for log, thompson in zip(logs(policy), logs(), strict=True):
        rows = slice(FIRST if policy == "bts" else 0, ROWS)
        weights.append(np.ones(ROWS)[rows] if clip is None else clipped_weight(log, clip)[rows])
        clicks.append(log.click[rows].astype(float))
        rest.append(~np.isin(log.item[rows], shown_most(thompson)))
    weight, click, marked = (np.concatenate(x) for x in (weights, clicks, rest))
    clicked = click == 1.0
    # The rows with a click, as a log of its own: a reward of 1 on the rest, weighted by w.
    scale = weight[clicked].max()
    given = weight[clicked] / scale
    estimate = self_normalised_mean(marked[clicked].astype(float), np.ones_like(given), target=given)
    largest = 1.0 if clip is None else ceiling(clip).max()
    return float(estimate), *share_interval(weight * click, marked.astype(float), largest)


def gap(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """How far two intervals are apart; negative when they overlap."""
    return max(one[1] - other[2], other[1] - one[2])


@evidence("mnar-clipped/uniform-policy-clicks-by-half", kind="data", data=OPEN_BANDIT)
def where_clicks_fall(draw: Draw, clip=1e-3):
    """Check B: the uniform policy's own log against weighted rows of the other; both intervals at 99.9 %."""
    own, other = clicks_on_the_rest("random", None), clicks_on_the_rest("bts", clip)
    named = {"own log": own, "clip 0.001": clicks_on_the_rest("bts", 1e-3),
             "clip 1": clicks_on_the_rest("bts", 1.0), "no weights": clicks_on_the_rest("bts", None)}  # fmt: skip
    # Bisection leaves the ends of an interval within 1e-11 of where the wealth says.
    return at_most(
        gap(own, other), 0.0, error=1e-10, series={"share": np.array(list(named.values()))},
        note="; ".join(f"{name} {e:.2f} [{low:.2f}, {high:.2f}]" for name, (e, low, high) in named.items()),
    )  # fmt: skip


where_clicks_fall.control("no weights", clip=None)
where_clicks_fall.control("clip 1: all weights are alike", clip=1.0)


def own_rates(policy: str) -> list[tuple[float, float, float]]:
    """Clicks per impression of each campaign's log, with exact 95 % intervals."""
    clicks = [int(log.click.sum()) for log in logs(policy)]
    return [(n / ROWS, *(float(end) for end in clopper_pearson(n, ROWS, alpha=0.05))) for n in clicks]


def clipped_means(clip: float) -> list[tuple[float, float, float]]:
    """Means of the clipped terms of each Thompson-sampling log, with 95 % intervals for what they estimate."""
    return [honest(clipped_weight(log, clip) * log.click, 0.0, 1 / (log.items * clip)) for log in logs()]


def uniform_values(clip: float) -> list[tuple[float, float, float]]:
    """The same means, with honest 95 % intervals for the value of the uniform policy itself."""
    found = []
    for log in logs():
        named = {"target": 1 / log.items, "clip": clip}
        reward = log.click.astype(float)
        mean = inverse_propensity_mean(reward, log.propensity, **named)
        found.append((float(mean), *(float(end) for end in honest_interval(reward, log.propensity, **named))))
    return found


@evidence("mnar-clipped/uniform-policy-value", kind="data", data=OPEN_BANDIT)
def uniform_value(draw: Draw, clip=1e-3, of_value=True):
    """Check B: in each campaign the interval from the weighted log meets the exact one of the uniform policy's own."""
    found = uniform_values(clip) if of_value else clipped_means(clip)
    several = [own_rates("random"), own_rates("bts"), *map(clipped_means, (1e-3, 1e-2, 1e-1)), uniform_values(1e-3)]
    apart = [gap(a, b) for a, b in zip(found, several[0], strict=True)]
    # Betting bounds are rejected by up to 1e-6 nats, exact intervals err by some units in the last place.
    return at_most(
        np.array(apart), np.zeros(3), error=1e-9, series={"values": np.moveaxis(np.array(several), 0, 1)},
        note="; ".join(f"{name} {1000 * low:.1f} to {1000 * high:.0f} a thousand"
                       for name, (_, low, high) in zip(CAMPAIGNS, found, strict=True)),
    )  # fmt: skip


uniform_value.control(
    "the interval of the clipped mean at clip 1, taken for one of the value", clip=1.0, of_value=False
)


@evidence("mnar-clipped/click-rates-tell-weights", kind="data", data=OPEN_BANDIT)
def click_rates(draw: Draw, clip=None):
    """Exact 95 % intervals of the uniform policy's click rate, from its own log and from the other's without weights.

    A claim of a difference in some campaign. At clip 1 the weights are 1/K each, and the rate shrinks K-fold.
    """
    own, other = own_rates("random"), own_rates("bts")
    if clip is not None:
        other = [tuple(x * float(largest) for x in rate) for rate, largest in zip(other, ceiling(clip), strict=True)]
    overlap = -max(gap(a, b) for a, b in zip(own, other, strict=True))
    # SciPy's inverse beta function errs by some units in the last place; 1e-9 is far above.
    return below(
        overlap, 0.0, error=1e-9,
        note="clicks " + ", ".join(f"{int(a.click.sum())} and {int(b.click.sum())}"
                                   for a, b in zip(logs("random"), logs(), strict=True)),
    )  # fmt: skip


click_rates.control("clip 1, the naive estimate: too small by the number of items", clip=1.0)


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


@evidence("mnar-clipped/clipping-on-real-propensities", kind="data", data=OPEN_BANDIT)
def planted_moments(draw: Draw, clips=(0.0, 0.005, 0.05, 1.0), assumed_power=1.0):
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


@evidence("mnar-clipped/best-clip-on-real-propensities", kind="data", data=OPEN_BANDIT)
def planted_clip(draw: Draw, users=1.0, tuned_for=None):
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
