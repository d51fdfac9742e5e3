"Cleaning repairs what is certain, keeps a record of every row, and does nothing the second time."

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.cleaning import STEPS
from alphatwin.data.repairs import ACTIONS, RECORD
from alphatwin.data.schema import BarsError, check_bars

Refusal = Callable[..., str]
PRICES = ["open", "high", "low", "close"]
DAY = pd.Timestamp("2004-06-15")


@pytest.fixture
def year(aapl: pd.DataFrame) -> pd.DataFrame:
    "Apple in 2004: 252 bars without a fault."
    return aapl.loc["2004"].copy()


def balance(before: pd.DataFrame, after: pd.DataFrame, repairs: pd.DataFrame) -> None:
    "Rows in = rows kept + rows rejected, each rejected row once."
    gone = repairs[repairs["action"] == "rejected"]
    assert len(after) + len(gone) == len(before) and gone["row"].is_unique
    assert list(repairs.columns) == RECORD and set(repairs["action"]) <= set(ACTIONS)


def test_clean_bars_stay_as_they_are(year: pd.DataFrame) -> None:
    bars, repairs = at.clean(year, calendar="XNYS")
    pd.testing.assert_frame_equal(bars, year)
    assert repairs.empty and list(repairs.columns) == RECORD and bars.attrs == year.attrs


@pytest.mark.parametrize("factor", [100.0, 0.01])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_block_in_the_wrong_unit_comes_back(year: pd.DataFrame, factor: float, length: int) -> None:
    sick = year.copy()
    rows = slice(100, 100 + length)
    sick.iloc[rows, :4] *= factor
    bars, repairs = at.clean(sick, calendar="XNYS")
    np.testing.assert_allclose(bars, year, rtol=1e-15)
    assert len(repairs) == 4 * length and set(repairs["action"]) == {"repaired"}
    assert set(repairs["rule"]) == {"price_off_by_100"} and set(repairs["row"]) == set(
        range(100, 100 + length)
    )
    first = repairs[(repairs["row"] == 100) & (repairs["column"] == "close")].iloc[0]
    assert first["was"] == sick["close"].iloc[100] and first["now"] == bars["close"].iloc[100]


def test_a_long_block_is_marked_and_stays(year: pd.DataFrame) -> None:
    sick = year.copy()
    sick.iloc[100:110, :4] *= 100
    bars, repairs = at.clean(sick, calendar="XNYS")
    pd.testing.assert_frame_equal(bars, sick)
    assert set(repairs["action"]) == {"marked"} and set(repairs["rule"]) == {"price_off_by_100"}


def test_a_swapped_high_and_low_change_places(year: pd.DataFrame) -> None:
    sick = year.copy()
    sick.loc[DAY, ["high", "low"]] = year.loc[DAY, ["low", "high"]].to_numpy()
    bars, repairs = at.clean(sick)
    pd.testing.assert_frame_equal(bars, year)
    assert repairs["column"].tolist() == ["high", "low"] and set(repairs["sure"]) == {0.95}


def test_a_rounding_error_is_closed_and_a_fault_is_not(year: pd.DataFrame) -> None:
    top = year.loc[DAY, ["open", "close"]].max()
    sick = year.copy()
    sick.loc[DAY, "high"] = top * (1 - 5e-6)
    bars, repairs = at.clean(sick)
    assert bars.loc[DAY, "high"] == top and repairs["action"].tolist() == ["repaired"]
    sick.loc[DAY, "high"] = top * (1 - 1e-3)
    bars, repairs = at.clean(sick)
    assert bars.loc[DAY, "high"] == sick.loc[DAY, "high"] and repairs["action"].tolist() == ["marked"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -3.0])
def test_a_row_without_a_price_cannot_stay(year: pd.DataFrame, bad: float) -> None:
    sick = year.copy()
    sick.loc[DAY, "close"] = bad
    bars, repairs = at.clean(sick)
    assert DAY not in bars.index and len(bars) == 251
    (gone,) = repairs[repairs["action"] == "rejected"].itertuples()
    assert gone.time == DAY and gone.rule == ("not_positive" if bad <= 0 else "missing_value")
    assert gone.row == year.index.get_loc(DAY) and "close" in gone.detail


