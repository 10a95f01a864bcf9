"""The precursor’s setting (arXiv 2203.09436): noise without a finite sum, and how fast it has to shrink."""

from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import family, log_uniform, normal, world
from lab.inference.rounding import rounded
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, exponent
from lab.operators.noisy import halpern_moments, page_batches, page_error_after, page_probability

STEPS = 300


@world
class Diagonal:
    """F = diag(curvature) with curvatures up to L = 1, a start, and the accuracy ε."""

    curvature: Any
    start: Any
    accuracy: Any


diagonals = family(
    Diagonal,
    curvature=log_uniform(1e-3, 1.0, shape=(4,)),
    start=normal(1, shape=(4,)),
    accuracy=log_uniform(1e-3, 0.1),
)


@evidence("vr-halpern/infinite-sum-rate", kind="exact", over=diagonals, size=64)
def residual_with_decaying_noise(world: Diagonal, constant: bool = False):
    """E‖e_k‖² = ε²/k, independent over time or one vector throughout: √E‖F(u_k)‖² ≤ 76LD/k + ε for k ≤ 300."""
    xp = namespace(world.start)
    distance = xp.sqrt(xp.sum(world.start**2, axis=-1))
    each = world.accuracy**2 / 4.0
    at = np.array([1, 3, 10, 30, 100, STEPS]) - 1
    findings = []
    for lasting in (False, True):
        found = halpern_moments(
            world.curvature, world.start, lambda k: 25.0 + 0.0 * each if constant else each / float(k),
            steps=STEPS, smoothness=1.0, lasting=lasting,
        )  # fmt: skip
        bound = 76.0 * distance[:, None] / (at + 1.0) + world.accuracy[:, None]
        findings.append(at_most(found.square[:, at], bound**2))
    return tuple(findings)


residual_with_decaying_noise.control("noise that does not shrink, variance 25 a coordinate: a plateau", constant=True)


@evidence("vr-halpern/page-variance-schedule", kind="exact")
def error_of_page_without_a_finite_sum(first: float = 8.0, second: float = 8.0):
    """k = 2 … 100,000: when E‖e_{k−1}‖² ≤ ε²/(k−1), PAGE’s samples give E‖e_k‖² ≤ ε²/k."""
    k = rounded(np.arange(2.0, 1e5 + 1))
    after = page_error_after(1.0 / (k - 1.0), k, accuracy=1.0, first=first, second=second)
    return at_most(after, 1.0 / k)


error_of_page_without_a_finite_sum.control("samples a fifth as many", first=1.6, second=1.6)


ACCURACIES = np.array([0.1, 0.05, 0.02, 0.01, 0.005])


def total_samples(accuracy: float, reduced: bool) -> float:
    """Mean samples until K = 4LD/ε: PAGE’s schedule, or minibatches of kσ²/ε² (σ = L = D = 1)."""
    steps = int(4.0 / accuracy)
    k = np.arange(1, steps + 1)
    if not reduced:
        return float(np.sum(k / accuracy**2))
    curvature, start = np.geomspace(1e-3, 1.0, 6), np.full(6, 6**-0.5)
    moves = halpern_moments(
        curvature, start, lambda k: np.asarray(accuracy**2 / (6.0 * k)), steps=steps, smoothness=1.0
    ).move
    p = page_probability(k)
    before = np.concatenate([[0.0], moves[:-1]])
    fresh, difference = page_batches(k, noise=1.0, smoothness=1.0, move=before, accuracy=accuracy)
    return float(np.sum(p * fresh + (1.0 - p) * 2.0 * difference))


@evidence("vr-halpern/infinite-sum-cost", kind="rate")
def samples_by_accuracy(draw: Draw, reduced: bool = True):
    """ε = 0.1 … 0.005: mean samples of PAGE’s schedule until 4LD/k ≤ ε, as a power of 1/ε: about the third."""
    found = np.array([total_samples(float(accuracy), reduced) for accuracy in ACCURACIES])
    series = {"inverse": 1.0 / ACCURACIES, "minibatch": np.array([total_samples(float(a), False) for a in ACCURACIES])}
    return exponent(1.0 / ACCURACIES, found, between=(2.9, 3.1), predicted=3.0, series=series)


samples_by_accuracy.control("minibatches without variance reduction: the fourth power", reduced=False)
