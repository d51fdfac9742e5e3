"The vectorised engine against the plain one, on thousands of random markets and on small nasty ones."

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest.reference import reference_backtest
from alphatwin.backtest.vector import FILLS, REBALANCES

Fills = list[dict[str, Any]]
pytestmark = pytest.mark.filterwarnings("ignore:fill='same_close'")


def replay(bars: pd.DataFrame, fills: Fills, cash: float, fill: str) -> tuple[list[float], float]:
    "Book the fills one by one: the equity at each close, and the lowest it ever was, at a fill or at a close."
    at_bar = {entry["time"]: entry for entry in fills}
    price_of = bars["open"] if fill == "next_open" else bars["close"]
    money, shares, worst, equity = cash, 0.0, cash, []
    for time, price, close in zip(bars.index, price_of, bars["close"], strict=True):
        if time in at_bar:
            entry = at_bar[time]
            worst = min(worst, money + shares * price)
            money -= entry["shares"] * entry["price"] + entry["fee"]
            shares += entry["shares"]
        equity.append(money + shares * close)
        worst = min(worst, equity[-1])
    return equity, worst


def compare(bars: pd.DataFrame, target: pd.Series, costs: dict[str, Any]) -> bool:
    "Hold one engine against the other; say whether the account survived."
    slow, entries = reference_backtest(bars, target, **costs)
    booked, worst = replay(bars, entries, costs["cash"], costs["fill"])
    assume(abs(worst) > 1e-3 * costs["cash"])  # closer to ruin than that, rounding decides
    if worst <= 0:
        with pytest.raises(ValueError, match="ruined"):
            at.backtest(bars, target, **costs)
        return False
    result = at.backtest(bars, target, **costs)
    np.testing.assert_allclose(result.equity, slow, rtol=1e-9)
    np.testing.assert_allclose(result.equity, booked, rtol=1e-9)
    assert len(result.fills) == len(entries)
    table = pd.DataFrame(entries, columns=["time", "shares", "price", "fee"])
    assert result.fills["time"].tolist() == table["time"].tolist()
    value = float(np.abs(result.positions["shares"]).max()) or 1.0
    np.testing.assert_allclose(result.fills["price"], table["price"].astype(float), rtol=1e-12)
    np.testing.assert_allclose(
        result.fills["shares"], table["shares"].astype(float), rtol=1e-9, atol=1e-11 * value
    )
    np.testing.assert_allclose(
        result.fills["fee"], table["fee"].astype(float), rtol=1e-9, atol=1e-11 * costs["cash"]
    )
    return True


def random_target(seed: int, index: pd.Index) -> pd.Series:
    "A target that is sometimes held for long, sometimes changed at every bar; from levels or from anywhere."
    rng = np.random.default_rng(seed)
    levels = np.array([-1.0, -0.5, 0.0, 0.0, 0.3, 1.0, 1.0, 1.5])
    wishes = rng.choice(levels, len(index)) if rng.random() < 0.6 else rng.uniform(-1.2, 1.8, len(index))
    stay = rng.random(len(index)) < rng.choice([0.0, 0.5, 0.9])
    stay[0] = False
    return pd.Series(wishes, index=index).where(~stay).ffill()


costs_of = st.fixed_dictionaries(
    {
        "fees": st.sampled_from([0.0, 0.0005, 0.001, 0.01, 0.1]),
        "slippage": st.sampled_from([0.0, 0.0005, 0.01, 0.05]),
        "cash": st.sampled_from([1.0, 1000.0, 100_000.0, 3e9]),
    }
)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 24), costs=costs_of)
def test_both_engines_agree_on_random_markets(
    market: Callable[..., pd.DataFrame], seed: int, length: int, costs: dict[str, Any]
) -> None:
    bars = market(seed, length)
    target = random_target(seed + 1, bars.index)
    for fill, rebalance in product(FILLS, REBALANCES):  # six runs an example: 1,200 in all
        compare(bars, target, {**costs, "fill": fill, "rebalance": rebalance})


prices = st.integers(1, 12).map(float)


@settings(max_examples=500)
@given(
    rows=st.lists(
        st.tuples(prices, prices, st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])), min_size=1, max_size=7
    ),
    costs=costs_of,
    fill=st.sampled_from(FILLS),
    rebalance=st.sampled_from(REBALANCES),
)
def test_both_engines_agree_on_wild_markets_and_about_ruin(
    table: Callable[..., pd.DataFrame],
    rows: list[tuple[float, float, float]],
    costs: dict[str, Any],
    fill: str,
    rebalance: str,
) -> None:
    opens, closes, wishes = (list(column) for column in zip(*rows, strict=True))
    bars = table(opens, closes)
    compare(bars, pd.Series(wishes, index=bars.index), {**costs, "fill": fill, "rebalance": rebalance})


def test_among_the_wild_markets_some_ruin_and_some_do_not(table: Callable[..., pd.DataFrame]) -> None:
    costs = {"fees": 0.0, "slippage": 0.0, "cash": 1000.0, "fill": "next_open", "rebalance": "on_change"}
    bars = table([10.0, 10.0, 11.0, 12.0], [10.0, 10.0, 21.0, 12.0])
    assert compare(bars, pd.Series(1.0, index=bars.index), costs)
    assert not compare(bars, pd.Series(-1.0, index=bars.index), costs)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("rebalance", REBALANCES)
