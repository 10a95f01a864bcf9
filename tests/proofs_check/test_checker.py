"""The checker accepts steps that are right and refuses, one by one, those that are not."""

import ast
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import proofs_check.checker
from proofs_check.checker import Rejected, check, parse
from proofs_check.checker.intervals import positive as positive_on
from proofs_check.checker.steps import semidefinite
from proofs_check.writing import (
    Draft,
    identity,
    induction,
    inequality,
    interval,
    minimum,
    monotone,
    nonnegative,
    positive,
    term,
)  # fmt: skip
from tests.proofs_check.made import XY, A, scope, verdict


def test_inequalities():
    def one(value, *terms, **more):
        return verdict(inequality("it", "", value, *terms, **more), symbols=XY, facts=[A, nonnegative("b", "y")])

    assert one("x + y", term(times="a"), term(times="b"), strict=True) == ""
    assert "no term" in one("y + (x - y)**2 + 0*x", term(times="b"), term(square="x - y"), strict=True)
    assert "differ" in one("x + 2*y", term(times="a"), term(times="b"))
    assert "not positive" in one("x - y", term(times="a"), term(-1, "b"))
    assert "may be zero" in one("x/y", term(times="a", over="b"))
    assert one("y/x", term(times="b", over="a")) == ""
    assert one("0*x*y*(x + y)") == "the end: not used: a, b"  # an empty sum is 0, and not positive
    assert "no term" in one("0*x*y*(x + y)", strict=True)
    assert "KeyError: 'c'" in one("x + y", term(times="c"))
    assert one("exp(y)*x + 0*x", term("exp(y)", "a"), term(square="y - y")) == "the end: not used: b"
    assert "weight" in one("y*x", term("y", "a"))
    two = inequality("it", "", "x", term(times="a")) | {"positive": "x"}
    assert "positive or else nonnegative" in verdict(two, symbols={"x": ""}, facts=[A])
    neither = {"name": "a", "because": "of nothing"}
    assert "positive or else nonnegative" in verdict(identity("", "x", "x"), symbols={"x": ""}, facts=[neither])


def test_gram_matrices_must_be_semidefinite_exactly():
    def form(matrix, value):
        return verdict(inequality("it", "", value, gram={"basis": ["x", "y"], "matrix": matrix}), symbols=XY)

    assert form([["1", "1"], ["1", "1"]], "(x + y)**2") == ""
    assert "semidefinite" in form([["1", "1"], ["1", "999/1000"]], "x**2 + 2*x*y + 999/1000*y**2")
    assert "symmetric" in form([["1", "1"], ["0", "1"]], "x**2 + x*y + y**2")
    assert "differ" in form([["1", "0"], ["0", "1"]], "x**2 + x*y + y**2")
    assert form([["1", "0"]], "x**2 + x*y + y**2")
    assert form([["1", "0"], ["0"]], "x**2 + x*y + y**2")
    assert form([["x", "0"], ["0", "1"]], "x**3 + y**2")
    semidefinite([[Fraction(0), Fraction(0)], [Fraction(0), Fraction(2)]])
    with pytest.raises(Rejected):
        semidefinite([[Fraction(0), Fraction(1)], [Fraction(1), Fraction(2)]])


def test_calculus():
    symbols, facts = {"x": "", "y": ""}, [positive("a", "x"), positive("b", "y")]
    log = minimum("it", "", "x/y - 1 - log(x) + log(y)", "x", "y", term(over="a b"))
    assert verdict(log, symbols=symbols, facts=facts) == ""
    assert "value at the point" in verdict(log | {"nonnegative": "x/y - log(x) + log(y)"}, symbols=symbols, facts=facts)
    assert "derivative" in verdict(log | {"nonnegative": "x/y - 1 - 2*log(x) + 2*log(y)"}, symbols=symbols, facts=facts)
    # x > 0 is not known at the point −y.
    square = minimum("it", "", "(x + y)**2", "x", "-y", term(2, "a", "a"))
    assert "may be the point" in verdict(square, symbols=symbols, facts=facts)
    assert "not depend on the variable" in verdict(log | {"point": "x"}, symbols=symbols, facts=facts)
    assert "symbol" in verdict(log | {"variable": "x + y"}, symbols=symbols, facts=facts)
    # x² − y > 0 is no interval.
    gapped = minimum("it", "", "x**4/4 - y*x**2/2", "x", "0", term(times="c"))
    assert "interval" in verdict(gapped, symbols=symbols, facts=[positive("c", "x**2 - y")])
    grows = monotone("it", "", "exp(x) - 1", "x", "0", term(times="e"))
    exponential, forward = positive("e", "exp(x)"), nonnegative("f", "x")
    assert verdict(grows, symbols={"x": ""}, facts=[exponential, forward]) == ""
    assert "beyond" in verdict(grows, symbols={"x": ""}, facts=[exponential])


