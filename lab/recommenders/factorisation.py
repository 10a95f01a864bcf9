r"""Matrix factorisation with biases, trained on any of the click losses: compiled loops over many models at once.

The score of a pair is $s_{ui} = \langle p_u, q_i\rangle + b_u + c_i + b$. Every estimator of the relevance loss with
weights $(w, 1-w)$ has the slope $\sigma(s) - w$ in the score under the log loss, so that training needs the targets
$w$ alone: the positive weight of `lab.recommenders.losses` (a test compares the slope with the derivative of that
loss).

Two trainers, as in `mnar-clipped`: `fit_dense` (every pair in every step, Adam) for small worlds, and `fit_batches`
(plain gradient descent on random pairs, the paper's protocol) for a real catalogue. Both return the model that did
best on pairs that were held out, by its own loss. JAX, float32.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from lab.arrays import Array, Real


class Factors(NamedTuple):
    """One model, or many along leading axes: tables of users and items with the bias last, and a global bias."""

    users: Float[Array, "... users columns"]
    items: Float[Array, "... items columns"]
    bias: Float[Array, "..."]


def scores(factors: Factors) -> Float[Array, "... users items"]:
    """The score of every pair: the logit of its predicted relevance."""
    users, items, bias = factors
    match = users[..., :-1] @ items[..., :-1].swapaxes(-1, -2)
    return match + users[..., -1][..., :, None] + items[..., -1][..., None, :] + bias[..., None, None]


def slope(score: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\sigma(s) - w$: the derivative in the score of the log loss with weights $(w, 1-w)$."""
    return 0.5 * (1 + jnp.tanh(score / 2)) - target


