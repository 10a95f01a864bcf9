"""The ledger for people: one row a claim, one column a kind of evidence; and the same as Markdown.

A cell is a verdict, whether it is the one the catalogue expects (✓ or ✗), and how many of the controls came out as they
must. Rich is imported when a table is drawn, not before.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from lab.ledger.catalogue import Claim
from lab.ledger.engine import Ledger, Row
from lab.ledger.evidence import KINDS

COLOURS = {"holds": "green", "fails": "yellow", "undecided": "magenta", "error": "red"}
IN_PART = "; “in part”: what a certificate proves of the claim is said by `lab explain`"
LEGEND = (
    "✓ the verdict is the expected one, ✗ it is not; "
    "n/m: n of m controls, each with one assumption changed, came out as they must"
)


def text(ledger: Ledger, *, width: int | None = None) -> str:
    """The ledger's table and its summary, in colours when the output is a terminal that has them."""
    from rich.console import Console

    console = Console(file=sys.stdout, width=width or (None if sys.stdout.isatty() else _piped_width()), emoji=False)
    with console.capture() as captured:
        _draw(ledger, console)
    return captured.get().rstrip("\n")


def _piped_width() -> int:
    """Wide, so that no line is folded for a program that reads it; `COLUMNS` has the last word."""
    return int(os.environ["COLUMNS"]) if os.environ.get("COLUMNS", "").isdigit() else 160


def _draw(ledger: Ledger, console: Any) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    kinds = _kinds(ledger.rows)
    ascii_only = not console.encoding.startswith("utf")
    for slug, claims in _by_paper(ledger.rows).items():
        paper = claims[0][1][0].check.paper
        table = Table(
            title=f"{slug}: {paper.title} ({paper.year})", title_justify="left", title_style="bold",
            box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False, expand=False,
        )  # fmt: skip
        table.add_column("claim", overflow="fold")
        for kind in kinds:
            table.add_column(kind, overflow="fold")
        for claim, rows in claims:
            label = Text(claim.name)
            if claim.expected == "fails":
                label.append(" (expected to fail)", style="italic")
            cells = [_cell([row for row in rows if row.check.evidence.kind == kind], Text) for kind in kinds]
            table.add_row(label, *(_plain_marks(cell, Text) if ascii_only else cell for cell in cells))
        console.print(table)
    console.print(
        _plain_text(summary(ledger)) if ascii_only else summary(ledger), highlight=False, markup=False, soft_wrap=True
    )


def summary(ledger: Ledger) -> str:
    """Legend, counts, what came out otherwise, the error bound and the time."""
    lines = [LEGEND + (IN_PART if any(_in_part(row) for row in ledger.rows) else "")]
    mains = [row.main for row in ledger.rows]
    counts = {verdict: sum(m.result.verdict == verdict for m in mains) for verdict in COLOURS}
    controls = [control for row in ledger.rows for control in row.controls]
    good = sum(row.as_expected for row in ledger.rows)
    lines.append(
        f"{good} of {len(mains)} checks as expected ({_listed(counts)}); "
        f"{sum(c.as_expected for c in controls)} of {len(controls)} controls as they must"
    )
    for claim, check, reason in ledger.skipped:
        lines.append(f"left out: {claim.id} [{check.kind}] {check.name}: {reason}")
    for row in ledger.rows:
        for outcome in (row.main, *row.controls):
            if not outcome.as_expected:
                where = f"control “{outcome.unit.control}”" if outcome.unit.control else "the check"
                note = f" ({outcome.result.note})" if outcome.result.verdict == "error" else ""
                lines.append(
                    f"not as expected: {outcome.unit.claim} [{outcome.unit.kind}] {outcome.unit.evidence}: {where} "
                    f"{_verb(outcome.result.verdict)}, expected: {outcome.unit.expected}{note}; "
                    f"`lab explain {outcome.unit.claim}`"
                )
    lines.append(
        f"probability that any of the {ledger.random_checks} verdicts from random numbers or data is wrong by chance "
        f"≤ {ledger.error_bound:.3g}; exact ones carry computed rounding bounds"
    )
    lines.append(
        f"profile {ledger.profile}: {ledger.ran} run, {ledger.reused} kept from before, {ledger.seconds:.1f} s, "
        f"{ledger.workers} worker{'s' if ledger.workers > 1 else ''}"
    )
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, one line a claim."""
    kinds = _kinds(rows)
    lines = [f"| claim | statement | {' | '.join(kinds)} |", f"|---|---|{'---|' * len(kinds)}"]
    for claims in _by_paper(rows).values():
        for claim, found in claims:
            cells = [_words([row for row in found if row.check.evidence.kind == kind]) for kind in kinds]
            statement = " ".join(claim.statement.split()).replace("|", r"\|")
            lines.append(f"| `{claim.id}` | {statement} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _kinds(rows: Iterable[Row]) -> list[str]:
    present = {row.check.evidence.kind for row in rows}
    return [kind for kind in KINDS if kind in present]


def _by_paper(rows: Iterable[Row]) -> dict[str, list[tuple[Claim, list[Row]]]]:
    papers: dict[str, dict[str, tuple[Claim, list[Row]]]] = {}
    for row in rows:
        claims = papers.setdefault(row.check.paper.slug, {})
        claims.setdefault(row.check.claim.id, (row.check.claim, []))[1].append(row)
    return {slug: list(claims.values()) for slug, claims in papers.items()}


def _parts(row: Row) -> tuple[str, str]:
    controls = f" {sum(c.as_expected for c in row.controls)}/{len(row.controls)}" if row.controls else ""
    part = " in part" if _in_part(row) else ""
    return row.main.result.verdict, f"{part} {'✓' if row.as_expected else '✗'}{controls}"


def _in_part(row: Row) -> bool:
    return bool(getattr(row.check.evidence, "part", ""))


def _words(rows: Sequence[Row]) -> str:
    return "<br>".join(dict.fromkeys("".join(_parts(row)) for row in rows))


def _cell(rows: Sequence[Row], text: Any) -> Any:
    cell = text()
    for i, row in enumerate(rows):
        verdict, mark = _parts(row)
        cell.append("\n" if i else "")
        cell.append(verdict, style=COLOURS[verdict])
        cell.append(mark, style="" if row.as_expected else "bold red")
    return cell


def _plain_marks(cell: Any, text: Any) -> Any:
    return text(_plain_text(cell.plain))


def _plain_text(words: str) -> str:
    for mark, plain in (("✓", "ok"), ("✗", "NOT"), ("≤", "<="), ("“", '"'), ("”", '"')):
        words = words.replace(mark, plain)
    return words


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _verb(verdict: str) -> str:
    return {"error": "broke", "undecided": "is undecided"}.get(verdict, verdict)
