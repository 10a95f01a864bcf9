"""The correction applied to other losses, and the shapes it makes: convexity, falling without bound.

`rdpo` (arXiv 2403.00409v1), C8 and C9.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from lab.arrays import Array, softplus
from lab.family import family, log_uniform, normal, uniform, world
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.objectives.hinge import hinge, robust_hinge
from lab.objectives.listwise import plackett_luce_dpo, robust_plackett_luce_dpo
from lab.objectives.logistic import (
    conservative_dpo,
    dpo,
    dpo_curvature,
    noisy_likelihood_dpo,
    robust_dpo,
)
from lab.objectives.noise import push, robust
from lab.objectives.probit import probit, robust_probit
from lab.objectives.squared import ipo, ipo_minimiser, robust_ipo, robust_ipo_minimiser
from lab.worlds.noisy_pairs import (
    Chord,
    MisjudgedVotes,
    NoisyPair,
    NoisyRanking,
    VotedPair,
)
from simulations.rdpo.differences import CURVATURE_ERROR, curvature

RATES = uniform(0.01, 0.49)
BETAS = log_uniform(0.1, 10)
CORRECTED = {dpo: robust_dpo, ipo: robust_ipo, hinge: robust_hinge, probit: robust_probit}

pairs = family(NoisyPair, margin=uniform(-4, 4), flip_rate=RATES, beta=log_uniform(0.3, 3))


@evidence("rdpo/template-unbiased", kind="exact", over=pairs)
def any_loss_by_enumeration(world, assumed_rate=None):
    """Logistic, squared, hinge and probit losses, by the template and by their own corrected forms."""
    rate = world.flip_rate if assumed_rate is None else assumed_rate
    found = []
    for loss, own in CORRECTED.items():
        clean = loss(world.margin, beta=world.beta)
        template = robust(loss, flip_rate=rate)
        found.append(equal(world.expect_over_flips(lambda m, f=template: f(m, beta=world.beta)), clean))
        found.append(equal(world.expect_over_flips(lambda m, f=own: f(m, beta=world.beta, flip_rate=rate)), clean))
    return tuple(found)


any_loss_by_enumeration.control("a wrong flip rate", assumed_rate=lambda world: world.flip_rate / 2)


@evidence("rdpo/dpo-plus-a-line", kind="exact", over=pairs)
def template_against_the_line(world, slope=None):
    """[(1−ε)ℓ(h) − εℓ(−h)]/(1−2ε) against ℓ(h) − ch, and the label-smoothed loss against ℓ(h) + εh."""
    rate, h = world.flip_rate, world.beta * world.margin
    plain, flipped = softplus(-h), softplus(h)
    c = push(rate) if slope is None else slope
    return (
        equal(((1.0 - rate) * plain - rate * flipped) / (1.0 - 2.0 * rate), plain - c * h),
        equal(robust_dpo(world.margin, beta=world.beta, flip_rate=rate), plain - c * h),
        equal((1.0 - rate) * plain + rate * flipped, conservative_dpo(world.margin, beta=world.beta, flip_rate=rate)),
    )


template_against_the_line.control("a push of ε instead of ε/(1−2ε)", slope=lambda world: world.flip_rate)


@evidence("rdpo/ipo-stretched", kind="exact", over=pairs)
def ipo_with_a_farther_target(world, shrink=None):
    """The template on IPO against IPO with beta(1−2ε), whose target is 1/(1−2ε) times as far, up to its constant."""
    factor = 1.0 - 2.0 * world.flip_rate if shrink is None else shrink
    template = robust(ipo, flip_rate=world.flip_rate)(world.margin, beta=world.beta)
    constant = (1.0 - factor**-2.0) / (4.0 * world.beta**2)
    return equal(template, ipo(world.margin, beta=world.beta * factor) + constant)


ipo_with_a_farther_target.control("stretched by 1/(1−ε)", shrink=lambda world: 1.0 - world.flip_rate)

voted = family(VotedPair, clean_rate=uniform(0.02, 0.98), flip_rate=RATES, beta=BETAS)


@evidence("rdpo/ipo-shrinks", kind="exact", over=voted)
def tabular_ipo_margin(world, corrected=False):
    """Flips shrink IPO's tabular margin by 1 − 2ε; a quadratic is least where both its neighbours are equal."""
    settings = {"beta": world.beta, "flip_rate": world.flip_rate} if corrected else {"beta": world.beta}
    loss = robust_ipo if corrected else ipo
    margin = (robust_ipo_minimiser if corrected else ipo_minimiser)(world.win_rate, **settings)
    ahead, behind = (world.expect_over_labels(lambda m: loss(m, **settings), margin + s) for s in (1.0, -1.0))
    return (
        equal(ahead, behind),
        equal(margin, (1.0 - 2.0 * world.flip_rate) * ipo_minimiser(world.clean_rate, beta=world.beta)),
    )


