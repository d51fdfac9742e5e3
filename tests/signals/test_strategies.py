"Strategies: what they hold and when, that they do not see the future, and what they refuse."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.signals.strategies import check_number, ema_cross

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]


def test_buy_and_hold_holds_always(spx: pd.DataFrame) -> None:
    target = at.buy_and_hold(spx)
    assert target.index.equals(spx.index) and target.dtype == "float64" and target.name == "target"
    assert (target == 1.0).all()


def test_the_cross_by_hand(market: Market) -> None:
    bars = market(0, 6)
    bars["close"] = [10.0, 9.0, 11.0, 12.0, 8.0, 8.0]
    # averages of 1 and 2 bars: 10/-, 9/9.5, 11/10, 12/11.5, 8/10, 8/8 (a tie is not above)
    assert at.sma_cross(bars, fast=1, slow=2).tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(("fast", "slow"), [(1, 2), (5, 20), (20, 100), (50, 200)])
def test_the_cross_as_talib_sees_it(fast: int, slow: int, spx: pd.DataFrame) -> None:
    close = spx["close"].to_numpy()
    with np.errstate(invalid="ignore"):
        short, long = (talib.SMA(close, n) if n > 1 else close for n in (fast, slow))
    clear = np.abs(short / long - 1) > 1e-9  # where rounding cannot decide
    assert clear.sum() > 0.99 * (len(close) - slow)
    target = at.sma_cross(spx, fast, slow)
    assert (target[clear] == (short > long)[clear]).all()
    assert (target.iloc[: slow - 1] == 0).all() and set(target) == {0.0, 1.0}
    at.check_target(target, spx)


def test_the_cross_decides_ties_exactly_where_the_tick_is_known() -> None:
    rng = np.random.default_rng(2)
    cents = rng.integers(995, 1006, 20_000)
    bars = pd.DataFrame(
        {"close": cents / 100}, index=pd.date_range("1960-01-01", periods=20_000, name="time")
    )
    total = np.concatenate([[0], np.cumsum(cents)])
    short, long = total[30:] - total[25:-5], total[30:] - total[:-30]  # sums of 5 and of 30, whole numbers
    exact = short * 6 > long
    assert (short * 6 == long).sum() > 100
    assert (at.sma_cross(bars, 5, 30, tick=0.01).to_numpy()[29:] == exact).all()
    floats = at.sma_cross(bars, 5, 30).to_numpy()[29:]
    assert (floats == exact)[short * 6 != long].all()


@pytest.mark.parametrize(("fast", "slow"), [(1, 2), (12, 26), (50, 200)])
def test_the_exponential_cross_as_talib_sees_it(fast: int, slow: int, spx: pd.DataFrame) -> None:
    close = spx["close"].to_numpy()
    short, long = (talib.EMA(close, n) if n > 1 else close for n in (fast, slow))
    clear = np.abs(short / long - 1) > 1e-9
    assert clear.sum() > 0.99 * (len(close) - slow)
    target = ema_cross(spx, fast, slow)
    assert (target[clear] == (short > long)[clear]).all()
    assert not target.iloc[: slow - 1].any() and set(target) == {0.0, 1.0}


def test_the_exponential_cross_by_hand_and_on_a_flat_price(market: Market) -> None:
    bars = market(0, 5)
    bars["close"] = [10.0, 12.0, 14.0, 13.0, 12.0]
    # long average of 3: 12, then half way: 12.5, 12.25
    assert ema_cross(bars, fast=1, slow=3).tolist() == [0, 0, 1, 1, 0]
    assert not ema_cross(market(0, 300).assign(close=10.1)).any()


def test_numbers_within_limits(refusal: Refusal) -> None:
    check_number("x", np.float64(0.5), above=0, most=0.5)
    check_number("x", 3, above=-1)
    for value in (0, 0.6, float("nan"), float("inf"), "0.1", None, True):
        sentence = refusal(ValueError, check_number, "x", value, 0, 0.5)
        assert sentence == f"x must be a number above 0 and at most 0.5, got {value!r}"
    assert refusal(ValueError, check_number, "x", float("inf"), 0) == "x must be a number above 0, got inf"


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1), fast=st.integers(1, 10), more=st.integers(1, 20), cut=st.integers(1, 59)
)
def test_the_past_does_not_change_when_the_future_arrives(
    market: Market, seed: int, fast: int, more: int, cut: int
) -> None:
    bars = market(seed)
    whole = at.sma_cross(bars, fast, fast + more).to_numpy()[:cut]
    assert at.sma_cross(bars.iloc[:cut], fast, fast + more).to_numpy().tobytes() == whole.tobytes()


def test_strategies_leave_the_bars_alone(market: Market) -> None:
    bars = market(1)
    before = bars.copy()
    at.sma_cross(bars, 3, 5)
    at.buy_and_hold(bars)
    pd.testing.assert_frame_equal(bars, before)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"fast": 100, "slow": 20}, ["fast must be smaller than slow", "fast=100, slow=20"]),
        ({"fast": 20, "slow": 20}, ["fast must be smaller than slow"]),
        ({"fast": 0}, ["fast must be a whole number", "0"]),
        ({"fast": 2.5}, ["fast must be a whole number", "2.5"]),
        ({"slow": -1}, ["slow must be a whole number", "-1"]),
        ({"slow": "100"}, ["slow must be a whole number", "'100'"]),
        ({"fast": True}, ["fast must be a whole number", "True"]),
    ],
)
def test_parameters_that_are_refused(
    params: dict[str, object], words: list[str], market: Market, refusal: Refusal
) -> None:
    sentence = refusal(ValueError, at.sma_cross, market(1), **params)
    assert all(word in sentence for word in words), sentence


