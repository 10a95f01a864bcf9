"""The optimal weight (Theorem 2), the strict improvement (Corollary 1), and what equal weights do instead."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from lab.arrays import namespace
from lab.family import uniform
from lab.inference.rounding import value
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, mean_equals
from lab.mixing.closed_form import Moments, improvement, mean_squared_error, mixed, optimal_weight, unclipped_weight
from lab.mixing.traces import TraceWorld
from simulations.bvpo.brute_force import best_weight
from simulations.bvpo.worlds import TRACES, anywhere, misled, shared, tabular, with_law, zero_logits


def _enumerated_error(world: TraceWorld, weight: Any, target: Any, empty: Any = None) -> Any:
    """Mean of ‖g_c − μ‖² over traces with the pair fixed, straight from the outcomes: (worlds, prompts, 2)."""
    out = world.outcomes()
    xp = namespace(out.trace)
    empty = (out.empty if empty is None else empty)[..., None, None, :] + 0.0 * out.trace
    both = mixed(out.trace, empty, weight=weight[..., None, None] if hasattr(weight, "ndim") else weight)
    return xp.sum(out.law * xp.sum((both - target[..., None, None, :]) ** 2, axis=-1), axis=(-2, -1))


def without_empty_noise(moments: Moments) -> Moments:
    """The moments of somebody who forgets that the empty-trace gradient varies with the pair."""
    return moments._replace(var_empty=0.0 * moments.var_empty, cov=0.0 * moments.cov)


@evidence("bvpo/optimal-weight", kind="exact", over=anywhere, size=32)
def weight_by_brute_force(world: TraceWorld, forget: bool = False):
    """The closed form against a search in exact integers over 2^40 weights, over the data: agreement to 1e-10."""
    out = world.outcomes()
    moments, target = world.moments(given="nothing", outcomes=out)
    found = optimal_weight(*(without_empty_noise(moments) if forget else moments))
    trace = value(out.trace)
    flat = (len(trace), -1, trace.shape[-1])
    empty = np.broadcast_to(value(out.empty)[..., None, None, :], trace.shape)
    chance = value(out.chance)[..., None, None] * value(out.law)
    searched = best_weight(chance.reshape(len(trace), -1), trace.reshape(flat), empty.reshape(flat), value(target))
    return at_most(abs(found - searched), 1e-10)


weight_by_brute_force.control("the weight that takes the empty-trace gradient as noiseless", forget=True)


def _with_the_optimum_outside(world: TraceWorld) -> list[tuple[Any, Moments, Any]]:
    """Empty-trace gradients, moments and target where the parabola's vertex lies below 0, and where it lies above 1."""
    moments, target = world.moments(given="pair")
    bias = namespace(target).sum(moments.bias_trace**2, axis=-1)
    # ⟨b_e, b_e − b_t⟩ < 0 for half of the trace gradient's bias; S_t < ⟨b_t, b_e − b_t⟩ for a far longer one.
    ratios = (0.5, 2.0 + (moments.var_trace / bias)[..., None])
    return [_along_the_trace_bias(world, ratio) for ratio in ratios]


@evidence("bvpo/optimal-weight", kind="exact", over=anywhere, size=16)
def weight_at_the_ends(world: TraceWorld, clipped: bool = True):
    """The same search with the first pair fixed, where the vertex lies outside [0, 1]: the best weight is an end."""
    out, findings = world.outcomes(), []
    trace, law = (value(x)[:, 0, 0].reshape(len(world.beta), TRACES**2, -1) for x in (out.trace, out.law[..., None]))
    for side, (empty, moments, target) in zip((-1.0, 1.0), _with_the_optimum_outside(world), strict=True):
        vertex = unclipped_weight(*moments)[:, 0, 0]
        findings.append(below(0.5, side * (vertex - 0.5)))
        empty, target = (value(x)[:, 0, 0] for x in (empty, target))
        searched = best_weight(law[..., 0], trace, np.broadcast_to(empty[:, None], trace.shape), target)
        found = optimal_weight(*moments)[:, 0, 0] if clipped else vertex
        findings.append(at_most(abs(found - searched), 1e-10))
    return tuple(findings)


