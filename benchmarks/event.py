"""The event engine beside backtesting.py, in one run, taking turns: few orders, and an order at every bar.

    python benchmarks/event.py           measure and write benchmarks/event.json
    python benchmarks/event.py --quick   the same on little data, printed and not written
    python benchmarks/event.py --nautilus venv/bin/python   with nautilus_trader too, which lives in a venv of its own

Both are asked for the same: a hundred shares bought and sold at the next open, a fee of a tenth of a per cent.
Final equity and number of trades are asserted equal before any time is taken. Ours comes with its table of
fills, and with a double-entry ledger in decimals whose trial balance is asserted to be zero. What is timed is
the whole call, from bars and a finished target to the result.

nautilus_trader runs in a process of its own, where only adding the bars and the run are timed; it must come to
the same number of fills, with the last bar's decision, since it fills at the close that decides. It does more between an order and its fill (a simulated exchange with latency and an
account in Decimal), and is the peer that is closest to a real venue.

`few`: a cross of averages on the S&P 500. `every_bar`: in at one open, out at the next. `growth`: ours alone,
sized by equity after costs, an order at every bar, for more and more bars: the time an order takes must stay
the same. Every time is the median of the rounds, in seconds of this process; the load at the start tells how
quiet the machine was.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import alphatwin as at
from alphatwin.backtest.event import event_backtest
from alphatwin.backtest.ledger import Ledger, trial_balance

ROUNDS, FEES, UNITS, CASH = 7, 0.001, 100.0, 1e7


NAUTILUS = """
import statistics, sys, time
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

bars = pd.read_parquet(sys.argv[1])
wanted = bars.pop("target").tolist()
stock = TestInstrumentProvider.equity(symbol="X", venue="SIM")
step = "DAY" if bars.index[1] - bars.index[0] >= pd.Timedelta(days=1) else "MINUTE"
kind = BarType.from_str(f"X.SIM-1-{step}-LAST-EXTERNAL")
data = BarDataWrangler(kind, stock).process(bars.tz_localize("UTC").round(2))


class Follow(Strategy):
    def __init__(self):
        super().__init__(StrategyConfig())
        self.number, self.have = 0, 0.0

    def on_start(self):
        self.subscribe_bars(kind)

    def on_bar(self, bar):
        want, self.number = wanted[self.number], self.number + 1
        if want != self.have:
            self.have = want
            side = OrderSide.BUY if want else OrderSide.SELL
            self.submit_order(self.order_factory.market(stock.id, side, stock.make_qty(100)))


times = []
for _ in range(int(sys.argv[2])):
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("SIM"), OmsType.NETTING, AccountType.MARGIN, [Money(10_000_000, USD)], base_currency=USD)
    engine.add_instrument(stock)
    engine.add_strategy(Follow())
    start = time.process_time()
    engine.add_data(data)
    engine.run()
    times.append(time.process_time() - start)
    fills = len(engine.trader.generate_order_fills_report())
    engine.dispose()
