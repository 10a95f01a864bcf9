"""Table 1: each special case of Equation 17 against the loss of the method that it names."""

from typing import Any

import numpy as np

from lab.arrays import namespace, softplus
from lab.family import family, log_uniform, normal, uniform, world
from lab.games.divergences import backward_bernoulli, bernoulli_entropy, squared_distance
from lab.games.families import planted_games
from lab.games.game import PlantedGame, bradley_terry_game
from lab.games.gaps import lead
from lab.games.losses import dno_loss, pair_loss, sppo_loss
from lab.games.multiplayer import towards
from lab.inference.rounding import value
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.objectives.conventions import ipo_target
from lab.objectives.logistic import dpo
from lab.objectives.squared import ipo
from lab.policies import tabular
from simulations.mnpo.worlds import Players, games, three

INFINITE = 60.0  # a target: e^−60 is far below any rounding here


@world
class Pairs:
    """Log-ratio margins of pairs, a target, and a scale β."""

    margin: Any
    target: Any
    beta: Any


pairs = family(Pairs, margin=uniform(-4, 4), target=uniform(0.5, 8), beta=log_uniform(0.02, 0.5))


@evidence("mnpo/backward-distance-limit", kind="exact", over=pairs)
def backward_distance_by_its_parts(world: Pairs, forget: bool = False):
    """D_bwd(a‖c) = −log σ(a) + σ(−c) a − H(σ(c)), and 0 ≤ H(σ(c)) ≤ (1 + c) e^−c: it tends to −log σ(a)."""
    a, c = world.margin, world.target
    xp = namespace(a)
    entropy = bernoulli_entropy(c)
    found = backward_bernoulli(a, c)
    rest = 0.0 * a if forget else a * xp.exp(-softplus(c))
    return (
        equal(found, softplus(-a) + rest - entropy),
        at_most(0.0 * c, entropy),
        at_most(entropy, (1.0 + c) * xp.exp(-c)),
    )


backward_distance_by_its_parts.control("without the term in a", forget=True)


@evidence("mnpo/logistic-rows", kind="exact", over=pairs)
def logistic_rows_at_an_infinite_target(world: Pairs, own_scale: bool = False):
    """Rows of DPO, SimPO and CPO: D_bwd with an infinite target is the logistic loss of the margin, DPO with β = 1."""
    beta = world.beta if own_scale else 1.0 + 0.0 * world.beta
    return equal(backward_bernoulli(world.margin, INFINITE), dpo(world.margin, beta=beta))


logistic_rows_at_an_infinite_target.control("the β of the methods, between 0.02 and 0.5", own_scale=True)


@evidence("mnpo/scaled-logistic-rows", kind="exact", over=pairs)
def scaled_logistic_rows(world: Pairs, scale_inside: bool = False):
    """With the margin times β first, D_bwd(βm‖∞) is the loss with that β, DPO's and SPIN's."""
    margin = world.margin if scale_inside else world.beta * world.margin
    return equal(backward_bernoulli(margin, INFINITE), dpo(world.margin, beta=world.beta))


scaled_logistic_rows.control("the margin as it is", scale_inside=True)


def _margins(log_ratio: Any) -> Any:
    return log_ratio[..., :, None] - log_ratio[..., None, :]


@evidence("mnpo/spin-row", kind="exact", over=three, size=256)
def spin_by_its_weight(world: Players, beta: float = 0.5):
    """λ = β on π_t and an infinite target against −log σ(β·Δ log π/π_t): the difference at two policies."""
    old = world.log_policies[..., 0, :]
    found = []
    for k in range(2):
        new = world.log_candidates[..., k, :]
        row = backward_bernoulli(_margins(new - beta * old), INFINITE)
        found.append(row - dpo(_margins(new - old), beta=beta))
    return equal(*found)


spin_by_its_weight.control("β = 1", beta=1.0)


@evidence("mnpo/ipo-row", kind="exact", over=pairs)
def ipo_row(world: Pairs, stretch: float = 1.0):
    """D_sq with target 1/(2τ) is IPO's loss."""
    target = stretch * ipo_target(world.beta)
    return equal(squared_distance(world.margin, target), ipo(world.margin, beta=world.beta))


ipo_row.control("target 1/τ", stretch=2.0)


