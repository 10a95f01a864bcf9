"""Exact confidence intervals for fixed sample sizes: binomial proportions."""

from typing import Any

import numpy as np
from scipy.special import betaincinv

from lab.inference.betting import check_alpha


def clopper_pearson(successes: Any, trials: Any, *, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Exact two-sided interval for a binomial probability: quantiles of Beta(s, n−s+1) and Beta(s+1, n−s).

    Covers with probability at least 1 − alpha for a number of trials fixed beforehand (`betting` is for those who
    may stop early). Arrays broadcast. Raises ValueError unless 0 ≤ successes ≤ trials and 0 < alpha < 1.
    """
    check_alpha(alpha)
    s, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    if not np.all((s >= 0) & (s <= n)):
        raise ValueError(f"successes = {successes}: must lie in [0, trials = {trials}]")
    with np.errstate(invalid="ignore"):
        low = np.where(s == 0, 0.0, betaincinv(np.maximum(s, 1), n - s + 1, alpha / 2))
        high = np.where(s == n, 1.0, betaincinv(s + 1, np.maximum(n - s, 1), 1 - alpha / 2))
    return low, high
