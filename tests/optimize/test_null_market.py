"A null market has the traits of the real one, and nothing to find."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.optimize.null_market import autocorrelation, fit_memory, mirror_bars, null_bars, portrait, toss

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]


def log_moves(bars: pd.DataFrame) -> np.ndarray:
    return np.diff(np.log(bars["close"].to_numpy()))


@pytest.mark.slow
def test_memory_as_statsmodels_finds_it(spx: pd.DataFrame, aapl: pd.DataFrame) -> None:
    from statsmodels.regression.linear_model import yule_walker
    from statsmodels.tsa.stattools import acf

    for bars in (spx, aapl):
        moves = log_moves(bars)
        assert np.allclose(autocorrelation(moves, 10), acf(moves, nlags=10, fft=False), atol=1e-13)
        for lags in (1, 2, 5):
            assert np.allclose(
                fit_memory(moves, lags),
                yule_walker(moves, order=lags, method="mle", result_object=False)[0],
                atol=1e-11,
            )


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), lags=st.integers(0, 6), drift=st.booleans())
def test_what_every_null_market_keeps(market: Market, seed: int, lags: int, drift: bool) -> None:
    bars = market(seed % 50, 120)
    null = null_bars(bars, seed, lags, drift)
    at.check_bars(null)
    assert null.index.equals(bars.index) and null["volume"].equals(bars["volume"])
    assert list(null.columns) == list(bars.columns)
    real, made = log_moves(bars), log_moves(null)
    assert made.std() == pytest.approx(real.std(), rel=1e-9)
    assert made.sum() == pytest.approx(real.sum() if drift else 0.0, abs=1e-9)
    assert (null["high"] >= null[["open", "close"]].max(axis=1)).all()
    assert (null["low"] <= null[["open", "close"]].min(axis=1)).all()
    gap = np.log(bars["open"].to_numpy()[1:] / bars["close"].to_numpy()[:-1])
    made_gap = np.log(null["open"].to_numpy()[1:] / null["close"].to_numpy()[:-1])
    assert np.allclose(np.abs(gap), np.abs(made_gap), atol=1e-12)
    assert null.equals(null_bars(bars, seed, lags, drift))


def test_heads_give_the_real_market_back(spx: pd.DataFrame) -> None:
    moves = log_moves(spx)
    again = mirror_bars(spx, toss(moves, np.ones(len(moves)), 5, True), np.ones(len(moves)))
    # Highs and lows too, but for the bars whose extremes lie inside their open and close
    assert np.allclose(again[["open", "close"]], spx[["open", "close"]], rtol=1e-9)
    sound = (spx["high"] >= spx[["open", "close"]].max(axis=1)) & (
        spx["low"] <= spx[["open", "close"]].min(axis=1)
    )
    assert sound.mean() > 0.95 and np.allclose(
        again[sound][["high", "low"]], spx[sound][["high", "low"]], rtol=1e-9
    )


def test_the_traits_of_the_index(spx: pd.DataFrame) -> None:
    many = pd.DataFrame({seed: portrait(null_bars(spx, seed)) for seed in range(40)})
    away, error = many.mean(axis=1) - portrait(spx), many.std(axis=1) / 40**0.5
    memory = [name for name in many.index if "autocorrelation" in name]
    assert (away[memory].abs() < 0.02).all() and (error[memory] < 0.01).all()
    assert away["volatility, % a year"] == pytest.approx(0, abs=1e-9)


def test_memory_that_is_strong_is_kept_and_none_is_made() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, 4000)
    strong = np.zeros(4000)
    for bar in range(1, 4000):
        strong[bar] = 0.4 * strong[bar - 1] + noise[bar]
    for moves, want in ((strong, 0.4), (noise, 0.0)):
        coins = rng.choice([-1.0, 1.0], len(moves))
        assert autocorrelation(toss(moves, coins, 5, True), 1)[1] == pytest.approx(want, abs=0.05)
    assert abs(autocorrelation(toss(strong, rng.choice([-1.0, 1.0], 4000), 0, True), 1)[1]) < 0.05


def test_symbols_fall_together() -> None:
    bars = at.load(["AAPL", "IBM", "GOOG"], start="2003-01-01")
    null = null_bars(bars, 5)
    assert null.index.equals(bars.index)

    def correlations(table: pd.DataFrame) -> np.ndarray:
        return np.log(table["close"].unstack(0)).diff().dropna().corr().to_numpy()

    assert np.allclose(correlations(null), correlations(bars), atol=0.02)
    at.check_bars(null.loc["GOOG"])


def test_a_flat_market_stays_flat_and_closes_are_enough(market: Market) -> None:
    bars = market(1, 60)
    flat = bars.assign(open=5.0, high=5.0, low=5.0, close=5.0)
    assert null_bars(flat, 1).equals(flat)
    closes = null_bars(bars[["close"]], 3)
    assert list(closes) == ["close"] and np.allclose(closes["close"], null_bars(bars, 3)["close"])


def test_what_it_refuses(market: Market, refusal: Refusal) -> None:
    bars = market(1, 60)
    assert "needs at least 35 bars, got 30" in refusal(at.BarsError, null_bars, bars.iloc[:30])
    assert "the price is -1 on 2015-01-05" in refusal(at.BarsError, null_bars, bars.assign(low=-1.0))
    for lags in (-1, 2.5, True):
        assert "lags must be a whole number" in refusal(ValueError, null_bars, bars, 0, lags)
    hole = bars.copy()
    hole.iloc[3, 3] = np.nan
    assert "close is nan" in refusal(at.BarsError, null_bars, hole)
    long = pd.concat({"A": bars, "B": bars.iloc[:20]}, names=["symbol", "time"])
    assert refusal(at.BarsError, null_bars, long).startswith("B: a null market needs")


def test_a_mirrored_bar_on_paper() -> None:
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03"], name="time")
    prices = {"open": [100.0, 105.0], "high": [100.0, 112.2], "low": [100.0, 103.0], "close": [100.0, 110.0]}
    made = mirror_bars(pd.DataFrame(prices, days), -np.log([1.1]), np.array([-1.0])).iloc[1]
    # Opened 5 % up, closed 10 % up, 2 % above the close, a factor of 105/103 below the open
    assert made["open"] == pytest.approx(100 / 1.05) and made["close"] == pytest.approx(100 / 1.1)
    assert made["high"] == pytest.approx(100 / 1.05 * 105 / 103) and made["low"] == pytest.approx(
        100 / 1.1 / 1.02
    )
