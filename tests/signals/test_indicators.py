"Indicators: averages against their definition; all of them without the future, in every shape, on odd input."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.signals.indicators import ema, sma, wilder, wma
from alphatwin.signals.oscillators import aroon, cci, macd, momentum, roc, rsi, stochastic, williams_r
from alphatwin.signals.ranges import atr, bollinger, directional, donchian, keltner, true_range
from alphatwin.signals.variability import (
    ESTIMATORS,
    realised_volatility,
    rolling_beta,
    rolling_drawdown,
    zscore,
)
from alphatwin.signals.volume import mfi, obv

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]
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


# All indicators: shapes, holes, the future, and what is extreme

BARS: dict[str, Callable[[pd.DataFrame], pd.Series | pd.DataFrame]] = {
    "stochastic": lambda b: stochastic(b, 5, 2, 3),
    "williams_r": lambda b: williams_r(b, 5),
    "cci": lambda b: cci(b, 6),
    "aroon": lambda b: aroon(b, 6),
    "true_range": lambda b: true_range(b),
    "atr": lambda b: atr(b, 5),
    "directional": lambda b: directional(b, 4),
    "keltner": lambda b: keltner(b, 5),
    "donchian": lambda b: donchian(b, 6),
    "obv": lambda b: obv(b),
    "mfi": lambda b: mfi(b, 5),
    **{
        f"volatility {name}": lambda b, name=name: realised_volatility(b, 5, name)  # type: ignore[misc]
        for name in ESTIMATORS
    },
}
PRICES: dict[str, Callable[[pd.Series | pd.DataFrame], pd.Series | pd.DataFrame]] = {
    "sma": lambda p: sma(p, 5),
    "ema": lambda p: ema(p, 5),
    "ema first": lambda p: ema(p, 5, seed="first"),
    "wma": lambda p: wma(p, 5),
    "wilder": lambda p: wilder(p, 5),
    "momentum": lambda p: momentum(p, 4),
    "roc": lambda p: roc(p, 4),
    "rsi": lambda p: rsi(p, 5),
    "macd": lambda p: macd(p, 3, 6, 4),
    "bollinger": lambda p: bollinger(p, 5),
    "zscore": lambda p: zscore(p, 5),
    "rolling_drawdown": lambda p: rolling_drawdown(p, 6),
    "rolling_beta": lambda p: rolling_beta(p, market_of(p), 6),
}
ALL = {
    **BARS,
    **{
        name: lambda b, f=f: f(b["close"])  # type: ignore[misc]
        for name, f in PRICES.items()
    },
}


def market_of(table: pd.Series | pd.DataFrame) -> pd.Series:
    "A second series at the same times, drawn in an order that does not depend on how many there are."
    noise = np.random.default_rng(7).normal(0, 1, 5_000)[: len(table)]
    return pd.Series(noise, index=table.index)


def same_bits(one: pd.Series | pd.DataFrame, other: pd.Series | pd.DataFrame) -> bool:
    return one.to_numpy().tobytes() == other.to_numpy().tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_indicator_sees_the_future(name: str, seed: int, market: Market) -> None:
    found = at.certify(ALL[name], market(seed, 61), cuts=None)
    assert found.ok and found.cuts == 60, found.counterexample


@pytest.mark.slow
@pytest.mark.parametrize("name", BARS)
def test_no_panel_sees_the_future(name: str, market: Market) -> None:
    long = pd.concat({"AAA": market(1, 30), "BBB": market(2, 22)}, names=["symbol", "time"])
    found = at.certify(BARS[name], long, cuts=None)
    assert found.ok, found.counterexample


@pytest.mark.parametrize("name", PRICES)
def test_a_panel_is_its_columns(name: str) -> None:
    rng = np.random.default_rng(3)
    values = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (61, 300)), axis=0))
    names = [f"S{number}" for number in range(300)]
    for table in (values, np.asfortranarray(values)):
        wide = pd.DataFrame(table, columns=names, copy=False)
        before = wide.copy()
        whole = PRICES[name](wide)
        assert whole.index.equals(wide.index) and same_bits(wide, before)
        for symbol in (0, 1, 127, 128, 299):
            alone = PRICES[name](wide[names[symbol]])
            if isinstance(alone, pd.Series):
                assert same_bits(whole[names[symbol]], alone) and whole.columns.equals(wide.columns)
            else:
                assert list(whole.columns.unique(0)) == list(alone.columns)
                for output in alone.columns:
                    assert same_bits(whole[output, names[symbol]], alone[output])


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_long_table_is_its_symbols(name: str, market: Market) -> None:
    if name == "rolling_beta":
        pytest.skip("takes returns beside a market, not a long table")
    parts = {f"S{number:02d}": market(number, 20 + 7 * number % 50) for number in range(40)}
    long = pd.concat(parts, names=["symbol", "time"])
    whole = ALL[name](long)
    assert whole.index.equals(long.index)
    for symbol, bars in parts.items():
        assert same_bits(whole.loc[symbol], ALL[name](bars)), symbol