def test_a_pole_on_the_way_is_noticed():
    # −1/x + 1/y grows wherever it is defined, but not from y = −1 to x = 1.
    symbols, beyond = {"x": "", "y": ""}, nonnegative("f", "x - y")
    jump = monotone("it", "", "1/y - 1/x", "x", "y", term(square="1/x"))
    assert "stays positive" in verdict(jump, symbols=symbols, facts=[beyond])
    fine = [beyond, positive("a", "x"), positive("b", "y")]
    assert verdict(jump, symbols=symbols, facts=fine) == ""
    # A logarithm inside of a sum has a pole at 0 too: Σp log x² falls on the left of it.
    inside = monotone("it", "", "sum(p*log(q*x**2)) - sum(p*log(q))", "x", "1", term(2, "mass", "a"))
    options = {"symbols": {"x": ""}, "indexed": {"p": "", "q": ""}}
    mass = [positive("mass", "sum(p)"), positive("a", "x"), nonnegative("f", "x - 1"), positive("c", "q")]
    assert verdict(inside, inequality("i", "", "q", term(times="c")), facts=mass, **options) == ""
    logs = minimum("it", "", "x - 1 - log(x)", "x", "1", term(over="a"))
    assert verdict(logs, symbols={"x": ""}, facts=[positive("a", "x")]) == ""
    split = monotone("it", "", "log(x**2)", "x", "1", term(2, "", "a"))
    assert "stays positive" in verdict(
        split, symbols={"x": ""}, facts=[positive("a", "x + 2"), nonnegative("f", "x - 1")]
    )


def test_lemmas_and_given_sums_on_the_way():
    # e^x − 1 ≥ 0 for x ≥ 0 is a lemma that holds on the whole way; so e^x − 1 − x grows.
    facts = [positive("e", "exp(x)"), nonnegative("f", "x")]
    lemma = monotone("lemma", "", "exp(x) - 1", "x", "0", term(times="e"))
    then = monotone("it", "", "exp(x) - 1 - x", "x", "0", term(times="lemma"))
    assert verdict(lemma, then, symbols={"x": ""}, facts=facts) == ""
    # The same lemma from an assumption that is lost on the way.
    far = [positive("e", "exp(x)"), nonnegative("f", "x"), nonnegative("g", "exp(x) - 1")]
    assert "interval" in verdict(then | {"terms": [term(times="g")]}, symbols={"x": ""}, facts=far)
    # Σ p e^(qx) = Z is true at x, and not between 0 and x.
    moving = monotone("it", "", "sum(p*exp(q*x)) - Z", "x", "0", term(times="e"))
    options = {
        "indexed": {"p": "", "q": ""},
        "sums": {"sum(p*exp(q*x))": "Z", "sum(p)": "1", "sum(p*q*exp(q*x))": "exp(x)"},
    }
    found = verdict(moving, symbols={"x": "", "Z": ""}, facts=facts, **options)
    assert "given sum" in found


def test_logarithms():
    def with_rule(left, right, *steps):
        return verdict(*steps, identity("", "x + y", "y + x"), symbols=XY, logarithms={left: right})

    after = identity("", "log(1 + exp(x)) - log(1 + exp(-x))", "x")
    assert with_rule("log(1 + exp(x))", "x + log(1 + exp(-x))", after) == ""
    assert "differ" in verdict(after, symbols={"x": ""})
    assert "exponentials" in with_rule("log(1 + exp(x))", "log(1 + exp(-x)) - x", after)
    assert with_rule("log(x*y)", "log(x) + log(y)", identity("", "log(x*y) - log(y)", "log(x)")) == ""
    assert "not used" in with_rule("log(x*y)", "log(x) + log(y)")
    assert "exponentials" in with_rule("log(x**2*y)", "log(x)/2 + log(y)")
    assert "ValueError" in with_rule("log(x) + y", "log(x) + y")
    assert "one log" in with_rule("2*log(x)", "2*log(x)")
    assert "KeyError" in with_rule("x", "x")
    assert "refers to itself" in with_rule("log(x)", "log(x)")
    turned = {"log(x*y)": "log(x) + log(y)", "log(x)": "log(x*y) - log(y)"}
    assert "refers to itself" in verdict(after, symbols=XY, logarithms=turned)
    again = {"log(x*y)": "log(x) + log(y)", "log(y*x)": "log(x) + log(y)"}
    assert "second value" in verdict(after, symbols=XY, logarithms=again)


