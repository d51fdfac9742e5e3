"""Four other backtesting engines, each made to follow the rule of `at.backtest`: one adapter per engine.

An adapter takes bars, a target, a fee (a fraction of the value traded) and a kind of fill, and hands back the
engine's own equity and shares at each close, and the figures that the engine reports of itself. Nothing of
our engine is used in here: sizes come from the other engine's own account, or from prices alone.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

import alphatwin as at

CASH = 100_000.0
PRICES = ("open", "high", "low", "close")
MINUTE = pd.Timedelta(minutes=1)


@dataclass(frozen=True)
class Run:
    "What an engine says became of the money."

    equity: pd.Series  # At each close
    held: pd.Series  # Shares at each close
    own: dict[str, float]  # final, trades, sharpe, max_drawdown as the engine itself reports them


# ---------------------------------------------------------------- rules and measures, the same for all


def buy_and_hold(bars: pd.DataFrame) -> pd.Series:
    "Everything, from the first bar on."
    return pd.Series(1.0, index=bars.index, name="target")


def cross(bars: pd.DataFrame) -> pd.Series:
    "Everything while the mean of 20 closes is above that of 100, nothing otherwise."
    return at.sma_cross(bars, fast=20, slow=100)


def reversion(bars: pd.DataFrame, most: float = 1.0) -> pd.Series:
    "Long below the lower of Bollinger's bands, short above the upper, out at the middle."
    close = bars["close"]
    middle, width = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    score = ((close - middle) / width).to_numpy()
    target = np.zeros(len(bars))
    for bar in range(1, len(bars)):
        was, now = target[bar - 1], score[bar]
        enters = -1.0 if now > 2 else 1.0 if now < -2 else 0.0  # NaN in the warm-up enters nothing
        target[bar] = enters or (was if was * now < 0 else 0.0)
    return pd.Series(most * target, index=bars.index, name="target")


def mixture(bars: pd.DataFrame) -> pd.Series:
    "A cross and a reversion at half the money each: positions grow, shrink and turn around."
    return 0.5 * cross(bars) + reversion(bars, 0.4)


RULES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "buy and hold": buy_and_hold,
    "cross of averages": cross,
    "reversion, long and short": reversion,
    "mixture, positions resized": mixture,
}


def apple() -> pd.DataFrame:
    "Apple from 2000 to 2013, with the split of February 2005 taken out."
    bars = at.load("AAPL").copy()
    before = bars.index < "2005-02-28"
    bars.loc[before, list(PRICES)] /= 2
    bars.loc[before, "volume"] *= 2
    return bars


def count_trades(held: pd.Series) -> int:
    "Trades from flat to flat: a position that turns around is a new one."
    side = np.sign(held.to_numpy())
    return int(((side != 0) & (side != np.r_[0.0, side[:-1]])).sum())


def measure(equity: pd.Series, held: pd.Series) -> dict[str, float]:
    "The four figures, by the same functions for every engine."
    returns = equity / equity.shift(fill_value=CASH) - 1
    return {
        "final": float(equity.iloc[-1]),
        "trades": count_trades(held),
        "sharpe": at.sharpe(returns),
        "max_drawdown": at.max_drawdown(returns),
    }


# ---------------------------------------------------------------- sizing


def traded(wanted: float, have: float, fees: float) -> float:
    "Value to trade, as a share of the equity before, so that `wanted` of the equity AFTER fees is held."
    side = np.sign(wanted - have)
    return (wanted - have) / (1 + fees * side * wanted)


def due(target: pd.Series) -> pd.Series:
    "Whether a bar's target is another than the one before it."
    return target != target.shift(fill_value=0.0)


def before_fees(target: pd.Series, price: pd.Series, fees: float, outlay: bool = False) -> pd.Series:
    """Translate shares of equity after fees to shares of equity before them; NaN where nothing is due.

    With `outlay`, to what is laid out, fee included: that is how bt counts. Uses prices alone: between two
    fills, a share w of equity becomes w m / (1 + w (m - 1)) when the price moves by a factor m.
    """
    said = pd.Series(np.nan, index=target.index)
    last, at_price = 0.0, np.nan
    for time in target.index[due(target)]:
        move = price[time] / at_price if last else 1.0
        have, wanted = last * move / (1 + last * (move - 1)), float(target[time])
        part = traded(wanted, have, fees)
        said[time] = (have + part * (1 + outlay * fees * np.sign(part))) if wanted else 0.0
        last, at_price = wanted, price[time]
    return said


def at_fill(bars: pd.DataFrame, target: pd.Series, fill: str) -> tuple[pd.Series, pd.Series]:
    "The target moved to the bar at which it is filled, and the prices of those fills."
    late = target if fill == "same_close" else target.shift(fill_value=0.0)
    return late, bars["open" if fill == "next_open" else "close"]


def two_rows(bars: pd.DataFrame, price: pd.Series) -> pd.DataFrame:
    "Each bar as two rows, at the price of its fills and at its close: what is traded is booked in between."
    first = pd.DataFrame(dict.fromkeys(PRICES, price), index=bars.index)
    second = pd.DataFrame(dict.fromkeys(PRICES, bars["close"]))
    second.index = bars.index + MINUTE
    return pd.concat([first, second]).sort_index().assign(volume=0.0)


# ---------------------------------------------------------------- vectorbt


def run_vectorbt(
    bars: pd.DataFrame, target: pd.Series, fees: float, fill: str, engine: str | None = None
) -> Any:
    "vectorbt fills on the bar of the order: targets come late by our delay, and as shares before fees."
    import vectorbt as vbt

    late, price = at_fill(bars, target, fill)
    return vbt.Portfolio.from_orders(
        bars["close"],
        size=before_fees(late, price, fees),
        size_type="targetpercent",
        price=price,
        fees=fees,
        init_cash=CASH,
        freq="1D",
        engine=engine,
    )


def by_vectorbt(
    bars: pd.DataFrame, target: pd.Series, fees: float, fill: str, engine: str | None = None
) -> Run:
    "What vectorbt makes of it, and says of it."
    run = run_vectorbt(bars, target, fees, fill, engine)
    returns = run.returns().vbt.returns(freq="1D", year_freq="252D")
    own = {
        "final": float(run.final_value()),
        "trades": int(run.positions.count()),
        "sharpe": float(returns.sharpe_ratio()),
        "max_drawdown": float(run.max_drawdown()),
    }
    return Run(run.value(), run.assets(), own)


# ---------------------------------------------------------------- bt


def by_bt(bars: pd.DataFrame, target: pd.Series, fees: float, fill: str) -> Run:
    "bt knows one price a date: each bar is two dates, and weights say what is laid out, fee included."
    import bt
    import ffn

    late, price = at_fill(bars, target, fill)
    rows = two_rows(bars, price)["close"].to_frame("X")
    weights = before_fees(late, price, fees, outlay=True).dropna().to_frame("X")
    strategy = bt.Strategy("peer", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()])
    run = bt.Backtest(
        strategy,
        rows,
        initial_capital=CASH,
        commissions=lambda shares, at_price: abs(shares) * at_price * fees,
        integer_positions=False,
        progress_bar=False,
    )
    run.run()
    closes = bars.index + MINUTE
    equity = pd.Series(run.strategy.values.loc[closes].to_numpy(), index=bars.index)
    if weights.empty:
        held = pd.Series(0.0, index=bars.index)
    else:
        held = pd.Series(run.strategy.positions["X"].loc[closes].to_numpy(), index=bars.index)
    # Its statistics on its curve, one value a day, with the row for the start that bt puts first.
    curve = run.strategy.prices.loc[run.strategy.prices.index[:1].union(closes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = ffn.PerformanceStats(curve)
        stats.set_riskfree_rate(0.0)
    own = {
        "final": float(run.strategy.value),
        "trades": np.nan,  # bt keeps fills and no trades
        "sharpe": float(stats.daily_sharpe),
        "max_drawdown": float(stats.max_drawdown),
    }
    return Run(equity, held, own)


# ---------------------------------------------------------------- backtrader


def by_backtrader(bars: pd.DataFrame, target: pd.Series, fees: float, fill: str) -> Run:
    "backtrader sizes at a close and fills later: here it orders at the open itself, and sizes by that open."
    import backtrader

    late, price = at_fill(bars, target, fill)
    at_open = fill == "next_open"
    rows = bars if at_open else two_rows(bars, price)
    wanted = dict(zip(late.index, zip(late, due(late), strict=True), strict=True))
    equity: list[float] = []
    held: list[float] = []

    class Follow(backtrader.Strategy):  # type: ignore[misc]
        def trade(self, now: float) -> None:
            goal, acts = wanted.get(pd.Timestamp(self.data.datetime.datetime(0)), (0.0, False))
            if not acts:
                return
            size = self.position.size
            if goal == 0:
                self.close()
                return
            money = self.broker.getcash() + size * now
            # A hair less: rounding must not leave the cash at -1e-12, which would refuse the order
            shares = traded(goal, size * now / money, fees) * money / now * (1 - 1e-13)
            (self.buy if shares > 0 else self.sell)(size=abs(shares))

        def next_open(self) -> None:
            self.trade(self.data.open[0])

        def next(self) -> None:
            if not at_open:
                self.trade(self.data.close[0])
            equity.append(self.broker.getvalue())
            held.append(self.position.size)

    engine = backtrader.Cerebro(stdstats=False, cheat_on_open=at_open)
    engine.broker.setcash(CASH)
    engine.broker.setcommission(commission=fees)
    engine.broker.set_checksubmit(False)
    engine.broker.set_coc(not at_open)
    engine.broker.set_coo(at_open)
    engine.addstrategy(Follow)
    engine.adddata(backtrader.feeds.PandasData(dataname=rows))
    days = backtrader.TimeFrame.Days
    engine.addanalyzer(
        backtrader.analyzers.SharpeRatio,
        _name="sharpe",
        timeframe=days,
        riskfreerate=0.0,
        annualize=True,
        stddev_sample=True,
    )
    engine.addanalyzer(backtrader.analyzers.DrawDown, _name="drawdown")
    engine.addanalyzer(backtrader.analyzers.TradeAnalyzer, _name="trades")
    run = engine.run()[0]
    step = 1 if at_open else 2
    own = {
        "final": float(engine.broker.getvalue()),
        "trades": int(run.analyzers.trades.get_analysis().total.total),
        "sharpe": float(run.analyzers.sharpe.get_analysis()["sharperatio"]),
        "max_drawdown": -run.analyzers.drawdown.get_analysis().max.drawdown / 100,
    }
    return Run(
        pd.Series(equity[step - 1 :: step], index=bars.index),
        pd.Series(held[step - 1 :: step], index=bars.index),
        own,
    )


# ---------------------------------------------------------------- backtesting.py


@contextmanager
def quietly() -> Iterator[None]:
    "Run backtesting.py without its progress bar and its warnings, such as that trades remain open."
    with warnings.catch_warnings(), patch("backtesting.backtesting._tqdm", lambda rows, **_: rows):
        warnings.simplefilter("ignore")
        yield


def import_backtesting() -> tuple[Any, Any]:
    "Import Backtest and Strategy as outside of a notebook: there, a logo with a random name would enter the page."
    hidden = {name: os.environ.pop(name) for name in ("JPY_PARENT_PID", "MPLBACKEND") if name in os.environ}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from backtesting import Backtest, Strategy
    finally:
        os.environ.update(hidden)
    return Backtest, Strategy


def geometric_sharpe(equity: pd.Series) -> float:
    "backtesting.py's Sharpe ratio: compounded return a year over the compounded deviation a year."
    day = equity / equity.shift(fill_value=CASH) - 1
    growth = 1 + day
    year = np.exp(np.log(growth).sum() / len(day)) ** 252
    squared = (day.var(ddof=1) + year ** (2 / 252)) ** 252
    return float((year - 1) / np.sqrt(squared - year**2))


def by_backtesting(bars: pd.DataFrame, target: pd.Series, fees: float, fill: str, unit: float = 1e-10) -> Run:
    """backtesting.py trades whole units: prices are scaled so that a unit is a ten-billionth of a share.

    All in, or all in short, at the next open is its own way, and left to it. Else each bar is two rows, the
    order is given in the first, filled at its price (`trade_on_close`), and booked before the second.
    """
    Backtest, Strategy = import_backtesting()

    plain = fill == "next_open" and bool(target.isin([-1.0, 0.0, 1.0]).all())
    late, price = at_fill(bars, target, fill)
    rows = bars[[*PRICES, "volume"]] if plain else two_rows(bars, price)
    # It calls a strategy from its second row on: a row before the first
    before = rows.iloc[:1].set_axis(rows.index[:1] - pd.Timedelta(days=1))
    table = pd.concat([before, rows])
    table[list(PRICES)] *= unit
    table.columns = [name.title() for name in table.columns]
    acts = target if plain else late
    wanted = dict(zip(acts.index, zip(acts, due(acts), strict=True), strict=True))

    class Follow(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            goal, acts = wanted.get(self.data.index[-1], (0.0, False))
            if not acts:
                return
            if goal == 0:
                self.position.close()
            elif plain:
                (self.buy if goal > 0 else self.sell)()  # Closes what there is, and takes all that is left
            else:
                now, units = self.data.Close[-1], sum(int(trade.size) for trade in self.trades)
                part = traded(goal, units * now / self.equity, fees)
                step = int(part * self.equity / now)  # Toward zero
                if step:
                    (self.buy if step > 0 else self.sell)(size=abs(step))

    with quietly():
        engine = Backtest(
            table,
            Follow,
            cash=CASH,
            commission=fees,
            trade_on_close=not plain,
            exclusive_orders=plain,
        )
        run = engine.run()
    curve = run["_equity_curve"]["Equity"]
    closes = bars.index if plain else bars.index + MINUTE
    flow = pd.Series(0.0, index=range(len(table)))
    open_now = run["_strategy"].trades
    for size, entry, exit_ in run["_trades"][["Size", "EntryBar", "ExitBar"]].itertuples(index=False):
        flow[entry] += size
        flow[exit_] -= size
    for trade in open_now:
        flow[trade.entry_bar] += trade.size
    held = flow.cumsum().set_axis(table.index).loc[closes] * unit
    own = {
        "final": float(run["Equity Final [$]"]),
        "trades": int(run["# Trades"]) + len(open_now),  # It counts closed ones
        "sharpe": float(run["Sharpe Ratio"]),
        "max_drawdown": float(run["Max. Drawdown [%]"]) / 100,
    }
    equity = pd.Series(curve.loc[closes].to_numpy(), index=bars.index)
    return Run(equity, held.set_axis(bars.index), own)


PEERS: dict[str, Callable[..., Run]] = {
    "vectorbt": by_vectorbt,
    "bt": by_bt,
    "backtrader": by_backtrader,
    "backtesting": by_backtesting,
}


def ours(
    bars: pd.DataFrame, target: pd.Series, fees: float, fill: str, **more: Any
) -> tuple[Any, dict[str, float]]:
    "Our result, and its four figures."
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*same_close")
        result = at.backtest(bars, target, fees=fees, fill=fill, cash=CASH, **more)
    return result, measure(result.equity, result.positions["shares"])


# ---------------------------------------------------------------- each in its own words, on a few bars


def small(opens: list[float], closes: list[float]) -> pd.DataFrame:
    "Bars of business days from 2024-01-01 on."
    time = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=len(opens)), freq=None, name="time")
    bars = pd.DataFrame({"open": opens, "close": closes}, index=time.as_unit("ns"), dtype="float64")
    high, low = bars.max(axis=1), bars.min(axis=1)
    return bars.assign(high=high, low=low, volume=1e6)[[*PRICES, "volume"]]


def say_vectorbt(bars: pd.DataFrame, size: list[float], **options: Any) -> pd.DataFrame:
    "`Portfolio.from_orders` with one size a bar (NaN for none): shares and equity at each close."
    import vectorbt as vbt

    options = {"size_type": "targetpercent", "init_cash": 1_000.0, "freq": "1D"} | options
    run = vbt.Portfolio.from_orders(bars["close"], size=np.array(size), **options)
    return pd.DataFrame({"shares": run.assets(), "equity": run.value()})


def say_bt(bars: pd.DataFrame, weights: list[float], fees: float = 0.0, **options: Any) -> pd.DataFrame:
    "`WeighTarget` and `Rebalance` on closes, one weight a bar (NaN for none): shares and equity."
    import bt

    table = pd.DataFrame({"X": weights}, index=bars.index).dropna()
    options = {"initial_capital": 1_000.0, "progress_bar": False} | options
    run = bt.Backtest(
        bt.Strategy("small", [bt.algos.WeighTarget(table), bt.algos.Rebalance()]),
        bars["close"].to_frame("X"),
        commissions=lambda shares, price: abs(shares) * price * fees,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of its statistics, when all is lost
        run.run()
    equity = run.strategy.values.loc[bars.index]
    return pd.DataFrame({"shares": run.strategy.positions["X"].loc[bars.index], "equity": equity})


def say_backtrader(
    bars: pd.DataFrame, orders: dict[int, Callable[[Any], object]], fees: float = 0.0, **options: Any
) -> pd.DataFrame:
    "What a strategy orders at each numbered bar: shares and equity at each close. Options are the broker's."
    import backtrader

    rows: list[tuple[float, float]] = []
    early = options.get("coo", False)

    class Small(backtrader.Strategy):  # type: ignore[misc]
        def order(self) -> None:
            orders.get(len(self.data) - 1, lambda _: None)(self)

        def next_open(self) -> None:
            self.order()

        def next(self) -> None:
            if not early:
                self.order()
            rows.append((self.position.size, self.broker.getvalue()))

    engine = backtrader.Cerebro(stdstats=False, cheat_on_open=early)
    engine.broker = backtrader.brokers.BackBroker(**({"cash": 1_000.0} | options))
    engine.broker.setcommission(commission=fees)
    engine.addstrategy(Small)
    engine.adddata(backtrader.feeds.PandasData(dataname=bars))
    engine.run()
    return pd.DataFrame(rows, index=bars.index, columns=["shares", "equity"])


def say_backtesting(
    bars: pd.DataFrame, orders: dict[int, Callable[[Any], object]], **options: Any
) -> tuple[pd.DataFrame, pd.Series]:
    "What a strategy orders at each numbered bar: shares and equity at each close, and its statistics."
    Backtest, Strategy = import_backtesting()
    rows: dict[pd.Timestamp, float] = {}

    class Small(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            orders.get(len(self.data) - 1, lambda _: None)(self)
            rows[self.data.index[-1]] = float(self.position.size)

    table = bars.set_axis([name.title() for name in bars.columns], axis=1)
    with quietly():
        stats = Backtest(table, Small, **({"cash": 1_000.0} | options)).run()
    held = pd.Series(rows).reindex(bars.index, fill_value=0.0)
    return pd.DataFrame({"shares": held, "equity": stats["_equity_curve"]["Equity"]}), stats
