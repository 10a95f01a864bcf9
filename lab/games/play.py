"""Runs of a solver against itself: one compiled loop for many games, with exact or noisy payoffs, in JAX.

    run = play(SOLVERS["extragradient"], game, step_size=0.5, steps=1000, measure=gap)

`measure(game, state)` is recorded at every step, the start included; the leading axis of what is returned is time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lab.arrays import Array, Real
from lab.games.game import PreferenceGame
from lab.games.solvers import Payoffs, Solver, State

Measure = Callable[[PreferenceGame, State], Any]
Noise = Callable[[Any, Array], Array]  # (key, exact payoffs) -> noisy payoffs


class Run(NamedTuple):
    """The last state, and what was measured at every step: leading axis steps + 1."""

    state: State
    measured: Any


def regularised_gap(game: PreferenceGame, state: State) -> Array:
    """Measure: the regularised duality gap of the policy."""
    return game.regularised_gap(state.log_policy)


def duality_gap(game: PreferenceGame, state: State) -> Array:
    """Measure: the duality gap of the policy in the game without regularisation."""
    return game.duality_gap(state.log_policy)


def log_policy(_: PreferenceGame, state: State) -> Array:
    """Measure: the policy itself."""
    return state.log_policy


def exact(game: PreferenceGame) -> Payoffs:
    """The payoff oracle that knows the game."""
    return lambda policy, _: game.lead(policy)


def noisy(game: PreferenceGame, noise: Noise, key: Any) -> Payoffs:
    """An oracle whose payoffs carry noise, fresh for every query of a step."""
    return lambda policy, query: noise(jax.random.fold_in(key, query), game.lead(policy))


@partial(jax.jit, static_argnames=("solver", "steps", "measure", "noise", "settings"))
def _play(
    solver: Solver, game: PreferenceGame, step_sizes: Any, start: Any, key: Any, *, steps: int, measure: Measure,
    noise: Noise | None, settings: tuple[tuple[str, Any], ...],
) -> Run:  # fmt: skip
    def advance(state: State, at: Any) -> tuple[State, Any]:
        step_size, count = at
        payoffs = exact(game) if noise is None else noisy(game, noise, jax.random.fold_in(key, count))
        state = solver.step(
            state, payoffs, log_reference=game.log_reference, beta=game.beta, step_size=step_size, **dict(settings)
        )
        return state, measure(game, state)

    first = solver.start(start)
    state, measured = jax.lax.scan(advance, first, (step_sizes, jnp.arange(steps)))
    both = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), measure(game, first), measured)
    return Run(state, both)


def play(
    solver: Solver,
    game: PreferenceGame,
    *,
    step_size: Real,
    steps: int,
    measure: Measure = regularised_gap,
    start: Any = None,
    noise: Noise | None = None,
    key: Any = None,
    schedule: Any = None,
    **settings: Any,
) -> Run:
    """Run a solver from `start` (log-probabilities; the reference when left out) for so many steps.

    `step_size` broadcasts over the games; `schedule` holds one factor a step for decreasing ones. `noise` turns exact
    payoffs into noisy ones and needs a key. `settings` are the solver's own, and hashable.
    """
    if (noise is None) != (key is None):
        raise ValueError("noise and key belong together: give both or neither")
    start = game.log_reference if start is None else start
    factors = jnp.ones(steps) if schedule is None else jnp.asarray(schedule)
    sizes = factors.reshape((steps, *[1] * jnp.ndim(step_size))) * jnp.asarray(step_size, float)
    key = jax.random.key(0) if key is None else key
    return _play(
        solver, game, sizes, jnp.asarray(start), key, steps=steps, measure=measure, noise=noise,
        settings=tuple(sorted(settings.items())),
    )  # fmt: skip
