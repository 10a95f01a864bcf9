"""A router trained by exact gradients: alone, with the auxiliary loss, with biases."""

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import family, normal
from lab.ledger.evidence import Draw, evidence
from lab.routing.router import RouterTask, Trained, gradients, train
from simulations.alf_lb.findings import share_at_least

TOKENS, DIM, EXPERTS, K, STEPS = 96, 6, 6, 2, 300
USED = 4  # features that tell experts apart, in the population with experts of unequal worth
COEFFICIENTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
BIAS_RATES = (1e-3, 3e-3, 1e-2)


def _task(features, skill):
    """Experts from generally good to generally bad: worth between −1 and 1, on a token more or less."""
    lean = np.linspace(1.0, -1.0, EXPERTS)
    features = np.where(np.arange(DIM) < USED, features, 0.0)
    return RouterTask(features, np.tanh(features @ skill / np.sqrt(USED) + lean), K)


leaning = family(_task, features=normal(shape=(TOKENS, DIM)), skill=normal(shape=(DIM, EXPERTS)))


def _groups(noise):
    """Six kinds of tokens, equally many, each with two experts of its own: the task itself wants exact balance."""
    kind = np.arange(TOKENS) % EXPERTS
    features = np.broadcast_to(np.eye(EXPERTS)[kind], (len(noise), TOKENS, EXPERTS))
    away = (np.arange(EXPERTS) - kind[:, None]) % EXPERTS
    return RouterTask(features, np.where(away <= 1, 1.0, -1.0) + 0.0 * noise[:, None, None], K)


balanced = family(_groups, noise=normal())


def _start(world: RouterTask, draw: Draw) -> jax.Array:
    """Weights to start from, (worlds, dim, experts)."""
    shape = (len(world.features), DIM, EXPERTS)
    if np.all(np.sum(world.features, axis=-1) == 1.0):  # the balanced population starts from what it will learn
        return jnp.broadcast_to(jnp.eye(EXPERTS) + jnp.roll(jnp.eye(EXPERTS), 1, axis=1), shape)
    return 0.01 * jax.random.normal(draw.key, shape)


WAYS = (*((a, 0.0) for a in COEFFICIENTS), *((0.0, u) for u in BIAS_RATES))
ALONE, ONE, THREE = (COEFFICIENTS.index(a) for a in (0.0, 1.0, 3.0))
BIASES = len(COEFFICIENTS) + BIAS_RATES.index(3e-3)


def _trained(world: RouterTask, draw: Draw) -> Trained:
    """Train in every way (coefficient of the loss, rate of the biases) from one start; axes (ways, worlds)."""
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(WAYS), *x.shape)), world)
    start = _start(world, draw)
    coefficient, rate = np.array(WAYS).T
    return train(
        many, jnp.broadcast_to(start, (len(WAYS), *start.shape)), coefficient=coefficient[:, None],
        bias_rate=rate[:, None], learning_rate=1.0, steps=STEPS,
    )  # fmt: skip


@evidence("alf-lb/auxiliary-trade-off", kind="sampled", over=leaning, size=16)
def trained_with_and_without_the_loss(world: RouterTask, draw: Draw):
    """In how many worlds does coefficient 3 lower both the imbalance and, by 0.02 and more, the task objective?"""
    ends = _trained(world, draw)
    worse = ends.objective[THREE] < ends.objective[ALONE] - 0.02
    return share_at_least(worse & (ends.violation[THREE] < ends.violation[ALONE]), 0.5)


trained_with_and_without_the_loss.control("a population whose best experts are balanced", over=balanced)


@evidence("alf-lb/biases-beat-the-auxiliary-loss", kind="sampled", over=leaning, size=16)
def biases_against_the_auxiliary_loss(world: RouterTask, draw: Draw):
    """In how many worlds are biases (u = .003) better than coefficient 1 in both imbalance and, by 0.02, objective?"""
    ends = _trained(world, draw)
    better = ends.objective[BIASES] > ends.objective[ONE] + 0.02
    series = {
        "coefficients": np.array(COEFFICIENTS),
        "rates": np.array(BIAS_RATES),
        "objective": np.mean(np.asarray(ends.objective), axis=1),
        "violation": np.mean(np.asarray(ends.violation), axis=1),
    }
    return share_at_least(better & (ends.violation[BIASES] < ends.violation[ONE]), 0.5, series=series)


biases_against_the_auxiliary_loss.control("a population whose best experts are balanced: no difference", over=balanced)


@evidence("alf-lb/biases-have-an-effect", kind="sampled", over=leaning, size=16)
def biases_against_the_task_alone(world: RouterTask, draw: Draw):
    """In how many worlds do biases (u = .003) cost the task 0.005 and more, although they add no gradient?"""
    ends = _trained(world, draw)
    return share_at_least(ends.objective[BIASES] < ends.objective[ALONE] - 0.005, 0.5)


biases_against_the_task_alone.control("a population whose best experts are balanced", over=balanced)


@evidence("alf-lb/gradients-interfere", kind="sampled", over=leaning, size=16)
def angle_between_the_gradients(world: RouterTask, draw: Draw):
    """After training on the task alone: in how many worlds have ∇J and the auxiliary gradient a cosine above 0.1?"""
    ends = _trained(world, draw)
    task, auxiliary = gradients(world, ends.weights[ALONE], ends.bias[ALONE])
    product = jnp.sum(task * auxiliary, axis=(-2, -1))
    size = jnp.sqrt(jnp.sum(task**2, axis=(-2, -1)) * jnp.sum(auxiliary**2, axis=(-2, -1)))
    # Where one of the gradients vanishes there is no angle, and no interference.
    cosine = jnp.where(size > 1e-20, product / jnp.maximum(size, 1e-20), 0.0)
    return share_at_least(cosine > 0.1, 0.5)


angle_between_the_gradients.control("at perfect balance the auxiliary gradient vanishes", over=balanced)
