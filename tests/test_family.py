"""Families of random worlds: ranges that are none are refused, and draws keep to the range declared."""

import numpy as np
import pytest

from lab.family import family, integers, log_uniform, normal, uniform
from tests.unannotated import unannotated


@pytest.mark.parametrize(
    ("law", "arguments", "message"),
    [
        (uniform, (1, 0), r"low = 1, high = 0: must be finite, the first at most the second"),
        (uniform, (np.nan, 0), r"low = nan, high = 0"),
        (uniform, (0, np.inf), r"low = 0, high = inf"),
        (log_uniform, (0, 1), r"low = 0: a log-uniform parameter must be positive"),
        (log_uniform, (2, 1), r"low = 2, high = 1"),
        (log_uniform, (np.nan, 1), r"low = nan, high = 1"),
        (integers, (3, 2), r"low = 3, high = 2"),
        (integers, (0, np.inf), r"low = 0, high = inf"),
        (integers, (0.5, 2), r"low = 0\.5, high = 2: must be whole numbers"),
        (normal, (-1.0,), r"scale = -1: a standard deviation must be finite and not negative"),
        (normal, (np.nan,), r"scale = nan"),
    ],
)
def test_ranges_that_are_none_are_refused(law, arguments, message):
    with unannotated(), pytest.raises(ValueError, match=message):
        law(*arguments)


def test_draws_keep_to_their_range():
    parameters = {
        "first": uniform(-1, 2, shape=(3,)),
        "second": log_uniform(0.1, 10),
        "third": integers(1, 4),
        "fourth": normal(0.5),
        "fixed": uniform(2, 2),
    }
    drawn = family(dict, **parameters, name="kept").draw(np.random.default_rng(0), 1000)
    assert drawn.pop("name") == "kept"
    for name, x in drawn.items():
        assert x.shape == (1000, *parameters[name].shape)
        assert np.all((x >= parameters[name].low) & (x <= parameters[name].high))
    assert set(drawn["third"]) == {1, 2, 3, 4}
    assert np.all(drawn["fixed"] == 2)
