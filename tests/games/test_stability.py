"""Warnings of steps beyond the limit: they come exactly when the run does leave the equilibrium."""

import warnings

import jax
import numpy as np
import pytest

from lab.games import game
from lab.games.local import MODULI
from lab.games.play import play
from lab.games.solvers import SOLVERS
from lab.games.stability import StepBeyondLimit, stable_step, warn_beyond_limit
from lab.policies import tabular

UNIFORM = np.full(3, -np.log(3))


def cycle(beta):
    return game.PreferenceGame(game.rock_paper_scissors(), UNIFORM, np.array(beta))


@pytest.mark.parametrize("solver", ["mirror_descent", "extragradient", "optimistic", "momentum"])
@pytest.mark.parametrize("share", [0.95, 1.05])
def test_warning_and_fate_agree(solver, share):
    """On F1 at β = 0.05, below and above the limit: returns silently, or warns and stays away."""
    world = cycle(0.05)
    step = share * float(stable_step(solver, world.advantage, UNIFORM, beta=0.05))
    start = tabular(UNIFORM + np.array([1e-3, 0.0, 0.0]))
    case = {"step_size": step, "steps": 2000, "start": start, "log_equilibrium": UNIFORM}
    if share < 1:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert float(play(SOLVERS[solver], world, **case).measured[-1]) < 1e-10
    else:
        with pytest.warns(
            StepBeyondLimit, match=f"step_size = {step:g} is beyond the limit of {solver}, {step / share:g}"
        ):
            assert float(play(SOLVERS[solver], world, **case).measured[-1]) > 1e-4


def test_extragradient_within_its_guarantee_is_never_looked_at():
    """Also where the equilibrium given is nonsense."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_beyond_limit("extragradient", cycle(0.1), 1 / 0.6, np.full(3, np.nan))


def test_without_the_equilibrium_only_a_step_beyond_every_limit_warns():
    """2/β, where the pull to the reference alone overshoots; at β = 0 there is no such step."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_beyond_limit("mirror_descent", cycle(0.1), 19.9)
        warn_beyond_limit("mirror_descent", cycle(0.0), 1e9)
    with pytest.warns(StepBeyondLimit, match="limit of mirror_descent, 20"):
        warn_beyond_limit("mirror_descent", cycle(0.1), 20.1)


def test_the_first_of_several_games_is_named():
    advantage = np.stack([game.cycle(0.1, 0.1, 0.1), game.rock_paper_scissors()])
    world = game.PreferenceGame(advantage, np.stack([UNIFORM] * 2), np.array([0.05, 0.05]))
    with pytest.warns(StepBeyondLimit, match=r"in 1 of 2 games; in the first of them, 1\.16505"):
        warn_beyond_limit("mirror_descent", world, 2.0, np.stack([UNIFORM] * 2))


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (2.0, "limit of mirror_descent, 1.16505"),
        (np.array([1.0, 2.0, 3.0]), "in 2 of 3 games; in the first of them, 1.16505"),
    ],
)
def test_one_game_with_several_step_sizes(step, where):
    with pytest.warns(StepBeyondLimit, match=where):
        warn_beyond_limit("mirror_descent", cycle(0.05), step, UNIFORM)


def test_solvers_that_ignore_beta_are_not_looked_at():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_beyond_limit("proximal_point", cycle(1.0), 3.0)


def test_nothing_happens_while_tracing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.jit(lambda s: warn_beyond_limit("mirror_descent", cycle(0.1), s))(1e6)


def test_limits_of_many_games():
    rng = np.random.default_rng(0)
    planted = game.planted(rng.uniform(-0.5, 0.5, (3, 6)), *rng.normal(size=(2, 3, 4)), np.array([0.05, 0.1, 0.2]))
    found = stable_step("optimistic", planted.advantage, planted.log_equilibrium, beta=planted.beta)
    assert found.shape == (3,)
    for i in range(3):
        one = stable_step("optimistic", planted.advantage[i], planted.log_equilibrium[i], beta=planted.beta[i])
        assert float(one) == found[i]


def test_unknown_solvers_are_named():
    with pytest.raises(ValueError, match="solver = 'proximal_point': a limit is known for " + ", ".join(MODULI)):
        stable_step("proximal_point", game.ties(3), UNIFORM, beta=0.1)
