"""The contract of every row of the table of losses; a new row is tested by being there."""

import jax
import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from lab.objectives import logistic
from lab.objectives.noise import robust
from lab.objectives.table import OBJECTIVES, ROWS, Objective
from tests.libraries import assert_libraries_agree

SETTINGS = {"beta": 0.7, "flip_rate": 0.2}
INPUTS = {"margin": (6,), "log_ratios": (6, 4)}

every = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
noisy = pytest.mark.parametrize("row", [r for r in ROWS if "flip_rate" in r.settings], ids=lambda row: row.name)
pairwise = pytest.mark.parametrize("row", [r for r in ROWS if r.inputs == ("margin",)], ids=lambda row: row.name)


def settings(row: Objective) -> dict[str, float]:
    return {name: SETTINGS[name] for name in row.settings}


def inputs(row: Objective, scale: float = 2.0, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=INPUTS[name]) for name in row.inputs]


def extremes(row: Objective) -> list[np.ndarray]:
    steps = np.array([-1e4, -30.0, 0.0, 30.0, 1e4])
    if row.inputs == ("margin",):
        return [steps]
    return [np.stack([steps, -steps, 0 * steps], axis=-1)]


def test_the_table_knows_each_loss_once():
    assert len(OBJECTIVES) == len(ROWS)
    assert all(row.corrects is None or row.corrects in OBJECTIVES for row in ROWS)


@every
def test_three_libraries_agree(row: Objective):
    assert_libraries_agree(row.formula, *inputs(row), **settings(row))


@every
def test_one_number_for_each_pair_or_ranking_and_a_batch_is_a_loop(row: Objective):
    batch = row.formula(*inputs(row), **settings(row))
    alone = [row.formula(*[x[i] for x in inputs(row)], **settings(row)) for i in range(6)]
    assert batch.shape == (6,)
    np.testing.assert_array_equal(batch, alone)


@every
def test_settings_may_differ_from_pair_to_pair(row: Objective):
    varied = {name: np.linspace(0.5, 1.0, 6) * value for name, value in settings(row).items()}
    batch = row.formula(*inputs(row), **varied)
    alone = [row.formula(*[x[i] for x in inputs(row)], **{n: v[i] for n, v in varied.items()}) for i in range(6)]
    np.testing.assert_allclose(batch, alone, rtol=1e-14)


@every
def test_float32_is_kept_and_close_to_float64(row: Objective):
    exact = row.formula(*inputs(row), **settings(row))
    low = [x.astype(np.float32) for x in inputs(row)]
    # Rounding the inputs moves a value by at most its slope (below 100 here) times their rounding.
    for single in (
        row.formula(*low, **settings(row)),
        row.formula(*map(jax.numpy.asarray, low), **settings(row)),
        row.formula(*map(torch.asarray, low), **settings(row)),
    ):
        assert str(single.dtype).split(".")[-1] == "float32"
        np.testing.assert_allclose(np.asarray(single), exact, rtol=1e-5, atol=100 * np.finfo(np.float32).eps)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_are_finite_at_extreme_margins(row: Objective, dtype: type):
    points = [x.astype(dtype) for x in extremes(row)]
    assert np.all(np.isfinite(row.formula(*points, **settings(row))))
    gradient = jax.grad(lambda xs: row.formula(*xs, **settings(row)).sum())(tuple(map(jax.numpy.asarray, points)))
    assert all(np.all(np.isfinite(g)) for g in gradient)
    leaves = [torch.tensor(x, requires_grad=True) for x in points]
    row.formula(*leaves, **settings(row)).sum().backward()
    for ours, theirs in zip(gradient, leaves, strict=True):
        np.testing.assert_allclose(theirs.grad, ours, rtol=1e-5)


@every
def test_convexity_is_as_the_table_says(row: Objective):
    rng = np.random.default_rng(3)
    shape = (4000, *INPUTS[row.inputs[0]][1:])
    left, right = (
        rng.normal(size=shape) * rng.choice([1.0, 4.0, 16.0], size=(4000,) + (1,) * (len(shape) - 1)) for _ in "lr"
    )
    sag = (row.formula(left, **settings(row)) + row.formula(right, **settings(row))) / 2
    sag = sag - row.formula((left + right) / 2, **settings(row))
    # Values are below 2000, with a rounding of a few units.
    assert (sag.min() > -1e-11) == row.convex


@every
def test_boundedness_is_as_the_table_says(row: Objective):
    reach = 1e4
    far = [np.array([1.0, -1.0]) * reach] if row.inputs == ("margin",) else [reach * np.array([[3.0, 2, 1], [1, 2, 3]])]
    lowest = np.min(row.formula(*far, **settings(row)))
    assert (lowest > -10) == row.bounded_below


@every
@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, np.inf])
def test_a_beta_that_is_not_positive_is_refused(row: Objective, beta: float):
    with pytest.raises(ValueError, match=r"beta = .*must be positive and finite"):
        row.formula(*inputs(row), **settings(row) | {"beta": beta})


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_refused(row: Objective, bad: float):
    for library in (np.asarray, jax.numpy.asarray, torch.asarray):
        arrays = inputs(row)
        arrays[0][1] = bad
        with pytest.raises(ValueError, match=f"{row.inputs[0]} = .*must be finite"):
            row.formula(*map(library, arrays), **settings(row))


@every
def test_shapes_that_do_not_broadcast_are_refused(row: Objective):
    for name in row.settings:
        with pytest.raises(ValueError, match="shapes must broadcast"):
            row.formula(*inputs(row), **settings(row) | {name: np.full(5, SETTINGS[name])})


