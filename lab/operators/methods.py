r"""The methods as state machines for `jax.lax.scan`: `begin` makes the state, `advance` takes one step.

    halpern        classical Halpern iteration on a nonexpansive map
    extragradient, anchored_extragradient, fast_extragradient
    reduced        variance-reduced extragradient (Alacaoglu and Malitsky 2022)
    page_halpern   Algorithm 1
    outer_halpern  Algorithm 2, one outer iteration a step

A constructor takes the `limit` that theory sets to its step, when it is known, and warns beyond it. Every state counts
its evaluations of components exactly, in whole numbers: a full operator costs n, the difference of a batch of b at two
points 2b.

Source: `vr-halpern` (arXiv 2310.02987v2) and its code.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Int

from lab.arrays import Array
from lab.operators import steps
from lab.operators.limits import check_step_size
from lab.operators.problems import FiniteSum
from lab.operators.schedules import anchor_weight, inner_steps, reset_probability


class Method(NamedTuple):
    """A method bound to its settings: `begin(problem, start)` and `advance(problem, state, key)`."""

    begin: Callable[..., Any]
    advance: Callable[..., Any]


class Plain(NamedTuple):
    """State of the deterministic methods; `point` is the iterate, `ahead` the last look-ahead point."""

    point: Array
    ahead: Array
    start: Array
    iteration: Array
    evaluations: Array


class Reduced(NamedTuple):
    """State of variance-reduced extragradient, with the operator's value at the snapshot."""

    point: Array
    snapshot: Array
    value: Array
    evaluations: Array


class Page(NamedTuple):
    """State of Algorithm 1: two iterates, the estimate, and the element g of G at `point`."""

    point: Array
    before: Array
    estimate: Array
    element: Array
    start: Array
    iteration: Array
    evaluations: Array


class Outer(NamedTuple):
    """State of Algorithm 2: the anchored iterate `point`, the inner output `inner`, and the element g of G there."""

    point: Array
    inner: Array
    element: Array
    start: Array
    iteration: Array
    evaluations: Array


ZERO = jnp.zeros((), dtype=int)


def _plain(problem: FiniteSum, start: Array) -> Plain:
    return Plain(start, start, start, ZERO, ZERO)


def extragradient(step_size: float, *, limit: float | None = None) -> Method:
    """Two evaluations of F a step; theory: step at most 1/L, below it for convergence."""
    check_step_size(step_size, limit)

    def advance(problem: FiniteSum, state: Plain, key: Array) -> Plain:
        resolvent = partial(problem.resolvent, step_size=step_size)
        point, ahead = steps.extragradient(state.point, problem.operator, step_size=step_size, resolvent=resolvent)
        return Plain(point, ahead, state.start, state.iteration + 1, state.evaluations + 2 * problem.count)

    return Method(_plain, advance)


def anchored_extragradient(step_size: float, *, limit: float | None = None) -> Method:
    """EAG; two evaluations of F a step; theory: step at most 1/(8L)."""
    check_step_size(step_size, limit)

    def advance(problem: FiniteSum, state: Plain, key: Array) -> Plain:
        point = steps.anchored_extragradient(
            state.point, state.start, problem.operator, iteration=state.iteration, step_size=step_size,
            resolvent=partial(problem.resolvent, step_size=step_size),
        )  # fmt: skip
        return Plain(point, point, state.start, state.iteration + 1, state.evaluations + 2 * problem.count)

    return Method(_plain, advance)


def fast_extragradient(step_size: float, *, limit: float | None = None) -> Method:
    """FEG, without constraints; two evaluations of F a step, of which the first needs one; theory: step 1/L."""
    check_step_size(step_size, limit)

    def advance(problem: FiniteSum, state: Plain, key: Array) -> Plain:
        point = steps.fast_extragradient(
            state.point, state.start, problem.operator, iteration=state.iteration, step_size=step_size
        )
        used = jnp.where(state.iteration == 0, 1, 2) * problem.count
        return Plain(point, point, state.start, state.iteration + 1, state.evaluations + used)

    return Method(_plain, advance)


def halpern(cocoercivity: float) -> Method:
    r"""Halpern iteration on $T = I - \frac2L F$: $\|F(u_k)\| \le \frac{LD}{k+1}$. One evaluation of F a step, G = 0."""

    def advance(problem: FiniteSum, state: Plain, key: Array) -> Plain:
        mapped = steps.forward(state.point, problem.operator(state.point), step_size=2.0 / cocoercivity)
        point = steps.halpern(mapped, state.start, iteration=state.iteration + 1)
        return Plain(point, mapped, state.start, state.iteration + 1, state.evaluations + problem.count)

    return Method(_plain, advance)


def _index_and_coin(key: Array, components: int, reset: float) -> tuple[Array, Array]:
    """One component, uniformly, as a batch of one, and whether the snapshot moves: one call of the generator."""
    first, second = jax.random.uniform(key, (2,))
    return jnp.floor(first * components).astype(int)[None], second < reset


