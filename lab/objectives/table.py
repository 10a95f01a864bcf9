"""The table of preference losses: one row a loss, with the properties that its tests and its readers rely on.

A new loss is one function in its family's file and one row here; the whole contract suite then runs on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.objectives.hinge import hinge, hinge_minimiser, robust_hinge, robust_hinge_minimiser
from lab.objectives.listwise import plackett_luce_dpo, robust_plackett_luce_dpo
from lab.objectives.logistic import (
    conservative_dpo,
    conservative_dpo_minimiser,
    dpo,
    dpo_minimiser,
    noisy_likelihood_dpo,
    robust_dpo,
    robust_dpo_minimiser,
)
from lab.objectives.probit import probit, probit_minimiser, robust_probit, robust_probit_minimiser
from lab.objectives.squared import ipo, ipo_minimiser, robust_ipo, robust_ipo_minimiser


@dataclass(frozen=True)
class Objective:
    """One loss: `formula(*inputs, **settings)` gives one number a pair or ranking."""

    formula: Callable[..., Any]
    source: str
    settings: tuple[str, ...] = ("beta",)
    inputs: tuple[str, ...] = ("margin",)  # names of its array arguments: "margin", "log_ratios"
    convex: bool = True  # in its inputs
    bounded_below: bool = True
    needs_reference: bool = True
    smooth: bool = True  # differentiable everywhere
    corrects: str | None = None  # the loss that it equals in expectation over flips
    minimiser: Callable[..., Any] | None = None  # saturated (tabular) margin from the observed win rate

    @property
    def name(self) -> str:
        return str(getattr(self.formula, "__name__", "?"))


NOISY = ("beta", "flip_rate")

ROWS = (
    Objective(dpo, "Rafailov et al. 2023", minimiser=dpo_minimiser),
    Objective(conservative_dpo, "Mitchell 2023", NOISY, minimiser=conservative_dpo_minimiser),
    Objective(
        robust_dpo, "rdpo, C1", NOISY, bounded_below=False, corrects="dpo", minimiser=robust_dpo_minimiser
    ),
    Objective(noisy_likelihood_dpo, "rdpo, C6", NOISY, convex=False, minimiser=robust_dpo_minimiser),
    Objective(ipo, "Azar et al. 2023", minimiser=ipo_minimiser),
    Objective(robust_ipo, "rdpo, C8", NOISY, corrects="ipo", minimiser=robust_ipo_minimiser),
    Objective(hinge, "dpo-background, B12", smooth=False, minimiser=hinge_minimiser),
    Objective(
        robust_hinge, "rdpo, C8", NOISY, convex=False, bounded_below=False, smooth=False, corrects="hinge",
        minimiser=robust_hinge_minimiser,
    ),
    Objective(probit, "rdpo, C8", minimiser=probit_minimiser),
    Objective(
        robust_probit, "rdpo, C8", NOISY, convex=False, bounded_below=False, corrects="probit",
        minimiser=robust_probit_minimiser,
    ),
    Objective(plackett_luce_dpo, "dpo-background, B16", inputs=("log_ratios",)),
    Objective(
        robust_plackett_luce_dpo, "rdpo, C8", NOISY, inputs=("log_ratios",), convex=False, bounded_below=False,
        corrects="plackett_luce_dpo",
    ),
)  # fmt: skip

OBJECTIVES: dict[str, Objective] = {row.name: row for row in ROWS}
