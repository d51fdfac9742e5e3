"""The fast roads of a sweep beside the plain one (bit for bit) and beside the backtest."""

import inspect
import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphatwin.backtest.market import read_market
from alphatwin.backtest.rules import Rules
from alphatwin.backtest.vector import backtest
from alphatwin.optimize.bits import latch, to_words
from alphatwin.optimize.by_hand import METRICS, finish, tally_by_hand, tally_long
from alphatwin.optimize.families import FAMILIES
from alphatwin.optimize.fused import Scorer, fits, prepare
from alphatwin.optimize.ground import lay_ground
from alphatwin.optimize.ranges import build_ranges, look_up, worst_fall
from alphatwin.optimize.runs import allowed_of
from alphatwin.optimize.sides import room_for_trades, walk_sides
from alphatwin.optimize.walk import walk_long
from alphatwin.optimize.workers import ByBacktest
from alphatwin.signals.strategies import sma_cross

FILLS = ("next_open", "next_close", "same_close")


def random_bars(generator: np.random.Generator, count: int, spread: float = 0.02) -> pd.DataFrame:
    "Bars of a market that wanders, now and then without moving at all."
    moves = generator.normal(0, spread, count) * (generator.random(count) > 0.1)
    close = 100 * np.exp(np.cumsum(moves))
    start = close * np.exp(generator.normal(0, spread / 2, count))
    high, low = np.maximum(start, close) * (1 + generator.random(count) * spread), np.minimum(start, close)
    low = low * (1 - generator.random(count) * spread)
    columns = {"open": start, "high": high, "low": low, "close": close, "volume": 1e6}
    return pd.DataFrame(columns, index=pd.date_range("2000-01-03", periods=count, freq="B", name="time"))


def random_rules(generator: np.random.Generator, kind: str) -> dict[str, Any]:
    "Small print that the fast road knows."
    rules: dict[str, Any] = {
        "fill": str(generator.choice(FILLS)),
        "fees": float(generator.choice([0, 0.001, 0.02])),
    }
    rules["slippage"] = float(generator.choice([0.0, 0.002]))
    if kind == "stops":
        rules["stop_loss"] = float(generator.choice([0.01, 0.05, 0.2]))
        rules["take_profit"] = (
            None if generator.random() < 0.3 else float(generator.choice([0.01, 0.05, 0.2]))
        )
    return rules | ({"rebalance": "every_bar"} if kind == "exposure" else {})


def close_enough(found: np.ndarray, expected: np.ndarray) -> bool:
    "Within 1e-12 times one more than the trades, NaN where NaN is expected."
    room = 1e-12 * (1 + expected[METRICS.index("trades")]) * np.maximum(1, np.abs(expected))
    return bool(((np.abs(found - expected) <= room) | (np.isnan(found) & np.isnan(expected))).all())


@pytest.mark.parametrize("kind", ["long", "sides", "stops", "exposure"])
@pytest.mark.parametrize("seed", range(3))
def test_walks_are_the_plain_version_bit_for_bit_and_the_backtest(kind: str, seed: int) -> None:
    generator, tally, steep = np.random.default_rng([seed, len(kind)]), np.empty(7), 0
    for _ in range(60):
        count = int(generator.integers(2, 300))
        bars, small_print = random_bars(generator, count), random_rules(generator, kind)
        rules = Rules(**small_print)
        exposure = generator.uniform(0.1, 1.0, count) if kind == "exposure" else None
        decided = np.repeat(generator.integers(-1, 2, count), generator.integers(1, 40))[:count]
        decided = np.abs(decided) if kind == "long" else decided
        ground = lay_ground(read_market(bars, rules), rules, exposure)
        target = pd.Series(decided * (1.0 if exposure is None else exposure), bars.index)
        allowed = allowed_of(count, ground.lag)
        decided = np.where(np.arange(count) < count - ground.lag, decided, 0)
        words = to_words(decided > 0), to_words(decided < 0)
        walk_sides(*words, allowed, ground, room_for_trades(count), tally)
        if np.isnan(tally[0]):
            steep += 1
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            expected = backtest(bars, target, **small_print).summary()[METRICS].to_numpy()
        assert np.array_equal(tally, tally_by_hand(decided, ground))
        assert close_enough(finish(tally[None], count)[0], expected), (small_print, count)
        if kind == "long":
            both = tally.copy()
            walk_long(to_words(decided > 0), allowed, ground, tally)
            assert np.array_equal(tally, both) and np.array_equal(tally, tally_long(decided, ground))
    assert steep < 10


