"Several sources: who is asked, what is told, and how two answers are compared."

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webserver import Answer, Web

import alphatwin as at
from alphatwin.data.second_source import compare_sources, first_answer
from alphatwin.data.web import fetch_json

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]


def apple() -> pd.DataFrame:
    return at.load("AAPL", start="2005-02-24", end="2005-03-01")


@pytest.fixture
def web() -> Iterator[Web]:
    "Two vendors, `north` and `south`, on a real server."
    with Web() as web:

        def vendor(name: str) -> Callable[..., pd.DataFrame]:
            def ask(symbol: str, start: str | None, end: str | None, colour: str = "") -> pd.DataFrame:
                options = {"name": symbol, "sleep": lambda seconds: None}
                answer = fetch_json(f"{web.url}/{name}/{symbol}", {"colour": colour}, **options)
                return pd.DataFrame(answer)

            return ask

        for name in ("north", "south"):
            at.register_source(name, vendor(name))
        for name, factor in (("north", 1), ("south", 2)):
            table = (apple() * factor).reset_index()
            table["time"] = table["time"].dt.strftime("%Y-%m-%d")
            web.plan(f"/{name}/AAPL", Answer(table.to_dict("list")))
        yield web


# The first that answers


def test_the_first_answers_and_the_second_is_not_asked(web: Web) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bars = at.load("AAPL", source=["north", "south"])
    pd.testing.assert_frame_equal(bars, apple(), check_freq=False)
    assert web.count("/north/AAPL") == 1 and web.count("/south/AAPL") == 0
    assert bars.attrs == {"symbol": "AAPL", "source": "north", "adjust": "none", "refused": {}}


@pytest.mark.parametrize(
    ("fault", "words", "times"),
    [
        (Answer("down", 503), "no answer in 4 tries: error 503 (down)", 4),
        (Answer("no such symbol", 404), "error 404 (no such symbol)", 1),
        (Answer(""), "the answer was empty", 1),
        (Answer("<html>"), "a web page came in place of data", 1),
        (Answer({"time": [], "close": []}), "answer was empty", 1),
        (Answer({"time": ["2024-01-02"], "open": [1], "close": [1]}), "no column high", 1),
        (Answer({"time": ["soon"], "close": [1]}), "time: not readable", 1),
    ],
)
def test_where_the_first_fails_the_second_answers(fault: Answer, words: str, times: int, web: Web) -> None:
    web.plan("/north/AAPL", fault)
    with pytest.warns(UserWarning) as said:
        bars = at.load("AAPL", source=["north", "south"])
    assert bars["close"].tolist() == (2 * apple()["close"]).tolist() and bars.attrs["source"] == "south"
    assert set(bars.attrs["refused"]) == {"north"} and words in bars.attrs["refused"]["north"]
    assert len(said) == 1 and words in str(said[0].message) and "\n" not in str(said[0].message)
    assert str(said[0].message).startswith("AAPL: these bars are from south")
    assert web.count("/north/AAPL") == times and web.count("/south/AAPL") == 1


def test_where_all_fail_each_is_named_with_its_reason(web: Web, refusal: Refusal) -> None:
    web.plan("/north/AAPL", Answer("closed today", 404))
    web.plan("/south/AAPL", Answer("unknown key", 401))
    sentence = refusal(at.SourceError, at.load, "AAPL", source=["north", "south", "sample"], end="1990-01-01")
    assert sentence.startswith("AAPL: none of 3 sources answered (north: error 404 (closed today)")
    assert "south: error 401" in sentence and "sample: no bars from the start to 1990-01-01" in sentence


def test_a_misspelt_name_is_refused_before_anybody_is_asked(web: Web, refusal: Refusal) -> None:
    assert "no source 'nroth'" in refusal(at.SourceError, at.load, "AAPL", source=["south", "nroth"])
    assert web.count() == 0


@pytest.mark.parametrize("wrong", [[], (), None, 5, [None], ["north", 5], {"north": 1}.values()])
def test_what_is_no_list_of_sources(wrong: Any, refusal: Refusal) -> None:
    assert "source must be" in refusal(ValueError, at.load, "AAPL", source=wrong)


