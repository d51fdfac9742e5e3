"The catalogue of samples against the files themselves, and against printed prices."

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data import catalogue
from alphatwin.data.schema import COLUMNS

Refusal = Callable[..., str]
SYMBOLS = [row[0] for row in catalogue.CATALOGUE]


def test_the_table_lists_every_sample_once() -> None:
    table = at.samples()
    named = [
        "symbol",
        "name",
        "first",
        "last",
        "rows",
        "licence",
        "kind",
        "known_faults",
        "loads",
        "comes_with",
    ]
    assert list(table.columns) == named and len(table) == 36
    assert table["symbol"].tolist() == SYMBOLS and table["symbol"].is_unique
    assert table["licence"].str.len().gt(10).all() and set(table["kind"]) == {"bars", "closes"}
    assert table["known_faults"].str.len().gt(10).all()
    assert set(catalogue.FAULTS) == set(catalogue.PLACES) == set(SYMBOLS)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_table_agrees_with_the_file(symbol: str) -> None:
    row = at.samples().set_index("symbol").loc[symbol]
    bars = at.load(symbol)
    at.check_bars(bars.sort_index().dropna(), ("close",) if row["kind"] == "closes" else COLUMNS)
    assert (list(bars.columns) == ["close"]) == (row["kind"] == "closes")
    assert (row["first"], row["last"]) == (f"{bars.index.min():%Y-%m-%d}", f"{bars.index.max():%Y-%m-%d}")
    assert row["rows"] == len(bars) and bars.index.tz is None


@pytest.mark.parametrize("symbol", sorted(set(SYMBOLS) - {"SPX_LONG", "VIX", "WTI"}))
def test_a_sample_is_ready_to_use_unless_its_faults_say_otherwise(symbol: str) -> None:
    bars = at.load(symbol)
    at.check_bars(bars, tuple(bars.columns), symbol)


def test_what_is_not_ready_says_so(refusal: Refusal) -> None:
    assert "not sorted" in refusal(at.BarsError, at.check_bars, at.load("SPX_LONG"))
    assert "newest day first" in catalogue.FAULTS["SPX_LONG"]
    for symbol, empty in (("VIX", 46), ("WTI", 290)):
        assert at.load(symbol)["close"].isna().sum() == empty
        assert f"{empty} rows have no value" in catalogue.FAULTS[symbol]


def test_every_company_is_read_from_its_own_column() -> None:
    table = pd.read_csv(catalogue.sample_file("RRC"), index_col=0)
    assert sorted(table.columns) == sorted(one.removesuffix("_LONG") for one in catalogue.COMPANIES)
    for symbol in catalogue.COMPANIES:
        assert at.load(symbol)["close"].tolist() == table[symbol.removesuffix("_LONG")].tolist()
    funds = pd.read_csv(catalogue.sample_file("MTUM"), index_col=0)
    assert list(funds.columns) == list(catalogue.FUNDS)
    assert all(at.load(symbol)["close"].tolist() == funds[symbol].tolist() for symbol in catalogue.FUNDS)


def test_a_series_of_closes_says_so_when_bars_are_asked_for(refusal: Refusal) -> None:
    assert "closes only" in refusal(at.BarsError, at.check_bars, at.load("RRC"))


def test_faults_that_two_sources_show() -> None:
    "The claims that need more than one series; the notebook computes all of them."
    long, short = (at.load(symbol)["close"].pct_change()["2003-01-29"] for symbol in ("AAPL_LONG", "AAPL"))
    assert short == 0 and round(long, 3) == 0.027 and "2003-01-29" in catalogue.FAULTS["AAPL"]
    volumes = [
        at.load(symbol, start="2015-04-10", end="2015-04-10")["volume"].item()
        for symbol in ("SPX", "SPX_LONG")
    ]
    assert volumes == [3_156_200_000, 536_200_000] and "2015-04-10" in catalogue.FAULTS["SPX_LONG"]
    printed = pd.concat(
        [at.load(symbol)["close"] for symbol in ("SPX", "SPX_LONG", "SPX_CLOSES")], axis=1, sort=True
    )
    assert (printed.max(axis=1) / printed.min(axis=1) - 1).max() < 1e-7


