r"""The error of the clipped estimator as a function of the clip, and its exact minimum.

Between two neighbouring propensities the bias is affine in $x = 1/M$ and the variance quadratic, so that the mean
squared error is a parabola in $x$ on each of $|D|$ segments: the best clip is found in closed form, by sorting and
running sums. Source: `mnar-clipped`, C5 and C6; the closed form is derived here.
"""

from typing import NamedTuple

from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_broadcast, check_finite, check_last_axis, floats, namespace
from lab.recommenders.moments import clipped_bias, clipped_variance


class ClipOptimum(NamedTuple):
    """The best clip and the mean squared error there."""

    clip: Float[Array, "..."]
    mean_squared_error: Float[Array, "..."]


def clip_error(
    relevance: Real, propensity: Real, difference: Real, *, clip: Real, users: Real = 1
) -> Float[Array, "..."]:
    r"""Mean squared error $\mathrm{bias}^2 + \mathrm{variance}/m$ of the clipped loss over $m$ users with
    independent clicks.

    The last axis holds the pairs; the variance is `clipped_variance`. As $m \to \infty$ only the bias is left. Raises
    ValueError as `clipped_variance`, and unless users ≥ 1.
    """
    check_between(1.0, float("inf"), users=users)
    bias = clipped_bias(relevance, propensity, difference, clip=clip)
    check_broadcast(worlds=bias, users=users)
    _, users = floats(bias, users)
    return bias**2 + clipped_variance(relevance, propensity, difference, clip=clip) / users


def optimal_clip(
    relevance: Float[Array, "... pairs"],
    propensity: Float[Array, "... pairs"],
    difference: Float[Array, "... pairs"],
    *,
    users: Real = 1,
) -> ClipOptimum:
    r"""The clip $M \in [\min\theta, 1]$ that minimises `clip_error`, exactly.

    With the $k$ rarest pairs clipped, $\mathrm{MSE}(x) = (xB_k - G_k)^2 + x^2V_k + W_k$ with $x = 1/M$ and running sums
    $B = \sum\gamma\theta\Delta/n$, $G = \sum\gamma\Delta/n$, $V = \sum\theta\gamma(1-\theta\gamma)\Delta^2/(n^2m)$
    over the clipped and $W = \sum\gamma(1/\theta-\gamma)\Delta^2/(n^2m)$ over the other pairs; its minimum
    $B_kG_k/(B_k^2+V_k)$ is moved into the segment $[1/\theta_{(k+1)}, 1/\theta_{(k)}]$, and the best segment wins.
    Any sign of the differences is allowed. Raises ValueError unless 0 < propensity ≤ 1, 0 ≤ relevance ≤ 1, the
    differences are finite, users ≥ 1, and all have the same pairs, at least one.
    """
    check_last_axis("pairs", relevance=relevance, propensity=propensity, difference=difference)
    check_between(0.0, 1.0, relevance=relevance)
    check_between(0.0, 1.0, open_low=True, propensity=propensity)
    check_finite(difference=difference)
    check_between(1.0, float("inf"), users=users)
    relevance, propensity, difference, users = floats(relevance, propensity, difference, users)
    xp = namespace(propensity)
    relevance, propensity, difference = xp.broadcast_arrays(relevance, propensity, difference)
    check_broadcast(worlds=propensity[..., 0], users=users)
    pairs, users = propensity.shape[-1], users[..., None]
    order = xp.argsort(propensity, axis=-1)
    relevance, propensity, difference = (
        xp.take_along_axis(x, order, axis=-1) for x in (relevance, propensity, difference)
    )

    def running(terms: Array) -> Array:
        return xp.cumulative_sum(terms, axis=-1)

    chance = propensity * relevance
    reached = running(chance * difference) / pairs
    wanted = running(relevance * difference) / pairs
    spread = running(chance * (1.0 - chance) * difference**2) / (pairs**2 * users)
    unclipped = relevance * (1.0 / propensity - relevance) * difference**2
    beyond = xp.flip(running(xp.flip(unclipped, axis=-1)), axis=-1) - unclipped
    rest = beyond / (pairs**2 * users)

    top = 1.0 / propensity
    bottom = xp.concat([top[..., 1:], xp.ones_like(top[..., :1])], axis=-1)
    curvature = reached**2 + spread
    curved = curvature > 0
    # A flat parabola (no clipped pair matters) has no minimum of its own: clip as little as possible.
    best = xp.where(curved, reached * wanted / xp.where(curved, curvature, xp.ones_like(curvature)), top)
    best = xp.minimum(xp.maximum(best, bottom), top)
    error = (best * reached - wanted) ** 2 + best**2 * spread + rest
    winner = xp.argmin(error, axis=-1)[..., None]
    chosen = xp.take_along_axis(best, winner, axis=-1)[..., 0]
    return ClipOptimum(1.0 / chosen, xp.take_along_axis(error, winner, axis=-1)[..., 0])
