"""Iterative Nash policy optimisation: its step, its losses, and the last-iterate bound from one step's inequality."""

from collections.abc import Iterator

from proofs_check.deriving import collected, expanded, factored, summed
from proofs_check.lemmas import games
from proofs_check.lemmas.distributions import gibbs
from proofs_check.writing import Draft, identity, induction, inequality, minimum, nonnegative, positive, term

INVERSE = {"eta": "inverse step", "tau": "KL weight"}


def drafts() -> Iterator[Draft]:
    yield from steps()
    yield from losses()
    yield last_iterate_step()
    yield reference_is_near()
    yield last_iterate()


def steps() -> Iterator[Draft]:
    yield Draft(
        "step",
        ["inpo/mirror-descent-step"],
        "⟨∇ℓ(π_t), π⟩ + η KL(π‖π_t) = η KL(π‖π₊) + a constant, with log π₊ = (τ/η)log π_ref + (1−τ/η)log π_t + "
        "Pπ_t/η − c, so π₊ is the minimiser (Gibbs); its h is the difference of the win rates over η.",
        assumes="full support; τ ≤ η",
        symbols=INVERSE
        | {
            "c": "log-normaliser",
            "y": "(Pπ_t)_y",
            "z": "(Pπ_t)_y'",
            "ly": "log π_t(y)",
            "lz": "log π_t(y')",
            "ry": "log π_ref(y)",
            "rz": "log π_ref(y')",
        },
        indexed={"o": "any policy", "n": "π₊", "lp": "log π_t", "r0": "log π_ref"},
        definitions={
            "q": "eta*(log(n) + c) - tau*r0 - (eta - tau)*lp",
            "gradient": "-q + tau*(lp - r0 + 1)",
            "objective": "sum(o*gradient) + eta*sum(o*(log(o) - lp))",
            "ny": "(tau*ry + (eta - tau)*ly + y)/eta - c",
            "nz": "(tau*rz + (eta - tau)*lz + z)/eta - c",
        },
        sums={"sum(o)": "1", "sum(n)": "1"},
        facts=[positive("inverse", "eta"), positive("other", "o"), positive("next", "n")],
        steps=[
            identity("objective", "objective", summed()),
            gibbs("o", "n", "other next"),
            inequality(
                "least",
                "at least the constant",
                "objective - (tau - eta*c)",
                term(times="inverse other gibbs", sum=True),
            ),
            identity("h of the next policy", "ny - nz - tau/eta*(ry - rz) - (eta - tau)/eta*(ly - lz)", factored()),
        ],
    )
    yield Draft(
        "magnetic",
        ["inpo/magnetic-mirror-descent"],
        "[θ + hτθ_ref + hPπ]/(1 + hτ) with the step h = (1/η)/(1−τ/η) is (τ/η)θ_ref + (1−τ/η)θ + Pπ/η.",
        assumes="τ < η",
        symbols=INVERSE,
        indexed={"lp": "θ_t", "r0": "θ_ref", "q": "Pπ_t"},
        definitions={"h": "1/eta/(1 - tau/eta)"},
        steps=[identity("a step", "(lp + h*tau*r0 + h*q)/(1 + h*tau)", "(tau*r0 + (eta - tau)*lp + q)/eta")],
    )
    limit = games.threshold()
    yield Draft(
        "constant-step",
        ["inpo/constant-step-threshold"],
        "Softmax has the slope π(δ − π'δ); on the plane that A(diag π* − π*π*') turns by ω a step with rate 1/η "
        "(here: eta) multiplies the squared length by (1−ητ)² + η²ω² (here: beta for τ), which is below one exactly "
        "for rates below 2τ/(τ² + ω²).",
        assumes="near the equilibrium: the statement is about the linear part of a step",
        **limit,
    )
    yield Draft(
        "log-ratios",
        ["inpo/log-ratios-stay-bounded"],
        "For two actions g = log π(y)/π_ref(y) − log π(y')/π_ref(y') becomes (1−τ/η)g + (difference of win "
        "rates)/η; with |g| ≤ 1/τ and a difference of at most 1 in size, the next one is at most 1/τ in size; it is "
        "0 at the start.",
        assumes="exact steps from the reference; τ ≤ η",
        symbols=INVERSE | {"g": "difference of log-ratios", "w": "difference of win rates"},
        definitions={"after": "(1 - tau/eta)*g + w/eta"},
        facts=[
            positive("inverse", "eta"),
            nonnegative("mild", "eta - tau"),
            nonnegative("above", "1/tau - g"),
            nonnegative("below", "1/tau + g"),
            nonnegative("rate", "1 - w"),
            nonnegative("rate_too", "1 + w"),
        ],
        steps=[
            inequality(
                "upper", "at most 1/τ", "1/tau - after", term(1, "mild above", "inverse"), term(1, "rate", "inverse")
            ),
            inequality(
                "lower",
                "at least −1/τ",
                "1/tau + after",
                term(1, "mild below", "inverse"),
                term(1, "rate_too", "inverse"),
            ),
        ],
    )


