"""The multiplayer gap (Equation 9), one against many against pairwise averages (Equations 5 and 10), uniqueness."""

from typing import Any

from lab.arrays import namespace
from lab.family import family, normal, world
from lab.games.game import bradley_terry_game
from lab.games.gaps import regularised_gap
from lab.games.multiplayer import gaps_by_value, leads, one_against_all, player_gaps, values, win_rates
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.policies import kl_divergence, regularised_optimum, tabular
from simulations.mnpo.worlds import Players, games, three


@evidence("mnpo/gap-closed-form", kind="exact", over=three)
def gap_by_definition_and_by_divergence(world: Players, share: float = 1.0):
    """max J − J from the definition is τ KL(π‖BR): never negative, and 0 when the player plays its best response."""
    policies, reference = world.log_policies, world.log_reference
    found = gaps_by_value(world.advantages, policies, reference, beta=world.beta)
    closed = player_gaps(world.advantages, policies, reference, beta=world.beta)
    xp = namespace(policies)
    response = regularised_optimum(leads(world.advantages, policies)[..., 0, :], reference, beta=share * world.beta)[
        ..., None, :
    ]
    best = xp.concat([response, policies[..., 1:, :]], axis=-2)
    at_best = gaps_by_value(world.advantages, best, reference, beta=world.beta)[..., 0]
    return equal(found, closed), at_most(0.0 * closed, closed), equal(at_best, 0.0 * at_best)


gap_by_definition_and_by_divergence.control("the best response for half the temperature", share=0.5)


@evidence("mnpo/gap-of-two-players", kind="exact", over=games(2))
def two_sided_and_one_sided_gap(world: Players, ratio: float = 2.0):
    """n = 2, the opponent at the same policy: Equation 4's gap, max min over both players, is twice Equation 9's."""
    same = world.log_policies[..., :1, :] + 0.0 * world.logits
    found = gaps_by_value(world.advantages, same, world.log_reference, beta=world.beta)[..., 0]
    both = regularised_gap(world.shared, same[..., 0, :], world.log_reference, beta=world.beta)
    return equal(ratio * found, both)


two_sided_and_one_sided_gap.control("taken as equal", ratio=1.0)


@world
class Rewards:
    """Rewards of the responses, and everybody's policy."""

    reward: Any
    logits: Any

    @property
    def log_policies(self) -> Any:
        return tabular(self.logits)


def rewards(players: int, *, scale: float = 1.0) -> Any:
    return family(Rewards, reward=normal(scale, shape=(3,)), logits=normal(1, shape=(players, 3)))


def _both(world: Rewards) -> tuple[Any, Any]:
    pairwise = win_rates(bradley_terry_game(world.reward)[..., None, :, :], world.log_policies)
    return one_against_all(world.reward, world.log_policies), pairwise


@evidence("mnpo/one-against-many-is-pairwise", kind="exact", over=rewards(3), size=128)
def one_against_many_and_pairwise(world: Rewards):
    """The chance to be the best of n against the mean win rate against the others, three players."""
    return equal(*_both(world))


one_against_many_and_pairwise.control("two players: both are Bradley–Terry", over=rewards(2))


@evidence("mnpo/one-against-many-sums", kind="exact", over=rewards(3), size=128)
def sums_over_players(world: Rewards, half: bool = False):
    """Three and four players: chances to be the best add up to 1, mean win rates to n/2; at ties they are 1/n and ½."""
    findings = []
    xp = namespace(world.reward)
    for players in (3, 4):
        logits = xp.concat([world.logits, world.logits[..., : players - 3, :]], axis=-2)
        here = Rewards(world.reward, logits)
        best, pairwise = _both(here)
        total = players / 2.0 if half else 1.0
        one = xp.ones_like(best[..., 0])
        findings += [
            equal(xp.sum(best, axis=-1), total * one),
            equal(xp.sum(pairwise, axis=-1), players / 2.0 * one),
        ]
        tied, even = _both(Rewards(0.0 * world.reward, logits))
        findings += [equal(tied * players, xp.ones_like(tied)), equal(even * 2.0, xp.ones_like(even))]
    return tuple(findings)


sums_over_players.control("n/2 for the chances to be the best", half=True)


@evidence("mnpo/regularised-game-is-monotone", kind="exact", over=three)
def monotonicity(world: Players):
    """Σ_i ⟨F_i(π) − F_i(π'), π_i − π'_i⟩ = τ Σ_i [KL(π_i‖π'_i) + KL(π'_i‖π_i)]: one oracle's cross terms cancel."""
    first = world.log_policies
    xp = namespace(first)
    second = tabular(0.7 * world.logits - 0.5 * xp.flip(world.logits, axis=-1))
    tau = world.beta[..., None, None]

    def field(policies: Any) -> Any:
        return tau * (policies - world.log_reference[..., None, :]) - leads(world.advantages, policies)

    apart = xp.exp(first) - xp.exp(second)
    found = xp.sum((field(first) - field(second)) * apart, axis=(-2, -1))
    divergence = kl_divergence(first, second) + kl_divergence(second, first)
    return equal(found, world.beta * xp.sum(divergence, axis=-1))


monotonicity.control("an oracle of its own for each player", over=games(own_oracles=True))


@evidence("mnpo/values-add-up", kind="exact", over=three)
def values_of_all_players(world: Players):
    """With one oracle and without the KL terms the players' values add up to n/2, whatever they play."""
    policies = world.log_policies
    xp = namespace(policies)
    cost = kl_divergence(policies, world.log_reference[..., None, :])
    found = values(world.advantages, policies, world.log_reference, beta=world.beta) + world.beta[..., None] * cost
    total = xp.sum(found, axis=-1)
    return equal(total, 1.5 + 0.0 * total)


values_of_all_players.control("an oracle of its own for each player", over=games(own_oracles=True))
