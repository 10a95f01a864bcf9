"""The critical flip rate: hand-checkable data, a brute-force search over directions, and refusal of bad data."""

import numpy as np
import pytest

from lab.objectives.existence import existence, minimiser_exists, slope_at_infinity
from tests.libraries import assert_libraries_agree


def drawn(seed: int, pairs: int = 40, features: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(pairs, features))
    return x, np.where(rng.random(pairs) < 1 / (1 + np.exp(-x[:, 0])), 1.0, -1.0)


def test_one_feature_by_hand():
    """Seven labels forwards and three backwards: a win rate of 0.7 is below 1 − ε exactly for ε < 0.3."""
    found = existence(np.ones((10, 1)), np.array([1] * 7 + [-1] * 3))
    assert found.critical_flip_rate == pytest.approx(0.3, abs=1e-9)
    np.testing.assert_allclose(found.direction, [1.0])
    assert minimiser_exists(np.ones((10, 1)), np.array([1] * 7 + [-1] * 3), flip_rate=0.29)
    assert not minimiser_exists(np.ones((10, 1)), np.array([1] * 7 + [-1] * 3), flip_rate=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_against_a_search_over_directions(seed):
    x, y = drawn(seed)
    angle = np.linspace(0, 2 * np.pi, 20_001)
    along = x @ np.stack([np.cos(angle), np.sin(angle)])
    best = np.max(y @ along / np.sum(np.abs(along), axis=0))
    found = existence(x, y)
    # A grid misses the best direction by half a step: it moves each x·u, hence both sums, by that times ‖x‖ at most.
    unit = found.direction / np.linalg.norm(found.direction)
    missed = np.pi / 20_000 * np.sum(np.linalg.norm(x, axis=1)) / np.sum(np.abs(x @ unit))
    assert 0 <= (1 - best) / 2 - found.critical_flip_rate <= missed
    ratio = np.sum(y * (x @ found.direction)) / np.sum(np.abs(x @ found.direction))
    assert ratio == pytest.approx(1 - 2 * found.critical_flip_rate, abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_slope_changes_sign_at_the_critical_rate(seed):
    x, y = drawn(seed, features=3)
    critical, direction = existence(x, y)
    slopes = [slope_at_infinity(direction, x, y, beta=2.0, flip_rate=critical + d) for d in (-0.01, 0.0, 0.01)]
    assert slopes[0] > 0 > slopes[2]
    assert slopes[1] == pytest.approx(0, abs=1e-9)


def test_separable_data_have_no_minimiser_at_any_rate():
    x, _ = drawn(0)
    y = np.where(x[:, 1] > 0, 1.0, -1.0)
    assert existence(x, y).critical_flip_rate == pytest.approx(0, abs=1e-9)
    assert not minimiser_exists(x, y, flip_rate=0.0)


def test_features_that_are_always_zero_and_repeated_ones_change_nothing():
    x, y = drawn(1)
    plain = existence(x, y).critical_flip_rate
    wider = existence(np.hstack([x, np.zeros((len(x), 1)), x[:, :1]]), y).critical_flip_rate
    assert wider == pytest.approx(plain, abs=1e-9)
    assert existence(1e-6 * x, y).critical_flip_rate == pytest.approx(plain, abs=1e-9)


def test_labels_that_cancel_are_harmless():
    assert existence(np.ones((2, 1)), np.array([1, -1])).critical_flip_rate == 0.5
    assert existence(np.zeros((3, 2)), np.array([1, 1, -1])).critical_flip_rate == 0.5


def test_the_slope_at_infinity_is_the_loss_far_out():
    from lab.objectives.logistic import robust_dpo

    x, y = drawn(2)
    direction = np.array([0.6, -0.8])
    slope = slope_at_infinity(direction, x, y, beta=0.5, flip_rate=0.2)
    near, far = (np.mean(robust_dpo(y * (x @ direction) * r, beta=0.5, flip_rate=0.2)) for r in (1e5, 2e5))
    assert (far - near) / 1e5 == pytest.approx(float(slope), rel=1e-6)
    assert_libraries_agree(lambda u: slope_at_infinity(u, x, y, beta=0.5, flip_rate=0.2), direction)


def test_bad_data_are_refused():
    x, y = drawn(0)
    with pytest.raises(ValueError, match=r"labels = 0 .*must be 1 or −1"):
        existence(x, np.append(y[1:], 0.0))
    with pytest.raises(ValueError, match="one label for each of the 40 pairs"):
        existence(x, y[1:])
    with pytest.raises(ValueError, match="features = nan"):
        existence(x * np.nan, y)
    with pytest.raises(ValueError, match="at least one pair"):
        existence(x[:0], y[:0])
    with pytest.raises(ValueError, match=r"flip_rate = 0\.5"):
        minimiser_exists(x, y, flip_rate=0.5)
    with pytest.raises(ValueError, match="direction = nan"):
        slope_at_infinity(np.full(2, np.nan), x, y, beta=1.0, flip_rate=0.1)
