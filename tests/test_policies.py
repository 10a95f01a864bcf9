"""Policies over finite actions: the KL-regularised optimum and its identities (`dpo-background`, B1–B3)."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab import policies
from tests.libraries import assert_libraries_agree
from tests.unannotated import assert_refused, unannotated

rewards = arrays(float, (5,), elements=st.floats(-20, 20))
betas = st.floats(0.1, 10)


def random(seed: int = 0, shape: tuple[int, ...] = (3, 5)) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), policies.tabular(rng.normal(size=shape)), policies.tabular(rng.normal(size=shape))


def test_every_function_on_all_libraries():
    reward, log_p, log_q = random()
    assert_libraries_agree(policies.tabular, reward)
    # Through logits, which may move freely: what is no logarithm of probabilities is refused.
    assert_libraries_agree(lambda x, y: policies.kl_divergence(*map(policies.tabular, (x, y))), log_p, log_q)
    assert_libraries_agree(policies.implicit_reward, log_p, log_q, beta=0.3)
    assert_libraries_agree(policies.regularised_optimum, reward, log_q, beta=0.3)
    assert_libraries_agree(lambda r, y: policies.optimal_value(r, policies.tabular(y), beta=0.3), reward, log_q)
    assert_libraries_agree(
        lambda x, r, y: policies.regularised_value(policies.tabular(x), r, policies.tabular(y), beta=0.3),
        log_p, reward, log_q,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    assert_libraries_agree(policies.log_linear, rng.normal(size=2), rng.normal(size=(3, 4, 2)))


@given(rewards, rewards, rewards, betas)
def test_the_gap_to_the_optimum_is_beta_times_the_divergence(reward, reference, other, beta):
    """B1: J* − J(π) = β KL(π‖π*) ≥ 0."""
    log_reference, log_p = policies.tabular(reference), policies.tabular(other)
    optimum = policies.regularised_optimum(reward, log_reference, beta=beta)
    best = policies.optimal_value(reward, log_reference, beta=beta)
    here = policies.regularised_value(log_p, reward, log_reference, beta=beta)
    assert best - here == pytest.approx(beta * policies.kl_divergence(log_p, optimum), rel=1e-9, abs=1e-9)
    attained = policies.regularised_value(optimum, reward, log_reference, beta=beta)
    assert attained == pytest.approx(best, rel=1e-9, abs=1e-9)


def test_the_slope_of_the_optimal_value_in_beta():
    """B1: dJ*/dβ = −KL(π*‖π_ref)."""
    reward, _, log_reference = random()
    for i in range(3):
        slope = jax.grad(lambda b, i=i: policies.optimal_value(jax.numpy.asarray(reward[i]), log_reference[i], beta=b))(
            0.7
        )
        optimum = policies.regularised_optimum(reward[i], log_reference[i], beta=0.7)
        assert float(slope) == pytest.approx(-policies.kl_divergence(optimum, log_reference[i]), rel=1e-12)


@given(rewards, rewards, betas, st.floats(-10, 10))
def test_a_constant_reward_moves_the_value_and_not_the_policy(reward, reference, beta, shift):
    """B2."""
    log_reference = policies.tabular(reference)
    plain, moved = (policies.regularised_optimum(r, log_reference, beta=beta) for r in (reward, reward + shift))
    np.testing.assert_allclose(moved, plain, rtol=1e-9, atol=1e-9)
    values = [policies.optimal_value(r, log_reference, beta=beta) for r in (reward, reward + shift)]
    assert values[1] - values[0] == pytest.approx(shift, abs=1e-9)


@given(rewards, rewards, betas)
def test_the_implicit_reward_of_the_optimum_is_the_reward(reward, reference, beta):
    """B3: every reward, up to a constant, is the implicit reward of one policy."""
    log_reference = policies.tabular(reference)
    optimum = policies.regularised_optimum(reward, log_reference, beta=beta)
    implicit = policies.implicit_reward(optimum, log_reference, beta=beta)
    np.testing.assert_allclose(implicit - implicit[0], reward - reward[0], rtol=1e-9, atol=1e-9)


@given(rewards, rewards)
def test_the_divergence_is_not_negative_and_zero_only_at_home(first, second):
    log_p, log_q = policies.tabular(first), policies.tabular(second)
    assert policies.kl_divergence(log_p, log_q) >= -1e-14
    assert policies.kl_divergence(log_p, log_p) == 0.0


def test_actions_that_a_policy_never_takes():
    log_p, log_q = policies.tabular(np.array([0.0, -np.inf, 0.0])), policies.tabular(np.zeros(3))
    np.testing.assert_allclose(np.exp(log_p), [0.5, 0.0, 0.5])
    assert policies.kl_divergence(log_p, log_q) == pytest.approx(np.log(1.5))
    assert policies.kl_divergence(log_q, log_p) == np.inf
    assert policies.kl_divergence(log_p, log_p) == 0.0


def test_log_linear_policies():
    rng = np.random.default_rng(0)
    features, theta = rng.normal(size=(2, 4, 3)), rng.normal(size=3)
    uniform = policies.log_linear(theta, features)
    np.testing.assert_allclose(uniform, policies.tabular(features @ theta), rtol=1e-13, atol=1e-13)
    reference = policies.tabular(rng.normal(size=(2, 4)))
    tilted = policies.log_linear(theta, features, reference=reference)
    np.testing.assert_allclose(tilted, policies.tabular(features @ theta + reference), rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(policies.log_linear(0 * theta, features, reference=reference), reference)


def test_a_beta_for_each_prompt():
    reward, _, log_reference = random()
    beta = np.array([0.1, 1.0, 10.0])
    together = policies.regularised_optimum(reward, log_reference, beta=beta)
    alone = [policies.regularised_optimum(reward[i], log_reference[i], beta=float(beta[i])) for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-14)
    values = policies.optimal_value(reward, log_reference, beta=beta)
    attained = policies.regularised_value(together, reward, log_reference, beta=beta)
    np.testing.assert_allclose(values, attained, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_logits_stay_finite(dtype):
    log_p = policies.tabular(np.array([1e4, 0.0, -1e4], dtype))
    assert log_p.dtype == dtype
    np.testing.assert_allclose(log_p, [0.0, -1e4, -2e4])
    assert np.isfinite(policies.kl_divergence(log_p, policies.tabular(np.zeros(3, dtype))))
    gradient = jax.grad(lambda z: policies.tabular(z)[0])(jax.numpy.asarray([1e4, 0.0, -1e4], dtype))
    assert np.all(np.isfinite(gradient))


def test_bad_input_is_refused():
    reward, log_p, log_q = random()
    with pytest.raises(ValueError, match="logits = nan"):
        policies.tabular(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match="logits = inf"):
        policies.tabular(np.array([0.0, np.inf]))
    with pytest.raises(ValueError, match="theta = nan"):
        policies.log_linear(np.array([np.nan]), np.ones((2, 1)))
    for beta in (0.0, -1.0, np.nan):
        for call in (
            lambda b: policies.implicit_reward(log_p, log_q, beta=b),
            lambda b: policies.regularised_optimum(reward, log_q, beta=b),
            lambda b: policies.optimal_value(reward, log_q, beta=b),
            lambda b: policies.regularised_value(log_p, reward, log_q, beta=b),
        ):
            with pytest.raises(ValueError, match=r"beta = .*must be positive and finite"):
                call(beta)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    reward, log_p, log_q = random()
    wrong = np.full_like(reward, bad)
    calls = {
        "reference": lambda: policies.log_linear(np.ones(1), np.ones((4, 1)), reference=np.full(4, bad)),
        "log_p": lambda: policies.kl_divergence(wrong, log_q),
        "log_q": lambda: policies.kl_divergence(log_p, wrong),
        "log_reference": lambda: policies.implicit_reward(log_p, wrong, beta=1.0),
        "reward": lambda: policies.regularised_optimum(wrong, log_q, beta=1.0),
        " reward": lambda: policies.optimal_value(wrong, log_q, beta=1.0),
        "  reward": lambda: policies.regularised_value(log_p, wrong, log_q, beta=1.0),
    }
    for named, call in calls.items():
        with pytest.raises(ValueError, match=f"{named.strip()} = {bad:g}.*must be finite"):
            call()


def test_an_impossible_action_of_the_reference_stays_impossible():
    reference = np.array([0.0, -np.inf])
    assert np.exp(policies.regularised_optimum(np.array([0.0, 9.0]), reference, beta=1.0)).tolist() == [1.0, 0.0]
    assert policies.log_linear(np.ones(1), np.ones((2, 1)), reference=reference).tolist() == [0.0, -np.inf]


WRONG_SHAPES = {
    "features": (policies.log_linear, [(1,), (4, 3)], r"theta has \(1,\), features\[\.\.\., 0, :\] has \(3,\)"),
    "no actions": (policies.log_linear, [(3,), (3,)], r"features has \(3,\): needs axes of actions and features"),
    "reference": (
        lambda t, f, r: policies.log_linear(t, f, reference=r),
        [(3,), (4, 3), (1,)],
        r"features · theta has \(4,\), reference has \(1,\): needs a last axis of actions",
    ),
    "divergence": (
        policies.kl_divergence,
        [(3,), (1,)],
        r"log_p has \(3,\), log_q has \(1,\): needs a last axis of ac",
    ),
    "prompts": (policies.kl_divergence, [(2, 3), (4, 3)], r"with axes before it that broadcast"),
    "reward": (
        lambda p, q: policies.implicit_reward(p, q, beta=1.0),
        [(3,), (2,)],
        r"shapes must broadcast: log_p has \(3,\), log_reference has \(2,\)",
    ),
    "optimum": (lambda r, q: policies.regularised_optimum(r, q, beta=1.0), [(3,), (1,)], r"reward has \(3,\)"),
    "best value": (lambda r, q: policies.optimal_value(r, q, beta=1.0), [(3,), (2,)], r"reward has \(3,\)"),
    "beta": (
        lambda r, q, b: policies.regularised_optimum(r, q, beta=b + 1.0 if hasattr(b, "shape") else [1.0, 1.0]),
        [(3, 2), (3, 2), (2,)],
        r"shapes must broadcast: beta has \(2,\), reward\[\.\.\., 0\] has \(3,\)",
    ),
    "value": (lambda p, r, q: policies.regularised_value(p, r, q, beta=1.0), [(3,), (1,), (3,)], r"reward has \(1,\)"),
    "a number": (policies.tabular, [()], r"logits has \(\): needs a last axis of actions, at least 1"),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_shapes_that_do_not_agree_are_refused(name):
    call, shapes, message = WRONG_SHAPES[name]
    assert_refused(call, *map(np.zeros, shapes), match=message)
    with unannotated(), pytest.raises(ValueError, match=message):
        jax.jit(call)(*(jax.numpy.zeros(shape) for shape in shapes))


def test_no_actions_are_refused():
    for call in (policies.tabular, lambda x: policies.kl_divergence(x, x)):
        assert_refused(call, np.empty((2, 0)), match=r"has \(2, 0\).*: needs a last axis of actions, at least 1")


def test_what_is_no_logarithm_of_probabilities_is_refused():
    even = np.full(2, 0.5)
    assert_refused(policies.kl_divergence, even, even, match=r"log_p = 0\.5 .*must lie in \[-inf, 0\.01\]")
    assert_refused(policies.kl_divergence, np.log(even), even, match=r"log_q = 0\.5")
    assert_refused(policies.kl_divergence, -even, np.log(even), match=r"sum of exp\(log_p\) = 1\.21.*\[0\.99, 1\.01\]")
    value = lambda r, q: policies.optimal_value(r, q, beta=1.0)  # noqa: E731
    assert_refused(value, even, -even, match=r"sum of exp\(log_reference\) = 1\.21")
    half = np.log(np.full(3, 1 / 3)).astype(np.float16)
    assert policies.kl_divergence(half, half) == 0


def test_policies_without_a_possible_action_are_refused():
    nothing, message = np.full((1, 2), -np.inf), r"= -inf .*not −∞ throughout the last axis"
    assert_refused(policies.tabular, nothing, match="logits " + message)
    assert_refused(policies.kl_divergence, nothing, nothing, match="log_p " + message)
    reference = lambda q: policies.log_linear(np.ones(1), np.ones((2, 1)), reference=q)  # noqa: E731
    assert_refused(reference, nothing, match="reference " + message)
    optimum = lambda r, q: policies.regularised_optimum(r, q, beta=1.0)  # noqa: E731
    assert_refused(optimum, np.zeros(2), nothing, match="log_reference " + message)


def test_lists_are_arrays_and_everything_traces():
    log_p = np.log([0.25, 0.75])
    with unannotated():
        assert policies.kl_divergence(log_p.tolist(), [np.log(0.5)] * 2) == pytest.approx(
            0.25 * np.log(0.5) + 0.75 * np.log(1.5)
        )
        np.testing.assert_allclose(policies.tabular([0, 0]), np.log(0.5))
        np.testing.assert_allclose(policies.log_linear([1.0], [[0.0], [0.0]], reference=log_p.tolist()), log_p)
    many = jax.numpy.log(jax.numpy.asarray([[0.25, 0.75], [0.5, 0.5]]))
    for function in (jax.jit(jax.vmap(policies.kl_divergence)), jax.jit(policies.kl_divergence)):
        np.testing.assert_allclose(function(many, many[::-1]), policies.kl_divergence(many, many[::-1]), rtol=1e-12)
