"""Worker processes that take one unit of work at a time.

A worker keeps to the modules that it has begun, so that what the checks of a module share (imports, compiled programs,
a simulation that several of them judge) is made once. When nothing of its own is left it begins another module, the one
with the longest unit first, and in the end it helps the other workers with theirs.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from lab.ledger import threads
from lab.ledger.errors import LabError
from lab.ledger.unit import Unit


def run(units: Sequence[Unit], count: int, work: Callable[[Unit], Any]) -> Iterator[tuple[Unit, Any]]:
    """The units, in their order within each module, with what `work` makes of them, as soon as it is finished.

    Raises LabError when a worker is killed. However the iteration ends, no worker outlives it.
    """
    from loky import ProcessPoolExecutor
    from loky.process_executor import TerminatedWorkerError

    waiting = Waiting(units)
    pools = [ProcessPoolExecutor(max_workers=1) for _ in range(count)]
    running: dict[Future[Any], tuple[int, Unit]] = {}

    def give(worker: int) -> None:
        if waiting:
            unit = waiting.take(worker)
            with threads.deaf_children():  # an interruption is this process's to answer
                running[pools[worker].submit(work, unit)] = worker, unit

    try:
        for worker in range(count):
            give(worker)
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                result = done.result()
                worker, unit = running.pop(done)
                give(worker)
                yield unit, result
    except TerminatedWorkerError:
        raise LabError(
            "a worker process was killed (out of memory?); finished results are kept: "
            "run again, perhaps with --workers 1"
        ) from None
    finally:
        for pool in pools:
            pool.shutdown(kill_workers=True)


class Waiting:
    """Units that no worker has taken yet."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units: dict[str, deque[Unit]] = {}
        self._owner: dict[str, int] = {}
        for unit in units:
            self._units.setdefault(unit.module, deque()).append(unit)

    def __bool__(self) -> bool:
        return bool(self._units)

    def take(self, worker: int) -> Unit:
        """The next unit of a module that this worker has begun, else of one that nobody has, else of any."""
        wishes = (worker, None)
        owners = {module: self._owner.get(module) for module in self._units}
        module = min(owners, key=lambda m: wishes.index(owners[m]) if owners[m] in wishes else len(wishes))
        self._owner.setdefault(module, worker)
        unit = self._units[module].popleft()
        if not self._units[module]:
            del self._units[module]
        return unit
