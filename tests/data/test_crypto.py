"The real ccxt against a server on this machine that plays Binance and Kraken."

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from webserver import Answer, Asked, Web

import alphatwin as at
from alphatwin.data.crypto import QUIET, _all_pages, finished, load_crypto, open_exchange

Refusal = Callable[..., str]
DAY, HOUR = 86_400_000, 3_600_000
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC
NOON = "2024-01-11 12:00"
MARKET = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "permissions": ["SPOT"],
    "isSpotTradingAllowed": True,
    "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}],
}


def kline(begin: int, length: int = DAY, price: float = 100.0) -> list[Any]:
    "A candle as Binance sends it: prices as texts, the end, and five more numbers."
    prices = [f"{price + shift:.8f}" for shift in (0.0, 2.0, -3.0, 1.0)]
    return [begin, *prices, "27174.29903000", begin + length - 1, "1169995682.02", 1114623, "1.0", "1.0", "0"]


# Eleven days of which the last is not over at noon.
DAYS = [kline(START + i * DAY, price=100.0 + i) for i in range(11)]


def klines(candles: list[list[Any]]) -> Callable[[Asked], Answer]:
    "Binance's rule: from startTime on, at most limit."

    def answer(asked: Asked) -> Answer:
        start, limit = int(asked.query["startTime"]), int(asked.query["limit"])
        return Answer([row for row in candles if row[0] >= start][:limit])

    return answer


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        server.plan("/api/v3/exchangeInfo", Answer({"symbols": [MARKET]}))
        server.plan("/fapi/v1/exchangeInfo", Answer({"symbols": []}))
        server.plan("/dapi/v1/exchangeInfo", Answer({"symbols": []}))
        server.plan("/api/v3/klines", klines(DAYS))
        yield server


def door(web: Web, **options: Any) -> dict[str, Any]:
    return {"url": web.url, "now": NOON, "sleep": lambda pause: None} | options


def asked(web: Web) -> list[dict[str, str]]:
    return [one.query for one in web.asked if one.path == "/api/v3/klines"]


# What comes back


def test_daily_candles_are_bars_with_plain_dates_and_without_the_unfinished_one(web: Web) -> None:
    bars = load_crypto("BTC/USDT", "2024-01-01", **door(web))
    assert bars.index.strftime("%Y-%m-%d").tolist() == [f"2024-01-{day:02}" for day in range(1, 11)]
    assert bars.index.tz is None and bars.index.name == "time" and bars.index.dtype == "datetime64[ns]"
    assert list(bars.columns) == ["open", "high", "low", "close", "volume"]
    assert set(bars.dtypes) == {np.dtype("float64")}
    assert bars.iloc[0].tolist() == [100, 102, 97, 101, 27174.29903]
    assert bars.attrs == {"unfinished": 1}
    at.check_bars(bars)


@pytest.mark.parametrize(
    ("now", "kept"),
    [
        ("2024-01-11 23:59:59.999", 10),
        ("2024-01-12", 11),
        (pd.Timestamp("2024-01-12 01:00", tz="Europe/Berlin"), 11),
        (pd.Timestamp("2024-01-12 00:59", tz="Europe/Berlin"), 10),
        ("2024-01-02", 1),
    ],
)
def test_finished_means_that_its_end_is_not_after_now(web: Web, now: Any, kept: int) -> None:
    bars = load_crypto("BTC/USDT", "2024-01-01", **door(web, now=now))
    assert len(bars) == kept and bars.attrs["unfinished"] == (0 if kept == 11 else 1)


def test_a_clock_that_is_late_keeps_nothing_from_the_future(web: Web) -> None:
    bars = load_crypto("BTC/USDT", "2024-01-01", "2024-01-31", **door(web, now="2024-01-05 10:00"))
    assert len(bars) == 4 and bars.attrs["unfinished"] == 1


