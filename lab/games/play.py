"""Runs of a solver against itself: one compiled loop for many games, with exact or noisy payoffs, in JAX.

    run = play(SOLVERS["extragradient"], game, step_size=0.5, steps=1000, measure=gap)

`measure(game, state)` is recorded at every step, the start included; the leading axis of what is returned is time.
`play` takes all games through the loop together, `play_each` one after another: faster where matrices are large. The
five methods of the published protocol run faster still in `lab.games.protocol`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import Array, Real, check_between, check_positive, is_traced
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


def play_each(
    solver: Solver,
    game: PreferenceGame,
    *,
    step_size: Real,
    steps: int,
    measure: Measure = regularised_gap,
    start: Any = None,
    together: int = 1,
    **settings: Any,
) -> Run:
    """`play` with exact payoffs, so many games at a time: a large matrix then stays in the cache for the whole run.

    Games are the one leading axis of the world. The result is that of `play`.
    """
    _check(game, step_size, steps)
    warn_beyond_limit(solver.name, game, step_size)
    log_reference = jnp.asarray(game.log_reference)
    start = log_reference if start is None else jnp.asarray(start)
    sizes = jnp.broadcast_to(jnp.asarray(step_size, float), log_reference.shape[:1])
    run = _play_each(
        solver, game, sizes, start, steps=steps, measure=measure, together=together,
        settings=tuple(sorted(settings.items())),
    )  # fmt: skip
    return Run(run.state, jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), run.measured))


@partial(jax.jit, static_argnames=("solver", "steps", "measure", "together", "settings"))
def _play_each(
    solver: Solver, game: PreferenceGame, sizes: Any, start: Any, *, steps: int, measure: Measure, together: int,
    settings: tuple[tuple[str, Any], ...],
) -> Run:  # fmt: skip
    def one(at: tuple[PreferenceGame, Any, Any]) -> Run:
        game, size, start = at
        sizes, key = jnp.broadcast_to(size, (steps,)), jax.random.key(0)
        return _play(solver, game, sizes, start, key, steps=steps, measure=measure, noise=None, settings=settings)

    return jax.lax.map(one, (game, sizes, start), batch_size=None if together == 1 else together)


def _check(game: PreferenceGame, step_size: Real, steps: int) -> None:
    if steps < 1:
        raise ValueError(f"steps = {steps}: must be at least 1")
    if is_traced(game.advantage, game.log_reference, game.beta, step_size):
        return
    check_advantage(np.asarray(game.advantage))
    check_reference(np.asarray(game.log_reference))
    check_between(0.0, float("inf"), beta=np.asarray(game.beta))
    check_positive(step_size=np.asarray(step_size))
