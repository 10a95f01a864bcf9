"""SymPy at work for the producers: it derives sides of identities, terms and points, and confirms every equation.

A certificate's expressions are read into SymPy with the same meaning that the checker gives them, but by other means:
definitions are substituted, functions are SymPy's own, sums over the index are linear operators, and vectors are
numbers that remember their orthogonal group. Nothing of this is trusted: the checker does its own algebra.

A derived side is written in an order of our own, so that it does not depend on how SymPy sorts.
"""

import ast
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy

from proofs_check.writing import Draft, term


class Refuted(Exception):
    """SymPy does not confirm an equation of a draft."""


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
        if self._numerator(value) == 0:
            return True
        functions = sorted(value.atoms(sympy.log, sympy.exp, Total), key=str)
        same: dict[sympy.Expr, sympy.Expr] = {}
        for i, one in enumerate(functions):
            for other in functions[:i]:
                if one.func == other.func and self._numerator(one.args[0] - other.args[0]) == 0:
                    same[one] = other
        return self._numerator(value.xreplace(same)) == 0

    def _numerator(self, value: sympy.Expr) -> sympy.Expr:
        above = sympy.expand(sympy.numer(sympy.together(value)))
        if not self.groups or above == 0:
            return above
        parts = sympy.Poly(above, *self.groups).terms()
        return sympy.expand(sum(x for powers, x in parts if sum(p > 0 for p in powers) < 2))


# -- confirming ------------------------------------------------------------------------------------------------------


def confirm(draft: Draft) -> None:
    """Raises Refuted when SymPy does not agree with an equation of a draft."""
    language = Language(draft)
    facts = {fact["name"]: language.read(fact.get("positive", fact.get("nonnegative"))) for fact in draft.facts}
    for left, right in draft.logarithms.items():
        if not language.vanishes(sympy.exp(language.read(left)) - sympy.exp(sympy.expand(language.read(right)))):
            raise Refuted(f"{draft.name}: {left} = {right}")
    for step in draft.steps:
        for value in _equations(language, facts, step):
            if not language.vanishes(value):
                raise Refuted(f"{draft.name}: {step.get('name', step['says'])}")


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


# -- deriving --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Form:
    """A side of an identity that SymPy derives from the other one.

    `within` says which definitions to write it in, each in place of a symbol: {"s": "E"} puts s for E.
    """

    shape: Callable[[sympy.Expr, list[sympy.Symbol]], sympy.Expr]
    variables: tuple[str, ...]
    within: Mapping[str, str]


def factored(**within: str) -> Form:
    """As a product."""
    return Form(lambda value, _: sympy.factor(value), (), within)


def collected(*variables: str, **within: str) -> Form:
    """As a polynomial in these, with coefficients that are products."""
    return Form(lambda value, at: sympy.collect(sympy.expand(value), at, sympy.factor), variables, within)


def expanded(**within: str) -> Form:
    """As a sum of products."""
    return Form(lambda value, _: sympy.expand(sympy.cancel(value)), (), within)


def apart(variable: str, **within: str) -> Form:
    """As a sum of partial fractions."""
    return Form(lambda value, at: sympy.apart(sympy.cancel(value), at[0]), (variable,), within)


def squared(variable: str, **within: str) -> Form:
    """As a multiple of a square in a variable, and the rest."""

    def shape(value: sympy.Expr, at: list[sympy.Symbol]) -> sympy.Expr:
        a, b, c = (sympy.factor(x) for x in sympy.Poly(sympy.expand(value), at[0]).all_coeffs())
        return a * (at[0] + sympy.factor(b / (2 * a))) ** 2 + sympy.factor(c - b**2 / (4 * a))

    return Form(shape, (variable,), within)


def summed(**within: str) -> Form:
    """With sums over the index that have the same factor brought together."""

    def shape(value: sympy.Expr, _: list[sympy.Symbol]) -> sympy.Expr:
        inside: dict[sympy.Expr, sympy.Expr] = {}
        rest = sympy.Integer(0)
        for product in sympy.Add.make_args(sympy.expand(value)):
            totals = [x for x in sympy.Mul.make_args(product) if isinstance(x, Total)]
            if len(totals) != 1:
                rest += product
                continue
            number, outer = (product / totals[0]).as_coeff_Mul()
            inside[outer] = inside.get(outer, sympy.Integer(0)) + number * totals[0].args[0]
        factors = ((outer, *sympy.factor(x).as_coeff_Mul()) for outer, x in inside.items())
        return sympy.Add(rest, *(outer * number * Total(x, evaluate=False) for outer, number, x in factors))

    return Form(shape, (), within)


