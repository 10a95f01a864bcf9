"""Exact rates near the equilibrium, and the step sizes at which a solver leaves it (C2)."""

import warnings
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import family, log_uniform, uniform
from lab.games import local
from lab.games.game import PlantedGame, PreferenceGame, cycle
from lab.games.gaps import close_divergence
from lab.games.play import log_policy, one_step, play, unrolled
from lab.games.solvers import SOLVERS
from lab.games.stability import StepBeyondLimit, stable_step
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, factor
from simulations.egpo.worlds import local_distance, near, one_size, span

EPS = float(np.finfo(float).eps)

five_actions = one_size(5, beta=log_uniform(0.02, 1))
three_actions = one_size(3, beta=log_uniform(0.05, 0.5))


def rotations(game: PlantedGame) -> np.ndarray:
    """The rotations of the directions on the simplex, largest first: one fewer than actions."""
    return np.asarray(local.rotations(game.advantage, np.asarray(game.log_equilibrium)))[..., :-1]


@partial(jax.jit, static_argnames="solver")
def step_matrix(game: PlantedGame, step_size: Any, *, solver: str) -> Any:
    r"""Derivative of a step at the equilibrium, $(I - qq^\top)D^{1/2}JD^{-1/2}(I - qq^\top)$ with $q = \sqrt{\pi^*}$.

    J by automatic differentiation. In these coordinates it is a polynomial of a skew matrix, hence normal: its largest
    singular value is the largest modulus of its eigenvalues.
    """

    def one(game: PlantedGame, step_size: Any) -> Any:
        target, played = game.log_equilibrium, game.game

        def step(logits: Any) -> Any:
            return one_step(SOLVERS[solver], played, logits, step_size=step_size).log_policy

        q = jnp.exp(target / 2)
        centre = jnp.eye(len(q)) - jnp.outer(q, q)
        return centre @ (q[:, None] * jax.jacfwd(step)(target) / q[None, :]) @ centre

    return jax.vmap(one)(game, step_size)


@evidence("egpo/local-rate-extragradient", kind="exact", over=five_actions, rounding="declared")
def modulus_of_the_step(world: PlantedGame, solver: str = "extragradient", formula: str = "extragradient"):
    """Largest modulus of the differentiated step at the equilibrium against the formula, over the rotations."""
    step = np.asarray(local.contraction_limit(beta=world.beta)) * 0.9
    matrix = np.asarray(step_matrix(world, step, solver=solver))
    found = np.linalg.norm(matrix, ord=2, axis=(-2, -1))
    each = local.MODULI[formula](step[:, None], beta=world.beta[:, None], rotation=rotations(world))
    # An entry of J is a sum of at most 5·5 products below (1 + η)², scaled by at most √(max π/min π) and summed five
    # times; singular values move by no more than the norm of that error, and their own is a few units of the norm.
    scale = np.exp(np.asarray(span(world.log_equilibrium)) / 2)
    return equal(found, np.max(each, axis=-1), error=2000 * EPS * scale * (1 + step) ** 2)


modulus_of_the_step.control("the formula of mirror descent", formula="mirror_descent")


@evidence("egpo/local-rate-mirror-descent", kind="exact", over=five_actions, rounding="declared")
def modulus_of_mirror_descent(world: PlantedGame, formula: str = "mirror_descent"):
    """The same for mirror descent."""
    return modulus_of_the_step.function(world, "mirror_descent", formula)


modulus_of_mirror_descent.control("the formula of extragradient", formula="extragradient")


def _distances(game: PlantedGame, step_size: Any, solver: str, steps: int, distance: float) -> np.ndarray:
    """Local distance from the equilibrium at every step of runs that start close to it: (worlds, steps + 1)."""
    start = near(np.asarray(game.log_equilibrium), np.asarray(game.start_logits), distance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StepBeyondLimit)  # some of the runs are there to show what happens beyond it
        run = play(SOLVERS[solver], game.game, step_size=step_size, steps=steps, measure=log_policy, start=start)
    return np.asarray(local_distance(run.measured, game.log_equilibrium)).T


