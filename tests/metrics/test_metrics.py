"Metrics against an independent library, against numbers on paper, and against what must always hold."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as peer
from hypothesis import assume, given
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.metrics.overview import METRICS

Refusal = Callable[..., str]
EVERY = [at.total_return, at.cagr, at.volatility, at.sharpe, at.sortino, at.max_drawdown, at.calmar]
EVERY = [*EVERY, at.drawdown, at.summary]
fractions = st.floats(-0.5, 0.5, allow_nan=False)
paths = st.lists(fractions, min_size=1, max_size=60)


def dated(values: list[float]) -> pd.Series:
    return pd.Series(values, index=pd.bdate_range("2015-01-05", periods=len(values)), dtype="float64")


def random_returns(seed: int) -> pd.Series:
    rng = np.random.default_rng(seed)
    return dated(
        rng.normal(rng.uniform(-0.002, 0.002), rng.uniform(0.001, 0.05), int(rng.integers(60, 800))).tolist()
    )


# An independent library

PEERS = {
    "total_return": peer.comp,
    "cagr": peer.cagr,
    "volatility": peer.volatility,
    "sharpe": peer.sharpe,
    "sortino": peer.sortino,
    "max_drawdown": peer.max_drawdown,
    "calmar": peer.calmar,
}


def test_the_portrait_has_peers() -> None:
    assert list(PEERS) == list(METRICS)[:7]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("symbol", ["SPX", "IXIC", "AAPL", "IBM", "FB"])
def test_as_quantstats_computes_it_on_real_returns(name: str, symbol: str) -> None:
    returns = at.simple_returns(at.load(symbol)["close"])
    assert at.summary(returns)[name] == pytest.approx(PEERS[name](returns), rel=1e-10)


@pytest.mark.parametrize("name", PEERS)
def test_as_quantstats_computes_it_on_random_returns(name: str) -> None:
    for seed in range(60):
        returns = random_returns(seed)
        assert at.summary(returns)[name] == pytest.approx(PEERS[name](returns), rel=1e-10, abs=1e-12), seed


@pytest.mark.parametrize("periods", [12, 52, 252, 365])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1])
def test_conventions_as_quantstats_has_them(rate: float, periods: int) -> None:
    for seed in range(10):
        returns = random_returns(seed)
        ours = at.summary(returns, risk_free=rate, periods=periods)
        theirs = {
            "cagr": peer.cagr(returns, periods=periods),
            "volatility": peer.volatility(returns, periods=periods),
            "sharpe": peer.sharpe(returns, rf=rate, periods=periods),
            "sortino": peer.sortino(returns, rf=rate, periods=periods),
            "calmar": peer.calmar(returns, periods=periods),
        }
        for name, value in theirs.items():
            assert ours[name] == pytest.approx(value, rel=1e-10, abs=1e-12), (name, seed)


def test_the_whole_drawdown_as_quantstats_draws_it() -> None:
    for seed in range(20):
        returns = random_returns(seed)
        equity = 100 * (1 + returns).cumprod()
        start = pd.Series([100.0], index=[returns.index[0] - pd.Timedelta(days=1)])
        theirs = peer.to_drawdown_series(pd.concat([start, equity])).iloc[1:]
        np.testing.assert_allclose(at.drawdown(returns), theirs, rtol=1e-10, atol=1e-12)


# On paper

# +10 %, -10 %, +20 %, 0 %: mean 5 %, off the mean by 5, -15, 15, -5 points, one loss of 10 %.
# Money: 1.1, 0.99, 1.188, 1.188; the worst fall is the one from 1.1 to 0.99.
FOUR = dated([0.1, -0.1, 0.2, 0.0])


def test_four_years_on_paper() -> None:
    got = at.summary(FOUR, periods=1)
    assert list(got.index) == list(METRICS) and got.name == "value"
    assert got["total_return"] == pytest.approx(0.188, rel=1e-12)
    assert got["cagr"] == pytest.approx(1.188**0.25 - 1, rel=1e-12)
    assert got["volatility"] == pytest.approx((0.05 / 3) ** 0.5, rel=1e-12)
    assert got["sharpe"] == pytest.approx(0.05 / (0.05 / 3) ** 0.5, rel=1e-12)
    assert got["sortino"] == pytest.approx(1.0, rel=1e-12)
    assert got["max_drawdown"] == pytest.approx(-0.1, rel=1e-12)
    assert got["calmar"] == pytest.approx((1.188**0.25 - 1) / 0.1, rel=1e-12)


