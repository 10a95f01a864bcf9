"""The house style: one palette readable in print and by the colour-blind, theory as lines, measurements as marks.

A figure is a function of a paper's stored results:

    @figure
    def gradient_bias(results):
        fig, ax = panels(1)
        theory(ax, x, y, label="theory")
        measured(ax, x, result.estimate, result.low, result.high, label="measured")
        return fig
"""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, ordered so that neighbours also differ in lightness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "svg.hashsalt": "estimator-lab",
    "svg.fonttype": "path",
}


def figure(function: Callable[[Any], Figure]) -> Callable[[Any], Figure]:
    """Mark a function of a paper's results as one of its figures."""
    function.is_figure = True  # type: ignore[attr-defined]
    return function


def palette(index: int) -> dict[str, Any]:
    """Colour, marker and dash of the index-th thing compared: the same in every figure of a paper."""
    return {"color": PALETTE[index % 7], "marker": MARKERS[index % 7], "linestyle": DASHES[index % 7]}


def panels(columns: int, *, rows: int = 1, width: float = 4.2, height: float = 3.1) -> tuple[Figure, Any]:
    """A figure with a row of panels (a single axes object when there is one)."""
    return plt.subplots(rows, columns, figsize=(width * columns, height * rows))


def theory(ax: Axes, x: Any, y: Any, *, index: int = 0, **more: Any) -> None:
    """A theoretical curve: a line, never a mark."""
    look = palette(index)
    ax.plot(x, y, color=look["color"], linestyle=look["linestyle"], **more)


def measured(ax: Axes, x: Any, estimate: Any, low: Any, high: Any, *, index: int = 0, **more: Any) -> None:
    """Measurements with their confidence intervals: marks with bars, never a line."""
    look = palette(index)
    estimate, low, high = (np.asarray(v, dtype=float) for v in (estimate, low, high))
    bars = np.stack([np.maximum(estimate - low, 0.0), np.maximum(high - estimate, 0.0)])
    ax.errorbar(
        x, estimate, yerr=bars, linestyle="none", marker=look["marker"], color=look["color"], capsize=2.5,
        elinewidth=1.0, **more,
    )  # fmt: skip


def band(ax: Axes, x: Any, low: Any, high: Any, *, index: int = 0, **more: Any) -> None:
    """A shaded interval around a curve."""
    ax.fill_between(x, low, high, color=PALETTE[index % 7], alpha=0.18, linewidth=0, **more)
