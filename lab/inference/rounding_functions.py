"""The functions of the array library of `Rounded` arrays: NumPy's, taken apart into operations that have an
error rule.

Sums, products and maxima are trees of binary operations, so that their bound follows the partial results;
products of matrices use the multilinear rule; whatever only moves numbers about moves their errors along.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lab.inference.rounding import Rounded, apply, error, value
from lab.inference.rounding_rules import UNIT, Operand, multilinear

IDENTITY: dict[np.ufunc, float] = {np.add: 0.0, np.multiply: 1.0, np.logaddexp: -np.inf}


def reduce_by(
    ufunc: np.ufunc,
    x: Any,
    axis: int | Sequence[int] | None = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Reduce along axes (None: all) by halving: first half combined with second half, until one is left."""
    if ufunc in (np.logical_and, np.logical_or) or not isinstance(x, Rounded):
        return ufunc.reduce(value(x), axis=axis, keepdims=keepdims, where=where)
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis) % max(x.ndim, 1))
    if where is not True:
        x = choose(where, x, IDENTITY[ufunc] if initial is None else initial)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    rest = [i for i in range(x.ndim) if i not in axes]
    x = x.transpose(*axes, *rest)
    x = x.reshape(int(np.prod(x.shape[: len(axes)])), *x.shape[len(axes) :])
    if len(x) == 0 and initial is None and ufunc not in IDENTITY:
        raise ValueError(f"{ufunc.__name__} of no numbers is not defined")
    while len(x) > 1:
        half = len(x) // 2
        pairs = apply(ufunc, x[:half], x[half : 2 * half])
        x = pairs if len(x) == 2 * half else concatenate([pairs, x[2 * half :]])
    result = x[0] if len(x) else Rounded(np.full(x.shape[1:], IDENTITY.get(ufunc, np.nan)))
    if initial is not None:
        result = apply(ufunc, result, initial) if len(x) else Rounded(np.full(x.shape[1:], initial))
    return result.reshape(kept) if keepdims else result


def accumulate_by(ufunc: np.ufunc, x: Rounded, axis: int = 0, dtype: Any = None, out: None = None) -> Rounded:
    """Running sums, products, maxima along an axis."""
    if ufunc is np.add:
        # One rounding an addition, relative to the partial sum that it makes.
        total = np.add.accumulate(x.value, axis=axis)
        roundings = UNIT * np.where(np.isinf(total), 0.0, np.abs(total))
        bound = np.add.accumulate(x.error + roundings, axis=axis) * (1 + 4 * UNIT * max(x.shape[axis], 1))
        return Rounded(total, np.where(np.isnan(bound), np.inf, bound))
    moved = moveaxis(x, axis, 0)
    steps = [moved[0]] if len(moved) else []
    for entry in moved[1:]:
        steps.append(apply(ufunc, steps[-1], entry))
    return moveaxis(stack(steps), 0, axis) if steps else x


# Functions that only move numbers about: applied to the values and to the errors alike.


def _moves(function: Callable) -> Callable:
    def moved(*args: Any, **options: Any) -> Any:
        values = function(*_each(args, value), **{k: _plain(v) for k, v in options.items()})
        errors = function(*_each(args, error), **{k: _plain(v) for k, v in options.items()})
        if isinstance(values, tuple | list):
            return type(values)(Rounded(v, e) for v, e in zip(values, errors, strict=True))
        return Rounded(values, errors)

    return moved


def _each(args: Any, part: Callable) -> Any:
    return [part(a) if isinstance(a, Rounded) else a for a in args]


def _plain(x: Any) -> Any:
    return value(x) if isinstance(x, Rounded) else x


def _on_values(function: Callable) -> Callable:
    """A function whose answer is not a number with an error: an index, a truth value, a shape."""

    def plain(*args: Any, **options: Any) -> Any:
        return function(*_each(args, value), **{k: _plain(v) for k, v in options.items()})

    return plain


def _joins(function: Callable) -> Callable:
    """concatenate, stack, …: plain arrays in the sequence are exact."""

    def joined(arrays: Sequence[Any], *args: Any, **options: Any) -> Rounded:
        arrays = list(arrays)
        return Rounded(
            function([value(a) for a in arrays], *args, **options),
            function([error(a) for a in arrays], *args, **options),
        )

    return joined


concatenate, stack, moveaxis = _joins(np.concatenate), _joins(np.stack), _moves(np.moveaxis)


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*[np.shape(a) for a in arrays])
    return tuple(np.broadcast_to(a, shape) for a in arrays)


