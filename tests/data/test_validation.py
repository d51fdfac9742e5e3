"Faults are planted in real bars: each is found where it was planted, and nothing else is accused."

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.validation import FIELDS, Report

Refusal = Callable[..., str]
Plant = Callable[[pd.DataFrame], pd.DataFrame]
DAY = pd.Timestamp("2004-06-15")
NEXT = pd.Timestamp("2004-06-16")


@pytest.fixture
def year(aapl: pd.DataFrame) -> pd.DataFrame:
    "Apple in 2004: 252 bars without a fault."
    bars = aapl.loc["2004"].copy()
    assert len(at.validate(bars, calendar="XNYS").findings) == 0
    return bars


def value(column: str, number: float) -> Plant:
    def plant(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[DAY, column] = number
        return bars

    return plant


def swapped(bars: pd.DataFrame) -> pd.DataFrame:
    order = np.arange(len(bars))
    place = bars.index.get_loc(DAY)
    order[[place, place + 1]] = place + 1, place
    return bars.iloc[order]


def doubled(bars: pd.DataFrame) -> pd.DataFrame:
    return bars.loc[bars.index.repeat(np.where(bars.index == DAY, 2, 1))]


def on_saturday(bars: pd.DataFrame) -> pd.DataFrame:
    extra = bars.loc[[DAY]].set_axis(pd.DatetimeIndex(["2004-06-12"], name="time"))
    return pd.concat([bars, extra]).sort_index()


SATURDAY = pd.Timestamp("2004-06-12")
PLANTED: dict[str, tuple[Plant, list[tuple[str, str, pd.Timestamp, str]]]] = {
    "close missing": (value("close", np.nan), [("missing_value", "error", DAY, "close")]),
    "volume missing": (value("volume", np.nan), [("missing_value", "error", DAY, "volume")]),
    "open infinite": (value("open", np.inf), [("missing_value", "error", DAY, "open")]),
    "low zero": (value("low", 0.0), [("not_positive", "error", DAY, "low")]),
    "low negative": (value("low", -1.0), [("not_positive", "error", DAY, "low")]),
    "volume negative": (value("volume", -5.0), [("not_positive", "error", DAY, "volume")]),
    "volume zero": (value("volume", 0.0), [("zero_volume", "warning", DAY, "volume")]),
    "high too low": (value("high", 30.6), [("price_order", "error", DAY, "high")]),
    "high below low": (
        value("high", 20.0),
        [("price_order", "error", DAY, "high"), ("price_order", "error", DAY, "low")],
    ),
    "low too high": (value("low", 30.6), [("price_order", "error", DAY, "low")]),
    "close above high": (
        value("close", 99.0),
        [("outlier", "warning", DAY, "close"), ("price_order", "error", DAY, "high")],
    ),
    "open below low": (value("open", 1.0), [("price_order", "error", DAY, "low")]),
    "two swapped": (swapped, [("unsorted_time", "error", DAY, "time")]),
    "one doubled": (doubled, [("duplicate_time", "error", DAY, "time")]),
    "one taken out": (lambda bars: bars.drop(DAY), [("missing_session", "warning", DAY, "time")]),
    "one on a saturday": (on_saturday, [("off_calendar", "warning", SATURDAY, "time")]),
}


def rows(report: Report) -> list[tuple[str, str, pd.Timestamp, str]]:
    "What is said about rows; that a year is short is said about the table."
    found = report.findings[report.findings["check"] != "short_history"]
    return [(row.check, row.severity, row.time, row.column) for row in found.itertuples(index=False)]


@pytest.mark.parametrize("fault", PLANTED)
def test_one_fault_is_found_where_it_was_planted(fault: str, year: pd.DataFrame) -> None:
    plant, expected = PLANTED[fault]
    sick = plant(year)
    report = at.validate(sick, calendar="XNYS")
    assert sorted(rows(report)) == sorted(expected)
    assert not report.ok and report.rows == len(sick)
    due = len(sick) + (fault == "one taken out")  # A missing row is a row that is not above suspicion
    assert report.score == pytest.approx(1 - 1 / due, rel=1e-12)
    assert (report.findings["symbol"] == "AAPL").all()


def test_the_detail_names_both_prices(year: pd.DataFrame) -> None:
    year.loc[DAY, "close"] = 99.0
    found = at.validate(year).findings.set_index("check")
    detail = found.loc["price_order", "detail"]
    assert detail == f"high {year.loc[DAY, 'high']:g} is below 99"


def test_severe_findings_come_first_and_each_kind_in_order_of_time(year: pd.DataFrame) -> None:
    year.loc[["2004-03-02", "2004-02-03"], "volume"] = 0.0
    year.loc["2004-09-01", "close"] = np.nan
    found = at.validate(year).findings
    assert found["severity"].tolist() == ["error", "warning", "warning"]
    assert found["time"].dt.month.tolist() == [9, 2, 3]
    assert list(found.columns) == FIELDS and found.index.tolist() == [0, 1, 2]


def test_rounding_is_not_a_fault(year: pd.DataFrame) -> None:
    year.loc[DAY, "high"] = year.loc[DAY, ["open", "close"]].max() * (1 - 1e-12)
    assert at.validate(year).ok
    year.loc[DAY, "high"] = year.loc[DAY, ["open", "close"]].max() * (1 - 1e-6)
    assert not at.validate(year).ok


@pytest.mark.slow
@settings(max_examples=50)
@given(places=st.dictionaries(st.integers(0, 251), st.sampled_from(["nan", "zero", "idle"]), max_size=30))
def test_any_number_of_faults_and_the_score(aapl: pd.DataFrame, places: dict[int, str]) -> None:
    bars = aapl.loc["2004"].copy()
    column = {"nan": "close", "zero": "low", "idle": "volume"}
    for place, kind in places.items():
        bars.iloc[place, bars.columns.get_loc(column[kind])] = np.nan if kind == "nan" else 0.0
    report = at.validate(bars, calendar="XNYS")
    check = {"nan": "missing_value", "zero": "not_positive", "idle": "zero_volume"}
    expected = sorted((bars.index[place], check[kind]) for place, kind in places.items())
    assert sorted(zip(report.findings["time"], report.findings["check"], strict=True)) == expected
    assert report.score == pytest.approx(1 - len(places) / 252, abs=1e-12)
    assert report.ok == (not places)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_changes_only_what_is_said_about_order(aapl: pd.DataFrame, seed: int) -> None:
    bars = PLANTED["one taken out"][0](aapl.loc["2004"])
    bars.loc[[DAY - pd.Timedelta(days=1), NEXT], "volume"] = 0.0
    bars.loc[NEXT, "high"] = 1.0
    shuffled = bars.sample(frac=1, random_state=seed)
    one, other = (at.validate(table, calendar="XNYS").findings for table in (bars, shuffled))
    other = other[other["check"] != "unsorted_time"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, other)


def test_looking_does_not_change_the_bars(year: pd.DataFrame) -> None:
    sick = doubled(swapped(year))
    before = sick.copy()
    at.validate(sick, calendar="XNYS")
    pd.testing.assert_frame_equal(sick, before)


# Real data


def test_the_index_opens_where_it_closed_on_2004_days(spx: pd.DataFrame) -> None:
    report = at.validate(spx, calendar="XNYS")
    assert report.ok and report.score == 1.0
    counts = report.counts()
    assert counts.to_dict("list") == {
        "severity": ["info"],
        "check": ["open_repeats_close"],
        "findings": [2004],
    }
    # Counted without the library: the open of a day against the close of the day before.
    opened, before = spx["open"].tolist()[1:], spx["close"].tolist()[:-1]
    stuck = [day for day, one, other in zip(spx.index[1:], opened, before, strict=True) if one == other]
    assert report.findings["time"].tolist() == stuck


def test_the_nasdaq_has_two_days_without_volume() -> None:
    report = at.validate(at.load("IXIC"), calendar="XNYS")
    serious = report.findings[report.findings["severity"] != "info"]
    assert not report.ok and serious["check"].value_counts().to_dict() == {
        "zero_volume": 2,
        "volume_scale": 1,
    }
    # On 2012-05-29 the file has 221 million shares, between 1,283 million before and 1,671 million after.
    assert serious.set_index("check").loc["volume_scale", "time"] == pd.Timestamp("2012-05-29")


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "GOOG", "FB"])
def test_the_shares_are_clean(symbol: str) -> None:
    assert at.validate(at.load(symbol, adjust="all"), calendar="XNYS").ok


