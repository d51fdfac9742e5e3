"Splits, spin-offs and dividends: what the prices should know, what they know twice, and crashes that are neither."

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.actions import (
    ACTION_RULES,
    LARGE,
    check_actions,
    check_factor,
    check_splits,
    comes_back,
    looks_like_split,
    quiet_losses,
    ratio_name,
    read_story,
    sort_steps,
    split_days,
)
from alphatwin.data.catalogue import load_sample
from alphatwin.data.findings import make_table
from alphatwin.data.levels import overnight
from alphatwin.data.schema import to_bars

Market = Callable[..., pd.DataFrame]
PRICES = ["open", "high", "low", "close"]
SHARES = ("AAPL", "IBM", "MSFT", "GOOG", "SPX", "IXIC")
RATIOS = [1.5, 2.0, 3.0, 4.0, 7.0, 10.0, 20.0, 0.5, 0.2, 0.1]


def raw(symbol: str) -> pd.DataFrame:
    return to_bars(load_sample(symbol), keep=("adj_close",))


@lru_cache
def whole(symbol: str) -> pd.DataFrame:
    return at.load(symbol, adjust="all")[[*PRICES, "volume"]]


def clean(symbol: str, number: int) -> pd.DataFrame:
    "300 bars without any action in them, and columns that say so."
    bars = whole(symbol).iloc[300 * number : 300 * number + 300]
    bars.attrs = {}  # Nobody claims anything unless a test does
    return bars.assign(adj_close=bars["close"], split=1.0, dividend=0.0)


def find(frame: pd.DataFrame, adjust: str | None = None, mildest: str = "warning") -> dict[str, set[int]]:
    "Rows at which each rule points, infos left out."
    found: dict[str, set[int]] = {}
    for one in check_actions(make_table(frame, adjust=adjust)):
        if len(one.rows) and (one.severity != "info" or mildest == "info"):
            found.setdefault(one.rule, set()).update(map(int, one.rows))
    return found


def before(bars: pd.DataFrame, row: int, factor: float, columns: list[str] | None = None) -> pd.DataFrame:
    "Multiply what stands before a row."
    spoilt = bars.copy()
    spoilt.iloc[:row, [spoilt.columns.get_loc(name) for name in (columns or PRICES)]] *= factor
    return spoilt


def on(bars: pd.DataFrame, row: int, **values: float) -> pd.DataFrame:
    "Set some columns of a row."
    spoilt = bars.copy()
    for name, value in values.items():
        spoilt.iloc[row, spoilt.columns.get_loc(name)] = value
    return spoilt


def test_the_rules() -> None:
    assert [(rule.name, rule.severity, rule.later) for rule in ACTION_RULES] == [
        ("split_not_adjusted", "error", 64),
        ("split_adjusted_twice", "error", 64),
        ("spin_off", "warning", 64),
        ("dividend_not_adjusted", "error", 0),
        ("adjusted_close_drift", "error", 64),
    ]


# -- real series ------------------------------------------------------------------------------------------------------


def test_the_archive_is_clean_but_for_one_true_oddity() -> None:
    said = {symbol: find(raw(symbol)) for symbol in SHARES + ("FB",)}
    msft = raw("MSFT").index.get_loc("2004-11-15")
    assert said.pop("MSFT") == {"spin_off": {msft}} and not any(said.values())


def test_splits_that_adj_close_explains_are_only_told() -> None:
    for symbol, days in {"AAPL": ["2000-06-21", "2005-02-28"], "MSFT": ["2003-02-18"], "IBM": []}.items():
        bars = raw(symbol)
        said = [one for one in check_splits(read_story(make_table(bars)))]
        assert [f"{bars.index[one.rows[0]]:%Y-%m-%d}" for one in said] == days
        assert {one.severity for one in said} <= {"info"} and all(
            "as traded" in one.detail[0] for one in said
        )


@pytest.mark.parametrize(
    ("adjust", "severity"), [(None, "warning"), ("none", "warning"), ("splits", ""), ("all", "")]
)
def test_apples_splits_with_nothing_known_beside_the_prices(adjust: str | None, severity: str) -> None:
    bars = at.load("AAPL")
    said = check_splits(read_story(make_table(bars, adjust=adjust)))
    days = [f"{bars.index[one.rows[0]]:%Y-%m-%d}" for one in said]
    assert days == ["2000-06-21", "2005-02-28"]  # And not 2000-09-29, when it fell by 52 %
    assert {(one.rule, one.column, one.severity) for one in said} == {
        ("split_not_adjusted", "close", severity)
    }
    assert "split 2:1, close goes from 88.99 to 44.86" in said[1].detail[0]


