"""Exact local rates against measured factors, and limits against the sheet's numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.games import game, local
from lab.games.local import MODULI, rotations, stability_limit
from lab.games.play import log_policy, play
from lab.games.solvers import SOLVERS
from lab.policies import tabular
from tests.libraries import assert_libraries_agree

RPS = 1 / np.sqrt(12)


@pytest.mark.parametrize(
    ("solver", "beta", "printed"),
    [
        ("mirror_descent", 0.1, 0.945163),
        ("extragradient", 0.1, 0.856997),
        ("optimistic", 0.1, 0.84688),
        ("nash_mirror_descent", 0.1, 0.93675),
        ("mirror_descent", 0.0, 1.0408),
        ("extragradient", 0.0, 0.96105),
        ("optimistic", 0.0, 0.95302),
        ("mirror_descent", 0.03, 1.0120),
        ("extragradient", 0.03, 0.9298),
    ],
)
def test_moduli_of_the_sheets(solver, beta, printed):
    """`nash-background`, C3 and `egpo`, C2: rock, paper, scissors with η = 1."""
    digits = len(str(printed).split(".")[1])
    assert round(float(MODULI[solver](1.0, beta=beta, rotation=RPS)), digits) == printed


def measured_factor(solver, world, log_equilibrium, step_size, steps, **settings):
    r"""Contraction a step of the log-ratio's error, over the latter half of the steps before it reaches 1e-11.

    In the norm $\sqrt{\mathrm{Var}_\pi}$, in which the linear map is normal.
    """
    start = tabular(log_equilibrium + 1e-6 * np.array([1.0, -0.4, 0.3]))
    path = play(solver, world, step_size=step_size, steps=steps, measure=log_policy, start=start, **settings).measured
    error = np.asarray(path) - log_equilibrium
    weight = np.exp(log_equilibrium)
    error = error - np.sum(weight * error, axis=-1, keepdims=True)
    size = np.log(np.sqrt(np.sum(weight * error**2, axis=-1)))
    last = int(np.argmax(np.append(size, -np.inf) < np.log(1e-11))) - 1
    first = last // 2
    return np.exp((size[last] - size[first]) / (last - first))


CASES = [
    (game.rock_paper_scissors(), np.zeros(3)),
    (game.cycle(0.3, 0.2, 0.45), np.array([0.4, -0.3, 0.0])),
    (game.comal_game(), np.log([4, 3, 4])),
]


@pytest.mark.parametrize("solver", [name for name in MODULI if name != "nash_mirror_descent"])
@pytest.mark.parametrize("case", range(3))
@pytest.mark.parametrize("beta", [0.03, 0.2])
def test_moduli_against_runs(solver, case, beta):
    """Started near the equilibrium, every solver contracts by its modulus, to five digits."""
    advantage, logits = CASES[case]
    planted = game.PlantedGame(advantage, logits, logits, np.array(beta))
    rotation = float(rotations(advantage, planted.log_equilibrium)[0])
    found = measured_factor(SOLVERS[solver], planted.game, planted.log_equilibrium, 1.0, 150)
    assert found == pytest.approx(float(MODULI[solver](1.0, beta=beta, rotation=rotation)), rel=1e-5)


def test_nash_mirror_descent_turns_at_its_mixture():
    """Its fixed point is another one, and the rotation that counts is the mixture's there."""
    reference, beta, eta = np.log([0.2, 0.5, 0.3]), 0.2, 0.5
    world = game.PreferenceGame(game.comal_game(), reference, np.array(beta))
    solver = SOLVERS["nash_mirror_descent"]
    fixed = np.asarray(play(solver, world, step_size=eta, steps=1000).state.log_policy)
    mixture = tabular((1 - eta * beta) * fixed + eta * beta * reference)
    rotation = float(rotations(world.advantage, mixture)[0])
    start = tabular(fixed + 1e-6 * np.array([1.0, -0.4, 0.3]))
    error = np.asarray(play(solver, world, step_size=eta, steps=40, measure=log_policy, start=start).measured) - fixed
    weight = np.exp(mixture)
    error = error - np.sum(weight * error, axis=-1, keepdims=True)
    size = np.sqrt(np.sum(weight * error**2, axis=-1))
    predicted = local.nash_mirror_descent_modulus(eta, beta=beta, rotation=rotation)
    assert (size[40] / size[20]) ** (1 / 20) == pytest.approx(float(predicted), rel=1e-5)


