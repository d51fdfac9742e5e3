"The event engine: orders that wait, partial fills, strategies that are called at each close, books."

import gc
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.backtest.account import Account, Position, solve_row
from alphatwin.backtest.costs import Fees, Slippage
from alphatwin.backtest.desk import plain_rates
from alphatwin.backtest.event import event_backtest
from alphatwin.backtest.ledger import Ledger, journal, statement, total_of, trial_balance
from alphatwin.backtest.on_bar import Context
from alphatwin.backtest.reference import reference_backtest
from alphatwin.backtest.rules import Rules
from alphatwin.backtest.targets import size_one

Market = Callable[..., pd.DataFrame]


def rows(*prices: tuple[float, float, float, float], volume: float = 1e6) -> pd.DataFrame:
    "Bars of business days: open, high, low, close."
    time = pd.DatetimeIndex(
        pd.bdate_range("2024-01-01", periods=len(prices), name="time"), freq=None
    ).as_unit("ns")
    bars = pd.DataFrame(prices, time, ["open", "high", "low", "close"], dtype="float64").assign(volume=volume)
    bars.attrs["symbol"] = "X"
    return bars


CALM = rows(*[(100.0, 101.0, 99.0, 100.0)] * 6)


def at_first(*orders: dict[str, Any]) -> Callable[[Context], None]:
    "A strategy that gives its orders at the first close and never again."

    def strategy(context: Context) -> None:
        if context.bar == 0:
            for order in orders:
                context.order(**order)

    return strategy


def told(result: at.Result) -> list[tuple[Any, ...]]:
    return list(result.fills[["bar", "reason", "shares", "price"]].itertuples(index=False, name=None))


# Orders.


def test_every_kind_waits_for_its_price() -> None:
    bars = rows((100, 100, 100, 100), (100, 102, 98, 101), (105, 107, 104, 106), (103, 104, 95, 96))
    cases = [
        ({"shares": 10.0}, [(1, "market", 10, 100)]),
        ({"shares": 10.0, "kind": "market_on_open"}, [(1, "market_on_open", 10, 100)]),
        ({"shares": 10.0, "kind": "market_on_close"}, [(1, "market_on_close", 10, 101)]),
        ({"shares": 10.0, "kind": "limit", "limit": 96.0}, [(3, "limit", 10, 96)]),
        ({"shares": -10.0, "kind": "limit", "limit": 103.0}, [(2, "limit", -10, 105)]),
        ({"shares": 10.0, "kind": "stop", "stop": 103.0}, [(2, "stop", 10, 105)]),
        ({"shares": -10.0, "kind": "stop", "stop": 97.0}, [(3, "stop", -10, 97)]),
        ({"shares": 10.0, "kind": "stop_limit", "stop": 103.0, "limit": 104.0}, [(2, "stop_limit", 10, 104)]),
        # Gapped over: awake at 105, and filled a day later as the limit order that it has become.
        ({"shares": 10.0, "kind": "stop_limit", "stop": 103.0, "limit": 103.5}, [(3, "limit", 10, 103)]),
        ({"shares": 10.0, "kind": "limit", "limit": 96.0, "good": "day"}, []),
    ]
    for order, fills in cases:
        assert told(event_backtest(bars, on_bar=at_first(order))) == fills, order


def test_who_comes_first() -> None:
    bars = rows((100, 100, 100, 100), (100, 110, 90, 105))
    orders = (
        {"shares": -5.0, "kind": "limit", "limit": 108.0},
        {"shares": 7.0, "kind": "market_on_close"},
        {"shares": -5.0, "kind": "stop", "stop": 95.0},
        {"shares": 20.0},
    )
    reasons = [one[1] for one in told(event_backtest(bars, on_bar=at_first(*orders)))]
    assert reasons == ["market", "stop", "limit", "market_on_close"]


def test_a_limit_does_not_slip_but_pays() -> None:
    costs = {"fees": 0.01, "slippage": 0.02}
    limit = event_backtest(CALM, on_bar=at_first({"shares": 10.0, "kind": "limit", "limit": 99.5}), **costs)
    stop = event_backtest(CALM, on_bar=at_first({"shares": 10.0, "kind": "stop", "stop": 100.5}), **costs)
    assert limit.fills[["price", "fee", "slippage"]].iloc[0].tolist() == [99.5, pytest.approx(9.95), 0.0]
    assert stop.fills["price"].iloc[0] == pytest.approx(100.5 * 1.02)
    assert stop.fills["slippage"].iloc[0] == pytest.approx(20.1)


