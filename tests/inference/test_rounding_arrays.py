"""Tracked arrays take part in array code as plain ones do, and an error bound is never dropped silently."""

import dataclasses
import doctest
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace, is_array_api_obj
from jaxtyping import Float

from lab import policies, preferences
from lab.inference import rounding
from lab.inference.rounding import Rounded, error, rounded, value


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


SHAPES = [
    ("reshape", lambda xp, x: xp.reshape(x, (4, 3))),
    ("permute", lambda xp, x: xp.permute_dims(x, (1, 0))),
    ("moveaxis", lambda xp, x: xp.moveaxis(x, 0, 1)),
    ("swapaxes", lambda xp, x: np.swapaxes(x, 0, 1)),
    ("expand", lambda xp, x: xp.expand_dims(x, axis=1)),
    ("squeeze", lambda xp, x: xp.squeeze(x[:, None], axis=1)),
    ("broadcast", lambda xp, x: xp.broadcast_to(x, (2, 3, 4))),
    ("broadcast arrays", lambda xp, x: xp.broadcast_arrays(x, xp.zeros((2, 1, 1)))[0]),
    ("flip", lambda xp, x: xp.flip(x, axis=1)),
    ("roll", lambda xp, x: xp.roll(x, 1, axis=1)),
    ("take", lambda xp, x: xp.take(x, np.asarray([2, 0]), axis=1)),
    ("take along", lambda xp, x: xp.take_along_axis(x, np.asarray([[0], [3], [1]]), axis=1)),
    ("stack", lambda xp, x: xp.stack([x, x], axis=-1)),
    ("concat", lambda xp, x: xp.concat([x, xp.zeros((3, 1))], axis=1)),
    ("where", lambda xp, x: xp.where(x > 0, x, 0.0)),
    ("where both", lambda xp, x: np.where(x > 0, x, -x)),
    ("slice", lambda xp, x: x[1:, ::2]),
    ("mask", lambda xp, x: x[x > 0]),
    ("new axis", lambda xp, x: x[..., None, 1]),
    ("index", lambda xp, x: x[[0, 2], [1, 1]]),
    ("transpose", lambda xp, x: x.T),
    ("matrix transpose", lambda xp, x: x.mT),
    ("tril", lambda xp, x: xp.tril(x)),
    ("repeat", lambda xp, x: xp.repeat(x, 2, axis=0)),
    ("tile", lambda xp, x: xp.tile(x, (2, 1))),
    ("clip", lambda xp, x: xp.clip(x, -0.5, 0.5)),
    ("method reshape", lambda xp, x: x.reshape(-1)),
    ("sum", lambda xp, x: xp.sum(x)),
    ("sum keepdims", lambda xp, x: xp.sum(x, axis=(0, 1), keepdims=True)),
    ("sum where", lambda xp, x: np.sum(x, axis=0, where=np.asarray([[True], [False], [True]]))),
    ("mean", lambda xp, x: xp.mean(x, axis=-1)),
    ("prod", lambda xp, x: xp.prod(x, axis=0)),
    ("max", lambda xp, x: xp.max(x, axis=1)),
    ("min", lambda xp, x: x.min(axis=0)),
    ("std", lambda xp, x: xp.std(x, axis=0)),
    ("cumulative sum", lambda xp, x: xp.cumulative_sum(x, axis=1)),
    ("cumulative sum from 0", lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True)),
    ("cumulative product", lambda xp, x: xp.cumulative_prod(x, axis=1)),
    ("sort", lambda xp, x: xp.sort(x, axis=0)),
    ("diff", lambda xp, x: xp.diff(x, axis=0)),
    ("outer", lambda xp, x: np.multiply.outer(x[0], x[1])),
    ("linalg outer", lambda xp, x: xp.linalg.outer(x[0], x[1])),
    ("in place", lambda xp, x: _increment(x)),
    ("assignment", lambda xp, x: _assign(x)),
    ("zeros like", lambda xp, x: xp.zeros_like(x)),
    ("full like", lambda xp, x: xp.full_like(x, 2.5)),
]


def _increment(x: Any) -> Any:
    x = x.copy()
    x += 0.1
    return x


def _assign(x: Any) -> Any:
    x = x.copy()
    x[1] = 7.0
    return x


