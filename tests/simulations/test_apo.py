"""Long runs of `apo` agree with fifty digits."""

import mpmath
import numpy as np

from lab.games.game import rock_paper_scissors
from simulations.apo.games import HORIZON, ROCK_START, ROUNDING, SHARES, STEP, _divergences
from simulations.apo.noise import DESIGN, _fitted
from simulations.apo.proxy import EXAMPLE
from simulations.apo.worlds import bandits, run


def in_fifty_digits(share):
    """KL from the uniform policy of every output of momentum on rock, paper, scissors."""
    with mpmath.workdps(50):
        advantage = [[mpmath.mpf(x) for x in row] for row in rock_paper_scissors().tolist()]

        def normalised(logits):
            total = mpmath.log(sum(mpmath.exp(x) for x in logits))
            return [x - total for x in logits]

        policy = output = normalised([mpmath.mpf(x) for x in ROCK_START.tolist()])
        found = []
        for _ in range(HORIZON):
            weights = [mpmath.exp(x) for x in policy]
            gain = [sum(a * p for a, p in zip(row, weights, strict=True)) for row in advantage]
            proximal = normalised([x + mpmath.mpf(STEP) * g for x, g in zip(policy, gain, strict=True)])
            policy = normalised(
                [x + mpmath.mpf(float(share)) * (x - old) for x, old in zip(proximal, output, strict=True)]
            )
            output = proximal
            found.append(float(-mpmath.log(3) - sum(output) / 3))
    return np.array(found)


def test_long_runs_against_fifty_digits():
    """The bound on rounding that the evidence declares, and the sheet's numbers: .039, .30, 3.9 at t = 2000."""
    ours = _divergences(rock_paper_scissors(), np.full(3, -np.log(3.0)))
    for share, row in zip(SHARES, ours, strict=True):
        assert np.max(np.abs(row[1:] - in_fifty_digits(share))) < ROUNDING / 10
    np.testing.assert_array_less(np.abs(ours[:, -1] - [0.039, 0.30, 3.9]), [5e-4, 5e-3, 5e-2])


def test_runs_start_at_the_reference_without_momentum():
    """The first step has nothing to extrapolate: its output is the regularised optimum for every share."""
    world = bandits().draw(np.random.default_rng(0), 4)
    output, following = run(world, 1, extrapolation=0.7)
    np.testing.assert_allclose(output, world.after(np.ones(4)), atol=1e-13)
    assert np.max(np.abs(following - output)) > 0.01


def test_the_fit_of_labels_is_stationary():
    won = np.random.default_rng(1).binomial(40, 0.6, (3, len(DESIGN))).astype(float)
    reward = np.asarray(_fitted(won, 40.0))
    chance = 1 / (1 + np.exp(-reward @ DESIGN.T))
    np.testing.assert_allclose((40 * chance - won) @ DESIGN + 0.1 * reward, 0, atol=1e-9)


def test_the_example_proxy_prefers_the_worst_action():
    assert np.argmax(EXAMPLE.proxy) == np.argmin(EXAMPLE.reward) == 0
