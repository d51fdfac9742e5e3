"Trades, excursions, activity and break-even cost: on paper, by brute force, and what is refused."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.metrics import (
    before_costs,
    break_even_cost,
    capacity,
    cost_curve,
    exposure,
    holding_time,
    participation,
    time_in_market,
    trade_expectancy,
    trade_hit_rate,
    trade_payoff_ratio,
    trade_profit_factor,
    turnover,
)
from alphatwin.metrics.trade_stats import trade_stats_of

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]


def trades(gains: list[float], still: int = 0) -> pd.DataFrame:
    "Trades with these returns, the last `still` of them open; money is a thousand times the return."
    table = pd.DataFrame({"return": gains, "profit": 1_000 * np.array(gains)}, dtype="float64")
    return table.assign(
        bars=range(1, len(gains) + 1), open=[k >= len(gains) - still for k in range(len(gains))]
    )


def test_on_paper() -> None:
    some = trades([0.06, -0.02, -0.01, 0.03, 0.0])
    assert trade_hit_rate(some) == 0.4
    assert trade_payoff_ratio(some) == pytest.approx(3) and trade_profit_factor(some) == pytest.approx(3)
    uneven = trades([0.06, 0.02, -0.02])
    assert trade_payoff_ratio(uneven) == pytest.approx(2) and trade_profit_factor(uneven) == pytest.approx(4)
    assert trade_expectancy(some) == pytest.approx(0.012) and trade_expectancy(
        some, by="profit"
    ) == pytest.approx(12)
    assert holding_time(some) == 3
    assert trade_stats_of(some)[["best_trade", "worst_trade"]].tolist() == [0.06, -0.02]


def test_open_trades_are_left_out_on_request() -> None:
    some = trades([0.1, -0.1, 0.5], still=1)
    assert trade_hit_rate(some) == pytest.approx(2 / 3) and trade_hit_rate(some, open_trades=False) == 0.5
    assert trade_profit_factor(some, open_trades=False) == 1 and holding_time(some, open_trades=False) == 1.5


def test_undefined_is_nan_and_never_infinite() -> None:
    assert np.isnan(trade_profit_factor(trades([0.1, 0.2]))) and np.isnan(trade_payoff_ratio(trades([0.1])))
    assert np.isnan(trade_payoff_ratio(trades([-0.1]))) and trade_profit_factor(trades([-0.1])) == 0
    assert trade_stats_of(trades([])).drop("trades").isna().all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: trade_hit_rate(trades([0.1]), by="money"), "by must be 'return' or 'profit', got 'money'"),
        (lambda: trade_hit_rate(trades([0.1]).drop(columns="open")), "trades have no column 'open'"),
        (lambda: trade_expectancy(trades([0.1, np.nan])), "trade 1 has the return nan"),
        (lambda: turnover({"shares": [], "price": [], "equity": []}, 0), "at least one bar, got 0"),
        (lambda: exposure(pd.Series([], dtype=float)), "weights are empty"),
        (lambda: time_in_market(pd.Series([1, np.inf])), "the weight of bar 1 is inf"),
        (lambda: before_costs(pd.Series([1.0]), pd.DataFrame(), 0.0), "cash must be above zero"),
    ],
)
def test_refusals(call: Callable[[], object], words: str, refusal: Refusal) -> None:
    assert words in refusal(ValueError, call)


# Excursions by brute force


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
@pytest.mark.parametrize("seed", range(6))
def test_excursions_bar_by_bar(seed: int, fill: str, market: Market) -> None:
    bars = market(seed, 200)
    run = at.backtest(bars, 2 * at.sma_cross(bars, 3, 11) - 1, fill=fill)
    found = at.excursions(run.trades, bars, fill)
    assert len(found) > 5
    for (_, trade), (_, reach) in zip(run.trades.iterrows(), found.iterrows(), strict=True):
        seen = [trade["entry_price"], trade["exit_price"]]
        for time, bar in bars.iterrows():
            first, last = time == trade["entry_time"], time == trade["exit_time"]
            whole = trade["entry_time"] < time < trade["exit_time"]
            whole |= fill == "next_open" and (first or (last and trade["open"]))
            whole |= fill == "next_close" and last and not first
            if whole:
                seen += [bar["high"], bar["low"]]
        moves = np.array(seen) / trade["entry_price"] - 1
        moves = moves if trade["direction"] == "long" else -moves
        assert (reach["mae"], reach["mfe"]) == pytest.approx((moves.min(), moves.max()), abs=1e-12)


