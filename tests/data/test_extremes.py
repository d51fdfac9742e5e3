"Slips against crashes: planted ones are found, real ones are left alone."

import time as clock
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.copies import COPY_RULES
from alphatwin.data.extremes import EXTREME_RULES, check_extreme, check_extremes, check_outlier
from alphatwin.data.findings import Found, Table, make_table
from alphatwin.data.one_pass import BITS
from alphatwin.data.scan import scan_table

PRICES = ["open", "high", "low", "close"]


def rows_of(found: list[Found], rule: str = "") -> list[int]:
    return [row for one in found for row in one.rows.tolist() if rule in ("", one.rule)]


def closes(values: np.ndarray, **options: bool) -> Table:
    time = pd.bdate_range("2004-01-02", periods=len(values)).as_unit("ns").asi8
    return Table(time, {"close": np.asarray(values, dtype="float64")}, **options)


def steady(size: int = 100, step: float = 0.01) -> np.ndarray:
    "A price that goes up and down by one per cent: the usual move is one per cent, the median is known."
    return 100 * np.where(np.arange(size) % 2, 1 + step, 1.0)


# Outliers


def test_where_the_line_is() -> None:
    "12 x the median of 1 %, or of 1/101: beyond that, and back, is an outlier."
    for jump, found in ((0.119, []), (0.122, [60])):
        close = steady()
        close[60] = close[59] * (1 + jump)
        assert rows_of(check_outlier(closes(close))) == found


@pytest.mark.parametrize(
    ("left", "found"), [(0.0, True), (0.29, True), (0.31, False), (-0.29, True), (-0.31, False)]
)
def test_it_must_come_back(left: float, found: bool) -> None:
    "What is left of the jump one bar later, on either side."
    close = steady()
    close[60] = close[59] + 50
    close[61:] = close[59] + left * 50
    assert rows_of(check_outlier(closes(close))) == ([60] if found else [])


def test_downwards_too_and_the_way_back_is_not_accused() -> None:
    close = steady()
    close[60] /= 10
    assert rows_of(check_outlier(closes(close))) == [60]
    (found,) = check_outlier(closes(close))
    assert found.detail == ["close 10 between 101 and 101: 90 x the usual move"]
    assert found.rule == "outlier" and found.column == "close"


def test_the_last_bar_and_the_first_ones_are_not_judged() -> None:
    close = steady()
    close[-1] *= 2
    assert rows_of(check_outlier(closes(close))) == []
    for place, found in ((21, []), (22, [22])):
        early = steady()
        early[place] *= 2
        assert rows_of(check_outlier(closes(early))) == found


def test_the_bar_before_the_last_is_judged_once() -> None:
    close = steady()
    close[-2] *= 2
    assert rows_of(check_outlier(closes(close))) == [98]


