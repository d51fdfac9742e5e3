"Quality over time: counts per day and symbol, the control chart, and the sum that watches for drift."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

import alphatwin as at
from alphatwin.data.monitoring import (
    PERIODS,
    RISK,
    Chart,
    control_chart,
    daily_quality,
    quality_by_symbol,
)

MONTHS = pd.date_range("2010-01-01", periods=120, freq="MS")
WORDS = ["ok", "info", "warning", "error"]


def counted(faulty: list[int] | np.ndarray, rows: int | list[int] = 100) -> pd.DataFrame:
    return pd.DataFrame({"rows": rows, "faulty": faulty}, index=MONTHS[: len(faulty)])


def verdicts(seed: int, symbols: int = 3, days: int = 200) -> pd.Series:
    rng = np.random.default_rng(seed)
    time = pd.bdate_range("2015-01-05", periods=days)
    index = pd.MultiIndex.from_product([[f"S{i}" for i in range(symbols)], time], names=["symbol", "time"])
    words = pd.Series(rng.choice(WORDS, len(index), p=[0.8, 0.1, 0.06, 0.04]), index)
    return words[rng.random(len(index)) < 0.9]


def test_what_counts_as_faulty() -> None:
    days = pd.DatetimeIndex(["2024-01-08"] * 4)
    (day,) = daily_quality(pd.Series(WORDS, days)).itertuples()
    assert (day.rows, day.faulty, day.score) == (4, 2, 0.5)
    for word, faulty in zip(WORDS, (0, 0, 1, 1), strict=True):
        assert daily_quality(pd.Series([word], days[:1]))["faulty"].tolist() == [faulty]


@pytest.mark.parametrize("seed", range(5))
def test_every_row_is_counted_once(seed: int) -> None:
    words = verdicts(seed)
    bad = words.isin(["warning", "error"])
    daily = daily_quality(words.sample(frac=1, random_state=seed))
    assert daily.index.is_monotonic_increasing and daily.index.is_unique and daily.index.name == "time"
    assert (daily["rows"].sum(), daily["faulty"].sum()) == (len(words), bad.sum())
    for day in daily.index[::17]:
        here = words.xs(day, level="time")
        assert daily.loc[day, "rows"] == len(here)
        assert daily.loc[day, "score"] == 1 - here.isin(["warning", "error"]).sum() / len(here)
    for period in PERIODS:
        parts = quality_by_symbol(words, period)
        assert (parts["rows"].sum(), parts["faulty"].sum()) == (len(words), bad.sum())
        assert parts["score"].between(0, 1).all() and parts.index.names == ["symbol", "period"]
        chart = control_chart(daily, period).table
        assert (chart["rows"].sum(), chart["faulty"].sum()) == (len(words), bad.sum())


def test_the_periods() -> None:
    day = pd.Timestamp("2015-05-13")  # A Wednesday
    words = pd.Series(["ok"], pd.MultiIndex.from_tuples([("A", day)]))
    first = {period: str(quality_by_symbol(words, period).index[0][1].date()) for period in PERIODS}
    assert first == {
        "day": "2015-05-13",
        "week": "2015-05-11",
        "month": "2015-05-01",
        "quarter": "2015-04-01",
        "year": "2015-01-01",
    }


def test_by_symbol_says_whose_fault_it_is() -> None:
    days = pd.bdate_range("2024-01-29", periods=4)
    index = pd.MultiIndex.from_product([["A", "B"], days])
    words = pd.Series(["ok", "ok", "error", "ok", "ok", "warning", "info", "ok"], index)
    found = quality_by_symbol(words)
    january, february = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")
    assert found["faulty"].to_dict() == {
        ("A", january): 1,
        ("A", february): 0,
        ("B", january): 1,
        ("B", february): 0,
    }
    assert found.loc[("A", january), "score"] == 1 - 1 / 3
    assert quality_by_symbol(words["A"])["rows"].to_dict() == {("", january): 3, ("", february): 1}


def test_intraday_rows_belong_to_the_day_in_utc() -> None:
    time = pd.DatetimeIndex(["2024-01-08 23:30", "2024-01-09 00:30", "2024-01-09 15:00"], tz="UTC")
    words = pd.Series(["error", "ok", "ok"], time)
    assert daily_quality(words)["rows"].tolist() == [1, 2]
    moved = words.tz_convert("America/New_York")
    pd.testing.assert_frame_equal(daily_quality(moved), daily_quality(words))


