"The cache: killed writers, broken files, ages, and what `load` makes of it."

import datetime as dt
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webserver import Answer, Web

import alphatwin as at
from alphatwin.data import sources
from alphatwin.data.cache import (
    age_text,
    cache_folder,
    cached,
    entry_path,
    keep,
    question,
    recall,
    remember,
    to_age,
    write_atomic,
)
from alphatwin.data.web import fetch_json

Refusal = Callable[..., str]
NOON = pd.Timestamp("2024-01-03 12:00", tz="UTC")
ASKED = question("vendor", "AAPL", None, None, {})


def apple() -> pd.DataFrame:
    return at.load("AAPL", start="2005-02-24", end="2005-03-01")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    "A warning that no test expects is an error."
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


# A killed writer


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert process.stdin and process.stdout
    process.stdin.close(), process.stdout.close()


HALFWAY = """
import sys
from alphatwin.data.cache import write_atomic

def write(part):
    with part.open("w") as file:
        file.write("new " * 1000)
        file.flush()
        print("halfway", flush=True)
        sys.stdin.readline()

write_atomic(sys.argv[1], write)
"""


def test_a_writer_killed_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    process = start(HALFWAY, path)
    assert process.stdout and process.stdout.readline() == "halfway\n"
    kill(process)
    assert path.read_text() == "old"
    left = [one for one in tmp_path.iterdir() if one != path]
    assert len(left) == 1 and left[0].name.startswith(".") and left[0].read_text().startswith("new")
    # The next writer is not disturbed, and sweeps what is an hour old.
    write_atomic(path, lambda part: part.write_text("newer"))
    assert path.read_text() == "newer" and left[0].exists()
    os.utime(left[0], (time.time() - 3700,) * 2)
    write_atomic(path, lambda part: part.write_text("newest"))
    assert [one.name for one in tmp_path.iterdir()] == ["note.txt"]


BUSY = """
import sys
import pandas as pd
import alphatwin as at
from alphatwin.data.cache import keep, question

bars = at.load("SPX")
print("begun", flush=True)
for turn in range(10_000):
    keep(bars * (1 + turn % 7), question("vendor", "SPX", None, None, {}), sys.argv[1])
"""


