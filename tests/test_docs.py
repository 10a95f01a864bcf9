"""The documents tell the truth: their examples run."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["README.md", "docs/conventions.md"])
def test_examples_in_documents_run(name: str) -> None:
    failures, examples = doctest.testfile(str(ROOT / name), module_relative=False)
    assert examples > 0
    assert failures == 0
