"""The condition on PAGE's noise in variance-reduced Halpern iteration, for every number n of components but 3 and 4.

The sums of the condition satisfy s_{k−1} = (1 − p_k)(a_k + s_k); a sequence that is at least as large at every step
bounds them. The condition's own right side is such a sequence for n ≥ 17; fewer components need some sums in numbers.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

from proofs_check.deriving import polynomial
from proofs_check.writing import Draft, identity, inequality, nonnegative, positive, term


def drafts() -> Iterator[Draft]:
    """s_{k-1} = (1 − p_k)(a_k + s_k) ≤ b B_k (3k − 1): the right side is a supersolution for all n ≥ 17."""
    slack = (
        "b*({0} + 2)*({0} + 3)*(3*{0} - 1) - {1}*(({0} + 3)*({0} + 4)*({0} + 6) + b*({0} + 3)*({0} + 4)*(3*{0} + 2))"
    )
    first, second = slack.format("k", "k/(k + 4)"), slack.format("later", "(m + 1)/(m + 5)")
    definitions, few = few_components()
    yield Draft(
        "noise",
        ["vr-halpern/noise-condition"],
        "The sums s_k of the condition satisfy s_{k−1} = (1−p_k)(a_k + s_k); if bB_k(3k−1) ≥ (1−p_k)(a_k + "
        "bB_{k+1}(3k+2)) at every step, then s_k ≤ bB_{k+1}(3k+2), the condition. For n ≥ 17 this holds while k − 1 "
        "≤ √n, p_k = 4/(k+4), where b ≥ 5 and b ≥ k − 1, and afterwards, p = 4/(√n+5) and k = √n + 1 + r, for √n ≥ "
        "5 and for 4 ≤ √n ≤ 5. For n = 2 and 5 to 16, with a fraction above √n in place of √n (which makes the sums "
        "larger), it holds from a step on, and the sums before are compared one by one.",
        assumes="n = 2 or n ≥ 5; the batch is the least b ≥ √n; k ≥ 2",
        symbols={"k": "step, while k − 1 ≤ √n", "b": "batch", "m": "√n", "r": "steps beyond"},
        definitions={"later": "m + 1 + r", "inside": "12*later**2 + (11 - 9*m)*later - 10*m - 18"} | definitions,
        facts=[
            nonnegative("step", "k - 2"),
            positive("plus_three", "k + 3"),
            positive("three_k", "3*k - 2"),
            nonnegative("five", "b - 5", "n ≥ 17"),
            nonnegative("batch", "b - (k - 1)", "b ≥ √n ≥ k − 1", case="k ≥ 6"),
            nonnegative("late", "k - 6", case="k ≥ 6"),
            nonnegative("early", "5 - k", case="k ≤ 5"),
            nonnegative("beyond", "r"),
            positive("root", "m"),
            positive("plus_five", "m + 5"),
            positive("later_step", "later + 3"),
            nonnegative("above_root", "b - m"),
            nonnegative("large", "m - 5", case="√n ≥ 5"),
            nonnegative("from_four", "m - 4", case="4 ≤ √n ≤ 5"),
            nonnegative("to_five", "5 - m", case="4 ≤ √n ≤ 5"),
        ],
        steps=[
            inequality(
                "up_to_5",
                "n ≥ 17, k ≤ 5",
                first,
                term(times="plus_three three_k five"),
                term(1, "plus_three step early"),
                term(2, "plus_three step"),
                term(4, "plus_three"),
                strict=True,
            ),
            inequality(
                "from_6",
                "n ≥ 17, 6 ≤ k ≤ √n + 1",
                first,
                term(times="plus_three three_k batch"),
                term(2, "plus_three late late"),
                term(13, "plus_three late"),
                term(8, "plus_three"),
                strict=True,
            ),
            inequality(
                "factor",
                "the factor of b below",
                "inside",
                term(3, "root root"),
                term(16, "root"),
                term(5),
                term(15, "root beyond"),
                term(35, "beyond"),
                term(12, "beyond beyond"),
                strict=True,
            ),
            inequality(
                "large_root",
                "√n ≥ 5, k > √n + 1",
                second,
                term(1, "later_step above_root factor", "plus_five"),
                *second_phase_large(),
                strict=True,
            ),
            inequality(
                "small_root",
                "4 ≤ √n ≤ 5, k > √n + 1",
                second,
                term(1, "later_step five factor", "plus_five"),
                *second_phase_small(),
                strict=True,
            ),
            *few,
        ],
    )
    yield too_few_components()


def second_phase_large() -> list[dict[str, Any]]:
    """m·inside − (m+1)(k+4)(k+6) at k = m + 1 + r, written in m − 5 and r, times (k + 3)/(m + 5)."""
    rest = "m*(12*{0}**2 + (11 - 9*m)*{0} - 10*m - 18) - (m + 1)*({0} + 4)*({0} + 6)".format("(m + 1 + beyond)")
    return polynomial(rest, {"m": "large + 5", "beyond": "beyond"}, times="later_step", over="plus_five")


def second_phase_small() -> list[dict[str, Any]]:
    """5·inside − (m+1)(k+4)(k+6), written in m − 4 and 5 − m; times (k + 3)/(m + 5)."""
    parts = {
        "to_five from_four from_four": 1,
        "to_five from_four": 11,
        "to_five": 10,
        "": 80,
        "to_five from_four beyond": 2,
        "from_four beyond": 43,
        "beyond": 375,
        "to_five beyond beyond": 1,
        "beyond beyond": 54,
    }
    return [term(weight, f"later_step {facts}", "plus_five") for facts, weight in parts.items()]


def root_above(n: int) -> Fraction:
    """A fraction with denominator 100 that is at least √n."""
    return Fraction(math.isqrt(n * 10_000 - 1) + 1, 100)


def sums(n: int, last: int, tail: str) -> tuple[dict[str, str], list[str]]:
    """Definitions of s_last, …, s_1 from the last one down, and their names by index."""
    lines, names = {f"s_{n}_{last}": tail}, [f"s_{n}_{last}"]
    for k in range(last, 1, -1):
        kept = f"{k}/{k + 4}" if (k - 1) ** 2 <= n else f"keep_{n}"
        lines[f"s_{n}_{k - 1}"] = f"{kept}*({(k + 3) * (k + 4) * (k + 6)} + s_{n}_{k})"
        names.append(f"s_{n}_{k - 1}")
    return lines, names[::-1]


def few_components() -> tuple[dict[str, str], list[dict[str, Any]]]:
    """n = 2 and 5, …, 16: sums from a step on at which the right side is a supersolution, and exact numbers before."""
    definitions: dict[str, str] = {}
    steps = []
    for n in (2, *range(5, 17)):
        root, batch = root_above(n), math.isqrt(n - 1) + 1
        keep = (root + 1) / (root + 5)
        last = next(k for k in range(2, 200) if (k - 1) ** 2 > n and suffices(n, batch, keep, k))
        lines, names = sums(n, last, str(batch * (last + 3) * (last + 4) * (3 * last + 2)))
        definitions |= {f"root_{n}": str(root), f"keep_{n}": f"(root_{n} + 1)/(root_{n} + 5)"} | lines
        values = evaluate(n, batch, keep, last)
        gap = root**2 - n
        if gap:
            steps.append(
                inequality(
                    f"root_{n}_above", f"n = {n}: at least its root", f"root_{n}**2 - {n}", term(gap), strict=True
                )
            )
        else:
            steps.append(identity(f"n = {n}: its root", f"root_{n}**2", str(n)))
        a, b, c, d = slack(batch, keep, last)
        k = f"({last + 1} + r)"
        steps.append(
            inequality(
                f"tail_{n}",
                f"n = {n}: the right side bounds all sums from step {last} on",
                f"{batch}*({k} + 2)*({k} + 3)*(3*{k} - 1) - keep_{n}*(({k} + 3)*({k} + 4)*({k} + 6) + {batch}*({k} "
                f"+ 3)*({k} + 4)*(3*{k} + 2))",
                term(a),
                term(b, "beyond"),
                term(c, "beyond beyond"),
                term(d, "beyond beyond beyond"),
                strict=True,
            )
        )
        for j in range(1, last):
            allowed = batch * (j + 3) * (j + 4) * (3 * j + 2)
            steps.append(
                inequality(
                    f"sum_{n}_{j}",
                    f"n = {n}, j = {j}",
                    f"{batch}*{(j + 3) * (j + 4)}*{3 * j + 2} - {names[j - 1]}",
                    term(allowed - values[j]),
                    strict=True,
                )
            )
    return definitions, steps


def suffices(n: int, batch: int, keep: Fraction, last: int) -> bool:
    """The right side is a supersolution beyond this step, and the sums that start there are small enough."""
    values = evaluate(n, batch, keep, last)
    small = all(values[j] < batch * (j + 3) * (j + 4) * (3 * j + 2) for j in range(1, last))
    return small and all(x > 0 for x in slack(batch, keep, last))


def slack(batch: int, keep: Fraction, last: int) -> list[Fraction]:
    """Coefficients in r of the supersolution's slack at k = last + 1 + r (a cubic: the k⁴ terms do not occur)."""

    def at(r: int) -> Fraction:
        k = last + 1 + r
        own = batch * (k + 2) * (k + 3) * (3 * k - 1)
        return own - keep * ((k + 3) * (k + 4) * (k + 6) + batch * (k + 3) * (k + 4) * (3 * k + 2))

    y = [at(r) for r in range(4)]
    d1 = [b - a for a, b in pairwise(y)]
    d2 = [b - a for a, b in pairwise(d1)]
    d3 = d2[1] - d2[0]
    return [y[0], d1[0] - d2[0] / 2 + d3 / 3, d2[0] / 2 - d3 / 2, d3 / 6]


