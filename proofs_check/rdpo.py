"""Robust DPO: what the algebra of the flip correction proves for every flip rate and margin."""

from collections.abc import Iterator

from proofs_check import rdpo_theory
from proofs_check.rdpo_words import (
    BELOW_HALF,
    CONSERVATIVE,
    EXPONENTIAL,
    FLIPPED,
    LOGISTIC,
    MARGIN,
    MORE_THAN_ONE,
    OBSERVED,
    POPULATION,
    RATE,
    ROBUST,
    SHARE,
    SOME_FLIPS,
    SWAP,
)
from proofs_check.writing import Draft, identity, inequality, positive, term


def drafts() -> Iterator[Draft]:
    yield from losses()
    yield from tabular()
    yield from weights()
    yield from other_losses()
    yield from rdpo_theory.theory()


def losses() -> Iterator[Draft]:
    mean = FLIPPED.format("robust")
    yield Draft(
        "unbiased",
        ["rdpo/unbiased-loss", "rdpo/unbiased-derivatives", "rdpo/reward-model"],
        "The mean over the flip of the robust loss, its slope and its curvature are those of the clean logistic loss.",
        symbols=MARGIN | RATE,
        definitions={k: LOGISTIC[k] for k in ("E", "loss", "other")} | ROBUST,
        assumes="flips independent of the pair given the clean label; the flip rate is known; 1 − 2ε is not 0",
        steps=[
            identity("loss", mean, "loss"),
            identity(
                "slope",
                FLIPPED.format("d(robust, h)").replace("at(d(robust, h), h=-h)", "d(at(robust, h=-h), h)"),
                "d(loss, h)",
            ),
            identity("curvature", "(1 - e)*d(d(robust, h), h) + e*d(d(at(robust, h=-h), h), h)", "d(d(loss, h), h)"),
        ],
    )
    yield Draft(
        "plus-a-line",
        ["rdpo/dpo-plus-a-line", "rdpo/convex-forms"],
        "Robust and conservative DPO are DPO plus a line, with the curvature σ(h)σ(−h) of DPO, which is positive; "
        "robust IPO has the curvature 2.",
        symbols=MARGIN | RATE | {"target": "target margin of IPO"},
        definitions=LOGISTIC
        | ROBUST
        | CONSERVATIVE
        | {"ipo": "((1 - e)*(h - target)**2 - e*(-h - target)**2)/(1 - 2*e)"},
        facts=[EXPONENTIAL, MORE_THAN_ONE],
        steps=[
            SWAP,
            identity("robust", "robust", "loss - e/(1 - 2*e)*h"),
            identity("conservative", "conservative", "loss + e*h"),
            identity("curvature of DPO", "d(d(loss, h), h)", "s*(1 - s)"),
            identity("curvature of robust DPO", "d(d(robust, h), h)", "s*(1 - s)"),
            identity("curvature of conservative DPO", "d(d(conservative, h), h)", "s*(1 - s)"),
            inequality(
                "convex", "it is positive", "s*(1 - s)", term(times="exp_h", over="one_more one_more"), strict=True
            ),
            identity("curvature of robust IPO", "d(d(ipo, h), h)", "2"),
        ],
    )
    yield Draft(
        "wrong-rate",
        ["rdpo/wrong-rate"],
        "With the assumed rate a the mean of the robust loss is off by −(a − ε)h/(1 − 2a).",
        symbols=MARGIN | RATE | {"a": "assumed flip rate"},
        definitions={k: LOGISTIC[k] for k in ("E", "loss", "other")} | {"robust": "((1 - a)*loss - a*other)/(1 - 2*a)"},
        steps=[SWAP, identity("mean over the flip", FLIPPED.format("robust"), "loss - (a - e)/(1 - 2*a)*h")],
    )
    yield Draft(
        "bias-under-flips",
        ["rdpo/bias-under-flips", "rdpo/smoothing-biases-more"],
        "Under flips DPO is biased by εh, conservative DPO by 2ε(1−ε)h and robust DPO not at all; the gradient "
        "weights by −ε, −2ε(1−ε) and 0; and 2ε(1−ε) > ε.",
        assumes="the flip rate is positive and below one half for the comparison",
        symbols=MARGIN | RATE,
        definitions=LOGISTIC | ROBUST | CONSERVATIVE,
        facts=[SOME_FLIPS, BELOW_HALF],
        steps=[
            SWAP,
            identity("DPO", FLIPPED.format("loss"), "loss + e*h"),
            identity("conservative", FLIPPED.format("conservative"), "loss + 2*e*(1 - e)*h"),
            identity("robust", FLIPPED.format("robust"), "loss"),
            identity("weight of DPO", f"-d({FLIPPED.format('loss')}, h)", "1 - s - e"),
            identity("weight of conservative DPO", f"-d({FLIPPED.format('conservative')}, h)", "1 - s - 2*e*(1 - e)"),
            identity("weight of robust DPO", f"-d({FLIPPED.format('robust')}, h)", "1 - s"),
            inequality(
                "worse", "smoothing biases more", "2*e*(1 - e) - e", term(times="some_flips below_half"), strict=True
            ),
        ],
    )


