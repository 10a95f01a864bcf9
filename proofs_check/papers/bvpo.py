"""Gradient mixing: the mean squared error of a mixture, its best weight, and SGD with a biased gradient.

Gradients are vectors of any dimension: a bias is a vector, and a centred gradient is a vector of the space of random
vectors with finite second moments, in which the inner product is E⟨·,·⟩ and constants are orthogonal to centred ones.
For covariance matrices, read "in every direction".
"""

from collections.abc import Iterator

from proofs_check.deriving import expanded, factored, minimiser
from proofs_check.writing import Draft, identity, induction, inequality, nonnegative, positive, term

BIASES = {"bt": "bias of the trace gradient", "be": "bias of the empty-trace gradient"}
NOISES = {"xt": "centred trace gradient", "xe": "centred empty-trace gradient"}
MOMENTS = {"St": "xt*xt", "Se": "xe*xe", "Ste": "xt*xe"}
WEIGHT = {"a": "weight of the trace gradient"}
PARABOLA = {
    "N": "numerator of the best weight",
    "D": "its denominator, E‖g_t − g_e‖²",
    "c": "error of the empty-trace gradient",
}
ERROR = {"error": "D*a**2 - 2*N*a + c"}
BEST = minimiser(ERROR["error"], "a")  # N/D
DIFFER = positive("differ", "D", "the estimators differ")


def drafts() -> Iterator[Draft]:
    yield from mixtures()
    yield from weights()
    yield from counterexamples()
    yield from descent()
    yield from averaging()


def mixtures() -> Iterator[Draft]:
    yield Draft(
        "mixture-error",
        ["bvpo/error-is-a-parabola"],
        "The mean squared error of the mixture, for biases and covariances of any dimension; it is D α² − 2N α + "
        "MSE(g_e), with D = E‖g_t − g_e‖².",
        assumes="finite second moments",
        symbols=WEIGHT,
        vectors=BIASES | NOISES,
        orthogonal=[list(BIASES), list(NOISES)],
        definitions=MOMENTS
        | {
            "error": "(a*(bt + xt) + (1 - a)*(be + xe))**2",
            "N": "be*(be - bt) + Se - Ste",
            "D": "(bt - be)**2 + St + Se - 2*Ste",
        },
        steps=[
            identity(
                "bias and variance", "error", "(a*bt + (1 - a)*be)**2 + a**2*St + (1 - a)**2*Se + 2*a*(1 - a)*Ste"
            ),
            identity("parabola", "error", "D*a**2 - 2*N*a + be**2 + Se"),
            identity("denominator", "D", "(bt + xt - be - xe)**2"),
            identity("numerator", "N", "(be + xe)*(be + xe - bt - xt)"),
        ],
    )
    yield Draft(
        "mixture-variance",
        ["bvpo/conditional-variance", "bvpo/total-variance"],
        "In every direction the variance of the mixture is α²S_t + (1−α)²S_e + 2α(1−α)S_te; with the pair fixed, "
        "S_e = 0, it is α² times that of the trace gradient.",
        assumes="finite second moments",
        symbols=WEIGHT,
        vectors=NOISES,
        definitions=MOMENTS | {"mixture": "a*xt + (1 - a)*xe"},
        steps=[
            identity("variance", "mixture*mixture", "a**2*St + (1 - a)**2*Se + 2*a*(1 - a)*Ste"),
            identity("pair fixed", "at(mixture, xe=0*xe)*at(mixture, xe=0*xe)", "a**2*St"),
        ],
    )
    yield Draft(
        "variance-of-traces",
        ["bvpo/total-variance-of-traces"],
        "A centred gradient is the centred mean of its pair plus what the traces add, and the two are orthogonal.",
        assumes="finite second moments",
        vectors={"within": "gradient minus the mean of its pair", "between": "mean of the pair minus the mean of all"},
        orthogonal=[["within"], ["between"]],
        steps=[identity("law of total variance", "(within + between)**2", expanded())],
    )
    yield Draft(
        "plug-in-parts",
        ["bvpo/plug-in-parts-unbiased"],
        "For two traces: E‖ḡ − g_e‖² = ‖b‖² + S/2, and half the squared difference has the mean S; so the parts are "
        "unbiased.",
        part="two traces of a pair; the claim is for two or more",
        assumes="independent traces of the same pair",
        vectors={
            "b": "distance between the mean gradients",
            "one": "centred first trace gradient",
            "two": "centred second one",
        },
        orthogonal=[["b"], ["one"], ["two"]],
        definitions={"S": "(one - two)**2/2"},
        steps=[
            identity("variance of either", "2*S", expanded()),
            identity("distance", "(b + (one + two)/2)**2 - S/2", expanded()),
            identity("with the noise", "(b + (one + two)/2)**2 - S/2 + S", "b**2 + S"),
        ],
    )