def test_a_range_is_looked_up_as_it_is_walked() -> None:
    prices = random_bars(np.random.default_rng(1), 500)["close"].to_numpy()
    table = build_ranges(prices)
    for first, last in np.sort(np.random.default_rng(2).integers(0, 500, (400, 2)), axis=1):
        inside = prices[first : last + 1]
        assert look_up(table, first, last) == (inside.min(), inside.max(), worst_fall(inside))


def test_a_latch_that_leaves_wins_over_one_that_enters() -> None:
    words = np.empty(2, np.uint64)
    enter, leave = np.zeros(128, bool), np.zeros(128, bool)
    enter[[0, 63, 64, 100]], leave[[63, 70]] = True, True
    latch(to_words(enter), to_words(leave), words)
    held = np.r_[np.ones(63), np.zeros(1), np.ones(6), np.zeros(30), np.ones(28)] > 0
    assert (words == to_words(held)).all()


RANGES = {"fast": (1, 20), "slow": (20, 120), "entry": (15, 60), "leave": (1, 15), "months": (1, 14)}
RANGES |= {"window": (2, 40), "trend": (2, 150)}


@pytest.mark.parametrize("strategy", list(FAMILIES), ids=lambda one: one.__name__)
@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("kind", ["long", "stops", "exposure"])
def test_families_are_their_strategies(strategy: Any, short: bool, kind: str, spx: pd.DataFrame) -> None:
    generator, cells = np.random.default_rng(3), 12
    names = inspect.signature(strategy).parameters
    columns = {name: generator.integers(*limits, cells) for name, limits in RANGES.items() if name in names}
    columns |= {"below": generator.uniform(5, 60, cells)} if "below" in names else {}
    columns |= {"width": generator.uniform(0.5, 3, cells)} if "width" in names else {}
    columns |= {"hurdle": generator.uniform(-0.1, 0.1, cells)} if "hurdle" in names else {}
    if "short" in names:
        columns["short"] = np.full(cells, short)
    elif short:
        pytest.skip("it is never short")
    bars = spx.iloc[1_000:2_600]
    small_print = random_rules(generator, kind)
    exposure = generator.uniform(0.1, 1.0, len(bars)) if kind == "exposure" else None
    rules = Rules(**small_print)
    plan = prepare(bars, strategy, columns, rules, tuple(METRICS), exposure)
    assert plan is not None
    found, traded = plan.run(0, cells), 0
    assert np.array_equal(np.concatenate([plan.run(0, 5), plan.run(5, cells)]), found, equal_nan=True)
    for cell in range(cells):
        target = strategy(bars, **{name: values[cell].item() for name, values in columns.items()}).to_numpy()
        target = target if exposure is None else target * exposure
        expected = ByBacktest(bars, rules, tuple(METRICS)).row(target)
        if np.isnan(
            found[cell]
        ).all():  # A short position that lost more than half: called again by whoever asked
            assert short and expected[METRICS.index("max_drawdown")] < -0.5
            continue
        assert close_enough(found[cell], expected), (cell, found[cell] - expected)
        traded += int(expected[METRICS.index("trades")])
    assert traded > cells