def test_a_fault_of_ours_does_not_pass_for_a_refusal(web: Web) -> None:
    def broken(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        raise KeyError("a slip in the program")

    at.register_source("broken", broken)
    with pytest.raises(KeyError):
        at.load("AAPL", source=["broken", "north"])
    with pytest.raises(TypeError, match="source 'sample'.*colour"):
        at.load("AAPL", source=["sample", "north"], colour="green")
    assert web.count() == 0


def test_several_symbols_each_find_their_source(web: Web) -> None:
    web.plan("/south/IBM", Answer({"time": ["2005-02-24"], "close": [93.0]}))
    with pytest.warns(UserWarning, match="IBM: these bars are from south"):
        table = at.load(["AAPL", "IBM"], source=["north", "south"])
    assert table.groupby(level="symbol").size().to_dict() == {"AAPL": 4, "IBM": 1}


def test_the_ledger_names_the_source_that_answered(web: Web) -> None:
    web.plan("/north/AAPL", Answer(status=404))
    with pytest.warns(UserWarning):
        at.load("AAPL", source=["north", "south"])
    vendors = [entry["source"] for entry in at.loaded().values() if entry["source"] != "sample"]
    assert vendors == ["south"]


def test_asked_in_the_order_given() -> None:
    order: list[str] = []

    def ask(name: str) -> pd.DataFrame:
        order.append(name)
        raise at.SourceError(f"X: {name} is out")

    with pytest.raises(at.SourceError, match=r"\(yahoo: yahoo is out; csv: csv is out\)"):
        first_answer("X", ["yahoo", "csv"], ask)
    assert order == ["yahoo", "csv"]


# Comparing


def test_by_hand() -> None:
    time = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], name="time")
    left = pd.DataFrame({"close": [100.0, 102, 104, 105], "volume": [1000.0, 1200, 900, 800]}, index=time)
    right = left.assign(close=[100.0, 51, 104, 105.001]).drop(time[2])
    found = compare_sources(left, right, names=("a", "b"))
    assert found.cells.to_dict("list") == {
        "time": [time[1]],
        "column": ["close"],
        "left": [102.0],
        "right": [51.0],
        "difference": [-0.5],
    }
    assert found.only_left.tolist() == [time[2]] and len(found.only_right) == 0
    assert found.verdict == (
        "a and b: 3 times in both, 1 of 6 cells differ by more than 0.01 % (1 of close), "
        "most of all close on 2024-01-03: 102 and 51; 1 only in a"
    )
    pd.testing.assert_frame_equal(compare_sources(left, right[::-1]).cells, found.cells)
    mixed = compare_sources(left.iloc[[2, 0, 3, 1]], right.iloc[[1, 2, 0]])
    assert mixed.only_left.tolist() == [time[2]] and len(mixed.differences) == 3
    back = compare_sources(right, left, names=("b", "a"))
    assert back.cells["difference"].tolist() == [1.0] and back.only_right.tolist() == [time[2]]


def test_the_tolerance_is_the_last_that_agrees() -> None:
    left = pd.DataFrame({"close": [64.0, 64.0]}, index=pd.bdate_range("2024-01-02", periods=2))
    right = left.assign(close=[65.0, 66.0])
    assert len(compare_sources(left, right, tolerance=1 / 64).cells) == 1
    assert len(compare_sources(left, right, tolerance=1 / 65).cells) == 2
    assert compare_sources(left, right, tolerance=2 / 64).verdict.endswith(
        "none of 2 cells differ by more than 3.125 %"
    )


def test_only_the_common_span_is_compared(market: Market) -> None:
    whole = market(1, 60)
    found = compare_sources(whole[:40], whole[20:].drop(whole.index[30]))
    assert len(found.differences) == 19 and found.cells.empty
    assert found.only_left.tolist() == [whole.index[30]] and not len(found.only_right)


def test_holes_zeros_and_signs() -> None:
    time = pd.bdate_range("2020-04-16", periods=6, name="time")
    left = pd.DataFrame({"close": [np.nan, np.nan, 0.0, 0.0, -37.63, -37.63]}, index=time)
    right = pd.DataFrame({"close": [np.nan, 1.0, 0.0, 1.0, -37.63, 37.63]}, index=time)
    found = compare_sources(left, right)
    assert found.cells["time"].tolist() == [time[1], time[3], time[5]]
    np.testing.assert_array_equal(found.cells["difference"], [np.nan, np.inf, 2.0])
    assert "nan and 1" in found.verdict


