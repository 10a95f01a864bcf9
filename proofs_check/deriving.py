"""SymPy derives sides of identities, terms and points for the producers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy

from proofs_check.symbolic import Entry, Language, Total, plain, written
from proofs_check.writing import Draft, term


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
        value = language.numerator(value).xreplace({g: sympy.Integer(1) for g in language.groups}) / below
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