def test_all_other_samples() -> None:
    said = {symbol: find(at.load(symbol)) for symbol in at.samples()["symbol"] if symbol not in SHARES}
    assert {symbol: list(found) for symbol, found in said.items() if found} == {
        "WTI": ["split_not_adjusted"],
        "AAPL_LONG": ["split_not_adjusted"],
        "BBY": ["split_not_adjusted"],
    }


def test_crashes_are_no_splits() -> None:
    for symbol, day in (
        ("SPX_LONG", "1987-10-19"),
        ("SPX", "2008-10-15"),
        ("SPX", "2001-09-17"),
        ("GOOG", "2008-04-18"),
    ):
        bars = at.load(symbol)
        assert not find(bars.loc[: pd.Timestamp(day) + pd.Timedelta(days=120)])


def test_microsofts_special_dividend_to_the_cent() -> None:
    bars = raw("MSFT")
    (found,) = [one for one in check_factor(read_story(make_table(bars))) if one.rule == "spin_off"]
    assert found.detail == ["adj_close shows 3.08 handed out, 11.2% of the close"]
    named = bars.assign(dividend=np.where(bars.index == "2004-11-15", 3.08, 0.0))[:"2005-01-31"]
    named = named["2004-09-01":]
    assert find(named) == {}
    alone = at.load("MSFT")
    assert [f"{alone.index[bar]:%Y-%m-%d}" for bar in quiet_losses(read_story(make_table(alone)))] == [
        "2004-11-15"
    ]


def test_an_archive_that_was_adjusted_later_is_told_so() -> None:
    said = check_factor(read_story(make_table(raw("AAPL"))))
    (end,) = [one for one in said if one.severity == "info" and len(one.rows)]
    assert (
        end.rows.tolist() == [3269]
        and end.rule == "adjusted_close_drift"
        and "0.1304 x close" in end.detail[0]
    )
    assert not [one for one in check_factor(read_story(make_table(raw("FB")))) if len(one.rows)]


# -- splits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("adjust", [None, "none", "splits", "all"])
def test_a_listed_split_is_judged_by_what_the_prices_claim(ratio: float, adjust: str | None) -> None:
    for symbol in ("IBM", "SPX"):
        listed = on(clean(symbol, 3), 150, split=ratio)
        jump, twice = before(listed, 150, ratio), before(listed, 150, 1 / ratio)
        claims = adjust in ("splits", "all")
        assert find(jump, adjust) == ({"split_not_adjusted": {150}} if claims else {})
        assert find(jump, adjust, "info") == {"split_not_adjusted": {150}}
        assert find(listed, adjust) == ({"split_adjusted_twice": {150}} if adjust == "none" else {})
        no_factor = twice.drop(columns="adj_close")
        assert find(no_factor, adjust) == {"split_adjusted_twice": {150}}


@pytest.mark.parametrize("ratio", RATIOS)
def test_adj_close_that_forgot_a_split_or_counted_it_twice(ratio: float) -> None:
    listed = on(before(clean("IBM", 3), 150, ratio), 150, split=ratio)  # As traded, adj_close is right
    assert find(listed, "none") == {}
    forgot = listed.assign(adj_close=listed["close"])
    twice = before(listed, 150, 1 / ratio, ["adj_close"])
    for spoilt, rule in ((forgot, "split_not_adjusted"), (twice, "split_adjusted_twice")):
        assert find(spoilt, "none") == {rule: {150}}
        said = [
            one
            for one in check_splits(read_story(make_table(spoilt, adjust="none")))
            if one.severity != "info"
        ]
        assert [one.column for one in said] == ["adj_close"]


@pytest.mark.parametrize("ratio", [2.0, 4.0, 0.1])
def test_adj_close_that_was_split_and_close_was_not(ratio: float) -> None:
    "Nobody lists a split, close shows none, and adj_close jumps."
    bars = clean("IBM", 3).drop(columns=["split", "dividend"])
    assert find(before(bars, 150, 1 / ratio, ["adj_close"])) == {"split_adjusted_twice": {150}}