tabular_ipo_margin.control("the robust form restores it", corrected=True)


# Convexity: the chord between two margins lies above the loss.


chords = family(Chord, left=uniform(-4, 4), right=uniform(-4, 4), flip_rate=RATES, beta=log_uniform(0.3, 3))


@evidence("rdpo/convex-forms", kind="exact", over=chords)
def chords_of_convex_forms(world, losses=(dpo, ipo)):
    """Random chords of robust DPO and robust IPO: they sag as little as those of the clean losses, since a line has
    no curvature."""
    found = []
    for clean in losses:
        before = world.sag(partial(clean, beta=world.beta))
        after = world.sag(partial(CORRECTED[clean], beta=world.beta, flip_rate=world.flip_rate))
        found += [at_most(0.0, after), equal(after, before)]
    return tuple(found)


chords_of_convex_forms.control("robust hinge", losses=(hinge,))
chords_of_convex_forms.control("robust probit", losses=(probit,))


@evidence("rdpo/convex-forms", kind="exact", over=pairs)
def curvature_of_robust_dpo(world, loss=robust_dpo):
    """Second differences of robust DPO are σ(h)σ(−h) > 0, to within their error, at every flip rate."""
    clean = dpo_curvature(world.margin, beta=world.beta)
    observed = curvature(partial(loss, beta=world.beta, flip_rate=world.flip_rate), world.margin, world.beta)
    return below(0.0, clean), at_most(np.abs(observed - clean), CURVATURE_ERROR)


curvature_of_robust_dpo.control("the noisy likelihood", loss=lambda world: noisy_likelihood_dpo)


@evidence("rdpo/template-keeps-convexity", kind="exact", over=chords)
def chords_of_the_template(world, losses=(hinge, probit)):
    """Random chords of the corrected hinge and probit losses, whose clean forms are convex."""
    corrected = [robust(loss, flip_rate=world.flip_rate) for loss in losses]
    return tuple(at_most(0.0, world.sag(lambda m, f=f: f(m, beta=world.beta))) for f in corrected)


chords_of_the_template.control("logistic and squared losses, whose odd part is linear", losses=(dpo, ipo))


@world
class MixedLoss(Chord):
    """A convex loss put together from four, with random weights: logistic (with an offset), squared, hinge, probit."""

    offset: Array
    logistic: Array
    squared: Array
    hinge: Array
    probit: Array

    def loss(self, margin, *, beta):
        return (
            self.logistic * dpo(margin - self.offset, beta=beta)
            + self.squared * ipo(margin, beta=beta)
            + self.hinge * hinge(margin, beta=beta)
            + self.probit * probit(margin, beta=beta)
        )

    def odd(self, margin):
        r"""$\ell(m) - \ell(-m)$."""
        return self.loss(margin, beta=self.beta) - self.loss(-margin, beta=self.beta)

    def corrected_sag(self, flip_rate):
        return self.sag(partial(robust(self.loss, flip_rate=flip_rate), beta=self.beta))

    @property
    def least_bending_rate(self):
        r"""The rate from which on the chord (or its mirror image) lies beneath: $\text{sag}(\ell) + c\,\text{sag}(o) <
        0$ for the odd part o, whose bends at m and −m are opposite."""
        c = self.sag(partial(self.loss, beta=self.beta)) / -self.sag(self.odd)
        return c / (1.0 + 2.0 * c)


