r"""From real votes to a game: its equilibria, how far a policy is from them, and step sizes that are stable in it.

`wins[i, j]` counts the votes for i against j. Every pair has its own win rate with the prior Beta(c, c), and the votes
are independent: the posterior is $\mathrm{Beta}(w_{ij}+c, w_{ji}+c)$, its mean the estimated game. A pair that was
never compared is left at the prior: even on average, and anything is possible.

Two kinds of interval. Gaps get **guaranteed** ones: they cover with at least the stated probability in every game. For
a policy fixed beforehand Hoeffding's inequality bounds each action's lead; for the equilibrium, which was computed from
the same votes, exact intervals for all win rates at once bound them. Policies and rotations get **posterior** ones,
between two order statistics of draws: they cover with exactly the stated probability on average over the prior.

The equilibrium of an estimated game flatters itself: its gap in that game is 0, in the true one it is not. And an
equilibrium is not linear in the win rates, so that noise also moves it on average; the draws show how much.
Sources: `nash-background`, C3 for the step sizes; the rest is derived here.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lab.arrays import check_between, check_positive
from lab.games.equilibria import NonUniqueEquilibrium, nash_equilibrium, regularised_equilibrium
from lab.games.gaps import check_reference, duality_gap, regularised_gap
from lab.games.local import MODULI, contraction_limit, rotations, stability_limit
from lab.inference.intervals import clopper_pearson
from lab.policies import kl_divergence, optimal_value

SPREAD = np.linspace(0.0, 1.0, 17)  # a game turns at several speeds: steps are made for all up to its largest
ADVISED = ("mirror_descent", "extragradient", "optimistic", "momentum")  # Nash-MD's longer steps are more biased


class Interval(NamedTuple):
    """An estimate and its interval; for policies one number an action."""

    estimate: Any
    low: Any
    high: Any


class StepAdvice(NamedTuple):
    """The step size that contracts fastest near the equilibrium where the game turns as fast as the votes allow, its
    factor a step there, and the limit beyond which the solver leaves the equilibrium (the faster the rotation, the
    lower). Extragradient's is also kept within its guarantee from any start. 0 where no step size is stable."""

    step_size: float
    modulus: float
    limit: Interval


class GameAdvice(NamedTuple):
    """What votes tell of a game. Gaps are two-sided; a bias is the mean over posterior draws less the estimate."""

    preference_matrix: Float[np.ndarray, "actions actions"]
    unseen: int  # pairs that were never compared
    nash: Interval
    nash_bias: Float[np.ndarray, " actions"]
    nash_gap: Interval  # of the estimated equilibrium in the true game; in the estimated one it is 0
    regularised: Interval
    regularised_bias: Float[np.ndarray, " actions"]
    regularised_gap: Interval
    policy_gap: Interval | None
    rotation: Interval  # the largest, at the regularised equilibrium
    beta: float

    @property
    def steps(self) -> dict[str, StepAdvice]:
        """Step sizes for the solvers, from the measured rotation."""
        return {solver: _step(solver, self.rotation, self.beta) for solver in ADVISED}


