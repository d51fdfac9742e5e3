"A certificate is given to what does not see the future, and refused, with the bar, to what does."

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest.causality import Counterexample, first_difference

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]

HONEST: dict[str, Callable[[pd.DataFrame], pd.Series | pd.DataFrame]] = {
    "close": lambda bars: bars["close"],
    "sma": lambda bars: at.sma(bars["close"], 7),
    "ema": lambda bars: at.ema(bars["close"], 7),
    "lagged": lambda bars: bars["close"].shift(3),
    "best so far": lambda bars: bars["high"].cummax(),
    "sum so far": lambda bars: bars["volume"].cumsum(),
    "returns": lambda bars: bars["close"].pct_change(),
    "cross": lambda bars: at.sma_cross(bars, 3, 9),
    "two columns": lambda bars: pd.DataFrame({"a": bars["open"], "b": at.sma(bars["close"], 4)}),
    "words": lambda bars: (bars["close"] > bars["open"]).map({True: "up", False: "down"}),
}
CHEATING: dict[str, Callable[[pd.DataFrame], pd.Series | pd.DataFrame]] = {
    "tomorrow": lambda bars: bars["close"].shift(-1),
    "in five days": lambda bars: bars["close"].shift(-5),
    "mean of all": lambda bars: bars["close"] - bars["close"].mean(),
    "rank among all": lambda bars: bars["close"].rank(),
    "centred": lambda bars: bars["close"].rolling(5, center=True).mean(),
    "filled back": lambda bars: bars["close"].where(bars.index.day % 5 == 0).bfill(),
    "how many": lambda bars: pd.Series(float(len(bars)), index=bars.index),
    "a bit of it": lambda bars: bars["close"] * (1 + 2e-16 * (bars["close"].iloc[-1] > 50)),
    "one column": lambda bars: pd.DataFrame({"a": bars["open"], "b": bars["close"].shift(-1)}),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("cuts", [None, 64, 5])
def test_honest_functions_pass(name: str, cuts: int | None, market: Market) -> None:
    proof = at.certify(HONEST[name], market(2, 80), cuts=cuts)
    assert proof.ok and proof.counterexample is None
    low, high = {None: (79, 79), 64: (64, 79), 5: (5, 10)}[cuts]  # As many again where the output turns
    assert low <= proof.cuts <= high


@pytest.mark.parametrize("name", CHEATING)
@pytest.mark.parametrize("cuts", [None, 64, 16])
def test_cheating_functions_fail(name: str, cuts: int | None, market: Market) -> None:
    proof = at.certify(CHEATING[name], market(2, 80), cuts=cuts)
    assert not proof.ok and "sees the future" in str(proof.counterexample)


@settings(max_examples=100)
@given(data=st.data(), length=st.integers(3, 25))
def test_a_peek_at_one_bar_is_found_where_it_is(market: Market, data: st.DataObject, length: int) -> None:
    bars = market(4, length)
    place = data.draw(st.integers(0, length - 2))
    seen = data.draw(st.integers(place + 1, length - 1))

    def peek(part: pd.DataFrame) -> pd.Series:
        values = part["close"].copy()
        if len(part) > place:
            values.iloc[place] = part["close"].iloc[seen] if len(part) > seen else -1.0
        return values

    proof = at.certify(peek, bars, cuts=None)
    assert proof.counterexample == Counterexample(
        bars.index[place], bars.index[place], bars["close"].iloc[seen], -1.0
    )


def test_the_sentence_names_bar_cut_and_both_values(market: Market) -> None:
    bars = market(2, 3).assign(close=[1.0, 2.5, 4.0])
    proof = at.certify(lambda part: pd.Series(part["close"].iloc[-1], index=part.index), bars, cuts=None)
    assert str(proof.counterexample) == (
        "sees the future: at 2015-01-05 00:00:00 its value is 4 with all bars, "
        "but 1 when only the bars up to 2015-01-05 00:00:00 are known"
    )


def test_parameters_are_handed_on_and_the_name_is_kept(market: Market) -> None:
    proof = at.certify(at.sma_cross, market(2), fast=3, slow=9)
    assert proof.ok and proof.name == "sma_cross" and proof.cuts == 59
    with pytest.raises(ValueError, match="fast=9, slow=3"):
        at.certify(at.sma_cross, market(2), fast=9, slow=3)


def test_a_certificate_cannot_be_forged(market: Market) -> None:
    proof = at.certify(CHEATING["tomorrow"], market(2))
    with pytest.raises(FrozenInstanceError):
        proof.counterexample = None  # type: ignore[misc]


# Bit for bit


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ([1.0, 2.0], [1.0, 2.0], None),
        ([0.0, np.nan], [-0.0, np.nan], None),
        ([1.0, np.nan], [1.0, 2.0], 1),
        ([1.0, 2.0], [1.0, np.nan], 1),
        ([1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)], 1),
        ([np.inf, 1.0], [-np.inf, 1.0], 0),
        (["a", None], ["a", None], None),
        (["a", "b"], ["a", "c"], 1),
    ],
)
def test_first_difference(one: list[float], other: list[float], place: int | None) -> None:
    assert first_difference(pd.Series(one), pd.Series(other)) == place


