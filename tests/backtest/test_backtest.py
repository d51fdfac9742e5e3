"The backtest on paper: fills, costs, shorts, reversals, what is pending, and what is refused."

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest.account import Account, Position, solve_row
from alphatwin.backtest.reference import reference_backtest
from alphatwin.backtest.rules import Rules

Refusal = Callable[..., str]
Table = Callable[..., pd.DataFrame]


def series(values: list[float], bars: pd.DataFrame) -> pd.Series:
    return pd.Series(values, index=bars.index, dtype="float64")


def both(bars: pd.DataFrame, wishes: list[float], **options: Any) -> tuple[list[float], list[float]]:
    "The equity of the fast engine and of the plain one."
    fast = at.backtest(bars, series(wishes, bars), **options)
    slow, _ = reference_backtest(bars, series(wishes, bars), **options)
    return fast.equity.tolist(), slow.tolist()


# On paper. Prices are chosen so that every step can be done in the head.


def test_bought_at_the_next_open_with_the_fee_inside_the_cash(table: Table) -> None:
    # 1,000 buys 90 shares at 11 and pays one per cent: 1,000 / (11 x 1.01) = 90.009 shares.
    bars = table([10, 11, 12, 14], [10, 12, 13, 13])
    n = 1000 / 11.11
    for equity in both(bars, [1, 1, 0, 0], fees=0.01, cash=1000.0):
        assert equity == pytest.approx([1000, n * 12, n * 13, n * 14 * 0.99], rel=1e-12)


def test_slippage_makes_the_price_worse_and_the_fee_is_on_that_price(table: Table) -> None:
    # Bought at 10 x 1.1 = 11 with a fee of 10 %: 12.1 a share, so 1,210 buys 100. Sold at 20 x 0.9 = 18, less 10 %: 16.2.
    bars = table([10, 10, 20], [10, 10, 20])
    for equity in both(bars, [1, 0, 0], fees=0.1, slippage=0.1, cash=1210.0):
        assert equity == pytest.approx([1210, 1000, 1620], rel=1e-12)
    fills = at.backtest(bars, series([1, 0, 0], bars), fees=0.1, slippage=0.1, cash=1210.0).fills
    assert fills["price"].tolist() == pytest.approx([11, 18]) and fills["shares"].tolist() == pytest.approx(
        [100, -100]
    )
    assert fills["fee"].tolist() == pytest.approx([110, 180]) and fills["slippage"].tolist() == pytest.approx(
        [100, 200]
    )


def test_half_invested(table: Table) -> None:
    # 1,000 at 10: 50 shares and 500. At 12 that is 1,100; sold at 14 it is 1,200.
    bars = table([10, 10, 14], [10, 12, 9])
    for equity in both(bars, [0.5, 0, 0], cash=1000.0):
        assert equity == pytest.approx([1000, 1100, 1200], rel=1e-12)


def test_a_short_position_earns_when_prices_fall(table: Table) -> None:
    # Half of 1,000 sold short at 10: 50 shares owed, 1,500 in cash. At 8 the debt is 400: 1,100.
    bars = table([10, 10, 8], [10, 8, 7])
    for equity in both(bars, [-0.5, 0, 0], cash=1000.0):
        assert equity == pytest.approx([1000, 1100, 1100], rel=1e-12)
    result = at.backtest(bars, series([-0.5, -0.5, -0.5], bars), cash=1000.0)
    assert result.positions["shares"].tolist() == [0, -50, -50]
    assert result.positions["money"].tolist() == [1000, 1500, 1500]
    assert result.positions["exposure"].tolist() == pytest.approx([0, -400 / 1100, -350 / 1150])


def test_a_short_position_with_a_fee(table: Table) -> None:
    # n shares at 10, fee 10 %: equity left is 1,000 - n, and 10 n is half of it: n = 1000 / 21.
    bars = table([10, 10, 8], [10, 10, 8])
    n = 1000 / 21
    for equity in both(bars, [-0.5, 0, 0], fees=0.1, cash=1000.0):
        assert equity == pytest.approx([1000, 1000 - n, 1000 + 9 * n - 8.8 * n], rel=1e-12)


