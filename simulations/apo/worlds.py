"""Bandits with a reward, a reference and a KL weight, and runs of momentum on them."""

from typing import Any

import numpy as np

from lab.family import Family, family, log_uniform, normal, uniform, world
from lab.games.solvers import SOLVERS
from lab.policies import regularised_optimum, tabular

ACTIONS = 6
MOMENTUM = SOLVERS["momentum"]


@world
class Bandit:
    """A reward, the reference's logits, the KL weight of a step, and the share of the last move that is repeated."""

    reward: Any
    reference_logits: Any
    beta: Any
    extrapolation: Any

    @property
    def log_reference(self) -> Any:
        return tabular(self.reference_logits)

    @property
    def best(self) -> Any:
        """Index of the largest reward, with an axis for the actions."""
        return np.argmax(self.reward, axis=-1)[..., None]

    @property
    def log_best(self) -> Any:
        """Log-probability that the reference gives to the best action."""
        return np.take_along_axis(self.log_reference, self.best, axis=-1)[..., 0]

    def after(self, distance: Any) -> Any:
        """Log-probabilities of π_ref exp(S r/β)."""
        return regularised_optimum(distance[..., None] * self.reward, self.log_reference, beta=self.beta)

    def suboptimality(self, log_policy: Any) -> Any:
        """max r − E r, as a sum of non-negative terms."""
        shortfall = np.max(self.reward, axis=-1, keepdims=True) - self.reward
        return np.sum(np.exp(log_policy) * shortfall, axis=-1)


def bandits(
    *, actions: int = ACTIONS, reference: float = 1.0, beta: Any = None, extrapolation: Any = None
) -> Family:  # fmt: skip
    return family(
        Bandit,
        reward=normal(1, shape=(actions,)),
        reference_logits=normal(reference, shape=(actions,)),
        beta=log_uniform(0.3, 3) if beta is None else beta,
        extrapolation=uniform(0, 0.9) if extrapolation is None else extrapolation,
    )


def run(world: Bandit, steps: int, *, extrapolation: Any, beta: Any = None, errors: Any = None) -> tuple[Any, Any]:
    r"""$\log\hat\pi_T$ and $\log\pi_T$ after T steps of the solver, the second being the next reference.

    `errors` (…, steps, actions) are added to the reward, each to that of its step.
    """
    beta = world.beta if beta is None else beta
    state = MOMENTUM.start(world.log_reference)
    for t in range(steps):
        reward = world.reward if errors is None else world.reward + errors[..., t, :]
        state = MOMENTUM.step(
            state, lambda policy, query, reward=reward: reward, log_reference=world.log_reference, beta=0.0 * beta,
            step_size=1.0 / beta, extrapolation=extrapolation,
        )  # fmt: skip
    return state.memory, state.log_policy
