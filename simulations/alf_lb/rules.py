"""Sign, proportional and multiplicative updates on a stream of large batches (Wang et al., Tables 3 and 4).

Tokens go to one of eight experts, and the balanced load is that of Wang et al.: 1152 sequences of 2048 tokens, 6 of 64
experts a token. Contraction a step of the proportional rule on shares of the choices is u/K at unit density, so that a
sixth of their 40,000 steps with K = 1 is as long a run as theirs with K = 6. Judged is the global MaxVio of the biases
at the end of a run, frozen: exact, without held-out tokens.
"""

from functools import partial
from typing import Any

import numpy as np

from lab.inference.rates import median_interval
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import Series
from lab.routing.balance import load_variance
from lab.routing.jitter import proportional_jitter, sign_jitter
from lab.routing.load_streams import LoadStream, settle
from lab.routing.online import Policy
from lab.routing.rules import rate_per_token
from lab.routing.uniform_scores import balanced_curvature
from lab.routing.worlds import spread_means
from simulations.alf_lb.findings import ratio_equals, share_at_least

EXPERTS = 8
TOKENS = EXPERTS * 1152 * 2048 * 6 // 64
STEPS = 40_000 // 6
TABLE = (1e-2, 1e-3, 1e-4)  # the rates of Tables 3 and 4
LEAN = 0.2


def _leaning(tokens: int) -> LoadStream:
    """Scores around 0.5 whose means lean apart by ±0.2."""
    return LoadStream(0.5 + spread_means(EXPERTS, LEAN), tokens)


def _proportional(rate: float, tokens: int, unit: str = "relative") -> Policy:
    return Policy(
        "proportional", float(rate_per_token(rate, unit=unit, tokens=tokens, experts=EXPERTS, experts_per_token=1))
    )


# A few experts and small batches, balanced from the start: where biases wander once the start is forgotten.
SMALL = LoadStream(np.zeros(4), 1024)
SMALL_MU = SMALL.tokens * balanced_curvature(SMALL.experts)
SMALL_DEVIATION = load_variance(SMALL.tokens, SMALL.experts, experts_per_token=1) ** 0.5
CONTRACTIONS = np.array([0.05, 0.2, 1.0])  # a = εμ of the proportional rule
STRIDES = np.array([0.05, 0.1, 0.3])  # uμ/σ of the sign rule
_against = partial(ratio_equals, cut=4.0)


def _wandering(draw: Draw, policies: list[Policy]) -> np.ndarray:
    """Global MaxVio over the last 40 of 100 updates from the balanced biases, (runs, policies)."""
    found = settle(SMALL, draw.key, policies=tuple(policies), runs=draw.size, steps=100, last=40)
    return np.asarray(found.violation)


@evidence("alf-lb/jitter-of-proportional", kind="sampled", size=512)
def imbalance_that_proportional_steps_leave(draw: Draw, forget: bool = False):
    """Proportional steps, three rates, stationary: global MaxVio against floor·√(a/(2 − a)), a = εμ; to 10 %."""
    rates = CONTRACTIONS / SMALL_MU
    found = _wandering(draw, [Policy("proportional", float(x)) for x in rates])
    predicted = np.array([proportional_jitter(SMALL.tokens, SMALL.experts, experts_per_token=1, rate=x) for x in rates])
    claimed = predicted * np.sqrt(1.0 - CONTRACTIONS / 2.0) if forget else predicted
    return _against(found, predicted, claimed, within=0.1)


imbalance_that_proportional_steps_leave.control("as if biases moved in continuous time: floor·√(a/2)", forget=True)


@evidence("alf-lb/jitter-of-sign", kind="sampled", size=512)
def imbalance_that_sign_steps_leave(draw: Draw, independent: bool = False):
    """Sign rule, three rates, stationary: global MaxVio against its closed form, which grows as √u; to 10 %."""
    rates = STRIDES * SMALL_DEVIATION / SMALL_MU
    found = _wandering(draw, [Policy("sign", float(x)) for x in rates])
    predicted = np.array([sign_jitter(SMALL.tokens, SMALL.experts, experts_per_token=1, rate=x) for x in rates])
    linear = predicted[0] * STRIDES / STRIDES[0]
    return _against(found, predicted, linear if independent else predicted, within=0.1)


imbalance_that_sign_steps_leave.control("in proportion to u, as on a batch that repeats", independent=True)


