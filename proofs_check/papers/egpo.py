"""Extragradient preference optimisation: the gap, what follows from the contraction of a step, the limits of steps."""

from collections.abc import Iterator

from proofs_check.deriving import expanded, factored, summed
from proofs_check.lemmas import games
from proofs_check.lemmas.distributions import gibbs
from proofs_check.writing import Draft, identity, induction, inequality, nonnegative, positive, term


def drafts() -> Iterator[Draft]:
    yield duality_gap()
    yield from gaps()
    yield linear_convergence()
    yield trial_policy()
    yield without_regularisation()
    yield from steps()
    yield from gradients()


def duality_gap() -> Draft:
    """max V(·, π) is attained at the best response; the gap is 2β KL(π‖BR)."""
    value = "sum({0}*q) - beta*sum({0}*(log({0}) - r0)) + beta*sum(p*(log(p) - r0))"
    return Draft(
        "gap",
        ["egpo/gap-closed-form"],
        "With b ∝ π_ref exp(Pπ/β), log b = log π_ref + Pπ/β − Z: V(o, π) = βZ + β KL(π‖π_ref) − β "
        "KL(o‖b), so the maximum is at o = b, and min V(π, ·) = 1 − max V(·, π); the gap is 2[βZ + β KL(π‖π_ref) − "
        "1/2] = 2β KL(π‖b).",
        assumes="finitely many actions, full support; π'Pπ = 1/2",
        symbols={
            "beta": "temperature",
            "Z": "log-normaliser of the best response",
            "Pij": "P of a pair of actions",
            "pi": "a pair's first weight",
            "pj": "its second weight",
        },
        indexed={"p": "π", "o": "any other policy", "b": "best response to π", "r0": "log π_ref"},
        definitions={"q": "beta*(log(b) - r0 + Z)", "best": "beta*Z + beta*sum(p*(log(p) - r0))"},
        sums={"sum(p)": "1", "sum(o)": "1", "sum(b)": "1"},
        facts=[
            positive("warm", "beta"),
            positive("other", "o", "full support"),
            positive("best_response", "b", "full support"),
        ],
        steps=[
            identity("value of any reply", value.format("o"), "best - beta*sum(o*(log(o) - log(b)))"),
            gibbs("o", "b", "other best_response"),
            inequality(
                "at_most",
                "no reply has more",
                f"best - ({value.format('o')})",
                term(times="warm other gibbs", sum=True),
            ),
            identity("the best response has it", value.format("b"), factored(best="Z")),
            identity("win rates of a pair of actions add to one", "pi*pj*Pij + pj*pi*(1 - Pij)", factored()),
            identity("the gap, as π'Pπ is 1/2", "2*best - 2*sum(p*q)", summed()),
        ],
    )


def gaps() -> Iterator[Draft]:
    yield Draft(
        "gap-certifies",
        ["egpo/gap-from-divergence"],
        "log b = log π_ref + Aπ/β − Z for the best response, log π* = log π_ref + Aπ*/β − Z*: KL(π‖b) − KL(π‖π*) = "
        "KL(π*‖b), which is not negative (Gibbs): the lower bound. As b ∝ π* exp(A(π−π*)/β), Hoeffding's lemma "
        "gives KL(π*‖b) ≤ w²/8 with w the range of A(π−π*)/β, w ≤ ‖π−π*‖₁/β, and Pinsker's inequality ‖π−π*‖₁² ≤ "
        "2KL(π*‖π): the upper bound.",
        assumes="full support; Hoeffding's lemma and Pinsker's inequality, each proved in a certificate of its name",
        symbols={
            "beta": "temperature",
            "Z": "log-normaliser",
            "Zs": "log-normaliser at π*",
            "w": "range of A(π − π*)/β",
            "n1": "‖π − π*‖₁",
        },
        indexed={"p": "π", "s": "π*", "r0": "log π_ref", "a": "Aπ", "as_": "Aπ*", "lp": "log π"},
        definitions={
            "lb": "r0 + a/beta - Z",
            "ls": "r0 + as_/beta - Zs",
            "gap": "2*beta*sum(p*(lp - lb))",
            "far": "sum(s*(ls - lb))",
        },
        sums={"sum(p)": "1", "sum(s)": "1", "sum(p*a)": "0", "sum(s*as_)": "0", "sum(s*a)": "-sum(p*as_)"},
        facts=[
            positive("warm", "beta"),
            nonnegative("gibbs", "far", "a divergence"),
            nonnegative("hoeffding", "w**2/8 - far", "Hoeffding's lemma"),
            nonnegative("size", "w", "a range"),
            nonnegative("length", "n1", "a norm"),
            nonnegative("range", "n1/beta - w", "entries of A are at most 1/2"),
            nonnegative("pinsker", "sum(s*(ls - lp)) - n1**2/2", "Pinsker"),
        ],
        steps=[
            identity("difference", "gap - 2*beta*sum(p*(lp - ls))", "2*beta*far"),
            inequality(
                "lower", "the gap certifies the distance", "gap - 2*beta*sum(p*(lp - ls))", term(2, "warm gibbs")
            ),
            inequality(
                "upper",
                "and is not far from it",
                "2*beta*sum(p*(lp - ls)) + sum(s*(ls - lp))/(2*beta) - gap",
                term(2, "warm hoeffding"),
                term("1/4", "warm size range"),
                term("1/4", "length range"),
                term("1/2", "pinsker", "warm"),
            ),
        ],
    )
    yield Draft(
        "original-gap",
        ["egpo/original-gap"],
        "(Pπ)_y = β(log b_y − log π_ref(y) + Z) with log b_y ≤ 0 and π_ref(y) ≥ min π_ref, for every action y; the "
        "regularised gap is 2[βZ + β KL(π‖π_ref) − 1/2] (gap).",
        assumes="full support",
        symbols={
            "beta": "temperature",
            "Z": "log-normaliser",
            "least": "log min π_ref",
            "by": "log b_y",
            "ry": "log π_ref(y)",
            "divergence": "KL(π‖π_ref)",
        },
        definitions={"qy": "beta*(by - ry + Z)", "gap": "2*(beta*Z + beta*divergence - 1/2)"},
        facts=[positive("warm", "beta"), nonnegative("probability", "-by"), nonnegative("above_least", "ry - least")],
        steps=[
            inequality(
                "bounded",
                "for the best action too",
                "gap + 2*beta*(-least - divergence) - 2*(qy - 1/2)",
                term(2, "warm probability"),
                term(2, "warm above_least"),
            )
        ],
    )


