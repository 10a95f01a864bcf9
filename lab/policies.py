"""Policies over a finite set of actions: tabular and log-linear softmax, KL divergence, and the KL-regularised optimum.

Everything works with log-probabilities in nats; actions are the last axis and batch dimensions lead.
Sources: `dpo-background` (KL-regularised optimum, implicit reward), `rdpo` (log-linear policies).
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_finite, check_positive, floats, log_softmax, logsumexp, namespace


def tabular(logits: Float[Array, "... actions"]) -> Float[Array, "... actions"]:
    r"""Log-probabilities of the softmax policy, $\log\pi(a) = z_a - \log\sum_b e^{z_b}$.

    A logit of −∞ removes an action. Raises ValueError if a logit is NaN or +∞.
    """
    _check_logs(logits=logits)
    return log_softmax(logits)


def log_linear(
    theta: Float[Array, "... features"],
    features: Float[Array, "... actions features"],
    *,
    reference: Float[Array, "... actions"] | None = None,
) -> Float[Array, "... actions"]:
    r"""Log-probabilities of $\pi_\theta(a) \propto \pi_0(a)\, e^{\phi(a)^\top\theta}$.

    `reference` holds $\log\pi_0$ (uniform when left out). Raises ValueError unless all is finite (`reference`: or −∞).
    Source: `rdpo`, setting.
    """
    theta, features = floats(theta, features)
    check_finite(theta=theta, features=features)
    if reference is not None:
        _check_logs(reference=reference)
    xp = namespace(theta, features)
    scores = xp.sum(features * theta[..., None, :], axis=-1)
    return log_softmax(scores if reference is None else scores + reference)


def kl_divergence(log_p: Float[Array, "... actions"], log_q: Float[Array, "... actions"]) -> Float[Array, "..."]:
    r"""$\mathrm{KL}(p\|q) = \sum_a p(a)\,[\log p(a) - \log q(a)]$ in nats; actions with $p(a)=0$ contribute nothing.

    Raises ValueError for log-probabilities that are NaN or +∞.
    """
    _check_logs(log_p=log_p, log_q=log_q)
    log_p, log_q = floats(log_p, log_q)
    xp = namespace(log_p, log_q)
    present = log_p > -xp.inf
    difference = xp.where(present, log_p, xp.zeros_like(log_p)) - xp.where(present, log_q, xp.zeros_like(log_q))
    return xp.sum(xp.exp(log_p) * difference, axis=-1)


def implicit_reward(
    log_p: Float[Array, "..."], log_reference: Float[Array, "..."], *, beta: Real
) -> Float[Array, "..."]:
    r"""$\beta\,\log[\pi(a)/\pi_{ref}(a)]$: the reward, up to a constant a prompt, whose optimum is $\pi$.

    Raises ValueError if beta is not positive, or a log-probability not finite. Source: `dpo-background`, B3.
    """
    check_positive(beta=beta)
    check_finite(log_p=log_p, log_reference=log_reference)
    log_p, log_reference, beta = floats(log_p, log_reference, beta)
    return beta * (log_p - log_reference)


def regularised_optimum(
    reward: Float[Array, "... actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "... actions"]:
    r"""Log-probabilities of $\pi^* \propto \pi_{ref}\, e^{r/\beta}$, the maximiser of `regularised_value`.

    `beta` may carry batch dimensions. Raises ValueError if beta is not positive, a reward not finite, or a
    log-probability of the reference NaN or +∞. Source: `dpo-background`, B1.
    """
    return log_softmax(_tilted(reward, log_reference, beta))


def optimal_value(
    reward: Float[Array, "... actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "..."]:
    r"""$\max_\pi J(\pi) = \beta\log\sum_a \pi_{ref}(a)\,e^{r(a)/\beta}$. Source: `dpo-background`, B1."""
    tilted = logsumexp(_tilted(reward, log_reference, beta))
    tilted, beta = floats(tilted, beta)
    return beta * tilted


def regularised_value(
    log_p: Float[Array, "... actions"],
    reward: Float[Array, "... actions"],
    log_reference: Float[Array, "... actions"],
    *,
    beta: Real,
) -> Float[Array, "..."]:
    r"""$J(\pi) = \mathbb{E}_\pi r - \beta\,\mathrm{KL}(\pi\|\pi_{ref})$. Source: `dpo-background`, B1."""
    check_positive(beta=beta)
    check_finite(reward=reward)
    log_p, reward, beta = floats(log_p, reward, beta)
    xp = namespace(log_p, reward)
    return xp.sum(xp.exp(log_p) * reward, axis=-1) - beta * kl_divergence(log_p, log_reference)


def _tilted(reward: Array, log_reference: Array, beta: Real) -> Array:
    check_positive(beta=beta)
    check_finite(reward=reward)
    _check_logs(log_reference=log_reference)
    reward, log_reference, beta = floats(reward, log_reference, beta)
    return log_reference + reward / (beta[..., None] if beta.ndim else beta)


def _check_logs(**named: Array) -> None:
    """Raise ValueError naming the first argument that holds a NaN or +∞; −∞ stands for an impossible action."""
    for name, x in named.items():
        xp = namespace(x)
        check_finite(**{name: xp.where(x == -xp.inf, xp.zeros_like(x), x)})
