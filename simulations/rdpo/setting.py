"""What the estimation evidence of `rdpo` shares: its log-linear worlds, and fits in batches of one shape."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from lab.estimation.covariance import robust_covariance
from lab.estimation.fitting import fit
from lab.estimation.linear import quadratic_form
from lab.estimation.sandwich import sandwich
from lab.family import family, log_uniform, normal, uniform
from lab.inference.rounding import value
from lab.ledger.evidence import Draw
from lab.objectives.logistic import robust_dpo
from lab.worlds.log_linear import LogLinear

SIZES = (4_000, 16_000, 64_000, 256_000)
MILLION = 1_000_000
DIMENSIONS = (2, 4, 8, 16)
WIDE_SIZE = 64_000  # pairs of each data set of the worlds of growing dimension
RATES = (0.0, 0.2, 0.4)
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


small_worlds = family(
    LogLinear,
    features=normal(shape=(3, 4, 3)),
    theta=normal(0.7, shape=(3,)),
    reference_theta=normal(0.3, shape=(3,)),
    context_logits=normal(0.5, shape=(3,)),
    beta=log_uniform(0.3, 3.0),
    flip_rate=uniform(0.02, 0.45),
)


def wide_world(dimension: int, rank: int) -> LogLinear:
    """One of the worlds of growing dimension: margins of one spread; short features get empty columns."""
    base = log_linear_world(0.2, features=max(DIMENSIONS), signal=0.25)
    used = (np.arange(max(DIMENSIONS)) < dimension).astype(float)
    features = base.features * used
    if rank < dimension:
        features = features[..., :rank] @ np.random.default_rng(2).normal(size=(rank, used.size)) / np.sqrt(rank) * used
    theta = 0.25 * used / np.sqrt(dimension)
    return replace(base, features=features, theta=theta)


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
    ridge: float = 0.0,
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
            ridge=ridge,
            beta=np.full(ROWS, beta),
            steps=steps,
            flip_rate=rates[pick],
        )
        theta.append(np.asarray(found.theta))
        converged.append(np.asarray(found.converged))
    keep = [np.concatenate(x)[:rows] for x in (theta, converged)]
    return keep[0].reshape(*shape, -1), keep[1].reshape(shape)


def wide_fits(draw: Draw, rank: int | None = None) -> Iterator[tuple[LogLinear, np.ndarray]]:
    """The worlds of growing dimension (of growing rank, unless one is given), each with its estimates."""
    rng = draw.rng
    for dimension in DIMENSIONS:
        base = wide_world(dimension, rank or dimension)
        won, lost = base.sample_counts(rng, WIDE_SIZE, draw.size)
        yield base, estimate(robust_dpo, base.pair_features, won, lost, flip_rate=0.2)[0]


def counts(
    world: LogLinear, rng: np.random.Generator, sizes: tuple[int, ...], replications: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tables of independent data sets, (replications, sizes, pairs)."""
    drawn = [world.sample_counts(rng, size, replications) for size in sizes]
    return np.stack([won for won, _ in drawn], axis=1), np.stack([lost for _, lost in drawn], axis=1)


def millions(
    world: LogLinear, draw: Draw, rates: tuple[float, ...] = RATES
) -> Iterator[tuple[float, tuple[np.ndarray, np.ndarray]]]:
    """Flip rates with tables of data sets of a million pairs."""
    rng = draw.rng
    for rate in rates:
        yield rate, with_rate(world, rate).sample_counts(rng, MILLION, draw.size)


def covariance(world: LogLinear, flip_rate: Any) -> Any:
    """The sandwich of the robust estimate in a world, for data of this flip rate."""
    return robust_covariance(
        world.pair_features, world.pair_probabilities, world.margins, beta=world.beta, flip_rate=flip_rate
    )


def plain_covariance(worlds: LogLinear) -> np.ndarray:
    """The sandwich of the plain loss of a family of worlds at its own limit, to which their flips have moved it."""
    plain = jax.tree.map(value, worlds)
    won, lost = plain.frequencies()
    setting = {"beta": plain.beta, "flip_rate": 0.0}
    theta = fit(robust_dpo, plain.pair_features, won, lost, **setting).theta
    spread = np.asarray(sandwich(robust_dpo, theta, plain.pair_features, won, lost, **setting))
    # Of the pairs that are counted; those of two equal actions carry no information.
    return spread / np.sum(won + lost, axis=-1)[..., None, None]


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
