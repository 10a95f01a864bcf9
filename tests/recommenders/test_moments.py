"""Bias and variance formulas against brute force: every click pattern of up to twelve pairs, in plain NumPy."""

import itertools

import jax
import numpy as np
import pytest
import torch

from lab.recommenders.losses import Losses, clipped, exposure_mf, ideal, local_losses, loss, weighted_mf
from lab.recommenders.moments import (
    class_balanced_minimiser,
    clipped_bias,
    clipped_relevance,
    clipped_variance,
    dependence_bias,
    exposure_mf_expectation,
    misspecified_bias,
    shared_shock_variance,
    unbiased_variance,
    weighted_mf_bias,
)
from lab.recommenders.propensity import exposure_posterior
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(5)
PAIRS = 12
THETA, GAMMA, LOGIT = RNG.uniform(0.02, 1.0, PAIRS), RNG.uniform(0.0, 1.0, PAIRS), RNG.normal(0, 2, PAIRS)
CLICKS = np.array(list(itertools.product([0.0, 1.0], repeat=PAIRS)))
CHANCE = np.prod(np.where(CLICKS == 1.0, THETA * GAMMA, 1.0 - THETA * GAMMA), axis=1)


def moments_over_clicks(weights, local):
    losses = loss(LOGIT, weights, local=local, reduction="mean")
    mean = CHANCE @ losses
    return mean, CHANCE @ (losses - mean) ** 2


@pytest.fixture(params=["log", "squared"])
def local(request):
    return request.param


def test_weighted_mf_bias_by_enumeration(local):
    target = loss(LOGIT, ideal(GAMMA), local=local, reduction="mean")
    for c in (1.0, 3.5):
        mean, _ = moments_over_clicks(weighted_mf(CLICKS, click_weight=c), local)
        bias = weighted_mf_bias(GAMMA, THETA, local_losses(LOGIT, local=local), click_weight=c)
        np.testing.assert_allclose(mean - target, bias, rtol=0, atol=1e-12)


def test_exposure_mf_expectation_by_enumeration(local):
    mean, _ = moments_over_clicks(exposure_mf(CLICKS, exposure_posterior(CLICKS, THETA, GAMMA)), local)
    formula = exposure_mf_expectation(GAMMA, THETA, local_losses(LOGIT, local=local))
    np.testing.assert_allclose(mean, formula, rtol=1e-12)


@pytest.mark.parametrize("clip", [0.0, 0.2, 0.4, 1.0])
def test_clipped_moments_by_enumeration(clip, local):
    mean, variance = moments_over_clicks(clipped(CLICKS, THETA, clip=clip), local)
    target = loss(LOGIT, ideal(GAMMA), local=local, reduction="mean")
    difference = local_losses(LOGIT, local=local).difference
    np.testing.assert_allclose(mean - target, clipped_bias(GAMMA, THETA, difference, clip=clip), rtol=0, atol=1e-12)
    np.testing.assert_allclose(variance, clipped_variance(GAMMA, THETA, difference, clip=clip), rtol=1e-11)
    shrunk = ideal(clipped_relevance(GAMMA, THETA, clip=clip))
    np.testing.assert_allclose(mean, loss(LOGIT, shrunk, local=local, reduction="mean"), rtol=1e-12)


def test_unbiased_variance_is_the_clipped_one_without_a_clip():
    by_hand = np.sum(GAMMA * (1 / THETA - GAMMA) * LOGIT**2) / PAIRS**2
    np.testing.assert_allclose(unbiased_variance(GAMMA, THETA, -LOGIT), by_hand, rtol=1e-13)


def test_clip_is_a_wrong_propensity():
    np.testing.assert_allclose(
        clipped_bias(GAMMA, THETA, LOGIT, clip=0.3),
        misspecified_bias(GAMMA, THETA, np.maximum(THETA, 0.3), LOGIT),
        rtol=1e-12,
    )


def test_closed_form_fixtures():
    """The counterexamples that the catalogue gives in numbers."""
    half = np.array([0.5])
    even = local_losses(np.array([0.0]))
    np.testing.assert_allclose(weighted_mf_bias(half, half, even, click_weight=2.0), 0.25 * np.log(2.0))
    users = np.full((1, 2), 0.5)
    difference = np.full((1, 2), -2.0)
    np.testing.assert_allclose(shared_shock_variance(users, users, difference, shock=0.0), 1.5)
    np.testing.assert_allclose(shared_shock_variance(users, users, difference, shock=0.9), 1.905)
    relevance, propensity, signs = np.array([0.5, 0.5]), np.array([0.1, 0.5]), np.array([1.0, -1.0])
    np.testing.assert_allclose(clipped_bias(relevance, propensity, signs, clip=0.5), -0.2)
    np.testing.assert_allclose(clipped_bias(relevance, propensity, signs, clip=1.0), -0.1)
    np.testing.assert_allclose(class_balanced_minimiser(0.5, 0.5, ratio=3.0), 1.0)


def test_class_balanced_limits():
    np.testing.assert_array_equal(class_balanced_minimiser(GAMMA, THETA, ratio=1.0), GAMMA)
    relevant = class_balanced_minimiser(np.full(PAIRS, 0.5), THETA, ratio=1e12)
    np.testing.assert_allclose(relevant, 1 / THETA, rtol=1e-9)


def test_bias_is_zero_under_full_exposure_without_weights():
    assert weighted_mf_bias(GAMMA, np.ones(PAIRS), local_losses(LOGIT)) == 0.0
    assert dependence_bias(np.zeros(PAIRS), THETA, LOGIT) == 0.0


