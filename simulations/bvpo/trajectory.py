"""A weight that is best at every step need not be best for the run: SGD on the tabular world with noisy labels."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import mean_at_least
from lab.mixing.closed_form import mixed, optimal_weight
from lab.mixing.traces import TraceWorld, tabular_design

TRACES, ANSWERS = 3, 2
STEPS = 1500
WEIGHTS = np.array([0.0, 0.25, 0.5, 1.0, -1.0])  # −1 stands for the MSE-optimal weight at the current parameters
EMPTY, QUARTER, HALF, PLAIN, ORACLE = range(5)


def one_prompt() -> TraceWorld:
    """One prompt, a parameter for every logit, all 0 at the reference; β = 2, and 30 % of the labels are flipped."""
    start = np.zeros(TRACES * (1 + ANSWERS))
    pair = (np.array([0]), np.array([1]))
    return TraceWorld(
        start, start, tabular_design(TRACES, ANSWERS), *pair, *pair, np.array(2.0), np.array(0.3),
        traces=TRACES, answers=ANSWERS,
    )  # fmt: skip


@partial(jax.jit, static_argnames="seeds")
def mean_squared_gradients(world: TraceWorld, key: Any, step_size: Any, seeds: int) -> Any:
    """Mean ‖∇L_m‖² over the second half of SGD runs: (seeds, weights); all weights of a seed see the same draws."""
    runs = (seeds, len(WEIGHTS))

    def everywhere(x: Any) -> Any:
        return jnp.broadcast_to(x, (*runs, *jnp.shape(x)))

    world = replace(
        world, beta=everywhere(world.beta), flip_rate=everywhere(world.flip_rate), reference=everywhere(world.reference)
    )
    seed = jnp.arange(seeds)

    def advance(theta: Any, key: Any) -> tuple[Any, Any]:
        here = replace(world, theta=theta)
        out = here.outcomes()
        moments, target = here.moments(given="nothing", outcomes=out)
        label, plus, minus = jax.random.uniform(key, (3, seeds))
        flip = jnp.where(label < world.flip_rate[:, 0], 1, 0)
        # The reference's logits are all 0: with any answer, its traces are uniform.
        first, second = (jnp.floor(u * TRACES).astype(int) for u in (plus, minus))
        trace, empty = out.trace[seed, :, 0, flip, first, second], out.empty[seed, :, 0, flip]
        weight = jnp.where(WEIGHTS < 0, optimal_weight(*moments), WEIGHTS)
        return theta - step_size * mixed(trace, empty, weight=weight), jnp.sum(target**2, axis=-1)

    _, squares = jax.lax.scan(advance, everywhere(world.theta), jax.random.split(key, STEPS))
    return jnp.mean(squares[STEPS // 2 :], axis=0)


def _runs(world: TraceWorld, draw: Draw, step_size: float) -> np.ndarray:
    return np.asarray(mean_squared_gradients(world, draw.key, step_size, draw.size))


@evidence("bvpo/mse-optimal-for-the-run", kind="sampled", over=one_prompt(), size=32)
def oracle_against_a_fixed_weight(world: TraceWorld, draw: Draw, against: int = QUARTER, step_size: float = 0.05):
    """In how many runs does the weight that is MSE-optimal at every step give a smaller gradient than ¼?"""
    found = _runs(world, draw, step_size)
    series = {"weights": WEIGHTS, "means": found.mean(axis=0)}
    return mean_at_least(
        (found[:, ORACLE] <= found[:, against])[:, None] * 1.0, np.array([0.5]), low=0.0, high=1.0, series=series
    )


oracle_against_a_fixed_weight.control("against plain traces throughout", against=PLAIN)


@evidence("bvpo/fixed-interior-weight", kind="sampled", over=one_prompt(), size=32)
def fixed_weight_against_both_ends(world: TraceWorld, draw: Draw, step_size: float = 0.05):
    """In how many runs does ¼ give a smaller gradient than both ends and than the MSE-optimal weight?"""
    found = _runs(world, draw, step_size)
    others = np.min(found[:, [EMPTY, PLAIN, ORACLE]], axis=1)
    series = {"weights": WEIGHTS, "means": found.mean(axis=0)}
    return mean_at_least((found[:, QUARTER] < others)[:, None] * 1.0, np.array([0.5]), low=0.0, high=1.0, series=series)


fixed_weight_against_both_ends.control(
    "with steps of 1 the noise decides, and the empty-trace gradient wins", step_size=1.0
)