def test_a_reversal_trades_through_zero_at_once(table: Table) -> None:
    # 100 shares at 10. At 12 there are 1,200: sold 200, so that 100 are owed. At 9 that is 1,500.
    bars = table([10, 10, 12, 9], [10, 11, 12, 9])
    for equity in both(bars, [1, -1, -1, -1], cash=1000.0):
        assert equity == pytest.approx([1000, 1100, 1200, 1500], rel=1e-12)
    fills = at.backtest(bars, series([1, -1, -1, -1], bars), cash=1000.0).fills
    assert fills["shares"].tolist() == pytest.approx([100, -200]) and fills["held"].tolist() == pytest.approx(
        [100, -100]
    )


def test_rebalancing_at_every_bar_brings_the_position_back_to_its_share(table: Table) -> None:
    # Half of 1,000 at 10: 50 shares. At 20: equity 1,500, half is 37.5 shares. At 10 again: 750 + 375 = 1,125.
    bars = table([10, 10, 20, 10], [10, 10, 20, 10])
    for equity in both(bars, [0.5] * 4, cash=1000.0, rebalance="every_bar"):
        assert equity == pytest.approx([1000, 1000, 1500, 1125], rel=1e-12)
    for equity in both(bars, [0.5] * 4, cash=1000.0):
        assert equity == pytest.approx([1000, 1000, 1500, 1000], rel=1e-12)


def test_the_three_fills_on_paper(table: Table) -> None:
    # Decided at the close of the first bar, at 10. Then 11 at the open and 12 at the close, and 24 at the end.
    bars = table([9, 11, 13], [10, 12, 24])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = {
            fill: both(bars, [1, 1, 1], cash=1320.0, fill=fill)[0]
            for fill in ("next_open", "next_close", "same_close")
        }
    assert got["next_open"] == pytest.approx([1320, 1440, 2880], rel=1e-12)  # 120 shares
    assert got["next_close"] == pytest.approx([1320, 1320, 2640], rel=1e-12)  # 110 shares
    assert got["same_close"] == pytest.approx([1320, 1584, 3168], rel=1e-12)  # 132 shares


def test_buy_and_hold_is_the_index_from_the_first_fill_on(spx: pd.DataFrame) -> None:
    result = at.backtest(spx, at.buy_and_hold(spx))
    expected = 100_000 * spx["close"].iloc[1:] / spx["open"].iloc[1]
    np.testing.assert_allclose(result.equity.iloc[1:], expected, rtol=1e-12)
    assert result.equity.iloc[0] == 100_000 and result.returns.iloc[0] == 0
    assert len(result.fills) == 1 and result.fills["decided"][0] == spx.index[0]


def test_a_fill_is_decided_one_bar_before_and_never_earlier_known(spx: pd.DataFrame) -> None:
    target = at.sma_cross(spx, 20, 100)
    fills = at.backtest(spx, target).fills
    place = spx.index.get_indexer(fills["decided"])
    assert (fills["bar"] == place + 1).all() and (spx.index[fills["bar"]] == fills["time"]).all()
    assert (fills["target"].to_numpy() == target.to_numpy()[place]).all()
    np.testing.assert_allclose(fills["price"], spx["open"].to_numpy()[place + 1], rtol=1e-15)


def test_doing_nothing_costs_nothing(table: Table) -> None:
    bars = table([10, 20, 5])
    result = at.backtest(bars, series([0, 0, 0], bars), fees=0.1, slippage=0.1)
    assert result.equity.tolist() == [100_000] * 3 and len(result.fills) == 0 and len(result.trades) == 0
    assert result.summary()[["trades", "turnover", "exposure", "costs"]].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("wishes", "pending"),
    [([1, 1, 0], 0.0), ([0, 0, 1], 1.0), ([1, 1, 1], None), ([0, 0, 0], None), ([0, 1, -0.5], -0.5)],
)
def test_what_was_decided_on_the_last_bar_is_pending(
    wishes: list[float], pending: float | None, table: Table
) -> None:
    bars = table([10, 11, 12])
    assert at.backtest(bars, series(wishes, bars)).pending == pending
    assert at.backtest(bars, series(wishes, bars), fill="next_close").pending == pending
    with pytest.warns(UserWarning, match="nobody can"):
        assert at.backtest(bars, series(wishes, bars), fill="same_close").pending is None


