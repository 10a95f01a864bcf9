"""Estimation from noisy pairs in log-linear worlds (`rdpo`, C5 and C6): the rates, the exact covariance, a wrong rate.

Data sets are tables of counts drawn from the exact probabilities of the world's pairs, so a million pairs cost what a
thousand do. The plain loss is the robust one at rate 0.
"""

from dataclasses import replace

import numpy as np
from scipy.special import chdtri

from lab.arrays import sigmoid
from lab.estimation.covariance import likelihood_information, profile_information, robust_covariance
from lab.estimation.linear import inverse, pivots
from lab.family import family, uniform, world
from lab.inference.rounding import value
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal, exponent, mean_equals
from lab.objectives.logistic import (
    conservative_dpo,
    conservative_dpo_minimiser,
    noisy_likelihood_dpo,
    robust_dpo,
    robust_dpo_minimiser,
)
from lab.worlds.log_linear import LogLinear
from simulations.rdpo.setting import (
    DIMENSIONS,
    MILLION,
    RATES,
    SIZES,
    WIDE_SIZE,
    counts,
    covariance,
    distance,
    estimate,
    limit,
    log_linear_world,
    millions,
    plain_covariance,
    root_mean_square,
    small_worlds,
    wide_fits,
)

# ── C5: the rates in n and in d ──


def deficient_world() -> LogLinear:
    """The last feature is the sum of two others: a direction that no pair distinguishes."""
    base = log_linear_world(0.2)
    features = base.features.copy()
    features[..., -1] = features[..., 0] + features[..., 1]
    return replace(base, features=features)


@evidence("rdpo/estimation-rate-in-size", kind="rate", over=log_linear_world(0.2), size=2048)
def error_against_size(base, draw, loss=robust_dpo, assumed=None, euclidean=False):
    """Errors of the fitted parameter, in the norm of the features' second moment, against the number of pairs."""
    won, lost = counts(base, draw.rng, SIZES, draw.size)
    rate = float(base.flip_rate) if assumed is None else assumed
    theta, _ = estimate(loss, base.pair_features, won, lost, flip_rate=rate)
    moment = np.eye(base.shift.size) if euclidean else base.second_moment()
    errors = distance(theta, base.shift, moment)
    return exponent(
        SIZES, root_mean_square(errors), between=(-0.58, -0.42), predicted=-0.5, series=_predictions(base, moment)
    )


error_against_size.control("the plain loss: the error stops at its bias", assumed=0.0)
error_against_size.control("the conservative loss", loss=lambda _: conservative_dpo)
error_against_size.control("a flip rate of 0.25 assumed, 0.2 true", assumed=0.25)
error_against_size.control(
    "features that determine each other: in Euclidean norm the unseen direction stays",
    over=deficient_world(),
    euclidean=True,
)
error_against_size.control(
    "features that determine each other: in the norm of the features the rate remains",
    over=deficient_world(),
    expected="holds",
)


def _predictions(base: LogLinear, moment: np.ndarray) -> dict[str, np.ndarray]:
    """Root mean squared error by the sandwich where it exists, and the limits of the other losses."""
    if np.linalg.matrix_rank(base.second_moment()) < moment.shape[0]:
        return {}
    table = (base.pair_features, base.pair_probabilities, base.margins)
    setting = {"beta": 1.0, "flip_rate": float(base.flip_rate)}
    robust = np.trace(moment @ covariance(base, setting["flip_rate"]))
    likelihood = np.trace(moment @ np.linalg.inv(likelihood_information(*table, **setting)))
    limits = [
        limit(robust_dpo, base, 0.0),
        limit(conservative_dpo, base, setting["flip_rate"]),
        limit(robust_dpo, base, 0.25),
    ]
    return {
        "robust": np.sqrt(robust / np.asarray(SIZES)),
        "likelihood": np.sqrt(likelihood / np.asarray(SIZES)),
        "plateaus": np.array([distance(x, base.shift, moment) for x in limits]),
    }


@evidence("rdpo/estimation-rate-in-dimension", kind="rate", size=2048)
def error_against_dimension(draw, rank=None):
    """Worlds of growing dimension with margins of one spread; short features are filled up with empty columns."""
    errors, expected = [], []
    for d, (base, theta) in zip(DIMENSIONS, wide_fits(draw, rank), strict=True):
        errors.append(root_mean_square(distance(theta, base.shift, base.second_moment())))
        expected.append(_expected_error(base, rank or d) / np.sqrt(WIDE_SIZE))
    series = {"theory": np.array(expected)}
    return exponent(DIMENSIONS, np.stack(errors, axis=1), between=(0.4, 0.6), predicted=0.5, series=series)


error_against_dimension.control("columns are added but the rank stays 2", rank=2)


def _expected_error(base: LogLinear, rank: int) -> float:
    """Root of the trace of moment times sandwich, on the coordinates that carry the rank."""
    x, moment = base.pair_features[:, :rank], base.second_moment()[:rank, :rank]
    sandwich = robust_covariance(x, base.pair_probabilities, base.margins, beta=1.0, flip_rate=0.2)
    return float(np.sqrt(np.trace(moment @ sandwich)))


# ── C6: the exact covariance, and how sharp 1/(1 − 2ε) is ──


def _error_ratio(base, flipped=None):
    """Asymptotic standard deviation of the first coordinate with flips over that without."""
    flipped = covariance(base, base.flip_rate) if flipped is None else flipped
    return np.sqrt(flipped[..., 0, 0] / covariance(base, 0.0 * base.flip_rate)[..., 0, 0])


