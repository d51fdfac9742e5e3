"The lake: what goes in comes out, as of any day, whoever is killed in the middle."

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data import sources
from alphatwin.data.lake import Lake, current, edges, folder_name, list_vintages, note_of
from alphatwin.data.schema import BarsError
from alphatwin.data.sources import SourceError
from alphatwin.data.storing import compare, hold, merge, to_table

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]

ODD = [
    "AAPL", "aapl", "Aapl", "^GSPC", "BTC/USDT", "BTC-USD", "BRK.B", "BRK.", "AUX", "CON", "NUL", "..", ".", "...",
    "a b", " x", "ÄÖÜ", "ä", "a\u0308", "日経平均", "x'y", 'q"u', "%41", "=", "*", "?", "[A]", "a\\b", "C:", "NULL",
    "null", "2024-01-01", "007", "7", "TRUE", "nan", "__HIVE_DEFAULT_PARTITION__", "symbol=A", "~", "$HOME", "-rf", "🚀",
]  # fmt: skip


def closes(*values: float, start: str = "2024-07-01") -> pd.DataFrame:
    "A table of closes, one a day."
    days = pd.date_range(start, periods=len(values), name="time", unit="ns")
    return pd.DataFrame({"close": np.array(values, dtype="float64")}, index=days)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True, check_freq=False)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def evenings(lake: Lake) -> Lake:
    "The three evenings of the notebook: 10, 11; then 12; then 11.5 in place of 11."
    lake.write("X", closes(10, 11), known="2024-07-02", source="hand")
    lake.write("X", closes(10, 11, 12), known="2024-07-03", source="hand")
    lake.write("X", closes(10, 11.5, 12), known="2024-07-04", source="hand")
    return lake


# Names


def test_every_symbol_has_a_safe_folder_of_its_own(lake: Lake) -> None:
    for number, symbol in enumerate(ODD):
        lake.write(symbol, closes(number + 1.0), known="2024-07-02", source="hand")
    for number, symbol in enumerate(ODD):
        assert lake.read(symbol)["close"].tolist() == [number + 1.0], symbol
    assert lake.symbols() == sorted(ODD)
    assert lake.read(ODD).index.get_level_values("symbol").tolist() == ODD
    in_sql = lake.sql("select symbol, close from bars").set_index("symbol")["close"]
    assert in_sql.to_dict() == {symbol: number + 1.0 for number, symbol in enumerate(ODD)}
    names = [place.name for place in (lake.folder / "bars").iterdir()]
    assert len({name.upper() for name in names}) == len(ODD), "a disk that ignores case has them all"
    assert all(
        name.isascii() and not name.endswith(".") and not set(name) & set('<>:"/\\|?*') for name in names
    )
    assert {path.name for path in lake.folder.iterdir()} == {"bars"}, "nothing outside"


@given(st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=2, unique=True))
def test_two_symbols_have_two_folders(pair: list[str]) -> None:
    names = []
    for symbol in pair:
        try:
            names.append(folder_name(symbol))
        except ValueError as fault:
            assert "\n" not in str(fault)
    assert len({name.upper() for name in names}) == len(names)


@pytest.mark.parametrize("symbol", ["", "  ", "A\nB", "A\0B", "\ud800", None, 7])
def test_what_is_no_symbol(lake: Lake, symbol: str, refusal: Refusal) -> None:
    assert "a symbol is a text such as" in refusal(ValueError, lake.write, symbol, closes(1.0))


def test_a_symbol_that_is_too_long_for_a_disk(lake: Lake, refusal: Refusal) -> None:
    assert "too long" in refusal(ValueError, lake.write, "X" * 300, closes(1.0))
    assert "too long" in refusal(ValueError, lake.write, "日" * 30, closes(1.0))
    lake.write("X" * 190, closes(1.0))


# Moments


@pytest.mark.parametrize(
    ("moment", "first", "last"),
    [
        ("2024", "2024-01-01", "2024-12-31 23:59:59.999999999"),
        ("2024-02", "2024-02-01", "2024-02-29 23:59:59.999999999"),
        ("2024-02-03", "2024-02-03", "2024-02-03 23:59:59.999999999"),
        (pd.Timestamp("2024-02-03"), "2024-02-03", "2024-02-03 23:59:59.999999999"),
        (pd.Timestamp("2024-02-03").date(), "2024-02-03", "2024-02-03 23:59:59.999999999"),
        ("2024-02-03 15:00", "2024-02-03 15:00", "2024-02-03 15:00"),
        ("2024-02-03T15:00:00.000000001", "2024-02-03 15:00:00.000000001", "2024-02-03 15:00:00.000000001"),
        ("2024-02-03 15:00+02:00", "2024-02-03 13:00", "2024-02-03 13:00"),
        (pd.Timestamp("2024-02-03", tz="America/New_York"), "2024-02-03 05:00", "2024-02-03 05:00"),
    ],
)
def test_edges(moment: str, first: str, last: str) -> None:
    assert edges(moment) == (pd.Timestamp(first), pd.Timestamp(last))


