"Statistics of trades beside vectorbt and backtesting.py; costs beside runs; capacity by trading it."

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from peers import CASH, RULES, quietly, run_vectorbt

import alphatwin as at
from alphatwin.backtest.trading import TRADING, cost_parts
from alphatwin.metrics.activity import capacity, participation, time_in_market
from alphatwin.metrics.break_even import break_even_cost, cost_curve
from alphatwin.metrics.trade_stats import TRADE_METRICS, trade_stats_of

Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def bars(spx: pd.DataFrame) -> pd.DataFrame:
    return spx


# Independent programs


@pytest.mark.parametrize("fees", [0.0, 0.001])
@pytest.mark.parametrize("rule", ["cross of averages", "reversion, long and short"])
def test_as_vectorbt_counts_money(rule: str, fees: float, bars: pd.DataFrame) -> None:
    target = RULES[rule](bars)
    run = run_vectorbt(bars, target, fees, "next_open")
    ours = at.trade_summary(at.backtest(bars, target, fees=fees), by="profit")
    theirs = run.positions
    assert ours["trades"] == theirs.count() > 20
    assert ours["trade_hit_rate"] == pytest.approx(theirs.win_rate(), rel=1e-12)
    assert ours["trade_profit_factor"] == pytest.approx(theirs.profit_factor(), rel=1e-8)
    assert ours["trade_expectancy"] == pytest.approx(theirs.expectancy(), rel=1e-8)
    assert ours["best_trade"] == pytest.approx(theirs.pnl.max(), rel=1e-8)
    assert ours["worst_trade"] == pytest.approx(theirs.pnl.min(), rel=1e-8)
    # It counts one bar more for a trade that is still open
    closed = at.trade_summary(at.backtest(bars, target, fees=fees), open_trades=False)
    assert closed["holding_time"] == pytest.approx(np.mean(theirs.closed.duration.values), abs=1e-9)
    wins, losses = theirs.winning.pnl.mean(), theirs.losing.pnl.mean()
    assert ours["trade_payoff_ratio"] == pytest.approx(wins / -losses, rel=1e-8)


def test_as_backtesting_counts_prices(bars: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
    target = RULES["cross of averages"](bars)
    wanted = np.r_[0.0, target]

    class Follow(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            bar = len(self.data) - 1
            if wanted[bar] != wanted[bar - 1]:
                self.buy() if wanted[bar] else self.position.close()

    table = pd.concat([bars.iloc[:1].set_axis(bars.index[:1] - pd.Timedelta(days=1)), bars])
    table.columns = [name.title() for name in table.columns]
    table[["Open", "High", "Low", "Close"]] *= 1e-10
    with quietly():
        stats = Backtest(table, Follow, cash=CASH, exclusive_orders=True, finalize_trades=False).run()
    result = at.backtest(bars, target)
    trades = result.trades[~result.trades["open"]]
    theirs = stats["_trades"]
    assert len(theirs) == len(trades) > 20 and (theirs["EntryTime"].to_numpy() == trades["entry_time"]).all()
    # It counts exit price over entry price
    priced = trades.assign(**{"return": trades["exit_price"] / trades["entry_price"] - 1})
    ours = trade_stats_of(priced)
    assert 100 * ours["trade_hit_rate"] == pytest.approx(stats["Win Rate [%]"], rel=1e-12)
    assert ours["trade_profit_factor"] == pytest.approx(stats["Profit Factor"], rel=1e-9)
    assert 100 * ours["trade_expectancy"] == pytest.approx(stats["Expectancy [%]"], rel=1e-9)
    assert 100 * ours["best_trade"] == pytest.approx(stats["Best Trade [%]"], rel=1e-9)
    assert 100 * ours["worst_trade"] == pytest.approx(stats["Worst Trade [%]"], rel=1e-9)
    assert ours["holding_time"] == pytest.approx((theirs["ExitBar"] - theirs["EntryBar"]).mean())
    # Its exposure counts the bar of each exit as well, and its first row is not ours
    held = result.positions["exposure"][: trades["exit_time"].iloc[-1]]
    inside = time_in_market(held) * len(held) + len(trades)
    assert 100 * inside / len(table) == pytest.approx(stats["Exposure Time [%]"], rel=1e-9)


# Costs


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fees", [0.0, 0.0005, 0.001, 0.003])
def test_the_curve_is_the_run_at_its_own_costs_and_near_it_elsewhere(
    rule: str, fees: float, bars: pd.DataFrame
) -> None:
    target = RULES[rule](bars)
    run = at.backtest(bars, target, fees=fees)
    parts = cost_parts(run)
    own = cost_curve(parts, [1e4 * fees]).iloc[0]
    assert own == pytest.approx(run.equity.iloc[-1] / CASH - 1, rel=1e-9)
    again = at.backtest(bars, target, fees=0.001).equity.iloc[-1] / CASH
    assert 1 + cost_curve(parts, [10.0]).iloc[0] == pytest.approx(again, rel=0.005)


@pytest.mark.parametrize(("fast", "slow", "within"), [(10, 50, 0.02), (20, 100, 0.02), (50, 200, 0.05)])
def test_break_even_to_first_order_and_by_running_again(
    fast: int, slow: int, within: float, spx: pd.DataFrame
) -> None:
    target = at.sma_cross(spx, fast, slow)
    first = at.trade_summary(at.backtest(spx, target))["break_even_cost"]
    again = at.break_even_again(spx, target)
    assert first == pytest.approx(again, rel=within) and first != again
    assert at.backtest(spx, target, fees=again / 1e4).equity.iloc[-1] == pytest.approx(CASH, rel=1e-9)


def test_slippage_is_a_cost_as_well(bars: pd.DataFrame) -> None:
    target = RULES["cross of averages"](bars)
    free, dear = at.backtest(bars, target), at.backtest(bars, target, fees=0.0005, slippage=0.0005)
    gross = [float(np.log1p(cost_parts(run)["gross"]).sum()) for run in (free, dear)]
    assert gross[1] == pytest.approx(gross[0], abs=2e-3)  # Taken out, both are the same rule
    assert np.log(dear.equity.iloc[-1]) < np.log(free.equity.iloc[-1]) - 0.05


def test_what_loses_before_costs_has_none(spx: pd.DataFrame) -> None:
    target = at.sma_cross(spx, 5, 20)
    assert at.trade_summary(at.backtest(spx, target))["break_even_cost"] < 0
    assert np.isnan(at.break_even_again(spx, target))
    assert np.isnan(break_even_cost(cost_parts(at.backtest(spx, 0 * target))))


# Capacity


def test_capacity_is_the_money_at_which_an_order_is_no_longer_filled_at_once() -> None:
    days = pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=6), freq=None, name="time").as_unit("ns")
    price = pd.Series([10.0, 10, 11, 12, 10, 10], days)
    table = {name: price for name in ("open", "high", "low", "close")}
    bars = pd.DataFrame(table | {"volume": [1e6, 4e5, 3e5, 8e5, 6e5, 1e6]}, days)
    target = pd.Series([1.0, 1, 0, 1, 0, 0], days)
    found = capacity(at.backtest(bars, target, cash=1_000).fills, bars["volume"], limit=0.05)
    # A buy of 1/10 of the equity at the first fill: 0.05 x 400,000 shares at 10
    assert found == pytest.approx(200_000)

    def bars_needed(cash: float) -> int:
        run = at.event_backtest(bars, target, cash=cash, participation=0.05)
        return int(run.fills["bar"].nunique()), len(run.fills)

    inside, beyond = bars_needed(0.999 * found), bars_needed(1.01 * found)
    assert inside == (4, 4) and beyond[1] > 4


