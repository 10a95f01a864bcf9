"""Online IPO: the gradient of its loss is the extragradient step, with this step size, on these conditions (C6)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lab.arrays import Array, log_softmax, namespace
from lab.family import log_uniform
from lab.games.conventions import step_from_sgd
from lab.games.game import PlantedGame
from lab.games.losses import contrast_loss
from lab.games.play import one_step
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import evidence
from lab.ledger.findings import equal
from lab.policies import tabular
from simulations.egpo.worlds import one_size

ACTIONS = 4
small_games = one_size(ACTIONS, beta=log_uniform(0.05, 1))


def slope(loss: Callable[[Array], Array], at: Array) -> Array:
    """The gradient of a quadratic loss by central differences, exact but for rounding: (..., parameters)."""
    xp, eye = namespace(at), np.eye(at.shape[-1])
    return xp.stack([(loss(at + eye[i]) - loss(at - eye[i])) / 2.0 for i in range(len(eye))], axis=-1)


def centred(x: Array) -> Array:
    return x - namespace(x).mean(x, axis=-1, keepdims=True)


def uniform_policy(world: PlantedGame) -> Array:
    return 0.0 * world.start_logits - float(np.log(ACTIONS))


def online_ipo(world: PlantedGame, opponent: Array, sampling: Array) -> Callable[[Array], Array]:
    """The loss as a function of the logits, with pairs and opponent held fixed."""
    reference, target = world.game.log_reference, world.game.lead(opponent) / world.beta[..., None]
    return lambda logits: contrast_loss(logits - reference - target, sampling)


@evidence("egpo/gradient-identity", kind="exact", over=small_games)
def slope_of_online_ipo(world: PlantedGame, forget_centre: bool = False):
    """∇L = 4ρ∘(d − ρᵀd) with d = θ − θ_ref − Pμ/β, for uniform pairs and for pairs of another policy."""
    findings, opponent, logits = [], world.log_equilibrium, world.log_start
    score = logits - world.game.log_reference - world.game.lead(opponent) / world.beta[..., None]
    for sampling in (uniform_policy(world), tabular(world.equilibrium_logits + world.start_logits)):
        xp, weight = namespace(logits), namespace(logits).exp(sampling)
        mean = 0.0 if forget_centre else xp.sum(weight * score, axis=-1, keepdims=True)
        found = slope(online_ipo(world, opponent, sampling), logits)
        findings.append(equal(found, 4.0 * weight * (score - mean)))
    return tuple(findings)


slope_of_online_ipo.control("without the mean", forget_centre=True)

FEATURES = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [1.0, 1.0, -1.0], [-1.0, 0.5, 0.0]])  # four actions share three


def two_sgd_steps(
    world: PlantedGame, sgd_step: float, *, on_policy: bool, restore: bool, features: np.ndarray | None
) -> Array:
    """Log-policy after a step to θ½, and a second one from θ_t with π½ as opponent."""
    start = world.log_start

    def step(at: Array, opponent: Array, evaluate_at: Array) -> Array:
        loss = online_ipo(world, opponent, log_softmax(evaluate_at) if on_policy else uniform_policy(world))
        if features is None:
            return at - sgd_step * slope(loss, evaluate_at)
        xp = namespace(start)

        def logits(weights: Array) -> Array:
            return evaluate_at + xp.sum(weights[..., None, :] * features, axis=-1)

        # A step of the weights moves the logits by the features' Gram matrix times their gradient.
        move = slope(lambda weights: loss(logits(weights)), 0.0 * start[..., : features.shape[-1]])
        return at - sgd_step * xp.sum(move[..., None, :] * features, axis=-1)

    half = step(start, log_softmax(start), start)
    return log_softmax(step(start, log_softmax(half), start if restore else half))


@evidence("egpo/sgd-is-extragradient", kind="exact", over=small_games, size=256)
def sgd_against_the_closed_form(
    world: PlantedGame, on_policy: bool = False, restore: bool = True, features: Any = None, factor: float = 1.0
):
    """Two steps of SGD of size s on online IPO against one step of extragradient with η = 4s/(βN)."""
    sgd_step = 0.2
    found = two_sgd_steps(world, sgd_step, on_policy=on_policy, restore=restore, features=features)
    step = factor * step_from_sgd(sgd_step, beta=world.beta, actions=ACTIONS)
    exact = one_step(SOLVERS["extragradient"], world.game, world.log_start, step_size=step)
    return equal(found, exact.log_policy)


sgd_against_the_closed_form.control("pairs of the policy, not uniform", on_policy=True)
sgd_against_the_closed_form.control("θ_t not restored: the log-ratio at θ½", restore=False)
sgd_against_the_closed_form.control("four actions that share three features", features=FEATURES)


@evidence("egpo/step-as-coded", kind="exact", over=small_games, size=256)
def sgd_with_the_coded_step(world: PlantedGame, factor: float = 0.5):
    """The same with η = 2s/(βN), which the simulator calls the true learning rate and mixes Nash-MD's opponent with."""
    return sgd_against_the_closed_form.function(world, factor=factor)


