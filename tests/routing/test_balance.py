"""MaxVio, capacity, the noise floor, the leak of Expert Choice, the auxiliary loss: hand calculations and limits."""

from itertools import combinations
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.stats import binom

from lab.inference.sequential import MeanJudge
from lab.routing.auxiliary import affinity_gradient, auxiliary_loss
from lab.routing.balance import (
    capacity_range,
    check_capacity,
    expected_maximum,
    load_variance,
    max_violation,
    noise_floor,
    noise_floor_bound,
    normal_noise_floor,
)
from lab.routing.expert_choice import leak_bound, leak_capacity, leak_limit
from lab.routing.selection import loads, top_k
from tests.libraries import assert_libraries_agree


@pytest.mark.parametrize("library", [np.asarray, jnp.asarray, torch.asarray])
def test_max_violation(library):
    load = library(np.array([[2, 4, 6], [6, 4, 2]]))
    np.testing.assert_allclose(np.asarray(max_violation(load)), [0.5, 0.5])
    assert float(max_violation(load, over="all")) == 0
    everyone_to_one = library(np.array([12, 0, 0]))
    assert float(max_violation(everyone_to_one)) == 2


def test_capacity():
    assert capacity_range(12, 4, experts_per_token=1) == (3, 3)
    assert capacity_range(13, 4, experts_per_token=1) == (3, 4)
    check_capacity(13, 4, experts_per_token=1, capacity=4)
    with pytest.raises(ValueError, match="capacity = 3: must be at least 4"):
        check_capacity(13, 4, experts_per_token=1, capacity=3)
    with pytest.raises(ValueError, match="experts_per_token = 5"):
        capacity_range(13, 4, experts_per_token=5)


@pytest.mark.parametrize("tokens", [10, 50, 200])
def test_floor_of_two_experts_is_above_the_exact_one_by_one_part_in_eight_times_the_tokens(tokens):
    """E = 2, K = 1. Independent loads: √2 · C(2T, T)/4^T; the true ones, n and T − n: 2E|n − T/2|/T = C(T, T/2)/2^T.
    Stirling's series of both leaves 1/8T − 7/192T³ between their logarithms."""
    formula = noise_floor(tokens, 2, experts_per_token=1)
    assert formula == pytest.approx(2**0.5 * comb(2 * tokens, tokens) / 4**tokens, rel=1e-12)
    exact = comb(tokens, tokens // 2) / 2**tokens
    counts = np.arange(tokens + 1)
    assert exact == pytest.approx(2 * binom.pmf(counts, tokens, 0.5) @ np.abs(counts - tokens / 2) / tokens, rel=1e-12)
    assert np.log(formula / exact) == pytest.approx(1 / (8 * tokens), abs=1 / (24 * tokens**3))


@pytest.mark.parametrize("setting", [(120, 6, 2), (400, 12, 3)])
def test_floor_against_simulation(setting):
    """Within the 2 % that the formula claims, and below the bound for normal loads: both judged, error 1e-6 each."""
    tokens, experts, k = setting
    rng = np.random.default_rng(0)
    formula, bound = (f(tokens, experts, experts_per_token=k) for f in (noise_floor, noise_floor_bound))
    most = experts / k - 1  # all tokens to one expert
    close = MeanJudge(formula / 1.02, formula / 0.98, 0.0, most, 1e-6)
    below = MeanJudge(-np.inf, bound, 0.0, most, 1e-6)
    for _ in range(60):
        found = max_violation(loads(top_k(rng.random((1000, tokens, experts)), k=k)))
        below.update(found)
        if close.update(found) != "undecided":
            break
    assert close.verdict == below.verdict == "holds"


def test_variance_of_loads_by_enumeration():
    """Every set of K of E experts as likely, one token: along a vector that sums to 0, E/(E − 1) of that of a load."""
    every = np.array([[k in chosen for k in range(5)] for chosen in combinations(range(5), 2)], float)
    covariance = np.cov(every.T, ddof=0)
    variance = load_variance(7, 5, experts_per_token=2) / 7
    np.testing.assert_allclose(np.diag(covariance), variance, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance)[1:], variance * 5 / 4, rtol=1e-12)
    assert load_variance(7, 5, experts_per_token=5) == 0


def test_expected_maximum():
    assert expected_maximum(2) == pytest.approx(1 / np.pi**0.5, rel=1e-10)
    assert expected_maximum(3) == pytest.approx(1.5 / np.pi**0.5, rel=1e-10)
    assert expected_maximum(64) < (2 * np.log(64)) ** 0.5


def test_floor_of_normal_loads():
    """Two experts: 2E|n − T/2|/T of a normal n is √(2/πT). The binomial floor tends to it from above, as 1/√L."""
    assert normal_noise_floor(50, 2, experts_per_token=1) == pytest.approx((2 / (np.pi * 50)) ** 0.5, rel=1e-10)
    excess = [
        noise_floor(tokens, 8, experts_per_token=2) / normal_noise_floor(tokens, 8, experts_per_token=2) - 1
        for tokens in (400, 1600, 6400)
    ]
    assert 0 < excess[2] < 0.01
    np.testing.assert_allclose(np.divide(excess[:-1], excess[1:]), 2, rtol=0.1)


