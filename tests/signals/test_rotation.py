"Rules on several symbols against loops written from the papers' words."

from collections.abc import Callable
from math import log
from statistics import fmean, pstdev

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.signals.rotation import (
    cross_sectional_momentum,
    dual_momentum,
    month_returns,
    pairs_zscore,
    rank_best,
)
from alphatwin.signals.strategies import wide_prices

Refusal = Callable[..., str]
Panel = Callable[..., pd.DataFrame]
Weights = dict[str, float]


def run_monthly(
    bars: pd.DataFrame, months: int, skip: int, decide: Callable[[Weights], Weights]
) -> pd.DataFrame:
    "Decide at each first bar of a month from the returns of whole months, bar by bar."
    symbols = list(bars.index.unique(0))
    times = sorted(bars.index.unique(1))
    ends: list[Weights] = []
    current: Weights = {}
    rows = []
    for place, time in enumerate(times):
        before = times[place - 1]
        if place and (time.year, time.month) != (before.year, before.month):
            ends.append({s: bars["close"][s, before] for s in symbols if (s, before) in bars.index})
            if len(ends) > months:
                now, then = ends[-1 - skip], ends[-1 - months]
                current = decide({s: now[s] / then[s] - 1 for s in symbols if s in now and s in then})
        rows.append([current.get(s, 0.0) if (s, time) in bars.index else 0.0 for s in symbols])
    return pd.DataFrame(rows, pd.DatetimeIndex(times, name="time"), pd.Index(symbols, name="symbol"))


@pytest.mark.parametrize(
    ("top", "hurdle", "refuge"), [(1, 0.0, None), (2, 0.02, None), (1, 0.03, "S3"), (2, 0.0, "S0")]
)
@pytest.mark.parametrize("seed", range(4))
def test_dual_momentum_written_out(
    seed: int, top: int, hurdle: float, refuge: str | None, panel: Panel
) -> None:
    bars = panel(seed, 5, 300)

    def decide(returns: Weights) -> Weights:
        risky = sorted((s for s in returns if s != refuge), key=lambda s: -returns[s])
        held = {s: 1 / top for s in risky[:top] if returns[s] > hurdle}
        if refuge in returns and risky:
            held[str(refuge)] = 1 - len(held) / top
        return held

    got = dual_momentum(bars, months=2, top=top, hurdle=hurdle, refuge=refuge)
    pd.testing.assert_frame_equal(got, run_monthly(bars, 2, 0, decide), check_freq=False)
    at.check_target(got, bars)
    assert (got.sum(axis=1) <= 1 + 1e-12).all() and got.to_numpy().any()


@pytest.mark.parametrize(
    ("months", "skip", "fraction", "short"),
    [(2, 0, 0.25, True), (3, 1, 0.5, True), (3, 1, 0.34, False), (2, 1, 0.01, True)],
)
@pytest.mark.parametrize("seed", range(4))
def test_cross_sectional_momentum_written_out(
    seed: int, months: int, skip: int, fraction: float, short: bool, panel: Panel
) -> None:
    bars = panel(seed, 6, 300)

    def decide(returns: Weights) -> Weights:
        order = sorted(returns, key=lambda s: -returns[s])
        count = max(1, int(len(order) * fraction))
        if len(order) < 2:
            return {}
        side = 0.5 if short else 1.0
        held = {s: side / count for s in order[:count]}
        return held | {s: -side / count for s in order[-count:] if short}

    got = cross_sectional_momentum(bars, months, skip, fraction, short)
    expected = run_monthly(bars, months, skip, decide)
    pd.testing.assert_frame_equal(got, expected, check_freq=False)
    at.check_target(got, bars)
    gross = got.abs().sum(axis=1)
    assert gross.max() == pytest.approx(1)