def _mixed(left, length, way, offset, kink, **parameters):
    """Of a chord and its mirror image, the one on which the odd part bends downwards.

    For margins above 0 the odd part of a hinge and of a loss offset to the right bends upwards, that of the probit loss
    and of a loss offset to the left downwards: they are not mixed, so that they do not cancel.
    """
    up = way > 0
    drawn = MixedLoss(
        left=left, right=left + length, offset=np.where(up, offset, -offset), hinge=np.where(up, kink, 0.0 * kink),
        probit=np.where(up, 0.0 * kink, kink), **parameters,
    )  # fmt: skip
    downwards = drawn.sag(drawn.odd) < 0
    ends = [np.where(downwards, drawn.left, -drawn.right), np.where(downwards, drawn.right, -drawn.left)]
    return replace(drawn, left=ends[0], right=ends[1])


_mixture = {
    "left": uniform(0.2, 1), "length": uniform(1, 3), "way": uniform(-1, 1), "logistic": uniform(0.1, 1),
    "squared": uniform(0.1, 1), "flip_rate": RATES, "beta": log_uniform(0.5, 2),
}  # fmt: skip
bent = family(_mixed, offset=uniform(0.5, 2), kink=uniform(0.1, 1), **_mixture)
linear = family(_mixed, offset=uniform(0, 0), kink=uniform(0, 0), **_mixture)


@evidence("rdpo/convex-at-every-rate", kind="exact", over=bent)
def a_nonlinear_odd_part_bends(world, beyond=True):
    """Mixtures of losses whose odd part is not linear: beyond its critical rate, below one half, the chord sags."""
    rate = world.least_bending_rate
    rate = (rate + 0.5) / 2.0 if beyond else rate / 2.0
    return below(world.corrected_sag(rate), 0.0), below(0.0, world.sag(partial(world.loss, beta=world.beta)))


a_nonlinear_odd_part_bends.control("half the critical rate: at one given rate it may stay convex", beyond=False)


@evidence("rdpo/convex-at-every-rate", kind="exact", over=linear)
def a_linear_odd_part_never_bends(world):
    """Mixtures of logistic and squared losses: the chord stays above at every flip rate."""
    return at_most(0.0, world.corrected_sag(world.flip_rate))


a_linear_odd_part_never_bends.control("an offset, a hinge and a probit loss are mixed in", over=bent)


# Falling without bound.

far = family(NoisyPair, margin=log_uniform(1, 1e4), flip_rate=RATES, beta=BETAS)


@evidence("rdpo/unbounded-below", kind="exact", over=far)
def beneath_a_falling_line(world, loss=robust_dpo):
    """One pair, margins up to 10⁴: the loss lies beneath log 2 − ch."""
    h = world.beta * world.margin
    return at_most(
        loss(world.margin, beta=world.beta, flip_rate=world.flip_rate), math.log(2) - push(world.flip_rate) * h
    )


beneath_a_falling_line.control("the conservative loss grows", loss=lambda world: conservative_dpo)
beneath_a_falling_line.control("robust IPO is bounded below", loss=lambda world: robust_ipo)


either_way = family(NoisyPair, margin=uniform(-1e4, 1e4), flip_rate=RATES, beta=BETAS)


@evidence("rdpo/conservative-has-minimiser", kind="exact", over=either_way)
def above_a_cone(world, smoothing=1.0):
    """However far a margin goes, and whichever way the label points, the label-smoothed loss is at least ε|h|."""
    loss = conservative_dpo(world.margin, beta=world.beta, flip_rate=smoothing * world.flip_rate)
    return at_most(world.flip_rate * np.abs(world.beta * world.margin), loss)


above_a_cone.control("the plain loss falls to 0", smoothing=0.0)


@evidence("rdpo/hinge-and-probit-fall", kind="exact", over=far)
def beneath_a_line_and_a_parabola(world, corrected=True):
    """Robust hinge ≤ 1 − ch; robust probit ≤ [(1−ε)log 2 − εh²/2]/(1−2ε), for h ≥ 0."""
    rate, h = world.flip_rate, world.beta * world.margin
    settings = {"beta": world.beta, "flip_rate": rate if corrected else 0.0 * rate}
    parabola = ((1.0 - rate) * math.log(2) - rate * h * h / 2.0) / (1.0 - 2.0 * rate)
    return (
        at_most(robust_hinge(world.margin, **settings), 1.0 - push(rate) * h),
        at_most(robust_probit(world.margin, **settings), parabola),
    )


