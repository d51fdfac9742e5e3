"The fifth lesson: its numbers by other roads, and exercises that know right answers from wrong ones."

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lessonkit import assert_graded, code_cells
from scipy import stats

import alphatwin as at

CELLS = code_cells("l05_sharpe")


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    "Every cell of it, without the pictures and the questions."
    space: dict[str, Any] = {}
    for text in CELLS:
        if not text.startswith(("#|", "answer_")):
            exec(text, space)
    return space


def insurer(profit: float) -> pd.Series:
    "The fund of the lesson: three times the premium of scipy's normal distribution less what is paid."
    closes = at.load("SPX")["close"]
    volatility = closes.pct_change().dropna().rolling(63).std() * math.sqrt(252) + profit
    last = pd.DataFrame({"close": closes, "volatility": volatility}).dropna().resample("ME").last()
    swing = last["volatility"] / math.sqrt(12)
    far = -math.log(0.95) / swing + swing / 2
    premium = pd.Series(0.95 * stats.norm.cdf(swing - far) - stats.norm.cdf(-far), last.index)
    return 3 * (premium.shift(1) - (0.95 - last["close"] / last["close"].shift(1)).clip(lower=0)).dropna()


def test_the_fund_is_what_an_independent_formula_says(lesson: dict[str, Any]) -> None:
    np.testing.assert_allclose(lesson["fund"], insurer(0.04), atol=1e-12)
    calm = insurer(0.04)["2003":"2007"]  # type: ignore[misc]
    assert (calm > 0).all() and stats.skew(calm, bias=False) > 1
    assert 4.1 < calm.mean() / calm.std() * math.sqrt(12) < 4.2


def test_the_price_keeps_its_bounds_and_is_what_a_simulation_says(lesson: dict[str, Any]) -> None:
    for strike in (0.8, 0.95, 1.0, 1.1):
        prices = [lesson["put_price"](strike, volatility) for volatility in (0.05, 0.1, 0.2, 0.4)]
        assert (
            np.all(np.diff(prices) > -1e-12)
            and prices[0] > max(0.0, strike - 1) - 1e-12
            and prices[-1] < strike
        )
        grown = np.exp(np.random.default_rng(1).normal(-(0.2**2) / 24, 0.2 / math.sqrt(12), 400_000))
        simulated = np.maximum(strike - grown, 0).mean()
        assert abs(simulated - lesson["put_price"](strike, 0.2)) < 3e-4


@pytest.mark.parametrize("periods", [2, 4, 12])
def test_the_factor_is_that_of_a_process_whose_answer_is_known(lesson: dict[str, Any], periods: int) -> None:
    "Variance of a sum from the whole matrix of autocorrelations, here of an autoregression with 0.3."
    resemblance = 0.3 ** np.arange(1, periods)
    matrix = 0.3 ** np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    assert math.isclose(lesson["lo_factor"](resemblance, periods), periods / math.sqrt(matrix.sum()))


def test_the_error_is_that_of_simulated_normal_returns() -> None:
    "The formula of the lesson against 20,000 histories of a normal world, where it is meant to hold."
    draws = np.random.default_rng(3).normal(0.1, 1.0, (20_000, 120))
    ratios = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    assert abs(ratios.std() / math.sqrt((1 + 0.1**2 / 2) / 120) - 1) < 0.02


def test_the_share_of_wrong_pairs_is_that_of_two_normals(lesson: dict[str, Any]) -> None:
    assert abs(lesson["wrong"] - stats.norm.cdf(-0.5 / math.sqrt(2 / 5))) < 0.02


def test_exercises_wait_and_know_right_from_wrong(lesson: dict[str, Any]) -> None:
    span = slice("2003", "2008")
    fair, dear = (insurer(profit)[span] for profit in (0.0, 0.04))
    right = {
        "a": 0.08 * math.sqrt(252),
        "b": 0.30 * 12 / math.sqrt(12 + 2 * 11 * 0.4),
        "c": (2 / 0.4) ** 2,
        "d": fair.mean() / fair.std() * math.sqrt(12),
    }
    wrong = {
        "a": 0.08 * 252,
        "b": 0.30 * math.sqrt(12),
        "c": 5,
        "d": dear.mean() / dear.std() * math.sqrt(12),
    }
    assert_graded(CELLS, lesson, right, wrong)
