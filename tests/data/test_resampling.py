"Longer bars: what they hold, how they are dated, what marks the ones that are not whole, and what is refused."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.adjustment import adjust_splits
from alphatwin.data.resampling import HOW, PERIODS, merge_bars, resample

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]
PANDAS = {"week": "W-SUN", "month": "ME", "quarter": "QE-DEC", "year": "YE-DEC"}


def hours(moments: list[str], tz: str = "America/New_York") -> pd.DataFrame:
    "Intraday bars whose prices count up."
    time = pd.DatetimeIndex(moments, tz=tz, name="time")
    price = np.arange(len(moments)) + 10.0
    table = {"open": price, "high": price + 2, "low": price - 2, "close": price + 1, "volume": 100.0}
    return at.to_bars(pd.DataFrame(table, index=time))


# From days


@pytest.mark.parametrize("to", PERIODS)
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_pandas(to: str, seed: int, market: Market) -> None:
    bars = market(seed, 700)
    ours = resample(bars, to)
    theirs = bars.resample(PANDAS[to]).agg({name: HOW[name] for name in bars.columns})
    pd.testing.assert_frame_equal(
        ours[list(bars.columns)].reset_index(drop=True), theirs.reset_index(drop=True), check_exact=True
    )
    at.check_bars(ours)


@pytest.mark.parametrize("to", PERIODS)
def test_a_label_is_the_last_day_that_is_really_in_it(to: str, spx: pd.DataFrame) -> None:
    ours = resample(spx, to, "XNYS")
    assert ours.index.isin(spx.index).all() and ours.index.name == "time" and ours.index.dtype == "M8[ns]"
    np.testing.assert_array_equal(ours["close"], spx["close"][ours.index])
    # Whatever comes after the label cannot have been known: bars up to the label give the same bar.
    for label in ours.index[[0, 3, -1]]:
        part = resample(spx[:label], to, "XNYS").iloc[-1]
        pd.testing.assert_series_equal(part, ours.loc[label], check_exact=True)


def test_a_last_period_that_is_cut_is_dated_by_its_last_bar_and_marked(spx: pd.DataFrame) -> None:
    months = resample(spx["2018-01":"2018-03-14"], "month", "XNYS")
    assert months.index.strftime("%F").tolist() == ["2018-01-31", "2018-02-28", "2018-03-14"]
    assert months["complete"].tolist() == [1.0, 1.0, 10 / 21]


def test_a_first_period_that_is_cut_and_a_hole_within_are_marked(spx: pd.DataFrame) -> None:
    part = spx["2018-01-17":"2018-03"].drop(pd.Timestamp("2018-02-14"))
    months = resample(part, "month", "XNYS")
    assert months["complete"].tolist() == [11 / 21, 18 / 19, 1.0]


def test_holidays_are_not_missing(spx: pd.DataFrame) -> None:
    weeks = resample(spx["2018-11-12":"2018-12-30"], "week", "XNYS")
    assert (weeks["complete"] == 1.0).all() and weeks["volume"].iloc[1] == spx["volume"][
        "2018-11-19":"2018-11-23"
    ].sum()
    london = resample(spx["2018-08-20":"2018-08-24"], "week", "XLON")
    assert london["complete"].tolist() == [1.0]


def test_without_a_calendar_nobody_knows_what_is_whole(spx: pd.DataFrame) -> None:
    assert resample(spx, "year")["complete"].isna().all()


def test_all_of_twenty_years_are_whole(spx: pd.DataFrame) -> None:
    for to, count in {"week": 1044, "month": 240, "quarter": 80, "year": 20}.items():
        ours = resample(spx, to, "XNYS")
        assert len(ours) == count and (ours["complete"].iloc[:-1] == 1.0).all(), to
        # The last day of 2018 was a Monday; the week's other three sessions are in 2019.
        assert ours["complete"].iloc[-1] == (1 / 4 if to == "week" else 1.0)


def test_weeks_run_from_monday_to_sunday() -> None:
    days = pd.DatetimeIndex(
        pd.date_range("2024-01-05", periods=5, name="time"), freq=None
    )  # Friday to Tuesday
    weeks = resample(pd.DataFrame({"close": [1.0, 2, 3, 4, 5]}, index=days), "week", "24/7")
    assert weeks["close"].tolist() == [3.0, 5.0] and weeks["complete"].tolist() == [3 / 7, 2 / 7]
    assert weeks.index.strftime("%a").tolist() == ["Sun", "Tue"]


