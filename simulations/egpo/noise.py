"""Noisy and biased payoff queries: a linear phase, then a floor that the step size sets, or a bias that stays (C4)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import uniform
from lab.games.equilibria import regularised_equilibrium
from lab.games.game import PlantedGame, planted
from lab.games.gaps import close_divergence
from lab.games.play import one_step
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import equal, exponent, mean_at_most
from simulations.egpo.rates import EPS
from simulations.egpo.worlds import one_size, span

STEPS = np.array([0.05, 0.1, 0.2, 0.4])
WEIGHTS = np.array([0.1, 0.2, 0.4, 0.8])
NOISE = 0.3

games = one_size(5, beta=uniform(0.1, 0.1))


@partial(jax.jit, static_argnames=("solver", "steps"))
def divergences(
    game: PlantedGame, key: Any, step_size: Any, noise: Any, first_bias: Any, second_bias: Any, start: Any, *,
    steps: int, solver: str = "extragradient",
) -> Any:  # fmt: skip
    """KL(π*‖π) at every step and the last policy. Each query of payoffs carries a bias and noise of ±`noise`.

    The games broadcast with the step sizes: leading axes are (..., games); biases are (..., actions).
    """
    played, target = game.game, game.log_equilibrium
    shape = jnp.broadcast_shapes(jnp.shape(start)[:-1], jnp.shape(target)[:-1], jnp.shape(step_size))

    def advance(state: Any, key: Any) -> Any:
        def payoffs(policy: Any, query: int) -> Any:
            sign = jax.random.rademacher(jax.random.fold_in(key, query), policy.shape, dtype=policy.dtype)
            return played.lead(policy) + noise * sign + (second_bias if query else first_bias)

        state = one_step(SOLVERS[solver], played, state, step_size=step_size, payoffs=payoffs)
        return state, close_divergence(target, state.log_policy)

    first = SOLVERS[solver].start(jnp.broadcast_to(start, (*shape, jnp.shape(start)[-1])))
    state, found = jax.lax.scan(advance, first, jax.random.split(key, steps))
    return found, state.log_policy


def _tilt(size: Any) -> np.ndarray:
    """A bias in favour of the first of five actions."""
    return np.asarray(size)[..., None] * np.array([1.0, 0, 0, 0, 0])


@evidence("egpo/noise-floor-in-the-step", kind="rate", over=games, size=384)
def floor_by_step_size(world: PlantedGame, draw: Draw, second_bias: float = 0.0):
    """Stationary mean of KL(π*‖π) with noise ±0.3 on every payoff, β = 0.1, at four step sizes: ∝ η."""
    found, _ = divergences(
        world, draw.key, STEPS[:, None], NOISE, 0.0, _tilt(second_bias), np.asarray(world.log_equilibrium), steps=4000
    )
    floor = np.asarray(found)[1000:].mean(axis=0).T
    return exponent(STEPS, floor, between=(0.85, 1.15), predicted=1.0)


floor_by_step_size.control("a bias of 0.3 in the second query: its floor does not shrink", second_bias=0.3)


@evidence("egpo/noise-floor-in-the-weight", kind="rate", over=games, size=128)
def floor_by_weight(world: PlantedGame, draw: Draw, second_bias: float = 0.0):
    """The same at η = 0.1 for four KL weights, the equilibrium held fixed by the reference: ∝ 1/β."""
    size = len(world.beta)
    beta = np.broadcast_to(WEIGHTS[:, None], (len(WEIGHTS), size))
    several = planted_with(world, beta)
    start = np.asarray(several.log_equilibrium)
    noise = 0.0 if second_bias else NOISE
    found, _ = divergences(several, draw.key, 0.1, noise, 0.0, _tilt(second_bias), start, steps=4000)
    floor = np.asarray(found)[1000:].mean(axis=0).T
    return exponent(WEIGHTS, floor, between=(-1.15, -0.85), predicted=-1.0)


floor_by_weight.control("a bias of 0.01 in the second query instead: about ∝ 1/β²", second_bias=0.01)


def planted_with(world: PlantedGame, beta: np.ndarray) -> PlantedGame:
    """The same games and equilibria with other KL weights, (weights, games)."""
    return PlantedGame(
        *(
            np.broadcast_to(x, (len(beta), *x.shape))
            for x in (world.advantage, world.equilibrium_logits, world.start_logits)
        ),
        beta,
    )


def one_game(beta: float) -> PlantedGame:
    """A game of five actions with a start at some distance."""
    margins = np.array([0.4, -0.3, 0.1, 0.25, -0.45, 0.35, -0.2, 0.3, -0.1, 0.4])
    logits = np.array([0.5, 0.2, -0.1, 0.3, -0.4])
    return planted(margins, logits, np.array([-1.0, 0.5, 1.0, -0.5, 0.0]), np.array(beta))


def noise_power(noise: float, actions: int) -> float:
    """D = E‖ξ₁ − ξ₂‖²_∞ of signs: 4·noise² unless the two agree everywhere, which happens once in 2^actions."""
    return 4 * noise**2 * (1 - 0.5**actions)


LENGTHS = np.array([10, 50, 300])


def _largest(world: PlantedGame, bias: float = 0.0) -> float:
    """A bound on every KL(π*‖π) of a run: at most the span s of log π/π*, and at most s²/8 (Hoeffding).

    A step turns s into at most (1 − ηβ)s + ηc, where c bounds the span of A(π½ − π*) and of the noise and bias.
    """
    leads = np.asarray(world.game.lead(world.log_equilibrium))
    rows = np.max(world.advantage[:, None, :] - world.advantage[None, :, :], axis=-1) - (leads[:, None] - leads)
    start = float(span(world.log_start - world.log_equilibrium))
    widest = max(start, (float(rows.max()) + 2 * NOISE + bias) / float(world.beta))
    return min(widest, widest**2 / 8) * (1 + 1e-9)


@evidence("egpo/noise-bound", kind="sampled", over=one_game(0.3), size=1024)
def mean_divergence_under_noise(
    world: PlantedGame, draw: Draw, second_bias: float = 0.0, first_bias: float = 0.0, forget: bool = False
):
    """Mean of KL(π*‖π_T) after 10, 50, 300 noisy steps: at most (1 − ηβ)^T KL_0 + ηD/(2β(1 − η/2)); η = 0.1."""
    step, beta = 0.1, float(world.beta)
    start = np.broadcast_to(world.log_start, (draw.size, 5))
    found, _ = divergences(
        world, draw.key, step, NOISE, _tilt(first_bias), _tilt(second_bias), start, steps=int(LENGTHS[-1])
    )
    first = float(close_divergence(world.log_equilibrium, world.log_start))
    # A constant bias of the first query alone adds its square to D at most: ‖ξ₁ − ξ₂‖ ≤ ‖noise‖ + bias.
    power = noise_power(NOISE, 5) + first_bias**2 + 2 * first_bias * 2 * NOISE
    floor = 0.0 if forget else step * power / (2 * beta * (1 - step / 2))
    bound = (1 - step * beta) ** LENGTHS * first + floor
    high = _largest(world, max(first_bias, second_bias))
    return mean_at_most(np.asarray(found)[LENGTHS - 1].T, bound, low=0.0, high=high)


mean_divergence_under_noise.control("the second query biased by 1", second_bias=1.0)
mean_divergence_under_noise.control("the linear phase alone", forget=True)
mean_divergence_under_noise.control(
    "the first query biased by 1: the bound still holds", expected="holds", first_bias=1.0
)


@evidence("egpo/biased-trial-query", kind="rate", over=games, size=128)
def floor_of_a_biased_query(world: PlantedGame, draw: Draw, second: bool = False):
    """A bias of 0.1 in the first query only, no noise: the limit is off by KL ∝ η²."""
    first, other = (0.0, 0.1) if second else (0.1, 0.0)
    found, _ = divergences(
        world, draw.key, STEPS[:, None], 0.0, _tilt(first), _tilt(other), np.asarray(world.log_equilibrium), steps=4000
    )
    return exponent(STEPS, np.asarray(found)[-1].T, between=(1.8, 2.2), predicted=2.0)


floor_of_a_biased_query.control("in the second query", second=True)


@evidence("egpo/biased-second-query", kind="rate", over=games, size=128)
def floor_of_the_second_bias(world: PlantedGame, draw: Draw, first: bool = False):
    """A bias of 0.1 in the second query: the floor of KL does not depend on the step, ∝ η⁰."""
    one, two = (0.1, 0.0) if first else (0.0, 0.1)
    found, _ = divergences(
        world, draw.key, STEPS[:, None], 0.0, _tilt(one), _tilt(two), np.asarray(world.log_equilibrium), steps=4000
    )
    return exponent(STEPS, np.asarray(found)[-1].T, between=(-0.1, 0.1), predicted=0.0)


floor_of_the_second_bias.control("in the first query only", first=True)

BIASES = np.array([0.002, 0.004, 0.008, 0.016])


@evidence("egpo/biased-second-query", kind="rate", over=games, size=128)
def floor_by_bias(world: PlantedGame, draw: Draw, noisy: bool = False):
    """Biases b of four sizes in the second query at η = 0.2: the floor grows as b²."""
    found, _ = divergences(
        world, draw.key, 0.2 + 0.0 * BIASES[:, None], NOISE * noisy, 0.0, _tilt(BIASES)[:, None, :],
        np.asarray(world.log_equilibrium), steps=4000,
    )  # fmt: skip
    floor = np.asarray(found)[-1].T if not noisy else np.asarray(found)[1000:].mean(axis=0).T
    return exponent(BIASES, floor, between=(1.9, 2.1), predicted=2.0)


floor_by_bias.control("under noise of ±0.3, which hides biases as small", noisy=True)


@evidence("egpo/bias-in-both-queries", kind="exact", over=games, size=64, rounding="declared")
def limit_of_biased_queries(world: PlantedGame, trial: bool = True):
    """The same bias b in both queries: whatever the step, the limit is the equilibrium of the payoffs with b added."""
    bias = _tilt(0.2)
    _, reached = divergences(
        world, jax.random.key(0), STEPS[:, None], 0.0, bias * trial, bias, np.asarray(world.log_equilibrium),
        steps=6_000,
    )  # fmt: skip
    game = world.game
    found = regularised_equilibrium(game.advantage, game.log_reference + bias / 0.1, beta=game.beta)
    # What is left of the start after 6,000 steps of factor at most 1 − 0.05·0.1 is below 1e-12. Rounding of a fixed
    # point: a step's 50 units on logits below 20, over 1 − factor ≥ 0.005.
    error = np.asarray(found.error)[:, None, None] + 50 * 20 * EPS / 0.005
    distance = np.moveaxis(np.abs(np.exp(np.asarray(reached)) - np.exp(np.asarray(found.log_policy))), 0, 1)
    return equal(distance, 0.0, error=np.broadcast_to(error, distance.shape))


limit_of_biased_queries.control("the bias in the second query only: a shift of order ηb remains", trial=False)


@evidence("egpo/query-complexity", kind="sampled", over=one_game(0.3), size=1024)
def divergence_after_enough_queries(world: PlantedGame, draw: Draw, fixed_step: bool = False):
    """η = βε/(D + βε/2) and T = log(2 KL_0/ε)/(ηβ) updates bring the mean of KL(π*‖π_T) to ε = 0.02."""
    target, beta, power = 0.02, float(world.beta), noise_power(NOISE, 5)
    step = beta * target / (power + beta * target / 2)
    first = float(close_divergence(world.log_equilibrium, world.log_start))
    steps = int(np.ceil(np.log(2 * first / target) / (step * beta)))
    start = np.broadcast_to(world.log_start, (draw.size, 5))
    found, _ = divergences(
        world, draw.key, 1.0 if fixed_step else step, NOISE, _tilt(0.0), _tilt(0.0), start, steps=steps
    )
    return mean_at_most(np.asarray(found)[-1][:, None], np.array([target]), low=0.0, high=_largest(world))


divergence_after_enough_queries.control("a step of 1 for as many updates", fixed_step=True)
