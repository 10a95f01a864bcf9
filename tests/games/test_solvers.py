"""The table of solvers: which are one and the same, what each leaves fixed, exact laws of single steps, libraries."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.arrays import log_softmax
from lab.games import conventions, game, gaps
from lab.games.equilibria import regularised_equilibrium
from lab.games.solvers import ROWS, SOLVERS
from lab.policies import kl_divergence, tabular
from tests.libraries import assert_libraries_agree

seeds = st.integers(0, 2**32 - 1)
steps = st.floats(0.01, 2.0)
betas = st.floats(0.01, 1.0)


def instance(seed, actions=5):
    rng = np.random.default_rng(seed)
    advantage = game.skew(rng.uniform(-0.5, 0.5, actions * (actions - 1) // 2), actions)
    return advantage, *tabular(rng.normal(size=(2, actions)))


def step(name, advantage, policy, reference, *, beta, step_size, **settings):
    """One step from a policy with a fresh state."""
    solver = SOLVERS[name]
    payoffs = lambda log_policy, _: gaps.lead(advantage, log_policy)  # noqa: E731
    start = solver.start(policy)
    return solver.step(start, payoffs, log_reference=reference, beta=beta, step_size=step_size, **settings)


def moved(*arguments, **settings):
    return step(*arguments, **settings).log_policy


@given(seeds, steps)
def test_mirror_descent_without_regularisation_is_multiplicative_weights(seed, eta):
    """MWU, Hedge and exact SPPO (in its own normalisation, with win rates): π₊ ∝ π e^{ηPπ}."""
    advantage, policy, reference = instance(seed)
    weights = np.exp(policy) * np.exp(eta * ((advantage + 0.5) @ np.exp(policy)))
    found = moved("mirror_descent", advantage, policy, reference, beta=0.0, step_size=eta)
    np.testing.assert_allclose(np.exp(found), weights / weights.sum(), rtol=1e-13)


@given(seeds, steps, betas)
def test_mirror_descent_is_magnetic_mirror_descent_translated(seed, magnetic, magnet):
    """MMD as written: π₊ ∝ [π μ^{η_mα} e^{η_m q}]^{1/(1+η_mα)}."""
    advantage, policy, reference = instance(seed)
    logits = policy + magnetic * magnet * reference + magnetic * gaps.lead(advantage, policy)
    eta = float(conventions.step_from_magnetic(magnetic, magnet=magnet))
    found = moved("mirror_descent", advantage, policy, reference, beta=magnet, step_size=eta)
    np.testing.assert_allclose(found, log_softmax(logits / (1 + magnetic * magnet)), rtol=1e-13, atol=1e-13)


@given(seeds, steps, betas)
def test_mirror_descent_is_inpo_translated(seed, inverse, beta):
    """INPO as written, with its inverse step size H: π₊ ∝ exp[Pπ/H] π_ref^{β/H} π^{1−β/H}."""
    advantage, policy, reference = instance(seed)
    logits = gaps.lead(advantage, policy) / inverse + beta / inverse * reference + (1 - beta / inverse) * policy
    eta = float(conventions.step_from_inverse(inverse))
    found = moved("mirror_descent", advantage, policy, reference, beta=beta, step_size=eta)
    np.testing.assert_allclose(found, log_softmax(logits), rtol=1e-12, atol=1e-12 / inverse)


@given(seeds, steps, betas)
def test_special_cases_within_the_table(seed, eta, beta):
    advantage, policy, reference = instance(seed)
    case = {"beta": beta, "step_size": eta}
    descent = moved("mirror_descent", advantage, policy, reference, **case)
    for name, settings in (("nash_mirror_descent", {"mixture_share": 0.0}), ("momentum", {"extrapolation": 0.0})):
        found = moved(name, advantage, policy, reference, **case, **settings)
        np.testing.assert_allclose(found, descent, rtol=1e-13, atol=1e-13)
    # Extragradient's trial policy is mirror descent's next one; so is optimism's second trial after payoffs of the
    # first, here made by hand.
    np.testing.assert_allclose(step("extragradient", advantage, policy, reference, **case).memory, descent, atol=1e-13)
    # COMAL's first step is extragradient towards the starting policy.
    found = moved("proximal_point", advantage, policy, reference, beta=0.0, step_size=eta, temperature=beta)
    np.testing.assert_allclose(found, moved("extragradient", advantage, policy, policy, **case), atol=1e-13)


@given(seeds, steps, betas)
def test_policy_gradient_at_the_uniform_policy_is_mirror_descent(seed, eta, beta):
    advantage, _, reference = instance(seed)
    uniform = np.full(5, -np.log(5))
    case = {"beta": beta, "step_size": eta}
    np.testing.assert_allclose(
        moved("policy_gradient", advantage, uniform, reference, **case),
        moved("mirror_descent", advantage, uniform, reference, **case),
        atol=1e-13,
    )


@given(seeds, betas)
def test_policy_gradient_is_the_gradient_of_the_value(seed, beta):
    """Its move is ηN times the gradient in the logits of V_β(π_θ, π), and of V against Nash-MD's mixture."""
    advantage, policy, reference = instance(seed)
    for share in (0.0, 1.0):
        opponent = tabular(policy + share * beta * 0.1 * (reference - policy))

        def value(logits, opponent=opponent):
            own = log_softmax(logits)
            return (jax.numpy.exp(own) * gaps.lead(advantage, opponent)).sum() - beta * kl_divergence(own, reference)

        logits = policy + 0.1 * 5 * np.asarray(jax.grad(value)(jax.numpy.asarray(policy)))
        found = moved("policy_gradient", advantage, policy, reference, beta=beta, step_size=0.1, mixture_share=share)
        np.testing.assert_allclose(found, log_softmax(logits), atol=1e-13)


