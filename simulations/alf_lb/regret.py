"""A stream of batches: which step sizes have logarithmic regret, and with which constants."""

from functools import partial

import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import exponent, mean_at_most
from lab.routing.online import Policy, follow
from lab.routing.regret import (
    constant_step_slope,
    logarithmic_bound,
    logarithmic_coefficient,
    second_moments,
    sign_rule_slope,
    sign_variance,
    worst_gradient_square,
)
from lab.routing.worlds import TokenStream
from simulations.alf_lb.findings import ratio_equals, share_at_least
from simulations.alf_lb.worlds import FOUR, SIX

MU = FOUR.strong_convexity
DOUBLINGS = 2 ** np.arange(5, 10)  # growth of the regret from n to 2n steps, n = 32 … 512
ROWS, RUNS = 48, 8  # replications of a curve, each the mean of several runs
# For steps c/n, c in units of 1/μ; for the others as said.
HARMONIC, SLOW = Policy("harmonic", 1.0 / MU), Policy("harmonic", 0.1 / MU)
ROOT, CONSTANT, SIGN = Policy("root", 1.0 / MU), Policy("proportional", 0.3 / MU), Policy("sign", 0.01)


def _growth(draw: Draw, policy: Policy) -> np.ndarray:
    """Expected regret collected between n and 2n steps, exact given the biases, mean of runs: (rows, doublings)."""
    track = follow(FOUR, draw.key, policies=(policy,), runs=ROWS * RUNS, steps=2 * int(DOUBLINGS[-1]))
    total = np.cumsum(np.asarray(track.regret)[:, 0], axis=-1)
    growth = total[:, 2 * DOUBLINGS - 1] - total[:, DOUBLINGS - 1]
    return np.mean(growth.reshape(ROWS, RUNS, -1), axis=1)


@evidence("alf-lb/logarithmic-regret", kind="rate")
def growth_with_harmonic_steps(draw: Draw, policy: Policy = HARMONIC):
    """Steps 1/(μn): regret collected from n to 2n does not grow with n, so that the total grows as ln N."""
    return exponent(DOUBLINGS, _growth(draw, policy), between=(-0.3, 0.3), predicted=0.0)


growth_with_harmonic_steps.control("constant steps", policy=CONSTANT)


@evidence("alf-lb/slow-steps-lose-the-logarithm", kind="rate")
def growth_with_slow_steps(draw: Draw, policy: Policy = SLOW):
    """Steps 0.1/(μn), below 1/(2μn): regret collected from n to 2n grows as n^(1 − 2cλ) = n^0.8."""
    return exponent(DOUBLINGS, _growth(draw, policy), between=(0.7, 0.9), predicted=0.8)


growth_with_slow_steps.control("steps 1/(μn)", policy=HARMONIC)


@evidence("alf-lb/root-steps", kind="rate")
def growth_with_root_steps(draw: Draw, policy: Policy = ROOT):
    """Steps 1/(μ√n): regret collected from n to 2n grows as √n."""
    return exponent(DOUBLINGS, _growth(draw, policy), between=(0.3, 0.7), predicted=0.5)


growth_with_root_steps.control("steps 1/(μn)", policy=HARMONIC)


@evidence("alf-lb/deployed-rule-logarithmic", kind="rate")
def growth_with_the_deployed_rule(draw: Draw, policy: Policy = SIGN):
    """Is the regret of the sign rule with a constant rate logarithmic? The exponent of its growth against 0."""
    return exponent(DOUBLINGS, _growth(draw, policy), between=(-0.3, 0.3), predicted=0.0)


growth_with_the_deployed_rule.control("steps 1/(μn)", policy=HARMONIC)


@evidence("alf-lb/deployed-rule-linear", kind="rate")
def linear_growth_with_the_deployed_rule(draw: Draw, policy: Policy = SIGN):
    """Sign rule with a constant rate: regret collected from n to 2n grows as n."""
    return exponent(DOUBLINGS, _growth(draw, policy), between=(0.8, 1.2), predicted=1.0)


linear_growth_with_the_deployed_rule.control("steps 1/(μn)", policy=HARMONIC)


