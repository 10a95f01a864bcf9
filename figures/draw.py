"""Draw the figures of papers from their stored results, as SVG and PNG, byte for byte the same on the same versions."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt

from figures.style import STYLE
from lab.ledger import results
from lab.ledger.errors import LabError

# Dates and version strings would make two identical drawings differ.
METADATA: dict[str, dict[str, None]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def draw(papers: list[str], home: Path | None = None, out: Path | None = None) -> list[Path]:
    """Draw every figure of the papers into `out` (default: `figures` beside the store); returns the files written.

    Raises LabError when a paper has no figures or no current results, or the folder cannot be written.
    """
    for slug in papers:
        if not has_figures(slug):
            raise LabError(f"{slug} has no figures: there is no module {_module(slug)}")
    folder = out or results.home(home) / "figures"
    try:
        return [file for slug in papers for file in _drawn(slug, results.read(slug, home), folder)]
    except OSError as problem:
        raise LabError(f"{folder}: cannot be written ({problem.strerror}); choose another folder with --out") from None


def _drawn(slug: str, stored: dict, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for function in drawings(importlib.import_module(_module(slug))):
        with plt.rc_context(STYLE):
            fig = function(stored)
            for suffix, metadata in METADATA.items():
                path = folder / f"{slug}-{function.__name__.replace('_', '-')}.{suffix}"
                fig.savefig(path, metadata=metadata)
                written.append(path)
            plt.close(fig)
    return written


def has_figures(slug: str) -> bool:
    """Whether there is a module with the figures of this paper."""
    return find_spec(_module(slug)) is not None


def _module(slug: str) -> str:
    return f"figures.{slug.replace('-', '_')}"


def drawings(module: ModuleType) -> list:
    """The figure functions of a module, in the order in which they stand there."""
    return [f for f in vars(module).values() if getattr(f, "is_figure", False)]
