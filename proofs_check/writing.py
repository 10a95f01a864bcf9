"""How a producer writes a certificate: as a `Draft`, whose text is TOML that people can read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from proofs_check.checker import FORMAT, seal

WIDTH = 116
TABLES = ("symbols", "indexed", "vectors", "definitions", "sums", "logarithms")
Names = Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """A certificate to be written to `certificates/SLUG/NAME.toml`, or to `certificates/lemmas/` for several papers.

    `verdict` is what it proves of its claims, `part` what of them when that is not all: one text, or one by claim.
    """

    name: str
    claims: Sequence[str]
    statement: str
    steps: Sequence[dict[str, Any]]
    assumes: str = ""
    part: str | Names = ""
    verdict: str = "holds"
    symbols: Names = field(default_factory=dict)
    indexed: Names = field(default_factory=dict)
    vectors: Names = field(default_factory=dict)
    orthogonal: Sequence[Sequence[str]] = ()
    definitions: Names = field(default_factory=dict)
    sums: Names = field(default_factory=dict)
    logarithms: Names = field(default_factory=dict)
    facts: Sequence[dict[str, Any]] = ()

    def text(self) -> str:
        """The file's text, with its digest. Every side of an identity must have its words: see `deriving.derived`."""
        head: dict[str, Any] = {
            "format": FORMAT,
            "claims": list(self.claims),
            "verdict": self.verdict,
            "part": self.part,
            "statement": self.statement,
            "assumes": self.assumes,
            "digest": "",
        }
        tables = {name: dict(getattr(self, name)) for name in TABLES}
        lists = {"facts": list(self.facts), "steps": list(self.steps)}
        parts: dict[str, Any] = {"orthogonal": [list(group) for group in self.orthogonal], **tables, **lists}
        parts = {name: x for name, x in parts.items() if x}
        head["digest"] = seal(head | parts)
        lines = [
            f"{name} = {_value(x)}"
            for name, x in (head | {"orthogonal": parts.pop("orthogonal", [])}).items()
            if x != []
        ]
        for name, part in parts.items():
            if isinstance(part, dict):
                lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(x)}" for key, x in part.items())]
            else:
                for entry in part:
                    lines += ["", f"[[{name}]]", *(f"{_key(key)} = {_value(x)}" for key, x in entry.items())]
        return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def _value(x: Any) -> str:
    """A TOML value; long lists have one entry a line."""
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, int):
        return str(x)
    if isinstance(x, Fraction):
        return json.dumps(str(x))
    if isinstance(x, str):
        return f"'{x}'" if "\\" in x and "'" not in x else json.dumps(x, ensure_ascii=False)
    if isinstance(x, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_value(y)}" for name, y in x.items()) + " }"
    inside = [_value(y) for y in x]
    short = f"[{', '.join(inside)}]"
    return short if len(short) <= WIDTH else "[\n" + "".join(f"    {y},\n" for y in inside) + "]"


# -- steps, for short ------------------------------------------------------------------------------------------------


def identity(says: str, left: str, right: str, **more: Any) -> dict[str, Any]:
    """Left = right; `right` may be a form that SymPy puts into words (`deriving`)."""
    return {"kind": "identity", "says": says, "left": left, "right": right, **more}


def inequality(
    name: str, says: str, value: str, *terms: dict[str, Any], strict: bool = False, **more: Any
) -> dict[str, Any]:
    """A value is not negative, or `strict`ly positive: it is the sum of these terms, and of a `gram` form if given."""
    claim = {"positive" if strict else "nonnegative": value}
    given = {"terms": list(terms)} if terms else {}
    return {"kind": "inequality", "name": name, "says": says, **claim, **given, **more}


def minimum(name: str, says: str, value: str, variable: str, point: str, *terms: dict[str, Any]) -> dict[str, Any]:
    """A value is not negative: it is 0 at the point, and its slope is (variable − point) times the sum of the terms."""
    where = {"variable": variable, "point": point, "terms": list(terms)}
    return {"kind": "minimum", "name": name, "says": says, "nonnegative": value, **where}


def monotone(name: str, says: str, value: str, variable: str, point: str, *terms: dict[str, Any]) -> dict[str, Any]:
    """A value is not negative beyond the point: it is 0 there, and its slope is the sum of the terms."""
    return minimum(name, says, value, variable, point, *terms) | {"kind": "monotone"}


def induction(
    name: str, says: str, value: str, index: str, start: Names, following: Names, *terms: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A value is not negative for an index from 0 on: the state at 0, the state that follows, and what it grows by.

    `more` names facts: what it `begins` with, the share that it `keeps`, what limits the index (`as_long_as`).
    """
    state = {"index": index, "start": dict(start), "next": dict(following)}
    given = {"terms": list(terms)} if terms else {}
    return {"kind": "induction", "name": name, "says": says, "nonnegative": value, **state, **given, **more}


def interval(name: str, says: str, value: str, box: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """By ball arithmetic; a later step must use it."""
    given = {"box": {variable: list(ends) for variable, ends in box.items()}} if box else {}
    return {"kind": "interval", "name": name, "says": says, "positive": value, **given}


def term(
    weight: str | int | Fraction = 1, times: str = "", over: str = "", square: str = "", sum: bool = False
) -> dict[str, Any]:
    """A positive weight times facts (names with blanks between) times a square, over positive facts."""
    found: dict[str, Any] = {"weight": str(weight)}
    found |= {"times": times.split()} if times else {}
    found |= {"over": over.split()} if over else {}
    found |= {"square": square} if square else {}
    return found | ({"sum": True} if sum else {})


def positive(name: str, expression: str, because: str = "", case: str = "") -> dict[str, str]:
    """An assumption; a step may use those of one case only, besides those that hold in all."""
    return {"name": name, "positive": expression} | _said(because, case)


def nonnegative(name: str, expression: str, because: str = "", case: str = "") -> dict[str, str]:
    """An assumption that allows zero."""
    return {"name": name, "nonnegative": expression} | _said(because, case)


def _said(because: str, case: str) -> dict[str, str]:
    return {name: words for name, words in (("because", because), ("case", case)) if words}