def test_as_traded_splits_are_to_be_looked_at() -> None:
    "Apple split two for one on 2000-06-21 and 2005-02-28, Microsoft on 2003-02-18 (the companies' own records)."
    for symbol, days in (("AAPL", ["2000-06-21", "2005-02-28"]), ("MSFT", ["2003-02-18"])):
        found = at.validate(at.load(symbol), calendar="XNYS").findings
        found = found[found["check"] == "split_not_adjusted"]
        assert found["time"].dt.strftime("%Y-%m-%d").tolist() == days
        assert set(found["severity"]) == {"warning"}
        known = at.validate(at.load(symbol, adjust="raw"), calendar="XNYS").findings
        splits = known[known["check"] == "split_not_adjusted"]
        assert splits["time"].dt.strftime("%Y-%m-%d").tolist() == days and set(splits["severity"]) == {"info"}


def test_a_few_repeated_opens_are_a_coincidence(market: Callable[..., pd.DataFrame]) -> None:
    bars = market(1, 100).assign(volume=1e5)
    for count, found in ((10, 0), (11, 11)):
        odd = bars.copy()
        places = np.arange(1, 100, 9)[:count]
        odd.iloc[places, 0] = bars["close"].to_numpy()[places - 1]
        odd["high"], odd["low"] = odd[["open", "high"]].max(axis=1), odd[["open", "low"]].min(axis=1)
        report = at.validate(odd)
        assert (report.findings["check"] == "open_repeats_close").sum() == found
        assert report.ok and report.score == 1.0, report


