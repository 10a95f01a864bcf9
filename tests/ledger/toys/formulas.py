"""The toy papers' formulas, in a file of their own so that a test can edit what evidence depends on."""


def expected_square(bias):
    """E[X²] of a coin that shows 1 with probability `bias` and −1 otherwise."""
    return bias + (1 - bias)


def variance(bias):
    """Var X of the same coin, 1 − (2p − 1)²."""
    return 4 * bias * (1 - bias)
