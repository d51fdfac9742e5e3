"The fast engine against the plain one, on thousands of random markets with random small print."

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest.costs import Fees, Slippage
from alphatwin.backtest.reference import reference_backtest
from alphatwin.backtest.rules import FILLS, REBALANCES, Rules
from alphatwin.backtest.vector import is_plain, read_market

pytestmark = pytest.mark.filterwarnings("ignore:fill='same_close'")
World = tuple[pd.DataFrame, "pd.Series | pd.DataFrame", dict[str, Any]]

FEES = [
    0.0,
    0.001,
    0.01,
    Fees(rate=0.001, fixed=1, per_share=0.01, minimum=2),
    Fees(tiers=((5_000, 0.002), (math.inf, 0.001))),
]
SLIPPAGES = [0.0, 0.0005, 0.01, Slippage(rate=0.001, half_spread=0.01, impact=0.1)]


def random_path(rng: np.random.Generator, count: int, whole: bool) -> dict[str, np.ndarray]:
    "Bars of one symbol; in whole numbers, so that prices repeat and touch their levels exactly, or not."
    close = 50 * np.exp(np.cumsum(rng.normal(0, rng.choice([0.01, 0.05]), count)))
    opened = np.r_[50, close[:-1]] * np.exp(rng.normal(0, 0.02, count))
    spread = np.exp(np.abs(rng.normal(0, 0.01, (2, count))))
    if whole:
        opened, close, spread = np.round(opened).clip(1), np.round(close).clip(1), np.ones((2, count))
    high, low = np.maximum(opened, close) * spread[0], np.minimum(opened, close) / spread[1]
    volume = np.full(count, 1e9)
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def random_world(seed: int, plain: bool = False) -> World:
    "A market of one to five symbols, a target, and small print."
    rng = np.random.default_rng(seed)
    symbols, count, whole = int(rng.choice([1, 1, 2, 3, 5])), int(rng.integers(1, 40)), rng.random() < 0.3
    time = pd.DatetimeIndex(pd.bdate_range("2020-01-01", periods=count), name="time", freq=None).as_unit("ns")
    names, actions = [f"S{number}" for number in range(symbols)], not plain and rng.random() < 0.3
    frames = {}
    for name in names:
        frame = pd.DataFrame(random_path(rng, count, whole), time)
        if actions:
            frame["split"] = rng.choice([1.0, 1, 1, 1, 2, 0.5, 0], count)
            frame["dividend"] = rng.choice([0.0, 0, 0, 0.5], count)
        frames[name] = frame
    bars = frames["S0"] if symbols == 1 else pd.concat(frames, names=["symbol", "time"])
    few = rng.random() < 0.6
    wishes = (
        rng.choice([-0.5, 0, 0, 0.3, 1.0], (count, symbols)) if few else rng.uniform(-1, 1, (count, symbols))
    )
    stay = rng.random(count) < rng.choice([0, 0.5, 0.9])
    stay[0] = False
    table = pd.DataFrame(np.where(stay[:, None], np.nan, wishes / symbols), time, names).ffill()
    rules: dict[str, Any] = {
        "fees": FEES[rng.integers(3 if plain else len(FEES))],
        "slippage": SLIPPAGES[rng.integers(3 if plain else len(SLIPPAGES))],
        "fill": str(rng.choice(FILLS)),
        "cash": float(rng.choice([1000.0, 1e5])),
        "rebalance": [*REBALANCES, 0.0513, 0.01317][rng.integers(5 if plain else 7)],
    }
    if not plain and rng.random() < 0.7:
        rules |= more_rules(rng, rules)
        if rules.get("leverage") and rules["size"] == "equity":
            table = table * 2.5
    return bars, table if symbols > 1 else table["S0"], rules


