"""Toy paper `coin`: a coin that shows 1 or −1."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal, exponent, interval, mean_equals

from .formulas import expected_square, variance


@dataclass(frozen=True)
class Coin:
    """Its bias is the probability of 1."""

    bias: Any


class Coins:
    """Coins with a bias between 0.05 and 0.95."""

    def draw(self, rng, worlds):
        return Coin(rng.uniform(0.05, 0.95, worlds))

    def describe(self):
        return "coins"


@evidence("coin/variance", kind="exact", over=Coins())
def variance_by_enumeration(world, bias=None):
    """Both faces, by hand."""
    bias = world.bias if bias is None else bias
    mean = bias - (1 - bias)
    return equal(expected_square(bias) - mean * mean, variance(world.bias))


variance_by_enumeration.control("another coin has another variance", bias=lambda world: world.bias / 2)


@evidence("coin/variance", kind="sampled", over=Coin(0.3), size=4096)
def variance_by_tossing(world, draw, shift=0.0):
    """Half of the squared difference of two tosses has the variance as its mean."""
    tosses = np.where(draw.rng.random((2, draw.size)) < world.bias, 1.0, -1.0)
    values = (tosses[0] - tosses[1]) ** 2 / 2
    return mean_equals(values, variance(world.bias) + shift, within=0.05, low=0.0, high=2.0)


variance_by_tossing.control("a wrong variance is refused", shift=0.3)


@evidence("coin/error-rate", kind="rate", size=256)
def error_of_the_mean(draw, power=0.5):
    """The mean of n tosses misses by about n^(−1/2)."""
    sizes = np.array([16.0, 64.0, 256.0, 1024.0])
    errors = sizes ** (-power) * np.exp(0.1 * draw.rng.normal(size=(draw.size, len(sizes))))
    return exponent(sizes, errors, between=(-0.6, -0.4), predicted=-0.5)


error_of_the_mean.control("a slower law is seen", power=0.2)


@evidence("coin/variance-below-half", kind="exact", over=Coins())
def half_is_exceeded(world, bound=0.5):
    """A fair coin has variance 1."""
    return at_most(variance(world.bias), bound)


half_is_exceeded.control("1 is a bound", bound=1.0)


@evidence("coin/variance-at-most-one", kind="data")
def one_is_not_exceeded(draw, bound=1.0):
    """An interval that the evidence brings along."""
    return interval(0.9, 0.8, 0.99, between=(0.0, bound), predicted=0.9, samples=draw.size)


one_is_not_exceeded.control("a half is exceeded", bound=0.5)
