"""The steps of a proof: each kind is one function, which raises Rejected or adds what it proved to the facts.

identity     left = right, as rational functions
inequality   value >= 0 (or > 0): value is a sum of positive weights times facts times squares over positive facts,
             plus, if given, a quadratic form whose matrix has an exact LDLᵀ with no negative pivot
logarithm    left = right between logarithms, because the exponentials of both sides are equal
minimum      value >= 0, because it is 0 at x = point and its derivative is (x - point) times a sum as above
monotone     value >= 0 for x >= point, because it is 0 at x = point and its derivative is a sum as above
induction    value >= 0 for every whole index from its start on: at the start, and from each index to the next;
             without terms value = 0 throughout, which also adds the fact NAME_above: -value >= 0
interval     value > 0 on a box, by ball arithmetic and bisection
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs_check.checker.algebra import Rational
from proofs_check.checker.errors import Rejected
from proofs_check.checker.scope import Scope

Entry = dict[str, Any]


@dataclass(frozen=True)
class Fact:
    """An expression that is never negative, or positive where `strict`; in one case only, if it names one.

    `roots` are the assumptions and the given sums that it was proved from; an assumption has none.
    """

    value: Rational
    strict: bool
    case: str = ""
    roots: frozenset[str] | None = None


class Proof:
    """The scope of a certificate and what is known in it so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.facts: dict[str, Fact] = {}
        self.used: set[str] = set()
        self.now: set[str] = set()  # used in this step

    def assume(self, name: str, value: Rational, strict: bool, case: str) -> None:
        self._add(name, Fact(self.scope.quadratic(value), strict, case))

    def add(self, name: str, value: Rational, strict: bool) -> None:
        """What a step proved, in the case whose facts it used."""
        cases = {self.facts[used].case for used in self.now} - {""}
        if len(cases) > 1:
            raise Rejected(f"facts of different cases: {', '.join(sorted(cases))}")
        value = self.scope.quadratic(value)
        self._add(name, Fact(value, strict, "".join(cases), self.roots()))

    def roots(self) -> frozenset[str]:
        """What this step rests on, down to assumptions and given sums."""
        facts = {name: self.facts[name].roots for name in self.now}
        found = {root for name, roots in facts.items() for root in ({name} if roots is None else roots)}
        return frozenset(found | (self.scope.touched & set(self.scope.sums)))

    def _add(self, name: str, fact: Fact) -> None:
        if not name.isidentifier() or name in self.facts:
            raise Rejected(f"the fact {name!r} is there already, or has no good name")
        self.facts[name] = fact

    def fact(self, name: str) -> Fact:
        if name not in self.facts:
            raise Rejected(f"unknown fact {name!r}")
        self.now.add(name)
        return self.facts[name]

    def next_step(self) -> None:
        self.used |= self.now
        self.now, self.scope.touched = set(), set()

    def product(self, names: list[str]) -> Fact:
        """The product of facts, of which at most one is about vectors."""
        found, strict, degree = Rational.number(1), True, 0
        for name in names:
            fact = self.fact(name)
            degree += self.scope.degree(fact.value)
            found, strict = found * fact.value, strict and fact.strict
        if degree > 2:
            raise Rejected(f"a product of facts about vectors: {', '.join(names)}")
        return Fact(found, strict)

    def total(self, terms: list[Entry], gram: Entry | None = None) -> Fact:
        """A sum of terms none of which is negative; strict when one of them is positive."""
        total, strict = Rational({}), False
        if not terms and gram is None:
            raise Rejected("an empty sum")
        for term in terms:
            fact = self._term(term)
            total, strict = total + fact.value, strict or fact.strict
        return Fact(total if gram is None else total + self._gram(gram), strict)

    def _term(self, term: Entry) -> Fact:
        known(term, {"weight", "times", "over", "square", "sum"}, "a term")
        weight = self.scope.number(term.get("weight", "1"))
        if weight <= 0:
            raise Rejected(f"the weight {weight} is not positive")
        above, below = self.product(term.get("times", [])), self.product(term.get("over", []))
        if not below.strict or self.scope.degree(below.value):
            raise Rejected("a term is divided by what may be zero, or by vectors")
        value, strict = above.value * Rational.number(weight) / below.value, above.strict
        if "square" in term:
            root = self.scope.read(term["square"])
            degrees = {sum(p for n, p in m if n in self.scope.vectors) for m in root.terms}
            if (
                len(degrees) > 1
                or max(degrees, default=0) + self.scope.degree(value) > 2
                or max(degrees, default=0) > 1
            ):
                raise Rejected(f"{term['square']!r} is no number and no vector, or it meets other vectors")
            value, strict = value * root * root, False
        return Fact(self.scope.sum(value), strict) if term.get("sum", False) is True else Fact(value, strict)

    def _gram(self, gram: Entry) -> Rational:
        known(gram, {"basis", "matrix"}, "gram")
        basis = [self.scope.read(x) for x in gram["basis"]]
        rows = [[self.scope.number(x) for x in row] for row in gram["matrix"]]
        if any(len(row) != len(basis) for row in rows) or len(rows) != len(basis):
            raise Rejected("gram: the matrix does not fit the basis")
        if any(rows[i][j] != rows[j][i] for i in range(len(rows)) for j in range(i)):
            raise Rejected("gram: the matrix is not symmetric")
        semidefinite(rows)
        degrees = {sum(p for n, p in m if n in self.scope.vectors) for b in basis for m in b.terms}
        if degrees != {1} and degrees != {0}:
            raise Rejected("gram: the basis must be all vectors or all numbers")
        found = Rational({})
        for b, row in zip(basis, rows, strict=True):
            for c, x in zip(basis, row, strict=True):
                found = found + Rational.number(x) * b * c
        return found

    def equal(self, left: Rational, right: Rational, what: str) -> None:
        difference = self.scope.reduce(left - right)
        self.scope.degree(difference)
        if not difference.is_zero():
            raise Rejected(f"{what}: the two sides differ")


