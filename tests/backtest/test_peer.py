"The backtest against four independent engines: same rule, same money."

import math

import numpy as np
import pandas as pd
import peers
import pytest

import alphatwin as at

FEES = (0.0, 0.002)


@pytest.fixture(params=sorted(peers.PEERS))
def peer(request: pytest.FixtureRequest) -> str:
    "The name of a peer that is installed."
    reason = f"{request.param} is not installed: it is one of settings.ini's dev_requirements"
    pytest.importorskip(request.param, reason=reason)
    return request.param


def drawdown_by_rows(result: at.Result, price: pd.Series) -> float:
    "The worst drawdown of ours where each bar counts twice: at the price of its fill, before it, and at its close."
    before = result.positions.shift()
    first = before["money"].fillna(peers.CASH) + before["shares"].fillna(0.0) * price
    curve = pd.Series(np.c_[first, result.equity].ravel())
    return at.max_drawdown(curve / curve.shift(fill_value=peers.CASH) - 1)


def agree(peer: str, bars: pd.DataFrame, target: pd.Series, fees: float, fill: str) -> None:
    "Every bar's equity and shares, and the four figures, as we and as the peer itself compute them."
    run = peers.PEERS[peer](bars, target, fees, fill)
    result, figures = peers.ours(bars, target, fees, fill)
    np.testing.assert_allclose(run.equity, result.equity, rtol=1e-9)
    shares = result.positions["shares"]
    np.testing.assert_allclose(run.held, shares, rtol=1e-9, atol=1e-9 * shares.abs().max())
    theirs = peers.measure(run.equity, run.held)
    assert theirs["trades"] == figures["trades"] == len(result.trades)
    for name in ("final", "sharpe", "max_drawdown"):
        assert theirs[name] == pytest.approx(figures[name], rel=1e-9), name
    expected = dict(figures)
    if peer == "bt":
        assert math.isnan(run.own["trades"]), "it keeps fills, not trades"
        expected.pop("trades")
    if peer == "backtesting":
        expected["sharpe"] = peers.geometric_sharpe(result.equity)
        if not target.isin([-1.0, 0.0, 1.0]).all():
            assert run.own["trades"] > figures["trades"], "it counts lots: each increase opens another"
            expected.pop("trades")
            _, price = peers.at_fill(bars, target, fill)
            expected["max_drawdown"] = drawdown_by_rows(result, price)
    for name, value in expected.items():
        assert run.own[name] == pytest.approx(value, rel=1e-9), f"{peer}'s own {name}"


@pytest.mark.slow
@pytest.mark.parametrize("fill", ["next_open", "same_close"])
@pytest.mark.parametrize("fees", FEES)
@pytest.mark.parametrize("rule", sorted(peers.RULES))
def test_the_s_and_p_500(peer: str, rule: str, fees: float, fill: str, spx: pd.DataFrame) -> None:
    agree(peer, spx, peers.RULES[rule](spx), fees, fill)


@pytest.mark.slow
def test_the_next_close(peer: str, spx: pd.DataFrame) -> None:
    agree(peer, spx, peers.mixture(spx), 0.002, "next_close")


@pytest.mark.slow
@pytest.mark.parametrize("fees", FEES)
@pytest.mark.parametrize("rule", ["buy and hold", "cross of averages", "mixture, positions resized"])
def test_apple(peer: str, rule: str, fees: float) -> None:
    bars = peers.apple()
    agree(peer, bars, peers.RULES[rule](bars), fees, "next_open")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fees", FEES)
