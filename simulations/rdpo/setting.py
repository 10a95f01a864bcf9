"""What the estimation evidence of `rdpo` shares: its log-linear world, and fits in batches of one shape."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lab.estimation.fitting import fit
from lab.estimation.linear import quadratic_form
from lab.worlds.log_linear import LogLinear

ROWS = 1024  # data sets a batch: one shape, so that a loss is compiled once for all sizes, rates and replications
BALL = 20.0  # the radius of the ball of estimates where nothing else is said: far beyond the truth


def log_linear_world(
    flip_rate: float, *, contexts: int = 6, actions: int = 8, features: int = 5, signal: float = 1.5, scale: float = 1.0
) -> LogLinear:
    """The fixed world of the rates: normal features times `scale`, and a truth at the distance `signal` from a
    uniform reference."""
    rng = np.random.default_rng([2403, 409])
    direction = rng.normal(size=features)
    return LogLinear(
        features=scale * rng.normal(size=(contexts, actions, features)),
        theta=signal * direction / np.linalg.norm(direction),
        reference_theta=np.zeros(features),
        context_logits=np.zeros(contexts),
        beta=np.float64(1.0),
        flip_rate=np.float64(flip_rate),
    )


def with_rate(world: LogLinear, flip_rate: float) -> LogLinear:
    return replace(world, flip_rate=np.float64(flip_rate))


def estimate(
    loss: Callable[..., Any],
    pair_features: np.ndarray,
    won: np.ndarray,
    lost: np.ndarray,
    *,
    flip_rate: Any,
    beta: float = 1.0,
    radius: Any = BALL,
    steps: int = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Shifts fitted to tables of counts with any leading shape, and whether each fit converged. The plain loss is
    rate 0."""
    shape = won.shape[:-1]
    rows = int(np.prod(shape))
    tables = [np.reshape(x, (rows, -1)) for x in (won, lost)]
    rates, radii = (np.reshape(np.broadcast_to(np.asarray(x, float), shape), rows) for x in (flip_rate, radius))
    theta, converged = [], []
    for first in range(0, rows, ROWS):
        pick = np.minimum(np.arange(first, first + ROWS), rows - 1)  # the last batch is filled up
        found = fit(
            loss,
            pair_features,
            tables[0][pick],
            tables[1][pick],
            radius=radii[pick],
            beta=np.full(ROWS, beta),
            steps=steps,
            flip_rate=rates[pick],
        )
        theta.append(np.asarray(found.theta))
        converged.append(np.asarray(found.converged))
    keep = [np.concatenate(x)[:rows] for x in (theta, converged)]
    return keep[0].reshape(*shape, -1), keep[1].reshape(shape)


def counts(
    world: LogLinear, rng: np.random.Generator, sizes: tuple[int, ...], replications: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tables of independent data sets, (replications, sizes, pairs)."""
    drawn = [world.sample_counts(rng, size, replications) for size in sizes]
    return np.stack([won for won, _ in drawn], axis=1), np.stack([lost for _, lost in drawn], axis=1)


def limit(loss: Callable[..., Any], world: LogLinear, assumed: Any) -> np.ndarray:
    """Where the estimates go with infinitely many pairs: the fits to the exact probabilities of the observed labels,
    for one assumed flip rate or an array of them."""
    won, lost = (np.broadcast_to(x, (*np.shape(assumed), x.size)) for x in world.frequencies())
    theta, converged = estimate(loss, world.pair_features, won, lost, flip_rate=assumed)
    if not np.all(converged):
        raise RuntimeError(f"a population fit at rate {assumed} did not converge")
    return theta


def distance(theta: np.ndarray, target: np.ndarray, moment: np.ndarray) -> np.ndarray:
    r"""$\|\theta-\text{target}\|$ in the norm of a second moment of the features."""
    return np.sqrt(quadratic_form(moment, theta - target))


def root_mean_square(errors: np.ndarray, together: int = 4) -> np.ndarray:
    """Root mean squares of batches of replications (leading axis): fewer, steadier errors for a rate."""
    batches = errors[: errors.shape[0] // together * together].reshape(-1, together, *errors.shape[1:])
    return np.sqrt(np.mean(batches**2, axis=1))
