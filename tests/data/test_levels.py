"Pence, other currencies, other units of volume, other companies: found where they were planted, and nowhere else."

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.findings import make_table
from alphatwin.data.levels import (
    LEVEL_RULES,
    check_levels,
    currency_blocks,
    hundreds,
    off_by_100_blocks,
    overnight,
    reused_at,
    usual_jump,
    usual_size,
    volume_blocks,
)

Market = Callable[..., pd.DataFrame]
PRICES = ["open", "high", "low", "close"]
SHARES = ("AAPL", "IBM", "MSFT", "GOOG", "SPX", "IXIC")


def find(frame: pd.DataFrame) -> dict[str, set[int]]:
    "Rows at which each rule points."
    found: dict[str, set[int]] = {}
    for one in check_levels(make_table(frame)):
        if len(one.rows):
            found.setdefault(one.rule, set()).update(map(int, one.rows))
    return found


def scaled(bars: pd.DataFrame, rows: slice, factor: float, columns: list[str] | None = None) -> pd.DataFrame:
    spoilt = bars.copy()
    places = [spoilt.columns.get_loc(name) for name in (columns or PRICES) if name in spoilt]
    spoilt.iloc[rows, places] *= factor
    return spoilt


@lru_cache
def adjusted(symbol: str) -> pd.DataFrame:
    return at.load(symbol, adjust="all")


def year(symbol: str, number: int) -> pd.DataFrame:
    "A piece of 300 bars of a clean series."
    return adjusted(symbol).iloc[300 * number : 300 * number + 300]


def test_the_rules() -> None:
    assert [(rule.name, rule.severity, rule.later) for rule in LEVEL_RULES] == [
        ("price_off_by_100", "error", 5),
        ("currency_block", "warning", 74),
        ("volume_scale", "warning", 137),
        ("reused_symbol", "warning", 74),
    ]


def test_clean_series_are_left_alone() -> None:
    "All samples; what is accused is known by name."
    said = {symbol: find(at.load(symbol)) for symbol in at.samples()["symbol"]}
    said = {symbol: found for symbol, found in said.items() if found}
    assert {symbol: sorted(found) for symbol, found in said.items()} == {
        "BBY": ["currency_block"],
        "IXIC": ["volume_scale"],
        "MRK": ["currency_block"],
        "VIX": ["currency_block"],
        "WTI": ["currency_block"],
    }
    assert sum(len(rows) for found in said.values() for rows in found.values()) < 45


def test_half_days_have_a_low_volume_and_nobody_minds() -> None:
    for symbol in ("AAPL", "IBM", "MSFT", "GOOG", "SPX"):
        bars = at.load(symbol)
        half = [day for day in bars.index if (day.month, day.day) in ((12, 24), (7, 3), (12, 26))]
        assert not find(bars).get("volume_scale", set()) & {bars.index.get_loc(day) for day in half}


# -- hundreds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "powers"),
    [
        ([100, 101.2, 10150, 102, 101], [0, 0, 1, 0, 0]),
        ([10000, 101.2, 101.5, 102, 101], [1, 0, 0, 0, 0]),
        ([1.0, 101.2, 101.5, 102, 101], [-1, 0, 0, 0, 0]),
        ([100, 101.2, 1.015, 1.02, 101], [0, 0, -1, -1, 0]),
        ([100, 101.2, 101, 102, 10100], [0, 0, 0, 0, 1]),
        ([100, 101.2, 5.0, 4.9, 5.1], [0, 0, 0, 0, 0]),  # A crash by 95 %
        ([100, 101, 1010, 1020, 102], [0, 0, 0, 0, 0]),  # Ten is another rule's
        ([100, 101, 5000, 5100, 102], [0, 0, 0, 0, 0]),  # Fifty is nobody's
        ([100, 10000, 1.0, 101, 102], [0, 1, -1, 0, 0]),
        ([100, 100, 100, 3000, 3000, 300_000, 100, 100], [0] * 8),  # Of no level that is known: not judged
        ([100.0], [0]),
    ],
)
def test_powers_by_hand(prices: list[float], powers: list[int]) -> None:
    assert hundreds(np.array(prices, dtype=float)).tolist() == powers


