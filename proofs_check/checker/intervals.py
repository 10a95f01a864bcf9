"""Positivity on a box by ball arithmetic: every piece of a bisection has a ball that lies above zero.

The balls are Arb's (python-flint): an operation's ball contains every value that its arguments' balls allow.
"""

from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq

from proofs_check.checker.algebra import Polynomial, Rejected, number
from proofs_check.checker.scope import Scope

BITS = 128
DEPTH = 14  # how often a piece is halved at most
FUNCTIONS = {
    "exp": arb.exp,
    "log": arb.log,
    "inverse": lambda x: 1 / x,
    "normal_cdf": lambda x: (-x / arb(2).sqrt()).erfc() / 2,
}


def positive(scope: Scope, value: Polynomial, box: dict[str, tuple[Fraction, Fraction]], depth: int = DEPTH) -> None:
    """Raises Rejected when the value, on the whole box or one number without a box, is not seen to be positive."""
    with ctx.workprec(BITS):
        ends = {name: [_ball(scope, number(end), {}) for end in box[name]] for name in box}
        here = _ball(scope, value, {name: low.union(high) for name, (low, high) in ends.items()})
    if here > 0:
        return
    if here < 0 or not box or not depth:
        raise Rejected("interval: not positive, or not decided on small pieces")
    name = max(box, key=lambda name: box[name][1] - box[name][0])
    low, high = box[name]
    for half in ((low, (low + high) / 2), ((low + high) / 2, high)):
        positive(scope, value, box | {name: half}, depth - 1)


def _ball(scope: Scope, value: Polynomial, at: dict[str, Any]) -> Any:
    """A ball that contains the value for all numbers in these balls."""
    total = arb(0)
    for monomial, x in value.terms.items():
        product = arb(fmpq(x.numerator, x.denominator))
        for name, power in monomial:
            if name not in at:
                kind, argument = scope.functions[name]
                at[name] = FUNCTIONS[kind](_ball(scope, argument, at))
            product *= at[name] ** power
        total += product
    return total
