"""Averages of INPO's iterates (Theorem 3): the bound, where it comes from, and how fast they really are."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import log_uniform, uniform
from lab.games.game import PreferenceGame
from lab.games.gaps import regularised_gap_by_value
from lab.games.play import log_mean, one_step
from lab.games.regret import diameter
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent
from lab.policies import kl_divergence
from simulations.inpo.regret import HORIZONS, Regret, root_inverse_step
from simulations.inpo.worlds import INPO, Play, cycles, elsewhere, games, iterates


@evidence("inpo/average-gap-bound", kind="exact", over=games(steps=1, beta=log_uniform(0.01, 1)), size=128)
def gap_of_the_average(world: Play, share: float = 1.0):
    """T = 1, 4, 16 steps with η = √(T/D): the gap of the mean policy, twice the mean regret, and 12√(D/T)."""
    game, findings = world.game, []
    for steps in HORIZONS:
        run = Regret(world, steps, root_inverse_step(game, steps))
        gap = regularised_gap_by_value(
            game.advantage, log_mean(np.stack(run.policies)), game.log_reference, beta=game.beta
        )
        regret = np.max(run.regrets, axis=-1)
        # The bound in T is for η = √(T/D), which is not legal where D > T/τ²: there η = τ is used.
        bound = 12.0 * (diameter(game.log_reference) / steps) ** 0.5
        findings += [at_most(gap, share * 2.0 * regret / steps), at_most(2.0 * regret / steps, bound)]
    return tuple(findings)


gap_of_the_average.control("half the mean regret on each side", share=0.5)


@evidence("inpo/average-gap-identity", kind="exact", over=games(steps=8, beta=log_uniform(0.1, 2)), size=128)
def gap_from_the_regret(world: Play, forget_convexity: bool = False):
    """Any step sizes: the gap of the mean policy is twice the mean regret less 2τ times the convexity of KL,

    the mean of KL(π_t‖π_ref) less KL of the mean policy. The regret is in the losses themselves.
    """
    game = world.game
    policies = iterates(game, world.inverse_steps)[:-1]
    bar, steps = log_mean(np.stack(policies)), len(policies)
    distances = [kl_divergence(p, game.log_reference) for p in policies]
    # Each own loss is −½ + τ KL. The best comparator answers the mean policy.
    answer = game.best_response(bar)
    gain = np.sum(np.exp(answer) * game.lead(bar), axis=-1) + 0.5
    regret = sum(game.beta * d - 0.5 for d in distances)
    regret = regret + steps * (gain - game.beta * kl_divergence(answer, game.log_reference))
    convexity = sum(distances) / steps - kl_divergence(bar, game.log_reference)
    if forget_convexity:
        convexity = 0.0 * convexity
    gap = regularised_gap_by_value(game.advantage, bar, game.log_reference, beta=game.beta)
    return equal(gap, 2.0 * regret / steps - 2.0 * game.beta * convexity)


gap_from_the_regret.control("without the convexity of KL", forget_convexity=True)


@evidence("inpo/hedge-average-identity", kind="exact", over=cycles(), size=128)
def average_payoffs_from_the_ends(world: Play, anchored: bool = False):
    r"""τ = 0: the mean policy's payoffs are set by the two ends of the run,
    $(A\bar\pi)_y = \frac{\eta}{T}[\log\frac{\pi_{T+1}(y)}{\pi_1(y)} + c]$, and so is its gap."""
    game = world.game
    beta = game.beta if anchored else 0.0 * game.beta
    policies = iterates(PreferenceGame(game.advantage, game.log_reference, beta), [1.0 / world.share[..., 0]] * 12)
    payoffs = game.lead(log_mean(np.stack(policies[:-1]))) * 12 * world.share[..., 0][..., None]
    moved = policies[-1] - policies[0]
    return equal(payoffs - np.mean(payoffs, axis=-1, keepdims=True), moved - np.mean(moved, axis=-1, keepdims=True))


average_payoffs_from_the_ends.control("with a KL weight", anchored=True)

# ── What the bound says at the number of iterations of the experiments ──


@evidence("inpo/bound-informs-late", kind="exact", over=games(steps=3, beta=log_uniform(0.1, 2)))
def largest_gap(world: Play, far: bool = False):
    """No gap exceeds 3 where log-ratios stay below 1/τ, as they do: so 12√(D/T) says something from T = 16 D on."""
    game = world.game
    policies = [elsewhere(world)] if far else iterates(game, world.inverse_steps)
    D = diameter(game.log_reference)
    findings = [
        at_most(regularised_gap_by_value(game.advantage, p, game.log_reference, beta=game.beta), 3.0) for p in policies
    ]
    return *findings, equal(12.0 * (D / (16.0 * D)) ** 0.5, 3.0 + 0.0 * D)


largest_gap.control("policies far off, large KL weights", over=games(steps=3, start=3.0, beta=uniform(5, 10)), far=True)


@evidence("inpo/bound-informs-at-three", kind="exact", over=games())
def bound_after_three_iterations(world: Play, steps: int = 3):
    """12√(D/T) at T = 3 against 3, for random references of four responses."""
    return at_most(12.0 * (diameter(world.game.log_reference) / steps) ** 0.5, 3.0)


bound_after_three_iterations.control("ten thousand iterations", steps=10_000)

# ── How fast the averages really are ──

SIZES = np.array([1_000, 2_000, 4_000, 8_000, 16_000])
WINDOW = 8


@jax.jit
def _mean_and_last(game: PreferenceGame, step_size: Any, steps: Any) -> Any:
    """Log-probabilities of the mean of the first `steps` policies, and of the policy after them."""

    def advance(_: Any, carry: Any) -> Any:
        state, total = carry
        total = total + jnp.exp(state.log_policy)
        return one_step(INPO, game, state, step_size=step_size), total

    start = INPO.start(game.log_reference)
    last, total = jax.lax.fori_loop(0, steps, advance, (start, jnp.zeros_like(start.log_policy)))
    return jnp.log(total / steps), last.log_policy


def gaps_by_horizon(
    game: PreferenceGame, *, regularised: bool = False, constant: float | None = None, last: bool = False
) -> np.ndarray:
    """Gap of the mean policy, or of the last: (games, sizes). Each horizon has its own η = √(T/D), or all a constant η.

    Root mean square over horizons from T to 2T, since an average without regularisation turns round its limit.
    """
    distance = np.asarray(diameter(game.log_reference))
    errors = []
    for size in SIZES:
        squares = 0.0
        for steps in np.round(size * 2 ** (np.arange(WINDOW) / WINDOW)).astype(int):
            inverse = np.sqrt(steps / distance) if constant is None else constant + 0.0 * distance
            found = _mean_and_last(game, 1.0 / inverse, int(steps))[last]
            gap = game.regularised_gap(found) if regularised else game.duality_gap(found)
            squares = squares + np.asarray(gap) ** 2
        errors.append(np.sqrt(squares / WINDOW))
    return np.stack(errors, axis=-1)


def _bound(log_reference: Any) -> dict[str, np.ndarray]:
    """For figures: the theorem's bound for the median reference."""
    return {"bound": 12.0 * np.sqrt(np.median(diameter(np.asarray(log_reference))) / SIZES)}