@pytest.mark.parametrize(("window", "entry"), [(20, 1.5), (60, 2.0), (252, 1.0)])
@pytest.mark.parametrize("pair", [["KO", "PEP"], ["XOM", "CVX"]])
def test_pairs_written_out(pair: list[str], window: int, entry: float) -> None:
    bars = at.load(pair, start="2000-01-01", end="2002-12-31")
    one, other = (bars["close"].loc[name].tolist() for name in pair)
    spread = [log(a) - log(b) for a, b in zip(one, other, strict=True)]
    side, out = 0.0, []
    for t in range(len(spread)):
        if t + 1 >= window:
            last = spread[t - window + 1 : t + 1]
            away = (spread[t] - fmean(last)) / pstdev(last)
            if side * away > 0 or away == 0:  # long (0.5) below the mean, short above it
                side = 0.0
            if away < -entry:
                side = 0.5
            elif away > entry:
                side = -0.5
        out.append(side)
    got = pairs_zscore(bars, window, entry)
    assert got[pair[0]].tolist() == out and got[pair[1]].tolist() == [-value for value in out]
    assert set(out) == {0.5, 0.0, -0.5}


def test_pairs_wait_for_the_younger_and_let_go_of_the_one_that_ends(panel: Panel) -> None:
    bars = panel(7, 3, 250)  # S1 begins late, S2 ends early
    young, ended = bars.loc[["S0", "S1"]], bars.loc[["S0", "S2"]]
    weights = pairs_zscore(young, window=10, entry=1.0)
    start = bars.loc["S1"].index[9]
    assert not weights[weights.index < start].to_numpy().any() and weights.to_numpy().any()
    end = bars.loc["S2"].index[-1]
    weights = pairs_zscore(ended, window=10, entry=0.01)
    assert weights.loc[:end].iloc[-1].any() and not weights[weights.index > end].to_numpy().any()


def test_a_refuge_alone_is_no_choice(panel: Panel) -> None:
    bars = panel(1, 2, 160, ragged=False)
    bars = bars.drop(bars.loc[["S1"]].index[:70])  # S1 is listed later
    weights = dual_momentum(bars, months=1, hurdle=5.0, refuge="S0")
    young = bars.loc["S1"].index
    ready = [time for time in young if time.to_period("M") > young[0].to_period("M") + 1]
    assert not weights[: ready[0]].iloc[:-1].to_numpy().any()
    assert weights["S0"][ready[0] :].eq(1).all() and not weights["S1"].any()


def test_equal_returns_are_ranked_as_they_stand_and_a_market_that_stands_still_has_no_winners(
    panel: Panel,
) -> None:
    flat = panel(1, 4, 200, ragged=False).assign(close=10.1)
    assert not cross_sectional_momentum(flat, months=2).to_numpy().any()
    assert not cross_sectional_momentum(flat, months=2, short=False).to_numpy().any()
    assert not dual_momentum(flat, months=2).to_numpy().any()
    assert dual_momentum(flat, months=2, hurdle=-0.01).iloc[-1].tolist() == [1, 0, 0, 0]
    turned = flat.loc[["S3", "S1", "S0", "S2"]]
    assert dual_momentum(turned, months=2, hurdle=-0.01)["S3"].iloc[-1] == 1
    assert not pairs_zscore(flat.loc[["S0", "S1"]], window=20, entry=0.5).to_numpy().any()


def test_the_index_is_the_union_of_all_times_in_order(panel: Panel) -> None:
    bars = panel(3, 4, 120)
    got = dual_momentum(bars, months=1)
    assert got.index.equals(pd.DatetimeIndex(sorted(bars.index.unique(1)), name="time"))
    shuffled = bars.iloc[np.random.default_rng(0).permutation(len(bars))].sort_index(
        level=1, sort_remaining=False
    )
    again = dual_momentum(shuffled, months=1)
    pd.testing.assert_frame_equal(again[got.columns], got, check_freq=False)


def test_too_few_months_hold_nothing(panel: Panel) -> None:
    bars = panel(3, 4, 60)
    for rule in (dual_momentum, cross_sectional_momentum):
        assert not rule(bars).to_numpy().any()
    assert not pairs_zscore(bars.loc[["S0", "S1"]]).to_numpy().any()


def test_ranks_with_nothing_to_rank() -> None:
    places, ranked = rank_best(np.array([[np.nan, np.nan], [np.nan, 1.0]]))
    assert ranked.tolist() == [[0], [1]] and places[1].tolist() == [1, 0]


