"""Small certificates made by tests."""

from proofs_check.checker import Rejected, check, parse
from proofs_check.checker.scope import Scope
from proofs_check.writing import Draft, positive


def verdict(*steps, **more):
    """Check a certificate with these steps: "" when it is accepted, else why it is not."""
    draft = Draft("made", ["rdpo/unbiased-loss"], "a statement", steps, **more)
    try:
        check(parse(draft.text()))
    except Rejected as problem:
        return str(problem)
    return ""


XY = {"x": "a number", "y": "a number"}
A = positive("a", "x")


def scope(*symbols, **more):
    return Scope({"symbols": dict.fromkeys(symbols or "xyz", "")} | more)
