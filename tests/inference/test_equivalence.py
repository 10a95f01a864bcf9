"""The decision rule on all positions of two intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.inference.equivalence import around, combine, decide

numbers = st.floats(-10, 10)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.1, 0.9), "holds"),
        ((0.0, 1.0), "holds"),
        ((-0.1, 0.9), "undecided"),
        ((0.5, 1.1), "undecided"),
        ((-1.0, 2.0), "undecided"),
        ((1.1, 2.0), "fails"),
        ((-1.0, -0.1), "fails"),
        ((1.0, 2.0), "undecided"),
        ((0.9, 0.1), "undecided"),
        ((np.nan, 0.5), "undecided"),
        ((0.5, np.nan), "undecided"),
    ],
)
def test_rule(interval: tuple[float, float], verdict: str) -> None:
    assert decide(*interval, 0.0, 1.0) == verdict


@given(numbers, numbers, numbers, numbers, numbers)
def test_an_interval_that_covers_is_never_wrong(a: float, b: float, c: float, d: float, truth: float) -> None:
    (lower, upper), (low, high) = sorted((a, b)), sorted((c, d))
    verdict = decide(lower, upper, low, high)
    if lower <= truth <= upper:
        assert verdict != ("fails" if low <= truth <= high else "holds")
    assert decide(-upper, -lower, -high, -low) == verdict


def test_arrays_and_one_sided_claims() -> None:
    verdicts = decide(np.asarray([0.1, 2.0, -1.0]), np.asarray([0.2, 3.0, 1.0]), -np.inf, 0.5)
    assert verdicts.tolist() == ["holds", "fails", "undecided"]


@pytest.mark.parametrize(
    ("verdicts", "combined"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "undecided"),
        (["undecided", "fails"], "fails"),
        (np.asarray([["holds", "fails"]]), "fails"),
        (["holds", "error"], "undecided"),
    ],
)
def test_coordinates(verdicts: list[str], combined: str) -> None:
    assert combine(verdicts) == combined


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least one coordinate"):
        combine([])
    with pytest.raises(ValueError, match="within = 0"):
        around(1.0, within=0.0)
    with pytest.raises(ValueError, match="claimed_low"):
        decide(0.0, 1.0, 2.0, 1.0)
    assert around(1.0, within=0.25) == (0.75, 1.25)
