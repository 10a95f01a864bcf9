"""Every check and control of `rdpo` comes out as the catalogue says, and its figures' series agree with theory."""

import importlib

import numpy as np
import pytest

from lab.ledger import plan as planning
from lab.ledger.unit import execute, find

CHECKS = planning.plan(["rdpo"], "quick", skip_missing=True).checks
UNITS = [unit for check in CHECKS for unit in check.units if check.evidence.kind == "exact"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_exact_checks_and_controls(unit):
    judgement = execute(find(unit), unit)
    assert judgement.verdict == unit.expected, (judgement.counterexample, judgement.note)


@pytest.mark.slow
def test_random_checks_and_controls():
    for check in CHECKS:
        if check.evidence.kind == "exact":
            continue
        for unit in check.units:
            judgement = execute(find(unit), unit)
            assert judgement.verdict == unit.expected, (unit.name, judgement)


def test_every_claim_has_evidence_with_controls():
    for check in CHECKS:
        assert check.controls, check.claim.id


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
