"Vintages: what moved, what SQL may see, and what it may not do."

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.lake import Lake
from alphatwin.data.sources import SourceError
from alphatwin.data.vintages import diff_vintages, list_files, query

Refusal = Callable[..., str]
Market = Callable[..., pd.DataFrame]
END = "23:59:59.999999"


def closes(*values: float, start: str = "2024-07-01") -> pd.DataFrame:
    "A table of closes, one a day."
    days = pd.date_range(start, periods=len(values), name="time", unit="ns")
    return pd.DataFrame({"close": np.array(values, dtype="float64")}, index=days)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    "X: 10, 11; then 12; then 11.5 in place of 11. Y: one row, on the second of these evenings."
    lake = Lake(tmp_path / "lake")
    lake.write("X", closes(10, 11), known="2024-07-02", source="hand")
    lake.write("X", closes(10, 11, 12), known="2024-07-03", source="hand")
    lake.write("X", closes(10, 11.5, 12), known="2024-07-04", source="hand")
    lake.write("Y", closes(20), known="2024-07-03", source="other")
    return lake


# Differences


def test_the_cells_that_moved(lake: Lake) -> None:
    change = diff_vintages("X", "2024-07-02", "2024-07-04", folder=lake.folder)
    assert change.summary == "1 cell moved in close (at most 4.55%), 1 row added, 0 rows gone"
    assert change.moved.columns.tolist() == ["time", "column", "before", "after", "relative"]
    assert change.moved.iloc[0].tolist() == [pd.Timestamp("2024-07-02"), "close", 11.0, 11.5, 11.5 / 11 - 1]
    assert diff_vintages("X", "2024-07-02", folder=lake.folder).summary == change.summary
    calm = diff_vintages("X", "2024-07-02", "2024-07-03", folder=lake.folder)
    assert calm.moved.empty and calm.summary == "no cell moved, 1 row added, 0 rows gone"


def test_the_usual_lake_is_asked_where_none_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHATWIN_LAKE", str(lake.folder))
    assert len(diff_vintages("X", "2024-07-03").moved) == 1


def test_a_day_before_the_first_vintage(lake: Lake, refusal: Refusal) -> None:
    sentence = refusal(SourceError, diff_vintages, "X", "2024-07-01", None, lake.folder)
    assert "X: nothing was known as of 2024-07-01" in sentence


def test_a_split_moves_every_adjusted_close_and_no_price(tmp_path: Path) -> None:
    whole, lake = at.load("AAPL", adjust="raw", end="2005-02-28"), Lake(tmp_path)
    before = whole.loc[:"2005-02-25"].copy()
    before["adj_close"] *= before["close"].iloc[-1] / before["adj_close"].iloc[-1]
    lake.write("AAPL", before, known="2005-02-25")
    done = lake.write("AAPL", whole, known="2005-02-28")
    assert (done.kind, done.moved, done.gone, done.rows) == ("whole", len(before), 0, 1)
    change = diff_vintages("AAPL", "2005-02-25", folder=lake.folder)
    assert change.moved["column"].unique().tolist() == ["adj_close"]
    # The split halves; dividends after 2005 scale further, by the same factor on every day.
    np.testing.assert_allclose(change.moved["relative"], change.moved["relative"].iloc[0], rtol=1e-3)
    then = at.load("AAPL", source="lake", folder=lake.folder, asof="2005-02-25", adjust="all")
    now = at.load("AAPL", source="lake", folder=lake.folder, adjust="all", end="2005-02-25")
    np.testing.assert_allclose(then["close"].pct_change()[1:], now["close"].pct_change()[1:], atol=1e-3)
    assert then["close"].iloc[-1] == 88.99 and now["close"].iloc[-1] < 45


# Views


