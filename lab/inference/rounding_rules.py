r"""How rounding errors travel through one operation: a table from NumPy's functions to bounds.

An operand is a pair: the computed number $x$ and a bound $e$ on its distance to the exact number. A rule
receives the computed result $v = \mathrm{fl}\,f(x_1, x_2, \dots)$ and its operands, and bounds $|v - f(x_1',
x_2', \dots)|$ over all $|x_i' - x_i| \le e_i$: what the operands' errors can do to $f$, plus the rounding of
the operation itself. Arithmetic and the square root are correctly rounded, so that costs $u|v|$ with $u =
2^{-53}$; library functions (exp, log, tanh, …) are assumed accurate to 4 ulp, $8u|v|$. The spread over the
operands is bounded without dropping second-order terms.

The rules are themselves evaluated in floating point; `bound` multiplies by $1 + 2^{-30}$ to cover that, for
operands below $10^6$ in a logarithm or exponent. Method: Higham, Accuracy and Stability of Numerical Algorithms
(2002), §3.3.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

UNIT = 2.0**-53  # rounding to nearest: |fl(z) − z| ≤ UNIT |fl(z)|
LIBRARY = 8 * UNIT  # 4 ulp; one ulp is at most 2 UNIT relative
SLACK = 1 + 2.0**-30
TINY = 2.0**-1000  # covers what underflow can lose; a result that underflowed counts as this large

Numbers = np.ndarray | np.floating  # an array, or what NumPy makes of one without axes
Rule = Callable[..., Numbers]


class Operand(NamedTuple):
    """A computed number and a bound on its distance to the exact one."""

    x: Numbers
    e: Numbers


def bound(rule: Rule, v: Numbers, *operands: Operand) -> Numbers:
    """The rule's bound, inflated for the rounding of the rule itself; infinite where nothing can be said."""
    with np.errstate(all="ignore"):
        error = np.asarray(rule(v, *operands) * SLACK)
    uncertain = functools.reduce(np.add, [o.e for o in operands]) > 0
    error = np.where(uncertain, np.maximum(error, TINY), error)  # a product of tiny errors underflows
    return np.where(np.isnan(error), np.inf, error)


def rounding(v: Numbers, *operands: Operand, unit: float = UNIT) -> Numbers:
    """Rounding of the operation itself: relative to v, plus what underflow or overflow lost.

    A result of 0 or ±∞ is exact when an operand is (0·x, log 0, 1/∞, …); otherwise the operation under- or overflowed.
    """
    magnitude = np.abs(v)
    error = unit * magnitude
    extreme = (magnitude < TINY) | np.isinf(magnitude)
    if np.any(extreme):
        exact = np.any(np.broadcast_arrays(*[(o.x == 0) | np.isinf(o.x) for o in operands]), axis=0)
        lost = np.where(np.isinf(magnitude), np.inf, error + TINY)
        error = np.where(extreme, np.where(exact, 0.0, lost), error)
    return error


def _times(factor: Any, error: Any) -> Numbers:
    """factor × error, where no error stays none beside an infinite factor."""
    return np.where(np.asarray(error) == 0, 0.0, factor * error)


def _add(v: Numbers, a: Operand, b: Operand) -> Numbers:
    # Additions never underflow: a subnormal sum is exact.
    infinite = np.isinf(a.x) | np.isinf(b.x)
    return a.e + b.e + np.where(infinite, 0.0, UNIT * np.abs(v))


def _multiply(v: Numbers, a: Operand, b: Operand) -> Numbers:
    spread = _times(np.abs(a.x), b.e) + _times(np.abs(b.x), a.e) + _times(a.e, b.e)
    return spread + rounding(v, a, b)


def _divide(v: Numbers, a: Operand, b: Operand) -> Numbers:
    room = np.abs(b.x) - b.e
    size = np.where(a.x == 0, 0.0, np.maximum(np.abs(v), TINY))
    spread = _times(1 / np.where(room > 0, room, 0.0), a.e + _times(size, b.e))
    return spread + rounding(v, a, b)


def _reciprocal(v: Numbers, a: Operand) -> Numbers:
    return _divide(v, Operand(np.ones_like(a.x), np.zeros_like(a.e)), a)


def _square(v: Numbers, a: Operand) -> Numbers:
    return _times(2 * np.abs(a.x) + a.e, a.e) + rounding(v, a)