def test_given_sums():
    options = {"symbols": {"x": ""}, "indexed": {"p": "", "q": ""}}
    step = identity("", "sum(p*x*q)", "x*sum(p*q)")
    assert "one sum" in verdict(step, sums={"2*sum(p)": "1"}, **options)
    assert "one sum" in verdict(step, sums={"log(x)": "1"}, **options)
    assert "refers to itself" in verdict(step, sums={"sum(p)": "sum(p) + 1"}, **options)
    assert "second value" in verdict(step, sums={"sum(p)": "1", "sum(1*p)": "2"}, **options)
    assert "about vectors" in verdict(step, vectors={"u": ""}, sums={"sum(p)": "u*u"}, **options)


def test_induction():
    squares = induction("s", "", "n*(n + 1)*(2*n + 1)/6 - S", "n", {"S": "0"}, {"S": "S + (n + 1)**2"})
    symbols = {"n": "", "S": ""}
    assert verdict(squares, symbols=symbols) == ""
    assert "start" in verdict(squares | {"start": {"S": "1"}}, symbols=symbols)
    assert "start" in verdict(squares | {"start": {"S": "-1"}}, symbols=symbols)
    assert "step" in verdict(squares | {"next": {"S": "S + n**2"}}, symbols=symbols)
    assert "the index" in verdict(squares | {"next": {"n": "n + 2", "S": "S"}}, symbols=symbols)
    assert "the index" in verdict(squares | {"index": "p"}, symbols=symbols, indexed={"p": ""})
    # Above the squares from a start that is known not to be negative, keeping a share that is.
    begun = [positive("s", "S0"), positive("k", "share")]
    above = induction("a", "", "S", "n", {"S": "S0"}, {"S": "share*S"}, begins=["s"], keeps=["k"])
    assert verdict(above, symbols=symbols | {"S0": "", "share": ""}, facts=begun) == ""
    counted = induction("a", "", "S + n", "n", {"S": "S0"}, {"S": "S + n"}, term(times="m"), term(), begins=["s"])
    for count, why in (("n", ""), ("n + 1", "differ"), ("2 - n", "later"), ("exp(n) - 1", "later")):
        fact = nonnegative("m", count)
        found = verdict(counted | {"next": {"S": f"S + {count}"}}, symbols=symbols | {"S0": ""}, facts=[begun[0], fact])
        assert (why in found) if why and why != "differ" else found == ""
    # Σ p = S says that S does not change.
    moving = induction("m", "", "n*S - n*sum(p)", "n", {"S": "S"}, {"S": "S + 1"}, term(), term(times="count"))
    count = [nonnegative("count", "n")]
    assert "about the state" in verdict(moving, symbols=symbols, indexed={"p": ""}, sums={"sum(p)": "S"}, facts=count)
    assert "does not depend" in verdict(squares | {"start": {"S": "0", "x": "1"}}, symbols=symbols | {"x": ""})
    # One sequence has one recurrence: S = n and S = 2n together would prove n = 0.
    single, double = (induction(f"a{k}", "", f"S - {k}*n", "n", {"S": "0"}, {"S": f"S + {k}"}) for k in (1, 2))
    again = single | {"name": "again"}
    assert verdict(single, again, symbols=symbols) == ""
    assert "another recurrence of S" in verdict(single, double, symbols=symbols)
    # N − n ≥ 0 limits the index, also by another name or in a fact that rests on it, which a reader must see.
    early, options = nonnegative("early", "N - n"), {"symbols": symbols | {"N": ""}, "definitions": {"left": "N - n"}}
    falling = induction("f", "", "S", "n", {"S": "0"}, {"S": "S + N - n"}, term(times="early"))
    named = falling | {"as_long_as": ["early"]}
    assert "must name what limits the index: ['early']" in verdict(falling, facts=[early], symbols=options["symbols"])
    assert verdict(named, facts=[early], symbols=options["symbols"]) == ""
    hidden = [inequality("rest", "", "2*left", term(2, "early")), falling | {"terms": [term("1/2", "rest")]}]
    assert "['early']" in verdict(*hidden, facts=[early], **options)
    assert verdict(hidden[0], hidden[1] | {"as_long_as": ["early"]}, facts=[early], **options) == ""
    assert "index: []" in verdict(squares | {"as_long_as": ["early"]}, facts=[early], symbols=options["symbols"])
    # 10 − n > 0 holds at the start and not for ever.
    falls = induction("f", "", "x*n", "n", {}, {}, term(times="a c", over="c"))
    assert "later" in verdict(falls, symbols={"n": "", "x": ""}, facts=[A, positive("c", "10 - n")])


