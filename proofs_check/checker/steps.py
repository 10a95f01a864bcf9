"""The steps of a proof: each kind is one function, which raises Rejected or adds what it proved to the facts.

identity     left = right, as rational functions
inequality   an expression is nonnegative (or positive): it is a sum of positive weights times facts times squares over
             positive facts, plus, if given, a quadratic form whose matrix has an exact LDLᵀ with no negative pivot
minimum      an expression is nonnegative, because it is 0 at variable = point and its derivative is (variable - point)
             times a sum as above
monotone     the same for variable >= point, because its derivative is a sum as above
induction    an expression is nonnegative for every whole index from 0 on: at 0, and from each index to the next; facts
             that limit the index (N - n >= 0 with a constant N) are named in `as_long_as`
interval     an expression is positive on a box, by ball arithmetic and bisection
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from proofs_check.checker.algebra import ONE, ZERO, Polynomial, Rejected, number, symbol
from proofs_check.checker.scope import Scope

Entry = dict[str, Any]

POSITIVE = ("exp", "normal_cdf", "normal_pdf")


def fields(entry: Entry, what: str, needs: str, may: str = "") -> None:
    """Raises Rejected unless an entry has each field that it needs (one|or else the other), and no strange one."""
    missing = [name for name in needs.split() if len(set(name.split("|")) & set(entry)) != 1]
    strange = set(entry) - set(f"{needs} {may}".replace("|", " ").split())
    if missing:
        raise Rejected(f"field {missing[0].replace('|', ' or else ')!r} is missing")
    if strange:
        raise Rejected(f"{what}: unknown field {', '.join(sorted(strange))}")


class Fact(NamedTuple):
    """An expression that is never negative, or positive where `strict`; in one case only, if it names one.

    `roots` are the assumptions and the rules that it rests on; of an assumption, itself.
    """

    value: Polynomial
    strict: bool
    case: str
    roots: frozenset[str]


class Proof:
    """The scope of a certificate and what is known in it so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.facts = scope, dict[str, Fact]()
        self.given = set(scope.values)  # what some step must use
        self.recurrences: dict[str, tuple[str, ...]] = {}  # of the state of all inductions

    def claim(self, entry: Entry) -> Polynomial:
        """What an entry says is positive or nonnegative."""
        return self.scope.read(entry["positive"] if "positive" in entry else entry["nonnegative"])

    def add(self, entry: Entry, assumption: bool = False) -> None:
        """A fact: an assumption, or what a step proved in the case whose facts it used."""
        name, value = entry["name"], self.scope.reduce(self.claim(entry))
        cases = {entry.get("case", ""), *(self.facts[x].case for x in self.scope.now & set(self.facts))} - {""}
        if not name.isidentifier() or name in self.facts or len(cases) > 1:
            raise Rejected(f"the fact {name!r} is there already, or has no good name, or mixes different cases")
        if value.degrees() - {0, 2}:
            raise Rejected("a vector stands where a number is needed")
        roots = frozenset([name] if assumption else self.roots())
        self.facts[name] = Fact(value, "positive" in entry, "".join(cases), roots)

    def roots(self) -> dict[str, Fact]:
        """What this step rests on, down to assumptions and rules (of which the fact tells what they are about)."""
        names = set().union(*(self.facts[x].roots if x in self.facts else [x] for x in self.scope.now))
        rules = {x: Fact(symbol(x) + value, False, "", frozenset()) for x, value in self.scope.rules.items()}
        return {x: (self.facts | rules)[x] for x in sorted(names)}

    def equal(self, left: Polynomial, right: Polynomial, what: str) -> None:
        if not self.scope.vanishes(self.scope.reduce(left - right)):
            raise Rejected(f"{what}: the two sides differ")

    def find(self, value: Polynomial, strict: bool, why: str) -> None:
        """Use the fact that this is not negative (or positive), where it needs one."""
        same = [name for name, fact in self.facts.items() if self.scope.vanishes(fact.value - value)]
        names = [name for name in same if self.facts[name].strict >= strict]
        if not names and not self.surely_positive(value) and (value.terms or strict):
            raise Rejected(why)
        self.scope.now |= set(names[:1])

    def surely_positive(self, value: Polynomial) -> bool:
        """Positive for all values of its symbols: a sum of positive numbers times exponentials and the like."""
        functions = [self.scope.functions.get(name, ("", ZERO)) for name in value.symbols()]
        sure = [kind in POSITIVE or (kind == "inverse" and self.surely_positive(x)) for kind, x in functions]
        return all(sure) and min(value.terms.values(), default=0) > 0

    # -- sums of what is not negative --------------------------------------------------------------------------------

    def product(self, names: Iterable[str]) -> tuple[Polynomial, bool]:
        value, strict = ONE, True
        for name in names:
            self.scope.now.add(name)
            value, strict = value * self.facts[name].value, strict and self.facts[name].strict
        return value, strict

    def total(self, step: Entry) -> tuple[Polynomial, bool]:
        """A sum of terms none of which is negative, and whether one of them is positive."""
        found = [self._term(term) for term in step.get("terms", [])]
        gram = self._gram(**step["gram"]) if "gram" in step else ZERO
        return sum((value for value, _ in found), gram), any(strict for _, strict in found)

    def _term(self, term: Entry) -> tuple[Polynomial, bool]:
        fields(term, "a term", "weight", "times over square sum")
        weight, root = self.scope.read(term["weight"]), self.scope.read(term.get("square", "1"))
        above, strict = self.product(term.get("times", []))
        below, positive = self.product(term.get("over", []))
        if not positive or not self.surely_positive(weight) or len(root.degrees()) > 1:
            raise Rejected("a weight is not positive, a divisor may be zero, or a square mixes vectors and numbers")
        value = weight * above * self.scope.apply("inverse", below) * root * root
        return self.scope.apply("sum", value) if "sum" in term else value, strict and "square" not in term

    def _gram(self, basis: list[str], matrix: list[list[str]]) -> Polynomial:
        vectors = [self.scope.read(x) for x in basis]
        rows = [[self.scope.read(x).constant() for x in row] for row in matrix]
        semidefinite(rows)
        if len(set().union(*(vector.degrees() for vector in vectors))) > 1:
            raise Rejected("gram: the basis must be all vectors or all numbers")
        images = [sum((number(x) * v for x, v in zip(row, vectors, strict=True)), ZERO) for row in rows]
        return sum((v * image for v, image in zip(vectors, images, strict=True)), ZERO)

    # -- between a variable and a point ------------------------------------------------------------------------------

    def defined(self, value: Polynomial, name: str) -> None:
        """No denominator of the value vanishes on the way, and every logarithm in it is defined."""
        for function in sorted(self.scope.inside(value) & set(self.scope.functions)):
            kind, argument = self.scope.functions[function]
            factors = [argument] if len(argument.terms) > 1 else map(symbol, sorted(argument.symbols()))
            for factor in factors if kind in ("inverse", "log") else ():
                if name in self.scope.inside(factor):
                    self.find(
                        factor, True, f"it is not known that a divisor or logarithm stays positive for all {name}"
                    )

    def hold(self, name: str, point: Polynomial) -> None:
        """What the step rests on is true between the variable and the point: linear, and true at the point."""
        for root, (value, strict, *_) in self.roots().items():
            if name in self.scope.inside(value) and not self.surely_positive(value):
                if root in self.scope.rules or name in self.scope.inside(self.scope.derivative(value, name)):
                    raise Rejected(f"a given sum, or a fact that does not define an interval, depends on {name}")
                there = self.scope.reduce(self.scope.substitute(value, {name: point}))
                self.find(there, strict, f"it is not known that {name} may be the point")