@pytest.mark.parametrize("name", SOLVERS)
def test_equilibrium_is_a_fixed_point(name):
    """Every solver leaves its limit as it is; Nash-MD does not, which the table calls biased."""
    rng = np.random.default_rng(0)
    planted = game.planted(rng.uniform(-0.5, 0.5, (20, 10)), *rng.normal(size=(2, 20, 5)), rng.uniform(0.05, 1, 20))
    world, solver, target = planted.game, SOLVERS[name], planted.log_equilibrium
    beta = world.beta
    if name == "proximal_point":  # its own anchor: the equilibrium of the game without regularisation
        advantage, target = game.tournament(5), np.full((20, 5), -np.log(5.0))
    else:
        advantage = world.advantage
    state = solver.start(target)
    if solver.memory == "payoffs":
        state = state._replace(memory=gaps.lead(advantage, target))
    after = solver.step(
        state, lambda p, _: gaps.lead(advantage, p), log_reference=world.log_reference, beta=beta,
        step_size=np.full(20, 0.5),
    )  # fmt: skip
    moved = np.max(np.abs(after.log_policy - target))
    assert (moved > 1e-4) if solver.limit == "biased" else (moved < 1e-14)
    np.testing.assert_array_equal(after.steps, 1.0)


def test_nash_policy_gradient_is_biased_too():
    advantage, _, reference = instance(1)
    target = np.asarray(regularised_equilibrium(advantage, reference, beta=0.3).log_policy)
    off = moved("policy_gradient", advantage, target, reference, beta=0.3, step_size=0.5, mixture_share=1.0) - target
    assert np.max(np.abs(off)) > 1e-4


@given(seeds, steps)
def test_multiplicative_weights_leave_an_interior_equilibrium_exactly_so(seed, eta):
    """`nash-background`, C1: KL(π*‖π₊) − KL(π*‖π) = log E_π e^{ηAπ} ≥ 0."""
    rng = np.random.default_rng(seed)
    margins = rng.uniform(0.05, 0.5, 3)
    advantage, target = game.cycle(*margins), np.log(np.roll(margins, -1) / margins.sum())
    policy = tabular(rng.normal(size=3))
    after = moved("mirror_descent", advantage, policy, policy, beta=0.0, step_size=eta)
    growth = np.log(np.sum(np.exp(policy + eta * gaps.lead(advantage, policy))))
    assert kl_divergence(target, after) - kl_divergence(target, policy) == pytest.approx(growth, abs=1e-14)
    assert growth >= -1e-16


@given(seeds, betas, st.floats(0.05, 1.0))
def test_extragradient_contracts(seed, beta, share):
    """`egpo`, C1: KL(π_β‖π₊) + ηβ KL(π½‖π_β) ≤ (1 − ηβ) KL(π_β‖π) for η ≤ 1/(β + ½)."""
    rng = np.random.default_rng(seed)
    planted = game.planted(rng.uniform(-0.5, 0.5, 10), *rng.normal(size=(2, 5)), np.array(beta))
    target, policy, eta = planted.log_equilibrium, planted.log_start, share / (beta + 0.5)
    after = step("extragradient", planted.advantage, policy, planted.game.log_reference, beta=beta, step_size=eta)
    left = kl_divergence(target, after.log_policy) + eta * beta * kl_divergence(after.memory, target)
    assert left <= (1 - eta * beta) * kl_divergence(target, policy) * (1 + 1e-12) + 1e-15


