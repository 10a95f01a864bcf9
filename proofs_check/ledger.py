"""The certificates as evidence of the ledger: one check for each claim that a certificate file names.

A check holds (or fails, for a claim that is refuted) when the checker accepts the file. Its control is the same file
with one digit of its mathematics changed and sealed again, which must prove nothing: `undecided`.
"""

import hashlib
import importlib.util
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.datasets.source import DataMissing
from lab.ledger.errors import CatalogueError
from lab.ledger.evidence import Evidence
from lab.ledger.findings import Checked
from proofs_check.checker import Rejected, certificate, check, read
from proofs_check.mutation import altered, sites

FOLDER = Path(__file__).parent / "certificates"


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


def files(slug: str) -> list[Path]:
    """The certificate files of a paper."""
    return sorted((FOLDER / slug).glob("*.toml"))


def evidence(slug: str) -> list[Proof]:
    """The proofs of a paper's claims, by file."""
    return [proof for file in files(slug) for proof in _proofs(file)]


def evidence_named(claim: str, name: str) -> Proof:
    """The proof of a claim by its certificate's name."""
    found = _proofs(FOLDER / claim.partition("/")[0] / f"{name}.toml")
    return next(proof for proof in found if proof.claim == claim)


def _proofs(file: Path) -> list[Proof]:
    try:
        entries = read(file)
        known = certificate(entries)
    except Rejected as problem:
        raise CatalogueError(f"{file}: {problem}") from None

    balls = any(step.get("kind") == "interval" for step in known["steps"])
    source = File(file, hashlib.sha256(file.read_bytes()).hexdigest(), balls)
    function = _function(file, known["statement"])
    proofs = []
    for claim in known["claims"]:
        proof = Proof(claim, "proof", function, data=(source,), file=file, part=known["part"], assumes=known["assumes"])
        proof.control("a digit of it is changed", expected="undecided", change=True)
        proofs.append(proof)
    return proofs


def _function(file: Path, statement: str) -> Callable[..., Checked]:
    def checked(change: bool = False) -> Checked:
        entries = read(file)
        if change:
            entries = altered(entries, random.Random(file.stem).choice(sites(entries)))
        try:
            found = check(entries)
        except Rejected as problem:
            return Checked(False, note=f"rejected: {problem}")
        part = found["part"] and f"proved in part: {found['part']}"
        return Checked(True, found["verdict"], len(found["steps"]), part)

    checked.__name__ = file.stem
    checked.__doc__ = statement
    return checked
