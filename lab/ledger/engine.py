"""Runs what is not yet known, on all cores, and returns the ledger of what was asked for.

    ledger = check(["rdpo"], profile="quick")
    ledger.as_expected, ledger.rows[0].result.verdict

Units of work run in worker processes (`lab.ledger.pool`), one thread each; this process alone writes the store, each
result the moment it arrives. A unit's seed and effort are part of the unit, so that order and number of workers change
no bit.
"""

import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lab.inference import budget
from lab.ledger import fingerprint, plan, pool, store, threads
from lab.ledger.errors import LabError
from lab.ledger.evidence import KINDS
from lab.ledger.judge import Judgement
from lab.ledger.plan import Check, Modules
from lab.ledger.store import Result, Store
from lab.ledger.unit import Unit, run

Progress = Callable[[int, int, Unit | None], None]

GROWTH = 450 * 2**20  # bytes by which a process may grow before it drops what JAX has compiled
_resident_after = 0  # bytes that it held after it did so last


@dataclass(frozen=True)
class Outcome:
    """A unit with its stored result."""

    unit: Unit
    result: Result

    @property
    def as_expected(self) -> bool:
        return self.result.verdict == self.unit.expected


@dataclass(frozen=True)
class Row:
    """A check of a claim with its outcome and those of its controls."""

    check: Check
    main: Outcome
    controls: tuple[Outcome, ...]

    @property
    def as_expected(self) -> bool:
        """The verdict is the one the catalogue expects, and every control came out as it must."""
        return self.main.as_expected and all(control.as_expected for control in self.controls)


@dataclass(frozen=True)
class Ledger:
    """What a call of `check` was asked for: all rows, those left out, and how it went."""

    rows: tuple[Row, ...]
    skipped: tuple[tuple[Any, Any, str], ...]
    profile: str
    ran: int
    reused: int
    seconds: float
    workers: int

    @property
    def as_expected(self) -> bool:
        return all(row.as_expected for row in self.rows)

    @property
    def random_checks(self) -> int:
        """Checks and controls whose verdict could be wrong by chance."""
        return sum(KINDS[o.unit.kind].random for row in self.rows for o in (row.main, *row.controls))

    @property
    def error_bound(self) -> float:
        """A bound on the probability that any verdict of these rows is wrong by chance."""
        return budget.spent(self.random_checks)


