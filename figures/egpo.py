"""EGPO: gaps against updates with the predicted rates, the map of stable settings, spirals, and noise floors."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from figures.simplex import path, star, triangle
from figures.style import MARKERS, PALETTE, figure, measured, panels, theory

WEIGHTS = ("0.1", "0.01", "0.001")
SMALLEST = 1e-16  # gaps below are rounding


@figure
def gap_curves(results: dict[str, Any]) -> Figure:
    """The authors' simulations: gaps of five methods against updates; lines are theory, from the game alone."""
    exact = results["final_gaps_of_all"].series
    names = [str(name) for name in exact["names"]]
    fig, axes = panels(3, rows=2, width=3.7, height=3.0)
    for ax, weight in zip(axes[0], WEIGHTS, strict=True):
        updates, curves, moduli = (exact[f"{kind} {weight}"] for kind in ("updates", "curves", "moduli"))
        _marks(ax, names, names, updates, curves)
        for i, modulus in enumerate(moduli):
            if modulus < 1:
                _predicted(ax, updates, curves[i], float(modulus), i)
        if moduli[1] > 1:
            ax.text(
                0.98, 0.7, f"{names[1]}: modulus {moduli[1]:.6g} > 1,\nit leaves the equilibrium", ha="right",
                transform=ax.transAxes, color=PALETTE[1], fontsize=8,
            )  # fmt: skip
        ax.set(title=f"exact, table, β = {weight}: one game", ylim=(SMALLEST / 3, 5))
    sampled = results["final_gaps_with_tables"].series
    _marks(axes[1, 0], names, list(sampled["names"]), sampled["updates"], sampled["curves"], points=40)
    for i in range(2):
        _to_the_floor(axes[1, 0], sampled, i)
    axes[1, 0].set(title="sampled, table, β = 0.01: one game", ylim=(2e-4, 2))
    for ax, check, title, points in (
        (axes[1, 1], "order_with_a_network", "exact, network, β = 0.01: median game", 16),
        (axes[1, 2], "order_of_sampled_networks", "sampled, network, β = 0.1: median game", 40),
    ):
        series = results[check].series
        _marks(ax, names, list(series["names"]), series["updates"], series["curves"], points=points)
        ax.set(title=title)
    axes[1, 1].set(ylim=(SMALLEST / 3, 5))
    for ax in axes.ravel():
        ax.set(yscale="log", xlabel="updates")
        ax.ticklabel_format(axis="x", style="plain", useOffset=False)
        ax.locator_params(axis="x", nbins=4)
    axes[1, 2].yaxis.set_major_locator(FixedLocator([0.001, 0.002, 0.005, 0.01]))
    axes[1, 2].yaxis.set_minor_locator(NullLocator())
    axes[1, 2].yaxis.set_major_formatter(ScalarFormatter())
    for ax in axes[:, 0]:
        ax.set_ylabel(r"duality gap $\mathrm{DualGap}_\beta(\pi_t)$")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles += [Line2D([], [], color=PALETTE[i], linestyle=("-", "--")[i]) for i in range(2)]
    labels += [f"theory, {name}" for name in names[:2]]
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def _marks(ax: Axes, names: list[str], order: list[Any], updates: Any, curves: Any, points: int = 16) -> None:
    """About so many marks for each method, whose curves stand in this order."""
    every = max(len(updates) // points, 1)
    for i, name in enumerate(names):
        curve = curves[[str(x) for x in order].index(name)]
        shown = np.arange(every * i // len(names), len(updates), every)
        shown = shown[curve[shown] > SMALLEST]
        ax.plot(
            updates[shown], curve[shown], linestyle="none", marker=MARKERS[i], color=PALETTE[i], label=name,
            markersize=4 if points < 20 else 3,
        )  # fmt: skip


def _to_the_floor(ax: Axes, series: Any, index: int) -> None:
    """The excess over the predicted floor falls by the squared modulus an update, from ten times the floor."""
    updates, curve, floor = series["updates"], series["curves"][index], series["floors"][index]
    start = int(np.flatnonzero(curve > 10 * floor)[-1])
    excess = (curve[start] - floor) * series["moduli"][index] ** (2 * (updates[start:] - updates[start]))
    theory(ax, updates[start:], floor + excess, index=index)


def _predicted(ax: Axes, updates: Any, curve: np.ndarray, modulus: float, index: int) -> None:
    """A gap is quadratic in the distance: it falls by the squared modulus an update. Drawn through where it is 1e-6."""
    tail = np.flatnonzero(curve < 1e-6)
    start = int(tail[0]) if len(tail) else len(curve) // 2
    log_line = np.log(curve[start]) + 2 * (updates - updates[start]) * np.log(modulus)
    inside = (log_line > np.log(SMALLEST)) & (log_line < np.log(3.0))
    theory(ax, updates[inside], np.exp(log_line[inside]), index=index)


@figure
def stability_map(results: dict[str, Any]) -> Figure:
    """Rock–paper–scissors: where runs return to the equilibrium, and the boundary that the modulus predicts."""
    series = results["outcomes_on_a_grid"].series
    beta, step = series["beta"], series["step_size"]
    fig, axes = panels(2, width=4.1, height=3.5)
    colours = ListedColormap(["#F2C6A8", "#CFE3F1"])
    for ax, solver, title in (
        (axes[0], "mirror_descent", "mirror descent (online IPO 1)"),
        (axes[1], "extragradient", "extragradient (EGPO)"),
    ):
        returns, modulus = (series[f"{solver}_{x}"].reshape(len(beta), len(step)) for x in ("returns", "modulus"))
        ax.pcolormesh(beta, step, returns.T, cmap=colours, vmin=0, vmax=1, shading="nearest", rasterized=True)
        ax.contour(beta, step, modulus.T, levels=[1.0], colors=[PALETTE[6]], linewidths=1.6)
        ax.plot(beta, series["safe"], color=PALETTE[2], linestyle="-.")
        if solver == "extragradient":
            ax.plot(beta, series["mirror_descent_limit"], color=PALETTE[0], linestyle=":", linewidth=1.8)
        ax.set(xscale="log", yscale="log", xlabel="KL weight β", title=title, ylim=(step[0], step[-1]))
        ax.grid(False)
        ax.xaxis.set_major_locator(FixedLocator([0.003, 0.01, 0.03, 0.1, 0.3, 1]))
        ax.yaxis.set_major_locator(FixedLocator([0.1, 0.3, 1, 3]))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_locator(NullLocator())
    axes[0].set_ylabel("step size η")
    handles = [
        Patch(color="#CFE3F1", label="run returns"),
        Patch(color="#F2C6A8", label="run leaves"),
        Line2D([], [], color=PALETTE[6], linewidth=1.6, label="modulus 1 (theory)"),
        Line2D([], [], color=PALETTE[2], linestyle="-.", label="1/(β + ½): contraction from anywhere"),
        Line2D([], [], color=PALETTE[0], linestyle=":", linewidth=1.8, label="limit of mirror descent"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


@figure
def spirals(results: dict[str, Any]) -> Figure:
    """A cycle of three actions, no regularisation, 60 steps of 0.8: mirror descent spirals out, extragradient in."""
    series = results["two_spirals"].series
    fig, axes = panels(2, width=3.7, height=3.5)
    for i, (ax, solver, title) in enumerate(
        zip(axes, ("mirror_descent", "extragradient"), ("mirror descent", "extragradient"), strict=True)
    ):
        triangle(ax, ("only 1", "only 2", "only 3"))
        path(ax, np.exp(series[solver]), index=i, marker=MARKERS[i], markersize=2.4)
        star(ax, series["equilibrium"])
        ax.set_title(title, pad=14)
    handles = [
        Line2D([], [], color=PALETTE[6], marker="o", markerfacecolor="none", linestyle="none", label="start"),
        Line2D([], [], color=PALETTE[6], marker="*", markersize=9, linestyle="none", label="equilibrium (4, 3, 4)/11"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=2)
    return fig


@figure
def noise_floors(results: dict[str, Any]) -> Figure:
    """What noise and bias of the payoff queries leave: against the step size, and against the KL weight."""
    fig, (left, right) = panels(2, width=4.1)
    noisy = results["floor_by_step_size"]
    (biased,) = noisy.controls.values()
    first = results["floor_of_a_biased_query"]
    for i, (found, name, slope) in enumerate(
        (
            (noisy, "noise in both queries: ∝ η", 1),
            (biased, "noise, and bias in the second query: ∝ η⁰", 0),
            (first, "bias in the trial query only: ∝ η²", 2),
        )
    ):
        _floor(left, found, slope, i, name)
    left.set(xlabel="step size η", ylabel=r"stationary $\mathrm{KL}(\pi^*\|\pi)$")
    weights = results["floor_by_weight"]
    _floor(right, weights, -1, 0, "noise in both queries: ∝ 1/β")
    right.set(xlabel="KL weight β")
    for ax in (left, right):
        ax.set(xscale="log", yscale="log")
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_locator(NullLocator())
        ax.legend(loc="best")
    left.xaxis.set_major_locator(FixedLocator(list(noisy.series["sizes"])))
    right.xaxis.set_major_locator(FixedLocator(list(weights.series["sizes"])))
    left.set_ylim(top=left.get_ylim()[1] * 300)
    return fig


def _floor(ax: Axes, found: Any, slope: int, index: int, name: str) -> None:
    """Medians over the games with their intervals, and a line of the predicted slope through the middle."""
    series = found.series
    sizes, median = series["sizes"], series["median"]
    measured(ax, sizes, median, series["median_low"], series["median_high"], index=index, label=name)
    middle = np.exp(np.mean(np.log(median)))
    theory(ax, sizes, middle * (sizes / np.exp(np.mean(np.log(sizes)))) ** slope, index=index)
