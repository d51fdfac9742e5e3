"A walk is what its windows say, sees no future, pays at its seams, and finds nothing on noise."

from collections.abc import Callable
from itertools import product
from typing import Any

import numba
import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.optimize.null_market import null_bars
from alphatwin.optimize.splits import walk_splits
from alphatwin.optimize.walking import WalkForward, walk_forward
from alphatwin.optimize.windows import stitch, wanted_by

Refusal = Callable[..., str]
PAIRS = {"fast": [5, 20], "slow": [20, 60, 100]}
CHOICE = ["fast", "slow", "sharpe_in", "total_return_in"]


@pytest.fixture(scope="module")
def bars(spx: pd.DataFrame) -> pd.DataFrame:
    return spx.loc["2007":"2012"]


@pytest.fixture(scope="module")
def walk(bars: pd.DataFrame) -> WalkForward:
    return walk_forward(bars, at.sma_cross, PAIRS, train=400, test=150, fees=0.001)


def side(bars: pd.DataFrame, long: float = 1.0) -> pd.Series:
    "Hold the same at every bar."
    return pd.Series(long, bars.index)


def path(moves: Any) -> pd.DataFrame:
    "Bars that open where they closed before."
    close = 100 * np.cumprod(1 + np.asarray(moves))
    before = np.r_[100.0, close[:-1]]
    table = {"open": before, "high": np.maximum(before, close), "low": np.minimum(before, close)}
    times = pd.bdate_range("2020-01-01", periods=len(close), name="time")
    return pd.DataFrame(table | {"close": close, "volume": 1.0}, times)


@pytest.mark.slow
@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("purge", [0, 10])
def test_against_a_walk_in_plain_backtests(bars: pd.DataFrame, anchored: bool, purge: int) -> None:
    "Every window by hand: one backtest a cell, a maximum, and a target that is copied bar by bar."
    walk = walk_forward(
        bars, at.sma_cross, PAIRS, train=400, test=150, anchored=anchored, purge=purge, fees=0.001
    )
    wanted = np.zeros(len(bars))
    first = begin = 400 + purge
    for window in range(len(walk.splits)):
        end = begin - purge
        learned = bars.iloc[(0 if anchored else end - 400) : end]
        best, chosen, grown = -np.inf, {}, np.nan
        for fast, slow in product(*PAIRS.values()):
            if fast < slow:
                returns = at.backtest(learned, at.sma_cross(learned, fast, slow), fees=0.001).returns
                if at.sharpe(returns) > best + 1e-12:
                    best, chosen = at.sharpe(returns), {"fast": fast, "slow": slow}
                    grown = at.total_return(returns)
        row, after = walk.parameters.loc[window], min(begin + 150, len(bars))
        assert row[["fast", "slow"]].to_dict() == chosen
        assert row[["sharpe_in", "total_return_in"]].tolist() == pytest.approx([best, grown], rel=1e-9)
        ends = [bars.index[p] for p in (0 if anchored else end - 400, end - 1, begin, after - 1)]
        assert row[["train_from", "train_to", "test_from", "test_to"]].tolist() == ends
        target = at.sma_cross(bars, **chosen)
        for bar in range(begin - 1, after - 1):
            wanted[bar] = target.iloc[bar]
        own = walk.returns.iloc[begin - first : after - first]
        assert row["sharpe_out"] == pytest.approx(at.sharpe(own)) and len(own) == after - begin
        assert row["total_return_out"] == pytest.approx(at.total_return(own))
        begin = after
    assert begin == len(bars)
    wanted[-1] = wanted[-2]
    equity = at.reference_backtest(bars, pd.Series(wanted, bars.index), fees=0.001)[0]
    np.testing.assert_allclose(walk.equity, equity.iloc[first:], rtol=1e-9)


def test_every_bar_is_tested_once_and_equity_has_no_gap(walk: WalkForward, bars: pd.DataFrame) -> None:
    assert walk.returns.index.equals(bars.index[400:]) and walk.equity.index.equals(bars.index[400:])
    before = np.r_[100_000.0, walk.equity.to_numpy()[:-1]]
    np.testing.assert_allclose(walk.equity / before - 1, walk.returns, atol=1e-12)
    tested = [bars.loc[row["test_from"] : row["test_to"]].index for _, row in walk.parameters.iterrows()]
    assert bars.index[400:].equals(pd.DatetimeIndex(np.concatenate(tested)))
    whole = np.prod(1 + walk.parameters["total_return_out"])
    assert whole == pytest.approx(walk.equity.iloc[-1] / 100_000)


