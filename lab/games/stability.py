"""The largest stable step size of each solver in a game at hand, and the warning when a run goes beyond it.

Near the equilibrium a solver contracts by its modulus in `lab.games.local`; the step size at which the largest of them
reaches 1 is its limit there. The limit is exact for equilibria with full support and says nothing of other fixed points
or cycles far away. Source: `nash-background`, C3 (derived).
"""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, is_traced
from lab.games.local import MODULI, contraction_limit, rotations, stability_limit


class StepBeyondLimit(UserWarning):
    """The step size is beyond the solver's limit: it leaves the equilibrium, however near it starts."""


def stable_step(
    solver: str,
    advantage: Float[Array, "... actions actions"],
    log_equilibrium: Float[Array, "... actions"],
    *,
    beta: Real,
    **settings: Any,
) -> Float[np.ndarray, "..."]:
    """The step size below which a solver of `local.MODULI` stays near the equilibrium of each game.

    0 where no step size does, as for mirror descent at β = 0. `settings` are those of the modulus (`extrapolation`).
    Raises ValueError for a solver without a modulus.
    """
    if solver not in MODULI:
        raise ValueError(f"solver = {solver!r}: a limit is known for {', '.join(MODULI)}")
    rotation = np.asarray(rotations(np.asarray(advantage), np.asarray(log_equilibrium)))
    games = np.broadcast_shapes(rotation.shape[:-1], np.shape(beta))
    rotation = np.broadcast_to(rotation, (*games, rotation.shape[-1]))
    weights = np.broadcast_to(np.asarray(beta, float), games)
    limits = [stability_limit(MODULI[solver], beta=float(weights[at]), rotation=rotation[at], **settings)
              for at in np.ndindex(games)]  # fmt: skip
    return np.reshape(limits, games)


def warn_beyond_limit(solver: str, game: Any, step_size: Real, log_equilibrium: Any = None, **settings: Any) -> None:
    r"""Warn with StepBeyondLimit if the step size is beyond the solver's limit in one of the games, and name the limit.

    Without the equilibrium the only limit that holds in every game is $2/\beta$, where the pull to the reference alone
    overshoots. With it, the local limit of that game; extragradient is not looked at up to its own guarantee
    $1/(\beta + \frac12)$, which needs no equilibrium, and solvers without a modulus not at all. Concrete values only:
    while JAX is tracing nothing happens.
    """
    if solver not in MODULI or is_traced(step_size, game.beta, log_equilibrium):
        return
    step, beta = np.broadcast_arrays(np.asarray(step_size, float), np.asarray(game.beta, float))
    with np.errstate(divide="ignore"):
        limit = np.asarray(2.0 / beta)
    guaranteed = solver == "extragradient" and np.all(step <= contraction_limit(beta=beta))
    if log_equilibrium is not None and not guaranteed:
        limit = stable_step(solver, game.advantage, log_equilibrium, beta=beta, **settings)
    step, limit = np.broadcast_arrays(step, limit)
    beyond = step > limit
    if np.any(beyond):
        first = tuple(np.argwhere(beyond)[0])
        where = f" in {int(np.sum(beyond))} of {beyond.size} games; in the first of them" if beyond.size > 1 else ""
        warnings.warn(
            f"step_size = {step[first]:g} is beyond the limit of {solver}{where}, {limit[first]:g}: "
            "it leaves the equilibrium",
            StepBeyondLimit,
            3,
        )