@evidence("alf-lb/multiplicative-is-a-smaller-step", kind="sampled", size=512)
def imbalance_that_multiplicative_steps_leave(draw: Draw, forget: bool = False):
    """Multiplicative biases, scores U[0, 1]: global MaxVio against the sign rule's at u(E − 1)/E; to 8 %."""
    rates = STRIDES * SMALL_DEVIATION / SMALL_MU
    found = _wandering(draw, [Policy("multiplicative", float(x)) for x in rates])
    at_margin = (SMALL.experts - 1) / SMALL.experts
    predicted = np.array(
        [sign_jitter(SMALL.tokens, SMALL.experts, experts_per_token=1, rate=at_margin * x) for x in rates]
    )
    return _against(found, predicted, predicted / np.sqrt(at_margin) if forget else predicted, within=0.08)


imbalance_that_multiplicative_steps_leave.control("as much as the sign rule with the same rate", forget=True)


@evidence("alf-lb/unit-of-the-proportional-rate", kind="sampled", size=32)
def three_rates_that_balance(draw: Draw, unit: str = "relative"):
    """The three rates of Table 3 on relative loads: in how many runs does each end with a global MaxVio below 0.05?"""
    policies = tuple(_proportional(rate, TOKENS, unit) for rate in TABLE)
    found = settle(_leaning(TOKENS), draw.key, policies=policies, runs=draw.size, steps=STEPS)
    return share_at_least(np.asarray(found.violation) < 0.05, 0.5)


three_rates_that_balance.control("rates on loads in tokens: hundreds of times beyond what is stable", unit="tokens")
three_rates_that_balance.control("rates on shares of the choices: the least is too slow", unit="share")


@evidence("alf-lb/proportional-balances-better", kind="sampled", size=32)
def proportional_against_sign_at_the_rates_of_the_table(
    draw: Draw, sign_rate: float = 1e-3, reversed_sign: bool = False
):
    """In how many runs is each rate of the proportional rule better balanced than the sign rule with u = .001?"""
    proportional = [_proportional(rate, TOKENS)._replace(reversed_sign=reversed_sign) for rate in TABLE]
    policies = (Policy("sign", sign_rate), *proportional)
    found = np.asarray(settle(_leaning(TOKENS), draw.key, policies=policies, runs=draw.size, steps=STEPS).violation)
    return share_at_least(found[:, 1:] < found[:, :1], 0.5)


proportional_against_sign_at_the_rates_of_the_table.control("the sign rule with u = .0001", sign_rate=1e-4)
proportional_against_sign_at_the_rates_of_the_table.control("biases that rise with the load", reversed_sign=True)

SIGN_RATES = np.array([1e-4, 2e-4, 3e-4, 1e-3, 3e-3, 1e-2])
PROPORTIONAL_RATES = np.array([1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 2e-1])
SHORT, CHOOSING = 1000, 8  # steps; runs that choose the best rate and are not judged


def _theory(tokens: int) -> Series:
    """What the closed forms say; the sign rule's holds where a step moves a load by less than its deviation."""
    sizes: Any = {"tokens": tokens, "experts": EXPERTS, "experts_per_token": 1}
    scale = float(rate_per_token(1.0, unit="relative", **sizes))
    return {
        "sign_theory": np.array([sign_jitter(rate=u, **sizes) for u in SIGN_RATES]),
        "proportional_theory": np.array([proportional_jitter(rate=u * scale, **sizes) for u in PROPORTIONAL_RATES]),
    }


@evidence("alf-lb/proportional-better-at-best", kind="sampled", size=40)
def proportional_against_sign_at_the_best_rates(draw: Draw, factor: float = 1.0):
    """1,000 batches, each rule at the best of six rates, chosen on other runs: in how many is proportional better?"""
    policies = (
        *(Policy("sign", float(u)) for u in SIGN_RATES),
        *(_proportional(factor * float(u), TOKENS) for u in PROPORTIONAL_RATES),
    )
    found = np.asarray(settle(_leaning(TOKENS), draw.key, policies=policies, runs=draw.size, steps=SHORT).violation)
    best = np.argmin(np.mean(found[:CHOOSING].reshape(CHOOSING, 2, -1), axis=0), axis=-1)
    judged = found[CHOOSING:].reshape(draw.size - CHOOSING, 2, -1)
    low, high = np.transpose([median_interval(x, alpha=0.05) for x in found.T])
    series = {
        "sign_rates": SIGN_RATES, "proportional_rates": PROPORTIONAL_RATES, "median": np.median(found, axis=0),
        "median_low": low, "median_high": high, **_theory(TOKENS),
    }  # fmt: skip
    return share_at_least(judged[:, 1, best[1]] < judged[:, 0, best[0]], 0.5, series=series)


proportional_against_sign_at_the_best_rates.control("proportional rates beyond what is stable", factor=2000.0)
