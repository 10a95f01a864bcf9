"""SGD with the mixed gradient (Theorem 3), and how the best weight depends on the step size (Theorem 4 and beyond)."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import namespace
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent, mean_equals
from lab.mixing import Moments, mean_squared_error, optimal_weight, sgd_bound, step_error, unclipped_weight
from lab.worlds.family import uniform
from lab.worlds.quadratic import MixedQuadratic, NoisyQuadratic
from lab.worlds.traces import TraceWorld
from simulations.bvpo.worlds import anywhere, at_start, mixed_quadratics, quadratics

STEPS = 48
GRID = np.linspace(0, 1, 17)


@evidence("bvpo/sgd-bound", kind="exact", over=quadratics, size=256)
def average_squared_gradient(world: NoisyQuadratic, stretch: float = 1.0, forget_bias: bool = False):
    """Exact mean of E‖∇L‖² over the first steps, against the bound, for several lengths; η ≤ 1/L."""
    xp = namespace(world.bias)
    step = world.step_size
    variance = xp.sum(world.noise, axis=-1)
    error = step * world.smoothness * variance
    if not forget_bias:
        error = error + xp.sum(world.bias**2, axis=-1)
    squares = replace(world, step_size=stretch * step).squared_gradients(STEPS)
    findings = []
    for steps in (1, 4, 16, STEPS):
        bound = sgd_bound(world.initial_gap, error, step_size=step, smoothness=world.smoothness, steps=steps)
        findings.append(at_most(xp.mean(squares[..., :steps], axis=-1), bound))
    return tuple(findings)


average_squared_gradient.control("steps six times as long, some beyond 2/L: it diverges", stretch=6.0)
average_squared_gradient.control("a bound without the bias", forget_bias=True)


@evidence("bvpo/stationary-error", kind="exact", over=quadratics)
def stationary_error_by_recursion(world: NoisyQuadratic, loose: bool = False):
    """From its stationary mean, θ's second moments run to their limit; there E‖∇L‖² = ‖b‖² + Σ ηh/(2−ηh) V."""
    xp = namespace(world.bias)
    # Curvatures above a half leave at most (1 − ηh)^(2·STEPS) of the start, far below rounding, once ηh ≥ 1/2.
    sharp = replace(world, curvature=0.5 / 0.05 * (1.0 + 0.0 * world.curvature), step_size=0.05 + world.step_size / 6)
    sharp = replace(sharp, start=-sharp.bias / sharp.curvature)
    limit = sharp.squared_gradients(STEPS)[..., -1]
    if loose:
        noise = sharp.step_size * sharp.smoothness * xp.sum(sharp.noise, axis=-1)
        return equal(limit, xp.sum(sharp.bias**2, axis=-1) + noise)
    return equal(limit, sharp.stationary_error())


stationary_error_by_recursion.control(
    "the bound of Theorem 3 in its place: it is not attained below ηL = 1", loose=True
)


LONG_STEPS = NoisyQuadratic(
    curvature=np.array([1.0, 0.7, 0.4]),
    start=np.array([-0.5, 0.4, -0.5]),  # the stationary mean, −b/h
    bias=np.array([0.5, -0.28, 0.2]),
    noise=np.array([0.5, 0.2, 0.1]),
    step_size=np.array(0.8),
)


@evidence("bvpo/stationary-error", kind="sampled", over=LONG_STEPS, size=2**12)
def stationary_error_by_simulation(world: NoisyQuadratic, draw: Draw, forget_noise: bool = False):
    """Runs of SGD with two-point noise from the stationary mean: E‖∇L‖² after 32 steps against the formula; to 5 %."""
    values = np.asarray(_simulate(world, draw.key, draw.size, 32))[:, None]
    exact = np.atleast_1d(world.stationary_error())
    claimed = np.atleast_1d(np.sum(world.bias**2)) if forget_noise else exact
    # A gradient never leaves its mean by more than sqrt(V) in any coordinate, since ηh ≤ 1.
    furthest = np.sum((np.abs(world.bias) + np.sqrt(world.noise)) ** 2)
    return mean_equals(values, claimed, within=0.05 * exact, low=0.0, high=furthest * (1 + 1e-9))