@pytest.mark.parametrize(("factor", "off"), [(140, 0), (130, 1), (100, 1), (77, 1), (70, 0)])
def test_how_near_a_hundred_must_be(factor: float, off: int) -> None:
    assert hundreds(np.array([100.0, 100, 100, 100 * factor, 100, 100])).tolist() == [0, 0, 0, off, 0, 0]


def test_a_block_beside_a_crash_ends_where_it_ends() -> None:
    "Apple on 28 September 2000 in another unit: the next day the price halves by itself."
    bars = at.load("AAPL")["2000-06-22":"2001-06-30"]
    row = bars.index.get_loc("2000-09-28")
    for factor in (0.01, 100.0):
        spoilt = scaled(scaled(bars, slice(row, row + 1), factor), slice(row + 40, row + 43), 100.0)
        assert find(spoilt)["price_off_by_100"] == {row, row + 40, row + 41, row + 42}


def test_the_level_that_lasted_longer_is_the_usual_one() -> None:
    prices = np.r_[np.full(10, 100.0), np.full(40, 1.0)]
    off = hundreds(prices)
    assert off[:10].tolist() == [0] * 10 and off[10:15].tolist() == [-1] * 5 and not off[16:].any()


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=200))
def test_any_positive_prices_are_survived(prices: list[float]) -> None:
    off = hundreds(np.array(prices))
    assert len(off) == len(prices)


@given(
    symbol=st.sampled_from(SHARES),
    number=st.integers(0, 6),
    start=st.integers(0, 290),
    size=st.integers(1, 80),
    power=st.sampled_from([-1, 1]),
)
def test_pence_are_found_row_for_row(symbol: str, number: int, start: int, size: int, power: int) -> None:
    bars = year(symbol, number)
    start, size = (start, min(size, 300 - start)) if start > 80 else (start, min(size, max(1, start - 1), 5))
    if start in (1, 2):  # The first bars against as many others: only the next five can tell
        size = 1
    rows = set(range(start, start + size))
    spoilt = scaled(bars, slice(start, start + size), 100.0**power)
    blocks = off_by_100_blocks(make_table(spoilt))
    assert {int(row) for block in blocks for row in block.rows} == rows
    assert {block.column for block in blocks} == set(PRICES)
    for block in blocks:
        assert block.factor == 100.0**power
        assert not block.sure or (len(block.rows) <= 5 and 0 < start and start + size < 300)
        mended = spoilt[block.column].to_numpy()[block.rows] / block.factor
        np.testing.assert_allclose(mended, bars[block.column].to_numpy()[block.rows], rtol=1e-12)


@pytest.mark.parametrize("column", [*PRICES, "adj_close"])
def test_one_column_of_one_bar(column: str) -> None:
    bars = year("IBM", 3).assign(adj_close=lambda t: 0.7 * t["close"])
    spoilt = scaled(bars, slice(150, 151), 100.0, [column])
    (block,) = off_by_100_blocks(make_table(spoilt))
    assert (block.column, block.rows.tolist(), block.factor) == (column, [150], 100.0)
    assert block.sure and block.before == bars[column].iloc[149]
    (found,) = [one for one in check_levels(make_table(spoilt)) if one.rule == "price_off_by_100"]
    assert found.column == column and f"{spoilt[column].iloc[150]:g} is 100 x" in found.detail[0]


@pytest.mark.parametrize(("size", "sure"), [(1, True), (5, True), (6, False), (30, False)])
def test_short_blocks_that_came_back_are_sure(size: int, sure: bool) -> None:
    spoilt = scaled(year("IBM", 3), slice(100, 100 + size), 100.0)
    assert {block.sure for block in off_by_100_blocks(make_table(spoilt))} == {sure}
    assert {block.sure for block in off_by_100_blocks(make_table(spoilt[: 100 + size]))} == {False}


def test_how_long_a_sure_block_may_be_is_an_argument() -> None:
    spoilt = scaled(year("IBM", 3), slice(100, 110), 100.0)
    assert {block.sure for block in off_by_100_blocks(make_table(spoilt), longest=10)} == {True}


