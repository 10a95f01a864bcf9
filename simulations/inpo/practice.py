"""What the value says of win rates, preferences that are wrong where there are no data, and reward models."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import family, normal, uniform, world
from lab.games.families import any_games, win_rates
from lab.games.game import PreferenceGame, bradley_terry_game, skew
from lab.games.local import contraction_limit
from lab.games.play import play
from lab.games.regret import value
from lab.games.solvers import SOLVERS
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, mean_at_least
from lab.policies import kl_divergence, tabular
from simulations.inpo.worlds import INPO, Play, cycles, elsewhere, games

# ── The equilibrium against any policy ──


@evidence("inpo/regularised-win-rate", kind="exact", over=games())
def value_of_the_equilibrium(world: Play, wrong: bool = False):
    """J(π*, π) = ½ + τ KL(π‖π*) for random π."""
    game, other, best = world.game, elsewhere(world), world.log_equilibrium
    first = game.best_response(game.log_reference) if wrong else best
    found = value(game.advantage, first, other, game.log_reference, beta=game.beta)
    return equal(found, 0.5 + game.beta * kl_divergence(other, best)), at_most(0.5, found)


value_of_the_equilibrium.control("the reference's best response in its place", wrong=True)


@evidence("inpo/raw-win-rate", kind="exact", over=cycles())
def win_rate_of_the_equilibrium(world: Play, unregularised: bool = False):
    """The equilibrium's win rate against random policies, KL left out of account, against ½."""
    first = np.exp(world.log_equilibrium)
    if unregularised:  # proportional to the margins of the two others' game
        A = world.advantage
        first = np.abs(np.stack([A[..., 1, 2], A[..., 2, 0], A[..., 0, 1]], axis=-1))
        first = first / np.sum(first, axis=-1, keepdims=True)
    wins = 0.5 + np.sum(first * world.game.lead(elsewhere(world)), axis=-1)
    return at_most(0.5, wins)


win_rate_of_the_equilibrium.control("the equilibrium of the game without regularisation", unregularised=True)

# ── Preferences that are wrong where the reference is thin ──

SEEN, UNSEEN = 4, 2


@world
class Hackable:
    """A true game, and an oracle that overrates the responses that the reference hardly ever gives."""

    advantage: Any
    log_reference: Any
    oracle: Any

    def trained(self, beta: float) -> Any:
        """The policy after 200 steps of INPO with η = 2 against the oracle."""
        beta = np.full(self.log_reference.shape[:-1], beta)
        game = PreferenceGame(self.oracle, self.log_reference, beta)
        return np.asarray(play(INPO, game, step_size=0.5, steps=200).state.log_policy)

    def win_rate(self, log_policy: Any) -> Any:
        """True win rate over the reference."""
        lead = np.sum(self.advantage * np.exp(self.log_reference)[..., None, :], axis=-1)
        return 0.5 + np.sum(np.exp(log_policy) * lead, axis=-1)


def hackable_worlds(advantages: Any, logits: Any, overrated: Any) -> Hackable:
    """The last two responses have e⁻⁶ of the others' odds; the oracle thinks that they beat all others by a margin."""
    advantage = skew(advantages, SEEN + UNSEEN)
    oracle = advantage.copy()
    margin = overrated[:, None, None]
    oracle[:, SEEN:, :SEEN] = np.where(margin > 0, margin, oracle[:, SEEN:, :SEEN])
    oracle[:, :SEEN, SEEN:] = -np.swapaxes(oracle[:, SEEN:, :SEEN], -1, -2)
    thin = np.where(np.arange(SEEN + UNSEEN) < SEEN, 0.0, -6.0)
    return Hackable(advantage, tabular(logits + thin), oracle)


def hackable(overrated: float) -> Any:
    actions = SEEN + UNSEEN
    return family(
        hackable_worlds,
        advantages=win_rates(actions),
        logits=normal(1, shape=(actions,)),
        overrated=uniform(overrated, overrated),
    )