def _sqrt(v: Numbers, a: Operand) -> Numbers:
    low = np.sqrt(np.maximum(a.x - a.e, 0.0))
    spread = np.where(a.e == 0, 0.0, np.minimum(a.e / (np.sqrt(a.x) + low), np.sqrt(a.x + a.e)))
    return spread + rounding(v, a)


def _power(v: Numbers, a: Operand, b: Operand) -> Numbers:
    base, exponent = np.abs(a.x), np.abs(b.x)
    whole = (b.e == 0) & (b.x == np.round(b.x)) & (b.x >= 0)
    # Whole powers: |(x + e)^p − x^p| ≤ (|x| + e)^p − |x|^p, whatever the signs.
    size = np.maximum(np.abs(v), TINY)
    grown = np.where(a.e < base, size * np.expm1(exponent * np.log1p(a.e / base)), (base + a.e) ** exponent)
    # Else x' = x e^{s}, p' = p + d: x'^p' = x^p e^{s p' + d log x}, with |s| ≤ −log(1 − e/x).
    shift = np.where(a.e == 0, 0.0, -np.log1p(-np.minimum(a.e / base, 1.0)))
    turned = np.expm1(_times(exponent + b.e, shift) + _times(np.abs(np.log(base)), b.e))
    known = (a.e == 0) & (b.e == 0)
    spread = np.where(known | (whole & (exponent == 0)), 0.0, np.where(whole, grown, size * turned))
    return spread + rounding(v, a, b, unit=LIBRARY)


def _exponential(scale: float, *, minus: float = 0.0) -> Rule:
    """e^{scale·x} − minus."""

    def rule(v: Numbers, a: Operand) -> Numbers:
        size = np.where(np.isneginf(a.x), 0.0, np.maximum(np.abs(v + minus), TINY))
        return _times(size, np.expm1(scale * a.e)) + rounding(v, a, unit=LIBRARY)

    return rule


def _logarithm(scale: float, *, plus: float = 0.0) -> Rule:
    """scale · log(x + plus)."""

    def rule(v: Numbers, a: Operand) -> Numbers:
        distance = a.x + plus
        spread = np.where(a.e == 0, 0.0, -np.log1p(-np.minimum(a.e / distance, 1.0)))
        return scale * spread + rounding(v, Operand(distance, a.e), a, unit=LIBRARY)

    return rule


def _logaddexp(v: Numbers, a: Operand, b: Operand) -> Numbers:
    # log(e^{a'} + e^{b'}) − log(e^a + e^b) ≤ log(1 + p (e^{ea} − 1) + q (e^{eb} − 1)), with p = e^{a−v}, q = e^{b−v}.
    p, q = (np.where(np.isfinite(v), np.clip(np.exp(o.x - v), TINY, 1.0), 1.0) for o in (a, b))
    spread = _times(p, np.expm1(a.e)) + _times(q, np.expm1(b.e))
    # It is computed as max(a, b) + log1p(e^{−d}), d = |a − b|: three roundings that are not relative to v.
    d = np.abs(a.x - b.x)
    infinite = np.isinf(a.x) | np.isinf(b.x)
    distance = np.where((a.x == 0) | (b.x == 0), 0.0, UNIT * d)  # exact in log(1 + e^x), so tiny values stay sharp
    lost = np.where(np.abs(v) < TINY, TINY, 0.0)
    inner = np.where(infinite, 0.0, (2 * LIBRARY + distance) * np.exp(-d) + UNIT * np.abs(v) + lost)
    return spread + inner


def _extreme(larger: Callable[..., Any]) -> Rule:
    """maximum or minimum: the operand that surely wins brings its own error, else the larger error counts."""

    def rule(v: Numbers, a: Operand, b: Operand) -> Numbers:
        apart = np.abs(a.x - b.x) > a.e + b.e
        winner = np.where(larger(a.x, b.x), a.e, b.e)
        same = a.x == b.x  # also both −∞, whose distance is not a number
        return np.where(apart & ~same, winner, np.maximum(a.e, b.e))

    return rule


def _slope(steepest: Callable[[Numbers, Numbers, Numbers], Numbers]) -> Rule:
    """A smooth function of one operand: its error times the steepest slope within reach."""

    def rule(v: Numbers, a: Operand) -> Numbers:
        near, far = np.maximum(np.abs(a.x) - a.e, 0.0), np.abs(a.x) + a.e
        return _times(steepest(a.x, near, far), a.e) + rounding(v, a, unit=LIBRARY)

    return rule


