"""Every claim of the catalogue: each check and each control comes out as it must, on the quick profile."""

import pytest

from lab.ledger import catalogue
from lab.ledger.engine import check

CLAIMS = [claim.id for paper in catalogue.load().values() for claim in paper.claims]


@pytest.mark.parametrize("claim", CLAIMS)
def test_verdicts_are_the_expected_ones(claim, ledger_home):
    ledger = check([claim], profile="quick", workers=1, home=ledger_home, skip_missing=True)
    if not ledger.rows:
        pytest.skip("; ".join(reason for _, _, reason in ledger.skipped))
    for row in ledger.rows:
        assert row.controls, f"{row.check.evidence.name} has no control"
        for outcome in (row.main, *row.controls):
            found = outcome.result
            assert outcome.as_expected, f"{outcome.unit.name}: {found.verdict}, {found}"
