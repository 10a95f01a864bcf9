"""Preference games: identities and inequalities that several papers share.

Policies, log-policies and payoffs are indexed by the actions. A = P − 1/2 is skew-symmetric, so that π'Aπ = 0 and
π'Aρ = −ρ'Aπ: these are the sums that a certificate is given.
"""

from collections.abc import Iterator
from typing import Any

from proofs_check.deriving import expanded, factored
from proofs_check.writing import Draft, identity, inequality, minimum, nonnegative, positive, term

Parts = dict[str, Any]

STEP = {"eta": "step", "beta": "temperature"}
SMALL = [positive("step", "eta"), positive("warm", "beta")]


def drafts() -> Iterator[Draft]:
    yield online_ipo()
    yield extragradient_contraction()
    yield multiplicative_weights()
    for method in ("mirror-descent", "extragradient"):
        name = f"local-rate-{method}"
        yield local_rate(name, [f"egpo/{name}", f"nash-background/rate-of-{method}"], method)
    yield descent_limit()
    yield nash_md_is_biased()
    yield bias_of_regularisation()


def online_ipo() -> Draft:
    """The gradient of the pairwise square loss, and the step of gradient descent on it."""
    loss = "2*(sum(r*v**2) - sum(r*v)**2)"
    return Draft(
        "online-ipo",
        ["egpo/gradient-identity", "egpo/sgd-is-extragradient", "inpo/online-ipo-step"],
        "For y, y' independent with law ρ, E(d_y − d_y')² = 2(Σρd² − (Σρd)²) with d = θ − θ_ref − "
        "Pμ/β; its derivative in a direction w is Σ w 4ρ(d − Σρd), so the gradient is 4ρ(d − ρ'd). For uniform ρ a "
        "step of size s is θ + (4s/N)(θ_ref + Pμ/β − θ) up to a constant: η = 4s/(βN).",
        assumes="tabular policies; the laws ρ and μ are held fixed",
        symbols={
            "t": "size along the direction",
            "N": "number of actions",
            "s": "size of a gradient step",
            "beta": "temperature",
            "mean": "mean of d",
            "one": "d_y",
            "two": "d_y'",
        },
        indexed={"r": "ρ", "v": "d", "w": "a direction", "theta": "θ", "ref": "θ_ref", "payoff": "Pμ"},
        definitions={
            "d0": "theta - ref - payoff/beta",
            "eta": "4*s/(beta*N)",
            "descended": "theta - s*4/N*(d0 - mean)",
        },
        sums={"sum(r)": "1"},
        steps=[
            identity("a square of a difference", "(one - two)**2", expanded()),
            identity(
                "mean over independent pairs", "sum(r*v**2)*sum(r) + sum(r)*sum(r*v**2) - 2*sum(r*v)*sum(r*v)", loss
            ),
            identity("gradient", f"at(d(at({loss}, v=v + t*w), t), t=0)", "sum(w*(4*r*(v - sum(r*v))))"),
            identity("a step", "descended", "(1 - eta*beta)*theta + eta*beta*ref + eta*payoff + eta*beta*mean"),
        ],
    )


# The updates of extragradient in logits: half step and full step, from the same point; constants normalise.
EXTRAGRADIENT: Parts = {
    "symbols": STEP
    | {"c1": "constant", "c2": "constant", "c3": "constant", "n1": "‖π_t − π_half‖₁", "n2": "‖π_half − π_next‖₁"},
    "indexed": {
        "h": "π_half",
        "n": "π_next",
        "s": "regularised equilibrium",
        "lp": "log π_t",
        "r0": "log π_ref",
        "ap": "Aπ_t",
        "ah": "Aπ_half",
        "as_": "A of the equilibrium",
    },
    "definitions": {
        "lh": "(1 - eta*beta)*lp + eta*beta*r0 + eta*ap - c1",
        "ln": "(1 - eta*beta)*lp + eta*beta*r0 + eta*ah - c2",
        "ls": "r0 + as_/beta - c3",
        "before": "sum(s*(ls - lp))",
        "after": "sum(s*(ls - ln))",
        "half_to": "sum(h*(lh - ls))",
        "moved": "sum(h*(lh - lp))",
        "returned": "sum(n*(ln - lh))",
        "cross": "sum((ap - ah)*(h - n))",
    },
    "sums": {
        "sum(h)": "1",
        "sum(n)": "1",
        "sum(s)": "1",
        "sum(s*as_)": "0",
        "sum(h*ah)": "0",
        "sum(s*ah)": "-sum(h*as_)",
    },
}


