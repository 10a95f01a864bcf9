r"""A sample kept small: at most a few thousand weighted points that stand for any number of observations.

Up to `CAPACITY` observations are kept as they are. Beyond, each observation is split between the two
neighbouring points of a fixed grid so that its mean stays where it was: $x \to l$ with weight $(r-x)/(r-l)$, $x
\to r$ with weight $(x-l)/(r-l)$. Such a mean-preserving spread lowers the sum of every concave function of the
observations, thus every log-wealth of `lab.inference.betting`, for every bet and every candidate mean:
decisions stay valid, at a loss of power of about (grid step / standard deviation)² / 4, which is below 1e-4 on
a grid that follows the sample's own quantiles.
"""

import numpy as np

CAPACITY = 1024


class Sketch:
    """Weighted points that stand for a stream of real observations; `mean` is that of all observations."""

    def __init__(self) -> None:
        self.size = 0
        self.total = 0.0
        self._pending: list[np.ndarray] = []  # observations still kept as they are
        self._waiting = 0
        self._grid = np.empty(0)
        self._weights = np.empty(0)

    @property
    def mean(self) -> float:
        return self.total / self.size if self.size else float("nan")

    def add(self, observations: np.ndarray) -> None:
        self.size += len(observations)
        self.total += float(np.sum(observations))
        self._pending.append(observations)
        self._waiting += len(observations)
        if self._waiting > CAPACITY:
            self._fold()

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and their weights, all positive; the weights sum to the number of observations."""
        used = self._weights > 0
        points = np.concatenate([self._grid[used], *self._pending])
        return points, np.concatenate([self._weights[used], np.ones(self._waiting)])

    def _fold(self) -> None:
        """Split the waiting observations over the grid, which the first ones lay out and new extremes extend."""
        x = np.sort(self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending))
        self._pending, self._waiting = [], 0
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
