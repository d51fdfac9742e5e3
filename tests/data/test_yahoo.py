"The real yfinance, sent to a small server on this machine that speaks Yahoo's format."

import json
import socket
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import yfinance
import yfinance.base
from curl_cffi import requests

import alphatwin as at
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
SHARES = {"PLAIN": PLAIN, "SPLT": SPLIT}


def answer(share: Share, query: dict[str, list[str]], gone: bool = False) -> dict[str, Any]:
    "Yahoo's chart format for the days that were asked for; events outside of them are left out, as Yahoo does."
    first, last = (int(query.get(name, [edge])[0]) for name, edge in (("period1", 0), ("period2", 2**40)))
    place = [i for i, day in enumerate(share["day"]) if first <= seconds(day) < last and not gone]
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
    meta = {
        "currency": "USD",
        "instrumentType": "EQUITY",
        "exchangeName": "NMS",
        "exchangeTimezoneName": NEW_YORK,
        "timezone": "EST",
        "gmtoffset": -18000,
        "regularMarketTime": seconds("2024-02-29"),
        "regularMarketPrice": 1.0,
        "dataGranularity": "1d",
        "priceHint": 2,
        "validRanges": ["1d", "max"],
    }
    result: dict[str, Any] = {"meta": meta, "events": events}
    result["indicators"] = {
        "quote": [quote],
        "adjclose": [{"adjclose": [share["adjclose"][i] for i in place]}],
    }
    if place:
        result["timestamp"] = [seconds(share["day"][i]) for i in place]
    else:
        result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return {"chart": {"result": [result], "error": None}}


class Yahoo(BaseHTTPRequestHandler):
    "Answers what yfinance asks: a cookie, a crumb, a chart."

    asked: list[str] = []

    def log_message(self, *args: object) -> None:
        "Say nothing."

    def send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        Yahoo.asked.append(self.path)
        symbol = url.path.rsplit("/", 1)[-1]
        if url.path.startswith(("/v10/", "/v7/")):
            error = {"code": "Not Found", "description": f"Quote not found for symbol: {symbol}"}
            self.send(404, json.dumps({"quoteSummary": {"result": None, "error": error}}).encode())
        elif url.path.startswith("/ws/"):
            nothing = [{"meta": {"symbol": [symbol], "type": ["trailingPegRatio"]}}]
            self.send(200, json.dumps({"timeseries": {"result": nothing, "error": None}}).encode())
        elif not url.path.startswith("/v8/finance/chart/"):
            self.send(200, b"crumb", "text/plain")
        elif symbol == "BUSY":
            self.send(429, b"Too Many Requests", "text/plain")
        elif symbol == "GARBLED":
            self.send(200, b"<html>maintenance</html>", "text/html")
        elif symbol == "EMPTY":
            self.send(200, json.dumps(answer(PLAIN, parse_qs(url.query), gone=True)).encode())
        elif symbol in SHARES:
            self.send(200, json.dumps(answer(SHARES[symbol], parse_qs(url.query))).encode())
        else:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            self.send(404, json.dumps({"chart": {"result": None, "error": error}}).encode())


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
def yahoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[requests.Session]:
    "A session that leads to the server; yfinance keeps its caches in a folder that goes away."
    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Yahoo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield session_to(server.server_port)
    server.shutdown()
    server.server_close()


# What comes back


def test_a_normal_month(yahoo: requests.Session) -> None:
    bars = at.load("PLAIN", source="yahoo", start="2024-01-01", end="2024-01-31", session=yahoo)
    assert bars.index.strftime("%Y-%m-%d").tolist() == JANUARY and bars.index.tz is None
    assert bars["close"].tolist() == PLAIN["close"] and bars["volume"].tolist() == PLAIN["volume"]
    at.check_bars(bars)
    assert at.validate(bars, calendar="XNYS").ok


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


def test_a_request_is_about_the_symbol_and_the_days(yahoo: requests.Session) -> None:
    Yahoo.asked.clear()
    at.load("PLAIN", source="yahoo", start="2024-01-04", end="2024-01-10", session=yahoo)
    (chart,) = [path for path in Yahoo.asked if "period1" in path]
    assert chart.startswith("/v8/finance/chart/PLAIN?") and "interval=1d" in chart


def test_nothing_deprecated_is_asked_of_yfinance(yahoo: requests.Session) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="'raise_errors' deprecated")
        bars = at.load("PLAIN", source="yahoo", session=yahoo)
    assert len(bars) == len(JANUARY)


# What it refuses


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("EMPTY", ["EMPTY:", "no prices", "check the symbol and the dates"]),
        ("NOBODY", ["NOBODY:", "no prices", "check the symbol and the dates"]),
        ("BUSY", ["BUSY:", "too many requests", "429", "wait", "source='sample'"]),
        ("GARBLED", ["GARBLED:"]),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_yahoos_refusals_are_one_line(
    symbol: str, words: list[str], yahoo: requests.Session, refusal: Refusal
) -> None:
    sentence = refusal(at.SourceError, at.load, symbol, source="yahoo", session=yahoo)
    assert all(word in sentence for word in words), sentence
    sentence = refusal(at.SourceError, at.load, symbol, source="yahoo", start="2024-01-02", session=yahoo)
    assert all(word in sentence for word in words), sentence
    assert not at.loaded()


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
        sentence = refusal(at.SourceError, at.load, "SPY", source="yahoo", session=closed)
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


def test_hours_keep_their_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    time = pd.DatetimeIndex(["2024-01-03 09:30", "2024-01-03 10:30"], tz=NEW_YORK)
    numbers = {"Open": 1.0, "High": 2.0, "Low": 0.5, "Close": 1.5, "Volume": 10}

    class Hourly:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.symbol = args

        def history(self, **kwargs: Any) -> pd.DataFrame:
            assert kwargs["interval"] == "1h"
            return pd.DataFrame(numbers, index=time)

    monkeypatch.setattr(yfinance, "Ticker", Hourly)
    bars = at.load("SPY", source="yahoo", interval="1h")
    assert str(bars.index.tz) == "UTC" and bars.index.hour.tolist() == [14, 15]
