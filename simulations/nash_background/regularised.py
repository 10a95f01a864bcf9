"""Towards the regularised equilibrium: what one step guarantees, what decreasing steps do, and who is biased."""

from typing import Any

import numpy as np

from lab.arrays import beside, log_softmax, logsumexp, namespace
from lab.family import log_uniform, uniform
from lab.games.conventions import step_from_magnetic
from lab.games.equilibria import regularised_equilibrium
from lab.games.families import any_games, planted_games
from lab.games.game import PlantedGame, PreferenceGame
from lab.games.gaps import close_divergence, regularisation_bias_bound
from lab.games.play import log_policy, nothing, one_step, play, unrolled
from lab.games.solvers import SOLVERS
from lab.inference.rounding_rules import UNIT
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent
from lab.policies import kl_divergence
from simulations.nash_background.worlds import planted_any


def contracts(world: PlantedGame, solver: str, step_size: Any, share: Any, extra: Any = 0.0) -> Any:
    """KL(π*‖π₊) ≤ share · KL(π*‖π) + extra, for one step from the world's start."""
    target, start = world.log_equilibrium, world.log_start
    after = one_step(SOLVERS[solver], world.game, start, step_size=step_size).log_policy
    return at_most(kl_divergence(target, after), share * kl_divergence(target, start) + extra)


@evidence("nash-background/nash-md-step", kind="exact", over=planted_any)
def nash_md_step(world: PlantedGame, allowance: float = 2.0, near_start: bool = False):
    """KL(π*‖π₊) ≤ (1 − ηβ) KL(π*‖π) + 2η², for ηβ up to 1, random games and starts."""
    findings = []
    if near_start:
        world = PlantedGame(world.advantage, world.equilibrium_logits, world.equilibrium_logits, world.beta)
    for part in (0.02, 0.2, 1.0):
        step_size = part / world.beta
        findings.append(
            contracts(world, "nash_mirror_descent", step_size, 1.0 - part, allowance * step_size * step_size)
        )
    return tuple(findings)


nash_md_step.control("without the allowance, from the equilibrium", allowance=0.0, near_start=True)


LENGTHS = np.array([16, 64, 256, 1024, 4096, 16384])


def _schedule(steps: int) -> np.ndarray:
    """2/(t + 2), so that with the step size 1/β the steps are η_t = 2/(β(t + 2))."""
    return 2.0 / (np.arange(steps) + 2.0)


@evidence(
    "nash-background/nash-md-decreasing-steps", kind="exact", over=planted_games(beta=uniform(0.5, 2)), size=64,
    rounding="declared",
)  # fmt: skip
def nash_md_with_decreasing_steps(world: PlantedGame, too_fast: bool = False):
    """KL(π*‖π_T) ≤ 8/(β²(T + 1)) with η_t = 2/(β(t + 2)), for T up to 16,384."""
    game, target = world.game, world.log_equilibrium
    steps = int(LENGTHS[-1])
    schedule = _schedule(steps) / (np.arange(steps) + 2.0) if too_fast else _schedule(steps)
    run = play(
        SOLVERS["nash_mirror_descent"], game, step_size=1.0 / world.beta, steps=steps, measure=log_policy,
        schedule=schedule, start=world.log_start,
    )  # fmt: skip
    path = np.asarray(run.measured)[LENGTHS]
    found = np.asarray(close_divergence(target, path)).T
    bound = 8.0 / (world.beta[:, None] ** 2 * (LENGTHS + 1.0))
    # The map contracts, so that a logit's error stays below a few steps' rounding over ηβ; a divergence moves by less
    # than its logits.
    error = 64 * UNIT * LENGTHS * np.max(np.abs(path), axis=(0, 2))[:, None]
    median = np.median(found, axis=0)
    return at_most(found, bound, error=error, series={"length": LENGTHS, "median": median})


nash_md_with_decreasing_steps.control("steps that fall as 1/t², which never arrive", too_fast=True)


STEP_SIZES = np.geomspace(0.01, 0.08, 6)


@evidence("nash-background/nash-md-bias", kind="rate", over=planted_games(beta=uniform(0.5, 1)), size=128)
def bias_of_nash_md(world: PlantedGame, draw: Draw, order: int = 2):
    """KL(π_β‖fixed point) for constant η = 0.01 … 0.08, run to rounding: it grows as η²."""
    worlds, count = len(world.beta), len(STEP_SIZES)
    game = PreferenceGame(*(np.repeat(x, count, axis=0) for x in _fields(world.game)))
    start, target = (np.repeat(x, count, axis=0) for x in (world.log_start, world.log_equilibrium))
    run = play(
        SOLVERS["nash_mirror_descent"], game, step_size=np.tile(STEP_SIZES, worlds), steps=8000, measure=nothing,
        start=start,
    )  # fmt: skip
    errors = np.asarray(close_divergence(target, run.state.log_policy)).reshape(worlds, count)
    return exponent(STEP_SIZES, errors, between=(order - 0.05, order + 0.05), predicted=order)


