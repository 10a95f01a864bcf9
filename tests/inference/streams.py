"""Bounded observations with known means, from easy to nasty; shared by the tests of the judges."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Stream(NamedTuple):
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    mean: float


STREAMS = {
    "uniform": Stream(lambda rng, size: rng.uniform(size=size), 0.5),
    "skewed": Stream(lambda rng, size: rng.beta(0.1, 5.0, size), 0.1 / 5.1),
    "rare event": Stream(lambda rng, size: (rng.uniform(size=size) < 0.01).astype(float), 0.01),
    "rare large value": Stream(
        lambda rng, size: np.where(rng.uniform(size=size) < 0.005, 1.0, 0.1), 0.1 * 0.995 + 0.005
    ),
    "coin": Stream(lambda rng, size: (rng.uniform(size=size) < 0.5).astype(float), 0.5),
    "near a point": Stream(lambda rng, size: 0.3 + 1e-6 * rng.choice([-1.0, 1.0], size), 0.3),
    "point": Stream(lambda rng, size: np.full(size, 0.3), 0.3),
}