def test_every_number_of_the_notebook_s_faults_is_asserted_there() -> None:
    "Each day that a fault names is computed on the page, or the sentence could say anything."
    cells = json.loads((Path(__file__).parents[2] / "nbs" / "1_data" / "04_catalogue.ipynb").read_text())[
        "cells"
    ]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    checked = "".join(text for text in code if not text.startswith("#| export"))
    days = {day for fault in catalogue.FAULTS.values() for day in re.findall(r"\d{4}-\d\d-\d\d", fault)}
    assert len(days) > 15 and {day for day in days if day not in checked} == set()


def test_every_symbol_of_the_bundled_file_is_in_the_table() -> None:
    held = pd.read_csv(catalogue.sample_file("AAPL"))["Ticker"].unique()
    assert sorted(held) == sorted(row[0] for row in catalogue.SHIPPED)


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
    ("SPX_LONG", "1987-10-19", 224.84),
    ("SPX_LONG", "1974-10-03", 62.28),
    ("SPX_CLOSES", "2020-03-23", 2237.40),
    ("VIX", "2018-02-05", 37.32),
    ("WTI", "2008-07-03", 145.31),
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


def test_what_belongs_to_others_is_read_from_their_packages_and_not_copied() -> None:
    for symbol, (package, inside) in catalogue.PLACES.items():
        if package != "alphatwin":
            files = {str(file) for file in metadata.files(package.replace("_", "-")) or []}
            assert f"{package}/{inside}" in files and str(catalogue.sample_file(symbol)).endswith(inside)


@pytest.mark.parametrize(
    ("package", "symbol", "remedy"),
    [
        ("arch", "SPX", "pip install arch"),
        ("skfolio", "RRC", "pip install 'alphatwin[samples]'"),
        ("great_tables", "SPX_LONG", "pip install 'alphatwin[samples]'"),
    ],
)
def test_without_a_package_it_says_what_to_install(
    package: str, symbol: str, remedy: str, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    found = catalogue.find_spec
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name == package else found(name))
    sentence = refusal(at.SourceError, at.load, symbol)
    assert f"{symbol} is part of the package {package}" in sentence and sentence.endswith(remedy)
    assert len(at.load("AAPL")) == 3270


@pytest.mark.parametrize(
    ("missing", "left", "lost"),
    [
        ((), 36, set()),
        (("skfolio",), 10, {"JPM", "RRC", "SPX_CLOSES"}),
        (("skfolio", "great_tables"), 9, {"SPX_LONG"}),
    ],
)
def test_the_list_says_what_loads_here_and_what_brings_the_rest(
    missing: tuple[str, ...], left: int, lost: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = catalogue.find_spec
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name in missing else found(name))
    table = at.samples().set_index("symbol")
    assert table["loads"].sum() == left and not table.loc[list(lost), "loads"].any()
    for symbol in table.index:
        if table.loc[symbol, "loads"]:
            assert len(at.load(symbol)) == table.loc[symbol, "rows"]
        else:
            brings = table.loc[symbol, "comes_with"]
            with pytest.raises(at.SourceError, match="not installed") as refused:
                at.load(symbol)
            assert str(refused.value).endswith(f"pip install '{brings}'")
    assert table["comes_with"].value_counts().to_dict() == {"alphatwin[samples]": 27, "alphatwin": 9}


def test_a_file_is_no_sample(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "mine.csv"
    at.load("FB").to_csv(file)
    sentence = refusal(at.SourceError, at.load, str(file))
    assert sentence == f"{str(file)!r} is no sample but a file: at.load({str(file)!r}, source='csv')"
    assert len(at.load(str(file), source="csv")) == 196


def test_no_sample_imports_the_package_it_lies_in() -> None:
    script = "import sys, alphatwin as at; [at.load(s) for s in ('SPX', 'RRC', 'SPX_LONG')]; print([m for m in ('arch', 'skfolio', 'great_tables') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
