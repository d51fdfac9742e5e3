"Tiingo, and the real alpaca-py, against a server on this machine that answers in their formats."

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from webserver import Answer, Asked, Web

import alphatwin as at
from alphatwin.data.vendors import find_key, load_alpaca, load_tiingo

Refusal = Callable[..., str]
KEY, SECRET = "PKTESTKEY0123456789", "s3cr3t/Abcdefghijklmnopqrstuvwxyz0123456"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "TIINGO_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


# Tiingo

# Apple around its split of 2020-08-31 (four for one) and a dividend, in Tiingo's documented format.
APPLE = [
    {
        "date": f"{day}T00:00:00.000Z",
        "close": close,
        "high": close + 2,
        "low": close - 3,
        "open": close - 1,
        "volume": volume,
        "adjClose": adjusted,
        "adjHigh": 1.0,
        "adjLow": 1.0,
        "adjOpen": 1.0,
        "adjVolume": 1,
        "divCash": dividend,
        "splitFactor": split,
    }
    for day, close, volume, adjusted, dividend, split in [
        ("2020-08-06", 455.61, 50607225, 110.4, 0.0, 1.0),
        ("2020-08-07", 444.45, 49511403, 107.9, 0.82, 1.0),
        ("2020-08-28", 499.23, 46907479, 121.2, 0.0, 1.0),
        ("2020-08-31", 129.04, 225702688, 125.3, 0.0, 4.0),
    ]
]


def tiingo(web: Web, *answers: Answer, **options: Any) -> dict[str, Any]:
    web.plan("/daily/*", *(answers or (Answer(APPLE),)))
    return {"key": KEY, "url": web.url + "/daily", "sleep": lambda pause: None} | options


def test_tiingo_as_traded_with_dividend_and_split(web: Web) -> None:
    bars = load_tiingo("AAPL", "2020-08-06", "2020-08-31", **tiingo(web))
    assert bars.index.strftime("%Y-%m-%d").tolist() == [
        "2020-08-06",
        "2020-08-07",
        "2020-08-28",
        "2020-08-31",
    ]
    assert bars.index.tz is None and bars.index.name == "time"
    columns = ["open", "high", "low", "close", "volume", "adj_close", "dividend", "split"]
    assert list(bars.columns) == columns and set(bars.dtypes) == {np.dtype("float64")}
    assert bars["close"].tolist() == [455.61, 444.45, 499.23, 129.04]
    assert bars["dividend"].tolist() == [0, 0.82, 0, 0] and bars["split"].tolist() == [1, 1, 1, 4]
    assert bars["adj_close"].tolist() == [110.4, 107.9, 121.2, 125.3]
    assert bars.iloc[0][["open", "high", "low", "volume"]].tolist() == [454.61, 457.61, 452.61, 50607225]


def test_tiingo_is_asked_with_a_first_date_and_without_a_last(web: Web) -> None:
    load_tiingo("BRK-B", **tiingo(web))
    load_tiingo("A/B C", "2020-08-06", "2020-08-31", **tiingo(web))
    first, second = web.asked
    assert first.path == "/daily/BRK-B/prices" and first.query["startDate"] == "1900-01-01"
    assert second.path == "/daily/A%2FB%20C/prices" and second.query["startDate"] == "2020-08-06"
    # A split after the last date changes prices before it: the answer must hold it.
    assert "endDate" not in second.query
    assert first.headers["authorization"] == f"Token {KEY}" and KEY not in json.dumps(first.query)


def test_tiingo_through_load(web: Web) -> None:
    options = tiingo(web)
    bars = at.load("AAPL", source="tiingo", start="2020-08-06", end="2020-08-28", adjust="splits", **options)
    np.testing.assert_allclose(bars["close"], np.array([455.61, 444.45, 499.23]) / 4, rtol=1e-12)
    np.testing.assert_allclose(bars["dividend"], [0, 0.82 / 4, 0], rtol=1e-12)
    whole = at.load("AAPL", source="tiingo", adjust="all", **options)
    np.testing.assert_allclose(whole["close"], [110.4, 107.9, 121.2, 125.3], rtol=1e-12)
    at.check_bars(whole)


