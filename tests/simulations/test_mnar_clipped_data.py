"""Every verdict of `mnar-clipped` on learning and on real data is the expected one on the quick profile."""

import pytest

from lab.datasets.movielens import MOVIELENS
from lab.ledger import catalogue
from lab.ledger.engine import check
from lab.ledger.plan import evidence_of
from simulations.mnar_clipped import learning, open_bandit

EVIDENCE = evidence_of(catalogue.load()["mnar-clipped"])
HERE = {open_bandit.__name__, learning.__name__}
CHECKS = [(claim, e) for claim, several in EVIDENCE.items() for e in several if e.function.__module__ in HERE]
CLAIMS = list(dict.fromkeys(claim for claim, _ in CHECKS))


def without_data(e):
    return MOVIELENS in e.data and MOVIELENS.file is None


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    home = tmp_path_factory.mktemp("ledger")
    ledger = check(CLAIMS, profile="quick", workers=1, home=home, skip_missing=True)
    return {(row.check.claim.id, row.check.evidence.name): row for row in ledger.rows}


@pytest.mark.parametrize(("claim", "e"), CHECKS, ids=lambda x: x if isinstance(x, str) else x.name)
def test_verdicts_are_the_expected_ones(rows, claim, e):
    if without_data(e):
        pytest.skip(f"install it with {MOVIELENS.install}")
    row = rows[claim, e.name]
    for outcome in (row.main, *row.controls):
        assert outcome.as_expected, f"{outcome.unit.name}: {outcome.result.verdict}, {outcome.result.note}"
