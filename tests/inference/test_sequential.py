"""The judge decides by the rule, exactly when the wealth says so, and keeps interval and verdict consistent."""

import numpy as np
import pytest
from scipy.stats import binom

from lab.inference.betting import log_wealth_path
from lab.inference.sequential import MeanJudge
from tests.inference.streams import STREAMS


def run(judge: MeanJudge, x: np.ndarray, chunk: int = 100) -> str:
    for start in range(0, len(x), chunk):
        if judge.update(x[start : start + chunk]) != "undecided":
            break
    return judge.verdict


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ((0.45, 0.55), "holds"),
        ((0.55, 0.7), "fails"),
        ((0.2, 0.45), "fails"),
        ((0.4999, 0.5001), "undecided"),
        ((-np.inf, 0.55), "holds"),
        ((-np.inf, 0.45), "fails"),
        ((0.45, np.inf), "holds"),
        ((0.55, np.inf), "fails"),
        ((0.0, 1.0), "holds"),
        ((0.0, 0.55), "holds"),
        ((1.5, 2.0), "fails"),
        ((0.5, 0.5), "undecided"),
    ],
)
def test_verdicts_follow_the_rule(claim: tuple[float, float], verdict: str) -> None:
    x = np.random.default_rng(0).uniform(size=20_000)
    judge = MeanJudge(*claim, 0.0, 1.0, 1e-6)
    assert run(judge, x) == verdict
    lower, upper = judge.interval()
    assert lower <= judge.estimate() <= upper or judge.samples == 0
    if verdict == "holds":
        assert claim[0] <= lower
        assert upper <= claim[1]
    elif verdict == "fails":
        assert lower >= claim[1] or upper <= claim[0]
    else:
        assert lower < claim[1]
        assert upper > claim[0]


def test_the_verdict_falls_exactly_when_the_wealth_reaches_the_threshold() -> None:
    """Fed one by one, the judge stops where the path of the log-wealth first passes log(2k/α): no more, no less."""
    x = np.random.default_rng(1).uniform(size=(400, 2))
    claim = np.asarray([0.4, 0.3])
    alpha = 1e-3
    judge = MeanJudge(claim, 1.0, 0.0, 1.0, alpha)
    expected = [int(np.argmax(log_wealth_path(x[:, k], claim[k]) >= np.log(2 * 2 / alpha))) + 1 for k in range(2)]
    reached = [0, 0]
    for t in range(len(x)):
        judge.update(x[t : t + 1])
        for k in range(2):
            if judge.verdicts[k] == "holds" and not reached[k]:
                reached[k] = t + 1
    assert reached == expected
    assert judge.verdict == "holds"


@pytest.mark.parametrize("name", STREAMS)
def test_wrong_verdicts_under_optional_stopping(name: str) -> None:
    """Claims that are just false never hold, and true ones never fail, more often than alpha: every look may stop."""
    stream, alpha, replications = STREAMS[name], 0.2, 40
    rng = np.random.default_rng(5)
    wrong_holds = wrong_fails = 0
    for _ in range(replications):
        x = stream.draw(rng, (200,))
        just_false = MeanJudge(stream.mean + 1e-9, np.inf, 0.0, 1.0, alpha)
        just_true = MeanJudge(stream.mean - 1e-9, stream.mean + 1e-9, 0.0, 1.0, alpha)
        wrong_holds += run(just_false, x, chunk=20) == "holds"
        wrong_fails += run(just_true, x, chunk=20) == "fails"
    limit = binom.isf(1e-6, replications, alpha)
    assert wrong_holds <= limit
    assert wrong_fails <= limit


def test_a_verdict_stays() -> None:
    """Ville's inequality is about the highest wealth ever: later observations cannot take a verdict back."""
    judge = MeanJudge(0.5, 1.0, 0.0, 1.0, 1e-2)
    assert judge.update(np.ones(30)) == "holds"
    assert judge.update(np.zeros(500)) == "holds"
    lower, upper = judge.interval()
    assert lower >= 0.5
    assert judge.samples == 530
    assert judge.estimate() == pytest.approx(30 / 530)
    assert upper < lower  # such a stream has no constant mean, and the empty interval says so


def test_a_long_sample_is_looked_at_each_time_a_sixteenth_is_added_and_when_asked() -> None:
    x = np.random.default_rng(0).uniform(size=2**18)
    asked, fed = (MeanJudge(0.49, 1.0, 0.0, 1.0, 1e-40) for _ in range(2))
    needed = {}
    for start in range(0, len(x), 1024):
        if fed.update(x[start : start + 1024]) == "holds":
            needed.setdefault("fed", fed.samples)
        asked.update(x[start : start + 1024])
        if asked.verdict == "holds":
            needed.setdefault("asked", asked.samples)
    assert 2**16 < needed["asked"] < needed["fed"] <= needed["asked"] * 17 / 16 + 1024
    assert fed.verdict == "holds"


def test_coordinates_combine() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(5000, 3))
    one_wrong = MeanJudge([0.4, 0.4, 0.6], [0.6, 0.6, 0.7], 0.0, 1.0, 1e-6)
    assert one_wrong.update(x) == "fails"
    assert one_wrong.verdicts == ["holds", "holds", "fails"]
    assert one_wrong.estimate().shape == (3,)
    one_open = MeanJudge([0.4, 0.4, 0.4999], [0.6, 0.6, 0.5001], 0.0, 1.0, 1e-6)
    assert one_open.update(x) == "undecided"
    assert MeanJudge([0.4] * 3, 0.6, 0.0, 1.0, 1e-6).update(x) == "holds"