def test_both_engines_agree_on_twenty_years(fill: str, rebalance: str, spx: pd.DataFrame) -> None:
    costs = {"fees": 0.001, "slippage": 0.0005, "cash": 100_000.0, "fill": fill, "rebalance": rebalance}
    assert compare(spx, at.sma_cross(spx, 20, 100) - 0.25, costs)


# What must always hold, of the fast engine alone


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    costs=costs_of,
    fill=st.sampled_from(FILLS),
    rebalance=st.sampled_from(REBALANCES),
)
def test_money_is_conserved(
    market: Callable[..., pd.DataFrame], seed: int, costs: dict[str, Any], fill: str, rebalance: str
) -> None:
    bars = market(seed, 40)
    target = random_target(seed, bars.index).clip(-0.5, 1.0)
    result = at.backtest(bars, target, fill=fill, rebalance=rebalance, **costs)
    cash, end = costs["cash"], result.equity.iloc[-1]
    # What the trades earned is what the equity gained.
    assert result.trades["profit"].sum() == pytest.approx(end - cash, rel=1e-9, abs=1e-9 * cash)
    assert result.trades["fees"].sum() == pytest.approx(result.fills["fee"].sum(), rel=1e-9, abs=1e-12 * cash)
    # Money is what it was less what was bought and charged; shares are what was bought and not sold.
    flow = (result.fills["shares"] * result.fills["price"] + result.fills["fee"]).sum()
    assert result.positions["money"].iloc[-1] == pytest.approx(cash - flow, rel=1e-9, abs=1e-9 * cash)
    held = result.positions["shares"].to_numpy()
    assert held[-1] == pytest.approx(result.fills["shares"].sum(), rel=1e-9, abs=1e-9 * np.abs(held).max())
    # Equity is money plus shares at the close, and its returns compound to it.
    marked = result.positions["money"] + result.positions["shares"] * bars["close"]
    np.testing.assert_allclose(result.equity, marked, rtol=1e-12)
    np.testing.assert_allclose(cash * (1 + result.returns).cumprod(), result.equity, rtol=1e-9)
    assert len(result.returns) == len(bars)
    np.testing.assert_allclose(result.positions["exposure"], held * bars["close"] / result.equity, rtol=1e-12)
    assert result.costs.sum() == pytest.approx(
        (result.fills["fee"] + result.fills["slippage"]).sum(), rel=1e-9
    )


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), costs=costs_of)
def test_after_each_fill_the_position_is_the_target_of_what_is_left(
    market: Callable[..., pd.DataFrame], seed: int, costs: dict[str, Any]
) -> None:
    bars = market(seed, 40)
    result = at.backtest(bars, random_target(seed, bars.index).clip(-0.5, 1.0), **costs)
    fills, price = result.fills, bars["open"].to_numpy()[result.fills["bar"]]
    slipped = fills["shares"] * (fills["price"] - price)  # what the worse price took
    assert (slipped >= 0).all()
    left = fills["equity"] - fills["fee"] - slipped
    np.testing.assert_allclose(
        fills["held"] * price, fills["target"] * left, rtol=1e-9, atol=1e-9 * costs["cash"]
    )
    np.testing.assert_allclose(fills["slippage"], slipped, rtol=1e-9, atol=1e-9 * costs["cash"])


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.01, 3.0, 1000.0]))
def test_neither_the_unit_of_money_nor_of_prices_matters(
    market: Callable[..., pd.DataFrame], seed: int, scale: float
) -> None:
    bars = market(seed, 30)
    target = random_target(seed, bars.index).clip(-0.5, 1.0)
    plain = at.backtest(bars, target, fees=0.001, slippage=0.001)
    rich = at.backtest(bars, target, fees=0.001, slippage=0.001, cash=100_000 * scale)
    np.testing.assert_allclose(rich.equity, plain.equity * scale, rtol=1e-12)
    penny = at.backtest(bars * scale, target, fees=0.001, slippage=0.001)
    np.testing.assert_allclose(penny.equity, plain.equity, rtol=1e-9)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 39), fill=st.sampled_from(FILLS))
def test_the_past_of_the_equity_does_not_change_when_the_future_arrives(
    market: Callable[..., pd.DataFrame], seed: int, cut: int, fill: str
) -> None:
    bars = market(seed, 40)
    target = random_target(seed, bars.index).clip(-0.5, 1.0)
    whole = at.backtest(bars, target, fees=0.001, fill=fill).equity.to_numpy()[:cut]
    early = at.backtest(bars.iloc[:cut], target.iloc[:cut], fees=0.001, fill=fill).equity.to_numpy()
    assert early.tobytes() == whole.tobytes()


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), fees=st.sampled_from([0.0001, 0.001, 0.05]))
def test_costs_only_cost(market: Callable[..., pd.DataFrame], seed: int, fees: float) -> None:
    bars = market(seed, 40)
    target = random_target(seed, bars.index).clip(0.0, 1.0)
    free = at.backtest(bars, target).equity
    for costs in ({"fees": fees}, {"slippage": fees}):
        paid = at.backtest(bars, target, **costs).equity
        assert (paid <= free * (1 + 1e-12)).all()
