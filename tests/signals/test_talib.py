"Every indicator that TA-Lib has, against TA-Lib: on real markets and on random ones, warm-up included."

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib

import alphatwin as at
from alphatwin.signals.indicators import ema, sma, wma
from alphatwin.signals.oscillators import aroon, cci, macd, momentum, roc, rsi, stochastic, williams_r
from alphatwin.signals.ranges import atr, bollinger, directional, donchian, true_range
from alphatwin.signals.volume import mfi, obv

Market = Callable[..., pd.DataFrame]
Columns = dict[str, np.ndarray]


class Bars:
    "Columns of a table as TA-Lib wants them."

    def __init__(self, table: pd.DataFrame) -> None:
        self.o, self.h, self.l, self.c, self.v = (
            table[name].to_numpy() for name in ("open", "high", "low", "close", "volume")
        )


# name: (ours, TA-Lib's outputs in the order of ours, windows to try)
PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[tuple[int, ...]]]] = {
    "sma": (lambda b, n: sma(b["close"], n), lambda p, n: talib.SMA(p.c, n), [(2,), (20,), (200,)]),
    "ema": (lambda b, n: ema(b["close"], n), lambda p, n: talib.EMA(p.c, n), [(2,), (20,), (200,)]),
    "wma": (lambda b, n: wma(b["close"], n), lambda p, n: talib.WMA(p.c, n), [(2,), (9,), (100,)]),
    "rsi": (lambda b, n: rsi(b["close"], n), lambda p, n: talib.RSI(p.c, n), [(2,), (14,), (50,)]),
    "macd": (
        lambda b, f, s, n: macd(b["close"], f, s, n),
        lambda p, f, s, n: talib.MACD(p.c, f, s, n),
        [(12, 26, 9), (2, 3, 2), (5, 35, 5)],
    ),
    "bollinger": (
        lambda b, n, w: bollinger(b["close"], n, w),
        lambda p, n, w: talib.BBANDS(p.c, n, float(w), float(w))[::-1],
        [(20, 2), (5, 1), (60, 3)],
    ),
    "true_range": (lambda b: true_range(b), lambda p: talib.TRANGE(p.h, p.l, p.c), [()]),
    "atr": (lambda b, n: atr(b, n), lambda p, n: talib.ATR(p.h, p.l, p.c, n), [(2,), (14,), (50,)]),
    "directional": (
        lambda b, n: directional(b, n),
        lambda p, n: (
            talib.PLUS_DI(p.h, p.l, p.c, n),
            talib.MINUS_DI(p.h, p.l, p.c, n),
            talib.ADX(p.h, p.l, p.c, n),
        ),
        [(2,), (14,), (40,)],
    ),
    "stochastic": (
        lambda b, n, s, d: stochastic(b, n, s, d),
        lambda p, n, s, d: talib.STOCH(p.h, p.l, p.c, n, s, 0, d, 0),
        [(14, 3, 3), (5, 1, 3), (30, 4, 2)],
    ),
    "cci": (lambda b, n: cci(b, n), lambda p, n: talib.CCI(p.h, p.l, p.c, n), [(2,), (20,), (60,)]),
    "obv": (lambda b: obv(b), lambda p: talib.OBV(p.c, p.v), [()]),
    "williams_r": (
        lambda b, n: williams_r(b, n),
        lambda p, n: talib.WILLR(p.h, p.l, p.c, n),
        [(2,), (14,), (100,)],
    ),
    "mfi": (lambda b, n: mfi(b, n), lambda p, n: talib.MFI(p.h, p.l, p.c, p.v, n), [(2,), (14,), (50,)]),
    "roc": (lambda b, n: roc(b["close"], n), lambda p, n: talib.ROC(p.c, n), [(1,), (10,), (252,)]),
    "momentum": (lambda b, n: momentum(b["close"], n), lambda p, n: talib.MOM(p.c, n), [(1,), (10,), (252,)]),
    "aroon": (
        lambda b, n: aroon(b, n),
        lambda p, n: (*talib.AROON(p.h, p.l, n)[::-1], talib.AROONOSC(p.h, p.l, n)),
        [(2,), (25,), (100,)],
    ),
    "donchian": (
        lambda b, n: donchian(b, n),
        lambda p, n: (talib.MIN(p.l, n), talib.MIDPRICE(p.h, p.l, n), talib.MAX(p.h, n)),
        [(2,), (20,), (55,)],
    ),
}
CASES = [(name, window) for name, (_, _, windows) in PAIRS.items() for window in windows]
SYMBOLS = ["SPX", "SPX_LONG", "IXIC", "AAPL", "IBM", "MSFT", "GOOG", "FB"]
RANDOM = [(seed, length) for seed, length in enumerate([1, 2, 3, 20, 34, 60, 60, 500, 3_000])]


def agree(name: str, window: tuple[int, ...], bars: pd.DataFrame) -> None:
    ours, theirs, _ = PAIRS[name]
    got = ours(bars, *window)
    peers = theirs(Bars(bars), *window)
    columns = [got] if isinstance(got, pd.Series) else [got[one] for one in got.columns]
    peers = [peers] if isinstance(peers, np.ndarray) else list(peers)
    assert len(columns) == len(peers)
    for column, peer in zip(columns, peers, strict=True):
        assert column.index.equals(bars.index)
        value = column.to_numpy()
        assert (np.isnan(value) == np.isnan(peer)).all(), "the warm-up is as long as TA-Lib's"
        # Where an oscillator is exactly 0, TA-Lib's running sums leave some 1e-13: 1e-10 of 100 is allowed.
        slack = 1e-8 if name in ("stochastic", "macd", "cci", "mfi") else 0.0
        np.testing.assert_allclose(value, peer, rtol=1e-8, atol=slack * 1e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "window"), CASES)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_on_real_markets(name: str, window: tuple[int, ...], symbol: str) -> None:
    agree(name, window, at.load(symbol).sort_index())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "window"), CASES)
@pytest.mark.parametrize(("seed", "length"), RANDOM)
def test_on_random_markets(
    name: str, window: tuple[int, ...], seed: int, length: int, market: Market
) -> None:
    agree(name, window, market(seed, length))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "window"), CASES)
@pytest.mark.parametrize("seed", range(8))
def test_on_markets_in_whole_numbers(name: str, window: tuple[int, ...], seed: int, market: Market) -> None:
    "Prices of 9 to 13 and few volumes: full of equal prices, bars without a range and bars without a trade."
    rng = np.random.default_rng(seed)
    bars = market(seed, 300)
    body = rng.integers(10, 13, (300, 2)).astype("float64")
    bars["open"], bars["close"] = body.T
    bars["high"] = body.max(axis=1) + rng.integers(0, 2, 300)
    bars["low"] = body.min(axis=1) - rng.integers(0, 2, 300)
    bars["volume"] = rng.integers(0, 3, 300) * 100.0
    agree(name, window, bars)


def test_the_list_is_the_one_that_is_promised() -> None:
    "SMA EMA WMA RSI MACD BBANDS TRANGE ATR ADX DI STOCH CCI OBV WILLR MFI ROC MOM AROON and Donchian."
    assert len(PAIRS) == 18 and len(CASES) == 50
