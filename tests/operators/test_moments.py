"""Exact second moments against enumeration of every coin and batch, and against sampled runs of the methods."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from lab.operators import steps
from lab.operators.finite_sums import LinearSum, average_cocoercivity
from lab.operators.moments import batch_noise, page_halpern_moments
from lab.operators.noisy import halpern_moments
from lab.operators.problems import bilinear_sum, coordinate_sum
from lab.operators.resolvent_moments import (
    Inner,
    binary_powers,
    contraction,
    inner_map,
    inner_parameters,
    outer_moments,
    relative_error,
)
from lab.operators.schedules import anchor_weight, potential, reset_probability

ONCE_IN_A_MILLION = norm.isf(1e-6 / 2)  # standard errors of a mean of tens of thousands


def twisted(rng, n, dim):
    skew = rng.normal(size=(n, dim, dim))
    a = rng.normal(size=(n, dim))
    return a[:, :, None] * a[:, None, :] + 0.3 * (skew - np.swapaxes(skew, 1, 2))


def enumerated(matrices, start, step, resets, batch, length):
    """E‖F(u_k)‖², E C_k and E‖e_k‖² by walking through every outcome of every coin and batch."""
    n, mean = len(matrices), matrices.mean(axis=0)
    batches = list(product(range(n), repeat=batch))
    worlds = [(1.0, start, start, mean @ start)]  # probability, u, previous u, estimate
    found = []
    for k in range(length):
        if k:
            split = []
            for chance, u, before, estimate in worlds:
                split.append((chance * resets[k], u, before, mean @ u))
                share = chance * (1 - resets[k]) / len(batches)
                for chosen in batches if share else []:
                    moved = np.mean([matrices[i] @ (u - before) for i in chosen], axis=0)
                    split.append((share, u, before, estimate + moved))
            worlds = split
        values = [(c, mean @ u, u - start, estimate - mean @ u) for c, u, _, estimate in worlds]
        square = sum(c * v @ v for c, v, _, _ in values)
        inner = sum(c * v @ d for c, v, d, _ in values)
        found.append(
            (square, potential(square, inner, iteration=k, step_size=step), sum(c * e @ e for c, *_, e in values))
        )
        worlds = [
            (c, steps.page_halpern(u, start, e, anchor=2 / (k + 4), step_size=step)[0], u, e) for c, u, _, e in worlds
        ]
    return np.array(found).T


def test_moments_by_enumeration():
    rng = np.random.default_rng(1)
    matrices, start = twisted(rng, 3, 2), np.array([1.0, -0.5])
    step = 0.25 / average_cocoercivity(matrices)
    resets = np.array([1.0, 1.0, 0.6, 0.3, 0.5])
    path = page_halpern_moments(
        batch_noise(matrices, batch=2), start[:, None], step_size=step, anchor_weights=anchor_weight(np.arange(5)),
        reset_probabilities=resets,
    )  # fmt: skip
    square, value, noise = enumerated(matrices, start, step, resets, 2, 5)
    np.testing.assert_allclose(path.square, square, rtol=1e-13)
    np.testing.assert_allclose(path.potential, value, rtol=1e-12)
    np.testing.assert_allclose(path.noise, noise, rtol=1e-12, atol=1e-16)
    assert np.all(np.abs(np.asarray(path.square) - square) <= np.asarray(path.square_error) + 1e-15 * square)
    assert np.all(np.asarray(path.square_error) < 1e-11)


def test_two_orders_of_a_random_start_agree():
    """A start with second moment SSᵀ is the mean over its columns' directions."""
    rng = np.random.default_rng(2)
    matrices = twisted(rng, 8, 3)
    root = rng.normal(size=(3, 2))
    settings = {
        "step_size": 0.02,
        "anchor_weights": anchor_weight(np.arange(30)),
        "reset_probabilities": reset_probability(8, np.arange(30)),
    }
    noise = batch_noise(matrices, batch=3)
    both = page_halpern_moments(noise, root, **settings)
    apart = [page_halpern_moments(noise, root[:, i : i + 1], **settings) for i in range(2)]
    np.testing.assert_allclose(both.square, apart[0].square + apart[1].square, rtol=1e-12)


def test_batches_without_replacement_shrink_the_noise():
    matrices = coordinate_sum(4).matrices
    full = batch_noise(matrices, batch=3, count=16)
    without = batch_noise(matrices, batch=3, count=16, replacement=False)
    np.testing.assert_allclose(without.spread, full.spread * 13 / 15)
    assert not np.any(batch_noise(matrices, batch=4, count=4, replacement=False).spread)


def test_no_resets_let_the_potential_grow():
    """Coordinates, d = 6, n = 402, 1,500 iterations: 5·10⁴ times the start, and never above it with resets."""
    matrices = coordinate_sum(6).matrices
    start = np.random.default_rng(0).normal(size=(6, 1))
    growth = []
    k = np.arange(1500)
    for resets in (reset_probability(402, k), (k < 2) * 1.0):
        path = page_halpern_moments(
            batch_noise(matrices, batch=20, count=400), start, step_size=1 / 24, anchor_weights=anchor_weight(k),
            reset_probabilities=resets,
        )  # fmt: skip
        growth.append(float(np.max(path.potential) / path.potential[0]))
    assert growth[0] == 1.0
    assert growth[1] == pytest.approx(5e4, abs=5e3)


