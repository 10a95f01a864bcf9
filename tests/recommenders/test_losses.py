"""Losses: invariances, limits, extremes, and one contract for the three array libraries."""

import jax
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.recommenders.losses import (
    class_balanced,
    clipped,
    exposure_mf,
    ideal,
    local_losses,
    loss,
    naive,
    unbiased,
    weighted_mf,
)
from tests.libraries import assert_libraries_agree

LOGIT = np.array([-3.0, -0.4, 0.0, 1.3, 5.0])
CLICK = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
PROPENSITY = np.array([0.9, 0.05, 0.4, 0.3, 1.0])
chance = st.floats(0.01, 0.99)
logits = st.floats(-30.0, 30.0)


@pytest.mark.parametrize("local", ["log", "squared"])
@pytest.mark.parametrize(
    "weights",
    [
        lambda p: ideal(p),
        lambda p: weighted_mf(CLICK, click_weight=2.0 + p, unlabeled_weight=0.977),
        lambda p: exposure_mf(CLICK, p),
        lambda p: unbiased(CLICK, p),
        lambda p: clipped(CLICK, p, clip=0.1),
        lambda p: class_balanced(CLICK, clipped(CLICK, p, clip=0.1), ratio=7.0),
    ],
    ids=["ideal", "weighted", "exposure", "unbiased", "clipped", "balanced"],
)
def test_libraries_agree(weights, local):
    inside = PROPENSITY * 0.99
    for reduction in ("none", "mean"):
        assert_libraries_agree(
            lambda s, p, reduction: loss(s, weights(p), local=local, reduction=reduction),
            LOGIT, inside, reduction=reduction,
        )  # fmt: skip


@given(logits, chance)
def test_log_loss_is_softplus_minus_weighted_logit(s, w):
    assert np.isclose(loss(s, ideal(w)), np.logaddexp(0.0, s) - w * s, rtol=1e-12, atol=1e-13)


@given(logits, chance)
def test_relabelling_turns_the_logit_round(s, w):
    """Exchanging relevant and irrelevant is the same as changing the sign of the logit."""
    for local in ("log", "squared"):
        assert np.isclose(loss(s, ideal(w), local=local), loss(-s, ideal(1.0 - w), local=local), rtol=1e-9, atol=1e-12)


@given(st.floats(-9.0, 9.0), chance)
def test_relevance_minimises_the_ideal_loss(step, gamma):
    best = np.log(gamma) - np.log1p(-gamma)
    for local in ("log", "squared"):
        assert loss(best, ideal(gamma), local=local) <= loss(best + step, ideal(gamma), local=local) + 1e-15


def test_full_exposure_and_full_clip_are_the_naive_loss():
    for weights in (unbiased(CLICK, np.ones(5)), clipped(CLICK, PROPENSITY, clip=1.0), exposure_mf(CLICK, np.ones(5))):
        np.testing.assert_array_equal(np.stack(weights), np.stack(naive(CLICK)))
    np.testing.assert_array_equal(
        np.stack(clipped(CLICK, PROPENSITY, clip=0.05)), np.stack(unbiased(CLICK, PROPENSITY))
    )


def test_difference_of_the_log_losses_is_minus_the_logit():
    np.testing.assert_allclose(local_losses(LOGIT).difference, -LOGIT, rtol=1e-14)
    prediction = 1 / (1 + np.exp(-LOGIT))
    np.testing.assert_allclose(local_losses(LOGIT, local="squared").difference, 1 - 2 * prediction, rtol=1e-13)


