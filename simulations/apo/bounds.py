"""How good the output is after T steps with an exact reward: both bounds, the worst case, and the printed constant."""

from dataclasses import replace
from typing import Any

import numpy as np

from lab.family import log_uniform, uniform
from lab.games.acceleration import suboptimality_bound, total_variation_bound, travel
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, exponent
from simulations.apo.worlds import Bandit, bandits

STEPS = (1, 2, 5, 20, 100)
hard = bandits(reference=2.0, beta=log_uniform(0.1, 10))


def _speed(world: Bandit, steps: int, law: str) -> Any:
    """The distance that a bound counts on."""
    share = world.extrapolation
    if law == "exact":
        return travel(steps, extrapolation=share)
    return steps / (1.0 - share) if law == "headline" else steps / (1.0 - share) ** 2


@evidence("apo/suboptimality-bound", kind="exact", over=hard)
def suboptimality_by_step(world: Bandit, law: str = "exact"):
    """max r − E r after T steps, against β log(1/π_ref(y*))/S_T."""
    findings = []
    for steps in STEPS:
        policy = world.after(travel(steps, extrapolation=world.extrapolation))
        bound = suboptimality_bound(_speed(world, steps, law), beta=world.beta, log_best=world.log_best)
        findings.append(at_most(world.suboptimality(policy), bound))
    return tuple(findings)


suboptimality_by_step.control("a speed-up of 1/(1 − α)²", law="squared")


@evidence("apo/headline-constant", kind="exact", over=hard)
def suboptimality_against_the_headline(world: Bandit, plain: bool = False):
    """The same with (1 − α)/T in place of 1/S_T."""
    return suboptimality_by_step(
        replace(world, extrapolation=0.0 * world.extrapolation) if plain else world, law="headline"
    )


suboptimality_against_the_headline.control("without momentum", plain=True)


@evidence("apo/total-variation-bound", kind="exact", over=hard)
def total_variation_by_step(world: Bandit, margins: float = 1.0):
    """1 − π̂_T(y*), against [(1 − p)/p] exp(−S_T Δ/β) with p = π_ref(y*) and the margin Δ over the second best."""
    ordered = np.sort(world.reward, axis=-1)
    margin = ordered[..., -1] - ordered[..., -2]
    findings = []
    for steps in STEPS:
        distance = travel(steps, extrapolation=world.extrapolation)
        away = np.exp(world.after(distance)) * (np.arange(world.reward.shape[-1]) != world.best)
        bound = total_variation_bound(distance, beta=world.beta, log_best=world.log_best, reward_gap=margins * margin)
        findings.append(at_most(np.sum(away, axis=-1), bound))
    return tuple(findings)


total_variation_by_step.control("twice the margin", margins=2.0)

# ── The worst reward for each T ──

SIZES = np.array([64, 128, 256, 512, 1024, 2048, 4096])
GRID = np.geomspace(1e-3, 60, 400)


def _worst(world: Bandit, fixed: float | None) -> np.ndarray:
    """Two actions: the largest sub-optimality over margins Δ on a grid in SΔ/β (or at one Δ): (worlds, sizes)."""
    worst = []
    for steps in SIZES:
        distance = travel(int(steps), extrapolation=world.extrapolation)[:, None]
        pace = distance / world.beta[:, None]
        margin = GRID / pace if fixed is None else fixed + 0.0 * pace
        reward = np.stack([margin, 0.0 * margin], axis=-1)
        one = Bandit(reward, world.reference_logits[:, None, :2], world.beta[:, None], distance)
        worst.append(np.max(one.suboptimality(one.after(distance + 0.0 * margin)), axis=-1))
    return np.stack(worst, axis=-1)


@evidence("apo/worst-case-is-inverse", kind="rate", over=bandits(extrapolation=uniform(0, 0.8)), size=128)
def worst_suboptimality_by_steps(world: Bandit, draw: Draw, fixed: float | None = None):
    """Two actions, T from 64 to 4,096, shares up to 0.8, the worst margin for each T: the slope is −1 for every α."""
    return exponent(SIZES, _worst(world, fixed), between=(-1.05, -0.95), predicted=-1.0)


worst_suboptimality_by_steps.control("one small margin for all T: there the decay is exponential", fixed=0.01)


# ── One bandit for the picture ──

SIX = Bandit(
    reward=np.array([1.0, 0.8, 0.5, 0.2, 0.0, -0.4]),
    reference_logits=np.array([-3.0, 0.0, 0.5, 0.3, 0.0, 0.2]),
    beta=np.array(1.0),
    extrapolation=np.array(0.0),
)
SHARES = np.array([0.0, 0.3, 0.5, 0.9])
HORIZON = 60


@evidence("apo/suboptimality-bound", kind="exact", over=SIX)
def six_actions(world: Bandit, law: str = "exact"):
    """Six actions, T up to 60, α = 0, 0.3, 0.5, 0.9."""
    steps = np.arange(1, HORIZON + 1)
    distances = np.stack([travel(int(t), extrapolation=SHARES) for t in steps], axis=-1)
    many = replace(world, reward=world.reward + 0.0 * distances[..., None])
    found = many.suboptimality(many.after(distances))
    counted = {"exact": distances, "squared": steps / (1.0 - SHARES[:, None]) ** 2}[law]
    bound = suboptimality_bound(counted, beta=world.beta, log_best=world.log_best)
    series = {"steps": steps, "shares": SHARES, "travel": distances, "found": found, "bound": bound}
    return at_most(found, bound, series=series)


six_actions.control("a speed-up of 1/(1 − α)²", law="squared")
