"""Halpern iteration: its rate and certificate for every N, the tight instance, and fast extragradient."""

from collections.abc import Iterator

from proofs_check.deriving import factored
from proofs_check.writing import Draft, identity, induction, inequality, nonnegative, positive, term

COUNT = {"N": "number of steps"}


def drafts() -> Iterator[Draft]:
    yield from halpern()
    yield from attained()
    yield from extragradient()


def halpern() -> Iterator[Draft]:
    run = {
        "symbols": COUNT | {"S": "Σ 2j(j+1)(‖x_j − x_{j−1}‖² − ‖t_j − t_{j−1}‖²)"},
        "vectors": {"x0": "start, with the fixed point at 0", "x": "x_N", "t": "T x_N", "t1": "T x_{N+1}"},
        "definitions": {"y": "(x0 + (N + 1)*t)/(N + 2)", "gap": "(y - x)**2 - (t1 - t)**2"},
    }
    rest = "4*x0**2 - (N + 1)**2*(x - t)**2 - S - 2*(N + 1)*(x**2 - t**2) - ((N + 1)*(x - t) - 2*x0)**2"
    telescope = induction(
        "telescope",
        "the certificate, times (N + 1)²",
        rest,
        "N",
        {"x": "x0", "S": "0"},
        {"x": "y", "t": "t1", "S": "S + 2*(N + 1)*(N + 2)*gap"},
    )
    yield Draft(
        "certificate",
        ["vr-halpern/halpern-certificate"],
        "By induction on N, with S the sum of 2j(j+1) times the gaps: both sides of the certificate are equal, "
        "whatever the vectors t.",
        steps=[telescope],
        **run,
    )
    yield Draft(
        "rate",
        ["vr-halpern/halpern-rate"],
        "‖x_N − T x_N‖ ≤ 2‖x_0 − x_*‖/(N+1) for every N: the certificate, whose sum S and other terms are not "
        "negative.",
        assumes="T nonexpansive with the fixed point 0",
        facts=[
            positive("plus_one", "N + 1"),
            positive("plus_two", "N + 2"),
            nonnegative("nonexpansive", "gap", "of T, at x_N and x_{N+1}"),
            nonnegative("fixed", "x**2 - t**2", "of T, at x_N and 0"),
        ],
        steps=[
            telescope,
            induction(
                "positive_sum",
                "S ≥ 0",
                "S",
                "N",
                {"S": "0"},
                {"S": "S + 2*(N + 1)*(N + 2)*gap"},
                term(2, "plus_one plus_two nonexpansive"),
            ),
            inequality(
                "rate",
                "the rate",
                "4*x0**2/(N + 1)**2 - (x - t)**2",
                term(times="telescope", over="plus_one plus_one"),
                term(times="positive_sum", over="plus_one plus_one"),
                term(2, "fixed", "plus_one"),
                term(square="x - t - 2*x0/(N + 1)"),
            ),
        ],
        **run,
    )
    yield Draft(
        "rate-cocoercive",
        ["vr-halpern/halpern-rate-cocoercive"],
        "With T = I − 2F/L: ‖x−y‖² − ‖Tx−Ty‖² is 4/L times ⟨F(x)−F(y), x−y⟩ − ‖F(x)−F(y)‖²/L, so T is nonexpansive; "
        "x − Tx = 2F(x)/L turns the rate of halpern-rate into ‖F‖ ≤ LD/(N+1).",
        assumes="F is 1/L-cocoercive with a zero at distance D",
        symbols=COUNT | {"L": "constant"},
        vectors={"x": "a point", "y": "another", "f": "F(x)", "g": "F(y)", "x0": "start, with the zero at 0"},
        facts=[
            positive("constant", "L"),
            nonnegative("cocoercive", "(f - g)*(x - y) - (f - g)**2/L"),
            nonnegative("rate", "4*x0**2/(N + 1)**2 - (x - (x - 2/L*f))**2", "halpern-rate for T"),
        ],
        steps=[
            inequality(
                "nonexpansive", "T", "(x - y)**2 - (x - 2/L*f - y + 2/L*g)**2", term(4, "cocoercive", "constant")
            ),
            inequality(
                "residual", "the rate of F", "L**2*x0**2/(N + 1)**2 - f**2", term("1/4", "constant constant rate")
            ),
        ],
    )