def test_a_series_without_any_volume_is_not_accused(market: Callable[..., pd.DataFrame]) -> None:
    assert at.validate(market(1).assign(volume=0.0)).ok


def test_sessions_are_checked_on_request_and_for_days_alone(market: Callable[..., pd.DataFrame]) -> None:
    assert at.validate(market(1)).ok  # business days, New York's holidays among them
    assert not at.validate(market(1), calendar="XNYS").ok
    moments = at.validate(market(1, tz="UTC"), calendar="XNYS").findings
    assert set(moments["check"]) == {"outside_hours"}, "moments are asked about hours, not about sessions"


# Long tables


def test_a_long_table_is_looked_at_symbol_by_symbol(year: pd.DataFrame) -> None:
    sick = value("close", np.nan)(year * 1.5)
    long = pd.concat({"GOOD": year, "SICK": sick}, names=["symbol", "time"])
    report = at.validate(long, calendar="XNYS")
    assert report.findings["symbol"].tolist() == ["SICK"] and rows(report)[0][2] == DAY
    assert report.rows == 504 and report.score == pytest.approx(1 - 1 / 504)


def test_the_same_day_of_two_symbols_counts_twice(year: pd.DataFrame) -> None:
    sick = value("close", np.nan)(year)
    report = at.validate(pd.concat({"A": sick, "B": sick * 1.5}, names=["symbol", "time"]))
    assert report.findings["symbol"].tolist() == ["A", "B"]
    assert report.score == pytest.approx(1 - 2 / 504)


def test_the_same_series_under_two_names_is_named(year: pd.DataFrame) -> None:
    report = at.validate(pd.concat({"A": year, "B": year}, names=["symbol", "time"]))
    twin = report.findings.iloc[0]
    assert (twin["check"], twin["symbol"]) == ("identical_series", "B") and "those of A" in twin["detail"]


def test_a_day_that_is_bad_in_all_is_the_feeds(year: pd.DataFrame) -> None:
    sick = {
        name: value("close", np.nan)(year * factor) for name, factor in (("A", 1.0), ("B", 1.5), ("C", 2.5))
    }
    report = at.validate(pd.concat(sick | {"D": year * 3.5}, names=["symbol", "time"]))
    (feed,) = report.findings[report.findings["symbol"] == "*"].itertuples()
    assert (feed.check, feed.time) == ("feed_fault", DAY) and "3 of 4 symbols" in feed.detail
    assert report.score == pytest.approx(1 - 3 / (4 * 252)), (
        "the feed's finding is about rows that count already"
    )


def test_rows_of_symbols_may_be_mixed(year: pd.DataFrame) -> None:
    sick = value("close", np.nan)(year * 1.5)
    long = pd.concat({"GOOD": year, "SICK": sick}, names=["symbol", "time"])
    by_day = long.sort_index(level="time", kind="stable")
    assert rows(at.validate(by_day, calendar="XNYS")) == rows(at.validate(long, calendar="XNYS"))


# What is refused


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda bars: None, ["expected a table or the path of a file", "NoneType"]),
        (lambda bars: bars["close"], ["expected a table", "Series"]),
        (lambda bars: bars.reset_index(drop=True), ["int64 numbers are not dates", "2024-01-31"]),
        (
            lambda bars: bars.drop(columns=["close", "low"]),
            ["no column low, close", "found: open, high, volume"],
        ),
        (lambda bars: bars.iloc[:0], ["no rows", "check the symbol and the dates"]),
    ],
)
def test_what_is_not_a_table_of_bars(
    wrong: Plant, words: list[str], year: pd.DataFrame, refusal: Refusal
) -> None:
    sentence = refusal(at.BarsError, at.validate, wrong(year))
    assert all(word in sentence for word in words), sentence


