"Sweeps against single backtests, on every road; slips; interrupts, kills and checkpoints with real processes."

import fcntl
import itertools
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numba import njit

import alphatwin as at
from alphatwin.optimize.cells import cells_of
from alphatwin.optimize.checkpoint import CheckpointError, describe
from alphatwin.optimize.meaning import LIMITS, mark_refused, parameters_of
from alphatwin.optimize.plateau import stability
from alphatwin.optimize.sweeping import Sweep, sweep
from alphatwin.optimize.workers import MEASURES, CellError

Refusal = Callable[..., str]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return at.load("SPX", end="2001-12-31")


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    return at.load(["AAPL", "IBM", "MSFT"], start="2009-01-01")


def near_high(bars: pd.DataFrame, window: int = 50, share: float = 0.95) -> pd.Series:
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    return (bars["close"] > share * bars["close"].rolling(window).max()).astype("float64")


def mean_rule(bars: pd.DataFrame, window: int) -> pd.Series:
    return (bars["close"] > bars["close"].rolling(window).mean()).astype("float64")


@njit(nogil=True)
def compiled_average(close, window, band=0.0):  # type: ignore[no-untyped-def]
    target, total = np.zeros(len(close)), 0.0
    for bar in range(len(close)):
        total += close[bar] - (close[bar - window] if bar >= window else 0.0)
        target[bar] = 1.0 if bar >= window - 1 and close[bar] * window > total * (1 + band) else 0.0
    return target


def as_backtests(found: Sweep, bars: pd.DataFrame, rows: list[int], **rules: Any) -> None:
    "Hold some rows against the engine, called by itself."
    for row in rows:
        own = bars if "symbol" not in found.table else bars.loc[found.table["symbol"][row]]
        wanted = at.backtest(own, found.strategy(own, **found.params(row)), **rules).summary()[
            list(found.metrics)
        ]
        got = found.table.loc[row, list(found.metrics)].astype("float64")
        room = 1e-12 * (1 + wanted.get("trades", 100))
        np.testing.assert_allclose(
            got, wanted.astype("float64"), rtol=room, atol=room, err_msg=str(found.params(row))
        )


# Every shipped strategy, every metric

GRIDS: dict[str, dict[str, Any]] = {
    "sma_cross": {"fast": [3, 20], "slow": [20, 50]},
    "ema_cross": {"fast": [3, 20], "slow": [20, 50]},
    "macd_cross": {"fast": [5, 12], "slow": [26, 12], "signal": [5, 9]},
    "donchian_breakout": {"entry": [10, 40], "leave": [5, 20], "short": [False, True]},
    "faber_timing": {"months": [3, 10]},
    "time_series_momentum": {"months": [3, 12], "short": [True, False]},
    "rsi_reversion": {"window": [2, 5], "below": [10, 30.5], "trend": [None, 100]},
    "bollinger_reversion": {"window": [10, 20], "width": [1, 2.0], "short": [False, True]},
    "turn_of_the_month": {"last": [1, 2], "first": [2, 3]},
    "buy_and_hold": {},
}


@pytest.mark.parametrize("name", [name for name in GRIDS if GRIDS[name]])
def test_every_shipped_strategy_gives_what_the_engine_gives(name: str, bars: pd.DataFrame) -> None:
    found = sweep(bars, getattr(at, name), GRIDS[name], metrics=MEASURES, fees=0.001, slippage=0.0005)
    assert len(found.table) == np.prod([len(axis) for axis in GRIDS[name].values()]) and found.complete
    fine = found.table.index[found.table["status"] == "ok"].tolist()
    assert found.trials == len(fine) > 0
    as_backtests(found, bars, fine, fees=0.001, slippage=0.0005)
    for row in set(found.table.index) - set(fine):
        with pytest.raises(ValueError, match=re.escape(found.table["status"][row])):
            found.strategy(bars, **found.params(row))


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("dual_momentum", {"months": [3, 6], "top": [1, 2, 9]}),
        ("cross_sectional_momentum", {"months": [3, 6], "fraction": [0.3, 0.5], "skip": [0, 3]}),
    ],
)
def test_portfolios_get_the_whole_table(name: str, grid: dict[str, Any], panel: pd.DataFrame) -> None:
    strategy = getattr(at, name)
    found = sweep(panel, strategy, grid, metrics=MEASURES, portfolio=True, fees=0.001)
    assert "symbol" not in found.table and 0 < found.trials < len(found.table)
    as_backtests(found, panel, found.table.index[found.table["status"] == "ok"].tolist(), fees=0.001)


