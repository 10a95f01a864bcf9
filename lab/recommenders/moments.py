r"""Exact bias and variance of the estimators of the ideal loss, at a fixed prediction, over clicks.

Each function returns one number for the last axis, the $|D|$ pairs. `relevance` is $\gamma$, `propensity` $\theta$,
`losses` the local losses $\delta^1, \delta^0$ of the prediction, `difference` is $\Delta = \delta^1 - \delta^0$. The
formulas are derived (the theorem texts of the paper were not available) and checked by enumerating all click
patterns: `mnar-clipped`, C1–C5. Variances assume independent pairs, except `shared_shock_variance`.

All raise ValueError unless 0 ≤ relevance ≤ 1, 0 < propensity ≤ 1 (0 is allowed where it says so), losses and
differences are finite, and every argument has the same pairs on its last axis or is one number for all of them.
"""

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_finite,
    check_positive,
    check_same_shape,
    floats,
    namespace,
)
from lab.recommenders.losses import Losses, check_pairs
from lab.recommenders.propensity import clip_propensity


def weighted_mf_bias(
    relevance: Real, propensity: Real, losses: Losses, *, click_weight: Real = 1.0
) -> Float[Array, "..."]:
    r"""Bias of WMF (naive at $c = 1$): $|D|^{-1}\sum \gamma(c\theta-1)\,\delta^1 + \gamma(1-\theta)\,\delta^0$.

    Raises ValueError as all of this module, and unless the click weight is positive and finite.
    """
    check_finite(positive=losses.positive, negative=losses.negative)
    check_positive(click_weight=click_weight)
    relevance, propensity, positive, negative = _chances(relevance, propensity, **losses._asdict())
    check_broadcast(relevance=relevance, propensity=propensity, click_weight=click_weight)
    return _mean(relevance * ((click_weight * propensity - 1.0) * positive + (1.0 - propensity) * negative))


def exposure_mf_expectation(relevance: Real, propensity: Real, losses: Losses) -> Float[Array, "..."]:
    r"""Expected loss of ExpoMF with the exact posterior:
    $|D|^{-1}\sum \theta\,[\gamma\delta^1 + (1-\gamma)\delta^0]$. Raises ValueError as all of this module."""
    check_finite(positive=losses.positive, negative=losses.negative)
    relevance, propensity, positive, negative = _chances(relevance, propensity, **losses._asdict())
    return _mean(propensity * (relevance * positive + (1.0 - relevance) * negative))


def misspecified_bias(relevance: Real, propensity: Real, assumed: Real, difference: Real) -> Float[Array, "..."]:
    r"""Bias of the inverse-propensity loss under assumed propensities:
    $|D|^{-1}\sum \gamma(\theta/\hat\theta - 1)\Delta$.

    Here a true propensity of 0 is allowed: such a pair contributes $-\gamma\Delta$ whatever is assumed. Raises
    ValueError as all of this module, and unless the assumed propensities are positive and finite.
    """
    check_pairs(relevance=relevance, propensity=propensity, assumed=assumed, difference=difference)
    check_between(0.0, 1.0, relevance=relevance, propensity=propensity)
    check_positive(assumed=assumed)
    check_finite(difference=difference)
    relevance, propensity, assumed, difference = floats(relevance, propensity, assumed, difference)
    return _mean(relevance * (propensity / assumed - 1.0) * difference)


def dependence_bias(covariance: Real, propensity: Real, difference: Real) -> Float[Array, "..."]:
    r"""Bias of the unbiased loss when exposure and relevance depend:
    $|D|^{-1}\sum \mathrm{Cov}(O,R)\,\Delta/\theta$. Raises ValueError as all of this module."""
    check_pairs(covariance=covariance, propensity=propensity, difference=difference)
    check_finite(covariance=covariance, difference=difference)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    covariance, propensity, difference = floats(covariance, propensity, difference)
    return _mean(covariance / propensity * difference)


