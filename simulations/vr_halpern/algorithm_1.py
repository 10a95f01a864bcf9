"""Algorithm 1 where it is exact: the schedule's condition, the potential and the rate, and what PAGE's error does."""

from dataclasses import replace
from functools import partial
from itertools import combinations, product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import lsq_linear

from lab.arrays import namespace
from lab.family import family, normal, uniform, world
from lab.inference.rounding import rounded
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, mean_at_most
from lab.operators import steps
from lab.operators.finite_sums import average_cocoercivity
from lab.operators.methods import Page, page_halpern
from lab.operators.problems import bilinear_sum, regression
from lab.operators.projections import box
from lab.operators.runs import run
from lab.operators.schedules import anchor_weight, batch_size, noise_condition, residual_bound, step_size_limit
from lab.operators.worst_cases import anchored_huber_slope, huber_gradient
from simulations.vr_halpern.worlds import SAFE, Start, cancelling, coordinates, moments, random_sums

SMALL, MANY = tuple(range(5, 101)), (400, 1000, 10**4, 10**5, 10**6)


@evidence("vr-halpern/noise-condition", kind="exact")
def condition_of_the_schedule(fewer: bool = False):
    """n = 2, 5 … 100, 400 … 10⁶: left over right for early j, all later j by a cubic without negative coefficients."""
    findings = []
    for n in (2, *SMALL, *MANY):
        batch = float(batch_size(n)) / (6.0 if fewer else 1.0)
        found = noise_condition(rounded(np.float64(n)), batch=batch)
        findings.append(at_most(found.ratio, 1.0))
        findings += [at_most(0.0, coefficient) for coefficient in found.tail]
    return tuple(findings)


condition_of_the_schedule.control("batches a sixth as large", fewer=True)


@evidence("vr-halpern/noise-condition-every-size", kind="exact")
def condition_for_three_and_four(sizes: tuple[int, ...] = (3, 4)):
    """The same ratio for n = 3 and n = 4."""
    found = [noise_condition(rounded(np.float64(n)), batch=float(batch_size(n))) for n in sizes]
    return tuple(at_most(f.ratio, 1.0) for f in found)


condition_for_three_and_four.control("n = 2, 5, 9 and 16", sizes=(2, 5, 9, 16))


LONG, SHORT = 1500, 60


def potential_finding(sums: Start, length: int, **settings: Any) -> Any:
    """E C_k ≤ C_0 for every k; equality at k = 0."""
    path, _, _ = moments(sums, length, **settings)
    first = path.potential[:, :1]
    k = np.unique(np.geomspace(1, length, 120).astype(int)) - 1
    series = {"iteration": k, "potential": path.potential[0, k] / first[0], "noise": path.noise[0, k]}
    # The recursion's own running bound, derived in lab.operators.moments; C_0 is read by the same formula.
    error = path.potential_error + path.potential_error[:, :1]
    return at_most(path.potential, first, error=error, series=series)


@evidence("vr-halpern/potential-decreases", kind="exact", over=random_sums(36, 4), size=32, rounding="declared")
def potential_of_random_sums(world: Start, step: str = "paper", length: int = LONG):
    """36 random components in 4 dimensions, each cocoercive only on average; 1,500 iterations, all moments exact."""
    return potential_finding(world, length, step=step)


potential_of_random_sums.control(
    "components that nearly cancel, steps of 0.9/L_F", over=cancelling, step="lipschitz", length=SHORT
)


@evidence("vr-halpern/potential-decreases", kind="exact", over=coordinates, size=8, rounding="declared")
def potential_on_coordinates(world: Start, resets: str = "paper"):
    """402 components that see one coordinate of 6 each, the hardest case for a batch; 1,500 iterations."""
    return potential_finding(world, LONG, resets=resets)


potential_on_coordinates.control("no resets: the estimator’s error is never cleared", resets="never")


def rate_finding(sums: Start, length: int, **settings: Any) -> Any:
    """E‖F(u_k)‖² against the square of the bound, for every k."""
    path, constants, distance = moments(sums, length, **settings)
    k = np.arange(length)
    bound = residual_bound(k, cocoercivity=constants[:, None], distance=distance[:, None])
    at = np.unique(np.geomspace(1, length, 60).astype(int)) - 1
    series = {
        "iteration": at,
        "residual": np.sqrt(path.square[0, at]),
        "bound": bound[0, at],
        "ratio": np.max(np.sqrt(path.square) * (k + 4) / (16 * constants * distance)[:, None], axis=0)[at],
    }
    return at_most(path.square, bound**2, error=path.square_error + 1e-14 * bound**2, series=series)