def choose(condition: Any, a: Any, b: Any) -> Rounded:
    """np.where: each number with the error of the branch it comes from."""
    condition = value(condition)
    return Rounded(np.where(condition, value(a), value(b)), np.where(condition, error(a), error(b)))


# Sums of products.


def _sums_products(function: Callable, *, operands: int = 2) -> Callable:
    def product(*args: Any, **options: Any) -> Rounded:
        factors, rest = args[:operands], args[operands:]

        def compute(*xs: Any) -> Any:
            return function(*xs, *rest, **options)

        v = compute(*[value(f) for f in factors])
        return Rounded(v, multilinear(compute, *[Operand(value(f), error(f)) for f in factors]))

    return product


def einsum(subscripts: str, *factors: Any, **options: Any) -> Rounded:
    if not isinstance(subscripts, str):
        raise TypeError("einsum of Rounded arrays takes its subscripts as a string")

    def compute(*xs: Any) -> Any:
        return np.einsum(subscripts, *xs, **options)

    v = compute(*[value(f) for f in factors])
    return Rounded(v, multilinear(compute, *[Operand(value(f), error(f)) for f in factors]))


# Compositions: the plain definition, so that every step brings its error.


def mean(x: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, **options: Any) -> Any:
    total = np.sum(x, axis=axis, keepdims=keepdims, **options)
    where = options.get("where", True)
    ones = np.ones(x.shape) if where is True else np.broadcast_to(np.asarray(where, dtype=float), x.shape)
    return total / np.sum(ones, axis=axis, keepdims=keepdims)


def variance(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: bool = False,
    *,
    correction: Any = None,
) -> Any:
    centred = x - mean(x, axis=axis, keepdims=True)
    count = np.sum(np.ones(x.shape), axis=axis, keepdims=keepdims)
    freedom = count - (ddof if correction is None else correction)
    return np.sum(centred * centred, axis=axis, keepdims=keepdims) / freedom


