"""Translations between papers and libraries."""

import numpy as np
import pytest

from lab.objectives.conventions import dpo_beta_like_ipo, from_trl, ipo_beta, ipo_target, robust_ipo_beta
from lab.objectives.logistic import conservative_dpo, dpo, dpo_minimiser, robust_dpo
from lab.objectives.squared import ipo, ipo_minimiser
from tests.libraries import assert_libraries_agree

MARGIN = np.array([-2.0, 0.0, 0.3, 5.0])


def test_the_target_of_ipo_is_half_the_inverse_of_its_beta():
    assert ipo_target(0.1) == pytest.approx(5.0)
    assert ipo_beta(ipo_target(0.37)) == pytest.approx(0.37)
    assert ipo(float(ipo_target(0.1)), beta=0.1) == 0.0
    for translation in (ipo_target, ipo_beta, dpo_beta_like_ipo):
        assert_libraries_agree(translation, np.array([0.1, 2.0]))


def test_dpo_and_ipo_agree_to_first_order_at_four_times_the_beta():
    """`dpo-background`, B9."""
    for gap in (1e-3, 1e-4):
        win_rate = 0.5 + gap
        ratio = dpo_minimiser(win_rate, beta=float(dpo_beta_like_ipo(0.3))) / ipo_minimiser(win_rate, beta=0.3)
        assert ratio == pytest.approx(1.0, abs=2 * gap**2)


def test_the_beta_of_robust_ipo_on_all_libraries_and_its_refusals():
    assert_libraries_agree(lambda b, e: robust_ipo_beta(b, flip_rate=e), np.array([0.1, 2.0]), np.array([0.1, 0.3]))
    for rate in (0.5, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"flip_rate = .*must lie in \[0, 0\.5\)"):
            robust_ipo_beta(0.1, flip_rate=rate)


def test_trl_settings_that_make_no_loss_are_refused():
    with pytest.raises(ValueError, match=r"label_smoothing = 0\.6: must lie in \[0, 0\.5\)"):
        from_trl("robust", label_smoothing=0.6)
    with pytest.raises(ValueError, match="beta = 0"):
        from_trl("sigmoid", beta=0.0)


def test_trl_sigmoid_ignores_label_smoothing_since_0_29():
    new = from_trl("sigmoid", beta=0.1, label_smoothing=0.2)
    old = from_trl("sigmoid", beta=0.1, label_smoothing=0.2, release=(0, 28))
    assert (new.loss, new.settings) == (dpo, {"beta": 0.1})
    assert (old.loss, old.settings) == (conservative_dpo, {"beta": 0.1, "flip_rate": 0.2})


def test_trl_formulas():
    """The formulas as TRL 1.16.0 writes them, on the unscaled margin."""

    def log_sigmoid(x):
        return -np.log1p(np.exp(-x))

    beta, e = 0.7, 0.2
    written = {
        "sigmoid": -log_sigmoid(beta * MARGIN),
        "robust": (-(1 - e) * log_sigmoid(beta * MARGIN) + e * log_sigmoid(-beta * MARGIN)) / (1 - 2 * e),
        "hinge": np.maximum(1 - beta * MARGIN, 0),
        "ipo": (MARGIN - 1 / (2 * beta)) ** 2,
    }
    for name, value in written.items():
        ours = from_trl(name, beta=beta, label_smoothing=e)
        np.testing.assert_allclose(ours.loss(MARGIN, **ours.settings), value, rtol=1e-13, atol=1e-15)
        assert ours.tokens == ("mean" if name == "ipo" else "sum")


def test_trl_robust_is_ours():
    ours = from_trl("robust", beta=0.3, label_smoothing=0.1)
    assert ours.loss is robust_dpo
    with pytest.raises(ValueError, match="loss_type = 'kto'"):
        from_trl("kto")
