r"""Update rules of the bias, as a table with one interface: new bias from old bias, loads, rate and step number.

With the shortfall $e_k = L - A_k$ (positive where an expert has too few tokens: its bias **rises**), step n:

    sign              p + u sign(e)              Wang et al., Algorithm 1; deployed with u = 0.001; sign(0) = 0
    proportional      p + u e                    gradient descent on the dual function; Wang et al., Table 3
    harmonic          p + (u/n) e                logarithmic regret when u ≥ 1/μ; `alf-lb`
    root              p + (u/√n) e               `alf-lb`
    normalised        p + u e / rms(e)           Su, "Normalised" variant: sign's scale, smoother near balance
    multiplicative    p + u sign(e)              on biases that multiply the scores and start at 1; Wang et al., Table 4

Units: `sign`, `normalised` and `multiplicative` rates are in units of the scores, the others in scores per token. Where
a paper counts loads otherwise, `rate_per_token` translates. Wang et al. do not say what the rates of their Table 3 act
on. Only on **relative loads**, $p_k + u(1 - A_k/L)$, do all three of them balance a stream in a run as long as theirs:
on tokens they are beyond what is stable by a factor of a hundred and more, on shares of the choices, $A_k/KT$, the
least one is too slow (`alf-lb/unit-of-the-proportional-rate`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float, Num

from lab.arrays import Array, Real, check_between, check_finite, check_positive, namespace
from lab.routing.lagrangian import shortfall
from lab.routing.selection import Acts, check_experts_per_token

Step = Num[Array, "..."] | float | int  # 1, 2, …


class Rule(NamedTuple):
    """Direction of the update from shortfall and step number; how the bias acts on scores, and where it starts."""

    direction: Callable[[Array, Any], Array]
    bias_acts: Acts = "added"
    start: float = 0.0


def _sign(short: Array, step: Step) -> Array:
    return namespace(short).sign(short)


def _proportional(short: Array, step: Step) -> Array:
    return short


def _harmonic(short: Array, step: Step) -> Array:
    return short / step


def _root(short: Array, step: Step) -> Array:
    return short / step**0.5


def _normalised(short: Array, step: Step) -> Array:
    xp = namespace(short)
    size = xp.sqrt(xp.mean(short * short, axis=-1, keepdims=True))
    balanced = size == 0
    return xp.where(balanced, 0.0 * short, short / xp.where(balanced, size + 1.0, size))


RULES: dict[str, Rule] = {
    "sign": Rule(_sign),
    "proportional": Rule(_proportional),
    "harmonic": Rule(_harmonic),
    "root": Rule(_root),
    "normalised": Rule(_normalised),
    "multiplicative": Rule(_sign, bias_acts="multiplied", start=1.0),
}


def update(
    bias: Float[Array, "... experts"], load: Num[Array, "... experts"], *, rule: str, rate: Real, step: Step = 1
) -> Float[Array, "... experts"]:
    """One update of the bias by the loads that it produced.

    bias, load: (..., experts), the loads in tokens. rate: u ≥ 0, see the module for its unit. step: n = 1, 2, …
    Raises ValueError for an unknown rule, a negative rate, a step below 1, or biases that are not finite.
    """
    if rule not in RULES:
        raise ValueError(f"rule = {rule!r}: must be one of {', '.join(RULES)}")
    check_between(0.0, float("inf"), rate=rate)
    check_between(1.0, float("inf"), step=step)
    check_finite(bias=bias)
    direction = RULES[rule].direction(shortfall(load), step)
    return bias + rate * namespace(bias).astype(direction, bias.dtype)


def rate_per_token(rate: Real, *, unit: str, tokens: int, experts: int, experts_per_token: int) -> Real:
    r"""The rate of `proportional` in scores per token, from one on loads in the unit "tokens", "relative" or "share".

    $u$ for loads A in tokens; $uE/(KT)$ for relative loads A/L; $u/(KT)$ for shares of the choices A/(KT).
    Raises ValueError for another unit, and unless tokens ≥ 1 and 1 ≤ experts_per_token ≤ experts.
    """
    check_positive(tokens=tokens)
    check_experts_per_token(experts_per_token, experts)
    slots = tokens * experts_per_token
    divisors = {"tokens": 1.0, "relative": slots / experts, "share": slots}
    if unit not in divisors:
        raise ValueError(f"unit = {unit!r}: must be one of {', '.join(divisors)}")
    return rate / divisors[unit]
