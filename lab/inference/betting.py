r"""Anytime-valid confidence sequences for means of bounded observations, by betting.

One primitive: observations $y_t \ge 0$ with $\mathbb{E}[y_t \mid \text{past}] \le c$. A gambler who stakes the
fraction $f \in [0, 1]$ of the capital in each round holds $K_f = \prod_t (1 - f + f\,y_t/c)$, a non-negative
supermartingale that starts at 1; so does the mixture $K = \sum_f \pi_f K_f$ over a fixed grid of fractions. By
Ville's inequality $P(\sup_t K_t \ge 1/\alpha) \le \alpha$: a candidate $c$ whose wealth ever reaches $1/\alpha$
is rejected, at any time and under any rule for stopping. Nothing is assumed of the observations but their
range: no identical law, no independence beyond the condition on the mean.

$K$ falls as $c$ grows, so the rejected candidates are those below a lower confidence bound. Lower bounds for
the mean of $x \in [l, h]$ come from $y = x - l$, upper ones from $y = h - x$; either end may be infinite, and
then only the other bound exists. The fractions are even in the logit, from 1e-5 to 0.993, and 1 itself: the
wealth is within log(35) ≈ 3.6 nats of the best fraction of the grid in hindsight, and neighbours on the grid
differ by a factor of 1.65, which costs at most 6 % of the growth. The wealth depends on the observations alone,
not on their order or on the chunks in which they arrive.

Method: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (arXiv:2010.09686); the
mixture is Cover's universal portfolio on a grid (Orabona and Jun, arXiv:2110.14099). Compression of long
samples: `lab.inference.sketch`.
"""

from typing import Any

import numpy as np

from lab.inference.sketch import PowerSums, Sketch

FRACTIONS = np.append(1 / (1 + np.exp(-np.arange(-11.5, 5.01, 0.5))), 1.0)
LOG_PRIOR = -np.log(len(FRACTIONS))
TOLERANCE = 1e-6  # nats by which the wealth at a bound may exceed what rejects it
NEGLIGIBLE = 12.0  # nats by which a fraction's wealth may lag behind the best before it is left out
FEW = 256  # points, for which the rule saves nothing
SMALLEST = -600.0  # logarithm of the smallest candidate that is looked at

Points = tuple[np.ndarray, np.ndarray]  # observations (or points of a sketch) and their weights