@evidence("rdpo/flip-factor-exact", kind="exact", over=small_worlds)
def error_ratio_is_the_printed_factor(base, signal=1.0):
    """Asymptotic standard deviation of the first coordinate with flips over that without, against 1/(1 − 2ε)."""
    base = replace(base, theta=base.reference_theta + signal * base.shift)
    ratio = _error_ratio(base)
    return equal(ratio, 1.0 / (1.0 - 2.0 * base.flip_rate), series={"rate": base.flip_rate, "ratio": ratio})


error_ratio_is_the_printed_factor.control("no signal: every label is a fair coin", signal=0.0)


@evidence("rdpo/flip-factor-lower-bound", kind="exact", over=small_worlds)
def error_ratio_exceeds_the_printed_factor(base, corrected=True):
    """The same ratio is never less; control: the plain loss, which settles elsewhere, and there with less noise."""
    factor = 1.0 / (1.0 - 2.0 * base.flip_rate)
    if corrected:
        return at_most(factor, _error_ratio(base))
    # Newton's method stops within 1e-9 of the plain loss's limit; a thousand times that bounds what the ratio inherits.
    return at_most(value(factor), value(_error_ratio(base, plain_covariance(base))), error=1e-6)


error_ratio_exceeds_the_printed_factor.control("the plain loss: labels not corrected for", corrected=False)


@evidence("rdpo/sandwich-covariance", kind="sampled", over=log_linear_world(0.0), size=1024)
def ellipsoid_by_sandwich(base, draw, printed=False):
    """The ellipsoid that should hold nine tenths of the estimates from a million pairs does, at three flip rates."""
    inside = []
    for rate, (won, lost) in millions(base, draw):
        theta, _ = estimate(robust_dpo, base.pair_features, won, lost, flip_rate=rate)
        expected = covariance(base, 0.0) / (1 - 2 * rate) ** 2 if printed else covariance(base, rate)
        inside.append(_in_ellipsoid(theta - base.shift, expected))
    return mean_equals(np.stack(inside, axis=1), np.full(3, 0.9), within=0.04, low=0.0, high=1.0)


ellipsoid_by_sandwich.control("the covariance without flips, times the printed factor squared", printed=True)


@evidence("rdpo/likelihood-covariance", kind="sampled", over=log_linear_world(0.0), size=1024)
def ellipsoid_by_information(base, draw, flips=True):
    """The same for the noisy-likelihood estimate and the inverse of its information."""
    inside = []
    for rate, (won, lost) in millions(base, draw, RATES[1:]):  # without flips it is the plain loss
        theta, _ = estimate(noisy_likelihood_dpo, base.pair_features, won, lost, flip_rate=rate)
        table = (base.pair_features, base.pair_probabilities, base.margins)
        information = likelihood_information(*table, beta=1.0, flip_rate=rate)
        inside.append(_in_ellipsoid(theta - base.shift, inverse(information) if flips else covariance(base, 0.0)))
    return mean_equals(np.stack(inside, axis=1), np.full(2, 0.9), within=0.05, low=0.0, high=1.0)


ellipsoid_by_information.control("the covariance without flips", flips=False)


def _in_ellipsoid(error, spread):
    return (distance(error, 0.0, np.linalg.inv(spread)) ** 2 * MILLION <= chdtri(error.shape[-1], 0.1)).astype(float)


@evidence("rdpo/likelihood-efficiency", kind="exact", over=small_worlds)
def precision_of_the_likelihood_exceeds(base, information=likelihood_information):
    """Pivots of the difference of the inverse covariances: none is negative, so no linear function is estimated better
    by the robust loss."""
    table = (base.pair_features, base.pair_probabilities, base.margins)
    likelihood = information(*table, beta=base.beta, flip_rate=base.flip_rate)
    return at_most(0.0, pivots(likelihood - inverse(covariance(base, base.flip_rate))))


precision_of_the_likelihood_exceeds.control(
    "the likelihood must tell the flip rate too", information=lambda base: profile_information
)


# ── A wrong flip rate ──


@evidence("rdpo/wrong-flip-rate-limit", kind="rate", over=log_linear_world(0.2), size=2048)
def error_against_predicted_limit(base, draw, target="limit"):
    """With 0.25 assumed and 0.2 true the estimate goes to the fit of the population, not to the truth."""
    won, lost = counts(base, draw.rng, SIZES, draw.size)
    theta, _ = estimate(robust_dpo, base.pair_features, won, lost, flip_rate=0.25)
    assumed = np.linspace(0.0, 0.25, 51)
    limits = limit(robust_dpo, base, assumed)
    errors = distance(theta, limits[-1] if target == "limit" else base.shift, base.second_moment())
    plateaus = distance(limits, base.shift, base.second_moment())
    series = {"assumed": assumed, "plateau": plateaus}
    return exponent(SIZES, root_mean_square(errors), between=(-0.58, -0.42), predicted=-0.5, series=series)


error_against_predicted_limit.control("measured from the truth", target="truth")


@world
class NoFlips:
    """A pair whose labels carry Bradley–Terry noise alone, and a wrongly assumed flip rate below its minority share."""

    margin: np.ndarray
    share: np.ndarray


@evidence(
    "rdpo/over-correction", kind="exact", over=family(NoFlips, margin=uniform(0.05, 4.0), share=uniform(0.05, 0.95))
)
def clean_margins_are_inflated(pair, minimiser=robust_dpo_minimiser):
    """No label was flipped, some flips are assumed: the margin of the tabular minimiser exceeds the true one."""
    win_rate = sigmoid(pair.margin)
    return below(pair.margin, minimiser(win_rate, beta=1.0, flip_rate=pair.share * sigmoid(-pair.margin)))


clean_margins_are_inflated.control("smoothing the labels shrinks it", minimiser=lambda _: conservative_dpo_minimiser)
