"A certificate is given to what does not see the future, and refused, with the bar, to what does."

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.backtest.causality import first_difference
from alphatwin.backtest.perturbation import Futures, changed, gone, other_bars
from alphatwin.backtest.verdicts import Counterexample

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]

HONEST: dict[str, Callable[[pd.DataFrame], pd.Series | pd.DataFrame]] = {
    "close": lambda bars: bars["close"],
    "sma": lambda bars: at.sma(bars["close"], 7),
    "ema": lambda bars: at.ema(bars["close"], 7),
    "lagged": lambda bars: bars["close"].shift(3),
    "best so far": lambda bars: bars["high"].cummax(),
    "sum so far": lambda bars: bars["volume"].cumsum(),
    "returns": lambda bars: bars["close"].pct_change(),
    "cross": lambda bars: at.sma_cross(bars, 3, 9),
    "two columns": lambda bars: pd.DataFrame({"a": bars["open"], "b": at.sma(bars["close"], 4)}),
    "words": lambda bars: (bars["close"] > bars["open"]).map({True: "up", False: "down"}),
}
CHEATING: dict[str, Callable[[pd.DataFrame], pd.Series | pd.DataFrame]] = {
    "tomorrow": lambda bars: bars["close"].shift(-1),
    "in five days": lambda bars: bars["close"].shift(-5),
    "mean of all": lambda bars: bars["close"] - bars["close"].mean(),
    "rank among all": lambda bars: bars["close"].rank(),
    "centred": lambda bars: bars["close"].rolling(5, center=True).mean(),
    "filled back": lambda bars: bars["close"].where(bars.index.day % 5 == 0).bfill(),
    "how many": lambda bars: pd.Series(float(len(bars)), index=bars.index),
    "words": lambda bars: (bars["close"] > bars["close"].shift(-1)).map({True: "sell", False: "buy"}),
    "one column": lambda bars: pd.DataFrame({"a": bars["open"], "b": bars["close"].shift(-1)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("cuts", [None, 64, 5])
def test_honest_functions_pass(name: str, cuts: int | None, market: Market) -> None:
    proof = at.certify(HONEST[name], market(2, 80), cuts=cuts)
    assert proof.ok and proof.counterexample is None
    low, high = {None: (79, 79), 64: (64, 79), 5: (5, 10)}[cuts]  # As many again where the output turns
    assert low <= proof.cuts <= high


@pytest.mark.parametrize("name", CHEATING)
@pytest.mark.parametrize("cuts", [None, 64, 16])
def test_cheating_functions_fail(name: str, cuts: int | None, market: Market) -> None:
    proof = at.certify(CHEATING[name], market(2, 80), cuts=cuts)
    assert not proof.ok and "sees the future" in str(proof.counterexample)


@pytest.mark.slow
@settings(max_examples=100)
@given(data=st.data(), length=st.integers(3, 25))
def test_a_peek_at_one_bar_is_found_where_it_is(market: Market, data: st.DataObject, length: int) -> None:
    bars = market(4, length)
    place = data.draw(st.integers(0, length - 2))
    seen = data.draw(st.integers(place + 1, length - 1))

    def peek(part: pd.DataFrame) -> pd.Series:
        values = part["close"].copy()
        if len(part) > place:
            values.iloc[place] = part["close"].iloc[seen] if len(part) > seen else -1.0
        return values

    proof = at.certify(peek, bars, cuts=None)
    assert proof.counterexample == Counterexample(
        bars.index[place],
        bars.index[place],
        bars["close"].iloc[seen],
        -1.0,
        seen=bars.index[seen],
        size=proof.counterexample.size,
    )
    assert proof.counterexample.size > 0.01
    other = at.certify(peek, bars, cuts=None, futures=["other"]).counterexample
    assert other is not None and (other.time, other.cut) == (bars.index[place], bars.index[place])
    assert (other.whole, other.seen, other.future) == (bars["close"].iloc[seen], bars.index[seen], "other")


def test_the_sentence_names_bar_cut_and_both_values(market: Market) -> None:
    bars = market(2, 3).assign(close=[1.0, 2.5, 4.0])
    proof = at.certify(lambda part: pd.Series(part["close"].iloc[-1], index=part.index), bars, cuts=None)
    assert str(proof.counterexample) == (
        "sees the future: at 2015-01-05 00:00:00 its value is 4 with all bars, "
        "but 1 when only the bars up to 2015-01-05 00:00:00 are known; it reads the bar of 2015-01-06 00:00:00"
    )


def test_parameters_are_handed_on_and_the_name_is_kept(market: Market) -> None:
    proof = at.certify(at.sma_cross, market(2), fast=3, slow=9)
    assert proof.ok and proof.name == "sma_cross" and proof.cuts == 59
    with pytest.raises(ValueError, match="fast=9, slow=3"):
        at.certify(at.sma_cross, market(2), fast=9, slow=3)


def test_a_certificate_cannot_be_forged(market: Market) -> None:
    proof = at.certify(CHEATING["tomorrow"], market(2))
    with pytest.raises(FrozenInstanceError):
        proof.counterexample = None  # type: ignore[misc]


# Bit for bit


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ([1.0, 2.0], [1.0, 2.0], None),
        ([0.0, np.nan], [-0.0, np.nan], None),
        ([1.0, np.nan], [1.0, 2.0], 1),
        ([1.0, 2.0], [1.0, np.nan], 1),
        ([1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)], 1),
        ([np.inf, 1.0], [-np.inf, 1.0], 0),
        (["a", None], ["a", None], None),
        (["a", "b"], ["a", "c"], 1),
    ],
)
def test_first_difference(one: list[float], other: list[float], place: int | None) -> None:
    assert first_difference(pd.Series(one), pd.Series(other)) == place