def test_refusals(refusal) -> None:  # type: ignore[no-untyped-def]
    day = pd.Timestamp("2024-01-08")
    assert "2 rows have no date" in refusal(
        ValueError, daily_quality, pd.Series(["ok"] * 3, [pd.NaT, pd.NaT, day])
    )
    said = refusal(ValueError, daily_quality, pd.Series(["ok", "fine"], [day, day]))
    assert "got 'fine'" in said
    assert "got nan" in refusal(ValueError, daily_quality, pd.Series(["ok", np.nan], [day, day]))
    assert "day, week, month, quarter, year, got 'fortnight'" in refusal(
        ValueError, quality_by_symbol, pd.Series(["ok"], [day]), "fortnight"
    )
    refusal(ValueError, control_chart, counted([1, 2]), "hour")
    refusal(ValueError, control_chart, counted([1, 2]), before=0)
    refusal(ValueError, control_chart, counted([1, 2]).drop(columns="rows"))
    for faulty, rows in (([1, 101], 100), ([1, -1], 100), ([0, 0], [100, 0])):
        assert "as many faulty ones" in refusal(ValueError, control_chart, counted(faulty, rows))


def test_the_centre_is_the_share_of_the_sound_periods_before() -> None:
    faulty = [2, 1, 0, 3, 2, 1, 4, 8, 2, 1]
    table = control_chart(counted(faulty)).table
    assert table["centre"].isna().tolist() == [True] * 6 + [False] * 4
    assert table["alarm"].tolist() == [False] * 7 + [True] + [False] * 2
    sound = [2, 1, 0, 3, 2, 1, 4, None, 2, 1]
    for place in range(6, 10):
        before = [count for count in sound[:place] if count is not None]
        assert table["centre"].iloc[place] == pytest.approx((sum(before) + 0.5) / (100 * len(before) + 1))
    assert table["share"].tolist() == pytest.approx([count / 100 for count in faulty])


def test_a_record_without_faults_is_no_promise() -> None:
    "One fault after a year without any is no alarm; two in a month are."
    for count, alarm in ((0, False), (1, False), (2, True)):
        table = control_chart(counted([0] * 12 + [count], 21)).table
        assert table["alarm"].iloc[-1] == alarm, count
        assert not table["drift_alarm"].any()


@pytest.mark.slow
@given(
    faulty=st.lists(st.integers(0, 40), min_size=8, max_size=30),
    rows=st.integers(40, 400),
    chance=st.booleans(),
)
def test_an_alarm_is_what_passes_the_limit(faulty: list[int], rows: int, chance: bool) -> None:
    "The limit that is drawn and the probability that is compared are one thing."
    table = control_chart(counted(faulty, rows)).table[6:].dropna()
    over = table["faulty"] > (table["limit"] * table["rows"]).round()
    assert over.tolist() == table["alarm"].tolist()
    for row in table.itertuples():
        most = round(row.limit * row.rows)
        assert binom.sf(most, row.rows, row.centre) <= RISK < binom.sf(most - 1, row.rows, row.centre)


@pytest.mark.slow
@given(faulty=st.lists(st.integers(0, 30), min_size=10, max_size=40), cut=st.integers(7, 39))
def test_the_future_changes_nothing(faulty: list[int], cut: int) -> None:
    whole, part = control_chart(counted(faulty)).table, control_chart(counted(faulty[:cut])).table
    pd.testing.assert_frame_equal(whole.iloc[: len(part)], part)


def test_periods_with_other_numbers_of_rows() -> None:
    "Ten in a thousand are usual where one in a hundred is; ten in a hundred are not."
    rows = [100] * 12 + [1000, 100]
    table = control_chart(counted([1] * 12 + [10, 10], rows)).table
    assert table["alarm"].tolist()[-2:] == [False, True]
    assert table["centre"].iloc[13] == pytest.approx((12 + 10 + 0.5) / (1200 + 1000 + 1))


def test_months_without_rows_are_left_out() -> None:
    quality = counted([1] * 12).iloc[[0, 1, 2, 3, 4, 5, 6, 9, 10, 11]]
    table = control_chart(quality).table
    assert len(table) == 10 and table.index.tolist() == quality.index.tolist()


def test_the_sum_by_hand() -> None:
    "In a chart whose usual number is two a month within a thousandth."
    base = [2] * 60
    slow = [2, 3, 2, 4, 5, 4, 6, 5]
    table = control_chart(counted(base + slow)).table[60:]
    total, sums = 0.0, []
    for count, centre in zip(slow, table["centre"], strict=True):
        total = max(0.0, total + count - 100 * centre / np.log(2))
        sums.append(total)
    assert table["drift"].tolist() == pytest.approx(sums)
    assert not table["drift_alarm"][:-1].any() and not table["alarm"].any()
    assert table["drift_alarm"].iloc[-1] == (sums[-1] > np.log2(1 / RISK))


