"""Algorithm 1 on a real finite sum: robust and constrained regression of the diabetes in 442 patients."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import lsq_linear, minimize

from lab.datasets.diabetes import FEATURES, TARGET, diabetes
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import mean_at_most
from lab.operators.finite_sums import average_cocoercivity
from lab.operators.methods import page_halpern
from lab.operators.problems import Regression, regression
from lab.operators.runs import residual, run
from lab.operators.schedules import batch_size, break_even_components, residual_bound, step_size_limit
from simulations.vr_halpern.worlds import SAFE

MARKS = (0, 10, 20, 80)
GAP = 1e-6  # the solvers' own tolerance, added to the distance


class Study(NamedTuple):
    """A regression, a bound on the distance of 0 to its solution, its L, and a bound on ‖F‖ where the run can be."""

    problem: Regression
    distance: float
    constant: float
    largest: float


def robust() -> Study:
    """Huber's loss with threshold 1 (a standard deviation of the progression)."""
    data = diabetes()
    problem = regression(data.features, data.target, threshold=1.0)

    def loss(u: np.ndarray) -> tuple[float, np.ndarray]:
        return float(problem.loss(u)), np.asarray(problem.operator(u))

    solution = minimize(loss, np.zeros(10), jac=True, method="L-BFGS-B", options={"gtol": 1e-12, "ftol": 1e-16}).x
    largest = float(np.mean(np.linalg.norm(data.features, axis=1)))  # each component is at most ‖a_i‖ · 1
    return Study(problem, float(np.linalg.norm(solution)) + GAP, problem.cocoercivity(), largest)


def constrained() -> Study:
    """Least squares with every coefficient in [−0.2, 0.2], which binds."""
    data = diabetes()
    problem = regression(data.features, data.target, box=(-0.2, 0.2))
    solution = lsq_linear(data.features, data.target, bounds=(-0.2, 0.2), tol=1e-14).x
    largest = problem.smoothness() * 0.2 * 10**0.5 + float(np.linalg.norm(problem.operator(np.zeros(10))))
    constant = SAFE * average_cocoercivity(problem.linear_sum().matrices)
    return Study(problem, float(np.linalg.norm(solution)) + GAP, constant, largest)


def squared_residual(problem: Regression, state: Any) -> Any:
    if problem.constraint is None:
        return residual(problem, state.point) ** 2
    return problem.constraint.least_residual(state.point, problem.operator(state.point)) ** 2


@partial(jax.jit, static_argnames=("method", "runs"))
def residuals(method: Any, problem: Regression, key: Any, runs: int) -> Any:
    def one(key: Any) -> Any:
        start = jnp.zeros(problem.features.shape[1])
        found = run(method, problem, start, key, measure=squared_residual, points=MARKS[-1] // 10, every=10)
        return found.measured[np.array(MARKS) // 10]

    return jax.vmap(one)(jax.random.split(key, runs))


def finding(study: Study, draw: Draw, shrink: float) -> Any:
    """Squared residuals after 10, 20 and 80 iterations against the square of the bound."""
    problem, constant = study.problem, study.constant / shrink
    method = page_halpern(step_size_limit(constant), batch=batch_size(problem.count))
    squares = np.asarray(residuals(method, problem, draw.key, draw.size))[:, 1:]
    at = np.array(MARKS[1:])
    settings = {"cocoercivity": constant, "distance": study.distance}
    bound = residual_bound(at, constrained=problem.constraint is not None, **settings) ** 2
    even = break_even_components(study.constant, problem.smoothness(), constant=8.0)
    note = f"L = {study.constant:.1f}, L_F = {problem.smoothness():.2f}: variance reduction pays from n ≈ {even:.0f}"
    series = {"iteration": at, "bound": np.sqrt(bound)}
    return mean_at_most(squares / bound, np.ones(3), low=0.0, high=study.largest**2 / bound, series=series, note=note)


@evidence("vr-halpern/real-data-rate", kind="data", size=1024, data=(FEATURES, TARGET))
def residual_of_robust_regression(draw: Draw, shrink: float = 1.0):
    """Huber regression, 442 patients: E‖F(u_k)‖² over runs at k = 10, 20, 80 against the square of the bound."""
    return finding(robust(), draw, shrink)


residual_of_robust_regression.control("a constant L 150 times too small, in the step and in the bound", shrink=150.0)


@evidence("vr-halpern/real-data-rate", kind="data", size=1024, data=(FEATURES, TARGET))
def residual_of_constrained_regression(draw: Draw, shrink: float = 1.0):
    """Least squares in a box, 442 patients: E min_g ‖F(u_k)+g‖² over runs at k = 10, 20, 80 against its bound²."""
    return finding(constrained(), draw, shrink)


residual_of_constrained_regression.control(
    "a constant L 150 times too small, in the step and in the bound", shrink=150.0
)
