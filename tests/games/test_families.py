"""Families draw legal games whose equilibria are what they say."""

import numpy as np

from lab.games.families import any_games, full_support_games, planted_games
from lab.games.gaps import check_advantage


def test_drawn_games_are_legal_and_of_the_size_wanted():
    rng = np.random.default_rng(0)
    for family in (any_games, full_support_games, planted_games):
        world = family(5).draw(rng, 64)
        assert world.advantage.shape == (64, 5, 5)
        check_advantage(world.advantage)


def test_known_equilibria_have_no_gap():
    rng = np.random.default_rng(1)
    planted, interior = planted_games(5).draw(rng, 64), full_support_games(5).draw(rng, 64)
    assert np.max(planted.game.regularised_gap(planted.log_equilibrium)) < 1e-28
    assert np.max(interior.game.duality_gap(interior.log_equilibrium)) < 1e-15


def test_win_rates_are_uniform_up_to_the_ends():
    win_rates = any_games(20).draw(np.random.default_rng(2), 100).preference_matrix[:, *np.triu_indices(20, 1)]
    assert win_rates.min() >= 0.0
    assert win_rates.max() <= 1.0
    # Nineteen thousand uniform numbers leave neither end empty but with a chance of (1 − 1e-3)^19000 = 6e-9.
    assert win_rates.min() < 1e-3
    assert win_rates.max() > 1 - 1e-3
