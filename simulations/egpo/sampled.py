"""The authors' simulations with sampled gradients and tables, at their own settings, five solvers (C3, C4).

100 draws an update, 100,000 updates at β = 0.01, s = 2e-4; the size of a check is the number of updates, a quarter of
them in the quick profile. All checks but the last read the same run, whose random numbers have a seed of their own; 48
games stand in for the authors' ten, so that a median has an interval.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from lab.games.conventions import step_from_sgd
from lab.games.equilibria import regularised_equilibrium
from lab.games.game import PreferenceGame
from lab.games.gaps import close_divergence
from lab.games.protocol import Setting, as_coded, play_many
from lab.games.sampled_losses import NAMES, SAMPLES
from lab.games.sampled_protocol import ACTIONS, BLOCK, race
from lab.games.sampling_floor import Floor, predicted
from lab.inference.rates import median_interval
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import Interval, at_most, interval
from simulations.egpo.protocol import METHODS, slowest_moduli
from simulations.egpo.worlds import authors_games

WEIGHT, RATE, UPDATES, GAMES = 0.01, 2e-4, 100_000, 48
STEP = float(step_from_sgd(RATE, beta=WEIGHT, actions=ACTIONS))  # η = 0.008, ηβ = 8e-5: eight time constants
ROUNDING = 1e-12  # of a gap: ten terms of 1e-16 times logits below 100 and their squares


class Tables(NamedTuple):
    """The games with tables, their equilibria, and what a run of all methods gives: (methods, games) each.

    final: mean gap over the last quarter; gap, divergence: means over the second half; curves: means over ten updates
    in one game, (methods, points), with the last of the ten at `points`.
    """

    world: PreferenceGame
    log_equilibrium: np.ndarray
    updates: int
    final: np.ndarray
    gap: np.ndarray
    divergence: np.ndarray
    points: np.ndarray
    curves: np.ndarray
    shown: int

    def floor(self, name: str, samples: int = SAMPLES) -> Floor:
        return predicted(
            np.asarray(self.world.advantage), self.log_equilibrium, beta=WEIGHT, rate=RATE, draws=samples,
            trial=name == "EGPO",
        )  # fmt: skip

    @property
    def setting(self) -> Setting:
        return as_coded(RATE, beta=WEIGHT, steps=self.updates)


@lru_cache
def with_tables(updates: int) -> Tables:
    """A run from the reference, as many updates as wanted but no more than the authors'."""
    updates = min(updates, UPDATES)
    world = authors_games(beta=WEIGHT).draw(np.random.default_rng(0), GAMES)
    equilibrium = np.asarray(regularised_equilibrium(world.advantage, world.log_reference, beta=WEIGHT).log_policy)
    found = race(world, equilibrium, jax.random.key(0), rate=RATE, updates=updates)
    half, quarter = found.gap.shape[0] // 2, found.gap.shape[0] // 4
    # The game in the middle of the floors that theory expects, at 250 of its points.
    run = Tables(
        world, equilibrium, updates, found.gap[-quarter:].mean(axis=0), found.gap[-half:].mean(axis=0),
        found.divergence[-half:].mean(axis=0), np.empty(0), np.empty(0), 0,
    )  # fmt: skip
    shown = int(np.argsort(run.floor("EGPO").gap)[GAMES // 2])
    points = np.arange(0, found.gap.shape[0], found.gap.shape[0] // 250)
    return run._replace(
        points=BLOCK * (points + 1), curves=np.asarray(found.gap[points, :, shown]).T.copy(), shown=shown
    )


@lru_cache
def with_exact_gradients(updates: int) -> tuple[np.ndarray, np.ndarray]:
    """The same games with exact gradients: gaps after the last update and means over the second half."""
    run = with_tables(updates)
    (found,) = play_many(run.world.advantage, run.world.log_reference, (run.setting,))
    gaps = np.stack([np.asarray(found.gaps[METHODS[name]]) for name in NAMES])
    return gaps[:, -1], gaps[:, -run.updates // 2 :].mean(axis=1)


@evidence("egpo/sampled-ends-nearest", kind="rate", size=UPDATES)
def final_gaps_with_tables(draw: Draw, others: tuple[str, ...] = NAMES[1:]):
    """In every game EGPO's mean gap over the last quarter is at most that of each other method."""
    run = with_tables(draw.size)
    moduli = slowest_moduli(run.world, run.setting)
    series = {
        "names": np.array(NAMES), "final": run.final, "updates": run.points, "curves": run.curves,
        "nearest": np.bincount(np.argmin(run.final, axis=0), minlength=len(NAMES)),
        "moduli": np.array([found[run.shown] for found in moduli.values()]),
        "floors": np.array([run.floor(name).gap[run.shown] for name in moduli]),
    }  # fmt: skip
    return tuple(at_most(run.final[0], run.final[NAMES.index(x)], error=ROUNDING, series=series) for x in others)


final_gaps_with_tables.control("against Nash-MD-PG alone, which is still on its way", others=("Nash-MD-PG",))


def _median(draw: Draw, ratio: np.ndarray, between: tuple[float, float], predicted: float, **series: Any) -> Interval:
    """The median over independent games, with its exact interval."""
    low, high = median_interval(ratio, alpha=draw.alpha)
    return interval(
        np.median(ratio), low, high, between=between, predicted=predicted, samples=len(ratio),
        series={"ratio": ratio} | series,
    )  # fmt: skip


@evidence("egpo/sampled-floors", kind="rate", size=UPDATES)
def floor_against_another(draw: Draw, other: str = "Online IPO 1"):
    """EGPO's mean gap over the second half as a multiple of online IPO 1's: the median game lies within 1/3 and 3."""
    run = with_tables(draw.size)
    ratio = run.gap[0] / run.gap[NAMES.index(other)]
    expected = np.median(run.floor("EGPO").gap / run.floor(other).gap)
    return _median(draw, ratio, (1 / 3, 3.0), float(expected))


floor_against_another.control("against Nash-MD-PG, which is still on its way", other="Nash-MD-PG")


@evidence("egpo/sampled-floor-predicted", kind="rate", size=UPDATES)
def floor_against_the_prediction(draw: Draw, samples: int = SAMPLES):
    """Mean gap over the second half as a multiple of the predicted one: the floor, and what exact gradients still have.

    Averaged over EGPO, online IPO 1 and Nash-MD.
    """
    run, (final, left) = with_tables(draw.size), with_exact_gradients(draw.size)
    ratios = [run.gap[i] / (run.floor(name, samples).gap + left[i]) for i, name in enumerate(NAMES[:3])]
    return _median(draw, np.mean(ratios, axis=0), (0.5, 2.0), 1.0, names=np.array(NAMES), exact=final)


floor_against_the_prediction.control("as if an update had one draw", samples=1)


@evidence("egpo/sampled-noise-bound", kind="rate", size=UPDATES)
def divergence_against_the_bound(draw: Draw, name: str = "EGPO"):
    """Mean of KL(π*‖π) over the second half as a part of (1 − ηβ)^t KL_0 + ηD/(2β(1 − η/2)): the median is below 1."""
    run = with_tables(draw.size)
    floor = run.floor("EGPO")
    start = np.asarray(close_divergence(run.log_equilibrium, np.asarray(run.world.log_reference)))
    linear = np.mean((1 - STEP * WEIGHT) ** np.arange(run.updates // 2, run.updates)) * start
    bound = linear + STEP * floor.noise_power / (2 * WEIGHT * (1 - STEP / 2))
    ratio = run.divergence[NAMES.index(name)] / bound
    return _median(draw, ratio, (0.0, 1.0), float(np.median(floor.divergence / bound)))


divergence_against_the_bound.control("Nash-MD-PG, which has not arrived", name="Nash-MD-PG")


@evidence("egpo/nash-md-pg-on-its-way", kind="rate", size=UPDATES)
def gap_of_nash_md_pg(draw: Draw, other: str = "Nash-MD-PG"):
    """Mean gap of Nash-MD-PG over the last quarter as a multiple of EGPO's: the median game lies above 4."""
    final = with_tables(draw.size).final
    return _median(draw, final[NAMES.index(other)] / final[0], (4.0, np.inf), 4.0)


gap_of_nash_md_pg.control("Nash-MD", other="Nash-MD")

MANY = 64


@evidence("egpo/sampled-beyond-the-limit", kind="sampled", size=MANY)
def floor_with_long_steps(draw: Draw, rate: float = 0.02):
    """s = 0.02, 5,000 updates, as with exact gradients: EGPO's mean gap over the second half against online IPO 1's."""
    world = authors_games(beta=WEIGHT).draw(np.random.default_rng(1), MANY)
    found = race(world, world.log_reference, jax.random.key(1), rate=rate, updates=5000)
    gap = found.gap[len(found.gap) // 2 :].mean(axis=0)
    return _median(draw, gap[0] / gap[1], (0.0, 0.9), 0.9, names=np.array(NAMES), final=gap)


floor_with_long_steps.control("steps a hundred times shorter", rate=RATE)
