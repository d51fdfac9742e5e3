"The second lesson: its story holds on the real series, and its exercises know the right answers from wrong ones."

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at

LESSON = Path(__file__).resolve().parents[2] / "nbs" / "lessons" / "l02_one_bad_price.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    "What the lesson's own cells define: its rule, its fault and its grader."
    space: dict[str, Any] = {"np": np, "pd": pd, "at": at}
    for text in code_cells():
        if text.startswith(("def dips", "def plant", "import hashlib")):
            exec(text.split("\n\n\n")[0] if text.startswith("def") else text, space)
    return space


def exercise(name: str) -> str:
    (text,) = [text for text in code_cells() if text.startswith(f"answer_{name} = ...")]
    return text


def verdict(lesson: dict[str, Any], name: str, answer: float | None) -> str:
    "Fill in an answer and return what the exercise's cell says."
    text = exercise(name) if answer is None else exercise(name).replace("= ...", f"= {float(answer)!r}", 1)
    assignment, _, question = text.partition("\n")
    space = dict(lesson)
    exec(assignment, space)
    return str(eval(question.strip(), space))


def run(lesson: dict[str, Any], bars: pd.DataFrame) -> float:
    return float(at.backtest(bars, lesson["dips"](bars), fees=0.001).equity.iloc[-1])


def test_exercises_wait_and_know_right_from_wrong(
    lesson: dict[str, Any], spx: pd.DataFrame, aapl: pd.DataFrame
) -> None:
    day = pd.Timestamp("2008-10-21")
    right = {
        "a": 50 / 0.50 - 1,
        "b": run(lesson, lesson["plant"](spx, day)) / run(lesson, spx),
        "c": 2 * aapl["close"]["2005-02-28"] / aapl["close"]["2005-02-25"] - 1,
    }
    wrong = {"a": 100.0, "b": 1.0, "c": aapl["close"]["2005-02-28"] / aapl["close"]["2005-02-25"] - 1}
    for name in "abc":
        letter = name.upper()
        assert verdict(lesson, name, None) == f"{letter}: waiting for you"
        assert verdict(lesson, name, right[name]) == f"{letter}: right!"
        assert verdict(lesson, name, wrong[name]).startswith(f"{letter}: not yet. ")


def test_one_bar_makes_a_fortune_where_the_rule_buys_and_ruin_where_it_sells(
    lesson: dict[str, Any], spx: pd.DataFrame
) -> None:
    target, honest = lesson["dips"](spx), run(lesson, spx)
    decided = target.shift(fill_value=0.0)  # Carried out at the open of the next bar
    bought = spx.index[decided > decided.shift(fill_value=0.0)]
    sold = spx.index[decided < decided.shift(fill_value=0.0)]
    for day in bought[20::90]:
        assert 80 < run(lesson, lesson["plant"](spx, day)) / honest < 125, day
    for day in sold[20::90]:
        assert 0.008 < run(lesson, lesson["plant"](spx, day)) / honest < 0.0125, day
    idle = spx.index.difference(bought).difference(sold)
    for day in idle[500::900]:
        assert 0.7 < run(lesson, lesson["plant"](spx, day)) / honest < 1.4, day


def test_the_fault_is_found_and_mended_to_the_last_digits(lesson: dict[str, Any], spx: pd.DataFrame) -> None:
    day = pd.Timestamp("2003-08-04")
    spoilt = lesson["plant"](spx, day)
    assert (spoilt != spx).any(axis=1).sum() == 1
    report = at.validate(spoilt, calendar="XNYS")
    found = report.findings.query("severity == 'error'")
    assert set(found["check"]) == {"price_off_by_100"} and set(found["time"]) == {day}
    assert not report.ok and round(report.score, 4) == 0.9998
    mended, repairs = at.clean(spoilt, calendar="XNYS")
    np.testing.assert_allclose(mended[spx.columns], spx, rtol=1e-12)
    assert (repairs["action"] == "repaired").all() and set(repairs["time"]) == {day}


def test_a_split_that_was_not_told_is_found(aapl: pd.DataFrame) -> None:
    found = at.validate(aapl, calendar="XNYS").findings.query("severity != 'info'")
    assert found["time"].dt.strftime("%F").tolist() == ["2000-06-21", "2005-02-28"]