def test_a_partial_fill_over_three_bars() -> None:
    bars = CALM.assign(volume=[9e9, 1_000.0, 800.0, 2_000.0, 50.0, 50.0])
    for kind in ("market", "limit", "stop"):
        terms = {"limit": {"limit": 101.0}, "stop": {"stop": 99.0}}.get(kind, {})
        result = event_backtest(
            bars, on_bar=at_first({"shares": 250.0, "kind": kind, **terms}), participation=0.1
        )
        assert result.fills["shares"].tolist() == [100, 80, 70] and result.fills["bar"].tolist() == [1, 2, 3]
    # What is left of a stop that was reached is traded at the market.
    assert result.fills["reason"].tolist() == ["stop", "market", "market"]
    # Orders of one bar share its volume, and a chance that is over is over.
    both = at_first(
        {"shares": 60.0},
        {"shares": -70.0, "kind": "market_on_open"},
        {"shares": 20.0, "kind": "market_on_close"},
    )
    assert event_backtest(bars, on_bar=both, participation=0.1).fills["shares"].tolist() == [60, -40]


def test_the_rest_of_a_target_works_on_until_the_next_one() -> None:
    bars = CALM.assign(volume=[9e9, 1_000.0, 800.0, 2_000.0, 2_000.0, 2_000.0])
    target = pd.Series([0.25, 0.25, 0.0, 0.0, 0.0, 0.0], bars.index)
    result = event_backtest(bars, target, participation=0.1)
    assert result.fills["shares"].tolist() == [100, 80, -180] and result.fills["bar"].tolist() == [1, 2, 3]
    assert result.fills["target"].tolist() == [0.25, 0.25, 0.0] and set(result.fills["reason"]) == {"target"}


@pytest.mark.parametrize("way", ["target", "on_bar"])
def test_an_order_larger_than_allowed(way: str, refusal: Callable[..., str]) -> None:
    bars = CALM.assign(volume=1_000.0)
    arguments: dict[str, Any] = {"on_bar": at_first({"shares": 250.0})}
    if way == "target":
        arguments = {"target": pd.Series(0.25, bars.index)}
    sentence = refusal(
        ValueError, lambda: event_backtest(bars, participation=0.1, partial=False, **arguments)
    )
    assert sentence.startswith("X: an order for 250 shares on 2024-01-02") and "volume of 1,000" in sentence


def test_more_than_the_account_can_carry(refusal: Callable[..., str]) -> None:
    sentence = refusal(ValueError, lambda: event_backtest(CALM, on_bar=at_first({"shares": 1_001.0})))
    assert "100,100.00" in sentence and "leverage=1" in sentence and "2024-01-02" in sentence
    assert len(event_backtest(CALM, on_bar=at_first({"shares": -1_000.0})).fills) == 1
    assert len(event_backtest(CALM, on_bar=at_first({"shares": 1_001.0}), leverage=1.1).fills) == 1

    def shrink(context: Context) -> None:  # Beyond the limit by a fall, and still allowed to sell
        if context.bar == 0:
            context.order(-900.0)
        if context.bar == 1:
            context.order(50.0)

    rising = rows((100, 100, 100, 100), (100, 120, 100, 120), (120, 120, 120, 120))
    assert told(event_backtest(rising, on_bar=shrink))[1] == (2, "market", 50, 120)


def test_cancelling() -> None:
    seen = []

    def strategy(context: Context) -> None:
        if context.bar == 0:
            context.order(1.0, "limit", limit=50.0)
            kept.append(context.order(1.0, "limit", limit=60.0))
            context.cancel(context.order(1.0))
        if context.bar == 2:
            context.cancel(kept[0])
        if context.bar == 3:
            context.cancel()
        seen.append([order.limit for order in context.orders])

    kept: list[Any] = []
    assert not len(event_backtest(CALM, on_bar=strategy).fills)
    assert seen == [[], [50, 60], [50, 60], [50], [], []]


