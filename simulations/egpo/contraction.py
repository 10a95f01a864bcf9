"""Every step brings extragradient nearer to the regularised equilibrium, and what follows from it (C1)."""

from itertools import pairwise
from typing import Any

from lab.arrays import namespace
from lab.family import uniform
from lab.games.game import PlantedGame
from lab.games.gaps import close_divergence
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from simulations.egpo.worlds import Games, all_sizes, anywhere, one_size, span, states

STEPS = 4


@evidence("egpo/one-step-contraction", kind="exact", over=anywhere, size=256)
def divergence_after_each_step(world: Games, stretch: float = 1.0):
    """KL(π*‖π₊) + ηβ KL(π½‖π*) ≤ (1 − ηβ) KL(π*‖π) at each of four steps, up to the largest step 1/(β + ½)."""
    findings = []
    for game in world.all:
        step, target = stretch * world.step_size(game), game.log_equilibrium
        pull = step * game.beta
        for before, after in pairwise(states("extragradient", game, step_size=step, steps=STEPS)):
            left = close_divergence(target, after.log_policy) + pull * close_divergence(after.memory, target)
            findings.append(at_most(left, (1.0 - pull) * close_divergence(target, before.log_policy)))
    return tuple(findings)


divergence_after_each_step.control(
    "steps three times the largest, with weak regularisation",
    stretch=3.0,
    over=all_sizes(beta=uniform(0.01, 0.1), share=uniform(0.8, 1)),
)


@evidence("egpo/one-step-contraction", kind="exact", over=anywhere, size=256)
def remainder_of_the_proof(world: Games, forget: bool = False):
    """The identity behind it: what is left over is −a KL(π½‖π) − KL(π₊‖π½) + η⟨A(π − π½), π½ − π₊⟩, a = 1 − ηβ."""
    findings = []
    for game in world.all:
        step, target = world.step_size(game), game.log_equilibrium
        xp = namespace(step)
        before, after = states("extragradient", game, step_size=step, steps=1)
        pull, half = step * game.beta, after.memory
        left = close_divergence(target, after.log_policy) + pull * close_divergence(half, target)
        turned = game.game.lead(before.log_policy) - game.game.lead(half)
        product = xp.sum(turned * (xp.exp(half) - xp.exp(after.log_policy)), axis=-1)
        rest = (
            step * product
            - (1.0 - pull) * close_divergence(half, before.log_policy)
            - close_divergence(after.log_policy, half)
        )
        right = (1.0 - pull) * close_divergence(target, before.log_policy)
        findings.append(equal(left, right if forget else right + rest))
    return tuple(findings)


remainder_of_the_proof.control("the inequality is not an equality", forget=True)


@evidence("egpo/linear-convergence", kind="exact", over=anywhere, size=256)
def divergence_after_many_steps(world: Games, solver: str = "extragradient"):
    """KL(π*‖π_T) ≤ (1 − ηβ)^T KL(π*‖π_0) for T = 1, …, 8."""
    findings = []
    for game in world.all:
        step, target = world.step_size(game), game.log_equilibrium
        first, *later = states(solver, game, step_size=step, steps=2 * STEPS)
        bound = close_divergence(target, first.log_policy)
        for state in later:
            bound = (1.0 - step * game.beta) * bound
            findings.append(at_most(close_divergence(target, state.log_policy), bound))
    return tuple(findings)


divergence_after_many_steps.control("mirror descent with the same steps", solver="mirror_descent")


@evidence("egpo/trial-policy", kind="exact", over=anywhere, size=256)
def divergence_of_the_trial_policy(world: Games, steps_late: bool = False):
    """KL(π*‖π½) ≤ (1 − ηβ)/(1 − η/2) KL(π*‖π) at each of four steps."""
    findings = []
    for game in world.all:
        step, target = world.step_size(game), game.log_equilibrium
        factor = 1.0 - step * game.beta
        if not steps_late:
            factor = factor / (1.0 - step / 2.0)
        for before, after in pairwise(states("extragradient", game, step_size=step, steps=STEPS)):
            left = close_divergence(target, after.memory)
            findings.append(at_most(left, factor * close_divergence(target, before.log_policy)))
    return tuple(findings)


divergence_of_the_trial_policy.control("the trial policy does not contract as the next one does", steps_late=True)


def _half_step_limit(world: Games, game: PlantedGame) -> Any:
    """η as a part of 1/(β + 1), where the trial policy's divergence is at most twice that of the policy."""
    return world.share / (game.beta + 1.0)


@evidence("egpo/span-bound", kind="exact", over=anywhere, size=256)
def span_of_the_logits(world: Games, solver: str = "extragradient", forget: bool = False):
    """span(log π_T/π*) ≤ (1 − ηβ)^T span_0 + (4/β) √KL_0 (1 − ηβ)^((T−1)/2) for T = 1, …, 8; η ≤ 1/(β + 1)."""
    findings = []
    for game in world.all:
        step, target = _half_step_limit(world, game), game.log_equilibrium
        xp, keep = namespace(step), 1.0 - step * game.beta
        first, *later = states(solver, game, step_size=step, steps=2 * STEPS)
        shrinking = span(first.log_policy - target)
        tail = 0.0 * keep if forget else 4.0 / game.beta * xp.sqrt(close_divergence(target, first.log_policy))
        for state in later:
            shrinking = keep * shrinking
            findings.append(at_most(span(state.log_policy - target), shrinking + tail))
            tail = xp.sqrt(keep) * tail
    return tuple(findings)


span_of_the_logits.control("without its second term", forget=True)


@evidence("egpo/classical-gap-bound", kind="exact", over=anywhere, size=256)
def regularised_gap_after_many_steps(world: Games, solver: str = "extragradient", power: float = 1.0):
    """DualGap_β(π_T) ≤ 2 (1/η + 1/2β)(1 − ηβ)^(T−1) KL_0 for T = 1, …, 8 and η ≤ 1/(β + 1)."""
    findings = []
    for game in world.all:
        step, target, played = _half_step_limit(world, game), game.log_equilibrium, game.game
        keep = 1.0 - step * game.beta
        first, *later = states(solver, game, step_size=step, steps=2 * STEPS)
        bound = 2.0 * (1.0 / step + 0.5 / game.beta) * close_divergence(target, first.log_policy)
        for state in later:
            findings.append(at_most(played.regularised_gap(state.log_policy), bound))
            bound = keep**power * bound
    return tuple(findings)


regularised_gap_after_many_steps.control("a factor (1 − ηβ)⁴ a step", power=4.0)


@evidence("egpo/two-actions", kind="exact", over=one_size(2, beta=uniform(0.05, 1)), size=256)
def log_ratio_of_two_actions(world: PlantedGame):
    """With two actions, log π(1)/π(2) less its equilibrium value shrinks by 1 − ηβ a step, for both solvers; η = ½."""
    step, target = 0.5 + 0.0 * world.beta, world.log_equilibrium
    findings = []
    for solver in ("mirror_descent", "extragradient"):
        for before, after in pairwise(states(solver, world, step_size=step, steps=STEPS)):
            off = [(s.log_policy - target)[..., 0] - (s.log_policy - target)[..., 1] for s in (before, after)]
            findings.append(equal(off[1], (1.0 - step * world.beta) * off[0]))
    return tuple(findings)


log_ratio_of_two_actions.control("three actions", over=one_size(3, beta=uniform(0.05, 1)))
