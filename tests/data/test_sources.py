"Loading: what is cut, how prices are adjusted, what the ledger holds, and what is refused."

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data import sources
from alphatwin.data.sources import find_source, fingerprint, plain_options

Refusal = Callable[..., str]
PRICES = ["open", "high", "low", "close"]

# Apple's shares split two for one on 28 February 2005. Prices and volumes as traded, from the newspaper.
APPLE = {"2005-02-24": 88.93, "2005-02-25": 88.99, "2005-02-28": 44.86, "2005-03-01": 44.50}


def apple(start: str = "2005-02-24", end: str = "2005-03-01", adjust: str = "none") -> pd.DataFrame:
    return at.load("AAPL", start=start, end=end, adjust=adjust)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    "Apple's four days as a file, with the split."
    table = apple().assign(split=[0.0, 0.0, 2.0, 0.0])
    table.to_csv(tmp_path / "apple.csv")
    sources.LEDGER.clear()
    return tmp_path / "apple.csv"


# Cutting


def test_start_and_end_are_both_in_it() -> None:
    bars = apple()
    assert bars.index.strftime("%Y-%m-%d").tolist() == list(APPLE)
    assert bars["close"].tolist() == list(APPLE.values())


def test_days_without_a_session_may_be_named() -> None:
    # 26 and 27 February were a weekend.
    assert apple("2005-02-26", "2005-02-28").index.strftime("%d").tolist() == ["28"]
    assert apple("2005-02-25", "2005-02-27").index.strftime("%d").tolist() == ["25"]


def test_a_part_of_a_date_means_all_of_it() -> None:
    year = at.load("AAPL", start="2005", end="2005")
    assert (f"{year.index[0]:%F}", f"{year.index[-1]:%F}") == ("2005-01-03", "2005-12-30")
    assert len(year) == 252


def test_a_table_in_disorder_is_cut_all_the_same_and_stays_in_disorder() -> None:
    whole = apple()
    at.register_source("backwards", lambda symbol, start, end: whole[::-1])
    bars = at.load("AAPL", source="backwards", start="2005-02-25", end="2005-02-28")
    assert bars.index.strftime("%d").tolist() == ["28", "25"]
    assert len(at.load("AAPL", source="backwards", start="2005-02-28")) == 2
    assert len(at.load("AAPL", source="backwards", end="2005-02-24")) == 1


# Adjusting


def test_as_traded_the_split_is_a_fall_and_adjusted_it_is_none() -> None:
    traded, adjusted = apple()["close"].pct_change(), apple(adjust="all")["close"].pct_change()
    assert round(traded["2005-02-28"], 4) == round(44.86 / 88.99 - 1, 4) == -0.4959
    # The owner of one share at 88.99 owned two at 44.86: a gain of 0.82 %. The vendor rounds at the sixth digit.
    assert adjusted["2005-02-28"] == pytest.approx(2 * 44.86 / 88.99 - 1, abs=2e-5)


def test_adjusted_for_splits(csv: Path) -> None:
    plain, adjusted = apple(), at.load(str(csv), source="csv", adjust="splits")
    np.testing.assert_array_equal(adjusted["close"], [88.93 / 2, 88.99 / 2, 44.86, 44.50])
    for name in PRICES:
        np.testing.assert_array_equal(adjusted[name], plain[name] / [2, 2, 1, 1])
    np.testing.assert_array_equal(adjusted["volume"], plain["volume"] * [2, 2, 1, 1])


def test_a_price_does_not_depend_on_where_one_stops_reading(csv: Path) -> None:
    "The split comes after the last day that is asked for, and counts all the same."
    bars = at.load(str(csv), source="csv", adjust="splits", end="2005-02-25")
    np.testing.assert_array_equal(bars["close"], [88.93 / 2, 88.99 / 2])


def test_adjusted_for_all_every_price_is_scaled_like_the_close(tmp_path: Path) -> None:
    table = apple().assign(adj_close=[44.0, 44.5, 44.86, 44.5])
    table.to_csv(tmp_path / "all.csv")
    bars = at.load(str(tmp_path / "all.csv"), source="csv", adjust="all")
    assert "adj_close" not in bars and list(bars.columns) == [*PRICES, "volume"]
    np.testing.assert_allclose(bars["close"], table["adj_close"], rtol=1e-14)
    np.testing.assert_allclose(bars["high"] / bars["close"], table["high"] / table["close"], rtol=1e-14)


def test_money_traded_in_a_day_does_not_depend_on_splits(csv: Path) -> None:
    plain, adjusted = (at.load(str(csv), source="csv", adjust=how) for how in ("none", "splits"))
    np.testing.assert_allclose(
        plain["close"] * plain["volume"], adjusted["close"] * adjusted["volume"], rtol=1e-14
    )


