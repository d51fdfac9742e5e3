"The shape of Bars: what is brought into it, and every sentence with which something else is refused."

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.schema import (
    COLUMNS,
    DECLARATION,
    BarsError,
    bars_schema,
    check_bars,
    coerce,
    is_closes,
    to_bars,
    to_closes,
    to_time,
)

Refusal = Callable[..., str]


def three() -> pd.DataFrame:
    "Three bars whose every number is written out."
    time = pd.DatetimeIndex(["2024-01-30", "2024-01-31", "2024-02-01"], name="time").as_unit("ns")
    rows = [[10.0, 12.0, 9.0, 11.0, 100.0], [11.0, 13.0, 10.0, 12.0, 200.0], [12.0, 14.0, 11.0, 13.0, 300.0]]
    return pd.DataFrame(rows, index=time, columns=list(COLUMNS))


# Times


@pytest.mark.parametrize(
    "given_as",
    [
        pd.Index(["2024-01-30", "2024-01-31"]),
        pd.Series(["2024-01-30", "2024-01-31"]),
        pd.Index([date(2024, 1, 30), date(2024, 1, 31)]),
        pd.Index([datetime(2024, 1, 30), datetime(2024, 1, 31)]),
        pd.DatetimeIndex(["2024-01-30", "2024-01-31"]).as_unit("s"),
        pd.DatetimeIndex(["2024-01-30", "2024-01-31"], tz="America/New_York"),
        pd.DatetimeIndex(["2024-01-30", "2024-01-31"], tz="Asia/Tokyo"),
        pd.DatetimeIndex(["2024-01-30", "2024-01-31"], tz="UTC"),
    ],
    ids=["text", "series", "dates", "datetimes", "seconds", "new york", "tokyo", "utc"],
)
def test_a_day_is_the_day_where_it_was_traded(given_as: pd.Index) -> None:
    time = to_time(given_as)
    assert time.tz is None and time.name == "time" and time.dtype == "datetime64[ns]"
    assert list(time) == [pd.Timestamp("2024-01-30"), pd.Timestamp("2024-01-31")]


def test_moments_become_utc_across_the_change_of_the_clocks() -> None:
    # New York opens at 9:30: 14:30 UTC in winter, 13:30 from 11 March 2024 on.
    opened = pd.DatetimeIndex(["2024-03-08 09:30", "2024-03-11 09:30"], tz="America/New_York")
    time = to_time(opened)
    assert str(time.tz) == "UTC" and time.name == "time" and time.dtype == "datetime64[ns, UTC]"
    assert [f"{moment:%d %H:%M}" for moment in time] == ["08 14:30", "11 13:30"]


def test_offsets_in_text_are_understood() -> None:
    time = to_time(pd.Index(["2024-03-08T09:30:00-05:00", "2024-03-08T09:31:00-05:00"]))
    assert time[0] == pd.Timestamp("2024-03-08 14:30", tz="UTC")


@pytest.mark.filterwarnings("ignore:Could not infer format")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["soon", "later"], ["time", "not readable as dates", "soon", "ISO dates"]),
        (["2024-01-30", None], ["time", "row 1", "no date", "drop"]),
        ([None, "2024-01-30"], ["row 0"]),
        (["2024-01-30 09:30", "2024-01-30 09:31"], ["intraday", "time zone", "tz_localize"]),
    ],
)
def test_times_that_are_refused(values: list[str], words: list[str], refusal: Refusal) -> None:
    sentence = refusal(BarsError, to_time, pd.Index(values))
    assert all(word in sentence for word in words), sentence


# Tables


def test_case_spaces_order_and_extra_columns_do_not_matter() -> None:
    plain = three()
    other = plain[["volume", "close", "low", "high", "open"]].rename(columns=lambda name: f" {name.upper()} ")
    other = other.assign(Note="x", **{"Adj Close": 1.0}).rename_axis("Date").reset_index()
    other["Date"] = other["Date"].dt.strftime("%Y-%m-%d")
    pd.testing.assert_frame_equal(at.to_bars(other), plain, check_freq=False)


