"""`lab prove`: check the certificate files, and make them again from their producers."""

import importlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.ledger import catalogue
from lab.ledger.errors import CatalogueError, LabError, suggestion
from proofs_check.checker import Rejected, certificate, check, read
from proofs_check.ledger import FOLDER


@dataclass(frozen=True)
class Outcome:
    """A certificate file, and why it was rejected (empty when it was accepted)."""

    name: str
    claims: tuple[str, ...]
    verdict: str
    part: str
    steps: int
    seconds: float
    problem: str = ""

    def line(self) -> str:
        if self.problem:
            return f"REJECTED  {self.name}: {self.problem}"
        what = "proves" if self.verdict == "holds" else "refutes"
        names = ", ".join(claim.partition("/")[2] for claim in self.claims)
        part = f" (in part: {self.part})" if self.part else ""
        return f"accepted  {self.name}  {what} {names}{part}"


def prove(names: Sequence[str] = (), folder: Path | None = None) -> tuple[str, int]:
    """A line for each certificate of these papers and claims (all without names), a summary, and the exit code.

    Raises CatalogueError for a certificate of a claim that the catalogue does not list.
    """
    folder = folder or FOLDER
    papers = catalogue.load()
    wanted = {claim.id for claim in catalogue.select(papers, list(names))}
    started = time.perf_counter()
    outcomes = [_outcome(file, folder) for file in sorted(folder.glob("*/*.toml"))]
    known = {claim.id for paper in papers.values() for claim in paper.claims}
    for outcome in outcomes:
        for claim in outcome.claims:
            if claim not in known:
                raise CatalogueError(
                    f"{outcome.name}: {claim!r} is no claim of the catalogue{suggestion(claim, known)}"
                )
    # A file that cannot be read names no claim; it is shown with its paper.
    shown = [
        o
        for o in outcomes
        if wanted & set(o.claims) or (not o.claims and (not names or o.name.partition("/")[0] in names))
    ]
    rejected = [o for o in shown if o.problem]
    proved = {claim for o in shown if not o.problem for claim in o.claims} & wanted
    steps = sum(o.steps for o in shown)
    lines = [o.line() for o in shown]
    lines.append(
        f"{len(shown) - len(rejected)} of {len(shown)} certificates accepted ({steps} steps), for {len(proved)} of "
        f"{len(wanted)} claims; {time.perf_counter() - started:.1f} s"
    )
    return "\n".join(lines), 1 if rejected else 0


def _outcome(file: Path, folder: Path) -> Outcome:
    name, started = file.relative_to(folder).with_suffix("").as_posix(), time.perf_counter()
    try:
        entries = read(file)
        head = certificate(entries)
    except Rejected as problem:
        return Outcome(name, (), "", "", 0, 0.0, str(problem))
    try:
        check(entries)
        problem_found = ""
    except Rejected as problem:
        problem_found = str(problem)
    if any(claim.partition("/")[0] != file.parent.name for claim in head["claims"]):
        problem_found = "it names a claim of another paper"
    seconds = time.perf_counter() - started
    return Outcome(
        name, tuple(head["claims"]), head["verdict"], head["part"], len(head["steps"]), seconds, problem_found
    )


def producers() -> list[str]:
    """The papers that have a producer: `proofs_check/SLUG.py` with a function `drafts`."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py"))
    try:
        modules = {name: importlib.import_module(f"proofs_check.{name}") for name in names if name not in OTHERS}
    except ModuleNotFoundError as problem:
        raise LabError(f"{problem.name} is not installed; producers of proofs need `pip install .[proofs]`") from None
    return [name.replace("_", "-") for name, module in modules.items() if hasattr(module, "drafts")]


OTHERS = ("__init__", "confirming", "deriving", "ledger", "mutation", "prove", "symbolic", "writing")


def rebuild(names: Iterable[str] = (), folder: Path | None = None) -> str:
    """Write the certificates of papers (all without names) again, and say which files changed."""
    folder = folder or FOLDER
    known = producers()
    # SymPy, which checking does not need
    deriving, confirming = (importlib.import_module(f"proofs_check.{name}") for name in ("deriving", "confirming"))
    slugs = list(dict.fromkeys(name.partition("/")[0] for name in names)) or known
    lines = []
    for slug in slugs:
        if slug not in known:
            raise CatalogueError(f"no producer of proofs for {slug!r}{suggestion(slug, known)}")
        module = importlib.import_module(f"proofs_check.{slug.replace('-', '_')}")
        drafts = [deriving.derived(draft) for draft in module.drafts()]
        for draft in drafts:
            confirming.confirm(draft)
        texts = {f"{draft.name}.toml": draft.text() for draft in drafts}
        place = folder / slug
        place.mkdir(parents=True, exist_ok=True)
        old = {file.name: file.read_text(encoding="utf-8") for file in place.glob("*.toml")}
        for name in sorted({*texts, *old}):
            if name not in texts:
                (place / name).unlink()
                lines.append(f"removed   {slug}/{name}")
            elif old.get(name) != texts[name]:
                (place / name).write_text(texts[name], encoding="utf-8")
                lines.append(f"{'changed' if name in old else 'new':<8}  {slug}/{name}")
        same = sum(old.get(name) == text for name, text in texts.items())
        lines.append(f"{same:>3} of {len(texts)} files of {slug} are as they were")
    return "\n".join(lines)
