"""Games of which only votes are known (`lab.games.votes`): intervals of gaps cover, advised step sizes converge."""

import warnings

import numpy as np

from lab.family import log_uniform
from lab.games.families import any_games
from lab.games.game import PreferenceGame
from lab.games.gaps import duality_gap, regularised_gap
from lab.games.play import play
from lab.games.solvers import SOLVERS
from lab.games.stability import StepBeyondLimit
from lab.games.votes import ADVISED, GameAdvice, advise_game
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import mean_at_least

VOTES, LEVEL, DRAWS = 20, 0.8, 9  # a pair; an interval; draws from the posterior, the fewest for this level
ROUNDING = 1e-12  # gaps are sums of a few numbers below 1

games = any_games(reference=1.0, beta=log_uniform(0.05, 1))


def advice(world: PreferenceGame, rng: np.random.Generator, *, counted: int = 1) -> list[GameAdvice]:
    """What is said of each game after a vote on every pair by twenty people, each counted so many times."""
    first, second = np.triu_indices(world.advantage.shape[-1], 1)
    wins = np.zeros(world.advantage.shape)
    wins[:, first, second] = rng.binomial(VOTES, 0.5 + world.advantage[:, first, second])
    wins[:, second, first] = VOTES - wins[:, first, second]
    return [
        advise_game(
            counted * table, rng, beta=float(beta), policy=np.exp(log_reference), log_reference=log_reference,
            draws=DRAWS, level=LEVEL,
        )
        for table, log_reference, beta in zip(wins, world.log_reference, world.beta, strict=True)
    ]  # fmt: skip


@evidence("nash-background/votes-gaps-covered", kind="sampled", over=games, size=32)
def gaps_inside_their_intervals(world: PreferenceGame, draw: Draw, counted: int = 1):
    """Random games, 20 votes a pair: the gaps of the reference and of both estimated equilibria lie inside 80 %
    intervals in at least 80 % of games."""
    found = advice(world, draw.rng, counted=counted)
    with np.errstate(divide="ignore"):
        nash, regularised = (np.log([getattr(one, x).estimate for one in found]) for x in ("nash", "regularised"))
    truths = (
        duality_gap(world.advantage, world.log_reference),
        duality_gap(world.advantage, nash),
        regularised_gap(world.advantage, regularised, world.log_reference, beta=world.beta),
    )
    inside = []
    for truth, name in zip(truths, ("policy_gap", "nash_gap", "regularised_gap"), strict=True):
        _, low, high = np.array([getattr(one, name) for one in found]).T
        inside.append((low <= truth + ROUNDING) & (truth - ROUNDING <= high))
    return mean_at_least(np.stack(inside, axis=-1).astype(float), np.full(3, LEVEL), low=0.0, high=1.0)


gaps_inside_their_intervals.control("each vote counted 100 times", counted=100)

STEPS, ARRIVED = 2000, 1e-9


@evidence("nash-background/votes-step-converges", kind="sampled", over=games, size=32)
def advised_steps_in_the_true_game(world: PreferenceGame, draw: Draw, beyond: bool = False):
    """Random games, 20 votes a pair, level 80 %: within 2,000 advised steps mirror descent, extragradient, optimism and
    momentum come below a gap of 10⁻⁹ in at least 80 % of the games behind the votes."""
    steps = [one.steps for one in advice(world, draw.rng)]
    arrived = []
    for name in ADVISED:
        sizes = [2.0 * one[name].limit.high if beyond else one[name].step_size for one in steps]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StepBeyondLimit)  # the control goes beyond it
            run = play(SOLVERS[name], world, step_size=np.array(sizes), steps=STEPS)
        arrived.append(np.asarray(run.measured)[-1] < ARRIVED)
    return mean_at_least(np.stack(arrived, axis=-1).astype(float), np.full(len(ADVISED), LEVEL), low=0.0, high=1.0)


advised_steps_in_the_true_game.control("twice the upper end of the limit's interval", beyond=True)
