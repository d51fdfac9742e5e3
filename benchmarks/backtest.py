"""What the fast engine needs: warm calls, its bare loops, many symbols, a new process, and memory.

    python benchmarks/backtest.py        measure and write benchmarks/backtest.json

Ours alone; benchmarks/peers.py sets it beside other engines. Each figure is the median of the rounds, with the least
beside it, since other work on the machine slows only the median; the load at the start and the end tells how quiet it
was. The equity of each plain call is compared with the full loop's before anything is timed. `cold` is a new process
from `import` to the first equity; `cold, empty cache` the same with nothing compiled yet.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import alphatwin as at
from alphatwin.backtest.market import locked
from alphatwin.backtest.plain import run_one

ROUNDS = 15
COLD = "import alphatwin as at; b = at.load('SPX'); at.backtest(b, at.sma_cross(b, 20, 100), fees=0.001).equity.iloc[-1]"
MEMORY = """
import re, sys
import numpy as np, pandas as pd, alphatwin as at
def highest():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
def frames(length, symbols):
    time = pd.bdate_range("1990-01-01", periods=length)
    rng = np.random.default_rng(0)
    close = 50 * np.exp(0.01 * rng.normal(size=(length, symbols)).cumsum(axis=0))
    return (pd.DataFrame(values, time, copy=False) for values in (close, np.full(close.shape, 0.9 / symbols)))
few, goal = frames(50, 3)
same = {"fees": 0.001, "fill": "next_close", "rebalance": "every_bar"}
at.backtest({"close": few}, goal, **same)
close, goal = frames(5000, 500)
before = highest()
result = at.backtest({"close": close}, goal, **same)
result.equity, result.shares
print(highest() - before, 2 * close.to_numpy().nbytes / 2**20)
"""


def timed(call: Callable[[], Any], rounds: int = ROUNDS) -> dict[str, float]:
    call()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"median_ms": round(1e3 * statistics.median(seconds), 4), "least_ms": round(1e3 * min(seconds), 4)}


def random_panel(length: int, symbols: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    "Closes and weights as row-by-row tables."
    rng = np.random.default_rng(7)
    days = pd.DatetimeIndex(pd.bdate_range("1985-01-01", periods=length), name="time", freq=None)
    close = 50 * np.exp(0.01 * rng.normal(size=(length, symbols)).cumsum(axis=0))
    weights = 1 + 0.5 * rng.random((length, symbols))
    weights *= 0.9 / weights.sum(axis=1, keepdims=True)
    names = pd.Index([f"S{number:03}" for number in range(symbols)], name="symbol")
    return pd.DataFrame(close, days, names, copy=False), pd.DataFrame(weights, days, names, copy=False)


def one_symbol() -> dict[str, Any]:
    bars = at.load("SPX")
    target = at.sma_cross(bars, 20, 100)
    plain, full = (
        at.backtest(bars, target, fees=0.001),
        at.backtest(bars, target, fees=0.001, interest=1e-300),
    )
    np.testing.assert_allclose(plain.equity, full.equity, rtol=1e-11)
    arrays = [locked(values.to_numpy()) for values in (bars["open"], bars["close"], target)]
    count, never = len(bars), np.empty(0, dtype="bool")
    equity, steps, terms = np.empty(count), np.empty((count + 1, 4)), (1e5, 0.001, 0.001, 1.0)
    loop = timed(lambda: run_one(*arrays, never, terms, 1, equity, steps), 200)
    return {
        "one symbol, 5,031 bars": timed(lambda: at.backtest(bars, target, fees=0.001), 100),
        "its loop alone": loop | {"least_ns_a_bar": round(1e6 * loop["least_ms"] / count, 3)},
        "with a stop": timed(lambda: at.backtest(bars, target, fees=0.001, stop_loss=0.1), 50),
        "with its tables": timed(lambda: at.backtest(bars, target, fees=0.001).summary(), 20),
    }


def minutes(length: int = 2_000_000) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0004, length)))
    clock = pd.date_range("2015-01-05", periods=length, freq="min", tz="UTC", name="time")
    bars = pd.DataFrame({name: close for name in ("open", "high", "low", "close")} | {"volume": 1.0}, clock)
    target = at.sma_cross(bars, 20, 100)
    return {"2,000,000 minute bars": timed(lambda: at.backtest(bars, target, fees=0.001))}


def panels() -> dict[str, Any]:
    found = {}
    for symbols, length in ((20, 8_313), (500, 5_000)):
        close, weights = random_panel(length, symbols)
        same: dict[str, Any] = {"fees": 0.001, "fill": "next_close", "rebalance": "every_bar"}
        plain = at.backtest({"close": close}, weights, **same)
        full = at.backtest({"close": close}, weights, **same, interest=1e-300)
        np.testing.assert_allclose(plain.equity, full.equity, rtol=1e-10)
        name = f"{symbols} x {length:,}, every bar"
        found[name] = timed(lambda: at.backtest({"close": close}, weights, **same))  # noqa: B023
    return found


def cold() -> dict[str, Any]:
    def process(cache: str | None) -> float:
        start = time.perf_counter()
        environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
        subprocess.run([sys.executable, "-c", COLD], check=True, env=environment)
        return time.perf_counter() - start

    process(None)
    warm = [process(None) for _ in range(7)]
    empty = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            empty.append(process(folder))
    return {
        "cold_s": {"median": round(statistics.median(warm), 3), "least": round(min(warm), 3)},
        "cold, empty cache_s": {"median": round(statistics.median(empty), 3), "least": round(min(empty), 3)},
    }


def memory() -> dict[str, Any]:
    run = subprocess.run([sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True)
    used, given = map(float, run.stdout.split())
    return {
        "500 x 5,000, MiB": {
            "input": round(given, 1),
            "added": round(used, 1),
            "ratio": round(used / given, 2),
        }
    }


def main() -> None:
    start = os.getloadavg()[0]
    figures = one_symbol() | minutes() | panels() | cold() | memory()
    figures["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    figures["load"] = [round(start, 2), round(os.getloadavg()[0], 2)]
    figures["peak_MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    Path(__file__).with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