def test_a_busy_writer_killed_at_any_time_leaves_an_answer_that_can_be_used(tmp_path: Path) -> None:
    asked, spx = question("vendor", "SPX", None, None, {}), at.load("SPX")
    for pause in (0.031, 0.083):
        keep(spx, asked, tmp_path)
        process = start(BUSY, tmp_path)
        assert process.stdout and process.stdout.readline() == "begun\n"
        time.sleep(pause)
        kill(process)
        found = recall(asked, tmp_path)  # A warning would be an error here
        assert found is not None
        factor = found[0]["close"].iloc[0] / spx["close"].iloc[0]
        np.testing.assert_allclose(found[0], spx * round(factor), rtol=1e-15)
        assert len(cached(tmp_path)) == 1


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = tmp_path / "note.txt", []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("sync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("rename"), replace(a, b)))
    write_atomic(path, lambda part: part.write_text("new"))
    assert steps == ["sync", "rename", "sync"] and path.read_text() == "new"


@pytest.mark.parametrize("fault", [ValueError("no"), KeyboardInterrupt(), OSError("disk full")])
def test_a_writer_that_fails_leaves_nothing_behind(fault: BaseException, tmp_path: Path) -> None:
    def write(part: Path) -> None:
        part.write_text("half")
        raise fault

    (tmp_path / "old.txt").write_text("old")
    for name in ("old.txt", "deep/new.txt"):
        with pytest.raises(type(fault)):
            write_atomic(tmp_path / name, write)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


# Questions and folders


def test_what_makes_two_questions_differ(tmp_path: Path) -> None:
    base = ("yahoo", "SPY", "2020-01-01", None, {"interval": "1d"})
    others = [
        ("tiingo", *base[1:]),
        ("yahoo", "SPY ", *base[2:]),
        ("yahoo", "spy", *base[2:]),
        (*base[:2], None, None, base[4]),
        (*base[:3], "2021-01-01", base[4]),
        (*base[:4], {"interval": "5m"}),
        (*base[:4], {}),
        (*base[:4], {"interval": "1d", "asof": dt.date(2024, 1, 3)}),
        (*base[:4], {"interval": "1d", "asof": "2024-01-04"}),
    ]
    paths = {entry_path(question(*one), tmp_path) for one in (base, *others)}
    assert len(paths) == 1 + len(others)


def test_keys_and_manners_make_no_difference_and_are_written_nowhere(tmp_path: Path) -> None:
    options = {"api_key": "s3cret", "SECRET": "s3cret", "token": "s3cret", "password": "s3cret"}
    options |= {"timeout": 5, "session": object(), "sleep": print, "tries": 2}
    assert question("tiingo", "SPY", None, None, options) == question("tiingo", "SPY", None, None, {})
    file = keep(apple(), question("tiingo", "SPY", None, None, options), tmp_path)
    assert b"s3cret" not in file.read_bytes()


def test_the_order_of_options_makes_no_difference(tmp_path: Path) -> None:
    one = question("s", "X", None, None, {"a": 1, "b": [1, 2], "c": None})
    two = question("s", "X", None, None, {"c": None, "b": (1, 2), "a": 1})
    assert entry_path(one, tmp_path) == entry_path(two, tmp_path)


@pytest.mark.parametrize("value", [object(), pd.DataFrame({"a": [1]}), {"x": len}, {1, 2}])
def test_an_option_that_cannot_be_compared_is_refused(value: Any, refusal: Refusal) -> None:
    sentence = refusal(ValueError, question, "s", "SPY", None, None, {"table": value})
    assert "SPY: max_age needs options of plain values" in sentence


@pytest.mark.parametrize(
    "symbol", ["../../etc/passwd", "BTC/USDT", "^GSPC", "A" * 500, ".", "", "a\x00b", "é"]
)
def test_no_symbol_leaves_the_folder(symbol: str, tmp_path: Path) -> None:
    path = entry_path(question("../up", symbol, None, None, {}), tmp_path)
    assert path.parent.parent == tmp_path and len(path.name) < 100 and path.name.isascii()
    keep(apple(), question("../up", symbol, None, None, {}), tmp_path)
    assert recall(question("../up", symbol, None, None, {}), tmp_path) is not None
    assert cached(tmp_path)["symbol"].tolist() == [symbol]


def test_where_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALPHATWIN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "alphatwin"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "alphatwin"
    monkeypatch.setenv("ALPHATWIN_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert cache_folder(tmp_path / "now") == tmp_path / "now"
    monkeypatch.setenv("ALPHATWIN_CACHE", "")
    assert cache_folder() == tmp_path / "xdg" / "alphatwin"


# Ages


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1d", 86400), ("12h", 43200), ("30min", 1800), ("5s", 5), ("0d", 0), ("1.5h", 5400), ("2 d", 172800)],
)
def test_reading_an_age(text: str, seconds: float) -> None:
    assert to_age(text) == pd.Timedelta(seconds=seconds) == to_age(dt.timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "wrong",
    [5, 0, 1.5, True, "5", "", "d", "-1d", "1y", "1 week", "1e3d", "nan", "NaT", None, [1], pd.NaT]
    + [dt.timedelta(days=-1), "9999999d", "1d\n", "١d2"],
)
def test_what_is_no_age(wrong: Any, refusal: Refusal) -> None:
    sentence = refusal(ValueError, to_age, wrong)
    assert "max_age must say its unit, such as '1d'" in sentence


@given(st.integers(0, 10**9))
def test_an_age_in_words_takes_the_answer_it_speaks_of(milliseconds: int) -> None:
    age = pd.Timedelta(milliseconds=milliseconds)
    assert age <= to_age(age_text(age)) <= 2 * age + pd.Timedelta(seconds=1)


# Keeping and finding


def test_what_was_kept_comes_back_and_says_when(tmp_path: Path) -> None:
    file = keep(apple(), ASKED, tmp_path, now=NOON)
    assert file.parent == tmp_path / "vendor" and file.suffix == ".parquet"
    bars, fetched = recall(ASKED, tmp_path) or (None, None)
    pd.testing.assert_frame_equal(bars, apple(), check_exact=True, check_freq=False)
    assert fetched == NOON
    assert b'"fetched": "2024-01-03T12:00:00+00:00"' in pq.read_metadata(file).metadata[b"alphatwin"]
    assert recall(question("vendor", "MSFT", None, None, {}), tmp_path) is None


def test_closes_and_moments_come_back(tmp_path: Path, market: Callable[..., pd.DataFrame]) -> None:
    for table in (apple()[["close"]], market(3, 50, "UTC"), apple()[::-1]):
        keep(table, ASKED, tmp_path)
        found = recall(ASKED, tmp_path)
        assert found is not None
        pd.testing.assert_frame_equal(found[0], table, check_exact=True, check_freq=False)


def damage(file: Path, how: str) -> None:
    data = file.read_bytes()
    price = data.index(np.float64(44.86).tobytes())
    note = data.index(b'"fetched"')
    broken = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "cut at the end": data[:-1],
        "text": b"date,close\n2024-01-02,1\n",
        "one price": data[:price] + b"\x01" + data[price + 1 :],
        "its note": data[:note] + b'"fetchxd"' + data[note + 9 :],
    }
    file.write_bytes(broken[how])