def weights() -> Iterator[Draft]:
    below = nonnegative("low", "-N", case="N ≤ 0")
    beyond = nonnegative("high", "N - D", case="N ≥ D")
    yield Draft(
        "optimal-weight",
        ["bvpo/optimal-weight", "bvpo/mixture-dominates"],
        "Among weights in [0, 1] the error D α² − 2N α + c is least at N/D, at 0 when N ≤ 0 and at 1 when N ≥ D; so "
        "it is at most the errors of both estimators, which are weights 0 and 1.",
        assumes="D > 0; all moments over the same randomness",
        symbols=WEIGHT | PARABOLA,
        definitions=ERROR,
        facts=[DIFFER, nonnegative("weight", "a"), nonnegative("rest", "1 - a"), below, beyond],
        steps=[
            inequality("inside", "N/D", f"error - at(error, a={BEST})", term(times="differ", square=f"a - {BEST}")),
            inequality(
                "at_zero", "N ≤ 0", "error - at(error, a=0)", term(times="differ", square="a"), term(2, "low weight")
            ),
            inequality(
                "at_one", "N ≥ D", "error - at(error, a=1)", term(times="differ", square="1 - a"), term(2, "high rest")
            ),
        ],
    )
    yield Draft(
        "strict-improvement",
        ["bvpo/strict-improvement", "bvpo/half-weight-rule"],
        "The lead of the weight N/D over the empty-trace gradient is N²/D, over the trace gradient (D−N)²/D, both "
        "positive for 0 < N < D; the leads of the weight 1/2 are D(N/D − 1/4) and D(3/4 − N/D).",
        assumes="D > 0; 0 < N < D for the first two",
        symbols=WEIGHT | PARABOLA,
        definitions=ERROR,
        facts=[DIFFER, positive("some", "N"), positive("not_all", "D - N")],
        steps=[
            inequality(
                "over_empty",
                "N²/D",
                f"at(error, a=0) - at(error, a={BEST})",
                term(times="some some", over="differ"),
                strict=True,
            ),
            inequality(
                "over_trace",
                "(D−N)²/D",
                f"at(error, a=1) - at(error, a={BEST})",
                term(times="not_all not_all", over="differ"),
                strict=True,
            ),
            identity("half over empty", "at(error, a=0) - at(error, a=1/2)", "D*(N/D - 1/4)"),
            identity("half over trace", "at(error, a=1) - at(error, a=1/2)", "D*(3/4 - N/D)"),
        ],
    )
    yield Draft(
        "bound-optimal-weight",
        ["bvpo/bound-optimal-weight"],
        "‖b(α)‖² + ρ Var(α) is the parabola of the error with all (co)variances times ρ: its numerator and "
        "denominator are those with ρ, and its minimum over [0, 1] is that of optimal-weight; at ρ = 1 it is the "
        "mean squared error.",
        symbols=WEIGHT | {"rho": "ηL"},
        vectors=BIASES | NOISES,
        orthogonal=[list(BIASES), list(NOISES)],
        definitions={
            "bias": "(a*bt + (1 - a)*be)**2",
            "variance": "(a*xt + (1 - a)*xe)**2",
            "N": "be*(be - bt) + rho*(xe*xe - xt*xe)",
            "D": "(bt - be)**2 + rho*(xt*xt + xe*xe - 2*xt*xe)",
        },
        steps=[
            identity("parabola", "bias + rho*variance", "D*a**2 - 2*N*a + be**2 + rho*xe**2"),
            identity("ρ = 1", "at(bias + rho*variance, rho=1)", "(a*(bt + xt) + (1 - a)*(be + xe))**2"),
        ],
    )
    yield Draft(
        "small-steps",
        ["bvpo/small-steps-favour-traces"],
        "With b_t = 0 and the pair fixed the weight is B/(B + ρS), and what it lacks of 1 is ρS/(B + ρS), at most "
        "ρS/B.",
        assumes="b_t = 0, the pair is fixed",
        symbols={"rho": "ηL", "B": "‖b_e‖²", "S": "variance of the trace gradient"},
        definitions={"weight": "B/(B + rho*S)"},
        facts=[positive("bias", "B"), positive("noise", "S"), positive("step", "rho"), positive("both", "B + rho*S")],
        steps=[
            identity("what it lacks", "1 - weight", factored()),
            inequality(
                "vanishes",
                "at most in proportion to the step",
                "rho*S/B - (1 - weight)",
                term(times="step step noise noise", over="bias both"),
                strict=True,
            ),
        ],
    )


