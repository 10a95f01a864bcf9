"""Averages of play (Section 3.1): what they solve, what they do not; and no regret with three players."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import namespace
from lab.family import family, normal, uniform, world
from lab.games import multiplayer
from lab.games.game import cycle, rock_paper_scissors
from lab.games.gaps import duality_gap, regularised_gap
from lab.games.play import log_mean
from lab.inference.rounding_rules import UNIT
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent
from lab.policies import tabular
from simulations.mnpo.worlds import Players, alike, games

LENGTHS = np.array([64, 256, 1024, 4096])


@partial(jax.jit, static_argnames="steps")
def policies_of_play(log_policies: Any, advantages: Any, step_size: Any, steps: int) -> Any:
    """Policies of Equation 10 at steps 0 … steps − 1: (steps, games, players, actions), log-probabilities."""

    def advance(policies: Any, _: None) -> tuple[Any, Any]:
        return multiplayer.multiplicative_weights(advantages, policies, step_size=step_size), policies

    return jax.lax.scan(advance, jnp.asarray(log_policies), None, length=steps)[1]


def _rounding(worst: Any, step_size: Any, steps: int) -> Any:
    """What rounding may add to the gap of an average: a step's rounding, over η, is an error of its payoffs."""
    return 64 * UNIT * (1 + worst + step_size * steps) / step_size


def _gap(advantage: Any, policy: Any) -> Any:
    return 2.0 * np.max(np.sum(advantage * policy[..., None, :], axis=-1), axis=-1)


@evidence("mnpo/average-approaches-equilibrium", kind="exact", over=games(), size=32, rounding="declared")
def gap_of_the_mean(world: Players, last: bool = False):
    """Three players that start alike, η = √(8D/T): the mean's gap at τ = 0 is at most √(2D/T), T up to 4,096."""
    start = np.asarray(alike(world))
    worst = -np.min(start, axis=(-2, -1))
    findings = []
    for steps in LENGTHS:
        step_size = np.sqrt(8.0 * worst / steps)
        path = np.exp(np.asarray(policies_of_play(start, world.advantages, step_size, int(steps))))[:, :, 0]
        policy = path[-1] if last else np.mean(path, axis=0)
        findings.append(
            at_most(_gap(world.shared, policy), np.sqrt(2.0 * worst / steps), error=_rounding(worst, step_size, steps))
        )
    return tuple(findings)


gap_of_the_mean.control("the last policy", last=True)


@evidence("mnpo/average-with-different-starts", kind="exact", over=games(), size=32, rounding="declared")
def gap_of_the_mean_over_players(world: Players, forget: bool = False):
    """From policies of their own: 2D/(ηT) + η/4 plus 2/T times how far the players' mean pays off against their
    geometric mean, which dies out as they merge; η = 0.1, D that of the geometric mean's start."""
    start = np.asarray(world.log_policies)
    step_size = np.full(len(start), 0.1)
    longest = int(LENGTHS[-1])
    log_path = np.asarray(policies_of_play(start, world.advantages, step_size, longest))
    path = np.mean(np.exp(log_path), axis=2)
    centre = np.mean(log_path, axis=2)
    centre = centre - np.log(np.sum(np.exp(centre), axis=-1, keepdims=True))
    payoffs = np.einsum("gij,tgj->tgi", world.shared, path)
    drift = np.cumsum(np.sum((np.exp(centre) - path) * payoffs, axis=-1), axis=0)
    worst = -np.min(centre[0], axis=-1)
    findings = []
    for steps in LENGTHS:
        bound = 2.0 * worst / (step_size * steps) + step_size / 4.0 + 2.0 * drift[steps - 1] / steps
        bound = step_size / 4.0 if forget else bound
        found = _gap(world.shared, np.mean(path[:steps], axis=0))
        findings.append(at_most(found, bound, error=_rounding(worst, step_size, steps)))
    return tuple(findings)


gap_of_the_mean_over_players.control("without the part that falls with T", forget=True)


CYCLES = games(actions=3)


def _cycles(world: Players) -> np.ndarray:
    """The three win rates of each world as a cycle, so that the equilibrium plays all three actions."""
    return np.stack([cycle(*row) for row in np.abs(world.shared[:, [0, 1, 2], [1, 2, 0]])])


@partial(jax.jit, static_argnames="steps")
def _mean_and_late_gap(start: Any, advantage: Any, step_size: Any, steps: int) -> tuple[Any, Any]:
    """Gap of the mean of the first player's policies, and the largest gap of its last 64; nothing else is kept."""

    def gap(policy: Any) -> Any:
        return 2.0 * jnp.max(jnp.sum(advantage * policy[..., None, :], axis=-1), axis=-1)

    def advance(carry: Any, count: Any) -> tuple[Any, None]:
        policies, total, late = carry
        policy = jnp.exp(policies[:, 0])
        late = jnp.where(count >= steps - 64, jnp.maximum(late, gap(policy)), late)
        after = multiplayer.multiplicative_weights(advantage[:, None], policies, step_size=step_size)
        return (after, total + policy, late), None

    first = (jnp.asarray(start), jnp.zeros(start[:, 0].shape), jnp.zeros(len(start)))
    (_, total, late), _ = jax.lax.scan(advance, first, jnp.arange(steps))
    return gap(total / steps), late


