"""The balancing procedure on a stream of batches: many runs and many policies in one compiled loop.

All policies of a run see the same tokens. A step routes the batch with the present biases, records what happened, and
updates the biases by the loads that they produced: statistics of past batches only.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from lab.arrays import Array, check_between
from lab.routing.balance import max_violation
from lab.routing.lagrangian import lagrangian, switched_slots
from lab.routing.rules import RULES, update
from lab.routing.selection import loads, route
from lab.routing.worlds import FixedTokens, TokenStream


class Policy(NamedTuple):
    """A rule with its rate. `reversed_sign` adds where it should subtract: the error of a widely copied summary."""

    rule: str
    rate: float
    reversed_sign: bool = False


def signed_rates(policies: tuple[Policy, ...]) -> Float[Array, " policies"]:
    """The rates, negative where the sign is reversed. Raises ValueError for a rate below 0."""
    for policy in policies:
        check_between(0.0, float("inf"), rate=policy.rate)
    return jnp.asarray([-policy.rate if policy.reversed_sign else policy.rate for policy in policies])


class Track(NamedTuple):
    """What happened, with axes (runs, policies, steps): expected regret, MaxVio of the batch; (…, experts) biases."""

    regret: Array | None
    violation: Array
    bias: Array | None


def follow(
    world: TokenStream,
    key: Any,
    *,
    policies: tuple[Policy, ...],
    runs: int,
    steps: int,
    radius: Any = None,
    with_regret: bool = True,
    with_bias: bool = False,
) -> Track:
    """Run the policies on a stream. `radius` projects the centred biases onto a ball, as a regret bound may need.

    The regret of step n is E f(p_n) − E f(p*), exact given the biases, for streams without swing. Policies whose biases
    multiply the scores cannot be mixed with others.
    """
    rules = tuple(policy.rule for policy in policies)
    acts = {RULES[rule].bias_acts for rule in rules}
    if len(acts) > 1:
        raise ValueError("policies: biases that multiply scores cannot be mixed with biases that are added")
    return _follow(
        world, key, signed_rates(policies), jnp.inf if radius is None else radius, rules=rules, runs=runs, steps=steps,
        with_regret=with_regret, with_bias=with_bias,
    )  # fmt: skip


# Rates and radius are traced: other rates do not compile again.
@partial(jax.jit, static_argnames=("rules", "runs", "steps", "with_regret", "with_bias"))
def _follow(
    world: TokenStream,
    key: Any,
    rates: Array,
    radius: Any,
    *,
    rules: tuple[str, ...],
    runs: int,
    steps: int,
    with_regret: bool,
    with_bias: bool,
) -> Track:
    acts = RULES[rules[0]].bias_acts
    start = jnp.asarray([RULES[rule].start for rule in rules])[:, None] * jnp.ones(world.experts)

    def advance(bias: Array, at: Any) -> tuple[Array, Any]:
        step, key = at
        scores = jax.vmap(lambda k: world.sample(k, step))(jax.random.split(key, runs))
        chosen = route(scores[:, None], bias, experts_per_token=world.experts_per_token, bias_acts=acts)
        load = loads(chosen)
        new = jnp.stack(
            [update(bias[:, i], load[:, i], rule=rule, rate=rates[i], step=step) for i, rule in enumerate(rules)],
            axis=1,
        )
        middle = jnp.mean(new, axis=-1, keepdims=True)
        length = jnp.linalg.norm(new - middle, axis=-1, keepdims=True)
        new = jnp.where(length > radius, middle + (new - middle) * (radius / jnp.maximum(length, 1e-300)), new)
        seen = (world.regret(bias) if with_regret else None, max_violation(load), bias if with_bias else None)
        return new, seen

    every = jnp.arange(1, steps + 1)
    first = jnp.broadcast_to(start, (runs, *start.shape))
    _, (regret, violation, bias) = jax.lax.scan(advance, first, (every, jax.random.split(key, steps)))
    return Track(*(None if x is None else jnp.moveaxis(x, 0, 2) for x in (regret, violation, bias)))


class Descent(NamedTuple):
    """Iterations on one batch, with axes (steps, ...): dual value, loads, biases; choices replaced by the update."""

    dual: Array
    load: Array
    bias: Array
    switched: Array


@partial(jax.jit, static_argnames=("rule", "steps"))
def descend(world: FixedTokens, *, rule: str, rate: Any, steps: int) -> Descent:
    """The deterministic procedure: the same tokens at every iteration. `rate` broadcasts over the batch of worlds."""
    experts = world.scores.shape[-1]
    start = jnp.full((*world.scores.shape[:-2], experts), RULES[rule].start)
    acts = RULES[rule].bias_acts

    def choose(bias: Array) -> Array:
        return route(world.scores, bias, experts_per_token=world.experts_per_token, bias_acts=acts)

    def advance(carry: tuple[Array, Array], step: Any) -> tuple[tuple[Array, Array], Any]:
        bias, chosen = carry
        load = loads(chosen)
        new = update(bias, load, rule=rule, rate=jnp.asarray(rate)[..., None], step=step)
        after = choose(new)
        seen = lagrangian(world.scores, chosen, bias), load, bias, switched_slots(chosen, after)
        return (new, after), seen

    _, seen = jax.lax.scan(advance, (start, choose(start)), jnp.arange(1, steps + 1))
    return Descent(*seen)
