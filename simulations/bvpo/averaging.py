"""Baselines that the paper lacks: the mean over several traces of a pair, and gradients with less noise."""

from dataclasses import replace
from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below, equal
from lab.mixing.closed_form import (
    Moments,
    averaged,
    mean_squared_error,
    optimal_weight,
    unclipped_weight,
    variance,
)
from lab.mixing.traces import TraceWorld
from simulations.bvpo.worlds import TRACES, anywhere, at_start, shared, tabular, zero_logits


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


def _with_traces(moments: Moments, traces: float) -> Moments:
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


@evidence("bvpo/weight-rises-with-traces", kind="exact", over=anywhere, size=256)
def weight_by_number_of_traces(world: TraceWorld, summed: bool = False):
    """Best weights beside the mean of k traces: none is below one of fewer traces, and before clipping its inverse
    lies S_t/(kN) above that of the limit N/‖b_t − b_e‖², N = ⟨b_e, b_e − b_t⟩."""
    moments, _ = world.moments(given="pair")
    xp = namespace(moments.var_trace)
    apart = moments.bias_empty - moments.bias_trace
    part, distance = xp.sum(moments.bias_empty * apart, axis=-1), xp.sum(apart**2, axis=-1)
    limit = optimal_weight(*_with_traces(moments, np.inf))
    findings, before = [], 0.0 * part
    for traces in (1, 2, 4, 16, 256):
        here = moments._replace(var_trace=traces * moments.var_trace) if summed else _with_traces(moments, traces)
        weight = optimal_weight(*here)
        findings += [
            at_most(before, weight),
            at_most(weight, limit),
            equal(unclipped_weight(*here) * (distance + moments.var_trace / traces), part),
        ]
        before = weight
    return *findings, equal(unclipped_weight(*_with_traces(moments, np.inf)) * distance, part)


weight_by_number_of_traces.control("the noise of k traces added up in place of averaged", summed=True)


@evidence("bvpo/weight-rises-with-traces", kind="exact", over=at_start, size=256)
def weight_tends_to_one_at_the_start(world: TraceWorld, drift: float = 0.0):
    """At initialisation the best weight rises strictly with k, and 1 − α*_k = S_t/(S_t + k‖b_e‖²): the limit is 1."""
    moments, _ = replace(world, theta=world.reference + drift).moments(given="pair")
    xp = namespace(moments.var_trace)
    square = xp.sum(moments.bias_empty**2, axis=-1)
    findings, before = [], None
    for traces in (1, 2, 4, 16, 256):
        weight = optimal_weight(*_with_traces(moments, traces))
        findings.append(equal((1.0 - weight) * (moments.var_trace + traces * square), moments.var_trace))
        findings += [] if before is None else [below(before, weight)]
        before = weight
    return tuple(findings)


weight_tends_to_one_at_the_start.control("a biased trace gradient keeps its bias, and the limit is not 1", drift=0.3)


@evidence("bvpo/equal-cost-frontier", kind="exact", over=tabular(scale=0), size=16)
def frontier(world: TraceWorld, extra: int = 0):
    """All logits 0, K answers: the best mixture has the error of 3 − 1/K averaged traces, between two and three."""
    findings = []
    for traces, answers in ((2, 2), (3, 3), (4, 5)):
        moments, _ = zero_logits(world.beta, traces=traces, answers=answers).moments(given="pair")
        best = mean_squared_error(optimal_weight(*moments), *moments)
        two, three = (mean_squared_error(1.0, *_with_traces(moments, k + extra)) for k in (2, 3))
        findings += [
            at_most(best, two),
            at_most(three, best),
            equal(best * (3.0 + extra - 1.0 / answers), mean_squared_error(1.0, *moments)),
        ]
    return tuple(findings)


frontier.control("one trace more", extra=1)


@evidence("bvpo/rao-blackwell", kind="exact", over=anywhere, size=128)
def one_trace_averaged_out(world: TraceWorld, uniform_law: bool = False):
    """Enumerate E[g_t | r⁺]: its mean is that of g_t, and its variance is less by the mean of Var(g_t | r⁺)."""
    out = world.outcomes()
    xp = namespace(out.trace)
    plus = xp.sum(out.law, axis=-1, keepdims=True)
    rest = 0.0 * out.law + 1.0 / TRACES if uniform_law else out.law / plus
    given_plus = xp.sum(rest[..., None] * out.trace, axis=-2)
    around = out.trace - given_plus[..., None, :]
    removed = xp.sum(out.law * xp.sum(around**2, axis=-1), axis=(-2, -1))
    moments, target = world.moments(given="pair", outcomes=out)
    mean = xp.sum(plus * given_plus, axis=-2)
    spread = given_plus - mean[..., None, :]
    left = xp.sum(plus[..., 0] * xp.sum(spread**2, axis=-1), axis=-1)
    return (
        equal(mean, moments.bias_trace + target),
        equal(left, moments.var_trace - removed),
        below(left, moments.var_trace),
    )


one_trace_averaged_out.control("averaged over traces that are equally likely, not as in the data", uniform_law=True)


def _without_trace_score_noise(world: TraceWorld) -> tuple[Any, Any]:
    """Mean and variance, with the pair fixed, of the trace gradient whose trace logits' part is replaced by its mean.

    Where every logit has a parameter of its own, the first R coordinates are the score of log π(r|x).
    """
    out = world.outcomes()
    xp = namespace(out.trace)
    law = out.law[..., None]
    score = xp.sum(law * out.trace[..., : world.traces], axis=(-3, -2), keepdims=True)
    gradient = xp.concat([score + 0.0 * out.trace[..., : world.traces], out.trace[..., world.traces :]], axis=-1)
    mean = xp.sum(law * gradient, axis=(-3, -2), keepdims=True)
    variance = xp.sum(law * (gradient - mean) ** 2, axis=(-3, -2, -1))
    return mean[..., 0, 0, :], variance


@evidence("bvpo/without-trace-score-noise", kind="exact", over=tabular(scale=0), size=16)
def mixture_against_less_noise(world: TraceWorld, drift: float = 0.0):
    """All logits 0, R traces and K answers: errors without the noise of log π(r|x), alone and mixed, in closed form."""
    findings = []
    for traces, answers in ((2, 2), (3, 2), (2, 3), (3, 4), (5, 3)):
        here = zero_logits(world.beta, traces=traces, answers=answers, drift=drift)
        moments, target = here.moments(given="pair")
        mean, variance = _without_trace_score_noise(here)
        square = namespace(target).sum(moments.bias_empty**2, axis=-1)
        quiet = moments._replace(bias_trace=mean - target, var_trace=variance)
        alone, best = variance, mean_squared_error(optimal_weight(*moments), *moments)
        mixed = mean_squared_error(optimal_weight(*quiet), *quiet)
        findings += [
            equal(mean, target),
            equal(answers * variance, (answers - 1) * square),
            below(alone, best) if answers == 2 else below(best, alone),
            equal((2 * answers - 1) * optimal_weight(*quiet), answers + 0.0 * square),
            below(mixed, alone),
            below(mixed, best),
        ]
    return tuple(findings)


mixture_against_less_noise.control("away from the reference", drift=0.1)
