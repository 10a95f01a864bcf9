"""The optimal weight estimated from samples: unbiased parts, regret against sample size, an interval and its limits."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from lab.arrays import namespace
from lab.family import uniform
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import equal, exponent, mean_at_most, mean_between
from lab.mixing.closed_form import Moments, batched, mean_squared_error, optimal_weight, unclipped_weight
from lab.mixing.plug_in import PlugIn, weight_over_data, weight_per_pair
from lab.mixing.traces import TraceWorld
from simulations.bvpo.worlds import NOTHING, shared, tabular

TRACES = np.array([16, 32, 64, 128, 256])
PAIRS = np.array([32, 64, 128, 256, 512])
REPLICATIONS = 16
BATCH = 8


@evidence("bvpo/plug-in-parts-unbiased", kind="exact", over=tabular(drift=uniform(0, 1)), size=64)
def parts_by_enumeration(world: TraceWorld, naive: bool = False):
    """All ways to draw two traces of a pair: the estimated numerator and denominator have means ‖b‖² and ‖b‖² + S_t.

    b is the distance of the mean trace gradient from the empty-trace one, which is b_e where b_t = 0.
    """
    world = replace(world, rejected_empty=3 - world.preferred - world.rejected, same_pairs=False)
    out = world.outcomes()
    xp = namespace(out.trace)
    trace, law = out.trace[:, 0, 0], out.law[:, 0, 0]
    ways = trace.shape[1] ** 2
    trace, law = trace.reshape((len(trace), ways, -1)), law.reshape((len(law), ways))
    first, second = (trace[:, i.ravel()] for i in np.indices((ways, ways)))
    chance = (law[:, :, None] * law[:, None, :]).reshape((len(law), ways**2))
    empty = out.empty[:, 0, 0]
    found = weight_per_pair(xp.stack([first, second], axis=-2), empty[:, None, :] + 0.0 * first)
    mean = xp.sum(law[..., None] * trace, axis=-2)
    noise = xp.sum(law * xp.sum((trace - mean[:, None, :]) ** 2, axis=-1), axis=-1)
    distance = xp.sum((mean - empty) ** 2, axis=-1)
    numerator = found.numerator
    if naive:
        numerator = xp.sum(((first + second) / 2.0 - empty[:, None, :]) ** 2, axis=-1)
    return (
        equal(xp.sum(chance * numerator, axis=-1), distance),
        equal(xp.sum(chance * found.denominator, axis=-1), distance + noise),
    )


parts_by_enumeration.control("the squared mean distance, its own noise left in", naive=True)


def _drawn(rng: np.random.Generator, world: TraceWorld, samples: int, times: int, *, over_data: bool) -> tuple:
    """Trace and empty-trace gradients, (worlds, times, samples, dim): of one clean pair, or of pairs from the data."""
    out = world.outcomes()
    if over_data:
        chance = out.chance[..., None, None] * out.law
        trace, empty = out.trace, np.broadcast_to(out.empty[..., None, None, :], out.trace.shape)
    else:
        chance, trace = out.law[:, 0, 0], out.trace[:, 0, 0]
        empty = np.broadcast_to(out.empty[:, 0, 0, None, None, :], trace.shape)
    worlds, dim = len(trace), trace.shape[-1]
    total = np.cumsum(chance.reshape(worlds, -1), axis=-1)
    uniforms = rng.random((worlds, times * samples)) * total[:, -1:]
    at = np.stack([np.searchsorted(t, u, side="right") for t, u in zip(total, uniforms, strict=True)])[..., None]
    shape = (worlds, times, samples, dim)
    return tuple(np.take_along_axis(g.reshape(worlds, -1, dim), at, axis=1).reshape(shape) for g in (trace, empty))


def _truth(world: TraceWorld, *, over_data: bool) -> Moments:
    if over_data:
        return batched(world.moments(given="nothing")[0], batch=BATCH)
    return Moments(*(x[:, 0, 0] for x in world.moments(given="pair")[0]))


def _estimated(
    rng: np.random.Generator, world: TraceWorld, samples: int, times: int, *, over_data: bool = False
) -> PlugIn:
    trace, empty = _drawn(rng, world, samples, times, over_data=over_data)
    if over_data:
        return weight_over_data(trace, empty, batch=BATCH)
    # Where all sampled traces are empty both gradients coincide and nothing can be estimated: keep the trace gradient.
    same = np.max(np.abs(trace - empty), axis=(-2, -1)) < 1e-9
    found = weight_per_pair(np.where(same[..., None, None], empty + 1.0, trace), empty[:, :, 0])
    return found._replace(
        weight=np.where(same, 1.0, found.weight),
        unclipped=np.where(same, 1.0, found.unclipped),
        standard_error=np.where(same, 0.0, found.standard_error),
    )


def _regret(weight: Any, moments: Moments) -> np.ndarray:
    """MSE(α) − MSE(α*), for replications along the second axis."""
    wide = Moments(*(x[:, None] for x in moments))
    return mean_squared_error(weight, *wide) - mean_squared_error(optimal_weight(*wide), *wide)


def _mean_regrets(rng: np.random.Generator, world: TraceWorld, *, over_data: bool) -> np.ndarray:
    """Mean regret at every sample size, as a part of both ends' errors: (worlds, sizes). A few worlds at a time."""
    found = []
    for start in range(0, len(world.beta), 16):
        few = jax.tree_util.tree_map(lambda x, start=start: x[start : start + 16], world)
        moments = _truth(few, over_data=over_data)
        scale = mean_squared_error(0.0, *moments) + mean_squared_error(1.0, *moments)
        sizes = PAIRS if over_data else TRACES
        weights = [_estimated(rng, few, k, REPLICATIONS, over_data=over_data).weight for k in sizes]
        found.append(np.stack([np.mean(_regret(weight, moments), axis=-1) / scale for weight in weights], axis=-1))
    return np.concatenate(found)


