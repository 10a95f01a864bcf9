"""SymPy derives what a producer asks for, in our own order, and refuses equations that are wrong."""

import subprocess
import sys

import pytest
import sympy

from proofs_check.checker import check, parse
from proofs_check.confirming import Refuted, confirm
from proofs_check.deriving import (
    apart,
    collected,
    derived,
    expanded,
    factored,
    minimiser,
    polynomial,
    reduced,
    squared,
    summed,
)  # fmt: skip
from proofs_check.symbolic import plain, written
from proofs_check.writing import Draft, identity, induction, inequality, minimum, monotone, positive, term

LOGISTIC = {"E": "exp(h)", "loss": "log(1 + 1/E)", "s": "E/(1 + E)"}


def draft(*steps, **more):
    return Draft("made", ["rdpo/unbiased-loss"], "a statement", steps, **more)


def side(left, form, **more):
    """The derived right side; the checker, which knows nothing of SymPy, must agree with it."""
    done = derived(draft(identity("", left, form), **more))
    confirm(done)
    try:
        check(parse(done.text()))
    except Exception as problem:
        assert "not used" in str(problem)  # noqa: PT017
    return done.steps[0]["right"]


@pytest.mark.parametrize(
    ("left", "form", "right"),
    [
        ("x**2 - y**2", factored(), "(x + y)*(x - y)"),
        ("(x - y)**2", expanded(), "x**2 + y**2 - 2*x*y"),
        ("x*y + x*z + y**2*x + z", collected("x"), "z + x*(y + z + y**2)"),
        ("1/(x*(x + 1))", apart("x"), "1/x - 1/(1 + x)"),
        ("x**2 + 2*x*y", squared("x"), "(x + y)**2 - y**2"),
        ("(x - y)/(y - x) + x", expanded(), "x - 1"),
        ("x/(1 - y)/(z - 1)", factored(), "x/((1 - y)*(z - 1))"),
        ("d(x**3, x)/2", factored(), "3*x**2/2"),
        ("at(x/y, x=y, y=x)", factored(), "y/x"),
        ("x**3 - x", reduced("x**2 - x"), "x*(1 + x)*(x - 1)"),
        ("x - x", factored(), "0"),
    ],
)
def test_forms(left, form, right):
    found = side(left, form, symbols=dict.fromkeys("xyz", ""))
    assert sympy.expand(sympy.together(plain(found) - plain(right))) == 0
    if "reduced" not in str(form.shape):
        assert found == right


def test_forms_in_terms_of_definitions():
    options = {"symbols": {"h": ""}, "definitions": LOGISTIC}
    assert side("d(d(loss, h), h)", factored(s="E"), **options) == "s*(1 - s)"
    assert side("-d(loss, h)", expanded(s="E"), **options) == "1 - s"
    swap = {"log(1 + E)": "h + log(1 + 1/E)"}
    assert side("at(loss, h=-h)", collected("h"), logarithms=swap, **options) == "h + loss"


def test_sums_and_vectors():
    options = {"symbols": {"b": ""}, "indexed": {"p": "", "q": ""}}
    assert side("sum(b*p*log(p) - p*b*log(q) + b*p)", summed(), sums={"sum(p)": "1"}, **options) == (
        "b + b*sum(p*(log(p) - log(q)))"
    )
    assert side("sum((p + b*q)**2)", expanded(), **options) == "2*b*sum(p*q) + sum(p**2) + b**2*sum(q**2)"
    assert side("d(sum(p*exp(b*q)), b)", factored(), **options) == "sum(p*q*exp(b*q))"
    # Σ p Σ p is not Σ p².
    with pytest.raises(Refuted):
        confirm(draft(identity("", "sum(p)*sum(p)", "sum(p**2)"), **options))
    vectors = {"vectors": {"u": "", "v": ""}, "orthogonal": [["u"], ["v"]]}
    assert side("(u/2 + v)**2", expanded(), **vectors) == "v**2 + u**2/4"
    with pytest.raises(Refuted):
        confirm(draft(identity("", "(u + v)**2", "u**2 + v**2"), vectors={"u": "", "v": ""}))


X = {"symbols": {"x": "", "y": ""}, "facts": [positive("a", "x"), positive("b", "y")]}
LOG = "x/y - 1 - log(x) + log(y)"


@pytest.mark.parametrize(
    "step",
    [
        identity("", "(x + y)**2", "x**2 + y**2"),
        inequality("i", "", "x + 2*y", term(times="a"), term(times="b")),
        inequality("i", "", "x**2", gram={"basis": ["x"], "matrix": [["2"]]}),
        minimum("m", "", LOG, "x", "y", term(2, "", "a b")),
        minimum("m", "", f"{LOG} + 1", "x", "y", term(1, "", "a b")),
        monotone("m", "", "exp(x) - 2", "x", "0", term("exp(x)")),
        induction("n", "", "x*(x + 1)/2 - y", "x", {"y": "1"}, {"y": "y + x + 1"}),
        induction("n", "", "x*(x + 1)/2 - y", "x", {"y": "0"}, {"y": "y + x"}),
    ],
)
def test_wrong_equations_are_not_written(step):
    with pytest.raises(Refuted):
        confirm(draft(step, **X))


def test_right_equations_are_confirmed():
    steps = [
        inequality("i", "", "x + 2*y", term(times="a"), term(2, "b")),
        minimum("m", "", LOG, "x", "y", term(1, "", "a b")),
        induction("n", "", "x*(x + 1)/2 - y", "x", {"y": "0"}, {"y": "y + x + 1"}),
        inequality("u", "", f"x + 3*({LOG})", term(times="a"), term(3, "m")),
    ]
    confirm(draft(*steps, **X))
    with pytest.raises(Refuted):
        confirm(draft(logarithms={"log(x*y)": "log(x) - log(y)"}, **X))


def test_points_and_terms():
    assert minimiser("D*a**2 - 2*N*a + c", "a") == "N/D"
    assert polynomial("m**2 + 2*r - 9", {"m": "large + 3", "r": "beyond"}, times="f", over="g") == [
        term(2, "f beyond", "g"), term(1, "f large large", "g"), term(6, "f large", "g"),
    ]  # fmt: skip


def test_the_order_is_our_own():
    a, b, z = sympy.symbols("a b z")
    assert written(z - a) == written(-a + z) == "z - a"
    assert written((b - 1) * a / (z - 1)) == "a*(1 - b)/(1 - z)"
    assert written(-a / (b + z)) == "-a/(b + z)"
    assert written(-a / (b - z)) == "a/(z - b)"
    assert written(sympy.Rational(-3, 4) * a**2 / z) == "-3*a**2/(4*z)"


def test_checking_needs_no_sympy():
    code = "import sys; from proofs_check import prove; prove.prove(['rdpo']); print('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
