"""The backtest beside vectorbt, backtesting.py, backtrader and bt, in one run, taking turns.

    python benchmarks/peers.py              measure and write benchmarks/peers.json
    python benchmarks/peers.py --only warm  one part anew, beside what is recorded of the others
    python benchmarks/peers.py --quick      the same on little data, printed and not written

What is timed is the call of each engine up to its equity curve; targets are computed before, and whatever
another engine needs to be told in its own words is prepared before. The final equities are asserted equal
first. `warm`: one cross of averages on the S&P 500 with fees. `minutes`: the same on 2,000,000 bars.
`cold`: a new process, from `import` to the first equity. `panel`: many symbols, one account, brought back to
their weights at every close, with fees; tables lie in memory row after row, as `unstack` leaves them, and
vectorbt is given both layouts. vectorbt runs with both of its engines, by orders and by signals,
with the records of its trades left uncomputed; its best time is the one that counts. Both engines' averages
are counted on prices in whole cents (`ties`), where two averages are often exactly equal.
"""

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
ROUNDS, FEES, CASH = 7, 0.001, 100_000.0
ENGINES = ("rust", "numba")
Call = Callable[[], float]


def adapters() -> Any:
    "tests/backtest/peers.py: how each engine is told the rule."
    if "adapters" in sys.modules:
        return sys.modules["adapters"]
    spec = importlib.util.spec_from_file_location("adapters", ROOT / "tests" / "backtest" / "peers.py")
    assert spec and spec.loader
    module = sys.modules["adapters"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------- one symbol


def ours_on(bars: pd.DataFrame, target: pd.Series) -> Call:
    import alphatwin as at

    return lambda: float(at.backtest(bars, target, fees=FEES, cash=CASH).equity.iloc[-1])


def vectorbt_on(bars: pd.DataFrame, target: pd.Series) -> dict[str, Call]:
    import vectorbt as vbt

    late, price = target.shift(fill_value=0.0), bars["open"]
    close, size = bars["close"], adapters().before_fees(late, price, FEES)
    held = late.to_numpy() > 0
    before = np.r_[False, held[:-1]]
    enters, leaves, size = held & ~before, ~held & before, size.to_numpy()
    # At its best: plain arrays beside one series, no time zone (it turns such an index into objects, 8 times)
    if bars.index.tz is not None:
        close = close.tz_localize(None)
    same: dict[str, Any] = {"price": price.to_numpy(), "fees": FEES, "init_cash": CASH, "freq": "1D"}

    def by_orders(engine: str) -> Call:
        return lambda: float(
            vbt.Portfolio.from_orders(close, size=size, size_type="targetpercent", engine=engine, **same)
            .value()
            .iloc[-1]
        )

    def by_signals(engine: str) -> Call:
        return lambda: float(
            vbt.Portfolio.from_signals(close, enters, leaves, engine=engine, **same).value().iloc[-1]
        )

    ways = {"orders": by_orders, "signals": by_signals}
    return {f"vectorbt, {e}, {name}": way(e) for e in ENGINES for name, way in ways.items()}


def backtesting_on(bars: pd.DataFrame, target: pd.Series) -> Call:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy

    wanted = np.r_[0.0, target]  # It starts at its second row: one row before the first

    class Follow(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            bar = len(self.data) - 1
            if wanted[bar] != wanted[bar - 1]:
                if wanted[bar]:
                    self.buy()
                else:
                    self.position.close()

    table = pd.concat([bars.iloc[:1].set_axis(bars.index[:1] - pd.Timedelta(days=1)), bars])
    table.columns = [name.title() for name in table.columns]
    table[["Open", "High", "Low", "Close"]] *= 1e-10

    def call() -> float:
        with adapters().quietly():
            run = Backtest(table, Follow, cash=CASH, commission=FEES, exclusive_orders=True).run()
        return float(run["_equity_curve"]["Equity"].iloc[-1])

    return call


def backtrader_on(bars: pd.DataFrame, target: pd.Series) -> Call:
    import backtrader

    wanted = np.r_[0.0, target]

    class Follow(backtrader.Strategy):  # type: ignore[misc]
        def next_open(self) -> None:
            bar = len(self.data) - 1
            if bar and wanted[bar] != wanted[bar - 1]:
                if wanted[bar]:
                    cost = self.data.open[0] * (1 + FEES)
                    self.buy(size=self.broker.getcash() / cost * (1 - 1e-13))
                else:
                    self.close()

    def call() -> float:
        engine = backtrader.Cerebro(stdstats=False, cheat_on_open=True)
        engine.broker.setcash(CASH)
        engine.broker.setcommission(commission=FEES)
        engine.broker.set_checksubmit(False)
        engine.broker.set_coo(True)
        engine.addstrategy(Follow)
        engine.adddata(backtrader.feeds.PandasData(dataname=bars))
        engine.run()
        return float(engine.broker.getvalue())

    return call


def bt_on(bars: pd.DataFrame, target: pd.Series) -> Call:
    import bt

    # One price a date: the opens, and a last row that holds the last close
    end = bars.index[-1] + pd.Timedelta(days=1)
    prices = pd.concat([bars["open"], pd.Series([bars["close"].iloc[-1]], index=[end])]).to_frame("X")
    late = target.shift(fill_value=0.0)
    weights = late[late != late.shift(fill_value=0.0)].to_frame("X")

    def call() -> float:
        run = bt.Backtest(
            bt.Strategy("peer", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()]),
            prices,
            initial_capital=CASH,
            commissions=lambda shares, price: abs(shares) * price * FEES,
            integer_positions=False,
            progress_bar=False,
        )
        run.run()
        return float(run.strategy.values.iloc[-1])

    return call


def minutes(length: int) -> pd.DataFrame:
    "A random walk of one-minute bars."
    rng = np.random.default_rng(20_260_104)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0004, length)))
    opened = np.r_[100.0, close[:-1]] * np.exp(rng.normal(0, 0.0001, length))
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    time_ = pd.date_range("2015-01-05", periods=length, freq="min", tz="UTC", name="time").as_unit("ns")
    table = {"open": opened, "high": high, "low": low, "close": close, "volume": 1_000.0}
    return pd.DataFrame(table, index=pd.DatetimeIndex(time_, freq=None))


