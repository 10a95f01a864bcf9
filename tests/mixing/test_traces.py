"""The tabular reasoning world: gradients against derivatives, closed forms, switches, sampling, array libraries."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from lab.family import family, integers, log_uniform, normal, uniform
from lab.inference.rounding import error, rounded, value
from lab.mixing.closed_form import Moments, optimal_weight
from lab.mixing.traces import TraceWorld, shared_worlds, tabular_design, token_design

TRACES, ANSWERS, PROMPTS, DIM = 3, 3, 2, 4


def worlds(count=5, seed=0, **changes):
    parameters = {
        "reference": normal(1, shape=(DIM,)),
        "direction": normal(1, shape=(DIM,)),
        "drift": uniform(0, 2),
        "design": normal(1, shape=(PROMPTS, TRACES * (1 + ANSWERS), DIM)),
        "preferred": integers(0, ANSWERS - 1, shape=(PROMPTS,)),
        "step": integers(1, ANSWERS - 1, shape=(PROMPTS,)),
        "beta": log_uniform(0.2, 3),
        "flip_rate": uniform(0, 0.4),
    }
    drawn = family(shared_worlds, **(parameters | changes), traces=TRACES, answers=ANSWERS)
    return drawn.draw(np.random.default_rng(seed), count)


def single(world, index=0):
    return jax.tree_util.tree_map(lambda field: field[index], world)


def gradients(world):
    moments, target = world.moments(given="nothing")
    return {"ideal": target, "trace": target + moments.bias_trace, "empty": target + moments.bias_empty}


@pytest.mark.parametrize("law", ["posterior", "posterior_without_empty", "prior"])
@pytest.mark.parametrize("loss", ["ideal", "trace", "empty"])
def test_expected_gradients_are_the_derivatives_of_the_losses(loss, law):
    world = replace(single(worlds()), trace_law=law)
    function, found = getattr(world, f"{loss}_loss"), gradients(world)[loss]
    np.testing.assert_allclose(found, jax.grad(function)(jax.numpy.asarray(world.theta)), atol=1e-14)
    # Central differences with Richardson's extrapolation, in NumPy.
    for i, unit in enumerate(np.eye(DIM)):
        coarse, fine = (
            (function(world.theta + h * unit) - function(world.theta - h * unit)) / (2 * h) for h in (2e-3, 1e-3)
        )
        assert (4 * fine - coarse) / 3 == pytest.approx(found[i], abs=1e-9)


def test_another_pair_for_the_empty_loss():
    world = worlds()
    other = 3 - world.preferred - world.rejected
    world = replace(world, preferred_empty=other, same_pairs=False)
    before, now = gradients(replace(world, same_pairs=True)), gradients(world)
    np.testing.assert_array_equal(before["trace"], now["trace"])
    one = single(world)
    np.testing.assert_allclose(now["empty"][0], jax.grad(one.empty_loss)(jax.numpy.asarray(one.theta)), atol=1e-14)
    assert np.all(np.abs(now["empty"] - before["empty"]).max(axis=-1) > 1e-3)
    np.testing.assert_array_equal(world.moments(given="nothing")[0].cov, 0)


def test_policy_and_laws_are_probabilities():
    world = worlds()
    log_trace, log_answer = world.log_policy(world.theta)
    np.testing.assert_allclose(np.exp(log_trace).sum(-1), 1)
    np.testing.assert_allclose(np.exp(log_answer).sum(-1), 1)
    for law in ("posterior", "posterior_without_empty", "prior"):
        out = replace(world, trace_law=law).outcomes()
        np.testing.assert_allclose(out.chance.sum((-2, -1)), 1)
        np.testing.assert_allclose(out.law.sum((-2, -1)), 1)
    without = replace(world, trace_law="posterior_without_empty").outcomes().law
    assert np.all(without[..., 0, :] == 0)
    assert np.all(without[..., :, 0] == 0)


def test_laws_of_the_traces_by_bayes_rule():
    world = single(worlds())
    log_trace, log_answer = world.log_policy(world.reference)
    joint = np.exp(log_trace)[..., None] * np.exp(log_answer)
    for prompt, (first, second) in enumerate(zip(world.preferred, world.rejected, strict=True)):
        posterior = [joint[prompt, :, y] / joint[prompt, :, y].sum() for y in (first, second)]
        found = {law: replace(world, trace_law=law).outcomes().law[prompt, 0] for law in ("posterior", "prior")}
        np.testing.assert_allclose(found["posterior"], np.outer(*posterior), rtol=1e-12)
        np.testing.assert_allclose(found["prior"], np.outer(*[np.exp(log_trace)[prompt]] * 2), rtol=1e-12)


def test_scores_have_mean_zero_under_the_policy():
    world = worlds()
    policy = world.log_policy(world.theta)
    joint = np.exp(policy[0][..., None] + policy[1])
    mean = 0
    for answer in range(ANSWERS):
        scores = world.scores(policy, np.full_like(world.preferred, answer))
        mean = mean + np.sum(joint[..., answer, None] * scores, axis=-2)
    np.testing.assert_allclose(mean, 0, atol=1e-14)


@pytest.mark.parametrize("traces", [2, 3, 5])
@pytest.mark.parametrize("answers", [2, 3, 4])
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_initial_weight_by_hand(traces, answers, beta):
    """One prompt, all logits 0: norms and α* = K/(3K − 1), the sheet's fixture."""
    world = at_zero(traces, answers, beta)
    moments, target = world.moments(given="pair")
    clean = Moments(*(x[0, 0] for x in moments))
    square = beta**2 / 2
    assert np.sum(target[0, 0] ** 2) == pytest.approx(square / traces, rel=1e-14)
    assert np.abs(clean.bias_trace).max() < 1e-15
    assert np.sum(clean.bias_empty**2) == pytest.approx(square * (1 - 1 / traces), rel=1e-14)
    assert clean.var_trace == pytest.approx(square * (1 - 1 / traces) * (2 - 1 / answers), rel=1e-14)
    assert optimal_weight(*clean) == pytest.approx(answers / (3 * answers - 1), rel=1e-14)


