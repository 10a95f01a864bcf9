r"""When robust DPO has a minimiser on given data, by one linear program.

For pairs with feature differences $x_i$ and labels $y_i = \pm 1$ the mean loss of $h_i = \beta\,x_i^\top\theta$
changes far along a direction $u$ with slope

$$\frac{\beta}{2}\left(\mathrm{mean}|u^\top x_i| - \frac{\mathrm{mean}\,y_i u^\top x_i}{1-2\varepsilon}\right),$$

so a minimiser exists exactly if $s^* = \max_u \frac{\sum_i y_i\,u^\top x_i}{\sum_i |u^\top x_i|} < 1 - 2\varepsilon$,
with $u$ over the directions that the data see. The left side does not know $\varepsilon$: there is one critical rate,
$\varepsilon^* = (1-s^*)/2$, below which the minimiser exists. DPO is the case $\varepsilon = 0$: its minimiser exists
unless the data are separable ($s^* = 1$). Source: `rdpo`, C9; the critical rate and the program are derived here.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from lab.arrays import Array, Real, check_finite, check_flip_rate, check_positive, floats, namespace


class Existence(NamedTuple):
    """The critical flip rate of data, and the direction (largest entry ±1) in which the loss first falls for ever."""

    critical_flip_rate: float
    direction: np.ndarray


def existence(features: Float[Array, "pairs features"], labels: Any) -> Existence:
    r"""Critical flip rate $\varepsilon^*$ and worst direction of pairs with feature differences and labels ±1.

    The program is the dual of the maximum above: the largest $\lambda = 1/s^*$ with
    $\sum_i t_i x_i = \lambda\sum_i y_i x_i$ and $|t_i| \le 1$, one row a feature; the multipliers of its rows are the
    direction. Accuracy: that of HiGHS, about 1e-9. Labels that cancel exactly have rate 1/2 and direction 0.
    Raises ValueError for no pairs, non-finite features, labels other than ±1, and lengths that differ.
    """
    check_finite(features=features)
    x, y = np.asarray(features, dtype=float), np.asarray(labels, dtype=float)
    if x.ndim != 2 or x.shape[0] == 0:
        raise ValueError(f"features has shape {x.shape}: must be (pairs, features) with at least one pair")
    if y.shape != x.shape[:1]:
        raise ValueError(f"labels has shape {y.shape}: must be one label for each of the {x.shape[0]} pairs")
    if not np.all(np.abs(y) == 1):
        raise ValueError(f"labels = {y[np.abs(y) != 1][0]:g} (first offending value of {y.size}): must be 1 or −1")
    scale = np.max(np.abs(x), initial=0.0)
    x = x / scale if scale > 0 else x
    total = x.T @ y
    pairs, dimensions = x.shape
    if not total.any():
        return Existence(0.5, np.zeros(dimensions))  # no direction gains, whatever the rate
    solved = linprog(
        c=np.append(np.zeros(pairs), -1.0),
        A_eq=np.hstack([x.T, -total[:, None]]),
        b_eq=np.zeros(dimensions),
        bounds=[*[(-1.0, 1.0)] * pairs, (1.0, None)],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
    )
    if not solved.success:
        raise RuntimeError(f"HiGHS could not solve the existence program: {solved.message}")
    direction = solved.eqlin.marginals
    direction = direction * np.sign(direction @ total)
    size = np.max(np.abs(direction))
    return Existence(max(0.0, float(1.0 - 1.0 / solved.x[-1]) / 2.0), direction / size if size > 0 else direction)


def minimiser_exists(features: Float[Array, "pairs features"], labels: Any, *, flip_rate: float) -> bool:
    r"""Whether the mean robust DPO loss of a log-linear policy has a minimiser on these pairs (at rate 0: DPO's).

    Raises as `existence`, and ValueError unless 0 ≤ flip_rate < 1/2. Source: `rdpo`, C9.
    """
    check_flip_rate(flip_rate)
    return bool(flip_rate < existence(features, labels).critical_flip_rate - 1e-9)


def slope_at_infinity(
    direction: Float[Array, "... features"],
    features: Float[Array, "... pairs features"],
    labels: Float[Array, "... pairs"],
    *,
    beta: Real,
    flip_rate: Real,
) -> Float[Array, "..."]:
    r"""Slope of the mean robust DPO loss far along a direction, per unit of it; negative: unbounded below.

    Raises ValueError unless 0 ≤ flip_rate < 1/2 and beta is positive. Source: `rdpo`, C9.
    """
    check_flip_rate(flip_rate)
    check_positive(beta=beta)
    check_finite(direction=direction, features=features, labels=labels)
    direction, features, labels, beta, flip_rate = floats(direction, features, labels, beta, flip_rate)
    xp = namespace(features)
    along = xp.sum(features * direction[..., None, :], axis=-1)
    gain = xp.mean(labels * along, axis=-1) / (1.0 - 2.0 * flip_rate)
    return beta / 2.0 * (xp.mean(xp.abs(along), axis=-1) - gain)
