"""Workers keep to the modules they have begun, take every unit once, and are not missed when one is killed."""

import dataclasses
import os
import signal

import pytest

from lab.ledger import plan, pool
from lab.ledger.errors import LabError
from tests.ledger.helpers import CATALOGUE, toy_modules


def units(**numbers):
    """So many units of each module, one module after another in each round."""
    model = plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules).units[0]
    rounds = range(max(numbers.values()))
    return [
        dataclasses.replace(model, module=module, evidence=f"{module}{i}")
        for i in rounds
        for module, number in numbers.items()
        if i < number
    ]


def taken(waiting, workers):
    return [waiting.take(worker).evidence for worker in workers]


def test_a_worker_keeps_to_its_module_then_begins_another_then_helps():
    waiting = pool.Waiting(units(a=3, b=5, c=1))
    assert taken(waiting, [0, 1, 0, 1, 0]) == ["a0", "b0", "a1", "b1", "a2"]
    assert taken(waiting, [0]) == ["c0"]
    assert taken(waiting, [0, 1, 0]) == ["b2", "b3", "b4"]
    assert not waiting


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_unit_is_worked_on_once(count):
    given = units(a=4, b=2, c=1)
    found = list(pool.run(given, count, _evidence))
    assert sorted(found, key=lambda pair: pair[0].evidence) == sorted(
        ((unit, unit.evidence) for unit in given), key=lambda pair: pair[0].evidence
    )


def test_a_killed_worker_is_reported_in_one_line():
    with pytest.raises(LabError, match=r"a worker process was killed .*run again"):
        list(pool.run(units(a=1), 1, _die))


def _evidence(unit):
    return unit.evidence


def _die(unit):
    os.kill(os.getpid(), signal.SIGKILL)
