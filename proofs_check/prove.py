"""`lab prove`: check the certificate files, and make them again from their producers."""

import importlib
import pkgutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.ledger import catalogue
from lab.ledger.errors import CatalogueError, LabError, suggestion
from proofs_check import papers
from proofs_check.checker import Rejected, certificate, check, part, read
from proofs_check.ledger import FOLDER, LEMMAS


@dataclass(frozen=True)
class Outcome:
    """A certificate file, what it proves of which claims, and why it was rejected (empty when it was accepted)."""

    name: str
    problem: str = ""
    verdict: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0

    def line(self) -> str:
        if self.problem:
            return f"REJECTED  {self.name}: {self.problem}"
        place = self.name.partition("/")[0]
        names: dict[str, list[str]] = {}  # by the part that is proved of them
        for claim, words in self.parts.items():
            names.setdefault(words, []).append(claim.removeprefix(f"{place}/"))
        said = (", ".join(some) + (f" (in part: {words})" if words else "") for words, some in names.items())
        return f"accepted  {self.name}  {'proves' if self.verdict == 'holds' else 'refutes'} {'; '.join(said)}"


def prove(names: Sequence[str] = (), folder: Path | None = None) -> tuple[str, int]:
    """A line for each certificate of these papers and claims (all without names), a summary, and the exit code.

    Raises CatalogueError for a certificate of a claim that the catalogue does not list.
    """
    folder = folder or FOLDER
    known = catalogue.load()
    wanted = {claim.id for claim in catalogue.select(known, list(names))}
    started = time.perf_counter()
    outcomes = [_outcome(file, folder) for file in sorted(folder.glob("*/*.toml"))]
    claims = {claim.id for paper in known.values() for claim in paper.claims}
    for outcome in outcomes:
        for claim in outcome.parts:
            if claim not in claims:
                raise CatalogueError(
                    f"{outcome.name}: {claim!r} is no claim of the catalogue{suggestion(claim, claims)}"
                )
    # A file that cannot be read names no claim; it is shown with its paper, or with all of them.
    places = {*names, LEMMAS}
    shown = [
        o
        for o in outcomes
        if wanted & set(o.parts) or (not o.parts and (not names or o.name.partition("/")[0] in places))
    ]
    rejected = [o for o in shown if o.problem]
    proved = {claim for o in shown if not o.problem for claim in o.parts} & wanted
    steps = sum(o.steps for o in shown)
    lines = [o.line() for o in shown]
    lines.append(
        f"{len(shown) - len(rejected)} of {len(shown)} certificates accepted ({steps} steps), for {len(proved)} of "
        f"{len(wanted)} claims; {time.perf_counter() - started:.1f} s"
    )
    return "\n".join(lines), 1 if rejected else 0


def _outcome(file: Path, folder: Path) -> Outcome:
    name, place = file.relative_to(folder).with_suffix("").as_posix(), file.parent.name
    head: dict[str, Any] = {}
    problem = ""
    try:
        entries = read(file)
        head = certificate(entries)
        check(entries)
    except Rejected as found:
        problem = str(found)
    if not head:
        return Outcome(name, problem)
    parts = {claim: part(head, claim) for claim in head["claims"]}
    if place != LEMMAS and any(claim.partition("/")[0] != place for claim in parts):
        problem = "it names a claim of another paper"
    return Outcome(name, problem, head["verdict"], parts, len(head["steps"]))


def producers() -> list[str]:
    """The papers that have a producer: a module or a package in `proofs_check/papers`."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(papers.__path__))


def rebuild(names: Iterable[str] = (), folder: Path | None = None) -> str:
    """Write the certificates of papers (all without names) and the shared ones again, and say which files changed."""
    folder = folder or FOLDER
    known = producers()
    slugs = list(dict.fromkeys(name.partition("/")[0] for name in names)) or known
    for slug in slugs:
        if slug not in known:
            raise CatalogueError(f"no producer of proofs for {slug!r}{suggestion(slug, known)}")
    try:  # SymPy and solvers, which checking does not need
        making = importlib.import_module("proofs_check.making")
        made = {slug: making.texts(f"papers.{slug.replace('-', '_')}") for slug in slugs}
        made[LEMMAS] = making.texts(LEMMAS)
    except ModuleNotFoundError as problem:
        raise LabError(f"{problem.name} is not installed; producers of proofs need `pip install .[proofs]`") from None
    return "\n".join(line for place, texts in made.items() for line in _written(folder / place, texts))


def _written(place: Path, texts: Mapping[str, str]) -> Iterator[str]:
    """Make these the files of a folder; yields a line for each that was not there like this."""
    place.mkdir(parents=True, exist_ok=True)
    old = {file.name: file.read_text(encoding="utf-8") for file in place.glob("*.toml")}
    for name in sorted({*texts, *old}):
        if name not in texts:
            (place / name).unlink()
            yield f"removed   {place.name}/{name}"
        elif old.get(name) != texts[name]:
            (place / name).write_text(texts[name], encoding="utf-8")
            yield f"{'changed' if name in old else 'new':<8}  {place.name}/{name}"
    same = sum(old.get(name) == text for name, text in texts.items())
    yield f"{same:>3} of {len(texts)} files of {place.name} are as they were"
