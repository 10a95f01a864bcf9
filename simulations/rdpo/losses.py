"""What flips do to the losses: unbiasedness, the bias of the alternatives, and where tabular policies end up.

`rdpo` (arXiv 2403.00409v1), C1 and C2. Everything is enumerated: a flip has two outcomes, n flips have 2ⁿ.
"""

import numpy as np

from lab.arrays import logit, sigmoid
from lab.family import family, log_uniform, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.objectives.logistic import (
    conservative_dpo,
    conservative_dpo_minimiser,
    conservative_dpo_weight,
    dpo,
    dpo_curvature,
    dpo_minimiser,
    dpo_weight,
    noisy_likelihood_dpo,
    robust_dpo,
    robust_dpo_minimiser,
    robust_dpo_weight,
)
from lab.preferences import bradley_terry
from lab.worlds.noisy_pairs import MisjudgedPair, MisjudgedVotes, NoisyPair, NoisyPairs, VotedPair
from simulations.rdpo.differences import CURVATURE_ERROR, curvature

RATES = uniform(0.01, 0.49)
BETAS = log_uniform(0.1, 10)

pairs = family(NoisyPair, margin=uniform(-8, 8), flip_rate=RATES, beta=BETAS)
ordered = family(NoisyPair, margin=uniform(0.1, 8), flip_rate=RATES, beta=BETAS)
data_sets = family(NoisyPairs, margins=uniform(-8, 8, shape=(8,)), flip_rate=RATES, beta=BETAS)
misjudged = family(MisjudgedPair, margin=uniform(-8, 8), flip_rate=RATES, beta=BETAS, assumed_rate=RATES)


@evidence("rdpo/unbiased-loss", kind="exact", over=pairs)
def by_enumerating_a_flip(world, assumed_rate=None):
    """Average the robust loss over both outcomes of the flip and compare with the loss of the clean pair."""
    rate = world.flip_rate if assumed_rate is None else assumed_rate
    noisy = world.expect_over_flips(lambda m: robust_dpo(m, beta=world.beta, flip_rate=rate))
    return equal(noisy, dpo(world.margin, beta=world.beta))


by_enumerating_a_flip.control("a wrong flip rate biases it", assumed_rate=lambda world: world.flip_rate / 2)
by_enumerating_a_flip.control(
    "rates differ from pair to pair and their mean is assumed", assumed_rate=lambda world: np.mean(world.flip_rate)
)


@evidence("rdpo/unbiased-loss", kind="exact", over=data_sets, size=64)
def by_enumerating_a_data_set(world, assumed_rate=None):
    """The mean loss of eight pairs, averaged over all 256 patterns of flips."""
    rate = (world.flip_rate if assumed_rate is None else assumed_rate)[..., None, None]
    beta = world.beta[..., None, None]
    noisy = world.expect_over_flips(lambda m: np.mean(robust_dpo(m, beta=beta, flip_rate=rate), axis=-1))
    return equal(noisy, np.mean(dpo(world.margins, beta=world.beta[..., None]), axis=-1))


by_enumerating_a_data_set.control("a wrong flip rate biases it", assumed_rate=lambda world: world.flip_rate / 2)


@evidence("rdpo/unbiased-derivatives", kind="exact", over=pairs)
def slope_by_enumerating_a_flip(world, assumed_rate=None):
    """The slope of the observed loss, averaged over the flip, is that of the clean loss."""
    rate = world.flip_rate if assumed_rate is None else assumed_rate
    slope = world.expect_over_flips(lambda m: robust_dpo_weight(m, beta=world.beta, flip_rate=rate), order=1)
    return equal(slope, dpo_weight(world.margin, beta=world.beta))


slope_by_enumerating_a_flip.control("a wrong flip rate biases it", assumed_rate=lambda world: world.flip_rate / 2)


