"""What each cell earned, sums of blocks, and the probability of overfitting."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.metrics.risk import sharpe
from alphatwin.optimize.block_sums import block_edges, sums_of_returns, sums_of_sweep
from alphatwin.optimize.curves_of_cells import returns_of
from alphatwin.optimize.halves import halves_of, overfit_by_hand, overfit_table, overfitting


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return at.load("SPX", start="2005-01-01", end="2008-12-31")


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    return at.load(["AAPL", "IBM", "MSFT"], start="2008-01-01", end="2009-12-31")


def engine(found: Any, cell: int, symbol: str | None = None, exposure: Any = None, **rules: Any) -> pd.Series:
    own = found.bars if symbol is None else found.bars.xs(symbol, level=0)
    target = found.strategy(own, **found.params(cell))
    return at.backtest(own, target if exposure is None else target * exposure, **rules).returns


@pytest.mark.parametrize("fill", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize(
    "small_print",
    [
        {"fees": 0.001, "slippage": 0.0005},
        {"stop_loss": 0.02, "take_profit": 0.03, "fees": 0.001},
        {"rebalance": "every_bar", "fees": 0.001},
        {"trailing_stop": 0.05},
    ],
    ids=["plain", "stops", "every bar", "the slow road"],
)
@pytest.mark.filterwarnings("ignore:fill='same_close'")
def test_returns_are_the_engines(small_print: dict[str, Any], fill: str, bars: pd.DataFrame) -> None:
    rules = small_print | {"fill": fill}
    exposure = at.volatility_target(bars, 0.1) if "rebalance" in rules else None
    grid = {"fast": [3, 15], "slow": [20, 60], "short": [True, False]}
    found = at.sweep(bars, at.sma_cross, grid, exposure=exposure, progress=False, **rules)
    earned = returns_of(found)
    assert earned.shape == (len(bars), 8)
    for cell in earned:
        expected = engine(found, cell, exposure=exposure, **rules)
        np.testing.assert_allclose(earned[cell], expected, rtol=0, atol=1e-12)


def test_returns_of_one_of_many_symbols_and_of_a_portfolio(panel: pd.DataFrame) -> None:
    found = at.sweep(panel, at.ema_cross, {"fast": [5, 40], "slow": [20, 60]}, fees=0.001, progress=False)
    earned = returns_of(found, symbol="IBM")
    assert earned.columns.tolist() == [0, 1, 3]  # 40 is not below 20
    np.testing.assert_allclose(earned[3], engine(found, 3, "IBM", fees=0.001), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="3 symbols; say which"):
        returns_of(found)
    with pytest.raises(ValueError, match="no symbol XYZ"):
        returns_of(found, symbol="XYZ")
    rotation = {"top": [1, 2], "months": [3]}
    together = at.sweep(panel, at.dual_momentum, rotation, portfolio=True, progress=False)
    np.testing.assert_allclose(returns_of(together)[1], engine(together, 1), rtol=0, atol=1e-12)


def test_a_ruined_cell_has_no_returns(bars: pd.DataFrame) -> None:
    rise = bars.iloc[:200].copy()
    for name in ("open", "high", "low", "close"):
        rise[name] = 100 * np.linspace(1, 3, 200)

    def held(bars: pd.DataFrame, until: int) -> pd.Series:
        target = pd.Series(0.0, bars.index)
        target.iloc[10:until] = -1.0
        return target

    found = at.sweep(rise, held, {"until": [20, 60, 105, 180]}, progress=False)
    assert found.table["status"].tolist()[3] == "the account is ruined"
    earned = returns_of(found, [0, 2, 3])
    assert earned.columns.tolist() == [0, 2]
    np.testing.assert_allclose(earned[2], engine(found, 2), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="numbered from 0 to 3, got 1 to 9"):
        returns_of(found, [1, 9])


def test_block_sums_of_a_sweep_are_those_of_its_returns(bars: pd.DataFrame) -> None:
    grid = {"fast": range(5, 25), "slow": range(30, 130, 5)}  # 400 cells: more than one part
    found = at.sweep(bars, at.sma_cross, grid, fees=0.001, progress=False)
    sums, expected = sums_of_sweep(found, 8), sums_of_returns(returns_of(found), 8)
    np.testing.assert_allclose(sums.totals, expected.totals, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(sums.squares, expected.squares, rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(sums.sharpe() * 252**0.5, found.table["sharpe"], rtol=1e-9)
    edges = block_edges(len(bars), 8)
    some = pd.concat(
        [returns_of(found, [17])[17].iloc[edges[block] : edges[block + 1]] for block in (1, 2, 6)]
    )
    assert sums.sharpe([1, 2, 6])[17] == pytest.approx(sharpe(some, periods=1), rel=1e-9)


def test_every_half_is_listed_once() -> None:
    ways = halves_of(6)
    assert ways.shape == (20, 6) and (ways.sum(axis=1) == 3).all()
    assert len({tuple(way) for way in ways}) == 20


def plain_probability(returns: pd.DataFrame, blocks: int) -> float:
    "Written down from the paper, with pandas alone."
    parts, below = np.array_split(np.arange(len(returns)), blocks), []
    for half in combinations(range(blocks), blocks // 2):
        inside = returns.iloc[np.concatenate([parts[block] for block in half])]
        outside = returns.drop(inside.index)
        best = (inside.mean() / inside.std()).idxmax()
        share = (outside.mean() / outside.std()).rank()[best] / (returns.shape[1] + 1)
        below.append(np.log(share / (1 - share)) <= 0)
    return float(np.mean(below))


@pytest.mark.parametrize("seed", range(4))
def test_probability_is_the_papers(seed: int) -> None:
    generator = np.random.default_rng(seed)
    returns = pd.DataFrame(generator.normal(0.0003, 0.01, (240, 9)))
    found = overfitting(returns, blocks=6)
    assert found.probability == plain_probability(returns, 6)
    assert len(found.table) == 20 and found.rules == 9


@pytest.mark.parametrize(("seed", "rules"), list(enumerate([2, 3, 511, 513, 700, 1_100])))
def test_compiled_is_by_hand_bit_for_bit(seed: int, rules: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 0.01, (160, rules)).round(2 + seed % 4)
    values[:, 0] += 0.02 * (seed % 2)
    values[:, -1] = values[:, 0] if seed % 2 else 0.0  # As good as the best; or never in the market
    sums = sums_of_returns(pd.DataFrame(values), 6)
    assert np.array_equal(overfit_table(sums), overfit_by_hand(sums))


def test_planted_truth_is_found_and_noise_is_not() -> None:
    generator = np.random.default_rng(7)
    noise = generator.normal(0, 0.01, (40, 512, 30))
    chance = [overfitting(pd.DataFrame(one), 8).probability for one in noise]
    assert 0.45 < np.mean(chance) < 0.75  # Somewhat above a half: what one half has, the other lacks
    noise[:, :, 0] += 0.003  # A Sharpe ratio of about 4.8 a year
    worth = [overfitting(pd.DataFrame(one), 8) for one in noise]
    assert max(one.probability for one in worth) < 0.1
    assert all((one.table["best"] == 0).mean() > 0.9 for one in worth)


def test_the_opposite_halves_tell_one_story() -> None:
    returns = pd.DataFrame(np.random.default_rng(3).normal(0, 0.01, (200, 5)))
    doubled = overfitting(pd.concat([returns, returns], ignore_index=True), 2)
    assert doubled.probability == 0.0 and np.allclose(doubled.table["inside"], doubled.table["outside"])
    turned = overfitting(pd.concat([returns, -returns], ignore_index=True), 2)
    assert turned.probability == 1.0 and turned.loss == 1.0 and (turned.odds < 0).all()
    assert "PBO 100.0%" in repr(turned)


@pytest.mark.parametrize(
    ("change", "blocks", "words"),
    [
        (lambda table: table[[0]], 8, "at least two rules are needed to compare, got 1"),
        (lambda table: table.assign(**{"x": np.nan}), 8, "rule x never has a number"),
        (lambda table: table.mask(np.arange(300).reshape(100, 3) == 9), 8, "is not a number at 3"),
        (lambda table: pd.DataFrame({"a": table[0], "b": table[0]}), 8, "all 2 rules have the same returns"),
        (lambda table: table, 7, "blocks must be an even number"),
        (lambda table: table, True, "blocks must be an even number"),
        (lambda table: table, 22, "at most 20"),
        (lambda table: table.iloc[:50], 8, "8 blocks need at least 64 bars, got 50"),
    ],
)
def test_what_has_no_answer_is_refused(change: Any, blocks: Any, words: str) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(0, 0.01, (100, 3)))
    with pytest.raises(ValueError, match=words):
        overfitting(change(table), blocks)


def test_a_sweep_without_a_choice_is_refused(bars: pd.DataFrame) -> None:
    one = at.sweep(bars, at.sma_cross, {"fast": [5], "slow": [20]}, progress=False)
    with pytest.raises(ValueError, match="at least two cells are needed to compare, the sweep has 1"):
        overfitting(one)
    same = at.sweep(bars, at.sma_cross, [{"fast": 5, "slow": 20}, {"fast": 5, "slow": 20}], progress=False)
    with pytest.raises(ValueError, match="all 2 cells earned the same"):
        overfitting(same)
    with pytest.raises(TypeError, match="takes a Sweep, or a table of returns, got list"):
        overfitting([1, 2])
