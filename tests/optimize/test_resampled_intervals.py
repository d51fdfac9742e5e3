"Intervals for any metric: arch's own ends, other people's, and how often they hold a known truth."

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import CircularBlockBootstrap, IIDBootstrap, StationaryBootstrap
from scipy import stats
from scipy.signal import lfilter

import alphatwin as at
from alphatwin.metrics.intervals import block_length
from alphatwin.metrics.overview import METRICS
from alphatwin.optimize import resampled
from alphatwin.optimize.resampled import METHODS, bootstrap_interval


@pytest.fixture(scope="module")
def path() -> pd.Series:
    days = pd.bdate_range("2015-01-05", periods=240, name="time")
    return pd.Series(np.random.default_rng(5).standard_t(5, 240) * 0.01 + 0.0008, days)


def plain_skew(returns: pd.Series) -> float:
    away = returns.to_numpy() - returns.mean()
    return float((away**3).mean() / (away**2).mean() ** 1.5)


def mean_of(returns: pd.Series) -> float:
    return float(returns.to_numpy().mean())


@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize(
    ("blocks", "peer"),
    [
        ("stationary", lambda values: StationaryBootstrap(6, values, seed=3)),
        ("circular", lambda values: CircularBlockBootstrap(6, values, seed=3)),
        ("iid", lambda values: IIDBootstrap(values, seed=3)),
    ],
)
def test_ends_are_archs(path, method, blocks, peer):
    found = bootstrap_interval(path, at.sortino, method, blocks, 6, 0.9, 200, seed=3)
    ends = peer(path.to_numpy()).conf_int(lambda drawn: np.array([at.sortino(drawn)]), 200, method, size=0.9)
    np.testing.assert_allclose([found.low, found.high], ends[:, 0], rtol=1e-12)
    assert found.estimate == at.sortino(path) and found.metric == "sortino"


@pytest.mark.parametrize("method", ["percentile", "basic", "BCa"])
def test_single_bars_agree_with_scipy(path, method):
    values = path.to_numpy()[:120]
    peer = stats.bootstrap(
        (values,), stats.skew, vectorized=True, n_resamples=4_000, method=method, rng=np.random.default_rng(1)
    )
    found = bootstrap_interval(
        pd.Series(values),
        plain_skew,
        method.lower(),
        "iid",
        repetitions=4_000,
    )
    low, high = peer.confidence_interval
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=0, atol=0.09 * (high - low))


def test_studentised_mean_is_students_interval(path):
    values = pd.Series(np.random.default_rng(8).normal(0.001, 0.01, 60))
    found = bootstrap_interval(values, mean_of, "studentized", "iid", repetitions=400)
    half = stats.t.ppf(0.975, 59) * values.std() / 60**0.5
    expected = [values.mean() - half, values.mean() + half]
    np.testing.assert_allclose([found.low, found.high], expected, rtol=0, atol=0.3 * half)


@pytest.mark.parametrize("blocks", ["stationary", "circular", "iid"])
def test_the_inner_standard_error_is_that_of_a_bootstrap_inside_a_bootstrap(path, blocks, monkeypatch):
    monkeypatch.setattr(resampled, "NESTED", 20_000)
    values, risk = path.to_numpy(), 1.1 ** (1 / 252) - 1
    peer = resampled.bootstrap_of(values, blocks, 4, 9)
    expected = peer.cov(lambda drawn: np.array([at.sharpe(drawn, 0.1)]), 1_500)[0, 0] ** 0.5
    found = resampled.inner_error(blocks, 4 if blocks != "iid" else 1, 3, risk, 252**0.5)(None, values)
    assert found[0] == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("risk_free", [0.0, 0.1])
def test_a_studentised_sharpe_ratio_is_archs_with_that_standard_error(path, risk_free):
    asked = {"block": 4, "risk_free": risk_free, "repetitions": 200, "seed": 2}
    found = bootstrap_interval(path, "sharpe", "studentized", **asked)
    error = resampled.inner_error("stationary", 4, 3, (1 + risk_free) ** (1 / 252) - 1, 252**0.5)
    ends = StationaryBootstrap(4, path.to_numpy(), seed=2).conf_int(
        lambda drawn: np.array([at.sharpe(drawn, risk_free)]), 200, "studentized", std_err_func=error
    )
    np.testing.assert_allclose([found.low, found.high], ends[:, 0], rtol=1e-12)


