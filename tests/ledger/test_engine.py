"""The engine: the same bits in any order with any number of workers, nothing run twice, stale or lost."""

import dataclasses
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from types import ModuleType

import pytest

from lab.inference import budget
from lab.ledger import engine, plan, results, store
from lab.ledger.errors import CatalogueError, LabError, NotCurrent, UnknownName
from lab.ledger.store import FILE, Store
from tests.ledger.helpers import CATALOGUE, check, command, copied, lab, lines, toy_modules
from tests.ledger.toys import coin

EXACT = ("coin/variance-below-half", "slow/part-1")


def contents(home):
    """Everything in a store but the circumstances, as text: equal texts are equal bits."""
    units = plan.plan(folder=CATALOGUE, modules=toy_modules, profile="quick").units
    with Store.read(home) as stored:
        found = stored.find([unit.key for unit in units])
    bare = {key: {**dataclasses.asdict(r), **dict.fromkeys(store.CIRCUMSTANCES)} for key, r in found.items()}
    return store.encode(dict(sorted(bare.items())))


def test_every_verdict_is_the_expected_one_and_nothing_is_run_twice(tmp_path):
    first = check(tmp_path, ["coin"], profile="quick")
    assert first.as_expected, [o.result for row in first.rows for o in (row.main, *row.controls) if not o.as_expected]
    assert (first.ran, first.reused, len(first.rows)) == (10, 0, 5)
    second = check(tmp_path, ["coin"], profile="quick")
    assert (second.ran, second.reused) == (0, 10)
    assert second.rows == first.rows
    assert check(tmp_path, ["coin/error-rate"], profile="quick").reused == 2
    assert check(tmp_path, ["coin/error-rate"], profile="quick", force=True).ran == 2


def test_profiles_scale_the_effort_and_keep_their_results_apart(tmp_path):
    for profile, worlds in (("quick", 128), ("standard", 512), ("thorough", 2048)):
        row = check(tmp_path, ["coin/variance-below-half"], profile=profile).rows[0]
        assert row.main.result.samples == worlds
    planned = plan.plan(["coin"], "thorough", folder=CATALOGUE, modules=toy_modules)
    assert {unit.evidence: (unit.size, unit.chunks) for unit in planned.units} == {
        "variance_by_enumeration": (2048, 1),
        "variance_by_tossing": (4096, 1024),
        "error_of_the_mean": (1024, 1),
        "half_is_exceeded": (2048, 1),
        "one_is_not_exceeded": (4, 1),
    }


def test_bits_do_not_depend_on_order_or_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.ledger.toys.slow.PAUSE", 0.0)
    check(tmp_path / "1", profile="quick")
    expected = contents(tmp_path / "1")
    assert len(json.loads(expected)) == 22
    for workers in (2, 3):
        ledger = check(tmp_path / str(workers), profile="quick", workers=workers)
        assert ledger.workers == workers
        assert contents(tmp_path / str(workers)) == expected
    ordered = engine._ordered
    monkeypatch.setattr(engine, "_ordered", lambda units, durations: ordered(units, durations)[::-1])
    check(tmp_path / "reversed", profile="quick")
    assert contents(tmp_path / "reversed") == expected


def test_checks_come_before_controls_and_the_longest_first(tmp_path):
    units = plan.plan(["coin"], folder=CATALOGUE, modules=toy_modules).units
    checks = [unit for unit in units if unit.control is None]
    controls = [unit for unit in units if unit.control is not None]
    durations = {(u.claim, u.evidence, u.control): float(i) for i, u in enumerate(units) if u is not checks[0]}
    # The first check was never run: nobody knows how long it takes, and it comes first.
    assert engine._ordered(units, durations) == [checks[0], *checks[:0:-1], *controls[::-1]]


