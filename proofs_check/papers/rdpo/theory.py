"""Robust DPO: where its losses fall without end, the constants of its rates, and the policies that it ends at."""

from collections.abc import Iterator

from proofs_check.deriving import factored, reduced, summed
from proofs_check.lemmas.distributions import gibbs
from proofs_check.papers.rdpo import words
from proofs_check.writing import (
    Draft,
    identity,
    inequality,
    interval,
    monotone,
    nonnegative,
    positive,
    term,
)


def drafts() -> Iterator[Draft]:
    yield from unbounded()
    yield from estimation()
    yield from policies()


def unbounded() -> Iterator[Draft]:
    below = monotone("half", "ℓ(h) ≤ log 2 for h ≥ 0", "log(2) - loss", "h", "0", term(over="one_more"))
    forward = nonnegative("forward", "h", "margins from 0 on")
    yield Draft(
        "unbounded-below",
        ["rdpo/unbounded-below"],
        "For h ≥ 0 the robust loss is at most log 2 − ch.",
        assumes="ε < 1/2",
        symbols=words.MARGIN | words.RATE,
        definitions={k: words.LOGISTIC[k] for k in ("E", "loss", "other")} | words.ROBUST,
        facts=[words.MORE_THAN_ONE, forward],
        logarithms=words.SWAP,
        steps=[
            below,
            inequality("line", "below a falling line", "log(2) - e/(1 - 2*e)*h - robust", term(times="half")),
        ],
    )
    yield Draft(
        "overestimated-unbounded",
        ["rdpo/overestimated-rate-unbounded"],
        "With an assumed rate a and a share q of labels pointing forwards the loss is at most log 2 + "
        "h(1−q−a)/(1−2a) for h ≥ 0, a falling line when q > 1 − a.",
        assumes="a < 1/2; infinitely many labels",
        symbols=words.MARGIN | {"a": "assumed flip rate", "q": "share of labels pointing forwards"},
        definitions={k: words.LOGISTIC[k] for k in ("E", "loss", "other")} | words.ASSUMED,
        facts=[words.MORE_THAN_ONE, forward, positive("legal", "1 - 2*a"), positive("nearly_sure", "q - 1 + a")],
        logarithms=words.SWAP,
        steps=[
            below,
            inequality(
                "line",
                "below a line",
                f"log(2) + h*(1 - q - a)/(1 - 2*a) - ({words.POPULATION.format('robust')})",
                term(times="half"),
            ),
            inequality(
                "falls", "which falls", "-(1 - q - a)/(1 - 2*a)", term(times="nearly_sure", over="legal"), strict=True
            ),
        ],
    )
    yield Draft(
        "hinge-falls",
        ["rdpo/hinge-and-probit-fall"],
        "The corrected hinge is at most 1 − ch for h ≥ 0, on [0, 1] and beyond; for the probit loss, Φ(−h) < "
        "exp(−h²/2), that is ℓ(−h) > h²/2, by ball arithmetic on [0, 8], and ℓ(h) ≤ log 2.",
        part="the hinge for all h ≥ 0; the probit bound for 0 ≤ h ≤ 8 only",
        assumes="0 < ε < 1/2",
        symbols={"h": "margin"} | words.RATE,
        facts=[
            words.SOME_FLIPS,
            words.BELOW_HALF,
            forward,
            nonnegative("near", "8 - h", case="h ≤ 8"),
            positive("kept", "1 - e"),
            positive("cdf", "normal_cdf(h)", "a probability"),
            positive("density", "normal_pdf(h)", "a density"),
        ],
        definitions={"c": "e/(1 - 2*e)"},
        steps=[
            inequality(
                "first",
                "on [0, 1]",
                "1 - c*h - ((1 - e)*(1 - h) - e*(1 + h))/(1 - 2*e)",
                term(times="forward kept", over="below_half"),
            ),
            inequality(
                "second",
                "beyond 1",
                "1 - c*h + e*(1 + h)/(1 - 2*e)",
                term(),
                term(times="some_flips", over="below_half"),
            ),
            interval("chernoff", "Φ(−h) < exp(−h²/2)", "exp(-h**2/2) - normal_cdf(-h)", {"h": ("0", "8")}),
            inequality(
                "parabola",
                "Φ(−h) exp(h²/2) < 1: the probit loss grows like a parabola",
                "1 - exp(h**2/2)*normal_cdf(-h)",
                term("exp(h**2/2)", "chernoff"),
                strict=True,
            ),
            monotone(
                "median",
                "Φ(h) ≥ Φ(0) = 1/2 for h ≥ 0",
                "log(normal_cdf(h)) - log(normal_cdf(0))",
                "h",
                "0",
                term(times="density", over="cdf"),
            ),
        ],
    )