@evidence("vr-halpern/last-iterate-rate", kind="exact", over=random_sums(36, 4), size=32, rounding="declared")
def rate_of_random_sums(world: Start, step: str = "paper", resets: str = "paper", length: int = LONG):
    """√E‖F(u_k)‖² ≤ 16LD/(k+4) + √24 LD/√((k+2)(k+3)(k+4)) along 1,500 iterations, all moments exact."""
    return rate_finding(world, length, step=step, resets=resets)


rate_of_random_sums.control(
    "components that nearly cancel, steps of 0.9/L_F: it diverges", over=cancelling, step="lipschitz",
    length=SHORT,
)  # fmt: skip
rate_of_random_sums.control(
    "the same components and steps, but every value exact: it converges", over=cancelling, step="lipschitz",
    resets="always", expected="holds",
)  # fmt: skip


def bilinear(away: Any) -> Start:
    """F = (y, −x), noise-free: monotone and 1-Lipschitz, never cocoercive."""
    return Start(np.broadcast_to(np.array([[0.0, 1.0], [-1.0, 0.0]]), (len(away), 1, 2, 2)), away)


@evidence("vr-halpern/last-iterate-rate", kind="exact", over=coordinates, size=8, rounding="declared")
def rate_on_coordinates(world: Start, constant: float | None = None, length: int = LONG):
    """The same on 402 components that see one coordinate of 6 each."""
    return rate_finding(world, length, constant=constant)


rate_on_coordinates.control(
    "a bilinear operator, L taken as its Lipschitz constant",
    over=family(bilinear, away=uniform(-1.0, 1.0, shape=(2,))), constant=1.0, length=401,
)  # fmt: skip


@evidence("vr-halpern/leading-constant", kind="exact")
def residual_of_the_worst_huber_operator(mismatch: float = 1.0):
    """F = clip(x, ±g) from 1, the worst g, k = 10, 100, 1000: the residual is g, at k = 1000 above 0.735·16/(k+4)."""
    findings = []
    for last in (10, 100, 1000):
        slope = rounded(np.array([mismatch * anchored_huber_slope(last)]))
        start = point = rounded(np.ones(1))
        for k in range(last):
            value = huber_gradient(point, slope=slope)
            point, _ = steps.page_halpern(point, start, value, anchor=anchor_weight(k), step_size=0.25)
        residual = huber_gradient(point, slope=slope)
        # At most 1000 steps of five roundings each, on numbers of size at most 1, and a sum of 1000 positive terms.
        findings.append(equal(residual, anchored_huber_slope(last), error=1e-12))
    findings.append(at_most(0.735 * 16.0 / 1004.0, residual))
    findings.append(at_most(residual, 0.75 * 16.0 / 1004.0))
    return tuple(findings)


residual_of_the_worst_huber_operator.control("a slope 10 % smaller", mismatch=0.9)


@world
class Step:
    """Components at two successive points, and the estimate's error at the first of them."""

    now: Any
    before: Any
    error: Any
    reset: Any


pages = family(
    Step,
    now=normal(1, shape=(4, 3)),
    before=normal(1, shape=(4, 3)),
    error=normal(1, shape=(3,)),
    reset=uniform(0.05, 0.95),
)


def errors_after(world: Step, batches: Any) -> list[Any]:
    """The estimator's error after a step without reset, for each batch."""
    full, previous = world.now.mean(axis=1), world.before.mean(axis=1)
    found = []
    for batch in batches:
        chosen = list(batch)
        difference = (world.now[:, chosen] - world.before[:, chosen]).mean(axis=1)
        found.append(steps.page(full, previous + world.error, difference, reset=np.array(False)) - full)
    return found