@pytest.mark.parametrize(
    ("interval", "begin", "end"),
    [
        ("1m", "2024-02-29 23:59", "2024-03-01 00:00"),
        ("15m", "2024-02-29 23:45", "2024-03-01 00:00"),
        ("4h", "2024-02-29 20:00", "2024-03-01 00:00"),
        ("1d", "2024-02-29", "2024-03-01"),
        ("1w", "2024-02-26", "2024-03-04"),
        ("1M", "2024-02-01", "2024-03-01"),
        ("1M", "2024-01-01", "2024-02-01"),
        ("3d", "2024-02-28", "2024-03-02"),
        ("30s", "2024-02-29 23:59:30", "2024-03-01 00:00"),
    ],
)
def test_the_length_of_a_candle(interval: str, begin: str, end: str) -> None:
    time, over = pd.DatetimeIndex([begin], tz="UTC"), pd.Timestamp(end, tz="UTC")
    assert finished(time, interval, over).tolist() == [True]
    assert finished(time, interval, over - pd.Timedelta(1, "ms")).tolist() == [False]


def test_start_and_end_are_inclusive(web: Web) -> None:
    bars = load_crypto("BTC/USDT", "2024-01-03", "2024-01-05", **door(web))
    assert bars.index.day.tolist() == [3, 4, 5] and bars.attrs["unfinished"] == 0
    assert load_crypto("BTC/USDT", end="2024-01-02", **door(web)).index.day.tolist() == [1, 2]
    assert len(load_crypto("BTC/USDT", "2024", "2024-01", **door(web))) == 10
    assert load_crypto("BTC/USDT", "2024-01-10", "2024-12-31", **door(web)).index.day.tolist() == [10]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 10, 11, 1000])
def test_pages_of_any_size_give_the_same_table(web: Web, limit: int) -> None:
    whole = load_crypto("BTC/USDT", "2024-01-01", **door(web))
    web.asked.clear()
    pd.testing.assert_frame_equal(load_crypto("BTC/USDT", "2024-01-01", **door(web, limit=limit)), whole)
    starts = [int(query["startTime"]) for query in asked(web)]
    assert all(query["limit"] == str(limit) for query in asked(web))
    assert starts[0] == START and all(start % DAY == 1 for start in starts[1:])
    assert len(starts) >= len(DAYS) / limit and len(set(starts)) == len(starts)


def test_what_the_exchange_is_asked(web: Web) -> None:
    load_crypto("BTC/USDT", **door(web))
    first = asked(web)[0]
    assert first == {
        "symbol": "BTCUSDT",
        "interval": "1d",
        "limit": "1000",
        "startTime": "1262304000000",
    }  # 2010
    assert web.count("/api/v3/exchangeInfo") == 1


def test_a_page_that_repeats_what_we_have_adds_nothing(web: Web) -> None:
    web.plan("/api/v3/klines", Answer(DAYS[:5]), Answer(DAYS[2:8]), Answer(DAYS[6:]), Answer(DAYS[6:]))
    bars = load_crypto("BTC/USDT", "2024-01-01", **door(web, limit=6))
    assert len(bars) == 10 and bars.index.is_unique and bars.index.is_monotonic_increasing


def test_an_exchange_that_does_not_hear_since_does_not_hold_us_for_ever(web: Web) -> None:
    web.plan("/api/v3/klines", Answer(DAYS[:3]))
    bars = load_crypto("BTC/USDT", "2024-01-01", **door(web, now="2025-06-01", limit=3))
    assert len(bars) == 3 and len(asked(web)) == 1 + QUIET
    assert bars.attrs == {"unfinished": 0, "gave_up": "2024-01-03 00:00"}


def test_what_was_sent_before_is_left_out_of_a_page() -> None:
    "ccxt does this for most exchanges; the others must not double a candle."
    asks: list[int] = []

    def stubborn(since: int) -> list[list[int]]:
        asks.append(since)
        return [[day] for day in range(5)][: 2 + len(asks)]

    assert _all_pages(stubborn, 0, 4, step=1) == ([[0], [1], [2], [3], [4]], False)
    assert asks == [0, 3, 4]


