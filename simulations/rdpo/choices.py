"""Real human choices with planted flips (`rdpo`): does the robust loss give back the fit to the unflipped choices?

The choices are those of `Ecdat/Train` (2,929 pairs of train journeys, 235 people). The fit of the Bradley–Terry model
to all of them is the truth that is to be recovered: the population is the data set, so that it is known. Features are
whitened (their second moment is the identity) and every fit is sought in a ball of four times the length of the
truth. The statistics are medians and frequencies over many draws of the flips, whose intervals assume nothing of
their law.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from lab.datasets.choices import TRAIN, train_choices
from lab.estimation.covariance import second_moment
from lab.estimation.existence import existence_in_table
from lab.estimation.fitting import fit
from lab.estimation.sandwich import clustered_sandwich, sandwich
from lab.inference.rates import median_interval
from lab.ledger.evidence import evidence
from lab.ledger.findings import interval, mean_at_least
from lab.objectives.logistic import conservative_dpo, robust_dpo

RATES = (0.1, 0.2, 0.3)
TIMES = 4.0  # radius of the ball, in lengths of the truth
ROWS = 64  # data sets a batch
PEOPLE = (5, 10, 20, 40, 80, 235)


class Real(NamedTuple):
    """The choices, whitened and gathered by distinct pair, and the fit to all of them."""

    features: np.ndarray  # (distinct pairs, features)
    won: np.ndarray  # (people, distinct pairs): how often a person chose the pair's first journey
    lost: np.ndarray
    theta: np.ndarray
    coefficients: np.ndarray  # the same in the attributes' units
    deviation: np.ndarray  # of the coefficients, a person's choices taken together


@cache
def real() -> Real:
    data = train_choices()
    moment = np.asarray(second_moment(data.pair_features, np.full(data.won.size, 1 / data.won.size)))
    values, axes = np.linalg.eigh(moment)
    unwhiten = axes / np.sqrt(values) @ axes.T
    # One row for a pair of journeys in either order: the same attributes differ, with the other sign.
    leading = np.argmax(data.pair_features != 0, axis=1)
    sign = np.sign(data.pair_features[np.arange(data.won.size), leading])
    distinct, row = np.unique(np.round(data.pair_features * sign[:, None], 9), axis=0, return_inverse=True)
    first = np.where(sign > 0, data.won, data.lost)
    won, lost = np.zeros((2, data.people, len(distinct)))
    np.add.at(won, (data.person, row.ravel()), first)
    np.add.at(lost, (data.person, row.ravel()), 1 - first)
    features = distinct @ unwhiten
    everyone = (won.sum(axis=0)[None], lost.sum(axis=0)[None])
    theta = _fits_from(features, np.zeros(features.shape[1]), 100.0, robust_dpo, *everyone, 0.0)[0]
    covariance = clustered_sandwich(
        robust_dpo, theta, data.pair_features @ unwhiten, data.won, data.lost, data.person, beta=1.0, flip_rate=0.0
    )
    deviation = np.sqrt(np.diag(unwhiten @ np.asarray(covariance) @ unwhiten))
    return Real(features, won, lost, theta, unwhiten @ theta, deviation)


def _fits(loss: Any, won: np.ndarray, lost: np.ndarray, flip_rate: float) -> np.ndarray:
    """Fits to tables (data sets, pairs); the plain loss is the robust one at rate 0."""
    truth = real()
    return _fits_from(truth.features, truth.theta, TIMES * np.linalg.norm(truth.theta), loss, won, lost, flip_rate)


def _fits_from(
    features: np.ndarray,
    start: np.ndarray,
    radius: float,
    loss: Any,
    won: np.ndarray,
    lost: np.ndarray,
    flip_rate: float,
) -> np.ndarray:
    """Fits in batches of one shape, so that each loss is compiled once."""
    found, radii, rates = [], np.full(ROWS, radius), np.full(ROWS, flip_rate)
    for first in range(0, len(won), ROWS):
        pick = np.minimum(np.arange(first, first + ROWS), len(won) - 1)  # the last batch is filled up
        table = (won[pick], lost[pick])
        found.append(fit(loss, features, *table, radius=radii, beta=1.0, flip_rate=rates, start=start, steps=50).theta)
    return np.concatenate(found)[: len(won)]


def _people(rng: np.random.Generator, people: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Tables of samples of people, drawn with replacement: a person's choices stay together."""
    everyone = len(real().won)
    drawn = rng.multinomial(people, np.full(everyone, 1 / everyone), size=samples)
    return drawn @ real().won, drawn @ real().lost


