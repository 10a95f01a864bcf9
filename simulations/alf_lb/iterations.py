"""Many updates on one batch of tokens: the band around balance, how long the way into it is, how loads fluctuate."""

import numpy as np

from lab.family import Family, family, uniform
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent
from lab.routing.balance import max_violation
from lab.routing.lagrangian import shortfall
from lab.routing.online import descend
from lab.routing.optimum import balanced_assignment
from lab.routing.uniform_scores import selection_probability
from lab.routing.worlds import BiasedTokens, FixedTokens, sigmoid_tokens, spread_means
from simulations.alf_lb.worlds import affinities

GRID = 2.0**26


def smallest_gap(scores: np.ndarray) -> np.ndarray:
    """Least gap between neighbouring values of γ_ik − γ_ik' over the tokens, of any pair of experts; (...)."""
    difference = np.moveaxis(scores[..., :, None] - scores[..., None, :], -3, -1)
    gaps = np.min(np.diff(np.sort(difference, axis=-1), axis=-1), axis=-1)
    own = np.eye(scores.shape[-1], dtype=bool)
    return np.min(np.where(own, np.inf, gaps), axis=(-2, -1))


def score_range(scores: np.ndarray) -> np.ndarray:
    """R: the largest |γ_ik − γ_ik'|, (...)."""
    return np.max(np.max(scores, axis=-1) - np.min(scores, axis=-1), axis=-1)


def _generic(scores, lean, experts_per_token):
    """Of several batches, the one with the largest gap (the theorem's number of steps grows with its inverse).

    Scores are multiples of 2^-26 and the rate is a power of 2 below half the gap, so that float arithmetic is exact.
    """
    scores = np.round((0.6 * scores + 0.4 * lean[..., None, None, :]) * GRID) / GRID
    gap = smallest_gap(scores)
    best = np.argmax(gap, axis=-1)
    row = np.arange(len(scores))
    scores, gap = scores[row, best], gap[row, best]
    rate = 2.0 ** (np.ceil(np.log2(gap / 2.0)) - 1.0)
    return BiasedTokens(scores, np.zeros((len(scores), scores.shape[-1])), rate, experts_per_token)


def generic(tokens: int, experts: int, experts_per_token: int) -> Family:
    """Batches with generic scores, and a rate below half their least gap."""
    return family(
        _generic, scores=uniform(0, 1, shape=(64, tokens, experts)), lean=uniform(0, 1, shape=(experts,)),
        experts_per_token=experts_per_token,
    )  # fmt: skip


def entry_bound(world: BiasedTokens) -> np.ndarray:
    """(E − 1)(R + 2u)/2u + 1 steps."""
    experts = world.scores.shape[-1]
    return (experts - 1) * (score_range(world.scores) + 2.0 * world.rate) / (2.0 * world.rate) + 1.0


def _excess(world: BiasedTokens, rate: np.ndarray, steps: int) -> np.ndarray:
    """|A − L| along the iteration, (steps, worlds, experts)."""
    fixed = FixedTokens(world.scores, world.experts_per_token)
    return np.abs(np.asarray(descend(fixed, rule="sign", rate=rate, steps=steps).load) - fixed.balanced_load)


# Counts, and multiples of powers of two far above 2^-53: no rounding anywhere, so the error of these checks is 0.


@evidence("alf-lb/absorbing-band", kind="exact", over=generic(18, 4, 1), size=32, rounding="declared")
def band_is_never_left(world: BiasedTokens, factor: float = 1.0):
    """Sign rule, u below half the least gap: how often an expert within E − 1 tokens of L is outside one step later."""
    excess = _excess(world, factor * world.rate, 4000)
    inside = excess <= world.scores.shape[-1] - 1
    return equal(np.count_nonzero(inside[:-1] & ~inside[1:], axis=(0, -1)), 0, error=0.0)


band_is_never_left.control("a rate 512 times as large", factor=512.0)


@evidence("alf-lb/one-crossing-a-pair", kind="exact", over=generic(18, 4, 1), size=32, rounding="declared")
def change_of_a_load(world: BiasedTokens, factor: float = 1.0):
    """One token crosses a pair of experts in a step at most, so that no load changes by more than E − 1."""
    fixed = FixedTokens(world.scores, world.experts_per_token)
    load = np.asarray(descend(fixed, rule="sign", rate=factor * world.rate, steps=4000).load)
    return at_most(np.max(np.abs(np.diff(load, axis=0)), axis=(0, -1)), world.scores.shape[-1] - 1, error=0.0)


change_of_a_load.control("a rate 512 times as large", factor=512.0)


