"""The random games that the claims are checked on."""

from typing import Any

from lab.arrays import namespace
from lab.family import Family, family, normal, uniform, world
from lab.games.families import full_support_games, planted_games
from lab.ledger.evidence import Draw

planted_any = planted_games()
full_support = full_support_games()


def near(log_policy: Any, draw: Draw, *, distance: float) -> Any:
    """Policies at about this distance (in logits) from given ones, in random directions."""
    from scipy.special import log_softmax

    move = draw.rng.normal(size=log_policy.shape)
    return log_softmax(log_policy + distance * move, axis=-1)


@world
class Saddle:
    """min over x, max over y of the product xy: a start (x, y) and a step size."""

    start: Any
    step_size: Any

    @staticmethod
    def operator(u: Any) -> Any:
        """(∂f/∂x, −∂f/∂y) = (y, −x)."""
        return namespace(u).stack([u[..., 1], -u[..., 0]], axis=-1)


def saddles(low: float, high: float) -> Family:
    return family(Saddle, start=normal(1, shape=(2,)), step_size=uniform(low, high))