def _normal_cdf(v: np.ndarray, a: Operand) -> np.ndarray:
    # Φ is steepest nearest to 0. In the lower tail the library rounds x/√2 first, which costs x² relative units more.
    steepest = np.exp(-(np.maximum(np.abs(a.x) - a.e, 0.0) ** 2) / 2) / np.sqrt(2 * np.pi)
    return _times(steepest, a.e) + rounding(v, a) + (LIBRARY + 2 * UNIT * np.minimum(a.x, 0.0) ** 2) * np.abs(v)


def _steps(function: Callable[[Numbers], Numbers]) -> Rule:
    """A rising step function: compare it at both ends of the operand's range."""

    def rule(v: Numbers, a: Operand) -> Numbers:
        low = np.where(a.e == 0, a.x, np.nextafter(a.x - a.e, -np.inf))
        high = np.where(a.e == 0, a.x, np.nextafter(a.x + a.e, np.inf))
        return np.where(a.e == 0, 0.0, np.maximum(function(high) - v, v - function(low)))

    return rule


def _circular(v: Numbers, a: Operand, slope: Callable[[Numbers], Numbers]) -> Numbers:
    # Taylor: |f(x + e) − f(x)| ≤ |f'(x)| e + e²/2, and no sine is steeper than 1.
    return np.minimum(a.e, np.abs(slope(a.x)) * a.e + a.e**2 / 2) + rounding(v, a, unit=LIBRARY)


def _same(v: Numbers, a: Operand) -> Numbers:
    return a.e


RULES: dict[np.ufunc, Rule] = {
    np.add: _add,
    np.subtract: _add,
    np.multiply: _multiply,
    np.divide: _divide,
    np.reciprocal: _reciprocal,
    np.power: _power,
    np.float_power: _power,
    np.square: _square,
    np.sqrt: _sqrt,
    np.negative: _same,
    np.positive: _same,
    np.absolute: _same,
    np.fabs: _same,
    np.conjugate: _same,
    np.exp: _exponential(1.0),
    np.exp2: _exponential(np.log(2.0)),
    np.expm1: _exponential(1.0, minus=1.0),
    np.log: _logarithm(1.0),
    np.log2: _logarithm(1 / np.log(2.0)),
    np.log10: _logarithm(1 / np.log(10.0)),
    np.log1p: _logarithm(1.0, plus=1.0),
    np.logaddexp: _logaddexp,
    ndtr: _normal_cdf,
    np.maximum: _extreme(np.greater),
    np.minimum: _extreme(np.less),
    np.tanh: _slope(lambda x, near, far: 1 / np.cosh(near) ** 2),
    np.sinh: _slope(lambda x, near, far: np.cosh(far)),
    np.cosh: _slope(lambda x, near, far: np.sinh(far)),
    np.arctan: _slope(lambda x, near, far: 1 / (1 + near**2)),
    np.arcsinh: _slope(lambda x, near, far: 1 / np.sqrt(1 + near**2)),
    np.sin: lambda v, a: _circular(v, a, np.cos),
    np.cos: lambda v, a: _circular(v, a, np.sin),
    np.sign: _steps(np.sign),
    np.floor: _steps(np.floor),
    np.ceil: _steps(np.ceil),
    np.trunc: _steps(np.trunc),
    np.rint: _steps(np.rint),
}


def multilinear(function: Callable[..., Any], *operands: Operand) -> Numbers:
    r"""Error of a sum of products (matmul, einsum, …) that is linear in each operand, in any order of summation.

    With $n$ products a result, each of $m$ factors:
    $\sum_i f(|x|+e, \dots, e_i, \dots, |x|) + \frac{(n+m)u}{1-(n+m)u} f(|x|, \dots, |x|)$.
    """
    with np.errstate(all="ignore"):
        sizes = [np.abs(o.x) for o in operands]
        counts = function(*[np.ones_like(s) for s in sizes])
        roundings = (np.max(counts, initial=0) + len(operands)) * UNIT
        error = roundings / (1 - roundings) * function(*sizes) + TINY * counts
        for i, operand in enumerate(operands):
            if np.any(operand.e):
                before = [s + o.e for s, o in zip(sizes[:i], operands[:i], strict=True)]
                error = error + function(*before, operand.e, *sizes[i + 1 :])
    return np.where(np.isnan(error), np.inf, error * SLACK)
