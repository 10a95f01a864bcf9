"""Robust DPO: what the algebra of the flip correction proves for every flip rate and margin."""

from collections.abc import Iterator

from proofs_check.deriving import apart, collected, expanded, factored, squared
from proofs_check.papers.rdpo import words
from proofs_check.writing import Draft, identity, inequality, positive, term


def drafts() -> Iterator[Draft]:
    yield from losses()
    yield from tabular()
    yield from weights()
    yield from other_losses()


def losses() -> Iterator[Draft]:
    mean = words.FLIPPED.format("robust")
    yield Draft(
        "unbiased",
        ["rdpo/unbiased-loss", "rdpo/unbiased-derivatives", "rdpo/reward-model"],
        "The mean over the flip of the robust loss, its slope and its curvature are those of the clean logistic loss.",
        symbols=words.MARGIN | words.RATE,
        definitions={k: words.LOGISTIC[k] for k in ("E", "loss", "other")} | words.ROBUST,
        assumes="flips independent of the pair given the clean label; the flip rate is known; 1 − 2ε is not 0",
        steps=[
            identity("loss", mean, factored()),
            identity(
                "slope",
                words.FLIPPED.format("d(robust, h)").replace("at(d(robust, h), h=-h)", "d(at(robust, h=-h), h)"),
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
        symbols=words.MARGIN | words.RATE | {"target": "target margin of IPO"},
        definitions=words.LOGISTIC
        | words.ROBUST
        | words.CONSERVATIVE
        | {"ipo": "((1 - e)*(h - target)**2 - e*(-h - target)**2)/(1 - 2*e)"},
        facts=[words.EXPONENTIAL, words.MORE_THAN_ONE],
        logarithms=words.SWAP,
        steps=[
            identity("robust", "robust", collected("loss", "h")),
            identity("conservative", "conservative", collected("h")),
            identity("curvature of DPO", "d(d(loss, h), h)", factored(s="E")),
            identity("curvature of robust DPO", "d(d(robust, h), h)", factored(s="E")),
            identity("curvature of conservative DPO", "d(d(conservative, h), h)", factored(s="E")),
            inequality(
                "convex", "it is positive", "s*(1 - s)", term(times="exp_h", over="one_more one_more"), strict=True
            ),
            identity("curvature of robust IPO", "d(d(ipo, h), h)", factored()),
        ],
    )
    yield Draft(
        "wrong-rate",
        ["rdpo/wrong-rate"],
        "With the assumed rate a the mean of the robust loss is off by −(a − ε)h/(1 − 2a).",
        symbols=words.MARGIN | words.RATE | {"a": "assumed flip rate"},
        definitions={k: words.LOGISTIC[k] for k in ("E", "loss", "other")} | words.ASSUMED,
        logarithms=words.SWAP,
        steps=[identity("mean over the flip", words.FLIPPED.format("robust"), collected("h"))],
    )
    yield Draft(
        "bias-under-flips",
        ["rdpo/bias-under-flips", "rdpo/smoothing-biases-more"],
        "Under flips DPO is biased by εh, conservative DPO by 2ε(1−ε)h and robust DPO not at all; the gradient "
        "weights by −ε, −2ε(1−ε) and 0; and 2ε(1−ε) > ε.",
        assumes="the flip rate is positive and below one half for the comparison",
        symbols=words.MARGIN | words.RATE,
        definitions=words.LOGISTIC | words.ROBUST | words.CONSERVATIVE,
        facts=[words.SOME_FLIPS, words.BELOW_HALF],
        logarithms=words.SWAP,
        steps=[
            identity("DPO", words.FLIPPED.format("loss"), collected("h")),
            identity("conservative", words.FLIPPED.format("conservative"), collected("h")),
            identity("robust", words.FLIPPED.format("robust"), factored()),
            identity("weight of DPO", f"-d({words.FLIPPED.format('loss')}, h)", expanded(s="E")),
            identity(
                "weight of conservative DPO", f"-d({words.FLIPPED.format('conservative')}, h)", "1 - s - 2*e*(1 - e)"
            ),
            identity("weight of robust DPO", f"-d({words.FLIPPED.format('robust')}, h)", expanded(s="E")),
            inequality(
                "worse", "smoothing biases more", "2*e*(1 - e) - e", term(times="some_flips below_half"), strict=True
            ),
        ],
    )


def tabular() -> Iterator[Draft]:
    settles = [
        identity("DPO", f"d({words.POPULATION.format('loss')}, h)", expanded(s="E", q="p")),
        identity("conservative", f"d({words.POPULATION.format('conservative')}, h)", collected("q", s="E", q="p")),
        identity("robust", f"d({words.POPULATION.format('robust')}, h)", collected("s", s="E", q="p")),
        identity("robust, clean", "(q - e)/(1 - 2*e)", factored()),
    ]
    logistic = words.LOGISTIC | words.ROBUST | words.CONSERVATIVE | words.OBSERVED
    yield Draft(
        "tabular-minimisers",
        ["rdpo/tabular-minimisers"],
        "The slope of each population loss is σ(h) minus a constant, the win rate at which it settles; σ(h) grows.",
        assumes="one free margin a pair, infinitely many labels",
        symbols=words.MARGIN | words.SHARE,
        definitions=logistic,
        facts=[words.EXPONENTIAL, words.MORE_THAN_ONE],
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
        identity("odds", "2*q - 1", factored()),
        identity("smoothed odds", "2*((1 - 2*e)*q + e) - 1", factored()),
        identity("σ(h) − 1/2 has the sign of h", "2*s - 1", factored()),
    ]
    order = {
        "statement": "All three losses settle at win rates on the same side of 1/2 as the clean one.",
        "assumes": "one free margin a pair, infinitely many labels, one flip rate below one half",
        "symbols": words.MARGIN | words.SHARE,
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
        symbols=words.MARGIN,
        definitions={"e": "1/5", "p": "9/10"} | words.LOGISTIC | words.CONSERVATIVE | words.OBSERVED,
        steps=[
            identity("slope", f"d({words.POPULATION.format('conservative')}, h)", expanded(s="E")),
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
        symbols=words.MARGIN | words.SHARE | {"a": "assumed flip rate"},
        definitions=words.LOGISTIC | words.OBSERVED | words.ASSUMED,
        facts=[
            positive("above", "a - e", "the rate is overestimated"),
            positive("preferred", "2*p - 1", "the first answer is preferred"),
            positive("legal", "1 - 2*a", "the assumed rate is below one half"),
        ],
        steps=[
            identity("settles", f"d({words.POPULATION.format('robust')}, h)", collected("s", s="E", q="p")),
            inequality(
                "inflated",
                "beyond p",
                "(q - a)/(1 - 2*a) - p",
                term(times="above preferred", over="legal"),
                strict=True,
            ),
            identity("unflipped labels", "at(q, e=0)", factored()),
        ],
    )


def weights() -> Iterator[Draft]:
    yield Draft(
        "gradient-weights",
        ["rdpo/gradient-weight", "rdpo/robust-weight-range", "rdpo/conservative-weight-reverses"],
        "The weights are σ(−h), σ(−h) − ε and σ(−h) + c with c = ε/(1−2ε); the last lies in (c, 1 + c) and above "
        "DPO's; the conservative one is negative once e^h > (1−ε)/ε.",
        assumes="the flip rate is positive and below one half",
        symbols=words.MARGIN | words.RATE,
        definitions=words.LOGISTIC | words.ROBUST | words.CONSERVATIVE | {"c": "e/(1 - 2*e)"},
        facts=[
            words.EXPONENTIAL,
            words.MORE_THAN_ONE,
            words.SOME_FLIPS,
            words.BELOW_HALF,
            positive("confident", "E - (1 - e)/e", case="h > logit(1 − ε)"),
        ],
        steps=[
            identity("DPO", "-d(loss, h)", expanded(s="E")),
            identity("conservative", "-d(conservative, h)", expanded(s="E")),
            identity("robust", "-d(robust, h)", expanded(s="E", c="e")),
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
        symbols=words.MARGIN | words.RATE | {"B": "batch size"},
        definitions={k: words.LOGISTIC[k] for k in ("E", "loss", "other")} | words.ROBUST | words.CONSERVATIVE,
        steps=[
            *(
                identity(name, variance.format(f"(-d({loss}, h))", f"(-d(at({loss}, h=-h), h))"), factored())
                for name, loss in (
                    ("DPO", "loss"),
                    ("conservative", "conservative"),
                    ("robust", "robust"),
                )
            ),
            identity(
                "difference of mean squared errors",
                "e**2 + e*(1 - e)/B - e*(1 - e)/(1 - 2*e)**2/B",
                apart("B"),
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
        symbols=words.RATE
        | {
            "x": "ℓ(h)",
            "y": "ℓ(−h)",
            "h": "margin",
            "target": "target margin of IPO",
            "p": "clean preference probability",
        },
        definitions={"squared": "(h - target)**2", "q": "(1 - 2*e)*p + e"},
        steps=[
            identity("any loss", "(1 - e)*((1 - e)*x - e*y)/(1 - 2*e) + e*((1 - e)*y - e*x)/(1 - 2*e)", factored()),
            identity(
                "IPO",
                "((1 - e)*squared - e*at(squared, h=-h))/(1 - 2*e)",
                squared("h"),
            ),
            identity(
                "plain IPO on flipped labels",
                f"d({words.POPULATION.format('squared')}, h)",
                collected("h"),
            ),
        ],
    )
    yield Draft(
        "hinge-not-convex",
        ["rdpo/template-keeps-convexity"],
        "The corrected hinge lies above the middle of its chord from −2 to 0: by ε/(2 − 4ε) at −1.",
        verdict="fails",
        assumes="0 < ε < 1/2",
        symbols=words.RATE,
        definitions={
            "at_minus_two": "((1 - e)*3 - e*0)/(1 - 2*e)",
            "at_minus_one": "((1 - e)*2 - e*0)/(1 - 2*e)",
            "at_zero": "((1 - e)*1 - e*1)/(1 - 2*e)",
        },
        facts=[words.SOME_FLIPS, words.BELOW_HALF],
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
        symbols=words.RATE
        | {"N": "number of rankings", "t": "loss of the true ranking", "y": "loss of the other one of two"},
        indexed={"x": "losses of all rankings"},
        sums={"sum(1)": "N"},
        steps=[
            identity(
                "mean over the replacement",
                f"(1 - e)*{corrected.format('t')} + e/(N - 1)*(sum({corrected.format('x')}) - {corrected.format('t')})",
                factored(),
            ),
            identity("of two", "at(((N - 1 - e)*t - e*y)/((1 - e)*N - 1), N=2)", "((1 - e)*t - e*y)/(1 - 2*e)"),
        ],
    )
