"""Distances of margins and the losses of SPPO and DNO: limits, minimisers, gradients, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.arrays import log_sigmoid
from lab.games.divergences import (
    backward_bernoulli,
    bernoulli_entropy,
    dno_loss,
    pair_loss,
    sppo_loss,
    squared_distance,
)
from lab.games.game import skew
from lab.games.gaps import lead
from lab.games.losses import labelled_loss
from lab.policies import tabular
from tests.libraries import assert_libraries_agree

RNG = np.random.default_rng(0)
LOG_RATIO = RNG.normal(size=(3, 4))
SAMPLING = tabular(RNG.normal(size=(3, 4)))
ADVANTAGE = skew(RNG.uniform(-0.5, 0.5, (3, 6)), 4)
LEAD = lead(ADVANTAGE, SAMPLING)


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_backward_distance_is_a_divergence(margin, target):
    assert backward_bernoulli(margin, target) >= -1e-14
    assert abs(float(backward_bernoulli(target, target))) < 1e-14
    assert backward_bernoulli(margin, target) == pytest.approx(float(backward_bernoulli(-margin, -target)), abs=1e-13)


@given(st.floats(-30, 30))
def test_backward_distance_to_infinity_is_logistic(margin):
    assert backward_bernoulli(margin, 800.0) == pytest.approx(-float(log_sigmoid(margin)), rel=1e-14)


def test_backward_distance_at_the_extremes():
    assert backward_bernoulli(1e4, -1e4) == pytest.approx(1e4)
    assert float(bernoulli_entropy(0.0)) == pytest.approx(np.log(2))
    assert float(bernoulli_entropy(1e4)) == 0.0


def test_pair_loss_with_one_target_is_the_labelled_loss():
    target = np.full(ADVANTAGE.shape, 0.7)
    np.testing.assert_allclose(
        pair_loss(LOG_RATIO, SAMPLING, ADVANTAGE, target=target),
        labelled_loss(LOG_RATIO, SAMPLING, ADVANTAGE, target=0.7),
        rtol=1e-12,
    )


def test_dno_is_smallest_at_its_step():
    def loss(log_ratio):
        return jnp.sum(dno_loss(log_ratio, SAMPLING, LEAD, inverse_step=2.0))

    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(LEAD / 2.0)), 0.0, atol=1e-15)
    assert float(loss(LEAD / 2.0)) < float(loss(jnp.asarray(LEAD)))


def test_sppo_vanishes_at_the_lead():
    np.testing.assert_array_equal(sppo_loss(0.5 * LEAD, SAMPLING, LEAD, step_size=0.5), np.zeros(3))
    assert np.all(sppo_loss(LEAD, SAMPLING, LEAD, step_size=0.5) > 0)


def test_bad_input():
    with pytest.raises(ValueError, match="inverse_step = 0"):
        dno_loss(LOG_RATIO, SAMPLING, LEAD, inverse_step=0.0)


def test_libraries_agree():
    assert_libraries_agree(squared_distance, LOG_RATIO, LEAD)
    assert_libraries_agree(backward_bernoulli, LOG_RATIO, LEAD)
    assert_libraries_agree(bernoulli_entropy, LOG_RATIO)
    assert_libraries_agree(lambda h, s, w: sppo_loss(h, s, w, step_size=0.5), LOG_RATIO, SAMPLING, LEAD)
    assert_libraries_agree(lambda h, s, w: dno_loss(h, s, w, inverse_step=2.0), LOG_RATIO, SAMPLING, LEAD)
    for distance in (squared_distance, backward_bernoulli):
        assert_libraries_agree(
            lambda h, s, c, distance=distance: pair_loss(h, s, ADVANTAGE, target=c, distance=distance),
            LOG_RATIO,
            SAMPLING,
            ADVANTAGE,
        )