def attained() -> Iterator[Draft]:
    yield Draft(
        "rate-attained",
        ["vr-halpern/halpern-rate-attained"],
        "For Tx = x − c sign(x) where |x| ≥ c/2, else −x, with c = 2/(N+1) and x_0 = 1: x_j = 1 − jc/2 by "
        "induction, which stays at or above c/2 up to j = N, where x_N − Tx_N = c; T has slopes 1 and −1 and no "
        "jump at c/2. For T = −I, x_{2i} = 1/(2i+1) gives 0 and then 1/(2i+3).",
        symbols=COUNT | {"j": "step", "x": "x_j", "i": "half of an even step"},
        definitions={"c": "2/(N + 1)", "after": "(1 + (j + 1)*(x - c))/(j + 2)", "even": "1/(2*i + 1)"},
        facts=[nonnegative("early", "N - j", "only for the last inequality"), positive("plus_one", "N + 1")],
        steps=[
            inequality("far", "x_j ≥ c/2", "1 - j*c/2 - c/2", term(times="early", over="plus_one")),
            identity("residual at c/2 and beyond", "x - (x - c)", factored()),
            identity("no jump", "c/2 - c", "-c/2"),
            identity("the first step", "at(after, j=0, x=1)", "at(1 - j*c/2, j=1)"),
            identity("each step", "at(after, x=1 - j*c/2)", "at(1 - j*c/2, j=j + 1)"),
            identity("-I, odd step", "1/(2*i + 2) - (2*i + 1)/(2*i + 2)*even", factored()),
            identity("-I, even step", "1/(2*i + 3)", "at(even, i=i + 1)"),
            identity("-I, residual", "even - (-even)", factored()),
        ],
    )
    yield Draft(
        "operators-are-slower",
        ["vr-halpern/gradient-rate-for-operators"],
        "T a rotation with cosine 1/3, N = 2: a forward step with 1/L is (I + T)/2 and multiplies the squared norm "
        "by 2/3; ‖F‖² = L²‖x − Tx‖²/4 = (1/3)L²‖x‖², so the residual is 4/27 L²D² after two steps, above 1/9.",
        verdict="fails",
        definitions={"c": "1/3", "step": "((1 + c)/2)**2 + (1 - c**2)/4", "residual": "((1 - c)**2 + (1 - c**2))/4"},
        steps=[
            identity("a step", "step", factored()),
            identity("the residual", "residual", factored()),
            inequality(
                "larger", "than the rate of gradient descent", "residual*step**2 - 1/9", term("1/27"), strict=True
            ),
        ],
    )
    yield Draft(
        "forward-steps-diverge",
        ["vr-halpern/forward-steps-converge"],
        "F = L times a rotation by a right angle, step 1/(2L): (x, y) goes to (x − y/2, y + x/2), so the squared "
        "norm, and with it the residual, grows by 5/4.",
        verdict="fails",
        symbols={"x": "first coordinate", "y": "second coordinate"},
        facts=[positive("not_zero", "x**2 + y**2", "not the solution")],
        steps=[
            inequality(
                "grows",
                "the squared norm",
                "(x - y/2)**2 + (y + x/2)**2 - (x**2 + y**2)",
                term("1/4", "not_zero"),
                strict=True,
            ),
            identity("monotone", "x*(-y) + y*x", factored()),
        ],
    )


def extragradient() -> Iterator[Draft]:
    yield Draft(
        "fast-extragradient",
        ["vr-halpern/fast-extragradient-rate"],
        "The potential k²‖F(x_k)‖²/(2L) − k⟨F(x_k), x_0 − x_k⟩ never grows, by monotonicity between x_k and x_{k+1} "
        "and Lipschitz continuity between y_k and x_{k+1}; with monotonicity at the zero it gives k‖F(x_k)‖ ≤ 2LD "
        "for every k.",
        assumes="F monotone and L-Lipschitz, with a zero",
        symbols={"k": "step", "L": "constant"},
        vectors={"w": "x_0 − x_k", "u": "x_0 − x_*", "f": "F(x_k)", "g": "F(y_k)", "f1": "F(x_{k+1})"},
        definitions={"beta": "1/(k + 1)", "move": "beta*w - g/L", "half": "beta*w - (1 - beta)*f/L"},
        facts=[
            nonnegative("steps", "k"),
            positive("one_more", "k + 1"),
            positive("constant", "L"),
            nonnegative("monotone", "(f1 - f)*move", "between x_k and x_{k+1}"),
            nonnegative("lipschitz", "L**2*(move - half)**2 - (f1 - g)**2", "between y_k and x_{k+1}"),
            nonnegative("monotone_at_zero", "f*(u - w)", "between x_k and the zero"),
        ],
        steps=[
            induction(
                "potential",
                "minus the potential",
                "k*f*w - k**2/(2*L)*f**2",
                "k",
                {},
                {"w": "w - move", "f": "f1"},
                term(1, "steps one_more monotone"),
                term("1/2", "one_more one_more lipschitz", "constant"),
            ),
            inequality(
                "rate",
                "k‖F(x_k)‖ ≤ 2LD",
                "4*L**2*u**2 - k**2*f**2",
                term(square="2*L*u - k*f"),
                term(4, "constant potential"),
                term(4, "constant steps monotone_at_zero"),
            ),
        ],
    )
