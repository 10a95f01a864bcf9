"""Exact polynomials: sums of monomials with rational coefficients. Nothing here approximates.

A monomial is a sorted tuple of (symbol, power). The symbol of a vector begins with an arrow: a product of two vectors
is their inner product, and products of more than two are refused, wherever they would arise.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction

Monomial = tuple[tuple[str, int], ...]
ARROW = "→"


class Rejected(Exception):
    """The certificate does not prove what it says; the text says where and why."""


class Polynomial:
    """A polynomial, made from pairs of a monomial and its coefficient; the same monomial may come again."""

    __slots__ = ("terms",)

    def __init__(self, pairs: Iterable[tuple[Monomial, Fraction]]) -> None:
        found: dict[Monomial, Fraction] = {}
        for monomial, x in pairs:
            found[monomial] = found[monomial] + x if monomial in found else x
        self.terms = {monomial: x for monomial, x in found.items() if x}

    def __add__(self, other: "Polynomial") -> "Polynomial":
        return Polynomial([*self.terms.items(), *other.terms.items()])

    def __sub__(self, other: "Polynomial") -> "Polynomial":
        return self + number(-1) * other

    def __mul__(self, other: "Polynomial") -> "Polynomial":
        pairs = ((left, x, right, y) for left, x in self.terms.items() for right, y in other.terms.items())
        return Polynomial((_product(left, right), x * y) for left, x, right, y in pairs)

    def __pow__(self, power: int) -> "Polynomial":
        return ONE if power == 0 else self * self ** (power - 1)

    def symbols(self) -> set[str]:
        return {name for monomial in self.terms for name, _ in monomial}

    def constant(self) -> Fraction | None:
        """The number that this is, or None when it depends on a symbol."""
        return None if self.symbols() else self.terms.get((), Fraction(0))

    def degrees(self) -> set[int]:
        """How many vectors its terms multiply: 0 or 2 in a number, 1 in a vector."""
        return {_degree(monomial) for monomial in self.terms}

    def derivative(self, slope: Callable[[str], "Polynomial"]) -> "Polynomial":
        """The derivation that takes these values on symbols."""
        slopes, found = {name: slope(name) for name in self.symbols()}, ZERO
        for monomial, x in self.terms.items():
            for name, power in monomial:
                lower = tuple((other, p - (other == name)) for other, p in monomial if (other, p) != (name, 1))
                found += Polynomial([(lower, x * power)]) * slopes[name]
        return found


def _degree(monomial: Monomial) -> int:
    return sum(power for name, power in monomial if name.startswith(ARROW))


def _product(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    found = tuple(sorted(powers.items()))
    if _degree(found) > 2:
        raise Rejected("a product of more than two vectors")
    return found


def number(value: Fraction | int) -> Polynomial:
    return Polynomial([((), Fraction(value))])


def symbol(name: str) -> Polynomial:
    return Polynomial([(((name, 1),), Fraction(1))])


ZERO, ONE = number(0), number(1)
