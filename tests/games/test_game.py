"""Named games: the fixtures F1–F9 of `nash-background` with their closed forms and numbers; planted equilibria."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.games import game, gaps
from lab.games.local import rotations
from lab.inference.rounding import Rounded
from lab.preferences import check_preference_matrix
from tests.libraries import assert_libraries_agree

UNIFORM = np.log(np.full(3, 1 / 3))


def largest_rotation(advantage, policy):
    return float(rotations(advantage, np.log(policy))[0])


def test_rock_paper_scissors():
    """F1: the uniform equilibrium and ω = √3/6."""
    advantage = game.rock_paper_scissors()
    np.testing.assert_array_equal(advantage @ np.ones(3), 0.0)
    rotation = largest_rotation(advantage, np.full(3, 1 / 3))
    assert rotation == pytest.approx(np.sqrt(3) / 6, rel=1e-15)
    assert round(rotation, 6) == 0.288675


@given(*[st.floats(0.01, 0.5)] * 3)
def test_cycles(a, b, c):
    """F2: 1 beats 2 by a, 2 beats 3 by b, 3 beats 1 by c."""
    advantage, policy = game.cycle(a, b, c), np.array([b, c, a]) / (a + b + c)
    assert (advantage[0, 1], advantage[1, 2], advantage[2, 0]) == (a, b, c)
    np.testing.assert_allclose(advantage @ policy, 0.0, atol=1e-16)
    assert largest_rotation(advantage, policy) == pytest.approx(np.sqrt(a * b * c / (a + b + c)), rel=1e-13)


def test_comal_game():
    """F3: P(b ≻ a) = P(c ≻ b) = 0.9, P(a ≻ c) = 0.8."""
    advantage = game.comal_game()
    matrix = advantage + 0.5
    np.testing.assert_allclose([matrix[1, 0], matrix[2, 1], matrix[0, 2]], [0.9, 0.9, 0.8], rtol=1e-15)
    np.testing.assert_allclose(advantage @ (np.array([4, 3, 4]) / 11), 0.0, atol=1e-16)
    assert largest_rotation(advantage, np.array([4, 3, 4]) / 11) ** 2 == pytest.approx(0.4 * 0.4 * 0.3 / 1.1)


@pytest.mark.parametrize(("actions", "rotation"), [(3, 0.28868), (5, 0.30777), (7, 0.31295)])
def test_regular_tournaments(actions, rotation):
    """F5: everybody beats the next half of the circle; largest rotation cot(π/2n)/2n."""
    advantage = game.tournament(actions)
    np.testing.assert_array_equal(advantage.sum(axis=1), 0.0)
    assert set(np.unique(advantage)) == {-0.5, 0.0, 0.5}
    assert all(advantage[i, (i + 1) % actions] == 0.5 for i in range(actions))
    found = largest_rotation(advantage, np.full(actions, 1 / actions))
    assert found == pytest.approx(1 / (2 * actions * np.tan(np.pi / (2 * actions))), rel=1e-14)
    assert round(found, 5) == rotation


def test_bradley_terry_equilibrium_is_the_best_action():
    """F6."""
    reward = np.array([0.3, 1.2, -0.4, 1.1])
    certain = np.where(np.arange(4) == 1, 0.0, -np.inf)
    assert gaps.duality_gap(game.bradley_terry_game(reward), certain) == 0.0


def test_a_cycle_of_transitive_users():
    """F7: three users with rewards 3·(2, 1, 0) and its shifts; the aggregate is cyclic with margin 0.136."""
    users = 3.0 * np.array([[2, 1, 0], [0, 2, 1], [1, 0, 2]])
    advantage = game.population(users)
    assert round(float(advantage[0, 1]), 3) == 0.136
    np.testing.assert_allclose([advantage[1, 2], advantage[2, 0]], advantage[0, 1], rtol=1e-14)
    np.testing.assert_allclose(gaps.lead(advantage, UNIFORM), 0.0, atol=1e-16)


def test_ties():
    """F9: every policy is an equilibrium, and the reference the regularised one."""
    policy, reference = np.log([0.7, 0.2, 0.1]), np.log([0.1, 0.5, 0.4])
    assert gaps.duality_gap(game.ties(3), policy) == 0.0
    assert gaps.regularised_gap(game.ties(3), reference, reference, beta=0.1) == pytest.approx(0.0, abs=1e-30)


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_skew_places_the_entries(actions, seed):
    entries = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, actions * (actions - 1) // 2))
    found = game.skew(entries, actions)
    np.testing.assert_array_equal(found, -np.swapaxes(found, -1, -2))
    np.testing.assert_array_equal(found[:, *np.triu_indices(actions, 1)], entries)
    check_preference_matrix(0.5 + found)


def test_skew_in_all_libraries_and_with_tracked_rounding():
    entries = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 6))
    assert_libraries_agree(game.skew, entries, actions=4)
    assert isinstance(game.skew(Rounded(entries), 4), Rounded)


def test_planted_equilibrium_is_exact():
    rng = np.random.default_rng(1)
    planted = game.planted(rng.uniform(-0.5, 0.5, (50, 10)), *rng.normal(size=(2, 50, 5)), rng.uniform(0.02, 2, 50))
    assert np.max(planted.game.regularised_gap(planted.log_equilibrium)) < 1e-27
    assert np.min(planted.game.regularised_gap(planted.log_start)) > 1e-6
    np.testing.assert_allclose(planted.game.best_response(planted.log_equilibrium), planted.log_equilibrium, atol=1e-13)


def test_world_methods_are_the_functions():
    rng = np.random.default_rng(2)
    one = game.random_games(rng.uniform(-0.5, 0.5, (3, 6)), rng.normal(size=(3, 4)), np.array([0.1, 0.2, 0.3]))
    policy = np.log(rng.dirichlet(np.ones(4), 3))
    np.testing.assert_array_equal(one.duality_gap(policy), gaps.duality_gap(one.advantage, policy))
    np.testing.assert_array_equal(one.lead(policy), gaps.lead(one.advantage, policy))
    np.testing.assert_array_equal(one.preference_matrix - 0.5, 0.5 + one.advantage - 0.5)


@pytest.mark.parametrize("actions", [1, 2, 4])
def test_tournaments_need_an_odd_number(actions):
    with pytest.raises(ValueError, match=f"actions = {actions}"):
        game.tournament(actions)


def test_skew_names_the_number_of_pairs():
    with pytest.raises(ValueError, match="4 actions have 6 pairs"):
        game.skew(np.zeros(5), 4)
