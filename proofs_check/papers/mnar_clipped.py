"""Clicks that are missing not at random: expectations and variances of the weighted losses, pair by pair.

A loss is a mean over pairs, so its bias is the mean of the biases of the pairs and, for independent pairs, its variance
the sum of theirs over |D|². What is proved is the statement about one pair; a click has probability θγ.
"""

from collections.abc import Iterator

from proofs_check.deriving import collected, factored, minimiser
from proofs_check.writing import Draft, identity, inequality, interval, monotone, nonnegative, positive, term

PAIR = {"t": "propensity θ", "g": "relevance γ"}
LOSSES = {"x": "δ¹", "y": "δ⁰"}
IDEAL = {"ideal": "g*x + (1 - g)*y"}
DIFFERENCE = {"delta": "x - y"}


def clicks(of_one: str, of_zero: str) -> str:
    """The expectation over the click of a value with (1) and without it (0)."""
    return f"(t*g*({of_one}) + (1 - t*g)*({of_zero}))"


def weighted(weight: str) -> tuple[str, str]:
    """The loss w δ¹ + (1 − w) δ⁰ with a click of this weight, and without one."""
    return f"({weight})*x + (1 - ({weight}))*y", "y"


def drafts() -> Iterator[Draft]:
    yield from naive()
    yield from unbiased()
    yield from clipped()
    yield from optimal_clip()
    yield from practice()


def naive() -> Iterator[Draft]:
    bias = f"{clicks('c*x', 'y')} - ideal"
    yield Draft(
        "weighted-mf",
        ["mnar-clipped/weighted-mf-bias"],
        "The loss cYδ¹ + (1−Y)δ⁰ of a pair has the bias γ(cθ−1)δ¹ + γ(1−θ)δ⁰.",
        assumes="exposure and relevance of a pair are independent; the prediction is fixed",
        symbols=PAIR | LOSSES | {"c": "weight of a click"},
        definitions=IDEAL,
        steps=[identity("bias", bias, collected("x", "y"))],
    )
    yield Draft(
        "no-weight-repairs",
        ["mnar-clipped/a-click-weight-repairs"],
        "With c = 1/θ the first term of the bias vanishes and γ(1−θ)δ⁰ > 0 is left.",
        verdict="fails",
        assumes="propensity below 1, positive relevance and loss",
        symbols=PAIR | LOSSES | {"c": "weight of a click"},
        definitions=IDEAL,
        facts=[positive("relevant", "g"), positive("hidden", "1 - t"), positive("loss", "y")],
        steps=[
            inequality("biased", "at c = 1/θ", f"at({bias}, c=1/t)", term(times="relevant hidden loss"), strict=True),
        ],
    )
    logs = {"f": "49/50", "x": "-log(f)", "y": "-log(1 - f)"}
    yield Draft(
        "no-weight-at-all",
        ["mnar-clipped/no-click-weight-repairs"],
        "At f = 0.98, δ⁰ − δ¹ = log 49 > 1 by ball arithmetic, and for c ≥ 1 the bias of a pair exceeds γ(1−θ).",
        assumes="c ≥ 1, 0 < θ < 1, γ > 0; also for θ > 0.95",
        symbols=PAIR | {"c": "weight of a click"},
        definitions=logs | IDEAL,
        logarithms={"log(49)": "y - x"},
        facts=[
            positive("relevant", "g"),
            positive("hidden", "1 - t"),
            positive("exposed", "t"),
            nonnegative("heavy", "c - 1"),
        ],
        steps=[
            interval("first", "δ¹ is positive", "x"),
            interval("much", "log 49 is above 1", "log(49) - 1"),
            inequality("apart", "δ⁰ and δ¹ are more than 1 apart", "y - x - 1", term(times="much"), strict=True),
            inequality(
                "biased",
                "at least γ(1−θ)",
                f"{bias} - g*(1 - t)",
                term(times="relevant heavy exposed first"),
                term(times="relevant hidden apart"),
                strict=True,
            ),
        ],
    )
    yield Draft(
        "exposure-mf",
        ["mnar-clipped/exposure-mf-target"],
        "With the exact posterior the expected loss of a pair is θ times the ideal one.",
        assumes="exposure and relevance independent; exact posterior",
        symbols=PAIR | LOSSES,
        definitions=IDEAL | {"posterior": "t*(1 - g)/(1 - t*g)"},
        steps=[identity("target", clicks("x", "posterior*y"), factored(ideal="g"))],
    )
    yield Draft(
        "exposure-mf-minimisers",
        ["mnar-clipped/exposure-mf-saturated", "mnar-clipped/exposure-mf-shared-prediction"],
        "The slope of θ[γδ¹ + (1−γ)δ⁰] in the prediction f vanishes at γ, for the squared and for the log loss; "
        "summed over pairs that share f it vanishes at Σθγ/Σθ.",
        assumes="exposure and relevance independent; exact posterior",
        symbols={"f": "shared prediction"},
        indexed={"t": "propensities θ", "g": "relevances γ"},
        definitions={
            "squared": "t*(g*(1 - f)**2 + (1 - g)*f**2)",
            "logistic": "-t*(g*log(f) + (1 - g)*log(1 - f))",
            "mean": "sum(t*g)/sum(t)",
        },
        steps=[
            identity("squared loss", "d(squared, f)", factored()),
            identity("log loss", "d(logistic, f)", factored()),
            identity("squared loss, shared", "sum(d(squared, f))", "2*sum(t)*(f - mean)"),
            identity("log loss, shared", "sum(d(logistic, f)*f*(1 - f))", "sum(t)*(f - mean)"),
        ],
    )


