"""Load balancing without an auxiliary loss: assignment, Lagrangian, preference rule, and the band of loads."""

from collections.abc import Iterator

from proofs_check.deriving import expanded, factored, reduced
from proofs_check.writing import Draft, identity, inequality, nonnegative, positive, term

RULE = [
    nonnegative("before", "(g + p) - (h + q)", "the token chose k at the old biases"),
    positive("after", "(h + q + dq) - (g + p + dp)", "and k' at the new ones, without a tie"),
]
SCORES = {
    "g": "score of k",
    "h": "score of k'",
    "p": "bias of k",
    "q": "bias of k'",
    "dp": "its change",
    "dq": "its change",
}


def drafts() -> Iterator[Draft]:
    yield from assignment()
    yield from lagrangian()
    yield from preferences()
    yield from band()
    yield from curvature()


def assignment() -> Iterator[Draft]:
    yield Draft(
        "integrality",
        ["alf-lb/lp-is-integral"],
        "The column of x_ik has a one in the row of token i and in the row of expert k. Take any set of rows, count "
        "its token rows plus and its expert rows minus: each column sums to a − b with a, b in {0, 1}, that is to "
        "−1, 0 or 1. So the matrix is totally unimodular for every T, E and K (Ghouila-Houri), and the vertices "
        "with whole K and L are whole (Hoffman–Kruskal).",
        assumes="the theorems of Ghouila-Houri (1962) and of Hoffman and Kruskal (1956)",
        symbols={"a": "1 when the token's row is in the set", "b": "1 when the expert's row is in the set"},
        steps=[
            identity(
                "the sum of a column is −1, 0 or 1, as a² = a and b² = b",
                "(a - b)*(a - b - 1)*(a - b + 1)",
                reduced("a*(a - 1)", "b*(b - 1)"),
            )
        ],
    )
    yield Draft(
        "balanced-is-optimal",
        ["alf-lb/balanced-is-optimal"],
        "Token by token, top-K routing x at the biases p has Σx(γ+p) ≥ Σz(γ+p) for every other choice z of K "
        "experts; if x and z both have the loads L, the biases cancel in the sum over tokens: Σγx ≥ Σγz.",
        symbols={"L": "load", "gain": "Σ over tokens of Σ(x − z)(γ + p), each not negative"},
        indexed={
            "p": "biases, by expert",
            "A": "loads of x",
            "B": "loads of z",
            "u": "Σ over tokens of γx",
            "v": "Σ over tokens of γz",
        },
        definitions={"total": "sum(u + p*A) - sum(v + p*B)"},
        sums={"sum(p*A)": "L*sum(p)", "sum(p*B)": "L*sum(p)"},
        facts=[
            nonnegative("top", "sum(u + p*A) - sum(v + p*B) - gain", "the sum over tokens"),
            nonnegative("better", "gain"),
        ],
        steps=[
            inequality("optimal", "the balanced routing", "sum(u) - sum(v)", term(times="top"), term(times="better")),
            identity("with biases", "total", expanded()),
        ],
    )
    yield Draft(
        "weak-duality",
        ["alf-lb/strong-duality"],
        "D(p) is the largest value of Σγx + Σp(A(x) − L) over routings; at a balanced assignment z it is at least Σγz.",
        part="D(p) is never below the value of the linear program; that some p attains it is the duality theorem of "
        "linear programming",
        symbols={"L": "load", "D": "D(p)"},
        indexed={"p": "biases", "B": "loads of z", "v": "Σ over tokens of γz"},
        sums={"sum(p*B)": "L*sum(p)"},
        facts=[nonnegative("largest", "D - sum(v + p*(B - L))", "z is one of the routings")],
        steps=[inequality("weak", "at least", "D - sum(v)", term(times="largest"))],
    )
    yield Draft(
        "recentring",
        ["alf-lb/recentring-is-free", "alf-lb/sum-of-biases"],
        "A common shift m of the biases leaves differences γ+p as they are, hence the routing, and Σp(A − L), as "
        "loads sum to KT = EL; and the updates ε(L − A) of the proportional rule sum to 0.",
        assumes="one step size for all experts, for the sum of biases",
        symbols={
            "m": "shift",
            "L": "load",
            "E": "number of experts",
            "e": "step size",
            "x": "γ + p of one expert",
            "y": "of another",
        },
        indexed={"p": "biases", "A": "loads"},
        sums={"sum(1)": "E", "sum(A)": "E*L"},
        steps=[
            identity("differences", "(x - m) - (y - m)", expanded()),
            identity("Lagrangian", "sum((p - m)*(A - L)) - sum(p*(A - L))", factored()),
            identity("sum of biases", "sum(p + e*(L - A))", expanded()),
        ],
    )