@pytest.mark.parametrize(("columns", "least"), [([*PRICES, "volume"], 0.9), (["close"], 0.85)])
def test_splits_that_nobody_lists(columns: list[str], least: float) -> None:
    rng = np.random.default_rng(7)
    found = others = 0
    for _ in range(150):
        bars = clean(SHARES[rng.integers(6)], int(rng.integers(0, 6)))[columns]
        row = int(rng.integers(80, 280))
        prices = [name for name in PRICES if name in bars]
        said = find(before(bars, row, float(rng.choice(RATIOS)), prices))
        found += row in said.get("split_not_adjusted", set())
        others += sum(len(rows - {row}) for rows in said.values())
    assert found / 150 >= least and others <= 8  # Of closes alone, Apple's crash is one


def test_a_split_of_five_for_four_needs_to_be_listed() -> None:
    bars = before(clean("SPX", 3), 150, 1.25)
    assert find(on(bars, 150, split=1.25), "splits") == {"split_not_adjusted": {150}}
    assert "split_not_adjusted" not in find(bars[[*PRICES, "volume"]], "splits")


@pytest.mark.parametrize("size", [1, 5, 40, 60])
@pytest.mark.parametrize("factor", [1.5, 2.0, 0.5, 10.0])
def test_a_block_that_comes_back_is_no_split(size: int, factor: float) -> None:
    bars = clean("IBM", 3)[[*PRICES, "volume"]]
    bars.iloc[150 : 150 + size, :4] *= factor
    assert find(bars) == {}


def test_a_slip_in_one_close_is_no_split() -> None:
    bars = clean("IBM", 3)[[*PRICES, "volume"]]
    for factor in (0.1, 0.5, 2.0, 10.0):
        assert find(on(bars, 150, close=bars["close"].iloc[150] * factor)) == {}


def test_a_fall_by_half_that_goes_on_all_day_is_a_crash() -> None:
    bars = before(clean("IBM", 3), 150, 2.0)[[*PRICES, "volume"]]
    lower = before(bars, 150, 1 / 0.8)
    lower.iloc[150, lower.columns.get_loc("open")] /= 0.8
    assert find(bars) == {"split_not_adjusted": {150}} and "split_not_adjusted" not in find(lower)


def test_a_fall_by_half_that_is_made_good_within_a_month_is_none() -> None:
    bars = before(clean("SPX", 3), 150, 2.0)[["close"]]
    rising = bars * np.r_[np.ones(162), 1.08 ** np.arange(1, 9), np.full(130, 1.08**8)][:, None]
    assert find(bars) == {"split_not_adjusted": {150}} and find(rising) == {}


@pytest.mark.parametrize("adjust", ["none", "splits"])
def test_a_ratio_too_small_to_be_seen_is_not_judged(adjust: str) -> None:
    assert find(on(clean("AAPL", 1), 150, split=1.01), adjust) == {}


def test_adj_close_that_counted_an_unlisted_split_twice() -> None:
    bars = before(clean("IBM", 3).drop(columns=["split", "dividend"]), 150, 2.0)
    assert find(before(bars, 150, 0.5, ["adj_close"])) == {"split_adjusted_twice": {150}}


def test_wild_days_after_a_fall_by_half_speak_of_a_crash() -> None:
    bars = before(clean("SPX", 3), 150, 2.0)[["close"]]
    rng = np.random.default_rng(0)
    wild = bars.copy()
    wild.iloc[151:170, 0] *= 1 + rng.normal(0, 0.06, 19)
    assert find(bars) == {"split_not_adjusted": {150}} and find(wild) == {}


@pytest.mark.parametrize(
    ("ratio", "name"),
    [(2, "2:1"), (1.5, "3:2"), (0.1, "1:10"), (7, "7:1"), (1.25, "5:4"), (0.05, "1:20"), (4 / 3, "4:3")],
)
def test_ratios_have_names(ratio: float, name: str) -> None:
    assert ratio_name(float(np.log(ratio))) == name


def test_a_way_back_by_hand() -> None:
    gap = np.zeros(200)
    gap[[50, 90]] = 0.7, -0.69
    move = gap.copy()
    assert comes_back(gap, move, 50, 0.01) and comes_back(gap, move, 90, 0.01)
    assert not comes_back(gap, move, 50, 0.01, reach=30)
    gap[90] = move[90] = -0.5
    assert not comes_back(gap, move, 50, 0.01)


def test_splits_are_gathered_once_in_order() -> None:
    bars = on(before(before(clean("IBM", 3), 200, 2.0), 100, 3.0), 200, split=2.0)
    days = split_days(read_story(make_table(bars)))
    assert {day: round(float(np.exp(step)), 9) for day, step in days.items()} == {100: 3.0, 200: 2.0}
    assert list(days) == [100, 200]
    assert split_days(read_story(make_table(on(clean("IBM", 3), 0, split=2.0)))) == {}


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, -2.0, np.inf])
def test_days_without_a_split_have_many_spellings(value: float) -> None:
    bars = clean("IBM", 3).assign(split=value)
    assert find(bars, "none") == {}


