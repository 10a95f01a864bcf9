"""Closed forms of `egpo` have the numbers that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from lab.arrays import log_softmax
from lab.games import local
from lab.games.conventions import step_from_sgd
from lab.games.game import PreferenceGame, bradley_terry_game, random_games, rock_paper_scissors
from lab.games.losses import contrast_loss
from lab.games.play import play
from lab.games.protocol import PUBLISHED, play_many
from lab.games.solvers import SOLVERS
from simulations.egpo import bias, neural, protocol, shared
from simulations.egpo.worlds import authors_games, local_distance, near


def test_thresholds_of_rock_paper_scissors():
    """β = 0.05 has the limit 1.16505; above it the run ends in a cycle, whose gaps pass the sheet's 0.1085."""
    limit = float(local.mirror_descent_limit(beta=0.05, rotation=np.sqrt(3) / 6))
    assert limit == pytest.approx(1.16505, abs=1e-5)
    game = PreferenceGame(rock_paper_scissors(), np.full(3, -np.log(3)), np.array(0.05))
    start = np.log(np.array([0.5, 0.3, 0.2]))
    inside, beyond = (
        np.asarray(play(SOLVERS["mirror_descent"], game, step_size=x * limit, steps=20_000, start=start).measured)
        for x in (0.95, 1.05)
    )
    assert inside[-1] < 1e-12
    assert [beyond[-2000:].min(), beyond[-2000:].max()] == pytest.approx([0.0681, 0.1114], abs=5e-5)


def test_bias_of_a_transitive_game():
    """Bradley–Terry rewards 1, ½, 0 and a uniform reference: the gap falls by about e^(−0.1225/β)."""
    world = PreferenceGame(bradley_terry_game(np.array([[1.0, 0.5, 0.0]])), np.full((1, 3), -np.log(3)), np.zeros(1))
    found = bias._gaps(world, np.array([0.1, 0.05, 0.02, 0.01]))[0]
    np.testing.assert_allclose(found, [0.0841184, 0.0234017, 5.40096e-4, 1.17678e-6], rtol=1e-5)


@pytest.mark.parametrize("library", [jax.numpy, torch], ids=["jax", "torch"])
def test_autodiff_of_online_ipo_gives_the_mirror_descent_step(library):
    rng = np.random.default_rng(0)
    game = random_games(rng.uniform(-0.5, 0.5, (1, 6)), rng.normal(size=(1, 4)), np.array([0.3]))
    logits, flat, rate = rng.normal(size=4), np.full(4, -np.log(4.0)), 0.2
    target = game.log_reference[0] + game.lead(log_softmax(logits[None]))[0] / 0.3
    if library is torch:
        leaf = torch.tensor(logits, requires_grad=True)
        contrast_loss(leaf - torch.asarray(target), torch.asarray(flat)).backward()
        gradient = leaf.grad.numpy()
    else:
        gradient = np.asarray(jax.grad(lambda x: contrast_loss(x - target, jnp.asarray(flat)))(jnp.asarray(logits)))
    rule = SOLVERS["mirror_descent"]
    step = step_from_sgd(rate, beta=0.3, actions=4)
    exact = rule.step(
        rule.start(log_softmax(logits[None])), lambda policy, _: game.lead(policy),
        log_reference=game.log_reference, beta=game.beta, step_size=np.array([step]),
    )  # fmt: skip
    np.testing.assert_allclose(log_softmax(logits - rate * gradient), exact.log_policy[0], atol=1e-12)


def test_single_runs_agree_with_the_compiled_protocol():
    world = authors_games(beta=0.1).draw(np.random.default_rng(3), 4)
    (found,) = play_many(world.advantage, world.log_reference, PUBLISHED[:1])
    for name in ("EGPO", "Online IPO 1", "Nash-MD", "Nash-MD-PG"):
        ours = protocol.final_gaps(world, protocol.STRONG, name)
        np.testing.assert_allclose(found.gaps[protocol.METHODS[name]][-1], ours, rtol=1e-6, atol=1e-15)


def test_the_second_gradient_of_a_network_is_taken_at_the_restored_parameters():
    games = random_games(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4950)), np.zeros((2, 100)), np.full(2, 0.1))
    start = neural.network(jax.random.key(0), 2)
    game = PreferenceGame(games.advantage, neural.policy(start), games.beta)
    rate = 0.01
    half, _ = neural.trained("Online IPO 1", start, game, rate, updates=1)
    gradient = jax.grad(lambda p: neural.exact_loss("EGPO", p, game, neural.policy(half), rate))(start)
    ours, gaps = neural.trained("EGPO", start, game, rate, updates=1)
    np.testing.assert_allclose(gaps[0], game.regularised_gap(neural.policy(ours)), rtol=1e-9)
    for found, expected in zip(
        jax.tree.leaves(ours), jax.tree.leaves(jax.tree.map(lambda p, g: p - rate * g, start, gradient)), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-13)


def test_near_keeps_its_distance():
    target = log_softmax(np.array([[0.3, -0.2, 0.9]]))
    start = near(target, np.array([[1.0, -2.0, 0.5]]), 1e-4)
    assert float(local_distance(start, target)[0]) == pytest.approx(1e-4, abs=1e-15)


def test_equilibrium_of_the_class_with_shared_features():
    game = shared.worlds.draw(np.random.default_rng(5), 32)
    weights, matrix = shared.equilibrium(game)
    assert float(jnp.max(jnp.abs(game.slope(weights, game.policy(weights))))) < 1e-12
    assert np.linalg.eigvals(np.asarray(matrix)).real.min() > 0
