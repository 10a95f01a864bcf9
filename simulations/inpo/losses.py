r"""The losses: win rates (Equation 7), labelled pairs (Equation 8, Proposition 6), and other names of the same step.

A log-ratio $h = \log\pi - \frac{\tau}{\eta}\log\pi_{ref} - (1-\frac{\tau}{\eta})\log\pi_t$ is a score per action;
losses see differences of two. Here `world.log_start` is the present policy $\pi_t$.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize

from lab.arrays import log_softmax, namespace
from lab.family import log_uniform, uniform
from lab.games.conventions import step_from_inverse, step_from_magnetic, step_from_sgd
from lab.games.losses import contrast_loss, labelled_loss, mixed_reference
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from simulations.inpo.brute_force import loss_by_enumeration
from simulations.inpo.worlds import Play, games, iterates

one_step = games(steps=1, share=uniform(0.05, 1, shape=(1,)))


def _step(world: Play) -> tuple[Any, Any]:
    """The next policy, log-probabilities, and the inverse step size."""
    inverse_step = world.inverse_steps[0]
    return iterates(world.game, [inverse_step], start=world.log_start)[1], inverse_step


def _log_ratio(world: Play, log_policy: Any) -> Any:
    share = world.share[..., 0]
    xp = namespace(log_policy, share)
    both = xp.stack([world.game.log_reference, world.log_start], axis=-2)
    return log_policy - mixed_reference(both, xp.stack([share, 1.0 - share], axis=-1))


def _loss(world: Play, log_policy: Any, *, sampling: Any = None) -> Any:
    """Equation 7 at a policy, with pairs from the present one (or from another law)."""
    inverse_step = world.inverse_steps[0]
    score = _log_ratio(world, log_policy) - world.game.lead(world.log_start) / inverse_step[..., None]
    return contrast_loss(score, world.log_start if sampling is None else sampling)


# ── Lemma 5 ──


@evidence("inpo/unique-minimiser", kind="exact", over=one_step)
def loss_grows_with_distance(world: Play, missing: float = 0.0):
    """Equation 7 is 0 at the next policy, and elsewhere at least 2 (min π_t)² span(log π/π_{t+1})²."""
    found, _ = _step(world)
    other = world.log_equilibrium
    away = other - found
    if missing:  # an action that is never sampled: move along it
        away = away * 0.0 + missing * np.eye(found.shape[-1])[0]
        other = log_softmax(found + away)
    span = np.max(away, axis=-1) - np.min(away, axis=-1)
    least = np.min(np.exp(world.log_start), axis=-1)
    sampling = world.log_start + (np.where(np.arange(found.shape[-1]) == 0, -800.0, 0.0) if missing else 0.0)
    loss = _loss(world, other, sampling=log_softmax(sampling))
    return equal(_loss(world, found), 0.0 * span), at_most(2.0 * least**2 * span**2, loss)


loss_grows_with_distance.control("an action that is never sampled", missing=1.0)


@partial(jax.jit, static_argnames="other_pairs")
def _value_and_slope(logits: Any, world: Play, other_pairs: bool) -> Any:
    def loss(logits: Any) -> Any:
        if other_pairs:
            return _labelled(world, log_softmax(logits), sampling=world.log_equilibrium)
        return _loss(world, log_softmax(logits))

    return *jax.value_and_grad(loss)(logits), jax.hessian(loss)(logits)


@evidence("inpo/unique-minimiser", kind="exact", rounding="declared", over=one_step, size=32)
def minimum_found_by_search(world: Play, other_pairs: bool = False):
    """BFGS on the logits, from the reference, finds the policy of Equation 5.

    How near it came is bounded by its own last gradient: the loss is quadratic in the logits, and strongly convex but
    for the constant direction, with the second smallest eigenvalue of its Hessian. The gradient's own rounding is at
    most 64 units in the last place of four times the largest logit.
    """
    found, _ = _step(world)
    searched, errors = [], []
    for i in range(len(found)):
        one = jax.tree.map(lambda x, i=i: x[i], world)

        def both(logits: Any, one: Play = one) -> Any:
            value, slope, _ = _value_and_slope(logits, one, other_pairs)
            return float(value), np.asarray(slope)

        run = minimize(both, world.game.log_reference[i], jac=True, method="BFGS", options={"gtol": 1e-9})
        curvature = np.linalg.eigvalsh(_value_and_slope(run.x, one, other_pairs)[2])[1]
        rounding = 64 * np.finfo(float).eps * 4.0 * np.max(np.abs(found[i]))
        searched.append(run.x - run.x.mean())
        errors.append((np.linalg.norm(run.jac) + rounding) / curvature)
    centred = found - np.mean(found, axis=-1, keepdims=True)
    return equal(np.stack(searched), centred, error=np.array(errors)[:, None])


minimum_found_by_search.control("labelled pairs that the present policy did not sample", other_pairs=True)

# ── Proposition 6 ──


def _labelled(world: Play, log_policy: Any, *, sampling: Any = None, target: Any = None) -> Any:
    """Equation 8 at a policy: independent pairs, labels from the preference, target 1/2η."""
    inverse_step = world.inverse_steps[0]
    return labelled_loss(
        _log_ratio(world, log_policy),
        world.log_start if sampling is None else sampling,
        world.advantage,
        target=0.5 / inverse_step if target is None else target,
    )


def _policies(world: Play) -> list[Any]:
    return [world.log_start, world.log_equilibrium, world.game.log_reference, _step(world)[0]]


@evidence("inpo/losses-differ-by-a-constant", kind="exact", over=one_step)
def difference_of_losses(world: Play, sampling: str = "present", twice: bool = False):
    """Equation 8 less Equation 7 at four policies: the same number."""
    law = world.log_equilibrium if sampling == "other" else world.log_start
    target = 1.0 / world.inverse_steps[0] if twice else None
    found = [_labelled(world, p, sampling=law, target=target) - _loss(world, p, sampling=law) for p in _policies(world)]
    return tuple(equal(x, found[0]) for x in found[1:])


difference_of_losses.control("pairs from another policy than the opponent", sampling="other")
difference_of_losses.control("the target 1/η", twice=True)


@evidence("inpo/losses-differ-by-a-constant", kind="exact", over=one_step, size=128)
def loss_with_every_label(world: Play, shift: float = 0.0):
    """Equation 8 by enumeration of pairs and both labels, against its closed form."""
    target = 0.5 / world.inverse_steps[0]
    h = _log_ratio(world, world.log_equilibrium)
    found = loss_by_enumeration(h, world.log_start, 0.5 + world.advantage, target + shift)
    return equal(found, _labelled(world, world.log_equilibrium))


loss_with_every_label.control("another target in one of them", shift=0.01)


@evidence("inpo/target-is-half-the-slope", kind="exact", over=games(steps=2, share=uniform(0.05, 1, shape=(2,))))
def minimiser_for_any_target(world: Play, slope: float = 2.0):
    """Labelled pairs from π_t with any target c have the same differences as win rates with the slope k = 2c."""
    c = world.share[..., 1]
    lead, found = world.game.lead(world.log_start), []
    for policy in _policies(world):
        h = _log_ratio(world, policy)
        smooth = contrast_loss(h - slope * c[..., None] * lead, world.log_start)
        found.append(_labelled(world, policy, target=c) - smooth)
    return tuple(equal(x, found[0]) for x in found[1:])


minimiser_for_any_target.control("the slope c itself", slope=1.0)

# ── Other names of the same step ──


@evidence("inpo/magnetic-mirror-descent", kind="exact", over=games(steps=1, share=uniform(0.05, 0.95, shape=(1,))))
def magnetic_step(world: Play, naive: bool = False):
    r"""$\pi_+ \propto [\pi_t\,\pi_{ref}^{\eta_m\tau}e^{\eta_m P\pi_t}]^{1/(1+\eta_m\tau)}$ with
    $\eta_m = \frac{1/\eta}{1-\tau/\eta}$ is INPO's step."""
    found, inverse_step = _step(world)
    step = 1.0 / inverse_step
    magnetic = step if naive else step / (1.0 - world.beta * step)
    pull = (magnetic * world.beta)[..., None]
    inside = world.log_start + pull * world.game.log_reference + magnetic[..., None] * world.game.lead(world.log_start)
    return (
        equal(log_softmax(inside / (1.0 + pull)), found),
        equal(step_from_magnetic(magnetic, magnet=world.beta), step_from_inverse(inverse_step)),
    )


