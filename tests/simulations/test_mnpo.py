"""Counterexamples and closed forms of `mnpo` have their numbers."""

import numpy as np

from lab.games.game import rock_paper_scissors
from lab.games.gaps import duality_gap
from simulations.mnpo.averages import battle, gaps_and_regrets, policies_of_play
from simulations.mnpo.history import past_play
from simulations.mnpo.practice import LABELS, PAIRS


def test_battle_in_numbers():
    """Both players earn 3/2 on average, and neither would have earned more by staying; against the mean one would."""
    gap, regret = gaps_and_regrets(battle().payoffs, battle().played)
    assert gap == 0.5
    assert regret <= 0


def test_average_and_last_policy_in_numbers():
    """Rock, paper, scissors, three players that start alike, η = 0.1."""
    start = np.log(np.array([[0.38, 0.33, 0.29]] * 3))[None]
    path = np.asarray(policies_of_play(start, rock_paper_scissors()[None, None], 0.1, 4000))[:, 0, 0]
    mean = np.cumsum(np.exp(path), axis=0) / np.arange(1, 4001)[:, None]
    average = duality_gap(rock_paper_scissors(), np.log(mean))
    last = [np.max(duality_gap(rock_paper_scissors(), path[t - 100 : t])) for t in (200, 1000, 4000)]
    assert average[999] < average[99] / 3
    assert last[0] < last[1] < last[2]


def test_weights_on_the_reference_settle():
    uniform = np.log(np.full(3, 1 / 3))
    start = np.log(np.array([0.5, 0.3, 0.2]))
    for weights, settles in (((0.9, 0.0, 0.1), True), ((0.45, 0.45, 0.0), True), ((0.5, 0.5, 0.0), False)):
        last = np.asarray(past_play(start, rock_paper_scissors(), uniform, np.array(weights), 0.5, 2000))[-1]
        assert (float(duality_gap(rock_paper_scissors(), last)) < 1e-12) == settles


def test_labellings_are_all_there():
    assert len(np.unique(LABELS, axis=0)) == 2**PAIRS
