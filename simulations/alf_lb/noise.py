"""How balanced a batch can be however good its biases are, and what Expert Choice routing reveals."""

from functools import partial
from itertools import combinations
from math import comb
from typing import Any

import jax
import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent, mean_at_most, mean_equals
from lab.routing.balance import max_violation, noise_floor, noise_floor_bound
from lab.routing.expert_choice import leak_bound, leak_capacity, leak_limit
from lab.routing.selection import loads, top_k

# Tokens, experts, experts a token: few and many experts, small and large shares.
SETTINGS = ((120, 6, 2), (64, 8, 4), (256, 16, 2))


@partial(jax.jit, static_argnames=("tokens", "experts", "experts_per_token", "draws"))
def balanced_batches(
    key: Any, lean: Any, *, tokens: int, experts: int, experts_per_token: int, draws: int
) -> jax.Array:
    """MaxVio of independent batches of uniform scores that lean by `lean` (experts,); no bias. (draws,)"""
    scores = lean + jax.random.uniform(key, (draws, tokens, experts))
    return max_violation(loads(top_k(scores, k=experts_per_token)))


def _sampled(draw: Draw) -> np.ndarray:
    """MaxVio at perfect expected balance, one column a setting."""
    keys = jax.random.split(draw.key, len(SETTINGS))
    columns = [
        balanced_batches(key, np.zeros(experts), tokens=t, experts=experts, experts_per_token=k, draws=draw.size)
        for key, (t, experts, k) in zip(keys, SETTINGS, strict=True)
    ]
    return np.stack([np.asarray(x) for x in columns], axis=-1)


def _formula(function: Any) -> np.ndarray:
    return np.array([function(t, experts, experts_per_token=k) for t, experts, k in SETTINGS])


LARGEST = np.array([experts / k - 1.0 for _, experts, k in SETTINGS])


@evidence("alf-lb/noise-floor", kind="sampled", size=2048)
def imbalance_at_perfect_expected_balance(draw: Draw, forget: str | None = None):
    """Mean MaxVio of batches in which every set of K experts is as likely, in three settings; to 4 %."""
    claimed = _formula(noise_floor)
    share = np.array([k / experts for _, experts, k in SETTINGS])
    experts = np.array([experts for _, experts, _ in SETTINGS])
    factor = {None: 1.0, "sum": np.sqrt((experts - 1) / experts), "share": 1.0 / np.sqrt(1.0 - share)}[forget]
    return mean_equals(_sampled(draw), claimed * factor, within=0.04 * claimed, low=np.zeros(3), high=LARGEST)


imbalance_at_perfect_expected_balance.control("as if the loads were independent: without √(E/(E−1))", forget="sum")
imbalance_at_perfect_expected_balance.control("as if loads were Poisson: without 1 − K/E", forget="share")


@evidence("alf-lb/noise-floor-bound", kind="sampled", size=2048)
def imbalance_against_the_upper_formula(draw: Draw, factor: float = 1.0):
    """Mean MaxVio at perfect expected balance against √(2 ln E (1 − K/E)/L)."""
    return mean_at_most(_sampled(draw), factor * _formula(noise_floor_bound), low=np.zeros(3), high=LARGEST)


imbalance_against_the_upper_formula.control("half of it", factor=0.5)


BATCHES = np.array([64, 128, 256, 512, 1024])


@evidence("alf-lb/floor-falls-with-the-batch", kind="rate")
def imbalance_by_batch(draw: Draw, lean: float = 0.0):
    """Mean MaxVio at perfect expected balance falls as T^(−1/2) with the tokens of a batch; 16 experts, top-2."""
    rows, runs = 48, 8
    found = []
    for tokens, key in zip(BATCHES, jax.random.split(draw.key, len(BATCHES)), strict=True):
        setting = {"tokens": int(tokens), "experts": 16, "experts_per_token": 2}
        values = balanced_batches(key, lean * np.linspace(-1, 1, 16), draws=rows * runs, **setting)
        found.append(np.mean(np.asarray(values).reshape(rows, runs), axis=-1))
    floor = [noise_floor(int(t), 16, experts_per_token=2) for t in BATCHES]
    upper = [noise_floor_bound(int(t), 16, experts_per_token=2) for t in BATCHES]
    return exponent(
        BATCHES, np.stack(found, axis=-1), between=(-0.6, -0.4), predicted=-0.5,
        series={"floor": np.array(floor), "upper": np.array(upper)},
    )  # fmt: skip


imbalance_by_batch.control("experts that lean apart by ±0.1: a plateau at the systematic imbalance", lean=0.1)


LEAKS = [(experts, k) for experts in (4, 8, 16, 64) for k in (1, 2, 3, 6) if 2 * k < experts]


@evidence("alf-lb/expert-choice-leak", kind="exact", rounding="declared")
def capacity_of_expert_choice(limit: bool = False):
    """Bits a token and layer, E/T·log₂ C(T, KT/E) by whole-number arithmetic, against K log₂((1 − R)/R); many sizes."""
    findings = []
    for tokens in (64, 512, 2048):
        capacity = np.array([leak_capacity(tokens, experts, experts_per_token=k) for experts, k in LEAKS])
        bound = np.array(
            [float((leak_limit if limit else leak_bound)(e, experts_per_token=float(k))) for e, k in LEAKS]
        )
        # Logarithms are accurate to a few units in the last place.
        findings.append(at_most(bound, capacity, error=1e-12 * capacity))
    return tuple(findings)


capacity_of_expert_choice.control("the limit E·H₂(R) is not reached with finitely many tokens", limit=True)


@evidence("alf-lb/expert-choice-limit", kind="rate")
def capacity_approaches_its_limit(draw: Draw, experts_per_token: int = 2):
    """E = 16, K = 2: the capacity a token tends to E·H₂(R), the gap falling almost as 1/T (a logarithm remains)."""
    tokens = 2 ** np.arange(10, 21)
    limit = float(leak_limit(16.0, experts_per_token=2.0))
    gap = [abs(limit - leak_capacity(int(t), 16, experts_per_token=experts_per_token)) for t in tokens]
    return exponent(tokens, np.array(gap), between=(-1.0, -0.85), predicted=-1.0)


capacity_approaches_its_limit.control("one expert a token instead of two", experts_per_token=1)


def _choices_of_one_expert(tokens: int, taken: int) -> int:
    """The sets of tokens that an expert can take, counted one by one."""
    return sum(1 for _ in combinations(range(tokens), taken))


@evidence("alf-lb/leak-as-printed", kind="exact", rounding="declared")
def printed_binomial(upright: bool = False):
    """The number of choices of an expert, counted, against the binomial as printed: (KT/N over T)."""
    counts, binomials = [], []
    for tokens, taken in ((4, 2), (8, 2), (12, 3)):
        counts.append(_choices_of_one_expert(tokens, taken))
        binomials.append(comb(tokens, taken) if upright else comb(taken, tokens))
    return equal(np.array(counts), np.array(binomials), error=0.0)


printed_binomial.control("the right way up", upright=True)


@evidence("alf-lb/leak-binomial", kind="exact", rounding="declared")
def number_of_routings(repeated: bool = False):
    """The number of choices of an expert, counted, against (T over KT/N)."""
    counts, binomials = [], []
    for tokens, taken in ((4, 2), (8, 2), (12, 3)):
        counts.append(_choices_of_one_expert(tokens, taken))
        binomials.append(tokens**taken if repeated else comb(tokens, taken))
    return equal(np.array(counts), np.array(binomials), error=0.0)


number_of_routings.control("with repetition and order", repeated=True)