def test_many_symbols_are_swept_each_by_itself(panel: pd.DataFrame) -> None:
    found = sweep(panel, at.ema_cross, {"fast": [5, 30], "slow": [30, 60]}, fees=0.001)
    assert found.table["symbol"].astype(str).tolist() == [
        s for s in ["AAPL", "IBM", "MSFT"] for _ in range(4)
    ]
    assert found.trials == 9 and found.table["status"].eq("ok").sum() == 9
    as_backtests(found, panel, found.table.index[found.table["status"] == "ok"].tolist(), fees=0.001)
    assert found.best("sharpe", "IBM")["symbol"] == "IBM"


def test_rules_that_no_kernel_knows_go_through_the_engine(bars: pd.DataFrame) -> None:
    rules: dict[str, Any] = {
        "stop_loss": 0.05,
        "interest": 0.02,
        "rebalance": "monthly",
        "fees": at.Fees(fixed=1.0),
    }
    found = sweep(bars, at.sma_cross, {"fast": [5, 10], "slow": [20, 50]}, metrics=MEASURES, **rules)
    as_backtests(found, bars, [0, 1, 2, 3], **rules)


def test_exposure_multiplies_the_target(bars: pd.DataFrame) -> None:
    def calm(bars: pd.DataFrame) -> pd.Series:
        return at.volatility_target(bars, 0.1)

    found = sweep(bars, at.sma_cross, {"fast": [5, 10], "slow": [20, 50]}, exposure=calm, fees=0.001)
    for row in range(4):
        target = at.sma_cross(bars, **found.params(row)) * calm(bars)
        alone = at.backtest(bars, target, fees=0.001).summary()
        np.testing.assert_allclose(
            found.table.loc[row, "total_return"],
            alone["total_return"],
            rtol=1e-12 * (1 + alone["trades"] * 50),
        )
    given = sweep(bars, at.sma_cross, {"fast": [5, 10], "slow": [20, 50]}, exposure=calm(bars), fees=0.001)
    assert given.table.equals(found.table)


def test_a_part_of_the_bars_has_a_part_of_the_exposure(bars: pd.DataFrame) -> None:
    grid = {"fast": [5, 20], "slow": [50, 100]}
    sizes = at.volatility_target(bars, 0.1)
    whole = at.sweep(bars, at.sma_cross, grid, exposure=sizes, rebalance="every_bar", progress=False)
    part, when = whole.again(bars.iloc[300:700]), slice(300, 700)
    for place in range(4):
        params = part.params(place)
        target = at.sma_cross(bars.iloc[when], **params) * sizes.iloc[when]
        result = at.backtest(bars.iloc[when], target, rebalance="every_bar")
        assert part.table["sharpe"][place] == pytest.approx(result.summary()["sharpe"], rel=1e-11), params
    assert len(stability(whole, parts=2).ranks) == 2


