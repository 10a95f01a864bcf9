"""SGD with the mixed gradient (Theorem 3), and how the best weight depends on the step size (Theorem 4 and beyond)."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from lab.arrays import namespace
from lab.family import uniform
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent, mean_equals
from lab.mixing.closed_form import Moments, mean_squared_error, optimal_weight, sgd_bound, step_error, unclipped_weight
from lab.mixing.quadratic import MixedQuadratic, NoisyQuadratic
from lab.mixing.traces import TraceWorld
from simulations.bvpo.worlds import anywhere, at_start, mixed_quadratics, quadratics, sharp_quadratics

STEPS = 48
LONG = 256  # |1 − ηh| ≤ 0.8 leaves 10^−25 of the start, far below rounding
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


@evidence("bvpo/sgd-bound-is-attained", kind="exact", over=quadratics, size=256)
def bound_at_the_longest_step(world: NoisyQuadratic, smoothness_step: float = 1.0, alike: bool = True):
    """ηL = 1 and one curvature: the exact mean of E‖∇L‖² over T steps lies (‖b‖² + Var)/T below the bound."""
    xp = namespace(world.bias)
    smoothness = world.smoothness
    curvature = smoothness[..., None] + 0.0 * world.curvature if alike else world.curvature
    step = smoothness_step / smoothness
    world = replace(world, curvature=curvature, step_size=step)
    error = xp.sum(world.bias**2, axis=-1) + smoothness_step * xp.sum(world.noise, axis=-1)
    squares = world.squared_gradients(STEPS)
    findings = []
    for steps in (1, 4, 16, STEPS):
        # 1/L may have been rounded: the bound refuses steps that are longer by the last digit.
        bound = sgd_bound(world.initial_gap, error, step_size=step, smoothness=smoothness_step / step, steps=steps)
        findings.append(equal(xp.mean(squares[..., :steps], axis=-1) + error / steps, bound))
    return tuple(findings)


bound_at_the_longest_step.control("steps of half the length: it is loose", smoothness_step=0.5)
bound_at_the_longest_step.control("several curvatures: it is loose in the flatter directions", alike=False)


@evidence("bvpo/stationary-error", kind="exact", over=sharp_quadratics)
def stationary_error_by_recursion(world: NoisyQuadratic, loose: bool = False, alike: bool = False):
    """θ's moments run to their limit from anywhere, 0.2 ≤ ηh_i ≤ 1.8: there E‖∇L‖² = ‖b‖² + Σ ηh_i/(2−ηh_i) V_i."""
    xp = namespace(world.bias)
    limit = world.squared_gradients(LONG)[..., -1]
    if loose:
        noise = world.step_size * world.smoothness * xp.sum(world.noise, axis=-1)
        return equal(limit, xp.sum(world.bias**2, axis=-1) + noise)
    if alike:
        world = replace(world, curvature=world.curvature[..., :1] + 0.0 * world.curvature)
    return equal(limit, world.stationary_error())


stationary_error_by_recursion.control("the bound of Theorem 3 in its place: it is not attained", loose=True)
stationary_error_by_recursion.control("the first direction's curvature for all of them", alike=True)


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
    """However small the step, the stationary error stays above ‖b‖², by no more than ηL·Var (here ηL ≤ 1)."""
    xp = namespace(world.bias)
    floor, noise = xp.sum(world.bias**2, axis=-1), xp.sum(world.noise, axis=-1)
    if unbiased:
        world = replace(world, bias=0.0 * world.bias)
    findings = []
    for size in (1.0, 1e-3, 1e-6):
        error = replace(world, step_size=size * world.step_size).stationary_error()
        findings += [
            at_most(floor, error),
            at_most(error, floor + size * world.step_size * world.smoothness * noise),
        ]
    return tuple(findings)


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
FINE = np.geomspace(0.05, 1, 60)
# b_t = 0 and ‖b_e‖² = S_t = 1.
UNIT = Moments(np.zeros(1), np.ones(1), np.ones(()), np.zeros(()), np.zeros(()))


@partial(jax.jit, static_argnames=("runs", "steps"))
def _turning(key: Any, weights: Any, runs: int, steps: int) -> Any:
    """‖∇L‖² at the end of runs for every strategy and step size: (strategies · step sizes, runs)."""

    def simulate(key: Any, weight: Any, smoothness_step: Any) -> Any:
        world = MixedQuadratic(np.ones(()), smoothness_step, *UNIT[:4], correlation=np.zeros(()))
        return world.under(weight).simulate(key, runs, steps)

    keys = jax.random.split(key, weights.size)
    return jax.vmap(simulate)(keys, weights.reshape(-1), np.tile(RHOS, len(weights)))


STRATEGIES = np.array(["MSE-optimal, α = ½", "fixed, α = 0.2", "plain traces, α = 1", "optimal for the step size"])


def _four_weights(smoothness_step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights of the four strategies, and their stationary errors."""
    rho = smoothness_step / (2 - smoothness_step)
    weights = [optimal_weight(*UNIT), 0.2, 1.0, optimal_weight(*UNIT, smoothness_step=rho)]
    weights = np.stack(np.broadcast_arrays(*weights))
    return weights, step_error(weights, *UNIT, smoothness_step=rho)


@evidence("bvpo/small-step-weight", kind="sampled", size=2**12)
def error_by_step_size(draw: Draw, forget: bool = False):
    """Simulated SGD in one dimension, b_t = 0 and ‖b_e‖² = S_t = 1, at four weights and six step sizes; to 10 %."""
    weights, exact = _four_weights(RHOS)
    claimed = step_error(weights, *UNIT) if forget else exact
    values = np.asarray(_turning(draw.key, weights, draw.size, 64)).T
    fine_weights, fine_errors = _four_weights(FINE)
    series = {
        "names": STRATEGIES, "smoothness_step": RHOS, "weights": weights,
        "fine_step": FINE, "fine_error": fine_errors, "fine_weight": fine_weights,
    }  # fmt: skip
    # |gradient| ≤ |b| + sqrt(V) = (1 − α) + α, since ηL ≤ 1.
    return mean_equals(
        values, claimed.reshape(-1), within=0.1 * exact.reshape(-1), low=0.0, high=1.0 + 1e-9, series=series
    )


error_by_step_size.control("the MSE, whatever the step size", forget=True)
