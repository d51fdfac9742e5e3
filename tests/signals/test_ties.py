"Crossings on prices in ticks: not one wrong bar against exact fractions."

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.signals.indicators import sma, to_ticks
from alphatwin.signals.ties import WAYS, compare_averages, tick_walk, wrong_bars

Refusal = Callable[..., str]
TICKS = [0.01, 0.05, 0.25, 0.001, 0.0001, 1 / 32, 1.0, 5.0]


@given(
    data=st.data(),
    ticks=st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    fast=st.integers(1, 9),
    slow=st.integers(1, 12),
)
def test_every_bar_against_fractions(data: st.DataObject, ticks: list[int], fast: int, slow: int) -> None:
    tick = data.draw(st.sampled_from(TICKS))
    prices = pd.Series(
        [number * tick for number in ticks]
    )  # As a feed writes them: not always the nearest number
    sign = compare_averages(prices, fast, slow, tick)
    above = sma(prices, fast, tick=tick) > sma(prices, slow, tick=tick)
    equal = sma(prices, fast, tick=tick) == sma(prices, slow, tick=tick)
    for bar in range(len(ticks)):
        if bar < max(fast, slow) - 1:
            assert np.isnan(sign[bar]) and not above[bar] and not equal[bar]
            continue
        one = Fraction(sum(ticks[bar - fast + 1 : bar + 1]), fast)
        other = Fraction(sum(ticks[bar - slow + 1 : bar + 1]), slow)
        assert sign[bar] == (one > other) - (one < other)
        assert above[bar] == (one > other) and equal[bar] == (one == other)


@pytest.mark.slow
@pytest.mark.parametrize(("fast", "slow"), [(2, 5), (20, 100)])
def test_two_million_bars(fast: int, slow: int) -> None:
    "No wrong bar of ours; the peers' are the reason why the tick is an argument."
    prices = tick_walk(2_000_000, seed=20_261_122)
    ticks = np.rint(prices.to_numpy() * 100).astype(np.int64)
    total = np.concatenate([[0], np.cumsum(ticks)])
    rows = np.arange(slow, len(ticks) + 1)
    gap = (total[rows] - total[rows - fast]) * slow - (total[rows] - total[rows - slow]) * fast
    above = (sma(prices, fast, tick=0.01) > sma(prices, slow, tick=0.01)).to_numpy()
    assert (above[slow - 1 :] == (gap > 0)).all() and not above[: slow - 1].any()
    assert (compare_averages(prices, fast, slow, 0.01).to_numpy()[slow - 1 :] == np.sign(gap)).all()
    assert (gap == 0).sum() > 500
    peers = {**WAYS, "TA-Lib": lambda p, n: pd.Series(talib.SMA(p.to_numpy(), n), index=p.index)}
    for name, way in peers.items():
        wrong = wrong_bars(prices, fast, slow, 0.01, way)
        assert 0 < wrong.sum() <= (gap == 0).sum(), name
        assert (gap[wrong.to_numpy()[slow - 1 :]] == 0).all(), f"{name} errs at ties and nowhere else"


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "MSFT", "GOOG", "FB"])
def test_real_closes_in_cents(symbol: str) -> None:
    closes = at.load(symbol)["close"].round(2)
    for fast, slow in [(1, 5), (2, 5), (5, 10), (10, 20), (50, 200)]:
        assert not wrong_bars(closes, fast, slow, 0.01, lambda p, n: sma(p, n, tick=0.01)).any()


def test_an_average_in_ticks_is_the_nearest_number() -> None:
    prices = tick_walk(300, seed=4)
    cents = [round(price * 100) for price in prices]
    got = sma(prices, 7, tick=0.01)
    for bar in range(6, 300):
        assert got[bar] == float(Fraction(sum(cents[bar - 6 : bar + 1]), 700))
    np.testing.assert_allclose(got, sma(prices, 7), rtol=1e-13)


def test_a_panel_in_ticks_is_its_columns() -> None:
    wide = pd.DataFrame({f"S{seed}": tick_walk(50, seed) for seed in range(5)})
    wide.iloc[:9, 3] = np.nan
    whole = sma(wide, 4, tick=0.01)
    for symbol in wide:
        pd.testing.assert_series_equal(whole[symbol], sma(wide[symbol], 4, tick=0.01))


@given(prices=st.lists(st.integers(1, 9_999), min_size=2, max_size=40), window=st.integers(1, 9))
def test_the_future_changes_nothing(prices: list[int], window: int) -> None:
    series = pd.Series(prices) / 100
    whole = sma(series, window, tick=0.01).to_numpy()
    for cut in range(1, len(prices)):
        assert sma(series.iloc[:cut], window, tick=0.01).to_numpy().tobytes() == whole[:cut].tobytes()


def test_comparing_starts_after_a_late_listing() -> None:
    prices = pd.Series([np.nan, np.nan, 1.0, 2.0, 3.0])
    assert compare_averages(prices, 1, 2, 0.01).tolist()[3:] == [1, 1]
    assert compare_averages(prices, 1, 2, 0.01).iloc[:3].isna().all()
    assert compare_averages(prices * np.nan, 1, 2, 0.01).isna().all()
    assert len(compare_averages(prices.iloc[:0], 1, 2, 0.01)) == 0


@pytest.mark.parametrize("tick", [0, -0.01, float("nan"), float("inf"), "0.01", True, None])
def test_ticks_that_are_refused(tick: object, refusal: Refusal) -> None:
    assert "tick must be a positive number" in refusal(ValueError, to_ticks, pd.Series([1.0]), tick)


def test_prices_that_are_refused(refusal: Refusal) -> None:
    between = pd.Series([1.00, 1.005, 1.01], index=pd.date_range("2024-01-01", periods=3))
    assert "price 1.005 at 2024-01-02" in refusal(ValueError, sma, between, 2, tick=0.01)
    wide = pd.DataFrame({"A": [1.0, 1.0], "B": [1.0, 1.0049]})
    assert "B: price 1.0049 at 1" in refusal(ValueError, sma, wide, 2, tick=0.01)
    assert "price at 1 is missing" in refusal(
        ValueError, compare_averages, pd.Series([1.0, np.nan, 1.0]), 1, 2, 0.01
    )
    assert "too many for exact sums" in refusal(ValueError, sma, pd.Series([9e9]), 200_000, tick=0.01)
    assert "price 1.00000002" in refusal(ValueError, sma, pd.Series([1.0, 1.00000002]), 2, tick=0.01)
    sma(pd.Series([1.0, 1.0 + 5e-9]), 2, tick=0.01)  # Half a millionth of a tick is how numbers are stored