def extragradient_contraction() -> Draft:
    """KL(π*‖π_next) + ηβ KL(π_half‖π*) ≤ (1 − ηβ) KL(π*‖π_t) for η ≤ 1/(β + 1/2)."""
    return Draft(
        "extragradient-contraction",
        ["egpo/one-step-contraction", "nash-background/predictive-updates"],
        "KL(π*‖π₊) = (1−ηβ)KL(π*‖π) − (1−ηβ)KL(π½‖π) − ηβKL(π½‖π*) − KL(π₊‖π½) + η⟨A(π−π½), π½−π₊⟩; "
        "the last term is at most (η/2)‖π−π½‖₁‖π½−π₊‖₁ ≤ (η/2)(KL(π½‖π) + KL(π₊‖π½)), so for η ≤ 1/(β+1/2) "
        "KL(π*‖π₊) + ηβKL(π½‖π*) ≤ (1−ηβ)KL(π*‖π).",
        part={
            "nash-background/predictive-updates": "win rates, for which ‖A‖∞ = 1/2 and the step may be larger, η ≤ 1/"
            "(β + 1/2)"
        },
        assumes="exact payoffs; 0 < η ≤ 1/(β + 1/2); full support; Pinsker's inequality (proved in `pinsker`) and "
        "⟨Au, v⟩ ≤ ‖u‖₁‖v‖₁/2 for entries of A at most 1/2 in size (proved there, entry by entry)",
        facts=[
            *SMALL,
            nonnegative("short", "1 - eta*beta - eta/2", "η ≤ 1/(β + 1/2)"),
            nonnegative("holder", "n1*n2/2 - cross", "entries of A are at most 1/2"),
            nonnegative("pinsker_half", "moved - n1**2/2", "Pinsker"),
            nonnegative("pinsker_next", "returned - n2**2/2", "Pinsker"),
            nonnegative("divergence", "moved", "a divergence"),
            nonnegative("divergence_next", "returned", "a divergence"),
        ],
        steps=[
            identity(
                "exact step",
                "after",
                "(1 - eta*beta)*before - (1 - eta*beta)*moved - eta*beta*half_to - returned + eta*cross",
            ),
            inequality(
                "contraction",
                "a step",
                "(1 - eta*beta)*before - after - eta*beta*half_to",
                term(times="short divergence"),
                term(times="short divergence_next"),
                term(1, "step warm divergence_next"),
                term(1, "step holder"),
                term("1/2", "step pinsker_half"),
                term("1/2", "step pinsker_next"),
                term("1/4", "step", square="n1 - n2"),
            ),
        ],
        **EXTRAGRADIENT,
    )


LINEAR = "full support; near the equilibrium: the statement is about the linear part of a step"
KEPT, TURN = "(1 - eta*beta)", "eta*omega"  # a and x in the words
# Of a step: its squared factor in words, its real and imaginary parts on the plane, and the squared factor.
METHODS = {
    "mirror-descent": ("mirror descent", "a² + x²", KEPT, TURN, f"{KEPT}**2 + ({TURN})**2"),
    "extragradient": (
        "extragradient",
        "(a − x²)² + a²x² = |a(1+ix) − x²|²",
        f"({KEPT} - ({TURN})**2)",
        f"{KEPT}*{TURN}",
        f"({KEPT} - ({TURN})**2)**2 + ({KEPT}*{TURN})**2",
    ),
    "nash-md": ("Nash-MD", "a²(1 + x²)", KEPT, f"{KEPT}*{TURN}", f"{KEPT}**2*(1 + ({TURN})**2)"),
}


