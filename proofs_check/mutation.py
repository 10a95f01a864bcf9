"""A certificate with one digit changed: what the checker must reject.

`sites` lists every digit of a certificate's mathematics: of its expressions, weights, matrices, boxes and counts; words
are left out, as are digits that belong to a name. `altered` changes one of them and seals the result again, so that its
rejection is the work of the steps and not of the digest.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

from proofs_check.checker.certificate import BODY, seal

Site = tuple[tuple[Any, ...], int]

WORDS = ("says", "because", "case", "name", "kind")
TABLES = ("definitions", "sums", "logarithms")
KEY = "the left side"
DIGIT = re.compile(r"(?<![A-Za-z_0-9])[0-9]+")


def sites(entries: dict[str, Any]) -> list[Site]:
    """Where the digits are: the path to a value, and the position in its text."""
    found: list[Site] = []
    for name in BODY:
        if name not in ("symbols", "indexed", "vectors", "orthogonal"):
            for path, text in _texts(entries.get(name, {}), (name,)):
                found += [(path, i) for run in DIGIT.finditer(text) for i in range(run.start(), run.end())]
    return found


def altered(entries: dict[str, Any], site: Site) -> dict[str, Any]:
    """The entries with this digit raised by one (9 becomes 8), and a digest that fits."""
    path, position = site
    changed = copy.deepcopy(entries)
    holder = changed
    left = path[-1] == KEY
    *outer, last = path[: -1 if left else None]
    for key in outer:
        holder = holder[key]
    text = last if left else str(holder[last])
    digit = "8" if text[position] == "9" else str(int(text[position]) + 1)
    text = text[:position] + digit + text[position + 1 :]
    if left:
        holder[text] = holder.pop(last)
    else:
        holder[last] = int(text) if isinstance(holder[last], int) else text
    return changed | {"digest": seal(changed)}


def _texts(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, dict):
        for key, x in value.items():
            if path[0] in ("sums", "logarithms"):
                yield (*path, key, KEY), key
            if key not in WORDS or path[0] in TABLES:
                yield from _texts(x, (*path, key))
    elif isinstance(value, list):
        for i, x in enumerate(value):
            yield from _texts(x, (*path, i))
    elif isinstance(value, str) or type(value) is int:
        yield path, str(value)
