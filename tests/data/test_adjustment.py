"Splits and dividends: golden numbers, two vendors' rules, what must hold on any history, and what is refused."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.data.adjustment import (
    adjust_dividends,
    adjust_prices,
    adjust_splits,
    later_dividends,
    later_splits,
)
from alphatwin.data.catalogue import load_sample

Refusal = Callable[..., str]
PRICES = ["open", "high", "low", "close"]

# What the companies declared, by hand: IBM's quarterly dividends by year (dollars a share), in the order paid.
IBM = {
    **{2000: [0.13] * 3, 2001: [0.13] + [0.14] * 3, 2002: [0.14] + [0.15] * 3, 2003: [0.15] + [0.16] * 3},
    **{2004: [0.16] + [0.18] * 3, 2005: [0.18] + [0.20] * 3, 2006: [0.20] + [0.30] * 3},
    **{2007: [0.30] + [0.40] * 3, 2008: [0.40] + [0.50] * 3, 2009: [0.50] + [0.55] * 3},
    **{2010: [0.55] + [0.65] * 3, 2011: [0.65] + [0.75] * 3, 2012: [0.75] + [0.85] * 3, 2013: [0.85]},
}


def days(count: int, first: str = "2005-02-24") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.bdate_range(first, periods=count, name="time"), freq=None)


@pytest.fixture
def four() -> pd.DataFrame:
    "Apple's four days around its split of 28 February 2005, with an invented dividend before and on the split."
    bars = at.load("AAPL", start="2005-02-24", end="2005-03-01")
    return bars.assign(split=[0.0, 0.0, 2.0, 0.0], dividend=[0.0, 0.6, 0.4, 0.0])


# Splits


def test_later_splits_by_hand() -> None:
    split = pd.Series([2.0, 0.0, 3.0, np.nan, 0.5, 1.0])
    assert later_splits(split).tolist() == [1.5, 1.5, 0.5, 0.5, 1.0, 1.0]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 0.1, 1.5]), min_size=1, max_size=30))
def test_later_splits_are_the_product_of_what_comes_later(ratios: list[float]) -> None:
    got = later_splits(pd.Series(ratios))
    for place in range(len(ratios)):
        slow = 1.0
        for ratio in ratios[:place:-1]:
            slow *= ratio or 1.0
        assert got[place] == slow


def test_the_day_of_the_split_already_trades_in_new_shares(four: pd.DataFrame) -> None:
    out = adjust_splits(four)
    for name in PRICES:
        np.testing.assert_array_equal(out[name], four[name] / [2, 2, 1, 1])
    np.testing.assert_array_equal(out["volume"], four["volume"] * [2, 2, 1, 1])
    np.testing.assert_array_equal(out["dividend"], [0.0, 0.3, 0.4, 0.0])
    assert (out["split"] == 1.0).all()
    at.check_bars(out)


def test_a_reverse_split_makes_the_past_dearer() -> None:
    out = adjust_splits(pd.DataFrame({"close": [2.0, 20.0], "split": [1.0, 0.1]}, index=days(2)))
    assert out["close"].tolist() == [20.0, 20.0]


@pytest.mark.parametrize("again", [adjust_splits, adjust_dividends])
def test_adjusting_twice_changes_nothing(four: pd.DataFrame, again: Callable[..., pd.DataFrame]) -> None:
    once = again(four)
    pd.testing.assert_frame_equal(again(once), once)
    both = adjust_dividends(adjust_splits(four))
    pd.testing.assert_frame_equal(adjust_dividends(adjust_splits(both)), both)


def test_the_note_on_the_table_says_what_the_prices_are(four: pd.DataFrame) -> None:
    assert four.attrs["adjust"] == "none"
    splits = adjust_splits(four)
    assert splits.attrs["adjust"] == "splits" and splits.attrs["symbol"] == "AAPL"
    assert adjust_dividends(splits).attrs["adjust"] == "all"
    assert adjust_dividends(four).attrs["adjust"] == "none"  # The split is still in it
    assert adjust_dividends(four.drop(columns="split")).attrs["adjust"] == "all"
    assert four.attrs["adjust"] == "none"


def test_unknown_columns_and_the_own_table_are_left_alone(four: pd.DataFrame) -> None:
    before = four.assign(adj_close=7.0).copy()
    given_bars = before.copy()
    for call in (adjust_splits, adjust_dividends):
        assert (call(given_bars)["adj_close"] == 7.0).all()
        pd.testing.assert_frame_equal(given_bars, before)


# Dividends