def _rate_of_runs(world: PlantedGame, solver: str, formula: str, step_size: np.ndarray):
    """Distances divided by the power of the predicted modulus: their factor a step is 1."""
    rotation = rotations(world)[:, 0]
    distances = _distances(world, step_size, solver, 12, 1e-4)
    modulus = np.asarray(local.MODULI[formula](step_size, beta=world.beta, rotation=rotation))
    steps = np.arange(distances.shape[1])
    return factor(steps, distances / modulus[:, None] ** steps, between=(0.9999, 1.0001), predicted=1.0)


@evidence("egpo/local-rate-extragradient", kind="rate", over=three_actions, size=256)
def distances_of_extragradient(world: PlantedGame, draw: Draw, formula: str = "extragradient"):
    """Twelve steps from a distance of 1e-4, three actions: the distance falls by the modulus a step, game by game."""
    return _rate_of_runs(world, "extragradient", formula, 0.9 * np.asarray(local.contraction_limit(beta=world.beta)))


distances_of_extragradient.control("the formula of mirror descent", formula="mirror_descent")


@evidence("egpo/local-rate-mirror-descent", kind="rate", over=three_actions, size=256)
def distances_of_mirror_descent(world: PlantedGame, draw: Draw, formula: str = "mirror_descent"):
    """The same for mirror descent, at half its limit."""
    limit = local.mirror_descent_limit(beta=world.beta, rotation=rotations(world)[:, 0])
    return _rate_of_runs(world, "mirror_descent", formula, 0.5 * np.minimum(limit, 1 / world.beta))


distances_of_mirror_descent.control("the formula of extragradient", formula="extragradient")


AROUND = 1000  # steps
# A step rounds logits of size below 10 by fewer than 50 units; the distance, at least 1e-5, moves by no more than
# their sum over the steps that are remembered, which near a modulus of 1 are all of them.
NEARBY_ERROR = AROUND * 500 * EPS


def _returns(world: PlantedGame, limit: Any, part: float, solver: str, *, leaves: bool):
    """Distance after the run against distance at the start, for runs at a part of the limit from a distance of 1e-4."""
    distances = _distances(world, part * limit, solver, AROUND, 1e-4)
    start, end = distances[:, 0], np.minimum(distances[:, -1], 1.0)
    return below(start, end, error=NEARBY_ERROR) if leaves else below(end, start, error=NEARBY_ERROR)


@evidence("egpo/mirror-descent-limit", kind="exact", over=three_actions, rounding="declared")
def mirror_descent_returns_below_the_limit(world: PlantedGame, part: float = 0.95):
    """At 0.95 of 2β/(β² + ω²) mirror descent ends 1,000 steps nearer to the equilibrium than it began."""
    limit = local.mirror_descent_limit(beta=world.beta, rotation=rotations(world)[:, 0])
    return _returns(world, limit, part, "mirror_descent", leaves=False)


mirror_descent_returns_below_the_limit.control("at 1.05 of it", part=1.05)


@evidence("egpo/mirror-descent-limit", kind="exact", over=three_actions, rounding="declared")
def mirror_descent_leaves_above_the_limit(world: PlantedGame, part: float = 1.05, solver: str = "mirror_descent"):
    """At 1.05 of 2β/(β² + ω²) it ends farther from the equilibrium than it began."""
    limit = local.mirror_descent_limit(beta=world.beta, rotation=rotations(world)[:, 0])
    return _returns(world, limit, part, solver, leaves=True)


mirror_descent_leaves_above_the_limit.control("at 0.95 of it", part=0.95)
mirror_descent_leaves_above_the_limit.control(
    "extragradient with the same steps returns in some", solver="extragradient"
)


