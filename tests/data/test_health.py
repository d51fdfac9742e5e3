"Many series at once: verdicts, reasons, the picture, and what happens to those that do not come."

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.catalogue import load_sample
from alphatwin.data.crosscheck import EVERY
from alphatwin.data.health import (
    COLUMNS,
    VERDICTS,
    Survey,
    read_series,
    say_why,
    survey,
)
from alphatwin.data.sources import register_source
from alphatwin.data.validation import RULES, take_apart, validate
from tests.conftest import random_bars

DAY = pd.Timestamp("2024-03-05")


def long_table(**parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts, names=["symbol", "time"])


def sound(year: int, symbol: str = "IBM") -> pd.DataFrame:
    "A year of true bars in which nothing is worse than odd."
    return at.load(symbol, start=f"{year}-01-01", end=f"{year}-12-31")


def listed(*rows: tuple[str, str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["check", "severity", "time"])


def test_reasons_are_in_the_order_of_their_weight() -> None:
    rows = [("b", "warning", DAY)] * 5 + [("a", "error", DAY)] * 2 + [("c", "info", DAY)] * 1234
    assert say_why(listed(*rows)) == "2 a, 5 b, 1,234 c"
    assert say_why(listed(*rows, ("d", "info", DAY), ("e", "info", DAY))) == "2 a, 5 b, 1,234 c, and 2 more"
    assert say_why(listed(*rows), most=1) == "2 a, and 2 more"
    same = [("z", "warning", DAY)] * 2 + [("y", "warning", DAY)] * 2
    assert say_why(listed(*same)) == "2 y, 2 z", "what found as much is in the order of the alphabet"


def test_what_happened_once_has_a_date_if_there_is_one() -> None:
    assert say_why(listed(("a", "error", DAY))) == "a on 2024-03-05"
    assert say_why(listed(("a", "error", pd.NaT))) == "1 a"
    assert say_why(listed()) == "nothing found"


def test_the_four_verdicts() -> None:
    good, odd, bad = sound(2003), sound(2004), sound(2005)
    odd.iloc[100, odd.columns.get_loc("volume")] = 0.0
    bad.iloc[100, bad.columns.get_loc("close")] = np.nan
    none = sound(2006).drop(columns="open")
    found = survey(long_table(good=good, odd=odd, bad=bad))
    assert found.table["verdict"].tolist() == ["fit", "look first", "not fit"]
    assert found.table["errors"].tolist() == [0, 0, 1] and found.table["warnings"].tolist() == [0, 1, 0]
    assert found.table["why"][1].startswith(f"zero_volume on {odd.index[100]:%Y-%m-%d}, ")
    assert repr(found) == "3 series: 1 fit, 1 look first, 1 not fit"
    assert list(found.table.columns) == COLUMNS and set(found.table["verdict"]) <= set(VERDICTS)
    with_hole = survey(long_table(good=good, none=none.assign(open=np.nan)))
    (row,) = with_hole.table[with_hole.table["symbol"] == "none"].itertuples()
    assert row.verdict == "not loaded" and "open" in row.why
    assert repr(with_hole) == "2 series: 1 fit, 1 not loaded"


def test_an_error_weighs_more_than_many_warnings() -> None:
    bars = sound(2004)
    bars.iloc[50:60, bars.columns.get_loc("volume")] = 0.0
    bars.iloc[200, bars.columns.get_loc("close")] = np.nan
    (row,) = survey(long_table(A=bars)).table.itertuples()
    assert (row.verdict, row.errors, row.warnings) == ("not fit", 1, 10)
    assert row.why.startswith("missing_value on") and "10 zero_volume" in row.why


def test_rows_spans_and_scores_are_those_of_the_series() -> None:
    one, two = sound(2004), sound(2005)[:240]
    two.iloc[[10, 20, 30], two.columns.get_loc("volume")] = 0.0
    table = survey(long_table(B=one, A=two)).table.set_index("symbol")
    assert table.index.tolist() == ["B", "A"], "in the order in which they came"
    assert table["rows"].tolist() == [252, 240]
    assert table.loc["A", "first"] == two.index[0] and table.loc["A", "last"] == two.index[-1]
    assert table.loc["A", "score"] == 1 - 3 / 240 and table.loc["B", "score"] == 1


def test_disordered_and_undated_rows_are_counted_and_span_what_is_dated() -> None:
    bars = random_bars(1, 300)
    frame = bars.iloc[::-1].reset_index()
    frame.loc[5, "time"] = pd.NaT
    table = survey(long_table(A=frame.set_index("time"))).table
    assert table.loc[0, "rows"] == 300 and table.loc[0, "verdict"] == "not fit"
    assert (table.loc[0, "first"], table.loc[0, "last"]) == (bars.index[0], bars.index[-1])


def test_a_survey_says_what_validate_says() -> None:
    "All symbols together: the same findings, those across symbols included."
    bars = {name: at.load(name, start="2012-06-01") for name in ("AAPL", "IBM", "MSFT", "GOOG", "FB")}
    for table in bars.values():
        table.loc["2012-09-12", "volume"] = 0.0
    bars["TWIN"] = bars["IBM"].copy()
    together = long_table(**bars)
    found, report = survey(together, "XNYS"), validate(together, "XNYS")
    pd.testing.assert_frame_equal(found.findings, report.findings)
    assert {"feed_fault", "identical_series"} <= set(found.findings["check"])
    assert repr(found).endswith("; 1 fault of the whole feed")
    table = found.table.set_index("symbol")
    assert "identical_series" in table.loc["TWIN", "why"] and "identical" not in table.loc["IBM", "why"]
    assert EVERY not in table.index


def test_closes_and_bars_in_one_table() -> None:
    "Columns that only others have are no missing values."
    closes = at.load("KO", start="2012-01-01", end="2013-02-28")
    together = long_table(KO=closes, IBM=at.load("IBM", start="2012-01-01", end="2013-02-28"))
    found = survey(together, "XNYS")
    assert "missing_value" not in set(found.findings["check"])
    parts = take_apart(together)
    assert list(parts["KO"]) == ["close"]
    assert set(parts["IBM"]) == {"open", "high", "low", "close", "volume"}
    pd.testing.assert_frame_equal(parts["KO"], closes, check_freq=False)


def test_nothing_that_was_there_is_dropped() -> None:
    bars = random_bars(1, 40)
    empty = bars.assign(volume=np.nan)
    assert "volume" in take_apart(long_table(A=empty, B=empty))["A"], "empty for all: that is a fault"
    assert "volume" not in take_apart(long_table(A=empty, B=bars))["A"]
    nothing = long_table(A=bars.assign(close=np.nan), B=bars)
    assert "close" in take_apart(nothing)["A"]
    table = survey(nothing).table.set_index("symbol")
    assert table.loc["A", "verdict"] == "not fit" and table.loc["A", "errors"] >= 40
    one = bars.assign(volume=np.nan)
    one.iloc[3, one.columns.get_loc("volume")] = 5.0
    assert "volume" in take_apart(long_table(A=one, B=bars))["A"]


def test_other_spellings_of_close_stay_too() -> None:
    bars = random_bars(1, 40).rename(columns={"close": " Close"})
    parts = take_apart(long_table(A=bars.assign(**{" Close": np.nan}), B=bars))
    assert " Close" in parts["A"]


def test_who_does_not_come_stops_nobody() -> None:
    asked: list[str] = []

    def flaky(symbol: str, start: str | None, end: str | None) -> pd.DataFrame:
        asked.append(symbol)
        if symbol == "GONE":
            raise ConnectionError("the line went dead\nin the middle")
        if symbol == "EMPTY":
            return load_sample("IBM").iloc[:0]
        return load_sample(symbol)

    register_source("flaky", flaky)
    found = survey(["GONE", "IBM", "EMPTY", "XXX", "MSFT"], source="flaky")
    assert found.table["verdict"].tolist() == ["not loaded", "fit", "not loaded", "not loaded", "look first"]
    assert found.table["rows"].tolist() == [0, 3270, 0, 0, 3270]
    assert found.table["why"][0] == "the line went dead in the middle"
    assert "its answer was empty" in found.table["why"][2] and "no sample 'XXX'" in found.table["why"][3]
    assert repr(found) == "5 series as traded: 1 fit, 1 look first, 3 not loaded"
    assert asked.count("GONE") == 1 and asked.count("IBM") == 1, "nobody is asked twice without need"


def test_all_gone() -> None:
    found = survey(["XXX", "YYY"])
    assert found.table["verdict"].tolist() == 2 * ["not loaded"] and found.findings.empty
    assert repr(found) == "2 series as traded: 2 not loaded"
    assert found.plot().axes


def test_a_mistake_in_the_call_is_no_verdict() -> None:
    with pytest.raises(TypeError):
        survey(["IBM"], colour="red")
    with pytest.raises(ValueError, match="adjust must be"):
        survey(["IBM"], adjust="some")
    with pytest.raises(ValueError, match="no calendar 'XNYC'"):
        survey(["IBM"], "XNYC")


@pytest.mark.parametrize("wrong", ["SPX", [], (), [1, 2], None, random_bars(1, 30), 5])
def test_what_is_neither_symbols_nor_a_long_table_is_refused(wrong: object, refusal) -> None:  # type: ignore[no-untyped-def]
    said = refusal(ValueError, survey, wrong)
    assert "symbols, such as ['SPX', 'IXIC'], or a long table" in said
    assert type(wrong).__name__ in said


def test_an_empty_long_table_is_refused(refusal) -> None:  # type: ignore[no-untyped-def]
    refusal(ValueError, survey, long_table(A=random_bars(1, 30)).iloc[:0])


@pytest.mark.slow
@pytest.mark.parametrize("adjust", [{}, {"adjust": "raw"}, {"adjust": "all"}])
def test_one_series_has_one_verdict(adjust: dict[str, str]) -> None:
    "With the same words, `survey` and `validate` judge the same table."
    names = ["AAPL", "MSFT", "IXIC", "GOOG"]
    found = survey(names, "XNYS", **adjust)
    for row in found.table.itertuples():
        report = validate(at.load(row.symbol, **adjust), "XNYS")
        assert (row.verdict, row.score, row.rows) == (report.verdict, report.score, report.rows), row.symbol
    kinds = {"": "as traded", "raw": "as traded, with adj_close", "all": "without splits and dividends"}
    assert repr(found).startswith(f"4 series {kinds[adjust.get('adjust', '')]}: ")
    assert repr(survey(at.load(names), "XNYS")).startswith("4 series: "), "a table does not say"


def test_splits_as_traded_are_warned_of_until_something_explains_them() -> None:
    "What a reader of `at.load` computes with has jumps by half in it."
    said = {
        adjust: survey(["AAPL"], "XNYS", adjust=adjust).table["verdict"][0]
        for adjust in ("none", "raw", "all")
    }
    assert said == {"none": "look first", "raw": "fit", "all": "fit"}


def test_series_come_with_their_adjusted_close_if_asked() -> None:
    raw = {"adjust": "raw"}
    assert "adj_close" in read_series("MSFT", "sample", raw)
    assert list(read_series("KO", "sample", raw)) == ["close"]
    assert "adj_close" not in read_series("MSFT", "sample", {})
    with pytest.raises(at.BarsError, match="closes only"):
        read_series("KO", "sample", {"adjust": "all"})
    part = read_series("MSFT", "sample", {"start": "2004-11-01", "end": "2004-11-30"})
    assert len(part) == 21
    assert "spin_off" in survey(["MSFT"], "XNYS").table["why"][0]
    assert survey(["MSFT"], "XNYS", adjust="all").table["verdict"].tolist() == ["fit"]


def test_options_of_a_table_go_to_validate() -> None:
    bars = random_bars(1, 300)
    bars[["open", "high", "low", "close"]] -= 2 * bars["close"].max()
    table = long_table(CL=bars)
    assert survey(table).table["verdict"].tolist() == ["not fit"]
    assert "not_positive" not in survey(table, may_be_negative=True).table["why"][0]


def test_what_was_given_is_not_changed() -> None:
    table = long_table(A=random_bars(1, 100), B=random_bars(2, 100))
    before = table.copy(deep=True)
    survey(table)
    pd.testing.assert_frame_equal(table, before)
    assert table.attrs == before.attrs


@pytest.mark.parametrize(("asked", "shown"), [(True, True), (False, False), (None, False)])
def test_the_bar_shows_where_it_is_wanted(
    asked: bool | None, shown: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    survey(["FB", "FB2"], progress=asked)
    heard = capfd.readouterr()
    assert ("2/2" in heard.err) == shown and heard.out == ""


def test_the_bar_shows_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    survey(["FB"])
    assert "1/1" in screen.getvalue()
    seen = len(screen.getvalue())
    survey(["FB"], progress=False)
    assert len(screen.getvalue()) == seen


def cells(found: Survey) -> dict[tuple[str, str], tuple[str, str]]:
    "Read the picture back: (symbol, rule): (number, colour)."
    from matplotlib.colors import to_hex

    (axis,) = found.plot().axes
    rules = [label.get_text() for label in axis.get_xticklabels()]
    names = [label.get_text() for label in axis.get_yticklabels()]
    colours = {
        (round(p.get_x() + 0.47), round(p.get_y() + 0.44)): to_hex(p.get_facecolor()) for p in axis.patches
    }
    return {
        (names[round(y)], rules[round(x)]): (text.get_text(), colours[round(x), round(y)])
        for text in axis.texts
        for x, y in [text.get_position()]
    }


def test_the_picture_shows_every_count_in_the_colour_of_its_severity() -> None:
    from alphatwin.style import PALETTE

    found = survey(["IXIC", "MSFT", "IBM", "VIX", "NONE"], "XNYS")
    colours = {"error": PALETTE["loss"], "warning": PALETTE["second"], "info": PALETTE["third"]}
    rank = list(colours)
    wanted = {
        (symbol, check): (f"{len(part):,}", colours[min(part["severity"], key=rank.index)])
        for (symbol, check), part in found.findings.groupby(["symbol", "check"])
    }
    assert wanted[("MSFT", "spin_off")][1] == PALETTE["second"]
    assert wanted[("VIX", "missing_value")] == ("46", PALETTE["loss"])
    assert cells(found) == wanted


def test_the_worst_severity_colours_a_cell_and_errors_stand_first() -> None:
    from matplotlib.colors import to_hex

    from alphatwin.style import PALETTE

    table = pd.DataFrame({"symbol": ["A", "B"], "verdict": ["not fit", "fit"]})
    rows = [("spin_off", "info"), ("spin_off", "error"), ("missing_session", "warning")]
    findings = pd.DataFrame(rows, columns=["check", "severity"]).assign(symbol="A", time=DAY)
    found = Survey(table, pd.concat([findings, findings[:1].assign(symbol=EVERY)], ignore_index=True))
    shown = cells(found)
    assert shown[("A", "spin_off")] == ("2", PALETTE["loss"]) and (EVERY, "spin_off") in shown
    (axis,) = found.plot().axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["spin_off", "missing_session"]
    inks = [to_hex(label.get_color()) for label in axis.get_yticklabels()][:2]
    assert inks == [PALETTE["loss"], PALETTE["strategy"]]


def test_drawing_leaves_nothing_open() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    survey(["FB"]).plot()
    assert plt.get_fignums() == before


@pytest.fixture(scope="module")
def samples() -> Survey:
    return survey(at.samples()["symbol"].tolist(), "XNYS")


@pytest.mark.slow
def test_every_sample_is_on_the_page(samples: Survey) -> None:
    catalogue = at.samples()
    assert samples.table["symbol"].tolist() == catalogue["symbol"].tolist()
    assert samples.table["rows"].tolist() == catalogue["rows"].tolist()
    assert samples.table["first"].dt.strftime("%Y-%m-%d").tolist() == catalogue["first"].tolist()
    assert samples.table["last"].dt.strftime("%Y-%m-%d").tolist() == catalogue["last"].tolist()
    assert "not loaded" not in set(samples.table["verdict"])
    assert set(samples.findings["check"]) <= set(RULES)
    assert EVERY not in set(samples.findings["symbol"]), "no day is bad in most of them"


@pytest.mark.parametrize(
    ("symbol", "check", "days"),
    [
        ("SPX", "open_repeats_close", 2004),
        ("IXIC", "zero_volume", ["2015-05-12", "2018-01-09"]),
        ("IXIC", "volume_scale", ["2012-05-29"]),
        ("MSFT", "spin_off", ["2004-11-15"]),
        ("MSFT", "split_not_adjusted", ["2003-02-18"]),
        ("AAPL", "split_not_adjusted", ["2000-06-21", "2005-02-28"]),
        ("VIX", "missing_value", 46),
        ("WTI", "missing_value", 290),
        ("SPX_LONG", "unsorted_time", 1),
    ],
)
def test_true_faults_are_named(samples: Survey, symbol: str, check: str, days: int | list[str]) -> None:
    found = samples.findings
    here = found[(found["symbol"] == symbol) & (found["check"] == check)]["time"].sort_values()
    if isinstance(days, int):
        assert len(here) == days
    else:
        assert here.dt.strftime("%Y-%m-%d").tolist() == days


def test_sound_series_are_fit(samples: Survey) -> None:
    verdict = samples.table.set_index("symbol")["verdict"]
    for symbol in ("SPX", "IBM", "GOOG", "FB", "KO", "JNJ", "XOM", "MTUM", "QUAL", "SIZE", "USMV"):
        assert verdict[symbol] == "fit", symbol
    assert (verdict == "fit").sum() >= 20
    for symbol in ("SPX_LONG", "VIX", "WTI"):
        assert verdict[symbol] == "not fit"
    assert verdict["RRC"] != "fit" and verdict["IXIC"] == verdict["AAPL"] == "look first"