@pytest.mark.parametrize(
    "moment", ["", "hello", "2024-13", "2024-02-30", 2024, 20240131, 1.5, pd.NaT, "NaT", None, ["2024"]]
)
def test_what_is_no_moment(evenings: Lake, moment: str, refusal: Refusal) -> None:
    assert "start must be a day or a moment" in refusal(ValueError, edges, moment, "start")
    if moment is not None:
        assert "asof must be a day or a moment" in refusal(
            ValueError, lambda: evenings.read("X", asof=moment)
        )


# Answers as of a day


@pytest.mark.parametrize(
    ("asof", "answer"),
    [
        ("2024-07-02", [10, 11]),
        ("2024-07-03 23:59:59.999998", [10, 11]),
        ("2024-07-03 23:59:59.999999", [10, 11, 12]),
        ("2024-07-03", [10, 11, 12]),
        (pd.Timestamp("2024-07-03"), [10, 11, 12]),
        ("2024-07-03 20:00-04:00", [10, 11, 12]),
        ("2024-07-03 19:59-04:00", [10, 11]),
        ("2024-07-04", [10, 11.5, 12]),
        ("2024-07", [10, 11.5, 12]),
        ("2030", [10, 11.5, 12]),
        (None, [10, 11.5, 12]),
    ],
)
def test_as_of(evenings: Lake, asof: str | None, answer: list[float]) -> None:
    assert evenings.read("X", asof=asof)["close"].tolist() == answer
    same(at.load("X", source="lake", folder=evenings.folder, asof=asof), evenings.read("X", asof=asof))
    assert evenings.sql("select close from bars order by time", asof=asof)["close"].tolist() == answer


def test_a_moment_within_the_day(lake: Lake) -> None:
    lake.write("X", closes(1), known="2024-07-01 15:00", source="hand")
    lake.write("X", closes(2), known="2024-07-01 15:00:00.000001", source="hand")
    assert lake.read("X", asof="2024-07-01 15:00")["close"].tolist() == [1]
    assert lake.read("X", asof="2024-07-01")["close"].tolist() == [2]


def test_nothing_was_known_yet(evenings: Lake, refusal: Refusal) -> None:
    sentence = refusal(SourceError, lambda: evenings.read("X", asof="2024-07-01"))
    assert sentence == "X: nothing was known as of 2024-07-01; its first vintage is of 2024-07-02 23:59"
    assert "nothing was known" in refusal(SourceError, lambda: evenings.read(["X"], asof="2024-07-01"))


def test_what_is_not_there_says_what_is(lake: Lake, refusal: Refusal) -> None:
    assert "which holds nothing yet; alphatwin data update MSFT" in refusal(SourceError, lake.read, "MSFT")
    for letter in "ABCDEFGHIJ":
        lake.write(letter, closes(1.0))
    assert "which holds A, B, C, D, E, F, G, H, ...; alph" in refusal(SourceError, lake.read, "MSFT")
    assert "at least one symbol" in refusal(ValueError, lake.read, [])
    for odd in (7, None, ["A", 7]):
        assert "a symbol is a text such as" in refusal(ValueError, lake.read, odd)
    same(lake.read(("A", "B")), lake.read(pd.Index(["A", "B"])))
    assert not (lake.folder / "bars" / folder_name("MSFT")).exists(), "asking leaves nothing behind"


# What a write does


def test_what_three_evenings_leave_on_the_disk(evenings: Lake) -> None:
    files = list_vintages(evenings.folder, "X")
    assert [(file.kind, note_of(file)["rows"]) for file in files] == [
        ("whole", 2),
        ("append", 1),
        ("whole", 3),
    ]
    assert [file.kind for file in current(files)] == ["whole"]
    assert [file.kind for file in current(files, edges("2024-07-03")[1])] == ["whole", "append"]


