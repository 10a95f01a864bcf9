r"""Propensities of exposure: the popularity proxy, clipping, and the posterior exposure of ExpoMF.

Source: `mnar-clipped` (Saito et al., WSDM 2020); the posterior is derived from $Y = O R$ with independent $O$ and $R$.
"""

from jaxtyping import Float

from lab.arrays import (
    Array,
    Real,
    check_between,
    check_broadcast,
    check_finite,
    check_last_axis,
    check_positive,
    floats,
    namespace,
)


def popularity_propensity(clicks: Float[Array, "... items"], *, power: Real = 0.5) -> Float[Array, "... items"]:
    r"""$\hat\theta_i = (n_i/\max_j n_j)^\eta$ from the clicks $n_i$ of each item, counted or expected.

    The most clicked item gets 1: the scale of the propensities is not identified. Expected clicks are
    $m\theta_i\gamma_i$, so the proxy is proportional to $\theta_i$ if and only if
    $\gamma_i \propto \theta_i^{1/\eta-1}$ (`mnar-clipped`, C8). An item without a click would get 0 and raises
    ValueError, as do negative or non-finite counts, no item at all, and a power ≤ 0.
    """
    check_last_axis("items", clicks=clicks)
    check_broadcast(clicks=clicks, power=power)
    check_positive(power=power)
    check_finite(clicks=clicks)
    check_positive(clicks=clicks)
    clicks, power = floats(clicks, power)
    return (clicks / namespace(clicks).max(clicks, axis=-1, keepdims=True)) ** power


def clip_propensity(propensity: Real, *, clip: Real) -> Float[Array, "..."]:
    r"""$\max(\theta, M)$. Raises ValueError unless 0 < propensity ≤ 1, 0 ≤ clip ≤ 1 and the shapes broadcast."""
    check_broadcast(propensity=propensity, clip=clip)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    check_between(0.0, 1.0, clip=clip)
    propensity, clip = floats(propensity, clip)
    return namespace(propensity, clip).maximum(propensity, clip)


def exposure_posterior(click: Real, propensity: Real, relevance: Real) -> Float[Array, "..."]:
    r"""$P(O=1 \mid Y) = Y + (1-Y)\,\theta(1-\gamma)/(1-\theta\gamma)$: a click proves exposure, its absence lowers
    the odds.

    Where $\theta\gamma = 1$ a missing click is impossible and the prior $\theta$ is returned for it. Raises ValueError
    unless all lie in [0, 1], the propensity above 0, and the shapes broadcast.
    """
    check_broadcast(click=click, propensity=propensity, relevance=relevance)
    check_between(0.0, 1.0, click=click, relevance=relevance)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    click, propensity, relevance = floats(click, propensity, relevance)
    xp = namespace(click, propensity, relevance)
    missed = 1.0 - propensity * relevance
    possible = missed > 0
    unseen = propensity * (1.0 - relevance) / xp.where(possible, missed, xp.ones_like(missed))
    return click + (1.0 - click) * xp.where(possible, unseen, propensity)
