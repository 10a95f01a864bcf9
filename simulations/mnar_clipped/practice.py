"""In use: logits without a lower bound, batches balanced by class, conventions of metrics, validation on clicks."""

import numpy as np

from lab.family import family, log_uniform, normal, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.recommenders.exposure import Exposure, patterns
from lab.recommenders.inverse_propensity import inverse_propensity_mean, self_normalised_mean
from lab.recommenders.losses import class_balanced, clipped, loss, unbiased
from lab.recommenders.metrics import average_precision, dcg, recall
from lab.recommenders.moments import class_balanced_minimiser, clipped_relevance
from lab.recommenders.propensity import clip_propensity
from simulations.mnar_clipped.worlds import PAIRS, WORLDS, dependent, independent


@evidence("mnar-clipped/log-loss-unbounded", kind="exact", over=independent, size=WORLDS)
def loss_of_a_clicked_pair(world: Exposure, clip=0.0):
    """Push the logit of a clicked pair up to (K + log 2)/(w − 1): the unbiased log loss falls below −K."""
    found = []
    for depth in (1.0, 1e2, 1e4):
        logit = (depth + np.log(2.0)) / (1.0 / world.propensity - 1.0)
        found.append(at_most(loss(logit, clipped(1.0, world.propensity, clip=clip)), -depth))
    return tuple(found)


loss_of_a_clicked_pair.control("the clip at 1 keeps every weight at most 1", clip=1.0)


def _balanced_loss(world: Exposure, prediction, ratio):
    """Expected unbiased squared loss of a free prediction, pair by pair, when clicks are drawn `ratio` times as
    often."""

    def term(exposed, relevant):
        click = exposed * relevant
        weights = class_balanced(click, unbiased(click, world.propensity), ratio=ratio)
        return weights.positive * (1.0 - prediction) ** 2 + weights.negative * prediction**2

    return world.expect_outcomes(term)


RATIOS = (3.0, 30.0)


@evidence("mnar-clipped/class-balanced-unbiased", kind="exact", over=independent, size=WORLDS)
def relevance_under_balanced_batches(world: Exposure, evenness=0.0):
    """Is the expected loss of a pair least at its relevance when clicked pairs are drawn 3 or 30 times as often?"""
    found = []
    for ratio in RATIOS:
        ratio = ratio ** (1.0 - evenness)
        least = _balanced_loss(world, world.relevance, ratio)
        found += [at_most(least, _balanced_loss(world, world.relevance + step, ratio)) for step in (-0.01, 0.01)]
    return tuple(found)


relevance_under_balanced_batches.control("uniform sampling", evenness=1.0)


@evidence("mnar-clipped/class-balanced-minimiser", kind="exact", over=independent, size=WORLDS)
def minimiser_under_balanced_batches(world: Exposure):
    """The expected loss is a parabola in the prediction: it is least, and symmetric, about ργ/(1 + (ρ − 1)θγ)."""
    found = []
    for ratio in (0.2, 1.0, *RATIOS):
        best = class_balanced_minimiser(world.relevance, world.propensity, ratio=ratio)
        left, middle, right = (_balanced_loss(world, best + step, ratio) for step in (-0.25, 0.0, 0.25))
        found += [equal(left, right), at_most(middle, left)]
    return tuple(found)


minimiser_under_balanced_batches.control("exposure and relevance depend on each other", over=dependent)


# Ranking metrics: the conventions of the authors' code


def several_rankings(world: Exposure) -> list:
    """Seven scores for the same pairs."""
    return [world.logit[..., np.roll(np.arange(world.pairs), k)] for k in range(7)]


def agree(one: list, other: list) -> tuple:
    """Findings: of every two rankings, none is better by one measure and worse by the other."""
    return tuple(at_most(0.0, (one[i] - one[j]) * (other[i] - other[j])) for i in range(len(one)) for j in range(i))


@evidence("mnar-clipped/dcg-code-orders-alike", kind="exact", over=independent, size=WORLDS)
def rankings_under_both_discounts(world: Exposure, discount="code", divisor="none"):
    """Seven rankings of each world's pairs, two at a time: do both forms of DCG@4 prefer the same one?"""
    rankings = several_rankings(world)
    paper = [dcg(world.relevance, score, cutoff=4) for score in rankings]
    other = [dcg(world.relevance, score, cutoff=4, discount=discount, divisor=divisor) for score in rankings]
    return agree(paper, other)


rankings_under_both_discounts.control(
    "the paper's discount, divided by the number of relevant items", discount="paper", divisor="relevant"
)