def value(score: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$\log(1 + e^s) - w s$: that loss itself, in nats, as the trainers watch it on held-out pairs."""
    return jnp.maximum(score, 0) + jnp.log1p(jnp.exp(-jnp.abs(score))) - target * score


def start(rng: np.random.Generator, users: int, items: int, *, dim: int = 10, biased: bool = True) -> Factors:
    """Initial model: factors uniform within ±√(6/(rows + dim)), biases normal with deviation 0.01 (0 when unbiased)."""

    def table(rows: int) -> np.ndarray:
        reach = (6 / (rows + dim)) ** 0.5
        bias = 0.01 * biased * rng.normal(size=(rows, 1))
        return np.concatenate([rng.uniform(-reach, reach, (rows, dim)), bias], axis=1).astype(np.float32)

    return Factors(table(users), table(items), np.asarray(1e-3 * biased, np.float32))


@partial(jax.jit, static_argnames=("steps", "patience"))
def fit_dense(
    initial: Factors,
    target: Float[Array, "*models users items"],
    held_out: Float[Array, "*#models users items"],
    *,
    weight: Float[Array, "*#models users items"] | float = 1.0,
    steps: int = 300,
    patience: int | None = None,
    step_size: Real = 0.05,
    decay: Real = 1e-5,
) -> Factors:
    """Train on all pairs that are not held out (`held_out` is 1 where a pair is, else 0), with Adam.

    `initial` and `target` have the same leading axes, one entry a model. Before each step the held-out pairs are looked
    at. `decay` times half the squared entries of both tables is added to the mean loss, as in the paper's code. With a
    `weight` each pair's loss counts so many times, trained on and held out: a loss with weights (a, b) is the target
    a/(a + b) with the weight a + b. With a `patience` training stops once no model has been the best of its kind in so
    many steps.
    """
    adam = optax.adam(step_size)
    kept = 1 - held_out
    kept = weight * kept / jnp.sum(kept, axis=(-2, -1), keepdims=True)
    held_out = weight * held_out

    def going(carry: Any) -> Array:
        number, latest = carry[:2]
        return (number < steps) & (number - latest <= (steps if patience is None else patience))

    def step(carry: Any) -> Any:
        number, latest, model, state, best, lowest = carry
        score = scores(model)
        loss = jnp.sum(held_out * value(score, target), axis=(-2, -1))
        best = _better(loss < lowest, model, best)
        latest = jnp.where(jnp.any(loss < lowest), number, latest)
        pull = kept * slope(score, target)
        gradient = Factors(
            _gradient(pull, model.items) + decay * model.users,
            _gradient(pull.swapaxes(-1, -2), model.users) + decay * model.items,
            jnp.sum(pull, axis=(-2, -1)),
        )
        change, state = adam.update(gradient, state)
        return number + 1, latest, optax.apply_updates(model, change), state, best, jnp.minimum(loss, lowest)

    unseen = jnp.full(target.shape[:-2], jnp.inf, target.dtype)
    initial = jax.tree.map(jnp.asarray, initial)
    return jax.lax.while_loop(going, step, (0, 0, initial, adam.init(initial), initial, unseen))[4]


def _gradient(pull: Array, other: Array) -> Array:
    """Gradient of one table, from the slopes of all pairs and the other table: factors, then bias."""
    return jnp.concatenate([pull @ other[..., :-1], jnp.sum(pull, axis=-1, keepdims=True)], axis=-1)


def _better(better: Array, new: Any, old: Any) -> Any:
    """Model by model the new parameters where `better`, else the old ones."""
    shaped = lambda x: better.reshape(better.shape + (1,) * (x.ndim - better.ndim))  # noqa: E731
    return jax.tree.map(lambda x, y: jnp.where(shaped(x), x, y), new, old)


@partial(jax.jit, static_argnames=("rounds",))
def fit_batches(
    initial: Factors,
    target: Float[Array, "pairs models"],
    batches: Int[Array, "steps batch"],
    held_out: Int[Array, "parts part"],
    *,
    rounds: int = 10,
    step_size: Real = 0.1,
    decay: Real = 1e-5,
) -> Factors:
    """Train many models from one start on the same batches of pairs, with plain gradient descent.

    A pair's number is user · items + item. Held-out pairs (in parts, to bound the memory) are looked at after each of
    `rounds` equal stretches of the steps. The models stand side by side in memory, so that a batch reads and writes
    whole rows.
    """
    models, items = target.shape[-1], initial.items.shape[0]
    dim = initial.users.shape[-1] - 1
    # Columns: factors, the user's bias, the item's bias. With a constant 1 opposite each bias a score is one inner
    # product, and the gradient of one row is the other row, but for the constants, which `free` keeps as they are.
    free = jnp.arange(dim + 2)[:, None] != jnp.array([dim + 1, dim])
    free_user, free_item = free[:, :1].astype(target.dtype), free[:, 1:].astype(target.dtype)
    with_one = jnp.pad(initial.users, ((0, 0), (0, 1)), constant_values=1)
    one_with = jnp.insert(initial.items, dim, 1, axis=1)
    wide = Factors(*(jnp.repeat(x[..., None], models, axis=-1) for x in (with_one, one_with, initial.bias)))

    def score(model: Factors, pair: Array) -> tuple[Array, Array, Array]:
        # The barrier keeps XLA from gathering each entry again wherever it is used.
        user, item = jax.lax.optimization_barrier((model.users[pair // items], model.items[pair % items]))
        return jnp.sum(user * item, axis=1) + model.bias, user, item

    def step(model: Factors, pair: Array) -> tuple[Factors, None]:
        got, user, item = score(model, pair)
        pull = slope(got, target[pair]) * (step_size / pair.shape[0])
        return Factors(
            (model.users * (1 - step_size * decay * free_user))
            .at[pair // items]
            .add(-pull[:, None] * item * free_user),
            (model.items * (1 - step_size * decay * free_item)).at[pair % items].add(-pull[:, None] * user * free_item),
            model.bias - jnp.sum(pull, axis=0),
        ), None

    def stretch(carry: Any, pairs: Array) -> tuple[Any, None]:
        model, best, lowest = carry
        model, _ = jax.lax.scan(step, model, pairs)
        part = lambda pair: jnp.sum(value(score(model, pair)[0], target[pair]), axis=0)  # noqa: E731
        loss = jnp.sum(jax.lax.map(part, held_out), axis=0)
        best = jax.tree.map(lambda new, old: jnp.where(loss < lowest, new, old), model, best)
        return (model, best, jnp.minimum(loss, lowest)), None

    carry = wide, wide, jnp.full((models,), jnp.inf, target.dtype)
    best = jax.lax.scan(stretch, carry, batches.reshape(rounds, -1, batches.shape[-1]))[0][1]
    users, item_table, bias = (jnp.moveaxis(x, -1, 0) for x in best)
    return Factors(users[..., :-1], jnp.delete(item_table, dim, axis=-1), bias)


@partial(jax.jit, static_argnames=("local",))
def fit_observed(
    initial: Factors,
    user: Int[Array, "steps batch"],
    item: Int[Array, "steps batch"],
    target: Float[Array, "steps batch"],
    *,
    local: Literal["log", "squared"] = "squared",
    step_size: Real = 0.01,
) -> Factors:
    """Fit one model without biases to batches of observed values, with Adam: ratings (squared), or seen-or-not (log).

    This is how the protocol turns real ratings into a relevance and an exposure for every pair.
    """
    adam = optax.adam(step_size)

    def step(carry: Any, batch: Any) -> tuple[Any, None]:
        model, state = carry
        who, what, wanted = batch
        users, items = model.users[who, :-1], model.items[what, :-1]
        score = jnp.sum(users * items, axis=1)
        pull = (2 * (score - wanted) if local == "squared" else slope(score, wanted)) / wanted.shape[0]
        gradient = Factors(
            jnp.zeros_like(model.users).at[who, :-1].add(pull[:, None] * items),
            jnp.zeros_like(model.items).at[what, :-1].add(pull[:, None] * users),
            jnp.zeros_like(model.bias),
        )
        change, state = adam.update(gradient, state)
        return (optax.apply_updates(model, change), state), None

    return jax.lax.scan(step, (initial, adam.init(initial)), (user, item, target))[0][0]
