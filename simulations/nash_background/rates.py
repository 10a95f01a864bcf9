r"""The factor of every solver near an equilibrium: predicted from one number of the game, its rotation, and measured.

Distances are $\sqrt{\mathrm{KL}(\pi^*\|\pi_t)}$: near π* that is the norm in which the linearised step is a
rotation times a factor, so that every single step shows it.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from lab.family import uniform
from lab.games import local
from lab.games.equilibria import regularised_equilibrium
from lab.games.families import full_support_games, planted_games
from lab.games.game import PlantedGame, PreferenceGame, comal_game, cycle, rock_paper_scissors
from lab.games.gaps import close_divergence, lead
from lab.games.interior import InteriorGame
from lab.games.local import rotations
from lab.games.play import log_policy, play
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, factor
from simulations.nash_background.worlds import near

CLOSE = 1e-4  # distance of the start: what is beyond the linear part is of this relative size
FIRST, LAST = 8, 24  # the first steps are left out: a method with memory has a second, faster factor

three = planted_games(3, beta=uniform(0.05, 0.3))
three_interior = full_support_games(3)


def distances(solver: str, game: PreferenceGame, target: Any, start: Any, step_size: Any, steps: int) -> np.ndarray:
    """√KL(π*‖π_t) at every step, (games, steps + 1)."""
    path = play(SOLVERS[solver], game, step_size=step_size, steps=steps, measure=log_policy, start=start).measured
    return np.sqrt(np.asarray(close_divergence(jnp.asarray(target), path))).T


def _trend(solver: str, game: Any, target: Any, draw: Draw, step_size: Any, modulus: Callable[..., Any]) -> Any:
    found = distances(solver, game, target, near(target, draw, distance=CLOSE), step_size, LAST)
    rotation = rotations(game.advantage, target)[..., 0]
    predicted = modulus(step_size, beta=game.beta, rotation=rotation)
    steps = np.arange(FIRST, LAST + 1)
    errors = found[:, FIRST:] / np.asarray(predicted)[:, None] ** steps
    return factor(steps, errors, between=(1 - 1e-4, 1 + 1e-4), predicted=1.0)


def _without_rotation(step_size: Any, *, beta: Any, rotation: Any) -> Any:
    return 1.0 - step_size * beta


@evidence("nash-background/rate-of-mirror-descent", kind="rate", over=three, size=512)
def mirror_descent_against_its_modulus(world: PlantedGame, draw: Draw, modulus: Any = None):
    """Distances over powers of √(a² + x²), ηβ up to 0.3: no trend is left, in random games of three actions."""
    modulus = local.mirror_descent_modulus if modulus is None else modulus
    return _trend("mirror_descent", world.game, world.log_equilibrium, draw, 1.0, modulus)


mirror_descent_against_its_modulus.control(
    "the factor 1 − ηβ that the proofs give", modulus=lambda _: _without_rotation
)


@evidence("nash-background/rate-of-extragradient", kind="rate", over=three)
def extragradient_against_its_modulus(world: PlantedGame, draw: Draw, modulus: Any = None):
    """Distances over powers of |a(1 + ix) − x²|: no trend is left, in random games of three actions."""
    modulus = local.extragradient_modulus if modulus is None else modulus
    return _trend("extragradient", world.game, world.log_equilibrium, draw, 1.0, modulus)


extragradient_against_its_modulus.control("mirror descent's factor", modulus=lambda _: local.mirror_descent_modulus)


@evidence("nash-background/rate-of-optimism", kind="rate", over=three)
def optimism_against_its_modulus(world: PlantedGame, draw: Draw, modulus: Any = None):
    """Distances over powers of the spectral radius of its two-step matrix: no trend is left."""
    modulus = local.optimistic_modulus if modulus is None else modulus
    return _trend("optimistic", world.game, world.log_equilibrium, draw, 1.0, modulus)


optimism_against_its_modulus.control("mirror descent's factor", modulus=lambda _: local.mirror_descent_modulus)


@evidence("nash-background/rate-of-nash-md", kind="rate", over=three)
def nash_md_against_its_modulus(world: PlantedGame, draw: Draw, share: float = 1.0):
    """θ_ref = log m − aAm/β plants the mixture m of a fixed point: distances over powers of a√(1 + x²), x at m."""
    step_size = 1.0
    mixture = world.log_equilibrium
    tilt = np.asarray(lead(world.advantage, mixture)) / world.beta[:, None]
    keep = (1.0 - step_size * world.beta)[:, None]
    game = PreferenceGame(world.advantage, _normalised(mixture - keep * tilt), world.beta)
    target = _normalised(np.asarray(game.log_reference) + tilt)
    start = near(target, draw, distance=CLOSE)
    path = play(
        SOLVERS["nash_mirror_descent"], game, step_size=step_size, steps=LAST, measure=log_policy, start=start,
        mixture_share=share,
    ).measured  # fmt: skip
    # The linear part is similar to a rotation in the norm at the mixture.
    deviation = np.asarray(path) - target
    weight = np.exp(mixture)
    centred = deviation - np.sum(weight * deviation, axis=-1, keepdims=True)
    found = np.sqrt(np.sum(weight * centred**2, axis=-1)).T
    rotation = rotations(game.advantage, mixture)[..., 0]
    predicted = local.nash_mirror_descent_modulus(step_size, beta=game.beta, rotation=rotation)
    steps = np.arange(FIRST, LAST + 1)
    errors = found[:, FIRST:] / np.asarray(predicted)[:, None] ** steps
    return factor(steps, errors, between=(1 - 1e-4, 1 + 1e-4), predicted=1.0)


nash_md_against_its_modulus.control("payoffs against the policy itself, as in mirror descent", share=0.0)


def _normalised(logits: Any) -> Any:
    from scipy.special import log_softmax

    return log_softmax(np.asarray(logits), axis=-1)


@evidence("nash-background/rate-of-the-proximal-point", kind="rate", over=three_interior)
def proximal_against_its_modulus(world: InteriorGame, draw: Draw, temperature: float = 0.1, forget: bool = False):
    """Followed backwards, for which a step is explicit: π_t ∝ π_{t+1}e^{−Aπ_{t+1}/τ} moves away by √(1 + ω²/τ²)."""
    target = np.asarray(world.log_equilibrium)
    advantage = np.asarray(world.advantage)
    policy = near(target, draw, distance=CLOSE * 1e-3)
    found = []
    for _ in range(13):
        found.append(np.sqrt(np.asarray(close_divergence(target, policy))))
        policy = _normalised(policy - np.asarray(lead(advantage, policy)) / temperature)
    rotation = rotations(advantage, target)[..., 0]
    modulus = local.proximal_point_modulus(1.0 / temperature, rotation=rotation)
    modulus = modulus**2 if forget else modulus
    steps = np.arange(13)
    errors = np.stack(found, axis=-1) * np.asarray(modulus)[:, None] ** steps
    return factor(steps, errors, between=(1 - 1e-4, 1 + 1e-4), predicted=1.0)


proximal_against_its_modulus.control("the factor of the divergence for that of the distance", forget=True)


NAMED = PreferenceGame(
    np.stack([rock_paper_scissors(), cycle(0.2, 0.3, 0.4), comal_game()]),
    np.log(np.full((3, 3), 1 / 3)),
    np.full(3, 0.1),
)
SOLVED = ("mirror_descent", "extragradient", "optimistic")
SETTLED, END = 30, 50


def _slopes(game: PreferenceGame, solver: str, step_size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measured factors, predicted factors, and a bound on the difference, in games with a solved equilibrium."""
    solved = regularised_equilibrium(game.advantage, game.log_reference, beta=game.beta)
    target = np.asarray(solved.log_policy)
    start = _normalised(target + CLOSE * np.array([1.0, -1.0, 0.5]))
    found = distances(solver, game, target, start, step_size, END)
    slope = (found[:, END] / found[:, SETTLED]) ** (1.0 / (END - SETTLED))
    rotation = rotations(game.advantage, target)[..., 0]
    predicted = np.asarray(getattr(local, f"{solver}_modulus")(step_size, beta=game.beta, rotation=rotation))
    # The quadratic part of a step, softmax's, is at most the squared distance times η: it changes a ratio of distances
    # by no more than a few times the distance at SETTLED. The equilibrium's own error counts against the last distance.
    beyond = 8 * found[:, SETTLED] + 8 * np.asarray(solved.error) / found[:, END]
    return slope, predicted, beyond