def unbiased() -> Iterator[Draft]:
    mean = clicks(*weighted("1/t"))
    yield Draft(
        "unbiased",
        [
            "mnar-clipped/unbiased",
            "mnar-clipped/wrong-scale-keeps-ranking",
            "mnar-clipped/dependence-bias",
            "mnar-clipped/never-exposed",
        ],
        "The mean of (Y/θ)δ¹ + (1−Y/θ)δ⁰ is the ideal loss; with propensities wrong by κ it is the loss of γ/κ; "
        "with dependent exposure and relevance it is off by Cov(O,R)Δ/θ; a pair that is never exposed contributes "
        "−γΔ.",
        assumes="propensities positive and exact, where not stated otherwise; the mean over pairs is linear",
        symbols=PAIR | LOSSES | {"k": "common factor κ", "v": "Cov(O, R)"},
        definitions=IDEAL | DIFFERENCE,
        steps=[
            identity("unbiased", mean, factored(ideal="g")),
            identity("wrong scale", clicks(*weighted("1/(k*t)")), "at(ideal, g=g/k)"),
            identity("its bias", f"{clicks(*weighted('1/(k*t)'))} - ideal", factored(delta="x")),
            identity("dependence", f"(t*g + v)*({weighted('1/t')[0]}) + (1 - t*g - v)*y - ideal", factored(delta="x")),
            identity("never exposed: never a click", "y - ideal", factored(delta="x")),
        ],
    )
    one, zero = weighted("1/t")
    variance = f"{clicks(f'({one})**2', f'({zero})**2')} - {mean}**2"
    yield Draft(
        "unbiased-variance",
        ["mnar-clipped/unbiased-variance"],
        "The variance of a pair's term is γ(1/θ − γ)Δ².",
        assumes="independent pairs; exposure and relevance independent",
        symbols=PAIR | LOSSES,
        definitions=DIFFERENCE,
        steps=[identity("variance", variance, factored(delta="x"))],
    )
    shock = {
        "statement": "Two pairs of a user with exposures θ(1 ± s) together: each term keeps its mean, and its "
        "variance γ(1/θ − γ)Δ²; the covariance of two terms is s²γΔγ'Δ', positive when both differences have one "
        "sign. The variance of a sum adds the covariances of all its pairs.",
        "assumes": "both signs of the shock equally likely; given the shock, clicks are independent",
        "symbols": PAIR | {"s": "size of the shock", "z": "sign of the shock", "u": "Δ", "w": "Δ'", "g2": "γ'"},
        "definitions": {"one": "(1 + s*z)*g*u", "two": "(1 + s*z)*g2*w"},
        "facts": [positive("relevant", "g*g2"), positive("same_sign", "u*w"), positive("shock", "s**2")],
        "steps": [
            identity("mean of a term YΔ/θ given the shock", "t*(1 + s*z)*g*(u/t)", factored(one="g")),
            identity("its mean", "(at(one, z=1) + at(one, z=-1))/2", factored()),
            identity(
                "its variance",
                "(at(t*(1 + s*z)*g, z=1) + at(t*(1 + s*z)*g, z=-1))/2*(u/t)**2 - (g*u)**2",
                factored(),
            ),
            inequality(
                "covariance",
                "positive",
                "(at(one*two, z=1) + at(one*two, z=-1))/2 - g*u*(g2*w)",
                term(times="shock relevant same_sign"),
                strict=True,
            ),
        ],
    }
    yield Draft(
        "shared-shock", ["mnar-clipped/shared-shock-variance", "mnar-clipped/shared-shock-understates"], **shock
    )
    yield Draft("shared-shock-counts", ["mnar-clipped/variance-without-independence"], verdict="fails", **shock)


