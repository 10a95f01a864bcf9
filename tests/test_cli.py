"""The command line as a user meets it; in a process of its own wherever the process matters."""

import os
import pty
import subprocess
import sys

import pytest

from lab import cli
from lab.ledger import catalogue, plan
from tests.ledger.helpers import CATALOGUE, ROOT, command, copied, lab, lines

FIELDS = {
    "paper", "claim", "evidence", "kind", "verdict", "expected", "as_expected", "control", "predicted", "estimate",
    "interval", "samples", "seconds", "key", "profile", "seed", "alpha", "counterexample", "note", "part",
}  # fmt: skip
FAILING = "coin/variance-below-half"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A store in which the toy paper `coin` has been checked on the quick profile."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    answer = lab(folder, "check", "coin", "--profile", "quick", "--workers", "1")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""  # no progress bar under a pipe
    assert "\x1b" not in answer.stdout
    return folder


@pytest.fixture
def here(home, monkeypatch, capsys):
    """Runs `lab ARGUMENTS` in this process, with the toy catalogue: returns (exit code, stdout, stderr)."""
    monkeypatch.delenv("COLUMNS", raising=False)  # parallel test runners set it for their workers
    monkeypatch.setattr(catalogue, "FOLDER", CATALOGUE)
    monkeypatch.setattr(plan, "PACKAGE", "tests.ledger.toys")

    def run(*arguments, store=home):
        monkeypatch.setenv("LAB_HOME", str(store))
        with pytest.raises(SystemExit) as leaving:
            cli.main(list(arguments))
        return leaving.value.code, *capsys.readouterr()

    return run


def fails_with(answer, code, *words):
    got, out, err = answer
    assert (got, out) == (code, "")
    assert err.count("\n") == 1, err
    assert err.startswith("lab: ")
    for word in words:
        assert word in err


def test_the_table_shows_verdicts_controls_counts_and_the_error_bound(here):
    code, out, _ = here("check", "coin", "--profile", "quick")
    assert code == 0
    assert "variance-below-half (expected to fail)   fails ✓ 1/1" in out
    assert "5 of 5 checks as expected (4 holds, 1 fails); 5 of 5 controls as they must" in out
    assert "any of the 6 verdicts from random numbers or data is wrong by chance ≤ 1.2e-06" in out
    assert "profile quick: 0 run, 10 kept from before" in out


