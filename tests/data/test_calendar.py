"Trading days against what the exchanges did, and gaps found where they were made."

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.calendar import read_day, session_gaps, session_hours, sessions

Refusal = Callable[..., str]

# Trading days a year of the New York Stock Exchange: 2001 lost four days in September, 2012 two to a hurricane.
NEW_YORK = {1999: 252, 2001: 248, 2004: 252, 2007: 251, 2012: 250, 2018: 251, 2023: 250, 2024: 252}
CLOSED = [
    "2001-09-11",
    "2001-09-14",
    "2004-06-11",  # President Reagan's funeral
    "2007-01-02",  # President Ford's
    "2012-10-29",
    "2012-10-30",  # Hurricane Sandy
    "2018-12-05",  # President Bush's funeral
    "2022-06-20",  # Juneteenth, for the first time
    "2024-03-29",  # Good Friday
]


@pytest.mark.parametrize(("year", "days"), NEW_YORK.items())
def test_trading_days_a_year(year: int, days: int) -> None:
    time = sessions("XNYS", f"{year}-01-01", f"{year}-12-31")
    assert len(time) == days
    assert time.name == "time" and time.tz is None and time.dtype == "datetime64[ns]"


@pytest.mark.parametrize("day", CLOSED)
def test_days_on_which_new_york_did_not_trade(day: str) -> None:
    assert len(sessions("XNYS", day, day)) == 0


def test_first_and_last_day_are_both_in_it() -> None:
    assert sessions("XNYS", "2024-07-03", "2024-07-05").day.tolist() == [3, 5]
    assert sessions("XNYS", pd.Timestamp("2024-07-03"), pd.Timestamp("2024-07-03")).day.tolist() == [3]
    assert len(sessions("XNYS", "2024-07-05", "2024-07-03")) == 0


def test_exchanges_differ() -> None:
    # 3 October is Germany's national day, but Xetra trades; 1 May is a holiday there and not in New York.
    assert len(sessions("XETR", "2024-05-01", "2024-05-01")) == 0
    assert len(sessions("XNYS", "2024-05-01", "2024-05-01")) == 1


def test_an_unknown_exchange_is_refused(refusal: Refusal) -> None:
    sentence = refusal(ValueError, sessions, "NASDAQ-ish", "2024-01-01", "2024-01-31")
    assert "no calendar 'NASDAQ-ish'" in sentence and "XNYS" in sentence


@pytest.mark.parametrize("symbol", ["SPX", "IXIC", "AAPL", "IBM", "MSFT", "GOOG", "FB"])
def test_the_samples_agree_with_the_calendar_session_for_session(symbol: str) -> None:
    missing, extra = session_gaps(at.load(symbol).index, "XNYS")
    assert len(missing) == 0 and len(extra) == 0


@given(drop=st.sets(st.integers(1, 250), max_size=20), weekends=st.sets(st.integers(0, 40), max_size=10))
def test_what_was_taken_out_and_put_in_is_found_and_nothing_else(drop: set[int], weekends: set[int]) -> None:
    year = sessions("XNYS", "2023-12-29", "2024-12-31")  # the first and the last are never dropped
    saturdays = pd.DatetimeIndex([pd.Timestamp("2024-01-06") + pd.Timedelta(weeks=week) for week in weekends])
    kept = year.delete(sorted(drop)).append(saturdays)
    missing, extra = session_gaps(kept[::-1], "XNYS")
    assert missing.tolist() == year[sorted(drop)].tolist()
    assert extra.tolist() == sorted(saturdays.tolist())


def test_days_that_come_twice_are_compared_once() -> None:
    year = sessions("XNYS", "2024-01-01", "2024-12-31")
    missing, extra = session_gaps(year.append(year), "XNYS")
    assert len(missing) == 0 and len(extra) == 0


def test_no_days_have_no_gaps() -> None:
    missing, extra = session_gaps(pd.DatetimeIndex([]), "XNYS")
    assert len(missing) == 0 and len(extra) == 0


def test_moments_are_refused(refusal: Refusal) -> None:
    hours = pd.date_range("2024-01-02", periods=3, freq="h", tz="UTC")
    sentence = refusal(ValueError, session_gaps, hours, "XNYS")
    assert "daily bars" in sentence and "time zone" in sentence


