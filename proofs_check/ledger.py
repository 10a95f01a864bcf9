"""The certificates as evidence of the ledger: one check for each claim that a certificate file names.

A check holds (or fails, for a claim that is refuted) when the checker accepts the file. Its control is the same file
with one digit of its mathematics changed and sealed again, which must prove nothing: `undecided`.
"""

import hashlib
import importlib.util
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.datasets.source import DataMissing
from lab.ledger.errors import CatalogueError
from lab.ledger.evidence import Evidence
from lab.ledger.findings import Checked
from proofs_check.checker import Rejected, certificate, check, part, read
from proofs_check.mutation import altered, sites

FOLDER = Path(__file__).parent / "certificates"
LEMMAS = "lemmas"  # the folder of certificates that name claims of several papers


@dataclass(frozen=True)
class File:
    """A certificate file as a source of data: its bytes are part of a result's key."""

    path: Path
    digest: str
    balls: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    def require(self) -> None:
        """The file is part of the project; a step by ball arithmetic needs python-flint."""
        if self.balls and importlib.util.find_spec("flint") is None:
            raise DataMissing(f"{self.name} needs ball arithmetic: pip install python-flint")

    def fingerprint(self) -> str:
        return self.digest


@dataclass
class Proof(Evidence):
    """A certificate as evidence for one claim; `part` says what it proves of it, when that is not all."""

    file: Path = field(default_factory=Path)
    part: str = ""
    assumes: str = ""


def evidence(slug: str) -> list[Proof]:
    """The proofs of a paper's claims, by file: its own, and those that it shares with other papers.

    Raises CatalogueError for a file that is no certificate, and for two proofs of a claim that have one name.
    """
    own, shared = (
        [proof for file in sorted((FOLDER / place).glob("*.toml")) for proof in _proofs(file)]
        for place in (slug, LEMMAS)
    )
    found = own + [proof for proof in shared if proof.claim.startswith(f"{slug}/")]
    for (claim, name), count in Counter((proof.claim, proof.name) for proof in found).items():
        if count > 1:
            raise CatalogueError(f"{claim}: two certificates are named {name!r}")
    return found


def evidence_named(claim: str, name: str) -> Proof:
    """The proof of a claim by its certificate's name."""
    files = [FOLDER / place / f"{name}.toml" for place in (claim.partition("/")[0], LEMMAS)]
    return next(proof for file in files if file.exists() for proof in _proofs(file) if proof.claim == claim)


def _proofs(file: Path) -> list[Proof]:
    try:
        entries = read(file)
        known = certificate(entries)
    except Rejected as problem:
        raise CatalogueError(f"{file}: {problem}") from None

    limits = [
        f"{step.get('says')}: for {step.get('index')} = 0, 1, … as long as {_said(fact)}"
        for step in known["steps"]
        for fact in known.get("facts", [])
        if fact.get("name") in step.get("as_long_as", [])
    ]
    assumes = "; ".join(words for words in (known["assumes"], *limits) if words)
    balls = any(step.get("kind") == "interval" for step in known["steps"])
    source = File(file, hashlib.sha256(file.read_bytes()).hexdigest(), balls)
    proofs = []
    for claim in known["claims"]:
        function = _function(file, claim, known["statement"])
        proof = Proof(claim, "proof", function, data=(source,), file=file, part=part(known, claim), assumes=assumes)
        proof.control("a digit of it is changed", expected="undecided", change=True)
        proofs.append(proof)
    return proofs


def _said(fact: dict[str, str]) -> str:
    return f"{fact['positive']} > 0" if "positive" in fact else f"{fact.get('nonnegative')} ≥ 0"


def _function(file: Path, claim: str, statement: str) -> Callable[..., Checked]:
    def checked(change: bool = False) -> Checked:
        entries = read(file)
        if change:
            entries = altered(entries, random.Random(file.stem).choice(sites(entries)))
        try:
            found = check(entries)
        except Rejected as problem:
            return Checked(False, note=f"rejected: {problem}")
        some = part(found, claim)
        return Checked(True, found["verdict"], len(found["steps"]), some and f"proved in part: {some}")

    checked.__name__ = file.stem
    checked.__doc__ = statement
    return checked