def test_the_sum_begins_anew_after_an_alarm() -> None:
    table = control_chart(counted([2] * 60 + [6] * 12)).table[60:]
    gain = 6 - 100 * table["centre"].iloc[0] / np.log(2)
    assert table["drift"].iloc[0] == pytest.approx(gain)
    first = int(np.argmax(table["drift_alarm"]))
    assert table["drift_alarm"].sum() >= 2
    after = 6 - 100 * table["centre"].iloc[first + 1] / np.log(2)
    assert table["drift"].iloc[first + 1] == pytest.approx(after)


def test_a_month_with_an_alarm_of_drift_is_no_yardstick() -> None:
    table = control_chart(counted([2] * 60 + [6] * 12)).table
    at_alarm = int(np.argmax(table["drift_alarm"]))
    assert table["centre"].iloc[at_alarm + 1] == table["centre"].iloc[at_alarm]
    assert table["centre"].iloc[at_alarm] > table["centre"].iloc[at_alarm - 1]


def test_a_slow_rise_is_heard_by_the_sum_first() -> None:
    late = np.maximum(0, np.arange(120) - 59) / 12
    delays = []
    for seed in range(40):
        faulty = np.random.default_rng(seed).binomial(200, 0.01 * 2**late)
        table = control_chart(counted(faulty, 200)).table[60:]
        delays.append([int(np.argmax(table[name])) for name in ("alarm", "drift_alarm")])
    chart, drift = np.median(delays, axis=0)
    assert drift < chart < 30 and drift < 20


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "share"), [(21, 0.01), (100, 0.01), (400, 0.02), (2000, 0.002)])
def test_false_alarms_are_those_of_the_binomial(rows: int, share: float) -> None:
    "Months in control: the limits that were drawn, asked with the true share, say how many alarms to expect."
    charts = []
    for seed in range(100):
        faulty = np.random.default_rng(seed).binomial(rows, share, 120)
        charts.append(control_chart(counted(faulty, rows)).table[6:])
    drawn = pd.concat(charts)
    expected = binom.sf((drawn["limit"] * rows).round(), rows, share).sum()
    assert abs(drawn["alarm"].sum() - expected) <= 3 * np.sqrt(expected) + 1
    assert expected < 2 * RISK * len(drawn)
    late = pd.concat(one[54:] for one in charts)
    assert binom.sf((late["limit"] * rows).round(), rows, share).mean() < 1.2 * RISK
    assert drawn["drift_alarm"].mean() < RISK


def test_a_chart_in_one_line() -> None:
    chart = control_chart(counted([2, 1, 0, 3, 2, 1, 4, 8, 2, 1]))
    assert repr(chart) == "10 periods, 4 judged; alarms: 1, first 2010-08-01; alarms of drift: none"


def test_the_picture() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    chart = control_chart(counted([2] * 60 + [6] * 12))
    figure = chart.plot()
    assert plt.get_fignums() == before
    above, below = figure.axes
    shown = {line.get_label(): np.asarray(line.get_ydata(), float) for line in above.lines}
    assert shown["faulty rows"] == pytest.approx(100 * chart.table["share"].to_numpy())
    np.testing.assert_allclose(shown["limit"], 100 * chart.table["limit"])
    assert len(shown["alarm"]) == chart.table["alarm"].sum()
    assert len(below.lines[-1].get_ydata()) == chart.table["drift_alarm"].sum() > 0
    assert below.lines[1].get_ydata()[0] == np.log2(1 / RISK)


def test_true_series_give_no_alarm() -> None:
    names = ["AAPL", "IBM", "MSFT", "IXIC", "GOOG"]
    bars = pd.concat({name: at.load(name) for name in names}, names=["symbol", "time"])
    words = at.validate(bars, calendar="XNYS").verdicts
    together = control_chart(daily_quality(words))
    assert not together.table[["alarm", "drift_alarm"]].any(axis=None)
    assert together.table["faulty"].sum() >= 2, "IXIC's two days without volume"
    for name in names:
        alone = control_chart(daily_quality(words[name])).table
        assert not alone[["alarm", "drift_alarm"]].any(axis=None), name


def test_the_lake_keeps_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from alphatwin.data.lake import Lake

    quality = quality_by_symbol(verdicts(1))
    lake = Lake(tmp_path)
    lake.write_table("quality", quality)
    back = lake.sql("select symbol, sum(rows) as rows, sum(faulty) as faulty from quality group by symbol")
    wanted = quality.groupby("symbol")[["rows", "faulty"]].sum()
    assert back.set_index("symbol").sort_index().astype("int64").to_dict() == wanted.to_dict()
    assert isinstance(control_chart(daily_quality(verdicts(1))), Chart)
