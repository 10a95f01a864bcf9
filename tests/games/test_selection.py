"""Laws of the pairs that a loss is trained on, and the minimiser that a law has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.games.game import bradley_terry_game
from lab.games.selection import best_worst_pairs, fitted_log_ratio, independent_pairs, relabelled
from lab.policies import tabular
from simulations.inpo.brute_force import best_and_worst, pair_law
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(1)
REWARD = np.array([0.3, -1.0, 2.0, 0.9, -0.2])
LOG_POLICY = tabular(RNG.normal(size=5))
ADVANTAGE = bradley_terry_game(REWARD)


@pytest.mark.parametrize("drawn", [2, 3, 6])
def test_best_and_worst_by_enumeration(drawn):
    law = best_worst_pairs(LOG_POLICY, REWARD, drawn=drawn)
    np.testing.assert_allclose(law, pair_law(LOG_POLICY, best_and_worst(REWARD), drawn=drawn), atol=1e-15)
    assert law.sum() == pytest.approx(1.0, abs=1e-14)


def test_laws_are_laws():
    pairs = independent_pairs(LOG_POLICY, ADVANTAGE)
    assert pairs.sum() == pytest.approx(1.0, abs=1e-15)
    assert np.all(pairs >= 0)
    # Of two responses, labelled by the preference, best and worst are any two.
    both = relabelled(best_worst_pairs(LOG_POLICY, REWARD, drawn=2), ADVANTAGE)
    np.testing.assert_allclose(both, pairs, atol=1e-15)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 5.0))
def test_the_fit_is_stationary_and_centred(seed, target):
    law = np.random.default_rng(seed).dirichlet(np.ones(16)).reshape(4, 4)
    h = fitted_log_ratio(law, target=target)
    assert abs(h.sum()) < 1e-9 * target
    residual = law * (h[:, None] - h[None, :] - target)
    np.testing.assert_allclose(residual.sum(axis=1) - residual.sum(axis=0), 0, atol=1e-12 * target)


def test_the_fit_of_independent_pairs_is_the_step():
    lead = ADVANTAGE @ np.exp(LOG_POLICY)
    found = fitted_log_ratio(independent_pairs(LOG_POLICY, ADVANTAGE), target=0.7)
    np.testing.assert_allclose(found, 1.4 * (lead - lead.mean()), atol=1e-14)


def test_batches_and_scales():
    laws = np.stack([independent_pairs(LOG_POLICY, ADVANTAGE), best_worst_pairs(LOG_POLICY, REWARD, drawn=8)])
    both = fitted_log_ratio(laws, target=np.array([0.5, 2.0]))
    for law, target, h in zip(laws, (0.5, 2.0), both, strict=True):
        np.testing.assert_allclose(fitted_log_ratio(3.0 * law, target=target), h, atol=1e-13)


def test_libraries_agree():
    assert_libraries_agree(lambda p: independent_pairs(p, ADVANTAGE), LOG_POLICY)
    assert_libraries_agree(lambda p: best_worst_pairs(p, REWARD, drawn=4), LOG_POLICY)
    assert_libraries_agree(lambda law: relabelled(law, ADVANTAGE), np.abs(RNG.normal(size=(5, 5))))
    assert_libraries_agree(lambda law: fitted_log_ratio(law, target=0.5), 0.1 + np.abs(RNG.normal(size=(4, 4))))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"drawn = 1"):
        best_worst_pairs(LOG_POLICY, REWARD, drawn=1)
    with pytest.raises(ValueError, match="must differ"):
        best_worst_pairs(LOG_POLICY, np.zeros(5), drawn=2)
