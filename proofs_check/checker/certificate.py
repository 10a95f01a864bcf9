"""A certificate file: its fields, its digest, and the check of all its steps.

The file is TOML. `digest` seals every other byte of meaning in it, words included, against damage; that the steps are
*true* is decided by the steps alone. A symbol, definition, rule or fact that no step uses is refused, so that no number
stands in a certificate unchecked.
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs_check.checker.algebra import Rational
from proofs_check.checker.errors import Rejected
from proofs_check.checker.scope import Scope
from proofs_check.checker.steps import KINDS, Proof, known

FORMAT = 1
HEAD = ("format", "claims", "verdict", "part", "statement", "assumes", "digest")
BODY = ("symbols", "indexed", "vectors", "orthogonal", "definitions", "sums", "facts", "steps")


@dataclass(frozen=True)
class Certificate:
    """What a file says: the claims, `holds` or `fails`, which part of them if not all, and the proof."""

    claims: tuple[str, ...]
    verdict: str
    part: str
    statement: str
    assumes: str
    digest: str
    body: dict[str, Any]

    @property
    def steps(self) -> int:
        return len(self.body["steps"])


def seal(entries: dict[str, Any]) -> str:
    """The digest of all entries but the digest itself."""
    rest = {name: x for name, x in entries.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read(file: Path | str) -> dict[str, Any]:
    """The entries of a certificate file."""
    try:
        return parse(Path(file).read_text(encoding="utf-8"))
    except UnicodeDecodeError as problem:
        raise Rejected(f"not a text: {problem}") from None


def parse(text: str) -> dict[str, Any]:
    """The entries in a certificate's text."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise Rejected(f"not a TOML file: {problem}") from None


def certificate(entries: dict[str, Any]) -> Certificate:
    """What the entries say, not yet checked. Raises Rejected when they are none, or their digest does not fit."""
    known(entries, {*HEAD, *BODY}, "certificate")
    for name in HEAD:
        if name not in entries:
            raise Rejected(f"field {name!r} is missing")
    if entries["format"] != FORMAT:
        raise Rejected(f"format {entries['format']!r}: this checker reads format {FORMAT}")
    if entries["verdict"] not in ("holds", "fails"):
        raise Rejected(f"verdict {entries['verdict']!r} must be holds or fails")
    if not entries["claims"] or not entries.get("steps"):
        raise Rejected("no claims, or no steps")
    if entries["digest"] != seal(entries):
        raise Rejected("the digest does not fit: the file was altered")
    body = {name: entries[name] for name in BODY if name in entries}
    words = {name: entries[name] for name in HEAD if name not in ("format", "claims")}
    return Certificate(claims=tuple(entries["claims"]), body=body, **words)


def check(entries: dict[str, Any]) -> Certificate:
    """The certificate, when every step of it is right; raises Rejected with the step and the reason."""
    found = certificate(entries)
    body = found.body
    where = "the head"
    try:
        scope = Scope(
            body.get("symbols", {}), body.get("indexed", {}), body.get("vectors", {}), body.get("orthogonal", [])
        )
        proof = Proof(scope)
        for name, text in body.get("definitions", {}).items():
            where = f"definition {name!r}"
            scope.define(name, text)
        for left, right in body.get("sums", {}).items():
            where = f"sum {left!r}"
            _given(scope, left, right)
        for fact in body.get("facts", []):
            where = f"fact {fact.get('name')!r}"
            known(fact, {"name", "positive", "nonnegative", "because", "case"}, "fact")
            if ("positive" in fact) == ("nonnegative" in fact):
                raise Rejected("it must be either positive or nonnegative")
            strict = "positive" in fact
            value = scope.read(fact["positive" if strict else "nonnegative"])
            proof.assume(fact["name"], value, strict, fact.get("case", ""))
        proof.next_step()
        for number, step in enumerate(body["steps"], 1):
            where = f"step {number} ({step.get('says', step.get('name', ''))})"
            _step(proof, step)
            proof.next_step()
        where = "the end"
        _all_used(proof, body)
    except Rejected as problem:
        raise Rejected(f"{where}: {problem}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        raise Rejected(f"{where}: malformed ({type(problem).__name__}: {problem})") from None
    return found


def _given(scope: Scope, left: str, right: str) -> None:
    total = scope.read(left)
    (symbol,) = total.symbols()
    if symbol not in scope.sums or total != Rational.symbol(symbol):
        raise Rejected("the left side must be one sum")
    scope.rule(symbol, scope.read(right))


def _step(proof: Proof, step: dict[str, Any]) -> None:
    kind = KINDS.get(step.get("kind", ""))
    if kind is None:
        raise Rejected(f"kind {step.get('kind')!r} must be one of {', '.join(KINDS)}")
    known(step, {"kind", "says", *kind.needs, *kind.may}, "step")
    for name in kind.needs:
        if name not in step:
            raise Rejected(f"field {name!r} is missing")
    kind.check(proof, step)


def _all_used(proof: Proof, body: dict[str, Any]) -> None:
    names = [*(body.get(x, {}) for x in ("symbols", "indexed", "vectors", "definitions"))]
    unused = [name for group in names for name in group if name not in proof.scope.used]
    unused += [fact["name"] for fact in body.get("facts", []) if fact["name"] not in proof.used]
    unused += [rule for rule in proof.scope.rules if rule.startswith("sum") and rule not in proof.scope.used]
    if unused:
        raise Rejected(f"not used: {', '.join(unused)}")