@pytest.mark.parametrize("name", ["time", "Date", "DATETIME", "Timestamp"])
def test_the_column_of_dates_has_any_of_four_names(name: str) -> None:
    table = three().rename_axis(name).reset_index()
    pd.testing.assert_frame_equal(at.to_bars(table), three(), check_freq=False)


@pytest.mark.parametrize("kind", ["int64", "float32", "str", "object", "Float64"])
def test_numbers_of_any_type_become_float64(kind: str) -> None:
    bars = at.to_bars(three().astype(kind))
    assert (bars.dtypes == "float64").all()
    np.testing.assert_array_equal(bars.to_numpy(), three().to_numpy())


def test_optional_columns_are_kept_and_others_only_on_request() -> None:
    table = three().assign(Dividend=0.5, Split=2, Adj_Close=7)
    assert list(at.to_bars(table).columns) == [*COLUMNS, "dividend", "split"]
    assert list(at.to_bars(table, keep=("adj_close",)).columns) == [*COLUMNS, "adj_close"]
    assert list(at.to_bars(table, keep=()).columns) == list(COLUMNS)


def test_holes_and_disorder_are_kept_for_validate_to_find() -> None:
    table = three().iloc[[2, 0, 0]]
    table.iloc[1, 3] = np.nan
    bars = at.to_bars(table)
    assert bars.index.tolist() == table.index.tolist() and np.isnan(bars["close"].iloc[1])


def test_the_given_table_is_not_changed() -> None:
    table = three().rename(columns=str.upper).astype(str)
    before = table.copy()
    at.to_bars(table)
    pd.testing.assert_frame_equal(table, before)


def test_an_empty_table_stays_an_empty_table() -> None:
    bars = at.to_bars(three().iloc[:0])
    assert len(bars) == 0 and list(bars.columns) == list(COLUMNS)


@given(
    seed=st.integers(0, 2**32 - 1), length=st.integers(1, 40), tz=st.sampled_from([None, "UTC", "Asia/Tokyo"])
)
def test_to_bars_twice_is_to_bars_once(
    market: Callable[..., pd.DataFrame], seed: int, length: int, tz: str
) -> None:
    bars = at.to_bars(market(seed, length, tz))
    pd.testing.assert_frame_equal(at.to_bars(bars), bars, check_exact=True)
    at.check_bars(bars)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([1, 2, 3], ["pandas DataFrame", "list"]),
        (three()["close"], ["pandas DataFrame", "Series"]),
        (three().drop(columns=["low", "volume"]), ["no column low, volume", "found: open, high, close"]),
        (three().astype(object).replace(12.0, "12,0"), ["high on 2024-01-30", "not a number", "'12,0'"]),
        (three().astype(object).replace(300.0, "many"), ["volume on 2024-02-01", "'many'"]),
    ],
    ids=["list", "series", "columns", "comma", "word"],
)
def test_tables_that_are_refused(wrong: pd.DataFrame, words: list[str], refusal: Refusal) -> None:
    sentence = refusal(BarsError, at.to_bars, wrong)
    assert all(word in sentence for word in words), sentence
    assert refusal(BarsError, at.to_bars, wrong, "AAPL") == f"AAPL: {sentence}"


# What an engine accepts


def hole(column: str, row: int, value: float) -> pd.DataFrame:
    bars = three()
    bars.loc[bars.index[row], column] = value
    return bars


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (None, ["expected Bars", "NoneType"]),
        (three().drop(columns="open"), ["no column open", "found: high, low, close, volume", "ask a source"]),
        (three().reset_index(drop=True), ["index holds int64", "at.to_bars"]),
        (three().iloc[:0], ["no rows", "check the symbol and the dates"]),
        (three().iloc[[0, 1, 1, 2]], ["two rows for 2024-01-31", "keep one"]),
        (three().iloc[[0, 2, 1]], ["not sorted", "2024-01-31", "comes after 2024-02-01", "sort_index"]),
        (three().astype("float32"), ["open is float32", "at.to_bars"]),
        (three().astype({"volume": "int64"}), ["volume is int64", "at.to_bars"]),
        (hole("close", 1, np.nan), ["close is nan on 2024-01-31", "(1 such rows)", "at.validate"]),
        (hole("high", 2, np.inf), ["high is inf on 2024-02-01", "at.validate"]),
    ],
    ids=["none", "column", "index", "empty", "double", "order", "float32", "int", "nan", "inf"],
)
def test_what_an_engine_refuses(wrong: pd.DataFrame, words: list[str], refusal: Refusal) -> None:
    sentence = refusal(BarsError, at.check_bars, wrong)
    assert all(word in sentence for word in words), sentence
    assert refusal(BarsError, at.check_bars, wrong, symbol="AAPL") == f"AAPL: {sentence}"


