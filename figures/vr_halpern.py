"""Variance-reduced Halpern: residuals under their bounds, the potential, cost against n, the authors' experiments."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import PALETTE, figure, palette, panels, theory

METHODS = ("EG", "VR-EG", "EAG", "Algorithm 1", "Algorithm 2")


def exact(ax: Axes, x: Any, y: Any, *, index: int = 0, every: int = 1, **more: Any) -> None:
    """Numbers that were computed exactly or in one run: marks without bars."""
    look = palette(index)
    ax.plot(x[::every], y[::every], linestyle="none", marker=look["marker"], color=look["color"], **more)


@figure
def potential(results: dict[str, Any]) -> Figure:
    """The potential of Algorithm 1 along a run, with resets and without, and its estimator's error; exact moments."""
    found = results["potential_on_coordinates"]
    (control,) = found.controls.values()
    fig, (left, right) = panels(2)
    for index, (one, name) in enumerate(((found, "resets as in the paper"), (control, "no resets"))):
        k = one.series["iteration"] + 1
        face = {"markerfacecolor": "none", "markersize": 7} if index else {}
        exact(left, k, one.series["potential"], index=index, every=2, label=name, **face)
        noise = one.series["noise"]
        shown = noise > 0
        exact(right, k[shown], noise[shown], index=index, every=2, label=name)
    left.axhline(1.0, color=PALETTE[6], label="what theory allows")
    left.set(xscale="log", xlabel="iteration k + 1", ylabel=r"potential $\mathbb{E}\,C_k / C_0$")
    left.set_yscale("symlog", linthresh=1.0)
    left.legend(loc="upper left")
    right.set(xscale="log", yscale="log", xlabel="iteration k + 1", ylabel=r"estimator's error $\mathbb{E}\,\|e_k\|^2$")
    right.legend(loc="lower left")
    return fig


@figure
def residuals(results: dict[str, Any]) -> Figure:
    """Algorithm 1: exact residual and its bound; Algorithm 2: at the inner output and at the anchored iterate."""
    found = results["rate_on_coordinates"].series
    fig, (left, right) = panels(2)
    k = found["iteration"] + 1
    theory(left, k, found["bound"], index=0, label="bound, about 16LD/k")
    exact(left, k, found["residual"], index=1, label="Algorithm 1, exact moments")
    left.set(xscale="log", yscale="log", xlabel="iteration k + 1", ylabel=r"$\sqrt{\mathbb{E}\,\|F(u_k)\|^2}$")
    left.legend(loc="lower left")
    path = results["residual_of_algorithm_2"].series
    for index, n in enumerate((16, 256)):
        output, anchored, bound = (path[f"{name}_{n}"] for name in ("output", "anchored", "bound"))
        outer = np.arange(len(output)) + 1
        some = np.unique(np.geomspace(1, len(outer), 18).astype(int)) - 1
        theory(right, outer, bound, index=index, label=f"bound, n = {n}")
        exact(right, outer[some], output[some], index=index, label=f"inner output, n = {n}")
        exact(right, outer[some], anchored[some], index=index + 2, label=f"anchored iterate, n = {n}")
    right.set(xscale="log", yscale="log", xlabel="outer iteration k + 1", ylabel=r"$\sqrt{\mathbb{E}\,\|F\|^2}$")
    right.set_ylim(1e-5, 8)
    right.legend(loc="lower left", fontsize=7)
    return fig


@figure
def cost(results: dict[str, Any]) -> Figure:
    """Evaluations against the number of components: both algorithms, and the break-even with deterministic methods."""
    fig, (left, right) = panels(2)
    for ax, name, ours, theirs in (
        (left, "cost_around_the_break_even", "Algorithm 1", "Halpern’s tight guarantee, $nL_FD/\\varepsilon$"),
        (right, "cost_of_algorithm_2", "Algorithm 2", "FEG’s tight guarantee, $4nL_FD/\\varepsilon$"),
    ):
        series = results[name].series
        n = series["components"]
        theory(ax, n, series["deterministic"], index=0, label=theirs)
        exact(ax, n, series["cost"], index=1, label=f"{ours}, exact moments")
        gap = np.log(series["cost"] / series["deterministic"])
        crossing = float(np.exp(np.interp(0.0, -gap, np.log(n))))
        height = float(np.interp(crossing, n, series["deterministic"]))
        bottom = 0.7 * min(np.min(series["cost"]), np.min(series["deterministic"]))
        ax.plot(
            [crossing, crossing],
            [bottom, height],
            color=PALETTE[6],
            linestyle=":",
            label=f"break-even, n ≈ {crossing:,.0f}",
        )
        ax.set(xscale="log", yscale="log", xlabel="components n", ylabel="evaluations of components")
        ax.set_ylim(bottom, 8 * np.max(series["deterministic"]))
        ax.legend(loc="upper left")
    left.set_title("cocoercive, $L = 4L_F$, ε = D/500")
    right.set_title("bilinear, $L = \\sqrt{2}L_F$, ε = D/500")
    return fig


