"""Exact worst cases of first-order methods for single numbers of steps: tight bounds with rational dual certificates.

The quantities are quadratic in the vectors of a run (and linear in function values). A weighted sum of the inequalities
that define the class, plus a quadratic form with a semidefinite matrix, equals the bound minus the quantity. Each bound
is the value of an attaining instance, so it cannot be improved; the instance also tells the kernel of the matrix.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from proofs_check.rational import Matrix, certificate
from proofs_check.writing import Draft, identity, inequality, nonnegative, term

Vector = list[Fraction]
Step = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """A run's vectors (combinations of basis vectors), the inequalities of its class, the quantity and its bound."""

    basis: dict[str, str]
    definitions: dict[str, str]
    facts: dict[str, tuple[str, Matrix, Vector]]
    bound: Fraction
    quantity: str
    target: Matrix
    goal: Vector
    kernel: Matrix
    values: dict[str, str]


def combination(*parts: tuple[Fraction, Vector]) -> Vector:
    """A sum of multiples of vectors."""
    return [sum((x * v[i] for x, v in parts), Fraction(0)) for i in range(len(parts[0][1]))]


def unit(i: int, size: int) -> Vector:
    """The basis vector i."""
    return [Fraction(int(i == j)) for j in range(size)]


def product(v: Vector, w: Vector) -> Matrix:
    """The symmetric matrix of ⟨v, w⟩ in the basis."""
    return [[(a * d + b * c) / 2 for b, d in zip(v, w, strict=True)] for a, c in zip(v, w, strict=True)]


def weighted(*parts: tuple[Fraction | int, Matrix]) -> Matrix:
    """A sum of multiples of matrices."""
    size = len(parts[0][1])
    return [[sum((x * m[i][j] for x, m in parts), Fraction(0)) for j in range(size)] for i in range(size)]


def minus(v: Vector, w: Vector) -> Vector:
    return combination((Fraction(1), v), (Fraction(-1), w))


def square(v: Vector) -> Matrix:
    return product(v, v)


def drafts() -> Iterator[Draft]:
    yield averaged_draft(range(1, 8), Fraction(1, 2))
    yield averaged_draft(range(1, 8), Fraction(3, 4))
    yield descent_draft(range(1, 6), Fraction(1, 2))
    yield descent_draft(range(1, 8), Fraction(1))
    yield descent_draft(range(1, 6), Fraction(3, 2))
    yield descent_value_draft(range(1, 8))


def averaged(steps: int, weight: Fraction) -> Problem:
    """Krasnoselskii–Mann: x_{j+1} = (1 − t) x_j + t T x_j; the worst T is a rotation."""
    size = steps + 2
    start, images = unit(0, size), [unit(j + 1, size) for j in range(steps + 1)]
    points = [start]
    for j in range(steps):
        points.append(combination((1 - weight, points[j]), (weight, images[j])))
    definitions = {f"x{j + 1}": f"{1 - weight}*x{j} + {weight}*t{j}" for j in range(steps)}
    facts = {}
    for j in range(steps + 1):
        for i in range(j):
            facts[f"apart_{i}_{j}"] = (
                f"(x{i} - x{j})**2 - (t{i} - t{j})**2",
                weighted((1, square(minus(points[i], points[j]))), (-1, square(minus(images[i], images[j])))),
                [],
            )
        facts[f"fixed_{j}"] = (f"x{j}**2 - t{j}**2", weighted((1, square(points[j])), (-1, square(images[j]))), [])
    share = 4 * weight * (1 - weight)
    sine = 1 / (share * (steps + 1))  # sin²(θ/2), at most 1
    bound = Fraction(steps, steps + 1) ** steps / (share * (steps + 1))
    residual = minus(points[steps], images[steps])
    target = weighted((bound, square(start)), (Fraction(-1, 4), square(residual)))
    return Problem(
        {"x0": "start, with the fixed point at 0"} | {f"t{j}": f"T x_{j}" for j in range(steps + 1)},
        definitions,
        facts,
        bound,
        f"((x{steps} - t{steps})/2)**2",
        target,
        [],
        rotation(steps, weight, 1 - 2 * sine),
        {},
    )


