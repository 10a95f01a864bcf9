"""The store: exact round trips, and one clear line for every file that cannot be used, which is left as it was."""

import contextlib
import dataclasses
import json
import math
import os
import sqlite3
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ledger import store
from lab.ledger.errors import StoreError
from lab.ledger.store import FILE, Result, Store, decode, encode

RESULT = Result("k1", "coin/variance", "tossing", "sampled", None, "quick", 12, 1e-6, "holds", finished="2001-01-01")


@contextlib.contextmanager
def ordinary_user():
    """The superuser may write everywhere: become nobody while the block runs."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public():
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


def refuses(action, *words):
    with pytest.raises(StoreError) as problem:
        action()
    text = str(problem.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


LEAVES = st.floats() | st.integers() | st.text(max_size=5) | st.booleans() | st.none()
NAMES = st.text("abcxyz_", min_size=1, max_size=5)


@given(st.recursive(LEAVES, lambda x: st.lists(x, max_size=4) | st.dictionaries(NAMES, x, max_size=3), max_leaves=6))
def test_values_return_bit_for_bit_through_strict_json(value):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    text = encode({"value": value})
    json.loads(text, parse_constant=refuse)
    assert repr(decode(text)["value"]) == repr(value)  # tells −0.0 from 0.0, and equals itself on NaN


def test_arrays_return_as_lists_with_all_their_digits():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 2)) * 10.0 ** rng.integers(-300, 300, (3, 2))
    assert np.array_equal(np.array(decode(encode(values))), values)
    assert decode(encode(np.float32(0.1))) == float(np.float32(0.1))
    assert decode(encode((np.int64(3), np.array([math.inf, -math.inf]), np.bool_(True)))) == [
        3,
        [math.inf, -math.inf],
        True,
    ]


def test_keeps_results_and_finds_them_by_key(tmp_path):
    other = dataclasses.replace(
        RESULT, key="k2", finished="2002-02-02", low=-math.inf, series={"x": [0.1, 0.2]}, seconds=2.5
    )
    with Store.open(tmp_path / "new" / "home") as target:
        target.add(RESULT)
        target.add(other)
    with Store.read(tmp_path / "new" / "home") as stored:
        assert stored.find(["k1", "k2", "k3"]) == {"k1": RESULT, "k2": other}
        assert stored.latest("coin/variance") == {("tossing", None): other}
        assert stored.durations() == {("coin/variance", "tossing", None): 2.5}


def test_keeps_the_newest_results_of_a_unit_whatever_their_keys(tmp_path):
    def result(key, **other):
        return dataclasses.replace(RESULT, key=key, finished=f"2001-01-{key[-2:]}", **other)

    others = [result("c01", control="dropped"), result("p02", profile="standard"), result("e03", evidence="counting")]
    generations = [result(f"k{day:02}") for day in range(4, 4 + store.KEPT + 2)]
    with Store.open(tmp_path) as target:
        for each in (*others, *generations):
            target.add(each)
        kept = target.find([r.key for r in (*others, *generations)])
    assert list(kept.values()) == [*others, *generations[2:]]


def test_reading_makes_no_file(tmp_path):
    with Store.read(tmp_path / "nowhere") as stored:
        assert stored.find(["k1"]) == {}
        assert stored.latest("coin/variance") == {}
    assert list(tmp_path.iterdir()) == []
    Store.open(tmp_path).close()
    with Store.read(tmp_path) as stored:
        assert stored.find(["k1"]) == {}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_an_empty_file_is_a_ledger_that_was_just_begun(tmp_path):
    (tmp_path / FILE).touch()
    with Store.read(tmp_path) as stored:
        assert stored.find(["k1"]) == {}
        assert stored.durations() == {}
    with Store.open(tmp_path) as target:
        target.add(RESULT)
        assert target.find(["k1"])


@pytest.mark.parametrize("opening", [Store.open, Store.read])
def test_refuses_a_file_that_is_no_database(tmp_path, opening):
    (tmp_path / FILE).write_text("my diary, which nobody must overwrite " * 50)
    before = (tmp_path / FILE).read_bytes()
    refuses(lambda: opening(tmp_path), FILE, "is not a ledger")
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("opening", [Store.open, Store.read])
def test_refuses_the_database_of_another_program(tmp_path, opening):
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as other, other:
        other.execute("CREATE TABLE contacts (name)")
    before = (tmp_path / FILE).read_bytes()
    refuses(lambda: opening(tmp_path), "another program")
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("opening", [Store.open, Store.read])
def test_refuses_a_newer_format(tmp_path, opening):
    Store.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as newer, newer:
        newer.execute(f"PRAGMA user_version = {store.SCHEMA + 1}")
    before = (tmp_path / FILE).read_bytes()
    refuses(lambda: opening(tmp_path), "newer version")
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("opening", [Store.open, Store.read])
def test_refuses_a_folder_in_place_of_the_file(tmp_path, opening):
    (tmp_path / FILE).mkdir()
    refuses(lambda: opening(tmp_path), "is a folder")


def test_refuses_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    refuses(lambda: Store.open(tmp_path / "home"), "cannot make the ledger's folder")


def test_refuses_a_truncated_file_wherever_it_was_cut(tmp_path):
    with Store.open(tmp_path) as target:
        for i in range(40):
            target.add(
                dataclasses.replace(RESULT, key=f"k{i}", evidence=f"tossing {i}", series={"x": list(range(200))})
            )
    whole = (tmp_path / FILE).read_bytes()
    for share in (0.05, 0.3, 0.6, 0.95):
        cut = whole[: int(len(whole) * share)]
        (tmp_path / FILE).write_bytes(cut)
        refuses(lambda: Store.open(tmp_path), FILE)
        refuses(lambda: Store.read(tmp_path), FILE)
        assert (tmp_path / FILE).read_bytes() == cut


def test_refuses_a_result_whose_bytes_changed(tmp_path):
    with Store.open(tmp_path) as target:
        target.add(dataclasses.replace(RESULT, estimate=0.123456789))
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes().replace(b"0.123456789", b"0.923456789"))
    with Store.read(tmp_path) as stored:
        refuses(lambda: stored.find(["k1"]), "damaged", "its bytes have changed")


def test_refuses_a_read_only_file_but_reads_it(public):
    with Store.open(public) as target:
        target.add(RESULT)
    (public / FILE).chmod(0o444)
    before = (public / FILE).read_bytes()
    with ordinary_user():
        refuses(lambda: Store.open(public), "read-only")
        with Store.read(public) as stored:
            assert stored.find(["k1"]) == {"k1": RESULT}
    assert (public / FILE).read_bytes() == before


def test_refuses_a_read_only_folder_but_reads_in_it(public):
    with Store.open(public) as target:
        target.add(RESULT)
    (public / FILE).chmod(0o666)
    public.chmod(0o555)
    with ordinary_user():
        refuses(lambda: Store.open(public), FILE)
        refuses(lambda: Store.open(public / "deeper"), "cannot make the ledger's folder")
        with Store.read(public) as stored:
            assert stored.find(["k1"]) == {"k1": RESULT}
    assert [path.name for path in public.iterdir()] == [FILE]


def test_a_full_disk_loses_nothing_that_was_stored(tmp_path):
    with Store.open(tmp_path) as target:
        target.add(RESULT)
        pages = target._connection.execute("PRAGMA page_count").fetchone()[0]
        target._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says what it says on a full disk
        large = dataclasses.replace(RESULT, key="k2", note="x" * 100_000)
        refuses(lambda: target.add(large), "the disk is full")
    with Store.open(tmp_path) as target:
        assert target.find(["k1", "k2"]) == {"k1": RESULT}


def test_waits_for_another_process_and_then_gives_up(tmp_path, monkeypatch):
    Store.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        release.start()
        with Store.open(tmp_path) as target:  # had to wait
            target.add(RESULT)
        release.join()
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(store, "WAIT", 0.1)
        refuses(lambda: Store.open(tmp_path), "in use by another process")
        other.execute("COMMIT")
    with Store.read(tmp_path) as stored:
        assert stored.find(["k1"]) == {"k1": RESULT}


def test_two_writers_of_a_new_ledger_both_get_their_results_in(tmp_path):
    def write(writer):
        with Store.open(tmp_path) as target:
            for i in range(10):
                target.add(dataclasses.replace(RESULT, key=f"{writer}-{i}", evidence=f"{writer}-{i}"))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    with Store.read(tmp_path) as stored:
        assert len(stored.find([f"{writer}-{i}" for writer in range(4) for i in range(10)])) == 40


def test_home_is_the_argument_then_the_environment_then_results(monkeypatch):
    monkeypatch.delenv("LAB_HOME", raising=False)
    assert store.home() == Path("results")
    monkeypatch.setenv("LAB_HOME", "/elsewhere")
    assert store.home() == Path("/elsewhere")
    assert store.home("/here") == Path("/here")
