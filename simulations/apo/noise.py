"""Rewards that are fitted to labels at every step: what momentum does to signal and noise."""

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.arrays import log_softmax
from lab.family import family, normal, uniform
from lab.games.acceleration import signal_to_noise, step_weights, travel
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, below, equal, mean_at_least
from simulations.apo.worlds import Bandit, bandits, run

STEPS = 6


@evidence("apo/noise-weights", kind="exact", over=bandits(actions=2, extrapolation=uniform(0.05, 0.9)), size=32)
def log_odds_over_all_errors(world: Bandit, even: bool = False):
    """Two actions, six steps, a fair error ±0.7 in every fitted reward gap: the solver on all 64 sequences of errors.

    The log-odds have the mean S_T r/β and the variance ‖w‖² 0.7²/β².
    """
    signs = np.array(list(product([-1.0, 1.0], repeat=STEPS)))
    # Half of the gap's error on each action; the sequences are a second axis of worlds.
    errors = np.stack([0.35 * signs, -0.35 * signs], axis=-1)
    fields = (world.reward, world.reference_logits)
    wide = Bandit(
        *(x[:, None, :] + 0.0 * signs[:, :1] for x in fields), world.beta[:, None], world.extrapolation[:, None]
    )
    output, _ = run(wide, STEPS, extrapolation=wide.extrapolation, errors=errors)
    odds = output[..., 0] - output[..., 1] - (wide.log_reference[..., 0] - wide.log_reference[..., 1])
    weights = step_weights(STEPS, extrapolation=world.extrapolation)
    if even:
        weights = np.mean(weights, axis=-1, keepdims=True) + 0.0 * weights
    mean = travel(STEPS, extrapolation=world.extrapolation) * (world.reward[..., 0] - world.reward[..., 1]) / world.beta
    spread = 0.49 * np.sum(weights**2, axis=-1) / world.beta**2
    return equal(np.mean(odds, axis=-1), mean), equal(np.mean((odds - mean[:, None]) ** 2, axis=-1), spread)


log_odds_over_all_errors.control("equal weights of the same sum", even=True)


@evidence("apo/no-statistical-gain", kind="exact", over=bandits(extrapolation=uniform(0, 1)))
def signal_against_noise(world: Bandit, last_alone: bool = False):
    """S_T/‖w‖ against √T, its value without momentum, for T up to 40; equal errors in each step."""
    findings = []
    for steps in (1, 2, 5, 20, 40):
        found = signal_to_noise(steps, extrapolation=world.extrapolation)
        if last_alone:  # errors only in the last fit, whose weight is 1
            found = travel(steps, extrapolation=world.extrapolation)
        findings.append(at_most(found, steps**0.5))
    return tuple(findings)


signal_against_noise.control("errors in the last fit alone", last_alone=True)

SHARES = np.linspace(0.0, 0.95, 20)


@evidence("apo/no-statistical-gain", kind="exact", over=Bandit(np.zeros(2), np.zeros(2), np.array(1.0), SHARES))
def ratio_of_twenty_steps(world: Bandit, longer: int = 0):
    """T = 20: S_T/‖w‖ falls as α grows, from √20."""
    found = signal_to_noise(20 + longer, extrapolation=world.extrapolation)
    series = {"share": world.extrapolation, "ratio": found, "travel": travel(20, extrapolation=world.extrapolation)}
    return at_most(found, 20**0.5, series=series), below(found[1:], found[:-1])


ratio_of_twenty_steps.control("ten steps more, against the same bound", longer=10)

# ── Labels ──

ITERATIONS = 10
LABELS = (10, 20, 50, 100, 400)
CURVE = np.array([0.0, 0.3, 0.5, 0.7, 0.9])


@jax.jit
def _fitted(won: Any, each: Any) -> Any:
    """Rewards from the wins of the first action of every pair, (…, pairs): the maximum of the Bradley–Terry likelihood

    with a ridge of 0.1, by six steps of Newton's method.
    """
    design = jnp.asarray(DESIGN)

    def improve(_: Any, reward: Any) -> Any:
        chance = jax.nn.sigmoid(reward @ design.T)
        slope = (each * chance - won) @ design + 0.1 * reward
        hessian = jnp.einsum("...p,pi,pj->...ij", each * chance * (1.0 - chance), design, design)
        hessian = hessian + 0.1 * jnp.eye(design.shape[-1])
        return reward - jnp.linalg.solve(hessian, slope[..., None])[..., 0]

    return jax.lax.fori_loop(0, 6, improve, jnp.zeros((*won.shape[:-1], design.shape[-1])))


FIRST, SECOND = np.triu_indices(5, 1)
DESIGN = np.eye(5)[FIRST] - np.eye(5)[SECOND]


def learned(world: Bandit, rng: np.random.Generator, shares: np.ndarray, labels: int) -> np.ndarray:
    """Sub-optimality after ten steps on fitted rewards, as many labels at each: (shares, worlds).

    Labels are spread evenly over the ten pairs of five actions; all shares see the same.
    """
    each = labels // len(FIRST)
    gaps = world.reward @ DESIGN.T
    won = rng.binomial(each, 1.0 / (1.0 + np.exp(-gaps)), (ITERATIONS, *gaps.shape))
    fitted = np.asarray(_fitted(won.astype(float), float(each)))
    weights = step_weights(ITERATIONS, extrapolation=shares)
    total = np.einsum("st,twa->swa", weights, fitted) / world.beta[:, None]
    return np.stack([world.suboptimality(log_softmax(world.log_reference + moved)) for moved in total])


def informed_worlds(reward: Any, reference_logits: Any, beta: Any, extrapolation: Any) -> Bandit:
    """The reference knows something of the reward: its logits are twice that, and noise."""
    return Bandit(reward, 2.0 * reward + reference_logits, beta, extrapolation)


informed = family(
    informed_worlds,
    reward=normal(0.3, shape=(5,)),
    reference_logits=normal(0.5, shape=(5,)),
    beta=uniform(1, 1),
    extrapolation=uniform(0, 0),
)


@evidence("apo/less-momentum-with-fewer-labels", kind="sampled", over=informed, size=2**12)
def suboptimality_by_labels(world: Bandit, draw: Draw, few: int = 10, many: int = 400):
    """T = 10: with 10 labels a step α = 0.9 ends worse than α = 0, with 400 better; on the same labels."""
    rng = draw.rng
    found = {labels: learned(world, rng, CURVE, labels) for labels in (few, many)}
    values = np.stack([found[few][-1] - found[few][0], found[many][0] - found[many][-1]], axis=-1)
    series = {}
    if few != many:
        curves = [learned(world, rng, CURVE, labels) for labels in LABELS]
        series = {
            "share": CURVE,
            "labels": np.array(LABELS),
            "mean": np.stack([np.mean(c, axis=-1) for c in curves]),
            "error": np.stack([np.std(c, axis=-1) for c in curves]) / np.sqrt(draw.size),
        }
    # Rewards are cut at four standard deviations, 1.2, so that no sub-optimality exceeds 2.4.
    return mean_at_least(values, np.zeros(2), low=-2.4, high=2.4, series=series)


suboptimality_by_labels.control("400 labels in both", few=400)