def growth(y: np.ndarray, candidate: float) -> np.ndarray:
    r"""$\log(1 - f + f\,y/c)$ for each observation and each fraction: shape (observations, fractions), nats."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # A mean of 0 leaves no room for a positive observation and says nothing about a 0. The cap avoids infinities.
        ratio = np.where((y == 0) & (candidate == 0), 1.0, np.minimum(y / candidate, 1e300))[:, None]
        return np.log((1 - FRACTIONS) + FRACTIONS * ratio)


def log_wealth(points: Points, candidate: float) -> float:
    r"""$\log K$ against the hypothesis that the mean of non-negative observations is at most the candidate."""
    y, weights = points
    if candidate <= 0 and np.any(y > 0):
        return np.inf
    return float(_mixture(weights @ growth(y, candidate)) if len(y) else 0.0)


def log_wealth_path(y: np.ndarray, candidate: float) -> np.ndarray:
    """The same after each observation in turn: shape (observations,)."""
    return _mixture(np.cumsum(growth(y, candidate), axis=0))


def _mixture(log_capital: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp.reduce(log_capital + LOG_PRIOR, axis=-1))


def rejects(points: Points, candidate: float, *, alpha: float) -> bool:
    r"""Whether all means up to the candidate are rejected: $\log K \ge \log(1/\alpha)$."""
    threshold = -np.log(alpha)
    with np.errstate(over="ignore", invalid="ignore"):
        hopeless = bool(_ceiling(points, candidate) < threshold - 1e-6)
    return not hopeless and bool(log_wealth(points, candidate) >= threshold)


def _ceiling(points: Points, candidate: float) -> float:
    r"""Cheap upper bound of $\log K$, which spares most evaluations of the whole grid.

    $g(f) = \sum \log(1 - f + f\,y/c)$ is concave, and the mixture is at most $\max_f g$: tangents at 0 and at Newton's
    step from 0 bound it.
    """
    y, weights = points
    if candidate <= 0 or not len(y):
        return np.inf
    gain = y / candidate - 1
    slope = weights @ gain  # g'(0)
    if slope <= 0:
        return 0.0
    f = min(float(slope / (weights @ gain**2)), 0.99)
    shares = 1 + f * gain
    value, turned = weights @ np.log(shares), weights @ (gain / shares)
    if turned >= 0:
        return float(value + turned * (1 - f))
    return float(slope * (value - turned * f) / (slope - turned))  # where the tangents meet


def lower_bound(points: Points, *, alpha: float) -> float:
    r"""The largest rejected candidate mean of non-negative observations (0 when there is none).

    A sample's Gauss–Lobatto rule, of three points, tells where the bound is about, and which fractions matter there:
    without the others the wealth is smaller, so that what is returned is itself rejected.
    """
    y, weights = points
    largest = np.max(y, initial=0.0)
    if largest == 0:
        return 0.0
    scaled, target = y / largest, -np.log(alpha)
    # At fraction 1 an observation of 0 takes all capital, for good.
    fractions = FRACTIONS if np.all(y > 0) else FRACTIONS[:-1]
    sums = PowerSums.of(scaled, float(weights @ scaled / np.sum(weights)), weights)
    mean, spread = sums.centre, np.sqrt(sums.second / sums.count)
    start = max(mean - spread * np.sqrt(2 * target / sums.count), mean * np.exp(-1 - 2 * target / sums.count))
    if len(y) > FEW:
        start, log_capital = _root(sums.rule(), start, fractions, target)
        matter = np.flatnonzero(log_capital > np.max(log_capital) - NEGLIGIBLE)
        fractions = fractions[matter[0] : matter[-1] + 4]  # all the points may favour larger bets than the rule
    return float(largest * _root((scaled, weights), start, fractions, target)[0])


def _root(points: Points, start: float, fractions: np.ndarray, target: float) -> tuple[float, np.ndarray]:
    r"""The candidate at which $\log K$ is the target, or above it by at most `TOLERANCE` (0: there is none).

    With it, the logarithm of each fraction's part of the wealth. $\log K$ is convex and falling in $\log c$: after the
    first of Newton's steps all others stay on the side of the rejected candidates.
    """
    y, weights = points
    s = np.log(start) if start > 0 else SMALLEST
    for _ in range(200):
        stakes = fractions * (y * np.exp(-s))[:, None]
        shares = (1 - fractions) + stakes
        log_capital = weights @ np.log(shares) + LOG_PRIOR
        wealth = np.logaddexp.reduce(log_capital)
        surplus = wealth - target
        if 0 <= surplus <= TOLERANCE:
            break
        slope = -np.exp(log_capital - wealth) @ (weights @ (stakes / shares))
        s = max(s - (surplus - TOLERANCE / 2) / slope, SMALLEST)
    return (float(np.exp(s)) if surplus >= 0 else 0.0), log_capital


def confidence_sequence(
    x: Any, *, alpha: float, low: Any, high: Any, times: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Lower and upper confidence bounds for $\mathbb{E}[x_t \mid \text{past}]$, valid at all times at once.

    x: (observations,) or (observations, columns).
    low, high: the known range, numbers or (columns,); one of them may be infinite: then so is that bound, and the
    other one gets all of alpha.
    alpha: probability, in each column, that the bounds ever miss the mean; several columns used together share an
    alpha through the caller.
    times: increasing numbers of observations; the bounds have shape (times,) or (times, columns), without the first
    axis when times is left out (all observations). From one of the times to the next they only tighten.

    Raises ValueError on observations that are not finite or outside the range (beyond rounding), and on bad
    arguments. Source: Waudby-Smith and Ramdas (2020), with the mixture of the module's docstring.
    """
    columns, low, high = observations(x, low, high)
    check_alpha(alpha)
    moments = [len(columns)] if times is None else [int(t) for t in np.atleast_1d(times)]
    if moments != sorted(moments) or (moments and not 0 <= moments[0] <= moments[-1] <= len(columns)):
        raise ValueError(f"times = {times}: must increase and lie in [0, {len(columns)}]")
    lower = np.empty((len(moments), columns.shape[1]))
    upper = np.empty_like(lower)
    for k in range(columns.shape[1]):
        sketch, seen, bounds = Sketch(), 0, (low[k], high[k])
        for i, moment in enumerate(moments):
            sketch.add(columns[seen:moment, k])
            seen, bounds = moment, tightened(bounds, sketch, low=low[k], high=high[k], alpha=alpha)
            lower[i, k], upper[i, k] = bounds
    if np.ndim(x) == 1:
        lower, upper = lower[:, 0], upper[:, 0]
    return (np.asarray(lower[0]), np.asarray(upper[0])) if times is None else (lower, upper)