def test_vintages_has_one_row_a_file(lake: Lake) -> None:
    table = lake.sql("from vintages")
    assert table.columns.tolist() == [
        *("symbol", "known", "until", "kind", "rows", "first", "last", "source", "moved", "gone"),
    ]
    assert table["symbol"].tolist() == ["X", "X", "X", "Y"]
    assert table["known"].astype(str).tolist() == [f"2024-07-0{day} {END}" for day in (2, 3, 4, 3)]
    assert table["until"].astype(str).tolist()[:2] == [f"2024-07-04 {END}"] * 2
    assert table["until"].isna().tolist() == [False, False, True, True]
    assert table[["kind", "rows", "moved", "source"]].to_numpy().tolist() == [
        ["whole", 2, 0, "hand"],
        ["append", 1, 0, "hand"],
        ["whole", 3, 1, "hand"],
        ["whole", 1, 0, "other"],
    ]
    assert table["first"].tolist() == [pd.Timestamp(f"2024-07-0{day}") for day in (1, 3, 1, 1)]
    assert table["last"].tolist() == [pd.Timestamp(f"2024-07-0{day}") for day in (2, 3, 3, 1)]


def test_bars_is_what_is_known_now_or_then(lake: Lake) -> None:
    now = lake.sql("select symbol, time, close from bars order by symbol, time")
    assert now["close"].tolist() == [10, 11.5, 12, 20] and now["symbol"].tolist() == ["X", "X", "X", "Y"]
    assert str(now["time"].dtype) == "datetime64[ns]"
    assert lake.sql("select close from bars order by time", asof="2024-07-02")["close"].tolist() == [10, 11]
    assert lake.sql("select count(*) as n from bars_history", asof="2024-07-03")["n"].tolist() == [4]
    assert lake.sql("select until from vintages", asof="2024-07-03")["until"].isna().all(), "nothing of later"


def test_history_has_every_row_of_every_file(lake: Lake) -> None:
    table = lake.sql(
        "select symbol, time, close, known, until from bars_history order by symbol, time, known"
    )
    assert table["close"].tolist() == [10, 10, 11, 11.5, 12, 12, 20]
    day = table["known"].dt.day.tolist()
    assert day == [2, 4, 2, 4, 3, 4, 3]
    assert table["until"].dt.day.fillna(0).tolist() == [4, 0, 4, 0, 4, 0, 0]


@pytest.mark.slow
def test_history_answers_for_every_moment(tmp_path: Path) -> None:
    rng, lake = np.random.default_rng(8), Lake(tmp_path)
    moments = [f"2025-01-01 12:{minute:02d}" for minute in range(25)]
    for moment in moments:
        rows = np.sort(rng.choice(8, int(rng.integers(1, 8)), replace=False))
        part = closes(*rng.integers(1, 3, 8)).iloc[rows]
        lake.write("X", part, known=moment, source="random", most=2)
    for moment in moments:
        text = f"""select time, close from bars_history
                   where known <= '{moment}' and (until is null or until > '{moment}') order by time"""
        assert (
            lake.sql(text).set_index("time")["close"].to_dict()
            == lake.read("X", asof=moment)["close"].to_dict()
        )


def test_bars_and_closes_side_by_side(lake: Lake, market: Market) -> None:
    lake.write("B", market(1).assign(adj_close=7.0))
    table = lake.sql(
        "select symbol, count(*) as n, count(open) as opens, count(adj_close) as adj from bars group by 1"
    )
    assert table.set_index("symbol").loc["B"].tolist() == [60, 60, 60]
    assert table.set_index("symbol").loc["X"].tolist() == [3, 0, 0]
    lake.write("N", closes(1, np.nan, 3), source="hand")
    assert lake.sql("select avg(close) as mean from bars where symbol = 'N'")["mean"].tolist() == [2.0]