# -- distributions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.05, 0.12, 0.2, 0.4])
def test_a_part_that_is_handed_out(part: float) -> None:
    bars = clean("IBM", 4)
    handed = before(bars, 150, 1 / (1 - part))  # adj_close knows, no column names it
    assert find(handed, "none") == {"spin_off": {150}}
    paid = part * handed["close"].iloc[149]
    assert find(on(handed, 150, dividend=paid), "none") == {}
    assert find(on(handed, 150, split=1 / (1 - part)), "none").get("spin_off") is None


def test_a_part_that_is_handed_out_and_nobody_says_so() -> None:
    rng = np.random.default_rng(3)
    found = others = 0
    for _ in range(120):
        bars = clean(SHARES[rng.integers(6)], int(rng.integers(0, 6)))[[*PRICES, "volume"]]
        row = int(rng.integers(80, 280))
        said = find(before(bars, row, 1 / (1 - rng.uniform(0.1, 0.45))))
        found += row in said.get("spin_off", set())
        others += sum(len(rows - {row}) for rows in said.values())
    assert found / 120 > 0.65 and others == 0


def test_bad_news_come_with_volume() -> None:
    bars = clean("IBM", 4)[[*PRICES, "volume"]]
    fell = before(bars, 150, 1 / 0.85)
    usual = float(fell["volume"].iloc[129:150].median())
    assert find(on(fell, 150, volume=usual)) == {"spin_off": {150}}
    assert find(on(fell, 150, volume=2 * usual)) == {}
    assert find(fell.drop(columns="volume")) == find(fell.drop(columns="open")) == {}
    lower = before(on(fell, 150, volume=usual), 150, 1 / 0.85)
    assert find(on(lower, 150, open=fell["open"].iloc[150] / 0.85)) == {}  # It went on falling all day


def test_a_loss_of_five_per_cent_is_an_ordinary_night_in_a_wild_market(market: Market) -> None:
    wild = [market(seed, 300) for seed in range(25)]
    for bars in [*wild, clean("SPX", 2)[[*PRICES, "volume"]]]:
        night = float(np.log(bars["open"].iloc[150] / bars["close"].iloc[149]))
        fell = before(bars, 150, float(np.exp(0.052 + night)))
        fell = on(fell, 150, volume=float(bars["volume"].iloc[129:150].median()))
        assert find(fell) == ({} if any(bars is one for one in wild) else {"spin_off": {150}})


def test_a_loss_that_is_made_good_within_a_month_is_no_distribution() -> None:
    bars = before(clean("IBM", 4), 150, 1 / 0.92)[[*PRICES, "volume"]]
    bars = on(bars, 150, volume=float(bars["volume"].iloc[129:150].median()))
    rising = bars.copy()
    rising[PRICES] *= np.r_[np.ones(161), 1.02 ** np.arange(1, 9), np.full(131, 1.02**8)][:, None]
    assert find(bars) == {"spin_off": {150}} and find(rising) == {}


def test_a_listed_dividend_explains_a_quiet_loss() -> None:
    bars = before(clean("IBM", 4), 150, 1 / 0.85).drop(columns="adj_close")
    bars = on(bars, 150, volume=float(bars["volume"].iloc[129:150].median()))
    assert find(bars) == {"spin_off": {150}}
    assert find(on(bars, 150, dividend=0.15 * bars["close"].iloc[149])) == {}


# -- adj_close --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0005, 0.002, 0.01, 0.05])
@pytest.mark.parametrize("digits", [None, 6, 4])
def test_dividends_that_adj_close_ignores(share: float, digits: int | None) -> None:
    bars = clean("MSFT", 4)
    paid = on(bars, 150, dividend=share * bars["close"].iloc[149])
    right = before(paid, 150, 1 - share, ["adj_close"])
    if digits:
        paid, right = paid.round({"adj_close": digits}), right.round({"adj_close": digits})
    assert find(paid, "none") == {"dividend_not_adjusted": {150}}
    assert find(right, "none") == {}


def test_a_dividend_below_the_rounding_is_not_missed() -> None:
    bars = clean("MSFT", 4)
    tiny = on(bars, 150, dividend=2e-5 * bars["close"].iloc[149]).round(
        dict.fromkeys([*PRICES, "adj_close"], 2)
    )
    assert find(tiny, "none") == {}