def tabular() -> Iterator[Draft]:
    settles = [
        SWAP,
        identity("DPO", f"d({POPULATION.format('loss')}, h)", "s - q"),
        identity("conservative", f"d({POPULATION.format('conservative')}, h)", "s - ((1 - 2*e)*q + e)"),
        identity("robust", f"d({POPULATION.format('robust')}, h)", "s - (q - e)/(1 - 2*e)"),
        identity("robust, clean", "(q - e)/(1 - 2*e)", "p"),
    ]
    logistic = LOGISTIC | ROBUST | CONSERVATIVE | OBSERVED
    yield Draft(
        "tabular-minimisers",
        ["rdpo/tabular-minimisers"],
        "The slope of each population loss is σ(h) minus a constant, the win rate at which it settles; σ(h) grows.",
        assumes="one free margin a pair, infinitely many labels",
        symbols=MARGIN | SHARE,
        definitions=logistic,
        facts=[EXPONENTIAL, MORE_THAN_ONE],
        steps=[
            *settles,
            inequality(
                "grows",
                "so there is one minimiser",
                "d(s, h)",
                term(times="exp_h", over="one_more one_more"),
                strict=True,
            ),
        ],
    )
    signs = [
        identity("odds", "2*q - 1", "(1 - 2*e)*(2*p - 1)"),
        identity("smoothed odds", "2*((1 - 2*e)*q + e) - 1", "(1 - 2*e)**2*(2*p - 1)"),
        identity("σ(h) − 1/2 has the sign of h", "2*s - 1", "(E - 1)/(1 + E)"),
    ]
    order = {
        "statement": "All three losses settle at win rates on the same side of 1/2 as the clean one.",
        "assumes": "one free margin a pair, infinitely many labels, one flip rate below one half",
        "symbols": MARGIN | SHARE,
        "definitions": logistic,
        "steps": [*settles, *signs],
    }
    yield Draft("same-order", ["rdpo/same-order"], **order)
    yield Draft("order-no-different", ["rdpo/orders-more-pairs"], verdict="fails", **order)
    yield Draft(
        "smoothing-settles-elsewhere",
        ["rdpo/smoothing-undoes-flips"],
        "At p = 9/10 and ε = 1/5 the conservative loss on flipped labels has its minimum at σ(h) = 0.644, not at 0.9.",
        verdict="fails",
        symbols=MARGIN,
        definitions={"e": "1/5", "p": "9/10"} | LOGISTIC | CONSERVATIVE | OBSERVED,
        steps=[
            SWAP,
            identity("slope", f"d({POPULATION.format('conservative')}, h)", "s - 161/250"),
            inequality("apart", "the clean minimiser is elsewhere", "p - 161/250", term("32/125"), strict=True),
        ],
    )
    yield Draft(
        "overestimated-rate",
        ["rdpo/overestimated-rate-inflates", "rdpo/over-correction"],
        "With an assumed rate a the loss settles at σ(h) = (q − a)/(1 − 2a); for a > ε and p > 1/2 this is above p, "
        "by (a − ε)(2p − 1)/(1 − 2a); ε = 0 is the case of labels that were never flipped.",
        assumes="p above 1/2 (else swap the answers); the assumed rate above the true one, below 1/2 and below both "
        "shares",
        symbols=MARGIN | SHARE | {"a": "assumed flip rate"},
        definitions=LOGISTIC | OBSERVED | {"robust": "((1 - a)*loss - a*other)/(1 - 2*a)"},
        facts=[
            positive("above", "a - e", "the rate is overestimated"),
            positive("preferred", "2*p - 1", "the first answer is preferred"),
            positive("legal", "1 - 2*a", "the assumed rate is below one half"),
        ],
        steps=[
            SWAP,
            identity("settles", f"d({POPULATION.format('robust')}, h)", "s - (q - a)/(1 - 2*a)"),
            inequality(
                "inflated",
                "beyond p",
                "(q - a)/(1 - 2*a) - p",
                term(times="above preferred", over="legal"),
                strict=True,
            ),
            identity("unflipped labels", "at(q, e=0)", "p"),
        ],
    )


