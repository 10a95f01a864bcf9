"""Play without regularisation: multiplicative weights spiral outwards, exactly, and averages converge."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax, namespace
from lab.games.families import any_games
from lab.games.game import PreferenceGame, comal_game, cycle, rock_paper_scissors
from lab.games.interior import InteriorGame
from lab.games.play import log_policy, one_step, play
from lab.games.solvers import SOLVERS, State
from lab.inference.rounding_rules import UNIT
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.policies import kl_divergence
from simulations.nash_background.worlds import full_support

LENGTHS = (16, 64, 256, 1024)


def path_of_averages(game: PreferenceGame, start: Any, step_size: Any, steps: int, *, solver: str) -> Any:
    """Policies that were played and their running means, (steps, games, actions).

    Optimism plays the trial policies, and its memory starts with the payoffs against the start.
    """
    if solver == "optimistic":
        played = np.asarray(_trials(game, jnp.asarray(start), jnp.asarray(step_size), steps))
    else:
        run = play(SOLVERS[solver], game, step_size=step_size, steps=steps, measure=log_policy, start=start)
        played = np.exp(np.asarray(run.measured))[:-1]
    count = np.arange(1, steps + 1)[:, None, None]
    return played, np.cumsum(played, axis=0) / count


@partial(jax.jit, static_argnames="steps")
def _trials(game: PreferenceGame, start: Any, step_size: Any, steps: int) -> Any:
    solver = SOLVERS["optimistic"]

    def advance(state: State, _: None) -> tuple[State, Any]:
        trial = jnp.exp(log_softmax(state.log_policy + step_size[..., None] * state.memory))
        return one_step(solver, game, state, step_size=step_size), trial

    first = solver.start(start)._replace(memory=game.lead(start))
    return jax.lax.scan(advance, first, None, length=steps)[1]


def rounding_of_regret(log_start: Any, step_size: Any) -> Any:
    """What rounding may add to the gap of an average.

    A computed step is an exact one with payoffs that are off by its rounding over η. Logits are at most D + 2ηT/2 long;
    a step rounds them by less than 16 units in the last place, and the gap takes the payoffs four times.
    """
    longest = -np.min(log_start, axis=-1) + step_size * max(LENGTHS)
    return 64 * UNIT * (1 + longest) / step_size


@evidence("nash-background/multiplicative-weights-identity", kind="exact", over=full_support)
def divergence_after_a_step(world: InteriorGame, solver: str = "mirror_descent", elsewhere: bool = False):
    """KL(π*‖π₊) − KL(π*‖π) against log E_π e^{ηAπ}, which is positive: every step leads away from π*."""
    findings = []
    start, target = world.log_start, world.log_equilibrium
    if elsewhere:
        target = log_softmax(start - 2.0 * target)
    xp = namespace(start)
    for step_size in (0.01, 0.3, 2.0):
        after = one_step(SOLVERS[solver], world.game, start, step_size=step_size).log_policy
        grown = kl_divergence(target, after) - kl_divergence(target, start)
        # log E_π e^{z} by its excess over 1, which is small with the step.
        excess = xp.log1p(xp.sum(xp.exp(start) * xp.expm1(step_size * world.game.lead(start)), axis=-1))
        findings += [equal(grown, excess), below(0.0 * excess, excess)]
    return tuple(findings)


divergence_after_a_step.control("extragradient steps", solver="extragradient")
divergence_after_a_step.control("the distance to a policy that is no equilibrium", elsewhere=True)


@evidence(
    "nash-background/multiplicative-weights-average", kind="exact", over=any_games(), size=64, rounding="declared"
)
def gap_of_the_average(world: PreferenceGame, last: bool = False):
    """Gap of the mean of T policies against 4√(D/T), with the step √(D/T), for random games and starts."""
    findings = []
    worst = -np.min(world.log_reference, axis=-1)
    for steps in LENGTHS:
        step_size = np.sqrt(worst / steps)
        played, means = path_of_averages(world, world.log_reference, step_size, steps, solver="mirror_descent")
        policy = played[-1] if last else means[-1]
        error = rounding_of_regret(world.log_reference, step_size)
        found = 2.0 * np.max(np.sum(world.advantage * policy[:, None, :], axis=-1), axis=-1)
        findings.append(at_most(found, 4.0 * np.sqrt(worst / steps), error=error))
    return tuple(findings)


gap_of_the_average.control("the last policy in place of the mean", last=True)


NAMED = PreferenceGame(
    np.stack([rock_paper_scissors(), cycle(0.2, 0.3, 0.4), comal_game()]),
    np.log(np.array([[0.4, 0.35, 0.25], [0.3, 0.4, 0.3], [0.2, 0.5, 0.3]])),
    np.zeros(3),
)


@evidence("nash-background/spiral-reaches-the-boundary", kind="exact", over=NAMED, rounding="declared")
def probabilities_after_many_steps(world: PreferenceGame, solver: str = "mirror_descent", steps: int = 4000):
    """F1, F2 and F3, 4,000 steps of size ½ from inside: the rarest action falls below 10⁻⁶, the gap does not vanish."""
    run = play(SOLVERS[solver], world, step_size=0.5, steps=steps, measure=log_policy)
    path = np.asarray(run.measured)
    gaps = np.asarray(world.duality_gap(path[-500:]))
    # A step rounds the logits by less than 16 units of the largest one; the two comparisons are wide of any such error.
    error = steps * 16 * UNIT * np.max(np.abs(path))
    rarest = np.min(path, axis=(0, -1))
    largest = np.max(gaps, axis=0)
    return (
        at_most(rarest, np.log(1e-6) + 0.0 * rarest, error=error, series={"path": np.exp(path[::4, 0])}),
        at_most(0.05 + 0.0 * largest, largest, error=error),
    )


probabilities_after_many_steps.control("extragradient goes to the equilibrium", solver="extragradient")


def _corner(actions: int) -> Any:
    return any_games(actions, reference=6.0)


@evidence("nash-background/optimistic-average-as-printed", kind="exact", over=_corner(3), size=64, rounding="declared")
def optimistic_average_as_printed(world: PreferenceGame, start_at_centre: bool = False):
    """Gap of the mean of T optimistic policies against 4√D/T with η = min(½, √D), also from starts near a corner."""
    if start_at_centre:
        centre = np.full(world.log_reference.shape, -np.log(world.log_reference.shape[-1]))
        world = PreferenceGame(world.advantage, centre, world.beta)
    worst = -np.min(world.log_reference, axis=-1)
    return _optimistic(world, np.minimum(0.5, np.sqrt(worst)), 4.0 * np.sqrt(worst))


@evidence("nash-background/optimistic-average", kind="exact", over=_corner(3), size=64, rounding="declared")
def optimistic_average(world: PreferenceGame, square_root: bool = False):
    """The same against 4·max(D, 1)/T; with this η and with ⅔ against 2D/(ηT).

    Why: with p the trial policies, q the others, u = ‖p_t − q_t‖₁ and v = ‖q_{t+1} − p_t‖₁, the regret is at most D/η
    plus Σ [½(u_t + v_{t−1})v_t − (u_t² + v_t²)/2η], and that sum is not positive for η ≤ ⅔.
    """
    worst = -np.min(world.log_reference, axis=-1)
    size = np.sqrt(worst) if square_root else np.maximum(worst, 1.0)
    printed = _optimistic(world, np.minimum(0.5, np.sqrt(worst)), 4.0 * size)
    findings = [printed]
    for step_size in (np.minimum(0.5, np.sqrt(worst)), np.full_like(worst, 2 / 3)):
        findings.append(_optimistic(world, step_size, 2.0 * worst / step_size))
    return tuple(findings)


def _optimistic(world: PreferenceGame, step_size: Any, size: Any) -> Any:
    """Gap of the mean of the first T policies against size/T, for every T up to the longest."""
    start = np.asarray(world.log_reference)
    longest = max(LENGTHS)
    _, means = path_of_averages(world, start, step_size, longest, solver="optimistic")
    # The bound is nearly attained at T ≈ 4D.
    length = np.arange(1, longest + 1)[:, None]
    found = 2.0 * np.max(np.einsum("gij,tgj->tgi", world.advantage, means), axis=-1)
    return at_most(found.T, (size / length).T, error=rounding_of_regret(start, step_size)[:, None])


optimistic_average_as_printed.control(
    "from the uniform policy, D = log 2, where the root is larger than D", over=any_games(2), start_at_centre=True
)
optimistic_average.control("the square root in place of D", square_root=True)


EXTREME = np.log(np.array([[1 - 2e-6, 1e-6, 1e-6]]))


@evidence("nash-background/optimistic-average-as-printed", kind="exact", rounding="declared")
def printed_bound_in_numbers(start: Any = EXTREME):
    """F1 from (1 − 2·10⁻⁶, 10⁻⁶, 10⁻⁶), D = 13.8: after 100 steps the gap is 0.548, the bound 0.149."""
    world = PreferenceGame(rock_paper_scissors()[None], np.asarray(start), np.zeros(1))
    worst = -np.min(world.log_reference, axis=-1)
    step_size = np.minimum(0.5, np.sqrt(worst))
    steps = 400
    _, means = path_of_averages(world, start, step_size, steps, solver="optimistic")
    length = np.arange(1, steps + 1)
    found = 2.0 * np.max(np.einsum("gij,tgj->tgi", world.advantage, means), axis=-1)[:, 0]
    series = {
        "length": length,
        "found": found,
        "printed": 4.0 * np.sqrt(worst) / length,
        "corrected": 4.0 * np.maximum(worst, 1.0) / length,
    }
    return at_most(found, series["printed"], error=rounding_of_regret(start, step_size)[0], series=series)


printed_bound_in_numbers.control("from the uniform policy", start=lambda: np.log(np.full((1, 3), 1 / 3)))
