"""Finite sums that Algorithm 1 is checked on, and their exact moments, several at once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import Family, family, log_uniform, normal, uniform, world
from lab.operators.finite_sums import LinearSum, average_cocoercivity, operator_norm
from lab.operators.moments import Noise, Path, batch_noise, page_halpern_moments
from lab.operators.problems import coordinate_sum, rare_sum
from lab.operators.schedules import anchor_weight, batch_size, reset_probability, step_size_limit

# An on-average constant may be replaced by any larger one: this covers the rounding of the eigenvalue solver.
SAFE = 1 + 1e-9


@world
class Start:
    """A finite sum of linear components and where the run starts, relative to the solution."""

    matrices: Any
    away: Any
    copies: Any = 1

    def one(self, index: int) -> LinearSum:
        matrices = np.asarray(self.matrices[index])
        return LinearSum(matrices, np.zeros(matrices.shape[:2]), copies=int(self.copies))


def outer_products(features: Any, skew: Any, twist: Any, away: Any) -> Start:
    """$M_i = a_ia_i^\\top + tK_i$ with random skew $K_i$: cocoercive on average, not one by one."""
    turn = twist[:, None, None, None] * (skew - np.swapaxes(skew, -1, -2))
    return Start(features[..., :, None] * features[..., None, :] + turn, away)


def skewed_identity(skew: Any, away: Any) -> Start:
    """$M_i = 0.3I + K_i$ with large random skew parts that nearly cancel: L much larger than L_F."""
    turn = skew - np.swapaxes(skew, -1, -2)
    return Start(0.3 * np.eye(skew.shape[-1]) + turn - np.mean(turn, axis=1, keepdims=True), away)


def random_sums(components: int, dim: int) -> Family:
    return family(
        outer_products,
        features=normal(1, shape=(components, dim)),
        skew=normal(1, shape=(components, dim, dim)),
        twist=log_uniform(0.01, 1.0),
        away=normal(1, shape=(dim,)),
    )


cancelling = family(skewed_identity, skew=normal(1, shape=(64, 3, 3)), away=normal(1, shape=(3,)))


def coordinate_start(away: Any, dim: int, copies: int) -> Start:
    """$M_i = d\\,e_je_j^\\top$, each `copies` times, from random starts."""
    matrices = np.broadcast_to(coordinate_sum(dim).matrices, (len(away), dim, dim, dim))
    return Start(matrices, away, np.int64(copies))


def rare_start(rarity: int) -> Start:
    """One component in `rarity` carries the whole operator F = u, from distance 1."""
    return Start(rare_sum(rarity).matrices[None], np.ones((1, 1)))


# 6 coordinates, 400 components: 67 copies come nearest.
coordinates = family(coordinate_start, away=uniform(-1.0, 1.0, shape=(6,)), dim=6, copies=67)


def moments(
    sums: Start, steps: int, *, step: str = "paper", resets: str = "paper", constant: float | None = None,
    components: int | None = None, batch: int | None = None,
) -> tuple[Path, np.ndarray, np.ndarray]:  # fmt: skip
    """Exact moments along `steps` iterations for every world, (worlds, steps); the constants L; and D.

    step: "paper" is 1/(4L); "lipschitz" 0.9/L_F, which ignores the components. resets: "paper", "never", "always".
    constant: L where there is none to compute. components, batch: n and b where they are not those of the world.
    """
    noises, sizes, constants = [], [], []
    for index in range(len(sums.away)):
        one = sums.one(index)
        count = one.count if components is None else components
        constants.append(SAFE * average_cocoercivity(one.matrices) if constant is None else constant)
        sizes.append(step_size_limit(constants[-1]) if step == "paper" else 0.9 / operator_norm(one.matrices))
        size = batch_size(count) if batch is None else batch
        noises.append(batch_noise(one.matrices, batch=size, count=count))
    noise = Noise(*(jnp.asarray(np.stack(parts)) for parts in zip(*noises, strict=True)))
    k = np.arange(steps)
    probability = {
        "paper": reset_probability(count, k),
        "never": (k < 2) * 1.0,
        "always": np.ones(steps),
    }[resets]

    def along(noise: Noise, away: Any, size: Any) -> Path:
        return page_halpern_moments(
            noise, away, step_size=size, anchor_weights=anchor_weight(k), reset_probabilities=probability
        )

    path = jax.vmap(along)(noise, jnp.asarray(sums.away)[..., None], jnp.asarray(sizes))
    distance = np.linalg.norm(np.asarray(sums.away), axis=-1)
    return Path(*map(np.asarray, path)), np.array(constants), distance
