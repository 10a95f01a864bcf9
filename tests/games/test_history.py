"""Past policies in the mixture: moduli against companion matrices, the limit, several anchors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.arrays import namespace
from lab.games.history import (
    anchored_optimum,
    anchored_value,
    history_limit,
    history_modulus,
    spiral_rate,
    spiral_rate_of_past_opponents,
)
from lab.games.local import mirror_descent_modulus
from lab.policies import kl_divergence, regularised_optimum, tabular
from tests.libraries import assert_libraries_agree

RPS = np.sqrt(3) / 6


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 2), st.floats(0.0, 1.0))
def test_modulus_is_the_spectral_radius(now, before, seen, seen_before, step_size, rotation):
    x = step_size * rotation
    companion = np.array([[now + 1j * x * seen, before + 1j * x * seen_before], [1.0, 0.0]])
    found = history_modulus(step_size, rotation=rotation, weights=(now, before), payoff_weights=(seen, seen_before))
    np.testing.assert_allclose(float(found), np.max(np.abs(np.linalg.eigvals(companion))), atol=1e-7)


def test_numbers_of_the_sheet():
    found = [
        float(history_modulus(0.1 / RPS, rotation=RPS, weights=(1 - k, k))) ** 2 - 1
        for k in (0.0, 0.25, 0.5, 0.75, -0.25)
    ]
    assert [f"{x:.1e}" for x in found] == ["1.0e-02", "3.9e-03", "1.5e-03", "4.7e-04", "2.9e-02"]
    assert float(history_modulus(0.1 / RPS, rotation=RPS, weights=(0.0, 1.0))) == pytest.approx(1.0, abs=1e-14)


def test_one_policy_is_mirror_descent():
    for kept in (1.0, 0.9):
        ours = history_modulus(0.7, rotation=0.25, weights=(kept, 0.0))
        theirs = mirror_descent_modulus(0.7, beta=(1 - kept) / 0.7, rotation=0.25)
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_rates_agree_without_history():
    assert spiral_rate(0.5, rotation=0.2, share=0.0) == spiral_rate_of_past_opponents(0.5, rotation=0.2, share=0.0)
    assert spiral_rate(0.5, rotation=0.2, share=1.0) == 0.0


@given(st.floats(0.01, 0.98), st.floats(-0.9, 0.9), st.floats(0.05, 0.5))
def test_limit_separates(total, before, rotation):
    now = max(total - abs(before), 0.0)
    limit = float(history_limit((now, before), rotation=rotation))
    if limit > 1e-3:
        assert float(history_modulus(0.999 * limit, rotation=rotation, weights=(now, before))) < 1
        assert float(history_modulus(1.001 * limit, rotation=rotation, weights=(now, before))) > 1


def test_full_weight_never_settles():
    assert float(history_limit((0.4, 0.6), rotation=0.3)) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="weights"):
        history_limit((0.1, 1.0), rotation=0.3)


def test_one_anchor_is_the_usual_optimum():
    rng = np.random.default_rng(0)
    reward, anchor = rng.normal(size=5), tabular(rng.normal(size=(1, 5)))
    found = anchored_optimum(reward, anchor, temperatures=np.array([0.7]))
    np.testing.assert_allclose(found, regularised_optimum(reward, anchor[0], beta=0.7), atol=1e-14)


def test_optimum_of_several_anchors():
    rng = np.random.default_rng(1)
    reward, anchors, temperatures = rng.normal(size=5), tabular(rng.normal(size=(3, 5))), rng.uniform(0.1, 1, 3)
    best = anchored_optimum(reward, anchors, temperatures=temperatures)
    other = tabular(rng.normal(size=5))
    lost = anchored_value(best, reward, anchors, temperatures=temperatures) - anchored_value(
        other, reward, anchors, temperatures=temperatures
    )
    np.testing.assert_allclose(lost, temperatures.sum() * kl_divergence(other, best), rtol=1e-12)
    with pytest.raises(ValueError, match="temperatures"):
        anchored_optimum(reward, anchors, temperatures=-temperatures)


def test_libraries_agree():
    steps, rotation = np.array([0.3, 0.9]), np.array([0.2, 0.4])

    def numbers_of_a_mixture(s, r):
        found = [f(s, rotation=r, share=0.3) for f in (spiral_rate, spiral_rate_of_past_opponents)]
        found.append(history_modulus(s, rotation=r, weights=(0.4, 0.3), payoff_weights=(0.8, 0.2)))
        return namespace(s).stack([*found, history_limit((0.4, 0.3), rotation=r)])

    assert_libraries_agree(numbers_of_a_mixture, steps, rotation)
    rng = np.random.default_rng(2)
    reward, anchors = rng.normal(size=(2, 4)), tabular(rng.normal(size=(2, 3, 4)))
    temperatures = rng.uniform(0.1, 1, (2, 3))

    def value_of_the_optimum(r, a, t, p):
        value, best = (anchored_value(x, r, a, temperatures=t) for x in (p, anchored_optimum(r, a, temperatures=t)))
        return value - 2.0 * best

    assert_libraries_agree(value_of_the_optimum, reward, anchors, temperatures, anchors[:, 0])
