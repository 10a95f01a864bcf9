r"""The schedules of variance-reduced Halpern iteration, its bounds, and what they cost.

Algorithm 1 on n components: anchor weight $\lambda_k = \frac{2}{k+4}$, step $\eta = \frac{1}{4L}$, resets with
probability $p_0 = p_1 = 1$, $p_k = \frac{4}{k+4}$ while $k - 1 \le \sqrt n$, then $\frac{4}{\sqrt n+5}$, batches of
$\lceil\sqrt n\rceil$. One iteration costs $p_k n + 2(1-p_k)b$ evaluations of components on average.

Source: `vr-halpern` (arXiv 2310.02987v2, its code); the bounds with their constants are derived.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lab.arrays import Real, check_between, check_positive, namespace


def anchor_weights(steps: int) -> Float[np.ndarray, "steps"]:
    r"""$\lambda_k = \frac{2}{k+4}$ for k = 0 … steps − 1."""
    return 2.0 / (np.arange(steps) + 4.0)


def reset_probabilities(components: Real, steps: int) -> Float[np.ndarray, "steps"]:
    r"""$p_k$, k = 0 … steps − 1: 1, 1, then $\frac{4}{k+4}$ while $k - 1 \le \sqrt n$, then $\frac{4}{\sqrt n + 5}$."""
    check_between(1.0, float("inf"), components=components)
    k = np.arange(steps)
    root = np.sqrt(components)
    early = np.where(k <= 1, 1.0, 4.0 / (k + 4.0))
    return np.where(k - 1 <= root, early, 4.0 / (root + 5.0))


def batch_size(components: int) -> int:
    r"""$\lceil\sqrt n\rceil$, computed in whole numbers."""
    check_between(1.0, float("inf"), components=components)
    root = int(np.sqrt(components))
    root = next(r for r in (root - 1, root, root + 1) if r >= 0 and r * r <= components < (r + 1) * (r + 1))
    return root + (root * root < components)


def expected_cost(components: int, steps: int, *, batch: int | None = None) -> Float[np.ndarray, "steps"]:
    r"""Mean evaluations of components up to and including iteration k: $\sum_{j\le k} p_j n + 2(1-p_j)b$."""
    reset = reset_probabilities(components, steps)
    batch = batch_size(components) if batch is None else batch
    return np.cumsum(reset * components + 2.0 * (1.0 - reset) * batch)


def step_size_limit(cocoercivity: Real) -> Any:
    r"""$\frac{1}{4L}$, the longest step of Algorithm 1 that its proof covers; L is the on-average constant."""
    check_positive(cocoercivity=cocoercivity)
    return 0.25 / cocoercivity


def potential(square: Real, inner: Real, *, iteration: Any, step_size: Real) -> Any:
    r"""$C_k = \frac{\eta(k+2)(k+3)(k+4)}{4}\|v_k\|^2 + (k+2)(k+3)\langle v_k, u_k-u_0\rangle$, which never grows.

    square: $\mathbb{E}\|v_k\|^2$; inner: $\mathbb{E}\langle v_k, u_k - u_0\rangle$; both (..., k) beside `iteration`.
    """
    edge = (iteration + 2.0) * (iteration + 3.0)
    return 0.25 * step_size * edge * (iteration + 4.0) * square + edge * inner


def residual_bound(iteration: Any, *, cocoercivity: Real, distance: Real, constrained: bool = False) -> Any:
    r"""Bound on $\sqrt{\mathbb{E}\|v_k\|^2}$ for Algorithm 1 with $\eta = \frac{1}{4L}$:

    $$\frac{16LD}{k+4} + \frac{c\,LD}{\sqrt{(k+2)(k+3)(k+4)}},$$

    with $c = \sqrt{24}$ for G = 0, and 14.9 (k ≥ 1) with a resolvent. Source: derived from `vr-halpern`, C1.
    """
    xp = namespace(iteration)
    lower = 14.9 if constrained else np.sqrt(24.0)
    product = (iteration + 2.0) * (iteration + 3.0) * (iteration + 4.0)
    return cocoercivity * distance * (16.0 / (iteration + 4.0) + lower / xp.sqrt(product))


class Condition(NamedTuple):
    r"""Both sides of the condition under which the potential never grows, for every j ≥ 1.

    ratio: (j,) left over right for the iterations before the reset probability is constant.
    tail: coefficients of right − left as a polynomial in $j - J \ge 0$ afterwards, lowest first: when none is
    negative, the condition holds for all later j at once.
    """

    ratio: Any
    tail: tuple[Any, ...]


def noise_condition(components: Any, *, batch: Any) -> Condition:
    r"""$\frac1b\sum_{k>j} a_k \prod_{i=j+1}^k (1-p_i) \le B_{j+1}(3j+2)$, $B_{k+1} = (k+3)(k+4)$, $a_k = B_{k+1}(k+6)$.

    The sum obeys $S_j = q_{j+1}(a_{j+1} + S_{j+1})$, $q = 1-p$. Once q is constant, S is a cubic in j whose Taylor
    coefficients at J follow from the recursion; before, S is summed backwards. `components` may be an array that tracks
    its rounding (one number). Source: derived, `vr-halpern` C1.
    """
    xp = namespace(components)
    root = xp.sqrt(components)
    first = 2 + int(np.floor(float(root)))  # from k = first on, k − 1 > √n and the probability is constant
    late = 1.0 - 4.0 / (root + 5.0)
    start = max(first - 1, 1)  # S_j is a cubic for j ≥ start, as all later q are `late`
    sums = _cubic(late, start)
    rise = _taylor(GAIN, start)
    tail = tuple(batch * r - s for r, s in zip(rise, sums, strict=True))
    after, ratios = sums[0], []
    for j in range(start - 1, 0, -1):
        q = 1.0 - 4.0 / (j + 5.0)
        after = q * (float(NOISE(j + 1)) + after)
        ratios.append(after / (batch * float(GAIN(j))))
    return Condition(xp.stack(ratios[::-1]) if ratios else 0.0 * components[None], tail)


EDGE = np.poly1d([1.0, 3.0]) * np.poly1d([1.0, 4.0])  # B_{k+1} = (k + 3)(k + 4), in powers of k
NOISE = EDGE * np.poly1d([1.0, 6.0])  # a_k: what ‖e_k‖² costs, times 8L
GAIN = EDGE * np.poly1d([3.0, 2.0])  # what the step itself gives back, times 8L


def _taylor(polynomial: np.poly1d, at: int) -> list[float]:
    """Coefficients of a cubic with whole coefficients in powers of (j − at): exact in floating point."""
    shifted = polynomial(np.poly1d([1.0, float(at)]))
    return [float(c) for c in shifted.coeffs[::-1]]


def _cubic(q: Any, at: int) -> list[Any]:
    r"""Coefficients s of the cubic that solves $S(x) = q(a(x+1) + S(x+1))$, x = j − at: from the highest down,
    $(1-q)s_m = q\,(a_m + \sum_{l>m}\binom{l}{m}s_l)$, where $a_m$ belong to $a(x+1)$."""
    a = _taylor(NOISE, at + 1)
    binomial = ((1, 1, 1, 1), (0, 1, 2, 3), (0, 0, 1, 3), (0, 0, 0, 1))
    s: list[Any] = [0.0] * 4
    for m in (3, 2, 1, 0):
        carried = a[m]
        for higher in range(m + 1, 4):
            carried = carried + binomial[m][higher] * s[higher]
        s[m] = q * carried / (1.0 - q)
    return s


def restart_length(cocoercivity: float, sharpness: float) -> int:
    r"""Fewest iterations of Algorithm 1 after which its bound promises half the residual, about $32L/\mu$.

    From $D \le \|F(u_0)\|/\mu$: the smallest K with
    $\frac{L}{\mu}(\frac{16}{K+4}+\sqrt{24/((K+2)(K+3)(K+4))}) \le \frac12$.
    Raises ValueError unless both constants are positive.
    """
    check_positive(cocoercivity=cocoercivity, sharpness=sharpness)
    ratio = cocoercivity / sharpness
    low, high = 0, int(64 * ratio) + 64
    while low < high:  # the bound falls in K
        middle = (low + high) // 2
        enough = residual_bound(np.float64(middle), cocoercivity=ratio, distance=1.0) <= 0.5
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def deterministic_cost(components: Any, *, lipschitz: Real, distance: Real, accuracy: Real) -> Any:
    r"""Evaluations that plain Halpern iteration needs by its tight rate: $n\,L_F D/\varepsilon$. Source: C6."""
    return components * lipschitz * distance / accuracy


def break_even_components(cocoercivity: Real, lipschitz: Real, *, constant: Real = 16.0) -> Any:
    r"""Components from which Algorithm 1 beats plain Halpern iteration for small ε: $n = (6c\,L/L_F)^2$.

    Its cost is about $6\sqrt n\,c\,LD/\varepsilon$ against $n L_F D/\varepsilon$. `constant` c is the leading constant
    of its residual, $c\,LD/k$: 16 is proved, 12 is attained, 8 is that of linear problems.
    Source: derived, `vr-halpern` C2.
    """
    check_positive(cocoercivity=cocoercivity, lipschitz=lipschitz, constant=constant)
    return (6.0 * constant * cocoercivity / lipschitz) ** 2