@pytest.mark.parametrize("name", PRICES)
def test_a_symbol_starts_where_it_is_listed_and_ends_where_it_ends(name: str, market: Market) -> None:
    closes = {f"S{seed}": market(seed, 60)["close"] for seed in range(3)}
    wide = pd.DataFrame(closes)
    wide.iloc[:17, 1] = np.nan
    wide.iloc[45:, 2] = np.nan
    whole = PRICES[name](wide)
    for symbol, span in (("S0", slice(0, 60)), ("S1", slice(17, 60)), ("S2", slice(0, 45))):
        part = whole[symbol] if not isinstance(whole.columns, pd.MultiIndex) else whole.xs(symbol, 1, level=1)
        rest = part.drop(part.index[span])
        assert rest.isna().to_numpy().all()
        if name != "rolling_beta":  # Its market would be another one
            assert same_bits(part.iloc[span], PRICES[name](wide[symbol].iloc[span]))
    assert PRICES[name](wide * np.nan).isna().to_numpy().all()


@pytest.mark.parametrize("name", BARS)
def test_bars_before_the_listing_are_left_out(name: str, market: Market) -> None:
    bars = market(4, 60)
    late = bars.copy()
    late.iloc[:9] = np.nan
    assert same_bits(BARS[name](late).iloc[9:], BARS[name](bars.iloc[9:]))
    assert BARS[name](late).iloc[:9].isna().to_numpy().all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_hole_is_refused_by_time(name: str, value: float, market: Market, refusal: Refusal) -> None:
    bars = market(4, 60)
    bars.iloc[30] = value
    kind = at.BarsError if name.startswith("volatility") and value == -np.inf else ValueError
    sentence = refusal(kind, ALL[name], bars)
    assert str(bars.index[30]) in sentence and str(value) in sentence


@pytest.mark.parametrize("name", PRICES)
def test_a_hole_in_a_panel_is_refused_by_symbol(name: str, refusal: Refusal) -> None:
    rng = np.random.default_rng(5)
    wide = pd.DataFrame(rng.normal(100, 1, (50, 200)), columns=[f"S{n}" for n in range(200)])
    wide.iloc[20, 170] = np.nan
    sentence = refusal(ValueError, PRICES[name], wide)
    assert sentence.startswith("S170: ") and "at 20" in sentence


@pytest.mark.parametrize("name", BARS)
def test_a_hole_in_a_long_table_is_refused_by_symbol(name: str, market: Market, refusal: Refusal) -> None:
    long = pd.concat({"AAA": market(1, 30), "BBB": market(2, 30)}, names=["symbol", "time"])
    long.iloc[45] = np.nan
    sentence = refusal(ValueError, BARS[name], long)
    assert sentence.startswith("BBB: ") and str(long.index[45][1]) in sentence


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7])
def test_few_bars(name: str, length: int, market: Market) -> None:
    "What is not warm yet is NaN, and nothing is infinite."
    whole, few = ALL[name](market(6, 40)), ALL[name](market(6, 40).iloc[:length])
    assert same_bits(whole.iloc[:length], few)
    assert not np.isinf(few.to_numpy()).any()


