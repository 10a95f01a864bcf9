"""Fits against closed forms, scipy's optimiser and the stationarity conditions, for every loss that is fitted."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from lab.estimation.fitting import derivatives, fit
from lab.objectives.logistic import conservative_dpo, dpo, noisy_likelihood_dpo, robust_dpo, robust_dpo_minimiser

LOSSES = {
    "dpo": (dpo, {"beta": 0.7}),
    "conservative": (conservative_dpo, {"beta": 0.7, "flip_rate": 0.1}),
    "robust": (robust_dpo, {"beta": 0.7, "flip_rate": 0.1}),
    "likelihood": (noisy_likelihood_dpo, {"beta": 0.7, "flip_rate": 0.1}),
}


def table(seed=0, pairs=40, features=3, weight=50):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(pairs, features))
    chance = 0.1 + 0.8 / (1 + np.exp(-0.7 * x @ rng.normal(size=features)))
    won = rng.binomial(weight, chance).astype(float)
    return x, won, weight - won


def objective(loss, theta, x, won, lost, settings):
    total = np.sum(won + lost)
    return np.sum(won * loss(x @ theta, **settings) + lost * loss(-(x @ theta), **settings)) / total


@pytest.mark.parametrize("name", LOSSES)
def test_scipy_finds_no_better_point(name):
    loss, setting = LOSSES[name]
    data = table()
    found = fit(loss, *data, **setting)
    rival = minimize(lambda t: objective(loss, t, *data, setting), np.zeros(3), method="BFGS", tol=1e-12)
    assert bool(found.converged)
    np.testing.assert_allclose(found.theta, rival.x, atol=1e-5)
    assert objective(loss, np.asarray(found.theta), *data, setting) <= rival.fun + 1e-14


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_vanishes(name):
    loss, setting = LOSSES[name]
    data = table(1)
    theta = fit(loss, *data, **setting).theta
    gradient = jax.grad(lambda t: _mean_loss(loss, t, *data, setting))(theta)
    assert np.max(np.abs(gradient)) < 1e-9


def _mean_loss(loss, theta, x, won, lost, setting):
    return (won @ loss(x @ theta, **setting) + lost @ loss(-(x @ theta), **setting)) / np.sum(won + lost)


@given(st.floats(0.25, 0.75), st.floats(0.0, 0.2), st.floats(0.1, 5.0))
@settings(max_examples=15, deadline=None)
def test_one_pair_is_the_tabular_minimiser(win_rate, flip_rate, beta):
    found = fit(
        robust_dpo, np.ones((1, 1)), np.array([win_rate]), np.array([1 - win_rate]), beta=beta, flip_rate=flip_rate
    )
    expected = robust_dpo_minimiser(win_rate, beta=beta, flip_rate=flip_rate)
    np.testing.assert_allclose(found.theta[0], expected, rtol=1e-7, atol=1e-9)


def test_a_batch_is_its_data_sets_one_by_one():
    x, won, lost = table(2)
    rates = np.array([0.0, 0.05, 0.1])
    weights = np.array([1.0, 2.0, 3.0])[:, None]
    together = fit(robust_dpo, x, won * weights, lost[None] * weights**0, beta=1.0, flip_rate=rates)
    for k, rate in enumerate(rates):
        alone = fit(robust_dpo, x, won * weights[k], lost, beta=1.0, flip_rate=rate)
        np.testing.assert_allclose(together.theta[k], alone.theta, rtol=1e-10)
    own_features = fit(robust_dpo, np.stack([x] * 3), won * weights, np.stack([lost] * 3), beta=1.0, flip_rate=rates)
    np.testing.assert_allclose(own_features.theta, together.theta, rtol=1e-10)


def test_only_relative_weights_matter():
    x, won, lost = table(3)
    both = [fit(dpo, x, scale * won, scale * lost, beta=1.0).theta for scale in (1.0, 1e-3)]
    np.testing.assert_allclose(*both, rtol=1e-9)


def test_ball_constraint_satisfies_its_conditions():
    """On the boundary, minus the gradient points outwards along theta; a ball that does not bind changes nothing."""
    data = table(4)
    setting = {"beta": 1.0, "flip_rate": 0.2}
    free = fit(robust_dpo, *data, **setting).theta
    wide = fit(robust_dpo, *data, radius=10 * np.linalg.norm(free), **setting).theta
    np.testing.assert_allclose(wide, free, rtol=1e-8)
    radius = 0.5 * np.linalg.norm(free)
    bound = fit(robust_dpo, *data, radius=radius, **setting)
    gradient = np.asarray(jax.grad(lambda t: _mean_loss(robust_dpo, t, *data, setting))(bound.theta))
    assert bool(bound.converged)
    np.testing.assert_allclose(np.linalg.norm(bound.theta), radius, rtol=1e-9)
    outward = np.asarray(bound.theta) / radius
    np.testing.assert_allclose(-gradient, np.linalg.norm(gradient) * outward, atol=1e-7)


def test_ridge_is_the_penalty():
    x, won, lost = table(5)
    theta = fit(dpo, x, won, lost, beta=1.0, ridge=0.3).theta
    gradient = jax.grad(lambda t: _mean_loss(dpo, t, x, won, lost, {"beta": 1.0}))(theta)
    np.testing.assert_allclose(gradient, -0.3 * theta, atol=1e-9)


def test_no_minimiser_is_reported_and_the_ball_or_ridge_restores_it():
    x, won, lost = np.ones((1, 1)), np.array([9.0]), np.array([1.0])
    assert not bool(fit(robust_dpo, x, won, lost, beta=1.0, flip_rate=0.2).converged)
    held = fit(robust_dpo, x, won, lost, beta=1.0, flip_rate=0.2, radius=3.0)
    assert bool(held.converged)
    assert abs(float(held.theta[0]) - 3.0) < 1e-9
    assert bool(fit(robust_dpo, x, won, lost, beta=1.0, flip_rate=0.2, ridge=0.1).converged)


def test_unseen_directions_stay_where_they_start():
    x, won, lost = table(6)
    x = np.concatenate([x, x[:, :1]], axis=1)  # the last feature repeats the first
    found = fit(dpo, x, won, lost, beta=1.0)
    assert bool(found.converged)
    np.testing.assert_allclose(found.theta[0], found.theta[3], atol=1e-6)


SINGLE = """
import jax
import numpy as np
from lab.estimation.fitting import fit
from lab.objectives.logistic import robust_dpo

