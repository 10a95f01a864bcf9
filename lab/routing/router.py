r"""A small router trained by exact gradients: what balancing costs the task, with an auxiliary loss or with biases.

A finite population of tokens with features x, linear logits $x^\top W$, softmax affinities $\gamma$, and experts whose
output on a token is worth $v_k(x)$. The task objective is $J = \frac1T\sum_i\sum_{k\in\text{chosen}}g_{ik}v_{ik}$ with
the gates g of the chosen experts, in which the choice is a constant for the gradient, as in language models. Three
ways of training: the task alone, the task plus the auxiliary loss, the task with biases that choose. Our design
(`alf-lb`, C7).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lab.arrays import Array, log_softmax
from lab.family import static, world
from lab.routing.auxiliary import auxiliary_loss
from lab.routing.balance import max_violation
from lab.routing.rules import RULES, update
from lab.routing.selection import Acts, centred, gates, loads, route


@world
class RouterTask:
    """Features (..., tokens, dim) and the worth of every expert on every token (..., tokens, experts)."""

    features: Float[Array, "... tokens dim"]
    worth: Float[Array, "... tokens experts"]
    experts_per_token: int = static()
    normalised: bool = static(default=True)  # gates that sum to 1 over the chosen experts, or the bare affinities

    def affinities(self, weights: Array) -> Array:
        """γ, (..., tokens, experts): softmax of linear logits; weights are (..., dim, experts)."""
        return jnp.exp(log_softmax(self.features @ weights))

    def route(self, weights: Array, bias: Array, *, bias_acts: Acts = "added") -> Array:
        """Biased top-K routing; no gradient passes."""
        affinities = jax.lax.stop_gradient(self.affinities(weights))
        return route(affinities, bias, experts_per_token=self.experts_per_token, bias_acts=bias_acts)

    def objective(self, weights: Array, routing: Array) -> Array:
        """J of a routing, (...)."""
        gate = gates(self.affinities(weights), routing, normalised=self.normalised)
        return jnp.mean(jnp.sum(gate * self.worth, axis=-1), axis=-1)

    def imbalance(self, weights: Array, routing: Array) -> Array:
        """Auxiliary loss with coefficient 1, minimum 1, (...)."""
        return auxiliary_loss(
            self.affinities(weights)[..., None, :, :], routing[..., None, :, :], top_k_factor=False, over="sequence"
        )


class Trained(NamedTuple):
    """The end of training, (...): task objective, MaxVio, weights, biases."""

    objective: Array
    violation: Array
    weights: Array
    bias: Array


@jax.jit
def gradients(task: RouterTask, weights: Array, bias: Array) -> tuple[Array, Array]:
    """Gradients by the router's weights of the task objective and of the auxiliary loss, (..., dim, experts)."""
    return _gradients(task, weights, task.route(weights, bias))


def _gradients(task: RouterTask, weights: Array, routing: Array) -> tuple[Array, Array]:
    """The same for a given routing."""

    def slope(function: Any) -> Array:
        return jax.grad(lambda w: jnp.sum(function(w, routing)))(weights)

    return slope(task.objective), slope(task.imbalance)


@partial(jax.jit, static_argnames=("steps", "rule"))
def train(
    task: RouterTask,
    start: Array,
    *,
    coefficient: Any,
    bias_rate: Any,
    learning_rate: Any,
    steps: int,
    rule: str = "sign",
) -> Trained:
    """Gradient ascent on J − coefficient · auxiliary loss, with an update of the biases at every step.

    coefficient, bias_rate: (...) as the tasks; both 0 is the task alone. rule: a name of `RULES`, with its unit of the
    rate. The bias rate falls linearly to 0 over the last fifth, as DeepSeek-V3 sets it to 0 at the end.
    """
    batch = task.features.shape[:-2]
    coefficient, bias_rate = (jnp.broadcast_to(jnp.asarray(x), batch) for x in (coefficient, bias_rate))
    acts = RULES[rule].bias_acts

    def advance(state: tuple[Array, Array], step: Array) -> tuple[tuple[Array, Array], None]:
        weights, bias = state
        routing = task.route(weights, bias, bias_acts=acts)
        of_task, of_auxiliary = _gradients(task, weights, routing)
        rate = bias_rate * jnp.clip((steps - step) / (0.2 * steps), 0.0, 1.0)
        weights = weights + learning_rate * (of_task - coefficient[..., None, None] * of_auxiliary)
        bias = update(bias, loads(routing), rule=rule, rate=rate[..., None], step=step)
        return (weights, centred(bias) if acts == "added" else bias), None

    bias = jnp.full((*batch, task.worth.shape[-1]), RULES[rule].start)
    (weights, bias), _ = jax.lax.scan(advance, (start, bias), jnp.arange(1.0, steps + 1.0))
    routing = task.route(weights, bias, bias_acts=acts)
    return Trained(task.objective(weights, routing), max_violation(loads(routing)), weights, bias)
