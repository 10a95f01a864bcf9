"""Naive, WMF, ExpoMF and unbiased losses: what they target, by enumerating every click pattern (C1 to C4)."""

import numpy as np

from lab.arrays import logit
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal, exponent, mean_equals
from lab.recommenders.exposure import Exposure, ExposureShock
from lab.recommenders.losses import exposure_mf, ideal, loss, naive, unbiased, weighted_mf
from lab.recommenders.moments import (
    clipped_variance,
    dependence_bias,
    exposure_mf_expectation,
    misspecified_bias,
    shared_shock_variance,
    unbiased_variance,
    weighted_mf_bias,
)
from lab.recommenders.propensity import exposure_posterior
from simulations.mnar_clipped.worlds import (
    WORLDS,
    dependent,
    evenly_exposed,
    expected_loss,
    fully_exposed,
    ideal_loss,
    independent,
    loss_variance,
    shocked,
    shocked_one_sign,
)

# C1: naive and WMF


@evidence("mnar-clipped/weighted-mf-bias", kind="exact", over=independent, size=WORLDS)
def bias_by_enumeration(world: Exposure):
    """The expected WMF loss minus the ideal loss, for the naive loss (c = 1) and two weights, both local losses."""
    return tuple(
        equal(
            expected_loss(world, lambda clicks, c=c: weighted_mf(clicks, click_weight=c), local)
            - ideal_loss(world, local),
            weighted_mf_bias(world.relevance, world.propensity, world.losses(local), click_weight=c),
        )
        for c, local in ((1.0, "log"), (1.0, "squared"), (3.0, "log"), (20.0, "squared"))
    )


bias_by_enumeration.control("exposure and relevance depend on each other", over=dependent)


@evidence("mnar-clipped/a-click-weight-repairs", kind="exact", over=independent, size=WORLDS)
def inverse_exposure_weight(world: Exposure):
    """The best case for WMF: one propensity for all pairs (their mean), and the click weight c = 1/θ."""
    theta = world.propensity.mean(axis=-1)[..., None]
    alike = Exposure(theta + 0.0 * world.propensity, world.relevance, world.logit)
    weight = 1.0 / alike.per_pattern(theta)
    return equal(expected_loss(alike, lambda clicks: weighted_mf(clicks, click_weight=weight)), ideal_loss(alike))


inverse_exposure_weight.control("every pair is exposed", over=fully_exposed)


@evidence("mnar-clipped/no-click-weight-repairs", kind="exact", over=independent, size=WORLDS)
def bias_of_a_confident_prediction(world: Exposure, confidence=4.0):
    """At the prediction f = 0.98 for all pairs, the bias is at least the mean of γ(1 − θ), whatever the click
    weight."""
    confident = Exposure(world.propensity, world.relevance, 0.0 * world.logit + confidence)
    missed = (world.relevance * (1.0 - world.propensity)).mean(axis=-1)
    return tuple(
        at_most(
            missed,
            expected_loss(confident, lambda clicks, c=c: weighted_mf(clicks, click_weight=c)) - ideal_loss(confident),
        )
        for c in (1.0, 2.0, 10.0, 1000.0)
    )


bias_of_a_confident_prediction.control("a prediction that is confident of the contrary, f = 0.02", confidence=-4.0)


# C2: ExpoMF


@evidence("mnar-clipped/exposure-mf-target", kind="exact", over=independent, size=WORLDS)
def exposure_weighted_target(world: Exposure, assumed_relevance=None):
    """Bayes' rule pair by pair, then the expected ExpoMF loss over all click patterns."""
    prior = world.propensity, world.relevance if assumed_relevance is None else assumed_relevance
    unclicked_and_exposed = world.expect_outcomes(lambda exposed, relevant: exposed * (1.0 - exposed * relevant))
    posterior = exposure_posterior(0.0, *prior) * (1.0 - world.click_probability)
    per_pattern = [world.per_pattern(x) for x in prior]

    def weights(clicks):
        return exposure_mf(clicks, exposure_posterior(clicks, *per_pattern))

    return tuple(
        [equal(unclicked_and_exposed, posterior)]
        + [
            equal(
                expected_loss(world, weights, local),
                exposure_mf_expectation(world.relevance, world.propensity, world.losses(local)),
            )
            for local in ("log", "squared")
        ]
    )


exposure_weighted_target.control(
    "the posterior takes every relevance for one half", assumed_relevance=lambda world: 0.0 * world.relevance + 0.5
)


@evidence("mnar-clipped/exposure-mf-saturated", kind="exact", over=independent, size=WORLDS)
def saturated_minimiser(world: Exposure, shared=False):
    """The expected ExpoMF loss at the true relevances (or, shared, at their mean) against other predictions."""
    best = world.relevance.mean(axis=-1)[..., None] if shared else world.relevance
    best = logit(best + 0.0 * world.relevance)
    return tuple(
        at_most(_exposure_mf(world, best, local), _exposure_mf(world, best + step, local))
        for local in ("log", "squared")
        for step in (-0.5, -0.1, 0.1, 0.5, 0.3 * world.logit)
    )


