"""Problems, projections and methods: components average to the operator, evaluations are counted, limits warn."""

import warnings
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from optax import projections as optax_projections

from lab.inference.intervals import clopper_pearson
from lab.operators import methods, problems
from lab.operators.advice import break_even, examine, predicted_evaluations
from lab.operators.finite_sums import (
    NotMonotone,
    average_cocoercivity,
    average_lipschitz,
    mean_gram,
    operator_norm,
    sharpness,
    symmetric_part,
)
from lab.operators.limits import StepSizeWarning
from lab.operators.projections import Simplices, box, simplex
from lab.operators.resolvent_moments import contraction, inner_parameters
from lab.operators.runs import natural_residual, residual, run

RNG = np.random.default_rng(0)
GAME = problems.matrix_game(RNG.normal(size=(6, 6)))
SADDLE = problems.ouyang_xu(5)
HUBER = problems.regression(RNG.normal(size=(7, 3)), RNG.normal(size=7), threshold=0.8)
ON_DEVICE = [jax.tree_util.tree_map(jnp.asarray, p) for p in (GAME, SADDLE, SADDLE.dense(), HUBER)]


def point_for(problem):
    size = 3 if isinstance(problem, problems.Regression) else 2 * problem.count
    return jnp.asarray(np.random.default_rng(1).normal(size=size))


@pytest.mark.parametrize("problem", ON_DEVICE, ids=lambda p: type(p).__name__)
def test_components_average_to_the_operator(problem):
    u = point_for(problem)
    every = jnp.arange(problem.count)
    np.testing.assert_allclose(problem.batch(every, u), problem.operator(u), rtol=1e-12, atol=1e-13)
    single = jnp.stack([problem.batch(jnp.array([i]), u) for i in range(problem.count)])
    np.testing.assert_allclose(single.mean(axis=0), problem.operator(u), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(problem.batch(jnp.array([2, 2, 0]), u), (2 * single[2] + single[0]) / 3, atol=1e-13)


def test_structured_saddle_is_the_dense_one():
    u = point_for(SADDLE)
    np.testing.assert_allclose(SADDLE.operator(u), SADDLE.dense().operator(u), atol=1e-15)
    np.testing.assert_allclose(SADDLE.dense().linear_sum().operator(u), SADDLE.operator(u), atol=1e-14)
    assert np.linalg.norm(SADDLE.dense().matrix, 2) < 0.5


def test_regression_is_the_gradient_of_its_loss():
    u = point_for(HUBER)
    np.testing.assert_allclose(jax.grad(HUBER.loss)(u), HUBER.operator(u), rtol=1e-10)
    assert HUBER.smoothness() <= HUBER.cocoercivity()


def test_gap_of_a_game_is_zero_at_an_equilibrium():
    stone = problems.matrix_game(np.array([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]]))
    assert float(stone.gap(jnp.full(6, 1 / 3))) == pytest.approx(0, abs=1e-15)
    assert float(natural_residual(stone, jnp.full(6, 1 / 3))) == pytest.approx(0, abs=1e-15)
    assert float(stone.gap(jnp.array([1.0, 0, 0, 0, 1, 0]))) > 0


@pytest.mark.parametrize("size", [1, 2, 5, 60])
def test_simplex_against_optax(size):
    for scale in (1e-3, 1.0, 1e3):
        y = jnp.asarray(scale * np.random.default_rng(size).normal(size=size))
        np.testing.assert_allclose(simplex(y), optax_projections.projection_simplex(y), atol=1e-13 * max(scale, 1))


def test_simplex_keeps_its_points_and_pieces():
    inside = jnp.array([0.2, 0.0, 0.8])
    np.testing.assert_allclose(simplex(inside), inside, atol=1e-16)
    both = Simplices((2, 3)).apply(jnp.array([5.0, 0.0, 0.1, 0.2, 0.9]))
    np.testing.assert_allclose(both[:2], [1, 0])
    assert float(both[2:].sum()) == pytest.approx(1)


def test_box():
    np.testing.assert_allclose(box(-1.0, 0.5).apply(jnp.array([-3.0, 0.2, 2.0])), [-1, 0.2, 0.5])
    least = box(0.0, 1.0).least_residual(jnp.array([0.0, 1.0, 0.5]), jnp.array([2.0, -3.0, 0.4]))
    assert float(least) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="width"):
        box(1.0, 0.0)


def evaluations(method, steps, problem=SADDLE):
    found = run(
        method, problem, problem.start(), jax.random.key(0), measure=lambda p, s: residual(p, s.point), points=steps
    )
    return np.asarray(found.evaluations)


