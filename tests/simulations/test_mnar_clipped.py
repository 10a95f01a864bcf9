"""The catalogue's counterexamples of `mnar-clipped` are what their numbers say."""

import math

import numpy as np
import pytest

from lab.datasets.movielens import MOVIELENS
from lab.recommenders.losses import local_losses, naive
from lab.recommenders.metrics import average_precision, dcg
from lab.recommenders.moments import (
    clipped_bias,
    clipped_relevance,
    shared_shock_variance,
    unbiased_variance,
    weighted_mf_bias,
)
from lab.recommenders.propensity import popularity_propensity
from simulations.mnar_clipped import films, learning, open_bandit


def test_counterexamples_in_numbers():
    half, even = np.array([0.5]), local_losses(np.zeros(1))
    assert weighted_mf_bias(half, half, even, click_weight=2.0) == pytest.approx(0.17, abs=0.005)
    assert 0.9 * 0.3 > 0.2 * 0.9
    assert tuple(naive(1.0)) == (1.0, 0.0)

    pair = np.full((1, 2), 0.5)
    assert shared_shock_variance(pair, pair, -4 * pair, shock=0.9) == pytest.approx(1.905)
    assert unbiased_variance(pair[0], pair[0], -4 * pair[0]) == pytest.approx(1.5)

    propensity, difference = np.array([0.1, 0.5]), np.array([1.0, -1.0])
    biases = [clipped_bias(np.full(2, 0.5), propensity, difference, clip=clip) for clip in (0.5, 1.0)]
    assert biases == pytest.approx([-0.2, -0.1])

    assert popularity_propensity(np.array([0.5, 0.125])).tolist() == [1.0, 0.5]

    outer, inner = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    score = np.arange(4.0, 0.0, -1.0)
    paper, code = ([dcg(x, score, cutoff=4, discount=d) for x in (outer, inner)] for d in ("paper", "code"))
    assert paper == pytest.approx([1.43, 1.13], abs=0.005)
    assert code == pytest.approx([1.5, 1.63], abs=0.005)


def test_the_tuned_clip_and_its_count():
    assert math.floor(0.00914**-2) == 11_970
    assert round(1 / 0.00914, 1) == 109.4


def test_counterexamples_of_the_evaluation_in_numbers():
    first_two = np.array([1.0, 1.0, 0.0, 0.0]), np.arange(4.0, 0.0, -1.0)
    assert average_precision(*first_two, cutoff=5, divisor="none") == 2.0

    relevance, propensity = np.array([0.9, 0.3]), np.array([0.001, 0.5])
    assert clipped_relevance(relevance, propensity, clip=0.01) == pytest.approx([0.09, 0.3])
    better, worse = np.array([2.0, 1.0]), np.array([1.0, 2.0])
    assert dcg(relevance, better, cutoff=3) > dcg(relevance, worse, cutoff=3)
    shrunk = clipped_relevance(relevance, propensity, clip=0.01)
    assert dcg(shrunk, better, cutoff=3, divisor="relevant") < dcg(shrunk, worse, cutoff=3, divisor="relevant")


def test_clicks_of_the_open_bandit_logs_in_numbers():
    own, other = (open_bandit.own_rates(policy) for policy in ("random", "bts"))
    pairs = zip(own, other, strict=True)
    assert [(round(1e4 * a[0]), round(1e4 * b[0])) for a, b in pairs] == [(38, 42), (46, 69), (46, 46)]
    assert [round(1e4 * end) for end in (*own[1][1:], *other[1][1:])] == [34, 61, 54, 87]
    assert (1e3 * min(x[1] for x in own), 1e3 * max(x[2] for x in own)) == pytest.approx((2.7, 6.1), abs=0.05)
    honest = open_bandit.uniform_values(1e-3)
    assert all(0.7e-3 < low < 1.6e-3 and high > 0.19 for _, low, high in honest)


def test_share_interval_covers_as_often_as_it_says():
    """Two hundred logs of weighted rewards at 99.9 %: with more than four misses the level would be wrong (5e-6)."""
    rng, rows, chance = np.random.default_rng(0), 2000, np.array([0.02, 0.01])
    misses = 0
    for _ in range(200):
        marked = rng.random(rows) < 0.3
        weight = rng.uniform(0.2, 2.0, rows)
        value = weight * (rng.random(rows) < chance[marked.astype(int)])
        low, high = open_bandit.share_interval(value, marked.astype(float), 2.0)
        misses += not low <= 0.3 * 0.01 / (0.3 * 0.01 + 0.7 * 0.02) <= high
    assert misses <= 4


def test_patience_changes_few_models(monkeypatch):
    """The trained losses of all 300 steps, but for the rare model that improves again after the patience."""
    rng = np.random.default_rng(5)
    given = learning.problem(learning.ratings(40, 40).draw(rng, 8), rng)
    losses = [learning.train(given, loss, 2.0) for loss in ("naive", "unbiased")]
    monkeypatch.setattr(learning, "PATIENCE", None)
    learning._fit.clear_cache()
    full = [learning.train(given, loss, 2.0) for loss in ("naive", "unbiased")]
    learning._fit.clear_cache()
    same = [np.array_equal(a, b) for x, y in zip(losses, full, strict=True) for a, b in zip(x, y, strict=True)]
    assert np.mean(same) > 0.8


@pytest.mark.skipif(MOVIELENS.file is None, reason=f"install it with {MOVIELENS.install}")
def test_the_counterexample_on_rare_films_in_numbers():
    """The losses of the first replicate at p = 0.5."""
    found = films.replicate(0, films.FEW)
    rare, common = (
        {name: float(table[name][0].mean()) for name in ("naive", "unbiased")}
        for table in (found.rare_loss, found.common_loss)
    )
    assert 1 - common["unbiased"] / common["naive"] == pytest.approx(0.24, abs=0.01)
    assert 0 <= 1 - rare["unbiased"] / rare["naive"] < 0.01
    assert [rare["unbiased"], rare["naive"]] == pytest.approx([0.255, 0.256], abs=0.002)
