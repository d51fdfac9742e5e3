"Another currency: by hand, in June 2016, there and back, never with a rate of tomorrow, and what is refused."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.currency import MINOR_UNITS, convert_currency, to_major

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]
DAYS = pd.DatetimeIndex(["2016-06-22", "2016-06-23", "2016-06-24", "2016-06-27"], name="time")
# European Central Bank, reference rates: dollars and pounds for a euro.
DOLLAR, POUND = [1.1283, 1.1389, 1.1066, 1.0998], [0.76793, 0.76595, 0.80750, 0.83400]
RATE = pd.Series(np.array(POUND) / DOLLAR, index=DAYS)


def bars(columns: dict[str, object] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"close": [100.0, 100.0, 95.0, 95.0], **(columns or {})}, index=DAYS)


def test_the_british_vote_for_an_owner_in_london(spx: pd.DataFrame) -> None:
    dollars = spx["2016-06-22":"2016-06-27"]
    pounds = convert_currency(dollars, RATE)
    moved = pounds["close"].iloc[-1] / pounds["close"].iloc[1] - 1
    # S&P 500: 2113.32 on Thursday, 2000.54 on Monday; a dollar: 0.67254 pounds, then 0.75832.
    assert moved == pytest.approx(2000.54 / 2113.32 * 0.758320 / 0.672535 - 1, abs=2e-5)
    for name in ("open", "high", "low"):
        np.testing.assert_allclose(
            pounds[name] / pounds["close"], dollars[name] / dollars["close"], rtol=1e-14
        )
    np.testing.assert_array_equal(pounds["volume"], dollars["volume"])
    at.check_bars(pounds)


def test_what_is_money_is_converted_and_nothing_else() -> None:
    table = bars({"dividend": [0.0, 2.0, 0.0, 0.0], "split": 2.0, "adj_close": 50.0, "complete": 0.5})
    before = table.copy()
    out = convert_currency(table, RATE)
    assert out["dividend"].tolist() == [0.0, 2.0 * RATE.iloc[1], 0.0, 0.0]
    np.testing.assert_array_equal(out["adj_close"], 50.0 * RATE)
    assert (out["split"] == 2.0).all() and (out["complete"] == 0.5).all()
    pd.testing.assert_frame_equal(table, before)


@given(st.integers(0, 50), st.floats(0.001, 1000))
def test_there_and_back(market: Market, seed: int, scale: float) -> None:
    table = market(seed)
    rng = np.random.default_rng(seed)
    rate = pd.Series(scale * np.exp(rng.normal(0, 0.01, len(table)).cumsum()), index=table.index)
    back = convert_currency(convert_currency(table, rate), 1 / rate)
    np.testing.assert_allclose(back, table, rtol=1e-12)


def test_the_last_rate_at_or_before_and_never_a_later_one() -> None:
    out = convert_currency(bars(), RATE.iloc[[0, 2]])
    assert (out["close"] / bars()["close"]).round(12).tolist() == RATE.iloc[[0, 0, 2, 2]].round(12).tolist()
    early = RATE.set_axis(DAYS - pd.Timedelta(days=1))
    expected = bars()["close"] * RATE.iloc[[1, 2, 2, 3]].to_numpy()
    np.testing.assert_array_equal(convert_currency(bars(), early)["close"], expected)


@pytest.mark.parametrize(("days", "works"), [(4, True), (5, True), (6, False)])
def test_how_old_a_rate_may_be(days: int, works: bool, refusal: Refusal) -> None:
    rate = pd.Series([0.7], index=DAYS[-1:] - pd.Timedelta(days=days))
    last = bars().iloc[-1:]
    if works:
        assert convert_currency(last, rate)["close"].iloc[0] == 95.0 * 0.7
        return
    sentence = refusal(ValueError, convert_currency, last, rate, symbol="SPX")
    assert sentence.startswith(
        "SPX: the last rate known on 2016-06-27 is of 2016-06-21, older than 5 days (1 such"
    )
    assert len(convert_currency(last, rate, max_gap=6)) == 1


