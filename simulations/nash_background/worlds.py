"""The random games that the claims are checked on."""

from typing import Any

from lab.arrays import namespace
from lab.games.game import planted, random_games
from lab.games.interior import TILT, interior_games
from lab.ledger.evidence import Draw
from lab.worlds.family import Family, family, log_uniform, normal, uniform, world


def planted_games(actions: int = 4, *, beta: Any = None, spread: float = 1.0) -> Family:
    """Random games with a random regularised equilibrium that is known exactly, and a random start."""
    return family(
        planted,
        advantages=uniform(-0.5, 0.5, shape=(actions * (actions - 1) // 2,)),
        equilibrium_logits=normal(spread, shape=(actions,)),
        start_logits=normal(spread, shape=(actions,)),
        beta=log_uniform(0.05, 3) if beta is None else beta,
    )


def full_support_games(actions: int = 4, *, spread: float = 0.7) -> Family:
    """Random games whose unregularised equilibrium plays every action and is known exactly, and a random start."""
    return family(
        interior_games,
        tilts=uniform(-TILT, TILT, shape=(actions * (actions - 1) // 2,)),
        equilibrium_logits=normal(spread, shape=(actions,)),
        start_logits=normal(spread, shape=(actions,)),
    )


def any_games(actions: int = 4, *, reference: Any = None, beta: Any = None) -> Family:
    """Random games; the reference is also the start."""
    return family(
        random_games,
        advantages=uniform(-0.5, 0.5, shape=(actions * (actions - 1) // 2,)),
        reference_logits=normal(1.5, shape=(actions,)) if reference is None else reference,
        beta=uniform(0, 0) if beta is None else beta,
    )


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
