"A search from end to end: real files, real kills, halving's arithmetic, the ledger, and what is refused."

import math
import os
import runpy
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.data.schema import BarsError
from alphatwin.optimize import trial_ledger
from alphatwin.optimize.checkpoint import CheckpointError
from alphatwin.optimize.found import Search, on_front
from alphatwin.optimize.objectives import Objective
from alphatwin.optimize.pareto import draw_front, room_under
from alphatwin.optimize.proposals import METHODS
from alphatwin.optimize.searching import search

Refusal = Callable[..., str]
PAIRS = {"fast": (5, 100), "slow": (20, 300)}
WIDE = {"fast": (5, 1000), "slow": (20, 1000)}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[list]:
    book: list = []
    monkeypatch.setattr(trial_ledger, "BOOK", book)
    yield book


@pytest.fixture(scope="module")
def bars(spx: pd.DataFrame) -> pd.DataFrame:
    return spx.loc["2007":"2012"]


def planted(bars: pd.DataFrame, days: int = 10, share: float = 0.5) -> pd.Series:
    "Hold more, the nearer both parameters are to (40, 0.7): a market that only rises makes that the top."
    return pd.Series(1.0 - min(1.0, abs(days - 40) / 60 + abs(share - 0.7)), bars.index)


def rising(count: int = 300) -> pd.DataFrame:
    "Bars that rise every day, by different amounts."
    moves = 0.001 + 0.0005 * np.sin(np.arange(count))
    close = 100 * np.cumprod(1 + moves)
    before = np.r_[100.0, close[:-1]]
    times = pd.bdate_range("2020-01-01", periods=count, name="time")
    table = {"open": before, "high": close, "low": before, "close": close, "volume": 1.0}
    return pd.DataFrame(table, times)


@pytest.mark.slow
@pytest.mark.parametrize("how", METHODS)
def test_every_row_is_one_backtest(bars: pd.DataFrame, how: str) -> None:
    found = search(bars, at.sma_cross, PAIRS, 20, how, seed=2, fees=0.001)
    done = found.table[found.table["status"] == "ok"]
    for row in done.index[:5]:
        run = at.backtest(bars, at.sma_cross(bars, **found.params(row)), fees=0.001)
        assert np.isclose(done.at[row, "value"], at.sharpe(run.returns), rtol=1e-9)
        assert done.at[row, "trades"] == len(run.trades) and done.at[row, "bars"] == len(bars)
    assert found.best()["value"] == done["value"].max() and found.complete
    again = search(bars, at.sma_cross, PAIRS, 20, how, seed=2, fees=0.001)
    pd.testing.assert_frame_equal(found.table, again.table)
    if how != "grid":
        other = search(bars, at.sma_cross, PAIRS, 20, how, seed=3, fees=0.001)
        assert not other.table["fast"].equals(found.table["fast"])


@pytest.mark.parametrize("how", ["tpe", "cma"])
def test_learners_climb_a_planted_hill(how: str) -> None:
    hill = {"days": (1, 100), "share": (0.0, 1.0)}
    options: dict[str, Any] = {"objective": "total_return", "seed": 1, "metrics": "total_return"}
    best = search(rising(), planted, hill, 60, how, **options).params()
    assert abs(best["days"] - 40) <= 8 and abs(best["share"] - 0.7) < 0.12


