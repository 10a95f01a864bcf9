"""Halpern's iteration on nonexpansive maps: a tight rate, the identity that proves it, and Krasnoselskii–Mann."""

from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import family, normal, uniform, world
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.operators import steps
from lab.operators.planar import PlanarMap, PlanarOperator, norm, turned
from lab.operators.worst_cases import (
    averaged_bound,
    averaged_worst_angle,
    halpern_bound,
    halpern_identity,
    shrinking_map,
)

BLOCKS, LONGEST = 2, 40
CHECKED = (1, 2, 5, 10, 20, LONGEST)

maps = family(
    PlanarMap,
    angle=uniform(-np.pi, np.pi, shape=(BLOCKS,)),
    radius=uniform(0.2, 4.0),
    solution=normal(1, shape=(2 * BLOCKS,)),
    start=normal(1, shape=(2 * BLOCKS,)),
)


def half_plane(most: float) -> Any:
    """Monotone operators: rotations by at most this angle, scaled, and a bend."""
    return family(
        PlanarOperator,
        size=uniform(0.05, 1.0, shape=(BLOCKS,)),
        angle=uniform(-most, most, shape=(BLOCKS,)),
        bend=uniform(0.0, 1.0),
        radius=uniform(0.1, 2.0),
        solution=normal(1, shape=(2 * BLOCKS,)),
        start=normal(1, shape=(2 * BLOCKS,)),
    )


cocoercive, monotone = half_plane(1.4), half_plane(np.pi / 2)


def residuals(apply: Any, start: Any, last: int) -> list[Any]:
    """‖x_N − T x_N‖ for N = 0 … last along Halpern's iteration."""
    point, found = start, []
    for iteration in range(1, last + 2):
        mapped = apply(point)
        found.append(norm(point - mapped))
        point = steps.halpern(mapped, start, iteration=iteration)
    return found


@evidence("vr-halpern/halpern-rate", kind="exact", over=maps, size=256)
def residual_of_random_maps(world: PlanarMap, expansion: float = 1.0):
    """Rotations of two planes after a cut, around a random fixed point: ‖x_N − Tx_N‖ ≤ 2D/(N+1)."""
    found = residuals(lambda u: world.apply(u, expansion=expansion), world.start, LONGEST)
    return tuple(at_most(found[n], halpern_bound(n, world.distance())) for n in CHECKED)


residual_of_random_maps.control("maps that stretch by 40 %: not nonexpansive", expansion=1.4)


ROTATION = np.array([[np.pi]])


@evidence("vr-halpern/halpern-rate", kind="exact", rounding="tracked", over=PlanarMap(
    angle=ROTATION, radius=np.array([1e6]), solution=np.zeros((1, 2)), start=np.array([[1.0, 0.0]])
))  # fmt: skip
def residual_after_expansion(world: PlanarMap, expansion: float = 1.0):
    """The rotation by π, 200 steps: equality; a map that stretches by 2 % breaks the bound many times over."""
    found = residuals(lambda u: world.apply(u, expansion=expansion), world.start, 200)
    return at_most(found[200], halpern_bound(200, world.distance()))


residual_after_expansion.control("rotation scaled by 1.02", expansion=1.02)


@evidence("vr-halpern/halpern-rate-cocoercive", kind="exact", over=cocoercive, size=256)
def residual_of_cocoercive_operators(world: PlanarOperator, stretch: float = 1.0):
    """T = I − (2/L)F: ‖F(x_N)‖ ≤ LD/(N+1), for random operators with a rotation and a bend."""
    constant, distance = world.cocoercivity(), world.distance()
    step = stretch * 2.0 / constant[:, None]
    point, findings = world.start, []
    for iteration in range(1, LONGEST + 2):
        value = world.operator(point)
        if iteration - 1 in CHECKED:
            findings.append(at_most(norm(value), constant * distance / float(iteration)))
        point = steps.halpern(point - step * value, world.start, iteration=iteration)
    return tuple(findings)


residual_of_cocoercive_operators.control("steps of 3/L instead of 2/L: T is no longer nonexpansive", stretch=1.5)