@pytest.mark.parametrize("rate", [90.0, 110.0, 125.0])
def test_a_price_in_yen_is_not_sure(rate: float) -> None:
    spoilt = scaled(year("IBM", 3), slice(100, 103), rate)
    assert {block.sure for block in off_by_100_blocks(make_table(spoilt))} == {False}
    assert find(spoilt)["currency_block"] == {100, 101, 102}


def test_a_price_in_pence_is_no_other_currency() -> None:
    assert set(find(scaled(year("IBM", 3), slice(100, 110), 100.0))) == {"price_off_by_100"}


# -- usual moves ------------------------------------------------------------------------------------------------------


def test_usual_sizes_by_hand() -> None:
    moves = np.array([0.0, 0.01, -0.03, 0.02, 0.0, -0.01, 0.04, -0.5])
    assert usual_size(moves, np.array([7, 3, 6])).tolist() == [0.02, np.inf, np.inf]
    assert usual_size(np.full(10, 1e-6), np.array([9])).tolist() == [0.002]  # No smaller than that
    assert usual_size(moves, np.empty(0, np.int64)).tolist() == []


def test_usual_sizes_look_back_only() -> None:
    moves = np.random.default_rng(0).normal(0, 0.01, 300)
    at_200 = usual_size(moves, np.array([200]))
    moves[200:] = 9.0
    assert usual_size(moves, np.array([200])) == at_200
    moves[:137] = 9.0
    assert usual_size(moves, np.array([200])) == at_200
    assert at_200 == pytest.approx(np.median(np.sort(np.abs(moves[137:200]))), rel=0.05)


def test_opens_that_repeat_the_close_leave_a_third_of_a_day() -> None:
    bars = year("IBM", 3).assign(open=lambda t: t["close"].shift(fill_value=t["open"].iloc[0]))
    gap, move = overnight(make_table(bars))
    here = np.array([200])
    assert not gap.any() and usual_jump(gap, move, here) == usual_size(move, here) / 3


def test_moves_overnight(market: Market) -> None:
    bars = market(3)
    gap, move = overnight(make_table(bars))
    np.testing.assert_allclose(np.exp(gap[1:]), bars["open"].to_numpy()[1:] / bars["close"].to_numpy()[:-1])
    np.testing.assert_allclose(np.exp(move[1:]), bars["close"].to_numpy()[1:] / bars["close"].to_numpy()[:-1])
    assert gap[0] == move[0] == 0
    gap, move = overnight(make_table(bars[["close"]]))
    assert np.array_equal(gap, move)


# -- recall -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "least"),
    [(1.1, 0.6), (1.2, 0.85), (1.35, 0.9), (1.5, 0.9), (1.8, 0.9), (7.8, 0.9), (110, 0.9)],
)
@pytest.mark.parametrize("closes", [False, True])
def test_blocks_in_another_currency(factor: float, least: float, closes: bool) -> None:
    rng = np.random.default_rng(int(10 * factor))
    exact = 0
    for _ in range(60):
        bars = year(SHARES[rng.integers(6)], int(rng.integers(0, 6)))
        start, size = int(rng.integers(70, 200)), int(rng.integers(1, 21))
        spoilt = scaled(bars, slice(start, start + size), factor ** float(rng.choice([-1, 1])))
        exact += find(spoilt[["close"]] if closes else spoilt).get("currency_block") == set(
            range(start, start + size)
        )
    assert exact / 60 >= (least - 0.35 if closes and factor < 1.2 else least - 0.1 if closes else least)


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "least"), [(10.0, 0.75), (100.0, 0.93), (1000.0, 0.93)])
@pytest.mark.parametrize("power", [-1, 1])
def test_volumes_in_another_unit(factor: float, least: float, power: int) -> None:
    rng = np.random.default_rng(int(factor) + power)
    found = wrong = 0
    for _ in range(80):
        bars = year(SHARES[rng.integers(6)], int(rng.integers(0, 6)))
        start, size = int(rng.integers(70, 180)), int(rng.integers(1, 100))
        said = find(scaled(bars, slice(start, start + size), factor**power, ["volume"])).get(
            "volume_scale", set()
        )
        rows = set(range(start, start + size))
        found, wrong = found + bool(said & rows), wrong + len(said - rows)
    assert found / 80 >= least and wrong < 110  # Of some 20,000 true rows