@pytest.mark.parametrize(("name", "function"), SHAPES)
def test_numbers_and_errors_move_together(name: str, function: Any) -> None:
    """Values agree with plain NumPy; two runs that differ within the operand's error stay within the result's bound."""
    from array_api_compat import numpy as plain

    x = random(3, 4)
    e = np.abs(random(3, 4, seed=5)) * 1e-6
    r = Rounded(x, e)
    result, expected = function(array_namespace(r), r), function(plain, x)
    assert isinstance(result, Rounded)
    np.testing.assert_allclose(result.value, expected, rtol=1e-14, atol=1e-15)
    assert result.shape == expected.shape
    assert result.error.shape == expected.shape
    for seed in range(5):
        moved = function(plain, x + np.random.default_rng(seed).uniform(-1, 1, x.shape) * e)
        assert np.all(np.abs(moved - result.value) <= result.error + 1e-13), name


@pytest.mark.parametrize(
    "function",
    [np.argmax, np.argmin, np.argsort, np.any, np.isfinite, np.isnan, np.signbit, lambda x: x > 0, lambda x: x == x],
)
def test_answers_that_are_no_numbers_are_plain(function: Any) -> None:
    x = random(3, 4)
    assert np.array_equal(function(rounded(x)), function(x))
    assert isinstance(function(rounded(x)), np.ndarray | np.generic)


def test_the_namespace_makes_tracked_arrays() -> None:
    xp = rounded(np.ones(2)).__array_namespace__()
    for made in (
        xp.asarray([1.0, 2.0]), xp.zeros(3), xp.ones((2, 2)), xp.full(3, 0.5), xp.arange(3.0), xp.eye(2),
        xp.asarray([rounded(np.asarray(1.0)), 2.0]), xp.exp(np.ones(2)),
    ):  # fmt: skip
        assert isinstance(made, Rounded)
    assert xp.asarray([1, 2]).dtype.kind == "i"
    assert xp.isdtype(xp.asarray([1.0]).dtype, "real floating")
    assert xp.result_type(rounded(np.ones(2)), np.float32(1)) == np.float64
    assert xp.finfo(xp.float64).eps == 2.0**-52
    assert xp.pi == np.pi


@dataclasses.dataclass(frozen=True)
class Inner:
    logits: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class World:
    margin: np.ndarray
    inner: Inner
    parts: tuple[np.ndarray, ...]
    size: int
    scale: float


def test_a_world_is_wrapped_field_by_field() -> None:
    world = rounded(World(np.ones(2), Inner(np.ones(3), np.arange(3)), (np.zeros(1),), 3, 0.5))
    assert isinstance(world.margin, Rounded)
    assert isinstance(world.inner.logits, Rounded)
    assert isinstance(world.parts[0], Rounded)
    assert isinstance(world.inner.labels, np.ndarray)
    assert (world.size, world.scale) == (3, 0.5)


def test_values_and_errors_of_anything() -> None:
    assert value(3.0) == 3.0
    assert error(3.0) == 0.0
    assert np.array_equal(error(np.ones(3)), np.zeros(3))
    r = Rounded(np.ones(2), 0.5)
    assert np.array_equal(value(r), np.ones(2))
    assert np.array_equal(error(r), [0.5, 0.5])


def test_core_functions_run_unchanged() -> None:
    r = rounded(random(3, 5))
    assert array_namespace(r) is array_namespace(r[0], r)
    assert is_array_api_obj(r)
    assert isinstance(r, Float[Any, "..."])
    assert isinstance(r, Float[Any, "worlds actions"])
    assert isinstance(policies.regularised_optimum(r, policies.tabular(0 * r), beta=0.3), Rounded)
    assert isinstance(preferences.noisy_log_likelihood(r, flip_rate=0.2), Rounded)
    preferences.check_preference_matrix(preferences.bradley_terry(r))
    with pytest.raises(ValueError, match="flip_rate"):
        preferences.flipped(r, flip_rate=rounded(np.asarray(0.7)))


def test_the_example_of_the_docstring() -> None:
    tried = doctest.testmod(rounding)
    assert (tried.attempted, tried.failed) == (3, 0)


def test_errors_are_never_dropped_silently() -> None:
    r = rounded(np.ones(3))
    with pytest.raises(TypeError, match="drop the error bound"):
        np.asarray(r)
    with pytest.raises(TypeError, match="no rounding rule"):
        np.arccosh(r)
    with pytest.raises(TypeError, match="no rule for Rounded"):
        np.fft.fft(r)
    plain = np.ones(3)
    with pytest.raises(TypeError, match="cannot hold the errors"):
        plain += r
