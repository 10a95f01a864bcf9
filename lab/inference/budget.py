"""The error budget of a whole ledger run: P(any statistical verdict is wrong) ≤ TOTAL, by a union bound over
all checks.

Every check, claim or control, gets the same fixed share, whatever else is in the ledger: adding a paper never
makes an older result stale. The run adds up what it spent and refuses to pass TOTAL.
"""

TOTAL = 1e-3
PER_CHECK = 2e-7
CAPACITY = round(TOTAL / PER_CHECK)  # checks that fit into one ledger


def spent(checks: int) -> float:
    """Bound on the probability that any verdict of this many checks is wrong. Raises ValueError beyond TOTAL."""
    if not 0 <= checks <= CAPACITY:
        raise ValueError(f"checks = {checks}: at most {CAPACITY} checks of {PER_CHECK:g} fit into the budget {TOTAL:g}")
    return checks * PER_CHECK
