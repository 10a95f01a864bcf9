"""The authors' simulations with sampled gradients: 100 draws an update, tabular policies and networks (C3).

Learning rates are ten and twenty times theirs and the updates fewer, so that the floor is reached in seconds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax
from lab.games.equilibria import regularised_equilibrium
from lab.games.game import PreferenceGame
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import mean_between
from simulations.egpo import neural
from simulations.egpo.worlds import authors_games

SAMPLES = 100


def drawn(key: Any, log_law: Any = None, *, actions: int) -> Any:
    """100 actions of this law, by inversion; uniform ones without it."""
    if log_law is None:
        return jax.random.randint(key, (SAMPLES,), 0, actions, dtype=jnp.int32)
    level = jax.random.uniform(key, (SAMPLES, 1), dtype=jnp.float32)
    return jnp.minimum(jnp.sum(level > jnp.cumsum(jnp.exp(log_law)), axis=-1), actions - 1)


def sampled_loss(name: str, log_policy: Any, opponent: Any, game: PreferenceGame, key: Any, rate: Any) -> Any:
    """The loss of one game on 100 draws, as coded; `opponent` is π or the trial policy."""
    actions = log_policy.shape[-1]
    keys, held = jax.random.split(key, 3), jax.lax.stop_gradient(log_policy)
    sample = partial(drawn, actions=actions)
    mixture = log_softmax(held + 2 * rate / actions * (game.log_reference - held))
    y = sample(keys[0], held if name in ("Online IPO 2", "Nash-MD-PG") else None)
    first = jax.nn.one_hot(y, actions)
    if name == "Nash-MD-PG":
        score = 0.5 + game.advantage[y, sample(keys[2], mixture)] - game.beta * (held - game.log_reference)[y]
        return -jnp.mean(score * (first @ log_policy))
    other = sample(keys[1], held if name == "Online IPO 2" else None)
    if name == "Online IPO 2":
        target = game.advantage[y, other]
    else:
        third = sample(keys[2], mixture if name == "Nash-MD" else opponent)
        target = game.advantage[y, third] - game.advantage[other, third]
    contrast = (first - jax.nn.one_hot(other, actions)) @ (log_policy - game.log_reference)
    return jnp.mean((contrast - target / game.beta) ** 2)


@partial(jax.jit, static_argnames=("name", "policy", "updates"))
def train(
    name: str, policy: Callable[[Any], Any], start: Any, game: PreferenceGame, key: Any, rate: Any, *, updates: int
) -> Any:
    """Regularised gaps at every update of independent games, each with its own parameters: (updates, games)."""

    def one(start: Any, game: PreferenceGame, key: Any) -> Any:
        def advance(parameters: Any, key: Any) -> Any:
            first, second = jax.random.split(key)

            def descended(opponent: Any, key: Any) -> Any:
                gradient = jax.grad(lambda p: sampled_loss(name, policy(p), opponent, game, key, rate))(parameters)
                return jax.tree.map(lambda p, g: p - rate * g, parameters, gradient)

            after = descended(jax.lax.stop_gradient(policy(parameters)), first)
            if name == "EGPO":
                after = descended(policy(after), second)
            return after, game.regularised_gap(policy(after))

        return jax.lax.scan(advance, start, jax.random.split(key, updates))[1]

    return jax.vmap(one)(start, game, jax.random.split(key, game.beta.shape[0])).T


def _compared(
    start: Any, policy: Any, game: PreferenceGame, draw: Draw, rate: float, updates: int, band: float, other: str
) -> Any:
    """Mean gap over the last quarter of EGPO's run, as a part of the sum of it and the other solver's, by game."""
    ours, theirs = (
        np.asarray(train(name, policy, start, game, draw.key, rate, updates=updates))[-updates // 4 :].mean(axis=0)
        for name in ("EGPO", other)
    )
    share, half = (ours / (ours + theirs))[:, None], np.array([0.5])
    series = {"names": np.array(["EGPO", other]), "floors": np.array([np.median(ours), np.median(theirs)])}
    return mean_between(share, (half - band, half + band), low=0.0, high=1.0, predicted=half, series=series)


@evidence("egpo/sampled-floors", kind="sampled", over=authors_games(beta=0.01), size=64)
def floors_of_tabular_policies(world: PreferenceGame, draw: Draw, rate: float = 2e-3):
    """Ten actions, β = 0.01, η = 0.08: EGPO's floor against that of online IPO 1, within a factor of 1.7.

    2,000 updates from the equilibrium; the learning rate is ten times the authors'.
    """
    found = regularised_equilibrium(world.advantage, world.log_reference, beta=world.beta)
    return _compared(found.log_policy, log_softmax, world, draw, rate, 2000, 0.12, "Online IPO 1")


floors_of_tabular_policies.control("steps of η = 0.8, beyond the limit of many games", rate=2e-2)


def _one_network(parameters: Any) -> Any:
    return neural.policy(parameters | {"input": parameters["input"][None]})[0]


@evidence("egpo/sampled-floors", kind="sampled", over=authors_games(beta=0.1, actions=neural.ACTIONS), size=32)
def gaps_of_networks(world: PreferenceGame, draw: Draw, other: str = "Online IPO 1"):
    """100 actions, β = 0.1, a network for each game: EGPO's gap against that of online IPO 1, within a factor of three.

    1,000 updates at a learning rate of 0.02, twenty times the authors' with a twentieth of their updates.
    """
    keys = jax.random.split(jax.random.fold_in(draw.key, 1), len(world.beta))
    start = jax.vmap(lambda key: neural.network(key, 1))(keys)
    start = start | {"input": start["input"][:, 0]}
    game = PreferenceGame(world.advantage, jax.vmap(_one_network)(start), world.beta)
    return _compared(start, _one_network, game, draw, 0.02, 1000, 0.25, other)


gaps_of_networks.control("against Nash-MD-PG, which has hardly moved", other="Nash-MD-PG")
