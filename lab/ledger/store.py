"""The ledger's file: one SQLite database, `ledger.sqlite` in the folder `LAB_HOME` (default `results/` here).

Each result is one transaction, made when its unit is finished, so that a process killed at any instant loses only
what it was still computing. Results are JSON, with floats that return bit for bit. Whatever is wrong with the file, it
is reported in one line (StoreError) and left as it was. Reading never creates a file.
"""

import dataclasses
import json
import math
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab.ledger.errors import StoreError
from lab.ledger.fingerprint import digest

FILE = "ledger.sqlite"
APPLICATION = 0x1AB1ED6E  # marks a SQLite file as ours
SCHEMA = 1
WAIT = 60.0  # seconds to wait for another process that is writing
KEPT = 4  # newest results of a unit that are kept: of the code as it is, and of some that it may go back to

TABLES = """
CREATE TABLE results (
    key TEXT PRIMARY KEY, claim TEXT NOT NULL, evidence TEXT NOT NULL, control TEXT, profile TEXT NOT NULL,
    verdict TEXT NOT NULL, seconds REAL NOT NULL, finished TEXT NOT NULL, payload TEXT NOT NULL, digest TEXT NOT NULL
) STRICT;
CREATE INDEX results_of_claim ON results (claim, evidence, control);
"""

FORGET = """
DELETE FROM results WHERE key IN (
    SELECT key FROM results WHERE claim = ? AND evidence = ? AND control IS ? AND profile = ?
    ORDER BY finished DESC LIMIT -1 OFFSET ?)
"""


@dataclass(frozen=True)
class Result:
    """The outcome of one unit of work, with what is needed to repeat it. Numbers are floats or nested lists."""

    key: str
    claim: str
    evidence: str
    kind: str
    control: str | None
    profile: str
    seed: int
    alpha: float
    verdict: str
    predicted: Any = None
    estimate: Any = None
    low: Any = None
    high: Any = None
    samples: int = 0
    counterexample: dict[str, Any] | None = None
    note: str = ""
    series: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""
    seconds: float = 0.0
    finished: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    machine: str = ""


# What depends on the clock and the machine, not on the unit.
CIRCUMSTANCES = ("seconds", "finished", "machine", "traceback")


def home(folder: Path | str | None = None) -> Path:
    """The folder of the store: the argument, else `LAB_HOME`, else `results/` in the current folder."""
    return Path(folder or os.environ.get("LAB_HOME") or "results")


class Store:
    """The results in one file. `Store.open` reads and writes and makes the file if need be; `Store.read` only reads."""

    def __init__(self, file: Path, connection: sqlite3.Connection | None) -> None:
        self.file = file
        self._connection = connection

    @classmethod
    def open(cls, folder: Path | str | None = None) -> "Store":
        """Open for writing; make the folder and the file where there are none."""
        file = home(folder) / FILE
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise StoreError(f"{file.parent}: cannot make the ledger's folder: {problem.strerror}") from None
        return cls._connect(file, "rwc")

    @classmethod
    def read(cls, folder: Path | str | None = None) -> "Store":
        """Open for reading; a file that is not there reads as an empty ledger and is not made."""
        file = home(folder) / FILE
        if file.parent.is_file():
            raise StoreError(f"{file.parent}: is a file, not the ledger's folder; set LAB_HOME to another")
        if not file.exists():
            return cls(file, None)
        # "rw" writes nothing, but may undo what a killed process left half-written; SQLite falls back to reading only.
        return cls._connect(file, "rw")

    @classmethod
    def _connect(cls, file: Path, mode: str) -> "Store":
        if file.is_dir():
            raise StoreError(f"{file}: is a folder, not a ledger; move it away or set LAB_HOME to another folder")
        with _reported(file):
            address = f"{file.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(address, uri=True, timeout=WAIT, isolation_level=None)
            try:
                _check(connection, file, may_write=mode == "rwc")
            except BaseException:
                connection.close()
                raise
        return cls(file, connection)

    def add(self, result: Result) -> None:
        """Store a result, now and for good, in one transaction.

        It replaces an earlier result of the same key, and of the same unit under other keys the oldest beyond `KEPT`.
        """
        payload = encode(dataclasses.asdict(result))
        row = (
            result.key, result.claim, result.evidence, result.control, result.profile, result.verdict,
            result.seconds, result.finished, payload, digest(payload),
        )  # fmt: skip
        assert self._connection is not None
        with _reported(self.file), self._connection:  # commits, or takes all back
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(f"INSERT OR REPLACE INTO results VALUES ({','.join('?' * len(row))})", row)
            self._connection.execute(FORGET, (*row[1:5], KEPT))

    def find(self, keys: Iterable[str]) -> dict[str, Result]:
        """The stored results that have these keys."""
        found = {}
        for key in keys:
            for payload, check in self._rows("SELECT payload, digest FROM results WHERE key = ?", (key,)):
                found[key] = self._decoded(key, payload, check)
        return found

    def latest(self, claim: str) -> dict[tuple[str, str | None], Result]:
        """The newest stored result of each (evidence, control) of a claim, current or not."""
        rows = self._rows("SELECT key, payload, digest FROM results WHERE claim = ? ORDER BY finished", (claim,))
        results = [self._decoded(key, payload, check) for key, payload, check in rows]
        return {(r.evidence, r.control): r for r in results}

    def durations(self) -> dict[tuple[str, str, str | None], float]:
        """Seconds that each (claim, evidence, control) took when last run."""
        rows = self._rows("SELECT claim, evidence, control, seconds FROM results ORDER BY finished")
        return {(claim, evidence, control): seconds for claim, evidence, control, seconds in rows}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if self._connection is None:
            return []
        with _reported(self.file):
            return self._connection.execute(query, values).fetchall()

    def _decoded(self, key: str, payload: str, check: str) -> Result:
        try:
            if digest(payload) != check:
                raise ValueError("its bytes have changed")
            return Result(**decode(payload))
        except (ValueError, TypeError) as problem:
            raise StoreError(f"{self.file}: the result {key[:12]}… is damaged ({problem}); {_ADVICE}") from None