def test_a_price_below_zero_stays_where_it_is_possible() -> None:
    time = pd.DatetimeIndex(["2020-04-17", "2020-04-20", "2020-04-21"], name="time")
    columns = {"open": [19.0, 17.73, -14.0], "high": [20.0, 17.85, 13.86], "low": [17.0, -40.32, -16.74]}
    oil = pd.DataFrame(columns | {"close": [18.27, -37.63, 10.01], "volume": [9.0, 9.0, 9.0]}, index=time)
    bars, repairs = at.clean(oil, may_be_negative=True)
    assert bars.loc["2020-04-20", "close"] == -37.63 and (repairs["action"] != "rejected").all()
    assert len(at.clean(oil)[0]) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -5.0])
def test_a_volume_that_cannot_be_stays_as_it_is_and_is_marked(year: pd.DataFrame, value: float) -> None:
    sick = year.copy()
    sick.loc[DAY, "volume"] = value
    bars, repairs = at.clean(sick)
    pd.testing.assert_frame_equal(bars, sick)
    assert repairs[["action", "column", "sure"]].to_numpy().tolist() == [["marked", "volume", 0.0]]
    assert repairs["rule"].tolist() == ["not_positive" if value == -5 else "missing_value"]
    assert at.validate(bars).verdict == "not fit"


@pytest.mark.parametrize("column", ["dividend", "split", "adj_close"])
def test_an_action_that_nobody_can_read_is_marked_and_not_made_up(year: pd.DataFrame, column: str) -> None:
    sick = year.assign(**{column: year["close"] if column == "adj_close" else 0.0}).astype(object)
    sick.loc[DAY, column] = "soon"
    bars, repairs = at.clean(sick)
    assert bars[column].isna().sum() == 1 and np.isnan(bars.loc[DAY, column])
    marked = repairs[repairs["column"] == column]
    assert marked["detail"].tolist() == [f"{column} unknown ({column} was 'soon')"]


def test_volumes_that_cannot_be_read_are_not_zeros(year: pd.DataFrame) -> None:
    sick = year.assign(volume="plenty")
    bars, repairs = at.clean(sick, calendar="XNYS")
    assert bars["volume"].isna().all() and (repairs["rule"] == "missing_value").sum() == len(year)
    assert at.validate(bars, calendar="XNYS").verdict == "not fit"


@pytest.mark.parametrize("rule", ["W", "W-FRI", "ME", "MS"])
def test_no_date_of_weeks_or_months_is_moved(rule: str) -> None:
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    bars = at.load("IBM")[list(how)].resample(rule).agg(how)
    kept, repairs = at.clean(bars, calendar="XNYS")
    pd.testing.assert_frame_equal(kept, bars, check_freq=False)
    assert not repairs["rule"].isin(["shifted_dates", "off_calendar", "missing_session"]).any()


@pytest.mark.parametrize(("day", "action"), [("2099-01-01", "rejected"), ("2007-03-01", "marked")])
def test_a_bar_of_another_time_goes_if_it_is_ten_years_away(
    year: pd.DataFrame, day: str, action: str
) -> None:
    time = year.index.to_numpy().copy()
    time[100] = np.datetime64(day)
    sick = year.set_axis(pd.DatetimeIndex(time, name="time"), axis=0)
    bars, repairs = at.clean(sick, calendar="XNYS")
    said = repairs[repairs["rule"] == "far_date"]
    assert said["action"].tolist() == [action] and said["row"].tolist() == [100]
    assert said["sure"].tolist() == [0.95 if action == "rejected" else 0.0]
    assert (bars.index[-1] == pd.Timestamp(day)) == (action == "marked")
    balance(sick, bars, repairs)
    if action == "rejected":
        assert not (repairs["action"] == "repaired").any()
        pd.testing.assert_frame_equal(bars, year.drop(year.index[100]))
    with pytest.raises(BarsError, match="far_date"):
        at.clean(sick, calendar="XNYS", policy="strict")
    assert len(at.clean(sick, calendar="XNYS", policy="report")[0]) == len(year)


