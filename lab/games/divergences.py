r"""Distances between a margin and its target, and the losses of SPPO and DNO, in exact population form.

MNPO writes its family as $\mathbb{E}\,D(h_w - h_l \,\|\, c)$ with a log-ratio h, a target c and one of two distances.
Sources: `mnpo` (arXiv 2509.23102v3), Equation 17 and Table 1; `nash-background`, losses.
"""

from collections.abc import Callable

from jaxtyping import Float

from lab.arrays import Array, Real, check_positive, check_same_shape, floats, log_sigmoid, namespace, sigmoid

Distance = Callable[[Array, Array], Array]


def squared_distance(margin: Real, target: Real) -> Float[Array, "..."]:
    r"""$D_{sq}(a\|c) = (a - c)^2$."""
    margin, target = floats(margin, target)
    return (margin - target) ** 2


def backward_bernoulli(margin: Real, target: Real) -> Float[Array, "..."]:
    r"""$D_{bwd}(a\|c) = \mathrm{KL}(\mathrm{Ber}(\sigma(c))\,\|\,\mathrm{Ber}(\sigma(a)))$, 0 at a = c.

    As c → ∞ it tends to $-\log\sigma(a)$, the logistic loss.
    """
    margin, target = floats(margin, target)
    agree = sigmoid(target) * (log_sigmoid(target) - log_sigmoid(margin))
    return agree + sigmoid(-target) * (log_sigmoid(-target) - log_sigmoid(-margin))


def bernoulli_entropy(logits: Real) -> Float[Array, "..."]:
    r"""Entropy of a label with probability σ(c), in nats; below $(1+c)e^{-c}$ for c > 0."""
    (logits,) = floats(logits)
    return -sigmoid(logits) * log_sigmoid(logits) - sigmoid(-logits) * log_sigmoid(-logits)


def pair_loss(
    log_ratio: Float[Array, "... actions"],
    log_sampling: Float[Array, "... actions"],
    advantage: Float[Array, "... actions actions"],
    *,
    target: Float[Array, "... actions actions"],
    distance: Distance = squared_distance,
) -> Float[Array, "..."]:
    r"""Equation 17: $\mathbb{E}_{y,y'\sim\rho}\,\mathbb{E}_{label}\,D(h(y_w) - h(y_l)\,\|\,c(y_w, y_l))$.

    The label prefers y with probability $\frac12 + A_{yy'}$; `target[..., w, l]` is the target of a pair.
    """
    check_same_shape(log_ratio=log_ratio, log_sampling=log_sampling)
    log_ratio, log_sampling, advantage, target = floats(log_ratio, log_sampling, advantage, target)
    xp = namespace(log_ratio, advantage)
    weight = xp.exp(log_sampling)
    margin = log_ratio[..., :, None] - log_ratio[..., None, :]
    # Either of the two may be the winner: the ordered pair (winner, loser) has twice ρρ'P.
    chance = 2.0 * weight[..., :, None] * weight[..., None, :] * (0.5 + advantage)
    return xp.sum(chance * distance(margin, target), axis=(-2, -1))


def sppo_loss(
    log_ratio: Float[Array, "... actions"],
    log_sampling: Float[Array, "... actions"],
    lead: Float[Array, "... actions"],
    *,
    step_size: Real,
) -> Float[Array, "..."]:
    r"""SPPO: $\mathbb{E}_{y\sim\rho}\big[\log\frac{\pi}{\pi_t}(y) - \eta\,(P(y\succ\pi_t) - \frac12)\big]^2$.

    On single responses: the ½ stands for the log-normaliser $\frac1\eta\log Z$. `lead` is $P(y\succ\pi_t) - \frac12$.
    """
    check_same_shape(log_ratio=log_ratio, log_sampling=log_sampling, lead=lead)
    log_ratio, log_sampling, lead, step_size = floats(log_ratio, log_sampling, lead, step_size)
    xp = namespace(log_ratio)
    rest = log_ratio - (step_size[..., None] if step_size.ndim else step_size) * lead
    return xp.sum(xp.exp(log_sampling) * rest * rest, axis=-1)


def dno_loss(
    log_ratio: Float[Array, "... actions"],
    log_sampling: Float[Array, "... actions"],
    lead: Float[Array, "... actions"],
    *,
    inverse_step: Real,
) -> Float[Array, "..."]:
    r"""DNO: cross-entropy of $\sigma(\eta\,(h_y - h_{y'}))$ to the soft label $\sigma(r_y - r_{y'})$.

    The rewards are win rates, $r = P(\cdot\succ\pi_t)$. Its minimiser is $\pi_t\,e^{r/\eta}$.
    `inverse_step` is η, `log_ratio` is $h = \log\frac{\pi}{\pi_t}$.
    """
    check_same_shape(log_ratio=log_ratio, log_sampling=log_sampling, lead=lead)
    check_positive(inverse_step=inverse_step)
    log_ratio, log_sampling, lead, inverse_step = floats(log_ratio, log_sampling, lead, inverse_step)
    xp = namespace(log_ratio)
    scale = inverse_step[..., None, None] if inverse_step.ndim else inverse_step
    margin = scale * (log_ratio[..., :, None] - log_ratio[..., None, :])
    target = lead[..., :, None] - lead[..., None, :]
    weight = xp.exp(log_sampling)
    both = weight[..., :, None] * weight[..., None, :]
    cross = sigmoid(target) * log_sigmoid(margin) + sigmoid(-target) * log_sigmoid(-margin)
    return -xp.sum(both * cross, axis=(-2, -1))