def test_closes_stay_closes(spx: pd.DataFrame) -> None:
    ours = resample(spx[["close"]], "month", "XNYS")
    assert list(ours.columns) == ["close", "complete"]
    pd.testing.assert_series_equal(ours["close"], resample(spx, "month")["close"])


# Actions


def test_a_split_within_a_period_is_taken_out_of_it() -> None:
    "February 2005 of Apple: as traded its high would be 90, of shares of which there were half as many."
    bars = at.load("AAPL", start="2005-02", end="2005-02")
    split = pd.Series(0.0, index=bars.index)
    split["2005-02-28"] = 2.0
    month = resample(bars.assign(split=split, dividend=0.25), "month", "XNYS").iloc[0]
    before = bars.loc[:"2005-02-25"]
    assert month["high"] == before["high"].max() / 2 and month["open"] == bars["open"].iloc[0] / 2
    assert month["volume"] == 2 * before["volume"].sum() + bars["volume"].iloc[-1]
    assert month["dividend"] == pytest.approx(0.125 * len(before) + 0.25)
    assert (month["split"], month["close"]) == (2.0, 44.86)


@pytest.mark.slow
@pytest.mark.parametrize("to", PERIODS)
@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 0.1, np.nan]), min_size=80, max_size=80), st.integers(0, 9))
def test_adjusting_before_or_after_is_the_same(to: str, split: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = pd.DatetimeIndex(pd.bdate_range("2020-01-10", periods=80, name="time"), freq=None)
    bars = pd.DataFrame(
        {"open": 10.0, "high": rng.uniform(11, 20, 80), "low": rng.uniform(1, 9, 80), "close": 10.5},
        index=days,
    ).assign(volume=100.0, dividend=rng.choice([0.0, 0.2, np.nan], 80), split=split)
    first, after = resample(adjust_splits(bars), to), adjust_splits(resample(bars, to))
    pd.testing.assert_frame_equal(first, after, rtol=1e-10)


def test_ratios_are_multiplied_and_dividends_added() -> None:
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"], name="time")
    table = pd.DataFrame({"close": [60.0, 30.0, 10.0], "split": [0.0, 2.0, 3.0]}, index=days)
    one = merge_bars(
        table.assign(dividend=[6.0, 3.0, 1.0], adj_close=[9.0, 8.0, 7.0]), np.zeros(3, dtype="int64")
    )
    assert one.iloc[0].to_dict() == {"close": 10.0, "split": 6.0, "dividend": 3.0, "adj_close": 7.0}


def test_the_given_table_is_left_alone(spx: pd.DataFrame) -> None:
    bars = spx["2018":].assign(split=2.0, dividend=0.1)
    before = bars.copy()
    out = resample(bars, "month", "XNYS")
    pd.testing.assert_frame_equal(bars, before)
    assert out.attrs["symbol"] == "SPX"


# From hours


def test_an_early_close_and_the_bars_outside_of_it() -> None:
    "The day after Thanksgiving 2024 ended at one o'clock: four bars of an hour, the fifth is outside."
    wednesday = [f"2024-11-27 {hour:02}:30" for hour in range(9, 16)]
    friday = [f"2024-11-29 {hour:02}:30" for hour in range(9, 14)]
    bars = hours(wednesday + friday)
    days = resample(bars, "session", "XNYS", outside="drop")
    assert days.index.strftime("%F").tolist() == ["2024-11-27", "2024-11-29"] and days.index.tz is None
    assert days["complete"].tolist() == [1.0, 1.0] and days.attrs["outside"] == 1
    assert days["open"].tolist() == [10.0, 17.0] and days["close"].tolist() == [17.0, 21.0]
    assert days["volume"].tolist() == [700.0, 400.0]
    at.check_bars(days)


@pytest.mark.parametrize(
    ("clock", "inside"), [("09:29", False), ("09:30", True), ("15:59", True), ("16:00", False)]
)
def test_the_edges_of_a_session(clock: str, inside: bool, refusal: Refusal) -> None:
    bars = hours(["2024-11-26 12:00", f"2024-11-27 {clock}"])
    if inside:
        assert len(resample(bars, "session", "XNYS")) == 2
    else:
        sentence = refusal(at.BarsError, resample, bars, "session", "XNYS")
        assert sentence.startswith("1 of 2 bars outside the sessions of XNYS, the first at 2024-11-27")
        assert len(resample(bars, "session", "XNYS", outside="drop")) == 1


def test_a_session_of_chicago_begins_on_the_evening_before() -> None:
    bars = hours(["2024-11-25 18:00", "2024-11-26 10:00", "2024-11-26 17:30"], "America/Chicago")
    days = resample(bars, "session", "CMES")
    assert days.index.strftime("%F").tolist() == ["2024-11-26", "2024-11-27"]
    assert days["volume"].tolist() == [200.0, 100.0]


def test_summer_time_is_kept() -> None:
    "In the week in which New York changes its clocks, 9:30 is 14:30 UTC before and 13:30 UTC after."
    days = ["2024-03-08", "2024-03-11"]
    bars = hours([f"{day} {hour:02}:30" for day in days for hour in range(9, 16)])
    assert bars.index.hour[[0, 7]].tolist() == [14, 13]
    assert resample(bars, "session", "XNYS")["complete"].tolist() == [1.0, 1.0]


def test_a_bar_that_slips_in_does_not_change_the_length_of_the_others() -> None:
    bars = hours(
        [f"2024-11-26 {clock}" for clock in ("09:30", "10:30", "10:45", "11:30", "12:30", "13:30", "14:30")]
    )
    assert resample(bars, "session", "XNYS")["complete"].tolist() == [1.0]
    assert resample(bars.drop(bars.index[2]), "session", "XNYS")["complete"].tolist() == [6 / 7]


def test_one_bar_alone_is_a_whole_session() -> None:
    assert resample(hours(["2024-11-27 09:30"]), "session", "XNYS")["complete"].tolist() == [1.0]


def test_hours_to_sessions_to_weeks() -> None:
    bars = hours([f"2024-11-{day} {hour:02}:30" for day in (25, 26) for hour in range(9, 16)])
    days = resample(bars, "session", "XNYS").drop(columns="complete")
    week = resample(days, "week", "XNYS")
    assert week["complete"].tolist() == [2 / 4] and week["volume"].tolist() == [1400.0]


# What is refused


@pytest.mark.parametrize(
    ("kind", "change", "arguments", "words"),
    [
        (ValueError, None, ("day",), ["to must be one of session, week, month, quarter, year, got 'day'"]),
        (ValueError, None, ("week", "XNYS", "keep"), ["outside must be 'refuse' or 'drop', got 'keep'"]),
        (ValueError, None, ("week", "NEWYORK"), ["no calendar 'NEWYORK'"]),
        (at.BarsError, None, ("session", "XNYS"), ["daily", "week, month"]),
        (
            at.BarsError,
            lambda t: t.assign(complete=1.0),
            ("week",),
            ["no rule to merge", "complete", "drop it"],
        ),
        (at.BarsError, lambda t: t[::-1], ("week",), ["not sorted"]),
        (at.BarsError, lambda t: t.iloc[:0], ("week",), ["no rows"]),
        (at.BarsError, lambda t: t.assign(high=np.nan), ("week",), ["high is nan on 2018-12-03"]),
        (at.BarsError, lambda t: pd.concat({"SPX": t}), ("week",), ["bars.loc['SPX']"]),
        (at.BarsError, lambda t: t.tz_localize("UTC"), ("week",), ["intraday", "resample(bars, 'session'"]),
    ],
)
def test_refusals(
    kind: type[Exception],
    change: Callable[[pd.DataFrame], pd.DataFrame] | None,
    arguments: tuple[str, ...],
    words: list[str],
    spx: pd.DataFrame,
    refusal: Refusal,
) -> None:
    bars = spx["2018-12":].copy()
    sentence = refusal(kind, resample, change(bars) if change else bars, *arguments)
    assert all(word in sentence for word in words), sentence


def test_a_day_without_a_session_is_refused(spx: pd.DataFrame, refusal: Refusal) -> None:
    bars = spx["2018-07-02":"2018-07-06"]
    extra = pd.concat(
        [bars, bars.iloc[[0]].set_axis(pd.DatetimeIndex(["2018-07-04"], name="time"))]
    ).sort_index()
    sentence = refusal(at.BarsError, resample, extra, "week", "XNYS")
    assert "1 bars on days without a session of XNYS, the first on 2018-07-04" in sentence
    assert len(resample(extra, "week")) == 1


def test_sessions_need_a_calendar_and_something_within_it(refusal: Refusal) -> None:
    bars = hours(["2024-11-27 09:30", "2024-11-27 10:30"])
    assert "need the exchange's calendar" in refusal(at.BarsError, resample, bars, "session")
    night = hours(["2024-11-27 03:30", "2024-11-27 04:30"])
    sentence = refusal(at.BarsError, resample, night, "session", "XNYS", outside="drop")
    assert sentence.startswith("2 of 2 bars outside")
