"""Exact rational functions: Laurent polynomials with rational coefficients over products of polynomials.

A monomial is a sorted tuple of (symbol, power); a polynomial is a dictionary from monomials to fractions. Two rational
functions are equal when the numerator of their difference is the zero polynomial. Nothing here approximates.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction

Monomial = tuple[tuple[str, int], ...]
Terms = dict[Monomial, Fraction]
Denominator = dict[frozenset, int]

ONE: Monomial = ()


def _product(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for name, power in b:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted((name, power) for name, power in powers.items() if power))


def _times(a: Terms, b: Terms) -> Terms:
    found: Terms = {}
    for left, x in a.items():
        for right, y in b.items():
            monomial = _product(left, right)
            found[monomial] = found.get(monomial, Fraction(0)) + x * y
    return {monomial: x for monomial, x in found.items() if x}


def _plus(a: Terms, b: Terms) -> Terms:
    found = dict(a)
    for monomial, x in b.items():
        found[monomial] = found.get(monomial, Fraction(0)) + x
    return {monomial: x for monomial, x in found.items() if x}


class Rational:
    """A rational function; the denominator is a product of powers of polynomials, each scaled to a leading 1."""

    __slots__ = ("below", "terms")

    def __init__(self, terms: Terms, below: Denominator | None = None) -> None:
        self.terms = terms
        self.below = below if below and terms else {}

    @classmethod
    def number(cls, value: Fraction | int) -> "Rational":
        return cls({ONE: Fraction(value)} if value else {})

    @classmethod
    def symbol(cls, name: str) -> "Rational":
        return cls({((name, 1),): Fraction(1)})

    def constant(self) -> Fraction | None:
        """The number that this is, or None when it depends on a symbol."""
        if self.below or any(monomial != ONE for monomial in self.terms):
            return None
        return self.terms.get(ONE, Fraction(0))

    def symbols(self) -> set[str]:
        keys = [*self.terms, *(monomial for factor in self.below for monomial, _ in factor)]
        return {name for monomial in keys for name, _ in monomial}

    def is_zero(self) -> bool:
        return not self.terms

    def __add__(self, other: "Rational") -> "Rational":
        if self.below == other.below:
            return Rational(_plus(self.terms, other.terms), self.below)
        common = {f: max(self.below.get(f, 0), other.below.get(f, 0)) for f in {**self.below, **other.below}}
        return Rational(_plus(self._over(common), other._over(common)), common)

    def _over(self, common: Denominator) -> Terms:
        """The numerator over a multiple of the denominator."""
        terms = self.terms
        for factor, power in common.items():
            for _ in range(power - self.below.get(factor, 0)):
                terms = _times(terms, dict(factor))
        return terms

    def __neg__(self) -> "Rational":
        return Rational({monomial: -x for monomial, x in self.terms.items()}, self.below)

    def __sub__(self, other: "Rational") -> "Rational":
        return self + -other

    def __mul__(self, other: "Rational") -> "Rational":
        below = dict(self.below)
        for factor, power in other.below.items():
            below[factor] = below.get(factor, 0) + power
        return Rational(_times(self.terms, other.terms), below)

    def inverse(self) -> "Rational":
        if not self.terms:
            raise ZeroDivisionError("division by zero")
        above = Rational({ONE: Fraction(1)})._over(self.below)
        first = min(self.terms)
        lead = self.terms[first]
        if len(self.terms) == 1:
            inverted = tuple((name, -power) for name, power in first)
            return Rational(_times(above, {inverted: 1 / lead}))
        factor = frozenset((monomial, x / lead) for monomial, x in self.terms.items())
        return Rational(_times(above, {ONE: 1 / lead}), {factor: 1})

    def __truediv__(self, other: "Rational") -> "Rational":
        return self * other.inverse()

    def __pow__(self, power: int) -> "Rational":
        base, found = (self if power >= 0 else self.inverse()), Rational.number(1)
        for _ in range(abs(power)):
            found = found * base
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rational) and (self - other).is_zero()

    __hash__ = None  # type: ignore[assignment]

    def map(self, values: Callable[[str], "Rational | None"]) -> "Rational":
        """Replace symbols by rational functions, all at once; None leaves a symbol as it is."""
        known: dict[str, Rational | None] = {name: values(name) for name in self.symbols()}
        if not any(x is not None for x in known.values()):
            return self
        found = _replaced(self.terms, known)
        for factor, power in self.below.items():
            found = found * _replaced(dict(factor), known) ** -power
        return found

    def derivative(self, slope: Callable[[str], "Rational | None"]) -> "Rational":
        """The derivation that takes these values on symbols; None stands for zero."""
        slopes = {name: slope(name) for name in self.symbols()}
        below = Rational({ONE: Fraction(1)})._over(self.below)
        above, divisor = Rational(self.terms), Rational(below)
        return (_derived(self.terms, slopes) * divisor - above * _derived(below, slopes)) / divisor**2


def _replaced(terms: Terms, known: Mapping[str, "Rational | None"]) -> Rational:
    found = Rational({})
    for monomial, x in terms.items():
        kept = Rational({tuple((n, p) for n, p in monomial if known[n] is None): x})
        for name, power in monomial:
            value = known[name]
            if value is not None:
                kept = kept * value**power
        found = found + kept
    return found


def _derived(terms: Terms, slopes: Mapping[str, "Rational | None"]) -> Rational:
    found = Rational({})
    for monomial, x in terms.items():
        for name, power in monomial:
            slope = slopes[name]
            if slope is not None:
                lower = _product(monomial, ((name, -1),))
                found = found + Rational({lower: x * power}) * slope
    return found
