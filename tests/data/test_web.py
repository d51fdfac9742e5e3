"Asking a real server on this machine that fails in every way that servers know."

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from webserver import Answer, Asked, Pauses, Web

from alphatwin.data.sources import SourceError
from alphatwin.data.web import Busy, fetch, fetch_json, retry, to_pause

Refusal = Callable[..., str]
BARS = {"date": ["2005-02-25", "2005-02-28"], "close": [88.99, 44.86]}


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


# Answers


def test_an_answer_comes_back_whole(web: Web, pauses: Pauses) -> None:
    web.plan("/bars", Answer(BARS))
    assert fetch_json(web.url + "/bars", sleep=pauses) == BARS
    assert web.count() == 1 and pauses == []


def test_the_question_arrives(web: Web) -> None:
    web.plan("/bars", Answer("date,close"))
    fetch(web.url + "/bars", {"symbol": "AAPL", "from": "2005-02-25"}, {"Authorization": "Token abc"})
    (asked,) = web.asked
    assert asked.query == {"symbol": "AAPL", "from": "2005-02-25"} and asked.method == "GET"
    assert asked.headers["authorization"] == "Token abc"


def test_text_is_utf_8_with_or_without_a_mark(web: Web) -> None:
    web.plan("/plain", Answer("Zürich,1.5\n".encode()))
    web.plan("/marked", Answer("\ufeffZürich,1.5\n".encode(), headers={"Content-Type": "text/csv"}))
    assert fetch(web.url + "/plain") == fetch(web.url + "/marked") == "Zürich,1.5"


def test_a_long_answer_comes_in_many_pieces(web: Web) -> None:
    rows = "\n".join(f"2020-01-01,{i}" for i in range(100_000))
    web.plan("/long", Answer(rows))
    assert fetch(web.url + "/long") == rows


def test_a_session_of_ones_own_is_used(web: Web) -> None:
    web.plan("/bars", Answer(BARS))
    with requests.Session() as session:
        session.headers["X-Desk"] = "seven"
        fetch(web.url + "/bars", session=session)
    assert web.asked[0].headers["x-desk"] == "seven"


# Answers that may get better


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(status: int, web: Web, pauses: Pauses) -> None:
    web.plan("/bars", Answer("not now", status), Answer(BARS))
    assert fetch_json(web.url + "/bars", sleep=pauses) == BARS
    assert web.count("/bars") == 2 and pauses == [0.5]


def test_three_failures_and_then_an_answer(web: Web, pauses: Pauses) -> None:
    web.plan("/bars", Answer(status=500), Answer(status=429), Answer(status=0), Answer(BARS))
    assert fetch_json(web.url + "/bars", sleep=pauses) == BARS
    assert pauses == [0.5, 1.0, 2.0]