def test_a_type_that_changes_with_the_length_is_named(market: Market, refusal: Refusal) -> None:
    def whole_while_short(bars: pd.DataFrame) -> pd.Series:
        return pd.Series(1, index=bars.index).astype("int64" if len(bars) < 20 else "float64")

    sentence = refusal(ValueError, at.certify, whole_while_short, market(2))
    assert "float64 with all of them, int64 with fewer" in sentence


# What is refused


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda bars: bars["close"].iloc[1:], ["one row of output for each of 60 bars", "59 rows"]),
        (lambda bars: bars["close"].to_numpy(), ["60 bars"]),
        (lambda bars: 1.0, ["60 bars", "float"]),
        (
            lambda bars: bars["close"].dropna().iloc[-60:] if len(bars) == 60 else bars["close"].iloc[:1],
            ["each of 2 bars; <lambda> gives 1 rows"],
        ),
    ],
)
def test_functions_that_cannot_be_certified(
    function: Callable[..., object], words: list[str], market: Market, refusal: Refusal
) -> None:
    sentence = refusal(ValueError, at.certify, function, market(2), cuts=None)
    assert all(word in sentence for word in words), sentence


def test_what_is_not_bars(market: Market, refusal: Refusal) -> None:
    bars = market(2)
    assert "not sorted" in refusal(at.BarsError, at.certify, HONEST["close"], bars[::-1])
    assert "no rows" in refusal(at.BarsError, at.certify, HONEST["close"], bars.iloc[:0])


def test_a_look_ahead_is_an_error_of_values() -> None:
    assert issubclass(at.LookAheadError, ValueError)


def test_a_rare_peek_is_found_at_few_cuts() -> None:
    "It looks ahead at every bar, but its value shows that on a few dozen of five thousand bars only."
    bars = at.load("SPX")
    for futures in (["gone"], ["other"], ["gone", "other"]):
        proof = at.certify(
            lambda b: (b["close"].shift(-1) / b["close"] > 1.02).astype(float),
            bars,
            cuts=16,
            futures=futures,
        )
        assert not proof.ok and proof.counterexample is not None
        assert {proof.counterexample.whole, proof.counterexample.known} == {0.0, 1.0}


