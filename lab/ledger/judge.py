"""From what an evidence function found to a verdict, with the numbers that stand behind it.

    Comparison   every world agrees within the computed bound on rounding (nothing is added to it)
    Mean         a confidence sequence for the mean lies inside the claimed set (holds) or outside it (fails)
    Rate         the interval of the exponent or factor lies inside or outside the claimed interval
    Interval     as Rate, with the interval that the evidence computed itself
    Checked      what an accepted certificate proves; a rejected one decides nothing

Each random check may err with probability `alpha`. What is not decided is `undecided`, never `holds`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from lab.inference import equivalence, rounding
from lab.ledger.findings import Checked, Comparison, Interval, Mean, Rate

DRAWN = 0.05  # error level of the intervals that only figures use
LARGEST = 16  # numbers of a world's parameter that a counterexample still shows


class BrokenCheck(Exception):
    """The evidence handed over something that cannot be judged."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and its numbers: floats, or lists with one entry for each column judged together."""

    verdict: str
    predicted: Any = None
    estimate: Any = None
    low: Any = None
    high: Any = None
    samples: int = 0
    counterexample: dict[str, Any] | None = None
    note: str = ""
    series: dict[str, Any] = field(default_factory=dict)


def judge(findings: Iterable[Any], *, alpha: float, world: Any = None, worlds: int | None = None) -> Judgement:
    """The verdict on what an evidence function returned, call after call.

    `findings` is read only as far as the verdict needs: a check that samples stops when it is decided. `worlds` is the
    length of the leading axis of `world`'s fields when it is a whole family at once.
    """
    calls = iter(findings)
    first = next(calls)
    if isinstance(first, Comparison | tuple | list):
        return compare(first, world=world, worlds=worlds)
    if isinstance(first, Mean):
        return mean(first, calls, alpha=alpha)
    if isinstance(first, Rate):
        return rate(first, alpha=alpha)
    if isinstance(first, Interval):
        return interval(first)
    if isinstance(first, Checked):
        verdict = first.verdict if first.accepted else "undecided"
        return Judgement(verdict, samples=first.steps, note=first.note)
    raise BrokenCheck(f"evidence must return a finding (equal, mean_equals, exponent, …), not {type(first).__name__}")


def compare(found: Any, *, world: Any = None, worlds: int | None = None) -> Judgement:
    """Exact comparisons, all of which must hold; the numbers are those of the one that decides."""
    several = list(found) if isinstance(found, tuple | list) else [found]
    if not several or not all(isinstance(x, Comparison) for x in several):
        raise BrokenCheck("evidence that returns several findings must return exact comparisons only, and at least one")
    judged = [_compare(x, world, worlds) for x in several]
    decisive = next(x for verdict in ("fails", "undecided", "holds") for x in judged if x.verdict == verdict)
    return Judgement(
        **{f.name: getattr(decisive, f.name) for f in fields(Judgement) if f.name not in ("note", "series", "samples")},
        samples=max(x.samples for x in judged),
        note="; ".join(dict.fromkeys(x.note for x in judged if x.note)),
        series={name: numbers for x in judged for name, numbers in x.series.items()},
    )


def _compare(found: Comparison, world: Any, worlds: int | None) -> Judgement:
    left, right, difference, bound = _difference(found)
    relation = found.relation
    if not difference.size:
        raise BrokenCheck("nothing was compared: the arrays are empty")
    finite = np.isfinite(difference) & np.isfinite(bound)
    if not finite.all():
        where = _at(~finite)
        what = "a side" if not np.isfinite(difference[where]) else "the rounding bound"
        raise BrokenCheck(
            f"{what} is not finite in {int((~finite).sum())} of {finite.size} comparisons, first: "
            f"{left[where]!r} against {right[where]!r}, bound {bound[where]!r}"
        )
    gap = np.asarray(np.abs(difference) if relation == "equal" else difference)
    broken = gap > bound
    open_ = (gap >= -bound) & ~broken if relation == "below" else np.zeros_like(broken)
    if broken.any():
        verdict, where = "fails", _at(np.where(broken, gap - bound, -np.inf), largest=True)
    elif open_.any():
        verdict, where = "undecided", _at(np.where(open_, gap + bound, -np.inf), largest=True)
    else:
        verdict, where = "holds", _at(gap, largest=True)
    lone = worlds is None or not difference.ndim or difference.shape[0] != worlds
    shown = None
    if verdict != "holds":
        shown = {} if world is None else describe(world, None if lone else where[0], worlds)
        position = where if lone else where[1:]
        shown |= {"entry": [int(i) for i in position]} if position else {}
    return Judgement(
        verdict,
        predicted=float(right[where]),
        estimate=float(left[where]),
        low=float(left[where] - bound[where]),
        high=float(left[where] + bound[where]),
        samples=difference.size if worlds is None else worlds,
        counterexample=shown,
        note=found.note,
        series={name: rounding.value(numbers) for name, numbers in found.series.items()},
    )


