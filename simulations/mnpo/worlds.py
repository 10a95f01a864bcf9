"""Random games of several players, with one oracle for all or one for each."""

from typing import Any

from jaxtyping import Float

from lab.arrays import Array
from lab.family import Family, family, log_uniform, normal, uniform, world
from lab.games.game import skew
from lab.policies import tabular


@world
class Players:
    """Oracles (one entry along the players' axis when shared), everybody's policy, reference, KL weight, step size."""

    advantages: Float[Array, "*games #players actions actions"]
    logits: Float[Array, "*games players actions"]
    candidate_logits: Float[Array, "*games 2 actions"]
    reference_logits: Float[Array, "*games actions"]
    beta: Float[Array, "*games"]
    step_size: Float[Array, "*games"]

    @property
    def log_policies(self) -> Float[Array, "... players actions"]:
        return tabular(self.logits)

    @property
    def log_candidates(self) -> Float[Array, "... 2 actions"]:
        """Two policies that a loss is evaluated at."""
        return tabular(self.candidate_logits)

    @property
    def log_reference(self) -> Float[Array, "... actions"]:
        return tabular(self.reference_logits)

    @property
    def shared(self) -> Float[Array, "... actions actions"]:
        """The first player's oracle: everybody's, when there is one."""
        return self.advantages[..., 0, :, :]


def _players(entries: Any, logits: Any, **rest: Any) -> Players:
    return Players(skew(entries, logits.shape[-1]), logits, **rest)


def games(players: int = 3, actions: int = 4, *, own_oracles: bool = False, step_size: Any = None) -> Family:
    return family(
        _players,
        entries=uniform(-0.5, 0.5, shape=(players if own_oracles else 1, actions * (actions - 1) // 2)),
        logits=normal(1, shape=(players, actions)),
        candidate_logits=normal(1, shape=(2, actions)),
        reference_logits=normal(1, shape=(actions,)),
        beta=log_uniform(0.05, 2),
        step_size=log_uniform(0.05, 1.5) if step_size is None else step_size,
    )


three = games()


def alike(world: Players) -> Any:
    """Every player plays the first one's policy."""
    return world.log_policies[..., :1, :] + 0.0 * world.logits