def test_deterministic_methods_count_exactly():
    n = SADDLE.count
    assert evaluations(methods.extragradient(0.1), 3).tolist() == [0, 2 * n, 4 * n, 6 * n]
    assert evaluations(methods.anchored_extragradient(0.1), 2).tolist() == [0, 2 * n, 4 * n]
    assert evaluations(methods.fast_extragradient(0.1), 2).tolist() == [0, n, 3 * n]
    assert evaluations(methods.halpern(8.0), 2).tolist() == [0, n, 2 * n]


def test_random_methods_count_exactly():
    n = SADDLE.count
    always = evaluations(methods.page_halpern(0.1, batch=2, resets=lambda n, k: 1.0), 3)
    assert always.tolist() == [0, n, 2 * n, 3 * n]
    never = evaluations(methods.page_halpern(0.1, batch=2, resets=lambda n, k: 1.0 * (k == 0)), 3)
    assert never.tolist() == [0, n, n + 4, n + 8]
    reduced = evaluations(methods.reduced_extragradient(0.01, reset=0.0), 2)
    assert reduced.tolist() == [n, n + 2, n + 4]
    # ⌈0.7·5·log 2⌉ = 3 inner steps, ⌈0.7·5·log 3⌉ = 4: each outer step costs n and 2 an inner one.
    outer = evaluations(methods.outer_halpern(1.0, 0.01, reset=0.0, inner_factor=0.7), 2)
    assert outer.tolist() == [0, n + 6, 2 * n + 14]


def test_page_with_resets_only_is_the_anchored_iteration():
    problem = ON_DEVICE[3]
    step, u = 0.05, jnp.zeros(3)
    found = run(
        methods.page_halpern(step, batch=1, resets=lambda n, k: 1.0), problem, u, jax.random.key(1),
        measure=lambda p, s: s.point, points=4,
    )  # fmt: skip
    point = u
    for k in range(4):
        np.testing.assert_allclose(found.measured[k], point, atol=1e-15)
        point = 2 / (k + 4) * u + (1 - 2 / (k + 4)) * point - step * problem.operator(point)


CUBE = jax.tree_util.tree_map(jnp.asarray, problems.coordinate_sum(3))  # F(u) = u; three uneven components, L = 3


def last_residual(method, steps, key=None):
    found = run(
        method, CUBE, jnp.ones(3), jax.random.key(2) if key is None else key,
        measure=lambda p, s: residual(p, getattr(s, "inner", s.point)), points=1, every=steps,
    )  # fmt: skip
    return found.measured[-1]


def test_deterministic_methods_keep_their_bounds():
    """F(u) = u, L_F = 1, D = √3: the factor of extragradient is 1 − s + s² a step, the others have their theorems."""
    distance = 3**0.5
    assert last_residual(methods.extragradient(0.5), 100) == pytest.approx(distance * 0.75**100, rel=1e-12)
    assert last_residual(methods.anchored_extragradient(0.125), 300) <= 260**0.5 * distance / 301
    assert last_residual(methods.fast_extragradient(1.0), 300) <= 2 * distance / 300 + 1e-15
    assert last_residual(methods.halpern(2.0), 300) <= 2 * distance / 301


def residuals_of_runs(method, steps, runs):
    return jax.vmap(lambda key: last_residual(method, steps, key))(jax.random.split(jax.random.key(2), runs))


def test_algorithm_1_keeps_its_bound():
    """The mean square of its residual is bounded, so that by Markov's inequality no more than a quarter of all runs is
    above twice the root of the bound: the count of 200 is binomial."""
    distance, runs = 3**0.5, 200
    bound = 16 * 3 * distance / 2004 + 24**0.5 * 3 * distance / (2002 * 2003 * 2004) ** 0.5
    above = int(jnp.sum(residuals_of_runs(methods.page_halpern(1 / 12, batch=2), 2000, runs) > 2 * bound))
    assert clopper_pearson(above, runs, alpha=1e-6)[0] <= 0.25


def test_reduced_extragradient_improves_most_runs():
    """From the start to 20 steps and from there to 200: in more than half of all runs, error 1e-6."""
    method, runs = methods.reduced_extragradient(0.1, reset=1 / 3), 100
    early, late = (residuals_of_runs(method, steps, runs) for steps in (20, 200))
    for better in (early < 3**0.5, late < early):
        assert clopper_pearson(int(jnp.sum(better)), runs, alpha=1e-6)[0] > 0.5


def test_algorithm_2_against_exact_moments():
    """Many inner steps make every run the exact resolvent's: F(u) = u, v_k = u_k/(1 + η), up to what is left of it."""
    inner = inner_parameters(3, 3.0)
    # Relative squared error left on average after 400 inner steps, at most; a run exceeds 1e6 times it once in 1e6.
    assert contraction(np.asarray(CUBE.matrices), inner) ** 400 < 1e-20
    method = methods.outer_halpern(inner.resolvent_step, inner.step_size, reset=inner.reset, inner_factor=200.0)
    point = start = jnp.ones(3)
    for k in range(5):
        output = point / (1 + inner.resolvent_step)
        point = start / (k + 2) + (k + 1) / (k + 2) * output
    assert last_residual(method, 5) == pytest.approx(float(jnp.linalg.norm(output)), rel=1e-6)


