"The sixth lesson: three leaks, found one by one; and its exercises know right answers from wrong ones."

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lessonkit import LESSONS, assert_graded, code_cells

import alphatwin as at

CELLS = code_cells("l06_seeing_the_future")


def run_cell(start: str, space: dict[str, Any]) -> None:
    "Run the imports or definitions of the one cell that begins so."
    (text,) = [text for text in CELLS if text.startswith(start)]
    parts = [part for part in text.split("\n\n\n") if part.startswith(("def ", "import "))]
    exec("\n\n\n".join(parts), space)


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    space: dict[str, Any] = {}
    starts = "import hashlib", "def smooth(", "def smooth_of", "def score_so_far", "def same_day", "def trend"
    for start in (*starts, "def friends_rule", "def grade"):
        run_cell(start, space)
    return space


def test_the_leaks_are_named_in_their_order(lesson: dict[str, Any], spx: pd.DataFrame) -> None:
    steps = {name: lesson[name] for name in ("smooth", "score", "decide")}
    for guilty in ("smooth", "score", None):
        proof = at.certify(list(steps.items()), spx)
        assert (proof.counterexample.stage if proof.counterexample else None) == guilty
        mend = {"smooth": "smooth_of_the_past", "score": "score_so_far"}
        steps |= {name: lesson[mend[name]] for name in [guilty] if name in mend}


def test_one_function_with_switches_is_the_chain(lesson: dict[str, Any], spx: pd.DataFrame) -> None:
    smooths = {False: lesson["smooth_of_the_past"], True: lesson["smooth"]}
    scores = {False: lesson["score_so_far"], True: lesson["score"]}
    for centred, hindsight in product((False, True), repeat=2):
        chain = lesson["decide"](scores[hindsight](smooths[centred](spx)))
        pd.testing.assert_series_equal(chain, lesson["trend"](spx, centred, hindsight))
        proof = at.certify(lesson["trend"], spx, centred=centred, hindsight=hindsight)
        assert proof.ok == (not centred and not hindsight), str(proof)


def test_what_each_leak_makes(lesson: dict[str, Any], spx: pd.DataFrame) -> None:
    "Counted with logarithms, by another road than the lesson's."
    change = np.diff(np.log(spx["close"].to_numpy()))
    made = {}
    for centred, hindsight, same in product((False, True), repeat=3):
        wanted = lesson["trend"](spx, centred, hindsight).to_numpy()
        held = wanted[1:] if same else wanted[:-1]
        made[centred, hindsight, same] = 100_000 * np.exp(change[held == 1].sum())
    assert round(made[True, True, True]) == 6_049_562 and round(made[False, False, False]) == 101_176
    assert made[False, True, True] > made[True, True, True]  # One leak less, and more money
    assert all((money > 3e6) == (centred or same) for (centred, _, same), money in made.items())
    outputs = (LESSONS / "l06_seeing_the_future.ipynb").read_text(encoding="utf-8")
    assert all(f"{money:,.0f}" in outputs for money in made.values())


@pytest.mark.parametrize("name", ["same_day", "next_day"])
def test_the_account_is_what_the_table_says(lesson: dict[str, Any], spx: pd.DataFrame, name: str) -> None:
    wanted = lesson["trend"](spx)
    held = wanted if name == "same_day" else wanted.shift(1).fillna(0.0)
    pd.testing.assert_series_equal(
        lesson[name](spx), held * spx["close"].pct_change().fillna(0.0), check_names=False
    )


def test_exercises_wait_and_know_right_from_wrong(lesson: dict[str, Any], spx: pd.DataFrame) -> None:
    row = np.flatnonzero(pd.Series(np.arange(200.0)).rolling(31, center=True).apply(lambda w: 100 in w) == 1)
    found = at.certify(lesson["friends_rule"], spx).counterexample

    def mended(bars: pd.DataFrame) -> pd.Series:
        weeks = bars["close"].resample("W").last().reindex(bars.index, method="ffill")
        return (weeks > bars["close"]).astype("float64")

    assert at.certify(mended, spx).ok and found is not None and found.seen is not None
    ends = [
        at.backtest(spx, mended(spx), fees=0.001, fill=fill).equity.iloc[-1]
        for fill in ("next_close", "next_open")
    ]
    right = {"a": 100 + (row[-1] - row[0]) / 2, "b": found.seen.day, "c": ends[0]}
    wrong = {"a": 100, "b": 8, "c": ends[1]}
    assert_graded(CELLS, lesson, right, wrong)
