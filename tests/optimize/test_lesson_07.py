"The seventh lesson: its numbers by other roads, and exercises that know right answers from wrong ones."

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lessonkit import LESSONS, assert_graded, code_cells
from scipy import integrate, stats

import alphatwin as at

NAME = "l07_best_of_ten_thousand"
CELLS = code_cells(NAME)
GRID = {"fast": range(1, 101), "slow": range(101, 201)}


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    "The cells that need no market: imports, coins, formulas, and the grader."
    space: dict[str, Any] = {}
    for start in (
        "import hashlib",
        "def best_of_tossers",
        "def expected",
        "rng = ",
        "def best_of_two",
        "def grade",
    ):
        (text,) = [text for text in CELLS if text.startswith(start)]
        exec(text, space)
    return space


@pytest.fixture(scope="module")
def said() -> str:
    "All that the lesson's cells have printed."
    cells = json.loads((LESSONS / f"{NAME}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(one.get("text") or one["data"]["text/plain"]) for one in outputs)


@pytest.fixture(scope="module")
def grid(spx: pd.DataFrame) -> at.Sweep:
    return at.sweep(spx, at.sma_cross, GRID, fees=0.001, progress=False)


@pytest.mark.parametrize("tries", [5, 10, 45, 100, 1000, 10_000])
def test_the_formula_is_near_the_true_mean_of_a_best(lesson: dict[str, Any], tries: int) -> None:
    "The mean of the largest of `tries` normals, integrated from its density."

    def density(x: float) -> float:
        return float(x * tries * stats.norm.pdf(x) * stats.norm.cdf(x) ** (tries - 1))

    exact, _ = integrate.quad(density, -8, 12, limit=200)
    assert abs(lesson["expected_best"](tries) / exact - 1) < 0.03
    assert exact < math.sqrt(2 * math.log(tries))


def test_tossed_contests_have_the_ratios_of_whole_lives(lesson: dict[str, Any]) -> None:
    "One draw of heads gives what the Sharpe ratio of all its tosses would be."
    heads = np.random.default_rng(7).binomial(lesson["days"], 0.5, 50)
    tosses = [pd.Series(np.r_[np.ones(n), -np.ones(lesson["days"] - n)]) for n in heads]
    lesson["rng"] = np.random.default_rng(7)
    np.testing.assert_allclose(lesson["contests"](1, 50), [at.sharpe(one) for one in tosses], atol=1e-12)


def test_the_better_of_two_that_resemble_each_other(lesson: dict[str, Any]) -> None:
    for rho in (-0.5, 0.0, 0.4, 0.9):
        pairs = np.random.default_rng(2).multivariate_normal([0, 0], [[1, rho], [rho, 1]], 300_000)
        assert abs(pairs.max(axis=1).mean() - lesson["best_of_two"](rho)) < 0.005
    assert lesson["best_of_two"](1.0) == 0 and lesson["best_of_tossers"](3) == (7 - 1) / 8


def test_the_best_pair_made_its_money_in_nine_trades(grid: at.Sweep, spx: pd.DataFrame, said: str) -> None:
    "Bought and sold by hand, at the opens after each crossing."
    best = grid.best("sharpe")
    assert (best["fast"], best["slow"], grid.trials) == (55, 199, 10_000)
    above = (spx["close"].rolling(55).mean() > spx["close"].rolling(199).mean()).to_numpy()
    opens = spx["open"].to_numpy()
    turns = np.diff(above.astype(int))  # Known at the close after; filled at the open after that
    buys, sells = (opens[np.flatnonzero(turns == change) + 2] for change in (1, -1))
    assert len(buys) == len(sells) == 9
    money = np.prod((sells * 0.999) / (buys * 1.001))
    assert math.isclose(money - 1, best["total_return"], rel_tol=1e-3)
    meanwhile = 100 * (buys[1:] / sells[:-1] - 1)
    assert (meanwhile < -30).sum() == 2 and (meanwhile > 0).sum() == 6
    assert all(f"{change:.1f}" in said for change in meanwhile)


def test_the_plateau_by_walking_it(grid: at.Sweep, said: str) -> None:
    "From cell to cell, by a stack."
    ratios = grid.table["sharpe"].to_numpy().reshape(100, 100)
    first = tuple(int(i) for i in np.unravel_index(np.nanargmax(ratios), ratios.shape))
    seen, waiting = {first}, [first]
    while waiting:
        row, column = waiting.pop()
        for place in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= place[0] < 100 and 0 <= place[1] < 100
            if inside and place not in seen and ratios[place] >= ratios[first] / 2:
                seen.add(place)
                waiting.append(place)
    assert f"{len(seen):,} of 10,000" in said


def halves_of(grid: at.Sweep, bars: pd.DataFrame) -> list[np.ndarray]:
    cut = len(bars) // 2
    return [grid.again(part).table["sharpe"].to_numpy() for part in (bars.iloc[:cut], bars.iloc[cut:])]


def test_the_winner_of_one_half_in_the_other(grid: at.Sweep, spx: pd.DataFrame, said: str) -> None:
    before, after = halves_of(grid, spx)
    better = 1 - stats.percentileofscore(after, after[before.argmax()], "weak") / 100
    assert 0.75 < better < 0.85 and f"{better:.0%} of all pairs are better" in said
    assert f"real {stats.spearmanr(before, after).statistic:.2f}, null" in said


@pytest.mark.slow
def test_what_forty_markets_with_nothing_to_find_say(grid: at.Sweep, spx: pd.DataFrame, said: str) -> None:
    twins = [grid.again(at.null_bars(spx, seed)) for seed in range(40)]
    ratios = np.array([twin.table["sharpe"] for twin in twins])
    bests, real = ratios.max(axis=1), grid.table["sharpe"].max()
    assert (bests >= real).sum() == 2 and "as good as the real one: 2 of 40" in said
    assert f"middle {np.sort(bests)[19:21].mean():.2f}, from {bests.min():.2f} to {bests.max():.2f}" in said
    level = ratios.mean(axis=0).mean()
    lift = (bests.mean() - level) / np.sqrt(ratios.var(axis=0, ddof=1)).mean()
    nodes = np.linspace(-8, 12, 20_001)
    means = {
        n: np.trapezoid(nodes * n * stats.norm.pdf(nodes) * stats.norm.cdf(nodes) ** (n - 1), nodes)
        for n in range(2, 40)
    }
    nearest = min(means, key=lambda n: abs(means[n] - lift))
    assert abs(nearest - 7) <= 1 and "the best of 7 independent tries" in said
    places = at.stability(grid).best["worse in the next"].to_numpy()[:3]
    assert sorted(places.round(1)) == [0.3, 0.5, 0.9] and places.min() < 0.27


def test_exercises_wait_and_know_right_from_wrong(
    lesson: dict[str, Any], grid: at.Sweep, spx: pd.DataFrame
) -> None:
    ibm = at.load("IBM", source="sample")
    searched = grid.again(ibm)
    real = searched.table["sharpe"].max()
    good = sum(searched.again(at.null_bars(ibm, n)).table["sharpe"].max() >= real for n in range(20))
    before, after = halves_of(grid, spx)
    share, other = (
        100 * (first > first[then.argmax()]).mean() for first, then in ((before, after), (after, before))
    )
    right = {
        "a": lesson["expected_best"](100) / 3,
        "b": math.sqrt(0.25 / math.pi) / 2,
        "c": good,
        "d": share,
    }
    wrong = {
        "a": math.sqrt(2 * math.log(100)) / 3,
        "b": math.sqrt(1 / math.pi) / 2,
        "c": 20 - good,
        "d": other,
    }
    assert_graded(CELLS, lesson, right, wrong)