@evidence("nash-background/rates-of-named-games", kind="exact", over=NAMED, rounding="declared")
def factors_of_named_games(world: PreferenceGame, swap: bool = False):
    """F1, F2 and F3 at β = 0.1, η = 1: the factor from step 30 to 50 of three solvers against their moduli."""
    rows = [_slopes(world, solver, 1.0) for solver in SOLVED]
    found, predicted, beyond = (np.stack(x) for x in zip(*rows, strict=True))
    shown = predicted[::-1] if swap else predicted
    return equal(found, shown, error=beyond, series={"found": found, "predicted": predicted})


factors_of_named_games.control("the moduli of mirror descent and optimism exchanged", swap=True)


@evidence("nash-background/mirror-descent-limit", kind="exact", over=planted_games(3))
def modulus_at_the_limit(world: PlantedGame, power: int = 2):
    """At η = 2β/(β² + ω²) the modulus of mirror descent is 1; at 0.99 of it less, at 1.01 of it more."""
    rotation, beta = 0.45 * abs(world.advantage[..., 0, 1]) + 0.01, world.beta
    limit = local.mirror_descent_limit(beta=beta, rotation=rotation) * (1.0 if power == 2 else beta + rotation)
    one = 1.0 + 0.0 * limit

    def modulus(step_size):
        return local.mirror_descent_modulus(step_size, beta=beta, rotation=rotation)

    return (
        equal(modulus(limit) ** 2, one),
        below(modulus(0.99 * limit), one),
        below(one, modulus(1.01 * limit)),
    )


modulus_at_the_limit.control("a limit of another form, 2β(β + ω)/(β² + ω²)", power=1)


@evidence("nash-background/mirror-descent-limit", kind="exact", over=NAMED, rounding="declared")
def gap_below_and_above_the_limit(world: PreferenceGame, factor_of_limit: float = 0.95):
    """F1, F2 and F3 at β = 0.05: with 0.95 of the limit the gap falls below 10⁻¹², with 1.05 of it it stays."""
    game = PreferenceGame(world.advantage, world.log_reference, np.full(3, 0.05))
    solved = regularised_equilibrium(game.advantage, game.log_reference, beta=game.beta)
    rotation = rotations(game.advantage, solved.log_policy)[..., 0]
    step_size = factor_of_limit * np.asarray(local.mirror_descent_limit(beta=game.beta, rotation=rotation))
    run = play(
        SOLVERS["mirror_descent"], game, step_size=step_size, steps=6000,
        start=np.log(np.array([[0.5, 0.3, 0.2]] * 3)),
    )  # fmt: skip
    gap = np.asarray(run.measured)
    # The gap is a sum of terms that are not negative, each to a few units in the last place.
    return at_most(gap[-1], 1e-12 + 0.0 * gap[-1], error=64 * 2.0**-53 * gap[-1], series={"gap": gap[::20].T})


gap_below_and_above_the_limit.control("1.05 of the limit", factor_of_limit=1.05)