def more_rules(rng: np.random.Generator, rules: dict[str, Any]) -> dict[str, Any]:
    "Sizes, orders that wait, and what a broker charges."
    more: dict[str, Any] = {"size": str(rng.choice(["equity", "equity", "shares", "cash"]))}
    if more["size"] != "equity":
        more["unit"] = float(rng.choice([5.0, 0.5])) if more["size"] == "shares" else 300.0
        more["rebalance"] = rules["rebalance"] if isinstance(rules["rebalance"], str) else "on_change"
    options = {
        "whole_shares": True,
        "stop_loss": float(rng.choice([0.02, 0.05])),
        "take_profit": float(rng.choice([0.02, 0.05])),
        "trailing_stop": float(rng.choice([0.02, 0.05])),
        "interest": 0.05,
        "borrow": 0.1,
    }
    more |= {name: value for name, value in options.items() if rng.random() < 0.5}
    return more | ({"leverage": 3.0, "maintenance": 0.7} if rng.random() < 0.3 else {})


def compare(
    bars: pd.DataFrame, target: "pd.Series | pd.DataFrame", rules: dict[str, Any]
) -> "at.Result | None":
    "Hold one engine against the other, fill by fill; None if the account was ruined."
    try:
        expected, entries = reference_backtest(bars, target, **rules)
    except ValueError as fault:
        assert "ruined on" in str(fault)
        with pytest.raises(ValueError, match="ruined on") as other:
            at.backtest(bars, target, **rules)
        assert str(other.value).partition(":")[0] == str(fault).partition(":")[0]  # on the same day
        return None
    result = at.backtest(bars, target, **rules)
    np.testing.assert_allclose(result.equity, expected, rtol=1e-9)
    fills, table = result.fills, pd.DataFrame(entries, columns=[*entries[0]] if entries else ["bar"])
    assert len(fills) == len(table)
    if len(table):
        for name in ("time", "bar", "reason"):
            assert fills[name].tolist() == table[name].tolist(), name
        assert [result.symbols.index(symbol) for symbol in fills["symbol"]] == table["symbol"].tolist()
        for name in ("target", "shares", "price", "fee", "slippage", "held", "equity"):
            expected_column = table[name].astype("float64")
            size = (
                float(np.abs(expected_column).max()) if name in ("shares", "held") else rules.get("cash", 1e5)
            )
            np.testing.assert_allclose(
                fills[name], expected_column, rtol=1e-9, atol=1e-11 * size, err_msg=name
            )
    books_balance(result)
    return result


def books_balance(result: at.Result) -> None:
    "Cash + positions = equity at every bar; cash is what it was less what was bought and charged."
    worths = result.shares * result.close
    marked = result.positions["money"] + (worths.sum(axis=1) if worths.ndim == 2 else worths)
    np.testing.assert_allclose(marked, result.equity, rtol=1e-11)
    grown = result.parameters["cash"] * (1 + result.returns).cumprod()
    np.testing.assert_allclose(grown, result.equity, rtol=1e-9)
    assert len(result.returns) == len(result.equity) == len(result.positions)


SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.slow
@settings(max_examples=800)
@given(seed=SEEDS)
def test_both_engines_agree_whatever_the_small_print(seed: int) -> None:
    compare(*random_world(seed))


@pytest.mark.slow
@settings(max_examples=500)
@given(seed=SEEDS)
def test_both_engines_agree_on_the_plain_road(seed: int) -> None:
    bars, target, rules = random_world(seed, plain=True)
    assert is_plain(Rules(**rules), read_market(bars, Rules(**rules)))
    compare(bars, target, rules)