def test_the_quick_road_is_that_of_the_stage_of_metrics_in_law(path):
    older = at.confidence_intervals(path, repetitions=3_000, block=4).loc["sharpe"]
    found = bootstrap_interval(path, block=4, repetitions=3_000)
    room = 0.06 * (older["high"] - older["low"])
    assert found.estimate == older["estimate"]
    assert abs(found.low - older["low"]) < room and abs(found.high - older["high"]) < room
    assert bootstrap_interval(path, at.sharpe, block=4, repetitions=3_000) == found


def test_a_function_of_ones_own_that_is_called_sharpe_is_asked_itself(path):
    def sharpe(returns: pd.Series) -> float:
        return 7.0 + mean_of(returns)

    assert bootstrap_interval(path, sharpe, repetitions=100).low > 6


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_the_house_has_an_interval_or_says_why_not(name, path):
    try:
        found = bootstrap_interval(path, name, block=5, repetitions=100)
    except ValueError as reason:
        assert "not a finite number on" in str(reason)
        return
    assert found.estimate == pytest.approx(at.summary(path)[name]) and found.low <= found.high
    assert name in repr(found) and "95 % interval" in repr(found)


def test_defaults_choose_the_block_and_conventions_reach_the_metric(path):
    assert bootstrap_interval(path).block == block_length(path)
    assert bootstrap_interval(path, blocks="iid", block=9).block == 1
    assert bootstrap_interval(path, "sharpe", periods=52).estimate == at.sharpe(path, periods=52)
    simple = bootstrap_interval(path, "sharpe", risk_free=0.05, compounding="simple", repetitions=200)
    assert simple.estimate == at.sharpe(path, 0.05, compounding="simple")


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ({"metric": "sharp"}, ValueError, "metric must be"),
        ({"metric": "beta"}, ValueError, "metric must be"),
        ({"metric": "calmar", "risk": 0.1}, TypeError, "calmar knows no convention 'risk'"),
        ({"method": "normal"}, ValueError, "method must be"),
        ({"blocks": "moving"}, ValueError, "blocks must be"),
        ({"block": 241}, ValueError, "block must be from 1 bar to the series' own 240, got 241"),
        ({"block": 0}, ValueError, "block must be from 1 bar"),
        ({"level": 95}, ValueError, "level must be between 0 and 1"),
        ({"repetitions": 10}, ValueError, "repetitions must be at least 100, got 10"),
        ({"metric": lambda returns: float("nan")}, ValueError, "on 1 of 1 histories"),
        (
            {"metric": lambda returns: 1.0 if returns.iloc[0] < 0 else float("nan")},
            ValueError,
            "of 1,002 histories",
        ),
        ({"metric": lambda returns: 3.0, "method": "bca"}, ValueError, "bca finds no interval of <lambda>"),
        ({"metric": lambda returns: 3.0, "method": "studentized"}, ValueError, "percentile always does"),
    ],
)
def test_what_is_refused(asked, kind, words, path, refusal):
    assert words in refusal(kind, bootstrap_interval, path, **asked)


def test_too_little_and_too_still_are_refused(path, refusal):
    assert "at least 30 returns, got 29" in refusal(ValueError, bootstrap_interval, path.iloc[:29])
    assert "never vary" in refusal(ValueError, bootstrap_interval, path * 0 + 0.01, "total_return")
    holes = path.where(path.index != path.index[7])
    assert "never NaN" in refusal(ValueError, bootstrap_interval, holes)


def held(
    carried: float, blocks: str, block: float, tries: int, method: str = "percentile", bars: int = 300
) -> int:
    inside = 0
    for seed in range(tries):
        fresh = (1 - carried**2) ** 0.5 * np.random.default_rng(1_000 + seed).standard_normal(bars + 50)
        made = pd.Series(0.0005 + 0.01 * lfilter([1], [1, -carried], fresh)[50:])
        found = bootstrap_interval(made, "sharpe", method, blocks, block, repetitions=200, seed=seed)
        inside += found.low <= 0.05 * 252**0.5 <= found.high
    return inside


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    low, high = stats.binom.interval(0.9999, 250, 0.95)
    assert low <= held(0.0, "iid", 1, 250) <= high
    assert low <= held(0.3, "stationary", 10, 250) <= high
    assert held(0.4, "iid", 1, 250) < low, "single bars of a market with memory promise too much"
    low, high = stats.binom.interval(0.9999, 60, 0.95)
    assert low <= held(0.0, "stationary", 5, 60, "studentized", bars=100) <= high
