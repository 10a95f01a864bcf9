r"""Losses for relevance learned from clicks: a pair of weights for each user–item pair, and one pointwise loss.

A click needs exposure and relevance, $Y = O R$ with $P(O=1) = \theta$ (the propensity) and $P(R=1) = \gamma$. Every
estimator of the ideal loss weighs the two local losses, $\delta^1$ (as if relevant) and $\delta^0$ (as if not):
`loss(logit, clipped(click, propensity, clip=0.1))`.

Source: `mnar-clipped` (Saito et al., WSDM 2020, arXiv 1909.03601). The rows unbiased and clipped are the authors';
WMF and ExpoMF are restated from their own papers.
"""

from typing import Literal, NamedTuple

import numpy as np
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
    sigmoid,
    softplus,
)
from lab.recommenders.propensity import clip_propensity

Local = Literal["log", "squared"]


class Losses(NamedTuple):
    """Local losses of a prediction: as if the pair were relevant, and as if it were not."""

    positive: Float[Array, "..."]
    negative: Float[Array, "..."]

    @property
    def difference(self) -> Float[Array, "..."]:
        r"""$\Delta = \delta^1 - \delta^0$: the only way in which a click enters a loss (log loss: minus the logit)."""
        return self.positive - self.negative


class Weights(NamedTuple):
    """What an estimator multiplies the two local losses by."""

    positive: Float[Array, "..."]
    negative: Float[Array, "..."]


def local_losses(logit: Real, *, local: Local = "log") -> Losses:
    r"""Both local losses of the prediction $f = \sigma(s)$.

    log: $\delta^1 = \log(1+e^{-s})$, $\delta^0 = \log(1+e^{s})$, in nats; squared: $\delta^1 = (1-f)^2$,
    $\delta^0 = f^2$. Raises ValueError for a logit that is not finite or another local loss.
    """
    check_finite(logit=logit)
    (logit,) = floats(logit)
    if local == "log":
        return Losses(softplus(-logit), softplus(logit))
    if local == "squared":
        return Losses(sigmoid(-logit) ** 2, sigmoid(logit) ** 2)
    raise ValueError(f"local = {local!r}: must be 'log' or 'squared'")


def loss(
    logit: Real,
    weights: Weights,
    *,
    local: Local = "log",
    reduction: Literal["none", "mean", "sum"] = "none",
) -> Float[Array, "..."]:
    r"""$a\,\delta^1(s) + b\,\delta^0(s)$ with weights $(a, b)$; reduced over the last axis, the pairs, if asked.

    With $a + b = 1$ the log loss is $\log(1+e^{s}) - a s$: convex in the logit, unbounded below when $a > 1$. It is
    computed from the two softplus terms, which do not cancel for weights of one sign. Raises ValueError as
    `local_losses`, for shapes that do not broadcast, for another reduction, and where a reduction finds not the same
    pairs, at least one, in logit and weights.
    """
    named = {"logit": logit, "positive weight": weights.positive, "negative weight": weights.negative}
    if reduction == "none":
        check_broadcast(**named)
    elif reduction in ("mean", "sum"):
        check_pairs(**named)
    else:
        raise ValueError(f"reduction = {reduction!r}: must be 'none', 'mean' or 'sum'")
    as_relevant, as_not, positive, negative = floats(*local_losses(logit, local=local), *weights)
    terms = positive * as_relevant + negative * as_not
    if reduction == "none":
        return terms
    reduce = namespace(terms).mean if reduction == "mean" else namespace(terms).sum
    return reduce(terms, axis=-1)


def check_pairs(**named: Real) -> None:
    """Raise ValueError unless one argument at least holds pairs on its last axis, and every other one as many, or is
    one number for all of them; the axes before must broadcast."""
    check_last_axis("pairs", **({name: x for name, x in named.items() if np.ndim(x)} or named))