def test_many_short_silences_are_no_reason_to_give_up() -> None:
    "Only pages that are empty in a row count."

    def seldom(since: int) -> list[list[int]]:
        return [[since]] if since % 5 == 0 else []

    rows, gave_up = _all_pages(seldom, 0, 20 * QUIET, step=1)
    assert [row[0] for row in rows] == list(range(0, 20 * QUIET + 1, 5)) and not gave_up


def test_a_silence_is_stepped_over(web: Web) -> None:
    "An exchange that answers by ranges has nothing to say about a fortnight in which it was closed."
    candles = DAYS[:3] + [kline(START + i * DAY) for i in range(17, 20)]

    def ranges(question: Asked) -> Answer:
        start = int(question.query["startTime"])
        stop = start + int(question.query["limit"]) * DAY
        return Answer([row for row in candles if start <= row[0] < stop])

    web.plan("/api/v3/klines", ranges)
    bars = load_crypto("BTC/USDT", "2023-12-20", **door(web, now="2024-01-21", limit=2))
    assert bars.index.day.tolist() == [1, 2, 3, 18, 19, 20] and bars.attrs == {"unfinished": 0}


def test_hours_are_in_utc(web: Web) -> None:
    web.plan("/api/v3/klines", klines([kline(START + i * HOUR, HOUR) for i in range(30)]))
    bars = load_crypto("BTC/USDT", "2024-01-01", **door(web, interval="1h", now="2024-01-02 05:30", limit=7))
    assert str(bars.index.tz) == "UTC" and len(bars) == 29 and bars.attrs["unfinished"] == 1
    assert bars.index[-1] == pd.Timestamp("2024-01-02 04:00", tz="UTC")


def test_months_and_weeks_have_plain_dates(web: Web) -> None:
    months = [pd.Timestamp(f"2024-{month:02}-01", tz="UTC") for month in range(1, 5)]
    web.plan("/api/v3/klines", klines([kline(int(month.timestamp() * 1000)) for month in months]))
    bars = load_crypto("BTC/USDT", "2024-01-01", **door(web, interval="1M", now="2024-03-31 23:00", limit=2))
    assert bars.index.strftime("%Y-%m-%d").tolist() == ["2024-01-01", "2024-02-01"] and bars.index.tz is None
    assert bars.attrs["unfinished"] == 1


def test_through_load(web: Web) -> None:
    bars = at.load("BTC/USDT", source="ccxt", start="2024-01-02", end="2024-01-31", **door(web))
    assert bars.index.day.tolist() == list(range(2, 11)) and bars.index.tz is None
    (entry,) = at.loaded().values()
    assert (entry["source"], entry["symbol"], entry["rows"]) == ("ccxt", "BTC/USDT", 9)


def test_a_missing_number_is_missing_and_no_error(web: Web) -> None:
    rows = [list(row) for row in DAYS]
    rows[4][5] = None
    web.plan("/api/v3/klines", klines(rows))
    volume = load_crypto("BTC/USDT", "2024-01-01", **door(web))["volume"]
    assert np.flatnonzero(volume.isna()).tolist() == [4]


# Trouble


@pytest.mark.parametrize("status", [429, 418, 500, 503])
def test_a_busy_exchange_is_asked_again_when_it_says(web: Web, status: int) -> None:
    pauses: list[float] = []
    busy = Answer({"code": -1003, "msg": "Too many requests"}, status=status, headers={"Retry-After": "9"})
    web.plan("/api/v3/klines", klines(DAYS), busy, klines(DAYS))
    options = door(web, limit=4, sleep=pauses.append)
    assert len(load_crypto("BTC/USDT", "2024-01-01", **options)) == 10
    starts = [query["startTime"] for query in asked(web)]
    assert pauses == [9.0] and starts[1] == starts[2]  # The page that failed, and no other, is asked again