def clipped() -> Iterator[Draft]:
    one, zero = weighted("1/m")
    yield Draft(
        "clipped",
        ["mnar-clipped/clipped-bias", "mnar-clipped/clipped-variance", "mnar-clipped/clip-endpoints"],
        "With m = max(θ, M): the clipped loss is the loss of γθ/m, its bias γ(θ/m − 1)Δ, its variance "
        "θγ(1−θγ)Δ²/m²; m = θ is the unbiased loss and m = 1 the naive one, on every click.",
        assumes="exact propensities; exposure and relevance independent; independent pairs for the variance",
        symbols=PAIR | LOSSES | {"m": "max(θ, M)", "Y": "click"},
        definitions=IDEAL | DIFFERENCE | {"term": "Y/m*x + (1 - Y/m)*y"},
        steps=[
            identity("target", clicks(one, zero), "at(ideal, g=g*t/m)"),
            identity("bias", f"{clicks(one, zero)} - ideal", factored(delta="x")),
            identity(
                "variance",
                f"{clicks(f'({one})**2', f'({zero})**2')} - {clicks(one, zero)}**2",
                factored(delta="x"),
            ),
            identity("no clip", "at(term, m=t)", "Y/t*x + (1 - Y/t)*y"),
            identity("full clip", "at(term, m=1)", collected("x", "y")),
        ],
    )
    yield Draft(
        "clip-monotone",
        ["mnar-clipped/clipped-variance-falls", "mnar-clipped/clipped-bias-grows-one-sign"],
        "For clips with max(θ, M) = m ≤ n: the variance of a pair falls from m to n, and where Δ > 0 its bias, "
        "which is not positive, falls too; for Δ < 0 change the sign. Sums over pairs keep both.",
        assumes="θ ≤ m ≤ n, γ and Δ positive",
        symbols=PAIR | {"m": "max(θ, M)", "n": "max(θ, M') for a larger clip M'", "delta": "Δ"},
        facts=[
            nonnegative("larger", "n - m"),
            positive("clip", "m"),
            positive("clip_too", "n"),
            positive("propensity", "t"),
            positive("relevant", "g"),
            positive("noisy", "1 - t*g"),
            positive("one_sign", "delta"),
            nonnegative("clips", "m - t"),
        ],
        steps=[
            inequality(
                "variance",
                "falls",
                "t*g*(1 - t*g)*delta**2*(1/m**2 - 1/n**2)",
                term(1, "propensity relevant noisy larger", "clip clip clip_too", "delta"),
                term(1, "propensity relevant noisy larger", "clip clip_too clip_too", "delta"),
            ),
            inequality(
                "negative",
                "the bias is not positive",
                "-g*(t/m - 1)*delta",
                term(times="relevant clips one_sign", over="clip"),
            ),
            inequality(
                "bias",
                "and falls",
                "g*(t/m - 1)*delta - g*(t/n - 1)*delta",
                term(times="relevant propensity one_sign larger", over="clip clip_too"),
            ),
        ],
    )
    yield Draft(
        "bias-can-shrink",
        ["mnar-clipped/clipped-bias-grows"],
        "Two pairs with θ = 1/10 and 2/5, γ = 1/2 and Δ = 1 and −1: the bias of their sum is −1/4 at the clip 1/5 "
        "and −1/8 at the clip 4/5 (−7/16 + 1/4 = −3/16).",
        verdict="fails",
        definitions={
            "small": "1/2*((1/10)/(1/5) - 1)",
            "large": "1/2*((1/10)/(4/5) - 1) - 1/2*((2/5)/(4/5) - 1)",
        },
        steps=[
            identity("at 1/5", "small", factored()),
            identity("at 4/5", "large", factored()),
            inequality("shrinks", "its size falls", "small**2 - large**2", term("7/256"), strict=True),
        ],
    )