def lagrangian() -> Iterator[Draft]:
    indexed = {
        "p": "biases",
        "e": "step sizes",
        "A": "loads before",
        "A1": "loads after",
        "u": "Σ over tokens of γx, before",
        "u1": "Σ over tokens of γx, after",
    }
    definitions = {
        "q": "p + e*(L - A)",
        "before": "sum(u + p*(A - L))",
        "after": "sum(u1 + q*(A1 - L))",
        "benefit": "sum(u1 + q*A1) - sum(u + q*A)",
    }
    change = identity("change", "after - before", "benefit - sum(e*(A - L)**2)")
    yield Draft(
        "lagrangian-change",
        ["alf-lb/lagrangian-change"],
        "D(p₊) − D(p) = −Σε(A−L)² + ΣB_i, where ΣB_i = Σ over tokens and experts of (x₊ − x)(γ + p₊), a token's "
        "share of which is not negative because x₊ is its best choice at p₊.",
        assumes="fixed scores",
        symbols={"L": "load", "best": "Σ x₊(γ + p₊) of a token", "old": "Σ x(γ + p₊) of it"},
        indexed=indexed,
        definitions=definitions,
        facts=[nonnegative("chosen", "best - old", "top-K at p₊")],
        steps=[change, inequality("token", "benefit of a token", "best - old", term(times="chosen"))],
    )
    yield Draft(
        "conditional-improvement",
        ["alf-lb/conditional-improvement"],
        "As x was the best choice at p, ΣB_i ≤ Σ(A₊ − A)(p₊ − p); so D(p₊) − D(p) ≤ −Σε(A−L)(A₊−L).",
        assumes="fixed scores; any step sizes",
        symbols={"L": "load"},
        indexed=indexed,
        definitions=definitions,
        facts=[nonnegative("chosen", "sum(u + p*A) - sum(u1 + p*A1)", "top-K at p, summed over tokens")],
        steps=[
            change,
            inequality("bound", "improvement", "-sum(e*(A - L)*(A1 - L)) - (after - before)", term(times="chosen")),
        ],
    )
    yield Draft(
        "few-switches",
        ["alf-lb/few-switches-improve"],
        "Under the sign rule a token slot that switches from k to k' gains at most 2u, so ΣB_i ≤ 2uS for S switched "
        "slots, and ε|A−L| = u: D changes by at most 2uS − uΣ|A−L| ≤ 0 for S ≤ ½Σ|A−L|.",
        assumes="fixed scores, sign rule",
        symbols={"u": "rate", "S": "switched slots", "V": "Σ|A − L|", "B": "Σ_i B_i"} | SCORES,
        facts=[
            positive("rate", "u"),
            nonnegative("gains", "2*u*S - B", "the sum over slots"),
            nonnegative("few", "V/2 - S"),
            nonnegative("before", "(g + p) - (h + q)", "the old choice"),
            nonnegative("rise", "u - dq"),
            nonnegative("fall", "u + dp"),
        ],
        steps=[
            inequality(
                "slot",
                "gain of a slot",
                "2*u - ((h + q + dq) - (g + p + dp))",
                term(times="before"),
                term(times="rise"),
                term(times="fall"),
            ),
            inequality("no_increase", "the Lagrangian", "u*V - B", term(times="gains"), term(2, "rate few")),
        ],
    )


