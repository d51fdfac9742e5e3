"""Sweeps beside vectorbt, in one run, taking turns; and what each step of the fast road is worth.

    python benchmarks/sweep.py               measure and write benchmarks/sweep.json
    python benchmarks/sweep.py --only steps  one part anew, beside what is recorded of the others
    python benchmarks/sweep.py --quick       the same on little data, printed and not written

Closes of the S&P 500 in whole cents, 5,031 days; `fill="same_close"`, which is vectorbt's own. vectorbt runs with
both of its engines, in portions of 500 cells (its best; all at once takes twice as long and nine gigabytes) and is
asked for the same four metrics: total return, Sharpe ratio, maximum drawdown, number of trades. Every cell's four
metrics are asserted equal first, within 1e-12 times one more than the trades; cells whose averages are exactly equal
at some bar are counted, since there vectorbt's decimals decide by rounding. vectorbt also offers curves and records
of every order, which a sweep here does not make: these ratios compare a tool for one question with one for many.

Where 10,000 cells of vectorbt would take many minutes, 1,000 of them are timed, and counted ten times. Its RSI and its
exponential average are other ones than ours (another smoothing, another first value), so there it is handed ours, and
spared the work.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numba import njit

ROUNDS, PORTION = 7, 500
METRICS = ("total_return", "sharpe", "max_drawdown", "trades")
LIMIT_PS = 48  # Picoseconds a bar and cell: two loads and a comparison of 32 places, at one a cycle
Calls = dict[str, Callable[[], Any]]


def measure(calls: Calls, rounds: int) -> dict[str, Any]:
    "Take turns; medians and fastest in seconds."
    for call in calls.values():
        call()
        gc.collect()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
            gc.collect()  # What a peer leaves behind is taken away between the rounds
    return {
        "seconds": {name: float(f"{statistics.median(each):.4g}") for name, each in taken.items()},
        "fastest_s": {name: float(f"{min(each):.4g}") for name, each in taken.items()},
    }


def in_cents() -> pd.DataFrame:
    import alphatwin as at

    return at.load("SPX", source="sample").round(2)


# ---------------------------------------------------------------- vectorbt


def four(portfolio: Any, positions: bool) -> np.ndarray:
    "The four metrics of vectorbt's cells."
    count = portfolio.positions.count() if positions else portfolio.trades.count()
    values = portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown(), count
    table = np.column_stack([np.asarray(one, dtype="float64") for one in values])
    table[(table[:, 3] == 0) & np.isinf(table[:, 1]), 1] = (
        np.nan
    )  # It calls the Sharpe ratio of no trade infinite
    return table


def averages(close: pd.Series, windows: np.ndarray) -> np.ndarray:
    import vectorbt as vbt

    return np.asarray(vbt.MA.run(close, window=windows).ma.to_numpy())


def peer(kind: str, engine: str, bars: pd.DataFrame, cells: dict[str, np.ndarray], fees: float) -> np.ndarray:
    "All cells by vectorbt, a portion at a time."
    import vectorbt as vbt

    vbt.settings.returns["year_freq"] = "252 days"
    close, found = bars["close"], []
    same: dict[str, Any] = {"fees": fees, "freq": "1D", "init_cash": 1e5, "engine": engine}
    count = len(next(iter(cells.values())))
    for start in range(0, count, PORTION):
        part = {name: values[start : start + PORTION] for name, values in cells.items()}
        enter, leave, below = signals(kind, bars, part)
        positions = False
        if kind == "sides":
            portfolio = vbt.Portfolio.from_signals(
                close,
                enter,
                below,
                short_entries=below,
                short_exits=enter,
                upon_opposite_entry="reverse",
                **same,
            )
        elif kind == "exposure":
            sizes = (enter.astype("float64") - below) * exposure_of(bars).to_numpy()[:, None]
            portfolio, positions = (
                vbt.Portfolio.from_orders(close, size=sizes, size_type="targetpercent", **same),
                True,
            )
        elif kind == "stops":
            first = enter & ~np.vstack([np.zeros((1, enter.shape[1]), bool), enter[:-1]])
            prices = {name: bars[name] for name in ("open", "high", "low")}
            portfolio = vbt.Portfolio.from_signals(
                close, first, leave, sl_stop=0.05, tp_stop=0.1, **prices, **same
            )
        else:
            portfolio = vbt.Portfolio.from_signals(close, enter, leave, **same)
        found.append(four(portfolio, positions))
    return np.concatenate(found)


def signals(kind: str, bars: pd.DataFrame, part: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    "What vectorbt is told: enter, leave, and below (for shorts)."
    import vectorbt as vbt

    import alphatwin as at

    close = bars["close"]
    values = close.to_numpy()[:, None]
    if kind == "rsi":
        windows, place = np.unique(part["window"], return_inverse=True)
        moved = close - close.iloc[0]
        index = np.column_stack([at.rsi(moved, int(window)).to_numpy() for window in windows])[:, place]
        leaves, which = np.unique(part["leave"], return_inverse=True)
        means = np.column_stack([at.sma(moved, int(window)).to_numpy() for window in leaves])[:, which]
        leave = moved.to_numpy()[:, None] > means
        return (index < part["below"]) & ~leave, leave, index  # Where both are true, it would ignore both
    if kind == "bollinger":
        bands = vbt.BBANDS.run(close, window=part["window"], alpha=part["width"], ewm=False)
        return values < bands.lower.to_numpy(), values >= bands.middle.to_numpy(), values
    if kind == "donchian":
        high, low = bars["high"].to_numpy(), bars["low"].to_numpy()
        from vectorbt.generic.nb import rolling_max_nb, rolling_min_nb

        upper = np.column_stack([rolling_max_nb(high[:, None], int(w), int(w))[:, 0] for w in part["entry"]])
        lower = np.column_stack([rolling_min_nb(low[:, None], int(w), int(w))[:, 0] for w in part["leave"]])
        gap = np.full((1, upper.shape[1]), np.nan)
        return values > np.vstack([gap, upper[:-1]]), values < np.vstack([gap, lower[:-1]]), values
    if kind == "ema":
        windows = np.unique(np.concatenate([part["fast"], part["slow"]]))
        rows = np.column_stack([at.ema(close, int(window)).to_numpy() for window in windows])
        fast, slow = (rows[:, np.searchsorted(windows, part[name])] for name in ("fast", "slow"))
    else:
        fast, slow = (averages(close, part[name]) for name in ("fast", "slow"))
    above = fast > slow
    return above, ~above, fast < slow


def exposure_of(bars: pd.DataFrame) -> pd.Series:
    import alphatwin as at

    return at.volatility_target(bars)


# ---------------------------------------------------------------- the questions


def grids(small: bool) -> dict[str, dict[str, Any]]:
    "Ten thousand cells of each family."
    many = 5 if small else 100
    fast, slow = range(5, 5 + many), range(105, 105 + 2 * many, 2)
    cross = {"fast": fast, "slow": slow}
    few = 3 if small else 25
    return {
        "sma": cross | {"tick": 0.01},
        "sides": cross | {"tick": 0.01, "short": True},
        "exposure": cross | {"tick": 0.01, "short": True},
        "stops": cross | {"tick": 0.01},
        "ema": cross,
        "rsi": {
            "window": range(2, 2 + few),
            "below": range(5, 5 + few),
            "leave": range(2, 18),
            "trend": [None],
        },
        "bollinger": {"window": range(5, 5 + many), "width": [0.5 + place / 40 for place in range(many)]},
        "donchian": {"entry": range(105, 105 + many), "leave": range(5, 5 + many)},
    }


def small_print(kind: str) -> dict[str, Any]:
    "Rules of each question, as `sweep` takes them."
    rules: dict[str, Any] = {"fees": 0.0 if kind in ("sides", "exposure") else 0.001, "fill": "same_close"}
    if kind == "exposure":
        rules |= {"rebalance": "every_bar"}
    return rules | ({"stop_loss": 0.05, "take_profit": 0.1} if kind == "stops" else {})


STRATEGY = {"ema": "ema_cross", "rsi": "rsi_reversion", "bollinger": "bollinger_reversion"}
STRATEGY |= {"donchian": "donchian_breakout"}


def ours(kind: str, bars: pd.DataFrame, grid: Any, workers: int = 1) -> np.ndarray:
    "The same question to `sweep`."
    import alphatwin as at

    strategy = getattr(at, STRATEGY.get(kind, "sma_cross"))
    extra = {"exposure": exposure_of(bars)} if kind == "exposure" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = at.sweep(
            bars,
            strategy,
            grid,
            metrics=METRICS,
            workers=workers,
            progress=False,
            **extra,
            **small_print(kind),
        )
    return np.asarray(found.table[list(METRICS)].to_numpy())


def compare(found: np.ndarray, expected: np.ndarray) -> int:
    "How many cells differ by more than rounding."
    room = 1e-12 * (1 + expected[:, 3:]) * np.maximum(1, np.abs(expected))
    same = (np.abs(found - expected) <= room) | (np.isnan(found) & np.isnan(expected))
    return int((~same.all(axis=1)).sum())


def tied_cells(bars: pd.DataFrame, cells: dict[str, np.ndarray]) -> int:
    "In how many cells two averages of cents are exactly equal at some bar."
    cents = np.append(0, np.cumsum(np.rint(bars["close"].to_numpy() * 100).astype(np.int64)))
    tied = 0
    for fast, slow in zip(cells["fast"].tolist(), cells["slow"].tolist(), strict=True):
        ends = np.arange(slow, len(cents))
        tied += bool(
            (((cents[ends] - cents[ends - fast]) * slow) == ((cents[ends] - cents[ends - slow]) * fast)).any()
        )
    return tied


def near_bands(bars: pd.DataFrame, cells: dict[str, np.ndarray]) -> int:
    "In how many cells a close lies on a band or on its middle, but for rounding."
    close, near = bars["close"].to_numpy(), 0
    for window, width in zip(cells["window"].tolist(), cells["width"].tolist(), strict=True):
        band = at_bollinger(bars, window, width)
        away = np.minimum(np.abs(close - band["lower"]), np.abs(close - band["middle"])) / close
        near += bool((away < 1e-12).any())
    return near


def at_bollinger(bars: pd.DataFrame, window: int, width: float) -> pd.DataFrame:
    import alphatwin as at

    return at.bollinger(bars["close"], window, width)


def one_kind(kind: str, bars: pd.DataFrame, small: bool, rounds: int) -> dict[str, Any]:
    "One family: equal first, then timed in turns."
    grid = grids(small)[kind]
    names = [name for name in grid if name not in ("tick", "short", "trend")]
    axes = np.meshgrid(*(np.asarray(grid[name]) for name in names), indexing="ij")
    cells = {name: axis.ravel() for name, axis in zip(names, axes, strict=True)}
    count, fees = len(cells[names[0]]), small_print(kind)["fees"]
    step = 1 if kind == "sma" else max(count // 1_000, 1)
    asked = {name: values[::step] for name, values in cells.items()}
    found, different = ours(kind, bars, grid), {}
    for engine in ("numba", "rust"):
        different[engine] = compare(found[::step], peer(kind, engine, bars, asked, fees))
        gc.collect()
    calls: Calls = {
        "alphatwin, 1 core": lambda: ours(kind, bars, grid, 1),
        "alphatwin, 2 cores": lambda: ours(kind, bars, grid, 2),
    }
    for engine in ("numba", "rust"):
        calls[f"vectorbt, {engine}"] = lambda engine=engine: peer(kind, engine, bars, asked, fees)  # type: ignore[misc]
    result = {"cells": count, "bars": len(bars), "trades": round(float(found[:, 3].mean()), 1)}
    result |= {"cells_of_vectorbt": len(asked[names[0]]), "cells_that_differ": different}
    result |= {"cells_with_exact_ties": tied_cells(bars, asked)} if kind == "sma" else {}
    result |= {"cells_with_exact_ties": near_bands(bars, asked)} if kind == "bollinger" else {}
    assert different["numba"] <= result.get("cells_with_exact_ties", 0), (kind, different)
    result |= measure(calls, rounds)
    best = min(result["seconds"][f"vectorbt, {engine}"] for engine in ("numba", "rust")) * step
    for cores in ("1 core", "2 cores"):
        result[f"times_as_fast_{cores.replace(' ', '_')}"] = round(
            best / result["seconds"][f"alphatwin, {cores}"], 1
        )
    share = LIMIT_PS * 1e-12 * count * len(bars) / result["seconds"]["alphatwin, 1 core"]
    return result | ({"share_of_limit": round(share, 3)} if kind == "sma" else {})


# ---------------------------------------------------------------- many cells


def peak_of(fast: int, slow: int) -> dict[str, float]:
    "In a process of its own: seconds and peak memory of fast x slow cells."
    import resource

    bars = in_cents()
    ours("sma", bars, {"fast": range(5, 8), "slow": range(10, 14), "tick": 0.01})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken = []
    for _ in range(3 if fast * slow > 2_000_000 else ROUNDS):
        started = time.perf_counter()
        import alphatwin as at

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            grid = {"fast": range(2, 2 + fast), "slow": range(2 + fast, 2 + fast + slow), "tick": 0.01}
            table = at.sweep(
                bars,
                at.sma_cross,
                grid,
                metrics=METRICS,
                workers=1,
                progress=False,
                fees=0.001,
                fill="same_close",
            ).table
        taken.append(time.perf_counter() - started)
        assert len(table) == fast * slow
        del table  # Two sweeps at once would be another question
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": round(statistics.median(taken), 3),
        "peak_mib": round(peak),
        "before_mib": round(before),
    }


def many(small: bool) -> dict[str, Any]:
    "A hundred thousand, a million and ten million cells, each in a new process."
    sizes = [(10, 20), (20, 20)] if small else [(250, 400), (1_000, 1_000), (2_000, 5_000)]
    found = {}
    for fast, slow in sizes:
        words = [sys.executable, __file__, "--peak", str(fast), str(slow)]
        run = subprocess.run(words, check=True, capture_output=True, text=True)
        found[f"{fast * slow:,}"] = json.loads(run.stdout)
    return found


# ---------------------------------------------------------------- a function of one's own


@njit(cache=True)
def own_rule(close: np.ndarray, fast: int, slow: int) -> np.ndarray:
    "A reader's own compiled cross of averages."
    target, one, other = np.zeros(len(close)), 0.0, 0.0
    for bar in range(len(close)):
        one += close[bar] - (close[bar - fast] if bar >= fast else 0.0)
        other += close[bar] - (close[bar - slow] if bar >= slow else 0.0)
        if bar >= slow - 1 and one * slow > other * fast:
            target[bar] = 1.0
    return target


def plain_rule(bars: pd.DataFrame, fast: int = 20, slow: int = 100) -> pd.Series:
    "A reader's own pandas function."
    close = bars["close"]
    gap = close.rolling(fast).mean() - close.rolling(slow).mean()
    held = (gap > 0).astype("float64").ewm(span=3).mean() > 0.5
    return held.astype("float64")


def own(bars: pd.DataFrame, small: bool, rounds: int) -> dict[str, Any]:
    "The generic road: a compiled function beside vectorbt's, and what it costs on top of a pandas function."
    import vectorbt as vbt

    import alphatwin as at

    grid = {"fast": range(5, 10 if small else 105), "slow": range(105, 115 if small else 305, 2)}
    few = {"fast": list(grid["fast"])[::4], "slow": list(grid["slow"])[:: 2 if small else 3]}
    pairs = [(fast, slow) for fast in few["fast"] for slow in few["slow"]]
    rules: dict[str, Any] = {"metrics": METRICS, "progress": False, "workers": 1, "fees": 0.001}

    def compiled() -> np.ndarray:
        return at.sweep(bars, own_rule, grid, certify=False, **rules).table[list(METRICS)].to_numpy()

    close, count = bars["close"], len(grid["fast"]) * len(grid["slow"])
    step = max(count // 1_000, 1)
    every = [(fast, slow) for fast in grid["fast"] for slow in grid["slow"]][::step]

    def theirs(engine: str) -> np.ndarray:
        found = []
        for start in range(0, len(every), PORTION):
            held = (
                np.column_stack(
                    [own_rule(close.to_numpy(), *pair) for pair in every[start : start + PORTION]]
                )
                > 0
            )
            late = np.vstack([np.zeros((1, held.shape[1]), bool), held[:-1]])
            portfolio = vbt.Portfolio.from_signals(
                close, late, ~late, price=bars["open"], fees=0.001, freq="1D", init_cash=1e5, engine=engine
            )
            found.append(four(portfolio, False))
        return np.concatenate(found)

    vbt.settings.returns["year_freq"] = "252 days"
    different = compare(compiled()[::step], theirs("numba"))
    assert not different
    timed = measure(
        {
            "alphatwin": compiled,
            "vectorbt, numba": lambda: theirs("numba"),
            "vectorbt, rust": lambda: theirs("rust"),
        },
        rounds,
    )
    best = min(timed["seconds"][f"vectorbt, {engine}"] for engine in ("numba", "rust")) * step

    def alone() -> None:
        for fast, slow in pairs:
            plain_rule(bars, fast=fast, slow=slow)

    calls = {
        "function alone": alone,
        "sweep": lambda: at.sweep(bars, plain_rule, few, certify=False, **rules),
    }
    plain = measure(calls, rounds)
    over = plain["seconds"]["sweep"] / plain["seconds"]["function alone"] - 1
    return {
        "compiled": timed | {"cells": count, "times_as_fast": round(best / timed["seconds"]["alphatwin"], 1)},
        "pandas": plain | {"cells": len(pairs), "on_top": round(over, 3)},
    }


# ---------------------------------------------------------------- step by step


@njit(cache=True, error_model="numpy")
def per_bar(
    fast: np.ndarray, slow: np.ndarray, enter: np.ndarray, mark: np.ndarray, leave: np.ndarray, lag: int
) -> tuple[float, float, float, float, int]:
    "The plain walk, compiled: every bar is looked at."
    growth, peak, worst, total, squares, trades, units = 1.0, 1.0, 1.0, 0.0, 0.0, 0, 0.0
    before, holds = 1.0, False
    for bar in range(len(mark)):
        wanted = bar >= lag and fast[bar - lag] > slow[bar - lag]
        if wanted and not holds:
            units, holds, trades = growth / enter[bar], True, trades + 1
        elif holds and not wanted:
            growth, holds = units * leave[bar], False
        now = units * mark[bar] if holds else growth
        move = now / before - 1.0
        total += move
        squares += move * move
        peak = max(peak, now)
        worst = min(worst, now / peak)
        before = now
    return before, worst, total, squares, trades


def steps(bars: pd.DataFrame, small: bool, rounds: int) -> dict[str, Any]:
    "What each idea is worth: microseconds a cell of 5,031 bars."
    from alphatwin.backtest.market import read_market
    from alphatwin.backtest.rules import Rules
    from alphatwin.optimize.bits import Rows, above_64, compare_rows, squeeze
    from alphatwin.optimize.by_hand import tally_long
    from alphatwin.optimize.ground import lay_ground
    from alphatwin.optimize.rows import simple_rows
    from alphatwin.optimize.runs import allowed_of
    from alphatwin.optimize.walk import walk_long

    rules = Rules(fees=0.001, fill="same_close")
    ground = lay_ground(read_market(bars, rules), rules)
    sides = 5 if small else 50
    windows = np.concatenate([np.arange(5, 5 + sides), np.arange(105, 105 + 2 * sides, 2)])
    rows = simple_rows(bars["close"], windows, tick=0.01)
    width, allowed = rows.shape[1], allowed_of(len(bars), 0)
    places, tally = squeeze(rows), np.empty(7)
    enter, mark, leave = ground.enter[0], ground.mark[0], ground.leave[0]
    few = [(0, sides), (sides // 2, sides + sides // 2)]

    def by_hand() -> None:
        for one, other in few:
            tally_long((rows[one] > rows[other])[: len(bars)].astype(int), ground)

    @njit(error_model="numpy")
    def bar_by_bar(rows: np.ndarray, sides: int) -> float:
        last = 0.0
        for one in range(sides):
            for other in range(sides, 2 * sides):
                last += per_bar(rows[one], rows[other], enter, mark, leave, 0)[0]
        return last

    @njit(error_model="numpy")
    def full_numbers(exact: np.ndarray, sides: int, tally: np.ndarray) -> float:
        words, last = np.empty(len(allowed), np.uint64), 0.0
        for one in range(sides):
            for other in range(sides, 2 * sides):
                for word in range(len(words)):
                    words[word] = above_64(exact, one * width + 64 * word, exact, other * width + 64 * word)
                walk_long(words, allowed, ground, tally)
                last += tally[0]
        return last

    @njit(error_model="numpy")
    def squeezed(places: Rows, sides: int, tally: np.ndarray) -> float:
        words, last = np.empty(len(allowed), np.uint64), 0.0
        for one in range(sides):
            for other in range(sides, 2 * sides):
                compare_rows(places, one * width, other * width, words)
                walk_long(words, allowed, ground, tally)
                last += tally[0]
        return last

    ends = [bar_by_bar(rows, sides), full_numbers(places.exact, sides, tally), squeezed(places, sides, tally)]
    assert np.allclose(ends, ends[0], rtol=1e-12)
    counts = {"plain Python": len(few)} | dict.fromkeys(
        ("compiled, bar by bar", "bits, from trade to trade", "sixteen digits"), sides * sides
    )
    timed = measure(
        {
            "plain Python": by_hand,
            "compiled, bar by bar": lambda: bar_by_bar(rows, sides),
            "bits, from trade to trade": lambda: full_numbers(places.exact, sides, tally),
            "sixteen digits": lambda: squeezed(places, sides, tally),
        },
        rounds,
    )
    micro = {name: float(f"{1e6 * timed['seconds'][name] / counts[name]:.3g}") for name in counts}
    return {"microseconds_a_cell": micro, "bars": len(bars)}


# ---------------------------------------------------------------- more than one machine


def dask(small: bool) -> dict[str, Any]:
    "Two Dask workers beside one, each a process of its own, on a plain Python function."
    from distributed import Client, LocalCluster

    import alphatwin as at

    bars, cells = in_cents(), 40 if small else 200
    grid = {"fast": range(5, 5 + cells // 10), "slow": range(105, 105 + cells)}
    taken = {}
    for workers in (1, 2):
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            few = {"fast": range(5, 7), "slow": range(105, 107)}
            at.sweep(bars, slow_rule, few, executor=client.get_executor(), certify=False, progress=False)
            started = time.perf_counter()
            at.sweep(bars, slow_rule, grid, executor=client.get_executor(), certify=False, progress=False)
            taken[str(workers)] = round(time.perf_counter() - started, 2)
    return {"cells": (cells // 10) * cells, "seconds": taken, "times": round(taken["1"] / taken["2"], 2)}


def slow_rule(bars: pd.DataFrame, fast: int = 20, slow: int = 100) -> pd.Series:
    "A pandas function that takes some eight milliseconds."
    close = bars["close"]
    for _ in range(12):
        gap = close.rolling(fast).mean() - close.rolling(slow).median()
    return (gap > 0).astype("float64")


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little data; printed, not written")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", help="these parts anew: sma ema many own steps dask ...")
    parser.add_argument("--peak", nargs=2, type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(json.dumps(peak_of(*asked.peak)))
        return
    small, bars = asked.quick, in_cents()
    bars = bars.iloc[:600] if small else bars
    parts: dict[str, Callable[[], Any]] = {"many": lambda: many(small)}
    for kind in grids(small):
        parts[kind] = lambda kind=kind: one_kind(kind, bars, small, asked.rounds)  # type: ignore[misc]
    parts |= {
        "own": lambda: own(bars, small, asked.rounds),
        "steps": lambda: steps(bars, small, asked.rounds),
    }
    parts["dask"] = lambda: dask(small)
    out = Path(__file__).with_suffix(".json")
    found = json.loads(out.read_text(encoding="utf-8")) if asked.only and out.exists() else {}
    around: dict[str, Any] = {
        "rounds": asked.rounds,
        "limit_ps": LIMIT_PS,
        "bar": {
            "sma_1_core": 1_000,
            "sma_2_cores": 1_500,
            "share_of_limit": 0.25,
            "sides": 300,
            "exposure": 300,
        }
        | {"stops": 100, "own": 100, "family": 200, "dask": 1.7, "million_s": 1.0, "million_mib": 400},
        "machine": f"{os.cpu_count()} cores, {processor()}, Python {platform.python_version()}",
        "versions": {
            name: version(name) for name in ("alphatwin", "vectorbt", "vectorbt-rust", "numba", "numpy")
        },
    }
    for name, part in parts.items():
        if asked.only and name not in asked.only:
            continue
        found[name] = part()
        print(f"measured: {name}", file=sys.stderr, flush=True)
        around["load_average"] = [round(one, 2) for one in os.getloadavg()[:2]]
        text = json.dumps({one: found[one] for one in parts if one in found} | around, indent=1) + "\n"
        if not small:
            out.write_text(text, encoding="utf-8")
    if small:
        print(text)


if __name__ == "__main__":
    main()
