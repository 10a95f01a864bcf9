"""From a confidence interval to a verdict: does the truth lie in the claimed set?

A claim of equality says how close is close enough: `around(target, within=…)`. The interval must lie inside the
claimed set for `holds`, outside of it for `fails`; anything else is `undecided`. A wrong verdict needs an
interval that misses the truth.
"""

from typing import Any

import numpy as np

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"


def around(target: Any, *, within: Any) -> tuple[Any, Any]:
    """The claimed set target ± within.

    Raises ValueError on a target that is not finite, and unless within is positive: no sample shows exact equality.
    """
    target, within = np.asarray(target, dtype=float), np.asarray(within, dtype=float)
    if not np.all(np.isfinite(target)):
        raise ValueError(f"target = {target}: must be finite")
    if not np.all(within > 0):
        raise ValueError(f"within = {np.min(within):g}: must be positive, no sample can show exact equality")
    return target - within, target + within


def decide(lower: Any, upper: Any, claimed_low: Any, claimed_high: Any) -> Any:
    """Verdict on "the truth lies in [claimed_low, claimed_high]" from an interval [lower, upper] that covers the truth.

    A string for numbers, an array of strings for arrays (the arguments broadcast). Infinite ends are one-sided claims;
    an empty interval (lower above upper) or one with a NaN says nothing.
    """
    lower, upper, claimed_low, claimed_high = np.broadcast_arrays(lower, upper, claimed_low, claimed_high)
    if np.any(~(claimed_low <= claimed_high)):
        raise ValueError(f"claimed_low = {claimed_low}: must not exceed claimed_high = {claimed_high}")
    covers = lower <= upper
    inside = covers & (claimed_low <= lower) & (upper <= claimed_high)
    outside = covers & ((upper < claimed_low) | (lower > claimed_high))
    verdict = np.where(inside, HOLDS, np.where(outside, FAILS, UNDECIDED))
    return verdict if verdict.ndim else str(verdict)


def combine(verdicts: Any) -> str:
    """Verdict of a claim about several coordinates: it fails if one fails, and holds if all hold."""
    verdicts = np.ravel(verdicts)
    if not len(verdicts):
        raise ValueError("verdicts is empty: a claim has at least one coordinate")
    if np.any(verdicts == FAILS):
        return FAILS
    return HOLDS if np.all(verdicts == HOLDS) else UNDECIDED
