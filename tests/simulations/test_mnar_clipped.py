"""Every verdict of `mnar-clipped` that needs no real data is the expected one on the quick profile, and the catalogue's
counterexamples are what their numbers say."""

import math

import numpy as np
import pytest

from lab.ledger import catalogue
from lab.ledger.engine import check
from lab.ledger.plan import evidence_of
from lab.recommenders.losses import local_losses, naive
from lab.recommenders.metrics import dcg
from lab.recommenders.moments import clipped_bias, shared_shock_variance, unbiased_variance, weighted_mf_bias
from lab.recommenders.propensity import popularity_propensity

PAPER = catalogue.load()["mnar-clipped"]
EVIDENCE = evidence_of(PAPER)
THEORY = [claim.id for claim in PAPER.claims if all(e.kind in ("exact", "sampled", "rate") for e in EVIDENCE[claim.id])]
THEORY = [
    claim for claim in THEORY
    if all(e.function.__module__.rsplit(".", 1)[1] not in ("learning", "open_bandit") for e in EVIDENCE[claim])
]  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    ledger = check(THEORY, profile="quick", workers=2, home=tmp_path_factory.mktemp("ledger"))
    return {(row.check.claim.id, row.check.evidence.name): row for row in ledger.rows}


@pytest.mark.parametrize(("claim", "name"), [(claim, e.name) for claim in THEORY for e in EVIDENCE[claim]])
def test_verdicts_are_the_expected_ones(rows, claim, name):
    row = rows[claim, name]
    for outcome in (row.main, *row.controls):
        assert outcome.as_expected, f"{outcome.unit.name}: {outcome.result.verdict}, {outcome.result.note}"


def test_counterexamples_in_numbers():
    half, even = np.array([0.5]), local_losses(np.zeros(1))
    assert weighted_mf_bias(half, half, even, click_weight=2.0) == pytest.approx(0.17, abs=0.005)
    assert 0.9 * 0.3 > 0.2 * 0.9
    assert tuple(naive(1.0)) == (1.0, 0.0)

    pair = np.full((1, 2), 0.5)
    assert shared_shock_variance(pair, pair, -4 * pair, shock=0.9) == pytest.approx(1.905)
    assert unbiased_variance(pair[0], pair[0], -4 * pair[0]) == pytest.approx(1.5)

    propensity, difference = np.array([0.1, 0.5]), np.array([1.0, -1.0])
    biases = [clipped_bias(np.full(2, 0.5), propensity, difference, clip=clip) for clip in (0.5, 1.0)]
    assert biases == pytest.approx([-0.2, -0.1])

    assert popularity_propensity(np.array([0.5, 0.125])).tolist() == [1.0, 0.5]

    outer, inner = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    score = np.arange(4.0, 0.0, -1.0)
    paper, code = ([dcg(x, score, cutoff=4, discount=d) for x in (outer, inner)] for d in ("paper", "code"))
    assert paper == pytest.approx([1.43, 1.13], abs=0.005)
    assert code == pytest.approx([1.5, 1.63], abs=0.005)


def test_the_tuned_clip_and_its_count():
    assert math.floor(0.00914**-2) == 11_970