def semidefinite(rows: list[list[Fraction]]) -> None:
    """Exact LDLᵀ: every pivot is positive, or zero with a zero row below it."""
    rest = [list(row) for row in rows]
    for k in range(len(rest)):
        pivot = rest[k][k]
        if pivot < 0 or (pivot == 0 and any(rest[k][j] for j in range(k, len(rest)))):
            raise Rejected("gram: the matrix is not positive semidefinite")
        for i in range(k + 1, len(rest)):
            if rest[i][k]:
                factor = rest[i][k] / pivot
                for j in range(k, len(rest)):
                    rest[i][j] -= factor * rest[k][j]


def known(entry: Entry, names: set[str], where: str) -> None:
    if not isinstance(entry, dict) or set(entry) - names:
        raise Rejected(f"{where}: unknown field {', '.join(sorted(set(entry) - names))!r}")


RELATIONS = {">= 0": False, "> 0": True}


def identity(proof: Proof, step: Entry) -> None:
    cases = step.get("cases", {})
    left, right = proof.scope.read(step["left"]), proof.scope.read(step["right"])
    assignments: list[dict[str, Rational]] = [{}]
    for name, values in cases.items():
        if len(set(values)) < len(values):
            raise Rejected("identity: a case twice")
        assignments = [{**a, name: proof.scope.read(v)} for a in assignments for v in values]
    for a in assignments:
        sides = [proof.scope.substitute(side, a) if a else side for side in (left, right)]
        proof.equal(*sides, "identity")


def inequality(proof: Proof, step: Entry) -> None:
    if step["relation"] not in RELATIONS:
        raise Rejected(f"relation {step['relation']!r} must be one of {', '.join(RELATIONS)}")
    value, total = proof.scope.read(step["value"]), proof.total(step.get("terms", []), step.get("gram"))
    proof.equal(value, total.value, "inequality")
    strict = RELATIONS[step["relation"]]
    if strict and not total.strict:
        raise Rejected("no term of the sum is positive")
    proof.add(step["name"], value, strict)