def test_a_list_of_markets_that_fails_is_asked_again(web: Web) -> None:
    pauses: list[float] = []
    web.plan("/api/v3/exchangeInfo", Answer(status=502), Answer(status=0), Answer({"symbols": [MARKET]}))
    assert len(load_crypto("BTC/USDT", "2024-01-01", **door(web, sleep=pauses.append))) == 10
    assert pauses == [0.5, 1.0]


WRONG = {"code": -1121, "msg": "Invalid symbol."}
REFUSED = [
    (Answer(WRONG, status=400), ["error 400", "Invalid symbol", "check the symbol"], 1),
    (Answer(WRONG), ["BadSymbol", "Invalid symbol", "check the symbol"], 1),
    (Answer({"code": -2015, "msg": "Invalid API-key, IP"}, status=401), ["error 401", "Invalid API-key"], 1),
    (Answer("<html>Forbidden</html>", status=403), ["error 403;", "try another exchange"], 1),
    (Answer({"msg": "restricted location"}, status=451), ["error 451", "restricted location", "another exchange"], 1),
    (Answer("", status=404), ["error 404"], 1),
    (Answer("", status=429), ["no answer in 4 tries", "error 429"], 4),
    (Answer({"msg": "IP banned"}, status=418, headers={"Retry-After": "120"}), ["error 418", "IP banned", "120 s"], 1),
    (Answer("<html>Bad gateway</html>", status=502), ["no answer in 4 tries: error 502;"], 4),
    (Answer("", status=504), ["no answer in 4 tries", "error 504"], 4),
    (Answer(status=0), ["no answer in 4 tries", "dropped"], 4),
    (Answer(DAYS, truncate=50), ["no answer in 4 tries", "dropped"], 4),
    (Answer(DAYS, delay=5), ["no answer in 4 tries", "too slow"], 4),
    (Answer(""), ["not JSON: ''"], 1),
    (Answer("<html>Down for maintenance</html>"), ["not JSON", "<html>Down"], 1),
    (Answer(json.dumps(DAYS)[:100]), ["not JSON"], 1),
    (Answer("[[170406"), ["not JSON"], 1),
    (Answer([]), ["no candles from 2024-01-01 to now", "ask from a day when it traded"], 1),
    (Answer([{"open": 1}]), ["a candle without time or numbers"], 1),
    (Answer([[START, None, None, None, None, None]]), ["a candle without time or numbers"], 1),
    (Answer([[None, "1", "1", "1", "1", "1"]]), ["a candle without time or numbers"], 1),
    (Answer([*DAYS, [None, "1", "1", "1", "1", "1"]]), ["a candle without time or numbers: [None, '1'"], 1),
    (Answer([kline(START + 16 * HOUR)]), ["2024-01-01 16:00", "midnight UTC"], 2),
    (Answer([kline(START + 10 * DAY)]), ["the only candle there is ends after 2024-01-11 12:00"], 2),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "words", "times"), REFUSED)
def test_what_is_no_table_of_candles_is_refused(
    web: Web, refusal: Refusal, bad: Answer, words: list[str], times: int
) -> None:
    web.plan("/api/v3/klines", bad)
    options = door(web, timeout=0.3)
    sentence = refusal(at.SourceError, load_crypto, "BTC/USDT", "2024-01-01", **options)
    assert all(word in sentence for word in words), sentence
    assert sentence.startswith("BTC/USDT from binance: ") and str(web.port) not in sentence
    assert sentence.count("binance:") == 1 and "SourceError" not in sentence
    assert len(asked(web)) == times


def test_a_list_of_markets_that_is_none(web: Web, refusal: Refusal) -> None:
    web.plan("/api/v3/exchangeInfo", Answer("<html>Down</html>"))
    sentence = refusal(at.SourceError, load_crypto, "BTC/USDT", **door(web))
    assert "not JSON: '<html>Down</html>'" in sentence