stationary_error_by_simulation.control("the bias alone", forget_noise=True)


@partial(jax.jit, static_argnames=("runs", "steps"))
def _simulate(world: NoisyQuadratic, key: Any, runs: int, steps: int) -> Any:
    return world.simulate(key, runs, steps)


@evidence("bvpo/bias-floor", kind="exact", over=quadratics)
def floor_for_tiny_steps(world: NoisyQuadratic, unbiased: bool = False):
    """However small the step, the stationary error stays above ‖b‖²."""
    floor = namespace(world.bias).sum(world.bias**2, axis=-1)
    if unbiased:
        world = replace(world, bias=0.0 * world.bias)
    errors = [replace(world, step_size=size * world.step_size).stationary_error() for size in (1.0, 1e-3, 1e-6)]
    return tuple(at_most(floor, error) for error in errors)


floor_for_tiny_steps.control("without bias the error falls below any level", unbiased=True)


@evidence("bvpo/mse-optimal-is-bound-optimal", kind="exact", over=mixed_quadratics(uniform(1, 1)), size=256)
def best_weight_at_the_longest_step(world: MixedQuadratic, smoothness_step: float = 1.0):
    """ηL = 1 in one dimension: the stationary error is the MSE at every weight, and smallest at the MSE-optimal one."""
    moments = world.moments()
    world = replace(world, smoothness_step=smoothness_step * world.smoothness_step)
    best = world.under(optimal_weight(*moments)).stationary_error()
    findings = []
    for weight in GRID:
        error = world.under(float(weight)).stationary_error()
        findings += [equal(error, mean_squared_error(float(weight), *moments)), at_most(best, error)]
    return tuple(findings)


best_weight_at_the_longest_step.control("shorter steps", smoothness_step=0.3)


@evidence("bvpo/mse-optimal-for-small-steps", kind="exact", over=mixed_quadratics(uniform(0.02, 0.3)), size=256)
def mse_optimal_weight_at_small_steps(world: MixedQuadratic, smoothness_step: float | None = None):
    """The MSE-optimal weight against a grid of weights, by the stationary error of SGD with 0.02 ≤ ηL ≤ 0.3."""
    if smoothness_step is not None:
        world = replace(world, smoothness_step=smoothness_step + 0.0 * world.smoothness_step)
    best = world.under(optimal_weight(*world.moments())).stationary_error()
    return tuple(at_most(best, world.under(float(weight)).stationary_error()) for weight in GRID)


mse_optimal_weight_at_small_steps.control("at ηL = 1 it is optimal", smoothness_step=1.0)


@evidence("bvpo/small-step-weight", kind="exact", over=mixed_quadratics(uniform(0.02, 1.8)), size=256)
def weight_for_the_step_size(world: MixedQuadratic, bound_only: bool = False):
    """The optimal weight for ρ = ηL/(2 − ηL) against a grid of weights, by the stationary error of SGD."""
    rho = world.smoothness_step
    rho = rho if bound_only else rho / (2.0 - rho)
    best = world.under(optimal_weight(*world.moments(), smoothness_step=rho)).stationary_error()
    return tuple(at_most(best, world.under(float(weight)).stationary_error()) for weight in GRID)


weight_for_the_step_size.control("ρ = ηL minimises the bound, not the error itself", bound_only=True)


@evidence("bvpo/bound-optimal-weight", kind="exact", over=anywhere, size=128)
def weight_of_the_bound(world: TraceWorld, mse_optimal: bool = False):
    """For several ρ = ηL, the weight α_ρ against a grid of weights, by ‖b‖² + ρ·Var from enumerated moments."""
    findings = []
    moments, _ = world.moments(given="nothing")
    for rho in (0.01, 0.1, 0.5, 1.0):
        best = optimal_weight(*moments, smoothness_step=1.0 if mse_optimal else rho)
        found = step_error(best, *moments, smoothness_step=rho)
        findings += [at_most(found, step_error(float(weight), *moments, smoothness_step=rho)) for weight in GRID]
    return tuple(findings)