@pytest.mark.parametrize("above", [1.002, 1.05])
@pytest.mark.parametrize("good_first", [True, False])
def test_of_two_bars_the_impossible_one_goes(year: pd.DataFrame, above: float, good_first: bool) -> None:
    broken = year.loc[[DAY]].assign(close=year.loc[DAY, "high"] * above)
    pair = [year.loc[[DAY]], broken] if good_first else [broken, year.loc[[DAY]]]
    sick = pd.concat([year.drop(pd.Timestamp(DAY)), *pair]).sort_index(kind="stable")
    bars, repairs = at.clean(sick, calendar="XNYS")
    pd.testing.assert_frame_equal(bars, year, check_freq=False)
    assert repairs["action"].tolist() == ["rejected"] and repairs["sure"].tolist() == [0.9]
    assert "low and high" in repairs["detail"].iloc[0]


def test_of_two_bars_for_one_time_one_stays(year: pd.DataFrame) -> None:
    equal = pd.concat([year, year.loc[[DAY]]])
    bars, repairs = at.clean(equal)
    pd.testing.assert_frame_equal(bars, year)
    gone = repairs[repairs["rule"] == "duplicate_time"].iloc[0]
    assert (gone["action"], gone["row"], gone["sure"]) == ("rejected", 252, 1.0)
    fuller = year.loc[[DAY]].assign(high=40.0, volume=9e9)
    bars, repairs = at.clean(pd.concat([year, fuller]).sort_index(kind="stable"))
    assert bars.loc[DAY, "high"] == 40.0 and repairs["sure"].tolist()[0] == 0.9
    other = year.loc[[DAY]].assign(open=29.9, close=29.8, high=29.9, low=29.7)
    bars, repairs = at.clean(pd.concat([year, other]).sort_index(kind="stable"))
    assert bars.loc[DAY, "close"] == year.loc[DAY, "close"]
    assert repairs["action"].tolist() == ["marked", "rejected"] and set(repairs["sure"]) == {0.5}
    assert "29.8" in repairs["detail"].iloc[0]


def test_of_three_bars_for_one_time_the_first_stays(year: pd.DataFrame) -> None:
    other = year.loc[[DAY]].assign(open=29.9, close=29.8, high=29.9, low=29.7)
    sick = pd.concat([year, other, year.loc[[DAY]]])
    bars, repairs = at.clean(sick)
    pd.testing.assert_frame_equal(bars, year)
    gone = repairs[repairs["action"] == "rejected"].set_index("row")["sure"]
    assert gone.to_dict() == {252: 0.5, 253: 1.0}


def test_rows_come_into_order(year: pd.DataFrame) -> None:
    bars, repairs = at.clean(year.iloc[::-1])
    pd.testing.assert_frame_equal(bars, year)
    assert set(repairs["rule"]) == {"unsorted_time"} and len(repairs) == 251


def test_a_filler_on_a_holiday_goes_and_a_trade_on_a_holiday_stays(year: pd.DataFrame) -> None:
    close = year.loc["2004-07-02", "close"]
    filler = pd.DataFrame(
        [[close] * 4 + [0.0]], columns=year.columns, index=pd.DatetimeIndex(["2004-07-05"]).as_unit("ns")
    )
    bars, repairs = at.clean(pd.concat([year, filler]).sort_index().rename_axis("time"), calendar="XNYS")
    pd.testing.assert_frame_equal(bars, year, check_freq=False)
    assert repairs["action"].tolist() == ["rejected"] and "closed" in repairs["detail"].iloc[0]
    traded = filler.assign(volume=year["volume"].median())
    bars, repairs = at.clean(pd.concat([year, traded]).sort_index().rename_axis("time"), calendar="XNYS")
    assert len(bars) == 253 and repairs["rule"].tolist() == ["off_calendar"]
    assert repairs["action"].tolist() == ["marked"]


