"""Helpers that let one formula run on NumPy, JAX and torch arrays (Python array API standard).

Core functions ask `namespace` for the array library of their arguments, compute in log space with the functions
below, and refuse bad input with the `check_*` functions, which look at concrete values only: while JAX or torch
is tracing there is nothing to look at, and the checks step aside.
"""

import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj
from jaxtyping import Float

Array = Any  # a NumPy, JAX or torch array, or anything else that follows the array API standard
Real = Float[Array, "..."] | float | int  # a number, or floating-point numbers that broadcast


def namespace(*arguments: Any) -> Any:
    """Array library of the arguments (NumPy for plain Python numbers).

    A NumPy array among arrays of another library is a constant of the world, not a choice of library: it yields.
    """
    arrays = [x for x in arguments if is_array_api_obj(x)]
    others = [x for x in arrays if not isinstance(x, np.ndarray | np.generic)]
    if not arrays:
        return array_namespace(np.empty(0))
    return array_namespace(*(others or arrays))


def floats(*arguments: Any) -> tuple[Any, ...]:
    """The arguments as floating-point arrays of one library; Python numbers adopt the arrays' dtype."""
    xp = namespace(*arguments)
    arrays = [
        x for x in arguments if is_array_api_obj(x) and str(x.dtype).split(".")[-1].startswith(("float", "bfloat"))
    ]
    dtype = xp.result_type(*[_in(xp, x) for x in arrays]) if arrays else xp.asarray(1.0).dtype
    torch_device = next((x.device for x in arrays if type(x).__module__.startswith("torch")), None)
    place = {} if torch_device is None else {"device": torch_device}
    return tuple(
        xp.astype(x, dtype, copy=False) if _native(x, xp) else xp.asarray(x, dtype=dtype, **place) for x in arguments
    )


def _native(x: Any, xp: Any) -> bool:
    return is_array_api_obj(x) and array_namespace(x) is xp


def _in(xp: Any, x: Any) -> Any:
    return x if _native(x, xp) else xp.asarray(x)


def beside(x: Any, axes: int = 1) -> Any:
    """x (...) as (..., 1): ready to multiply arrays (..., d), `axes` of them; a number stays a number."""
    return x[(..., *(None,) * axes)] if getattr(x, "ndim", 0) else x


def softplus(x: Real) -> Float[Array, "..."]:
    r"""$\log(1 + e^{x})$, without overflow; its derivative is $\sigma(x)$ everywhere, 1/2 at 0."""
    (x,) = floats(x)
    xp = namespace(x)
    return xp.logaddexp(x, xp.zeros_like(x))


def log_sigmoid(x: Real) -> Float[Array, "..."]:
    r"""$\log \sigma(x) = -\log(1 + e^{-x})$, in nats; about $x$ for very negative $x$."""
    (x,) = floats(x)
    return -softplus(-x)


def sigmoid(x: Real) -> Float[Array, "..."]:
    r"""$\sigma(x) = 1/(1 + e^{-x})$, as $e^{\log\sigma(x)}$ so that tiny values keep their relative accuracy."""
    return namespace(x).exp(log_sigmoid(x))


def logit(p: Real) -> Float[Array, "..."]:
    r"""$\log\frac{p}{1-p}$, the inverse of `sigmoid`; −∞ at 0 and +∞ at 1."""
    (p,) = floats(p)
    xp = namespace(p)
    zero = xp.zeros_like(p)
    end = (p == 0) | (p == 1)
    inside = xp.where(end, zero + 0.5, p)
    limit = xp.where(p == 0, zero - xp.inf, zero + xp.inf)
    return xp.where(end, limit, xp.log(inside) - xp.log1p(-inside))


def logsumexp(x: Float[Array, "..."], *, axis: int = -1, keepdims: bool = False) -> Float[Array, "..."]:
    r"""$\log\sum_i e^{x_i}$ along an axis; entries of $-\infty$ are empty outcomes and contribute nothing."""
    xp = namespace(x)
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    mass = xp.sum(xp.exp(x - top), axis=axis, keepdims=True)
    empty = mass == 0
    one = xp.ones_like(mass)
    total = xp.where(empty, -xp.inf * one, top + xp.log(xp.where(empty, one, mass)))
    return total if keepdims else xp.squeeze(total, axis=axis)


