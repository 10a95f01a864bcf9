"""Accelerated preference optimisation: how far its steps go, for every number of steps and every share of momentum."""

from collections.abc import Iterator

from proofs_check.deriving import collected, factored
from proofs_check.lemmas.distributions import gibbs
from proofs_check.writing import Draft, identity, induction, inequality, nonnegative, positive, term

STATE = {
    "alpha": "share of momentum",
    "T": "number of steps",
    "A": "α^T",
    "g": "distance of step T",
    "S": "distance S_T of the output",
}


def drafts() -> Iterator[Draft]:
    yield Draft(
        "exact-law",
        ["apo/exact-law", "apo/extrapolated-policy-is-further", "apo/finite-deficit"],
        "Log-policies move along r/β: a step starts at the extrapolated policy and adds 1, the extrapolated one "
        "adds α times the last step, so the steps are 1, 1 + α, …; by induction the last is (1−α^T)/(1−α) and their "
        "sum S_T is as claimed; the extrapolated policy is α times the last step ahead, and T/(1−α) − S_T = "
        "α(1−α^T)/(1−α)².",
        assumes="each step solves its proximal problem with the true reward; α ≠ 1",
        symbols=STATE | {"before": "S_{T−1}"},
        definitions={"last": "(1 - A)/(1 - alpha)", "total": "(T - alpha*(1 - A)/(1 - alpha))/(1 - alpha)"},
        facts=[nonnegative("share", "alpha")],
        steps=[
            identity("from the extrapolated policy", "(S + alpha*(S - before)) + 1 - S", collected("alpha")),
            induction(
                "one",
                "the last step",
                "g - last",
                "T",
                {"A": "1", "g": "0"},
                {"A": "alpha*A", "g": "1 + alpha*g"},
                keeps=["share"],
            ),
            identity("the next one, by this law", "1 + alpha*last", "at(last, A=alpha*A)"),
            induction(
                "all",
                "their sum, with steps of this law",
                "S - total",
                "T",
                {"A": "1", "S": "0"},
                {"A": "alpha*A", "S": "S + 1 + alpha*last"},
            ),
            identity("ahead", "alpha*last", factored()),
            identity("deficit", "T/(1 - alpha) - total", factored()),
        ],
    )
    yield Draft(
        "full-extrapolation",
        ["apo/full-extrapolation"],
        "At α = 1 the steps are 1, 2, …, T, and S_T = T(T+1)/2.",
        part="the value at α = 1; not that it is the most",
        symbols={"T": "number of steps", "g": "distance of step T", "S": "distance S_T"},
        steps=[
            induction("one", "the last step", "g - T", "T", {"g": "0"}, {"g": "1 + g"}),
            induction("all", "their sum", "S - T*(T + 1)/2", "T", {"S": "0"}, {"S": "S + 1 + T"}),
        ],
    )
    yield Draft(
        "suboptimality",
        ["apo/suboptimality-bound"],
        "π ∝ π_ref e^(Sr/β): S E_π r/β = KL(π‖π_ref) + log Z, with KL ≥ 0 (Gibbs) and log Z ≥ S r(y)/β + log "
        "π_ref(y) for every y.",
        assumes="the true reward; full support; exact-law for S_T",
        symbols={
            "S": "S_T",
            "beta": "KL weight",
            "Z": "log-normaliser",
            "ry": "largest reward",
            "py": "log π_ref of its action",
        },
        indexed={"p": "π", "r0": "π_ref"},
        definitions={"reward": "beta/S*(log(p) - log(r0) + Z)"},
        sums={"sum(p)": "1", "sum(r0)": "1"},
        facts=[
            positive("distance", "S"),
            positive("warm", "beta"),
            positive("policy", "p"),
            positive("reference", "r0"),
            nonnegative("one_term", "Z - S*ry/beta - py", "Z is the logarithm of a sum that contains this term"),
        ],
        steps=[
            gibbs("p", "r0", "policy reference"),
            inequality(
                "gap",
                "the bound",
                "-beta/S*py - (ry - sum(p*reward))",
                term(1, "warm one_term", "distance"),
                term(1, "warm policy gibbs", "distance", sum=True),
            ),
        ],
    )
    yield Draft(
        "no-statistical-gain",
        ["apo/no-statistical-gain"],
        "T Σw² − (Σw)² = T Σ(w − mean w)² ≥ 0 with S_T = Σw, and it is 0 only when all weights agree.",
        part="the inequality; for the equality, only that all weights must agree",
        assumes="errors of one variance, independent from step to step; noise-weights for w",
        symbols={"T": "number of steps"},
        indexed={"w": "weights w_s"},
        sums={"sum(1)": "T"},
        facts=[positive("steps", "T"), nonnegative("square", "(w - sum(w)/T)**2")],
        steps=[inequality("cauchy", "S_T² ≤ T‖w‖²", "T*sum(w**2) - sum(w)**2", term(1, "steps square", sum=True))],
    )
