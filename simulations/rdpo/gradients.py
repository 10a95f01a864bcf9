"""How hard the losses push each pair, and what the correction costs in variance.

`rdpo` (arXiv 2403.00409v1), C3 and C4. The gradient of a pair's loss in a policy's parameters is −βζ∇m: the
losses differ in the weight ζ alone.
"""

from functools import cache, partial

import numpy as np

from lab.family import family, log_uniform, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.objectives.logistic import (
    conservative_dpo,
    conservative_dpo_weight,
    dpo,
    dpo_weight,
    robust_dpo,
    robust_dpo_weight,
)
from lab.objectives.noise import break_even_batch, push
from lab.worlds.noisy_pairs import NoisyPair, flip_counts
from simulations.rdpo.differences import SLOPE_ERROR, slope

RATES = uniform(0.01, 0.49)

pairs = family(NoisyPair, margin=uniform(-3, 3), flip_rate=RATES, beta=log_uniform(0.3, 3))


@evidence("rdpo/gradient-weight", kind="exact", over=pairs)
def weights_against_differences(world, assumed_rate=None):
    """Central differences of the losses in h against the weights, to within the difference's error."""
    beta, rate = world.beta, world.flip_rate
    assumed = rate if assumed_rate is None else assumed_rate

    def gap(loss, weight):
        return at_most(np.abs(slope(loss, world.margin, beta) + weight(world.margin, beta=beta)), SLOPE_ERROR)

    return (
        gap(partial(dpo, beta=beta), dpo_weight),
        gap(
            partial(conservative_dpo, beta=beta, flip_rate=rate),
            partial(conservative_dpo_weight, flip_rate=assumed),
        ),
        gap(partial(robust_dpo, beta=beta, flip_rate=rate), partial(robust_dpo_weight, flip_rate=assumed)),
    )


weights_against_differences.control("the weights of half the flip rate", assumed_rate=lambda world: world.flip_rate / 2)


@evidence("rdpo/robust-weight-range", kind="exact", over=pairs)
def range_of_the_weight(world, weight=robust_dpo_weight):
    """c < ζ < 1 + c, and above DPO's weight, for every margin and flip rate."""
    zeta = weight(world.margin, beta=world.beta, flip_rate=world.flip_rate)
    c = push(world.flip_rate)
    return below(c, zeta), below(zeta, 1.0 + c), below(dpo_weight(world.margin, beta=world.beta), zeta)


range_of_the_weight.control("the conservative weight", weight=lambda world: conservative_dpo_weight)


def _confident(excess, flip_rate, beta):
    return NoisyPair((np.log1p(-flip_rate) - np.log(flip_rate) + excess) / beta, flip_rate, beta)


confident = family(_confident, excess=log_uniform(0.01, 5), flip_rate=RATES, beta=log_uniform(0.1, 10))
hesitant = family(_confident, excess=uniform(-5, -0.01), flip_rate=RATES, beta=log_uniform(0.1, 10))


@evidence("rdpo/conservative-weight-reverses", kind="exact", over=confident)
def weight_of_confident_pairs(world, weight=conservative_dpo_weight):
    """Beyond h = logit(1−ε) the conservative loss pushes the margin down."""
    return below(weight(world.margin, beta=world.beta, flip_rate=world.flip_rate), 0.0)


weight_of_confident_pairs.control("margins below logit(1−ε)", over=hesitant)
weight_of_confident_pairs.control("the robust weight", weight=lambda world: robust_dpo_weight)


@evidence("rdpo/flip-variance", kind="exact", over=pairs)
def variance_by_enumeration(world, order=1):
    """Variance of the gradient coefficient over the flip: ε(1−ε) times 1, (1−2ε)² and (1−2ε)⁻², at every margin."""
    beta, rate = world.beta, world.flip_rate
    settings = {"beta": beta, "flip_rate": rate}
    shrink = (1.0 - 2.0 * rate) ** 2
    losses = (dpo_weight, conservative_dpo_weight, robust_dpo_weight) if order else (dpo, conservative_dpo, robust_dpo)
    plain, smoothed, corrected = losses
    spread = rate * (1.0 - rate)
    return (
        equal(world.variance_over_flips(lambda m: plain(m, beta=beta), order=order), spread),
        equal(world.variance_over_flips(lambda m: smoothed(m, **settings), order=order), spread * shrink),
        equal(world.variance_over_flips(lambda m: corrected(m, **settings), order=order), spread / shrink),
    )


