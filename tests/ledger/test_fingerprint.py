"""What a result depends on: the modules that its evidence imports, wherever and however it imports them."""

import sys

import pytest

from lab.ledger import fingerprint

FILES = {
    "__init__.py": "",
    "start.py": "import {p}.plain\nfrom {p} import sibling\nfrom .relative import thing\n"
    "from . import again\nimport json\n"
    "def late():\n    from {p}.deep.inner import x\n",
    "plain.py": "from {p}.start import late\n",  # a circle
    "sibling.py": "",
    "relative.py": "thing = 1\n",
    "again.py": "from .deep import *\nimport {p}.far.near\n",
    "deep/__init__.py": "from ..upward import y\n",
    "deep/inner.py": "x = 1\n",
    "upward.py": "y = 1\n",
    "far/__init__.py": "",  # imported on the way to far.near, and named by nobody
    "far/near.py": "z = 1\n",
    "stranger.py": "import {p}.start\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    name = f"made_{abs(hash(request.node.name)) % 10**8}"
    for file, text in FILES.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(p=name))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / name
    forget()


def forget():
    for cached in (
        fingerprint.code,
        fingerprint.files,
        fingerprint._file_digest,
        fingerprint._source,
        fingerprint._imports,
    ):
        cached.cache_clear()


def test_finds_every_module_that_is_imported_and_no_other(package):
    mine = {m for m in fingerprint.files(f"{package.name}.start") if m.startswith(package.name)}
    names = ("start", "plain", "sibling", "relative", "again", "deep", "deep.inner", "upward", "far", "far.near")
    assert mine == {package.name, *(f"{package.name}.{name}" for name in names)}
    assert f"{package.name}.start" not in sys.modules  # it was read, not imported


def test_every_result_depends_on_the_judges_and_not_on_the_command_line(package):
    files = fingerprint.files(f"{package.name}.start")
    for name in ("judge", "unit", "evidence", "findings"):
        assert f"lab.ledger.{name}" in files
    for name in ("rounding", "sequential", "rates", "betting"):
        assert f"lab.inference.{name}" in files
    for name in ("lab.cli", "lab.ledger.table", "lab.ledger.explain", "lab.ledger.engine"):
        assert name not in files


@pytest.mark.parametrize("file", FILES)
def test_an_edit_changes_the_digest_exactly_when_the_file_is_depended_on(package, file):
    before = fingerprint.code(f"{package.name}.start")
    assert fingerprint.code(f"{package.name}.start") == before
    (package / file).write_text((package / file).read_text() + "# a remark\n")
    forget()
    assert (fingerprint.code(f"{package.name}.start") == before) == (file == "stranger.py")


def test_digests_tell_parts_apart():
    assert fingerprint.digest("ab", "c") != fingerprint.digest("a", "bc") != fingerprint.digest("abc")