def _dno(world: Players) -> tuple[Any, Any, Any]:
    old = world.log_policies[..., 0, :]
    return old, lead(world.shared, old), namespace(old)


@evidence("mnpo/dno-row", kind="exact", over=three, size=256)
def dno_with_an_infinite_target(world: Players, hard: bool = False):
    """The winner by P(·≻π_t) with an infinite target against DNO's soft labels: the difference at two policies."""
    old, wins, xp = _dno(world)
    if hard:
        order = np.argsort(np.argsort(value(wins), axis=-1), axis=-1)
        wins = 0.0 * wins + INFINITE * order
    weight = xp.exp(old)[..., :, None] * xp.exp(old)[..., None, :]
    sign = np.sign(value(_margins(wins)))  # who wins is decided once, on the computed win rates
    found = []
    for k in range(2):
        log_ratio = world.log_candidates[..., k, :] - old
        row = xp.sum(weight * backward_bernoulli(_margins(log_ratio), INFINITE * sign), axis=(-2, -1))
        found.append(row - dno_loss(log_ratio, old, wins, inverse_step=1.0))
    return equal(*found)


dno_with_an_infinite_target.control("labels that are certain, as in DNO-Prct (online DPO)", hard=True)


@evidence("mnpo/dno-finite-target", kind="exact", over=three, size=256)
def dno_with_its_own_target(world: Players, infinite: bool = False):
    """DNO's loss is the mean of D_bwd(ηΔh‖r_y − r_y') plus the labels' entropy, which does not depend on π."""
    old, wins, xp = _dno(world)
    log_ratio = world.log_candidates[..., 0, :] - old
    weight = xp.exp(old)[..., :, None] * xp.exp(old)[..., None, :]
    target = _margins(wins)
    scale = world.step_size[..., None, None]
    distance = backward_bernoulli(
        scale * _margins(log_ratio), INFINITE * np.sign(value(target)) if infinite else target
    )
    found = xp.sum(weight * (distance + bernoulli_entropy(target)), axis=(-2, -1))
    return equal(found, dno_loss(log_ratio, old, wins, inverse_step=world.step_size))


dno_with_its_own_target.control("an infinite target", infinite=True)


def _sppo_losses(world: Players, paired: bool, share: float) -> Any:
    """Equation 17 with SPPO's row at the log-ratio `share`·η·(P(·≻π_t) − ½)."""
    old, wins, _ = _dno(world)
    move = world.step_size[..., None] * wins
    target = _margins(move) if paired else move[..., :, None] + 0.0 * _margins(move)
    return pair_loss(share * move, old, world.shared, target=target)


@evidence("mnpo/sppo-row", kind="exact", over=games(step_size=uniform(0.1, 1)))
def sppo_step_under_its_row(world: Players, paired: bool = False):
    """Target η(P(y_w≻π_t) − ½) on pairs: SPPO's step has at most the loss of half that step."""
    return at_most(_sppo_losses(world, paired, 1.0), _sppo_losses(world, paired, 0.5))


sppo_step_under_its_row.control("target η[P(y_w≻π_t) − P(y_l≻π_t)]", paired=True)


@evidence("mnpo/sppo-pairwise-row", kind="exact", over=games(step_size=uniform(0.1, 1)))
def sppo_step_under_the_pairwise_target(world: Players, paired: bool = True):
    """Target η[P(y_w≻π_t) − P(y_l≻π_t)]: SPPO's step has no loss, nor has it in SPPO's own loss on responses."""
    old, wins, _ = _dno(world)
    found = _sppo_losses(world, paired, 1.0)
    own = sppo_loss(world.step_size[..., None] * wins, old, wins, step_size=world.step_size)
    return equal(found, 0.0 * found), equal(own, 0.0 * own)


sppo_step_under_the_pairwise_target.control("the printed target", paired=False)

RATIO = 3.0  # η/τ of INPO's recipe


def _inpo_step(world: PlantedGame, tau: Any, target: Any) -> Any:
    """The minimiser for opponents π_t and π_ref with weights (η − τ)/η and τ/η: the slope is twice the target."""
    game, policy = world.game, world.log_equilibrium
    xp = namespace(policy)
    one = xp.ones_like(world.beta)
    weights = xp.stack([(1.0 - 1.0 / RATIO) * one, one / RATIO], axis=-1)
    return towards(
        xp.stack([policy, game.log_reference], axis=-2), game.lead(policy), weights=weights, step_size=2.0 * target
    )  # fmt: skip