def test_what_is_not_offered(web: Web, refusal: Refusal) -> None:
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        ("BTC/GOLD", {}, ["BTC/GOLD from binance", "does not have market symbol", "check the symbol"]),
        ("btcusdt", {}, ["does not have market symbol"]),
        ("BTC/USDT", {"interval": "7m"}, ["binance has no interval '7m'", "1m, 3m, 5m"]),
        ("BTC/USDT", {"interval": ""}, ["binance has no interval ''"]),
        ("BTC/USDT", {"exchange": "binanse"}, ["no exchange 'binanse'", "did you mean binance?"]),
        ("BTC/USDT", {"exchange": "Exchange"}, ["no exchange 'Exchange'"]),
        ("BTC/USDT", {"exchange": "#"}, ["no exchange '#'", "ccxt.exchanges lists all"]),
        (
            "BTC/USDT",
            {"start": "2024-01-10", "end": "2024-01-02"},
            ["no candles from 2024-01-10 to 2024-01-02"],
        ),
        ("BTC/USDT", {"start": "2030-01-01"}, ["no candles from 2030-01-01 to now"]),
    ]
    for symbol, options, words in cases:
        sentence = refusal(at.SourceError, load_crypto, symbol, **door(web) | options)
        assert all(word in sentence for word in words), sentence
    assert not asked(web)


def test_nobody_listens(refusal: Refusal) -> None:
    with Web() as gone:
        options = door(gone)
    sentence = refusal(at.SourceError, load_crypto, "BTC/USDT", **options)
    assert "BTC/USDT from binance: no answer in 4 tries: the connection was refused" in sentence


def test_without_ccxt(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    sentence = refusal(at.SourceError, load_crypto, "BTC/USDT")
    assert sentence == "ccxt is not installed; pip install 'alphatwin[crypto]'"


def test_every_address_leads_to_the_server() -> None:
    for name in ("binance", "kraken", "okx", "coinbase"):
        addresses = json.dumps(open_exchange(name, "x", "http://here").urls["api"])
        assert addresses.count("://") == addresses.count("http://here") > 0


# Another exchange: Kraken sends its latest candles only, with the unfinished one at the end, whatever is asked.


def test_kraken(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda pause: None)  # ccxt keeps Kraken's one a second
    pair = {"altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD", "status": "online"}
    pair |= {
        "pair_decimals": 1,
        "lot_decimals": 8,
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "ordermin": "0.0001",
    }
    rows = [
        [START // 1000 + i * 86_400, "100.0", "102.0", "97.0", "101.0", "100.5", "12.5", 9] for i in range(11)
    ]
    coins = {"XXBT": {"altname": "XBT", "decimals": 10}, "ZUSD": {"altname": "USD", "decimals": 4}}
    with Web() as web:
        web.plan("/*", Answer({"error": [], "result": {}}))
        web.plan("/0/public/AssetPairs", Answer({"error": [], "result": {"XXBTZUSD": pair}}))
        web.plan("/0/public/Assets", Answer({"error": [], "result": coins}))
        web.plan("/0/public/OHLC", Answer({"error": [], "result": {"XXBTZUSD": rows, "last": rows[-2][0]}}))
        bars = load_crypto("BTC/USD", exchange="kraken", **door(web))
        assert len(bars) == 10 and bars.attrs == {"unfinished": 1}
        assert bars.iloc[0].tolist() == [100, 102, 97, 101, 12.5] and bars.index.tz is None
        web.plan("/0/public/OHLC", Answer({"error": ["EGeneral:Too many requests"]}))
        sentence = refusal(at.SourceError, load_crypto, "BTC/USD", exchange="kraken", **door(web))
        assert "BTC/USD from kraken: no answer in 4 tries" in sentence and "Too many requests" in sentence
