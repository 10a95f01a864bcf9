"""How fast are batched fits of noisy preferences? Against drawing the data alone, against a million single pairs, and
against scikit-learn in a loop.

Run: python -m benchmarks.estimation
"""

import warnings

import jax
import numpy as np

import simulations  # noqa: F401  (float64 in JAX)
from benchmarks.record import median_seconds, record
from lab.estimation.fitting import fit
from lab.objectives.logistic import dpo, robust_dpo
from simulations.rdpo.setting import log_linear_world

DATA_SETS, PAIRS = 1024, 16_000


def main() -> None:
    world = log_linear_world(0.2)
    rng = np.random.default_rng(0)
    x = world.pair_features
    won, lost = world.sample_counts(rng, PAIRS, DATA_SETS)

    def robust() -> None:
        jax.block_until_ready(fit(robust_dpo, x, won, lost, beta=1.0, flip_rate=0.2, radius=20.0).theta)

    draw_uniforms = jax.jit(lambda key: jax.random.uniform(key, (PAIRS * 64,), dtype="float64"))
    draw_pairs = jax.jit(lambda key: world.sample_pairs(key, PAIRS * 64))
    key = jax.random.key(0)
    draw_and_fit = _single_draws(world, x)
    counts = median_seconds(lambda: world.sample_counts(rng, PAIRS, DATA_SETS), runs=5) / DATA_SETS
    ours = median_seconds(robust, runs=5) / DATA_SETS
    uniforms = median_seconds(lambda: jax.block_until_ready(draw_uniforms(key)), runs=5) / 64
    pairs = median_seconds(lambda: jax.block_until_ready(draw_pairs(key)), runs=5) / 64
    whole = median_seconds(lambda: jax.block_until_ready(draw_and_fit(key)), runs=5) / 64
    rows = [
        {"work": f"one uniform number a pair, {PAIRS:,} pairs", "microseconds a data set": 1e6 * uniforms},
        {"work": "the pairs themselves, single draws", "microseconds a data set": 1e6 * pairs},
        {"work": "single draws, counted and fitted", "microseconds a data set": 1e6 * whole},
        {"work": "table of counts drawn (multinomial)", "microseconds a data set": 1e6 * counts},
        {"work": "robust fit of a table, batch of 1024", "microseconds a data set": 1e6 * ours},
        {"work": "scikit-learn, plain loss, one by one", "microseconds a data set": 1e6 * _scikit_learn(x, won, lost)},
    ]
    for row in rows:
        row["against the robust fit"] = row["microseconds a data set"] / (1e6 * ours)
    record("estimation", rows, "scikit-learn")


def _single_draws(world, x):
    """Draw every pair on its own, count, and fit 64 data sets: nothing leaves the compiled program."""
    cells = 2 * x.shape[0]

    @jax.jit
    def run(key):
        pair, first = world.sample_pairs(key, PAIRS * 64)
        cell = jax.numpy.where(pair < 0, cells, 2 * pair + ~first).reshape(64, PAIRS)
        table = jax.vmap(lambda c: jax.numpy.bincount(c, length=cells + 1))(cell)[:, :cells].astype(float)
        return fit(robust_dpo, x, table[:, ::2], table[:, 1::2], beta=1.0, flip_rate=0.2, radius=20.0).theta

    return run


def _scikit_learn(x, won, lost) -> float:
    """Seconds a data set; its plain fit must be ours, or the comparison would be of different work."""
    from sklearn.linear_model import LogisticRegression

    both, labels = np.concatenate([x, x]), np.repeat([1, 0], len(x))
    few = 16

    def loop() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8, max_iter=500)
            return np.stack(
                [model.fit(both, labels, sample_weight=np.concatenate([won[k], lost[k]])).coef_[0] for k in range(few)]
            )

    theirs = loop()
    ours = fit(dpo, x, won[:few], lost[:few], beta=1.0).theta
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)
    return median_seconds(loop, runs=3) / few


if __name__ == "__main__":
    main()
