"""Gaps: two forms of one thing, against 50 digits, at the extremes, and what is refused."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.games import game, gaps
from lab.games.equilibria import regularised_equilibrium
from lab.policies import kl_divergence, tabular
from tests.libraries import assert_libraries_agree

seeds = st.integers(0, 2**32 - 1)


def instance(seed, actions=5, scale=2.0, batch=()):
    """Advantage, policy, reference (log-probabilities) and a KL weight."""
    rng = np.random.default_rng(seed)
    advantage = game.skew(rng.uniform(-0.5, 0.5, (*batch, actions * (actions - 1) // 2)), actions)
    policy, reference = tabular(scale * rng.normal(size=(2, *batch, actions)))
    return advantage, policy, reference, np.exp(rng.uniform(np.log(0.01), np.log(3.0), batch))


def exact_divergence(log_p, log_q):
    """KL(p‖q) of the numbers given, normalised in 50 digits."""
    with mpmath.workdps(50):
        p, q = ([mpmath.e ** mpmath.mpf(float(x)) for x in log] for log in (log_p, log_q))
        total_p, total_q = mpmath.fsum(p), mpmath.fsum(q)
        return mpmath.fsum(
            a / total_p * mpmath.log(a / total_p / (b / total_q)) for a, b in zip(p, q, strict=True) if a
        )


def exact_gap(advantage, policy, reference, beta):
    with mpmath.workdps(50):
        p = [mpmath.e ** mpmath.mpf(float(x)) for x in policy]
        p = [x / mpmath.fsum(p) for x in p]
        r = [mpmath.e ** mpmath.mpf(float(x)) for x in reference]
        r = [x / mpmath.fsum(r) for x in r]
        leads = [mpmath.fsum(mpmath.mpf(float(a)) * x for a, x in zip(row, p, strict=True)) for row in advantage]
        b = mpmath.mpf(float(beta))
        tilted = mpmath.log(mpmath.fsum(x * mpmath.e ** (lead / b) for x, lead in zip(r, leads, strict=True)))
        return 2 * b * (tilted + mpmath.fsum(x * mpmath.log(x / y) for x, y in zip(p, r, strict=True)))


@given(seeds)
def test_both_forms_of_the_regularised_gap_agree(seed):
    advantage, policy, reference, beta = instance(seed, batch=(4,))
    stable = gaps.regularised_gap(advantage, policy, reference, beta=beta)
    plain = gaps.regularised_gap_by_value(advantage, policy, reference, beta=beta)
    np.testing.assert_allclose(stable, plain, atol=4e-15 * (1 + np.max(beta)))
    assert np.all(stable >= 0.0)


@given(seeds)
def test_best_response_wins_most(seed):
    """The gap's definition by search: no policy does better against π than the best response."""
    advantage, policy, reference, beta = instance(seed)
    rng = np.random.default_rng(seed)
    rivals = tabular(3 * rng.normal(size=(200, 5)))
    value = np.exp(rivals) @ gaps.lead(advantage, policy) - beta * kl_divergence(rivals, reference[None])
    best = gaps.regularised_gap(advantage, policy, reference, beta=beta) / 2 - beta * kl_divergence(policy, reference)
    assert np.max(value) <= best + 1e-14 * (1 + beta)
    pure = 2 * np.max(advantage @ np.exp(policy))
    assert gaps.duality_gap(advantage, policy) == pytest.approx(pure, abs=1e-15)
    assert pure >= -1e-16


@pytest.mark.parametrize("beta", [0.001, 0.1, 3.0])
@pytest.mark.parametrize("distance", [1.0, 1e-2, 1e-5, 1e-8, 1e-12])
def test_gap_against_fifty_digits(beta, distance):
    """Right to 1e-14, and to a small relative error far below that, at any distance from the equilibrium."""
    advantage, direction, reference, _ = instance(7)
    log_equilibrium = np.asarray(regularised_equilibrium(advantage, reference, beta=beta).log_policy)
    policy = tabular(log_equilibrium + distance * direction)
    found = float(gaps.regularised_gap(advantage, policy, reference, beta=beta))
    truth = float(exact_gap(advantage, policy, reference, beta))
    # The log-ratio to the best response is off by the rounding of Aπ over β; the gap is its square.
    ratio = 4e-16 * (1.0 / beta + 10.0)
    assert abs(found - truth) <= 2 * beta * ratio * (ratio + 2 * np.sqrt(truth / beta)) + 1e-15 * truth
    assert abs(found - truth) < 1e-14
    assert found >= 0.0


