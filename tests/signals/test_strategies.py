"Strategies: what they hold and when, that they do not see the future, and what they refuse."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at

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