@pytest.mark.parametrize("how", ["empty", "cut", "cut at the end", "text", "one price", "its note"])
def test_a_broken_file_counts_as_absent_and_is_named(how: str, tmp_path: Path) -> None:
    file = keep(apple(), ASKED, tmp_path, now=NOON)
    damage(file, how)
    with pytest.warns(UserWarning) as said:
        assert recall(ASKED, tmp_path) is None
    assert len(said) == 1 and file.name in str(said[0].message) and "\n" not in str(said[0].message)
    with pytest.warns(UserWarning, match="cannot be used"):
        bars = remember(ASKED, apple, "1d", tmp_path, now=NOON)
    assert len(bars) == 4 and recall(ASKED, tmp_path) is not None  # It was asked anew and mended


def test_the_answer_to_another_question_is_not_taken(tmp_path: Path) -> None:
    other = question("vendor", "MSFT", None, None, {})
    keep(apple(), ASKED, tmp_path).rename(entry_path(other, tmp_path))
    with pytest.warns(UserWarning, match="not what was written"):
        assert recall(other, tmp_path) is None


def test_a_parquet_file_of_somebody_else_is_passed_over(tmp_path: Path) -> None:
    path = entry_path(ASKED, tmp_path)
    path.parent.mkdir()
    apple().to_parquet(path)
    with pytest.warns(UserWarning, match="cannot be used"):
        assert recall(ASKED, tmp_path) is None
    with pytest.warns(UserWarning, match="cannot be used"):
        assert cached(tmp_path).empty


# Remembering


class Vendor:
    "Counts how often it is asked; may be on holiday."

    def __init__(self) -> None:
        self.asked, self.open = 0, True

    def __call__(self) -> pd.DataFrame:
        self.asked += 1
        if not self.open:
            raise at.SourceError("AAPL: on holiday")
        return apple() * self.asked


def test_young_enough_or_not(tmp_path: Path) -> None:
    vendor, hour = Vendor(), pd.Timedelta(hours=1)
    first = remember(ASKED, vendor, "1d", tmp_path, now=NOON)
    assert first.attrs.items() >= {"fetched": NOON.isoformat(), "age": "0s"}.items() and vendor.asked == 1
    again = remember(ASKED, vendor, "1d", tmp_path, now=NOON + 24 * hour)
    pd.testing.assert_frame_equal(again, first, check_freq=False)
    assert again.attrs == first.attrs | {"age": "1d"} and vendor.asked == 1
    late = NOON + 24 * hour + pd.Timedelta(milliseconds=1)
    fresh = remember(ASKED, vendor, "1d", tmp_path, now=late)
    assert vendor.asked == 2 and fresh["close"].iloc[0] == 2 * first["close"].iloc[0]
    assert remember(ASKED, vendor, "0s", tmp_path, now=late + hour) is not None and vendor.asked == 3