def test_any_target_short_ones_and_reversals_included(peer: str, seed: int, fees: float) -> None:
    rng = np.random.default_rng(seed)
    bars = peers.apple().loc["2006":"2008"]
    wishes = np.repeat(rng.choice([-0.5, -0.2, 0.0, 0.3, 0.7, 1.0], len(bars) // 5 + 1), 5)[: len(bars)]
    agree(peer, bars, pd.Series(wishes, index=bars.index), fees, "next_open")


def test_a_peer_that_is_told_something_else_disagrees(peer: str, spx: pd.DataFrame) -> None:
    "The comparison can fail: one bar's target changed, one basis point of fees, another fill."
    bars = spx.loc["2007":"2009"]
    target = peers.cross(bars)
    agree(peer, bars, target, 0.001, "next_open")
    other = target.copy()
    other.iloc[200:230] = 1 - other.iloc[200:230]
    for changed in (
        (other, 0.001, "next_open"),
        (target, 0.0011, "next_open"),
        (target, 0.001, "same_close"),
    ):
        run = peers.PEERS[peer](bars, *changed)
        _, figures = peers.ours(bars, target, 0.001, "next_open")
        assert run.own["final"] != pytest.approx(figures["final"], rel=1e-6)


# Each in its own words: the shares that come out become our target, and the money has to be the same.


@pytest.fixture(scope="module")
def stretch(spx: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    "Three years, and the places where half of the money is to go in or out."
    bars = spx.loc["2007":"2009"]
    target = 0.5 * peers.cross(bars)
    return bars, target.where(target != target.shift(fill_value=0.0))


def told_its_shares(bars: pd.DataFrame, theirs: pd.DataFrame, fill: str) -> None:
    shares = theirs["shares"]
    told = shares if fill == "same_close" else shares.shift(-1).fillna(shares.iloc[-1])
    result, _ = peers.ours(bars, told, 0.002, fill, size="shares")
    assert (shares != 0).any()
    np.testing.assert_allclose(result.equity, theirs["equity"], rtol=1e-9)


def test_vectorbt_in_its_own_words(stretch: tuple[pd.DataFrame, pd.Series]) -> None:
    pytest.importorskip("vectorbt", reason="vectorbt is not installed")
    bars, changes = stretch
    theirs = peers.say_vectorbt(bars, list(changes), fees=0.002, init_cash=peers.CASH)
    told_its_shares(bars, theirs, "same_close")


def test_bt_in_its_own_words(stretch: tuple[pd.DataFrame, pd.Series]) -> None:
    pytest.importorskip("bt", reason="bt is not installed")
    bars, changes = stretch
    theirs = peers.say_bt(bars, list(changes), fees=0.002, initial_capital=peers.CASH)
    assert (theirs["shares"] % 1 == 0).all(), "whole shares, unless told"
    told_its_shares(bars, theirs, "same_close")


def test_backtrader_in_its_own_words(stretch: tuple[pd.DataFrame, pd.Series]) -> None:
    pytest.importorskip("backtrader", reason="backtrader is not installed")
    bars, changes = stretch
    orders = {
        bar: (lambda s, size=size: s.order_target_percent(target=size))
        for bar, size in enumerate(changes)
        if size >= 0
    }
    told_its_shares(bars, peers.say_backtrader(bars, orders, fees=0.002, cash=peers.CASH), "next_open")


def test_backtesting_in_its_own_words(stretch: tuple[pd.DataFrame, pd.Series]) -> None:
    pytest.importorskip("backtesting", reason="backtesting is not installed")
    bars, changes = stretch
    orders = {
        bar: (lambda s, size=size: s.buy(size=size) if size else s.position.close())
        for bar, size in enumerate(changes)
        if size >= 0
    }
    theirs, _ = peers.say_backtesting(bars, orders, cash=peers.CASH, commission=0.002)
    told_its_shares(bars, theirs, "next_open")


@pytest.mark.slow  # numba compiles vectorbt's other engine, which takes half a minute
def test_vectorbt_has_two_engines_that_keep_the_same_books_and_differ_on_ties(spx: pd.DataFrame) -> None:
    vbt = pytest.importorskip("vectorbt", reason="vectorbt is not installed")
    pytest.importorskip("vectorbt_rust", reason="vectorbt-rust, its second engine, is not installed")
    bars = spx.loc["2007":"2009"]
    runs = [
        peers.by_vectorbt(bars, peers.mixture(bars), 0.002, "next_open", engine)
        for engine in ("numba", "rust")
    ]
    np.testing.assert_allclose(runs[0].equity, runs[1].equity, rtol=1e-12)
    rng = np.random.default_rng(7)
    cents = np.cumsum(rng.integers(-2, 3, 50_000))
    cents += 2_000 - cents.min()
    time = pd.DatetimeIndex(pd.date_range("2000-01-01", periods=len(cents), freq="D"), freq=None, name="time")
    close = pd.Series(cents / 100, index=time.as_unit("ns"))
    above = {}
    for engine in ("numba", "rust"):
        vbt.settings["engine"] = engine
        fast, slow = (vbt.MA.run(close, window).ma.to_numpy().ravel() for window in (5, 20))
        above[engine] = (fast > slow)[19:]
    vbt.settings["engine"] = "auto"
    sums = np.r_[0, np.cumsum(cents)]
    true = 4 * (sums[5:] - sums[:-5])[15:] > sums[20:] - sums[:-20]
    ours = at.sma_cross(pd.DataFrame(dict.fromkeys(peers.PRICES, close)).assign(volume=1.0), 5, 20, tick=0.01)
    assert np.array_equal(ours.to_numpy()[19:] > 0, true)
    assert all((way != true).sum() > 10 for way in above.values())
    assert (above["numba"] != above["rust"]).sum() > 10
