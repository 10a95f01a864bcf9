"""The sampled protocol: losses as coded, their gradients by three routes, the noise by enumeration."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.arrays import log_softmax
from lab.games import sampled_losses, sampled_protocol, sampling_floor
from lab.games.equilibria import regularised_equilibrium
from lab.games.losses import contrast_loss
from lab.games.sampled_losses import NAMES, Triples
from simulations.egpo.worlds import authors_games

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
    found = sampled_losses.gradient(name, log_policy, world, drawn)
    expected = jax.grad(lambda x: jnp.sum(sampled_losses.sampled_loss(name, log_softmax(x), world, drawn)))(log_policy)
    np.testing.assert_allclose(found, expected, atol=1e-12 * float(jnp.max(jnp.abs(expected))))


def test_the_fast_gradients_are_the_closed_ones():
    world = games(16)
    log_policy, drawn = some(16)
    table = sampled_protocol._table(
        sampled_protocol.grouped(log_policy - world.log_reference), sampled_protocol.grouped(world.advantage / 0.1)
    )
    five = lambda x, axis: jnp.concatenate([x] * 5, axis=axis)  # noqa: E731
    first, other, judge = (jnp.asarray(index.T[None]) for index in drawn)
    found = sampled_protocol.gradients(
        five(table, 2), five(sampled_protocol.grouped(jnp.exp(log_policy)), 1),
        (five(first, 0), jnp.concatenate([other, other, other, other, jnp.full_like(other, 10)]),
         jnp.concatenate([judge, judge, judge, other, judge])),
        0.1,
    )  # fmt: skip
    for i, name in enumerate(NAMES):
        expected = sampled_losses.gradient(name, log_policy, world, drawn)
        # Hundred residuals of size 1/beta in single precision.
        np.testing.assert_allclose(found[:, i].T, expected, atol=100 * 6e-8 / 0.1, err_msg=name)


def test_actions_have_their_law():
    """Every level once: so many fall to an action as its probability says, to one; the fast way agrees."""
    law = np.array([0.5, 0.125, 0.0, 0.3, 0.075] + [0.0] * 5)
    with np.errstate(divide="ignore"):
        log_law = np.log(law)
    level = jnp.arange(1000, dtype=jnp.int32)
    found = sampled_losses.of_law(level, jnp.asarray(log_law), 1000)
    np.testing.assert_array_equal(np.bincount(found, minlength=10), [500, 125, 0, 300, 75, 0, 0, 0, 0, 0])
    shaped = jnp.broadcast_to(level[None, :, None], (1, 1000, 16))
    fast = sampled_protocol.chosen(shaped, jnp.broadcast_to(jnp.asarray(law)[:, None, None], (10, 1, 16)), 1000)
    np.testing.assert_array_equal(fast[0, :, 3], found)


def test_one_integer_is_a_pair_and_a_level():
    pairs = np.arange(100)
    first = pairs.astype(np.uint32) * np.uint32(sampled_protocol.PAIRS)
    last = np.minimum(first.astype(np.uint64) + sampled_protocol.PAIRS - 1, 2**32 - 1).astype(np.uint32)
    law = jnp.zeros((10, 1, 1)).at[3].set(0.25).at[7].set(0.75)
    for bits, judge in ((first, 3), (last, 7)):
        (y, other), judged = sampled_protocol.uniform_pairs(jnp.asarray(bits)[None, :, None], law)
        np.testing.assert_array_equal(y[0, :, 0], pairs // 10)
        np.testing.assert_array_equal(other[0, :, 0], pairs % 10)
        np.testing.assert_array_equal(judged[0, :, 0], judge)


def test_the_race_is_sgd_on_the_losses():
    """Ten updates of sixteen games, once more by autodiff with the same random integers."""
    world, rate = games(16, beta=0.01), 0.02  # long steps: mixtures differ from policies
    start = jnp.asarray(world.log_reference)
    run = sampled_protocol.race(world, start, jax.random.key(5), rate=rate, updates=10)
    bits = sampled_losses.random_bits(jax.random.split(jax.random.key(5), 1)[0], (10, 8, 100, 16))
    pair = lambda bits, law: sampled_protocol.uniform_pairs(bits[None], law.T[:, None])  # noqa: E731

    def uniform(bits, log_law):
        (first, other), judge = pair(bits, jnp.exp(log_law))
        return Triples(first[0].T, other[0].T, judge[0].T)

    def levels(row):
        return (row >> 2).astype(jnp.int32).T

    for i, name in enumerate(NAMES):
        logits, found = start, []
        slope = jax.jit(jax.grad(
            lambda x, drawn, name=name: jnp.sum(sampled_losses.sampled_loss(name, log_softmax(x), world, drawn))
        ))  # fmt: skip
        for at in bits:
            log_policy = log_softmax(logits)
            opponent = sampled_losses.mixture(log_policy, start, rate) if name.startswith("Nash") else log_policy
            if i < 3:
                after = logits - rate * slope(logits, uniform(at[i], opponent))
            else:
                y, judge = levels(at[4 + i - 3]), levels(at[6 + i - 3])
                judge = sampled_losses.of_law(judge, opponent, sampled_losses.LEVELS)
                drawn = Triples(sampled_losses.of_law(y, log_policy, sampled_losses.LEVELS), judge, judge)
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
    opponent = sampled_losses.mixture(log_policy, world.log_reference, RATE) if name.startswith("Nash") else log_policy
    flat = jnp.full((1, 4), -jnp.log(4.0))
    drawn = every_triple(4)
    on_policy = name in ("Online IPO 2", "Nash-MD-PG")
    pairs = log_policy if on_policy else flat
    chance = jnp.exp(pairs[0][drawn.first] + pairs[0][drawn.other] + opponent[0][drawn.judge])
    repeated = jax.tree.map(lambda x: jnp.repeat(x, len(chance), axis=0), world)
    each = sampled_losses.gradient(name, jnp.repeat(log_policy, len(chance), axis=0), repeated, drawn)

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
    each = np.asarray(sampled_losses.gradient("EGPO", jnp.repeat(target, len(chance), axis=0), repeated, drawn))
    np.testing.assert_allclose((chance * each).sum(axis=0), 0.0, atol=1e-12)
    covariance = (chance * each).T @ each
    found = sampling_floor.draw_noise(np.asarray(world.advantage), np.exp(np.asarray(target)), beta=beta)
    np.testing.assert_allclose(found[0], covariance, atol=1e-12)
    # D: payoffs' noise is βN/4 times that of the gradient; two independent queries of so many sampled_losses.
    power = 2 * (beta * actions / 4) ** 2 * np.trace(covariance) / 100
    floor = sampling_floor.predicted(
        np.asarray(world.advantage), np.asarray(target), beta=beta, rate=1e-3, draws=100, trial=True
    )
    assert floor.noise_power[0] == pytest.approx(power, rel=1e-12)


def test_stationary_covariance_of_short_steps():
    """Without turning Σ = Q/(2ηβ), up to a relative ηβ; turning keeps tr SΣ = 2 KL but for a growth of 1 + η²ω² a step,
    ω² ≤ 1/8: so that KL = tr(SQ)/(4ηβ) for short steps."""
    world = games(3)
    found = regularised_equilibrium(world.advantage, world.log_reference, beta=0.1)
    target, rate, beta = np.asarray(found.log_policy), 1e-7, 0.1
    eta = 4 * rate / (beta * 10)
    advantage, policy = np.asarray(world.advantage), np.exp(target)
    spread = policy[:, :, None] * (np.eye(10) - policy[:, None, :])
    noise = rate**2 / 100 * sampling_floor.draw_noise(advantage, policy, beta=beta)
    still = sampling_floor._stationary(np.broadcast_to((1 - eta * beta) * np.eye(10), noise.shape), noise)
    np.testing.assert_allclose(still, noise / (2 * eta * beta), rtol=eta * beta)
    expected = np.einsum("gij,gji->g", spread, noise) / (4 * eta * beta)
    for trial in (True, False):
        floor = sampling_floor.predicted(advantage, target, beta=beta, rate=rate, draws=100, trial=trial)
        np.testing.assert_allclose(floor.divergence, expected, rtol=eta * beta + eta / (16 * beta))


@pytest.mark.parametrize(("count", "updates"), [(15, 10), (16, 15)])
def test_the_race_names_what_it_cannot_group(count, updates):
    world = games(count)
    with pytest.raises(ValueError, match="must be multiples of 16 and 10"):
        sampled_protocol.race(world, world.log_reference, jax.random.key(0), rate=1e-3, updates=updates)


@pytest.mark.parametrize(("changes", "named"), [({"actions": 9}, "9 actions"), ({"beta": -0.1}, r"beta = -0\.1")])
def test_the_race_names_other_games(changes, named):
    world = games(16, **changes)
    with pytest.raises(ValueError, match=named):
        sampled_protocol.race(world, world.log_reference, jax.random.key(0), rate=1e-3, updates=10)