def test_raw_is_as_traded_with_the_vendors_adjusted_close_beside_it() -> None:
    bars = apple(adjust="raw")
    assert list(bars.columns) == [*PRICES, "volume", "adj_close"] and bars.attrs["adjust"] == "raw"
    pd.testing.assert_frame_equal(bars.drop(columns="adj_close"), apple(), check_freq=False)
    np.testing.assert_allclose(bars["adj_close"], apple(adjust="all")["close"], rtol=1e-14)


def test_what_a_source_does_not_know_cannot_be_adjusted(csv: Path, refusal: Refusal) -> None:
    sentence = refusal(at.BarsError, at.load, "AAPL", adjust="splits")
    assert sentence.startswith("AAPL: adjust='splits' needs a column split")
    assert sentence.endswith("; adjust='all' works, by its adj_close") and len(at.load("AAPL", adjust="all"))
    sentence = refusal(at.BarsError, at.load, str(csv), source="csv", adjust="all")
    assert "needs a column adj_close" in sentence and sentence.endswith("; adjust='none' works")
    sentence = refusal(at.BarsError, at.load, str(csv), source="csv", adjust="raw")
    assert "apple.csv" in sentence and "no adj_close" in sentence and "adjust='none' works" in sentence


# Several symbols


def test_a_list_gives_a_long_table() -> None:
    both = at.load(["MSFT", "AAPL"], start="2005-02-24", end="2005-03-01")
    assert both.index.names == ["symbol", "time"] and len(both) == 8
    assert both.index.get_level_values("symbol").unique().tolist() == ["MSFT", "AAPL"]
    pd.testing.assert_frame_equal(both.loc["AAPL"], apple(), check_freq=False)
    assert len(at.loaded()) == 2


def test_a_list_of_one_is_still_a_long_table() -> None:
    assert at.load(["AAPL"]).index.names == ["symbol", "time"]


