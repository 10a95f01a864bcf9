"""The correction applied to other losses, and the shapes it makes: convexity, falling without bound, existence.

`rdpo` (arXiv 2403.00409v1), C8 and C9.
"""

import math

import numpy as np
from scipy.optimize import minimize

from lab.arrays import softplus
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.objectives.existence import existence, slope_at_infinity
from lab.objectives.hinge import hinge, robust_hinge
from lab.objectives.listwise import plackett_luce_dpo, robust_plackett_luce_dpo
from lab.objectives.logistic import conservative_dpo, dpo, dpo_curvature, robust_dpo, robust_dpo_weight
from lab.objectives.noise import push, robust
from lab.objectives.probit import probit, robust_probit
from lab.objectives.squared import ipo, ipo_minimiser, robust_ipo, robust_ipo_minimiser
from lab.worlds.family import family, log_uniform, normal, uniform
from lab.worlds.noisy_pairs import (
    Chord,
    MisjudgedVotes,
    NoisyPair,
    NoisyRanking,
    VotedPair,
    labelled_pairs,
)

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


def _convex(world, losses):
    settings = {"beta": world.beta, "flip_rate": world.flip_rate}
    return tuple(at_most(0.0, world.sag(lambda m, f=f: f(m, **settings))) for f in losses)


@evidence("rdpo/convex-forms", kind="exact", over=chords)
def chords_of_convex_forms(world, losses=(robust_dpo, robust_ipo)):
    """Random chords of robust DPO and robust IPO."""
    return _convex(world, losses)


chords_of_convex_forms.control("robust hinge", losses=(robust_hinge,))
chords_of_convex_forms.control("robust probit", losses=(robust_probit,))


@evidence("rdpo/template-keeps-convexity", kind="exact", over=chords)
def chords_of_the_template(world, losses=(hinge, probit)):
    """Random chords of the corrected hinge and probit losses, whose clean forms are convex."""
    corrected = [robust(loss, flip_rate=world.flip_rate) for loss in losses]
    return tuple(at_most(0.0, world.sag(lambda m, f=f: f(m, beta=world.beta))) for f in corrected)


chords_of_the_template.control("logistic and squared losses, whose odd part is linear", losses=(dpo, ipo))


def offset_dpo(margin, *, beta):
    """DPO with an offset of one and a small penalty on the margin: smooth, strongly convex, odd part not linear."""
    return dpo(margin - 1.0, beta=beta) + 0.1 * margin * margin


_near = {"left": uniform(-1.3, -1.2), "right": uniform(-0.8, -0.7), "beta": uniform(1.0, 1.0)}
high_rates = family(Chord, flip_rate=uniform(0.45, 0.49), **_near)
low_rates = family(Chord, flip_rate=uniform(0.01, 0.1), **_near)


@evidence("rdpo/convex-at-every-rate", kind="exact", over=high_rates)
def a_nonlinear_odd_part_bends(world):
    """Offset DPO is strongly convex; its corrected form sags at high flip rates."""
    corrected = robust(offset_dpo, flip_rate=world.flip_rate)
    clean = world.sag(lambda m: offset_dpo(m, beta=world.beta))
    return below(0.0, clean), below(world.sag(lambda m: corrected(m, beta=world.beta)), 0.0)


a_nonlinear_odd_part_bends.control(
    "low flip rates: it stays convex although its odd part is not linear", over=low_rates
)


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
def two_items_are_a_pair(world, factor=1.0):
    """The corrected Plackett–Luce loss of two log-ratios against robust DPO on their difference."""
    log_ratios = np.stack([factor * world.margin, 0.0 * world.margin], axis=-1)
    listwise = robust_plackett_luce_dpo(log_ratios, beta=world.beta, flip_rate=world.flip_rate)
    return equal(listwise, robust_dpo(world.margin, beta=world.beta, flip_rate=world.flip_rate))


two_items_are_a_pair.control("log-ratios half as far apart", factor=0.5)

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


# Does the minimum exist? Data sets of 48 pairs with three features.

PAIRS, FEATURES = 48, 3
data = family(
    labelled_pairs, features=normal(1.0, shape=(PAIRS, FEATURES)), theta=normal(1.0, shape=(FEATURES,)),
    label_draw=uniform(0, 1, shape=(PAIRS,)), flip_draw=uniform(0, 1, shape=(PAIRS,)), flip_rate=uniform(0.1, 0.3),
)  # fmt: skip


def _existence(world):
    found = [existence(x, y) for x, y in zip(world.features, world.labels, strict=True)]
    return np.array([f.critical_flip_rate for f in found]), np.array([f.direction for f in found])


def _rate(critical, part):
    """A rate below the critical one (part < 1: that part of it) or above it (part > 1: on the way to a half)."""
    return critical * part if part < 1 else critical + (0.5 - critical) * (part - 1)


@evidence("rdpo/existence", kind="exact", over=data, size=64, rounding="declared")
def falls_above_the_critical_rate(world, part=1.1):
    """Above the linear program's rate, the loss falls for ever along the program's direction."""
    critical, direction = _existence(world)
    rate = _rate(critical, part)
    slope = slope_at_infinity(direction, world.features, world.labels, beta=1.0, flip_rate=rate)
    # Two sums of 48 × 3 products of numbers below 4: rounding is below 4 (48 + 3) u Σ|x| / (1 − 2ε) < 1e-11.
    return below(slope, 0.0, error=1e-11)


falls_above_the_critical_rate.control("below the critical rate it rises there", part=0.9)


@evidence("rdpo/existence", kind="exact", over=data, size=32, rounding="declared")
def stationary_below_the_critical_rate(world, part=0.9):
    r"""Below it, a search arrives, and a certificate says that a minimiser is near.

    For losses with |f'''| ≤ f'' a Newton decrement λ with λ·R/√(least curvature) ≤ ½, R the longest feature vector,
    implies a minimiser (Bach 2010, Proposition 2).
    """
    critical, _ = _existence(world)
    rates = _rate(critical, part)
    rows = zip(world.features, world.labels, rates, strict=True)
    return at_most(np.array([_certificate(x, y, rate) for x, y, rate in rows]), 0.5, error=0.1)


def _certificate(x, y, rate):
    """λ·R/√(least curvature) where the search stopped. Far from ½ on either side, so a tenth covers its rounding."""
    signed = y[:, None] * x

    def loss(theta):
        return np.mean(robust_dpo(signed @ theta, beta=1.0, flip_rate=rate))

    def gradient(theta):
        return -np.mean(robust_dpo_weight(signed @ theta, beta=1.0, flip_rate=rate)[:, None] * signed, axis=0)

    # The box only keeps a search that has no end from overflowing; whoever ends on its side has a gradient there.
    box, options = [(-100.0, 100.0)] * x.shape[1], {"ftol": 0.0, "gtol": 1e-9}
    theta = minimize(loss, np.zeros(x.shape[1]), jac=gradient, method="L-BFGS-B", bounds=box, options=options).x
    bend = dpo_curvature(signed @ theta, beta=1.0)
    curvature, axes = np.linalg.eigh(np.mean(bend[:, None, None] * x[:, :, None] * x[:, None, :], axis=0))
    curvature = np.maximum(curvature, 1e-30)
    decrement = np.sqrt(np.sum((axes.T @ gradient(theta)) ** 2 / curvature))
    return decrement * np.max(np.linalg.norm(x, axis=-1)) / np.sqrt(curvature[0])


stationary_below_the_critical_rate.control("above the critical rate there is no such point", part=1.1)
