"""Catalogue files: every mistake is refused with the file and the field."""

import pytest

from lab.ledger import catalogue
from lab.ledger.errors import CatalogueError, UnknownName
from tests.ledger.helpers import CATALOGUE

GOOD = (CATALOGUE / "coin.toml").read_text()


def load_edited(folder, old, new):
    assert old in GOOD
    (folder / "coin.toml").write_text(GOOD.replace(old, new, 1))
    return catalogue.load(folder)


def test_reads_papers_and_claims_in_order():
    papers = catalogue.load(CATALOGUE)
    assert list(papers) == ["coin", "slow"]
    coin = papers["coin"]
    assert (coin.title, coin.authors, coin.year) == ("On the variance of a coin", ("A. Toss",), 2001)
    assert [claim.id for claim in coin.claims][:2] == ["coin/variance", "coin/error-rate"]
    assert coin.claims[2].corrected == "coin/variance-at-most-one"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('slug = "coin"', 'slug = "penny"', "slug = 'penny'"),
        ("year = 2001", 'year = "2001"', "year = '2001'"),
        ("year = 2001", "", "'year' is missing"),
        ("year = 2001", "yeer = 2001", "'yeer' (did you mean 'year'?)"),
        ('authors = ["A. Toss"]', 'authors = "A. Toss"', "authors = 'A. Toss' must be a list"),
        ('expected = "holds"', 'expected = "maybe"', "claim 'variance': expected = 'maybe'"),
        ('source = "paper"', 'source = "hearsay"', "source = 'hearsay'"),
        ('place = "Theorem 1"', "", "claim 'variance': field 'place' is missing"),
        ('name = "error-rate"', 'name = "variance"', "'variance' is there 2 times"),
        ('name = "error-rate"', 'name = "error rate"', "name = 'error rate'"),
        ('counterexample = "the fair coin: variance 1"', "", "counterexample is missing"),
        ('corrected = "coin/variance-at-most-one"', 'corrected = "coin/variance-at-most"', "did you mean 'coin/var"),
        ('corrected = "coin/variance-at-most-one"', 'corrected = "coin/variance-below-half"', "itself"),
        ('assumes = "independent tosses"', 'corrected = "coin/error-rate"', "corrected belongs to"),
        ("[[claims]]", "[[claims", "not a TOML file"),
    ],
)  # fmt: skip
def test_refuses_a_mistake_by_file_and_field(tmp_path, old, new, complaint):
    with pytest.raises(CatalogueError) as problem:
        load_edited(tmp_path, old, new)
    assert "coin.toml" in str(problem.value)
    assert complaint in str(problem.value)
    assert "\n" not in str(problem.value)


def test_refuses_a_paper_without_claims_and_an_empty_folder(tmp_path):
    with pytest.raises(CatalogueError, match="no catalogue file"):
        catalogue.load(tmp_path)
    (tmp_path / "void.toml").write_text("")
    with pytest.raises(CatalogueError, match=r"void\.toml: claims"):
        catalogue.load(tmp_path)


def test_selects_papers_and_claims_and_suggests_the_nearest():
    papers = catalogue.load(CATALOGUE)
    assert len(catalogue.select(papers)) == 10
    assert [claim.id for claim in catalogue.select(papers, ["coin/error-rate", "coin/variance"])] == [
        "coin/variance",
        "coin/error-rate",
    ]
    assert len(catalogue.select(papers, ["coin", "coin/variance", "slow/part-1"])) == 5
    with pytest.raises(UnknownName, match="did you mean 'coin'"):
        catalogue.select(papers, ["cion"])
    with pytest.raises(UnknownName, match="did you mean 'coin/variance'"):
        catalogue.select(papers, ["coin/varience"])
    with pytest.raises(UnknownName, match="no paper is named 'xyzzy'; "):
        catalogue.select(papers, ["xyzzy"])


def test_reads_only_the_papers_that_are_asked_for(tmp_path):
    (tmp_path / "coin.toml").write_text(GOOD)
    (tmp_path / "void.toml").write_text("")
    assert list(catalogue.load(tmp_path, ["coin/variance"])) == ["coin"]
    with pytest.raises(CatalogueError, match="void"):
        catalogue.load(tmp_path)
