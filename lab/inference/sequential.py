"""The judge of sampled evidence: observations arrive in chunks, and sampling may stop as soon as the verdict is
decided.

It bets against the ends of the claimed set (`lab.inference.betting`): `holds` once the means outside of it are
rejected, `fails` once those inside are. A verdict, once reached, stays. It looks after every chunk up to
`EVERY_CHUNK` observations, later each time that a sixteenth has been added, and whenever it is asked. Equal chunks
give equal results to the last bit; other chunks of the same observations may only stop at another moment and differ
in the compression of long samples (`lab.inference.sketch`).
"""

from typing import Any

import numpy as np

from lab.inference.betting import check_alpha, observations, rejects, side_alpha, tightened
from lab.inference.equivalence import FAILS, HOLDS, UNDECIDED, combine
from lab.inference.sketch import Sketch

EVERY_CHUNK = 2**16


class MeanJudge:
    """Does the mean of bounded observations lie in [claimed_low, claimed_high], in every coordinate?

    claimed_low, claimed_high: numbers or (coordinates,); ±inf for one-sided claims.
    low, high: known range of the observations, numbers or (coordinates,); one end may be infinite, for example
    high = inf for importance weights, and then only claims on the other side can be decided.
    alpha: bound on the probability that the verdict is ever wrong; the coordinates share it equally.
    Raises ValueError on bad arguments and on observations outside the range.
    """

    def __init__(self, claimed_low: Any, claimed_high: Any, low: Any, high: Any, alpha: float) -> None:
        check_alpha(alpha)
        ends = [np.asarray(end, dtype=float) for end in (claimed_low, claimed_high, low, high)]
        self._shape = np.broadcast_shapes(*[end.shape for end in ends])
        if len(self._shape) > 1:
            raise ValueError(f"claimed set and range have shape {self._shape}: must be numbers or (coordinates,)")
        claimed_lows, claimed_highs, lows, highs = (np.atleast_1d(np.broadcast_to(e, self._shape)) for e in ends)
        if not np.all(claimed_lows <= claimed_highs):
            raise ValueError(f"claimed_low = {claimed_low}: must not exceed claimed_high = {claimed_high}")
        observations(np.empty((0, len(lows))), lows, highs)  # refuses an impossible range
        self._range = lows, highs
        self._coordinates = [
            _Coordinate(*each, alpha=alpha / len(lows))
            for each in zip(claimed_lows, claimed_highs, lows, highs, strict=True)
        ]
        self.samples = 0

    @property
    def verdicts(self) -> list[str]:
        """The verdict of each coordinate, from all observations so far."""
        for coordinate in self._coordinates:
            coordinate.look()
        return [c.verdict for c in self._coordinates]

    @property
    def verdict(self) -> str:
        """`fails` if one coordinate fails, `holds` if all hold, else `undecided`."""
        return combine(self.verdicts)

    def update(self, chunk: Any) -> str:
        """Take in observations, (observations,) or (observations, coordinates); the verdict of the last look."""
        chunk = np.asarray(chunk)
        width = len(self._coordinates)
        if not (chunk.ndim == 1 and width == 1) and not (chunk.ndim == 2 and chunk.shape[1] == width):
            raise ValueError(f"chunk has shape {chunk.shape}: must be (observations, {width})")
        columns, _, _ = observations(chunk, *self._range)
        for coordinate, column in zip(self._coordinates, columns.T, strict=True):
            coordinate.update(column)
        self.samples += len(columns)
        return combine([c.verdict for c in self._coordinates])

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Confidence bounds of each coordinate, valid together; inside the claimed set where it `holds`."""
        bounds = np.asarray([c.interval() for c in self._coordinates])
        return bounds[:, 0].reshape(self._shape), bounds[:, 1].reshape(self._shape)

    def estimate(self) -> np.ndarray:
        """Mean of the observations of each coordinate; NaN before the first."""
        return np.asarray([c.sketch.mean for c in self._coordinates]).reshape(self._shape)


class _Coordinate:
    """One mean: a sample, and what has been rejected about it."""

    def __init__(self, claimed_low: float, claimed_high: float, low: float, high: float, *, alpha: float) -> None:
        self.claimed_low, self.claimed_high, self.low, self.high = claimed_low, claimed_high, low, high
        self.alpha = alpha
        self.alpha_side = side_alpha(alpha, low, high)
        self.sketch = Sketch()
        self.bounds = (low, high)  # what is known before the first observation
        self.verdict = UNDECIDED
        self.looked = 0  # observations at the last look
        self._judge()

    def update(self, x: np.ndarray) -> None:
        self.sketch.add(x)
        added = self.sketch.size - self.looked
        if self.sketch.size <= EVERY_CHUNK or 16 * added >= self.looked:
            self.look()

    def look(self) -> None:
        if self.verdict == UNDECIDED and self.looked < self.sketch.size:
            self.looked = self.sketch.size
            self._judge()

    def interval(self) -> tuple[float, float]:
        self.bounds = tightened(self.bounds, self.sketch, low=self.low, high=self.high, alpha=self.alpha)
        return self.bounds

    def _judge(self) -> None:
        # A rejection, once reached, is kept: the bound moves to the rejected end.
        lower, upper = self.bounds
        if lower > self.claimed_high or upper < self.claimed_low:
            self.verdict = FAILS  # the known range already says so
        elif self._above(self.claimed_high):
            self.verdict, lower = FAILS, max(lower, self.claimed_high)
        elif self._below(self.claimed_low):
            self.verdict, upper = FAILS, min(upper, self.claimed_low)
        else:
            if lower < self.claimed_low and self._above(self.claimed_low):
                lower = self.claimed_low
            if upper > self.claimed_high and self._below(self.claimed_high):
                upper = self.claimed_high
            if self.claimed_low <= lower and upper <= self.claimed_high:
                self.verdict = HOLDS
        self.bounds = (lower, upper)

    def _above(self, candidate: float) -> bool:
        """Whether all means up to the candidate are rejected by now."""
        if not (np.isfinite(self.low) and self.low <= candidate < self.sketch.mean):
            return False  # wealth grows only while the sample's mean is on the other side
        points, weights = self.sketch.points()
        return rejects((points - self.low, weights), candidate - self.low, alpha=self.alpha_side)

    def _below(self, candidate: float) -> bool:
        """Whether all means from the candidate on are rejected by now."""
        if not (np.isfinite(self.high) and self.high >= candidate > self.sketch.mean):
            return False
        points, weights = self.sketch.points()
        return rejects((self.high - points, weights), self.high - candidate, alpha=self.alpha_side)
