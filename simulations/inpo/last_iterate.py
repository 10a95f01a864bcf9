r"""The last iterate (Theorem 4): each step, the theorem's decreasing steps, constant steps, and bounded log-ratios.

Theorem 4 assumes that log-ratios to the reference stay below B and speaks of C = max(Bτ, 1). From the reference they
do, with B = 1/τ, so that C = 1.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax
from lab.family import log_uniform, uniform
from lab.games.game import PreferenceGame, rock_paper_scissors
from lab.games.gaps import close_divergence
from lab.games.local import mirror_descent_limit, rotations
from lab.games.play import play
from lab.games.regret import last_iterate_bound, loss_gradient
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, exponent, factor
from lab.policies import kl_divergence
from simulations.inpo.worlds import INPO, Play, cycles, elsewhere, games, iterates


def _span(x: Any) -> Any:
    return np.max(x, axis=-1) - np.min(x, axis=-1)


# ── One step ──


@evidence("inpo/last-iterate-step", kind="exact", over=games(steps=1))
def divergence_after_a_step(world: Play, allowance: float = 8.0):
    """From a random policy: KL(π*‖π₊) ≤ (1 − τ/η) KL(π*‖π) + 8C²/η², C = max(Bτ, 1) with the policies' own B."""
    game, target, start = world.game, world.log_equilibrium, elsewhere(world)
    (inverse_step,) = world.inverse_steps
    _, found = iterates(game, [inverse_step], start=start)
    ratio = np.max(np.maximum(np.abs(start - game.log_reference), np.abs(found - game.log_reference)), axis=-1)
    extra = allowance * np.maximum(ratio * game.beta, 1.0) ** 2 / inverse_step**2
    return at_most(kl_divergence(target, found), (1.0 - world.share[..., 0]) * kl_divergence(target, start) + extra)


divergence_after_a_step.control("without the allowance 8C²/η²", allowance=0.0)


@evidence("inpo/last-iterate-step-sharper", kind="exact", over=games(steps=1))
def divergence_after_a_step_by_the_gradient(world: Play, part: float = 1.0):
    r"""From a random policy: KL(π*‖π₊) ≤ (1 − τ/η) KL(π*‖π) − (τ/η) KL(π‖π*) + span(∇ℓ)²/8η²."""
    game, target, start = world.game, world.log_equilibrium, elsewhere(world)
    (inverse_step,) = world.inverse_steps
    share = world.share[..., 0]
    _, found = iterates(game, [inverse_step], start=start)
    slope = loss_gradient(game.advantage, start, game.log_reference, beta=game.beta)
    before = (1.0 - share) * kl_divergence(target, start) - share * kl_divergence(start, target)
    return at_most(kl_divergence(target, found), before + part * _span(slope) ** 2 / (8.0 * inverse_step**2))


divergence_after_a_step_by_the_gradient.control("a quarter of the last term", part=0.25)

# ── Assumption A ──


@evidence("inpo/log-ratios-stay-bounded", kind="exact", over=games(steps=6))
def span_of_log_ratios(world: Play, far: bool = False, part: float = 1.0):
    """From the reference, η_t ≥ τ: the span of log(π_t/π_ref) obeys s₊ ≤ (1 − τ/η) s + 1/η, and never exceeds 1/τ."""
    game = world.game
    policies = iterates(game, world.inverse_steps, start=elsewhere(world) if far else None)
    spans = [_span(p - game.log_reference) for p in policies]
    findings = [at_most(game.beta * s, part) for s in spans]
    for before, after, inverse_step in zip(spans[:-1], spans[1:], world.inverse_steps, strict=True):
        findings.append(at_most(after, (1.0 - game.beta / inverse_step) * before + part / inverse_step))
    return tuple(findings)


span_of_log_ratios.control("from another policy", far=True)
span_of_log_ratios.control("a quarter of the bound", part=0.25)