def weights() -> Iterator[Draft]:
    yield Draft(
        "gradient-weights",
        ["rdpo/gradient-weight", "rdpo/robust-weight-range", "rdpo/conservative-weight-reverses"],
        "The weights are σ(−h), σ(−h) − ε and σ(−h) + c with c = ε/(1−2ε); the last lies in (c, 1 + c) and above "
        "DPO's; the conservative one is negative once e^h > (1−ε)/ε.",
        assumes="the flip rate is positive and below one half",
        symbols=MARGIN | RATE,
        definitions=LOGISTIC | ROBUST | CONSERVATIVE | {"c": "e/(1 - 2*e)"},
        facts=[
            EXPONENTIAL,
            MORE_THAN_ONE,
            SOME_FLIPS,
            BELOW_HALF,
            positive("confident", "E - (1 - e)/e", case="h > logit(1 − ε)"),
        ],
        steps=[
            SWAP,
            identity("DPO", "-d(loss, h)", "1 - s"),
            identity("conservative", "-d(conservative, h)", "1 - s - e"),
            identity("robust", "-d(robust, h)", "1 - s + c"),
            inequality("lower", "above c", "-d(robust, h) - c", term(over="one_more"), strict=True),
            inequality(
                "upper", "below 1 + c", "1 + c + d(robust, h)", term(times="exp_h", over="one_more"), strict=True
            ),
            inequality(
                "higher",
                "above DPO",
                "-d(robust, h) + d(loss, h)",
                term(times="some_flips", over="below_half"),
                strict=True,
            ),
            inequality(
                "reversed",
                "pushed back",
                "d(conservative, h)",
                term(times="some_flips confident", over="one_more"),
                strict=True,
            ),
        ],
    )
    variance = "(1 - e)*{0}**2 + e*{1}**2 - ((1 - e)*{0} + e*{1})**2"
    yield Draft(
        "flip-variance",
        ["rdpo/flip-variance", "rdpo/break-even-batch"],
        "The gradient coefficient in the clean orientation is ζ(h) without a flip and −ζ(−h) with one; its "
        "variance, and the batch B above which the unbiased gradient has the smaller mean squared error.",
        assumes="for the batch: one repeated pair, independent flips, 0 < ε < 1/2",
        symbols=MARGIN | RATE | {"B": "batch size"},
        definitions={k: LOGISTIC[k] for k in ("E", "loss", "other")} | ROBUST | CONSERVATIVE,
        steps=[
            SWAP,
            *(
                identity(name, variance.format(f"(-d({loss}, h))", f"(-d(at({loss}, h=-h), h))"), f"e*(1 - e){factor}")
                for name, loss, factor in (
                    ("DPO", "loss", ""),
                    ("conservative", "conservative", "*(1 - 2*e)**2"),
                    ("robust", "robust", "/(1 - 2*e)**2"),
                )
            ),
            identity(
                "difference of mean squared errors",
                "e**2 + e*(1 - e)/B - e*(1 - e)/(1 - 2*e)**2/B",
                "e**2/B*(B - 4*(1 - e)**2/(1 - 2*e)**2)",
            ),
        ],
    )


