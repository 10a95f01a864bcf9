"""General preferences (`apo`, C4): with momentum SPPO is faster in transitive games and worse in cyclic ones."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from lab.arrays import log_softmax, logsumexp
from lab.family import family, log_uniform, normal, uniform, world
from lab.games.game import PreferenceGame, bradley_terry_game, cycle, rock_paper_scissors
from lab.games.gaps import close_divergence, duality_gap
from lab.games.local import momentum_modulus
from lab.games.play import one_step
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, exponent, factor
from simulations.apo.worlds import MOMENTUM


@partial(jax.jit, static_argnames="steps")
def _outputs(advantage: Any, start: Any, step_size: Any, share: Any, *, steps: int) -> Any:
    """log π̂_0, …, log π̂_T of momentum without a KL weight: (steps + 1, games, actions)."""
    game = PreferenceGame(advantage, start, jnp.zeros_like(share))

    def advance(state: Any, _: Any) -> Any:
        return one_step(MOMENTUM, game, state, step_size=step_size, extrapolation=share), state.memory

    last, before = jax.lax.scan(advance, MOMENTUM.start(start), length=steps)
    return jnp.concatenate([before, last.memory[None]])


def outputs(advantage: Any, start: Any, *, step_size: Any, share: Any, steps: int) -> np.ndarray:
    """The same for one game or several, each with its own step size and share."""
    share, step_size = np.broadcast_arrays(np.asarray(share, float), np.asarray(step_size, float))
    actions = np.shape(start)[-1]
    start = np.broadcast_to(start, (*share.shape, actions))
    advantage = np.broadcast_to(advantage, (*share.shape, actions, actions))
    return np.asarray(_outputs(advantage, start, step_size, share, steps=steps))


# ── Transitive games ──

FIVE = bradley_terry_game(np.array([1.0, 0.6, 0.3, 0.0, -0.2]))
SHARES = np.array([0.0, 0.3, 0.6])


@evidence("apo/transitive-steps", kind="exact", rounding="declared")
def steps_to_the_winner(step_size: float = 0.5):
    """Rewards (1, 0.6, 0.3, 0, −0.2), η = ½, from the uniform policy: how many steps to 0.99 for the winner."""
    found = outputs(FIVE, np.full(5, -np.log(5.0)), step_size=step_size, share=SHARES, steps=150)
    steps = np.argmax(found[..., 0] > np.log(0.99), axis=0)
    series = {"share": SHARES, "probability": np.exp(found[..., 0]).T}
    return equal(steps, np.array([96, 67, 40]), series=series)


steps_to_the_winner.control("shorter steps", step_size=0.4)


@world
class TransitiveGame:
    """Bradley–Terry rewards, and the share of the last move that is repeated."""

    reward: Any
    share: Any


transitive_games = family(TransitiveGame, reward=normal(1.5, shape=(4,)), share=uniform(0.05, 0.8))
PACE = 0.1
LATE = np.arange(800, 1001, 20)


@evidence("apo/transitive-speed-up", kind="rate", over=transitive_games, size=128)
def odds_against_the_winner(world: TransitiveGame, draw: Draw, forget: bool = False):
    r"""Late odds against the winner fall by $e^{-\eta\Delta/(1-\alpha)}$ a step, Δ its lead over the second.

    Each game has the step size at which this is e^(−0.1).
    """
    advantage = bradley_terry_game(np.sort(world.reward, axis=-1))
    pace = PACE * (1.0 if forget else 1.0 - world.share)
    uniform_policy = np.full(4, -np.log(4.0))
    found = outputs(
        advantage, uniform_policy, step_size=pace / advantage[:, -1, -2], share=world.share, steps=int(LATE[-1])
    )[LATE]
    odds = np.exp(logsumexp(found[..., :-1]) - found[..., -1])
    return factor(LATE, odds.T, between=(0.9, 0.91), predicted=np.exp(-PACE))


odds_against_the_winner.control("step sizes that take no account of the share", forget=True)

# ── Cyclic games ──

STEP, HORIZON = 0.1, 2000
ROCK_START = log_softmax(np.array([0.2, 0.0, -0.1]))
# What rounding does to these runs was measured against arithmetic of fifty digits (tests/simulations/test_apo.py): less
# than 1e-13 in the divergences of all 2,000 steps, the outermost run included.
ROUNDING = 1e-12


def _divergences(advantage: Any, log_equilibrium: Any) -> np.ndarray:
    """KL(π*‖π̂_t) for the three shares: (shares, steps + 1)."""
    found = outputs(advantage, ROCK_START, step_size=STEP, share=SHARES, steps=HORIZON)
    return close_divergence(log_equilibrium, found).T


@evidence("apo/faster-in-every-game", kind="exact", rounding="declared")
def divergence_with_momentum(transitive: bool = False):
    """Rock, paper, scissors, η = 0.1, from logits (0.2, 0, −0.1): KL to the equilibrium at t = 500, 1000, 2000, with
    α = 0.3 and 0.6 against α = 0."""
    advantage, target = rock_paper_scissors(), np.full(3, -np.log(3.0))
    if transitive:
        advantage = bradley_terry_game(np.array([0.5, 0.0, -0.5]))
        target = np.log(np.array([1.0, 1e-300, 1e-300]))
    found = _divergences(advantage, target)
    modulus = momentum_modulus(STEP + 0.0 * SHARES, beta=0.0, rotation=3**0.5 / 6, extrapolation=SHARES)
    series = {"step": np.arange(HORIZON + 1), "divergence": found, "share": SHARES, "modulus": modulus}
    times = [500, 1000, 2000]
    return at_most(found[1:, times], found[:1, times], error=ROUNDING, series=series)


divergence_with_momentum.control("a transitive game", transitive=True)


@evidence("apo/averages-get-worse", kind="exact", rounding="declared")
def gap_of_the_average_with_momentum(transitive: bool = False):
    """The same runs: the gap of the mean of π̂_1, …, π̂_2000 grows with the share."""
    advantage = bradley_terry_game(np.array([0.5, 0.0, -0.5])) if transitive else rock_paper_scissors()
    found = outputs(advantage, ROCK_START, step_size=STEP, share=SHARES, steps=HORIZON)
    gaps = duality_gap(advantage, np.log(np.mean(np.exp(found[1:]), axis=0)))
    return at_most(gaps[:-1], gaps[1:], error=ROUNDING, series={"share": SHARES, "gap": gaps})


gap_of_the_average_with_momentum.control("a transitive game", transitive=True)


@world
class Rotation:
    """Step size times rotation, and two shares."""

    turn: Any
    share: Any
    more: Any


rotations = family(Rotation, turn=log_uniform(0.01, 1), share=uniform(0, 0.5), more=uniform(0.01, 0.4))


@evidence("apo/momentum-leaves-cycles", kind="exact", over=rotations)
def modulus_grows_with_the_share(world: Rotation, beta: float = 0.0, turn: float = 1.0):
    """The modulus at an interior equilibrium exceeds 1, and grows with the share."""
    settings = {"beta": beta, "rotation": turn * world.turn}
    before = momentum_modulus(1.0 + 0.0 * world.turn, extrapolation=world.share, **settings)
    after = momentum_modulus(1.0 + 0.0 * world.turn, extrapolation=world.share + world.more, **settings)
    return below(1.0, before), below(before, after)


modulus_grows_with_the_share.control("no rotation, and a pull to a reference: momentum helps", beta=0.1, turn=0.0)


@evidence("apo/momentum-leaves-cycles", kind="exact", over=Rotation(np.array(0.1), SHARES, np.zeros(3)))
def moduli_at_a_tenth(world: Rotation, printed: bool = False):
    """|μ|² − 1 at x = 0.1 for α = 0, 0.3, 0.6: 0.0100, 0.0252, 0.1198, to half a unit of the last digit."""
    found = momentum_modulus(1.0 + 0.0 * world.share, beta=0.0, rotation=world.turn, extrapolation=world.share)
    claimed = np.array([0.0100, 0.0252, 0.1198])
    if printed:
        claimed = world.turn**2 * (2 * SHARES**2 - SHARES + 1) / (1 - SHARES) ** 3
    return at_most(np.abs(found**2 - 1.0 - claimed), 5e-5)


moduli_at_a_tenth.control("the expansion for small steps in their place", printed=True)


shares_alone = family(Rotation, turn=uniform(1, 1), share=uniform(0.1, 0.5), more=uniform(0, 0))


@evidence("apo/momentum-expansion", kind="rate", over=shares_alone, size=128)
def remainder_of_the_expansion(world: Rotation, draw: Draw, forget: bool = False):
    r"""$|\mu|^2 - 1$ less $x^2\frac{2\alpha^2-\alpha+1}{(1-\alpha)^3}$, for x from 0.005 to 0.04: of order x⁴."""
    turns = np.geomspace(0.005, 0.04, 6)
    share = world.share[:, None]
    found = momentum_modulus(1.0 + 0.0 * share, beta=0.0, rotation=turns + 0.0 * share, extrapolation=share) ** 2 - 1.0
    second = turns**2 * (2.0 * share**2 - (0.0 if forget else share) + 1.0) / (1.0 - share) ** 3
    return exponent(turns, np.abs(found - second), between=(3.8, 4.2), predicted=4.0)


remainder_of_the_expansion.control("without the term −α", forget=True)


@world
class CyclicGame:
    """Margins of a cycle of three, a direction to start in, and the share of the last move that is repeated."""

    margins: Any
    direction: Any
    share: Any


cyclic_games = family(
    CyclicGame, margins=uniform(0.2, 0.5, shape=(3,)), direction=normal(1, shape=(3,)), share=uniform(0.3, 0.6)
)
GROWTH = 1.005


@evidence("apo/cyclic-growth", kind="rate", over=cyclic_games, size=128)
def growth_near_the_equilibrium(world: CyclicGame, draw: Draw, forget: bool = False):
    """Cyclic games, each with the step size at which the larger root has modulus 1.005: KL(π*‖π̂_t) grows by 1.005²,
    while it is small."""
    a, b, c = world.margins.T
    advantage = np.stack([cycle(*m) for m in world.margins])
    target = np.log(np.stack([b, c, a], axis=-1) / np.sum(world.margins, axis=-1, keepdims=True))
    rotation = np.sqrt(a * b * c / (a + b + c))

    def excess(step_size: float, turn: float, share: float) -> float:
        return float(momentum_modulus(step_size, beta=0.0, rotation=turn, extrapolation=share)) - GROWTH

    shares = np.zeros_like(world.share) if forget else world.share
    step_size = np.array([brentq(excess, 1e-4, 10.0, args=(w, s)) for w, s in zip(rotation, shares, strict=True)])
    start = log_softmax(target + 1e-6 * world.direction)
    found = outputs(advantage, start, step_size=step_size, share=world.share, steps=140)[60:]
    errors = close_divergence(target, found).T
    return factor(np.arange(errors.shape[1]), errors, between=(1.009, 1.011), predicted=GROWTH**2)


growth_near_the_equilibrium.control("step sizes that take no account of the share", forget=True)
