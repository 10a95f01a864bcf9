"""The language of certificates: what its names mean, and exact evaluation of its expressions.

    e, h, n          numbers                     + - * /, whole powers
    x, t             vectors of a Hilbert space; a product of two vectors is their inner product
    p, q             indexed numbers p_1, …, p_N; sum(…) adds over the index
    log(…) exp(…)    functions that know their derivatives; also normal_cdf, normal_pdf
    d(…, x)          derivative in a number x
    at(…, x=…, y=…)  simultaneous replacement of symbols

A value is a polynomial in symbols. Some symbols stand for a function of another value: its logarithm, its inverse, its
sum over the index. Rational functions are equal when the numerator of their difference is the zero polynomial. A
quadratic identity between vectors holds for all inner products exactly when it holds for the coefficients. Cross
products of vectors from different `orthogonal` groups vanish.
"""

import ast
import itertools
import operator
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from proofs_check.checker.algebra import ARROW, ONE, ZERO, Polynomial, Rejected, number, symbol

FUNCTIONS = ("log", "exp", "normal_cdf", "normal_pdf")
OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


class Scope:
    """The symbols, definitions and rewriting rules of one certificate, and what was used of them."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        symbols, indexed, vectors = (list(body.get(kind, {})) for kind in ("symbols", "indexed", "vectors"))
        groups = list(body.get("orthogonal", []))
        if groups and sorted(itertools.chain(*groups)) != sorted(vectors):
            raise Rejected("orthogonal: every vector belongs to exactly one group")
        self.numbers, self.indexed, self.vectors = {*symbols, *indexed}, set(indexed), set(vectors)
        self.group = {ARROW + name: number for number, group in enumerate(groups) for name in group}
        self.functions: dict[str, tuple[str, Polynomial]] = {}  # symbol: which function, of what
        self.values, self.rules = dict[str, Polynomial](), dict[str, Polynomial]()
        self.used, self.now = set[str](), set[str]()  # names; facts and rules of this step
        for name in [*symbols, *indexed, *vectors, *(definitions := body.get("definitions", {}))]:
            if not name.isidentifier() or name in self.values or name in (*FUNCTIONS, "sum", "d", "at"):
                raise Rejected(f"{name!r} is no good name, or there already")
            arrow = ARROW * (name in self.vectors)
            self.values[name] = self.read(definitions[name]) if name in definitions else symbol(arrow + name)

    # -- expressions -------------------------------------------------------------------------------------------------

    def read(self, text: str) -> Polynomial:
        """The exact value of an expression."""
        return self._value(ast.parse(text, mode="eval").body)

    def _value(self, node: ast.expr) -> Polynomial:
        match node:
            case ast.Constant(value=value) if type(value) is int:
                return number(value)
            case ast.Name(id=name) if name in self.values:
                self.used.add(name)
                return self.values[name]
            case ast.UnaryOp(op=ast.USub(), operand=value):
                return ZERO - self._value(value)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=power)) if power in range(65):
                return self._value(left) ** power
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._value(left) * self.apply("inverse", self._value(right))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
                return OPERATIONS[type(op)](self._value(left), self._value(right))
            case ast.Call(func=ast.Name(id="at"), args=[value], keywords=[_, *_] as new):
                return self.substitute(self._value(value), {x.arg: self._value(x.value) for x in new})
            case ast.Call(func=ast.Name(id="d"), args=[value, ast.Name(id=name)], keywords=[]):
                return self.derivative(self._value(value), name)
            case ast.Call(func=ast.Name(id=kind), args=[value], keywords=[]) if kind in (*FUNCTIONS, "sum"):
                return self.apply(kind, self._value(value))
        raise Rejected(f"{ast.unparse(node)!r} is not in the language, or not known")

    def apply(self, kind: str, value: Polynomial) -> Polynomial:
        """A function of a value, its inverse, or its sum over the index; what has no index is taken out of a sum."""
        if kind == "sum":
            total = ZERO
            for monomial, x in value.terms.items():
                outer, inner = ([f for f in monomial if (f[0] in self.indexed) is within] for within in (False, True))
                summed = self._symbol("sum", Polynomial([(tuple(inner), Fraction(1))]))
                total += Polynomial([(tuple(outer), x)]) * summed
            return total
        if value.degrees() - {0}:
            raise Rejected(f"{kind} of a vector, or division by a vector")
        if kind == "inverse":
            if not value.terms:
                raise Rejected("division by zero")
            lead = number(1 / value.terms[min(value.terms)])
            if len(value.terms) > 1:
                return lead * self._symbol(kind, lead * value)
            for name, power in min(value.terms):
                lead *= self._symbol(kind, symbol(name)) ** power
            return lead
        if kind == "exp":  # of a sum: the product of the exponentials
            product = ONE
            for monomial, x in value.terms.items():
                base = self._symbol("exp", Polynomial([(monomial, Fraction(1, x.denominator))]))
                product *= (base if x > 0 else self.apply("inverse", base)) ** abs(x.numerator)
            return product
        return ZERO if kind == "log" and self.vanishes(value - ONE) else self._symbol(kind, value)

    def _symbol(self, kind: str, value: Polynomial) -> Polynomial:
        """The symbol of a function of this value, one for equal values; exp log x and log exp x are x."""
        for name, (other, known) in self.functions.items():
            if kind == other and self.vanishes(value - known):
                return symbol(name)
            if {kind, other} == {"log", "exp"} and self.vanishes(value - symbol(name)):
                return known
        name = f"{kind}#{len(self.functions)}"
        self.functions[name] = (kind, value)
        if kind != "sum" and value.symbols() & self.indexed:
            self.indexed.add(name)
        return symbol(name)

    def vanishes(self, value: Polynomial) -> bool:
        """Whether a value is zero as a rational function: its numerator is, over the product of all denominators."""
        for name in reversed(self.functions):  # later ones may contain earlier ones
            kind, below = self.functions[name]
            if kind == "inverse" and name in value.symbols():
                powers = {monomial: dict(monomial).get(name, 0) for monomial in value.terms}
                top, found = max(powers.values()), ZERO
                for monomial, x in value.terms.items():
                    rest = tuple(factor for factor in monomial if factor[0] != name)
                    found += Polynomial([(rest, x)]) * below ** (top - powers[monomial])
                value = found
        return not value.terms

    # -- rules and replacement ---------------------------------------------------------------------------------------

    def rule(self, kind: str, left: str, right: str) -> None:
        """From now on a sum is replaced by its given value, a logarithm by one whose exponential is the same."""
        given, value = self.read(left), self.reduce(self.read(right))
        (name,) = given.symbols()
        if self.functions[name][0] != kind or (given - symbol(name)).terms:
            raise Rejected(f"the left side must be one {kind}")
        if kind == "log" and not self.vanishes(self.apply("exp", given) - self.apply("exp", value)):
            raise Rejected("the exponentials of the two sides differ")
        if name in self.rules or name in self.inside(value) or value.degrees() - {0}:
            raise Rejected("a rule gives a second value, refers to itself, or is about vectors")
        self.rules = {other: self.rewrite(x, {name: value}) for other, x in self.rules.items()} | {name: value}

    def reduce(self, value: Polynomial) -> Polynomial:
        """Apply the rules, and drop inner products of vectors from different orthogonal groups."""
        self.now |= self.inside(value) & set(self.rules)
        terms = self.rewrite(value, self.rules).terms
        groups = {monomial: {self.group[name] for name, _ in monomial if name in self.group} for monomial in terms}
        return Polynomial((monomial, x) for monomial, x in terms.items() if len(groups[monomial]) < 2)

    def rewrite(self, value: Polynomial, new: Mapping[str, Polynomial]) -> Polynomial:
        """Replace symbols everywhere, also inside of sums and functions."""
        known = {name: new[name] for name in value.symbols() if name in new}
        for name in value.symbols() & set(self.functions) - set(known):
            kind, argument = self.functions[name]
            if self.inside(argument) & set(new):
                known[name] = self.apply(kind, self.rewrite(argument, new))
        total = ZERO
        for monomial, x in value.terms.items() if known else ():
            product = number(x)
            for name, power in monomial:
                product *= known.get(name, symbol(name)) ** power
            total += product
        return total if known else value

    def inside(self, value: Polynomial) -> set[str]:
        """All symbols of a value, also those in the arguments of its functions and sums."""
        found = value.symbols()
        return found.union(*(self.inside(self.functions[name][1]) for name in found if name in self.functions))

    def summed(self, value: Polynomial) -> set[str]:
        """All symbols that occur inside of a sum in the value."""
        sums = [self.functions[name][1] for name in self.inside(value) if name.startswith("sum#")]
        return set().union(*map(self.inside, sums))

    def substitute(self, value: Polynomial, new: Mapping[str, Polynomial]) -> Polynomial:
        for name, replacement in new.items():
            degrees = {0, 2} if name in self.numbers else {1} if name in self.vectors else set()
            if not degrees or replacement.degrees() - degrees:
                raise Rejected(f"at: {name!r} is no symbol, or it and its replacement are not both numbers or vectors")
            if name not in self.indexed and replacement.symbols() & self.indexed and name in self.summed(value):
                raise Rejected(f"at: {name!r} has no index, what replaces it inside of a sum has")
            self.used.add(name)
        return self.rewrite(value, {ARROW * (name in self.vectors) + name: x for name, x in new.items()})

    def derivative(self, value: Polynomial, variable: str) -> Polynomial:
        if variable not in self.numbers or (variable in self.indexed & self.summed(value)):
            raise Rejected("d: not in a number's symbol, or of a sum in one of its summands")

        def slope(name: str) -> Polynomial:
            kind, argument = self.functions.get(name, ("", ZERO))
            inner, this = self.derivative(argument, variable), symbol(name)
            if not inner.terms:
                return ONE if name == variable else ZERO
            if kind == "sum":
                return self.apply("sum", inner)
            if kind in ("log", "normal_cdf"):
                return inner * self.apply("inverse" if kind == "log" else "normal_pdf", argument)
            return inner * this * {"exp": ONE, "inverse": ZERO - this, "normal_pdf": ZERO - argument}[kind]

        return value.derivative(slope)
