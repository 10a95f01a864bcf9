"""The expressions of certificates in SymPy: read with the same meaning that the checker gives them, and written.

The meaning is the same, the means are others: definitions are substituted, functions are SymPy's own, sums over the
index are linear operators, and vectors are numbers that remember their orthogonal group. Nothing of this is trusted:
the checker does its own algebra. What is written has an order of our own, which does not depend on how SymPy sorts.
"""

import ast
import itertools
from collections.abc import Mapping
from typing import Any

import sympy

from proofs_check.writing import Draft


class Entry(sympy.Symbol):
    """A number with an index."""


class Total(sympy.Function):
    """The sum over the index: linear, and what has no index is taken out of it."""

    @classmethod
    def eval(cls, summand: sympy.Expr) -> sympy.Expr | None:
        parts = [_split(x) for x in _products(summand)]
        if len(parts) == 1 and parts[0][0] == 1:
            return None if parts[0][1] == summand else cls(parts[0][1])
        return sympy.Add(*(outer * cls(inner) for outer, inner in parts if outer))

    @property
    def free_symbols(self) -> set[sympy.Basic]:
        return {x for x in self.args[0].free_symbols if not isinstance(x, Entry)}

    def _eval_derivative(self, variable: sympy.Symbol) -> sympy.Expr:
        return Total(self.args[0].diff(variable))


def _products(value: sympy.Expr) -> list[sympy.Expr]:
    """The products that a value is the sum of; denominators stay as they are."""
    if value.is_Add:
        return [product for x in value.args for product in _products(x)]
    if value.is_Mul:
        return [sympy.Mul(*factors) for factors in itertools.product(*map(_products, value.args))]
    if value.is_Pow and value.base.is_Add and value.exp.is_Integer and value.exp > 1:
        return [x * y for x in _products(value.base) for y in _products(value.base ** (value.exp - 1))]
    return [value]