def test_tiingo_agrees_with_the_sample(web: Web) -> None:
    sample = at.load("AAPL", start="2005-02-24", end="2005-03-01")
    rows = [
        {"date": f"{day:%Y-%m-%d}T00:00:00.000Z", "adjClose": 1.0, "divCash": 0.0, "splitFactor": 1.0} | bar
        for day, bar in sample.to_dict("index").items()
    ]
    bars = at.load("AAPL", source="tiingo", **tiingo(web, Answer(rows)))
    pd.testing.assert_frame_equal(bars[list(sample.columns)], sample, check_freq=False)


NOT_FOUND = {"detail": "Error: Ticker 'APPL' not found"}
LIMIT = "You have run over your 500 symbol look up for this month. Please upgrade at https://api.tiingo.com/pricing"
REFUSED = [
    (Answer(NOT_FOUND, status=404), ["error 404", "'APPL' not found", "check the symbol"], 1),
    (Answer({"detail": "Invalid token."}, status=401), ["error 401", "Invalid token", "check the key in TIINGO_API_KEY"], 1),
    (Answer({"detail": "Please supply a token"}, status=403), ["error 403", "check the key in TIINGO_API_KEY"], 1),
    (Answer({"detail": "slow down"}, status=429), ["no answer in 4 tries", "error 429", "slow down"], 4),
    (Answer("<html>502</html>", status=502), ["no answer in 4 tries", "error 502"], 4),
    (Answer("", status=429, headers={"Retry-After": "3600"}), ["error 429", "3600 s"], 1),
    (Answer([]), ["no prices from the start", "check the dates"], 1),
    (Answer(""), ["empty"], 1),
    (Answer("<html>Log in</html>"), ["a web page"], 1),
    (Answer(LIMIT), ["not JSON", "You have run over"], 1),
    (Answer(json.dumps(APPLE)[:200]), ["not JSON"], 1),
    (Answer(APPLE, truncate=100), ["no answer in 4 tries", "cut short"], 4),
    (Answer(status=0), ["no answer in 4 tries", "dropped"], 4),
    (Answer(APPLE, delay=5), ["no answer in 4 tries", "0.2 s"], 4),
    (Answer(APPLE, status=302, headers={"Location": "/daily/elsewhere"}), ["could not be asked", "TooManyRedirects"], 1),
    (Answer({"detail": "something new"}), ["no table of prices"], 1),
    (Answer([1, 2]), ["no table of prices"], 1),
    (Answer("null"), ["no table of prices"], 1),
    (Answer([{"date": "2020-08-06T00:00:00.000Z", "close": 1.0}]), ["no table of prices", "KeyError"], 1),
    (Answer([row | {"close": "4.O"} for row in APPLE]), ["no table of prices", "4.O"], 1),
    (Answer([row | {"date": "soon"} for row in APPLE]), ["no table of prices"], 1),
    (Answer([row | {"date": "2020-08-06T16:00:00Z"} for row in APPLE]), ["no table of prices", "midnight"], 1),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "words", "asked"), REFUSED)
def test_what_tiingo_says_no_to(
    web: Web, refusal: Refusal, bad: Answer, words: list[str], asked: int
) -> None:
    sentence = refusal(at.SourceError, load_tiingo, "APPL", **tiingo(web, bad, timeout=0.2))
    assert all(word in sentence for word in words), sentence
    assert web.count() == asked and KEY not in sentence


def test_tiingo_is_asked_again_when_it_was_busy(web: Web) -> None:
    pauses: list[float] = []
    bad = [Answer("", status=429, headers={"Retry-After": "5"}), Answer("", status=500)]
    options = tiingo(web, *bad, Answer(APPLE), sleep=pauses.append)
    assert len(load_tiingo("AAPL", **options)) == 4 and pauses == [5.0, 1.0]


