r"""Arrays that carry a bound on their own rounding error: running error analysis as one more array library.

A `Rounded` array holds `value`, computed in float64, and `error`, a bound on its distance to the exact result
of the same formula on the same inputs, taken as exact. A function written over the array API, or in plain NumPy
calls, runs on it unchanged:

>>> x = rounded(np.array([1e8, 1.0, -1e8]))
>>> total = np.sum(x)
>>> bool(abs(value(total) - 1.0) <= error(total))
True

An exact check can then ask whether two sides agree within a bound that is computed, not guessed. The bounds of
single operations and their assumptions (library functions accurate to 4 ulp) are in
`lab.inference.rounding_rules`, sums and the other functions in `lab.inference.rounding_functions`.

Limits: comparisons and argmax look at values, so a branch is taken as the plain computation takes it; constants
that Python or plain NumPy computed outside count as exact; numbers are float64, and a cast to float32 is a
rounding like any other; a bound is infinite where nothing can be said (a divisor that may be 0, an overflow).
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from lab.inference.rounding_rules import RULES, Operand, bound, multilinear


def value(x: Any) -> np.ndarray:
    """The computed numbers of a Rounded array, or of any other array or number."""
    return x.value if isinstance(x, Rounded) else np.asarray(x)


def error(x: Any) -> np.ndarray:
    """The bound on the error of a Rounded array; 0 for any other array or number, which is taken as exact."""
    return x.error if isinstance(x, Rounded) else np.zeros(np.shape(x))


def rounded(x: Any) -> Any:
    """Exact numbers as a Rounded array; of a dataclass instance, tuple, list or dict, every floating-point array in it.

    Integers, truth values and plain Python numbers inside containers stay as they are.
    """
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        fields = {f.name: getattr(x, f.name) for f in dataclasses.fields(x) if f.init}
        return dataclasses.replace(x, **{name: _entry(field) for name, field in fields.items()})
    if isinstance(x, dict):
        return {name: _entry(entry) for name, entry in x.items()}
    if isinstance(x, tuple | list):
        entries = [_entry(entry) for entry in x]
        return type(x)(*entries) if hasattr(x, "_fields") else type(x)(entries)
    return x if isinstance(x, Rounded) else Rounded(x)


def _entry(x: Any) -> Any:
    container = isinstance(x, dict | tuple | list) or (dataclasses.is_dataclass(x) and not isinstance(x, type))
    floating = hasattr(x, "shape") and hasattr(x, "dtype") and np.dtype(x.dtype).kind == "f"
    return rounded(x) if container or floating else x


def apply(ufunc: np.ufunc, *inputs: Any) -> Any:
    """One operation: computed on the values, its error by the table; comparisons and tests give plain arrays."""
    values = [value(x) for x in inputs]
    computed = ufunc(*values)
    if np.asarray(computed).dtype.kind != "f":
        return computed
    operands = [Operand(v, error(x)) for v, x in zip(values, inputs, strict=True)]
    if ufunc in (np.matmul, np.vecdot):
        return Rounded(computed, multilinear(ufunc, *operands))
    if ufunc not in RULES:
        raise TypeError(f"{ufunc.__name__} has no rounding rule in lab.inference.rounding_rules")
    return Rounded(computed, bound(RULES[ufunc], computed, *operands))


class Rounded(NDArrayOperatorsMixin):
    """Float64 numbers with a bound on the error of each; see the module's docstring."""

    __slots__ = ("error", "value")
    __hash__ = None  # type: ignore[assignment]
    device = "cpu"

    def __init__(self, value: Any, error: Any = 0.0) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self.error = np.broadcast_to(np.asarray(error, dtype=np.float64), self.value.shape)

    # How NumPy and the array API find their way here

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        from lab.inference.rounding_namespace import NAMESPACE

        return NAMESPACE

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        from lab.inference import rounding_functions as functions

        if method == "__call__" and not options:
            result = apply(ufunc, *inputs)
        elif method == "reduce":
            result = functions.reduce_by(ufunc, *inputs, **options)
        elif method == "accumulate":
            result = functions.accumulate_by(ufunc, *inputs, **options)
        elif method == "outer" and not options:
            left, right = inputs
            result = apply(ufunc, left[(..., *[None] * np.ndim(right))], right)
        else:
            raise TypeError(f"{ufunc.__name__}.{method} with options {sorted(options)} has no rounding rule")
        if out is None:
            return result
        (target,) = out
        if not isinstance(target, Rounded):
            raise TypeError(f"a plain array cannot hold the errors of {ufunc.__name__}: make it Rounded first")
        target[...] = result
        return target

    def __array_function__(self, function: Callable, types: Any, args: tuple, options: dict) -> Any:
        from lab.inference.rounding_functions import call

        return call(function, args, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError("a plain array would drop the error bound of a Rounded one: use value(x) and error(x)")

    # Shape and type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def T(self) -> "Rounded":
        return Rounded(self.value.T, self.error.T)

    @property
    def mT(self) -> "Rounded":
        return Rounded(self.value.mT, self.error.mT)

    def reshape(self, *shape: Any) -> "Rounded":
        return Rounded(self.value.reshape(*shape), self.error.reshape(*shape))

    def transpose(self, *axes: Any) -> "Rounded":
        return Rounded(self.value.transpose(*axes), self.error.transpose(*axes))

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        """Float32 and half precision round the numbers and keep float64 storage; other types take the values alone."""
        kind = np.dtype(dtype)
        if kind.kind != "f":
            return self.value.astype(kind)
        if kind.itemsize >= 8:
            return Rounded(self.value, self.error)
        nearest = self.value.astype(kind).astype(np.float64)
        with np.errstate(invalid="ignore"):
            moved = np.where(nearest == self.value, 0.0, np.abs(nearest - self.value))
        return Rounded(nearest, self.error + moved)

    def copy(self) -> "Rounded":
        return Rounded(self.value.copy(), self.error.copy())

    # Elements

    def __getitem__(self, key: Any) -> "Rounded":
        return Rounded(self.value[key], self.error[key])

    def __setitem__(self, key: Any, new: Any) -> None:
        self.value, self.error = self.value.copy(), self.error.copy()  # never writes into the caller's array
        self.value[key], self.error[key] = value(new), error(new)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator["Rounded"]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"Rounded({self.value!r}, error={self.error!r})"


def _method(name: str) -> Callable:
    def method(self: Rounded, *args: Any, **options: Any) -> Any:
        return getattr(np, name)(self, *args, **options)

    method.__name__, method.__doc__ = name, f"As numpy.{name}."
    return method


# fmt: off
for _name in (
    "sum", "mean", "prod", "max", "min", "var", "std", "cumsum", "cumprod", "argmax", "argmin", "argsort", "any", "all",
    "squeeze", "swapaxes", "ravel", "take", "repeat", "diagonal", "trace", "clip", "dot", "round",
):
    setattr(Rounded, _name, _method(_name))
# fmt: on
