r"""The world: a symmetric two-player preference game with a reference policy and a KL weight; named games and families.

$P = \frac12 + A$ with a skew-symmetric advantage matrix A, which is what a world holds: then $P + P^\top = 1$ exactly.
Sources: `nash-background`, fixtures F1–F9; `egpo`, simulation protocol.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, log_softmax, namespace
from lab.family import world
from lab.games import gaps
from lab.policies import tabular
from lab.preferences import bradley_terry


@world
class PreferenceGame:
    """Advantage matrix A = P − ½, log-probabilities of the reference, and the KL weight."""

    advantage: Float[Array, "*games actions actions"]
    log_reference: Float[Array, "*games actions"]
    beta: Float[Array, "*games"]

    @property
    def preference_matrix(self) -> Float[Array, "... actions actions"]:
        return 0.5 + self.advantage

    def lead(self, log_policy: Float[Array, "... actions"]) -> Float[Array, "... actions"]:
        r"""Payoffs less one half, $A\pi$."""
        return gaps.lead(self.advantage, log_policy)

    def best_response(self, log_policy: Float[Array, "... actions"]) -> Float[Array, "... actions"]:
        return gaps.best_response(self.lead(log_policy), self.log_reference, beta=self.beta)

    def duality_gap(self, log_policy: Float[Array, "... actions"]) -> Float[Array, "..."]:
        """Of the game without regularisation."""
        return gaps.duality_gap(self.advantage, log_policy)

    def regularised_gap(self, log_policy: Float[Array, "... actions"]) -> Float[Array, "..."]:
        return gaps.regularised_gap(self.advantage, log_policy, self.log_reference, beta=self.beta)


class KnownEquilibrium:
    """What games with a known equilibrium share: it, and a start, as logits."""

    equilibrium_logits: Any
    start_logits: Any

    @property
    def log_equilibrium(self) -> Float[Array, "... actions"]:
        return tabular(self.equilibrium_logits)

    @property
    def log_start(self) -> Float[Array, "... actions"]:
        return tabular(self.start_logits)


@world
class PlantedGame(KnownEquilibrium):
    r"""A game whose regularised equilibrium is known exactly: the reference is chosen to make it one,
    $\pi_{ref} \propto \pi_\beta\,e^{-A\pi_\beta/\beta}$."""

    advantage: Float[Array, "*games actions actions"]
    equilibrium_logits: Float[Array, "*games actions"]
    start_logits: Float[Array, "*games actions"]
    beta: Float[Array, "*games"]

    @property
    def game(self) -> PreferenceGame:
        log_equilibrium = self.log_equilibrium
        tilt = gaps.lead(self.advantage, log_equilibrium) / self.beta[..., None]
        return PreferenceGame(self.advantage, log_softmax(log_equilibrium - tilt), self.beta)


def skew(entries: Float[Array, "... pairs"], actions: int) -> Float[Array, "... actions actions"]:
    """The skew-symmetric matrix with these entries above the diagonal, row by row."""
    first, second = np.triu_indices(actions, 1)
    pairs = len(first)
    if entries.shape[-1] != pairs:
        raise ValueError(f"entries has {entries.shape[-1]} numbers: {actions} actions have {pairs} pairs")
    xp = namespace(entries)
    place = np.full((actions, actions), 2 * pairs)
    place[first, second], place[second, first] = np.arange(pairs), pairs + np.arange(pairs)
    every = xp.concat([entries, -entries, xp.zeros_like(xp.sum(entries, axis=-1, keepdims=True))], axis=-1)
    return xp.reshape(xp.take(every, xp.asarray(place.ravel()), axis=-1), (*entries.shape[:-1], actions, actions))


def planted(advantages: Any, equilibrium_logits: Any, start_logits: Any, beta: Any) -> PlantedGame:
    """Planted games for a family, from the advantages above the diagonal."""
    return PlantedGame(skew(advantages, equilibrium_logits.shape[-1]), equilibrium_logits, start_logits, beta)


def random_games(advantages: Any, reference_logits: Any, beta: Any) -> PreferenceGame:
    """Games for a family, from the advantages above the diagonal and the reference's logits."""
    return PreferenceGame(skew(advantages, reference_logits.shape[-1]), tabular(reference_logits), beta)


def cycle(first: float, second: float, third: float) -> np.ndarray:
    """Advantage of three actions: 1 beats 2 by `first`, 2 beats 3 by `second`, 3 beats 1 by `third` (F2).

    Its equilibrium is (second, third, first) over their sum, its rotation √(product/sum).
    """
    return skew(np.array([first, -third, second]), 3)


def rock_paper_scissors() -> np.ndarray:
    """Advantage ±½ around a cycle (F1): uniform equilibrium, rotation √3/6."""
    return cycle(0.5, 0.5, 0.5)


def comal_game() -> np.ndarray:
    """P(2 ≻ 1) = P(3 ≻ 2) = 0.9, P(1 ≻ 3) = 0.8 (F3): equilibrium (4, 3, 4)/11."""
    return cycle(-0.4, -0.4, -0.3)


def tournament(actions: int) -> np.ndarray:
    """Regular tournament of an odd number of actions (F5): each beats the next half of the circle for sure.

    Uniform equilibrium, largest rotation cot(π/2n)/2n.
    """
    if actions < 3 or actions % 2 == 0:
        raise ValueError(f"actions = {actions}: a regular tournament needs an odd number, at least 3")
    ahead = (np.arange(actions)[None, :] - np.arange(actions)[:, None]) % actions
    return np.where(ahead == 0, 0.0, np.where(ahead <= (actions - 1) // 2, 0.5, -0.5))


def bradley_terry_game(reward: Float[Array, "... actions"]) -> Float[Array, "... actions actions"]:
    """Advantage of a transitive game (F6): the equilibrium is the action with the largest reward."""
    return gaps.advantage(bradley_terry(reward))


def population(rewards: Float[Array, "... users actions"]) -> Float[Array, "... actions actions"]:
    """Advantage of a heterogeneous population (F7): the mean of its users' Bradley–Terry games, which may be cyclic."""
    return namespace(rewards).mean(bradley_terry_game(rewards), axis=-3)


def ties(actions: int) -> np.ndarray:
    """All preferences one half (F9): every policy is an equilibrium, the regularised one is the reference."""
    return np.zeros((actions, actions))
