r"""How unbalanced loads are, and how balanced they can be: MaxVio, the capacity of a batch, the noise floor.

Source: Wang et al. (arXiv 2408.15664), MaxVio; the noise floor is derived (`alf-lb`, C9).
"""

from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Num
from scipy.integrate import quad
from scipy.special import bdtr, ndtr

from lab.arrays import Array, check_positive, namespace
from lab.routing.lagrangian import balanced_load
from lab.routing.selection import check_experts_per_token


def max_violation(load: Num[Array, "... experts"], *, over: Literal["batch", "all"] = "batch") -> Float[Array, "..."]:
    r"""$\mathrm{MaxVio} = \max_k A_k/L - 1$: 0 when balanced, $E/K - 1$ when all tokens go to the same K experts.

    over="batch": of each load vector. over="all": of the loads summed over the leading axis (Wang's "global").
    """
    xp = namespace(load)
    load = xp.sum(load, axis=0) if over == "all" else load
    mean = balanced_load(load)
    return xp.max(load / mean, axis=-1) - 1.0


def capacity_range(tokens: int, experts: int, *, experts_per_token: int) -> tuple[int, int]:
    """Smallest and largest load of an expert in the most balanced routing: equal if E divides K·T.

    Raises ValueError unless tokens ≥ 1 and 1 ≤ experts_per_token ≤ experts.
    """
    _check(tokens, experts, experts_per_token)
    slots = tokens * experts_per_token
    return slots // experts, -(-slots // experts)


def check_capacity(tokens: int, experts: int, *, experts_per_token: int, capacity: int) -> None:
    """Raise ValueError if experts that take at most `capacity` tokens each cannot serve K experts to every token."""
    _, least = capacity_range(tokens, experts, experts_per_token=experts_per_token)
    if capacity < least:
        raise ValueError(
            f"capacity = {capacity}: must be at least {least}, for {tokens} tokens need {tokens * experts_per_token} "
            f"places and {experts} experts offer {experts * capacity}"
        )


def load_variance(tokens: int, experts: int, *, experts_per_token: int) -> float:
    r"""$\sigma^2 = TR(1-R)$, $R = K/E$: variance of a load, in tokens², when every set of K experts is as likely.

    Two loads have the correlation $-1/(E-1)$, their sum being fixed, so that along any vector that sums to 0 the
    variance of the loads is $\sigma^2\frac{E}{E-1}$. Raises ValueError as `capacity_range`.
    """
    _check(tokens, experts, experts_per_token)
    share = experts_per_token / experts
    return tokens * share * (1.0 - share)


def noise_floor(tokens: int, experts: int, *, experts_per_token: int) -> float:
    r"""Expected MaxVio of one batch whose tokens choose K of E experts at random, all sets alike.

    The expected maximum of E independent binomial loads, times $\sqrt{E/(E-1)}$ because the loads have a fixed sum and
    so a correlation of $-1/(E-1)$. About $\sqrt{(1-K/E)/L}\;\mathbb{E}[\max\text{ of }E\text{ normals}]$ when L is
    large. Within 2 % from L = 8 on in the cases tried; too low for loads of about one token. A bias learned on earlier
    batches cannot do better on average. Source: `alf-lb`, C9 (derived).
    """
    _check(tokens, experts, experts_per_token)
    if experts_per_token == experts:
        return 0.0
    share = experts_per_token / experts
    counts = np.arange(tokens + 1)
    expected_maximum = float(np.sum(1.0 - bdtr(counts, tokens, share) ** experts))
    mean = tokens * share
    return (expected_maximum - mean) / mean * float(np.sqrt(experts / (experts - 1)))


@cache
def expected_maximum(experts: int) -> float:
    r"""$m_E=\int_0^\infty\bigl(1-\Phi(z)^E-\Phi(-z)^E\bigr)dz$, the expected maximum of E independent normals."""
    check_positive(experts=experts)
    return float(quad(lambda z: 1.0 - ndtr(z) ** experts - ndtr(-z) ** experts, 0.0, 40.0, limit=200)[0])


def normal_noise_floor(tokens: int, experts: int, *, experts_per_token: int) -> float:
    r"""$\sigma\sqrt{\frac{E}{E-1}}\,\frac{m_E}{L}$: `noise_floor` for normal loads, the limit of many tokens.

    σ² is the `load_variance`, $m_E$ the `expected_maximum`, L = KT/E. Source: `alf-lb`, C9 (derived).
    """
    variance = load_variance(tokens, experts, experts_per_token=experts_per_token)
    if experts_per_token == experts:
        return 0.0
    spread = float(np.sqrt(variance * experts / (experts - 1)))
    return spread * expected_maximum(experts) / (tokens * experts_per_token / experts)


def noise_floor_bound(tokens: int, experts: int, *, experts_per_token: int) -> float:
    r"""$\sqrt{2\ln E\,(1-K/E)/L}$, the upper bound for normal loads. Source: `alf-lb`, C9."""
    variance = load_variance(tokens, experts, experts_per_token=experts_per_token)
    return float(np.sqrt(2.0 * np.log(experts) * variance)) / (tokens * experts_per_token / experts)


def _check(tokens: int, experts: int, experts_per_token: int) -> None:
    check_positive(tokens=tokens, experts=experts)
    check_experts_per_token(experts_per_token, experts)