def test_targets_of_all_kinds_come_back_in_their_places(bars: pd.DataFrame) -> None:
    """Simple ones are priced together, others one by one, and what is too steep or ruined comes last."""
    rise = bars.iloc[:200].copy()
    for name in ("open", "high", "low", "close"):
        rise[name] = 100 * np.linspace(1, 3, 200)
    kinds = {0: 1.0, 1: 0.5, 2: -1.0, 3: -0.4, 4: 0.0, 5: 1.0}

    def held(bars: pd.DataFrame, kind: int, until: int) -> pd.Series:
        if kind == 5:
            raise ValueError("five is no kind")
        target = pd.Series(0.0, bars.index)
        target.iloc[10:until] = kinds[kind]
        return target

    found = sweep(rise, held, {"kind": list(kinds), "until": [60, 105, 180]}, progress=False, workers=1)
    for place, row in found.table.iterrows():
        params = found.params(place)
        if params["kind"] == 5:
            assert row["status"] == "five is no kind" and np.isnan(row["sharpe"])
            continue
        try:
            expected = at.backtest(rise, held(rise, **params)).summary()
        except ValueError as error:
            assert str(error).startswith("the account is ruined") and row["status"] == "the account is ruined"
            assert np.isnan(row["sharpe"])
            continue
        assert row["status"] == "ok"
        for metric in found.metrics:
            assert row[metric] == pytest.approx(expected[metric], rel=1e-11, abs=1e-12, nan_ok=True), params
    assert (found.table["status"] == "the account is ruined").sum() == 1
    lost = found.table[(found.table["kind"] == 2) & (found.table["until"] == 105)]["total_return"].item()
    assert lost < -0.85  # Too steep for whole numbers


def test_a_compiled_function_reads_columns_by_name(bars: pd.DataFrame) -> None:
    found = sweep(bars, compiled_average, {"window": range(5, 60, 5)}, fees=0.001)
    for row in (0, 5, 10):
        window = found.params(row)["window"]
        target = (bars["close"] > bars["close"].rolling(window).mean() * (1 + 1e-15)).astype("float64")
        alone = at.backtest(bars, target, fees=0.001).summary()
        assert found.table["trades"][row] == alone["trades"]
        np.testing.assert_allclose(found.table["total_return"][row], alone["total_return"], rtol=1e-10)
    assert set(parameters_of(compiled_average)) == {"window", "band"}


# Words of refusal

AXES: dict[str, list[Any]] = {
    "fast": [0, 3, 20],
    "slow": [20, 50, -1],
    "signal": [0, 9],
    "entry": [5, 20, 0],
    "leave": [5, 10, 30],
    "months": [0, 3],
    "hurdle": [-1.0, 0.0, 0.1],
    "window": [0, 2, 20],
    "below": [0, 10, 101],
    "trend": [None, 0, 50],
    "width": [0.0, 2.0, -1.0],
    "last": [0, 1],
    "first": [1, 2, 0],
}


@pytest.mark.parametrize("name", [name for name in GRIDS if GRIDS[name]])
def test_columns_are_refused_as_the_strategy_refuses_cells(name: str, bars: pd.DataFrame) -> None:
    strategy = getattr(at, name)
    grid = {one: AXES[one] for one in parameters_of(strategy) if one in AXES}
    cells = mark_refused(cells_of(grid), strategy, bars)
    said = []
    for cell in range(len(cells)):
        try:
            strategy(bars, **cells.params(cell))
            said.append("")
        except ValueError as error:
            said.append(str(error).partition(", got ")[0])
    assert [cells.reasons[code] for code in cells.status] == said and "" in said and len(set(said)) > 1


def test_every_shipped_strategy_is_listed() -> None:
    from alphatwin.signals import reversion, rotation, strategies, trend

    takes_bars = {
        value
        for module in (strategies, trend, reversion, rotation)
        for name, value in vars(module).items()
        if name in module.__all__ and callable(value) and next(iter(parameters_of_first(value)), "") == "bars"
    }
    helpers = {strategies.wide_prices, rotation.month_returns, rotation.known_symbols}
    assert takes_bars - helpers == set(LIMITS)


def parameters_of_first(function: Any) -> list[str]:
    import inspect

    return list(inspect.signature(function).parameters)[:1]


def test_what_a_readers_own_rule_refuses_is_a_status_and_no_trial(bars: pd.DataFrame) -> None:
    found = sweep(bars, near_high, {"window": [20, 50], "share": [0.9, 1.0]})
    assert found.table["status"].tolist() == ["ok", "share must lie between 0 and 1"] * 2
    assert found.trials == 2 and found.table.loc[[1, 3], list(found.metrics)].isna().all(axis=None)
    assert found.table["status"].dtype == "category" and found.table["window"].dtype == "int64"


