"The real yfinance, sent to a small server on this machine that speaks Yahoo's format."

import socket
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import yfinance
import yfinance.base
from curl_cffi import requests
from webserver import Answer, Asked, Pauses, Web

import alphatwin as at
from alphatwin.data.adjustment import adjust_dividends, adjust_splits
from alphatwin.data.yahoo import as_traded, explain

Refusal = Callable[..., str]
Share = dict[str, Any]
NEW_YORK = "America/New_York"


def seconds(day: str) -> int:
    "The moment at which New York opened on a day, in seconds since 1970."
    return int(pd.Timestamp(f"{day} 09:30", tz=NEW_YORK).timestamp())


# A share as Yahoo shows it TODAY: prices, volumes and dividends divided by all splits that came later.
# As traded: 88.0, 90.0, then two for one, 46.0, 45.0, then three for one, 15.5.
SPLIT: Share = {
    "day": ["2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-16"],
    "open": [14.5, 14.75, 15.0, 15.25, 15.0],
    "high": [15.0, 15.25, 15.75, 15.5, 16.0],
    "low": [14.0, 14.5, 14.75, 14.75, 14.75],
    "close": [88 / 6, 15.0, 46 / 3, 15.0, 15.5],
    "adjclose": [14.0, 14.4, 15.0, 14.7, 15.5],
    "volume": [600, 1200, 900, 300, 500],
    "dividends": {"2024-01-09": 0.1},
    "splits": {"2024-01-10": (2, 1), "2024-01-16": (3, 1)},
}
AS_TRADED = {
    "open": [87.0, 88.5, 45.0, 45.75, 15.0],
    "high": [90.0, 91.5, 47.25, 46.5, 16.0],
    "low": [84.0, 87.0, 44.25, 44.25, 14.75],
    "close": [88.0, 90.0, 46.0, 45.0, 15.5],
    "volume": [100.0, 200.0, 300.0, 100.0, 500.0],
    "dividend": [0.0, 0.6, 0.0, 0.0, 0.0],
    "split": [0.0, 0.0, 2.0, 0.0, 3.0],
}
JANUARY = [day for day in pd.bdate_range("2024-01-01", "2024-01-31").strftime("%Y-%m-%d")]
JANUARY = [day for day in JANUARY if day not in ("2024-01-01", "2024-01-15")]
PLAIN: Share = {"day": JANUARY, "volume": [1000 + i for i in range(len(JANUARY))]} | {
    name: [100 + i + shift for i in range(len(JANUARY))]
    for name, shift in {"open": 0.0, "high": 1.0, "low": -1.0, "close": 0.5, "adjclose": 0.25}.items()
}
# A share that splits two for one and pays. As traded: 100, 102, 51.5 (pays 0.5), 52. The adjusted close is
# Yahoo's own rule: before the payment everything is worth 1 - 0.5 / 51 (the close before, in new shares) as much.
PAYS: Share = {
    "day": ["2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11"],
    "open": [50.0, 50.5, 51.0, 51.75],
    "high": [51.0, 51.5, 52.0, 52.5],
    "low": [49.5, 50.0, 50.5, 51.0],
    "close": [50.0, 51.0, 51.5, 52.0],
    "adjclose": [50 * (1 - 0.5 / 51), 51 * (1 - 0.5 / 51), 51.5, 52.0],
    "volume": [600, 1200, 900, 300],
    "dividends": {"2024-01-10": 0.5},
    "splits": {"2024-01-10": (2, 1)},
}
SHARES = {"PLAIN": PLAIN, "SPLT": SPLIT, "PAYS": PAYS}
STEP = {"1h": 3600, "5m": 300}