def test_survives_being_killed_again_and_again(tmp_path):
    """`kill -9` at random instants: each finished unit is kept, and in the end all is as if nothing had happened."""
    instants = random.Random(7)
    home, kept, kills = tmp_path / "killed", 0, 0
    for _ in range(6):
        process = subprocess.Popen(
            **command(home, "check", "slow", "--workers", "1", "--profile", "quick"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while count(home) <= kept and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(instants.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        with sqlite3.connect(home / FILE) as connection:  # takes back what was half-written
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        now = count(home)
        assert now >= kept
        kept = now
    assert kills >= 4
    assert 0 < kept < 12
    finished = lab(home, "check", "slow", "--profile", "quick")
    assert finished.returncode == 0, finished.stderr
    assert f"{12 - kept} run, {kept} kept" in finished.stdout
    assert lab(tmp_path / "whole", "check", "slow", "--profile", "quick").returncode == 0
    assert contents(home) == contents(tmp_path / "whole")


def count(home):
    """Results in a store, asked while another process writes it."""
    if not (home / FILE).exists():
        return 0
    with sqlite3.connect(f"file:{home / FILE}?mode=ro", uri=True, timeout=5) as connection:
        try:
            return connection.execute("SELECT count(*) FROM results").fetchone()[0]
        except sqlite3.OperationalError:  # not yet begun, or half a transaction that only a writer may take back
            return 0


def test_two_runs_at_once_share_a_ledger(tmp_path):
    home = tmp_path / "home"
    runs = [
        subprocess.Popen(**command(home, "check", "slow", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [run.communicate(timeout=100) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert count(home) == 12


def test_interruption_keeps_what_is_finished_and_says_so(tmp_path):
    home = tmp_path / "home"
    for workers in ("1", "2"):
        kept = count(home)
        process = subprocess.Popen(
            **command(home, "check", "slow", "--workers", workers), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        while count(home) <= kept and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert err.strip() == "lab: interrupted; finished results are kept, and the same command goes on from there"
        assert out == ""
        assert kept < count(home) < 12


def test_code_that_a_result_depends_on_makes_it_stale(tmp_path):
    toys, home = copied(tmp_path), tmp_path / "home"

    def run(*arguments):
        answer = lab(home, "check", *EXACT, "--json", "--workers", "1", *arguments, toys=toys)
        assert answer.returncode in (0, 1), answer.stderr
        return {line["claim"]: line for line in lines(answer.stdout)}

    before = run()
    (toys / "unrelated.py").write_text("x = 1\n")
    assert run() == before  # even the seconds are those of the first run

    with (toys / "slow.py").open("a") as file:
        file.write("# a remark\n")
    after = run()
    assert after["coin/variance-below-half"] == before["coin/variance-below-half"]
    assert after["slow/part-1"]["key"] != before["slow/part-1"]["key"]
    assert after["slow/part-1"]["estimate"] == before["slow/part-1"]["estimate"]

    formulas = (toys / "formulas.py").read_text()  # imported by coin, and by slow through coin
    (toys / "formulas.py").write_text(formulas.replace("return 4 * bias", "return 3 * bias"))
    edited = run()
    for claim in before:
        assert edited[claim]["key"] not in (before[claim]["key"], after[claim]["key"])
        assert edited[claim]["estimate"] != before[claim]["estimate"]
    explained = lab(home, "explain", "coin/variance-below-half", toys=toys).stdout
    assert f"{edited['coin/variance-below-half']['estimate']:.12g}" in explained

    (toys / "formulas.py").write_text(formulas.replace("return 4 * bias", "return 2 * bias"))
    explained = lab(home, "explain", "coin/variance-below-half", toys=toys).stdout
    assert "none that is current" in explained
    assert "estimate" not in explained
    (toys / "formulas.py").write_text(formulas)
    back = run()  # the code of old: its results are still there
    assert {claim: back[claim]["key"] for claim in back} == {claim: after[claim]["key"] for claim in after}


def test_an_expectation_that_changes_is_applied_to_stored_verdicts(tmp_path):
    toys, home = copied(tmp_path), tmp_path / "home"
    assert lab(home, "check", "slow/part-0", "--json", "--workers", "1", toys=toys).returncode == 0
    file = toys / "catalogue" / "slow.toml"
    text = file.read_text()
    changed = text.replace(
        'expected = "holds"', 'expected = "fails"\ncounterexample = "none"\ncorrected = "slow/part-1"', 1
    )
    file.write_text(changed)
    answer = lab(home, "check", "slow/part-0", "--json", "--workers", "1", toys=toys)
    (line,) = lines(answer.stdout)
    assert answer.returncode == 1
    assert (line["verdict"], line["expected"], line["as_expected"]) == ("holds", "fails", False)
    assert [c["expected"] for c in line["control"]] == ["holds"]


def test_a_broken_check_is_reported_kept_for_explain_and_run_again(tmp_path, monkeypatch):
    def breaks(world, bound=0.5):
        """It breaks."""
        raise ZeroDivisionError("no coin\nsecond line")

    check(tmp_path, ["coin"], profile="quick")
    monkeypatch.setattr(coin.half_is_exceeded, "function", _named(breaks, coin.half_is_exceeded.function))
    ledger = check(tmp_path, ["coin"], profile="quick", force=True)
    broken = [row for row in ledger.rows if not row.as_expected]
    assert [row.check.claim.id for row in broken] == ["coin/variance-below-half"]
    assert broken[0].main.result.verdict == "error"
    assert broken[0].main.result.note == "ZeroDivisionError: no coin"
    assert "in breaks" in broken[0].main.result.traceback
    assert not ledger.as_expected
    with pytest.raises(NotCurrent, match="run `lab check coin`"):
        results.read("coin", tmp_path, folder=CATALOGUE, modules=toy_modules)
    monkeypatch.undo()
    again = check(tmp_path, ["coin"], profile="quick")
    assert again.ran == 2
    assert again.as_expected


def _named(function, like):
    function.__name__, function.__module__ = like.__name__, like.__module__
    return function


def test_results_are_read_as_arrays_of_the_most_thorough_complete_profile(tmp_path):
    def read():
        return results.read("coin", tmp_path, folder=CATALOGUE, modules=toy_modules)

    with pytest.raises(NotCurrent, match=r"10 of 10 results .* run `lab check coin`"):
        read()
    assert not (tmp_path / FILE).exists()
    check(tmp_path, ["coin"], profile="quick")
    check(tmp_path, ["coin/variance"], profile="standard")
    found = read()
    assert list(found) == [
        "variance_by_enumeration", "variance_by_tossing", "error_of_the_mean",
        "half_is_exceeded", "one_is_not_exceeded",
    ]  # fmt: skip
    rate = found["error_of_the_mean"]
    assert rate.profile == "quick"
    assert rate.series["sizes"].tolist() == [16, 64, 256, 1024]
    assert (rate.series["median_low"] < rate.series["median"]).all()
    assert rate.low < rate.estimate < rate.high or rate.low <= rate.predicted <= rate.high
    assert rate.controls["a slower law is seen"].verdict == "fails"
    check(tmp_path, ["coin"], profile="standard")
    assert read()["error_of_the_mean"].profile == "standard"


def test_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'coin/variance'"):
        check(tmp_path, ["coin/varianc"])
    with pytest.raises(UnknownName, match="did you mean 'quick'"):
        check(tmp_path, ["coin"], profile="quik")
    with pytest.raises(LabError, match="workers = 0"):
        check(tmp_path, ["coin"], workers=0)
    assert list(tmp_path.iterdir()) == []


def made_of(*checks):
    """A module with this evidence."""
    module = ModuleType("made")
    vars(module).update(zip("abcdefgh", checks, strict=False))
    return module


def evidence_for(claim, *controls, name="f", expected=None, describes=True):
    from lab.ledger.evidence import evidence

    def f(world):
        """Nothing."""

    f.__name__, f.__doc__ = name, f.__doc__ if describes else None
    made = evidence(claim, kind="exact")(f)
    for text in controls:
        made.control(text, expected=expected)
    return made


@pytest.mark.parametrize(
    ("checks", "complaint"),
    [
        ([evidence_for("coin/variants", "c")], "'coin/variants' is no claim of coin .*did you mean 'coin/variance'"),
        ([evidence_for("coin/variance", "c")], "coin/error-rate: .* has no evidence for it"),
        ([evidence_for("coin/variance", "c"), evidence_for("coin/variance", "c")], "two pieces of evidence"),
        ([evidence_for("coin/variance", "c", "c")], "two controls have the same text"),
        ([evidence_for("coin/variance", "c", expected="maybe")], "expects 'maybe'"),
        ([evidence_for(f"coin/{n}", name=n)
          for n in ("variance", "error-rate", "variance-below-half", "variance-at-most-one")],
         "none of its evidence in made has a control"),
        ([evidence_for("coin/variance", "c"), evidence_for("coin/error-rate", "c")], "coin has two pieces of evidence"),
        ([evidence_for("coin/variance", "c", describes=False)], "needs a docstring"),
    ],
)  # fmt: skip
def test_catalogue_and_simulations_must_match(tmp_path, checks, complaint):
    with pytest.raises(CatalogueError, match=complaint):
        check(tmp_path, ["coin"], modules=lambda slug: made_of(*checks))


def test_a_paper_without_simulations_is_named(monkeypatch):
    with pytest.raises(CatalogueError, match=r"coin: .* no module simulations.coin"):
        plan.plan(["coin"], folder=CATALOGUE)


def test_missing_data_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    from lab.datasets.source import Source

    missing = Source("Coins of Rome", "no_such_package", "coins.csv", "pip install coins", "CC0")
    monkeypatch.setattr(coin.one_is_not_exceeded, "data", (missing,))
    with pytest.raises(LabError, match=r"install it with `pip install coins`.*--skip-missing") as problem:
        check(tmp_path, ["coin"])
    assert "\n" not in str(problem.value)
    assert list(tmp_path.iterdir()) == []
    ledger = check(tmp_path, ["coin"], profile="quick", skip_missing=True)
    assert len(ledger.rows) == 4
    assert [(claim.id, evidence.name) for claim, evidence, _ in ledger.skipped] == [
        ("coin/variance-at-most-one", "one_is_not_exceeded")
    ]
    assert ledger.as_expected
    assert "one_is_not_exceeded" not in results.read("coin", tmp_path, folder=CATALOGUE, modules=toy_modules)


def test_data_that_change_make_results_stale(tmp_path, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Bytes:
        content: str
        name: str = "bytes"

        def require(self):
            return self.content

        def fingerprint(self):
            return self.content

    monkeypatch.setattr(coin.one_is_not_exceeded, "data", (Bytes("a"),))
    assert check(tmp_path, ["coin/variance-at-most-one"]).ran == 2
    assert check(tmp_path, ["coin/variance-at-most-one"]).ran == 0
    monkeypatch.setattr(coin.one_is_not_exceeded, "data", (Bytes("b"),))
    assert check(tmp_path, ["coin/variance-at-most-one"]).ran == 2


def test_the_error_bound_counts_every_verdict_that_chance_can_spoil(tmp_path):
    ledger = check(tmp_path, ["coin"], profile="quick")
    assert ledger.random_checks == 6  # sampled, rate and data, each with its control
    assert ledger.error_bound == pytest.approx(6 * budget.PER_CHECK)


def test_more_random_checks_than_the_error_budget_holds_are_refused_before_anything_is_run(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "CAPACITY", 5)
    with pytest.raises(LabError, match=r"6 checks and controls use randomness.*room for 5"):
        check(tmp_path, ["coin"], profile="quick")
    assert list(tmp_path.iterdir()) == []