@evidence("rdpo/unbiased-derivatives", kind="exact", over=pairs)
def curvature_by_enumerating_a_flip(world, loss=robust_dpo):
    """Second differences of the observed loss, averaged over the flip: the clean curvature, to within their error."""

    def observed(m):
        return curvature(lambda m: loss(m, beta=world.beta, flip_rate=world.flip_rate), m, world.beta)

    gap = world.expect_over_flips(observed, order=2) - dpo_curvature(world.margin, beta=world.beta)
    return at_most(np.abs(gap), CURVATURE_ERROR)


curvature_by_enumerating_a_flip.control(
    "the noisy likelihood: right on average at the truth, not pair by pair", loss=lambda world: noisy_likelihood_dpo
)


@evidence("rdpo/reward-model", kind="exact", over=pairs)
def bradley_terry_likelihood(world, assumed_rate=None):
    """With the difference of two rewards as margin, the clean loss is minus the Bradley–Terry log-probability."""
    rate = world.flip_rate if assumed_rate is None else assumed_rate
    noisy = world.expect_over_flips(lambda m: robust_dpo(m, beta=1.0, flip_rate=rate))
    rewards = np.stack([world.margin, 0.0 * world.margin], axis=-1)
    return equal(noisy, -np.log(bradley_terry(rewards)[..., 0, 1]))


bradley_terry_likelihood.control("no correction", assumed_rate=lambda world: 0.0 * world.flip_rate)


@evidence("rdpo/wrong-rate", kind="exact", over=misjudged)
def bias_of_a_wrong_rate(world, denominator=None):
    """Enumerated bias under an assumed rate ε' against −(ε'−ε)h/(1−2ε')."""
    noisy = world.expect_over_flips(lambda m: robust_dpo(m, beta=world.beta, flip_rate=world.assumed_rate))
    bias = noisy - dpo(world.margin, beta=world.beta)
    scale = 1.0 - 2.0 * (world.assumed_rate if denominator is None else denominator)
    return equal(bias, -(world.assumed_rate - world.flip_rate) / scale * world.beta * world.margin)


bias_of_a_wrong_rate.control("the true rate in the denominator", denominator=lambda world: world.flip_rate)


@evidence("rdpo/bias-under-flips", kind="exact", over=pairs)
def bias_by_enumeration(world, smoothing_bias=None):
    """Bias of the three losses and of their slopes in h: εh, 2ε(1−ε)h and 0."""
    beta, rate = world.beta, world.flip_rate
    h = beta * world.margin
    smoothed = 2.0 * rate * (1.0 - rate) if smoothing_bias is None else smoothing_bias
    value, weight = _biases(world)
    return (
        equal(value["dpo"], rate * h),
        equal(value["conservative"], smoothed * h),
        equal(value["robust"], 0.0),
        equal(weight["dpo"], -rate),
        equal(weight["conservative"], -smoothed),
        equal(weight["robust"], 0.0, series=_bias_against_rate()),
    )


bias_by_enumeration.control("label smoothing only keeps DPO's bias", smoothing_bias=lambda world: world.flip_rate)
bias_by_enumeration.control("label smoothing removes the bias", smoothing_bias=lambda world: 0.0 * world.flip_rate)


def _biases(world):
    """Enumerated biases of the losses and of their gradient weights, by name."""
    beta, rate = world.beta, world.flip_rate
    clean, clean_weight = dpo(world.margin, beta=beta), dpo_weight(world.margin, beta=beta)
    losses = {
        "dpo": lambda m: dpo(m, beta=beta),
        "conservative": lambda m: conservative_dpo(m, beta=beta, flip_rate=rate),
        "robust": lambda m: robust_dpo(m, beta=beta, flip_rate=rate),
    }
    weights = {
        "dpo": lambda m: dpo_weight(m, beta=beta),
        "conservative": lambda m: conservative_dpo_weight(m, beta=beta, flip_rate=rate),
        "robust": lambda m: robust_dpo_weight(m, beta=beta, flip_rate=rate),
    }
    value = {name: world.expect_over_flips(f) - clean for name, f in losses.items()}
    weight = {name: world.expect_over_flips(f, order=1) - clean_weight for name, f in weights.items()}
    return value, weight


