"""Scores that move, start-up against fluctuation, and the sign error of a widely copied summary."""

from collections.abc import Iterable

import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.routing.balance import noise_floor
from lab.routing.online import Policy, follow
from lab.routing.worlds import TokenStream, stream
from simulations.alf_lb.findings import share_at_least
from simulations.alf_lb.worlds import SIX, drifting


def _violations(world: TokenStream, draw: Draw, policies: Iterable[Policy], steps: int) -> np.ndarray:
    """MaxVio of every batch, (runs, policies, steps)."""
    return np.asarray(
        follow(world, draw.key, policies=tuple(policies), runs=draw.size, steps=steps, with_regret=False).violation
    )


def _tracking(world: TokenStream) -> dict[str, Policy]:
    mu = world.strong_convexity
    return {
        "1/(μn)": Policy("harmonic", 1.0 / mu),
        "constant 0.1/μ": Policy("proportional", 0.1 / mu),
        "sign, u = 0.003": Policy("sign", 0.003),
    }


@evidence("alf-lb/drift-reverses-the-order", kind="sampled", over=drifting(), size=16)
def late_imbalance_under_drift(world: TokenStream, draw: Draw):
    """Means that swing: in how many runs is the late MaxVio with steps 1/(μn) worse by 0.1 than with constant ones?"""
    policies = _tracking(world)
    found = _violations(world, draw, policies.values(), 2000)
    late = np.mean(found[:, :, 1000:], axis=-1)
    course = np.mean(found.reshape(len(found), 3, 40, 50), axis=(0, -1))
    floor = noise_floor(world.tokens, world.experts, experts_per_token=world.experts_per_token)
    series = {
        "names": np.array(list(policies)), "step": 50.0 * np.arange(40) + 25.0, "violation": course, "floor": floor
    }  # fmt: skip
    return share_at_least(late[:, 0] >= np.max(late[:, 1:], axis=-1) + 0.1, 0.5, series=series)


late_imbalance_under_drift.control("without drift", over=drifting(0.0))

U_RATES = np.array([1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1])


@evidence("alf-lb/rate-u-shape", kind="sampled", over=SIX, size=16)
def imbalance_by_rate(world: TokenStream, draw: Draw):
    """Mean MaxVio of the first 1,000 steps for seven rates: in how many runs is 3e-3 better than 1e-4 and than 1e-1?"""
    found = _violations(world, draw, (Policy("sign", float(u)) for u in U_RATES), 1000)
    mean = np.mean(found, axis=-1)
    series = {
        "rates": U_RATES,
        "whole": np.mean(mean, axis=0),
        "late": np.mean(found[:, :, 800:], axis=(0, 2)),
        "floor": noise_floor(world.tokens, world.experts, experts_per_token=world.experts_per_token),
        "slow": np.max(np.abs(world.means)) / 1000,  # the rate at which the start-up takes the whole run
    }
    return share_at_least(mean[:, 3] < np.minimum(mean[:, 0], mean[:, 6]), 0.5, series=series)


imbalance_by_rate.control(
    "experts that are alike from the start: the slowest rate is best",
    over=stream(np.zeros(6), tokens=120, experts_per_token=2),
)


@evidence("alf-lb/sign-rule-balances", kind="sampled", over=SIX, size=16)
def late_imbalance_of_the_deployed_rule(world: TokenStream, draw: Draw, reversed_sign: bool = False):
    """Sign rule, u = .001: in how many runs is the mean MaxVio of batches 801 to 1,000 within 1.1 noise floors?"""
    found = _violations(world, draw, (Policy("sign", 0.001, reversed_sign=reversed_sign),), 1000)
    floor = noise_floor(world.tokens, world.experts, experts_per_token=world.experts_per_token)
    return share_at_least(np.mean(found[:, 0, 800:], axis=-1) <= 1.1 * floor, 0.5)


late_imbalance_of_the_deployed_rule.control("p + u sign(A − L), as a widely copied summary has it", reversed_sign=True)
