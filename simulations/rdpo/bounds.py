"""The explicit bound on the error of the robust estimate (`rdpo`, C5): it holds, it is near, and it allows a ridge."""

from dataclasses import replace

import numpy as np

from lab.estimation.bounds import error_bound, least_curvature
from lab.estimation.covariance import second_moment
from lab.ledger.evidence import evidence
from lab.ledger.findings import mean_at_least, mean_between
from lab.objectives.logistic import conservative_dpo, robust_dpo
from lab.worlds.log_linear import LogLinear
from simulations.rdpo.setting import MILLION, RATES, counts, distance, estimate, log_linear_world, with_rate

DELTA = 0.05


def bounded_world(shift: float = 0.4) -> LogLinear:
    """The sheet's setting: d = 4, features of length at most 1 (a fifth column is empty), reference and truth in a
    ball."""
    base = log_linear_world(0.0)
    features = base.features * (np.arange(5) < 4)
    direction = np.array([1.0, -1.0, 1.0, 1.0, 0.0]) / 2
    return replace(
        base,
        features=features / np.max(np.linalg.norm(features, axis=-1)),
        theta=shift / 2 * direction,
        reference_theta=-shift / 2 * direction,
    )


def _errors_and_bounds(base, draw, sizes, loss=robust_dpo, assumed=lambda rate: rate, radius=0.5, **ridge):
    """Errors in the norm of Σ̂ + λI and their bounds, (data sets, flip rates × sizes); λ is the penalty, 0 or given.

    The size of a data set is the number of its pairs of different actions, which are those that the loss averages
    over. Margins in the ball are at most twice the radius.
    """
    rng, margin, found, penalty = draw.rng, 2 * radius, [], ridge.get("penalty", 0.0)
    weight = penalty * float(least_curvature(margin))
    for rate in RATES:
        won, lost = counts(with_rate(base, rate), rng, sizes, draw.size)
        theta, _ = estimate(loss, base.pair_features, won, lost, flip_rate=assumed(rate), radius=radius, ridge=weight)
        size = np.sum(won + lost, axis=-1)
        moment = second_moment(base.pair_features, (won + lost) / size[..., None]) + penalty * np.eye(theta.shape[-1])
        bound = error_bound(size, dimension=4.0, beta=1.0, flip_rate=rate, margin=margin, delta=DELTA, **ridge)
        found.append((distance(theta, base.shift, moment), bound))
    return [np.concatenate(columns, axis=1) for columns in zip(*found, strict=True)]


@evidence("rdpo/estimation-error-bound", kind="sampled", over=bounded_world(), size=256)
def error_within_bound(base, draw, loss=robust_dpo, assumed=lambda rate: rate):
    """Bound against error in the norm of the drawn features, the estimate being sought in the ball (B = ¼, so shifts
    up to ½)."""
    error, bound = _errors_and_bounds(base, draw, (2_000, 20_000, MILLION), loss, assumed)
    return mean_at_least((error <= bound).astype(float), np.full(9, 1 - DELTA), low=0.0, high=1.0)


error_within_bound.control("half the flip rate assumed", assumed=lambda _: lambda rate: rate / 2)
error_within_bound.control("the plain loss", assumed=lambda _: lambda rate: 0.0)
error_within_bound.control("the conservative loss", loss=lambda _: conservative_dpo)
error_within_bound.control("the truth lies outside the ball", over=bounded_world(shift=1.0))


@evidence("rdpo/estimation-error-bound-near", kind="sampled", over=bounded_world(), size=256)
def error_against_bound(base, draw, radius=0.5):
    """Error over bound, at most 1, at three flip rates and two sizes: a third or a little more, at each of them."""
    error, bound = _errors_and_bounds(base, draw, (20_000, MILLION), radius=radius)
    shares = np.minimum(error / bound, 1.0)
    series = {"rates": np.repeat(RATES, 2), "shares": shares.mean(axis=0)}
    return mean_between(shares, (np.full(6, 0.25), np.full(6, 0.5)), low=0.0, high=1.0, series=series)


error_against_bound.control(
    "a ball of radius 2, whose margins reach 4: the least curvature is far from the usual one", radius=2.0
)


@evidence("rdpo/estimation-error-bound-with-ridge", kind="sampled", over=bounded_world(), size=256)
def ridge_error_within_bound(base, draw, biased=True):
    """The same with a ridge of λ = 0.1, at three flip rates and two sizes."""
    length = np.linalg.norm(base.shift) if biased else 0.0
    error, bound = _errors_and_bounds(base, draw, (2_000, MILLION), penalty=0.1, length=length)
    return mean_at_least((error <= bound).astype(float), np.full(6, 1 - DELTA), low=0.0, high=1.0)


ridge_error_within_bound.control("the ridge's bias left out of the bound", biased=False)