@pytest.mark.parametrize("ratio", [1.05, 1.1, 1.25])
def test_exact_ratios_in_adj_close_are_splits_that_nobody_lists(ratio: float) -> None:
    bars = clean("IBM", 4).drop(columns=["split", "dividend"])
    assert find(before(bars, 150, ratio)) == {}
    assert set(find(before(bars, 150, ratio + 0.03))) <= {"spin_off"}


def test_a_quiet_loss_that_adj_close_knows_may_be_a_dividend() -> None:
    bars = clean("IBM", 4).drop(columns=["split", "dividend"])
    bars = on(bars, 150, volume=float(bars["volume"].iloc[129:150].median()))
    fell = before(bars, 150, 1 / 0.92)
    assert find(fell) == {} and find(fell.drop(columns="adj_close")) == {"spin_off": {150}}


def test_both_formulas_of_vendors_are_right() -> None:
    bars = clean("IBM", 4)
    for paid in (0.5, 5.0):
        close = bars["close"].iloc[150]
        listed = on(bars, 150, dividend=paid)
        fell = before(listed, 150, 1 + paid / close)
        yahoo = before(fell, 150, 1 - paid / fell["close"].iloc[149], ["adj_close"]).assign()
        wiki = before(fell, 150, 1.0, ["adj_close"])
        for one in (
            yahoo.assign(
                adj_close=yahoo["close"].where(
                    yahoo.index >= yahoo.index[150], yahoo["close"] * (1 - paid / fell["close"].iloc[149])
                )
            ),
            wiki,
        ):
            assert find(one, "none") == {}


@pytest.mark.parametrize("factor", [0.9, 0.99, 0.9995, 1.0005, 1.03, 1.13])
@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("named", [True, False])
def test_a_block_of_wrong_adjusted_closes(factor: float, size: int, named: bool) -> None:
    bars = clean("IBM", 4)
    bars.iloc[150 : 150 + size, bars.columns.get_loc("adj_close")] *= factor
    if not named:
        bars = bars.drop(columns=["split", "dividend"])
    assert find(bars, "none") == {"adjusted_close_drift": set(range(150, 150 + size))}


@pytest.mark.parametrize("factor", [0.9, 0.999, 1.001, 1.08, 1.13])
def test_a_step_of_the_factor(factor: float) -> None:
    stepped = before(clean("IBM", 4), 150, factor, ["adj_close"])
    assert find(stepped, "none") == {"adjusted_close_drift": {150}}
    alone = find(stepped.drop(columns=["split", "dividend"]))
    assert alone == (
        {} if factor in (0.999,) else {"adjusted_close_drift": {150}}
    )  # A rise may be a dividend


@pytest.mark.parametrize("pace", [1e-4, -1e-4, 1e-3])
def test_a_factor_that_creeps(pace: float) -> None:
    bars = clean("IBM", 4).drop(columns=["split", "dividend"])
    bars["adj_close"] *= np.exp(pace * np.maximum(np.arange(300) - 150, 0))
    assert find(bars)["adjusted_close_drift"] == set(range(151, 300))


def test_weekly_and_monthly_payers_do_not_creep() -> None:
    bars = clean("IBM", 4).drop(columns=["split", "dividend"])
    for every in (5, 21):
        paid = np.arange(300) % every == 0
        assert (
            find(bars.assign(adj_close=bars["close"] * np.exp(0.004 * (np.cumsum(paid) - paid.sum())))) == {}
        )


def test_rounding_is_no_drift() -> None:
    for symbol in ("AAPL", "IBM", "MSFT"):
        bars = raw(symbol)
        clean_rules = find(bars)
        for digits in (2, 4, 6):
            assert find(bars.round({"adj_close": digits})) == clean_rules


def test_steps_by_hand() -> None:
    steps = np.array([0, 0.002, 0, 0, 0.03, 0, -0.03, 0, 0, -0.01, 0, 0, 0.12, 0, 0.12])
    fell = np.arange(15) == 12
    wrong, large = sort_steps(steps, fell, may_rise=True)
    assert np.flatnonzero(wrong).tolist() == [4, 5, 9, 14] and np.flatnonzero(large).tolist() == [12]
    wrong, large = sort_steps(steps, fell, may_rise=False)
    assert np.flatnonzero(wrong).tolist() == [1, 4, 5, 9, 14] and LARGE < 0.12