# Several symbols


def panel(market: Market) -> pd.DataFrame:
    return pd.concat({"OLD": market(1), "NEW": market(2).iloc[20:]}, names=["symbol", "time"])


def test_a_long_table_is_cut_at_a_time(market: Market) -> None:
    bars = panel(market)

    def leading(table: pd.DataFrame) -> pd.DataFrame:
        return table["close"].unstack("symbol").pct_change(fill_method=None).rank(axis=1).fillna(0.0)

    def best_of_all(table: pd.DataFrame) -> pd.DataFrame:
        closes = table["close"].unstack("symbol")
        return (closes == closes.max()).astype("float64")

    assert at.certify(leading, bars, cuts=None).ok
    found = at.certify(best_of_all, bars, cuts=None).counterexample
    assert found is not None and found.whole != found.known


def test_a_symbol_that_is_not_listed_yet_must_be_zero(market: Market) -> None:
    def held_before_it_is_there(table: pd.DataFrame) -> pd.DataFrame:
        closes = table["close"].unstack("symbol")
        return closes.notna().astype("float64").assign(**({"NEW": 0.5} if "NEW" in closes else {}))

    bars = panel(market)
    found = at.certify(held_before_it_is_there, bars, cuts=None).counterexample
    assert found is not None and (found.whole, found.known) == (0.5, 0.0)
    assert found.time == bars.index.get_level_values("time").min()


def test_long_output_of_a_long_table(market: Market) -> None:
    bars = panel(market)
    assert at.certify(lambda table: table["close"].groupby("symbol").shift(1), bars, cuts=None).ok
    assert not at.certify(lambda table: table["close"].groupby("symbol").shift(-1), bars, cuts=None).ok


def test_a_long_table_with_other_keys(market: Market, refusal: Refusal) -> None:
    bars = panel(market).rename_axis(["name", "time"])
    assert "(symbol, time)" in refusal(ValueError, at.certify, lambda table: table["close"], bars)


# What is neither honest nor a look ahead


def test_rounding_has_its_own_verdict_and_size(market: Market) -> None:
    def a_bit_of_it(bars: pd.DataFrame) -> pd.Series:
        return bars["close"] * (1 + 2e-16 * (bars["close"].iloc[-1] > 50))

    proof = at.certify(a_bit_of_it, market(2, 80), cuts=None)
    assert proof.verdict == "rounding only" and not proof.ok
    assert 0 < proof.size < 3e-16 and proof.counterexample is not None
    assert str(proof.counterexample).startswith("rounding only: ")
    assert proof.counterexample.whole != proof.counterexample.known
    assert str(proof.counterexample).count("50.") != 0 or "at most" in str(proof.counterexample)


@pytest.mark.parametrize(("part", "verdict"), [(1e-13, "rounding only"), (1e-11, "sees the future")])
def test_where_rounding_ends(part: float, verdict: str, market: Market) -> None:
    def barely(bars: pd.DataFrame) -> pd.Series:
        return bars["close"] * (1 + part * (len(bars) == 80))

    assert at.certify(barely, market(2, 80), cuts=None).verdict == verdict


def test_a_leak_behind_rounding_is_a_leak(market: Market) -> None:
    def both(bars: pd.DataFrame) -> pd.Series:
        values = bars["close"] * (1 + 2e-16 * (len(bars) == 80))
        return values.where(np.arange(len(bars)) != 40, bars["close"].shift(-1))

    bars = market(2, 80)
    found = at.certify(both, bars, cuts=None).counterexample
    assert found is not None and found.time == bars.index[40] and found.fault == "sees the future"


