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


@pytest.mark.parametrize("fill", ["next_open", "same_close"])
@pytest.mark.parametrize("fees", FEES)
@pytest.mark.parametrize("rule", sorted(peers.RULES))
def test_the_s_and_p_500(peer: str, rule: str, fees: float, fill: str, spx: pd.DataFrame) -> None:
    agree(peer, spx, peers.RULES[rule](spx), fees, fill)


def test_the_next_close(peer: str, spx: pd.DataFrame) -> None:
    agree(peer, spx, peers.mixture(spx), 0.002, "next_close")


@pytest.mark.parametrize("fees", FEES)
@pytest.mark.parametrize("rule", ["buy and hold", "cross of averages", "mixture, positions resized"])
def test_apple(peer: str, rule: str, fees: float) -> None:
    bars = peers.apple()
    agree(peer, bars, peers.RULES[rule](bars), fees, "next_open")


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
