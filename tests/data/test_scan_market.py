"A whole market: the same bits as symbol by symbol, in whatever form it is handed over, and the committed benchmark."

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.findings import make_table
from alphatwin.data.one_pass import BITS, COUNTED
from alphatwin.data.scan import scan_table
from alphatwin.data.scan_market import scan_bars

ROOT = Path(__file__).resolve().parents[2]
Refusal = Callable[..., str]


def spoilt_market(seed: int, symbols: int = 7) -> pd.DataFrame:
    "A long table of symbols of different lengths, some of them out of order, with faults of all kinds."
    rng = np.random.default_rng(seed)
    parts = {}
    for number in range(symbols):
        rows = int(rng.integers(1, 150))
        close = 20 * np.exp(np.clip(0.01 * rng.standard_t(2, rows), -1, 1).cumsum())
        table = pd.DataFrame({"open": close, "high": close * 1.01, "low": close * 0.99, "close": close})
        table["volume"] = rng.integers(0, 50, rows) * 100.0
        bad = rng.random(table.shape) < 0.01
        table = table.mask(bad, rng.choice([np.nan, -1.0, 0.0, 1e5], table.shape))
        start = pd.Timestamp("2020-01-02") + pd.Timedelta(days=int(rng.integers(0, 900)))
        time = start + pd.to_timedelta(rng.choice([0, 1, 1, 1, 3], rows).cumsum(), unit="D")
        order = rng.permutation(rows) if number % 3 == 2 else np.arange(rows)
        parts[f"S{number}"] = table.set_index(pd.DatetimeIndex(time, name="time")).iloc[order]
    return pd.concat(parts, names=["symbol", "time"])


def one_by_one(long: pd.DataFrame, calendar: str | None) -> tuple[np.ndarray, pd.DataFrame]:
    masks, counts = {}, {}
    for name, part in long.groupby(level="symbol", sort=False):
        masks[name], counts[name] = scan_table(make_table(part.droplevel(0), calendar=calendar))
    return np.concatenate(list(masks.values())), pd.DataFrame(counts, index=COUNTED).T


@pytest.mark.slow
@pytest.mark.parametrize("calendar", ["XNYS", None])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_all_at_once_is_one_by_one(calendar: str | None, workers: int) -> None:
    seen = 0
    for seed in range(25):
        long = spoilt_market(seed)
        mask, counts = one_by_one(long, calendar)
        scan = scan_bars(long, calendar=calendar, workers=workers)
        assert np.array_equal(scan.mask, mask), seed
        pd.testing.assert_frame_equal(scan.counts, counts, check_names=False)
        seen |= int(np.bitwise_or.reduce(mask))
    assert seen == (255 if calendar else 255 - BITS["off_calendar"])


def test_forms_of_a_market() -> None:
    long = spoilt_market(3)
    expected = scan_bars(long, calendar="XNYS")
    flat = long.reset_index()
    arrays = {name: flat[name].to_numpy() for name in flat}
    numbered = arrays | {"symbol": flat["symbol"].str[1:].astype(int).to_numpy()}
    categories = flat.assign(symbol=flat["symbol"].astype("category"))
    seconds = flat.assign(time=flat["time"].astype("datetime64[s]"))
    nanoseconds = arrays | {"time": flat["time"].to_numpy().astype("M8[ns]").view(np.int64)}
    by_columns = pd.DataFrame(np.ascontiguousarray(long.to_numpy()), long.index, long.columns)
    for form in (flat, arrays, numbered, categories, seconds, nanoseconds, by_columns):
        scan = scan_bars(form, calendar="XNYS")
        assert np.array_equal(scan.mask, expected.mask)
        assert np.array_equal(scan.counts.to_numpy(), expected.counts.to_numpy())
        assert scan.counts.index.name == "symbol" and list(scan.counts.columns) == COUNTED
    assert scan_bars(numbered).counts.index.tolist() == list(range(7))
    assert scan_bars(categories).counts.index.tolist() == [f"S{number}" for number in range(7)]


def test_one_symbol(aapl: pd.DataFrame) -> None:
    scan = scan_bars(aapl, calendar="XNYS")
    assert scan.counts.index.tolist() == ["AAPL"] and scan.counts.drop(columns="jump").to_numpy().sum() == 0
    days = aapl.index[scan.rows("jump")].strftime("%Y-%m-%d").tolist()
    assert days == ["2000-09-29", "2005-02-28"]


