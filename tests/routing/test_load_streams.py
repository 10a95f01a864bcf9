"""Streams whose loads are drawn at once, what constant rates leave of the imbalance, and the units of a rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from lab.inference.sequential import MeanJudge
from lab.routing import uniform_scores as uniform
from lab.routing.jitter import proportional_jitter, sign_jitter
from lab.routing.load_streams import LoadStream, settle
from lab.routing.online import Policy, follow
from lab.routing.rules import rate_per_token, update
from lab.routing.worlds import spread_means, stream


def test_chances_of_two_experts_by_hand():
    """U[q, q + w] against U[0, 1]: added biases a triangle, multiplied ones a ratio of uniform numbers."""
    world = LoadStream(np.zeros(2), 100)
    assert world.chances(np.array([0.4, 0.0]))[0] == pytest.approx(1 - 0.6**2 / 2, abs=1e-14)
    assert world.chances(np.array([2.0, 1.0]), bias_acts="multiplied")[0] == pytest.approx(3 / 4, abs=1e-14)
    assert world.global_violation(np.array([2.0, 1.0]), bias_acts="multiplied") == pytest.approx(0.5, abs=1e-14)


@pytest.mark.parametrize("experts", [2, 5])
def test_product_of_the_others_against_the_counts(experts):
    """The shorter way for one expert a token against the recursion that serves every K."""
    shift = 0.3 * np.random.default_rng(experts).normal(size=(3, experts))
    width = 1.0 + 0.2 * np.arange(experts)
    at, _ = uniform._nodes(shift, 1, width)
    above = uniform._above(at, shift, width)
    (none,) = uniform._exactly(above, np.eye(experts, dtype=bool), 1)
    np.testing.assert_allclose(uniform._wins(at, shift, 1, width), none, rtol=1e-13, atol=1e-15)
    share = uniform.selection_probability(shift, experts_per_token=1, width=width)
    np.testing.assert_allclose(share.sum(axis=-1), 1, rtol=1e-13)


def test_chances_of_wide_scores_keep_their_sum_for_two_experts_a_token():
    share = uniform.selection_probability(
        np.array([0.0, 0.2, 0.1, 0.4]), experts_per_token=2, width=np.arange(1.0, 5.0)
    )
    assert share.sum() == pytest.approx(2, abs=1e-13)
    with pytest.raises(ValueError, match="width = 0"):
        uniform.selection_probability(np.zeros(2), experts_per_token=1, width=0.0)


def test_loads_at_once_are_as_loads_token_by_token():
    """Mean global MaxVio after a few steps of one policy, both ways: the difference judged, error 1e-6."""
    means, policy = spread_means(4, 0.2), Policy("proportional", 0.002)
    world = LoadStream(means, 50)
    runs = 4000
    at_once = settle(world, jax.random.key(0), policies=(policy,), runs=runs, steps=6).violation[:, 0]
    tokens = stream(means, tokens=50, experts_per_token=1)
    track = follow(
        tokens, jax.random.key(1), policies=(policy,), runs=runs, steps=7, with_regret=False, with_bias=True
    )  # its biases are those before each step
    token_by_token = world.global_violation(track.bias[:, 0, 6])
    judge = MeanJudge(-0.05, 0.05, -3.0, 3.0, 1e-6)
    assert judge.update(np.asarray(at_once - token_by_token)) == "holds"


def test_settle_continues_from_a_start_and_reverses():
    world = LoadStream(spread_means(4, 0.2), 10**9)
    policies = (Policy("proportional", 1e-11), Policy("proportional", 1e-11, reversed_sign=True))
    # A load deviates from its mean by √(Tπ(1 − π)) ≤ √T/2; sixteen of them, in units of the bias, once in a million.
    slack = norm.isf(1e-6 / 32) * 1e-11 * world.tokens**0.5 / 2
    found = settle(world, jax.random.key(0), policies=policies, runs=2, steps=1, start=-world.means)
    np.testing.assert_allclose(found.bias, np.broadcast_to(-world.means, (2, 2, 4)), atol=slack)
    lone = settle(world, jax.random.key(0), policies=policies, runs=2, steps=1)
    first = world.tokens * (1 / 4 - world.chances(np.zeros(4))) * 1e-11
    assert np.max(np.abs(first)) > 100 * slack
    np.testing.assert_allclose(lone.bias[:, 0], [first, first], atol=slack)
    np.testing.assert_allclose(lone.bias[:, 1], [-first, -first], atol=slack)
    with pytest.raises(ValueError, match="last = 3"):
        settle(world, jax.random.key(0), policies=policies, runs=1, steps=2, last=3)


def test_jitter_by_hand():
    """Two experts, d the difference of their biases from the balanced one: the chance of the first is 1/2 + d."""
    tokens = 400
    mean_size = 2 * (2 / np.pi) ** 0.5  # MaxVio = 2|d| of a normal d, per deviation of d
    # Proportional: d loses 2εT d a step and gains 2ε times a binomial of deviation √T/2.
    rate = 1e-3
    variance = (2 * rate) ** 2 * tokens / 4 / (1 - (1 - 2 * rate * tokens) ** 2)
    by_hand = mean_size * variance**0.5
    assert proportional_jitter(tokens, 2, experts_per_token=1, rate=rate) == pytest.approx(by_hand, rel=1e-12)
    # Sign: d moves by ±2u, back to 0 on average by 2u · 2φ(0) · T d/(√T/2); small u, variance = (2u)²/2/that per d.
    u = 1e-4
    variance = (2 * u) ** 2 / 2 / (2 * u * 4 * norm.pdf(0) * tokens**0.5)
    by_hand = mean_size * variance**0.5
    assert sign_jitter(tokens, 2, experts_per_token=1, rate=u) == pytest.approx(by_hand, rel=1e-12)
    with pytest.raises(ValueError, match="rate · μ = 2"):
        proportional_jitter(100, 2, experts_per_token=1, rate=0.01)


def test_batches_beyond_which_proportional_steps_jitter_less():
    """Rates 0.01 on relative loads and 0.001 in units of the scores, eight experts: they cross at 537 tokens."""

    def gap(tokens):
        sizes = {"tokens": tokens, "experts": 8, "experts_per_token": 1}
        rate = rate_per_token(0.01, unit="relative", **sizes)
        return sign_jitter(rate=0.001, **sizes) - proportional_jitter(rate=rate, **sizes)

    assert gap(536) < 0 < gap(537)


def test_units_of_a_rate():
    """The same step from loads in tokens, relative to the balanced load, and as shares of the choices."""
    load = np.array([30.0, 20.0, 40.0, 10.0])  # 50 tokens, 2 experts each
    sizes = {"tokens": 50, "experts": 4, "experts_per_token": 2}
    steps = {"tokens": 25 - load, "relative": 1 - load / 25, "share": 1 / 4 - load / 100}
    for unit, step in steps.items():
        rate = rate_per_token(0.3, unit=unit, **sizes)
        np.testing.assert_allclose(update(jnp.zeros(4), load, rule="proportional", rate=rate), 0.3 * step, rtol=1e-12)
    with pytest.raises(ValueError, match="unit = 'batches'"):
        rate_per_token(0.3, unit="batches", **sizes)


def test_settle_reports_the_violation_of_its_last_biases():
    """Rules side by side, added and multiplied biases, each started and measured in its own way."""
    world = LoadStream(0.5 + spread_means(3, 0.2), 1000)
    policies = (Policy("sign", 0.01), Policy("multiplicative", 0.05), Policy("proportional", 1e-4))
    found = settle(world, jax.random.key(0), policies=policies, runs=2, steps=5)
    for i, acts in enumerate(("added", "multiplied", "added")):
        expected = world.global_violation(found.bias[:, i], bias_acts=acts)
        np.testing.assert_allclose(found.violation[:, i], expected, rtol=1e-12)
    assert np.all(np.abs(found.bias[:, 1] - 1) < 0.05 * 5 + 1e-12)
