"""Two engines, one answer: the event engine against at.backtest and against the reference.

Fills one for one, and cash and equity within half a cent at every bar, for thousands of random markets, targets and
costs, and for every strategy of the house under every kind of cost.
"""

import importlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.backtest.costs import Fees, Slippage
from alphatwin.backtest.event import event_backtest
from alphatwin.backtest.ledger import Ledger, trial_balance
from alphatwin.backtest.reference import reference_backtest
from alphatwin.backtest.result import Result
from alphatwin.signals.combinators import combine, vote

HALF_A_CENT = 0.005
FEES: dict[str, Any] = {
    "none": 0.0,
    "rate": 0.001,
    "fixed": Fees(fixed=1.0),
    "per share": Fees(per_share=0.005, minimum=1.0),
    "tiers": Fees(tiers=((5_000, 0.002), (math.inf, 0.001))),
    "mixed": Fees(rate=0.0005, fixed=2.0, minimum=3.0),
}
SLIPPAGES: dict[str, Any] = {
    "none": 0.0,
    "rate": 0.0005,
    "spread": Slippage(half_spread=0.01),
    "impact": Slippage(impact=0.1),
    "mixed": Slippage(0.0002, 0.01, 0.05),
}
DAYS = pd.DatetimeIndex(pd.bdate_range("2015-01-05", periods=80, name="time"), freq=None).as_unit("ns")
Case = tuple[pd.DataFrame, Any, dict[str, Any]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fill='same_close'")
        yield


def random_table(rng: np.random.Generator, length: int, decimals: int | None) -> pd.DataFrame:
    "Bars of one symbol; with splits and dividends now and then."
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, length)))
    opened = np.concatenate([[50.0], close[:-1]]) * np.exp(rng.normal(0, 0.01, length))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 0.005, length)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 0.005, length)))
    prices = {"open": opened, "high": high, "low": low, "close": close}
    if decimals is not None:
        prices = {name: np.round(values, decimals) for name, values in prices.items()}
    columns = prices | {"volume": rng.integers(100_000, 1_000_000, length).astype("float64")}
    columns["dividend"], columns["split"] = np.zeros(length), np.ones(length)
    if rng.random() < 0.3:
        columns["dividend"] = np.where(rng.random(length) < 0.1, rng.uniform(0, 1, length), 0.0)
        columns["split"] = np.where(rng.random(length) < 0.05, rng.choice([2.0, 0.5]), 1.0)
    return pd.DataFrame(columns, index=DAYS[:length])


