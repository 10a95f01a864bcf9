r"""Streams of batches so large that their loads are drawn at once instead of token by token.

Every token goes to one of E experts, whose scores are independent, $\gamma_k\sim U[m_k, m_k+1]$. So the loads of T
tokens under a bias p are multinomial, exactly, with the chances $\pi(p)$ of `uniform_scores`; and what a frozen bias
does on endless tokens, held out as for the "global" MaxVio of Wang et al., is known: $E\max_k\pi_k - 1$, the MaxVio of
the chances.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lab.arrays import Array, check_between
from lab.family import static, world
from lab.routing.balance import max_violation
from lab.routing.online import Policy, signed_rates
from lab.routing.rules import RULES, update
from lab.routing.selection import Acts
from lab.routing.uniform_scores import selection_probability


@world
class LoadStream:
    """Means of the scores (experts,), and the tokens of a batch."""

    means: Float[Array, " experts"]
    tokens: int = static()

    @property
    def experts(self) -> int:
        return self.means.shape[-1]

    def chances(self, bias: Array, *, bias_acts: Acts = "added") -> Array:
        """π(p): chance of each expert to get a token, (..., experts)."""
        if bias_acts == "added":
            return selection_probability(self.means + bias, experts_per_token=1)
        return selection_probability(self.means * bias, experts_per_token=1, width=bias)

    def global_violation(self, bias: Array, *, bias_acts: Acts = "added") -> Array:
        """MaxVio of a frozen bias on endless tokens, (...)."""
        return max_violation(self.chances(bias, bias_acts=bias_acts))


class Settled(NamedTuple):
    """Global MaxVio of the biases, mean over the last updates, (runs, policies); the last biases (…, experts)."""

    violation: Array
    bias: Array


def settle(
    world: LoadStream,
    key: Any,
    *,
    policies: tuple[Policy, ...],
    runs: int,
    steps: int,
    last: int = 1,
    start: Any = None,
) -> Settled:
    """Run policies, independently, and see how balanced the biases after the last updates would be if frozen.

    start: (experts,) biases of all policies, which then must act alike; left out, where their rules start.
    Raises ValueError for a negative rate, and unless 1 ≤ last ≤ steps.
    """
    check_between(1.0, float(steps), last=last)
    rules = tuple(policy.rule for policy in policies)
    first = jnp.stack([jnp.full(world.experts, RULES[rule].start) if start is None else start for rule in rules])
    return _settle(world, key, signed_rates(policies), first, rules=rules, runs=runs, steps=steps, last=last)


@partial(jax.jit, static_argnames=("rules", "runs", "steps", "last"))
def _settle(
    world: LoadStream, key: Any, rates: Array, first: Array, *, rules: tuple[str, ...], runs: int, steps: int, last: int
) -> Settled:
    multiplied = jnp.asarray([RULES[rule].bias_acts == "multiplied" for rule in rules])[:, None]

    def chances(bias: Array) -> Array:
        # U[m, m + 1] with a bias added, or multiplied by it: one formula for both, so that rules can be mixed.
        shift = jnp.where(multiplied, world.means * bias, world.means + bias)
        return selection_probability(shift, experts_per_token=1, width=jnp.where(multiplied, bias, 1.0))

    def advance(state: tuple[Array, Array], at: Any) -> tuple[tuple[Array, Array], None]:
        bias, total = state
        step, key = at
        load = jax.random.multinomial(key, 1.0 * world.tokens, chances(bias))
        new = jnp.stack(
            [update(bias[:, i], load[:, i], rule=rule, rate=rates[i], step=step) for i, rule in enumerate(rules)],
            axis=1,
        )
        seen = jax.lax.cond(step > steps - last, lambda: max_violation(chances(new)), lambda: 0.0 * total)
        return (new, total + seen), None

    every = (jnp.arange(1, steps + 1), jax.random.split(key, steps))
    begin = jnp.broadcast_to(first, (runs, *first.shape)), jnp.zeros((runs, len(rules)))
    (bias, total), _ = jax.lax.scan(advance, begin, every)
    return Settled(total / last, bias)
