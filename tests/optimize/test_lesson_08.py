"The eighth lesson: its numbers by other roads, and exercises that know right answers from wrong ones."

import math
from typing import Any

import pandas as pd
import pytest
from lessonkit import assert_graded, code_cells
from scipy import stats

import alphatwin as at
from alphatwin.optimize.deflation import expected_maximum

NAME = "l08_luck_measured"
CELLS = code_cells(NAME)
PAIRS = {"entry": range(10, 101, 5), "leave": range(5, 51, 5)}


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    "The cells that need no market: imports, the paper, and the grader."
    space: dict[str, Any] = {"luck": at.Luck(0.5, 0.5, 0.5, 6.0, 154, pd.DataFrame())}
    for start in ("import hashlib", "paper = ", "def grade"):
        (text,) = [text for text in CELLS if text.startswith(start)]
        exec(text, space)
    return space


def test_the_paper_is_cut_in_every_way(lesson: dict[str, Any]) -> None:
    cuts = lesson["cuts"]
    assert cuts["winner"].tolist() == ["A", "A", "C", "C", "C", "C"]
    assert cuts["place"].tolist() == [3, 2, 1, 1, 3, 3]


def test_all_exercises_are_graded(lesson: dict[str, Any]) -> None:
    a = stats.norm.cdf((1.5 - 0.5 * expected_maximum(30)) / 0.5)
    changed = lesson["paper"].copy()
    changed.loc[1, "C"] = 12
    b = lesson["scissors"](changed)["not above the middle"].mean()
    power = {n: at.error_rates(n, 100).loc["SPA", "power"] for n in (250, 500, 1_000, 2_500, 5_000)}
    c = min(n for n, share in power.items() if share >= 0.5)
    ibm = at.load("IBM", source="sample")
    earned = at.returns_of(at.sweep(ibm, at.donchian_breakout, PAIRS, fees=0.001))
    timing = pd.DataFrame(
        at.less_market(earned.to_numpy(), at.market_returns(ibm)), earned.index, earned.columns
    )
    d = 100 * at.overfitting(timing, blocks=8).probability
    assert math.isclose(b, 1 / 3)
    assert_graded(CELLS, lesson, {"a": a, "b": b, "c": c, "d": d}, {"a": 0.5, "b": 0.67, "c": 250, "d": 50})
