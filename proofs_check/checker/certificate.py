"""A certificate file: its fields, its digest, and the check of all its steps.

The file is TOML. `digest` seals every other byte of meaning in it, words included, against damage; that the steps are
*true* is decided by the steps alone. A symbol, definition, rule or fact that no step uses is refused, so that no number
stands in a certificate unchecked.
"""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from proofs_check.checker.algebra import Rejected
from proofs_check.checker.scope import Scope
from proofs_check.checker.steps import KINDS, Proof, fields

FORMAT = 2
HEAD = ("format", "claims", "verdict", "part", "statement", "assumes", "digest", "steps")
BODY = ("symbols", "indexed", "vectors", "orthogonal", "definitions", "sums", "logarithms", "facts", "steps")


def seal(entries: dict[str, Any]) -> str:
    """The digest of all entries but the digest itself."""
    rest = {name: x for name, x in entries.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def parse(text: str | bytes) -> dict[str, Any]:
    """The entries in a certificate's text."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode())
    except ValueError as problem:
        raise Rejected(f"not a TOML file: {problem}") from None


def read(file: Path | str) -> dict[str, Any]:
    """The entries of a certificate file."""
    return parse(Path(file).read_bytes())


def certificate(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries, when they are a certificate and its digest fits; that it proves something is not yet checked."""
    fields(entries, "certificate", " ".join(HEAD), " ".join(BODY))
    if entries["format"] != FORMAT:
        raise Rejected(f"format {entries['format']!r}: this checker reads format {FORMAT}")
    if entries["verdict"] not in ("holds", "fails") or not entries["claims"] or not entries["steps"]:
        raise Rejected(f"verdict {entries['verdict']!r} must be holds or fails; or no claims, or no steps")
    words = entries["part"]
    if not isinstance(words, str) and not (isinstance(words, dict) and set(words) <= set(entries["claims"])):
        raise Rejected("part: neither a text nor texts for claims of the certificate")
    if entries["digest"] != seal(entries):
        raise Rejected("the digest does not fit: the file was altered")
    return entries


def part(entries: dict[str, Any], claim: str) -> str:
    """What a certificate proves of a claim, when that is not all of it; one text for all claims, or one for each."""
    words = entries["part"]
    return words if isinstance(words, str) else words.get(claim, "")


def check(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries, when every step of the certificate is right; raises Rejected with the step and the reason."""
    certificate(entries)
    where = "the head"
    try:
        scope = Scope(entries)
        proof = Proof(scope)
        for kind, table in (("sum", "sums"), ("log", "logarithms")):
            for left, right in entries.get(table, {}).items():
                where = left
                scope.rule(kind, left, right)
        for fact in entries.get("facts", []):
            where = f"fact {fact.get('name')!r}"
            fields(fact, "fact", "name positive|nonnegative", "because case")
            proof.add(fact, assumption=True)
        proof.given |= {*scope.rules, *proof.facts}
        for number, step in enumerate(entries["steps"], 1):
            where = f"step {number} ({step.get('says', step.get('name', ''))})"
            kind, needs, may = KINDS[step["kind"]]
            fields(step, step["kind"], f"kind {needs}", f"says {may}")
            scope.used, scope.now = scope.used | scope.now, set()
            kind(proof, step)
        where = "the end"
        if unused := proof.given - scope.used - scope.now:
            raise Rejected(f"not used: {', '.join(sorted(unused))}")
    except Exception as problem:  # whatever goes wrong, nothing is proved
        kind = "" if isinstance(problem, Rejected) else f"{type(problem).__name__}: "
        raise Rejected(f"{where}: {kind}{problem}") from None
    return entries