def counterexamples() -> Iterator[Draft]:
    yield Draft(
        "variance-can-grow",
        ["bvpo/variance-reduced-in-total"],
        "Gradients with variances 1 and 16 and covariance 1: the equal mixture has the variance 19/4.",
        verdict="fails",
        definitions={"St": "1", "Se": "16", "Ste": "1", "a": "1/2"},
        steps=[
            inequality(
                "more",
                "the mixture varies more",
                "a**2*St + (1 - a)**2*Se + 2*a*(1 - a)*Ste - St",
                term("15/4"),
                strict=True,
            ),
        ],
    )
    yield Draft(
        "half-can-be-worse",
        ["bvpo/half-always-improves"],
        "An unbiased trace gradient of variance 1 and a constant empty-trace gradient with ‖b_e‖² = 9: the equal "
        "mixture has the error 5/2, the trace gradient 1.",
        verdict="fails",
        assumes="the pair is fixed",
        definitions={"B": "9", "St": "1", "a": "1/2", "error": "(1 - a)**2*B + a**2*St"},
        steps=[inequality("worse", "the mixture is worse", "error - St", term("3/2"), strict=True)],
    )
    yield Draft(
        "cross-term-matters",
        ["bvpo/mixture-dominates"],
        "Without biases, S_t = 1, S_e = 1/4 and S_te = 2/5: the weight that ignores S_te is 1/5, and its error "
        "41/125 is above that of the empty-trace gradient; with the cross term the weight is 0.",
        part="that the domination is lost when the cross-covariance is left out of the weight",
        definitions={
            "St": "1",
            "Se": "1/4",
            "Ste": "2/5",
            "wrong": "Se/(St + Se)",
            "error": "wrong**2*St + (1 - wrong)**2*Se + 2*wrong*(1 - wrong)*Ste",
        },
        steps=[
            inequality(
                "possible", "there are such gradients (Cauchy–Schwarz)", "St*Se - Ste**2", term("9/100"), strict=True
            ),
            identity("the wrong weight", "wrong", factored()),
            inequality("worse", "no better than one estimator alone", "error - Se", term("39/500"), strict=True),
            inequality("clipped", "the right numerator is negative", "Ste - Se", term("3/20"), strict=True),
        ],
    )
    yield Draft(
        "small-steps-other-weight",
        ["bvpo/mse-optimal-for-small-steps"],
        "One curved direction, b_t = 0, ‖b_e‖² = 1, S_t = 1 and ηL = 3/10: the error of SGD at the MSE-optimal "
        "weight 1/2 exceeds that at 17/20.",
        verdict="fails",
        definitions={"rho": "3/10", "a": "1/2", "better": "17/20", "factor": "rho/(2 - rho)"},
        steps=[
            identity("the MSE-optimal weight", "a", "1/(1 + 1)"),
            inequality(
                "worse",
                "larger error",
                "(1 - a)**2 + factor*a**2 - (1 - better)**2 - factor*better**2",
                term("49/340"),
                strict=True,
            ),
        ],
    )