def test_the_table_survives_a_terminal_without_unicode(home):
    options = command(home, "check", "coin", "--profile", "quick")
    options["env"] |= {"PYTHONIOENCODING": "ascii"}
    answer = subprocess.run(**options, capture_output=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "fails ok 1/1" in answer.stdout


def test_answers_survive_an_output_that_lacks_letters_or_room_or_is_closed(home):
    options = command(home, "explain", "coin/error-rate")
    options["env"] |= {"PYTHONIOENCODING": "latin-1"}
    answer = subprocess.run(**options, capture_output=True, timeout=60, check=False)
    assert answer.returncode == 0
    assert not answer.stderr
    for redirection, code, said in ((">/dev/full", 2, "cannot be written: No space left"), (">&-", 0, "")):
        shell = command(home, "papers")
        shell["args"] = ["sh", "-c", f'exec "$@" {redirection}', "sh", *shell["args"]]
        answer = subprocess.run(**shell, capture_output=True, timeout=60, check=False)
        assert answer.returncode == code
        assert said in answer.stderr
        assert answer.stderr.count("\n") == bool(said)


def test_json_has_the_fields_that_a_program_needs(here):
    rows = lines(here("check", "coin", "--profile", "quick", "--json")[1])
    assert [row["claim"] for row in rows] == [
        "coin/variance", "coin/variance", "coin/error-rate", "coin/variance-below-half", "coin/variance-at-most-one",
    ]  # fmt: skip
    for row in rows:
        assert set(row) == FIELDS
        assert row["paper"] == "coin"
        assert row["as_expected"]
        assert row["interval"][0] <= row["estimate"] <= row["interval"][1]
        (control,) = row["control"]
        assert {"text", "expected", "verdict", "estimate", "interval", "key"} <= set(control)
        assert control["verdict"] == control["expected"] != row["verdict"]
        assert control["key"] != row["key"]
    bias = rows[3]["counterexample"]["bias"]
    assert 4 * bias * (1 - bias) > 0.5


def test_one_unexpected_verdict_makes_exit_code_1(tmp_path):
    toys, home = copied(tmp_path), tmp_path / "home"
    text = (toys / "coin.py").read_text()
    (toys / "coin.py").write_text(
        text.replace('control("1 is a bound", bound=1.0)', 'control("1 is a bound", bound=0.2)')
    )
    answer = lab(home, "check", FAILING, "--workers", "1", toys=toys)
    assert answer.returncode == 1
    assert "fails ✗ 0/1" in answer.stdout
    assert "control “1 is a bound” fails, expected: holds; `lab explain coin/variance-below-half`" in answer.stdout
    assert lab(home, "check", "coin/variance-at-most-one", "--workers", "1", toys=toys).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["check", "cion"], "did you mean 'coin'?"),
        (["check", "COIN"], "did you mean 'coin'?"),
        (["check", "coin", "coin/varianc"], "did you mean 'coin/variance'?"),
        (["explain", "coin/varianc"], "did you mean 'coin/variance'?"),
        (["explain"], "CLAIM"),
        (["claims", "coins"], "did you mean 'coin'?"),
        (["claims", "coins", "--errata"], "did you mean 'coin'?"),
        (["figures", "coins"], "did you mean 'coin'?"),
        (["figures", "coin/variance"], "did you mean 'coin'?"),
        (["figures", "coin"], "coin has no figures"),
        (["check", "coin", "--json", "--markdown"], "exclude each other"),
        (["check", "coin", "--profile", "fast"], "quick, standard, thorough"),
        (["check", "coin", "--workers", "0"], "workers = 0"),
        (["check", "coin", "--workers", "two"], "--workers"),
        (["check", "--sideways"], "--sideways"),
        (["chekc"], "chekc"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(here, arguments, complaint):
    fails_with(here(*arguments), 2, complaint)


@pytest.mark.parametrize("words", [["check", "coin"], ["explain", "coin/variance"], ["claims", "--errata"]])
def test_a_store_that_cannot_be_used_is_one_line_and_exit_code_2(here, tmp_path, words):
    (tmp_path / "ledger.sqlite").write_text("no database " * 100)
    fails_with(here(*words, store=tmp_path), 2, "ledger.sqlite: is not a ledger")
    assert (tmp_path / "ledger.sqlite").read_text() == "no database " * 100


def test_a_file_in_place_of_the_folder_is_one_line_and_exit_code_2(here, tmp_path):
    (tmp_path / "file").write_text("")
    fails_with(here("check", "coin", store=tmp_path / "file"), 2, "file")


def test_explain_tells_all_there_is(here):
    text = here("explain", FAILING)[1]
    for part in (
        "The variance is at most $1/2$.", "On the variance of a coin. A. Toss, 2001, arXiv:0101.00001v1", "Remark",
        "fails as stated", "the fair coin: variance 1", "lab explain coin/variance-at-most-one",
        "[exact] half_is_exceeded",
        "A fair coin has variance 1.", "coin.py:", "fails (as expected)", "computed rounding bound",
        "128 worlds", "bias = ",
        "profile quick, seed ", "1 is a bound", "holds (as expected)", "lab check coin/variance-below-half --force",
    ):  # fmt: skip
        assert part in text, part
    assert "error share:    2e-07" in here("explain", "coin/error-rate")[1]


def test_explain_works_without_results_and_makes_no_file(here, tmp_path):
    text = here("explain", "coin/variance", store=tmp_path / "home")[1]
    assert "none yet: run `lab check coin/variance`" in text
    assert "another coin has another variance: must come out as fails" in text
    assert not (tmp_path / "home").exists()


def test_errata_name_counterexample_correction_and_command(here):
    text = here("claims", "--errata")[1]
    for part in (
        "coin/variance-below-half (On the variance of a coin, Remark)", "fails [exact]", "the fair coin: variance 1",
        "bias = ",
        "coin/variance-at-most-one: The variance is at most $1$.", "holds [data]",
        "lab check coin/variance-below-half coin/variance-at-most-one",
    ):  # fmt: skip
        assert part in text, part
    assert here("claims", "slow", "--errata")[1] == "no claim of these is expected to fail\n"


def test_lists_papers_and_claims(here):
    text = here("papers")[1]
    assert "coin: On the variance of a coin\n" in text
    assert "    A. Toss, 2001, arXiv:0101.00001v1; 4 claims; expected to fail: 1 as printed" in text
    text = here("claims", "coin")[1]
    assert (
        "coin/variance-below-half (Remark)  [expected to fail as printed; corrected: coin/variance-at-most-one]" in text
    )
    assert "slow" not in text


def test_markdown_has_one_line_a_claim(here):
    text = here("check", "coin", "--profile", "quick", "--markdown")[1].splitlines()
    assert text[0] == "| claim | statement | exact | sampled | rate | data |"
    assert text[2].startswith("| `coin/variance` | A coin with faces")
    assert text[2].endswith("| holds ✓ 1/1 | holds ✓ 1/1 |  |  |")
    assert len(text) == 6


def test_prove_reads_the_files_and_says_what_each_proves(here, monkeypatch, tmp_path):
    from proofs_check import prove

    code, out, err = here("prove")  # the certificates of the real papers are no proofs of the toy ones
    assert (code, out) == (2, "")
    assert "is no claim of the catalogue" in err
    monkeypatch.setattr(prove, "FOLDER", tmp_path)
    assert here("prove", "coin")[:2] == (0, here("prove", "coin")[1])
    (tmp_path / "coin").mkdir()
    (tmp_path / "coin" / "broken.toml").write_text("format = 1")
    code, out, _ = here("prove", "coin")
    assert code == 1
    assert out.startswith("REJECTED  coin/broken: field 'claims' is missing\n0 of 1 certificates accepted")
    fails_with(here("prove", "coins"), 2, "did you mean 'coin'?")


def test_help_shows_examples_and_no_command_shows_help(here):
    code, overview, _ = here("--help")
    assert code == 0
    assert here()[1].rstrip() == overview.rstrip()
    for name in ("papers", "claims", "check", "explain", "prove", "figures"):
        assert name in overview
        assert f"lab {name}" in here(name, "--help")[1]


def test_help_imports_nothing_heavy():
    script = "import sys; from lab import cli\ntry: cli.main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    for heavy in ("numpy", "jax", "scipy", "matplotlib", "rich", "loky", "sqlite3", "flint", "cvxpy"):
        assert f"'{heavy}'" not in answer.stdout


def test_a_reader_that_goes_away_is_no_traceback(home):
    process = subprocess.Popen(
        **command(home, "check", "coin", "--profile", "quick", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert err == ""


def test_people_at_a_terminal_see_progress(tmp_path):
    ours, theirs = pty.openpty()
    options = command(tmp_path / "home", "check", "slow", "--workers", "1")
    process = subprocess.Popen(
        **options | {"env": options["env"] | {"TERM": "xterm"}}, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert "12/12" in seen.decode()
    assert "slow/part-5" in seen.decode()
    assert "12/12" not in out
