"""Runs of a solver against itself: one compiled loop for many games, with exact or noisy payoffs, in JAX.

    run = play(SOLVERS["extragradient"], game, step_size=0.5, steps=1000, measure=gap)

`measure(game, state)` is recorded at every step, the start included; the leading axis of what is returned is time.
All games go through the loop together. One after another is faster where matrices are large, since each then stays in
the cache: `jax.lax.map(lambda one: play(solver, one, …), games)` inside `jax.jit`. The five methods of the published
protocol run faster still in `lab.games.protocol`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import Array, Real, check_between, check_positive, is_traced, logsumexp
from lab.games.game import PreferenceGame
from lab.games.gaps import check_advantage, check_reference
from lab.games.solvers import Payoffs, Solver, State
from lab.games.stability import warn_beyond_limit

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


def nothing(_: PreferenceGame, state: State) -> Array:
    """Measure: nothing but the number of steps, for runs of which only the end matters."""
    return state.steps


def log_mean(log_policies: Array) -> Array:
    """Log-probabilities of the mean of policies, which stand along the first axis."""
    return logsumexp(log_policies, axis=0) - math.log(len(log_policies))


def exact(game: PreferenceGame) -> Payoffs:
    """The payoff oracle that knows the game."""
    return lambda policy, _: game.lead(policy)


def noisy(game: PreferenceGame, noise: Noise, key: Any) -> Payoffs:
    """An oracle whose payoffs carry noise, fresh for every query of a step."""
    return lambda policy, query: noise(jax.random.fold_in(key, query), game.lead(policy))


def one_step(
    solver: Solver,
    game: PreferenceGame,
    state: Any,
    *,
    step_size: Real,
    payoffs: Payoffs | None = None,
    **settings: Any,
) -> State:
    """The state after one step from another, or from a policy (log-probabilities); payoffs are exact when left out."""
    return solver.step(
        state if isinstance(state, State) else solver.start(state), exact(game) if payoffs is None else payoffs,
        log_reference=game.log_reference, beta=game.beta, step_size=step_size, **settings,
    )  # fmt: skip


def unrolled(
    solver: Solver, game: PreferenceGame, step_sizes: Iterable[Real], *, start: Any = None, **settings: Any
) -> Iterator[State]:
    """The states of a run with these step sizes, the start included, step by step and in arrays of any library.

    For short runs on arrays that track their rounding error; `play` is for long ones.
    """
    start = game.log_reference if start is None else start
    state = start if isinstance(start, State) else solver.start(start)
    yield state
    for step_size in step_sizes:
        state = one_step(solver, game, state, step_size=step_size, **settings)
        yield state


@partial(jax.jit, static_argnames=("solver", "steps", "measure", "noise", "settings"))
def _play(
    solver: Solver, game: PreferenceGame, step_sizes: Any, start: Any, key: Any, *, steps: int, measure: Measure,
    noise: Noise | None, settings: tuple[tuple[str, Any], ...],
) -> Run:  # fmt: skip
    def advance(state: State, at: Any) -> tuple[State, Any]:
        step_size, count = at
        payoffs = exact(game) if noise is None else noisy(game, noise, jax.random.fold_in(key, count))
        state = one_step(solver, game, state, step_size=step_size, payoffs=payoffs, **dict(settings))
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
    log_equilibrium: Any = None,
    **settings: Any,
) -> Run:
    """Run a solver from `start` (log-probabilities; the reference when left out) for so many steps.

    `step_size` broadcasts over the games; `schedule` holds one factor a step for decreasing ones. `noise` turns exact
    payoffs into noisy ones and needs a key. `settings` are the solver's own, and hashable. Given `log_equilibrium`, a
    step size beyond the solver's limit there is reported as StepBeyondLimit; without it, only one beyond 2/β.
    Raises ValueError for a matrix that is not skew-symmetric in [−½, ½], a reference without full support, a negative
    beta, or a step size that is not positive.
    """
    if (noise is None) != (key is None):
        raise ValueError("noise and key belong together: give both or neither")
    _check(game, step_size, steps)
    largest = step_size if schedule is None else np.max(np.asarray(schedule)) * np.asarray(step_size)
    extrapolation = {name: x for name, x in settings.items() if name == "extrapolation"}
    warn_beyond_limit(solver.name, game, largest, log_equilibrium, **extrapolation)
    start = game.log_reference if start is None else start
    factors = jnp.ones(steps) if schedule is None else jnp.asarray(schedule)
    sizes = factors.reshape((steps, *[1] * jnp.ndim(step_size))) * jnp.asarray(step_size, float)
    key = jax.random.key(0) if key is None else key
    return _play(
        solver, game, sizes, jnp.asarray(start), key, steps=steps, measure=measure, noise=noise,
        settings=tuple(sorted(settings.items())),
    )  # fmt: skip


def _check(game: PreferenceGame, step_size: Real, steps: int) -> None:
    if steps < 1:
        raise ValueError(f"steps = {steps}: must be at least 1")
    if is_traced(game.advantage, game.log_reference, game.beta, step_size):
        return
    check_advantage(np.asarray(game.advantage))
    check_reference(np.asarray(game.log_reference))
    check_between(0.0, float("inf"), beta=np.asarray(game.beta))
    check_positive(step_size=np.asarray(step_size))