def test_half_days_close_early_and_ordinary_ones_do_not() -> None:
    hours = session_hours("XNYS", "2024-11-27", "2024-12-02")
    assert hours["close"].dt.strftime("%H:%M").tolist() == [
        "21:00",
        "18:00",
        "21:00",
    ]  # Thanksgiving's Friday
    assert str(hours["open"].dt.tz) == "UTC" and hours.index.name == "time" and hours.index.tz is None
    assert session_hours("XNYS", "2024-12-24", "2024-12-24")["close"].iloc[0] == pd.Timestamp(
        "2024-12-24 18:00Z"
    )


def test_opening_moves_with_the_clocks_of_the_exchange() -> None:
    new_york = session_hours("XNYS", "2024-03-08", "2024-03-11")["open"].dt.strftime("%H:%M")
    london = session_hours("XLON", "2024-03-28", "2024-04-02")["open"].dt.strftime("%H:%M")
    tokyo = session_hours("XTKS", "2024-01-04", "2024-07-04")["open"].dt.strftime("%H:%M")
    assert new_york.tolist() == ["14:30", "13:30"] and london.tolist() == ["08:00", "07:00"]
    assert set(tokyo) == {"00:00"}


def test_hours_and_sessions_are_the_same_days() -> None:
    for start, end in (
        ("1999-01-04", "2018-12-31"),
        ("2024-07-04", "2024-07-04"),
        ("1872-05-01", "1872-05-09"),
    ):
        assert session_hours("XNYS", start, end).index.equals(sessions("XNYS", start, end))


def test_a_calendar_that_ends_before_the_year_does_is_asked_for_what_it_knows() -> None:
    last = pd.Timestamp.now().normalize() + pd.Timedelta(days=200)  # Calendars know about a year ahead
    assert len(sessions("XNYS", last - pd.Timedelta(days=30), last)) > 15


def test_hours_of_an_unknown_exchange_are_refused(refusal: Refusal) -> None:
    assert "no calendar 'XXXX'" in refusal(ValueError, session_hours, "XXXX", "2024-01-01", "2024-01-31")


# Which day is meant


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2024", "2024"),
        ("2024-02", "2024-02"),
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29 15:00", "2024-02-29 15:00"),
        ("2024-02-29T15:00:30.5+01:00", "2024-02-29T15:00:30.5+01:00"),
        ("2024-02-29 00:00:00", "2024-02-29"),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 15), "2024-02-29T15:00:00"),
        (pd.Timestamp("2024-02-29"), "2024-02-29"),
        (pd.Timestamp("2024-02-29", tz="UTC"), "2024-02-29T00:00:00+00:00"),
    ],
)
def test_a_day_in_one_spelling(day: str, text: str) -> None:
    assert read_day(day) == text


GUESSES = [
    "03/04/2010",
    "13/04/2010",
    "31.12.2020",
    "2010/03/04",
    "20100304",
    "4 March 2010",
    "10-03-04",
    "2010-3-4",
]


@pytest.mark.parametrize(
    "day", [*GUESSES, "2010-02-30", "2010-13", "today", "", " 2010-03-04", 2010, pd.NaT, None]
)
def test_what_would_be_a_guess_is_refused(day: str, refusal: Refusal) -> None:
    sentence = refusal(ValueError, read_day, day, "start")
    assert sentence.startswith(
        "start must be a day or a moment such as '2024-01-31' or '2024-01-31 15:00', got "
    )
    assert sentence.endswith(repr(day))


@pytest.mark.parametrize("day", GUESSES)
def test_no_date_is_guessed_anywhere(day: str, refusal: Refusal, tmp_path: Path) -> None:
    lake, other = at.Lake(tmp_path), at.load("AAPL").assign(volume=1.0)
    lake.write("AAPL", at.load("AAPL"), known="2013-03-02")
    assert refusal(ValueError, at.load, "SPX", start=day).startswith("start must be a day")
    assert refusal(ValueError, at.load, "SPX", end=day).startswith("end must be a day")
    with_asof = {"source": "lake", "folder": tmp_path, "asof": day}
    assert refusal(ValueError, at.load, "AAPL", **with_asof).startswith("asof must be a day")
    assert refusal(ValueError, at.diff_vintages, "AAPL", day, folder=tmp_path).startswith(
        "asof must be a day"
    )
    assert refusal(ValueError, lake.sql, "select 1", day).startswith("asof must be a day")
    assert refusal(ValueError, lake.read, "AAPL", start=day).startswith("start must be a day")
    assert refusal(ValueError, lake.write, "AAPL", other, known=day).startswith("known must be a day")