def _split(product: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """The factors without an index, and those with one."""
    inner = [x for x in sympy.Mul.make_args(product) if any(isinstance(s, Entry) for s in x.free_symbols)]
    outer = [x for x in sympy.Mul.make_args(product) if x not in inner]
    return sympy.Mul(*outer), sympy.Mul(*inner)


class _Integers(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Call:
        return ast.Call(ast.Name("Integer", ast.Load()), [node], [])


def _cdf(x: sympy.Expr) -> sympy.Expr:
    return (1 + sympy.erf(x / sympy.sqrt(2))) / 2


def _pdf(x: sympy.Expr) -> sympy.Expr:
    return sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)


FUNCTIONS: dict[str, Any] = {
    "Integer": sympy.Integer,
    "log": sympy.log,
    "exp": sympy.exp,
    "normal_cdf": _cdf,
    "normal_pdf": _pdf,
    "sum": Total,
    "d": lambda value, variable: value.diff(variable),
}


class Language:
    """The expressions of one draft, in SymPy."""

    def __init__(self, draft: Draft) -> None:
        self.names: dict[str, sympy.Expr] = {name: sympy.Symbol(name, real=True) for name in draft.symbols}
        self.names |= {name: Entry(name, real=True) for name in draft.indexed}
        self.groups = [sympy.Symbol(f"group_{i}", real=True) for i, _ in enumerate(draft.orthogonal)]
        group = {name: self.groups[i] for i, names in enumerate(draft.orthogonal) for name in names}
        vectors = {name: sympy.Symbol(name, real=True) for name in draft.vectors}
        self.symbols = dict(self.names) | vectors
        self.names |= {name: vector * group.get(name, 1) for name, vector in vectors.items()}
        for name, text in draft.definitions.items():
            self.names[name] = self.read(text)
        self.definitions = list(draft.definitions)
        self.rules: dict[sympy.Expr, sympy.Expr] = {}
        for left, right in (draft.sums | draft.logarithms).items():
            self.rules[self.read(left)] = self.ruled(self.read(right))

    def read(self, text: str) -> sympy.Expr:
        tree = ast.fix_missing_locations(_Integers().visit(ast.parse(text, mode="eval")))
        known = FUNCTIONS | {"at": self._at, "__builtins__": {}}
        return sympy.sympify(eval(compile(tree, text, "eval"), known, self.names))  # a text of our own

    def _at(self, value: sympy.Expr, **new: sympy.Expr) -> sympy.Expr:
        return self.replaced(value, new)

    def replaced(self, value: sympy.Expr, new: Mapping[str, sympy.Expr]) -> sympy.Expr:
        """Symbols replaced all at once; a vector keeps its group."""
        inside = {g: sympy.Integer(1) for g in self.groups}
        return value.xreplace(
            {self.symbols[x]: y.xreplace(inside) if self.symbols[x] != self.names[x] else y for x, y in new.items()}
        )

    def ruled(self, value: sympy.Expr) -> sympy.Expr:
        """With the given sums and the other forms of logarithms put in."""
        for _ in range(3):
            value = value.xreplace(self.rules)
        return value

    def vanishes(self, value: sympy.Expr) -> bool:
        """Whether SymPy sees that it is zero: its numerator is, with equal arguments of functions made the same."""
        value = self.ruled(value)
        if self.numerator(value) == 0:
            return True
        functions = sorted(value.atoms(sympy.log, sympy.exp, Total), key=str)
        same: dict[sympy.Expr, sympy.Expr] = {}
        for i, one in enumerate(functions):
            for other in functions[:i]:
                if one.func == other.func and self.numerator(one.args[0] - other.args[0]) == 0:
                    same[one] = other
        return self.numerator(value.xreplace(same)) == 0

    def numerator(self, value: sympy.Expr) -> sympy.Expr:
        above = sympy.expand(sympy.numer(sympy.together(value)))
        if not self.groups or above == 0:
            return above
        parts = sympy.Poly(above, *self.groups).terms()
        return sympy.expand(sum(x for powers, x in parts if sum(p > 0 for p in powers) < 2))


def plain(text: str) -> sympy.Expr:
    """An expression in which every name is a number."""
    names = {x.id for x in ast.walk(ast.parse(text)) if isinstance(x, ast.Name)} - set(FUNCTIONS)
    return Language(Draft("", [], "", [], symbols=dict.fromkeys(sorted(names), ""))).read(text)


# -- writing ---------------------------------------------------------------------------------------------------------


def written(value: sympy.Expr) -> str:
    """An expression in the language of certificates."""
    terms = sorted((_signed(x) for x in sympy.Add.make_args(value)), key=lambda x: (x[0] < 0, *_order(x[1])))
    text = "".join(f" {'-' if sign < 0 else '+'} {one}" for sign, one in terms)
    return text.removeprefix(" + ") if text.startswith(" + ") else "-" + text.removeprefix(" - ")


def _order(text: str) -> tuple[bool, int, str]:
    """Numbers first, then short products."""
    return not text[0].isdigit(), len(text), text


def _signed(product: sympy.Expr) -> tuple[int, str]:
    """The sign of a product, and its text without the sign."""
    sign, sums, above, below = 1, [], [], []
    for factor in sympy.Mul.make_args(product):
        if factor.is_Rational:
            sign *= -1 if factor < 0 else 1
            above += [str(abs(factor.p))] if abs(factor.p) != 1 else []
            below += [str(factor.q)] if factor.q != 1 else []
            continue
        base, power = factor.as_base_exp() if not isinstance(factor, sympy.exp) else (factor, sympy.Integer(1))
        if base.is_Add:
            turn = 1 if _positive_first(base) else -1
            sign *= turn**power
            sums.append((turn * base, int(power)))
        else:
            (above if power > 0 else below).append(_power(_atom(base), power))
    if sign < 0:  # a difference takes the sign, if possible one above the line
        odd = [(power > 0, written(base), i) for i, (base, power) in enumerate(sums) if power % 2]
        for *_, i in sorted(x for x in odd if " - " in x[1])[-1:]:
            sign, sums[i] = 1, (-sums[i][0], sums[i][1])
    for base, power in sums:
        (above if power > 0 else below).append(_power(f"({written(base)})", power))
    top = "*".join(sorted(above, key=_factor_order)) or "1"
    bottom = "*".join(sorted(below, key=_factor_order))
    return int(sign), top + (f"/({bottom})" if len(below) > 1 else f"/{bottom}" if below else "")


def _power(text: str, power: int) -> str:
    return text if abs(power) == 1 else f"{text}**{abs(power)}"


def _factor_order(text: str) -> tuple[bool, bool, str]:
    return not text[0].isdigit(), "(" in text, text


def _positive_first(value: sympy.Expr) -> bool:
    """Whether the number in a sum, or else its first term, is positive."""
    terms = {text: sign for sign, text in map(_signed, sympy.Add.make_args(value))}
    return terms[min(terms, key=_order)] > 0


def _atom(value: sympy.Expr) -> str:
    if isinstance(value, sympy.Symbol):
        return str(value.name)
    for kind, name in ((sympy.log, "log"), (sympy.exp, "exp"), (Total, "sum")):
        if isinstance(value, kind):
            return f"{name}({written(value.args[0])})"
    raise ValueError(f"{value} has no form in the language of certificates")
