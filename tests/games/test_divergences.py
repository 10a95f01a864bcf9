"""Distances of margins: limits and extremes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.arrays import log_sigmoid
from lab.games.divergences import backward_bernoulli, bernoulli_entropy, squared_distance
from tests.libraries import assert_libraries_agree


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


def test_libraries_agree():
    margin, target = np.random.default_rng(0).normal(size=(2, 3, 4))
    for distance in (squared_distance, backward_bernoulli):
        assert_libraries_agree(distance, margin, target)
    assert_libraries_agree(bernoulli_entropy, margin)