def test_dice_and_memory_are_unstable(market: Market) -> None:
    dice = np.random.default_rng(0)
    calls: list[int] = []

    def draws(bars: pd.DataFrame) -> pd.Series:
        return pd.Series(dice.random(len(bars)), bars.index)

    def counts(bars: pd.DataFrame) -> pd.Series:
        calls.append(1)
        return pd.Series(float(len(calls) > limit), bars.index)

    bars = market(2, 30)
    proof = at.certify(draws, bars)
    assert proof.verdict == "unstable" and "computed again from the same bars" in str(proof)
    for limit in (1, 2, 5, 33, 58):  # Before the cuts, at one of them, after the last of them
        calls.clear()
        assert at.certify(counts, bars, cuts=None).verdict == "unstable", limit


@pytest.mark.parametrize("least", [2, 7, 30])
def test_the_shortest_history_is_named(least: int, market: Market) -> None:
    def impatient(bars: pd.DataFrame) -> pd.Series:
        if len(bars) < least:
            raise KeyError(f"row {least}")
        return bars["close"].expanding().mean()

    proof = at.certify(impatient, market(2, 30), cuts=None)
    assert proof.verdict == "fails on short history" and proof.shortest == least and not proof.ok
    assert proof.counterexample is not None and f"row {least}" in str(proof)
    with pytest.raises(KeyError, match="row 30"):
        at.certify(impatient, market(2, 29)) if least == 30 else impatient(market(2, 1)["row 30"])


def test_a_leak_is_worse_than_a_short_history(market: Market) -> None:
    def both(bars: pd.DataFrame) -> pd.Series:
        if len(bars) < 10:
            raise ValueError("too short")
        return bars["close"].shift(-1)

    for futures in (["gone"], ["other"], ["gone", "other"]):
        assert at.certify(both, market(2, 30), cuts=None, futures=futures).verdict == "sees the future"


def test_a_rule_that_refuses_another_future_is_named(market: Market) -> None:
    bars = market(2, 30)
    top = bars["high"].max()

    def calm(given: pd.DataFrame) -> pd.Series:
        if given["high"].max() > top:
            raise ValueError("never so high")
        return given["close"]

    proof = at.certify(calm, bars)
    assert proof.verdict == "fails on another future" and "never so high" in str(proof)