def test_the_switches_on_paper() -> None:
    assert at.volatility(FOUR, periods=1, ddof=0) == pytest.approx((0.05 / 4) ** 0.5, rel=1e-12)
    assert at.volatility(FOUR, periods=9) == pytest.approx(3 * (0.05 / 3) ** 0.5, rel=1e-12)
    assert at.sharpe(FOUR, periods=1, ddof=0) == pytest.approx(0.05 / (0.05 / 4) ** 0.5, rel=1e-12)
    assert at.sharpe(FOUR, risk_free=0.05, periods=1) == pytest.approx(0.0, abs=1e-12)
    assert at.sortino(FOUR, periods=1, denominator="downside") == pytest.approx(0.5, rel=1e-12)
    # Against 15 % a year the excesses are -5, -25, 5, -15 points: mean -10, squares 0.0025 + 0.0625 + 0.0225.
    assert at.sortino(FOUR, minimum=0.15, periods=1) == pytest.approx(-0.1 / (0.0875 / 4) ** 0.5, rel=1e-9)
    downside = at.sortino(FOUR, minimum=0.15, periods=1, denominator="downside")
    assert downside == pytest.approx(-0.1 / (0.0875 / 3) ** 0.5, rel=1e-9)


def test_a_yearly_rate_is_taken_off_geometrically() -> None:
    # 21 % a year at two bars a year is 10 % a bar.
    assert at.sharpe(dated([0.1, 0.1, 0.2]), risk_free=0.21, periods=2) == pytest.approx(
        2**0.5 * (0.1 / 3) / np.std([0, 0, 0.1], ddof=1), rel=1e-9
    )


def test_the_summary_hands_every_convention_on() -> None:
    returns = random_returns(3)
    got = at.summary(returns, risk_free=0.03, periods=100, ddof=0, denominator="downside")
    assert got["cagr"] == at.cagr(returns, 100)
    assert got["volatility"] == at.volatility(returns, 100, 0)
    assert got["sharpe"] == at.sharpe(returns, 0.03, 100, 0)
    assert got["sortino"] == at.sortino(returns, 0.03, 100, "downside")
    assert got["calmar"] == at.calmar(returns, 100)
    changed = set(got.index[(got != at.summary(returns)) & got.notna()])
    spreads = {"value_at_risk_normal", "value_at_risk_cornish_fisher", "cvar_normal", "cvar_cornish_fisher"}
    assert changed == {"cagr", "volatility", "sharpe", "sortino", "calmar", "martin", "omega"} | spreads


def test_the_start_counts_as_a_peak() -> None:
    # 100, 80, 120, 60, 66
    assert at.drawdown(dated([-0.2, 0.5, -0.5, 0.1])).tolist() == pytest.approx([-0.2, 0.0, -0.5, -0.45])
    assert at.max_drawdown(dated([-0.2, 0.1])) == pytest.approx(-0.2)
    assert at.max_drawdown(dated([-1.0, 0.5])) == -1.0


def test_the_index_fell_by_what_the_papers_printed(spx: pd.DataFrame) -> None:
    returns = at.simple_returns(spx["close"])
    assert at.max_drawdown(returns) == pytest.approx(676.53 / 1565.15 - 1, abs=1e-6)
    assert at.total_return(returns) == pytest.approx(2506.85 / 1228.10 - 1, abs=1e-5)


def test_returns_of_prices() -> None:
    prices = pd.Series([100.0, 110.0, 99.0, 118.8], index=pd.bdate_range("2024-01-01", periods=4))
    returns = at.simple_returns(prices)
    assert returns.tolist() == pytest.approx([0.1, -0.1, 0.2], rel=1e-12)
    assert returns.index.tolist() == prices.index.tolist()[1:] and returns.name == "return"


# What has no number


@pytest.mark.parametrize("flat", [[0.01] * 5, [0.0] * 5, [-0.01] * 5, [0.1] * 3, [0.02]])
def test_what_never_varies_has_no_sharpe_ratio(flat: list[float]) -> None:
    assert np.isnan(at.sharpe(dated(flat))) and np.isnan(at.sharpe(dated(flat), risk_free=0.02))


def test_without_losses_neither_sortino_nor_calmar() -> None:
    good = dated([0.1, 0.0, 0.2])
    assert np.isnan(at.sortino(good)) and np.isnan(at.calmar(good)) and at.max_drawdown(good) == 0
    assert at.sortino(good, minimum=0.5, periods=1) < 0


def test_one_return_has_no_volatility_of_a_sample() -> None:
    assert np.isnan(at.volatility(dated([0.1]))) and at.volatility(dated([0.1]), ddof=0) == 0.0
    assert np.isnan(at.volatility(dated([0.1, 0.2]), ddof=2))


def test_whoever_loses_everything_has_lost_everything() -> None:
    lost = dated([0.5, -1.0, 0.5])
    assert at.total_return(lost) == -1.0 and at.cagr(lost) == -1.0 and at.max_drawdown(lost) == -1.0


# What must always hold


@given(paths)
def test_growth_compounds(path: list[float]) -> None:
    slow = 1.0
    for value in path:
        slow *= 1 + value
    returns = dated(path)
    assert at.total_return(returns) == pytest.approx(slow - 1, rel=1e-9, abs=1e-12)
    assert at.cagr(returns) == pytest.approx(slow ** (252 / len(path)) - 1, rel=1e-9, abs=1e-12)
    assert at.cagr(returns, periods=len(path)) == pytest.approx(slow - 1, rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(0.01, 1e4), min_size=2, max_size=50))