@pytest.mark.parametrize("size", [3.0, 0.3, 0.0626, 0.0624, 1e-3, 1e-7])
def test_close_divergence_against_fifty_digits(size):
    """On both sides of the switch between the series and the plain form."""
    _, log_p, direction, _ = instance(3)
    log_q = tabular(log_p + size * direction / np.max(np.abs(direction)))
    truth = float(exact_divergence(log_p, log_q))
    assert float(gaps.close_divergence(log_p, log_q)) == pytest.approx(truth, rel=3e-15 + 1e-15 / size)


@given(seeds, st.floats(-12, 1))
def test_divergence_is_never_negative(seed, exponent):
    _, log_p, direction, _ = instance(seed)
    assert gaps.close_divergence(log_p, tabular(log_p + 10.0**exponent * direction)) >= 0.0
    assert gaps.close_divergence(log_p, log_p) == 0.0


def test_policies_with_zeros():
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log([0.7, 0.3, 0.0]), np.log([0.5, 0.2, 0.3])
        certain = np.log([1.0, 0.0, 0.0])
    truth = 0.7 * np.log(0.7 / 0.5) + 0.3 * np.log(0.3 / 0.2)
    assert float(gaps.close_divergence(log_p, log_q)) == pytest.approx(truth, rel=1e-15)
    assert float(gaps.close_divergence(log_q, log_p)) == np.inf
    assert float(gaps.close_divergence(certain, certain)) == 0.0
    # A pure policy: gap β log Σ π_ref e^{(A 1_a − 0)/β} + KL by hand.
    advantage, reference, beta = game.cycle(0.2, 0.1, 0.3), np.log([0.2, 0.5, 0.3]), 0.4
    by_hand = 2 * beta * (np.log(np.sum(np.exp(reference + advantage[:, 0] / beta))) - reference[0])
    assert float(gaps.regularised_gap(advantage, certain, reference, beta=beta)) == pytest.approx(by_hand, rel=1e-14)
    assert float(gaps.duality_gap(advantage, certain)) == pytest.approx(0.6)


@pytest.mark.parametrize("size", [30.0, 1e3, 1e4])
def test_extreme_logits(size):
    """Policy, reference and both far apart: finite, and equal to the plain form where that does not overflow. The
    divergence is size + log 2, the leads are between −½ and ½."""
    advantage = game.rock_paper_scissors()
    policy, reference = tabular(np.array([size, 0.0, -size])), tabular(np.array([-size, 0.0, 0.0]))
    found = float(gaps.regularised_gap(advantage, policy, reference, beta=0.1))
    assert found == pytest.approx(
        float(gaps.regularised_gap_by_value(advantage, policy, reference, beta=0.1)), rel=1e-12
    )
    assert found == pytest.approx(2 * 0.1 * (size + np.log(2)), abs=2 * 0.5)
    np.testing.assert_allclose(gaps.regularised_gap(game.ties(3), policy, policy, beta=0.1), 0.0, atol=1e-30)


@given(seeds)
def test_gap_bounds_the_distance(seed):
    """KL(π‖π_β) ≤ gap/2β, and the original gap of π_β is within its bound."""
    advantage, policy, reference, beta = instance(seed)
    log_equilibrium = np.asarray(regularised_equilibrium(advantage, reference, beta=beta).log_policy)
    gap = gaps.regularised_gap(advantage, policy, reference, beta=beta)
    assert kl_divergence(policy, log_equilibrium) <= gap / (2 * beta) * (1 + 1e-9) + 1e-12
    bound = gaps.regularisation_bias_bound(log_equilibrium, reference, beta=beta)
    assert 0 <= gaps.duality_gap(advantage, log_equilibrium) + 1e-15 <= bound + 1e-13
    both = gaps.duality_gap(advantage, policy)
    room = gaps.regularisation_bias_bound(policy, reference, beta=beta)
    assert both <= gap + room + 1e-13


