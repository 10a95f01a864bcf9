"""Timing and recording shared by the benchmarks: medians over repeated runs, and the machine they ran on.

Each benchmark is a script `benchmarks/NAME.py` that prints a small table and writes `benchmarks/results/NAME.json`.
What is compared does the same work in the same process; what is recorded is the ratio.
"""

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def median_seconds(function: Callable[[], Any], *, runs: int = 7, warm_up: int = 2) -> float:
    """Median wall time of a call after warm-up calls; the function must finish its own asynchronous work."""
    for _ in range(warm_up):
        function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine(*packages: str) -> dict[str, Any]:
    """What a timing depends on: processor, cores, Python and the versions of the packages named."""
    versions = {}
    for package in ("numpy", "scipy", "jax", *packages):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), processor)
    except OSError:
        pass
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }


def record(name: str, rows: list[dict[str, Any]], *packages: str) -> Path:
    """Print the rows as a table and write them with the machine to `benchmarks/results/NAME.json`."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_text(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(column), *(len(row[i]) for row in cells)) for i, column in enumerate(columns)]
    for line in [columns, *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(*packages), "rows": rows}, indent=1, ensure_ascii=False) + "\n")
    return path


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
