"""The best balanced routing against HiGHS, integer programming and hand calculation; its certificate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, milp

from lab.routing.lagrangian import dual_value
from lab.routing.optimum import balanced_assignment, duals, exchange_costs, linear_program, shortest_paths
from lab.routing.selection import loads, route


def scores_of(seed, tokens, experts):
    rng = np.random.default_rng(seed)
    return rng.random((tokens, experts)) + 0.3 * rng.normal(size=experts)


def by_integer_programming(scores, k):
    tokens, experts = scores.shape
    rows = np.kron(np.eye(tokens), np.ones((1, experts)))
    columns = np.kron(np.ones((1, tokens)), np.eye(experts))
    low, high = tokens * k // experts, -(-tokens * k // experts)
    found = milp(
        -scores.ravel(),
        constraints=[LinearConstraint(rows, k, k), LinearConstraint(columns, low, high)],
        bounds=Bounds(0, 1),
        integrality=np.ones(scores.size),
    )
    return -found.fun


@settings(max_examples=40)
@given(
    st.integers(0, 10**6), st.sampled_from([(12, 4, 1), (12, 6, 2), (15, 5, 3), (8, 8, 7)]), st.sampled_from([0, 30])
)
def test_against_the_linear_program(seed, size, warm_up):
    tokens, experts, k = size
    scores = scores_of(seed, tokens, experts)
    found = balanced_assignment(scores, experts_per_token=k, warm_up=warm_up)
    program = linear_program(scores, experts_per_token=k)
    assert found.value == pytest.approx(program.value, abs=1e-9)
    np.testing.assert_array_equal(found.routing, program.routing > 0.5)
    assert np.all(found.load == tokens * k // experts)
    # The certificate, and the biases at work.
    assert dual_value(scores, found.bias, experts_per_token=k) == pytest.approx(found.value, abs=1e-12)
    np.testing.assert_array_equal(route(scores, found.bias, experts_per_token=k), found.routing)
    assert dual_value(scores, program.bias, experts_per_token=k) == pytest.approx(found.value, abs=1e-6)
    assert found.slack > 0


@pytest.mark.parametrize("size", [(13, 4, 1), (11, 5, 2), (7, 3, 2), (3, 5, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_uneven_loads_against_integer_programming(size, seed):
    tokens, experts, k = size
    scores = scores_of(seed, tokens, experts)
    found = balanced_assignment(scores, experts_per_token=k)
    assert found.value == pytest.approx(by_integer_programming(scores, k), abs=1e-6)
    assert found.load.max() - found.load.min() == 1
    # Experts with one token more are those whose capacity is the dearer.
    assert found.slack > 0
    assert np.min(found.bias[found.load == found.load.min()]) >= np.max(found.bias[found.load == found.load.max()])
    np.testing.assert_array_equal(route(scores, found.bias, experts_per_token=k), found.routing)


def test_one_token_an_expert_is_the_assignment_problem():
    scores = scores_of(3, 7, 7)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    assert balanced_assignment(scores, experts_per_token=1).value == pytest.approx(scores[rows, columns].sum())


def test_all_experts_for_every_token():
    found = balanced_assignment(scores_of(0, 5, 3), experts_per_token=3)
    assert np.all(found.routing)
    assert found.slack == np.inf
    assert np.all(np.isfinite(found.bias))


def test_ties_have_no_slack():
    found = balanced_assignment(np.repeat(scores_of(0, 6, 4), 2, axis=0), experts_per_token=1)
    assert np.all(found.load == 3)
    assert found.slack == pytest.approx(0, abs=1e-12)


def test_exchange_costs_and_paths_by_hand():
    scores = np.array([[0.9, 0.5, 0.0], [0.8, 0.7, 0.2]])
    routing = np.array([[True, False, False], [False, True, False]])
    costs = exchange_costs(scores, routing)
    np.testing.assert_allclose(costs, [[0, 0.4, 0.9], [-0.1, 0, 0.5], [np.inf, np.inf, 0]])
    np.testing.assert_allclose(shortest_paths(costs)[0], [0, 0.4, 0.9])


def test_a_routing_that_is_not_optimal_has_no_certificate():
    """The optimal one has; another that is as balanced has no smaller dual, but a value that is less by the slack."""
    scores = scores_of(0, 12, 4)
    best = balanced_assignment(scores, experts_per_token=1)
    worse = np.roll(best.routing, 1, axis=0)
    dual = [dual_value(scores, duals(scores, r), experts_per_token=1) for r in (best.routing, worse)]
    assert dual[0] == pytest.approx(best.value, abs=1e-12)
    assert dual[1] >= best.value - 1e-12
    assert 0 < best.slack <= best.value - np.sum(scores[worse])


def test_larger_batches_are_solved_in_seconds():
    scores = scores_of(0, 1024, 32)
    found = balanced_assignment(scores, experts_per_token=4)
    assert np.all(loads(route(scores, found.bias, experts_per_token=4)) == 128)
    assert dual_value(scores, found.bias, experts_per_token=4) == pytest.approx(found.value, abs=1e-9)


@pytest.mark.parametrize("function", [balanced_assignment, linear_program])
@pytest.mark.parametrize(
    ("scores", "k", "message"),
    [
        (np.zeros((4, 3)), 4, r"experts_per_token = 4: must lie in \[1, 3\]"),
        (np.full((4, 3), np.nan), 1, "scores = nan"),
    ],
)
def test_bad_input(function, scores, k, message):
    with pytest.raises(ValueError, match=message):
        function(scores, experts_per_token=k)