def logarithm(proof: Proof, step: Entry) -> None:
    scope = proof.scope
    difference = scope.reduce(scope.read(step["left"]) - scope.read(step["right"]))
    product, replaced = Rational.number(1), None
    for monomial, x in difference.terms.items():
        if difference.below or x.denominator != 1 or len(monomial) != 1 or monomial[0][1] != 1:
            raise Rejected("logarithm: each side must be a sum of logarithms with whole factors")
        symbol, power = monomial[0][0], int(x)
        if scope.opaque.get(symbol, ("",))[0] == "log":
            product = product * scope.opaque[symbol][1] ** power
            replaced = replaced or ((symbol, power) if abs(power) == 1 else None)
        else:
            product = product * scope.function("exp", Rational.symbol(symbol)) ** power
    proof.equal(product, Rational.number(1), "logarithm")
    if replaced is None:
        raise Rejected("logarithm: no logarithm to replace")
    symbol, power = replaced
    scope.rule(symbol, Rational.symbol(symbol) - difference * Rational.number(power))


def minimum(proof: Proof, step: Entry) -> None:
    """On the interval of the variable that the facts allow; the point must lie in it."""
    _calculus(proof, step, proof.scope.read(step["variable"]) - proof.scope.read(step["point"]))


def monotone(proof: Proof, step: Entry) -> None:
    """On the right of the point, which some fact must say."""
    beyond = proof.scope.read(step["variable"]) - proof.scope.read(step["point"])
    if not any(fact.value == beyond for fact in proof.facts.values()):
        raise Rejected("monotone: no fact says that the variable lies beyond the point")
    proof.now |= {name for name, fact in proof.facts.items() if fact.value == beyond}
    _calculus(proof, step, Rational.number(1))


def _calculus(proof: Proof, step: Entry, sign: Rational) -> None:
    scope = proof.scope
    value, point, variable = scope.read(step["value"]), scope.read(step["point"]), scope.read(step["variable"])
    name = scope.variable(variable)
    if scope.depends(point, name) or scope.degree(point):
        raise Rejected("the point must be a number that does not depend on the variable")
    total = proof.total(step["terms"])
    _smooth(proof, value, name, point)
    proof.equal(scope.derivative(value, variable), sign * total.value, "derivative")
    # Between the variable and the point, everything that this rests on must hold too.
    for root in sorted(proof.roots()):
        if root in scope.sums:
            if scope.depends(Rational.symbol(root), name) or scope.depends(scope.rules[root], name):
                raise Rejected(f"a given sum depends on {name}")
        elif scope.depends(proof.facts[root].value, name) and not scope.surely_positive(proof.facts[root].value):
            _holds_up_to(proof, proof.facts[root], name, point)
    proof.equal(scope.substitute(value, {name: point}), Rational({}), "value at the point")
    proof.add(step["name"], value, strict=False)


def _holds_up_to(proof: Proof, fact: Fact, name: str, point: Rational) -> None:
    """The fact is linear in the variable and holds at the point, so it holds in between."""
    scope = proof.scope
    slope = scope.derivative(fact.value, Rational.symbol(name))
    if scope.depends(slope, name):
        raise Rejected(f"a fact about {name} that does not define an interval")
    there = scope.reduce(scope.substitute(fact.value, {name: point}))
    number = there.constant()
    if number is not None and (number > 0 or (number == 0 and not fact.strict)):
        return
    for other, known_fact in proof.facts.items():
        if there == known_fact.value and (known_fact.strict or not fact.strict):
            proof.now.add(other)
            return
    raise Rejected(f"it is not known that {name} may be the point")


def _smooth(proof: Proof, value: Rational, name: str, point: Rational) -> None:
    """No denominator of the value vanishes, and every logarithm in it is defined, on the way to the point."""
    scope = proof.scope
    nonzero = [Rational(dict(factor)) for factor in value.below]
    nonzero += [Rational.symbol(s) for monomial in value.terms for s, power in monomial if power < 0]
    for symbol in value.symbols() & set(scope.opaque):
        kind, argument = scope.opaque[symbol]
        if scope.depends(argument, name):
            _smooth(proof, argument, name, point)
            nonzero += [argument] if kind == "log" else []
    for expression in nonzero:
        _positive_up_to(proof, expression, name, point)


def _positive_up_to(proof: Proof, expression: Rational, name: str, point: Rational) -> None:
    scope = proof.scope
    if not scope.depends(expression, name) or scope.surely_positive(expression):
        return
    for known_as, fact in proof.facts.items():
        if fact.strict and (fact.value == expression or fact.value == -expression):
            if fact.roots is None:
                _holds_up_to(proof, fact, name, point)
            proof.now.add(known_as)
            return
    factors = [Rational(dict(factor)) for factor in expression.below]
    if len(expression.terms) == 1:
        factors += [Rational.symbol(s) for s, _ in next(iter(expression.terms))]
    elif factors:
        factors.append(Rational(expression.terms))
    if not factors or factors == [expression]:
        raise Rejected(f"it is not known that what is divided by, or a logarithm, stays positive for all {name}")
    for factor in factors:
        _positive_up_to(proof, factor, name, point)


