"""Past policies and references as opponents (TD-MNPO, EO-MNPO): what settles the play, and where."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import namespace
from lab.family import family, log_uniform, normal, uniform, world
from lab.games.game import PreferenceGame, rock_paper_scissors
from lab.games.gaps import duality_gap, lead, regularised_gap
from lab.games.history import (
    anchored_optimum,
    anchored_value,
    history_limit,
    history_modulus,
    spiral_rate,
    spiral_rate_of_past_opponents,
)
from lab.games.multiplayer import towards
from lab.games.play import one_step
from lab.games.solvers import SOLVERS
from lab.inference.rounding import value
from lab.inference.rounding_rules import UNIT
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, exponent
from lab.policies import kl_divergence, tabular
from simulations.mnpo.worlds import Players, games, three


@world
class Spiral:
    """A rotation, a step size with x = ηω below 0.3, the share k of the policy before, and what is left out."""

    rotation: Any
    step_size: Any
    share: Any
    missing: Any

    @property
    def weights(self) -> tuple[Any, Any]:
        keep = 1.0 - self.missing
        return keep * (1.0 - self.share), keep * self.share


def spirals(*, share: Any = None, missing: Any = None) -> Any:
    return family(
        Spiral,
        rotation=uniform(0.05, 0.3),
        step_size=uniform(0.2, 1.0),
        share=uniform(0.0, 0.9) if share is None else share,
        missing=uniform(0, 0) if missing is None else missing,
    )


@evidence("mnpo/history-mixture-stabilises", kind="exact", over=spirals())
def modulus_of_a_mixture(world: Spiral):
    """Weights (1 − k, k) on the last two policies: the growth of a deviation a step is at most 1."""
    modulus = history_modulus(world.step_size, rotation=world.rotation, weights=world.weights)
    return at_most(modulus, 1.0 + 0.0 * modulus)


modulus_of_a_mixture.control("a tenth or more of the weight left out", over=spirals(missing=uniform(0.1, 0.3)))


@evidence("mnpo/history-mixture-slows-spiral", kind="exact", over=spirals(share=uniform(0.05, 0.9)))
def mixture_against_no_mixture(world: Spiral, missing: float = 0.0):
    """Weights (1 − k, k): above 1, so that the play still spirals outwards, but below the growth at k = 0."""
    weights = tuple((1.0 - missing) * weight for weight in world.weights)
    modulus = history_modulus(world.step_size, rotation=world.rotation, weights=weights)
    plain = history_modulus(world.step_size, rotation=world.rotation, weights=(1.0, 0.0))
    return below(1.0 + 0.0 * modulus, modulus), below(modulus, plain)


mixture_against_no_mixture.control("a fifth of the weight left out", missing=0.2)

STEPS = np.geomspace(0.02, 0.1, 5)


def _remainder(world: Spiral, payoffs: bool, rate: Any) -> Any:
    found = []
    share = world.share
    for step in STEPS:
        step_size = step / world.rotation
        seen = (1.0 - share, share) if payoffs else (1.0, 0.0)
        modulus = history_modulus(step_size, rotation=world.rotation, weights=(1.0 - share, share), payoff_weights=seen)
        found.append(np.abs(modulus**2 - 1.0 - rate(step_size, rotation=world.rotation, share=share)))
    return exponent(STEPS, np.stack(found, axis=-1), between=(3.9, 4.1), predicted=4.0)


@evidence("mnpo/history-mixture-slows-spiral", kind="rate", over=spirals(share=uniform(0.2, 0.8)))
def growth_of_a_mixture(world: Spiral, draw: Draw, naive: bool = False):
    """|μ|² − 1 less x²(1 − k)/(1 + k)³ falls as x⁴."""
    rate = (lambda step, rotation, share: (step * rotation) ** 2 * (1 - share)) if naive else spiral_rate
    return _remainder(world, False, rate)


growth_of_a_mixture.control("x²(1 − k)", naive=True)


@evidence("mnpo/history-as-opponents", kind="rate", over=spirals(share=uniform(0.2, 0.8)))
def growth_with_past_opponents(world: Spiral, draw: Draw, payoffs_of_now: bool = False):
    """Payoffs, too, against the mixture (1 − k, k): |μ|² − 1 less x²(1 + k + 2k²)/(1 + k)³ falls as x⁴."""
    return _remainder(world, not payoffs_of_now, spiral_rate_of_past_opponents)


growth_with_past_opponents.control("payoffs against the policy of now", payoffs_of_now=True)


@evidence("mnpo/weights-that-settle", kind="exact", over=spirals(missing=uniform(0.02, 0.5)))
def modulus_at_the_limit(world: Spiral, forget: bool = False):
    """At the limit that the Schur–Cohn test gives, the modulus is 1; at 0.99 of it less, at 1.01 of it more."""
    limit = history_limit(world.weights, rotation=world.rotation)
    limit = limit / (1.0 + world.weights[1]) if forget else limit
    one = 1.0 + 0.0 * limit

    def modulus(step_size: Any) -> Any:
        return history_modulus(step_size, rotation=world.rotation, weights=world.weights)

    return equal(modulus(limit), one), below(modulus(0.99 * limit), one), below(one, modulus(1.01 * limit))


modulus_at_the_limit.control("without the factor 1 + λ₁", forget=True)


@evidence("mnpo/reference-among-opponents", kind="exact", over=three)
def reference_as_an_opponent(world: Players, all_of_it: bool = False):
    """Opponents π_t and π_ref, weights 1 − ητ and ητ: the step of mirror descent with KL weight τ."""
    policy, reference = world.log_policies[..., 0, :], world.log_reference
    xp = namespace(policy)
    pull = world.step_size * world.beta / 3.0
    payoffs = lead(world.shared, policy)
    ours = towards(
        xp.stack([policy, reference], axis=-2), payoffs,
        weights=xp.stack([1.0 - (0.0 if all_of_it else 1.0) * pull, pull], axis=-1), step_size=world.step_size,
    )  # fmt: skip
    game = PreferenceGame(world.shared, reference, world.beta / 3.0)
    theirs = one_step(SOLVERS["mirror_descent"], game, policy, step_size=world.step_size)
    return equal(ours, theirs.log_policy)


reference_as_an_opponent.control("the full weight on π_t as well", all_of_it=True)


@partial(jax.jit, static_argnames="steps")
def past_play(start: Any, advantage: Any, log_reference: Any, weights: Any, step_size: Any, steps: int) -> Any:
    """Policies at every step with the opponents π_t, π_{t−1} and π_ref and payoffs against π_t: (steps, …, actions)."""

    def advance(pair: tuple[Any, Any], _: None) -> tuple[Any, Any]:
        now, before = pair
        opponents = jnp.stack([now, before, jnp.broadcast_to(log_reference, now.shape)], axis=-2)
        after = towards(opponents, lead(advantage, now), weights=weights, step_size=step_size)
        return (after, now), now

    start = jnp.asarray(start)
    return jax.lax.scan(advance, (start, start), None, length=steps)[1]


@evidence("mnpo/missing-weight-is-entropy", kind="exact", over=games(actions=4), size=64)
def limit_of_short_weights(world: Players, stretch: float = 1.0):
    """Weights (.45, .45), η = ½, run to rest: the entropy-regularised gap at temperature 0.1/η is 0 to rounding."""
    start = value(world.log_policies)[:, 0]
    uniform_policy = np.full(start.shape, -np.log(start.shape[-1]))
    weights = np.array([0.45, 0.45, 0.0])
    path = past_play(start, value(world.shared), uniform_policy, weights, 0.5, 2000)
    last = np.asarray(path)[-1]
    # The policy's own last digits are data: what is checked is whether this policy is the equilibrium.
    temperature = stretch * (1.0 - 0.45 - 0.45) / 0.5
    gap = regularised_gap(world.shared, last, uniform_policy, beta=temperature + 0.0 * world.beta)
    return equal(gap, 0.0 * gap)


limit_of_short_weights.control("twice the temperature", stretch=2.0)

# Weights on (π_t, π_{t−1}, π_ref) whose runs are drawn; the last two settle.
RUNS = {
    "1, 0": (1.0, 0.0, 0.0),
    "0.75, 0.25": (0.75, 0.25, 0.0),
    "0.5, 0.5": (0.5, 0.5, 0.0),
    "0.25, 0.75": (0.25, 0.75, 0.0),
    "0.45, 0.45": (0.45, 0.45, 0.0),
    "0.9, 0, reference 0.1": (0.9, 0.0, 0.1),
}


@evidence("mnpo/history-mixture-stabilises", kind="exact", rounding="declared")
def gaps_of_six_mixtures(runs: Any = None, steps: int = 3000):
    """Rock, paper, scissors, η = ½: gaps of the last 100 of 3,000 policies with weights that add up to 1, to 10⁻⁶."""
    start = np.log(np.array([0.5, 0.3, 0.2]))
    names = list(RUNS)[:4] if runs is None else runs
    reference = np.log(np.full(3, 1 / 3))
    found = {
        name: np.asarray(
            duality_gap(
                rock_paper_scissors(),
                past_play(start, rock_paper_scissors(), reference, np.array(RUNS[name]), 0.5, steps),
            )
        )
        for name in RUNS
    }
    rotation = np.sqrt(3) / 6
    shown = np.stack([found[name][::10] for name in RUNS])
    moduli = [float(history_modulus(0.5, rotation=rotation, weights=(RUNS[name][0], RUNS[name][1]))) for name in RUNS]
    last = np.array([np.max(found[name][-100:]) for name in names])
    # The three payoffs of a policy are exact to a few units.
    series = {"names": np.array(list(RUNS)), "gaps": shown, "moduli": np.array(moduli)}
    return at_most(last, 1e-6 + 0.0 * last, error=16 * UNIT, series=series)


gaps_of_six_mixtures.control("weights that leave something to the uniform policy", runs=lambda: list(RUNS)[4:])


@world
class Anchors:
    """A reward, three anchors (the reference and two other models) with a temperature each, and some policy."""

    reward: Any
    anchor_logits: Any
    temperatures: Any
    logits: Any


anchors = family(
    Anchors,
    reward=normal(1, shape=(4,)),
    anchor_logits=normal(1, shape=(3, 4)),
    temperatures=log_uniform(0.05, 2, shape=(3,)),
    logits=normal(1.5, shape=(4,)),
)


@evidence("mnpo/several-anchors", kind="exact", over=anchors)
def loss_against_the_optimum(world: Anchors, forget: bool = False):
    """J(π*) − J(π) = τ_Σ KL(π‖π*) for the policy of Proposition 2: it is the only maximiser."""
    log_anchors, policy = tabular(world.anchor_logits), tabular(world.logits)
    xp = namespace(policy)
    optimum = anchored_optimum(
        world.reward,
        log_anchors[..., 1:, :] if forget else log_anchors,
        temperatures=world.temperatures[..., 1:] if forget else world.temperatures,
    )

    def score(log_policy: Any) -> Any:
        return anchored_value(log_policy, world.reward, log_anchors, temperatures=world.temperatures)

    total = xp.sum(world.temperatures, axis=-1)
    return equal(score(optimum) - score(policy), total * kl_divergence(policy, optimum))


loss_against_the_optimum.control("the optimum without the first anchor", forget=True)
