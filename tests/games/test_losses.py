"""Losses: their gradients by automatic differentiation, the steps they are, their minimisers, and where they differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.arrays import log_softmax
from lab.games import conventions, game, gaps
from lab.games.divergences import backward_bernoulli, squared_distance
from lab.games.losses import contrast_loss, dno_loss, labelled_loss, mixed_reference, pair_loss, sppo_loss
from lab.games.solvers import SOLVERS
from lab.policies import tabular
from tests.libraries import assert_libraries_agree

ACTIONS = 5
UNIFORM = np.full(ACTIONS, -np.log(ACTIONS))
seeds = st.integers(0, 2**32 - 1)


def instance(seed):
    """Advantage, policy, reference and a third policy (log-probabilities), and a KL weight."""
    rng = np.random.default_rng(seed)
    advantage = game.skew(rng.uniform(-0.5, 0.5, ACTIONS * (ACTIONS - 1) // 2), ACTIONS)
    return advantage, *tabular(rng.normal(size=(3, ACTIONS))), float(np.exp(rng.uniform(np.log(0.05), 0)))


def online_loss(logits, log_sampling, log_opponent, advantage, reference, beta):
    """The online-IPO loss of logits; pairs and opponent do not depend on them."""
    return contrast_loss(log_softmax(logits) - reference - gaps.lead(advantage, log_opponent) / beta, log_sampling)


def by_jax(logits, *rest):
    return np.asarray(jax.grad(lambda t: online_loss(t, *rest))(jax.numpy.asarray(logits)))


def by_torch(logits, *rest):
    leaf = torch.tensor(logits, requires_grad=True)
    online_loss(leaf, *(torch.asarray(x) if isinstance(x, np.ndarray) else x for x in rest)).backward()
    return leaf.grad.numpy()


@pytest.mark.parametrize("gradient", [by_jax, by_torch])
@given(seed=seeds)
def test_gradient_of_the_online_loss(gradient, seed):
    """`egpo`, C6: ∇L = 4ρ∘(d − ρᵀd), to 1e-12."""
    advantage, policy, reference, sampling, beta = instance(seed)
    d = policy - reference - gaps.lead(advantage, policy) / beta
    rho = np.exp(sampling)
    identity = 4 * rho * (d - rho @ d)
    found = gradient(policy, sampling, policy, advantage, reference, beta)
    np.testing.assert_allclose(found, identity, atol=1e-12 * np.max(np.abs(identity)))


@pytest.mark.parametrize("gradient", [by_jax, by_torch])
@given(seed=seeds, sgd_step=st.floats(0.01, 0.5))
def test_steps_of_sgd_are_the_solvers(gradient, seed, sgd_step):
    """One step on the loss with uniform pairs is mirror descent with η = 4s/βN; two, both from the start, are
    extragradient. With the log-ratio taken at the trial policy it is another map."""
    advantage, policy, reference, _, beta = instance(seed)
    eta = float(conventions.step_from_sgd(sgd_step, beta=beta, actions=ACTIONS))
    case = advantage, reference, beta

    def payoffs(log_policy, _):
        return gaps.lead(advantage, log_policy)

    def solver(name):
        row = SOLVERS[name]
        return row.step(row.start(policy), payoffs, log_reference=reference, beta=beta, step_size=eta).log_policy

    half = log_softmax(policy - sgd_step * gradient(policy, UNIFORM, policy, *case))
    full = log_softmax(policy - sgd_step * gradient(policy, UNIFORM, half, *case))
    scale = 1e-12 * (1 + eta)
    np.testing.assert_allclose(half, solver("mirror_descent"), atol=scale)
    np.testing.assert_allclose(full, solver("extragradient"), atol=scale)
    forgotten = log_softmax(policy - sgd_step * gradient(half, UNIFORM, half, *case))
    assert np.max(np.abs(forgotten - full)) > 1e3 * scale or np.max(np.abs(half - policy)) < 1e-3


def test_pairs_from_the_policy_precondition_the_step():
    """`egpo`, C6, control: with y, y' ~ π instead of uniform pairs the step is not mirror descent's."""
    advantage, policy, reference, _, beta = instance(0)
    uniform = by_jax(policy, UNIFORM, policy, advantage, reference, beta)
    on_policy = by_jax(policy, policy, policy, advantage, reference, beta)
    assert np.max(np.abs(on_policy - uniform)) > 0.05 * np.max(np.abs(uniform))


@given(seeds)
def test_second_online_loss_is_the_policy_gradient(seed):
    """Pairs from the policy, each labelled against the other: the expected gradient is −(4/β) of the value's, hence a
    step of `policy_gradient`."""
    advantage, policy, reference, _, beta = instance(seed)
    log_ratio = lambda logits: log_softmax(logits) - reference  # noqa: E731
    target = 1 / (2 * beta)  # the constant of IPO, for labels of the preference
    slope = jax.grad(lambda t: labelled_loss(log_ratio(t), policy, advantage, target=target))
    move = -np.asarray(slope(jax.numpy.asarray(policy))) * beta / 4
    row = SOLVERS["policy_gradient"]
    found = row.step(
        row.start(policy), lambda p, _: gaps.lead(advantage, p), log_reference=reference, beta=beta,
        step_size=1 / ACTIONS,
    ).log_policy  # fmt: skip
    np.testing.assert_allclose(found, log_softmax(policy + move), atol=1e-12)


@given(seeds, st.floats(0.1, 3))
def test_both_losses_of_inpo_differ_by_a_constant(seed, target):
    """Equations 7 and 8: labelled pairs of the present policy against the difference of win rates, slope 2c."""
    advantage, policy, reference, sampling, _ = instance(seed)
    slope = float(conventions.slope_from_target(target))
    differences = []
    for h in (policy - reference, 2 * sampling, np.zeros(ACTIONS)):
        differences.append(
            labelled_loss(h, sampling, advantage, target=target)
            - contrast_loss(h - slope * gaps.lead(advantage, sampling), sampling)
        )
    np.testing.assert_allclose(differences, differences[0], rtol=1e-12)


def test_labelled_loss_needs_one_law_for_pairs_and_opponents():
    """The control: against another opponent than the pairs' law the difference is not constant."""
    advantage, policy, reference, sampling, _ = instance(1)
    values = [
        labelled_loss(h, sampling, advantage, target=0.5) - contrast_loss(h - gaps.lead(advantage, policy), sampling)
        for h in (policy - reference, np.zeros(ACTIONS))
    ]
    assert abs(values[0] - values[1]) > 1e-3


