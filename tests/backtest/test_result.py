"What a backtest hands over: trades from flat to flat, sums, and a record that comes back as it was."

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest import load_result
from alphatwin.backtest.result import Result
from alphatwin.backtest.trades import TRADE_COLUMNS, split_reversals

Table = Callable[..., pd.DataFrame]


def run(bars: pd.DataFrame, wishes: list[float], **options: object) -> Result:
    return at.backtest(bars, pd.Series(wishes, index=bars.index, dtype="float64"), **options)


# Trades on paper


def test_a_trade_runs_from_flat_to_flat(table: Table) -> None:
    # 100 shares at 10, sold at 12, no costs: a profit of 200 of 1,000.
    bars = table([10, 10, 11, 12, 13])
    trades = run(bars, [1, 1, 0, 0, 0], cash=1000.0).trades
    assert list(trades.columns) == TRADE_COLUMNS and len(trades) == 1
    trade = trades.iloc[0]
    assert (trade["entry_time"], trade["exit_time"]) == (bars.index[1], bars.index[3])
    assert (trade["entry_price"], trade["exit_price"]) == (10, 12)
    assert trade["shares"] == 100 and trade["direction"] == "long" and trade["bars"] == 2
    assert trade["profit"] == pytest.approx(200) and trade["return"] == pytest.approx(0.2)
    assert trade["fees"] == 0 and not trade["open"]


def test_a_trade_that_is_still_open_is_marked_at_the_last_close(table: Table) -> None:
    bars = table([10, 10, 11], [10, 10, 15])
    (trade,) = run(bars, [1, 1, 1], cash=1000.0).trades.itertuples(index=False)
    assert trade.open and trade.exit_time == bars.index[-1] and trade.exit_price == 15
    assert trade.profit == pytest.approx(500) and trade.bars == 1


def test_a_reversal_ends_one_trade_and_begins_the_next_and_the_fee_is_shared(table: Table) -> None:
    # Long half of 1,000 at 10 with no fee would be 50 shares; a fee of 10 % is charged on every value traded.
    bars = table([10, 10, 20, 10, 10])
    result = run(bars, [0.5, -0.5, 0, 0, 0], fees=0.1, cash=1000.0)
    trades, fills = result.trades, result.fills
    assert trades["direction"].tolist() == ["long", "short"] and len(fills) == 3
    # 0.5 x (1000 - n) = 10 n, so n = 1000 / 21; then turned around at 20.
    n = 1000 / 21
    m = -fills["held"][1]
    assert fills["held"][0] == pytest.approx(n) and m > 0
    assert trades["shares"].tolist() == pytest.approx([n, -m])
    assert trades["exit_time"][0] == trades["entry_time"][1] == bars.index[2]
    assert trades["fees"].tolist() == pytest.approx(
        [n + 2 * n, 2 * m + m]
    )  # a tenth of 10 and of 20; of 20 and of 10
    assert trades["profit"].tolist() == pytest.approx([10 * n - 3 * n, 10 * m - 3 * m])
    assert trades["fees"].sum() == pytest.approx(fills["fee"].sum())
    assert trades["bars"].tolist() == [1, 1] and not trades["open"].any()


def test_a_trade_may_grow_and_shrink_and_is_still_one(table: Table) -> None:
    # 0.5 of 1,000 at 10: 50. All in at 20 (1,500): 75. A third (of 2,250 at 30: 25), then out at 40.
    bars = table([10, 10, 20, 30, 40])
    result = run(bars, [0.5, 1, 1 / 3, 0, 0], cash=1000.0)
    assert result.fills["held"].tolist() == pytest.approx([50, 75, 25, 0])
    (trade,) = result.trades.itertuples(index=False)
    assert trade.shares == pytest.approx(75) and trade.bars == 3
    # bought 50 x 10 and 25 x 20, sold 50 x 30 and 25 x 40
    assert trade.profit == pytest.approx(1500 + 1000 - 500 - 500)
    assert (trade.entry_price, trade.exit_price) == (10, 40)


def test_a_short_trade(table: Table) -> None:
    (trade,) = run(table([10, 10, 8, 8]), [-1, 0, 0, 0], cash=1000.0).trades.itertuples(index=False)
    assert trade.direction == "short" and trade.shares == -100 and trade.profit == pytest.approx(200)


def test_fills_by_hand_are_cut_at_zero() -> None:
    # +10, -10, +8, -12 (through zero), +9 (through zero): five fills, four trades
    shares, fee = [10.0, -10.0, 8.0, -12.0, 9.0], [0.05, 0.06, 0.06, 0.12, 0.9]
    parts = split_reversals(pd.DataFrame({"shares": shares, "fee": fee, "held": np.cumsum(shares)}))
    assert parts["shares"].tolist() == [10, -10, 8, -8, -4, 4, 5]
    assert parts["fee"].tolist() == pytest.approx([0.05, 0.06, 0.06, 0.08, 0.04, 0.4, 0.5])
    assert parts["held"].tolist() == [10, 0, 8, 0, -4, 0, 5]
    assert parts["trade"].tolist() == [0, 0, 1, 1, 2, 2, 3]


