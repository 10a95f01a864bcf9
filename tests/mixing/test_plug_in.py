"""The weight estimated from samples: unbiased parts, large samples, invariances, array libraries, bad input."""

from itertools import product

import jax
import numpy as np
import pytest

from lab.mixing import closed_form as mixing
from lab.mixing.closed_form import Moments
from lab.mixing.plug_in import sample_moments, weight_over_data, weight_per_pair
from tests.libraries import assert_libraries_agree
from tests.mixing.test_closed_form import enumerated, outcomes
from tests.unannotated import assert_refused, unannotated


def every_sample(chance, *gradients, size):
    """All samples of this size with their probabilities, for one law."""
    ways = np.array(list(product(range(len(chance)), repeat=size)))
    return np.prod(chance[ways], axis=-1), *(g[ways] for g in gradients)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("size", [2, 3])
def test_parts_per_pair_are_unbiased_by_enumeration(size, known):
    chance, trace, empty, target = outcomes(2, count=5)
    empty = np.broadcast_to(empty[0], empty.shape)
    if not known:  # then the trace gradient is taken as unbiased: let it be
        target = chance @ trace
    around, _ = enumerated(chance, trace, empty, target)
    weight, samples = every_sample(chance, trace, size=size)
    found = weight_per_pair(
        samples, np.broadcast_to(empty[0], (len(samples), 3)), target=target if known else None, smoothness_step=0.3
    )
    apart = around.bias_empty - around.bias_trace
    assert weight @ found.numerator == pytest.approx(around.bias_empty @ apart, rel=1e-12)
    assert weight @ found.denominator == pytest.approx(apart @ apart + 0.3 * around.var_trace, rel=1e-12)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("size", [2, 4])
def test_parts_over_data_are_unbiased_by_enumeration(size, known):
    chance, trace, empty, target = outcomes(4, count=4)
    if not known:
        target = chance @ trace
    around = mixing.batched(enumerated(chance, trace, empty, target)[0], batch=7)
    weight, traces, empties = every_sample(chance, trace, empty, size=size)
    # Samples without any spread and without distance do not occur here: all gradients differ.
    found = weight_over_data(traces, empties, batch=7, target=target if known else None, smoothness_step=0.3)
    apart = around.bias_empty - around.bias_trace
    noise = around.var_empty - around.cov
    assert weight @ found.numerator == pytest.approx(around.bias_empty @ apart + 0.3 * noise, rel=1e-11)
    spread = around.var_trace + around.var_empty - 2 * around.cov
    assert weight @ found.denominator == pytest.approx(apart @ apart + 0.3 * spread, rel=1e-11)


def test_sample_moments_are_those_of_the_samples():
    rng = np.random.default_rng(0)
    trace, empty, target = rng.normal(size=(2, 9, 3)), rng.normal(size=(2, 9, 3)), rng.normal(size=(2, 3))
    found = sample_moments(trace, empty, target)
    for i in range(2):
        joint = np.cov(np.concatenate([trace[i], empty[i]], axis=1).T)
        assert found.var_trace[i] == pytest.approx(np.trace(joint[:3, :3]))
        assert found.var_empty[i] == pytest.approx(np.trace(joint[3:, 3:]))
        assert found.cov[i] == pytest.approx(np.trace(joint[:3, 3:]))
        np.testing.assert_allclose(found.bias_trace[i], trace[i].mean(axis=0) - target[i])
        np.testing.assert_allclose(found.bias_empty[i], empty[i].mean(axis=0) - target[i])


def exact_sample(chance, *gradients, size):
    """A sample whose frequencies are the law's, for a law of multiples of 1/size."""
    counts = np.round(chance * size).astype(int)
    assert counts.sum() == size
    return tuple(np.repeat(g, counts, axis=0) for g in gradients)


def corrected_weight(around, rest, *, noise):
    """The weight of these moments where covariances are 1 + rest times theirs, and a squared mean is freed of noise."""
    apart = around.bias_empty - around.bias_trace
    spread = around.var_trace + around.var_empty - 2 * around.cov
    distance = apart @ apart - rest * spread
    numerator = distance + noise * (1 + rest) * (around.var_empty - around.cov)
    return numerator / (distance + noise * (1 + rest) * spread)


