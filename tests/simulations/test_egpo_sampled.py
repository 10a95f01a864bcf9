"""Networks on sampled losses in `egpo` are trained by the gradient of those losses."""

import jax
import jax.numpy as jnp
import numpy as np

from lab.games import sampled_losses
from lab.games.game import PreferenceGame, random_games
from simulations.egpo import neural, sampled_networks

RATE = 0.05


def test_a_network_is_trained_by_sgd_on_the_sampled_loss():
    """Ten updates by autodiff through the loss, the second gradient of EGPO at the restored parameters."""
    entries = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4950))
    world = random_games(entries, np.zeros((2, 100)), np.full(2, 0.1))
    start = neural.network(jax.random.key(0), 2)
    game = PreferenceGame(jnp.asarray(world.advantage), neural.policy(start), jnp.asarray(world.beta))
    for name in ("EGPO", "Nash-MD"):
        found = sampled_networks.trained_on_draws(name, start, game, jax.random.key(3), RATE, updates=10)
        key = jax.random.split(jax.random.key(3), 1)[0]
        bits = sampled_losses.random_bits(key, (10, 2 if name == "EGPO" else 1, 3, 2, 100))

        @jax.jit
        def slope(parameters, opponent, bits, name=name):
            drawn = sampled_losses.triples(name, bits, neural.policy(parameters), opponent)
            return jax.grad(lambda p: jnp.sum(sampled_losses.sampled_loss(name, neural.policy(p), game, drawn)))(
                parameters
            )

        parameters, gaps = start, []
        for at in bits:
            log_policy = neural.policy(parameters)
            fixed = sampled_losses.mixture(log_policy, game.log_reference, RATE) if name == "Nash-MD" else log_policy
            after = neural.descended(parameters, slope(parameters, fixed, at[0]), RATE)
            if name == "EGPO":
                after = neural.descended(parameters, slope(parameters, neural.policy(after), at[1]), RATE)
            parameters = after
            gaps.append(game.regularised_gap(neural.policy(parameters)))
        np.testing.assert_allclose(found[0], np.mean(gaps, axis=0), rtol=1e-9, err_msg=name)
