"""Findings that several modules hand over: shares of runs, and means in units of their prediction."""

from typing import Any

import numpy as np

from lab.ledger.findings import Mean, Series, mean_at_least, mean_equals


def share_at_least(seen: Any, share: float, *, series: Series | None = None) -> Mean:
    """What was `seen` or not, (runs, …), is seen in at least this share of the runs; columns are judged together."""
    seen = np.asarray(seen, float)
    return mean_at_least(seen, np.full(seen.shape[1:], share), low=0.0, high=1.0, series=series)


def ratio_equals(observed: Any, predicted: Any, claimed: Any, *, within: float, cut: float) -> Mean:
    """The mean of what was observed, (runs, …), is `claimed`, to `within` times the prediction, (…).

    The mean of a non-negative quantity has no upper confidence bound without a known range: observations are cut at
    `cut` times the prediction, which runs do not reach in practice; the claim is about the mean of what is left.
    """
    return mean_equals(np.minimum(observed / predicted, cut), claimed / predicted, within=within, low=0.0, high=cut)
