"""Variance-reduced Halpern iteration: its potential, with the noise of PAGE, and what follows for the last iterate."""

from collections.abc import Iterator

from proofs_check.deriving import factored
from proofs_check.writing import Draft, identity, inequality, nonnegative, positive, term


def drafts() -> Iterator[Draft]:
    yield potential()
    yield last_iterate()
    yield page()
    yield page_is_biased()


def potential() -> Draft:
    """C_{k+1} − C_k ≤ B_{k+1}/(8L) [(k+6)‖e‖² − (3k+2)Δ], and what follows with the noise condition."""
    now = "eta*(k + 2)*(k + 3)*(k + 4)/4*v**2 + (k + 2)*(k + 3)*(v*w)"
    after = "eta*(k + 3)*(k + 4)*(k + 5)/4*(v + z)**2 + (k + 3)*(k + 4)*((v + z)*(w + move))"
    facts = [
        *(positive(f"plus_{n}", f"k + {n}") for n in (2, 3, 4, 6)),
        positive("constant", "L"),
        nonnegative("cocoercive", "z*move - Delta/L", "on average, at u_k and u_{k+1}"),
        nonnegative("jensen", "Delta - z**2", "the square of a mean"),
    ]
    step = inequality(
        "one_step",
        "the potential grows by at most the noise",
        f"(k + 3)*(k + 4)/(8*L)*((k + 6)*e**2 - (3*k + 2)*Delta) - ({after} - ({now}))",
        term("1/2", "plus_2 plus_3 plus_4 cocoercive"),
        term("1/8", "plus_3 plus_4 plus_6 jensen", "constant"),
        term("1/4", "plus_3 plus_4", "constant", "v/2 - z/2 + e"),
        term("1/16", "plus_3 plus_4 plus_6", "constant", "z + e"),
        term("1/16", "plus_2 plus_3 plus_4", "constant", "e"),
    )
    weighted = "weight*(1 - p)*(e**2 + Delta/b)"
    return Draft(
        "potential",
        ["vr-halpern/potential-decreases"],
        "For every k, C_{k+1} ≤ C_k + B((k+6)‖e‖² − (3k+2)Δ)/(8L) with B = (k+3)(k+4). With E‖e_{k+1}‖² ≤ "
        "(1−p)(‖e_k‖² + Δ_k/b), the sum C_k + s_{k−1}‖e_k‖²/(8L(1−p_k)) never grows where s_k ≤ bB(3k+2) and "
        "(1−p_k)(B(k+6) + s_k) ≤ s_{k−1}: the noise condition, by its sums s_k.",
        assumes="F cocoercive on average with L; η = 1/(4L); G = 0; the noise condition (noise-condition: n = 2 or "
        "n ≥ 5; without noise for n = 1); expectations throughout",
        part="all n but 3 and 4, for which the noise condition fails",
        symbols={
            "k": "step",
            "L": "constant",
            "Delta": "(1/n) Σ ‖F_i(u_{k+1}) − F_i(u_k)‖²",
            "b": "batch",
            "p": "p_{k+1}",
            "s": "s_k",
            "before": "s_{k−1}/(1 − p_k)",
        },
        vectors={"w": "u_k − u_0", "v": "F(u_k)", "z": "F(u_{k+1}) − F(u_k)", "e": "error of the estimate of F(u_k)"},
        definitions={
            "eta": "1/(4*L)",
            "move": "-2/(k + 4)*w - eta*(v + e)",
            "weight": "s/(1 - p)",
        },
        facts=[
            *facts,
            positive("batch", "b"),
            nonnegative("noise", "b*(k + 3)*(k + 4)*(3*k + 2) - s", "noise condition"),
            nonnegative("chain", "before - (k + 3)*(k + 4)*(k + 6) - s", "noise condition"),
            nonnegative("moves", "Delta", "a mean of squares"),
        ],
        steps=[
            step,
            inequality(
                "lyapunov",
                "the potential with noise never grows",
                f"({now}) + before*e**2/(8*L) - ({after}) - {weighted}/(8*L)",
                term(times="one_step"),
                term("1/8", "noise moves", "constant batch"),
                term("1/8", "chain", "constant", "e"),
            ),
        ],
    )


def last_iterate() -> Draft:
    return Draft(
        "last-iterate",
        ["vr-halpern/last-iterate-rate"],
        "C_k ≤ C_0 = 6η‖F(u_0)‖² ≤ 3LD²/2 and ⟨F(u_k), u_k − u_*⟩ ≥ 0 give A r² − A X r ≤ A Y² for the root mean "
        "square residual r, with X and Y the two terms of the bound; r > X + Y would make the left side larger.",
        assumes="potential-decreases; F cocoercive on average with L; G = 0",
        part="all n but 3 and 4, as potential-decreases",
        symbols={
            "k": "step",
            "L": "constant",
            "D": "distance",
            "r": "root of E‖F(u_k)‖²",
            "Y": "second term of the bound",
        },
        definitions={
            "A": "(k + 2)*(k + 3)*(k + 4)/(16*L)",
            "X": "16*L*D/(k + 4)",
        },
        facts=[
            positive("excess", "r - X - Y", "supposed, for a contradiction"),
            positive("quadratic", "A"),
            positive("first", "X"),
            positive("second", "Y"),
            positive("residual", "r"),
        ],
        steps=[
            identity("coefficient of the potential", "1/(4*L)*(k + 2)*(k + 3)*(k + 4)/4", "A"),
            identity("linear term", "(k + 2)*(k + 3)*D", "A*X"),
            identity(
                "C_0 from Y² = 24L²D²/((k+2)(k+3)(k+4))", "A*24*L**2*D**2/((k + 2)*(k + 3)*(k + 4))", "6/(4*L)*(L*D)**2"
            ),
            inequality(
                "contradiction",
                "the left side would be larger",
                "A*r**2 - A*X*r - A*Y**2",
                term(times="quadratic excess residual"),
                term(times="quadratic excess second"),
                term(times="quadratic first second"),
                strict=True,
            ),
        ],
    )


def page() -> Draft:
    return Draft(
        "page",
        ["vr-halpern/page-recursion"],
        "Given the past, the error is 0 with probability p, else e plus a centred batch error ζ: (1−p)(‖e‖² + "
        "E‖ζ‖²) in the mean; the spread around the mean is at most the second moment Δ, coordinate by coordinate.",
        part="with E‖ζ‖² = spread/b for independent draws taken for granted; not the factor for draws without "
        "replacement",
        assumes="coin and batch independent of the past",
        symbols={"p": "reset probability", "n": "number of components"},
        indexed={"c": "a coordinate of F_i(u_{k+1}) − F_i(u_k)"},
        vectors={"e": "error before", "zeta": "batch error"},
        orthogonal=[["e"], ["zeta"]],
        sums={"sum(1)": "n"},
        definitions={"mean": "sum(c)/n"},
        steps=[
            identity("second moment", "(1 - p)*(e + zeta)**2", factored()),
            inequality(
                "spread", "at most the second moment", "sum(c**2)/n - sum((c - mean)**2)/n", term(square="mean")
            ),
        ],
    )


def page_is_biased() -> Draft:
    return Draft(
        "page-biased",
        ["vr-halpern/page-unbiased"],
        "Given the past, the mean of the estimate minus F(u_k) is (1−p)e, not 0 unless the error before was.",
        verdict="fails",
        symbols={"p": "reset probability"},
        vectors={"e": "error before", "f": "F(u_{k−1})", "f1": "F(u_k)"},
        steps=[identity("bias", "p*f1 + (1 - p)*((f + e) + (f1 - f)) - f1", factored())],
    )
