"""Whether the robust loss has a minimiser on a table of weighted pairs (`rdpo`, C9): see `lab.objectives.existence`."""

import numpy as np

from lab.arrays import check_between, check_same_shape
from lab.objectives.existence import Existence, existence


def existence_in_table(pair_features: np.ndarray, won: np.ndarray, lost: np.ndarray) -> Existence:
    """Critical flip rate of a table: pair features (pairs, features), and the weights with which each side was seen
    to win.

    The condition is homogeneous in each pair's features, so an observation of weight w is one with features scaled by
    w. Raises ValueError for negative weights, shapes that differ and an empty table.
    """
    x, won, lost = (np.asarray(a, float) for a in (pair_features, won, lost))
    check_between(0.0, float("inf"), won=won, lost=lost)
    check_same_shape(won=won, lost=lost, pairs=x[:, 0])
    if not (won.sum() + lost.sum() > 0):
        raise ValueError("won + lost is zero throughout: there is no data")
    rows = np.concatenate([x[won > 0] * won[won > 0, None], x[lost > 0] * lost[lost > 0, None]])
    labels = np.concatenate([np.ones(int(np.sum(won > 0))), -np.ones(int(np.sum(lost > 0)))])
    return existence(rows, labels)
