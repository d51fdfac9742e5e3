"One table: the fast scan against the plain one, each rule where it was planted, and whatever shape tables have."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.findings import DAY, NO_TIME, Found, Table, list_findings, make_table
from alphatwin.data.one_pass import BITS, COUNTED, scan_plainly
from alphatwin.data.scan import SCAN_RULES, check_scan, five_columns, scan_table
from alphatwin.data.schema import COLUMNS

JUNE = pd.Timestamp("2004-06-15")


def spoil(seed: int) -> Table:
    "A random table with every fault at once, in every mixture, or none."
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(0, rng.choice([4, 200])))
    close = 50 * np.exp(np.clip(rng.standard_t(2, rows) * 0.01, -1, 1).cumsum())
    if rng.random() < 0.2:
        close = np.round(close)  # Equal closes, medians of zero
    values = np.array([close * f for f in (1.0, 1.01, 0.99, 1.0)] + [rng.integers(0, 9, rows) * 100.0])
    if rng.random() < 0.1:
        values[4] = 0.0
    bad = rng.random(values.shape) < rng.choice([0, 0.01, 0.1, 0.5])
    values[bad] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e6, 49.9], bad.sum())
    time = np.cumsum(rng.choice([0, 1, 1, 1, 2, 3], rows)) * DAY + pd.Timestamp("2024-01-01").value
    mixed = rng.random(rows) < rng.choice([0, 0, 0.05, 1])
    time[mixed] = rng.permutation(time[mixed])
    time[rng.random(rows) < rng.choice([0, 0, 0.05])] = NO_TIME
    names = {0: ("close",), 1: ("close", "volume"), 2: ("open", "close"), 3: ("high", "low"), 4: ("volume",)}
    chosen = names.get(int(rng.integers(0, 12)), COLUMNS)
    columns = {name: values[COLUMNS.index(name)] for name in chosen}
    return Table(time, columns, calendar=rng.choice(["XNYS", None]), may_be_negative=rng.random() < 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_fast_and_plain_agree_on_spoilt_tables(part: int) -> None:
    seen, gaps_seen = 0, 0
    for seed in range(600 * part, 600 * part + 600):
        table = spoil(seed)
        plain, gaps = scan_plainly(table)
        fast, counts = scan_table(table)
        assert np.array_equal(plain, fast), seed
        assert counts[8] == gaps, seed
        assert counts[:8].tolist() == [int((plain & bit > 0).sum()) for bit in BITS.values()], seed
        seen |= int(np.bitwise_or.reduce(plain, initial=0))
        gaps_seen += gaps
    assert seen == 255 and gaps_seen > 100, "every bit was tried"


def test_the_sentences_name_every_bit() -> None:
    "For each bit but the jump there is a finding at that row, and for each finding a bit."
    for seed in range(200):
        table = spoil(seed)
        mask, counts = scan_table(table)
        found = check_scan(table)
        assert all(len(one.rows) for one in found), "no empty findings"
        for rule in COUNTED:
            rows = {row for one in found if one.rule == rule for row in one.rows.tolist()}
            if rule == "missing_session":
                assert sum(len(one.rows) for one in found if one.rule == rule) == counts[8]
            elif rule == "jump":
                assert not rows
            else:
                assert rows == set(np.flatnonzero(mask & BITS[rule]).tolist()), (seed, rule)


# Planted in Apple's year 2004


@pytest.fixture
def year(aapl: pd.DataFrame) -> pd.DataFrame:
    return aapl.loc["2004"].copy()


def found_in(bars: pd.DataFrame, **options: object) -> list[tuple[str, int, str, str]]:
    options = {"calendar": "XNYS"} | options
    return [
        (one.rule, int(row), one.column, text)
        for one in check_scan(make_table(bars, **options))  # type: ignore[arg-type]
        for row, text in zip(one.rows, one.detail, strict=True)
    ]


def put(column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def plant(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[JUNE, column] = value
        return bars

    return plant


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (put("open", np.nan), [("missing_value", "open", "no finite value")]),
        (put("volume", np.inf), [("missing_value", "volume", "no finite value")]),
        (put("low", 0.0), [("not_positive", "low", "low is 0")]),
        (put("low", -2.5), [("not_positive", "low", "low is -2.5")]),
        (put("volume", -7.0), [("not_positive", "volume", "volume is -7")]),
        (put("volume", 0.0), [("zero_volume", "volume", "nothing traded")]),
        (put("high", 30.6), [("price_order", "high", "high 30.6 is below 30.69")]),
        (put("low", 30.6), [("price_order", "low", "low 30.6 is above 30.57")]),
        (put("high", 20.0), [("price_order", "high", "high 20 is below 30.69"), ("price_order", "low", "low 30.14 is above 20")]),
    ],
)  # fmt: skip
def test_one_value(
    plant: Callable[[pd.DataFrame], pd.DataFrame], expected: list[tuple[str, str, str]], year: pd.DataFrame
) -> None:
    row = year.index.get_loc(JUNE)
    found = found_in(plant(year))
    assert [(rule, column) for rule, _, column, _ in found] == [
        (rule, column) for rule, column, _ in expected
    ]
    assert all(place == row for _, place, _, _ in found)
    assert [text.split()[0] for *_, text in found] == [text.split()[0] for *_, text in expected]
    if "price_order" not in {rule for rule, *_ in found}:
        assert [text for *_, text in found] == [text for *_, text in expected]


def test_the_detail_of_the_order_names_both_prices(year: pd.DataFrame) -> None:
    top, bottom = year.loc[JUNE, ["open", "close"]].max(), year.loc[JUNE, ["open", "close"]].min()
    low = year.loc[JUNE, "low"]
    year.loc[JUNE, "high"] = 20.0
    assert [text for *_, text in found_in(year)] == [f"high 20 is below {top:g}", f"low {low:g} is above 20"]
    year.loc[JUNE, ["high", "low"]] = 40.0, 30.61
    assert bottom < 30.61 and [text for *_, text in found_in(year)] == [f"low 30.61 is above {bottom:g}"]


def test_times(year: pd.DataFrame) -> None:
    row = int(year.index.get_loc(JUNE))
    assert found_in(year) == []
    doubled = pd.concat([year.iloc[: row + 1], year.iloc[row:]])
    assert found_in(doubled) == [("duplicate_time", row + 1, "time", "a second bar for this time")]
    order = np.arange(len(year))
    order[[row, row + 1]] = row + 1, row
    assert found_in(year.iloc[order]) == [("unsorted_time", row + 1, "time", "comes after a later bar")]
    gone = year.drop(JUNE)
    assert found_in(gone) == [("missing_session", -1, "time", "XNYS traded, no bar")]
    assert found_in(gone, calendar=None) == []
    (where,) = check_scan(make_table(gone, calendar="XNYS"))
    assert where.time.tolist() == [JUNE.value]


def test_a_bar_on_a_holiday_with_and_without_volume(year: pd.DataFrame) -> None:
    day = pd.DatetimeIndex(["2004-07-05"], name="time")
    for volume, words in (
        (12_345.0, "XNYS did not trade, and yet a volume of 12,345"),
        (0.0, "XNYS did not trade"),
    ):
        extra = year.loc[[JUNE]].set_axis(day).assign(volume=volume)
        sick = pd.concat([year, extra]).sort_index()
        row = int(sick.index.get_loc(day[0]))
        assert found_in(sick) == [("off_calendar", row, "time", words)], (
            "zero volume there is no fault of its own"
        )


def test_rounding_is_no_fault(year: pd.DataFrame) -> None:
    year.loc[JUNE, "high"] = year.loc[JUNE, ["open", "close"]].max() * (1 - 1e-12)
    assert found_in(year) == []
    year.loc[JUNE, "high"] *= 1 - 1e-6
    assert [rule for rule, *_ in found_in(year)] == ["price_order"]


def test_text_is_quoted_and_is_not_missing_as_well(year: pd.DataFrame) -> None:
    row = int(year.index.get_loc(JUNE))
    year.iloc[[row, row + 1], 3] = np.nan
    found = found_in(year, texts={(row, "close"): "n/a", (3, "dividend"): "none"})
    assert found == [
        ("not_a_number", row, "close", "'n/a' is not a number"),
        ("not_a_number", 3, "dividend", "'none' is not a number"),
        ("missing_value", row + 1, "close", "no finite value"),
    ]


def test_rows_without_a_date() -> None:
    time = pd.DatetimeIndex(["2024-01-02", "NaT", "NaT", "2024-01-03"])
    bars = pd.DataFrame({"close": [1.0, 2.0, np.nan, 3.0]}, index=time)
    assert found_in(bars, texts={(2, "time"): "yesterday"}) == [
        ("not_a_number", 2, "time", "'yesterday' is not a date"),
        ("missing_value", 1, "time", "no date"),
        ("missing_value", 2, "close", "no finite value"),
    ]


def test_an_infinite_price_is_missing_and_not_negative_as_well(year: pd.DataFrame) -> None:
    year.loc[JUNE, ["open", "low"]] = -np.inf, -1.0
    row = int(year.index.get_loc(JUNE))
    assert found_in(year) == [
        ("missing_value", row, "open", "no finite value"),
        ("not_positive", row, "low", "low is -1"),
    ]


def test_oil_at_minus_37() -> None:
    "WTI closed at -37.63 on 2020-04-20. Where prices may be negative that is no fault of the value."
    days = pd.DatetimeIndex(["2020-04-17", "2020-04-20", "2020-04-21"], name="time")
    oil = pd.DataFrame(
        {
            "open": [18.0, 17.73, -14.0],
            "high": [19.0, 17.85, 13.86],
            "low": [17.0, -40.32, -16.74],
            "close": [18.27, -37.63, 10.01],
            "volume": [1e5, 2e5, 1e5],
        },
        index=days,
    )
    assert found_in(oil, calendar=None, may_be_negative=True) == []
    rows = [(rule, row, column) for rule, row, column, _ in found_in(oil, calendar=None)]
    assert sorted(rows) == [
        ("not_positive", 1, "close"),
        ("not_positive", 1, "low"),
        ("not_positive", 2, "low"),
        ("not_positive", 2, "open"),
    ]


def test_jumps_of_negative_prices_are_measured_in_points() -> None:
    spread = np.where(np.arange(60) % 2, 0.5, -0.5)
    spread[40] += 20
    mask, _ = scan_table(Table(np.arange(60) * DAY, {"close": spread}, may_be_negative=True))
    assert np.flatnonzero(mask & BITS["jump"]).tolist() == [40, 41]


# Shapes


def test_closes_only(aapl: pd.DataFrame) -> None:
    closes = aapl[["close"]]
    assert found_in(closes) == []
    closes = closes.copy()
    closes.iloc[[5, 9], 0] = np.nan, -1.0
    found = [(rule, row, column) for rule, row, column, _ in found_in(closes)]
    assert found == [("missing_value", 5, "close"), ("not_positive", 9, "close")]


@pytest.mark.parametrize(
    "names", [("open", "close"), ("high", "low"), ("close", "high"), ("low", "close", "volume")]
)
def test_some_of_the_columns(names: tuple[str, ...], year: pd.DataFrame) -> None:
    part = year[list(names)]
    assert found_in(part) == []
    for name in names:
        sick = part.copy()
        sick.loc[JUNE, name] = np.nan
        assert [(rule, column) for rule, _, column, _ in found_in(sick)] == [("missing_value", name)]


def test_a_high_below_the_close_is_found_without_open_and_low(year: pd.DataFrame) -> None:
    part = year[["high", "close"]].copy()
    part.loc[JUNE, "high"] = 20.0
    assert [(rule, column) for rule, _, column, _ in found_in(part)] == [("price_order", "high")]


def test_columns_are_not_copied_when_they_need_not_be() -> None:
    close = np.ones(3)
    given = {"close": close, "open": close + 1, "high": close + 2, "low": close, "volume": close * 9}
    assert all(one is given[name] for one, name in zip(five_columns(given, 3), COLUMNS, strict=True))
    assert all(one is close for one in five_columns({"close": close}, 3))


def test_no_rows_and_no_prices() -> None:
    assert check_scan(Table(np.empty(0, np.int64), {"close": np.empty(0)})) == []
    assert (
        check_scan(Table(np.empty(0, np.int64), {name: np.empty(0) for name in COLUMNS}, calendar="XNYS"))
        == []
    )
    assert check_scan(Table(np.array([NO_TIME, 5]), {}))[0].detail == ["no date"]


def test_a_table_of_one_saturday() -> None:
    "There is a calendar, though it has no session in this span."
    time = pd.DatetimeIndex(["2024-01-06"]).as_unit("ns").asi8
    table = Table(time, {"close": np.array([5.0])}, calendar="XNYS")
    (found,) = check_scan(table)
    assert (found.rule, found.rows.tolist()) == ("off_calendar", [0])
    assert scan_plainly(table)[0].tolist() == [64]
    assert check_scan(Table(time, {"close": np.array([5.0])})) == []


def test_intraday_rows_are_not_asked_for_sessions(market: Callable[..., pd.DataFrame]) -> None:
    assert found_in(market(1, tz="UTC")) == []


def test_looking_changes_nothing(year: pd.DataFrame) -> None:
    sick = put("close", np.nan)(year).sample(frac=1, random_state=1)
    table = make_table(sick, calendar="XNYS")
    before = {name: value.copy() for name, value in table.columns.items()}, table.time.copy()
    check_scan(table)
    assert all(np.array_equal(before[0][name], table.columns[name], equal_nan=True) for name in before[0])
    assert np.array_equal(before[1], table.time)


def test_what_is_said_of_a_row_does_not_depend_on_what_comes_later() -> None:
    "Except that a volume of zero is odd only once there is any volume."
    tried = 0
    for seed in range(120):
        table = spoil(seed)
        mask, _ = scan_table(table)
        volume = table.columns.get("volume", np.ones(len(mask)))
        for cut in range(1, len(mask), 17):
            columns = {name: value[:cut] for name, value in table.columns.items()}
            part = Table(
                table.time[:cut], columns, calendar=table.calendar, may_be_negative=table.may_be_negative
            )
            if np.any(np.diff(part.time[part.time != NO_TIME]) < 0) or not (volume[:cut] > 0).any():
                continue
            later = table.time[cut:]
            if len(later) and later.min() < part.time.max():
                continue  # Rows out of order: what comes later in the table was earlier
            assert np.array_equal(scan_table(part)[0], mask[:cut]), (seed, cut)
            tried += 1
    assert tried > 100


# Real data, and the rules themselves


@pytest.mark.parametrize("symbol", ["SPX", "AAPL", "MSFT", "GOOG", "IBM", "FB"])
def test_nothing_is_said_about_good_bars(symbol: str) -> None:
    assert check_scan(make_table(at.load(symbol), calendar="XNYS")) == []


def test_the_nasdaq_has_two_days_without_volume() -> None:
    (found,) = check_scan(make_table(at.load("IXIC"), calendar="XNYS"))
    days = pd.DatetimeIndex(found.time.view("M8[ns]")).strftime("%Y-%m-%d").tolist()
    assert found.rule == "zero_volume" and days == ["2015-05-12", "2018-01-09"]


def test_the_rules() -> None:
    severity = {rule.name: rule.severity for rule in SCAN_RULES}
    assert set(severity) == {*COUNTED, "not_a_number"} - {"jump"} and len(severity) == len(SCAN_RULES)
    warnings = {"zero_volume", "off_calendar", "missing_session"}
    assert {name for name, worst in severity.items() if worst == "warning"} == warnings
    assert all(rule.says and rule.advice and rule.later == 0 for rule in SCAN_RULES)


def test_findings_make_a_table(year: pd.DataFrame) -> None:
    found: list[Found] = check_scan(make_table(put("low", -1.0)(year).drop(year.index[9]), calendar="XNYS"))
    table = list_findings(found, {rule.name: rule for rule in SCAN_RULES}, "AAPL")
    assert table["check"].tolist() == ["not_positive", "missing_session"]
    assert table["row"].tolist() == [int(year.index.get_loc(JUNE)) - 1, -1]
