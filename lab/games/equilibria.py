r"""Exact equilibria of symmetric preference games, each with a certificate that does not trust its solver.

Without regularisation: a linear program (HiGHS), polished on its support to rounding; it is the only equilibrium iff
the actions outside its support lose against it and the game inside has rank one less than its size. With
regularisation: Newton's method on $\theta - \theta_{ref} - A\,\mathrm{softmax}(\theta)/\beta = 0$; its Jacobian
$I - A\Sigma/\beta$ has eigenvalues $1 \mp i\omega/\beta$, never 0, so that damped Newton steps always descend. A
policy's own gap certifies it: $\mathrm{KL}(\pi\|\pi_\beta) \le \mathrm{gap}_\beta(\pi)/2\beta$.

Sources: `nash-background`, exact solvers; the certificate is derived in `gaps.regularised_gap`.
"""

import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from lab.arrays import Array, Real, check_positive, log_softmax
from lab.games.gaps import best_response, check_advantage, check_reference, close_divergence, lead

TOLERANCE = 1e-9  # of probabilities, and of payoffs in a game whose largest advantage is 1: less counts as 0


class NonUniqueEquilibrium(UserWarning):
    """The game has a continuum of equilibria; one of them is returned."""


class NashEquilibrium(NamedTuple):
    """A policy (zeros outside its support), its two-sided duality gap, and whether it is the only equilibrium."""

    policy: Float[np.ndarray, " actions"]
    gap: float
    unique: bool

    @property
    def support(self) -> Bool[np.ndarray, " actions"]:
        return self.policy > 0


def nash_equilibrium(advantage: Float[np.ndarray, "actions actions"]) -> NashEquilibrium:
    """An equilibrium of the game without regularisation.

    Warns with NonUniqueEquilibrium when there are several. Raises ValueError unless the advantage is skew-symmetric
    with entries in [−½, ½].
    """
    if advantage.ndim != 2:
        raise ValueError(f"advantage has shape {advantage.shape}: one game at a time")
    check_advantage(advantage)
    scale = float(np.max(np.abs(advantage), initial=0.0))
    if scale == 0.0:
        actions = advantage.shape[-1]
        policy, unique = np.full(actions, 1.0 / actions), actions == 1
    else:
        policy = _polished(advantage / scale, _vertex(advantage / scale))
        unique = _is_unique(advantage / scale, policy)
    if not unique:
        warnings.warn("the game has a continuum of equilibria: one of them is returned", NonUniqueEquilibrium, 2)
    return NashEquilibrium(policy, max(float(2.0 * np.max(advantage @ policy)), 0.0), unique)


def _vertex(advantage: np.ndarray) -> np.ndarray:
    """A vertex of the polytope of equilibria {π ∈ Δ: Aπ ≤ 0}."""
    from scipy.optimize import linprog

    actions = len(advantage)
    found = linprog(
        np.zeros(actions), A_ub=advantage, b_ub=np.zeros(actions), A_eq=np.ones((1, actions)), b_eq=[1.0],
        bounds=(0, None), method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )  # fmt: skip
    if found.x is None:
        raise RuntimeError(f"HiGHS found no equilibrium: {found.message}")
    return np.maximum(found.x, 0.0)


