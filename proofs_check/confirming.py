"""SymPy confirms every equation of a draft before it is written as a certificate."""

from collections.abc import Iterable, Mapping
from typing import Any

import sympy

from lab.ledger.errors import LabError
from proofs_check.symbolic import Language, Total
from proofs_check.writing import Draft


class Refuted(LabError):
    """SymPy does not confirm an equation of a draft; nothing is written."""


def confirm(draft: Draft) -> None:
    """Raises Refuted when SymPy does not agree with an equation of a draft."""
    language = Language(draft)
    facts = {fact["name"]: language.read(fact.get("positive", fact.get("nonnegative"))) for fact in draft.facts}
    for left, right in draft.logarithms.items():
        if not language.vanishes(sympy.exp(language.read(left)) - sympy.exp(sympy.expand(language.read(right)))):
            raise Refuted(f"{draft.name}: SymPy does not confirm {left} = {right}")
    for step in draft.steps:
        for value in _equations(language, facts, step):
            if not language.vanishes(value):
                raise Refuted(f"{draft.name}: SymPy does not confirm step {step.get('name', step['says'])!r}")


def _equations(language: Language, facts: dict[str, sympy.Expr], step: Mapping[str, Any]) -> Iterable[sympy.Expr]:
    """What must vanish for a step to be right; a proved fact is kept."""
    read = language.read
    if step["kind"] == "identity":
        return [read(step["left"]) - read(step["right"])]
    value = facts[step["name"]] = read(step["positive"] if "positive" in step else step["nonnegative"])
    total = sum((_term(language, facts, one) for one in step.get("terms", [])), sympy.Integer(0))
    if step["kind"] == "inequality":
        return [value - total - _gram(language, step.get("gram", {"basis": [], "matrix": []}))]
    if step["kind"] in ("minimum", "monotone"):
        variable, point = read(step["variable"]), read(step["point"])
        slope = total if step["kind"] == "monotone" else (variable - point) * total
        return [value.diff(variable) - slope, language.replaced(value, {step["variable"]: point})]
    if step["kind"] == "induction":
        index = step["index"]
        start = {index: sympy.Integer(0)} | {name: read(x) for name, x in step["start"].items()}
        following = {index: read(index) + 1} | {name: read(x) for name, x in step["next"].items()}
        kept = sympy.Mul(*(facts[name] for name in step.get("keeps", [])))
        begins = sympy.Mul(*(facts[name] for name in step["begins"])) if "begins" in step else 0
        after = language.replaced(value, following) - kept * value
        return [language.replaced(value, start) - begins, after - total]
    return []  # an interval has no equation


def _term(language: Language, facts: Mapping[str, sympy.Expr], entry: Mapping[str, Any]) -> sympy.Expr:
    above = sympy.Mul(*(facts[name] for name in entry.get("times", [])))
    below = sympy.Mul(*(facts[name] for name in entry.get("over", [])))
    value = language.read(entry["weight"]) * above / below * language.read(entry.get("square", "1")) ** 2
    return Total(value) if "sum" in entry else value


def _gram(language: Language, gram: Mapping[str, Any]) -> sympy.Expr:
    basis = [language.read(x) for x in gram["basis"]]
    rows = zip(basis, gram["matrix"], strict=True)
    return sympy.Add(*(language.read(x) * v * w for v, row in rows for w, x in zip(basis, row, strict=True)))