LONG = 4 ** np.arange(3, 9)


@evidence("mnpo/average-approaches-equilibrium", kind="rate", over=CYCLES, size=512)
def gap_of_the_mean_by_length(world: Players, draw: Draw, last: bool = False):
    """Cycles of three actions, η = √(8D/T), T = 64 … 65,536: the mean's gap falls as T^(−½), up to its noise."""
    start = np.asarray(alike(world))
    advantage = _cycles(world)
    worst = -np.min(start, axis=(-2, -1))
    found = [
        np.asarray(_mean_and_late_gap(start, advantage, np.sqrt(8.0 * worst / steps), int(steps))[int(last)])
        for steps in LONG
    ]
    bound = np.sqrt(2.0 * np.median(worst) / LONG)
    return exponent(LONG, np.stack(found, axis=-1), between=(-1.0, -0.3), predicted=-0.5, series={"bound": bound})


gap_of_the_mean_by_length.control("the largest gap of the last 64 policies", last=True)


@evidence("mnpo/average-approaches-regularised", kind="rate", over=CYCLES, size=512)
def regularised_gap_of_the_mean(world: Players, draw: Draw, anchored: bool = False):
    """η = 0.1, τ = 0.2, random references, cycles of three actions: the mean's regularised gap against T."""
    start = np.asarray(alike(world))[:, 0]
    advantage = _cycles(world)
    tau, step_size, longest = 0.2, 0.1, 16384
    reference = np.asarray(world.log_reference)
    weight = tau * step_size if anchored else 0.0
    path = np.asarray(_anchored_play(start, advantage, reference, step_size, weight, longest))
    lengths = np.array([256, 1024, 4096, 16384])
    found = [np.asarray(regularised_gap(advantage, log_mean(path[:n]), reference, beta=tau)) for n in lengths]
    return exponent(lengths, np.stack(found, axis=-1), between=(-5.0, -0.5), predicted=-0.5)


regularised_gap_of_the_mean.control("the reference among the opponents, with weight ητ", anchored=True)


@partial(jax.jit, static_argnames="steps")
def _anchored_play(start: Any, advantage: Any, log_reference: Any, step_size: Any, weight: Any, steps: int) -> Any:
    """Self-play with the opponents π_t and π_ref, weights (1 − w, w): (steps, games, actions)."""
    weights = jnp.array([1.0 - weight, weight])

    def advance(policy: Any, _: None) -> tuple[Any, Any]:
        payoffs = multiplayer.lead(advantage, policy)
        opponents = jnp.stack([policy, jnp.broadcast_to(log_reference, policy.shape)], axis=-2)
        return multiplayer.towards(opponents, payoffs, weights=weights, step_size=step_size), policy

    return jax.lax.scan(advance, jnp.asarray(start), None, length=steps)[1]


@evidence("mnpo/average-approaches-regularised", kind="exact", rounding="declared")
def regularised_gap_in_numbers(weight: float = 0.0):
    """A 3-cycle, τ = 0.2, π_ref = (.7, .2, .1): the mean of 16,000 policies has gaps 0.00 at τ = 0 and 0.12 at τ."""
    reference = np.log(np.array([0.7, 0.2, 0.1]))
    advantage, tau, steps = rock_paper_scissors(), 0.2, 16_000
    path = np.asarray(_anchored_play(reference, advantage, reference, 0.02, weight, steps))
    lengths = np.unique(np.geomspace(10, steps, 60).astype(int))
    mean = np.stack([log_mean(path[:n]) for n in lengths])
    gap = np.asarray(regularised_gap(advantage, mean, reference, beta=tau))
    plain = np.asarray(duality_gap(advantage, mean))
    series = {"length": lengths, "regularised": gap, "plain": plain}
    # Claimed: O(1/√T), here with the constant of the game without regularisation, twice as large for good measure.
    bound = 2.0 * np.sqrt(2.0 * np.log(10) / steps)
    return at_most(gap[-1:], np.array([bound]), error=_rounding(np.log(10), 0.02, steps), series=series)


regularised_gap_in_numbers.control("the reference among the opponents, with weight ητ = 0.004", weight=0.004)


@world
class Sequence:
    """Payoffs of three players, (3, actions, actions, actions), and what each of them played in six rounds."""

    payoffs: Any
    played: Any

    def rewards(self, first: Any, second: Any, third: Any) -> Any:
        """Everybody's expected payoff for mixed strategies (..., actions)."""
        return _expected(self.payoffs, first, second, third)