weight_at_the_ends.control("the vertex itself", clipped=False)

CURVE = shared(drift=uniform(1, 1)).draw(np.random.default_rng(1), 1)
CURVE = jax.tree_util.tree_map(lambda field: field[0], CURVE)
WEIGHTS = np.linspace(0, 1, 21)


@evidence("bvpo/error-is-a-parabola", kind="sampled", over=CURVE)
def error_at_21_weights(world: TraceWorld, draw: Draw, forget: bool = False):
    """Sampled squared errors of the mixture at 21 weights, over the data, against the parabola; to 5 %."""
    out = world.outcomes()
    moments, target = world.moments(given="nothing", outcomes=out)
    trace, empty = (np.asarray(g) for g in world.sample(draw.key, draw.size))
    along = trace - empty
    # ‖α(g_t − g_e) + (g_e − μ)‖², from three sums a draw.
    a, b, c = (
        np.sum(x * y, axis=-1)[:, None] for x, y in ((along, along), (along, empty - target), (empty - target,) * 2)
    )
    curve = mean_squared_error(WEIGHTS, *(moments._replace(cov=0.0 * moments.cov) if forget else moments))
    ends = [np.max(np.sum((g - target) ** 2, axis=-1)) for g in (out.trace, out.empty)]
    series = {
        "weight": WEIGHTS,
        "best": optimal_weight(*moments),
        "ends": mean_squared_error(np.array([0.0, 1.0]), *moments),
    }
    return mean_equals(
        WEIGHTS**2 * a + 2 * WEIGHTS * b + c,
        curve,
        within=0.05 * curve,
        low=0.0,
        high=max(ends) * (1 + 1e-9),
        series=series,
    )


error_at_21_weights.control("without the covariance of the two gradients", forget=True)


@evidence("bvpo/mixture-dominates", kind="exact", over=shared(drift=uniform(0, 3)), size=256)
def domination(world: TraceWorld, forget: bool = False):
    """MSE at the optimal weight against both ends: with the pair fixed, and over the data in batches of one."""
    findings = []
    for given in ("pair", "nothing"):
        moments, _ = world.moments(given=given)
        weight = optimal_weight(*(without_empty_noise(moments) if forget else moments))
        error = mean_squared_error(weight, *moments)
        findings += [at_most(error, mean_squared_error(end, *moments)) for end in (0.0, 1.0)]
    return tuple(findings)


domination.control("over the data, with the weight for a fixed pair's kind of noise", forget=True)


@evidence("bvpo/initial-weight", kind="exact", over=tabular(scale=0), size=16)
def initial_weight(world: TraceWorld, law: str | None = None, drift: float = 0.0):
    """All logits 0, several numbers R of traces and K of answers: norms and weight against their closed forms."""
    findings = []
    for traces, answers in ((2, 2), (2, 3), (3, 2), (3, 4), (5, 3)):
        here = zero_logits(world.beta, traces=traces, answers=answers, drift=drift)
        moments, target = with_law(here, law).moments(given="pair")
        xp = namespace(target)
        square = (world.beta**2 / 2)[:, None]
        clean = Moments(*(x[:, :, 0] for x in moments))
        findings += [
            equal(xp.sum(target[:, :, 0] ** 2, axis=-1), square / traces),
            equal(xp.sum(clean.bias_empty**2, axis=-1), square * (traces - 1) / traces),
            equal(clean.var_trace, square * (traces - 1) * (2 * answers - 1) / (traces * answers)),
            equal((3 * answers - 1) * optimal_weight(*clean), 0.0 * square + answers),
        ]
    return tuple(findings)