def test_a_second_write_changes_nothing(lake: Lake, aapl: pd.DataFrame) -> None:
    assert str(lake.write("AAPL", aapl)) == "AAPL: 3,270 new rows"
    before = {path: path.stat().st_mtime_ns for path in lake.folder.rglob("*.parquet")}
    for part in (aapl, aapl[-1:], aapl[100:200], aapl[::-1]):
        assert lake.write("AAPL", part).kind == "unchanged"
    assert {path: path.stat().st_mtime_ns for path in lake.folder.rglob("*.parquet")} == before


@pytest.mark.parametrize(
    ("download", "kind", "numbers", "answer"),
    [
        (closes(10, 11, 12, 13), "append", (1, 0, 0), [10, 11, 12, 13]),
        (closes(13, 14, start="2024-07-04"), "append", (2, 0, 0), [10, 11, 12, 13, 14]),
        (closes(12, 13, start="2024-07-03"), "append", (1, 0, 0), [10, 11, 12, 13]),
        (closes(10, 11, 12.5), "whole", (0, 1, 0), [10, 11, 12.5]),
        (closes(12.5, 13, start="2024-07-03"), "whole", (1, 1, 0), [10, 11, 12.5, 13]),
        (closes(10, 11, 12)[::2], "whole", (0, 0, 1), [10, 12]),
        (closes(9, 10, start="2024-06-30"), "whole", (1, 0, 0), [9, 10, 11, 12]),
        (closes(8, start="2024-06-29"), "whole", (1, 0, 0), [8, 10, 11, 12]),
        (closes(11, start="2024-07-02"), "unchanged", (0, 0, 0), [10, 11, 12]),
        (closes(10, 12)[1:], "whole", (0, 1, 0), [10, 12, 12]),
        (closes(10, np.nan, 12), "whole", (0, 1, 0), [10, np.nan, 12]),
    ],
)
def test_what_a_download_does(
    lake: Lake, download: pd.DataFrame, kind: str, numbers: tuple[int, int, int], answer: list[float]
) -> None:
    lake.write("X", closes(10, 11, 12), source="hand")
    done = lake.write("X", download, source="hand")
    assert (done.kind, (done.rows, done.moved, done.gone)) == (kind, numbers)
    np.testing.assert_array_equal(lake.read("X")["close"], answer)


def test_nan_equals_nan_and_zero_equals_minus_zero(lake: Lake) -> None:
    lake.write("X", closes(np.nan, 0.0, np.inf), source="hand")
    assert lake.write("X", closes(np.nan, -0.0, np.inf), source="hand").kind == "unchanged"
    assert lake.write("X", closes(np.nan, -0.0, -np.inf), source="hand").moved == 1


def test_the_words_for_it(lake: Lake) -> None:
    assert str(lake.write("X", closes(10), source="hand")) == "X: 1 new row"
    assert str(lake.write("X", closes(10), source="hand")) == "X: unchanged"
    done = lake.write("X", closes(11, 12, 13), source="hand")
    assert str(done) == "X: new vintage, 1 cell moved, 0 rows gone, 2 new rows"
    done = lake.write("X", closes(11, 12, 14)[::2], source="hand")
    assert str(done) == "X: new vintage, 1 cell moved, 1 row gone, 0 new rows"


def test_compaction_changes_no_answer(lake: Lake, aapl: pd.DataFrame) -> None:
    other = Lake(lake.folder.parent / "other")
    for day in range(12):
        known = f"2024-03-{day + 1:02d}"
        lake.write("AAPL", aapl[: day + 1], known=known, most=3)
        other.write("AAPL", aapl[: day + 1], known=known, most=100)
    kinds = [[file.kind[0] for file in list_vintages(place.folder, "AAPL")] for place in (lake, other)]
    assert "".join(kinds[0]) == "waaawaaawaaa" and "".join(kinds[1]) == "w" + 11 * "a"
    for day in range(12):
        known = f"2024-03-{day + 1:02d}"
        same(lake.read("AAPL", asof=known), aapl[: day + 1])
        same(other.read("AAPL", asof=known), aapl[: day + 1])


# The same as written


def test_bars_come_back_to_the_last_bit(lake: Lake, market: Market) -> None:
    raw = at.load("AAPL", adjust="raw")
    lake.write("AAPL", raw)
    same(lake.read("AAPL"), raw)
    assert lake.read("AAPL").attrs == {"symbol": "AAPL", "source": "sample", "adjust": "none"}
    for adjust in ("none", "all", "raw"):
        same(
            at.load("AAPL", source="lake", folder=lake.folder, adjust=adjust), at.load("AAPL", adjust=adjust)
        )
    odd = market(1).assign(dividend=np.nan, split=[1.0, *[0.1 + 0.2] * 59])
    odd.iloc[3] = [np.nan, np.inf, -np.inf, 5e-324, -0.0, np.nan, 1e308]
    lake.write("ODD", odd)
    same(lake.read("ODD"), odd)
    assert np.signbit(lake.read("ODD")["volume"].iloc[3])


