"Standing still: by chance, by habit, or because the feed broke."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.copies import COPY_RULES, DOUBT, ODDS, check_copies, check_open, check_stale, habit
from alphatwin.data.findings import Table, make_table

Market = Callable[..., pd.DataFrame]


def table_of(**columns: np.ndarray) -> Table:
    time = pd.bdate_range("2004-01-02", periods=len(next(iter(columns.values())))).as_unit("ns").asi8
    return Table(time, {name: np.asarray(value, dtype="float64") for name, value in columns.items()})


def rows_of(table: Table) -> list[int]:
    return [row for one in check_stale(table) for row in one.rows.tolist()]


def busy(seed: int = 1, size: int = 300) -> np.ndarray:
    return 100 * np.cumprod(1 + 0.01 * np.random.default_rng(seed).normal(size=size))


def test_the_habit_by_hand() -> None:
    "Wilson's upper end solves share = p - z sqrt(p (1 - p) / n) for p."
    for repeats, chances in ((0, 10), (5, 50), (97, 100), (1, 252)):
        (p,) = habit(np.array([repeats]), np.array([chances]))
        assert p - DOUBT * np.sqrt(p * (1 - p) / chances) == pytest.approx(repeats / chances)
    assert habit(np.array([0, 7]), np.array([0, 7])).tolist() == [1.0, 1.0]


@given(repeats=st.integers(0, 500), more=st.integers(0, 500))
def test_the_habit_is_a_share_above_what_was_seen(repeats: int, more: int) -> None:
    chances = max(repeats + more, 1)
    (p,) = habit(np.array([min(repeats, chances)]), np.array([chances]))
    assert repeats / chances - 1e-12 <= p <= 1 + 1e-12
    (wider,) = habit(np.array([2 * repeats]), np.array([2 * chances]))
    assert wider <= p + 1e-12, "the same share seen more often is less doubtful"


def test_a_run_is_accused_from_the_length_at_which_it_is_odd() -> None:
    close = busy()
    for length in range(1, 12):
        stuck = close.copy()
        stuck[101 : 101 + length] = stuck[100]
        (share,) = habit(np.array([0]), np.array([299 - length]))
        accused = 300 * share**length < ODDS
        assert rows_of(table_of(close=stuck)) == (list(range(101, 101 + length)) if accused else [])
    assert accused


def test_a_run_at_either_end() -> None:
    close = busy()
    first, last = close.copy(), close.copy()
    first[:20], last[-20:] = first[0], last[-20]
    assert rows_of(table_of(close=first)) == list(range(1, 20))
    assert rows_of(table_of(close=last)) == list(range(281, 300))


def test_runs_that_are_accused_are_no_habit() -> None:
    "Forty breaks of 6 to 20 days in 2,000: taken together they look like a habit, one after the other they do not."
    rng = np.random.default_rng(4)
    close, planted = busy(2, 2_000), []
    for start in range(20, 2_000, 50):
        length = int(rng.integers(6, 21))
        close[start : start + length] = close[start - 1]
        planted += range(start, start + length)
    assert rows_of(table_of(close=close)) == planted
    (together,) = habit(np.array([len(planted)]), np.array([1_999]))
    assert 2_000 * together**6 > ODDS, "with all of them in the habit the shortest would pass"


def test_the_sentence(aapl: pd.DataFrame) -> None:
    close = busy()
    close[101:108] = close[100] = 104.25
    (found,) = check_stale(table_of(close=close))
    assert set(found.detail) == {
        "close 104.25 again, 7 x in a row; else this series does so 2.3% of the time at most"
    }
    assert found.rule == "stale_run" and found.column == "close"


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.99])
def test_funds_that_repeat_are_not_accused(share: float) -> None:
    "Of 100 funds at most one, though the longest runs are of 10 to 1,000 days."
    accused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        close = 100 * np.cumprod(1 + 0.0001 * (rng.random(2_000) >= share))
        accused += bool(rows_of(table_of(close=close)))
    assert accused <= 1


def test_a_fund_that_never_moved_and_one_that_moved_once() -> None:
    assert rows_of(table_of(close=np.ones(400))) == []
    assert rows_of(table_of(close=np.where(np.arange(400) < 200, 1.0, 1.01))) == []


def test_busy_series_are_not_accused() -> None:
    "Prices in whole dollars repeat by chance on one day in seven."
    accused = sum(bool(rows_of(table_of(close=np.round(busy(seed, 2_000) + 50)))) for seed in range(100))
    assert accused <= 2


def test_range_resources_stands_still_69_days() -> None:
    skfolio = pytest.importorskip("skfolio.datasets")
    closes = skfolio.load_sp500_dataset()
    found = {name: rows_of(make_table(closes[[name]].set_axis(["close"], axis=1))) for name in closes}
    assert {name for name, rows in found.items() if rows} == {"RRC"}
    assert found["RRC"][:68] == list(range(1, 69)) and 69 not in found["RRC"]
    assert set(closes.index[found["RRC"]].year) == {1990, 1991, 1992}


@pytest.mark.parametrize("symbol", ["SPX", "IXIC", "AAPL", "MSFT", "GOOG", "IBM", "FB"])
def test_real_bars_do_not_stand_still(symbol: str) -> None:
    assert rows_of(make_table(at.load(symbol))) == []


# Whole bars