def losses() -> Iterator[Draft]:
    square = "2*(sum(p*g**2) - sum(p*g)**2)"
    yield Draft(
        "losses",
        ["inpo/losses-differ-by-a-constant", "inpo/target-is-half-the-slope"],
        "For independent y, y' from π_t, h = g(y) − g(y') and q = Pπ_t: the mean of P(h−c)² + (1−P)(h+c)² is E h² − "
        "4cΣπg(2q−1) + c², as both orders of a pair contribute alike, and E(h − k(q_y − q_y'))² is E h² − "
        "4kΣπg(q−½) + a number without g; for k = 2c they differ by a number without g.",
        assumes="pairs are independent draws from the policy that win rates are taken against",
        symbols={"c": "target", "P": "P(y ≻ y')", "h": "h(y, y')"},
        indexed={"p": "π_t", "g": "log-ratio to be fitted", "q": "Pπ_t"},
        definitions={
            # E over pairs of h² and of h (2P − 1): by symmetry twice the sum over the first response.
            "labelled": f"{square} - 2*c*2*sum(p*g*(2*q - 1)) + c**2",
            "k": "2*c",
            "slope": f"{square} - 2*k*2*(sum(p*g*q) - sum(p*g)*sum(p*q)) + k**2*2*(sum(p*q**2) - sum(p*q)**2)",
        },
        sums={"sum(p*q)": "1/2"},
        steps=[
            identity("a pair", "P*(h - c)**2 + (1 - P)*(h + c)**2", collected("c")),
            identity("the other order of the pair", "(-h)*(2*(1 - P) - 1)", factored()),
            identity("difference", "labelled - slope", "c**2 - (2*c)**2*2*(sum(p*q**2) - 1/4)"),
        ],
    )
    yield Draft(
        "regularised-win-rate",
        ["inpo/regularised-win-rate"],
        "log π* = log π_ref + Aπ*/τ + a constant: J(π*, π) = 1/2 + τ KL(π‖π*), and KL is not negative.",
        assumes="full support",
        symbols={"tau": "KL weight", "c": "constant of normalisation"},
        indexed={"p": "π", "s": "π*", "r0": "log π_ref"},
        definitions={
            "a": "tau*(log(s) - r0) - c",
            "win": "1/2 - sum(p*a)",  # π*'Aπ = −π'Aπ*
            "J": "win - tau*sum(s*(log(s) - r0)) + tau*sum(p*(log(p) - r0))",
        },
        sums={"sum(p)": "1", "sum(s)": "1"},
        facts=[positive("warm", "tau"), positive("policy", "p"), positive("best", "s")],
        steps=[
            identity("in terms of π*'Aπ* = 0", "J + sum(s*a)", summed()),
            gibbs("p", "s", "policy best"),
            inequality("at_least", "at least 1/2", "J + sum(s*a) - 1/2", term(times="warm policy gibbs", sum=True)),
        ],
    )


