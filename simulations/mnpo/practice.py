"""What the experiments add: sampled pairs with a log-linear policy, and players with oracles of their own."""

from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import family, normal, uniform, world
from lab.games.game import bradley_terry_game
from lab.games.multiplayer import unregularised_gaps, win_rates
from lab.games.play import log_mean
from lab.inference.rounding_rules import UNIT
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, mean_at_least, mean_equals
from lab.policies import tabular
from simulations.mnpo.averages import policies_of_play

PAIRS, DIM = 8, 2


@world
class Batch:
    """Feature differences of eight pairs, three past parameters, how likely the first answer wins, and the target c."""

    contrasts: Any
    history: Any
    misfit: Any
    win: Any
    target: Any


batches = family(
    Batch,
    contrasts=normal(1, shape=(PAIRS, DIM)),
    history=normal(1, shape=(3, DIM)),
    misfit=normal(1, shape=(3, PAIRS)),
    win=uniform(0.1, 0.9, shape=(PAIRS,)),
    target=uniform(0.1, 2),
)
LABELS = np.array([[1.0 if outcome >> pair & 1 else -1.0 for pair in range(PAIRS)] for outcome in range(2**PAIRS)])
WEIGHTS = {1: (1.0, 0.0, 0.0), 2: (0.5, 0.5, 0.0), 3: (1 / 3, 1 / 3, 1 / 3)}


def fitted(world: Batch, references: int, *, misfit: bool = False) -> Any:
    """Least squares for Δlog π − Σ λ_j Δlog π_{t−j} = ±c, for all 256 labellings: (worlds, 256, parameters)."""
    xp = namespace(world.contrasts)
    weights = np.array(WEIGHTS[references])
    base = xp.sum(weights[:, None] * world.history, axis=-2)
    offset = xp.sum(world.contrasts * base[..., None, :], axis=-1)
    if misfit:  # past policies that the features cannot express
        offset = offset + xp.sum(weights[:, None] * world.misfit, axis=-2)
    wanted = offset[..., None, :] + world.target[..., None, None] * LABELS
    gram = xp.einsum("...pi,...pj->...ij", world.contrasts, world.contrasts)
    right = xp.einsum("...pi,...lp->...il", world.contrasts, wanted)
    return xp.matrix_transpose(xp.linalg.solve(gram, right)), base


def variance(world: Batch, fits: Any, *, labels: int = 1) -> Any:
    """Trace of the covariance over labels; the mean of several labels a pair divides it."""
    xp = namespace(fits)
    chance = xp.prod(xp.where(LABELS > 0, world.win[..., None, :], 1.0 - world.win[..., None, :]), axis=-1)
    mean = xp.sum(chance[..., None] * fits, axis=-2)
    return xp.sum(chance * xp.sum((fits - mean[..., None, :]) ** 2, axis=-1), axis=-1) / labels


@evidence("mnpo/history-shifts-only-the-mean", kind="exact", over=batches, size=64)
def noise_of_the_fit(world: Batch, misfit: bool = False):
    """Whatever the number of past policies, θ̂ − Σ λ_jθ_{t−j} is the same for every labelling of the pairs."""
    one, base = fitted(world, 1, misfit=misfit)
    findings = []
    for references in (2, 3):
        other, other_base = fitted(world, references, misfit=misfit)
        findings.append(equal(one - base[..., None, :], other - other_base[..., None, :]))
    return tuple(findings)


noise_of_the_fit.control("past policies outside the model", misfit=True)


@evidence("mnpo/more-history-less-variance", kind="exact", over=batches, size=64)
def variance_of_the_fit(world: Batch, labels: int = 1):
    """Variance of the fitted parameters over all labellings: with three past policies below 0.9 of that with one."""
    three, _ = fitted(world, 3)
    one, _ = fitted(world, 1)
    return at_most(variance(world, three, labels=labels), 0.9 * variance(world, one))


variance_of_the_fit.control("three labels a pair, one against each opponent", labels=3)


@evidence("mnpo/more-opponents-more-labels", kind="sampled", size=2**12)
def variance_with_labels_of_each_opponent(draw: Draw, shared: bool = False):
    """One label against each of m = 1, 2, 3 opponents: the squared error of a pair's mean label is 1/m of p(1 − p)."""
    rate = 0.3
    numbers = draw.rng.random((draw.size, 3))
    if shared:
        numbers = numbers[:, :1] + 0.0 * numbers
    wins = (numbers < rate).astype(float)
    errors = np.stack([(np.mean(wins[:, :m], axis=1) - rate) ** 2 for m in (1, 2, 3)], axis=1)
    target = rate * (1 - rate) / np.array([1.0, 2.0, 3.0])
    return mean_equals(errors, target, within=0.05 * target, low=0.0, high=0.49 + 1e-9)


