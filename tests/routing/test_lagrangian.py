"""Lagrangian and dual function: definitions, convexity, gradients, what an update changes; the table of rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.routing.lagrangian import dual_value, lagrangian, overshoot, shortfall, switched_slots, switching_benefit
from lab.routing.rules import RULES, update
from lab.routing.selection import loads, route
from tests.libraries import assert_libraries_agree


def batch(seed=0, tokens=16, experts=5):
    rng = np.random.default_rng(seed)
    return rng.random((tokens, experts)), rng.normal(size=experts) * 0.2


def test_lagrangian_by_hand():
    scores = np.array([[0.9, 0.1], [0.8, 0.3]])
    both_first = np.array([[True, False], [True, False]])
    # 1.7 of score; loads 2 and 0 around 1; prices 0.5 and 0.1.
    assert lagrangian(scores, both_first, np.array([0.5, 0.1])) == pytest.approx(1.7 + 0.5 - 0.1)


@given(st.integers(0, 10**6))
def test_dual_is_the_largest_lagrangian(seed):
    scores, bias = batch(seed)
    other = route(scores, np.random.default_rng(seed + 1).normal(size=5), experts_per_token=2)
    assert lagrangian(scores, other, bias) <= dual_value(scores, bias, experts_per_token=2) + 1e-12


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_dual_is_convex_and_blind_to_constants(seed, part):
    scores, bias = batch(seed)
    other = np.random.default_rng(seed + 1).normal(size=5)

    def dual(p):
        return dual_value(scores, p, experts_per_token=2)

    assert dual(part * bias + (1 - part) * other) <= part * dual(bias) + (1 - part) * dual(other) + 1e-12
    assert dual(bias + 3.0) == pytest.approx(dual(bias), abs=1e-12)


def test_gradients_and_libraries():
    """D's gradient by the bias is A − L, by the scores the routing, in all libraries."""
    scores, bias = batch()
    assert_libraries_agree(dual_value, scores, bias, experts_per_token=2)
    chosen = route(scores, bias, experts_per_token=2)
    by_scores, by_bias = jax.grad(lambda g, p: dual_value(g, p, experts_per_token=2), argnums=(0, 1))(scores, bias)
    np.testing.assert_array_equal(by_scores, chosen * 1.0)
    np.testing.assert_allclose(by_bias, -shortfall(loads(chosen)), atol=1e-14)


@pytest.mark.parametrize("library", [np.asarray, jnp.asarray, torch.asarray])
def test_counts_in_three_libraries(library):
    scores, bias = batch()
    before, after = (route(scores, b, experts_per_token=2) for b in (bias, -bias))
    assert int(switched_slots(library(before), library(after))) == np.sum(before & ~after)
    benefit = switching_benefit(library(scores), library(before), library(after), library(-bias))
    value = scores - bias
    np.testing.assert_allclose(np.asarray(benefit), np.sum((after * 1.0 - before) * value, axis=-1), atol=1e-14)
    over = overshoot(0.1, library(loads(before)), library(loads(after)))
    assert float(over) == pytest.approx(0.1 * np.sum((loads(before) - 6.4) * (loads(after) - 6.4)))


LOAD = np.array([3, 9, 6, 6])


@pytest.mark.parametrize(
    ("rule", "moved"),
    [
        ("sign", [1, -1, 0, 0]),
        ("proportional", [3, -3, 0, 0]),
        ("harmonic", [0.75, -0.75, 0, 0]),
        ("root", [1.5, -1.5, 0, 0]),
        ("normalised", [2**0.5, -(2**0.5), 0, 0]),
        ("multiplicative", [1, -1, 0, 0]),
    ],
)
def test_rules_by_hand(rule, moved):
    """The bias of an expert with too few tokens rises; balanced loads are a fixed point; n = 4."""
    bias = np.full(4, RULES[rule].start)
    np.testing.assert_allclose(update(bias, LOAD, rule=rule, rate=0.1, step=4), bias + 0.1 * np.array(moved))
    np.testing.assert_array_equal(update(bias, np.full(4, 6), rule=rule, rate=0.1, step=4), bias)


@pytest.mark.parametrize("rule", RULES)
def test_rules_in_three_libraries(rule):
    bias = np.linspace(-1, 1, 4)
    for library in (jnp.asarray, torch.asarray):
        found = update(library(bias), library(LOAD), rule=rule, rate=0.1, step=3)
        np.testing.assert_allclose(np.asarray(found), update(bias, LOAD, rule=rule, rate=0.1, step=3), rtol=1e-14)


def test_dtype_of_the_bias_is_kept():
    bias = torch.zeros(4, dtype=torch.float32)
    assert update(bias, torch.asarray(LOAD), rule="sign", rate=0.1).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "signs"}, "rule = 'signs': must be one of sign, proportional"),
        ({"rate": -0.1}, "rate = -0.1"),
        ({"step": 0}, "step = 0"),
        ({"bias": np.array([np.nan, 0.0, 0.0, 0.0])}, "bias = nan"),
    ],
)
def test_bad_updates(change, message):
    arguments = {"bias": np.zeros(4), "load": LOAD, "rule": "sign", "rate": 0.1} | change
    with pytest.raises(ValueError, match=message):
        update(**arguments)
