"""What the advice for a log of scores does on the stream that the log is from."""

from math import ceil

import jax
import numpy as np

from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import Mean
from lab.routing.advice import advise_routing
from lab.routing.online import Policy, follow
from lab.routing.worlds import TokenStream, stream
from simulations.alf_lb.curvature import streams
from simulations.alf_lb.findings import share_at_least

LOGGED, FOLLOWING, LATE = 5, 600, 400  # batches in the log, after it, and of these judged when the start-up is over


def _late_imbalance(world: TokenStream, key: jax.Array, rng: np.random.Generator, factor: float) -> np.ndarray:
    """Mean MaxVio, in units of the advised noise floor: the advised rule, the sign rule, the proportional rule."""
    log = world.means + rng.random((LOGGED * world.tokens, world.experts))
    advice = advise_routing(log, rng, experts_per_token=world.experts_per_token, batch=world.tokens)
    advised = ((advice.rule, advice.rate), ("sign", advice.sign_rate), ("proportional", advice.proportional_rate))
    policies = tuple(Policy(rule, factor * rate) for rule, rate in advised)
    found = follow(world, key, policies=policies, runs=1, steps=FOLLOWING, with_regret=False).violation
    start = ceil(advice.start_up_steps)
    return np.mean(np.asarray(found)[0, :, start : start + LATE], axis=-1) / advice.noise_floor


@evidence("alf-lb/advised-rates-balance", kind="sampled", over=streams(6, 2), size=16)
def batches_after_the_advised_start_up(world: TokenStream, draw: Draw, factor: float = 1.0) -> Mean:
    """Rates advised for a log of 500 tokens, from biases of 0, three rules: in how many worlds does each keep the
    mean MaxVio of 400 batches after the advised start-up within 1.1 advised noise floors?
    """
    rng, keys = draw.rng, jax.random.split(draw.key, len(world.means))
    each = [stream(m, tokens=world.tokens, experts_per_token=world.experts_per_token) for m in world.means]
    late = np.stack([_late_imbalance(one, key, rng, factor) for one, key in zip(each, keys, strict=True)])
    return share_at_least(late <= 1.1, 0.5)


batches_after_the_advised_start_up.control("ten times the rates: loads fluctuate", factor=10.0)
batches_after_the_advised_start_up.control("a tenth of the rates: not there in time", factor=0.1)
