"""The loss behind Equation 10 (Lemma 1), and the loss on labelled pairs that is to replace it (Proposition 1)."""

from typing import Any

from lab.arrays import log_softmax, namespace
from lab.games.losses import contrast_loss, labelled_loss
from lab.games.multiplayer import leads, multiplicative_weights, others
from lab.ledger.evidence import evidence
from lab.ledger.findings import below, equal
from simulations.mnpo.worlds import Players, alike, three


def target_loss(world: Players, log_policies: Any, candidate: Any, slope: Any, log_sampling: Any) -> Any:
    """L_t of the first player (Equation 14) at a candidate, with any slope in front of the win rates."""
    base = others(log_policies)[..., 0, :]
    payoff = leads(world.advantages, log_policies)[..., 0, :]
    return contrast_loss(candidate - base - slope[..., None] * payoff, log_sampling)


@evidence("mnpo/step-minimises-target-loss", kind="exact", over=three)
def loss_at_the_step_and_elsewhere(world: Players, slope: float = 1.0, blind: bool = False):
    """L_t is 0 at Equation 10's policy and 2 Var(log π − log π₊) > 0 at another; pairs show every action."""
    policies = world.log_policies
    xp = namespace(policies)
    sampling = policies[..., 0, :]
    step = multiplicative_weights(world.advantages, policies, step_size=world.step_size)[..., 0, :]
    candidate = world.log_candidates[..., 0, :]
    if blind:  # pairs never show the last action, and the candidate differs in that one alone
        hidden = xp.concat([xp.zeros_like(sampling[..., :-1]), xp.zeros_like(sampling[..., -1:]) - xp.inf], axis=-1)
        sampling = log_softmax(sampling + hidden)
        candidate = step + xp.concat([xp.zeros_like(step[..., :-1]), xp.ones_like(step[..., -1:])], axis=-1)
    weight = slope * world.step_size
    at_step = target_loss(world, policies, step, weight, sampling)
    elsewhere = target_loss(world, policies, candidate, weight, sampling)
    return (
        equal(at_step, 0.0 * at_step),
        equal(elsewhere, contrast_loss(candidate - step, sampling)),
        below(0.0 * elsewhere, elsewhere),
    )


loss_at_the_step_and_elsewhere.control("payoffs summed, not averaged, over the two opponents", slope=2.0)
loss_at_the_step_and_elsewhere.control(
    "pairs that never show an action: another policy has no loss either", blind=True, expected="undecided"
)

TARGETS = {
    "printed": lambda step: 0.5 / step,
    "half": lambda step: step / 2.0,
}


def difference_of_losses(world: Players, *, target: Any, slope: Any, opponents: Any, log_sampling: Any) -> Any:
    """L'_t − L_t at two policies: equal when the two losses differ by a constant."""
    base = others(opponents)[..., 0, :]
    found = []
    for k in range(2):
        candidate = world.log_candidates[..., k, :]
        labelled = labelled_loss(candidate - base, log_sampling, world.shared, target=target)
        found.append(labelled - target_loss(world, opponents, candidate, slope, log_sampling))
    return equal(*found)


@evidence("mnpo/labelled-loss-as-printed", kind="exact", over=three)
def labelled_loss_as_printed(world: Players, rule: str = "printed"):
    """Slope η and target 1/(2η), all opponents at the policy that is sampled: L'_t − L_t at two random policies."""
    return difference_of_losses(
        world, target=TARGETS[rule](world.step_size), slope=world.step_size, opponents=alike(world),
        log_sampling=world.log_policies[..., 0, :],
    )  # fmt: skip


labelled_loss_as_printed.control("target η/2", rule="half")


@evidence("mnpo/labelled-loss-half-step", kind="exact", over=three)
def labelled_loss_with_half_the_step(world: Players, rule: str = "half", stretch: float = 1.0):
    """Slope η and target η/2, all opponents at the policy that is sampled: L'_t − L_t at two random policies."""
    return difference_of_losses(
        world, target=stretch * TARGETS[rule](world.step_size), slope=world.step_size, opponents=alike(world),
        log_sampling=world.log_policies[..., 0, :],
    )  # fmt: skip


labelled_loss_with_half_the_step.control("target η", stretch=2.0)


@evidence("mnpo/labelled-loss-any-opponents", kind="exact", over=three)
def labelled_loss_with_other_opponents(world: Players, same: bool = False):
    """Target η/2, pairs from the player's own policy, opponents at others: L'_t − L_t at two random policies."""
    opponents = alike(world) if same else world.log_policies
    return difference_of_losses(
        world, target=world.step_size / 2.0, slope=world.step_size, opponents=opponents,
        log_sampling=world.log_policies[..., 0, :],
    )  # fmt: skip


labelled_loss_with_other_opponents.control("opponents at the policy that is sampled", same=True)


@evidence("mnpo/inverse-step-reading", kind="exact", over=three)
def labelled_loss_with_an_inverse_step(world: Players, inverse: bool = True):
    """η read as an inverse step: slope 1/η and target 1/(2η) agree up to a constant."""
    slope = 1.0 / world.step_size if inverse else world.step_size
    return difference_of_losses(
        world, target=0.5 / world.step_size, slope=slope, opponents=alike(world),
        log_sampling=world.log_policies[..., 0, :],
    )  # fmt: skip


labelled_loss_with_an_inverse_step.control("slope η, as in Equations 10 and 13", inverse=False)
