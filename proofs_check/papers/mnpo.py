"""Multiplayer Nash preference optimisation: best responses, and optima with several anchors."""

from collections.abc import Iterator

from proofs_check.deriving import factored, summed
from proofs_check.lemmas.distributions import gibbs
from proofs_check.writing import Draft, identity, inequality, positive, term


def drafts() -> Iterator[Draft]:
    value = "sum({0}*q) - tau*sum({0}*(log({0}) - r0))"
    yield Draft(
        "gap",
        ["mnpo/gap-closed-form"],
        "With b ∝ π_ref exp(q/τ) for the mean win rates q against the opponents, the value of any policy o is τZ − "
        "τ KL(o‖b): the gap of π is τ KL(π‖b), and 0 exactly at b.",
        assumes="τ > 0; payoffs are pairwise averages; full support",
        symbols={"tau": "KL weight", "Z": "log-normaliser of the best response"},
        indexed={"o": "any policy", "b": "best response", "r0": "log π_ref"},
        definitions={"q": "tau*(log(b) - r0 + Z)"},
        sums={"sum(o)": "1", "sum(b)": "1"},
        facts=[positive("warm", "tau"), positive("other", "o"), positive("best_response", "b")],
        steps=[
            identity("value of the best response", value.format("b"), factored()),
            identity("gap", f"{value.format('b')} - ({value.format('o')})", summed()),
            gibbs("o", "b", "other best_response"),
            inequality(
                "never_negative", "the gap", "tau*sum(o*(log(o) - log(b)))", term(times="warm other gibbs", sum=True)
            ),
        ],
    )
    objective = "sum({0}*reward) - t0*sum({0}*(log({0}) - r0)) - t1*sum({0}*(log({0}) - r1))"
    yield Draft(
        "several-anchors",
        ["mnpo/several-anchors"],
        "With log b = (R + τ₀ log π_ref + τ₁ log π₁)/τ − c and τ = τ₀ + τ₁, the objective of o is its value at b "
        "less τ KL(o‖b). More anchors enter through Στ_i log π_i alone.",
        part="the reference and one more anchor",
        assumes="τ > 0; full support",
        symbols={"t0": "weight of the reference", "t1": "weight of another anchor", "c": "constant"},
        indexed={"o": "any policy", "b": "the optimum", "r0": "log π_ref", "r1": "log π₁"},
        definitions={"tau": "t0 + t1", "reward": "tau*(log(b) + c) - t0*r0 - t1*r1"},
        sums={"sum(o)": "1", "sum(b)": "1"},
        facts=[positive("weight", "tau"), positive("other", "o"), positive("best", "b")],
        steps=[
            identity("its value", objective.format("b"), factored(tau="t0")),
            identity(
                "loss of another",
                f"{objective.format('b')} - ({objective.format('o')})",
                summed(tau="t0"),
            ),
            gibbs("o", "b", "other best"),
            inequality(
                "loses", "not negative", "tau*sum(o*(log(o) - log(b)))", term(times="weight other gibbs", sum=True)
            ),
        ],
    )