@evidence("mnpo/inpo-row", kind="exact", over=planted_games())
def inpo_fixed_point_as_printed(world: PlantedGame, half_inverse: bool = False):
    """Target 1/(2τ), η = 3τ: a step from the equilibrium with temperature τ stays there."""
    tau = world.beta
    target = 0.5 / (RATIO * tau) if half_inverse else 0.5 / tau
    return equal(_inpo_step(world, tau, target), world.log_equilibrium)


inpo_fixed_point_as_printed.control("target 1/(2η)", half_inverse=True)


@evidence("mnpo/inpo-row-half-inverse-step", kind="exact", over=planted_games())
def inpo_fixed_point(world: PlantedGame, printed: bool = False):
    """Target 1/(2η), η = 3τ: a step from the equilibrium with temperature τ stays there."""
    tau = world.beta
    return equal(_inpo_step(world, tau, 0.5 / tau if printed else 0.5 / (RATIO * tau)), world.log_equilibrium)


inpo_fixed_point.control("target 1/(2τ)", printed=True)


@evidence("mnpo/inpo-row-temperature", kind="exact", over=planted_games())
def inpo_fixed_point_of_the_printed_target(world: PlantedGame, power: int = 1):
    """Target 1/(2τ), η = 3τ: a step from the equilibrium with temperature τ²/η = τ/3 stays there."""
    tau = RATIO**power * world.beta
    return equal(_inpo_step(world, tau, 0.5 / tau), world.log_equilibrium)


inpo_fixed_point_of_the_printed_target.control("temperature τ", power=0)


@evidence("mnpo/released-code-temperature", kind="exact", over=planted_games())
def fixed_point_of_the_released_code(world: PlantedGame, history: bool = True):
    """The authors' trainer, r = ⅓ on π_ref, 1 − r on past policies, target 1/(2η): temperature rη, at rest."""
    ratio = 1.0 / RATIO
    inverse_step = world.beta / ratio
    game, policy = world.game, world.log_equilibrium
    xp = namespace(policy)
    one = xp.ones_like(world.beta)
    weights = xp.stack([(1.0 - ratio if history else 0.0) * one, ratio * one], axis=-1)
    after = towards(
        xp.stack([policy, game.log_reference], axis=-2), game.lead(policy), weights=weights,
        step_size=1.0 / inverse_step,
    )  # fmt: skip
    return equal(after, policy)


fixed_point_of_the_released_code.control("without past policies, as in its first iteration", history=False)


@world
class Rewarded:
    """Rewards and a reference, and another policy."""

    reward: Any
    reference_logits: Any
    logits: Any


rewarded = family(
    Rewarded, reward=normal(1, shape=(4,)), reference_logits=normal(1, shape=(4,)), logits=normal(1, shape=(4,))
)


def _distilled(world: Rewarded, log_ratio: Any, target: Any) -> Any:
    reference = tabular(world.reference_logits)
    return pair_loss(log_ratio, reference, bradley_terry_game(world.reward), target=target)


@evidence("mnpo/distill-row", kind="exact", over=rewarded)
def distilled_policy_under_a_large_target(world: Rewarded, finite: bool = False):
    """D_sq with a target of 60 in place of ∞: Distill-DPO's π_ref e^r has at most the loss of π_ref e^2r."""
    target = _margins(world.reward)
    target = target if finite else 0.0 * target + INFINITE
    return at_most(_distilled(world, world.reward, target), _distilled(world, 2.0 * world.reward, target))


distilled_policy_under_a_large_target.control("target r(y_w) − r(y_l)", finite=True)


@evidence("mnpo/distill-row-reward", kind="exact", over=rewarded)
def distilled_policy_under_its_target(world: Rewarded, finite: bool = True):
    """D_sq with target r(y_w) − r(y_l): π_ref e^r has no loss."""
    target = _margins(world.reward)
    found = _distilled(world, world.reward, target if finite else 0.0 * target + INFINITE)
    return equal(found, 0.0 * found)


distilled_policy_under_its_target.control("a target of 60 for all pairs", finite=False)
