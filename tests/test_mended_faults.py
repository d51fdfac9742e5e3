"Faults that were once there, each found by trying what a reader might: none may come back."

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from curl_cffi import requests

import alphatwin as at
from alphatwin.data import sources
from alphatwin.data.calendar import sessions
from alphatwin.style import luminance

Refusal = Callable[..., str]


@pytest.fixture(autouse=True)
def _own_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LEDGER", {})
    monkeypatch.setattr(sources, "SOURCES", dict(sources.SOURCES))


@pytest.fixture
def bars() -> pd.DataFrame:
    time = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=6), freq=None, name="time")
    close = np.arange(10.0, 16.0)
    table = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 100.0}
    return pd.DataFrame(table, index=time)


# Data


def test_row_numbers_are_not_dates(bars: pd.DataFrame, refusal: Refusal) -> None:
    refusal(at.BarsError, at.to_bars, bars.reset_index(drop=True))


def test_dates_written_as_numbers(bars: pd.DataFrame) -> None:
    numbered = bars.reset_index(drop=True).assign(date=bars.index.strftime("%Y%m%d").astype(int))
    try:
        time = at.to_bars(numbered).index
    except at.BarsError:
        return
    assert time.tolist() == bars.index.tolist()


def test_a_column_that_is_there_twice_is_refused(bars: pd.DataFrame, refusal: Refusal) -> None:
    refusal(at.BarsError, at.to_bars, bars.assign(Close=1.0))
    refusal(at.BarsError, at.check_bars, pd.concat([bars, bars[["close"]]], axis=1))


@pytest.mark.parametrize("symbol", ["BRK.B", "SAP.DE", "BTC/USD"])
def test_a_symbol_keeps_its_dots_and_slashes(symbol: str, bars: pd.DataFrame) -> None:
    at.register_source("mine", lambda symbol, start, end: bars)
    loaded = at.load(symbol, source="mine")
    (entry,) = at.loaded().values()
    assert loaded.attrs["symbol"] == symbol and entry["symbol"] == symbol


def test_two_files_of_one_name_are_two_entries(bars: pd.DataFrame, tmp_path: Path) -> None:
    for factor, folder in enumerate(("one", "two"), start=1):
        (tmp_path / folder).mkdir()
        (bars * factor).to_csv(tmp_path / folder / "x.csv")
        at.load("X", source="csv", path=str(tmp_path / folder / "x.csv"))
    assert len({entry["file_sha256"] for entry in at.loaded().values()}) == 2


def test_an_adjusted_price_does_not_depend_on_end(bars: pd.DataFrame) -> None:
    at.register_source("mine", lambda symbol, start, end: bars.assign(split=[0, 0, 0, 2.0, 0, 0]))
    whole = at.load("X", source="mine", adjust="splits")
    part = at.load("X", source="mine", adjust="splits", end="2024-01-03")
    assert part["close"].tolist() == whole["close"].tolist()[:3]


def test_the_yield_does_not_depend_on_splits(bars: pd.DataFrame) -> None:
    table = bars.assign(split=[0, 0, 0, 2.0, 0, 0], dividend=[1.0, 0, 0, 0, 0, 0])
    at.register_source("mine", lambda symbol, start, end: table)
    adjusted = at.load("X", source="mine", adjust="splits").iloc[0]
    assert adjusted["dividend"] / adjusted["close"] == pytest.approx(1.0 / 10.0)


@pytest.mark.parametrize("end", ["2024-01-31", "2024-01"])
def test_end_is_inclusive_in_disorder_too(end: str) -> None:
    time = pd.date_range("2024-01-30", periods=72, freq="h", tz="UTC", name="time")
    hours = pd.DataFrame(dict.fromkeys(["open", "high", "low", "close", "volume"], 1.0), index=time)
    at.register_source("sorted", lambda symbol, start, end: hours)
    at.register_source("backwards", lambda symbol, start, end: hours[::-1])
    assert len(at.load("X", source="backwards", end=end)) == len(at.load("X", source="sorted", end=end))


def test_the_error_names_the_dates_that_there_are(bars: pd.DataFrame, refusal: Refusal) -> None:
    at.register_source("mine", lambda symbol, start, end: bars.reset_index())
    sentence = refusal(at.SourceError, at.load, "X", source="mine", start="2030-01-01")
    assert "2024-01-01" in sentence and "2024-01-08" in sentence


@pytest.mark.parametrize("day", [2024, ""])
def test_start_must_be_a_date(day: object, refusal: Refusal) -> None:
    assert "start must be a day" in refusal(ValueError, at.load, "AAPL", start=day)


def flipped(bars: pd.DataFrame) -> bytes:
    import gzip

    data = bytearray(gzip.compress(bars.to_csv().encode(), mtime=0))
    data[40] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize("name", ["blank.csv", "bad.parquet", "bad.csv.gz", "first.csv"])
def test_unreadable_files_are_refused_by_name(
    name: str, bars: pd.DataFrame, tmp_path: Path, refusal: Refusal
) -> None:
    contents = {
        "blank.csv": b"\n",
        "bad.parquet": b"PAR1 and no more",
        "bad.csv.gz": flipped(bars),
        "first.csv": b"symbol,open,high,low,close,volume\nA,1,1,1,1,1\n",
    }
    (tmp_path / name).write_bytes(contents[name])
    assert name in refusal(at.SourceError, at.load, str(tmp_path / name), source=name.split(".")[1])


def test_an_empty_long_table_is_refused(bars: pd.DataFrame, refusal: Refusal) -> None:
    long = pd.concat({"A": bars}, names=["symbol", "time"])
    assert "no rows" in refusal(at.BarsError, at.validate, long.iloc[:0])


