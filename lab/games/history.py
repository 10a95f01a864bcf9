r"""Policies of the past as opponents (TD-MNPO): what a mixture of them does to the rotation of the game.

Near an equilibrium with rotation ω the step $\pi_+ \propto \pi_t^{\lambda_0}\pi_{t-1}^{\lambda_1}e^{\eta P(w_0\pi_t +
w_1\pi_{t-1})}$ obeys $\mu^2 = (\lambda_0 + ixw_0)\mu + (\lambda_1 + ixw_1)$ with $x = \eta\omega$. Weights that add
up to less than 1 pull towards the uniform policy: the fixed point is the entropy-regularised equilibrium of
temperature $(1-\lambda_0-\lambda_1)/\eta$.

Source: `mnpo` (arXiv 2509.23102v3), Equation 17 and Proposition 2; `mnpo`, C6 (derived).
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, floats, namespace
from lab.games.local import larger_root
from lab.games.losses import mixed_reference
from lab.policies import kl_divergence, regularised_optimum

Pair = tuple[Real, Real]


def history_modulus(
    step_size: Real, *, rotation: Real, weights: Pair, payoff_weights: Pair = (1.0, 0.0)
) -> Float[Array, "..."]:
    r"""Larger root of $\mu^2 = (\lambda_0 + ixw_0)\mu + (\lambda_1 + ixw_1)$: growth of a deviation a step."""
    check_positive(step_size=step_size)
    check_between(0.0, float("inf"), rotation=rotation)
    step_size, rotation, *rest = floats(step_size, rotation, *weights, *payoff_weights)
    now, before, seen_now, seen_before = rest
    x = step_size * rotation
    return larger_root(now + 0.0 * x, x * seen_now, -before + 0.0 * x, -x * seen_before)


def spiral_rate(step_size: Real, *, rotation: Real, share: Real) -> Float[Array, "..."]:
    r"""$x^2\frac{1-k}{(1+k)^3}$, which is $|\mu|^2 - 1$ up to $O(x^4)$ with the weights (1 − k, k) and payoffs of now:
    positive for every share k < 1, so that the play spirals outwards, only more slowly."""
    step_size, rotation, share = floats(step_size, rotation, share)
    x = step_size * rotation
    return x * x * (1.0 - share) / (1.0 + share) ** 3


def spiral_rate_of_past_opponents(step_size: Real, *, rotation: Real, share: Real) -> Float[Array, "..."]:
    r"""$x^2\frac{1+k+2k^2}{(1+k)^3}$: the same where the payoffs, too, are against the past: (1 − k, k)."""
    step_size, rotation, share = floats(step_size, rotation, share)
    x = step_size * rotation
    return x * x * (1.0 + share + 2.0 * share * share) / (1.0 + share) ** 3


def history_limit(weights: Pair, *, rotation: Real) -> Float[Array, "..."]:
    r"""The step size up to which a mixture of two policies, payoffs of now, stays near the equilibrium:

    $$\Big(\frac{\lambda_0}{1-\lambda_1}\Big)^2 + \Big(\frac{\eta\omega}{1+\lambda_1}\Big)^2 < 1
      \quad\text{and}\quad |\lambda_1| < 1$$

    (the Schur–Cohn test). It is 0 where $|\lambda_0| + \lambda_1 \ge 1$: weights that add up to 1 never converge.
    """
    check_positive(rotation=rotation)
    now, before, rotation = floats(*weights, rotation)
    check_between(-1.0, 1.0, open_low=True, open_high=True, weights=before)
    xp = namespace(now, before, rotation)
    room = 1.0 - (now / (1.0 - before)) ** 2
    return (1.0 + before) * xp.sqrt(xp.maximum(room, 0.0 * room)) / rotation


def anchored_value(
    log_policy: Float[Array, "... actions"],
    reward: Float[Array, "... actions"],
    log_anchors: Float[Array, "... anchors actions"],
    *,
    temperatures: Float[Array, "... anchors"],
) -> Float[Array, "..."]:
    r"""$\mathbb{E}_\pi R - \sum_i\tau_i\,\mathrm{KL}(\pi\|\pi_i)$: several references with own weights (EO-MNPO)."""
    check_positive(temperatures=temperatures)
    log_policy, reward, log_anchors, temperatures = floats(log_policy, reward, log_anchors, temperatures)
    xp = namespace(log_policy)
    costs = temperatures * kl_divergence(log_policy[..., None, :], log_anchors)
    return xp.sum(xp.exp(log_policy) * reward, axis=-1) - xp.sum(costs, axis=-1)


def anchored_optimum(
    reward: Float[Array, "... actions"],
    log_anchors: Float[Array, "... anchors actions"],
    *,
    temperatures: Float[Array, "... anchors"],
) -> Float[Array, "... actions"]:
    r"""Its maximiser $\propto e^{R/\tau_\Sigma}\prod_i\pi_i^{\tau_i/\tau_\Sigma}$, $\tau_\Sigma = \sum_i\tau_i$
    (Proposition 2)."""
    check_positive(temperatures=temperatures)
    reward, log_anchors, temperatures = floats(reward, log_anchors, temperatures)
    total = namespace(temperatures).sum(temperatures, axis=-1)
    base = mixed_reference(log_anchors, temperatures / total[..., None])
    return regularised_optimum(reward, base, beta=total)