def test_ruin_is_a_status(bars: pd.DataFrame) -> None:
    def short(bars: pd.DataFrame, size: float) -> pd.Series:
        return pd.Series(-size, bars.index)

    found = sweep(at.load("AAPL", start="2003-01-01"), short, {"size": [0.01, 1.0]})
    assert found.table["status"].tolist() == ["ok", "the account is ruined"] and found.trials == 2
    assert found.best("total_return")["size"] == 0.01

    rising = at.load("AAPL", start="2003-01-01")  # On a fused plan, where one knows the strategy
    against = pd.Series(-1.0, rising.index)
    found = sweep(rising, at.sma_cross, {"fast": [1, 50], "slow": [250, 3000]}, exposure=against)
    for row in range(4):
        target = at.sma_cross(rising, **found.params(row)) * against
        try:
            alone = at.backtest(rising, target).summary()["total_return"]
        except ValueError:
            assert found.table["status"][row] == "the account is ruined"
        else:
            assert found.table["status"][row] == "ok"
            np.testing.assert_allclose(found.table["total_return"][row], alone, rtol=1e-9, atol=1e-12)
    assert 0 < found.table["status"].eq("the account is ruined").sum() < 4


# Slips

SLIPS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"grid": {}}, ValueError, "the grid is empty; name at least one parameter and its values"),
    ({"grid": []}, ValueError, "the grid is empty"),
    ({"grid": {"fast": range(10, 5)}}, ValueError, "fast has no values"),
    ({"grid": {"fats": [5]}}, ValueError, "sma_cross has no parameter fats; the nearest is fast"),
    (
        {"grid": {"fast": [50], "slow": [20]}},
        ValueError,
        "every cell is refused: fast must be smaller than slow",
    ),
    ({"grid": {"fast": {5, 6}}}, ValueError, "fast is a set, which has no order"),
    ({"grid": [{"fast": 5}, {"slow": 5}]}, ValueError, "given for some cells only (cell 1)"),
    ({"grid": {"fast": [[5], [6]]}}, ValueError, "cannot be compared"),
    ({"grid": 5}, ValueError, "a grid is a mapping"),
    ({"metrics": ["sharp"]}, ValueError, "no metric sharp; the nearest is sharpe"),
    ({"metrics": []}, ValueError, "at least one of"),
    ({"fee": 0.1}, TypeError, "no argument fee; the nearest is fees"),
    ({"fill": "never"}, ValueError, "fill must be one of"),
    ({"strategy": pd.Series([1.0])}, TypeError, "a sweep calls a strategy, got Series"),
    ({"portfolio": True}, ValueError, "portfolio=True needs the long table"),
    ({"exposure": pd.Series([1.0])}, ValueError, "exposure has 1 values for"),
]


@pytest.mark.parametrize(("slip", "kind", "words"), SLIPS, ids=[words for _, _, words in SLIPS])
def test_slips(slip: dict[str, Any], kind: type[Exception], words: str, bars: pd.DataFrame) -> None:
    given: dict[str, Any] = {"strategy": at.sma_cross, "grid": {"fast": [5, 10], "slow": [50]}} | slip
    with pytest.raises(kind) as caught:
        sweep(bars, given.pop("strategy"), given.pop("grid"), **given)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_hole_in_one_symbol_names_it(panel: pd.DataFrame, refusal: Refusal) -> None:
    holed = panel.copy()
    holed.loc[("IBM", slice("2010-03-01", "2010-03-01")), "close"] = np.nan
    with pytest.raises(at.BarsError, match=r"IBM: close is nan on 2010-03-01"):
        sweep(holed, at.sma_cross, {"fast": [5, 10], "slow": 50})
    holed = panel.copy()
    holed.loc[("MSFT", slice("2010-03-01", "2010-03-01")), "high"] = np.nan  # Only the strategy reads it
    with pytest.raises((CellError, at.BarsError), match=r"MSFT.*high is nan on 2010-03-01"):
        sweep(holed, at.donchian_breakout, {"entry": [20, 40], "leave": 10})