@pytest.mark.parametrize("rho", [1.0, 0.1])
@pytest.mark.parametrize("size", [10, 100_000])
def test_samples_with_the_frequencies_of_the_law_give_the_optimal_weight_but_for_corrections(size, rho):
    """All that remains is n/(n − 1) = 1 + rest, known exactly, and nothing for n → ∞."""
    _, trace, empty, _ = outcomes(6, count=4)
    chance, rest = np.array([0.1, 0.2, 0.3, 0.4]), 1 / (size - 1)
    target = chance @ trace
    around = enumerated(chance, trace, empty, target)[0]
    found = weight_over_data(*exact_sample(chance, trace, empty, size=size), batch=5, smoothness_step=rho)
    assert found.unclipped == pytest.approx(corrected_weight(around, rest, noise=rho / 5), rel=1e-10)
    best = mixing.unclipped_weight(*mixing.batched(around, batch=5), smoothness_step=rho)
    assert corrected_weight(around, 0.0, noise=rho / 5) == pytest.approx(best, rel=1e-12)
    around = enumerated(chance, trace, np.broadcast_to(empty[0], empty.shape), target)[0]
    (samples,) = exact_sample(chance, trace, size=size)
    found = weight_per_pair(samples, empty[0], smoothness_step=rho)
    assert found.unclipped == pytest.approx(corrected_weight(around, rest, noise=rho), rel=1e-10)
    best = mixing.unclipped_weight(*around, smoothness_step=rho)
    assert corrected_weight(around, 0.0, noise=rho) == pytest.approx(best, rel=1e-12)


def test_standard_error_is_the_derivative_of_the_ratio():
    """The delta method with numeric derivatives of its three parts, a squared mean and two covariances, by the weight
    of each sample; the ratio is taken where the parts are free of bias."""
    rng = np.random.default_rng(1)
    trace, empty = rng.normal(size=(40, 3)) + 1.0, rng.normal(size=(40, 3))
    found = weight_over_data(trace, empty, batch=3)

    apart = trace - empty

    def parts(weights):
        weights = weights / weights.sum()

        def cov(x, y):
            return weights @ np.sum((x - weights @ x) * (y - weights @ y), axis=1)

        return np.array([np.sum((weights @ apart) ** 2), cov(-empty, apart), cov(apart, apart)])

    flat = np.ones(40)
    square, shared, spread = parts(flat) * [1, 40 / 39, 40 / 39]
    distance = square - spread / 40
    ratio = (distance + shared / 3) / (distance + spread / 3)
    assert found.unclipped == pytest.approx(ratio, rel=1e-12)
    # Central differences with a step of 1e-5: right to 1e-10, and to rounding over the step.
    by_part = np.array([(parts(flat + 1e-5 * e) - parts(flat - 1e-5 * e)) / 2e-5 * 40 for e in np.eye(40)])
    influence = by_part @ [1 - ratio, 1 / 3, -ratio / 3] / (distance + spread / 3)
    assert found.standard_error == pytest.approx(np.sqrt(np.sum(influence**2) / (40 * 39)), rel=1e-8)


