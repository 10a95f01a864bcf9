r"""The recipe trains on the best and the worst of eight responses; the theory on two independent ones (`inpo`, C7).

Both fit the same loss, Equation 8, with the target 1/2η; the law of the pairs differs. `world.log_start` is the present
policy, from which responses are drawn; the reward's order is that of the planted policy's logits.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax
from lab.family import family, normal, uniform, world
from lab.games.game import PreferenceGame, bradley_terry_game, rock_paper_scissors, skew
from lab.games.selection import best_worst_pairs, fitted_log_ratio, independent_pairs, relabelled
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, factor
from lab.policies import tabular
from simulations.inpo.brute_force import best_and_worst, pair_law, tournament

RESPONSES = 8


@world
class Transitive:
    """Bradley–Terry preferences, the policy that responses come from, the reference, and both parameters of a step."""

    reward: Any
    logits: Any
    reference_logits: Any
    beta: Any
    inverse_step: Any

    @property
    def log_policy(self) -> Any:
        return tabular(self.logits)

    @property
    def advantage(self) -> Any:
        return bradley_terry_game(self.reward)

    @property
    def game(self) -> PreferenceGame:
        return PreferenceGame(self.advantage, tabular(self.reference_logits), self.beta)

    @property
    def step(self) -> Any:
        """What the theory adds to the logits, centred."""
        lead = self.game.lead(self.log_policy) / self.inverse_step[..., None]
        return lead - np.mean(lead, axis=-1, keepdims=True)


def transitive(actions: int = 5, *, scale: float = 1.0) -> Any:
    return family(
        Transitive,
        reward=normal(1, shape=(actions,)),
        logits=normal(0.5 * scale, shape=(actions,)) if scale else uniform(0, 0, shape=(actions,)),
        reference_logits=normal(1, shape=(actions,)),
        beta=uniform(0.2, 0.5),
        inverse_step=uniform(0.5, 2),
    )


def _pairs(world: Transitive, drawn: int, *, labels: bool) -> Any:
    """Law of the pairs: independent (drawn = 0), or best and worst of so many, with sure or with random labels."""
    if not drawn:
        return independent_pairs(world.log_policy, world.advantage)
    law = best_worst_pairs(world.log_policy, world.reward, drawn=drawn)
    return relabelled(law, world.advantage) if labels else law


@evidence("inpo/independent-pairs-give-the-step", kind="exact", over=transitive(), size=256)
def fit_against_the_step(world: Transitive, drawn: int = 0, labels: bool = False):
    """The population minimiser of Equation 8, from the law of the pairs alone, against Pπ_t/η."""
    found = fitted_log_ratio(_pairs(world, drawn, labels=labels), target=0.5 / world.inverse_step)
    return equal(found, world.step)


fit_against_the_step.control("best and worst of two, with labels from the preference", drawn=2, labels=True,
                             expected="holds")  # fmt: skip
fit_against_the_step.control("best and worst of three, with labels from the preference", drawn=3, labels=True)
fit_against_the_step.control("best and worst of two", drawn=2)

ONE = Transitive(
    reward=np.array([0.6, -0.3, 0.1, -2.0, 1.6]),
    logits=np.zeros(5),
    reference_logits=np.zeros(5),
    beta=np.array(1 / 6),
    inverse_step=np.array(0.5),
)


@evidence("inpo/best-and-worst-give-the-step", kind="exact", over=ONE)
def fit_of_five_responses(world: Transitive, drawn: int = RESPONSES):
    """Five responses, η = ½: the fitted log-ratios for best and worst of eight against the step of the theory."""
    found = fitted_log_ratio(_pairs(world, drawn, labels=False), target=0.5 / world.inverse_step)
    two = fitted_log_ratio(_pairs(world, 2, labels=False), target=0.5 / world.inverse_step)
    series = {"reward": world.reward, "step": world.step, "found": found, "two": two}
    return equal(found, world.step, series=series)


fit_of_five_responses.control("two independent responses", drawn=0)


@evidence("inpo/best-and-worst-give-the-step", kind="exact", over=transitive(), size=128)
def fit_of_best_and_worst(world: Transitive, drawn: int = RESPONSES):
    """The same in random games."""
    return fit_against_the_step(world, drawn=drawn)


fit_of_best_and_worst.control("two independent responses", drawn=0)


@evidence("inpo/best-worst-law", kind="exact", over=transitive(4), size=64)
def law_by_enumeration(world: Transitive, drawn: int = 5, closed: int = 5):
    """All K-tuples of four responses in one order: how often each pair is the best and the worst."""
    reward = np.array([0.3, 2.0, -1.0, 0.9])
    found = pair_law(world.log_policy, best_and_worst(reward), drawn=drawn)
    return equal(found, best_worst_pairs(world.log_policy, reward + 0.0 * world.logits, drawn=closed))


law_by_enumeration.control("one response more", closed=6)


@evidence("inpo/best-worst-ignores-margins", kind="exact", over=transitive(), size=256)
def fit_under_stretched_rewards(world: Transitive, drawn: int = RESPONSES, stretch: float = 0.05):
    """Rewards that differ twenty times less, in the same order: the same fit."""
    target = 0.5 / world.inverse_step
    close = Transitive(stretch * world.reward, world.logits, world.reference_logits, world.beta, world.inverse_step)
    laws = [_pairs(w, drawn, labels=False) for w in (world, close)]
    return equal(*(fitted_log_ratio(law, target=target) for law in laws))


fit_under_stretched_rewards.control("two independent responses, labelled by the preference", drawn=0)


@evidence("inpo/best-worst-saturates", kind="rate", over=transitive(4, scale=0), size=128)
def distance_from_saturation(world: Transitive, draw: Draw, labels: bool = False):
    """Best against worst of K responses from a uniform policy over four: their log-ratio tends to the target 1/2η.

    Other pairs speak of the two only along paths best–x–worst, one of whose pairs needs K responses from only two of
    the four: (1/2)^K.
    """
    counts = np.arange(16, 33, 2)
    target, errors = 0.5 / world.inverse_step, []
    first, last = np.argmax(world.reward, axis=-1), np.argmin(world.reward, axis=-1)
    rows = np.arange(len(first))
    for drawn in counts:
        found = fitted_log_ratio(_pairs(world, int(drawn), labels=labels), target=target)
        errors.append(np.abs(found[rows, first] - found[rows, last] - target))
    return factor(counts, np.stack(errors, axis=-1), between=(0.49, 0.51), predicted=0.5)


distance_from_saturation.control("with labels from the preference: it tends to the log-ratio that P gives", labels=True)

# ── Tournaments of a preference model, eight responses and eleven queries ──

ORDER = np.array([0.7, -0.2, 0.4, -1.1])
CYCLE = skew(np.array([0.5, -0.5, 0.5, 0.5, 0.5, 0.5]), 4)  # three in a cycle, and a fourth that loses to all
four_responses = family(Transitive, **(transitive(4).parameters | {"reward": uniform(0, 0, shape=(4,))}))


@evidence("inpo/tournament-finds-best-and-worst", kind="exact", over=four_responses, size=16)
def law_of_the_tournament(world: Transitive, cyclic: bool = False):
    """All 8-tuples of four responses in a transitive game: unequal pairs are the best and the worst, and all kept."""
    advantage = CYCLE if cyclic else bradley_terry_game(ORDER)
    found = pair_law(world.log_policy, tournament(advantage), drawn=RESPONSES)
    claimed = best_worst_pairs(world.log_policy, ORDER + 0.0 * world.logits, drawn=RESPONSES)
    return equal(found * (1.0 - np.eye(4)), claimed * (1.0 - np.eye(4)))


law_of_the_tournament.control("preferences with a cycle", cyclic=True)

THREE = Transitive(np.zeros(3), np.zeros(3), np.zeros(3), np.array(0.1), np.array(1.0))


@evidence("inpo/tournament-discards", kind="exact", over=THREE)
def pairs_kept_by_the_tournament(world: Transitive, cyclic: bool = True):
    """Rock, paper, scissors, eight responses from the uniform policy: 2,250 of 6,561 tuples give a pair."""
    advantage = rock_paper_scissors() if cyclic else bradley_terry_game(np.array([1.0, 0.0, -1.0]))
    found = pair_law(world.log_policy, tournament(advantage), drawn=RESPONSES)
    return equal(6561.0 * np.sum(found, axis=(-2, -1), keepdims=True), 2250.0)


pairs_kept_by_the_tournament.control("transitive preferences: all but the tuples of one response", cyclic=False)

# ── Where the recipe ends ──

ROUNDS = 100


@partial(jax.jit, static_argnames="drawn")
def _gaps_by_round(world: Transitive, drawn: int) -> Any:
    """Regularised gap after every round of the recipe with exact fits, the start at the reference included."""
    game, share = world.game, (world.beta / world.inverse_step)[..., None]

    def one(log_policy: Any, _: Any) -> Any:
        if drawn:
            law = best_worst_pairs(log_policy, world.reward, drawn=drawn)
        else:
            law = independent_pairs(log_policy, game.advantage)
        fit = fitted_log_ratio(law, target=0.5 / world.inverse_step)
        following = log_softmax((1.0 - share) * log_policy + share * game.log_reference + fit)
        return following, game.regularised_gap(log_policy)

    return jax.lax.scan(one, jnp.asarray(game.log_reference), length=ROUNDS)[1]


@evidence("inpo/recipe-reaches-the-equilibrium", kind="exact", rounding="declared", over=transitive(), size=256)
def gap_after_many_rounds(world: Transitive, drawn: int = RESPONSES):
    """A hundred rounds with exact fits, in transitive games: the regularised gap against 1e-9.

    The error: rounds do not magnify errors (a test moves the reference, which moves the last gap by no more than ten
    times as much), so that a hundred of them leave less than a thousand units in the last place.
    """
    gaps = np.asarray(_gaps_by_round(world, drawn))
    series = {"round": np.arange(ROUNDS), "gap": np.median(gaps, axis=-1)}
    return at_most(gaps[-1], 1e-9, error=1e-12, series=series)


gap_after_many_rounds.control("two independent responses", drawn=0)
