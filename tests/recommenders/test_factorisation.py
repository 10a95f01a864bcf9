"""Factorisation: its slope is the loss's derivative, both trainers take the steps they say, and they learn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import t as student

from lab.recommenders.factorisation import (
    Factors,
    fit_batches,
    fit_dense,
    fit_observed,
    scores,
    slope,
    start,
    value,
)
from lab.recommenders.losses import Weights, clipped, loss
from lab.recommenders.ratings import draw_events, ratings

USERS, ITEMS = 7, 5


def objective(model, target, kept, decay):
    """The mean log loss over kept pairs plus half the squared entries of both tables: what the trainers descend."""
    terms = kept * loss(scores(model), Weights(target, 1 - target))
    return jnp.sum(terms) / jnp.sum(kept) + decay / 2 * (jnp.sum(model.users**2) + jnp.sum(model.items**2))


def as_float64(model):
    return Factors(*(jnp.asarray(x, jnp.float64) for x in model))


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    target = (rng.random((USERS, ITEMS)) < 0.4) / rng.uniform(0.1, 1, (USERS, ITEMS))
    return start(rng, USERS, ITEMS, dim=3), target.astype(np.float32), rng


def test_scores_by_hand():
    model = Factors(np.array([[1.0, 2.0, 0.5]]), np.array([[3.0, -1.0, 0.25], [0.0, 1.0, 0.0]]), np.array(0.125))
    assert scores(model).tolist() == [[1 + 0.5 + 0.25 + 0.125, 2 + 0.5 + 0.125]]


def test_slope_and_value_are_those_of_the_click_losses():
    score = jnp.concatenate([jnp.linspace(-40, 40, 41), jnp.array([-1e4, 1e4])])
    for click, propensity, clip in ((0.0, 0.3, 0.0), (1.0, 0.3, 0.0), (1.0, 0.05, 0.1), (1.0, 0.05, 1.0)):
        weights = clipped(jnp.full(43, click), jnp.full(43, propensity), clip=clip)
        np.testing.assert_allclose(value(score, weights.positive), loss(score, weights), rtol=1e-12, atol=1e-9)
        derivative = jax.grad(lambda s, w=weights: jnp.sum(loss(s, w)))(score)
        np.testing.assert_allclose(slope(score, weights.positive), derivative, rtol=1e-12, atol=1e-15)


def test_dense_steps_follow_the_gradient_of_the_objective(problem):
    """Each model is one Adam step along the automatic derivative after the last; the best one seen is returned."""
    initial, _, rng = problem
    target = rng.uniform(0.1, 0.3, (USERS, ITEMS)).astype(np.float32)
    held_out = (rng.random(target.shape) < 0.2).astype(np.float32)
    adam = optax.adam(0.05)
    model, state, seen = as_float64(initial), adam.init(as_float64(initial)), []
    for _ in range(6):
        seen.append((float(jnp.sum(held_out * value(scores(model), target))), model))
        gradient = jax.grad(objective)(model, target, 1 - held_out, 0.01)
        change, state = adam.update(gradient, state)
        model = optax.apply_updates(model, change)
    for steps in (2, 6):
        expected = min(seen[:steps], key=lambda x: x[0])[1]
        found = fit_dense(initial, target, held_out, steps=steps, decay=0.01)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert min(seen[1:], key=lambda x: x[0])[0] < seen[0][0]


def test_batch_steps_follow_the_gradient_of_the_objective(problem):
    """A batch holding every pair once is one plain step of every model, weights decayed and biases included; three such
    steps also show that the constants opposite the biases stay 1. Of the models after a round, the best is returned."""
    initial, target, rng = problem
    targets = np.stack([target, 0.5 * target, np.full_like(target, 0.3)], axis=-1).reshape(-1, 3)
    every = np.stack([rng.permutation(USERS * ITEMS) for _ in range(3)]).astype(np.int32)
    found = fit_batches(initial, targets, every, every[:1], rounds=1, step_size=0.7, decay=0.02)
    assert found.users.shape == (3, USERS, 4)
    for number in range(3):
        model = as_float64(initial)
        own = targets[:, number].reshape(USERS, ITEMS)
        for _ in range(3):
            gradient = jax.grad(objective)(model, own, np.ones_like(own), 0.02)
            model = Factors(*(x - 0.7 * g for x, g in zip(model, gradient, strict=True)))
        for got, x in zip(found, model, strict=True):
            np.testing.assert_allclose(got[number], x, rtol=1e-4, atol=1e-5)


def test_repeated_pairs_in_a_batch_count_each_time(problem):
    initial, target, _ = problem
    twice = np.array([[3, 3]], np.int32)
    once = fit_batches(initial, target.reshape(-1, 1), twice[:, :1], twice, rounds=1)
    both = fit_batches(initial, target.reshape(-1, 1), twice, twice, rounds=1)
    np.testing.assert_allclose(once.users, both.users, rtol=1e-6)


@pytest.mark.parametrize("trainer", ["dense", "batches"])
def test_the_best_model_on_held_out_pairs_is_returned(problem, trainer):
    """A step size that overshoots must not lose the better model from before."""
    initial, target, _ = problem
    held_out = np.zeros_like(target)
    held_out[0] = 1
    pairs = np.arange(ITEMS, dtype=np.int32)[None]

    def last(rounds):
        if trainer == "dense":
            return fit_dense(initial, target, held_out, steps=rounds, step_size=3.0)
        rest = np.tile(np.arange(ITEMS, USERS * ITEMS, dtype=np.int32), (rounds, 1))
        found = fit_batches(initial, target.reshape(-1, 1), rest, pairs, rounds=rounds, step_size=60.0)
        return Factors(*(x[0] for x in found))

    losses = [float(jnp.sum(held_out * value(scores(last(rounds)), target))) for rounds in (1, 2, 5, 10)]
    assert losses == sorted(losses, reverse=True)


def test_models_side_by_side_do_not_touch_each_other(problem):
    initial, target, rng = problem
    batches = rng.integers(USERS * ITEMS, size=(6, 8)).astype(np.int32)
    held_out = np.arange(8, dtype=np.int32)[None]
    both = np.stack([target.ravel(), 1 - target.ravel()], axis=-1)
    together = fit_batches(initial, both, batches, held_out, rounds=2, step_size=1.0)
    for number in range(2):
        alone = fit_batches(initial, both[:, [number]], batches, held_out, rounds=2, step_size=1.0)
        for ours, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours[number], theirs[0], rtol=1e-5, atol=1e-7)


def test_observed_ratings_of_rank_one_are_recovered():
    rng = np.random.default_rng(4)
    truth = np.outer(rng.uniform(1, 2, 20), rng.uniform(1, 2, 15))
    user, item = rng.integers(20, size=(1500, 64)), rng.integers(15, size=(1500, 64))
    model = fit_observed(start(rng, 20, 15, dim=4, biased=False), user, item, truth[user, item].astype(np.float32))
    # Better everywhere than the best model without products, user + item, is anywhere at its worst.
    additive = truth.mean(axis=1, keepdims=True) + truth.mean(axis=0) - truth.mean()
    assert np.max(np.abs(scores(model) - truth)) < np.max(np.abs(additive - truth))
    assert np.all(np.asarray(model.users)[:, -1] == 0)


def test_start_is_small_and_the_same_for_the_same_seed():
    first, second = (start(np.random.default_rng(8), 30, 20, dim=10) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.abs(first.users[:, :-1]).max() <= (6 / 40) ** 0.5
    assert first.items.dtype == np.float32


def test_weights_count_pairs_several_times(problem):
    """A loss with weights (a, b) is the target a/(a + b) with the weight a + b: one Adam step of each."""
    initial, _, rng = problem
    weights = Weights(*rng.uniform(0.1, 2.0, (2, USERS, ITEMS)).astype(np.float32))
    total = weights.positive + weights.negative
    held_out = np.zeros_like(total)
    held_out[0] = 1
    found = fit_dense(initial, weights.positive / total, held_out, weight=total, steps=2, decay=0.0)

    def weighted(model):
        return jnp.sum((1 - held_out) * loss(scores(model), Weights(*(jnp.asarray(w) for w in weights))))

    adam = optax.adam(0.05)
    model = as_float64(initial)
    change, _ = adam.update(jax.grad(weighted)(model), adam.init(model))
    moved = optax.apply_updates(model, change)
    watch = [float(jnp.sum(held_out * loss(scores(m), Weights(*weights)))) for m in (model, moved)]
    for ours, theirs in zip(found, model if watch[0] <= watch[1] else moved, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_patience_changes_nothing_while_models_improve(problem):
    """Stopping early returns the best model so far; with the whole number of steps as patience, that of all steps."""
    initial, target, _ = problem
    held_out = np.zeros_like(target)
    held_out[0] = 1
    full, patient, hasty = (
        fit_dense(initial, target, held_out, steps=200, patience=patience, step_size=0.3) for patience in (None, 200, 1)
    )
    watch = [float(jnp.sum(held_out * value(scores(model), target))) for model in (full, patient, hasty)]
    assert watch[0] == watch[1] <= watch[2]


@pytest.mark.slow
def test_naive_row_of_the_sheet_is_within_reach():
    """Made-up worlds of 150 × 150: the sheet's relative losses of the naive loss, means of 3 worlds to two decimals,
    against 20 other worlds, in which the unbiased loss is better on average: Student's law, error 1e-6 for all."""
    sheet = {0.5: 1.28, 1.0: 1.51, 2.0: 1.90}
    rng, count = np.random.default_rng(11), 20
    far = student.isf(1e-6 / 9, count - 1)
    world = ratings(150, 150).draw(rng, count)
    events = draw_events(rng, world.relevance)
    held_out = (rng.random(world.relevance.shape) < 0.1).astype(np.float32)
    initial = Factors(*(np.stack(x) for x in zip(*[start(rng, 150, 150) for _ in range(count)], strict=True)))

    def expected_loss(target):
        score = scores(fit_dense(initial, target.astype(np.float32), held_out))
        return np.asarray(value(score, world.relevance)).mean(axis=(1, 2))

    oracle = expected_loss(world.relevance)
    for power, expected in sheet.items():
        propensity = world.propensity(power)
        click = events.click(propensity)
        naive, unbiased = (expected_loss(clipped(click, propensity, clip=c).positive) / oracle for c in (1.0, 0.0))
        assert abs(naive.mean() - expected) < far * naive.std(ddof=1) * np.sqrt(1 / count + 1 / 3) + 0.005
        better = naive - unbiased
        assert better.mean() > far * better.std(ddof=1) / np.sqrt(count)