@evidence("inpo/reference-is-near", kind="exact", over=games(beta=log_uniform(0.02, 50)))
def distance_of_the_reference(world: Play, other: bool = False):
    """KL(π*‖π_ref) is at most 1/2τ and at most 1/8τ², so that it obeys Theorem 4 at T = 1."""
    start = elsewhere(world) if other else world.game.log_reference
    distance = kl_divergence(world.log_equilibrium, start)
    return (
        at_most(2.0 * world.beta * distance, 1.0),
        at_most(8.0 * world.beta**2 * distance, 1.0),
        at_most(distance, last_iterate_bound(1, beta=world.beta, allowance=0.5)),
    )


distance_of_the_reference.control("a policy that is not the reference", other=True)

# ── The theorem's decreasing steps, η_t = τ(t + 2)/2 ──


def _decreasing(world: Play, steps: int) -> list[Any]:
    return [world.beta * (t + 2.0) / 2.0 for t in range(1, steps + 1)]


@evidence("inpo/last-iterate-bound", kind="exact", over=games(beta=log_uniform(0.2, 2)), size=256)
def divergence_by_step(world: Play, allowance: float = 8.0, proof_start: bool = False, far: bool = False):
    """t = 1, …, 13 from the reference: KL(π*‖π_t) ≤ 4c/τ²(t + 1), with the printed c = 8."""
    game, start = world.game, None
    if proof_start:  # the base case of the proof: a step with η₀ = τ, which lands on the reference's best response
        start = game.best_response(game.log_reference)
    if far:
        start = elsewhere(world)
    policies = iterates(game, _decreasing(world, 12), start=start)
    return tuple(
        at_most(kl_divergence(world.log_equilibrium, p), last_iterate_bound(t, beta=world.beta, allowance=allowance))
        for t, p in enumerate(policies, 1)
    )


divergence_by_step.control("from the policy of the proof's base case", expected="holds", proof_start=True)
divergence_by_step.control(
    "from anywhere: a large KL weight, so that the bound is small, and a start far off",
    over=games(beta=uniform(10, 20), start=3.0),
    far=True,
)


@evidence("inpo/last-iterate-bound-sharper", kind="exact", over=games(beta=log_uniform(0.2, 2)), size=256)
def divergence_by_step_with_a_sixteenth(world: Play, far: bool = False):
    """The same with c = ½, a sixteenth of the printed constant: KL(π*‖π_t) ≤ 2/τ²(t + 1)."""
    return divergence_by_step(world, allowance=0.5, far=far)


divergence_by_step_with_a_sixteenth.control(
    "from anywhere: a large KL weight, and a start far off", over=games(beta=uniform(10, 20), start=3.0), far=True
)

STEPS = np.array([1_000, 1_800, 3_200, 5_600, 10_000, 18_000, 32_000])


def _divergence_to(log_target: Any) -> Any:
    def measure(_: PreferenceGame, state: Any) -> Any:
        return close_divergence(log_target, state.log_policy)

    return measure


def _divergences(game: PreferenceGame, log_target: Any, **run: Any) -> np.ndarray:
    """KL(π*‖π_t) for t = 1, 2, …: (games, steps + 1)."""
    log_target = jnp.asarray(log_target)
    measured = play(INPO, game, measure=_divergence_to(log_target), **run).measured
    return np.asarray(measured).T


@evidence("inpo/last-iterate-law", kind="rate", over=games(beta=log_uniform(0.1, 1)), size=128)
def divergence_after_many_steps(world: Play, draw: Draw, slower: float = 1.0, power: float = 4.0):
    """t from 1,000 to 32,000 with η_t = τ(t + 2)/2: KL(π*‖π_t) falls as t⁻⁴, in every game."""
    game, last = world.game, int(STEPS[-1])
    found = _divergences(
        game, world.log_equilibrium, step_size=2.0 / (slower * game.beta), steps=last,
        schedule=1.0 / (np.arange(1, last + 1) + 2.0),
    )  # fmt: skip
    errors = found[:, STEPS - 1]
    bounds = [np.median(last_iterate_bound(int(t), beta=game.beta)) for t in STEPS]
    return exponent(STEPS, errors, between=(-4.2, -3.8), predicted=-4.0, series={"bound": np.array(bounds)})