def inner_runs(matrices, inner, centre, length, runs):
    """Sampled squared distances of the inner solver to its goal."""
    rng = np.random.default_rng(3)
    eta, tau, p = inner
    mean = matrices.mean(axis=0)
    goal = np.linalg.solve(np.eye(len(mean)) + eta * mean, centre)
    v = w = before = np.tile(centre, (runs, 1))
    for _ in range(length):
        chosen = matrices[rng.integers(len(matrices), size=runs)]
        value = eta * w @ mean.T + w - centre + eta * np.einsum("rij,rj->ri", chosen, v - before) + v - before
        after = steps.forward(steps.anchored(v, w, anchor=p), value, step_size=tau)
        before = w
        w = np.where(rng.uniform(size=(runs, 1)) < p, after, w)
        v = after
    return np.sum((v - goal) ** 2, axis=1) / np.sum((centre - goal) ** 2)


def test_inner_solver_against_samples():
    matrices, centre = bilinear_sum(0.7).matrices, np.array([1.0, 0.5])
    inner = inner_parameters(8, float(np.sqrt(1.49)))
    exact = relative_error(matrices, centre, inner, 24)
    found = inner_runs(matrices, inner, centre, 24, 20_000)
    assert abs(found.mean() - exact[24]) < ONCE_IN_A_MILLION * found.std() / np.sqrt(len(found))
    assert exact[0] == 1.0
    rate = contraction(matrices, inner)
    late = relative_error(matrices, centre, inner, 400)
    assert (late[400] / late[300]) ** 0.01 == pytest.approx(rate, rel=1e-7)  # all other eigenvalues are forgotten


def test_powers_are_right_to_the_last_place():
    matrix = inner_map(bilinear_sum(0.5).matrices, inner_parameters(16, 1.2))
    powers = binary_powers(matrix, 5)
    np.testing.assert_array_equal(powers[0], matrix)
    np.testing.assert_allclose(powers[4], np.linalg.matrix_power(matrix, 16), rtol=1e-9, atol=1e-13)


def test_exact_resolvents_in_the_limit():
    """Many inner steps: Algorithm 2 is Halpern iteration on the exact resolvent."""
    matrices, n = bilinear_sum(0.5).matrices, 16
    inner = inner_parameters(n, float(np.sqrt(1.25)))
    path = outer_moments(matrices, np.array([1.0, 0.0]), inner, np.full(6, 2000))
    mean = matrices.mean(axis=0)
    resolvent = np.linalg.inv(np.eye(2) + inner.resolvent_step * mean)
    point = start = np.array([1.0, 0.0])
    for k in range(6):
        output = resolvent @ point
        point = steps.anchored(output, start, anchor=1 / (k + 2))
        assert path.inner_output[k] == pytest.approx(np.sum((mean @ output) ** 2), abs=1e-11)
        assert path.anchored[k] == pytest.approx(np.sum((mean @ point) ** 2), abs=1e-11)


def test_inner_parameters():
    inner = inner_parameters(100, 2.0)
    assert inner == Inner(5.0, pytest.approx(0.5 * np.sqrt(0.01 * 0.99) / 11), 0.01)


@pytest.mark.parametrize("lasting", [False, True])
def test_noisy_halpern_against_samples(lasting):
    rng = np.random.default_rng(4)
    curvature, start, runs = np.array([0.9, 0.05]), np.array([1.0, -2.0]), 40_000
    found = halpern_moments(curvature, start, lambda k: np.array(0.3 / k), steps=12, smoothness=1.0, lasting=lasting)
    once = rng.normal(size=(runs, 2))
    u = np.tile(start, (runs, 1))
    for k in range(1, 12):
        noise = (once if lasting else rng.normal(size=(runs, 2))) * np.sqrt(0.3 / k)
        u = start / (k + 2) + (k + 1) / (k + 2) * (u - (curvature * u + noise))
    squares = np.sum((curvature * u) ** 2, axis=1)
    assert abs(squares.mean() - found.square[11]) < ONCE_IN_A_MILLION * squares.std() / np.sqrt(runs)


def test_linear_sum_operator_and_batch():
    rng = np.random.default_rng(5)
    sums = LinearSum(jnp.asarray(rng.normal(size=(3, 2, 2))), jnp.asarray(rng.normal(size=(3, 2))), copies=2)
    u = jnp.asarray(rng.normal(size=2))
    assert sums.count == 6
    np.testing.assert_allclose(sums.batch(jnp.arange(6), u), sums.operator(u), rtol=1e-12)
    np.testing.assert_allclose(sums.operator(sums.solution()), 0, atol=1e-12)
    assert jax.tree_util.tree_structure(sums).num_leaves == 2
