"""Runs: what is recorded, noise, schedules, many games, and what is refused."""

import jax
import numpy as np
import pytest

from lab.games import game
from lab.games.play import duality_gap, log_mean, log_policy, one_step, play, regularised_gap, unrolled
from lab.games.solvers import SOLVERS


def games(seed=0, count=4, actions=5, beta=0.2):
    rng = np.random.default_rng(seed)
    return game.random_games(
        rng.uniform(-0.5, 0.5, (count, actions * (actions - 1) // 2)), rng.normal(size=(count, actions)),
        np.full(count, beta),
    )  # fmt: skip


def test_records_the_start_and_every_step():
    world, solver = games(), SOLVERS["extragradient"]
    run = play(solver, world, step_size=0.5, steps=7, measure=log_policy)
    state = solver.start(world.log_reference)
    for t in range(7):
        np.testing.assert_allclose(run.measured[t], state.log_policy, atol=1e-14)
        state = solver.step(
            state, lambda p, _: world.lead(p), log_reference=world.log_reference, beta=world.beta, step_size=0.5
        )
    np.testing.assert_allclose(run.measured[7], state.log_policy, atol=1e-14)
    np.testing.assert_array_equal(run.measured[7], run.state.log_policy)
    np.testing.assert_array_equal(run.state.steps, 7.0)


def test_gaps_fall_and_are_never_negative():
    world = games(beta=0.3)
    run = play(SOLVERS["extragradient"], world, step_size=1.0, steps=400)
    gap = np.asarray(run.measured)
    assert np.all(gap >= 0.0)
    assert np.all(gap[-1] < 1e-28)
    assert (
        np.min(play(SOLVERS["extragradient"], world, step_size=1.0, steps=400, measure=duality_gap).measured) > -1e-15
    )


def test_a_start_step_sizes_and_a_schedule_for_each_game():
    world = games()
    start, sizes, factors = games(seed=1).log_reference, np.array([0.1, 0.2, 0.3, 0.4]), 1 / np.arange(1.0, 6)
    together = play(SOLVERS["mirror_descent"], world, step_size=sizes, steps=5, start=start, schedule=factors).measured
    for i in range(4):
        one = game.PreferenceGame(world.advantage[i], world.log_reference[i], world.beta[i])
        policy = start[i]
        for factor in factors:
            policy = play(SOLVERS["mirror_descent"], one, step_size=sizes[i] * factor, steps=1, start=policy).state[0]
        np.testing.assert_allclose(one.regularised_gap(np.asarray(policy)), together[-1, i], rtol=1e-9)


def add_noise(key, payoffs):
    return payoffs + 0.1 * jax.random.normal(key, payoffs.shape)


def test_noise_is_fresh_for_every_query_and_repeats_with_its_key():
    world, case = games(), {"step_size": 0.3, "steps": 5, "noise": add_noise}
    first, again, other = (
        np.asarray(play(SOLVERS["extragradient"], world, key=jax.random.key(k), **case).measured) for k in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.all(first[1:] != other[1:])
    seen = []

    def spy(key, payoffs):
        seen.append(key)
        return payoffs

    play(SOLVERS["extragradient"], world, key=jax.random.key(1), step_size=0.3, steps=1, noise=spy)
    assert len(seen) == 2
    with pytest.raises(ValueError, match="noise and key belong together"):
        play(SOLVERS["extragradient"], world, step_size=0.3, steps=1, noise=add_noise)
    with pytest.raises(ValueError, match="noise and key belong together"):
        play(SOLVERS["extragradient"], world, step_size=0.3, steps=1, key=jax.random.key(0))


def test_one_game_after_another_is_all_at_once():
    world, sizes = games(count=7), np.linspace(0.1, 0.7, 7)
    for name, settings in (("extragradient", {}), ("nash_mirror_descent", {"mixture_share": 0.5})):
        whole = play(SOLVERS[name], world, step_size=sizes, steps=20, **settings)

        @jax.jit
        def one_after_another(world, sizes, name=name, settings=settings):
            return jax.lax.map(
                lambda at: play(SOLVERS[name], at[0], step_size=at[1], steps=20, **settings), (world, sizes)
            )

        each = one_after_another(world, sizes)
        np.testing.assert_allclose(each.measured, whole.measured.T, rtol=1e-9, atol=1e-30)
        np.testing.assert_allclose(each.state.log_policy, whole.state.log_policy, rtol=1e-12)


def test_steps_one_by_one_are_the_run():
    world, solver = games(), SOLVERS["optimistic"]
    run = play(solver, world, step_size=0.5, steps=5, measure=log_policy)
    states = list(unrolled(solver, world, [0.5] * 5))
    np.testing.assert_allclose([state.log_policy for state in states], run.measured, atol=1e-14)
    again = one_step(solver, world, states[3], step_size=0.5)
    np.testing.assert_array_equal(again.log_policy, states[4].log_policy)


def test_log_mean_is_that_of_the_probabilities():
    policies = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [1.0, 1e-300]]))
    np.testing.assert_allclose(np.exp(log_mean(policies)), [0.8, 0.2], rtol=1e-15)
    np.testing.assert_allclose(log_mean(policies - 1000.0), log_mean(policies) - 1000.0, rtol=1e-15)


def test_runs_inside_compiled_code_and_gradients():
    """Checks look at concrete values only: a run can be traced, mapped and differentiated."""
    world = games()

    def final(step_size):
        return regularised_gap(world, play(SOLVERS["extragradient"], world, step_size=step_size, steps=5).state).sum()

    value, slope = jax.value_and_grad(jax.jit(final))(0.3)
    numeric = (float(final(0.3 + 1e-5)) - float(final(0.3 - 1e-5))) / 2e-5
    assert float(value) == pytest.approx(float(final(0.3)), rel=1e-12)
    assert float(slope) == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "options", "named"),
    [
        ({"advantage": np.array([[0.0, 0.1], [0.1, 0.0]])}, {}, "its transpose"),
        ({"advantage": np.array([[0.0, 0.6], [-0.6, 0.0]])}, {}, r"advantage = 0\.6"),
        ({"advantage": np.array([[0.0, np.nan], [np.nan, 0.0]])}, {}, "advantage = nan"),
        ({"log_reference": np.array([0.0, -np.inf])}, {}, "every action a positive probability"),
        ({"beta": np.array(-0.1)}, {}, r"beta = -0\.1"),
        ({}, {"step_size": 0.0}, "step_size = 0"),
        ({}, {"step_size": np.nan}, "step_size = nan"),
        ({}, {"steps": 0}, "steps = 0"),
    ],
)
def test_bad_input_is_named(changes, options, named):
    parts = {"advantage": game.ties(2), "log_reference": np.log([0.5, 0.5]), "beta": np.array(0.1)} | changes
    with pytest.raises(ValueError, match=named):
        play(SOLVERS["extragradient"], game.PreferenceGame(**parts), **({"step_size": 0.1, "steps": 2} | options))
