r"""Log-linear policies with shared features on cyclic preferences: equal updates against equal queries (C7).

Six responses of three kinds that beat each other around a circle; two features, nearly those of the kind. SGD of size
s on online IPO moves the weights by $-\frac{4s}{N}\Phi^\top C(\Phi w - A\mu/\beta)$; near the equilibrium of the
class a step of mirror descent is $I - sK$, stable where $s < \min 2\,\mathrm{Re}\,\kappa/|\kappa|^2$ over the
eigenvalues κ of K.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import Array, log_softmax
from lab.family import family, log_uniform, normal, uniform, world
from lab.games.game import cycle, skew
from lab.games.gaps import close_divergence, lead
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import mean_at_least
from lab.policies import tabular

ACTIONS, FEATURES = 6, 2
UPDATES = 40


@world
class SharedFeatures:
    """Advantage of the responses, their features, the reference and the KL weight."""

    advantage: Any
    features: Any
    log_reference: Any
    beta: Any

    def policy(self, weights: Array) -> Array:
        return log_softmax(self.log_reference + jnp.sum(self.features * weights[..., None, :], axis=-1))

    def slope(self, weights: Array, opponent: Array) -> Array:
        """Gradient of online IPO, uniform pairs, in the weights."""
        ratio = jnp.sum(self.features * weights[..., None, :], axis=-1)
        score = ratio - lead(self.advantage, opponent) / self.beta[..., None]
        centred = score - jnp.mean(score, axis=-1, keepdims=True)
        return 4.0 / ACTIONS * jnp.sum(centred[..., :, None] * self.features, axis=-2)


def kinds(margins: Any, noise: Any, features: Any, reference_logits: Any, beta: Any) -> SharedFeatures:
    """Kinds beat each other by the margins; responses of one kind differ a little in preference and in features."""
    place = np.stack([cycle(*row) for row in np.eye(3)])
    between = np.sum(margins[:, :, None, None] * place, axis=1)
    advantage = np.tile(between, (1, 2, 2)) + skew(noise, ACTIONS)
    angle = 2 * np.pi / 3 * np.arange(ACTIONS)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return SharedFeatures(advantage, circle + features, tabular(reference_logits), beta)


worlds = family(
    kinds,
    margins=uniform(0.2, 0.4, shape=(3,)),
    noise=uniform(-0.1, 0.1, shape=(ACTIONS * (ACTIONS - 1) // 2,)),
    features=normal(0.2, shape=(ACTIONS, FEATURES)),
    reference_logits=normal(0.3, shape=(ACTIONS,)),
    beta=log_uniform(0.02, 0.1),
)


def step(game: SharedFeatures, weights: Array, size: Array, *, trial: bool) -> Array:
    """One update: of mirror descent, or with a trial step first."""
    opponent = game.policy(weights)
    if trial:
        opponent = game.policy(weights - size[..., None] * game.slope(weights, opponent))
    return weights - size[..., None] * game.slope(weights, opponent)


@jax.jit
def equilibrium(game: SharedFeatures) -> tuple[Any, Any]:
    """Weights at which the slope against oneself vanishes, by Newton's method, and its derivative K there."""

    def derivative(weights: Array) -> Array:
        one = jax.vmap(jax.jacfwd(lambda w, g: g.slope(w, g.policy(w))))
        return one(weights, game)

    def newton(weights: Array, _: Any) -> tuple[Array, None]:
        # From the reference, by at most half a unit at a time.
        move = jnp.linalg.solve(derivative(weights), game.slope(weights, game.policy(weights))[..., None])[..., 0]
        length = jnp.linalg.norm(move, axis=-1, keepdims=True)
        return weights - move * jnp.minimum(1.0, 0.5 / length), None

    weights, _ = jax.lax.scan(newton, jnp.zeros((*game.features.shape[:-2], FEATURES)), None, length=200)
    return weights, derivative(weights)


@partial(jax.jit, static_argnames=("trial", "updates"))
def run(game: SharedFeatures, size: Any, *, trial: bool, updates: int) -> Any:
    """Weights after so many updates from the reference."""
    start = jnp.zeros((*game.features.shape[:-2], FEATURES))
    return jax.lax.scan(lambda w, _: (step(game, w, size, trial=trial), None), start, None, length=updates)[0]


def leads(game: SharedFeatures, part: float, *, queries: bool) -> np.ndarray:
    """Whether EGPO is nearer to the equilibrium of the class (in KL) than online IPO after as many updates or queries.

    Steps are a part of the limit of mirror descent.
    """
    weights, matrix = equilibrium(game)
    kappa = np.linalg.eigvals(np.asarray(matrix))
    size = jnp.asarray(part * np.min(2 * kappa.real / np.abs(kappa) ** 2, axis=-1))
    target = game.policy(weights)
    ours, theirs = (
        np.asarray(close_divergence(target, game.policy(run(game, size, trial=trial, updates=updates))))
        for trial, updates in ((True, UPDATES), (False, UPDATES * (2 if queries else 1)))
    )
    return (ours < theirs)[:, None].astype(float)


@evidence("egpo/leads-at-equal-updates", kind="sampled", over=worlds, size=256)
def lead_after_as_many_updates(world: SharedFeatures, draw: Draw, queries: bool = False):
    """Steps of a tenth of the limit, 40 updates each: EGPO is nearer in more than nine of ten games."""
    return mean_at_least(leads(world, 0.1, queries=queries), np.array([0.9]), low=0.0, high=1.0)


lead_after_as_many_updates.control("as many queries: 40 updates against 80", queries=True)


@evidence("egpo/leads-at-equal-queries", kind="sampled", over=worlds, size=256)
def lead_after_as_many_queries(world: SharedFeatures, draw: Draw, part: float = 0.1):
    """Steps of a tenth of the limit, 40 updates against 80: is EGPO nearer in at least half of the games?"""
    return mean_at_least(leads(world, part, queries=True), np.array([0.5]), low=0.0, high=1.0)


lead_after_as_many_queries.control("steps of 0.7 of the limit", part=0.7)


@evidence("egpo/leads-with-long-steps", kind="sampled", over=worlds, size=256)
def lead_with_long_steps(world: SharedFeatures, draw: Draw, part: float = 0.6):
    """Steps of 0.6 of the limit, 40 updates against 80: EGPO is nearer in more than nine of ten games."""
    return mean_at_least(leads(world, part, queries=True), np.array([0.9]), low=0.0, high=1.0)


lead_with_long_steps.control("steps of 0.2 of the limit", part=0.2)
