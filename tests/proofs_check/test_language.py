"""The checker reads numbers, sums over the index and vectors exactly, and refuses what is not in the language."""

import random
from fractions import Fraction

import pytest
import sympy

from proofs_check.checker.algebra import number
from proofs_check.writing import (
    identity,
    inequality,
    nonnegative,
    term,
)  # fmt: skip
from tests.proofs_check.made import XY, A, scope, verdict


def random_expression(rng, depth=3):
    if depth == 0:
        return rng.choice(["x", "y", "z", str(rng.randint(1, 9))])
    left, right = random_expression(rng, depth - 1), random_expression(rng, depth - 1)
    return rng.choice(
        [
            f"({left} + {right})",
            f"({left} - {right})",
            f"({left})*({right})",
            f"({left})/(1 + ({right})**2)",
            f"({left})**2",
        ]
    )


@pytest.mark.parametrize("seed", range(20))
def test_arithmetic_and_derivatives_agree_with_sympy(seed):
    rng = random.Random(seed)
    text = random_expression(rng)
    symbols = dict(zip("xyz", sympy.symbols("x y z"), strict=True))
    theirs = sympy.sympify(text, locals=symbols)
    at = {name: Fraction(rng.randint(1, 7), rng.randint(1, 7)) for name in "xyz"}
    numbers = {symbols[name]: sympy.Rational(v.numerator, v.denominator) for name, v in at.items()}
    here = scope()
    for ours, expected in ((here.read(text), theirs), (here.read(f"d({text}, x)"), sympy.diff(theirs, symbols["x"]))):
        value = here.substitute(ours, {name: number(x) for name, x in at.items()}).constant()
        expected = sympy.nsimplify(expected.subs(numbers))
        assert value == Fraction(int(expected.p), int(expected.q))


@pytest.mark.parametrize(
    ("left", "right", "right_or_why"),
    [
        ("(x + y)**2", "x**2 + 2*x*y + y**2", ""),
        ("(x + y)**2", "x**2 + y**2", "differ"),
        ("(x**2 - y**2)/(x - y)", "x + y", ""),
        ("d(exp(x*y), x)", "y*exp(x*y)", ""),
        ("exp(x)*exp(-x)", "1", ""),
        ("log(exp(x)) + exp(log(y)) - log(x)", "x + y - log(x)", ""),
        ("exp(2*x - 3*y)*exp(y)**3", "exp(x)**2", ""),
        ("exp(x/2)**2", "exp(x)", "differ"),
        ("log(x*exp(x))", "log(x) + x", "differ"),
        ("d(log(1 + exp(x)), x)", "exp(x)/(1 + exp(x))", ""),
        ("d(normal_cdf(2*x), x) - 2*normal_pdf(2*x) + y", "y", ""),
        ("d(normal_pdf(x), x)", "-x*normal_pdf(x)", ""),
        ("at(log(x), x=y/y)", "0", ""),
        ("at(x/y, x=y, y=x)", "y/x", ""),
        ("x/0", "y", "division by zero"),
        ("x**y", "y", "not in the language"),
        ("x**-1", "1/x", "not in the language"),
        ("x**65", "x", "not in the language"),
        ("d(x, x + y)", "1", "not in the language"),
        ("at(x, 2)", "x", "not in the language"),
        ("x +", "x", "SyntaxError"),
        ("x if y else y", "x", "not in the language"),
        ("__import__('os')", "x", "not in the language"),
        ("z", "x", "'z' is not in the language, or not known"),
        ("1.5*x", "y", "not in the language"),
    ],
)
def test_identities(left, right, right_or_why):
    found = verdict(identity("", left, right), identity("uses", "x + y", "y + x"), symbols=XY)
    assert (right_or_why in found) if right_or_why else found == ""


def test_numbers_that_nothing_checks_are_refused():
    fine = identity("", "x", "x")
    assert "not used: y" in verdict(fine, symbols=XY)
    assert "not used: k" in verdict(fine, symbols={"x": ""}, definitions={"k": "3"})
    assert "not used: a" in verdict(fine, symbols={"x": ""}, facts=[A])
    assert "not used: sum" in verdict(fine, symbols={"x": ""}, indexed={}, sums={"sum(1)": "3"})
    assert "unknown field" in verdict(fine | {"note": "3"}, symbols={"x": ""})


