"""The step of Equation 5, and the regret of Lemma 2 term by term."""

from typing import Any

import numpy as np

from lab.family import log_uniform, uniform
from lab.games.game import PreferenceGame
from lab.games.regret import diameter, gradient_bound, loss_gradient, regret_bound
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.policies import kl_divergence
from simulations.inpo.worlds import Play, cycles, elsewhere, games, iterates

HORIZONS = (1, 4, 16)

# ── One step ──


@evidence("inpo/mirror-descent-step", kind="exact", over=games(steps=1), size=256)
def objective_less_its_least_value(world: Play, stretch: float = 1.0):
    r"""$\langle\nabla\ell_t, \pi\rangle + \eta\mathrm{KL}(\pi\|\pi_t)$ exceeds its value at Equation 5's policy by
    $\eta\mathrm{KL}(\pi\|\pi_{t+1})$, for every π: that policy alone is the minimiser."""
    game, start = world.game, elsewhere(world)
    (inverse_step,) = world.inverse_steps
    _, found = iterates(game, [stretch * inverse_step], start=start)
    slope = loss_gradient(game.advantage, start, game.log_reference, beta=game.beta)

    def objective(log_policy: Any) -> Any:
        return np.sum(np.exp(log_policy) * slope, axis=-1) + inverse_step * kl_divergence(log_policy, start)

    other = world.log_equilibrium
    return equal(objective(other) - objective(found), inverse_step * kl_divergence(other, found))


objective_less_its_least_value.control("a step that is a tenth too long", stretch=1 / 1.1)


@evidence("inpo/mirror-descent-step", kind="exact", over=games(steps=1), size=256)
def contrast_of_the_next_policy(world: Play, anchored: bool = True):
    """Equation 6: h_t of the next policy is the difference of win rates over η, for every pair of responses."""
    game, now = world.game, elsewhere(world)
    (inverse_step,) = world.inverse_steps
    _, found = iterates(game, [inverse_step], start=now)
    share = world.share if anchored else 0.0 * world.share
    h = found - share * game.log_reference - (1.0 - share) * now
    rates = game.lead(now) / inverse_step[..., None]
    return equal(h[..., :, None] - h[..., None, :], rates[..., :, None] - rates[..., None, :])


contrast_of_the_next_policy.control("h_t without the reference, as in the ablation without KL", anchored=False)

# ── Lemma 2 ──


def root_inverse_step(game: PreferenceGame, steps: int) -> Any:
    """η = C√T/√D with C = 1, or the least legal value β."""
    return np.maximum((steps / diameter(game.log_reference)) ** 0.5, game.beta)


class Regret:
    """A run from the reference: linear regrets against every vertex and the equilibrium, and what bounds them."""

    def __init__(self, world: Play, steps: int, inverse_step: Any) -> None:
        game = world.game
        self.policies = iterates(game, [inverse_step] * steps)[:steps]
        self.gradients = [loss_gradient(game.advantage, p, game.log_reference, beta=game.beta) for p in self.policies]
        own = sum(np.sum(np.exp(p) * g, axis=-1) for p, g in zip(self.policies, self.gradients, strict=True))
        total = sum(self.gradients)
        equilibrium = world.log_equilibrium
        best = np.sum(np.exp(equilibrium) * total, axis=-1)
        self.regrets = own[..., None] - np.concatenate([total, best[..., None]], axis=-1)
        distance = kl_divergence(equilibrium, game.log_reference)
        self.distances = np.concatenate([-game.log_reference, distance[..., None]], axis=-1)
        self.norms = [np.max(np.abs(g), axis=-1) for g in self.gradients]
        self.ratio = np.max(np.stack([np.max(np.abs(p - game.log_reference), axis=-1) for p in self.policies]), axis=0)


