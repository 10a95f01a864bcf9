"""Every committed certificate: accepted as it is, rejected with a digit changed, and made again byte for byte."""

import itertools
import random

import pytest

from lab.ledger import catalogue
from proofs_check import prove
from proofs_check.checker import Rejected, certificate, check, parse, read, seal
from proofs_check.ledger import FOLDER, LEMMAS
from proofs_check.mutation import altered, sites

FILES = sorted(FOLDER.glob("*/*.toml"))
NAMES = [f"{file.parent.name}/{file.stem}" for file in FILES]
MOST = 60  # digits tried of a certificate that has more; the sample is seeded by its name


@pytest.fixture(scope="module")
def claims():
    return {claim.id: claim for paper in catalogue.load().values() for claim in paper.claims}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_is_accepted_and_rejected_with_any_digit_changed(file, claims):
    entries = read(file)
    found = check(entries)
    for claim in found["claims"]:
        assert file.parent.name in (claim.partition("/")[0], LEMMAS)
        assert claims[claim].expected == found["verdict"]
    everything = sites(entries)
    assert everything
    some = random.Random(file.stem).sample(everything, min(MOST, len(everything)))
    for site in some:  # sealed again: the steps themselves must notice
        with pytest.raises(Rejected):
            check(altered(entries, site))


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_digit_of_its_words_is_sealed(file):
    text = file.read_text(encoding="utf-8")
    digits = [i for i, letter in enumerate(text) if letter in "0123456789"]
    for i in random.Random(file.stem).sample(digits, min(MOST, len(digits))):
        changed = text[:i] + str((int(text[i]) + 1) % 10) + text[i + 1 :]
        with pytest.raises(Rejected):
            certificate(parse(changed))


def test_no_proof_is_stored_twice():
    """What several papers claim is one file in `lemmas`; the same proof of opposite verdicts is in two."""
    bodies = [{name: x for name, x in read(file).items() if name not in ("claims", "part", "digest")} for file in FILES]
    assert all(one != other for one, other in itertools.combinations(bodies, 2))


def test_producers_write_the_same_bytes(tmp_path):
    prove.rebuild(folder=tmp_path)
    made = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.glob("*/*.toml")}
    assert made == {file.relative_to(FOLDER): file.read_bytes() for file in FILES}


def test_a_forger_can_seal_but_not_prove():
    entries = read(FILES[0])
    entries["steps"] = []
    entries["digest"] = seal(entries)
    with pytest.raises(Rejected, match="no steps"):
        check(entries)
