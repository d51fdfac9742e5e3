"What only many series together show: the feed's bad days, and one series under two names."

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.crosscheck import (
    CROSS_RULES,
    EVERY,
    ROUNDING,
    TWIN_DAYS,
    check_across,
    feed_faults,
    identical_series,
)
from alphatwin.data.findings import FIELDS, NO_TIME, Table
from alphatwin.data.validation import RULES, validate

DAYS = pd.bdate_range("2024-01-01", periods=60)


def walk(seed: int, size: int = 60) -> np.ndarray:
    return 100 * np.cumprod(1 + 0.01 * np.random.default_rng(seed).normal(size=size))


def view(close: np.ndarray, first: int = 0) -> Table:
    return Table(DAYS.as_unit("ns").asi8[first : first + len(close)], {"close": np.asarray(close, float)})


def marks(*rows: tuple[str, int], severity: str = "warning", check: str = "zero_volume") -> pd.DataFrame:
    return pd.DataFrame(
        [(check, severity, name, DAYS[day], "volume", "") for name, day in rows], columns=FIELDS
    )


def test_half_of_the_symbols_and_three() -> None:
    for there in range(1, 9):
        tables = {f"S{i}": view(walk(i)) for i in range(there)}
        for hit in range(1, there + 1):
            found = feed_faults(marks(*[(f"S{i}", 7) for i in range(hit)]), tables)
            assert len(found) == (hit >= 3 and 2 * hit >= there), (hit, there)
            if len(found):
                assert found["time"].tolist() == [DAYS[7]] and found["symbol"].tolist() == [EVERY]
                assert found["detail"][0].startswith(f"{hit} of {there} symbols")


def test_a_symbol_counts_once_a_day() -> None:
    tables = {name: view(walk(1)) for name in "ABC"}
    assert feed_faults(marks(("A", 3), ("A", 3), ("A", 3), ("B", 3)), tables).empty
    assert len(feed_faults(marks(("A", 3), ("B", 3), ("C", 3)), tables)) == 1


def test_oddities_that_are_valid_do_not_count() -> None:
    tables = {name: view(walk(1)) for name in "ABC"}
    everywhere = [(name, 3) for name in "ABC"]
    assert feed_faults(marks(*everywhere, severity="info"), tables).empty
    assert len(feed_faults(marks(*everywhere, severity="error"), tables)) == 1


def test_the_sentence_names_what_most_of_them_have() -> None:
    tables = {name: view(walk(1)) for name in "ABC"}
    rows = pd.concat([marks(("A", 3)), marks(("B", 3), ("C", 3), check="price_order")], ignore_index=True)
    assert feed_faults(rows, tables)["detail"].tolist() == [
        "3 of 3 symbols have a finding, most of them price_order"
    ]


def test_symbols_count_from_their_first_day_to_their_last() -> None:
    "Four symbols that are over and four that have not begun say nothing about day 30."
    tables = {name: view(walk(1)) for name in "ABC"}
    tables |= {name: view(walk(1)[:30]) for name in "DEFG"} | {
        name: view(walk(1)[31:], 31) for name in "HIJK"
    }
    (found,) = feed_faults(marks(("A", 30), ("B", 30), ("C", 30)), tables)["detail"]
    assert found.startswith("3 of 3 symbols")
    three = marks(("A", 30), ("B", 30), ("C", 30))
    for edge in (view(walk(1)[:31]), view(walk(1)[30:], 30)):
        assert feed_faults(three, {name: tables[name] for name in "ABC"} | dict.fromkeys("DEFG", edge)).empty
    undated = view(walk(1)[31:], 31)
    undated.time[5] = NO_TIME
    tables = {name: tables[name] for name in "ABC"} | dict.fromkeys("DEFG", undated)
    assert feed_faults(three, tables)["detail"][0].startswith("3 of 3 symbols")


def test_symbols_without_a_usable_price_are_there_all_the_same() -> None:
    "Whose prices are all missing on the bad day still counts among those who are there."
    empty = {f"E{i}": view(np.full(60, np.nan)) for i in range(4)}
    tables = empty | {"A": view(walk(1))}
    found = feed_faults(marks(*[(name, 5) for name in empty]), tables)
    assert found["detail"][0].startswith("4 of 5 symbols")
    undated = Table(np.full(60, NO_TIME), {"close": walk(1)})
    assert feed_faults(marks(("A", 5)), {"A": view(walk(1)), "B": undated}).empty


def test_findings_without_a_time_are_nobodys_day() -> None:
    tables = {name: view(walk(1)) for name in "ABC"}
    rows = marks(("A", 3), ("B", 3), ("C", 3)).assign(time=pd.NaT)
    assert feed_faults(rows, tables).empty


def test_twins_from_twenty_days_on() -> None:
    for days in (TWIN_DAYS - 1, TWIN_DAYS, 40):
        other = walk(2)
        other[10 : 10 + days] = walk(1)[10 : 10 + days]
        found = identical_series({"A": view(walk(1)), "B": view(other)})
        assert len(found) == (days >= TWIN_DAYS), days
    assert found["symbol"].tolist() == ["B"] and found["time"].tolist() == [DAYS[10]]
    assert found["detail"].tolist() == ["40 closes in a row are those of A"]


