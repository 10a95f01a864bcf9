r"""Tight worst cases of iterations with nonexpansive maps, operators and gradients, and instances that attain them.

    Halpern              ‖x_N − T x_N‖ ≤ 2D/(N+1)                    `shrinking_map`; T = −I for even N
    Krasnoselskii–Mann   ‖½(x_N − T x_N)‖² ≤ `averaged_bound` · D²   a rotation by `averaged_worst_angle`
    gradient descent     ‖∇f(x_N)‖ ≤ LD max{1/(Nh+1), |1−h|^N}       `huber_gradient`, and a parabola

and the identity that proves the first line: a sum of multiples of $\|x_i-x_j\|^2 - \|Tx_i-Tx_j\|^2 \ge 0$ and a square.

Source: Lieder (2021); Taylor, Hendrickx and Glineur (2017); `vr-halpern`, C6–C8. The multipliers are derived.
"""

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, floats, namespace
from lab.operators.schedules import Iteration
from lab.operators.steps import Points


def halpern_bound(iterations: Iteration, distance: Real = 1.0) -> Real:
    r"""$\frac{2D}{N+1}$. Raises ValueError unless iterations ≥ 0."""
    check_between(0.0, float("inf"), iterations=iterations)
    return 2.0 * distance / (iterations + 1.0)


def shrinking_map(x: Float[Array, "..."], *, step: Real) -> Float[Array, "..."]:
    r"""$Tx = x - c\,\mathrm{sign}(x)$ where $|x| \ge c/2$, else $-x$: nonexpansive, and worst for Halpern after N steps
    from 1 when $c = \frac{2}{N+1}$. Raises ValueError unless step > 0. Source: Lieder (2021)."""
    check_positive(step=step)
    (x,) = floats(x)
    xp = namespace(x)
    return xp.where(xp.abs(x) >= step / 2.0, x - step * xp.sign(x), -x)


def halpern_points(start: Points, mapped: list[Points]) -> list[Points]:
    r"""$x_0, \dots, x_N$ with $x_j = \frac{1}{j+1}x_0 + \frac{j}{j+1}t_{j-1}$ for given $t_0, \dots, t_{N-1}$."""
    return [start] + [(start + j * t) / (j + 1.0) for j, t in enumerate(mapped, start=1)]


