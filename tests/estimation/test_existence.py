"""Existence of a minimiser on tables of weighted pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.estimation.existence import existence_in_table
from lab.estimation.fitting import fit
from lab.objectives.existence import existence
from lab.objectives.logistic import robust_dpo


def test_one_pair_is_its_minority_share():
    assert existence_in_table(np.ones((1, 1)), np.array([3.0]), np.array([1.0])).critical_flip_rate == pytest.approx(
        0.25
    )


def test_separable_and_balanced_tables():
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert existence_in_table(x, np.ones(2), np.zeros(2)).critical_flip_rate == pytest.approx(0.0, abs=1e-9)
    assert existence_in_table(x, np.ones(2), np.ones(2)).critical_flip_rate == 0.5


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_table_is_the_list_of_its_observations(seed):
    rng = np.random.default_rng(seed)
    x, won, lost = rng.normal(size=(8, 2)), rng.integers(0, 4, 8), rng.integers(0, 4, 8)
    listed = np.concatenate([np.repeat(x, won, axis=0), np.repeat(x, lost, axis=0)])
    labels = np.concatenate([np.ones(won.sum()), -np.ones(lost.sum())])
    if labels.size:
        counted = existence_in_table(x, won.astype(float), lost.astype(float)).critical_flip_rate
        assert counted == pytest.approx(existence(listed, labels).critical_flip_rate, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_newton_agrees_on_both_sides(seed):
    rng = np.random.default_rng(seed)
    x, won = rng.normal(size=(30, 2)), rng.integers(0, 9, 30).astype(float)
    critical = existence_in_table(x, won, 8 - won).critical_flip_rate
    for rate, exists in ((0.95 * critical, True), (0.5 * (critical + 0.5), False)):
        assert bool(fit(robust_dpo, x, won, 8 - won, beta=1.0, flip_rate=rate).converged) == exists


@pytest.mark.parametrize(
    ("won", "words"), [(np.zeros(2), "no data"), (np.array([-1.0, 1.0]), "won"), (np.ones(3), "shapes")]
)
def test_bad_input_is_refused(won, words):
    with pytest.raises(ValueError, match=words):
        existence_in_table(np.ones((2, 1)), won, np.zeros(2))
