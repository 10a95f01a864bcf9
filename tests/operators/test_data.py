"""The real data that the regressions run on."""

import numpy as np

from lab.datasets.diabetes import FEATURES, TARGET, diabetes


def test_diabetes():
    data = diabetes()
    assert data.features.shape == (442, 10)
    np.testing.assert_allclose(data.features.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.features.std(axis=0), 1)
    # Body mass index is the measurement that goes best with the progression.
    correlation = data.features.T @ data.target / 442
    assert np.argmax(np.abs(correlation)) == 2
    assert 0.58 < correlation[2] < 0.59


def test_sources_name_their_package():
    for source in (FEATURES, TARGET):
        assert source.require().name.endswith(".csv.gz")
        assert "scikit-learn" in source.install