@settings(max_examples=50)
@given(held=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.5]), min_size=1, max_size=20))
def test_trades_are_counted_as_one_would_by_walking_through_the_fills(
    table: Table, held: list[float]
) -> None:
    bars = table([10.0] * (len(held) + 1))
    wishes = [value / 4 for value in held]
    walked, before = 0, 0.0
    for value in wishes:
        walked += value != 0 and np.sign(value) != np.sign(before)
        before = value
    trades = run(bars, [*wishes, wishes[-1]]).trades
    assert len(trades) == walked
    assert trades["open"].sum() == (wishes[-1] != 0)
    assert trades["profit"].tolist() == pytest.approx([0.0] * walked, abs=1e-6)  # prices never moved


# Sums


def test_costs_stand_on_the_bar_that_paid_them(table: Table) -> None:
    bars = table([10, 10, 20, 20])
    result = run(bars, [1, 0, 0, 0], fees=0.1, slippage=0.1, cash=1210.0)
    assert result.costs.tolist() == pytest.approx([0, 210, 380, 0])  # 110 + 100, then 180 + 200
    assert result.costs.index.equals(bars.index)


def test_the_summary_on_paper(table: Table) -> None:
    bars = table([10, 10, 20, 20])
    result = run(bars, [1, 0, 0, 0], fees=0.1, cash=1100.0)  # 100 shares; 1,000, then 1,800
    got = result.summary(periods=4)  # four bars are one year
    metrics = list(at.summary(result.returns).index)
    assert list(got.index)[: len(metrics)] == metrics
    assert list(got.index)[len(metrics) :] == list(at.trade_summary(result).index)
    assert got["trade_hit_rate"] == 1 and got["holding_time"] == 1 and got["best_trade"] == got["worst_trade"]
    assert got["total_return"] == pytest.approx(1800 / 1100 - 1)
    assert got["trades"] == 1 and got["costs"] == pytest.approx(300)
    assert got["turnover"] == pytest.approx(1000 / 1100 + 2000 / 2000)  # value traded, as shares of equity
    assert got["exposure"] == pytest.approx(1 / 4)  # at one close of four, everything was invested
    assert result.summary(periods=2)["turnover"] == pytest.approx(got["turnover"] / 2)


def test_the_summary_hands_conventions_on(spx: pd.DataFrame) -> None:
    result = at.backtest(spx, at.sma_cross(spx))
    conventions = {"risk_free": 0.02, "periods": 250, "ddof": 0, "denominator": "downside"}
    got, metrics = result.summary(**conventions), at.summary(result.returns, **conventions)
    pd.testing.assert_series_equal(got[metrics.index], metrics, check_names=False, check_exact=True)
    with pytest.raises(TypeError, match="risk_fre"):
        result.summary(risk_fre=0.1)


def test_plot_draws_the_result(table: Table) -> None:
    bars = table([10, 10, 20, 20])
    result = run(bars, [1, 1, 1, 1])
    figure = result.plot(benchmark=at.backtest(bars, at.buy_and_hold).returns)
    assert [line.get_label() for line in figure.axes[0].lines] == ["benchmark", "strategy"]


# A record


def test_a_result_cannot_be_changed(table: Table) -> None:
    result = run(table([10, 11]), [1, 1])
    for name in ("equity", "pending", "trades", "something"):
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, None)
    with pytest.raises(FrozenInstanceError):
        del result.equity


def the_same(one: Result, other: Result) -> None:
    assert one == other and not (one != other)
    for name in ("equity", "returns", "positions", "fills", "close", "shares", "trades", "costs"):
        left, right = getattr(one, name), getattr(other, name)
        check = pd.testing.assert_series_equal if left.ndim == 1 else pd.testing.assert_frame_equal
        check(left, right, check_exact=True, check_freq=False)
    assert (one.parameters, one.pending, one.symbols) == (other.parameters, other.pending, other.symbols)
    pd.testing.assert_series_equal(one.summary(), other.summary(), check_exact=True)


@pytest.mark.parametrize("tz", [None, "UTC"])
@pytest.mark.parametrize("wishes", ["cross", "flat", "pending"])
def test_what_is_saved_comes_back_bit_for_bit(
    wishes: str, tz: str | None, market: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    bars = market(5, 60, tz)
    target = at.sma_cross(bars, 3, 10)
    target = {
        "cross": target,
        "flat": target * 0,
        "pending": target.where(bars.index != bars.index[-1], 0.7),
    }[wishes]
    result = at.backtest(bars, target, fees=0.001)
    result.save(tmp_path / "new" / "folder")
    the_same(load_result(tmp_path / "new" / "folder"), result)
    assert (wishes == "pending") == (result.pending == 0.7)
    result.save(str(tmp_path / "new" / "folder"))  # again, over it
    the_same(load_result(str(tmp_path / "new" / "folder")), result)


def test_the_files_repeat_byte_for_byte(table: Table, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(table([10, 11, 12]), [1, 0, 1], fees=0.001).save(tmp_path / name)
    for file in ("bars.parquet", "fills.parquet", "result.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    rest = json.loads((tmp_path / "one" / "result.json").read_text())
    assert rest["pending"] == 1.0 and rest["parameters"]["fees"] == 0.001


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no result.json; Result.save\(folder\) writes one"):
        load_result(tmp_path)


def test_a_result_is_what_it_says_and_nothing_hidden(table: Table) -> None:
    result = run(table([10, 11, 12]), [1, 0, 0])
    other = replace(result, parameters={"cash": 1.0})
    assert other != result and result.parameters["fill"] == "next_open"
    pd.testing.assert_frame_equal(other.trades, result.trades)