divergence_after_many_steps.control("steps half as long: each mode falls as 1/t, and KL as t⁻²", slower=2.0)


@evidence("inpo/last-iterate-law-is-inverse", kind="rate", over=games(beta=log_uniform(0.1, 1)), size=128)
def divergence_against_the_bound(world: Play, draw: Draw, slower: float = 1.0):
    """The same numbers against the slope −1 of the bound."""
    found = divergence_after_many_steps(world, draw, slower=slower)
    return exponent(STEPS, found.errors, between=(-1.1, -0.9), predicted=-1.0)


divergence_against_the_bound.control("steps a quarter as long do fall as 1/t", slower=4.0)

# ── One trajectory for the picture: rock, paper, scissors with τ = 0.05 ──

ROCK = PreferenceGame(rock_paper_scissors(), np.full(3, -np.log(3.0)), np.array(0.05))
ROCK_START = np.log([0.7, 0.2, 0.1])
LONG = np.unique(np.round(np.geomspace(1, 100_000, 60)).astype(int))


@evidence("inpo/last-iterate-law", kind="rate", over=ROCK)
def rock_paper_scissors_to_the_end(world: PreferenceGame, draw: Draw, slower: float = 1.0):
    """Rock, paper, scissors, τ = 0.05, from (0.7, 0.2, 0.1): KL(u‖π_t) up to t = 100,000."""
    last = int(LONG[-1])
    found = _divergences(
        world, world.log_reference, step_size=2.0 / (slower * world.beta), steps=last, start=ROCK_START,
        schedule=1.0 / (np.arange(1, last + 1) + 2.0),
    )  # fmt: skip
    late = LONG >= 3_000
    series = {
        "step": LONG,
        "divergence": found[LONG - 1],
        "bound": np.array([last_iterate_bound(int(t), beta=0.05) for t in LONG]),
        "sharper": np.array([last_iterate_bound(int(t), beta=0.05, allowance=0.5) for t in LONG]),
    }
    return exponent(LONG[late], found[LONG - 1][late], between=(-4.2, -3.8), predicted=-4.0, series=series)


rock_paper_scissors_to_the_end.control("steps half as long", slower=2.0)

# ── Constant steps ──


def _step_of_modulus(world: Play, modulus: float) -> np.ndarray:
    r"""The larger step size at which mirror descent contracts by this modulus, $(1-\eta\tau)^2 + \eta^2\omega^2 = m^2$.

    Below the limit $2\tau/(\tau^2+\omega^2)$ for a modulus below 1, beyond it for one above.
    """
    rotation = rotations(world.advantage, np.asarray(world.log_equilibrium))[..., 0]
    square = world.beta**2 + rotation**2
    step_size = (world.beta + np.sqrt(world.beta**2 - square * (1.0 - modulus**2))) / square
    limit = mirror_descent_limit(beta=world.beta, rotation=rotation)
    assert np.all((step_size < limit) == (modulus < 1.0))
    return step_size


@evidence("inpo/constant-step-threshold", kind="rate", over=cycles(beta=log_uniform(0.1, 0.3)), size=128)
def divergence_at_a_constant_step(world: Play, draw: Draw, modulus: float = 0.98):
    """Cyclic games near the equilibrium, each a little below its largest stable step: KL falls by 0.98² a step."""
    target = np.asarray(world.log_equilibrium)
    near = log_softmax(target + 1e-3 * np.asarray(world.log_start))
    steps = 100
    found = _divergences(world.game, target, step_size=_step_of_modulus(world, modulus), steps=steps, start=near)
    return factor(np.arange(steps + 1), found, between=(0.955, 0.966), predicted=0.98**2)


divergence_at_a_constant_step.control("a little beyond it: KL grows by 1.02² a step", modulus=1.02)
