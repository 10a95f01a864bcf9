"""The exact worst case of Halpern iteration against PEPit: value, relative error, time.

    pip install --target peers PEPit
    python -m benchmarks.halpern_pep peers

Both certify ‖x_N − T x_N‖² ≤ τ ‖x_0 − x_*‖² for N steps; the truth is 4/(N+1)², attained. PEPit solves the semidefinite
program in floating point, with Clarabel and with its default. Ours writes the certificate that solves it in closed form
(multipliers of N + 1 inequalities and a square), and checks it from its text, in exact arithmetic: its value is a
fraction. A second row of ours is the certificate for all N at once, by induction. A value below the truth is no bound.
"""

import sys
import time
from collections.abc import Callable
from fractions import Fraction

from benchmarks.record import median_seconds, record
from proofs_check.checker import check, parse
from proofs_check.ledger import FOLDER
from proofs_check.writing import Draft, inequality, nonnegative, term

STEPS = (5, 10, 25, 50)
SOLVERS = {"Clarabel": {"solver": "CLARABEL"}, "default": {}}


def certificate(steps: int) -> tuple[Fraction, str]:
    """The bound for N steps and the text that proves it."""
    bound = Fraction(4, (steps + 1) ** 2)
    anchored = {f"x{j}": f"(x0 + {j}*t{j - 1})/{j + 1}" for j in range(1, steps + 1)}
    gaps = [nonnegative(f"gap_{j}", f"(x{j} - x{j - 1})**2 - (t{j} - t{j - 1})**2") for j in range(1, steps + 1)] + [
        nonnegative("fixed", f"x{steps}**2 - t{steps}**2")
    ]
    terms = [term(Fraction(2 * j * (j + 1), (steps + 1) ** 2), f"gap_{j}") for j in range(1, steps + 1)]
    draft = Draft(
        f"halpern-{steps}",
        ["vr-halpern/halpern-rate"],
        f"Halpern iteration, {steps} steps",
        [
            inequality(
                "bound",
                "the bound",
                f"{bound}*x0**2 - (x{steps} - t{steps})**2",
                *terms,
                term(Fraction(2, steps + 1), "fixed"),
                term(square=f"x{steps} - t{steps} - 2*x0/{steps + 1}"),
            )
        ],
        vectors={"x0": "start"} | {f"t{j}": f"T x_{j}" for j in range(steps + 1)},
        definitions=anchored,
        facts=gaps,
    )
    return bound, draft.text()


def ours(steps: int) -> Fraction:
    """Write the certificate and check its text; the value is a proven bound."""
    bound, text = certificate(steps)
    check(parse(text))
    return bound


def once(function: Callable[[], object]) -> tuple[object, float]:
    start = time.perf_counter()
    value = function()
    return value, time.perf_counter() - start


def main() -> None:
    sys.path.append(sys.argv[1] if len(sys.argv) > 1 else "peers")
    from PEPit.examples.fixed_point_problems import wc_halpern_iteration

    wc_halpern_iteration(2, **SOLVERS["default"], verbose=-1)  # imports and first compilation are not timed
    everywhere = parse((FOLDER / "vr-halpern" / "rate.toml").read_text(encoding="utf-8"))
    rows = []
    for steps in STEPS:
        truth = Fraction(4, (steps + 1) ** 2)
        value = ours(steps)
        assert value == truth
        seconds = median_seconds(lambda steps=steps: ours(steps), runs=5, warm_up=1)
        rows.append(
            {
                "question": f"N = {steps}: ours, exact certificate",
                "value": float(value),
                "relative_error": float(value / truth - 1),
                "seconds": seconds,
            }
        )
        for name, options in SOLVERS.items():
            (found, _), peer = once(
                lambda steps=steps, options=options: wc_halpern_iteration(steps, **options, verbose=-1)
            )
            rows.append(
                {
                    "question": f"N = {steps}: PEPit, {name}",
                    "value": float(found),
                    "relative_error": float(found) / float(truth) - 1,
                    "seconds": peer,
                    "peer_over_ours": peer / seconds,
                    "against_truth": "below: no bound" if Fraction(float(found)) < truth else "not below",
                }
            )
    rows.append(
        {
            "question": "all N: ours, by induction",
            "value": "4/(N+1)²",
            "relative_error": 0.0,
            "seconds": median_seconds(lambda: check(everywhere), runs=5, warm_up=1),
        }
    )
    record("halpern_pep", rows, "cvxpy", "clarabel", "pepit")


if __name__ == "__main__":
    main()