def test_bars_pass_and_columns_that_are_not_needed_are_not_looked_at() -> None:
    at.check_bars(three())
    at.check_bars(hole("volume", 0, np.nan), needs=("open", "close"))
    at.check_bars(three()[["close"]], needs=("close",))
    at.check_bars(three()[[]], needs=())


def test_an_error_of_bars_is_an_error_of_values() -> None:
    assert issubclass(BarsError, ValueError)


# Closes, tables that are looked at before they are refused, and the schema for other tools


def test_closes_take_the_only_column_or_the_one_called_close() -> None:
    levels = pd.DataFrame({"Date": ["2024-01-02", "2024-01-03"], "DGS10": ["3.95", "3.91"]})
    closes = to_closes(levels)
    assert closes["close"].tolist() == [3.95, 3.91] and closes.columns.tolist() == ["close"]
    assert closes.index.name == "time" and is_closes(closes)
    both = to_closes(levels.assign(Close=[1.0, 2.0]))
    assert both["close"].tolist() == [1.0, 2.0]


def test_closes_refuse_a_choice_and_text(refusal: Refusal) -> None:
    two = pd.DataFrame({"Date": ["2024-01-02"], "a": [1.0], "b": [2.0]})
    assert "found: a, b" in refusal(BarsError, to_closes, two, "ABC")
    text = pd.DataFrame({"Date": ["2024-01-02"], "a": ["."]})
    assert refusal(BarsError, to_closes, text, "ABC") == "ABC: a on 2024-01-02 is not a number: '.'"


def test_an_engine_says_that_closes_have_no_open(refusal: Refusal) -> None:
    closes = to_closes(pd.DataFrame({"close": [1.0]}, index=pd.DatetimeIndex(["2024-01-02"])))
    check_bars(closes, needs=("close",))
    assert "closes only" in refusal(BarsError, check_bars, closes)


def messy() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Date": ["2024-01-02", "soon", "2024-01-04"],
            "Open": [1, 2, "x"],
            "High": [1.0, 2.0, 3.0],
            "Low": [1.0, None, 3.0],
            "Close": ["1", "2", "n/a?"],
            "Volume": [1, 2, 3],
        }
    )


def test_coerce_lists_every_cell_and_keeps_every_row() -> None:
    numbers, cells = coerce(messy())
    assert len(numbers) == 3 and numbers.index.isna().tolist() == [False, True, False]
    listed = list(zip(cells["row"], cells["column"], cells["text"], strict=True))
    assert listed == [(1, "time", "soon"), (2, "open", "x"), (2, "close", "n/a?")]
    assert np.isnan(numbers["low"].iloc[1]), "a gap is not a text: it is no cell of the list"


def test_coerce_agrees_with_to_bars_on_clean_tables(spx: pd.DataFrame) -> None:
    numbers, cells = coerce(spx)
    pd.testing.assert_frame_equal(numbers, to_bars(spx))
    assert cells.empty and numbers.attrs == spx.attrs


def test_coerce_reads_local_times_of_a_whole_year() -> None:
    moments = ["2024-01-02T09:30-05:00", "2024-07-02T09:30-04:00"]
    numbers, cells = coerce(pd.DataFrame({"time": moments, "close": [1.0, 2.0]}))
    assert numbers.index.tz is not None and numbers.index.hour.tolist() == [14, 13] and cells.empty


def test_coerce_refuses_what_has_no_dates_or_no_close(refusal: Refusal) -> None:
    assert "int64 numbers are not dates" in refusal(BarsError, coerce, messy().drop(columns="Date"))
    assert "no column close" in refusal(BarsError, coerce, messy().drop(columns="Close"))
    assert "got list" in refusal(BarsError, coerce, [1, 2])


