"""Closed-form covariances: the sheet's fixtures, agreement with the general sandwich, orderings and limits."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.estimation.covariance import (
    likelihood_information,
    profile_information,
    robust_covariance,
    robust_curvature,
    second_moment,
)
from lab.estimation.fitting import fit
from lab.estimation.sandwich import clustered_sandwich, sandwich
from lab.objectives.logistic import noisy_likelihood_dpo, robust_dpo
from tests.libraries import assert_libraries_agree


def setting(seed, pairs=12, features=3):
    rng = np.random.default_rng(seed)
    x, theta = rng.normal(size=(pairs, features)), rng.normal(size=features)
    return x, rng.dirichlet(np.ones(pairs)), x @ theta, theta


def observed(probabilities, margins, beta, rate):
    wins = (1 - 2 * rate) / (1 + np.exp(-beta * margins)) + rate
    return probabilities * wins, probabilities * (1 - wins)


def test_two_arms_without_flips():
    """`dpo-background`, B5: N·Var = 1/(β²p(1−p)) = 19.05 at p = 0.7, β = 0.5."""
    margin = np.array([np.log(0.7 / 0.3) / 0.5])
    variance = robust_covariance(np.ones((1, 1)), np.ones(1), margin, beta=0.5, flip_rate=0.0)
    assert abs(variance.item() - 1 / (0.25 * 0.21)) < 1e-12
    assert round(variance.item(), 2) == 19.05


@given(st.integers(0, 10**6), st.floats(0.0, 0.45), st.floats(0.3, 3.0))
@settings(max_examples=5, deadline=None)
def test_general_sandwich_agrees(seed, rate, beta):
    x, weight, margins, theta = setting(seed)
    won, lost = observed(weight, margins, beta, rate)
    both = {"beta": beta, "flip_rate": rate}
    np.testing.assert_allclose(
        sandwich(robust_dpo, theta, x, won, lost, **both), robust_covariance(x, weight, margins, **both), rtol=1e-6
    )
    np.testing.assert_allclose(
        sandwich(noisy_likelihood_dpo, theta, x, won, lost, **both),
        np.linalg.inv(likelihood_information(x, weight, margins, **both)),
        rtol=1e-6,
    )


@given(st.integers(0, 10**6), st.floats(0.0, 0.45))
@settings(max_examples=25, deadline=None)
def test_likelihood_is_never_less_precise(seed, rate):
    x, weight, margins, _ = setting(seed)
    robust = robust_covariance(x, weight, margins, beta=1.0, flip_rate=rate)
    likelihood = np.linalg.inv(likelihood_information(x, weight, margins, beta=1.0, flip_rate=rate))
    least = np.min(np.linalg.eigvalsh(robust - likelihood))
    assert least >= -1e-10 * np.trace(robust) * np.linalg.cond(likelihood)


def test_without_flips_all_are_the_inverse_curvature():
    x, weight, margins, _ = setting(1)
    back = np.linalg.inv(robust_curvature(x, weight, margins, beta=1.3))
    np.testing.assert_allclose(robust_covariance(x, weight, margins, beta=1.3, flip_rate=0.0), back, rtol=1e-9)
    information = likelihood_information(x, weight, margins, beta=1.3, flip_rate=0.0)
    np.testing.assert_allclose(np.linalg.inv(information), back, rtol=1e-9)


def test_curvature_is_the_hessian_at_any_flip_rate():
    x, weight, margins, theta = setting(2)
    won, lost = observed(weight, margins, 1.3, 0.2)

    def mean_loss(t):
        both = {"beta": 1.3, "flip_rate": 0.2}
        return won @ robust_dpo(x @ t, **both) + lost @ robust_dpo(-(x @ t), **both)

    np.testing.assert_allclose(
        jax.hessian(mean_loss)(jax.numpy.asarray(theta)), robust_curvature(x, weight, margins, beta=1.3), rtol=1e-9
    )


def test_profile_information_is_that_of_both_parameters_together():
    """The Schur complement of the Hessian of the population's likelihood in the parameters and the flip rate."""
    x, weight, margins, theta = setting(8)
    won, lost = observed(weight, margins, 1.3, 0.2)

    def mean_loss(parameters):
        both, h = {"beta": 1.3, "flip_rate": parameters[-1]}, x @ parameters[:-1]
        return won @ noisy_likelihood_dpo(h, **both) + lost @ noisy_likelihood_dpo(-h, **both)

    joint = np.asarray(jax.hessian(mean_loss)(jax.numpy.append(jax.numpy.asarray(theta), 0.2)))
    expected = joint[:-1, :-1] - np.outer(joint[:-1, -1], joint[-1, :-1]) / joint[-1, -1]
    found = profile_information(x, weight, margins, beta=1.3, flip_rate=0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)
    known = likelihood_information(x, weight, margins, beta=1.3, flip_rate=0.2)
    assert np.min(np.linalg.eigvalsh(known - found)) >= -1e-12
    assert_libraries_agree(profile_information, x, weight, margins, beta=1.3, flip_rate=0.2)