def chart(share: Share, query: dict[str, str], gone: bool = False) -> dict[str, Any]:
    "Yahoo's chart format for the days that were asked for; events outside of them are left out, as Yahoo does."
    first, last = int(query.get("period1", 0)), int(query.get("period2", 2**40))
    step = STEP.get(query.get("interval", "1d"), 0)
    place = [i for i, day in enumerate(share["day"]) if first <= seconds(day) < last and not gone]
    place = place[:7] if step else place
    quote = {name: [share[name][i] for i in place] for name in ("open", "high", "low", "close", "volume")}
    events: dict[str, Any] = {}
    for day, amount in share.get("dividends", {}).items():
        if first <= seconds(day) < last:
            event = {"amount": amount, "date": seconds(day)}
            events.setdefault("dividends", {})[str(seconds(day))] = event
    for day, (new, old) in share.get("splits", {}).items():
        if first <= seconds(day) < last:
            event = {"date": seconds(day), "numerator": new, "denominator": old, "splitRatio": f"{new}:{old}"}
            events.setdefault("splits", {})[str(seconds(day))] = event
    session = {"timezone": "EST", "gmtoffset": -18000, "start": seconds("2024-01-02")}
    meta = {
        "currency": "USD",
        "instrumentType": "EQUITY",
        "exchangeName": "NMS",
        "exchangeTimezoneName": NEW_YORK,
        "timezone": "EST",
        "gmtoffset": -18000,
        "regularMarketTime": seconds("2024-02-29"),
        "regularMarketPrice": 1.0,
        "dataGranularity": query.get("interval", "1d"),
        "priceHint": 2,
        "tradingPeriods": [[session | {"end": session["start"] + 23400}]],
        "validRanges": ["1d", "max"],
    }
    result: dict[str, Any] = {"meta": meta, "events": events}
    result["indicators"] = {"quote": [quote]}
    if not step:
        result["indicators"]["adjclose"] = [{"adjclose": [share["adjclose"][i] for i in place]}]
    if place:  # Bars of an hour or less: the first days' numbers, one after another on 2 January
        began = [seconds("2024-01-02") + step * i if step else seconds(share["day"][i]) for i in place]
        result["timestamp"] = began
    else:
        result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return {"chart": {"result": [result], "error": None}}


def refuses(code: str, words: str, status: int) -> Answer:
    return Answer({"chart": {"result": None, "error": {"code": code, "description": words}}}, status)


def answer(asked: Asked) -> Answer:
    "What Yahoo says about a symbol."
    symbol = asked.path.rsplit("/", 1)[-1]
    if symbol == "EMPTY":
        return Answer(chart(PLAIN, asked.query, gone=True))
    if symbol not in SHARES:
        return refuses("Not Found", "No data found, symbol may be delisted", 404)
    return Answer(chart(SHARES[symbol], asked.query))


@pytest.fixture(autouse=True)
def _first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    "yfinance counts its failures in the process; each test starts at none."
    monkeypatch.setattr(yfinance.base, "_tz_info_fetch_ctr", 0)


def session_to(port: int) -> requests.Session:
    "A session that sends every request to a port of this machine."

    class Rerouted(requests.Session):
        def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
            parts = urlsplit(url)
            query = f"?{parts.query}" if parts.query else ""
            return super().request(method, f"http://127.0.0.1:{port}{parts.path}{query}", *args, **options)

    return Rerouted(trust_env=False)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    "A server that answers what yfinance asks: a cookie, a crumb, a chart."
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    with Web() as web:
        error = {"code": "Not Found", "description": "Quote not found"}
        for path in ("/v10/*", "/v7/*"):
            web.plan(path, Answer({"quoteSummary": {"result": None, "error": error}}, 404))
        nothing = [{"meta": {"symbol": ["X"], "type": ["trailingPegRatio"]}}]
        web.plan("/ws/*", Answer({"timeseries": {"result": nothing, "error": None}}))
        web.plan("/*", Answer("crumb"))
        web.plan("/v8/finance/chart/*", answer)
        web.plan("/v8/finance/chart/BUSY", Answer("Too Many Requests", 429))
        web.plan("/v8/finance/chart/GARBLED", Answer("<html>maintenance</html>"))
        yield web


@pytest.fixture(scope="module")
def yahoo(web: Web) -> requests.Session:
    "A session that leads to the server."
    return session_to(web.port)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


# What comes back


def test_a_normal_month(yahoo: requests.Session) -> None:
    bars = at.load("PLAIN", source="yahoo", start="2024-01-01", end="2024-01-31", session=yahoo)
    assert bars.index.strftime("%Y-%m-%d").tolist() == JANUARY and bars.index.tz is None
    assert bars["close"].tolist() == PLAIN["close"] and bars["volume"].tolist() == PLAIN["volume"]
    at.check_bars(bars)
    assert set(at.validate(bars, calendar="XNYS").findings["check"]) <= {"short_history"}


def test_start_and_end_are_inclusive(yahoo: requests.Session) -> None:
    bars = at.load("PLAIN", source="yahoo", start="2024-01-03", end="2024-01-09", session=yahoo)
    assert bars.index.day.tolist() == [3, 4, 5, 8, 9]
    assert at.load("PLAIN", source="yahoo", end="2024-01-03", session=yahoo).index.day.tolist() == [2, 3]
    late = at.load("PLAIN", source="yahoo", start="2024-01-30", session=yahoo)
    assert late.index.day.tolist() == [30, 31]