def random_rules(rng: np.random.Generator) -> dict[str, Any]:
    "Any small print."

    def pick(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    rules = {"fees": pick(*FEES.values()), "slippage": pick(*SLIPPAGES.values())}
    rules |= {"fill": pick("next_open", "next_close", "same_close"), "cash": pick(1e5, 1e3, 12_345.67)}
    rules["rebalance"] = pick("on_change", "every_bar", "weekly", "monthly", "quarterly", 0.0511, 0.0103)
    rules |= {
        "whole_shares": pick(False, False, True),
        "interest": pick(0.0, 0.03),
        "borrow": pick(0.0, 0.02),
    }
    rules["maintenance"] = pick(0.0, 0.0, 0.25, 0.9)
    for name, chance in (("stop_loss", 0.4), ("take_profit", 0.3), ("trailing_stop", 0.3)):
        if rng.random() < chance:
            rules[name] = float(rng.uniform(0.01, 0.1))
    if rng.random() < 0.2 and isinstance(rules["rebalance"], str):
        rules |= {"size": pick("shares", "cash"), "unit": pick(1.0, 10.0, 100.0)}
    return rules


def random_case(seed: int) -> Case:
    "A market of one to three symbols, a target, and rules."
    rng = np.random.default_rng(seed)
    length, symbols = int(rng.integers(3, 60)), int(rng.choice([1, 1, 1, 2, 3]))
    tables = [random_table(rng, length, rng.choice([None, None, 4])) for _ in range(symbols)]
    levels = rng.choice([-1, -0.5, -0.3, 0, 0, 0.25, 0.5, 0.7, 1.0], (length, symbols))
    if rng.random() < 0.3:
        levels = rng.uniform(-1, 1, (length, symbols))
    wanted = np.repeat(levels, rng.integers(1, 8), axis=0)[:length] / symbols
    if symbols == 1:
        return tables[0], pd.Series(wanted[:, 0], DAYS[:length], name="target"), random_rules(rng)
    names = [f"S{number}" for number in range(symbols)]
    bars = pd.concat(dict(zip(names, tables, strict=True)), names=["symbol", "time"])
    return bars, pd.DataFrame(wanted, DAYS[:length], columns=names), random_rules(rng)


def outcome(call: Callable[[], Any]) -> Any:
    "What came back, or the sentence with which it refused."
    try:
        return call()
    except ValueError as refusal:
        return str(refusal)


def assert_same(slow: Any, fast: Any, where: Any) -> int:
    "Fills one for one; cash and equity within half a cent at every bar. Says how many fills."
    if isinstance(slow, str) or isinstance(fast, str):
        assert slow == fast, where
        return 0
    ours, theirs = slow.books.log, fast.books.log
    assert len(ours["bar"]) == len(theirs["bar"]), where
    for name in ours:
        if name in ("bar", "decided", "symbol", "reason"):
            assert np.array_equal(ours[name], theirs[name]), (where, name)
        else:
            near = np.abs(ours[name] - theirs[name]) <= 1e-9 * np.maximum(1.0, np.abs(theirs[name]))
            assert near.all(), (where, name)
    assert np.abs(slow.worth - fast.worth).max() < HALF_A_CENT, where
    assert np.abs(slow.books.money - fast.books.money).max() < HALF_A_CENT, where
    assert np.allclose(slow.books.shares, fast.books.shares, rtol=1e-9, atol=1e-9), where
    assert slow.parameters == fast.parameters and slow.pending == fast.pending, where
    return len(ours["bar"])


# Ten blocks of 500; the quick tests take the first.
BLOCKS = [pytest.param(0), *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 10))]


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_random_markets(block: int) -> None:
    fills = ruined = 0
    for seed in range(500 * block, 500 * (block + 1)):
        bars, target, rules = random_case(seed)
        books = Ledger()
        slow = outcome(lambda: event_backtest(bars, target, ledger=books, **rules))  # noqa: B023
        fast = outcome(lambda: at.backtest(bars, target, **rules))  # noqa: B023
        fills += assert_same(slow, fast, (seed, rules))
        ruined += isinstance(slow, str)
        assert trial_balance(books) == 0
    assert fills > 5_000 and ruined < 25  # They do trade, and few are ruined


@pytest.mark.slow
@pytest.mark.parametrize("block", range(2))
def test_random_markets_against_the_reference(block: int) -> None:
    for seed in range(10_000 + 100 * block, 10_100 + 100 * block):
        bars, target, rules = random_case(seed)
        slow = outcome(lambda: event_backtest(bars, target, **rules))  # noqa: B023
        told = outcome(lambda: reference_backtest(bars, target, **rules))  # noqa: B023
        if isinstance(told, str) or isinstance(slow, str):
            assert slow == told
            continue
        equity, fills = told
        assert (slow.equity - equity).abs().max() < HALF_A_CENT, seed
        log = slow.books.log
        assert len(fills) == len(log["bar"]), seed
        for name in ("bar", "symbol", "target", "shares", "price", "fee", "slippage", "held", "equity"):
            theirs = [one[name] for one in fills]
            assert np.allclose(log[name], theirs, rtol=1e-9, atol=1e-9), (seed, name)
        assert slow.fills["reason"].tolist() == [one["reason"] for one in fills]


# Every strategy of the house.
MODULES = ("strategies", "trend", "reversion", "rotation", "sizing")
HELPERS = {"month_ends", "until_next", "month_returns", "wide_prices", "known_symbols"}


def strategies_of_the_house() -> dict[str, Callable[..., Any]]:
    "Functions whose first argument is bars and whose others have defaults."
    found = {}
    for module in MODULES:
        home = importlib.import_module(f"alphatwin.signals.{module}")
        for name, function in vars(home).items():
            if (
                name.startswith("_")
                or not inspect.isfunction(function)
                or function.__module__ != home.__name__
            ):
                continue
            first, *others = inspect.signature(function).parameters.values()
            if first.name == "bars" and all(one.default is not one.empty for one in others):
                found[name] = function
    return {name: function for name, function in found.items() if name not in HELPERS}


STRATEGIES = strategies_of_the_house()
SEVERAL = {"dual_momentum", "cross_sectional_momentum", "pairs_zscore"}


