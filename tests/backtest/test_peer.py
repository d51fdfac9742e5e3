"The backtest against `bt`, an independent engine, on the rule of the first episode."

import numpy as np
import pandas as pd
import pytest

import alphatwin as at

bt = pytest.importorskip("bt", reason="bt is not installed: it is one of settings.ini's dev_requirements")

PAIRS = [(1, 2), (5, 20), (10, 50), (20, 100), (50, 200)]


def by_bt(bars: pd.DataFrame, target: pd.Series, fees: float) -> "bt.backtest.Backtest":
    "Run bt on the opens, with each target one bar late, and let one last row hold the last close."
    last = bars.index[-1] + pd.Timedelta(days=1)
    prices = pd.concat([bars["open"], pd.Series([bars["close"].iloc[-1]], index=[last])]).to_frame("X")
    late = target.shift(1, fill_value=0.0)
    changes = late[late != late.shift(1, fill_value=0.0)].to_frame("X")
    strategy = bt.Strategy("peer", [bt.algos.WeighTarget(changes), bt.algos.Rebalance()])
    run = bt.Backtest(
        strategy,
        prices,
        initial_capital=100_000.0,
        commissions=lambda quantity, price: abs(quantity) * price * fees,
        integer_positions=False,
        progress_bar=False,
    )
    run.run()
    return run


def at_opens(bars: pd.DataFrame, result: at.Result) -> pd.Series:
    "The equity just after each open, and at the last close."
    value = result.positions["money"] + result.positions["shares"] * bars["open"]
    return pd.concat([value, result.equity.iloc[-1:]]).reset_index(drop=True)


def agree(bars: pd.DataFrame, target: pd.Series, fees: float) -> None:
    run = by_bt(bars, target, fees)
    theirs = run.strategy.values.iloc[1:]  # bt puts a row for the start before the first
    result = at.backtest(bars, target, fees=fees)
    ours = at_opens(bars, result)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert result.equity.iloc[-1] == pytest.approx(theirs.iloc[-1], rel=1e-9)
    assert len(result.fills) == len(run.strategy.get_transactions())
    worst = (theirs / theirs.cummax().clip(lower=100_000) - 1).min()
    assert at.max_drawdown(ours / ours.shift(fill_value=100_000.0) - 1) == pytest.approx(worst, rel=1e-9)


@pytest.mark.parametrize(("fast", "slow"), PAIRS)
@pytest.mark.parametrize("fees", [0.0, 0.002])
def test_the_cross_of_averages(fast: int, slow: int, fees: float, spx: pd.DataFrame) -> None:
    agree(spx, at.sma_cross(spx, fast, slow), fees)


@pytest.mark.parametrize("seed", range(4))
def test_any_target_short_ones_and_reversals_included(seed: int, aapl: pd.DataFrame) -> None:
    # Without fees: bt sizes a partial position before its fee, we after it.
    rng = np.random.default_rng(seed)
    bars = aapl.loc["2006":"2008"]
    wishes = np.repeat(rng.choice([-0.5, -0.2, 0.0, 0.3, 0.7, 1.0], len(bars) // 5 + 1), 5)[: len(bars)]
    agree(bars, pd.Series(wishes, index=bars.index), fees=0.0)
