"Messy files: every line is a row or a named fault, nothing hangs, and no error but SourceError."

import decimal
import gzip
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data import bytes as lines_of
from alphatwin.data.cells import find_decimal, find_order, plain_number, read_dates, read_numbers
from alphatwin.data.fields import cut_table, read_regular
from alphatwin.data.files import read_messy, split_symbols
from alphatwin.data.schema import coerce

Refusal = Callable[..., str]
SOUND = "Date,Open,High,Low,Close,Volume\n" + "".join(
    f"2024-01-{day:02},{day},{day + 2},{day - 1}.5,{day + 1},{day}00\n" for day in range(1, 21)
)


def put(folder: Path, content: str | bytes, name: str = "bars.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def account(path: Path, **options: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    "Read a CSV file and hold rows + faults against the lines that are in it."
    table, faults = read_messy(path, **options)
    text = path.read_bytes()
    if text[:2] == b"\x1f\x8b":
        text = gzip.decompress(text)
    encoding, skip = lines_of.find_encoding(text[:4096])
    if encoding != "utf-8":
        text, skip = text[skip:].decode(encoding, "replace").encode(), 0
    lines = [i for i, line in enumerate(re.split(b"\r\n|\r|\n", text[skip:]), 1) if line.strip()]
    named = sorted([*table.index, *faults["line"]])
    assert len(named) == len(set(named)), "a line came out twice"
    header = sorted(set(lines) - set(named))
    assert len(header) == table.attrs["header lines"] and set(named) <= set(lines)
    assert list(faults.columns) == ["line", "text", "why"] and faults["why"].str.len().gt(0).all()
    assert faults["text"].str.len().le(2_500).all()
    assert all("\n" not in text and "\x00" not in text for text in faults["text"])
    return table, faults


# What a text means


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["12.5"], "."),
        (["12,5"], ","),
        (["1.234,56"], ","),
        (["1,234.56"], "."),
        (["1,234,567"], "."),
        (["1.234.567"], ","),
        (["0,123"], ","),
        (["0.123"], "."),
        ([",5"], ","),
        (["1234,567"], ","),
        (["12,3456"], ","),
        (["1.234"], "."),
        (["7"], "."),
        ([], "."),
        (["x", "12 May"], "."),
        (["1,234", "12,5"], ","),
        (["1,234", "12.5"], "."),
        (["-1,5e3"], ","),
        (["1'234,5"], ","),
        (["1,234"], None),
        (["-999,000", "x"], None),
        (["12,5", "12.5"], None),
        (["12.5"] * 100 + ["12,5"], "."),
        (["12,5"] * 100 + ["12.5"], ","),
        (["12.5"] * 98 + ["12,5"], None),
    ],
)
def test_the_decimal_mark_is_found_or_not_certain(cells: list[str], mark: str | None) -> None:
    assert find_decimal(pd.Series(cells, dtype="str")) == mark


@pytest.mark.parametrize(
    ("text", "mark", "plain"),
    [
        ("12.5", ".", "12.5"),
        ("12,5", ",", "12.5"),
        ("1,234.5", ".", "1234.5"),
        ("1.234.567,5", ",", "1234567.5"),
        ("1 234,5", ",", "1234.5"),
        ("1\u202f234,5", ",", "1234.5"),
        ("1'234.5", ".", "1234.5"),
        ("-1,234", ".", "-1234"),
        ("+,5", ",", "+0.5"),
        ("5.", ".", "5"),
        ("1,5e-3", ",", "1.5e-3"),
        ("12,34", ".", None),
        ("1,2345", ".", None),
        ("0,123", ".", None),
        ("1,234 567", ".", None),
        ("1.234,567.8", ",", None),
        ("12.5", ",", None),
        ("$5", ".", None),
        ("5%", ".", None),
        ("1_000", ".", None),
        ("١٢", ".", None),
        ("-", ".", None),
        (".", ".", None),
        ("e5", ".", None),
        ("", ".", None),
    ],
)
def test_a_number_is_read_by_the_rule_to_its_end(text: str, mark: str, plain: str | None) -> None:
    assert plain_number(text, mark) == plain


@pytest.mark.slow
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@settings(max_examples=100)
def test_numbers_come_back_to_the_last_bit_with_either_mark(values: list[float]) -> None:
    texts = pd.Series([repr(value) for value in values])
    for mark in ".,":
        assert read_numbers(texts.str.replace(".", mark), mark).tolist() == values


@pytest.mark.slow
@given(st.integers(0, 10**12), st.integers(0, 99), st.sampled_from([".", ","]))
@settings(max_examples=100)
def test_thousands_come_back(whole: int, cents: int, mark: str) -> None:
    grouped = f"{whole:,}.{cents:02}"
    text = grouped if mark == "." else grouped.translate(str.maketrans(".,", ",."))
    cells = pd.Series([text])
    assert find_decimal(cells) == mark and read_numbers(cells, mark).item() == float(f"{whole}.{cents:02}")