def linear_convergence() -> Draft:
    return Draft(
        "linear-convergence",
        ["egpo/linear-convergence"],
        "By induction on T from the contraction of one step: K_T ≤ (1 − ηβ)^T K_0.",
        assumes="exact payoffs, η ≤ 1/(β + ½): extragradient-contraction",
        symbols=games.STEP
        | {
            "T": "number of steps",
            "K": "KL(π*‖π_T)",
            "K1": "KL(π*‖π_{T+1})",
            "K0": "KL(π*‖π_0)",
            "W": "(1 − ηβ)^T K_0",
        },
        facts=[
            nonnegative("mild", "1 - eta*beta"),
            nonnegative("step", "(1 - eta*beta)*K - K1", "extragradient-contraction"),
        ],
        steps=[
            induction(
                "bound",
                "K_T ≤ (1 − ηβ)^T K_0",
                "W - K",
                "T",
                {"W": "K0", "K": "K0"},
                {"W": "(1 - eta*beta)*W", "K": "K1"},
                term(times="step"),
                keeps=["mild"],
            )
        ],
    )


def trial_policy() -> Draft:
    parts = games.EXTRAGRADIENT
    return Draft(
        "trial-policy",
        ["egpo/trial-policy"],
        "KL(π*‖π½) = (1−ηβ)KL(π*‖π) − (1−ηβ)KL(π½‖π) − ηβKL(π½‖π*) + η⟨A(π−π½), π½−π*⟩, whose last term is at most "
        "(η/2)(KL(π½‖π) + KL(π*‖π½)): (1 − η/2)KL(π*‖π½) ≤ (1−ηβ)KL(π*‖π); and (1−ηβ)/(1−η/2) ≤ 2 as 1 + ηβ ≥ η.",
        assumes="exact payoffs; η ≤ 1/(β + ½); full support; Pinsker's inequality and ⟨Au, v⟩ ≤ ‖u‖₁‖v‖₁/2; for the "
        "factor 2, η ≤ 1/(β+1)",
        symbols=games.STEP | {"c1": "constant", "c3": "constant", "n1": "‖π_t − π_half‖₁", "n2": "‖π_half − π*‖₁"},
        indexed={name: parts["indexed"][name] for name in ("h", "s", "lp", "r0", "ap", "ah", "as_")},
        definitions={
            "lh": parts["definitions"]["lh"],
            "ls": parts["definitions"]["ls"],
            "before": "sum(s*(ls - lp))",
            "trial": "sum(s*(ls - lh))",
            "half_to": "sum(h*(lh - ls))",
            "moved": "sum(h*(lh - lp))",
            "cross": "sum((ap - ah)*(h - s))",
        },
        sums={"sum(h)": "1", "sum(s)": "1", "sum(s*as_)": "0", "sum(h*ah)": "0", "sum(s*ah)": "-sum(h*as_)"},
        facts=[
            *games.SMALL,
            nonnegative("short", "1 - eta*beta - eta/2", "η ≤ 1/(β + 1/2)"),
            nonnegative("holder", "n1*n2/2 - cross", "entries of A are at most 1/2"),
            nonnegative("pinsker_half", "moved - n1**2/2", "Pinsker"),
            nonnegative("pinsker_end", "trial - n2**2/2", "Pinsker"),
            nonnegative("divergence", "moved", "a divergence"),
            nonnegative("divergence_back", "half_to", "a divergence"),
            nonnegative("shorter", "1 - eta*beta - eta", "η ≤ 1/(β + 1)", case="η ≤ 1/(β + 1)"),
        ],
        steps=[
            identity(
                "exact step", "trial", "(1 - eta*beta)*before - (1 - eta*beta)*moved - eta*beta*half_to + eta*cross"
            ),
            inequality(
                "behind",
                "never far behind",
                "(1 - eta*beta)*before - (1 - eta/2)*trial",
                term(times="short divergence"),
                term(times="step warm divergence_back"),
                term(times="step holder"),
                term("1/2", "step pinsker_half"),
                term("1/2", "step pinsker_end"),
                term("1/4", "step", square="n1 - n2"),
            ),
            inequality(
                "twice",
                "the factor is at most 2",
                "2*(1 - eta/2) - (1 - eta*beta)",
                term(times="shorter"),
                term(2, "step warm"),
            ),
        ],
    )