@pytest.mark.slow
@settings(max_examples=150)
@given(seed=SEEDS)
def test_the_two_roads_give_the_same(seed: int, monkeypatch_session: pytest.MonkeyPatch) -> None:
    bars, target, rules = random_world(seed, plain=True)
    plain = at.backtest(bars, target, **rules)
    with monkeypatch_session.context() as patched:
        patched.setattr("alphatwin.backtest.vector.is_plain", lambda *_: False)
        full = at.backtest(bars, target, **rules)
    np.testing.assert_allclose(plain.equity, full.equity, rtol=1e-11)
    assert plain.pending == full.pending and len(plain.fills) == len(full.fills)
    for name in ("bar", "decided", "symbol", "reason", "target"):
        assert plain.fills[name].tolist() == full.fills[name].tolist()
    np.testing.assert_allclose(plain.fills["shares"], full.fills["shares"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plain.shares, full.shares, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def monkeypatch_session() -> pytest.MonkeyPatch:
    "A monkeypatch that hypothesis may keep for all examples; each opens a context of its own."
    return pytest.MonkeyPatch()


prices = st.integers(1, 12).map(float)


@pytest.mark.slow
@settings(max_examples=400)
@given(
    rows=st.lists(
        st.tuples(prices, prices, st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])), min_size=1, max_size=7
    ),
    fees=st.sampled_from([0.0, 0.0005, 0.01, 0.1]),
    slippage=st.sampled_from([0.0, 0.01, 0.05]),
    fill=st.sampled_from(FILLS),
    rebalance=st.sampled_from(REBALANCES),
)
def test_both_engines_agree_on_wild_markets_and_about_ruin(
    table: Callable[..., pd.DataFrame],
    rows: list[tuple[float, float, float]],
    fees: float,
    slippage: float,
    fill: str,
    rebalance: str,
) -> None:
    opens, closes, wishes = (list(column) for column in zip(*rows, strict=True))
    bars = table(opens, closes)
    rules = {"fees": fees, "slippage": slippage, "fill": fill, "rebalance": rebalance, "leverage": 2.0}
    target = pd.Series(wishes, index=bars.index)
    try:
        compare(bars, target, rules)
    except (
        AssertionError,
        ValueError,
        pytest.fail.Exception,
    ):  # Nearer to ruin than a millionth of the money, rounding decides who survives
        if not near_ruin(bars, target, rules):
            raise


def near_ruin(bars: pd.DataFrame, target: pd.Series, rules: dict[str, Any]) -> bool:
    "Whether one of the engines sees an equity of almost nothing."
    for engine in (reference_backtest, at.backtest):
        try:
            got = engine(bars, target, **rules)
        except ValueError:
            continue
        equity = got[0] if isinstance(got, tuple) else got.equity
        if equity.min() < 0.1:
            return True
    return False


def test_among_the_wild_markets_some_ruin_and_some_do_not(table: Callable[..., pd.DataFrame]) -> None:
    bars = table([10.0, 10.0, 11.0, 12.0], [10.0, 10.0, 21.0, 12.0])
    assert compare(bars, pd.Series(1.0, index=bars.index), {}) is not None
    assert compare(bars, pd.Series(-1.0, index=bars.index), {}) is None


@pytest.mark.slow
def test_the_random_worlds_reach_every_corner() -> None:
    reasons, roads, ruined = set(), set(), 0
    for seed in range(300):
        bars, target, rules = random_world(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = compare(bars, target, rules)
            roads.add(is_plain(Rules(**rules), read_market(bars, Rules(**rules))))
        ruined += result is None
        reasons |= set(result.fills["reason"]) if result is not None else set()
    assert reasons == {"target", "stop_loss", "take_profit", "trailing_stop", "margin"}
    assert roads == {True, False} and ruined


@pytest.mark.slow
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("rebalance", [*REBALANCES, 0.05])
def test_both_engines_agree_on_twenty_years(fill: str, rebalance: "str | float", spx: pd.DataFrame) -> None:
    rules = {"fees": 0.001, "slippage": 0.0005, "fill": fill, "rebalance": rebalance}
    assert compare(spx, at.sma_cross(spx, 20, 100) - 0.25, rules)


# What must always hold, of the fast engine alone


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


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("impact", "volume"), [(1, 12_000.0), (2, 12_000.0), (5, 20_000.0), (50, 10_000.0)])
def test_a_large_order_in_a_thin_market_is_sized_as_an_independent_search_does(
    impact: float, volume: float, side: float
) -> None:
    from scipy.optimize import brentq

    index = pd.bdate_range("2024-01-01", periods=4, name="time")
    bars = pd.DataFrame({name: 10.0 for name in ("open", "high", "low", "close")} | {"volume": volume}, index)
    target, slippage = pd.Series(side, index), at.Slippage(impact=impact)
    wanted = side * brentq(lambda n: 1e5 - 10 * n * (1 + impact * (n / volume) ** 2), 0, 1e4, xtol=1e-9)
    assert at.backtest(bars, target, slippage=slippage).fills["shares"].iloc[0] == pytest.approx(
        wanted, rel=1e-9
    )
    assert at.event_backtest(bars, target, slippage=slippage).fills["shares"].iloc[0] == pytest.approx(wanted)
    assert at.reference_backtest(bars, target, slippage=slippage)[1][0]["shares"] == pytest.approx(wanted)


