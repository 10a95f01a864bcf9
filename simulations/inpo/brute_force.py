"""The same quantities the long way: every pair with every label, every K-tuple of responses, every tournament."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

Selection = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def loss_by_enumeration(h: Any, log_sampling: Any, preference_matrix: Any, target: Any) -> Any:
    """Equation 8: the mean of (h_w − h_l − c)² over pairs of responses and their two labels."""
    rho = np.exp(log_sampling)
    total: Any = 0.0
    for first, second in product(range(h.shape[-1]), repeat=2):
        gap = h[..., first] - h[..., second]
        chance, wins = rho[..., first] * rho[..., second], preference_matrix[..., first, second]
        total = total + chance * (wins * (gap - target) ** 2 + (1.0 - wins) * (-gap - target) ** 2)
    return total


def pair_law(log_sampling: Any, select: Selection, *, drawn: int) -> Any:
    """Probability of every (winner, loser) that a rule selects from all K-tuples of responses: (actions, actions).

    The rule gets tuples (count, K) of actions and returns winners, losers, and which pairs are kept.
    """
    actions = log_sampling.shape[-1]
    tuples = np.array(list(product(range(actions), repeat=drawn)))
    # A tuple's probability depends on how often it holds each action: few different counts.
    counts = np.stack([np.sum(tuples == a, axis=-1) for a in range(actions)], axis=-1)
    winner, loser, kept = select(tuples)
    kinds, which = np.unique(np.column_stack([counts, winner, loser])[kept], axis=0, return_counts=True)
    law = [[0.0 * log_sampling[..., 0] for _ in range(actions)] for _ in range(actions)]
    for (*count, best, worst), times in zip(kinds, which, strict=True):
        chance = np.exp(np.sum(np.array(count) * log_sampling, axis=-1))
        law[best][worst] = law[best][worst] + float(times) * chance
    return np.stack([np.stack(row, axis=-1) for row in law], axis=-2)


def best_and_worst(reward: np.ndarray) -> Selection:
    """The responses of largest and smallest reward."""

    def select(tuples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        worth = reward[tuples]
        rows = np.arange(len(tuples))
        winner, loser = tuples[rows, worth.argmax(axis=-1)], tuples[rows, worth.argmin(axis=-1)]
        return winner, loser, np.ones(len(tuples), bool)

    return select


def tournament(advantage: np.ndarray) -> Selection:
    """Knock-out with a winners' and a losers' bracket; ties go to the first; kept if the winner beats the loser."""

    def select(tuples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        def play(field: np.ndarray, *, losers: bool) -> np.ndarray:
            left, right = field[:, 0::2], field[:, 1::2]
            first = advantage[left, right] >= 0
            return np.where(first != losers, left, right)

        def bracket(field: np.ndarray, *, losers: bool) -> np.ndarray:
            while field.shape[1] > 1:
                field = play(field, losers=losers)
            return field[:, 0]

        winners, beaten = play(tuples, losers=False), play(tuples, losers=True)
        best, worst = bracket(winners, losers=False), bracket(beaten, losers=True)
        return best, worst, advantage[best, worst] > 0

    return select