def test_a_change_of_volume_for_good_is_named_once() -> None:
    bars = at.load("IBM")["2004":"2006"]
    assert find(scaled(bars, slice(300, len(bars)), 0.01, ["volume"])) == {"volume_scale": {300}}


def test_an_unadjusted_split_is_no_matter_of_volume() -> None:
    bars = at.load("IBM")["2004":"2006"]
    split = scaled(scaled(bars, slice(300, len(bars)), 0.1), slice(300, len(bars)), 10.0, ["volume"])
    assert find(split) == {}
    reverse = scaled(scaled(bars, slice(300, len(bars)), 10.0), slice(300, len(bars)), 0.01, ["volume"])
    assert "volume_scale" not in find(reverse)


def test_tenfold_volume_with_a_wild_price_is_news() -> None:
    bars = at.load("IBM")["2004":"2006"]
    calm = scaled(bars, slice(300, 301), 10.0, ["volume"])
    wild = calm.copy()
    wild.iloc[300, wild.columns.get_loc("high")] *= 1.2
    assert find(calm) == {"volume_scale": {300}} and find(wild) == {}


def test_seams_between_two_companies() -> None:
    rng = np.random.default_rng(5)
    found = others = far = 0
    for _ in range(150):
        one, two = (year(SHARES[k], int(rng.integers(0, 6))) for k in rng.choice(6, 2, replace=False))
        seam = pd.concat([one[:150], two[150:]]).set_axis(one.index)
        step = abs(np.log(seam["open"].iloc[150] / seam["close"].iloc[149]))
        if step < np.log(2) or abs(step - np.log(100)) < 0.3:
            continue
        said = find(seam).get("reused_symbol", set())
        far, found, others = far + 1, found + (150 in said), others + len(said - {150})
    assert far > 80 and found / far > 0.75 and others <= 2


def test_a_seam_after_a_pause_needs_less_evidence() -> None:
    "Two histories of the same volume and pace, two and a half times apart."
    bars = year("IBM", 3)
    seam = scaled(bars, slice(150, 300), 2.5)
    seam.iloc[150:, 4] *= 1.9
    later = seam.index.to_numpy().copy()
    later[150:] += np.timedelta64(2000, "D")
    paused = seam.set_axis(pd.DatetimeIndex(later, name="time"), axis=0)
    assert find(seam).get("reused_symbol") is None and find(paused)["reused_symbol"] == {150}


def test_another_unit_for_good_is_a_seam() -> None:
    for symbol in SHARES:
        for row in (100, 150, 200):
            spoilt = scaled(year(symbol, 3), slice(row, 300), 1000.0)
            assert row in find(spoilt).get("reused_symbol", set()), (symbol, row)


def test_a_level_that_does_not_stay_is_no_seam() -> None:
    brief = scaled(scaled(year("IBM", 3), slice(150, 155), 3.3), slice(150, 300), 30.0, ["volume"])
    assert "reused_symbol" not in find(brief)


def test_the_edges_of_a_block_are_no_seams() -> None:
    spoilt = scaled(year("IBM", 3), slice(150, 200), 300.0)
    assert find(spoilt) == {"currency_block": set(range(150, 200))}


# -- what holds -------------------------------------------------------------------------------------------------------


