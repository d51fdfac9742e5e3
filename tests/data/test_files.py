"Bars from files: layouts of all kinds give the same bars, and what is unreadable says so."

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.files import read_messy

Refusal = Callable[..., str]
HEAD = "open,high,low,close,volume"
ROWS = ["10,12,9,11,100", "11,13,10,12,200", "12,14,11,13,300"]
DAYS = ["2024-01-30", "2024-01-31", "2024-02-01"]


def three() -> pd.DataFrame:
    time = pd.DatetimeIndex(DAYS, name="time").as_unit("ns")
    values = [[float(cell) for cell in row.split(",")] for row in ROWS]
    return pd.DataFrame(values, index=time, columns=HEAD.split(","))


def lines(head: str, first: list[str], rows: list[str]) -> str:
    return "\n".join([head, *(f"{day},{row}" for day, row in zip(first, rows, strict=True))]) + "\n"


LAYOUTS = {
    "plain": lines(f"time,{HEAD}", DAYS, ROWS),
    "yahoo": lines(
        "Date,Open,High,Low,Close,Adj Close,Volume",
        DAYS,
        ["10,12,9,11,10.5,100", "11,13,10,12,11.5,200", "12,14,11,13,13,300"],
    ),
    "unnamed index": lines(f",{HEAD}", DAYS, ROWS),
    "another name": lines(f"Day,{HEAD}", DAYS, ROWS),
    "upper case": lines(f"TIMESTAMP,{HEAD.upper()}", DAYS, ROWS),
    "date last": "\n".join(
        [f"{HEAD},Datetime", *(f"{row},{day}" for day, row in zip(DAYS, ROWS, strict=True))]
    ),
    "spaces in the names": lines("Date , Open, High , Low,Close , Volume", DAYS, ROWS),
    "byte order mark": "\ufeff" + lines(f"Date,{HEAD}", DAYS, ROWS),
    "windows": lines(f"Date,{HEAD}", DAYS, ROWS).replace("\n", "\r\n"),
    "one symbol": lines(f"Date,Ticker,{HEAD}", DAYS, [f"ABC,{row}" for row in ROWS]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_bars(layout: str, tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(LAYOUTS[layout], encoding="utf-8", newline="")
    pd.testing.assert_frame_equal(at.load(str(file), source="csv"), three(), check_freq=False)


def test_compressed_csv(tmp_path: Path) -> None:
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(LAYOUTS["plain"].encode()))
    pd.testing.assert_frame_equal(
        at.load(str(tmp_path / "bars.csv.gz"), source="csv"), three(), check_freq=False
    )


@pytest.mark.parametrize("layout", ["index", "column", "unnamed"])
def test_parquet(layout: str, tmp_path: Path) -> None:
    table = {
        "index": three(),
        "column": three().rename_axis("Date").reset_index(),
        "unnamed": three().rename_axis(None),
    }[layout]
    table.to_parquet(tmp_path / "bars.parquet")
    bars = at.load(str(tmp_path / "bars.parquet"), source="parquet")
    pd.testing.assert_frame_equal(bars, three(), check_freq=False)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_what_is_saved_comes_back_bit_for_bit(ending: str, tmp_path: Path, aapl: pd.DataFrame) -> None:
    file = tmp_path / f"aapl.{ending}"
    aapl.to_parquet(file) if ending == "parquet" else aapl.to_csv(file)
    again = at.load(str(file), source=ending.split(".")[0])
    pd.testing.assert_frame_equal(again, aapl, check_exact=True, check_freq=False)


def test_moments_come_back_as_moments(tmp_path: Path, market: Callable[..., pd.DataFrame]) -> None:
    hours = market(3, 30, "UTC")
    hours.tz_convert("America/New_York").to_parquet(tmp_path / "hours.parquet")
    again = at.load(str(tmp_path / "hours.parquet"), source="parquet")
    pd.testing.assert_frame_equal(again, hours, check_exact=True, check_freq=False)


def test_a_path_beside_a_name(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(LAYOUTS["plain"])
    bars = at.load("MINE", source="csv", path=str(tmp_path / "bars.csv"))
    assert bars.attrs["symbol"] == "MINE"
    (entry,) = at.loaded().values()
    assert entry["symbol"] == "MINE" and entry["file"] == "bars.csv"


LONG = lines(f"Date,Symbol,{HEAD}", DAYS, [f"ABC,{row}" for row in ROWS]) + "\n".join(
    f"{day},XYZ,1,1,1,1,{i}" for i, day in enumerate(DAYS)
)


def test_one_symbol_of_a_long_file(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(LONG)
    bars = at.load("ABC", source="csv", path=str(tmp_path / "long.csv"))
    pd.testing.assert_frame_equal(bars, three(), check_freq=False)
    assert at.load("XYZ", source="csv", path=str(tmp_path / "long.csv"))["volume"].tolist() == [0, 1, 2]


def test_several_symbols_of_a_long_file(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(LONG)
    both = at.load(["XYZ", "ABC"], source="csv", path=str(tmp_path / "long.csv"))
    pd.testing.assert_frame_equal(both.loc["ABC"], three(), check_freq=False)


def test_symbols_that_look_like_numbers(tmp_path: Path) -> None:
    (tmp_path / "tokyo.csv").write_text(LONG.replace("ABC", "7203").replace("XYZ", "9984"))
    bars = at.load("7203", source="csv", path=str(tmp_path / "tokyo.csv"))
    pd.testing.assert_frame_equal(bars, three(), check_freq=False)


# What is refused


REFUSED: list[tuple[str, bytes, type[Exception], list[str]]] = [
    ("none.csv", b"", at.SourceError, ["none.csv is empty", "0 bytes"]),
    ("head.csv", f"date,{HEAD}\n".encode(), at.SourceError, ["no bars", "empty"]),
    ("cols.csv", b"date,open,close\n2024-01-30,1,2\n", at.BarsError, ["no column high, low, volume"]),
    ("nums.csv", f"{HEAD}\n{ROWS[0]}\n".encode(), at.SourceError, ["nums.csv: no column of dates", "open"]),
    (
        "text.csv",
        LAYOUTS["plain"].replace("13,10", "n/k,10").encode(),
        at.BarsError,
        ["high on 2024-01-31", "'n/k'"],
    ),
    ("bad.csv", b'date,open\n"2024', at.SourceError, ["bad.csv: line 2: quotation marks", "at.validate("]),
    ("bin.csv", bytes(range(128, 256)) * 9, at.SourceError, ["bin.csv is not readable as CSV"]),
    (
        "short.csv.gz",
        gzip.compress(LAYOUTS["plain"].encode())[:60],
        at.SourceError,
        ["short.csv.gz is not readable"],
    ),
    ("plain.csv.gz", LAYOUTS["plain"].encode(), at.SourceError, ["plain.csv.gz is not readable"]),
    (
        "days.csv",
        lines(f"date,{HEAD}", ["a", "b", "c"], ROWS).encode(),
        at.SourceError,
        ["no date can be read, the first is 'a'; write dates as 2024-01-31"],
    ),
    (
        "gap.csv",
        lines(f"date,{HEAD}", ["2024-01-30", "", "2024-02-01"], ROWS).encode(),
        at.SourceError,
        ["gap.csv: line 3: '' is no date", "at.validate("],
    ),
    (
        "long.csv",
        LONG.encode(),
        at.SourceError,
        ["long.csv holds ABC, XYZ", "say which", "load('ABC'", "path="],
    ),
]


@pytest.mark.parametrize(("name", "content", "kind", "words"), REFUSED, ids=[case[0] for case in REFUSED])
@pytest.mark.filterwarnings("ignore:Could not infer format")
def test_a_file_that_is_refused(
    name: str, content: bytes, kind: type[Exception], words: list[str], tmp_path: Path, refusal: Refusal
) -> None:
    (tmp_path / name).write_bytes(content)
    sentence = refusal(kind, at.load, str(tmp_path / name), source="csv")
    assert all(word in sentence for word in words), sentence
    assert at.loaded() == {}


def test_a_symbol_that_a_long_file_does_not_hold(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "long.csv").write_text(LONG)
    sentence = refusal(at.SourceError, at.load, "NOPE", source="csv", path=str(tmp_path / "long.csv"))
    assert "long.csv holds ABC, XYZ" in sentence


def test_a_missing_file_names_its_neighbours(tmp_path: Path, refusal: Refusal) -> None:
    sentence = refusal(at.SourceError, at.load, str(tmp_path / "aple.csv"), source="csv")
    assert "no file" in sentence and "aple.csv" in sentence and "no CSV or Parquet files" in sentence
    for name in ("apple.csv", "pear.parquet", "note.txt"):
        (tmp_path / name).write_text("x")
    sentence = refusal(at.SourceError, at.load, str(tmp_path / "aple.csv"), source="csv")
    assert sentence.endswith("in that folder: apple.csv, pear.parquet")


def test_a_folder_is_not_a_file(tmp_path: Path, refusal: Refusal) -> None:
    assert "not readable" in refusal(at.SourceError, at.load, str(tmp_path), source="csv")


# -- what newcomers bring -----------------------------------------------------------------------------------------------


def year() -> pd.DataFrame:
    return at.load("IBM", start="2005-01-01", end="2006-12-31")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["{symbol}_{field}", "{field} {symbol}", "{symbol}.{field}", "{field}-{symbol}"]
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_wide_bars_are_bars_of_several_symbols(name: str, kind: str, tmp_path: Path) -> None:
    parts = {"AAA": year(), "BRK B": year() * 2.0}
    wide = pd.concat(parts, axis=1)
    wide.columns = pd.Index(
        [name.format(symbol=symbol, field=field.title()) for symbol, field in wide.columns]
    )
    file = tmp_path / f"wide.{kind}"
    wide.to_csv(file, index_label="Date") if kind == "csv" else wide.to_parquet(file)
    report = at.validate(file, calendar="XNYS")
    assert set(report.findings["symbol"]) <= set(parts) | {"all"} and report.rows == 2 * len(year())
    bars, record = at.clean(file, calendar="XNYS")
    for symbol, part in parts.items():
        pd.testing.assert_frame_equal(bars.loc[symbol], part, check_freq=False)
        loaded = at.load(symbol, source=kind, path=str(file))
        pd.testing.assert_frame_equal(loaded, part, check_freq=False)


def test_wide_closes_and_a_stray_column(tmp_path: Path, refusal: Refusal) -> None:
    closes = year()[["close"]]
    pair = closes.set_axis(["Gold_Price"], axis=1).assign(Silver_Price=closes["close"] / 2)
    pair.to_csv(tmp_path / "pair.csv")
    assert at.load("Silver", source="csv", path=str(tmp_path / "pair.csv")).columns.tolist() == ["close"]
    odd = year().add_prefix("AAA_").assign(Rating=1.0)
    odd.to_csv(tmp_path / "odd.csv")
    sentence = refusal(at.SourceError, at.validate, tmp_path / "odd.csv")
    assert (
        "odd.csv: some columns are a symbol and a field" in sentence
        and "Rating not; rename or drop" in sentence
    )


@pytest.mark.parametrize("unit", ["seconds", "milliseconds", "microseconds", "nanoseconds"])
@pytest.mark.parametrize("repeat", [1, 20])
def test_stamps_of_unix_are_dates(unit: str, repeat: int, tmp_path: Path) -> None:
    bars = at.load("IBM") if repeat > 1 else year()  # A large file takes the fast road
    size = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}[unit]
    stamped = bars.set_axis(pd.Index(bars.index.as_unit("ns").asi8 // size, name="timestamp"), axis=0)
    stamped.to_csv(tmp_path / "unix.csv")
    loaded = at.load(str(tmp_path / "unix.csv"), source="csv")
    pd.testing.assert_frame_equal(loaded, bars, check_freq=False)
    assert at.validate(tmp_path / "unix.csv", calendar="XNYS").notes == (
        f"dates were Unix {unit} since 1970",
    )
    table, faults = read_messy(tmp_path / "unix.csv")
    assert table.attrs["dates"] == f"Unix {unit}" and faults.empty


def test_stamps_within_a_day_are_moments_of_utc(tmp_path: Path) -> None:
    time = pd.date_range("2024-01-02 14:30", periods=13, freq="30min", tz="UTC")
    frame = pd.DataFrame({"time": time.as_unit("s").asi8, "close": 1.0})
    frame.loc[5, "time"] = 7  # A stray number is no stamp
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = at.validate(tmp_path / "a.csv").findings
    assert found[found["check"] == "not_a_number"]["detail"].tolist() == ["line 7: '7' is not a date"]
    frame.loc[5, "time"] = frame.loc[4, "time"] + 1800
    frame.to_csv(tmp_path / "b.csv", index=False)
    report = at.validate(tmp_path / "b.csv", calendar="XNYS")
    assert report.verdicts.index.equals(time.rename("time").as_unit("ns"))


def test_numbers_that_are_days_are_not_stamps(tmp_path: Path) -> None:
    bars = year()
    bars.set_axis(bars.index.strftime("%Y%m%d").rename("date"), axis=0).to_csv(tmp_path / "days.csv")
    pd.testing.assert_frame_equal(at.load(str(tmp_path / "days.csv"), source="csv"), bars, check_freq=False)


def test_one_stamp_among_days_is_no_column_of_stamps(tmp_path: Path) -> None:
    days = year()["close"].set_axis(year().index.strftime("%Y%m%d").rename("date"), axis=0)
    (tmp_path / "mixed.csv").write_text(days.to_csv().replace("20050103,", "1104710400,"))
    table, _ = read_messy(tmp_path / "mixed.csv")
    assert table.attrs["dates"] == "year first" and table["date"].iloc[1] == "20050104"


@pytest.mark.parametrize("style", ["%d/%m/%y", "%y-%m-%d", "%m.%d.%y"])
def test_years_of_two_digits_are_refused_in_a_line(style: str, tmp_path: Path, refusal: Refusal) -> None:
    bars = year()
    bars.set_axis(bars.index.strftime(style).rename("date"), axis=0).to_csv(tmp_path / "short.csv")
    for call in (at.validate, at.clean, lambda path: at.load(str(path), source="csv")):
        sentence = refusal(at.SourceError, call, tmp_path / "short.csv")
        assert "no date can be read" in sentence and sentence.endswith("with all four digits of the year")


def test_dates_that_contradict_each_other_are_shown(tmp_path: Path, refusal: Refusal) -> None:
    bars = year()
    text = bars[:250].to_csv(date_format="%m/%d/%Y") + bars[250:].to_csv(header=False, date_format="%d/%m/%Y")
    (tmp_path / "both.csv").write_text(text)
    sentence = refusal(at.SourceError, at.validate, tmp_path / "both.csv")
    assert "has the day first, and 01/13/2005 the month" in sentence and "dates=" not in sentence


def test_a_second_header_is_named_with_its_line(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "twice.csv").write_text(year()[:100].to_csv() + year()[100:].to_csv())
    sentence = refusal(at.SourceError, at.load, str(tmp_path / "twice.csv"), source="csv")
    assert "twice.csv: line 102: 'time' is no date; at.validate(" in sentence


@pytest.mark.parametrize("clock", ["000000", "00:00", "00:00:00"])
def test_stooqs_daily_files(clock: str, tmp_path: Path) -> None:
    bars = year()
    head = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"
    rows = [
        f"IBM.US,D,{day:%Y%m%d},{clock},{','.join(map(repr, values))},0"
        for day, values in zip(bars.index, bars.to_numpy().tolist(), strict=True)
    ]
    (tmp_path / "ibm.us.txt").write_text("\n".join([head, *rows]) + "\n")
    assert at.validate(tmp_path / "ibm.us.txt", calendar="XNYS").verdict == "fit"
    loaded = at.load(str(tmp_path / "ibm.us.txt"), source="csv")
    pd.testing.assert_frame_equal(loaded[bars.columns], bars, check_freq=False)


def test_a_clock_in_a_column_of_its_own(tmp_path: Path, refusal: Refusal) -> None:
    time = pd.date_range("2024-01-02 14:30", periods=13, freq="30min")
    frame = pd.DataFrame({"Date": time.strftime("%d/%m/%Y"), "Time": time.strftime("%H:%M"), "Close": 1.0})
    frame.to_csv(tmp_path / "clock.csv", index=False)
    table, _ = read_messy(tmp_path / "clock.csv", dates="day first")
    assert table["Date"].tolist() == time.strftime("%Y-%m-%d %H:%M").tolist() and "Time" not in table
    (tmp_path / "odd.csv").write_text("Date,Time,Close\n2024-01-02,morning,1\n2024-01-03,noon,2\n")
    assert "'morning'" in refusal(at.SourceError, at.validate, tmp_path / "odd.csv")


def test_short_volumes_are_read_as_what_they_say(tmp_path: Path) -> None:
    text = "Date,Price,Open,High,Low,Vol.\n2024-01-02,10,10,11,9,2.50M\n2024-01-03,10,10,11,9,1.2K\n"
    (tmp_path / "short.csv").write_text(text + "2024-01-04,10,10,11,9,3B\n2024-01-05,10,10,11,9,-\n")
    bars, record = at.clean(tmp_path / "short.csv")
    assert bars["volume"].tolist()[:3] == [2_500_000.0, 1_200.0, 3e9] and np.isnan(bars["volume"].iloc[3])
    assert record[record["rule"] == "missing_value"]["row"].tolist() == [3]
