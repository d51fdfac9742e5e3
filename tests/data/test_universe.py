"Who belonged when: by hand, against a slow reading of the table, and tables that are refused."

from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alphatwin.data.universe import check_spans, members, membership

Refusal = Callable[..., str]
COLUMNS = ["symbol", "first", "last"]
DOW = pd.DataFrame(
    [
        ("HON", "2020-08-31", None),  # The later of its two spans stands first
        ("AIG", "2004-04-08", "2008-09-19"),
        ("KFT", "2008-09-22", "2012-09-21"),
        ("UNH", "2012-09-24", ""),
        ("HON", "2004-04-08", "2008-02-15"),
    ],
    columns=COLUMNS,
)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2004-04-07", []),
        ("2004-04-08", ["AIG", "HON"]),
        ("2008-02-15", ["AIG", "HON"]),
        ("2008-02-16", ["AIG"]),
        ("2008-09-19", ["AIG"]),
        ("2008-09-20", []),
        ("2008-09-22", ["KFT"]),
        ("2012-09-24", ["UNH"]),
        ("2020-08-30", ["UNH"]),
        ("2020-08-31", ["HON", "UNH"]),
        ("2199-12-31", ["HON", "UNH"]),
    ],
)
def test_both_ends_are_in(day: str, expected: list[str]) -> None:
    assert members(DOW, day) == expected
    assert members(DOW, pd.Timestamp(day)) == expected
    mask = membership(DOW, pd.DatetimeIndex([day]))
    assert mask.columns[mask.iloc[0]].tolist() == expected


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15), st.booleans()), max_size=4)


@pytest.mark.slow
@given(st.lists(spans, min_size=1, max_size=4))
def test_any_table_says_the_same_read_slowly(histories: list[list[tuple[int, int, bool]]]) -> None:
    start, rows = pd.Timestamp("2020-01-01"), []
    for number, history in enumerate(histories):
        free = 0
        for gap, length, still in history:
            first = start + pd.Timedelta(days=free + gap)
            last = first + pd.Timedelta(days=length)
            rows.append((f"S{number}", first, None if still else last))
            free += gap + length + 1
            if still:
                break
    assume(rows)
    table = pd.DataFrame(rows, columns=COLUMNS)
    days = pd.date_range(start, periods=8, freq="15D")
    mask = membership(table, days)
    for day in days:
        slow = {symbol for symbol, first, last in rows if first <= day and (last is None or day <= last)}
        assert set(members(table, day)) == slow == set(mask.columns[mask.loc[day]])


def test_a_mask_is_a_frame_of_true_and_false() -> None:
    days = pd.date_range("2008-09-17", "2008-09-24", freq="B")
    mask = membership(DOW, days)
    assert (mask.index.name, mask.columns.name) == ("time", "symbol")
    assert mask.dtypes.eq(bool).all() and mask.columns.tolist() == ["AIG", "HON", "KFT", "UNH"]
    assert (
        mask["AIG"].tolist() == [True] * 3 + [False] * 3 and mask["KFT"].tolist() == [False] * 3 + [True] * 3
    )


def test_numbers_are_symbols_too_and_dates_may_be_dates() -> None:
    table = pd.DataFrame(
        {"symbol": [7203, "AIG"], "first": [pd.Timestamp("2020-01-01")] * 2, "last": [pd.NaT] * 2}
    )
    assert members(table, "2020-01-01") == ["7203", "AIG"]


def test_the_given_table_is_left_alone() -> None:
    before = DOW.copy()
    check_spans(DOW)
    membership(DOW, pd.DatetimeIndex(["2020-01-01"]))
    pd.testing.assert_frame_equal(DOW, before)


def test_spans_that_follow_at_once_do_not_overlap() -> None:
    table = pd.DataFrame([("A", "2020-01-01", "2020-01-31"), ("A", "2020-02-01", None)], columns=COLUMNS)
    assert members(table, "2020-01-31") == members(table, "2020-02-01") == ["A"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("X", "2009-01-01", "2008-01-01"), ["X ends on 2008-01-01, before it begins on 2009-01-01"]),
        (("KFT", "2012-09-21", None), ["KFT begins on 2012-09-21 while an earlier span"]),
        (("UNH", "2030-01-01", None), ["UNH begins on 2030-01-01 while an earlier span"]),
        (("AIG", "2005-01-01", "2005-02-01"), ["AIG begins on 2005-01-01 while"]),
        (("X", "22.9.2008", None), ["row 5 (X): first is '22.9.2008', not a date"]),
        (("X", "2008-01-01", "soon"), ["row 5 (X): last is 'soon', not a date"]),
        (("X", "2008-01-01 09:30", None), ["row 5 (X): first is '2008-01-01 09:30', not a date"]),
        (("X", None, None), ["row 5 (X) has no symbol or no first day"]),
        (("X", "", None), ["row 5 (X) has no symbol or no first day"]),
        ((None, "2008-01-01", None), ["row 5", "has no symbol or no first day"]),
        (("", "2008-01-01", None), ["row 5", "has no symbol or no first day"]),
    ],
)
def test_tables_that_are_refused(row: tuple[str | None, ...], words: list[str], refusal: Refusal) -> None:
    table = pd.concat([DOW, pd.DataFrame([row], columns=COLUMNS)])
    for call in (
        lambda: members(table, "2010-01-01"),
        lambda: membership(table, pd.DatetimeIndex(["2010-01-01"])),
    ):
        sentence = refusal(ValueError, call)
        assert sentence.startswith("memberships: ") and all(word in sentence for word in words), sentence


def test_other_refusals(refusal: Refusal) -> None:
    sentence = refusal(ValueError, members, DOW.drop(columns="last"), "2010-01-01")
    assert sentence == "memberships: no column last; found: symbol, first"
    assert "got list" in refusal(ValueError, members, ["AIG"], "2010-01-01")
    assert "got one without rows" in refusal(ValueError, members, DOW.iloc[:0], "2010-01-01")
    assert "day must be a day" in refusal(ValueError, members, DOW, pd.NaT)
    assert "without a time zone" in refusal(ValueError, members, DOW, pd.Timestamp("2010-01-01", tz="UTC"))
    assert "day must be a day" in refusal(ValueError, members, DOW, "Lehman")
    assert "day must be a day" in refusal(ValueError, members, DOW, "09/15/2008")
    days = pd.DatetimeIndex(["2010-01-04", "2010-01-05"])
    for time in (days[::-1], days[[0, 0]], days.tz_localize("UTC")):
        assert "increasing and without doubles" in refusal(ValueError, membership, DOW, time)
