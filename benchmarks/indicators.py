"""Twenty-five indicators on 500 symbols x 5,000 bars: alphatwin on whole panels, TA-Lib in a loop over columns.

    python benchmarks/indicators.py              measure and write benchmarks/indicators.json
    python benchmarks/indicators.py --rows 200   the same on 500 x 200, printed and not written

Bars are drawn from a seed. Prices are one wide table (time x symbol), bars one long table (symbol, time), and
ours gives tables back. Every value is asserted equal to TA-Lib's within 1e-8 before any time is taken.

What favours TA-Lib: it is handed each column as an array that was laid out for it beforehand, and its answers
stay a list of arrays. `talib_tables` is the loop of somebody who has tables and wants tables.
`memory` is the least that any way of computing can need on one core: one numpy copy for each table of
answers, into new memory as ours are, and one sum over each further table of inputs.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import talib as ta

from alphatwin.signals.indicators import ema, sma, wma
from alphatwin.signals.oscillators import aroon, cci, macd, momentum, roc, rsi, stochastic, williams_r
from alphatwin.signals.ranges import atr, bollinger, directional, donchian, true_range
from alphatwin.signals.volume import mfi, obv

SYMBOLS = 500
ROUNDS = 7
Call = Callable[[], Any]


def make_market(rows: int) -> dict[str, np.ndarray]:
    "Draw bars: rows x symbols, by name."
    rng = np.random.default_rng(20_261_122)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (rows, SYMBOLS)), axis=0))
    opened = close * np.exp(rng.normal(0, 0.003, close.shape))
    high = np.maximum(opened, close) * (1 + 0.003 * rng.random(close.shape))
    low = np.minimum(opened, close) * (1 - 0.003 * rng.random(close.shape))
    volume = rng.integers(1_000, 1_000_000, close.shape).astype("float64")
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def make_pairs(
    market: dict[str, np.ndarray],
) -> dict[str, tuple[Call, Callable[..., Any], tuple[str, ...], int]]:
    "Name: ours, TA-Lib on the columns of one symbol, the columns, how many indicators that is."
    rows = len(market["close"])
    times = pd.date_range("2000-01-03", periods=rows, freq="B", name="time")
    names = [f"S{number:03d}" for number in range(SYMBOLS)]
    wide = pd.DataFrame(market["close"], index=times, columns=names, copy=False)
    index = pd.MultiIndex.from_product([names, times], names=["symbol", "time"])
    long = pd.DataFrame({name: values.T.ravel() for name, values in market.items()}, index=index)
    c, cv, hl = ("close",), ("close", "volume"), ("high", "low")
    hlc, hlcv = (*hl, "close"), (*hl, "close", "volume")
    return {
        "SMA": (lambda: sma(wide, 20), lambda x: ta.SMA(x, 20), c, 1),
        "EMA": (lambda: ema(wide, 20), lambda x: ta.EMA(x, 20), c, 1),
        "WMA": (lambda: wma(wide, 20), lambda x: ta.WMA(x, 20), c, 1),
        "RSI": (lambda: rsi(wide, 14), lambda x: ta.RSI(x, 14), c, 1),
        "MACD": (lambda: macd(wide), lambda x: ta.MACD(x, 12, 26, 9), c, 1),
        "BBANDS": (lambda: bollinger(wide), lambda x: ta.BBANDS(x, 20, 2.0, 2.0)[::-1], c, 1),
        "ROC": (lambda: roc(wide, 10), lambda x: ta.ROC(x, 10), c, 1),
        "MOM": (lambda: momentum(wide, 10), lambda x: ta.MOM(x, 10), c, 1),
        "TRANGE": (lambda: true_range(long), lambda h, lo, x: ta.TRANGE(h, lo, x), hlc, 1),
        "ATR": (lambda: atr(long), lambda h, lo, x: ta.ATR(h, lo, x, 14), hlc, 1),
        "PLUS_DI, MINUS_DI, ADX": (
            lambda: directional(long),
            lambda *b: (ta.PLUS_DI(*b, 14), ta.MINUS_DI(*b, 14), ta.ADX(*b, 14)),
            hlc,
            3,
        ),
        "STOCH": (lambda: stochastic(long), lambda *b: ta.STOCH(*b, 14, 3, 0, 3, 0), hlc, 1),
        "WILLR": (lambda: williams_r(long), lambda *b: ta.WILLR(*b, 14), hlc, 1),
        "CCI": (lambda: cci(long), lambda *b: ta.CCI(*b, 20), hlc, 1),
        "AROON, AROONOSC": (
            lambda: aroon(long),
            lambda *b: (*ta.AROON(*b, 25)[::-1], ta.AROONOSC(*b, 25)),
            hl,
            2,
        ),
        "MIN, MIDPRICE, MAX": (
            lambda: donchian(long),
            lambda h, lo: (ta.MIN(lo, 20), ta.MIDPRICE(h, lo, 20), ta.MAX(h, 20)),
            hl,
            3,
        ),
        "OBV": (lambda: obv(long), lambda *b: ta.OBV(*b), cv, 1),
        "MFI": (lambda: mfi(long), lambda *b: ta.MFI(*b, 14), hlcv, 1),
        "SMA 200": (lambda: sma(wide, 200), lambda x: ta.SMA(x, 200), c, 1),
        "EMA 200": (lambda: ema(wide, 200), lambda x: ta.EMA(x, 200), c, 1),
    }


def assert_equal(name: str, ours: Any, peers: list[Any], rows: int) -> None:
    "Compare all values of all symbols."
    several = isinstance(peers[0], tuple)
    for place in range(len(peers[0]) if several else 1):
        table = np.array([one[place] if several else one for one in peers])  # symbols x rows
        if not isinstance(ours.index, pd.MultiIndex):
            values = ours.to_numpy()[:, place * SYMBOLS : (place + 1) * SYMBOLS].T
        else:
            flat = ours.to_numpy() if isinstance(ours, pd.Series) else ours.iloc[:, place].to_numpy()
            values = flat.reshape(SYMBOLS, rows)
        np.testing.assert_allclose(values, table, rtol=1e-8, atol=1e-9, err_msg=name)


def seconds(call: Call) -> float:
    "Time one call; what it returns is thrown away inside."
    start = time.perf_counter()
    answer = call()
    taken = time.perf_counter() - start
    del answer
    return taken


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000, help="bars of each of the 500 symbols")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wanted = parser.parse_args()
    market = make_market(wanted.rows)
    columns = {name: list(np.ascontiguousarray(values.T)) for name, values in market.items()}
    frames = {name: pd.DataFrame(values, copy=False) for name, values in market.items()}
    source = market["close"]
    pairs, table, busy = make_pairs(market), {}, [os.getloadavg()[0]]
    for name, (ours, peer, fields, count) in pairs.items():
        lists = [columns[field] for field in fields]

        def loop(lists: Any = lists, peer: Any = peer) -> list[Any]:
            return [peer(*arrays) for arrays in zip(*lists, strict=True)]

        def tables(fields: Any = fields, peer: Any = peer) -> pd.DataFrame:
            found = {
                symbol: peer(*(frames[field][symbol].to_numpy() for field in fields))
                for symbol in range(SYMBOLS)
            }
            if isinstance(found[0], tuple):
                found = {(k, s): v for s, many in found.items() for k, v in enumerate(many)}
            return pd.DataFrame(found)

        answer, peers = ours(), loop()
        assert_equal(name, answer, peers, wanted.rows)
        outputs = answer.size // (SYMBOLS * wanted.rows)
        more = max(len(fields) - outputs, 0)

        def memory(outputs: int = outputs, more: int = more) -> list[Any]:
            return [*(source.copy() for _ in range(outputs)), *(source.sum() for _ in range(more))]

        calls: dict[str, Call] = {"ours": ours, "talib": loop, "talib_tables": tables, "memory": memory}
        times: dict[str, list[float]] = {key: [] for key in calls}
        for _ in range(wanted.rounds):
            for key, call in calls.items():
                times[key].append(seconds(call))
        middle = {key: statistics.median(values) for key, values in times.items()}
        busy.append(os.getloadavg()[0])
        table[name] = {
            "indicators": count,
            **{f"{key}_ms": round(1e3 * value, 2) for key, value in middle.items()},
            "talib_over_ours": round(middle["talib"] / middle["ours"], 2),
            "tables_over_ours": round(middle["talib_tables"] / middle["ours"], 2),
            "ours_over_memory": round(middle["ours"] / middle["memory"], 2),
        }
        print(name, table[name], flush=True)
    total = {
        key: round(sum(row[f"{key}_ms"] for row in table.values()), 1)
        for key in ("ours", "talib", "talib_tables", "memory")
    }
    result = {
        "symbols": SYMBOLS,
        "rows": wanted.rows,
        "indicators": sum(row["indicators"] for row in table.values()),
        "by_indicator": table,
        "total_ms": total,
        "talib_over_ours": round(total["talib"] / total["ours"], 2),
        "tables_over_ours": round(total["talib_tables"] / total["ours"], 2),
        "ours_over_memory": round(total["ours"] / total["memory"], 2),
        "bar": "5 x TA-Lib in a loop, or the memory limit",
        "rounds": wanted.rounds,
        "load_average": [round(min(busy), 2), round(max(busy), 2)],
        "machine": f"{os.cpu_count()} cores, {processor()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("numba", "numpy", "pandas", "TA-Lib")},
    }
    print(json.dumps({key: value for key, value in result.items() if key != "by_indicator"}, indent=1))
    if wanted.rows == 5_000:
        Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