def ideal(relevance: Real) -> Weights:
    r"""$(\gamma,\ 1-\gamma)$: the loss one would minimise if relevance were seen. Raises ValueError outside [0, 1]."""
    check_between(0.0, 1.0, relevance=relevance)
    (relevance,) = floats(relevance)
    return Weights(relevance, 1.0 - relevance)


def naive(click: Real) -> Weights:
    r"""$(Y,\ 1-Y)$: a click is relevance, no click is irrelevance. Raises ValueError unless 0 ≤ click ≤ 1."""
    return weighted_mf(click, click_weight=1.0)


def weighted_mf(click: Real, *, click_weight: Real = 1.0, unlabeled_weight: Real = 1.0) -> Weights:
    r"""$(cY,\ c_0(1-Y))$: WMF weighs clicks by $c$ and pairs without one by $c_0$.

    The weight belongs on the clicks in the paper's notation ($c \ge 1$, $c_0 = 1$); the authors' Yahoo! R3 code
    tunes the weight of the unlabeled pairs instead. Raises ValueError unless 0 ≤ click ≤ 1, the weights are positive
    and finite, and the shapes broadcast.
    """
    check_broadcast(click=click, click_weight=click_weight, unlabeled_weight=unlabeled_weight)
    check_between(0.0, 1.0, click=click)
    check_positive(click_weight=click_weight, unlabeled_weight=unlabeled_weight)
    click, click_weight, unlabeled_weight = floats(click, click_weight, unlabeled_weight)
    return Weights(click_weight * click, unlabeled_weight * (1.0 - click))


def exposure_mf(click: Real, exposure: Real) -> Weights:
    r"""$\theta'\,(Y,\ 1-Y)$: ExpoMF weighs a pair by its posterior exposure $\theta' = P(O=1 \mid Y)$.

    `lab.recommenders.propensity.exposure_posterior` gives $\theta'$. Raises ValueError unless both lie in [0, 1] and
    their shapes broadcast.
    """
    check_broadcast(click=click, exposure=exposure)
    check_between(0.0, 1.0, click=click, exposure=exposure)
    click, exposure = floats(click, exposure)
    return Weights(exposure * click, exposure * (1.0 - click))


def unbiased(click: Real, propensity: Real) -> Weights:
    r"""$(Y/\theta,\ 1-Y/\theta)$: its expectation over clicks is `ideal` when the propensities are true.

    Raises ValueError unless 0 ≤ click ≤ 1, 0 < propensity ≤ 1 and the shapes broadcast. Source: `mnar-clipped`, C3.
    """
    return clipped(click, propensity, clip=0.0)


def clipped(click: Real, propensity: Real, *, clip: Real) -> Weights:
    r"""$(w,\ 1-w)$ with $w = Y/\max(\theta, M)$: clip $M = 0$ is `unbiased`, $M = 1$ is `naive`.

    Raises ValueError unless 0 ≤ click ≤ 1, 0 < propensity ≤ 1, 0 ≤ clip ≤ 1 and the shapes broadcast. Source:
    `mnar-clipped`, C5.
    """
    check_broadcast(click=click, propensity=propensity, clip=clip)
    check_between(0.0, 1.0, click=click)
    click, propensity, clip = floats(click, propensity, clip)
    weight = click / clip_propensity(propensity, clip=clip)
    return Weights(weight, 1.0 - weight)


def class_balanced(click: Real, weights: Weights, *, ratio: Real) -> Weights:
    r"""The weights an estimator gets when clicked pairs are drawn $\rho$ times as often as the others.

    Batches of half clicks, half non-clicks have $\rho = N_0/N_1$. Raises ValueError unless 0 ≤ click ≤ 1, the ratio is
    positive and finite, and the shapes broadcast. Source: `mnar-clipped`, reference implementation 1.
    """
    check_broadcast(click=click, ratio=ratio, positive=weights.positive, negative=weights.negative)
    check_between(0.0, 1.0, click=click)
    check_positive(ratio=ratio)
    click, ratio, positive, negative = floats(click, ratio, *weights)
    times = 1.0 + (ratio - 1.0) * click
    return Weights(times * positive, times * negative)