def unbiased_variance(relevance: Real, propensity: Real, difference: Real) -> Float[Array, "..."]:
    r"""Variance of the unbiased loss: $|D|^{-2}\sum \gamma(1/\theta - \gamma)\,\Delta^2$.

    Raises ValueError as all of this module.
    """
    return clipped_variance(relevance, propensity, difference, clip=0.0)


def clipped_relevance(relevance: Real, propensity: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""What clipping makes the loss target: $\gamma_M = \gamma\theta/\max(\theta, M) \le \gamma$.

    Not reduced: the shapes need only broadcast. Raises ValueError as all of this module, and unless 0 ≤ clip ≤ 1.
    """
    check_broadcast(relevance=relevance, propensity=propensity, clip=clip)
    check_between(0.0, 1.0, relevance=relevance)
    relevance, propensity, clip = floats(relevance, propensity, clip)
    return relevance * (propensity / clip_propensity(propensity, clip=clip))


def clipped_bias(relevance: Real, propensity: Real, difference: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""Bias of the clipped loss: $|D|^{-1}\sum 1\{\theta<M\}\,\gamma(\theta/M - 1)\,\Delta$.

    Raises ValueError as all of this module, and unless 0 ≤ clip ≤ 1.
    """
    relevance, propensity, difference, divisor = _clipped(relevance, propensity, difference, clip)
    return _mean(relevance * (propensity / divisor - 1.0) * difference)


def clipped_variance(relevance: Real, propensity: Real, difference: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""Variance of the clipped loss: $|D|^{-2}\sum \theta\gamma(1-\theta\gamma)\,\Delta^2/\max(\theta, M)^2$.

    Raises ValueError as all of this module, and unless 0 ≤ clip ≤ 1.
    """
    relevance, propensity, difference, divisor = _clipped(relevance, propensity, difference, clip)
    # (γ/max)(θ/max)(1 − θγ): no product of two small propensities, which would underflow in float32.
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
    $|D|^{-2} s^2 \sum_u [(\sum_i \gamma\Delta)^2 - \sum_i (\gamma\Delta)^2]$ to `unbiased_variance`. Derived. Raises
    ValueError as all of this module, unless the three tables have one shape, and unless 0 ≤ shock ≤ 1.
    """
    check_between(0.0, 1.0, shock=shock)
    check_same_shape(relevance=relevance, propensity=propensity, difference=difference)
    check_finite(difference=difference)
    relevance, propensity, difference = _chances(relevance, propensity, difference=difference)
    if relevance.ndim < 2:
        raise ValueError(f"relevance has {tuple(relevance.shape)}: needs an axis of users and an axis of items")
    check_broadcast(worlds=relevance[..., 0, 0], shock=shock)
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
    saturates at 1). Not reduced: one prediction a pair; the shapes need only broadcast. Raises ValueError as all of
    this module, and unless the ratio is positive and finite. Source: `mnar-clipped`, reference implementation 1
    (derived).
    """
    check_broadcast(relevance=relevance, propensity=propensity, ratio=ratio)
    check_between(0.0, 1.0, relevance=relevance)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    check_positive(ratio=ratio)
    relevance, propensity, ratio = floats(relevance, propensity, ratio)
    return ratio * relevance / (1.0 + (ratio - 1.0) * propensity * relevance)


def _chances(relevance: Real, propensity: Real, **others: Real) -> tuple[Array, ...]:
    """The two probabilities, checked, and what else is known of the same pairs, as arrays of one library."""
    check_pairs(relevance=relevance, propensity=propensity, **others)
    check_between(0.0, 1.0, relevance=relevance)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    return floats(relevance, propensity, *others.values())


def _clipped(relevance: Real, propensity: Real, difference: Real, clip: Real) -> tuple[Array, Array, Array, Array]:
    """The three of them, checked, and max(θ, M)."""
    check_finite(difference=difference)
    relevance, propensity, difference = _chances(relevance, propensity, difference=difference)
    check_broadcast(relevance=relevance, propensity=propensity, difference=difference, clip=clip)
    _, clip = floats(propensity, clip)
    return relevance, propensity, difference, clip_propensity(propensity, clip=clip)


def _mean(terms: Array) -> Array:
    return namespace(terms).mean(terms, axis=-1)
