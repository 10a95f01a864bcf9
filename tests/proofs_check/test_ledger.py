"""Certificates as rows of the ledger, and the command that checks them."""

import hashlib
import shutil

import pytest

from lab.datasets.source import DataMissing
from lab.ledger import engine, explain, plan, results, table
from lab.ledger.errors import CatalogueError
from proofs_check import ledger, prove
from proofs_check.writing import Draft, identity, induction, interval, nonnegative, term
from tests.ledger.helpers import CATALOGUE, toy_modules


def write(folder, name="twice", claims=("coin/variance",), place="coin", **more):
    steps = more.pop("steps", [identity("", "(b + c)**2", "b**2 + 2*b*c + c**2")])
    more = {"symbols": {"b": "bias", "c": "another"}} | more
    (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / place / f"{name}.toml").write_text(Draft(name, claims, "a square of a sum", steps, **more).text())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of certificates, for the toy papers."""
    monkeypatch.setattr(ledger, "FOLDER", tmp_path / "certificates")
    monkeypatch.setattr(prove, "FOLDER", tmp_path / "certificates")
    monkeypatch.setattr("lab.ledger.catalogue.FOLDER", CATALOGUE)
    return tmp_path / "certificates"


def proofs(home, **options):
    done = engine.check(
        ["coin/variance"], home=home, folder=CATALOGUE, modules=toy_modules, workers=1, profile="quick", **options
    )
    return done, [row for row in done.rows if row.check.evidence.kind == "proof"]


def test_a_proof_is_a_row_with_a_control_that_proves_nothing(folder, tmp_path):
    write(folder)
    done, (row,) = proofs(tmp_path / "home")
    assert (row.main.result.verdict, row.main.result.samples) == ("holds", 1)
    assert row.controls[0].result.verdict == "undecided"
    assert "differ" in row.controls[0].result.note
    assert row.as_expected
    assert "exact         sampled       proof" in table.text(done)
    text = explain.explain("coin/variance", tmp_path / "home", folder=CATALOGUE, modules=toy_modules)
    for part in (
        "[proof] twice",
        "a square of a sum",
        "twice.toml",
        "1 steps",
        "a digit of it is changed",
        "undecided (as expected)",
    ):
        assert part in text
    assert proofs(tmp_path / "home")[0].ran == 0
    assert "twice" not in results.read("coin/variance", tmp_path / "home", folder=CATALOGUE, modules=toy_modules)


def test_the_row_says_which_part_is_proved(folder, tmp_path):
    write(folder, part="the fair coin only")
    done, _ = proofs(tmp_path / "home")
    assert "holds in part ✓ 1/1" in table.text(done)
    assert "lab explain" in table.text(done)
    text = explain.explain("coin/variance", tmp_path / "home", folder=CATALOGUE, modules=toy_modules)
    assert "proved in part: the fair coin only" in text


def test_a_lemma_is_a_row_of_every_claim_that_it_names(folder, tmp_path):
    write(folder, claims=("coin/variance", "slow/part-0"), place="lemmas")
    write(folder, claims=("coin/error-rate",))  # the paper's own, of the same name
    assert [proof.claim for proof in ledger.evidence("coin")] == ["coin/error-rate", "coin/variance"]
    (shared,) = ledger.evidence("slow")
    assert shared.file == ledger.evidence_named("coin/variance", "twice").file == folder / "lemmas" / "twice.toml"
    assert shared.data[0].fingerprint() == hashlib.sha256(shared.file.read_bytes()).hexdigest()
    assert ledger.evidence_named("coin/error-rate", "twice").file == folder / "coin" / "twice.toml"
    _, (row,) = proofs(tmp_path / "home")
    assert row.as_expected
    write(folder)
    with pytest.raises(CatalogueError, match="two certificates are named 'twice'"):
        ledger.evidence("coin")


def test_what_a_lemma_proves_of_each_claim_is_said(folder):
    part = {"coin/error-rate": "its square"}
    write(folder, claims=("coin/variance", "coin/error-rate"), place="lemmas", part=part)
    assert "lemmas/twice  proves coin/variance; coin/error-rate (in part: its square)\n" in prove.prove(["coin"])[0]
    notes = {proof.claim: proof.function().note for proof in ledger.evidence("coin")}
    assert notes == {"coin/variance": "", "coin/error-rate": "proved in part: its square"}
    write(folder, claims=("coin/variance",), place="lemmas", part=part)
    assert "REJECTED  lemmas/twice: part: neither" in prove.prove(["coin"])[0]
    write(folder, claims=("coin/variance",), place="slow")
    assert "REJECTED  slow/twice: it names a claim of another paper" in prove.prove()[0]


def test_a_limit_of_an_induction_is_among_what_it_assumes(folder):
    falls = induction("f", "a sum", "S", "n", {"S": "0"}, {"S": "S + N - n"}, term(times="early"), as_long_as=["early"])
    symbols, facts = dict.fromkeys(("S", "N", "n"), ""), [nonnegative("early", "N - n")]
    write(folder, steps=[falls], symbols=symbols, facts=facts, assumes="a paper's N")
    (proof,) = ledger.evidence("coin")
    assert proof.assumes == "a paper's N; a sum: for n = 0, 1, … as long as N - n ≥ 0"
    assert proof.function().verdict == "holds"


def test_a_wrong_proof_decides_nothing_and_a_changed_file_is_a_new_check(folder, tmp_path):
    write(folder)
    _, (before,) = proofs(tmp_path / "home")
    others = [u.key for u in plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules).units if u.kind != "proof"]
    write(folder, steps=[identity("", "(b + c)**2", "b**2 + c**2")])
    done, (after,) = proofs(tmp_path / "home")
    assert after.main.result.verdict == "undecided"
    assert not done.as_expected
    assert after.main.unit.key != before.main.unit.key
    assert [
        u.key for u in plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules).units if u.kind != "proof"
    ] == others


def test_a_refutation_fails_as_expected(folder, tmp_path):
    write(folder, claims=("coin/variance-below-half",), verdict="fails")
    (check,) = [
        c for c in plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules).checks if c.evidence.kind == "proof"
    ]
    assert check.main.expected == "fails"
    done = engine.check(
        ["coin/variance-below-half"], home=tmp_path / "home", folder=CATALOGUE, modules=toy_modules, workers=1
    )
    assert done.as_expected


def test_a_certificate_for_no_claim_is_an_error(folder):
    write(folder, claims=("coin/varianc",))
    with pytest.raises(CatalogueError, match="did you mean 'coin/variance'"):
        plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules)
    with pytest.raises(CatalogueError, match="did you mean 'coin/variance'"):
        prove.prove()


def test_a_damaged_certificate_is_one_line(folder):
    write(folder)
    file = folder / "coin" / "twice.toml"
    file.write_text(file.read_text().replace("a square", "2 squares"))
    with pytest.raises(CatalogueError, match=r"twice\.toml: the digest does not fit"):
        plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules)
    text, code = prove.prove()
    assert code == 1
    assert text.startswith("REJECTED  coin/twice: the digest does not fit")


def test_ball_arithmetic_that_is_not_installed_is_missing_data(folder, monkeypatch):
    write(folder, steps=[interval("it", "", "log(2) - 1/2"), identity("", "b*c", "c*b")])
    (proof,) = ledger.evidence("coin")
    proof.data[0].require()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataMissing, match="pip install python-flint"):
        proof.data[0].require()


def test_prove_lists_what_is_asked_for(folder):
    write(folder)
    write(folder, "wrong", ("coin/error-rate",), steps=[identity("", "b", "c")])
    text, code = prove.prove()
    assert code == 1
    assert "accepted  coin/twice  proves variance\n" in text
    assert "REJECTED  coin/wrong: step 1" in text
    assert "1 of 2 certificates accepted" in text
    text, code = prove.prove(["coin/variance"])
    assert code == 0
    assert "wrong" not in text
    shutil.rmtree(folder)
    text, code = prove.prove(["coin"])
    assert code == 0
    assert "0 of 0 certificates" in text


def test_rebuild_writes_removes_and_reports(tmp_path):
    assert "new       bvpo/optimal-weight.toml" in prove.rebuild(["bvpo"], tmp_path)
    (tmp_path / "bvpo" / "old.toml").write_text("")
    (tmp_path / "bvpo" / "averaging.toml").write_text("")
    said = prove.rebuild(["bvpo/optimal-weight"], tmp_path)
    assert "removed   bvpo/old.toml" in said
    assert "changed   bvpo/averaging.toml" in said
    with pytest.raises(CatalogueError, match="did you mean 'bvpo'"):
        prove.rebuild(["bvpp"], tmp_path)
