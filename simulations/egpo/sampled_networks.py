"""The authors' simulations with sampled gradients and a network, at their own settings, five solvers (C3).

100 draws an update, 20,000 updates (5,000 in the quick profile) at β = 0.1, s = 0.001; ten games of 100 actions share
a network. Two draws of games and network are two instances and no sample: what is said of them is what they show.
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.games import sampled_losses
from lab.games.game import PreferenceGame
from lab.games.sampled_losses import NAMES, SAMPLES
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below
from simulations.egpo import neural

WEIGHT, RATE, UPDATES = 0.1, 0.001, 20_000  # the authors'
BLOCK = 10  # updates that gaps are averaged over


@partial(jax.jit, static_argnames=("name", "updates"), compiler_options={"xla_cpu_prefer_vector_width": 512})
def trained_on_draws(
    name: str, start: neural.Parameters, game: PreferenceGame, key: Any, rate: Any, *, updates: int
) -> Any:
    """Gaps of the games, means over ten updates, (updates/10, games): one network that the games share, as coded."""

    def advance(parameters: neural.Parameters, bits: Any) -> Any:
        log_policy, backward = jax.vjp(neural.policy, parameters)
        opponent = (
            sampled_losses.mixture(log_policy, game.log_reference, rate) if name.startswith("Nash-MD") else log_policy
        )

        def descended(opponent: Any, bits: Any) -> neural.Parameters:
            slope = sampled_losses.gradient(
                name, log_policy, game, sampled_losses.triples(name, bits, log_policy, opponent)
            )
            return neural.descended(parameters, backward(slope)[0], rate)

        after = descended(opponent, bits[0])
        if name == "EGPO":
            after = descended(neural.policy(after), bits[1])
        return after, game.regularised_gap(neural.policy(after))

    def block(parameters: neural.Parameters, key: Any) -> Any:
        shape = (BLOCK, 2 if name == "EGPO" else 1, 3, game.beta.shape[0], SAMPLES)
        parameters, found = jax.lax.scan(advance, parameters, sampled_losses.random_bits(key, shape))
        return parameters, jnp.mean(found, axis=0)

    return jax.lax.scan(block, start, jax.random.split(key, updates // BLOCK))[1]


@lru_cache
def with_a_network(number: int, name: str, updates: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean gaps over the last quarter (games,), and the median game's along the run; single precision, as theirs."""
    single = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), neural.drawn(number, WEIGHT))
    key = jax.random.fold_in(jax.random.key(number), NAMES.index(name))
    found = np.asarray(trained_on_draws(name, *single, key, jnp.float32(RATE), updates=min(updates, UPDATES)), float)
    return found[-len(found) // 4 :].mean(axis=0), np.median(found[:: len(found) // 250], axis=-1)


SINGLE = 1e-6  # of a gap in single precision: sums of a hundred terms of 6e-8 times β times log-ratios below 5, squared


def _medians(draw: Draw, number: int, names: tuple[str, ...]) -> np.ndarray:
    return np.array([np.median(with_a_network(number, name, draw.size)[0]) for name in names])


@evidence("egpo/sampled-network-ends-nearest", kind="rate", size=UPDATES)
def median_gap_of_sampled_networks(draw: Draw, others: tuple[str, ...] = NAMES[1:]):
    """100 actions, the authors' settings, one draw: is EGPO's median gap over the last quarter the smallest of five?"""
    number = neural.DRAWS[0]
    return at_most(_medians(draw, number, NAMES[:1]), _medians(draw, number, others), error=SINGLE)


median_gap_of_sampled_networks.control("among EGPO and Nash-MD-PG", others=("Nash-MD-PG",))


@evidence("egpo/sampled-network-order", kind="rate", size=UPDATES)
def order_of_sampled_networks(draw: Draw, last: str = "Nash-MD-PG"):
    """In two draws: the medians of four methods lie within a factor of two, and Nash-MD-PG's is 1.3 times each."""
    others = tuple(name for name in NAMES if name != last)
    near = np.array([_medians(draw, number, others) for number in neural.DRAWS])
    far = np.array([_medians(draw, number, (last,)) for number in neural.DRAWS])
    every = [[with_a_network(number, name, draw.size)[0] for name in NAMES] for number in neural.DRAWS]
    curves = np.array([with_a_network(neural.DRAWS[0], name, draw.size)[1] for name in NAMES])
    series = {
        "names": np.array(NAMES), "medians": np.median(every, axis=-1), "maxima": np.max(every, axis=-1),
        "updates": min(draw.size, UPDATES) // curves.shape[1] * np.arange(curves.shape[1]) + BLOCK, "curves": curves,
    }  # fmt: skip
    return (
        below(near.max(axis=-1), 2 * near.min(axis=-1), error=SINGLE, series=series),
        below(1.3 * near, np.broadcast_to(far, near.shape), error=SINGLE),
    )


order_of_sampled_networks.control("online IPO 2 as the last", last="Online IPO 2")