def test_sql_agrees_with_pandas(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    names = ["AAPL", "IBM", "MSFT"]
    for name in names:
        lake.write(name, at.load(name))
    text = """select symbol, date_trunc('month', time) as month, first(open order by time) as open, max(high) as high,
                     min(low) as low, last(close order by time) as close, sum(volume) as volume
              from bars group by all order by symbol, month"""
    got = lake.sql(text).set_index(["symbol", "month"])
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    for name in names:
        monthly = at.load(name).resample("MS").agg(rules)
        np.testing.assert_allclose(got.loc[name].to_numpy(), monthly.to_numpy(), rtol=1e-12)


def test_an_asof_join_takes_the_last_that_was_known(lake: Lake) -> None:
    told = pd.DataFrame({"told": pd.to_datetime(["2024-07-02", "2024-07-03"]), "grade": ["A", "B"]})
    lake.write_table("grades", told)
    text = "select time, grade from bars asof left join grades on bars.time >= told where symbol = 'X' order by time"
    assert lake.sql(text)["grade"].astype(object).where(lambda s: s.notna(), None).tolist() == [
        None,
        "A",
        "B",
    ]


# Small tables


def test_a_table_is_replaced_whole(lake: Lake) -> None:
    quality = pd.DataFrame(
        {"symbol": ["X", "X"], "time": pd.to_datetime(["2024-07-01", "2024-07-02"]), "score": [1.0, np.nan]}
    )
    lake.write_table("quality", quality)
    pd.testing.assert_frame_equal(lake.sql("from quality"), quality, check_dtype=False)
    lake.write_table("quality", quality[:1].set_index(["symbol", "time"]))
    assert lake.sql("select symbol, time, score from quality").shape == (1, 3)
    lake.write_table("quality", quality[:0])
    assert lake.sql("from quality").empty
    joined = lake.sql("select bars.close from bars left join quality using (symbol, time)")
    assert len(joined) == 4
    assert not list((lake.folder / "tables").glob(".*")), "no halves are left"


def test_a_table_in_an_empty_lake(tmp_path: Path, refusal: Refusal) -> None:
    lake = Lake(tmp_path)
    assert lake.sql("from vintages").empty and list_files(tmp_path).empty
    sentence = refusal(ValueError, lake.sql, "from bars")
    assert "bars does not exist" in sentence and sentence.endswith("(tables here: vintages)")
    lake.write_table("notes", pd.DataFrame({"a": [1]}))
    assert lake.sql("select a + 1 as b from notes")["b"].tolist() == [2]


@pytest.mark.parametrize(
    "name", ["bars", "vintages", "bars_history", "", "A", "a b", "a;b", "../a", "1a", "a" * 80, 'a"b']
)
def test_names_that_are_refused(lake: Lake, name: str, refusal: Refusal) -> None:
    sentence = refusal(ValueError, lake.write_table, name, pd.DataFrame({"a": [1]}))
    assert "a table's name is of small letters" in sentence
    assert not (lake.folder / "tables").exists()


@pytest.mark.parametrize("name", ["select", "order", "table", "x1_y"])
def test_names_that_sql_knows_are_quoted(lake: Lake, name: str) -> None:
    lake.write_table(name, pd.DataFrame({"a": [1]}))
    assert lake.sql(f'select a from "{name}"')["a"].tolist() == [1]
    assert len(lake.sql("from bars")) == 4


def test_what_a_table_cannot_hold(lake: Lake, refusal: Refusal) -> None:
    sentence = refusal(ValueError, lake.write_table, "odd", pd.DataFrame({"a": [1, "x", object()]}))
    assert "table odd: a column holds what a table cannot" in sentence
    assert not (lake.folder / "tables" / "odd.parquet").exists()


# Nothing may be changed, and nothing outside be seen

FORBIDDEN = [
    ("delete from bars", "got DELETE"),
    ("drop view bars", "got DROP"),
    ("insert into vintages select * from vintages", "got INSERT"),
    ("update vintages set source = 'me'", "got UPDATE"),
    ("create table t as select 1", "got CREATE"),
    ("copy bars to '{folder}/bars/symbol=X/20250101T000000000000Z-whole.parquet'", "got COPY"),
    ("copy (select 1) to '{outside}/out.csv'", "got COPY"),
    ("explain analyze copy (select 1) to '{outside}/out.csv'", "got EXPLAIN"),
    ("export database '{outside}/db'", "got EXPORT"),
    ("attach '{outside}/x.duckdb' as x", "got ATTACH"),
    ("install httpfs", "got LOAD"),
    ("load httpfs", "got LOAD"),
    ("set enable_external_access = true", "got SET"),
    ("pragma database_list", "got PRAGMA"),
    ("call pragma_version()", "got CALL"),
    ("begin", "got TRANSACTION"),
    ("select 1; select 2", "got SELECT and SELECT"),
    ("select 1; drop view bars", "got SELECT and DROP"),
    ("", "got no SQL"),
    ("-- only a remark", "got no SQL"),
    ("select * from read_csv('{outside}/secret.csv')", "Permission Error"),
    ("select * from read_text('{outside}/secret.csv')", "Permission Error"),
    ("select * from '{outside}/secret.csv'", "Permission Error"),
    ("select * from glob('{outside}/*')", "Permission Error"),
    ("select * from read_parquet('http://127.0.0.1:9/x.parquet')", ""),
    ("select * from secret_frame", "does not exist"),
    ("select getenv('HOME')", "does not exist"),
    ("from query('copy (select 1) to ''{outside}/out.csv''')", ""),
    ("with gone as (delete from vintages returning *) select * from gone", ""),
]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "reason"), FORBIDDEN, ids=[text[:40] for text, _ in FORBIDDEN])
def test_a_question_changes_nothing_and_sees_nothing_else(
    lake: Lake, tmp_path: Path, text: str, reason: str, refusal: Refusal
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("a\n1\n")
    secret_frame = pd.DataFrame({"a": [1]})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    question = text.format(folder=lake.folder, outside=outside)
    if text.startswith("with gone"):  # It may change the copy in memory, which dies with the question
        try:
            lake.sql(question)
        except ValueError as fault:
            assert "\n" not in str(fault)
    else:
        assert reason in refusal(ValueError, lake.sql, question)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert len(lake.sql("from vintages")) == 4 and len(secret_frame) == 1


@pytest.mark.parametrize(
    "text",
    [
        "from bars limit 1",
        "values (1)",
        "describe bars",
        "summarize bars",
        "show tables",
        "with a as (from bars) from a",
    ],
)
def test_questions_in_many_words(lake: Lake, text: str) -> None:
    assert len(lake.sql(text)) >= 1


def test_a_mistake_is_explained_in_one_line(lake: Lake, refusal: Refusal) -> None:
    assert refusal(ValueError, lake.sql, "selec 1").endswith('syntax error at or near "selec"')
    sentence = refusal(ValueError, lake.sql, "select price from bars")
    assert '"price" not found' in sentence and "tables here: bars, bars_history, vintages" in sentence
    lake.write_table("quality", pd.DataFrame({"a": [1]}))
    assert "tables here: bars, bars_history, quality, vintages" in refusal(
        ValueError, lake.sql, "from nothing"
    )
    assert "asof must be" in refusal(ValueError, lambda: lake.sql("from bars", asof="soon"))


def test_a_damaged_file_is_named_in_sql_too(lake: Lake, refusal: Refusal) -> None:
    path = lake.folder / "bars" / "symbol=Y" / "20240703T235959999999Z-whole.parquet"
    path.write_bytes(path.read_bytes()[:50])
    assert path.name in refusal(SourceError, lake.sql, "from bars")


def test_two_questions_do_not_disturb_each_other(lake: Lake) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: query(lake.folder, "select sum(close) as s from bars")["s"][0], range(12))
        )
        reads = list(pool.map(lambda _: lake.read("X")["close"].sum(), range(40)))
    assert set(answers) == {53.5} and set(reads) == {33.5}