@pytest.mark.parametrize("name", ALL)
def test_a_market_that_stands_still(name: str, market: Market) -> None:
    "Constant prices without a trade: every answer is a number, and the one that the prose names."
    bars = market(6, 40)
    bars[["open", "high", "low", "close"]] = 70.1
    bars["volume"] = 0.0
    if name == "rolling_beta":
        still = rolling_beta(pd.Series(0.1, index=bars.index), pd.Series(0.1, index=bars.index), 5)
        assert still.isna().all()
        return
    last = np.atleast_1d(ALL[name](bars).iloc[-1])
    price = 70.1 if name in ("sma", "ema", "ema first", "wma", "wilder") else 0.0
    if name in ("bollinger", "keltner", "donchian"):
        price = 70.1
    if name == "aroon":
        assert last.tolist() == [100, 100, 0]
        return
    np.testing.assert_allclose(last, price, rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_the_input_is_left_alone(name: str, market: Market) -> None:
    bars = market(8, 50)
    before = bars.copy()
    ALL[name](bars)
    pd.testing.assert_frame_equal(bars, before)
    long = pd.concat({"AAA": bars, "BBB": bars}, names=["symbol", "time"])
    if name != "rolling_beta":
        ALL[name](long)
        assert same_bits(long.loc["AAA"], before) and same_bits(long.loc["BBB"], before)


# What TA-Lib does not have, against formulas written another way


def test_wilder_is_the_recursion_of_his_book(aapl: pd.DataFrame) -> None:
    values = aapl["close"].iloc[:300].tolist()
    for window in (1, 2, 14):
        average = [sum(values[:window]) / window]
        for value in values[window:]:
            average.append((average[-1] * (window - 1) + value) / window)
        got = wilder(aapl["close"].iloc[:300], window)
        assert got.iloc[: window - 1].isna().all()
        np.testing.assert_allclose(got.iloc[window - 1 :], average, rtol=1e-12)


@pytest.mark.parametrize("window", [2, 5, 21, 250])
@pytest.mark.parametrize("symbol", ["AAPL", "IXIC"])
def test_volatility_against_pandas(window: int, symbol: str) -> None:
    bars = at.load(symbol)
    o, h, l, c = (np.log(bars[name]) for name in ("open", "high", "low", "close"))  # noqa: E741
    night, day = o - c.shift(), c - o
    mean = lambda x: x.rolling(window).mean()  # noqa: E731
    satchell = (h - o) * (h - c) + (l - o) * (l - c)
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    yang_zhang = (
        night.rolling(window).var() + k * day.rolling(window).var() + (1 - k) * mean(satchell)
    ).where(night.rolling(window).count() == window)
    wanted = {
        "close": c.diff().rolling(window).var(),
        "parkinson": mean((h - l) ** 2) / (4 * np.log(2)),
        "garman_klass": mean(0.5 * (h - l) ** 2 - (2 * np.log(2) - 1) * day**2),
        "yang_zhang": yang_zhang,
    }
    for estimator, variance in wanted.items():
        got = realised_volatility(bars, window, estimator, periods=252)
        assert (got.isna() == variance.isna()).all(), estimator
        np.testing.assert_allclose(got, np.sqrt(252 * variance), rtol=1e-6, err_msg=estimator)


@pytest.mark.parametrize("window", [2, 20, 252])
def test_scores_falls_and_betas_against_pandas(window: int, spx: pd.DataFrame) -> None:
    close, nasdaq = spx["close"], at.load("IXIC")["close"].reindex(spx.index)
    for ddof in (0, 1):
        rolling = close.rolling(window)
        wanted = (close - rolling.mean()) / rolling.std(ddof=ddof)
        clear = rolling.std(ddof=ddof) > 1e-6 * close
        got = zscore(close, window, ddof)
        assert (got.isna() == rolling.std(ddof=ddof).isna()).all()
        np.testing.assert_allclose(got[clear], wanted[clear], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        rolling_drawdown(close, window), close / close.rolling(window).max() - 1, atol=1e-15
    )
    if window == 2:
        return  # Two equal returns of the market have no slope; pandas sees one in the rounding
    one, other = nasdaq.pct_change(), close.pct_change()
    slope = one.rolling(window).cov(other) / other.rolling(window).var()
    beta = rolling_beta(one, other, window)
    clear = other.rolling(window).std() > 1e-5
    assert (beta.isna() == slope.isna()).all()
    np.testing.assert_allclose(beta[clear], slope[clear], rtol=1e-6, atol=1e-8)


def test_keltner_is_an_average_and_ranges(aapl: pd.DataFrame) -> None:
    bands, middle, reach = keltner(aapl, 20, 1.5), ema(aapl["close"], 20), atr(aapl, 20)
    warm = reach.notna()
    assert (bands.notna().all(axis=1) == warm).all() and not bands[~warm].notna().to_numpy().any()
    np.testing.assert_allclose(bands["middle"][warm], middle[warm], rtol=1e-14)
    np.testing.assert_allclose(bands["upper"][warm], (middle + 1.5 * reach)[warm], rtol=1e-14)
    np.testing.assert_allclose(bands["lower"][warm], (middle - 1.5 * reach)[warm], rtol=1e-14)


def test_bollinger_with_the_divisor_of_pandas(aapl: pd.DataFrame) -> None:
    bands, rolling = bollinger(aapl["close"], 20, 2.5, ddof=1), aapl["close"].rolling(20)
    np.testing.assert_allclose(bands["upper"], rolling.mean() + 2.5 * rolling.std(), rtol=1e-9)
    np.testing.assert_allclose(bands["lower"], rolling.mean() - 2.5 * rolling.std(), rtol=1e-9)


def test_long_sums_do_not_drift() -> None:
    "A price of a million at the start leaves no trace in averages of a hundred thousand small ones."
    rng = np.random.default_rng(11)
    values = rng.uniform(0.9, 1.1, 100_000)
    values[:50] = 1e9
    last = np.lib.stride_tricks.sliding_window_view(values, 200)
    prices = pd.Series(values)
    np.testing.assert_allclose(sma(prices, 200).iloc[199:], last.mean(axis=1), rtol=1e-13)
    weights = np.arange(1, 201) / 20_100
    np.testing.assert_allclose(wma(prices, 200).iloc[199:], last @ weights, rtol=1e-12)
    calm = slice(500, None)
    bands = bollinger(prices, 200)
    width = ((bands["upper"] - bands["lower"]) / 4).iloc[199:]
    np.testing.assert_allclose(width.iloc[calm], last.std(axis=1)[calm], rtol=1e-10)
    drift = np.abs(talib.SMA(values, 200)[199:] / last.mean(axis=1) - 1)[calm]
    assert drift.min() > 1e-9, "a running sum keeps the trace for ever; that is why ours is not one"


# What is refused


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda b: macd(b["close"], 26, 12), "fast must be smaller than slow, got fast=26, slow=12"),
        (lambda b: macd(b["close"], signal=0), "signal must be a whole number of bars"),
        (lambda b: stochastic(b, smooth=0), "smooth must be a whole number of bars"),
        (lambda b: stochastic(b, signal=1.5), "signal must be a whole number of bars"),
        (lambda b: bollinger(b["close"], width=-1), "width must be a positive number, got -1"),
        (lambda b: bollinger(b["close"], ddof=2), "ddof must be 0 or 1"),
        (lambda b: bollinger(b["close"], 1, ddof=1), "ddof must be 0 or 1 and below the window"),
        (lambda b: zscore(b["close"], 1, ddof=1), "ddof must be 0 or 1 and below the window"),
        (lambda b: keltner(b, width=float("nan")), "width must be a positive number, got nan"),
        (lambda b: realised_volatility(b, estimator="garch"), "estimator must be one of close, parkinson"),
        (lambda b: realised_volatility(b, 1), "window must be a whole number of bars, at least 2, got 1"),
        (lambda b: realised_volatility(b, periods=0), "periods must be a positive number"),
        (
            lambda b: rolling_beta(b["close"], b["close"], 1),
            "window must be a whole number of bars, at least 2",
        ),
        (
            lambda b: rolling_beta(b["close"], b["close"].iloc[1:], 5),
            "market must be a Series with the same index",
        ),
        (lambda b: rolling_beta(b["close"], b[["close"]], 5), "market must be a Series with the same index"),
    ],
)
def test_arguments_that_are_refused(
    call: Callable[[pd.DataFrame], object], words: str, market: Market, refusal: Refusal
) -> None:
    assert words in refusal(ValueError, call, market(1))