def test_returns_of_prices_lead_back_to_the_prices(prices: list[float]) -> None:
    returns = at.simple_returns(pd.Series(prices))
    assert len(returns) == len(prices) - 1
    np.testing.assert_allclose(prices[0] * (1 + returns).cumprod(), prices[1:], rtol=1e-9)


@given(paths)
def test_a_drawdown_is_the_distance_to_the_best_day_so_far(path: list[float]) -> None:
    fall = at.drawdown(dated(path))
    money, best, slow = 1.0, 1.0, []
    for value in path:
        money *= 1 + value
        best = max(best, money)
        slow.append(money / best - 1)
    np.testing.assert_allclose(fall, slow, rtol=1e-9, atol=1e-12)
    assert fall.between(-1, 0).all() and at.max_drawdown(dated(path)) == fall.min()


@given(paths)
def test_a_further_loss_deepens_and_a_gain_never_does(path: list[float]) -> None:
    worst = at.max_drawdown(dated(path))
    assert at.max_drawdown(dated([*path, -0.9])) <= worst
    assert at.max_drawdown(dated([*path, 0.3])) == worst


@given(paths, st.floats(0.1, 0.9))
def test_the_ratios_do_not_care_about_the_stake(path: list[float], stake: float) -> None:
    assume(np.ptp(path) > 1e-6 and min(path) < -1e-6)
    full, part = dated(path), dated(path) * stake
    assert at.sharpe(part) == pytest.approx(at.sharpe(full), rel=1e-6, abs=1e-9)
    assert at.sortino(part) == pytest.approx(at.sortino(full), rel=1e-6, abs=1e-9)
    assert at.volatility(part) == pytest.approx(stake * at.volatility(full), rel=1e-9)


@given(paths)
def test_the_downside_denominator_never_flatters(path: list[float]) -> None:
    assume(min(path) < -1e-9)
    full, downside = at.sortino(dated(path)), at.sortino(dated(path), denominator="downside")
    losers = sum(value < 0 for value in path)
    assert downside == pytest.approx(full * (losers / len(path)) ** 0.5, rel=1e-9)


@given(paths)
def test_the_order_of_days_matters_to_drawdowns_alone(path: list[float]) -> None:
    there, back = at.summary(dated(path)), at.summary(dated(path[::-1]))
    for name in ("total_return", "cagr", "volatility", "sharpe", "sortino"):
        assert there[name] == pytest.approx(back[name], rel=1e-6, abs=1e-9, nan_ok=True)


@given(paths)
def test_lists_and_arrays_will_do(path: list[float]) -> None:
    assert at.total_return(path) == at.total_return(np.array(path)) == at.total_return(dated(path))
    assert at.drawdown(path).tolist() == at.drawdown(dated(path)).tolist()


# What is refused


@pytest.mark.parametrize("metric", EVERY, ids=[metric.__name__ for metric in EVERY])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (dated([0.1, np.nan]), ["return at 2015-01-06", "nan", "never NaN"]),
        (dated([0.1, 0.2, np.inf]), ["return at 2015-01-07", "inf"]),
        (dated([1.0, -10.0]), ["return at 2015-01-06", "-10.0", "fractions", "0.01 is one per cent"]),
        ([0.1, -1.1], ["return at 1", "-1.1"]),
        (dated([]), ["at least one value", "(0,)"]),
        (dated([0.1]).to_frame(), ["one series", "(1, 1)"]),
    ],
    ids=["nan", "inf", "percentages", "list", "nothing", "frame"],
)
def test_what_is_not_returns(
    metric: Callable[..., object], wrong: pd.Series, words: list[str], refusal: Refusal
) -> None:
    if metric is at.summary and isinstance(wrong, pd.DataFrame):
        return  # A table has a summary: test_all_metrics
    sentence = refusal(ValueError, metric, wrong)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("periods", [0, -252, float("nan")])
def test_a_year_has_bars(periods: float, refusal: Refusal) -> None:
    for metric in (at.cagr, at.calmar):
        sentence = refusal(ValueError, metric, FOUR, periods=periods)
        assert "periods must be the number of bars in a year" in sentence and repr(periods) in sentence


def test_an_unknown_denominator_is_refused(refusal: Refusal) -> None:
    for metric in (at.sortino, at.summary):
        sentence = refusal(ValueError, metric, FOUR, denominator="half")
        assert sentence == "denominator must be 'full' or 'downside', got 'half'"


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ([20.0, -37.63], ["positive prices", "at 1 it is -37.63"]),
        ([20.0, 0.0, 20.0], ["positive prices", "at 1 it is 0.0"]),
        ([20.0, np.nan], ["at 1 it is nan"]),
        ([np.inf, 20.0], ["at 0 it is inf"]),
        ([20.0], ["at least two prices, got 1"]),
        ([], ["at least two prices, got 0"]),
    ],
)
def test_prices_without_returns(prices: list[float], words: list[str], refusal: Refusal) -> None:
    sentence = refusal(ValueError, at.simple_returns, pd.Series(prices, dtype="float64"))
    assert all(word in sentence for word in words), sentence
