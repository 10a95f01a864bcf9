"""Learning dynamics: the spiral and its cure, averages against their bounds, measured factors, and who passes what."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.simplex import path, star, triangle
from figures.style import DASHES, PALETTE, figure, measured, panels, theory


@figure
def spiral(results: dict[str, Any]) -> Figure:
    """Multiplicative weights leave the equilibrium of rock, paper, scissors; extragradient goes there."""
    found = results["probabilities_after_many_steps"]
    (cure,) = found.controls.values()
    fig, axes = panels(2, width=3.6, height=3.4)
    kinds = ((found, 0, "multiplicative weights"), (cure, 1, "extragradient"))
    for ax, (result, index, name) in zip(axes, kinds, strict=True):
        triangle(ax, ("rock", "scissors", "paper"))
        path(ax, result.series["path"][:250], index=index)
        star(ax, np.full(3, 1 / 3))
        ax.set_title(f"{name}, η = ½", pad=14)
    return fig


@figure
def averages(results: dict[str, Any]) -> Figure:
    """The mean of optimistic policies from a corner: the printed bound is crossed, the corrected one nearly met."""
    series = results["printed_bound_in_numbers"].series
    length = series["length"]
    fig, ax = panels(1, width=4.8)
    theory(ax, length, series["corrected"], index=2, label=r"corrected bound $4\max(D, 1)/T$")
    theory(ax, length, series["printed"], index=1, label=r"printed bound $4\sqrt{D}/T$")
    some = np.unique(np.geomspace(1, len(length), 28).astype(int)) - 1
    found = series["found"][some]
    measured(ax, length[some], found, found, found, index=0, label="mean of optimistic policies")
    ax.set(xscale="log", yscale="log", xlabel="steps T", ylabel="duality gap of the mean", ylim=(0.02, 60))
    ax.legend(loc="upper right")
    return fig


@figure
def factors(results: dict[str, Any]) -> Figure:
    """Measured factors a step on F1, F2 and F3 against the moduli; and the divergence along outer proximal steps."""
    named = results["factors_of_named_games"].series
    fig, (left, right) = panels(2)
    games = np.arange(3)
    for i, name in enumerate(("mirror descent", "extragradient", "optimism")):
        place = games + 0.22 * (i - 1)
        left.hlines(named["predicted"][i], place - 0.1, place + 0.1, color=PALETTE[i], linestyle=DASHES[i])
        found = named["found"][i]
        measured(left, place, found, found, found, index=i, label=name)
    left.set_xticks(games, ["F1", "F2", "F3"])
    left.set(ylabel="factor of the distance a step", ylim=(0.83, 0.99))
    left.legend(loc="upper center", ncols=3, columnspacing=1.0, handletextpad=0.3)
    series = results["factor_on_the_comal_game"].series
    for i, (key, name) in enumerate((("0.1", "τ = 0.1"), ("1", "τ = 1"))):
        distance = series[f"distance_{key}"][:10]
        steps = np.arange(len(distance))
        line = distance[-1] * series[f"factor_{key}"] ** (steps - steps[-1])
        theory(right, steps, line, index=i, label=r"factor $\tau^2/(\tau^2+\omega^2)$, " + name)
        measured(right, steps, distance, distance, distance, index=i, label=f"moving reference, {name}")
    fixed = series["distance_fixed"]
    measured(right, np.arange(len(fixed)), fixed, fixed, fixed, index=2, label="fixed reference, τ = 0.1")
    right.set(yscale="log", xlabel="outer steps", ylabel=r"$\mathrm{KL}(\pi^*\|\pi_t)$ on F3")
    right.legend(loc="lower left")
    return fig


@figure
def who_passes(results: dict[str, Any]) -> Figure:
    """A table: ten methods on F1, F2, F3 and F8; the gaps of the last policies and of their mean in either game."""
    series = results["passes_and_fails"].series
    gaps, expected, names, columns, level = (series[x] for x in ("gaps", "expected", "names", "columns", "level"))
    fig, axes = panels(4, width=2.6, height=4.2)
    for ax, table, game in zip(axes, gaps, ("F1", "F2", "F3", "F8"), strict=True):
        passed = table < level
        shade = np.where(passed[..., None], [0.80, 0.90, 0.96], [0.98, 0.88, 0.80])
        ax.imshow(shade, aspect="auto")
        for (row, column), gap in np.ndenumerate(table):
            text = f"{gap:.2g}" if gap >= 1e-3 else f"{gap:.0e}" if gap > 1e-14 else "0"
            unsure = np.isnan(expected[row, column])
            ax.text(column, row, text, ha="center", va="center", fontsize=6.5, style="italic" if unsure else "normal")
        ax.set_xticks(range(4), columns, rotation=60, ha="right", fontsize=7)
        ax.set_yticks(range(len(names)), names if ax is axes[0] else [""] * len(names), fontsize=7)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.set_title(game)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
    fig.supxlabel(f"gaps below {level:g} (blue) pass; italics: the theory says nothing", fontsize=8)
    return fig
