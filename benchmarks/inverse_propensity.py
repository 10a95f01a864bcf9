"""What do checked inverse-propensity estimators and honest intervals cost on a million logged rows?

Each estimator runs against the plain NumPy line that computes the same number and checks nothing; the intervals run
against the bootstrap of `obp` with its default 10,000 resamples, when obp is installed. obp's interval is timed with
100 resamples and multiplied, its cost being that of the resamples.

Run: python -m benchmarks.inverse_propensity
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from benchmarks.record import median_seconds, record
from lab.recommenders.clip_advice import advise_clip
from lab.recommenders.intervals import honest_interval, normal_interval
from lab.recommenders.inverse_propensity import inverse_propensity_mean, self_normalised_mean

ROWS, ITEMS = 1_000_000, 10
RESAMPLES, TIMED_RESAMPLES = 10_000, 100


def main() -> None:
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.full(ITEMS, 0.7))
    action = rng.choice(ITEMS, ROWS, p=chances)
    propensity = chances[action]
    reward = (rng.random(ROWS) < 0.1 + 0.05 * action).astype(float)
    target = rng.uniform(0.0, 0.2, ROWS)
    even = 1.0 / ITEMS

    rows = [
        compare("inverse propensity", lambda: inverse_propensity_mean(reward, propensity),
                lambda: np.mean(reward / propensity)),
        compare("inverse propensity, constant target", lambda: inverse_propensity_mean(reward, propensity, target=even),
                lambda: np.mean(reward * even / propensity)),
        compare("inverse propensity, target of each row",
                lambda: inverse_propensity_mean(reward, propensity, target=target),
                lambda: np.mean(reward * target / propensity)),
        compare("clipped at 0.05", lambda: inverse_propensity_mean(reward, propensity, clip=0.05),
                lambda: np.mean(reward / np.maximum(propensity, 0.05))),
        compare("self-normalised", lambda: self_normalised_mean(reward, propensity),
                lambda: np.sum(reward / propensity) / np.sum(1 / propensity)),
    ]  # fmt: skip
    intervals = [
        ("normal interval", lambda: normal_interval(reward, propensity, target=even)),
        ("honest interval", lambda: honest_interval(reward, propensity, target=even)),
        ("advice on the clip, 64 candidates", lambda: advise_clip(reward, propensity, rng, target=even)),
    ]
    peer = obp_seconds(reward, action, propensity, even)
    for name, function in intervals:
        seconds = median_seconds(function)
        row: dict[str, Any] = {"work": name, "milliseconds": 1e3 * seconds}
        if peer is not None:
            row |= {"peer": "obp bootstrap interval", "peer milliseconds": 1e3 * peer[1], "ratio": seconds / peer[1]}
        rows.append(row)
    if peer is not None:
        ours = median_seconds(lambda: inverse_propensity_mean(reward, propensity, target=even))
        rows.append({"work": "inverse propensity, constant target", "milliseconds": 1e3 * ours, "peer": "obp estimate",
                     "peer milliseconds": 1e3 * peer[0], "ratio": ours / peer[0]})  # fmt: skip
    record("inverse_propensity", rows, "obp")


def compare(name: str, ours: Callable[[], Any], plain: Callable[[], Any], *, runs: int = 101) -> dict[str, Any]:
    """Medians and fastest times of both, run alternately: other work on the machine only makes a run slower."""
    np.testing.assert_allclose(ours(), plain(), rtol=1e-10)
    times: list[tuple[float, float]] = []
    for _ in range(runs):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        plain()
        times.append((middle - start, time.perf_counter() - middle))
    columns = list(zip(*times, strict=True))
    (mine, theirs), (best, best_peer) = ([1e3 * take(column) for column in columns] for take in (median, min))
    row = {"work": name, "milliseconds": mine, "peer": "NumPy line", "peer milliseconds": theirs}
    return row | {"ratio": mine / theirs, "fastest": best, "fastest peer": best_peer}


def obp_seconds(
    reward: np.ndarray, action: np.ndarray, propensity: np.ndarray, even: float
) -> tuple[float, float] | None:
    """Seconds of obp's estimate and of its bootstrap interval; None when obp is not installed."""
    try:
        from obp.ope import InverseProbabilityWeighting
    except ImportError:
        return None
    log = {
        "reward": reward, "action": action, "pscore": propensity, "position": np.zeros(ROWS, dtype=int),
        "action_dist": np.full((ROWS, ITEMS, 1), even),
    }  # fmt: skip
    estimator = InverseProbabilityWeighting()
    np.testing.assert_allclose(
        estimator.estimate_policy_value(**log), inverse_propensity_mean(reward, propensity, target=even), rtol=1e-10
    )
    estimate = median_seconds(lambda: estimator.estimate_policy_value(**log))
    interval = median_seconds(
        lambda: estimator.estimate_interval(**log, n_bootstrap_samples=TIMED_RESAMPLES, random_state=0),
        runs=3,
        warm_up=1,
    )
    return estimate, estimate + (interval - estimate) * RESAMPLES / TIMED_RESAMPLES


if __name__ == "__main__":
    main()
