"""Advice from a log of router scores: the stream's own optimum, its curvature, drift, the promised fluctuation."""

import jax
import numpy as np
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as student

from lab.inference.intervals import clopper_pearson
from lab.routing.advice import _drift, advise_routing, switching_hessian
from lab.routing.balance import max_violation
from lab.routing.online import Policy, follow
from lab.routing.selection import centred, loads, route
from lab.routing.uniform_scores import selection_probability
from lab.routing.worlds import spread_means, stream

MEANS = spread_means(6, 0.25)


def log(tokens=6000, seed=0, swing=0.0):
    rng = np.random.default_rng(seed)
    return MEANS * np.cos(swing * np.arange(tokens))[:, None] + rng.random((tokens, 6))


@pytest.fixture(scope="module")
def advice():
    return advise_routing(log(), np.random.default_rng(0), experts_per_token=2, batch=120)


def test_a_stationary_log(advice):
    # Deviation of an optimal bias: loads vary by K/E (1 − K/E) E/(E−1) a token and direction, against the curvature
    # E/(E−1); a component sees 5 of 6 directions. Six of them, wrong with probability 1e-6.
    deviation = np.sqrt(1 / 3 * 2 / 3 * 6 / 5 / 6000) / (6 / 5) * np.sqrt(5 / 6)
    np.testing.assert_allclose(advice.bias, -centred(MEANS), atol=norm.isf(1e-6 / 12) * deviation)
    assert advice.achievable_violation == 0
    assert advice.slack > 0
    # The first expert is the busiest without biases: its share of the tokens is binomial.
    chance = selection_probability(MEANS, experts_per_token=2)[0]
    low, high = clopper_pearson(round((advice.plain_violation + 1) / 3 * 6000), 6000, alpha=1e-6)
    assert low <= chance <= high
    # The floor is a mean of 200 batches drawn from the log under the advised bias: here are 2,000 others.
    routing = route(log(), advice.bias, experts_per_token=2)
    again = max_violation(loads(routing[np.random.default_rng(1).integers(0, 6000, (2000, 120))]))
    error = norm.isf(1e-6 / 2) * np.std(again, ddof=1) * np.sqrt(1 / 200 + 1 / 2000)
    assert abs(advice.noise_floor - np.mean(again)) < error
    # The curvature is the one estimated below, for batches of 120 tokens.
    spectrum = np.linalg.eigvalsh(switching_hessian(log(), advice.bias, experts_per_token=2)) * 120 / 6000
    least, largest = advice.curvature
    np.testing.assert_allclose([least, largest], spectrum[[1, -1]], rtol=1e-12)
    assert not advice.drifts  # of all stationary logs one in a thousand is said to
    assert advice.rule == "harmonic"
    assert advice.rate == 1 / least
    assert advice.start_up_steps == np.max(np.abs(advice.bias)) / advice.sign_rate


def test_the_advised_rates_add_the_promised_variance(advice):
    """Loads of balanced streams under constant rates: one tenth more variance than the batches' own, if the curvature
    were the log's; and accordingly with that of the stream, 144 tokens a unit of bias."""
    steeper = 144 / advice.curvature[1]
    world = stream(np.zeros(6), tokens=120, experts_per_token=2)
    policies = (Policy("sign", advice.sign_rate), Policy("proportional", advice.proportional_rate), Policy("sign", 0.0))
    track = follow(world, jax.random.key(0), policies=policies, runs=200, steps=300, with_regret=False, with_bias=True)
    # Expected loads around balance are −λ times the bias: the variance that the biases add.
    # Each run gives one value, around the known mean 0.
    squares = np.mean(np.asarray(centred(track.bias))[:, :, 100:] ** 2, axis=(2, 3))  # (runs, policies)
    added = 144.0**2 * squares / (120 / 3 * 2 / 3)
    mean = added.mean(axis=0)
    error = student.isf(1e-6 / 4, len(added) - 1) * added.std(axis=0, ddof=1) / np.sqrt(len(added))
    # Proportional steps: a/(2 − a), where a, rate times curvature, is 2 · 0.1/1.1 for a tenth.
    step = 0.2 / 1.1 * steeper
    assert abs(mean[1] - step / (2 - step)) < error[1]
    # Signs, to first order: a load that meets its mean exactly moves nothing, which takes its chance from the squared
    # steps 1 + (2/π) arcsin(1/5); and the sign of a load tells less of a bias that adds variance, by √(1 + x).
    signs, idle, tenth = 1 + 2 / np.pi * np.arcsin(1 / 5), binom.pmf(40, 120, 1 / 3), 0.1 * steeper
    assert tenth * (1 - idle / signs) - error[0] < mean[0] < tenth * np.sqrt(1 + tenth) + error[0]
    assert np.all(added[:, 2] == 0)


