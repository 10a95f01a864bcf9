"""The sampled simulations of `egpo`: losses as coded, their gradients by three routes, the noise by enumeration."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.arrays import log_softmax
from lab.games.equilibria import regularised_equilibrium
from lab.games.game import PreferenceGame
from lab.games.losses import contrast_loss
from simulations.egpo import draws, floors, neural, sampled_networks, tables
from simulations.egpo.draws import NAMES, Triples
from simulations.egpo.worlds import authors_games, uniform_preferences

RATE = 0.05


def games(count, actions=10, beta=0.1, seed=0):
    world = authors_games(beta=beta, actions=actions).draw(np.random.default_rng(seed), count)
    return jax.tree.map(jnp.asarray, world)


def some(count, actions=10, samples=100, seed=1):
    """Log-policies that are not the reference, and indices of drawn actions."""
    rng = np.random.default_rng(seed)
    indices = jnp.asarray(rng.integers(0, actions, (3, count, samples)), jnp.int32)
    return log_softmax(jnp.asarray(rng.normal(size=(count, actions)))), Triples(*indices)


@pytest.mark.parametrize("name", NAMES)
def test_closed_gradient_is_that_of_autodiff(name):
    world = games(16)
    log_policy, drawn = some(16)
    found = draws.gradient(name, log_policy, world, drawn)
    expected = jax.grad(lambda x: jnp.sum(draws.sampled_loss(name, log_softmax(x), world, drawn)))(log_policy)
    np.testing.assert_allclose(found, expected, atol=1e-12 * float(jnp.max(jnp.abs(expected))))


def test_the_fast_gradients_are_the_closed_ones():
    world = games(16)
    log_policy, drawn = some(16)
    table = tables._table(tables.grouped(log_policy - world.log_reference), tables.grouped(world.advantage / 0.1))
    five = lambda x, axis: jnp.concatenate([x] * 5, axis=axis)  # noqa: E731
    first, other, judge = (jnp.asarray(index.T[None]) for index in drawn)
    found = tables.gradients(
        five(table, 2), five(tables.grouped(jnp.exp(log_policy)), 1),
        (five(first, 0), jnp.concatenate([other, other, other, other, jnp.full_like(other, 10)]),
         jnp.concatenate([judge, judge, judge, other, judge])),
        0.1,
    )  # fmt: skip
    for i, name in enumerate(NAMES):
        expected = draws.gradient(name, log_policy, world, drawn)
        # Hundred residuals of size 1/beta in single precision.
        np.testing.assert_allclose(found[:, i].T, expected, atol=100 * 6e-8 / 0.1, err_msg=name)


def test_actions_have_their_law():
    """Every level once: so many fall to an action as its probability says, to one; the fast way agrees."""
    law = np.array([0.5, 0.125, 0.0, 0.3, 0.075] + [0.0] * 5)
    with np.errstate(divide="ignore"):
        log_law = np.log(law)
    level = jnp.arange(1000, dtype=jnp.int32)
    found = draws.of_law(level, jnp.asarray(log_law), 1000)
    np.testing.assert_array_equal(np.bincount(found, minlength=10), [500, 125, 0, 300, 75, 0, 0, 0, 0, 0])
    shaped = jnp.broadcast_to(level[None, :, None], (1, 1000, 16))
    fast = tables.chosen(shaped, jnp.broadcast_to(jnp.asarray(law)[:, None, None], (10, 1, 16)), 1000)
    np.testing.assert_array_equal(fast[0, :, 3], found)


def test_one_integer_is_a_pair_and_a_level():
    pairs = np.arange(100)
    first = pairs.astype(np.uint32) * np.uint32(tables.PAIRS)
    last = np.minimum(first.astype(np.uint64) + tables.PAIRS - 1, 2**32 - 1).astype(np.uint32)
    law = jnp.zeros((10, 1, 1)).at[3].set(0.25).at[7].set(0.75)
    for bits, judge in ((first, 3), (last, 7)):
        (y, other), judged = tables.uniform_pairs(jnp.asarray(bits)[None, :, None], law)
        np.testing.assert_array_equal(y[0, :, 0], pairs // 10)
        np.testing.assert_array_equal(other[0, :, 0], pairs % 10)
        np.testing.assert_array_equal(judged[0, :, 0], judge)


def test_the_race_is_sgd_on_the_losses():
    """Ten updates of sixteen games, once more by autodiff with the same random integers."""
    world, rate = games(16, beta=0.01), 0.02  # long steps: mixtures differ from policies
    start = jnp.asarray(world.log_reference)
    run = tables.race(world, start, jax.random.key(5), rate=rate, updates=10)
    bits = draws.random_bits(jax.random.split(jax.random.key(5), 1)[0], (10, 8, 100, 16))
    pair = lambda bits, law: tables.uniform_pairs(bits[None], law.T[:, None])  # noqa: E731

    def uniform(bits, log_law):
        (first, other), judge = pair(bits, jnp.exp(log_law))
        return Triples(first[0].T, other[0].T, judge[0].T)

    def levels(row):
        return (row >> 2).astype(jnp.int32).T

    for i, name in enumerate(NAMES):
        logits, found = start, []
        slope = jax.jit(jax.grad(
            lambda x, drawn, name=name: jnp.sum(draws.sampled_loss(name, log_softmax(x), world, drawn))
        ))  # fmt: skip
        for at in bits:
            log_policy = log_softmax(logits)
            opponent = draws.mixture(log_policy, start, rate) if name.startswith("Nash") else log_policy
            if i < 3:
                after = logits - rate * slope(logits, uniform(at[i], opponent))
            else:
                y, judge = levels(at[4 + i - 3]), levels(at[6 + i - 3])
                judge = draws.of_law(judge, opponent, draws.LEVELS)
                drawn = Triples(draws.of_law(y, log_policy, draws.LEVELS), judge, judge)
                after = logits - rate * slope(logits, drawn)
            if name == "EGPO":
                after = logits - rate * slope(logits, uniform(at[3], log_softmax(after)))
            logits = after
            found.append(world.regularised_gap(log_softmax(logits)))
        np.testing.assert_allclose(run.gap[0, i], np.mean(found, axis=0), rtol=2e-6, err_msg=name)


def every_triple(actions):
    """All triples as games of one draw: indices (triples, 1)."""
    return Triples(*(jnp.asarray(x, jnp.int32)[:, None] for x in np.array(list(product(range(actions), repeat=3))).T))


@pytest.mark.parametrize("name", NAMES)
def test_sampled_gradients_are_unbiased(name):
    """The mean over all triples, with their probabilities, is the gradient of the loss with exact expectations."""
    world = games(1, actions=4, beta=0.3)
    log_policy, _ = some(1, actions=4)
    opponent = draws.mixture(log_policy, world.log_reference, RATE) if name.startswith("Nash") else log_policy
    flat = jnp.full((1, 4), -jnp.log(4.0))
    drawn = every_triple(4)
    on_policy = name in ("Online IPO 2", "Nash-MD-PG")
    pairs = log_policy if on_policy else flat
    chance = jnp.exp(pairs[0][drawn.first] + pairs[0][drawn.other] + opponent[0][drawn.judge])
    repeated = jax.tree.map(lambda x: jnp.repeat(x, len(chance), axis=0), world)
    each = draws.gradient(name, jnp.repeat(log_policy, len(chance), axis=0), repeated, drawn)

    def exact(x):
        policy = log_softmax(x)
        if name == "Nash-MD-PG":
            score = world.lead(opponent) - 0.3 * (log_policy - world.log_reference)
            return -jnp.sum(jnp.exp(log_policy) * score * policy)
        return jnp.sum(contrast_loss(policy - world.log_reference - world.lead(opponent) / 0.3, pairs))

    np.testing.assert_allclose(jnp.sum(chance * each, axis=0), jax.grad(exact)(log_policy)[0], atol=1e-12)


def test_noise_of_the_floor_by_enumeration():
    """At the equilibrium the gradient of one triple has mean 0 and the covariance that the floor is computed from."""
    actions, beta = 4, 0.2
    world = games(1, actions=actions, beta=beta)
    target = jnp.asarray(regularised_equilibrium(world.advantage, world.log_reference, beta=beta).log_policy)
    drawn = every_triple(actions)
    chance = np.asarray(jnp.exp(target[0][drawn.judge]) / actions**2)
    repeated = jax.tree.map(lambda x: jnp.repeat(x, len(chance), axis=0), world)
    each = np.asarray(draws.gradient("EGPO", jnp.repeat(target, len(chance), axis=0), repeated, drawn))
    np.testing.assert_allclose((chance * each).sum(axis=0), 0.0, atol=1e-12)
    covariance = (chance * each).T @ each
    found = floors.draw_noise(np.asarray(world.advantage), np.exp(np.asarray(target)), beta=beta)
    np.testing.assert_allclose(found[0], covariance, atol=1e-12)
    # D: payoffs' noise is βN/4 times that of the gradient; two independent queries of so many draws.
    power = 2 * (beta * actions / 4) ** 2 * np.trace(covariance) / 100
    floor = floors.predicted(
        np.asarray(world.advantage), np.asarray(target), beta=beta, rate=1e-3, draws=100, trial=True
    )
    assert floor.noise_power[0] == pytest.approx(power, rel=1e-12)


def test_stationary_covariance_of_short_steps():
    """For short steps turning does not matter: Σ = Q/(2ηβ), so that KL = tr(SQ)/(4ηβ)."""
    world = games(3)
    found = regularised_equilibrium(world.advantage, world.log_reference, beta=0.1)
    target, rate = np.asarray(found.log_policy), 1e-7
    advantage = np.asarray(world.advantage)
    for trial in (True, False):
        floor = floors.predicted(advantage, target, beta=0.1, rate=rate, draws=100, trial=trial)
        policy = np.exp(target)
        spread = policy[:, :, None] * (np.eye(10) - policy[:, None, :])
        noise = rate**2 / 100 * floors.draw_noise(advantage, policy, beta=0.1)
        turned = floors._stationary(np.broadcast_to((1 - 4e-8) * np.eye(10), noise.shape), noise)
        np.testing.assert_allclose(turned, noise / (2 * 4e-8), rtol=1e-6)
        assert np.all(floor.divergence < 2 * np.einsum("gij,gji->g", spread, noise) / (4 * 4e-8))


def test_a_network_is_trained_by_sgd_on_the_sampled_loss():
    """Ten updates by autodiff through the loss, the second gradient of EGPO at the restored parameters."""
    entries = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4950))
    world = uniform_preferences(entries, np.zeros((2, 100)), np.full(2, 0.1))
    start = neural.network(jax.random.key(0), 2)
    game = PreferenceGame(jnp.asarray(world.advantage), neural.policy(start), jnp.asarray(world.beta))
    for name in ("EGPO", "Nash-MD"):
        found = sampled_networks.trained_on_draws(name, start, game, jax.random.key(3), RATE, updates=10)
        key = jax.random.split(jax.random.key(3), 1)[0]
        bits = draws.random_bits(key, (10, 2 if name == "EGPO" else 1, 3, 2, 100))

        @jax.jit
        def slope(parameters, opponent, bits, name=name):
            drawn = draws.triples(name, bits, neural.policy(parameters), opponent)
            return jax.grad(lambda p: jnp.sum(draws.sampled_loss(name, neural.policy(p), game, drawn)))(parameters)

        parameters, gaps = start, []
        for at in bits:
            log_policy = neural.policy(parameters)
            fixed = draws.mixture(log_policy, game.log_reference, RATE) if name == "Nash-MD" else log_policy
            after = neural.descended(parameters, slope(parameters, fixed, at[0]), RATE)
            if name == "EGPO":
                after = neural.descended(parameters, slope(parameters, neural.policy(after), at[1]), RATE)
            parameters = after
            gaps.append(game.regularised_gap(neural.policy(parameters)))
        np.testing.assert_allclose(found[0], np.mean(gaps, axis=0), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(("count", "updates"), [(15, 10), (16, 15)])
def test_the_race_names_what_it_cannot_group(count, updates):
    world = games(count)
    with pytest.raises(ValueError, match="must be multiples of 16 and 10"):
        tables.race(world, world.log_reference, jax.random.key(0), rate=1e-3, updates=updates)
