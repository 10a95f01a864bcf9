"""With one oracle the players merge at once: from then on they are one player against itself."""

from functools import partial
from typing import Any

import jax
import numpy as np

from lab.arrays import namespace
from lab.family import uniform
from lab.games.game import PreferenceGame
from lab.games.multiplayer import leads, multiplicative_weights
from lab.games.play import unrolled
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, factor
from simulations.mnpo.worlds import Players, alike, games, three

small_steps = games(step_size=uniform(0.1, 0.1))


def spans(log_policies: Any) -> Any:
    """Largest less smallest entry of log π_i − log π_j for every pair of players."""
    xp = namespace(log_policies)
    apart = log_policies[..., :, None, :] - log_policies[..., None, :, :]
    first, second = np.triu_indices(log_policies.shape[-2], 1)
    found = xp.max(apart, axis=-1) - xp.min(apart, axis=-1)
    return found[..., first, second]


@evidence("mnpo/players-merge", kind="exact", over=three)
def spread_after_a_step(world: Players, players: int | None = None):
    """Spans of log π_i − log π_j shrink by a factor between (1 − η/2)/(n − 1) and (1 + η/2)/(n − 1), every pair."""
    policies = world.log_policies
    after = multiplicative_weights(world.advantages, policies, step_size=world.step_size)
    before, found = spans(policies), (policies.shape[-2] - 1.0 if players is None else players - 1.0) * spans(after)
    half = world.step_size[..., None] / 2.0
    return at_most((1.0 - half) * before, found), at_most(found, (1.0 + half) * before)


spread_after_a_step.control("an oracle of its own for each player", over=games(own_oracles=True))
spread_after_a_step.control("the factor of four players for three", players=4)


@partial(jax.jit, static_argnames="steps")
def _spreads(log_policies: Any, advantages: Any, step_size: Any, steps: int) -> Any:
    """Largest span at every step, (steps + 1, games)."""

    def advance(policies: Any, _: None) -> tuple[Any, Any]:
        after = multiplicative_weights(advantages, policies, step_size=step_size)
        return after, spans(after).max(axis=-1)

    return jax.lax.scan(advance, log_policies, None, length=steps)[1]


@evidence("mnpo/players-merge", kind="rate", over=small_steps)
def spread_over_twelve_steps(world: Players, draw: Draw, claimed: int = 3):
    """η = 0.1, three players: the factor of the largest span is ½ up to η/4; four and six players for the figure."""
    steps = np.arange(1, 13)
    series = {"steps": steps}
    for players in (2, 3, 4, 6):
        logits = draw.rng.normal(size=(len(world.step_size), players, 4))
        found = np.asarray(_spreads(logits, world.advantages, world.step_size, 12)).T
        if players == 3:
            errors = found
        series[f"players_{players}"] = np.median(found, axis=0)
    centre = 1.0 / (claimed - 1.0)
    return factor(
        steps, errors, between=(0.95 * centre, 1.05 * centre), predicted=centre, series=series
    )  # fmt: skip


spread_over_twelve_steps.control("the factor of four players, ⅓", claimed=4)


@evidence("mnpo/merged-players-are-hedge", kind="exact", over=games(step_size=uniform(0.05, 0.5)), size=256)
def players_that_start_alike(world: Players):
    """From one policy, six steps of Equation 10 are six steps of multiplicative weights, for every player."""
    policies = alike(world)
    game = PreferenceGame(world.shared, world.log_reference, 0.0 * world.beta)
    _, *later = unrolled(SOLVERS["mirror_descent"], game, [world.step_size] * 6, start=policies[..., 0, :])
    findings = []
    for state in later:
        policies = multiplicative_weights(world.advantages, policies, step_size=world.step_size)
        findings.append(equal(policies, state.log_policy[..., None, :] + 0.0 * policies))
    return tuple(findings)


players_that_start_alike.control(
    "an oracle of its own for each player", over=games(own_oracles=True, step_size=uniform(0.05, 0.5))
)


@evidence("mnpo/geometric-mean-is-one-player", kind="exact", over=games(own_oracles=True))
def mean_of_log_policies(world: Players, own_base: bool = False):
    """Mean over players of log π_i moves by η times the mean of their payoffs, also with oracles of their own."""
    policies = world.log_policies
    xp = namespace(policies)
    payoffs = leads(world.advantages, policies)
    after = multiplicative_weights(world.advantages, policies, step_size=world.step_size)
    moved = xp.mean(after, axis=-2) - xp.mean(policies, axis=-2)
    if own_base:
        payoffs = payoffs[..., :1, :] + 0.0 * payoffs
    rest = moved - world.step_size[..., None] * xp.mean(payoffs, axis=-2)
    # Log-probabilities move by a constant as well, which does not matter: compare differences of actions.
    return equal(rest[..., 1:], rest[..., :-1])


mean_of_log_policies.control("the first player's payoffs for the mean of all", own_base=True)