def test_proximal_point_factor():
    """`nash-background`, C8: COMAL on F3, τ = 0.1: KL falls by 0.1864 = τ²/(τ² + ω²) an outer step; τ = 1: 0.958."""
    rotation = np.sqrt(0.4 * 0.4 * 0.3 / 1.1)
    for temperature, factor in ((0.1, 0.1864), (1.0, 0.958)):
        modulus = float(local.proximal_point_modulus(1 / temperature, rotation=rotation))
        assert modulus**2 == pytest.approx(temperature**2 / (temperature**2 + rotation**2), rel=1e-14)
        assert modulus**2 == pytest.approx(factor, rel=5e-4)
    world = game.PreferenceGame(game.comal_game(), np.log([4, 3, 4]) - np.log(11), np.array(0.0))
    settings = {"temperature": 0.1, "inner_steps": 400}
    found = measured_factor(SOLVERS["proximal_point"], world, world.log_reference, 1.0, 1600, **settings)
    # Started 1e-6 away, where the next order is smaller by as much.
    assert found**400 == pytest.approx(np.sqrt(0.01 / (0.01 + rotation**2)), rel=1e-6)


@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_rotations_are_the_eigenvalues(actions, seed):
    """±iω of A(diag π − ππᵀ), each twice but for the zeros; at most 1/√8 in every game."""
    rng = np.random.default_rng(seed)
    advantage = game.skew(rng.uniform(-0.5, 0.5, actions * (actions - 1) // 2), actions)
    policy = rng.dirichlet(np.ones(actions))
    matrix = advantage @ (np.diag(policy) - np.outer(policy, policy))
    values = np.linalg.eigvals(matrix)
    found = rotations(advantage, np.log(policy))
    np.testing.assert_allclose(found, np.sort(np.abs(values.imag))[::-1], atol=1e-7)
    np.testing.assert_allclose(found[: actions // 2 * 2 : 2], found[1 : actions // 2 * 2 : 2], atol=1e-8)
    assert found[0] <= 1 / np.sqrt(8)


def test_rotations_with_zeros_in_the_policy_are_those_of_the_support():
    advantage = np.pad(game.comal_game(), (0, 1), constant_values=0.0)
    with np.errstate(divide="ignore"):
        found = rotations(advantage, np.log([4 / 11, 3 / 11, 4 / 11, 0.0]))
    np.testing.assert_allclose(found[:2], np.sqrt(0.4 * 0.4 * 0.3 / 1.1), rtol=1e-12)


def test_limits_of_the_sheets():
    """`egpo`, C1 and C2: mirror descent 1.16505 at β = 0.05, extragradient 3.57 at β = 0.01, on F1."""
    assert round(float(local.mirror_descent_limit(beta=0.05, rotation=RPS)), 5) == 1.16505
    assert round(stability_limit(local.extragradient_modulus, beta=0.01, rotation=RPS), 2) == 3.57
    # Optimism without regularisation: below 1/√3, `nash-background`, C2.
    assert stability_limit(local.optimistic_modulus, beta=0.0, rotation=1.0) == pytest.approx(1 / np.sqrt(3), rel=1e-12)
    assert stability_limit(local.extragradient_modulus, beta=0.0, rotation=1.0) == pytest.approx(1.0, rel=1e-12)


@given(st.floats(1e-4, 3), st.floats(1e-3, 0.35))
def test_limit_of_mirror_descent_is_its_closed_form(beta, rotation):
    closed = float(local.mirror_descent_limit(beta=beta, rotation=rotation))
    found = stability_limit(local.mirror_descent_modulus, beta=beta, rotation=rotation)
    assert found == pytest.approx(closed, rel=1e-8)


@given(st.floats(1e-3, 3), st.floats(1e-3, 0.35), st.sampled_from(list(MODULI)))
def test_modulus_is_one_at_the_limit_and_less_below(beta, rotation, solver):
    limit = stability_limit(MODULI[solver], beta=beta, rotation=rotation)
    assert float(MODULI[solver](limit, beta=beta, rotation=rotation)) == pytest.approx(1.0, abs=1e-9)
    below = MODULI[solver](limit * np.linspace(0.01, 0.99, 99), beta=beta, rotation=rotation)
    assert np.max(below) < 1.0


def test_limit_of_several_rotations_is_the_least():
    rotation = np.array([0.0, 0.1, 0.3])
    alone = [stability_limit(local.extragradient_modulus, beta=0.05, rotation=w) for w in rotation]
    both = stability_limit(local.extragradient_modulus, beta=0.05, rotation=rotation)
    assert both == pytest.approx(min(alone), rel=1e-12)
    assert alone[0] == pytest.approx(2 / 0.05)


def test_limits_at_the_edges():
    """Slow rotations have long steps; multiplicative weights and momentum have none; nothing turns, nothing moves."""
    slow = stability_limit(local.extragradient_modulus, beta=0.0, rotation=1e-3)
    assert slow == pytest.approx(1000.0)
    assert stability_limit(local.mirror_descent_modulus, beta=0.0, rotation=0.1) == 0.0
    assert stability_limit(local.momentum_modulus, beta=0.0, rotation=0.1, extrapolation=0.5) == 0.0
    assert stability_limit(local.mirror_descent_modulus, beta=0.0, rotation=0.0) == 0.0


@given(st.floats(0.05, 2), st.floats(0.0, 1), st.floats(0.01, 0.35))
def test_roots_of_optimism_and_momentum(step, beta, rotation):
    """The larger root in real arithmetic against NumPy's roots of the complex quadratics."""
    a, x = 1 - step * beta, step * rotation
    matrix = np.array([[a * (1 + 1j * x), -x * x], [a, 1j * x]])
    found = float(local.optimistic_modulus(step, beta=beta, rotation=rotation))
    assert found == pytest.approx(np.max(np.abs(np.linalg.eigvals(matrix))), rel=1e-7)
    share = 0.3
    roots = np.roots([1, -(a + 1j * x) * (1 + share), (a + 1j * x) * share])
    found = float(local.momentum_modulus(step, beta=beta, rotation=rotation, extrapolation=share))
    assert found == pytest.approx(np.max(np.abs(roots)), rel=1e-7)


def test_libraries_agree():
    steps, rotation = np.array([0.3, 0.9]), np.array([0.1, 0.28])
    for modulus in MODULI.values():
        assert_libraries_agree(lambda s, w, f=modulus: f(s, beta=0.2, rotation=w), steps, rotation)
    assert_libraries_agree(lambda s, w: local.proximal_point_modulus(s, rotation=w), steps, rotation)
    assert_libraries_agree(lambda b, w: local.mirror_descent_limit(beta=b, rotation=w), steps, rotation)
    assert_libraries_agree(lambda b: local.contraction_limit(beta=b), steps)
    advantage, policy = game.cycle(0.2, 0.3, 0.1), tabular(np.array([0.1, 0.5, -0.3]))
    assert_libraries_agree(rotations, advantage, policy, gradient=False)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: local.mirror_descent_modulus(0.0, beta=0.1, rotation=0.1), "step_size = 0"),
        (lambda: local.extragradient_modulus(0.1, beta=-0.1, rotation=0.1), "beta = -0.1"),
        (lambda: local.optimistic_modulus(0.1, beta=0.1, rotation=-0.1), "rotation = -0.1"),
        (lambda: local.momentum_modulus(0.1, beta=0.1, rotation=0.1, extrapolation=1.0), "extrapolation = 1"),
        (lambda: local.mirror_descent_limit(beta=0.0, rotation=0.1), "beta = 0"),
        (lambda: local.contraction_limit(beta=-1.0), "beta = -1"),
        (lambda: stability_limit(local.extragradient_modulus, beta=0.1, rotation=np.nan), "rotation = nan"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