def advise_game(
    wins: Float[np.ndarray, "..."],
    rng: np.random.Generator,
    *,
    beta: float,
    policy: Float[np.ndarray, " actions"] | None = None,
    log_reference: Float[np.ndarray, " actions"] | None = None,
    prior: float = 1.0,
    unseen: str = "refuse",
    draws: int = 399,
    level: float = 0.95,
) -> GameAdvice:
    """Estimate a game from its votes, a square matrix of counts.

    `policy` (probabilities) is one whose gap is asked for; the reference of the regularised game is uniform when left
    out; `prior` is c, so many votes each way in every pair.

    Votes of one person on several pairs are not independent: the intervals are then too short.

    Raises ValueError for counts that are not whole and non-negative, votes of an action against itself, pairs never
    compared (unless unseen is "prior"), or a policy that does not sum to 1.
    """
    wins, missing = _checked(wins, unseen)
    check_positive(beta=beta, prior=prior, draws=draws)
    check_between(0.0, 1.0, open_low=True, open_high=True, level=level)
    _rank(draws, level)
    actions = len(wins)
    reference = np.full(actions, -np.log(actions)) if log_reference is None else np.asarray(log_reference, float)
    check_reference(reference)

    advantage = (wins - wins.T) / (wins + wins.T + 2.0 * prior) / 2.0
    policy_gap = None if policy is None else _policy_gap(advantage, wins, policy, level)
    sampled = _draw(wins + prior, rng, draws)
    box = _simultaneous(wins, level)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonUniqueEquilibrium)
        nash = nash_equilibrium(advantage).policy
        nash_draws = np.stack([nash_equilibrium(one).policy for one in sampled])
    everything = np.concatenate([advantage[None], sampled])
    references = np.broadcast_to(reference, (draws + 1, actions))
    log_policies = np.asarray(regularised_equilibrium(everything, references, beta=beta).log_policy)
    regularised, regularised_draws = np.exp(log_policies[0]), np.exp(log_policies[1:])
    largest = np.asarray(rotations(everything, log_policies))[..., 0]

    with np.errstate(divide="ignore"):
        log_nash = np.log(nash)
    own = regularised_gap(sampled, log_policies[0], reference, beta=beta)
    return GameAdvice(
        preference_matrix=0.5 + advantage,
        unseen=missing,
        nash=_posterior(nash, nash_draws, level),
        nash_bias=nash_draws.mean(axis=0) - nash,
        nash_gap=Interval(float(np.mean(duality_gap(sampled, log_nash))), *_gap_of_leads(box, nash)),
        regularised=_posterior(regularised, regularised_draws, level),
        regularised_bias=regularised_draws.mean(axis=0) - regularised,
        regularised_gap=Interval(
            float(np.mean(np.asarray(own))), *_regularised_gap_of_leads(box, regularised, reference, beta)
        ),
        policy_gap=policy_gap,
        rotation=_posterior(largest[0], largest[1:], level),
        beta=beta,
    )


def _checked(wins: np.ndarray, unseen: str) -> tuple[np.ndarray, int]:
    wins = np.asarray(wins, float)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or len(wins) < 2:
        raise ValueError(f"wins has shape {wins.shape}: must be square, with at least two actions")
    check_between(0.0, float("inf"), open_high=True, wins=wins)
    if not np.array_equal(wins, np.round(wins)):
        raise ValueError("wins must be whole numbers: count a tied vote for neither, or twice with one win each")
    if np.any(np.diagonal(wins) > 0):
        raise ValueError(f"wins of action {int(np.argmax(np.diagonal(wins) > 0))} against itself: must be 0")
    if unseen not in ("refuse", "prior"):
        raise ValueError(f"unseen = {unseen!r}: must be 'refuse' or 'prior'")
    never = np.argwhere(np.triu(wins + wins.T == 0, 1))
    if len(never) and unseen == "refuse":
        raise ValueError(
            f"wins: {len(never)} of {len(wins) * (len(wins) - 1) // 2} pairs were never compared, the first of them "
            f"{tuple(int(i) for i in never[0])}; unseen='prior' leaves them at the prior"
        )
    return wins, len(never)


