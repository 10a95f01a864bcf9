"""Clopper–Pearson against SciPy, and its coverage by enumeration."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from lab.inference.intervals import clopper_pearson


@pytest.mark.parametrize(("s", "n"), [(0, 10), (10, 10), (3, 10), (1, 1000), (500, 1000)])
def test_agrees_with_scipy(s: int, n: int) -> None:
    reference = binomtest(s, n).proportion_ci(confidence_level=1 - 1e-3, method="exact")
    ours = clopper_pearson(s, n, alpha=1e-3)
    np.testing.assert_allclose(ours, (reference.low, reference.high), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("n", [5, 37])
def test_covers_by_enumeration(n: int) -> None:
    counts = np.arange(n + 1)
    low, high = clopper_pearson(counts, n, alpha=0.1)
    for p in np.linspace(0.001, 0.999, 97):
        assert np.sum(binom.pmf(counts, n, p)[(low <= p) & (p <= high)]) >= 0.9 - 1e-12
    narrow_low, narrow_high = clopper_pearson(counts, n, alpha=0.4)
    assert np.all((narrow_low >= low) & (narrow_high <= high))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="successes"):
        clopper_pearson(11, 10, alpha=0.1)
    with pytest.raises(ValueError, match="alpha"):
        clopper_pearson(1, 10, alpha=0.0)
