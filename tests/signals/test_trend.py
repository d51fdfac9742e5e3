"Trend rules against loops written from the books' words."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from alphatwin.signals.trend import (
    donchian_breakout,
    faber_timing,
    hold,
    macd_cross,
    month_ends,
    time_series_momentum,
    until_next,
)

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]


def latch(enter: list[bool], leave: list[bool]) -> list[float]:
    "A switch: in until out."
    state, out = 0.0, []
    for wants_in, wants_out in zip(enter, leave, strict=True):
        if wants_out:
            state = 0.0
        elif wants_in:
            state = 1.0
        out.append(state)
    return out


def ends_of_months(bars: pd.DataFrame) -> tuple[list[float], list[int]]:
    "The last close of each month that is over, and how many are over at each bar."
    ends: list[float] = []
    over = []
    for place, time in enumerate(bars.index):
        before = bars.index[place - 1]
        if place and (time.year, time.month) != (before.year, before.month):
            ends.append(float(bars["close"].iloc[place - 1]))
        over.append(len(ends))
    return ends, over


@given(said=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_holding_is_a_switch(said: list[tuple[bool, bool]]) -> None:
    enter, leave = [one for one, _ in said], [other for _, other in said]
    got = hold(pd.Series(enter, dtype=bool), pd.Series(leave, dtype=bool))
    assert got.tolist() == latch(enter, leave) and got.dtype == "float64"


def test_what_hold_refuses(refusal: Refusal) -> None:
    yes = pd.Series([True, False])
    assert "enter must be a Series of True and False" in refusal(ValueError, hold, yes.astype(float), yes)
    assert "leave must be" in refusal(ValueError, hold, yes, [True, False])
    assert "other bars: 2 and 1" in refusal(ValueError, hold, yes, yes[:1])


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(("entry", "leave"), [(1, 1), (5, 2), (20, 10), (20, 20)])
@pytest.mark.parametrize("seed", range(5))
def test_breakout_as_the_turtles_did_it(
    seed: int, entry: int, leave: int, short: bool, market: Market
) -> None:
    bars = market(seed, 200)
    side, out = 0, []
    for t in range(len(bars)):
        close = bars["close"].iloc[t]
        if t >= leave:
            if side == 1 and close < bars["low"].iloc[t - leave : t].min():
                side = 0
            if side == -1 and close > bars["high"].iloc[t - leave : t].max():
                side = 0
        if t >= entry and side == 0:
            if close > bars["high"].iloc[t - entry : t].max():
                side = 1
            elif short and close < bars["low"].iloc[t - entry : t].min():
                side = -1
        out.append(float(side))
    assert donchian_breakout(bars, entry, leave, short=short).tolist() == out
    assert len(set(out)) == (3 if short else 2)


def test_a_close_on_the_edge_of_the_channel_breaks_nothing(market: Market) -> None:
    bars = market(0, 6)
    bars[["high", "low", "close"]] = np.array(
        [[12.0, 10, 11], [12, 10, 12], [13, 11, 13], [13, 11, 11], [13, 9, 10], [13, 9, 9]]
    )
    # highest of one before: 12, 12, 13, 13, 13; lowest of one before: 10, 10, 11, 11, 9
    assert donchian_breakout(bars, 1, 1).tolist() == [0, 0, 1, 1, 0, 0]
    assert donchian_breakout(bars, 1, 1, short=True).tolist() == [0, 0, 1, 1, -1, -1]


@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (3, 10, 5)])
def test_macd_as_talib_sees_it(fast: int, slow: int, signal: int, spx: pd.DataFrame) -> None:
    # TA-Lib begins its short average later than ours, which is forgotten after some hundred bars.
    peer = talib.MACD(spx["close"].to_numpy(), fast, slow, signal)[2]
    clear = np.abs(np.nan_to_num(peer)) > 1e-6
    clear[: 20 * slow] = False
    assert clear.sum() > 4000
    target = macd_cross(spx, fast, slow, signal)
    assert (target.to_numpy()[clear] == (peer[clear] > 0)).all()
    assert not target.iloc[: slow + signal - 2].any()


def test_macd_written_out(market: Market) -> None:
    def average(values: list[float], window: int) -> list[float]:
        out = [sum(values[:window]) / window]
        for value in values[window:]:
            out.append(out[-1] + 2 / (window + 1) * (value - out[-1]))
        return out

    bars = market(3, 120)
    close = bars["close"].tolist()
    short, long = average(close, 4), average(close, 9)
    line = [a - b for a, b in zip(short[5:], long, strict=True)]
    signal = average(line, 3)
    expected = [0.0] * 10 + [float(a > b) for a, b in zip(line[2:], signal, strict=True)]
    assert macd_cross(bars, 4, 9, 3).tolist() == expected


def test_months_as_pandas_groups_them(spx: pd.DataFrame) -> None:
    first, ends = month_ends(spx["close"])
    last = spx["close"].groupby(spx.index.to_period("M")).last()
    assert ends.tolist() == last.iloc[:-1].tolist()
    assert [spx.index[row].to_period("M") for row in first] == last.index[1:].tolist()
    assert ends.index.equals(spx.index[first])


