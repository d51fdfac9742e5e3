"The third lesson: its ten lines are the engine's, and its exercises know right answers from wrong ones."

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lessonkit import assert_graded, code_cells

import alphatwin as at

CELLS = code_cells("l03_small_print")


def run_cell(start: str, space: dict[str, Any]) -> dict[str, Any]:
    "Run the definitions of the one cell that begins so."
    (text,) = [text for text in CELLS if text.startswith(start)]
    exec(text.split("\n\n\n")[0], space)
    return space


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    space = run_cell("import hashlib", {})
    for start in ("def after_a_fall", "def ten_lines", "def grade"):
        run_cell(start, space)
    return space


@pytest.mark.parametrize("seed", range(20))
def test_ten_lines_are_the_engine(lesson: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    price = 50 * np.exp(rng.normal(0, 0.02, (60, 2)).cumsum(axis=0))
    time = pd.bdate_range("2020-01-01", periods=60, name="time", unit="ns")
    bars = pd.DataFrame({"open": price[:, 0], "close": price[:, 1]}, index=time)
    bars = bars.assign(high=price.max(axis=1), low=price.min(axis=1), volume=1e6)
    target = pd.Series(rng.integers(0, 2, 60).astype("float64"), index=time)
    by_hand = lesson["ten_lines"](bars, target, fee=0.002)
    np.testing.assert_allclose(at.backtest(bars, target, fees=0.002).equity, by_hand, rtol=1e-9)


def test_exercises_wait_and_know_right_from_wrong(lesson: dict[str, Any], spx: pd.DataFrame) -> None:
    rule = lesson["after_a_fall"](spx)
    end = at.backtest(spx, rule, fill="next_close", fees=0.001, stop_loss=0.05).equity.iloc[-1]
    right = {"a": (1 - 0.0005) ** 500, "b": 92.0 * 0.9, "c": end}
    wrong = {"a": (1 - 0.0005) ** 250, "b": 84.0, "c": at.backtest(spx, rule, fees=0.001).equity.iloc[-1]}
    assert_graded(CELLS, lesson, right, wrong)
