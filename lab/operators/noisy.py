r"""Halpern iteration with noisy values of a linear operator, all moments exact; and PAGE without a finite sum.

$$u_{k+1} = \lambda_{k+1}u_0 + (1-\lambda_{k+1})\big(u_k - \tfrac1L(F(u_k)+e_k)\big),\quad \lambda_k = \tfrac{1}{k+1},$$

on $F = \mathrm{diag}(h)$ with noise of variance $s_k^2$ a coordinate, independent over time or one vector throughout.

Source: the precursor, arXiv 2203.09436, Algorithm 1 and Theorem 3.1; the recursions are derived.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float

from lab.arrays import Array, Real, beside, check_positive, namespace
from lab.operators.schedules import Iteration


class Moments(NamedTuple):
    """E‖F(u_k)‖² and E‖u_{k+1} − u_k‖² for k = 1 … steps, (..., steps)."""

    square: Array
    move: Array


def halpern_moments(
    curvature: Float[Array, "... dim"],
    start: Float[Array, "... dim"],
    variance: Callable[[int], Float[Array, "..."]],
    *,
    steps: int,
    smoothness: Real,
    lasting: bool = False,
) -> Moments:
    r"""Exact moments; `variance(k)` is $s_k^2$ (...), of independent noise, or of $e_k = s_k\xi$ with one ξ for all k.

    With one ξ the iterate is linear in it, and the second moment follows the coefficient; else variances add up.
    """
    check_positive(smoothness=smoothness)
    xp = namespace(curvature, start)
    mean, spread = start, 0.0 * start  # spread: the variance, or with one ξ its coefficient
    squares, moves = [], []
    for k in range(1, steps + 1):
        keep = (k + 1.0) / (k + 2.0)
        noise = beside(variance(k)) / smoothness**2
        factor = keep * (1.0 - curvature / smoothness)
        after = start / (k + 2.0) + factor * mean
        if lasting:
            after_spread = factor * spread - keep * xp.sqrt(noise)
            moved = (after_spread - spread) ** 2
            total = spread * spread
        else:
            after_spread = factor * factor * spread + keep * keep * noise
            moved = (factor - 1.0) ** 2 * spread + keep * keep * noise
            total = spread
        squares.append(xp.sum(curvature * curvature * (mean * mean + total), axis=-1))
        moves.append(xp.sum((after - mean) ** 2 + moved, axis=-1))
        mean, spread = after, after_spread
    return Moments(xp.stack(squares, axis=-1), xp.stack(moves, axis=-1))


def page_probability(iteration: Iteration) -> Real:
    r"""$p_k = \frac{2}{k+1}$, k = 1, 2, …"""
    return 2.0 / (iteration + 1.0)


class Batches(NamedTuple):
    """Samples for a fresh estimate, and for the difference that updates it."""

    fresh: Real
    difference: Real


def page_batches(iteration: Iteration, *, noise: Real, smoothness: Real, move: Real, accuracy: Real) -> Batches:
    r"""$S_1 = \frac{8\sigma^2}{p_k\epsilon^2}$ and $S_2 = \frac{8L^2\|u_k-u_{k-1}\|^2}{p_k^2\epsilon^2}$, not whole.

    noise: σ²; move: $\|u_k-u_{k-1}\|^2$ or its mean. Source: precursor, Corollary after Theorem 3.1.
    """
    check_positive(noise=noise, smoothness=smoothness, accuracy=accuracy)
    p = page_probability(iteration)
    square = accuracy * accuracy
    return Batches(8.0 * noise / (p * square), 8.0 * smoothness * smoothness * move / (p * p * square))


def page_error_after(
    error: Real, iteration: Iteration, *, accuracy: Real, first: float = 8.0, second: float = 8.0
) -> Real:
    r"""Bound on $\mathbb{E}\|e_k\|^2$ from that on $\mathbb{E}\|e_{k-1}\|^2$ when `page_batches` sets the samples:

    $$p\,\frac{p\epsilon^2}{8} + (1-p)\Big(\mathbb{E}\|e_{k-1}\|^2 + \frac{p^2\epsilon^2}{8}\Big).$$

    first, second: the constants 8 of the two batches.
    """
    p = page_probability(iteration)
    share = p * p * accuracy * accuracy
    return share / first + (1.0 - p) * (error + share / second)