initial_weight.control("traces from the data without empty ones", law="posterior_without_empty")
initial_weight.control("away from the reference", drift=0.1)


def _along_the_trace_bias(world: TraceWorld, ratio: Any) -> tuple[Any, Moments, Any]:
    """An empty-trace gradient whose bias is `ratio` times that of the trace gradient: it, the moments, the target."""
    moments, target = world.moments(given="pair")
    bias = ratio * moments.bias_trace
    return target + bias, moments._replace(bias_empty=bias), target


@evidence("bvpo/strict-improvement", kind="exact", over=anywhere, size=256)
def improvement_where_the_optimum_is_inside(world: TraceWorld, ratio: float = -1.0):
    """Opposite biases put the optimum strictly inside: by enumeration it gains N²/D and (D−N)²/D, both positive."""
    empty, moments, target = _along_the_trace_bias(world, ratio)
    xp = namespace(target)
    weight = optimal_weight(*moments)
    best = _enumerated_error(world, weight, target, empty)
    over_trace = _enumerated_error(world, 1.0, target, empty) - best
    over_empty = _enumerated_error(world, 0.0, target, empty) - best
    apart = moments.bias_empty - moments.bias_trace
    distance = xp.sum(apart**2, axis=-1) + moments.var_trace
    part = xp.sum(moments.bias_empty * apart, axis=-1)
    gains = improvement(*moments)
    return (
        equal(over_empty, part**2 / distance),
        equal(over_trace, (distance - part) ** 2 / distance),
        equal(gains.over_empty, over_empty),
        equal(gains.over_trace, over_trace),
        below(0.0 * gains.over_empty, gains.over_empty),
        below(0.0 * gains.over_trace, gains.over_trace),
    )


improvement_where_the_optimum_is_inside.control(
    "the empty-trace gradient has half the trace gradient's bias and no noise: it is best alone", ratio=0.5
)
improvement_where_the_optimum_is_inside.control(
    "equal biases put the optimum on the edge: nothing is gained, a tie", ratio=1.0, expected="undecided"
)


@evidence("bvpo/strict-improvement", kind="exact", over=anywhere, size=256)
def no_improvement_where_the_optimum_is_outside(world: TraceWorld, outside: bool = True):
    """Where the vertex lies outside (0, 1) the optimal mixture is the estimator at that end, error for error."""
    cases = _with_the_optimum_outside(world) if outside else [_along_the_trace_bias(world, -1.0)] * 2
    findings = []
    for end, (empty, moments, target) in zip((0.0, 1.0), cases, strict=True):
        gains = improvement(*moments)
        best = _enumerated_error(world, optimal_weight(*moments), target, empty)
        findings += [
            equal(best, _enumerated_error(world, end, target, empty)),
            equal(gains.over_trace if end else gains.over_empty, 0.0 * best),
            equal(
                gains.over_empty if end else gains.over_trace,
                _enumerated_error(world, 1.0 - end, target, empty) - best,
            ),
        ]
    return tuple(findings)


no_improvement_where_the_optimum_is_outside.control("opposite biases put the optimum inside", outside=False)


@evidence("bvpo/half-weight-rule", kind="exact", over=anywhere, size=256)
def equal_weights_rule(world: TraceWorld, edge: float = 0.25):
    """α = ½ lies below the better end by D·min(a − ¼, ¾ − a), a the unclipped weight: positive iff ¼ < a < ¾."""
    findings = []
    for given in ("pair", "nothing"):
        moments, _ = world.moments(given=given)
        xp = namespace(moments.var_trace)
        error = {weight: mean_squared_error(weight, *moments) for weight in (0.0, 0.5, 1.0)}
        distance = xp.sum((moments.bias_empty - moments.bias_trace) ** 2, axis=-1) + (
            moments.var_trace + moments.var_empty - 2 * moments.cov
        )
        best = unclipped_weight(*moments)
        margin = xp.minimum(best - edge, 1 - edge - best)
        findings.append(equal(xp.minimum(error[0.0], error[1.0]) - error[0.5], distance * margin))
    return tuple(findings)