def rotation(steps: int, weight: Fraction, cosine: Fraction) -> Matrix:
    """Coordinates of x_0, t_0, …, t_N when T is a rotation: real parts, and imaginary parts over the sine."""
    square_of_sine = 1 - cosine**2
    real, imaginary, point = [Fraction(1)], [Fraction(0)], (Fraction(1), Fraction(0))
    for _ in range(steps + 1):
        a, b = point
        image = (a * cosine - b * square_of_sine, a + b * cosine)
        real.append(image[0])
        imaginary.append(image[1])
        point = ((1 - weight) * a + weight * image[0], (1 - weight) * b + weight * image[1])
    return [real, imaginary] if any(imaginary) and square_of_sine else [real]


def averaged_draft(counts: range, weight: Fraction) -> Draft:
    problems = {steps: averaged(steps, weight) for steps in counts}
    share, last = 4 * weight * (1 - weight), counts[-1]
    forward = weight == Fraction(1, 2)
    attaining = {
        steps: [
            identity(
                f"N = {steps}: attained by a rotation with sin²(θ/2) = s",
                f"at(s*(1 - {share}*s)**{steps}, s={1 / (share * (steps + 1))})",
                str(problem.bound),
            )
        ]
        for steps, problem in problems.items()
    }
    return draft(
        problems,
        f"averaged-{_slug(weight)}",
        ["vr-halpern/averaged-rate", *(["vr-halpern/forward-step-rate"] if forward else [])],
        f"Krasnoselskii–Mann with weight {weight}, N = 1 to {last}: ‖(x_N − Tx_N)/2‖² ≤ "
        f"{_factor(share)}(N/(N+1))^N/(N+1) ‖x_0 − x_*‖², attained by a rotation.",
        f"weight {weight} and N = 1 to {last}" + (" (a forward step with 1/L is the weight 1/2)" if forward else ""),
        "T nonexpansive with the fixed point 0",
        attaining,
        {"s": "sin²(θ/2)"},
    )


def _slug(x: Fraction) -> str:
    return str(x).replace("/", "-")


def _factor(share: Fraction) -> str:
    return "" if share == 1 else f"{1 / share} "


def descent(steps: int, value: bool, step: Fraction = Fraction(1)) -> Problem:
    """Gradient descent with step h/L, L = 1: interpolation inequalities of smooth convex functions, f_* = 0 at 0.

    The worst function is a Huber function, on whose constant slope the run stays, or for large steps a parabola.
    """
    size = steps + 2
    start, slopes = unit(0, size), [unit(j + 1, size) for j in range(steps + 1)]
    points = [start]
    for j in range(steps):
        points.append(combination((Fraction(1), points[j]), (-step, slopes[j])))
    scalars = steps + 1
    zero, none = [Fraction(0)] * size, [Fraction(0)] * scalars
    names = [*map(str, range(steps + 1)), "star"]
    point = dict(zip(names, [*points, zero], strict=True))
    slope = dict(zip(names, [*slopes, zero], strict=True))
    level = dict(zip(names, [*(unit(j, scalars) for j in range(scalars)), none], strict=True))
    constant = 1 / (2 * steps * step + 1) if value else 1 / (steps * step + 1)  # slope of the worst Huber function
    parabola = Fraction(1) - step
    huber, curved = value or constant >= abs(parabola) ** steps, not value and constant <= abs(parabola) ** steps
    ends = [Fraction(1) - j * step * constant for j in range(steps + 1)]
    facts = {}
    for i in names:
        for j in names:
            # On the worst function, the star lies below the tangent elsewhere: only tight inequalities can have weight.
            tight = not huber or j != "star" or (i != "star" and ends[int(i)] == constant)
            if i != j and tight:
                if j == "star":
                    text = f"f{i} - g{i}**2/2"
                elif i == "star":
                    text = f"-f{j} + g{j}*x{j} - g{j}**2/2"
                else:
                    text = f"f{i} - f{j} - g{j}*(x{i} - x{j}) - (g{i} - g{j})**2/2"
                quadratic = weighted(
                    (-1, product(slope[j], minus(point[i], point[j]))),
                    (Fraction(-1, 2), square(minus(slope[i], slope[j]))),
                )
                facts[f"smooth_{i}_{j}"] = (text, quadratic, minus(level[i], level[j]))
    bound = Fraction(1, 4 * steps + 2) if value else max(constant, abs(parabola) ** steps) ** 2
    kernel = [[Fraction(1)] + [constant] * (steps + 1)] if huber else []
    kernel += [[Fraction(1), *(parabola**j for j in range(steps + 1))]] if curved else []
    target = weighted((bound, square(start)), (0 if value else -1, square(slopes[steps])))
    goal = [-x for x in level[str(steps)]] if value else none
    return Problem(
        {"x0": "start, with the minimiser at 0"} | {f"g{j}": f"∇f(x_{j})" for j in range(steps + 1)},
        {f"x{j + 1}": f"x{j} - {step}*g{j}" for j in range(steps)},
        facts,
        bound,
        f"f{steps}" if value else f"g{steps}**2",
        target,
        goal,
        kernel,
        {f"f{j}": f"f(x_{j}) − f_*" for j in range(steps + 1)},
    )