def _polished(advantage: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """Solve for the probabilities on the support exactly: equal payoffs 0, sum 1. Kept only where it lowers the gap."""
    support = policy > TOLERANCE
    inside = advantage[np.ix_(support, support)]
    system = np.concatenate([inside, np.ones((1, inside.shape[0]))])
    solved, *_ = np.linalg.lstsq(system, np.append(np.zeros(inside.shape[0]), 1.0), rcond=None)
    better = np.zeros_like(policy)
    better[support] = solved
    if np.all(solved > 0) and np.max(advantage @ better) <= np.max(advantage @ policy):
        return better
    return policy / policy.sum()


def _is_unique(advantage: np.ndarray, policy: np.ndarray) -> bool:
    """Whether this equilibrium is the only one (Goldman and Tucker): every action outside its support loses against it,
    and the game inside has no second direction without payoff. Both by more than the tolerance."""
    support = policy > TOLERANCE
    losing = np.all((advantage @ policy)[~support] < -TOLERANCE)
    inside = np.linalg.svd(advantage[np.ix_(support, support)], compute_uv=False)
    return bool(losing and (len(inside) < 2 or inside[-2] > TOLERANCE))


class RegularisedEquilibrium(NamedTuple):
    r"""Log-probabilities, and a bound on their distance to the truth: $\|\pi - \pi_\beta\|_1$ is at most `error`."""

    log_policy: Float[Array, "... actions"]
    error: Float[Array, "..."]


def regularised_equilibrium(
    advantage: Float[Array, "... actions actions"], log_reference: Float[Array, "... actions"], *, beta: Real
) -> RegularisedEquilibrium:
    r"""The unique equilibrium $\pi_\beta \propto \pi_{ref}\,e^{A\pi_\beta/\beta}$ of many games at once, to rounding.

    Raises ValueError unless beta is positive, the advantage skew-symmetric with entries in [−½, ½], and the reference a
    policy with full support. JAX, float64.
    """
    check_positive(beta=beta)
    check_advantage(advantage)
    check_reference(log_reference)
    beta = jnp.broadcast_to(jnp.asarray(beta, float), jnp.shape(log_reference)[:-1])
    advantage = jnp.broadcast_to(jnp.asarray(advantage, float), (*beta.shape, *np.shape(advantage)[-2:]))
    log_policy = _newton(advantage, jnp.asarray(log_reference, float), beta)
    response = best_response(lead(advantage, log_policy), log_reference, beta=beta)
    # KL(π‖π_β) ≤ KL(π‖BR(π)), and Pinsker. The logits of BR(π) are off by the rounding of Aπ, a sum of so many terms
    # that add up to ½ in size, over β, and by a few units in the last place of their own size.
    actions = log_policy.shape[-1]
    size = 1.0 + jnp.max(jnp.abs(log_policy), axis=-1) + jnp.max(jnp.abs(log_reference), axis=-1)
    rounding = jnp.finfo(float).eps * ((actions + 8) / (2.0 * beta) + 8.0 * size)
    return RegularisedEquilibrium(log_policy, jnp.sqrt(2.0 * close_divergence(log_policy, response)) + rounding)


@partial(jnp.vectorize, signature="(n,n),(n),()->(n)")
def _newton_one(advantage: Any, log_reference: Any, beta: Any) -> Any:
    actions = log_reference.shape[-1]
    identity = jnp.eye(actions)

    def residual(logits: Any) -> Any:
        rest = logits - log_reference - advantage @ jax.nn.softmax(logits) / beta
        return rest - jnp.mean(rest)

    def improve(carry: Any) -> Any:
        logits, rest, count, _ = carry
        policy = jax.nn.softmax(logits)
        spread = jnp.diag(policy) - policy[:, None] * policy[None, :]
        direction = jnp.linalg.solve(identity - advantage @ spread / beta, rest)
        # The largest of the steps 1, ½, ¼, … that shrinks the residual enough (Armijo).
        sizes = 0.5 ** jnp.arange(40.0)
        found = jax.vmap(lambda t: jnp.sum(residual(logits - t * direction) ** 2))(sizes)
        enough = found <= (1.0 - 1e-4 * sizes) * jnp.sum(rest**2)
        size = jnp.where(jnp.any(enough), sizes[jnp.argmax(enough)], 0.0)
        logits = logits - size * direction
        return logits - jnp.mean(logits), residual(logits), count + 1, size > 0

    start = log_reference - jnp.mean(log_reference)
    carry = start, residual(start), 0, True
    logits, *_ = jax.lax.while_loop(lambda c: c[3] & (c[2] < 500), improve, carry)
    return log_softmax(logits)


_newton = jax.jit(_newton_one)