def test_without_dates_all_there_is(yahoo: requests.Session) -> None:
    assert len(at.load("PLAIN", source="yahoo", session=yahoo)) == len(JANUARY)


def test_prices_volumes_and_dividends_are_as_traded(yahoo: requests.Session) -> None:
    bars = at.load("SPLT", source="yahoo", session=yahoo)
    assert bars.index.strftime("%Y-%m-%d").tolist() == SPLIT["day"]
    for name, numbers in AS_TRADED.items():
        np.testing.assert_allclose(bars[name], numbers, rtol=1e-12, err_msg=name)


def test_adjusted_for_splits_it_is_what_yahoo_shows(yahoo: requests.Session) -> None:
    bars = at.load("SPLT", source="yahoo", adjust="splits", session=yahoo)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(bars[name], SPLIT[name], rtol=1e-12, err_msg=name)


def test_adjusted_for_all_the_close_is_yahoos_adjusted_close(yahoo: requests.Session) -> None:
    bars = at.load("SPLT", source="yahoo", adjust="all", session=yahoo)
    np.testing.assert_allclose(bars["close"], SPLIT["adjclose"], rtol=1e-12)
    # Within a bar all prices are scaled alike: the open keeps its distance from the close.
    np.testing.assert_allclose(
        bars["open"] / bars["close"], np.divide(SPLIT["open"], SPLIT["close"]), rtol=1e-12
    )


def test_the_ledger_knows_about_it(yahoo: requests.Session) -> None:
    bars = at.load("PLAIN", source="yahoo", start="2024-01-03", end="2024-01-09", session=yahoo)
    (entry,) = at.loaded().values()
    assert (entry["source"], entry["symbol"], entry["rows"]) == ("yahoo", "PLAIN", len(bars))
    assert "file" not in entry


def test_a_request_is_about_the_symbol_and_the_days(yahoo: requests.Session, web: Web) -> None:
    web.asked.clear()
    at.load("PLAIN", source="yahoo", start="2024-01-04", end="2024-01-10", session=yahoo)
    (asked,) = [one for one in web.asked if "period1" in one.query]
    assert asked.path == "/v8/finance/chart/PLAIN" and asked.query["interval"] == "1d"


def test_nothing_deprecated_is_asked_of_yfinance(yahoo: requests.Session) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="'raise_errors' deprecated")
        bars = at.load("PLAIN", source="yahoo", session=yahoo)
    assert len(bars) == len(JANUARY)


@pytest.mark.parametrize(("interval", "minutes"), [("1h", 60), ("5m", 5)])
def test_bars_of_an_hour_or_less_are_moments_in_utc(
    interval: str, minutes: int, yahoo: requests.Session
) -> None:
    bars = at.load("PLAIN", source="yahoo", interval=interval, start="2024-01-02", session=yahoo)
    began = pd.Timestamp("2024-01-02 14:30", tz="UTC")  # 09:30 in New York
    assert str(bars.index.tz) == "UTC" and len(bars) == 7
    assert bars.index.tolist() == [began + i * pd.Timedelta(minutes=minutes) for i in range(len(bars))]
    assert bars["close"].tolist() == PLAIN["close"][: len(bars)]
    at.check_bars(bars)


def test_dividends_and_splits_are_there_and_as_traded(yahoo: requests.Session) -> None:
    bars = at.load("PAYS", source="yahoo", session=yahoo)
    assert bars["close"].tolist() == [100.0, 102.0, 51.5, 52.0]
    assert bars["split"].tolist() == [0.0, 0.0, 2.0, 0.0]
    assert bars["dividend"].tolist() == [0.0, 0.0, 0.5, 0.0]


def test_yahoos_adjusted_close_is_what_its_events_say(yahoo: requests.Session) -> None:
    "Two roads to the same numbers: the vendor's column, and the events one by one."
    vendor = at.load("PAYS", source="yahoo", adjust="all", session=yahoo)
    ours = adjust_dividends(adjust_splits(at.load("PAYS", source="yahoo", session=yahoo)))
    np.testing.assert_allclose(vendor["close"], PAYS["adjclose"], rtol=1e-12)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(vendor[name], ours[name], rtol=1e-12, err_msg=name)