def _bias_against_rate():
    """For the figure: biases at h = 2 over a grid of flip rates, enumerated and by the formula."""
    rate = np.linspace(0.0, 0.49, 50)
    value, weight = _biases(NoisyPair(np.full(50, 2.0), rate, np.ones(50)))
    theory = {"dpo": rate, "conservative": 2 * rate * (1 - rate), "robust": 0 * rate}
    series = {"flip_rate": rate, "margin": np.array(2.0)}
    for name in theory:
        series |= {f"loss_bias_{name}": value[name], f"loss_bias_{name}_theory": 2.0 * theory[name]}
        series |= {f"weight_bias_{name}": weight[name], f"weight_bias_{name}_theory": -theory[name]}
    return series


@evidence("rdpo/smoothing-biases-more", kind="exact", over=ordered)
def smoothing_against_nothing(world, instead=conservative_dpo):
    """Size of the enumerated bias: label smoothing with the true rate against plain DPO."""
    clean = dpo(world.margin, beta=world.beta)
    plain = world.expect_over_flips(lambda m: dpo(m, beta=world.beta)) - clean
    smoothed = world.expect_over_flips(lambda m: instead(m, beta=world.beta, flip_rate=world.flip_rate)) - clean
    return below(np.abs(plain), np.abs(smoothed))


smoothing_against_nothing.control("the robust loss in its place", instead=lambda world: robust_dpo)


# Infinitely many labels for a pair: the margin a tabular policy takes.

voted = family(VotedPair, clean_rate=uniform(0.02, 0.98), flip_rate=RATES, beta=BETAS)
MINIMISERS = {"robust": robust_dpo_minimiser, "conservative": conservative_dpo_minimiser}


@evidence("rdpo/smoothing-undoes-flips", kind="exact", over=voted)
def minimiser_against_the_clean_one(world, minimiser="conservative"):
    """The margin that minimises the loss on flipped labels, against the log-odds of the clean ones."""
    margin = MINIMISERS[minimiser](world.win_rate, beta=world.beta, flip_rate=world.flip_rate)
    return equal(margin, logit(world.clean_rate) / world.beta)


minimiser_against_the_clean_one.control("the robust loss does undo them", minimiser="robust")


@evidence("rdpo/tabular-minimisers", kind="exact", over=voted)
def stationary_at_the_closed_form(world, smoothing=None):
    """The population gradient weight p̃ζ(m) − (1−p̃)ζ(−m) vanishes at the closed-form margin of each loss."""
    beta, rate, win_rate = world.beta, world.flip_rate, world.win_rate
    rate_used = rate if smoothing is None else smoothing

    def pull(weight, margin, **settings):
        return win_rate * weight(margin, beta=beta, **settings) - (1.0 - win_rate) * weight(
            -margin, beta=beta, **settings
        )

    smoothed = conservative_dpo_minimiser(win_rate, beta=beta, flip_rate=rate_used)
    corrected = robust_dpo_minimiser(win_rate, beta=beta, flip_rate=rate_used)
    return (
        equal(pull(dpo_weight, dpo_minimiser(win_rate, beta=beta)), 0.0),
        equal(pull(conservative_dpo_weight, smoothed, flip_rate=rate), 0.0),
        equal(pull(robust_dpo_weight, corrected, flip_rate=rate), 0.0),
        equal(corrected, logit(world.clean_rate) / beta),
    )


stationary_at_the_closed_form.control("closed forms at half the rate", smoothing=lambda world: world.flip_rate / 2)


majority = family(VotedPair, clean_rate=uniform(0.02, 0.98), flip_rate=uniform(0.51, 0.99), beta=BETAS)


@evidence("rdpo/same-order", kind="exact", over=voted)
def signs_of_the_minimisers(world, assumed_rate=None):
    """All three margins have the sign of p − ½."""
    settings = {"beta": world.beta, "flip_rate": world.flip_rate if assumed_rate is None else assumed_rate}
    order = np.sign(world.clean_rate - 0.5)
    return (
        equal(np.sign(dpo_minimiser(world.win_rate, beta=world.beta)), order),
        equal(np.sign(conservative_dpo_minimiser(world.win_rate, **settings)), order),
        equal(np.sign(robust_dpo_minimiser(world.win_rate, **settings)), order),
    )