def _directions(world: TokenStream) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the Hessian at balance, and variances of the loads, on vectors that sum to 0."""
    curvature = np.linalg.eigvalsh(world.hessian(-world.means))[1:]
    return curvature, np.linalg.eigvalsh(world.load_covariance)[1:]


_against = partial(ratio_equals, within=0.1, cut=8.0)


@evidence("alf-lb/sharp-coefficient", kind="sampled", size=256)
def growth_per_unit_of_logarithm(draw: Draw, step_factor: float = 1.0, bound: bool = False):
    """Steps 1/(μn): regret collected from n = 100 to 300 per unit of ln n, against Σc²λσ²/2(2cλ − 1); to 10 %."""
    curvature, variance = _directions(FOUR)
    predicted = float(logarithmic_coefficient(curvature, variance, step_factor=1.0 / MU))
    policy = Policy("harmonic", step_factor / MU)
    regret = np.asarray(follow(FOUR, draw.key, policies=(policy,), runs=draw.size, steps=300).regret)
    observed = np.sum(regret[:, 0, 100:], axis=-1) / np.log(3.0)
    loose = worst_gradient_square(FOUR.tokens, FOUR.experts, experts_per_token=2) / (2.0 * MU)
    return _against(observed, predicted, loose if bound else predicted)


growth_per_unit_of_logarithm.control("the coefficient of the general bound, G²/2μ", bound=True)
growth_per_unit_of_logarithm.control("steps 3/(μn)", step_factor=3.0)


@evidence("alf-lb/sharp-coefficient", kind="rate")
def moments_of_the_linear_recursion(draw: Draw, step_factor: float = 1.5):
    """Second moments of the linear recursion, propagated: n times the regret of step n tends to the coefficient."""
    curvature, variance = _directions(SIX)
    steps = step_factor / SIX.strong_convexity / np.arange(1, 4097)
    regret = second_moments(curvature, variance, steps, start=np.full(5, 0.01))
    coefficient = logarithmic_coefficient(curvature, variance, step_factor=1.5 / SIX.strong_convexity)
    at = 2 ** np.arange(6, 12)
    gap = np.abs(at * regret[at - 1] / float(coefficient) - 1.0)
    return exponent(at, gap, between=(-1.1, -0.9), predicted=-1.0)


moments_of_the_linear_recursion.control("steps 3/(μn) have another coefficient", step_factor=3.0)


def _stationary(draw: Draw, policy: Policy) -> np.ndarray:
    """Mean regret a step over 200 steps, after 100 steps from the balanced biases; (runs,)."""
    balanced = TokenStream(0.0 * FOUR.means, FOUR.swing, FOUR.period, FOUR.tokens, FOUR.experts_per_token)
    regret = np.asarray(follow(balanced, draw.key, policies=(policy,), runs=draw.size, steps=300).regret)
    return np.mean(regret[:, 0, 100:], axis=-1)


@evidence("alf-lb/constant-step-slope", kind="sampled", size=128)
def regret_a_step_with_constant_steps(draw: Draw, forget: bool = False):
    """Steps 0.3/μ, stationary: regret a step against Σεσ²/2(2 − ελ); to 10 %."""
    curvature, variance = _directions(FOUR)
    predicted = float(constant_step_slope(curvature, variance, step_size=CONSTANT.rate))
    claimed = CONSTANT.rate * float(np.sum(variance)) / 2.0 if forget else predicted
    return _against(_stationary(draw, CONSTANT), predicted, claimed)


regret_a_step_with_constant_steps.control("half the squared noise of one step", forget=True)


@evidence("alf-lb/deployed-rule-slope", kind="sampled", size=128)
def regret_a_step_with_the_sign_rule(draw: Draw, independent: bool = False, rate: float = 0.004):
    """Sign rule with u = .004, stationary: regret a step against its closed form; to 10 %."""
    predicted = sign_rule_slope(FOUR.tokens, FOUR.experts, experts_per_token=2, rate=0.004)
    claimed = predicted / sign_variance(FOUR.experts) if independent else predicted
    return _against(_stationary(draw, Policy("sign", rate)), predicted, claimed)


regret_a_step_with_the_sign_rule.control("as if the signs of two loads were independent", independent=True)
regret_a_step_with_the_sign_rule.control("half the rate has half the slope", rate=0.002)


RADIUS = float(2.0 * np.linalg.norm(FOUR.means))


@evidence("alf-lb/regret-bound", kind="sampled", size=512)
def regret_against_the_bound(draw: Draw, reversed_sign: bool = False):
    """Steps 1/(μn), biases kept in a ball, 100 steps: mean regret against G²(1 + ln N)/2μ."""
    policy = Policy("harmonic", 1.0 / MU, reversed_sign=reversed_sign)
    track = follow(FOUR, draw.key, policies=(policy,), runs=draw.size, steps=100, radius=RADIUS)
    total = np.sum(np.asarray(track.regret)[:, 0], axis=-1)[:, None]
    square = worst_gradient_square(FOUR.tokens, FOUR.experts, experts_per_token=2)
    bound = logarithmic_bound(square, strong_convexity=MU, steps=100)
    # The gradient is at most G long, and biases at most three optima's norms away from the optimum.
    furthest = 100 * np.sqrt(square) * 1.5 * RADIUS
    return mean_at_most(total, np.atleast_1d(bound), low=0.0, high=furthest)


regret_against_the_bound.control("biases that rise with the load", reversed_sign=True)


STUDY = {
    "1/(μn)": Policy("harmonic", 1.0 / SIX.strong_convexity),
    "3/(μn)": Policy("harmonic", 3.0 / SIX.strong_convexity),
    "0.1/(μn)": Policy("harmonic", 0.1 / SIX.strong_convexity),
    "1/(μ√n)": Policy("root", 1.0 / SIX.strong_convexity),
    "constant 0.3/μ": Policy("proportional", 0.3 / SIX.strong_convexity),
    "sign, u = 0.01": Policy("sign", 0.01),
    "sign, u = 0.001": Policy("sign", 0.001),
}
NAMES = tuple(STUDY)


def _growths(steps: np.ndarray) -> np.ndarray:
    """What theory says the regret of the policies grows by from the first of the steps on, (policies, steps).

    NaN for a policy that has no closed form, or is not yet near balance.
    """
    curvature, variance = _directions(SIX)
    constant, sign = STUDY["constant 0.3/μ"].rate, STUDY["sign, u = 0.01"].rate
    logarithm, line = np.log(steps / steps[0]), steps - steps[0]
    coefficient = float(logarithmic_coefficient(curvature, variance, step_factor=STUDY["1/(μn)"].rate))
    known = {
        "1/(μn)": coefficient * logarithm,
        "constant 0.3/μ": float(constant_step_slope(curvature, variance, step_size=constant)) * line,
        "sign, u = 0.01": sign_rule_slope(SIX.tokens, SIX.experts, experts_per_token=2, rate=sign) * line,
    }
    return np.array([known.get(name, np.full(len(steps), np.nan)) for name in NAMES])


@evidence("alf-lb/deployed-rule-linear", kind="sampled", size=32)
def seven_policies_on_one_stream(draw: Draw, policy: str = "sign, u = 0.01"):
    """Six experts, seven policies, 1,000 steps: in how many runs does the sign rule (u = .01) lose ten times as much as
    steps 1/(μn) over the last 500?"""
    regret = np.asarray(follow(SIX, draw.key, policies=tuple(STUDY.values()), runs=draw.size, steps=1000).regret)
    late = np.sum(regret[:, :, 500:], axis=-1)
    step = np.unique(np.geomspace(1, 1000, 40).astype(int))
    series = {
        "names": np.array(NAMES),
        "step": step,
        "regret": np.mean(np.cumsum(regret, axis=-1)[:, :, step - 1], axis=0),
        "settled": step[step >= 100],
        "growth": _growths(step[step >= 100]),
    }
    return share_at_least(late[:, NAMES.index(policy)] > 10.0 * late[:, NAMES.index("1/(μn)")], 0.5, series=series)


seven_policies_on_one_stream.control("steps 3/(μn)", policy="3/(μn)")