def test_a_missing_cell_is_missing_and_no_error(web: Web) -> None:
    rows = [APPLE[0] | {"open": None}, *APPLE[1:]]
    assert load_tiingo("AAPL", **tiingo(web, Answer(rows)))["open"].isna().tolist() == [
        True,
        False,
        False,
        False,
    ]


# Keys


def test_a_missing_key_says_where_to_get_one_and_which_variable_to_set(refusal: Refusal) -> None:
    sentence = refusal(at.SourceError, load_tiingo, "AAPL")
    assert (
        sentence
        == "Tiingo: no key; get one at https://www.tiingo.com/account/api/token and set the variable TIINGO_API_KEY"
    )
    sentence = refusal(at.SourceError, load_alpaca, "AAPL")
    assert "https://app.alpaca.markets" in sentence and sentence.endswith("APCA_API_KEY_ID")
    sentence = refusal(at.SourceError, load_alpaca, "AAPL", key=KEY)
    assert sentence.endswith("APCA_API_SECRET_KEY") and KEY not in sentence


def test_keys_come_from_the_environment_and_an_argument_goes_first(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIINGO_API_KEY", f" {KEY}\n")
    options = tiingo(web) | {"key": None}
    load_tiingo("AAPL", **options)
    load_tiingo("AAPL", **options | {"key": "given"})
    assert [one.headers["authorization"] for one in web.asked] == [f"Token {KEY}", "Token given"]
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    web.plan("/v2/stocks/bars", Answer(page(DAYS)))
    load_alpaca("AAPL", url=web.url, adjusted=False)
    assert web.asked[-1].headers["apca-api-key-id"] == KEY
    assert web.asked[-1].headers["apca-api-secret-key"] == SECRET


@pytest.mark.parametrize(
    "bad", ["abc\ndef12345", "abc\r\nX-Other: 1", "abc def12345", "schlüssel12345", "abc\x00def"]
)
def test_what_no_key_looks_like_is_not_quoted(web: Web, refusal: Refusal, bad: str) -> None:
    for sentence in (
        refusal(at.SourceError, load_tiingo, "AAPL", **tiingo(web) | {"key": bad}),
        refusal(at.SourceError, load_alpaca, "AAPL", key=KEY, secret=bad, url=web.url),
        refusal(at.SourceError, find_key, bad, "TIINGO_API_KEY", "Tiingo"),
    ):
        assert "is no key" in sentence and "copy it again" in sentence and bad[:3] not in sentence
    assert web.count() == 0


def echo(asked: Asked) -> Answer:
    "A server that repeats what it was shown."
    shown = asked.headers.get("authorization", "") + asked.headers.get("apca-api-key-id", "")
    return Answer({"message": f"who is {shown} {asked.headers.get('apca-api-secret-key', '')}"}, status=403)


def everything(fault: BaseException) -> str:
    return "".join(traceback.format_exception(fault)) + repr(fault) + str(fault.args)


def test_no_key_in_any_error_even_when_the_server_repeats_it(web: Web) -> None:
    web.plan("/*", echo)
    asks: list[tuple[Callable[..., object], dict[str, Any]]] = [
        (load_tiingo, {"key": KEY}),
        (load_alpaca, {"key": KEY, "secret": SECRET}),
    ]
    for ask, keys in asks:
        with pytest.raises(at.SourceError) as caught:
            ask("AAPL", url=web.url, **keys)
        text = everything(caught.value)
        assert "(your key)" in text and "_KEY" in str(caught.value)
        assert KEY[:8] not in text and SECRET[:8] not in text


@pytest.mark.parametrize("before", range(60, 125, 5))
def test_a_part_of_a_key_is_crossed_out_too(web: Web, before: int) -> None:
    "The server's words are cut after so many letters: what is left may be the beginning of a key."
    web.plan("/*", Answer("x" * before + KEY, status=403))
    with pytest.raises(at.SourceError) as caught:
        load_tiingo("AAPL", key=KEY, url=web.url)
    assert KEY[:8] not in everything(caught.value)


def test_no_key_in_the_ledger_in_attrs_in_the_cache_or_in_the_address(web: Web, tmp_path: Path) -> None:
    web.plan("/v2/stocks/bars", Answer(page(DAYS)))
    options = tiingo(web)
    del options["sleep"]
    first = at.load("AAPL", source="tiingo", **options, max_age="1d", cache=tmp_path)
    second = at.load(
        "AAPL", source="alpaca", key=KEY, secret=SECRET, url=web.url, max_age="1d", cache=tmp_path
    )
    told = repr(at.loaded()) + repr(first.attrs) + repr(second.attrs) + repr(first) + repr(second)
    told += "".join(f"{file.name}{file.read_bytes()!r}" for file in tmp_path.rglob("*") if file.is_file())
    assert "AAPL" in told and len(at.loaded()) == 2
    assert KEY not in told and SECRET not in told
    assert all(KEY not in one.path + json.dumps(one.query) for one in web.asked)


def test_a_key_does_not_follow_a_redirect(web: Web, refusal: Refusal) -> None:
    with Web() as elsewhere:
        elsewhere.plan("/*", Answer(APPLE))
        web.plan("/*", Answer("", status=307, headers={"Location": elsewhere.url + "/thief"}))
        refusal(at.SourceError, load_tiingo, "AAPL", key=KEY, url=web.url)
        refusal(at.SourceError, load_alpaca, "AAPL", key=KEY, secret=SECRET, url=web.url)
        assert elsewhere.count() == 0 and web.count() == 2


# Alpaca

# The Friday before and the Monday after the change of clocks of 2024.
DAYS = {"2024-03-07T05:00:00Z": 170.0, "2024-03-08T05:00:00Z": 171.5, "2024-03-11T04:00:00Z": 173.0}


def page(closes: dict[str, float], token: str | None = None, symbol: str = "AAPL") -> dict[str, Any]:
    rows = [{"t": t, "o": c - 1, "h": c + 1, "l": c - 2, "c": c, "v": 1e6 + i, "n": 9, "vw": c - 0.1} for i, (t, c) in enumerate(closes.items())]  # fmt: skip
    return {"bars": {symbol: rows} if rows else {}, "next_page_token": token}


def alpaca(web: Web, *answers: Any, **options: Any) -> dict[str, Any]:
    web.plan("/v2/stocks/bars", *answers)
    return {"key": KEY, "secret": SECRET, "url": web.url, "sleep": lambda pause: None} | options


def two_pages(asked: Asked) -> Answer:
    "Prices as traded or adjusted, the first two bars and then the third."
    paid = 0.25 if asked.query["adjustment"] == "all" else 0.0
    closes = [(stamp, close - paid) for stamp, close in DAYS.items()]
    if "page_token" not in asked.query:
        return Answer(page(dict(closes[:2]), "QUFQTHxNfDE="))
    assert asked.query["page_token"] == "QUFQTHxNfDE="
    return Answer(page(dict(closes[2:])))


def test_alpaca_daily_bars_of_two_pages_on_the_sessions_of_new_york(web: Web) -> None:
    bars = load_alpaca("AAPL", "2024-03-07", "2024-03-11", **alpaca(web, two_pages))
    assert bars.index.strftime("%Y-%m-%d").tolist() == ["2024-03-07", "2024-03-08", "2024-03-11"]
    assert bars.index.tz is None and bars.index.name == "time" and bars.index.dtype == "datetime64[ns]"
    assert bars["close"].tolist() == [170, 171.5, 173] and bars["adj_close"].tolist() == [
        169.75,
        171.25,
        172.75,
    ]
    assert bars.iloc[0][["open", "high", "low", "volume"]].tolist() == [169, 171, 168, 1e6]
    assert list(bars.columns) == ["open", "high", "low", "close", "volume", "adj_close"]
    assert set(bars.dtypes) == {np.dtype("float64")} and web.count() == 4


def test_what_alpaca_is_asked(web: Web) -> None:
    load_alpaca("AAPL", "2024-03-07", "2024-07-31", **alpaca(web, two_pages))
    query = web.asked[0].query
    assert query == {
        "symbols": "AAPL",
        "timeframe": "1Day",
        "adjustment": "raw",
        "feed": "sip",
        "limit": "10000",
        "start": "2024-03-07T05:00:00+00:00",
        "end": "2024-08-01T03:59:59+00:00",
    }
    assert [one.query["adjustment"] for one in web.asked] == ["raw", "raw", "all", "all"]
    web.asked.clear()
    load_alpaca("AAPL", interval="15m", feed="iex", adjusted=False, **alpaca(web, Answer(page(DAYS))))
    (query,) = [one.query for one in web.asked]
    assert (query["timeframe"], query["feed"], query["start"]) == (
        "15Min",
        "iex",
        "2016-01-01T05:00:00+00:00",
    )
    assert "end" not in query
    load_alpaca("AAPL", end="2024-02", adjusted=False, **alpaca(web, Answer(page(DAYS))))
    assert web.asked[-1].query["end"] == "2024-03-01T04:59:59+00:00"


def test_alpaca_minutes_are_in_utc(web: Web) -> None:
    minutes = {"2024-03-08T14:30:00Z": 170.0, "2024-03-11T13:30:00Z": 173.0}
    bars = load_alpaca("AAPL", interval="1m", adjusted=False, **alpaca(web, Answer(page(minutes))))
    assert str(bars.index.tz) == "UTC" and bars.index.strftime("%d %H:%M").tolist() == [
        "08 14:30",
        "11 13:30",
    ]
    assert "adj_close" not in bars
    loaded = at.load("AAPL", source="alpaca", interval="1m", **alpaca(web, Answer(page(minutes))))
    assert str(loaded.index.tz) == "UTC" and len(loaded) == 2


def test_alpaca_through_load(web: Web) -> None:
    options = alpaca(web, two_pages)
    bars = at.load("AAPL", source="alpaca", start="2024-03-08", end="2024-03-11", adjust="all", **options)
    assert bars["close"].tolist() == [171.25, 172.75]
    at.check_bars(bars)
    # Every session of New York is there and no other day: the only thing to say is that two bars are few.
    assert set(at.validate(bars, calendar="XNYS").findings["check"]) <= {"short_history"}


@pytest.mark.parametrize("status", [429, 500, 502, 504])
def test_a_page_that_fails_is_asked_again_and_the_pages_before_are_not(web: Web, status: int) -> None:
    closes = list(DAYS.items())
    first, last = Answer(page(dict(closes[:2]), "abc")), Answer(page(dict(closes[2:])))
    bad, pauses = Answer("", status=status, headers={"Retry-After": "4"}), []  # type: tuple[Answer, list[float]]
    options = alpaca(web, first, bad, last, adjusted=False, sleep=pauses.append)
    assert load_alpaca("AAPL", **options)["close"].tolist() == [170, 171.5, 173]
    assert pauses == [4.0] and [one.query.get("page_token") for one in web.asked] == [None, "abc", "abc"]


FORBIDDEN = {"message": "forbidden."}
RECENT = {"message": "subscription does not permit querying recent SIP data"}
BOTH = "check the key in APCA_API_KEY_ID and APCA_API_SECRET_KEY"
REFUSED_BY_ALPACA = [
    (Answer({"code": 40010001, "message": "invalid symbol: aapl"}, status=400), ["error 400", "invalid symbol: aapl", "check the symbol"], 1),
    (Answer(FORBIDDEN, status=403), ["error 403", "forbidden", BOTH], 1),
    (Answer("Unauthorized", status=401), ["error 401", BOTH], 1),
    (Answer(RECENT, status=403), ["recent SIP data", "end some days ago, or ask for feed='iex'"], 1),
    (Answer("", status=404), ["error 404"], 1),
    (Answer({"message": "too many requests."}, status=429), ["no answer in 4 tries", "error 429"], 4),
    (Answer("", status=500), ["no answer in 4 tries", "error 500"], 4),
    (Answer(page({})), ["no bars", "check the symbol and the dates"], 1),
    (Answer({"bars": {"MSFT": []}, "next_page_token": None}), ["no bars"], 1),
    (Answer({"bars": None, "next_page_token": None}), ["no table of prices"], 1),
    (Answer({"message": "something new"}), ["no table of prices"], 1),
    (Answer([1, 2]), ["no table of prices"], 1),
    (Answer("null"), ["no table of prices"], 1),
    (Answer(""), ["empty"], 1),
    (Answer("<html>down</html>"), ["a web page"], 1),
    (Answer(json.dumps(page(DAYS))[:150]), ["not JSON"], 1),
    (Answer(page(DAYS), truncate=100), ["no answer in 4 tries", "cut short"], 4),
    (Answer(status=0), ["no answer in 4 tries", "dropped"], 4),
    (Answer(page(DAYS), delay=5), ["no answer in 4 tries", "0.2 s"], 4),
    (Answer(page(DAYS | {"2024-03-12T00:00:00Z": 1.0})), ["2024-03-12 00:00:00+00:00", "midnight in New York"], 1),
    (Answer(page({"noon": 1.0})), ["no table of prices"], 1),
    (Answer({"bars": {"AAPL": [{"t": "2024-03-07T05:00:00Z", "c": "1.O"}]}}), ["no table of prices", "1.O"], 1),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "words", "asked"), REFUSED_BY_ALPACA)
