"The dictionary knows every column of every table that the stage makes, and no column that is not there."

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data import dictionary
from alphatwin.data.cache import cached, remember
from alphatwin.data.dictionary import ENTRIES, LOOKED_AT, TABLES, data_dictionary, differences
from alphatwin.data.faults import all_faults, plant
from alphatwin.data.findings import FIELDS, list_findings
from alphatwin.data.health import survey
from alphatwin.data.repairs import RECORD
from alphatwin.data.resampling import resample
from alphatwin.data.scan_market import scan_bars
from alphatwin.data.schema import COLUMNS, DECLARATION, OPTIONAL, Field
from alphatwin.data.second_source import compare_sources
from alphatwin.data.storing import write_lake
from alphatwin.data.true_series import series_for
from alphatwin.data.universe import check_spans
from alphatwin.data.validation import RULES, rule_table, run_checks
from alphatwin.data.vintages import diff_vintages, list_files


@pytest.fixture
def made(tmp_path: Path) -> Iterator[dict[str, pd.DataFrame]]:
    "One real table of each kind."
    spx = at.load("SPX", start="2018-12")
    spoilt = spx.copy()
    spoilt.iloc[5] /= 100
    spoilt.to_csv(tmp_path / "SPX.csv")
    at.load(str(tmp_path / "SPX.csv"), source="csv")
    asked = {"source": "sample", "symbol": "SPX", "start": None, "end": None, "options": {}}
    remember(asked, lambda: spx, "1d", tmp_path / "cache")
    write_lake(tmp_path, "SPX", spoilt, known="2019-01-01")
    write_lake(tmp_path, "SPX", spx, known="2019-01-02")
    members = pd.DataFrame({"symbol": ["A"], "first": ["2020-01-01"], "last": [""]})
    yield {
        "bars": resample(spx.assign(dividend=0.0, split=1.0, adj_close=1.0), "week")
        .reset_index()
        .assign(symbol="A"),
        "findings": at.validate(spoilt).findings,
        "rules": rule_table(),
        "repairs": at.clean(spoilt, calendar="XNYS")[1],
        "scan": scan_bars(spx).counts,
        "samples": at.samples(),
        "loaded": pd.DataFrame([entry for entry in at.loaded().values() if entry["source"] == "csv"]),
        "cached": cached(tmp_path / "cache"),
        "vintages": list_files(tmp_path),
        "moved": diff_vintages("SPX", "2019-01-01", folder=tmp_path).moved,
        "compared": compare_sources(spx, spoilt).cells,
        "survey": survey(["SPX"], "XNYS").table,
        "memberships": check_spans(members),
    }


def test_every_column_of_every_table_has_its_entry_and_no_entry_is_idle(
    made: dict[str, pd.DataFrame],
) -> None:
    assert set(made) == set(TABLES) == set(ENTRIES)
    for name, table in made.items():
        assert len(table), f"{name}: an empty table shows nothing"
        assert set(table.columns) == set(data_dictionary(name)["column"]), name
    assert differences(made) == []


def test_types_are_those_of_the_tables(made: dict[str, pd.DataFrame]) -> None:
    kinds = {"float64": "f", "int64": "iu", "datetime64[ns]": "M", "datetime64": "M", "timedelta64": "m"}
    for name, table in made.items():
        for column, kind in data_dictionary(name).set_index("column")["type"].items():
            values = table[column].dropna()
            if kind in kinds:
                assert values.dtype.kind in kinds[kind], (name, column, values.dtype)
            elif kind == "text":
                assert values.map(lambda one: isinstance(one, str)).all(), (name, column)


def test_a_column_without_an_entry_is_named(made: dict[str, pd.DataFrame]) -> None:
    for name, table in made.items():
        assert differences({name: table.assign(colour="red")}) == [f"{name}.colour: no entry"]
    assert differences({"repairs": RECORD[1:]}) == ["repairs.action: not in the table"]
    assert differences({"findings": FIELDS, "bars": ["time", *COLUMNS]}) == []
    assert differences({"bars": COLUMNS}) == ["bars.time: not in the table"]