def test_a_single_bar_can_only_decide(table: Table) -> None:
    bars = table([10])
    result = at.backtest(bars, series([1], bars))
    assert result.equity.tolist() == [100_000] and result.pending == 1.0 and len(result.fills) == 0


def test_the_same_close_is_warned_about_and_the_others_are_not(table: Table) -> None:
    bars = table([10, 11, 12])
    with pytest.warns(UserWarning, match="fill='same_close' trades at the price that decided the trade"):
        at.backtest(bars, series([1, 1, 1], bars), fill="same_close")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        at.backtest(bars, series([1, 1, 1], bars))
        at.backtest(bars, series([1, 1, 1], bars), fill="next_close")


def test_the_settings_are_on_record(spx: pd.DataFrame) -> None:
    result = at.backtest(spx, at.buy_and_hold(spx), fees=0.001, cash=5.0)
    assert result.parameters == {
        "fees": 0.001,
        "slippage": 0.0,
        "fill": "next_open",
        "cash": 5.0,
        "rebalance": "on_change",
        "size": "equity",
        "unit": 1.0,
        "whole_shares": False,
        "stop_loss": None,
        "take_profit": None,
        "trailing_stop": None,
        "interest": 0.0,
        "borrow": 0.0,
        "leverage": 1.0,
        "maintenance": 0.0,
        "allow_negative": False,
        "symbol": "SPX",
        "source": "sample",
        "adjust": "none",
    }


def test_whole_numbers_are_targets_too(table: Table) -> None:
    bars = table([10, 11, 12])
    whole = pd.Series([0, 1, 1], index=bars.index)
    assert at.backtest(bars, whole).equity.tolist() == at.backtest(bars, whole.astype(float)).equity.tolist()


def test_neither_bars_nor_target_are_changed(spx: pd.DataFrame) -> None:
    bars, target = spx.copy(), at.sma_cross(spx)
    before = target.copy()
    at.backtest(bars, target, fees=0.01)
    pd.testing.assert_frame_equal(bars, spx)
    pd.testing.assert_series_equal(target, before)


# Where the delay stands