def test_steps_beyond_theory_warn():
    with pytest.warns(StepSizeWarning, match="step_size = 0.5 is 2 times the limit 0.25"):
        methods.page_halpern(0.5, batch=3, limit=0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        methods.page_halpern(0.25, batch=3, limit=0.25)
    with pytest.raises(ValueError, match="step_size = 0"):
        methods.extragradient(0.0)


def test_constants_of_known_sums():
    matrices = problems.coordinate_sum(5).matrices
    assert operator_norm(matrices) == pytest.approx(1)
    assert average_lipschitz(matrices) == pytest.approx(np.sqrt(5))
    assert average_cocoercivity(matrices) == pytest.approx(5)
    assert sharpness(matrices) == pytest.approx(1)
    bilinear = problems.bilinear_sum(0.5).matrices
    assert average_lipschitz(bilinear) == pytest.approx(np.sqrt(1.25))
    assert average_cocoercivity(bilinear) == np.inf
    assert average_cocoercivity(np.zeros((3, 2, 2))) == 0


def test_cocoercivity_is_the_smallest_constant_that_works():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(9, 4))
    skew = rng.normal(size=(9, 4, 4))
    matrices = a[:, :, None] * a[:, None, :] + 0.2 * (skew - np.swapaxes(skew, 1, 2))
    constant = average_cocoercivity(matrices)
    # The direction that needs the constant, and many that need less.
    _, steepest = scipy.linalg.eigh(mean_gram(matrices), symmetric_part(matrices))
    u = np.vstack([steepest[:, -1], rng.normal(size=(2000, 4))])
    spread = np.mean(np.sum(np.einsum("nij,ki->nkj", np.swapaxes(matrices, 1, 2), u) ** 2, axis=-1), axis=0)
    ratio = spread / np.einsum("ki,ij,kj->k", u, matrices.mean(axis=0), u)
    assert ratio[0] == pytest.approx(constant, rel=1e-12)
    assert np.all(ratio <= constant * (1 + 1e-12))


def test_examine_refuses_what_is_not_monotone():
    with pytest.raises(NotMonotone, match="the eigenvalue -1, which must be at least 0") as caught:
        examine(-problems.coordinate_sum(3).matrices)
    assert caught.value.eigenvalue == pytest.approx(-1)
    with pytest.raises(ValueError, match=r"matrices has shape \(3, 2\)"):
        examine(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"offsets has shape \(2, 2\)"):
        examine(np.zeros((3, 2, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="matrices = nan"):
        examine(np.full((1, 2, 2), np.nan))


def test_break_even_is_where_the_predictions_cross():
    for sums in (problems.coordinate_sum(4), problems.bilinear_sum(0.5)):
        found = examine(sums.matrices, sums.offsets)
        at = break_even(found, distance=1.0, accuracy=1e-3)

        def lead(n, found=found):
            plain, reduced = predicted_evaluations(found, distance=1.0, accuracy=1e-3, components=n).values()
            return plain - reduced

        assert at is not None
        assert lead(at) > 0 >= lead(at - 1)
    assert examine(problems.bilinear_sum(0.5).matrices).method == "Algorithm 2"
    assert examine(problems.coordinate_sum(4).matrices).step_size == pytest.approx(1 / 16)


def test_policeman_and_burglar():
    game = problems.policeman_and_burglar(4, np.array([1.0, 2.0, 3.0, 4.0]))
    assert np.all(np.diag(game.matrix) == 0)
    assert game.matrix[0, 2] == pytest.approx(3 * (1 - np.exp(-1.6)))
    with pytest.raises(ValueError, match="size = 1"):
        problems.policeman_and_burglar(1, np.ones(1))
    with pytest.raises(ValueError, match="square"):
        problems.matrix_game(np.zeros((2, 3)))


@pytest.mark.parametrize(("components", "batch"), [(4, 2), (4, 3)])
def test_batches_without_replacement_are_uniform_over_sets(components, batch):
    """By drawing again (2 of 4) and by shuffling (3 of 4): no repetition, and every set as often; error 1e-6."""
    draws = 20_000
    draw = jax.vmap(lambda key: methods.without_replacement(key, components, batch))
    chosen = np.sort(np.asarray(draw(jax.random.split(jax.random.key(0), draws))), axis=-1)
    sets, counts = np.unique(chosen, axis=0, return_counts=True)
    assert [tuple(s) for s in sets.tolist()] == list(combinations(range(components), batch))
    low, high = clopper_pearson(counts, draws, alpha=1e-6 / len(sets))
    assert np.all((low <= 1 / len(sets)) & (1 / len(sets) <= high))
