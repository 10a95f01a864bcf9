r"""Which pairs a preference loss is trained on: independent ones, or the best and the worst of several responses.

A pair law holds the probability of every ordered pair (winner, loser); equal responses may be paired, they say nothing.
The squared loss $\mathbb{E}\,(h_w - h_l - c)^2$ has one minimiser for each law, the solution of a weighted graph's
Laplacian. Source: `inpo`, Equation 8, the practical recipe, and C7 (derived).
"""

from jaxtyping import Float

from lab.arrays import Array, Real, beside, check_same_shape, floats, is_traced, namespace


def independent_pairs(
    log_sampling: Float[Array, "... actions"], advantage: Float[Array, "... actions actions"]
) -> Float[Array, "... actions actions"]:
    r"""Two responses from ρ, labelled by the preference: $W_{wl} = 2\rho_w\rho_l\,(\frac12 + A_{wl})$."""
    log_sampling, advantage = floats(log_sampling, advantage)
    weight = namespace(log_sampling).exp(log_sampling)
    return 2.0 * weight[..., :, None] * weight[..., None, :] * (0.5 + advantage)


def best_worst_pairs(
    log_sampling: Float[Array, "... actions"], reward: Float[Array, "... actions"], *, drawn: int
) -> Float[Array, "... actions actions"]:
    r"""Best and worst of K independent responses by a reward:

    $$W_{wl} = \rho[l, w]^K - \rho(l, w]^K - \rho[l, w)^K + \rho(l, w)^K$$

    with the probability ρ of rewards between those of l and w, ends included or not.
    Raises ValueError unless drawn is at least 2 and the rewards differ.
    """
    if drawn < 2:
        raise ValueError(f"drawn = {drawn}: a pair needs at least 2 responses")
    check_same_shape(log_sampling=log_sampling, reward=reward)
    log_sampling, reward = floats(log_sampling, reward)
    xp = namespace(log_sampling, reward)
    weight = xp.exp(log_sampling)[..., None, None, :]
    winner, loser, here = reward[..., :, None, None], reward[..., None, :, None], reward[..., None, None, :]
    nothing = xp.zeros_like(weight)
    _check_distinct(reward)

    def mass(inside: Array) -> Array:
        return xp.sum(xp.where(inside, weight, nothing), axis=-1) ** float(drawn)

    low, low_open, high, high_open = here >= loser, here > loser, here <= winner, here < winner
    return mass(low & high) - mass(low_open & high) - mass(low & high_open) + mass(low_open & high_open)


def relabelled(
    pair_law: Float[Array, "... actions actions"], advantage: Float[Array, "... actions actions"]
) -> Float[Array, "... actions actions"]:
    r"""The same pairs with the label drawn from the preference: $(W + W^\top)\circ(\frac12 + A)$."""
    pair_law, advantage = floats(pair_law, advantage)
    xp = namespace(pair_law, advantage)
    return (pair_law + xp.matrix_transpose(pair_law)) * (0.5 + advantage)


def fitted_log_ratio(pair_law: Float[Array, "... actions actions"], *, target: Real) -> Float[Array, "... actions"]:
    r"""The centred minimiser of $\sum_{wl} W_{wl}(h_w - h_l - c)^2$: $(\mathrm{diag}\,s - S)\,h = c\,(W1 - W^\top 1)$,

    with $S = W + W^\top$ and its row sums s. It is unique where the pairs of positive probability connect all actions.
    """
    pair_law, target = floats(pair_law, target)
    xp = namespace(pair_law)
    both = pair_law + xp.matrix_transpose(pair_law)
    actions = pair_law.shape[-1]
    identity = xp.asarray([[1.0 if i == j else 0.0 for j in range(actions)] for i in range(actions)])
    degree = xp.sum(both, axis=-1)
    # The constant direction gets the mean degree, so that the matrix can be inverted and the solution is centred.
    mean = xp.mean(degree, axis=-1)[..., None, None]
    laplacian = identity * degree[..., None] - both + mean / actions
    wins = xp.sum(pair_law, axis=-1) - xp.sum(pair_law, axis=-2)
    return xp.linalg.solve(laplacian, (beside(target) * wins)[..., None])[..., 0]


def _check_distinct(reward: Array) -> None:
    """Raise ValueError where two rewards are equal, so that best and worst would depend on the order of the draws."""
    if is_traced(reward):
        return
    xp = namespace(reward)
    ordered = xp.sort(reward, axis=-1)
    if not bool(xp.all(ordered[..., 1:] > ordered[..., :-1])):
        raise ValueError("rewards must differ within a row: best and worst of tied responses are not defined")