def test_what_alpaca_says_no_to(
    web: Web, refusal: Refusal, bad: Answer, words: list[str], asked: int
) -> None:
    sentence = refusal(at.SourceError, load_alpaca, "AAPL", **alpaca(web, bad, timeout=0.2))
    assert all(word in sentence for word in words), sentence
    assert sentence.startswith("AAPL from Alpaca: ") and web.count() == asked
    assert (
        KEY not in sentence
        and SECRET not in sentence
        and ("recent" not in sentence or "check" not in sentence)
    )


def test_two_answers_that_tell_of_different_days(web: Web, refusal: Refusal) -> None:
    fewer = dict(list(DAYS.items())[:2])
    options = alpaca(web, Answer(page(DAYS)), Answer(page(fewer)))
    sentence = refusal(at.SourceError, load_alpaca, "AAPL", **options)
    assert "3 bars as traded, but 2 adjusted" in sentence


def test_what_alpaca_is_never_asked(web: Web, refusal: Refusal) -> None:
    for interval in ("2d", "1w", "60m", "", "d", "1.5h", "24h", "day"):
        sentence = refusal(at.SourceError, load_alpaca, "AAPL", **alpaca(web, two_pages, interval=interval))
        assert f"no interval {interval!r}" in sentence and "1d" in sentence
    sentence = refusal(at.SourceError, load_alpaca, "AAPL", **alpaca(web, two_pages, feed="all"))
    assert "feed must be 'sip'" in sentence and "'all'" in sentence
    assert web.count() == 0
    sentence = refusal(
        at.BarsError, at.load, "AAPL", source="alpaca", adjust="splits", **alpaca(web, two_pages)
    )
    assert "adjust='splits'" in sentence


def test_without_alpaca_py(web: Web, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "alpaca"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "alpaca", None)
    sentence = refusal(at.SourceError, load_alpaca, "AAPL", **alpaca(web, two_pages))
    assert "alpaca" in sentence and sentence.endswith("is not installed; pip install 'alphatwin[sources]'")
