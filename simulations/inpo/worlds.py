"""The games that INPO's claims are checked on, and plain loops of its step that track their rounding error."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.family import Family, family, log_uniform, normal, uniform, world
from lab.games.families import planted_games
from lab.games.game import PlantedGame, PreferenceGame, skew
from lab.games.play import unrolled
from lab.games.solvers import SOLVERS
from lab.policies import tabular

ACTIONS = 4
INPO = SOLVERS["mirror_descent"]


@world
class Play(PlantedGame):
    """A game with its planted equilibrium, and for several steps the ratio β/η of the inverse step size to its least
    value."""

    share: Any

    @property
    def inverse_steps(self) -> Any:
        """η of every step: (steps, games)."""
        shares = [self.share[..., t] for t in range(self.share.shape[-1])]
        return [self.beta / share for share in shares]


def plays(advantages: Any, **parameters: Any) -> Play:
    return Play(skew(advantages, parameters["equilibrium_logits"].shape[-1]), **parameters)


def games(
    *, actions: int = ACTIONS, steps: int = 12, beta: Any = None, equilibrium: float = 1.0,
    start: float = 1.0, share: Any = None,
) -> Family:  # fmt: skip
    """Random games whose regularised equilibrium is planted, and step sizes up to the largest that INPO allows."""
    return planted_games(
        actions, beta=log_uniform(0.05, 2) if beta is None else beta, equilibrium=equilibrium, start=start, make=plays,
        share=uniform(0.02, 1, shape=(steps,)) if share is None else share,
    )  # fmt: skip


def cyclic_plays(margins: Any, orientation: Any, **parameters: Any) -> Play:
    """Three actions around a cycle, in both orientations."""
    sign = np.where(orientation < 0, -1.0, 1.0)[:, None]
    entries = sign * np.stack([margins[:, 0], -margins[:, 2], margins[:, 1]], axis=-1)
    return Play(skew(entries, 3), **parameters)


def cycles(*, beta: Any = None, steps: int = 1, low: float = 0.2, spread: float = 0.5, start: float = 1.0) -> Family:
    """Games of three actions that beat each other around a cycle: rotation everywhere."""
    return family(
        cyclic_plays,
        margins=uniform(low, 0.5, shape=(3,)),
        orientation=uniform(-1, 1),
        equilibrium_logits=normal(spread, shape=(3,)),
        start_logits=normal(start, shape=(3,)),
        beta=log_uniform(0.05, 0.5) if beta is None else beta,
        share=uniform(0.02, 1, shape=(steps,)),
    )


def iterates(game: PreferenceGame, inverse_steps: Sequence[Any], *, start: Any = None) -> list[Any]:
    r"""$\log\pi_1, \dots, \log\pi_{T+1}$ of INPO from the reference or another start, one inverse step a step."""
    step_sizes = [1.0 / inverse_step for inverse_step in inverse_steps]
    return [state.log_policy for state in unrolled(INPO, game, step_sizes, start=start)]


def elsewhere(play: Any) -> Any:
    """Log-probabilities of the world's spare policy."""
    return tabular(play.start_logits)