def test_the_longest_run_is_told() -> None:
    other = walk(1)
    other[22:25] = walk(2)[22:25]
    found = identical_series({"A": view(walk(1)), "B": view(other)})
    assert found["detail"].tolist() == ["35 closes in a row are those of A"]
    assert found["time"].tolist() == [DAYS[25]]
    shortest = view(walk(1)[:TWIN_DAYS])
    assert len(identical_series({"A": shortest, "B": shortest})) == 1


def test_the_days_must_be_in_a_row() -> None:
    "Every second day equal, 30 of 60: no coincidence either, but no copy."
    other = np.where(np.arange(60) % 2, walk(1), walk(2))
    assert identical_series({"A": view(walk(1)), "B": view(other)}).empty


def test_days_that_only_one_has_do_not_break_the_row() -> None:
    holes = np.r_[0:10, 11:25, 26:60]
    part = Table(DAYS.as_unit("ns").asi8[holes], {"close": walk(1)[holes]})
    (found,) = identical_series({"A": view(walk(1)), "B": part}).itertuples()
    assert found.detail.startswith("58 closes")


def test_the_same_to_rounding_is_the_same() -> None:
    closes = walk(1)
    for factor, twins in ((1 + 0.5 * ROUNDING, 1), (1 - 0.5 * ROUNDING, 1), (1 + 3 * ROUNDING, 0)):
        assert len(identical_series({"A": view(closes), "B": view(closes * factor)})) == twins, factor
    assert len(identical_series({"A": view(closes), "B": view(closes.astype("float32"))})) == 1
    assert identical_series({"A": view(closes), "B": view(closes * 1.00001)}).empty
    assert identical_series({"A": view(-closes), "B": view(-2 * closes)}).empty
    below = Table(view(closes).time, {"close": -closes}, may_be_negative=True)
    assert len(identical_series({"A": below, "B": below})) == 1


def test_prices_that_stand_still_are_no_twins() -> None:
    still = np.ones(60)
    assert identical_series({"A": view(still), "B": view(still)}).empty
    late = np.r_[np.ones(40), walk(3)[:20]]
    both = {"A": view(np.r_[np.ones(40), walk(4)[:20]]), "B": view(late)}
    assert identical_series(both).empty


def test_three_of_a_kind_are_three_pairs() -> None:
    found = identical_series({name: view(walk(1)) for name in "ABC"})
    pairs = list(zip(found["symbol"], found["detail"].str[-1], strict=True))
    assert pairs == [("B", "A"), ("C", "A"), ("C", "B")]


@pytest.mark.parametrize("size", [0, 1, TWIN_DAYS - 1])
def test_short_tables_pass(size: int) -> None:
    assert identical_series({"A": view(walk(1)[:size]), "B": view(walk(1)[:size])}).empty
    assert check_across({}, marks()).columns.tolist() == FIELDS


def test_rules_are_known_to_validate() -> None:
    assert {rule.name for rule in CROSS_RULES} == {"feed_fault", "identical_series"}
    assert {RULES[rule.name] for rule in CROSS_RULES} == set(CROSS_RULES)


def test_both_questions_are_asked() -> None:
    tables = {name: view(walk(1)) for name in "ABC"}
    found = check_across(tables, marks(*[(name, 3) for name in "ABC"]))
    assert found["check"].tolist() == ["feed_fault"] + 3 * ["identical_series"]
    assert found["severity"].tolist() == ["error"] + 3 * ["warning"]


def test_real_series() -> None:
    "Seven companies and indices are no twins; one index from three packages is."
    names = ["AAPL", "IBM", "MSFT", "GOOG", "FB", "SPX", "IXIC"]
    bars = {name: at.load(name) for name in names}
    alone = validate(pd.concat(bars, names=["symbol", "time"]), "XNYS").findings
    assert not set(alone["check"]) & {"feed_fault", "identical_series"}
    closes = {name: at.load(name)["close"].sort_index() for name in ("SPX", "SPX_LONG", "SPX_CLOSES")}
    views = {
        name: Table(close.index.as_unit("ns").asi8, {"close": close.to_numpy()})
        for name, close in closes.items()
    }
    found = identical_series(views)
    assert set(found["symbol"]) == {"SPX_LONG", "SPX_CLOSES"} and len(found) == 3


def test_a_real_bad_day() -> None:
    "One day without volume in all: the feed's. The same day in one of seven: its own."
    bars = {name: at.load(name, start="2012-06-01") for name in ("AAPL", "IBM", "MSFT", "GOOG", "FB")}
    for table in bars.values():
        table.loc["2012-09-12", "volume"] = 0.0
    found = validate(pd.concat(bars, names=["symbol", "time"]), "XNYS").findings
    (feed,) = found[found["check"] == "feed_fault"].itertuples()
    assert feed.time == pd.Timestamp("2012-09-12") and "5 of 5 symbols" in feed.detail
    single = {name: at.load(name, start="2012-06-01") for name in bars}
    single["IBM"].loc["2012-09-12", "volume"] = 0.0
    found = validate(pd.concat(single, names=["symbol", "time"]), "XNYS").findings
    assert "feed_fault" not in set(found["check"])
