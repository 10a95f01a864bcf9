"""The language of certificates: what its names mean, and exact evaluation of its expressions.

    e, h, n          numbers                     + - * /, integer powers
    x, t             vectors of a Hilbert space; a product of two vectors is their inner product
    p, q             indexed numbers p_1, …, p_N; sum(…) adds over the index
    log(…) exp(…)    opaque numbers that know their derivatives; also normal_cdf, normal_pdf
    d(…, x)          derivative in a number x
    at(…, x=…, y=…)  simultaneous replacement of symbols

A quadratic identity between vectors holds for all inner products exactly when it holds for the coefficients; products
of more than two vectors are refused. Cross products of vectors from different `orthogonal` groups vanish.
"""

import ast
from collections.abc import Mapping
from fractions import Fraction

from proofs_check.checker.algebra import ONE, Monomial, Rational
from proofs_check.checker.errors import Rejected

FUNCTIONS = ("log", "exp", "normal_cdf", "normal_pdf")


class Scope:
    """The symbols, definitions and rewriting rules of one certificate, and which of them were used."""

    def __init__(
        self,
        symbols: Mapping[str, str],
        indexed: Mapping[str, str],
        vectors: Mapping[str, str],
        orthogonal: list[list[str]],
    ) -> None:
        names = [*symbols, *indexed, *vectors]
        for name in names:
            if not name.isidentifier() or name in (*FUNCTIONS, "sum", "d", "at") or names.count(name) > 1:
                raise Rejected(f"{name!r} is no good name for a symbol")
        self.indexed, self.vectors = set(indexed), set(vectors)
        self.group = {name: number for number, group in enumerate(orthogonal) for name in group}
        if self.group and (set(self.group) != self.vectors or sum(map(len, orthogonal)) != len(self.group)):
            raise Rejected("orthogonal: every vector belongs to exactly one group")
        self.values = {name: Rational.symbol(name) for name in names}
        self.texts: dict[str, str] = {}
        self.opaque: dict[str, tuple[str, Rational]] = {}
        self.sums: dict[str, Monomial] = {}
        self.rules: dict[str, Rational] = {}
        self.used: set[str] = set()
        self.touched: set[str] = set()  # rules applied in this step

    # -- names -------------------------------------------------------------------------------------------------------

    def define(self, name: str, text: str) -> None:
        if not name.isidentifier() or name in self.values or name in (*FUNCTIONS, "sum", "d", "at"):
            raise Rejected(f"definition {name!r}: no good name, or there already")
        self.values[name] = self.read(text)
        self.texts[name] = text

    def rule(self, symbol: str, value: Rational) -> None:
        """From now on this opaque symbol or sum is replaced by its value."""
        value = self.reduce(value)
        if symbol in self.rules or symbol in value.symbols() or self.degree(value):
            raise Rejected("a rule gives a second value, refers to itself, or is about vectors")
        self.rules[symbol] = value
        for name, old in self.rules.items():
            self.rules[name] = old.map({symbol: value}.get)

    def reduce(self, value: Rational) -> Rational:
        """Apply the rules, and drop inner products of vectors from different orthogonal groups."""

        def replaced(symbol: str) -> Rational | None:
            if symbol in self.rules:
                self.used.add(symbol)
                self.touched.add(symbol)
                return self.rules[symbol]
            inner = self.sums.get(symbol, ONE)
            if any(name in self.rules for name, _ in inner):
                return self.sum(Rational({inner: Fraction(1)}).map(replaced))
            return None

        value = value.map(replaced) if self.rules else value
        if not self.group:
            return value
        kept = {m: x for m, x in value.terms.items() if len({self.group[n] for n, _ in m if n in self.group}) < 2}
        return Rational(kept, value.below)

    def degree(self, value: Rational) -> int:
        """The largest number of vectors in a product."""
        for factor in value.below:
            if any(name in self.vectors for monomial, _ in factor for name, _ in monomial):
                raise Rejected("a division by a vector")
        degrees = [sum(p for name, p in monomial if name in self.vectors) for monomial in value.terms]
        if any(p < 0 for monomial in value.terms for name, p in monomial if name in self.vectors):
            raise Rejected("a division by a vector")
        return max(degrees, default=0)

    def quadratic(self, value: Rational) -> Rational:
        """The value, when it is a number: each product has no vector or two."""
        value = self.reduce(value)
        self.degree(value)
        for monomial in value.terms:
            if sum(p for name, p in monomial if name in self.vectors) not in (0, 2):
                raise Rejected("a vector stands where a number is needed")
        return value

    # -- expressions -------------------------------------------------------------------------------------------------

    def read(self, text: str) -> Rational:
        """The exact value of an expression."""
        try:
            return self._value(ast.parse(str(text), mode="eval").body)
        except (SyntaxError, ZeroDivisionError, RecursionError, MemoryError, ValueError) as problem:
            raise Rejected(f"{text!r}: {problem}") from None

    def number(self, text: str) -> Fraction:
        value = self.read(text).constant()
        if value is None:
            raise Rejected(f"{text!r} is no number")
        return value

    def _value(self, node: ast.expr) -> Rational:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return Rational.number(node.value)
        if isinstance(node, ast.Name):
            if node.id not in self.values:
                raise Rejected(f"unknown symbol {node.id!r}")
            self.used.add(node.id)
            return self.values[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._value(node.operand)
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id, node)
        raise Rejected(f"{ast.unparse(node)!r} is not in the language")

    def _operation(self, node: ast.BinOp) -> Rational:
        left = self._value(node.left)
        if isinstance(node.op, ast.Pow):
            power = ast.literal_eval(node.right)
            if type(power) is not int or abs(power) > 64:
                raise Rejected(f"{ast.unparse(node)!r}: the power must be a small whole number")
            self._at_most_two(self.degree(left) * max(power, 0))
            return left**power
        right = self._value(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            self._at_most_two(self.degree(left) + self.degree(right))
            return left * right
        if isinstance(node.op, ast.Div):
            if self.degree(right):
                raise Rejected("a division by a vector")
            return left / right
        raise Rejected(f"{ast.unparse(node)!r} is not in the language")

    def _at_most_two(self, degree: int) -> None:
        if degree > 2:
            raise Rejected("a product of more than two vectors")

    def _call(self, name: str, node: ast.Call) -> Rational:
        values = [self._value(argument) for argument in node.args]
        if name == "at" and len(values) == 1 and node.keywords:
            return self.substitute(values[0], {str(k.arg): self._value(k.value) for k in node.keywords})
        if node.keywords or len(values) != (2 if name == "d" else 1):
            raise Rejected(f"{ast.unparse(node)!r}: these arguments are not in the language")
        if name == "sum":
            return self.sum(values[0])
        if name == "d":
            return self.derivative(values[0], values[1])
        if name in FUNCTIONS:
            return self.function(name, values[0])
        raise Rejected(f"unknown function {name!r}")

    def function(self, name: str, argument: Rational) -> Rational:
        """The opaque symbol of a function of this argument: one symbol for equal arguments."""
        if self.degree(argument):
            raise Rejected(f"{name} of a vector")
        if (name == "log" and argument == Rational.number(1)) or (name == "exp" and argument.is_zero()):
            return Rational.number(0 if name == "log" else 1)
        for symbol, (other, known) in self.opaque.items():
            if {name, other} == {"log", "exp"} and argument == Rational.symbol(symbol):
                return known
            if other == name and known == argument:
                return Rational.symbol(symbol)
            if other == name == "exp" and known == -argument:
                return Rational.symbol(symbol).inverse()
        symbol = f"{name}#{len(self.opaque)}"
        self.opaque[symbol] = (name, argument)
        if argument.symbols() & self.indexed:
            self.indexed.add(symbol)
        return Rational.symbol(symbol)

    def sum(self, value: Rational) -> Rational:
        """The sum over the index, term by term: what has no index is taken out."""
        if any(name in self.indexed for factor in value.below for monomial, _ in factor for name, _ in monomial):
            raise Rejected("sum: an indexed symbol in a denominator of several terms")
        found = Rational({})
        for monomial, x in value.terms.items():
            inner = tuple((name, p) for name, p in monomial if name in self.indexed)
            outer = tuple((name, p) for name, p in monomial if name not in self.indexed)
            symbol = "sum" + repr(inner)
            self.sums[symbol] = inner
            found = found + Rational({outer: x}) * Rational.symbol(symbol)
        return found * Rational({ONE: Fraction(1)}, value.below) if value.below and found.terms else found

    def substitute(self, value: Rational, new: Mapping[str, Rational]) -> Rational:
        """Replace symbols everywhere, also inside of sums and functions."""
        for name, replacement in new.items():
            if name not in self.values or self.values[name] != Rational.symbol(name):
                raise Rejected(f"at: {name!r} is no symbol")
            self.used.add(name)
            degrees = {sum(p for n, p in m if n in self.vectors) for m in replacement.terms}
            if degrees - ({1} if name in self.vectors else {0, 2}):
                raise Rejected(f"at: {name!r} and what replaces it are not both vectors or both numbers")
            if name not in self.indexed and replacement.symbols() & self.indexed:
                sums = [Rational.symbol(symbol) for symbol in value.symbols() if symbol in self.sums]
                if any(self.depends(x, name) for x in sums):
                    raise Rejected(f"at: {name!r} has no index, what replaces it inside of a sum has")

        products = {name for name, replacement in new.items() if self.degree(replacement) == 2}
        for monomial in value.terms if products else ():
            powers = dict(monomial)
            if sum(powers.get(name, 0) for name in products) > 1 or any(
                name in products and (power < 0 or self.vectors & set(powers)) for name, power in monomial
            ):
                raise Rejected("at: an inner product would be multiplied by another")

        def replaced(symbol: str) -> Rational | None:
            if symbol in new:
                return new[symbol]
            if symbol in self.opaque:
                kind, argument = self.opaque[symbol]
                other = argument.map(replaced)
                return None if other is argument else self.function(kind, other)
            if symbol in self.sums:
                inner = Rational({self.sums[symbol]: Fraction(1)})
                other = inner.map(replaced)
                return None if other is inner else self.sum(other)
            return None

        return value.map(replaced)

    def depends(self, value: Rational, name: str) -> bool:
        """Whether a symbol occurs in a value, in the arguments of its functions, or in its sums."""
        for symbol in value.symbols():
            inside = self.opaque[symbol][1] if symbol in self.opaque else None
            if symbol in self.sums:
                inside = Rational({self.sums[symbol]: Fraction(1)})
            if symbol == name or (inside is not None and self.depends(inside, name)):
                return True
        return False

    def surely_positive(self, value: Rational) -> bool:
        """Positive for all values of its symbols: a sum of positive numbers times exponentials and the like."""
        positive = {symbol for symbol, (kind, _) in self.opaque.items() if kind != "log"}
        return not value.below and bool(value.terms) and value.symbols() <= positive and min(value.terms.values()) > 0

    def variable(self, value: Rational) -> str:
        (name, *more) = sorted(value.symbols()) or [""]
        if more or value != Rational.symbol(name) or name in self.vectors or name not in self.values:
            raise Rejected("the variable must be a number's symbol")
        return name

    def derivative(self, value: Rational, variable: Rational) -> Rational:
        name = self.variable(variable)
        if name in self.indexed and any(
            self.depends(Rational.symbol(s), name) for s in value.symbols() if s in self.sums
        ):
            raise Rejected("d: a sum in one of its summands")

        def slope(symbol: str) -> Rational | None:
            if symbol == name:
                return Rational.number(1)
            if symbol in self.opaque:
                kind, argument = self.opaque[symbol]
                inner = argument.derivative(slope)
                if inner.is_zero():
                    return None
                me = Rational.symbol(symbol)
                if kind == "log":
                    return inner / argument
                if kind == "exp":
                    return me * inner
                return -argument * me * inner if kind == "normal_pdf" else self.function("normal_pdf", argument) * inner
            if symbol in self.sums:
                return self.sum(Rational({self.sums[symbol]: Fraction(1)}).derivative(slope))
            return None

        return value.derivative(slope)
