"""The correction for random flips: algebra, fixtures from the fact sheet, and the closed forms of the families."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.arrays import logit, sigmoid
from lab.objectives import logistic, squared
from lab.objectives.conventions import robust_ipo_beta
from lab.objectives.hinge import hinge, hinge_minimiser, robust_hinge_minimiser
from lab.objectives.noise import break_even_batch, compound_flip_rate, conservative, push, robust
from lab.objectives.pairwise import log_ratio_margin
from lab.objectives.probit import robust_probit
from lab.preferences import flipped
from tests.libraries import assert_libraries_agree

rates = st.floats(0.0, 0.49)
margins = st.floats(-50, 50)


@given(margins, rates)
def test_robust_dpo_is_dpo_plus_a_line(margin, rate):
    line = logistic.dpo(margin, beta=1.0) - push(rate) * margin
    assert logistic.robust_dpo(margin, beta=1.0, flip_rate=rate) == line


@given(margins, rates)
def test_the_mean_over_a_flip_is_the_clean_loss(margin, rate):
    for loss in (logistic.dpo, squared.ipo, hinge):
        corrected = robust(loss, flip_rate=rate)
        mean = (1 - rate) * corrected(margin, beta=0.5) + rate * corrected(-margin, beta=0.5)
        clean = float(loss(margin, beta=0.5))
        size = (1 + push(rate)) * (abs(clean) + float(loss(-margin, beta=0.5)))
        assert abs(mean - clean) <= 16 * np.finfo(float).eps * size


@given(margins, rates)
def test_conservative_dpo_is_the_smoothed_template(margin, rate):
    own = logistic.conservative_dpo(margin, beta=1.0, flip_rate=rate)
    np.testing.assert_allclose(
        conservative(logistic.dpo, flip_rate=rate)(margin, beta=1.0), own, rtol=1e-13, atol=1e-14
    )


@given(margins, rates, rates)
def test_smoothing_flipped_labels_is_flipping_twice(margin, rate, smoothing):
    def smoothed(m):
        return logistic.conservative_dpo(m, beta=1.0, flip_rate=smoothing)

    def plain(m):
        return logistic.dpo(m, beta=1.0)

    both = compound_flip_rate(rate, smoothing)
    once = (1 - rate) * smoothed(margin) + rate * smoothed(-margin)
    twice = (1 - both) * plain(margin) + both * plain(-margin)
    np.testing.assert_allclose(once, twice, rtol=1e-13, atol=1e-13)


@given(margins)
def test_flipping_the_label_turns_the_margin(margin):
    assert logistic.dpo(-margin, beta=1.0) - logistic.dpo(margin, beta=1.0) == pytest.approx(margin, abs=1e-13)
    assert logistic.dpo_weight(margin, beta=1.0) + logistic.dpo_weight(-margin, beta=1.0) == pytest.approx(1.0)


def test_losses_do_not_see_a_constant_added_to_all_rewards():
    chosen, rejected, shift = np.array([1.25, -0.5]), np.array([0.25, 1.5]), 3.0
    zero = np.zeros(2)
    plain = log_ratio_margin(chosen, rejected, reference_chosen=zero, reference_rejected=zero)
    moved = log_ratio_margin(chosen + shift, rejected + shift, reference_chosen=zero, reference_rejected=zero)
    np.testing.assert_array_equal(plain, moved)
    np.testing.assert_array_equal(plain, [1.0, -2.0])


def test_the_margin_is_the_difference_of_log_ratios_on_all_libraries():
    rng = np.random.default_rng(0)
    four = rng.normal(size=(4, 5))

    def margin(c, r, rc, rr):
        return log_ratio_margin(c, r, reference_chosen=rc, reference_rejected=rr)

    assert_libraries_agree(margin, *four)
    np.testing.assert_allclose(margin(*four), four[0] - four[2] - four[1] + four[3], rtol=1e-13, atol=1e-15)
    with pytest.raises(ValueError, match="reference_rejected = inf"):
        log_ratio_margin(0.0, 0.0, reference_chosen=0.0, reference_rejected=np.inf)


def test_fixture_win_rate_of_nine_in_ten():
    """`rdpo`, C2: p = .9 and ε = .2 give .74, .644 and .9."""
    observed = flipped(0.9, flip_rate=0.2)
    settings = {"beta": 2.0, "flip_rate": 0.2}
    assert sigmoid(2.0 * logistic.dpo_minimiser(observed, beta=2.0)) == pytest.approx(0.74)
    assert sigmoid(2.0 * logistic.conservative_dpo_minimiser(observed, **settings)) == pytest.approx(0.644)
    assert sigmoid(2.0 * logistic.robust_dpo_minimiser(observed, **settings)) == pytest.approx(0.9)


def test_fixture_unanimous_labels():
    """`dpo-background`, B10 and B11: smoothing settles at logit(1−ε); the robust loss has no minimiser."""
    assert logistic.conservative_dpo_minimiser(1.0, beta=1.0, flip_rate=0.1) == pytest.approx(float(logit(0.9)))
    assert logistic.robust_dpo_minimiser(1.0, beta=1.0, flip_rate=0.1) == np.inf
    assert logistic.robust_dpo_minimiser(0.05, beta=1.0, flip_rate=0.1) == -np.inf
    assert logistic.dpo_minimiser(1.0, beta=1.0) == np.inf


def test_hinge_forgets_the_win_rate():
    """`dpo-background`, B12."""
    np.testing.assert_array_equal(hinge_minimiser(np.array([0.01, 0.4, 0.5, 0.6, 0.99]), beta=0.5), [-2, -2, 0, 2, 2])
    ends = robust_hinge_minimiser(np.array([0.1, 0.2, 0.5, 0.8, 0.9]), beta=0.5, flip_rate=0.15)
    np.testing.assert_array_equal(ends, [-np.inf, -2, 0, 2, np.inf])


@given(margins, st.floats(0.01, 0.49), st.floats(0.1, 5))
def test_robust_ipo_is_ipo_with_a_farther_target(margin, rate, beta):
    stretched = float(robust_ipo_beta(beta, flip_rate=rate))
    assert stretched == pytest.approx(beta * (1 - 2 * rate))
    gaps = [
        float(squared.robust_ipo(m, beta=beta, flip_rate=rate)) - float(squared.ipo(m, beta=stretched))
        for m in (margin, 0.0)
    ]
    assert gaps[0] == pytest.approx(gaps[1], rel=1e-9, abs=1e-9)


def test_probit_falls_like_a_parabola():
    """What is left of the wrong label is log Φ(−h) = −h²/2 − log(h√2π) − 1/h² + …: the last is 2/h⁴ of the first."""
    far = np.array([1e3, 2e3, 4e3])
    values = robust_probit(far, beta=1.0, flip_rate=0.2)
    parabola = far**2 / 2 + np.log(far * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(values, -float(push(0.2)) * parabola, rtol=2 / 1e3**4 + 1e-14)


@pytest.mark.parametrize("template", [robust, conservative])
def test_templates_on_all_libraries(template):
    def corrected(margin, rate):
        return template(logistic.dpo, flip_rate=rate)(margin, beta=0.7)

    assert_libraries_agree(corrected, np.array([-2.0, 0.3, 5.0]), np.array([0.1, 0.2, 0.4]))
    assert_libraries_agree(compound_flip_rate, np.array([0.1, 0.2]), np.array([0.3, 0.45]))


@given(st.floats(0.01, 0.49))
def test_the_break_even_batch_equates_the_errors_of_the_gradients(rate):
    batch = float(break_even_batch(rate))
    noise = rate * (1 - rate) / batch
    assert rate**2 + noise == pytest.approx(noise / (1 - 2 * rate) ** 2, rel=1e-9)
    assert_libraries_agree(break_even_batch, np.array([0.1, 0.3]))


@pytest.mark.parametrize("name", ["push", "robust", "conservative", "compound", "break even"])
def test_rates_of_a_half_are_refused(name):
    calls = {
        "push": lambda e: push(e),
        "robust": lambda e: robust(logistic.dpo, flip_rate=e),
        "conservative": lambda e: conservative(logistic.dpo, flip_rate=e),
        "compound": lambda e: compound_flip_rate(0.1, e),
        "break even": lambda e: break_even_batch(e),
    }
    for rate in (0.5, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"must lie in \[0, 0.5\)"):
            calls[name](rate)