def without_regularisation() -> Draft:
    indexed = games.EXTRAGRADIENT["indexed"]
    return Draft(
        "without-regularisation",
        ["egpo/without-regularisation"],
        "At β = 0 with Aπ* = 0: KL(π*‖π₊) = KL(π*‖π) − KL(π½‖π) − KL(π₊‖π½) + η⟨A(π−π½), π½−π₊⟩, so the divergence "
        "falls by at least (1 − η/2)(KL(π½‖π) + KL(π₊‖π½)); and |1 + ix − x²|² = 1 − x² + x⁴ < 1 for 0 < x < 1.",
        assumes="β = 0, π* plays every action, η ≤ 2; Pinsker's inequality and ⟨Au, v⟩ ≤ ‖u‖₁‖v‖₁/2",
        symbols={
            "eta": "step",
            "c1": "constant",
            "c2": "constant",
            "n1": "‖π_t − π_half‖₁",
            "n2": "‖π_half − π_next‖₁",
            "x": "ηω",
        },
        indexed={name: indexed[name] for name in ("h", "n", "s", "lp", "ap", "ah")} | {"ls": "log π*"},
        definitions={
            "lh": "lp + eta*ap - c1",
            "ln": "lp + eta*ah - c2",
            "before": "sum(s*(ls - lp))",
            "after": "sum(s*(ls - ln))",
            "moved": "sum(h*(lh - lp))",
            "returned": "sum(n*(ln - lh))",
            "cross": "sum((ap - ah)*(h - n))",
        },
        sums={"sum(h)": "1", "sum(n)": "1", "sum(s)": "1", "sum(h*ah)": "0", "sum(s*ah)": "0"},
        facts=[
            positive("step", "eta"),
            nonnegative("holder", "n1*n2/2 - cross", "entries of A are at most 1/2"),
            nonnegative("pinsker_half", "moved - n1**2/2", "Pinsker"),
            nonnegative("pinsker_next", "returned - n2**2/2", "Pinsker"),
            positive("x_positive", "x"),
            positive("x_below", "1 - x"),
            positive("x_more", "1 + x"),
        ],
        steps=[
            identity("exact step", "after", "before - moved - returned + eta*cross"),
            inequality(
                "falls",
                "at least",
                "before - after - (1 - eta/2)*(moved + returned)",
                term(times="step holder"),
                term("1/2", "step pinsker_half"),
                term("1/2", "step pinsker_next"),
                term("1/4", "step", square="n1 - n2"),
            ),
            identity("modulus", "(1 - x**2)**2 + x**2", expanded()),
            inequality(
                "below_one",
                "it contracts",
                "1 - (1 - x**2 + x**4)",
                term(times="x_positive x_positive x_below x_more"),
                strict=True,
            ),
        ],
    )


