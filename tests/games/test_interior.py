"""Games whose equilibrium is planted: the construction, its bounds, and agreement with the linear program."""

import numpy as np
import pytest

from lab.family import family, normal, uniform
from lab.games.equilibria import nash_equilibrium
from lab.games.gaps import check_advantage, duality_gap
from lab.games.interior import TILT, interior_games, with_equilibrium
from tests.libraries import assert_libraries_agree

GAMES = family(
    interior_games,
    tilts=uniform(-TILT, TILT, shape=(6,)),
    equilibrium_logits=normal(1, shape=(4,)),
    start_logits=normal(1, shape=(4,)),
).draw(np.random.default_rng(0), 200)


def test_the_planted_policy_is_an_equilibrium():
    assert np.max(np.abs(duality_gap(GAMES.advantage, GAMES.log_equilibrium))) < 4 * np.finfo(float).eps


def test_advantages_are_legal_and_exactly_skew():
    check_advantage(GAMES.advantage)
    check_advantage(GAMES.game.advantage)
    corner = interior_games(np.full((1, 6), TILT), np.array([[0.0, -9.0, -9.0, 9.0]]), np.zeros((1, 4)))
    check_advantage(corner.advantage)


def test_beyond_a_sixth_win_rates_leave_their_range():
    with pytest.raises(ValueError, match="advantage"):
        check_advantage(
            interior_games(np.array([[1.0, -1.0, 1.0]]) / 4, np.array([[5.0, 0, -5]]), np.zeros((1, 3))).advantage
        )


def test_three_actions_have_no_other_equilibrium():
    game = family(
        interior_games,
        tilts=uniform(0.05, TILT, shape=(3,)),
        equilibrium_logits=normal(0.5, shape=(3,)),
        start_logits=normal(1, shape=(3,)),
    ).draw(np.random.default_rng(1), 5)
    for advantage, log_policy in zip(game.advantage, game.log_equilibrium, strict=True):
        found = nash_equilibrium(advantage)
        assert found.unique
        np.testing.assert_allclose(found.policy, np.exp(log_policy), atol=1e-12)


def test_libraries_agree():
    assert_libraries_agree(with_equilibrium, GAMES.tilt[:3], GAMES.log_equilibrium[:3])