def test_dates_of_the_day_before_move(year: pd.DataFrame) -> None:
    early = year.set_axis(year.index - pd.Timedelta(days=1), axis=0)
    bars, repairs = at.clean(early, calendar="XNYS")
    assert set(repairs["rule"]) >= {"shifted_dates"}
    moved = repairs[repairs["rule"] == "shifted_dates"]
    assert moved["row"].tolist() == list(range(252)) and set(moved["action"]) == {"repaired"}
    pd.testing.assert_frame_equal(bars, year)
    assert moved["time"].iloc[0] == pd.Timestamp("2004-01-01") and "2004-01-02" in moved["detail"].iloc[0]


def test_one_bar_on_a_saturday_is_marked_and_stays(year: pd.DataFrame) -> None:
    "It may be Friday's, or anything: nothing follows from one bar."
    odd = year.drop(pd.Timestamp("2004-06-18")).rename(
        index={pd.Timestamp("2004-06-17"): pd.Timestamp("2004-06-19")}
    )
    bars, repairs = at.clean(odd.sort_index(), calendar="XNYS")
    assert pd.Timestamp("2004-06-19") in bars.index and set(repairs["action"]) == {"marked"}


def test_text_and_dates_that_are_none(year: pd.DataFrame) -> None:
    sick = year.reset_index().astype({"close": object, "time": object})
    sick.loc[10, "close"] = "n/a?"
    sick.loc[20, "time"] = "soon"
    bars, repairs = at.clean(sick)
    assert len(bars) == 250 and repairs[repairs["action"] == "rejected"]["row"].tolist() == [20, 10]
    assert "close was 'n/a?'" in repairs.set_index("row").loc[10, "detail"]


def test_strict_refuses_and_report_changes_nothing(year: pd.DataFrame, refusal: Refusal) -> None:
    sick = year.copy()
    sick.loc[DAY, "close"] = np.nan
    sentence = refusal(at.BarsError, at.clean, sick, policy="strict")
    assert "AAPL: 1 things are not certain" in sentence and "2004-06-15" in sentence
    with pytest.raises(at.BarsError) as caught:
        at.clean(sick, policy="strict")
    assert caught.value.rows is not None and caught.value.rows["row"].tolist() == [year.index.get_loc(DAY)]
    same, would = at.clean(sick, policy="report")
    pd.testing.assert_frame_equal(same, sick)
    pd.testing.assert_frame_equal(would, at.clean(sick)[1])
    in_pence = year.copy()
    in_pence.iloc[50, :4] *= 100
    assert len(at.clean(pd.concat([in_pence, in_pence.iloc[[7]]]), policy="strict")[0]) == 252
    assert "repair, strict, report" in refusal(ValueError, at.clean, year, policy="mend")


def test_several_symbols_and_files(year: pd.DataFrame, tmp_path: Path) -> None:
    long = at.load(["AAPL", "IBM"], start="2004-01-01", end="2004-12-31")
    sick = long.copy()
    sick.loc[("IBM", DAY), "close"] = np.nan
    bars, repairs = at.clean(sick, calendar="XNYS")
    assert len(bars) == len(long) - 1 and repairs["symbol"].tolist()[0] == "IBM"
    assert bars.index.names == ["symbol", "time"]
    path = tmp_path / "mine.csv"
    text = year.to_csv(sep=";", decimal=",")
    path.write_text(text + "2004-12-3\n")
    bars, repairs = at.clean(path, calendar="XNYS")
    pd.testing.assert_frame_equal(bars, year, check_freq=False, rtol=1e-12)
    assert repairs["rule"].tolist() == ["unreadable_row"] and "line 254" in repairs["detail"].iloc[0]
    assert "only for files" in str(pytest.raises(TypeError, at.clean, year, decimal=",").value)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 251),
        st.integers(0, 4),
        st.sampled_from([np.nan, np.inf, 0.0, -1.0, 100.0, 0.01, 1.3, 0.5, 1 - 1e-6]),
    ),
    max_size=20,
)