@evidence("inpo/regret-bound", kind="exact", over=games(steps=1), size=128)
def regret_term_by_term(world: Play, slower: float = 1.0, forget_distance: bool = False):
    """T = 1, 4, 16 steps from the reference, η = √(T/D): each link of Lemma 2 for all vertices and the equilibrium."""
    game, findings = world.game, []
    for steps in HORIZONS:
        inverse_step = slower * root_inverse_step(game, steps)
        run = Regret(world, steps, inverse_step)
        square = sum(n**2 for n in run.norms) / steps
        distances = 0.0 * run.distances if forget_distance else run.distances
        D = 0.0 * square if forget_distance else diameter(game.log_reference)
        limit = gradient_bound(np.maximum(run.ratio, 1.0), beta=game.beta)
        settings = {"inverse_step": inverse_step[..., None]}
        findings += [
            at_most(run.regrets, regret_bound(steps, distance=distances, squared_norm=square[..., None], **settings)),
            at_most(run.regrets, regret_bound(steps, distance=D[..., None], squared_norm=limit[..., None], **settings)),
            at_most(run.regrets, 6.0 * (steps * diameter(game.log_reference))[..., None] ** 0.5),
        ]
    return tuple(findings)


regret_term_by_term.control("without η KL(π‖π₁), and steps 30 times shorter", slower=30.0, forget_distance=True)


def _gradient_and_ratio(world: Play) -> tuple[Any, Any]:
    """The gradient at the world's spare policy, with its planted policy for a reference, and the bound B."""
    policy, reference = elsewhere(world), world.log_equilibrium
    slope = loss_gradient(world.advantage, policy, reference, beta=world.beta)
    return slope, np.maximum(np.max(np.abs(policy - reference), axis=-1), 1.0)


far_from_reference = cycles(beta=log_uniform(0.005, 0.02), start=3.0)


@evidence("inpo/gradient-bound", kind="exact", over=far_from_reference)
def gradient_as_printed(world: Play, shift: bool = False):
    r"""At a policy with $|\log\frac{\pi}{\pi_{ref}}| \le B$, B ≥ 1: the largest entry of the gradient, squared, against
    $4\tau^2B^2 + 1$."""
    slope, ratio = _gradient_and_ratio(world)
    if shift:
        slope = slope - (world.beta - 0.5)[..., None]
    return at_most(np.max(np.abs(slope), axis=-1) ** 2, gradient_bound(ratio, beta=world.beta))


gradient_as_printed.control("a KL weight of at least 1", over=cycles(beta=uniform(1, 2), start=3.0))
gradient_as_printed.control("less a constant, which changes nothing in the method", shift=True)


@evidence("inpo/gradient-bound-shifted", kind="exact", over=far_from_reference)
def gradient_less_a_constant(world: Play, shift: float = 1.0):
    r"""The gradient less $\tau - \frac12$: no entry exceeds $\frac12 + \tau B$, nor its square the printed bound."""
    slope, ratio = _gradient_and_ratio(world)
    norm = np.max(np.abs(slope - shift * (world.beta - 0.5)[..., None]), axis=-1)
    return at_most(norm, 0.5 + world.beta * ratio), at_most(norm**2, gradient_bound(ratio, beta=world.beta))


gradient_less_a_constant.control("the gradient as it is", shift=0.0)


@evidence("inpo/diameter", kind="exact", over=games())
def distances_from_the_reference(world: Play, reverse: bool = False):
    """KL(π‖π_ref) of random policies and of policies within 1e-9 of a vertex: below D, which the last ones reach."""
    reference, other = world.game.log_reference, elsewhere(world)
    D = diameter(reference)
    distance = kl_divergence(reference, other) if reverse else kl_divergence(other, reference)
    actions = reference.shape[-1]
    near = np.log(1e-9 / actions + (1.0 - 1e-9) * np.eye(actions))
    vertices = kl_divergence(near, reference[..., None, :])
    return at_most(distance, D), at_most(vertices, D[..., None]), at_most(D - 1e-7, np.max(vertices, axis=-1))


distances_from_the_reference.control(
    "the other way round, KL(π_ref‖π), which has no bound: policies far off", over=games(start=6.0), reverse=True
)
