"""The array library that `Rounded` arrays name as theirs: NumPy's functions on Rounded arrays.

Plain floating-point arrays that enter a function become exact Rounded ones, so that no operation goes untracked.
"""

import functools
from typing import Any

import numpy as np

from lab.inference.rounding import Rounded, error, value
from lab.inference.rounding_functions import stack


class Namespace:
    """NumPy's names; the creation functions are the array API's."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type) or found in _PLAIN:
            return found

        @functools.wraps(found, assigned=("__name__", "__doc__"), updated=())
        def lifted(*args: Any, **options: Any) -> Any:
            return _lift(found(*[_lift(a) for a in args], **options))

        setattr(self, name, lifted)
        return lifted

    def asarray(self, x: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
        if not isinstance(x, Rounded):
            x = stack(_joined(x)) if _holds_rounded(x) else _lift(np.asarray(x))
        return x if dtype is None else self.astype(x, dtype)

    array = asarray

    def astype(self, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        if isinstance(x, Rounded):
            return x.astype(dtype)
        x = np.asarray(x)
        return Rounded(x).astype(dtype) if np.dtype(dtype).kind == "f" else x.astype(dtype)

    def full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
        filled = np.full(shape, value(fill_value), dtype=dtype)
        return Rounded(filled, np.broadcast_to(error(fill_value), filled.shape)) if filled.dtype.kind == "f" else filled

    def linspace(
        self, start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
    ) -> Any:
        steps = _lift(np.arange(num, dtype=float)) / max(num - 1 if endpoint else num, 1)
        points = start + steps * (_lift(np.float64(stop)) - start)
        return points if dtype is None else self.astype(points, dtype)

    def __repr__(self) -> str:
        return "<array library of Rounded arrays>"


# Functions about types and shapes, whose arguments are no numbers.
_PLAIN = (np.isdtype, np.result_type, np.finfo, np.iinfo, np.can_cast, np.broadcast_shapes, np.shape, np.ndim, np.size)


def _lift(x: Any) -> Any:
    """Plain floating-point arrays as exact Rounded ones; anything else as it is."""
    if isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f":
        return Rounded(x)
    return type(x)(_lift(entry) for entry in x) if type(x) in (tuple, list) else x


def _holds_rounded(x: Any) -> bool:
    return isinstance(x, list | tuple) and any(isinstance(e, Rounded) or _holds_rounded(e) for e in x)


def _joined(x: Any) -> Any:
    return [stack(_joined(e)) if _holds_rounded(e) else e for e in x] if _holds_rounded(x) else x


NAMESPACE = Namespace()
