"""Solvers of preference games: exact identities of their steps."""

from collections.abc import Iterator

from proofs_check.deriving import factored
from proofs_check.lemmas import games
from proofs_check.writing import Draft, identity, inequality, nonnegative, positive, term


def drafts() -> Iterator[Draft]:
    yield from bilinear()
    yield from moduli()
    yield from divergences()
    yield from equilibria()


def bilinear() -> Iterator[Draft]:
    yield Draft(
        "bilinear",
        [
            "nash-background/bilinear-descent",
            "nash-background/bilinear-proximal",
            "nash-background/bilinear-extragradient",
        ],
        "On min max xy: descent–ascent goes to (x − ηy, y + ηx), the proximal point method solves for its next "
        "point, extragradient uses the gradient at the half step.",
        symbols={"x": "first player", "y": "second player", "eta": "step"},
        definitions={
            "xh": "x - eta*y",
            "yh": "y + eta*x",
            "xp": "(x - eta*y)/(1 + eta**2)",
            "yp": "(y + eta*x)/(1 + eta**2)",
        },
        facts=[
            positive("step", "eta", case="0 < η < 1"),
            positive("below_one", "1 - eta", case="0 < η < 1"),
            positive("more", "1 + eta", case="0 < η < 1"),
        ],
        steps=[
            identity("descent–ascent", "xh**2 + yh**2", factored()),
            identity("proximal point, first equation", "xp", "x - eta*yp"),
            identity("proximal point, second equation", "yp", "y + eta*xp"),
            identity("proximal point", "xp**2 + yp**2", factored()),
            identity("extragradient", "(x - eta*yh)**2 + (y + eta*xh)**2", factored()),
            inequality(
                "contracts", "below 1", "1 - (1 - eta**2 + eta**4)", term(times="step step below_one more"), strict=True
            ),
        ],
    )


def moduli() -> Iterator[Draft]:
    yield games.local_rate("rate-nash-md", ["nash-background/rate-of-nash-md"], "nash-md")
    yield Draft(
        "rate-proximal-point",
        ["nash-background/rate-of-the-proximal-point", "nash-background/proximal-factor"],
        "An outer step solves next = now + B(next)/τ with B turning the plane by ω: the squared length falls by "
        "τ²/(τ² + ω²). F3 has ω² = 12/275: 0.186 at τ = 1/10 and 0.958 at τ = 1.",
        assumes=games.LINEAR,
        symbols={"tau": "τ", "omega": "ω", "y": "first coordinate of the next point", "z": "second one"},
        definitions={"cube": "2/5*(2/5)*(3/10)/(11/10)", "factor": "tau**2/(tau**2 + omega**2)"},
        steps=[
            identity("squared length before", "(y + omega*z/tau)**2 + (z - omega*y/tau)**2", "(y**2 + z**2)/factor"),
            identity("F3", "cube", factored()),
            identity("at τ = 1/10", "(1/10)**2/((1/10)**2 + cube)", factored()),
            identity("at τ = 1", "1/(1 + cube)", factored()),
        ],
    )


