"""Every kind of finding, judged on numbers for which the right verdict is plain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lab.inference.rounding import rounded
from lab.ledger import findings
from lab.ledger.judge import BrokenCheck, decide, describe, judge

ALPHA = 1e-6
TENTHS = np.array([0.1, 0.2, 0.3])


@dataclass(frozen=True)
class World:
    bias: Any
    table: Any
    name: str = "w"


def one(finding, **options):
    return judge(iter([finding]), alpha=ALPHA, **options)


def tracked(x):
    return rounded(np.asarray(x, float))


# Exact comparisons


def test_equal_holds_within_the_computed_bound_and_shows_the_widest_gap():
    left, right = tracked(TENTHS) * 3, tracked(TENTHS + TENTHS) + tracked(TENTHS)
    found = one(findings.equal(left, right))
    assert found.verdict == "holds"
    assert found.counterexample is None
    assert found.low < found.estimate < found.high
    assert found.low <= found.predicted <= found.high
    assert found.samples == 3


@pytest.mark.parametrize(("gap", "verdict"), [(0.0, "holds"), (1e-9, "holds"), (1.1e-9, "fails"), (-1.1e-9, "fails")])
def test_equal_adds_nothing_to_the_declared_bound(gap, verdict):
    right = np.zeros(3)
    left = right + np.array([0.0, gap, 0.0])
    found = one(findings.equal(left, right, error=1e-9))
    assert found.verdict == verdict
    if verdict == "fails":
        assert found.counterexample == {"entry": [1]}
        assert (found.estimate, found.predicted) == (gap, 0.0)


@pytest.mark.parametrize(
    ("make", "gap", "verdict"),
    [
        (findings.at_most, -1.0, "holds"),
        (findings.at_most, 0.0, "holds"),
        (findings.at_most, 1e-9, "holds"),  # a tie within rounding
        (findings.at_most, 3e-9, "fails"),
        (findings.below, -1.0, "holds"),
        (findings.below, -1e-9, "undecided"),
        (findings.below, 0.0, "undecided"),
        (findings.below, 1e-9, "undecided"),
        (findings.below, 3e-9, "fails"),
    ],
)
def test_inequalities_and_their_ties(make, gap, verdict):
    right = np.full(4, 0.5)
    left = np.array([-9.0, gap, -9.0, -9.0])
    found = one(make(left + right, right, error=2e-9))
    assert found.verdict == verdict
    assert found.estimate == pytest.approx(0.5 + gap)
    assert found.high - found.low == pytest.approx(4e-9)


def test_a_failure_in_one_world_outweighs_ties_in_others_and_names_that_world():
    worlds = World(tracked([0.1, 0.2, 0.3]), tracked(np.arange(300.0).reshape(3, 100)), "coin")
    found = one(findings.below(worlds.bias, tracked([0.1, 0.15, 9.0])), world=worlds, worlds=3)
    assert found.verdict == "fails"
    assert found.counterexample == {"world": 1, "bias": 0.2, "name": "coin"}  # the table is too large to read
    assert found.samples == 3


def test_entries_within_a_world_are_named():
    worlds = World(tracked([0.1, 0.2]), tracked(np.arange(6.0).reshape(2, 3)))
    found = one(findings.equal(worlds.table, tracked([[0.0, 1.0, 2.0], [3.0, 4.5, 5.0]])), world=worlds, worlds=2)
    assert found.counterexample == {"world": 1, "bias": 0.2, "table": [3.0, 4.0, 5.0], "name": "w", "entry": [1]}


def test_a_fixed_parameter_is_described_whole():
    assert describe(World(np.array([1.0, 2.0, 3.0]), np.array([7.0, 8.0])), 2, 3) == {
        "world": 2, "bias": 3.0, "table": [7.0, 8.0], "name": "w",
    }  # fmt: skip
    assert describe(World(0.5, np.array([7.0, 8.0])), None) == {"bias": 0.5, "table": [7.0, 8.0], "name": "w"}


def test_of_several_comparisons_all_must_hold():
    good = findings.equal(tracked(TENTHS), tracked(TENTHS), series={"x": tracked(TENTHS)}, note="first")
    tie = findings.below(tracked(1.0), tracked(1.0), note="second")
    bad = findings.at_most(tracked(2.0), tracked(1.0), series={"y": TENTHS}, note="first")
    assert one((good, good)).verdict == "holds"
    assert one((good, tie)).verdict == "undecided"
    found = one((good, tie, bad))
    assert (found.verdict, found.estimate, found.predicted) == ("fails", 2.0, 1.0)
    assert set(found.series) == {"x", "y"}
    assert isinstance(found.series["x"], np.ndarray)
    assert found.note == "first; second"


@pytest.mark.parametrize(
    ("finding", "complaint"),
    [
        (findings.equal(tracked([1.0, np.nan]), tracked([1.0, 1.0])), "a side is not finite in 1 of 2"),
        (findings.at_most(tracked([np.inf]), tracked([1.0])), "not finite"),
        (findings.equal(tracked([np.inf]), tracked([np.inf])), "not finite"),
        (findings.equal(np.ones(2), np.ones(2), error=np.inf), "rounding bound is not finite"),
        (findings.equal(np.ones(2), np.ones(2), error=-1e-9), "negative"),
        (findings.equal(np.ones(2), np.ones(2)), "neither side tracks"),
        (findings.equal(tracked([]), tracked([])), "nothing was compared"),
        ((), "at least one"),
        ((findings.equal(tracked(1.0), 1.0), 3), "exact comparisons only"),
        (3.0, "must return a finding"),
        (None, "must return a finding"),
    ],
)
def test_what_cannot_be_judged_is_an_error_and_never_a_verdict(finding, complaint):
    with pytest.raises(BrokenCheck, match=complaint):
        one(finding)


def test_whole_numbers_need_no_bound():
    assert one(findings.equal(np.array([1, 2]), np.array([1, 2]))).verdict == "holds"
    assert one(findings.equal(np.array([1, 2]), np.array([1, 3]))).verdict == "fails"


# Means


def chunks(means, count, size=1000, seed=0, make=findings.mean_equals, **claim):
    """Coin tosses with these means, chunk after chunk; counts the chunks that were asked for."""
    rng = np.random.default_rng(seed)
    means = np.asarray(means)
    for chunks.drawn in range(1, count + 1):
        yield make((rng.random((size, *means.shape)) < means).astype(float), low=0.0, high=1.0, **claim)


def test_means_are_judged_until_decided_and_no_longer():
    found = judge(chunks(0.3, 200, target=0.3, within=0.05), alpha=ALPHA)
    assert found.verdict == "holds"
    assert 0.25 <= found.low <= found.estimate <= found.high <= 0.35
    assert found.predicted == 0.3
    assert found.samples == 1000 * chunks.drawn < 200_000
    found = judge(chunks(0.3, 200, target=0.7, within=0.05), alpha=ALPHA)
    assert found.verdict == "fails"
    assert found.high < 0.65
    assert chunks.drawn == 1


def test_a_mean_that_is_not_decided_within_the_budget_is_undecided():
    found = judge(chunks(0.3, 3, target=0.3, within=0.001), alpha=ALPHA)
    assert found.verdict == "undecided"
    assert found.samples == 3000


def test_columns_are_judged_together():
    good = judge(chunks([0.2, 0.8], 200, target=[0.2, 0.8], within=0.05), alpha=ALPHA)
    assert good.verdict == "holds"
    assert np.shape(good.estimate) == np.shape(good.low) == np.shape(good.high) == np.shape(good.predicted) == (2,)
    bad = judge(chunks([0.2, 0.8], 200, target=[0.2, 0.5], within=0.05), alpha=ALPHA)
    assert bad.verdict == "fails"
    same = judge(chunks([0.2, 0.8], 200, make=findings.mean_at_most, bound=0.9), alpha=ALPHA)
    assert same.verdict == "holds"


def test_observations_out_of_range_or_a_moving_question_break_the_check():
    with pytest.raises(ValueError, match="observation 2"):
        one(findings.mean_equals([0.5, 2.0], 0.5, within=0.1, low=0.0, high=1.0))
    with pytest.raises(ValueError, match="nan"):
        one(findings.mean_equals([0.5, np.nan], 0.5, within=0.1, low=0.0, high=1.0))
    moving = (findings.mean_equals(np.full(4, 0.5), t, within=0.1, low=0.0, high=1.0) for t in (0.5, 0.6))
    with pytest.raises(BrokenCheck, match="must not change"):
        judge(moving, alpha=ALPHA)


# Rates and intervals


def curve(power, rows=64):
    sizes = np.array([10.0, 20.0, 40.0, 80.0])
    return sizes, sizes**power * np.exp(0.1 * np.random.default_rng(1).normal(size=(rows, 4)))


def test_exponents_and_what_a_figure_needs():
    sizes, errors = curve(-0.5)
    found = one(findings.exponent(sizes, errors, between=(-0.6, -0.4), predicted=-0.5, series={"theory": sizes**-0.5}))
    assert found.verdict == "holds"
    assert -0.6 <= found.low <= found.estimate <= found.high <= -0.4
    assert set(found.series) == {"sizes", "median", "median_low", "median_high", "theory"}
    assert np.all(found.series["median_low"] <= found.series["median"])
    assert np.all(found.series["median"] <= found.series["median_high"])
    assert found.samples == 256
    assert one(findings.exponent(sizes, errors, between=(-1.1, -0.9), predicted=-1)).verdict == "fails"
    assert one(findings.exponent(sizes, errors, between=(-0.5001, -0.4999), predicted=-0.5)).verdict == "undecided"
    few = one(findings.exponent(sizes, errors[:5], between=(-0.6, -0.4), predicted=-0.5))
    assert (few.verdict, few.low, few.high) == ("undecided", -np.inf, np.inf)


def test_factors_of_a_deterministic_curve():
    steps = np.arange(1, 9)
    found = one(findings.factor(steps, 0.5**steps, between=(0.49, 0.51), predicted=0.5))
    assert found.verdict == "holds"
    assert found.estimate == pytest.approx(0.5)
    assert np.array_equal(found.series["median"], found.series["median_low"])
    assert one(findings.factor(steps, 0.7**steps, between=(0.49, 0.51), predicted=0.5)).verdict == "fails"


def test_a_curve_with_a_hole_breaks_the_check():
    sizes, errors = curve(-0.5)
    errors[3, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        one(findings.exponent(sizes, errors, between=(-0.6, -0.4), predicted=-0.5))


def test_intervals_of_the_evidence_are_compared_with_the_claim():
    def found(low, high, between=(0.0, 1.0)):
        return one(
            findings.interval(
                low if high == np.inf else (low + high) / 2, low, high, between=between, predicted=0.5, samples=7
            )
        )

    assert found(0.2, 0.8).verdict == "holds"
    assert found(0.2, 0.8).samples == 7
    assert found(0.2, 1.1).verdict == "undecided"
    assert found(1.1, 1.3).verdict == "fails"
    assert found(-np.inf, np.inf).verdict == "undecided"
    for bad in ((0.8, 0.2), (np.nan, 0.2)):
        with pytest.raises(BrokenCheck, match="not an interval"):
            found(*bad)
    with pytest.raises(ValueError, match="claimed_low = 1"):
        found(0.2, 0.8, between=(1.0, 0.0))


def test_one_interval_outside_its_claim_fails_them_all():
    assert decide([0.1, 0.1], [0.2, 0.2], 0.0, [1.0, 0.05]) == "fails"
    assert decide([0.1, 0.1], [0.2, 0.2], 0.0, [1.0, 0.15]) == "undecided"
    assert decide([0.1, 0.1], [0.2, 0.2], 0.0, 1.0) == "holds"