def test_intraday_bars_are_utc_and_keep_their_nanoseconds(lake: Lake, market: Market) -> None:
    bars = market(2, tz="America/New_York")
    bars.index = bars.index + pd.to_timedelta(np.arange(60), "ns")
    lake.write("X", bars)
    got = lake.read("X")
    assert str(got.index.tz) == "UTC" and (got.index == bars.index).all()
    same(lake.read(["X"]).loc["X"], got)
    same(lake.read("X", start=got.index[10], end=got.index[12]), got[10:13])
    assert lake.write("X", bars[-3:]).kind == "unchanged"


def test_one_bar_at_midnight_stays_intraday(lake: Lake, market: Market) -> None:
    lake.write("X", market(2, length=40, tz="UTC"))
    midnight = lake.read("X", start="2015-01-06", end="2015-01-06 00:30")
    assert len(midnight) == 1 and str(midnight.index.tz) == "UTC"


def test_daily_and_intraday_are_not_mixed(lake: Lake, market: Market, refusal: Refusal) -> None:
    lake.write("D", market(1))
    lake.write("H", market(1, tz="UTC"))
    assert (
        refusal(ValueError, lake.read, ["D", "H"]) == "D, H: some are daily, some intraday; read them apart"
    )
    assert "bars daily and intraday do not mix" in refusal(ValueError, lake.write, "D", market(1, tz="UTC"))


def test_several_symbols_make_a_long_table(lake: Lake) -> None:
    names = ["MSFT", "FB", "AAPL"]
    for name in names:
        lake.write(name, at.load(name))
    same(lake.read(names), at.load(names))
    same(lake.read([*names, "FB"]), at.load(names))
    part = at.load(names, start="2012-06-01", end="2012-06")
    same(lake.read(names, start="2012-06-01", end="2012-06"), part)
    same(lake.read(names, start="2012-06-01", end="2012-06-30").loc["FB"], part.loc["FB"])


def test_columns_that_only_some_have(lake: Lake, market: Market) -> None:
    lake.write("A", market(1).assign(dividend=0.5))
    lake.write("B", market(2))
    lake.write("C", market(3)[["close"]])
    table = lake.read(["C", "A", "B"])
    assert list(table.columns) == ["open", "high", "low", "close", "volume", "dividend"]
    same(table.loc["A"], market(1).assign(dividend=0.5))
    same(table.loc["B"].drop(columns="dividend"), market(2))
    same(table.loc["C"][["close"]], market(3)[["close"]])
    assert table.loc["B"]["dividend"].isna().all() and table.loc["C"]["open"].isna().all()
    same(lake.read("C"), market(3)[["close"]])


def test_a_column_that_appears_makes_a_new_vintage(lake: Lake, market: Market) -> None:
    lake.write("A", market(1)[:50])
    done = lake.write("A", market(1).assign(dividend=0.0)[40:])
    assert (done.kind, done.moved, done.rows) == ("whole", 10, 10)
    assert lake.read("A")["dividend"].isna().sum() == 40
    done = lake.write("B", market(1)[:50])
    done = lake.write("B", market(1).assign(dividend=0.0)[50:])
    assert (done.kind, done.moved, done.rows) == ("whole", 0, 10)


def test_start_and_end(lake: Lake, aapl: pd.DataFrame, refusal: Refusal) -> None:
    lake.write("AAPL", aapl)
    for start, end in (
        ("2005", None),
        (None, "2001-03"),
        ("2005-02-26", "2005-03-01"),
        ("2005-02-28", "2005-02-28"),
    ):
        same(lake.read("AAPL", start, end), aapl.loc[start:end])
    sentence = refusal(SourceError, lambda: lake.read("AAPL", start="2030-01-01"))
    assert (
        sentence == "AAPL: no bars from 2030-01-01 to the end in the lake; without start and end it gives all"
    )
    lake.write("FB", at.load("FB"))
    assert "FB: no bars from the start to 2005" in refusal(
        SourceError, lambda: lake.read(["AAPL", "FB"], end="2005")
    )


# What cannot be stored


