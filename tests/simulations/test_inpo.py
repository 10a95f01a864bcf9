"""Counterexamples and closed forms of `inpo` have their numbers, and the sheet's come out."""

from dataclasses import replace

import numpy as np
import pytest

from lab.games.game import PreferenceGame, cycle, rock_paper_scissors
from lab.games.regret import gradient_bound, loss_gradient
from lab.games.selection import best_worst_pairs, fitted_log_ratio
from simulations.inpo.averages import _mean_and_last
from simulations.inpo.brute_force import pair_law, tournament
from simulations.inpo.last_iterate import LONG, ROCK, rock_paper_scissors_to_the_end
from simulations.inpo.selection import ONE, _gaps_by_round, transitive
from simulations.inpo.worlds import cycles, games, iterates


def test_average_gaps_of_the_sheet():
    """Rock, paper, scissors, π_ref = (0.7, 0.2, 0.1), τ = 0.1, η = √(T/D): .0425, .00286, .00029."""
    game = PreferenceGame(rock_paper_scissors(), np.log([0.7, 0.2, 0.1]), np.array(0.1))
    for steps, sheet, digit in ((100, 0.0425, 1e-4), (1_000, 0.00286, 1e-5), (10_000, 0.00029, 1e-5)):
        log_mean, _ = _mean_and_last(game, np.sqrt(np.log(10) / steps), steps)
        assert float(game.regularised_gap(log_mean)) == pytest.approx(sheet, abs=digit / 2)


def test_divergences_of_the_sheet():
    """Rock, paper, scissors, τ = 0.05, T = 10³, 10⁴, 10⁵; the sheet cuts the digits to 1.3e-5, 1.4e-9, 1.4e-13."""
    found = rock_paper_scissors_to_the_end(ROCK, None).series["divergence"]
    for steps, digits in ((1e3, "1.29e-05"), (1e4, "1.46e-09"), (1e5, "1.48e-13")):
        assert f"{np.exp(np.interp(np.log(steps), np.log(LONG), np.log(found))):.2e}" == digits


def test_gradient_bound_is_violated():
    """π_t on paper, which scissors beat for sure, though scissors have lost e⁻¹⁰ of their odds; τ = 0.01."""
    beta, reference = 0.01, np.log([0.5, 0.25, 0.25])
    policy = np.array([-9.0, -18.0, 0.0])  # action 2 beats action 3
    policy = policy - np.log(np.sum(np.exp(policy)))
    slope = loss_gradient(cycle(0.5, 0.5, 0.5), policy, reference, beta=beta)
    bound = gradient_bound(np.max(np.abs(policy - reference)), beta=beta)
    assert np.max(np.abs(slope)) ** 2 > 1.05 * bound


def test_best_and_worst_of_eight_in_numbers():
    """Uniform policy, η = ½: whatever the margins, the fit knows the five ranks alone."""
    found = fitted_log_ratio(best_worst_pairs(ONE.log_policy, ONE.reward, drawn=8), target=1.0)
    np.testing.assert_allclose(found, [0.493, -0.493, 0.0, -0.506, 0.506], rtol=0, atol=5e-4)
    np.testing.assert_allclose(ONE.step, [0.213, -0.134, 0.020, -0.656, 0.557], rtol=0, atol=5e-4)


@pytest.mark.parametrize("drawn", [0, 8])
def test_rounds_do_not_magnify_errors(drawn):
    """What the evidence counts on when it declares its rounding: the last gap moves by ten times what the
    reference does at most, so that a rounding of 1e-13 stays below 1e-12."""
    rng = np.random.default_rng(5)
    world = transitive().draw(rng, 128)
    moved = replace(world, reference_logits=world.reference_logits + 1e-6 * rng.uniform(-1, 1, (128, 5)))
    gaps = [np.asarray(_gaps_by_round(w, drawn))[-1] for w in (world, moved)]
    assert np.max(np.abs(gaps[1] - gaps[0])) < 1e-5


def test_tournament_of_a_cycle_by_hand():
    """Two responses: the pair is kept unless both are the same, and the winner is the one that beats the other."""
    law = pair_law(np.log(np.full(3, 1 / 3)), tournament(rock_paper_scissors()), drawn=2)
    np.testing.assert_allclose(law, np.where(rock_paper_scissors() > 0, 2 / 9, 0.0), atol=1e-15)


def test_planted_equilibria_are_fixed_points():
    rng = np.random.default_rng(4)
    for worlds in (games(), cycles()):
        world = worlds.draw(rng, 16)
        policies = iterates(world.game, [world.inverse_steps[0]], start=world.log_equilibrium)
        np.testing.assert_allclose(policies[1], policies[0], atol=1e-12)