def induction(proof: Proof, step: Entry) -> None:
    scope = proof.scope
    value, index = scope.read(step["value"]), step["index"]
    start = {name: scope.read(x) for name, x in step["start"].items()}
    following = {name: scope.read(x) for name, x in step["next"].items()}
    first, successor = start.get(index, Rational({})).constant(), Rational.symbol(index) + Rational.number(1)
    if first is None or first.denominator != 1 or following.get(index) != successor or index not in start:
        raise Rejected("induction: the index must start at a whole number and grow by one")
    if not scope.depends(value, index) and first != 0:
        raise Rejected("induction: an index that only counts starts at 0")
    if any(not scope.depends(value, name) for name in {*start, *following} - {index}):
        raise Rejected("induction: a state that the value does not depend on")
    for given, total in scope.rules.items():
        if any(scope.depends(x, name) for x in (Rational.symbol(given), total) for name in {*start, *following}):
            raise Rejected("induction: a given sum, or an equation between logarithms, about the state")
    for fact in proof.facts.values():  # one about the index alone; others are assumed at every index
        if fact.roots is None and fact.value.symbols() == {index}:
            there = fact.value.map({index: start[index]}.get).constant()
            growth = (fact.value.map({index: successor}.get) - fact.value).constant()
            if there is None or there < 0 or (fact.strict and there == 0) or growth is None or growth < 0:
                raise Rejected("induction: an assumption about the index that fails at its start, or later")
    begun = scope.substitute(value, start)
    first_total = proof.total(step["start_terms"]).value if "start_terms" in step else Rational({})
    proof.equal(begun, first_total, "induction, start")
    kept = proof.product(step.get("keeps", []))
    if scope.degree(kept.value):
        raise Rejected("induction: what is kept must be a number")
    rest = scope.substitute(value, following) - kept.value * value
    total = proof.total(step["terms"]).value if "terms" in step else Rational({})
    proof.equal(rest, total, "induction, step")
    proof.add(step["name"], value, strict=False)
    if "terms" not in step and "start_terms" not in step:  # then it is zero throughout
        proof.add(f"{step['name']}_above", -value, strict=False)


def interval(proof: Proof, step: Entry) -> None:
    """The box is what two facts say of each of its variables."""
    from proofs_check.checker.intervals import positive

    scope = proof.scope
    box = {name: (scope.number(low), scope.number(high)) for name, (low, high) in step.get("box", {}).items()}
    value, values = scope.read(step["value"]), {name: fact.value for name, fact in proof.facts.items()}
    for name, (low, high) in box.items():
        x = scope.read(name)
        ends = [x - Rational.number(low), Rational.number(high) - x]
        if any(end not in values.values() for end in ends):
            raise Rejected(f"interval: no facts say that {name} lies between {low} and {high}")
        proof.now |= {fact for fact, known_value in values.items() if known_value in ends}
    found = positive(step["value"], box, scope.texts)
    if found != step["bisection"]:
        raise Rejected(f"interval: it is {found}, not {step['bisection']}")
    proof.add(step["name"], value, strict=True)


@dataclass(frozen=True)
class Kind:
    check: Callable[[Proof, Entry], None]
    needs: frozenset[str]
    may: frozenset[str] = frozenset()


def _kind(check: Callable[[Proof, Entry], None], needs: str, may: str = "") -> Kind:
    return Kind(check, frozenset(needs.split()), frozenset(may.split()))


KINDS = {
    "identity": _kind(identity, "left right", "cases"),
    "inequality": _kind(inequality, "name value relation", "terms gram"),
    "logarithm": _kind(logarithm, "left right"),
    "minimum": _kind(minimum, "name value variable point terms"),
    "monotone": _kind(monotone, "name value variable point terms"),
    "induction": _kind(induction, "name value index start next", "start_terms keeps terms"),
    "interval": _kind(interval, "name value bisection", "box"),
}