@evidence("inpo/regularisation-helps", kind="sampled", over=hackable(0.4), size=512)
def win_rates_with_and_without_regularisation(world: Hackable, draw: Draw, beta: float = 0.2):
    """Oracle wrong on thin responses: true win rate over the reference with τ = 0.2, less that with τ = 0."""
    difference = world.win_rate(world.trained(beta)) - world.win_rate(world.trained(0.0))
    return mean_at_least(difference[:, None], np.array([0.03]), low=-1.0, high=1.0)


win_rates_with_and_without_regularisation.control("an oracle that is right everywhere", over=hackable(0.0))

# ── A preference model against a reward model ──


@jax.jit
def bradley_terry_fit(advantage: Any) -> Any:
    """Rewards that maximise the likelihood of Bradley–Terry under preferences of uniform pairs, by Newton's method."""
    actions = advantage.shape[-1]

    def improve(_: Any, reward: Any) -> Any:
        wins = jax.nn.sigmoid(reward[..., :, None] - reward[..., None, :])
        weight = wins * (1.0 - wins)
        slope = jnp.sum(wins - 0.5 - advantage, axis=-1)
        hessian = jnp.eye(actions) * jnp.sum(weight, axis=-1)[..., None] - weight + 1.0 / actions
        return reward - jnp.linalg.solve(hessian, slope[..., None])[..., 0]

    return jax.lax.fori_loop(0, 20, improve, jnp.zeros(advantage.shape[:-1]))


def _policies(world: PreferenceGame, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """The regularised equilibria of the game itself and of its Bradley–Terry fit.

    By 300 steps of extragradient at its safe step size, which leave less than e⁻²⁷ of the divergence.
    """
    advantages = world.advantage, bradley_terry_game(np.asarray(bradley_terry_fit(world.advantage)))
    step_size = contraction_limit(beta=beta)
    games = [PreferenceGame(a, world.log_reference, np.full(world.beta.shape, beta)) for a in advantages]
    runs = [play(SOLVERS["extragradient"], game, step_size=step_size, steps=300) for game in games]
    return np.asarray(runs[0].state.log_policy), np.asarray(runs[1].state.log_policy)


def _win_rates(world: PreferenceGame, first: Any, second: Any) -> Any:
    return 0.5 + np.sum(np.exp(first) * world.lead(second), axis=-1)


def transitive_games(rewards: Any, reference_logits: Any, beta: Any) -> PreferenceGame:
    return PreferenceGame(bradley_terry_game(rewards), tabular(reference_logits), beta)


any_preferences = any_games(5, reference=1.0)
transitive_preferences = family(
    transitive_games, rewards=normal(1, shape=(5,)), reference_logits=normal(1, shape=(5,)), beta=uniform(0, 0)
)


@evidence("inpo/preference-model-beats-reward-model", kind="sampled", over=any_preferences, size=2**10)
def head_to_head(world: PreferenceGame, draw: Draw, beta: float = 0.2):
    """Random games: win rate of the equilibrium of the preferences over that of their Bradley–Terry fit, τ = 0.2."""
    ours, theirs = _policies(world, beta)
    return mean_at_least(_win_rates(world, ours, theirs)[:, None], np.array([0.51]), low=0.0, high=1.0)


head_to_head.control("preferences that are Bradley–Terry: one policy", over=transitive_preferences)


@evidence("inpo/preference-model-beats-it-on-a-baseline", kind="sampled", over=any_preferences, size=2**10)
def against_the_reference(world: PreferenceGame, draw: Draw, beta: float = 0.05):
    """Random games, τ = 0.05: win rate over the reference of the one, less that of the other."""
    ours, theirs = _policies(world, beta)
    difference = _win_rates(world, ours, world.log_reference) - _win_rates(world, theirs, world.log_reference)
    return mean_at_least(difference[:, None], np.array([0.0]), low=-1.0, high=1.0)


against_the_reference.control("a large KL weight, 1/2", beta=0.5)
