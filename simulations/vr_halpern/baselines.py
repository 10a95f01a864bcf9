"""What the new methods are measured against: gradient descent, forward steps, extragradient, and anchors."""

from dataclasses import replace
from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import family, normal, uniform, world
from lab.inference.rounding import rounded
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent
from lab.operators import steps
from lab.operators.planar import PlanarOperator, norm, turned
from lab.operators.worst_cases import (
    averaged_bound,
    averaged_worst_angle,
    gradient_bound,
    huber_gradient,
    value_bound,
)
from simulations.vr_halpern.classical import cocoercive, monotone

STEPS = np.array([0.25, 0.5, 1.0, 1.5, 1.8])  # step times smoothness


@world
class HuberSum:
    """f(x) = Σ weights · Huber_slope(a·x − b): convex, smooth with constant Σ weights (a are unit vectors)."""

    weights: Any
    angle: Any
    slope: Any
    centre: Any
    start: Any

    def gradient(self, x: Any) -> Any:
        xp = namespace(x)
        a = xp.stack([xp.cos(self.angle), xp.sin(self.angle)], axis=-1)
        away = xp.sum(a * (x - self.centre)[:, None, :], axis=-1)
        pull = self.weights * xp.minimum(xp.maximum(away, -self.slope), self.slope)
        return xp.sum(pull[..., None] * a, axis=-2)

    def smoothness(self) -> Any:
        return namespace(self.weights).sum(self.weights, axis=-1)


sums = family(
    HuberSum,
    weights=uniform(0.1, 1.0, shape=(3,)),
    angle=uniform(0.0, np.pi, shape=(3,)),
    slope=uniform(0.02, 1.0, shape=(3,)),
    centre=normal(1, shape=(2,)),
    start=normal(1, shape=(2,)),
)


@evidence("vr-halpern/gradient-descent-rate", kind="exact", over=sums, size=128)
def gradients_of_random_functions(world: HuberSum, stretch: float = 1.0):
    """Sums of three Huber functions in the plane, five step sizes: ‖∇f(x_N)‖ ≤ LD max{1/(Nh+1), |1−h|^N}."""
    smooth, distance = world.smoothness(), norm(world.start - world.centre)
    findings = []
    for h in STEPS:
        point = world.start
        for n in range(21):
            slope = world.gradient(point)
            if n in (1, 3, 8, 20):
                findings.append(at_most(norm(slope), smooth * distance * gradient_bound(n, np.float64(h))))
            point = point - (stretch * h / smooth)[:, None] * slope
    return tuple(findings)


gradients_of_random_functions.control("steps 2.2 times as long", stretch=2.2)


@evidence("vr-halpern/gradient-descent-rate", kind="exact")
def gradients_of_the_worst_functions(mismatch: float = 1.0):
    """Huber's function with slope 1/(Nh+1), or a parabola, from 1: equality, for N = 1 … 20."""
    findings = []
    for n in range(1, 21):
        h = rounded(STEPS)
        flat, bowl = 1.0 / (n * h + 1.0), abs(1.0 - h) ** n
        huber = parabola = 1.0 + 0.0 * h
        for _ in range(n):
            huber = huber - h * huber_gradient(huber, slope=mismatch * flat)
            parabola = parabola - h * parabola
        xp = namespace(h)
        worst = xp.maximum(abs(huber_gradient(huber, slope=mismatch * flat)), abs(parabola))
        findings += [equal(worst, gradient_bound(n, h)), at_most(bowl, gradient_bound(n, h))]
    return tuple(findings)


gradients_of_the_worst_functions.control("a slope 5 % too small", mismatch=0.95)


@evidence("vr-halpern/gradient-descent-value", kind="exact")
def values_of_the_worst_function(mismatch: float = 1.0):
    """Huber's function with slope 1/(2N+1) after N steps of 1/L from 1: f(x_N) − f_* = 1/(4N+2), for N = 1 … 20."""
    findings = []
    for n in range(1, 21):
        slope = mismatch / (2.0 * n + rounded(np.ones(1)))
        point = 1.0 + 0.0 * slope
        for _ in range(n):
            point = point - huber_gradient(point, slope=slope)
        findings.append(equal(slope * point - 0.5 * slope**2, value_bound(n)))
    return tuple(findings)