def test_participation_of_several_symbols(market: Callable[..., pd.DataFrame]) -> None:
    one, two = market(1, 80), market(2, 80)
    bars = pd.concat({"A": one, "B": two}, names=["symbol", "time"])
    target = pd.DataFrame({"A": 0.5 * at.sma_cross(one, 3, 9), "B": 0.5 * at.sma_cross(two, 3, 9)})
    result = at.backtest(bars, target)
    volume = bars["volume"].unstack("symbol")
    part = participation(result.fills, volume)
    for row, fill in enumerate(result.fills.itertuples()):
        known = (one if fill.symbol == "A" else two).loc[fill.time, "volume"]
        assert part.iloc[row] == pytest.approx(abs(fill.shares) / known)
    found = at.trade_summary(result, bars, limit=0.1)
    assert found["capacity"] == pytest.approx((result.fills["equity"] * 0.1 / part).min())
    assert list(found.index) == list(TRADING) and found.notna().all()
    alone = at.excursions(result.trades[result.trades["symbol"] == "A"], one)
    both = at.excursions(result.trades, bars)
    pd.testing.assert_frame_equal(both.loc[alone.index], alone)


# The summary


def test_without_bars_the_names_that_need_them_are_missing(bars: pd.DataFrame) -> None:
    result = at.backtest(bars, RULES["cross of averages"](bars))
    short = at.trade_summary(result)
    assert list(short.index) == list(TRADING)[:-3] and list(short.index)[: len(TRADE_METRICS)] == list(
        TRADE_METRICS
    )
    pd.testing.assert_series_equal(at.trade_summary(result, bars)[short.index], short)
    half = at.trade_summary(result, periods=126)
    assert half["turnover"] == pytest.approx(short["turnover"] / 2)


def test_open_trades_count_unless_told(bars: pd.DataFrame) -> None:
    result = at.backtest(bars, RULES["buy and hold"](bars))
    assert at.trade_summary(result)["trades"] == 1
    closed = at.trade_summary(result, open_trades=False)
    assert closed["trades"] == 0 and np.isnan(closed["trade_hit_rate"]) and np.isnan(closed["holding_time"])


def test_bars_of_another_time_are_refused(bars: pd.DataFrame, refusal: Refusal) -> None:
    result = at.backtest(bars, RULES["cross of averages"](bars))
    sentence = refusal(ValueError, at.trade_summary, result, bars.iloc[-100:])
    assert "bars do not cover the trade that began at" in sentence