@evidence("vr-halpern/halpern-rate-attained", kind="exact")
def residual_of_the_worst_map(quarter: bool = False):
    """Eleven N up to 40, the shrinking map with c = 2/(N+1) from 1, and T = −I for even N: equality with 2D/(N+1)."""
    from lab.inference.rounding import rounded

    findings = []
    one = rounded(np.ones(1))
    for n in (1, 2, 3, 4, 5, 8, 9, 13, 20, 21, LONGEST):
        step = 2.0 / (n + one)
        bound = halpern_bound(n, one)
        if quarter:
            turn = residuals(lambda u: turned(u, rounded(np.array([np.pi / 2]))), rounded(np.eye(2)[:1]), n)
            findings.append(equal(turn[n], bound))
            continue
        findings.append(equal(residuals(lambda u, c=step: shrinking_map(u, step=c), one, n)[n], bound))
        if n % 2 == 0:  # for odd N the iterates of −I alternate and x_N is the fixed point itself
            findings.append(equal(residuals(lambda u: -u, one, n)[n], bound))
    return tuple(findings)


residual_of_the_worst_map.control("a rotation by a quarter turn stays below the bound", quarter=True)


@world
class Vectors:
    """Arbitrary vectors in the place of x_0, T x_0, …, T x_N and x_*."""

    start: Any
    mapped: Any
    solution: Any


def vectors(last: int) -> Any:
    return family(
        Vectors, start=normal(1, shape=(6,)), mapped=normal(1, shape=(last + 1, 6)), solution=normal(1, shape=(6,))
    )


@evidence("vr-halpern/halpern-certificate", kind="exact", over=vectors(13), size=256)
def identity_on_arbitrary_vectors(world: Vectors, stretch: float = 1.0):
    """Bound minus residual equals the weighted sum of the nonexpansiveness gaps and one square, for N = 1 … 13."""
    xp = namespace(world.start)
    findings = []
    for last in (1, 2, 3, 5, 8, 13):
        mapped = world.mapped[:, : last + 1]
        if stretch != 1.0:
            mapped = xp.concat([mapped[:, :-1], stretch * mapped[:, -1:]], axis=1)
        left, right = halpern_identity(world.start, mapped, world.solution)
        if stretch != 1.0:
            left, _ = halpern_identity(world.start, world.mapped[:, : last + 1], world.solution)
        findings.append(equal(left, right))
    return tuple(findings)


identity_on_arbitrary_vectors.control("the last vector scaled on one side only", stretch=1.01)


WEIGHTS = np.array([0.5, 0.6, 0.75, 0.9, 0.99])


@evidence("vr-halpern/averaged-rate", kind="exact", over=maps, size=128)
def averaged_residual_of_random_maps(world: PlanarMap, expansion: float = 1.0):
    """Krasnoselskii–Mann with five weights on random maps: at most the closed-form worst case."""
    findings = []
    for weight in WEIGHTS:
        point = world.start
        for n in range(13):
            gap = point - world.apply(point, expansion=expansion)
            if n in (1, 3, 12):
                worst = averaged_bound(n, np.float64(weight)) * world.distance() ** 2
                findings.append(at_most(0.25 * norm(gap) ** 2, worst))
            point = steps.averaged(point, world.apply(point, expansion=expansion), weight=float(weight))
    return tuple(findings)


averaged_residual_of_random_maps.control("maps that stretch by 40 %", expansion=1.4)


@evidence("vr-halpern/averaged-rate", kind="exact")
def averaged_residual_of_the_worst_rotation(turn: float = 1.0):
    """For five weights and N = 1 … 12, the rotation by the worst angle: equality with the closed form."""
    from lab.inference.rounding import rounded

    findings = []
    for n in range(1, 13):
        weight = rounded(WEIGHTS)
        angle = turn * averaged_worst_angle(n, weight)
        point = rounded(np.tile([1.0, 0.0], (len(WEIGHTS), 1)))
        for _ in range(n):
            point = steps.averaged(point, turned(point, angle[:, None]), weight=weight)
        gap = norm(point - turned(point, angle[:, None]))
        findings.append(equal(0.25 * gap**2, averaged_bound(n, weight)))
    return tuple(findings)


averaged_residual_of_the_worst_rotation.control("a rotation by 0.9 of that angle", turn=0.9)
