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


@pytest.mark.skipif(MOVIELENS.file is None, reason=f"install it with {MOVIELENS.install}")
def test_the_counterexample_on_rare_films_in_numbers(rows):
    """The losses of the first replicate at p = 0.5, which the checks have trained by now."""
    found = learning.replicate(0, learning.FEW)
    rare, common = (
        {name: float(table[name][0].mean()) for name in ("naive", "unbiased")}
        for table in (found.rare_loss, found.common_loss)
    )
    assert 1 - common["unbiased"] / common["naive"] == pytest.approx(0.24, abs=0.01)
    assert 0 <= 1 - rare["unbiased"] / rare["naive"] < 0.01
    assert [rare["unbiased"], rare["naive"]] == pytest.approx([0.255, 0.256], abs=0.002)
