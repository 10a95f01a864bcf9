r"""How far a policy is from the equilibrium of a symmetric preference game.

With the advantage matrix $A = P - \frac12$ (skew-symmetric) and KL weight β, the game is
$V_\beta(\pi_1, \pi_2) = \frac12 + \pi_1^\top A\pi_2 - \beta\,\mathrm{KL}(\pi_1\|\pi_{ref}) +
\beta\,\mathrm{KL}(\pi_2\|\pi_{ref})$. Gaps here are **two-sided**,
$\max_{\pi'} V(\pi', \pi) - \min_{\pi'} V(\pi, \pi')$: twice the exploitability of some papers.

Sources: `nash-background`, setting; `egpo`, setting (closed forms derived).
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_finite, floats, is_traced, namespace
from lab.policies import kl_divergence, regularised_optimum
from lab.preferences import check_preference_matrix


def advantage(preference_matrix: Float[Array, "... actions actions"]) -> Float[Array, "... actions actions"]:
    r"""$A = \frac12(P - P^\top)$, which is $P - \frac12$: exactly skew-symmetric also after rounding.

    Raises ValueError unless entries lie in [0, 1] and $P + P^\top = 1$.
    """
    check_preference_matrix(preference_matrix)
    return (preference_matrix - namespace(preference_matrix).matrix_transpose(preference_matrix)) / 2.0


def check_advantage(advantage: Float[Array, "..."]) -> None:
    """Raise ValueError unless the matrix is square, exactly skew-symmetric, and its entries lie in [−½, ½]."""
    shape = tuple(advantage.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"advantage has shape {shape}: must be square")
    if is_traced(advantage):
        return
    check_between(-0.5, 0.5, advantage=advantage)
    xp = namespace(advantage)
    lopsided = xp.abs(advantage + xp.matrix_transpose(advantage))
    if float(xp.max(lopsided)) > 0.0:
        raise ValueError(
            f"advantage + its transpose = {float(xp.max(lopsided)):g} at most: must be 0; "
            "`lab.games.gaps.advantage` makes it from win rates"
        )


def check_reference(log_reference: Float[Array, "... actions"]) -> None:
    """Raise ValueError unless the logits are finite: a reference must give every action a positive probability."""
    if is_traced(log_reference):
        return
    if bool(namespace(log_reference).any(log_reference == -float("inf"))):
        raise ValueError("log_reference = -inf: the reference must give every action a positive probability")
    check_finite(log_reference=log_reference)


def lead(
    advantage: Float[Array, "... actions actions"], log_policy: Float[Array, "... actions"]
) -> Float[Array, "... actions"]:
    r"""$A\pi$: by how much each action's win rate against the policy exceeds one half. $\pi^\top A\pi = 0$."""
    advantage, log_policy = floats(advantage, log_policy)
    xp = namespace(advantage, log_policy)
    return xp.matmul(advantage, xp.exp(log_policy)[..., :, None])[..., 0]


def duality_gap(
    advantage: Float[Array, "... actions actions"], log_policy: Float[Array, "... actions"]
) -> Float[Array, "..."]:
    r"""Gap of the game without regularisation, $2\max_y (A\pi)_y \ge 0$; 0 exactly at its equilibria."""
    leads = lead(advantage, log_policy)
    return 2.0 * namespace(leads).max(leads, axis=-1)


