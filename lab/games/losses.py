r"""The losses behind the updates: squared contrasts of log-ratios over pairs, in exact population form.

A score is a number an action, $d = \log\frac{\pi}{m} - \frac{1}{k}\cdots$; a loss over pairs $y, y' \sim \rho$ sees the
difference of two. Pairs are ordered and may be equal. Sources: `egpo`, C6; `inpo`, Equations 6–8; `mnpo`,
Equations 13–15.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_same_shape, floats, namespace


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


def labelled_loss(
    log_ratio: Float[Array, "... actions"],
    log_sampling: Float[Array, "... actions"],
    advantage: Float[Array, "... actions actions"],
    *,
    target: Real,
) -> Float[Array, "..."]:
    r"""$\mathbb{E}_{y,y'\sim\rho}\,\mathbb{E}_{label}[(h(y_w) - h(y_l) - c)^2]$: pairs labelled by the preference.

    With $q = \frac12 + A_{yy'}$ the label's expectation is $(h_y - h_{y'})^2 - 4cA_{yy'}(h_y - h_{y'}) + c^2$. It
    differs from `contrast_loss` of $h - 2c\,A\rho$ by a constant: c is half the slope in front of the win rates, but
    only where pairs and opponents have one law. Source: `inpo`, Equation 8 and C5.
    """
    check_same_shape(log_ratio=log_ratio, log_sampling=log_sampling)
    log_ratio, log_sampling, target = floats(log_ratio, log_sampling, target)
    xp = namespace(log_ratio, advantage)
    weight = xp.exp(log_sampling)
    both = weight[..., :, None] * weight[..., None, :]
    contrast = log_ratio[..., :, None] - log_ratio[..., None, :]
    c = target[..., None, None] if target.ndim else target
    return xp.sum(both * (contrast * contrast - 4.0 * c * advantage * contrast + c * c), axis=(-2, -1))


def mixed_reference(
    log_policies: Float[Array, "... opponents actions"], weights: Float[Array, "... opponents"]
) -> Float[Array, "... actions"]:
    r"""$\sum_j \lambda_j\log\pi_j$: the geometric mixture that a log-ratio is taken to, not normalised.

    The weights need not sum to 1: what is lacking pulls towards the uniform policy. Source: `mnpo`, Equation 17.
    """
    log_policies, weights = floats(log_policies, weights)
    return namespace(log_policies).sum(weights[..., None] * log_policies, axis=-2)
