"""The ledger for machines: one strict JSON object a line, one line a check."""

import json
from collections.abc import Iterator
from typing import Any

from lab.ledger.engine import Ledger, Outcome
from lab.ledger.store import plain


def of(ledger: Ledger) -> Iterator[str]:
    """The rows as JSON lines. Infinities and NaN, which JSON does not know, are the texts "inf", "-inf", "nan"."""
    for row in ledger.rows:
        line = {
            "paper": row.check.paper.slug,
            "claim": row.check.claim.id,
            "evidence": row.check.evidence.name,
            "kind": row.check.evidence.kind,
            "part": getattr(row.check.evidence, "part", ""),
            "expected": row.main.unit.expected,
            "as_expected": row.as_expected,
            **_numbers(row.main),
            "control": [
                {"text": o.unit.control, "expected": o.unit.expected, "as_expected": o.as_expected, **_numbers(o)}
                for o in row.controls
            ],
        }
        yield json.dumps(plain(line), allow_nan=False, ensure_ascii=False)


def _numbers(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "verdict": result.verdict,
        "predicted": result.predicted,
        "estimate": result.estimate,
        "interval": None if result.low is None else [result.low, result.high],
        "samples": result.samples,
        "counterexample": result.counterexample,
        "note": result.note,
        "alpha": result.alpha,
        "seconds": result.seconds,
        "profile": result.profile,
        "seed": result.seed,
        "key": result.key,
    }
