"""The auxiliary loss: value and gradient at perfect balance; and what biases add to the gradient (nothing)."""

import numpy as np

from lab.arrays import log_softmax, namespace
from lab.family import family, uniform
from lab.ledger.evidence import evidence
from lab.ledger.findings import equal
from lab.routing.auxiliary import affinity_gradient, auxiliary_loss
from lab.routing.selection import biased, gates, route, weighted
from lab.routing.worlds import BiasedTokens

TOKENS, EXPERTS, K = 12, 4, 2

balanced = family(
    BiasedTokens, scores=uniform(0.1, 1, shape=(TOKENS, EXPERTS)), bias=uniform(-0.2, 0.2, shape=(EXPERTS,)),
    experts_per_token=K,
)  # fmt: skip


def _round_robin(skew: bool = False) -> np.ndarray:
    """Every expert gets the same number of tokens (or the first ones get all)."""
    first = (np.zeros(TOKENS, dtype=int) if skew else np.arange(TOKENS)) % EXPERTS
    return np.stack([(first == k) | ((first + 1) % EXPERTS == k) for k in range(EXPERTS)], axis=-1)


def _probability(scores):
    return namespace(scores).exp(log_softmax(scores))


@evidence("alf-lb/auxiliary-minimum", kind="exact", over=balanced, size=128)
def value_at_balance(world: BiasedTokens, skew: bool = False, swap: bool = False):
    """Balanced loads, any probabilities that sum to 1: the loss is 1, or K with the top-K factor."""
    probability = _probability(world.scores)[..., None, :, :]
    routing = np.broadcast_to(_round_robin(skew), probability.shape)
    findings = []
    for factor, value in ((False, 1.0), (True, float(K))):
        loss = auxiliary_loss(probability, routing, top_k_factor=factor != swap, over="sequence")
        findings.append(equal(loss, value + 0.0 * loss))
    return tuple(findings)


value_at_balance.control("unbalanced loads", skew=True)
value_at_balance.control("one convention read as the other", swap=True)


@evidence("alf-lb/auxiliary-gradient-at-balance", kind="exact", over=balanced, size=128)
def change_when_all_affinities_fall(world: BiasedTokens, normalised: bool = False):
    """Balanced loads: when all affinities fall by 0.05 the loss falls by 0.05·E·α, its gradient being α/T."""
    coefficient, fall = 0.3, 0.05
    before, after = world.scores[..., None, :, :], world.scores[..., None, :, :] - fall
    if normalised:
        before, after = _probability(before), _probability(after)
    routing = np.broadcast_to(_round_robin(), before.shape)
    xp = namespace(before)

    def loss(x):
        return auxiliary_loss(x, routing, coefficient=coefficient, top_k_factor=False, over="sequence")

    slope = affinity_gradient(routing, coefficient=coefficient)
    moved = loss(before) - loss(after)
    return (
        equal(moved, xp.sum(fall * slope, axis=(-3, -2, -1)) + 0.0 * moved),
        equal(slope + 0.0 * world.scores[..., None, :, :], coefficient / TOKENS + 0.0 * world.scores[..., None, :, :]),
    )


change_when_all_affinities_fall.control("affinities that sum to 1 do not move", normalised=True)


@evidence("alf-lb/bias-adds-no-gradient", kind="exact", over=balanced, size=128)
def gates_under_moved_biases(world: BiasedTokens, in_the_gate: bool = False):
    """Biases moved by 1e-9, too little to change a choice: no gate changes, so that no gradient passes by them."""
    found = []
    for bias in (world.bias, world.bias + 1e-9 * np.arange(EXPERTS)):
        routing = route(world.scores, bias, experts_per_token=K)
        if in_the_gate:
            found.append(weighted(routing, biased(world.scores, bias)))
        else:
            found.append(gates(world.scores, routing, normalised=False))
    return equal(found[0], found[1])


gates_under_moved_biases.control("the biased score as the gate", in_the_gate=True)
