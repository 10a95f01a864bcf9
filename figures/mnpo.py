"""MNPO: how players merge, what past policies do to the spiral, what averages solve, and players with own oracles."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.simplex import path, triangle
from figures.style import PALETTE, figure, measured, panels, theory


@figure
def players_merge(results: dict[str, Any]) -> Figure:
    """Largest distance between two players against the step, for 2, 3, 4 and 6 players, with the factors 1/(n − 1)."""
    series = results["spread_over_twelve_steps"].series
    steps = series["steps"]
    fig, ax = panels(1, width=4.8)
    for i, players in enumerate((2, 3, 4, 6)):
        median = series[f"players_{players}"]
        theory(ax, steps, median[0] * (1.0 / (players - 1)) ** (steps - 1), index=i)
        low, high = (series["median_low"], series["median_high"]) if players == 3 else (median, median)
        measured(ax, steps, median, low, high, index=i, label=f"{players} players")
    ax.set(yscale="log", xlabel="step of Equation 10", ylabel=r"span of $\log\pi_i - \log\pi_j$, median over games")
    ax.plot([], [], color="#555555", label="factor 1/(n − 1) a step")
    ax.legend(loc="lower left")
    return fig


@figure
def history_mixtures(results: dict[str, Any]) -> Figure:
    """The gap of the last policy in rock, paper, scissors for six mixtures of past policies and the reference."""
    series = results["gaps_of_six_mixtures"].series
    steps = 10 * np.arange(series["gaps"].shape[1])
    fig, (left, right) = panels(2)
    names = [str(name) for name in series["names"]]
    for i, (name, gap) in enumerate(zip(names, series["gaps"], strict=True)):
        shown = gap > 1e-15
        left.plot(steps[shown], gap[shown], color=PALETTE[i], linewidth=1.0, label=name)
    left.set(yscale="log", xlim=(0, 1500), ylim=(1e-15, 3), xlabel="step", ylabel="duality gap of the last policy")
    left.legend(loc="center right", title=r"weights on $\pi_t$, $\pi_{t-1}$")
    moduli = series["moduli"]
    place = np.arange(len(names))
    right.axhline(1.0, color="#555555", linewidth=1.0)
    right.bar(place, (moduli - 1.0), bottom=1.0, color=[PALETTE[i] for i in place], width=0.6)
    right.set_xticks(place, [name.replace("reference", "\nreference") for name in names], rotation=35, ha="right")
    right.set(ylabel=r"modulus $|\mu|$ of a deviation a step")
    return fig


@figure
def averages(results: dict[str, Any]) -> Figure:
    """The mean policy's gap in either game, with and without the reference among the opponents."""
    without = results["regularised_gap_in_numbers"]
    (anchored,) = without.controls.values()
    by_length = results["gap_of_the_mean_by_length"].series
    fig, (left, right) = panels(2)
    sizes = by_length["sizes"]
    theory(left, sizes, by_length["bound"], label=r"bound $\sqrt{2D/T}$", index=0)
    measured(
        left, sizes, by_length["median"], by_length["median_low"], by_length["median_high"], index=0,
        label=r"mean policy, $\eta = \sqrt{8D/T}$",
    )  # fmt: skip
    (last,) = results["gap_of_the_mean_by_length"].controls.values()
    measured(
        left, sizes, last.series["median"], last.series["median_low"], last.series["median_high"], index=1,
        label="last 64 policies, largest",
    )  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="steps T", ylabel="duality gap, τ = 0 (random cycles)")
    left.legend(loc="lower left")
    for i, (result, name) in enumerate(((without, "no reference (Equation 10)"), (anchored, "reference, weight ητ"))):
        series = result.series
        for j, (key, game) in enumerate((("plain", "τ = 0"), ("regularised", "τ = 0.2"))):
            gap = series[key]
            measured(
                right, series["length"][::2], gap[::2], gap[::2], gap[::2], index=2 * i + j, label=f"{name}: {game}"
            )
    right.set(xscale="log", yscale="log", xlabel="steps T", ylabel="duality gap of the mean, one game")
    right.legend(loc="lower left")
    return fig


@figure
def own_oracles(results: dict[str, Any]) -> Figure:
    """Three players whose judges rank the responses in turn: the mean policy cycles, and somebody could gain alone."""
    series = results["movement_at_the_end"].series
    fig, (left, right) = panels(2, width=3.9, height=3.3)
    triangle(left, ("response 1", "response 2", "response 3"))
    path(left, series["path"], index=0, label="mean of the players")
    steps = 10 * np.arange(len(series["largest_gap"]))
    right.plot(steps, series["largest_gap"], color=PALETTE[1], label="largest gap of a player")
    right.plot(steps, series["mean_win_rate"], color=PALETTE[2], linestyle="--", label="mean win rate over oracles")
    right.set(xlabel="step", ylabel="win rate", ylim=(0, 1))
    right.legend(loc="upper right")
    return fig