def log_softmax(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    r"""$x_i - \log\sum_j e^{x_j}$: logits to log-probabilities, in nats."""
    return x - logsumexp(x, axis=axis, keepdims=True)


def is_traced(*arguments: Any) -> bool:
    """Whether any argument has no concrete value yet (inside JAX's jit, grad or vmap, or torch's)."""
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    for x in arguments:
        if jax is not None and isinstance(x, jax.core.Tracer):
            return True
        if torch is not None and isinstance(x, torch.Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(x):
            return True
    return False


def check_finite(**named: Any) -> None:
    """Raise ValueError naming the first argument that holds a NaN or an infinity."""
    for name, x in named.items():
        _refuse(name, x, lambda x, xp: xp.isfinite(x), "must be finite")


def check_between(low: float, high: float, *, open_low: bool = False, open_high: bool = False, **named: Any) -> None:
    """Raise ValueError naming the first argument with a value outside [low, high] (NaN is outside)."""
    legal = f"must lie in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"

    def inside(x: Any, xp: Any) -> Any:
        above = (x > low) if open_low else (x >= low)
        return above & ((x < high) if open_high else (x <= high))

    for name, x in named.items():
        _refuse(name, x, inside, legal)


def check_positive(**named: Any) -> None:
    """Raise ValueError naming the first argument that is not a finite positive number."""
    for name, x in named.items():
        _refuse(name, x, lambda x, xp: (x > 0) & xp.isfinite(x), "must be positive and finite")


def check_flip_rate(flip_rate: Any, *, name: str = "flip_rate") -> None:
    """Raise ValueError unless 0 ≤ flip_rate < 1/2: at 1/2 the labels carry no information."""
    check_between(0.0, 0.5, open_high=True, **{name: flip_rate})


def check_logs(**named: Any) -> None:
    """Raise ValueError naming the first argument that holds a NaN or +∞, or no number but −∞ along its last axis.

    −∞ is the logarithm of an impossible outcome; some outcome must be possible.
    """

    def possible(x: Any, xp: Any) -> Any:
        return (x < xp.inf) & xp.any(x > -xp.inf, axis=-1, keepdims=True)

    for name, x in named.items():
        _refuse(name, x, possible, "must be finite or −∞, and not −∞ throughout the last axis")


def check_same_shape(**named: Any) -> None:
    """Raise ValueError unless all arguments have one shape."""
    shapes = _shapes(named)
    if len(set(shapes.values())) > 1:
        raise ValueError(f"shapes must agree: {_listed(shapes)}")


def check_broadcast(**named: Any) -> None:
    """Raise ValueError unless the arguments' shapes broadcast together."""
    shapes = _shapes(named)
    if not _broadcast(shapes.values()):
        raise ValueError(f"shapes must broadcast: {_listed(shapes)}")


def check_last_axis(axis: str, **named: Any) -> None:
    """Raise ValueError unless the last axes have one length, at least 1, and the axes before them broadcast.

    `axis` says what the last axis holds.
    """
    shapes = _shapes(named)
    lengths = {shape[-1] if shape else 0 for shape in shapes.values()}
    if len(lengths) > 1 or 0 in lengths or not _broadcast(shape[:-1] for shape in shapes.values()):
        alike = " of one length, with axes before it that broadcast" if len(shapes) > 1 else ""
        raise ValueError(f"{_listed(shapes)}: needs a last axis of {axis}, at least 1{alike}")


def _shapes(named: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(x.shape) if hasattr(x, "shape") else np.shape(x) for name, x in named.items()}


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} has {shape}" for name, shape in shapes.items())


def _broadcast(shapes: Iterable[tuple[int, ...]]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _refuse(name: str, x: Any, legal: Any, text: str) -> None:
    if is_traced(x):
        return
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(x, jax.Array):
        x = np.asarray(x)  # a constant inside compiled code: JAX would trace the check itself
    xp = namespace(x)
    x = _in(xp, x)
    good = legal(x, xp)
    if not bool(xp.all(good)):
        first = xp.reshape(x, (-1,))[int(xp.argmax(xp.astype(xp.reshape(~good, (-1,)), xp.int8)))]
        where = f" (first offending value of {math.prod(x.shape)})" if x.ndim else ""
        raise ValueError(f"{name} = {float(first):g}{where}: {text}")