def test_an_answer_from_the_future_is_not_believed(tmp_path: Path, refusal: Refusal) -> None:
    vendor = Vendor()
    keep(apple(), ASKED, tmp_path, now=NOON + pd.Timedelta(hours=1))
    vendor.open = False
    sentence = refusal(at.SourceError, remember, ASKED, vendor, "9d", tmp_path, now=NOON)
    assert sentence == "AAPL: on holiday" and vendor.asked == 1


def test_when_the_source_fails_the_older_answer_is_offered(tmp_path: Path, refusal: Refusal) -> None:
    vendor = Vendor()
    vendor.open = False
    assert refusal(at.SourceError, remember, ASKED, vendor, "1d", tmp_path, now=NOON) == "AAPL: on holiday"
    vendor.open = True
    remember(ASKED, vendor, "1d", tmp_path, now=NOON)
    vendor.open, later = False, NOON + pd.Timedelta(hours=60)
    sentence = refusal(at.SourceError, remember, ASKED, vendor, "1d", tmp_path, now=later)
    assert sentence == "AAPL: on holiday; the cache has an answer, 3d old: max_age='3d' takes it"
    assert len(remember(ASKED, vendor, "3d", tmp_path, now=later)) == 4


def test_other_faults_pass_and_nothing_is_kept(tmp_path: Path) -> None:
    def broken() -> pd.DataFrame:
        raise KeyError("close")

    with pytest.raises(KeyError):
        remember(ASKED, broken, "1d", tmp_path)
    assert cached(tmp_path).empty


def test_an_answer_that_cannot_be_kept_is_still_an_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.warns(UserWarning, match="AAPL: the answer could not be kept"):
        assert len(remember(ASKED, apple, "1d", tmp_path / "file")) == 4


# Listing


def test_the_list_of_what_is_kept(tmp_path: Path) -> None:
    assert cached(tmp_path / "nothing").empty and "age" in cached(tmp_path / "nothing")
    keep(apple(), question("vendor", "AAPL", "2005-02-24", None, {"interval": "1d"}), tmp_path, now=NOON)
    keep(apple()[:2], question("yahoo", "AAPL", None, None, {}), tmp_path, now=NOON + pd.Timedelta(hours=5))
    table = cached(tmp_path, now=NOON + pd.Timedelta(days=1))
    assert table["source"].tolist() == ["yahoo", "vendor"] and table["rows"].tolist() == [2, 4]
    assert table["age"].tolist() == [pd.Timedelta(hours=19), pd.Timedelta(days=1)]
    assert table["options"].tolist() == ["", "interval 1d"] and table["start"].tolist()[1] == "2005-02-24"
    assert table["last"].tolist() == ["2005-02-25T00:00:00", "2005-03-01T00:00:00"]
    assert all((tmp_path / s / f).exists() for s, f in zip(table["source"], table["file"], strict=True))


# Through `load`


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    "A source that asks a real server; the cache is a folder of the test."
    monkeypatch.setenv("ALPHATWIN_CACHE", str(tmp_path))
    with Web() as web:

        def ask(symbol: str, start: str | None, end: str | None, **options: Any) -> pd.DataFrame:
            answer = fetch_json(f"{web.url}/{symbol}", name=symbol, sleep=lambda seconds: None)
            return pd.DataFrame(answer["rows"], columns=answer["columns"])

        at.register_source("vendor", ask)
        table = apple().assign(split=[0, 0, 2, 0]).reset_index()
        table["time"] = table["time"].dt.strftime("%Y-%m-%d")
        web.plan("/AAPL", Answer({"columns": list(table), "rows": table.values.tolist()}))
        yield web


def test_by_default_there_is_no_cache(vendor: Web) -> None:
    for _ in range(2):
        bars = at.load("AAPL", source="vendor")
    assert vendor.count() == 2 and cached().empty
    assert bars.attrs == {"symbol": "AAPL", "source": "vendor", "adjust": "none"}


