r"""Fitting log-linear preference models to tables of pairs: damped Newton steps, all data sets of a batch in one
compiled loop.

A data set is a table: for each pair with feature difference $x$, the weight of the observations in which the first
action was seen to win, and of those in which it was seen to lose. Counts, frequencies and exact probabilities are
treated alike, so the estimate from data and its population limit come from one function. The estimate is the shift
$\theta - \theta_0$ from the reference policy, whose unscaled margins are $x^\top(\theta-\theta_0)$ (`rdpo`, setting).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_finite, check_positive, is_traced

Loss = Callable[..., Any]  # loss(margin, **settings): elementwise, of the unscaled margin in the observed orientation

LONGEST = 1e6  # an unconstrained shift of this length is called unbounded: no finite minimiser was found


class Fit(NamedTuple):
    """Minimisers of a batch of data sets. `converged` is false where no stationary point was found (none may exist)."""

    theta: jax.Array  # (..., features): the shift from the reference
    value: jax.Array  # (...): the objective there
    converged: jax.Array  # (...)
    steps: jax.Array  # (): Newton steps of the slowest data set


class _State(NamedTuple):
    theta: jax.Array
    value: jax.Array
    gradient: jax.Array
    curvature: jax.Array
    damping: jax.Array
    settled: jax.Array
    astray: jax.Array
    step: jax.Array


def fit(
    loss: Loss,
    pair_features: Float[Array, "*batch pairs features"],
    won: Float[Array, "*batch2 rows"],
    lost: Float[Array, "*batch2 rows"],
    *,
    ridge: Real = 0.0,
    radius: Real | None = None,
    start: Float[Array, "... features"] | None = None,
    steps: int = 100,
    **settings: Real,
) -> Fit:
    r"""$\arg\min_\theta \frac1W\sum_i [w_i^+\,\ell(x_i^\top\theta) + w_i^-\,\ell(-x_i^\top\theta)] +
    \frac\lambda2\|\theta\|^2$, where wanted subject to $\|\theta\| \le$ radius.

    `won` and `lost` hold the weights $w^+, w^-$, $W$ their sum; `settings` (beta, flip_rate, …) are passed to the
    loss and, like ridge and radius, broadcast against the batch. A loss whose minimum lies at infinity runs to the
    radius, or stops unconverged. Directions that no pair distinguishes keep their starting value. Computed in double
    precision, whatever precision JAX is set to, and returned in that of `pair_features`. Raises ValueError for features
    that are not finite, negative weights, an empty table, lengths that differ, a negative ridge, a radius that is not
    positive, and settings that the loss refuses. Source: `rdpo`, method.
    """
    check_finite(pair_features=pair_features)
    check_between(0.0, float("inf"), won=won, lost=lost, ridge=ridge)
    if radius is not None:
        check_positive(radius=radius)
    pairs = [np.shape(table)[-1] for table in (won, lost)]
    if not (np.shape(pair_features)[-2] == pairs[0] == pairs[1]):
        raise ValueError(f"pairs must agree: {np.shape(pair_features)[-2]} features, {pairs[0]} won, {pairs[1]} lost")
    # The loss refuses bad settings here: inside the compiled loop it cannot see them.
    if not is_traced(*settings.values()):
        loss(np.zeros(()), **settings)
    kept = jnp.result_type(pair_features, 0.0)
    # Newton's last steps are smaller than single precision resolves, whatever precision JAX is set to outside.
    with jax.enable_x64(True):
        x, won, lost, ridge = (jnp.asarray(a, jnp.float64) for a in (pair_features, won, lost, ridge))
        if not is_traced(won, lost) and not bool(jnp.all(jnp.sum(won + lost, axis=-1) > 0)):
            raise ValueError("won + lost is zero throughout a data set: there is nothing to fit")
        radius, start = (None if a is None else jnp.asarray(a, jnp.float64) for a in (radius, start))
        settings = {name: jnp.asarray(s, jnp.float64) for name, s in settings.items()}
        found = _fit(loss, x, won, lost, ridge, radius, start, steps, settings)
        return found._replace(theta=found.theta.astype(kept), value=found.value.astype(kept))


@partial(jax.jit, static_argnums=0)
def _fit(
    loss: Loss, x: Any, won: Any, lost: Any, ridge: Any, radius: Any, start: Any, steps: Any, settings: dict[str, Any]
) -> Fit:
    extent = jnp.asarray(jnp.inf if radius is None else radius, x.dtype)
    batch = jnp.broadcast_shapes(
        x.shape[:-2], won.shape[:-1], lost.shape[:-1], ridge.shape, extent.shape, *[s.shape for s in settings.values()],
        () if start is None else start.shape[:-1],
    )  # fmt: skip
    total = jnp.sum(won + lost, axis=-1, keepdims=True)
    won, lost = won / total, lost / total
    outer = jnp.reshape(x[..., :, None] * x[..., None, :], (*x.shape[:-1], x.shape[-1] ** 2))
    identity = jnp.eye(x.shape[-1])

    def objective(theta: Any) -> tuple[Any, Any, Any]:
        """Value, gradient and curvature of the objective at theta."""
        h = _contract(theta, jnp.swapaxes(x, -1, -2))
        value_won, slope_won, bend_won = derivatives(loss, h, settings)
        value_lost, slope_lost, bend_lost = derivatives(loss, -h, settings)
        value = jnp.sum(won * value_won + lost * value_lost, axis=-1) + ridge / 2 * jnp.sum(theta**2, axis=-1)
        gradient = _contract(won * slope_won - lost * slope_lost, x) + ridge[..., None] * theta
        curvature = jnp.reshape(_contract(won * bend_won + lost * bend_lost, outer), (*batch, *identity.shape))
        return value, gradient, curvature + ridge[..., None, None] * identity

    def advance(state: _State) -> _State:
        proposed = _minimise_model(state, extent)
        value, gradient, curvature = objective(proposed)
        better = value <= state.value + 8 * jnp.finfo(x.dtype).eps * jnp.abs(value)
        moved = jnp.sqrt(jnp.sum((proposed - state.theta) ** 2, axis=-1))
        size = jnp.sqrt(jnp.sum(proposed**2, axis=-1))
        settled = (moved <= 1e-9 * (1.0 + size)) & (state.damping < 1.0) & (state.step > 0)
        accept = better & ~(state.settled | state.astray)

        def pick(new: Any, old: Any) -> Any:
            return jnp.where(jnp.reshape(accept, (*batch, *[1] * (new.ndim - len(batch)))), new, old)

        return _State(
            pick(proposed, state.theta),
            pick(value, state.value),
            pick(gradient, state.gradient),
            pick(curvature, state.curvature),
            jnp.where(better, state.damping / 10, jnp.maximum(10 * state.damping, 1e-3)),
            state.settled | (settled & ~state.astray),
            state.astray | (~(size < LONGEST) & ~state.settled),
            state.step + 1,
        )

    theta = (
        jnp.zeros((*batch, x.shape[-1]), x.dtype) if start is None else jnp.broadcast_to(start, (*batch, x.shape[-1]))
    )
    zero = jnp.zeros(batch, x.dtype)
    # The first step has no slope yet: it stays where it is (within the ball), and evaluates the objective there.
    state = _State(
        theta,
        zero + jnp.inf,
        0.0 * theta,
        jnp.broadcast_to(identity, (*batch, *identity.shape)),
        zero,
        zero > 0,
        zero > 0,
        jnp.array(0, jnp.int32),
    )
    state = jax.lax.while_loop(lambda s: (s.step < steps) & ~jnp.all(s.settled | s.astray), advance, state)
    return Fit(state.theta, state.value, state.settled, state.step)


def _minimise_model(state: _State, radius: Any) -> Any:
    """Minimiser of the quadratic model over the ball ‖θ‖ ≤ radius and within ten lengths of the present point.

    In the curvature's eigenvectors, with |eigenvalues| so that a non-convex loss descends too. The ball's multiplier
    λ solves 1/‖θ(λ)‖ = 1/radius by Newton's method, which is monotone from λ = 0 on, since the left side is concave
    in λ.
    """
    bends, axes = jnp.linalg.eigh(state.curvature)
    bends = jnp.abs(bends)
    # The smallest multiple of the identity keeps directions without data solvable: their gradient is zero.
    bends = bends + (1e-8 + state.damping[..., None]) * jnp.sum(bends, axis=-1, keepdims=True) + 1e-300
    here, slope = (jnp.sum(axes * v[..., :, None], axis=-2) for v in (state.theta, state.gradient))
    target = bends * here - slope
    limit = jnp.asarray(radius)[..., None]

    def improve(_: Any, multiplier: Any) -> Any:
        found = target / (bends + multiplier)
        square = jnp.sum(found**2, axis=-1, keepdims=True)
        cross = jnp.sum(found**2 / (bends + multiplier), axis=-1, keepdims=True)
        excess = jnp.maximum(0.0, jnp.sqrt(square) / limit - 1.0)
        return multiplier + excess * square / jnp.maximum(cross, 1e-300)

    multiplier = jax.lax.fori_loop(0, 12, improve, 0.0 * target[..., :1])
    found = target / (bends + multiplier)
    move = found - here
    reach = 10.0 * (1.0 + jnp.sqrt(jnp.sum(here**2, axis=-1, keepdims=True)))
    found = here + move * jnp.minimum(
        1.0, reach / jnp.maximum(jnp.sqrt(jnp.sum(move**2, axis=-1, keepdims=True)), 1e-300)
    )
    found = found * jnp.minimum(1.0, limit / jnp.maximum(jnp.sqrt(jnp.sum(found**2, axis=-1, keepdims=True)), 1e-300))
    return jnp.sum(axes * found[..., None, :], axis=-1)


def derivatives(loss: Loss, margin: Float[Array, "... pairs"], settings: dict[str, Any]) -> tuple[Array, Array, Array]:
    """The loss with its first and second derivative in the margin, elementwise; settings broadcast over the pairs."""
    settings = {name: s[..., None] for name, s in settings.items()}
    shape = jnp.broadcast_shapes(margin.shape, *[s.shape for s in settings.values()])
    margin = jnp.broadcast_to(margin, shape)
    ones = jnp.ones_like(margin)

    def with_slope(h: Any) -> tuple[Any, Any]:
        return jax.jvp(lambda h: loss(h, **settings), (h,), (ones,))

    (value, slope), (_, bend) = jax.jvp(with_slope, (margin,), (ones,))
    return value, slope, bend


def _contract(weights: Any, table: Any) -> Any:
    """Row vectors times matrices; one matrix product for the whole batch when they share the table."""
    return weights @ table if table.ndim == 2 else (weights[..., None, :] @ table)[..., 0, :]