beneath_a_line_and_a_parabola.control("the uncorrected losses", corrected=False)


def _near_certain(clean_rate, flip_rate, excess, beta):
    return MisjudgedVotes(clean_rate, flip_rate, beta, np.minimum(flip_rate + excess, 0.49))


near_certain = family(
    _near_certain, clean_rate=uniform(0.99, 1), flip_rate=uniform(0.0, 0.4), excess=uniform(0.02, 0.05), beta=BETAS
)  # fmt: skip


@evidence("rdpo/overestimated-rate-unbounded", kind="exact", over=near_certain)
def population_loss_far_out(world, assumed_rate=None):
    """Infinitely many labels: the loss at βm = R lies beneath the falling line log 2 + R(1−p̃−ε')/(1−2ε')."""
    rate = world.assumed_rate if assumed_rate is None else assumed_rate
    slope = (1.0 - world.win_rate - rate) / (1.0 - 2.0 * rate)
    found = [below(slope, 0.0)]
    for reach in (1.0, 1e2, 1e4):
        loss = world.expect_over_labels(
            lambda m: robust_dpo(m, beta=world.beta, flip_rate=rate), reach / world.beta
        )  # fmt: skip
        found.append(at_most(loss, math.log(2) + reach * slope))
    return tuple(found)


population_loss_far_out.control("the true rate", assumed_rate=lambda world: world.flip_rate)


# Rankings.

SIZES = (2, 3, 4)


def _rankings(**draws):
    return tuple(
        NoisyRanking(draws[f"scores{k}"], draws["rate"] * (1 - 1 / math.factorial(k)), draws["beta"]) for k in SIZES
    )


scores = {f"scores{k}": normal(2.0, shape=(k,)) for k in SIZES}
rankings = family(_rankings, **scores, rate=uniform(0.02, 0.95), beta=log_uniform(0.3, 3))


@evidence("rdpo/listwise-unbiased", kind="exact", over=rankings, size=128)
def rankings_by_enumeration(worlds, assumed=1.0):
    """Two, three and four items, replaced rankings listed one by one, rates up to (N−1)/N."""
    found = []
    for ranked in worlds:
        rate, beta = assumed * ranked.flip_rate, ranked.beta

        def corrected(log_ratios, rate=rate, beta=beta):
            return robust_plackett_luce_dpo(log_ratios, beta=beta, flip_rate=rate)

        found.append(equal(ranked.expect_over_rankings(corrected), plackett_luce_dpo(ranked.log_ratios, beta=beta)))
    return tuple(found)


rankings_by_enumeration.control("half the rate", assumed=0.5)


@evidence("rdpo/listwise-of-two", kind="exact", over=pairs)
def two_items_are_a_pair(world, others=0):
    """The corrected Plackett–Luce loss of two log-ratios against robust DPO on their difference."""
    log_ratios = np.stack([world.margin, 0.0 * world.margin, *[world.margin - 4.0] * others], axis=-1)
    listwise = robust_plackett_luce_dpo(log_ratios, beta=world.beta, flip_rate=world.flip_rate)
    return equal(listwise, robust_dpo(world.margin, beta=world.beta, flip_rate=world.flip_rate))


two_items_are_a_pair.control("a third item in the ranking", others=1)

thirds = family(
    Chord, left=uniform(-2, -0.5), right=uniform(0.5, 2), flip_rate=uniform(0.02, 0.8), beta=uniform(1.0, 1.0)
)


@evidence("rdpo/listwise-not-convex", kind="exact", over=thirds)
def a_ranking_with_a_dominant_last(world, corrected=True):
    """Three items, the last far ahead of the others: the loss sags along the difference of the first two."""

    def loss(difference):
        log_ratios = np.stack([difference / 2.0, -difference / 2.0, 0.0 * difference + 10.0], axis=-1)
        rate = world.flip_rate if corrected else 0.0 * world.flip_rate
        return robust_plackett_luce_dpo(log_ratios, beta=world.beta, flip_rate=rate)

    return below(world.sag(loss), 0.0)


a_ranking_with_a_dominant_last.control("the uncorrected loss", corrected=False)
