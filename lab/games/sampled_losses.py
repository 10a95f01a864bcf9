r"""Losses on sampled actions as the EGPO authors coded them, and their gradients in closed form.

A draw is a triple: y and y′ are compared, y″ judges them. With log-ratios l = log π/π_ref:

    EGPO, Online IPO 1, Nash-MD   y, y′ uniform, y″ ~ μ   (l_y − l_y′ − (P(y, y″) − P(y′, y″))/β)²
    Online IPO 2                  y, y′ ~ π               (l_y − l_y′ − (P(y, y′) − ½)/β)²
    Nash-MD-PG                    y ~ π, y″ ~ μ           −(P(y, y″) − β l_y) log π_y, bracket and draws held fixed

The opponent μ is the policy, EGPO's trial policy, or Nash-MD's mixture with the reference. Axes of games come first,
that of actions or draws last. Source: `egpo`, simulation protocol and C6.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lab.arrays import log_softmax
from lab.games.game import PreferenceGame

NAMES = ("EGPO", "Online IPO 1", "Nash-MD", "Online IPO 2", "Nash-MD-PG")
SAMPLES = 100  # draws an update
LEVELS = 2**30


class Triples(NamedTuple):
    """Indices of the actions drawn, (..., draws) each; a loss that has no use for one of them does not look at it."""

    first: Any
    other: Any
    judge: Any


def mixture(log_policy: Any, log_reference: Any, rate: Any) -> Any:
    """Nash-MD's opponent as coded."""
    return log_softmax(mixed_logits(log_policy, log_reference, rate, log_policy.shape[-1]))


def mixed_logits(log_policy: Any, log_reference: Any, rate: Any, actions: int) -> Any:
    """Its logits: the reference's share is 2s/N, half of that which a step of SGD of size s takes."""
    return log_policy + 2 * rate / actions * (log_reference - log_policy)


def random_bits(key: Any, shape: tuple[int, ...]) -> Any:
    """Random 32-bit integers; drawn as one row, which compiles and runs faster than several axes."""
    return jax.random.bits(key, (math.prod(shape),), jnp.uint32).reshape(shape)


def triples(name: str, bits: Any, log_policy: Any, log_opponent: Any) -> Triples:
    """The actions of one update from random 32-bit integers (3, ..., draws)."""
    actions = log_policy.shape[-1]
    levels = (bits >> 2).astype(jnp.int32)
    if name in ("EGPO", "Online IPO 1", "Nash-MD"):
        first, other = ((row // jnp.uint32(-(-(2**32) // actions))).astype(jnp.int32) for row in bits[:2])
        return Triples(first, other, of_law(levels[2], log_opponent, LEVELS))
    first = of_law(levels[0], log_policy, LEVELS)
    other = of_law(levels[1], log_policy if name == "Online IPO 2" else log_opponent, LEVELS)
    return Triples(first, other, other)


def of_law(level: Any, log_law: Any, levels: int) -> Any:
    """Actions of a law (..., actions) by inversion, from integers uniform below `levels`: (..., draws).

    Probabilities are rounded to multiples of 1/levels.
    """
    steps = jnp.cumsum(jnp.round(jnp.exp(log_law) * levels).astype(jnp.int32), axis=-1)[..., :-1]
    return jnp.sum(level[..., None, :] >= steps[..., :, None], axis=-2, dtype=jnp.int32)


def coefficients(name: str, log_policy: Any, game: PreferenceGame, drawn: Triples) -> Any:
    """What each draw puts at y, (..., draws): twice the residual of a contrast, or the policy gradient's score."""
    first, other, judge = drawn
    ratio, beta = log_policy - game.log_reference, game.beta[..., None]

    def lead(action: Any, against: Any) -> Any:
        flat = game.advantage.reshape(*game.advantage.shape[:-2], -1)
        return jnp.take_along_axis(flat, action * ratio.shape[-1] + against, axis=-1)

    at_first = jnp.take_along_axis(ratio, first, axis=-1)
    if name == "Nash-MD-PG":
        return 0.5 + lead(first, judge) - beta * at_first
    contrast = at_first - jnp.take_along_axis(ratio, other, axis=-1)
    target = lead(first, other) if name == "Online IPO 2" else lead(first, judge) - lead(other, judge)
    return 2 * (contrast - target / beta)


def sampled_loss(name: str, log_policy: Any, game: PreferenceGame, drawn: Triples) -> Any:
    """The loss of each game on its draws, (...); what the authors hold constant is constant here too."""
    found = coefficients(name, log_policy, game, drawn)
    if name == "Nash-MD-PG":
        log_chance = jnp.take_along_axis(log_policy, drawn.first, axis=-1)
        return -jnp.mean(jax.lax.stop_gradient(found) * log_chance, axis=-1)
    return jnp.mean((found / 2) ** 2, axis=-1)


def gradient(name: str, log_policy: Any, game: PreferenceGame, drawn: Triples) -> Any:
    """The gradient of `sampled_loss` in the logits, without differentiating: (..., actions)."""
    found = coefficients(name, log_policy, game, drawn)
    at_first = by_action(drawn.first, found, log_policy.shape[-1])
    if name == "Nash-MD-PG":
        return jnp.exp(log_policy) * jnp.mean(found, axis=-1, keepdims=True) - at_first
    return at_first - by_action(drawn.other, found, log_policy.shape[-1])


def by_action(index: Any, values: Any, actions: int) -> Any:
    """Sum of the values over the draws, each at its action, over the number of draws: (..., actions)."""
    here = index[..., None, :] == jnp.arange(actions, dtype=index.dtype)[:, None]
    return jnp.mean(jnp.where(here, values[..., None, :], 0), axis=-1)