def estimation() -> Iterator[Draft]:
    yield Draft(
        "curvature-constants",
        ["rdpo/estimation-error-bound"],
        "The loss is 1/4-smooth in h and γ-strongly convex for |h| ≤ b, with γ = σ(b)σ(−b) = 1/(2 + e^b + e^(−b)); "
        "the score of a pair takes two values whose distance is 1/(1−2ε).",
        part="the constants γ, 1/4 and 1/(1−2ε) of the bound; not the tail bound for quadratic forms",
        assumes="|h| ≤ b, that is σ(−b) ≤ σ(h) ≤ σ(b); ε < 1/2",
        symbols=words.MARGIN | words.RATE | {"b": "largest margin"},
        definitions=words.LOGISTIC | words.ROBUST | {"B": "exp(b)", "t": "B/(1 + B)"},
        facts=[nonnegative("at_most", "t - s", "h ≤ b"), nonnegative("at_least", "s - (1 - t)", "h ≥ −b")],
        steps=[
            identity("curvature", "d(d(robust, h), h)", factored(s="E")),
            inequality("smooth", "at most 1/4", "1/4 - s*(1 - s)", term(square="s - 1/2")),
            inequality("strong", "at least γ", "s*(1 - s) - t*(1 - t)", term(times="at_most at_least")),
            identity("γ", "t*(1 - t)", "1/(2 + B + 1/B)"),
            identity("width of the score", "-d(robust, h) + d(at(robust, h=-h), h)", factored()),
        ],
    )
    yield Draft(
        "likelihood-efficiency",
        ["rdpo/likelihood-efficiency"],
        "For all directions u, v and every pair with x·u = α, x·v = ω: the summands of u'Iu + 2u'Hv + v'Mv (over "
        "β²) add to a square; so the block matrix (I, H; H, M) is positive semidefinite, and by its Schur "
        "complement I ≥ H M⁻¹ H, that is H⁻¹ M H⁻¹ ≥ I⁻¹.",
        assumes="log-linear policies; the flip rate is known and below 1/2; invertible I, H, M",
        symbols=words.RATE | {"w": "σ(h)σ(−h)", "v": "p̃(1 − p̃)", "alpha": "x·u", "omega": "x·v"},
        facts=[positive("spread", "v", "a variance of a label")],
        steps=[
            inequality(
                "square",
                "block matrix",
                "((1 - 2*e)*w)**2/v*alpha**2 + 2*w*alpha*omega + v/(1 - 2*e)**2*omega**2",
                term(over="spread", square="(1 - 2*e)*w*alpha + v/(1 - 2*e)*omega"),
            ),
        ],
    )
    yield Draft(
        "flip-factor",
        ["rdpo/flip-factor-lower-bound"],
        "p̃(1−p̃) − p(1−p) = ε(1−ε)(1−2p)² ≥ 0, so M ≥ H/(1−2ε)² and H⁻¹MH⁻¹ ≥ H⁻¹/(1−2ε)², the clean covariance "
        "times the square of 1/(1−2ε).",
        assumes="log-linear policies; large samples; the sandwich form of the covariance",
        symbols=words.SHARE,
        definitions=words.OBSERVED,
        facts=[words.SOME_FLIPS, positive("kept", "1 - e")],
        steps=[
            inequality(
                "more",
                "flipped labels vary more",
                "q*(1 - q) - p*(1 - p)",
                term(times="some_flips kept", square="1 - 2*p"),
            )
        ],
    )
    yield Draft(
        "flip-factor-larger",
        ["rdpo/flip-factor-exact"],
        "One repeated pair with p = 9/10 and ε = 1/5: the variance grows by 1924/900 times 1/(1−2ε)², not by "
        "1/(1−2ε)².",
        verdict="fails",
        assumes="log-linear policies; large samples; the sandwich form of the covariance",
        definitions={"e": "1/5", "p": "9/10"} | words.OBSERVED,
        steps=[
            identity("ratio", "q*(1 - q)/(p*(1 - p))", factored()),
            inequality("larger", "above one", "q*(1 - q)/(p*(1 - p)) - 1", term("256/225"), strict=True),
        ],
    )