@noisy
@pytest.mark.parametrize("rate", [-0.1, np.nan, 0.9999])
def test_flip_rates_that_carry_no_information_are_refused(row: Objective, rate: float):
    with pytest.raises(ValueError, match=r"flip_rate = .*must lie in \[0, "):
        row.formula(*inputs(row), **settings(row) | {"flip_rate": rate})


@noisy
@pytest.mark.parametrize("rate", [0.5, 0.7])
def test_half_is_refused_for_pairs(row: Objective, rate: float):
    if row.inputs == ("margin",):
        with pytest.raises(ValueError, match=r"flip_rate = .*must lie in \[0, 0.5\)"):
            row.formula(*inputs(row), **settings(row) | {"flip_rate": rate})
    else:
        assert np.all(np.isfinite(row.formula(*inputs(row), **settings(row) | {"flip_rate": rate})))


@noisy
def test_bad_rates_do_not_stop_tracing(row: Objective):
    value = jax.jit(lambda rate: row.formula(*inputs(row), **settings(row) | {"flip_rate": rate}))(0.2)
    np.testing.assert_allclose(value, row.formula(*inputs(row), **settings(row)), rtol=1e-12)


@noisy
def test_without_flips_a_corrected_loss_is_the_clean_one(row: Objective):
    clean = OBJECTIVES[row.corrects] if row.corrects else OBJECTIVES["dpo"]
    np.testing.assert_array_equal(
        row.formula(*inputs(row), **settings(row) | {"flip_rate": 0.0}),
        clean.formula(*inputs(row), beta=SETTINGS["beta"]),
    )
    # And the limit is approached linearly in the rate: squares of it, 1e-12, are a few millionths of what is left.
    gaps = [
        np.abs(
            row.formula(*inputs(row), **settings(row) | {"flip_rate": rate})
            - clean.formula(*inputs(row), beta=SETTINGS["beta"])
        ).max()
        for rate in (1e-6, 1e-7)
    ]
    np.testing.assert_allclose(gaps[0] / gaps[1], 10.0, rtol=1e-5)


@pytest.mark.parametrize("row", [r for r in ROWS if r.corrects and r.inputs == ("margin",)], ids=lambda row: row.name)
def test_corrected_losses_are_the_template(row: Objective):
    clean = OBJECTIVES[row.corrects].formula
    for rate in (0.0, 0.01, 0.2, 0.4999):
        template = robust(clean, flip_rate=rate)(*inputs(row), beta=0.7)
        printed = ((1 - rate) * clean(inputs(row)[0], beta=0.7) - rate * clean(-inputs(row)[0], beta=0.7)) / (
            1 - 2 * rate
        )
        own = row.formula(*inputs(row), beta=0.7, flip_rate=rate)
        np.testing.assert_allclose(own, template, rtol=1e-12, atol=1e-11 / (1 - 2 * rate))
        np.testing.assert_allclose(printed, template, rtol=1e-12, atol=1e-11 / (1 - 2 * rate))


@pairwise
@pytest.mark.parametrize("win_rate", [0.3, 0.55, 0.79])
def test_tabular_minimisers_against_an_optimiser(row: Objective, win_rate: float):
    def population(margin: float) -> float:
        forwards, backwards = row.formula(np.array([margin, -margin]), **settings(row))
        return win_rate * forwards + (1 - win_rate) * backwards

    closed = float(row.minimiser(win_rate, **settings(row)))
    found = minimize_scalar(population, bounds=(-12, 12), method="bounded", options={"xatol": 1e-10})
    # An optimiser that sees values alone finds a smooth minimum to the square root of the rounding.
    assert population(closed) <= found.fun + 1e-13
    if row.smooth:
        np.testing.assert_allclose(closed, found.x, atol=3e-7)


@pairwise
def test_tabular_minimisers_on_three_libraries_and_at_the_edges(row: Objective):
    rates = np.array([0.25, 0.5, 0.6, 0.75])
    assert_libraries_agree(row.minimiser, rates, **settings(row), gradient=row.smooth)
    edges = row.minimiser(np.array([0.0, 1.0]), **settings(row))
    assert not np.any(np.isnan(edges))
    assert edges[0] < 0 < edges[1]
    with pytest.raises(ValueError, match=r"win_rate = 1\.5"):
        row.minimiser(1.5, **settings(row))


@pytest.mark.parametrize("weight", ["dpo_weight", "conservative_dpo_weight", "robust_dpo_weight"])
def test_weights_are_minus_the_slope(weight: str):
    row = OBJECTIVES[weight.removesuffix("_weight")]
    margin = np.linspace(-9, 9, 37)
    slope = jax.vmap(jax.grad(lambda m: row.formula(m, **settings(row))))(jax.numpy.asarray(margin))
    zeta = getattr(logistic, weight)(margin, **settings(row))
    np.testing.assert_allclose(slope, -SETTINGS["beta"] * zeta, rtol=1e-10, atol=1e-15)
    assert_libraries_agree(getattr(logistic, weight), margin, **settings(row))


@pytest.mark.parametrize("name", ["dpo", "conservative_dpo", "robust_dpo"])
def test_curvature_is_that_of_dpo_for_all_three(name: str):
    row = OBJECTIVES[name]
    margin = np.linspace(-9, 9, 37)
    bend = jax.vmap(jax.grad(jax.grad(lambda m: row.formula(m, **settings(row)))))(jax.numpy.asarray(margin))
    curvature = logistic.dpo_curvature(margin, beta=SETTINGS["beta"])
    np.testing.assert_allclose(bend, SETTINGS["beta"] ** 2 * curvature, rtol=1e-9)