def test_a_row_without_a_date_is_a_finding_or_a_refusal(bars: pd.DataFrame, refusal: Refusal) -> None:
    time = pd.DatetimeIndex([*bars.index[:2], pd.NaT, *bars.index[3:]], name="time")
    try:
        report = at.validate(bars.set_axis(time), calendar="XNYS")
    except at.BarsError:
        return
    assert (report.findings["severity"] == "error").any()


@pytest.mark.parametrize(("calendar", "year"), [("XTKS", 1997), ("XSHG", None)])
def test_the_first_and_last_years_of_a_calendar(calendar: str, year: int | None) -> None:
    import exchange_calendars

    if year is None:
        year = exchange_calendars.exchange_calendar_xshg.XSHGExchangeCalendar.bound_max().year
    assert 200 < len(sessions(calendar, f"{year}-02-01", f"{year}-12-20")) < 260


# Yahoo


def closed(port: int) -> requests.Session:
    class Closed(requests.Session):
        def request(self, method: str, url: str, *args: object, **options: object) -> object:
            return super().request(method, f"http://127.0.0.1:{port}/", *args, **options)

    return Closed(trust_env=False)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[requests.Session]:
    "A session to a port that refuses connections."
    import yfinance
    import yfinance.base

    yfinance.set_tz_cache_location(str(tmp_path))
    monkeypatch.setattr(yfinance.base, "_tz_info_fetch_ctr", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield closed(taken.getsockname()[1])


@pytest.mark.slow
def test_without_a_network_every_symbol_says_so(nowhere: requests.Session, refusal: Refusal) -> None:
    for symbol in ("SPY", "QQQ", "IWM", "DIA"):
        sentence = refusal(at.SourceError, at.load, symbol, source="yahoo", session=nowhere)
        assert "cannot be reached" in sentence and "source='sample'" in sentence, symbol


def test_yahoo_prices_as_traded_do_not_depend_on_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import yfinance

    # Two for one on the 4th: before it the share traded at 100, which Yahoo shows as 50 ever since.
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"], tz="America/New_York", name="Date")
    shown = pd.DataFrame(
        dict.fromkeys(["Open", "High", "Low", "Close", "Adj Close", "Volume"], 50.0), index=days
    )
    shown = shown.assign(Dividends=0.0, **{"Stock Splits": [0.0, 0.0, 2.0]})

    class Ticker:
        def __init__(self, *args: object, **options: object) -> None:
            self.asked = args

        def history(self, start: object = None, end: object = None, **options: object) -> pd.DataFrame:
            return shown[days < pd.Timestamp(str(end or "2030"), tz=days.tz)].copy()

    monkeypatch.setattr(yfinance, "Ticker", Ticker)
    assert at.load("X", source="yahoo")["close"].tolist() == [100.0, 100.0, 50.0]
    assert at.load("X", source="yahoo", end="2024-01-03")["close"].tolist() == [100.0, 100.0]


# Backtest


def test_a_strategy_cannot_change_the_prices(bars: pd.DataFrame) -> None:
    def rogue(given: pd.DataFrame) -> pd.Series:
        given["open"] = given["low"]
        return pd.Series(1.0, index=given.index)

    before = bars.copy()
    try:
        price = at.backtest(bars, rogue).fills["price"].tolist()
    except ValueError:
        price = [before["open"].iloc[1]]
    assert price == [before["open"].iloc[1]]
    pd.testing.assert_frame_equal(bars, before)


@pytest.mark.parametrize("cuts", [0, -1])
def test_a_certificate_needs_cuts(cuts: int, bars: pd.DataFrame, refusal: Refusal) -> None:
    assert "cuts" in refusal(ValueError, at.certify, lambda part: part["close"].shift(-1), bars, cuts=cuts)


@pytest.mark.parametrize("number", [np.int64(1000), np.float32(1000)])
def test_numbers_of_numpy_are_saved(number: float, bars: pd.DataFrame, tmp_path: Path) -> None:
    at.backtest(bars, at.buy_and_hold(bars), cash=number).save(tmp_path)
    assert (tmp_path / "result.json").exists()


def test_a_target_of_truths_is_refused_whatever_its_type(bars: pd.DataFrame, refusal: Refusal) -> None:
    truths = pd.Series([True] * 6, index=bars.index, dtype="boolean")
    assert "not numbers" in refusal(ValueError, at.check_target, truths, bars)


# Metrics and style


@pytest.mark.parametrize("metric", [at.volatility, at.sharpe, at.sortino])
@pytest.mark.parametrize("periods", [0, -252])
def test_a_year_has_bars(metric: Callable[..., float], periods: float, refusal: Refusal) -> None:
    returns = pd.Series([0.1, -0.1, 0.2])
    with np.errstate(invalid="ignore"):
        assert "periods" in refusal(ValueError, metric, returns, periods=periods)


def test_a_return_that_equals_the_minimum_is_no_loss() -> None:
    # Against 10 %: 0, -20, 10 and -10 points. Two of four are losses.
    returns = pd.Series([0.1, -0.1, 0.2, 0.0])
    got = at.sortino(returns, minimum=0.1, periods=1, denominator="downside")
    assert got == pytest.approx(-0.05 / (0.05 / 2) ** 0.5, rel=1e-9)


@pytest.mark.parametrize("wrong", ["#zzzzzz", "#+1+1+1"])
def test_what_is_not_a_colour_is_refused(wrong: str, refusal: Refusal) -> None:
    assert "#rrggbb" in refusal(ValueError, luminance, wrong)
