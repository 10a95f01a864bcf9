"""Figures of robust DPO (`rdpo`): what flips cost an estimate, where wrong losses stop, and what real choices say."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import band, figure, measured, palette, panels, theory
from lab.inference.budget import PER_CHECK

# The same index, hence colour and mark, for a loss in every figure.
ROBUST, PLAIN, CONSERVATIVE, OTHER = 0, 1, 2, 3

DRAWN = "95 % intervals"  # of the medians over data sets, which only figures use; the judges' intervals are far wider


def _medians(ax, result, *, index, label):
    series = result.series
    measured(
        ax, series["sizes"], series["median"], series["median_low"], series["median_high"], index=index, label=label
    )


def _level(ax, height, *, index, label=None):
    look = palette(index)
    ax.axhline(height, color=look["color"], linestyle=look["linestyle"], linewidth=1.0, label=label)


@figure
def estimation_error(results) -> Figure:
    """Error against the number of pairs, with the sandwich's prediction and each wrong loss's own limit."""
    found = results["error_against_size"]
    controls = {text.split(":")[0]: control for text, control in found.controls.items()}
    fig, axes = panels(2)
    ax = axes[0]
    sizes = found.series["sizes"]
    theory(ax, sizes, found.series["robust"], index=ROBUST, label="robust, sandwich")
    ax.plot(
        sizes, found.series["likelihood"], color="black", linewidth=0.9, linestyle=":", label="noisy likelihood, limit"
    )
    _medians(ax, found, index=ROBUST, label="robust, measured")
    plain, conservative, wrong = found.series["plateaus"]
    for control, index, height, label in (
        ("the plain loss", PLAIN, plain, "plain"),
        ("the conservative loss", CONSERVATIVE, conservative, "conservative"),
        ("a flip rate of 0.25 assumed, 0.2 true", OTHER, wrong, "robust, 0.25 assumed"),
    ):
        _level(ax, height, index=index)
        _medians(ax, controls[control], index=index, label=label)
    ax.set(
        xscale="log", yscale="log", xlabel="pairs", ylabel="error in the norm of the features",
        title=f"flip rate 0.2; bars: {DRAWN} of medians",
    )  # fmt: skip
    ax.set_ylim(top=4)
    ax.legend(ncols=2, loc="upper right", fontsize=6.5)
    limit = results["error_against_predicted_limit"].series
    ax = axes[1]
    theory(ax, limit["assumed"], limit["plateau"], index=ROBUST, label="limit of the robust estimate")
    largest = -1
    for assumed, result, index in (
        (0.0, controls["the plain loss"], PLAIN),
        (0.2, found, ROBUST),
        (0.25, controls["a flip rate of 0.25 assumed, 0.2 true"], OTHER),
    ):
        s = result.series
        measured(
            ax, [assumed], s["median"][[largest]], s["median_low"][[largest]], s["median_high"][[largest]], index=index,
            label=f"measured, {int(s['sizes'][largest]):,} pairs, {assumed:g} assumed",
        )  # fmt: skip
    ax.set(xlabel="assumed flip rate", ylabel="error in the norm of the features")
    ax.set_title(f"the true rate is 0.2; bars: {DRAWN} of medians")
    ax.legend()
    return fig


@figure
def price_of_flips(results) -> Figure:
    """How much flips multiply the standard error, in random worlds: never less than 1/(1 − 2ε), and often far more."""
    found = results["error_ratio_is_the_printed_factor"].series
    clean = results["error_ratio_is_the_printed_factor"].controls["no signal: every label is a fair coin"].series
    fig, ax = panels(1)
    rate = np.linspace(0.0, 0.45, 200)
    ax.scatter(
        found["rate"],
        found["ratio"],
        s=6,
        color=palette(PLAIN)["color"],
        alpha=0.6,
        label="random worlds, exact",
        linewidths=0,
    )
    ax.scatter(
        clean["rate"],
        clean["ratio"],
        s=6,
        color=palette(CONSERVATIVE)["color"],
        label="the same without signal",
        linewidths=0,
    )
    theory(ax, rate, 1 / (1 - 2 * rate), index=ROBUST, label=r"$1/(1-2\varepsilon)$")
    ax.set(yscale="log", xlabel="flip rate", ylabel="standard error, with flips over without")
    ax.set_ylim(top=300)  # room for the legend
    ax.legend()
    return fig


@figure
def regret(results) -> Figure:
    """The reward gap falls as the error, the regularised gap as its square."""
    fig, axes = panels(2)
    for ax, name, label, title in (
        (
            axes[0],
            "reward_gap_against_size",
            "root mean square of four",
            "reward gap (negative half of the time)",
        ),
        (axes[1], "regularised_gap_against_size", "mean of four", "KL-regularised gap"),
    ):
        found = results[name]
        theory(ax, found.series["sizes"], found.series["theory"], index=ROBUST, label="sandwich")
        _medians(ax, found, index=ROBUST, label=label)
        _medians(ax, found.controls["the conservative loss"], index=CONSERVATIVE, label="conservative loss")
        ax.set(xscale="log", yscale="log", xlabel="pairs", ylabel="gap, flip rate 0.2")
        ax.set_title(f"{title}\nbars: {DRAWN} of medians")
        ax.legend()
    return fig


@figure
def real_choices(results) -> Figure:
    """Train choices with planted flips: the share of the clean margins that comes back, and when correcting pays."""
    found = results["share_recovered_under_flips"]
    fig, axes = panels(2)
    ax = axes[0]
    for result, index, label in (
        (found, ROBUST, "robust"),
        (found.controls["the plain loss"], PLAIN, "plain"),
        (found.controls["the conservative loss"], CONSERVATIVE, "conservative"),
    ):
        rates = result.series["rates"]
        theory(ax, rates, result.series["limit"], index=index)
        measured(ax, rates, result.estimate, result.low, result.high, index=index, label=label)
    ax.set(xlabel="planted flip rate", ylabel="recovered share of the clean margins", ylim=(0, 1.3), xticks=rates)
    ax.set_title(
        f"2,929 choices; lines: fit to expected labels\nbars: medians, at the check's error level of {PER_CHECK:.0e}"
    )
    ax.legend(loc="lower left")
    series = results["robust_closer_at_any_size"].series
    ax = axes[1]
    choices = series["people"] * 2929 / 235
    for name, index in (("robust", ROBUST), ("plain", PLAIN)):
        band(ax, choices, series[f"{name}_low"], series[f"{name}_high"], index=index)
        measured(ax, choices, series[name], series[f"{name}_low"], series[f"{name}_high"], index=index, label=name)
    ax.axvline(
        series["crossover"][0],
        color="black",
        linewidth=0.8,
        linestyle=":",
        label="predicted crossover\nof mean squares",
    )
    ax.set(
        xscale="log", yscale="log", xlabel="choices (people resampled)", ylabel="median squared error / squared truth"
    )
    ax.set_title(f"flip rate 0.3: when correcting pays\nbars and bands: {DRAWN} of medians")
    ax.legend(loc="upper right")
    return fig
