"""Errors that are a user's to mend: one clear line, no traceback, exit code 2."""

import difflib
from collections.abc import Iterable


class LabError(Exception):
    """Something that the user can mend; its text is one line that says what is wrong and what helps."""


class CatalogueError(LabError):
    """A catalogue file, or the match between catalogue and simulations, is wrong."""


class UnknownName(LabError):
    """No paper or claim has this name."""


class StoreError(LabError):
    """The ledger's file cannot be read or written; it was left as it was."""


class NotCurrent(LabError):
    """A stored result is wanted that is not there, or belongs to other code."""


class CodeChanged(LabError):
    """The project's files were edited while a run was under way."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """' (did you mean …?)' with the nearest known name, or nothing when none is near."""
    folded = {other.casefold(): other for other in known}
    nearest = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[nearest[0]]!r}?)" if nearest else ""
