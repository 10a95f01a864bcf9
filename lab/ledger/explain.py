"""All there is to say about a claim, and the list of errata, as plain text."""

import inspect
import os
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lab.ledger import catalogue
from lab.ledger import plan as planning
from lab.ledger.catalogue import Claim, Paper
from lab.ledger.engine import Outcome, current
from lab.ledger.evidence import KINDS, Evidence
from lab.ledger.plan import OTHER, PROFILES, Modules
from lab.ledger.store import Result, Store

WIDTH = 100


def explain(
    name: str, home: Path | str | None = None, *, folder: Path | None = None, modules: Modules | None = None
) -> str:
    """Statement, place, source and assumptions of a claim; of each check what it does, its numbers and its code."""
    papers = catalogue.load(folder, [name])
    claims = catalogue.select(papers, [name])
    return "\n\n\n".join(_explain(papers[claim.paper], claim, home, modules or planning.module_of) for claim in claims)


def _explain(paper: Paper, claim: Claim, home: Path | str | None, modules: Modules) -> str:
    lines = [claim.id, "=" * len(claim.id), *_wrapped(claim.statement), ""]
    lines += _field("paper", f"{paper.title}. {', '.join(paper.authors)}, {paper.year}{_arxiv(paper)}")
    lines += _field("place", claim.place)
    lines += _field("source", SOURCES[claim.source])
    lines += _field("assumes", claim.assumes)
    lines += _field("expected", "holds" if claim.expected == "holds" else "fails as stated")
    lines += _field("counterexample", claim.counterexample)
    lines += _field("corrected", f"{claim.corrected} (`lab explain {claim.corrected}`)" if claim.corrected else "")
    found = planning.evidence_of(paper, modules)[claim.id]
    with Store.read(home) as store:
        for check in found:
            lines += ["", *_check(paper, claim, check, store)]
    lines += ["", f"run again: lab check {claim.id} --force"]
    return "\n".join(lines)


SOURCES = {
    "paper": "the paper",
    "secondary": "an account of the paper by others",
    "recalled": "the paper as remembered; not read again",
    "derived": "derived here",
}


def _check(paper: Paper, claim: Claim, check: Evidence, store: Store) -> list[str]:
    head = f"[{check.kind}] {check.name}"
    lines = [head, "-" * len(head)]
    lines += _wrapped(inspect.cleandoc(check.function.__doc__ or "(no description)"))
    file = getattr(check, "file", None)  # a certificate
    lines += _field("certificate" if file else "code", _shown(file) if file else _location(check.function))
    lines += _field("assumes", getattr(check, "assumes", ""))
    lines += _field("proved in part", getattr(check, "part", ""))
    missing, outcomes = _outcomes(paper, claim, check, store)
    if missing:
        return [*lines, *_field("data", missing)]
    if not outcomes:
        older = store.latest(claim.id).get((check.name, None))
        if older is not None and older.verdict == "error":
            lines += _field("result", f"the check broke on {older.finished[:19]} UTC: {older.note}")
            lines += textwrap.indent(older.traceback.rstrip(), "      ").splitlines()
        elif older is not None:
            lines += _field(
                "result", f"none that is current: code, data or versions changed after {older.finished[:19]} UTC"
            )
        else:
            lines += _field("result", f"none yet: run `lab check {claim.id}`")
        for control in check.controls:
            expected = control.expected or OTHER[claim.expected]
            lines += _field("control", f"{control.text}: must come out as {expected}")
        return lines
    main, *controls = outcomes
    lines += _numbers(main)
    lines += _field("run", _circumstances(main.result))
    for outcome in controls:
        lines += [*_field("control", str(outcome.unit.control)), *_numbers(outcome, indent=6)]
    return lines


def _outcomes(paper: Paper, claim: Claim, check: Evidence, store: Store) -> tuple[str, list[Outcome]]:
    """Missing data, or the current outcomes of a check and its controls in the most thorough complete profile."""
    for profile in reversed(PROFILES):
        planned, missing = planning.units(paper, claim, check, profile)
        if planned is None:
            return missing, []
        known = current(store, planned.units)
        if all(unit.key in known for unit in planned.units):
            return "", [Outcome(unit, known[unit.key]) for unit in planned.units]
    return "", []