def test_the_list_is_complete() -> None:
    known = {"buy_and_hold", "sma_cross", "ema_cross", "donchian_breakout", "macd_cross", "faber_timing"}
    known |= {"time_series_momentum", "rsi_reversion", "bollinger_reversion", "turn_of_the_month"}
    assert known | {"volatility_target"} | SEVERAL <= set(STRATEGIES)


@pytest.fixture(scope="module")
def markets(aapl: pd.DataFrame) -> dict[str, pd.DataFrame]:
    "Four years of one stock, and of a pair."
    part = slice("2004-01-01", "2007-12-31")
    pair = {"AAPL": aapl.loc[part], "MSFT": at.load("MSFT").loc[part]}
    return {"one": aapl.loc[part], "pair": pd.concat(pair, names=["symbol", "time"])}


@pytest.fixture(scope="module")
def decided(markets: dict[str, pd.DataFrame]) -> dict[str, Any]:
    "What each strategy wants, with parameters that make it trade within four years."
    quick = {"months": 6} | {"skip": 1, "fraction": 0.5}
    targets = {}
    for name, strategy in STRATEGIES.items():
        known = inspect.signature(strategy).parameters
        options = {key: value for key, value in quick.items() if key in known}
        if name == "pairs_zscore":
            options = {"window": 60, "entry": 1.0}
        targets[name] = strategy(markets["pair" if name in SEVERAL else "one"], **options)
    targets["combine"] = combine([targets["sma_cross"], targets["macd_cross"]])
    targets["vote"] = vote([targets["sma_cross"], targets["ema_cross"], targets["macd_cross"]])
    return targets


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STRATEGIES, "combine", "vote"])
@pytest.mark.parametrize("fees", FEES)
def test_every_strategy_under_every_cost(
    name: str, fees: str, markets: dict[str, pd.DataFrame], decided: dict[str, Any]
) -> None:
    target = decided[name]
    bars = markets["pair" if isinstance(target, pd.DataFrame) else "one"]
    fills = 0
    for slippage in SLIPPAGES.values():
        costs = {"fees": FEES[fees], "slippage": slippage}
        slow, fast = event_backtest(bars, target, **costs), at.backtest(bars, target, **costs)
        fills += assert_same(slow, fast, (name, costs))
    assert fills >= len(SLIPPAGES)


@pytest.mark.parametrize("name", ["sma_cross", "donchian_breakout", "pairs_zscore"])
@pytest.mark.parametrize("fill", ["next_open", "next_close", "same_close"])
def test_every_fill_with_stops_and_carry(
    name: str, fill: str, markets: dict[str, pd.DataFrame], decided: dict[str, Any]
) -> None:
    target = decided[name]
    bars = markets["pair" if isinstance(target, pd.DataFrame) else "one"]
    for more in (
        {"stop_loss": 0.03},
        {"trailing_stop": 0.04, "take_profit": 0.06},
        {"interest": 0.03, "borrow": 0.02, "whole_shares": True},
        {"rebalance": "monthly", "maintenance": 0.99, "leverage": 1.0},
        {"rebalance": 0.0203},
        {"size": "shares", "unit": 100.0},
        {"size": "cash", "unit": 20_000.0},
    ):
        rules = {"fill": fill, "fees": 0.001, "slippage": 0.0005} | more
        slow, fast = event_backtest(bars, target, **rules), at.backtest(bars, target, **rules)
        assert assert_same(slow, fast, (name, rules)) > 0


def test_a_strategy_is_called_and_certified(spx: pd.DataFrame) -> None:
    bars = spx.iloc[:300]
    slow = event_backtest(bars, at.buy_and_hold, fees=0.001)
    assert_same(slow, at.backtest(bars, at.buy_and_hold, fees=0.001), "called")

    def seer(table: pd.DataFrame) -> pd.Series:
        return (table["close"].shift(-1) > table["close"]).astype("float64")

    with pytest.raises(at.LookAheadError):
        event_backtest(bars, seer)