def test_exact_ties_are_decided_by_whole_numbers(spx: pd.DataFrame) -> None:
    "Prices in half dollars: averages are equal at many bars, and the floats of `sma` without a tick disagree."
    bars = spx[["open", "high", "low", "close"]].div(20).round(0).mul(0.5).assign(volume=1.0).iloc[:2_000]
    columns = {"fast": np.repeat([2, 3, 4], 3), "slow": np.tile([6, 8, 9], 3)}
    metrics, rules = ("total_return", "trades"), Rules(fees=0.001)
    found = {}
    for tick in (None, 0.5):
        ticked = columns | ({"tick": np.full(9, tick)} if tick else {})
        plan = prepare(bars, sma_cross, ticked, rules, metrics)
        assert plan is not None
        found[tick] = plan.run(0, 9)
        for cell in range(9):
            fast, slow = int(columns["fast"][cell]), int(columns["slow"][cell])
            target = sma_cross(bars, fast, slow, tick=tick).to_numpy()
            assert np.allclose(found[tick][cell], ByBacktest(bars, rules, metrics).row(target), rtol=1e-11)
    closes = bars["close"].to_numpy()
    averages = [np.convolve(closes * 2, np.ones(one), "valid")[-1_900:] / one for one in (3, 6)]
    assert (averages[0] == averages[1]).sum() > 50


def test_threads_do_not_change_a_bit(spx: pd.DataFrame) -> None:
    fast, slow = np.meshgrid(np.arange(2, 42), np.arange(50, 250, 5), indexing="ij")
    columns = {"fast": fast.ravel(), "slow": slow.ravel()}
    plan = prepare(spx, sma_cross, columns, Rules(fees=0.001), tuple(METRICS))
    assert plan is not None
    whole, parts = plan.run(0, 1_600), [np.empty(0)] * 4
    starts = [0, 100, 101, 900, 1_600]

    def work(part: int) -> None:
        parts[part] = plan.run(starts[part], starts[part + 1])

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)


def test_what_the_fast_road_does_not_know_goes_the_slow_one(spx: pd.DataFrame) -> None:
    bars = spx.iloc[:400]
    for small_print in (
        {"trailing_stop": 0.1},
        {"interest": 0.02},
        {"whole_shares": True},
        {"rebalance": "monthly"},
        {"size": "cash", "unit": 1e4},
        {"maintenance": 0.2},
    ):
        rules = Rules(**small_print)  # type: ignore[arg-type]
        assert not fits(read_market(bars, rules), rules)
        assert prepare(bars, sma_cross, {"fast": np.array([5])}, rules, ("sharpe",)) is None
        target = sma_cross(bars, 5, 20)
        expected = backtest(bars, target, **small_print).summary()["sharpe"]  # type: ignore[arg-type]
        assert Scorer(bars, rules, ("sharpe",)).row(target.to_numpy())[0] == expected
    paying = bars.assign(dividend=0.0)
    paying.iloc[100, -1] = 1.0
    assert not fits(read_market(paying, Rules()), Rules())


def test_a_short_position_that_loses_nearly_everything_takes_the_slow_road(spx: pd.DataFrame) -> None:
    bars = spx.iloc[:60].copy()
    rise = np.linspace(1.0, 1.95, 60)
    for name in ("open", "high", "low", "close"):
        bars[name] = 100 * rise
    target, metrics = np.r_[0.0, np.full(59, -1.0)], ("total_return", "sharpe", "max_drawdown")
    found = Scorer(bars, Rules(), metrics).row(target)
    assert np.allclose(found, ByBacktest(bars, Rules(), metrics).row(target), rtol=1e-12)
    assert found[0] < -0.85
    bars[["open", "high", "low", "close"]] *= np.linspace(1, 1.2, 60)[:, None]
    with pytest.raises(ValueError, match="the account is ruined on"):
        Scorer(bars, Rules(), metrics).row(target)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.5])
def test_targets_that_are_none_are_refused_by_the_backtest(bad: float, spx: pd.DataFrame) -> None:
    bars = spx.iloc[:50]
    target = np.zeros(50)
    target[20] = bad
    with pytest.raises(ValueError, match="1999-02-02"):
        Scorer(bars, Rules(), ("sharpe",)).row(target)
    with pytest.raises(ValueError, match="values for 50 bars|Length"):
        Scorer(bars, Rules(), ("sharpe",)).row(target[:-1])
