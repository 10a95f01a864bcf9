"""The command line. Each command imports what it needs when it is called, so that `lab --help` answers at once."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    epilog="Start with `lab papers`, then `lab check --profile quick`. "
    "LAB_HOME names the folder of results (default: results/).",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PAPER|CLAIM]...", help="Papers (rdpo) and claims (rdpo/unbiased-loss); all when left out."
    ),
]
Papers = Annotated[list[str] | None, typer.Argument(metavar="[PAPER]...", help="Papers; all when left out.")]
Errata = Annotated[
    bool,
    typer.Option("--errata", help="Only claims that fail, printed or a reading of ours: counterexample, correction."),
]
Effort = Annotated[
    str,
    typer.Option(help="Effort: quick, standard or thorough, with a quarter, all, or four times the worlds and runs."),
]
Workers = Annotated[
    int | None, typer.Option(help="Worker processes; all cores when left out. Results do not depend on it.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line for each check, for machines.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="The table in Markdown.")]
SkipMissing = Annotated[bool, typer.Option("--skip-missing", help="Leave out checks whose data are not installed.")]
Force = Annotated[bool, typer.Option("--force", help="Run everything again, also what has a current result.")]


def _version(wanted: bool) -> bool:
    if wanted:
        import lab

        print(f"lab {lab.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Claims of papers, checked where the truth is known."""


# A command returns what it prints, with an exit code where that is not always 0; `main` prints it.
Answer = tuple[str, int]


@app.command()
def papers() -> Answer:
    """List the papers.

    Example: lab papers
    """
    from lab.ledger import catalogue

    lines = []
    for paper in catalogue.load().values():
        failing = [claim.source for claim in paper.claims if claim.expected == "fails"]
        each = [f"{failing.count(source)} {words}" for source, words in catalogue.SOURCES.items() if source in failing]
        errata = f"; expected to fail: {', '.join(each)}" if failing else ""
        arxiv = f", {paper.preprint}" if paper.preprint else ""
        lines.append(f"{paper.slug}: {paper.title}")
        lines.append(f"    {_authors(paper.authors)}, {paper.year}{arxiv}; {len(paper.claims)} claims{errata}")
    return "\n".join(lines), 0


@app.command(short_help="List claims: what they say, where, and whether they hold.")
def claims(names: Names = None, errata: Errata = False) -> Answer:
    """List claims: where they stand in the paper, what they say, and whether they are expected to hold.

    \b
    Examples:
      lab claims rdpo
      lab claims --errata
    """
    if errata:
        from lab.ledger import explain

        return explain.errata(names or []), 0
    import textwrap

    from lab.ledger import catalogue

    lines = []
    for claim in catalogue.select(catalogue.load(names=names or []), names or []):
        said = catalogue.SOURCES[claim.source]
        fails = f"  [expected to fail {said}; corrected: {claim.corrected}]" if claim.corrected else ""
        lines.append(f"{claim.id} ({claim.place}){fails}")
        statement = " ".join(claim.statement.split())
        lines.append(textwrap.fill(statement, 100, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines), 0


@app.command(short_help="Run the evidence and print the ledger.")
def check(
    names: Names = None,
    profile: Effort = "standard",
    workers: Workers = None,
    json: Json = False,
    markdown: Markdown = False,
    skip_missing: SkipMissing = False,
    force: Force = False,
) -> Answer:
    """Run the evidence for papers or claims and print the ledger; what has a current result is not run again.

    Exit code: 0 when every verdict is the expected one, 1 when one is not, 2 for a mistake in the call or the set-up.

    \b
    Examples:
      lab check
      lab check rdpo --profile quick
      lab check bvpo/optimal-weight --json | jq .interval
    """
    from lab.ledger import errors, threads

    if json and markdown:
        raise errors.LabError("--json and --markdown exclude each other")
    threads.single_threaded()
    from lab.ledger import engine, lines, table
    from lab.ledger.progress import bar

    with bar(quiet=json or not sys.stderr.isatty()) as progress:
        ledger = engine.check(
            names or [], profile=profile, workers=workers, skip_missing=skip_missing, force=force, progress=progress
        )
    code = 0 if ledger.as_expected else 1
    if json:
        for claim, evidence, reason in ledger.skipped:
            print(f"lab: left out: {claim.id} {evidence.name}: {reason}", file=sys.stderr)
        return "\n".join(lines.of(ledger)), code
    return (table.markdown(ledger.rows) if markdown else table.text(ledger)), code


@app.command(short_help="Explain a claim: checks, numbers, controls, code.")
def explain(
    claim: Annotated[
        str, typer.Argument(metavar="CLAIM", help="A claim (rdpo/unbiased-loss), or a paper for all of its claims.")
    ],
) -> Answer:
    """Explain a claim: statement, assumptions, what each check does, its numbers and controls, and where its code is.

    Example: lab explain rdpo/unbiased-loss
    """
    from lab.ledger import explain as explaining

    return explaining.explain(claim), 0


@app.command(short_help="Check the certificates of proofs exactly, from their files.")
def prove(
    names: Names = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First make the files again from their producers.")
    ] = False,
) -> Answer:
    """Check the proofs of papers or claims: one line a certificate, in exact arithmetic, from the files alone.

    Exit code: 0 when every certificate is accepted, 1 when one is rejected, 2 for a mistake in the call.

    \b
    Examples:
      lab prove
      lab prove rdpo/unbiased-loss
      lab prove bvpo --rebuild
    """
    import importlib

    proofs = importlib.import_module("proofs_check.prove")
    made = f"{proofs.rebuild(names or [])}\n" if rebuild else ""
    text, code = proofs.prove(names or [])
    return made + text, code


