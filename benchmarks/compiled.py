"""Where sampled checks spend their time: the share of samples of the stack with compiled code on top.

    python -m benchmarks.compiled [PAPER|CLAIM …]        needs `pip install py-spy`

A child process runs each check again and again for the same time, watched by py-spy, which sees the frames of Python
and of compiled libraries alike. A sample counts as compiled when its innermost frame lies in a library (array
arithmetic, random numbers, XLA, which the main thread may wait for); the rest is the interpreter.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from lab.ledger import threads

threads.single_threaded()

from benchmarks.record import record  # noqa: E402
from lab.ledger import plan, unit  # noqa: E402

SECONDS = 1.0  # of each check
RATE = 200  # samples a second
CHILD = "--watched"


def main(names: list[str]) -> None:
    watcher = shutil.which("py-spy")
    if watcher is None:
        sys.exit("py-spy is not installed: pip install py-spy")
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks.txt"
        watch = [
            watcher,
            "record",
            "--native",
            "--idle",
            "--rate",
            str(RATE),
            "--format",
            "raw",
            "--output",
            str(stacks),
            "--",
        ]
        subprocess.run([*watch, sys.executable, "-m", "benchmarks.compiled", CHILD, *names], check=True)
        samples, compiled = counts(stacks.read_text())
    rows = [row("all sampled checks", sum(samples.values()), sum(compiled.values()))]
    rows += [row(check.name, samples[f"check_{i}"], compiled[f"check_{i}"]) for i, check in enumerate(checks(names))]
    record("compiled", rows)


def row(what: str, samples: int, compiled: int) -> dict[str, object]:
    return {"what": what, "samples": samples, "compiled": compiled / max(samples, 1), "target": 0.5}


def counts(stacks: str) -> tuple[Counter[str], Counter[str]]:
    """Samples of each check, and those of them with compiled code on top, from lines of frames `a;b;c count`."""
    samples, compiled = Counter[str](), Counter[str]()
    for line in stacks.splitlines():
        frames, number = line.rsplit(" ", 1)
        names = frames.split(";")
        check = next((name.split()[0] for name in names if name.startswith("check_")), None)
        if check is not None:
            samples[check] += int(number)
            compiled[check] += int(number) * (".py:" not in names[-1] and "<" not in names[-1].rpartition("(")[2])
    return samples, compiled


def checks(names: list[str]) -> list[unit.Unit]:
    return [u for u in plan.plan(names, skip_missing=True).units if u.kind == "sampled"]


def watched(names: list[str]) -> None:
    for i, check in enumerate(checks(names)):
        found = unit.find(check)
        unit.execute(found, check)  # compiles
        named(repeat, f"check_{i}")(found, check)


def repeat(found, check) -> None:  # type: ignore[no-untyped-def]
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        unit.execute(found, check)


def named(function, name: str):  # type: ignore[no-untyped-def]
    """The same function under a name that a stack shows."""
    return type(function)(function.__code__.replace(co_name=name, co_qualname=name), globals())


if __name__ == "__main__":
    arguments = sys.argv[1:]
    (watched if CHILD in arguments else main)([name for name in arguments if name != CHILD])
