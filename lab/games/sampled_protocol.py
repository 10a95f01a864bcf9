"""The EGPO authors' protocol with sampled gradients, written for speed: five solvers, all games, one compiled call.

The losses are those of `sampled_losses`, and a test holds the two together. What is different is the order of the
work. A draw's residual is the difference of two entries of a table of the game, B = (log π/π_ref)(y) − A(y, y″)/β:

    squared contrasts     B(y, y″) − B(y′, y″)
    Online IPO 2          the same with y″ = y′, since A(y′, y′) = 0
    Nash-MD-PG            −β (B(y, y″) − ½/β), at y alone

Arrays are (actions, groups of games, games of a group) with sixteen games in a group, one register of 32-bit numbers:
a choice between ten actions is ten comparisons of whole registers. One random integer gives a uniform pair, as its
quotient by ⌈2³²/100⌉, and with the rest a level for y″. Policies and gaps are in double, residuals in single precision.
Sums over draws are reductions and not sums in Python, so that the compiler keeps what it has computed.

Source: `egpo`, simulation protocol.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import check_positive
from lab.games.actions_first import below_zero, divergence, leads, normalised, regularised_gap
from lab.games.game import PreferenceGame
from lab.games.gaps import check_advantage, check_reference
from lab.games.sampled_losses import LEVELS, NAMES, SAMPLES, mixed_logits, random_bits

GROUP = 16  # games
BLOCK = 10  # updates that gaps are averaged over, as in the authors' figures
ACTIONS = 10
PAIRS = -(-(2**32) // ACTIONS**2)  # integers to each pair; the last has four fewer, one part in ten millions

Groups = Any  # (actions, groups, games of a group)


class Curves(NamedTuple):
    """Means over blocks of ten updates, (blocks, methods, games): regularised gaps, and KL(π*‖π)."""

    gap: Any
    divergence: Any


def race(game: PreferenceGame, log_equilibrium: Any, key: Any, *, rate: float, updates: int) -> Curves:
    """All five methods from the reference, with this step of SGD; one KL weight for all games, of ten actions each.

    Raises ValueError for other games, and numbers of games or updates that are not multiples of 16 and 10.
    """
    check_advantage(np.asarray(game.advantage))
    check_reference(np.asarray(game.log_reference))
    check_positive(beta=game.beta, rate=rate)
    count, actions = game.log_reference.shape
    if count % GROUP or updates % BLOCK:
        raise ValueError(f"{count} games and {updates} updates: must be multiples of {GROUP} and {BLOCK}")
    if actions != ACTIONS or np.ptp(game.beta) > 0:
        raise ValueError(f"{actions} actions, beta up to {np.max(game.beta):g}: must be {ACTIONS}, and beta the same")
    found = _race(
        key, *(grouped(x) for x in (game.advantage, game.log_reference, log_equilibrium)), float(game.beta[0]), rate,
        updates=updates,
    )  # fmt: skip
    return Curves(*(np.asarray(x).reshape(updates // BLOCK, len(NAMES), count) for x in found))


def grouped(x: Any) -> Any:
    """Games from the first axis to the last two."""
    return jnp.moveaxis(jnp.reshape(jnp.asarray(x), (-1, GROUP, *x.shape[1:])), (0, 1), (-2, -1))


@partial(jax.jit, static_argnames="updates", compiler_options={"xla_cpu_prefer_vector_width": 512})
def _race(
    key: Any, advantage: Any, reference: Any, log_equilibrium: Any, beta: Any, rate: Any, *, updates: int
) -> tuple[Any, Any]:
    groups = reference.shape[-2]
    advantage, reference, log_equilibrium = (
        jnp.concatenate([x] * len(NAMES), axis=-2) for x in (advantage, reference, log_equilibrium)
    )
    equilibrium = jnp.exp(log_equilibrium)

    def advance(state: tuple[Groups, Groups], bits: Any) -> tuple[tuple[Groups, Groups], tuple[Any, Any]]:
        log_policy, policy = state
        _, mixed = normalised(mixed_logits(log_policy, reference, rate, ACTIONS))
        table = _table(log_policy - reference, advantage / beta)
        move = gradients(table, policy, _draws(bits, policy, mixed), beta)
        # EGPO comes first: its trial policy judges fresh pairs, from the same logits.
        own = slice(groups)
        _, trial = normalised(below_zero(log_policy[:, own] - rate * move[:, own]))
        pair, judge = uniform_pairs(bits[3 * groups : 4 * groups], trial)
        second = contrasts(table[..., own, :], *pair, judge)
        after = normalised(below_zero(log_policy - rate * jnp.concatenate([second, move[:, groups:]], axis=1)))
        gap = regularised_gap(leads(advantage, after[1]), *after, reference, beta)
        return after, (gap, divergence(log_equilibrium, equilibrium, *after))

    def block(state: tuple[Groups, Groups], key: Any) -> tuple[tuple[Groups, Groups], tuple[Any, Any]]:
        # Three groups of methods and EGPO's second step with uniform pairs; two that need two levels each.
        state, found = jax.lax.scan(advance, state, random_bits(key, (BLOCK, 8 * groups, SAMPLES, GROUP)))
        return state, jax.tree.map(lambda x: jnp.mean(x, axis=0), found)

    return jax.lax.scan(block, normalised(reference), jax.random.split(key, updates // BLOCK))[1]


def _table(ratio: Groups, targets: Any) -> Any:
    """B for every action and judge, (actions, judges, groups, games)."""
    return (ratio[:, None] - targets).astype(jnp.float32)


def _draws(bits: Any, policy: Groups, mixed: Groups) -> tuple[Any, Any, Any]:
    """y, y′ and y″ of all methods, (groups, draws, games); a y′ that does not exist is no action's number."""
    groups = policy.shape[1] // len(NAMES)
    natural, last = slice(3 * groups), slice(4 * groups, None)
    opponent = jnp.concatenate([policy[:, : 2 * groups], mixed[:, 2 * groups : 3 * groups]], axis=1)
    (first, other), judge = uniform_pairs(bits[natural], opponent)
    levels = (bits[4 * groups :] >> 2).astype(jnp.int32)
    own = chosen(levels[: 2 * groups], policy[:, 3 * groups :], LEVELS)
    against = jnp.concatenate([policy[:, 3 * groups : 4 * groups], mixed[:, last]], axis=1)
    second = chosen(levels[2 * groups :], against, LEVELS)
    none = jnp.full_like(second[groups:], ACTIONS)
    return (
        jnp.concatenate([first, own]),
        jnp.concatenate([other, second[:groups], none]),
        jnp.concatenate([judge, second]),
    )