saturated_minimiser.control("one shared prediction for all pairs", shared=True)


@evidence("mnar-clipped/exposure-mf-shared-prediction", kind="exact", over=independent, size=WORLDS)
def shared_minimiser(world: Exposure, weight=None):
    """With one prediction for all pairs the expected ExpoMF loss is least at the exposure-weighted mean relevance."""
    weight = world.propensity if weight is None else weight
    total = (weight + 0.0 * world.relevance).sum(axis=-1)
    best = logit((weight * world.relevance).sum(axis=-1) / total)[..., None] + 0.0 * world.logit
    return tuple(
        at_most(_exposure_mf(world, best, local), _exposure_mf(world, best + step, local))
        for local in ("log", "squared")
        for step in (-0.3, -0.1, 0.1, 0.3)
    )


shared_minimiser.control("the plain mean, which minimises the ideal loss", weight=1.0)


def _exposure_mf(world: Exposure, prediction, local):
    other = Exposure(world.propensity, world.relevance, prediction)
    return exposure_mf_expectation(world.relevance, world.propensity, other.losses(local))


# C3: the unbiased loss


@evidence("mnar-clipped/unbiased", kind="exact", over=independent, size=WORLDS)
def unbiased_by_enumeration(world: Exposure, scale=1.0):
    """The expected inverse-propensity loss over all click patterns is the ideal loss."""
    assumed = world.per_pattern(world.propensity * scale)
    return tuple(
        equal(expected_loss(world, lambda clicks: unbiased(clicks, assumed), local), ideal_loss(world, local))
        for local in ("log", "squared")
    )


unbiased_by_enumeration.control("all propensities are assumed half as large", scale=0.5)
unbiased_by_enumeration.control("exposure and relevance depend on each other", over=dependent)


_items = np.arange(20)
_sampled_world = Exposure(
    propensity=1.0 / (1.0 + 0.5 * _items),
    relevance=0.2 + 0.6 * (_items % 5) / 4,
    logit=np.linspace(-2.0, 2.0, 20),
)


@evidence("mnar-clipped/unbiased", kind="sampled", over=_sampled_world, size=2**12)
def unbiased_by_sampling(world: Exposure, draw, assumed=None):
    """Draw exposures and relevances of 20 pairs, form the clicks, and average the unbiased squared loss."""
    assumed = world.propensity if assumed is None else assumed
    exposed, relevant = world.sample(draw.rng, draw.size)
    losses = loss(world.logit, unbiased(exposed * relevant, assumed), local="squared", reduction="mean")
    positive, negative = world.losses("squared")
    ends = positive / assumed + negative * (1.0 - 1.0 / assumed)
    low, high = np.minimum(ends, negative).mean(), np.maximum(ends, negative).mean()
    return mean_equals(losses, ideal_loss(world, "squared"), within=0.02, low=low - 1e-9, high=high + 1e-9)


unbiased_by_sampling.control(
    "the square root of the propensities is assumed", assumed=lambda world: world.propensity**0.5
)


@evidence("mnar-clipped/wrong-scale-keeps-ranking", kind="exact", over=independent, size=WORLDS)
def ranking_under_a_wrong_scale(world: Exposure, scale=0.5):
    """With θ̂ = κθ the loss targets γ/κ: the bias is exact, and no two pairs change places."""
    assumed = world.propensity * scale
    bias = expected_loss(world, lambda clicks: unbiased(clicks, world.per_pattern(assumed))) - ideal_loss(world)
    formula = misspecified_bias(world.relevance, world.propensity, assumed, world.losses().difference)
    target = world.relevance * world.propensity / assumed
    steps = (target[..., :, None] - target[..., None, :]) * (
        world.relevance[..., :, None] - world.relevance[..., None, :]
    )
    return equal(bias, formula), at_most(0.0, steps)


ranking_under_a_wrong_scale.control(
    "the scale differs from pair to pair: the square root of the propensity is assumed",
    scale=lambda world: world.propensity**-0.5,
)


@evidence("mnar-clipped/never-exposed", kind="exact", over=independent, size=WORLDS)
def pairs_that_are_never_exposed(world: Exposure, hidden=3):
    """The first pairs are never exposed: whatever propensity is assumed for them, the bias is −γΔ on each."""
    keeps = (np.arange(world.pairs) >= hidden).astype(float)
    seen = Exposure(world.propensity * keeps, world.relevance, world.logit)
    assumed = world.per_pattern(world.propensity)
    bias = expected_loss(seen, lambda clicks: unbiased(clicks, assumed)) - ideal_loss(seen)
    lost = (1.0 - (np.arange(world.pairs) >= 3)) * world.relevance * world.losses().difference
    return equal(bias, -lost.mean(axis=-1))


pairs_that_are_never_exposed.control("only two of the three pairs are hidden", hidden=2)