def test_labelled_loss_by_enumeration():
    """Over pairs and both labels."""
    advantage, policy, reference, sampling, _ = instance(2)
    h, rho, c = policy - reference, np.exp(sampling), 0.7
    total = 0.0
    for i in range(ACTIONS):
        for j in range(ACTIONS):
            q = 0.5 + advantage[i, j]
            total += rho[i] * rho[j] * (q * (h[i] - h[j] - c) ** 2 + (1 - q) * (h[j] - h[i] - c) ** 2)
    assert float(labelled_loss(h, sampling, advantage, target=c)) == pytest.approx(total, rel=1e-13)


@given(seeds, st.floats(0.1, 2))
def test_the_minimiser_is_the_solvers_next_policy(seed, eta):
    """L = 0 where log π = mixed reference + ηPπ_t up to a constant, which is mirror descent; else L > 0."""
    advantage, policy, reference, sampling, beta = instance(seed)
    pull = eta * beta
    mixed = mixed_reference(np.stack([policy, reference]), np.array([1 - pull, pull]))
    row = SOLVERS["mirror_descent"]
    after = row.step(
        row.start(policy), lambda p, _: gaps.lead(advantage, p), log_reference=reference, beta=beta, step_size=eta
    ).log_policy
    target = mixed + eta * gaps.lead(advantage, policy)
    assert float(contrast_loss(after - target, sampling)) == pytest.approx(0.0, abs=1e-24)
    assert float(contrast_loss(policy + 0.1 * reference - target, sampling)) > 1e-9


