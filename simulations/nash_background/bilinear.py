"""The simplest saddle, min over x and max over y of xy: each method multiplies x + iy by a known number."""

import numpy as np

from lab.arrays import namespace
from lab.games.local import optimistic_modulus
from lab.ledger.evidence import Draw, evidence
from lab.ledger.findings import below, equal, factor
from lab.operators.steps import extragradient, forward
from simulations.nash_background.worlds import Saddle, saddles

STEPS = 4


def _squared(u):
    return namespace(u).sum(u * u, axis=-1)


@evidence("nash-background/bilinear-descent", kind="exact", over=saddles(0.01, 2))
def descent_ascent(world: Saddle, simultaneous: bool = True):
    """Squared norms along four steps of gradient descent–ascent: 1 + η² times the one before."""
    u, findings = world.start, []
    xp = namespace(u)
    for _ in range(STEPS):
        after = forward(u, world.operator(u), step_size=world.step_size)
        if not simultaneous:
            second = u[..., 1] + world.step_size * after[..., 0]
            after = xp.stack([after[..., 0], second], axis=-1)
        findings.append(equal(_squared(after), (1.0 + world.step_size**2) * _squared(u)))
        u = after
    return tuple(findings)


descent_ascent.control("one after the other instead of both at once", simultaneous=False)


@evidence("nash-background/bilinear-proximal", kind="exact", over=saddles(0.01, 2))
def proximal(world: Saddle, explicit: bool = False):
    """Squared norms along four implicit steps u₊ = u − ηF(u₊): 1/(1 + η²) times the one before."""
    u, findings = world.start, []
    squared = 1.0 + world.step_size**2
    for _ in range(STEPS):
        # (1 + ηF)⁻¹ of a rotation by a quarter turn.
        after = forward(u, world.operator(u), step_size=world.step_size)
        if not explicit:
            after = after / squared[..., None]
            findings.append(equal(after, forward(u, world.operator(after), step_size=world.step_size)))
        findings.append(equal(_squared(after) * squared, _squared(u)))
        u = after
    return tuple(findings)


proximal.control("explicit steps", explicit=True)


@evidence("nash-background/bilinear-extragradient", kind="exact", over=saddles(0.01, 2))
def look_ahead(world: Saddle, twice: bool = False):
    """Squared norms along four extragradient steps: 1 − η² + η⁴ times the one before, below 1 just for η < 1."""
    u, findings = world.start, []
    square = world.step_size**2
    for _ in range(STEPS):
        after, ahead = extragradient(u, world.operator, step_size=world.step_size)
        if twice:  # two plain steps: the second one starts where the first one ended
            after = forward(ahead, world.operator(ahead), step_size=world.step_size)
        findings.append(equal(_squared(after), (1.0 - square + square**2) * _squared(u)))
        u = after
    return tuple(findings)


look_ahead.control("the second step from the look-ahead: two steps of descent–ascent", twice=True)


@evidence("nash-background/bilinear-optimistic", kind="exact", over=saddles(0.01, 0.99))
def optimistic_threshold(world: Saddle, limit: float = 3.0):
    """Modulus of the larger root of μ² − (1 − 2iη)μ − iη: 1 at η = 1/√3, less before, more beyond."""
    xp = namespace(world.step_size)
    edge = 1.0 / xp.sqrt(limit + 0.0 * world.step_size)

    def modulus(step_size):
        return optimistic_modulus(step_size, beta=0.0, rotation=1.0)

    share = world.step_size
    return (
        equal(modulus(edge), 1.0 + 0.0 * edge),
        below(modulus(edge * share), 1.0 + 0.0 * share),
        below(1.0 + 0.0 * share, modulus(edge / share)),
    )


optimistic_threshold.control("the threshold 1/2", limit=4.0)


@evidence("nash-background/bilinear-optimistic", kind="rate", over=saddles(0.3, 0.5))
def optimistic_growth(world: Saddle, draw: Draw, descent: bool = False):
    """Norms of u₊ = u − 2ηF(u) + ηF(u₋), over powers of the modulus: no trend is left, from step 60 to 120."""
    u, past = world.start, world.start
    step = world.step_size[:, None]
    norms = []
    for _ in range(120):
        ahead = u if descent else 2.0 * u - past
        u, past = u - step * world.operator(ahead), u
        norms.append(np.sqrt(_squared(u)))
    steps = np.arange(60, 120)
    modulus = optimistic_modulus(world.step_size, beta=0.0, rotation=1.0)
    errors = np.stack([norms[t] / modulus**t for t in steps], axis=-1)
    return factor(steps, errors, between=(1 - 1e-4, 1 + 1e-4), predicted=1.0)


optimistic_growth.control("without optimism", descent=True)