def test_a_strategy_that_fails_names_the_cell(bars: pd.DataFrame, refusal: Refusal) -> None:
    def fails(bars: pd.DataFrame, window: int) -> pd.Series:
        if window == 7:
            raise KeyError("no")
        return near_high(bars, window)

    words = refusal(CellError, sweep, bars, fails, {"window": [5, 6, 7, 8]})
    assert words == "fails(window=7) on SPX failed: KeyError: 'no'"


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "target is nan"), (2.0, "is 2 times the equity")], ids=["nan", "too much"]
)
def test_a_target_that_no_engine_takes_names_the_cell(value: float, words: str, bars: pd.DataFrame) -> None:
    def odd(bars: pd.DataFrame, window: int) -> pd.Series:
        target = near_high(bars, window)
        return target if window < 7 else target.replace(1.0, value)

    with pytest.raises(CellError, match=r"odd\(window=7\) on SPX failed") as caught:
        sweep(bars, odd, {"window": [5, 7]})
    assert words in str(caught.value)


def test_a_rule_that_peeks_is_refused_before_the_sweep(bars: pd.DataFrame, refusal: Refusal) -> None:
    calls = []

    def peeks(bars: pd.DataFrame, window: int) -> pd.Series:
        calls.append(window)
        return (bars["close"].shift(-1) > bars["close"].rolling(window).mean()).astype("float64")

    refusal(at.LookAheadError, sweep, bars, peeks, {"window": range(5, 50)})
    assert set(calls) == {5}
    assert sweep(bars, peeks, {"window": [5, 6]}, certify=False).trials == 2

    def peeking_size(bars: pd.DataFrame) -> pd.Series:
        return (bars["close"].shift(-1) > bars["close"]).astype("float64")

    refusal(at.LookAheadError, sweep, bars, at.sma_cross, {"fast": [5, 6]}, exposure=peeking_size)


def test_a_rule_that_writes_on_its_bars_is_refused(bars: pd.DataFrame) -> None:
    def writes(bars: pd.DataFrame, window: int) -> pd.Series:
        if window > 5:
            bars["close"] = 1.0
        return pd.Series(1.0, bars.index)

    with pytest.raises((CellError, ValueError), match="changes the bars"):
        sweep(bars, writes, {"window": [5, 6, 7]})
    assert bars["close"].iloc[0] > 1000


# The answer


def test_best_and_again(bars: pd.DataFrame, refusal: Refusal) -> None:
    found = sweep(
        bars,
        at.rsi_reversion,
        {"below": [0.001, 20.0, 30.0], "window": [14, 14], "trend": None},
        metrics=MEASURES,
    )
    assert found.table["sharpe"].isna().sum() == 2 and found.trials == 3  # The same window twice
    for metric in MEASURES:
        column = found.table[metric].dropna()
        wanted = column.min() if metric in ("volatility", "trades", "exposure") else column.max()
        best = found.best(metric)
        assert best[metric] == wanted and best.name == column.index[column == wanted][0]
        assert "status" not in best and found.params(best) == found.params(best.name)
    assert "no metric nothing" in refusal(ValueError, found.best, "nothing")
    assert "no symbol IBM" in refusal(ValueError, found.best, "sharpe", "IBM")
    other = at.load("SPX", start="2002-01-01", end="2004-12-31")
    again = found.again(other)
    assert again.table.equals(sweep(other, at.rsi_reversion, found.cells, metrics=MEASURES).table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="same_close"):
            sweep(bars, at.sma_cross, {"fast": [5, 6]}, fill="same_close")
    with pytest.warns(UserWarning, match="same_close"):
        close = sweep(bars, at.sma_cross, {"fast": [5, 6]}, fill="same_close")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close.again(other)


def test_the_order_is_that_of_the_grid(bars: pd.DataFrame) -> None:
    axes = {"window": [30, 10, 20], "share": [0.99, 0.9]}
    table = sweep(bars, near_high, axes).table
    assert list(table[["window", "share"]].itertuples(index=False, name=None)) == list(
        itertools.product(*axes.values())
    )


# Roads

GRID = {"window": range(5, 25), "share": [0.9, 0.95, 1.0]}