def test_a_day_order_of_minutes_ends_with_the_session(market: Market) -> None:
    bars = market(3, 60, "UTC")
    low = float(bars["low"].iloc[:20].min())
    orders = [
        {"shares": 1.0, "kind": "limit", "limit": low * 0.5, "good": "day"},
        {"shares": 1.0, "kind": "limit", "limit": low * 0.4},
    ]
    seen = []

    def strategy(context: Context) -> None:
        at_first(*orders)(context)
        seen.append((context.time.date(), len(context.orders)))

    event_backtest(bars, on_bar=strategy)
    first = seen[0][0]
    assert {count for day, count in seen[1:-1] if day == first} <= {1, 2}
    inside = [count for day, count in seen[1:] if day == first]
    assert inside[:-1] == [2] * (len(inside) - 1) and all(count == 1 for day, count in seen if day != first)


# Strategies.


def test_a_target_by_orders_is_the_target(market: Market) -> None:
    for seed in range(5):
        bars = market(seed, 80)
        wish = np.repeat(np.random.default_rng(seed).uniform(-1, 1, 20), 4)

        def strategy(context: Context) -> None:
            if context.bar == 0 or wish[context.bar] != wish[context.bar - 1]:  # noqa: B023
                context.order(target=float(wish[context.bar]))  # noqa: B023

        rules: dict[str, Any] = {"fees": 0.001, "slippage": 0.0005, "stop_loss": 0.02}
        ours = event_backtest(bars, on_bar=strategy, **rules)
        theirs = event_backtest(bars, pd.Series(wish, bars.index), **rules)
        pd.testing.assert_frame_equal(ours.fills, theirs.fills)
        assert ours.equity.equals(theirs.equity) and ours.pending == theirs.pending
        assert "stop_loss" in set(ours.fills["reason"])


def test_targets_of_several_symbols_at_open_and_close() -> None:
    bars = pd.concat({"B": CALM, "A": CALM * 2}, names=["symbol", "time"])

    def strategy(context: Context) -> None:
        if context.bar == 0:
            context.order(target=0.5, symbol="B")
            context.order(target=0.25, symbol="A")
        if context.bar == 1:
            context.order(target=0.5, symbol="A", kind="market_on_close")

    result = event_backtest(bars, on_bar=strategy)
    assert result.fills[["bar", "symbol", "shares"]].to_numpy().tolist() == [
        [1, "B", 500],
        [1, "A", 125],
        [2, "A", 125],
    ]
    assert result.positions["exposure"].iloc[-1] == pytest.approx(1.0)


def test_a_target_that_a_stop_has_closed_stays_closed_until_it_changes() -> None:
    falling = rows(*[(100.0 - 5 * day, 100.0 - 5 * day, 95.0 - 5 * day, 95.0 - 5 * day) for day in range(6)])

    def stubborn(context: Context) -> None:
        context.order(target=0.5 if context.bar < 4 else 0.4)

    result = event_backtest(falling, on_bar=stubborn, stop_loss=0.04)
    assert [one[:2] for one in told(result)] == [
        (1, "target"),
        (1, "stop_loss"),
        (5, "target"),
        (5, "stop_loss"),
    ]


def test_targets_of_several_symbols_share_the_leverage(refusal: Callable[..., str]) -> None:
    bars = pd.concat({"A": CALM, "B": CALM}, names=["symbol", "time"])

    def greedy(context: Context) -> None:
        if context.bar < 2:
            context.order(target=0.6, symbol="AB"[context.bar])

    sentence = refusal(ValueError, lambda: event_backtest(bars, on_bar=greedy))
    assert (
        sentence.startswith("B: with a target of 0.6 on 2024-01-02")
        and "1.2, more than leverage=1" in sentence
    )


def test_the_future_is_nowhere(market: Market) -> None:
    "Everything that can be reached from a context is known at its bar."
    bars = market(1, 40)
    later = {float(value) for value in bars.iloc[21:][["open", "high", "low", "close"]].to_numpy().ravel()}

    def reachable(thing: Any, seen: set[int]) -> set[float]:
        if id(thing) in seen or inspect.ismodule(thing) or inspect.isclass(thing) or inspect.isroutine(thing):
            return set()
        seen.add(id(thing))
        if isinstance(thing, (float, np.floating)):
            return {float(thing)}
        if isinstance(thing, np.ndarray):
            return set(np.asarray(thing, dtype="float64").ravel().tolist()) | reachable(thing.base, seen)
        return set().union(*(reachable(one, seen) for one in gc.get_referents(thing)), set())

    def strategy(context: Context) -> None:
        if context.bar == 20:
            found.update(reachable(context, set()) | reachable(context.history(), set()))

    found: set[float] = set()
    event_backtest(bars, on_bar=strategy)
    assert set(bars["close"].iloc[:21]) <= found and not found & later


