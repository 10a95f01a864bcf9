"""What Algorithm 1 costs: evaluations against the number of components, the break-even, restarts for sharp problems."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, exponent
from lab.operators.finite_sums import average_cocoercivity, sharpness
from lab.operators.moments import Noise, batch_noise, page_halpern_moments
from lab.operators.schedules import (
    anchor_weight,
    batch_size,
    break_even_components,
    deterministic_cost,
    expected_cost,
    reset_probability,
    restart_length,
    step_size_limit,
)
from simulations.vr_halpern.worlds import SAFE, Start, moments, random_sums, rare_start

SIZES = np.array([256, 1024, 4096, 16384])


def iterations_needed(rarity: int, components: int, accuracy: float, *, patience: int = 1, **settings: Any) -> int:
    """First k with √E‖F(u_k)‖² ≤ ε where one component in `rarity` carries F: L = rarity, L_F = D = 1; exact moments.

    Linear problems need about 8L/ε iterations; `patience` multiplies how long is waited.
    """
    length = int(9 * rarity / accuracy) * patience
    path, _, _ = moments(rare_start(rarity), length, components=components, **settings)
    return first_passage(np.sqrt(path.square[0]), accuracy)


def first_passage(residual: np.ndarray, accuracy: float) -> int:
    """First index at or below the accuracy. Raises RuntimeError when there is none: the run was too short."""
    below = residual <= accuracy
    if not below.any():
        raise RuntimeError(f"no residual of {len(residual)} reached {accuracy:g}")
    return int(np.argmax(below))


@evidence("vr-halpern/iterations-independent-of-components", kind="exact", rounding="declared")
def iterations_for_four_sizes(resets: str = "paper", patience: int = 1):
    """L = 4, ε = D/10, n = 16 … 1024: iterations until √E‖F‖² ≤ ε, all within 2 % of those for n = 16."""
    sizes = np.array([16, 64, 256, 1024])
    found = np.array([iterations_needed(4, int(n), 0.1, resets=resets, patience=patience) for n in sizes])
    series = {"components": sizes, "iterations": found}
    # Whole numbers, off by at most one should a residual lie within rounding of ε.
    return at_most(abs(found - found[0]), 0.02 * found[0], error=2.0, series=series)


iterations_for_four_sizes.control(
    "no resets: the fewer components, the smaller the batch, the later", resets="never", patience=20
)


@evidence("vr-halpern/cost-bound", kind="exact", rounding="declared")
def cost_of_the_schedule(root: float = 6.0):
    """n = 1 … 10⁶ and K up to 10⁵: the schedule’s expected cost against n(2 + 4 ln(1+√n/5)) + K(6√n+2)."""
    findings = []
    for n in (*range(1, 60), 100, 10**3, 10**4, 10**5, 10**6):
        iterations = np.unique(np.geomspace(1, 10**5, 200).astype(int))
        cost = expected_cost(n, 10**5)[iterations - 1]
        bound = n * (2.0 + 4.0 * np.log1p(np.sqrt(n) / 5.0)) + iterations * (root * np.sqrt(n) + 2.0)
        # A sum of at most 10⁵ positive terms, each right to a few units in the last place.
        findings.append(at_most(cost, bound, error=2e-11 * bound))
    return tuple(findings)


cost_of_the_schedule.control("with 5√n instead of 6√n", root=5.0)


@evidence("vr-halpern/cost-grows-as-root", kind="rate")
def cost_against_components(draw: Draw, uneven: bool = False):
    """ε = D/200, n = 256 … 16384, L = 4: evaluations until √E‖F‖² ≤ ε, as a power of n; close to √n."""
    accuracy = 5e-3
    rarity = np.sqrt(SIZES).astype(int) if uneven else np.full(len(SIZES), 4)
    pairs = [(int(n), iterations_needed(int(r), int(n), accuracy)) for r, n in zip(rarity, SIZES, strict=True)]
    cost = np.array([expected_cost(n, k)[-1] for n, k in pairs])
    series = {
        "components": SIZES,
        "iterations": np.array([k for _, k in pairs]),
        "deterministic": deterministic_cost(SIZES, lipschitz=1.0, distance=1.0, accuracy=accuracy),
        "guarantee": np.array(
            [expected_cost(int(n), int(16 * r / accuracy))[-1] for n, r in zip(SIZES, rarity, strict=True)]
        ),
    }  # fmt: skip
    return exponent(SIZES, cost, between=(0.45, 0.6), predicted=0.5, series=series)


cost_against_components.control(
    "components so uneven that L = √n·L_F: the gain is gone, the cost grows as n", uneven=True
)


FRACTIONS = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0])


@evidence("vr-halpern/break-even", kind="exact", rounding="declared")
def cost_around_the_break_even(rarity: int = 4):
    """L = 4L_F, ε = D/500: at half of n = (48·4)² components Algorithm 1 costs more than n·L_F·D/ε, at twice less."""
    accuracy = 2e-3
    sizes = np.round(FRACTIONS * break_even_components(4.0, 1.0, constant=8.0)).astype(int)
    iterations = np.array([iterations_needed(rarity, int(n), accuracy) for n in sizes])
    cost = np.array([expected_cost(int(n), int(k))[-1] for n, k in zip(sizes, iterations, strict=True)])
    plain = deterministic_cost(sizes, lipschitz=1.0, distance=1.0, accuracy=accuracy)
    # An iteration more or less: whole numbers, read off at a threshold.
    slack = 8.0 * np.sqrt(sizes)
    series = {"components": sizes, "cost": cost, "deterministic": plain}
    before, after = FRACTIONS <= 0.5, FRACTIONS >= 2.0
    return (
        at_most(plain[before], cost[before], error=slack[before], series=series),
        at_most(cost[after], plain[after], error=slack[after]),
    )


cost_around_the_break_even.control("components three times as uneven: the same n is too few", rarity=12)


@evidence("vr-halpern/restarts-halve", kind="exact", over=random_sums(32, 3), size=8, rounding="declared")
def residual_over_restarts(world: Start, flat: bool = False):
    """Five restarts of Algorithm 1 after K ≈ 32L/μ iterations each: every one at least halves √E‖F‖²; exact moments."""
    sums = [world.one(i).matrices for i in range(len(world.away))]
    length = max(restart_length(SAFE * average_cocoercivity(m), sharpness(m) / SAFE) for m in sums)
    away = np.asarray(world.away)
    if flat:
        shrink = np.array([1.0, 1.0, 0.03])
        sums = [shrink[:, None] * m * shrink for m in sums]
        away = away * np.array([0.0, 0.0, 1.0]) + np.array([0.0, 0.0, 1.0])
    sizes = np.array([step_size_limit(SAFE * average_cocoercivity(m)) for m in sums])
    count = sums[0].shape[0]
    noise = Noise(
        *(jnp.asarray(np.stack(p)) for p in zip(*[batch_noise(m, batch=batch_size(count)) for m in sums], strict=True))
    )
    starts = away[:, :, None] * np.eye(3)[0]
    squares, errors = [], []
    for _ in range(5):
        path = _restart(noise, starts, sizes, count, length + 1)
        squares += [path.square[:, 0], path.square[:, -1]]
        errors += [path.square_error[:, 0], path.square_error[:, -1]]
        # Two roots of one second moment have the same future: any factor will do.
        values, vectors = np.linalg.eigh(path.second_moment)
        starts = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    before, after = np.stack(squares[0::2], axis=1), np.stack(squares[1::2], axis=1)
    error = np.stack(errors[1::2], axis=1) + 0.25 * np.stack(errors[0::2], axis=1) + 1e-12 * before
    series = {"restart": np.arange(6), "residual": np.sqrt(np.append(before[0], after[0, -1])), "length": length}
    return at_most(after, 0.25 * before, error=error, series=series)


residual_over_restarts.control("one direction a thousand times flatter, where the run starts", flat=True)


def _restart(noise: Noise, starts: np.ndarray, sizes: np.ndarray, count: int, steps: int) -> Any:
    k = np.arange(steps)

    def along(noise: Noise, start: Any, size: Any) -> Any:
        return page_halpern_moments(
            noise, start, step_size=size, anchor_weights=anchor_weight(k),
            reset_probabilities=reset_probability(count, k),
        )  # fmt: skip

    path = jax.vmap(along)(noise, jnp.asarray(starts), jnp.asarray(sizes))
    return type(path)(*map(np.asarray, path))