regularised_games = games(actions=3, steps=1, beta=log_uniform(0.2, 0.5))


@evidence("inpo/average-gap-rate", kind="rate", over=regularised_games, size=256)
def regularised_gap_of_averages(world: Play, draw: Draw, regularised: bool = True):
    """T from 1,000 to 32,000 with η = √(T/D): the regularised gap of the mean policy, in 3-action games."""
    gaps = gaps_by_horizon(world.game, regularised=regularised)
    return exponent(SIZES, gaps, between=(-1.1, -0.9), predicted=-1.0, series=_bound(world.game.log_reference))


regularised_gap_of_averages.control("the gap of the game without regularisation: its bias stays", regularised=False)


@evidence("inpo/average-gap-is-root", kind="rate", over=regularised_games, size=256)
def regularised_gap_against_root(world: Play, draw: Draw, hedge: bool = False):
    """The same numbers against the slope −½ of the bound."""
    if hedge:
        return exponent(SIZES, gaps_by_horizon(_hedge(world)), between=(-0.6, -0.4), predicted=-0.5)
    return exponent(SIZES, gaps_by_horizon(world.game, regularised=True), between=(-0.6, -0.4), predicted=-0.5)


regularised_gap_against_root.control("without regularisation, in cyclic games", hedge=True, over=cycles())


def _hedge(world: Play) -> PreferenceGame:
    """No KL weight, and the reference, far from the equilibrium, is only where the run starts."""
    return PreferenceGame(world.advantage, np.asarray(world.log_start), 0.0 * world.beta)


@evidence("inpo/hedge-average-rate", kind="rate", over=cycles(), size=512)
def gap_of_averages_without_regularisation(world: Play, draw: Draw, last: bool = False):
    """τ = 0 in cyclic games, η = √(T/D): T steps are a stretch √(TD) of one orbit, whose mean has the gap 1/√(TD)."""
    gaps = gaps_by_horizon(_hedge(world), last=last)
    return exponent(SIZES, gaps, between=(-0.6, -0.4), predicted=-0.5, series=_bound(world.log_start))


gap_of_averages_without_regularisation.control("the last iterate circles for ever", last=True)


@evidence("inpo/hedge-constant-step", kind="rate", over=cycles(), size=256)
def gap_of_averages_at_a_constant_step(world: Play, draw: Draw, last: bool = False):
    """τ = 0 and η = 1 for every horizon: the last iterate runs into the boundary, the gap of the mean falls as 1/√T."""
    return exponent(
        SIZES, gaps_by_horizon(_hedge(world), constant=1.0, last=last), between=(-0.6, -0.4), predicted=-0.5
    )


gap_of_averages_at_a_constant_step.control("the last iterate", last=True)
