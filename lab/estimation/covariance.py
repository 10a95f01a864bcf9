r"""Asymptotic covariances of the estimates in closed form: $\sqrt n(\hat\theta-\theta^*) \to N(0, V)$.

Expectations run over pairs with the given probabilities (which may sum to less than 1: the rest carries no
information). Source: `rdpo`, C6; `dpo-background`, B6. The `rdpo` paper states the rate only; the covariances are
derived.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_flip_rate, floats, namespace, sigmoid
from lab.estimation.linear import inverse
from lab.objectives.logistic import dpo_curvature
from lab.preferences import flipped


def second_moment(
    pair_features: Float[Array, "... pairs features"], weights: Float[Array, "... pairs"]
) -> Float[Array, "... features features"]:
    r"""$\sum_i w_i x_i x_i^\top$."""
    pair_features, weights = floats(pair_features, weights)
    xp = namespace(pair_features, weights)
    return xp.matrix_transpose(pair_features * weights[..., None]) @ pair_features


def robust_curvature(
    pair_features: Float[Array, "... pairs features"],
    probabilities: Float[Array, "... pairs"],
    margins: Float[Array, "... pairs"],
    *,
    beta: Real,
) -> Float[Array, "... features features"]:
    r"""$H = \beta^2\,\mathbb{E}[\sigma(h)\sigma(-h)\,xx^\top]$, $h = \beta x^\top(\theta^*-\theta_0)$: population
    Hessian at the truth.

    The same for DPO without flips and for the robust loss at any flip rate. `margins` are unscaled. Raises ValueError
    for negative probabilities, margins that are not finite and a beta that is not positive.
    """
    beta, _, probabilities = _scaled(beta, margins, probabilities)
    return second_moment(pair_features, probabilities * beta**2 * dpo_curvature(margins, beta=beta))


def robust_covariance(
    pair_features: Float[Array, "... pairs features"],
    probabilities: Float[Array, "... pairs"],
    margins: Float[Array, "... pairs"],
    *,
    beta: Real,
    flip_rate: Real,
) -> Float[Array, "... features features"]:
    r"""$V = H^{-1}MH^{-1}$ of the robust estimate, $M = \beta^2(1-2\varepsilon)^{-2}\,\mathbb{E}[\tilde p(1-\tilde
    p)\,xx^\top]$.

    $\tilde p = (1-2\varepsilon)\sigma(h)+\varepsilon$ is the probability of the label as seen. Raises ValueError as
    `robust_curvature`, and unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C6 (derived).
    """
    xp = namespace(pair_features, probabilities, margins)
    beta, h, probabilities = _scaled(beta, margins, probabilities)
    rate = _rate(flip_rate, h)
    seen = flipped(sigmoid(h), flip_rate=rate)
    unseen = flipped(sigmoid(-h), flip_rate=rate)
    spread = second_moment(pair_features, probabilities * (beta / (1.0 - 2.0 * rate)) ** 2 * seen * unseen)
    back = inverse(second_moment(pair_features, probabilities * beta**2 * dpo_curvature(margins, beta=beta)))
    return xp.matmul(xp.matmul(back, spread), back)


def likelihood_information(
    pair_features: Float[Array, "... pairs features"],
    probabilities: Float[Array, "... pairs"],
    margins: Float[Array, "... pairs"],
    *,
    beta: Real,
    flip_rate: Real,
) -> Float[Array, "... features features"]:
    r"""Fisher information $I = \beta^2\,\mathbb{E}\big[\frac{((1-2\varepsilon)\sigma(h)\sigma(-h))^2}{\tilde
    p(1-\tilde p)}\,xx^\top\big]$.

    The noisy-likelihood estimate (known flip rate) has covariance $I^{-1}$, never larger than the robust estimate's.
    Raises ValueError as `robust_covariance`. Source: `rdpo`, C6 (derived).
    """
    beta, h, probabilities = _scaled(beta, margins, probabilities)
    rate = _rate(flip_rate, h)
    slope = (1.0 - 2.0 * rate) * dpo_curvature(margins, beta=beta)
    seen = flipped(sigmoid(h), flip_rate=rate) * flipped(sigmoid(-h), flip_rate=rate)
    return second_moment(pair_features, probabilities * beta**2 * slope**2 / seen)


def profile_information(
    pair_features: Float[Array, "... pairs features"],
    probabilities: Float[Array, "... pairs"],
    margins: Float[Array, "... pairs"],
    *,
    beta: Real,
    flip_rate: Real,
) -> Float[Array, "... features features"]:
    r"""What is left of `likelihood_information` when the same labels must also tell the flip rate: $I - bb^\top/c$.

    $b = \mathbb{E}\big[\frac{\beta(1-2\varepsilon)\sigma(h)\sigma(-h)\,s}{\tilde p(1-\tilde p)}x\big]$ and $c =
    \mathbb{E}\frac{s^2}{\tilde p(1-\tilde p)}$ with $s = \sigma(-h)-\sigma(h)$, the slope of $\tilde p$ in
    $\varepsilon$. Singular where each pair has a margin of its own, undefined where all margins are 0. Raises
    ValueError as `robust_covariance`. Source: `rdpo`, C6 and pitfall 3 (derived).
    """
    known = likelihood_information(pair_features, probabilities, margins, beta=beta, flip_rate=flip_rate)
    beta, h, probabilities = _scaled(beta, margins, probabilities)
    rate = _rate(flip_rate, h)
    xp = namespace(pair_features, h)
    in_rate = sigmoid(-h) - sigmoid(h)
    weight = probabilities * in_rate / (flipped(sigmoid(h), flip_rate=rate) * flipped(sigmoid(-h), flip_rate=rate))
    slope = beta * (1.0 - 2.0 * rate) * dpo_curvature(margins, beta=beta)
    both = xp.sum((weight * slope)[..., None] * pair_features, axis=-2)
    alone = xp.sum(weight * in_rate, axis=-1)
    return known - both[..., :, None] * both[..., None, :] / alone[..., None, None]


def _scaled(beta: Real, margins: Array, probabilities: Array) -> tuple[Array, Array, Array]:
    check_between(0.0, float("inf"), probabilities=probabilities)
    beta, margins, probabilities = floats(beta, margins, probabilities)
    beta = beta[..., None] if beta.ndim else beta
    return beta, beta * margins, probabilities


def _rate(flip_rate: Real, like: Array) -> Array:
    check_flip_rate(flip_rate)
    flip_rate, _ = floats(flip_rate, like)
    return flip_rate[..., None] if flip_rate.ndim else flip_rate