@pytest.mark.parametrize(
    "function",
    [
        lambda g, t, s: weighted_mf_bias(g, t, Losses(s, 2 * s), click_weight=3.0),
        lambda g, t, s: exposure_mf_expectation(g, t, Losses(s, 2 * s)),
        lambda g, t, s: misspecified_bias(g, t, t**0.5, s),
        lambda g, t, s: dependence_bias(g, t, s),
        lambda g, t, s: clipped_relevance(g, t, clip=0.3) * s,
        lambda g, t, s: clipped_bias(g, t, s, clip=0.3),
        lambda g, t, s: clipped_variance(g, t, s, clip=0.3),
        lambda g, t, s: unbiased_variance(g, t, s),
        lambda g, t, s: shared_shock_variance(g, t, s, shock=0.4),
        lambda g, t, s: class_balanced_minimiser(g, t, ratio=4.0) * s,
    ],
)
def test_libraries_agree(function):
    shape = (3, 4)
    relevance, propensity = (0.01 + 0.98 * x.reshape(shape) for x in (GAMMA, 0.9 * THETA))
    assert_libraries_agree(function, relevance, propensity, LOGIT.reshape(shape))


def test_tiny_propensities_in_float32():
    tiny = np.array([1e-30], dtype=np.float32)
    variance = clipped_variance(np.array([0.5], dtype=np.float32), tiny, np.array([1.0], dtype=np.float32), clip=0.0)
    np.testing.assert_allclose(variance, 0.5e30, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: unbiased_variance(GAMMA, THETA * 0, LOGIT), "propensity = 0"),
        (lambda: clipped_bias(GAMMA + 1, THETA, LOGIT, clip=0.1), "relevance = 1"),
        (lambda: clipped_variance(GAMMA, THETA, LOGIT, clip=2.0), "clip = 2"),
        (lambda: misspecified_bias(GAMMA, THETA, THETA * 0, LOGIT), "assumed = 0"),
        (lambda: dependence_bias(np.full(PAIRS, np.nan), THETA, LOGIT), "covariance = nan"),
        (lambda: shared_shock_variance(users := np.full((1, 2), 0.5), users, users, shock=1.5), "shock = 1.5"),
        (lambda: class_balanced_minimiser(0.5, 0.5, ratio=-1.0), "ratio = -1"),
        (lambda: clipped_bias(GAMMA, THETA, LOGIT * np.nan, clip=0.1), "difference = nan"),
        (lambda: unbiased_variance(GAMMA, THETA, LOGIT * np.nan), "difference = nan"),
        (lambda: misspecified_bias(GAMMA, THETA, THETA, LOGIT * np.nan), "difference = nan"),
        (lambda: dependence_bias(GAMMA, THETA, LOGIT * np.nan), "difference = nan"),
        (lambda: weighted_mf_bias(GAMMA, THETA, Losses(LOGIT * np.nan, LOGIT)), "positive = nan"),
        (lambda: exposure_mf_expectation(GAMMA, THETA, Losses(LOGIT, LOGIT * np.inf)), "negative = "),
        (lambda: clipped_bias(GAMMA[:0], THETA[:0], LOGIT[:0], clip=0.1), "needs a last axis of pairs"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize("library", [np.asarray, jax.numpy.asarray, torch.asarray], ids=["numpy", "jax", "torch"])
@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize(
    "call",
    [
        lambda g, t, s: weighted_mf_bias(g, t, Losses(s, s)),
        lambda g, t, s: exposure_mf_expectation(g, t, Losses(s, s)),
        lambda g, t, s: misspecified_bias(g, t, t, s),
        lambda g, t, s: dependence_bias(g, t, s),
        lambda g, t, s: clipped_bias(g, t, s, clip=0.3),
        lambda g, t, s: clipped_variance(g, t, s, clip=0.3),
        lambda g, t, s: unbiased_variance(g, t, s),
    ],
)
def test_other_pairs_are_named(call, length, library):
    """Lengths 1 and 2 would spread silently; 2 and 3 would raise each library's own error."""
    two, other = library(np.full(2, 0.5)), library(np.full(length, 0.5))
    for arguments in ((two, other, two), (two, two, other)):
        with pytest.raises(ValueError, match=rf"has \({length},\).*needs a last axis of pairs"):
            call(*arguments)


def test_one_number_stands_for_all_pairs():
    assert clipped_bias(0.5, THETA, 1.0, clip=0.3) == clipped_bias(np.full(PAIRS, 0.5), THETA, np.ones(PAIRS), clip=0.3)
    with pytest.raises(ValueError, match=r"relevance has \(\), .*needs a last axis of pairs"):
        unbiased_variance(0.5, 0.5, 1.0)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: clipped_relevance(GAMMA, THETA[:5], clip=0.1), "shapes must broadcast"),
        (lambda: clipped_bias(GAMMA, THETA, LOGIT, clip=np.full(5, 0.1)), r"clip has \(5,\)"),
        (lambda: class_balanced_minimiser(GAMMA, THETA, ratio=np.ones(5)), r"ratio has \(5,\)"),
        (lambda: weighted_mf_bias(GAMMA, THETA, local_losses(LOGIT), click_weight=np.ones(5)), "shapes must broadcast"),
        (lambda: shared_shock_variance.__wrapped__(GAMMA, THETA, LOGIT, shock=0.1), "an axis of users"),
        (lambda: shared_shock_variance.__wrapped__(np.ones((2, 3)), np.ones((1, 3)), np.ones((2, 3)), shock=0.1),
         "shapes must agree"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