def last_iterate_step() -> Draft:
    return Draft(
        "last-iterate-step",
        ["inpo/last-iterate-step", "inpo/last-iterate-step-sharper"],
        "log π₊ = log π + g/η − c with g = Pπ − τ log(π/π_ref), minus the gradient up to a constant, and c = log "
        "E_π e^(g/η) ≤ E_π g/η + w²/(8η²) for the range w of g (Hoeffding's lemma): KL(π*‖π₊) ≤ (1−τ/η)KL(π*‖π) − "
        "(τ/η)KL(π‖π*) + w²/(8η²). From the reference win rates and τ log-ratios have ranges of at most 1 "
        "(log-ratios), so w ≤ 2. With log-ratios at most B, w ≤ 1 + 2τB ≤ 3C, which gives the printed 8C²/η².",
        assumes="τ ≤ η; full support; Hoeffding's lemma (proved in hoeffding)",
        symbols=INVERSE
        | {
            "c": "log-normaliser",
            "cs": "constant of π*",
            "w": "range of g",
            "B": "bound of log-ratios",
            "C": "max(τB, 1)",
        },
        indexed={"p": "π_t", "s": "π*", "lp": "log π_t", "r0": "log π_ref", "a": "Aπ_t", "as_": "Aπ*"},
        definitions={
            "g": "a - tau*(lp - r0)",
            "ln": "lp + g/eta - c",
            "ls": "r0 + as_/tau - cs",
            "before": "sum(s*(ls - lp))",
            "after": "sum(s*(ls - ln))",
            "back": "sum(p*(lp - ls))",
        },
        sums={"sum(p)": "1", "sum(s)": "1", "sum(p*a)": "0", "sum(s*as_)": "0", "sum(s*a)": "-sum(p*as_)"},
        facts=[
            positive("inverse", "eta"),
            nonnegative("hoeffding", "sum(p*g)/eta + w**2/(8*eta**2) - c", "Hoeffding's lemma"),
            nonnegative("narrow", "2 - w", case="from the reference"),
            positive("size", "w", "a range"),
            nonnegative("bounded", "1 + 2*tau*B - w", case="log-ratios at most B"),
            nonnegative("C_one", "C - 1", case="log-ratios at most B"),
            nonnegative("C_B", "C - tau*B", case="log-ratios at most B"),
            nonnegative("back", "sum(p*(lp - ls))", "a divergence"),
            nonnegative("warm", "tau"),
        ],
        steps=[
            identity("exact step", "after", "(1 - tau/eta)*before - tau/eta*back + c - sum(p*g)/eta"),
            inequality(
                "step",
                "the bound",
                "(1 - tau/eta)*before - tau/eta*back + w**2/(8*eta**2) - after",
                term(times="hoeffding"),
            ),
            inequality(
                "sixteenth",
                "w ≤ 2",
                "1/(2*eta**2) - w**2/(8*eta**2)",
                term("1/8", "narrow size", "inverse inverse"),
                term("1/4", "narrow", "inverse inverse"),
            ),
            inequality("room", "w ≤ 8C", "8*C - w", term(times="bounded"), term(6, "C_one"), term(2, "C_B"), term(5)),
            inequality(
                "printed",
                "the printed bound",
                "(1 - tau/eta)*before + 8*C**2/eta**2 - after",
                term(times="step"),
                term(1, "warm back", "inverse"),
                term("1/8", "room room", "inverse inverse"),
                term("1/4", "room size", "inverse inverse"),
            ),
        ],
    )


