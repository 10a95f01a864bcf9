r"""The assignment problem behind biased routing: its Lagrangian, its dual function, and how one update changes them.

Maximise $\sum_{ik}\gamma_{ik}x_{ik}$ with K experts a token and the balanced load $L = KT/E$ for every expert. The bias
is minus the price of capacity, and

$$\mathcal L(x,p) = \sum_{ik}\gamma_{ik}x_{ik} + \sum_k p_k(A_k - L), \qquad
D(p) = \max_x\mathcal L(x,p) = \sum_i\mathrm{TopKsum}(\gamma_i+p) - L\sum_k p_k .$$

D is convex, its gradient is $A(p) - L$, and a constant added to p does not change it. `alf-lb`, C1 and C2.
"""

from jaxtyping import Bool, Float, Int, Num

from lab.arrays import Array, Real, floats, namespace
from lab.routing.selection import biased, loads, route, weighted


def balanced_load(load: Num[Array, "... experts"]) -> Float[Array, "... 1"]:
    """L, the mean of the loads: every token goes to K experts, so that it does not depend on the routing.

    Counts become float64: in the half precision of a model's biases they would not be exact.
    """
    xp = namespace(load)
    counts = load if _floating(load) else xp.astype(load, xp.float64)
    return xp.mean(counts, axis=-1, keepdims=True)


def _floating(x: Array) -> bool:
    return str(x.dtype).split(".")[-1].startswith(("float", "bfloat"))


def shortfall(load: Num[Array, "... experts"]) -> Float[Array, "... experts"]:
    """L − A_k: positive for an expert with too few tokens, whose bias has to rise."""
    return balanced_load(load) - load


def lagrangian(
    scores: Float[Array, "... tokens experts"],
    routing: Bool[Array, "... tokens experts"],
    bias: Float[Array, "... experts"],
) -> Float[Array, "..."]:
    r"""$\mathcal L(x,p) = \sum_{ik}\gamma_{ik}x_{ik} + \sum_k p_k(A_k(x) - L)$, in units of the scores."""
    scores, bias = floats(scores, bias)
    xp = namespace(scores)
    price = xp.sum(bias * xp.astype(shortfall(loads(routing)), bias.dtype), axis=-1)
    return xp.sum(weighted(routing, scores), axis=(-2, -1)) - price


def dual_value(
    scores: Float[Array, "... tokens experts"], bias: Float[Array, "... experts"], *, experts_per_token: int
) -> Float[Array, "..."]:
    r"""$D(p) = \sum_i\mathrm{TopKsum}(\gamma_i+p) - L\sum_kp_k$: the Lagrangian at the biased top-K routing."""
    return lagrangian(scores, route(scores, bias, experts_per_token=experts_per_token), bias)


def switching_benefit(
    scores: Float[Array, "... tokens experts"],
    before: Bool[Array, "... tokens experts"],
    after: Bool[Array, "... tokens experts"],
    bias: Float[Array, "... experts"],
) -> Float[Array, "... tokens"]:
    r"""$B_i = \sum_k (x'_{ik} - x_{ik})(\gamma_{ik} + p'_k) \ge 0$ with the new routing $x'$ of the new bias $p'$.

    Source: `alf-lb`, C2: $D(p') - D(p) = -\sum_k\varepsilon_k(A_k-L)^2 + \sum_i B_i$ for $p' = p + \varepsilon(L-A)$.
    """
    value = biased(scores, bias)
    xp = namespace(value)
    return xp.sum(weighted(after & ~before, value) - weighted(before & ~after, value), axis=-1)


def overshoot(
    rates: Real, load_before: Num[Array, "... experts"], load_after: Num[Array, "... experts"]
) -> Float[Array, "..."]:
    r"""$\sum_k\varepsilon_k(A_k-L)(A'_k-L)$. Where it is not negative, the update did not increase D (`alf-lb`, C2)."""
    before, after = shortfall(load_before), shortfall(load_after)
    return namespace(before).sum(rates * before * after, axis=-1)


def switched_slots(
    before: Bool[Array, "... tokens experts"], after: Bool[Array, "... tokens experts"]
) -> Int[Array, "..."]:
    """Number of (token, expert) choices that an update replaced."""
    return namespace(before).count_nonzero(before & ~after, axis=(-2, -1))