def test_both_rules_by_hand() -> None:
    bars = pd.DataFrame({"close": [50.0, 49.49], "dividend": [0.0, 1.0]}, index=days(2))
    assert adjust_dividends(bars)["close"].tolist() == [50.0 * (1 - 1 / 50), 49.49]
    assert adjust_dividends(bars, "close")["close"].tolist() == [50.0 * (49.49 / 50.49), 49.49]
    # The second rule's return is the owner's.
    assert adjust_dividends(bars, "close")["close"].pct_change().iloc[1] == pytest.approx(
        (49.49 + 1) / 50 - 1
    )


def test_yahoos_own_example() -> None:
    "Microsoft in February 2003, as worked out on Yahoo's help page: 23.42, 24.07, 24.88, 24.53."
    bars = pd.DataFrame(
        {"close": [46.99, 48.30, 24.96, 24.53], "split": [0, 0, 2.0, 0], "dividend": [0, 0, 0, 0.08]},
        index=pd.DatetimeIndex(["2003-02-13", "2003-02-14", "2003-02-18", "2003-02-19"], name="time"),
    )
    assert adjust_prices(bars, "all", "MSFT")["close"].round(2).tolist() == [23.42, 24.07, 24.88, 24.53]


def test_a_dividend_on_the_day_of_a_split_is_paid_on_new_shares() -> None:
    # One share at 100; two for one, and 1 dollar on each new share; the close is 49: nothing was won or lost.
    bars = pd.DataFrame({"close": [100.0, 49.0], "split": [0.0, 2.0], "dividend": [0.0, 1.0]}, index=days(2))
    for rule in ("before", "close"):
        for steps in ((adjust_splits, adjust_dividends), (adjust_dividends, adjust_splits)):
            table = bars
            for step in steps:
                table = step(table, rule) if step is adjust_dividends else step(table)
            assert table["close"].tolist() == pytest.approx([49.0, 49.0], rel=1e-12), (rule, steps)


def test_volume_is_not_touched_by_dividends_and_all_prices_keep_their_shape(four: pd.DataFrame) -> None:
    out = adjust_dividends(four)
    np.testing.assert_array_equal(out["volume"], four["volume"])
    for name in PRICES:
        np.testing.assert_allclose(out[name] / out["close"], four[name] / four["close"], rtol=1e-14)
    assert (out["dividend"] == 0.0).all() and out["split"].equals(four["split"])


def test_a_dividend_on_the_first_day_changes_nothing() -> None:
    for rule in ("before", "close"):
        bars = pd.DataFrame({"close": [10.0, 11.0], "dividend": [0.5, 0.0]}, index=days(2))
        assert adjust_dividends(bars, rule)["close"].tolist() == [10.0, 11.0]


def test_a_missing_price_matters_only_where_a_dividend_needs_it(four: pd.DataFrame) -> None:
    for rule in ("before", "close"):
        out = adjust_dividends(four.assign(close=[88.0, 89.0, 44.0, np.nan]), rule)
        whole = adjust_dividends(four.assign(close=[88.0, 89.0, 44.0, 45.0]), rule)
        pd.testing.assert_frame_equal(out.iloc[:3], whole.iloc[:3], check_exact=True)


def test_a_missing_dividend_is_none(four: pd.DataFrame) -> None:
    holes = four.assign(dividend=[np.nan, 0.6, 0.4, np.nan], split=[np.nan, 1.0, 2.0, 0.0])
    pd.testing.assert_frame_equal(
        adjust_dividends(adjust_splits(holes)), adjust_dividends(adjust_splits(four)), check_exact=True
    )


# Real numbers


def events(symbol: str) -> pd.DataFrame:
    "The closes of a sample with the splits and the dividends behind the vendor's adjusted close, unrounded."
    table = load_sample(symbol)
    close, ratio = table["Close"], table["Adj Close"] / table["Close"]
    step = (ratio.shift() / ratio).fillna(1.0)
    split = (1 / step).where(step < 0.6, 1.0).round(9)
    paid = (close / step - close).where((split == 1.0) & (step < 1 - 1e-9), 0.0)
    bars = pd.DataFrame({"close": close, "split": split, "dividend": paid})
    return bars.assign(adj_close=table["Adj Close"]).rename_axis("time")


def test_ibms_dividends_are_what_ibm_declared() -> None:
    paid = events("IBM")["dividend"]
    paid = paid[paid > 0]
    found = {int(year): part.round(6).tolist() for year, part in paid.groupby(paid.index.year)}
    assert found == IBM


