"""The baseline that the paper lacks: the mean over several traces of a pair, instead of a mixture or beside it."""

from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.mixing import Moments, averaged, mean_squared_error, optimal_weight, variance
from lab.worlds.family import uniform
from lab.worlds.traces import TraceWorld
from simulations.bvpo.worlds import anywhere, at_start, shared, tabular


@evidence("bvpo/mixing-is-averaging", kind="exact", over=anywhere, size=128)
def variance_of_two_averaged_traces(world: TraceWorld, power: float = 2.0):
    """Enumerate two independent traces of a pair: their mean varies as much as the mixture of weight 2^(−1/2)."""
    out = world.outcomes()
    xp = namespace(out.trace)
    flat = (*out.trace.shape[:-3], -1, out.trace.shape[-1])
    trace, law = out.trace.reshape(flat), out.law.reshape((*out.law.shape[:-2], -1))
    both = (trace[..., :, None, :] + trace[..., None, :, :]) / 2.0
    mean = xp.sum(law[..., None] * trace, axis=-2)
    square = xp.sum((both - mean[..., None, None, :]) ** 2, axis=-1)
    found = xp.sum(law[..., :, None] * law[..., None, :] * square, axis=(-2, -1))
    moments, _ = world.moments(given="pair", outcomes=out)
    weight = 2.0 ** (-1.0 / power)
    return (
        equal(found, variance(weight, moments.var_trace, moments.var_empty, moments.cov)),
        equal(found, averaged(moments, traces=2, within=moments.var_trace).var_trace),
    )


variance_of_two_averaged_traces.control("weight 1/k in place of k^(−1/2)", power=1.0)


def _with_traces(moments: Moments, traces: int) -> Moments:
    return averaged(moments, traces=traces, within=moments.var_trace)


@evidence("bvpo/mixing-beats-averaging", kind="exact", over=at_start)
def mixture_against_two_traces(world: TraceWorld):
    """At equal cost, one trace and one empty-trace gradient: the best mixture against the mean of two traces."""
    moments, _ = world.moments(given="pair")
    return at_most(
        mean_squared_error(optimal_weight(*moments), *moments), mean_squared_error(1.0, *_with_traces(moments, 2))
    )


mixture_against_two_traces.control("one prompt, all logits 0: the best weight is below 1/2", over=tabular(scale=0))


@evidence("bvpo/averaging-wins-above", kind="exact", over=at_start)
def error_of_mixture_and_of_averages(world: TraceWorld, drift: float = 0.0):
    """With b_t = 0: MSE(α*) = α* S_t and MSE(k traces) = S_t/k, so k traces beat the best mixture iff α* > 1/k."""
    moments, _ = world.moments(given="pair")
    if drift:
        moments = moments._replace(bias_trace=moments.bias_trace + drift)
    weight = optimal_weight(*moments)
    findings = [equal(mean_squared_error(weight, *moments), weight * moments.var_trace)]
    findings += [equal(mean_squared_error(1.0, *_with_traces(moments, k)), moments.var_trace / k) for k in (2, 4, 16)]
    return tuple(findings)


error_of_mixture_and_of_averages.control("a biased trace gradient keeps its bias under averaging", drift=0.3)


@evidence("bvpo/mixing-combines-with-averaging", kind="exact", over=shared(drift=uniform(0, 3)), size=256)
def mixture_of_averages(world: TraceWorld, keep_weight: bool = False):
    """The best mixture with the mean of k traces beats that mean, the empty gradient, and the mixture of fewer."""
    moments, _ = world.moments(given="pair")
    first = optimal_weight(*moments)
    before = mean_squared_error(first, *moments)
    findings = []
    for traces in (2, 4, 16):
        here = _with_traces(moments, traces)
        weight = first if keep_weight else optimal_weight(*here)
        found = mean_squared_error(weight, *here)
        findings += [at_most(found, before), *(at_most(found, mean_squared_error(end, *here)) for end in (0.0, 1.0))]
        before = found
    return tuple(findings)


mixture_of_averages.control("with the weight for one trace", keep_weight=True)


@evidence("bvpo/equal-cost-frontier", kind="exact", over=tabular(scale=0), size=16)
def frontier(world: TraceWorld, extra: int = 0):
    """All logits 0, K answers: averaged traces match the best mixture at k = 3 − 1/K, between two and three."""
    findings = []
    moments, _ = world.moments(given="pair")
    best = mean_squared_error(optimal_weight(*moments), *moments)
    traces = np.arange(1, 9)
    errors: list[Any] = [mean_squared_error(1.0, *_with_traces(moments, int(k))) for k in traces]
    findings += [at_most(best, errors[1 + extra]), at_most(errors[2], best)]
    return tuple(findings)


frontier.control("three traces in place of two", extra=1)