@settings(max_examples=50)
@given(place=st.integers(1, 245), length=st.integers(1, 6))
def test_one_copied_bar_is_enough(aapl: pd.DataFrame, place: int, length: int) -> None:
    bars = aapl.loc["2004"].copy()
    bars.iloc[place : place + length] = bars.iloc[place - 1].to_numpy()
    (found,) = check_stale(make_table(bars))
    assert found.rows.tolist() == list(range(place, place + length))
    assert f"{length} x in a row" in found.detail[0] and found.detail[0].startswith("the whole bar")


@pytest.mark.parametrize("change", ["open", "high", "low", "volume"])
def test_a_bar_that_differs_in_one_thing_is_no_copy(change: str, aapl: pd.DataFrame) -> None:
    bars = aapl.loc["2004"].copy()
    bars.iloc[100] = bars.iloc[99].to_numpy()
    bars.iloc[100, bars.columns.get_loc(change)] *= 1.001
    assert rows_of(make_table(bars)) == []


def test_bars_without_volume_or_range_are_judged_by_their_close(aapl: pd.DataFrame) -> None:
    bars = aapl.loc["2004"].copy()
    bars.iloc[100] = bars.iloc[99].to_numpy()
    assert rows_of(make_table(bars)) == [100]
    assert rows_of(make_table(bars.assign(volume=0.0))) == []
    flat = bars.assign(open=bars["close"], high=bars["close"], low=bars["close"])
    flat.iloc[100] = flat.iloc[99].to_numpy()
    assert rows_of(make_table(flat)) == []
    assert rows_of(make_table(bars.drop(columns="volume"))) == []


def test_copying_bars_is_no_excuse(market: Market) -> None:
    "Weekly bars stretched to days: each copy is accused."
    bars = market(1, 60)
    week = bars.loc[bars.index.repeat(5)].set_axis(pd.bdate_range("2010-01-04", periods=300, name="time"))
    assert rows_of(make_table(week)) == [row for row in range(300) if row % 5]


# Opens


def test_opens_that_repeat_the_close_before(market: Market) -> None:
    bars = market(1, 100)
    for count, found in ((10, 0), (11, 11)):
        odd = bars.copy()
        places = np.arange(1, 100, 9)[:count]
        odd.iloc[places, 0] = bars["close"].to_numpy()[places - 1]
        opens = check_open(make_table(odd))
        assert sum(len(one.rows) for one in opens) == found
        if found:
            assert opens[0].rows.tolist() == places.tolist()
            assert opens[0].detail[0] == "open equals the close before, as on 11 of 100 bars"
    long = market(2, 1_000)
    for count, found in ((50, 0), (51, 51)):
        odd = long.copy()
        places = np.arange(1, 1_000, 19)[:count]
        odd.iloc[places, 0] = long["close"].to_numpy()[places - 1]
        assert sum(len(one.rows) for one in check_open(make_table(odd))) == found


def test_opens_of_real_series() -> None:
    (found,) = check_open(make_table(at.load("SPX")))
    assert len(found.rows) == 2004 and found.column == "open"
    assert check_open(make_table(at.load("AAPL"))) == []
    assert check_open(table_of(close=busy())) == []


# Shapes


def test_rows_that_cannot_be_used_are_stepped_over() -> None:
    close = busy()
    close[101:120] = close[100]
    close[[105, 110]] = np.nan, -1.0
    assert rows_of(table_of(close=close)) == [row for row in range(101, 120) if row not in (105, 110)]


def test_the_order_of_the_rows_does_not_matter() -> None:
    close = busy()
    close[101:108] = close[100]
    table = table_of(close=close)
    order = np.random.default_rng(0).permutation(300)
    shuffled = Table(table.time[order], {"close": close[order]})
    assert sorted(order[rows_of(shuffled)]) == list(range(101, 108))


def test_small_tables() -> None:
    for size in range(4):
        assert [
            row for one in check_copies(table_of(close=np.ones(size), open=np.ones(size))) for row in one.rows
        ] == []
    assert check_copies(Table(np.empty(0, np.int64), {})) == []


def test_the_rules() -> None:
    assert {rule.name: rule.severity for rule in COPY_RULES} == {
        "stale_run": "warning",
        "open_repeats_close": "info",
    }


def dead(rows: int, volume: float = 100.0, price: float = 100.0) -> pd.DataFrame:
    days = pd.bdate_range("2020-01-02", periods=rows, name="time")
    return pd.DataFrame({"open": price, "high": price, "low": price, "close": price, "volume": volume}, days)


def test_a_feed_that_died_before_the_first_bar_is_accused() -> None:
    (found,) = check_stale(make_table(dead(600)))
    assert len(found.rows) == 599 and "volume included" in found.detail[0]
    assert at.validate(dead(600)).verdict == "look first"


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_bars_without_range_may_be_equal_a_few_times(count: int) -> None:
    bars = at.load("IBM", start="2005-01-01", end="2005-12-31")
    bars.iloc[100 : 101 + count] = dead(1, 7.0).to_numpy()
    said = [text for one in check_stale(make_table(bars)) for text in one.detail]
    assert sum("the whole bar" in text for text in said) == (count if count >= 5 else 0)


def test_a_fund_that_keeps_its_price_and_is_not_traded_is_not_accused() -> None:
    assert not any(len(one.rows) for one in check_stale(make_table(dead(600, 0.0, 1.0))))