def reduced_extragradient(step_size: float, *, reset: float, limit: float | None = None) -> Method:
    r"""$\bar u = \alpha u + (1-\alpha)w$, look ahead with F(w), then step with $F(w) + F_i(u_{1/2}) - F_i(w)$; the
    snapshot w moves to the new point with probability `reset` = 1 − α. Two evaluations a step, n for a snapshot;
    theory: step below $\sqrt{p}/L$."""
    check_step_size(step_size, limit)

    def begin(problem: FiniteSum, start: Array) -> Reduced:
        return Reduced(start, start, problem.operator(start), ZERO + problem.count)

    def advance(problem: FiniteSum, state: Reduced, key: Array) -> Reduced:
        resolvent = partial(problem.resolvent, step_size=step_size)
        index, moved = _index_and_coin(key, problem.count, reset)
        base = steps.anchored(state.point, state.snapshot, anchor=reset)
        ahead = resolvent(steps.forward(base, state.value, step_size=step_size))
        value = state.value + problem.batch(index, ahead) - problem.batch(index, state.snapshot)
        point = resolvent(steps.forward(base, value, step_size=step_size))
        snapshot, kept = jax.lax.cond(
            moved, lambda: (point, problem.operator(point)), lambda: (state.snapshot, state.value)
        )
        return Reduced(point, snapshot, kept, state.evaluations + 2 + jnp.where(moved, problem.count, 0))

    return Method(begin, advance)


def with_replacement(key: Array, components: int, batch: int) -> Int[Array, "batch"]:
    """Indices of a batch, independent and uniform."""
    return jax.random.randint(key, (batch,), 0, components)


def without_replacement(key: Array, components: int, batch: int) -> Int[Array, "batch"]:
    """Indices of a batch without repetition, every set as likely."""
    # Given that independent draws differ, every set is as likely. About √n of them differ with probability e^(−1/2),
    # and drawing again costs much less than shuffling all n.
    if batch == 1:
        return with_replacement(key, components, batch)
    if batch * batch > 2 * components:
        return jax.random.choice(key, components, (batch,), replace=False)

    def repeats(state: tuple[Array, Array]) -> Array:
        chosen = state[1]
        return jnp.sum(chosen[:, None] == chosen[None, :]) > batch

    def again(state: tuple[Array, Array]) -> tuple[Array, Array]:
        key, which = jax.random.split(state[0])
        return key, with_replacement(which, components, batch)

    return jax.lax.while_loop(repeats, again, (key, jnp.zeros(batch, dtype=int)))[1]


def page_halpern(
    step_size: float,
    *,
    batch: int,
    replacement: bool = True,
    resets: Callable[..., Any] = reset_probability,
    limit: float | None = None,
) -> Method:
    """Algorithm 1 with the paper's anchors.

    resets: a function of (n, k) that gives $p_k$. `replacement=False` draws a batch without repetition, as the authors'
    code does. Theory: step at most `schedules.step_size_limit`.
    """
    check_step_size(step_size, limit)

    def begin(problem: FiniteSum, start: Array) -> Page:
        return Page(start, start, 0.0 * start, 0.0 * start, start, ZERO, ZERO)

    def advance(problem: FiniteSum, state: Page, key: Array) -> Page:
        coin, which = jax.random.split(key)
        reset = jax.random.uniform(coin) < resets(problem.count, state.iteration)

        def recycled() -> Array:
            draw = with_replacement if replacement else without_replacement
            chosen = draw(which, problem.count, batch)
            return state.estimate + problem.batch(chosen, state.point) - problem.batch(chosen, state.before)

        estimate = jax.lax.cond(reset, lambda: problem.operator(state.point), recycled)
        point, element = steps.page_halpern(
            state.point, state.start, estimate, anchor=anchor_weight(state.iteration), step_size=step_size,
            resolvent=partial(problem.resolvent, step_size=step_size),
        )  # fmt: skip
        used = jnp.where(reset, problem.count, 2 * batch)
        return Page(point, state.point, estimate, element, state.start, state.iteration + 1, state.evaluations + used)

    return Method(begin, advance)


def outer_halpern(
    resolvent_step: float, step_size: float, *, reset: float, inner_factor: float, snapshot: str = "iterate",
    round_down: bool = False,
) -> Method:  # fmt: skip
    r"""Algorithm 2: $M_k$ inner steps (`schedules.inner_steps`, with c = `inner_factor`), then
    $u_{k+1} = \lambda_ku_0 + (1-\lambda_k)v_k$ with $\lambda_k = \frac{1}{k+2}$.

    snapshot: what a reset takes: the inner "iterate" (the method), or the "centre" of the inner problem (the authors'
    code, whose snapshot so never moves). Cost: n + 2M_k + n a reset.
    """

    def begin(problem: FiniteSum, start: Array) -> Outer:
        return Outer(start, start, 0.0 * start, start, ZERO, ZERO)

    def advance(problem: FiniteSum, state: Outer, key: Array) -> Outer:
        centre = state.point
        count = inner_steps(problem.count, state.iteration, factor=inner_factor, round_down=round_down)

        def strong(u: Array) -> Array:
            return resolvent_step * problem.operator(u) + u - centre

        def inner(t: Array, now: tuple) -> tuple:
            v, w, before, value, _, used = now
            index, moved = _index_and_coin(jax.random.fold_in(key, t), problem.count, reset)
            change = resolvent_step * (problem.batch(index, v) - problem.batch(index, before)) + v - before
            point = steps.forward(steps.anchored(v, w, anchor=reset), value + change, step_size=step_size)
            after = problem.resolvent(point, step_size * resolvent_step)
            element = (point - after) / (step_size * resolvent_step)
            goal = after if snapshot == "iterate" else centre
            fresh, kept = jax.lax.cond(moved, lambda: (goal, strong(goal)), lambda: (w, value))
            return after, fresh, w, kept, element, used + 2 + jnp.where(moved, problem.count, 0)

        first = (centre, centre, centre, strong(centre), 0.0 * centre, state.evaluations + problem.count)
        output, _, _, _, element, used = jax.lax.fori_loop(0, count, inner, first)
        point = steps.halpern(output, state.start, iteration=state.iteration + 1)
        return Outer(point, output, element, state.start, state.iteration + 1, used)

    return Method(begin, advance)
