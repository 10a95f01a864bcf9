"""Where momentum leads with an exact reward: the travel of T steps, and the same place without momentum."""

from itertools import pairwise
from typing import Any

import numpy as np

from lab.arrays import sigmoid
from lab.family import family, normal, uniform, world
from lab.games.acceleration import extrapolated_travel, scheduled_travel, travel
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, exponent
from lab.objectives.logistic import dpo
from lab.policies import kl_divergence, log_linear, regularised_value, tabular
from simulations.apo.worlds import ACTIONS, Bandit, bandits, run

STEPS = (1, 2, 5, 8)


@evidence("apo/exact-law", kind="exact", over=bandits(), size=256)
def policy_after_momentum(world: Bandit, law: str = "exact"):
    """T = 1, 2, 5, 8 steps of the solver with an exact reward, against π_ref exp(S_T r/β)."""
    share, findings = world.extrapolation, []
    for steps in STEPS:
        distance = travel(steps, extrapolation=share)
        if law != "exact":
            distance = steps / (1.0 - share) if law == "asymptotic" else steps + 0.0 * share
        findings.append(equal(run(world, steps, extrapolation=share)[0], world.after(distance)))
    return tuple(findings)


policy_after_momentum.control("the distance T/(1 − α) of many steps", law="asymptotic")
policy_after_momentum.control("the distance T of plain iteration", law="plain")


@evidence("apo/extrapolated-policy-is-further", kind="exact", over=bandits(), size=256)
def extrapolated_policy_after_momentum(world: Bandit, output: bool = False):
    """The policy that is the next reference has gone S_T + α(1 − α^T)/(1 − α)."""
    share = world.extrapolation
    return tuple(
        equal(
            run(world, steps, extrapolation=share)[0 if output else 1],
            world.after(extrapolated_travel(steps, extrapolation=share)),
        )
        for steps in STEPS
    )


extrapolated_policy_after_momentum.control("the output in its place", output=True)


@evidence("apo/equals-a-smaller-weight", kind="exact", over=bandits(), size=256)
def plain_iteration_with_a_smaller_weight(world: Bandit, asymptotic: bool = False):
    """T steps without momentum and with β T/S_T end where T steps with momentum and β end."""
    share, findings = world.extrapolation, []
    for steps in STEPS:
        factor = 1.0 - share if asymptotic else steps / travel(steps, extrapolation=share)
        plain = run(world, steps, extrapolation=0.0, beta=world.beta * factor)[0]
        findings.append(equal(plain, run(world, steps, extrapolation=share)[0]))
    return tuple(findings)


plain_iteration_with_a_smaller_weight.control("the weight β(1 − α), right for many steps", asymptotic=True)


@evidence("apo/finite-deficit", kind="exact", over=bandits(extrapolation=uniform(0, 0.8)))
def distance_lost_at_the_start(world: Bandit, asymptotic: bool = False):
    """T/(1 − α) − S_T = α(1 − α^T)/(1 − α)², for T up to 40; below α/(1 − α)², which it tends to."""
    share, findings = world.extrapolation, []
    for steps in (1, 3, 10, 40):
        lost = steps / (1.0 - share) - travel(steps, extrapolation=share)
        limit = share / (1.0 - share) ** 2
        findings += [equal(lost, limit if asymptotic else limit * (1.0 - share**steps)), at_most(lost, limit)]
    return tuple(findings)


distance_lost_at_the_start.control("the limit itself", asymptotic=True)


@evidence("apo/full-extrapolation", kind="exact", over=bandits())
def distance_at_the_end_of_the_range(world: Bandit, share: float = 1.0):
    """α = 1: S_T = T(T + 1)/2, more than any α < 1 gives."""
    findings = []
    for steps in (1, 2, 10, 30):
        end = travel(steps, extrapolation=share + 0.0 * world.extrapolation)
        findings += [
            equal(end, steps * (steps + 1) / 2),
            at_most(travel(steps, extrapolation=world.extrapolation), end),
        ]
    return tuple(findings)


distance_at_the_end_of_the_range.control("α = 0.95", share=0.95)

# ── The order in T ──

SIZES = np.array([64, 128, 256, 512, 1024, 2048, 4096])


def _distances(world: Bandit, schedule: str) -> np.ndarray:
    """S_T at the sizes, for each world's own share, or shares t/(t + 3), or 1."""
    steps = np.arange(1, SIZES[-1])
    shares = {
        "constant": world.extrapolation[:, None] + 0.0 * steps,
        "nesterov": (steps / (steps + 3.0))[None] + 0.0 * world.extrapolation[:, None],
        "full": np.ones((len(world.extrapolation), len(steps))),
    }[schedule]
    return scheduled_travel(shares)[:, SIZES - 1]