sgd_with_the_coded_step.control("twice that", factor=1.0)


@evidence("egpo/pairs-precondition", kind="exact", over=small_games)
def preconditioned_step(world: PlantedGame, ignore: bool = False):
    """With pairs of π the slope is that of uniform pairs times Nπ, re-centred by the mean under π."""
    logits, opponent = world.log_start, world.log_equilibrium
    xp, policy = namespace(logits), namespace(logits).exp(logits)
    score = logits - world.game.log_reference - world.game.lead(opponent) / world.beta[..., None]
    uniform = slope(online_ipo(world, opponent, uniform_policy(world)), logits)
    found = slope(online_ipo(world, opponent, logits), logits)
    shift = xp.sum(policy * centred(score), axis=-1, keepdims=True)
    expected = uniform if ignore else ACTIONS * policy * (uniform - 4.0 / ACTIONS * shift)
    return equal(found, expected)


preconditioned_step.control("the same step as from uniform pairs", ignore=True)


@evidence("egpo/sampled-gradient", kind="exact", over=small_games, size=128)
def mean_of_the_sampled_gradient(world: PlantedGame, of_the_loss: bool = False):
    """Mean over y, y' uniform, y'' ~ μ and both Bernoulli labels of the gradient of (contrast − (z − z')/β)²: ∇L."""
    xp, opponent = namespace(world.beta), world.log_equilibrium
    logits, beta = world.log_start, world.beta[..., None, None, None]
    ratio = logits - world.game.log_reference
    contrast = (ratio[..., :, None] - ratio[..., None, :])[..., None]
    win = 0.5 + world.advantage  # P(y ≻ y''): (…, y, y'')
    first, second = win[..., :, None, :], win[..., None, :, :]
    chance = xp.exp(opponent)[..., None, None, :] / ACTIONS**2
    loss, grad = 0.0, 0.0
    for z in (0.0, 1.0):
        for other in (0.0, 1.0):
            likely = (first if z else 1.0 - first) * (second if other else 1.0 - second)
            miss = contrast - (z - other) / beta
            loss = loss + xp.sum(chance * likely * miss * miss, axis=(-3, -2, -1))
            each = xp.sum(chance * likely * 2.0 * miss, axis=-1)  # (…, y, y'): its gradient is e_y − e_y'
            grad = grad + xp.sum(each, axis=-1) - xp.sum(each, axis=-2)
    exact = online_ipo(world, opponent, uniform_policy(world))
    return equal(loss, exact(logits)) if of_the_loss else equal(grad, slope(exact, logits))


mean_of_the_sampled_gradient.control("the loss itself, which carries the labels' variance", of_the_loss=True)


def second_online_ipo(world: PlantedGame, pairs: Array) -> Callable[[Array], Array]:
    r"""$\mathbb{E}_{y,y'}[(\text{contrast} - (P(y,y') - \frac12)/\beta)^2]$: the pair is also its own opponent."""
    xp, weight = namespace(world.beta), namespace(world.beta).exp(pairs)
    both = weight[..., :, None] * weight[..., None, :]
    target = world.advantage / world.beta[..., None, None]

    def loss(logits: Array) -> Array:
        ratio = logits - world.game.log_reference
        return xp.sum(both * (ratio[..., :, None] - ratio[..., None, :] - target) ** 2, axis=(-2, -1))

    return loss


def policy_gradient_of_the_value(world: PlantedGame, opponent: Array) -> Array:
    r"""$\pi\circ(g - \pi^\top g)$ with $g = P\mu - \beta\log\frac{\pi}{\pi_{ref}}$, in the tabular logits."""
    logits = world.log_start
    xp, policy = namespace(logits), namespace(logits).exp(logits)
    score = world.game.lead(opponent) - world.beta[..., None] * (logits - world.game.log_reference)
    return policy * (score - xp.sum(policy * score, axis=-1, keepdims=True))


@evidence("egpo/second-loss-is-policy-gradient", kind="exact", over=small_games)
def slope_of_the_second_loss(world: PlantedGame, uniform: bool = False, factor: float = 4.0):
    """∇ of the second online-IPO loss, pairs of π: −(4/β) times the policy gradient of V_β(π, π held fixed)."""
    pairs = uniform_policy(world) if uniform else world.log_start
    found = slope(second_online_ipo(world, pairs), world.log_start)
    return equal(found, -factor / world.beta[..., None] * policy_gradient_of_the_value(world, world.log_start))


slope_of_the_second_loss.control("uniform pairs", uniform=True)


@evidence("egpo/one-learning-rate", kind="exact", over=small_games)
def policy_gradient_without_its_factor(world: PlantedGame, factor: float | None = None):
    """The second online-IPO loss and Nash-MD-PG's against π itself have one gradient: then an SGD step is the same."""
    found = slope(second_online_ipo(world, world.log_start), world.log_start)
    scale = 1.0 if factor is None else factor / world.beta[..., None]
    return equal(found, -scale * policy_gradient_of_the_value(world, world.log_start))


policy_gradient_without_its_factor.control("with the factor 4/β", factor=4.0)