def test_what_cannot_be_stored(evenings: Lake, aapl: pd.DataFrame, refusal: Refusal) -> None:
    before = sorted(evenings.folder.rglob("*.parquet"))
    good = closes(10, 11, 12, 13)
    assert "no rows" in refusal(BarsError, evenings.write, "X", good[:0])
    assert "two rows for 2024-07-02" in refusal(BarsError, evenings.write, "X", good.iloc[[0, 1, 1]])
    assert "expected a pandas DataFrame, got list" in refusal(BarsError, evenings.write, "X", [1, 2])
    assert "no column" in refusal(BarsError, evenings.write, "X", aapl[["open", "close"]])
    again = refusal(ValueError, lambda: evenings.write("X", good, known="2024-07-04", source="hand"))
    assert (
        "known=2024-07-04 is not after the last vintage (2024-07-04 23:59:59.999999); write in order" in again
    )
    assert "is not after" in refusal(
        ValueError, lambda: evenings.write("X", good, known="2023", source="hand")
    )
    assert "not over yet" in refusal(
        ValueError, lambda: evenings.write("X", good, known="2199-01-01", source="hand")
    )
    today = pd.Timestamp.now("UTC").date()
    assert "not over yet" in refusal(
        ValueError, lambda: evenings.write("X", good, known=today, source="hand")
    )
    assert "known must be a day" in refusal(
        ValueError, lambda: evenings.write("X", good, known="soon", source="hand")
    )
    assert sorted(evenings.folder.rglob("*.parquet")) == before


def test_an_old_moment_with_nothing_new_is_no_fault(evenings: Lake) -> None:
    assert evenings.write("X", closes(10, 11.5), known="2020-01-01", source="hand").kind == "unchanged"


def test_without_a_moment_it_is_now_and_always_later(lake: Lake) -> None:
    begin = pd.Timestamp.now("UTC").tz_localize(None).floor("us")
    for price in range(5):
        lake.write("X", closes(price), source="hand")
    known = [file.known for file in list_vintages(lake.folder, "X")]
    assert begin <= known[0] and known[-1] <= pd.Timestamp.now("UTC").tz_localize(None)
    assert len(known) == 5 and known == sorted(set(known))


def test_two_sources_are_not_sewn_together(lake: Lake, aapl: pd.DataFrame, refusal: Refusal) -> None:
    lake.write("AAPL", aapl, source="one")
    for part in (aapl[-10:], aapl[:10], aapl[10:]):
        sentence = refusal(ValueError, lambda part=part: lake.write("AAPL", part * 2, source="two"))
        assert "AAPL: source one and two do not mix" in sentence
    sentence = refusal(ValueError, lambda: lake.write("AAPL", aapl[-10:], source="one", adjust="all"))
    assert "adjust none and all do not mix" in sentence
    assert lake.write("AAPL", aapl * 2, source="two").moved == 5 * len(aapl)
    assert note_of(list_vintages(lake.folder, "AAPL")[-1])["source"] == "two"


def test_closes_never_replace_bars(lake: Lake, aapl: pd.DataFrame, refusal: Refusal) -> None:
    lake.write("AAPL", aapl)
    lake.write("C", aapl[["close"]])
    for symbol, part in (
        ("AAPL", aapl[["close"]]),
        ("AAPL", aapl[["close"]][-5:]),
        ("C", aapl),
        ("C", aapl[-5:]),
    ):
        sentence = refusal(ValueError, lake.write, symbol, part)
        assert f"{symbol}: holds " in sentence and "do not mix" in sentence
    same(lake.read("AAPL"), aapl)
    same(lake.read("C"), aapl[["close"]])


def test_adjusted_bars_are_read_but_not_loaded_as_traded(lake: Lake, refusal: Refusal) -> None:
    adjusted = at.load("AAPL", adjust="all")
    lake.write("AAPL", adjusted)
    same(lake.read("AAPL"), adjusted)
    sentence = refusal(SourceError, lambda: at.load("AAPL", source="lake", folder=lake.folder))
    assert sentence == "AAPL: the lake holds it adjusted, not as traded; Lake.read reads it as it is"


# Comparing