@pytest.mark.parametrize("half_spread", [0.0099, 0.01, 0.012, 0.05])
def test_a_spread_as_wide_as_the_price(half_spread: float) -> None:
    index = pd.bdate_range("2024-01-01", periods=4, name="time")
    bars = pd.DataFrame({name: 0.01 for name in ("open", "high", "low", "close")} | {"volume": 1e6}, index)
    bought = at.backtest(bars, pd.Series(1.0, index), slippage=at.Slippage(half_spread=half_spread)).fills
    assert bought["shares"].iloc[0] == pytest.approx(1e5 / (0.01 + half_spread))


def test_a_strategy_that_remembers_is_not_traded(refusal: Callable[..., str]) -> None:
    class Peeks:
        calls = 0

        def __call__(self, bars: pd.DataFrame) -> pd.Series:
            self.calls += 1
            later = (bars["close"].shift(-1) > bars["close"]).astype("float64")
            return later if self.calls == 1 else 0.0 * bars["close"]

    bars = at.load("SPX", start="2008-01-01", end="2008-06-30")
    assert "Peeks gives another target when it is called again" in refusal(
        ValueError, at.backtest, bars, Peeks()
    )


@pytest.mark.parametrize("engine", [at.backtest, at.event_backtest])
@pytest.mark.parametrize(("name", "value"), [("dividend", -1.0), ("split", -1.0), ("split", np.inf)])
def test_actions_that_none_can_be(
    engine: Callable[..., Any], name: str, value: float, refusal: Callable[..., str]
) -> None:
    bars = at.load("SPX", start="2008-01-01", end="2008-03-31").assign(**{name: 0.0})
    bars.iloc[9, -1] = value
    said = refusal(ValueError, engine, bars, pd.Series(1.0, bars.index))
    assert f"the {name} on {bars.index[9]} is {value:g}" in said


def test_the_same_instants_in_another_zone_are_named(refusal: Callable[..., str]) -> None:
    bars = at.load("SPX", start="2008-01-01", end="2008-03-31").tz_localize("America/New_York")
    target = pd.Series(1.0, bars.index.tz_convert("UTC"))
    assert "is stamped 2008-01-02 05:00:00+00:00" in refusal(ValueError, at.backtest, bars, target)


@pytest.mark.parametrize("engine", [at.backtest, at.event_backtest, at.reference_backtest])
@pytest.mark.parametrize(("size", "much", "worth"), [("shares", 1e6, "11,000,000"), ("cash", 2e5, "200,000")])
def test_more_than_there_is_in_shares_or_money(
    engine: Callable[..., Any], size: str, much: float, worth: str, refusal: Callable[..., str]
) -> None:
    prices = np.array([10.0, 11, 12, 14])
    index = pd.bdate_range("2024-01-01", periods=4, name="time")
    bars = pd.DataFrame({name: prices for name in ("open", "high", "low", "close")} | {"volume": 1e6}, index)
    target = pd.Series(much, index)
    said = refusal(ValueError, engine, bars, target, size=size)
    assert f"on {index[1]} the target takes positions of {worth}.00 with an equity of 100,000.00" in said
    engine(bars, target, size=size, leverage=200.0)
    engine(bars, pd.Series([0.0, 8_000, 8_000, 8_000], index) / (1 if size == "shares" else 0.1), size=size)
