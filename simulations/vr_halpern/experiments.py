"""The authors' two experiments, with their sizes, data and steps: five methods, residual against epochs.

An epoch is n evaluations of components, counted exactly. Measured is the fixed-point residual with step 1, at the
iterate that the authors plot (of Algorithm 2 the anchored one) and at the one that the theory speaks of (of Algorithm 2
the inner output, of variance-reduced extragradient the snapshot). As in the code, batches are drawn without
replacement, the snapshot never moves and inner steps are few. The authors run 5,000 and 10⁶ epochs, the figures here
show the first 500 and 5,000.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import mean_at_least
from lab.operators import methods
from lab.operators.methods import Method, Outer, Reduced
from lab.operators.problems import ouyang_xu, policeman_and_burglar
from lab.operators.runs import natural_residual, run
from lab.operators.schedules import iteration_cost

NAMES = ("EG", "VR-EG", "EAG", "Algorithm 1", "Algorithm 2")
SWINGING = ("EAG", "Algorithm 1")  # these two are followed for longer on the quadratic program
STRETCHES = 60  # measurements along a curve


class Experiment(NamedTuple):
    """A problem, its five methods, the mean cost of a step of each in epochs, and how long to run."""

    problem: Any
    methods: tuple[Method, ...]
    epochs_a_step: tuple[float, ...]
    judged: tuple[int, int]  # about how many epochs Algorithms 1 and 2 run before they are compared with EG and EAG
    drawn: int  # epochs of the figure


def code_epochs(n: int) -> tuple[float, ...]:
    """About how many epochs a step of each method costs, in the order of NAMES; those of Algorithm 2 grow slowly."""
    page = iteration_cost(n, n, batch=int(np.sqrt(n))) / n  # of a late iteration
    return 2.0, 3.0 / n, 2.0, float(page), 1.0 + 3.0 * 0.05 * np.log(300.0)


def matrix_game(stretch: float = 1.0) -> Experiment:
    """Policeman and burglar, n = 500, the authors' seed; `stretch` multiplies the steps of Algorithms 1 and 2."""
    n = 500
    wealth = np.abs(np.random.RandomState(1).randn(n))
    problem = policeman_and_burglar(n, wealth)
    matrix = np.asarray(problem.matrix)
    spectral, frobenius = np.linalg.norm(matrix, 2), np.linalg.norm(matrix)
    p = 1.0 / n
    found = (
        methods.extragradient(5.0 / spectral),
        methods.reduced_extragradient(3.0 * p**0.5 / frobenius, reset=p),
        methods.anchored_extragradient(5.0 / spectral),
        methods.page_halpern(stretch * 5.0 / frobenius, batch=int(np.sqrt(n)), replacement=False),
        methods.outer_halpern(
            n**0.5 / frobenius, stretch * 5.0 * (p * (1 - p)) ** 0.5 / (n**0.5 + 1.0), reset=p, inner_factor=0.05,
            snapshot="centre", round_down=True,
        ),
    )  # fmt: skip
    return Experiment(on_device(problem), found, code_epochs(n), (100, 100), 500)


def quadratic_program(stretch: float = 1.0) -> Experiment:
    """Ouyang and Xu's worst case, n = 200; `stretch` multiplies the steps of Algorithms 1 and 2."""
    n = 200
    p = 1.0 / n
    found = (
        methods.extragradient(0.5),
        methods.reduced_extragradient(0.01, reset=p),
        methods.anchored_extragradient(0.3),
        methods.page_halpern(stretch * 0.3, batch=int(np.sqrt(n)), replacement=False),
        methods.outer_halpern(
            n**0.5, stretch * 1e-3, reset=p, inner_factor=0.05, snapshot="centre", round_down=True
        ),
    )  # fmt: skip
    return Experiment(on_device(ouyang_xu(n)), found, code_epochs(n), (5000, 1000), 5000)


def on_device(problem: Any) -> Any:
    return jax.tree_util.tree_map(jnp.asarray, problem)


def both_residuals(problem: Any, state: Any) -> Any:
    """At the iterate that the authors plot, and at the one that the theory speaks of."""
    other = state.inner if isinstance(state, Outer) else state.snapshot if isinstance(state, Reduced) else state.point
    return jnp.stack([natural_residual(problem, state.point), natural_residual(problem, other)])


@cache
def curves(
    make: Callable[..., Experiment], names: tuple[str, ...] = NAMES, epochs: int | None = None
) -> dict[str, np.ndarray]:
    """For the figures: all names, and of each of these methods the epochs and both residuals there, along one run."""
    experiment, series = make(), {"names": np.array(NAMES)}
    for name in names:
        index = NAMES.index(name)
        every = max(round((epochs or experiment.drawn) / experiment.epochs_a_step[index] / STRETCHES), 1)
        found = run(
            experiment.methods[index], experiment.problem, experiment.problem.start(), jax.random.key(index),
            measure=both_residuals, points=STRETCHES, every=every,
        )  # fmt: skip
        series[f"epochs {name}"] = np.asarray(found.evaluations) / experiment.problem.count
        series[f"plotted {name}"], series[f"theory {name}"] = np.asarray(found.measured).T
    return series


@partial(jax.jit, static_argnames=("method", "steps"))
def final_residuals(method: Method, problem: Any, keys: Any, steps: int) -> Any:
    """Both residuals and the evaluations after `steps` steps, for one run after another."""

    def one(key: Any) -> Any:
        found = run(method, problem, problem.start(), key, measure=both_residuals, points=1, every=steps)
        return found.measured[-1], found.evaluations[-1]

    return jax.lax.map(one, keys)