values_of_the_worst_function.control("a slope 20 % too small", mismatch=0.8)


@evidence("vr-halpern/gradient-rate-for-operators", kind="exact")
def forward_steps_on_a_rotation(symmetric: bool = False):
    """x⁺ = x − F(x)/L on the worst 1/L-cocoercive rotation: is ‖F(x_N)‖ ≤ LD/(N+1), as for gradients?"""
    findings = []
    for n in (2, 5, 10, 20):
        half = rounded(np.array([0.5]))
        angle = averaged_worst_angle(n, half)
        if symmetric:
            angle = np.pi + 0.0 * angle
        point = rounded(np.array([[1.0, 0.0]]))
        for _ in range(n):
            point = steps.averaged(point, turned(point, angle[:, None]), weight=half)
        size = 0.5 * norm(point - turned(point, angle[:, None]))
        findings.append(at_most(size, 1.0 / (n + 1.0)))
    return tuple(findings)


forward_steps_on_a_rotation.control("F a gradient: T = −I, F = L·x", symmetric=True)


@evidence("vr-halpern/forward-step-rate", kind="exact", over=cocoercive, size=128)
def forward_steps_on_random_operators(world: PlanarOperator, stretch: float = 1.0):
    """Random cocoercive operators, steps 1/L: ‖F(x_N)‖² ≤ L²D²/(N+1)·(N/(N+1))^N."""
    constant, distance = world.cocoercivity(), world.distance()
    point, findings = world.start, []
    for n in range(41):
        size = world.operator(point)
        if n in (1, 2, 5, 10, 20, 40):
            worst = averaged_bound(n, np.float64(0.5))
            findings.append(at_most(norm(size) ** 2, (constant * distance) ** 2 * worst))
        point = point - (stretch / constant)[:, None] * size
    return tuple(findings)


forward_steps_on_random_operators.control("steps of 2.5/L diverge", stretch=2.5)


@evidence("vr-halpern/forward-steps-converge", kind="exact", rounding="tracked", over=monotone, size=64)
def forward_steps_on_rotations(world: PlanarOperator, damped: bool = False):
    """Forward steps of 1/(2L) on a quarter turn, monotone and not cocoercive: does the residual shrink in 20 steps?"""
    turn = 0.25 * np.pi if damped else 0.5 * np.pi
    world = replace(world, angle=turn + 0.0 * world.angle, bend=0.0 * world.bend)
    step = 0.5 / world.lipschitz()[:, None]
    first = norm(world.operator(world.start))
    point = world.start
    for _ in range(20):
        point = point - step * world.operator(point)
    return at_most(norm(world.operator(point)), first)


forward_steps_on_rotations.control(
    "an eighth of a turn: cocoercive with L = √2 L_F, the step short enough", damped=True
)


def anchored_run(world: PlanarOperator, last: int, step: Any, method: str) -> list[Any]:
    """Points of FEG or EAG, 0 … last, with the anchor at the start."""
    point, found = world.start, [world.start]
    for k in range(last):
        settings = {"iteration": float(k), "step_size": step}
        advance = steps.fast_extragradient if method == "fast" else steps.anchored_extragradient
        point = advance(point, world.start, world.operator, **settings)
        found.append(point)
    return found


@evidence("vr-halpern/fast-extragradient-rate", kind="exact", over=monotone, size=128)
def fast_extragradient_on_random_operators(world: PlanarOperator, stretch: float = 1.0):
    """Random monotone Lipschitz operators, steps 1/L: ‖F(x_N)‖ ≤ 2LD/N."""
    smooth, distance = world.lipschitz(), world.distance()
    points = anchored_run(world, 40, stretch / smooth, "fast")
    return tuple(at_most(norm(world.operator(points[n])), 2.0 * smooth * distance / n) for n in (1, 2, 4, 10, 20, 40))


fast_extragradient_on_random_operators.control("steps twice as long", stretch=2.0)