@pytest.mark.slow
def test_bits_do_not_depend_on_who_does_the_work(bars: pd.DataFrame) -> None:
    for strategy, grid in (
        (near_high, GRID),
        (compiled_average, {"window": range(5, 60)}),
        (at.sma_cross, {"fast": range(3, 9), "slow": range(10, 60, 10)}),
    ):
        one = sweep(bars, strategy, grid, workers=1).table
        assert sweep(bars, strategy, grid, workers=2).table.equals(one)
        with ThreadPoolExecutor(3) as threads:
            assert sweep(bars, strategy, grid, executor=threads).table.equals(one)
            assert threads.submit(int).result() == 0, "a reader's executor is not shut down"


@pytest.mark.slow
def test_a_worker_of_our_own_that_is_killed_is_replaced(bars: pd.DataFrame, tmp_path: Path) -> None:
    victim = tmp_path / "killed"

    def murderous(bars: pd.DataFrame, window: int) -> pd.Series:
        if window == 31 and not victim.exists() and os.getpid() != parent:
            victim.write_text("once")
            os.kill(os.getpid(), signal.SIGKILL)
        return near_high(bars, window)

    parent = os.getpid()
    found = sweep(bars, murderous, {"window": range(5, 45)}, metrics="sharpe", workers=2, certify=False)
    assert victim.exists()
    plain = sweep(bars, near_high, {"window": range(5, 45)}, metrics="sharpe")
    assert found.table.equals(plain.table)


def run_script(body: str, folder: Path) -> subprocess.Popen:
    script = folder / "script.py"
    script.write_text(SCRIPT + textwrap.dedent(body))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


SCRIPT = """
import sys, time, warnings
import pandas as pd
import alphatwin as at
from alphatwin.optimize.sweeping import sweep

bars = at.load("AAPL", end="2001-12-31")

def slow(bars, window):
    time.sleep(0.01)
    with open("calls.txt", "a") as calls:
        calls.write(f"{window}\\n")
    return (bars["close"] > bars["close"].rolling(window).mean()).astype("float64")

GRID = {"window": range(2, 302)}
"""


def calls_of(folder: Path) -> list[int]:
    file = folder / "calls.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def wait_for_calls(process: subprocess.Popen, folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while len(calls_of(folder)) < count:
        assert process.poll() is None and time.monotonic() < end, process.communicate()[1]
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2])
def test_a_killed_run_goes_on_from_its_checkpoint(workers: int, tmp_path: Path) -> None:
    body = f"found = sweep(bars, slow, GRID, metrics='sharpe', certify=False, checkpoint='night.sweep', workers={workers})\n"
    body += "found.table.to_parquet('table.parquet')"
    process = run_script(body, tmp_path)
    wait_for_calls(process, tmp_path, 150)
    process.kill()
    process.wait()
    time.sleep(0.5)  # Workers notice that their parent is gone
    before = len(calls_of(tmp_path))
    time.sleep(0.3)
    assert len(calls_of(tmp_path)) == before, "workers outlive their parent"
    file = tmp_path / "night.sweep"
    file.write_bytes(file.read_bytes() + b"half a rec")
    process = run_script(body, tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    repeated = len(calls_of(tmp_path)) - 300
    assert repeated <= (20 if workers == 1 else 110), f"{repeated} cells were run twice"
    module: dict[str, Any] = {}
    exec(
        SCRIPT.replace("time.sleep(0.01)", "pass").replace(
            'open("calls.txt", "a")', "open('/dev/null', 'a')"
        ),
        module,
    )
    whole = sweep(module["bars"], module["slow"], module["GRID"], metrics="sharpe", certify=False)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "table.parquet").drop(columns="status"),
        whole.table.drop(columns="status"),
        check_exact=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_returns_what_is_done(workers: int, tmp_path: Path) -> None:
    process = run_script(
        f"""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = sweep(bars, slow, GRID, metrics='sharpe', certify=False, workers={workers})
        counts = found.table["status"].value_counts()
        print(found.complete, counts["ok"], counts["not reached"], found.trials, found.table["sharpe"].count())
        print([str(one.message) for one in said][-1])
        """,
        tmp_path,
    )
    wait_for_calls(process, tmp_path, 150)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    complete, done, missing, trials, numbers = out.splitlines()[0].split()
    assert complete == "False" and int(done) + int(missing) == 300 and done == trials == numbers
    assert int(done) >= 150 - (20 if workers == 1 else 130)
    assert f"interrupted: {done} of 300 cells are done, the others are marked 'not reached'" in out