variance_with_labels_of_each_opponent.control("one label used for all opponents", shared=True)

STEPS, TAIL = 3000, 600
# A step rounds a probability by less than 16 units in the last place. The spiral of the mean policy multiplies a
# deviation by √(1 + x²) a step, x = ηω below 0.05 here, so by less than 50 in all; 1,000 leaves room for the start.
GROWN = 16 * UNIT * STEPS * 1e3


@world
class Oracles:
    """Rewards of three judges, each a Bradley–Terry model of its own, and three policies to start from."""

    rewards: Any
    logits: Any

    @property
    def advantages(self) -> Any:
        return bradley_terry_game(self.rewards)


def cyclic_judges() -> Oracles:
    """F7: rewards 3·(2, 1, 0) and its cyclic shifts; each judge is transitive, their mean a cycle of margin 0.136."""
    rewards = 3.0 * np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0]])
    return Oracles(rewards[None], np.log(np.array([[[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.65, 0.2, 0.15]]])))


def one_judge() -> Oracles:
    """The first of them for all three players."""
    judges = cyclic_judges()
    return Oracles(np.repeat(judges.rewards[:, :1], 3, axis=1), judges.logits)


judges = family(Oracles, rewards=normal(1.5, shape=(3, 4)), logits=normal(0.5, shape=(3, 4)))


def played(world: Oracles, step_size: float = 0.3) -> np.ndarray:
    """Policies of Equation 10 with each player's own oracle: (steps, games, players, actions), log-probabilities."""
    return np.asarray(policies_of_play(tabular(world.logits), world.advantages, step_size, STEPS))


@evidence("mnpo/heterogeneous-play-settles", kind="exact", over=cyclic_judges(), rounding="declared")
def movement_at_the_end(world: Oracles):
    """Three transitive judges whose mean is a cycle: no probability moves by 0.01 in the last 600 of 3,000 steps."""
    path = np.exp(played(world))
    late = path[-TAIL:]
    moved = np.max(np.ptp(late, axis=0), axis=(-2, -1))
    gap = np.max(np.asarray(unregularised_gaps(world.advantages, np.log(path[::10]))), axis=-1)
    rate = np.mean(np.asarray(win_rates(world.advantages, np.log(path[::10]))), axis=-1)
    mean = np.mean(path, axis=2)[:, 0]
    error = GROWN
    series = {"path": mean[::3], "largest_gap": gap[:, 0], "mean_win_rate": rate[:, 0]}
    return at_most(moved, 0.01 + 0.0 * moved, error=error, series=series)


movement_at_the_end.control("one of the three judges for all players", over=one_judge())


@evidence("mnpo/heterogeneous-play-is-stationary", kind="exact", over=judges, size=64, rounding="declared")
def largest_gap_at_the_end(world: Oracles, shared: bool = False):
    """Random judges: the largest gap of a player, at the mean policy and at the last, falls below 0.05."""
    if shared:
        world = Oracles(np.repeat(world.rewards[:, :1], 3, axis=1), world.logits)
    path = played(world)
    both = path[-1], log_mean(path[STEPS // 2 :])
    gaps = [np.max(np.asarray(unregularised_gaps(world.advantages, p)), axis=-1) for p in both]
    found = np.minimum(*gaps)
    return at_most(found, 0.05 + 0.0 * found, error=GROWN)


largest_gap_at_the_end.control("one judge for all", shared=True)


@evidence("mnpo/heterogeneous-play-usually-settles", kind="sampled", over=judges, size=256)
def share_of_games_that_settle(world: Oracles, draw: Draw):
    """Random judges over four responses, standard deviation 1.5: in at least 80 % of games the play comes to rest."""
    path = np.exp(played(Oracles(world.rewards, world.logits)))
    late = path[-TAIL:]
    rest = np.max(np.ptp(late, axis=0), axis=(-2, -1)) < 0.01
    return mean_at_least(rest[:, None].astype(float), np.array([0.8]), low=0.0, high=1.0)


def _turned(rewards: Any, logits: Any) -> Oracles:
    """Judges that disagree in turn: cyclic shifts of one ranking, a little disturbed."""
    shifts = 3.0 * np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0]])
    return Oracles(shifts + 0.1 * rewards, logits)


share_of_games_that_settle.control(
    "judges whose rankings are cyclic shifts",
    over=family(_turned, rewards=normal(1, shape=(3, 3)), logits=normal(0.5, shape=(3, 3))),
)
