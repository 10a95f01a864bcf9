"""The closed-form mixing weight against a numeric minimiser of the same error, in accuracy and time.

    python -m benchmarks.mixing

The peer is `scipy.optimize.minimize_scalar` (bounded, tightest tolerance) on the exact mean squared error of one
problem, and on 10,000 problems one after another, as it has no batched form; ours takes them at once. Both are compared
by the same formula. The other rows time the weight estimated from samples against drawing these samples.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from benchmarks.record import median_seconds, record
from lab.mixing.closed_form import Moments, mean_squared_error, optimal_weight
from lab.mixing.plug_in import weight_over_data

PROBLEMS, DIM, SAMPLES = 10_000, 16, 100_000


def problems(rng: np.random.Generator) -> Moments:
    root = rng.normal(size=(PROBLEMS, 2 * DIM, 2 * DIM)) * rng.uniform(0.02, 0.2, (PROBLEMS, 1, 1))
    joint = root @ root.swapaxes(-1, -2)
    parts = (joint[:, :DIM, :DIM], joint[:, DIM:, DIM:], joint[:, :DIM, DIM:])
    return Moments(*rng.normal(size=(2, PROBLEMS, DIM)) * 0.3, *(np.trace(p, axis1=1, axis2=2) for p in parts))


def numeric(problem: Moments) -> float:
    found = minimize_scalar(
        lambda weight: float(mean_squared_error(weight, *problem)),
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(found.x)


def plain(problem: Moments) -> float:
    """The peer with the cheapest possible objective: the parabola's three numbers, no validation."""
    b, d = problem.bias_empty, problem.bias_trace - problem.bias_empty
    square = d @ d + problem.var_trace + problem.var_empty - 2 * problem.cov
    linear = 2 * (b @ d + problem.cov - problem.var_empty)
    found = minimize_scalar(
        lambda weight: (square * weight + linear) * weight,
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(found.x)


def main() -> None:
    rng = np.random.default_rng(0)
    many = problems(rng)
    one = Moments(*(x[0] for x in many))
    some = [Moments(*(x[i] for x in many)) for i in range(300)]
    ours = optimal_weight(*many)
    theirs = np.array([numeric(problem) for problem in some])
    few = Moments(*(x[:300] for x in many))
    excess = mean_squared_error(theirs, *few) - mean_squared_error(ours[:300], *few)
    rows = []
    seconds = median_seconds(lambda: optimal_weight(*one), runs=31)
    for name, peer in (("scipy bounded, our error", numeric), ("scipy bounded, bare parabola", plain)):
        peer_seconds = median_seconds(lambda peer=peer: peer(one), runs=15)
        rows.append(
            {
                "question": f"one problem: {name}",
                "ours_s": seconds,
                "peer_s": peer_seconds,
                "peer_over_ours": peer_seconds / seconds,
            }
        )
    batch = median_seconds(lambda: optimal_weight(*many))
    each = median_seconds(lambda: [plain(problem) for problem in some], runs=3) / len(some) * PROBLEMS
    rows.append(
        {
            "question": f"{PROBLEMS} problems: scipy, bare parabola, one by one",
            "ours_s": batch,
            "peer_s": each,
            "peer_over_ours": each / batch,
            "largest_weight_difference": float(np.max(np.abs(theirs - ours[:300]))),
            "peers_largest_excess_mse": float(np.max(excess)),
            "ours_largest_excess_mse": float(np.max(-excess)),
        }
    )
    trace, empty = rng.normal(size=(2, SAMPLES, DIM))
    draw = median_seconds(lambda: rng.normal(size=(2, SAMPLES, DIM)))
    estimate = median_seconds(lambda: weight_over_data(trace + 0.1, empty, batch=32))
    rows.append(
        {
            "question": f"weight from {SAMPLES} sampled pairs: drawing them",
            "ours_s": estimate,
            "peer_s": draw,
            "peer_over_ours": draw / estimate,
        }
    )
    record("mixing", rows)


if __name__ == "__main__":
    main()
