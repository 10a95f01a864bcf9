"""Which method passes which test on which game: last and mean policy, by the gap of either game."""

from typing import Any

import numpy as np

from lab.games import local
from lab.games.equilibria import regularised_equilibrium
from lab.games.game import PreferenceGame, bradley_terry_game, comal_game, cycle, rock_paper_scissors
from lab.games.play import log_mean, log_policy, play
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import evidence
from lab.ledger.findings import equal

BETA, STEPS, TAIL, LEVEL = 0.2, 20_000, 500, 5e-3
TINY = -690.0  # the logarithm of what still counts as a probability

# Rows: solver, is it regularised, step size from (β, limits), and what the theory says of
# (last, gap_0), (last, gap_β), (mean, gap_0), (mean, gap_β); None: nothing.
Row = tuple[str, bool, Any, tuple[bool | None, ...]]
ROWS: dict[str, Row] = {
    "multiplicative weights": ("mirror_descent", False, lambda _: 0.05, (False, False, True, False)),
    "mirror descent, ½ of limit": ("mirror_descent", True, lambda m: 0.5 * m["mirror"], (False, True, False, True)),
    "mirror descent, 1.2 of limit": ("mirror_descent", True, lambda m: 1.2 * m["mirror"], (False, False, False, None)),
    "extragradient, η = 1/(β+½)": ("extragradient", True, lambda _: 1 / (BETA + 0.5), (False, True, False, True)),
    "extragradient, 1.2 of limit": ("extragradient", True, lambda m: 1.2 * m["extra"], (False, False, False, None)),
    "extragradient, β = 0": ("extragradient", False, lambda _: 0.5, (True, False, True, False)),
    "Nash-MD, constant steps": ("nash_mirror_descent", True, lambda _: 0.8 / BETA, (False, False, False, False)),
    "Nash-MD, decreasing steps": ("nash_mirror_descent", True, lambda _: 1 / BETA, (False, True, False, True)),
    "optimism, β = 0": ("optimistic", False, lambda _: 0.5, (True, False, True, False)),
    "moving reference (COMAL)": ("proximal_point", False, lambda _: 1.0, (True, False, True, False)),
}  # fmt: skip
COLUMNS = ("last, β = 0", "last, β = 0.2", "mean, β = 0", "mean, β = 0.2")


def cyclic() -> list[np.ndarray]:
    """F1, F2, F3, and one game of the family F8: five actions, win rates uniform below the diagonal."""
    below = np.tril(np.random.default_rng(8).uniform(0, 1, (5, 5)) - 0.5, -1)
    return [rock_paper_scissors(), cycle(0.2, 0.3, 0.4), comal_game(), below - below.T]


def transitive() -> list[np.ndarray]:
    """F6 with rewards 3, 1½, 0, and F4 with a win rate of 0.9: all actions in one order."""
    return [np.asarray(bradley_terry_game(np.array([3.0, 1.5, 0.0]))), np.array([[0.0, 0.4], [-0.4, 0.0]])]


def gaps_of(advantage: np.ndarray, row: Row) -> np.ndarray:
    """The four gaps of a run: the largest of the last 500 policies, and that of the mean policy."""
    solver, regularised, size, _ = row
    actions = len(advantage)
    reference = np.log(np.array([0.7] + [0.3 / (actions - 1)] * (actions - 1)))
    start = np.log(np.arange(actions, 0, -1) / (actions * (actions + 1) / 2))
    solved = regularised_equilibrium(advantage, reference, beta=BETA)
    # A game without rotation has no limit but 2/β; the transitive games get that of a game that turns a little.
    rotation = max(float(local.rotations(advantage, np.asarray(solved.log_policy))[0]), 0.1)
    limits = {
        "mirror": float(local.mirror_descent_limit(beta=BETA, rotation=rotation)),
        "extra": local.stability_limit(local.extragradient_modulus, beta=BETA, rotation=rotation),
    }
    game = PreferenceGame(advantage, reference, np.array(BETA if regularised else 0.0))
    settings: dict[str, Any] = {"temperature": BETA, "inner_steps": 100} if solver == "proximal_point" else {}
    if row is ROWS["Nash-MD, decreasing steps"]:
        settings["schedule"] = 2.0 / (np.arange(STEPS) + 2.0)
    run = play(SOLVERS[solver], game, step_size=size(limits), steps=STEPS, measure=log_policy, start=start, **settings)
    path = np.maximum(np.asarray(run.measured), TINY)
    # Hedge's bound is for the whole run; the others' means leave out the first half, as is usual.
    first = 0 if row is ROWS["multiplicative weights"] else STEPS // 2
    mean = log_mean(path[first:])
    judged = PreferenceGame(advantage, reference, np.array(BETA))
    last = path[-TAIL:]
    return np.array([
        np.max(judged.duality_gap(last)), np.max(judged.regularised_gap(last)),
        float(judged.duality_gap(mean)), float(judged.regularised_gap(mean)),
    ])  # fmt: skip


@evidence("nash-background/who-passes", kind="exact", rounding="declared")
def passes_and_fails(games: Any = None):
    """Ten methods on F1, F2, F3 and F8, β = 0.2 and a reference (0.7, …): which gaps end below 5·10⁻³."""
    games = cyclic() if games is None else games
    table = np.stack([np.stack([gaps_of(advantage, row) for row in ROWS.values()]) for advantage in games])
    expected = np.array([[np.nan if x is None else float(x) for x in row[3]] for row in ROWS.values()])
    known = ~np.isnan(expected)
    passed = (table < LEVEL).astype(float)
    series = {"gaps": table, "expected": expected, "level": np.array(LEVEL)}
    series |= {"names": np.array(list(ROWS)), "columns": np.array(COLUMNS)}
    # Gaps are off by far less than their distance from the level, so that the pattern is exact.
    return equal(passed[:, known], np.broadcast_to(expected[known], passed[:, known].shape), error=0.0, series=series)


passes_and_fails.control("transitive games, where nothing turns: every method arrives", games=transitive)