def descent_draft(counts: range, step: Fraction) -> Draft:
    problems = {steps: descent(steps, value=False, step=step) for steps in counts}
    attaining = {}
    for steps, problem in problems.items():
        slope = 1 / (steps * step + 1)
        if slope**2 == problem.bound:
            attaining[steps] = [
                identity(
                    f"N = {steps}: attained by a Huber function of slope s, which begins to fall at x_N",
                    f"at(1 - {steps}*({step})*s, s={slope})",
                    str(slope),
                ),
                identity(f"N = {steps}: its square", f"({slope})**2", str(problem.bound)),
            ]
        else:
            attaining[steps] = [
                identity(
                    f"N = {steps}: attained by a parabola, a step on which multiplies by s",
                    f"at(s**{2 * steps}, s={1 - step})",
                    str(problem.bound),
                )
            ]
    return draft(
        problems,
        f"descent-{_slug(step)}",
        ["vr-halpern/gradient-descent-rate"],
        f"Gradient descent with step {step}/L, N = 1 to {counts[-1]}: ‖∇f(x_N)‖² ≤ max(1/(Nh+1), |1−h|^N)² L²‖x_0 − "
        f"x_*‖² with h = {step}, attained by a Huber function or a parabola.",
        f"h = {step} and N = 1 to {counts[-1]}",
        "f convex and smooth, in units with L = 1",
        attaining,
        {"s": "slope or factor"},
    )


def descent_value_draft(counts: range) -> Draft:
    problems = {steps: descent(steps, value=True) for steps in counts}
    attaining = {
        steps: [
            identity(
                f"N = {steps}: attained by a Huber function of slope s",
                f"at(s*(1 - {steps}*s) - s**2/2, s=1/{2 * steps + 1})",
                str(problem.bound),
            )
        ]
        for steps, problem in problems.items()
    }
    return draft(
        problems,
        "descent-value",
        ["vr-halpern/gradient-descent-value"],
        f"Gradient descent with step 1/L, N = 1 to {counts[-1]}: f(x_N) − f_* ≤ L‖x_0 − x_*‖²/(4N+2), attained by a "
        "Huber function with the slope LD/(2N+1).",
        f"N = 1 to {counts[-1]}",
        "f convex and smooth, in units with L = 1",
        attaining,
        {"s": "slope"},
    )


def draft(
    problems: dict[int, Problem],
    name: str,
    claims: list[str],
    statement: str,
    part: str,
    assumes: str,
    attaining: dict[int, list[Step]],
    symbols: dict[str, str],
) -> Draft:
    """One certificate for several numbers of steps of a method: a run's first vectors are those of a shorter run."""
    steps: list[Step] = []
    needed: dict[str, str] = {}
    for count, problem in problems.items():
        names = list(problem.facts)
        multipliers, slack = certificate(
            problem.target,
            [problem.facts[n][1] for n in names],
            [problem.facts[n][2] for n in names],
            problem.goal,
            problem.kernel,
        )
        used = {n: x for n, x in zip(names, multipliers, strict=True) if x}
        needed |= {n: problem.facts[n][0] for n in used}
        gram = {"basis": list(problem.basis), "matrix": [[str(x) for x in row] for row in slack]}
        steps.append(
            inequality(
                f"bound_{count}",
                f"N = {count}: the bound",
                f"{problem.bound}*x0**2 - {problem.quantity}",
                *(term(x, n) for n, x in used.items()),
                gram=gram,
            )
        )
        steps += attaining[count]
    longest = problems[max(problems)]
    return Draft(
        name,
        claims,
        statement,
        part=part,
        assumes=assumes,
        symbols=symbols | longest.values,
        vectors=longest.basis,
        definitions=longest.definitions,
        facts=[nonnegative(n, x) for n, x in needed.items()],
        steps=steps,
    )