def reference_is_near() -> Draft:
    return Draft(
        "reference-is-near",
        ["inpo/reference-is-near"],
        "π* = π_ref e^u/C with u = Aπ*/τ and π*'u = 0: KL(π*‖π_ref) = −log C. As log C ≥ E_ref u ≥ −1/(2τ) (Gibbs), "
        "it is at most 1/(2τ); as E_π* e^(−u) = 1/C, Hoeffding's lemma bounds it by w²/8, w ≤ 1/τ the range of u.",
        assumes="full support; Hoeffding's lemma (proved in hoeffding)",
        symbols={"tau": "KL weight", "C": "normaliser", "w": "range of u"},
        indexed={"r": "π_ref", "u": "Aπ*/τ"},
        definitions={"s": "r*exp(u)/C", "divergence": "sum(s*(u - log(C)))"},
        sums={"sum(r)": "1", "sum(r*exp(u))": "C", "sum(r*u*exp(u))": "0"},
        logarithms={"log(1/C)": "-log(C)"},
        facts=[
            positive("warm", "tau"),
            positive("normaliser", "C"),
            positive("reference", "r"),
            positive("weight", "exp(u)"),
            nonnegative("entry", "u + 1/(2*tau)", "entries of A are at least −1/2"),
            nonnegative("hoeffding", "w**2/8 - log(1/C)", "Hoeffding's lemma for −u under π*, whose mean is 0"),
            nonnegative("range", "1/tau - w"),
            nonnegative("size", "w"),
        ],
        steps=[
            identity("divergence", "divergence", expanded()),
            identity("mean of e^(−u) under π*", "sum(s*exp(-u))", factored()),
            minimum(
                "gibbs",
                "log v ≤ v − 1 at v = e^u/C",
                "exp(u)/C - 1 - u + log(C)",
                "C",
                "exp(u)",
                term(over="normaliser normaliser"),
            ),
            inequality(
                "first",
                "at most 1/(2τ)",
                "1/(2*tau) + log(C)",
                term(1, "reference gibbs", sum=True),
                term(1, "reference entry", sum=True),
            ),
            inequality(
                "second",
                "at most 1/(8τ²)",
                "1/(8*tau**2) + log(C)",
                term(times="hoeffding"),
                term("1/8", "range size"),
                term("1/8", "range", "warm"),
            ),
        ],
    )


def last_iterate() -> Draft:
    return Draft(
        "last-iterate",
        ["inpo/last-iterate-bound", "inpo/last-iterate-bound-sharper"],
        "With η_t = τ(t+2)/2 the step inequality is K₊ ≤ (1 − 2/(t+2))K + 2/(τ²(t+2)²); by induction K_t ≤ "
        "2/(τ²(t+1)), from K ≤ 1/(8τ²) at t = 1; this is at most 32/(τ²(t+1)). Here n = t − 1 counts from 0.",
        assumes="from the reference, so that C = 1; one step (last-iterate-step) and the start (reference-is-near), "
        "proved there",
        symbols={"tau": "KL weight", "n": "t − 1", "K": "KL(π*‖π_t)", "K1": "KL(π*‖π_{t+1})", "K0": "KL(π*‖π_1)"},
        definitions={"eta": "tau*(n + 3)/2"},
        facts=[
            positive("plus_one", "n + 1"),
            positive("plus_two", "n + 2"),
            positive("plus_three", "n + 3"),
            positive("warm", "tau"),
            nonnegative("step", "(1 - tau/eta)*K + 1/(2*eta**2) - K1", "last-iterate-step"),
            nonnegative("near", "1/(8*tau**2) - K0", "reference-is-near"),
        ],
        steps=[
            inequality("share", "what is kept", "(n + 1)/(n + 3)", term(times="plus_one", over="plus_three")),
            inequality(
                "begins",
                "at t = 1",
                "2/(tau**2*2) - K0",
                term(times="near"),
                term("7/8", "", "warm warm"),
            ),
            induction(
                "bound",
                "K_t ≤ 2/(τ²(t+1))",
                "2/(tau**2*(n + 2)) - K",
                "n",
                {"K": "K0"},
                {"K": "K1"},
                term(times="step"),
                term(2, "", "warm warm plus_two plus_three plus_three"),
                begins=["begins"],
                keeps=["share"],
            ),
            inequality(
                "printed",
                "the printed bound",
                "32/(tau**2*(n + 2)) - K",
                term(times="bound"),
                term(30, "", "warm warm plus_two"),
            ),
            inequality("legal", "τ ≤ η", "eta - tau", term("1/2", "warm plus_one")),
        ],
    )