@pytest.mark.parametrize("local", ["log", "squared"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_stay_finite_with_exact_limits(local, dtype):
    s = np.array([-1e4, 1e4], dtype=dtype)
    one, zero = np.ones(2, dtype=dtype), np.zeros(2, dtype=dtype)
    far = 1e4 if local == "log" else 1.0
    np.testing.assert_array_equal(loss(s, naive(one), local=local), np.array([far, 0.0], dtype=dtype))
    np.testing.assert_array_equal(loss(s, naive(zero), local=local), np.array([0.0, far], dtype=dtype))
    assert loss(s, naive(one), local=local).dtype == np.dtype(dtype)
    slope = jax.grad(lambda x: loss(x, unbiased(jax.numpy.asarray(one), 0.25), local=local).sum())(jax.numpy.asarray(s))
    expected = [-4.0, -3.0] if local == "log" else [0.0, 0.0]
    np.testing.assert_array_equal(np.asarray(slope), np.array(expected, dtype=dtype))
    leaf = torch.tensor(s, requires_grad=True)
    loss(leaf, unbiased(torch.tensor(one), 0.25), local=local).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), np.array(expected, dtype=dtype))


def test_small_losses_keep_their_relative_accuracy():
    """At logit 40 the loss of a click is e^−40: subtracting w·s from softplus(s) would lose it."""
    np.testing.assert_allclose(loss(40.0, naive(1.0)), np.exp(-40.0), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: unbiased(CLICK, np.zeros(5)), "propensity = 0"),
        (lambda: unbiased(CLICK, PROPENSITY * 1.1), "propensity = 1.1"),
        (lambda: unbiased(CLICK, PROPENSITY * np.nan), "propensity = nan"),
        (lambda: unbiased(-CLICK, PROPENSITY), "click = -1"),
        (lambda: clipped(CLICK, PROPENSITY, clip=-0.1), "clip = -0.1"),
        (lambda: clipped(CLICK, PROPENSITY, clip=1.5), "clip = 1.5"),
        (lambda: ideal(1.2), "relevance = 1.2"),
        (lambda: weighted_mf(CLICK, click_weight=0.0), "click_weight = 0"),
        (lambda: class_balanced(CLICK, naive(CLICK), ratio=np.inf), "ratio = inf"),
        (lambda: local_losses(np.array([0.0, np.inf])), "logit = inf"),
        (lambda: local_losses(0.0, local="hinge"), "hinge"),
        (lambda: loss(LOGIT, naive(CLICK), reduction="median"), "median"),
        (lambda: loss(LOGIT[:0], naive(CLICK[:0]), reduction="mean"), "needs a last axis of pairs"),
    ],
)
def test_bad_input_is_named(call, named):
    # A word outside the annotation's list is refused by the type checker of the suite before the function sees it.
    with pytest.raises(Exception, match=named) as caught:
        call()
    assert isinstance(caught.value, ValueError) or "hinge" in named or "median" in named


@pytest.mark.parametrize("library", [np.asarray, jax.numpy.asarray, torch.asarray], ids=["numpy", "jax", "torch"])
@pytest.mark.parametrize(
    "call",
    [
        lambda two, three: unbiased(two, three),
        lambda two, three: clipped(two, three, clip=0.1),
        lambda two, three: clipped(two, two, clip=three),
        lambda two, three: exposure_mf(two, three),
        lambda two, three: weighted_mf(two, click_weight=three),
        lambda two, three: class_balanced(two, naive(three), ratio=2.0),
        lambda two, three: loss(two, naive(three)),
    ],
)
def test_shapes_that_do_not_fit_are_named(call, library):
    with pytest.raises(ValueError, match=r"shapes must broadcast: .* has \(2,\), .* has \(3,\)"):
        call(library(np.full(2, 0.5)), library(np.full(3, 0.5)))


def test_a_reduction_wants_the_same_pairs():
    for reduction in ("mean", "sum"):
        with pytest.raises(ValueError, match=r"logit has \(1,\), positive weight has \(2,\).*last axis of pairs"):
            loss(np.zeros(1), naive(np.ones(2)), reduction=reduction)
        assert loss(0.0, naive(np.ones(2)), reduction=reduction) > 0  # one number stands for all pairs


def test_lists_are_arrays():
    assert np.array_equal(clipped.__wrapped__([1.0, 0.0], [0.5, 0.5], clip=0.0).positive, [2.0, 0.0])
    with pytest.raises(ValueError, match=r"click has \(2,\), propensity has \(3,\)"):
        clipped.__wrapped__([1.0, 0.0], [0.5, 0.5, 0.5], clip=0.0)