def _flip(rng: np.random.Generator, won: np.ndarray, lost: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The tables after each choice was flipped with the given probability."""
    away, back = rng.binomial(won.astype(int), rate), rng.binomial(lost.astype(int), rate)
    return won - away + back, lost - back + away


def _expected(rate: float) -> tuple[np.ndarray, np.ndarray]:
    """All choices after flips, in expectation: what many flipped copies of the data come to."""
    won, lost = real().won.sum(axis=0), real().lost.sum(axis=0)
    return (1 - rate) * won + rate * lost, (1 - rate) * lost + rate * won


def _population(loss: Any, rate: float, assumed: float) -> np.ndarray:
    won, lost = _expected(rate)
    return _fits(loss, won[None], lost[None], assumed)[0]


def share(theta: np.ndarray) -> np.ndarray:
    """Recovered share of the true margins, the regression of fitted on true margins: 1 recovers, 0 learns nothing."""
    target = real().theta
    return theta @ target / (target @ target)


def medians(values: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Intervals that cover the medians of all columns together with probability at least 1 − alpha, for any law."""
    low, high = np.transpose([median_interval(column, alpha=alpha / values.shape[1]) for column in values.T])
    return low, high


@evidence("rdpo/choices-recovered", kind="data", data=TRAIN)
def share_recovered_under_flips(draw, loss=robust_dpo, assumed=lambda rate: rate, samples=256):
    """Flip each choice with probability 0.1, 0.2, 0.3, fit, and take the median share of the clean margins that comes
    back."""
    rng, shares, everyone = draw.rng, [], (real().won.sum(axis=0), real().lost.sum(axis=0))
    for rate in RATES:
        copies = [np.broadcast_to(x, (samples, x.size)) for x in everyone]
        shares.append(share(_fits(loss, *_flip(rng, *copies, rate), assumed(rate))))
    values = np.stack(shares, axis=1)
    low, high = medians(values, draw.alpha)
    predicted = share(np.array([_population(loss, rate, assumed(rate)) for rate in RATES]))
    series = {
        "rates": np.array(RATES),
        "limit": predicted,
        "coefficients": real().coefficients,
        "deviation": real().deviation,
    }
    return interval(
        np.median(values, axis=0), low, high, between=(np.full(3, 0.85), np.full(3, 1.15)), predicted=predicted,
        samples=values.size, series=series, note="median share of the clean margins at flip rates 0.1, 0.2 and 0.3",
    )  # fmt: skip


share_recovered_under_flips.control("the plain loss", assumed=lambda: lambda rate: 0.0, samples=64)
share_recovered_under_flips.control("the conservative loss", loss=lambda: conservative_dpo, samples=64)
share_recovered_under_flips.control("half the rate assumed", assumed=lambda: lambda rate: rate / 2, samples=64)


@evidence("rdpo/choices-over-corrected", kind="data", data=TRAIN)
def share_inflated_without_flips(draw, assumed=0.15, samples=256):
    """People resampled, no flips, but a flip rate of 0.15 assumed because people seem inconsistent: margins grow by a
    fifth or more."""
    shares = share(_fits(robust_dpo, *_people(draw.rng, len(real().won), samples), assumed))
    return mean_at_least((shares > 1.2).astype(float), 0.9, low=0.0, high=1.0, series={"shares": np.sort(shares)})


share_inflated_without_flips.control("no flips assumed", assumed=0.0, samples=64)


def squared_errors(rng: Any, people: int, rate: float, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of the robust and the plain fit from the truth on the same samples, in squared lengths of the
    truth."""
    table, truth = _flip(rng, *_people(rng, people, samples), rate), real().theta
    robust, plain = (
        np.sum((_fits(robust_dpo, *table, assumed) - truth) ** 2, axis=-1) / (truth @ truth) for assumed in (rate, 0.0)
    )
    return robust, plain


def crossover(rate: float) -> float:
    """Number of choices from which on the robust fit is predicted to have the smaller mean squared error: variances
    by the sandwich, the plain loss's bias by the fit to the expected labels; choices taken as independent."""
    truth, seen, plain = real().theta, _expected(rate), _population(robust_dpo, rate, 0.0)
    spread = [
        np.trace(sandwich(robust_dpo, theta, real().features, *seen, beta=1.0, flip_rate=assumed))
        for theta, assumed in ((truth, rate), (plain, 0.0))
    ]
    return float((spread[0] - spread[1]) / np.sum((plain - truth) ** 2))


@evidence("rdpo/choices-robust-closer", kind="data", data=TRAIN)
def robust_closer_than_plain(draw, settings=((235, 0.1), (235, 0.2), (235, 0.3)), samples=256):
    """All 235 people resampled and their choices flipped: is the robust fit closer to the truth than the plain one?"""
    errors = [squared_errors(draw.rng, people, rate, samples) for people, rate in settings]
    closer = np.stack([robust < plain for robust, plain in errors], axis=1).astype(float)
    series = {
        "people": np.array([people for people, _ in settings]),
        "rate": np.array([rate for _, rate in settings]),
        "closer": closer.mean(axis=0),
        "crossover": np.array([crossover(rate) for _, rate in settings]),
    }
    for name, index in (("robust", 0), ("plain", 1)):
        values = np.stack([pair[index] for pair in errors], axis=1)
        low, high = medians(values, 0.05)
        series |= {name: np.median(values, axis=0), f"{name}_low": low, f"{name}_high": high}
    return mean_at_least(closer, np.full(len(settings), 0.75), low=0.0, high=1.0, series=series)


robust_closer_than_plain.control("ten people, about 125 choices, and a flip rate of 0.3", settings=((10, 0.3),))


@evidence("rdpo/choices-always-worth-it", kind="data", data=TRAIN)
def robust_closer_at_any_size(draw, rate=0.3, sizes=PEOPLE, samples=64):
    """The same against the number of people: below the crossover the correction costs more than it brings."""
    return robust_closer_than_plain.function(draw, tuple((people, rate) for people in sizes), samples)


robust_closer_at_any_size.control("all 235 people", sizes=(235,), samples=160)


@evidence("rdpo/choices-always-worth-it", kind="data", data=TRAIN)
def robust_closer_at_any_rate(draw, rates=(0.2, 0.3, 0.4, 0.45), samples=160):
    """All 235 people against the flip rate: near one half the variance costs more than the bias."""
    return robust_closer_than_plain.function(draw, tuple((len(real().won), rate) for rate in rates), samples)


robust_closer_at_any_rate.control("rates up to 0.3", rates=(0.2, 0.3))


@evidence("rdpo/choices-unbounded-when-few", kind="data", data=TRAIN)
def no_minimiser_on_few_choices(draw, people=5, rate=0.4, samples=512):
    """Five people, two choices in five flipped: the linear program says that the robust loss falls for ever."""
    rng, features = draw.rng, real().features
    tables = zip(*_flip(rng, *_people(rng, people, samples), rate), strict=True)
    critical = np.array([existence_in_table(features, won, lost).critical_flip_rate for won, lost in tables])
    return mean_at_least(
        (critical <= rate).astype(float), 2 / 3, low=0.0, high=1.0, series={"critical": np.sort(critical)}
    )


no_minimiser_on_few_choices.control("a flip rate of 0.1", rate=0.1)
no_minimiser_on_few_choices.control("all 235 people", people=235, samples=128)
