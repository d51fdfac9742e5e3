"The eighth lesson's measured numbers, each by another road."

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from lessonkit import LESSONS
from scipy import integrate, stats

import alphatwin as at

PAIRS = {"entry": range(10, 101, 5), "leave": range(5, 51, 5)}


@pytest.fixture(scope="module")
def said() -> str:
    "All that the lesson's cells have printed."
    cells = json.loads((LESSONS / "l08_luck_measured.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(one.get("text") or one["data"]["text/plain"]) for one in outputs)


@pytest.fixture(scope="module")
def nasdaq() -> pd.DataFrame:
    return at.load("IXIC", source="sample")


@pytest.fixture(scope="module")
def earned(nasdaq: pd.DataFrame) -> pd.DataFrame:
    "What each pair earned, from one backtest a pair, without a sweep."
    runs = {}
    for entry in PAIRS["entry"]:
        for leave in PAIRS["leave"]:
            if leave <= entry:
                target = at.donchian_breakout(nasdaq, entry, leave)
                runs[entry, leave] = at.backtest(nasdaq, target, fees=0.001).returns
    return pd.DataFrame(runs)


@pytest.fixture(scope="module")
def timing(earned: pd.DataFrame, nasdaq: pd.DataFrame) -> np.ndarray:
    "What is left of each pair beside its line through the market, the line by numpy."
    market = nasdaq["close"].pct_change().fillna(0.0).to_numpy()
    slopes = [np.polyfit(market[1:], own[1:], 1)[0] for own in earned.to_numpy().T]
    return earned.to_numpy() - np.outer(market, slopes)


def ratios_of(returns: np.ndarray) -> np.ndarray:
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1) * 252**0.5


@pytest.fixture(scope="module")
def place(earned: pd.DataFrame) -> int:
    return int(ratios_of(earned.to_numpy()).argmax())


def test_the_best_pair_and_its_timing(
    said: str, earned: pd.DataFrame, timing: np.ndarray, place: int, nasdaq: pd.DataFrame
) -> None:
    entry, leave = earned.columns.to_list()[place]
    best, alone = ratios_of(earned.to_numpy())[place], ratios_of(timing)[place]
    assert f"best of {earned.shape[1]} pairs: {best:.2f}, with entry {entry} and leave {leave}" in said
    change = nasdaq["close"].pct_change().dropna()
    assert f"holding the index: {ratios_of(change.to_numpy()):.2f}" in said
    errors = alone * (len(nasdaq) / 252) ** 0.5
    assert f"{alone:.2f} is {errors:.1f} errors above zero: {stats.norm.cdf(errors):.1%} sure" in said


def test_how_high_luck_jumps(said: str, timing: np.ndarray, place: int, nasdaq: pd.DataFrame) -> None:
    "Normals drawn with the correlations of the pairs by numpy; the mean of a best integrated."
    alike = np.corrcoef(timing.T)
    drawn = np.random.default_rng(3).multivariate_normal(np.zeros(len(alike)), alike, 20_000, method="eigh")
    jump = drawn.max(axis=1).mean()

    def density(x: float, n: float) -> float:
        return float(x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1))

    means = {n: integrate.quad(density, -8, 12, args=(n,), limit=200)[0] for n in range(2, 12)}
    nearest = min(means, key=lambda n: abs(means[n] - jump))
    worth = float(said.split("pairs are worth ")[1].split()[0])
    assert abs(nearest - worth) <= 1
    error = (252 / len(nasdaq)) ** 0.5
    deflated = stats.norm.cdf(ratios_of(timing)[place] / error - jump)
    assert abs(100 * deflated - float(said.split("more: ")[1].split("%")[0])) < 2.5


def test_the_scissors_on_all_pairs(said: str, timing: np.ndarray) -> None:
    "Every choice of four blocks of eight, over the returns themselves."
    blocks = np.array_split(timing[len(timing) % 8 :], 8)
    below = 0
    ways = list(combinations(range(8), 4))
    for way in ways:
        inside = ratios_of(np.concatenate([blocks[k] for k in way]))
        outside = ratios_of(np.concatenate([blocks[k] for k in range(8) if k not in way]))
        rank = stats.rankdata(outside)[inside.argmax()] / (len(outside) + 1)
        below += rank <= 0.5
    assert len(ways) == 70
    assert abs(100 * below / 70 - float(said.split("PBO ")[1].split("%")[0])) < 3


@pytest.mark.slow
def test_hansens_test_as_arch_has_it(said: str, timing: np.ndarray) -> None:
    from arch.bootstrap import SPA

    units = timing / timing.std(axis=0)
    test = SPA(np.zeros(len(units)), -units, block_size=10, reps=500, bootstrap="circular", seed=5)
    test.compute()
    own = float(said.split("its own draws: ")[1].split("%")[0]) / 100
    assert abs(test.pvalues["consistent"] - own) < 0.06


def test_holding_in_the_years_of_the_walk(said: str, nasdaq: pd.DataFrame) -> None:
    "The walk trades what follows its first thousand bars."
    change = nasdaq["close"].pct_change().iloc[1_001:]
    walk, held = (float(said.split(word)[1][:4]) for word in ("chosen as one goes: ", "held: "))
    assert held == pytest.approx(ratios_of(change.to_numpy()), abs=0.0051) and walk < held
