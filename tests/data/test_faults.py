"The injector: what it does to a table, and that its record tells the truth about it."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.faults import (
    FAMILIES,
    Fault,
    Planted,
    Sheet,
    add_fault,
    all_faults,
    choose_sites,
    fault_table,
    plant,
    spread,
)
from alphatwin.data.findings import list_findings
from alphatwin.data.true_series import series_for
from alphatwin.data.validation import RULES, run_checks, validate

Refusal = Callable[..., str]
FAULTS = all_faults()
DAY = 86_400_000_000_000
PRICES = ["open", "high", "low", "close"]
WHOLE = {name for name, fault in FAULTS.items() if fault.gap == 0}
# These change rows that they do not name, and say so: all of the past, or all that follows.
LASTING = {
    "reused_symbol",
    "split_forgotten",
    "split_unexplained",
    "split_not_in_adj_close",
    "split_adjusted_twice",
    "spin_off",
    "spin_off_forgotten",
    "dividend_not_adjusted",
    "adj_close_step",
}


def true_table(name: str, place: int = 0) -> pd.DataFrame:
    return series_for(FAULTS[name].needs, name not in WHOLE or FAULTS[name].needs == "halfhours")[place]


def do(name: str, seed: int = 0, place: int = 0) -> tuple[pd.DataFrame, Planted]:
    bars = true_table(name, place)
    return bars, plant(name, bars, seed)


# The instrument


def test_there_are_at_least_twenty_five_faults_and_each_names_rules_that_exist() -> None:
    assert len(FAULTS) == 52
    for name, fault in FAULTS.items():
        assert isinstance(fault, Fault) and fault.name == name and fault.says.endswith(".")
        assert fault.rules and set(fault.rules) <= set(RULES), name
        assert fault.gap == 0 or fault.gap >= 80


def test_every_fault_but_the_first_is_of_one_family() -> None:
    named = [name for family in FAMILIES for name in fault_table(family).index]
    assert sorted(named) == sorted(set(FAULTS) - {"zero_price"})