@figure
def outer_iterations(results: dict[str, Any]) -> Figure:
    """Outer iterations of Algorithm 2 against n at both iterates; and its inner solver's error in epochs."""
    series = results["outer_iterations_by_components"].series
    fig, (left, right) = panels(2)
    n = series["components"]
    theory(left, n, series["bound"], index=0, label=r"exact resolvents, $2LD/(\sqrt{n}\,\varepsilon)$, ε = D/400")
    exact(left, n, series["output"], index=0, label="at the inner output, ε = D/400")
    exact(left, n, series["anchored"], index=1, label="at the anchored iterate, ε = D/40")
    left.set(xscale="log", yscale="log", xlabel="components n", ylabel="outer iterations to ε")
    left.set_ylim(top=2500)
    left.legend(loc="upper right")
    inner = results["contraction_of_the_inner_solver"].series
    epochs = inner["epochs"]
    theory(right, epochs, np.exp(-0.45 * epochs), index=0, label=r"$e^{-0.45}$ an epoch")
    for index, size in enumerate((16, 64, 256, 1024)):
        exact(right, epochs, inner[f"error_{size}"], index=index, label=f"n = {size}")
    right.set(yscale="log", xlabel="inner steps / n", ylabel=r"$\mathbb{E}\,\|v_t - J\|^2$, relative")
    right.legend(loc="lower left")
    return fig


def _experiment(series: dict[str, Any], axes: Any) -> None:
    for ax, kind, title in zip(
        axes, ("plotted", "theory"), ("as the authors plot it", "where theory speaks"), strict=True
    ):
        for index, name in enumerate(METHODS):
            look = palette(index)
            ax.plot(
                series[f"epochs {name}"], series[f"{kind} {name}"], color=look["color"], linestyle=look["linestyle"],
                marker=look["marker"], markevery=10, label=name,
            )  # fmt: skip
        ax.set(yscale="log", xlabel="epochs (n evaluations)", ylabel="fixed-point residual", title=title)
        ax.legend(loc="lower left", fontsize=7)


@figure
def matrix_game(results: dict[str, Any]) -> Figure:
    """Figure 1 (a) of the paper: policeman and burglar, n = 500; one run of each method."""
    fig, axes = panels(2)
    _experiment(results["runs_on_the_matrix_game"].series, axes)
    return fig


@figure
def quadratic_program(results: dict[str, Any]) -> Figure:
    """Figure 1 (b) of the paper: Ouyang and Xu's quadratic program, n = 200; one run of each method."""
    fig, axes = panels(2)
    _experiment(results["runs_on_the_quadratic_program"].series, axes)
    return fig


@figure
def oscillation(results: dict[str, Any]) -> Figure:
    """The quadratic program for longer: EAG swings, Algorithm 1 falls; one run of each."""
    series = results["residuals_that_fall"].series
    fig, ax = panels(1, width=5.2)
    for name in ("EAG", "Algorithm 1"):
        look = palette(METHODS.index(name))
        ax.plot(
            series[f"epochs {name}"], series[f"plotted {name}"], color=look["color"], linestyle=look["linestyle"],
            marker=look["marker"], markevery=6, label=name,
        )  # fmt: skip
    for moment in (21_000, 28_000):
        ax.axvline(moment, color=PALETTE[6], linestyle=":", label="compared" if moment == 21_000 else None)
    ax.set(yscale="log", xlabel="epochs (n evaluations)", ylabel="fixed-point residual")
    ax.legend(loc="lower left")
    return fig


@figure
def baselines(results: dict[str, Any]) -> Figure:
    """Last iterates on their worst rotations: extragradient falls as N^(−1/2), with an anchor as 1/N."""
    found = results["extragradient_on_the_worst_rotation"].series
    fig, ax = panels(1, width=4.8)
    n = found["horizon"]
    theory(ax, n, found["bound"], index=0, label="FEG’s bound, 2LD/N")
    theory(ax, n, found["median"][0] * np.sqrt(n[0] / n), index=1, label="slope −1/2")
    exact(ax, n, found["fast"], index=0, label="FEG, worst rotation for each N")
    exact(ax, n, found["median"], index=1, label="extragradient, worst rotation for each N")
    ax.set(xscale="log", yscale="log", xlabel="steps N", ylabel=r"$\|F(x_N)\| / (LD)$")
    ax.legend(loc="lower left")
    return fig
