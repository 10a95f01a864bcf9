"""What the engine costs: whole runs, a re-run with nothing to do, starting up, and judging against drawing.

    python benchmarks/engine.py [PAPER|CLAIM …]

Of each sampled check: its time, the share of it that its world takes (drawing, and what is computed from the draws),
the judge's share, and the share of drawing the same random numbers alone (NumPy's calls are recorded and replayed;
checks that draw inside JAX have none). A check that does nothing but draw says what the engine and its judge cost: its
throughput is to be at least half of that of drawing alone. How much is compiled code: `benchmarks.compiled`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from lab.ledger import threads

threads.single_threaded()

import numpy as np  # noqa: E402

from benchmarks.record import median_seconds, record  # noqa: E402
from lab.ledger import judge, plan, unit  # noqa: E402
from lab.ledger.findings import mean_equals  # noqa: E402

ROOT = Path(__file__).parents[1]
LAB = [sys.executable, "-m", "lab.cli"]
QUIETLY: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.DEVNULL}


def main(names: list[str]) -> None:
    rows: list[dict[str, Any]] = []
    start_up = median_seconds(lambda: subprocess.run([*LAB, "--help"], cwd=ROOT, capture_output=True, check=True))
    rows.append({"what": "lab --help", "seconds": start_up, "target": 0.3})
    for profile, target in (("quick", 40.0), ("standard", 180.0)):
        with tempfile.TemporaryDirectory() as home:
            command = [*LAB, "check", *names, "--profile", profile]
            for what, limit in (("nothing cached", target), ("nothing changed", 3.0)):
                started = time.perf_counter()
                code = subprocess.run(command, env=os.environ | {"LAB_HOME": home}, **QUIETLY).returncode
                seconds = time.perf_counter() - started
                rows.append({"what": f"{profile}, {what}", "seconds": seconds, "target": limit, "exit": code})
        with tempfile.TemporaryDirectory() as home:  # watching takes time, so it has a run of its own
            rows.append({"what": f"{profile}, memory", "peak MiB": peak(command, home), "target": 2048.0})
    rows.append(bare())
    rows += [sampled(u) for u in plan.plan(names, skip_missing=True).units if u.kind == "sampled"]
    record("engine", rows, "loky")


def peak(command: list[str], home: str) -> float:
    """The peak of the resident memory of the process and its workers together, in MiB."""
    process = subprocess.Popen(command, env=os.environ | {"LAB_HOME": home}, **QUIETLY)
    largest = 0.0
    while process.poll() is None:
        largest = max(largest, sum(map(resident, family(process.pid))))
        time.sleep(0.05)
    return largest


def family(parent: int) -> list[int]:
    """A process and all its descendants (Linux)."""
    found = [parent]
    for pid in found:
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # it has ended meanwhile
            continue
    return found


def resident(pid: int) -> float:
    """Resident memory of a process in MiB; what several processes share is divided among them (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    except (OSError, StopIteration):  # it has ended meanwhile
        return 0.0


def bare() -> dict[str, Any]:
    """A check that does nothing but draw, undecided to the end: what the engine and its judge add."""
    chunks, size = 128, 2**14

    def findings() -> Iterator[Any]:
        for chunk in range(chunks):
            yield mean_equals(np.random.default_rng([1, chunk]).random(size), 0.5, within=1e-9, low=0.0, high=1.0)

    seconds = median_seconds(lambda: judge.judge(findings(), alpha=1e-6), runs=5, warm_up=1)
    alone = median_seconds(
        lambda: [np.random.default_rng([1, c]).random(size) for c in range(chunks)], runs=5, warm_up=1
    )
    samples = chunks * size
    return {
        "what": "uniform numbers, judged", "seconds": seconds, "samples": samples, "drawing alone": alone,
        "drawing / whole": alone / seconds, "target": 0.5, "judge's share": 1 - alone / seconds,
    }  # fmt: skip


def sampled(check: unit.Unit) -> dict[str, Any]:
    """One sampled check against its own random numbers."""
    found = unit.find(check)
    unit.execute(found, check)  # compiles
    started = time.perf_counter()
    result = unit.execute(found, check)
    seconds = time.perf_counter() - started
    with recorded() as calls:
        unit.execute(found, check)
    share = judging(found, check) / seconds
    row = {
        "what": check.name,
        "seconds": seconds,
        "samples": result.samples,
        "world / whole": 1 - share,
        "target": 0.5,
        "judge's share": share,
    }
    if calls:
        alone = replay(calls)
        row |= {"drawing alone": alone, "drawing / whole": alone / seconds}
    return row


class Recorder(np.random.Generator):
    """A generator that notes what is asked of it."""

    calls: list[tuple[np.random.Generator, str, tuple[Any, ...], dict[str, Any]]]

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name.startswith("_") or name == "bit_generator" or not callable(method):
            return method

        def noted(*arguments: Any, **options: Any) -> Any:
            Recorder.calls.append((np.random.Generator(np.random.PCG64(0)), name, arguments, options))
            return method(*arguments, **options)

        return noted


@contextmanager
def recorded() -> Iterator[list[Any]]:
    """The calls of NumPy generators that are made inside the block."""
    calls: list[Any] = []
    Recorder.calls = calls
    plain = np.random.default_rng

    def noting(seed: Any = None) -> np.random.Generator:
        return Recorder(np.random.PCG64(seed))

    np.random.default_rng = noting  # type: ignore[assignment]
    try:
        yield calls
    finally:
        np.random.default_rng = plain  # type: ignore[assignment]


def replay(calls: list[Any]) -> float:
    def draw() -> None:
        for generator, name, arguments, options in calls:
            getattr(generator, name)(*arguments, **options)

    return median_seconds(draw, runs=5, warm_up=1)


def judging(found: Any, check: unit.Unit) -> float:
    """Seconds that the judge itself takes in one run of the check."""
    spent = 0.0
    plain = judge.mean

    def timed(first: Any, more: Any, *, alpha: float) -> Any:
        nonlocal spent
        waiting = 0.0

        def awaited() -> Iterator[Any]:
            nonlocal waiting
            source = iter(more)
            while True:
                started = time.perf_counter()
                try:
                    chunk = next(source)
                except StopIteration:
                    return
                waiting += time.perf_counter() - started
                yield chunk

        started = time.perf_counter()
        result = plain(first, awaited(), alpha=alpha)
        spent = time.perf_counter() - started - waiting
        return result

    judge.mean = timed  # type: ignore[assignment]
    try:
        unit.execute(found, check)
    finally:
        judge.mean = plain  # type: ignore[assignment]
    return spent


if __name__ == "__main__":
    main(sys.argv[1:])