def _fields(game: PreferenceGame) -> tuple[Any, ...]:
    return game.advantage, game.log_reference, game.beta


bias_of_nash_md.control("the order of its bound, η", order=1)


@evidence("nash-background/unbiased-solvers", kind="exact", over=planted_any)
def equilibrium_is_a_fixed_point(world: PlantedGame, solver: str = ""):
    """A step from the planted equilibrium stays there: mirror descent, extragradient, optimism; three step sizes."""
    findings = []
    target = world.log_equilibrium
    for name in (solver,) if solver else ("mirror_descent", "extragradient"):
        for part in (0.05, 0.5, 1.0):
            after = one_step(SOLVERS[name], world.game, target, step_size=part / world.beta)
            findings.append(equal(after.log_policy, target))
    if not solver:
        method, game = SOLVERS["optimistic"], world.game
        state = method.start(target)._replace(memory=game.lead(target))
        after = one_step(method, game, state, step_size=0.5 / world.beta)
        findings.append(equal(after.log_policy, target))
    return tuple(findings)


equilibrium_is_a_fixed_point.control("Nash-MD leaves it", solver="nash_mirror_descent")


@evidence("nash-background/two-actions-alike", kind="exact", over=planted_games(2))
def log_ratio_of_two_actions(world: PlantedGame):
    """After a step of mirror descent, extragradient or Nash-MD the error of log π(1)/π(2) is 1 − ηβ of that before."""
    target, start = world.log_equilibrium, world.log_start
    findings = []
    for name in ("mirror_descent", "extragradient", "nash_mirror_descent"):
        for part in (0.1, 0.7):
            after = one_step(SOLVERS[name], world.game, start, step_size=part / world.beta).log_policy
            error, before = (x - target for x in (after, start))
            findings.append(equal(error[..., 0] - error[..., 1], (1.0 - part) * (before[..., 0] - before[..., 1])))
    return tuple(findings)


log_ratio_of_two_actions.control("three actions, the first two of them", over=planted_games(3))


@evidence("nash-background/magnetic-is-mirror-descent", kind="exact", over=planted_any)
def magnetic_step_as_printed(world: PlantedGame, same_step: bool = False):
    """π₊ ∝ [π μ^{ηα} e^{ηAπ}]^{1/(1+ηα)} is the step of mirror descent with η/(1 + ηα), for η = α/4, α and 4α."""
    findings, game, start = [], world.game, world.log_start
    for multiple in (0.25, 1.0, 4.0):
        step = multiple * world.beta
        joined = start + beside(step * world.beta) * game.log_reference + beside(step) * game.lead(start)
        printed = log_softmax(joined / beside(1.0 + step * world.beta))
        size = step if same_step else step_from_magnetic(step, magnet=world.beta)
        ours = one_step(SOLVERS["mirror_descent"], game, start, step_size=size)
        findings.append(equal(printed, ours.log_policy))
    return tuple(findings)


magnetic_step_as_printed.control("with the same number for both steps", same_step=True)


@evidence("nash-background/magnetic-contraction", kind="exact", over=planted_any)
def magnetic_step(world: PlantedGame, multiple: float = 4.0):
    """(1 + ηα) KL(z*‖z₊) ≤ KL(z*‖z) for η up to 4α: the payoff's Lipschitz constant from ℓ₁ to ℓ∞ is ½."""
    findings = []
    for part in (0.1, 0.5, 1.0):
        magnetic = part * multiple * world.beta
        share = 1.0 / (1.0 + magnetic * world.beta)
        step_size = step_from_magnetic(magnetic, magnet=world.beta)
        findings.append(contracts(world, "mirror_descent", step_size, share))
    return tuple(findings)


magnetic_step.control("steps a hundred times as long", multiple=400.0)


@evidence("nash-background/predictive-updates", kind="exact", over=planted_any)
def predictive_update(world: PlantedGame, multiple: float = 1.0, solver: str = "extragradient"):
    """KL(ζ*‖ζ₊) ≤ (1 − ηβ) KL(ζ*‖ζ) for η up to 1/(β + 2‖A‖) = 1/(β + 1)."""
    findings = []
    for part in (0.1, 0.5, 1.0):
        step_size = part * multiple / (world.beta + 1.0)
        findings.append(contracts(world, solver, step_size, 1.0 - step_size * world.beta))
    return tuple(findings)


predictive_update.control(
    "mirror descent with the same steps, little regularisation",
    solver="mirror_descent",
    over=planted_games(beta=uniform(0.005, 0.02), equilibrium=0.3, start=0.3),
)