@pytest.mark.slow
def test_what_comes_after_learning_changes_no_choice(walk: WalkForward, bars: pd.DataFrame) -> None:
    for window, split in enumerate(walk.splits):
        end = int(split.train[-1]) + 1
        other = pd.concat(
            [bars.iloc[:end], null_bars(bars.iloc[end - 1 :], seed=window, drift=False).iloc[1:]]
        )
        assert not other["close"].iloc[end:].equals(bars["close"].iloc[end:])
        changed = walk_forward(other, at.sma_cross, PAIRS, train=400, test=150, fees=0.001)
        same = slice(0, window)
        pd.testing.assert_frame_equal(
            changed.parameters.loc[same, CHOICE], walk.parameters.loc[same, CHOICE], check_exact=True
        )
        count = end - 400  # Returns of bars before the change
        pd.testing.assert_series_equal(
            changed.returns.iloc[:count], walk.returns.iloc[:count], check_exact=True, check_freq=False
        )


def test_a_shorter_history_gives_the_beginning(walk: WalkForward, bars: pd.DataFrame) -> None:
    for cut in (401, 402, 549, 550, 551, 699, 700, 701, 1200):
        part = walk_forward(bars.iloc[:cut], at.sma_cross, PAIRS, train=400, test=150, fees=0.001)
        assert np.array_equal(part.returns, walk.returns.iloc[: cut - 400])
        assert np.array_equal(part.target.iloc[:-1], walk.target.iloc[: cut - 400])


def test_a_window_that_was_not_changed_pays_nothing_and_one_that_was_pays_once() -> None:
    bars = path([0.01, 0.012] * 30 + [-0.01, -0.012] * 30)  # Up for 60 bars, then down for 60
    walk = walk_forward(bars, side, {"long": [0.0, 1.0, 0.5]}, train=20, test=20, metric="cagr", fees=0.01)
    assert walk.parameters["long"].tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    fills = walk.result.fills
    assert fills["time"].tolist() == [bars.index[20], bars.index[80]]
    assert walk.result.costs[walk.result.costs > 0].index.tolist() == fills["time"].tolist()
    worth = 100_000 / 1.01 * bars["close"].iloc[79] / bars["open"].iloc[20]
    assert walk.equity.iloc[-1] == pytest.approx(worth * 0.99)
    seam = worth * 0.99 / worth - 1  # Bar 80 opens at the close before and is sold there
    assert walk.returns.loc[bars.index[80]] == pytest.approx(seam)
    assert walk.result.pending is None


def test_rules_are_warm_on_the_first_test_day(bars: pd.DataFrame) -> None:
    walk = walk_forward(
        bars, at.sma_cross, {"fast": 5, "slow": [100]}, train=150, test=50, metric="volatility"
    )
    pd.testing.assert_series_equal(
        walk.target.iloc[:-1], at.sma_cross(bars, 5, 100).iloc[149:-1], check_names=False, check_freq=False
    )


def test_a_look_ahead_inside_a_window_does_not_reach_behind_it(bars: pd.DataFrame) -> None:
    seen: list[pd.Timestamp] = []

    def curious(bars: pd.DataFrame, long: float = 1.0) -> pd.Series:
        seen.append(bars.index[-1])
        return pd.Series(long, bars.index)

    grid = {"long": [0.5, 1.0]}
    walk = walk_forward(bars.iloc[:700], curious, grid, train=400, test=150, purge=10, certify=False)
    ends = {row["train_to"] for _, row in walk.parameters.iterrows()}
    assert set(seen) == ends | {row["test_to"] for _, row in walk.parameters.iterrows()}