def test_a_symbol_that_is_listed_late_and_ends_early(refusal: Callable[..., str]) -> None:
    rng = np.random.default_rng(3)
    whole = random_table(rng, 40, None)
    parts = {"A": whole, "B": random_table(rng, 40, None).iloc[10:30]}
    bars = pd.concat(parts, names=["symbol", "time"])
    target = pd.DataFrame({"A": 0.5, "B": 0.0}, index=DAYS[:40])
    target.iloc[12:28, 1] = 0.4
    for rules in ({"fees": 0.001}, {"stop_loss": 0.02, "rebalance": "every_bar"}, {"interest": 0.02}):
        slow, fast = event_backtest(bars, target, **rules), at.backtest(bars, target, **rules)
        assert assert_same(slow, fast, rules) > 2
    for last in (29, 30, 33):
        held = target.copy()
        held.iloc[12 : last + 1, 1] = 0.4
        sentence = refusal(ValueError, event_backtest, bars, held)
        assert "B" in sentence and sentence == refusal(ValueError, at.backtest, bars, held)


def assert_refused_alike(refusal: Callable[..., str], bars: pd.DataFrame, target: Any, **rules: Any) -> str:
    sentence = refusal(ValueError, event_backtest, bars, target, **rules)
    assert sentence == refusal(ValueError, at.backtest, bars, target, **rules)
    return sentence


def test_both_refuse_in_the_same_words(refusal: Callable[..., str]) -> None:
    bars = random_table(np.random.default_rng(1), 30, None)
    bars.attrs["symbol"] = "X"
    hold = pd.Series(1.0, index=bars.index)
    assert "2 times the equity" in assert_refused_alike(refusal, bars, 2 * hold)
    assert "volume of 5" in assert_refused_alike(
        refusal, bars.assign(volume=5.0), hold, slippage=Slippage(impact=0.1)
    )
    assert "larger than" in assert_refused_alike(
        refusal, bars.assign(volume=0.0), hold, slippage=Slippage(impact=0.1)
    )
    fallen = bars.copy()
    fallen.loc[bars.index[10] :, ["open", "high", "low", "close"]] *= 4
    assert "ruined" in assert_refused_alike(refusal, fallen, -hold)
    below = bars.copy()
    below.loc[bars.index[5], ["open", "low", "close"]] = -1.0
    assert "allow_negative" in assert_refused_alike(refusal, below, hold)
    assert "above zero" in assert_refused_alike(
        refusal, below, hold, allow_negative=True, rebalance="every_bar"
    )
    wrong = pd.Series(1.0, index=bars.index[:-1])
    assert "29 values for 30 bars" in assert_refused_alike(refusal, bars, wrong)
    assert "nan" in assert_refused_alike(refusal, bars, hold.where(hold.index != hold.index[4]))


def test_prices_below_zero_by_count_of_shares() -> None:
    bars = random_table(np.random.default_rng(2), 30, None)
    bars[["open", "high", "low", "close"]] -= 50.0
    target = pd.Series(np.tile([1.0, -1.0, 0.0], 10), index=bars.index)
    rules = {"size": "shares", "unit": 10.0, "allow_negative": True, "fees": 0.001, "slippage": 0.001}
    rules["stop_loss"] = 0.05
    assert (
        assert_same(event_backtest(bars, target, **rules), at.backtest(bars, target, **rules), "below") > 10
    )


def test_an_earlier_ruin_is_told_before_a_later_error(refusal: Callable[..., str]) -> None:
    bars = random_table(np.random.default_rng(1), 30, None)
    bars.loc[bars.index[10] :, ["open", "high", "low", "close"]] *= 4
    bars.loc[bars.index[20] :, ["open", "high", "low", "close"]] /= 4
    target = pd.Series(-1.0, index=bars.index)
    target.iloc[25:] = 1.0
    sentence = refusal(ValueError, event_backtest, bars, target)
    assert str(bars.index[10]) in sentence
    assert sentence == refusal(ValueError, reference_backtest, bars, target)


def test_the_result_is_of_the_same_kind(spx: pd.DataFrame) -> None:
    bars = spx.iloc[:500]
    target = at.sma_cross(bars, 5, 20)
    slow, fast = event_backtest(bars, target, fees=0.001), at.backtest(bars, target, fees=0.001)
    assert isinstance(slow, Result)
    pd.testing.assert_frame_equal(slow.fills, fast.fills, rtol=1e-9)
    pd.testing.assert_frame_equal(slow.trades, fast.trades, rtol=1e-9)
    pd.testing.assert_frame_equal(slow.positions, fast.positions, rtol=1e-9)
    pd.testing.assert_series_equal(slow.summary(), fast.summary(), rtol=1e-9)
