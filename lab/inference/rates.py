r"""Exponents of power laws and factors of linear convergence, with intervals.

Independent replications of a whole curve give independent slopes. The interval is the exact, distribution-free
one for the **median** of the slope, from the binomial law of the order statistics: no normality, no variance to
estimate.

When the median slope is the exponent: if $\log e_s = a + \gamma \log n_s + \xi_s$ with noise $\xi_s$ that is
independent and identically distributed over the sizes, and the sizes are symmetric around their geometric mean,
then the least-squares slope minus $\gamma$ is a sum of terms $w\,(\xi_s - \xi_{s'})$ over mirrored pairs of
sizes, whose laws are symmetric: its median is 0, whatever the law of the noise. With noise whose law changes
with the size (small samples are skewed differently from large ones) the median slope is that of the curve of
typical errors, no more.

Deterministic curves have no replications: there the range of the local slopes over the later half stands for
the interval.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

from lab.inference.betting import check_alpha


@dataclass(frozen=True)
class Rate:
    """An exponent or a factor: its estimate, its interval, and the values of the replications (or local slopes)."""

    estimate: float
    low: float
    high: float
    values: np.ndarray


def replications_needed(alpha: float) -> int:
    r"""Fewest replications whose range covers the median with probability 1 − alpha: $2 \cdot 2^{-R} \le \alpha$."""
    check_alpha(alpha)
    return int(np.ceil(np.log2(2 / alpha)))


def power_law(sizes: Any, errors: Any, *, alpha: float) -> Rate:
    r"""Exponent $\gamma$ of $e \propto n^{\gamma}$, the slope of $\log e$ on $\log n$.

    sizes: (sizes,), positive and increasing.
    errors: (replications, sizes), independent rows, all positive; the interval is infinite when there are fewer than
    `replications_needed(alpha)` rows. Or (sizes,), a deterministic curve: the range of the slopes between
    neighbouring sizes over the later half, and alpha plays no part.
    Raises ValueError on errors or sizes that are not positive and finite, and on shapes that do not agree.
    """
    sizes = np.asarray(sizes, dtype=float)
    _check(sizes=sizes, errors=np.asarray(errors, dtype=float))
    return _rate(np.log(sizes), errors, alpha)


def geometric_factor(steps: Any, errors: Any, *, alpha: float) -> Rate:
    r"""Factor $\rho$ of $e \propto \rho^{t}$, the exponential of the slope of $\log e$ on $t$; see `power_law`."""
    steps = np.asarray(steps, dtype=float)
    _check(steps=steps - np.min(steps, initial=0.0) + 1.0, errors=np.asarray(errors, dtype=float))
    slope = _rate(steps, errors, alpha)
    estimate, low, high = (float(np.exp(s)) for s in (slope.estimate, slope.low, slope.high))
    return Rate(estimate, low, high, np.exp(slope.values))


def median_interval(values: Any, *, alpha: float) -> tuple[float, float]:
    r"""Exact interval for the median of independent values: order statistics $r$ and $R-r+1$ with
    $P(\mathrm{Bin}(R, 1/2) < r) \le \alpha/2$; infinite when even the extremes are too narrow."""
    check_alpha(alpha)
    values = np.sort(np.asarray(values, dtype=float))
    count = len(values)
    rank = int(np.sum(bdtr(np.arange(count), count, 0.5) <= alpha / 2))
    if rank == 0:
        return -np.inf, np.inf
    return float(values[rank - 1]), float(values[count - rank])


def _rate(x: np.ndarray, errors: Any, alpha: float) -> Rate:
    log_errors = np.log(np.asarray(errors, dtype=float))
    if log_errors.ndim == 1:
        return _deterministic(x, log_errors)
    centred = x - np.mean(x)
    slopes = log_errors @ centred / (centred @ centred)
    low, high = median_interval(slopes, alpha=alpha)
    return Rate(float(np.median(slopes)), low, high, slopes)


def _deterministic(x: np.ndarray, log_errors: np.ndarray) -> Rate:
    local = np.diff(log_errors) / np.diff(x)
    late = local[len(local) // 2 :]
    start = len(x) - 1 - len(late)
    overall = float((log_errors[-1] - log_errors[start]) / (x[-1] - x[start]))
    return Rate(overall, float(np.min(late)), float(np.max(late)), local)


def _check(**named: np.ndarray) -> None:
    (name, x), (_, errors) = named.items()
    if x.ndim != 1 or len(x) < 2 or errors.ndim not in (1, 2) or errors.shape[-1] != len(x):
        legal = "must be (n,) with n ≥ 2, and (n,) or (replications, n)"
        raise ValueError(f"{name} has shape {x.shape}, errors {errors.shape}: {legal}")
    if errors.ndim == 2 and len(errors) == 0:
        raise ValueError("errors has no replications")
    for label, values in ((name, x), ("errors", errors)):
        bad = ~(np.isfinite(values) & (values > 0))
        if np.any(bad):
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(f"{label}{list(where)} = {values[where]:g}: must be positive and finite")
    if np.any(np.diff(x) <= 0):
        raise ValueError(f"{name} = {x}: must increase")