def test_of_several_symbols_the_one_that_failed_is_named(refusal: Refusal) -> None:
    def ask(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        if symbol == "BAD":
            raise at.SourceError("the server fell asleep; wake it")
        if symbol == "UGLY":
            return apple().set_axis(["a", "b", "c", "d"], axis=0)
        return apple()

    at.register_source("sleepy", ask)
    sentence = refusal(at.SourceError, at.load, ["GOOD", "BAD"], source="sleepy")
    assert sentence == "BAD: the server fell asleep; wake it"
    sentence = refusal(at.BarsError, at.load, ["GOOD", "UGLY"], source="sleepy")
    assert sentence.startswith("UGLY: time: not readable as dates")


# Closes only


@pytest.mark.parametrize("name", ["close", "value", "Close", "DGS10"])
@pytest.mark.parametrize("dated", [False, True])
def test_one_column_becomes_closes(name: str, dated: bool) -> None:
    table = apple()[["close"]].set_axis([name], axis=1)
    at.register_source("rate", lambda symbol, start, end: table.reset_index() if dated else table)
    closes = at.load("RATE", source="rate", start="2005-02-25")
    pd.testing.assert_frame_equal(closes, apple("2005-02-25")[["close"]], check_freq=False)
    assert closes.attrs == {"symbol": "RATE", "source": "rate", "adjust": "none"}
    entry = at.loaded()["RATE from rate, 2005-02-25 to None, adjust none"]
    assert entry["rows"] == 3 and entry["bars_sha256"] == fingerprint(closes)


def test_closes_cannot_be_adjusted_and_say_what_they_lack(refusal: Refusal) -> None:
    at.register_source("rate", lambda symbol, start, end: apple()[["close"]])
    for adjust in ("splits", "all", "raw"):
        sentence = refusal(at.BarsError, at.load, "RATE", source="rate", adjust=adjust)
        assert f"RATE: closes only, so adjust={adjust!r}" in sentence and "adjust='none' works" in sentence
    assert "closes only" in refusal(at.BarsError, at.check_bars, at.load("RATE", source="rate"))


def test_closes_of_several_symbols_make_a_long_table() -> None:
    at.register_source("rate", lambda symbol, start, end: apple()[["close"]])
    assert at.load(["A", "B"], source="rate").shape == (8, 1)


# The ledger


def test_an_entry_says_what_whence_and_how_much(csv: Path) -> None:
    bars = at.load(str(csv), source="csv", start="2005-02-25", adjust="splits")
    (entry,) = at.loaded().values()
    assert entry == {
        "source": "csv",
        "symbol": "apple.csv",
        "start": "2005-02-25",
        "end": None,
        "adjust": "splits",
        "rows": 3,
        "first": "2005-02-25",
        "last": "2005-03-01",
        "bars_sha256": fingerprint(bars),
        "file": "apple.csv",
        "file_sha256": hashlib.sha256(csv.read_bytes()).hexdigest(),
    }
    assert json.loads(json.dumps(entry)) == entry


def test_the_ledger_names_no_folder_of_this_machine(csv: Path) -> None:
    at.load(str(csv), source="csv")
    assert str(csv.parent) not in json.dumps(at.loaded())


def test_the_ledger_cannot_be_changed_from_outside() -> None:
    apple()
    (entry,) = at.loaded().values()
    entry["rows"] = 0
    (again,) = at.loaded().values()
    assert again["rows"] == 4


def test_loads_that_differ_are_two_entries_and_the_same_load_is_one() -> None:
    apple(), apple(), apple(adjust="all"), apple(start="2005-02-25")
    assert len(at.loaded()) == 3


def test_one_flipped_byte_in_the_file_moves_its_fingerprint(csv: Path) -> None:
    at.load(str(csv), source="csv")
    (before,) = at.loaded().values()
    data = csv.read_bytes()
    place = data.index(b"44.86")
    csv.write_bytes(data[: place + 4] + b"7" + data[place + 5 :])  # 44.86 becomes 44.87
    at.load(str(csv), source="csv")
    _, after = at.loaded().values()  # The second load is an entry of its own
    assert after["file_sha256"] != before["file_sha256"] and after["bars_sha256"] != before["bars_sha256"]


def test_a_byte_outside_of_the_bars_moves_the_file_alone(csv: Path) -> None:
    at.load(str(csv), source="csv")
    (before,) = at.loaded().values()
    csv.write_bytes(csv.read_bytes().replace(b"\n", b"\r\n"))
    at.load(str(csv), source="csv")
    _, after = at.loaded().values()  # The second load is an entry of its own
    assert after["file_sha256"] != before["file_sha256"] and after["bars_sha256"] == before["bars_sha256"]


def test_the_fingerprint_sees_names_times_and_values_and_their_order() -> None:
    bars = apple()
    seen = {fingerprint(bars)}
    others = [
        bars.rename(columns={"open": "Open"}),
        bars.set_axis(bars.index + pd.Timedelta(days=1)),
        bars.assign(close=np.nextafter(bars["close"], np.inf)),
        bars[::-1],
        bars.iloc[:-1],
        bars[["high", "open", "low", "close", "volume"]],
    ]
    seen |= {fingerprint(other) for other in others}
    assert len(seen) == 1 + len(others)
    assert fingerprint(bars.copy()) == fingerprint(bars)
    assert fingerprint(bars.set_axis(bars.index.as_unit("ns"))) == fingerprint(bars)


def test_bars_carry_where_they_come_from(csv: Path) -> None:
    assert apple(adjust="all").attrs == {"symbol": "AAPL", "source": "sample", "adjust": "all"}
    assert at.load(str(csv), source="csv").attrs["symbol"] == "apple"


def test_options_stand_in_the_ledger_but_keys_and_folders_do_not(tmp_path: Path) -> None:
    options = {
        "interval": "1h",
        "asof": dt.date(2024, 1, 3),
        "levels": 3,
        "api_key": "s3cret",
        "TOKEN": "s3cret",
        "secret_key": "s3cret",
        "password": "s3cret",
        "path": str(tmp_path / "a.db"),
        "folder": tmp_path / "lake",
        "session": object(),
        "nothing": None,
    }
    plain = {"interval": "1h", "asof": "2024-01-03", "levels": 3, "path": "a.db", "folder": "lake"}
    assert plain_options(options) == plain
    at.register_source("open", lambda symbol, start, end, **options: apple())
    at.load("X", source="open", **options)
    written = json.dumps(at.loaded())
    assert "s3cret" not in written and str(tmp_path) not in written
    (name,) = [name for name in at.loaded() if name.startswith("X ")]
    assert all(f"{key} {value}" in name for key, value in plain.items())


# A source of one's own


def test_a_source_of_ones_own_gets_symbol_dates_and_options() -> None:
    asked = []

    def mine(symbol: str, start: str | None, end: str | None, colour: str = "") -> pd.DataFrame:
        asked.append((symbol, start, end, colour))
        return apple()

    at.register_source("mine", mine)
    assert find_source("mine") is mine
    at.load("X", source="mine", start="2005-02-25", colour="green")
    assert asked == [("X", "2005-02-25", None, "green")]


def test_every_built_in_source_is_there() -> None:
    assert set(sources.SOURCES) == {
        "sample",
        "csv",
        "parquet",
        "yahoo",
        "fred",
        "alpaca",
        "tiingo",
        "ccxt",
        "lake",
    }
    for name in sources.SOURCES:
        assert callable(find_source(name)), name


def test_a_source_is_asked_once_for_each_symbol() -> None:
    asked = []

    def mine(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        asked.append(symbol)
        return apple()

    at.register_source("mine", mine)
    at.load(["A", "B"], source="mine")
    assert asked == ["A", "B"]


def test_a_built_in_source_may_be_replaced() -> None:
    at.register_source("yahoo", lambda symbol, start, end: apple(), replace=True)
    assert len(at.load("SPY", source="yahoo")) == 4


def empty(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
    return apple().iloc[:0]


def test_what_load_refuses(refusal: Refusal) -> None:
    at.register_source("empty", empty)
    at.register_source("list", lambda symbol, start, end: [1, 2])
    at.register_source("thin", lambda symbol, start, end: apple()[["open", "close"]])
    cases = [
        (
            at.SourceError,
            ("AAPL",),
            {"source": "bloomberg"},
            ["'bloomberg'", "csv,", "yahoo", "register_source"],
        ),
        (at.SourceError, ("SPY",), {}, ["'SPY'", "SPX", "at.samples()"]),
        (at.SourceError, ("X",), {"source": "empty"}, ["X: no bars", "'empty'", "answer was empty"]),
        (at.SourceError, ("X",), {"source": "list"}, ["X: source 'list'", "list", "not a table"]),
        (at.BarsError, ("X",), {"source": "thin"}, ["X: no column high, low, volume", "found: open, close"]),
        (at.SourceError, ("AAPL",), {"start": "2030-01-01"}, ["AAPL: no bars from 2030-01-01", "2013-03-01"]),
        (at.SourceError, ("AAPL",), {"end": "1990-01-01"}, ["to 1990-01-01", "it has 2000-03-01"]),
        (
            at.SourceError,
            ("AAPL",),
            {"start": "2005-03-01", "end": "2005-02-01"},
            ["no bars from 2005-03-01"],
        ),
        (ValueError, ("AAPL",), {"start": "yesterday-ish"}, ["start must be a day", "'yesterday-ish'"]),
        (ValueError, ("AAPL",), {"end": "2005-02-30"}, ["end must be a day", "'2005-02-30'"]),
        (ValueError, ("AAPL",), {"adjust": "some"}, ["adjust must be", "'raw'", "got 'some'"]),
        (ValueError, ([],), {}, ["symbol must be", "list of texts", "[]"]),
        (ValueError, (["AAPL", 5],), {}, ["symbol must be", "['AAPL', 5]"]),
        (ValueError, (None,), {}, ["symbol must be", "None"]),
        (at.SourceError, (["AAPL", "NOPE"],), {}, ["'NOPE'"]),
    ]
    for kind, arguments, options, words in cases:
        sentence = refusal(kind, at.load, *arguments, **options)
        assert all(word in sentence for word in words), sentence


def test_a_refused_load_is_not_in_the_ledger(refusal: Refusal) -> None:
    refusal(at.SourceError, at.load, "AAPL", start="2030-01-01")
    assert at.loaded() == {}


def test_a_source_is_a_function(refusal: Refusal) -> None:
    sentence = refusal(ValueError, at.register_source, "sample", lambda symbol, start, end: apple())
    assert sentence == "source 'sample' is built in; give yours another name, or pass replace=True"
    for _ in range(2):  # As a notebook does whose cell is run twice
        at.register_source("mine", lambda symbol, start, end: apple())
    nameless = apple().reset_index(drop=True).rename(columns={"open": "o"})
    at.register_source("nameless", lambda symbol, start, end: nameless)
    sentence = refusal(at.SourceError, at.load, "X", source="nameless")
    assert sentence.startswith("X: no dates: source 'nameless' answered o, high, low, close, volume; call")
    assert sentence.endswith("call the column of dates time, or make it the index")
    sentence = refusal(TypeError, at.register_source, "mine", "alphatwin.mine")
    assert "source 'mine' must be a function" in sentence and "DataFrame" in sentence


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="colour"):
        at.load("AAPL", colour="green")


def test_what_a_source_counted_reaches_the_reader() -> None:
    def answer(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        table = pd.DataFrame({"close": [1.0, 2.0]}, index=pd.DatetimeIndex(["2024-01-02", "2024-01-03"]))
        table.attrs = {"empty_rows": 3, "file": None, "odd": object()}
        return table

    at.register_source("mine", answer)
    bars = at.load("X", source="mine")
    assert bars.attrs == {"empty_rows": 3, "symbol": "X", "source": "mine", "adjust": "none"}
    assert "empty_rows" not in str(at.loaded())


def test_what_a_source_counted_survives_the_cache(tmp_path: Path) -> None:
    def answer(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        table = pd.DataFrame({"close": [1.0, 2.0]}, index=pd.DatetimeIndex(["2024-01-02", "2024-01-03"]))
        table.attrs = {"empty_rows": 3}
        return table

    at.register_source("mine", answer)
    for _ in range(2):
        bars = at.load("X", source="mine", max_age="1d", cache=tmp_path)
        assert bars.attrs["empty_rows"] == 3 and bars.attrs["age"]