def at_zero(traces=3, answers=3, beta=1.0, flip_rate=0.0):
    start, first, second = np.zeros(traces * (1 + answers)), np.array([0]), np.array([1])
    pair = (first, second)
    numbers = (np.array(beta), np.array(flip_rate))
    return TraceWorld(
        start, start, tabular_design(traces, answers), *pair, *pair, *numbers, traces=traces, answers=answers
    )


def test_flipped_labels_flip_the_gradient_at_the_reference():
    world = at_zero(flip_rate=0.3)
    out = world.outcomes()
    np.testing.assert_allclose(out.trace[:, 1], -out.trace[:, 0])
    _, target = replace(world, flip_rate=np.array(0.0)).moments(given="nothing")
    _, noisy = world.moments(given="nothing")
    np.testing.assert_allclose(noisy, (1 - 2 * 0.3) * target)


def test_law_of_total_variance():
    world = worlds()
    within, between = world.trace_noise()
    np.testing.assert_allclose(within + between, world.moments(given="nothing")[0].var_trace)
    np.testing.assert_allclose(within, within_by_hand(world))


def within_by_hand(world):
    moments, _ = world.moments(given="pair")
    return np.sum(world.outcomes().chance * moments.var_trace, axis=(-2, -1))


def test_worlds_of_a_batch_are_independent():
    many = worlds()
    together = many.moments(given="pair")[0]
    for i in range(5):
        alone = single(many, i).moments(given="pair")[0]
        for ours, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours[i], theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("given", ["pair", "nothing"])
def test_jax_and_tracked_arrays_agree_with_numpy(given):
    world = worlds()
    plain = world.moments(given=given)
    compiled = jax.jit(lambda w: w.moments(given=given))(world)
    tracked = rounded(world).moments(given=given)
    for ours, in_jax, bounded in zip(*(map(jax.tree_util.tree_leaves, (plain, compiled))), flat(tracked), strict=True):
        np.testing.assert_allclose(in_jax, ours, rtol=1e-11, atol=1e-13)
        assert np.all(np.abs(value(bounded) - ours) <= 2 * error(bounded) + 1e-300)
        assert np.all(error(bounded) < 1e-9)


def flat(found):
    return [*found[0], found[1]]


@pytest.mark.parametrize("same_pairs", [True, False])
def test_samples_have_the_enumerated_mean_and_covariance(same_pairs):
    """Hoeffding's inequality for every mean and product of bounded coordinates; all hold but once in 10^9 tests."""
    world = replace(single(worlds()), same_pairs=same_pairs)
    draws = 200_000
    trace, empty = (np.asarray(g) for g in world.sample(jax.random.key(1), draws))
    moments, target = world.moments(given="nothing")
    out = world.outcomes()
    for sample, mean, all_of_it in (
        (trace, target + moments.bias_trace, out.trace),
        (empty, target + moments.bias_empty, out.empty),
        (
            np.sum(trace * empty, axis=-1),
            moments.cov + (target + moments.bias_trace) @ (target + moments.bias_empty),
            None,
        ),
    ):
        width = (
            2 * np.abs(all_of_it).max()
            if all_of_it is not None
            else 2 * DIM * np.abs(out.trace).max() * np.abs(out.empty).max()
        )
        allowed = width * np.sqrt(np.log(2 * (2 * DIM + 1) / 1e-9) / (2 * draws))
        assert np.all(np.abs(sample.mean(axis=0) - mean) <= allowed)
    assert np.abs(moments.cov) > 1e-3 or not same_pairs


def test_token_traces():
    """Tokens are independent given that there is a trace, with the two tokens' own probabilities."""
    design = token_design(3, 2)
    assert design.shape == (1, 9 * 3, 5)
    parameters = np.array([-0.4, 0.3, -0.2, 0.1, 0.5])
    logits = design[0] @ parameters
    words = np.exp(logits[1:9] - np.log(np.exp(logits[1:9]).sum()))
    token = np.exp(parameters[1:3]) / np.exp(parameters[1:3]).sum()
    for number, chance in enumerate(words):
        bits = [(number >> i) & 1 for i in range(3)]
        assert chance == pytest.approx(np.prod([token[b] for b in bits]))
    assert logits[0] == parameters[0]
    np.testing.assert_array_equal(logits[9:].reshape(9, 2), np.tile(parameters[3:], (9, 1)))
    copies = token_design(3, 2, copies=True)[0] @ parameters
    np.testing.assert_allclose(copies[1:3], 3 * parameters[1:3])