def deviation(*args: Any, **options: Any) -> Any:
    return np.sqrt(variance(*args, **options))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norms of order 1, 2, ∞ or any positive number (a matrix without an axis: Frobenius)."""
    if ord in ("nuc",) or (ord not in (None, "fro") and (isinstance(axis, tuple) or (axis is None and x.ndim > 1))):
        raise TypeError(f"the norm of order {ord!r} of a matrix has no rounding rule")
    return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord in (None, "fro") else ord)


def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        return np.sqrt(np.sum(np.square(size), axis=axis, keepdims=keepdims))
    return np.sum(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def solve(a: Any, b: Any) -> Rounded:
    r"""Solution of $ax = b$, verified with an approximate inverse c.

    $|\hat x - x| \le |c(b - a\hat x)|_\infty / (1 - \|I - ca\|_\infty)$; infinite where the norm is not below 1.
    """
    x = np.linalg.solve(value(a), value(b))
    inverse = np.linalg.inv(value(a))
    column = b.ndim == 1
    here, right = (x[..., None], b[..., None]) if column else (x, b)
    a = a if isinstance(a, Rounded) else Rounded(a)
    remains = np.eye(a.shape[-1]) - inverse @ a
    left_over = inverse @ (right - a @ here)
    contraction = np.max(np.sum(np.abs(remains.value) + remains.error, axis=-1), axis=-1)[..., None, None]
    size = np.max(np.abs(left_over.value) + left_over.error, axis=-2, keepdims=True)
    with np.errstate(all="ignore"):
        away = np.where(contraction < 1, size / (1 - contraction) * (1 + 8 * UNIT), np.inf)
    away = np.broadcast_to(away, here.shape)
    return Rounded(x, away[..., 0] if column else away)


def inverse(a: Any) -> Rounded:
    return solve(a, np.broadcast_to(np.eye(a.shape[-1]), a.shape))


def sort(x: Any, axis: int = -1, **options: Any) -> Rounded:
    """Sorted numbers: the k-th smallest moves no further than that of the lowered or the raised numbers."""
    v = np.sort(x.value, axis=axis)
    with np.errstate(invalid="ignore"):
        shifts = [np.abs(np.sort(x.value + s * x.error, axis=axis) - v) for s in (-1, 1)]
        own = np.maximum(*shifts) + 4 * UNIT * np.abs(v)  # the shifts' own rounding
    return Rounded(v, np.fmin(own, np.max(x.error, axis=axis, keepdims=True, initial=0.0)))


def clip(x: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def difference(x: Any, n: int = 1, axis: int = -1, **options: Any) -> Any:
    x = np.moveaxis(x, axis, -1)
    for _ in range(n):
        x = x[..., 1:] - x[..., :-1]
    return np.moveaxis(x, -1, axis)


def _reduces(ufunc: np.ufunc) -> Callable:
    def reduced(
        x: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, **options: Any
    ) -> Any:
        return reduce_by(ufunc, x, axis=axis, keepdims=keepdims, **options)

    return reduced


def _extremum(ufunc: np.ufunc) -> Callable:
    def reduced(x: Any, axis: Any = None, out: None = None, keepdims: bool = False, **options: Any) -> Any:
        return reduce_by(ufunc, x, axis=axis, keepdims=keepdims, **options)

    return reduced


def _running(ufunc: np.ufunc) -> Callable:
    def running(
        x: Any, axis: int | None = None, dtype: Any = None, out: None = None, *, include_initial: bool = False
    ) -> Any:
        x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
        if include_initial:
            first = np.full_like(np.take(x, [0], axis=axis), IDENTITY[ufunc])
            x = concatenate([first, x], axis=axis)
        return accumulate_by(ufunc, x, axis=axis)

    return running


def _like(function: Callable) -> Callable:
    def made(x: Any, *args: Any, **options: Any) -> Any:
        fill = [a for a in args if isinstance(a, Rounded)]
        made_of = function(value(x), *_each(args, value), **options)
        return Rounded(made_of, error(fill[0]) if fill else 0.0) if made_of.dtype.kind == "f" else made_of

    return made


def round_(x: Any, decimals: int = 0, out: None = None) -> Any:
    if decimals:
        raise TypeError("rounding to decimals has no rounding rule; np.rint has")
    return np.rint(x)


FUNCTIONS: dict[Callable, Callable] = {
    np.sum: _reduces(np.add),
    np.prod: _reduces(np.multiply),
    np.max: _extremum(np.maximum),
    np.min: _extremum(np.minimum),
    np.mean: mean,
    np.var: variance,
    np.std: deviation,
    np.cumsum: _running(np.add),
    np.cumprod: _running(np.multiply),
    np.cumulative_sum: _running(np.add),
    np.cumulative_prod: _running(np.multiply),
    np.where: choose,
    np.sort: sort,
    np.clip: clip,
    np.diff: difference,
    np.round: round_,
    np.linalg.norm: norm,
    np.linalg.vector_norm: vector_norm,
    np.linalg.solve: solve,
    np.linalg.inv: inverse,
    np.einsum: einsum,
    np.concatenate: concatenate,
    np.stack: stack,
    np.broadcast_arrays: broadcast_arrays,
    np.astype: lambda x, dtype, /, *, copy=True, device=None: x.astype(dtype),
    np.result_type: lambda *xs: np.result_type(*[x.dtype if isinstance(x, Rounded) else x for x in xs]),
    np.trace: _sums_products(np.trace, operands=1),
}
# fmt: off
FUNCTIONS |= {f: _joins(f) for f in (np.vstack, np.hstack, np.dstack, np.column_stack)}
FUNCTIONS |= {f: _like(f) for f in (np.zeros_like, np.ones_like, np.empty_like, np.full_like)}
FUNCTIONS |= {f: _sums_products(f) for f in (
    np.tensordot, np.dot, np.inner, np.outer, np.kron, np.convolve,
    np.linalg.matmul, np.linalg.vecdot, np.linalg.tensordot, np.linalg.outer,
)}
FUNCTIONS |= {f: _moves(f) for f in (
    np.reshape, np.transpose, np.permute_dims, np.moveaxis, np.swapaxes, np.expand_dims, np.squeeze, np.ravel,
    np.broadcast_to, np.flip, np.fliplr, np.flipud, np.roll, np.rot90, np.take, np.take_along_axis, np.repeat,
    np.tile, np.diagonal, np.diag, np.tril, np.triu, np.copy, np.atleast_1d, np.atleast_2d, np.split,
    np.array_split, np.unstack, np.delete, np.compress,
    np.matrix_transpose, np.linalg.matrix_transpose, np.linalg.diagonal,
)}
FUNCTIONS |= {f: _on_values(f) for f in (
    np.argmax, np.argmin, np.argsort, np.any, np.all, np.shape, np.ndim, np.size, np.nonzero, np.flatnonzero,
    np.count_nonzero, np.searchsorted, np.array_equal, np.allclose, np.isclose, np.iscomplexobj, np.isrealobj,
)}
# fmt: on


def call(function: Callable, args: tuple, options: dict) -> Any:
    """NumPy's hand-over of a function that has a Rounded array among its arguments."""
    if function not in FUNCTIONS:
        raise TypeError(f"numpy.{function.__name__} has no rule for Rounded arrays in lab.inference.rounding_functions")
    return FUNCTIONS[function](*args, **options)
