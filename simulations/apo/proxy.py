"""Momentum towards a proxy of the reward (`apo`, C5): faster travel reaches the best place earlier, and passes it."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab.family import family, normal, uniform, world
from lab.games.acceleration import scheduled_travel
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import at_most, equal, mean_at_least
from lab.policies import log_linear, tabular
from simulations.apo.worlds import Bandit, run

STEPS = 240


@world
class Proxy:
    """A reward, a proxy that overrates one action that the reference hardly ever takes, and the reference's logits."""

    reward: Any
    overrated: Any
    reference_logits: Any
    share: Any

    @property
    def proxy(self) -> Any:
        rare = np.arange(self.reward.shape[-1]) == 0
        return self.reward + rare * self.overrated[..., None]

    def values(self, share: Any, *, steps: int = STEPS, beta: float = 20.0) -> Any:
        """True value E r after 0, 1, …, T steps of momentum along the exact proxy: (…, steps + 1)."""
        distance = scheduled_travel(share[..., None] + np.zeros(steps - 1))
        return self.along(np.concatenate([0.0 * distance[..., :1], distance], axis=-1) / beta)

    def along(self, distance: Any) -> Any:
        """True value of π_ref exp(S r̂) for distances S on a last axis."""
        policies = tabular(self.reference_logits[..., None, :] + distance[..., None] * self.proxy[..., None, :])
        return self.value(policies)

    def value(self, log_policies: Any) -> Any:
        """True value of policies on a further axis."""
        return np.sum(np.exp(log_policies) * self.reward[..., None, :], axis=-1)


def proxies(reward: Any, overrated: Any, reference_logits: Any, share: Any) -> Proxy:
    """The first action is the worst, and has e⁻⁷ of the others' odds."""
    reward = reward.copy()
    reward[:, 0] = np.min(reward, axis=-1) - 0.5
    spread = np.max(reward, axis=-1) - reward[:, 0]
    reference_logits = reference_logits.copy()
    reference_logits[:, 0] -= 7.0
    return Proxy(reward, overrated * spread, reference_logits, share)


def worlds(overrated: float) -> Any:
    """The proxy rates the worst action above the best by half the range of rewards (1.5), or is the reward (0)."""
    return family(
        proxies,
        reward=normal(1, shape=(5,)),
        overrated=uniform(overrated, overrated),
        reference_logits=normal(0.5, shape=(5,)),
        share=uniform(0.5, 0.8),
    )


def _peak(values: np.ndarray) -> np.ndarray:
    """The step with the largest true value."""
    return np.argmax(values, axis=-1)


@evidence("apo/over-optimisation-earlier", kind="exact", rounding="declared", over=worlds(1.5))
def step_of_the_best_policy(world: Proxy, proxy: float = 1.0):
    """The step at which the true value is largest, with a share of 0.5 to 0.8 and without: earlier by at least one."""
    ours, plain = world.values(world.share), world.values(0.0 * world.share)
    return at_most(_peak(ours) + 1, _peak(plain))


step_of_the_best_policy.control("a proxy that is the reward: the value never falls", over=worlds(0.0))


@evidence("apo/over-optimisation-is-no-worse", kind="exact", rounding="declared", over=worlds(1.5))
def value_at_the_end(world: Proxy):
    """True value after 240 steps, with momentum at least that without. Values are sums of five terms below 10."""
    ours, plain = world.values(world.share), world.values(0.0 * world.share)
    return at_most(plain[:, -1], ours[:, -1], error=1e-13)


value_at_the_end.control("a proxy that is the reward", over=worlds(0.0))

EXAMPLE = Proxy(
    reward=np.array([-1.5, 1.0, 0.4, 0.0, -0.5]),
    overrated=np.array(3.2),
    reference_logits=np.array([-5.0, 0.0, 0.2, 0.4, 0.1]),
    share=np.array(0.6),
)
SHARES = np.array([0.0, 0.3, 0.6])
PICTURE = 40


@evidence("apo/one-path-at-any-speed", kind="exact", over=EXAMPLE)
def values_along_the_path(world: Proxy, slower: bool = False):
    """1, 2, 4 and 8 steps of the solver with shares 0, 0.3, 0.6: true values are those of one curve V(S), at S_T."""
    beta = 5.0 + 0.0 * world.share
    bandit = Bandit(world.proxy, world.reference_logits, beta, world.share)
    findings = []
    for share in SHARES:
        times = np.array([1, 2, 4, 8])
        distance = times if slower else scheduled_travel(np.full(7, share))[times - 1]
        policies = [run(bandit, int(steps), extrapolation=float(share))[0] for steps in times]
        findings.append(equal(world.value(np.stack(policies)), world.along(distance / beta)))
    return tuple(findings)


