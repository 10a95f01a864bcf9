"""The documents tell the truth: their examples run."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from lab.ledger import engine, plan, results, table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", ["README.md", "docs/conventions.md"])
def test_examples_in_documents_run(name: str) -> None:
    failures, examples = doctest.testfile(str(ROOT / name), module_relative=False)
    assert examples > 0
    assert failures == 0


def test_the_ledger_in_the_readme_is_what_the_command_prints(ledger_home) -> None:
    command, shown = re.search(r"^    \$ lab check (.*)\n((?:    .*\n|\n)+)", README, re.MULTILINE).groups()
    *names, _, profile = command.split()
    printed = table.text(engine.check(names, profile=profile, workers=1, home=ledger_home), width=160).splitlines()
    told = [line[4:].rstrip() for line in shown.rstrip().splitlines()]
    assert told[:-1] == [line.rstrip() for line in printed[:-1]]  # the last line has the time


def test_the_size_of_the_ledger_in_the_readme_is_right() -> None:
    planned = plan.plan([], skip_missing=True)
    mains = [check.main.expected for check in planned.checks]
    controls = sum(len(check.controls) for check in planned.checks)
    holds, fails = mains.count("holds"), mains.count("fails")
    counts = f"{len(mains)} checks ({holds} hold, {fails} fail as they must), {controls} controls"
    assert counts in " ".join(README.split())


def test_the_paper_of_the_example_can_be_added(tmp_path, monkeypatch) -> None:
    text = (ROOT / "docs" / "adding-a-paper.md").read_text()
    files = dict(re.findall(r"^`([\w/-]+\.\w+)`\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert set(files) == {
        "lab/catalogue/two-estimates.toml",
        "simulations/two_estimates.py",
        "figures/two_estimates.py",
    }
    # Under other top packages: those of the project are loaded, and stay as they are.
    for name, content in files.items():
        file = tmp_path / f"added_{name.removeprefix('lab/')}"
        file.parent.mkdir()
        file.write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    place = {
        "folder": tmp_path / "added_catalogue",
        "modules": lambda slug: importlib.import_module(f"added_simulations.{slug.replace('-', '_')}"),
    }
    ledger = engine.check(home=tmp_path, workers=1, profile="quick", **place)
    assert len(ledger.rows) == 3
    assert ledger.as_expected, [row.main.result for row in ledger.rows]
    drawing = importlib.import_module("added_figures.two_estimates")
    drawing.variance_of_the_average(results.read("two-estimates", tmp_path, **place)).savefig(tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size > 10_000