def test_efficiency_by_hand() -> None:
    bars = path(np.r_[np.full(40, 0.02), np.full(20, 0.01), np.full(20, 0.005)])
    walk = walk_forward(bars, side, {"long": [0.5, 1.0]}, train=40, test=20, metric="total_return")
    learned = [
        np.log(1.02) * 39,
        np.log(1.02) * 19 + np.log(1.01) * 20,
    ]  # The first bar of each is not yet held
    want = (np.log(1.01) + np.log(1.005)) * 20 / 40 / (sum(learned) / 80)
    assert walk.efficiency == pytest.approx(want)
    down = path(np.full(80, -0.01))
    assert np.isnan(
        walk_forward(down, side, {"long": [0.5, 1.0]}, train=40, test=20, metric="cagr").efficiency
    )


def test_stitching_keeps_the_order_of_windows() -> None:
    times = pd.date_range("2024-01-01", periods=12, name="time")
    pieces = [pd.Series(float(n), times) for n in (1, 2, 3)]
    got = stitch(pieces, walk_splits(12, 4, 3), times)
    assert got.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3] and got.index.equals(times[3:])
    wide = [pd.DataFrame({"a": 1.0}, times), pd.DataFrame({"a": 2.0, "b": 5.0}, times)]
    got = stitch(wide, walk_splits(10, 4, 3), times[:10], ["a", "b"])
    assert got["b"].tolist() == [0, 0, 0, 5, 5, 5, 5]


@pytest.mark.slow
def test_a_portfolio_walks_too() -> None:
    panel = at.load(["AAPL", "GOOG", "IBM"], start="2003-01-01")  # GOOG begins in August 2004
    grid = {"months": [3, 6], "top": [1, 2]}
    walk = walk_forward(panel, at.dual_momentum, grid, train=500, test=400, portfolio=True, fees=0.001)
    times = panel.index.unique("time").sort_values()
    assert walk.returns.index.equals(times[500:])
    row, split = walk.parameters.loc[1], walk.splits[1]
    stamps = panel.index.get_level_values("time")
    learned = panel[(stamps >= times[split.train[0]]) & (stamps <= times[split.train[-1]])]
    best = at.sweep(learned, at.dual_momentum, grid, portfolio=True, fees=0.001, progress=False).best(
        "sharpe"
    )
    assert (best["months"], best["top"], best["sharpe"]) == (row["months"], row["top"], row["sharpe_in"])
    target = at.dual_momentum(panel, months=int(row["months"]), top=int(row["top"]))
    own = walk.target.loc[times[split.test[0] - 1] : times[split.test[-1] - 1]]
    assert np.array_equal(own[target.columns], target.loc[own.index])
    assert walk.plot().axes


def test_compiled_rules_lists_and_other_metrics(bars: pd.DataFrame) -> None:
    @numba.njit
    def rising(close: np.ndarray, back: int) -> np.ndarray:
        held = np.zeros(len(close))
        for bar in range(back, len(close)):
            held[bar] = close[bar] > close[bar - back]
        return held

    def plain(bars: pd.DataFrame, back: int = 1) -> pd.Series:
        return (bars["close"] > bars["close"].shift(back)).astype("float64")

    one = walk_forward(bars, rising, {"back": [5, 50]}, train=400, test=300, metric="volatility")
    two = walk_forward(bars, plain, [{"back": 5}, {"back": 50}], train=400, test=300, metric="volatility")
    assert one.returns.equals(two.returns)
    for split, row in zip(one.splits, one.parameters["back"], strict=True):
        found = at.sweep(
            bars.iloc[split.train], plain, {"back": [5, 50]}, metrics="volatility", progress=False
        )
        assert (
            row == found.table.loc[found.table["volatility"].idxmin(), "back"]
        )  # Of risks the lower is better


def test_the_picture_shows_the_numbers(walk: WalkForward) -> None:
    import matplotlib.pyplot as plt

    figure = walk.plot()
    equity, metric, fast, slow = figure.axes
    assert np.allclose(equity.lines[0].get_ydata(), walk.equity / 100_000)
    hold = walk.result.close / walk.result.close.iloc[0]
    assert np.allclose(equity.lines[1].get_ydata(), hold.iloc[1:])
    for line, name in zip(metric.lines[:2], ("sharpe_in", "sharpe_out"), strict=True):
        assert np.allclose(line.get_ydata()[:-1], walk.parameters[name])
    assert fast.lines[0].get_ydata()[:-1].tolist() == walk.parameters["fast"].tolist()
    assert slow.get_ylabel() == "slow" and plt.get_fignums() == []


