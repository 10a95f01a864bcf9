"""Inequalities for finite distributions that several papers use: Gibbs, Pinsker, Hoeffding."""

from collections.abc import Iterator
from typing import Any

from proofs_check.deriving import factored
from proofs_check.writing import Draft, identity, inequality, minimum, monotone, nonnegative, positive, term


def drafts() -> Iterator[Draft]:
    yield pinsker()
    yield hoeffding()


def gibbs(first: str, second: str, facts: str) -> dict[str, Any]:
    """log u ≤ u − 1 at u = second/first, for each action; summed with weights `first` it says KL ≥ 0."""
    value = f"{second}/{first} - 1 - log({second}) + log({first})"
    return minimum("gibbs", "log u ≤ u − 1", value, second, first, term(over=facts))


def pinsker() -> Draft:
    """KL(p‖q) ≥ 2(P − Q)² = ‖p − q‖₁²/2, where P and Q are the weights of the actions with p > q."""
    binary = "P*(log(P) - log(Q)) + (1 - P)*(log(1 - P) - log(1 - Q)) - 2*(P - Q)**2"
    return Draft(
        "pinsker",
        ["egpo/one-step-contraction", "nash-background/predictive-updates"],
        "Grouping: with c = 1 on the actions with p > q and 0 elsewhere, log u ≤ u − 1 for each action "
        "gives KL(p‖q) ≥ P log(P/Q) + (1−P) log((1−P)/(1−Q)); as a function of Q this is least, with 2(P−Q)² taken "
        "off, at Q = P; so KL ≥ 2(P−Q)² = ‖p−q‖₁²/2. And u_i v_j A_ij ≤ |u_i||v_j|/2 for |A_ij| ≤ 1/2.",
        part="Pinsker's inequality, which extragradient-contraction uses",
        assumes="full support, p ≠ q (so that 0 < P, Q < 1)",
        symbols={"P": "Σ p over c = 1", "Q": "Σ q over c = 1", "uv": "|u_i v_j|", "A": "|A_ij|"},
        indexed={"p": "first policy", "q": "second policy", "c": "1 where p > q, else 0"},
        definitions={
            "first": "q/p*P/Q - 1 - log(q) + log(p) - log(P) + log(Q)",
            "rest": "q/p*(1 - P)/(1 - Q) - 1 - log(q) + log(p) - log(1 - P) + log(1 - Q)",
        },
        sums={"sum(p)": "1", "sum(q)": "1", "sum(c*p)": "P", "sum(c*q)": "Q"},
        logarithms={
            "log(p*Q/P)": "log(p) + log(Q) - log(P)",
            "log(p*(1 - Q)/(1 - P))": "log(p) + log(1 - Q) - log(1 - P)",
        },
        facts=[
            positive("p_positive", "p"),
            positive("q_positive", "q"),
            positive("P_positive", "P"),
            positive("Q_positive", "Q"),
            positive("P_below", "1 - P"),
            positive("Q_below", "1 - Q"),
            nonnegative("chosen", "c"),
            nonnegative("left", "1 - c"),
            nonnegative("size", "uv"),
            nonnegative("entry", "1/2 - A"),
        ],
        steps=[
            *_logs("first", "P", "Q"),
            *_logs("rest", "1 - P", "1 - Q"),
            inequality(
                "grouped",
                "the divergence of the two groups is at most that of the policies",
                "sum(p*(log(p) - log(q))) - P*(log(P) - log(Q)) - (1 - P)*(log(1 - P) - log(1 - Q))",
                term(1, "p_positive chosen first_group", sum=True),
                term(1, "p_positive left rest_group", sum=True),
            ),
            minimum("two", "two groups", binary, "Q", "P", term(over="Q_positive Q_below", square="1 - 2*Q")),
            inequality(
                "pinsker",
                "together",
                "sum(p*(log(p) - log(q))) - 2*(P - Q)**2",
                term(times="grouped"),
                term(times="two"),
            ),
            identity("‖p − q‖₁", "sum(c*(p - q)) - (sum(p - q) - sum(c*(p - q)))", factored()),
            inequality("entries", "|u_i v_j A_ij|", "uv/2 - uv*A", term(times="size entry")),
        ],
    )


