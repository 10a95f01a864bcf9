"""The random games that EGPO's claims are checked on, and runs of a solver in arrays of any library."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lab.arrays import Array, log_softmax, namespace
from lab.games.game import PlantedGame, PreferenceGame, planted
from lab.games.local import contraction_limit
from lab.games.solvers import SOLVERS, State
from lab.policies import tabular
from lab.worlds.family import Family, family, log_uniform, normal, uniform, world

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
    games = [planted(drawn[f"advantages{n}"], drawn[f"equilibrium{n}"], drawn[f"start{n}"], beta) for n in SIZES]
    return Games(*games, share)


def planted_games(*, beta: Any = None, share: Any = None) -> Family:
    drawn = {}
    for n in SIZES:
        drawn[f"advantages{n}"] = uniform(-0.5, 0.5, shape=(n * (n - 1) // 2,))
        drawn[f"equilibrium{n}"] = normal(1, shape=(n,))
        drawn[f"start{n}"] = normal(1.5, shape=(n,))
    beta = log_uniform(0.01, 3) if beta is None else beta
    return family(several_sizes, beta=beta, share=uniform(0.02, 1) if share is None else share, **drawn)


anywhere = planted_games()


def one_size(actions: int, *, beta: Any, spread: float = 0.7) -> Family:
    """Planted games with so many actions."""
    return family(
        planted,
        advantages=uniform(-0.5, 0.5, shape=(actions * (actions - 1) // 2,)),
        equilibrium_logits=normal(spread, shape=(actions,)),
        start_logits=normal(1, shape=(actions,)),
        beta=beta,
    )


def uniform_preferences(advantages: Any, reference_logits: Any, beta: Any) -> PreferenceGame:
    """Games from the advantages above the diagonal, row by row: as `random_games`, for many actions."""
    actions = reference_logits.shape[-1]
    rows, columns = np.triu_indices(actions, 1)
    advantage = np.zeros((*advantages.shape[:-1], actions, actions))
    advantage[..., rows, columns], advantage[..., columns, rows] = advantages, -advantages
    return PreferenceGame(advantage, tabular(reference_logits), beta)


def authors_games(*, beta: float, actions: int = 10) -> Family:
    """The authors' generator: preferences uniform on [0, 1], reference logits standard normal."""
    return family(
        uniform_preferences,
        advantages=uniform(-0.5, 0.5, shape=(actions * (actions - 1) // 2,)),
        reference_logits=normal(1, shape=(actions,)),
        beta=uniform(beta, beta),
    )


def states(name: str, game: PlantedGame, *, step_size: Any, steps: int, **settings: Any) -> Iterator[State]:
    """The states of a solver from the planted start, the first included; arrays may track their rounding error."""
    solver, played = SOLVERS[name], game.game
    state = solver.start(game.log_start)
    yield state
    for _ in range(steps):
        state = solver.step(
            state, lambda policy, _: played.lead(policy), log_reference=played.log_reference, beta=game.beta,
            step_size=step_size, **settings,
        )  # fmt: skip
        yield state


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
