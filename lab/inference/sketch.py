r"""A sample kept small: at most a few thousand weighted points that stand for any number of observations.

Whatever replaces observations here lowers the sum of every log-wealth of `lab.inference.betting`, for each bet and
each candidate mean: decisions stay valid, at a small loss of power. Three forms follow one another:

As it is, up to `CAPACITY` observations.

On a grid. Each observation is split between the two neighbouring points so that its mean stays where it was: $x \to
l$ with weight $(r-x)/(r-l)$, $x \to r$ with weight $(x-l)/(r-l)$. Such a mean-preserving spread lowers the sum of
every concave function, and costs about (grid step / standard deviation)² / 4 of the growth, below 1e-4 on a grid
that follows the sample's own quantiles.

As the sums $n, \sum d, \sum d^2, \sum d^3$ and the extremes $a, b$, once $n \ge 4096\,(b-a)^2/\sigma^2$: they give
the Gauss–Lobatto rule with points $a, \xi, b$, whose error for the logarithm of a line,
$\tfrac{f''''}{24}\sum (x-a)(x-b)(x-\xi)^2 \ge 0$, has a known sign. A claim still open after $n$ observations needs
stakes of $\sqrt{2\ln(1/\alpha)/n}$ standard deviations at most; the rule then costs less than the part
$\ln(1/\alpha)\,(b-a)^2/(4 n \sigma^2)$ of the growth, for $\alpha$ = 5e-7 below 1e-3 and falling.
"""

from dataclasses import dataclass

import numpy as np

CAPACITY = 1024
SMOOTH = 4096  # observations for each (range / standard deviation)², which is at least 4
EDGE = 1e-6  # what lies nearer to an extreme, as a part of the range, is spread to both: rounding hides where it is


class Sketch:
    """Weighted points that stand for a stream of real observations; `mean` is that of all observations."""

    def __init__(self) -> None:
        self.size = 0
        self.total = 0.0
        self._pending: list[np.ndarray] = []  # observations still kept as they are
        self._waiting = 0
        self._grid = np.empty(0)
        self._weights = np.empty(0)
        self._sums: PowerSums | None = None

    @property
    def mean(self) -> float:
        return self.total / self.size if self.size else float("nan")

    def add(self, observations: np.ndarray) -> None:
        self.size += len(observations)
        self.total += float(np.sum(observations))
        self._pending.append(observations)
        self._waiting += len(observations)
        if self._waiting > CAPACITY:
            x = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending)
            self._pending, self._waiting = [], 0
            if self.size < 4 * SMOOTH or not self._sum(x):
                self._spread(x)
        else:
            self._pending[-1] = observations.copy()  # the caller may write into its array later

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and their weights, all positive; the weights sum to the number of observations."""
        summed, shares = self._sums.rule() if self._sums else (np.empty(0), np.empty(0))
        points = np.concatenate([self._grid, summed, *self._pending])
        weights = np.concatenate([self._weights, shares, np.ones(self._waiting)])
        used = weights > 0
        return points[used], weights[used]

    def _sum(self, x: np.ndarray) -> bool:
        """Put these observations, and all before, into sums, if those may stand for them."""
        centre = self._sums.centre if self._sums else float(np.mean(x))
        sums = PowerSums.of(x, centre)
        if len(self._grid):
            sums += PowerSums.of(self._grid, centre, self._weights)
        if self._sums:
            sums += self._sums
        if not sums.smooth:
            return False
        self._sums, self._grid, self._weights = sums, np.empty(0), np.empty(0)
        return True

    def _spread(self, x: np.ndarray) -> None:
        """Split observations over the grid, which the first ones lay out and new extremes extend."""
        x = np.sort(x)
        if len(self._grid) == 0:
            quantiles = x[np.linspace(0, len(x) - 1, CAPACITY // 2).astype(int)]
            even = np.linspace(x[0], x[-1], CAPACITY // 2)[1:-1]  # the ends are the sample's own, to the last bit
            self._grid = np.unique(np.concatenate([quantiles, even]))
            self._weights = np.zeros(len(self._grid))
        if x[0] < self._grid[0]:
            self._grid, self._weights = np.r_[x[0], self._grid], np.r_[0.0, self._weights]
        if x[-1] > self._grid[-1]:
            self._grid, self._weights = np.r_[self._grid, x[-1]], np.r_[self._weights, 0.0]
        # Observations of cell i stand between starts[i] and starts[i + 1]; the last cell is the top point alone.
        starts = np.r_[np.searchsorted(x, self._grid, side="left"), len(x)]
        counts = np.diff(starts).astype(float)
        filled = np.flatnonzero(counts[:-1])
        if len(filled):
            inside = x[: starts[-2]]  # all but the observations at the top point itself
            cell_excess = np.add.reduceat(inside, starts[filled]) - counts[filled] * self._grid[filled]
            share = np.clip(cell_excess / np.diff(self._grid)[filled], 0.0, counts[filled])
            counts[filled] -= share
            counts[filled + 1] += share
        self._weights = self._weights + counts


@dataclass(frozen=True)
class PowerSums:
    """Number of observations, sums of powers of their distances from `centre` (one of their range), and extremes."""

    centre: float
    count: float
    first: float
    second: float
    third: float
    low: float
    high: float

    @classmethod
    def of(cls, x: np.ndarray, centre: float, weights: np.ndarray | None = None) -> "PowerSums":
        d = x - centre
        weighted = d if weights is None else weights * d
        count = len(x) if weights is None else np.sum(weights)
        sums = (count, np.sum(weighted), weighted @ d, (weighted * d) @ d, np.min(x), np.max(x))
        return cls(centre, *(float(s) for s in sums))

    def __add__(self, other: "PowerSums") -> "PowerSums":
        return PowerSums(
            self.centre,
            self.count + other.count,
            self.first + other.first,
            self.second + other.second,
            self.third + other.third,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def smooth(self) -> bool:
        """Whether the sums may stand for the observations."""
        return SMOOTH * (self.high - self.low) ** 2 <= self.second - self.first**2 / self.count

    def rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and weights of the Gauss–Lobatto rule: the extremes, and one between unless all lie near the ends."""
        low, high = self.low - self.centre, self.high - self.centre
        width, both, product = high - low, low + high, low * high
        if width <= 0:
            return np.asarray([self.low]), np.asarray([self.count])
        inside = both * self.first - self.second - product * self.count  # Σ (d − low)(high − d)
        moment = both * self.second - self.third - product * self.first  # the same, each times d
        node, weight = low, 0.0
        if inside > 1e-9 * self.count * width**2 and EDGE * width < moment / inside - low < (1 - EDGE) * width:
            node = moment / inside
            weight = inside / ((node - low) * (high - node))
        top = max((self.first - low * self.count - weight * (node - low)) / width, 0.0)
        points = np.asarray([self.low, self.centre + node, self.high])
        return points, np.asarray([max(self.count - weight - top, 0.0), weight, top])
