"Several results side by side; confidence intervals; factor attribution beside statsmodels."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap
from matplotlib.colors import to_hex
from statsmodels.api import OLS, add_constant

import alphatwin as at
from alphatwin.metrics import Comparison, confidence_intervals
from alphatwin.metrics.attribution import lag_rule
from alphatwin.metrics.comparison import on_common_time
from alphatwin.metrics.intervals import block_length
from alphatwin.style import PALETTE

Refusal = Callable[..., str]


def path(seed: int, length: int = 300, start: str = "2020-01-01", tz: str | None = None) -> pd.Series:
    rng = np.random.default_rng(seed)
    return pd.Series(rng.normal(0.0005, 0.01, length), pd.bdate_range(start, periods=length, tz=tz))


# Comparison


def test_what_lies_between_common_times_is_compounded() -> None:
    rng = np.random.default_rng(1)
    one, two = path(1), path(2, start="2020-02-03")
    one, two = one[rng.random(300) < 0.7], two[rng.random(300) < 0.7]
    both = on_common_time({"A": one, "B": two})
    start = max(one.index[0], two.index[0])
    for name, series in (("A", one), ("B", two)):
        last = None
        for time, value in both[name].items():
            after = series.index > last if last is not None else series.index >= start
            grown = 1.0
            for part in series[after & (series.index <= time)]:
                grown *= 1 + part
            assert value == pytest.approx(grown - 1, abs=1e-12)
            last = time


def test_the_table_is_the_summary_of_the_common_time() -> None:
    one, two = path(1), path(2, length=200)
    found = at.compare({"A": one, "B": two}, benchmark="B", periods=365, risk_free=0.01)
    assert isinstance(found, Comparison) and len(found.returns) == 200
    for name, series in (("A", one[:200]), ("B", two)):
        expected = at.summary(series, periods=365, risk_free=0.01)
        np.testing.assert_allclose(found.table.loc[expected.index, name], expected, rtol=1e-9)
    assert found.table.loc["correlation", "A"] == pytest.approx(one[:200].corr(two))
    assert found.table.loc["correlation", "B"] == pytest.approx(1)


def test_results_and_returns_side_by_side(spx: pd.DataFrame) -> None:
    held, index = at.backtest(spx, at.buy_and_hold(spx)), at.simple_returns(spx["close"])
    found = at.compare({"held": held}, benchmark=index)
    assert list(found.table.columns) == ["held", "benchmark"]
    # After the first day, on which it buys, both are the index
    np.testing.assert_allclose(found.returns["held"][1:], found.returns["benchmark"][1:], atol=1e-12)


