"""Which settings are stable: the map over KL weight and step size, whole runs of the authors' games, spirals (C2)."""

import warnings
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax, logsumexp, namespace
from lab.games import local
from lab.games.equilibria import nash_equilibrium, regularised_equilibrium
from lab.games.game import PlantedGame, PreferenceGame, comal_game, rock_paper_scissors
from lab.games.gaps import close_divergence
from lab.games.play import log_policy, nothing, one_step, play, unrolled
from lab.games.solvers import SOLVERS
from lab.games.stability import StepBeyondLimit
from lab.ledger.evidence import evidence
from lab.ledger.findings import below, equal
from simulations.egpo.rates import EPS, cyclic_games
from simulations.egpo.worlds import authors_games, local_distance, near

BETAS = np.geomspace(0.003, 1, 25)
STEP_SIZES = np.geomspace(0.05, 8, 33)
STEPS = 2000
ROTATION = np.sqrt(3) / 6  # of rock–paper–scissors


def _grid() -> PreferenceGame:
    """Rock–paper–scissors with a uniform reference at every KL weight and step size of the map, one axis of games."""
    beta = np.repeat(BETAS, len(STEP_SIZES))
    advantage = np.broadcast_to(rock_paper_scissors(), (len(beta), 3, 3))
    return PreferenceGame(advantage, np.full((len(beta), 3), -np.log(3.0)), beta)


def _outcomes(solver: str) -> np.ndarray:
    """Whether a run from a distance of 1e-3 ends nearer to the equilibrium than it began, at every setting."""
    game, step = _grid(), np.tile(STEP_SIZES, len(BETAS))
    start = near(game.log_reference, np.array([1.0, -0.4, -0.6]) + 0.0 * game.log_reference, 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StepBeyondLimit)  # the map goes beyond it
        run = play(SOLVERS[solver], game, step_size=step, steps=STEPS, measure=nothing, start=start)
    return np.asarray(local_distance(run.state.log_policy, game.log_reference)) < 1e-3


def _predicted(solver: str) -> np.ndarray:
    game, step = _grid(), np.tile(STEP_SIZES, len(BETAS))
    return np.asarray(local.MODULI[solver](step, beta=game.beta, rotation=ROTATION))


@evidence("egpo/stability-map", kind="exact")
def outcomes_on_a_grid(by_contraction: bool = False, swapped: bool = False):
    """Rock–paper–scissors at 25 KL weights × 33 step sizes, 2,000 steps: returns where the modulus is below 1 only."""
    names, findings = ("mirror_descent", "extragradient"), []
    safe = np.asarray(local.contraction_limit(beta=BETAS))
    limit = np.asarray(local.mirror_descent_limit(beta=BETAS, rotation=ROTATION))
    series: dict[str, Any] = {"beta": BETAS, "step_size": STEP_SIZES, "safe": safe, "mirror_descent_limit": limit}
    for solver, formula in zip(names, names[::-1] if swapped else names, strict=True):
        outcome, modulus = _outcomes(solver), _predicted(formula)
        predicted = modulus < 1.0
        if by_contraction:
            predicted = (safe[:, None] >= STEP_SIZES).ravel()
        # Where the distance changes by less than a hundredth in the whole run its quadratic terms may decide.
        clear = abs(np.log(modulus)) * STEPS > 0.01
        series |= {f"{solver}_returns": outcome.astype(int), f"{solver}_modulus": _predicted(solver)}
        findings.append(equal(outcome[clear].astype(int), predicted[clear].astype(int), series=series))
    return tuple(findings)


outcomes_on_a_grid.control("each solver by the other's modulus", swapped=True)
outcomes_on_a_grid.control("the step 1/(β + ½), which is enough but not needed", by_contraction=True)

LONG = 20_000
FAR = 0.01  # of a gap: between those of the cycles that were found, above 0.04, and of runs that converge, below 0.002


@evidence("egpo/moduli-predict-failures", kind="exact", over=authors_games(beta=0.01), size=40, rounding="declared")
def failures_of_mirror_descent(world: PreferenceGame, by_step: bool = False):
    """The authors' games with β = 0.01, η = 0.8: after 20,000 updates from the reference, the gap of mirror descent is
    large in exactly those with a modulus above 1. Games within 5e-4 of 1 are left out: they need longer runs."""
    found = regularised_equilibrium(world.advantage, world.log_reference, beta=world.beta)
    rotation = np.asarray(local.rotations(world.advantage, np.asarray(found.log_policy)))
    modulus = np.max(local.mirror_descent_modulus(0.8, beta=0.01, rotation=rotation), axis=-1)
    run = play(SOLVERS["mirror_descent"], world, step_size=0.8, steps=LONG, measure=nothing)
    gap = np.asarray(world.regularised_gap(run.state.log_policy))
    clear = abs(modulus - 1.0) > 5e-4
    predicted = modulus > (1.0 + 5e-3 if by_step else 1.0)
    note = f"{int((modulus > 1).sum())} of {len(modulus)} games have a modulus above 1; {int((~clear).sum())} left out"
    fails = (gap > FAR).astype(int)
    series = {"modulus": modulus, "gap": gap}
    return equal(np.where(clear, fails, 0), np.where(clear, predicted, 0).astype(int), note=note, series=series)