def test_a_split_is_no_excursion() -> None:
    whole = at.load("AAPL", start="2005-01-03", end="2005-06-30").copy()
    before, plain = whole.index < "2005-02-28", whole.copy()
    whole["split"] = np.where(whole.index == "2005-02-28", 2.0, 0.0)
    plain.loc[before, ["open", "high", "low", "close"]] /= 2
    entry, leave = whole.index[5], whole.index[-5]
    row = {"entry_time": entry, "exit_time": leave, "direction": "long", "open": False}
    prices = [
        pd.DataFrame(
            [row | {"entry_price": table.loc[entry, "open"], "exit_price": table.loc[leave, "open"]}]
        )
        for table in (whole, plain)
    ]
    found, same = at.excursions(prices[0], whole), at.excursions(prices[1], plain)
    np.testing.assert_allclose(found, same, atol=1e-12)
    assert found["mae"].iloc[0] > -0.2


def test_excursions_refuse_what_they_cannot_see(market: Market, refusal: Refusal) -> None:
    bars = market(1, 60)
    run = at.backtest(bars, at.sma_cross(bars, 3, 9))
    assert "do not cover" in refusal(ValueError, at.excursions, run.trades, bars.iloc[:20])
    assert "no column 'high'" in refusal(ValueError, at.excursions, run.trades, bars[["close"]])
    assert "fill must be" in refusal(ValueError, at.excursions, run.trades, bars, "open")
    assert at.excursions(run.trades.iloc[:0], bars).empty


# Break-even


@given(
    gross=st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=40),
    traded=st.lists(st.floats(0, 2), min_size=40, max_size=40),
)
def test_the_break_even_cost_is_a_zero_of_the_curve(gross: list[float], traded: list[float]) -> None:
    parts = pd.DataFrame({"gross": gross, "traded": traded[: len(gross)]})
    zero = break_even_cost(parts)
    if not parts["traded"].any():
        assert np.isnan(zero)
    elif parts["traded"].max() > 0.05:
        assert cost_curve(parts, [zero]).iloc[0] == pytest.approx(0, abs=1e-6) or zero > 1_000
        assert (cost_curve(parts, [zero - 1]).iloc[0] > 0) and cost_curve(parts, [zero + 1]).iloc[0] < 1e-6


def test_costs_are_taken_out_of_the_bar_that_paid_them() -> None:
    fills = pd.DataFrame(
        {"bar": [1, 1], "shares": [5.0, -2], "price": [10.0, 20], "fee": [1.0, 2], "slippage": [0.5, 0]}
    )
    parts = before_costs(pd.Series([100.0, 110.0]), fills, cash=100)
    assert parts["gross"].tolist() == pytest.approx([0, 0.1 + 0.035])
    assert parts["traded"].tolist() == pytest.approx([0, 0.9])
    assert cost_curve(parts, [100.0]).iloc[0] == pytest.approx(0.135 - 0.009)


# Activity


def test_turnover_and_exposure_on_paper() -> None:
    fills = {"shares": np.array([10.0, -10]), "price": np.array([5.0, 6]), "equity": np.array([100.0, 120])}
    assert turnover(fills, bars=126) == pytest.approx(2 * (0.5 + 0.5))
    weights = pd.Series([0.0, 0.5, -1.0, 0.0])
    assert exposure(weights) == 0.375 and time_in_market(weights) == 0.5


def test_capacity_spares_the_largest_fills() -> None:
    time = pd.bdate_range("2024-01-01", periods=4)
    fills = pd.DataFrame({"time": time, "shares": [1.0, 2, -4, 8], "equity": 100.0})
    volume = pd.Series(100.0, time)
    assert participation(fills, volume).tolist() == [0.01, 0.02, 0.04, 0.08]
    found = [capacity(fills, volume, 0.1, spared) for spared in (0, 0.25, 0.5, 0.75)]
    assert found == pytest.approx([125, 250, 500, 1_000])
    assert capacity(fills.iloc[:0], volume) == np.inf


def test_capacity_refuses(refusal: Refusal) -> None:
    time = pd.bdate_range("2024-01-01", periods=2)
    fills = pd.DataFrame({"time": time, "shares": 1.0, "equity": 100.0})
    volume = pd.Series([5.0, np.nan], time)
    assert "volume at 2024-01-02" in refusal(ValueError, capacity, fills, volume)
    assert "no volume is known for the fill at 2024-01-02" in refusal(ValueError, capacity, fills, volume[:1])
    assert "limit must be" in refusal(ValueError, capacity, fills, volume, 0)
    assert "spared must be" in refusal(ValueError, capacity, fills, volume, 0.1, 1)
