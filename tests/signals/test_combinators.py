"Combinations against plain arithmetic; and the proof, for every strategy and combination, that none sees the future."

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.signals.combinators import Multi, combine, filter_by, for_each, multi, vote
from alphatwin.signals.reversion import bollinger_reversion, rsi_reversion, turn_of_the_month
from alphatwin.signals.rotation import cross_sectional_momentum, dual_momentum, pairs_zscore
from alphatwin.signals.sizing import cap, scale_to_volatility, volatility_target
from alphatwin.signals.strategies import buy_and_hold, ema_cross, sma_cross
from alphatwin.signals.trend import donchian_breakout, faber_timing, macd_cross, time_series_momentum

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]
Panel = Callable[..., pd.DataFrame]
Rule = tuple[Callable[..., Any], dict[str, Any]]

CROSS: Rule = (sma_cross, {"fast": 3, "slow": 10})
DIP: Rule = (rsi_reversion, {"below": 40, "trend": 10})
TREND: Rule = (donchian_breakout, {"entry": 10, "leave": 5, "short": True})

ONE: dict[str, Rule] = {
    "buy_and_hold": (buy_and_hold, {}),
    "sma_cross": CROSS,
    "ema_cross": (ema_cross, {"fast": 3, "slow": 10}),
    "donchian_breakout": TREND,
    "macd_cross": (macd_cross, {}),
    "faber_timing": (faber_timing, {"months": 3}),
    "time_series_momentum": (time_series_momentum, {"months": 2}),
    "rsi_reversion": DIP,
    "bollinger_reversion": (bollinger_reversion, {"width": 1.5, "short": True}),
    "turn_of_the_month": (turn_of_the_month, {}),
    "volatility_target": (volatility_target, {"window": 21}),
    "yang_zhang": (volatility_target, {"window": 21, "estimator": "yang_zhang"}),
    "combine": (combine([CROSS, DIP, macd_cross], [0.5, 0.7, -0.2]), {}),
    "vote": (vote([CROSS, TREND, (ema_cross, {"fast": 2, "slow": 5})]), {}),
    "filter_by": (filter_by(TREND, CROSS), {}),
    "scale_to_volatility": (scale_to_volatility(TREND, window=10), {}),
    "cap": (cap(scale_to_volatility(TREND, window=10, most=3), most=1.5), {}),
    "multi": (multi({"trend": TREND, "dip": DIP}, {"trend": 0.6, "dip": 0.4}), {}),
    "nested": (cap(combine([multi({"a": TREND}), vote([CROSS])])), {}),
}
MANY: dict[str, Rule] = {
    "dual_momentum": (dual_momentum, {"months": 2, "top": 2}),
    "dual_momentum with a refuge": (dual_momentum, {"months": 1, "refuge": "S1", "hurdle": 0.01}),
    "cross_sectional_momentum": (cross_sectional_momentum, {"months": 2, "fraction": 0.3}),
    "for_each": (for_each(CROSS), {}),
    "combine": (combine([for_each(CROSS), (dual_momentum, {"months": 1})]), {}),
    "vote": (vote([for_each(CROSS), for_each(TREND), (dual_momentum, {"months": 1})]), {}),
    "filter_by": (filter_by(for_each(TREND), for_each(CROSS)), {}),
    "scale_to_volatility": (scale_to_volatility((cross_sectional_momentum, {"months": 2}), window=10), {}),
    "cap": (cap(for_each(TREND), most=0.7, each=0.2), {}),
    "multi": (multi({"each": for_each(CROSS), "dual": (dual_momentum, {"months": 1})}), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE)
def test_no_strategy_sees_the_future(name: str, market: Market) -> None:
    rule, params = ONE[name]
    bars = market(11, 260)
    proof = at.certify(rule, bars, cuts=None, **params)
    assert proof.ok, proof.counterexample
    target = rule(bars, **params)
    at.check_target(target, bars)
    assert target.dtype == "float64" and target.name == "target" and target.any()


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_no_strategy_on_many_symbols_sees_the_future(name: str, panel: Panel) -> None:
    rule, params = MANY[name]
    bars = panel(5, 4, 150)
    proof = at.certify(rule, bars, cuts=None, **params)
    assert proof.ok, proof.counterexample
    weights = rule(bars, **params)
    at.check_target(weights, bars)
    listed = bars["close"].unstack(0)[weights.columns].notna()
    assert weights.to_numpy().any() and not weights.where(~listed, 0.0).to_numpy().any()


@pytest.mark.slow
def test_a_pair_does_not_see_the_future(panel: Panel) -> None:
    bars = panel(5, 2, 150)  # S1 is listed later
    proof = at.certify(pairs_zscore, bars, cuts=None, window=15, entry=1.0)
    assert proof.ok and pairs_zscore(bars, 15, 1.0).to_numpy().any()


@pytest.mark.parametrize("name", ONE)
def test_no_strategy_writes_into_the_bars(name: str, market: Market) -> None:
    rule, params = ONE[name]
    bars = market(11, 260)
    before = bars.copy()
    first = rule(bars, **params)
    pd.testing.assert_frame_equal(bars, before)
    pd.testing.assert_series_equal(rule(bars, **params), first)


@pytest.mark.parametrize("name", [name for name in ONE if name not in ("buy_and_hold", "turn_of_the_month")])
def test_a_single_bar_and_a_price_that_stands_still(name: str, market: Market) -> None:
    rule, params = ONE[name]
    bars = market(11, 260)
    assert not rule(bars[:1], **params).any()
    if rule is sma_cross:
        params = params | {"tick": 0.1}
    flat = bars.assign(open=10.1, high=10.1, low=10.1, close=10.1)
    if name in ("volatility_target", "yang_zhang"):
        assert rule(flat, **params).iloc[30:].eq(1.0).all()
    elif name in ("combine", "vote", "filter_by", "nested"):
        flat = flat.assign(open=10.0, high=10.0, low=10.0, close=10.0)  # sums of ten are exact
        assert not rule(flat, **params).any()
    else:
        assert not rule(flat, **params).any()


targets = st.lists(st.floats(-1, 1), min_size=5, max_size=5)


@given(parts=st.lists(targets, min_size=1, max_size=5), data=st.data())
def test_arithmetic_of_combinations(parts: list[list[float]], data: st.DataObject) -> None:
    series = [pd.Series(part) for part in parts]
    weights = data.draw(st.lists(st.floats(-2, 2), min_size=len(parts), max_size=len(parts)))
    needed = data.draw(st.integers(1, len(parts)))
    summed, voted = combine(series, weights), vote(series, needed)
    gated, capped = filter_by(series[0], series[-1]), cap(series[0], 0.3)
    assert isinstance(summed, pd.Series) and isinstance(voted, pd.Series)
    for bar in range(5):
        column = [part[bar] for part in parts]
        exact = sum(weight * value for weight, value in zip(weights, column, strict=True))
        assert summed[bar] == pytest.approx(exact, abs=1e-12)
        up, down = sum(value > 0 for value in column), sum(value < 0 for value in column)
        assert voted[bar] == (up >= needed) - (down >= needed)
        assert gated[bar] == (column[0] if column[-1] > 0 else 0)
        assert capped[bar] == pytest.approx(max(-0.3, min(0.3, column[0])), abs=1e-15)


def test_equal_parts_and_a_majority_are_the_defaults(market: Market) -> None:
    index = market(1, 3).index
    one, two, three = (pd.Series(v, index=index) for v in ([1.0, 1, 0], [1.0, 0, 0], [-1.0, -1, 1]))
    assert combine({"a": one, "b": two}).tolist() == [1, 0.5, 0]
    assert vote([one, two, three]).tolist() == [1, 0, 0]
    assert vote([one, two, three, one]).tolist() == [1, 0, 0]  # two of four are no majority
    assert combine([one, two], {"part 2": 1.0, "part 1": 0.0}).tolist() == [1, 0, 0]


def test_tables_combine_as_series_do(panel: Panel) -> None:
    bars = panel(5)
    one, two = for_each(CROSS)(bars), dual_momentum(bars, months=1)
    np.testing.assert_allclose(combine([one, two]), (one + two) / 2, atol=1e-15)
    assert vote([one, two]).equals(((one > 0) & (two > 0)).astype(float))
    gate = two["S0"].clip(upper=0) + np.arange(len(two)) % 2
    assert filter_by(one, gate).equals(one.mul(gate > 0, axis=0))
    assert filter_by(one, two).equals(one.where(two > 0, 0.0))
    gross = cap(one, most=0.5).abs().sum(axis=1)
    assert gross.max() <= 0.5 + 1e-12
    small = one.abs().sum(axis=1) <= 0.5
    assert small.any() and cap(one, most=0.5)[small].equals(one[small])
    assert cap(one, most=9, each=0.1).equals(one.clip(-0.1, 0.1))


def test_parts_may_be_targets_strategies_or_both(market: Market) -> None:
    bars = market(2, 100)
    ready = sma_cross(bars, 3, 10)
    rule = combine([ready, CROSS, buy_and_hold])
    assert callable(rule) and rule.__name__ == "combine"
    np.testing.assert_allclose(rule(bars), (2 * ready + 1) / 3, atol=1e-15)
    np.testing.assert_allclose(rule(bars[:50]), (2 * ready[:50] + 1) / 3, atol=1e-15)


def test_a_strategy_that_writes_into_its_bars_does_not_reach_the_next(market: Market) -> None:
    def vandal(bars: pd.DataFrame) -> pd.Series:
        bars["close"] = 1.0
        return pd.Series(0.0, index=bars.index)

    bars = market(2, 100)
    expected = sma_cross(bars, 3, 10)
    assert combine([vandal, CROSS], [0, 1])(bars).equals(expected) and expected.any()


def test_for_each_shares_among_the_listed(panel: Panel) -> None:
    bars = panel(5)
    weights = for_each(CROSS)(bars)
    count = bars["close"].unstack(0).notna().sum(axis=1)
    for name in bars.index.unique(0):
        own = sma_cross(bars.loc[name], 3, 10)
        np.testing.assert_allclose(weights[name][own.index], own / count[own.index], atol=1e-15)
        assert not weights[name].drop(own.index).any()
    assert list(weights.columns) == list(bars.index.unique(0)) and count.nunique() > 2


@pytest.mark.slow
def test_multi_says_what_each_contributes(market: Market, panel: Panel) -> None:
    bars = market(3, 200)
    book = multi(
        {"trend": TREND, "dip": DIP, "ready": sma_cross(bars, 3, 10)},
        {"trend": 0.5, "ready": 0.2, "dip": 0.3},
    )
    assert isinstance(book, Multi) and book.__name__ == "multi(trend, dip, ready)"
    shares = book.shares(bars)
    assert list(shares.columns) == ["trend", "dip", "ready"]
    np.testing.assert_allclose(shares["trend"], 0.5 * TREND[0](bars, **TREND[1]), atol=1e-15)
    np.testing.assert_allclose(shares.sum(axis=1), book(bars), atol=1e-15)
    assert at.certify(book, bars).name == "multi(trend, dip, ready)"
    table = panel(5)
    several = multi({"each": for_each(CROSS), "dual": (dual_momentum, {"months": 1})})
    shares = several.shares(table)
    assert shares.columns.nlevels == 2
    np.testing.assert_allclose(shares.T.groupby(level=1).sum().T, several(table), atol=1e-15)


def test_the_backtest_takes_a_combination(market: Market) -> None:
    bars = market(3, 200)
    book = multi({"trend": TREND, "dip": DIP})
    result = at.backtest(bars, book)
    assert result.equity.equals(at.backtest(bars, book(bars)).equity) and len(result.fills) > 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda t, b: combine([]),
            "parts must be a list of targets and strategies, or a dict, got an empty one",
        ),
        (lambda t, b: combine(t), "or a dict, got Series"),
        (lambda t, b: combine([t, t[1:]]), "part 2 is about other bars or symbols than part 1"),
        (lambda t, b: combine([t, t.to_frame()]), "part 2 is about other bars or symbols than part 1"),
        (lambda t, b: combine([t.to_frame("A"), t.to_frame("B")]), "part 2 is about other bars or symbols"),
        (
            lambda t, b: combine({"x": t, "y": 3.0}),
            "y must be a target or a strategy that returns one, got float",
        ),
        (
            lambda t, b: combine([lambda bars: 1])(b),
            "part 1 must be a target or a strategy that returns one, got int",
        ),
        (lambda t, b: combine([t.replace(0, np.nan)]), "part 1 is not a finite number at 2015-01-05"),
        (lambda t, b: combine([t[:10], buy_and_hold])(b), "part 1 has no value for the bar of 2015-01-19"),
        (lambda t, b: combine([t, t], [1.0]), "1 weights for 2 parts: part 1, part 2"),
        (lambda t, b: combine({"a": t}, {"b": 1.0}), "weights for b; the parts are a"),
        (lambda t, b: combine([t], ["all"]), "weight of part 1 must be a number"),
        (lambda t, b: vote([t], needed=0), "needed must be a whole number"),
        (lambda t, b: vote([t], needed=2), "needed=2 of 1 voices can never be reached"),
        (lambda t, b: filter_by(t, t.to_frame()), "gate has the shape (60, 1), the target (60,)"),
        (
            lambda t, b: filter_by(t.to_frame(), pd.DataFrame({"a": t, "b": t})),
            "gate has the shape (60, 2), the target (60, 1)",
        ),
        (lambda t, b: filter_by(t, t[1:]), "gate is about other bars"),
        (lambda t, b: multi([t]), "multi needs names: a dict of strategies, got list"),
        (lambda t, b: multi({"a": t}, {}), "weights for"),
    ],
)
def test_what_combinations_refuse(
    make: Callable[[pd.Series, pd.DataFrame], object], words: str, market: Market, refusal: Refusal
) -> None:
    bars = market(1)
    assert words in refusal(ValueError, make, sma_cross(bars, 3, 10), bars)