@pytest.mark.slow
def test_a_script_without_a_main_guard_and_a_bar_that_tells_the_truth(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        SCRIPT
        + "began = time.time(); sweep(bars, slow, GRID, metrics='sharpe', certify=False, workers=2); print('took', time.time() - began)"
    )
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown = []
    while True:
        try:
            piece = os.read(master, 4096).decode(errors="replace")
        except OSError:
            break
        if not piece:
            break
        shown.append((time.time(), piece))
    assert process.wait() == 0, "".join(piece for _, piece in shown)
    text = "".join(piece for _, piece in shown)
    assert "slow:" in text and "300/300" in text
    told = [
        tuple(map(int, found))
        for _, piece in shown
        for found in re.findall(r"(\d+)/300 \[(\d+):(\d+)<(\d+):(\d+)", piece)
    ]
    middle = [(done, 60 * a + b, 60 * c + d) for done, a, b, c, d in told if 60 <= done <= 270]
    assert middle  # What is left takes as long, cell for cell, as what is done; both times are cut to seconds
    for done, passed, said in middle:
        left = (300 - done) / done
        assert passed * left - 1 <= said <= (passed + 1) * left + 1, told


# Checkpoints


def test_a_checkpoint_of_another_question_is_refused(
    bars: pd.DataFrame, tmp_path: Path, refusal: Refusal
) -> None:
    file, grid = tmp_path / "a.sweep", {"window": [5, 10, 20]}
    first = sweep(bars, near_high, grid, checkpoint=file)
    size = file.stat().st_size
    assert (
        sweep(bars, near_high, grid, checkpoint=file).table.equals(first.table)
        and file.stat().st_size == size
    )
    touched = bars.copy()
    touched.iloc[50, 3] += 0.01

    def near_low(bars: pd.DataFrame, window: int) -> pd.Series:
        return near_high(bars, window)

    for part, ask in {
        "bars": lambda: sweep(touched, near_high, grid, checkpoint=file),
        "strategy": lambda: sweep(bars, near_low, grid, checkpoint=file),
        "grid": lambda: sweep(bars, near_high, {"window": [5, 10, 21]}, checkpoint=file),
        "rules": lambda: sweep(bars, near_high, grid, checkpoint=file, fees=0.001),
        "metrics": lambda: sweep(bars, near_high, grid, checkpoint=file, metrics="sharpe"),
        "exposure": lambda: sweep(
            bars, near_high, grid, checkpoint=file, exposure=pd.Series(0.5, bars.index)
        ),
    }.items():
        assert f"answers another question (other {part})" in refusal(CheckpointError, ask)
    assert file.stat().st_size == size


def test_a_file_that_cannot_be_one(bars: pd.DataFrame, tmp_path: Path, refusal: Refusal) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear diary")
    grid = {"window": [5, 10]}
    assert "is not a checkpoint of a sweep" in refusal(
        CheckpointError, sweep, bars, near_high, grid, checkpoint=letter
    )
    assert letter.read_text() == "Dear diary"
    assert "no such folder" in refusal(
        CheckpointError, sweep, bars, near_high, grid, checkpoint=tmp_path / "no" / "x"
    )
    assert "is a directory" in refusal(CheckpointError, sweep, bars, near_high, grid, checkpoint=tmp_path)