def local_rate(name: str, claims: list[str], method: str) -> Draft:
    """By how much a step of a method turns and shrinks near the equilibrium."""
    return Draft(
        name,
        claims,
        "Softmax has the slope π(δ − π'δ) in a direction δ, so the payoffs change by A(diag π − ππ')δ, which turns a "
        f"plane by ω; there a step multiplies the squared length by {METHODS[method][1]}, with a = 1 − ηβ, x = ηω.",
        assumes=LINEAR,
        **rotation(method),
    )


def descent_limit() -> Draft:
    """Up to which step mirror descent contracts."""
    return Draft(
        "mirror-descent-limit",
        ["egpo/mirror-descent-limit", "nash-background/mirror-descent-limit"],
        "1 − a² − x² = η(β² + ω²)(2β/(β² + ω²) − η): the factor is below one exactly for η < 2β/(β² + ω²).",
        assumes=LINEAR,
        **threshold(),
    )


def rotation(method: str) -> Parts:
    """The modulus of a linearised step on the plane where A(diag π − ππ') turns by ±iω: u → ωv, v → −ωu."""
    says, _, real, imaginary, square = METHODS[method]
    # On (u, v) coordinates (y, z): real part times (y, z) plus imaginary part times (−z, y).
    length = f"({real}*y - {imaginary}*z)**2 + ({real}*z + {imaginary}*y)**2"
    return {
        "symbols": STEP
        | {"omega": "ω", "y": "first coordinate", "z": "second coordinate", "t": "size along a direction"},
        "indexed": {"theta": "logits", "delta": "a direction"},
        "definitions": {"W": "exp(theta + t*delta)"},
        "steps": [
            identity("slope of softmax", "at(d(W/sum(W), t), t=0)", "at(W/sum(W)*(delta - sum(W*delta)/sum(W)), t=0)"),
            identity("a second turn", "-omega*(omega*y)", factored()),
            identity(f"{says}: squared factor", length, f"({square})*(y**2 + z**2)"),
        ],
    }


def threshold() -> Parts:
    """1 − a² − x² = η(2β − η(β² + ω²)): mirror descent contracts exactly below 2β/(β² + ω²)."""
    parts = rotation("mirror-descent")
    parts["steps"] += [
        identity(
            "what is left of one",
            "1 - ((1 - eta*beta)**2 + (eta*omega)**2)",
            "eta*(beta**2 + omega**2)*(2*beta/(beta**2 + omega**2) - eta)",
        ),
    ]
    return parts


def nash_md_is_biased() -> Draft:
    """Rock–paper–scissors, reference not uniform: the regularised equilibrium is no fixed point of Nash-MD."""
    return Draft(
        "nash-md-bias",
        ["egpo/nash-md-bias", "nash-background/nash-md-bias"],
        "Rock–paper–scissors: if Az is constant and z sums to 0, z = 0. Were the regularised "
        "equilibrium π a fixed point of Nash-MD, θ_ref + Pμ/β with its mixture μ ∝ π^(1−ηβ)π_ref^(ηβ) would be its "
        "logits, θ_ref + Pπ/β, so A(μ−π) would be constant and μ = π; then log π − log π_ref is constant, π = "
        "π_ref, Aπ_ref is constant, and π_ref − 1/3 = 0.",
        part="that there is a bias, for every step and temperature, on rock–paper–scissors with a reference that is "
        "not uniform",
        symbols=STEP
        | {
            "z1": "first entry",
            "z2": "second entry",
            "z3": "third entry",
            "lp": "log π of an action",
            "lr": "log π_ref of it",
        },
        definitions={"az1": "(z2 - z3)/2", "az2": "(z3 - z1)/2", "az3": "(z1 - z2)/2"},
        steps=[
            identity("the sum of Az", "az1 + az2 + az3", factored()),
            identity("z from Az and its sum", "3*z1", "(z1 + z2 + z3) + 2*az3 - 2*az2"),
            identity("second entry", "3*z2", "(z1 + z2 + z3) + 2*az1 - 2*az3"),
            identity("uniform play is an equilibrium", "at(az1, z2=1/3, z3=1/3)", factored()),
            identity("mixture minus policy, in logs", "(1 - eta*beta)*lp + eta*beta*lr - lp", factored()),
        ],
    )


