"""The shares of all checks add up to no more than the budget."""

import pytest

from lab.inference import budget


def test_shares_add_up() -> None:
    assert budget.spent(0) == 0
    assert budget.spent(100) == pytest.approx(100 * budget.PER_CHECK)
    assert budget.spent(budget.CAPACITY) <= budget.TOTAL * (1 + 1e-12)


def test_beyond_the_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 5000 checks"):
        budget.spent(budget.CAPACITY + 1)
    with pytest.raises(ValueError, match="checks = -1"):
        budget.spent(-1)