def test_scattered_rows_are_brought_together() -> None:
    for seed in range(10):
        long = spoilt_market(seed).sample(frac=1, random_state=seed)
        expected, counts = one_by_one(
            long.sort_index(level="symbol", sort_remaining=False, kind="stable"), "XNYS"
        )
        order = np.argsort(long.index.get_level_values("symbol"), kind="stable")
        scan = scan_bars(long, calendar="XNYS")
        assert np.array_equal(scan.mask[order], expected), seed
        pd.testing.assert_frame_equal(scan.counts.sort_index(), counts.sort_index(), check_names=False)


def test_a_market_is_not_changed() -> None:
    long = spoilt_market(1).sample(frac=1, random_state=1)
    before = long.copy()
    scan_bars(long, calendar="XNYS")
    pd.testing.assert_frame_equal(long, before)


def test_closes_only_and_negative_prices() -> None:
    closes = at.load(["AAPL", "MSFT"])[["close"]]
    assert not scan_bars(closes, calendar="XNYS").counts.drop(columns="jump").to_numpy().any()
    below = closes - 100
    assert scan_bars(below).counts["not_positive"].sum() > 1_000
    assert scan_bars(below, may_be_negative=True).counts["not_positive"].sum() == 0


def test_moments_are_not_asked_for_sessions(market: Callable[..., pd.DataFrame]) -> None:
    hours = market(1, tz="UTC")
    plain = hours.set_axis(hours.index.tz_localize(None))
    for bars in (hours, plain, pd.concat({"A": hours}, names=["symbol", "time"])):
        assert not scan_bars(bars, calendar="XNYS").counts.to_numpy().any()
    assert scan_bars(market(1), calendar="XNYS").counts["off_calendar"].sum() > 0


def test_no_rows() -> None:
    empty = pd.DataFrame({"symbol": [], "time": pd.DatetimeIndex([]), "close": []})
    scan = scan_bars(empty, calendar="XNYS")
    assert not len(scan.mask) and not len(scan.counts) and list(scan.counts.columns) == COUNTED


def test_what_is_refused(refusal: Refusal) -> None:
    bars = pd.DataFrame({"symbol": ["A"], "time": pd.to_datetime(["2024-01-02"]), "close": [1.0]})
    assert "no column symbol or time" in refusal(ValueError, scan_bars, bars[["close"]])
    assert "no column time" in refusal(ValueError, scan_bars, bars[["symbol", "close"]])
    assert "has no symbol" in refusal(ValueError, scan_bars, bars.assign(symbol=None))
    long = bars.set_index(["symbol", "time"])
    long.index = long.index.set_codes([-1], level=0)
    assert "has no symbol" in refusal(ValueError, scan_bars, long)
    assert "no calendar 'NYSE-ish'" in refusal(ValueError, scan_bars, bars, calendar="NYSE-ish")
    assert "rule 'gap'" in refusal(ValueError, scan_bars(bars).rows, "gap")


# The committed benchmark


def test_the_committed_benchmark_keeps_its_bars() -> None:
    result = json.loads((ROOT / "benchmarks" / "validate.json").read_text(encoding="utf-8"))
    assert result["rows"] == 10_000_000 and result["rounds"] >= 5
    assert set(result["faults"]) == set(COUNTED) and min(result["faults"].values()) > 50
    ours = result["seconds"]["alphatwin"]
    assert result["seconds"]["polars"] / ours >= 15
    assert result["seconds"]["pandera"] / ours >= 50
    assert result["peak_over_data"]["alphatwin"] <= 1.5
    assert result["seconds"]["alphatwin, two threads"] < ours


@pytest.mark.slow
def test_the_benchmark_runs_and_all_count_the_same() -> None:
    pytest.importorskip("polars")
    pytest.importorskip("pandera")
    before = (ROOT / "benchmarks" / "validate.json").read_bytes()
    command = [sys.executable, str(ROOT / "benchmarks" / "validate.py"), "--rows", "100", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["rows"] == 200_000 and min(result["faults"].values()) > 0
    assert (ROOT / "benchmarks" / "validate.json").read_bytes() == before, "a trial run writes nothing"
