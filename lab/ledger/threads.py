"""One thread a unit of work: neither order nor number of workers changes a bit, and cores are not fought over."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
XLA_FLAG = "--xla_cpu_multi_thread_eigen=false"


@cache
def single_threaded() -> bool:
    """Ask the array libraries for one thread; whether this process surely obeys.

    They read their environment when they are first loaded. Worker processes that start later inherit it and obey;
    this process does when NumPy was not loaded yet, or had been told the same before.
    """
    obeys = "numpy" not in sys.modules or all(os.environ.get(name) == "1" for name in VARIABLES[:3])
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    flags = os.environ.get("XLA_FLAGS", "")
    if XLA_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_FLAG}".strip()
    return obeys


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started in this block never hear Ctrl-C, which a terminal sends to them too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@cache
def end_with(parent: int) -> None:
    """Make this worker process end soon after its parent, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()
