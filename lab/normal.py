r"""The standard normal distribution on NumPy, JAX and torch arrays: its cdf in log space, accurate in both tails.

The array API has no special functions, so `normal_cdf` and `normal_quantile` ask the array library for its own;
the tails of the log-cdf, where the libraries differ or lose their digits, are one formula for all.
"""

import importlib
import math
from typing import Any

from array_api_compat import is_jax_namespace, is_torch_namespace
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, floats, namespace

TAIL = -10.0  # below it the continued fraction serves
DEPTH = 10  # levels of the fraction: what is cut off is below 3e-17 of the value at TAIL, and less beyond


def normal_cdf(x: Real) -> Float[Array, "..."]:
    r"""$\Phi(x)$, the probability that a standard normal variable is at most x."""
    (x,) = floats(x)
    return _cdf(x)


def normal_quantile(p: Real) -> Float[Array, "..."]:
    r"""$\Phi^{-1}(p)$; −∞ at 0 and +∞ at 1. Raises ValueError unless 0 ≤ p ≤ 1."""
    check_between(0.0, 1.0, p=p)
    (p,) = floats(p)
    return _special(p, "ndtri")


def log_normal_cdf(x: Real) -> Float[Array, "..."]:
    r"""$\log\Phi(x)$ in nats; about $-x^2/2$ for very negative x.

    Three ranges, each with full relative accuracy: $\log(1-\Phi(-x))$ for positive x, $\log\Phi(x)$ down to −10, and
    beyond it Laplace's continued fraction
    $\Phi(-t) = \frac{e^{-t^2/2}}{\sqrt{2\pi}}\,\frac{1}{t+}\frac{1}{t+}\frac{2}{t+}\cdots$.
    """
    (x,) = floats(x)
    xp = namespace(x)
    # Each branch sees only arguments from its own range: elsewhere its gradient could be 0 · ∞.
    zero = xp.zeros_like(x)
    positive, tail = x > 0, x < TAIL
    mass = _cdf(xp.where(positive, -x, xp.where(tail, zero, x)))
    right = xp.log1p(-mass)
    middle = xp.log(xp.where(positive, zero + 1.0, mass))
    t = xp.where(tail, -x, zero - TAIL)
    fraction = t
    for level in range(DEPTH, 0, -1):
        fraction = t + level / fraction
    left = -t * t / 2 - 0.5 * math.log(2 * math.pi) - xp.log(fraction)
    return xp.where(positive, right, xp.where(tail, left, middle))


def _cdf(x: Array) -> Any:
    # torch's own ndtr is (1 + erf)/2, which has no digits left in the tail.
    return _special(x * -math.sqrt(0.5), "erfc") / 2 if is_torch_namespace(namespace(x)) else _special(x, "ndtr")


def _special(x: Array, name: str) -> Any:
    xp = namespace(x)
    if is_torch_namespace(xp):
        library = "torch.special"
    else:
        library = "jax.scipy.special" if is_jax_namespace(xp) else "scipy.special"
    return getattr(importlib.import_module(library), name)(x)