def _extragradient_limit(world: PlantedGame) -> np.ndarray:
    return stable_step("extragradient", world.advantage, np.asarray(world.log_equilibrium), beta=world.beta)


@evidence("egpo/extragradient-limit", kind="exact", over=three_actions, size=256, rounding="declared")
def extragradient_returns_below_the_limit(world: PlantedGame, part: float = 0.95):
    """At 0.95 of the step where its modulus reaches 1, extragradient returns to the equilibrium."""
    return _returns(world, _extragradient_limit(world), part, "extragradient", leaves=False)


extragradient_returns_below_the_limit.control("at 1.05 of it", part=1.05)


@evidence("egpo/extragradient-limit", kind="exact", over=three_actions, size=256, rounding="declared")
def extragradient_leaves_above_the_limit(world: PlantedGame, part: float = 1.05):
    """At 1.05 of it, it leaves."""
    return _returns(world, _extragradient_limit(world), part, "extragradient", leaves=True)


extragradient_leaves_above_the_limit.control("at 0.95 of it", part=0.95)


@evidence("egpo/extragradient-limit", kind="exact", over=three_actions, size=256, rounding="declared")
def contraction_limit_is_safe(world: PlantedGame, stretch: float = 1.0):
    """The step 1/(β + ½), at which every game contracts from anywhere, lies below the limit of each game."""
    safe = stretch * np.asarray(local.contraction_limit(beta=world.beta))
    # Bisection ends within 1e-14 of the root, relative and absolute; the safe step is rounded twice.
    return at_most(safe, _extragradient_limit(world), error=1e-13 * (1 + safe))


contraction_limit_is_safe.control("eight times that step", stretch=8.0)


@evidence("egpo/per-query", kind="exact", over=three_actions)
def modulus_for_each_query(world: PlantedGame, limit_instead: bool = False):
    """m_MD⁴ − m_EG² = a [x²(2 + a) − a(1 − a²)]: extragradient is faster per query where x² > a(1 − a²)/(2 + a)."""
    step = 0.9 / (world.beta + 0.5)
    rotation = abs(world.advantage[..., 0, 1]) + 0.01
    one = {"beta": world.beta, "rotation": rotation}
    difference = local.mirror_descent_modulus(step, **one) ** 4 - local.extragradient_modulus(step, **one) ** 2
    a, square = 1.0 - step * world.beta, (step * rotation) ** 2
    right = square - (1.0 - a * a) if limit_instead else a * (square * (2.0 + a) - a * (1.0 - a * a))
    return equal(difference, right)


modulus_for_each_query.control("the limit of mirror descent as the place of the crossing", limit_instead=True)


def cycles(margins: Any, start_logits: Any) -> PlantedGame:
    """Games of three actions that beat each other around a circle; the equilibrium has full support, β = 0."""
    place = np.stack([cycle(*row) for row in np.eye(3)])
    advantage = np.sum(margins[:, :, None, None] * place, axis=1)
    return PlantedGame(advantage, np.log(np.roll(margins, -1, axis=-1)), start_logits, 0.0 * margins[:, 0])


cyclic_games = family(cycles, margins=uniform(0.1, 0.5, shape=(3,)), start_logits=uniform(-2, 2, shape=(3,)))


@evidence("egpo/without-regularisation", kind="exact", over=cyclic_games)
def divergence_in_a_cycle(world: PlantedGame, solver: str = "extragradient", step_size: float = 1.0):
    """β = 0, η = 1: KL(π*‖π) falls at each of four steps, where mirror descent lets it grow."""
    target, game = world.log_equilibrium, PreferenceGame(world.advantage, 0.0 * world.start_logits, world.beta)
    states = unrolled(SOLVERS[solver], game, [step_size + 0.0 * game.beta] * 4, start=world.log_start)
    distances = [close_divergence(target, state.log_policy) for state in states]
    return tuple(below(after, before) for before, after in pairwise(distances))


divergence_in_a_cycle.control("mirror descent", solver="mirror_descent")