def paired_difference(
    x: Any, y: Any, *, alpha: float, low: Any, high: Any, times: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Confidence sequence for $\mathbb{E}[x_t - y_t]$ of pairs in [low, high]; see `confidence_sequence`."""
    if np.shape(x) != np.shape(y):
        raise ValueError(f"shapes must agree: x has {np.shape(x)}, y has {np.shape(y)}")
    width = np.asarray(high, dtype=float) - np.asarray(low, dtype=float)
    return confidence_sequence(np.asarray(x) - np.asarray(y), alpha=alpha, low=-width, high=width, times=times)


def tightened(
    bounds: tuple[float, float], sketch: Sketch, *, low: float, high: float, alpha: float
) -> tuple[float, float]:
    """The bounds, intersected with those that all observations so far give; alpha is shared by the finite ends."""
    points, weights = sketch.points()
    alpha = side_alpha(alpha, low, high)
    lower, upper = bounds
    if np.isfinite(low):
        lower = max(lower, low + lower_bound((points - low, weights), alpha=alpha))
    if np.isfinite(high):
        upper = min(upper, high - lower_bound((high - points, weights), alpha=alpha))
    return lower, upper


def side_alpha(alpha: float, low: float, high: float) -> float:
    """The error probability of one side: half when the range is finite at both ends."""
    return alpha / (int(np.isfinite(low)) + int(np.isfinite(high)))


def check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha:g}: must lie in (0, 1)")


def observations(x: Any, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations as float64 (observations, columns) and the range of each column, all checked.

    What exceeds an end by no more than the rounding of the observations' own type is set to that end.
    """
    x = np.asarray(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"observations have shape {x.shape}: must be (observations,) or (observations, columns)")
    rows = np.asarray(x.T if x.ndim == 2 else x[None], dtype=float, order="C")  # each column lies together: fast
    columns = rows.T
    low, high = (np.broadcast_to(np.asarray(end, dtype=float), len(rows)) for end in (low, high))
    for name, end, other in (("low", low, high), ("high", high, low)):
        if np.any(np.isnan(end) | (low > high) | (np.isinf(low) & np.isinf(high)) | ((end == other) & np.isinf(end))):
            raise ValueError(f"{name} = {end}: low must not exceed high, and one of them must be finite")
    if not rows.size:
        return columns, low, high
    precision = np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0.0
    slack = [8 * precision * np.where(np.isfinite(end), np.abs(end), 0.0) for end in (low, high)]
    smallest, largest = np.min(rows, axis=1), np.max(rows, axis=1)  # NaN if any is
    if not np.all((smallest >= low - slack[0]) & (largest <= high + slack[1]) & np.isfinite(smallest + largest)):
        bad = ~((columns >= low - slack[0]) & (columns <= high + slack[1]) & np.isfinite(columns))
        row, column = np.argwhere(bad)[0]
        legal = f"must be finite and lie in [{low[column]:g}, {high[column]:g}]"
        raise ValueError(f"observation {columns[row, column]:.17g} (row {row}, column {column}): {legal}")
    inside = np.all(smallest >= low) and np.all(largest <= high)
    return (columns if inside else np.clip(columns, low, high)), low, high
