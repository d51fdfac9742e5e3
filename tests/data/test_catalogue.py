"The catalogue of samples against the files themselves, and against printed prices."

import hashlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data import catalogue

Refusal = Callable[..., str]
SYMBOLS = [row[0] for row in catalogue.CATALOGUE]


def test_the_table_lists_every_sample_once() -> None:
    table = at.samples()
    assert list(table.columns) == ["symbol", "name", "first", "last", "rows", "licence"]
    assert table["symbol"].tolist() == SYMBOLS and table["symbol"].is_unique
    assert table["licence"].str.len().gt(10).all()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_table_agrees_with_the_file(symbol: str) -> None:
    row = at.samples().set_index("symbol").loc[symbol]
    bars = at.load(symbol)
    at.check_bars(bars)
    assert (row["first"], row["last"]) == (f"{bars.index[0]:%Y-%m-%d}", f"{bars.index[-1]:%Y-%m-%d}")
    assert row["rows"] == len(bars) and bars.index.tz is None


def test_every_symbol_of_the_bundled_file_is_in_the_table() -> None:
    held = pd.read_csv(catalogue.sample_file("AAPL"))["Ticker"].unique()
    assert sorted(held) == sorted(set(SYMBOLS) - {"SPX", "IXIC"})


# Closing prices as the papers printed them.
PRINTED = [
    ("SPX", "2007-10-09", 1565.15),
    ("SPX", "2008-12-31", 903.25),
    ("SPX", "2009-03-09", 676.53),
    ("SPX", "2018-12-31", 2506.85),
    ("IXIC", "2000-03-10", 5048.62),
    ("AAPL", "2012-09-19", 702.10),
    ("FB", "2012-05-18", 38.23),
    ("GOOG", "2004-08-19", 100.34),
]


@pytest.mark.parametrize(("symbol", "day", "price"), PRINTED)
def test_printed_prices(symbol: str, day: str, price: float) -> None:
    assert at.load(symbol, start=day, end=day)["close"].item() == pytest.approx(price, abs=0.006)


def test_the_index_bottomed_where_the_papers_say() -> None:
    close = at.load("SPX", start="2008-01-01", end="2010-12-31")["close"]
    assert close.idxmin() == pd.Timestamp("2009-03-09")


def test_the_bundled_file_is_the_one_that_was_shipped() -> None:
    path = catalogue.sample_file("MSFT")
    assert path.name == "stocks.csv.gz" and path.is_relative_to(Path(at.__file__).parent)
    # The fingerprint of the file as it came out of bokeh_sampledata 2026.1; see README.md beside it.
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd"


def test_the_indices_are_read_from_arch_and_not_copied() -> None:
    files = {str(file) for file in metadata.files("arch") or []}
    assert {"arch/data/sp500/sp500.csv.gz", "arch/data/nasdaq/nasdaq.csv.gz"} <= files
    for symbol in ("SPX", "IXIC"):
        assert "/".join(catalogue.sample_file(symbol).parts[-4:]) in files


def test_without_arch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    found = catalogue.find_spec
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name == "arch" else found(name))
    sentence = refusal(at.SourceError, at.load, "SPX")
    assert "SPX is part of the package arch" in sentence and "pip install arch" in sentence
    assert len(at.load("AAPL")) == 3270


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("APPL", ["'APPL'", "did you mean AAPL"]),
        ("spx", ["did you mean SPX"]),
        ("GOOGL", ["did you mean GOOG"]),
        ("QQQQQ", ["'QQQQQ'", "at.samples() lists all: SPX, IXIC, AAPL"]),
    ],
)
def test_a_typo_gets_a_suggestion(typed: str, words: list[str], refusal: Refusal) -> None:
    sentence = refusal(at.SourceError, at.load, typed)
    assert all(word in sentence for word in words), sentence
    assert ("did you mean" in sentence) == ("did you mean" in words[-1])