def test_the_picture_shows_the_growth() -> None:
    found = at.compare({"A": path(1)}, benchmark=path(2))
    (axis,) = found.plot().axes
    for line, name in zip(axis.lines, ("A", "benchmark"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), (1 + found.returns[name]).cumprod())
    assert [to_hex(line.get_color()) for line in axis.lines] == [PALETTE["strategy"], PALETTE["benchmark"]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["A", "benchmark"]


def test_ruin_stays_ruin() -> None:
    lost = path(1, 10).copy()
    lost.iloc[4] = -1.0
    found = at.compare({"lost": lost, "other": path(2, 10)}).table
    assert found.loc["total_return", "lost"] == -1 and found.loc["max_drawdown", "lost"] == -1


@pytest.mark.parametrize(
    ("candidates", "benchmark", "words"),
    [
        ({}, None, "by name"),
        ([path(1)], None, "by name"),
        ({"A": path(1)}, "B", "benchmark 'B' is none of A"),
        ({"benchmark": path(1)}, path(2), "the name 'benchmark' is taken"),
        (
            {"A": path(1), "B": path(2, start="2030-01-01")},
            None,
            "no time that all have in common: A 2020-01-01",
        ),
        ({"A": path(1)}, path(2, start="2030-01-01"), "no time that all have in common"),
        ({"A": path(1), "B": path(2).resample("ME").sum()}, None, "B has a return every 31 days, A every 1"),
        ({"A": path(1), "B": path(2, tz="UTC")}, None, "B has the time zone UTC, A has None"),
        (
            {"A": pd.concat([path(1), path(1)[-1:]])},
            None,
            "A: 2021-02-23 00:00:00 follows 2021-02-23 00:00:00",
        ),
        ({"A": path(1)[::-1]}, None, "A: 2021-02-22 00:00:00 follows 2021-02-23 00:00:00"),
        ({"A": path(1).reset_index(drop=True)}, None, "A needs times in the index, got int64"),
        ({"A": path(1).mask(path(1) > 0.02)}, None, "A: return at "),
        ({"A": 1 + path(1) * 0 - 2.5}, None, "A: return at 2020-01-01"),
        ({"A": path(1)[:0]}, None, "A: returns must be one series with at least one value"),
    ],
)
def test_comparisons_that_are_none(
    candidates: object, benchmark: object, words: str, refusal: Refusal
) -> None:
    assert words in refusal(ValueError, at.compare, candidates, benchmark)


# Confidence intervals


def test_intervals_are_those_of_arch() -> None:
    returns = path(3, 400)
    found = confidence_intervals(returns, level=0.9, repetitions=300, seed=11, block=7, periods=365)

    def ask(values: np.ndarray) -> np.ndarray:
        growth = np.prod(1 + values) ** (365 / len(values)) - 1
        return np.array([values.mean() / values.std(ddof=1) * np.sqrt(365), growth])

    theirs = StationaryBootstrap(7, returns.to_numpy(), seed=11).conf_int(
        ask, 300, method="percentile", size=0.9
    )
    np.testing.assert_allclose(found[["low", "high"]].T, theirs, rtol=1e-9)
    assert found.loc["sharpe", "estimate"] == at.sharpe(returns, periods=365)
    assert found.loc["cagr", "estimate"] == at.cagr(returns, periods=365)


def test_blocks_keep_what_hangs_together() -> None:
    noise = np.random.default_rng(5).normal(0, 0.01, 3_000)
    chained = pd.Series(noise).ewm(alpha=0.2).mean() + 0.0005
    assert block_length(chained) > 3 * block_length(pd.Series(noise))
    wide, narrow = (confidence_intervals(chained, repetitions=300, block=b).loc["sharpe"] for b in (40, 1))
    assert wide["high"] - wide["low"] > 1.7 * (narrow["high"] - narrow["low"])


def test_intervals_refuse(refusal: Refusal) -> None:
    assert "at least 30 returns, got 29" in refusal(ValueError, confidence_intervals, path(1, 29))
    assert "level must be between" in refusal(ValueError, confidence_intervals, path(1), 1.0)
    assert "repetitions must be" in refusal(ValueError, confidence_intervals, path(1), 0.9, 10)
    assert "block must be" in refusal(ValueError, confidence_intervals, path(1), block=0.5)
    assert "never NaN" in refusal(ValueError, confidence_intervals, path(1).shift())


# Attribution


@pytest.fixture(scope="module")
def factors() -> pd.DataFrame:
    return at.load_factors(start="1999-02-01")


@pytest.mark.parametrize("lags", [None, 0, 1, 12])
@pytest.mark.parametrize("symbol", ["SPX", "IXIC"])
def test_as_statsmodels_computes_it(symbol: str, lags: int | None, factors: pd.DataFrame) -> None:
    returns = at.compound(at.simple_returns(at.load(symbol)["close"]), "ME")
    found = at.attribute(returns, factors, lags=lags)
    both = pd.concat([returns.rename("own"), factors], axis=1, join="inner")
    names = ["market_excess", "size", "value"]
    assert len(both) == 238
    peer = OLS(both["own"] - both["risk_free"], add_constant(both[names])).fit()
    used = lag_rule(238) if lags is None else lags
    assert found.lags == used
    robust = peer.get_robustcov_results("HAC", maxlags=used, use_correction=False)
    np.testing.assert_allclose(found.table["coefficient"], peer.params, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.table["error"], peer.bse, rtol=1e-10)
    np.testing.assert_allclose(found.table["t"], peer.tvalues, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.table["error_newey_west"], robust.bse, rtol=1e-10)
    np.testing.assert_allclose(found.table["t_newey_west"], robust.tvalues, rtol=1e-10, atol=1e-10)
    assert found.r_squared == pytest.approx(peer.rsquared, rel=1e-10)
    np.testing.assert_allclose(found.left, peer.resid, atol=1e-14)
    np.testing.assert_allclose(
        found.yearly["size"], 12 * peer.params["size"] * both["size"].mean(), rtol=1e-10
    )
    assert found.yearly["total"] == pytest.approx(12 * (both["own"] - both["risk_free"]).mean())
    assert found.yearly.drop("total").sum() == pytest.approx(found.yearly["total"], rel=1e-10)


def test_without_a_riskless_rate_returns_are_taken_as_they_are(factors: pd.DataFrame) -> None:
    plain = factors.drop(columns="risk_free")
    found = at.attribute(0.01 + 0.5 * plain["value"], plain)
    np.testing.assert_allclose(found.table["coefficient"], [0.01, 0, 0, 0.5], atol=1e-14)


def test_the_rule_for_lags() -> None:
    assert [lag_rule(count) for count in (1, 50, 100, 238, 500, 5_000)] == [1, 3, 4, 4, 5, 9]


def test_months_are_compounded_and_dated_like_the_factors(factors: pd.DataFrame) -> None:
    days = at.simple_returns(at.load("SPX")["close"])
    months = at.compound(days, "ME")
    assert months.index[1:-1].equals(factors.index[: len(months) - 2])
    assert months["2008-10-31"] == pytest.approx(968.75 / 1166.36 - 1, abs=1e-4)
    assert (1 + months).prod() == pytest.approx((1 + days).prod())


def test_attributions_that_are_none(factors: pd.DataFrame, refusal: Refusal) -> None:
    days = at.simple_returns(at.load("SPX")["close"])
    months = at.compound(days, "ME")

    def refused(returns: object, table: object, **options: object) -> str:
        return refusal(ValueError, at.attribute, returns, table, **options)

    assert "compound to one frequency" in refused(days, factors)
    assert "share 0 of 240 times" in refused(months, factors.shift(freq="-5D"))
    assert "at least one column besides risk_free" in refused(months, factors[["risk_free"]])
    assert "factor size: return at" in refused(months, factors.assign(size=np.nan))
    assert "mixture of the others" in refused(months, factors.assign(flat=0.0))
    assert "cannot be fitted to 4 returns" in refused(months[1:5], factors)
    assert "lags must be from 0 to below" in refused(months, factors, lags=500)
    assert "each time once" in refused(pd.concat([months, months[:1]]), factors)