def comparison(make: Callable[..., Experiment], draw: Draw, *, stretch: float) -> Any:
    """In how many runs do Algorithms 1 and 2 end below EG and EAG, when these may spend as much as the dearest run?"""
    experiment = make(stretch)
    problem, keys = experiment.problem, jax.random.split(draw.key, draw.size)
    wins, spent = [], []
    for index, epochs in zip((3, 4), experiment.judged, strict=True):
        steps = max(round(epochs / experiment.epochs_a_step[index]), 1)
        residuals, evaluations = final_residuals(experiment.methods[index], problem, keys, steps)
        # EG and EAG cost two epochs a step; they need no key.
        spent.append(int(np.ceil(np.max(evaluations) / problem.count / 2.0)))
        for other in (0, 2):
            theirs, _ = final_residuals(experiment.methods[other], problem, keys[:1], spent[-1])
            wins.append(np.max(residuals, axis=1) < np.min(theirs))
    series = dict(curves(make)) if stretch == 1.0 else {}  # the judge keeps the series of the last chunk
    series["judged"] = 2.0 * np.array(spent)
    return mean_at_least(np.stack(wins, axis=1) * 1.0, np.full(4, 0.5), low=0.0, high=1.0, series=series)


def ranking(make: Callable[..., Experiment], draw: Draw, order: tuple[str, ...], epochs: int, *, stretch: float) -> Any:
    """In how many runs does each method of this order end below the next, plotted residuals, after as many epochs?"""
    experiment = make(stretch)
    keys = jax.random.split(draw.key, draw.size)
    ends = []
    for name in order:
        index = NAMES.index(name)
        steps = max(round(epochs / experiment.epochs_a_step[index]), 1)
        random = name in ("VR-EG", "Algorithm 1", "Algorithm 2")
        residuals, _ = final_residuals(
            experiment.methods[index], experiment.problem, keys if random else keys[:1], steps
        )
        ends.append(np.broadcast_to(np.asarray(residuals)[:, 0], draw.size))
    below = np.stack([first < second for first, second in pairwise(ends)], axis=1)
    series = {"residual": np.median(ends, axis=1)}
    return mean_at_least(below * 1.0, np.full(len(order) - 1, 0.5), low=0.0, high=1.0, series=series)


@evidence("vr-halpern/figure-1-matrix-game", kind="sampled", size=32)
def runs_on_the_matrix_game(draw: Draw, stretch: float = 1.0):
    """Policeman and burglar, n = 500: runs in which each algorithm is below EG and below EAG after about 100 epochs."""
    return comparison(matrix_game, draw, stretch=stretch)


runs_on_the_matrix_game.control(
    "steps a twentieth as long, 1/(4‖A‖) of the theory instead of the tuned 5/‖A‖", stretch=0.05
)


@evidence("vr-halpern/figure-1-quadratic-program", kind="sampled", size=32)
def runs_on_the_quadratic_program(draw: Draw, stretch: float = 1.0):
    """Ouyang and Xu, n = 200: runs in which each algorithm is below EG and EAG after 5,000 and 1,000 epochs."""
    return comparison(quadratic_program, draw, stretch=stretch)


runs_on_the_quadratic_program.control("steps a twentieth as long", stretch=0.05)


@evidence("vr-halpern/figure-1-matrix-game-order", kind="sampled", size=32)
def order_on_the_matrix_game(draw: Draw, stretch: float = 1.0):
    """Policeman and burglar after 100 epochs: runs with VR-EG < Algorithm 1 < Algorithm 2 < EG < EAG, pair by pair."""
    return ranking(matrix_game, draw, ("VR-EG", "Algorithm 1", "Algorithm 2", "EG", "EAG"), 100, stretch=stretch)


order_on_the_matrix_game.control("Algorithms 1 and 2 with steps a twentieth as long", stretch=0.05)


@evidence("vr-halpern/figure-1-quadratic-program-order", kind="sampled", size=32)
def order_on_the_quadratic_program(draw: Draw, stretch: float = 1.0):
    """Ouyang and Xu after 1,000 epochs: runs with Algorithm 2 < EAG < EG < VR-EG, pair by pair."""
    return ranking(quadratic_program, draw, ("Algorithm 2", "EAG", "EG", "VR-EG"), 1000, stretch=stretch)


order_on_the_quadratic_program.control("Algorithm 2 with steps a twentieth as long", stretch=0.05)

QUARTER = 7_000  # epochs


@partial(jax.jit, static_argnames=("method", "every"))
def last_quarter(method: Method, problem: Any, keys: Any, every: int) -> Any:
    """Plotted residuals after 3 · every and 4 · every steps, (runs, 2); all runs at once."""

    def one(key: Any) -> Any:
        found = run(method, problem, problem.start(), key, measure=both_residuals, points=4, every=every)
        return found.measured[-2:, 0]

    return jax.vmap(one)(keys)


@evidence("vr-halpern/figure-1-oscillation", kind="sampled", size=32)
def residuals_that_fall(draw: Draw, method: str = "Algorithm 1"):
    """Ouyang and Xu: runs in which the residual after 28,000 epochs is below that after 21,000."""
    experiment, index = quadratic_program(), NAMES.index(method)
    every = round(QUARTER / experiment.epochs_a_step[index])
    keys = jax.random.split(draw.key, draw.size)
    found = np.asarray(last_quarter(experiment.methods[index], experiment.problem, keys, every))
    fell = found[:, 1:] < found[:, :1]
    series = {} if method == "EAG" else dict(curves(quadratic_program, SWINGING, 4 * QUARTER))
    series["compared"] = QUARTER * np.array([3, 4])
    return mean_at_least(fell * 1.0, np.full(1, 0.5), low=0.0, high=1.0, series=series)


residuals_that_fall.control("EAG", method="EAG")