def test_a_week_of_storm_raises_the_line() -> None:
    "Three large moves of the last five, and a slip of 13 % is no surprise; two are not enough."
    for large, found in ((2, [60]), (3, [])):
        close = steady()
        close[60 - 2 * ((large + 1) // 2) : 60] *= 1.0
        for place in range(60 - large, 60):
            close[place] = close[place - 1] * (1.04 if place % 2 else 1 / 1.04)
        close[60:] = close[59] * steady(40)[::-1] / steady(40)[-1]
        close[60] = close[59] * 1.3
        close[61] = close[59]
        assert rows_of(check_outlier(closes(close))) == found


def test_a_series_that_hardly_moves() -> None:
    "No yardstick but 12 %: a tick up and down is nothing, a price of ten times is."
    still = np.full(100, 50.0)
    for value, found in ((50.01, []), (55.9, []), (56.1, [60]), (500.0, [60])):
        close = still.copy()
        close[60] = value
        assert rows_of(check_outlier(closes(close))) == found


def test_zeros_say_nothing_about_the_size_of_moves() -> None:
    "A share that moves on one day in four, by 8 %, is not accused of moving by 8 %."
    rng = np.random.default_rng(1)
    close = 10 * np.where(rng.random(500) < 0.2, 1.08, 1.0)
    assert rows_of(check_outlier(closes(close))) == []


def test_prices_that_may_be_negative_are_measured_in_points() -> None:
    spread = np.where(np.arange(100) % 2, 0.5, -0.5)
    for size, found in ((11.0, []), (13.0, [60])):
        close = spread.copy()
        close[60] = close[59] + size
        close[61] = close[59]
        assert rows_of(check_outlier(closes(close, may_be_negative=True))) == found


def test_points_that_hardly_move_have_no_yardstick_at_all() -> None:
    "Twelve per cent means nothing to a spread of 0.01."
    still = np.full(100, 0.01)
    still[60] = 5.0
    assert rows_of(check_outlier(closes(still, may_be_negative=True))) == []
    assert rows_of(check_outlier(closes(still))) == [60]


def test_what_cannot_be_used_is_stepped_over() -> None:
    close = steady()
    close[60] *= 2
    close[[59, 61]] = np.nan, -1.0
    assert rows_of(check_outlier(closes(close))) == [60]


# Highs and lows


def bars(size: int = 100) -> dict[str, np.ndarray]:
    close = steady(size)
    return {"open": close.copy(), "high": close * 1.001, "low": close * 0.999, "close": close.copy()}


def table_of(columns: dict[str, np.ndarray]) -> Table:
    size = len(columns["close"])
    return Table(pd.bdate_range("2004-01-02", periods=size).as_unit("ns").asi8, columns)


@pytest.mark.parametrize(("name", "factor"), [("high", 1.14), ("low", 1 / 1.14)])
def test_a_high_and_a_low_that_nobody_else_saw(name: str, factor: float) -> None:
    sick = bars()
    assert rows_of(check_extreme(table_of(sick))) == []
    sick[name][60] *= 1 + (factor - 1) / 2
    assert rows_of(check_extreme(table_of(sick))) == [], "six usual moves are not far"
    sick[name][60] = sick["close"][60] * factor
    (found,) = [one for one in check_extreme(table_of(sick)) if len(one.rows)]
    assert (found.rule, found.rows.tolist(), found.column) == ("bad_extreme", [60], name)


@pytest.mark.parametrize("where", [("open", 60), ("close", 60), ("high", 59), ("high", 61)])
def test_a_high_that_something_near_confirms(where: tuple[str, int]) -> None:
    sick = bars()
    sick["high"][60] = 130.0
    assert rows_of(check_extreme(table_of(sick))) == [60]
    sick[where[0]][where[1]] = 125.0
    assert 60 not in rows_of(check_extreme(table_of(sick)))


@pytest.mark.parametrize("where", [("open", 60), ("close", 60), ("low", 59), ("low", 61)])
def test_a_low_that_something_near_confirms(where: tuple[str, int]) -> None:
    sick = bars()
    sick["low"][60] = 70.0
    assert rows_of(check_extreme(table_of(sick))) == [60]
    sick[where[0]][where[1]] = 75.0
    assert 60 not in rows_of(check_extreme(table_of(sick)))


def test_the_sentence_names_both_prices() -> None:
    sick = bars()
    sick["high"][60] = 150.0
    (found,) = [one for one in check_extreme(table_of(sick)) if len(one.rows)]
    assert found.detail == ["high 150 is 48 usual moves above 101.101, the next price beside it"]


def test_the_last_high_and_the_first_ones_are_not_judged() -> None:
    for place, found in ((99, []), (98, [98]), (21, []), (22, [22])):
        sick = bars()
        sick["high"][place] = 150.0
        assert rows_of(check_extreme(table_of(sick))) == found


def test_a_slip_does_not_make_the_next_high_look_far() -> None:
    "The close before is a tenth of what it was: moves from there are not what the next bar is measured by."
    sick = bars()
    for name in PRICES:
        sick[name][60] /= 10
    sick["high"][61] *= 1.03
    found = check_extremes(table_of(sick))
    assert rows_of(found, "outlier") == [60] and rows_of(found, "bad_extreme") == []


def test_without_all_four_prices_nothing_is_said() -> None:
    sick = bars()
    sick["high"][60] = 150.0
    assert rows_of(check_extreme(table_of({name: sick[name] for name in ("high", "low", "close")}))) == []
    assert check_extremes(closes(steady())) == []


# Real data


def real_series() -> dict[str, pd.DataFrame]:
    skfolio = pytest.importorskip("skfolio.datasets")
    tables = pytest.importorskip("great_tables.data")
    real = {name: at.load(name) for name in ("SPX", "IXIC", "AAPL", "MSFT", "GOOG", "IBM", "FB")}
    for wide in (skfolio.load_sp500_dataset(), skfolio.load_factors_dataset(), skfolio.load_sp500_index()):
        real |= {f"skfolio {name}": wide[[name]].dropna().set_axis(["close"], axis=1) for name in wide}
    long = pd.DataFrame(tables.sp500)
    real["since 1950"] = long.set_index(pd.DatetimeIndex(long.pop("date"), name="time")).sort_index()
    return real


@pytest.fixture(scope="module")
def real() -> dict[str, pd.DataFrame]:
    return real_series()


def test_one_row_of_225000_is_accused(real: dict[str, pd.DataFrame]) -> None:
    accused, rows = [], 0
    for name, table in real.items():
        rows += len(table)
        view = make_table(table)
        for one in [*check_outlier(view), *check_extreme(view)]:
            accused += [(name, one.rule, str(pd.Timestamp(moment).date())) for moment in one.time]
    assert accused == [("skfolio PG", "outlier", "2007-02-27")] and rows > 220_000


@pytest.mark.parametrize(
    "day", ["1987-10-19", "1987-10-20", "1987-10-21", "2001-09-17", "2010-05-06", "2008-10"]
)
def test_days_that_must_be_left_alone(day: str, real: dict[str, pd.DataFrame]) -> None:
    tried = 0
    for name, table in real.items():
        days = table.loc[day:day].index.as_unit("ns").asi8
        tried += len(days)
        for one in check_extremes(make_table(table)):
            assert one.rule == "open_repeats_close" or not np.isin(one.time, days).any(), (name, one.rule)
    assert tried > 0


def test_black_monday_is_a_jump_all_the_same(real: dict[str, pd.DataFrame]) -> None:
    "The scan sees it; it is let go because it stays, and because the week before was wild already."
    table = real["since 1950"][["close"]].copy()
    day = int(table.index.get_loc(pd.Timestamp("1987-10-19")))
    assert scan_table(make_table(table))[0][day] == BITS["jump"]
    table.iloc[day + 1] = table.iloc[day - 1]
    assert rows_of(check_outlier(make_table(table))) == []
    calm = float(table["close"].iloc[day - 6]) * np.array([1.004, 1.0, 1.004, 1.0, 1.004])
    table.iloc[day - 5 : day, 0] = calm
    table.iloc[day + 1] = calm[-1]
    assert rows_of(check_outlier(make_table(table))) == [day]


# Recall


def plant(bars: pd.DataFrame, fault: str, place: int, rng: np.random.Generator) -> Table:
    columns = {name: bars[name].to_numpy().copy() for name in bars}
    close = columns["close"][place]
    factor = {"x 1.5": 1.5, "high": 1.5, "shift": float(rng.choice([10, 0.1]))}.get(fault)
    if factor is None:  # Another first digit
        unit = 10.0 ** np.floor(np.log10(close))
        factor = (
            1
            + (rng.choice([d for d in range(1, 10) if d != int(close / unit)]) - int(close / unit))
            * unit
            / close
        )
    for name in ["high"] if fault == "high" else [name for name in PRICES if name in columns]:
        columns[name][place] *= factor
    return Table(bars.index.as_unit("ns").asi8, columns)


@pytest.mark.parametrize(
    ("fault", "rule", "least"),
    [
        ("digit", "outlier", 0.9),
        ("x 1.5", "outlier", 0.96),
        ("shift", "outlier", 0.985),
        ("high", "bad_extreme", 0.96),
    ],
)
def test_slips_at_500_places(fault: str, rule: str, least: float, real: dict[str, pd.DataFrame]) -> None:
    rng = np.random.default_rng(99)
    names = ["AAPL", "MSFT", "GOOG", "IBM", "SPX"]
    if fault != "high":
        names += [
            name for name in real if name.startswith("skfolio") and name not in ("skfolio RRC", "skfolio PG")
        ]
    found = others = 0
    for _ in range(500):
        table = real[rng.choice(names)]
        start, place = int(rng.integers(0, len(table) - 500)), int(rng.integers(30, 480))
        part = table.iloc[start : start + 500]
        view = plant(part, fault, place, rng)
        rows = [*check_outlier(view), *check_extreme(view)]
        found += place in rows_of(rows, rule)
        others += sum(row != place for row in rows_of(rows))
    assert found / 500 >= least
    assert others == 0, "nobody is accused in place of the guilty"


# What must hold


def test_nothing_changes_once_the_next_bar_is_known(aapl: pd.DataFrame) -> None:
    rng = np.random.default_rng(7)
    sick = aapl.copy()
    for name in PRICES:
        sick.iloc[rng.integers(50, 3_200, 25), sick.columns.get_loc(name)] *= rng.choice([0.5, 1.7])

    def said(rows: int) -> set[tuple[str, int, str]]:
        view = make_table(sick.iloc[:rows])
        found = [*check_outlier(view), *check_extreme(view)]
        return {
            (one.rule, row, text)
            for one in found
            for row, text in zip(one.rows.tolist(), one.detail, strict=True)
        }

    whole = said(len(sick))
    assert len(whole) > 40
    for cut in range(30, len(sick), 37):
        assert {one for one in said(cut) if one[1] < cut - 1} == {one for one in whole if one[1] < cut - 1}


def test_the_order_of_the_rows_does_not_matter(aapl: pd.DataFrame) -> None:
    sick = aapl.loc["2004"].copy()
    sick.loc["2004-06-15", PRICES] *= 1.5
    sick.loc["2004-09-15", "high"] *= 1.5
    expected = {
        (one.rule, moment) for one in check_extremes(make_table(sick)) for moment in one.time.tolist()
    }
    assert len(expected) == 2
    for seed in range(5):
        found = check_extremes(make_table(sick.sample(frac=1, random_state=seed)))
        assert {(one.rule, moment) for one in found for moment in one.time.tolist()} == expected


def test_all_of_it(aapl: pd.DataFrame) -> None:
    sick = aapl.loc["2004"].copy()
    sick.loc["2004-06-15", PRICES] *= 1.5
    sick.loc["2004-09-15", "low"] /= 2
    sick.loc["2004-10-01":"2004-10-20"] = sick.loc["2004-10-01"].to_numpy()
    found = check_extremes(make_table(sick))
    assert sorted({one.rule for one in found}) == ["bad_extreme", "outlier", "stale_run"]
    assert all(len(one.rows) for one in found)


def test_the_rules() -> None:
    later = {rule.name: rule.later for rule in EXTREME_RULES}
    assert later == {"outlier": 1, "bad_extreme": 1, "stale_run": 0, "open_repeats_close": 0}
    assert EXTREME_RULES[2:] == COPY_RULES
    severity = {rule.name: rule.severity for rule in EXTREME_RULES}
    assert severity["outlier"] == severity["bad_extreme"] == "warning"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 21, 22, 23, 24, 25])
def test_small_tables(size: int, market: Callable[..., pd.DataFrame]) -> None:
    assert check_extremes(make_table(market(1, max(size, 1)).iloc[:size])) == []
    assert check_extremes(closes(np.ones(size))) == []


def test_it_is_fast_enough_to_be_called_a_million_times(market: Callable[..., pd.DataFrame]) -> None:
    "A loose bound, for busy machines: 250 rows in under 5 ms."
    view = make_table(market(1, 250))
    check_extremes(view)
    best = min(_timed(view) for _ in range(5))
    assert best < 0.005


def _timed(view: Table) -> float:
    start = clock.perf_counter()
    check_extremes(view)
    return clock.perf_counter() - start