variance_by_enumeration.control("the variance of the loss itself depends on the margin", order=0)

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


def _squared_error(weight, clean, world, batch, **settings):
    """Mean squared error of the mean coefficient of a batch of one repeated pair, over the number of its flips."""
    flips = np.arange(batch + 1)
    seen = weight(world.margin, beta=world.beta, **settings)[..., None]
    flipped = weight(-world.margin, beta=world.beta, **settings)[..., None]
    mean = ((batch - flips) * seen - flips * flipped) / batch
    return np.sum(flip_counts(batch, world.flip_rate) * (mean - clean[..., None]) ** 2, axis=-1)


def _squared_errors(world, batch):
    clean = dpo_weight(world.margin, beta=world.beta)
    plain = _squared_error(dpo_weight, clean, world, batch)
    return plain, _squared_error(robust_dpo_weight, clean, world, batch, flip_rate=world.flip_rate)


@evidence("rdpo/break-even-batch", kind="exact", over=pairs, size=256)
def errors_on_both_sides(world, threshold=break_even_batch):
    """Enumerate the flips of a batch: robust DPO has the larger error below the threshold, the smaller above it."""
    where = threshold(world.flip_rate)
    found = []
    for batch in BATCHES:
        plain, corrected = _squared_errors(world, batch)
        gain = plain - corrected
        found.append(below(0.0, np.where(batch > where, gain, -gain)))
    return (*found, _figure())


errors_on_both_sides.control(
    "the variances alone, without (1−ε)²", threshold=lambda world: lambda rate: 4.0 / (1.0 - 2.0 * rate) ** 2
)
errors_on_both_sides.control("robust DPO always pays", threshold=lambda world: lambda rate: 0.0 * rate)


@cache
def _figure():
    """For the figure: the price in variance, the break-even batch, and errors against the batch at ε = 0.2."""
    rate = np.linspace(0.02, 0.4, 20)
    grid = NoisyPair(np.full(20, 0.5), rate, np.ones(20))
    price = grid.variance_over_flips(lambda m: robust_dpo_weight(m, beta=1.0, flip_rate=rate), order=1)
    price = price / grid.variance_over_flips(lambda m: dpo_weight(m, beta=1.0), order=1)
    measured = np.array([_smallest_paying_batch(0.5, r) for r in rate])
    sizes = np.array([1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100])
    one = NoisyPair(np.array([0.5]), np.array([0.2]), np.array([1.0]))
    errors = np.array([[float(e[0]) for e in _squared_errors(one, int(b))] for b in sizes])
    series = {
        "flip_rate": rate,
        "variance_price": price,
        "variance_price_theory": 1 / (1 - 2 * rate) ** 2,
        "break_even": measured,
        "break_even_theory": break_even_batch(rate),
        "batch": sizes,
        "error_dpo": errors[:, 0],
        "error_robust": errors[:, 1],
        "error_dpo_theory": 0.2**2 + 0.16 / sizes,
        "error_robust_theory": 0.16 / 0.36 / sizes,
    }
    # The first batch size that pays, found by search, is the first whole number beyond the formula.
    return equal(measured, np.floor(break_even_batch(rate)) + 1, error=0.0, series=series)


def _smallest_paying_batch(margin, rate):
    one = NoisyPair(np.array([margin]), np.array([rate]), np.array([1.0]))
    batch = 1
    while True:
        plain, corrected = _squared_errors(one, batch)
        if corrected[0] < plain[0]:
            return batch
        batch += 1
