r"""Five methods side by side on the same games, exact payoffs, the gap at every step: all of it one compiled call.

The updates are those of the rows in `lab.games.solvers`, and a test holds the two together; here they are written for
speed. With the score $g = A\mu - \beta\log\frac{\pi}{\pi_{ref}}$ each is one of two moves against an opponent μ:

    extragradient           natural           the policy after a trial step
    mirror_descent          natural           the policy
    nash_mirror_descent     natural           the policy mixed with the reference
    nash_policy_gradient    policy gradient   the policy mixed with the reference
    policy_gradient         policy gradient   the policy

where the natural move is $\eta g$ and the policy gradient's $\eta N\pi\circ(g - \pi^\top g)$.

Arrays hold actions first and trajectories last (`lab.games.actions_first`). No exponential of a step overflows: logits
are log-probabilities and one move, whose length `play_many` limits.

Source: `egpo`, simulation protocol and baselines.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab.arrays import Array, check_between, check_positive
from lab.games.actions_first import leads, normalised, regularised_gap
from lab.games.conventions import step_from_sgd
from lab.games.gaps import check_advantage, check_reference

METHODS = ("extragradient", "mirror_descent", "nash_mirror_descent", "nash_policy_gradient", "policy_gradient")
MIXED, NATURAL = (False, True, True, False), (True, True, False, False)  # the methods after the first


LONGEST_MOVE = 600.0  # nats that one step may add to a logit: its exponential is still a number


class Setting(NamedTuple):
    """One run of the protocol: KL weight, step size η, number of steps, and the step size of `nash_policy_gradient`
    where that is another one."""

    beta: float
    step_size: float
    steps: int
    nash_gradient_step: float | None = None


def as_coded(sgd_step: float, *, beta: float, steps: int, actions: int = 10) -> Setting:
    """A run as the EGPO authors coded it, from its step of SGD.

    Their Nash-MD policy gradient lacks the factor 4/β of the other losses, so that its step is β/4 of theirs.
    """
    step_size = float(step_from_sgd(sgd_step, beta=beta, actions=actions))
    return Setting(beta, step_size, steps, step_size * beta / 4.0)


PUBLISHED = (
    as_coded(0.1, beta=0.1, steps=1000),
    as_coded(0.02, beta=0.01, steps=5000),
    as_coded(2e-4, beta=0.001, steps=100_000),
)


class Curves(NamedTuple):
    """By method: the regularised gap at every step, the start included, and the policy at the end.

    Gaps are right to about 1e-16 times β; `lab.games.gaps.regularised_gap` of the policy resolves smaller ones.
    """

    gaps: dict[str, Float[Array, "time games"]]
    log_policies: dict[str, Float[Array, "games actions"]]


def play_many(
    advantage: Float[Array, "games actions actions"],
    log_reference: Float[Array, "games actions"],
    settings: Sequence[Setting] = PUBLISHED,
    *,
    mixture_share: float = 0.5,
) -> list[Curves]:
    """Run all methods on all games from the reference, once for every setting. JAX, float64.

    `mixture_share` is the mixture's share of the reference over ηβ: 1 in Nash-MD's paper, ½ in the EGPO authors'
    simulator. Raises ValueError for a reference without full support, or numbers outside their range.
    """
    check_advantage(np.asarray(advantage))
    check_reference(np.asarray(log_reference))
    check_between(0.0, 1.0, mixture_share=mixture_share)
    numbers = []
    for setting in settings:
        check_positive(**{name: x for name, x in setting._asdict().items() if x is not None})
        beta, step_size, _, other = setting
        # What one step adds to a logit is at most η N times the largest score.
        furthest = np.shape(log_reference)[-1] * (1.0 + beta * (1.0 + float(np.max(np.abs(np.asarray(log_reference))))))
        check_between(0.0, LONGEST_MOVE / furthest, step_size=step_size, nash_gradient_step=other or step_size)
        numbers.append((beta, step_size, step_size if other is None else other))
    return _play_many(
        jnp.asarray(advantage), jnp.asarray(log_reference), jnp.asarray(numbers, float), mixture_share,
        steps=tuple(setting.steps for setting in settings),
    )  # fmt: skip


# Registers of 512 bits where the processor has them; XLA takes 256 when left alone.
@partial(jax.jit, static_argnames="steps", compiler_options={"xla_cpu_prefer_vector_width": 512})
def _play_many(
    advantage: Any, log_reference: Any, numbers: Any, mixture_share: Any, *, steps: tuple[int, ...]
) -> list[Curves]:
    advantage, reference = jnp.moveaxis(advantage, 0, -1), log_reference.T
    return [_race(advantage, reference, mixture_share, *numbers[i], steps=count) for i, count in enumerate(steps)]


def _race(
    advantage: Any, reference: Any, mixture_share: Any, beta: Any, step_size: Any, other_step: Any, *, steps: int
) -> Curves:
    actions, games = reference.shape
    others = len(METHODS) - 1

    def wide(x: Any) -> Any:
        """Once for every method after the first, methods before games."""
        return jnp.concatenate([x] * others, axis=-1)

    wide_advantage, wide_reference = wide(advantage), wide(reference)
    mixed, natural = (jnp.repeat(jnp.array(x), games) for x in (MIXED, NATURAL))
    wide_step = jnp.where(mixed & ~natural, other_step, step_size)
    share = mixed * mixture_share * step_size * beta

    def first_method(state: tuple[Any, Any]) -> tuple[Any, Any]:
        logits, policy = state
        ahead = leads(advantage, policy)
        gap = regularised_gap(ahead, logits, policy, reference, beta)
        pull = beta * (reference - logits)
        _, trial = normalised(logits + step_size * (ahead + pull))
        return normalised(logits + step_size * (leads(advantage, trial) + pull)), gap

    def other_methods(state: tuple[Any, Any]) -> tuple[Any, Any]:
        logits, policy = state
        gap = regularised_gap(leads(wide_advantage, policy), logits, policy, wide_reference, beta)
        away = wide_reference - logits
        _, opponent = normalised(logits + share * away)
        score = leads(wide_advantage, opponent) + beta * away
        weighted = policy * score
        gradient = actions * (weighted - policy * jnp.sum(weighted, axis=0))
        return normalised(logits + wide_step * jnp.where(natural, score, gradient)), gap

    def advance(states: tuple[Any, Any], _: None) -> tuple[Any, Any]:
        (first, first_gap), (rest, rest_gap) = first_method(states[0]), other_methods(states[1])
        return (first, rest), (first_gap, rest_gap)

    start = normalised(reference), normalised(wide_reference)
    # Eight steps a turn of the compiled loop, whose own cost they share.
    states, gaps = jax.lax.scan(advance, start, None, length=steps, unroll=8)
    _, last = advance(states, None)
    gap = jnp.concatenate([jnp.concatenate(gaps, axis=-1), jnp.concatenate(last)[None]])
    logits = jnp.concatenate([log_policy for log_policy, _ in states], axis=-1)
    columns = {method: slice(i * games, (i + 1) * games) for i, method in enumerate(METHODS)}
    return Curves({m: gap[:, c] for m, c in columns.items()}, {m: logits[:, c].T for m, c in columns.items()})
