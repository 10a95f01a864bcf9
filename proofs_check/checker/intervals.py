"""Positivity on a box by ball arithmetic: every piece of a bisection has a ball that lies above zero.

The balls are Arb's (python-flint): an operation's ball contains every value that its arguments' balls allow.
"""

import ast
import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from proofs_check.checker.errors import Rejected

MOST = 20_000  # pieces
NARROWEST = Fraction(1, 2**40)
BITS = 128
FUNCTIONS = ("exp", "log")

Box = dict[str, tuple[Fraction, Fraction]]


def positive(text: str, box: Box, definitions: Mapping[str, str] | None = None) -> str:
    """How the expression is seen to be positive on the whole box: the pieces of a bisection and a digest of them.

    Without a box it is one number, which is given to ten digits. Raises Rejected when it is not seen to be positive.
    """
    try:
        from flint import ctx
    except ImportError:
        raise Rejected("interval: python-flint is not installed (pip install python-flint)") from None
    trees = {name: ast.parse(x, mode="eval").body for name, x in (definitions or {}).items()}
    tree = ast.parse(text, mode="eval").body
    waiting, pieces, trace = [box], 0, hashlib.sha256()
    with ctx.workprec(BITS):
        while waiting:
            piece = waiting.pop()
            pieces += 1
            if pieces > MOST:
                raise Rejected(f"interval: not decided after {MOST} pieces")
            trace.update(repr([(name, str(low), str(high)) for name, (low, high) in piece.items()]).encode())
            here = _value(tree, {name: _ball(low).union(_ball(high)) for name, (low, high) in piece.items()}, trees)
            if not box and here > 0:
                return str(here.str(10, radius=False))
            if here > 0:
                continue
            if here < 0 or not piece:
                raise Rejected("interval: not positive")
            widest = max(piece, key=lambda name: piece[name][1] - piece[name][0])
            low, high = piece[widest]
            if high - low < NARROWEST:
                raise Rejected("interval: not decided on the narrowest piece")
            middle = (low + high) / 2
            waiting += [{**piece, widest: (low, middle)}, {**piece, widest: (middle, high)}]
    return f"{pieces} pieces, {trace.hexdigest()[:8]}"


def _ball(x: Fraction) -> Any:
    from flint import arb, fmpq

    return arb(fmpq(x.numerator, x.denominator))


def _value(node: ast.expr, at: Mapping[str, Any], definitions: Mapping[str, ast.expr]) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return _ball(Fraction(node.value))
    if isinstance(node, ast.Name) and node.id in at:
        return at[node.id]
    if isinstance(node, ast.Name) and node.id in definitions:
        return _value(definitions[node.id], at, definitions)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, at, definitions)
    if isinstance(node, ast.BinOp):
        left = _value(node.left, at, definitions)
        if isinstance(node.op, ast.Pow):
            power = ast.literal_eval(node.right)
            if type(power) is int:
                return left**power
        elif type(node.op) in OPERATIONS:
            return OPERATIONS[type(node.op)](left, _value(node.right, at, definitions))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        x = _value(node.args[0], at, definitions)
        if node.func.id in FUNCTIONS:
            return getattr(x, node.func.id)()
        if node.func.id == "normal_cdf":
            return (-x / _ball(Fraction(2)).sqrt()).erfc() / 2
    raise Rejected(f"interval: {ast.unparse(node)!r} is not in the language")


OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