def multiplicative_weights() -> Draft:
    """KL(π*‖π₊) − KL(π*‖π) = log E e^(ηAπ) ≥ 0."""
    return Draft(
        "multiplicative-weights",
        ["egpo/mirror-descent-spirals", "nash-background/multiplicative-weights-identity"],
        "log π₊ = log π + ηAπ − log Z, and π*'Aπ = 0 as Aπ* = 0: the divergence grows by log Z, Z = E "
        "e^(ηAπ). With w = e^(ηAπ), w ≥ 1 + log w and π'Aπ = 0 give Z ≥ 1, and log Z ≥ 1 − 1/Z ≥ 0.",
        part={"nash-background/multiplicative-weights-identity": "the identity, and ≥ 0 in place of > 0"},
        assumes="π* plays every action, so that Aπ* = 0; full support",
        symbols={"Z": "normaliser"},
        indexed={"p": "π_t", "s": "π*", "ls": "log π*", "lp": "log π_t", "w": "e^(ηAπ_t)"},
        definitions={"u": "log(w)", "ln": "lp + u - log(Z)"},
        sums={"sum(p)": "1", "sum(s)": "1", "sum(s*log(w))": "0", "sum(p*log(w))": "0", "sum(p*w)": "Z"},
        facts=[positive("policy", "p"), positive("weight", "w", "an exponential"), positive("normaliser", "Z")],
        steps=[
            identity("growth", "sum(s*(ls - ln)) - sum(s*(ls - lp))", expanded()),
            minimum("tangent", "w ≥ 1 + log w", "w - 1 - u", "w", "1", term(over="weight")),
            inequality("at_least_one", "Z ≥ 1", "Z - 1", term(times="policy tangent", sum=True)),
            minimum("logarithm", "log Z ≥ 1 − 1/Z", "log(Z) - 1 + 1/Z", "Z", "1", term(over="normaliser normaliser")),
            inequality(
                "away", "never nearer", "log(Z)", term(times="logarithm"), term(times="at_least_one", over="normaliser")
            ),
        ],
    )


def bias_of_regularisation() -> Draft:
    """DualGap(π_β) ≤ 2β [log 1/min π_ref − KL(π_β‖π_ref)], action by action."""
    return Draft(
        "bias-of-regularisation",
        ["egpo/regularisation-bias", "nash-background/bias-of-regularisation"],
        "log π_β = log π_ref + Pπ_β/β − Z and π_β'Pπ_β = 1/2 give (Pπ_β)_y − 1/2 = β[log π_β(y) − log "
        "π_ref(y)] − β KL(π_β‖π_ref) for every action y; with log π_β(y) ≤ 0 and π_ref(y) ≥ min π_ref the gap "
        "2[max(Pπ_β) − 1/2] is bounded.",
        assumes="finitely many actions, full support",
        symbols={
            "beta": "temperature",
            "Z": "log-normaliser",
            "least": "log min π_ref",
            "ly": "log π_β(y)",
            "ry": "log π_ref(y)",
        },
        indexed={"p": "π_β", "lp": "log π_β", "r0": "log π_ref"},
        definitions={"q": "beta*(lp - r0 + Z)", "qy": "beta*(ly - ry + Z)", "divergence": "sum(p*(lp - r0))"},
        sums={"sum(p)": "1"},
        facts=[
            positive("warm", "beta"),
            nonnegative("probability", "-ly"),
            nonnegative("above_least", "ry - least"),
        ],
        steps=[
            identity("win rate of an action", "qy - sum(p*q)", "beta*(ly - ry) - beta*divergence"),
            inequality(
                "gap",
                "bounded",
                "2*beta*(-least - divergence) - 2*(qy - sum(p*q))",
                term(2, "warm probability"),
                term(2, "warm above_least"),
            ),
        ],
    )
