r"""The losses behind the updates, over single responses or pairs of them, in exact population form.

A score is a number an action, $d = \log\frac{\pi}{m} - \frac{1}{k}\cdots$; a loss over pairs $y, y' \sim \rho$ sees the
difference of two. Pairs are ordered and may be equal. Sources: `egpo`, C6; `inpo`, Equations 6–8; `mnpo`
(arXiv 2509.23102v3), Equations 13–17 and Table 1; `nash-background`, losses.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, beside, check_positive, check_same_shape, floats, log_sigmoid, namespace, sigmoid
from lab.games.divergences import Distance, squared_distance
from lab.games.selection import independent_pairs


def contrast_loss(score: Float[Array, "... actions"], log_sampling: Float[Array, "... actions"]) -> Float[Array, "..."]:
    r"""$\mathbb{E}_{y,y'\sim\rho}[(d_y - d_{y'})^2] = 2\,\mathrm{Var}_\rho(d)$.

    With $d = \log\frac{\pi_\theta}{\pi_{ref}} - \frac{P\mu}{\beta}$ it is the online-IPO loss, whose gradient in the
    logits is $4\rho\circ(d - \rho^\top d)$; with a mixed reference and $\frac{P\pi_t}{\eta}$ it is INPO's $L_t$
    (Equation 7). Source: `egpo`, C6 (derived).
    """
    check_same_shape(score=score, log_sampling=log_sampling)
    score, log_sampling = floats(score, log_sampling)
    xp = namespace(score)
    weight = xp.exp(log_sampling)
    centred = score - xp.sum(weight * score, axis=-1, keepdims=True)
    return 2.0 * xp.sum(weight * centred * centred, axis=-1)


def pair_loss(
    log_ratio: Float[Array, "... actions"],
    log_sampling: Float[Array, "... actions"],
    advantage: Float[Array, "... actions actions"],
    *,
    target: Float[Array, "... #actions #actions"],
    distance: Distance = squared_distance,
) -> Float[Array, "..."]:
    r"""Equation 17: $\mathbb{E}_{y,y'\sim\rho}\,\mathbb{E}_{label}\,D(h(y_w) - h(y_l)\,\|\,c(y_w, y_l))$.

    The label prefers y with probability $\frac12 + A_{yy'}$; `target[..., w, l]` is the target of a pair.
    """
    check_same_shape(log_ratio=log_ratio, log_sampling=log_sampling)
    log_ratio, target, chance = floats(log_ratio, target, independent_pairs(log_sampling, advantage))
    margin = log_ratio[..., :, None] - log_ratio[..., None, :]
    return namespace(chance).sum(chance * distance(margin, target), axis=(-2, -1))


def labelled_loss(
    log_ratio: Float[Array, "... actions"],
    log_sampling: Float[Array, "... actions"],
    advantage: Float[Array, "... actions actions"],
    *,
    target: Real,
) -> Float[Array, "..."]:
    r"""$\mathbb{E}_{y,y'\sim\rho}\,\mathbb{E}_{label}[(h(y_w) - h(y_l) - c)^2]$: one target for all pairs.

    With $q = \frac12 + A_{yy'}$ the label's expectation is $(h_y - h_{y'})^2 - 4cA_{yy'}(h_y - h_{y'}) + c^2$. It
    differs from `contrast_loss` of $h - 2c\,A\rho$ by a constant: c is half the slope in front of the win rates, but
    only where pairs and opponents have one law. Source: `inpo`, Equation 8 and C5.
    """
    target, _ = floats(target, log_ratio)
    return pair_loss(log_ratio, log_sampling, advantage, target=target[..., None, None])


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
    rest = log_ratio - beside(step_size) * lead
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
    scale = beside(inverse_step, axes=2)
    margin = scale * (log_ratio[..., :, None] - log_ratio[..., None, :])
    target = lead[..., :, None] - lead[..., None, :]
    weight = xp.exp(log_sampling)
    both = weight[..., :, None] * weight[..., None, :]
    cross = sigmoid(target) * log_sigmoid(margin) + sigmoid(-target) * log_sigmoid(-margin)
    return -xp.sum(both * cross, axis=(-2, -1))


def mixed_reference(
    log_policies: Float[Array, "... opponents actions"], weights: Float[Array, "... opponents"]
) -> Float[Array, "... actions"]:
    r"""$\sum_j \lambda_j\log\pi_j$: the geometric mixture that a log-ratio is taken to, not normalised.

    The weights need not sum to 1: what is lacking pulls towards the uniform policy. Source: `mnpo`, Equation 17.
    """
    log_policies, weights = floats(log_policies, weights)
    return namespace(log_policies).sum(weights[..., None] * log_policies, axis=-2)