def test_names_come_from_the_load() -> None:
    found = compare_sources(apple(), apple())
    assert found.names == ("sample", "sample") and found.cells.empty
    assert compare_sources(apple().reset_index().set_index("time"), apple()[::-1]).cells.empty


def test_closes_are_compared_by_their_closes() -> None:
    found = compare_sources(apple(), apple()[["close"]] * 1.01)
    assert list(found.differences) == ["close"] and len(found.cells) == 4


def test_what_cannot_be_compared(refusal: Refusal, market: Market) -> None:
    plain = apple()
    cases: list[tuple[Any, Any, list[str]]] = [
        (plain, pd.concat([plain, plain]), ["right: two rows for 2005-02-24", "keep one"]),
        (pd.concat([plain, plain]), plain, ["left: two rows"]),
        (plain, plain.set_axis(plain.index + pd.Timedelta(days=3650)), ["left and right: no time"]),
        (plain[["open"]], plain[["close"]], ["no time and column in common"]),
        (plain[:0], plain, ["in common"]),
        (plain, market(1, 5, "UTC"), ["one has days and the other moments"]),
        (plain, at.load(["AAPL", "IBM"], end="2000-03-03"), ["right: expected bars of one symbol"]),
        (plain, [1, 2], ["right: expected bars of one symbol"]),
        (None, plain, ["left: expected bars"]),
    ]
    for left, right, words in cases:
        sentence = refusal(at.BarsError, compare_sources, left, right, names=("left", "right"))
        assert all(word in sentence for word in words), sentence
    assert "left: expected" in refusal(at.BarsError, compare_sources, None, plain)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 1e-4, 0.01]))
def test_what_is_planted_is_found_and_nothing_else(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 40))
    index = pd.date_range("2024-01-01", periods=size, name="time")
    columns = ["open", "high", "low", "close", "volume"]
    left = pd.DataFrame(np.exp(rng.normal(3, 1, (size, 5))), columns=columns, index=index)
    noise = rng.uniform(-0.9, 0.9, (size, 5)) * tolerance
    big = rng.random((size, 5)) < 0.1
    right = left * (1 + np.where(big, rng.choice([-1.01, 0.0101, 1.0, 99.0], (size, 5)), noise))
    mixed = right.sample(frac=1, random_state=seed)
    found = compare_sources(left, mixed, tolerance)
    cells = set(zip(found.cells["time"], found.cells["column"], strict=True))
    assert cells == {(index[i], columns[j]) for i, j in zip(*np.nonzero(big), strict=True)}
    for row in found.cells.itertuples():
        assert (row.left, row.right) == (left.at[row.time, row.column], right.at[row.time, row.column])
        assert row.difference == pytest.approx(row.right / row.left - 1)
    assert found.differences.shape == (size, 5) and f"{size * 5:,} cells" in found.verdict


def test_two_downloads_of_one_index() -> None:
    tables = pytest.importorskip("great_tables.data").sp500
    at.register_source("tables", lambda symbol, start, end: tables.set_index("date").sort_index())
    found = compare_sources(at.load("SPX"), at.load("SPX", source="tables"))
    assert len(found.differences) == 4277 and not len(found.only_left) and not len(found.only_right)
    assert found.cells["column"].tolist() == ["volume"] * 5
    worst = found.cells.set_index("time")["difference"].abs()
    assert f"{worst.idxmax():%Y-%m-%d}" == "2015-04-10" and 0.8 < worst.max() < 0.9


def test_the_picture_shows_the_differences_and_the_tolerance() -> None:
    found = compare_sources(apple(), apple() * [1.001, 1, 1, 1, 1.5], tolerance=0.01)
    (axis,) = found.plot().axes
    lines = {str(line.get_label()): line for line in axis.get_lines()}
    assert len(lines["open"].get_xdata()) == 4 and len(lines["close"].get_xdata()) == 0
    np.testing.assert_allclose(np.asarray(lines["volume"].get_ydata(), dtype=float), 0.5)
    assert any(np.all(np.asarray(line.get_ydata()) == 0.01) for line in axis.get_lines())
    assert axis.get_yscale() == "log" and "relative" in axis.get_ylabel()