def reduced(*zeros: str) -> Form:
    """As a combination of expressions that are known to be zero, and what then remains."""

    def shape(value: sympy.Expr, _: list[sympy.Symbol]) -> sympy.Expr:
        known = [sympy.factor(sympy.sympify(x, locals={s.name: s for s in value.free_symbols})) for x in zeros]
        quotients, rest = sympy.reduced(sympy.expand(value), known)
        multiples = [sympy.factor(q) * x for q, x in zip(quotients, known, strict=True)]
        return sympy.Add(*multiples, *([sympy.factor(rest)] if rest else []), evaluate=False)

    return Form(shape, (), {})


def derived(draft: Draft) -> Draft:
    """The draft with every form put into words."""
    if not any(isinstance(x, Form) for step in draft.steps for x in step.values()):
        return draft
    language = Language(draft)
    steps = [
        {name: _written(language, step["left"], x) if isinstance(x, Form) else x for name, x in step.items()}
        for step in draft.steps
    ]
    return replace(draft, steps=steps)


def _written(language: Language, text: str, form: Form) -> str:
    value = _named(language, language.ruled(language.read(text)))
    if language.groups:
        below = sympy.denom(sympy.together(value))
        value = language._numerator(value).xreplace({g: sympy.Integer(1) for g in language.groups}) / below
    for name, old in form.within.items():
        new, symbol = _symbol(language, name), _symbol(language, old)
        (solution,) = sympy.solve(_named(language, language.names[name], without=name) - new, symbol)
        value = value.xreplace({symbol: solution})
    variables = [_symbol(language, name) for name in form.variables]
    return written(form.shape(sympy.cancel(sympy.together(value)), variables))


def _symbol(language: Language, name: str) -> sympy.Symbol:
    if name in language.symbols:
        return language.symbols[name]
    indexed = any(isinstance(x, Entry) for x in language.names[name].free_symbols)
    return (Entry if indexed else sympy.Symbol)(name, real=True)


def _named(language: Language, value: sympy.Expr, without: str = "") -> sympy.Expr:
    """Functions that have a name, by their name."""
    known = {name: language.names[name] for name in language.definitions if name != without}
    names = {x: _symbol(language, name) for name, x in known.items() if isinstance(x, sympy.log | Total)}
    value = value.xreplace(names)
    for name, x in known.items():
        if isinstance(x, sympy.exp):
            value = value.replace(*_powers(x.args[0], _symbol(language, name)))
    return value


def _powers(exponent: sympy.Expr, symbol: sympy.Symbol) -> tuple[Callable[..., bool], Callable[..., sympy.Expr]]:
    """Which exponentials are whole powers of one, and how they are written."""
    return (
        lambda x: isinstance(x, sympy.exp) and (x.args[0] / exponent).is_Integer,
        lambda x: symbol ** (x.args[0] / exponent),
    )


def plain(text: str) -> sympy.Expr:
    """An expression in which every name is a number."""
    names = {x.id for x in ast.walk(ast.parse(text)) if isinstance(x, ast.Name)} - set(FUNCTIONS)
    return Language(Draft("", [], "", [], symbols=dict.fromkeys(sorted(names), ""))).read(text)


def minimiser(text: str, variable: str) -> str:
    """Where the derivative of an expression vanishes, a single point."""
    symbol = sympy.Symbol(variable, real=True)
    (point,) = sympy.solve(plain(text).diff(symbol), symbol)
    return written(sympy.factor(point))


def polynomial(text: str, facts: Mapping[str, str], **more: str) -> list[dict[str, Any]]:
    """The terms of a polynomial written in facts: each replaces a symbol, as in {"m": "large + 5"}.

    `more` is added to every term (facts it is multiplied with, or divided by).
    """
    value = plain(text).xreplace({sympy.Symbol(name, real=True): plain(x) for name, x in facts.items()})
    names = sorted(set().union(*(plain(x).free_symbols for x in facts.values())), key=str)
    found = []
    for powers, x in sympy.Poly(sympy.expand(value), *names).terms():
        times = " ".join([more.get("times", ""), *(f"{s} " * p for s, p in zip(names, powers, strict=True))])
        found.append(term(Fraction(int(x.p), int(x.q)), times, more.get("over", "")))
    return found


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
