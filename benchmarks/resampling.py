"""Ten thousand resampled Sharpe ratios beside arch, taking turns; and the probability of overfitting of a search.

    python benchmarks/resampling.py           measure and write benchmarks/resampling.json
    python benchmarks/resampling.py --quick   the same on little data, printed and not written

The stationary bootstrap of the Sharpe ratio of 5,000 returns of the S&P 500, 10,000 resamples, on one core. arch is
asked through its `StationaryBootstrap(...).apply` with a Sharpe ratio in numpy, and once more with one in numba,
which is the fastest that can be handed to it. First the same histories: what arch drew is given to our sums, and all
ratios must agree within 1e-12. Then each draws its own, and means and spreads must agree as two samples of one law do.
arch can resample any function at all; ours knows this one ratio. So this compares a specialist with a generalist.

Overfitting: at.overfitting with 16 blocks (12,870 ways to halve them) of a sweep of 10,000 crosses of averages, in a
process of its own, on one core; the memory is what the call adds to the highest that the process held just before.
No peer does that from sums; only its own seconds and mebibytes stand here.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arch.bootstrap import StationaryBootstrap
from numba import njit
from sweep import Calls, measure, processor

import alphatwin as at
from alphatwin.optimize.resampling import blocks_of, resampled_sharpe, ring_of, sharpe_of_blocks

ROUNDS, BARS, RESAMPLES = 7, 5_000, 10_000


def in_numpy(drawn: np.ndarray) -> float:
    "Sharpe ratio of one bar."
    return float(drawn.mean() / drawn.std(ddof=1))


@njit(error_model="numpy")
def in_numba(drawn: np.ndarray) -> float:
    "The same, in two passes of compiled code."
    total, square = 0.0, 0.0
    for one in drawn:
        total += one
    mean = total / len(drawn)
    for one in drawn:
        square += (one - mean) * (one - mean)
    return mean / np.sqrt(square / (len(drawn) - 1))


def assert_equal(returns: pd.Series, block: int, resamples: int) -> float:
    "Hold all ratios against arch's on its own draws; return the largest difference."
    values, ring = returns.to_numpy(), ring_of(returns.to_numpy())
    peer, furthest = StationaryBootstrap(block, values, seed=1), 0.0
    for data in peer.bootstrap(resamples):
        theirs = in_numpy(data[0][0])
        assert abs(in_numba(data[0][0]) - theirs) < 1e-12
        furthest = max(furthest, abs(sharpe_of_blocks(ring, *blocks_of(np.asarray(peer.index))) - theirs))
    assert furthest < 1e-12, furthest
    return furthest


def assert_same_law(ours: np.ndarray, theirs: np.ndarray) -> None:
    "Hold means and spreads of two samples against each other, within five standard errors."
    spread, count = theirs.std(), len(theirs)
    assert abs(ours.mean() - theirs.mean()) < 5 * spread * (2 / count) ** 0.5
    assert abs(ours.std() / spread - 1) < 5 / count**0.5


def one_block(returns: pd.Series, block: int, resamples: int, rounds: int) -> dict[str, Any]:
    "One mean block: equal first, then timed in turns."
    values = returns.to_numpy()

    def peer(ratio: Any) -> np.ndarray:
        return np.asarray(StationaryBootstrap(block, values, seed=1).apply(ratio, resamples)[:, 0])

    def ours() -> np.ndarray:
        return resampled_sharpe(returns, resamples, block, periods=1)

    result: dict[str, Any] = {"largest_difference": assert_equal(returns, block, resamples)}
    assert_same_law(ours(), peer(in_numpy))
    calls: Calls = {
        "alphatwin": ours,
        "arch, Sharpe ratio in numpy": lambda: peer(in_numpy),
        "arch, Sharpe ratio in numba": lambda: peer(in_numba),
    }
    result |= measure(calls, rounds)
    seconds = result["seconds"]
    result["times_as_fast"] = round(seconds["arch, Sharpe ratio in numpy"] / seconds["alphatwin"], 1)
    result["times_as_fast_as_arch_with_numba"] = round(
        seconds["arch, Sharpe ratio in numba"] / seconds["alphatwin"], 1
    )
    return result


def forget_peak() -> float:
    "Let the system forget how much memory this process held at most; return what it holds, in MiB."
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:  # Elsewhere the highest of the whole process has to do
        pass
    return peak_mib()


def peak_mib() -> float:
    "Most memory of this process, in MiB."
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def overfit(small: bool, rounds: int) -> dict[str, Any]:
    "In a process of its own: seconds and memory of the probability of overfitting."
    bars, many = at.load("SPX", source="sample"), 10 if small else 100
    few = at.sweep(
        bars, at.sma_cross, {"fast": range(5, 8), "slow": range(20, 24)}, workers=1, progress=False
    )
    at.overfitting(few, blocks=16)
    grid = {"fast": range(5, 5 + many), "slow": range(105, 105 + 2 * many, 2)}
    started = time.perf_counter()
    searched = at.sweep(bars, at.sma_cross, grid, fees=0.001, workers=1, progress=False)
    sweep_s, taken = time.perf_counter() - started, []
    before = forget_peak()
    for _ in range(rounds):
        started = time.perf_counter()
        found = at.overfitting(searched, blocks=16)
        taken.append(time.perf_counter() - started)
    return {
        "cells": found.rules,
        "bars": len(bars),
        "ways": len(found.table),
        "probability": round(found.probability, 6),
        "seconds": round(statistics.median(taken), 3),
        "fastest_s": round(min(taken), 3),
        "seconds_of_the_sweep": round(sweep_s, 3),
        "added_mib": round(peak_mib() - before, 1),
        "mib_of_all_returns": round(found.rules * len(bars) * 8 / 2**20, 1),
    }


def overfit_apart(small: bool, rounds: int) -> dict[str, Any]:
    "The same, in a new process."
    words = [sys.executable, __file__, "--overfit", "--rounds", str(rounds)] + ["--quick"] * small
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little data; printed, not written")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--overfit", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.overfit:
        print(json.dumps(overfit(asked.quick, asked.rounds)))
        return
    small = asked.quick
    bars, resamples = (600, 500) if small else (BARS, RESAMPLES)
    returns = at.simple_returns(at.load("SPX", source="sample")["close"]).iloc[-bars:]
    result: dict[str, Any] = {
        "bars": len(returns),
        "resamples": resamples,
        "mean_block": {
            str(block): one_block(returns, block, resamples, asked.rounds) for block in (10, 20, 50)
        },
        "overfitting": overfit_apart(small, asked.rounds),
        "rounds": asked.rounds,
        "bar": {"times_as_fast": 10, "overfitting_s": 2},
        "machine": f"{os.cpu_count()} cores, {processor()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in ("alphatwin", "arch", "numba", "numpy")},
        "load_average": [round(one, 2) for one in os.getloadavg()[:2]],
    }
    text = json.dumps(result, indent=1) + "\n"
    if small:
        print(text)
    else:
        Path(__file__).with_suffix(".json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