pair_at_start = tabular(scale=0.5)
pair_after_drift = tabular(scale=0.5, drift=uniform(2, 3))
data_at_start = shared(drift=NOTHING, flip_rate=NOTHING, prompts=4)
data_after_drift = shared(drift=uniform(2, 3), flip_rate=NOTHING, prompts=4)


@evidence("bvpo/plug-in-regret", kind="rate", over=pair_at_start, size=256)
def regret_by_traces(world: TraceWorld, draw: Draw):
    """One pair at initialisation, k traces: the mean regret of the estimated weight falls as 1/k."""
    moments = _truth(world, over_data=False)
    ends = mean_squared_error(0.0, *moments) + mean_squared_error(1.0, *moments)
    half = _regret(np.full((1, 1), 0.5), moments)[:, 0] / ends
    regrets = _mean_regrets(draw.rng, world, over_data=False)
    return exponent(TRACES, regrets, between=(-1.3, -0.7), predicted=-1.0, series={"half": np.median(half)})


regret_by_traces.control(
    "away from the reference the trace gradient is biased, which the estimate ignores", over=pair_after_drift
)


@evidence("bvpo/plug-in-regret", kind="rate", over=data_at_start, size=256)
def regret_by_pairs(world: TraceWorld, draw: Draw):
    """Over the data at initialisation, n pairs for a step of eight: the mean regret falls as 1/n."""
    regrets = _mean_regrets(draw.rng, world, over_data=True)
    return exponent(PAIRS, regrets, between=(-1.3, -0.7), predicted=-1.0)


regret_by_pairs.control(
    "away from the reference the trace gradient is biased, which the estimate ignores", over=data_after_drift
)


@evidence("bvpo/plug-in-beats-half", kind="sampled", over=pair_at_start, size=1024)
def regret_against_equal_weights(world: TraceWorld, draw: Draw, traces: int = 64):
    """Regret of the estimated weight less that of ½, in parts of the largest possible regret: below 0 on average."""
    moments = _truth(world, over_data=False)
    worst = np.max(_regret(np.array([[0.0, 1.0]]), moments), axis=-1)
    estimated = _regret(_estimated(draw.rng, world, traces, 1).weight, moments)[:, 0]
    half = _regret(np.full((1, 1), 0.5), moments)[:, 0]
    return mean_at_most(((estimated - half) / worst)[:, None], np.zeros(1), low=-1.0 - 1e-9, high=1.0 + 1e-9)


regret_against_equal_weights.control("four traces are too few", traces=4)


@evidence("bvpo/plug-in-interval", kind="sampled", over=pair_at_start, size=1024)
def coverage_of_the_interval(world: TraceWorld, draw: Draw, traces: int = 128):
    """The 95 % interval by the delta method covers the unclipped optimal weight in 92 to 98 of 100 pairs."""
    found = _estimated(draw.rng, world, traces, 1)
    off = np.abs(found.unclipped[:, 0] - unclipped_weight(*_truth(world, over_data=False)))
    covered = (off <= 1.96 * found.standard_error[:, 0]).astype(float)
    return mean_between(
        covered[:, None], (np.array([0.92]), np.array([0.98])), low=0.0, high=1.0, predicted=np.array([0.95])
    )


coverage_of_the_interval.control("four traces are too few for the first-order interval", traces=4)