@evidence("alf-lb/entry-time", kind="exact", over=generic(18, 4, 1), size=32, rounding="declared")
def last_step_outside_the_band(world: BiasedTokens, factor: float = 1.0):
    """The last step at which some expert is more than E − 1 tokens away from L, against the bound of the theorem."""
    bound = entry_bound(world)
    # The slowest world decides how long all are run; past its bound there is nothing to see.
    excess = _excess(world, factor * world.rate, int(min(np.max(bound) + 100, 20_000)))
    outside = np.max(excess, axis=-1) > world.scores.shape[-1] - 1
    last = len(outside) - np.argmax(outside[::-1], axis=0)
    last = np.where(np.any(outside, axis=0), last, 0)
    return at_most(last, bound, error=0.0)


last_step_outside_the_band.control("a rate 512 times as large never settles", factor=512.0)


RATES = np.array([0.02, 0.04, 0.08, 0.16])


@evidence("alf-lb/fluctuation-grows-with-rate", kind="rate", over=affinities(1024, 4, 1), size=192)
def late_imbalance_by_rate(world: FixedTokens, draw: Draw, early: bool = False):
    """Mean of max|A − L|/L over the last 100 of 200 steps on one batch, against the rate of the sign rule."""
    rates = RATES[:, None] * np.ones(len(world.scores))
    everywhere = FixedTokens(np.broadcast_to(world.scores, (4, *world.scores.shape)), world.experts_per_token)
    load = np.asarray(descend(everywhere, rule="sign", rate=rates, steps=200).load)
    seen = load[:2] if early else load[100:]
    imbalance = np.mean(np.max(np.abs(seen / world.balanced_load - 1.0), axis=-1), axis=0)
    return exponent(RATES, imbalance.T, between=(0.8, 1.2), predicted=1.0)


late_imbalance_by_rate.control("the first two steps, before the rate matters", early=True)


def _steps_to_balance(means: np.ndarray, rate: float, rule: str) -> int:
    """Steps of the expected update until all biased means agree within two rates."""
    bias = np.zeros_like(means)
    for n in range(100_000):
        shift = means + bias
        if np.max(np.abs(shift - np.mean(shift))) <= 2.0 * rate:
            return n
        share = selection_probability(shift, experts_per_token=2)
        short = np.mean(share) - share
        bias = bias + rate * (np.sign(short) if rule == "sign" else short)
    return 100_000


@evidence("alf-lb/start-up-time", kind="exact", rounding="declared")
def steps_until_balanced(rule: str = "sign"):
    """Sign rule with expected loads, means from .25 to −.25: steps until balance against max|p*|/u, to 3 steps."""
    rates = np.array([0.01, 0.003, 0.001])
    found = np.array([_steps_to_balance(spread_means(6, 0.25), rate, rule) for rate in rates])
    # Counts of steps.
    return at_most(np.abs(found - 0.25 / rates), 3.0, error=0.0)


steps_until_balanced.control("the proportional rule slows down as it comes near", rule="proportional")


def one_batch() -> FixedTokens:
    """512 tokens, 8 experts that lean apart, top-2."""
    rng = np.random.default_rng(8)
    return sigmoid_tokens(rng.normal(size=(512, 8)), np.linspace(0.75, -0.75, 8), experts_per_token=2)


COURSES = {
    "sign, u = 0.01": ("sign", 0.01),
    "sign, u = 0.001": ("sign", 0.001),
    "proportional, u = 0.0003": ("proportional", 0.0003),
    "u/n, u = 0.01": ("harmonic", 0.01),
}


@evidence("alf-lb/conditional-improvement", kind="exact", over=one_batch(), rounding="declared")
def course_of_the_lagrangian(world: FixedTokens, whatever_the_overshoot: bool = False):
    """1,000 updates of one batch by four rules: D falls in every step by at least the overshoot sum."""
    findings, dual, imbalance = [], [], []
    for rule, rate in COURSES.values():
        path = descend(world, rule=rule, rate=rate, steps=1000)
        value, load = np.asarray(path.dual), np.asarray(path.load)
        moved = np.diff(np.asarray(path.bias), axis=0)
        # Σε(A − L)(A' − L) with ε(L − A) the move that was made.
        over = (0.0 if whatever_the_overshoot else 1.0) * np.sum(moved * shortfall(load[1:]), axis=-1)
        # 2·512 scores and 8 prices of at most 2 (512 · 2) are added: (terms) · u · (sum of sizes), twice.
        findings.append(at_most(np.diff(value), -over, error=2 * 1040 * 2.0**-53 * 16_000))
        dual.append(value)
        imbalance.append(max_violation(load))
    best = balanced_assignment(world.scores, experts_per_token=world.experts_per_token)
    step = np.unique(np.geomspace(1, 1000, 120).astype(int))
    series = {
        "names": np.array(list(COURSES)),
        "step": step,
        "gap": np.stack(dual)[:, step - 1] - best.value,
        "imbalance": np.stack(imbalance)[:, step - 1],
        "rising": np.array([np.mean(np.diff(x) > 1e-9) for x in dual]),
    }
    first = findings[0]
    return (at_most(first.left, first.right, error=first.error, series=series), *findings[1:])


course_of_the_lagrangian.control("a decrease in every step", whatever_the_overshoot=True)