def test_order_and_rotation_of_the_samples_do_not_matter():
    rng = np.random.default_rng(2)
    trace, empty = rng.normal(size=(2, 12, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    order = rng.permutation(12)
    for function in (lambda t, e: weight_over_data(t, e, batch=2), lambda t, e: weight_per_pair(t, e.mean(axis=0))):
        before, after = function(trace, empty), function(trace[order] @ turn, empty[order] @ turn)
        np.testing.assert_allclose(before, after, rtol=1e-11)


def test_batches_of_problems_are_independent():
    rng = np.random.default_rng(3)
    trace, empty = rng.normal(size=(2, 5, 2, 8, 3))
    together = weight_over_data(trace, empty, batch=2)
    pairwise = weight_per_pair(trace, empty[..., 0, :])
    for i in np.ndindex(5, 2):
        np.testing.assert_allclose([x[i] for x in together], weight_over_data(trace[i], empty[i], batch=2), rtol=1e-12)
        np.testing.assert_allclose([x[i] for x in pairwise], weight_per_pair(trace[i], empty[i][0]), rtol=1e-12)


TARGET = np.array([0.5, -0.2, 0.1])


@pytest.mark.parametrize("part", range(1, 5))
@pytest.mark.parametrize("target", [None, TARGET])
def test_array_libraries_agree(part, target):
    def over_data(t, e):
        goal = None if target is None else (t[0] * 0 + 1) * _like(t, target)
        return weight_over_data(t, e, batch=4, target=goal)[part]

    def per_pair(t, e):
        goal = None if target is None else (t[0] * 0 + 1) * _like(t, target)
        return weight_per_pair(t, e[0], target=goal)[part]

    rng = np.random.default_rng(4)
    trace, empty = rng.normal(size=(7, 3)) + 0.5, rng.normal(size=(7, 3))
    assert_libraries_agree(over_data, trace, empty)
    assert_libraries_agree(per_pair, trace, empty)


def _like(array, numbers):
    from lab.arrays import namespace

    return namespace(array).asarray(numbers)


def test_sample_moments_in_all_libraries():
    rng = np.random.default_rng(5)
    trace, empty, target = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), rng.normal(size=3)
    for part in range(5):
        assert_libraries_agree(lambda *x, part=part: sample_moments(*x)[part], trace, empty, target)


def test_bad_samples_are_refused():
    x = np.random.default_rng(6).normal(size=(4, 3))
    with pytest.raises(ValueError, match="at least 2 samples"):
        weight_per_pair(x[:1], x[0])
    with pytest.raises(ValueError, match="at least 2 samples"):
        weight_over_data(x[:1], x[:1], batch=2)
    with pytest.raises(ValueError, match="shapes must agree"):
        weight_over_data(x, np.stack([x, x]), batch=2)
    with pytest.raises(ValueError, match="trace = nan"):
        weight_per_pair(np.where(x > 0, np.nan, x), x[0])
    with pytest.raises(ValueError, match="batch = 0"):
        weight_over_data(x, x + 1, batch=0)
    with pytest.raises(ValueError, match="target = inf"):
        weight_per_pair(x, x[0], target=np.full(3, np.inf))
    with pytest.raises(ValueError, match="coincide"):
        weight_per_pair(np.stack([x[0]] * 3), x[0])
    with pytest.raises(ValueError, match="coincide"):
        weight_over_data(x, x, batch=2)
    with pytest.raises(ValueError, match="smoothness_step = -1"):
        weight_per_pair(x, x[0], smoothness_step=-1.0)


def test_a_distance_within_its_noise_counts_as_none():
    trace = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = weight_per_pair(trace, np.zeros(2), smoothness_step=0.1)
    assert found.numerator == pytest.approx(-1 / 3)
    assert found.denominator == pytest.approx(-1 / 3 + 0.1 * 4 / 3)
    assert found.weight == found.unclipped == 0


def test_moments_are_plain_tuples_of_arrays():
    assert Moments(1, 2, 3, 4, 5)[2:] == (3, 4, 5)


WRONG_SHAPES = {
    "empty": (weight_per_pair, [(5, 3), (1,)], r"empty has \(1,\), trace\[\.\.\., 0, :\] has \(3,\)"),
    "problems": (weight_per_pair, [(2, 5, 3), (4, 3)], r"empty has \(4, 3\), trace\[\.\.\., 0, :\] has \(2, 3\)"),
    "target": (
        lambda t, e, g: weight_over_data(t, e, batch=2, target=g),
        [(5, 3), (5, 3), (1,)],
        r"target has \(1,\), trace\[\.\.\., 0, :\] has \(3,\)",
    ),
    "target of a pair": (lambda t, e, g: weight_per_pair(t, e, target=g), [(5, 3), (3,), (1,)], r"target has \(1,\)"),
    "moments": (sample_moments, [(5, 3), (5, 3), (1,)], r"target has \(1,\)"),
    "samples": (sample_moments, [(5, 3), (1, 3), (3,)], r"trace has \(5, 3\), empty has \(1, 3\)"),
    "one vector": (weight_per_pair, [(3,), (3,)], r"trace has \(3,\): needs at least 2 samples"),
    "steps": (
        lambda t, e, s: weight_per_pair(t, e, smoothness_step=s + 1 if hasattr(s, "shape") else [1.0] * 3),
        [(2, 5, 3), (2, 3), (3,)],
        r"smoothness_step has \(3,\), trace\[\.\.\., 0, 0\] has \(2,\)",
    ),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_shapes_that_do_not_agree_are_refused(name):
    call, shapes, message = WRONG_SHAPES[name]
    assert_refused(call, *map(np.zeros, shapes), match=message)
    with unannotated(), pytest.raises(ValueError, match=message):
        jax.jit(call)(*(jax.numpy.zeros(shape) for shape in shapes))


def test_lists_and_one_empty_gradient_for_all_problems():
    trace = np.random.default_rng(7).normal(size=(2, 5, 3))
    together = weight_per_pair(trace, np.ones((2, 3)))
    with unannotated():
        np.testing.assert_allclose(weight_per_pair(trace.tolist(), [1.0, 1.0, 1.0]), together)
    found = jax.jit(jax.vmap(weight_per_pair))(trace, np.ones((2, 3)))
    np.testing.assert_allclose(found, together, rtol=1e-12)