def evaluate(n: int, batch: int, keep: Fraction, last: int, tail: Fraction | None = None) -> dict[int, Fraction]:
    """The sums s_1, …, s_last."""
    found = {last: Fraction(batch * (last + 3) * (last + 4) * (3 * last + 2)) if tail is None else tail}
    for k in range(last, 1, -1):
        kept = Fraction(k, k + 4) if (k - 1) ** 2 <= n else keep
        found[k - 1] = kept * ((k + 3) * (k + 4) * (k + 6) + found[k])
    return found


def too_few_components() -> Draft:
    """n = 4: the sum for j = 1, cut off after some terms, is already too large."""
    n, batch, keep = 4, 2, Fraction(3, 7)
    for last in range(2, 60):
        values = evaluate(n, batch, keep, last, Fraction(0))
        j = next((j for j in range(1, last) if values[j] > batch * (j + 3) * (j + 4) * (3 * j + 2)), 0)
        if j:
            break
    lines, names = sums(n, last, "0")
    allowed = batch * (j + 3) * (j + 4) * (3 * j + 2)
    used = {name: x for name, x in lines.items() if name in names[j - 1 :]}
    used[names[last - 2]] = f"keep_4*{(last + 3) * (last + 4) * (last + 6)}"
    del used[names[last - 1]]
    return Draft(
        "noise-too-few",
        ["vr-halpern/noise-condition-every-size"],
        f"For n = 4 and j = {j} the sum, cut off at k = {last}, already exceeds the right side.",
        verdict="fails",
        definitions={"keep_4": "(2 + 1)/(2 + 5)"} | used,
        steps=[
            inequality(
                "exceeds",
                "too large",
                f"{names[j - 1]} - {batch}*{(j + 3) * (j + 4)}*{3 * j + 2}",
                term(values[j] - allowed),
                strict=True,
            )
        ],
    )