def test_after_four_failures_it_gives_up(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    web.plan("/bars", Answer("down for repairs", 503))
    sentence = refusal(SourceError, fetch, web.url + "/bars", name="SPY from Tiingo", sleep=pauses)
    assert sentence.startswith("SPY from Tiingo: no answer in 4 tries: error 503 (down for repairs)")
    assert web.count() == 4 and pauses == [0.5, 1.0, 2.0]


def test_tries_and_waits_can_be_chosen(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    web.plan("/bars", Answer(status=500))
    refusal(SourceError, fetch, web.url + "/bars", tries=3, wait=2.0, sleep=pauses)
    assert web.count() == 3 and pauses == [2.0, 4.0]
    sentence = refusal(SourceError, fetch, web.url + "/bars", tries=1, sleep=pauses)
    assert web.count() == 4 and "tries" not in sentence and "127.0.0.1: error 500" in sentence


def test_a_server_that_names_its_time_is_left_alone_as_long(web: Web, pauses: Pauses) -> None:
    web.plan("/bars", Answer(status=429, headers={"Retry-After": "7"}), Answer(BARS))
    fetch(web.url + "/bars", sleep=pauses)
    assert pauses == [7.0]


def test_our_own_pause_stands_where_it_is_longer(web: Web, pauses: Pauses) -> None:
    web.plan("/bars", Answer(status=429, headers={"Retry-After": "1"}), Answer(BARS))
    fetch(web.url + "/bars", wait=3.0, sleep=pauses)
    assert pauses == [3.0]


def test_a_time_beyond_our_patience_is_told_and_not_waited_for(
    web: Web, pauses: Pauses, refusal: Refusal
) -> None:
    web.plan("/bars", Answer("limit reached", status=429, headers={"Retry-After": "3600"}))
    sentence = refusal(SourceError, fetch, web.url + "/bars", name="SPY", sleep=pauses)
    assert "SPY: error 429 (limit reached)" in sentence and "3600 s" in sentence
    assert web.count() == 1 and pauses == []


def test_all_pauses_together_have_a_limit(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    web.plan("/bars", Answer(status=429, headers={"Retry-After": "4"}))
    refusal(SourceError, fetch, web.url + "/bars", most=10.0, sleep=pauses)
    assert pauses == [4.0, 4.0] and web.count() == 3


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("7", "", 7.0),
        ("0", "", 0.0),
        ("-5", "", 0.0),
        ("inf", "", None),
        ("nan", "", None),
        ("soon", "", None),
        ("", "", None),
        ("Wed, 03 Jan 2024 12:00:30 GMT", "Wed, 03 Jan 2024 12:00:00 GMT", 30.0),
        ("Wed, 03 Jan 2024 11:00:00 GMT", "Wed, 03 Jan 2024 12:00:00 GMT", 0.0),
        ("Wed, 03 Jan 2024 12:00:30 GMT", "", None),
        ("Wed, 03 Jan 2024 12:00:30 -0000", "Wed, 03 Jan 2024 12:00:00 GMT", None),
    ],
)
def test_reading_retry_after(said: str, date: str, seconds: float | None) -> None:
    assert to_pause({"Retry-After": said, "Date": date}) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_retry_after_makes_it_stumble(said: str, date: str) -> None:
    after = to_pause({"Retry-After": said, "Date": date})
    assert after is None or 0 <= after < float("inf")


def test_half_an_answer_is_asked_for_again(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    web.plan("/bars", Answer(BARS, truncate=20), Answer(BARS))
    assert fetch_json(web.url + "/bars", sleep=pauses) == BARS and pauses == [0.5]
    web.plan("/bars", Answer(BARS, truncate=20))
    sentence = refusal(SourceError, fetch, web.url + "/bars", name="SPY", sleep=pauses)
    assert "SPY: no answer in 4 tries: the answer was cut short" in sentence


def test_a_server_that_hangs_is_not_waited_for(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    web.plan("/bars", Answer(BARS, delay=30.0))
    began = time.monotonic()
    sentence = refusal(SourceError, fetch, web.url + "/bars", name="SPY", timeout=0.05, tries=2, sleep=pauses)
    assert time.monotonic() - began < 5 and web.count() == 2
    assert "SPY: no answer in 2 tries: no answer within 0.05 s" in sentence


def test_a_server_that_drips_is_not_waited_for(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    "Every byte comes within the time-out, the whole would take minutes."
    web.plan("/bars", Answer("x" * 10_000, drip=0.02))
    began = time.monotonic()
    sentence = refusal(SourceError, fetch, web.url + "/bars", name="SPY", timeout=0.1, tries=1, sleep=pauses)
    assert time.monotonic() - began < 5 and "SPY: the answer was not complete after 0.1 s" in sentence


def test_nobody_listens(pauses: Pauses, refusal: Refusal) -> None:
    with socket.socket() as taken:  # a port that is bound and does not listen refuses connections
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/bars"
        sentence = refusal(SourceError, fetch, url, name="SPY", sleep=pauses)
    assert "SPY: no answer in 4 tries: the connection was refused or dropped" in sentence
    assert len(pauses) == 3


def test_a_server_that_hangs_up(web: Web, pauses: Pauses, refusal: Refusal) -> None:
    web.plan("/bars", Answer(status=0))
    sentence = refusal(SourceError, fetch, web.url + "/bars", name="SPY", sleep=pauses)
    assert "refused or dropped" in sentence and web.count() == 4


def test_a_name_that_does_not_exist(pauses: Pauses, refusal: Refusal) -> None:
    sentence = refusal(SourceError, fetch, "http://no-such-host.invalid/", name="SPY", sleep=pauses)
    assert "SPY" in sentence and len(pauses) == 3


# Answers that will not get better


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer({"detail": "Not found."}, 404), ["error 404", "Not found.", "check the symbol"]),
        (Answer("Bad interval", 400), ["error 400 (Bad interval)"]),
        (Answer("two\nlines", 422), ["error 422 (two lines)"]),
        (Answer("x" * 5000, 400), ["error 400"]),
        (Answer("<html><body>Gone</body></html>", 410), ["error 410;"]),
        (Answer("Invalid token", 401), ["error 401", "key", "Invalid token"]),
        (Answer("", 403), ["error 403", "key"]),
        (Answer(""), ["the answer was empty"]),
        (Answer(" \n\t "), ["the answer was empty"]),
        (Answer("\n <!DOCTYPE html><html>Please log in</html>"), ["a web page came in place of data"]),
    ],
)
def test_it_says_so_and_asks_once(
    answer: Answer, words: list[str], web: Web, pauses: Pauses, refusal: Refusal
) -> None:
    web.plan("/bars", answer)
    sentence = refusal(SourceError, fetch_json, web.url + "/bars", name="SPY from Tiingo", sleep=pauses)
    assert sentence.startswith("SPY from Tiingo: ") and all(word in sentence for word in words), sentence
    assert web.count() == 1 and pauses == [] and len(sentence) < 300


@pytest.mark.parametrize("body", ['{"close": [88.9', "close\n88.9", "{'close': 1}", "[1, 2", "\x00\x01"])
def test_what_is_not_json_is_shown(body: str, web: Web, refusal: Refusal) -> None:
    web.plan("/bars", Answer(body))
    sentence = refusal(SourceError, fetch_json, web.url + "/bars", name="SPY")
    assert "SPY: the answer is not JSON" in sentence and web.count() == 1


def test_a_path_without_a_plan_is_not_found(web: Web, refusal: Refusal) -> None:
    assert "error 404" in refusal(SourceError, fetch, web.url + "/nothing")


@pytest.mark.parametrize("url", ["no address", "ftp://127.0.0.1/x", "http://"])
def test_what_is_no_address(url: str, refusal: Refusal, pauses: Pauses) -> None:
    sentence = refusal(SourceError, fetch, url, name="SPY", sleep=pauses)
    assert "could not be asked" in sentence and pauses == []


def test_an_answer_that_says_it_is_packed_and_is_not(web: Web, refusal: Refusal, pauses: Pauses) -> None:
    web.plan("/bars", Answer("plain text", headers={"Content-Encoding": "gzip"}))
    assert "could not be asked" in refusal(SourceError, fetch, web.url + "/bars", sleep=pauses)


def test_a_server_that_cannot_prove_who_it_is(web: Web, refusal: Refusal, pauses: Pauses) -> None:
    "A server without encryption, asked for an encrypted answer."
    sentence = refusal(SourceError, fetch, web.url.replace("http", "https"), sleep=pauses)
    assert "could not prove who it is" in sentence and pauses == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer("no", 404),
        Answer("no", 401),
        Answer(""),
        Answer("<p>"),
        Answer("{"),
        Answer(BARS, truncate=5),
        Answer(status=0),
        Answer(BARS, delay=30.0),
    ],
)
def test_no_error_shows_a_key(answer: Answer, web: Web, pauses: Pauses) -> None:
    web.plan("/bars", answer)
    with pytest.raises(SourceError) as caught:
        keys = {"params": {"token": "s3cret"}, "headers": {"Authorization": "s3cret"}}
        fetch_json(web.url + "/bars", timeout=0.05, tries=2, sleep=pauses, **keys)
    fault: BaseException | None = caught.value
    while fault is not None:
        assert "s3cret" not in str(fault)
        fault = fault.__cause__ if fault.__suppress_context__ else fault.__context__