def test_missing_adjusted_closes_are_stepped_over() -> None:
    bars = clean("IBM", 4)
    bars.iloc[[10, 11, 299], bars.columns.get_loc("adj_close")] = np.nan, 0.0, -1.0
    assert find(bars, "none") == {}


# -- what holds -------------------------------------------------------------------------------------------------------


def test_what_is_said_holds_once_enough_later_rows_are_known() -> None:
    rng = np.random.default_rng(4)
    later = {rule.name: rule.later for rule in ACTION_RULES}
    for seed in range(20):
        bars = clean(SHARES[seed % 6], seed % 6)
        for row in (90, 170, 250):
            kind, ratio = rng.integers(0, 5), float(rng.choice(RATIOS))
            if kind == 0:
                bars = before(bars, row, ratio)
            elif kind == 1:
                bars = on(bars, row, split=ratio)
            elif kind == 2:
                bars.iloc[row : row + 9, bars.columns.get_loc("adj_close")] *= 1.02
            elif kind == 3:
                bars = before(bars, row, 1.25)
            else:
                bars.iloc[row : row + 30, :4] *= ratio
        if seed % 2:
            bars = bars.drop(columns=["split", "adj_close"])
        final = find(bars, "none", "info")
        for cut in rng.integers(70, 299, 6):
            early = find(bars[:cut], "none", "info")
            for rule, wait in later.items():
                old, new = (
                    {row for row in said.get(rule, set()) if row < cut - 1 - wait} for said in (early, final)
                )
                assert old == new, (seed, cut, rule)


@given(seed=st.integers(0, 40), power=st.integers(-8, 8))
def test_the_unit_of_the_whole_table_is_nobodys_business(seed: int, power: int) -> None:
    bars = before(clean(SHARES[seed % 6], seed % 5), 150, [2.0, 0.85, 1.0][seed % 3])
    scaled = bars.copy()
    scaled[[*PRICES, "adj_close", "dividend"]] *= 2.0**power
    assert find(scaled, "none") == find(bars, "none")


def test_rows_are_named_as_they_came() -> None:
    bars = on(before(clean("IBM", 3), 150, 2.0), 150, split=2.0)
    order = np.random.default_rng(0).permutation(len(bars))
    assert {int(order[row]) for row in find(bars.iloc[order], "splits")["split_not_adjusted"]} == {150}


@pytest.mark.parametrize(
    "columns", [["close"], ["close", "split"], ["close", "adj_close"], ["open", "volume"], []]
)
def test_tables_without_some_columns_pass(columns: list[str]) -> None:
    bars = on(before(clean("IBM", 3), 150, 2.0), 150, split=2.0)[columns]
    assert ("split_not_adjusted" in find(bars, "splits")) == ("close" in columns)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 22])
def test_short_tables_pass(length: int, market: Market) -> None:
    bars = market(0, 60)
    bars = bars.assign(adj_close=bars["close"], split=1.0, dividend=0.0)[:length]
    assert find(bars, "none", "info") == {}


def test_prices_that_may_be_negative_are_not_judged_by_ratios() -> None:
    oil = pd.DataFrame(
        {"close": [18.3, -37.63, 10.0, 5.0, 5.0]}, index=pd.bdate_range("2020-04-17", periods=5)
    )
    assert check_actions(make_table(oil, may_be_negative=True)) == []


@given(seed=st.integers(0, 10_000))
def test_random_markets_have_no_actions(market: Market, seed: int) -> None:
    bars = market(seed, 300)
    assert looks_like_split(*overnight(make_table(bars))) == {} and find(bars) == {}


@pytest.mark.parametrize("calendar", ["XNYS", None])
def test_a_hole_explains_what_it_hides(calendar: str | None) -> None:
    bars = at.load("IBM", start="2005-01-01", end="2006-12-31")
    prices = ["open", "high", "low", "close"]
    fallen = bars.copy()
    fallen.loc[fallen.index[160] :, prices] *= 0.9 * bars["close"].iloc[159] / bars["open"].iloc[160]
    found = at.validate(fallen, calendar=calendar).findings
    assert found[found["check"] == "spin_off"]["time"].tolist() == [bars.index[160]]
    for first, hidden in ((157, False), (153, True), (100, True)):  # Five days with a weekend are no hole
        holed = bars.drop(bars.index[first:160])
        holed.loc[bars.index[160] :, prices] *= 0.9 * bars["close"].iloc[first - 1] / bars["open"].iloc[160]
        found = at.validate(holed, calendar=calendar).findings
        assert (found["check"] == "spin_off").any() == (not hidden)
