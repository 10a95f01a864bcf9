"""BVPO: the error of a mixture against its weight, small steps, the estimated weight, and whole runs."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from figures.style import PALETTE, figure, measured, panels, theory
from lab.inference.budget import PER_CHECK

JUDGED = f"bars: error level {PER_CHECK:.0e} for all marks together".replace("e-0", "e-")


@figure
def mse_curve(results: dict[str, Any]) -> Figure:
    """Sampled squared error of the mixture at 21 weights on the parabola of Theorem 2, with the weights that matter."""
    found = results["error_at_21_weights"]
    weight = found.series["weight"]
    fig, ax = panels(1, width=4.8)
    theory(ax, weight, found.predicted, label="Theorem 2")
    theory(ax, weight, forgotten(results), index=1, label="without the covariance $S_{te}$")
    measured(ax, weight, found.estimate, found.low, found.high, label=f"{found.samples:,} sampled pairs")
    best = float(found.series["best"])
    least = np.interp(best, weight, found.predicted)
    for x, y, text, place in (
        (best, least, "α*", (0, -14)),
        (0.0, found.predicted[0], "no trace", (4, 8)),
        (0.5, np.interp(0.5, weight, found.predicted), "½", (0, -14)),
        (1.0, found.predicted[-1], "traces", (-34, 0)),
    ):
        ax.plot(
            [x], [y], marker="o", markersize=7, markerfacecolor="none", markeredgecolor=PALETTE[6], linestyle="none"
        )
        ax.annotate(text, (x, y), xytext=place, textcoords="offset points", ha="left" if place[0] else "center")
    ax.set_xlabel("weight α of the trace gradient")
    ax.set_ylabel(r"$\mathbb{E}\,\|g_c(\alpha) - \mu\|^2$")
    ax.set_ylim(bottom=0)
    ax.set_title(JUDGED)
    ax.legend(loc="upper center")
    return fig


def forgotten(results: dict[str, Any]) -> np.ndarray:
    """The curve that the control tested and refuted."""
    (control,) = results["error_at_21_weights"].controls.values()
    return control.predicted


@figure
def small_steps(results: dict[str, Any]) -> Figure:
    """Stationary error of simulated SGD against the step size for four weights: the recommendation turns round."""
    found = results["error_by_step_size"]
    steps, weights = found.series["smoothness_step"], found.series["weights"]
    shape = weights.shape
    estimate, low, high = (np.reshape(x, shape) for x in (found.estimate, found.low, found.high))
    fig, (left, right) = panels(2)
    for i, name in enumerate(found.series["names"]):
        theory(left, found.series["fine_step"], found.series["fine_error"][i], index=i)
        # Marks that would lie on each other are moved apart a little.
        measured(left, steps * 1.03 ** (i - 1.5), estimate[i], low[i], high[i], index=i, label=name)
    left.set(xscale="log", yscale="log", xlabel="step size × smoothness, ρ = ηL")
    left.set_ylabel(r"stationary $\mathbb{E}\,\|\nabla L\|^2$")
    left.set_title(JUDGED)
    left.legend(loc="lower right")
    for i in (3, 0):
        theory(
            right, found.series["fine_step"], found.series["fine_weight"][i], index=i, label=found.series["names"][i]
        )
    right.set(xscale="log", ylim=(0.4, 1.03), xlabel="step size × smoothness, ρ = ηL", ylabel="recommended weight α")
    right.legend(loc="upper right")
    for ax in (left, right):
        ax.xaxis.set_major_locator(FixedLocator([0.05, 0.1, 0.2, 0.5, 1.0]))
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_locator(NullLocator())
    return fig


@figure
def estimated_weight(results: dict[str, Any]) -> Figure:
    """Regret of the estimated weight against the number of samples, at the start and after drift, with the slope −1."""
    fig, axes = panels(2)
    for ax, name, unit in zip(
        axes, ("regret_by_traces", "regret_by_pairs"), ("traces of one pair", "pairs"), strict=True
    ):
        start = results[name]
        (drifted,) = start.controls.values()
        for i, (found, text) in enumerate(((start, "at initialisation"), (drifted, "after drift: traces are biased"))):
            series = found.series
            measured(
                ax, series["sizes"], series["median"], series["median_low"], series["median_high"], index=i, label=text
            )
        sizes, median = start.series["sizes"], start.series["median"]
        middle = len(sizes) // 2
        theory(ax, sizes, median[middle] * sizes[middle] / sizes, label="slope −1")
        if "half" in start.series:
            ax.axhline(float(start.series["half"]), color=PALETTE[2], linestyle="-.", label="equal weights, α = ½")
        ax.set(xscale="log", yscale="log", xlabel=unit, ylabel="regret in MSE, part of both ends' errors")
        ax.xaxis.set_major_locator(FixedLocator(list(sizes)))
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_title("bars: 95 % intervals of the median over problems")
        ax.legend(loc="lower left" if "half" in start.series else "best")
    return fig