def test_months_of_hours_are_those_of_utc(market: Market) -> None:
    bars = market(1, 24 * 40, tz="UTC")
    first, ends = month_ends(bars["close"])
    assert str(bars.index[first[0]]) == "2015-02-01 00:00:00+00:00"
    assert ends.iloc[0] == bars["close"]["2015-01-31 23:00:00+00:00"]


def test_no_month_is_over(market: Market) -> None:
    bars = market(1, 5)
    first, ends = month_ends(bars[["close"]])
    assert not len(first) and ends.shape == (0, 1)
    assert not faber_timing(bars, months=1).any() and not time_series_momentum(bars, months=1).any()


def test_a_decision_holds_until_the_next() -> None:
    assert until_next(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 3]), 4).tolist() == [
        [0, 0],
        [1, 2],
        [1, 2],
        [3, 4],
    ]
    assert until_next(np.zeros(0), np.zeros(0, dtype=int), 2).tolist() == [0, 0]


@pytest.mark.parametrize("months", [1, 3, 10])
def test_faber_written_out(months: int, spx: pd.DataFrame) -> None:
    ends, over = ends_of_months(spx)
    expected = [0.0] * len(spx)
    for place, known in enumerate(over):
        if known >= months:
            last = ends[known - months : known]
            expected[place] = float(ends[known - 1] - sum(last) / months > 1e-9)
    target = faber_timing(spx, months)
    assert target.tolist() == expected
    assert faber_timing(spx.round(2), months, tick=0.01).tolist() == expected


def test_faber_decides_a_tie_exactly_where_the_tick_is_known() -> None:
    days = pd.bdate_range("2020-01-31", periods=12, freq="BME", name="time").append(
        pd.DatetimeIndex(["2021-02-01"])
    )
    rng = np.random.default_rng(0)
    for _ in range(300):
        cents = rng.integers(900, 1100, 9)
        if cents.sum() % 9:
            continue
        closes = np.r_[1.0, 1.0, cents, cents.sum() // 9, 7.0] / 100  # The last equals the average of the ten
        bars = pd.DataFrame({"close": closes}, index=days)
        assert faber_timing(bars, 10, tick=0.01).iloc[-1] == 0


@pytest.mark.parametrize(("months", "hurdle", "short"), [(12, 0.0, True), (3, 0.02, True), (12, 0.05, False)])
def test_time_series_momentum_written_out(months: int, hurdle: float, short: bool, spx: pd.DataFrame) -> None:
    ends, over = ends_of_months(spx)
    expected = [0.0] * len(spx)
    for place, known in enumerate(over):
        if known > months:
            move = ends[known - 1] / ends[known - 1 - months] - 1 - hurdle
            expected[place] = 1.0 if move > 0 else -1.0 if short else 0.0
    got = time_series_momentum(spx, months, hurdle, short)
    assert got.tolist() == expected and len(set(expected)) == 3 - (not short)


def test_momentum_of_prices_below_zero_follows_the_price() -> None:
    days = pd.date_range("2020-01-31", periods=6, freq="ME", name="time")
    bars = pd.DataFrame({"close": [5.0, -37.0, -10.0, -12.0, 3.0, 1.0]}, index=days)
    # known at each month: nothing, 5, then -37 (fell), -10 (rose), -12 (fell), 3 (rose)
    assert time_series_momentum(bars, months=1).tolist() == [0, 0, -1, 1, -1, 1]
    assert time_series_momentum(bars, months=1, hurdle=0.9).tolist() == [0, 0, -1, -1, -1, 1]


@pytest.mark.parametrize(
    ("rule", "params", "words"),
    [
        (donchian_breakout, {"entry": 0}, "entry must be a whole number"),
        (donchian_breakout, {"leave": 2.5}, "leave must be a whole number"),
        (donchian_breakout, {"entry": 5, "leave": 6}, "entry=5, leave=6"),
        (macd_cross, {"fast": 26, "slow": 26}, "fast=26, slow=26"),
        (macd_cross, {"signal": 0}, "signal must be a whole number"),
        (faber_timing, {"months": -1}, "months must be a whole number"),
        (faber_timing, {"tick": 0.0}, "tick"),
        (faber_timing, {"tick": 0.01, "months": 1}, "not a whole number of ticks"),
        (time_series_momentum, {"months": True}, "months must be a whole number"),
        (time_series_momentum, {"hurdle": -1.0}, "hurdle must be a number above -1, got -1.0"),
        (time_series_momentum, {"hurdle": float("nan")}, "hurdle must be a number"),
    ],
)
def test_parameters_that_are_refused(
    rule: Callable[..., pd.Series],
    params: dict[str, object],
    words: str,
    market: Market,
    refusal: Refusal,
) -> None:
    assert words in refusal(ValueError, rule, market(1, 300), **params)
