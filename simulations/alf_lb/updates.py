"""One update of the biases on fixed scores: what happens to the Lagrangian, and which tokens move where."""

from dataclasses import replace

import numpy as np

from lab.arrays import namespace
from lab.family import Family, family, log_uniform, uniform
from lab.inference.rounding import value
from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most, equal
from lab.routing.lagrangian import dual_value, overshoot, shortfall, switched_slots, switching_benefit
from lab.routing.rules import RULES, update
from lab.routing.selection import loads, route
from lab.routing.worlds import BiasedTokens


def batches(tokens: int = 24, experts: int = 4, experts_per_token: int = 2, *, bias: float = 0.3) -> Family:
    """A batch of tokens and the biases of some moment, with a rate: far too small up to far too large."""
    return family(
        BiasedTokens, scores=uniform(0, 1, shape=(tokens, experts)), bias=uniform(-bias, bias, shape=(experts,)),
        rate=log_uniform(1e-4, 0.3), experts_per_token=experts_per_token,
    )  # fmt: skip


class Step:
    """One update of a batch of worlds: routing, loads and biases before and after."""

    def __init__(self, world: BiasedTokens, rule: str, *, scores_after=None) -> None:
        k, acts = world.experts_per_token, RULES[rule].bias_acts
        # Rates are per token where a rule counts tokens.
        self.rate = world.rate[..., None] * (1.0 if rule in ("sign", "normalised", "multiplicative") else 0.1)
        self.bias = world.bias + (1.0 if acts == "multiplied" else 0.0)
        self.before = route(world.scores, self.bias, experts_per_token=k, bias_acts=acts)
        self.load = loads(self.before)
        self.new_bias = update(self.bias, self.load, rule=rule, rate=self.rate)
        scores = world.scores if scores_after is None else scores_after
        self.after = route(scores, self.new_bias, experts_per_token=k, bias_acts=acts)
        self.new_load = loads(self.after)
        size = np.abs(shortfall(self.load))
        # ε_k of the sign rule is u/|L − A_k|; where the load is exact, any.
        self.epsilon = self.rate / np.where(size == 0, 1.0, size) if rule == "sign" else self.rate

    def gain(self, world: BiasedTokens):
        """D after less D before."""
        k = world.experts_per_token
        return dual_value(world.scores, self.new_bias, experts_per_token=k) - dual_value(
            world.scores, self.bias, experts_per_token=k
        )


@evidence("alf-lb/lagrangian-change", kind="exact", over=batches())
def change_of_the_lagrangian(world: BiasedTokens, forget_switching: bool = False):
    """D(p') − D(p) against −Σε(A − L)² plus the tokens' switching benefits, none of them negative; two rules."""
    findings = []
    for rule in ("sign", "proportional"):
        step = Step(world, rule)
        xp = namespace(step.new_bias)
        descent = xp.sum(step.epsilon * shortfall(step.load) ** 2, axis=-1)
        benefit = switching_benefit(world.scores, step.before, step.after, step.new_bias)
        total = 0.0 * descent if forget_switching else xp.sum(benefit, axis=-1)
        findings += [equal(step.gain(world), total - descent), at_most(0.0 * benefit, benefit)]
    return tuple(findings)


change_of_the_lagrangian.control("tokens that switch gain nothing", forget_switching=True)


@evidence("alf-lb/monotonic-improvement", kind="exact", over=batches())
def improvement_in_every_step(world: BiasedTokens, rule: str = "sign", cautious: bool = False):
    """Does one update by the sign rule never raise the Lagrangian at its primal optimum, whatever the rate?"""
    if cautious:
        world = replace(world, rate=1e-9 + 0.0 * world.rate)
    gain = Step(world, rule).gain(world)
    return at_most(gain, 0.0 * gain)


improvement_in_every_step.control("a rate so small that hardly a token switches", cautious=True)


@evidence("alf-lb/conditional-improvement", kind="exact", over=batches())
def improvement_without_overshoot(world: BiasedTokens, always: bool = False):
    """D(p') − D(p) ≤ −Σε(A − L)(A' − L), so no increase where that sum is not negative; two rules."""
    findings = []
    for rule in ("sign", "proportional"):
        step = Step(world, rule)
        gain, over = step.gain(world), overshoot(step.epsilon, step.load, step.new_load)
        counted = always | (value(over) >= 0)
        findings += [at_most(gain, -over), at_most(namespace(gain).where(counted, gain, 0.0 * gain), 0.0 * gain)]
    return tuple(findings)


