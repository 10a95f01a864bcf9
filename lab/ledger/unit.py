"""One unit of work: a check, or one of its controls, run and judged with a seed of its own.

What happens here and in the modules it imports decides a result's bits, so all of them are part of its fingerprint.
"""

import importlib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.inference import rounding
from lab.ledger import evidence as evidence_module
from lab.ledger import fingerprint
from lab.ledger.errors import CodeChanged
from lab.ledger.evidence import KINDS, Draw, Evidence
from lab.ledger.judge import Judgement, judge


@dataclass(frozen=True)
class Unit:
    """A check (`control` is None) or one of its controls, with all that its result depends on; `key` covers it all."""

    module: str
    claim: str
    evidence: str
    kind: str
    control: str | None
    expected: str
    profile: str
    size: int
    chunks: int
    alpha: float
    seed: int
    code: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.claim}: {self.evidence}" + (f" ({self.control})" if self.control else "")


def run(unit: Unit) -> tuple[Judgement, str]:
    """Judgement of a unit, and the traceback when the check broke (then the verdict is `error` and the note says why).

    Raises CodeChanged when this process has loaded other code than the run was planned for.
    """
    try:
        check = find(unit)
        if fingerprint.code(unit.module) != unit.code:
            raise CodeChanged(
                f"the code that {unit.claim} depends on was edited during the run; finished results are kept: run again"
            )
        return execute(check, unit), ""
    except CodeChanged:
        raise
    except Exception as problem:
        first = str(problem).strip().splitlines() or [""]
        return Judgement("error", note=f"{type(problem).__name__}: {first[0]}"), traceback.format_exc()


def find(unit: Unit) -> Evidence:
    """The evidence object that a unit names."""
    module = importlib.import_module(unit.module)
    if unit.kind == "proof":  # made from a certificate file, not defined in the module
        return module.evidence_named(unit.claim, unit.evidence)
    for check in evidence_module.collect(module):
        if (check.claim, check.name) == (unit.claim, unit.evidence) and check.function.__module__ == unit.module:
            return check
    raise RuntimeError(f"{unit.module} has no evidence {unit.evidence!r} for {unit.claim!r}")


def execute(check: Evidence, unit: Unit) -> Judgement:
    """Draw the worlds, call the function as its kind wants, and judge what it finds."""
    control = next((c for c in check.controls if c.text == unit.control), None)
    over = control.over if control is not None and control.over is not None else check.over
    changes = control.changes if control is not None else {}
    tracked = unit.kind == "exact" and check.rounding == "tracked"
    family = hasattr(over, "draw")

    def world_of(chunk: int) -> Any:
        world = over.draw(np.random.default_rng([unit.seed, chunk, 1]), unit.size) if family else over
        return rounding.rounded(world) if tracked and world is not None else world

    def call(chunk: int, world: Any) -> Any:
        leading = () if world is None else (world,)
        settings = {name: x(*leading) if callable(x) else x for name, x in changes.items()}
        draw = (Draw(unit.seed, chunk, unit.size, unit.alpha),) if KINDS[unit.kind].random else ()
        return check.function(*leading, *draw, **settings)

    world = world_of(0)

    def findings() -> Iterator[Any]:
        yield call(0, world)
        for chunk in range(1, unit.chunks):
            yield call(chunk, world_of(chunk) if family else world)

    return judge(findings(), alpha=unit.alpha, world=world, worlds=unit.size if family else None)
