"""Uniform scores with exact expectations, streams, the compiled loops, regret formulas, the router."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lab.inference.betting import confidence_sequence
from lab.inference.intervals import clopper_pearson
from lab.routing import uniform_scores as uniform
from lab.routing.balance import max_violation
from lab.routing.lagrangian import dual_value
from lab.routing.online import Policy, descend, follow
from lab.routing.regret import (
    constant_step_slope,
    logarithmic_bound,
    logarithmic_coefficient,
    second_moments,
    sign_rule_slope,
    sign_variance,
)
from lab.routing.router import RouterTask, gradients, train
from lab.routing.rules import RULES, update
from lab.routing.selection import loads, route
from lab.routing.worlds import FixedTokens, sigmoid_tokens, spread_means, stream


@pytest.mark.parametrize("sizes", [(6, 2), (5, 3), (3, 3)])
def test_uniform_scores_against_sampling_and_derivatives(sizes):
    experts, k = sizes
    rng = np.random.default_rng(experts)
    shift = 0.3 * rng.normal(size=experts)
    share = uniform.selection_probability(shift, experts_per_token=k)
    assert share.sum() == pytest.approx(k, abs=1e-13)
    scores = shift + rng.random((100_000, experts))
    largest = np.sort(scores, axis=-1)[:, experts - k :]
    low, high = clopper_pearson(np.sum(scores >= largest[:, :1], axis=0), 100_000, alpha=1e-6 / experts)
    assert np.all((low - 1e-13 <= share) & (share <= high + 1e-13))  # where all are chosen, up to rounding
    # The K largest lie between the least lower and the largest upper end.
    ends = k * shift.min(), k * (shift.max() + 1)
    low, high = confidence_sequence(largest[:20_000].sum(axis=-1), alpha=1e-6, low=ends[0], high=ends[1])
    assert low <= uniform.expected_top_k_sum(shift, experts_per_token=k) <= high
    # Gradient of the expected sum, and its Hessian, by automatic differentiation of the other formulas.
    gradient = jax.grad(lambda q: uniform.expected_top_k_sum(q, experts_per_token=k))(jnp.asarray(shift))
    np.testing.assert_allclose(gradient, share, atol=1e-13)
    curvature = jax.jacfwd(lambda q: uniform.selection_probability(q, experts_per_token=k))(jnp.asarray(shift))
    np.testing.assert_allclose(curvature, uniform.hessian(shift, experts_per_token=k), atol=1e-13)


def test_balanced_stream():
    world = stream(spread_means(6, 0.25), tokens=120, experts_per_token=2)
    np.testing.assert_allclose(world.expected_loads(-world.means), 40, rtol=1e-13)
    assert world.regret(-world.means) == 0
    assert world.regret(np.zeros(6)) > 0
    many = np.asarray(jax.vmap(lambda k: world.sample(k, 1))(jax.random.split(jax.random.key(0), 4000)))
    counts = loads(route(many, -world.means, experts_per_token=2))
    away = np.asarray(counts) - 40.0  # from the known mean; between −40 and 80
    products = (away[:, :, None] * away[:, None, :]).reshape(4000, 36)
    low, high = confidence_sequence(products, alpha=1e-6 / 36, low=-40.0 * 80.0, high=80.0**2)
    covariance = world.load_covariance.ravel()
    assert np.all((low <= covariance) & (covariance <= high))


@pytest.mark.parametrize("experts", [2, 3, 7])
def test_curvature_at_balance(experts):
    """All eigenvalues but the one of constants, whatever K."""
    for k in range(1, experts):
        curvature = np.linalg.eigvalsh(uniform.hessian(np.zeros(experts), experts_per_token=k))
        np.testing.assert_allclose(curvature[1:], uniform.balanced_curvature(experts), rtol=1e-12)
    with pytest.raises(ValueError, match="experts = 1"):
        uniform.balanced_curvature(1)


@pytest.mark.parametrize("experts", [2, 3, 6])
def test_variance_of_signs(experts):
    """Normal loads of which the mean is taken away: 1 − E[signs of two], by the law of two correlated normals."""
    both_above = multivariate_normal.cdf(
        [0.0, 0.0], cov=[[1, -1 / (experts - 1)], [-1 / (experts - 1), 1]], allow_singular=True
    )
    assert sign_variance(experts) == pytest.approx(1 - (4 * both_above - 1), abs=1e-7)


def test_means_swing():
    world = stream(np.zeros(2), tokens=4, experts_per_token=1, swing=np.array([0.25, -0.25]), period=100.0)
    np.testing.assert_allclose(world.means_at(50), [-0.25, 0.25])
    np.testing.assert_allclose(world.means_at(25), 0, atol=1e-15)


def test_stream_refuses():
    with pytest.raises(ValueError, match="experts_per_token = 3"):
        stream(np.zeros(2), tokens=4, experts_per_token=3)


def plain_loop(world, key, policy, runs, steps):
    """What `follow` computes, one step and run at a time in NumPy."""
    violation = np.zeros((runs, steps))
    bias = np.full((runs, world.experts), RULES[policy.rule].start)
    for n, step_key in enumerate(jax.random.split(key, steps)):
        for run, run_key in enumerate(jax.random.split(step_key, runs)):
            scores = np.asarray(world.sample(run_key, n + 1))
            acts = RULES[policy.rule].bias_acts
            load = loads(route(scores, bias[run], experts_per_token=world.experts_per_token, bias_acts=acts))
            violation[run, n] = max_violation(load)
            bias[run] = update(bias[run], load, rule=policy.rule, rate=policy.rate, step=n + 1)
    return violation


@pytest.mark.parametrize("rule", RULES)
def test_compiled_loop_against_a_plain_one(rule):
    world = stream(1.0 + spread_means(4, 0.3), tokens=20, experts_per_token=2)
    policy = Policy(rule, 0.01)
    track = follow(world, jax.random.key(1), policies=(policy,), runs=2, steps=6, with_regret=False)
    np.testing.assert_allclose(track.violation[:, 0], plain_loop(world, jax.random.key(1), policy, 2, 6), atol=1e-12)


def test_policies_share_tokens_and_projection_bounds():
    world = stream(spread_means(4, 0.3), tokens=20, experts_per_token=2)
    policies = (Policy("sign", 0.0), Policy("sign", 0.5), Policy("proportional", 0.0))
    track = follow(world, jax.random.key(0), policies=policies, runs=3, steps=20, radius=0.4, with_bias=True)
    np.testing.assert_array_equal(track.violation[:, 0], track.violation[:, 2])
    centred = track.bias - jnp.mean(track.bias, axis=-1, keepdims=True)
    assert float(jnp.max(jnp.linalg.norm(centred, axis=-1))) <= 0.4 + 1e-12
    assert np.all(np.asarray(track.regret) > -1e-10)


def test_follow_refuses():
    world = stream(np.zeros(4), tokens=20, experts_per_token=2)
    policies = (Policy("sign", 0.1), Policy("multiplicative", 0.1))
    with pytest.raises(ValueError, match="cannot be mixed"):
        follow(world, jax.random.key(0), policies=policies, runs=1, steps=1)
    with pytest.raises(ValueError, match="rate = -1"):
        follow(world, jax.random.key(0), policies=(Policy("sign", -1.0),), runs=1, steps=1)


def test_descent_on_a_batch():
    rng = np.random.default_rng(0)
    world = sigmoid_tokens(rng.normal(size=(40, 4)), np.array([0.5, 0.0, 0.0, -0.5]), experts_per_token=1)
    path = descend(world, rule="sign", rate=0.01, steps=60)
    for n in (0, 7, 59):
        chosen = route(world.scores, np.asarray(path.bias[n]), experts_per_token=1)
        np.testing.assert_array_equal(path.load[n], loads(chosen))
        assert path.dual[n] == pytest.approx(dual_value(world.scores, np.asarray(path.bias[n]), experts_per_token=1))
    assert path.dual[-1] < path.dual[0]
    assert isinstance(world, FixedTokens)
    assert world.balanced_load == 10


def test_regret_formulas():
    eigenvalues, variances = np.full(5, 144.0), np.full(5, 32.0)
    assert logarithmic_coefficient(eigenvalues, variances, step_factor=1 / 144) == pytest.approx(160 / 288)
    assert constant_step_slope(eigenvalues, variances, step_size=0.3 / 144) == pytest.approx(0.098, abs=5e-4)
    assert logarithmic_bound(19200.0, strong_convexity=144.0, steps=3000.0) == pytest.approx(600, abs=0.5)
    assert sign_rule_slope(120, 6, experts_per_token=2, rate=0.002) == pytest.approx(0.2 * 0.0912, abs=0.2e-4)
    constant = second_moments(eigenvalues, variances, np.full(200, 0.3 / 144), start=np.zeros(5))
    assert constant[-1] == pytest.approx(constant_step_slope(eigenvalues, variances, step_size=0.3 / 144))
    with pytest.raises(ValueError, match=r"step_factor · eigenvalues = 0\.4"):
        logarithmic_coefficient(np.ones(2), np.ones(2), step_factor=0.4)
    with pytest.raises(ValueError, match="step_size · eigenvalues = 2"):
        constant_step_slope(np.ones(2), np.ones(2), step_size=2.0)


def router_task():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 3))
    return RouterTask(features, np.tanh(features @ rng.normal(size=(3, 4)) + np.linspace(1, -1, 4)), 2)


def test_router_gradients_are_exact():
    """Against central differences of both losses with the routing held fixed."""
    task, rng = router_task(), np.random.default_rng(1)
    weights, direction = rng.normal(size=(2, 3, 4))
    routing = task.route(weights, jnp.zeros(4))
    for gradient, function in zip(
        gradients(task, jnp.asarray(weights), jnp.zeros(4)), (task.objective, task.imbalance), strict=True
    ):
        ahead, behind = (function(weights + s * 1e-5 * direction, routing) for s in (1, -1))
        assert float(jnp.sum(gradient * direction)) == pytest.approx(float((ahead - behind) / 2e-5), rel=1e-6)


def test_training_improves_the_task_and_biases_balance():
    task = router_task()
    task = jax.tree.map(lambda x: np.broadcast_to(x, (2, *x.shape)), task)
    start = jnp.broadcast_to(0.01 * jax.random.normal(jax.random.key(0), (3, 4)), (2, 3, 4))
    ends = train(task, start, coefficient=0.0, bias_rate=np.array([0.0, 0.003]), learning_rate=1.0, steps=200)
    first = task.objective(start, task.route(start, jnp.zeros((2, 4))))
    assert np.all(np.asarray(ends.objective) > np.asarray(first))
    assert ends.violation[1] < ends.violation[0]
    np.testing.assert_array_equal(ends.bias[0], 0)


def test_rules_at_rate_zero_train_alike():
    """Biases of 0 that are added and of 1 that multiply choose as no biases do: the same weights, to the last bit."""
    task = router_task()
    start = 0.01 * jax.random.normal(jax.random.key(0), (3, 4))
    settings = {"coefficient": 0.0, "bias_rate": 0.0, "learning_rate": 1.0, "steps": 20}
    plain, *others = (train(task, start, rule=rule, **settings) for rule in ("sign", "proportional", "multiplicative"))
    for other in others:
        np.testing.assert_array_equal(other.weights, plain.weights)
    moved = train(task, start, rule="multiplicative", **(settings | {"bias_rate": 0.01}))
    assert np.any(moved.bias != 1)
    assert np.all(np.asarray(moved.bias) <= 1 + 20 * 0.01 + 1e-12)