def test_a_damaged_record_is_computed_again(bars: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "a.sweep"
    whole = sweep(bars, near_high, GRID, checkpoint=file)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    assert sweep(bars, near_high, GRID, checkpoint=file).table.equals(whole.table)


def test_what_a_function_does_is_described_alike_in_every_process(tmp_path: Path) -> None:
    code = (
        SCRIPT + "from alphatwin.optimize.checkpoint import describe, hash_of\nprint(hash_of(describe(slow)))"
    )
    (tmp_path / "script.py").write_text(code)
    said = {
        subprocess.run(
            [sys.executable, "script.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    words = {"factor": 2}
    exec("def helper(x):\n    return factor * x\n\ndef rule(x):\n    return helper(x)", words)
    before = describe(words["rule"])
    words["factor"] = 3
    assert describe(words["rule"]) != before, "a number that a helper reads"
    assert describe(lambda x: x in {"a", "b"}) != describe(lambda x: x in {"a", "c"})


# How long


def test_a_million_cells_are_announced_before_they_start(bars: pd.DataFrame) -> None:
    calls = []

    def counted(bars: pd.DataFrame, window: int, share: float) -> pd.Series:
        calls.append(window)
        return near_high(bars, window, share)

    grid = {"window": range(2, 1002), "share": np.linspace(0.5, 0.99, 1000)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            UserWarning, match=r"1,000,000 cells of counted at .* ms each take about \d+ (minutes|hours)"
        ):
            sweep(bars, counted, grid, certify=False)
    assert len(calls) < 400


def test_a_long_table_of_results_is_cheap(bars: pd.DataFrame) -> None:
    from alphatwin.backtest.rules import Rules
    from alphatwin.optimize.running import Task
    from alphatwin.optimize.sweeping import table_of

    cells = mark_refused(cells_of({"fast": range(1, 1001), "slow": range(1, 1001)}), at.sma_cross, bars)
    task = Task(
        at.sma_cross, cells, {"": bars}, Rules(), ("total_return", "sharpe", "max_drawdown", "trades")
    )
    table = table_of(task, several=False)
    assert len(table) == 1_000_000 and table.memory_usage(deep=True).sum() < 8 * 6 * 1_000_000 + 5_000_000
    assert np.shares_memory(table["sharpe"].to_numpy(), task.values)


# A cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Executor, list[subprocess.Popen]]]:
    "A real Dask cluster: a scheduler and two workers, each a process of its own, on loopback."
    distributed = pytest.importorskip("distributed")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    common: dict[str, Any] = {
        "env": environment,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    scheduler = subprocess.Popen([*start, *options], start_new_session=True, **common)
    address = ""
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        if found := re.search(r"tcp://127\.0\.0\.1:\d+", line):
            address = found[0]
            break
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    worker += ["--no-dashboard", "--death-timeout", "10"]
    quiet = common | {"stderr": subprocess.DEVNULL}
    workers = [subprocess.Popen(worker, start_new_session=True, **quiet) for _ in range(2)]
    client = distributed.Client(address, timeout=60, set_as_default=False)
    try:
        client.wait_for_workers(2, timeout=60)
        yield client.get_executor(), workers
    finally:
        client.close()
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_dask_cluster_loses_a_worker_and_no_cell(
    cluster: tuple[Executor, list[subprocess.Popen]], tmp_path: Path
) -> None:
    executor, workers = cluster
    calls, bars = tmp_path / "calls.txt", at.load("AAPL", end="2001-12-31")

    def slow(bars: pd.DataFrame, window: int) -> pd.Series:
        time.sleep(0.01)
        with calls.open("a") as file:
            file.write(f"{os.getpid()} {window}\n")
        return (bars["close"] > bars["close"].rolling(window).mean()).astype("float64")

    from threading import Thread

    def kill_one() -> None:
        while len({line.split()[0] for line in calls.read_text().splitlines()} if calls.exists() else ()) < 3:
            time.sleep(0.02)
        workers[0].kill()

    grid = {"window": range(2, 302)}
    killer = Thread(target=kill_one, daemon=True)
    killer.start()
    found = sweep(bars, slow, grid, metrics="sharpe", executor=executor, certify=False)
    assert workers[0].poll() is not None or workers[0].wait(5), "a worker was killed in the middle"
    by = pd.Series([line.split()[0] for line in calls.read_text().splitlines()]).value_counts()
    assert {str(os.getpid()), str(workers[1].pid)} <= set(by.index) and len(by) == 3
    assert by[str(workers[1].pid)] > by[str(workers[0].pid)] > 0
    assert found.complete and found.trials == len(found.table) == 300
    here = sweep(bars, mean_rule, grid, metrics="sharpe")
    assert found.table.equals(here.table)