magnetic_step.control("the same number for both step sizes", naive=True)


@evidence("inpo/online-ipo-step", kind="exact", over=one_step)
def gradient_step_on_uniform_pairs(world: Play, present: bool = False):
    """One gradient step of size τN/4η on the online-IPO loss with uniform pairs is INPO's step.

    The loss is quadratic in the logits, so that its central difference of width 2 is its derivative.
    """
    found, inverse_step = _step(world)
    game, now = world.game, world.log_start
    actions = now.shape[-1]
    law = now if present else 0.0 * now - np.log(actions)
    score = now - game.log_reference - game.lead(now) / world.beta[..., None]
    gradient = [(contrast_loss(score + e, law) - contrast_loss(score - e, law)) / 2.0 for e in np.eye(actions)]
    sgd = world.beta * actions / (4.0 * inverse_step)
    return (
        equal(log_softmax(now - sgd[..., None] * np.stack(gradient, axis=-1)), found),
        equal(step_from_sgd(sgd, beta=world.beta, actions=actions), 1.0 / inverse_step),
    )


gradient_step_on_uniform_pairs.control("pairs from the present policy", present=True)


@evidence("inpo/hedge-without-regularisation", kind="exact", over=games(steps=5, beta=log_uniform(0.2, 2)))
def cumulative_weights(world: Play, keep_weight: bool = False):
    """τ = 0, five steps of different sizes: π₆ ∝ π₁ exp(Σ_t Pπ_t/η_t), multiplicative weights, which is exact SPPO."""
    inverse_steps = world.inverse_steps
    game = world.game
    if not keep_weight:
        game = replace(game, beta=0.0 * game.beta)
    policies = iterates(game, inverse_steps)
    total = sum(game.lead(p) / s[..., None] for p, s in zip(policies[:-1], inverse_steps, strict=True))
    return equal(policies[-1], log_softmax(game.log_reference + total))


cumulative_weights.control("with the KL weight", keep_weight=True)