equal_weights_rule.control("edges at 0.3 and 0.7", edge=0.3)


@evidence("bvpo/half-always-improves", kind="exact", over=misled)
def equal_weights_beat_traces(world: TraceWorld):
    """α = ½ against the trace gradient alone, pair by pair, where the model without a trace prefers the opposite."""
    moments, _ = world.moments(given="pair")
    return at_most(mean_squared_error(0.5, *moments), mean_squared_error(1.0, *moments))


equal_weights_beat_traces.control(
    "one prompt, all logits 0: the optimum lies between 1/3 and 2/5", over=tabular(scale=0)
)


@evidence("bvpo/empty-gradient-points-right", kind="exact", over=misled)
def inner_product_with_the_ideal(world: TraceWorld):
    """⟨g_e, μ⟩ ≥ 0 for every pair, where prompts and traces share parameters."""
    out = world.outcomes()
    product = namespace(out.empty).sum(out.empty * out.ideal, axis=-1)
    return at_most(0.0 * product, product)


inner_product_with_the_ideal.control(
    "no shared parameters: the inner product is positive for every pair", over=tabular(drift=uniform(0, 2))
)


@evidence("bvpo/empty-gradient-points-right-unshared", kind="exact", over=tabular(drift=uniform(0, 2)))
def inner_product_without_sharing(world: TraceWorld):
    """⟨g_e, μ⟩ > 0 for every pair, with one parameter a logit."""
    out = world.outcomes()
    product = namespace(out.empty).sum(out.empty * out.ideal, axis=-1)
    return below(0.0 * product, product)


inner_product_without_sharing.control("shared parameters that oppose each other", over=misled)


def _other_pairs(world: TraceWorld, *, both: bool) -> TraceWorld:
    """The world where the empty-trace data set prefers the third answer to the preferred one; `both`: so do traces."""
    pair = {"preferred_empty": 3 - world.preferred - world.rejected, "rejected_empty": world.preferred}
    if both:
        return replace(world, preferred=pair["preferred_empty"], rejected=pair["rejected_empty"], **pair)
    return replace(world, same_pairs=False, **pair)


@evidence("bvpo/different-pairs", kind="exact", over=anywhere, size=128)
def moments_with_pairs_of_its_own(world: TraceWorld, forget: bool = False):
    """Enumerate two independent data sets: bias and variance of the empty-trace gradient, errors of the mixture."""
    mixed_up, own = _other_pairs(world, both=False), _other_pairs(world, both=True)
    out = mixed_up.outcomes()
    xp = namespace(out.trace)
    moments, target = mixed_up.moments(given="nothing", outcomes=out)
    alone, other_target = own.moments(given="nothing")
    shift = 0.0 * target if forget else other_target - target
    flat = (len(out.trace), -1, out.trace.shape[-1])
    trace, empty = out.trace.reshape(flat)[:, :, None, :], out.empty.reshape(flat)[:, None, :, :]
    chance = (out.chance[..., None, None] * out.law).reshape(flat[:2])[:, :, None] * out.chance.reshape(flat[:2])[
        :, None
    ]
    findings = [equal(moments.bias_empty, alone.bias_empty + shift), equal(moments.var_empty, alone.var_empty)]
    for weight in (0.0, 0.3, 1.0):
        error = xp.sum((weight * trace + (1.0 - weight) * empty - target[:, None, None, :]) ** 2, axis=-1)
        found = xp.sum(chance * error, axis=(-2, -1))
        findings.append(equal(found, mean_squared_error(weight, *moments._replace(cov=0.0 * moments.cov))))
    return tuple(findings)


moments_with_pairs_of_its_own.control("as if both data sets had one target", forget=True)