def divergences() -> Iterator[Draft]:
    proximal = {
        "symbols": {"tau": "temperature", "c": "constant of normalisation"},
        "indexed": {"n": "π_{t+1}", "s": "π*", "ls": "log π*", "lp": "log π_t", "a": "Aπ_{t+1}"},
        "definitions": {"ln": "lp + a/tau + c", "fall": "sum(s*(ls - lp)) - sum(s*(ls - ln))"},
    }
    yield Draft(
        "proximal",
        ["nash-background/proximal-identity"],
        "log π₊ = log π + Aπ₊/τ + c with π*'Aπ₊ = 0 (Aπ* = 0) and π₊'Aπ₊ = 0: both sides are c.",
        assumes="π* plays every action, so that Aπ* = 0",
        sums={"sum(s)": "1", "sum(n)": "1", "sum(s*a)": "0", "sum(n*a)": "0"},
        steps=[identity("fall of the divergence", "fall", "sum(n*(ln - lp))")],
        **proximal,
    )
    yield Draft(
        "proximal-monotone",
        ["nash-background/proximal-monotone"],
        "As proximal, with π*'Aπ₊ = −π₊'Aπ* ≥ 0 at an equilibrium: the divergence falls by at least KL(π₊‖π), which "
        "is not negative (Gibbs).",
        sums={"sum(s)": "1", "sum(n)": "1", "sum(n*a)": "0"},
        facts=[nonnegative("equilibrium", "sum(s*a)", "Aπ* ≤ 0"), positive("warm", "tau")],
        steps=[inequality("falls", "at least", "fall - sum(n*(ln - lp))", term(times="equilibrium", over="warm"))],
        **proximal,
    )
    yield Draft(
        "nash-md-step",
        ["nash-background/nash-md-step"],
        "log μ = (1−ηβ)log π + ηβ log π_ref + c, log π₊ = log μ + ηPμ − L, and L = log E_μ e^(ηPμ) ≤ η/2 + η²/8: "
        "KL(π_β‖π₊) ≤ (1−ηβ)KL(π_β‖π) + η²/8 ≤ … + 2η².",
        assumes="ηβ ≤ 1, exact payoffs, full support; Hoeffding's lemma (proved in `hoeffding`)",
        symbols=games.STEP | {"c": "constant", "L": "log-normaliser", "gain": "π_β'Pμ"},
        indexed={"s": "π_β", "m": "mixture μ", "ls": "log π_β", "lp": "log π_t", "r0": "log π_ref", "q": "Pμ"},
        definitions={
            "lm": "(1 - eta*beta)*lp + eta*beta*r0 + c",
            "ln": "lm + eta*q - L",
            "after": "sum(s*(ls - ln))",
            "before": "sum(s*(ls - lp))",
        },
        sums={"sum(s)": "1", "sum(m)": "1", "sum(s*q)": "gain"},
        facts=[
            positive("step", "eta"),
            nonnegative("mild", "1 - eta*beta"),
            nonnegative("hoeffding", "eta/2 + eta**2/8 - L", "Hoeffding's lemma"),
            nonnegative("equilibrium", "gain - 1/2 - beta*sum(s*(ls - r0)) + beta*sum(m*(lm - r0))", "V(π_β, μ) ≥ 1/2"),
            nonnegative("divergence", "sum(m*(lm - lp))", "KL(μ‖π)"),
        ],
        steps=[
            inequality(
                "sharper",
                "with η²/8",
                "(1 - eta*beta)*before + eta**2/8 - after",
                term(times="hoeffding"),
                term(times="step equilibrium"),
                term(times="mild divergence"),
            ),
            inequality(
                "step_bound",
                "with 2η²",
                "(1 - eta*beta)*before + 2*eta**2 - after",
                term(times="sharper"),
                term("15/8", "step step"),
            ),
        ],
    )


def equilibria() -> Iterator[Draft]:
    yield Draft(
        "unbiased-solvers",
        ["nash-background/unbiased-solvers"],
        "With θ = θ_ref + Pπ/β, one step of mirror descent, (1−ηβ)θ + ηβθ_ref + ηPπ, gives θ back; so the half step of "
        "extragradient or optimism gives it back, and the full step, with the same payoffs, too.",
        symbols=games.STEP,
        indexed={"ref": "θ_ref", "payoff": "Pπ of the equilibrium"},
        definitions={"theta": "ref + payoff/beta"},
        steps=[identity("a step", "(1 - eta*beta)*theta + eta*beta*ref + eta*payoff", factored(theta="ref"))],
    )
    yield Draft(
        "magnetic",
        ["nash-background/magnetic-is-mirror-descent"],
        "[θ + ηαθ_μ + ηPπ]/(1 + ηα) = (1 − ρα)θ + ραθ_μ + ρPπ with ρ = η/(1 + ηα).",
        symbols={"eta": "step", "alpha": "strength of the magnet"},
        indexed={"theta": "logits", "magnet": "logits of the magnet", "payoff": "Pπ"},
        definitions={"rho": "eta/(1 + eta*alpha)"},
        steps=[
            identity(
                "a step",
                "(theta + eta*alpha*magnet + eta*payoff)/(1 + eta*alpha)",
                "(1 - rho*alpha)*theta + rho*alpha*magnet + rho*payoff",
            )
        ],
    )