def test_a_typo_in_a_parameter_is_refused_by_name(market: Market) -> None:
    with pytest.raises(TypeError, match="fats"):
        at.sma_cross(market(1), fats=3)


def test_what_is_not_bars_is_refused(market: Market, refusal: Refusal) -> None:
    bars = market(1)
    assert "not sorted" in refusal(at.BarsError, at.sma_cross, bars[::-1])
    assert "no rows" in refusal(at.BarsError, at.sma_cross, bars.iloc[:0])
    assert "no column close" in refusal(at.BarsError, at.sma_cross, bars.drop(columns="close"))
    bars.iloc[7, bars.columns.get_loc("close")] = np.nan
    assert f"close is nan on {bars.index[7]}" in refusal(at.BarsError, at.sma_cross, bars)
    assert "two rows" in refusal(at.BarsError, at.buy_and_hold, bars.iloc[[0, 0, 1]])
    assert "expected Bars" in refusal(at.BarsError, at.buy_and_hold, "SPX")


# What is a target


def good(bars: pd.DataFrame) -> pd.Series:
    return pd.Series(0.5, index=bars.index)


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "Float64"])
def test_targets_of_numbers_pass(kind: str, market: Market) -> None:
    bars = market(1)
    at.check_target(pd.Series(1, index=bars.index, dtype=kind), bars)


def hole(value: float) -> Callable[[pd.DataFrame], pd.Series]:
    def make(bars: pd.DataFrame) -> pd.Series:
        target = good(bars)
        target.iloc[[3, 5]] = value
        return target

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda bars: [1.0] * 60, ["must be a Series", "list"]),
        (lambda bars: np.ones(60), ["must be a Series", "ndarray"]),
        (lambda bars: good(bars).to_frame(), ["must be a Series", "DataFrame"]),
        (lambda bars: good(bars).iloc[:-1], ["59 values for 60 bars", "0.0 during warm-up"]),
        (lambda bars: good(bars).iloc[:0], ["0 values for 60 bars"]),
        (
            lambda bars: good(bars).set_axis(bars.index + pd.Timedelta(days=1)),
            ["value 0 is stamped 2015-01-06", "the bar is 2015-01-05", "known"],
        ),
        (lambda bars: good(bars).reset_index(drop=True), ["value 0 is stamped 0", "the bar is 2015-01-05"]),
        (
            lambda bars: good(bars).iloc[[0, 2, 1, *range(3, 60)]],
            ["value 1 is stamped 2015-01-07", "the bar is 2015-01-06"],
        ),
        (lambda bars: good(bars) > 0, ["holds bool, not numbers", "1.0 is fully invested"]),
        (lambda bars: good(bars).astype(str), ["not numbers"]),
        (lambda bars: good(bars).astype(object), ["holds object, not numbers"]),
        (hole(np.nan), ["is nan at 2015-01-08", "(2 such bars)", "0.0 during warm-up"]),
        (hole(np.inf), ["is inf at 2015-01-08"]),
        (hole(-np.inf), ["is -inf at 2015-01-08"]),
    ],
)
def test_targets_that_are_refused(
    make: Callable[[pd.DataFrame], object], words: list[str], market: Market, refusal: Refusal
) -> None:
    bars = market(1)
    sentence = refusal(ValueError, at.check_target, make(bars), bars)
    assert sentence.startswith("target") and all(word in sentence for word in words), sentence
    assert refusal(ValueError, at.check_target, make(bars), bars, "my_rule").startswith("my_rule")


# What is a table of weights


def test_weights_of_several_symbols_pass(panel: Callable[..., pd.DataFrame]) -> None:
    bars = panel(1)
    times = pd.DatetimeIndex(sorted(bars.index.unique(1)), name="time")
    weights = pd.DataFrame(0.25, index=times, columns=bars.index.unique(0))
    at.check_target(weights, bars)
    at.check_target(weights[["S3", "S1", "S0", "S2"]], bars)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda weights: weights["S0"], ["must be a DataFrame, time x symbol", "Series"]),
        (lambda weights: weights.iloc[1:], ["199 values for 200 bars"]),
        (lambda weights: weights.shift(freq="D"), ["value 0 is stamped 2015-01-06", "the bar is 2015-01-05"]),
        (lambda weights: weights[["S0", "S1"]], ["has the columns S0, S1, the bars have S0, S1, S2, S3"]),
        (lambda weights: weights.rename(columns={"S0": "X"}), ["has the columns X, S1", "0.0 for those"]),
        (lambda weights: weights.astype({"S2": bool}), ["holds bool, not numbers"]),
        (
            lambda weights: weights.assign(S0=weights["S0"].mask(weights.index == weights.index[3])),
            ["is nan at 2015-01-08", "for S0", "(1 such bars)"],
        ),
    ],
)
def test_weights_that_are_refused(
    make: Callable[[pd.DataFrame], object],
    words: list[str],
    panel: Callable[..., pd.DataFrame],
    refusal: Refusal,
) -> None:
    bars = panel(1)
    times = pd.DatetimeIndex(sorted(bars.index.unique(1)), name="time")
    weights = pd.DataFrame(0.25, index=times, columns=bars.index.unique(0))
    sentence = refusal(ValueError, at.check_target, make(weights), bars, "book")
    assert sentence.startswith("book") and all(word in sentence for word in words), sentence