def test_the_error_carries_all_rows(aapl: pd.DataFrame) -> None:
    sick = aapl.copy()
    sick.loc["2004-06", "close"] = np.nan
    with pytest.raises(BarsError) as caught:
        check_bars(sick)
    assert caught.value.rows is not None and len(caught.value.rows) == 21
    with pytest.raises(BarsError) as caught:
        to_bars(messy().assign(Date=["2024-01-02", "2024-01-03", "2024-01-04"]))
    assert caught.value.rows is not None and caught.value.rows["column"].tolist() == ["open", "close"]


def test_pandera_says_what_validate_says(aapl: pd.DataFrame) -> None:
    schema = bars_schema()
    assert set(schema.columns) == set(DECLARATION)
    schema.validate(aapl)
    spoilt = {
        "price_order": aapl.assign(high=aapl["high"].where(aapl.index != "2004-06-15", 1.0)),
        "not_positive": aapl.assign(low=aapl["low"].where(aapl.index != "2004-06-15", -1.0)),
        "missing_value": aapl.assign(volume=aapl["volume"].where(aapl.index != "2004-06-15")),
    }
    for rule, table in spoilt.items():
        with pytest.raises(pandera.errors.SchemaErrors) as caught:
            schema.validate(table, lazy=True)
        assert set(caught.value.failure_cases["index"]) == {pd.Timestamp("2004-06-15")}, rule
        assert rule in set(at.validate(table).findings["check"])


def test_dates_that_no_clock_holds_are_named(refusal: Refusal) -> None:
    "Databases write 9999-12-31 for `open end`."
    table = pd.DataFrame({"Date": ["2024-01-02", "9999-12-31", "0001-01-01"], "close": [1.0, 2.0, 3.0]})
    numbers, cells = coerce(table)
    assert numbers.index.isna().tolist() == [False, True, True]
    assert cells["text"].tolist() == ["9999-12-31", "0001-01-01"]
    assert "row 1 is dated 9999" in refusal(BarsError, to_time, table["Date"])


# -- what a newcomer meets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC", "Europe/London"])
def test_days_that_carry_a_zone_are_days_in_the_report_and_at_the_door(zone: str, tmp_path: Path) -> None:
    bars = at.load("IBM", start="2005-01-01", end="2005-12-31")
    file = tmp_path / "zoned.csv"
    bars.tz_localize(zone).to_csv(file)
    loaded = at.load(str(file), source="csv")
    pd.testing.assert_frame_equal(loaded, bars, check_freq=False)
    assert at.validate(file, calendar="XNYS").verdict == "fit"
    cleaned, record = at.clean(file, calendar="XNYS")
    pd.testing.assert_frame_equal(cleaned, bars, check_freq=False)
    assert record.empty


def test_moments_of_a_whole_year_carry_two_offsets() -> None:
    noon = pd.Index(["2024-01-02 12:00:00-05:00", "2024-07-02 12:00:00-04:00"])
    wanted = ["2024-01-02 17:00", "2024-07-02 16:00"]
    assert to_time(noon).tolist() == [pd.Timestamp(text, tz="UTC") for text in wanted]
    # One noon among midnights: a moment, and so are the others.
    mixed = to_time(pd.Index(["2024-01-02 00:00:00-05:00", "2024-07-02 12:00:00-04:00"]))
    assert mixed[0] == pd.Timestamp("2024-01-02 05:00", tz="UTC")


def test_what_is_no_date_is_quoted(refusal: Refusal) -> None:
    sentence = refusal(BarsError, to_time, pd.Index(["2024-01-02", "Date", None]))
    assert "row 1 reads 'Date'" in sentence and "might want" not in sentence


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("date open high low close/last volume", "frame.rename(columns={'close/last': 'close'})"),
        ("date open high low close", "ask a source that has it; at.to_closes takes closes alone"),
    ],
)
def test_a_column_that_is_missing_comes_with_what_to_type(refusal: Refusal, columns: str, says: str) -> None:
    frame = pd.DataFrame([["2024-01-02", *[1.0] * 5][: len(columns.split())]], columns=columns.split())
    assert refusal(BarsError, to_bars, frame).endswith(says)
