"""The dynamics of `nash-background` give the numbers that are known."""

import numpy as np
import pytest

from lab.games.game import PreferenceGame, comal_game, rock_paper_scissors
from lab.games.gaps import close_divergence
from simulations.nash_background.averages import EXTREME, path_of_averages
from simulations.nash_background.proximal import COMAL_START, gap_of_extragradient, outer_steps
from simulations.nash_background.who_passes import ROWS, cyclic, gaps_of


def _gap(means: np.ndarray) -> float:
    return float(2.0 * np.max(rock_paper_scissors() @ means[-1, 0]))


def test_hedge_in_numbers():
    """F1 from (.8, .05, .15), η = √(D/T): the mean's gap is 0.32, 0.099, 0.027 after 10², 10³, 10⁴ steps."""
    start = np.log(np.array([[0.8, 0.05, 0.15]]))
    world = PreferenceGame(rock_paper_scissors()[None], start, np.zeros(1))
    for steps, gap, bound in ((100, "0.32", "0.69"), (1000, "0.099", "0.22"), (10_000, "0.027", "0.069")):
        step_size = np.sqrt(-start.min() / np.array([float(steps)]))
        _, means = path_of_averages(world, start, step_size, steps, solver="mirror_descent")
        assert (f"{_gap(means):.2g}", f"{4 * float(step_size[0]):.2g}") == (gap, bound)


def test_optimism_in_numbers():
    world = PreferenceGame(rock_paper_scissors()[None], EXTREME, np.zeros(1))
    _, means = path_of_averages(world, EXTREME, np.array([0.5]), 100, solver="optimistic")
    assert _gap(means) == pytest.approx(0.548, abs=5e-4)
    assert 4 * np.sqrt(-EXTREME.min()) / 100 == pytest.approx(0.149, abs=5e-4)


def test_comal_in_numbers():
    """F3 from (.2, .5, .3), τ = 0.1: the divergence falls from 0.122 to 2.7e-5 in five outer steps."""
    target = np.log(np.array([4.0, 3.0, 4.0]) / 11.0)
    distance = np.asarray(close_divergence(target, outer_steps(comal_game(), COMAL_START, 0.1, 5)))
    assert distance[0] == pytest.approx(0.122, abs=5e-4)
    assert distance[5] == pytest.approx(2.7e-5, abs=5e-7)


def test_extragradient_without_regularisation_in_numbers():
    gap = gap_of_extragradient().series["gap"]
    assert gap[100] == pytest.approx(0.63, abs=0.005)
    assert gap[500] == pytest.approx(9e-8, abs=5e-9)
    assert gap[1000] < 1e-14


def test_a_row_of_the_matrix():
    extragradient = gaps_of(cyclic()[0], ROWS["extragradient, η = 1/(β+½)"])
    assert extragradient[1] < 1e-14 < extragradient[0]
