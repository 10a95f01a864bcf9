"""The catalogue: one TOML file a paper, with its claims.

Every field is checked when a file is read, and an error names the file and the field; see `docs/adding-a-paper.md`.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from lab.ledger.errors import CatalogueError, UnknownName, suggestion

FOLDER = Path(__file__).parent.parent / "catalogue"

EXPECTED = ("holds", "fails")
# Who says it: the paper, others who tell what it says, our memory of it, or we ourselves.
SOURCES = {"paper": "as printed", "secondary": "as others say", "recalled": "as recalled", "derived": "in our reading"}


@dataclass(frozen=True)
class Claim:
    """One checkable statement on a paper; one that fails has a `counterexample` and a `corrected` claim."""

    paper: str
    name: str
    place: str
    source: str
    statement: str
    expected: str
    assumes: str = ""
    counterexample: str = ""
    corrected: str = ""

    @property
    def id(self) -> str:
        return f"{self.paper}/{self.name}"


@dataclass(frozen=True)
class Paper:
    """A source with a slug, and its claims in the order in which the catalogue lists them."""

    slug: str
    title: str
    authors: tuple[str, ...]
    year: int
    claims: tuple[Claim, ...]
    arxiv: str = ""
    version: str = ""
    note: str = ""

    @property
    def preprint(self) -> str:
        """The arXiv id with what was read of it: `arXiv:2403.00409v1`, or with words in brackets."""
        if not self.arxiv:
            return ""
        exact = self.version[:1] == "v" and self.version[1:].isdigit()
        words = f" ({self.version})" if self.version and not exact else ""
        return f"arXiv:{self.arxiv}{self.version if exact else ''}{words}"


def load(folder: Path | None = None, names: Iterable[str] = ()) -> dict[str, Paper]:
    """The papers of a catalogue folder by slug: all, or those that these names of papers and claims mean.

    A paper that another one's correction points to comes along. Raises CatalogueError naming the file and the field.
    """
    folder = FOLDER if folder is None else Path(folder)
    files = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    if not files:
        raise CatalogueError(f"{folder}: no catalogue file (*.toml) there")
    slugs = {name.partition("/")[0] for name in names}
    wanted = slugs if slugs and slugs <= set(files) else set(files)  # an unknown name: all, to suggest the nearest
    papers: dict[str, Paper] = {}
    while wanted:
        papers |= {slug: _read(files[slug]) for slug in wanted}
        pointed = {c.corrected.partition("/")[0] for paper in papers.values() for c in paper.claims if c.corrected}
        wanted = (pointed & set(files)) - set(papers)
    claims = {claim.id: claim for paper in papers.values() for claim in paper.claims}
    for claim in claims.values():
        where = f"{files[claim.paper]}, claim {claim.name!r}"
        if claim.corrected and claim.corrected not in claims:
            near = suggestion(claim.corrected, claims)
            raise CatalogueError(f"{where}: corrected = {claim.corrected!r} is no claim of the catalogue{near}")
        if claim.corrected and claims[claim.corrected].expected != "holds":
            raise CatalogueError(f"{where}: corrected = {claim.corrected!r} is itself expected to fail")
    return {slug: papers[slug] for slug in sorted(papers)}


def select(papers: dict[str, Paper], names: list[str] | tuple[str, ...] = ()) -> list[Claim]:
    """The claims meant by names of papers (`rdpo`) and claims (`rdpo/unbiased-loss`), in catalogue order."""
    everything = [claim for paper in papers.values() for claim in paper.claims]
    known = {claim.id for claim in everything}
    for name in names:
        if name not in papers and name not in known:
            kind = "claim" if "/" in name else "paper"
            near = suggestion(name, known if "/" in name else [*papers, *known])
            raise UnknownName(f"no {kind} is named {name!r}{near}; `lab {kind}s` lists all")
    return [claim for claim in everything if not names or claim.id in names or claim.paper in names]


def _read(file: Path) -> Paper:
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CatalogueError(f"{file}: not a TOML file: {problem}") from None
    listed = entries.pop("claims", None)
    if not isinstance(listed, list) or not listed or not all(isinstance(x, dict) for x in listed):
        raise CatalogueError(f"{file}: claims: at least one [[claims]] section is needed")
    claims = tuple(_claim(file, claim) for claim in listed)
    names = [claim.name for claim in claims]
    for name in names:
        if names.count(name) > 1:
            raise CatalogueError(f"{file}: claim name {name!r} is there {names.count(name)} times")
    values = _checked(Paper, entries, str(file), given={"claims"})
    if values["slug"] != file.stem:
        raise CatalogueError(f"{file}: slug = {values['slug']!r} must be the file's name, {file.stem!r}")
    return Paper(**values, claims=claims)


def _claim(file: Path, entries: dict[str, Any]) -> Claim:
    where = f"{file}, claim {entries.get('name', '?')!r}"
    claim = Claim(**_checked(Claim, entries, where, given={"paper"}), paper=file.stem)
    if not claim.name or "/" in claim.name or " " in claim.name:
        raise CatalogueError(f"{where}: name = {claim.name!r} must be a short name without blanks or slashes")
    for name, legal in (("expected", EXPECTED), ("source", SOURCES)):
        if getattr(claim, name) not in legal:
            raise CatalogueError(f"{where}: {name} = {getattr(claim, name)!r} must be one of {', '.join(legal)}")
    for name in ("counterexample", "corrected"):
        if claim.expected == "fails" and not getattr(claim, name):
            raise CatalogueError(f"{where}: {name} is missing: the claim is expected to fail")
        if claim.expected == "holds" and getattr(claim, name):
            raise CatalogueError(f"{where}: {name} belongs to a claim that is expected to fail")
    return claim


def _checked(kind: type, entries: dict[str, Any], where: str, given: set[str]) -> dict[str, Any]:
    """The entries as constructor arguments: every field known, present unless it has a default, and of its type."""
    known = {f.name: f for f in fields(kind) if f.name not in given}
    for name in entries:
        if name not in known:
            raise CatalogueError(f"{where}: unknown field {name!r}{suggestion(name, known)}")
    for name, entry in known.items():
        if name not in entries and entry.default is MISSING:
            raise CatalogueError(f"{where}: field {name!r} is missing")
    values: dict[str, Any] = {}
    for name, value in entries.items():
        wanted: Any = known[name].type
        if wanted is int:
            legal = type(value) is int
        elif wanted is str:
            legal = isinstance(value, str)
        else:
            legal = isinstance(value, list) and bool(value) and all(isinstance(x, str) for x in value)
        if not legal:
            words = {int: "a whole number", str: "a text"}.get(wanted, "a list of texts")
            raise CatalogueError(f"{where}: {name} = {value!r} must be {words}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return values