@evidence("mnar-clipped/dependence-bias", kind="exact", over=dependent, size=WORLDS)
def bias_from_dependence(world: Exposure, covariance=None):
    """Enumerate clicks whose exposure and relevance depend; the four outcomes of a pair confirm the covariance."""
    covariance = world.covariance if covariance is None else covariance
    joint = world.expect_outcomes(lambda exposed, relevant: exposed * relevant)
    propensity = world.per_pattern(world.propensity)
    bias = expected_loss(world, lambda clicks: unbiased(clicks, propensity)) - ideal_loss(world)
    return (
        equal(joint - world.propensity * world.relevance, covariance),
        equal(bias, dependence_bias(covariance, world.propensity, world.losses().difference)),
    )


bias_from_dependence.control("the covariance is taken for 0", covariance=lambda world: 0.0 * world.propensity)


# C4: the variance


@evidence("mnar-clipped/unbiased-variance", kind="exact", over=independent, size=WORLDS)
def variance_by_enumeration(world: Exposure):
    """The variance of the unbiased loss over all click patterns."""
    assumed = world.per_pattern(world.propensity)
    return tuple(
        equal(
            loss_variance(world, lambda clicks: unbiased(clicks, assumed), local),
            unbiased_variance(world.relevance, world.propensity, world.losses(local).difference),
        )
        for local in ("log", "squared")
    )


variance_by_enumeration.control("exposure and relevance depend on each other", over=dependent)


@evidence("mnar-clipped/variance-grows-like-inverse-propensity", kind="rate")
def variance_against_propensity(draw, clip=0.0):
    """The variance of 50 pairs with one propensity, from 1e-2 down to 1e-6."""
    rng = draw.rng
    relevance, difference = rng.uniform(0.1, 0.9, 50), rng.normal(size=50)
    propensity = np.logspace(-6, -2, 9)
    alike = np.repeat(propensity[:, None], len(relevance), axis=1)
    variance = clipped_variance(relevance, alike, difference, clip=clip)
    return exponent(propensity, variance, between=(-1.02, -0.98), predicted=-1.0)


variance_against_propensity.control("propensities are clipped at 0.05", clip=0.05)


def _shocked_moments(world: ExposureShock, local="log"):
    logits, propensity = world.logit[..., None, :], world.propensity[..., None, :]
    return world.loss_moments(lambda clicks: loss(logits, unbiased(clicks, propensity), local=local))


@evidence("mnar-clipped/variance-without-independence", kind="exact", over=shocked, size=WORLDS)
def independent_formula_under_a_shock(world: ExposureShock, strength=1.0):
    """The variance formula for independent pairs, where each user's exposures rise and fall together."""
    world = ExposureShock(world.propensity, world.relevance, world.logit, strength * world.shock)
    _, variance = _shocked_moments(world)
    flat = [x.reshape(*x.shape[:-2], -1) for x in (world.relevance, world.propensity, world.losses().difference)]
    return equal(variance, unbiased_variance(*flat))


independent_formula_under_a_shock.control("no shock", strength=0.0)


@evidence("mnar-clipped/shared-shock-variance", kind="exact", over=shocked, size=WORLDS)
def variance_under_a_shock(world: ExposureShock, strength=1.0):
    """Enumerate both shocks and all click patterns of each user: the mean stays, the variance gains the covariances."""
    mean, variance = _shocked_moments(world)
    ideal_loss_ = loss(world.logit, ideal(world.relevance)).mean(axis=(-2, -1))
    assumed = strength * world.shock
    formula = shared_shock_variance(world.relevance, world.propensity, world.losses().difference, shock=assumed)
    return equal(mean, ideal_loss_), equal(variance, formula)


variance_under_a_shock.control("the shock is taken for half as large", strength=0.5)


@evidence("mnar-clipped/shared-shock-understates", kind="exact", over=shocked_one_sign, size=WORLDS)
def shock_only_adds_variance(world: ExposureShock):
    """Where all local-loss differences have one sign, the formula for independent pairs is too small."""
    _, variance = _shocked_moments(world)
    flat = [x.reshape(*x.shape[:-2], -1) for x in (world.relevance, world.propensity, world.losses().difference)]
    return at_most(unbiased_variance(*flat), variance)


shock_only_adds_variance.control("differences of both signs", over=shocked)


# What the sampled pairs would look like to the naive loss: clicks are not ordered as relevance.


@evidence("mnar-clipped/clicks-rank-relevance", kind="exact", over=independent, size=WORLDS)
def click_probability_against_relevance(world: Exposure):
    """The naive loss is least at P(Y = 1): are the pairs in the same order there as in their relevance?"""
    prediction = logit(world.click_probability)
    least = expected_loss(Exposure(world.propensity, world.relevance, prediction), naive)
    other = expected_loss(Exposure(world.propensity, world.relevance, prediction + 0.3), naive)
    clicks = world.click_probability
    steps = (clicks[..., :, None] - clicks[..., None, :]) * (
        world.relevance[..., :, None] - world.relevance[..., None, :]
    )
    return at_most(least, other), at_most(0.0, steps)


click_probability_against_relevance.control("all pairs have one propensity", over=evenly_exposed)