def test_a_drifting_log():
    advice = advise_routing(log(swing=1e-3), np.random.default_rng(0), experts_per_token=2, batch=120)
    assert advice.drifts
    assert advice.rule == "sign"
    assert advice.rate == advice.sign_rate


def test_drift_is_seen_no_more_often_than_the_level_where_there_is_none():
    """The false alarms of the test in 400 stationary logs, each routed by one bias, are binomial."""
    rng = np.random.default_rng(0)
    routings = [route(rng.random((240, 6)), -MEANS, experts_per_token=2) for _ in range(400)]
    p_value = np.array([_drift(r, np.cov(r.T.astype(float), ddof=0), 8) for r in routings])
    for level in (0.05, 0.3, 0.8):
        assert np.sum(p_value < level) <= binom.isf(1e-6 / 3, len(p_value), level)


def test_uneven_logs():
    advice = advise_routing(log(601), np.random.default_rng(0), experts_per_token=2)
    assert advice.achievable_violation == pytest.approx(201 / (601 / 3) - 1)


def test_switching_hessian_of_uniform_scores():
    """Balanced, T tokens: every weight is T/(E − 1)."""
    scores = np.random.default_rng(0).random((20_000, 5))
    found = switching_hessian(scores, np.zeros(5), experts_per_token=2, share=0.05)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-8)
    weights = -found[np.triu_indices(5, 1)]
    # A thousand tokens are nearest; each of the ten pairs has a tenth of them …
    low, high = clopper_pearson(np.round(1000 * weights / weights.sum()), 1000, alpha=1e-6 / 10)
    assert np.all((low < 0.1) & (high > 0.1))
    # … and their width is that of a spacing of five uniform numbers, P(spacing ≤ w) = 1 − (1 − w)⁵: T/4 a pair at 0.
    low, high = clopper_pearson(1000, 20_000, alpha=1e-6)
    assert low < 1 - (1 - 500 / weights.sum()) ** 5 < high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.full((16, 4), np.nan)}, "scores = nan"),
        ({"scores": np.zeros(16)}, r"must be \(tokens, experts\)"),
        ({"scores": np.zeros((16, 4))}, "tie"),
        ({"experts_per_token": 5}, "experts_per_token = 5"),
        ({"experts_per_token": 4}, "nothing to balance"),
        ({"excess": 0.0}, "excess = 0"),
        ({"batch": 0}, "batch = 0"),
        ({"parts": 20}, "parts = 20"),
    ],
)
def test_bad_input(change, message):
    arguments = {"scores": np.random.default_rng(0).random((16, 4)), "experts_per_token": 1, "parts": 2} | change
    with pytest.raises(ValueError, match=message):
        advise_routing(arguments.pop("scores"), np.random.default_rng(0), **arguments)


def test_experts_without_overlap():
    """One expert far above the others in half of the tokens and far below in the rest: no token is about to switch."""
    scores = 0.01 * np.random.default_rng(0).random((40, 2)) + np.where(
        np.arange(40)[:, None] % 2, [5.0, 0.0], [0.0, 5.0]
    )
    advice = advise_routing(scores, np.random.default_rng(0), experts_per_token=1, parts=2)
    assert advice.plain_violation == 0
    assert advice.score_lost == 0