def test_raw_prices_bring_the_adjusted_close_along(yahoo: requests.Session) -> None:
    bars = at.load("PAYS", source="yahoo", adjust="raw", session=yahoo)
    assert bars.attrs["adjust"] == "raw" and bars["close"].tolist() == [100.0, 102.0, 51.5, 52.0]
    np.testing.assert_allclose(bars["adj_close"], PAYS["adjclose"], rtol=1e-12)


def test_many_symbols(yahoo: requests.Session) -> None:
    table = at.load(["PLAIN", "PAYS"], source="yahoo", start="2024-01-08", end="2024-01-11", session=yahoo)
    assert table.groupby(level="symbol").size().to_dict() == {"PLAIN": 4, "PAYS": 4}
    assert table.loc["PAYS"]["split"].sum() == 2


# What gets better


@pytest.mark.parametrize(
    "fault",
    [
        Answer("<html>error</html>", 500),
        Answer({"finance": {"result": None, "error": {"code": "Internal Server Error"}}}, 503),
        refuses("Internal Server Error", "Try later", 500),
        Answer("Too Many Requests", 429),
        Answer(status=0),
        Answer(chart(PLAIN, {}), truncate=100),
    ],
    ids=["500 page", "503 json", "500 chart", "429", "hangs up", "half"],
)
def test_a_fault_that_goes_away_costs_a_pause_and_nothing_else(
    fault: Answer, web: Web, yahoo: requests.Session, pauses: Pauses
) -> None:
    symbol = f"ONCE{fault.status}{len(fault.bytes())}"  # yfinance remembers the time zones of symbols
    well = Answer(chart(PLAIN, {}))
    web.plan(f"/v8/finance/chart/{symbol}", fault, well)
    assert len(at.load(symbol, source="yahoo", session=yahoo, sleep=pauses)) == len(JANUARY)
    assert pauses == [0.5]
    web.plan(f"/v8/finance/chart/{symbol}", fault, fault, well)  # Now the time zone is known
    assert len(at.load(symbol, source="yahoo", session=yahoo, sleep=pauses)) == len(JANUARY)
    assert pauses == [0.5, 0.5, 1.0]


def test_yahoos_own_pause_is_honoured(web: Web, yahoo: requests.Session, pauses: Pauses) -> None:
    web.plan("/v8/finance/chart/RESTS", Answer("", 429, {"Retry-After": "9"}), Answer(chart(PLAIN, {})))
    at.load("RESTS", source="yahoo", session=yahoo, sleep=pauses)
    assert pauses == [9.0]


def test_a_breakdown_is_not_taken_for_a_symbol_without_prices(
    web: Web, yahoo: requests.Session, pauses: Pauses, refusal: Refusal
) -> None:
    web.plan("/v8/finance/chart/DOWN", refuses("Internal Server Error", "Try later", 500))
    sentence = refusal(at.SourceError, at.load, "DOWN", source="yahoo", session=yahoo, sleep=pauses)
    assert sentence.startswith("DOWN: no answer in 4 tries: Yahoo is busy (error 500)")
    assert "check the symbol" not in sentence and web.count("/v8/finance/chart/DOWN") == 4


def test_a_server_that_hangs_is_not_waited_for(
    web: Web, yahoo: requests.Session, pauses: Pauses, refusal: Refusal
) -> None:
    at.load("SPLT", source="yahoo", session=yahoo)  # So that its time zone is known
    web.plan("/v8/finance/chart/SPLT", Answer(delay=30))
    began, options = time.monotonic(), {"timeout": 0.1, "tries": 2, "sleep": pauses}
    sentence = refusal(at.SourceError, at.load, "SPLT", source="yahoo", session=yahoo, **options)
    del web.plans["/v8/finance/chart/SPLT"]
    assert time.monotonic() - began < 8 and "SPLT: no answer in 2 tries: Yahoo cannot be reached" in sentence


def test_a_page_in_place_of_prices_is_not_remembered(
    web: Web, yahoo: requests.Session, refusal: Refusal
) -> None:
    "yfinance keeps answers in memory, and would show the same page for ever."
    web.plan("/v8/finance/chart/LATER", Answer("<html>maintenance</html>"))
    assert "could not be read" in refusal(at.SourceError, at.load, "LATER", source="yahoo", session=yahoo)
    web.plan("/v8/finance/chart/LATER", Answer(chart(PLAIN, {})))
    assert len(at.load("LATER", source="yahoo", session=yahoo)) == len(JANUARY)