@given(st.floats(-0.5, 0.5), st.floats(-2, 2), st.floats(-2, 2), betas, st.floats(0.05, 0.9))
def test_two_actions_contract_alike(lead, start, reference, beta, pull):
    """F4: the log-ratio's error shrinks by exactly 1 − ηβ under mirror descent and extragradient."""
    advantage, eta = game.skew(np.array([lead]), 2), pull / beta
    target = reference + lead / beta
    for name in ("mirror_descent", "extragradient"):
        case = advantage, *(tabular(np.array([x, 0.0])) for x in (start, reference))
        found = moved(name, *case, beta=beta, step_size=eta)
        error = found[0] - found[1] - target
        assert error == pytest.approx((1 - pull) * (start - target), abs=1e-13 * (1 + 1 / beta))


def test_momentum_extrapolates_the_output():
    """log π₊ = log π̂₊ + α (log π̂₊ − log π̂), and the memory is the output π̂."""
    advantage, policy, reference = instance(2)
    first = step("momentum", advantage, policy, reference, beta=0.0, step_size=0.5, extrapolation=0.4)
    proximal = tabular(policy + 0.5 * gaps.lead(advantage, policy))
    np.testing.assert_allclose(first.memory, proximal, atol=1e-14)
    np.testing.assert_allclose(first.log_policy, tabular(1.4 * proximal - 0.4 * policy), atol=1e-14)


def test_proximal_point_moves_its_anchor_after_the_inner_steps():
    advantage, policy, reference = instance(3)
    solver = SOLVERS["proximal_point"]
    state, anchors = solver.start(policy), []
    for _ in range(4):
        state = solver.step(
            state, lambda p, _: gaps.lead(advantage, p), log_reference=reference, beta=0.0, step_size=0.3,
            temperature=0.2, inner_steps=2,
        )  # fmt: skip
        anchors.append((np.array_equal(state.memory, state.log_policy), state.memory))
    assert [moved for moved, _ in anchors] == [False, True, False, True]
    np.testing.assert_array_equal(anchors[0][1], policy)
    np.testing.assert_array_equal(anchors[2][1], anchors[1][1])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_steps_in_all_libraries(row):
    """Values, gradients and compiled code, for several games with their own step sizes."""
    rng = np.random.default_rng(4)
    advantage = game.skew(rng.uniform(-0.5, 0.5, (3, 6)), 4)
    policy, reference = tabular(rng.normal(size=(2, 3, 4)))
    size, beta = np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.2, 0.3])

    def after(policy, reference, size, beta):
        payoffs = lambda log_policy, _: gaps.lead(advantage, log_policy)  # noqa: E731
        first = row.step(row.start(policy), payoffs, log_reference=reference, beta=beta, step_size=size)
        return row.step(first, payoffs, log_reference=reference, beta=beta, step_size=size).log_policy

    assert_libraries_agree(after, policy, reference, size, beta)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_many_games_are_each_alone(row):
    rng = np.random.default_rng(5)
    advantage = game.skew(rng.uniform(-0.5, 0.5, (3, 6)), 4)
    policy, reference = tabular(rng.normal(size=(2, 3, 4)))
    size, beta = np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.2, 0.3])
    together = moved(row.name, advantage, policy, reference, beta=beta, step_size=size)
    for i in range(3):
        alone = moved(row.name, advantage[i], policy[i], reference[i], beta=beta[i], step_size=size[i])
        np.testing.assert_allclose(alone, together[i], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_payoffs_count_up_to_a_constant_and_queries_are_numbered(row):
    advantage, policy, reference = instance(6)
    asked = []

    def payoffs(log_policy, query, shift=0.0):
        asked.append(query)
        return gaps.lead(advantage, log_policy) + shift

    case = {"log_reference": reference, "beta": 0.2, "step_size": 0.5}
    plain = row.step(row.start(policy), payoffs, **case).log_policy
    assert asked == list(range(row.queries))
    shifted = row.step(row.start(policy), lambda p, q: payoffs(p, q, 0.5), **case).log_policy
    np.testing.assert_allclose(shifted, plain, atol=1e-14)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_extreme_policies_stay_policies(row):
    """Logits of ±10⁴: no NaN, and probabilities sum to 1."""
    policy = tabular(np.array([1e4, 0.0, -1e4]))
    reference = tabular(np.array([0.0, 0.0, 1e4]))
    found = moved(row.name, game.rock_paper_scissors(), policy, reference, beta=0.1, step_size=1.0)
    assert np.all(np.isfinite(found))
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-14)


def test_table_has_one_row_a_name():
    assert list(SOLVERS) == [row.name for row in ROWS]
    assert {row.limit for row in ROWS} == {"regularised", "nash", "biased"}
