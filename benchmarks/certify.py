"""What a certificate costs: 5,000 bars, the last 500 cuts, with the future gone and with another one.

    python benchmarks/certify.py             measure and write benchmarks/certify.json
    python benchmarks/certify.py --cuts 20   the same at the last 20 cuts, printed and not written

The bar is the 1,000 runs themselves plus at most 20 %. So both are timed on the same bars: `runs` calls the
strategy on 1,000 tables that were made just before (anew in each round, for an index remembers what it was asked),
`certificate` makes the tables, calls the strategy and compares every value of the past, and on top repeats the run
on all bars three times (the kept run, and one repetition before and after the cuts). Rounds alternate between the
two, and the medians are compared. Bars are the S&P 500's.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

import alphatwin as at
import alphatwin.signals as signals
from alphatwin.backtest.perturbation import Futures, changed, gone, other_bars

BARS, ROUNDS = 5_000, 7
STRATEGIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    name: getattr(signals, name)
    for name in (
        "buy_and_hold",
        "sma_cross",
        "ema_cross",
        "donchian_breakout",
        "macd_cross",
        "faber_timing",
        "time_series_momentum",
        "rsi_reversion",
        "bollinger_reversion",
        "turn_of_the_month",
        "volatility_target",
    )
}


def seconds(call: Callable[[], Any]) -> float:
    "Time one call."
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def run_all(rule: Callable[[pd.DataFrame], Any], tables: list[pd.DataFrame]) -> None:
    "The runs alone."
    for table in tables:
        rule(table)


def measure(name: str, bars: pd.DataFrame, cuts: range) -> dict[str, float | int]:
    "Time the runs and the certificate in turn."
    rule = STRATEGIES[name]
    futures = Futures(bars, other_bars(bars))
    proof = at.certify(rule, bars, cuts=cuts)
    assert proof.ok and proof.cuts == len(cuts), str(proof)
    runs, whole = [], []
    for _ in range(ROUNDS):
        tables = [table for cut in cuts for table in (gone(futures, cut), changed(futures, cut))]
        runs.append(seconds(partial(run_all, rule, tables)))
        whole.append(seconds(lambda: at.certify(rule, bars, cuts=cuts)))
    one, other = statistics.median(runs), statistics.median(whole)
    return {"runs": 2 * len(cuts), "runs_s": one, "certificate_s": other, "more": other / one - 1}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=500)
    count = parser.parse_args().cuts
    bars = at.load("SPX").iloc[:BARS]
    results = {}
    for name in STRATEGIES:
        results[name] = measure(name, bars, range(BARS - count, BARS))
        row = results[name]
        print(
            f"{name:22} runs {row['runs_s']:.3f} s, certificate {row['certificate_s']:.3f} s, {row['more']:+.0%}"
        )
    if count != 500:
        return
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "processor": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "pandas", "numba")},
    }
    report = {"bars": BARS, "cuts": count, "rounds": ROUNDS, "machine": machine, "results": results}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
