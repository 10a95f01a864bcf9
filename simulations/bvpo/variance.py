"""What mixing does to the variance (Theorem 1), what that leaves open; sources of noise and of bias."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import uniform
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, exponent, mean_at_least
from lab.mixing.closed_form import covariance, mixed, variance
from lab.mixing.traces import TraceWorld
from simulations.bvpo.worlds import (
    NOTHING,
    PROMPTS,
    TokenTraces,
    anywhere,
    at_start,
    shared,
    tabular,
    tokens,
    with_law,
    zero_logits,
)

WEIGHT = 0.3


def _covariance(weight: Any, x: Any, y: Any) -> Any:
    """Cov(x, y) of outcomes (..., outcomes, dim) under probabilities (..., outcomes), around their own means."""
    xp = namespace(x)
    x = x - xp.sum(weight[..., None] * x, axis=-2, keepdims=True)
    y = y - xp.sum(weight[..., None] * y, axis=-2, keepdims=True)
    return xp.matmul(xp.matrix_transpose(weight[..., None] * x), y)


@evidence("bvpo/conditional-variance", kind="exact", over=anywhere)
def conditional_covariance(world: TraceWorld, over_data: bool = False, instead: str | None = None):
    """Enumerate the traces of each pair, mix, and compare the covariance matrix with α² times the trace gradient's."""
    out = world.outcomes()
    xp = namespace(out.trace)
    empty = {None: out.empty, "zero": 0.0 * out.empty, "opposite": -out.ideal}[instead][..., None, None, :]
    both = mixed(out.trace, empty + 0.0 * out.trace, weight=WEIGHT)
    joint = (out.chance[..., None, None] if over_data else np.ones((PROMPTS, 2, 1, 1))) * out.law
    last = 4 if over_data else 2
    flat = joint.reshape((*joint.shape[:-last], -1))
    trace, both = (g.reshape((*flat.shape, g.shape[-1])) for g in (out.trace, both))
    found = _covariance(flat, both, both)
    return equal(found, covariance(WEIGHT, _covariance(flat, trace, trace), *[xp.zeros_like(found)] * 2))


conditional_covariance.control("over prompts and labels too, the empty-trace gradient varies", over_data=True)
conditional_covariance.control(
    "Theorem 1 is silent on quality: the zero vector in place of the empty-trace gradient satisfies it",
    instead="zero", expected="holds",
)  # fmt: skip
conditional_covariance.control("so does the gradient that points the wrong way", instead="opposite", expected="holds")


@evidence("bvpo/total-variance", kind="exact", over=anywhere)
def total_variance(world: TraceWorld, forget: bool = False):
    """Enumerate prompts, labels and traces: the mixture's total variance, against its formula with the covariance."""
    out = world.outcomes()
    xp = namespace(out.trace)
    both = mixed(out.trace, out.empty[..., None, None, :] + 0.0 * out.trace, weight=WEIGHT)
    chance = out.chance[..., None, None] * out.law
    mean = xp.sum(chance[..., None] * both, axis=(-5, -4, -3, -2), keepdims=True)
    found = xp.sum(chance * xp.sum((both - mean) ** 2, axis=-1), axis=(-4, -3, -2, -1))
    around, _ = world.moments(given="nothing", outcomes=out)
    return equal(found, variance(WEIGHT, around.var_trace, around.var_empty, 0.0 if forget else around.cov))


total_variance.control("the two gradients share prompts and labels: without their covariance it is wrong", forget=True)

four_prompts = shared(prompts=4, drift=NOTHING, flip_rate=NOTHING)


@evidence("bvpo/variance-reduced-in-total", kind="exact", over=four_prompts)
def total_variance_of_equal_weights(world: TraceWorld, scale: float = 4.0, given: str = "nothing"):
    """Four prompts, the empty-trace gradient times 4: the variance of the mixture at ½ against S_t."""
    around, _ = world.moments(given=given)
    mixture = variance(0.5, around.var_trace, scale**2 * around.var_empty, scale * around.cov)
    return at_most(mixture, around.var_trace)


total_variance_of_equal_weights.control("with the pair fixed only the traces vary", given="pair")


@evidence("bvpo/total-variance-of-traces", kind="exact", over=anywhere)
def law_of_total_variance(world: TraceWorld, forget: bool = False):
    """Var(g_t) over the data = mean of the trace-sampling variance + variance of the pairs' means."""
    within, between = world.trace_noise()
    around, _ = world.moments(given="nothing")
    return equal(around.var_trace, within if forget else within + between)


law_of_total_variance.control("trace sampling is not all of it", forget=True)


@evidence("bvpo/trace-noise-dominates", kind="exact", over=tokens)
def trace_noise_against_data_noise(world: TokenTraces, length: int = 1):
    """Trace-sampling variance against the variance between the pairs' means, at initialisation."""
    within, between = world.at(length).trace_noise()
    return below(between, within)


