"""Policies over a finite set of actions: tabular and log-linear softmax, KL divergence, and the KL-regularised optimum.

Everything works with log-probabilities in nats; actions are the last axis and batch dimensions lead.
Sources: `dpo-background` (KL-regularised optimum, implicit reward), `rdpo` (log-linear policies).
"""

import numpy as np
from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    beside,
    check_between,
    check_broadcast,
    check_finite,
    check_last_axis,
    check_logs,
    check_positive,
    floats,
    is_traced,
    log_softmax,
    logsumexp,
    namespace,
)


def tabular(logits: Float[Array, "... actions"]) -> Float[Array, "... actions"]:
    r"""Log-probabilities of the softmax policy, $\log\pi(a) = z_a - \log\sum_b e^{z_b}$.

    A logit of −∞ removes an action. Raises ValueError if a logit is NaN or +∞, or no action is left.
    """
    (logits,) = floats(logits)
    check_last_axis("actions", logits=logits)
    check_logs(logits=logits)
    return log_softmax(logits)


def log_linear(
    theta: Float[Array, "... features"],
    features: Float[Array, "... actions features"],
    *,
    reference: Float[Array, "... actions"] | None = None,
) -> Float[Array, "... actions"]:
    r"""Log-probabilities of $\pi_\theta(a) \propto \pi_0(a)\, e^{\phi(a)^\top\theta}$.

    `reference` holds $\log\pi_0$ (uniform when left out). Raises ValueError unless all is finite (`reference`: or −∞)
    and the shapes agree: features with features, actions with actions. Source: `rdpo`, setting.
    """
    theta, features = floats(theta, features)
    if features.ndim < 2 or 0 in features.shape[-2:]:
        raise ValueError(f"features has {tuple(features.shape)}: needs axes of actions and features, at least 1 each")
    check_last_axis("features", theta=theta, **{"features[..., 0, :]": features[..., 0, :]})
    check_finite(theta=theta, features=features)
    xp = namespace(theta, features)
    scores = xp.sum(features * theta[..., None, :], axis=-1)
    if reference is None:
        return log_softmax(scores)
    scores, reference = floats(scores, reference)
    check_last_axis("actions", **{"features · theta": scores}, reference=reference)
    check_logs(reference=reference)
    return log_softmax(scores + reference)


def kl_divergence(log_p: Float[Array, "... actions"], log_q: Float[Array, "... actions"]) -> Float[Array, "..."]:
    r"""$\mathrm{KL}(p\|q) = \sum_a p(a)\,[\log p(a) - \log q(a)]$ in nats; actions with $p(a)=0$ contribute nothing.

    Raises ValueError unless both are logarithms of probabilities, −∞ allowed, that sum to 1 up to a hundredth (or the
    dtype's rounding), over the same number of actions.
    """
    log_p, log_q = floats(log_p, log_q)
    check_last_axis("actions", log_p=log_p, log_q=log_q)
    _check_normalised(log_p=log_p, log_q=log_q)
    xp = namespace(log_p, log_q)
    present = log_p > -xp.inf
    difference = xp.where(present, log_p, xp.zeros_like(log_p)) - xp.where(present, log_q, xp.zeros_like(log_q))
    return xp.sum(xp.exp(log_p) * difference, axis=-1)


def implicit_reward(
    log_p: Float[Array, "..."], log_reference: Float[Array, "..."], *, beta: Real
) -> Float[Array, "..."]:
    r"""$\beta\,\log[\pi(a)/\pi_{ref}(a)]$: the reward, up to a constant a prompt, whose optimum is $\pi$.

    Raises ValueError if beta is not positive, a log-probability not finite, or the shapes do not broadcast.
    Source: `dpo-background`, B3.
    """
    log_p, log_reference, beta = floats(log_p, log_reference, beta)
    check_positive(beta=beta)
    check_broadcast(log_p=log_p, log_reference=log_reference, beta=beta)
    check_finite(log_p=log_p, log_reference=log_reference)
    return beta * (log_p - log_reference)


def regularised_optimum(
    reward: Float[Array, "... actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "... actions"]:
    r"""Log-probabilities of $\pi^* \propto \pi_{ref}\, e^{r/\beta}$, the maximiser of `regularised_value`.

    `beta` may carry batch dimensions. Raises ValueError if beta is not positive, a reward not finite, a log-probability
    of the reference NaN or +∞ (or all −∞), or the shapes do not agree. Source: `dpo-background`, B1.
    """
    return log_softmax(_tilted(*floats(reward, log_reference, beta)))


def optimal_value(
    reward: Float[Array, "... actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "..."]:
    r"""$\max_\pi J(\pi) = \beta\log\sum_a \pi_{ref}(a)\,e^{r(a)/\beta}$.

    Raises ValueError as `regularised_optimum`, and unless the reference's probabilities sum to 1.
    Source: `dpo-background`, B1.
    """
    reward, log_reference, beta = floats(reward, log_reference, beta)
    tilted = _tilted(reward, log_reference, beta)
    _check_normalised(log_reference=log_reference)
    return beta * logsumexp(tilted)


def regularised_value(
    log_p: Float[Array, "... actions"],
    reward: Float[Array, "... actions"],
    log_reference: Float[Array, "... actions"],
    *,
    beta: Real,
) -> Float[Array, "..."]:
    r"""$J(\pi) = \mathbb{E}_\pi r - \beta\,\mathrm{KL}(\pi\|\pi_{ref})$.

    Raises ValueError if beta is not positive or a reward not finite, and as `kl_divergence`.
    Source: `dpo-background`, B1.
    """
    log_p, reward, log_reference, beta = floats(log_p, reward, log_reference, beta)
    check_positive(beta=beta)
    check_last_axis("actions", log_p=log_p, reward=reward, log_reference=log_reference)
    check_broadcast(beta=beta, **{"reward[..., 0]": reward[..., 0]})
    check_finite(reward=reward)
    xp = namespace(log_p, reward)
    return xp.sum(xp.exp(log_p) * reward, axis=-1) - beta * kl_divergence(log_p, log_reference)


def _tilted(reward: Array, log_reference: Array, beta: Array) -> Array:
    """Unnormalised log-probabilities of the optimum."""
    check_positive(beta=beta)
    check_last_axis("actions", reward=reward, log_reference=log_reference)
    check_broadcast(beta=beta, **{"reward[..., 0]": reward[..., 0]})
    check_finite(reward=reward)
    check_logs(log_reference=log_reference)
    return log_reference + reward / beside(beta)


def _check_normalised(**named: Array) -> None:
    """Raise ValueError naming the first argument that does not hold logarithms of probabilities along its last axis."""
    for name, x in named.items():
        if is_traced(x):
            continue
        xp = namespace(x)
        # A hundredth finds probabilities or logits passed as logarithms; half precision rounds by more than that.
        slack = max(0.01, 8 * float(xp.finfo(x.dtype).eps))
        with np.errstate(over="ignore"):
            mass = xp.sum(xp.exp(x), axis=-1)
        # A constant inside compiled code has a traced sum. NaN, +∞ and −∞ throughout all give a wrong one.
        if not is_traced(mass) and not bool(xp.all((mass >= 1.0 - slack) & (mass <= 1.0 + slack))):
            check_logs(**{name: x})
            check_between(-xp.inf, slack, **{name: x})
            check_between(1.0 - slack, 1.0 + slack, **{f"sum of exp({name})": mass})