def best_response(
    leads: Float[Array, "... actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "... actions"]:
    r"""$\mathrm{BR}_\beta(\pi) \propto \pi_{ref}\,e^{A\pi/\beta}$: the regularised optimum with the lead as reward."""
    return regularised_optimum(leads, log_reference, beta=beta)


def regularised_gap(
    advantage: Float[Array, "... actions actions"],
    log_policy: Float[Array, "... actions"],
    log_reference: Float[Array, "... actions"],
    *,
    beta: Real,
) -> Float[Array, "..."]:
    r"""Gap of the regularised game, $2\beta\,\mathrm{KL}(\pi\|\mathrm{BR}_\beta(\pi))$: no cancellation near 0.

    It bounds the distance to the regularised equilibrium: $\mathrm{KL}(\pi\|\pi_\beta) \le \mathrm{gap}/2\beta$.
    Raises ValueError if beta is not positive. Source: `egpo`, setting (derived).
    """
    response = best_response(lead(advantage, log_policy), log_reference, beta=beta)
    distance, beta = floats(close_divergence(log_policy, response), beta)
    return 2.0 * beta * distance


def regularised_gap_by_value(
    advantage: Float[Array, "... actions actions"],
    log_policy: Float[Array, "... actions"],
    log_reference: Float[Array, "... actions"],
    *,
    beta: Real,
) -> Float[Array, "..."]:
    r"""The same gap from the definition: twice the value of the best response against the policy, less ½.

    $\max_{\pi'} V_\beta(\pi', \pi) = \frac12 + \max_{\pi'}\{\pi'^\top A\pi - \beta\,\mathrm{KL}(\pi'\|\pi_{ref})\} +
    \beta\,\mathrm{KL}(\pi\|\pi_{ref})$. Cancels near the equilibrium; `regularised_gap` does not.
    """
    leads = lead(advantage, log_policy)
    xp = namespace(leads)
    response = best_response(leads, log_reference, beta=beta)
    gain = xp.sum(xp.exp(response) * leads, axis=-1)
    gain, beta = floats(gain, beta)
    return 2.0 * (
        gain - beta * kl_divergence(response, log_reference) + beta * kl_divergence(log_policy, log_reference)
    )


def close_divergence(log_p: Float[Array, "... actions"], log_q: Float[Array, "... actions"]) -> Float[Array, "..."]:
    r"""$\mathrm{KL}(p\|q)$ of normalised log-probabilities, accurate also where p ≈ q; never negative there.

    Summed as $\sum_a p(a)\,[d + e^{-d} - 1]$ with $d = \log p(a) - \log q(a)$: since both sum to 1 the extra terms
    add up to 0, no summand is negative, and the error is relative to $d^2$, not to 1.
    """
    log_p, log_q = floats(log_p, log_q)
    xp = namespace(log_p, log_q)
    present = log_p > -xp.inf
    zero = xp.zeros_like(log_p + log_q)
    d = xp.where(present, log_p, zero) - xp.where(present, log_q, zero)
    p, q = xp.exp(log_p), xp.exp(log_q)
    near = present & (xp.abs(d) < _NEAR)
    # Each branch sees only its own numbers, so that neither spoils the gradient of the other.
    terms = xp.where(near, p * _excess(xp.where(near, d, zero)), p * xp.where(near, zero, d) + q - p)
    return xp.sum(terms, axis=-1)


_NEAR = 1.0 / 16.0


def _excess(d: Array) -> Array:
    r"""$e^{-d} + d - 1 = \frac{d^2}{2}\left(1 - \frac d3\left(1 - \frac d4(\ldots)\right)\right)$, to rounding for
    $|d| \le \frac1{16}$: the next term is below 2e-16 of the first."""
    bracket = 1.0 - d / 9.0
    for k in range(8, 2, -1):
        bracket = 1.0 - d * bracket / k
    return d * d * bracket / 2.0


def regularisation_bias_bound(
    log_equilibrium: Float[Array, "... actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "..."]:
    r"""Bound on the unregularised gap of the regularised equilibrium:

    $$2\beta\,[\max_y -\log\pi_{ref}(y) - \mathrm{KL}(\pi_\beta\|\pi_{ref})].$$

    Raises ValueError if beta is negative. Source: `nash-background`, setting (derived).
    """
    check_between(0.0, float("inf"), beta=beta)
    rarest = namespace(log_reference).max(-log_reference, axis=-1)
    room, beta = floats(rarest - kl_divergence(log_equilibrium, log_reference), beta)
    return 2.0 * beta * room