assert not jax.config.jax_enable_x64
won = np.array([[6.0], [7.0]])
setting = {"beta": 1.0, "flip_rate": 0.1}
outside = fit(robust_dpo, np.ones((1, 1)), won, 10 - won, **setting)
inside = jax.jit(lambda w: fit(robust_dpo, np.ones((1, 1)), w, 10 - w, **setting).theta)(won)
assert {x.dtype for x in (outside.theta, outside.value, inside)} == {np.dtype(np.float32)}, outside
assert not jax.config.jax_enable_x64
print(*np.asarray(outside.converged), *np.asarray(outside.theta).ravel(), *np.asarray(inside).ravel())
"""


def test_single_precision_outside_does_not_spoil_a_fit():
    """A fresh process, in which JAX has its default precision."""
    said = subprocess.run([sys.executable, "-W", "error", "-c", SINGLE], capture_output=True, text=True, check=True)
    first, second, *theta = said.stdout.split()
    assert (first, second) == ("True", "True")
    expected = robust_dpo_minimiser(np.array([0.6, 0.7] * 2), beta=1.0, flip_rate=0.1)
    np.testing.assert_allclose(np.array(theta, float), expected, rtol=2 * np.finfo(np.float32).eps)


def test_the_precision_of_the_features_is_kept():
    x, won, lost = table()
    double = fit(dpo, x, won, lost, beta=1.0)
    single = fit(dpo, x.astype(np.float32), won, lost, beta=1.0)
    assert (double.theta.dtype, single.theta.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(single.theta, double.theta, rtol=1e-5)


def test_derivatives_of_a_loss():
    h = np.linspace(-5, 5, 11)
    value, slope, bend = derivatives(dpo, jax.numpy.asarray(h), {"beta": jax.numpy.asarray(2.0)})
    p = 1 / (1 + np.exp(2 * h))
    np.testing.assert_allclose(value, np.logaddexp(0, -2 * h), rtol=1e-13)
    np.testing.assert_allclose(slope, -2 * p, rtol=1e-12)
    np.testing.assert_allclose(bend, 4 * p * (1 - p), rtol=1e-10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"won": -np.ones(40)}, "won = -1"),
        ({"won": np.zeros(40), "lost": np.zeros(40)}, "nothing to fit"),
        ({"radius": 0.0}, "radius = 0"),
        ({"ridge": -1.0}, "ridge = -1"),
        ({"flip_rate": 0.5}, "flip_rate = 0.5"),
        ({"pair_features": np.full((40, 3), np.nan)}, "pair_features"),
        ({"pair_features": np.ones((39, 3))}, "39"),
    ],
)
def test_bad_input_is_refused(change, words):
    x, won, lost = table()
    arguments = {"pair_features": x, "won": won, "lost": lost, "beta": 1.0, "flip_rate": 0.1} | change
    with pytest.raises(ValueError, match=words):
        fit(robust_dpo, **arguments)
