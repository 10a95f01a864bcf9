"""A progress bar for people; nothing when nobody watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.ledger.engine import Progress
from lab.ledger.unit import Unit


@contextmanager
def bar(*, quiet: bool) -> Iterator[Progress | None]:
    """A progress callback for `engine.check` that draws a bar on the error stream; None when quiet."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("planning", total=None)

        def show(done: int, total: int, unit: Unit | None) -> None:
            words = "starting" if unit is None else f"{unit.claim} [{unit.kind}]{' control' if unit.control else ''}"
            progress.update(task, completed=done, total=total, description=words)

        yield show
