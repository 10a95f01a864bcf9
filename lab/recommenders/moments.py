r"""Exact bias and variance of the estimators of the ideal loss, at a fixed prediction, over clicks.

Each function returns one number for the last axis, the $|D|$ pairs. `relevance` is $\gamma$, `propensity` $\theta$,
`losses` the local losses $\delta^1, \delta^0$ of the prediction, `difference` is $\Delta = \delta^1 - \delta^0$. The
formulas are derived (the theorem texts of the paper were not available) and checked by enumerating all click
patterns: `mnar-clipped`, C1–C5. Variances assume independent pairs, except `shared_shock_variance`.
"""

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_finite, check_positive, floats, namespace
from lab.recommenders.losses import Losses


def weighted_mf_bias(
    relevance: Real, propensity: Real, losses: Losses, *, click_weight: Real = 1.0
) -> Float[Array, "..."]:
    r"""Bias of WMF (naive at $c = 1$): $|D|^{-1}\sum \gamma(c\theta-1)\,\delta^1 + \gamma(1-\theta)\,\delta^0$."""
    check_finite(positive=losses.positive, negative=losses.negative)
    check_positive(click_weight=click_weight)
    relevance, propensity, positive, negative = _chances(relevance, propensity, *losses)
    return _mean(relevance * ((click_weight * propensity - 1.0) * positive + (1.0 - propensity) * negative))


def exposure_mf_expectation(relevance: Real, propensity: Real, losses: Losses) -> Float[Array, "..."]:
    r"""Expected loss of ExpoMF with the exact posterior:
    $|D|^{-1}\sum \theta\,[\gamma\delta^1 + (1-\gamma)\delta^0]$."""
    check_finite(positive=losses.positive, negative=losses.negative)
    relevance, propensity, positive, negative = _chances(relevance, propensity, *losses)
    return _mean(propensity * (relevance * positive + (1.0 - relevance) * negative))


def misspecified_bias(relevance: Real, propensity: Real, assumed: Real, difference: Real) -> Float[Array, "..."]:
    r"""Bias of the inverse-propensity loss under assumed propensities:
    $|D|^{-1}\sum \gamma(\theta/\hat\theta - 1)\Delta$.

    Here a true propensity of 0 is allowed: such a pair contributes $-\gamma\Delta$ whatever is assumed.
    """
    check_between(0.0, 1.0, relevance=relevance, propensity=propensity)
    check_positive(assumed=assumed)
    check_finite(difference=difference)
    relevance, propensity, assumed, difference = floats(relevance, propensity, assumed, difference)
    return _mean(relevance * (propensity / assumed - 1.0) * difference)


def dependence_bias(covariance: Real, propensity: Real, difference: Real) -> Float[Array, "..."]:
    r"""Bias of the unbiased loss when exposure and relevance depend:
    $|D|^{-1}\sum \mathrm{Cov}(O,R)\,\Delta/\theta$."""
    check_finite(covariance=covariance, difference=difference)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    covariance, propensity, difference = floats(covariance, propensity, difference)
    return _mean(covariance / propensity * difference)


def unbiased_variance(relevance: Real, propensity: Real, difference: Real) -> Float[Array, "..."]:
    r"""Variance of the unbiased loss: $|D|^{-2}\sum \gamma(1/\theta - \gamma)\,\Delta^2$."""
    return clipped_variance(relevance, propensity, difference, clip=0.0)