def test_what_is_said_holds_once_enough_later_rows_are_known() -> None:
    rng = np.random.default_rng(2)
    later = {rule.name: rule.later for rule in LEVEL_RULES}
    for seed in range(24):
        bars = adjusted(SHARES[seed % 6]).iloc[60 * seed : 60 * seed + 700].copy()
        for start in (100, 300, 500):
            size, factor = int(rng.integers(1, 90)), float(rng.choice([100, 0.01, 1.3, 0.6, 10, 0.001]))
            columns = ["volume"] if rng.random() < 0.4 else PRICES
            bars = scaled(bars, slice(start, start + size), factor, columns)
        whole = find(bars)
        for cut in rng.integers(60, 690, 6):
            early = find(bars[:cut])
            for rule, wait in later.items():
                old, new = (
                    {row for row in said.get(rule, set()) if row < cut - wait} for said in (early, whole)
                )
                assert old == new, (seed, cut, rule)


@given(seed=st.integers(0, 30), factor=st.floats(1e-4, 1e4))
def test_the_unit_of_the_whole_table_is_nobodys_business(seed: int, factor: float) -> None:
    bars = scaled(year(SHARES[seed % 6], seed % 5), slice(100, 100 + seed), [100.0, 1.4, 0.5][seed % 3])
    assert find(scaled(bars, slice(None), factor)) == find(bars)


def test_rows_are_named_as_they_came() -> None:
    bars = scaled(scaled(year("IBM", 3), slice(100, 104), 100.0), slice(200, 220), 0.01, ["volume"])
    order = np.random.default_rng(0).permutation(len(bars))
    found = find(bars.iloc[order])
    assert {int(order[row]) for row in found["price_off_by_100"]} == {100, 101, 102, 103}
    assert {int(order[row]) for row in found["volume_scale"]} == set(range(200, 220))


@pytest.mark.parametrize("columns", [["close"], ["close", "volume"], ["open", "close"], ["volume"], []])
def test_tables_without_some_columns_pass(columns: list[str]) -> None:
    bars = scaled(year("IBM", 3), slice(100, 104), 100.0)[columns]
    assert ("price_off_by_100" in find(bars)) == ("close" in columns)


def test_prices_that_may_be_negative_are_not_judged_by_ratios() -> None:
    oil = pd.DataFrame(
        {"close": [18.3, -37.63, 10.0, 1000.0, 10.0]}, index=pd.bdate_range("2020-04-17", periods=5)
    )
    assert check_levels(make_table(oil, may_be_negative=True)) == []


@pytest.mark.parametrize("length", [0, 1, 2, 3, 22, 43])
def test_short_tables_pass(length: int, market: Market) -> None:
    bars = market(0, 60)[:length]
    view = make_table(bars)
    assert check_levels(view) == []
    if length:
        moves = overnight(view)
        assert currency_blocks(view, *moves) == volume_blocks(view, *moves) == reused_at(view, *moves) == []


def test_rows_that_cannot_be_used_are_stepped_over() -> None:
    bars = scaled(year("IBM", 3), slice(100, 104), 100.0)
    bars.iloc[[50, 102], 3] = np.nan, -1.0
    bars.iloc[60, 4] = np.nan
    assert find(bars) == {"price_off_by_100": {100, 101, 103}}


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_volumes_of_nothing_are_survived(volume: float) -> None:
    bars = year("IBM", 3).assign(volume=volume)
    assert find(bars) == {}
    assert find(scaled(bars, slice(150, 300), 3.3)) in ({}, {"reused_symbol": {150}})


@pytest.mark.parametrize(("factor", "says"), [(100.0, "divide it by 100"), (0.01, "multiply it by 100")])
def test_what_to_do_about_a_price_off_by_100_is_said_with_its_number(factor: float, says: str) -> None:
    bars = at.load("IBM", start="2005-01-01", end="2006-12-31")
    bars.iloc[100, :4] *= factor
    found = at.validate(bars, calendar="XNYS").findings
    detail = found[found["check"] == "price_off_by_100"]["detail"]
    assert len(detail) == 4 and detail.str.endswith(says).all()


def test_one_bar_is_not_called_a_block_of_another_currency() -> None:
    bars = at.load("IBM", start="2005-01-01", end="2006-12-31")
    bars.iloc[100, :4] *= 10
    found = at.validate(bars, calendar="XNYS").findings
    (detail,) = found[found["check"] == "currency_block"]["detail"]
    assert detail.startswith("one bar, perhaps with a slip of the pen, is 10 x the level of 76 before")