@given(seeds)
def test_gaps_do_not_depend_on_the_order_of_actions(seed):
    advantage, policy, reference, beta = instance(seed)
    order = np.random.default_rng(seed).permutation(5)
    turned = advantage[np.ix_(order, order)]
    np.testing.assert_allclose(
        gaps.regularised_gap(turned, policy[order], reference[order], beta=beta),
        gaps.regularised_gap(advantage, policy, reference, beta=beta),
        rtol=1e-9,
        atol=1e-15,
    )


def test_libraries_agree():
    advantage, policy, reference, beta = instance(5, batch=(3,))
    for function in (gaps.regularised_gap, gaps.regularised_gap_by_value):
        assert_libraries_agree(lambda a, p, r, f=function: f(a, p, r, beta=beta), advantage, policy, reference)
    assert_libraries_agree(gaps.lead, advantage, policy)
    assert_libraries_agree(gaps.duality_gap, advantage, policy)
    assert_libraries_agree(gaps.close_divergence, policy, reference)
    assert_libraries_agree(gaps.close_divergence, policy, policy + 1e-2 * reference)
    assert_libraries_agree(gaps.regularisation_bias_bound, policy, reference, beta=0.3)
    assert_libraries_agree(gaps.advantage, 0.5 + advantage, gradient=False)  # a step would leave P + Pᵀ = 1


def test_advantage_is_exactly_skew():
    matrix = np.array([[0.5, 0.1, 0.3], [0.9, 0.5, 0.7], [0.7, 0.3, 0.5]])
    found = gaps.advantage(matrix)
    np.testing.assert_array_equal(found, -found.T)
    np.testing.assert_allclose(found, matrix - 0.5, atol=1e-16)


@pytest.mark.parametrize(
    ("matrix", "named"),
    [
        ([[0.5, 0.6], [0.5, 0.5]], "its transpose"),
        ([[0.6, 0.5], [0.5, 0.5]], "its transpose"),
        ([[0.5, 1.2], [-0.2, 0.5]], r"preference_matrix = 1.2 .*\[0, 1\]"),
        ([[0.5, np.nan], [0.5, 0.5]], "preference_matrix = nan"),
    ],
)
def test_matrices_that_are_no_preferences(matrix, named):
    with pytest.raises(ValueError, match=named):
        gaps.advantage(np.array(matrix))


@pytest.mark.parametrize(
    ("matrix", "named"),
    [
        (np.array([[0.0, 0.1], [0.1, 0.0]]), "its transpose = 0.2"),
        (np.array([[0.0, 0.7], [-0.7, 0.0]]), "advantage = 0.7"),
        (np.array([[0.0, np.nan], [np.nan, 0.0]]), "advantage = nan"),
        (np.zeros((2, 3)), r"shape \(2, 3\): must be square"),
    ],
)
def test_matrices_that_are_no_advantages(matrix, named):
    with pytest.raises(ValueError, match=named):
        gaps.check_advantage(matrix)


def test_references_need_full_support():
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match="every action a positive probability"):
        gaps.check_reference(np.log([0.5, 0.5, 0.0]))
    with pytest.raises(ValueError, match="log_reference = nan"):
        gaps.check_reference(np.array([np.nan, 0.0]))


@pytest.mark.parametrize("beta", [0.0, -0.1, np.nan, np.inf])
def test_bad_beta_is_named(beta):
    advantage, policy, reference, _ = instance(0)
    with pytest.raises(ValueError, match="beta = "):
        gaps.regularised_gap(advantage, policy, reference, beta=beta)
    if not beta >= 0:
        with pytest.raises(ValueError, match="beta = "):
            gaps.regularisation_bias_bound(policy, reference, beta=beta)
