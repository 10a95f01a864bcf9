"""The log of the normal cdf against 60 digits, on all libraries, with gradients in both tails."""

import jax
import mpmath
import numpy as np
import pytest
import torch

from lab.inference.rounding import error, rounded, value
from lab.normal import log_normal_cdf, normal_cdf, normal_quantile
from tests.libraries import assert_libraries_agree

POINTS = np.concatenate([-np.logspace(4, 1, 16), np.linspace(-9.9, 9.9, 67), [10.0, 13.0]])


def truth(x):
    with mpmath.workdps(60):
        return mpmath.log(mpmath.ncdf(mpmath.mpf(float(x))))


@pytest.mark.parametrize("library", [np.asarray, jax.numpy.asarray, torch.asarray], ids=["numpy", "jax", "torch"])
def test_log_cdf_against_sixty_digits(library):
    ours = np.asarray(log_normal_cdf(library(POINTS)))
    for x, found in zip(POINTS, ours, strict=True):
        # In the upper tail the library rounds x/√2 first: x² units in the last place.
        allowed = (32 + 2 * max(x, 0.0) ** 2) * np.finfo(float).eps
        assert abs(mpmath.mpf(float(found)) / truth(x) - 1) < allowed, x


def test_the_computed_rounding_bound_covers_the_error():
    ours = log_normal_cdf(rounded(POINTS))
    for x, found, bound in zip(POINTS, value(ours), error(ours), strict=True):
        assert abs(mpmath.mpf(float(found)) - truth(x)) <= mpmath.mpf(float(bound))


@pytest.mark.parametrize("x", [-1e4, -20.0, -10.0001, -9.9999, -1.0, 0.0, 1.0, 8.0])
def test_the_gradient_is_the_inverse_mills_ratio(x):
    with mpmath.workdps(60):
        ratio = float(mpmath.npdf(x) / mpmath.ncdf(x))
    leaf = torch.tensor(x, requires_grad=True, dtype=torch.float64)
    log_normal_cdf(leaf).backward()
    np.testing.assert_allclose([float(jax.grad(log_normal_cdf)(x)), float(leaf.grad)], ratio, rtol=1e-13)


def test_float32_keeps_its_digits_in_the_tail():
    found = log_normal_cdf(jax.numpy.asarray(POINTS[:20], dtype="float32"))
    np.testing.assert_allclose(found, [float(truth(np.float32(x))) for x in POINTS[:20]], rtol=3e-7)


def test_cdf_and_quantile_are_inverse_on_all_libraries():
    p = np.array([0.2, 0.3, 0.5, 0.7])
    np.testing.assert_allclose(normal_cdf(normal_quantile(p)), p, rtol=1e-13)
    assert_libraries_agree(normal_cdf, np.linspace(-3, 3, 7))
    assert_libraries_agree(normal_quantile, p)
    np.testing.assert_array_equal(normal_quantile(np.array([0.0, 1.0])), [-np.inf, np.inf])
    with pytest.raises(ValueError, match=r"p = 1\.1"):
        normal_quantile(1.1)
