"""The series that `rdpo`'s figures draw agree with theory, and its counterexamples have their numbers."""

import importlib

import numpy as np
import pytest

from lab.arrays import logit, sigmoid
from lab.datasets.choices import TRAIN
from lab.estimation.covariance import robust_covariance
from lab.estimation.votes import flip_rate_from_disagreement
from lab.ledger import plan as planning
from lab.ledger.unit import execute
from lab.objectives.logistic import conservative_dpo_minimiser, dpo_minimiser, robust_dpo_minimiser
from lab.preferences import flipped
from simulations.rdpo import choices

UNITS = planning.plan(["rdpo"], "quick", skip_missing=True).units


def series(module: str, name: str) -> dict:
    evidence = getattr(importlib.import_module(f"simulations.rdpo.{module}"), name)
    (unit,) = [u for u in UNITS if u.evidence == evidence.name and u.control is None]
    return execute(evidence, unit).series


def test_the_bias_series_follows_its_theory():
    drawn = series("losses", "bias_by_enumeration")
    assert drawn["flip_rate"].shape == (50,)
    for name in ("dpo", "conservative", "robust"):
        for kind in ("loss_bias", "weight_bias"):
            np.testing.assert_allclose(drawn[f"{kind}_{name}"], drawn[f"{kind}_{name}_theory"], atol=1e-13)
    assert np.all(drawn["loss_bias_conservative"][1:] > drawn["loss_bias_dpo"][1:])


def test_the_variance_series_follows_its_theory():
    drawn = series("gradients", "errors_on_both_sides")
    np.testing.assert_allclose(drawn["variance_price"], drawn["variance_price_theory"], rtol=1e-12)
    np.testing.assert_array_equal(drawn["break_even"], np.floor(drawn["break_even_theory"]) + 1)
    for name in ("dpo", "robust"):
        np.testing.assert_allclose(drawn[f"error_{name}"], drawn[f"error_{name}_theory"], rtol=1e-12)
    # At a flip rate of 0.2 the break-even batch is 4 · 0.64 / 0.36 = 7.1.
    pays = drawn["error_robust"] < drawn["error_dpo"]
    np.testing.assert_array_equal(pays, drawn["batch"] > 64 / 9)


def test_counterexamples_in_numbers():
    # Smoothing: 90 % flipped at rate 20 % are 74 %; the minimisers' win rates.
    seen = flipped(0.9, flip_rate=0.2)
    settings = {"beta": 1.0, "flip_rate": 0.2}
    assert seen == pytest.approx(0.74)
    assert sigmoid(dpo_minimiser(seen, beta=1.0)) == pytest.approx(0.74)
    assert sigmoid(conservative_dpo_minimiser(seen, **settings)) == pytest.approx(0.644)
    assert sigmoid(robust_dpo_minimiser(seen, **settings)) == pytest.approx(0.9)
    # The flip factor: one feature, one pair with σ(h) = 0.9, ε = 0.1.
    table = (np.ones((1, 1)), np.ones(1), np.array([float(logit(0.9))]))
    with_flips, without = (robust_covariance(*table, beta=1.0, flip_rate=rate)[0, 0] for rate in (0.1, 0.0))
    assert np.sqrt(with_flips / without) == pytest.approx(1.60, abs=0.005)
    # Raw reward: the optimum takes the better action with σ(1), an estimate twice as confident with σ(2).
    assert [float(sigmoid(h)) for h in (1.0, 2.0)] == pytest.approx([0.73, 0.88], abs=0.005)
    # Votes without a fixed label: both pairs give each vote the probability 0.74.
    assert flipped(0.8, flip_rate=0.1) == pytest.approx(flipped(0.74, flip_rate=0.0)) == pytest.approx(0.74)
    assert flip_rate_from_disagreement(2 * 0.74 * 0.26) == pytest.approx(0.26)


@pytest.mark.skipif(TRAIN.file is None, reason=f"install it with {TRAIN.install}")
def test_crossovers_of_the_choices_in_numbers():
    assert choices.crossover(0.3) == pytest.approx(340, abs=5)
    assert choices.crossover(0.45) == pytest.approx(3400, abs=50)
    assert len(choices.real().won) == 235
    assert choices.real().won.sum() + choices.real().lost.sum() == 2929