def descent() -> Iterator[Draft]:
    """Theorem 3 for every smooth loss: one step, and the sum over steps by induction."""
    step = "eta*(g*g)/2 - (f - f1) - eta/2*(b*b + eta*L*(x*x))"
    yield Draft(
        "sgd-bound",
        ["bvpo/sgd-bound"],
        "For an L-smooth loss and η ≤ 1/L, one step with the gradient g + b + x gives η‖g‖²/2 ≤ f − E f₁ + η(‖b‖² + "
        "ηL E‖x‖²)/2; the sum over T steps by induction (sums in symbols, f ≥ f*).",
        assumes="an L-smooth loss, bounded below; centred noise x, given the past; expectations throughout",
        symbols={
            "eta": "step",
            "L": "smoothness",
            "f": "loss now",
            "f1": "loss after the step",
            "f0": "loss at the start",
            "T": "number of steps",
            "A": "sum of ‖∇‖² so far",
            "Z": "sum of ‖b‖² + ηL Var so far",
        },
        vectors={"g": "gradient", "b": "bias", "x": "noise"},
        orthogonal=[["g", "b"], ["x"]],
        facts=[
            positive("step", "eta"),
            nonnegative("short", "1 - eta*L", "η ≤ 1/L"),
            nonnegative(
                "smooth", "f - f1 - eta*(g*(g + b + x)) + L*eta**2/2*(g + b + x)**2", "L-smoothness along the step"
            ),
        ],
        steps=[
            inequality(
                "one_step", "descent", f"-({step})", term(times="smooth"), term("1/2", "step short", square="g + b")
            ),
            induction(
                "many",
                "2(f₀ − f_T)/η + ΣZ − ΣA ≥ 0",
                "2*(f0 - f)/eta + Z - A",
                "T",
                {"f": "f0", "Z": "0", "A": "0"},
                {"f": "f1", "Z": "Z + b*b + eta*L*(x*x)", "A": "A + g*g"},
                term(2, "one_step", "step"),
            ),
        ],
    )
    yield Draft(
        "stationary-error",
        ["bvpo/stationary-error", "bvpo/bias-floor", "bvpo/small-step-weight", "bvpo/mse-optimal-is-bound-optimal"],
        "Along one curvature h: the mean settles where its gradient is −b and its distance shrinks by 1 − ηh a "
        "step, that of the variance by (1 − ηh)² < 1; at its fixed point h²s = ηhV/(2 − ηh), so the error is b² "
        "plus a positive number; with ηh = 1 it is b² + V, the mean squared error of the gradient.",
        assumes="constant bias and noise; 0 < ηh < 2",
        symbols={"eta": "step", "h": "curvature", "b": "bias", "V": "variance of the noise", "m": "mean of θ"},
        definitions={"s": "eta*V/(h*(2 - eta*h))", "after": "m - eta*(h*m + b)"},
        facts=[
            positive("step", "eta"),
            positive("curved", "h"),
            positive("stable", "2 - eta*h"),
            positive("noise", "V"),
        ],
        steps=[
            identity("fixed point of the mean", "at(after, m=-b/h)", factored()),
            identity("its gradient", "h*(-b/h)", factored()),
            identity("contraction", "after + b/h", factored()),
            inequality(
                "contracts", "(1 − ηh)² < 1", "1 - (1 - eta*h)**2", term(times="step curved stable"), strict=True
            ),
            identity("fixed point of the variance", "(1 - eta*h)**2*s + eta**2*V", factored(s="V")),
            identity("its approach", "(1 - eta*h)**2*(s + m) + eta**2*V - s", factored()),
            identity("error", "h**2*s", factored()),
            identity("ηh = 1", "at(h**2*s, eta=1/h)", factored()),
            inequality(
                "floor", "above the squared bias", "h**2*s", term(times="step curved noise", over="stable"), strict=True
            ),
        ],
    )


def averaging() -> Iterator[Draft]:
    yield Draft(
        "averaging",
        ["bvpo/averaging-wins-above", "bvpo/mixing-is-averaging"],
        "With b_t = 0 and the pair fixed, MSE(α*) = α* S_t; the mean of k traces has S_t/k, smaller exactly when α* "
        "> 1/k; mixing at α has the trace variance of k = 1/α² traces.",
        assumes="b_t = 0, the pair is fixed; independent traces",
        symbols={"B": "‖b_e‖²", "S": "variance of the trace gradient", "k": "number of traces", "a": "weight"},
        definitions={"best": "B/(B + S)", "error": "a**2*S + (1 - a)**2*B"},
        steps=[
            identity("its error", "at(error, a=best)", factored(best="B")),
            identity("comparison", "at(error, a=best) - S/k", "S*(best - 1/k)"),
            identity("trace variance of the mixture", "at(S/k, k=1/a**2)", factored()),
        ],
    )
    yield Draft(
        "initial-weight",
        ["bvpo/initial-weight", "bvpo/equal-cost-frontier"],
        "From ‖b_e‖² and S_t at the reference with all logits 0 the weight is K/(3K−1), worth 3 − 1/K traces: more "
        "than two, fewer than three, for K ≥ 2.",
        part="the weight from the moments ‖b_e‖² and S_t; not these moments themselves, which the exact check "
        "enumerates",
        assumes="one prompt, all logits 0, at the reference; the pair is fixed",
        symbols={"B": "‖b_e‖²", "K": "number of answers"},
        definitions={"S": "B*(2 - 1/K)", "best": "B/(B + S)"},
        facts=[positive("answers", "K"), positive("two_answers", "K - 1", "K ≥ 2")],
        steps=[
            identity("weight", "best", factored()),
            identity("worth", "1/best", expanded()),
            inequality(
                "more_than_two", "beats two", "1/best - 2", term(times="two_answers", over="answers"), strict=True
            ),
            inequality("fewer_than_three", "loses to three", "3 - 1/best", term(over="answers"), strict=True),
        ],
    )