# ---------------------------------------------------------------- many symbols


def panel(symbols: int, length: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    "Closes of a market and weights that add up to 0.9 at every bar."
    rng = np.random.default_rng(20_260_105)
    time_ = pd.bdate_range("1990-01-01", periods=length, name="time").as_unit("ns")
    names = pd.Index([f"S{number:03}" for number in range(symbols)], name="symbol")
    index = pd.DatetimeIndex(time_, freq=None)
    moves = 0.008 * rng.normal(size=(length, 1)) + 0.012 * rng.normal(size=(length, symbols))
    close = 50 * np.exp(moves.cumsum(axis=0))
    weights = 1 + 0.5 * rng.random((length, symbols))
    weights *= 0.9 / weights.sum(axis=1, keepdims=True)
    table: dict[str, Any] = {
        "index": index,
        "columns": names,
        "copy": False,
    }  # Row after row, as unstack() does
    return pd.DataFrame(close, **table), pd.DataFrame(weights, **table)


def wide_tables(close: pd.DataFrame) -> dict[str, pd.DataFrame]:
    "The same closes as wide tables (time, symbol): what vectorbt is given too."
    volume = pd.DataFrame(1e6, index=close.index, columns=close.columns)
    return {name: close for name in ("open", "high", "low", "close")} | {"volume": volume}


def weights_before_fees(close: np.ndarray, weights: np.ndarray) -> np.ndarray:
    "Weights of the equity before fees that leave `weights` of the equity after them: those vectorbt takes."
    said = np.empty_like(weights)
    held = np.zeros(weights.shape[1])
    for bar, wanted in enumerate(weights):
        if bar:
            grown = held * close[bar] / close[bar - 1]
            held = grown / (1 - held.sum() + grown.sum())
        left = 1.0
        for _ in range(8):  # Each step is a thousand times closer
            left = 1 - FEES * np.abs(wanted * left - held).sum()
        said[bar], held = wanted * left, wanted
    return said


def panel_calls(close: pd.DataFrame, weights: pd.DataFrame) -> dict[str, Call]:
    import vectorbt as vbt

    import alphatwin as at

    bars, late = wide_tables(close), weights.shift()
    late.iloc[1:] = weights_before_fees(close.to_numpy()[1:], weights.to_numpy()[:-1])
    by_column = pd.DataFrame(close.to_numpy().copy(order="F"), close.index, close.columns, copy=False)
    layouts = {"by row": (close, late.to_numpy().copy(order="C"))}
    layouts["by column"] = (by_column, late.to_numpy().copy(order="F"))

    def ours() -> float:
        run = at.backtest(bars, weights, fees=FEES, cash=CASH, fill="next_close", rebalance="every_bar")
        return float(run.equity.iloc[-1])

    def theirs(engine: str, layout: str) -> Call:
        prices, size = layouts[layout]
        return lambda: float(
            vbt.Portfolio.from_orders(
                prices,
                size=size,
                size_type="targetpercent",
                fees=FEES,
                init_cash=CASH,
                group_by=True,
                cash_sharing=True,
                freq="1D",
                engine=engine,
            )
            .value()
            .iloc[-1]
        )

    ways = [(engine, layout) for engine in ENGINES for layout in layouts]
    return {"alphatwin": ours} | {f"vectorbt, {e}, {layout}": theirs(e, layout) for e, layout in ways}


# ---------------------------------------------------------------- cold, memory, ties

COLD = {
    "alphatwin": """
import sys, numpy as np, pandas as pd
import alphatwin as at
t = np.load(sys.argv[1])
index = pd.DatetimeIndex(t["time"].view("M8[ns]"), name="time")
bars = pd.DataFrame({name: t[name] for name in ("open", "high", "low", "close", "volume")}, index=index)
print(repr(float(at.backtest(bars, pd.Series(t["target"], index=index), fees=0.001, cash=1e5).equity.iloc[-1])))
""",
    "vectorbt": """
import sys, numpy as np, pandas as pd
import vectorbt as vbt
t = np.load(sys.argv[1])
index = pd.DatetimeIndex(t["time"].view("M8[ns]"), name="time")
close = pd.Series(t["close"], index=index)
run = vbt.Portfolio.from_orders(close, size=t["size"], size_type="targetpercent", price=t["open"], fees=0.001,
                                init_cash=1e5, freq="1D", engine=sys.argv[2])
print(repr(float(run.value().iloc[-1])))
""",
}


def cold_calls(place: Path, bars: pd.DataFrame, target: pd.Series) -> dict[str, Call]:
    late = target.shift(fill_value=0.0)
    size = adapters().before_fees(late, bars["open"], FEES).to_numpy()
    columns = {name: bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    np.savez(place / "t.npz", time=bars.index.asi8, target=target.to_numpy(), size=size, **columns)

    def run(code: str, *more: str, empty: bool = False) -> float:
        with tempfile.TemporaryDirectory() as cache:
            settings = os.environ | ({"NUMBA_CACHE_DIR": cache} if empty else {})
            words = [sys.executable, "-c", code, str(place / "t.npz"), *more]
            done = subprocess.run(words, check=True, capture_output=True, text=True, env=settings, cwd=ROOT)
        return float(done.stdout)

    return {
        "alphatwin": lambda: run(COLD["alphatwin"]),
        "alphatwin, empty cache": lambda: run(COLD["alphatwin"], empty=True),
        "vectorbt, rust": lambda: run(COLD["vectorbt"], "rust"),
        "vectorbt, numba": lambda: run(COLD["vectorbt"], "numba"),
    }


def memory(symbols: int, length: int) -> dict[str, float]:
    "Peak memory of one run of ours over that of its input, in a process of its own."
    import alphatwin as at

    few, few_weights = panel(3, 50)
    same: dict[str, Any] = {"fees": FEES, "fill": "next_close", "rebalance": "every_bar"}
    at.backtest(wide_tables(few), few_weights, **same)  # Compiled, imported
    close, weights = panel(symbols, length)
    bars = {name: table.copy() for name, table in wide_tables(close).items()}
    size = int(sum(table.to_numpy().nbytes for table in [*bars.values(), weights]))
    del close
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    run = at.backtest(bars, weights, **same)
    assert run.equity.iloc[-1] > 0
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"input_bytes": size, "peak_over_input": round(1 + (after - before) / size, 2)}


def ties(length: int = 200_000) -> dict[str, dict[str, int]]:
    "Bars at which `fast mean > slow mean` is decided wrongly, on a walk in whole cents."
    import vectorbt as vbt

    import alphatwin as at

    rng = np.random.default_rng(7)
    cents = np.cumsum(rng.integers(-2, 3, length))
    cents += 2_000 - cents.min()
    time_ = pd.date_range("2020-01-01", periods=length, freq="min", tz="UTC", name="time").as_unit("ns")
    close = pd.Series(cents / 100, index=pd.DatetimeIndex(time_, freq=None))
    bars = pd.DataFrame({name: close for name in ("open", "high", "low", "close")} | {"volume": 1.0})
    sums = np.r_[0, np.cumsum(cents)]
    found = {}
    for fast, slow in ((5, 20), (20, 100)):
        left = (sums[fast:] - sums[:-fast])[slow - fast :] * slow  # Whole numbers: no rounding
        right = (sums[slow:] - sums[:-slow]) * fast
        ways = {"pandas": close.rolling(fast).mean() > close.rolling(slow).mean()}
        for engine in ENGINES:
            vbt.settings["engine"] = engine
            means = [vbt.MA.run(close, window).ma.to_numpy().ravel() for window in (fast, slow)]
            ways[f"vectorbt, {engine}"] = pd.Series(means[0] > means[1])
        vbt.settings["engine"] = "auto"
        ways["alphatwin"] = at.sma_cross(bars, fast, slow, tick=0.01) > 0
        wrong = {
            name: int((way.to_numpy()[slow - 1 :] != (left > right)).sum()) for name, way in ways.items()
        }
        apart = ways["vectorbt, rust"].to_numpy() != ways["vectorbt, numba"].to_numpy()
        found[f"{fast} and {slow}"] = {
            "exactly equal": int((left == right).sum()),
            **wrong,
            "vectorbt's engines disagree": int(apart.sum()),
        }
    return found


# ---------------------------------------------------------------- measuring


def measure(calls: dict[str, Call], rounds: int, tolerance: float = 1e-9) -> dict[str, Any]:
    "Assert that all agree, then let them take turns."
    finals = {name: call() for name, call in calls.items()}
    wanted = finals["alphatwin"]
    for name, final in finals.items():
        assert abs(final / wanted - 1) < tolerance, (name, final, wanted)
    # Ours is short: it is repeated within its turn, so that the clock is not what is measured
    times: dict[str, list[float]] = {name: [] for name in calls}
    busy = [os.getloadavg()[0]]
    start = time.perf_counter()
    calls["alphatwin"]()
    repeats = max(1, min(50, int(0.02 / (time.perf_counter() - start))))
    for _ in range(rounds):
        for name, call in calls.items():
            often = repeats if name == "alphatwin" else 1
            start = time.perf_counter()
            for _ in range(often):
                call()
            times[name].append((time.perf_counter() - start) / often)
        busy.append(os.getloadavg()[0])
    seconds = {name: statistics.median(values) for name, values in times.items()}
    ours = seconds["alphatwin"]
    best = min((value, name) for name, value in seconds.items() if name.startswith("vectorbt"))
    return {
        "final_equity": wanted,
        "seconds": {name: float(f"{value:.4g}") for name, value in seconds.items()},
        "fastest_s": {name: float(f"{min(values):.4g}") for name, values in times.items()},
        "slowest_s": {name: float(f"{max(values):.4g}") for name, values in times.items()},
        "times_as_long_as_ours": {name: float(f"{value / ours:.4g}") for name, value in seconds.items()},
        "vectorbt_at_its_best": best[1],
        "ours_over_vectorbt": float(f"{ours / best[0]:.4g}"),
        "load_average": [round(min(busy), 2), round(max(busy), 2)],
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little data; printed, not written")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--only", nargs="+", help="these parts anew, beside the recorded others: memory cold warm minutes ..."
    )
    parser.add_argument("--memory", nargs=2, type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory:
        print(json.dumps(memory(*asked.memory)))
        return

    import alphatwin as at

    small = asked.quick
    panels = [(5, 300)] if small else [(20, 8_313), (500, 5_000)]
    bars = at.load("SPX").iloc[: 500 if small else None]
    target = at.sma_cross(bars, fast=20, slow=100)

    def peak() -> dict[str, float]:
        words = [sys.executable, __file__, "--memory", *map(str, panels[-1])]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def cold() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as place:
            return measure(cold_calls(Path(place), bars, target), asked.rounds)

    def warm() -> dict[str, Any]:
        calls = {"alphatwin": ours_on(bars, target)} | vectorbt_on(bars, target)
        calls |= {"backtesting.py": backtesting_on(bars, target), "backtrader": backtrader_on(bars, target)}
        return {"bars": len(bars)} | measure(calls | {"bt": bt_on(bars, target)}, asked.rounds)

    def by_minute() -> dict[str, Any]:
        many = minutes(20_000 if small else 2_000_000)
        wanted = at.sma_cross(many, fast=60, slow=600)
        calls = {"alphatwin": ours_on(many, wanted)} | vectorbt_on(many, wanted)
        return {"bars": len(many)} | measure(calls, asked.rounds)

    # Memory first, before this process grows: a child's peak starts at its parent's
    parts: dict[str, Callable[[], Any]] = {"memory": peak, "cold": cold, "warm": warm, "minutes": by_minute}
    for symbols, length in panels:
        parts[f"{symbols} x {length}"] = lambda size=(symbols, length): measure(  # type: ignore[misc]
            panel_calls(*panel(*size)), asked.rounds
        )
    parts["ties"] = lambda: ties(20_000 if small else 200_000)
    out = Path(__file__).with_suffix(".json")
    found = json.loads(out.read_text(encoding="utf-8")) if asked.only and out.exists() else {}
    for name, part in parts.items():
        if not asked.only or name in asked.only:
            found[name] = part()
            print(f"measured: {name}", file=sys.stderr, flush=True)
    found = {name: found[name] for name in parts if name in found}
    result = found | {
        "rounds": asked.rounds,
        "bar": {"warm": 1 / 20, "cold": 0.35, "minutes": 1 / 40, "panel": 1 / 200, "empty_cache_s": 5},
        "machine": f"{os.cpu_count()} cores, {processor()}, Python {platform.python_version()}",
        "versions": {
            name: version(name)
            for name in (
                "vectorbt",
                "vectorbt-rust",
                "backtesting",
                "backtrader",
                "bt",
                "numba",
                "numpy",
                "pandas",
            )
        },
    }
    print(json.dumps(result, indent=1))
    if not small:
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