def _expected(payoffs: Any, first: Any, second: Any, third: Any) -> Any:
    xp = namespace(payoffs, first)
    inner = xp.sum(payoffs * third[..., None, None, None, :], axis=-1)
    inner = xp.sum(inner * second[..., None, None, :], axis=-1)
    return xp.sum(inner * first[..., None, :], axis=-1)


def best_replies(payoffs: Any, profile: Any) -> Any:
    """What every action would pay its player against the others of a profile (..., 3, actions): (..., 3, actions)."""
    xp = namespace(payoffs, profile)
    a, b, c = (profile[..., i, :] for i in range(3))
    return xp.stack([
        xp.einsum("...abc,...b,...c->...a", payoffs[..., 0, :, :, :], b, c),
        xp.einsum("...abc,...a,...c->...b", payoffs[..., 1, :, :, :], a, c),
        xp.einsum("...abc,...a,...b->...c", payoffs[..., 2, :, :, :], a, b),
    ], axis=-2)  # fmt: skip


def gaps_and_regrets(payoffs: Any, played: Any) -> tuple[Any, Any]:
    """Sums over players: what they could gain against the mean profile; and their mean regret of the rounds played."""
    xp = namespace(payoffs, played)
    replies = best_replies(payoffs[..., None, :, :, :, :], played)
    earned = xp.sum(replies * played, axis=-1)
    regret = xp.max(xp.mean(replies, axis=-3), axis=-1) - xp.mean(earned, axis=-2)
    mean = xp.mean(played, axis=-3)
    against = best_replies(payoffs, mean)
    gap = xp.max(against, axis=-1) - xp.sum(against * mean, axis=-1)
    return xp.sum(gap, axis=-1), xp.sum(regret, axis=-1)


def battle() -> Sequence:
    """Two players that both want to meet, one here and one there, and a third who pays for it all; they alternate."""
    payoffs = np.zeros((1, 3, 2, 2, 2))
    payoffs[0, 0, 0, 0], payoffs[0, 0, 1, 1] = 2.0, 1.0
    payoffs[0, 1, 0, 0], payoffs[0, 1, 1, 1] = 1.0, 2.0
    payoffs[0, 2] = -payoffs[0, 0] - payoffs[0, 1]
    here, there = np.eye(2)
    rounds = [np.stack([here, here, here]), np.stack([there, there, here])]
    return Sequence(payoffs, np.stack(rounds * 3)[None])


def _polymatrix(entries: Any, logits: Any) -> Sequence:
    """Every pair plays a two-player game of its own: antisymmetric in the two players, so that all sums are 0."""
    games_, actions = len(entries), logits.shape[-1]
    payoffs = np.zeros((games_, 3, actions, actions, actions))
    one, two, three = entries[:, 0], entries[:, 1], entries[:, 2]
    payoffs[:, 0] = one[:, :, :, None] + two[:, :, None, :]
    payoffs[:, 1] = -one[:, :, :, None] + three[:, None, :, :]
    payoffs[:, 2] = -two[:, :, None, :] - three[:, None, :, :]
    return Sequence(payoffs, np.exp(tabular(logits)))


polymatrix = family(_polymatrix, entries=uniform(-0.5, 0.5, shape=(3, 3, 3)), logits=normal(2, shape=(6, 3, 3)))


def _any_constant_sum(entries: Any, logits: Any) -> Sequence:
    """Random payoffs of the first two, the third pays."""
    third = -entries[:, :1] - entries[:, 1:2]
    return Sequence(np.concatenate([entries, third], axis=1), np.exp(tabular(logits)))


constant_sum = family(
    _any_constant_sum, entries=uniform(-0.5, 0.5, shape=(2, 3, 3, 3)), logits=normal(2, shape=(6, 3, 3))
)


@evidence("mnpo/no-regret-gives-nash", kind="exact", over=battle(), size=1)
def gap_and_regret_in_a_battle(world: Sequence):
    """Constant sum, three players, nobody regrets anything, and yet the mean profile is no equilibrium."""
    gap, regret = gaps_and_regrets(world.payoffs, world.played)
    return at_most(gap, namespace(regret).maximum(regret, 0.0 * regret))


gap_and_regret_in_a_battle.control("a sum of two-player games", over=polymatrix)


@evidence("mnpo/no-regret-in-pairwise-games", kind="exact", over=polymatrix, size=128)
def gap_and_regret_in_pairwise_games(world: Sequence):
    """Three two-player games, any six rounds: the gaps of the mean profile add up to exactly the mean regrets."""
    return equal(*gaps_and_regrets(world.payoffs, world.played))


gap_and_regret_in_pairwise_games.control("three-player games of constant sum", over=constant_sum)
