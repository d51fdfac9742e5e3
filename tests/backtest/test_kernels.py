"The compiled loops on paper, several symbols, what is refused, and what must not change."

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest.costs import Fees, Slippage
from alphatwin.backtest.gate import due_of
from alphatwin.backtest.market import read_market
from alphatwin.backtest.reference import reference_backtest
from alphatwin.backtest.roads import is_plain
from alphatwin.backtest.rules import Rules

Refusal = Callable[..., str]
Table = Callable[..., pd.DataFrame]


def series(values: list[float], bars: pd.DataFrame) -> pd.Series:
    return pd.Series(values, index=bars.index, dtype="float64")


@pytest.fixture
def three(table: Table) -> pd.DataFrame:
    "Three symbols, five bars, prices that can be reckoned with in the head."
    frames = {
        "A": table([10, 10, 12, 12, 15]),
        "B": table([20, 20, 20, 25, 25]),
        "C": table([50, 50, 40, 40, 40]),
    }
    return pd.concat(frames, names=["symbol", "time"])


def weights(three: pd.DataFrame, rows: list[list[float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, three.index.unique("time"), ["A", "B", "C"], dtype="float64")


def wide(long: pd.DataFrame, *names: str) -> dict[str, pd.DataFrame]:
    return {name: long[name].unstack("symbol") for name in names}


# Several symbols on paper


def test_a_portfolio_by_hand(three: pd.DataFrame) -> None:
    # 1,200: a third each at 10, 20, 50 is 40, 20 and 8 shares. A rises to 12, C falls to 40: 480 + 400 + 320.
    result = at.backtest(three, weights(three, [[1 / 3] * 3] * 5), cash=1200.0)
    assert result.equity.tolist() == pytest.approx([1200, 1200, 1200, 1300, 1420], rel=1e-12)
    assert result.shares.iloc[-1].tolist() == pytest.approx([40, 20, 8])
    assert list(result.shares.columns) == ["A", "B", "C"] == list(result.close.columns)
    assert list(result.positions.columns) == ["money", "exposure", "net"]
    assert result.fills["symbol"].tolist() == ["A", "B", "C"] and result.fills["bar"].tolist() == [1, 1, 1]
    trades = result.trades
    assert trades["symbol"].tolist() == ["A", "B", "C"] and trades["open"].all()
    assert trades["profit"].tolist() == pytest.approx([200, 100, -80])


def test_a_change_in_one_column_brings_all_back_to_their_weights(three: pd.DataFrame) -> None:
    rows = [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, 0.25, 0], [0.5, 0.25, 0], [0.5, 0.25, 0]]
    result = at.backtest(three, weights(three, rows), cash=1000.0)
    # 50 A and 25 B. At the open of bar 3 they are worth 600 + 625 = 1,225: half is 612.50, a quarter 306.25.
    assert result.shares.iloc[3].tolist() == pytest.approx([612.5 / 12, 306.25 / 25, 0])
    assert result.fills["symbol"].tolist() == ["A", "B", "A", "B"]


def test_long_and_short_add_up_in_exposure_and_cancel_in_net(three: pd.DataFrame) -> None:
    result = at.backtest(three, weights(three, [[0.5, -0.5, 0]] * 5), cash=1000.0)
    assert result.positions["exposure"].iloc[1] == pytest.approx(1.0)
    assert result.positions["net"].iloc[1] == pytest.approx(0.0, abs=1e-15)
    assert result.trades["direction"].tolist() == ["long", "short"]


def test_the_three_shapes_of_bars_give_the_same(three: pd.DataFrame) -> None:
    goal = weights(three, [[0.2, 0.3, 0.1], [0.2, 0.3, 0.1], [0.5, 0, 0], [0.5, 0, 0], [0, 0, 0.9]])
    one = at.backtest(three, goal, fees=0.01)
    two = at.backtest(wide(three, "open", "close"), goal, fees=0.01)
    assert one == two
    mixed = three.swaplevel().sort_index().swaplevel()  # a row a time, symbols in turn
    assert at.backtest(mixed, goal, fees=0.01) == one
    turned = at.backtest(three, goal[["C", "A", "B"]], fees=0.01)  # columns are matched by name
    pd.testing.assert_series_equal(turned.equity, one.equity)


def test_rows_and_columns_in_memory_do_not_matter(three: pd.DataFrame) -> None:
    frames = wide(three, "close")
    goal = weights(three, [[0.2, 0.3, 0.1]] * 5)
    by_column = {"close": pd.DataFrame(np.asfortranarray(frames["close"]), goal.index, goal.columns)}
    same = {"fees": 0.01, "fill": "next_close", "rebalance": "every_bar"}
    one, two = at.backtest(frames, goal, **same), at.backtest(by_column, goal, **same)
    assert one.equity.tolist() == two.equity.tolist()


def test_one_symbol_as_a_table_of_one_is_one_symbol(spx: pd.DataFrame) -> None:
    target = at.sma_cross(spx, 20, 100) * 0.7
    long = pd.concat({"SPX": spx}, names=["symbol", "time"])
    one = at.backtest(spx, target, fees=0.001, rebalance="weekly")
    many = at.backtest(long, target.to_frame("SPX"), fees=0.001, rebalance="weekly")
    np.testing.assert_allclose(one.equity, many.equity, rtol=1e-12)
    assert len(one.fills) == len(many.fills) and len(one.trades) == len(many.trades)


def test_a_panel_comes_back_from_its_folder(three: pd.DataFrame, tmp_path: Path) -> None:
    goal = weights(three, [[0.2, 0.3, 0.1], [0.2, -0.3, 0.1], [0.5, 0, 0], [0.5, 0, 0], [0, 0, 0.9]])
    for name, rules in {"plain": {"fees": 0.001}, "full": {"fees": Fees(fixed=1), "stop_loss": 0.1}}.items():
        result = at.backtest(three, goal, **rules)
        result.save(tmp_path / name)
        again = at.load_result(tmp_path / name)
        assert again == result and result.pending == {"A": 0, "B": 0, "C": 0.9}
        pd.testing.assert_frame_equal(again.trades, result.trades)
        pd.testing.assert_frame_equal(again.shares, result.shares, check_freq=False)
        pd.testing.assert_series_equal(again.summary(), result.summary())


def test_contracts_with_tiers_come_back_from_their_folder(spx: pd.DataFrame, tmp_path: Path) -> None:
    fees = Fees(tiers=((5_000, 0.002), (math.inf, 0.001)))
    result = at.backtest(spx, at.buy_and_hold(spx), fees=fees, slippage=Slippage(half_spread=0.01))
    result.save(tmp_path)
    assert at.load_result(tmp_path) == result


# Symbols that come and go


def test_a_symbol_that_is_listed_later(three: pd.DataFrame) -> None:
    late = three.drop([("C", time) for time in three.index.unique("time")[:2]])
    goal = weights(three, [[0.5, 0, 0], [0.5, 0, 0], [0.5, 0, 0.5], [0.5, 0, 0.5], [0.5, 0, 0.5]])
    result = at.backtest(late, goal, cash=1000.0)
    expected, _ = reference_backtest(late, goal, cash=1000.0)
    np.testing.assert_allclose(result.equity, expected, rtol=1e-12)
    assert result.positions["exposure"].notna().all() and result.fills["symbol"].tolist() == ["A", "A", "C"]


def test_a_target_before_the_listing(three: pd.DataFrame, refusal: Refusal) -> None:
    late = three.drop([("C", time) for time in three.index.unique("time")[:2]])
    sentence = refusal(ValueError, at.backtest, late, weights(three, [[0.1] * 3] * 5))
    assert "C has no bar on 2024-01-01" in sentence and "0.0 where a symbol is not listed" in sentence


def test_a_symbol_that_ends_early_while_held(three: pd.DataFrame, refusal: Refusal) -> None:
    times = three.index.unique("time")
    ended = three.drop([("B", time) for time in times[3:]])
    held = weights(three, [[0.1, 0.5, 0], [0.1, 0.5, 0], [0.1, 0.5, 0], [0.1, 0, 0], [0.1, 0, 0]])
    sentence = refusal(ValueError, at.backtest, ended, held)
    assert "B ends on 2024-01-03" in sentence and "still held; set its target to 0.0 before" in sentence
    in_time = weights(three, [[0.1, 0.5, 0], [0.1, 0, 0], [0.1, 0, 0], [0.1, 0, 0], [0.1, 0, 0]])
    assert at.backtest(ended, in_time).shares["B"].tolist()[2:] == [0, 0, 0]


def test_a_hole_in_the_middle_of_a_position(three: pd.DataFrame, refusal: Refusal) -> None:
    hole = three.drop([("A", three.index.unique("time")[2])])
    goal = weights(three, [[0.5, 0, 0], [0.5, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert "A has no price on 2024-01-03" in refusal(ValueError, at.backtest, hole, goal)


# What is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda goal: goal.iloc[1:], ["4 values for 5 bars"]),
        (lambda goal: goal.set_axis(goal.index[::-1]), ["stamp"]),
        (lambda goal: goal[["A", "B"]], ["has the columns A, B"]),
        (lambda goal: goal.rename(columns={"C": "D"}), ["columns A, B, D"]),
        (lambda goal: goal.mask(goal.index.to_series() == goal.index[2]), ["nan"]),
        (lambda goal: goal * np.inf, ["inf"]),
        (lambda goal: goal > 0, ["bool"]),
        (lambda goal: goal["A"], ["must be a DataFrame"]),
        (lambda goal: goal * 5, ["2024-01-01", "leverage"]),
    ],
)
def test_targets_of_several_symbols_that_do_not_fit(
    change: Callable[..., Any], words: list[str], three: pd.DataFrame, refusal: Refusal
) -> None:
    goal = weights(three, [[0.2, 0.3, 0.1]] * 5)
    for bars in (three, wide(three, "open", "close")):
        sentence = refusal(ValueError, at.backtest, bars, change(goal))
        assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("price", [0.0, -3.0, np.inf])
@pytest.mark.parametrize("column", ["open", "close"])
def test_prices_of_several_symbols_that_are_none(
    price: float, column: str, three: pd.DataFrame, refusal: Refusal
) -> None:
    bad = three.copy()
    bad.loc[("B", "2024-01-04"), column] = price
    for goal in ([[0.2, 0.3, 0.1]] * 5, [[0.0] * 3] * 5):
        sentence = refusal(
            (at.BarsError if np.isinf(price) else ValueError), at.backtest, bad, weights(three, goal)
        )
        assert sentence.startswith("B") and "2024-01-04" in sentence and column in sentence


def test_long_tables_that_are_not_in_order(three: pd.DataFrame, refusal: Refusal) -> None:
    goal = weights(three, [[0.0] * 3] * 5)
    assert "B: 2024-01-02" in refusal(
        at.BarsError, at.backtest, three.iloc[[*range(7), 6, *range(7, 15)]], goal
    )
    assert "not in order" in refusal(at.BarsError, at.backtest, three.iloc[[1, 0, *range(2, 15)]], goal)
    assert "no column open" in refusal(at.BarsError, at.backtest, three[["close"]], goal)
    assert "no rows" in refusal(at.BarsError, at.backtest, three.iloc[:0], goal)
    assert "no table open" in refusal(at.BarsError, at.backtest, wide(three, "close"), goal)


def test_more_than_one_has(table: Table, refusal: Refusal) -> None:
    bars = table([10, 11, 12])
    sentence = refusal(ValueError, at.backtest, bars, series([0, 1.5, 0], bars))
    assert "2024-01-02" in sentence and "1.5 times the equity" in sentence and "leverage=2" in sentence
    assert at.backtest(bars, series([0, 1.5, 0], bars), leverage=1.5).fills["target"].tolist() == [1.5]
    third = pd.Series(1 / 3 + 1 / 3 + 1 / 3 + 1e-12, bars.index)
    assert len(at.backtest(bars, third).fills) == 1  # rounding is no leverage


def test_an_order_larger_than_the_volume(table: Table, refusal: Refusal) -> None:
    bars = table([10, 10, 10]).assign(volume=50.0)
    bars.attrs["symbol"] = "XYZ"
    impact = Slippage(impact=0.1)
    sentence = refusal(ValueError, at.backtest, bars, series([1, 1, 1], bars), cash=1000.0, slippage=impact)
    assert "XYZ: the order on 2024-01-02" in sentence and "volume of 50" in sentence
    result = at.backtest(bars, series([0.1, 0.1, 0.1], bars), cash=1000.0, slippage=impact)
    paid = 10 * (1 + 0.1 * (result.fills["shares"][0] / 50) ** 2)
    assert result.fills["price"][0] == pytest.approx(paid, rel=1e-12)
    assert at.backtest(bars, series([1, 1, 1], bars), cash=1000.0).fills["shares"].tolist() == [100]


def test_a_barrel_of_oil_below_zero(table: Table, refusal: Refusal) -> None:
    bars = table([20, 20, -37.63, 12], [20, 18, -37.63, 13])
    bars.attrs["symbol"] = "WTI"
    ones = series([1, 1, 1, 1], bars)
    assert "WTI cannot be traded at -37.63 on 2024-01-03" in refusal(ValueError, at.backtest, bars, ones)
    result = at.backtest(bars, ones, size="shares", allow_negative=True, cash=100.0)
    assert result.equity.tolist() == pytest.approx([100, 98, 42.37, 93])
    late = series([0, 1, 0, 0], bars)
    sentence = refusal(ValueError, at.backtest, bars, late, allow_negative=True)
    assert "WTI cannot be sized on 2024-01-03" in sentence and "size='shares'" in sentence
    # Sold below zero: the seller pays, and slippage and fees still only cost.
    sold = at.backtest(
        bars,
        series([1, 0, 0, 0], bars),
        size="shares",
        allow_negative=True,
        cash=100.0,
        fees=0.01,
        slippage=0.01,
    )
    (bought, left) = sold.fills.itertuples()
    assert left.price == pytest.approx(-37.63 * 1.01) and left.fee == pytest.approx(0.01 * 37.63 * 1.01)
    assert bought.slippage > 0 and left.slippage > 0


def test_a_strategy_that_writes_into_its_bars(market: Callable[..., pd.DataFrame], refusal: Refusal) -> None:
    def forger(bars: pd.DataFrame) -> pd.Series:
        bars["close"] = bars["close"] * 2
        return pd.Series(1.0, index=bars.index)

    bars = market(3)
    before = bars.copy()
    assert "forger changes the bars" in refusal(ValueError, at.backtest, bars, forger)
    pd.testing.assert_frame_equal(bars, before)


def test_a_result_does_not_change_when_its_bars_are_written_to(market: Callable[..., pd.DataFrame]) -> None:
    bars = market(3).copy()
    target = pd.Series(1.0, index=bars.index)
    result = at.backtest(bars, target, fees=0.001)
    close, fills = bars["close"].copy(), at.backtest(bars, target, fees=0.001).fills
    bars.loc[:, ["open", "close"]] = 1.0
    bars.iloc[3] = 7.0
    target.iloc[:] = 0.0
    pd.testing.assert_series_equal(result.close, close, check_freq=False)
    pd.testing.assert_frame_equal(result.fills, fills)


def test_a_result_of_wide_tables_does_not_change_either(three: pd.DataFrame) -> None:
    frames, goal = wide(three, "open", "close"), weights(three, [[0.2, 0.3, 0.1]] * 5)
    result = at.backtest(frames, goal, fees=0.001)
    close, fills = frames["close"].copy(), at.backtest(three, goal, fees=0.001).fills
    for frame in (*frames.values(), goal):
        frame.iloc[:, :] = 1.0
    pd.testing.assert_frame_equal(result.close, close, check_freq=False)
    pd.testing.assert_frame_equal(result.fills, fills)


# Single conventions on paper


def test_whole_shares_are_rounded_toward_zero(table: Table) -> None:
    bars = table([30, 30, 30, 30])
    result = at.backtest(bars, series([1, -1, -1, -1], bars), cash=1000.0, whole_shares=True)
    assert result.fills["held"].tolist() == [33, -33]


def test_size_in_shares_and_in_cash(table: Table) -> None:
    bars = table([10, 20, 25, 40])
    shares = at.backtest(bars, series([2, 2, -1, 0], bars), size="shares", unit=5.0, cash=1000.0)
    assert shares.fills["held"].tolist() == [10, -5] and shares.fills["price"].tolist() == [20, 40]
    cash = at.backtest(bars, series([2, 2, 0, 0], bars), size="cash", unit=100.0, cash=1000.0)
    assert cash.fills["held"].tolist() == [10, 0]


def test_interest_and_the_fee_for_borrowed_shares(table: Table) -> None:
    bars = table([10, 10, 10, 10, 10, 10])  # Monday to Friday, and Monday: three days pass at the weekend
    earned = at.backtest(bars, series([0] * 6, bars), cash=1000.0, interest=0.0365)
    assert earned.equity.iloc[4] == pytest.approx(1000 * (1 + 0.0001) ** 4)
    assert earned.equity.iloc[5] == pytest.approx(1000 * (1 + 0.0001) ** 4 * (1 + 0.0003))
    owed = at.backtest(bars, series([-1] * 6, bars), cash=1000.0, borrow=0.365)
    assert owed.equity.tolist() == pytest.approx([1000, 1000, 999, 998, 997, 994])


def test_a_split_and_a_dividend(table: Table) -> None:
    bars = table([100, 100, 50, 50]).assign(split=[1.0, 1, 2, 1], dividend=[0.0, 0, 0, 1])
    for sign in (1, -1):
        result = at.backtest(bars, series([sign * 0.5] * 4, bars), cash=1000.0)
        assert result.shares.tolist() == [0, sign * 5, sign * 10, sign * 10]
        assert result.equity.tolist() == [1000, 1000, 1000, 1000 + sign * 10]
        (trade,) = result.trades.itertuples()
        assert trade.open and trade.profit == pytest.approx(0.0)


def test_actions_that_do_nothing_stay_on_the_plain_road(table: Table) -> None:
    bars = table([10, 11, 12]).assign(split=[1.0, 0, 1], dividend=0.0)
    assert is_plain(Rules(), read_market(bars, Rules()))
    assert not is_plain(Rules(), read_market(bars.assign(dividend=[0, 0.1, 0]), Rules()))


@pytest.mark.parametrize("rebalance", ["weekly", "monthly", "quarterly"])
@pytest.mark.parametrize("tz", [None, "UTC"])
def test_first_bars_of_weeks_months_and_quarters(rebalance: str, tz: str | None) -> None:
    time = pd.date_range("2019-12-20", "2021-02-01", freq="D" if tz is None else "7h", tz=tz)
    got = due_of(time, rebalance)
    code = {"weekly": "W", "monthly": "M", "quarterly": "Q"}[rebalance]
    period = time.tz_localize(None).to_period(code)
    assert got.tolist() == [True, *(period[1:] != period[:-1])]


# Room and order


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 29))
def test_the_past_of_a_panel_does_not_change_when_the_future_arrives(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    time = pd.DatetimeIndex(pd.bdate_range("2020-01-01", periods=30), name="time", freq=None)
    path = pd.DataFrame(50 * np.exp(rng.normal(0, 0.02, (30, 4)).cumsum(axis=0)), time, list("ABCD"))
    goal = pd.DataFrame(rng.uniform(-0.25, 0.25, (30, 4)), time, list("ABCD"))
    rules: dict[str, Any] = {"fees": 0.001, "fill": "next_close"}
    for more in ({}, {"interest": 0.02}):
        whole = at.backtest({"close": path}, goal, **rules, **more)
        early = at.backtest({"close": path.iloc[:cut]}, goal.iloc[:cut], **rules, **more)
        np.testing.assert_array_equal(whole.equity.to_numpy()[:cut], early.equity.to_numpy())


def test_thousands_of_fills_in_a_log_that_has_to_grow(spx: pd.DataFrame) -> None:
    target = pd.Series(np.resize([0.2, 0.7], len(spx)), spx.index)
    result = at.backtest(spx, target, fees=Fees(fixed=0.01))
    assert len(result.fills) == len(spx) - 1
    assert result.fills["bar"].tolist() == list(range(1, len(spx)))


def test_a_symbol_that_is_where_it_should_be_is_left_alone(three: pd.DataFrame) -> None:
    # A's price does not move between the two rows, so only B is bought and A is not sold to pay B's fee.
    goal = weights(three, [[0.5, 0, 0], [0.5, 0.3, 0], [0.5, 0.3, 0], [0.5, 0.3, 0], [0.5, 0.3, 0]])
    flat = three.assign(open=10.0, close=10.0, high=10.0, low=10.0)
    result = at.backtest(flat, goal, fees=0.01)
    expected, entries = reference_backtest(flat, goal, fees=0.01)
    assert result.fills["symbol"].tolist() == ["A", "B"] and len(entries) == 2
    np.testing.assert_allclose(result.equity, expected, rtol=1e-14)
