"""Whole runs of a method in one compiled loop, and what is measured along them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lab.arrays import Array, Real
from lab.operators.methods import Method
from lab.operators.problems import FiniteSum

Measure = Callable[[FiniteSum, Any], Any]


class Run(NamedTuple):
    """Measurements after every `every` steps (first: before any), with the evaluations of components until then."""

    measured: Any
    evaluations: Array
    final: Any


def natural_residual(problem: FiniteSum, u: Float[Array, "dim"]) -> Float[Array, ""]:
    r"""$\|u - J_G(u - F(u))\|$, the fixed-point residual with step 1: what the authors plot."""
    return jnp.sqrt(jnp.sum((u - problem.resolvent(u - problem.operator(u), 1.0)) ** 2))


def residual(problem: FiniteSum, u: Float[Array, "dim"], element: Real = 0.0) -> Float[Array, ""]:
    r"""$\|F(u) + g\|$ with $g \in G(u)$: what the theorems bound."""
    return jnp.sqrt(jnp.sum((problem.operator(u) + element) ** 2))


@partial(jax.jit, static_argnames=("method", "measure", "points", "every"))
def run(
    method: Method, problem: FiniteSum, start: Array, key: Any, *, measure: Measure, points: int, every: int = 1
) -> Run:
    """`points` measurements, `every` steps apart; jit compiles one loop for each method and problem shape."""
    state = method.begin(problem, start)

    def step(state: Any, key: Any) -> tuple[Any, None]:
        return method.advance(problem, state, key), None

    def stretch(state: Any, key: Any) -> tuple[Any, tuple]:
        state, _ = jax.lax.scan(step, state, jax.random.split(key, every))
        return state, (measure(problem, state), state.evaluations)

    first = measure(problem, state), state.evaluations
    state, rest = jax.lax.scan(stretch, state, jax.random.split(key, points))
    measured, evaluations = jax.tree_util.tree_map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)
    return Run(measured, evaluations, state)
