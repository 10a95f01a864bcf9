"""Stored results for figures and notebooks, which draw what was judged and never compute it again.

results = read("rdpo")
loss = results["variance_price"]
loss.estimate, loss.low, loss.high, loss.predicted     arrays
loss.series["sizes"], loss.controls["a wrong flip rate"].estimate
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab.ledger import plan as planning
from lab.ledger.engine import current
from lab.ledger.errors import NotCurrent
from lab.ledger.plan import PROFILES, Check, Modules
from lab.ledger.store import Result, Store, home

__all__ = ["StoredResult", "best", "home", "read"]


@dataclass(frozen=True)
class StoredResult:
    """A judged check with its numbers as arrays, and its controls by their text."""

    claim: str
    evidence: str
    kind: str
    profile: str
    verdict: str
    predicted: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    samples: int
    series: dict[str, np.ndarray]
    note: str = ""
    controls: dict[str, "StoredResult"] = field(default_factory=dict)


def read(
    paper: str, home: Path | str | None = None, *, folder: Path | None = None, modules: Modules | None = None
) -> dict[str, StoredResult]:
    """The paper's current results by the name of the evidence function, of the most thorough profile that is complete.

    Checks whose data are not installed are left out. Raises NotCurrent, with the command to run, when no profile is.
    """
    profile, checks, known = best(paper, home, folder=folder, modules=modules)
    found: dict[str, StoredResult] = {}
    for check in checks:
        if check.evidence.kind == "proof":  # a certificate may stand for several claims, and nobody draws it
            continue
        controls = {str(unit.control): _stored(known[unit.key], profile) for unit in check.controls}
        found[check.evidence.name] = _stored(known[check.main.key], profile, controls)
    return found


def best(
    name: str, home: Path | str | None = None, *, folder: Path | None = None, modules: Modules | None = None
) -> tuple[str, Sequence[Check], dict[str, Result]]:
    """The most thorough profile for which every unit of a paper or claim has a current result, with those results."""
    lacking: dict[str, int] = {}
    with Store.read(home) as store:
        for profile in reversed(PROFILES):
            planned = planning.plan([name], profile, folder=folder, modules=modules, skip_missing=True)
            known = current(store, planned.units)
            if all(unit.key in known for unit in planned.units):
                return profile, planned.checks, known
            lacking[profile] = sum(unit.key not in known for unit in planned.units)
        lacks = lacking["standard"]
        raise NotCurrent(
            f"{name}: {lacks} of {len(planned.units)} results in {store.file} are missing, broken or of other code; "
            f"run `lab check {name}`"
        )


def _stored(result: Result, profile: str, controls: dict[str, StoredResult] | None = None) -> StoredResult:
    def numbers(value: Any) -> np.ndarray:
        return np.asarray(np.nan if value is None else value)

    return StoredResult(
        claim=result.claim,
        evidence=result.evidence,
        kind=result.kind,
        profile=profile,
        verdict=result.verdict,
        predicted=numbers(result.predicted),
        estimate=numbers(result.estimate),
        low=numbers(result.low),
        high=numbers(result.high),
        samples=result.samples,
        series={name: numbers(value) for name, value in result.series.items()},
        note=result.note,
        controls=controls or {},
    )