def test_microsofts_special_dividend() -> None:
    bars = events("MSFT")
    assert bars.loc["2004-11-15", "dividend"] == pytest.approx(3.08, abs=1e-9)
    assert bars["split"][bars["split"] != 1.0].to_dict() == {pd.Timestamp("2003-02-18"): 2.0}


@pytest.mark.parametrize(("symbol", "before"), [("MSFT", 0.00199), ("IBM", 0.00039), ("AAPL", 0.00017)])
def test_from_whole_cents_to_the_vendors_adjusted_close(symbol: str, before: float) -> None:
    bars = events(symbol)
    vendor = bars["adj_close"] / bars["adj_close"].iloc[-1] * bars["close"].iloc[-1]
    bars["dividend"] = bars["dividend"].round(2)
    ours = {rule: adjust_dividends(adjust_splits(bars), rule)["close"] for rule in ("before", "close")}
    assert (ours["close"] / vendor - 1).abs().max() < 1e-11
    # The other rule is another convention, and not far away.
    assert (ours["before"] / vendor - 1).abs().max() == pytest.approx(before, rel=0.02)


def test_without_an_adjusted_close_splits_and_dividends_do_the_same() -> None:
    bars = events("AAPL")
    with_vendor = adjust_prices(bars, "all", "AAPL")["close"].pct_change().dropna()
    without = adjust_prices(bars.drop(columns="adj_close"), "all", "AAPL")["close"].pct_change().dropna()
    assert (with_vendor - without).abs().max() < 5e-4  # Ex-dates differ by rule, all other days are the same
    plain = bars["dividend"].iloc[1:] == 0
    assert (with_vendor - without)[plain].abs().max() < 1e-12


# All at once


def test_the_vendors_adjusted_close_comes_first(four: pd.DataFrame) -> None:
    table = four.assign(adj_close=[44.0, 44.5, 44.86, 44.5])
    bars = adjust_prices(table, "all", "AAPL")
    np.testing.assert_allclose(bars["close"], table["adj_close"], rtol=1e-14)
    np.testing.assert_allclose(bars["high"] / bars["close"], table["high"] / table["close"], rtol=1e-14)
    np.testing.assert_array_equal(bars["volume"], table["volume"] * [2, 2, 1, 1])
    assert (bars["split"] == 1.0).all() and (bars["dividend"] == 0.0).all() and "adj_close" not in bars


def test_with_an_adjusted_close_alone_the_volume_stays_as_traded(four: pd.DataFrame) -> None:
    table = four.drop(columns=["split", "dividend"]).assign(adj_close=four["close"] / 2)
    bars = adjust_prices(table, "all", "AAPL")
    np.testing.assert_array_equal(bars["volume"], four["volume"])
    assert list(bars.columns) == [*PRICES, "volume"]


@pytest.mark.parametrize("adjust", ["none", "splits", "all"])
def test_adjusting_leaves_the_raw_table_alone(adjust: str, four: pd.DataFrame) -> None:
    for raw in (four, four.assign(adj_close=1.0)):
        before = raw.copy()
        adjust_prices(raw, adjust, "AAPL")
        pd.testing.assert_frame_equal(raw, before)


@pytest.mark.parametrize("adjust", ["none", "splits", "all"])
def test_closes_without_other_prices_are_adjusted_too(adjust: str, four: pd.DataFrame) -> None:
    closes = four[["close", "split", "dividend"]]
    whole = adjust_prices(four, adjust, "AAPL")
    pd.testing.assert_series_equal(adjust_prices(closes, adjust, "AAPL")["close"], whole["close"])


