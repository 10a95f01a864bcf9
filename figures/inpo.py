"""INPO: last iterates and averages against their bounds, and what training on the best and the worst does."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.style import figure, measured, palette, panels, theory


@figure
def convergence(results: dict[str, Any]) -> Figure:
    """Last iterate: KL by steps with both bounds and the law; averages: gap by the horizon, with the bound."""
    fig, (left, right) = panels(2, width=4.6)
    found = results["rock_paper_scissors_to_the_end"]
    slower = found.controls["steps half as long"]
    step, divergence = found.series["step"], found.series["divergence"]
    theory(left, step, found.series["bound"], index=3, label=r"Theorem 4, $32/\tau^2(T+1)$")
    theory(left, step, found.series["sharper"], index=4, label=r"derived, $2/\tau^2(T+1)$")
    for i, (run, text) in enumerate(((found, "η = τ(t + 2)/2"), (slower, "η = τ(t + 2)"))):
        values = run.series["divergence"]
        measured(left, step, values, values, values, index=2 * i, label=text)
    late = step > 300
    theory(left, step[late], divergence[-1] * (step[late] / step[-1]) ** -4.0, index=1, label="slope −4", zorder=5)
    left.set(xscale="log", yscale="log", xlabel="step t", ylabel=r"$\mathrm{KL}(\pi^*\,\|\,\pi_t)$")
    left.set_title("last iterate: rock, paper, scissors, τ = 0.05")
    left.legend(loc="lower left")
    rows = (
        ("regularised_gap_of_averages", "τ > 0: regularised gap", -1.0),
        ("gap_of_averages_without_regularisation", "τ = 0: gap", -0.5),
        ("gap_of_averages_at_a_constant_step", "τ = 0, η = 1 for every T", -0.5),
    )
    for i, (name, text, slope) in enumerate(rows):
        series = results[name].series
        sizes, median = series["sizes"], series["median"]
        measured(right, sizes, median, series["median_low"], series["median_high"], index=i, label=text)
        theory(right, sizes, median[-1] * (sizes / sizes[-1]) ** slope, index=i)
    sizes = results[rows[0][0]].series["sizes"]
    theory(right, sizes, results[rows[0][0]].series["bound"], index=3, label=r"Theorem 3, $12\sqrt{D/T}$")
    right.set(xscale="log", yscale="log", xlabel="horizon T", ylabel="gap of the mean policy", ylim=(1e-9, 20))
    right.set_title("averages: lines have slopes −1 and −½")
    right.legend(loc="lower left")
    return fig


@figure
def selection(results: dict[str, Any]) -> Figure:
    """Logit shifts fitted to three laws of pairs, and the gap after rounds of training on each."""
    fig, (left, right) = panels(2, width=4.6)
    series = results["fit_of_five_responses"].series
    order = np.argsort(series["reward"])
    place = np.arange(len(order))
    rewards = series["reward"][order]
    theory(left, place, series["step"][order], label="two independent: the step of the theory")
    for i, (name, text) in enumerate((("two", "best and worst of 2"), ("found", "best and worst of 8")), start=1):
        values = series[name][order]
        measured(left, place, values, values, values, index=i, label=text)
    left.set_xticks(place, [f"{r:g}" for r in rewards])
    left.set(
        xlabel="reward of the response", ylabel="fitted log-ratio, centred", title="one step, η = ½, uniform policy"
    )
    left.legend(loc="upper left")
    recipe = results["gap_after_many_rounds"]
    independent = recipe.controls["two independent responses"]
    for run, text, index, below in (
        (independent, "two independent responses", 0, 6),
        (recipe, "best and worst of 8", 2, -14),
    ):
        gap = np.maximum(run.series["gap"], 1e-17)
        right.plot(run.series["round"], gap, color=palette(index)["color"], linestyle=palette(index)["linestyle"])
        right.annotate(text, (50, gap[50]), xytext=(0, below), textcoords="offset points",
                       color=palette(index)["color"])  # fmt: skip
    right.set(
        yscale="log",
        xlabel="round",
        ylabel="median regularised gap (cut at 1e-17)",
        title="repeated with exact fits",
    )
    return fig