def halpern_identity(
    start: Points, mapped: Float[Array, "... steps dim"], solution: Points
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    r"""Both sides, equal for *arbitrary* vectors $x_0, t_0, \dots, t_N, x_*$ ($x_j$ as in Halpern's iteration):

    $$\tfrac{4}{(N+1)^2}\|x_0-x_*\|^2 - \|x_N-t_N\|^2 = \sum_{j=1}^N\tfrac{2j(j+1)}{(N+1)^2}
    (\|x_j-x_{j-1}\|^2-\|t_j-t_{j-1}\|^2) + \tfrac{2}{N+1}(\|x_N-x_*\|^2-\|t_N-x_*\|^2)
    + \|x_N-t_N-\tfrac{2}{N+1}(x_0-x_*)\|^2 .$$

    For $t_j = Tx_j$ with T nonexpansive and $Tx_* = x_*$ every term on the right is at least 0: Halpern's rate.
    Source: derived, `vr-halpern` C7.
    """
    xp = namespace(start, mapped)
    t = [mapped[..., j, :] for j in range(mapped.shape[-2])]
    last = len(t) - 1
    x = halpern_points(start, t[:last])

    def square(v: Points) -> Float[Array, "..."]:
        return xp.sum(v * v, axis=-1)

    left = 4.0 / (last + 1.0) ** 2 * square(start - solution) - square(x[last] - t[last])
    right = 2.0 / (last + 1.0) * (square(x[last] - solution) - square(t[last] - solution))
    right = right + square(x[last] - t[last] - 2.0 / (last + 1.0) * (start - solution))
    for j in range(1, last + 1):
        weight = halpern_multiplier(j, last)
        right = right + weight * (square(x[j] - x[j - 1]) - square(t[j] - t[j - 1]))
    return left, right


def halpern_multiplier(pair: int, iterations: int) -> float:
    r"""Multiplier $\frac{2j(j+1)}{(N+1)^2}$ of the pair (j − 1, j)."""
    return 2.0 * pair * (pair + 1) / (iterations + 1.0) ** 2


def averaged_bound(iterations: int, weight: Real) -> Float[Array, "..."]:
    r"""Worst $\|\frac12(x_N - Tx_N)\|^2$ of Krasnoselskii–Mann with weight t from distance 1:

    $\frac{1}{N+1}(\frac{N}{N+1})^N\frac{1}{4t(1-t)}$ for $|2t-1| \le \sqrt{\frac{N}{N+1}}$, else $(2t-1)^{2N}$.

    Raises ValueError unless 0 < t < 1. Source: Lieder (2018); a rotation by `averaged_worst_angle` attains it.
    """
    check_between(0.0, 1.0, open_low=True, open_high=True, weight=weight)
    xp = namespace(weight)
    (weight,) = floats(weight)
    product = 4.0 * weight * (1.0 - weight)
    inside = product * (iterations + 1.0) >= 1.0
    power = (iterations / (iterations + 1.0)) ** iterations / (iterations + 1.0)
    return xp.where(inside, power / xp.where(inside, product, 1.0), (1.0 - product) ** iterations)


def averaged_worst_angle(iterations: int, weight: Real) -> Float[Array, "..."]:
    r"""Rotation on which Krasnoselskii–Mann is slowest: $\sin^2\frac\theta2 = \min\{1, \frac{1}{4t(1-t)(N+1)}\}$."""
    xp = namespace(weight)
    (weight,) = floats(weight)
    one = xp.ones_like(weight)
    square = xp.minimum(1.0 / (4.0 * weight * (1.0 - weight) * (iterations + 1.0)), one)
    # tan(θ/4) = sin(θ/2) / (1 + cos(θ/2)), which has no pole for θ ≤ π.
    return 4.0 * xp.atan(xp.sqrt(square) / (1.0 + xp.sqrt(one - square)))


def gradient_bound(iterations: int, relative_step: Real) -> Float[Array, "..."]:
    r"""Worst $\|\nabla f(x_N)\|/(LD)$ of gradient descent with step h/L: $\max\{\frac{1}{Nh+1}, |1-h|^N\}$, 0 < h < 2.

    Source: Taylor, Hendrickx and Glineur (2017).
    """
    check_between(0.0, 2.0, open_low=True, open_high=True, relative_step=relative_step)
    (h,) = floats(relative_step)
    xp = namespace(h)
    return xp.maximum(1.0 / (iterations * h + 1.0), xp.abs(1.0 - h) ** iterations)


def value_bound(iterations: int) -> float:
    r"""Worst $f(x_N) - f_*$ over $LD^2$ of gradient descent with step 1/L: $\frac{1}{4N+2}$.

    Source: Drori and Teboulle (2014).
    """
    return 1.0 / (4.0 * iterations + 2.0)


def huber_gradient(x: Float[Array, "..."], *, slope: Real) -> Float[Array, "..."]:
    r"""$\mathrm{clip}(x, -g, g)$: gradient of Huber's function, 1-smooth; worst for a method that leaves its region of
    constant slope exactly at the end."""
    check_positive(slope=slope)
    xp = namespace(x, slope)
    return xp.minimum(xp.maximum(x, -slope), slope)


def anchored_huber_slope(iterations: int) -> float:
    r"""The worst slope $g/(LD)$ for noise-free Algorithm 1 after k steps, $\frac{1}{1+S_k/4}$ with
    $S_k = \sum_{j\le k}\frac{(j+2)(j+3)}{(k+2)(k+3)}$; about 12/k, and the residual there is g. Source: derived, C1."""
    j = np.arange(1, iterations + 1)
    total = float(np.sum((j + 2.0) * (j + 3.0)))
    return 1.0 / (1.0 + 0.25 * total / ((iterations + 2.0) * (iterations + 3.0)))