_ADVICE = "move the file away, or set LAB_HOME to another folder, and run again"


class _reported:
    """Turns an error of the database into a StoreError that names the file; the file stays as it is."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, problem: BaseException | None, _: Any) -> None:
        if not isinstance(problem, sqlite3.Error):
            return
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        says = {
            sqlite3.SQLITE_NOTADB: f"is not a ledger (no SQLite database); {_ADVICE}",
            sqlite3.SQLITE_CORRUPT: f"is damaged ({problem}); {_ADVICE}",
            sqlite3.SQLITE_READONLY: "cannot be written (it, or its folder, is read-only); set LAB_HOME to another",
            sqlite3.SQLITE_CANTOPEN: "cannot be opened (is its folder there, and yours?); set LAB_HOME to another",
            sqlite3.SQLITE_FULL: "cannot grow: the disk is full; what was stored before is kept",
            sqlite3.SQLITE_BUSY: f"is in use by another process for more than {WAIT:g} s; run again when that is done",
        }.get(code, f"cannot be used: {problem}; what was stored before is kept")
        raise StoreError(f"{self.file}: {says}") from None


def _check(connection: sqlite3.Connection, file: Path, *, may_write: bool) -> None:
    """Make the tables in a new file; refuse a file that is not ours, of a newer version, or damaged."""
    if may_write:
        connection.execute("BEGIN IMMEDIATE")  # one process makes the tables, and a read-only file shows itself now
    application = _pragma(connection, "application_id")
    schema = _pragma(connection, "user_version")
    if application == 0 and schema == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        for statement in TABLES.split(";"):
            if may_write and statement.strip():
                connection.execute(statement)
        if may_write:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
        else:
            connection.execute(f"CREATE TEMP TABLE results ({_columns()})")
    elif application != APPLICATION:
        raise StoreError(f"{file}: is a database of another program; set LAB_HOME to another folder")
    elif schema > SCHEMA:
        raise StoreError(
            f"{file}: was written by a newer version of the lab (format {schema}, this one knows {SCHEMA}); "
            "update the lab, or set LAB_HOME to another folder"
        )
    else:
        state = " ".join(str(_pragma(connection, "quick_check(1)")).split())
        if state != "ok":
            raise StoreError(f"{file}: is damaged ({state}); {_ADVICE}")
    if may_write:
        connection.execute(
            f"PRAGMA user_version = {SCHEMA}"
        )  # a write: what forbids writing shows itself before the work
        connection.execute("COMMIT")


def _columns() -> str:
    return "key, claim, evidence, control, profile, verdict, seconds, finished, payload, digest"


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def encode(value: Any) -> str:
    """Strict JSON: floats by their shortest exact decimal, infinities and NaN as {"$": "inf"}, arrays as lists."""
    return json.dumps(_plain(value, lambda x: {"$": repr(x)}), allow_nan=False, ensure_ascii=False)


def decode(text: str) -> Any:
    """The value that `encode` wrote."""
    return json.loads(text, object_hook=lambda x: float(x["$"]) if set(x) == {"$"} else x)


def plain(value: Any) -> Any:
    """Values for other programs' JSON: arrays as lists, infinities and NaN as the texts "inf", "-inf", "nan"."""
    return _plain(value, repr)


def _plain(value: Any, nonfinite: Callable[[float], Any]) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(x, nonfinite) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(x, nonfinite) for x in value]
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, float) and not isinstance(value, np.generic):
        return value if math.isfinite(value) else nonfinite(value)
    return _plain(np.asarray(value).tolist(), nonfinite)
