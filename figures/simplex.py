"""The triangle of policies over three actions."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from figures.style import PALETTE

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def triangle(ax: Axes, names: tuple[str, str, str]) -> None:
    """An empty triangle whose corners are the three actions."""
    ax.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color="#555555", linewidth=1.0)
    places = zip(CORNERS, names, ((-4, -4), (4, -4), (0, 4)), ("right", "left", "center"), strict=True)
    for corner, name, place, side in places:
        ax.annotate(name, corner, xytext=place, textcoords="offset points", ha=side)
    ax.set_aspect("equal")
    ax.axis("off")


def path(ax: Axes, policies: Any, *, index: int, **look: Any) -> None:
    """A run, with a ring where it starts."""
    points = np.asarray(policies) @ CORNERS
    ax.plot(*points.T, color=PALETTE[index], linewidth=0.9, **look)
    ax.plot(*points[0], marker="o", color="none", markeredgecolor=PALETTE[6], markersize=7, linestyle="none")


def star(ax: Axes, policy: Any) -> None:
    """The equilibrium."""
    ax.plot(*(np.asarray(policy) @ CORNERS), marker="*", markersize=9, color=PALETTE[6], linestyle="none")
