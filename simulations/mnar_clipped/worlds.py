"""Families of worlds that several checks share, and the exact expected loss in a world."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lab.family import family, normal, uniform
from lab.recommenders.exposure import Exposure, ExposureShock
from lab.recommenders.losses import Weights, ideal, loss

PAIRS = 8  # 256 click patterns a world
WORLDS = 64

_pair = {
    "propensity": uniform(0.02, 0.95, shape=(PAIRS,)),
    "relevance": uniform(0.02, 0.98, shape=(PAIRS,)),
    "logit": normal(2.0, shape=(PAIRS,)),
}
independent = family(Exposure, **_pair)
dependent = family(Exposure, association=uniform(0.2, 0.9, shape=(PAIRS,)), **_pair)


def alike(propensity: float, relevance: np.ndarray, logit: np.ndarray) -> Exposure:
    """A world in which all pairs have one propensity."""
    return Exposure(np.full_like(relevance, propensity), relevance, logit)


fully_exposed = family(alike, propensity=1.0, relevance=_pair["relevance"], logit=_pair["logit"])
evenly_exposed = family(alike, propensity=0.5, relevance=_pair["relevance"], logit=_pair["logit"])

_user_item = {
    "propensity": uniform(0.05, 0.5, shape=(3, 5)),
    "relevance": uniform(0.05, 0.95, shape=(3, 5)),
    "shock": uniform(0.2, 0.9),
}
shocked = family(ExposureShock, logit=normal(2.0, shape=(3, 5)), **_user_item)
shocked_one_sign = family(ExposureShock, logit=uniform(0.5, 3.0, shape=(3, 5)), **_user_item)


def expected_loss(world: Exposure, weights: Callable[[Any], Weights], local: str = "log") -> Any:
    """Expectation of the mean loss over all click patterns, for an estimator given as a function of the clicks."""
    logit = world.per_pattern(world.logit)
    return world.expect(lambda clicks: loss(logit, weights(clicks), local=local, reduction="mean"))


def loss_variance(world: Exposure, weights: Callable[[Any], Weights], local: str = "log") -> Any:
    """Variance of the mean loss over all click patterns."""
    logit = world.per_pattern(world.logit)
    return world.variance(lambda clicks: loss(logit, weights(clicks), local=local, reduction="mean"))


def ideal_loss(world: Exposure, local: str = "log") -> Any:
    """The loss under the true relevances."""
    return loss(world.logit, ideal(world.relevance), local=local, reduction="mean")