RNG = np.random.default_rng(0)
LOG_RATIO, SAMPLING = RNG.normal(size=(3, 4)), tabular(RNG.normal(size=(3, 4)))
ADVANTAGE = game.skew(RNG.uniform(-0.5, 0.5, (3, 6)), 4)
LEAD = gaps.lead(ADVANTAGE, SAMPLING)


def test_pair_loss_by_enumeration():
    """Over ordered pairs and both labels, with a target of its own for every pair."""
    h, rho, target = LOG_RATIO[0], np.exp(SAMPLING[0]), RNG.normal(size=(4, 4))
    for distance in (squared_distance, backward_bernoulli):
        total = sum(
            2 * rho[i] * rho[j] * (0.5 + ADVANTAGE[0, i, j]) * distance(h[i] - h[j], target[i, j])
            for i in range(4)
            for j in range(4)
        )
        found = pair_loss(h, SAMPLING[0], ADVANTAGE[0], target=target, distance=distance)
        assert float(found) == pytest.approx(float(total), rel=1e-13)


def test_dno_is_smallest_at_its_step():
    def loss(log_ratio):
        return jnp.sum(dno_loss(log_ratio, SAMPLING, LEAD, inverse_step=2.0))

    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(LEAD / 2.0)), 0.0, atol=1e-15)
    assert float(loss(LEAD / 2.0)) < float(loss(jnp.asarray(LEAD)))


def test_sppo_vanishes_at_the_lead():
    np.testing.assert_array_equal(sppo_loss(0.5 * LEAD, SAMPLING, LEAD, step_size=0.5), np.zeros(3))
    assert np.all(sppo_loss(LEAD, SAMPLING, LEAD, step_size=0.5) > 0)


def test_contrast_loss_is_twice_a_variance_and_ignores_constants():
    rng = np.random.default_rng(3)
    score, sampling = rng.normal(size=(2, 7, ACTIONS)), tabular(rng.normal(size=(7, ACTIONS)))
    score = score[0]
    rho = np.exp(sampling)
    pairs = rho[:, :, None] * rho[:, None, :] * (score[:, :, None] - score[:, None, :]) ** 2
    np.testing.assert_allclose(contrast_loss(score, sampling), pairs.sum(axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(contrast_loss(score + 3.0, sampling), contrast_loss(score, sampling), rtol=1e-12)


def test_libraries_agree():
    advantage, policy, reference, sampling, _ = instance(4)
    assert_libraries_agree(contrast_loss, policy - reference, sampling)
    assert_libraries_agree(labelled_loss, policy - reference, sampling, advantage, target=0.4)
    assert_libraries_agree(mixed_reference, np.stack([policy, reference]), np.array([0.3, 0.6]))
    assert_libraries_agree(lambda h, s, w: sppo_loss(h, s, w, step_size=0.5), LOG_RATIO, SAMPLING, LEAD)
    assert_libraries_agree(lambda h, s, w: dno_loss(h, s, w, inverse_step=2.0), LOG_RATIO, SAMPLING, LEAD)
    for distance in (squared_distance, backward_bernoulli):
        assert_libraries_agree(
            lambda h, s, c, distance=distance: pair_loss(h, s, ADVANTAGE, target=c, distance=distance),
            LOG_RATIO,
            SAMPLING,
            ADVANTAGE,
        )


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="shapes must agree"):
        contrast_loss(np.zeros((2, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="inverse_step = 0"):
        dno_loss(LOG_RATIO, SAMPLING, LEAD, inverse_step=0.0)