@evidence("vr-halpern/page-recursion", kind="exact", over=pages, size=64)
def error_over_all_batches(world: Step, raw: bool = False):
    """4 components, all 16 batches of 2 with replacement, all 6 without: second moment of the error after a step."""
    xp = namespace(world.now)
    move = world.now - world.before
    around = move if raw else move - xp.mean(move, axis=1)[:, None, :]
    spread = xp.mean(xp.sum(around**2, axis=-1), axis=1)
    whole = xp.mean(xp.sum(move**2, axis=-1), axis=1)
    before = xp.sum(world.error**2, axis=-1)
    keep = 1.0 - world.reset
    findings = []
    for batches, share in ((list(product(range(4), repeat=2)), 1.0), (list(combinations(range(4), 2)), 2.0 / 3.0)):
        squares = [xp.sum(error**2, axis=-1) for error in errors_after(world, batches)]
        second = keep * (sum(squares[1:], squares[0]) / float(len(squares)))
        findings.append(equal(second, keep * (before + share * spread / 2.0)))
        findings.append(at_most(second, keep * (before + whole / 2.0)))
    return tuple(findings)


error_over_all_batches.control("the raw second moment of the differences in place of their variance", raw=True)


@evidence("vr-halpern/page-unbiased", kind="exact", over=pages, size=64)
def mean_error_over_all_batches(world: Step, exact_before: bool = False):
    """Mean of the estimate given the past, over the coin and all 16 batches, against F(u_k)."""
    if exact_before:
        world = Step(world.now, world.before, 0.0 * world.error, world.reset)
    errors = errors_after(world, list(product(range(4), repeat=2)))
    mean = (1.0 - world.reset)[:, None] * (sum(errors[1:], errors[0]) / 16.0)
    return equal(mean, 0.0 * mean)


mean_error_over_all_batches.control("after a reset the last estimate was exact: no bias", exact_before=True)


class Boxed(NamedTuple):
    """A problem in a box with a start, a bound on the distance to its solution, its L, and a bound on ‖F‖ there."""

    problem: Any
    start: np.ndarray
    distance: float
    constant: float
    largest: float


def least_squares_in_a_box() -> Boxed:
    """64 observations of 4 features; the box cuts off the minimiser."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=(64, 4))
    targets = features @ np.array([2.0, -1.5, 0.5, 0.1]) + 0.5 * rng.normal(size=64)
    problem = regression(features, targets, box=(-1.0, 1.0))
    solution = lsq_linear(features, targets, bounds=(-1.0, 1.0), tol=1e-14).x
    start = np.array([-1.0, 1.0, -1.0, 1.0])
    constant = SAFE * average_cocoercivity(problem.linear_sum().matrices)
    largest = problem.smoothness() * 2.0 + float(np.linalg.norm(problem.operator(np.zeros(4))))
    return Boxed(problem, start, SAFE * float(np.linalg.norm(start - solution)), constant, largest)


def bilinear_in_a_box() -> Boxed:
    """64 bilinear components that differ widely, in a square: 1 is the Lipschitz constant of F and nothing more."""
    problem = replace(bilinear_sum(4.0, copies=16), constraint=box(-1.0, 1.0))
    return Boxed(problem, np.array([1.0, -0.5]), 1.2, 1.0, 1.5)


MARKS = (10, 20, 40, 80)


def least_residual(problem: Any, state: Page) -> Any:
    return problem.constraint.least_residual(state.point, problem.operator(state.point)) ** 2


@partial(jax.jit, static_argnames=("method", "runs"))
def box_runs(method: Any, problem: Any, start: Any, key: Any, runs: int) -> Any:
    """Squared least residuals after k = 0 … of independent runs, (runs, iterations)."""

    def one(key: Any) -> Any:
        return run(method, problem, start, key, measure=least_residual, points=max(MARKS)).measured

    return jax.vmap(one)(jax.random.split(key, runs))


@evidence("vr-halpern/rate-with-constraints", kind="sampled", size=2**11)
def residual_in_a_box(draw: Draw, boxed: Any = None):
    """Runs on least squares in a box: E min_g ‖F(u_k)+g‖² at k = 10, 20, 40, 80 against the square of the bound."""
    problem, start, distance, constant, largest = boxed or least_squares_in_a_box()
    method = page_halpern(step_size_limit(constant), batch=batch_size(problem.count))
    squares = np.asarray(box_runs(method, problem, jnp.asarray(start), draw.key, draw.size))[:, list(MARKS)]
    bound = residual_bound(np.array(MARKS), cocoercivity=constant, distance=distance, constrained=True) ** 2
    series = {"iteration": np.array(MARKS), "bound": np.sqrt(bound)}
    return mean_at_most(squares / bound, np.ones(len(MARKS)), low=0.0, high=largest**2 / bound, series=series)


residual_in_a_box.control(
    "a bilinear game in a square, its Lipschitz constant in the place of L", boxed=bilinear_in_a_box
)