def optimal_clip() -> Iterator[Draft]:
    error = {"error": "(a + b*z)**2 + v + w*z**2"}
    yield Draft(
        "clip-parabola",
        ["mnar-clipped/clip-optimum-closed-form"],
        "Between neighbouring propensities the clipped pairs add bz to the bias and wz² to the variance, z = 1/M, "
        "the others constants a and v: the error is a parabola in z with its minimum at −ab/(b² + w).",
        assumes="known relevances; independent clicks",
        symbols={
            "a": "bias without z",
            "b": "bias per z",
            "v": "variance without z",
            "w": "variance per z²",
            "z": "1/M",
        },
        definitions=error | {"best": minimiser(error["error"], "z")},
        facts=[positive("curved", "b**2 + w", "some clipped pair has a variance")],
        steps=[
            inequality(
                "parabola", "least at its vertex", "error - at(error, z=best)", term(times="curved", square="z - best")
            )
        ],
    )
    yield Draft(
        "clip-interior",
        ["mnar-clipped/clip-optimum-interior"],
        "Write z₁ = 1/min θ, z = z₁ − u for a clip between the two smallest propensities, B = bias per z and w = "
        "variance per z² of the rarest pairs: for 0 < u ≤ w z₁/(w + B²) the error falls by at least w z₁ u.",
        assumes="w > 0: a difference that is not 0 at the rarest pair; u small enough to stay between the propensities",
        symbols={"z1": "1/min θ", "u": "z₁ − 1/M", "B": "bias per z", "w": "variance per z²"},
        definitions={"gain": "w*(z1**2 - (z1 - u)**2) - (B*u)**2"},
        facts=[positive("step", "u"), nonnegative("small", "w*z1 - u*(w + B**2)")],
        steps=[inequality("gain", "the error falls", "gain - w*z1*u", term(times="step small"))],
    )


def practice() -> Iterator[Draft]:
    yield Draft(
        "log-loss-unbounded",
        ["mnar-clipped/log-loss-unbounded"],
        "log(1 + e^s) − s/θ = log(1 + e^(−s)) + s(1 − 1/θ), at most log 2 plus a falling line for s ≥ 0.",
        assumes="one clicked pair, 0 < θ < 1",
        symbols={"s": "logit", "t": "propensity"},
        definitions={"E": "exp(s)", "loss": "log(1 + E) - s/t"},
        logarithms={"log(1 + E)": "s + log(1 + 1/E)"},
        facts=[
            positive("one_more", "1 + E"),
            nonnegative("forward", "s"),
            positive("propensity", "t"),
            positive("hidden", "1 - t"),
        ],
        steps=[
            monotone("half", "log(1 + e^(−s)) ≤ log 2", "log(2) - log(1 + 1/E)", "s", "0", term(over="one_more")),
            inequality("line", "below a line", "log(2) - s*(1/t - 1) - loss", term(times="half")),
            inequality("falls", "which falls", "1/t - 1", term(times="hidden", over="propensity"), strict=True),
        ],
    )
    balanced = "(rho*t*g*(1/t*(1 - f)**2 + (1 - 1/t)*f**2) + (1 - t*g)*f**2)"
    yield Draft(
        "class-balanced",
        ["mnar-clipped/class-balanced-minimiser"],
        "The slope of the expected unbiased squared loss, clicked pairs drawn ρ times as often, vanishes at ργ/(1 + "
        "(ρ−1)θγ).",
        assumes="exposure and relevance independent; the prediction is free",
        symbols=PAIR | {"f": "prediction", "rho": "how much more often a clicked pair is drawn"},
        steps=[identity("slope", f"d({balanced}, f)", "2*(1 + (rho - 1)*t*g)*(f - rho*g/(1 + (rho - 1)*t*g))")],
    )
    yield Draft(
        "class-balanced-biased",
        ["mnar-clipped/class-balanced-unbiased"],
        "At ρ = 3, θ = 1/2, γ = 1/2 the minimiser is 1, not 1/2.",
        verdict="fails",
        symbols={"f": "prediction"},
        definitions={"rho": "3", "t": "1/2", "g": "1/2"},
        steps=[
            identity("slope", f"d({balanced}, f)", factored()),
            inequality("apart", "not the relevance", "1 - g", term("1/2"), strict=True),
        ],
    )
    yield Draft(
        "popularity",
        ["mnar-clipped/popularity-bias"],
        "With assumed propensities p the unbiased loss of a pair is off by γ(θ/p − 1)Δ.",
        assumes="expected clicks; exposure and relevance independent",
        symbols=PAIR | LOSSES | {"p": "assumed propensity"},
        definitions=IDEAL | DIFFERENCE,
        steps=[identity("bias", f"{clicks(*weighted('1/p'))} - ideal", factored(delta="x"))],
    )
    yield Draft(
        "clicks-do-not-rank",
        ["mnar-clipped/clicks-rank-relevance"],
        "θ = 1/10, γ = 9/10 against θ = 9/10, γ = 1/5: the more relevant pair is clicked less.",
        verdict="fails",
        definitions={"g": "9/10", "g2": "1/5", "rare": "1/10*g", "common": "9/10*g2"},
        steps=[
            inequality("relevant", "the first is more relevant", "g - g2", term("7/10"), strict=True),
            inequality("clicked", "the second is clicked more", "common - rare", term("9/100"), strict=True),
        ],
    )
