"""Closed forms and bounds of the duality gap: what a small gap says about a policy, and what it does not."""

from lab.arrays import namespace
from lab.games.gaps import close_divergence, regularisation_bias_bound
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.policies import kl_divergence
from simulations.egpo.worlds import Games, anywhere


@evidence("egpo/gap-closed-form", kind="exact", over=anywhere)
def gap_as_a_divergence(world: Games, one_sided: bool = False):
    """2β KL(π‖BR(π)) against the value of the best response from the definition, less ½, doubled."""
    findings = []
    for planted in world.all:
        game, policy = planted.game, planted.log_start
        xp, leads, response = namespace(policy), game.lead(policy), game.best_response(policy)
        value = (
            xp.sum(xp.exp(response) * leads, axis=-1)
            - game.beta * kl_divergence(response, game.log_reference)
            + game.beta * kl_divergence(policy, game.log_reference)
        )
        findings.append(equal(game.regularised_gap(policy), value if one_sided else 2.0 * value))
    return tuple(findings)


gap_as_a_divergence.control("one player's share of it", one_sided=True)


@evidence("egpo/gap-closed-form", kind="exact", over=anywhere)
def gap_against_any_opponents(world: Games, half: bool = False):
    """No pair of opponents gains more than the gap: V(π', π) − V(π, π') is below it, near the best response too."""
    findings = []
    for planted in world.all:
        game, policy = planted.game, planted.log_start
        xp, leads = namespace(policy), game.lead(policy)
        response = game.best_response(policy)
        gap = game.regularised_gap(policy)
        for share in (0.0, 0.5, 0.9, 1.0):
            # Policies on the segment from the equilibrium to the best response.
            mass = share * xp.exp(response) + (1.0 - share) * xp.exp(planted.log_equilibrium)
            gain = xp.sum(mass * leads, axis=-1) - game.beta * kl_divergence(xp.log(mass), game.log_reference)
            both = 2.0 * (gain + game.beta * kl_divergence(policy, game.log_reference))
            findings.append(at_most(both, 0.5 * gap if half else gap))
    return tuple(findings)


gap_against_any_opponents.control("half of it", half=True)


@evidence("egpo/gap-from-divergence", kind="exact", over=anywhere)
def gap_between_two_divergences(world: Games, forget: bool = False):
    """2β KL(π‖π*) ≤ DualGap_β(π) ≤ 2β KL(π‖π*) + KL(π*‖π)/2β."""
    findings = []
    for planted in world.all:
        policy, target = planted.log_start, planted.log_equilibrium
        gap = planted.game.regularised_gap(policy)
        forwards, backwards = close_divergence(policy, target), close_divergence(target, policy)
        least = 2.0 * planted.beta * forwards
        findings += [at_most(least, gap), at_most(gap, least if forget else least + backwards / (2.0 * planted.beta))]
    return tuple(findings)


gap_between_two_divergences.control("without the second divergence", forget=True)


@evidence("egpo/original-gap", kind="exact", over=anywhere)
def gap_without_regularisation(world: Games, forget: bool = False):
    """DualGap(π) ≤ DualGap_β(π) + 2β [log 1/min π_ref − KL(π‖π_ref)], for any policy and for the equilibrium itself."""
    findings = []
    for planted in world.all:
        game = planted.game
        for policy in (planted.log_start, planted.log_equilibrium):
            room = regularisation_bias_bound(policy, game.log_reference, beta=game.beta)
            bound = game.regularised_gap(policy)
            findings.append(at_most(game.duality_gap(policy), bound if forget else bound + room))
    return tuple(findings)


gap_without_regularisation.control("the regularised gap alone", forget=True)
