"""The best mixing weight by search, in exact integer arithmetic: no formula, no rounding.

A float64 number is an integer times a power of two. On the grid α = j / 2^40 the mean squared error of enumerated
outcomes, times a power of two, is therefore an integer. It is convex in j, so bisection on the sign of its
difference finds the best of a million million grid points, and neighbours compare without any error.
"""

import numpy as np

GRID = 40  # bits of the weight: spacing 9e-13


def integers(x: np.ndarray) -> np.ndarray:
    """Float64 numbers times 2^s as exact Python integers, with one s for the whole array."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=float))
    whole = (mantissa * 2.0**53).astype(np.int64)
    shift = exponent - np.min(exponent[whole != 0], initial=1024)
    exact = [int(m) << max(int(s), 0) for m, s in zip(whole.ravel(), shift.ravel(), strict=True)]
    return np.array(exact, dtype=object).reshape(whole.shape)


def best_weight(chance: np.ndarray, trace: np.ndarray, empty: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights in [0, 1] (worlds,) that minimise the mean of ‖α g_t + (1−α) g_e − μ‖².

    `chance` is (worlds, outcomes), the gradients (worlds, outcomes, dim), the target (worlds, dim).
    """
    everything = np.concatenate([trace, empty, np.broadcast_to(target[:, None, :], trace.shape)])
    trace, empty, target = np.split(integers(everything), 3)
    chance = integers(chance)
    slope, start = trace - empty, (empty - target) * (1 << GRID)

    def error(weight: np.ndarray) -> np.ndarray:
        total = ((weight[:, None, None] * slope + start) ** 2).sum(axis=-1)
        return (chance * total).sum(axis=-1)

    low = np.full(len(chance), 0, dtype=object)
    high = np.full(len(chance), 1 << GRID, dtype=object)
    for _ in range(GRID + 1):
        middle = (low + high) // 2
        rising = error(middle + 1) >= error(middle)
        low, high = np.where(rising, low, np.minimum(middle + 1, high)), np.where(rising, middle, high)
    return np.array([int(j) / 2.0**GRID for j in low])
