"""Families of random games, one place for their laws; games with names stand in `lab.games.game`."""

from typing import Any

from lab.family import Family, Parameter, family, log_uniform, normal, uniform
from lab.games.game import planted, random_games
from lab.games.interior import TILT, interior_games


def win_rates(actions: int, *, largest: float = 0.5) -> Parameter:
    """Advantages above the diagonal, uniform up to the largest: at ½ win rates are uniform on [0, 1]."""
    return uniform(-largest, largest, shape=(actions * (actions - 1) // 2,))


def planted_laws(actions: int, *, equilibrium: float = 1.0, start: float = 1.0) -> dict[str, Parameter]:
    """A planted game but for its KL weight; the numbers are standard deviations of logits."""
    return {
        "advantages": win_rates(actions),
        "equilibrium_logits": normal(equilibrium, shape=(actions,)),
        "start_logits": normal(start, shape=(actions,)),
    }


def planted_games(
    actions: int = 4,
    *,
    beta: Any = None,
    equilibrium: float = 1.0,
    start: float = 1.0,
    make: Any = planted,
    **more: Any,
) -> Family:
    """Games with a regularised equilibrium that is known exactly, and a start."""
    laws = planted_laws(actions, equilibrium=equilibrium, start=start)
    return family(make, **laws, beta=log_uniform(0.05, 3) if beta is None else beta, **more)


def full_support_games(actions: int = 4, *, spread: float = 0.7) -> Family:
    """Games whose unregularised equilibrium plays every action and is known exactly, and a start."""
    return family(
        interior_games,
        tilts=win_rates(actions, largest=TILT),
        equilibrium_logits=normal(spread, shape=(actions,)),
        start_logits=normal(spread, shape=(actions,)),
    )


def any_games(actions: int = 4, *, reference: float = 1.5, beta: Any = None) -> Family:
    """Games with a random reference, which is also the start; without regularisation unless a KL weight is given."""
    return family(
        random_games,
        advantages=win_rates(actions),
        reference_logits=normal(reference, shape=(actions,)),
        beta=uniform(0, 0) if beta is None else beta,
    )