def test_a_type_that_changes_with_the_length_is_named(market: Market, refusal: Refusal) -> None:
    def whole_while_short(bars: pd.DataFrame) -> pd.Series:
        return pd.Series(1, index=bars.index).astype("int64" if len(bars) < 20 else "float64")

    sentence = refusal(ValueError, at.certify, whole_while_short, market(2))
    assert "float64 with all of them, int64 with fewer" in sentence


# What is refused


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda bars: bars["close"].iloc[1:], ["one row of output for each of 60 bars", "59 rows"]),
        (lambda bars: bars["close"].to_numpy(), ["60 bars"]),
        (lambda bars: 1.0, ["60 bars", "float"]),
        (
            lambda bars: bars["close"].dropna().iloc[-60:] if len(bars) == 60 else bars["close"].iloc[:1],
            ["each of 2 bars; <lambda> gives 1 rows"],
        ),
    ],
)
def test_functions_that_cannot_be_certified(
    function: Callable[..., object], words: list[str], market: Market, refusal: Refusal
) -> None:
    sentence = refusal(ValueError, at.certify, function, market(2), cuts=None)
    assert all(word in sentence for word in words), sentence


def test_what_is_not_bars(market: Market, refusal: Refusal) -> None:
    bars = market(2)
    assert "not sorted" in refusal(at.BarsError, at.certify, HONEST["close"], bars[::-1])
    assert "no rows" in refusal(at.BarsError, at.certify, HONEST["close"], bars.iloc[:0])


def test_a_look_ahead_is_an_error_of_values() -> None:
    assert issubclass(at.LookAheadError, ValueError)


def test_a_rare_peek_is_found_at_few_cuts() -> None:
    "It looks ahead at every bar, but its value shows that on a few dozen of five thousand bars only."
    bars = at.load("SPX")
    proof = at.certify(lambda b: (b["close"].shift(-1) / b["close"] > 1.02).astype(float), bars, cuts=16)
    assert not proof.ok and proof.counterexample is not None and proof.counterexample.whole == 1.0


# Several symbols


def panel(market: Market) -> pd.DataFrame:
    return pd.concat({"OLD": market(1), "NEW": market(2).iloc[20:]}, names=["symbol", "time"])


def test_a_long_table_is_cut_at_a_time(market: Market) -> None:
    bars = panel(market)

    def leading(table: pd.DataFrame) -> pd.DataFrame:
        return table["close"].unstack("symbol").pct_change(fill_method=None).rank(axis=1).fillna(0.0)

    def best_of_all(table: pd.DataFrame) -> pd.DataFrame:
        closes = table["close"].unstack("symbol")
        return (closes == closes.max()).astype("float64")

    assert at.certify(leading, bars, cuts=None).ok
    found = at.certify(best_of_all, bars, cuts=None).counterexample
    assert found is not None and found.whole != found.known


def test_a_symbol_that_is_not_listed_yet_must_be_zero(market: Market) -> None:
    def held_before_it_is_there(table: pd.DataFrame) -> pd.DataFrame:
        closes = table["close"].unstack("symbol")
        return closes.notna().astype("float64").assign(**({"NEW": 0.5} if "NEW" in closes else {}))

    bars = panel(market)
    found = at.certify(held_before_it_is_there, bars, cuts=None).counterexample
    assert found is not None and (found.whole, found.known) == (0.5, 0.0)
    assert found.time == bars.index.get_level_values("time").min()


def test_long_output_of_a_long_table(market: Market) -> None:
    bars = panel(market)
    assert at.certify(lambda table: table["close"].groupby("symbol").shift(1), bars, cuts=None).ok
    assert not at.certify(lambda table: table["close"].groupby("symbol").shift(-1), bars, cuts=None).ok


def test_a_long_table_with_other_keys(market: Market, refusal: Refusal) -> None:
    bars = panel(market).rename_axis(["name", "time"])
    assert "(symbol, time)" in refusal(ValueError, at.certify, lambda table: table["close"], bars)
