"""Equilibria against closed forms, 50 digits and each other; ties and continua are reported."""

import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.games import game, gaps
from lab.games.equilibria import NonUniqueEquilibrium, nash_equilibrium, regularised_equilibrium
from lab.policies import tabular

CLOSED = {
    "F1": (game.rock_paper_scissors(), np.full(3, 1 / 3)),
    "F2": (game.cycle(0.3, 0.1, 0.45), np.array([0.1, 0.45, 0.3]) / 0.85),
    "F3": (game.comal_game(), np.array([4, 3, 4]) / 11),
    "F5": (game.tournament(7), np.full(7, 1 / 7)),
    "F6": (game.bradley_terry_game(np.array([1.0, 0.5, 0.0])), np.array([1.0, 0.0, 0.0])),
    "F7": (game.population(3.0 * np.array([[2.0, 1, 0], [0, 2, 1], [1, 0, 2]])), np.full(3, 1 / 3)),
    "small": (1e-8 * game.rock_paper_scissors(), np.full(3, 1 / 3)),
}


def random_advantage(rng, actions):
    return game.skew(rng.uniform(-0.5, 0.5, actions * (actions - 1) // 2), actions)


@pytest.mark.parametrize("name", CLOSED)
def test_linear_program_against_closed_forms(name):
    advantage, policy = CLOSED[name]
    found = nash_equilibrium(advantage)
    np.testing.assert_allclose(found.policy, policy, atol=2e-15)
    assert found.unique
    assert found.gap < 1e-15
    np.testing.assert_array_equal(found.support, policy > 0)


def test_generic_games_have_one_equilibrium_of_odd_support():
    """F8: in all of 100 random games of 2 to 12 actions; and the value is one half: nothing wins against it."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        advantage = random_advantage(rng, int(rng.integers(2, 13)))
        found = nash_equilibrium(advantage)
        assert found.unique
        assert found.support.sum() % 2 == 1
        assert 0 <= found.gap < 4e-15
        assert found.policy.sum() == pytest.approx(1.0, abs=1e-14)
        assert np.max((advantage + 0.5) @ found.policy) == pytest.approx(0.5, abs=2e-15)


def test_sparse_equilibria_are_found_exactly():
    """A cycle of three and seven actions that lose to it: zeros are zeros."""
    rng = np.random.default_rng(1)
    advantage = game.skew(np.zeros(45), 10)
    advantage[:3, :3] = game.comal_game()
    advantage[:3, 3:] = rng.uniform(0.1, 0.5, (3, 7))
    advantage[3:, :3] = -advantage[:3, 3:].T
    found = nash_equilibrium(advantage)
    np.testing.assert_allclose(found.policy, [4 / 11, 3 / 11, 4 / 11, *np.zeros(7)], atol=1e-15)
    assert np.all(found.policy[3:] == 0.0)


CONTINUA = {
    "F9, ties": game.ties(4),
    "two equal winners": game.skew(np.array([0.0, 0.3, 0.2]), 3),
    "every action twice": np.kron(np.ones((2, 2)), game.rock_paper_scissors()),
    # Between a cycle and an action that ties with all of it, every mixture is an equilibrium.
    "a tie with a whole cycle": np.pad(game.rock_paper_scissors(), (0, 1)),
}


@pytest.mark.parametrize("name", CONTINUA)
def test_continua_are_reported(name):
    with pytest.warns(NonUniqueEquilibrium, match="continuum"):
        found = nash_equilibrium(CONTINUA[name])
    assert not found.unique
    assert found.gap < 1e-15


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_uniqueness_against_search(seed, tied):
    """Goldman and Tucker's test agrees with what linear programs find in random directions."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    advantage = random_advantage(rng, 5)
    if tied:
        advantage = np.round(3 * advantage) / 6  # few values, hence many ties
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonUniqueEquilibrium)
        found = nash_equilibrium(advantage)
    widest = 0.0
    for _ in range(4):
        cost = rng.normal(size=5)
        ends = [
            linprog(s * cost, A_ub=advantage, b_ub=np.zeros(5), A_eq=np.ones((1, 5)), b_eq=[1.0]).fun for s in (1, -1)
        ]
        widest = max(widest, -ends[0] - ends[1])
    assert found.unique == (widest < 1e-6)


def fifty_digits(advantage, reference, beta, start):
    """Newton's method on θ − θ_ref − A softmax(θ)/β in 50 digits."""
    with mpmath.workdps(50):
        n = len(reference)
        matrix = mpmath.matrix(advantage.tolist()) / mpmath.mpf(float(beta))
        logits = mpmath.matrix(start.tolist())
        for _ in range(6):
            mass = [mpmath.e**x for x in logits]
            p = mpmath.matrix([x / mpmath.fsum(mass) for x in mass])
            spread = mpmath.diag(list(p)) - p * p.T
            rest = logits - mpmath.matrix(reference.tolist()) - matrix * p
            logits -= mpmath.lu_solve(mpmath.eye(n) - matrix * spread, rest)
        mass = [mpmath.e**x for x in logits]
        return np.array([float(x / mpmath.fsum(mass)) for x in mass])


@pytest.mark.parametrize("beta", [1e-3, 0.03, 1.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_certificate_against_fifty_digits(beta, seed):
    """The error of the regularised equilibrium is at most what it says, and that is near rounding."""
    rng = np.random.default_rng(seed)
    advantage, reference = random_advantage(rng, 5), tabular(rng.normal(size=5))
    found = regularised_equilibrium(advantage, reference, beta=beta)
    policy = np.exp(np.asarray(found.log_policy))
    truth = fifty_digits(advantage, reference, beta, np.asarray(found.log_policy))
    assert np.sum(np.abs(policy - truth)) <= float(found.error)
    assert float(found.error) < 1e-13 * (1 + 0.1 / beta)


def test_certificate_of_a_solver_that_stopped_early():
    """The control: a policy that is not yet there has a gap that says so."""
    rng = np.random.default_rng(3)
    advantage, reference = random_advantage(rng, 5), tabular(rng.normal(size=5))
    policy = np.asarray(regularised_equilibrium(advantage, reference, beta=0.1).log_policy)
    off = tabular(policy + 1e-6 * rng.normal(size=5))
    gap = gaps.regularised_gap(advantage, off, reference, beta=0.1)
    distance = np.sum(np.abs(np.exp(off) - np.exp(policy)))
    assert 1e-7 < distance <= np.sqrt(gap / 0.1)


def test_many_games_at_once_are_each_alone():
    rng = np.random.default_rng(4)
    advantage, reference = game.skew(rng.uniform(-0.5, 0.5, (20, 10)), 5), tabular(rng.normal(size=(20, 5)))
    beta = np.exp(rng.uniform(np.log(1e-3), 0, 20))
    together = regularised_equilibrium(advantage, reference, beta=beta)
    assert np.max(together.error) < 1e-11
    for i in (0, 7, 19):
        alone = regularised_equilibrium(advantage[i], reference[i], beta=beta[i])
        np.testing.assert_allclose(alone.log_policy, together.log_policy[i], atol=1e-9)


def test_uniform_reference_and_cycle_give_the_uniform_policy_at_every_beta():
    """F1."""
    beta = np.geomspace(1e-3, 10, 5)
    found = regularised_equilibrium(game.rock_paper_scissors(), np.full((5, 3), -np.log(3)), beta=beta)
    np.testing.assert_allclose(found.log_policy, -np.log(3), atol=1e-14)


@given(st.floats(-0.5, 0.5), st.floats(-3, 3), st.floats(0.01, 3))
def test_two_actions(lead, logit, beta):
    """F4: π(1)/π(2) = (π_ref(1)/π_ref(2)) exp((P₁₂ − ½)/β)."""
    reference = tabular(np.array([logit, 0.0]))
    found = np.asarray(regularised_equilibrium(game.skew(np.array([lead]), 2), reference, beta=beta).log_policy)
    assert found[0] - found[1] == pytest.approx(logit + lead / beta, abs=1e-13 * (1 + 1 / beta))


def test_ties_give_the_reference():
    """F9."""
    reference = np.log([0.7, 0.2, 0.1])
    np.testing.assert_allclose(
        regularised_equilibrium(game.ties(3), reference, beta=0.3).log_policy, reference, atol=1e-15
    )


def test_weak_regularisation_approaches_the_linear_program():
    """F3: the distance to the equilibrium shrinks in proportion to β, up to a relative β."""
    exact = nash_equilibrium(game.comal_game()).policy
    beta = np.array([1e-2, 1e-3, 1e-4])
    reference = np.broadcast_to(np.log([0.2, 0.5, 0.3]), (3, 3))
    found = np.exp(np.asarray(regularised_equilibrium(game.comal_game(), reference, beta=beta).log_policy))
    distance = np.abs(found - exact).sum(axis=1)
    assert np.all(np.abs(10 * distance[1:] / distance[:-1] - 1) <= beta[:-1])


def test_strong_regularisation_expands_around_the_reference():
    """π_β = π_ref ∘ (1 + Aπ_ref/β) + O(β⁻²)."""
    rng = np.random.default_rng(5)
    advantage, reference = random_advantage(rng, 4), tabular(rng.normal(size=4))
    beta = np.array([10.0, 100.0, 1000.0])
    found = np.exp(np.asarray(regularised_equilibrium(advantage, np.tile(reference, (3, 1)), beta=beta).log_policy))
    first = np.exp(reference) * (1.0 + gaps.lead(advantage, reference) / beta[:, None])
    scaled = np.abs(found - first).sum(axis=1) * beta**2
    assert np.all(np.abs(scaled / scaled[-1] - 1) <= 1 / beta)  # the next order is smaller by 1/β
    assert scaled[-1] > 1e-4


def test_bias_of_the_regularised_equilibrium_in_a_transitive_game():
    """F6: with the margin Δ of the best action, the original gap falls like e^{−Δ/β}, up to the share of the third."""
    advantage, beta = game.bradley_terry_game(np.array([1.0, 0.5, 0.0])), np.array([0.03, 0.02, 0.015, 0.01, 0.0075])
    found = regularised_equilibrium(advantage, np.full((5, 3), -np.log(3)), beta=beta).log_policy
    gap = gaps.duality_gap(advantage, np.asarray(found))
    slope = np.diff(np.log(gap)) / np.diff(1 / beta)
    third = np.exp((advantage[0, 1] - advantage[0, 2]) / beta)
    assert np.all(np.abs(slope / -advantage[0, 1] - 1) <= third[:-1])


def test_far_references():
    """A reference of e⁻⁵⁰⁰ for one action: Newton's method still arrives."""
    reference = tabular(np.array([0.0, -500.0, 1.0]))
    found = regularised_equilibrium(game.rock_paper_scissors(), reference, beta=0.05)
    assert float(found.error) < 1e-10
    response = gaps.best_response(gaps.lead(game.rock_paper_scissors(), found.log_policy), reference, beta=0.05)
    np.testing.assert_allclose(found.log_policy, response, atol=1e-11)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"beta": 0.0}, "beta = 0"),
        ({"beta": -1.0}, "beta = -1"),
        ({"advantage": np.array([[0.0, 0.1], [0.1, 0.0]])}, "its transpose"),
        ({"log_reference": np.array([0.0, -np.inf])}, "every action a positive probability"),
        ({"log_reference": np.array([0.0, np.nan])}, "log_reference = nan"),
    ],
)
def test_bad_input_is_named(changes, named):
    given_ = {"advantage": game.ties(2), "log_reference": np.log([0.5, 0.5]), "beta": 0.1} | changes
    with pytest.raises(ValueError, match=named):
        regularised_equilibrium(given_.pop("advantage"), given_.pop("log_reference"), **given_)


def test_linear_program_takes_one_game():
    with pytest.raises(ValueError, match="its transpose"):
        nash_equilibrium(np.array([[0.0, 0.2], [0.2, 0.0]]))
    with pytest.raises(ValueError, match=r"advantage = 0.8"):
        nash_equilibrium(np.array([[0.0, 0.8], [-0.8, 0.0]]))