def test_what_it_says_of_itself(walk: WalkForward) -> None:
    mean, kept = walk.parameters["sharpe_in"].mean(), at.sharpe(walk.returns)
    said = repr(walk)
    assert f"sharpe {mean:.3g} in sample (mean), {kept:.3g} out of sample" in said
    assert f"{len(walk.splits)} windows, {walk.returns.index[0]:%Y-%m-%d}" in said


def test_what_a_walk_refuses(bars: pd.DataFrame, refusal: Refusal) -> None:
    def say(
        kind: type[Exception] = ValueError, strategy: Any = at.sma_cross, grid: Any = None, **more: Any
    ) -> str:
        options: dict[str, Any] = {"train": 400, "test": 150} | more
        return refusal(kind, walk_forward, options.pop("bars", bars), strategy, grid or PAIRS, **options)

    count = len(bars)
    assert f"needs at least {count + 1} bars ({count} to learn from, one to test), got {count}" in say(
        train=count
    )
    assert "no metric sharp; the nearest is sharpe" in say(metric="sharp")
    assert "cannot choose by trades" in say(metric="trades") and "by exposure" in say(metric="exposure")
    assert "new parameters at the price that chose them" in say(fill="same_close")
    assert "no argument exposure" in say(TypeError, exposure=1)
    assert "the nearest is fees" in say(TypeError, fee=0.1)
    several = at.load(["AAPL", "IBM"], start="2011-01-01")
    assert "walk each by itself, or use portfolio=True" in say(bars=several)
    assert "portfolio=True needs the long table" in say(at.BarsError, portfolio=True)
    words = say(grid={"fast": [5], "slow": [450, 500]})
    assert f"window 0 (learning {bars.index[0]:%Y-%m-%d} to {bars.index[399]:%Y-%m-%d})" in words
    assert "sharpe is undefined in all 2 cells (no cell's returns vary)" in words
    assert (
        "window 0" in (words := say(grid={"fast": [50], "slow": [20]})) and "every cell is refused" in words
    )
    assert "has no parameter slw" in say(grid={"fast": [5], "slw": [20]})

    def flat_after_2009(bars: pd.DataFrame, share: float = 1.0) -> pd.Series:
        return pd.Series(np.where(bars.index < "2009-03-01", share, 0.0), bars.index)

    words = say(strategy=flat_after_2009, grid={"share": [0.5, 1.0]})
    assert "window 4 (learning" in words and "undefined in all 2 cells" in words

    def scribbler(bars: pd.DataFrame, share: float = 1.0) -> pd.Series:
        bars["close"] = 1.0
        return pd.Series(share, bars.index)

    assert "changes the bars that it is given" in refusal(
        ValueError, wanted_by, scribbler, {"share": 1.0}, bars
    )

    def prophet(bars: pd.DataFrame, share: float = 1.0) -> pd.Series:
        return pd.Series(np.where(bars["close"].shift(-1) > bars["close"], share, 0.0), bars.index)

    assert "window 0" in say(at.LookAheadError, prophet, {"share": [0.5, 1.0]})


@pytest.mark.slow
def test_noise_looks_like_noise(spx: pd.DataFrame) -> None:
    "Without drift, memory and costs, what a walk holds has nothing to do with what comes next."
    grid = {"fast": range(5, 50, 10), "slow": range(60, 260, 40)}
    inside, timing = [], []
    for seed in range(30):
        market = null_bars(spx, seed, lags=0, drift=False)
        walk = walk_forward(market, at.sma_cross, grid, train=750, test=250)
        moves = np.diff(np.log(market["close"].to_numpy()))[749:]
        held = walk.target.to_numpy()[:-1]
        timing.append(float(((held - held.mean()) * moves).sum()))
        inside.append(walk.parameters["sharpe_in"].mean())
    error = np.std(timing, ddof=1) / 30**0.5
    assert abs(np.mean(timing)) < 3 * error and np.mean(inside) > 0.3
