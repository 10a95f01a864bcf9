"""Propensities: the popularity proxy, clipping, and Bayes' rule for the exposure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.recommenders.propensity import clip_propensity, exposure_posterior, popularity_propensity
from tests.libraries import assert_libraries_agree

CLICKS = np.array([30.0, 7.0, 1.0, 12.0])


@given(st.floats(0.1, 50.0), st.floats(0.1, 2.0))
def test_popularity_ignores_the_number_of_users(scale, power):
    np.testing.assert_allclose(
        popularity_propensity(CLICKS * scale, power=power), popularity_propensity(CLICKS, power=power), rtol=1e-12
    )


def test_popularity_fixture():
    np.testing.assert_allclose(popularity_propensity(np.array([4.0, 1.0])), [1.0, 0.5])
    np.testing.assert_allclose(popularity_propensity(np.array([0.5, 0.125])), [1.0, 0.5])
    np.testing.assert_allclose(popularity_propensity(np.array([[4.0, 1.0], [1.0, 9.0]]), power=1.0)[1], [1 / 9, 1.0])


@given(st.floats(0.01, 1.0), st.floats(0.0, 1.0))
def test_posterior_obeys_bayes(propensity, relevance):
    """P(O=1, Y=0) = P(O=1 | Y=0) P(Y=0), and a click proves exposure."""
    unclicked = 1.0 - propensity * relevance
    joint = propensity * (1.0 - relevance)
    assert np.isclose(exposure_posterior(0.0, propensity, relevance) * unclicked, joint, rtol=1e-9, atol=1e-15)
    assert exposure_posterior(1.0, propensity, relevance) == 1.0


def test_posterior_where_a_missing_click_is_impossible():
    assert exposure_posterior(0.0, 1.0, 1.0) == 1.0


def test_libraries_agree():
    p, r = np.array([0.9, 0.05, 0.4, 0.7]), np.array([0.1, 0.99, 0.3, 0.5])
    assert_libraries_agree(lambda c: popularity_propensity(c, power=0.7), CLICKS)
    assert_libraries_agree(lambda p: clip_propensity(p, clip=0.3), p)
    assert_libraries_agree(lambda p, r: exposure_posterior(np.array([1.0, 0.0, 0.0, 1.0]), p, r), p, r)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: popularity_propensity(np.array([3.0, 0.0])), "clicks = 0"),
        (lambda: popularity_propensity(np.array([3.0, -1.0])), "clicks = -1"),
        (lambda: popularity_propensity(np.array([3.0, np.inf])), "clicks = inf"),
        (lambda: popularity_propensity(np.zeros(0)), "needs a last axis of items"),
        (lambda: popularity_propensity(CLICKS, power=0.0), "power = 0"),
        (lambda: clip_propensity(np.array([0.5, 0.0]), clip=0.1), "propensity = 0"),
        (lambda: clip_propensity(np.array([0.5]), clip=-1.0), "clip = -1"),
        (lambda: exposure_posterior(0.0, 0.0, 0.5), "propensity = 0"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_shapes_that_do_not_fit_are_named():
    two, three = np.full(2, 0.5), np.full(3, 0.5)
    with pytest.raises(ValueError, match=r"propensity has \(2,\), clip has \(3,\)"):
        clip_propensity(two, clip=three)
    with pytest.raises(ValueError, match=r"relevance has \(3,\)"):
        exposure_posterior(two, two, three)
    with pytest.raises(ValueError, match=r"power has \(3,\)"):
        popularity_propensity(two, power=three)
    with pytest.raises(ValueError, match=r"clicks has \(\): needs a last axis of items"):
        popularity_propensity.__wrapped__(3.0)