@pytest.mark.slow
@settings(max_examples=75)
@given(changes=CHANGES, doubled=st.lists(st.integers(0, 251), max_size=4), seed=st.integers(0, 9))
def test_nothing_is_lost_and_the_second_run_changes_nothing(
    aapl: pd.DataFrame, changes: list[tuple[int, int, float]], doubled: list[int], seed: int
) -> None:
    sick = aapl.loc["2004"].copy()
    for row, column, factor in changes:
        sick.iloc[row, column] *= factor
    sick = pd.concat([sick, sick.iloc[doubled]]).sample(frac=1, random_state=seed)
    bars, repairs = at.clean(sick, calendar="XNYS")
    check_bars(bars, tuple(PRICES))
    balance(sick, bars, repairs)
    again, second = at.clean(bars, calendar="XNYS")
    pd.testing.assert_frame_equal(again, bars)
    assert set(second["action"]) <= {"marked"}
    # Whatever changed has a line in the record.
    kept = repairs[repairs["action"] == "repaired"]
    named = set(zip(kept["row"], kept["column"], strict=True))
    named |= {(row, "volume") for row in repairs[(repairs["rule"] == "missing_value")]["row"]}
    origin = sick.assign(row=np.arange(len(sick))).reset_index()
    gone = set(repairs[repairs["action"] == "rejected"]["row"])
    origin = origin[~origin["row"].isin(gone)].sort_values("time").reset_index(drop=True)
    for column in bars.columns:
        differs = origin[column].to_numpy() != bars[column].to_numpy()
        assert all((row, column) in named for row in origin["row"][differs])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_each_step_is_final_after_the_bars_that_it_declares(aapl: pd.DataFrame, seed: int) -> None:
    "On a live feed the same cleaning says the same, `later` bars behind."
    rng = np.random.default_rng(seed)
    sick = aapl.iloc[600:900].copy()
    for place in rng.choice(np.arange(20, 290), 12, replace=False):
        length = int(rng.integers(1, 7))
        sick.iloc[place : place + length, :4] *= rng.choice([100.0, 0.01])
    sick.iloc[5, 3] = np.nan  # The lag counts bars with a price: none is missing inside a block
    lag = max(step.later for step in STEPS.values())
    whole, record = at.clean(sick)
    record = record[record["action"] != "marked"]
    for cut in range(40, 300, 7):
        bars, part = at.clean(sick.iloc[:cut])
        part = part[part["action"] != "marked"]
        final = sick.index[cut - lag - 1]
        pd.testing.assert_frame_equal(bars.loc[:final], whole.loc[:final])
        pd.testing.assert_frame_equal(
            part[part["time"] <= final].reset_index(drop=True),
            record[record["time"] <= final].reset_index(drop=True),
        )


@pytest.mark.slow
def test_valid_extremes_are_not_touched() -> None:
    "October 2008, the closed exchange of September 2001, and Black Monday."
    for symbol in ("SPX", "IXIC", "AAPL", "IBM", "MSFT", "GOOG", "FB"):
        before = at.load(symbol)
        after, repairs = at.clean(before, calendar="XNYS")
        pd.testing.assert_frame_equal(after, before)
        assert (repairs["action"] == "marked").all()
    from great_tables.data import sp500

    long = sp500.to_pandas() if hasattr(sp500, "to_pandas") else sp500
    bars = at.to_bars(long).sort_index()
    after, repairs = at.clean(bars)
    pd.testing.assert_frame_equal(after, bars)
    assert pd.Timestamp("1987-10-19") not in set(repairs["time"])


def test_a_table_of_which_nothing_is_left_is_refused_with_the_reason(
    year: pd.DataFrame, refusal: Refusal
) -> None:
    wrong = year.reset_index().assign(time=[f"day {i}" for i in range(len(year))])
    sentence = refusal(BarsError, at.clean, wrong)
    assert sentence.startswith(
        "no row is left of 252: 252 x not_a_number, the first is row 0: no date can be read"
    )
    assert "time was 'day 0'" in sentence
    assert len(at.clean(wrong, policy="report")[0]) == 252
    assert refusal(BarsError, at.clean, year.assign(close=np.nan)).startswith(
        "no row is left of 252: 252 x missing"
    )
    # Of several symbols one may be lost: the record says so.
    both = pd.concat({"A": year, "B": year.assign(close=np.nan)}, names=["symbol", "time"])
    bars, record = at.clean(both)
    assert len(bars) == 252 and (record["action"] == "rejected").sum() == 252
