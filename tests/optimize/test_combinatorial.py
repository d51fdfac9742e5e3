"Each split chooses by its training bars alone, and each path is traded once, costs and all."

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.optimize.combinatorial import (
    CrossValidation,
    choose_in,
    cross_validate,
    draw_paths,
    returns_of_cells,
)
from alphatwin.optimize.null_market import null_bars
from alphatwin.optimize.splits import Split
from alphatwin.optimize.sweeping import Sweep, sweep

Refusal = Callable[..., str]
PAIRS = {"fast": [5, 20], "slow": [20, 40, 60]}
EMBARGO = 60


@pytest.fixture(scope="module")
def grid(spx: pd.DataFrame) -> Sweep:
    return sweep(spx.loc["2006":"2012"], at.sma_cross, PAIRS, fees=0.001, progress=False)


@pytest.fixture(scope="module")
def found(grid: Sweep) -> CrossValidation:
    return cross_validate(grid, embargo=EMBARGO, folds=5, tested=2)


@pytest.mark.slow
def test_against_a_loop_over_blocks(found: CrossValidation, grid: Sweep) -> None:
    "Choices by NumPy from plain backtests, paths by hand, equity by the reference."
    bars, size = grid.bars, len(grid.bars) // 5
    edges = [0, size, 2 * size, 3 * size, 4 * size, len(bars)]
    cells = [(fast, slow) for fast in PAIRS["fast"] for slow in PAIRS["slow"] if fast < slow]
    targets = [at.sma_cross(bars, *cell) for cell in cells]
    earned = np.array([at.backtest(bars, target, fees=0.001).returns for target in targets])
    chosen = []
    for number, tested in enumerate(combinations(range(5), 2)):
        test = np.zeros(len(bars), dtype=bool)
        echo = np.zeros(len(bars), dtype=bool)
        for block in tested:
            test[edges[block] : edges[block + 1]] = True
            echo[edges[block + 1] : edges[block + 1] + EMBARGO] = True
        train = earned[:, ~test & ~echo]
        ratio = train.mean(axis=1) / train.std(axis=1, ddof=1) * 252**0.5
        row = found.choices.loc[number]
        assert row["tested"] == tested and (row["fast"], row["slow"]) == cells[ratio.argmax()]
        assert row["sharpe_in"] == pytest.approx(ratio.max())
        own = earned[ratio.argmax(), test]
        assert row["sharpe_out"] == pytest.approx(own.mean() / own.std(ddof=1) * 252**0.5)
        chosen.append((tested, targets[ratio.argmax()]))
    assert found.returns.shape == (len(bars) - 1, 4)
    for path in found.returns:
        wanted = np.zeros(len(bars))
        for block in range(5):
            target = [one for tested, one in chosen if block in tested][path]
            first, after = max(edges[block], 1) - 1, edges[block + 1] - 1
            wanted[first:after] = target.iloc[first:after]
        wanted[-1] = wanted[-2]
        equity = at.reference_backtest(bars, pd.Series(wanted, bars.index), fees=0.001)[0].to_numpy()
        np.testing.assert_allclose(found.returns[path], equity[1:] / equity[:-1] - 1, atol=1e-12)
    assert found.values.tolist() == pytest.approx([at.sharpe(found.returns[path]) for path in range(4)])


@pytest.mark.slow
def test_the_test_does_not_choose(grid: Sweep) -> None:
    "Another history inside a block changes no choice of the splits that test it, given the embargo."
    bars = grid.bars
    size, leaks = len(bars) // 5, []
    for block in (0, 1, 2, 3):
        part = slice(max(size * block - 1, 0), size * (block + 1))
        tossed = null_bars(bars.iloc[part], seed=block, drift=False)
        factor = tossed["close"].iloc[-1] / bars["close"].iloc[part].iloc[-1]
        after = bars.iloc[part.stop :].mul([factor] * 4 + [1.0])
        other = grid.again(pd.concat([bars.iloc[: part.start + 1], tossed.iloc[1:], after]))
        for embargo in (EMBARGO, 0):
            before, now = (
                cross_validate(one, embargo=embargo, folds=5, tested=2).choices for one in (grid, other)
            )
            mine = np.array([block in tested for tested in before["tested"]])
            moved = (before["sharpe_in"] - now["sharpe_in"]).abs()
            if embargo:
                assert moved[mine].max() < 1e-9 < moved[~mine].max()
                assert before.loc[mine, ["fast", "slow"]].equals(now.loc[mine, ["fast", "slow"]])
            else:
                leaks.append(moved[mine].max())
    assert max(leaks) > 1e-3  # Without an embargo averages carry the test into training