values_along_the_path.control("read at T", slower=True)


@evidence("apo/over-optimisation-earlier", kind="exact", rounding="declared", over=EXAMPLE)
def best_steps_of_an_example(world: Proxy, overrated: float = 1.0):
    """Five actions, the worst of which the proxy rates best: shares 0, 0.3, 0.6 are best after 16, 12 and 8 steps."""
    world = replace(world, overrated=overrated * world.overrated)
    many = replace(world, reward=world.reward + np.zeros((3, 1)))
    values = many.values(SHARES, steps=PICTURE, beta=5.0)
    series = {"value": values, "share": SHARES, "travel": scheduled_travel(SHARES[:, None] + np.zeros(PICTURE - 1))}
    return at_most(_peak(values[1:]) + 1, _peak(values[:-1]), series=series)


best_steps_of_an_example.control("the proxy is the reward", overrated=0.0)

# ── With labels, and a log-linear policy ──

FEATURES, ACTIONS, ROUNDS, LABELS = 3, 8, 12, 12
FIRST, SECOND = np.triu_indices(ACTIONS, 1)


@world
class Labelled:
    """Features of the actions, the parameters of the true reward, and those of the reward that labels come from."""

    features: Any
    truth: Any
    labeller: Any
    reference: Any


def labelled_worlds(features: Any, truth: Any, error: Any, reference: Any) -> Labelled:
    return Labelled(features, truth, truth + error, truth + reference)


def labelled(error: float) -> Any:
    """The reference is near the truth; labels come from the truth with an error of this size in every parameter."""
    return family(
        labelled_worlds,
        features=normal(1, shape=(ACTIONS, FEATURES)),
        truth=normal(1, shape=(FEATURES,)),
        error=normal(error, shape=(FEATURES,)) if error else uniform(0, 0, shape=(FEATURES,)),
        reference=normal(0.1, shape=(FEATURES,)),
    )


@jax.jit
def _fitted(features: Any, won: Any) -> Any:
    """Reward parameters from the wins in every pair, by ten steps of Newton's method with a ridge of 0.1."""
    contrast = features[:, FIRST] - features[:, SECOND]

    def improve(_: Any, theta: Any) -> Any:
        chance = jax.nn.sigmoid(jnp.einsum("wpf,wf->wp", contrast, theta))
        slope = jnp.einsum("wp,wpf->wf", LABELS * chance - won, contrast) + 0.1 * theta
        hessian = jnp.einsum("wp,wpf,wpg->wfg", LABELS * chance * (1.0 - chance), contrast, contrast)
        return theta - jnp.linalg.solve(hessian + 0.1 * jnp.eye(FEATURES), slope[..., None])[..., 0]

    return jax.lax.fori_loop(0, 10, improve, jnp.zeros((len(features), FEATURES)))


def learned_values(world: Labelled, rng: np.random.Generator, shares: Any, *, beta: float = 4.0) -> np.ndarray:
    """Iterative DPO on labels with momentum on the parameters: true value, as part of its range, (shares, worlds).

    Twelve labels for each of the 28 pairs and each of 12 rounds; all shares see the same.
    """
    chance = 1.0 / (1.0 + np.exp(-(world.features[:, FIRST] - world.features[:, SECOND]) @ world.labeller[..., None]))
    fitted = [np.asarray(_fitted(world.features, rng.binomial(LABELS, chance[..., 0]))) for _ in range(ROUNDS)]
    reward = np.sum(world.features * world.truth[:, None], axis=-1)
    low, high = np.min(reward, axis=-1), np.max(reward, axis=-1)
    values = []
    for share in shares:
        output = following = world.reference
        for theta in fitted:
            output, before = following + theta / beta, output
            following = output + share * (output - before)
        policy = np.exp(log_linear(output, world.features))
        values.append((np.sum(policy * reward, axis=-1) - low) / (high - low))
    return np.stack(values)


@evidence("apo/momentum-towards-wrong-labels", kind="sampled", over=labelled(1.5), size=2**11)
def value_learned_from_labels(world: Labelled, draw: Draw):
    """Log-linear policies, labels from a wrong reward, 12 rounds: true value with α = 0 less that with α = 0.6."""
    plain, ours = learned_values(world, draw.rng, (0.0, 0.6))
    return mean_at_least((plain - ours)[:, None], np.zeros(1), low=-1.0, high=1.0)


value_learned_from_labels.control("labels from the true reward", over=labelled(0.0))
