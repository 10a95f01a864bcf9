"""What an evidence function hands to the judge: a statement about numbers, with the numbers.

    exact     equal(left, right), at_most(left, right), below(left, right)
    sampled   mean_equals(values, target, within=…), mean_between, mean_at_most, mean_at_least
    rate      exponent(sizes, errors, between=…), factor(steps, errors, between=…)
    data      any of the sampled ones, or interval(estimate, low, high, between=…) computed at `draw.alpha`
    proof     Checked(accepted, verdict, steps)

A function may return a tuple of exact findings: all of them must hold. `series` carries the small named arrays
that a figure draws beside what the judge measures (abscissae, theory), and `note` a line for `lab explain`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lab.inference.equivalence import around

Series = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """left (relation) right, in every world; `error` bounds the rounding of left − right that arrays do not track."""

    left: Any
    relation: Literal["equal", "at_most", "below"]
    right: Any
    error: Any = None
    series: Series = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Mean:
    """The mean of bounded observations lies in [claimed_low, claimed_high]; columns are judged together."""

    values: np.ndarray
    claimed_low: Any
    claimed_high: Any
    low: Any
    high: Any
    predicted: Any
    series: Series = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Rate:
    """How an error falls: as a power of a size, or by a factor a step. errors: (replications, sizes) or (sizes,)."""

    law: Literal["power", "geometric"]
    sizes: Any
    errors: Any
    claimed_low: float
    claimed_high: float
    predicted: float
    series: Series = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Interval:
    """A quantity with the confidence interval that the evidence computed itself, at level `draw.alpha`."""

    estimate: Any
    low: Any
    high: Any
    claimed_low: Any
    claimed_high: Any
    predicted: Any
    samples: int
    series: Series = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Checked:
    """Whether the exact checker accepted a certificate, and what that certificate proves: `holds` or `fails`."""

    accepted: bool
    verdict: str = ""
    steps: int = 0
    note: str = ""
    series: Series = field(default_factory=dict)


def equal(left: Any, right: Any, *, error: Any = None, series: Series | None = None, note: str = "") -> Comparison:
    """Both sides agree in every world, within the computed rounding error."""
    return Comparison(left, "equal", right, error, series or {}, note)


def at_most(left: Any, right: Any, *, error: Any = None, series: Series | None = None, note: str = "") -> Comparison:
    """left ≤ right in every world; a tie within rounding counts as holding."""
    return Comparison(left, "at_most", right, error, series or {}, note)


def below(left: Any, right: Any, *, error: Any = None, series: Series | None = None, note: str = "") -> Comparison:
    """left < right in every world, by more than rounding; a tie is undecided."""
    return Comparison(left, "below", right, error, series or {}, note)


def mean_between(
    values: Any,
    between: tuple[Any, Any],
    *,
    low: Any,
    high: Any,
    predicted: Any = None,
    series: Series | None = None,
    note: str = "",
) -> Mean:
    """The mean of observations known to lie in [low, high] lies in the claimed interval."""
    middle = (np.asarray(between[0], float) + np.asarray(between[1], float)) / 2
    return Mean(
        np.asarray(values), between[0], between[1], low, high, middle if predicted is None else predicted,
        series or {}, note,
    )  # fmt: skip


def mean_equals(values: Any, target: Any, *, within: Any, low: Any, high: Any, **more: Any) -> Mean:
    """The mean equals the target up to `within`, the difference that matters."""
    predicted = np.asarray(target, float)
    return mean_between(values, around(target, within=within), low=low, high=high, predicted=predicted, **more)


def mean_at_most(values: Any, bound: Any, *, low: Any, high: Any, **more: Any) -> Mean:
    """The mean is at most the bound."""
    bound = np.asarray(bound, float)
    return mean_between(values, (np.full_like(bound, -np.inf), bound), low=low, high=high, predicted=bound, **more)


def mean_at_least(values: Any, bound: Any, *, low: Any, high: Any, **more: Any) -> Mean:
    """The mean is at least the bound."""
    bound = np.asarray(bound, float)
    return mean_between(values, (bound, np.full_like(bound, np.inf)), low=low, high=high, predicted=bound, **more)


def exponent(
    sizes: Any, errors: Any, *, between: tuple[Any, Any], predicted: Any, series: Series | None = None,
    note: str = "",
) -> Rate:  # fmt: skip
    """error ∝ size^exponent, with the exponent in the claimed interval."""
    return Rate("power", sizes, errors, float(between[0]), float(between[1]), float(predicted), series or {}, note)


def factor(
    steps: Any, errors: Any, *, between: tuple[Any, Any], predicted: Any, series: Series | None = None,
    note: str = "",
) -> Rate:  # fmt: skip
    """error ∝ factor^step, with the factor in the claimed interval."""
    return Rate("geometric", steps, errors, float(between[0]), float(between[1]), float(predicted), series or {}, note)


def interval(
    estimate: Any, low: Any, high: Any, *, between: tuple[Any, Any], predicted: Any, samples: Any,
    series: Series | None = None, note: str = "",
) -> Interval:  # fmt: skip
    """A confidence interval computed by the evidence at level `draw.alpha` lies in the claimed interval."""
    return Interval(estimate, low, high, between[0], between[1], predicted, int(samples), series or {}, note)