def test_as_traded_nothing_changes_but_the_vendors_column(four: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(adjust_prices(four.assign(adj_close=1.0), "none", "AAPL"), four)


def test_a_disordered_table_may_stay_as_traded_or_use_the_vendors_close(four: pd.DataFrame) -> None:
    upside_down = four[::-1].drop(columns=["split", "dividend"]).assign(adj_close=lambda t: t["close"] / 2)
    assert adjust_prices(upside_down, "all", "AAPL")["close"].tolist() == (four["close"][::-1] / 2).tolist()
    pd.testing.assert_frame_equal(adjust_prices(four[::-1], "none", "AAPL"), four[::-1])


# What must hold


histories = st.lists(
    st.tuples(
        st.floats(0.8, 1.25),  # The day's move
        st.sampled_from([0.0, 1.0, 2.0, 0.1, 1.5]),  # Split
        st.sampled_from([0.0, 0.0, 0.01, 0.2]),  # Dividend as a share of the close
    ),
    min_size=2,
    max_size=25,
)


@pytest.mark.slow
@given(histories, st.integers(1, 24), st.sampled_from(["before", "close"]))
def test_returns_do_not_depend_on_what_comes_later(
    history: list[tuple[float, float, float]], cut: int, rule: str
) -> None:
    close = 50 * np.cumprod([move for move, _, _ in history])
    split = [ratio for _, ratio, _ in history]
    paid = [share * level * 0.5 for (_, _, share), level in zip(history, close, strict=True)]
    table = pd.DataFrame({"close": close, "split": split, "dividend": paid}, index=days(len(history)))
    try:
        full = adjust_dividends(adjust_splits(table), rule)["close"]
        part = adjust_dividends(adjust_splits(table[:cut]), rule)["close"]
    except at.BarsError as fault:
        assert "does not fit a close" in str(fault)
        return
    np.testing.assert_allclose(full[:cut] / full[:cut].iloc[-1], part / part.iloc[-1], rtol=1e-12)
    assert full.iloc[-1] == close[-1] and part.iloc[-1] == close[:cut][-1]
    other_way = adjust_splits(adjust_dividends(table, rule))["close"]
    np.testing.assert_allclose(other_way, full, rtol=1e-12)
    if rule == "close":  # The owner's return: what the shares are worth, and the cash, for one share before
        ratio = np.where(np.array(split) > 0, split, 1.0)
        owner = (close[1:] + np.array(paid)[1:]) * ratio[1:] / close[:-1]
        np.testing.assert_allclose(full.to_numpy()[1:] / full.to_numpy()[:-1], owner, rtol=1e-12)


# What is refused


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t[::-1], ["X: not sorted", "load as traded and clean first"]),
        (lambda t: t.iloc[[0, 1, 2, 2]], ["X: two rows for 2005-02-28", "load as traded and clean first"]),
        (lambda t: t.assign(split=[0, 0, -2.0, 0]), ["X: split is -2 on 2005-02-28", "mend it"]),
        (lambda t: t.assign(split=[0, np.inf, 0, 0.0]), ["X: split is inf on 2005-02-25"]),
        (lambda t: t.drop(columns="split"), ["X: no column split"]),
        (lambda t: t.set_axis(range(4)), ["X: the index holds int64"]),
    ],
)
def test_splits_that_cannot_be_told(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], words: list[str], four: pd.DataFrame, refusal: Refusal
) -> None:
    sentence = refusal(at.BarsError, adjust_splits, spoil(four), "X")
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dividend": [0, 0, 62.0, 0]}, ["X: dividend of 62 on 2005-02-28", "close of 88.99", "pence"]),
        ({"dividend": [0, 0, -1.0, 0]}, ["X: dividend is -1 on 2005-02-28"]),
        ({"close": [88.0, np.nan, 44.0, 44.0]}, ["X: dividend of 0.4 on 2005-02-28", "missing price"]),
        ({"split": [0, 0, -2.0, 0]}, ["X: split is -2 on 2005-02-28"]),
    ],
)
def test_dividends_that_do_not_fit(
    change: dict[str, list[float]], words: list[str], four: pd.DataFrame, refusal: Refusal
) -> None:
    sentence = refusal(at.BarsError, adjust_dividends, four.assign(**change), symbol="X")
    assert all(word in sentence for word in words), sentence


def test_other_refusals(four: pd.DataFrame, refusal: Refusal) -> None:
    assert "no column dividend" in refusal(at.BarsError, adjust_dividends, four.drop(columns="dividend"))
    sentence = refusal(ValueError, later_dividends, four, "after")
    assert sentence == "reinvest must be one of before, close, got 'after'"
    sentence = refusal(ValueError, adjust_prices, four, "some", "AAPL")
    assert "adjust must be 'none', 'splits' or 'all'" in sentence
    for columns in (["split"], ["dividend"], ["split", "dividend"]):
        sentence = refusal(at.BarsError, adjust_prices, four.drop(columns=columns), "all", "AAPL")
        assert "needs a column adj_close (or split and dividend)" in sentence
    sentence = refusal(at.BarsError, adjust_prices, four.drop(columns="split"), "splits", "AAPL")
    assert sentence.startswith("AAPL: adjust='splits' needs a column split")
    wrong_order = four.assign(adj_close=four["close"])[::-1]
    assert "not sorted" in refusal(at.BarsError, adjust_prices, wrong_order, "all", "AAPL")
