"""Exact second moments of Algorithm 1, and its steps against a plain NumPy loop on the same work.

    python -m benchmarks.operators

The first rows time the propagation (largest case: 60 dimensions, 400 components, 1,500 iterations) against the Monte
Carlo that would be needed in its place: NumPy runs of the same problem, vectorised over 1,000 replications, timed on
the first 100 iterations (10 of the largest case), after which their standard error is recorded. The last row runs
Algorithm 1 on the policeman-and-burglar game (n = 500), ours as one compiled scan and the peer as the loop that the
authors' scripts are: the same schedule, batch and number of iterations.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.record import median_seconds, record
from lab.operators.finite_sums import average_cocoercivity
from lab.operators.methods import page_halpern
from lab.operators.moments import batch_noise, page_halpern_moments
from lab.operators.problems import policeman_and_burglar
from lab.operators.runs import natural_residual, run
from lab.operators.schedules import anchor_weight, batch_size, reset_probability, step_size_limit

GAME, ITERATIONS = 500, 2000


def propagation(dim: int, components: int, iterations: int) -> dict[str, float | str]:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(components, dim))
    skew = rng.normal(size=(components, dim, dim))
    matrices = a[:, :, None] * a[:, None, :] + 0.1 * (skew - np.swapaxes(skew, 1, 2))
    start = rng.normal(size=dim)
    size = step_size_limit(average_cocoercivity(matrices))
    k = np.arange(iterations)
    anchors, resets = anchor_weight(k), reset_probability(components, k)
    batch = batch_size(components)

    def ours() -> None:
        path = page_halpern_moments(
            batch_noise(matrices, batch=batch), start[:, None], step_size=size,
            anchor_weights=anchors, reset_probabilities=resets,
        )  # fmt: skip
        path.square.block_until_ready()

    few, runs = min(iterations, 100 if dim < 20 else 10), 1000
    mean = matrices.mean(axis=0)

    def sampled() -> np.ndarray:
        u = before = np.tile(start, (runs, 1))
        estimate = u @ mean.T
        for k in range(few):
            if k:
                fresh = np.random.default_rng(k)
                chosen = fresh.integers(components, size=(runs, batch))
                moved = np.zeros_like(u)
                for i in range(batch):  # one component at a time: (runs, dim, dim) fits into memory, the batch does not
                    moved += np.einsum("rij,rj->ri", matrices[chosen[:, i]], u - before)
                reset = fresh.uniform(size=(runs, 1)) < resets[k]
                estimate = np.where(reset, u @ mean.T, estimate + moved / batch)
            before, u = u, anchors[k] * start + (1 - anchors[k]) * u - size * estimate
        return np.sum((u @ mean.T) ** 2, axis=1)

    seconds = median_seconds(ours, runs=5)
    peer = median_seconds(sampled, runs=1, warm_up=0) * iterations / few
    found = sampled()
    return {
        "question": f"second moments, d = {dim}, n = {components}, {iterations} iterations: 1,000 NumPy runs",
        "ours_s": seconds,
        "peer_s": peer,
        "peer_over_ours": peer / seconds,
        "peers_relative_standard_error": float(found.std() / found.mean() / runs**0.5),
    }


def project(y: np.ndarray) -> np.ndarray:
    """The usual NumPy projection onto the simplex: sort, cumulative sum, threshold."""
    u = np.sort(y)[::-1]
    total = np.cumsum(u) - 1.0
    last = np.nonzero(u * np.arange(1, len(y) + 1) > total)[0][-1]
    return np.maximum(y - total[last] / (last + 1), 0.0)


def numpy_game(matrix: np.ndarray, step: float, batch: int, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """Algorithm 1 on a matrix game as a loop, as in the authors' script."""
    n = len(matrix)
    rng = np.random.default_rng(0)
    x0 = x = before_x = np.full(n, 1 / n)
    y0 = y = before_y = np.full(n, 1 / n)
    anchors, resets = anchor_weight(np.arange(iterations)), reset_probability(n, np.arange(iterations))
    for k in range(iterations):
        if rng.uniform() < resets[k]:
            gx, gy = matrix.T @ y, -(matrix @ x)
        else:
            chosen = rng.integers(n, size=batch)
            gx = gx + matrix[chosen].T @ (y[chosen] - before_y[chosen]) * (n / batch)
            gy = gy - matrix[:, chosen] @ (x[chosen] - before_x[chosen]) * (n / batch)
        before_x, before_y = x, y
        x = project(anchors[k] * x0 + (1 - anchors[k]) * x - step * gx)
        y = project(anchors[k] * y0 + (1 - anchors[k]) * y - step * gy)
    return x, y


def game() -> dict[str, float | str]:
    wealth = np.abs(np.random.default_rng(1).normal(size=GAME))
    problem = policeman_and_burglar(GAME, wealth)
    matrix = np.asarray(problem.matrix)
    step, batch = 5.0 / float(np.linalg.norm(matrix)), int(GAME**0.5)
    method, count = page_halpern(step, batch=batch), lambda problem, state: state.iteration
    problem = jax.tree_util.tree_map(jnp.asarray, problem)

    def ours() -> jax.Array:
        found = run(
            method, problem, problem.start(), jax.random.key(0), measure=count, points=1,
            every=ITERATIONS,
        )  # fmt: skip
        return found.final.point.block_until_ready()

    seconds = median_seconds(ours, runs=5)
    peer = median_seconds(lambda: numpy_game(matrix, step, batch, ITERATIONS), runs=5)
    theirs = jnp.concatenate([jnp.asarray(part) for part in numpy_game(matrix, step, batch, ITERATIONS)])
    return {
        "question": f"Algorithm 1, matrix game n = {GAME}, {ITERATIONS} iterations: a NumPy loop",
        "ours_s": seconds,
        "peer_s": peer,
        "peer_over_ours": peer / seconds,
        "ours_residual": float(natural_residual(problem, ours())),
        "peers_residual": float(natural_residual(problem, theirs)),
    }


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    record("operators", [propagation(6, 400, 1500), propagation(60, 400, 1500), game()])


if __name__ == "__main__":
    main()
