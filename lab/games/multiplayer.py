r"""Preference games of n players: everyone against the others, with one oracle for all or one for each.

Player i's payoff for an action is its mean win rate against the other players, $P_i m_i$ with $m_i = \frac{1}{n-1}
\sum_{j\ne i}\pi_j$. That makes a polymatrix game: a sum of two-player games. With one oracle the values add up to n/2.
Arrays are (..., players, actions); oracles are (..., players, actions, actions), or have one entry along the players'
axis when all share it.

Source: `mnpo` (arXiv 2509.23102v3), Equations 5–10.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, beside, check_positive, floats, log_softmax, namespace
from lab.games.gaps import best_response, close_divergence, lead
from lab.games.losses import mixed_reference
from lab.policies import kl_divergence, optimal_value

Policies = Float[Array, "... players actions"]
Oracles = Float[Array, "... #players actions actions"]


def others(x: Float[Array, "... players actions"]) -> Float[Array, "... players actions"]:
    r"""Mean over the other players, $\frac{1}{n-1}\sum_{j\ne i} x_j$. Raises ValueError with fewer than two players."""
    players = x.shape[-2]
    if players < 2:
        raise ValueError(f"players = {players}: must be at least 2, a player needs opponents")
    return (namespace(x).sum(x, axis=-2, keepdims=True) - x) / (players - 1.0)


def check_oracles(advantages: Float[Array, "..."], log_policies: Float[Array, "..."]) -> None:
    """Raise ValueError unless the oracles are square, as large as the policies, and one for all players or for each."""
    (players, actions), oracles = log_policies.shape[-2:], tuple(advantages.shape)
    if oracles[-2:] != (actions, actions) or oracles[-3:-2] not in ((1,), (players,)):
        raise ValueError(
            f"advantages has shape {oracles}: must be (..., 1 or {players}, {actions}, {actions}) "
            f"for log_policies (..., players, actions) of shape {tuple(log_policies.shape)}"
        )


def leads(advantages: Oracles, log_policies: Policies) -> Float[Array, "... players actions"]:
    r"""Each action's mean win rate against the other players, less one half: $A_i m_i$."""
    check_oracles(advantages, log_policies)
    advantages, log_policies = floats(advantages, log_policies)
    xp = namespace(log_policies)
    return lead(advantages, xp.log(others(xp.exp(log_policies))))


def towards(
    log_opponents: Float[Array, "... opponents actions"],
    payoffs: Float[Array, "... actions"],
    *,
    weights: Float[Array, "... opponents"],
    step_size: Real,
) -> Float[Array, "... actions"]:
    r"""The step behind every variant: $\pi_+ \propto \prod_j\pi_j^{\lambda_j}\,e^{\eta\,g}$ with payoffs g.

    Opponents are other players (HT-MNPO), earlier policies (TD-MNPO), the reference, or a mixture of them. It is the
    minimiser of Equation 17 with the squared distance and the target η times the difference of payoffs.
    """
    base, payoffs, step_size = floats(mixed_reference(log_opponents, weights), payoffs, step_size)
    return log_softmax(base + beside(step_size) * payoffs)


def multiplicative_weights(advantages: Oracles, log_policies: Policies, *, step_size: Real) -> Policies:
    r"""All players at once: $\pi_i^+ \propto [\prod_{j\ne i}\pi_j]^{1/(n-1)}\,e^{\eta\,P_im_i}$ (Equation 10).

    The base is the geometric mean of the *opponents*, not the player's own policy, and there is no reference.
    """
    advantages, log_policies, step_size = floats(advantages, log_policies, step_size)
    return log_softmax(others(log_policies) + beside(step_size, axes=2) * leads(advantages, log_policies))


def win_rates(advantages: Oracles, log_policies: Policies) -> Float[Array, "... players"]:
    r"""Pairwise averages $\frac12 + \pi_i^\top A_im_i$; with one oracle they add up to n/2."""
    xp = namespace(advantages, log_policies)
    return 0.5 + xp.sum(xp.exp(log_policies) * leads(advantages, log_policies), axis=-1)


def values(
    advantages: Oracles, log_policies: Policies, log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "... players"]:
    r"""$J_i = \frac12 + \pi_i^\top A_im_i - \beta\,\mathrm{KL}(\pi_i\|\pi_{ref})$ (Equation 7): its own KL only."""
    rates, cost, beta = floats(
        win_rates(advantages, log_policies), kl_divergence(log_policies, log_reference[..., None, :]), beta
    )
    return rates - beside(beta) * cost


def player_gaps(
    advantages: Oracles, log_policies: Policies, log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "... players"]:
    r"""What each player could gain alone (Equation 9): $\beta\,\mathrm{KL}(\pi_i\|\mathrm{BR}_i)$, one-sided.

    In a symmetric game of two it is half of the two-sided `lab.games.gaps.regularised_gap`.
    """
    log_policies, beta = floats(log_policies, beta)
    column = beside(beta)
    response = best_response(leads(advantages, log_policies), log_reference[..., None, :], beta=column)
    return column * close_divergence(log_policies, response)


def gaps_by_value(
    advantages: Oracles, log_policies: Policies, log_reference: Float[Array, "... actions"], *, beta: Real
) -> Float[Array, "... players"]:
    r"""The same from the definition: $\beta\log\sum_y\pi_{ref}e^{(A_im_i)_y/\beta} + \frac12 - J_i$. Cancels near 0."""
    check_positive(beta=beta)
    log_policies, beta = floats(log_policies, beta)
    column = beside(beta)
    best = optimal_value(leads(advantages, log_policies), log_reference[..., None, :], beta=column)
    return best + 0.5 - values(advantages, log_policies, log_reference, beta=beta)


def unregularised_gaps(advantages: Oracles, log_policies: Policies) -> Float[Array, "... players"]:
    r"""What each player could gain alone at β = 0: $\max_y(A_im_i)_y - \pi_i^\top A_im_i$."""
    ahead = leads(advantages, log_policies)
    xp = namespace(ahead)
    return xp.max(ahead, axis=-1) - xp.sum(xp.exp(log_policies) * ahead, axis=-1)


def one_against_all(reward: Float[Array, "... actions"], log_policies: Policies) -> Float[Array, "... players"]:
    r"""$\mathbb{E}\,\frac{e^{R(y_i)}}{\sum_k e^{R(y_k)}}$, the chance that player i's response is the best of n
    (Plackett–Luce, Equation 5); the players' chances add up to 1.

    Enumerates all N^n responses.
    """
    reward, log_policies = floats(reward, log_policies)
    xp = namespace(reward, log_policies)
    players, actions = log_policies.shape[-2:]

    def along(x: Array, player: int) -> Array:
        return xp.reshape(x, (*x.shape[:-1], *(actions if k == player else 1 for k in range(players))))

    log_chance = sum(along(log_policies[..., i, :], i) for i in range(players))
    each = [along(reward, i) + 0.0 * log_chance for i in range(players)]
    total = each[0]
    for other in each[1:]:
        total = xp.logaddexp(total, other)
    axes = tuple(range(-players, 0))
    return xp.stack([xp.sum(xp.exp(log_chance + own - total), axis=axes) for own in each], axis=-1)