def check(
    names: Sequence[str] = (),
    *,
    profile: str = "standard",
    workers: int | None = None,
    home: Path | str | None = None,
    folder: Path | None = None,
    modules: Modules | None = None,
    skip_missing: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Ledger:
    """Run the checks of these papers and claims (all without names) that have no current result; return their ledger.

    `home` is the store's folder, `folder` the catalogue's, `modules` finds a paper's simulations by its slug.
    `force` runs everything again. Raises LabError (unknown names, missing data, a store that cannot be used)
    before anything is run.
    """
    started = time.perf_counter()
    threads.single_threaded()
    if workers is not None and workers < 1:
        raise LabError(f"workers = {workers}: at least 1 is needed")
    planned = plan.plan(names, profile, folder=folder, modules=modules, skip_missing=skip_missing)
    random_units = sum(KINDS[unit.kind].random for unit in planned.units)
    if random_units > budget.CAPACITY:
        raise LabError(
            f"{random_units} checks and controls use randomness, and the error budget {budget.TOTAL:g} has room for "
            f"{budget.CAPACITY}: check fewer papers in one run"
        )
    units = list({unit.key: unit for unit in planned.units}.values())
    with Store.read(home) as stored:
        known = {} if force else current(stored, units)
    waiting = [unit for unit in units if unit.key not in known]
    count = max(1, min(workers or _cores(), len(waiting)))
    if waiting:
        with Store.open(home) as target:
            order = _ordered(waiting, target.durations())
            if progress:
                progress(0, len(order), None)
            for done, (unit, result) in enumerate(_results(order, count, store.home(home)), 1):
                target.add(result)
                known[unit.key] = result
                if progress:
                    progress(done, len(order), unit)
    rows = tuple(
        Row(c, Outcome(c.main, known[c.main.key]), tuple(Outcome(u, known[u.key]) for u in c.controls))
        for c in planned.checks
    )
    seconds = time.perf_counter() - started
    return Ledger(rows, planned.skipped, profile, len(waiting), len(units) - len(waiting), seconds, count)


def current(stored: Store, units: Sequence[Unit]) -> dict[str, Result]:
    """The stored results of these units. A check that broke is never current: it is run again."""
    found = stored.find([unit.key for unit in units])
    return {key: result for key, result in found.items() if result.verdict != "error"}


def _ordered(units: list[Unit], durations: dict[tuple[str, str, str | None], float]) -> list[Unit]:
    """Longest first, as far as earlier runs tell, so that no core waits at the end; the unknown come before the known.

    Checks come before controls: these run the programs that their checks compiled, found in the cache by then.
    """
    return sorted(
        units,
        key=lambda u: (u.control is not None, -durations.get((u.claim, u.evidence, u.control), float("inf"))),
    )


def _results(units: list[Unit], count: int, folder: Path) -> Iterator[tuple[Unit, Result]]:
    """The units with their results, in the order in which they finish."""
    jax_settings = _jax_settings(folder)
    if count == 1 and threads.single_threaded():
        for unit in units:
            yield unit, _work(unit, jax_settings)
        return
    os.environ.update({name.upper(): str(value) for name, value in jax_settings.items()})
    folders = list(dict.fromkeys(_root(unit) for unit in units))
    work = partial(_work, jax_settings=jax_settings, parent=os.getpid(), folders=folders)
    yield from pool.run(units, count, work)


def _work(unit: Unit, jax_settings: dict[str, Any], parent: int = 0, folders: Sequence[str] = ()) -> Result:
    """Run a unit, here or in a worker process of `parent`, and give its result what a repetition needs.

    `folders` are put on the import path of a worker process that does not find the units' modules.
    """
    if parent:
        sys.path += [folder for folder in folders if folder not in sys.path]
        threads.end_with(parent)
        # Two workers may compile the same function at once; who reads a half-written one compiles it again.
        warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry")
    if "jax" in sys.modules:
        import jax

        for name, value in jax_settings.items():
            jax.config.update(name, value)
    started = time.perf_counter()
    judgement, trace = run(unit)
    result = _result(unit, judgement, trace, time.perf_counter() - started)
    _forget_compiled()
    return result


def _forget_compiled() -> None:
    """Drop JAX's compiled functions whenever this process has grown by GROWTH; the cache on disk still has them."""
    global _resident_after
    if "jax" in sys.modules and _resident() > _resident_after + GROWTH:
        import jax

        jax.clear_caches()
        _resident_after = _resident()


def _resident() -> int:
    """Bytes of memory that this process holds (Linux; 0 elsewhere)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _result(unit: Unit, judgement: Judgement, trace: str, seconds: float) -> Result:
    described = {name: getattr(unit, name) for name in _SHARED}
    return Result(
        **described,
        **store.decode(store.encode(asdict(judgement))),  # as it will be read back
        traceback=trace,
        seconds=seconds,
        finished=datetime.now(UTC).isoformat(timespec="microseconds"),
        versions=fingerprint.versions(),
        machine=f"{platform.system()} {platform.machine()}",
    )


_SHARED = ("key", "claim", "evidence", "kind", "control", "profile", "seed", "alpha")


def _jax_settings(folder: Path) -> dict[str, Any]:
    """Double precision, and compiled functions kept between runs and shared between workers."""
    return {
        "jax_enable_x64": True,
        "jax_compilation_cache_dir": str((folder / "jax-cache").absolute()),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }


def _root(unit: Unit) -> str:
    """The folder that holds the top package of a unit's module, for workers that do not have it on their path."""
    top = sys.modules[unit.module.partition(".")[0]]
    paths = list(getattr(top, "__path__", [])) or [os.path.abspath(top.__file__ or "")]
    return str(Path(paths[0]).parent)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
