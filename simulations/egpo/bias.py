"""The regularised equilibrium in the game without regularisation, and convergence to that game's equilibrium (C5)."""

from dataclasses import replace
from typing import Any

import numpy as np

from lab.arrays import namespace
from lab.family import Family, family, normal, uniform
from lab.games.equilibria import regularised_equilibrium
from lab.games.game import PreferenceGame, bradley_terry_game, skew
from lab.games.gaps import duality_gap, regularisation_bias_bound
from lab.games.local import contraction_limit
from lab.games.play import nothing, play
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, exponent, factor
from lab.policies import tabular
from simulations.egpo.rates import EPS, cycles
from simulations.egpo.worlds import Games, anywhere

BETAS = np.geomspace(2e-3, 1e-2, 5)


@evidence("egpo/regularisation-bias", kind="exact", over=anywhere)
def bias_of_the_equilibrium(world: Games, at_start: bool = False):
    """DualGap(π_β) ≤ 2β [log 1/min π_ref − KL(π_β‖π_ref)] ≤ 2β log 1/min π_ref."""
    findings = []
    for planted in world.all:
        game, policy = planted.game, planted.log_start if at_start else planted.log_equilibrium
        sharp = regularisation_bias_bound(policy, game.log_reference, beta=game.beta)
        rarest = namespace(policy).max(-game.log_reference, axis=-1)
        findings += [at_most(game.duality_gap(policy), sharp), at_most(sharp, 2.0 * game.beta * rarest)]
    return tuple(findings)


bias_of_the_equilibrium.control("another policy", at_start=True)


def with_reference(margins: Any, start_logits: Any) -> PreferenceGame:
    """Cycles of three actions; their logits become the reference."""
    return PreferenceGame(cycles(margins, start_logits).advantage, tabular(start_logits), 0.0 * margins[:, 0])


def with_a_winner(gaps: Any, reference_logits: Any) -> PreferenceGame:
    """Bradley–Terry games of three actions, the first the best, the second next."""
    rewards = np.stack([gaps[:, 0] + gaps[:, 1], gaps[:, 1], 0.0 * gaps[:, 0]], axis=-1)
    return PreferenceGame(bradley_terry_game(rewards), tabular(reference_logits), 0.0 * gaps[:, 0])


interior = family(with_reference, margins=uniform(0.2, 0.5, shape=(3,)), start_logits=normal(1, shape=(3,)))
transitive: Family = family(with_a_winner, gaps=uniform(0.4, 2, shape=(2,)), reference_logits=normal(1, shape=(3,)))


def _gaps(world: PreferenceGame, betas: np.ndarray) -> np.ndarray:
    """Unregularised gap of the regularised equilibrium at every KL weight: (games, weights)."""
    beta = np.broadcast_to(betas, (len(world.beta), len(betas)))
    advantage = world.advantage[:, None]
    found = regularised_equilibrium(advantage, world.log_reference[:, None] + 0.0 * beta[..., None], beta=beta)
    return np.asarray(duality_gap(advantage, np.asarray(found.log_policy)))


@evidence("egpo/interior-bias", kind="rate", over=interior)
def gap_by_weight(world: PreferenceGame, draw: Draw):
    """Equilibrium with full support: DualGap(π_β) falls as β."""
    return exponent(BETAS, _gaps(world, BETAS), between=(0.9, 1.1), predicted=1.0)


gap_by_weight.control("a game with a best action: faster than any power", over=transitive)


INVERSES = np.array([40.0, 50.0, 60.0, 70.0, 80.0])


@evidence("egpo/best-action-bias", kind="rate", over=transitive)
def gap_by_inverse_weight(world: PreferenceGame, draw: Draw, twice: bool = False):
    """A best action that wins by Δ against the next: DualGap(π_β) falls as e^(−Δ/β). Divided by it, the factor is 1."""
    margin = world.advantage[:, 0, 1] * (2 if twice else 1)
    found = _gaps(world, 1 / INVERSES) * np.exp(margin[:, None] * INVERSES)
    return factor(INVERSES, found, between=(0.995, 1.005), predicted=1.0)


gap_by_inverse_weight.control("twice the margin", twice=True)

ACCURACIES = np.array([0.2, 0.1, 0.05])


def _updates(accuracy: float, actions: int) -> tuple[float, float, int]:
    """KL weight, step size and number of updates for this accuracy, from a uniform reference."""
    beta = accuracy / (4 * np.log(actions))
    step = float(contraction_limit(beta=beta))
    return beta, step, int(np.ceil(2 / (step * beta) * np.log(2 * np.sqrt(2 * np.log(actions)) / accuracy)))


def uniform_reference(advantages: Any, actions: int) -> PreferenceGame:
    """Games with independent uniform preferences, played from the uniform policy."""
    flat = np.full((len(advantages), actions), -np.log(actions))
    return PreferenceGame(skew(advantages, actions), flat, np.zeros(len(advantages)))


@evidence(
    "egpo/original-game", kind="exact", size=128, rounding="declared",
    over=family(uniform_reference, advantages=uniform(-0.5, 0.5, shape=(28,)), actions=8),
)  # fmt: skip
def gap_after_the_predicted_updates(world: PreferenceGame, fixed_weight: float | None = None):
    """β = ε/(4 log N) and T = (2/ηβ) log(2 √(2 log N)/ε) updates from the uniform policy: DualGap(π_T) ≤ ε."""
    findings, actions = [], world.log_reference.shape[-1]
    for accuracy in ACCURACIES:
        beta, step, updates = _updates(float(accuracy), actions)
        game = replace(world, beta=np.full(len(world.beta), beta if fixed_weight is None else fixed_weight))
        step = step if fixed_weight is None else float(contraction_limit(beta=fixed_weight))
        run = play(SOLVERS["extragradient"], game, step_size=step, steps=updates, measure=nothing)
        gap = np.asarray(game.duality_gap(run.state.log_policy))
        # A gap is twice a sum of eight products below ½; the run's rounding is part of where it went.
        findings.append(at_most(gap, np.full_like(gap, accuracy), error=20 * EPS))
    return tuple(findings)


gap_after_the_predicted_updates.control("β = 0.3 throughout: the bias stays", fixed_weight=0.3)