def test_wide_prices_as_pandas_unstacks(panel: Panel) -> None:
    for seed in range(5):
        bars = panel(seed, 6)
        expected = bars["close"].unstack(0)[list(bars.index.unique(0))]
        pd.testing.assert_frame_equal(wide_prices(bars), expected, check_freq=False)
    assert wide_prices(bars, "volume").max().eq(1e5).all()
    turned = bars.loc[["S2", "S0"]]
    moments = bars.index.levels[1]
    codes = [bars.index.codes[0], len(moments) - 1 - bars.index.codes[1]]
    backwards = pd.MultiIndex([bars.index.levels[0], moments[::-1]], codes, names=["symbol", "time"])
    assert backwards.equals(bars.index) and not backwards.levels[1].is_monotonic_increasing
    pd.testing.assert_frame_equal(wide_prices(bars.set_axis(backwards)), wide_prices(bars), check_freq=False)
    assert list(wide_prices(turned).columns) == ["S2", "S0"]


def test_what_wide_prices_refuses(
    panel: Panel, market: Callable[..., pd.DataFrame], refusal: Refusal
) -> None:
    bars = panel(1, 3, 50)
    hole = bars.drop(("S1", bars.loc["S1"].index[4]))
    assert "S1: no bar on" in refusal(at.BarsError, wide_prices, hole)
    assert "S0: close is there twice on 2015-01-05" in refusal(
        at.BarsError, wide_prices, pd.concat([bars, bars[:1]])
    )
    wrong = bars.copy()
    wrong.iloc[60, wrong.columns.get_loc("close")] = np.nan
    symbol, time = wrong.index[60]
    assert f"{symbol}: close is nan on {time}" in refusal(at.BarsError, wide_prices, wrong)
    assert "long table" in refusal(at.BarsError, wide_prices, market(1))
    assert "long table" in refusal(at.BarsError, wide_prices, "SPX")
    assert "no rows" in refusal(at.BarsError, wide_prices, bars[:0])
    assert "no column adj_close; found: open" in refusal(at.BarsError, wide_prices, bars, "adj_close")
    wrong = bars.copy()
    wrong.iloc[3, wrong.columns.get_loc("close")] = -1.0
    assert "S0: close is -1.0 on 2015-01-08" in refusal(at.BarsError, month_returns, wrong, 1)


@pytest.mark.parametrize(
    ("rule", "params", "words"),
    [
        (dual_momentum, {"months": 0}, "months must be a whole number"),
        (dual_momentum, {"top": 0}, "top must be a whole number"),
        (dual_momentum, {"top": 3}, "top=3 of 2 to choose from"),
        (dual_momentum, {"top": 2, "refuge": "S0"}, "top=2 of 1 to choose from"),
        (dual_momentum, {"hurdle": "low"}, "hurdle must be a number"),
        (dual_momentum, {"refuge": "BIL"}, "refuge 'BIL' is not among the symbols S0, S1"),
        (cross_sectional_momentum, {"skip": -1}, "skip must be a whole number of months, at least 0"),
        (cross_sectional_momentum, {"skip": 1.0}, "skip must be a whole number of months"),
        (cross_sectional_momentum, {"months": 3, "skip": 3}, "months=3, skip=3"),
        (cross_sectional_momentum, {"months": 0, "skip": 0}, "months must be a whole number"),
        (cross_sectional_momentum, {"fraction": 0}, "fraction must be a number above 0 and at most 0.5"),
        (pairs_zscore, {"window": 0}, "window must be a whole number"),
        (pairs_zscore, {"entry": -2}, "entry must be a number above 0"),
    ],
)
def test_parameters_that_are_refused(
    rule: Callable[..., pd.DataFrame], params: dict[str, object], words: str, panel: Panel, refusal: Refusal
) -> None:
    assert words in refusal(ValueError, rule, panel(1, 2), **params)


def test_a_pair_is_two(panel: Panel, refusal: Refusal) -> None:
    assert "exactly two symbols, got 3" in refusal(ValueError, pairs_zscore, panel(1, 3))
    assert "exactly two symbols, got 1" in refusal(ValueError, pairs_zscore, panel(1, 1))
