"""Sandwich covariance of a fit for any loss, from its own table: at the population limit, or on real data by
clusters."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real
from lab.estimation.fitting import Loss, derivatives


def sandwich(
    loss: Loss,
    theta: Float[Array, "... features"],
    pair_features: Float[Array, "... pairs features"],
    won: Float[Array, "... pairs"],
    lost: Float[Array, "... pairs"],
    **settings: Real,
) -> Float[Array, "... features features"]:
    r"""$H^{-1}MH^{-1}$ for the normalised weights: $\sqrt n(\hat\theta-\theta_\infty)\to N(0,\cdot)$, for any loss
    and any limit.

    $M$ is the covariance of one observation's gradient, $H$ the Hessian. With exact probabilities as weights it is
    the population's.
    """
    slope, curvature, x, (won, lost) = _parts(loss, theta, pair_features, won, lost, settings)
    spread = jnp.swapaxes(x, -1, -2) @ ((won * slope[0] ** 2 + lost * slope[1] ** 2)[..., None] * x)
    back = jnp.linalg.inv(curvature)
    return back @ spread @ back


def clustered_sandwich(
    loss: Loss,
    theta: Float[Array, " features"],
    pair_features: Float[Array, "pairs features"],
    won: Float[Array, " pairs"],
    lost: Float[Array, " pairs"],
    clusters: np.ndarray,
    **settings: Real,
) -> Float[Array, "features features"]:
    r"""Covariance of one fitted $\hat\theta$ when the rows of a cluster (a person's choices) depend on each other:
    $H^{-1}\big(\sum_c g_c g_c^\top\big)H^{-1}$, with $g_c$ the sum of a cluster's gradients."""
    slope, curvature, x, (won, lost) = _parts(loss, theta, pair_features, won, lost, settings)
    _, index = np.unique(clusters, return_inverse=True)
    rows = (won * slope[0] - lost * slope[1])[..., None] * x
    sums = jnp.zeros((int(index.max()) + 1, x.shape[-1])).at[index].add(rows)
    back = jnp.linalg.inv(curvature)
    return back @ (sums.T @ sums) @ back


@partial(jax.jit, static_argnums=0)
def _parts(loss: Loss, theta: Any, pair_features: Any, won: Any, lost: Any, settings: dict[str, Any]) -> Any:
    x, won, lost = jnp.asarray(pair_features), jnp.asarray(won), jnp.asarray(lost)
    settings = {name: jnp.asarray(s) for name, s in settings.items()}
    total = jnp.sum(won + lost, axis=-1, keepdims=True)
    won, lost = won / total, lost / total
    h = (x @ jnp.asarray(theta)[..., None])[..., 0]
    _, slope_won, bend_won = derivatives(loss, h, settings)
    _, slope_lost, bend_lost = derivatives(loss, -h, settings)
    curvature = jnp.swapaxes(x, -1, -2) @ ((won * bend_won + lost * bend_lost)[..., None] * x)
    return (slope_won, slope_lost), curvature, x, (won, lost)
