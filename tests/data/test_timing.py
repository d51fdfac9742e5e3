"Dates a day off, hours an hour off, sessions that are not over: found where they were made, and nowhere else."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.calendar import session_hours, sessions
from alphatwin.data.findings import DAY, Table, far_years, make_table, spacing
from alphatwin.data.timing import TIMING_RULES, check_timing, unfinished

Market = Callable[..., pd.DataFrame]


def find(frame: pd.DataFrame, rule: str, calendar: str | None = "XNYS") -> set[int]:
    "Rows at which a rule points."
    said = check_timing(make_table(frame, calendar=calendar))
    return {int(row) for one in said if one.rule == rule for row in one.rows}


def closes(time: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({"close": np.linspace(100.0, 101.0, len(time))}, index=time)


def half_hours(first: str, last: str, calendar: str = "XNYS", end: bool = False) -> pd.DatetimeIndex:
    "Stamps of half-hourly bars, at their beginning or at their end."
    step = pd.Timedelta("30min")
    days = session_hours(calendar, first, last)
    parts = [
        pd.date_range(opened, closed - step, freq=step)
        for opened, closed in zip(days["open"], days["close"], strict=True)
    ]
    time = pd.DatetimeIndex(np.concatenate([part.as_unit("ns").asi8 for part in parts]), tz="UTC")
    return time + step if end else time


def accused(frame: pd.DataFrame, calendar: str | None = "XNYS") -> list[str]:
    "Names of the rules that point at something."
    return [one.rule for one in check_timing(make_table(frame, calendar=calendar)) if len(one.rows)]


def test_the_rules() -> None:
    assert [(rule.name, rule.severity, rule.later) for rule in TIMING_RULES] == [
        ("far_date", "error", 50),
        ("shifted_dates", "error", 5),
        ("unfinished_session", "warning", 1),
        ("outside_hours", "warning", 0),
        ("short_history", "info", 252),
    ]


# -- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("symbol", ["SPX", "AAPL", "GOOG"])
def test_a_whole_table_that_is_a_day_off(symbol: str, shift: int) -> None:
    bars = at.load(symbol)
    moved = bars.set_axis(bars.index + pd.Timedelta(days=shift), axis=0)
    assert find(moved, "shifted_dates") == set(range(len(bars)))


@given(
    start=st.integers(1, 200),
    size=st.integers(1, 60),
    shift=st.sampled_from([-1, 1]),
    year=st.integers(2001, 2011),
)
def test_a_block_that_is_a_day_off_is_found_row_for_row(start: int, size: int, shift: int, year: int) -> None:
    time = sessions("XNYS", f"{year}-01-01", f"{year}-12-31").to_numpy().copy()
    size = min(size, len(time) - start - 6)
    rows = set(range(start, start + size))
    time[start : start + size] += np.timedelta64(shift, "D")
    found = find(closes(pd.DatetimeIndex(time)), "shifted_dates")
    # One day moved onto a neighbour leaves two chains that explain it; that it is found is what counts.
    assert found & rows if size <= 3 else len(found ^ rows) <= 5


def test_a_week_by_hand() -> None:
    week = pd.DatetimeIndex(
        ["2024-01-05", "2024-01-07", "2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-16"]
    )
    assert find(closes(week), "shifted_dates") == {1, 2, 3, 4, 5}
    detail = [
        one for one in check_timing(make_table(closes(week), calendar="XNYS")) if one.rule == "shifted_dates"
    ][0].detail
    assert detail[0] == "dated the day before: Sun 2024-01-07, should be Mon 2024-01-08"


@pytest.mark.parametrize("guest", ["2024-03-03", "2024-03-09", "2024-03-29", "2024-02-19"])
def test_a_guest_shifts_nobody(guest: str) -> None:
    "A Sunday, a Saturday, Good Friday and a Monday off, added to a good table."
    year = sessions("XNYS", "2024-01-01", "2024-12-31")
    time = year.append(pd.DatetimeIndex([guest])).sort_values()
    assert find(closes(time), "shifted_dates") == set()


@pytest.mark.parametrize("row", [40, 41, 42, 43, 44])
def test_duplicates_and_missing_sessions_shift_nobody(row: int) -> None:
    year = sessions("XNYS", "2024-01-01", "2024-12-31")
    assert find(closes(year.append(year[row : row + 1]).sort_values()), "shifted_dates") == set()
    assert find(closes(year.delete(row)), "shifted_dates") == set()


def test_a_market_that_never_closes_is_not_shifted() -> None:
    every = pd.date_range("2024-01-01", "2024-12-31", name="time")
    assert find(closes(every), "shifted_dates") == set()


def test_rows_are_named_as_they_came() -> None:
    year = sessions("XNYS", "2024-01-01", "2024-12-31").to_numpy().copy()
    monday = int(
        np.flatnonzero(pd.DatetimeIndex(year).day_of_week == 0)[25]
    )  # So that no two rows share a date
    year[monday : monday + 10] -= np.timedelta64(1, "D")
    order = np.random.default_rng(0).permutation(len(year))
    found = {int(order[row]) for row in find(closes(pd.DatetimeIndex(year[order])), "shifted_dates")}
    assert found == set(range(monday, monday + 10))


def test_without_a_calendar_nothing_is_said_about_days() -> None:
    moved = closes(sessions("XNYS", "2020-01-01", "2024-12-31") - pd.Timedelta(days=1))
    assert accused(moved, calendar=None) == []


@pytest.mark.slow
@pytest.mark.parametrize("symbol", at.samples()["symbol"])
def test_the_samples_are_where_they_belong(symbol: str) -> None:
    said = accused(at.load(symbol))
    assert said == (["short_history"] if symbol == "FB" else [])


def test_what_is_said_holds_once_five_later_rows_are_known() -> None:
    rng = np.random.default_rng(1)
    for _ in range(15):
        time = sessions("XNYS", "2007-01-01", "2007-12-31").to_numpy().copy()
        for _ in range(2):
            start, size = int(rng.integers(5, 230)), int(rng.integers(1, 15))
            time[start : start + size] += np.timedelta64(int(rng.choice([-1, 1])), "D")
        table = closes(pd.DatetimeIndex(np.sort(time)))
        whole = find(table, "shifted_dates")
        for cut in rng.integers(20, 240, 10):
            early = find(table[:cut], "shifted_dates")
            assert {r for r in early if r < cut - 5} == {r for r in whole if r < cut - 5}


# -- hours ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("calendar", ["XNYS", "XLON", "XTKS", "XHKG"])
def test_a_good_year_of_half_hours(calendar: str, end: bool) -> None:
    time = half_hours("2015-01-02", "2015-12-31", calendar, end)
    if calendar in ("XNYS", "XLON"):
        assert accused(closes(time), calendar) == []
    else:  # A lunch break inside; the session is judged by its ends
        assert find(closes(time), "outside_hours", calendar) == set()


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("end", [False, True])
def test_a_summer_whose_clock_was_not_changed(hours: int, end: bool) -> None:
    time = half_hours("2015-01-02", "2015-12-31", end=end)
    summer = (time > "2015-03-08") & (time < "2015-11-01")
    moved = pd.DatetimeIndex(np.where(summer, time.asi8 + hours * 3_600_000_000_000, time.asi8), tz="UTC")
    assert find(closes(moved), "shifted_dates") == set(np.flatnonzero(summer))
    assert find(closes(moved), "outside_hours") == set()


@pytest.mark.parametrize(
    ("moment", "outside"),
    [
        ("2024-12-24 17:30", False),  # Christmas Eve closes at 18:00 UTC
        ("2024-12-24 18:30", True),
        ("2024-12-23 18:30", False),
        ("2024-12-23 21:30", True),
        ("2024-12-23 14:00", True),
        ("2024-12-25 16:00", True),  # Christmas
        ("2024-12-28 16:00", True),  # A Saturday
    ],
)
def test_one_bar_outside_the_hours(moment: str, outside: bool) -> None:
    time = half_hours("2024-12-20", "2024-12-31").append(pd.DatetimeIndex([pd.Timestamp(moment, tz="UTC")]))
    assert find(closes(time), "outside_hours") == ({len(time) - 1} if outside else set())


def test_the_closing_bell_belongs_to_bars_that_are_stamped_at_their_end() -> None:
    bell = pd.DatetimeIndex([pd.Timestamp("2024-12-23 21:00", tz="UTC")])
    assert find(closes(half_hours("2024-12-20", "2024-12-31").append(bell)), "outside_hours")
    assert not find(closes(half_hours("2024-12-20", "2024-12-31", end=True)), "outside_hours")


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_last_row_with_a_time_of_day() -> None:
    year = sessions("XNYS", "2023-01-01", "2023-12-31")
    running = year[:-1].append(pd.DatetimeIndex([year[-1] + pd.Timedelta("15h30min")]))
    again = year.append(pd.DatetimeIndex([year[-1] + pd.Timedelta("15h30min")]))
    assert find(closes(running), "unfinished_session") == {len(year) - 1}
    assert find(closes(again), "unfinished_session") == {len(year)}
    assert find(closes(year), "unfinished_session") == set()


def test_a_second_row_for_the_last_session_only() -> None:
    year = sessions("XNYS", "2023-01-01", "2023-12-31")
    assert find(closes(year.append(year[-1:])), "unfinished_session") == {len(year)}
    assert find(closes(year.append(year[100:101]).sort_values()), "unfinished_session") == set()


def test_midnights_of_new_york_are_days() -> None:
    midnight = sessions("XNYS", "2023-01-01", "2023-12-31").tz_localize("America/New_York").tz_convert("UTC")
    running = midnight[:-1].append(pd.DatetimeIndex([midnight[-1] + pd.Timedelta("15h30min")]))
    assert accused(closes(midnight)) == ["short_history"]
    assert "unfinished_session" in accused(closes(running))
    assert unfinished(midnight.as_unit("ns").asi8) == ""


def test_intraday_tables_have_no_running_session_to_report() -> None:
    time = half_hours("2024-12-20", "2024-12-31")
    assert find(closes(time), "unfinished_session") == set()
    assert find(closes(time.append(time[-1:])), "unfinished_session") == set()


@pytest.mark.parametrize(("rows", "count"), [(1, 1), (59, 1), (251, 1), (252, 0)])
def test_how_short_is_short(rows: int, count: int, market: Market) -> None:
    said = [one for one in check_timing(make_table(market(1, rows))) if one.rule == "short_history"]
    assert [one.severity for one in said] == [
        ""
    ] * count  # the rule's own: info, since a clean slice is clean
    assert all(one.rows.tolist() == [-1] and f"{rows} daily bars" in one.detail[0] for one in said)


def test_rows_that_come_twice_do_not_make_a_history_longer(market: Market) -> None:
    bars = market(1, 200)
    assert accused(pd.concat([bars, bars]), None)[-1] == "short_history"


def test_tables_without_dates_or_rows_are_passed_over() -> None:
    nowhere = Table(np.full(3, np.iinfo(np.int64).min), {"close": np.ones(3)}, calendar="XNYS")
    assert (
        check_timing(nowhere) == [] and check_timing(Table(np.empty(0, np.int64), {}, calendar="XNYS")) == []
    )


def test_a_row_moves_one_way_only(aapl: pd.DataFrame) -> None:
    "A year that is dated a day early is not called late as well."
    year = aapl.loc["2004"]
    early = year.set_axis(year.index - pd.Timedelta(days=1), axis=0)
    (moved,) = [
        one
        for one in check_timing(make_table(early, "XNYS"))
        if len(one.rows) and one.rule == "shifted_dates"
    ]
    assert moved.rows.tolist() == list(range(252)) and all("day before" in said for said in moved.detail)


def test_a_table_of_one_saturday_is_outside_all_hours() -> None:
    saturday = pd.date_range("2024-06-15 14:00", periods=5, freq="30min", tz="UTC")
    assert find(closes(saturday), "outside_hours") == set(range(5))
    assert find(closes(pd.DatetimeIndex(["2024-06-15"])), "shifted_dates") == set()


# -- weeks, months, and dates of another century -----------------------------------------------------------------------


def every(rule: str, size: int = 60) -> pd.DataFrame:
    return closes(pd.date_range("2019-03-03", periods=size, freq=rule, name="time"))


@pytest.mark.parametrize(
    ("rule", "word"),
    [("D", ""), ("B", ""), ("W", "weekly"), ("W-FRI", "weekly"), ("ME", "monthly"), ("MS", "monthly")],
)
def test_how_far_apart_bars_usually_are(rule: str, word: str) -> None:
    table = make_table(every(rule), calendar="XNYS")
    assert spacing(table.time) == word and table.daily == (word == "")
    assert spacing(table.time[:4]) == "" and make_table(every(rule, 4)).daily
    shuffled = every(rule).sample(frac=1, random_state=1)
    assert spacing(make_table(shuffled).time) == word


def test_half_of_the_sessions_missing_are_days_nevertheless() -> None:
    year = sessions("XNYS", "2024-01-01", "2024-12-31")
    for step in (2, 3):
        assert make_table(closes(year[::step])).daily
    assert spacing(half_hours("2024-01-01", "2024-03-01").as_unit("ns").asi8) == ""


@pytest.mark.parametrize("rule", ["W", "W-FRI", "W-MON", "ME", "MS", "QE", "YE"])
def test_of_weeks_and_months_no_date_is_called_wrong(rule: str) -> None:
    assert set(accused(every(rule))) <= {"short_history"}
    frame = every(rule)
    assert ("short_history" in accused(frame)) == (frame.index[-1] - frame.index[0] < pd.Timedelta("360D"))


def test_the_history_of_weeks_is_measured_in_years() -> None:
    (short,) = check_timing(make_table(every("W", 30)))
    assert short.rule == "short_history" and short.detail == ["30 weekly bars"]
    assert accused(every("W", 60)) == []


@pytest.mark.parametrize("day", ["1900-01-01", "2099-01-01", "2201-03-12", "2023-01-09"])
@pytest.mark.parametrize("row", [0, 100, 250])
def test_a_mistyped_year_is_named_and_nothing_else(day: str, row: int) -> None:
    time = sessions("XNYS", "2020-01-01", "2020-12-31")[:251].to_numpy().copy()
    true, time[row] = pd.Timestamp(time[row]), np.datetime64(day)
    findings = at.validate(closes(pd.DatetimeIndex(time)), calendar="XNYS").findings
    assert findings[findings["check"] == "far_date"][["time", "column"]].to_numpy().tolist() == [
        [pd.Timestamp(day), "time"]
    ]
    rest = findings[~findings["check"].isin(["far_date", "unsorted_time", "short_history"])]
    assert rest["check"].tolist() in ([], ["missing_session"])
    assert set(rest["time"]) <= {true}


@given(size=st.integers(1, 8), body=st.integers(5, 120), years=st.integers(2, 250), after=st.booleans())
def test_far_is_one_in_ten_up_to_five_and_a_year_away(size: int, body: int, years: int, after: bool) -> None:
    away = 366 * years + body if after else -366 * years
    days = np.r_[np.arange(body), np.arange(size) + away] * DAY
    order = np.random.default_rng(size).permutation(len(days))
    far = far_years(days[order])
    assert ((far > 0) == ((order >= body) & (size <= min(5, body // 10)))).all()
    assert (far[far > 0] > years - 1).all()


def test_three_and_five_centuries_are_no_less_far() -> None:
    days = pd.date_range("2250-01-01", periods=30).append(pd.DatetimeIndex(["1678-01-01"])).as_unit("ns")
    assert far_years(days.asi8).round().tolist() == [0.0] * 30 + [572.0]


def test_a_share_that_comes_back_after_two_years_is_not_far() -> None:
    first, second = (sessions("XNYS", f"{year}-01-01", f"{year}-12-31") for year in (2018, 2021))
    assert not far_years(first.append(second[:6]).as_unit("ns").asi8).any()
    assert (far_years(first.append(second[:5]).as_unit("ns").asi8) > 0).sum() == 5
    assert not far_years(first.append(first[-1:] + pd.Timedelta("300D")).as_unit("ns").asi8).any()
    assert not far_years(pd.date_range("1950", periods=60, freq="YE").as_unit("ns").asi8).any()


@pytest.mark.parametrize("symbol", at.samples()["symbol"])
def test_no_sample_has_a_far_date(symbol: str) -> None:
    assert not make_table(at.load(symbol)).far.any()


def test_a_moment_of_another_century_does_not_ask_for_its_hours() -> None:
    time = half_hours("2024-03-04", "2024-03-15").append(pd.DatetimeIndex(["2224-03-15 14:30"], tz="UTC"))
    assert find(closes(time), "far_date") == {len(time) - 1}
    assert accused(closes(time)) == ["far_date"]