def preferences() -> Iterator[Draft]:
    yield Draft(
        "preference-rule",
        ["alf-lb/preference-rule"],
        "If a token leaves k for k', its two choices add to Δp_k' − Δp_k > 0, for each dropped and picked pair.",
        assumes="scores that do not change, biases that are added, no ties",
        symbols=SCORES,
        facts=RULE,
        steps=[inequality("rule", "biases", "dq - dp", term(times="before"), term(times="after"), strict=True)],
    )
    yield Draft(
        "towards-lower-loads",
        ["alf-lb/towards-lower-loads"],
        "With Δp = ε(L − A) the preference rule says A_k > A_k'.",
        assumes="fixed scores, one step size",
        symbols={name: x for name, x in SCORES.items() if name not in ("dp", "dq")}
        | {"e": "step size", "L": "load", "A": "load of k", "A1": "load of k'"},
        definitions={"dp": "e*(L - A)", "dq": "e*(L - A1)"},
        facts=[positive("size", "e"), *RULE],
        steps=[
            inequality("lower", "loads", "A - A1", term(1, "before", "size"), term(1, "after", "size"), strict=True)
        ],
    )
    yield Draft(
        "between-overloaded",
        ["alf-lb/overloaded-to-underloaded"],
        "Three experts, top-1, loads 5, 4, 0 with L = 3 and ε = 1/10: a token with scores 11/20, 1/2, 0 and no "
        "biases moves from the first expert to the second, and both are overloaded.",
        verdict="fails",
        definitions={"L": "3", "e": "1/10", "A": "5", "A1": "4", "g": "11/20", "h": "1/2"},
        steps=[
            inequality("chosen", "before", "g - h", term("1/20"), strict=True),
            inequality("moves", "after", "(h + e*(L - A1)) - (g + e*(L - A))", term("1/20"), strict=True),
            inequality(
                "not_to_the_third", "nor to the third", "(h + e*(L - A1)) - e*(L - 0)", term("1/10"), strict=True
            ),
            inequality("overloaded", "the new expert", "A1 - L", term(1), strict=True),
            identity("loads add up", "A + A1 + 0", "3*L"),
        ],
    )


def band() -> Iterator[Draft]:
    yield Draft(
        "absorbing-band",
        ["alf-lb/one-crossing-a-pair", "alf-lb/absorbing-band"],
        "A token crosses between k and j only where γ_ik − γ_ij lies between the old and the new value of p_j − "
        "p_k, an interval of length at most 2u, below the least gap: two tokens cannot. So a load changes by at "
        "most E − 1; an overloaded expert gains none (its bias falls by u, the most), an underloaded one loses none "
        "(preference rule): the band is kept in all three cases.",
        assumes="sign rule, fixed generic scores, u below half the least gap; preference-rule",
        symbols={
            "u": "rate",
            "gap": "least gap",
            "a": "γ_ik − γ_ij of one crossing token",
            "b": "of another",
            "low": "lower end",
            "high": "upper end",
            "A": "load",
            "A1": "load after",
            "L": "balanced load",
            "width": "E − 1",
        },
        facts=[
            positive("short", "gap - 2*u", case="two tokens cross"),
            nonnegative("interval", "2*u - (high - low)", case="two tokens cross"),
            nonnegative("a_low", "high - a", case="two tokens cross"),
            nonnegative("b_high", "b - low", case="two tokens cross"),
            nonnegative("loses", "A1 - A + width", "at most one token to each other expert"),
            nonnegative("gains", "A + width - A1", "at most one token from each"),
            nonnegative("over", "A - L", case="not underloaded"),
            nonnegative("no_gain", "A - A1", "overloaded", case="overloaded"),
            nonnegative("in_band_over", "L + width - A", case="overloaded"),
            nonnegative("under", "L - A", case="not overloaded"),
            nonnegative("no_loss", "A1 - A", "underloaded", case="underloaded"),
            nonnegative("in_band_under", "A - L + width", case="underloaded"),
        ],
        steps=[
            inequality(
                "no_two",
                "two crossing tokens are nearer than the least gap",
                "gap - (a - b)",
                term(times="short"),
                term(times="interval"),
                term(times="a_low"),
                term(times="b_high"),
                strict=True,
            ),
            inequality(
                "lower",
                "overloaded or balanced: not below the band",
                "A1 - L + width",
                term(times="loses"),
                term(times="over"),
            ),
            inequality(
                "upper",
                "underloaded or balanced: not above it",
                "L + width - A1",
                term(times="gains"),
                term(times="under"),
            ),
            inequality(
                "upper_over",
                "overloaded: not above it",
                "L + width - A1",
                term(times="no_gain"),
                term(times="in_band_over"),
            ),
            inequality(
                "lower_under",
                "underloaded: not below it",
                "A1 - L + width",
                term(times="no_loss"),
                term(times="in_band_under"),
            ),
        ],
    )
    yield Draft(
        "entry-time",
        ["alf-lb/entry-time"],
        "While k is overloaded its bias falls by u a step, and that of j rises against it by 2u when j is "
        "underloaded and never falls. Where p_j − p_k > R every token that chooses k chooses j, so j is overloaded "
        "too and the difference stays; so it never passes R + 2u, and j was underloaded at most (R + 2u)/2u times. "
        "In each step some j is underloaded: N ≤ (E−1)(R+2u)/2u.",
        part="the arithmetic of the count; how the difference moves is argued in words",
        assumes="sign rule from p = 0, fixed generic scores; k overloaded for N steps (an underloaded one: change "
        "the signs)",
        symbols={
            "u": "rate",
            "R": "range",
            "ahead": "p_j − p_k",
            "c": "times that j was underloaded",
            "N": "steps",
            "E": "experts",
            "all": "Σ over the other experts of these times",
        },
        facts=[
            positive("rate", "u"),
            nonnegative("near", "R - ahead", "before an underloaded step of j"),
            nonnegative("counted", "R + 2*u - 2*u*c", "p_j − p_k ≥ 2uc, and it is at most R + 2u"),
            nonnegative("each", "(E - 1)*(R + 2*u)/(2*u) - all", "the sum over the E − 1 other experts"),
            nonnegative("some", "all - N"),
        ],
        steps=[
            inequality("rise", "the difference after that step", "R + 2*u - (ahead + 2*u)", term(times="near")),
            inequality("times", "for one expert", "(R + 2*u)/(2*u) - c", term("1/2", "counted", "rate")),
            inequality("steps", "for all", "(E - 1)*(R + 2*u)/(2*u) - N", term(times="each"), term(times="some")),
        ],
    )