def test_a_second_load_asks_nobody(vendor: Web, tmp_path: Path) -> None:
    first = at.load("AAPL", source="vendor", max_age="1d")
    again = at.load("AAPL", source="vendor", max_age="1d")
    pd.testing.assert_frame_equal(first, again, check_freq=False)
    pd.testing.assert_frame_equal(again.drop(columns="split"), apple(), check_freq=False)
    assert vendor.count() == 1 and len(cached()) == 1
    assert first.attrs["age"] == "0s" and again.attrs["fetched"] == first.attrs["fetched"]
    assert {"symbol": "AAPL", "source": "vendor", "adjust": "none"}.items() <= again.attrs.items()
    at.load("AAPL", source="vendor", max_age="0s")
    assert vendor.count() == 2
    at.load("AAPL", source="vendor", max_age="1d", cache=tmp_path / "elsewhere")
    assert vendor.count() == 3 and len(cached(tmp_path / "elsewhere")) == 1


def test_another_span_is_another_question(vendor: Web) -> None:
    spans: list[dict[str, str]] = [{}, {"start": "2005-02-25"}, {"end": "2005-02-25"}]
    for span in spans * 2:
        at.load("AAPL", source="vendor", max_age="1d", **span)
    assert vendor.count() == 3 and len(cached()) == 3


def test_one_kept_answer_serves_every_adjustment(vendor: Web) -> None:
    plain, split = (at.load("AAPL", source="vendor", max_age="1d", adjust=how) for how in ("none", "splits"))
    assert vendor.count() == 1
    np.testing.assert_array_equal(split["close"], plain["close"] / [2, 2, 1, 1])


def test_the_ledger_does_not_know_the_clock(vendor: Web) -> None:
    at.load("AAPL", source="vendor")
    before = at.loaded()
    for _ in range(2):
        at.load("AAPL", source="vendor", max_age="1d")
    assert at.loaded() == before


def test_a_failing_source_and_an_old_answer(vendor: Web, refusal: Refusal) -> None:
    bars = at.load("AAPL", source="vendor", max_age="1d")
    old = pd.Timestamp.now("UTC") - pd.Timedelta(hours=50)
    keep(bars.drop(columns="split"), question("vendor", "AAPL", None, None, {}), now=old)
    vendor.plan("/AAPL", Answer("down", 503))
    sentence = refusal(at.SourceError, at.load, "AAPL", source="vendor", max_age="1d")
    assert "AAPL: no answer in 4 tries: error 503 (down)" in sentence
    assert sentence.endswith("the cache has an answer, 3d old: max_age='3d' takes it")
    assert at.load("AAPL", source="vendor", max_age="3d").attrs["age"] == "3d"


def test_what_is_refused_is_not_kept(vendor: Web, refusal: Refusal) -> None:
    vendor.plan("/EMPTY", Answer({"columns": ["time", "close"], "rows": []}))
    vendor.plan("/THIN", Answer({"columns": ["time", "open", "close"], "rows": [["2024-01-02", 1, 2]]}))
    assert "answer was empty" in refusal(at.SourceError, at.load, "EMPTY", source="vendor", max_age="1d")
    assert "no column high" in refusal(at.BarsError, at.load, "THIN", source="vendor", max_age="1d")
    assert cached().empty


def test_what_is_on_this_disk_already_is_not_kept(vendor: Web, tmp_path: Path) -> None:
    assert "fetched" not in at.load("AAPL", max_age="1d", end="2000-03-05").attrs
    apple().to_csv(tmp_path / "apple.csv")
    at.load(str(tmp_path / "apple.csv"), source="csv", max_age="1d")
    assert cached().empty


def test_wrong_ages_are_refused_before_anybody_is_asked(vendor: Web, refusal: Refusal) -> None:
    for wrong in (5, "5", "soon", -1):
        refusal(ValueError, at.load, "AAPL", source="vendor", max_age=wrong)
    refusal(ValueError, at.load, "AAPL", source="vendor", max_age="1d", table=pd.DataFrame())
    assert vendor.count() == 0


def test_the_fingerprint_is_that_of_the_kept_numbers(vendor: Web, tmp_path: Path) -> None:
    at.load("AAPL", source="vendor", max_age="1d")
    (file,) = tmp_path.rglob("*.parquet")
    frame = pq.read_table(file).to_pandas()
    assert sources.fingerprint(frame) in pq.read_metadata(file).metadata[b"alphatwin"].decode()
