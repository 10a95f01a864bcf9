"""How fast and how sharp are the judges? A million observations, samples against the information limit and Hoeffding.

    python -m benchmarks.judges

Samples are those needed to show a one-sided claim about a mean at error 5e-7 (half of a check's share). The information
limit is log(1/alpha) / KL_inf, KL_inf = max over bets of the expected log-growth: on average no valid method for
bounded observations can stop much earlier. Hoeffding's column is the number fixed in advance at which its interval,
centred on the truth, is as wide as the gap. The peer, confseq 0.0.11, is measured when it can be imported; its modules
are plain Python and run from its source distribution (plus the package `multiprocess`).
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import beta

from benchmarks.record import median_seconds, record
from lab.inference import budget
from lab.inference.betting import confidence_sequence, log_wealth_path
from lab.inference.sequential import MeanJudge

MILLION = 10**6
ALPHA = budget.PER_CHECK
MIDDLE = (np.arange(20_000) + 0.5) / 20_000

# Each law as points and probabilities (continuous ones at the middles of 20,000 equal parts).
LAWS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "coin 0.5": (np.array([0.0, 1.0]), np.array([0.5, 0.5])),
    "coin 0.01": (np.array([0.0, 1.0]), np.array([0.99, 0.01])),
    "uniform": (MIDDLE, np.full(20_000, 1 / 20_000)),
    "beta(0.1, 5)": (beta(0.1, 5).ppf(MIDDLE), np.full(20_000, 1 / 20_000)),
    "beta(200, 200)": (beta(200, 200).ppf(MIDDLE), np.full(20_000, 1 / 20_000)),
    "0.1, rarely 1": (np.array([0.1, 1.0]), np.array([0.995, 0.005])),
}


def main() -> None:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for name in LAWS:
        x = draw(rng, name, MILLION)
        plain = median_seconds(lambda x=x: (np.mean(x), np.std(x)))
        drawing = median_seconds(lambda name=name: draw(rng, name, MILLION), runs=3, warm_up=1)
        for label, chunk in (("judge and interval, one chunk", MILLION), ("in chunks of 16,384", 16_384)):
            seconds = median_seconds(lambda x=x, chunk=chunk: judge(x, chunk), runs=5, warm_up=1)
            rows.append(
                {
                    "what": f"1e6 observations: {label}", "law": name, "seconds": seconds,
                    "over mean and deviation": seconds / plain, "over drawing": seconds / drawing,
                }
            )  # fmt: skip
    for name in LAWS:
        for gap in (0.05, 0.2, 1.0):
            for side in ("above", "below"):
                rows += needed(rng, name, gap, side)
    rows += peer(rng)
    record("judges", rows, "confseq")


def draw(rng: np.random.Generator, name: str, size: int | tuple[int, ...]) -> np.ndarray:
    points, weights = LAWS[name]
    if len(points) > 2:
        return points[rng.integers(len(points), size=size)]
    return points[(rng.uniform(size=size) < weights[1]).astype(int)]


def judge(x: np.ndarray, chunk: int) -> Any:
    """A claim that stays undecided: every chunk is judged to the end."""
    mean = float(np.mean(x))
    decider = MeanJudge(mean - 1e-9, mean + 1e-9, 0.0, 1.0, ALPHA)
    for start in range(0, len(x), chunk):
        decider.update(x[start : start + chunk])
    return decider.interval()


def needed(rng: np.random.Generator, name: str, gap: float, side: str) -> list[dict[str, Any]]:
    """Samples to show that the mean lies above (below) a candidate that is `gap` standard deviations lower (higher)."""
    points, weights = LAWS[name]
    if side == "below":
        points = 1 - points  # the mirror image, whose mean is to be shown to lie above
    mean = float(points @ weights)
    deviation = float(np.sqrt(weights @ (points - mean) ** 2))
    candidate = mean - gap * deviation
    if candidate <= 0:
        return []
    alpha = ALPHA / 2
    limit = -np.log(alpha) / information(points, weights, candidate)
    hoeffding = -np.log(alpha) / (2 * (gap * deviation) ** 2)
    stops = []
    for _ in range(30):
        x = draw(rng, name, int(4 * limit) + 200)
        path = log_wealth_path(1 - x if side == "below" else x, candidate)
        reached = path >= -np.log(alpha)
        stops.append(int(np.argmax(reached)) + 1 if reached.any() else np.inf)
    median = float(np.median(stops))
    return [
        {
            "what": "samples to decide", "law": name, "claim": f"{gap:g} deviations {side}", "samples": median,
            "information limit": float(limit), "over limit": median / float(limit),
            "Hoeffding": float(hoeffding), "Hoeffding over ours": float(hoeffding) / median,
        }
    ]  # fmt: skip


def information(points: np.ndarray, weights: np.ndarray, candidate: float) -> float:
    r"""$\max_f \mathbb{E}\log(1 - f + f x/c)$: the fastest growth of any bet against means up to the candidate."""

    def loss(logit: float) -> float:
        f = 1 / (1 + np.exp(-logit))
        return -float(weights @ np.log((1 - f) + f * points / candidate))

    return -minimize_scalar(loss, bounds=(-16.0, 16.0), method="bounded", options={"xatol": 1e-8}).fun


def peer(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Width and time beside those of confseq, on the same observations and error (1e-3)."""
    np.float_ = np.float64  # type: ignore[attr-defined]  # noqa: NPY201  (confseq still uses the name)
    try:
        from confseq.betting import betting_cs
        from confseq.predmix import predmix_empbern_cs
    except ImportError as missing:
        print(f"confseq is not measured: {missing}")
        return []
    methods: dict[str, Callable[[np.ndarray], Any]] = {
        "ours": lambda x: confidence_sequence(x, alpha=1e-3, low=0, high=1),
        "confseq.betting.betting_cs": lambda x: betting_cs(x, alpha=1e-3, running_intersection=True),
        "confseq.predmix.predmix_empbern_cs": lambda x: predmix_empbern_cs(x, alpha=1e-3, running_intersection=True),
    }
    rows = []
    for name, size in (("uniform", 1000), ("uniform", 10_000), ("coin 0.01", 10_000), ("beta(0.1, 5)", 10_000)):
        x = draw(rng, name, size)
        first: dict[str, float] = {}
        for method, compute in methods.items():
            start = time.perf_counter()
            lower, upper = compute(x)
            seconds = time.perf_counter() - start
            width = float(np.ravel(upper)[-1] - np.ravel(lower)[-1])
            first = first or {"width": width, "seconds": seconds}
            rows.append(
                {
                    "what": f"{method}, {size} observations", "law": name, "width": width, "seconds": seconds,
                    "width over ours": width / first["width"], "seconds over ours": seconds / first["seconds"],
                }
            )  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