def test_floor_at_the_ends():
    for floor in (noise_floor, normal_noise_floor, noise_floor_bound):
        assert floor(100, 4, experts_per_token=4) == 0
    with pytest.raises(ValueError, match="tokens = 0"):
        noise_floor(0, 4, experts_per_token=1)


def test_leak_in_numbers():
    assert 9 * leak_bound(16.0, experts_per_token=2.0) == pytest.approx(50.5, abs=0.05)
    assert leak_limit(16.0, experts_per_token=2.0) == pytest.approx(8.70, abs=0.005)
    assert leak_capacity(2048, 16, experts_per_token=2) == pytest.approx(8.66, abs=0.005)
    assert leak_capacity(4, 2, experts_per_token=1) == pytest.approx(2 / 4 * np.log2(comb(4, 2)))
    for function in (leak_bound, leak_limit):
        assert_libraries_agree(lambda e, f=function: f(e, experts_per_token=1.5), np.array([4.0, 8.0, 64.0]))


def test_leak_refuses():
    with pytest.raises(ValueError, match=r"experts_per_token / experts = 0\.5"):
        leak_bound(4.0, experts_per_token=2.0)
    with pytest.raises(ValueError, match=r"tokens = 5"):
        leak_capacity(5, 2, experts_per_token=1)
    with pytest.raises(ValueError, match=r"experts_per_token = 5"):
        leak_capacity(4, 2, experts_per_token=5)


def sequences(seed=0, shape=(3, 8, 4), k=2):
    logits = np.random.default_rng(seed).normal(size=shape)
    probability = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return probability, top_k(probability, k=k)


def test_auxiliary_by_hand():
    probability = np.array([[[0.7, 0.3], [0.6, 0.4]]])
    routing = np.array([[[True, False], [True, False]]])
    # f = (2, 0), P = (0.65, 0.35).
    assert auxiliary_loss(probability, routing, top_k_factor=False, over="sequence") == pytest.approx(1.3)
    assert auxiliary_loss(probability, routing, coefficient=0.1, top_k_factor=True, over="batch") == pytest.approx(0.13)


def test_top_k_factor_is_a_factor():
    probability, routing = sequences()
    for over in ("sequence", "batch"):
        plain, with_factor = (
            auxiliary_loss(probability, routing, top_k_factor=factor, over=over) for factor in (False, True)
        )
        assert with_factor == pytest.approx(2 * plain)


def test_transformers_formula():
    """What `load_balancing_loss_func` computes: E Σ_k mean(chosen) mean(probability), over all tokens; minimum K."""
    probability, routing = sequences()
    flat, chosen = probability.reshape(-1, 4), routing.reshape(-1, 4)
    theirs = 4 * np.sum(chosen.mean(axis=0) * flat.mean(axis=0))
    assert auxiliary_loss(probability, routing, top_k_factor=True, over="batch") == pytest.approx(theirs)


def test_batches_and_sequences_differ():
    """Two sequences, each all to one expert, together balanced."""
    probability = np.array([[[0.9, 0.1]] * 2, [[0.1, 0.9]] * 2])
    routing = probability > 0.5
    assert auxiliary_loss(probability, routing, top_k_factor=False, over="sequence") == pytest.approx(1.8)
    assert auxiliary_loss(probability, routing, top_k_factor=False, over="batch") == pytest.approx(1.0)


def test_the_loss_can_lie_below_its_value_at_balance():
    """Loads against the probabilities, as biases can make them."""
    probability = np.array([[[0.9, 0.1]] * 2])
    assert auxiliary_loss(probability, probability < 0.5, top_k_factor=False, over="sequence") == pytest.approx(0.2)


@pytest.mark.parametrize("over", ["sequence", "batch"])
def test_auxiliary_gradient(over):
    probability, routing = sequences(shape=(1, 8, 4))

    def loss(p):
        same = {torch.Tensor: torch.asarray}.get(type(p), np.asarray)(routing)
        return auxiliary_loss(p, same, coefficient=0.3, top_k_factor=False, over=over)

    assert_libraries_agree(loss, probability)
    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(probability)), affinity_gradient(routing, coefficient=0.3))


def test_auxiliary_refuses():
    probability, routing = sequences()
    with pytest.raises(ValueError, match="shapes must agree"):
        auxiliary_loss(probability, routing[:, :4], top_k_factor=False, over="batch")
    with pytest.raises(ValueError, match="coefficient = -1"):
        auxiliary_loss(probability, routing, coefficient=-1.0, top_k_factor=False, over="batch")
    uneven = routing.copy()
    uneven[0, 0] = True
    with pytest.raises(ValueError, match="same number of experts"):
        auxiliary_loss(probability, uneven, top_k_factor=False, over="batch")