@app.command(short_help="Draw figures from stored results.")
def figures(
    papers: Papers = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None,
) -> Answer:
    """Draw the figures of papers from stored results; run `lab check` first.

    \b
    Examples:
      lab figures
      lab figures bvpo --out pictures
    """
    import importlib

    from lab.ledger import catalogue, errors

    known = catalogue.load()
    for name in papers or []:
        if name not in known:
            near = errors.suggestion(name.partition("/")[0], known)
            raise errors.UnknownName(f"no paper is named {name!r}{near}; `lab papers` lists all")
    draw = importlib.import_module("figures.draw")
    drawn = draw.draw(papers or [slug for slug in known if draw.has_figures(slug)], home=None, out=out)
    return "\n".join(str(file) for file in drawn), 0


def _authors(authors: tuple[str, ...]) -> str:
    return ", ".join(authors) if len(authors) <= 3 else f"{authors[0]} and {len(authors) - 1} others"


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point: run a command, print its answer, and turn what can go wrong into one line and an exit code."""
    from lab.ledger.errors import LabError

    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        answer = app(arguments or ["--help"], prog_name="lab", standalone_mode=False)
        text, code = answer if isinstance(answer, tuple) else ("", answer or 0)
        if code == 130:  # the parser's word for an interruption; older versions abort
            raise KeyboardInterrupt
        _print(text)
    except LabError as problem:
        _leave(2, str(problem))
    except (KeyboardInterrupt, typer.Abort):
        _leave(130, "interrupted; finished results are kept, and the same command goes on from there")
    except Exception as problem:
        # A mistake in the call, as the parser reports it; anything else is a defect and keeps its traceback.
        if not hasattr(problem, "format_message"):
            raise
        _leave(2, f"{problem.format_message()} (`lab --help` and `lab COMMAND --help` say what there is)")
    sys.exit(code)


def _print(text: str) -> None:
    """Print an answer, also where some of its letters do not exist; leave with a code when it cannot be written."""
    if not text or sys.stdout is None:
        return
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        print(text, flush=True)
    except OSError as problem:
        # Keep Python from finding that out again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(problem, BrokenPipeError):  # the reader went away (`lab check | head`)
            sys.exit(141)
        _leave(2, f"the answer cannot be written: {problem.strerror}")


def _leave(code: int, line: str) -> NoReturn:
    print(f"lab: {line}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