@evidence("vr-halpern/fast-extragradient-attained", kind="exact")
def fast_extragradient_on_a_quarter_turn(size: float = 1.0):
    """F = (−y, x), L = D = 1, steps 1/L: equality with 2LD/N for N = 2, 6, 10 … 38; each fourth iterate solves it."""
    one = rounded(np.ones((1, 1)))
    world = PlanarOperator(
        size=size * one, angle=np.pi / 2 * one, bend=0.0 * one[:, 0], radius=one[:, 0],
        solution=rounded(np.zeros((1, 2))), start=rounded(np.array([[1.0, 0.0]])),
    )  # fmt: skip
    points = anchored_run(world, 38, 1.0 / one[:, 0], "fast")
    return tuple(equal(norm(world.operator(points[n])), 2.0 / (n * one[:, 0])) for n in range(2, 39, 4))


fast_extragradient_on_a_quarter_turn.control("an operator a tenth smaller, the same steps", size=0.9)


@evidence("vr-halpern/anchored-extragradient-rate", kind="exact", over=monotone, size=128)
def anchored_extragradient_on_random_operators(world: PlanarOperator, stretch: float = 1.0):
    """Random monotone Lipschitz operators, steps 1/(8L): ‖F(x_N)‖² ≤ 260 L²D²/(N+1)²."""
    smooth, distance = world.lipschitz(), world.distance()
    points = anchored_run(world, 60, stretch / (8.0 * smooth), "anchored")
    bound = 260.0 * (smooth * distance) ** 2
    return tuple(at_most(norm(world.operator(points[n])) ** 2, bound / (n + 1.0) ** 2) for n in (1, 5, 20, 60))


anchored_extragradient_on_random_operators.control("steps 20 times as long", stretch=20.0)


HORIZONS = np.array([64, 128, 256, 512, 1024, 2048])


def worst_rotation(method: str, horizons: Any = HORIZONS, grid: int = 4000) -> np.ndarray:
    """max over 0 < σ ≤ 1 of ‖F(x_N)‖ for F = iσ in the plane, D = 1: a recursion in one complex number for each σ."""
    scale = np.geomspace(1e-5, 1.0, grid)
    point, found = np.ones(grid, complex), []
    operator, start = (lambda u: 1j * scale * u), np.ones(grid, complex)
    for k in range(int(np.max(horizons))):
        if method == "extragradient":
            point = point - 0.5 * operator(point - 0.5 * operator(point))
        else:
            beta = 1.0 / (k + 1.0)
            base = beta * start + (1.0 - beta) * point
            point = base - operator(base - (1.0 - beta) * operator(point))
        if k + 1 in horizons:
            found.append(np.max(abs(operator(point))))
    return np.array(found)


@evidence("vr-halpern/extragradient-last-iterate", kind="rate")
def extragradient_on_the_worst_rotation(draw: Draw, method: str = "extragradient"):
    """Worst rotation for each N = 64 … 2048: the residual of extragradient's last iterate falls as N^(−1/2)."""
    found = worst_rotation(method)
    series = {"horizon": HORIZONS, "fast": worst_rotation("fast"), "bound": 2.0 / HORIZONS}
    return exponent(HORIZONS, found, between=(-0.52, -0.48), predicted=-0.5, series=series)


extragradient_on_the_worst_rotation.control("with an anchor it falls as 1/N", method="fast")


@evidence("vr-halpern/deterministic-lower-bound", kind="exact", rounding="declared")
def fast_extragradient_above_the_lower_bound(excess: float = 1.0):
    """The worst rotation for FEG after N evaluations of F: no smaller than LD/(2⌊N/2⌋+1)."""
    horizons = np.array([1, 2, 4, 8, 16, 32, 64, 128])
    found = worst_rotation("fast", horizons)
    evaluations = 2 * horizons - 1
    lower = excess / (2.0 * (evaluations // 2) + 1.0)
    # 128 steps of a few complex products on numbers of size at most 2, none amplified: 1e-12 is generous.
    return at_most(lower, found, error=1e-12)


fast_extragradient_above_the_lower_bound.control("ten times the bound", excess=10.0)