@evidence("nash-background/optimistic-updates", kind="exact", over=planted_any, size=256)
def optimistic_updates(world: PlantedGame, solver: str = "optimistic"):
    """KL(ζ*‖ζ_t) ≤ (1 − ηβ)^t KL(ζ*‖ζ₀) at t = 1 … 12, for η = min{1/(2β + 1), ½}; payoffs of the start as memory."""
    xp = namespace(world.beta)
    step_size = xp.minimum(1.0 / (2.0 * world.beta + 1.0), 0.5 + 0.0 * world.beta)
    method, game, target = SOLVERS[solver], world.game, world.log_equilibrium
    start = method.start(world.log_start)._replace(memory=game.lead(world.log_start))
    first, *later = unrolled(method, game, [step_size] * 12, start=start)
    bound, findings = kl_divergence(target, first.log_policy), []
    for state in later:
        bound = (1.0 - step_size * world.beta) * bound
        findings.append(at_most(kl_divergence(target, state.log_policy), bound))
    return tuple(findings)


optimistic_updates.control(
    "mirror descent with the same steps, little regularisation",
    solver="mirror_descent",
    over=planted_games(beta=uniform(0.001, 0.005), equilibrium=0.3, start=0.3),
)


@evidence("nash-background/mirror-prox-rate", kind="exact", over=planted_any)
def factor_a_step_of_two_queries(world: PlantedGame, solver: str = "extragradient"):
    """Extragradient with η = 1/(β + ½) takes two queries a step and divides KL(π*‖π) by at least 1 + 2β."""
    share = 1.0 / (1.0 + 2.0 * world.beta)
    return contracts(world, solver, 1.0 / (world.beta + 0.5), share)


factor_a_step_of_two_queries.control("mirror descent with the same step", solver="mirror_descent")


@evidence("nash-background/inner-loop", kind="exact", over=planted_any, size=256)
def multiplicative_inner_loop(world: PlantedGame, long: bool = False):
    """KL(π_β‖π_k) ≤ (1 − ηβ/2)^k KL(π_β‖π_ref) at k = 1 … 8 from the reference, for η = 4β/(1 + 4β²)."""
    step_size = 4.0 * world.beta / (1.0 + 4.0 * world.beta**2)
    step_size = 8.0 * step_size if long else step_size
    game, target = world.game, world.log_equilibrium
    first, *later = unrolled(SOLVERS["mirror_descent"], game, [step_size] * 8)
    bound, findings = kl_divergence(target, first.log_policy), []
    for state in later:
        bound = abs(1.0 - step_size * world.beta / 2.0) * bound
        findings.append(at_most(kl_divergence(target, state.log_policy), bound))
    return tuple(findings)


multiplicative_inner_loop.control("steps eight times as long", long=True)


@evidence("nash-background/bias-of-regularisation", kind="exact", over=planted_any)
def bias_of_the_regularised_equilibrium(world: PlantedGame, share: float = 1.0):
    """The unregularised gap of π_β against 2β[max log 1/π_ref − KL(π_β‖π_ref)]."""
    game, target = world.game, world.log_equilibrium
    bound = regularisation_bias_bound(target, game.log_reference, beta=world.beta)
    return at_most(game.duality_gap(target), share * bound)


bias_of_the_regularised_equilibrium.control("a twentieth of the bound", share=0.05)


TEMPERATURES = np.geomspace(4.0, 64.0, 5)


@evidence("nash-background/high-temperature", kind="rate", over=any_games(reference=0.5))
def expansion_at_high_temperature(world: PreferenceGame, draw: Draw, leading: bool = False):
    """π_β against π_ref∘(1 + Aπ_ref/β): the ℓ₁ distance falls as β⁻²; without the correction as β⁻¹."""
    reference = np.exp(world.log_reference)
    tilt = np.asarray(world.lead(world.log_reference))
    found = []
    for beta in TEMPERATURES:
        solved = regularised_equilibrium(world.advantage, world.log_reference, beta=np.full(len(reference), beta))
        first = reference * (1.0 + (0.0 if leading else 1.0) * (tilt - 0.0) / beta)
        found.append(np.sum(np.abs(np.exp(np.asarray(solved.log_policy)) - first), axis=-1))
    return exponent(TEMPERATURES, np.stack(found, axis=-1), between=(-2.1, -1.9), predicted=-2.0)


expansion_at_high_temperature.control("the reference alone", leading=True)


@evidence("nash-background/sppo-normaliser", kind="exact", over=any_games(beta=log_uniform(0.01, 5)))
def log_normaliser(world: PreferenceGame, slack: float = 1.0):
    """η/2 ≤ log E_π e^{ηP(·≻π)} ≤ η/2 + η²/8: the ½ in SPPO's target stands for it."""
    policy, step_size = world.log_reference, world.beta
    found = logsumexp(policy + beside(step_size) * (0.5 + world.lead(policy)))
    return (
        at_most(step_size / 2.0, found),
        at_most(found, step_size / 2.0 + slack * step_size**2 / 8.0),
    )


log_normaliser.control("a hundredth of the slack", slack=0.01)