trace_noise_against_data_noise.control("traces of four tokens instead of one", length=4)


@evidence("bvpo/trace-noise-grows-with-length", kind="exact", over=tokens, size=128)
def trace_noise_by_length(world: TokenTraces, copies: bool = False, drift: float = 0.0):
    """The trace-sampling variance of T independent tokens is T times that of one; the variance between pairs stays."""
    one, between = world.at(1, drift=drift).trace_noise()
    findings = []
    for length in (2, 3, 4):
        within, others = world.at(length, copies=copies, drift=drift).trace_noise()
        findings += [equal(within, length * one), equal(others, between)]
    return tuple(findings)


trace_noise_by_length.control("tokens that repeat the first one: the variance grows as T²", copies=True)
trace_noise_by_length.control("away from the reference, margins weigh the traces", drift=1.0)


@evidence("bvpo/trace-noise-grows-with-traces", kind="exact", over=tabular(scale=0), size=16)
def trace_noise_by_number_of_traces(world: TraceWorld, drift: float = 0.0):
    """All logits 0, m real traces and the empty one: both parts of Var(g_t) in closed form, their ratio linear in m."""
    findings = []
    for real, answers in ((1, 2), (2, 3), (4, 2), (8, 4)):
        for flip_rate in (0.1, 0.3):
            here = zero_logits(world.beta, traces=real + 1, answers=answers, drift=drift, flip_rate=flip_rate)
            within, between = here.trace_noise()
            square = world.beta**2 / (2.0 * (real + 1))
            labels = 4.0 * flip_rate * (1.0 - flip_rate)
            findings += [
                equal(answers * within, real * (2 * answers - 1) * square),
                equal(between, labels * square),
                equal(labels * answers * within, real * (2 * answers - 1) * between),
            ]
    return tuple(findings)


trace_noise_by_number_of_traces.control("away from the reference", drift=0.1)


def _down_the_ideal_loss(world: TraceWorld) -> np.ndarray:
    """Unit vectors against the gradient of the ideal loss at the reference, where training goes first."""
    _, target = replace(world, theta=world.reference).moments(given="nothing")
    return -target / np.linalg.norm(target, axis=-1, keepdims=True)


@evidence("bvpo/trace-noise-grows-with-drift", kind="sampled", over=shared(drift=uniform(1, 1)), size=1024)
def trace_noise_by_drift(world: TraceWorld, draw: Draw, trained: bool = False):
    """Trace-sampling variance at distances 0, 0.3, 1 and 3 in a random direction: S' of the larger distance against S
    of the one before, as S'/(S + S'), above 1/2 on average at every step."""
    along = _down_the_ideal_loss(world) if trained else world.theta - world.reference
    noise = [replace(world, theta=world.reference + s * along).trace_noise()[0] for s in (0.0, 0.3, 1.0, 3.0)]
    values = np.stack([after / (before + after) for before, after in pairwise(noise)], axis=-1)
    return mean_at_least(values, np.full(3, 0.5), low=0.0, high=1.0, series={"means": np.mean(noise, axis=-1)})


trace_noise_by_drift.control("down the gradient of the ideal loss the noise falls at first", trained=True)


@evidence("bvpo/unbiased-at-initialisation", kind="exact", over=at_start)
def bias_at_initialisation(world: TraceWorld, law: str | None = None):
    """At θ = θ_ref, with traces that the reference produced with the answers, E g_t is every pair's ideal gradient."""
    around, target = with_law(world, law).moments(given="pair")
    return equal(around.bias_trace + target, target)


bias_at_initialisation.control("traces from the prior, not with the answer", law="prior")
bias_at_initialisation.control("the empty trace left out of the data", law="posterior_without_empty")


@evidence("bvpo/unbiased-during-training", kind="exact", over=anywhere)
def bias_during_training(world: TraceWorld, at_reference: bool = False):
    """The same away from the reference."""
    return bias_at_initialisation(replace(world, theta=world.reference) if at_reference else world)


bias_during_training.control("at the reference itself", at_reference=True)


@evidence("bvpo/bias-grows-with-drift", kind="rate", over=shared(drift=uniform(1, 1)), size=256)
def squared_bias_by_drift(world: TraceWorld, draw: Draw, law: str | None = None):
    """‖b_t‖² of the first pair, enumerated at distances s from the reference: for small s it grows as s²."""
    distances = np.geomspace(0.003, 0.1, 6)
    biases = []
    for distance in distances:
        theta = world.reference + distance * (world.theta - world.reference)
        around, _ = replace(with_law(world, law), theta=theta).moments(given="pair")
        biases.append(np.sum(around.bias_trace[:, 0, 0] ** 2, axis=-1))
    return exponent(distances, np.stack(biases, axis=-1), between=(1.9, 2.1), predicted=2.0)


squared_bias_by_drift.control("traces from the prior are biased from the start", law="prior")
