"""Toy paper `slow`: checks that take their time, to be interrupted."""

import time

from lab.ledger.evidence import evidence
from lab.ledger.findings import at_most

from .coin import Coins
from .formulas import variance

PAUSE = 0.12


def add(number):
    """Evidence for the claim `part-…`."""

    def slowly(world, bound=1.0):
        """The variance of a coin is at most 1."""
        time.sleep(PAUSE)
        return at_most(variance(world.bias), bound, series={"biases": world.bias[:3]})

    slowly.__name__ = f"slowly_{number}"
    made = evidence(f"slow/part-{number}", kind="exact", over=Coins())(slowly)
    made.control("a tenth is no bound", bound=0.1)
    return made


part_0, part_1, part_2, part_3, part_4, part_5 = (add(number) for number in range(6))