def test_a_cut_changes_nothing_before_it(market: Market) -> None:
    bars = market(4, 120)

    def strategy(context: Context) -> None:
        past, turn = context.history(10), np.random.default_rng(context.bar)
        context.cancel()
        side = 1.0 if past[-1] > past.mean() else -1.0
        kind = str(
            turn.choice(["market", "limit", "stop", "stop_limit", "market_on_close", "market_on_open"])
        )
        terms = {
            name: float(past[-1] * turn.uniform(0.98, 1.02)) for name in ("limit", "stop") if name in kind
        }
        context.order(side * float(turn.integers(1, 200)), kind, **terms)

    rules: dict[str, Any] = {"participation": 0.001, "fees": 0.001, "trailing_stop": 0.03, "leverage": 5.0}
    whole = event_backtest(bars, on_bar=strategy, **rules)
    assert len(set(whole.fills["reason"])) >= 6
    for cut in range(1, 120, 7):
        part = event_backtest(bars.iloc[:cut], on_bar=strategy, **rules)
        before = whole.fills[whole.fills["bar"] < cut]
        pd.testing.assert_frame_equal(part.fills, before, check_exact=True)
        assert part.equity.equals(whole.equity.iloc[:cut])


def test_what_a_strategy_sees(market: Market) -> None:
    bars = market(2, 30)

    class Watcher:
        def on_bar(self, context: Context) -> None:
            bar = context.bar
            assert context.time == bars.index[bar] and context.symbols == ("",)
            for column in ("open", "high", "low", "close", "volume"):
                assert context.history(column=column).tolist() == bars[column].iloc[: bar + 1].tolist()
            assert context.history(3).tolist() == bars["close"].iloc[max(bar - 2, 0) : bar + 1].tolist()
            assert context.equity == pytest.approx(context.cash + context.position * bars["close"].iloc[bar])
            context.history()[:] = 0.0
            context.positions.clear()
            context.order(1.0)

    result = event_backtest(bars, on_bar=Watcher(), fees=0.001)
    assert result.positions["shares"].iloc[-1] == 29


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda context: context.history(0), "at least 1"),
        (lambda context: context.history(True), "at least 1"),
        (lambda context: context.history(column="vwap"), "open, high, low, close, volume"),
        (lambda context: context.order(1.0, symbol="Y"), "must be one of X, got 'Y'"),
        (lambda context: context.order(), "give shares other than zero, or a target"),
        (lambda context: context.order(1.0, "limit"), "needs a price"),
        (lambda context: context.order(target=1.5), "more than leverage=1"),
    ],
)
def test_a_strategy_that_errs(act: Callable[[Context], Any], words: str, refusal: Callable[..., str]) -> None:
    assert words in refusal(ValueError, lambda: event_backtest(CALM, on_bar=act))


def test_a_strategy_that_ruins_itself(refusal: Callable[..., str]) -> None:
    bars = rows((100, 100, 100, 100), (100, 250, 100, 250), (250, 250, 250, 250))
    sentence = refusal(ValueError, lambda: event_backtest(bars, on_bar=at_first({"shares": -1_000.0})))
    assert "ruined on 2024-01-02" in sentence


# The call.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either a target or on_bar="),
        ({"target": pd.Series(1.0, CALM.index), "on_bar": at_first()}, "either a target or on_bar="),
        ({"on_bar": 5}, "a function of a context"),
        ({"on_bar": at_first(), "fill": "next_close"}, "leave fill and rebalance"),
        ({"on_bar": at_first(), "rebalance": "weekly"}, "leave fill and rebalance"),
        ({"on_bar": at_first(), "participation": 0}, "above 0 and at most 1"),
        ({"on_bar": at_first(), "participation": 1.5}, "above 0 and at most 1"),
        ({"on_bar": at_first(), "participation": "much"}, "must be a number"),
        ({"on_bar": at_first(), "fees": 2}, "fees must be a fraction"),
    ],
)
def test_arguments_that_cannot_be_meant(
    arguments: dict[str, Any], words: str, refusal: Callable[..., str]
) -> None:
    assert words in refusal(ValueError, lambda: event_backtest(CALM, **arguments))