improvement_without_overshoot.control("without the condition", always=True)


@evidence("alf-lb/few-switches-improve", kind="exact", over=batches())
def improvement_with_few_switches(world: BiasedTokens, factor: float = 1.0):
    """Sign rule: no increase in any step in which at most ½Σ|A − L| token slots switch."""
    step = Step(world, "sign")
    few = switched_slots(step.before, step.after) <= factor * np.sum(np.abs(shortfall(step.load)), axis=-1) / 2
    gain = step.gain(world)
    return at_most(namespace(gain).where(few, gain, 0.0 * gain), 0.0 * gain)


improvement_with_few_switches.control("three times as many switches", factor=3.0)


def _out_of_order(step: Step, moves: np.ndarray) -> np.ndarray:
    """Tokens with a dropped expert whose number is not below that of every picked one; `moves` is (..., experts)."""
    dropped, picked = step.before & ~step.after, step.after & ~step.before
    moves = value(moves)[..., None, :]
    largest = np.max(np.where(dropped, moves, -np.inf), axis=-1)
    least = np.min(np.where(picked, moves, np.inf), axis=-1)
    return np.count_nonzero(largest >= least, axis=-1)


@evidence("alf-lb/preference-rule", kind="exact", over=batches())
def movements_follow_the_biases(world: BiasedTokens, rules: tuple = ("sign", "proportional", "normalised"), new=False):
    """Tokens that drop k and pick k': the bias of k rose less than that of k', for every such pair; three rules."""
    later = None
    if new:
        later = world.scores + np.random.default_rng(0).normal(size=world.scores.shape) * 0.02
    steps = [Step(world, rule, scores_after=later) for rule in rules]
    # Counts have no rounding error.
    return tuple(equal(_out_of_order(step, step.new_bias - step.bias), 0, error=0.0) for step in steps)


movements_follow_the_biases.control("scores that change between iterations, as in training", new=True)
movements_follow_the_biases.control("biases that multiply the scores", rules=("multiplicative",))


@evidence("alf-lb/towards-lower-loads", kind="exact", over=batches())
def movements_follow_the_loads(world: BiasedTokens, own_rates: bool = False):
    """Proportional rule: every token that switches goes from a strictly higher to a strictly lower load."""
    step = Step(world, "proportional")
    if own_rates:
        rates = np.linspace(0.2, 2.0, world.scores.shape[-1])
        step.new_bias = step.bias + rates * (step.new_bias - step.bias)
        step.after = route(world.scores, step.new_bias, experts_per_token=world.experts_per_token)
    return equal(_out_of_order(step, -1.0 * step.load), 0, error=0.0)


movements_follow_the_loads.control("every expert with a rate of its own", own_rates=True)


@evidence("alf-lb/overloaded-to-underloaded", kind="exact", over=batches())
def movements_cross_the_mean(world: BiasedTokens, rule: str = "proportional"):
    """Does every token that switches leave an overloaded expert for an underloaded one? Proportional rule."""
    step = Step(world, rule)
    short = value(shortfall(step.load))[..., None, :]
    dropped, picked = step.before & ~step.after, step.after & ~step.before
    return equal(np.count_nonzero((dropped & (short >= 0)) | (picked & (short <= 0)), axis=(-2, -1)), 0, error=0.0)


movements_cross_the_mean.control(
    "the sign rule where no load can be exact (23 tokens)", over=batches(23, 4, 1), rule="sign"
)


@evidence("alf-lb/sum-of-biases", kind="exact", over=batches())
def sum_of_the_biases(world: BiasedTokens, rule: str = "proportional"):
    """The proportional rule keeps the sum of the biases."""
    step = Step(world, rule)
    xp = namespace(step.new_bias)
    return equal(xp.sum(step.new_bias, axis=-1), xp.sum(step.bias, axis=-1))


sum_of_the_biases.control("the sign rule drifts along the null direction", rule="sign")