def test_a_hole_within_the_rates_is_found_and_counted(market: Market, refusal: Refusal) -> None:
    table = market(1, 60)
    rate = pd.Series(0.7, index=table.index[:5].append(table.index[30:]))
    sentence = refusal(ValueError, convert_currency, table, rate)
    old = table.index[5:30][table.index[5:30] - table.index[4] > pd.Timedelta(days=5)]
    assert (
        f"known on {old[0]:%F} is of {table.index[4]:%F}" in sentence
        and f"({len(old)} such bars)" in sentence
    )


def test_hours_with_hourly_rates(market: Market) -> None:
    table = market(2, 10, "UTC")
    rate = pd.Series(np.arange(1.0, 11.0), index=table.index)
    np.testing.assert_array_equal(convert_currency(table, rate)["close"], table["close"] * rate)


def test_whole_numbers_are_rates_too() -> None:
    assert convert_currency(bars(), RATE.round().astype("int64") + 1)["close"].tolist() == [
        200.0,
        200,
        190,
        190,
    ]


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ([0.7] * 4, ["rate must be a Series with dates", "list"]),
        (pd.Series([0.7]), ["rate must be a Series with dates"]),
        (RATE.iloc[:0], ["rate: no values"]),
        (RATE.iloc[[1, 0, 2, 3]], ["rate: 2016-06-22", "stands after 2016-06-23", "sort_index"]),
        (RATE.iloc[[0, 1, 1, 2]], ["rate: 2016-06-23", "comes twice"]),
        (RATE.where(RATE.index != DAYS[2]), ["rate is nan on 2016-06-24"]),
        (RATE.mask(RATE.index == DAYS[2], 0.0), ["rate is 0.0 on 2016-06-24"]),
        (RATE.mask(RATE.index == DAYS[1], -0.7), ["rate is -0.7 on 2016-06-23"]),
        (RATE.mask(RATE.index == DAYS[1], np.inf), ["rate is inf on 2016-06-23"]),
        (RATE.astype(object).mask(RATE.index == DAYS[1], "n/a"), ["rate is n/a on 2016-06-23"]),
        (RATE.tz_localize("UTC"), ["its times are intraday, the bars are daily"]),
        (RATE.iloc[1:], ["X: no rate for 2016-06-22: the first is of 2016-06-23"]),
    ],
)
def test_rates_that_are_refused(rate: object, words: list[str], refusal: Refusal) -> None:
    sentence = refusal(ValueError, convert_currency, bars(), rate, symbol="X")
    assert all(word in sentence for word in words), sentence


def test_bars_that_are_refused(market: Market, refusal: Refusal) -> None:
    assert "X: not sorted" in refusal(at.BarsError, convert_currency, bars()[::-1], RATE, symbol="X")
    sentence = refusal(ValueError, convert_currency, market(1, 5, "UTC"), RATE)
    assert "its times are daily, the bars are intraday" in sentence


# Hundredths


@pytest.mark.parametrize("unit", MINOR_UNITS)
def test_hundredths(unit: str) -> None:
    table = bars({"volume": 7.0, "dividend": 4.5, "adj_close": 90.0, "split": 2.0})
    before = table.copy()
    out = to_major(table, unit)
    assert out.iloc[0].to_dict() == {
        "close": 1.0,
        "volume": 7.0,
        "dividend": 0.045,
        "adj_close": 0.9,
        "split": 2.0,
    }
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("unit", "word"), [("GBP", "whole unit already"), ("gbp", "none of them"), ("USD", "none")]
)
def test_pounds_are_not_pence(unit: str, word: str, refusal: Refusal) -> None:
    sentence = refusal(ValueError, to_major, bars(), unit)
    assert word in sentence and "GBp is pence" in sentence and repr(unit) in sentence
    assert "not sorted" in refusal(at.BarsError, to_major, bars()[::-1], "GBp")