def curvature() -> Iterator[Draft]:
    yield Draft(
        "curvature-at-balance",
        ["alf-lb/curvature-at-balance"],
        "I(K) = C(E−2, K−1)∫(1−t)^(K−1) t^(E−1−K) dt: with y = (1−t)^K t^(E−1−K), which is 0 at both ends, y' = "
        "y((E−1−K)/t − K/(1−t)) gives K∫y/(1−t) = (E−1−K)∫y/t, and C(E−2, K) = C(E−2, K−1)(E−1−K)/K, so I(K+1) = "
        "I(K), and I(1) = ∫t^(E−2) = 1/(E−1). On vectors that sum to 0 the Laplacian with weights T/(E−1) is "
        "TE/(E−1) times the identity.",
        assumes="independent uniform scores of one width, at balance; 1 ≤ K < E; the integral form of the Hessian "
        "(hessian-is-a-laplacian)",
        symbols={"E": "experts", "K": "chosen", "T": "tokens", "t": "threshold", "J": "∫ y/(1−t)", "C": "C(E−2, K−1)"},
        indexed={"v": "a direction"},
        definitions={
            "y": "exp(K*log(1 - t) + (E - 1 - K)*log(t))",
            "other": "K*J/(E - 1 - K)",  # ∫ y/t
            "following": "C*(E - 1 - K)/K",
            "weight": "T/(E - 1)",
        },
        sums={"sum(1)": "E", "sum(v)": "0"},
        steps=[
            identity("derivative", "d(y, t)", "y*((E - 1 - K)/t - K/(1 - t))"),
            identity("I(K+1) = I(K)", "following*other", factored()),
            identity("I(1)", "d(exp((E - 1)*log(t))/(E - 1), t)", "exp((E - 1)*log(t))/t"),
            identity("rows sum to 0", "(E - 1)*weight - sum(weight) + weight", factored()),
            identity("on vectors that sum to 0", "sum(v*((E - 1)*weight*v - weight*(sum(v) - v)))", factored()),
        ],
    )
    yield Draft(
        "proportional-stability",
        ["alf-lb/proportional-stability"],
        "Along an eigenvector with the eigenvalue λ a proportional step multiplies by 1 − uλ; 1 − (1−uλ)² = uλ(2 − "
        "uλ).",
        assumes="the linear part of the expected step at balance",
        symbols={"u": "rate", "lam": "λ", "v": "distance along the eigenvector"},
        steps=[
            identity("a step", "v - u*(lam*v)", factored()),
            identity("what is left of one", "1 - (1 - u*lam)**2", factored()),
        ],
    )
