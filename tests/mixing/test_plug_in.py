"""The weight estimated from samples: unbiased parts, large samples, invariances, array libraries, bad input."""

from itertools import product

import numpy as np
import pytest

from lab import mixing
from lab.mixing import Moments, sample_moments, weight_over_data, weight_per_pair
from tests.libraries import assert_libraries_agree
from tests.mixing.test_closed_form import enumerated, outcomes


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


@pytest.mark.parametrize("rho", [1.0, 0.1])
def test_large_samples_give_the_optimal_weight(rho):
    _, trace, empty, _ = outcomes(6, count=4)
    chance, size = np.array([0.1, 0.2, 0.3, 0.4]), 100_000
    target = chance @ trace
    around = enumerated(chance, trace, empty, target)[0]
    found = weight_over_data(*exact_sample(chance, trace, empty, size=size), batch=5, smoothness_step=rho)
    # With the law's own frequencies only the corrections of order 1/size remain.
    best = mixing.unclipped_weight(*mixing.batched(around, batch=5), smoothness_step=rho)
    assert found.unclipped == pytest.approx(best, abs=100 / size)
    around = enumerated(chance, trace, np.broadcast_to(empty[0], empty.shape), target)[0]
    (samples,) = exact_sample(chance, trace, size=size)
    found = weight_per_pair(samples, empty[0], smoothness_step=rho)
    assert found.unclipped == pytest.approx(mixing.unclipped_weight(*around, smoothness_step=rho), abs=100 / size)


def test_standard_error_is_the_derivative_of_the_ratio():
    """The same error from a numeric derivative of the ratio by each sample's weight."""
    rng = np.random.default_rng(1)
    trace, empty = rng.normal(size=(40, 3)) + 1.0, rng.normal(size=(40, 3))
    found = weight_over_data(trace, empty, batch=3)

    def ratio(weights):
        weights = weights / weights.sum()
        apart = trace - empty
        mean, size = weights @ apart, len(weights)

        def cov(x, y):
            return weights @ np.sum((x - weights @ x) * (y - weights @ y), axis=1) * size / (size - 1)

        distance = mean @ mean - cov(apart, apart) / size
        return (distance + cov(-empty, apart) / 3) / (distance + cov(apart, apart) / 3)

    flat = np.ones(40)
    influence = np.array([(ratio(flat + 1e-5 * e) - ratio(flat - 1e-5 * e)) / 2e-5 * 40 for e in np.eye(40)])
    assert found.unclipped == pytest.approx(ratio(flat), rel=1e-12)
    # The influences of the covariances' own corrections are of relative order 1/n.
    assert found.standard_error == pytest.approx(np.sqrt(np.sum(influence**2) / (40 * 39)), rel=2 / 40)


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
