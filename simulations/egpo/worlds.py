"""The random games that EGPO's claims are checked on, and runs of a solver in arrays of any library."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lab.arrays import Array, log_softmax, namespace
from lab.family import Family, family, log_uniform, uniform, world
from lab.games.families import any_games, planted_games, planted_laws
from lab.games.game import PlantedGame, planted
from lab.games.local import contraction_limit
from lab.games.play import unrolled
from lab.games.solvers import SOLVERS, State

SIZES = (3, 5, 8)


@world
class Games:
    """Planted games of three, five and eight actions, and a step size as a part of the largest, 1/(β + ½)."""

    three: PlantedGame
    five: PlantedGame
    eight: PlantedGame
    share: Any

    @property
    def all(self) -> tuple[PlantedGame, ...]:
        return self.three, self.five, self.eight

    def step_size(self, game: PlantedGame) -> Array:
        return self.share * contraction_limit(beta=game.beta)


def several_sizes(beta: Any, share: Any, **drawn: Any) -> Games:
    """Planted games of every size with the same KL weight."""
    games = [planted(*(drawn[f"{name}{n}"] for name in planted_laws(n)), beta) for n in SIZES]
    return Games(*games, share)


def all_sizes(*, beta: Any = None, share: Any = None) -> Family:
    drawn = {f"{name}{n}": law for n in SIZES for name, law in planted_laws(n, start=1.5).items()}
    beta = log_uniform(0.01, 3) if beta is None else beta
    return family(several_sizes, beta=beta, share=uniform(0.02, 1) if share is None else share, **drawn)


anywhere = all_sizes()


def one_size(actions: int, *, beta: Any) -> Family:
    """Planted games with so many actions."""
    return planted_games(actions, beta=beta, equilibrium=0.7)


def authors_games(*, beta: float, actions: int = 10) -> Family:
    """The authors' generator: preferences uniform on [0, 1], reference logits standard normal."""
    return any_games(actions, reference=1.0, beta=uniform(beta, beta))


def states(name: str, game: PlantedGame, *, step_size: Any, steps: int) -> Iterator[State]:
    """The states of a solver from the planted start, the first included; arrays may track their rounding error."""
    return unrolled(SOLVERS[name], game.game, [step_size] * steps, start=game.log_start)


def span(x: Array) -> Array:
    """Largest less smallest entry along the actions: a norm of logits modulo constants."""
    xp = namespace(x)
    return xp.max(x, axis=-1) - xp.min(x, axis=-1)


def local_distance(log_policy: Array, log_equilibrium: Array) -> Array:
    r"""Standard deviation of $\log\frac{\pi}{\pi^*}$ under π*: in this norm linearised steps are scaled rotations."""
    xp = namespace(log_policy, log_equilibrium)
    weight, off = xp.exp(log_equilibrium), log_policy - log_equilibrium
    centred = off - xp.sum(weight * off, axis=-1, keepdims=True)
    return xp.sqrt(xp.sum(weight * centred * centred, axis=-1))


def near(log_equilibrium: Any, direction: Any, distance: float) -> Any:
    """A policy at (about) this local distance from the equilibrium."""
    moved = log_softmax(log_equilibrium + direction)
    return log_softmax(
        log_equilibrium + direction * (distance / np.asarray(local_distance(moved, log_equilibrium)))[..., None]
    )