def test_one_word_keeps_a_column_text_and_the_numbers_among_it_plain() -> None:
    cells = pd.Series(["1.234,5", "n/k", "12.5", None, " 7 "])
    assert read_numbers(cells, ",").fillna("nothing").tolist() == ["1234.5", "n/k", "12.5", "nothing", "7"]


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["31/01/2024", "01/02/2024"], "day first"),
        (["31.01.2024"], "day first"),
        (["1-31-2024"], "month first"),
        (["2024-01-31"], "year first"),
        ([], "year first"),
        (["01/02/2024"], None),
        (["12/12/2024", "11/12/2024"], None),
        (["31/01/2024", "01/31/2024"], None),
        (["31/01/2024", "01/45/2024"], "day first"),
        (["31/13/2024", "01/02/2024"], None),
    ],
)
def test_the_order_of_dates_is_certain_or_asked_for(dates: list[str], order: str | None) -> None:
    assert find_order(pd.Series(dates, dtype="str")) == order


def test_dates_of_all_kinds() -> None:
    written = {
        "5/1/2024": "2024-01-05",
        "31.01.2024": "2024-01-31",
        "31/01/2024 16:30": "2024-01-31 16:30",
        "Jan 31, 2024": "2024-01-31",
        "31-Jan-2024": "2024-01-31",
        "1 February 2024": "2024-02-01",
        "20240131": "20240131",
        "2024-01-31": "2024-01-31",
        "31/01/24": "31/01/24",
        "01/13/2024": "01/13/2024",
        "32 Foo 2024": "32 Foo 2024",
        "soon": "soon",
    }
    assert read_dates(pd.Series(list(written)), "day first").tolist() == list(written.values())
    assert read_dates(pd.Series(["5/1/2024", "1/31/2024"]), "month first").tolist() == [
        "2024-05-01",
        "2024-01-31",
    ]


# Dresses of one and the same table