def test_bars_are_what_the_schema_declares() -> None:
    bars = data_dictionary("bars").set_index("column")
    for name, field in DECLARATION.items():
        entry = bars.loc[name]
        assert (entry["unit"], entry["meaning"], entry["required"]) == (
            field.unit,
            field.meaning,
            field.required,
        )
    assert not bars.loc[[*OPTIONAL, "symbol", "adj_close", "complete"], "required"].any()
    assert bars.loc[["time", *COLUMNS], "required"].all()


def test_a_newly_declared_column_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    monkeypatch.setitem(DECLARATION, "spread", Field("price", "ask less bid", False))
    again = importlib.reload(dictionary)
    try:
        assert again.data_dictionary("bars").set_index("column").loc["spread", "meaning"] == "ask less bid"
    finally:
        monkeypatch.undo()
        importlib.reload(dictionary)


def test_entries_are_whole_and_nothing_stands_twice() -> None:
    table = data_dictionary()
    assert not table.duplicated(["table", "column"]).any()
    assert (table[["table", "column", "type", "meaning"]] != "").all().all()
    assert list(dict.fromkeys(table["table"])) == list(TABLES)


def test_a_source_without_a_file_leaves_no_file_in_the_ledger() -> None:
    at.register_source("waves", lambda symbol, start, end: at.load("SPX", start="2018-12"))
    at.load("SEA", source="waves")
    (entry,) = [entry for entry in at.loaded().values() if entry["source"] == "waves"]
    assert "file" not in entry and differences({"loaded": entry}) == []


# Which rule looks at which column


def test_the_table_says_which_rules_look_at_a_column() -> None:
    table = data_dictionary().set_index(["table", "column"])["rules"]
    assert set(table["bars", "volume"].split(", ")) == {
        *("missing_value", "not_a_number", "not_positive", "zero_volume", "volume_scale")
    }
    assert (table[table.index.get_level_values("table") != "bars"] == "").all() and table[
        "bars", "symbol"
    ] == ""


def test_every_rule_is_listed_and_every_listed_rule_exists() -> None:
    listed = set(" ".join(LOOKED_AT.values()).split())
    assert listed == set(RULES), f"not listed: {set(RULES) - listed}; gone: {listed - set(RULES)}"
    columns = set(data_dictionary("bars")["column"])
    assert set(LOOKED_AT) - columns == {"row"}


def found_by(findings: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(findings["check"], findings["column"], strict=True))


@pytest.mark.slow
def test_rules_speak_of_the_columns_that_are_listed_for_them(tmp_path: Path) -> None:
    seen: set[tuple[str, str]] = set()
    for number, (name, fault) in enumerate(all_faults().items()):
        series = series_for(fault.needs, fault.gap > 0 or fault.needs == "halfhours")
        planted = plant(name, series[(number + 1) % len(series)], number + 100)
        seen |= found_by(list_findings(run_checks(planted.table()), RULES))
    # Faults of a file, and of several symbols at once, are made by hand.
    spx = at.load("SPX", start="2017")
    many = {name: spx * scale for name, scale in {"A": 1.0, "B": 1.0, "C": 1.7, "D": 0.3}.items()}
    for table in many.values():
        table.iloc[200, 1:4] = np.nan
    seen |= found_by(at.validate(pd.concat(many, names=["symbol", "time"]), calendar="XNYS").findings)
    seen |= found_by(at.validate(spx.rename({spx.index[9]: pd.Timestamp("2107-01-16")})).findings)
    (tmp_path / "cut.csv").write_text(spx.to_csv() + "2018-12-31,1,2\n")
    seen |= found_by(at.validate(tmp_path / "cut.csv").findings)
    strange = [(rule, column) for rule, column in seen if rule not in LOOKED_AT.get(column, "").split()]
    assert not strange, strange
    assert {rule for rule, _ in seen} == set(RULES), set(RULES) - {rule for rule, _ in seen}


def test_other_tables_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no table 'prices'; there are: bars, findings"):
        data_dictionary("prices")