def _numbers(outcome: Outcome, indent: int = 2) -> list[str]:
    result, unit = outcome.result, outcome.unit
    mark = "as expected" if outcome.as_expected else f"expected: {unit.expected}"
    lines = _field("verdict", f"{result.verdict} ({mark})", indent)
    lines += _field("predicted", _number(result.predicted), indent)
    lines += _field("estimate", _number(result.estimate), indent)
    lines += _field("interval", _interval(result), indent)
    kind = KINDS[unit.kind]
    lines += _field("samples", f"{result.samples:,} {kind.counts}".rstrip(), indent)
    if kind.random:
        lines += _field("error share", f"{result.alpha:g}", indent)
    if result.counterexample:
        lines += _field(
            "found", ", ".join(f"{name} = {_number(x)}" for name, x in result.counterexample.items()), indent
        )
    lines += _field("note", result.note, indent)
    return lines


def _interval(result: Result) -> str:
    lows, highs = _flat(result.low), _flat(result.high)
    if not lows:
        return ""
    if result.kind == "exact":
        half = max((high - low) / 2 for low, high in zip(lows, highs, strict=True))
        return f"estimate ± {half:.3g} (computed rounding bound)"
    pairs = [f"[{low:.6g}, {high:.6g}]" for low, high in zip(lows, highs, strict=True)]
    return ", ".join(pairs[:8]) + (f", … ({len(pairs)} in all)" if len(pairs) > 8 else "")


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int):
        return str(value)
    numbers = _flat(value)
    words = ", ".join(f"{x:.12g}" if len(numbers) == 1 else f"{x:.6g}" for x in numbers[:8])
    more = f", … ({len(numbers)} in all)" if len(numbers) > 8 else ""
    return f"[{words}{more}]" if isinstance(value, list) else words


def _flat(value: Any) -> list[float]:
    if value is None:
        return []
    return [x for part in value for x in _flat(part)] if isinstance(value, list) else [value]


def _circumstances(result: Result) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    return (
        f"profile {result.profile}, seed {result.seed}, {result.seconds:.2f} s, {result.finished[:19]} UTC, "
        f"{result.machine}, {versions}, key {result.key[:12]}"
    )


def _location(function: Callable[..., Any]) -> str:
    file = Path(inspect.getsourcefile(function) or "?")
    return f"{_shown(file)}:{function.__code__.co_firstlineno}"


def _shown(file: Path) -> str:
    nearby = os.path.relpath(file)
    return str(file) if nearby.startswith("..") else nearby


def _arxiv(paper: Paper) -> str:
    return f", {paper.preprint}" if paper.preprint else ""


def _field(name: str, words: str, indent: int = 2) -> list[str]:
    if not words:
        return []
    start = f"{'':{indent}}{name + ':':<{16}}"
    return textwrap.wrap(" ".join(words.split()), WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def _wrapped(words: str) -> list[str]:
    paragraphs = ("\n".join(x.splitlines()) for x in words.split("\n\n"))
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [*([""] if lines else []), *textwrap.wrap(" ".join(paragraph.split()), WIDTH)]
    return lines


def errata(
    names: Sequence[str] = (),
    home: Path | str | None = None,
    *,
    folder: Path | None = None,
    modules: Modules | None = None,
) -> str:
    """Every claim expected to fail: who says it, counterexample, corrected claim, what the ledger says of both."""
    papers = catalogue.load(folder, names)
    failing = [claim for claim in catalogue.select(papers, list(names)) if claim.expected == "fails"]
    if not failing:
        return "no claim of these is expected to fail"
    claims = {claim.id: claim for paper in papers.values() for claim in paper.claims}
    blocks = []
    with Store.read(home) as store:
        for claim in failing:
            corrected = claims[claim.corrected]
            verdicts = {c.id: _verdicts(papers[c.paper], c, store, modules) for c in (claim, corrected)}
            lines = [f"{claim.id} ({papers[claim.paper].title}, {claim.place})"]
            lines += _field(catalogue.SOURCES[claim.source], claim.statement)
            lines += _field("ledger", _said(verdicts[claim.id]))
            lines += _field("counterexample", claim.counterexample)
            found = [o.result.counterexample for o in verdicts[claim.id] if o.result.counterexample]
            for example in found:
                lines += _field("found", ", ".join(f"{name} = {_number(x)}" for name, x in example.items()))
            lines += _field("corrected", f"{corrected.id}: {corrected.statement}")
            lines += _field("ledger", _said(verdicts[corrected.id]))
            lines += _field("see both", f"lab check {claim.id} {corrected.id}")
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _verdicts(paper: Paper, claim: Claim, store: Store, modules: Modules | None) -> list[Outcome]:
    checks = planning.evidence_of(paper, modules or planning.module_of)[claim.id]
    return [found[0] for _, found in (_outcomes(paper, claim, check, store) for check in checks) if found]


def _said(outcomes: Iterable[Outcome]) -> str:
    words = ", ".join(f"{o.result.verdict} [{o.unit.kind}]" for o in outcomes)
    return words or "not run yet, or not with this code"