def semidefinite(rows: list[list[Fraction]]) -> None:
    """Exact LDLᵀ: the matrix is symmetric, and every pivot is positive, or zero with a zero row."""
    if [list(column) for column in zip(*rows, strict=True)] != rows:
        raise Rejected("gram: the matrix is not symmetric")
    while rows:
        pivot, *row = rows[0]
        if pivot < 0 or (pivot == 0 and any(row)):
            raise Rejected("gram: the matrix is not positive semidefinite")
        lines = zip(row, rows[1:], strict=True)
        rows = [[x - a * b / (pivot or 1) for x, b in zip(line[1:], row, strict=True)] for a, line in lines]


def identity(proof: Proof, step: Entry) -> None:
    proof.equal(proof.scope.read(step["left"]), proof.scope.read(step["right"]), "identity")


def inequality(proof: Proof, step: Entry) -> None:
    total, strict = proof.total(step)
    proof.equal(proof.claim(step), total, "inequality")
    if "positive" in step and not strict:
        raise Rejected("no term of the sum is positive")
    proof.add(step)


def minimum(proof: Proof, step: Entry) -> None:
    """On the interval of the variable that the facts allow; the point must lie in it."""
    scope, name = proof.scope, step["variable"]
    value, point = proof.claim(step), scope.read(step["point"])
    if name in scope.inside(point) or point.degrees() - {0}:
        raise Rejected("the point must be a number that does not depend on the variable")
    away = scope.read(name) - point
    if step["kind"] == "monotone":
        proof.find(away, False, "no fact says that the variable lies beyond the point")
    slope = proof.total(step)[0] * (ONE if step["kind"] == "monotone" else away)
    proof.defined(value, name)
    proof.equal(scope.derivative(value, name), slope, "derivative")
    proof.hold(name, point)
    proof.equal(scope.substitute(value, {name: point}), ZERO, "value at the point")
    proof.add(step)