def test_compare_by_hand() -> None:
    change = compare(closes(10, 11), closes(10, 11.5, 12))
    assert change.moved.to_dict("records") == [
        {
            "time": pd.Timestamp("2024-07-02"),
            "column": "close",
            "before": 11.0,
            "after": 11.5,
            "relative": 11.5 / 11 - 1,
        }
    ]
    assert change.added.tolist() == [pd.Timestamp("2024-07-03")] and change.gone.empty
    assert change.summary == "1 cell moved in close (at most 4.55%), 1 row added, 0 rows gone"
    back = compare(closes(10, 11.5, 12), closes(10, 11))
    assert back.gone.tolist() == change.added.tolist() and back.added.empty
    assert compare(closes(1), closes(1)).summary == "no cell moved, 0 rows added, 0 rows gone"


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_merging_is_replacing_what_the_download_covers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = pd.date_range("2024-01-01", periods=12, name="time", unit="ns")

    def some() -> pd.DataFrame:
        rows = rng.random(12) < 0.5
        rows[rng.integers(12)] = True
        return pd.DataFrame({"close": rng.integers(1, 4, rows.sum()).astype("float64")}, index=days[rows])

    held, new = some(), some()
    kind, rows, change = merge(held, new)
    expected = {day: held["close"][day] for day in held.index if not new.index[0] <= day <= new.index[-1]}
    expected |= new["close"].to_dict()
    got = held["close"].to_dict() if kind != "whole" else {}
    assert kind != "append" or rows.index[0] > held.index[-1]
    got |= rows["close"].to_dict()
    assert got == expected and list(got) == sorted(got)
    assert (kind == "unchanged") == (expected == held["close"].to_dict())
    assert (len(change.moved) + len(change.added) + len(change.gone) == 0) == (kind == "unchanged")


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=8)
def test_the_past_never_changes(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    "Random downloads against a plain model: a dictionary of all answers ever given."
    rng, told = np.random.default_rng(seed), {}
    lake = Lake(tmp_path_factory.mktemp("lake"))
    days = pd.date_range("2024-01-01", periods=10, name="time", unit="ns")
    model: dict[pd.Timestamp, float] = {}
    for step in range(12):
        rows = np.sort(rng.choice(10, int(rng.integers(1, 10)), replace=False))
        part = pd.DataFrame({"close": rng.integers(1, 3, len(rows)).astype("float64")}, index=days[rows])
        model = {day: price for day, price in model.items() if not part.index[0] <= day <= part.index[-1]}
        model = dict(sorted((model | part["close"].to_dict()).items()))
        moment = f"2025-01-01 12:{step:02d}"
        lake.write("X", part, known=moment, source="model", most=2)
        told[moment] = dict(model)
        assert lake.read("X")["close"].to_dict() == model
    for moment, answer in told.items():
        assert lake.read("X", asof=moment)["close"].to_dict() == answer


# Files that somebody spoilt


def test_a_damaged_file_is_named(evenings: Lake, refusal: Refusal) -> None:
    path = list_vintages(evenings.folder, "X")[-1].path
    whole = path.read_bytes()
    for spoilt in (b"", whole[:100], whole[:-1], b"PAR1" + whole[4:-60] + b"\xff" * 60, b"<html>"):
        path.write_bytes(spoilt)
        sentence = refusal(SourceError, evenings.read, "X")
        assert path.name in sentence and "damaged" in sentence and "restore it" in sentence
        assert evenings.read("X", asof="2024-07-03")["close"].tolist() == [10, 11, 12], (
            "the others still answer"
        )
    path.write_bytes(whole[:4] + b"\x00" * 60 + whole[64:])
    assert refusal(SourceError, evenings.read, "X").startswith("X: a file is damaged: ")
    path.unlink()
    assert evenings.read("X")["close"].tolist() == [10, 11, 12]


def test_what_does_not_belong_there_is_not_read(evenings: Lake, refusal: Refusal) -> None:
    place = list_vintages(evenings.folder, "X")[0].path.parent
    for name in (
        ".DS_Store",
        "notes.txt",
        "20240705-whole.parquet",
        ".20240705T000000000000Z-whole.parquet.1.part",
    ):
        (place / name).write_text("x")
    (evenings.folder / "bars" / "symbol=EMPTY").mkdir()
    assert evenings.symbols() == ["X"] and len(evenings.read("X")) == 3
    copied = place / "20240705T000000000000Z-append.parquet"
    copied.write_bytes(list_vintages(evenings.folder, "X")[-1].path.read_bytes())
    assert refusal(SourceError, evenings.read, "X") == "X: rows overlap; was a file put there by hand?"
    copied.write_bytes(list_vintages(evenings.folder, "X")[1].path.read_bytes())
    assert "X: rows overlap" in refusal(SourceError, evenings.read, "X"), "one day twice"


def test_the_next_writer_sweeps_halves_away(evenings: Lake) -> None:
    half = list_vintages(evenings.folder, "X")[0].path.parent / ".20240705T000000000000Z-whole.parquet.1.part"
    half.write_bytes(b"PAR1")
    assert len(evenings.read("X")) == 3 and half.exists()
    assert evenings.write("X", closes(10, 11.5, 12), source="hand").kind == "unchanged" and not half.exists()


def test_other_programs_can_read_it(evenings: Lake) -> None:
    table = pq.read_table(list_vintages(evenings.folder, "X")[-1].path.resolve(), partitioning=None)
    assert table.column("close").to_pylist() == [10, 11.5, 12]
    assert table.schema.field("time").type.unit == "ns"
    note = json.loads(table.schema.metadata[b"alphatwin"])
    assert (note["source"], note["first"], note["moved"]) == ("hand", "2024-07-01 00:00:00", 1)
    assert {group.column(0).compression for group in [pq.ParquetFile(
        list_vintages(evenings.folder, "X")[-1].path).metadata.row_group(0)]} == {"ZSTD"}  # fmt: skip


# Folder, extra, source


def test_where_the_lake_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("ALPHATWIN_LAKE", raising=False)
    assert Lake().folder == tmp_path / "home/.local/share/alphatwin/lake"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert Lake().folder == tmp_path / "data/alphatwin/lake"
    monkeypatch.setenv("ALPHATWIN_LAKE", str(tmp_path / "mine"))
    assert Lake().folder == tmp_path / "mine" and Lake("~/x").folder == tmp_path / "home/x"
    assert "symbol=" in refusal(ValueError, Lake, tmp_path / "symbol=A" / "lake")
    assert not (tmp_path / "mine").exists(), "naming a lake makes no folder"
    (tmp_path / "bars.csv").write_text("time,close")
    sentence = refusal(ValueError, Lake, tmp_path / "bars.csv")
    assert sentence.startswith("a lake is a folder (no file") and sentence.endswith("bars.csv")
    Lake().write("X", closes(1.0))
    assert len(at.load("X", source="lake")) == 1


@pytest.mark.parametrize(
    "name", ["with space", "quo'te", 'dou"ble', "a[1]b", "st*r", "q?m", "br{a,b}", "ümlaut", "a=b", "%41"]
)
def test_a_lake_in_an_odd_folder(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path / name)
    lake.write("X", closes(1, 2), source="hand")
    lake.write_table("notes", pd.DataFrame({"note": [1]}))
    assert lake.read("X")["close"].tolist() == [1, 2]
    assert lake.sql("select close, note from bars, notes order by time")["close"].tolist() == [1, 2]
    assert len(lake.sql("from bars_history")) == 2


def test_without_duckdb(evenings: Lake, monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    importlib.import_module("alphatwin.data.lake")._reader.cache_clear()
    assert refusal(SourceError, evenings.read, "X").endswith("pip install 'alphatwin[lake]'")
    assert refusal(SourceError, evenings.sql, "select 1").endswith("pip install 'alphatwin[lake]'")
    fresh = Lake(evenings.folder.parent / "fresh")
    assert "needs DuckDB" in refusal(SourceError, fresh.write, "X", closes(1.0))
    assert not fresh.folder.exists(), "what could not be read again is not stored"


def test_the_lake_is_imported_without_duckdb() -> None:
    code = "import sys, alphatwin.data.lake, alphatwin.data.storing, alphatwin.data.vintages; print('duckdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_source_is_registered(evenings: Lake) -> None:
    assert sources.find_source("lake") is importlib.import_module("alphatwin.data.lake").load_lake
    both = at.load(["X"], source="lake", folder=evenings.folder, asof="2024-07-02")
    assert both.loc["X"]["close"].tolist() == [10, 11]
    assert str(evenings.folder) not in json.dumps(at.loaded()), "the ledger names no folder of this machine"


@pytest.mark.slow
def test_the_answer_does_not_depend_on_the_time_zone(evenings: Lake) -> None:
    code = (
        f"from alphatwin.data.lake import Lake; lake = Lake({str(evenings.folder)!r});"
        "print(lake.read('X', asof='2024-07-03')['close'].tolist(), lake.sql('select known from vintages').to_dict())"
    )
    said = set()
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        environment = os.environ | {"TZ": zone}
        said.add(
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, env=environment
            ).stdout
        )
    assert len(said) == 1 and "[10.0, 11.0, 12.0]" in said.pop()


def test_to_table_takes_what_sources_answer() -> None:
    table = pd.DataFrame({"Date": ["2024-07-02", "2024-07-01"], "Close": [11, 10]})
    same(to_table("X", table), closes(10, 11))


# Killed writers and two at once

WRITER = """
    import os, sys
    import duckdb, pyarrow.parquet
    import numpy as np, pandas as pd
    from alphatwin.data.lake import Lake
    lake = Lake(sys.argv[1])
    days = pd.date_range("1900-01-01", periods=10_000, name="time")
    noise = np.random.default_rng(0).integers(0, 2**40, (10_000, 5)).astype("float64")
    names = ["open", "high", "low", "close", "volume"]
    for line in sys.stdin:
        child = os.fork()
        if child:
            os.write(1, f"child {child}\\n".encode())
            os.waitpid(child, 0)
            os.write(1, b"dead\\n")
            continue
        number = int(line)
        while True:
            number += 1
            table = pd.DataFrame(noise + number, index=days, columns=names)
            lake.write("X", table, source="writer")
            os.write(1, f"{number}\\n".encode())
"""


def start(script: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_or_the_new_version_whole(lake: Lake) -> None:
    "One program starts a writer again and again; each promises a number once it is written, and is killed."
    rng, last, left = random.Random(5), 0, 0
    noise = np.random.default_rng(0).integers(0, 2**40, (10_000, 5)).astype("float64")
    place = lake.folder / "bars" / folder_name("X")
    parent = start(WRITER, lake.folder)
    assert parent.stdin is not None and parent.stdout is not None
    for turn in range(30):
        parent.stdin.write(f"{last}\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline().split()[1])
        promised = last
        for _ in range(rng.randrange(3)):
            promised = int(parent.stdout.readline())
        give_up = time.monotonic() + 10
        while turn % 2 and time.monotonic() < give_up:  # Every other time it is killed while it writes
            if place.is_dir() and any(name.endswith(".part") for name in os.listdir(place)):
                break
        time.sleep(rng.uniform(0, 0.004 if turn % 2 else 0.1))
        os.kill(child, signal.SIGKILL)
        while (line := parent.stdout.readline()) != "dead\n":
            promised = int(line)
        left += len(list(place.glob(".*.part")))
        if promised == 0 and not lake.symbols():
            continue
        read = np.unique(lake.read("X").to_numpy() - noise)
        assert len(read) == 1, "whole"
        last = int(read[0])
        assert last in (promised, promised + 1), "what was promised is there"
    parent.communicate()
    assert left > 2, "some were killed in the middle of a file"
    files = list_vintages(lake.folder, "X")
    assert len(files) == last > 20, "each number is one file"
    for number, file in list(enumerate(files, 1))[::5]:
        assert np.unique(lake.read("X", asof=file.known).to_numpy() - noise).tolist() == [number]
    begin = time.monotonic()
    lake.write("X", lake.read("X") + 1, source="writer")
    assert time.monotonic() - begin < 10, "the lock of a killed writer holds nobody up"
    assert not list(place.glob(".*.part")), f"{left} halves are swept away"


DAYS = """
    import sys, time
    import pandas as pd
    from alphatwin.data.lake import Lake
    lake, first = Lake(sys.argv[1]), int(sys.argv[2])
    print("ready", flush=True)
    time.sleep(max(0, float(sys.argv[3]) - time.time()))
    for number in range(first, 40, 2):
        day = pd.DatetimeIndex([pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)], name="time")
        lake.write("X", pd.DataFrame({"close": [float(number)]}, index=day), source="both")
"""


@pytest.mark.slow
def test_two_writers_at_once_lose_nothing(lake: Lake) -> None:
    begin = time.time() + 2.5
    both = [start(DAYS, lake.folder, first, begin) for first in (0, 1)]
    while any(one.poll() is None for one in both):
        if lake.symbols():
            seen = lake.read("X")["close"]
            assert seen.index.is_monotonic_increasing and len(seen) <= 40
    assert [one.wait() for one in both] == [0, 0]
    for one in both:
        assert one.stdout is not None
        one.stdout.close()
    assert lake.read("X")["close"].tolist() == list(map(float, range(40)))
    files = list_vintages(lake.folder, "X")
    assert len(files) == 40 and len({file.known for file in files}) == 40


HOLDER = """
    import sys, time
    from pathlib import Path
    from alphatwin.data.storing import hold
    with hold(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_lock_holds_others_up_only_while_its_holder_lives(lake: Lake, refusal: Refusal) -> None:
    place = lake.folder / "bars" / folder_name("X")
    holder = start(HOLDER, place)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"

    def take() -> None:
        with hold(place, wait=0.2):
            pass

    assert refusal(SourceError, take) == (
        "symbol=X: another program has been writing it for 0.2 s; wait, or end it"
    )
    lake.write("Y", closes(1.0))
    holder.kill()
    holder.communicate()
    take()
    lake.write("X", closes(1.0))
    assert lake.symbols() == ["X", "Y"]
