r"""The schedules of variance-reduced Halpern iteration, its bounds, and what they cost.

Algorithm 1 on n components takes steps of at most $\eta = \frac{1}{4L}$ with anchor weights $\lambda_k$; it evaluates
all components with probability $p_k$, else batches of $b = \lceil\sqrt n\rceil$. Outer iteration k of Algorithm 2 takes
$M_k$ inner steps. An iteration k is a whole number or an array (...) of them, of any array library.

Source: `vr-halpern` (arXiv 2310.02987v2, its code); the bounds with their constants are derived.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from lab.arrays import Array, Real, check_between, check_positive, floats, namespace

Iteration = Num[Array, "..."] | float | int
INNER_FACTOR = 4.0  # c of `inner_steps`; 0.05 in the code of `vr-halpern`


def anchor_weight(iteration: Iteration) -> Real:
    r"""Algorithm 1's weight of the start, $\lambda_k = \frac{2}{k+4}$, k = 0, 1, … Source: the code of `vr-halpern`."""
    return 2.0 / (iteration + 4.0)


def reset_probability(components: Real, iteration: Iteration) -> Float[Array, "..."]:
    r"""Probability of a full evaluation in iteration k of Algorithm 1 on n components:

    $$p_0 = p_1 = 1,\quad p_k = \frac{4}{\min\{k-1, \sqrt n\} + 5},$$

    so $\frac{4}{k+4}$ while $k-1 \le \sqrt n$. Both arguments broadcast. Raises ValueError unless components ≥ 1.
    Source: the code of `vr-halpern`.
    """
    check_between(1.0, float("inf"), components=components)
    components, k = floats(components, iteration)
    xp = namespace(components, k)
    return xp.where(k <= 1.0, 1.0, 4.0 / (xp.minimum(k - 1.0, xp.sqrt(components)) + 5.0))


def inner_steps(
    components: int, iteration: Iteration, *, factor: float = INNER_FACTOR, round_down: bool = False
) -> Int[Array, "..."]:
    r"""Inner steps in outer iteration k = 0, 1, … of Algorithm 2, $M_k = \lceil c\,n\log(k+2)\rceil$.

    factor: c. `round_down` takes the floor, as the authors' code does.
    Source: `vr-halpern`, Algorithm 2; c derived, C3.
    """
    (k,) = floats(iteration)
    xp = namespace(k)
    length = factor * components * xp.log(k + 2.0)
    return xp.astype(xp.floor(length) if round_down else xp.ceil(length), int)


def batch_size(components: int) -> int:
    r"""$\lceil\sqrt n\rceil$, computed in whole numbers."""
    check_between(1.0, float("inf"), components=components)
    root = int(np.sqrt(components))
    root = next(r for r in (root - 1, root, root + 1) if r >= 0 and r * r <= components < (r + 1) * (r + 1))
    return root + (root * root < components)


def iteration_cost(components: int, iteration: Iteration, *, batch: int | None = None) -> Float[Array, "..."]:
    r"""Mean evaluations of components in iteration k of Algorithm 1, $p_kn + 2(1-p_k)b$; `batch` is b."""
    reset = reset_probability(components, iteration)
    batch = batch_size(components) if batch is None else batch
    return reset * components + 2.0 * (1.0 - reset) * batch


def expected_cost(components: int, steps: int) -> Float[np.ndarray, "steps"]:
    """Mean evaluations of components up to and including iteration k = 0 … steps − 1 of Algorithm 1."""
    return np.cumsum(iteration_cost(components, np.arange(steps)))


def step_size_limit(cocoercivity: Real) -> Real:
    r"""$\frac{1}{4L}$, the longest step of Algorithm 1 that its proof covers; L is the on-average constant.

    Raises ValueError unless it is positive.
    """
    check_positive(cocoercivity=cocoercivity)
    return 0.25 / cocoercivity


def potential(square: Real, inner: Real, *, iteration: Iteration, step_size: Real) -> Real:
    r"""$C_k = \frac{\eta(k+2)(k+3)(k+4)}{4}\|v_k\|^2 + (k+2)(k+3)\langle v_k, u_k-u_0\rangle$, which never grows.

    square: $\mathbb{E}\|v_k\|^2$; inner: $\mathbb{E}\langle v_k, u_k - u_0\rangle$; both (..., k) beside `iteration`.
    """
    edge = (iteration + 2.0) * (iteration + 3.0)
    return 0.25 * step_size * edge * (iteration + 4.0) * square + edge * inner


