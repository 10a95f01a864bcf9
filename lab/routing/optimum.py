r"""The best balanced routing, and the biases that make top-K find it: linear program, exact solver, certificate.

Moving one token from expert k to k' costs at least $w_{kk'} = \min\{\gamma_{ik}-\gamma_{ik'} : x_{ik}=1, x_{ik'}=0\}$.
A routing is optimal for its loads iff no cycle of moves has a negative cost, and biases make top-K choose it iff
$p_{k'} - p_k \le w_{kk'}$: shortest paths between experts are optimal duals. Their mean over all starting experts
satisfies every inequality strictly when the optimum is unique, so top-K routing with it is exactly balanced.

The linear program (HiGHS) is the ground truth for small batches; `balanced_assignment` solves batches that are too
large for it by shortest paths on the graph of experts. Both are certified by `duals`, independently of the solver: the
value of the routing equals the dual function. Source: `alf-lb`, C1 (derived).
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.optimize import linprog

from lab.arrays import Array, check_finite, namespace
from lab.routing.balance import capacity_range
from lab.routing.rules import update
from lab.routing.selection import centred, check_experts_per_token, loads, route


class LinearProgram(NamedTuple):
    """A vertex of the relaxation 0 ≤ x ≤ 1, its value, and the prices of the load rows as biases (centred)."""

    routing: Array
    value: float
    bias: Array


class Assignment(NamedTuple):
    """An optimal routing among the most balanced ones: its value, loads, optimal biases, and how unique it is.

    `slack` is the smallest cost of a cycle of moves away from it: 0 when another routing is as good, infinite when no
    cycle exists.
    """

    routing: Array
    value: float
    load: Array
    bias: Array
    slack: float


def linear_program(scores: Float[np.ndarray, "tokens experts"], *, experts_per_token: int) -> LinearProgram:
    r"""The relaxed assignment problem, solved by scipy's HiGHS.

    Maximise $\sum\gamma x$ over $0\le x\le1$ with row sums K and column sums $L = KT/E$; L need not be a whole number.
    Raises ValueError for scores that are not finite or K > E. Source: `alf-lb`, C1.
    """
    scores = _checked(scores, experts_per_token)
    tokens, experts = scores.shape
    rows = sparse.vstack(
        [
            sparse.kron(sparse.eye_array(tokens), np.ones((1, experts))),
            sparse.kron(np.ones((1, tokens)), sparse.eye_array(experts)),
        ]
    ).tocsr()
    right = np.concatenate([np.full(tokens, 1.0), np.full(experts, tokens / experts)]) * experts_per_token
    # Dual simplex: its answer is a vertex, which interior points need not be.
    found = linprog(-scores.ravel(), A_eq=rows, b_eq=right, bounds=(0, 1), method="highs-ds")
    if not found.success:
        raise RuntimeError(f"HiGHS did not solve the assignment problem: {found.message}")
    # HiGHS minimises −γ, and gives the derivative of the least value by the right-hand side: that is the bias.
    bias = found.eqlin.marginals[tokens:]
    return LinearProgram(found.x.reshape(scores.shape), float(-found.fun), centred(bias))


def exchange_costs(
    scores: Float[Array, "... tokens experts"], routing: Bool[Array, "... tokens experts"]
) -> Float[Array, "... experts experts"]:
    r"""$w_{kk'}$, the least cost of moving one token from k to k'; infinite where no token can move, 0 for k = k'."""
    xp = namespace(scores)
    experts = scores.shape[-1]
    rows = []
    for k in range(experts):
        movable = routing[..., k, None] & ~routing
        cost = xp.min(xp.where(movable, scores[..., k, None] - scores, xp.inf), axis=-2)
        own = xp.arange(experts) == k
        rows.append(xp.where(own, 0.0 * scores[..., 0, :], cost))
    return xp.stack(rows, axis=-2)


def shortest_paths(costs: Float[Array, "... experts experts"]) -> Float[Array, "... experts experts"]:
    """Least cost of a walk between any two experts (Floyd and Warshall); negative on the diagonal on a bad cycle."""
    xp = namespace(costs)
    for k in range(costs.shape[-1]):
        costs = xp.minimum(costs, costs[..., :, k, None] + costs[..., None, k, :])
    return costs


def duals(
    scores: Float[Array, "... tokens experts"], routing: Bool[Array, "... tokens experts"]
) -> Float[Array, "... experts"]:
    """Biases under which top-K chooses this routing, centred: mean shortest path over the starting experts.

    They certify that the routing is optimal for its loads: its Lagrangian equals the dual function. The certificate
    fails for a routing that is not optimal (then some cycle of moves has a negative cost).
    """
    paths = shortest_paths(_bounded(exchange_costs(scores, routing), scores))
    return centred(namespace(paths).mean(paths, axis=-2))


def _bounded(costs: Array, scores: Array) -> Array:
    """Impossible moves as moves that never pay: dearer than E − 1 moves can gain back."""
    xp = namespace(scores)
    spread = xp.max(scores, axis=(-2, -1)) - xp.min(scores, axis=(-2, -1))
    never = (costs.shape[-1] * (1.0 + spread))[..., None, None]
    return xp.where(xp.isfinite(costs), costs, never + 0.0 * xp.where(xp.isfinite(costs), costs, 0.0 * never))


def balanced_assignment(
    scores: Float[np.ndarray, "tokens experts"], *, experts_per_token: int, warm_up: int = 300
) -> Assignment:
    """An optimal routing whose loads differ by at most one token, by successive shortest paths on the experts' graph.

    Starts from the top-K routing under biases from `warm_up` steps of the balancing procedure itself: it is optimal
    for its loads, and stays so while tokens are moved along cheapest paths from experts with too many to experts with
    too few. 4,096 tokens × 64 experts take seconds, where the linear program takes many minutes.
    Raises ValueError for scores that are not finite or K > E.
    """
    scores = _checked(scores, experts_per_token)
    tokens, experts = scores.shape
    low, high = capacity_range(tokens, experts, experts_per_token=experts_per_token)
    bias = _rough_bias(scores, experts_per_token, warm_up)
    moves = _Moves(scores, route(scores, bias, experts_per_token=experts_per_token))
    while (path := _cheapest_path(moves, low, high)) is not None:
        moves.along(path)
    load = loads(moves.routing)
    # One more node where loads may differ: an expert with room keeps one more token, one above `low` gives one up.
    pool = np.full((experts + 1, experts + 1), np.inf)
    pool[:experts, :experts] = moves.costs
    pool[:experts, experts] = np.where(load < high, 0.0, np.inf)
    pool[experts, :experts] = np.where(load > low, 0.0, np.inf)
    pool[experts, experts] = 0.0
    own = shortest_paths(_bounded(pool, scores))
    cycles = shortest_paths(pool)
    cycles = (cycles + cycles.T)[~np.eye(experts + 1, dtype=bool)]
    return Assignment(
        moves.routing,
        float(np.sum(scores[moves.routing])),
        load,
        centred(np.mean(own, axis=0)[:experts]),
        max(float(np.min(cycles)), 0.0),
    )


class _Moves:
    """A routing with the cheapest move of a token between any two experts, kept up to date as tokens move."""

    def __init__(self, scores: np.ndarray, routing: np.ndarray) -> None:
        experts = scores.shape[1]
        self.scores, self.routing = scores, routing.copy()
        self.costs = np.full((experts, experts), np.inf)
        self.token = np.zeros((experts, experts), dtype=int)
        self._refresh(range(experts))

    def along(self, path: list[int]) -> None:
        """Move one token along each edge of the path."""
        edges = [(self.token[a, b], a, b) for a, b in pairwise(path)]
        touched = np.asarray(self.routing[[i for i, _, _ in edges]].any(axis=0))
        for i, a, b in edges:
            self.routing[i, a], self.routing[i, b] = False, True
            touched[b] = True
        self._refresh(np.flatnonzero(touched))

    def _refresh(self, experts: Any) -> None:
        every = np.arange(self.scores.shape[1])
        for k in experts:
            tokens = np.flatnonzero(self.routing[:, k])
            self.costs[k] = np.inf
            if len(tokens):
                own = self.scores[tokens]
                cost = np.where(self.routing[tokens], np.inf, own[:, k, None] - own)
                best = np.argmin(cost, axis=0)
                self.token[k], self.costs[k] = tokens[best], cost[best, every]
            self.costs[k, k] = 0.0


def _cheapest_path(moves: _Moves, low: int, high: int) -> list[int] | None:
    """Experts along the cheapest path that repairs the loads, or that gains without spoiling them; None when done."""
    load = loads(moves.routing)
    costs, after = _paths_with_successors(moves.costs, tolerance=1e-13 * float(np.max(np.abs(moves.scores))))
    if np.any(load > high):
        allowed = (load > high)[:, None] & (load < high)
    elif np.any(load < low):
        allowed = (load > low)[:, None] & (load < low)
    else:
        allowed = (load > low)[:, None] & (load < high) & (costs < -1e-12 * np.max(np.abs(moves.scores)))
    if not np.any(allowed):
        return None
    at, end = np.unravel_index(np.argmin(np.where(allowed, costs, np.inf)), costs.shape)
    path = [int(at)]
    while path[-1] != end:
        path.append(int(after[path[-1], end]))
    return path


def _paths_with_successors(costs: np.ndarray, *, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """As `shortest_paths`, with the next expert on each path; gains below the tolerance are rounding, and ignored."""
    costs, experts = costs.copy(), len(costs)
    after = np.broadcast_to(np.arange(experts), costs.shape).copy()
    for k in range(experts):
        through = costs[:, k, None] + costs[None, k, :]
        better = through < costs - tolerance
        costs = np.where(better, through, costs)
        after = np.where(better, after[:, k, None], after)
    return costs, after


def _rough_bias(scores: np.ndarray, experts_per_token: int, steps: int) -> np.ndarray:
    """Biases near the optimum, by normalised steps that shrink."""
    bias = np.zeros(scores.shape[1])
    spread = float(np.std(scores))
    for n in range(1, steps + 1):
        load = loads(route(scores, bias, experts_per_token=experts_per_token))
        bias = update(bias, load, rule="normalised", rate=spread * n**-0.75)
    return bias


def _checked(scores: np.ndarray, experts_per_token: int) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2:
        raise ValueError(f"scores has shape {scores.shape}: must be (tokens, experts)")
    check_finite(scores=scores)
    check_experts_per_token(experts_per_token, scores.shape[1])
    return scores
