"""What the rule of the biases costs the task: routers trained under each rule (Wang et al., Tables 3 and 4)."""

from typing import Any

import jax
import numpy as np

from lab.family import family, normal
from lab.inference.rates import median_interval
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import Interval, interval
from lab.routing.router import RouterTask, train
from lab.routing.rules import RULES
from simulations.alf_lb.router import DIM, EXPERTS, STEPS, USED, K

TOKENS, HELD_OUT = 256, 1024
MARGIN = 0.01  # of the objective: half of what biases must gain over the auxiliary loss to count as better
LOAD = TOKENS * K / EXPERTS
RATES = {"sign": 0.003, "proportional": 0.03 / LOAD, "multiplicative": 0.003}  # proportional: on relative loads


def _task(features: Any, skill: Any) -> RouterTask:
    """As the population of unequal experts that the trade-off uses, with more tokens."""
    lean = np.linspace(1.0, -1.0, EXPERTS)
    features = np.where(np.arange(DIM) < USED, features, 0.0)
    return RouterTask(features, np.tanh(features @ skill / np.sqrt(USED) + lean), K)


# The first tokens train the router, the others are held out.
populations = family(_task, features=normal(shape=(TOKENS + HELD_OUT, DIM)), skill=normal(shape=(DIM, EXPERTS)))


def _part(world: RouterTask, tokens: slice) -> RouterTask:
    return RouterTask(world.features[:, tokens], world.worth[:, tokens], K)


def _held_out(world: RouterTask, draw: Draw, rule: str, rate: float) -> np.ndarray:
    """Objective on held-out tokens of a router trained under a rule, biases frozen, (worlds,)."""
    start = 0.01 * jax.random.normal(draw.key, (len(world.features), DIM, EXPERTS))
    ends = train(
        _part(world, slice(0, TOKENS)), start, coefficient=0.0, bias_rate=rate, learning_rate=1.0, steps=STEPS,
        rule=rule,
    )  # fmt: skip
    unseen = _part(world, slice(TOKENS, None))
    routing = unseen.route(ends.weights, ends.bias, bias_acts=RULES[rule].bias_acts)
    return np.asarray(unseen.objective(ends.weights, routing))


def _median_difference(world: RouterTask, draw: Draw, rule: str, rate: float, between: tuple[float, float]) -> Interval:
    """Median over worlds of the objective under a rule minus that under the sign rule, from the same start."""
    gain = _held_out(world, draw, rule, rate) - _held_out(world, draw, "sign", RATES["sign"])
    low, high = median_interval(gain, alpha=draw.alpha)
    return interval(np.median(gain), low, high, between=between, predicted=0.0, samples=len(gain))


@evidence("alf-lb/proportional-task-no-better", kind="sampled", over=populations, size=80)
def task_under_proportional_steps(world: RouterTask, draw: Draw, rate: float = RATES["proportional"]):
    """Held-out objective with proportional biases (u = .03 on relative loads) against the sign rule's: within 0.01."""
    return _median_difference(world, draw, "proportional", rate, (-MARGIN, MARGIN))


task_under_proportional_steps.control("no balancing at all", rate=0.0)


@evidence("alf-lb/multiplicative-no-better", kind="sampled", over=populations, size=80)
def task_under_multiplicative_steps(world: RouterTask, draw: Draw, rate: float = RATES["multiplicative"]):
    """Held-out objective with multiplicative biases (u = .003) against the sign rule's: at most 0.01 more."""
    return _median_difference(world, draw, "multiplicative", rate, (-2.0, MARGIN))


task_under_multiplicative_steps.control("no balancing at all", rate=0.0)
