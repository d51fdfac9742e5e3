"Sizes against plain arithmetic."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from alphatwin.signals.rotation import cross_sectional_momentum
from alphatwin.signals.sizing import cap, scale_to_volatility, volatility_target
from alphatwin.signals.trend import donchian_breakout

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]
Panel = Callable[..., pd.DataFrame]


@pytest.mark.parametrize(("volatility", "window", "most"), [(0.1, 21, 1.0), (0.3, 63, 1.0), (0.5, 10, 2.5)])
def test_exposure_is_wanted_over_realised(
    volatility: float, window: int, most: float, spx: pd.DataFrame
) -> None:
    moves = np.log(spx["close"]).diff()
    realised = moves.rolling(window).std() * 252**0.5
    expected = (volatility / realised).clip(upper=most).fillna(0.0)
    got = volatility_target(spx, volatility, window, most)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert not got.iloc[:window].any() and got.iloc[window] > 0
    assert ((got == most).sum() > 100) == (volatility > 0.1 or most == 1)


def scaled_plainly(
    weights: pd.DataFrame, closes: pd.DataFrame, volatility: float, window: int, most: float
) -> np.ndarray:
    "Ask of each bar: had this been held over the last returns, what was its deviation?"
    moves = closes.pct_change(fill_method=None)
    out = np.zeros(weights.shape)
    for row in range(len(weights)):
        last = moves.iloc[max(0, row - window + 1) : row + 1]
        ready = (last.notna().sum() == window).to_numpy()
        held = np.where(ready, weights.iloc[row], 0.0)
        if held.any():
            deviation = (last.fillna(0.0) * held).sum(axis=1).std() * 252**0.5
            out[row] = held * min(volatility / deviation, most / np.abs(held).sum())
    return out


@pytest.mark.parametrize(("window", "most"), [(5, 1.0), (20, 3.0)])
@pytest.mark.parametrize("seed", range(3))
def test_scaling_one_symbol(seed: int, window: int, most: float, market: Market) -> None:
    bars = market(seed, 200)
    target = donchian_breakout(bars, 10, 5, short=True) * 0.4
    got = scale_to_volatility(target, 0.25, window, most)(bars)
    expected = scaled_plainly(target.to_frame(), bars[["close"]], 0.25, window, most)
    np.testing.assert_allclose(got, expected[:, 0], rtol=1e-9)
    assert got.abs().max() <= most + 1e-12 and (got != 0).sum() > 50


@pytest.mark.parametrize(("window", "most"), [(5, 1.0), (30, 5.0)])
@pytest.mark.parametrize("seed", range(3))
def test_scaling_a_portfolio(seed: int, window: int, most: float, panel: Panel) -> None:
    bars = panel(seed, 5, 200)
    weights = cross_sectional_momentum(bars, months=2, fraction=0.4)
    closes = bars["close"].unstack(0)[weights.columns]
    got = scale_to_volatility((cross_sectional_momentum, {"months": 2, "fraction": 0.4}), 0.15, window, most)(
        bars
    )
    np.testing.assert_allclose(got, scaled_plainly(weights, closes, 0.15, window, most), rtol=1e-9)
    assert got.to_numpy().any()


def test_a_symbol_listed_too_late_is_left_out_until_its_returns_are_enough(panel: Panel) -> None:
    bars = panel(4, 2, 100)  # S1 begins late
    both = pd.DataFrame(0.5, index=bars.loc["S0"].index, columns=["S0", "S1"])
    got = scale_to_volatility(both, window=10)(bars)
    start = bars.loc["S1"].index[0]
    first = got["S1"].ne(0).idxmax()
    assert bars.loc["S1"].index.get_loc(first) == 10 and start < first  # ten returns need eleven prices
    assert got["S0"].ne(0).idxmax() == bars.loc["S0"].index[10]


def test_a_portfolio_without_movement_is_only_capped(market: Market) -> None:
    bars = market(1, 30).assign(close=10.1)
    got = scale_to_volatility(pd.Series(-0.2, index=bars.index), window=5, most=0.8)(bars)
    assert got.tolist() == [0.0] * 5 + [-0.8] * 25


def test_a_cap_of_each_comes_before_the_cap_of_all() -> None:
    table = pd.DataFrame({"A": [3.0, -0.2, 0.0], "B": [1.0, 0.1, 0.0]})
    assert cap(table, most=1.0, each=0.6).to_numpy().tolist() == [[0.5, 0.5], [-0.2, 0.1], [0.0, 0.0]]
    assert cap(table["A"], most=1.0).tolist() == [1.0, -0.2, 0.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda b: volatility_target(b, volatility=0), "volatility must be a number above 0"),
        (lambda b: volatility_target(b, most=-1), "most must be a number above 0"),
        (lambda b: volatility_target(b, window=0), "window must be a whole number"),
        (lambda b: volatility_target(b, estimator="best"), "estimator must be one of"),
        (lambda b: volatility_target(b, periods=0), "periods must be a positive number"),
        (lambda b: scale_to_volatility(b["close"], volatility="0.1"), "volatility must be a number"),
        (
            lambda b: scale_to_volatility(b["close"], window=1),
            "window must be a whole number of bars, at least 2",
        ),
        (lambda b: scale_to_volatility(b["close"], most=0), "most must be a number above 0"),
        (lambda b: scale_to_volatility(b["close"], periods=-1), "periods must be a whole number"),
        (lambda b: cap(b["close"], most=float("inf")), "most must be a number above 0, got inf"),
        (lambda b: cap(b["close"], each=0), "each must be a number above 0, got 0"),
        (
            lambda b: scale_to_volatility(pd.DataFrame({"A": b["close"]}))(b),
            "expected a long table of several symbols",
        ),
        (
            lambda b: scale_to_volatility(b["close"] * 0 + 1)(b.drop(columns="close")),
            "no column close",
        ),
    ],
)
def test_what_sizing_refuses(
    call: Callable[[pd.DataFrame], object], words: str, market: Market, refusal: Refusal
) -> None:
    kind = ValueError
    with pytest.raises(ValueError) as caught:
        call(market(1))
    assert isinstance(caught.value, kind) and words in str(caught.value) and "\n" not in str(caught.value)