def _draw(shape: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Games from the posterior, as exactly skew-symmetric advantages."""
    first, second = np.triu_indices(len(shape), 1)
    rates = rng.beta(shape[first, second], shape[second, first], size=(draws, len(first)))
    advantage = np.zeros((draws, *shape.shape))
    advantage[:, first, second] = rates - 0.5
    return advantage - np.swapaxes(advantage, 1, 2)


def _simultaneous(wins: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on the advantages that hold for all pairs at once with the stated probability."""
    pairs = len(wins) * (len(wins) - 1) // 2
    low, high = clopper_pearson(wins, wins + wins.T, alpha=(1.0 - level) / pairs)
    np.fill_diagonal(low, 0.5)
    np.fill_diagonal(high, 0.5)
    return low - 0.5, high - 0.5


def _gap_of_leads(box: tuple[np.ndarray, np.ndarray], policy: np.ndarray) -> tuple[float, float]:
    """The gap grows with every lead, and a lead with every advantage."""
    low, high = (2.0 * float(np.max(bound @ policy)) for bound in box)
    return max(low, 0.0), high


def _regularised_gap_of_leads(
    box: tuple[np.ndarray, np.ndarray], policy: np.ndarray, log_reference: np.ndarray, beta: float
) -> tuple[float, float]:
    cost = beta * kl_divergence(np.log(policy), log_reference)
    low, high = (2.0 * float(optimal_value(bound @ policy, log_reference, beta=beta) + cost) for bound in box)
    return max(low, 0.0), high


def _policy_gap(advantage: np.ndarray, wins: np.ndarray, policy: np.ndarray, level: float) -> Interval:
    r"""Hoeffding: a lead $\sum_j\pi_jA_{yj}$ is a sum over votes of range $\pi_j/n_{yj}$, and off by t with probability
    at most $e^{-2t^2/\sum_j\pi_j^2/n_{yj}}$. The lower end needs all leads' bounds, the upper only the largest's."""
    policy = np.asarray(policy, float)
    actions = len(wins)
    check_between(0.0, 1.0, policy=policy)
    if policy.shape != (actions,) or abs(policy.sum() - 1.0) > 1e-9:
        raise ValueError(
            f"policy has shape {policy.shape} and sum {policy.sum():g}: must be {actions} numbers that sum to 1"
        )
    votes = wins + wins.T
    seen = votes > 0
    shares = np.divide(wins, votes, out=np.full_like(wins, 0.5), where=seen) - 0.5
    leads = shares @ policy
    others = ~seen & ~np.eye(actions, dtype=bool)
    unknown = 0.5 * others @ policy  # win rates that nobody measured lie anywhere in [0, 1]
    spread = np.sum(np.divide(policy**2, votes, out=np.zeros_like(wins), where=seen), axis=1)
    alpha = (1.0 - level) / 2.0
    below, above = (np.sqrt(spread * np.log(k / alpha) / 2.0) + unknown for k in (actions, 1))
    low, high = 2.0 * np.max(leads - below), 2.0 * np.max(np.minimum(leads + above, 0.5))
    return Interval(2.0 * float(np.max(advantage @ policy)), max(float(low), 0.0), float(high))


def _posterior(estimate: Any, sampled: np.ndarray, level: float) -> Interval:
    """Between two order statistics of the draws: the truth and D draws are exchangeable under the prior, so that it
    lies between the r-th smallest and the r-th largest with probability (D + 1 − 2r)/(D + 1)."""
    rank, draws = _rank(len(sampled), level), len(sampled)
    ordered = np.sort(sampled, axis=0)
    low, high = ordered[rank - 1], ordered[draws - rank]
    if np.ndim(estimate) == 0:
        return Interval(float(estimate), float(low), float(high))
    return Interval(estimate, low, high)


def _rank(draws: int, level: float) -> int:
    rank = math.floor((1.0 - level) / 2.0 * (draws + 1) + 1e-9)
    if rank < 1:
        raise ValueError(f"draws = {draws}: level {level:g} needs at least {math.ceil(2 / (1 - level) - 1e-9) - 1}")
    return rank


def _step(solver: str, rotation: Interval, beta: float) -> StepAdvice:
    modulus = MODULI[solver]
    limits = [stability_limit(modulus, beta=beta, rotation=turn * SPREAD) for turn in rotation]
    estimate, high, low = (float(limit) for limit in limits)
    if low == 0.0:
        return StepAdvice(0.0, 1.0, Interval(estimate, low, high))
    longest = min(low, float(contraction_limit(beta=beta))) if solver == "extragradient" else min(low, 2.0 / beta)
    steps = np.linspace(0.0, longest, 1001)[1:-1]
    found = np.max(modulus(steps[:, None], beta=beta, rotation=rotation.high * SPREAD), axis=-1)
    best = int(np.argmin(found))
    return StepAdvice(float(steps[best]), float(found[best]), Interval(estimate, low, high))