def uniform_pairs(bits: Any, opponent: Groups) -> tuple[tuple[Any, Any], Any]:
    """Uniform y and y′, and y″ of the opponent, from one integer each."""
    pair = bits // jnp.uint32(PAIRS)
    level = (bits - pair * jnp.uint32(PAIRS)).astype(jnp.int32)
    pair = pair.astype(jnp.int32)
    first = (pair * 205) >> 11  # pair // 10 for numbers below 1,000
    return (first, pair - ACTIONS * first), chosen(level, opponent, PAIRS)


def chosen(level: Any, law: Groups, levels: int) -> Any:
    """As `sampled_losses.of_law`: actions (groups, draws, games) of a law (actions, groups, games)."""
    steps = jnp.cumsum(jnp.round(law * levels).astype(jnp.int32), axis=0)[:-1]
    past = level[:, :, None] >= jnp.moveaxis(steps, 0, 1)[:, None]
    return jnp.sum(past.astype(jnp.int32), axis=2, dtype=jnp.int32)


def gradients(table: Any, policy: Groups, drawn: tuple[Any, Any, Any], beta: Any) -> Groups:
    """Of the sampled losses of all methods, in the logits."""
    found = contrasts(table, *drawn, missing=0.5 / beta)
    last = slice(4 * (policy.shape[1] // len(NAMES)), None)
    # Nash-MD-PG: the sum of β(½/β − B) at y, less the policy times its total, and as a loss with the sign turned.
    score = -beta / 2 * found[:, last]
    return jnp.concatenate([found[:, : last.start], policy[:, last] * jnp.sum(score, axis=0) - score], axis=1)


def contrasts(table: Any, first: Any, other: Any, judge: Any, missing: Any = 0.0) -> Groups:
    """2/S times the sum over draws of B(y, y″) − B(y′, y″), at y and with the other sign at y′: (actions, …)."""
    rows = [table[i, 0][:, None] for i in range(ACTIONS)]
    for j in range(1, ACTIONS):
        here = judge == j
        rows = [jnp.where(here, table[i, j][:, None], rows[i]) for i in range(ACTIONS)]
    ends = []
    for action in (first, other):
        found = rows[0]
        for i in range(1, ACTIONS):
            found = jnp.where(action == i, rows[i], found)
        ends.append(jnp.where(action == ACTIONS, jnp.float32(missing), found))
    residual = ends[0] - ends[1]
    actions = jnp.arange(ACTIONS, dtype=jnp.int32)[:, None]
    put = [jnp.where(action[:, :, None] == actions, residual[:, :, None], 0) for action in (first, other)]
    total = jnp.sum(put[0] - put[1], axis=1)
    return jnp.moveaxis(jnp.float32(2 / SAMPLES) * total, 1, 0).astype(float)