weight_of_the_bound.control("the MSE-optimal weight for every step size", mse_optimal=True)


@evidence("bvpo/small-steps-favour-traces", kind="rate", over=at_start, size=256)
def distance_from_plain_traces(world: TraceWorld, draw: Draw, drift: float = 0.0):
    """At initialisation, with the pair fixed: 1 − α_ρ = ρ S_t/(‖b_e‖² + ρ S_t), which falls as ρ once ρ is small."""
    rhos = np.geomspace(1e-5, 1e-3, 6)
    world = replace(world, theta=world.reference + drift * (world.theta - world.reference + 1.0))
    moments, _ = world.moments(given="pair")
    # The pair with the largest empty-trace bias of each world: where it is about 0, no step is small.
    size = np.sum(moments.bias_empty[:, :, 0] ** 2, axis=-1)
    at = np.argmax(size, axis=-1)
    moments = type(moments)(*(x[np.arange(len(at)), at, 0] for x in moments))
    rest = [abs(1.0 - unclipped_weight(*moments, smoothness_step=rho)) for rho in rhos]
    return exponent(rhos, np.stack(rest, axis=-1), between=(0.95, 1.05), predicted=1.0)


distance_from_plain_traces.control("away from the reference the trace gradient is biased too", drift=1.0)


RHOS = np.array([0.1, 0.15, 0.25, 0.4, 0.65, 1.0])


@partial(jax.jit, static_argnames=("runs", "steps"))
def _turning(key: Any, weights: Any, runs: int, steps: int) -> Any:
    """‖∇L‖² at the end of runs for every (strategy, step size): (runs, strategies, step sizes)."""
    shape = weights.shape
    one = jnp.ones(shape)
    world = MixedQuadratic(one, RHOS * one, 0.0 * one[..., None], one[..., None], one, 0.0 * one, 0.0 * one)
    return world.under(weights).simulate(key, runs, steps)


FINE = np.geomspace(0.05, 1, 60)


def _theory(moments: Moments) -> dict[str, np.ndarray]:
    """For the figure: along a fine grid of step sizes the best weight, and the stationary error of the four weights."""
    one = Moments(*(x[:1] for x in moments))
    rho = FINE / (2 - FINE)
    ours = optimal_weight(*one, smoothness_step=rho)
    weights = [optimal_weight(*one) + 0 * rho, 0.2 + 0 * rho, 1 + 0 * rho, ours]
    errors = np.stack([step_error(weight, *one, smoothness_step=rho) for weight in weights])
    return {"fine_step": FINE, "fine_error": errors, "fine_weight": ours}


@evidence("bvpo/small-step-weight", kind="sampled", size=2**12)
def error_by_step_size(draw: Draw, forget: bool = False):
    """Simulated SGD in one dimension, b_t = 0 and ‖b_e‖² = S_t = 1, at four weights and six step sizes; to 10 %."""
    moments = Moments(np.zeros((6, 1)), np.ones((6, 1)), np.ones(6), np.zeros(6), np.zeros(6))
    rho = RHOS / (2 - RHOS)
    ours = optimal_weight(*moments, smoothness_step=rho)
    weights = np.stack([optimal_weight(*moments), 0.2 * np.ones(6), np.ones(6), ours])
    exact = step_error(weights, *moments, smoothness_step=rho)
    claimed = step_error(weights, *moments) if forget else exact
    values = np.asarray(_turning(draw.key, jnp.asarray(weights), draw.size, 64)).reshape(draw.size, -1)
    # |gradient| ≤ |b| + sqrt(V) = (1 − α) + α, since ηL ≤ 1.
    series = {"smoothness_step": RHOS, "weights": weights} | _theory(moments)
    return mean_equals(
        values, claimed.reshape(-1), within=0.1 * exact.reshape(-1), low=0.0, high=1.0 + 1e-9, series=series
    )


error_by_step_size.control("the MSE, whatever the step size", forget=True)