def test_choosing_by_hand_and_of_risks_the_lower() -> None:
    returns = pd.DataFrame({4: [0.05, 0.01, 0.03, 0.0], 9: [0.02, 0.04, 0.01, 0.06]})
    split = Split([0, 2], [1, 3], [])
    assert choose_in(returns, split, "total_return", "") == (4, pytest.approx(0.0815), pytest.approx(0.01))
    assert choose_in(returns, split, "volatility", "")[0] == 9
    still = returns.assign(still=0.0).set_axis([4, 9, 11], axis=1)
    assert choose_in(still, split, "sharpe", "")[0] in (4, 9)  # NaN never wins


def test_returns_of_cells_are_the_engines(grid: Sweep) -> None:
    table = returns_of_cells(grid)
    fine = grid.table.index[grid.table["status"] == "ok"]
    assert table.columns.tolist() == fine.tolist() and len(table.columns) == 5
    assert [at.sharpe(table[cell]) for cell in fine] == pytest.approx(grid.table.loc[fine, "sharpe"])


def test_the_picture_and_the_words(found: CrossValidation) -> None:
    import matplotlib.pyplot as plt

    axis = draw_paths({"one": found, "two": found}).axes[0]
    dots, best, average = axis.lines[3:6]
    assert np.allclose(dots.get_xdata(), found.values) and set(dots.get_ydata()) == {1}
    assert best.get_xdata()[0] == found.best == found.sweep.table["sharpe"].max()
    assert average.get_xdata()[0] == found.sweep.table["sharpe"].mean()
    assert found.plot().axes and plt.get_fignums() == []
    said = repr(found)
    assert "10 splits, 4 paths" in said and f"out of sample {found.values.median():.3g}" in said


@pytest.mark.slow
def test_a_portfolio_is_validated_too() -> None:
    panel = at.load(["AAPL", "IBM", "MSFT"], start="2009-01-01")
    grid = sweep(panel, at.dual_momentum, {"months": [1, 3], "top": [1, 2]}, portfolio=True, progress=False)
    found = cross_validate(grid, embargo=70, folds=4, tested=2)
    assert found.returns.shape == (len(panel.index.unique("time")) - 1, 3) and found.plot().axes


def test_what_it_refuses(grid: Sweep, refusal: Refusal) -> None:
    assert "did you mean 'sharpe'" in refusal(ValueError, cross_validate, grid, embargo=5, metric="sharp")
    assert "no metric 'trades'" in refusal(ValueError, cross_validate, grid, embargo=5, metric="trades")
    words = refusal(ValueError, cross_validate, grid, embargo=400)
    assert f"need at least 2412 bars, got {len(grid.bars)}" in words
    bars = grid.bars
    one = sweep(bars, at.sma_cross, {"fast": 5, "slow": [20]}, progress=False)
    assert "at least two cells with returns, this sweep has 1" in refusal(
        ValueError, cross_validate, one, embargo=5
    )

    def same(bars: pd.DataFrame, name: int = 1) -> pd.Series:
        return pd.Series(1.0, bars.index)

    alike = sweep(bars, same, {"name": [1, 2, 3]}, progress=False)
    assert "all 3 cells earn the same" in refusal(ValueError, cross_validate, alike, embargo=5)
    several = sweep(at.load(["AAPL", "IBM"], start="2011-01-01"), at.sma_cross, PAIRS, progress=False)
    assert "cross-validate each by itself" in refusal(ValueError, cross_validate, several, embargo=5)
    sized = replace(grid, exposure=lambda bars: bars["close"] * 0 + 0.5)
    assert "with an exposure" in refusal(ValueError, cross_validate, sized, embargo=5)
    with pytest.warns(UserWarning, match="same_close"):
        at_close = sweep(bars, at.sma_cross, PAIRS, fill="same_close", progress=False)
    assert "with fill='same_close'" in refusal(ValueError, cross_validate, at_close, embargo=5)

    def early(bars: pd.DataFrame, share: float = 1.0) -> pd.Series:
        return pd.Series(np.where(np.arange(len(bars)) < 300, share, 0.0), bars.index)

    flat = sweep(bars, early, {"share": [0.5, 1.0]}, progress=False)
    words = refusal(ValueError, cross_validate, flat, embargo=5, folds=4, tested=2)
    assert "split 0: sharpe is undefined in all 2 cells" in words
    assert "at least one cross-validation" in refusal(ValueError, draw_paths, {})


def test_too_many_cells_are_refused(grid: Sweep, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphatwin.optimize.combinatorial.MOST_NUMBERS", 4 * len(grid.bars))
    assert "sweep at most 4 cells" in refusal(ValueError, returns_of_cells, grid)
