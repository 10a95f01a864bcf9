"""Formulas with actions first are those of `lab.games.gaps`."""

import numpy as np

from lab.games import actions_first, gaps
from lab.games.families import any_games
from lab.policies import tabular

BETA = 0.05


def test_formulas_are_those_of_gaps():
    rng = np.random.default_rng(0)
    world = any_games(6).draw(rng, 7)
    logits, other = rng.normal(size=(2, 7, 6))
    log_policy, policy = actions_first.normalised(logits.T)
    np.testing.assert_allclose(log_policy.T, tabular(logits), atol=1e-15)
    leads = actions_first.leads(np.moveaxis(world.advantage, 0, -1), policy)
    np.testing.assert_allclose(leads.T, gaps.lead(world.advantage, tabular(logits)), atol=1e-15)
    found = actions_first.divergence(log_policy, policy, *actions_first.normalised(other.T))
    np.testing.assert_allclose(found, gaps.close_divergence(tabular(logits), tabular(other)), rtol=1e-13)
    found = actions_first.regularised_gap(leads, log_policy, policy, world.log_reference.T, BETA)
    expected = gaps.regularised_gap(world.advantage, tabular(logits), world.log_reference, beta=BETA)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_large_logits_come_below_zero_first():
    logits = np.array([[900.0, -3.0], [0.0, 1000.0]])
    log_policy, policy = actions_first.normalised(actions_first.below_zero(logits))
    np.testing.assert_allclose(log_policy.T, tabular(logits.T))
    np.testing.assert_allclose(policy, [[1.0, 0.0], [0.0, 1.0]], atol=1e-300)
