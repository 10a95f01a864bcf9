"""The catalogue's counterexamples of `mnar-clipped` are what their numbers say."""

import math

import numpy as np
import pytest

from lab.datasets.movielens import MOVIELENS
from lab.recommenders.losses import local_losses, naive
from lab.recommenders.metrics import dcg
from lab.recommenders.moments import clipped_bias, shared_shock_variance, unbiased_variance, weighted_mf_bias
from lab.recommenders.propensity import popularity_propensity
from simulations.mnar_clipped import films


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
