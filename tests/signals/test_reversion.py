"Reversion rules against loops written from the books' words, and the turn of the month against the exchange."

from collections.abc import Callable
from statistics import fmean, pstdev

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
import talib

import alphatwin as at
from alphatwin.signals.reversion import bollinger_reversion, rsi_reversion, turn_of_the_month

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]


def by_the_book(bars: pd.DataFrame, window: int, below: float, leave: int, trend: int | None) -> list[float]:
    close = bars["close"].tolist()
    index = talib.RSI(bars["close"].to_numpy(), window)
    held, out = False, []
    for t in range(len(close)):
        last = close[max(0, t - leave + 1) : t + 1]
        if len(last) == leave and close[t] - fmean(last) > 1e-9:
            held = False
        elif index[t] < below:
            filtered = trend is not None and not (
                t + 1 >= trend and close[t] - fmean(close[t - trend + 1 : t + 1]) > 1e-9
            )
            held = held or not filtered
        out.append(float(held))
    return out


@pytest.mark.parametrize(
    ("window", "below", "leave", "trend"), [(2, 10.0, 5, 200), (3, 30.0, 2, 20), (2, 25.0, 5, None)]
)
@pytest.mark.parametrize("symbol", ["SPX", "MSFT"])
def test_rsi_by_the_book(symbol: str, window: int, below: float, leave: int, trend: int | None) -> None:
    bars = at.load(symbol).iloc[:1500]
    target = rsi_reversion(bars, window, below, leave, trend)
    assert target.tolist() == by_the_book(bars, window, below, leave, trend)
    assert 0.02 < target.mean() < 0.5


def test_an_rsi_on_the_threshold_is_no_panic() -> None:
    time = pd.bdate_range("2024-01-01", periods=4, name="time")
    bars = pd.DataFrame({"close": [10.0, 12, 16, 14]}, index=time)  # ends with an RSI of 60
    assert not rsi_reversion(bars, 2, below=60, leave=2, trend=4).any()
    assert rsi_reversion(bars, 2, below=60.001, leave=2, trend=4).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(("window", "width"), [(20, 2.0), (5, 1.0), (10, 1.5)])
@pytest.mark.parametrize("seed", range(4))
def test_bollinger_written_out(seed: int, window: int, width: float, short: bool, market: Market) -> None:
    bars = market(seed, 300)
    close, side, out = bars["close"].tolist(), 0, []
    for t in range(len(close)):
        if t + 1 >= window:
            last = close[t - window + 1 : t + 1]
            middle, half = fmean(last), width * pstdev(last)
            if (side == 1 and close[t] >= middle) or (side == -1 and close[t] <= middle):
                side = 0
            if close[t] < middle - half:
                side = 1
            elif short and close[t] > middle + half:
                side = -1
        out.append(float(side))
    assert bollinger_reversion(bars, window, width, short).tolist() == out
    assert set(out) == ({-1, 0, 1} if short else {0, 1})


@pytest.mark.slow
@pytest.mark.parametrize(("last", "first"), [(1, 3), (2, 1), (5, 5)])
@pytest.mark.parametrize(("name", "symbol"), [("XNYS", "SPX"), ("XETR", "SPX")])
def test_the_turn_of_the_month_as_the_exchange_has_it(name: str, symbol: str, last: int, first: int) -> None:
    bars = at.load(symbol).iloc[:600]
    calendar = exchange_calendars.get_calendar(name, start="1998-12-01", end="2001-12-31")
    months: dict[str, list[pd.Timestamp]] = {}
    for session in calendar.sessions:
        months.setdefault(f"{session:%Y-%m}", []).append(session)
    window = {day for days in months.values() for day in [*days[:first], *days[-last:]]}
    expected = [float(min(s for s in calendar.sessions if s > day) in window) for day in bars.index]
    assert turn_of_the_month(bars, name, last, first).tolist() == expected


def test_the_turn_asks_the_timetable_and_not_the_bars(spx: pd.DataFrame) -> None:
    whole = turn_of_the_month(spx)
    some = spx.iloc[np.random.default_rng(5).permutation(len(spx))[:500]].sort_index()
    assert turn_of_the_month(some).equals(whole[some.index])
    assert 0.15 < whole.mean() < 0.25
    # The last bar of a year decides for the next year.
    assert turn_of_the_month(spx[:"2004-12-31"]).iloc[-1] == 1


def test_a_bar_on_a_holiday_waits_for_the_next_session() -> None:
    bars = pd.DataFrame(index=pd.DatetimeIndex(["2023-12-30", "2024-01-01", "2024-01-06"], name="time"))
    assert turn_of_the_month(bars).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("rule", "params", "words"),
    [
        (rsi_reversion, {"window": 0}, "window must be a whole number"),
        (rsi_reversion, {"leave": "5"}, "leave must be a whole number"),
        (rsi_reversion, {"trend": 0}, "trend must be a whole number"),
        (rsi_reversion, {"below": 101}, "below must be a number above 0 and at most 100, got 101"),
        (bollinger_reversion, {"window": 2.0}, "window must be a whole number"),
        (bollinger_reversion, {"width": 0}, "width must be a number above 0, got 0"),
        (bollinger_reversion, {"width": True}, "width must be a number above 0, got True"),
        (turn_of_the_month, {"last": 0}, "last must be a whole number"),
        (turn_of_the_month, {"first": -3}, "first must be a whole number"),
        (turn_of_the_month, {"calendar": "MOON"}, "no calendar 'MOON'"),
    ],
)
def test_parameters_that_are_refused(
    rule: Callable[..., pd.Series],
    params: dict[str, object],
    words: str,
    market: Market,
    refusal: Refusal,
) -> None:
    assert words in refusal(ValueError, rule, market(1), **params)


def test_hours_have_no_turn_of_the_month(market: Market, refusal: Refusal) -> None:
    assert "needs daily bars" in refusal(at.BarsError, turn_of_the_month, market(1, 50, tz="UTC"))
