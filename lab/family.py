"""Families of random worlds with declared parameter ranges.

A world is a frozen dataclass of arrays; `@world` also registers it with JAX, so that it passes through `jit` and
`vmap`. A family draws many worlds at once: every field gets a leading axis, so that an evidence function works on all
of them together. The declared ranges make the family searchable for its worst world.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any, dataclass_transform

import jax
import numpy as np


def static(**arguments: Any) -> Any:
    """A field that is the same for all worlds of a family (a size, a name): JAX compiles for it."""
    return field(metadata={"static": True}, **arguments)


@dataclass_transform(frozen_default=True, field_specifiers=(field, static))
def world(cls: type) -> type:
    """Frozen dataclass, registered as a JAX pytree; fields made by `static` become part of the tree's structure."""
    cls = dataclass(frozen=True)(cls)
    meta = [f.name for f in fields(cls) if f.metadata.get("static")]
    data = [f.name for f in fields(cls) if not f.metadata.get("static")]
    jax.tree_util.register_dataclass(cls, data_fields=data, meta_fields=meta)
    return cls


@dataclass(frozen=True)
class Parameter:
    """A world's parameter: its law, its range, and the shape of one draw."""

    law: str
    low: float | int
    high: float | int
    shape: tuple[int, ...] = ()

    def draw(self, rng: np.random.Generator, worlds: int) -> np.ndarray:
        size = (worlds, *self.shape)
        if self.law == "uniform":
            return rng.uniform(self.low, self.high, size)
        if self.law == "log_uniform":
            return np.exp(rng.uniform(np.log(self.low), np.log(self.high), size))
        if self.law == "normal":
            return np.clip(rng.normal(size=size) * (self.high / 4), self.low, self.high)
        return rng.integers(int(self.low), int(self.high) + 1, size)


def uniform(low: float | int, high: float | int, *, shape: tuple[int, ...] = ()) -> Parameter:
    """Uniform between low and high."""
    check_range(low, high)
    return Parameter("uniform", low, high, shape)


def log_uniform(low: float | int, high: float | int, *, shape: tuple[int, ...] = ()) -> Parameter:
    """Its logarithm is uniform between those of low and high. Raises ValueError unless low is positive."""
    if low <= 0:
        raise ValueError(f"low = {low:g}: a log-uniform parameter must be positive")
    check_range(low, high)
    return Parameter("log_uniform", low, high, shape)


def normal(scale: float | int = 1.0, *, shape: tuple[int, ...] = ()) -> Parameter:
    """Normal with this standard deviation, cut at four of them so that the range is known."""
    if not 0 <= scale < math.inf:
        raise ValueError(f"scale = {scale:g}: a standard deviation must be finite and not negative")
    return Parameter("normal", -4 * scale, 4 * scale, shape)


def integers(low: int, high: int, *, shape: tuple[int, ...] = ()) -> Parameter:
    """Whole numbers from low to high, both included."""
    check_range(low, high)
    if low != int(low) or high != int(high):
        raise ValueError(f"low = {low:g}, high = {high:g}: must be whole numbers")
    return Parameter("integers", low, high, shape)


def check_range(low: float | int, high: float | int) -> None:
    """Raise ValueError unless low ≤ high and both are finite."""
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"low = {low:g}, high = {high:g}: must be finite, the first at most the second")


@dataclass(frozen=True)
class Family:
    """Random worlds of one class. `make` is the class, or a function of the drawn parameters that returns a world."""

    make: Any
    parameters: dict[str, Any]

    def draw(self, rng: np.random.Generator, worlds: int) -> Any:
        """One world object whose fields hold `worlds` random worlds along their leading axis."""
        drawn = {name: p.draw(rng, worlds) if isinstance(p, Parameter) else p for name, p in self.parameters.items()}
        return self.make(**drawn)

    def describe(self) -> str:
        """One line that names the class and the ranges; it is part of a result's key."""
        ranges = ", ".join(f"{name}={p!r}" for name, p in self.parameters.items())
        return f"{self.make.__module__}.{self.make.__qualname__}({ranges})"


def family(make: Any, **parameters: Any) -> Family:
    """A family of worlds: each parameter is a law (`uniform`, `log_uniform`, `normal`, `integers`) or a fixed value."""
    return Family(make, parameters)