def test_a_slow_rule_is_announced_and_can_be_stopped(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = market(2, 30)
    proof = at.certify(HONEST["close"], bars, cuts=None, seconds=0.0)
    assert proof.verdict == "too slow" and not proof.ok and proof.cuts == 0 and "too slow" in str(proof)
    assert at.certify(HONEST["close"], bars, cuts=None, seconds=60).cuts == 29
    monkeypatch.setattr("alphatwin.backtest.examination.PATIENCE", 0.0)
    with pytest.warns(UserWarning, match="is run 58 times; ask for fewer cuts"):
        assert at.certify(HONEST["close"], bars, cuts=None).ok


def test_the_length_is_found_by_one_future_and_the_rare_by_the_other(market: Market) -> None:
    def how_many(bars: pd.DataFrame) -> pd.Series:
        return pd.Series(float(len(bars)), bars.index)

    def rare(bars: pd.DataFrame) -> pd.Series:
        return (bars["close"].shift(-1) > 1.5 * bars["close"]).astype("float64")

    bars = market(2, 80)
    assert [at.certify(how_many, bars, futures=[one]).ok for one in ("gone", "other")] == [False, True]
    assert [at.certify(rare, bars, futures=[one]).ok for one in ("gone", "other")] == [True, False]


# Cuts, lags and stages


def test_cuts_can_be_listed(market: Market, refusal: Refusal) -> None:
    bars = market(2, 30)
    assert at.certify(HONEST["sma"], bars, cuts=range(20, 30)).cuts == 10
    seen: list[int] = []
    at.certify(lambda part: (seen.append(len(part)), part["close"])[1], bars, cuts=[7, 3], futures=["gone"])
    assert seen == [30, 30, 3, 7, 30]
    for cuts in ([], [0], [30], range(20, 40)):
        assert "1 to 29 of 30" in refusal(ValueError, at.certify, HONEST["sma"], bars, cuts=cuts)
    assert "gone" in refusal(ValueError, at.certify, HONEST["sma"], bars, futures=["none"])
    assert "lag" in refusal(ValueError, at.certify, HONEST["sma"], bars, lag=-1)


@pytest.mark.parametrize("later", [1, 3])
def test_a_declared_lag_is_granted_and_no_more(later: int, market: Market) -> None:
    def waits(bars: pd.DataFrame) -> pd.Series:
        return bars["close"].shift(-later)

    bars = market(2, 30)
    for lag in range(5):
        proof = at.certify(waits, bars, cuts=None, lag=lag)
        assert proof.ok == (lag >= later) and proof.lag == lag
        if proof.ok:
            assert f"final after {lag} more bars" in str(proof)
    chain = [("wait", waits, later), ("change", lambda close: close.diff())]
    assert at.certify(chain, bars, cuts=None).lag == later and at.certify(chain, bars, cuts=None).ok
    assert not at.certify([("wait", waits, later - 1), chain[1]], bars, cuts=None).ok
    twice = [("wait", waits, later), ("again", lambda close: close.shift(-later), later)]
    assert at.certify(twice, bars, cuts=None).ok and at.certify(twice, bars, cuts=None).lag == 2 * later


STEPS: dict[str, tuple[Callable[..., object], Callable[..., object]]] = {
    "clean": (lambda bars: bars.assign(close=bars["close"].ffill()), lambda bars: bars.bfill()),
    "average": (
        lambda bars: bars.assign(average=bars["close"].rolling(5).mean()),
        lambda bars: bars.assign(average=bars["close"].rolling(5, center=True).mean()),
    ),
    "target": (
        lambda bars: bars.assign(target=(bars["close"] > bars["average"]).astype(float)),
        lambda bars: bars.assign(target=(bars["close"] > bars["average"].median()).astype(float)),
    ),
    "equity": (
        lambda bars: at.backtest(bars.iloc[:, :5], bars["target"]).equity,
        lambda bars: (bars["target"] * bars["close"].pct_change().shift(-1)).cumsum(),
    ),
}


@pytest.mark.parametrize("guilty", [None, *STEPS])
@pytest.mark.parametrize("futures", [["gone"], ["other"]])
def test_the_first_stage_at_fault_is_named(guilty: str | None, futures: list[str], market: Market) -> None:
    bars = market(2, 60)
    if guilty in (None, "clean"):
        bars.loc[bars.index[20:23], "close"] = np.nan
    chain = [(name, steps[name == guilty]) for name, steps in STEPS.items()]
    proof = at.certify(chain, bars, cuts=None, futures=futures)
    assert proof.name == "clean > average > target > equity"
    if guilty is None:
        assert proof.ok, str(proof)
        return
    assert proof.verdict == "sees the future" and proof.counterexample is not None
    assert proof.counterexample.stage == guilty and f"in stage '{guilty}'" in str(proof)


def test_what_is_no_chain(market: Market, refusal: Refusal) -> None:
    bars = market(2)
    for chain in ([], [("clean", "bfill")], [(1, HONEST["close"])]):
        assert "pairs of a name and a function" in refusal(ValueError, at.certify, chain, bars)
    numbers = [("close", lambda part: part["close"].to_numpy())]
    assert "close must give a series or a table" in refusal(ValueError, at.certify, numbers, bars)
    bare = [("close", lambda part: part["close"].reset_index(drop=True))]
    assert "without times" in refusal(ValueError, at.certify, bare, bars)
    one = [("close", HONEST["close"])]
    assert "order of time" in refusal(ValueError, at.certify, one, bars[::-1])
    assert "has a time in each row" in refusal(ValueError, at.certify, one, bars.reset_index())


def test_rows_that_come_and_go_are_found(market: Market) -> None:
    "A cleaning step may drop rows, but not for what comes later."
    bars = market(2, 40)
    chain = [("drop", lambda part: part[part["close"] < part["close"].max()])]
    found = at.certify(chain, bars, cuts=None).counterexample
    assert found is not None and found.column in ("row", "") and "rows" in str(found)
    assert at.certify([("drop", lambda part: part[part["close"] > 50])], bars, cuts=None).ok


def test_a_rule_cannot_spoil_the_bars_of_the_next_cut(market: Market) -> None:
    def rogue(bars: pd.DataFrame) -> pd.Series:
        before = bars["close"].copy()
        bars["close"] = -1.0
        bars.iloc[:, 0] = -1.0
        return before

    bars = market(2, 30)
    kept = bars.copy()
    assert at.certify(rogue, bars, cuts=None).ok
    pd.testing.assert_frame_equal(bars, kept)


def test_a_rule_that_fails_the_second_time_is_unstable(market: Market) -> None:
    calls: list[int] = []

    def tired(bars: pd.DataFrame) -> pd.Series:
        calls.append(1)
        if len(calls) == last:
            raise RuntimeError("no more")
        return bars["close"]

    for last, verdict in ((2, "unstable"), (61, "unstable")):
        calls.clear()
        proof = at.certify(tired, market(2, 30), cuts=None)
        assert proof.verdict == verdict and "no more" in str(proof), last


def test_a_draft_is_the_same_table_and_is_nobodys_to_spoil(market: Market) -> None:
    bars = market(2, 30)
    bars.iloc[7, 3] = np.nan
    futures = Futures(bars, other_bars(bars))
    for place in (5, 29, 1, 17, 30, 0):
        table = changed(futures, place, draft=True)
        pd.testing.assert_frame_equal(table, changed(futures, place))
        expected = pd.concat([bars.iloc[:place], futures.other.iloc[place:]])
        pd.testing.assert_frame_equal(table, expected, check_freq=False)
        with pytest.raises(ValueError, match="read-only"):
            table["close"].to_numpy()[0] = -1.0
        table.iloc[0, 0] = table["close"] = -1.0  # Gets a copy of his own
    kept = changed(futures, 3)
    changed(futures, 20)
    pd.testing.assert_frame_equal(kept, changed(futures, 3))


def test_the_examination_tries_all_of_its_futures(market: Market) -> None:
    "What a rule is shown at each cut, for comparison with what was meant."
    bars, seen = market(2, 12), []

    def watched(given: pd.DataFrame) -> pd.Series:
        seen.append(given.copy())
        return given["close"]

    assert at.certify(watched, bars, cuts=[3, 7, 5]).ok
    futures = Futures(bars, other_bars(bars))
    meant = [table for place in (3, 5, 7) for table in (gone(futures, place), changed(futures, place))]
    assert len(seen) == len(meant) + 3
    for one, other in zip(seen, [bars, bars, *meant, bars], strict=True):
        pd.testing.assert_frame_equal(one, other, check_freq=False)


def test_another_future_is_another_at_every_bar_both_higher_and_lower(market: Market) -> None:
    bars = market(2, 60)
    same = bars.assign(**{name: 10.0 for name in bars.columns})  # Whatever is drawn is the same bar
    for seed in range(5):
        assert all((other_bars(table, seed) != table).any(axis=1).all() for table in (bars, same))
        other = other_bars(bars, seed)
        assert other["high"].max() > bars["high"].max() and other["low"].min() < bars["low"].min()


def test_a_single_hole_that_is_filled_backwards_is_found_at_few_cuts(market: Market) -> None:
    bars = market(2, 200)
    bars.loc[bars.index[77], "volume"] = np.nan
    for futures in (["gone"], ["other"]):
        proof = at.certify(lambda given: given["volume"].bfill(), bars, cuts=3, futures=futures)
        assert proof.counterexample is not None and proof.counterexample.time == bars.index[77]