def test_sums_over_an_index():
    options = {"symbols": {"x": ""}, "indexed": {"p": "", "q": ""}}
    assert verdict(identity("", "sum(p*(q - x))", "sum(p*q) - x"), sums={"sum(p)": "1"}, **options) == ""
    assert "differ" in verdict(identity("", "sum(p*q)", "sum(p)*sum(q)"), identity("", "x", "x"), **options)
    assert verdict(identity("", "sum(p/(q + x))", "2*sum(p/(2*x + 2*q))"), **options) == ""
    assert "differ" in verdict(identity("", "sum(p/(q + x))", "sum(p)/(x + q)"), **options)
    scaled = identity("", "at(log(sum(p)), p=2*p)", "0")
    assert "differ" in verdict(scaled, identity("", "sum(p) + x - q", "1 + x - q"), sums={"sum(p)": "1"}, **options)
    captured = identity("", "at(sum(p*exp(q*x)), x=p)", "sum(p*exp(q*p))")
    assert "inside of a sum" in verdict(captured, **options)
    hidden = identity("", "at(log(sum(p*exp(q*x))), x=p)", "log(sum(p*exp(q*p)))")
    assert "inside of a sum" in verdict(hidden, **options)
    assert verdict(identity("", "at(x*sum(p), x=q)", "q*sum(p)"), **options) == ""
    assert "sum in one" in verdict(identity("", "d(sum(p**2), p)", "2*p"), identity("", "x*q", "q*x"), **options)
    inner = identity("", "d(log(sum(p**2)), p)", "2*sum(p)/sum(p**2)")
    assert "sum in one" in verdict(inner, identity("", "x*q", "q*x"), **options)
    # A directional derivative is one in a number.
    assert verdict(identity("", "at(d(sum((p + x*q)**2), x), x=0)", "2*sum(p*q)"), **options) == ""


def test_vectors_are_not_numbers():
    vectors = {"u": "", "v": ""}
    assert verdict(identity("", "(u + v)**2 + (u - v)**2", "2*u**2 + 2*v**2"), vectors=vectors) == ""
    assert verdict(identity("", "(u + v)**2", "u**2 + v**2"), vectors=vectors, orthogonal=[["u"], ["v"]]) == ""
    # True of numbers, false of vectors: (u·u)(v·v) = (u·v)².
    assert "more than two vectors" in verdict(identity("", "(u*u)*(v*v)", "(u*v)**2"), vectors=vectors)
    assert "division by a vector" in verdict(identity("", "u/v", "u/v"), vectors=vectors)
    assert "not both" in verdict(identity("", "at(x*u, x=v)", "v*u"), symbols={"x": ""}, vectors=vectors)
    sneaky = identity("", "at(x*y - z**2, x=u*u, y=v*v, z=u*v)", "0")
    assert "more than two vectors" in verdict(sneaky, symbols=XY | {"z": ""}, vectors=vectors)
    cauchy = inequality("c", "", "x*u**2", term(times="a", square="u"))
    assert verdict(cauchy, symbols={"x": ""}, vectors={"u": ""}, facts=[A]) == ""
    product = inequality("c", "", "0*x", term(times="p q"))
    facts = [nonnegative("p", "u**2"), nonnegative("q", "v**2")]
    assert "more than two vectors" in verdict(product, symbols={"x": ""}, vectors=vectors, facts=facts)
    for text, why in (
        ("log(u*u)", "log of a vector"), ("at(exp(x), x=u*u)", "exp of a vector"), ("x/(u*v)", "division by a vector"),
        ("u*v*u", "more than two"), ("u**4", "more than two"), ("at(x*u, u=x)", "not both"),
        ("at(u, v=u*u)", "not both"),
    ):  # fmt: skip
        assert why in verdict(identity("", f"{text} + x*u*v", "0"), symbols={"x": ""}, vectors=vectors)
    mixed = inequality("m", "", "x**2 + 2*x*u + u**2", term(square="x + u"))
    assert "mixes" in verdict(mixed, symbols={"x": ""}, vectors={"u": ""})
    odd = inequality("o", "", "x*u", term(times="f"))
    assert "number is needed" in verdict(odd, symbols={"x": ""}, vectors={"u": ""}, facts=[nonnegative("f", "x*u")])
    twice = {"basis": ["x", "u"], "matrix": [["1", "0"], ["0", "1"]]}
    both = inequality("b", "", "x**2 + u**2", gram=twice)
    assert "all vectors or all numbers" in verdict(both, symbols={"x": ""}, vectors={"u": ""})


def test_groups_of_orthogonal_vectors_and_names():
    vectors, same = {"u": "", "v": ""}, identity("", "u*v", "v*u")
    for groups in ([["u"]], [["u", "v"], ["u"]], [["u"], ["v"], ["w"]]):
        assert "exactly one group" in verdict(same, vectors=vectors, orthogonal=groups)
    for bad in ("exp", "sum", "at", "d", "x y", "1x"):
        assert "no good name" in verdict(same, vectors=vectors, symbols={bad: ""})
    assert "no good name" in verdict(same, vectors=vectors, symbols={"u": ""})
    assert "no good name" in verdict(same, vectors=vectors, definitions={"u": "3"})
    twice = [inequality("s", "", "u**2", term(square="u")), inequality("s", "", "v**2", term(square="v"))]
    assert "there already" in verdict(*twice, vectors=vectors)