def induction(proof: Proof, step: Entry) -> None:
    scope, index, value = proof.scope, step["index"], proof.claim(step)
    start, following = ({name: scope.read(x) for name, x in step[when].items()} for when in ("start", "next"))
    state = {*start, *following}
    if index in scope.indexed or index in state or state - {name.strip("→") for name in scope.inside(value)}:
        raise Rejected("induction: the index, or what the value does not depend on, in the state")
    for name in state:  # two inductions about one sequence: it is one sequence
        recurrence = (index, step["start"].get(name, name), step["next"].get(name, name))
        if proof.recurrences.setdefault(name, recurrence) != recurrence:
            raise Rejected(f"induction: another recurrence of {name} before")
    kept, _ = proof.product(step.get("keeps", []))
    first = scope.substitute(value, {index: ZERO, **start})
    proof.equal(first, proof.product(step["begins"])[0] if "begins" in step else ZERO, "induction, start")
    after = scope.substitute(value, {index: scope.read(index) + ONE, **following})
    proof.equal(after - kept * value, proof.total(step)[0], "induction, step")
    limits = set()
    for root, fact in proof.roots().items():  # of assumptions; what they say about the state, they say at every index
        about, terms = {name.strip("→") for name in scope.inside(fact.value) - set(scope.functions)}, fact.value.terms
        if about == {index} and (
            min(terms.values()) < 0 or fact.value.symbols() != about or fact.strict > (() in terms)
        ):
            raise Rejected("induction: an assumption about the index that fails at 0, or later")
        if root in scope.rules and about & {index, *state}:
            raise Rejected("induction: a given sum, or an equation between logarithms, about the state")
        if index in about and about != {index} and not about & set(proof.recurrences):
            limits.add(root)
    if limits != set(step.get("as_long_as", [])):
        raise Rejected(f"induction: `as_long_as` must name what limits the index: {sorted(limits)}")
    proof.add(step)


def interval(proof: Proof, step: Entry) -> None:
    """The box is what two facts say of each of its variables; a later step must use what is proved."""
    from proofs_check.checker.intervals import positive  # needs python-flint, nothing else does

    scope = proof.scope
    box = {name: tuple(scope.read(end).constant() for end in ends) for name, ends in step.get("box", {}).items()}
    for name, (low, high) in box.items():
        for end in (scope.read(name) - number(low), number(high) - scope.read(name)):
            proof.find(end, False, f"interval: no facts say that {name} lies between {low} and {high}")
    positive(scope, proof.claim(step), box)
    proof.add(step)
    proof.given.add(step["name"])


# What checks a kind of step, the fields that it must have, and those that it may have.
KINDS: dict[str, tuple[Callable[[Proof, Entry], None], str, str]] = {
    "identity": (identity, "left right", ""),
    "inequality": (inequality, "name positive|nonnegative", "terms gram"),
    "minimum": (minimum, "name nonnegative variable point terms", ""),
    "monotone": (minimum, "name nonnegative variable point terms", ""),
    "induction": (induction, "name nonnegative index start next", "begins keeps as_long_as terms"),
    "interval": (interval, "name positive", "box"),
}