def test_bars_that_cannot_be_meant(refusal: Callable[..., str]) -> None:
    strategy = at_first({"shares": 1.0})
    for column in ("open", "high", "low", "close", "volume"):
        holed = CALM.copy()
        holed.loc[holed.index[2], column] = np.nan
        assert column in refusal(at.BarsError, lambda: event_backtest(holed, on_bar=strategy))  # noqa: B023
        two = pd.concat({"A": CALM, "B": holed}, names=["symbol", "time"])
        sentence = refusal(at.BarsError, lambda: event_backtest(two, on_bar=strategy))  # noqa: B023
        assert "B" in sentence and column in sentence
    assert "low" in refusal(at.BarsError, lambda: event_backtest(CALM.drop(columns="low"), on_bar=strategy))
    with pytest.warns(UserWarning, match="nobody can"):
        event_backtest(CALM, pd.Series(1.0, CALM.index), fill="same_close")


def test_wide_tables(market: Market) -> None:
    long = pd.concat({"A": market(1, 30), "B": market(2, 30)}, names=["symbol", "time"])
    wide = {name: long[name].unstack("symbol") for name in long}
    target = pd.DataFrame({"A": 0.5, "B": 0.3}, index=wide["close"].index)
    one, other = (event_backtest(bars, target, fees=0.001, rebalance="every_bar") for bars in (long, wide))
    assert one == other and len(one.fills) == 58


# Books.


def test_the_books_tell_the_whole_story(market: Market) -> None:
    bars = market(5, 250).assign(dividend=0.0, split=1.0)
    bars.loc[bars.index[100], "split"], bars.loc[bars.index[::50], "dividend"] = 2.0, 0.4
    target = pd.Series(np.repeat(np.random.default_rng(5).uniform(-1, 1, 50), 5), bars.index)
    books = Ledger()
    rules = {"fees": Fees(rate=0.001, fixed=1), "slippage": 0.001, "interest": 0.03, "borrow": 0.05}
    result = event_backtest(bars, target, ledger=books, **rules)
    balance = {name: float(amount) for name, amount in books.balances().items()}
    assert trial_balance(books) == 0
    assert balance["fees"] == pytest.approx(result.fills["fee"].sum())
    assert balance["slippage"] == pytest.approx(result.fills["slippage"].sum())
    assert balance["cash"] == result.positions["money"].iloc[-1]
    worth = result.positions["shares"].iloc[-1] * bars["close"].iloc[-1]
    earned = worth - balance["position "] - sum(balance[name] for name in ("profit", "fees", "slippage"))
    earned -= sum(balance[name] for name in ("dividends", "interest", "borrow"))
    assert result.equity.iloc[-1] == pytest.approx(100_000 + earned, rel=1e-12)
    table = journal(books)
    assert table["time"].is_monotonic_increasing and all(
        total_of(part) == 0 for _, part in table.groupby("entry")["amount"]
    )
    for bar in (0, 99, 100, 180):
        cash = statement(books, until=bars.index[bar]).loc["cash"]
        assert float(cash["has"] - cash["owes"]) == pytest.approx(
            result.positions["money"].iloc[bar], abs=0.005
        )


def test_books_are_for_one_run(refusal: Callable[..., str]) -> None:
    books = Ledger()
    event_backtest(CALM, on_bar=at_first(), ledger=books)
    assert "books of its own" in refusal(
        ValueError, lambda: event_backtest(CALM, on_bar=at_first(), ledger=books)
    )


def test_ctrl_c_leaves_whole_books_and_a_working_collector(market: Market) -> None:
    bars = market(6, 60)
    for stop in (1, 7, 30):

        def strategy(context: Context) -> None:
            context.order(10.0 if context.bar % 2 else -10.0)
            if context.bar == stop:  # noqa: B023
                raise KeyboardInterrupt

        books = Ledger()
        with pytest.raises(KeyboardInterrupt):
            event_backtest(bars, on_bar=strategy, fees=0.001, ledger=books)
        assert trial_balance(books) == 0 and len(books.entries) == 1 + stop and gc.isenabled()