def test_margins_of_their_own_do_not_tell_the_flip_rate():
    """As many features as pairs: what is left of the information is singular."""
    own = profile_information(np.eye(3), np.full(3, 1 / 3), np.array([0.5, 1.0, -2.0]), beta=1.0, flip_rate=0.2)
    assert np.linalg.eigvalsh(own)[0] == pytest.approx(0.0, abs=1e-14)


def test_no_signal_gives_the_printed_factor():
    x, weight, margins, _ = setting(3)
    ratio = robust_covariance(x, weight, 0 * margins, beta=1.0, flip_rate=0.2) / robust_covariance(
        x, weight, 0 * margins, beta=1.0, flip_rate=0.0
    )
    np.testing.assert_allclose(ratio, 1 / 0.6**2, rtol=1e-9)


def test_saturated_margins_stay_finite():
    weights = robust_curvature(np.ones((2, 1)), np.full(2, 0.5), np.array([1e4, -1e4]), beta=1.0)
    assert np.isfinite(weights).all()


def test_clusters_of_one_row_are_the_plain_sandwich():
    x, _, _, _ = setting(4, pairs=60)
    rng = np.random.default_rng(4)
    won = rng.integers(0, 2, 60).astype(float)
    theta = np.asarray(fit(robust_dpo, x, won, 1 - won, beta=1.0, flip_rate=0.0).theta)
    both = {"beta": 1.0, "flip_rate": 0.0}
    alone = clustered_sandwich(robust_dpo, theta, x, won, 1 - won, np.arange(60), **both)
    np.testing.assert_allclose(alone, sandwich(robust_dpo, theta, x, won, 1 - won, **both) / 60, rtol=1e-9)
    twice = [np.concatenate([a, a]) for a in (x, won, 1 - won)]
    together = clustered_sandwich(robust_dpo, theta, *twice, np.tile(np.arange(60), 2), **both)
    np.testing.assert_allclose(together, alone, rtol=1e-9)  # a copy of each person's choices is no new information


@pytest.mark.parametrize("function", [robust_covariance, likelihood_information])
def test_libraries_agree(function):
    x, weight, margins, _ = setting(5, pairs=4, features=1)
    assert_libraries_agree(function, x, weight, margins, beta=0.8, flip_rate=0.2)


def test_libraries_agree_on_moments():
    x, weight, margins, _ = setting(6, pairs=6, features=2)
    assert_libraries_agree(second_moment, x, weight)
    assert_libraries_agree(robust_curvature, x, weight, margins, beta=0.8)


@pytest.mark.parametrize("bad", [{"beta": 0.0}, {"flip_rate": 0.5}, {"flip_rate": -0.1}])
def test_bad_settings_are_refused(bad):
    x, weight, margins, _ = setting(7)
    with pytest.raises(ValueError, match=next(iter(bad))):
        robust_covariance(x, weight, margins, **({"beta": 1.0, "flip_rate": 0.1} | bad))


def test_negative_probabilities_are_refused():
    x, weight, margins, _ = setting(7)
    for function in (robust_covariance, likelihood_information):
        with pytest.raises(ValueError, match="probabilities = -"):
            function(x, -weight, margins, beta=1.0, flip_rate=0.1)