def clipped_relevance(relevance: Real, propensity: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""What clipping makes the loss target: $\gamma_M = \gamma\theta/\max(\theta, M) \le \gamma$."""
    relevance, propensity = _chances(relevance, propensity)
    return relevance * _kept(propensity, clip)


def clipped_bias(relevance: Real, propensity: Real, difference: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""Bias of the clipped loss: $|D|^{-1}\sum 1\{\theta<M\}\,\gamma(\theta/M - 1)\,\Delta$."""
    check_finite(difference=difference)
    relevance, propensity, difference = _chances(relevance, propensity, difference)
    return _mean(relevance * (_kept(propensity, clip) - 1.0) * difference)


def clipped_variance(relevance: Real, propensity: Real, difference: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""Variance of the clipped loss: $|D|^{-2}\sum \theta\gamma(1-\theta\gamma)\,\Delta^2/\max(\theta, M)^2$."""
    check_between(0.0, 1.0, clip=clip)
    check_finite(difference=difference)
    relevance, propensity, difference, clip = _chances(relevance, propensity, difference, clip)
    # (γ/max)(θ/max)(1 − θγ): no product of two small propensities, which would underflow in float32.
    divisor = namespace(propensity, clip).maximum(propensity, clip)
    terms = relevance / divisor * (propensity / divisor) * (1.0 - propensity * relevance) * difference**2
    return _mean(terms) / terms.shape[-1]


def shared_shock_variance(
    relevance: Float[Array, "... users items"],
    propensity: Float[Array, "... users items"],
    difference: Float[Array, "... users items"],
    *,
    shock: Real,
) -> Float[Array, "..."]:
    r"""Variance of the unbiased loss when each user's exposures rise and fall together.

    With $P(O=1 \mid z) = \theta(1 + s z)$, one $z = \pm 1$ a user, each with probability 1/2, the mean stays and
    $\mathrm{Cov}(Y_i, Y_j) = s^2\theta_i\gamma_i\theta_j\gamma_j$ within a user, which adds
    $|D|^{-2} s^2 \sum_u [(\sum_i \gamma\Delta)^2 - \sum_i (\gamma\Delta)^2]$ to `unbiased_variance`. Derived.
    """
    check_between(0.0, 1.0, shock=shock)
    check_finite(difference=difference)
    relevance, propensity, difference = _chances(relevance, propensity, difference)
    xp = namespace(relevance, propensity)
    pairs = relevance.shape[-1] * relevance.shape[-2]
    each = xp.sum(relevance * (1.0 / propensity - relevance) * difference**2, axis=(-2, -1))
    pulls = relevance * difference
    together = xp.sum(xp.sum(pulls, axis=-1) ** 2 - xp.sum(pulls**2, axis=-1), axis=-1)
    return (each + shock**2 * together) / pairs**2


def class_balanced_minimiser(relevance: Real, propensity: Real, *, ratio: Real) -> Float[Array, "..."]:
    r"""Prediction that minimises the unbiased squared loss under class-balanced batches:
    $\rho\gamma/(1+(\rho-1)\theta\gamma)$.

    Only $\rho = 1$ gives $\gamma$; for large $\rho\theta\gamma$ it tends to $1/\theta$ (a sigmoid output then
    saturates at 1). Not reduced: one prediction a pair. Source: `mnar-clipped`, reference implementation 1 (derived).
    """
    relevance, propensity, ratio = _chances(relevance, propensity, ratio)
    check_positive(ratio=ratio)
    return ratio * relevance / (1.0 + (ratio - 1.0) * propensity * relevance)


def _chances(relevance: Real, propensity: Real, *others: Real) -> tuple[Array, ...]:
    """The two probabilities, checked, and whatever is computed with them, as arrays of one library."""
    check_between(0.0, 1.0, relevance=relevance)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    return floats(relevance, propensity, *others)


def _kept(propensity: Array, clip: Real) -> Array:
    """θ/max(θ, M): the share of a pair's relevance that clipping keeps."""
    check_between(0.0, 1.0, clip=clip)
    propensity, clip = floats(propensity, clip)
    return propensity / namespace(propensity, clip).maximum(propensity, clip)


def _mean(terms: Array) -> Array:
    """Mean over the pairs; of none of them there is no mean."""
    if terms.ndim == 0 or terms.shape[-1] == 0:
        raise ValueError(f"the pairs have shape {tuple(terms.shape)}: the last axis must hold at least one pair")
    return namespace(terms).mean(terms, axis=-1)
