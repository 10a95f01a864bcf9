"""One contract for every core function: NumPy, JAX and torch agree, in values and in gradients."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch

jax.config.update("jax_enable_x64", True)


def _agree(ours: Any, theirs: Any, what: str) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {theirs.shape}, NumPy has {ours.shape}"
    # The libraries' exp and log differ in the last digits, and sums in their order: 64 units in the last place.
    scale = np.max(np.abs(ours[np.isfinite(ours)]), initial=1.0)
    np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=64 * np.finfo(float).eps * scale, err_msg=what)


def assert_libraries_agree(
    function: Callable[..., Any], *arrays: np.ndarray, gradient: bool = True, jit: bool = True, **settings: Any
) -> None:
    """`function(*arrays, **settings)` gives the same value on all three libraries (and under jit), and its gradients
    in JAX and torch equal each other and the central difference of the NumPy value along a random direction."""
    arrays = tuple(np.asarray(x, dtype=np.float64) for x in arrays)
    value = np.asarray(function(*arrays, **settings))
    _agree(value, function(*map(jax.numpy.asarray, arrays), **settings), "JAX value")
    _agree(value, function(*map(torch.asarray, arrays), **settings).detach(), "torch value")
    if jit:
        compiled = jax.jit(lambda *xs: function(*xs, **settings))
        _agree(value, compiled(*map(jax.numpy.asarray, arrays)), "JAX value under jit")
    if not gradient:
        return
    rng = np.random.default_rng(0)
    weight = rng.normal(size=value.shape)
    in_jax = jax.grad(lambda xs: (function(*xs, **settings) * weight).sum())(tuple(map(jax.numpy.asarray, arrays)))
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]
    (function(*leaves, **settings) * torch.asarray(weight)).sum().backward()
    directions = [rng.normal(size=x.shape) for x in arrays]
    slope = 0.0
    for x, ours, theirs, direction in zip(arrays, in_jax, leaves, directions, strict=True):
        grad = theirs.grad if theirs.grad is not None else torch.zeros(x.shape)
        assert np.all(np.isfinite(ours)), "JAX gradient is not finite"
        _agree(ours, grad, "torch gradient against JAX")
        slope += float(np.sum(np.asarray(ours) * direction))

    def along(step: float) -> float:
        moved = (x + step * d for x, d in zip(arrays, directions, strict=True))
        return float(np.sum(np.asarray(function(*moved, **settings)) * weight))

    # Richardson's extrapolation of the central difference: error O(step⁴).
    step = 1e-3
    coarse = (along(2 * step) - along(-2 * step)) / (4 * step)
    fine = (along(step) - along(-step)) / (2 * step)
    numeric = (4 * fine - coarse) / 3
    np.testing.assert_allclose(slope, numeric, rtol=1e-6, atol=1e-7 * max(1.0, abs(slope)), err_msg="finite difference")