def test_tables_that_are_refused(market: Market, refusal: Refusal) -> None:
    bars = market(1)
    assert "prices must be a Series" in refusal(TypeError, sma, [1.0, 2.0], 2)
    assert "prices must be numbers" in refusal(TypeError, sma, pd.Series(["1", "2"]), 2)
    assert "prices must be numbers" in refusal(TypeError, sma, pd.Series([True, False]), 2)
    assert "no column high" in refusal(at.BarsError, atr, bars.drop(columns="high"))
    assert "closes only" in refusal(at.BarsError, atr, bars[["close"]])
    assert "volume is int64, not float64" in refusal(at.BarsError, obv, bars.astype({"volume": "int64"}))
    assert "not sorted" in refusal(at.BarsError, atr, bars[::-1])
    assert "expected Bars" in refusal(at.BarsError, atr, "SPX")
    below = bars.copy()
    below.iloc[7, 2] = -1.0
    assert f"low is -1 at {bars.index[7]}" in refusal(
        at.BarsError, realised_volatility, below, 5, "parkinson"
    )
    long = pd.concat({"AAA": bars, "BBB": bars}, names=["symbol", "time"])
    assert "BBB: not sorted" in refusal(at.BarsError, atr, pd.concat([long.iloc[:70], long.iloc[60:]]))
    assert "AAA: not sorted" in refusal(
        at.BarsError, atr, pd.concat([long.iloc[:50], long.iloc[60:], long.iloc[50:60]])
    )
    assert "no column volume" in refusal(at.BarsError, obv, long.drop(columns="volume"))
    assert "(symbol, time)" in refusal(at.BarsError, atr, pd.concat({"X": long}))


def test_series_of_other_numbers() -> None:
    for kind in ("int64", "float32", "Int64", "Float64"):
        assert sma(pd.Series([1, 2, 3], dtype=kind), 2).tolist()[1:] == [1.5, 2.5]
    mixed = pd.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 4.0]})
    assert sma(mixed, 2)["b"].tolist()[1:] == [1.5, 3.0] and sma(mixed, 2)["a"].tolist()[1:] == [1.5, 2.5]
    assert sma(pd.Series([1.0, 2.0], name="price"), 1).name == "price"
    assert sma(pd.DataFrame({"a": []}, dtype="float64"), 2).shape == (0, 1)
    assert sma(pd.DataFrame(index=[1, 2]), 2).shape == (2, 0)