def _logs(name: str, P: str, Q: str) -> list[dict[str, Any]]:
    """`name`_group: u − 1 − log u ≥ 0 at u = qP/(pQ), as a function of q; it is 0 at q = pQ/P."""
    numerator = "P_positive" if name == "first" else "P_below"
    denominator = "Q_positive" if name == "first" else "Q_below"
    return [
        inequality(
            f"{name}_point",
            "a positive point",
            f"p*({Q})/({P})",
            term(times=f"p_positive {denominator}", over=numerator),
            strict=True,
        ),
        minimum(
            f"{name}_group",
            "log u ≤ u − 1",
            name,
            "q",
            f"p*({Q})/({P})",
            term(times=numerator, over=f"p_positive {denominator} q_positive"),
        ),
    ]


HOEFFDING_FACTS = [
    nonnegative("forward", "eta", "for η < 0 replace q by 1 − q"),
    positive("e_eta", "exp(eta)", "an exponential"),
    positive("w_positive", "exp(q*eta)", "an exponential"),
    nonnegative("low", "q"),
    nonnegative("high", "1 - q"),
    positive("policy", "p"),
    positive("some", "m"),
    nonnegative("rest", "1 - m"),
    positive("normaliser", "Z"),
]


def hoeffding() -> Draft:
    """m η ≤ log E e^(ηq) ≤ m η + η²/8 for q in [0, 1] with mean m."""
    return Draft(
        "hoeffding",
        ["egpo/gap-from-divergence", "inpo/last-iterate-step-sharper", "nash-background/sppo-normaliser"],
        "For q in [0, 1] with mean m under p and η ≥ 0, Z = E e^(ηq): e^(ηq) ≤ 1 − q + q e^η, as both "
        "sides are 1 at η = 0 and their difference grows; so Z ≤ 1 − m + m e^η; and log(1 − m + m e^η) ≤ mη + η²/8, "
        "as the difference is 0 with slope 0 at η = 0 and has the curvature (s − 1/2)² with s = m e^η/(1 − m + m "
        "e^η). From below, log Z ≥ mη (Gibbs).",
        part={
            "egpo/gap-from-divergence": "Hoeffding's lemma, which gap-certifies uses",
            "inpo/last-iterate-step-sharper": "Hoeffding's lemma, which last-iterate-step uses",
        },
        assumes="finitely many actions, full support",
        symbols={"eta": "η", "m": "mean of q", "Z": "E e^(ηq)"},
        indexed={"p": "weights", "q": "values in [0, 1]"},
        definitions={"X": "exp(eta)", "w": "exp(q*eta)", "mix": "1 - m + m*X", "s": "m*X/mix"},
        sums={"sum(p)": "1", "sum(p*q)": "m", "sum(p*exp(q*eta))": "Z"},
        facts=HOEFFDING_FACTS,
        steps=[
            inequality(
                "mixture", "a mean of 1 and e^η", "mix", term(times="rest"), term(times="some e_eta"), strict=True
            ),
            monotone("ratio", "e^(ηq) ≤ e^η", "1 - w/X", "eta", "0", term(times="high w_positive", over="e_eta")),
            monotone(
                "chord", "e^(ηq) lies below its chord", "1 - q + q*X - w", "eta", "0", term(times="low e_eta ratio")
            ),
            inequality("mean", "of the chords", "mix - Z", term(times="policy chord", sum=True)),
            monotone("slope", "m + η/4 ≥ s", "m + eta/4 - s", "eta", "0", term(square="s - 1/2")),
            monotone(
                "bound", "log of the mean of the chord", "m*eta + eta**2/8 - log(mix)", "eta", "0", term(times="slope")
            ),
            minimum(
                "below",
                "log u ≥ 1 − 1/u at u = mix/Z",
                "log(mix) - log(Z) - 1 + Z/mix",
                "Z",
                "mix",
                term(over="mixture normaliser"),
            ),
            inequality(
                "above",
                "Z ≤ mix gives log Z ≤ log mix",
                "log(mix) - log(Z)",
                term(times="below"),
                term(times="mean", over="mixture"),
            ),
            inequality(
                "upper", "the upper bound", "m*eta + eta**2/8 - log(Z)", term(times="bound"), term(times="above")
            ),
            minimum(
                "gibbs",
                "log u ≤ u − 1 at u = w/Z",
                "w/Z - 1 - q*eta + log(Z)",
                "Z",
                "w",
                term(over="normaliser normaliser"),
            ),
            inequality("lower", "the lower bound", "log(Z) - m*eta", term(1, "policy gibbs", sum=True)),
        ],
    )