def test_an_unknown_calendar_is_refused(year: pd.DataFrame, refusal: Refusal) -> None:
    assert "no calendar 'NYSE-ish'" in refusal(ValueError, at.validate, year, calendar="NYSE-ish")


def test_a_report_cannot_be_changed(year: pd.DataFrame) -> None:
    report = at.validate(year)
    with pytest.raises(FrozenInstanceError):
        report.rows = 1  # type: ignore[misc]


def test_a_table_full_of_faults_scores_nothing(year: pd.DataFrame) -> None:
    report = at.validate(year.assign(close=np.nan))
    assert report.score == 0.0 and len(report.findings) == 252


def test_the_verdict_is_two_words_and_the_advice_stands_below(year: pd.DataFrame) -> None:
    assert at.validate(year).verdict == "fit" and "nothing was found" in str(at.validate(year))
    idle = at.validate(value("volume", 0.0)(year.copy()))
    assert idle.verdict == "look first"
    sick = at.validate(value("close", np.nan)(year.copy()))
    assert sick.verdict == "not fit" and str(sick).startswith("not fit: 99.60% of 252 rows")
    for text in (str(sick), sick._repr_html_()):
        assert "missing_value" in text and "get the row again" in text


def test_a_long_table_may_hold_closes_beside_bars() -> None:
    long = at.load(["AAPL", "RRC"], start="2004-01-01", end="2004-12-31")
    assert long.loc["RRC", "open"].isna().all()
    report = at.validate(long, calendar="XNYS")
    assert "missing_value" not in set(report.findings["check"])
    bars, repairs = at.clean(long, calendar="XNYS")
    assert len(bars) == len(long) and "rejected" not in set(repairs["action"])


def test_rows_of_a_long_table_without_a_symbol_are_not_lost(year: pd.DataFrame) -> None:
    long = pd.concat({"A": year, None: value("close", np.nan)(year * 1.5)}, names=["symbol", "time"])
    report = at.validate(long)
    assert report.rows == 504 and report.findings["check"].tolist() == ["missing_value"]


def test_a_column_that_is_empty_for_all_is_a_fault(year: pd.DataFrame) -> None:
    long = pd.concat({"A": year, "B": year * 1.5}, names=["symbol", "time"]).assign(volume=np.nan)
    assert at.validate(long).counts().set_index("check").loc["missing_value", "findings"] == 504


# -- what was not looked at ---------------------------------------------------------------------------------------------


def line(report: Report) -> str:
    return str(report).splitlines()[0]


def test_the_verdict_says_what_was_not_checked() -> None:
    bars = at.load("IBM", start="2005-01-01", end="2006-12-31")
    assert line(at.validate(bars, calendar="XNYS")) == "fit: 100.00% of 503 rows are above suspicion"
    missing = at.validate(bars.drop(bars.index[100:105]))
    assert line(missing) == (
        "fit: 100.00% of 498 rows are above suspicion; sessions not checked: pass calendar="
    )
    assert "sessions not checked: pass calendar=" in missing._repr_html_()
    assert missing.notes == ("sessions not checked: pass calendar=",)


def test_few_bars_are_said_to_be_few() -> None:
    bars = at.load("IBM")
    for size, few in ((1, True), (21, True), (22, False)):
        notes = at.validate(bars[:size], calendar="XNYS").notes
        assert notes == (("too few bars to judge prices by",) if few else ())


@pytest.mark.parametrize(("rule", "word"), [("W", "weekly"), ("ME", "monthly")])
def test_weeks_and_months_are_said_to_be_such(rule: str, word: str) -> None:
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    bars = at.load("IBM")[list(how)].resample(rule).agg(how)
    report = at.validate(bars, calendar="XNYS")
    assert report.ok and report.notes == (
        f"these look {word}: sessions not checked, resample daily bars with at.resample",
    )
    many = at.validate(pd.concat({"DAYS": at.load("IBM"), "RARE": bars}, names=["symbol", "time"]), "XNYS")
    assert many.notes == (f"RARE: {report.notes[0]}",)


def test_a_table_upside_down_is_one_finding() -> None:
    bars = at.load("IBM", start="2005-01-01", end="2006-12-31")
    report = at.validate(bars[::-1], calendar="XNYS")
    serious = report.findings[report.findings["severity"] != "info"]
    assert serious["check"].tolist() == ["unsorted_time"]
    assert serious["detail"].iloc[0].startswith("all 503 rows run from the newest to the oldest")
    assert report.verdict == "not fit" and report.score > 0.99
    # Any other disorder is named row by row.
    mixed = pd.concat([bars[::-1][:400], bars[:103]])
    assert len(at.validate(mixed, calendar="XNYS").findings) > 399
