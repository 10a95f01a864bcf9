"""In use: logits without a lower bound, batches balanced by class, and the discount that a metric takes."""

import numpy as np

from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.recommenders.exposure import Exposure
from lab.recommenders.losses import class_balanced, clipped, loss, unbiased
from lab.recommenders.metrics import dcg
from lab.recommenders.moments import class_balanced_minimiser
from simulations.mnar_clipped.worlds import WORLDS, dependent, independent


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


# Ranking metrics: the discount of the authors' code


@evidence("mnar-clipped/dcg-code-orders-alike", kind="exact", over=independent, size=WORLDS)
def rankings_under_both_discounts(world: Exposure, discount="code", divisor="none"):
    """Seven rankings of each world's pairs, two at a time: do both forms of DCG@4 prefer the same one?"""
    shifts = [np.roll(np.arange(world.pairs), k) for k in range(7)]
    rankings = [world.logit[..., shift] for shift in shifts]
    paper = [dcg(world.relevance, score, cutoff=4) for score in rankings]
    other = [dcg(world.relevance, score, cutoff=4, discount=discount, divisor=divisor) for score in rankings]
    agreement = [(paper[i] - paper[j]) * (other[i] - other[j]) for i in range(len(shifts)) for j in range(i)]
    return tuple(at_most(0.0, product) for product in agreement)


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
