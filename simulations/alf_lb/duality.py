"""The assignment problem as a linear program: whole vertices, duals as biases, and when exact balance exists."""

from itertools import combinations, product

import numpy as np

from lab.arrays import namespace
from lab.family import family, uniform
from lab.inference.rounding import value
from lab.ledger.evidence import evidence
from lab.ledger.findings import below, equal
from lab.routing.lagrangian import dual_value, lagrangian
from lab.routing.optimum import LinearProgram, balanced_assignment, duals, linear_program
from lab.routing.selection import biased, centred, loads, route, weighted
from lab.routing.worlds import BiasedTokens, FixedTokens
from simulations.alf_lb.worlds import small, tokens, twins, uneven, wide

# HiGHS satisfies constraints to 1e-7 and reduced costs to 1e-7 (its default feasibility tolerances).
TOLERANCE = 1e-7


def _programs(world: FixedTokens) -> list[LinearProgram]:
    return [linear_program(scores, experts_per_token=world.experts_per_token) for scores in value(world.scores)]


@evidence("alf-lb/lp-is-integral", kind="exact", over=wide, size=128, rounding="declared")
def vertex_of_the_relaxation(world: FixedTokens):
    """HiGHS solves the relaxation of every world by its dual simplex; its vertex against the nearest whole numbers."""
    found = np.stack([program.routing for program in _programs(world)])
    return equal(found, np.round(found), error=TOLERANCE)


vertex_of_the_relaxation.control("13 tokens for 4 experts: the balanced load is no whole number", over=uneven)


@evidence("alf-lb/strong-duality", kind="exact", over=wide, size=128)
def value_of_the_program_and_dual_function(world: FixedTokens, no_bias: bool = False):
    """The solver's routing, its biases as shortest paths between experts: its value against D, whatever the solver."""
    routing = np.stack([program.routing > 0.5 for program in _programs(world)])
    bias = duals(world.scores, routing)
    dual = dual_value(world.scores, 0.0 * bias if no_bias else bias, experts_per_token=world.experts_per_token)
    return equal(namespace(bias).sum(weighted(routing, world.scores), axis=(-2, -1)), dual)


value_of_the_program_and_dual_function.control("plain top-K: D(0) is not the least", no_bias=True)


@evidence("alf-lb/strong-duality", kind="exact", over=wide, size=128, rounding="declared")
def prices_of_the_program(world: FixedTokens, sign: float = 1.0):
    """The solver's own prices of the load rows as biases: D there against the value of the program."""
    programs = _programs(world)
    bias = sign * np.stack([program.bias for program in programs])
    least = np.array([program.value for program in programs])
    # Each of the tokens × experts reduced costs may be off by the tolerance.
    error = TOLERANCE * world.scores[0].size
    return equal(dual_value(world.scores, bias, experts_per_token=world.experts_per_token), least, error=error)


prices_of_the_program.control("the prices with the other sign", sign=-1.0)


TOKENS, EXPERTS, TRIES = 6, 3, 64
BALANCED = [
    np.stack([np.isin(np.arange(TOKENS), group) for group in groups], axis=-1)
    for groups in product(combinations(range(TOKENS), 2), repeat=3)
    if len(set(sum(groups, ()))) == TOKENS
]


@evidence("alf-lb/balanced-is-optimal", kind="exact", over=tokens(TOKENS, EXPERTS, 1, lean=0.1), size=128)
def balanced_routings_against_all(world: FixedTokens, any_load: bool = False):
    """Under 64 random biases: where top-K is balanced, its value is the largest of all 90 balanced routings."""
    xp = namespace(world.scores)
    every = xp.stack([xp.sum(weighted(routing, world.scores), axis=(-2, -1)) for routing in BALANCED], axis=-1)
    best = xp.max(every, axis=-1)
    findings = []
    for bias in np.random.default_rng(0).uniform(-0.3, 0.3, (TRIES, EXPERTS)):
        routing = world.route(np.broadcast_to(bias, (len(world.scores), EXPERTS)))
        counted = any_load | np.all(loads(routing) == 2, axis=-1)
        found = xp.sum(weighted(routing, world.scores), axis=(-2, -1))
        findings.append(equal(xp.where(counted, found, best), best))
    return tuple(findings)


balanced_routings_against_all.control("routings with any loads", any_load=True)


@evidence("alf-lb/exact-balance-exists", kind="exact", over=small, size=256)
def top_k_under_the_mean_dual(world: FixedTokens):
    """Under the mean shortest paths of an optimal routing every load is exact, with a margin for every token."""
    assigned = [
        balanced_assignment(scores, experts_per_token=world.experts_per_token, warm_up=20).routing
        for scores in value(world.scores)
    ]
    bias = duals(world.scores, np.stack(assigned))
    load = loads(route(world.scores, bias, experts_per_token=world.experts_per_token))
    order = namespace(bias).sort(biased(world.scores, bias), axis=-1)
    k = world.experts_per_token
    margin = order[..., -k] - order[..., -k - 1]
    # Counts of tokens have no rounding error.
    return equal(load, world.balanced_load, error=0.0), below(0.0 * margin, margin)


top_k_under_the_mean_dual.control("every token comes twice: ties", over=twins(6, 4, 1))
top_k_under_the_mean_dual.control("13 tokens for 4 experts", over=uneven)


biased_tokens = family(
    BiasedTokens, scores=uniform(0, 1, shape=(16, 5)), bias=uniform(0.5, 1.5, shape=(5,)), experts_per_token=2
)


@evidence("alf-lb/recentring-is-free", kind="exact", over=biased_tokens)
def routing_under_centred_biases(world: BiasedTokens, bias_acts: str = "added"):
    """The choices under biases and under the same biases less their mean; and the dual function at both."""
    k = world.experts_per_token
    moved = centred(world.bias)
    one, two = (route(world.scores, b, experts_per_token=k, bias_acts=bias_acts) for b in (world.bias, moved))
    changed = np.count_nonzero(one != two, axis=(-2, -1))
    # Counts have no rounding error.
    return (
        equal(changed, 0, error=0.0),
        equal(lagrangian(world.scores, one, world.bias), lagrangian(world.scores, one, moved)),
    )


routing_under_centred_biases.control("biases that multiply the scores", bias_acts="multiplied")
