"""The random worlds that BVPO's claims are checked on, and the ones that were built to break them."""

from dataclasses import replace
from typing import Any

import numpy as np

from lab.family import Family, family, integers, log_uniform, normal, uniform, world
from lab.mixing.quadratic import MixedQuadratic, NoisyQuadratic
from lab.mixing.traces import TraceWorld, shared_worlds, tabular_design, token_design

TRACES, ANSWERS, PROMPTS, DIM = 3, 3, 3, 5


def shared(*, drift: Any = None, flip_rate: Any = None, prompts: int = PROMPTS, beta: Any = None) -> Family:
    """Prompts that share parameters through random designs, away from the reference, with noisy labels."""
    return family(
        shared_worlds,
        reference=normal(1, shape=(DIM,)),
        direction=normal(1, shape=(DIM,)),
        drift=uniform(0.1, 3) if drift is None else drift,
        design=normal(0.7, shape=(prompts, TRACES * (1 + ANSWERS), DIM)),
        preferred=integers(0, ANSWERS - 1, shape=(prompts,)),
        step=integers(1, ANSWERS - 1, shape=(prompts,)),
        beta=log_uniform(0.2, 3) if beta is None else beta,
        flip_rate=uniform(0, 0.4) if flip_rate is None else flip_rate,
        traces=TRACES,
        answers=ANSWERS,
    )


NOTHING = uniform(0, 0)
anywhere = shared()
at_start = shared(drift=NOTHING)


def misled_worlds(design: Any, **parameters: Any) -> TraceWorld:
    """Without a trace the model prefers the opposite: the logits after the empty trace are the others' negatives."""
    traces, answers = parameters["traces"], parameters["answers"]
    design = design.copy()
    common = design[..., -answers:, :]
    for trace in range(traces):
        rows = slice(traces + trace * answers, traces + (trace + 1) * answers)
        design[..., rows, :] = -common if trace == 0 else common + 0.2 * design[..., rows, :]
    return shared_worlds(design=design, **parameters)


misled = family(misled_worlds, **(shared(flip_rate=NOTHING).parameters | {"drift": uniform(0, 0.3)}))


def tabular_worlds(reference: Any, direction: Any, drift: Any, **parameters: Any) -> TraceWorld:
    """One prompt with a parameter for every logit."""
    traces, answers = parameters["traces"], parameters["answers"]
    one = tabular_design(traces, answers)
    design = np.broadcast_to(one, (len(reference), *one.shape))
    return shared_worlds(reference, direction, drift, design, **parameters)


def tabular(*, traces: int = TRACES, answers: int = ANSWERS, scale: float = 1.0, drift: Any = NOTHING) -> Family:
    size = traces * (1 + answers)
    return family(
        tabular_worlds,
        reference=normal(scale, shape=(size,)) if scale else uniform(0, 0, shape=(size,)),
        direction=normal(1, shape=(size,)),
        drift=drift,
        preferred=integers(0, answers - 1, shape=(1,)),
        step=integers(1, answers - 1, shape=(1,)),
        beta=log_uniform(0.2, 3),
        flip_rate=NOTHING,
        traces=traces,
        answers=answers,
    )


def zero_logits(beta: Any, *, traces: int, answers: int, drift: float = 0.0, flip_rate: float = 0.0) -> TraceWorld:
    """One prompt whose logits are all 0 at the reference, for every β; `drift` times 0, 1, 2, … away from it."""
    one = tabular(traces=traces, answers=answers, scale=0).draw(np.random.default_rng(0), len(beta))
    at_zero = 0.0 * beta[:, None] + np.zeros(traces * (1 + answers))
    theta = at_zero + drift * np.arange(traces * (1 + answers))
    return replace(one, beta=beta, reference=at_zero, theta=theta, flip_rate=flip_rate + 0.0 * beta)


def with_law(traces: TraceWorld, law: str | None) -> TraceWorld:
    """The world with another law of the sampled traces."""
    return traces if law is None else replace(traces, trace_law=law)


@world
class TokenTraces:
    """Reasoning in binary tokens: the parameters are the logits of the empty trace, the two tokens, and the answers."""

    reference: Any
    direction: Any
    preferred: Any
    step: Any
    beta: Any
    flip_rate: Any

    def at(self, length: int, *, copies: bool = False, drift: float = 0.0) -> TraceWorld:
        """The world whose traces have this many tokens; in the data, every answer has a trace."""
        answers = self.reference.shape[-1] - 3
        one = token_design(length, answers, copies=copies)
        design = np.broadcast_to(one, (len(self.reference), *one.shape))
        distance = np.full(len(self.reference), drift)
        parameters = (
            self.reference,
            self.direction,
            distance,
            design,
            self.preferred,
            self.step,
            self.beta,
            self.flip_rate,
        )
        traces = 1 + 2 ** (1 if copies else length)
        return with_law(shared_worlds(*parameters, traces=traces, answers=answers), "posterior_without_empty")


tokens = family(
    TokenTraces,
    reference=normal(0.3, shape=(3 + ANSWERS,)),
    direction=normal(1, shape=(3 + ANSWERS,)),
    preferred=integers(0, ANSWERS - 1, shape=(1,)),
    step=integers(1, ANSWERS - 1, shape=(1,)),
    beta=log_uniform(0.2, 3),
    flip_rate=uniform(0, 0.4),
)

quadratics = family(
    NoisyQuadratic,
    curvature=log_uniform(0.05, 2, shape=(3,)),
    start=normal(1, shape=(3,)),
    bias=normal(0.3, shape=(3,)),
    noise=log_uniform(0.01, 2, shape=(3,)),
    step_size=uniform(0.05, 0.5),
)


def sharp_worlds(sharpness: Any, step_size: Any, **parameters: Any) -> NoisyQuadratic:
    """Curvatures in units of the inverse step size: a direction forgets its start at the rate |1 − ηh|."""
    return NoisyQuadratic(curvature=sharpness / step_size[:, None], step_size=step_size, **parameters)


sharp_quadratics = family(
    sharp_worlds,
    sharpness=uniform(0.2, 1.8, shape=(3,)),
    step_size=log_uniform(0.05, 5),
    start=normal(1, shape=(3,)),
    bias=normal(0.3, shape=(3,)),
    noise=log_uniform(0.01, 2, shape=(3,)),
)


def mixed_quadratics(smoothness_step: Any, *, unbiased: bool = False) -> Family:
    """One-dimensional problems with two estimators; `unbiased` makes the trace gradient so, as at initialisation."""
    return family(
        MixedQuadratic,
        curvature=log_uniform(0.1, 10),
        smoothness_step=smoothness_step,
        bias_trace=uniform(0, 0, shape=(1,)) if unbiased else normal(0.3, shape=(1,)),
        bias_empty=uniform(0.2, 1, shape=(1,)),
        var_trace=log_uniform(0.1, 2),
        var_empty=log_uniform(0.01, 0.5),
        correlation=uniform(-0.5, 0.5),
    )