@pytest.mark.parametrize(
    ("wishes", "fill", "rebalance", "decided", "filled", "left"),
    [
        ([1, 1, 0, 1], "next_open", "on_change", [0, 2], [1, 3], True),
        ([1, 1, 0, 0], "next_close", "on_change", [0, 2], [1, 3], False),
        ([1, 1, 0, 1], "same_close", "on_change", [0, 2, 3], [0, 2, 3], False),
        ([0, 1, 0.5, 0], "next_open", "every_bar", [1, 2], [2, 3], True),
        ([0, 1, 1, 0], "next_open", "every_bar", [1], [2], True),  # already where it should be
        ([0, 1, 0, 0], "next_open", "every_bar", [1, 2], [2, 3], False),
        ([0, 0, 0, 0], "next_open", "every_bar", [], [], False),
    ],
)
def test_which_bars_decide_and_which_fill(
    wishes: list[float],
    fill: str,
    rebalance: str,
    decided: list[int],
    filled: list[int],
    left: bool,
    table: Table,
) -> None:
    bars = table([10.0, 12.0, 9.0, 11.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = at.backtest(bars, series(wishes, bars), fill=fill, rebalance=rebalance)
    assert bars.index.get_indexer(result.fills["decided"]).tolist() == decided
    assert (result.fills["bar"].tolist(), result.pending is not None) == (filled, left)


# One fill, against the equation it is meant to solve


@given(
    shares=st.floats(-50, 100),
    money=st.floats(600, 5000),
    price=st.floats(0.5, 10),
    target=st.floats(-1, 2),
    fees=st.floats(0, 0.05),
    slippage=st.floats(0, 0.05),
)
def test_the_size_of_a_fill_solves_its_equation(
    shares: float, money: float, price: float, target: float, fees: float, slippage: float
) -> None:
    def miss(wish: float) -> float:
        "What the position is worth too much, once all costs are paid."
        traded = wish - shares
        paid = price * (1 + slippage * np.sign(traded))
        left = money - traded * paid - fees * abs(traded) * paid + wish * price
        return wish * price - target * left

    low, high = -1e6, 1e6  # the miss grows with the wish: halve the interval until it is small
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if miss(middle) < 0 else (low, middle)
    account, rules = Account(money, [Position(shares)]), Rules(fees=fees, slippage=slippage)
    (wish,) = solve_row([target], account, [price], [1e9], rules)
    assert wish == pytest.approx(low, rel=1e-8, abs=1e-7)


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fees": -0.001}, ["fees must be at least zero", "-0.001"]),
        ({"fees": 0.5}, ["fees must be a fraction from 0 to below 0.5", "0.5"]),
        ({"fees": 10}, ["ten basis points", "10"]),
        ({"fees": float("nan")}, ["fees", "nan"]),
        ({"slippage": 1}, ["slippage must be a fraction", "1"]),
        ({"cash": 0}, ["cash must be above zero", "0"]),
        ({"cash": -5}, ["cash must be at least zero", "-5"]),
        ({"cash": float("inf")}, ["cash", "inf"]),
        ({"cash": float("nan")}, ["cash", "nan"]),
        ({"fill": "open"}, ["fill must be one of next_open, next_close, same_close", "'open'"]),
        ({"rebalance": "yearly"}, ["rebalance must be one of on_change, every_bar", "'yearly'"]),
    ],
)
def test_costs_money_and_rules_that_make_no_sense(
    options: dict[str, Any], words: list[str], table: Table, refusal: Refusal
) -> None:
    bars = table([10, 11])
    sentence = refusal(ValueError, at.backtest, bars, series([1, 1], bars), **options)
    assert all(word in sentence for word in words), sentence


def test_a_typo_in_an_argument_is_refused_by_name(table: Table) -> None:
    bars = table([10, 11])
    with pytest.raises(TypeError, match="fee"):
        at.backtest(bars, series([1, 1], bars), fee=0.001)
    with pytest.raises(TypeError):
        at.backtest(bars, series([1, 1], bars), 0.001)


def test_what_is_not_bars(table: Table, refusal: Refusal) -> None:
    bars = table([10, 11, 12])
    target = series([1, 1, 1], bars)
    assert "expected Bars" in refusal(at.BarsError, at.backtest, "SPX", target)
    assert "not sorted" in refusal(at.BarsError, at.backtest, bars[::-1], target)
    assert "two rows for 2024-01-01" in refusal(at.BarsError, at.backtest, bars.iloc[[0, 0, 1]], target)
    assert "no column open" in refusal(at.BarsError, at.backtest, bars.drop(columns="open"), target)
    assert "no rows" in refusal(at.BarsError, at.backtest, bars.iloc[:0], target)
    bars.attrs["symbol"] = "ABC"
    bars.iloc[1, 3] = np.nan
    assert "ABC: close is nan on 2024-01-02" in refusal(at.BarsError, at.backtest, bars, target)


def test_columns_that_the_engine_does_not_read_may_have_holes(table: Table) -> None:
    bars = table([10, 11, 12])
    holes = bars.assign(volume=np.nan, high=np.nan)
    target = series([1, 1, 1], bars)
    assert at.backtest(holes, target).equity.tolist() == at.backtest(bars, target).equity.tolist()


@pytest.mark.parametrize("price", [0.0, -37.63])
def test_no_trade_at_a_price_that_is_not_positive(price: float, table: Table, refusal: Refusal) -> None:
    bars = table([10, price, 12], [10, 11, 12])
    bars.attrs["symbol"] = "OIL"
    sentence = refusal(ValueError, at.backtest, bars, series([1, 1, 1], bars))
    assert f"OIL cannot be traded at {price:g} on 2024-01-02" in sentence and "at.validate" in sentence
    # even where nothing is traded: a price is a price, or it is not
    assert "cannot be traded" in refusal(ValueError, at.backtest, bars, series([0, 1, 1], bars))