# What it refuses


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("EMPTY", ["EMPTY:", "no prices", "check the symbol and the dates"]),
        ("NOBODY", ["NOBODY:", "no prices", "check the symbol and the dates"]),
        ("BUSY", ["BUSY:", "no answer in 4 tries", "too many requests", "429", "source='sample'"]),
        ("GARBLED", ["GARBLED:", "could not be read"]),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_yahoos_refusals_are_one_line(
    symbol: str, words: list[str], yahoo: requests.Session, refusal: Refusal, pauses: Pauses
) -> None:
    options = {"source": "yahoo", "session": yahoo, "sleep": pauses}
    for start in (None, "2024-01-02"):
        sentence = refusal(at.SourceError, at.load, symbol, start=start, **options)
        assert all(word in sentence for word in words), sentence
    assert not at.loaded() and len(pauses) == (6 if symbol == "BUSY" else 0)


def test_yahoos_own_words_are_passed_on(web: Web, yahoo: requests.Session, refusal: Refusal) -> None:
    words = "5m data not available for startTime=1. The requested range must be within the last 60 days."
    web.plan(
        "/v8/finance/chart/OLD",
        lambda asked: (
            refuses("Unprocessable Entity", words, 422)
            if asked.query["interval"] == "5m"
            else Answer(chart(PLAIN, asked.query))
        ),
    )
    options = {"source": "yahoo", "session": yahoo, "interval": "5m", "start": "2024-01-02"}
    sentence = refusal(at.SourceError, at.load, "OLD", **options)
    assert "OLD: Yahoo knows no prices" in sentence and "within the last 60 days" in sentence


def test_of_many_symbols_the_one_that_failed_is_named(
    yahoo: requests.Session, refusal: Refusal, pauses: Pauses
) -> None:
    for failing in ("NOBODY", "BUSY", "EMPTY", "GARBLED"):
        options = {"source": "yahoo", "session": yahoo, "sleep": pauses}
        sentence = refusal(at.SourceError, at.load, ["PLAIN", failing, "SPLT"], **options)
        assert sentence.startswith(f"{failing}: ") and "PLAIN" not in sentence


def test_days_without_bars_are_an_error_and_not_an_empty_table(
    yahoo: requests.Session, refusal: Refusal
) -> None:
    dates = {"start": "2019-01-01", "end": "2019-12-31"}
    sentence = refusal(at.SourceError, at.load, "PLAIN", source="yahoo", session=yahoo, **dates)
    assert "PLAIN: no bars from 2019-01-01 to 2019-12-31" in sentence and "it has 2024-01-02" in sentence


def test_without_a_network_it_names_the_samples(
    tmp_path: Path, refusal: Refusal, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # a port that is bound and does not listen refuses connections
        taken.bind(("127.0.0.1", 0))
        closed = session_to(taken.getsockname()[1])
        sentence = refusal(at.SourceError, at.load, "SPY", source="yahoo", session=closed, tries=1)
    assert sentence.startswith("SPY: Yahoo cannot be reached")
    assert "source='sample'" in sentence and "at.samples()" in sentence
    assert "Traceback" not in capfd.readouterr().err


def test_an_empty_table_from_yfinance_is_an_error(monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    class Silent:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.symbol = args

        def history(self, **kwargs: Any) -> pd.DataFrame:
            return pd.DataFrame(columns=["Open", "High", "Low", "Close", "Volume"])

    monkeypatch.setattr(yfinance, "Ticker", Silent)
    sentence = refusal(at.SourceError, at.load, "SPY", source="yahoo")
    assert "SPY" in sentence and "empty" in sentence and "source='sample'" in sentence


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (TimeoutError("30 s"), ["cannot be reached", "source='sample'"]),
        (ConnectionResetError("reset"), ["cannot be reached", "source='sample'"]),
        (KeyError("chart"), ["could not be read", "KeyError", "chart", "source='sample'"]),
        (ValueError("two\nlines"), ["could not be read", "two lines"]),
    ],
)
def test_other_faults_are_told_in_one_line(fault: Exception, words: list[str]) -> None:
    sentence = explain("SPY", fault)
    assert sentence.startswith("SPY: ") and "\n" not in sentence
    assert all(word in sentence for word in words), sentence


# Going back to prices as traded


def test_a_history_without_splits_stays_as_it_is() -> None:
    history = pd.DataFrame({"Open": [1.0], "High": [2.0], "Low": [0.5], "Close": [1.5], "Volume": [10]})
    pd.testing.assert_frame_equal(as_traded(history), history)
