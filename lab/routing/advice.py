r"""What to set for a log of router scores: optimal biases, achievable balance, noise floor, update rule and rate.

The log is one batch of tokens in the order in which they came. Its best balanced routing gives the optimal biases
(`lab.routing.optimum`). At these, two things decide how fast biases may move: the curvature of the dual function, read
off the tokens that are about to switch, and the variance of the loads. A rate is advised at which the fluctuation that
it causes adds the share `excess` to the variance that batches have anyway. Whether the log is stationary is tested by
the loads of its contiguous parts. Source: `alf-lb`, C1, C5, C6 and C9; the estimates are derived here.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import chi2

from lab.arrays import Array, check_between, check_finite
from lab.routing.balance import capacity_range, max_violation, noise_floor
from lab.routing.optimum import balanced_assignment
from lab.routing.regret import sign_rule_spread
from lab.routing.selection import biased, check_experts_per_token, loads, route


class RoutingAdvice(NamedTuple):
    """Advice for a log of router scores; loads and rates are per batch of `batch` tokens."""

    plain_violation: float  # MaxVio of the log under plain top-K
    achievable_violation: float  # of its most balanced routing: 0 if E divides K·T
    noise_floor: float  # mean MaxVio of batches drawn from the log, under the optimal biases
    random_floor: float  # the same if every set of K experts were as likely
    score_lost: float  # score a token that exact balance costs, in units of the scores
    bias: np.ndarray  # optimal biases, centred (experts,)
    slack: float  # least cost of another routing that is as balanced; 0 when the optimum is not unique
    curvature: tuple[float, float]  # least and largest eigenvalue of the Hessian, tokens a unit of bias
    drift_p_value: float  # of the test that the parts of the log have the same expected loads
    rule: str  # "harmonic" for a stationary log, "sign" for one that drifts
    rate: float  # of that rule
    sign_rate: float  # largest constant rates with no more than the excess asked for
    proportional_rate: float
    start_up_steps: float  # batches that the sign rule needs from biases of 0, max|p*|/u

    @property
    def drifts(self) -> bool:
        """Whether the log is shown not to be stationary."""
        return self.drift_p_value < DRIFT_LEVEL


DRIFT_LEVEL = 1e-3


def advise_routing(
    scores: Float[np.ndarray, "..."],
    rng: np.random.Generator,
    *,
    experts_per_token: int,
    batch: int | None = None,
    excess: float = 0.1,
    parts: int = 8,
    draws: int = 200,
) -> RoutingAdvice:
    """Advice for tokens × experts scores in the order of arrival, as added biases will meet them (affinities).

    batch: tokens of one update (default: the log's). excess: share of the loads' variance that the biases may add.
    Cost: seconds for 4,096 tokens × 64 experts. Raises ValueError for scores that are not finite, K ≥ E (nothing to
    choose), fewer than two tokens a part, an expert that no token can reach, or an excess outside (0, 1].
    """
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2:
        raise ValueError(f"scores has shape {scores.shape}: must be (tokens, experts)")
    tokens, experts = scores.shape
    check_finite(scores=scores)
    check_experts_per_token(experts_per_token, experts)
    if experts_per_token == experts:
        raise ValueError(f"experts_per_token = {experts_per_token}: every token takes all experts, nothing to balance")
    check_between(0.0, 1.0, open_low=True, excess=excess)
    check_between(2.0, tokens / 2, parts=parts)
    batch = tokens if batch is None else batch
    check_between(1.0, float("inf"), batch=batch, draws=draws)

    best = balanced_assignment(scores, experts_per_token=experts_per_token)
    plain = route(scores, np.zeros(experts), experts_per_token=experts_per_token)
    low, high = capacity_range(tokens, experts, experts_per_token=experts_per_token)
    mean = tokens * experts_per_token / experts
    curvature = np.linalg.eigvalsh(switching_hessian(scores, best.bias, experts_per_token=experts_per_token))
    least, largest = (float(x) * batch / tokens for x in (curvature[1], curvature[-1]))
    if not least > 1e-9 * largest:
        raise ValueError(
            "scores: near the optimal biases no token is about to switch between some experts, so that no rate follows "
            "from the log; give more tokens"
        )
    covariance = np.cov(best.routing.T.astype(float), ddof=0)
    deviation = float(np.sqrt(np.mean(np.diag(covariance)) * batch))
    sign_rate = _sign_rate(excess, deviation=deviation, curvature=largest, experts=experts)
    p_value = _drift(best.routing, covariance, parts)
    rule = "sign" if p_value < DRIFT_LEVEL else "harmonic"
    return RoutingAdvice(
        plain_violation=float(max_violation(loads(plain))),
        achievable_violation=high / mean - 1.0 if high > low else 0.0,
        noise_floor=_floor(best.routing, batch, draws, rng),
        random_floor=noise_floor(batch, experts, experts_per_token=experts_per_token),
        score_lost=(float(np.sum(scores[plain])) - best.value) / tokens,
        bias=best.bias,
        slack=best.slack,
        curvature=(least, largest),
        drift_p_value=p_value,
        rule=rule,
        rate=sign_rate if rule == "sign" else 1.0 / least,
        sign_rate=sign_rate,
        # Stationary: λ²v = ελσ²/(2 − ελ), which is `excess` times σ² at ελ = 2x/(1 + x).
        proportional_rate=2.0 * excess / (1.0 + excess) / largest,
        start_up_steps=float(np.max(np.abs(best.bias)) / sign_rate),
    )


def switching_hessian(
    scores: Float[Array, "tokens experts"],
    bias: Float[Array, " experts"],
    *,
    experts_per_token: int,
    share: float = 0.1,
) -> Float[Array, "experts experts"]:
    """Hessian of the dual function of a population, estimated from the tokens nearest to a switch.

    A token switches between its last chosen and its first rejected expert when their biases change by its margin.
    The density of margins at 0 is estimated from the `share` of tokens with the least (at least one token an expert):
    each of the two directions counts half. A graph Laplacian, in tokens a unit of bias. Source: `alf-lb`, C5.
    """
    value = biased(scores, bias)
    tokens, experts = value.shape
    order = np.argsort(-value, axis=-1, stable=True)
    last, first = order[:, experts_per_token - 1], order[:, experts_per_token]
    row = np.arange(tokens)
    margin = value[row, last] - value[row, first]
    count = min(tokens, max(round(share * tokens), experts))
    near = np.argpartition(margin, count - 1)[:count]
    width = float(margin[near].max())
    if width <= 0.0:
        raise ValueError("scores: the tokens nearest to a switch tie, so that the curvature is not defined")
    weight = np.zeros((experts, experts))
    np.add.at(weight, (last[near], first[near]), 0.5 / width)
    weight = weight + weight.T
    return np.diag(weight.sum(axis=1)) - weight


def _sign_rate(excess: float, *, deviation: float, curvature: float, experts: int) -> float:
    """u at which the sign rule's own fluctuation adds the excess: λ · λv = excess · σ²E/(E − 1)."""
    # λv is in proportion to u.
    variance = deviation**2 * experts / (experts - 1)
    return excess * variance / (curvature * sign_rule_spread(1.0, deviation=deviation, experts=experts))


def _drift(routing: Bool[np.ndarray, "tokens experts"], covariance: np.ndarray, parts: int) -> float:
    """p-value of the chi-squared test that contiguous parts of the log have one expected load."""
    inverse = np.linalg.pinv(covariance, rcond=1e-9, hermitian=True)
    mean = routing.mean(axis=0)
    statistic = 0.0
    for part in np.array_split(routing, parts):
        off = part.mean(axis=0) - mean
        statistic += len(part) * float(off @ inverse @ off)
    rank = int(np.linalg.matrix_rank(covariance, tol=1e-9, hermitian=True))
    return float(chi2.sf(statistic, (parts - 1) * rank))


def _floor(routing: np.ndarray, batch: int, draws: int, rng: np.random.Generator) -> float:
    """Mean MaxVio of batches of tokens drawn from the log with replacement, each with its optimal experts."""
    found = [max_violation(loads(routing[rng.integers(0, len(routing), batch)])) for _ in range(draws)]
    return float(np.mean(found))