print(fills, statistics.median(times))
"""


def nautilus(python: str, bars: pd.DataFrame, target: pd.Series, rounds: int) -> dict[str, Any]:
    "Run nautilus_trader in its own environment."
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bars.parquet"
        table = bars[["open", "high", "low", "close", "volume"]].assign(target=target)
        table.attrs = {}
        table.to_parquet(file)
        call = [python, "-c", NAUTILUS, str(file), str(rounds)]
        said = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()
    fills, seconds = int(said[-2]), float(said[-1])
    result = ours(bars, target)
    assert fills == len(result.fills) + (result.pending is not None), (fills, len(result.fills))
    return {
        "orders": fills,
        "seconds": round(seconds, 5),
        "bars_a_second": round(len(bars) / seconds),
        "us_an_order": round(seconds / fills * 1e6, 2),
    }


def ours(bars: pd.DataFrame, target: pd.Series) -> at.Result:
    return event_backtest(bars, target, size="shares", unit=UNITS, fees=FEES, cash=CASH)


def theirs(bars: pd.DataFrame, target: pd.Series) -> Callable[[], Any]:
    "Prepare backtesting.py; what comes back runs it."
    from backtesting import Backtest, Strategy

    wanted = target.tolist()

    class Follow(Strategy):
        def init(self) -> None:
            self.have = 0.0

        def next(self) -> None:
            want = wanted[len(self.data) - 1]
            if want != self.have:
                self.have = want
                if want:
                    self.buy(size=int(UNITS))
                else:
                    self.position.close()

    table = bars.set_axis([name.title() for name in bars.columns], axis=1)

    def run() -> Any:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return Backtest(table, Follow, cash=CASH, commission=FEES).run()

    return run


def in_turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    "Median seconds of each, taking turns."
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def minutes(count: int) -> pd.DataFrame:
    "Bars of a seeded random walk."
    rng = np.random.default_rng(20_261_122)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.001, count)))
    opened = np.concatenate([[50.0], close[:-1]]) * np.exp(rng.normal(0, 0.0003, count))
    prices = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
    }
    index = pd.date_range("1990-01-01", periods=count, freq="min", name="time", unit="ns")
    return pd.DataFrame(prices | {"volume": 1e6}, index=index)


def compare(bars: pd.DataFrame, target: pd.Series, rounds: int) -> dict[str, Any]:
    "Assert that both come to the same, then time both."
    other = theirs(bars, target)
    result, stats = ours(bars, target), other()
    closed = result.trades[~result.trades["open"]]
    assert len(closed) == stats["# Trades"], (len(closed), stats["# Trades"])
    assert np.isclose(result.equity.iloc[-1], stats["Equity Final [$]"], rtol=1e-9)
    books = Ledger()
    event_backtest(bars, target, size="shares", unit=UNITS, fees=FEES, cash=CASH, ledger=books)
    assert trial_balance(books) == 0 and len(books.entries) == 1 + len(result.fills)
    seconds = in_turns({"ours": lambda: ours(bars, target), "backtesting.py": other}, rounds)
    fills = len(result.fills)
    return {
        "bars": len(bars),
        "orders": fills,
        "ours_s": round(seconds["ours"], 5),
        "backtesting.py_s": round(seconds["backtesting.py"], 5),
        "ours_bars_a_second": round(len(bars) / seconds["ours"]),
        "backtesting.py_bars_a_second": round(len(bars) / seconds["backtesting.py"]),
        "ours_us_an_order": round(seconds["ours"] / fills * 1e6, 2),
        "backtesting.py_us_an_order": round(seconds["backtesting.py"] / fills * 1e6, 2),
        "times_faster": round(seconds["backtesting.py"] / seconds["ours"], 2),
    }


def growth(count: int, rounds: int) -> dict[str, Any]:
    "Time an order at every bar, for this many bars."
    bars = minutes(count)
    target = pd.Series(np.tile([1.0, 0.5], count // 2), index=bars.index)
    result = event_backtest(bars, target)
    assert len(result.fills) == count - 1
    fast = at.backtest(bars, target)
    assert np.abs(result.worth - fast.worth).max() < 0.005
    seconds = in_turns({"ours": lambda: event_backtest(bars, target)}, rounds)["ours"]
    return {
        "orders": count - 1,
        "seconds": round(seconds, 3),
        "us_an_order": round(seconds / (count - 1) * 1e6, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--nautilus", help="a python that has nautilus_trader")
    asked = parser.parse_args()
    quick = asked.quick
    load, spx, rounds = os.getloadavg()[0], at.load("SPX"), 3 if quick else ROUNDS
    dense = minutes(2_000 if quick else 20_000)
    flips = pd.Series(
        np.tile([0.0, 1.0], len(dense) // 2), index=dense.index
    )  # backtesting.py skips the first bar
    result = {
        "what": "event_backtest beside backtesting.py: bars and a target in, result out",
        "few": compare(spx, at.sma_cross(spx, 20, 100), rounds),
        "every_bar": compare(dense, flips, rounds),
        "growth": [
            growth(count, rounds if count < 1_000_000 else 1)
            for count in ((1_000, 2_000) if quick else (10_000, 100_000, 1_000_000))
        ],
        "bars_to_meet": {"few_times_faster": 2.0, "us_an_order": 10.0},
        "load_average_at_start": round(load, 1),
        "rounds": rounds,
        "versions": {name: version(name) for name in ("backtesting", "numpy", "pandas")},
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    if asked.nautilus:
        result["nautilus_few"] = nautilus(asked.nautilus, spx, at.sma_cross(spx, 20, 100), rounds)
        result["nautilus_every_bar"] = nautilus(asked.nautilus, dense, flips, rounds)
    text = json.dumps(result, indent=1)
    if not quick:
        Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
