r"""The auxiliary balancing loss $\alpha\sum_k f_kP_k$, with the conventions in which its users differ.

$f_k$ counts choices (no gradient), $P_k$ is the mean router probability of an expert:

    top_k_factor=False   $f_k = \frac{E}{KT}\#\{i: i\to k\}$: minimum 1 for any K (Switch, Wang et al., Megatron)
    top_k_factor=True    $f_k = \frac{E}{T}\#\{i: i\to k\}$: minimum K (transformers' `load_balancing_loss_func`)
    over="sequence"      f and P of each sequence, losses averaged over the sequences (Wang et al., DeepSeek-V3)
    over="batch"         f and P of all tokens of the batch

Probabilities that sum to 1 a token make the minimum a minimum; with affinities that do not, the gradient pushes all of
them down even at perfect balance (`alf-lb`, method).
"""

from typing import Literal

from jaxtyping import Bool, Float

from lab.arrays import Array, Real, check_between, check_same_shape, floats, is_traced, namespace


def auxiliary_loss(
    probability: Float[Array, "... sequences tokens experts"],
    routing: Bool[Array, "..."],
    *,
    coefficient: Real = 1.0,
    top_k_factor: bool,
    over: Literal["sequence", "batch"],
) -> Float[Array, "..."]:
    r"""$\alpha\sum_kf_kP_k$; see the module for the conventions. Differentiable in the probabilities alone.

    Raises ValueError for shapes that differ, tokens with unequal numbers of experts, or a negative coefficient.
    """
    check_same_shape(probability=probability, routing=routing)
    check_between(0.0, float("inf"), coefficient=coefficient)
    (probability,) = floats(probability)
    xp = namespace(probability)
    experts = probability.shape[-1]
    own = namespace(routing)
    if not is_traced(routing):
        counts = own.count_nonzero(routing, axis=-1)
        if not bool(own.all(counts == counts[..., :1])):
            raise ValueError("routing: every token must have the same number of experts")
    chosen = xp.where(routing, xp.ones_like(probability), xp.zeros_like(probability))
    per_token = xp.sum(chosen, axis=-1)
    share = xp.mean(chosen, axis=-2) * experts
    if not top_k_factor:
        share = share / xp.mean(per_token, axis=-1)[..., None]
    mean = xp.mean(probability, axis=-2)
    if over == "batch":
        return coefficient * xp.sum(xp.mean(share, axis=-2) * xp.mean(mean, axis=-2), axis=-1)
    return coefficient * xp.mean(xp.sum(share * mean, axis=-1), axis=-1)


def affinity_gradient(
    routing: Bool[Array, "... tokens experts"], *, coefficient: Real = 1.0
) -> Float[Array, "... tokens experts"]:
    r"""$\partial/\partial\gamma_{ik}$ of the loss of one sequence without the top-K factor: $\alpha f_k/T$, any token.

    At perfect balance it is $\alpha/T$ everywhere and not 0. Source: `alf-lb`, method (derived).
    """
    xp = namespace(routing)
    tokens, experts = routing.shape[-2:]
    chosen = xp.astype(routing, xp.float64)
    slots = xp.sum(chosen, axis=(-2, -1), keepdims=True)
    share = xp.sum(chosen, axis=-2, keepdims=True) * experts / slots
    return coefficient * share / tokens + 0.0 * chosen
