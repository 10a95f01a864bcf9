r"""The regret of playing against oneself, its bounds, and what they say of averages and last iterates.

At step t the learner's loss is $\ell_t(\pi) = -P(\pi \succ \pi_t) + \beta\,\mathrm{KL}(\pi\|\pi_{ref})$. Here
`inverse_step` is η as the source writes it, the inverse of a step size. Source: `inpo`, Lemmas 2–4, Theorems 3–4.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, beside, check_between, check_positive, floats, namespace
from lab.games.gaps import lead
from lab.policies import kl_divergence


def value(
    advantage: Float[Array, "... actions actions"],
    log_first: Float[Array, "... actions"],
    log_second: Float[Array, "... actions"],
    log_reference: Float[Array, "... actions"],
    *,
    beta: Real,
) -> Float[Array, "..."]:
    r"""$J(\pi_1, \pi_2) = \frac12 + \pi_1^\top A\pi_2 - \beta\,\mathrm{KL}(\pi_1\|\pi_{ref}) +
    \beta\,\mathrm{KL}(\pi_2\|\pi_{ref})$, the regularised win rate of the first policy over the second."""
    check_between(0.0, float("inf"), beta=beta)
    xp = namespace(advantage, log_first, log_second)
    wins = xp.sum(xp.exp(log_first) * lead(advantage, log_second), axis=-1)
    price, beta = floats(kl_divergence(log_second, log_reference) - kl_divergence(log_first, log_reference), beta)
    return 0.5 + wins + beta * price


def loss_gradient(
    advantage: Float[Array, "... actions actions"],
    log_policy: Float[Array, "... actions"],
    log_reference: Float[Array, "... actions"],
    *,
    beta: Real,
) -> Float[Array, "... actions"]:
    r"""$\nabla_{\pi(y)}\ell_t(\pi_t) = -P(y \succ \pi_t) + \beta\,[\log\frac{\pi_t(y)}{\pi_{ref}(y)} + 1]$.

    Source: `inpo`, Section 3.
    """
    check_between(0.0, float("inf"), beta=beta)
    log_policy, log_reference, beta = floats(log_policy, log_reference, beta)
    return beside(beta) * (log_policy - log_reference + 1.0) - 0.5 - lead(advantage, log_policy)


def diameter(log_reference: Float[Array, "... actions"]) -> Float[Array, "..."]:
    r"""$D = \sup_\pi \mathrm{KL}(\pi\|\pi_{ref}) = \max_y \log\frac{1}{\pi_{ref}(y)}$, approached at the vertices."""
    return namespace(log_reference).max(-log_reference, axis=-1)


def gradient_bound(log_ratio_bound: Real, *, beta: Real) -> Float[Array, "..."]:
    r"""$4\beta^2B^2 + 1$, the printed bound on $\|\nabla\ell_t(\pi_t)\|_\infty^2$ for
    $|\log\frac{\pi_t}{\pi_{ref}}| \le B$, $B \ge 1$.

    As it stands it can be violated; it holds for the gradient less the constant $\beta - \frac12$, which changes no
    update and no regret: then the norm is at most $\frac12 + \beta B$. Source: `inpo`, Lemma 2.
    """
    log_ratio_bound, beta = floats(log_ratio_bound, beta)
    return 4.0 * beta * beta * log_ratio_bound * log_ratio_bound + 1.0


def regret_bound(steps: int, *, inverse_step: Real, distance: Real, squared_norm: Real) -> Float[Array, "..."]:
    r"""$\eta\,\mathrm{KL}(\pi\|\pi_1) + \frac{T}{\eta}\,G^2$ for gradients of norm at most G (or of mean square $G^2$).

    Source: `inpo`, Lemma 2.
    """
    check_positive(inverse_step=inverse_step)
    inverse_step, distance, squared_norm = floats(inverse_step, distance, squared_norm)
    return inverse_step * distance + steps * squared_norm / inverse_step


def last_iterate_bound(step: int, *, beta: Real, allowance: float = 8.0) -> Float[Array, "..."]:
    r"""$\mathrm{KL}(\pi_\beta\|\pi_t) \le \frac{4c}{\beta^2(t+1)}$ under the inverse steps $\eta_t = \beta(t+2)/2$,

    where each step satisfies $\mathrm{KL}_{t+1} \le (1-\frac{\beta}{\eta_t})\mathrm{KL}_t + \frac{c}{\eta_t^2}$.
    Printed with $c = 8$; from the reference $c = \frac12$ is enough (derived). Source: `inpo`, Theorem 4, with C = 1.
    """
    check_positive(beta=beta)
    (beta,) = floats(beta)
    return 4.0 * allowance / (beta * beta * (step + 1.0))