DRESSES: dict[str, bytes] = {
    "plain": SOUND.encode(),
    "semicolons": SOUND.replace(",", ";").encode(),
    "semicolons, decimal commas": SOUND.replace(",", ";").replace(".", ",").encode(),
    "tabs": SOUND.replace(",", "\t").encode(),
    "tabs, decimal commas": SOUND.replace(",", "\t").replace(".", ",").encode(),
    "bars": SOUND.replace(",", "|").encode(),
    "quoted": re.sub(r"([^,\n]+)", r'"\1"', SOUND).encode(),
    "quoted, decimal commas": re.sub(r"([^,\n]+)", r'"\1"', SOUND).replace(".5", ",5").encode(),
    "spaces": SOUND.replace(",", " , ").encode(),
    "byte order mark": b"\xef\xbb\xbf" + SOUND.encode(),
    "UTF-16": SOUND.encode("utf-16"),
    "UTF-16 big end first, no mark": SOUND.encode("utf-16-be"),
    "UTF-16 little end first, no mark": SOUND.encode("utf-16-le"),
    "UTF-32": SOUND.encode("utf-32"),
    "Windows": SOUND.replace("\n", "\r\n").encode(),
    "old Mac": SOUND.replace("\n", "\r").encode(),
    "gzip": gzip.compress(SOUND.encode()),
    "no line end at the end": SOUND.rstrip().encode(),
    "blank lines": SOUND.replace("\n", "\n\n  \n").encode(),
    "a mark too many in every line": SOUND.replace("\n", ",\n").encode(),
    "a mark too many below the header": SOUND.replace("00\n", "00,\n").encode(),
    "day first": re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", SOUND).encode(),
    "month first": re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\2/\3/\1", SOUND).encode(),
    "digits only": re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1\2\3", SOUND).encode(),
    "names of months": re.sub(r"2024-01-(\d\d)", r"\1-Jan-2024", SOUND).encode(),
    "thousands": re.sub(r",(\d+00)\n", lambda m: f',"{int(m[1]):,}.00"\n', SOUND).encode(),
    "German": SOUND.replace("Date,Open,High,Low,Close,Volume", "Datum,Eröffnung,Hoch,Tief,Schluss,Volumen")
    .replace(",", ";")
    .replace(".", ",")
    .encode("latin-1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("dress", DRESSES)
def test_every_dress_gives_the_same_bars(dress: str, tmp_path: Path) -> None:
    plain = at.load(str(put(tmp_path, SOUND, "plain.csv")), source="csv")
    path = put(tmp_path, DRESSES[dress])
    table, faults = account(path)
    assert len(table) == 20 and faults.empty
    pd.testing.assert_frame_equal(at.load(str(path), source="csv"), plain, check_freq=False)
    numbers, unreadable = coerce(split_symbols(table)[""])
    assert unreadable.empty and numbers["low"].tolist() == [day - 0.5 for day in range(1, 21)]


def test_what_the_reader_found_out_stands_beside_the_table(tmp_path: Path) -> None:
    text = DRESSES["semicolons, decimal commas"].decode()
    path = put(tmp_path, re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", text))
    table, _ = read_messy(path)
    assert (
        table.attrs["delimiter"] == ";" and table.attrs["decimal"] == "," and table.attrs["header lines"] == 1
    )
    assert table.attrs["dates"] == "day first" and table.attrs["file"] == str(path)


def test_the_option_decides_what_is_not_certain(tmp_path: Path, refusal: Refusal) -> None:
    path = put(tmp_path, "Date;Close\n03/04/2024;1,234\n04/04/2024;2,345\n")
    sentence = refusal(at.SourceError, read_messy, path)
    assert "decimal='.'" in sentence and "bars.csv" in sentence
    sentence = refusal(at.SourceError, read_messy, path, decimal=",")
    assert "03/04/2024" in sentence and "dates='day first'" in sentence
    table, _ = read_messy(path, decimal=",", dates="day first")
    assert table["Date"].tolist() == ["2024-04-03", "2024-04-04"] and table["Close"].tolist() == [
        1.234,
        2.345,
    ]
    table, _ = read_messy(path, decimal=".", dates="month first")
    assert table["Date"].tolist() == ["2024-03-04", "2024-04-04"] and table["Close"].tolist() == [1234, 2345]
    assert at.load(str(path), source="csv", decimal=".", dates="day first")["close"].tolist() == [1234, 2345]


def test_a_decimal_that_is_said_holds_where_points_alone_would_be_read_as_decimals(tmp_path: Path) -> None:
    body = "".join(f"2024-01-{day:02},{day}.000\n" for day in range(1, 29)) * 900
    for text in ("Date,Volume\n" + body[:400].rpartition("\n")[0], "Date,Volume\n" + body):
        path = put(tmp_path, text)
        assert read_messy(path)[0]["Volume"].iloc[0] == 1.0
        assert read_messy(path, decimal=",")[0]["Volume"].iloc[0] == 1000.0


def test_a_delimiter_that_is_said(tmp_path: Path, refusal: Refusal) -> None:
    path = put(tmp_path, "Date:Close\n2024-01-02:7\n")
    assert "commas, semicolons" in refusal(at.SourceError, read_messy, path)
    assert read_messy(path, delimiter=":")[0]["Close"].tolist() == [7]


@pytest.mark.parametrize(
    "options",
    [{"dates": "ISO"}, {"decimal": ";"}, {"delimiter": ""}, {"delimiter": ",,"}, {"delimiter": '"'}],
)
def test_an_option_without_meaning_is_refused(
    options: dict[str, str], tmp_path: Path, refusal: Refusal
) -> None:
    (name,) = options
    assert name in refusal(ValueError, read_messy, put(tmp_path, SOUND), **options)


# Faults are named


FAULTS: dict[str, tuple[bytes, dict[int, str]]] = {
    "a field too many": (SOUND.replace("2024-01-05,", "2024-01-05,x,").encode(), {6: "7 fields, not 6"}),
    "a field too few": (SOUND.replace("2024-01-05,", "").encode(), {6: "5 fields, not 6"}),
    "cut in the middle of a row": (SOUND[: SOUND.index("2024-01-20") + 14].encode(), {21: "3 fields, not 6"}),
    "an open quotation mark": (SOUND.replace("2024-01-05,", '2024-01-05,"').encode(), {6: "quotation marks"}),
    "text behind quotation marks": (
        SOUND.replace("2024-01-05", '"2024"-01-05').encode(),
        {6: "quotation marks"},
    ),
    "a NUL byte": (SOUND.replace("2024-01-05", "2024\x0001-05").encode(), {6: "NUL byte"}),
    "a lost character": (SOUND.replace("2024-01-05", "2024\ufffd01-05").encode(), {6: "control character"}),
    "a title above": (b"Prices of my bank\nin euros\n" + SOUND.encode(), {1: "above the header", 2: "above"}),
    "encodings that are mixed": (
        SOUND.encode().replace(b"Volume", "Stück".encode()).replace(b"2024-01-05", b"2024-01-05\xe9"),
        {6: "no text in the encoding"},
    ),
    "half a UTF-16 character": (SOUND.encode("utf-16-le")[:-3], {21: "control character"}),
    "an undefined byte of Windows-1252": (SOUND.encode().replace(b"2024-01-05", b"\x81\xe9"), {6: "no text"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_line_that_cannot_be_cut_is_named(fault: str, tmp_path: Path, refusal: Refusal) -> None:
    content, wanted = FAULTS[fault]
    path = put(tmp_path, content)
    _, faults = account(path)
    assert faults["line"].tolist() == list(wanted)
    assert all(words in why for words, why in zip(wanted.values(), faults["why"], strict=True)), faults[
        "why"
    ].tolist()
    sentence = refusal(at.SourceError, at.load, str(path), source="csv")
    assert f"bars.csv: line {min(wanted)}: " in sentence and f"at.validate({str(path)!r})" in sentence
    assert (f"(and {len(wanted) - 1} more)" in sentence) == (len(wanted) > 1)


def test_cells_that_are_no_numbers_are_the_schema_s_business_and_nothing_is_lost(tmp_path: Path) -> None:
    text = SOUND.replace("2024-01-05,5,", "2024-01-05,five,").replace("2024-01-07", "some day")
    table, faults = account(put(tmp_path, text.replace(",", ";").replace(".", ",")))
    assert faults.empty and len(table) == 20
    numbers, unreadable = coerce(split_symbols(table)[""])
    assert unreadable["row"].tolist() == [6, 4] and table.index[unreadable["row"]].tolist() == [8, 6]
    assert numbers["high"].tolist() == [day + 2 for day in range(1, 21)]


def test_a_header_twice_as_two_files_glued_together(tmp_path: Path) -> None:
    table, faults = account(put(tmp_path, SOUND + SOUND))
    assert faults.empty and len(table) == 41
    _, unreadable = coerce(split_symbols(table)[""])
    assert set(table.index[unreadable["row"]]) == {22} and len(unreadable) == 6


# What is refused as a whole


REFUSED: list[tuple[str, bytes, list[str]]] = [
    ("empty.csv", b"", ["empty.csv is empty (0 bytes)"]),
    ("blank.csv", b"\n \n\n", ["blank.csv is not readable as CSV", "blank lines"]),
    ("mark.csv", b"\xef\xbb\xbf", ["blank lines"]),
    ("binary.csv", bytes(range(256)) * 9, ["binary.csv"]),
    ("high.csv", bytes(range(128, 256)) * 9, ["not readable as CSV", "no text"]),
    ("zeros.csv", bytes(5_000), ["not readable as CSV", "NUL byte"]),
    ("word.csv", b"hello\nworld\n", ["no line with commas, semicolons, tabs or |"]),
    ("headless.csv", SOUND.encode().split(b"\n", 1)[1], ["has no header", "date,open,high"]),
    ("named.csv", b"AAPL,Jan 5 2024,10\nAAPL,Jan 8 2024,11\n", ["has no header", "AAPL"]),
    ("twins.csv", b"Date,Close,close\n2024-01-02,1,2\n", ["2 columns called close"]),
    ("book.csv", b"PK\x03\x04" + bytes(99), ["Excel workbook", "save it as CSV"]),
    ("letter.csv", b"%PDF-1.7\n1,2\n", ["PDF"]),
    ("wide.csv", b"," * 20_000 + b"\n", ["header of 20,001 columns"]),
    ("undated.csv", b"open,close\n1,2\n", ["no column of dates", "open, close"]),
    ("priceless.csv", b"Date,Remark\n2024-01-02,fine\n", ["no column of prices", "Remark"]),
    ("damaged.csv.gz", gzip.compress(SOUND.encode())[:-20], ["not readable as CSV", "cut short"]),
    ("flipped.csv.gz", gzip.compress(SOUND.encode())[:40] + b"\xff" * 9, ["not readable as CSV"]),
    ("loose.csv.gz", SOUND.encode(), ["not readable as CSV", "gzip"]),
    ("text.parquet", SOUND.encode(), ["not readable as Parquet"]),
    ("nothing.parquet", b"PAR1", ["not readable as Parquet"]),
]


@pytest.mark.parametrize(("name", "content", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_file_that_is_no_table_is_refused(
    name: str, content: bytes, words: list[str], tmp_path: Path, refusal: Refusal
) -> None:
    path = put(tmp_path, content, name)
    sentence = refusal(at.SourceError, at.load, str(path), source="csv")
    assert name in sentence and all(word in sentence for word in words), sentence


def test_only_a_header_is_a_table_without_rows(tmp_path: Path) -> None:
    table, faults = account(put(tmp_path, SOUND.partition("\n")[0]))
    assert table.empty and faults.empty and "Close" in table and list(split_symbols(table)) == [""]


def test_places_that_are_no_files(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for name, words in {
        ".": "is a folder",
        "loop.csv": "leads to itself",
        "pipe.csv": "a pipe or a device",
        "none.csv": "no file",
        "loop.csv/x.csv": "leads to itself",
        "a\0b.csv": "not readable",
        "n" * 999: "not readable",
    }.items():
        assert words in refusal(at.SourceError, read_messy, tmp_path / name), name
    assert "a pipe or a device" in refusal(at.SourceError, read_messy, Path("/dev/zero"))


def test_a_file_that_nobody_may_read(tmp_path: Path) -> None:
    path = put(tmp_path, SOUND)
    path.chmod(0)
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:  # a superuser may read everything, so the child becomes somebody else
        code = 1
        try:
            if os.geteuid() == 0:
                os.chdir(tmp_path)
                os.setuid(65534)
            try:
                read_messy("bars.csv" if os.getcwd() == str(tmp_path) else path)
            except at.SourceError as refused:
                code = 0 if "no permission" in str(refused) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Lines without an end


def test_a_giant_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    giant = b"7" * (lines_of.LONGEST + 1)
    head, _, rest = SOUND.encode().partition(b"\n")
    for content, line in (
        (head + b"\n" + giant + b"\n" + rest, 2),
        (SOUND.encode() + giant, 22),
        (SOUND.encode() + giant + b"\n", 22),
        (SOUND.encode() + b"x," * lines_of.LONGEST + b"\n" + rest, 22),
    ):
        table, faults = account(put(tmp_path, content))
        assert faults["line"].tolist() == [line] and len(table) in (20, 40)
        assert "longer than 4,000,000 bytes" in faults["why"].item() and len(faults["text"].item()) <= 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sparse", "gzip", "sparse with a header"])
def test_a_file_of_one_line_needs_no_memory(kind: str, tmp_path: Path) -> None:
    path, size = tmp_path / ("line.csv.gz" if kind == "gzip" else "line.csv"), 300_000_000
    if kind == "gzip":
        block = gzip.compress(b"1" * 1_000_000)
        path.write_bytes(gzip.compress(b"Date,Close\n2024-01-02,1\n") + block * 100)
    else:
        path.write_bytes(b"Date,Close\n2024-01-02,1\n" if kind.endswith("header") else b"")
        os.truncate(path, size)
    script = f"""
        import resource
        from alphatwin.data.files import read_messy
        import pandas, pyarrow
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            table, faults = read_messy({str(path)!r})
            print(len(table), len(faults), faults["why"][0])
        except RuntimeError as refused:
            print(refused)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said, grown = done.stdout.splitlines()
    assert said == {
        "sparse": "line.csv is not readable as CSV: longer than 4,000,000 bytes",
    }.get(kind, "1 1 longer than 4,000,000 bytes")
    assert int(grown) < 60_000, f"{grown} kB more"


# The fast road


def long_table(rows: int = 12_000) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    days = pd.date_range("1990-01-01", periods=rows).strftime("%Y-%m-%d")
    numbers = {name: np.exp(rng.normal(0, 9, rows)) for name in ("Open", "High", "Low", "Close")}
    return pd.DataFrame({"Date": days} | numbers | {"Volume": rng.integers(0, 10**12, rows)})


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_both_roads_lead_to_the_same_table(mark: str, tmp_path: Path) -> None:
    wanted = long_table()
    text = wanted.to_csv(index=False, sep=mark)
    regular = read_regular(text.encode(), "long.csv")
    assert regular is not None
    pd.testing.assert_frame_equal(
        regular.reset_index(drop=True), wanted, check_exact=True, check_dtype=False, check_index_type=False
    )
    table, _ = account(put(tmp_path, text))
    careful, faults = account(put(tmp_path, text.replace("1999-01-01", '"1999-01-01"')))
    assert faults.empty
    pd.testing.assert_frame_equal(table, careful, check_exact=True)
    pd.testing.assert_frame_equal(table.reset_index(drop=True), wanted, check_exact=True, check_dtype=False)


IRREGULAR: list[tuple[int, Callable[[str], str]]] = [
    (1, lambda text: text + "1,2\n"),
    (1, lambda text: text.replace("1999-01-01,", "1999-01-01,7,")),
    (1, lambda text: text.replace("1999-01-01,", "1999-01-01;")),
    (2, lambda text: text.replace("1999-01-01,", "1999-01-01,7,").replace("1999-02-01,", "1999-02-01")),
    (2, lambda text: text.replace("1999-01-01,", "1999-01-01").replace("1999-02-01,", "1999-02-01,7,")),
    (2, lambda text: text.replace("1990-01-01,", "1990-01-01,7,").replace("1999-02-01,", "1999-02-01")),
    (1, lambda text: text.replace("1999-01-01", "\n1999-01-01").replace("1999-02-01,", "1999-02-01,7,,,,,")),
    (1, lambda text: text.replace("1999-01-01", "1999\x0001-01")),
    (1, lambda text: text.replace("1999-01-01", "1999\ufffd01-01")),
    (0, lambda text: text.replace("1999-01-01", '1999"01-01')),
    (1, lambda text: text.replace("1999-01-01", '"1999-01-01')),
    (1, lambda text: text.replace("1999-01-01,", "1999-01-01,n/k,")),
    (0, lambda text: text + "\n\n"),
    (0, lambda text: text.rstrip()),
    (12_000, lambda text: text.replace("Volume", "Volume,")),
    (1, lambda text: "a title\n" + text),
]


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "spoil"), IRREGULAR)
def test_what_is_irregular_leaves_the_fast_road_and_is_named(
    wanted: int, spoil: Callable[[str], str], tmp_path: Path
) -> None:
    table, faults = account(put(tmp_path, spoil(long_table().to_csv(index=False))))
    assert len(faults) == wanted and len(table) + len(faults) in (12_000, 12_001)


def test_a_header_longer_than_the_first_look(tmp_path: Path) -> None:
    names = [f"S{number:0149}" for number in range(1_500)]
    days = [",".join([f"2024-01-0{day}", *["1"] * 1_500]) for day in range(1, 4)]
    table, faults = account(put(tmp_path, "\n".join([",".join(["Date", *names]), *days])))
    assert table.shape == (3, 1_501) and faults.empty


def test_the_fast_road_takes_no_word_for_a_missing_value_and_no_truth_for_a_number(tmp_path: Path) -> None:
    table = long_table()
    table["Flag"], table["Symbol"], table["Number"] = True, "0700", 20240131
    text = table.to_csv(index=False).replace("1999-01-01,", "1999-01-01,NA")
    read, _ = account(put(tmp_path, text))
    assert set(read["Symbol"]) == {"0700"} and set(read["Flag"]) == {"True"}
    assert read.loc[read["Date"] == "1999-01-01", "Open"].item().startswith("NA")
    dated, _ = account(put(tmp_path, re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1\2\3", table.to_csv(index=False))))
    assert dated["Date"].iloc[0] == "19900101"


# Layouts


def test_wide_layouts_give_closes(tmp_path: Path, refusal: Refusal) -> None:
    path = put(tmp_path, "Date,AAA,BBB\n2024-01-30,1,7\n2024-01-31,2,8\n")
    closes = at.load("BBB", source="csv", path=str(path))
    assert list(closes.columns) == ["close"] and closes["close"].tolist() == [7, 8]
    assert closes.attrs["symbol"] == "BBB"
    assert "holds AAA, BBB; say which" in refusal(at.SourceError, at.load, str(path), source="csv")
    fred = put(tmp_path, "observation_date,DGS10\n2024-01-01,.\n2024-01-02,3.95\n", "DGS10.csv")
    table, _ = account(fred)
    series = split_symbols(table, "DGS10.csv")
    assert list(series) == ["DGS10"] and np.isnan(series["DGS10"]["close"].iloc[0])
    numbered = put(tmp_path, ",Date,AAA\n0,2024-01-30,1\n1,2024-01-31,2\n")
    assert list(split_symbols(read_messy(numbered)[0])) == ["AAA"]


YFINANCE = {
    "fields above": "Price,Close,Close,Open,Open,High,High,Low,Low,Volume,Volume\n"
    "Ticker,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB\nDate,,,,,,,,,,\n",
    "symbols above": "Ticker,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB\n"
    "Price,Close,Close,Open,Open,High,High,Low,Low,Volume,Volume\nDate,,,,,,,,,,\n",
    "without names": ",Close,Close,Open,Open,High,High,Low,Low,Volume,Volume\n"
    ",AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB\nDate,,,,,,,,,,\n",
    "two lines": "Price,Close,Close,Open,Open,High,High,Low,Low,Volume,Volume\n"
    "Ticker,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB,AAA,BBB\n",
}


@pytest.mark.parametrize("layout", YFINANCE)
def test_a_header_of_two_rows(layout: str, tmp_path: Path) -> None:
    body = "2024-01-30,11,71,10,70,12,72,9,69,100,700\n2024-01-31,12,72,11,71,13,73,10,70,200,800\n"
    path = put(tmp_path, YFINANCE[layout] + body)
    table, faults = account(path)
    assert faults.empty and list(split_symbols(table)) == ["AAA", "BBB"]
    both = at.load(["AAA", "BBB"], source="csv", path=str(path))
    assert both.loc["AAA", "close"].tolist() == [11, 12] and both.loc["BBB", "volume"].tolist() == [700, 800]


def test_what_pandas_writes_of_two_levels_comes_back(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product([["Close", "Volume"], ["AAA", "BBB"]], names=["Price", "Ticker"])
    days = pd.DatetimeIndex(["2024-01-30", "2024-01-31"], name="Date")
    frame = pd.DataFrame(np.arange(8.0).reshape(2, 4), index=days, columns=columns)
    frame.to_csv(tmp_path / "two.csv")
    frame.to_parquet(tmp_path / "two.parquet")
    for name in ("two.csv", "two.parquet"):
        series = split_symbols(read_messy(tmp_path / name)[0], name)
        assert list(series) == ["AAA", "BBB"], name
        assert series["BBB"]["close"].tolist() == [1, 5] and series["BBB"]["volume"].tolist() == [3, 7]


def test_symbols_may_be_numbers(tmp_path: Path) -> None:
    for first in ("Date", ""):
        table, _ = account(put(tmp_path, f"{first},7203,9984\n2024-01-30,1,7\n2024-01-31,2,8\n"))
        assert split_symbols(table)["9984"]["close"].tolist() == [7, 8]


def test_a_row_without_a_date_is_not_taken_for_a_header(tmp_path: Path) -> None:
    path = put(tmp_path, "Date,Close,Volume\n,x,y\n2024-01-02,1,2\n")
    assert len(account(path)[0]) == 2


def test_a_long_file_keeps_its_symbols_and_rows_without_one(tmp_path: Path) -> None:
    table, _ = account(put(tmp_path, "Ticker;Datum;Schluss\n7203 ;31.01.2024;1,5\n;31.01.2024;2,5\n"))
    assert table["Ticker"].tolist()[0].strip() == "7203"
    series = split_symbols(table)
    assert {symbol: part["close"].tolist() for symbol, part in series.items()} == {"": [2.5], "7203": [1.5]}


# Parquet


def test_parquet_of_every_type(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-29", periods=3)
    columns: dict[str, pa.Array] = {
        "date": pa.array(days.strftime("%d.%m.%Y")),
        "open": pa.array(["1.010,5", "1.011,5", None]),
        "high": pa.array([decimal.Decimal("12.25"), None, decimal.Decimal("13.50")]),
        "low": pa.array([1, None, 3], pa.int64()),
        "close": pa.array([[1.0], [2.0, 3.0], None]),
        "volume": pa.array([True, False, None]),
        "more": pa.array([{"a": 1}, None, {"a": 2}]),
        "raw": pa.array([b"\xff", b"1", None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "odd.parquet")
    table, faults = read_messy(tmp_path / "odd.parquet")
    assert len(table) == 3 and faults.empty
    numbers, unreadable = coerce(split_symbols(table)[""])
    assert numbers["open"].tolist()[:2] == [1010.5, 1011.5] and numbers.index[2] == days[2]
    assert set(unreadable["column"]) == {"close", "volume"} and len(unreadable) == 4


@pytest.mark.parametrize(
    "dates",
    [
        pa.array(["2024-01-30", "2024-01-31"]),
        pa.array([20240130, 20240131]),
        pa.array(pd.DatetimeIndex(["2024-01-30", "2024-01-31"])),
        pa.array([d.date() for d in pd.DatetimeIndex(["2024-01-30", "2024-01-31"])]),
        pa.array(["30/01/2024", "31/01/2024"]).dictionary_encode(),
    ],
    ids=["text", "numbers", "times", "dates", "categories"],
)
def test_parquet_dates_of_every_type(dates: pa.Array, tmp_path: Path) -> None:
    pq.write_table(pa.table({"date": dates, "close": pa.array(["1.5", "2.5"])}), tmp_path / "dates.parquet")
    closes = at.load(str(tmp_path / "dates.parquet"), source="parquet")
    assert closes["close"].tolist() == [1.5, 2.5]
    assert closes.index.strftime("%Y-%m-%d").tolist() == ["2024-01-30", "2024-01-31"]


def test_parquet_that_is_cut_or_empty(tmp_path: Path, refusal: Refusal, aapl: pd.DataFrame) -> None:
    aapl.to_parquet(tmp_path / "whole.parquet")
    half = (tmp_path / "whole.parquet").read_bytes()
    for size in (5, len(half) // 2, len(half) - 3):
        sentence = refusal(at.SourceError, read_messy, put(tmp_path, half[:size], "half.parquet"))
        assert "half.parquet is not readable as Parquet" in sentence
    pd.DataFrame().to_parquet(tmp_path / "none.parquet")
    assert "no column of dates" in refusal(at.SourceError, read_messy, tmp_path / "none.parquet")
    put(tmp_path, half, "named.csv")
    pd.testing.assert_frame_equal(
        at.load(str(tmp_path / "named.csv"), source="csv"), aapl, check_freq=False, check_exact=True
    )


def test_a_long_table_saved_by_us_comes_back(tmp_path: Path) -> None:
    long = at.load(["AAPL", "IBM"], start="2005-02-24", end="2005-02-28")
    long.to_parquet(tmp_path / "long.parquet")
    again = at.load("IBM", source="parquet", path=str(tmp_path / "long.parquet"))
    pd.testing.assert_frame_equal(again, long.loc["IBM"], check_freq=False, check_exact=True)


# Anything at all


def attempt(path: Path) -> bool:
    "Read whatever is there; True if it came out as a table, every line of it accounted for."
    try:
        account(path)
    except at.SourceError as refused:
        assert "\n" not in str(refused) and len(str(refused)) < 1_000
        return False
    return True


@given(st.binary(min_size=1, max_size=300))
@settings(max_examples=300)
def test_fuzz_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    attempt(put(tmp_path_factory.getbasetemp(), content, "fuzz_bytes.csv"))


CELLS = st.one_of(
    st.sampled_from(
        ["", "Date", "Close", "Ticker", "Price", "2024-01-02", "31/01/2024", "1/2/2024", "1,5", "1.234,5"]
    ),
    st.sampled_from(
        ["nan", "inf", "1e999", '"', '""', '"a', "\ufeff", "\x85", "\u2028", "0x1", "9" * 400, "-", " "]
    ),
    st.text(max_size=4),
    st.floats().map(repr),
    st.dates().map(str),
)


@pytest.mark.slow
@given(
    st.lists(st.lists(CELLS, max_size=5), max_size=7),
    st.sampled_from([",", ";", "\t", "|", ":"]),
    st.booleans(),
)
@settings(max_examples=200)
def test_fuzz_tables(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], mark: str, headed: bool
) -> None:
    lines = ([["Date", "Open", "Close"]] if headed else []) + rows
    content = "\n".join(mark.join(row) for row in lines).encode("utf-8", "surrogatepass")
    attempt(put(tmp_path_factory.getbasetemp(), content, "fuzz_tables.csv"))


@pytest.mark.slow
@given(
    st.sampled_from(sorted(DRESSES)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    st.sampled_from(["replace", "insert", "delete", "cut"]),
)
@settings(max_examples=200)
def test_fuzz_spoilt_files(
    tmp_path_factory: pytest.TempPathFactory, dress: str, spots: list[tuple[int, int]], how: str
) -> None:
    content = bytearray(DRESSES[dress])
    for where, value in spots:
        at_byte = where % max(len(content), 1)
        content[at_byte : at_byte + (how != "insert")] = b"" if how == "delete" else bytes([value])
    if how == "cut":
        del content[spots[0][0] % len(content) :]
    attempt(put(tmp_path_factory.getbasetemp(), bytes(content) or b"\n", "fuzz_spoilt.csv"))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
@settings(max_examples=100)
def test_fuzz_parquet(tmp_path_factory: pytest.TempPathFactory, spots: list[tuple[int, int]]) -> None:
    whole = tmp_path_factory.getbasetemp() / "fuzz_whole.parquet"
    if not whole.exists():
        pd.DataFrame({"date": ["2024-01-02"] * 9, "close": np.arange(9.0)}).to_parquet(whole)
    content = bytearray(whole.read_bytes())
    for where, value in spots:
        content[where % len(content)] = value
    try:
        table, faults = read_messy(put(whole.parent, bytes(content), "fuzz.parquet"))
        assert len(table) + len(faults) > 0
    except at.SourceError as refused:
        assert "\n" not in str(refused)


class Drip:
    "A stream that yields its first bytes at once and then a few at a time."

    def __init__(self, content: bytes, step: int) -> None:
        self.content, self.step, self.place = content, step, 0

    def seek(self, place: int) -> None:
        self.place = place

    def read(self, _: int) -> bytes:
        before = self.place
        self.place += self.step if before else 64
        return self.content[before : self.place]


ENDS = st.sampled_from([b"a", b",", b"\r", b"\n", b"\r\n", b"\n\r", b" ", b"\xc3\xa9", b"\xff", b"\x00"])


@given(st.lists(ENDS, max_size=60).map(b"".join), st.integers(1, 9))
@settings(max_examples=200)
def test_lines_do_not_depend_on_where_the_pieces_end(content: bytes, step: int) -> None:
    content = b"Date,Close\r\n" * 6 + content
    numbers, lines, faults = lines_of.read_lines(Drip(content, step), "drip.csv")  # type: ignore[arg-type]
    wanted = [(i, line) for i, line in enumerate(re.split(b"\r\n|\r|\n", content), 1) if line.strip()]
    assert list(zip(numbers, lines, strict=True)) == wanted and not faults


def test_zeros_alone_are_no_encoding() -> None:
    assert lines_of.find_encoding(bytes(4_096)) == ("utf-8", 0) and lines_of.find_encoding(b"") == (
        "utf-8",
        0,
    )


@pytest.mark.parametrize("dress", sorted(set(DRESSES) - {"gzip"}))
@pytest.mark.parametrize("step", [1, 3, 7])
def test_no_encoding_depends_on_where_the_pieces_end(dress: str, step: int) -> None:
    pieces = lines_of.read_lines(Drip(DRESSES[dress], step), "drip.csv")  # type: ignore[arg-type]
    assert pieces == lines_of.read_lines(Drip(DRESSES[dress], 10**6), "drip.csv")  # type: ignore[arg-type]


def test_cutting_needs_a_line() -> None:
    with pytest.raises(at.SourceError, match="no line with"):
        cut_table([], [], "none.csv")