def residual_bound(
    iteration: Iteration, *, cocoercivity: Real, distance: Real, constrained: bool = False
) -> Float[Array, "..."]:
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

    ratio: Float[Array, "..."]
    tail: tuple[Real, ...]


def noise_condition(components: Real, *, batch: Real) -> Condition:
    r"""$\frac1b\sum_{k>j} a_k \prod_{i=j+1}^k (1-p_i) \le B_{j+1}(3j+2)$, $B_{k+1} = (k+3)(k+4)$, $a_k = B_{k+1}(k+6)$.

    The sum obeys $S_j = q_{j+1}(a_{j+1} + S_{j+1})$, $q = 1-p$. Once q is constant, S is a cubic in j whose Taylor
    coefficients at J follow from the recursion; before, S is summed backwards. `components` may be an array that tracks
    its rounding (one number). Source: derived, `vr-halpern` C1.
    """
    (n,) = floats(components)
    xp = namespace(n)
    first = 2 + int(np.floor(np.sqrt(float(n))))  # from k = first on, k − 1 > √n and p is constant
    keep = 1.0 - reset_probability(n, np.arange(first + 1))
    start = max(first - 1, 1)  # S_j is a cubic for j ≥ start, as all later q are the last one
    sums = _cubic(keep[first], start)
    rise = _taylor(GAIN, start)
    tail = tuple(batch * r - s for r, s in zip(rise, sums, strict=True))
    after, ratios = sums[0], []
    for j in range(start - 1, 0, -1):
        after = keep[j + 1] * (float(NOISE(j + 1)) + after)
        ratios.append(after / (batch * float(GAIN(j))))
    return Condition(xp.stack(ratios[::-1]) if ratios else 0.0 * n[None], tail)


EDGE = np.poly1d([1.0, 3.0]) * np.poly1d([1.0, 4.0])  # B_{k+1} = (k + 3)(k + 4), in powers of k
NOISE = EDGE * np.poly1d([1.0, 6.0])  # a_k: what ‖e_k‖² costs, times 8L
GAIN = EDGE * np.poly1d([3.0, 2.0])  # what the step itself gives back, times 8L


def _taylor(polynomial: np.poly1d, at: int) -> list[float]:
    """Coefficients of a cubic with whole coefficients in powers of (j − at): exact in floating point."""
    shifted = polynomial(np.poly1d([1.0, float(at)]))
    return [float(c) for c in shifted.coeffs[::-1]]


def _cubic(q: Real, at: int) -> list[Real]:
    r"""Coefficients s of the cubic that solves $S(x) = q(a(x+1) + S(x+1))$, x = j − at: from the highest down,
    $(1-q)s_m = q\,(a_m + \sum_{l>m}\binom{l}{m}s_l)$, where $a_m$ belong to $a(x+1)$."""
    a = _taylor(NOISE, at + 1)
    binomial = ((1, 1, 1, 1), (0, 1, 2, 3), (0, 0, 1, 3), (0, 0, 0, 1))
    s: list[Real] = [0.0] * 4
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


def deterministic_cost(components: Iteration, *, lipschitz: Real, distance: Real, accuracy: Real) -> Real:
    r"""Evaluations that plain Halpern iteration needs by its tight rate: $n\,L_F D/\varepsilon$. Source: C6."""
    return components * lipschitz * distance / accuracy


def break_even_components(cocoercivity: Real, lipschitz: Real, *, constant: Real = 16.0) -> Real:
    r"""Components from which Algorithm 1 beats plain Halpern iteration for small ε: $n = (6c\,L/L_F)^2$.

    Its cost is about $6\sqrt n\,c\,LD/\varepsilon$ against $n L_F D/\varepsilon$. `constant` c is the leading constant
    of its residual, $c\,LD/k$: 16 is proved, 12 is attained, 8 is that of linear problems.
    Source: derived, `vr-halpern` C2.
    """
    check_positive(cocoercivity=cocoercivity, lipschitz=lipschitz, constant=constant)
    return (6.0 * constant * cocoercivity / lipschitz) ** 2