def test_ruin_names_the_day(table: Table, refusal: Refusal) -> None:
    # Short everything at 10; at 25 the debt is two and a half times what there was.
    bars = table([10, 10, 12, 25], [10, 12, 19, 25])
    sentence = refusal(ValueError, at.backtest, bars, series([-1] * 4, bars))
    assert "ruined on 2024-01-04" in sentence and "-50,000" in sentence and "short less" in sentence
    # Twice the money at 10; at 4.9 less than nothing is left. At the open it is noticed as well.
    bars = table([10, 10, 4, 20], [10, 10, 20, 20])
    sentence = refusal(ValueError, at.backtest, bars, series([2, 0, 0, 0], bars), leverage=2)
    assert "ruined on 2024-01-03" in sentence


@pytest.mark.parametrize("target", [1.0, None, "long", [1.0, 1.0]])
def test_what_is_neither_a_target_nor_a_strategy(target: object, table: Table, refusal: Refusal) -> None:
    assert "target must be a Series" in refusal(ValueError, at.backtest, table([10, 11]), target)


# Strategies to call


def test_a_strategy_gives_what_its_target_gives(spx: pd.DataFrame) -> None:
    called = at.backtest(spx, at.sma_cross, fees=0.001)
    given_target = at.backtest(spx, at.sma_cross(spx), fees=0.001)
    pd.testing.assert_frame_equal(called.fills, given_target.fills, check_exact=True)
    pd.testing.assert_series_equal(called.equity, given_target.equity, check_exact=True)


def tomorrow(bars: pd.DataFrame) -> pd.Series:
    return (bars["close"].shift(-1) > bars["close"]).astype("float64")


def ranked(bars: pd.DataFrame) -> pd.Series:
    return (bars["close"].rank(pct=True) < 0.5).astype("float64")  # by the rank among ALL closes


def normed(bars: pd.DataFrame) -> pd.Series:
    return ((bars["close"] - bars["close"].mean()) / bars["close"].std(ddof=0)).fillna(0.0).clip(-1, 1)


@pytest.mark.parametrize("strategy", [tomorrow, ranked, normed])
def test_a_strategy_that_sees_the_future_is_caught(
    strategy: Callable[..., pd.Series], aapl: pd.DataFrame, refusal: Refusal
) -> None:
    sentence = refusal(at.LookAheadError, at.backtest, aapl, strategy)
    assert sentence.startswith(f"{strategy.__name__} sees the future: at 20") and (
        "when only the bars up to" in sentence or "when other bars follow" in sentence
    )


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (lambda bars: at.sma_cross(bars).iloc[:-1], ["59 values for 60 bars"]),
        (lambda bars: at.sma_cross(bars).where(bars["close"] > 0).shift(), ["is nan at 2015-01-05"]),
        (lambda bars: at.sma_cross(bars).to_numpy(), ["must be a Series", "ndarray"]),
        (lambda bars: at.sma_cross(bars) > 0, ["bool"]),
        (lambda bars: None, ["must be a Series", "NoneType"]),
    ],
)
def test_a_strategy_that_returns_no_target(
    strategy: Callable[..., object], words: list[str], market: Callable[..., pd.DataFrame], refusal: Refusal
) -> None:
    sentence = refusal(ValueError, at.backtest, market(1), strategy)
    assert sentence.startswith("<lambda>") and all(word in sentence for word in words), sentence


def test_an_object_that_can_be_called_is_a_strategy(
    market: Callable[..., pd.DataFrame], refusal: Refusal
) -> None:
    class Always:
        def __init__(self, share: float) -> None:
            self.share = share

        def __call__(self, bars: pd.DataFrame) -> pd.Series:
            return pd.Series(self.share, index=bars.index)

    bars = market(1)
    assert at.backtest(bars, Always(0.5)).fills["target"].tolist() == [0.5]
    assert refusal(ValueError, at.backtest, bars, Always(float("nan"))).startswith("Always is nan")