@given(st.integers(80, 6000), st.integers(1, 400), st.integers(0, 10**6))
def test_sites_are_far_enough_apart_and_inside(length: int, gap: int, seed: int) -> None:
    sites = choose_sites(length, gap, np.random.default_rng(seed))
    assert len(sites) == max(1, length // (2 * gap))
    assert sites[0] >= 1 and sites[-1] < length
    assert (np.diff(sites) >= gap).all()


def test_sites_reach_both_ends() -> None:
    drawn = np.concatenate([choose_sites(500, 80, np.random.default_rng(seed)) for seed in range(3000)])
    assert drawn.min() == 1 and drawn.max() == 499


def test_spread_is_even_in_the_logarithm() -> None:
    rng = np.random.default_rng(0)
    drawn = np.log10([spread(rng, 1e-3, 1e3) for _ in range(4000)])
    assert drawn.min() > -3 and drawn.max() < 3
    assert abs(drawn.mean()) < 0.1 and 0.32 < (np.abs(drawn) < 1).mean() < 0.35


def test_blocks_have_every_length_and_end_with_the_table() -> None:
    sheet = Sheet(at.load("IBM")[:100])
    rng = np.random.default_rng(0)
    assert {len(sheet.block(20, rng, 2, 5)) for _ in range(300)} == {2, 3, 4, 5}
    assert {len(sheet.block(97, rng, 2, 5)) for _ in range(300)} == {2, 3}
    assert sheet.block(99, rng, 2, 5).tolist() == [99]


def test_usual_is_the_median_of_the_sixty_three_moves_before() -> None:
    moves = np.full(120, 0.03)
    moves[0], moves[37:69] = 0.5, 0.01  # Of the 63 before row 100, 32 are small and 31 are not
    close = 100 * np.cumprod(1 + moves)
    bars = pd.DataFrame({"close": close}, index=pd.bdate_range("2020-01-01", periods=len(close)))
    assert Sheet(bars).usual(100) == pytest.approx(0.01)
    assert Sheet(bars).usual(99) == pytest.approx(0.01) and Sheet(bars).usual(101) == pytest.approx(0.03)
    assert Sheet(bars).usual(5) == Sheet(bars).usual(64) == pytest.approx(0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_same_seed_plants_the_same_and_the_true_table_stays(name: str) -> None:
    bars = true_table(name)
    before, times = bars.copy(), pd.DatetimeIndex(bars.index).asi8.copy()
    one, two, other = plant(name, bars, 5), plant(name, bars, 5), plant(name, bars, 6)
    pd.testing.assert_frame_equal(one.bars, two.bars)
    assert np.array_equal(one.moment, two.moment) and np.array_equal(one.sizes, two.sizes)
    pd.testing.assert_frame_equal(bars, before, check_exact=True)
    assert np.array_equal(pd.DatetimeIndex(bars.index).asi8, times)
    if name not in ("newest_first", "dated_day_before"):
        assert not one.bars.equals(other.bars)


@pytest.mark.parametrize("name", FAULTS)
def test_the_record_is_whole(name: str) -> None:
    _, planted = do(name)
    assert len(planted.sizes) and np.isfinite(planted.sizes).all() and (planted.sizes > 0).all()
    assert set(planted.case) == set(range(len(planted.sizes)))
    here = planted.row >= 0
    assert np.array_equal(planted.time[planted.row[here]], planted.moment[here])
    # A row that was moved in time is named twice: where it stands, and where it should.
    assert (~here).sum() <= here.sum() or name == "lost_sessions"


@pytest.mark.parametrize("name", sorted(set(FAULTS) - LASTING - WHOLE))
def test_what_is_not_named_is_true(name: str) -> None:
    for seed in range(3):
        bars, planted = do(name, seed, place=seed % 4)
        kept = np.setdiff1d(np.arange(len(planted.time)), planted.row)
        spoilt = pd.DataFrame({k: v[kept] for k, v in planted.columns.items()}, index=planted.time[kept])
        true = bars.set_axis(pd.DatetimeIndex(bars.index).asi8, axis=0).loc[spoilt.index]
        assert np.array_equal(spoilt.to_numpy(), true[list(spoilt.columns)].to_numpy(dtype="float64"))
        missing = np.setdiff1d(pd.DatetimeIndex(bars.index).asi8, planted.time)
        assert np.isin(missing, planted.moment).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_short_way_to_the_checks_is_the_same_as_the_long_one(name: str) -> None:
    "`table()` spares the way through pandas; what the rules say must not depend on it."
    _, planted = do(name, seed=2, place=1)
    report = validate(planted.bars, calendar="XNYS", adjust=planted.fault.adjust)
    tz = "UTC" if planted.tz else ""
    direct = list_findings(run_checks(planted.table()), RULES, "", tz)
    columns = ["check", "severity", "column", *([] if planted.texts else ["detail"])]
    pd.testing.assert_frame_equal(report.findings[columns], direct[columns])
    assert (report.findings["time"] == direct["time"]).all()


def test_show_marks_the_rows_of_one_case() -> None:
    _, planted = do("pence_block")
    shown = planted.show(case=2, around=2)
    rows = planted.row[planted.case == 2]
    assert len(shown) == len(rows) + 4
    assert (shown["planted"] == "<--").to_numpy().nonzero()[0].tolist() == list(range(2, 2 + len(rows)))


def test_unknown_names_and_short_tables_are_refused(refusal: Refusal, aapl: pd.DataFrame) -> None:
    sentence = refusal(ValueError, plant, "zero_prize", aapl)
    assert "'zero_prize'" in sentence and "zero_price" in sentence
    assert "50 bars are too few" in refusal(ValueError, plant, "zero_price", aapl[:50])


def test_a_fault_of_your_own() -> None:
    try:

        @add_fault("outlier", gap=100, size="times")
        def _doubled(sheet: Sheet, row: int, rng: np.random.Generator) -> tuple[list[int], float]:
            "A close is doubled."
            sheet.cells["close"][row] *= 2
            return [row], 2.0

        bars = at.load("IBM")
        planted = plant("doubled", bars, 1)
        assert np.allclose(planted.bars["close"].iloc[planted.row], 2 * bars["close"].iloc[planted.row])
        assert len(planted.sizes) == len(bars) // 200
    finally:
        del all_faults.__globals__["FAULTS"]["doubled"]


# Cells


def test_texts_are_text_in_the_table_and_nothing_in_the_view() -> None:
    _, planted = do("text_price")
    assert len(planted.texts) >= len(planted.sizes)
    for (row, name), text in planted.texts.items():
        assert planted.bars[name].iloc[row] == text and np.isnan(planted.columns[name][row])
    assert planted.table().texts == planted.texts


def test_null_zero_negative() -> None:
    for name, wrong in {
        "null_price": lambda table: table[PRICES].isna().any(axis=1),
        "null_volume": lambda table: table["volume"].isna(),
        "zero_price": lambda table: (table[PRICES] == 0).any(axis=1),
        "negative_price": lambda table: (table[PRICES] < 0).any(axis=1),
        "negative_volume": lambda table: table["volume"] < 0,
    }.items():
        for place in range(6):
            _, planted = do(name, place=place)
            assert np.flatnonzero(wrong(planted.bars)).tolist() == sorted(planted.row), name


def test_bars_that_contradict_themselves() -> None:
    for place in range(6):
        spoilt = {
            name: do(name, seed=4, place=place)[1]
            for name in ("high_below_close", "low_above_open", "swapped_high_low")
        }
        table = {name: planted.bars.iloc[planted.row] for name, planted in spoilt.items()}
        high = table["high_below_close"]
        assert (high["high"] < high["close"]).all() and (high["low"] <= high["high"]).all()
        low = table["low_above_open"]
        assert (low["low"] > low["open"]).all() and (low["low"] <= low["high"]).all()
        assert (table["swapped_high_low"]["high"] < table["swapped_high_low"]["low"]).all()


def test_stale_runs_repeat_what_was_before() -> None:
    for name, columns in {"stale_bars": [*PRICES, "volume"], "stale_closes": ["close"]}.items():
        lengths = []
        for seed in range(30):
            _, planted = do(name, seed)
            table = planted.bars[columns].to_numpy()
            assert (table[planted.row] == table[planted.row - 1]).all()
            assert np.array_equal(np.bincount(planted.case), planted.sizes)
            lengths.extend(planted.sizes)
        assert min(lengths) == {"stale_bars": 1, "stale_closes": 2}[name]
        assert max(lengths) == {"stale_bars": 10, "stale_closes": 20}[name]
    bars, filled = do("filled_forward", seed=3)
    first = filled.row[np.r_[True, np.diff(filled.case) > 0]]
    assert (filled.bars["volume"].iloc[filled.row] == 0).all()
    assert np.array_equal(filled.bars["open"].iloc[first], bars["close"].iloc[first - 1])


def test_copied_opens_and_short_histories() -> None:
    _, copied = do("copied_open", seed=1)
    table = copied.bars
    assert np.array_equal(table["open"].iloc[copied.row], table["close"].iloc[copied.row - 1])
    assert ((table["high"] >= table["open"]) & (table["low"] <= table["open"])).all()
    assert copied.sizes[0] == pytest.approx(len(copied.row) / len(table), abs=0.05)
    short = [do("short_history", seed)[1] for seed in range(100)]
    lengths = [len(planted.bars) for planted in short]
    assert lengths == [planted.sizes[0] for planted in short]
    assert min(lengths) >= 5 and max(lengths) <= 250 and sum(n < 60 for n in lengths) > 30


def test_units() -> None:
    for name, factor in {"pence_one_bar": 100, "pence_block": 100, "pounds_block": 0.01}.items():
        bars, planted = do(name)
        was, now = (table[PRICES].iloc[planted.row].to_numpy() for table in (bars, planted.bars))
        assert np.allclose(now, factor * was, rtol=1e-12), name
    bars, one = do("pence_one_column")
    ratio = one.bars[PRICES].iloc[one.row].to_numpy() / bars[PRICES].iloc[one.row].to_numpy()
    assert ((np.round(ratio, 9) != 1).sum(axis=1) == 1).all()
    bars, lots = do("volume_in_lots")
    ratio = lots.bars["volume"].iloc[lots.row].to_numpy() / bars["volume"].iloc[lots.row].to_numpy()
    assert np.allclose(np.maximum(ratio, 1 / ratio), lots.sizes[lots.case])
    bars, mixed = do("mixed_scale", seed=2)
    ratio = mixed.bars["close"].to_numpy() / bars["close"].to_numpy()
    assert ratio[0] == 1 and max(ratio[-1], 1 / ratio[-1]) == pytest.approx(mixed.sizes[0])
    assert (np.abs(np.diff(ratio)) > 1e-3).sum() == 1


def test_another_currency_is_one_rate_that_wanders_a_little() -> None:
    lengths = np.concatenate([np.bincount(do("currency_block", seed)[1].case) for seed in range(30)])
    assert lengths.max() == 60 or 50 < lengths.max() < 60
    assert 0.4 < (lengths < 18).mean() < 0.6  # The middle of 5 and 60 in the logarithm
    bars, planted = do("currency_block", seed=3)
    ratio = planted.bars["close"].iloc[planted.row].to_numpy() / bars["close"].iloc[planted.row].to_numpy()
    away = np.abs(np.log(np.maximum(ratio, 1 / ratio) / planted.sizes[planted.case]))
    assert away.max() < 0.15 and away.max() > 0.001
    opened = planted.bars["open"].iloc[planted.row].to_numpy() / bars["open"].iloc[planted.row].to_numpy()
    assert np.allclose(opened, ratio)


def test_a_reused_symbol_has_the_days_of_the_series_at_another_level() -> None:
    for seed in range(20):
        bars, planted = do("reused_symbol", seed)
        row, table = int(planted.row[1]), planted.bars
        assert 2 * row >= len(bars) - 1 and planted.row.tolist() == [row - 1, row]
        assert table[:row].equals(bars[:row])
        step = table["close"].iloc[row] / bars["close"].iloc[row - 1]
        assert max(step, 1 / step) == pytest.approx(planted.sizes[0])
        pace = (
            np.log(table["close"][row:]).diff().dropna()
            / np.log(bars["close"][: len(bars) - row]).diff().dropna().to_numpy()
        )
        moved = pace[np.isfinite(pace)]
        assert moved.std() < 1e-6 if len(moved) > 1 else True


# Time


def test_lost_rows_are_gone_and_nothing_else_is() -> None:
    bars, planted = do("lost_sessions")
    assert (planted.row == -1).all()
    assert planted.bars.equals(bars.drop(index=pd.DatetimeIndex(planted.moment.view("M8[ns]"))))
    assert planted.sizes.sum() == len(planted.moment) and planted.sizes.max() <= 10
    # A table that ends earlier lacks nothing that can be seen, so the last row is never lost.
    spoil, rng = FAULTS["lost_sessions"].spoil, np.random.default_rng(0)
    assert spoil(Sheet(bars), len(bars) - 1, rng) is None
    assert max(max(spoil(Sheet(bars), len(bars) - 3, rng)[0]) for _ in range(20)) == len(bars) - 2


def test_duplicates_stand_side_by_side() -> None:
    _, equal = do("duplicate_equal")
    _, other = do("duplicate_different")
    for planted in (equal, other):
        rows = planted.row.reshape(-1, 2)
        assert (np.abs(rows[:, 0] - rows[:, 1]) == 1).all()
        assert (planted.time[rows[:, 0]] == planted.time[rows[:, 1]]).all()
    rows = equal.row.reshape(-1, 2)
    assert all(np.array_equal(values[rows[:, 0]], values[rows[:, 1]]) for values in equal.columns.values())
    rows = other.row.reshape(-1, 2)
    assert (other.columns["volume"][rows[:, 0]] != other.columns["volume"][rows[:, 1]]).all()
    assert len(set(rows[:, 0] > rows[:, 1])) == 2, "the corrected bar comes before or after"
    table = other.bars
    assert ((table["close"] <= table["high"]) & (table["close"] >= table["low"])).all()


def test_order() -> None:
    bars, planted = do("row_misplaced")
    assert (np.diff(planted.time) < 0).sum() == len(planted.sizes)
    assert planted.bars.sort_index().equals(bars)
    bars, reverse = do("newest_first")
    assert reverse.bars.equals(bars[::-1])


@pytest.mark.parametrize("name", ["weekend_bar", "holiday_bar", "holiday_volume"])
def test_bars_of_idle_days(name: str) -> None:
    for place in range(6):
        bars, planted = do(name, seed=place, place=place)
        added = pd.DatetimeIndex(planted.moment.view("M8[ns]"))
        assert len(planted.bars) == len(bars) + len(added) and not added.isin(bars.index).any()
        assert ((added.day_of_week >= 5) == (name == "weekend_bar")).all()
        assert len(planted.sizes) >= 4
        volume = planted.bars["volume"].iloc[planted.row]
        if name == "holiday_bar":
            assert (volume == 0).all() and (planted.bars.iloc[planted.row][PRICES].nunique(axis=1) == 1).all()
        if name == "holiday_volume":
            assert (volume > 0).all() or place == 5  # The Nasdaq index has two days without volume


def test_dates_of_the_day_before() -> None:
    bars, planted = do("dated_day_before")
    assert np.array_equal(planted.bars.index, bars.index - pd.Timedelta("1D"))
    bars, planted = do("block_day_before", seed=2)
    here = planted.row >= 0
    assert here.sum() == (~here).sum() == planted.sizes.sum()
    assert np.array_equal(planted.moment[here] + DAY, planted.moment[~here])
    assert np.array_equal(
        planted.time[np.setdiff1d(np.arange(len(bars)), planted.row)],
        pd.DatetimeIndex(bars.index).asi8[np.setdiff1d(np.arange(len(bars)), planted.row)],
    )


def test_the_running_session() -> None:
    clocked = 0
    for seed in range(20):
        bars, twice = do("session_twice", seed)
        last = twice.bars.iloc[-2:]
        assert len(twice.bars) == len(bars) + 1 and (last.index.normalize() == bars.index[-1]).all()
        part = last["volume"].min() / last["volume"].max()
        assert part == pytest.approx(twice.sizes[0])
        clock = last.index != last.index.normalize()
        assert last["volume"].iloc[1 if clock.any() else 0] == last["volume"].min()
        clocked += clock.any()
        bars, one = do("running_session", seed)
        clock = one.bars.index[-1] - bars.index[-1]
        assert pd.Timedelta("9h30min") < clock < pd.Timedelta("16h")
        assert len(one.bars) == len(bars) and one.bars["volume"].iloc[-1] < bars["volume"].iloc[-1]
        table = one.bars
        assert (table["high"] >= table[["open", "close"]].max(axis=1)).all()
    assert 4 < clocked < 16


def test_half_hours_outside_the_session() -> None:
    bars, planted = do("outside_hours", seed=1)
    days = bars.index.tz_convert("America/New_York")
    sessions = pd.Series(days, index=days.normalize()).groupby(level=0).agg(["min", "max"])
    added = pd.DatetimeIndex(planted.moment, tz="UTC").tz_convert("America/New_York")
    assert len(added) == len(planted.sizes) >= 10
    for moment in added:
        first, last = sessions.loc[moment.normalize()]
        assert moment < first or moment > last
    assert planted.bars.index.is_monotonic_increasing


def test_summer_time_is_an_hour_off_for_one_half_of_the_year() -> None:
    seen = set()
    for seed in range(12):
        bars, planted = do("summer_time", seed)
        away = (planted.time - pd.DatetimeIndex(bars.index).asi8) / 3_600_000_000_000
        local = bars.index.tz_convert("America/New_York")
        summer = np.array([moment.dst() != pd.Timedelta(0) for moment in local])
        off = away != 0
        assert np.array_equal(off, summer) or np.array_equal(off, ~summer)
        assert len(set(away[off])) == 1
        seen.add((bool(off[np.flatnonzero(summer)[0]]), float(away[off][0])))
    assert seen == {(True, 1.0), (True, -1.0), (False, 1.0), (False, -1.0)}


# Actions


def test_forgotten_splits_step_by_the_ratio_and_volume_against_it() -> None:
    for name in ("split_forgotten", "split_unexplained", "split_not_in_adj_close"):
        bars, planted = do(name, seed=3)
        step = planted.row[1::2]
        for column, power in {**dict.fromkeys(PRICES, 1), "volume": -1}.items():
            ratio = planted.columns[column] / bars[column].to_numpy()
            assert np.allclose(ratio[step - 1] / ratio[step], planted.sizes**power), (name, column)
            assert ratio[-1] == 1
    assert np.array_equal(planted.columns["split"][step], planted.sizes)
    assert np.allclose(
        planted.columns["adj_close"] / planted.columns["close"], bars["adj_close"] / bars["close"]
    )


def test_splits_used_twice() -> None:
    bars, planted = do("split_adjusted_twice", seed=3)
    step = planted.row[1::2]
    ratio = planted.columns["close"] / bars["close"].to_numpy()
    assert np.allclose(ratio[step] / ratio[step - 1], planted.sizes)
    assert np.array_equal(planted.columns["split"][step], planted.sizes)
    bars, silent = do("split_without_jump", seed=3)
    assert np.array_equal(silent.columns["close"], bars["close"])
    assert np.array_equal(silent.columns["split"][silent.row[1::2]], silent.sizes)


def test_spin_offs_take_their_part() -> None:
    for name in ("spin_off", "spin_off_forgotten"):
        bars, planted = do(name, seed=3, place=1)
        step = planted.row[1::2]
        ratio = planted.columns["close"] / bars["close"].to_numpy()
        assert np.allclose(1 - ratio[step] / ratio[step - 1], planted.sizes)
        if name == "spin_off":
            assert np.array_equal(planted.columns["adj_close"], bars["adj_close"])
            paid = bars["dividend"].to_numpy() > 0
            share = planted.columns["dividend"] / planted.columns["close"]
            assert np.allclose(share[paid], (bars["dividend"] / bars["close"])[paid])


def test_a_dividend_that_the_adjusted_close_does_not_know() -> None:
    bars, planted = do("dividend_not_adjusted", seed=3, place=3)  # Google paid none
    step = planted.row[1::2]
    assert np.array_equal(np.flatnonzero(planted.columns["dividend"]), step)
    share = planted.columns["dividend"][step] / planted.columns["close"][step - 1]
    assert np.allclose(share, planted.sizes)
    assert np.allclose(
        planted.columns["adj_close"] / planted.columns["close"], bars["adj_close"] / bars["close"]
    )


def test_adjusted_closes_that_drift() -> None:
    for name in ("adj_close_step", "adj_close_cell", "adj_close_of_old"):
        bars, planted = do(name, seed=3)
        assert all(np.array_equal(planted.columns[column], bars[column]) for column in PRICES)
        ratio = planted.columns["adj_close"] / bars["adj_close"].to_numpy()
        if name == "adj_close_step":
            step = planted.row[1::2]
            assert np.allclose(np.abs(ratio[step - 1] / ratio[step] - 1), planted.sizes)
        elif name == "adj_close_cell":
            assert np.allclose(np.abs(ratio[planted.row] - 1), planted.sizes)
        else:
            assert np.allclose(1 - ratio, planted.sizes[0])


# Slips


def test_digit_slips_keep_the_digits_but_one_or_change_two() -> None:
    for seed in range(10):
        bars, planted = do("digit_slip", seed)
        for row in planted.row:
            true, slip = f"{bars['close'].iloc[row]:.2f}", f"{planted.columns['close'][row]:.2f}"
            true = true.rjust(len(slip), "0") if len(slip) > len(true) else true
            slip = slip.rjust(len(true), "0")
            differ = [place for place in range(len(true)) if true[place] != slip[place]]
            assert 1 <= len(differ) <= 2
            if len(differ) == 2:
                assert sorted(true) == sorted(slip)
            assert (
                planted.columns["high"][row] >= planted.columns["close"][row] >= planted.columns["low"][row]
            )


def test_decimal_slips_and_lone_extremes() -> None:
    bars, planted = do("decimal_slip", seed=1)
    ratio = planted.columns["close"][planted.row] / bars["close"].to_numpy()[planted.row]
    assert np.allclose(np.abs(np.log10(ratio)), 1)
    high = planted.columns["high"]
    assert (high[planted.row] >= planted.columns["close"][planted.row]).all()
    for name, column, sign in (("bad_high", "high", 1), ("bad_low", "low", -1)):
        bars, planted = do(name, seed=1)
        ratio = planted.columns[column][planted.row] / bars[column].to_numpy()[planted.row]
        assert (sign * (ratio - 1) > 0.0099).all()
        usual = [Sheet(bars).usual(int(row)) for row in planted.row]
        assert np.allclose(planted.sizes, np.abs(ratio - 1) / usual)
