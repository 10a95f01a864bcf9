"""APO: how far momentum travels, what it gains with labels, and what it does in cyclic games and towards a proxy."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from figures.style import PALETTE, figure, measured, palette, panels, theory


@figure
def travel(results: dict[str, Any]) -> Figure:
    """Distance by steps; sub-optimality by steps with the bound, and by distance, where all shares are one curve."""
    fig, axes = panels(3, width=3.8)
    series = results["six_actions"].series
    steps = series["steps"]
    for i, share in enumerate(series["shares"]):
        look = palette(i)
        distance, found, bound = (series[name][i] for name in ("travel", "found", "bound"))
        theory(axes[0], steps, distance, index=i, label=f"α = {share:g}")
        axes[0].plot(steps, steps / (1 - share), color=look["color"], linestyle=":", linewidth=0.9)
        theory(axes[1], steps, found, index=i, label=f"α = {share:g}")
        axes[1].plot(steps, bound, color=look["color"], linestyle=":", linewidth=0.9)
        some = np.unique(np.round(np.geomspace(1, len(steps), 12)).astype(int)) - 1
        measured(axes[2], distance[some], found[some], found[some], found[some], index=i, label=f"α = {share:g}")
    axes[0].set(xscale="log", yscale="log", xlabel="steps T", ylabel="distance $S_T$", title="dotted: T/(1 − α)")
    axes[1].set(xscale="log", yscale="log", ylim=(1e-6, 20), xlabel="steps T", title="dotted: the bound")
    axes[1].set_ylabel(r"$\max r - \mathbb{E}\,r$")
    axes[2].set(xscale="log", yscale="log", ylim=(1e-6, 20), xlabel="distance $S_T$")
    axes[2].set(title="one curve: momentum is a smaller β")
    axes[2].set_ylabel(r"$\max r - \mathbb{E}\,r$")
    for ax in (axes[0], axes[2]):
        ax.legend(loc="best")
    return fig


@figure
def general_preferences(results: dict[str, Any]) -> Figure:
    """A transitive game, where momentum is faster, and rock, paper, scissors, where it leaves sooner."""
    fig, (left, right) = panels(2)
    series = results["steps_to_the_winner"].series
    for i, share in enumerate(series["share"]):
        theory(
            left, np.arange(series["probability"].shape[1]), series["probability"][i], index=i, label=f"α = {share:g}"
        )
    left.axhline(0.99, color=PALETTE[6], linewidth=0.8)
    left.set(xlabel="step", ylabel="probability of the winner", title="a transitive game; the line is 0.99")
    left.legend(loc="lower right")
    series = results["divergence_with_momentum"].series
    steps = series["step"]
    marks = np.arange(0, len(steps), 100)
    for i, share in enumerate(series["share"]):
        values = series["divergence"][i][marks]
        local = values[0] * series["modulus"][i] ** (2.0 * steps)
        theory(right, steps[local < 1], local[local < 1], index=i)
        measured(right, steps[marks], values, values, values, index=i, label=f"α = {share:g}")
    right.set(
        yscale="log", xlabel="step", ylabel="KL from the equilibrium", title=r"cyclic; lines: growth by $|\mu|^2$"
    )
    right.legend(loc="upper left")
    return fig


@figure
def labels(results: dict[str, Any]) -> Figure:
    """Signal to noise of twenty steps, and sub-optimality learned from labels: the fewer labels, the less momentum."""
    fig, (left, right) = panels(2)
    series = results["ratio_of_twenty_steps"].series
    theory(left, series["share"], series["ratio"], label=r"$S_T/\|w\|_2$")
    left.axhline(20**0.5, color=PALETTE[1], linestyle="--", label=r"$\sqrt{T}$, without momentum")
    left.set(xlabel="share α", ylabel="signal to noise, T = 20", ylim=(0, 5))
    left.legend(loc="lower left")
    series = results["suboptimality_by_labels"].series
    for i, count in enumerate(series["labels"]):
        mean, error = series["mean"][i], 2.0 * series["error"][i]
        measured(right, series["share"], mean, mean - error, mean + error, index=i, label=f"{count:g} labels a step")
        right.plot(series["share"], mean, color=palette(i)["color"], linewidth=0.7)
    right.set(yscale="log", xlabel="share α", ylabel=r"mean of $\max r - \mathbb{E}\,r$ after 10 steps")
    right.yaxis.set_major_locator(FixedLocator([0.01, 0.02, 0.05, 0.1]))
    right.yaxis.set_major_formatter(ScalarFormatter())
    right.yaxis.set_minor_locator(NullLocator())
    right.legend(loc="lower left")
    return fig


@figure
def proxy(results: dict[str, Any]) -> Figure:
    """True value along a proxy that is wrong about a rare action, by steps and by distance."""
    fig, (left, right) = panels(2)
    series = results["best_steps_of_an_example"].series
    for i, share in enumerate(series["share"]):
        value, distance = series["value"][i], series["travel"][i]
        theory(left, np.arange(len(value)), value, index=i, label=f"α = {share:g}")
        measured(right, distance, value[1:], value[1:], value[1:], index=i, label=f"α = {share:g}")
        best = int(np.argmax(value))
        left.plot(
            [best], [value[best]], marker="o", color=palette(i)["color"], markerfacecolor="none", linestyle="none"
        )
    left.set(xlabel="steps T", ylabel="true value", title="circles: the best step")
    right.set(xlabel="distance $S_T$", ylabel="true value", title="one curve", xlim=(0, 45))
    left.legend(loc="lower left")
    right.legend(loc="lower left")
    return fig
