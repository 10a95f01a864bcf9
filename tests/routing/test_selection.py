"""Top-K routing: the definition, ties, invariances, three array libraries, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lab.routing.selection import FEW_EXPERTS, centred, gates, loads, route, top_k
from tests.libraries import assert_libraries_agree


def by_sorting(values, k):
    """The definition: a stable sort, largest first."""
    chosen = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(chosen, np.argsort(-values, axis=-1, stable=True)[..., :k], True, axis=-1)
    return chosen


tied = arrays(float, array_shapes(min_dims=1, max_dims=3, max_side=7), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0]))


@given(tied, st.data())
def test_ties_go_to_the_lower_index(values, data):
    k = data.draw(st.integers(1, values.shape[-1]))
    np.testing.assert_array_equal(top_k(values, k=k), by_sorting(values, k))


@pytest.mark.parametrize("experts", [1, 2, FEW_EXPERTS, FEW_EXPERTS + 1, 20])
@pytest.mark.parametrize("levels", [3, 1000])
def test_one_rule_in_three_libraries(experts, levels):
    values = np.random.default_rng(experts).integers(0, levels, (5, 9, experts)).astype(float)
    for k in {1, (experts + 1) // 2, experts}:
        wanted = by_sorting(values, k)
        np.testing.assert_array_equal(top_k(values, k=k), wanted)
        np.testing.assert_array_equal(top_k(jnp.asarray(values), k=k), wanted)
        np.testing.assert_array_equal(jax.jit(lambda v, k=k: top_k(v, k=k))(values), wanted)
        np.testing.assert_array_equal(top_k(torch.asarray(values), k=k), wanted)
        np.testing.assert_array_equal(top_k(torch.asarray(values, dtype=torch.bfloat16), k=k), by_sorting(
            torch.asarray(values, dtype=torch.bfloat16).double().numpy(), k))  # fmt: skip


def test_route_by_hand():
    scores = np.array([[0.9, 0.5, 0.1], [0.4, 0.3, 0.8]])
    np.testing.assert_array_equal(route(scores, np.zeros(3), experts_per_token=1), [[1, 0, 0], [0, 0, 1]])
    bias = np.array([-0.5, 0.0, 0.0])
    np.testing.assert_array_equal(route(scores, bias, experts_per_token=1), [[0, 1, 0], [0, 0, 1]])
    multiplied = route(scores, np.array([0.5, 1.0, 1.0]), experts_per_token=1, bias_acts="multiplied")
    np.testing.assert_array_equal(multiplied, [[0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(loads(route(scores, bias, experts_per_token=2)), [1, 2, 1])


@given(st.integers(0, 10**6))
def test_invariances(seed):
    rng = np.random.default_rng(seed)
    scores, bias, order = rng.random((12, 5)), rng.normal(size=5), rng.permutation(5)
    chosen = route(scores, bias, experts_per_token=2)
    assert np.all(chosen.sum(axis=-1) == 2)
    np.testing.assert_array_equal(route(scores, centred(bias), experts_per_token=2), chosen)
    np.testing.assert_array_equal(route(3 * scores, 3 * bias, experts_per_token=2), chosen)
    np.testing.assert_array_equal(route(scores[:, order], bias[order], experts_per_token=2), chosen[:, order])


@pytest.mark.parametrize("normalised", [False, True])
def test_gates(normalised):
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.1, 1, (6, 4))
    chosen = route(scores, rng.normal(size=4), experts_per_token=2)

    def function(scores):
        return gates(
            scores, chosen if isinstance(scores, np.ndarray) else type_of(scores, chosen), normalised=normalised
        )

    def type_of(like, mask):
        return torch.asarray(mask) if isinstance(like, torch.Tensor) else jnp.asarray(mask)

    assert_libraries_agree(function, scores)
    found = function(scores)
    assert np.all(found[~chosen] == 0)
    np.testing.assert_allclose(found.sum(axis=-1), 1 if normalised else (scores * chosen).sum(axis=-1))


def test_centred():
    assert_libraries_agree(centred, np.random.default_rng(0).normal(size=(3, 5)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experts_per_token": 4}, r"experts_per_token = 4: must lie in \[1, 3\]"),
        ({"experts_per_token": 0}, "experts_per_token = 0"),
        ({"scores": np.array([[np.nan, 0.0, 1.0]])}, "scores = nan"),
        ({"bias": np.array([np.inf, 0.0, 1.0])}, "bias = inf"),
    ],
)
def test_bad_input(change, message):
    arguments = {"scores": np.zeros((1, 3)), "bias": np.zeros(3), "experts_per_token": 1} | change
    with pytest.raises(ValueError, match=message):
        route(**arguments)


def test_a_nan_is_refused():
    with pytest.raises(ValueError, match="values = nan"):
        top_k(np.array([np.nan, 1.0]), k=1)
