"""Every paper has figures, and drawing them twice gives the same bytes; a mistake is one clear line."""

import pytest

from figures.draw import draw
from lab.ledger import catalogue
from lab.ledger.engine import check
from lab.ledger.errors import LabError, NotCurrent

PAPERS = list(catalogue.load())


@pytest.mark.slow
@pytest.mark.parametrize("paper", PAPERS)
def test_drawing_twice_gives_the_same_bytes(paper, ledger_home, tmp_path):
    check([paper], profile="quick", workers=1, home=ledger_home, skip_missing=True)
    first, second = (draw([paper], home=ledger_home, out=tmp_path / name) for name in ("first", "second"))
    assert len(first) >= 4, "at least two figures, each as SVG and PNG"
    assert {file.suffix for file in first} == {".svg", ".png"}
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes(), one.name


def test_without_results_nothing_is_made(tmp_path):
    with pytest.raises(NotCurrent, match="run `lab check bvpo`"):
        draw(["bvpo"], home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("figures.draw.results.read", lambda *_: {})
    with pytest.raises(LabError, match="cannot be written"):
        draw(["bvpo"], out=tmp_path / "file")
