"Moving averages against TA-Lib, against their definition, and without the future."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at

Refusal = Callable[..., str]
WINDOWS = [1, 2, 3, 10, 20, 50, 100, 200, 1000]
numbers = st.floats(1e-3, 1e6, allow_nan=False)


@pytest.mark.parametrize("window", [w for w in WINDOWS if w > 1])  # TA-Lib's windows begin at two
@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
@pytest.mark.parametrize("name", ["sma", "ema"])
def test_as_talib_computes_it(name: str, symbol: str, window: int) -> None:
    close = at.load(symbol)["close"]
    ours = getattr(at, name)(close, window)
    peer = getattr(talib, name.upper())(close.to_numpy(), timeperiod=window)
    assert ours.isna().to_numpy().tolist() == np.isnan(peer).tolist()
    np.testing.assert_allclose(ours.to_numpy()[window - 1 :], peer[window - 1 :], rtol=1e-8)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_seed_of_pandas_is_the_textbook_recursion(window: int, aapl: pd.DataFrame) -> None:
    close = aapl["close"].iloc[:300]
    weight, value, slow = 2 / (window + 1), close.iloc[0], []
    for price in close:
        value = weight * price + (1 - weight) * value
        slow.append(value)
    np.testing.assert_allclose(at.ema(close, window, seed="first"), slow, rtol=1e-12)


def test_by_hand() -> None:
    close = pd.Series([10.0, 12.0, 14.0, 13.0, 18.0])
    assert at.sma(close, 3).tolist()[2:] == pytest.approx([12, 13, 15], rel=1e-14)
    # EMA of 3 has the weight 1/2: (10 + 12 + 14) / 3 = 12, then half way to 13, then half way to 18.
    assert at.ema(close, 3).tolist()[2:] == [12, 12.5, 15.25]
    assert at.ema(close, 3, seed="first").tolist() == [10, 11, 12.5, 12.75, 15.375]


@given(prices=st.lists(numbers, min_size=1, max_size=60), window=st.integers(1, 70))
def test_the_simple_average_is_a_mean_of_the_last_prices(prices: list[float], window: int) -> None:
    got = at.sma(pd.Series(prices), window)
    for place in range(len(prices)):
        if place < window - 1:
            assert np.isnan(got[place])
        else:
            last = prices[place - window + 1 : place + 1]
            # Adding up and taking away again loses digits of the largest price so far, not of the mean.
            assert got[place] == pytest.approx(sum(last) / window, rel=1e-9, abs=1e-12 * max(prices))


@given(
    prices=st.lists(numbers, min_size=1, max_size=60),
    window=st.integers(1, 20),
    seed=st.sampled_from(["sma", "first"]),
)
def test_the_exponential_average_stays_between_the_prices(
    prices: list[float], window: int, seed: str
) -> None:
    got = at.ema(pd.Series(prices), window, seed=seed).to_numpy()
    warm = 0 if seed == "first" else window - 1
    assert np.isnan(got[:warm]).all() and np.isfinite(got[warm:]).all()
    assert (got[warm:] <= max(prices) * (1 + 1e-12)).all() and (got[warm:] >= min(prices) * (1 - 1e-12)).all()


@given(
    data=st.data(),
    prices=st.lists(numbers, min_size=2, max_size=80),
    window=st.integers(1, 30),
    rule=st.sampled_from(["sma", "ema", "ema first"]),
)
def test_the_past_does_not_change_when_the_future_arrives(
    data: st.DataObject, prices: list[float], window: int, rule: str
) -> None:
    close = pd.Series(prices)
    cut = data.draw(st.integers(1, len(prices) - 1))

    def average(series: pd.Series) -> np.ndarray:
        values = (
            at.sma(series, window) if rule == "sma" else at.ema(series, window, *["first"] * (" " in rule))
        )
        return values.to_numpy()

    early, whole = average(close.iloc[:cut]), average(close)[:cut]
    assert early.tobytes() == whole.tobytes()  # every bit, NaN included


@pytest.mark.parametrize("rule", [at.sma, at.ema])
def test_times_are_kept_and_prices_are_not_changed(
    rule: Callable[..., pd.Series], aapl: pd.DataFrame
) -> None:
    close = aapl["close"].copy()
    assert rule(close, 10).index.equals(close.index)
    pd.testing.assert_series_equal(close, aapl["close"])


@pytest.mark.parametrize("rule", [at.sma, at.ema])
def test_a_window_longer_than_the_series_gives_nothing(rule: Callable[..., pd.Series]) -> None:
    assert rule(pd.Series([1.0, 2.0]), 3).isna().all()
    assert len(rule(pd.Series([], dtype="float64"), 3)) == 0


@pytest.mark.parametrize("rule", [at.sma, at.ema])
@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_whole_numbers_of_any_type_are_windows(rule: Callable[..., pd.Series], kind: type) -> None:
    assert rule(pd.Series([1, 2, 4]), kind(2)).tolist()[-1] == pytest.approx(3 if rule is at.sma else 19 / 6)


@pytest.mark.parametrize("rule", [at.sma, at.ema])
@pytest.mark.parametrize("window", [0, -1, 2.0, 2.5, "3", None, True, float("nan")])
def test_windows_that_are_refused(rule: Callable[..., pd.Series], window: object, refusal: Refusal) -> None:
    sentence = refusal(ValueError, rule, pd.Series([1.0, 2.0]), window)
    assert sentence == f"window must be a whole number of bars, at least 1, got {window!r}"


def test_an_unknown_seed_is_refused(refusal: Refusal) -> None:
    sentence = refusal(ValueError, at.ema, pd.Series([1.0]), 1, seed="zero")
    assert "seed must be 'sma' or 'first'" in sentence and "'zero'" in sentence