@evidence("mnar-clipped/dcg-code-is-shifted", kind="exact", over=independent, size=WORLDS)
def code_discount_shifts_the_ranks(world: Exposure, discount="code"):
    """DCG@4 in the code's convention is the first item's relevance plus the paper's DCG@3 of the list without it."""
    first = np.max(world.logit, axis=-1)[..., None] == world.logit
    rest = dcg(world.relevance, world.logit, cutoff=3, listed=~first)
    top = (world.relevance * first).sum(axis=-1)
    return equal(dcg(world.relevance, world.logit, cutoff=4, discount=discount), top + rest)


code_discount_shifts_the_ranks.control("the paper's discount on both sides", discount="paper")


def _drawn(world: Exposure) -> tuple:
    """Relevances of 0 and 1, one pattern after another, and the scores beside them."""
    relevant = patterns(world.pairs)[1:]  # without the list in which nothing is relevant
    score = world.per_pattern(world.logit) + 0.0 * relevant
    return 0.0 * score + relevant, score


@evidence("mnar-clipped/dcg-at-one-is-recall-at-one", kind="exact", over=independent, size=8)
def first_rank(world: Exposure, divisor="relevant"):
    """All 255 lists of relevant items, ranked by the world's scores: DCG@1 against Recall@1."""
    relevant, score = _drawn(world)
    return equal(dcg(relevant, score, cutoff=1, divisor=divisor), recall(relevant, score, cutoff=1))


first_rank.control("the undivided DCG of the code for Yahoo! R3", divisor="none")


@evidence("mnar-clipped/code-map-is-a-precision", kind="exact", over=independent, size=8)
def largest_precision(world: Exposure, divisor="none"):
    """All 255 lists of relevant items, ranked by the world's scores: average precision at 5 against 1."""
    return at_most(average_precision(*_drawn(world), cutoff=5, divisor=divisor), 1.0)


largest_precision.control("divided by the number of relevant items", divisor="relevant")


@evidence("mnar-clipped/code-map-counts-relevant-items", kind="exact", over=independent, size=8)
def precision_times_relevant(world: Exposure, counted=PAIRS):
    """The undivided sum against the divided one times the number of relevant items, on all 255 lists."""
    relevant, score = _drawn(world)
    divided, undivided = (average_precision(relevant, score, cutoff=5, divisor=d) for d in ("relevant", "none"))
    return equal(undivided, divided * np.minimum(relevant.sum(axis=-1), counted))


precision_times_relevant.control("no more relevant items are counted than the cutoff holds", counted=5)


# Validation on clicks

FLOOR = 0.01
scarce = family(
    Exposure,
    propensity=log_uniform(1e-4, 0.95, shape=(PAIRS,)),
    relevance=uniform(0.02, 0.98, shape=(PAIRS,)),
    logit=normal(2.0, shape=(PAIRS,)),
)


@evidence("mnar-clipped/floored-validation-target", kind="exact", over=scarce, size=16)
def validation_by_enumeration(world: Exposure, floor=FLOOR, assumed_floor=FLOOR):
    """Expected DCG@3 of the clicks over max(θ, 0.01), over all click patterns, against that of the shrunk relevance."""
    used = world.per_pattern(clip_propensity(world.propensity, clip=floor))
    score = world.per_pattern(world.logit) + 0.0 * used
    expected = world.expect(lambda clicks: dcg(clicks / used, score + 0.0 * clicks, cutoff=3))
    shrunk = clipped_relevance(world.relevance, world.propensity, clip=assumed_floor)
    return equal(expected, dcg(shrunk, world.logit, cutoff=3))


validation_by_enumeration.control("taken for the DCG of the true relevance", assumed_floor=0.0)


@evidence("mnar-clipped/floored-validation-picks-the-better", kind="exact", over=scarce, size=WORLDS)
def validation_of_rankings(world: Exposure, floor=FLOOR):
    """Seven rankings, two at a time: self-normalised DCG@3 of many users' clicks against DCG@3 of the relevance.

    With many users the sums over clicks are their expectations, so that the metric is the DCG of the shrunk relevance
    over its total.
    """
    shrunk = clipped_relevance(world.relevance, world.propensity, clip=floor)
    rankings = several_rankings(world)
    return agree(
        [dcg(world.relevance, score, cutoff=3) for score in rankings],
        [dcg(shrunk, score, cutoff=3, divisor="relevant") for score in rankings],
    )


validation_of_rankings.control("no floor", floor=0.0)


@evidence("mnar-clipped/self-normalised-shifts", kind="exact", over=independent, size=WORLDS)
def shifted_rewards(world: Exposure, estimator=self_normalised_mean):
    """One log a world, its rewards the relevances: a constant added to all rewards moves the estimate by as much."""
    before, after = (estimator(world.relevance + by, world.propensity, target=0.125, clip=0.1) for by in (0.0, 2.0))
    return equal(after, before + 2.0)


shifted_rewards.control("the mean that is not normalised", estimator=lambda world: inverse_propensity_mean)