def test_coordinates_share_alpha() -> None:
    """Ten copies of a stream need the threshold of alpha / 10."""
    x = np.full((1000, 1), 0.5)
    single, many = MeanJudge(0.4, 1, 0, 1, 1e-7), MeanJudge([0.4] * 10, 1, 0, 1, 1e-6)
    for t in range(200):
        verdicts = single.update(x[t : t + 1]), many.update(np.broadcast_to(x[t], (1, 10)))
        assert verdicts[0] == verdicts[1]
    assert single.verdict == "holds"


def test_one_sided_range() -> None:
    weights = np.random.default_rng(0).exponential(size=20_000)
    judge = MeanJudge(0.9, np.inf, 0.0, np.inf, 1e-6)
    assert judge.update(weights) == "holds"
    lower, upper = judge.interval()
    assert 0.9 <= lower < 1
    assert np.isinf(upper)
    assert MeanJudge(-np.inf, 0.9, 0.0, np.inf, 1e-6).update(weights) == "fails"
    assert MeanJudge(0.9, 1.1, 0.0, np.inf, 1e-6).update(weights) == "undecided"  # nothing bounds the mean from above
    assert MeanJudge(-np.inf, -0.9, -np.inf, 0.0, 1e-6).update(-weights) == "holds"


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_degenerate_streams(value: float) -> None:
    x = np.full(5000, value)
    assert MeanJudge(value - 0.01, value + 0.01, 0, 1, 1e-6).update(x) == "holds"
    assert MeanJudge(value + 0.01, value + 0.02, 0, 1, 1e-6).update(x) == "fails"
    assert MeanJudge(value, value, 0, 1, 1e-6).update(x) == "undecided"
    known = MeanJudge(value, value, value, value, 1e-6)  # a range of one point is knowledge
    assert known.verdict == "holds"
    assert known.update(x) == "holds"


def test_a_positive_observation_refutes_a_mean_of_zero() -> None:
    judge = MeanJudge(-np.inf, 0.0, 0.0, 1.0, 1e-6)
    assert judge.update(np.zeros(1000)) == "undecided"
    assert judge.update(np.asarray([1e-3])) == "fails"


def test_same_chunks_same_bits_other_chunks_same_decision() -> None:
    x = np.random.default_rng(0).beta(0.3, 2, 30_000)
    runs = [MeanJudge(0.1, 0.2, 0, 1, 1e-6) for _ in range(3)]
    for judge, chunk in zip(runs, (700, 700, 10_000), strict=True):
        for start in range(0, len(x), chunk):
            judge.update(x[start : start + chunk])
    first, again, other = (np.asarray(judge.interval()) for judge in runs)
    assert np.array_equal(first, again)
    # A grid costs below 1e-4 of the growth of the wealth (`lab.inference.sketch`): a bound moves by less of the width.
    assert np.all(np.abs(first - other) <= 1e-4 * (first[1] - first[0]))
    assert {judge.verdict for judge in runs} == {"holds"}


def test_few_observations_do_not_depend_on_the_chunks_at_all() -> None:
    x = np.random.default_rng(0).uniform(size=1000)
    judges = [MeanJudge(0.3, 0.7, 0, 1, 1e-6) for _ in range(2)]
    for judge, chunk in zip(judges, (1000, 7), strict=True):
        for start in range(0, len(x), chunk):
            judge.update(x[start : start + chunk])
    assert np.array_equal(judges[0].interval(), judges[1].interval())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types(dtype: type) -> None:
    x = np.random.default_rng(0).uniform(size=(3000, 2)).astype(dtype)
    judge = MeanJudge(0.4, 0.6, np.zeros(2), np.ones(2), 1e-6)
    assert judge.update(x) == "holds"
    assert judge.update(x[:0]) == "holds"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.6, 0.5, 0, 1, 0.1), "claimed_low"),
        ((np.nan, 0.5, 0, 1, 0.1), "claimed_low"),
        ((0.4, 0.5, 0, 1, 0.0), "alpha"),
        ((0.4, 0.5, 1, 0, 0.1), "low must not exceed high"),
        ((0.4, 0.5, -np.inf, np.inf, 0.1), "one of them must be finite"),
        ((np.zeros((2, 2)), 0.5, 0, 1, 0.1), "shape"),
    ],
)
def test_bad_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MeanJudge(*arguments)


def test_bad_chunks() -> None:
    judge = MeanJudge([0.4, 0.4], 0.6, 0.0, 1.0, 0.1)
    with pytest.raises(ValueError, match=r"chunk has shape \(3,\)"):
        judge.update(np.ones(3))
    with pytest.raises(ValueError, match=r"chunk has shape \(3, 1\)"):
        judge.update(np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"observation 2 \(row 0, column 1\)"):
        judge.update(np.asarray([[0.5, 2.0]]))
    assert judge.samples == 0  # a refused chunk leaves no trace
    assert np.all(np.isnan(judge.estimate()))