def other_losses() -> Iterator[Draft]:
    yield Draft(
        "template",
        ["rdpo/template-unbiased", "rdpo/ipo-stretched", "rdpo/ipo-shrinks"],
        "The correction is unbiased for any pair of values ℓ(h), ℓ(−h); for the squared loss it is a square again, "
        "with its target stretched by 1/(1−2ε); without it the minimiser shrinks by 1−2ε.",
        assumes="flips independent of the pair given the clean label; the flip rate is known",
        symbols=RATE
        | {
            "x": "ℓ(h)",
            "y": "ℓ(−h)",
            "h": "margin",
            "target": "target margin of IPO",
            "p": "clean preference probability",
        },
        definitions={"squared": "(h - target)**2", "q": "(1 - 2*e)*p + e"},
        steps=[
            identity("any loss", "(1 - e)*((1 - e)*x - e*y)/(1 - 2*e) + e*((1 - e)*y - e*x)/(1 - 2*e)", "x"),
            identity(
                "IPO",
                "((1 - e)*squared - e*at(squared, h=-h))/(1 - 2*e)",
                "(h - target/(1 - 2*e))**2 + target**2 - target**2/(1 - 2*e)**2",
            ),
            identity(
                "plain IPO on flipped labels",
                f"d({POPULATION.format('squared')}, h)",
                "2*(h - (1 - 2*e)*(2*p - 1)*target)",
            ),
        ],
    )
    yield Draft(
        "hinge-not-convex",
        ["rdpo/template-keeps-convexity"],
        "The corrected hinge lies above the middle of its chord from −2 to 0: by ε/(2 − 4ε) at −1.",
        verdict="fails",
        assumes="0 < ε < 1/2",
        symbols=RATE,
        definitions={
            "at_minus_two": "((1 - e)*3 - e*0)/(1 - 2*e)",
            "at_minus_one": "((1 - e)*2 - e*0)/(1 - 2*e)",
            "at_zero": "((1 - e)*1 - e*1)/(1 - 2*e)",
        },
        facts=[SOME_FLIPS, BELOW_HALF],
        steps=[
            inequality(
                "bump",
                "above its chord",
                "at_minus_one - (at_minus_two + at_zero)/2",
                term("1/2", "some_flips", "below_half"),
                strict=True,
            ),
        ],
    )
    corrected = "((N - 1 - e)*{0} - e*(sum(x) - {0}))/((1 - e)*N - 1)"
    yield Draft(
        "listwise",
        ["rdpo/listwise-unbiased", "rdpo/listwise-of-two"],
        "For N rankings with losses x_τ, the true one having loss t: the mean of the corrected loss over the "
        "replacement is t; for N = 2 it is the pairwise correction.",
        assumes="replacements uniform over the other rankings; the rate is known and below (N − 1)/N",
        symbols=RATE
        | {"N": "number of rankings", "t": "loss of the true ranking", "y": "loss of the other one of two"},
        indexed={"x": "losses of all rankings"},
        sums={"sum(1)": "N"},
        steps=[
            identity(
                "mean over the replacement",
                f"(1 - e)*{corrected.format('t')} + e/(N - 1)*(sum({corrected.format('x')}) - {corrected.format('t')})",
                "t",
            ),
            identity(
                "of two", "((N - 1 - e)*t - e*y)/((1 - e)*N - 1)", "((1 - e)*t - e*y)/(1 - 2*e)", cases={"N": ["2"]}
            ),
        ],
    )
