"""The shares of all checks add up to no more than the budget."""

import pytest

from lab.inference import budget


def test_shares_add_up() -> None:
    assert budget.spent(0) == 0
    assert budget.spent(100) == pytest.approx(1e-4)
    assert budget.spent(budget.CAPACITY) <= budget.TOTAL * (1 + 1e-12)
    assert 7 * budget.share(7) == pytest.approx(budget.PER_CHECK)


def test_beyond_the_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1000 checks"):
        budget.spent(budget.CAPACITY + 1)
    with pytest.raises(ValueError, match="checks = -1"):
        budget.spent(-1)
    with pytest.raises(ValueError, match="coordinates = 0"):
        budget.share(0)