def policies() -> Iterator[Draft]:
    yield Draft(
        "regularised-gap",
        ["rdpo/regularised-gap-is-divergence"],
        "With r = β log(π*/π₀) + c, J(π*) − J(π) = β KL(π‖π*), context by context; and KL is not negative.",
        assumes="finitely many answers, full support",
        symbols={"beta": "temperature", "c": "constant of the context"},
        indexed={"p": "π", "b": "π* (best)", "r0": "log π₀"},
        definitions={
            "lp": "log(p)",
            "lb": "log(b)",
            "reward": "beta*(lb - r0) + c",
            "gap": "sum(b*reward - beta*b*(lb - r0)) - sum(p*reward - beta*p*(lp - r0))",
        },
        sums={"sum(p)": "1", "sum(b)": "1"},
        facts=[
            positive("policy", "p", "full support"),
            positive("best", "b", "full support"),
            positive("warm", "beta"),
        ],
        steps=[
            identity("gap", "gap", summed()),
            gibbs("p", "b", "policy best"),
            inequality(
                "divergence", "not negative", "beta*sum(p*(lp - lb))", term(times="warm policy gibbs", sum=True)
            ),
        ],
    )
    yield Draft(
        "raw-gap-negative",
        ["rdpo/raw-gap-nonnegative"],
        "Two answers, uniform reference, rewards β log 2 and 0: π* = (2/3, 1/3), and π = (3/4, 1/4) has the larger "
        "reward.",
        verdict="fails",
        symbols={"beta": "temperature"},
        definitions={"r": "beta*log(2)"},
        facts=[positive("warm", "beta"), positive("log_two", "log(2)", "2 > 1")],
        steps=[
            identity("π* is proportional to e^(r/β)", "2/(2 + 1)", factored()),
            inequality("gap", "the gap is negative", "(3/4 - 2/3)*r", term("1/12", "warm log_two"), strict=True),
        ],
    )
    yield Draft(
        "votes",
        ["rdpo/votes-identify-flip-rate"],
        "Two votes differ with probability D = 2ε(1−ε) whichever label is the clean one, and 1 − 2D = (1−2ε)².",
        assumes="the clean label of a pair is the same for all its votes; flips independent between votes, one rate "
        "below 1/2",
        symbols=words.RATE | {"first": "1 when the first answer is the clean winner, else 0"},
        definitions={"forward": "first*(1 - e) + (1 - first)*e", "D": "2*forward*(1 - forward)"},
        steps=[
            identity("disagreement", "D", reduced("first*(first - 1)")),
            identity("inverted", "1 - 2*(2*e*(1 - e))", factored()),
        ],
    )
    yield Draft(
        "votes-ambiguous",
        ["rdpo/votes-identify-without-fixed-label"],
        "p = 9/10 with ε = 1/5 and p = 37/50 without flips give independent votes with the same win rate.",
        verdict="fails",
        definitions={"one": "(1 - 2*1/5)*9/10 + 1/5", "two": "37/50"},
        steps=[identity("same votes", "one", "two")],
    )