@evidence("apo/order-is-linear", kind="rate", over=bandits(extrapolation=uniform(0, 0.8)), size=128)
def distance_by_steps(world: Bandit, draw: Draw, schedule: str = "constant"):
    """S_T for T from 64 to 4,096 and shares up to 0.8."""
    return exponent(SIZES, _distances(world, schedule), between=(0.95, 1.05), predicted=1.0)


distance_by_steps.control("shares t/(t + 3), Nesterov's", schedule="nesterov")
distance_by_steps.control("a share of 1", schedule="full")


@evidence("apo/order-is-quadratic", kind="rate", over=bandits(extrapolation=uniform(0, 0.8)), size=128)
def distance_against_the_square(world: Bandit, draw: Draw, schedule: str = "constant"):
    """The same numbers against the exponent 2."""
    return exponent(SIZES, _distances(world, schedule), between=(1.95, 2.05), predicted=2.0)


distance_against_the_square.control("shares t/(t + 3), Nesterov's", schedule="nesterov")

# ── The regularised problem, and the reference ──


@evidence("apo/one-step-solves-the-regularised-problem", kind="exact", over=bandits())
def regularised_value_by_step(world: Bandit, stronger: float = 1.0):
    """E r − β KL(π‖π_ref) at T = 1, 2, 4, 8: greatest after one step, whatever the momentum, and falling from there."""
    reference, share, values = world.log_reference, world.extrapolation, []
    for steps in STEPS:
        policy = world.after(travel(steps, extrapolation=share))
        values.append(regularised_value(policy, world.reward, reference, beta=world.beta / stronger))
    return tuple(at_most(after, before) for before, after in pairwise(values))


regularised_value_by_step.control("a target with a quarter of the KL weight", stronger=4.0)


@evidence("apo/leaves-the-reference", kind="exact", over=bandits(beta=uniform(0.5, 1)))
def divergence_from_the_reference(world: Bandit, aim: bool = False):
    """KL(π̂_T‖π_ref) grows with every step and reaches log 1/π_ref(y*): nothing holds the policy near the reference."""
    distances = []
    for steps in (1, 2, 4, 8, 10**9):
        far = float(steps) + 0.0 * world.extrapolation
        policy = world.after(travel(steps, extrapolation=world.extrapolation) if steps < 10 else far)
        distances.append(kl_divergence(policy, world.after(1.0 + 0.0 * far) if aim else world.log_reference))
    growing = [at_most(before, after) for before, after in pairwise(distances)]
    return *growing, at_most(-world.log_best - 1e-9, distances[-1])


divergence_from_the_reference.control("the distance from the regularised optimum, which is 0 after one step", aim=True)

# ── Coverage ──


@evidence("apo/coverage", kind="exact", over=bandits())
def loss_where_an_action_is_never_drawn(world: Bandit, drawn: int = ACTIONS - 1):
    """Population DPO loss of pairs of the first five of six actions: the logit of the sixth may move at no cost."""
    first, second = np.triu_indices(drawn, 1)
    wins = sigmoid(world.reward[..., first] - world.reward[..., second])

    def loss(logits: Any) -> Any:
        margin = logits[..., first] - logits[..., second]
        beta = world.beta[..., None]
        return np.sum(wins * dpo(margin, beta=beta) + (1.0 - wins) * dpo(-margin, beta=beta), axis=-1)

    logits = world.reward / world.beta[..., None]  # relative to the reference: the minimiser
    moved = logits + 1.0 * (np.arange(ACTIONS) == ACTIONS - 1)
    return equal(loss(moved), loss(logits))


loss_where_an_action_is_never_drawn.control("pairs of all six", drawn=ACTIONS)

# ── Log-linear policies ──


@world
class LogLinearSteps:
    """Features, two parameters in a row, and the share that is repeated."""

    features: Any
    before: Any
    after: Any
    extrapolation: Any


log_linear_steps = family(
    LogLinearSteps,
    features=normal(1, shape=(5, 3)),
    before=normal(1, shape=(3,)),
    after=normal(1, shape=(3,)),
    extrapolation=uniform(0.05, 1),
)


@evidence("apo/parameters-extrapolate", kind="exact", over=log_linear_steps)
def policy_of_extrapolated_parameters(world: LogLinearSteps, bent: bool = False):
    """θ₁ + α(θ₁ − θ₀) gives π₁(π₁/π₀)^α, for policies whose logits are linear in θ."""
    share = world.extrapolation[..., None]

    def policy(theta: Any) -> Any:
        if bent:  # one hidden unit: logits tanh(φᵀθ)
            return tabular(np.tanh(np.sum(world.features * theta[..., None, :], axis=-1)))
        return log_linear(theta, world.features)

    before, after = policy(world.before), policy(world.after)
    found = policy(world.after + share * (world.after - world.before))
    return equal(found, tabular(after + share * (after - before)))


policy_of_extrapolated_parameters.control("logits that are not linear in θ", bent=True)