def test_the_input_is_left_alone(market: Market) -> None:
    bars = market(7, 60)
    before, target = bars.copy(), pd.Series(np.tile([0.0, 1.0], 30), bars.index)
    event_backtest(bars, target, fees=0.001)
    pd.testing.assert_frame_equal(bars, before)


@pytest.mark.parametrize("seed", range(200))
def test_the_shortcut_is_no_second_opinion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = [0.0, float(rng.uniform(0, 0.05))]
    rules = Rules(fees=costs[seed % 2], slippage=costs[seed // 2 % 2], leverage=3.0)
    account = Account(float(rng.uniform(100, 2_000)), [Position(shares=float(rng.uniform(-5, 20)))])
    price, target = float(rng.uniform(1, 50)), float(rng.choice([0.0, 1.0, rng.uniform(-2, 3)]))
    equity = account.equity([price])
    if equity <= 0:
        return
    quick = size_one(target, account, price, 1e6, equity, rules, plain_rates(rules))
    assert quick == pytest.approx(
        solve_row([target], account, [price], [1e6], rules)[0], rel=1e-12, abs=1e-11
    )
    assert plain_rates(Rules(fees=Fees(fixed=1))) is None and plain_rates(Rules(whole_shares=True)) is None
    assert plain_rates(Rules(slippage=Slippage(half_spread=0.1))) is None


@pytest.mark.parametrize("more", [{"weight": 0.29}, {"weight": 0.29, "size": "shares", "unit": 100.0}])
def test_whole_shares_lose_none_to_the_rounding_of_floats(more: dict[str, Any]) -> None:
    bars = rows(*[(1.0, 1.0, 1.0, 1.0)] * 3)
    rules = {"cash": 100.0, "whole_shares": True} | {key: more[key] for key in more if key != "weight"}
    target = pd.Series(more["weight"], bars.index)
    for engine in (at.backtest, event_backtest):
        assert engine(bars, target, **rules).fills["held"].tolist() == [29.0]
    assert [fill["held"] for fill in reference_backtest(bars, target, **rules)[1]] == [29.0]


def test_an_order_of_a_fraction_is_refused_where_shares_are_whole() -> None:
    bars = rows(*[(1.0, 1.0, 1.0, 1.0)] * 3)
    with pytest.raises(
        ValueError, match="order for 1.5 shares on 2024-01-01 .* is not of whole shares; round it"
    ):
        event_backtest(bars, on_bar=lambda c: c.order(1.5) if c.bar == 0 else None, whole_shares=True)
    kept = event_backtest(bars, on_bar=lambda c: c.order(2) if c.bar == 0 else None, whole_shares=True)
    assert kept.fills["held"].tolist() == [2.0]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_what_a_limit_bought_inside_a_bar_is_stopped_in_it(side: float) -> None:
    index = pd.bdate_range("2024-01-01", periods=4, name="time")
    # Down from 99 through the limit of 98 to 80, and back to 85; the mirror image of it for a sale
    rows = [(100, 100, 100, 100), (99, 99, 80, 85), (96, 96, 96, 96), (97, 97, 97, 97)]
    bars = pd.DataFrame(rows, index, ["open", "high", "low", "close"], dtype="float64").assign(volume=1e6)
    if side < 0:
        bars[["open", "high", "low", "close"]] = 200 - bars[["open", "low", "high", "close"]].to_numpy()
    limit, level = (98.0, 98 * 0.9) if side > 0 else (102.0, 102 * 1.1)

    def decide(context: Context) -> None:
        if context.bar == 0:
            context.order(10 * side, "limit", limit=limit)

    fills = at.event_backtest(bars, on_bar=decide, stop_loss=0.1, cash=5_000).fills
    assert fills["price"].tolist() == pytest.approx([limit, level]) and fills["bar"].tolist() == [1, 1]
    assert fills["reason"].tolist() == ["limit", "stop_loss"]
    profit = at.event_backtest(bars, on_bar=decide, take_profit=0.001, cash=5_000).fills
    assert len(profit) == 1  # The high of 99 came before; the close, and all that follows, is lower
