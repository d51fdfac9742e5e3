"The program's `data update` and `data status`: what they say, what they leave, and how they end."

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.content import cli
from alphatwin.content.cli import read_option
from alphatwin.content.data_cli import say_fault, update_symbol
from alphatwin.data import sources
from alphatwin.data.lake import Lake, list_vintages
from alphatwin.data.vintages import lake_status, read_question

Refusal = Callable[..., str]
PROGRAM = Path(sys.executable).parent / "alphatwin"


@pytest.fixture(autouse=True)
def _own_books(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "SOURCES", dict(sources.SOURCES))
    monkeypatch.setenv("ALPHATWIN_LAKE", str(tmp_path / "lake"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


class Vendor:
    "A source that can be told what to answer, and remembers what it was asked."

    def __init__(self, days: int = 8) -> None:
        time = pd.bdate_range("2024-05-27", periods=days, name="time", unit="ns")
        self.published = pd.DataFrame({"close": np.arange(days) + 100.0}, index=time)
        self.asked: list[str | None] = []
        at.register_source("vendor", self)

    def __call__(self, symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        self.asked.append(start)
        if symbol == "BROKEN":
            raise KeyError("chart\nresult")
        if symbol == "STOP":
            raise KeyboardInterrupt
        return self.published.loc[start:]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(["data", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


# Update


def test_update_from_the_samples(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    code, out, err = run(capsys, "update", "AAPL", "FB", "--source", "sample")
    assert (code, err) == (0, "")
    assert out == "[1/2] AAPL: 3,270 new rows\n[2/2] FB: 196 new rows\n"
    code, out, err = run(capsys, "update", "AAPL", "FB", "--source", "sample")
    assert (code, out, err) == (0, "[1/2] AAPL: unchanged\n[2/2] FB: unchanged\n", "")
    raw = at.load("AAPL", adjust="raw")
    pd.testing.assert_frame_equal(lake.read("AAPL"), raw, check_freq=False)
    assert at.load("AAPL", source="lake", adjust="all")["close"].equals(
        at.load("AAPL", adjust="all")["close"]
    )


def test_without_symbols_all_are_asked_at_their_own_source(
    capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    vendor = Vendor()
    code, out, err = run(capsys, "update")
    assert (code, out) == (1, "") and err.startswith(
        "alphatwin: the lake is empty; try: alphatwin data update AAPL"
    )
    run(capsys, "update", "FB", "--source", "sample")
    run(capsys, "update", "X", "--source", "vendor")
    vendor.published.iloc[2] += 1
    code, out, err = run(capsys, "update")
    assert (code, out) == (
        0,
        "[1/2] FB: unchanged\n[2/2] X: new vintage, 1 cell moved, 0 rows gone, 0 new rows\n",
    )


def test_a_symbol_that_fails_does_not_stop_the_others(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    Vendor()
    code, out, err = run(capsys, "update", "A", "BROKEN", "B", "--source", "vendor")
    assert code == 1
    assert out == "[1/3] A: 8 new rows\n[2/3] BROKEN: FAILED\n[3/3] B: 8 new rows\n"
    assert err.splitlines() == [
        "alphatwin: BROKEN: KeyError: 'chart\\nresult'",
        "alphatwin: 1 of 3 failed: BROKEN",
    ]
    assert lake.symbols() == ["A", "B"]
    code, out, err = run(capsys, "update", "AAPPL", "--source", "sample")
    assert code == 1 and "alphatwin: AAPPL: no sample 'AAPPL'; did you mean AAPL" in err
    code, out, err = run(capsys, "update", "A", "--source", "bloomberg")
    assert code == 1 and "no source 'bloomberg'; there are:" in err


def test_a_source_that_answers_nothing_fails(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    vendor = Vendor()
    run(capsys, "update", "A", "--source", "vendor")
    vendor.published = vendor.published[:0]
    code, out, err = run(capsys, "update", "A", "--source", "vendor")
    assert code == 1 and "A: no rows; an empty answer is not stored" in err
    assert len(lake.read("A")) == 8


def test_another_source_says_that_it_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    Vendor()
    run(capsys, "update", "FB", "--source", "sample")
    code, _, err = run(capsys, "update", "FB", "--source", "vendor")
    assert (
        code == 1 and "FB: source sample and vendor, holds bars and closes do not mix; write all of it" in err
    )


def test_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, lake: Lake) -> None:
    fb = at.load("FB")
    fb.to_csv(tmp_path / "FB.csv")
    code, out, _ = run(capsys, "update", "FB.csv", "--source", "csv")
    assert (code, out) == (0, "[1/1] FB.csv: 196 new rows\n")
    pd.testing.assert_frame_equal(lake.read("FB"), fb, check_freq=False)
    both = at.load(["AAPL", "IBM"], start="2013").reset_index()
    both.to_csv(tmp_path / "many.csv", index=False)
    code, out, _ = run(capsys, "update", "AAPL", "IBM", "--source", "csv", "-o", "path=many.csv")
    assert (code, out) == (0, "[1/2] AAPL: 41 new rows\n[2/2] IBM: 41 new rows\n")
    pd.testing.assert_frame_equal(lake.read(["AAPL", "IBM"]), at.load(["AAPL", "IBM"], start="2013"))
    code, _, err = run(capsys, "update", "MSFT", "--source", "csv", "-o", "path=many.csv")
    assert code == 1 and "MSFT" in err


def where(lake: Lake, symbol: str) -> dict[str, object]:
    "How the lake remembers that a symbol was asked for."
    return read_question(lake.folder, symbol)


def test_a_bare_update_asks_as_before_from_any_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.load("FB").to_csv(tmp_path / "clean.csv")
    both = at.load(["AAPL", "IBM"], start="2013").reset_index()
    both.assign(time=both["time"].dt.strftime("%d/%m/%Y")).to_csv(tmp_path / "long.csv", index=False)
    words = ["AAPL", "--source", "csv", "-o", "path=long.csv", "-o", "dates=day first"]
    assert run(capsys, "update", "clean.csv")[:2] == (0, "[1/1] clean.csv: 196 new rows\n")
    assert run(capsys, "update", *words)[:2] == (0, "[1/1] AAPL: 41 new rows\n")
    assert run(capsys, "update", "IBM", "--source", "sample")[0] == 0
    assert where(lake, "clean") == {"source": "csv", "symbol": str(tmp_path / "clean.csv"), "options": {}}
    assert where(lake, "AAPL")["options"] == {"path": str(tmp_path / "long.csv"), "dates": "day first"}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = run(capsys, "update")
    assert (code, err) == (0, "")
    assert out == "[1/3] AAPL: unchanged\n[2/3] IBM: unchanged\n[3/3] clean: unchanged\n"
    assert run(capsys, "update", "clean", "--source", "csv")[:2] == (0, "[1/1] clean: unchanged\n")
    assert run(capsys, "update", "AAPL", "--start", "2013-02-20")[:2] == (0, "[1/1] AAPL: unchanged\n")


def test_a_file_that_moved_is_asked_for_and_its_new_place_remembered(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, lake: Lake
) -> None:
    at.load("FB").to_csv(tmp_path / "clean.csv")
    run(capsys, "update", "clean.csv")
    (tmp_path / "new").mkdir()
    (tmp_path / "clean.csv").rename(tmp_path / "new" / "clean.csv")
    code, _, err = run(capsys, "update")
    line = err.splitlines()[0]
    assert code == 1 and line == (
        f"alphatwin: clean: its file {tmp_path / 'clean.csv'} is gone; "
        "name it once: alphatwin data update clean --source csv -o path=FILE"
    )
    assert run(capsys, "update", "clean", "--source", "csv", "-o", "path=new/clean.csv")[0] == 0
    assert run(capsys, "update")[:2] == (0, "[1/1] clean: unchanged\n")
    (tmp_path / "new" / "clean.csv").rename(tmp_path / "clean.csv")
    assert run(capsys, "update", "./clean.csv")[0] == 0 and run(capsys, "update")[0] == 0
    assert where(lake, "clean") == {"source": "csv", "symbol": str(tmp_path / "clean.csv"), "options": {}}


def test_a_file_that_only_python_knew(capsys: pytest.CaptureFixture[str], tmp_path: Path, lake: Lake) -> None:
    at.load("FB").to_csv(tmp_path / "fb.csv")
    lake.write("MINE", at.load(str(tmp_path / "fb.csv"), source="csv"))
    code, _, err = run(capsys, "update")
    assert code == 1 and "MINE: no file is known for it; name it once: alphatwin data update MINE" in err
    assert run(capsys, "update", "MINE", "--source", "csv", "-o", "path=fb.csv")[0] == 0
    assert run(capsys, "update")[:2] == (0, "[1/1] MINE: unchanged\n")


def test_keys_are_not_remembered(lake: Lake) -> None:
    def vendor(symbol: str, start: str | None, end: str | None, days: int, api_key: str) -> pd.DataFrame:
        assert api_key == "hush"
        return at.load("FB")

    at.register_source("vault", vendor)
    update_symbol(lake, "X", "vault", options={"days": 30, "api_key": "hush"})
    assert where(lake, "X") == {"source": "vault", "symbol": "X", "options": {"days": 30}}
    assert not any(b"hush" in path.read_bytes() for path in lake.folder.rglob("*") if path.is_file())
    assert update_symbol(lake, "X", options={"api_key": "hush"}).kind == "unchanged", "the rest is as before"


def test_another_source_forgets_the_options_of_the_first(lake: Lake, tmp_path: Path) -> None:
    at.load("FB").to_csv(tmp_path / "fb.csv")
    update_symbol(lake, "FB", "csv", options={"path": "fb.csv", "decimal": "."})
    update_symbol(lake, "FB", "sample")
    assert where(lake, "FB") == {"source": "sample", "symbol": "FB", "options": {}}
    with pytest.raises(at.SourceError, match="no file is known"):
        update_symbol(lake, "FB", "csv")


def test_the_source_that_was_asked_last_is_asked_next(lake: Lake) -> None:
    "Even where it had nothing new, so that no file of the lake names it."
    first, second = Vendor(), Vendor()
    at.register_source("first", first)
    at.register_source("second", second)
    update_symbol(lake, "X", "first")
    assert update_symbol(lake, "X", "second").kind == "unchanged"
    update_symbol(lake, "X")
    assert (len(first.asked), len(second.asked)) == (1, 2)


def test_a_file_of_one_named_symbol_may_move(lake: Lake, tmp_path: Path) -> None:
    at.load(["AAPL"], start="2013").reset_index().to_csv(tmp_path / "AAPL.csv", index=False)
    assert update_symbol(lake, "AAPL.csv").rows == 41
    (tmp_path / "AAPL.csv").rename(tmp_path / "moved.csv")
    assert update_symbol(lake, "AAPL", options={"path": "moved.csv"}).kind == "unchanged"
    assert update_symbol(lake, "AAPL").kind == "unchanged"


def test_a_path_means_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, lake: Lake) -> None:
    at.load("FB").to_csv(tmp_path / "clean.csv")
    at.load("FB").to_parquet(tmp_path / "bars.parquet")
    (tmp_path / "plain").write_bytes((tmp_path / "clean.csv").read_bytes())
    code, out, err = run(capsys, "update", "clean.csv", str(tmp_path / "bars.parquet"), "plain")
    assert (code, err) == (0, "") and out.count("196 new rows") == 3
    assert lake.symbols() == ["bars", "clean", "plain"]
    code, _, err = run(capsys, "update", "nosuch.csv")
    assert code == 1 and "no file" in err and "in that folder: bars.parquet, clean.csv" in err
    lake.write("IBM", at.load("IBM", adjust="raw"))
    (tmp_path / "IBM").write_text("a file that happens to have the name of what the lake holds")
    assert run(capsys, "update", "IBM")[:2] == (0, "[1/1] IBM: unchanged\n")


def test_without_duckdb_nothing_is_asked_or_stored(
    capsys: pytest.CaptureFixture[str], lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Vendor()
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for _ in range(2):
        code, out, err = run(capsys, "update", "X", "--source", "vendor")
        assert (code, out) == (1, "")
        assert err == "alphatwin: the lake needs DuckDB, which is missing: pip install 'alphatwin[lake]'\n"
    assert vendor.asked == [] and not lake.folder.exists()


@pytest.mark.parametrize("day", ["31/12/2020", "soon", "20201231"])
def test_a_start_is_not_guessed(capsys: pytest.CaptureFixture[str], day: str) -> None:
    vendor = Vendor()
    code, out, err = run(capsys, "update", "X", "--source", "vendor", "--start", day)
    assert (code, out, vendor.asked) == (1, "", []) and err.startswith("alphatwin: --start must be a day")
    assert "'2024-01-31'" in err and len(err.splitlines()) == 1


# Faults, in words that can be typed


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST]
)
def test_a_number_of_the_system_becomes_what_to_do(number: int) -> None:
    said = say_fault(OSError(number, os.strerror(number), "/somewhere/bars"))
    assert said.startswith("/somewhere/bars: ") and "; " in said and "Errno" not in said
    assert any(word in said for word in ("choose another folder", "free some space"))


def test_other_faults_of_the_system_have_no_number() -> None:
    assert say_fault(OSError(errno.EIO, "Input/output error", "x")) == "x: Input/output error"
    assert say_fault(OSError("plain")) == "plain"


def test_a_lake_cannot_be_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "clean.csv"
    at.load("FB").to_csv(file)
    for words in (["status"], ["update", "AAPL", "--source", "sample"]):
        code, out, err = run(capsys, *words, "--folder", str(file))
        assert (code, out) == (1, "") and "a lake is a folder" in err and len(err.splitlines()) == 1
    code, out, err = run(capsys, "update", "AAPL", "--source", "sample", "--folder", str(file / "lake"))
    assert code == 1 and "a file stands where a folder is needed; choose another folder" in err
    assert "Errno" not in err


FULL = """
    import resource, signal, sys
    from alphatwin.content.cli import main

    main(["data", "update", "FB", "--source", "sample"])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
    sys.exit(main(["data", "update", "IBM", "--source", "sample"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such limit")
def test_a_disk_that_takes_no_more(lake: Lake) -> None:
    "The same happens on a disk without room: the writer is refused in the middle."
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FULL)], capture_output=True, text=True)
    assert done.returncode == 1 and "Errno" not in done.stderr
    assert done.stderr.startswith("alphatwin: IBM: the disk takes no more; free some space and run it again")
    assert lake.symbols() == ["FB"] and len(lake.read("FB")) == 196


def test_the_words_are_those_of_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    long = at.load(["AAPL", "IBM"], start="2013-02").reset_index()
    long.to_csv(tmp_path / "long.csv", index=False)
    _, _, err = run(capsys, "update", "long.csv")
    assert "alphatwin data update AAPL --source csv -o path=FILE" in err and "load(" not in err
    few = at.load("FB", start="2012-06-01", end="2012-06-12").reset_index()
    few.assign(time=few["time"].dt.strftime("%m/%d/%Y")).to_csv(tmp_path / "few.csv", index=False)
    _, _, err = run(capsys, "update", "few.csv")
    assert '-o "dates=day first"' in err and "dates='" not in err
    _, _, err = run(capsys, "update", "few.csv", "-o", "dats=day first")
    assert "few.csv: this source has no option dats" in err and "TypeError" not in err


def test_start_asks_for_less(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    vendor = Vendor()
    code, out, _ = run(capsys, "update", "X", "--source", "vendor", "--start", "2024-06-03")
    assert out == "[1/1] X: 3 new rows\n" and vendor.asked == ["2024-06-03"]
    code, out, _ = run(capsys, "update", "X", "--source", "vendor")
    assert out == "[1/1] X: 5 new rows\n" and len(lake.read("X")) == 8
    code, _, err = run(capsys, "update", "X", "--source", "vendor", "--start", "soon")
    assert code == 1 and "--start must be a day" in err


def test_start_leaves_no_hole(lake: Lake) -> None:
    vendor = Vendor()
    whole = vendor.published
    vendor.published = whole[:2]
    update_symbol(lake, "X", "vendor")
    vendor.published = whole
    assert str(update_symbol(lake, "X", "vendor", start="2024-06-04")) == "X: 6 new rows"
    assert vendor.asked == [None, "2024-05-28"]
    pd.testing.assert_frame_equal(lake.read("X"), whole, check_freq=False)
    assert [file.kind for file in list_vintages(lake.folder, "X")] == ["whole", "append"]


@pytest.mark.parametrize("fault", ["moved", "gone"])
def test_where_the_overlap_disagrees_all_is_asked_again(lake: Lake, fault: str) -> None:
    vendor = Vendor()
    update_symbol(lake, "X", "vendor")
    vendor.asked.clear()
    vendor.published = (
        vendor.published * 0.98 if fault == "moved" else vendor.published.drop(vendor.published.index[6])
    )
    done = update_symbol(lake, "X", "vendor", start="2024-06-03")
    assert vendor.asked == ["2024-06-03", None]
    assert (done.moved, done.gone) == ((8, 0) if fault == "moved" else (0, 1))
    pd.testing.assert_frame_equal(lake.read("X"), vendor.published, check_freq=False)


def test_where_the_overlap_agrees_it_is_not(lake: Lake) -> None:
    vendor = Vendor()
    update_symbol(lake, "X", "vendor")
    vendor.published = vendor.published.copy()
    vendor.published.iloc[0] = 1.0
    assert update_symbol(lake, "X", "vendor", start="2024-06-03").kind == "unchanged"
    assert vendor.asked == [None, "2024-06-03"]
    assert update_symbol(lake, "X", "vendor").moved == 1, "an update of the whole sees it"


def test_a_source_that_does_not_cut_is_cut(lake: Lake) -> None:
    assert update_symbol(lake, "FB", "sample", start="2013-02-27").rows == 3
    assert len(lake.read("FB")) == 3


def test_interrupted(capsys: pytest.CaptureFixture[str], lake: Lake) -> None:
    Vendor()
    code, out, err = run(capsys, "update", "A", "STOP", "B", "--source", "vendor")
    assert code == 130 and err == "\nalphatwin: interrupted; 1 of 3 are done and stay\n"
    assert lake.symbols() == ["A"]


@pytest.mark.parametrize(
    ("text", "value"), [("a=1", 1), ("a=1.5", 1.5), ("a=x", "x"), ("a=", ""), ("a=2024-01-31", "2024-01-31")]
)
def test_options(text: str, value: object) -> None:
    assert read_option(text) == ("a", value) and type(read_option(text)[1]) is type(value)


# Status


def test_status(capsys: pytest.CaptureFixture[str], lake: Lake, tmp_path: Path) -> None:
    code, out, err = run(capsys, "status")
    assert (code, err) == (0, "")
    assert (
        out
        == f"The lake in {lake.folder} is empty. A first series: alphatwin data update AAPL --source sample\n"
    )
    assert not lake.folder.exists()
    run(capsys, "update", "AAPL", "^GSPC", "--source", "sample")
    code, out, _ = run(capsys, "status")
    lines = out.splitlines()
    assert (
        lines[0].split()
        == "symbol source rows first last vintages restated last known (UTC) age, days".split()
    )
    age = (pd.Timestamp.now("UTC").tz_localize(None) - pd.Timestamp("2013-03-01")).days
    assert lines[1].split()[:7] == ["AAPL", "sample", "3270", "2000-03-01", "2013-03-01", "1", "0"]
    assert abs(int(lines[1].split()[-1]) - age) <= 1
    assert lines[-1] == f"1 symbol, 3,270 rows, in {lake.folder}"
    elsewhere = tmp_path / "elsewhere"
    run(capsys, "update", "IBM", "--source", "sample", "--folder", str(elsewhere))
    assert (
        "IBM" in run(capsys, "status", "--folder", str(elsewhere))[1]
        and "IBM" not in run(capsys, "status")[1]
    )


def test_status_counts(lake: Lake) -> None:
    day = pd.date_range("2024-07-01", periods=3, name="time")
    for number, (closes, rows) in enumerate(
        [([10, 11], 2), ([10, 11, 12], 3), ([10, 11.5, 12], 3), ([10, 12], 2)]
    ):
        index = day[:rows] if number < 3 else day[[0, 2]]
        lake.write(
            "X", pd.DataFrame({"close": closes}, index=index), known=f"2024-07-0{number + 2}", source="hand"
        )
    hours = pd.DataFrame({"close": [1.0]}, index=pd.DatetimeIndex(["2024-07-01 22:00+00:00"], name="time"))
    lake.write("H", hours, known="2024-07-02", source="hand")
    table = lake_status(lake.folder, now=pd.Timestamp("2024-07-05 12:00")).set_index("symbol")
    assert table.loc["X", ["rows", "vintages", "restated", "age"]].tolist() == [2, 4, 2, 2]
    assert table.loc["X", ["first", "last"]].tolist() == [day[0], day[2]]
    assert table.loc["H", "last"] == pd.Timestamp("2024-07-01 22:00") and table.loc["H", "age"] == 3


# The program itself


def program(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(PROGRAM), "data", *words], capture_output=True, text=True, cwd=cwd)


@pytest.mark.slow
def test_the_program(tmp_path: Path) -> None:
    at.load("IBM", start="2013").to_csv(tmp_path / "IBM.csv")
    done = program("update", "IBM.csv", "NONE.csv", "--source", "csv", "--folder", "here", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == "[1/2] IBM.csv: 41 new rows\n[2/2] NONE.csv: FAILED\n"
    assert done.stderr.startswith("alphatwin: NONE.csv: ") and done.stderr.endswith(
        "1 of 2 failed: NONE.csv\n"
    )
    assert len(done.stderr.splitlines()) == 2 and "Traceback" not in done.stderr
    assert Lake(tmp_path / "here").symbols() == ["IBM"]
    assert program("fetch", cwd=tmp_path).returncode == 2
    assert program(cwd=tmp_path).returncode == 2


SLOW = """
    import sys, time
    import alphatwin as at
    from alphatwin.content.cli import main

    def slow(symbol, start, end):
        if symbol == "B":
            time.sleep(60)
        return at.load("FB")

    at.register_source("slow", slow)
    sys.exit(main(["data", "update", "A", "B", "C", "--source", "slow", "--folder", sys.argv[1]]))
"""


def test_ctrl_c_leaves_what_is_done(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(SLOW), str(tmp_path / "here")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    said = b""
    while not said.endswith(b"[2/3] B: "):
        said += (part := os.read(running.stdout.fileno(), 100))
        assert part, said
    assert said == b"[1/3] A: 196 new rows\n[2/3] B: "
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err == "\nalphatwin: interrupted; 1 of 3 are done and stay\n"
    assert Lake(tmp_path / "here").symbols() == ["A"]


def test_the_doctor_needs_no_pandas() -> None:
    code = "import sys, alphatwin.content.cli as c; c.make_parser(); print([m for m in ('pandas', 'duckdb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