signs_of_the_minimisers.control(
    "most labels flipped: the losses take 1 − ε for the rate, since they take none above a half",
    over=majority,
    assumed_rate=lambda world: 1.0 - world.flip_rate,
)

prompts = family(
    VotedPair, clean_rate=uniform(0.02, 0.98, shape=(3,)), flip_rate=uniform(0.15, 0.25, shape=(3,)),
    beta=log_uniform(0.1, 10, shape=(3,)),
)  # fmt: skip

# The features of a third pair are those of the first plus 3.5 times those of the second. Its margin, near ½, is the
# small difference of two larger ones, which flips shrink unequally.
MIXTURE = 3.5


def _sharing(first, second, flip_rate):
    margins = np.stack([first, second, first + MIXTURE * second], axis=-1)
    rate = np.broadcast_to(flip_rate[:, None], margins.shape)
    return VotedPair(sigmoid(margins), rate, np.ones_like(margins))


sharing = family(_sharing, first=uniform(3.98, 4.02), second=uniform(-1.01, -0.99), flip_rate=uniform(0.15, 0.25))


def _gain_in_order(world, shared):
    """One more than the number of pairs that DPO orders rightly, at most the number that robust DPO orders rightly."""
    plain = dpo_minimiser(world.win_rate, beta=world.beta)
    corrected = robust_dpo_minimiser(world.win_rate, beta=world.beta, flip_rate=world.flip_rate)
    if shared:  # the first two pairs are labelled, and their margins are free; the third follows from them
        plain, corrected = (
            np.stack([m[..., 0], m[..., 1], m[..., 0] + MIXTURE * m[..., 1]], axis=-1) for m in (plain, corrected)
        )
    truth = world.clean_rate > 0.5
    right_before = np.sum((plain > 0) == truth, axis=-1)
    right_after = np.sum((corrected > 0) == truth, axis=-1)
    return at_most(right_before + 1, right_after)


@evidence("rdpo/orders-more-pairs", kind="exact", over=prompts)
def pairs_in_the_right_order(world, shared=False):
    """Pairs of a prompt that infinitely many flipped labels put in the right order: robust DPO against DPO."""
    return _gain_in_order(world, shared)


pairs_in_the_right_order.control("a third pair shares the features of the other two", over=sharing, shared=True)


@evidence("rdpo/orders-more-pairs-when-features-are-shared", kind="exact", over=sharing)
def a_pair_that_follows_from_two(world, shared=True):
    """The same count, where the third pair is ordered by a log-linear policy fitted to the labels of the other two."""
    return _gain_in_order(world, shared)


a_pair_that_follows_from_two.control("a tabular policy, which sees labels of all three", shared=False)


def _overestimated(clean_rate, flip_rate, excess, beta):
    # The assumed rate stays below both label shares, so that a minimiser exists.
    minority = flip_rate + (1 - 2 * flip_rate) * np.minimum(clean_rate, 1 - clean_rate)
    return MisjudgedVotes(clean_rate, flip_rate, beta, flip_rate + excess * (minority - flip_rate))


overestimated = family(
    _overestimated, clean_rate=uniform(0.55, 0.98), flip_rate=uniform(0.0, 0.4), excess=uniform(0.1, 0.9), beta=BETAS
)  # fmt: skip


@evidence("rdpo/overestimated-rate-inflates", kind="exact", over=overestimated)
def margins_under_a_larger_rate(world, assumed_rate=None):
    """Tabular margins: with the true flip rate (the clean ones) against a larger assumed one."""
    rate = world.assumed_rate if assumed_rate is None else assumed_rate
    inflated = robust_dpo_minimiser(world.win_rate, beta=world.beta, flip_rate=rate)
    return below(logit(world.clean_rate) / world.beta, inflated)


margins_under_a_larger_rate.control("a smaller rate shrinks them", assumed_rate=lambda world: world.flip_rate / 2)