# Trying again, without a server


def failing(reasons: list[Any], answer: str = "bars") -> Callable[[], str]:
    left = list(reasons)

    def call() -> str:
        if left:
            raise left.pop(0)
        return answer

    return call


def test_what_is_not_busy_passes_through(pauses: Pauses) -> None:
    for fault in (KeyError("close"), SourceError("no such symbol"), KeyboardInterrupt()):
        with pytest.raises(type(fault)) as caught:
            retry(failing([fault]), sleep=pauses)
        assert caught.value is fault
    assert pauses == []


def test_the_last_reason_is_the_one_that_is_told(pauses: Pauses, refusal: Refusal) -> None:
    call = failing([Busy("first"), Busy("second")])
    sentence = refusal(SourceError, retry, call, tries=2, name="X", sleep=pauses)
    assert sentence == "X: no answer in 2 tries: second; ask again later"


def test_one_try_is_the_least(pauses: Pauses, refusal: Refusal) -> None:
    for tries in (1, 0, -3):
        assert retry(failing([]), tries=tries, sleep=pauses) == "bars"
        refusal(SourceError, retry, failing([Busy("no")] * 2), tries=tries, sleep=pauses)
    assert pauses == []


@given(
    st.lists(st.sampled_from([None, 0.0, 1.0, 5.0, 30.0]), max_size=8),
    st.integers(1, 6),
    st.sampled_from([0.1, 0.5, 2.0]),
    st.sampled_from([1.0, 10.0, 60.0]),
)
def test_patience_has_an_end(after: list[float | None], tries: int, wait: float, most: float) -> None:
    pauses, asked = Pauses(), []

    def call() -> str:
        asked.append(1)
        if len(asked) <= len(after):
            raise Busy("no", after[len(asked) - 1])
        return "bars"

    try:
        assert retry(call, tries=tries, wait=wait, most=most, sleep=pauses) == "bars"
        assert len(asked) == len(after) + 1
    except SourceError:
        beyond = len(asked) <= len(after) and sum(pauses) + max(
            wait * 2 ** (len(asked) - 1), after[len(asked) - 1] or 0
        )
        assert len(asked) == tries or beyond > most
    assert sum(pauses) <= most and len(pauses) == len(asked) - 1 < tries
    assert all(pause >= wait * 2**turn for turn, pause in enumerate(pauses))
    assert all(pause >= (said or 0) for pause, said in zip(pauses, after, strict=False))


# The server itself


def test_the_server_counts_and_follows_its_plan(web: Web) -> None:
    web.plan("/a", Answer("one"), Answer("two"))
    web.plan("/deep/*", lambda asked: Answer(asked.path[6:] + asked.query.get("x", "")))
    texts = [requests.get(f"{web.url}{path}", timeout=5).text for path in ("/a", "/a", "/a", "/deep/b?x=c")]
    assert texts == ["one", "two", "two", "bc"]
    assert (web.count(), web.count("/a"), web.count("/deep/b")) == (4, 3, 1)
    assert requests.post(f"{web.url}/a", data=b"body", timeout=5).text == "two"
    assert isinstance(web.asked[-1], Asked) and web.asked[-1].body == b"body"


def test_a_closed_server_answers_no_more() -> None:
    with Web() as web:
        web.plan("/a", Answer("one"))
        assert requests.get(web.url + "/a", timeout=5).text == "one"
    with pytest.raises(requests.ConnectionError):
        requests.get(web.url + "/a", timeout=5)
