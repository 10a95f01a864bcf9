r"""Exact rates of the solvers near an equilibrium with full support, and the step sizes beyond which they leave it.

Linearised at π*, a step in the logits multiplies the eigenvectors of $A(\mathrm{diag}\,\pi^* - \pi^*\pi^{*\top})$,
whose eigenvalues are ±iω: a game is as hard as its *rotations* ω. With $x = \eta\omega$ and $a = 1 - \eta\beta$ each
solver's contraction a step is the modulus of a complex number or the root of a quadratic. One direction without
rotation (ω = 0) is the constant shift of the logits, which does not matter; the others with ω = 0 contract by a.

Source: `nash-background`, C3; `egpo`, C2; `apo`, C4 (derived).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from lab.arrays import Array, Real, check_between, check_positive, floats, namespace
from lab.games.solvers import EXTRAPOLATION

Modulus = Callable[..., Any]


def rotations(
    advantage: Float[Array, "... actions actions"], log_equilibrium: Float[Array, "... actions"]
) -> Float[Array, "... actions"]:
    r"""The rotations ω ≥ 0 of the game at a policy, largest first; each but the zeros stands there twice.

    Singular values of the skew matrix $(I - qq^\top)D^{1/2}AD^{1/2}(I - qq^\top)$ with $q = \sqrt\pi$, $D =
    \mathrm{diag}\,\pi$, which is similar to $A(\mathrm{diag}\,\pi - \pi\pi^\top)$ on the simplex.
    """
    advantage, log_equilibrium = floats(advantage, log_equilibrium)
    xp = namespace(advantage, log_equilibrium)
    q = xp.exp(log_equilibrium / 2.0)
    scaled = q[..., :, None] * advantage * q[..., None, :]
    along = xp.sum(scaled * q[..., None, :], axis=-1)  # (M q), and q M = −(M q) since M is skew
    centred = scaled - along[..., :, None] * q[..., None, :] + q[..., :, None] * along[..., None, :]
    return xp.linalg.svdvals(centred)


def mirror_descent_modulus(step_size: Real, *, beta: Real, rotation: Real) -> Float[Array, "..."]:
    r"""$\sqrt{a^2 + x^2}$: multiplicative weights (β = 0) always spiral outwards."""
    a, x = _shares(step_size, beta, rotation)
    return namespace(a).sqrt(a * a + x * x)


def extragradient_modulus(step_size: Real, *, beta: Real, rotation: Real) -> Float[Array, "..."]:
    r"""$|a(1+ix) - x^2| = \sqrt{(a-x^2)^2 + a^2x^2}$; at β = 0 it is $\sqrt{1-x^2+x^4}$."""
    a, x = _shares(step_size, beta, rotation)
    return namespace(a).sqrt((a - x * x) ** 2 + a * a * x * x)


def optimistic_modulus(step_size: Real, *, beta: Real, rotation: Real) -> Float[Array, "..."]:
    r"""Spectral radius of $\begin{pmatrix} a(1+ix) & -x^2 \\ a & ix\end{pmatrix}$; at β = 0 below 1 iff
    $x < 1/\sqrt 3$."""
    a, x = _shares(step_size, beta, rotation)
    xp = namespace(a)
    # μ² − tμ + d with t = a + i x(1+a) and d = i a x: the determinant a(1+ix)·ix + a x².
    return larger_root(a, x * (1.0 + a), xp.zeros_like(a * x), a * x)


def nash_mirror_descent_modulus(step_size: Real, *, beta: Real, rotation: Real) -> Float[Array, "..."]:
    r"""$a\sqrt{1+x^2}$, with the rotation taken at the mixture of the fixed point, not at the equilibrium."""
    a, x = _shares(step_size, beta, rotation)
    return namespace(a).abs(a) * namespace(a).sqrt(1.0 + x * x)


def momentum_modulus(
    step_size: Real, *, beta: Real, rotation: Real, extrapolation: Real = EXTRAPOLATION
) -> Float[Array, "..."]:
    r"""Larger root of $\mu^2 = (a+ix)[(1+\alpha)\mu - \alpha]$: above 1 at β = 0, and the more so the larger α."""
    check_between(0.0, 1.0, open_high=True, extrapolation=extrapolation)
    a, x = _shares(step_size, beta, rotation)
    a, x, share = floats(a, x, extrapolation)
    return larger_root(a * (1.0 + share), x * (1.0 + share), a * share, x * share)


def proximal_point_modulus(step_size: Real, *, rotation: Real) -> Float[Array, "..."]:
    r"""$1/\sqrt{1+x^2}$ for an outer step with temperature τ = 1/η: KL falls by $\tau^2/(\tau^2+\omega^2)$."""
    check_positive(step_size=step_size)
    check_between(0.0, float("inf"), rotation=rotation)
    step_size, rotation = floats(step_size, rotation)
    return 1.0 / namespace(rotation).sqrt(1.0 + (step_size * rotation) ** 2)


def mirror_descent_limit(*, beta: Real, rotation: Real) -> Float[Array, "..."]:
    r"""Mirror descent stays near the equilibrium iff $\eta < \frac{2\beta}{\beta^2+\omega^2}$, for the largest ω."""
    check_positive(beta=beta)
    check_between(0.0, float("inf"), rotation=rotation)
    beta, rotation = floats(beta, rotation)
    return 2.0 * beta / (beta * beta + rotation * rotation)


def contraction_limit(*, beta: Real) -> Float[Array, "..."]:
    r"""$\eta \le \frac{1}{\beta + 1/2}$: up to here extragradient contracts KL by 1 − ηβ in every game, from anywhere.

    Source: `egpo`, C1 (derived).
    """
    check_between(0.0, float("inf"), beta=beta)
    (beta,) = floats(beta)
    return 1.0 / (beta + 0.5)


MODULI: dict[str, Modulus] = {
    "mirror_descent": mirror_descent_modulus,
    "extragradient": extragradient_modulus,
    "optimistic": optimistic_modulus,
    "nash_mirror_descent": nash_mirror_descent_modulus,
    "momentum": momentum_modulus,
}


def stability_limit(modulus: Modulus, *, beta: float, rotation: Any, largest: float = 1e6, **settings: Any) -> float:
    """The step size at which a solver's modulus first reaches 1 from below, for the first of the rotations given.

    0 where it is not below 1 for small steps, infinity where it stays below up to `largest`. At β = 0 directions
    without rotation stay as they are and do not count. Bracketed on a grid of 4,096 step sizes, from a thousandth of
    the step that contracts best, then by bisection to rounding. NumPy.
    """
    from scipy.optimize import brentq

    check_between(0.0, float("inf"), beta=beta, rotation=np.asarray(rotation, float))
    rotation = np.atleast_1d(np.asarray(rotation, float))
    fastest = float(np.max(rotation))
    if beta == 0.0:
        rotation = rotation[rotation > 1e-12 * fastest]
        if fastest == 0.0:
            return 0.0

    def excess(step_size: Any) -> Any:
        found = modulus(np.asarray(step_size)[..., None], beta=beta, rotation=rotation, **settings)
        return np.max(np.asarray(found), axis=-1) - 1.0

    natural = beta / (beta * beta + fastest * fastest) if beta > 0.0 else 1.0 / fastest
    steps = np.geomspace(1e-3 * natural, max(largest, 10.0 * natural), 4096)
    above = excess(steps) >= 0.0
    if above[0]:
        return 0.0
    if not above.any():
        return float("inf")
    first = int(np.argmax(above))
    return float(brentq(excess, steps[first - 1], steps[first], xtol=1e-14 * natural, rtol=1e-14))


def _shares(step_size: Real, beta: Real, rotation: Real) -> tuple[Array, Array]:
    check_positive(step_size=step_size)
    check_between(0.0, float("inf"), beta=beta, rotation=rotation)
    step_size, beta, rotation = floats(step_size, beta, rotation)
    return 1.0 - step_size * beta, step_size * rotation


def larger_root(trace: Array, trace_imaginary: Array, det: Array, det_imaginary: Array) -> Array:
    r"""Larger modulus of the roots of $\mu^2 - t\mu + d$ for complex t and d, in real arithmetic."""
    xp = namespace(trace, det)
    # Discriminant D = t² − 4d, its square root s, and |t ± s|/2.
    real = trace * trace - trace_imaginary * trace_imaginary - 4.0 * det
    imaginary = 2.0 * trace * trace_imaginary - 4.0 * det_imaginary
    size = xp.sqrt(real * real + imaginary * imaginary)
    root = xp.sqrt(xp.maximum(size + real, 0.0 * size) / 2.0)
    root_imaginary = xp.where(imaginary < 0, -1.0, 1.0) * xp.sqrt(xp.maximum(size - real, 0.0 * size) / 2.0)
    plus = (trace + root) ** 2 + (trace_imaginary + root_imaginary) ** 2
    minus = (trace - root) ** 2 + (trace_imaginary - root_imaginary) ** 2
    return xp.sqrt(xp.maximum(plus, minus)) / 2.0
