"""The expected dual function of independent scores: a graph Laplacian, strongly convex where scores overlap."""

import numpy as np

from lab.arrays import namespace
from lab.family import Family, family, uniform
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, factor
from lab.routing.uniform_scores import balanced_curvature, hessian, selection_probability
from lab.routing.worlds import TokenStream


def streams(experts: int, experts_per_token: int, width: float = 0.25) -> Family:
    """Streams of 100 tokens with random means."""
    return family(
        TokenStream, means=uniform(-width, width, shape=(experts,)), swing=0.0, period=1.0, tokens=100,
        experts_per_token=experts_per_token,
    )  # fmt: skip


def apart(experts: int, experts_per_token: int) -> Family:
    """The first expert's scores lie above all others': no overlap."""

    def make(means, **rest):
        return TokenStream(means + 1.5 * (np.arange(experts) == 0), **rest)

    make.__module__, make.__qualname__ = __name__, "apart"
    return family(
        make, means=uniform(-0.1, 0.1, shape=(experts,)), swing=0.0, period=1.0, tokens=100,
        experts_per_token=experts_per_token,
    )  # fmt: skip


# Between the ends of the score intervals, the chance of being chosen is a polynomial of degree E in every bias:
# seven points give its derivative exactly for E ≤ 6.
PLACES = np.arange(-3, 4)
DERIVATIVE = np.array([-1 / 60, 3 / 20, -3 / 4, 0.0, 3 / 4, -3 / 20, 1 / 60])


def _separated(means):
    """Means at least 0.04 apart: no end of an interval passes another within the seven points."""
    order = np.argsort(np.argsort(means, axis=-1), axis=-1)
    return means * 0.1 + order * 0.08


def _separated_streams(means, **rest):
    return TokenStream(_separated(means), **rest)


@evidence(
    "alf-lb/hessian-is-a-laplacian", kind="exact", size=64,
    over=family(
        _separated_streams, means=uniform(0, 1, shape=(5,)), swing=0.0, period=1.0, tokens=100, experts_per_token=2
    ),
)  # fmt: skip
def hessian_by_differences(world: TokenStream, one_fewer: bool = False):
    """Exact differences of the chances of being chosen against the integral; symmetric, rows sum to 0, weights ≥ 0."""
    k, step = world.experts_per_token, 0.01
    xp = namespace(world.means)
    formula = hessian(world.means, experts_per_token=k - one_fewer)
    columns = []
    for j in range(world.experts):
        unit = np.eye(world.experts)[j]
        points = [
            weight * selection_probability(world.means + step * place * unit, experts_per_token=k)
            for place, weight in zip(PLACES, DERIVATIVE, strict=True)
        ]
        columns.append(sum(points[1:], start=points[0]) / step)
    off = np.where(np.eye(world.experts, dtype=bool), 0.0, 1.0)
    return (
        equal(xp.stack(columns, axis=-1), formula),
        equal(formula, xp.matrix_transpose(formula)),
        equal(xp.sum(formula, axis=-1), 0.0 * world.means),
        at_most(off * formula, 0.0 * formula),
    )


hessian_by_differences.control("K − 2 of the other experts above, in place of K − 1", one_fewer=True)


@evidence("alf-lb/curvature-at-balance", kind="exact", over=streams(6, 2, 0.0), size=1)
def curvature_for_every_number_of_experts(world: TokenStream, width: float = 0.0):
    """E experts, any K, balanced: every weight of the Laplacian is T/(E − 1), hence μ = TE/(E − 1)."""
    findings = []
    for experts in (2, 3, 6, 8):
        shift = world.means[..., :1] * np.ones(experts) + width * np.linspace(-1, 1, experts)
        weight = np.where(np.eye(experts, dtype=bool), 1.0, -1.0 / (experts - 1))
        for k in range(1, experts):
            findings.append(equal(hessian(shift, experts_per_token=k), weight + 0.0 * shift[..., None]))
    return tuple(findings)


curvature_for_every_number_of_experts.control("away from balance the weights differ", width=0.2)


@evidence("alf-lb/strong-convexity", kind="exact", over=streams(6, 2), size=256, rounding="declared")
def least_curvature(world: TokenStream):
    """Biased means within ±.25 of each other: the second eigenvalue of the Laplacian is at least a fifth of T."""
    curvature = world.hessian(0.0 * world.means)
    second = np.linalg.eigvalsh(curvature)[..., 1]
    # Eigenvalues of symmetric matrices are computed to within a small multiple of u‖H‖.
    return at_most(world.tokens / 5.0, second, error=1e-12 * np.max(np.abs(curvature)))


least_curvature.control("an expert whose scores overlap with none: the graph falls apart", over=apart(6, 2))


@evidence("alf-lb/proportional-stability", kind="rate")
def convergence_of_gradient_steps(draw: Draw, product: float = 1.9):
    """Expected proportional updates with u·λ = 1.9 near balance: the distance shrinks by |1 − uλ| = 0.9 a step."""
    bias = 1e-6 * np.array([3.0, -1.0, 2.0, -2.0, 1.0, -3.0])
    rate, distance = product / balanced_curvature(len(bias)), []
    for _ in range(31):
        distance.append(np.linalg.norm(bias))
        share = selection_probability(bias, experts_per_token=2)
        bias = bias + rate * (np.mean(share) - share)
    return factor(np.arange(31), np.array(distance), between=(0.88, 0.92), predicted=0.9)


convergence_of_gradient_steps.control("u·λ = 2.1: the distance grows", product=2.1)