def test_halving_by_hand(bars: pd.DataFrame) -> None:
    "Budget 9: twenty-seven on a ninth, nine on a third, three on all; each round keeps the best of the last."
    found = search(bars, at.sma_cross, {"fast": (2, 9), "slow": (10, 60)}, 9, "halving", seed=4)
    count, table = len(bars), found.table
    assert table["bars"].value_counts().to_dict() == {count // 9: 18, count // 3: 6, count: 3}
    points = [tuple(found.params(row).values()) for row in table.index]
    assert len(set(points)) == 27
    alive = list(range(27))
    for part, keep in ((9, 9), (3, 3)):
        shown = bars.iloc[: count // part]
        by_hand = {
            row: at.sharpe(at.backtest(shown, at.sma_cross(shown, *points[row])).returns) for row in alive
        }
        alive = sorted(by_hand, key=lambda row: -by_hand[row])[:keep]
    assert sorted(alive) == table.index[table["status"] == "ok"].tolist()
    assert found.best().name in alive and found.failed.sum() == 24


def test_halving_needs_room(bars: pd.DataFrame, refusal: Refusal, tmp_path: Path) -> None:
    file = tmp_path / "night.db"
    said = refusal(ValueError, search, bars.iloc[:400], at.sma_cross, PAIRS, 9, "halving", storage=file)
    assert not file.exists()
    assert said == "halving needs a budget of at least 3 and 540 bars, got 9 and 400"


def test_an_objective_that_fails_marks_its_trial_and_the_search_goes_on(bars: pd.DataFrame) -> None:
    def moody(metrics: dict[str, float]) -> float:
        if metrics["trades"] % 3 == 0:
            raise RuntimeError("three again")
        return float("nan") if metrics["trades"] % 3 == 1 else metrics["sharpe"]

    for how in ("sobol", "tpe", "nsga2"):
        found = search(bars, at.sma_cross, PAIRS, 40, how, objective=moody, seed=1)
        kinds = found.table.loc[found.table["bars"] > 0].groupby(found.table["trades"] % 3)["status"].unique()
        assert kinds.map(list).to_dict() == {
            0.0: ["the objective raised RuntimeError: three again"],
            1.0: ["the objective is nan"],
            2.0: ["ok"],
        }
        assert found.best()["trades"] % 3 == 2 and (found.table["bars"] > 0).sum() == 40


def test_constraints_on_parameters_cost_nothing_and_those_on_outcomes_do(bars: pd.DataFrame) -> None:
    rules = [lambda p: p["slow"] > 3 * p["fast"], {"trades": (5, 20)}]
    found = search(bars, at.sma_cross, PAIRS, 30, "random", constraints=rules, seed=1)
    table = found.table
    assert (table["bars"] > 0).sum() == 30
    outside = (table["slow"] <= 3 * table["fast"]) & (table["slow"] > table["fast"])
    assert set(table.loc[outside, "status"]) == {"a constraint says no"}
    ran = table[table["bars"] > 0]
    assert (ran["slow"] > 3 * ran["fast"]).all()
    assert ((ran["status"] == "ok") == ran["trades"].between(5, 20)).all()
    assert ran.loc[ran["trades"] > 20, "value"].isna().all() and 5 <= found.best()["trades"] <= 20


def test_no_trial_that_keeps_the_limits_is_said_in_one_line(bars: pd.DataFrame, refusal: Refusal) -> None:
    found = search(bars, at.sma_cross, PAIRS, 10, constraints={"max_drawdown": (-0.001, None)})
    said = refusal(ValueError, found.best)
    assert said.startswith(f"none of {len(found.table)} proposals has a value: max_drawdown is below -0.001")
    assert "NaN" not in repr(found) and "best" not in repr(found)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sobol", "tpe", "nsga2"])
def test_a_larger_budget_goes_on_where_the_file_ends(bars: pd.DataFrame, tmp_path: Path, how: str) -> None:
    file = tmp_path / "night.db"
    search(bars, at.sma_cross, PAIRS, 7, how, seed=5, storage=file)
    before = file.stat().st_mtime_ns
    more = search(bars, at.sma_cross, PAIRS, 16, how, seed=5, storage=f"sqlite:///{file}")
    pd.testing.assert_frame_equal(more.table, search(bars, at.sma_cross, PAIRS, 16, how, seed=5).table)
    assert file.stat().st_mtime_ns > before
    with closing(sqlite3.connect(file)) as stored:
        assert stored.execute("select count(*) from trials").fetchone()[0] == len(more.table)


NIGHT = """
    import os, sys, time
    import pandas as pd
    import alphatwin as at
    from alphatwin.optimize.searching import search

    def slow_rule(bars: pd.DataFrame, days: int, share: float) -> pd.Series:
        time.sleep(float(os.environ["PAUSE"]))
        return share * (bars["close"] > bars["close"].shift(days)).astype(float)

    bars = at.load("SPX", start="2014-01-01")
    space = {"days": (2, 60), "share": (0.1, 1.0)}
    how, file = sys.argv[1], (sys.argv[2:] or [None])[0]
    found = search(bars, slow_rule, space, 12, how, seed=6, storage=file, certify=False, fees=0.001)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tpe", "halving"])
def test_a_killed_process_is_taken_up_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    script, file = tmp_path / "night.py", tmp_path / "night.db"
    script.write_text(textwrap.dedent(NIGHT))

    def rows() -> int:
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as stored:
                return int(stored.execute("select count(*) from trials").fetchone()[0])
        except sqlite3.Error:
            return 0

    environment = os.environ | {"PYTHONPATH": str(ROOT), "PAUSE": "0.3"}
    started = subprocess.Popen([sys.executable, script, how, file], env=environment)
    deadline = time.monotonic() + 60
    while rows() < 3 and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    started.kill()
    assert started.wait() == -signal.SIGKILL and 3 <= rows() < 12
    monkeypatch.setenv("PAUSE", "0")
    tables = []
    for arguments in ([how, str(file)], [how]):
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        tables.append(runpy.run_path(str(script), run_name="__main__")["found"].table)
    pd.testing.assert_frame_equal(*tables)
    assert rows() >= 12


@pytest.mark.slow
def test_a_file_of_another_question_is_refused_and_left_alone(
    bars: pd.DataFrame, tmp_path: Path, refusal: Refusal
) -> None:
    file = tmp_path / "night.db"
    asked: dict[str, Any] = {"how": "tpe", "seed": 1, "storage": file, "fees": 0.001}
    search(bars, at.sma_cross, PAIRS, 4, **asked)
    before = file.read_bytes()
    wider = {"fast": (5, 101), "slow": (20, 300)}
    others: list[tuple[str, Any, Any, Any, dict[str, Any]]] = [
        ("strategy", at.ema_cross, bars, PAIRS, {}),
        ("bars", at.sma_cross, bars.iloc[1:], PAIRS, {}),
        ("space", at.sma_cross, bars, wider, {}),
        ("objective", at.sma_cross, bars, PAIRS, {"objective": Objective("sharpe", drawdown=1)}),
        ("constraints", at.sma_cross, bars, PAIRS, {"constraints": lambda p: p["slow"] > 50}),
        ("rules", at.sma_cross, bars, PAIRS, {"fees": 0.002}),
        ("metrics", at.sma_cross, bars, PAIRS, {"metrics": ("sharpe", "cagr")}),
        ("how", at.sma_cross, bars, PAIRS, {"how": "random"}),
        ("seed", at.sma_cross, bars, PAIRS, {"seed": 2}),
    ]
    for differs, strategy, shown, space, more in others:
        said = refusal(CheckpointError, search, shown, strategy, space, 4, **(asked | more))
        assert said == f"{file} answers another question (other {differs}); delete it, or name another file"
    assert file.read_bytes() == before


def test_a_grid_is_laid_out_for_one_budget(bars: pd.DataFrame, tmp_path: Path, refusal: Refusal) -> None:
    asked: dict[str, Any] = {"how": "grid", "storage": tmp_path / "grid.db"}
    search(bars, at.sma_cross, PAIRS, 9, **asked)
    assert "(other budget)" in refusal(CheckpointError, search, bars, at.sma_cross, PAIRS, 16, **asked)


def test_a_file_that_is_none(bars: pd.DataFrame, tmp_path: Path, refusal: Refusal) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")
    said = refusal(CheckpointError, search, bars, at.sma_cross, PAIRS, 4, storage=letter)
    assert said.endswith("is not the study of a search; nothing was written to it")
    assert letter.read_text() == "Dear reader"
    missing = tmp_path / "no" / "night.db"
    assert "no such folder" in refusal(CheckpointError, search, bars, at.sma_cross, PAIRS, 4, storage=missing)


def test_rows_that_this_search_did_not_propose_are_refused(
    bars: pd.DataFrame, tmp_path: Path, refusal: Refusal
) -> None:
    file = tmp_path / "night.db"
    search(bars, at.sma_cross, PAIRS, 4, "random", storage=file)
    with closing(sqlite3.connect(file)) as stored:
        stored.execute("update trial_params set param_value = 77 where param_name = 'slow'")
        stored.commit()
    said = refusal(CheckpointError, search, bars, at.sma_cross, PAIRS, 8, "random", storage=file)
    assert said.startswith("row 0 of") and said.endswith("delete the file, or name another one")


def test_ctrl_c_leaves_what_was_done(bars: pd.DataFrame, tmp_path: Path, own_ledger: list) -> None:
    calls: list[int] = []

    def tired(bars: pd.DataFrame, days: int, share: float) -> pd.Series:
        calls.append(days)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return share * (bars["close"] > bars["close"].shift(days)).astype(float)

    space = {"days": (2, 90), "share": (0.1, 1.0)}
    asked: dict[str, Any] = {"how": "tpe", "storage": tmp_path / "night.db", "certify": False}
    with pytest.warns(UserWarning, match="interrupted: 7 trials have a value"):
        found = search(bars, tired, space, 20, **asked)
    assert not found.complete and len(found.table) == found.trials == 7 and "NOT COMPLETE" in repr(found)
    assert [len(entry.marks) for entry in own_ledger] == [7]
    with closing(sqlite3.connect(tmp_path / "night.db")) as stored:
        assert stored.execute("select count(*) from trials").fetchone()[0] == 7


def test_ctrl_c_in_a_halving_marks_what_saw_a_part(bars: pd.DataFrame) -> None:
    def tired(bars: pd.DataFrame, days: int) -> pd.Series:
        if len(bars) == 1510 and days > 30:
            raise KeyboardInterrupt
        return (bars["close"] > bars["close"].shift(days)).astype(float)

    with pytest.warns(UserWarning, match="interrupted"):
        found = search(bars, tired, {"days": (2, 120)}, 9, "halving", seed=1, certify=False)
    said = found.failed.index
    assert len(bars) == 1510 and not found.complete and said.str.startswith("stopped after").all()
    assert set(found.table["bars"]) == {1510 // 9, 1510 // 3}, "each with the most bars that it saw"
    assert found.values["sharpe"].notna().sum() == 0 and "best" not in repr(found)


def test_the_ledger_counts_a_point_once_whoever_tried_it(bars: pd.DataFrame, own_ledger: list) -> None:
    at.sweep(bars, at.sma_cross, {"fast": [5, 10], "slow": [50, 100]}, fees=0.001)
    found = search(bars, at.sma_cross, {"fast": [5, 10], "slow": [50, 100, 150]}, 6, "grid", fees=0.001)
    search(bars, at.sma_cross, {"fast": [5, 10], "slow": [50, 100, 150]}, 6, "grid", fees=0.002)
    table = at.trials().table
    assert table["what"].tolist() == ["sweep", "search", "search"]
    assert table["trials"].tolist() == [4, 6, 6] and table["new"].tolist() == [4, 2, 6]
    assert found.trials == 6 and at.trials().count(bars) == 12


def test_what_is_no_question_is_no_trial_and_halving_counts_all_it_saw(
    bars: pd.DataFrame, own_ledger: list
) -> None:
    found = search(bars, at.sma_cross, {"fast": (5, 60), "slow": (5, 60)}, 9, "halving", seed=2)
    assert (found.table["bars"] == 0).any() and at.trials().count(bars) == found.trials
    assert found.trials == len(found.table[found.table["bars"] > 0].drop_duplicates(["fast", "slow"])) > 20


def test_several_objectives(bars: pd.DataFrame, refusal: Refusal) -> None:
    both = ["cagr", Objective("max_drawdown"), "volatility"]
    found = search(
        bars, at.donchian_breakout, {"entry": (5, 90), "leave": (5, 90)}, 40, "nsga2", objective=both
    )
    assert found.objectives == ("cagr", "max_drawdown", "-volatility")
    ok = found.table[found.table["status"] == "ok"]
    assert ok["value_1"].equals(ok["cagr"].rename("value_1")) and ok["value_3"].equals(
        -ok["volatility"].rename("value_3")
    )
    values = ok[["value_1", "value_2", "value_3"]].to_numpy()
    beaten = [any((o >= v).all() and (o > v).any() for o in values) for v in values]
    kept = ok[~np.array(beaten)].drop_duplicates(["entry", "leave"])
    assert found.front.index.tolist() == kept.index.tolist()
    assert found.best("-volatility")["volatility"] == ok["volatility"].min()
    assert "3 objectives have no single best" in refusal(ValueError, found.best)
    axis = found.plot(y="-volatility").axes[0]
    two = ok[["value_1", "value_3"]].to_numpy()
    drawn = axis.collections[1].get_offsets().data
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, two[on_front(two)]))


def test_the_front_is_its_definition() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        cloud = rng.integers(0, 5, (int(rng.integers(1, 30)), int(rng.integers(1, 5)))).astype(float)
        cloud[rng.random(cloud.shape) < 0.05] = math.nan
        fine = [row for row in cloud.tolist() if not any(map(math.isnan, row))]
        for row, said in zip(cloud.tolist(), on_front(cloud), strict=True):
            beaten = any(all(map(lambda a, b: a >= b, other, row)) and other != row for other in fine)
            assert said == (row in fine and not beaten)


def test_the_room_under_a_front_by_hand(refusal: Refusal) -> None:
    steps = np.array([[1, 4], [3, 3], [3, 1], [4, 1], [math.nan, 9], [0, 0]], dtype=float)
    assert room_under(steps, (0, 0)) == 1 * 4 + 2 * 3 + 1 * 1
    assert room_under(steps, (-1, -1)) == 2 * 5 + 2 * 4 + 1 * 2
    assert room_under(steps, (3, 0)) == 1.0 and room_under(steps, (5, 5)) == 0.0
    assert "got shape (2, 3)" in refusal(ValueError, room_under, np.zeros((2, 3)), (0, 0))


@pytest.mark.slow
def test_a_portfolio_is_searched_as_one(spx: pd.DataFrame, refusal: Refusal) -> None:
    both = {"SPX": spx, "IXIC": at.load("IXIC")}
    table = pd.concat(both, names=["symbol", "time"])
    table = table[table.index.get_level_values("time") < "2003-01-01"]
    found = search(table, at.dual_momentum, {"months": (2, 8), "top": [1, 2]}, 6, "random", portfolio=True)
    run = at.backtest(table, at.dual_momentum(table, **found.params()))
    assert np.isclose(found.best()["value"], at.sharpe(run.returns), rtol=1e-9)
    said = refusal(BarsError, search, table, at.sma_cross, PAIRS, 5)
    assert said.startswith("a search takes the bars of one symbol, got 2")


def test_parameters_come_back_as_they_went_in(bars: pd.DataFrame) -> None:
    choices = [None, 3, "x", (1, 2), True]

    def odd(bars: pd.DataFrame, kind: Any, days: int) -> pd.Series:
        assert any(kind is one or kind == one for one in choices) and type(days) is int
        return (bars["close"] > bars["close"].shift(days)).astype(float)

    found = search(bars, odd, {"kind": choices, "days": 9}, 5, "grid")
    assert [found.params(row)["kind"] for row in range(5)] == choices
    assert found.params() == {"kind": None, "days": 9}


class FutureSeer:
    "A strategy that looks ahead."

    __name__ = "seer"

    def __call__(self, bars: pd.DataFrame, days: int) -> pd.Series:
        return (bars["close"].shift(-days) > bars["close"]).astype(float)


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (TypeError, {"strategy": 3}, "a search is search(bars, strategy, space, budget)"),
        (BarsError, {"bars": [1, 2]}, "takes Bars"),
        (ValueError, {"budget": 0}, "budget is a whole number, 1 or more, got 0"),
        (ValueError, {"budget": True}, "budget is a whole number"),
        (ValueError, {"budget": 9.5}, "budget is a whole number, 1 or more, got 9.5"),
        (ValueError, {"seed": -1}, "seed is a whole number, 0 or more, got -1"),
        (ValueError, {"how": "bayes"}, "no method 'bayes'"),
        (TypeError, {"fes": 0.1}, "search has no argument fes; the nearest is fees"),
        (TypeError, {"budgets": 10}, "the nearest is budget"),
        (TypeError, {"exposure": 1}, "search has no argument exposure"),
        (ValueError, {"space": {"fast": (5, 9), "slaw": (9, 99)}}, "no parameter slaw; the nearest is slow"),
        (ValueError, {"space": {"fast": 5}}, "no parameter varies"),
        (ValueError, {"objective": []}, "name at least one objective"),
        (ValueError, {"objective": ["sharpe", "sharpe"]}, "each once, got sharpe, sharpe"),
        (ValueError, {"objective": "sharp"}, "the nearest is sharpe"),
        (ValueError, {"metrics": "beta"}, "a sweep has no metric beta"),
        (ValueError, {"constraints": lambda p: p["fast"] > p["slow"]}, "of the space is feasible"),
        (at.LookAheadError, {"strategy": FutureSeer(), "space": {"days": (1, 9)}}, ""),
    ],
)
def test_what_is_refused_before_anything_runs(
    bars: pd.DataFrame, refusal: Refusal, own_ledger: list, kind: Any, change: dict[str, Any], words: str
) -> None:
    asked = {"strategy": at.sma_cross, "bars": bars, "space": PAIRS, "budget": 10} | change
    assert words in refusal(kind, search, **asked)
    assert not own_ledger


def test_what_a_result_refuses(bars: pd.DataFrame, refusal: Refusal) -> None:
    found: Search = search(bars, at.sma_cross, PAIRS, 4)
    assert refusal(ValueError, found.best, "cagr") == "this search did not look for 'cagr'; it has sharpe"
    assert "a front needs two objectives" in refusal(ValueError, found.plot)
    two = search(bars, at.sma_cross, PAIRS, 4, objective=["cagr", "trades"])
    assert "the nearest is -trades" in refusal(ValueError, draw_front, two, "trades")
    assert "got cagr twice" in refusal(ValueError, draw_front, two, "cagr", "cagr")


def test_a_strategy_that_breaks_is_named_with_its_parameters(bars: pd.DataFrame, refusal: Refusal) -> None:
    def breaks(bars: pd.DataFrame, days: int) -> pd.Series:
        if days > 50:
            raise ZeroDivisionError("oh")
        return (bars["close"] > bars["close"].shift(days)).astype(float)

    said = refusal(at.CellError, search, bars, breaks, {"days": (2, 90)}, 30, certify=False)
    assert said.startswith("breaks(days=") and said.endswith("failed: ZeroDivisionError: oh")


def test_a_strategy_that_refuses_most_points_is_searched_all_the_same(bars: pd.DataFrame) -> None:
    def picky(bars: pd.DataFrame, days: int) -> pd.Series:
        if days % 3:
            raise ValueError(f"days must be a multiple of three, got {days}")
        return (bars["close"] > bars["close"].shift(days)).astype(float)

    found = search(bars, picky, {"days": (2, 90)}, 10, "random", certify=False)
    assert (found.table["bars"] > 0).sum() == 10
    assert found.failed.index.tolist() == ["days must be a multiple of three"]


@pytest.mark.slow
def test_without_optuna_the_blind_methods_work_and_the_others_say_what_to_install(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        sys.modules["optuna"] = None
        import alphatwin as at
        from alphatwin.optimize.searching import search
        bars = at.load("SPX", start="2017-01-01")
        print(search(bars, at.sma_cross, {"fast": (5, 9), "slow": (20, 60)}, 4, "latin").trials)
        for more in ({"how": "tpe"}, {"how": "sobol", "storage": "night.db"}):
            try:
                search(bars, at.sma_cross, {"fast": (5, 9), "slow": (20, 60)}, 4, **more)
            except ImportError as error:
                print(error)
    """)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.splitlines() == [
        "4",
        "tpe needs optuna: pip install 'alphatwin[search]'",
        "storage= needs optuna: pip install 'alphatwin[search]'",
    ], ran.stderr
    assert not list(tmp_path.iterdir())


def test_the_clock_has_no_part_in_what_is_proposed(
    bars: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hardly(params: dict) -> bool:
        return params["slow"] == params["fast"] + 1

    tables = []
    for seconds in (0.0, 10.0):  # A machine without end, and one that has hardly begun
        ticks = iter(float(seconds * tick) for tick in range(10**6))
        monkeypatch.setattr("alphatwin.optimize.pointwise.perf_counter", lambda ticks=ticks: next(ticks))
        with pytest.warns(UserWarning, match="of 1,120 proposals all others were refused"):
            tables.append(search(bars, at.sma_cross, WIDE, 6, "random", constraints=hardly).table)
    pd.testing.assert_frame_equal(*tables)
