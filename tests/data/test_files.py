"Bars from files: layouts of all kinds give the same bars, and what is unreadable says so."

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import alphatwin as at

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
        at.BarsError,
        ["not readable as dates"],
    ),
    (
        "gap.csv",
        lines(f"date,{HEAD}", ["2024-01-30", "", "2024-02-01"], ROWS).encode(),
        at.BarsError,
        ["row 1 has no date"],
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
