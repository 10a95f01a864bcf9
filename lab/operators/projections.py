"""Projections onto simple sets, as resolvents of their normal cones.

The box is optax's. The simplex is our own: optax sorts, which costs XLA on CPU eight times as much for 500
coordinates, and the simplex is what a variance-reduced step on a matrix game spends its time on. The suite holds both
against each other.

A `Resolvent` is applied to flat points; it is a world, so that it passes through `jit` as part of a problem. The step
size of a resolvent of a normal cone plays no part.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from optax import projections

from lab.arrays import Array, Real, check_positive
from lab.family import static, world


def simplex(point: Float[Array, "dim"]) -> Float[Array, "dim"]:
    r"""Nearest point of the probability simplex, $\max(u - \tau, 0)$ with τ such that the sum is 1.

    Michelot's algorithm (1986): τ from the coordinates that are still above it, until none drops out; exact after
    finitely many passes.
    """

    def again(state: tuple) -> Array:
        return state[1]

    def tighten(state: tuple) -> tuple:
        threshold, _ = state
        kept = point > threshold
        tighter = (jnp.sum(jnp.where(kept, point, 0.0)) - 1.0) / jnp.sum(kept)
        return tighter, tighter > threshold

    first = (jnp.sum(point) - 1.0) / point.shape[-1]
    threshold, _ = jax.lax.while_loop(again, tighten, (first, jnp.asarray(True)))
    return jnp.maximum(point - threshold, 0.0)


@world
class Box:
    """All coordinates between low and high."""

    low: Real
    high: Real

    def apply(self, point: Float[Array, "... dim"]) -> Float[Array, "... dim"]:
        shape = jnp.shape(point)
        low, high = (jnp.broadcast_to(jnp.asarray(x), shape) for x in (self.low, self.high))
        return projections.projection_box(point, low, high)

    def least_residual(self, u: Float[Array, "... dim"], value: Float[Array, "... dim"]) -> Float[Array, "..."]:
        r"""$\min_{g \in N(u)}\|F(u) + g\|$: coordinates at a bound that F pushes outwards do not count."""
        at_low, at_high = u <= self.low, u >= self.high
        left = jnp.where(at_low, jnp.minimum(value, 0.0), jnp.where(at_high, jnp.maximum(value, 0.0), value))
        return jnp.sqrt(jnp.sum(left**2, axis=-1))


@world
class Simplices:
    """A product of probability simplices: the first `sizes[0]` coordinates, the next `sizes[1]`, …"""

    sizes: tuple[int, ...] = static()

    def apply(self, point: Float[Array, "dim"]) -> Float[Array, "dim"]:
        ends = np.cumsum(self.sizes[:-1])
        return jnp.concatenate([simplex(part) for part in jnp.split(point, ends)])


Resolvent = Box | Simplices


def box(low: Real, high: Real) -> Box:
    """The box with these bounds. Raises ValueError unless low < high everywhere."""
    check_positive(width=jnp.asarray(high) - jnp.asarray(low))
    return Box(low, high)
