"""The multiplayer formulas: closed forms, special cases with two players, symmetries, bad input."""

import numpy as np
import pytest
from scipy.optimize import minimize

from lab.arrays import namespace
from lab.games import gaps as two_player
from lab.games import multiplayer as mp
from lab.games.game import bradley_terry_game, rock_paper_scissors, skew
from lab.games.losses import contrast_loss
from lab.games.solvers import SOLVERS
from lab.policies import tabular
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(0)
LOG = tabular(RNG.normal(size=(5, 3, 4)))
SHARED = skew(RNG.uniform(-0.5, 0.5, (5, 1, 6)), 4)
OWN = skew(RNG.uniform(-0.5, 0.5, (5, 3, 6)), 4)
REFERENCE = tabular(RNG.normal(size=(5, 4)))
BETA = RNG.uniform(0.1, 2, 5)


def test_leads_are_against_the_mean_of_the_others():
    policies = np.exp(LOG)
    found = mp.leads(OWN, LOG)
    for i in range(3):
        mean = np.mean(np.delete(policies, i, axis=1), axis=1)
        np.testing.assert_allclose(found[:, i], np.einsum("gab,gb->ga", OWN[:, i], mean), atol=1e-14)


def test_gaps_are_non_negative_and_bounded_by_the_best_reply():
    found = mp.player_gaps(OWN, LOG, REFERENCE, beta=BETA)
    assert np.all(found >= 0)
    np.testing.assert_allclose(found, mp.gaps_by_value(OWN, LOG, REFERENCE, beta=BETA), atol=1e-13)


def test_unregularised_gap_is_the_limit():
    """No divergence from the reference is larger than −log of its least probability."""
    gaps, limit = mp.player_gaps(OWN, LOG, REFERENCE, beta=np.full(5, 1e-6)), mp.unregularised_gaps(OWN, LOG)
    np.testing.assert_allclose(gaps, limit, rtol=0, atol=-1e-6 * REFERENCE.min())


def test_two_players_against_the_two_player_gap():
    same = np.repeat(LOG[:, :1], 2, axis=1)
    ours = mp.player_gaps(SHARED, same, REFERENCE, beta=BETA)
    both = two_player.regularised_gap(SHARED[:, 0], LOG[:, 0], REFERENCE, beta=BETA)
    np.testing.assert_allclose(2 * ours, np.stack([both, both], axis=1), rtol=1e-12)


def test_win_rates_add_up():
    np.testing.assert_allclose(np.sum(mp.win_rates(SHARED, LOG), axis=-1), 1.5, atol=1e-14)


def test_step_minimises_its_loss():
    """BFGS on the first player's loss (Equation 14) finds the policy of Equation 10."""
    log_policies, advantage = LOG[0], SHARED[0]
    base, payoff = mp.others(log_policies)[0], mp.leads(advantage, log_policies)[0]

    def loss(logits):
        return float(contrast_loss(tabular(logits) - base - 0.7 * payoff, log_policies[0]))

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-10})
    step = mp.multiplicative_weights(advantage, log_policies, step_size=0.7)[0]
    np.testing.assert_allclose(tabular(found.x), step, atol=1e-5)


def test_players_that_start_alike_are_hedge():
    start = np.repeat(tabular(np.array([0.3, 0.0, -0.4]))[None], 3, axis=0)
    advantage = rock_paper_scissors()
    after = mp.multiplicative_weights(advantage[None], start, step_size=0.5)
    hedge = SOLVERS["mirror_descent"]
    alone = hedge.step(
        hedge.start(start[0]),
        lambda p, _: two_player.lead(advantage, p),
        log_reference=start[0],
        beta=0.0,
        step_size=0.5,
    )
    np.testing.assert_allclose(after, np.repeat(alone.log_policy[None], 3, axis=0), atol=1e-15)


def test_one_against_all_by_hand():
    reward = np.array([1.0, 0.0])
    certain = np.log(np.array([[1 - 1e-300, 1e-300], [1e-300, 1 - 1e-300], [1e-300, 1 - 1e-300]]))
    e = np.exp(1.0)
    np.testing.assert_allclose(mp.one_against_all(reward, certain), [e / (e + 2), 1 / (e + 2), 1 / (e + 2)], atol=1e-14)
    found = mp.one_against_all(RNG.normal(size=(5, 4)), LOG)
    np.testing.assert_allclose(np.sum(found, axis=-1), 1.0, atol=1e-14)


def test_two_players_of_plackett_luce_are_bradley_terry():
    reward = RNG.normal(size=(5, 4))
    found = mp.one_against_all(reward, LOG[:, :2])
    np.testing.assert_allclose(found, mp.win_rates(bradley_terry_game(reward)[:, None], LOG[:, :2]), atol=1e-14)


def test_a_lone_player_is_refused():
    with pytest.raises(ValueError, match="players = 1: must be at least 2"):
        mp.others(LOG[:, :1])


@pytest.mark.parametrize(
    ("oracles", "policies"), [(LOG, OWN), (LOG[0], SHARED), (OWN[:, :2], LOG), (SHARED[:, 0], LOG)]
)
def test_swapped_arguments_and_other_shapes_are_named(oracles, policies):
    with pytest.raises(ValueError, match=r"advantages has shape .*: must be \(..., 1 or "):
        mp.check_oracles(oracles, policies)


def test_libraries_agree():
    def numbers_of_players(oracles, policies, reference):
        settings = (oracles, policies, reference)
        found = [f(*settings, beta=0.3) for f in (mp.player_gaps, mp.gaps_by_value, mp.values)]
        return namespace(policies).stack(
            [*found, mp.win_rates(oracles, policies), mp.unregularised_gaps(*settings[:2])]
        )

    assert_libraries_agree(numbers_of_players, OWN, LOG, REFERENCE)
    assert_libraries_agree(mp.multiplicative_weights, SHARED, LOG, step_size=0.4)
    assert_libraries_agree(mp.one_against_all, RNG.normal(size=(5, 4)), LOG)
    weights = np.array([0.5, 0.3, 0.1])
    assert_libraries_agree(
        lambda opponents, payoffs: mp.towards(opponents, payoffs, weights=weights, step_size=0.4), LOG, REFERENCE
    )