def _difference(found: Comparison) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both sides, left − right, and the bound on the rounding error of that difference."""
    sides = found.left, found.right
    left, right = (np.asarray(rounding.value(side)) for side in sides)
    tracked = any(isinstance(side, rounding.Rounded) for side in sides)
    if found.error is None and not tracked and (left.dtype.kind == "f" or right.dtype.kind == "f"):
        raise BrokenCheck("neither side tracks its rounding error: return tracked arrays, or declare error=…")
    left, right = np.broadcast_arrays(left.astype(float), right.astype(float))
    if found.error is None and tracked:
        with np.errstate(invalid="ignore", over="ignore"):
            difference = rounding.rounded(found.left) - rounding.rounded(found.right)
        bound = rounding.error(difference)
        plain = rounding.value(difference)
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            plain = np.asarray(left - right)
        bound = np.asarray(0.0 if found.error is None else rounding.value(found.error), float)
        if np.any(bound < 0):
            raise BrokenCheck(f"the declared rounding error is negative: {float(np.min(bound))!r}")
    return left, right, plain, np.broadcast_to(bound, plain.shape)


def mean(first: Mean, more: Iterable[Any], *, alpha: float) -> Judgement:
    """Observations, chunk after chunk, until the confidence sequence decides or there are no more."""
    from lab.inference.sequential import MeanJudge

    columns = np.shape(first.values)[1:]
    claimed_low, claimed_high = (np.broadcast_to(x, columns) for x in (first.claimed_low, first.claimed_high))
    deciding = MeanJudge(claimed_low, claimed_high, first.low, first.high, alpha)
    found = first
    if deciding.update(first.values) == "undecided":
        for found in more:
            if not isinstance(found, Mean) or not _same_question(first, found):
                raise BrokenCheck(
                    "the claimed interval and the range of the observations must not change between chunks"
                )
            if deciding.update(found.values) != "undecided":
                break
    verdict = deciding.verdict
    low, high = deciding.interval()
    return Judgement(
        verdict,
        predicted=_numbers(np.broadcast_to(np.asarray(first.predicted, float), np.shape(low))),
        estimate=_numbers(deciding.estimate()),
        low=_numbers(low),
        high=_numbers(high),
        samples=int(deciding.samples),
        note=found.note,
        series={name: np.asarray(numbers) for name, numbers in found.series.items()},
    )


def _same_question(first: Mean, found: Mean) -> bool:
    names = ("claimed_low", "claimed_high", "low", "high")
    return all(np.array_equal(getattr(first, name), getattr(found, name)) for name in names)


def rate(found: Rate, *, alpha: float) -> Judgement:
    """An exponent or a factor with its interval, and for figures the median error at each size with its own."""
    from lab.inference import rates

    sizes, errors = np.asarray(found.sizes, float), np.asarray(found.errors, float)
    fit = (rates.power_law if found.law == "power" else rates.geometric_factor)(sizes, errors, alpha=alpha)
    median, low, high = medians(errors)
    series = {"sizes": sizes, "median": median, "median_low": low, "median_high": high}
    return Judgement(
        decide(fit.low, fit.high, found.claimed_low, found.claimed_high),
        predicted=float(found.predicted),
        estimate=float(fit.estimate),
        low=float(fit.low),
        high=float(fit.high),
        samples=errors.size,
        note=found.note,
        series=series | {name: np.asarray(numbers) for name, numbers in found.series.items()},
    )


def medians(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Medians over replications with exact 95 % intervals, for drawing; a deterministic curve has none but itself."""
    from lab.inference.rates import median_interval

    if errors.ndim == 1:
        return errors, errors, errors
    low, high = np.transpose([median_interval(column, alpha=DRAWN) for column in errors.T])
    return np.median(errors, axis=0), low, high


def interval(found: Interval) -> Judgement:
    """A confidence interval that the evidence computed itself at level alpha."""
    numbers = [np.asarray(x, float) for x in (found.estimate, found.low, found.high)]
    if any(np.isnan(x).any() for x in numbers) or np.any(numbers[1] > numbers[2]):
        raise BrokenCheck(f"not an interval: from {found.low!r} to {found.high!r}")
    return Judgement(
        decide(found.low, found.high, found.claimed_low, found.claimed_high),
        predicted=_numbers(found.predicted),
        estimate=_numbers(found.estimate),
        low=_numbers(found.low),
        high=_numbers(found.high),
        samples=int(found.samples),
        note=found.note,
        series={name: np.asarray(numbers) for name, numbers in found.series.items()},
    )


def decide(low: Any, high: Any, claimed_low: Any, claimed_high: Any) -> str:
    """holds: every interval lies in its claimed one; fails: some interval lies outside."""
    return equivalence.combine(
        equivalence.decide(*(np.asarray(x, float) for x in (low, high, claimed_low, claimed_high)))
    )


def describe(world: Any, index: int | None, worlds: int | None = None) -> dict[str, Any]:
    """The parameters of one world: the index into a family's draw, and every field that is small enough to read."""
    found: dict[str, Any] = {} if index is None else {"world": int(index)}
    if not is_dataclass(world):
        return found
    for entry in fields(world):
        value = getattr(world, entry.name)
        if isinstance(value, str | bool | int | float):
            found[entry.name] = value
        elif isinstance(value, rounding.Rounded) or hasattr(value, "dtype"):
            numbers = rounding.value(value)
            in_family = index is not None and numbers.ndim and len(numbers) == worlds
            numbers = numbers[index] if in_family else numbers
            if numbers.size <= LARGEST:
                found[entry.name] = numbers.tolist()
    return found


def _at(mask: np.ndarray, *, largest: bool = False) -> tuple[int, ...]:
    """Index of the largest entry (for a mask: of the first true one)."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _numbers(values: Any) -> Any:
    return None if values is None else np.asarray(values, float).tolist()
