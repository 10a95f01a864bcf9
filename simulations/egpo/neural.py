"""The authors' simulations with a small network: the games share its layers, and nothing is tabular (C3)."""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax
from lab.games.game import PreferenceGame, random_games
from lab.games.losses import contrast_loss
from lab.games.sampled_losses import NAMES, mixture
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, below

ACTIONS, WIDTH, HIDDEN = 100, 10, 2  # two hidden layers and the output: three in all

Parameters = dict[str, Any]


def network(key: Any, games: int) -> Parameters:
    """Xavier-normal layers without bias terms to begin with, shared by the games; an input of its own for each game."""
    sizes = [WIDTH] * (HIDDEN + 1) + [ACTIONS]
    keys = jax.random.split(key, len(sizes))
    layers = [
        (jnp.sqrt(2.0 / (m + n)) * jax.random.normal(k, (m, n)), jnp.zeros(n))
        for k, m, n in zip(keys[1:], sizes[:-1], sizes[1:], strict=True)
    ]
    return {"layers": layers, "input": jax.random.normal(keys[0], (games, WIDTH))}


def policy(parameters: Parameters) -> Any:
    """Log-probabilities of every game, (games, actions)."""
    *hidden, (weight, bias) = parameters["layers"]
    x = parameters["input"]
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return log_softmax(x @ weight + bias)


def _squared_contrasts(game: PreferenceGame, log_policy: Any, sampling: Any, opponent: Any) -> Any:
    score = log_policy - game.log_reference - game.lead(opponent) / game.beta[:, None]
    return jnp.sum(contrast_loss(score, sampling))


def exact_loss(name: str, parameters: Parameters, game: PreferenceGame, fixed: Any, rate: Any) -> Any:
    """The loss as coded, summed over the games; `fixed` is the policy that is held constant, π or the trial policy."""
    log_policy = policy(parameters)
    held = jax.lax.stop_gradient(log_policy)
    beta = game.beta[:, None]
    mixed = mixture(held, game.log_reference, rate)
    if name == "Nash-MD-PG":
        score = game.lead(mixed) - beta * (held - game.log_reference)
        return -jnp.sum(jnp.exp(held) * score * log_policy)
    if name == "Online IPO 2":
        # E over pairs of π of the squared contrast with (P(y, y') − ½)/β has the gradient of the contrast with Pπ/β.
        return _squared_contrasts(game, log_policy, held, held)
    uniform = jnp.full_like(held, -jnp.log(float(ACTIONS)))
    return _squared_contrasts(game, log_policy, uniform, mixed if name == "Nash-MD" else fixed)


def descended(parameters: Parameters, gradient: Parameters, rate: Any) -> Parameters:
    return jax.tree.map(lambda p, g: p - rate * g, parameters, gradient)


@partial(jax.jit, static_argnames=("name", "updates", "every"))
def trained(
    name: str, parameters: Parameters, game: PreferenceGame, rate: Any, *, updates: int, every: int = 1
) -> tuple[Parameters, Any]:
    """The parameters after so many updates, and the gaps after every so many of them, (updates/every, games).

    EGPO's second gradient is taken at the restored θ_t.
    """

    def advance(parameters: Parameters, _: Any) -> Any:
        gradient = jax.grad(lambda p, fixed: exact_loss(name, p, game, fixed, rate))
        after = descended(parameters, gradient(parameters, jax.lax.stop_gradient(policy(parameters))), rate)
        if name == "EGPO":
            after = descended(parameters, gradient(parameters, policy(after)), rate)
        return after, None

    def block(parameters: Parameters, _: Any) -> Any:
        after, _ = jax.lax.scan(advance, parameters, None, length=every)
        return after, game.regularised_gap(policy(after))

    return jax.lax.scan(block, parameters, None, length=updates // every)


RATE, UPDATES, GAMES = 0.003, 10_000, 10  # the authors'; β = 0.01
EVERY = 40  # updates between the points of a curve


def drawn(number: int, beta: float) -> tuple[Parameters, PreferenceGame]:
    """Games and a network by their number; the reference is the network as it begins."""
    entries = np.random.default_rng(number).uniform(-0.5, 0.5, (GAMES, ACTIONS * (ACTIONS - 1) // 2))
    games = random_games(entries, np.zeros((GAMES, ACTIONS)), np.full(GAMES, beta))
    start = network(jax.random.key(number), GAMES)
    return start, PreferenceGame(games.advantage, policy(start), games.beta)


@lru_cache
def gaps(number: int, name: str) -> np.ndarray:
    """Gaps of the ten games along a run with exact gradients, the start included: (points, games)."""
    start, game = drawn(number, 0.01)
    _, found = trained(name, start, game, RATE, updates=UPDATES, every=EVERY)
    return np.concatenate([np.asarray(game.regularised_gap(policy(start)))[None], np.asarray(found)])


def final_median(number: int, name: str) -> float:
    """Median over the games of the gap after the last update."""
    return float(np.median(gaps(number, name)[-1]))


# A gap near 0 is a sum of squares of log-ratios, each rounded at every update by fewer than 1e-14: below 1e-12.
FLOOR = 1e-12
DRAWS = (1, 2)  # of the games and the network


@evidence("egpo/network-ends-nearest", kind="exact", rounding="declared")
def median_gap_with_a_network(number: int = 2):
    """100 actions, exact gradients, as coded: is EGPO's median final gap the smallest of five?"""
    ours, *theirs = (final_median(number, name) for name in NAMES)
    return at_most(np.full(len(theirs), ours), np.array(theirs), error=FLOOR)


median_gap_with_a_network.control("another network and other games", number=1)


@evidence("egpo/network-order", kind="exact", rounding="declared")
def order_with_a_network(names: tuple[str, ...] = ("EGPO", "Online IPO 2", "Nash-MD-PG")):
    """The same in two draws: EGPO ends nearer than online IPO 2, and that nearer than Nash-MD-PG."""
    medians = np.array([[final_median(number, name) for name in names] for number in DRAWS])
    every = np.array([[gaps(number, name) for name in NAMES] for number in DRAWS])  # (draws, methods, points, games)
    final, points = every[:, :, -1], EVERY * np.arange(every.shape[2])
    series = {
        "names": np.array(NAMES), "medians": np.median(final, axis=-1), "maxima": np.max(final, axis=-1),
        "updates": points, "curves": np.median(every[0], axis=-1),
    }  # fmt: skip
    return below(medians[:, :-1], medians[:, 1:], error=FLOOR, series=series)


order_with_a_network.control("online IPO 2 before EGPO", names=("Online IPO 2", "EGPO"))