def steps() -> Iterator[Draft]:
    yield Draft(
        "extragradient-limit",
        ["egpo/extragradient-limit"],
        "1 − (a−x²)² − a²x² = (1−a²) + x²(2a − x² − a²), positive for 0 < a < 1 and x ≤ a, which holds for η ≤ "
        "1/(β+½) and ω ≤ ½.",
        part="that the factor is below one for every η ≤ 1/(β+½); that rotations of a game are at most ½ is taken "
        "as known",
        assumes=games.LINEAR,
        symbols={"a": "1 − ηβ", "x": "ηω"},
        definitions={"modulus": "(a - x**2)**2 + a**2*x**2"},
        facts=[
            positive("kept", "a"),
            positive("below_one", "1 - a", "β > 0"),
            positive("above", "1 + a"),
            nonnegative("turn", "x"),
            nonnegative("small", "a - x", "ηω ≤ η/2 ≤ 1 − ηβ"),
        ],
        steps=[
            inequality(
                "contracts",
                "below one",
                "1 - modulus",
                term(times="below_one above"),
                term(2, "kept below_one", square="x"),
                term(times="small kept", square="x"),
                term(times="small turn", square="x"),
                strict=True,
            ),
        ],
    )
    yield Draft(
        "per-query",
        ["egpo/per-query"],
        "Two steps of mirror descent against one of extragradient: (a²+x²)² − (a−x²)² − a²x² = a[(2+a)x² − a(1−a²)].",
        assumes=games.LINEAR,
        symbols={"a": "1 − ηβ", "x": "ηω"},
        steps=[
            identity(
                "squared factors", "(a**2 + x**2)**2 - (a - x**2)**2 - a**2*x**2", "a*((2 + a)*x**2 - a*(1 - a**2))"
            )
        ],
    )
    yield Draft(
        "rock-paper-scissors",
        ["egpo/stability-map"],
        "Rock–paper–scissors with a uniform reference: A(diag π − ππ') = A/3 at π = 1/3, (A/3)³ = −(1/12)(A/3), so "
        "ω² = 1/12; mirror descent is stable exactly for η < 24β/(12β² + 1), extragradient where 1 − (a − x²)² − "
        "a²x² > 0 with x² = η²/12.",
        part="the limits of both methods in closed form; not what happens far from the equilibrium",
        symbols=games.STEP | {"v1": "first entry", "v2": "second entry", "v3": "third entry"},
        definitions={
            "b1": "(v2 - v3)/6",
            "b2": "(v3 - v1)/6",
            "b3": "(v1 - v2)/6",
            "c1": "(b2 - b3)/6",
            "c2": "(b3 - b1)/6",
            "c3": "(b1 - b2)/6",
        },
        steps=[
            identity("three turns", "(c2 - c3)/6", "-b1/12"),
            identity("second entry", "(c3 - c1)/6", "-b2/12"),
            identity("third entry", "(c1 - c2)/6", "-b3/12"),
            identity(
                "mirror descent",
                "1 - (1 - eta*beta)**2 - eta**2/12",
                "eta*(beta**2 + 1/12)*(24*beta/(12*beta**2 + 1) - eta)",
            ),
        ],
    )
    yield Draft(
        "two-actions",
        ["egpo/two-actions"],
        "With two actions (Aπ)_1 − (Aπ)_2 = a(π_1 + π_2) = a whatever the policy: the log-ratio obeys g₊ = (1−ηβ)g "
        "+ ηβg_ref + ηa in both methods, and its distance from g_ref + a/β shrinks by 1 − ηβ.",
        symbols=games.STEP
        | {"a": "A of the first against the second", "w": "π_1", "g": "log-ratio", "g0": "log-ratio of the reference"},
        definitions={"next": "(1 - eta*beta)*g + eta*beta*g0 + eta*a", "end": "g0 + a/beta"},
        steps=[
            identity("payoff difference", "a*(1 - w) - (-a*w)", factored()),
            identity("a step", "next - end", factored(end="g0")),
        ],
    )
    yield Draft(
        "bias-in-both-queries",
        ["egpo/bias-in-both-queries"],
        "A bias b in the payoffs is the reference θ_ref + b/β: the steps are the same.",
        symbols=games.STEP,
        indexed={"theta": "logits", "ref": "θ_ref", "payoff": "Pπ", "b": "bias"},
        definitions={"other": "ref + b/beta"},
        steps=[
            identity(
                "a step",
                "(1 - eta*beta)*theta + eta*beta*ref + eta*(payoff + b)",
                "(1 - eta*beta)*theta + eta*beta*other + eta*payoff",
            )
        ],
    )


def gradients() -> Iterator[Draft]:
    yield Draft(
        "step-as-coded",
        ["egpo/step-as-coded"],
        "A step of size s is θ − (4s/N)(d − mean d), that is ηβ = 4s/N; 2s/(βN) is half of it.",
        verdict="fails",
        symbols={"s": "size", "N": "number of actions", "beta": "temperature"},
        indexed={"theta": "θ", "ref": "θ_ref", "payoff": "Pμ"},
        definitions={"eta": "4*s/(beta*N)", "descended": "theta - 4*s/N*(theta - ref - payoff/beta)"},
        facts=[positive("size", "s"), positive("actions", "N"), positive("warm", "beta")],
        steps=[
            identity("up to a constant", "descended", "(1 - eta*beta)*theta + eta*beta*ref + eta*payoff"),
            inequality("twice", "more than coded", "eta - 2*s/(beta*N)", term(2, "size", "actions warm"), strict=True),
        ],
    )