def test_facts_of_different_cases_do_not_meet():
    facts = [nonnegative("low", "-x", case="x ≤ 0"), nonnegative("high", "x - 1", case="x ≥ 1")]
    absurd = inequality("absurd", "", "0*x - 1", term(times="low"), term(times="high"))
    assert "different cases" in verdict(absurd, symbols={"x": ""}, facts=facts)
    first = inequality("first", "", "-2*x", term(2, "low"))
    second = inequality("second", "", "-1 - x", term(times="first"), term(times="high"))
    assert "different cases" in verdict(first, second, symbols={"x": ""}, facts=facts)


def test_balls_on_boxes():
    box = {"x": ("0", "1")}
    facts = [nonnegative("low", "x"), nonnegative("high", "1 - x")]
    step = interval("it", "", "exp(x) - x - 9/10", box)
    use = inequality("use", "", "2*exp(x) - 2*x - 9/5", term(2, "it"))
    assert verdict(step, use, symbols={"x": ""}, facts=facts) == ""
    assert "not used: it" in verdict(step, symbols={"x": ""}, facts=facts)
    assert "no facts say" in verdict(step, use, symbols={"x": ""}, facts=facts[:1])
    assert "no facts say" in verdict(step | {"box": {"x": ["0", "2"]}}, use, symbols={"x": ""}, facts=facts)
    here, whole = scope("x"), {"x": (Fraction(0), Fraction(1))}
    for wrong in ("exp(x) - x - 1", "x - 1/2", "log(x)", "1/x - 1/2", "1/(2*x - 1)**2", "normal_pdf(x)"):
        with pytest.raises((Rejected, KeyError)):
            positive_on(here, here.read(wrong), whole)
    positive_on(here, here.read("exp(x)/(1 + x) - 9/10"), whole)
    for right in ("log(49) - 389/100", "1/2 - normal_cdf(-1) - 34/100"):
        positive_on(here, here.read(right), {})
        with pytest.raises(Rejected):
            positive_on(here, here.read(f"{right} - 1/100"), {})


def test_damaged_files_are_refused():
    text = Draft("made", ["rdpo/unbiased-loss"], "words", [identity("", "x", "x")], symbols={"x": ""}).text()
    check(parse(text))
    for old, new in (
        ("format = 2", "format = 1"), ('verdict = "holds"', 'verdict = "maybe"'), ("words", "word5"),
        ('part = ""\n', ""), ('kind = "identity"', 'kind = "belief"'), ('digest = "', 'digest = "0'),
        ("[[steps]]", "[[steps"),
    ):  # fmt: skip
        assert old in text
        with pytest.raises(Rejected):
            check(parse(text.replace(old, new)))


def test_the_checker_depends_on_nothing_but_exact_arithmetic():
    allowed = {"flint", "proofs_check", *sys.stdlib_module_names} - {"math", "random", "decimal", "cmath", "statistics"}
    total = 0
    for file in Path(proofs_check.checker.__file__).parent.glob("*.py"):
        text = file.read_text()
        total += sum(bool(line.strip()) for line in text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                assert not isinstance(getattr(node, "value", None), float)
                continue
            for name in names:
                assert name.partition(".")[0] in allowed
                assert not name.startswith("proofs_check") or name.startswith("proofs_check.checker")
    assert total < 640  # with its comments; to be read in one sitting