failures_of_mirror_descent.control("failures only from a modulus of 1.005", by_step=True)


@jax.jit
def policy_gradient_derivative(game: PreferenceGame, log_equilibrium: Any, step_size: Any) -> Any:
    """The derivative of a policy-gradient step at the equilibrium, less constants: (games, actions, actions)."""

    def one(game: PreferenceGame, target: Any) -> Any:
        def step(logits: Any) -> Any:
            return one_step(SOLVERS["policy_gradient"], game, log_softmax(logits), step_size=step_size).log_policy

        centre = jnp.eye(len(target)) - 1.0 / len(target)
        return centre @ jax.jacfwd(step)(target) @ centre

    return jax.vmap(one)(game, log_equilibrium)


@evidence(
    "egpo/policy-gradient-rotates-away", kind="exact", over=authors_games(beta=0.01), size=40, rounding="declared"
)
def failures_of_policy_gradient(world: PreferenceGame, step_size: float = 0.8, by_mirror_descent: bool = False):
    """The same for online IPO 2, with the spectral radius of its step's derivative."""
    found = regularised_equilibrium(world.advantage, world.log_reference, beta=world.beta)
    matrix = np.asarray(policy_gradient_derivative(world, found.log_policy, step_size))
    radius = np.max(np.abs(np.linalg.eigvals(matrix)), axis=-1)
    if by_mirror_descent:
        rotation = np.asarray(local.rotations(world.advantage, np.asarray(found.log_policy)))
        predicted = np.max(local.mirror_descent_modulus(step_size, beta=0.01, rotation=rotation), axis=-1) > 1.0
    else:
        predicted = radius > 1.0
    run = play(SOLVERS["policy_gradient"], world, step_size=step_size, steps=LONG, measure=nothing)
    gap = np.asarray(world.regularised_gap(run.state.log_policy))
    # Actions that are all but absent at the equilibrium hardly move: radii of 1 less rounding belong to them.
    clear = (abs(radius - 1.0) > 5e-4) | (radius <= 1.0)
    note = f"{int((radius > 1).sum())} of {len(radius)} games have a radius above 1; {int((~clear).sum())} left out"
    fails = (gap > FAR).astype(int)
    return equal(np.where(clear, fails, 0), np.where(clear, predicted, 0).astype(int), note=note)


failures_of_policy_gradient.control("by the modulus of mirror descent", by_mirror_descent=True)


@evidence("egpo/mirror-descent-spirals", kind="exact", over=cyclic_games)
def growth_of_the_divergence(world: PlantedGame, solver: str = "mirror_descent", step_size: float = 1.0):
    """β = 0: KL(π*‖π) grows by log E_π e^{η Aπ} at each of six steps, a number above 0."""
    target, game = world.log_equilibrium, PreferenceGame(world.advantage, 0.0 * world.start_logits, world.beta)
    states = unrolled(SOLVERS[solver], game, [step_size + 0.0 * game.beta] * 6, start=world.log_start)
    xp, findings = namespace(target), []
    for before, after in pairwise(state.log_policy for state in states):
        growth = logsumexp(before + step_size * game.lead(before))
        change = close_divergence(target, after) - close_divergence(target, before)
        findings += [equal(change, growth), below(xp.zeros_like(growth), growth)]
    return tuple(findings)


growth_of_the_divergence.control("extragradient", solver="extragradient")

PICTURE_STEPS = 60


@evidence("egpo/mirror-descent-spirals", kind="exact")
def two_spirals(swapped: bool = False):
    """A cycle of three actions, β = 0, η = 0.8: for 60 steps mirror descent moves out and extragradient in."""
    game = PreferenceGame(comal_game(), np.full(3, -np.log(3.0)), np.array(0.0))
    target = np.log(nash_equilibrium(game.advantage).policy)
    start = np.log(np.array([0.5, 0.3, 0.2]))
    names = ("mirror_descent", "extragradient")
    runs = {
        name: np.asarray(
            play(SOLVERS[name], game, step_size=0.8, steps=PICTURE_STEPS, measure=log_policy, start=start).measured
        )
        for name in names
    }
    out, inwards = (np.asarray(close_divergence(target, runs[name])) for name in names[:: -1 if swapped else 1])
    # A divergence below 1 of three numbers is rounded by fewer than 100 units; the run's own rounding only moves the
    # policies along, and each step is compared with the one before it.
    error = 100 * EPS
    series = runs | {"equilibrium": np.exp(target)}
    return (
        below(out[:-1], out[1:], error=error, series=series),
        below(inwards[1:], inwards[:-1], error=error),
    )


two_spirals.control("the other way round", swapped=True)
