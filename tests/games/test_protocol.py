"""The fast protocol is the table of solvers, method by method; gaps are right to rounding; the published numbers."""

import numpy as np
import pytest

from lab.games import game
from lab.games.play import play
from lab.games.protocol import METHODS, PUBLISHED, Setting, as_coded, play_many
from lab.games.solvers import SOLVERS
from lab.policies import tabular

RNG = np.random.default_rng(0)
ADVANTAGE = game.skew(RNG.uniform(-0.5, 0.5, (10, 45)), 10)
REFERENCE = tabular(RNG.normal(size=(10, 10)))
# Short enough that no method is chaotic yet: policy gradients are, at long steps.
SETTINGS = (Setting(0.1, 0.4, 60), as_coded(0.02, beta=0.01, steps=40))


def row(method):
    return SOLVERS["policy_gradient" if "gradient" in method and method != "extragradient" else method]


@pytest.fixture(scope="module")
def curves():
    return play_many(ADVANTAGE, REFERENCE, SETTINGS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("which", range(2))
def test_every_method_is_its_row(curves, method, which):
    setting = SETTINGS[which]
    world = game.PreferenceGame(ADVANTAGE, REFERENCE, np.full(10, setting.beta))
    step, mixture = setting.step_size, {}
    if method.startswith("nash"):
        mixture = {"mixture_share": 0.5}
    if method == "nash_policy_gradient" and setting.nash_gradient_step:
        step = setting.nash_gradient_step  # the mixture stays that of the long step
        mixture = {"mixture_share": 0.5 * setting.step_size / step}
    run = play(row(method), world, step_size=step, steps=setting.steps, **mixture)
    found = curves[which]
    assert found.gaps[method].shape == (setting.steps + 1, 10)
    np.testing.assert_allclose(found.gaps[method], run.measured, rtol=1e-11, atol=2e-15)
    np.testing.assert_allclose(found.log_policies[method], run.state.log_policy, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(found.gaps[method][-1], world.regularised_gap(found.log_policies[method]), atol=1e-15)


def test_gaps_are_never_negative_beyond_rounding():
    (found,) = play_many(ADVANTAGE, REFERENCE, [Setting(0.1, 0.4, 1500)])
    for gaps in found.gaps.values():
        assert np.min(gaps) > -1e-15
    assert np.max(np.abs(found.gaps["extragradient"][-1])) < 1e-15
    assert np.min(found.gaps["nash_mirror_descent"][-1]) > 1e-7  # Nash-MD's bias


def test_far_policies_and_small_beta_stay_finite():
    reference = tabular(np.array([[0.0, -900.0, 3.0], [800.0, 0.0, 0.0]]))
    advantage = np.stack([game.rock_paper_scissors()] * 2)
    (found,) = play_many(advantage, reference, [Setting(1e-4, 0.5, 50)])
    for gaps in found.gaps.values():
        assert np.all(np.isfinite(gaps))


def test_published_settings():
    """`egpo`: η = 0.4, 0.8, 0.08, and ηβ = 0.04, 0.008, 8e-5."""
    np.testing.assert_allclose([s.step_size for s in PUBLISHED], [0.4, 0.8, 0.08], rtol=1e-14)
    np.testing.assert_allclose([s.step_size * s.beta for s in PUBLISHED], [0.04, 0.008, 8e-5], rtol=1e-14)
    np.testing.assert_allclose([s.nash_gradient_step * 10 for s in PUBLISHED], [0.1, 0.02, 2e-4], rtol=1e-14)
    assert [s.steps for s in PUBLISHED] == [1000, 5000, 100_000]


@pytest.mark.parametrize(
    ("advantage", "reference", "setting", "named"),
    [
        (np.abs(ADVANTAGE), REFERENCE, SETTINGS[0], "its transpose"),
        (ADVANTAGE, np.full((10, 10), -np.inf), SETTINGS[0], "every action a positive probability"),
        (ADVANTAGE, REFERENCE, Setting(-0.1, 0.4, 5), r"beta = -0\.1"),
        (ADVANTAGE, REFERENCE, Setting(0.1, 0.0, 5), "step_size = 0"),
        (ADVANTAGE, REFERENCE, Setting(0.1, 1e4, 5), "step_size = 10000"),
        (ADVANTAGE, REFERENCE, Setting(0.1, 0.1, 0), "steps = 0"),
    ],
)
def test_bad_input_is_named(advantage, reference, setting, named):
    with pytest.raises(ValueError, match=named):
        play_many(advantage, reference, [setting])
