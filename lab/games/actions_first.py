r"""Policies and gaps in arrays that hold actions first and games last, for simulators written for speed.

A sum over actions then adds whole rows. The formulas are those of `lab.games.gaps`, and a test holds the two together.
"""

from typing import Any

import jax.numpy as jnp


def leads(advantage: Any, policy: Any) -> Any:
    r"""$A\pi$ from probabilities."""
    return jnp.sum(advantage * policy, axis=1)


def normalised(logits: Any) -> tuple[Any, Any]:
    """Log-probabilities and probabilities.

    Every exponential is used twice, by its sum and by its policy, which keeps the compiler from computing it inside the
    sum, number by number. They overflow from logits of 700 on: where these may be large, `below_zero` comes first.
    """
    mass = jnp.exp(logits)
    total = jnp.sum(mass, axis=0)
    return logits - jnp.log(total), mass * (1.0 / total)


def below_zero(logits: Any) -> Any:
    """The same logits with 0 as the largest."""
    return logits - jnp.max(logits, axis=0)


def divergence(log_p: Any, p: Any, log_q: Any, q: Any) -> Any:
    r"""$\mathrm{KL}(p\|q)$ with the terms of `lab.games.gaps.close_divergence`; right to about 1e-16."""
    return jnp.sum(p * (log_p - log_q) + q - p, axis=0)


def regularised_gap(leads: Any, log_policy: Any, policy: Any, log_reference: Any, beta: Any) -> Any:
    r"""$2\beta\,\mathrm{KL}(\pi\|\mathrm{BR}_\beta(\pi))$."""
    response = normalised(below_zero(log_reference + (1.0 / beta) * leads))
    return 2.0 * beta * divergence(log_policy, policy, *response)
