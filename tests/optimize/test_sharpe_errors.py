"One Sharpe ratio and its error: printed digits, other libraries, and made histories whose truth is known."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, kurtosis, norm, skew

import alphatwin as at
from alphatwin.optimize.sharpe_errors import neighbours, ratio_error, remembered, sharpe_error, time_factor

Refusal = Callable[..., str]


def remembering(memory: float, mean: float, length: int, seed: int) -> pd.Series:
    shocks = np.random.default_rng(seed).normal(0, 0.01 * (1 - memory**2) ** 0.5, length + 100)
    return pd.Series(mean + lfilter([1], [1, -memory], shocks)[100:])


# Lo (2002), table 1: rows are Sharpe ratios of one bar, columns numbers of bars
LENGTHS = [12, 24, 36, 48, 60, 125, 250, 500]
TABLE_1 = {
    0.5: [0.306, 0.217, 0.177, 0.153, 0.137, 0.095, 0.067, 0.047],
    1.0: [0.354, 0.250, 0.204, 0.177, 0.158, 0.110, 0.077, 0.055],
    1.5: [0.421, 0.298, 0.243, 0.210, 0.188, 0.130, 0.092, 0.065],
    3.0: [0.677, 0.479, 0.391, 0.339, 0.303, 0.210, 0.148, 0.105],
}
# Lo (2002), table 2: rows are autocorrelations of order one in per cent, columns bars that are joined
JOINED = [2, 3, 4, 6, 12, 24, 36, 48, 125, 250]
TABLE_2 = {
    90: [1.03, 1.05, 1.07, 1.10, 1.21, 1.41, 1.60, 1.77, 2.67, 3.70],
    50: [1.15, 1.28, 1.39, 1.60, 2.12, 2.91, 3.53, 4.06, 6.49, 9.15],
    20: [1.29, 1.52, 1.73, 2.07, 2.88, 4.04, 4.93, 5.68, 9.14, 12.92],
    0: [1.41, 1.73, 2.00, 2.45, 3.46, 4.90, 6.00, 6.93, 11.18, 15.81],
    -20: [1.58, 1.99, 2.33, 2.90, 4.17, 5.95, 7.31, 8.45, 13.67, 19.35],
    -50: [2.00, 2.45, 3.02, 3.84, 5.69, 8.26, 10.21, 11.84, 19.26, 27.31],
}


def test_the_tables_that_lo_printed() -> None:
    for ratio, row in TABLE_1.items():
        assert [round(ratio_error(ratio, length), 3) for length in LENGTHS] == row
    for percent, row in TABLE_2.items():
        decay = (percent / 100) ** np.arange(1, 250)
        assert [round(time_factor(decay, joined), 2) for joined in JOINED] == row


def test_the_moments_of_mertens_against_scipy() -> None:
    path = np.random.default_rng(3).gamma(2, 0.01, 500) - 0.018
    ratio = path.mean() / path.std(ddof=1)
    want = np.sqrt((1 - skew(path) * ratio + (kurtosis(path, fisher=False) - 1) / 4 * ratio**2) / 500)
    row = sharpe_error(pd.Series(path), periods=12).loc["moments"]
    assert row["bar_error"] == pytest.approx(want, rel=1e-12)
    assert row["year_error"] == pytest.approx(12**0.5 * want, rel=1e-12)
    assert row["bar"] == pytest.approx(ratio, rel=1e-12)
    assert np.isnan(ratio_error(2.0, 50, skew=3.0, raw_kurtosis=1.5))


@pytest.mark.parametrize("lags", [0, 1, 6, 15])
def test_memory_against_two_other_libraries(lags: int) -> None:
    from arch.covariance.kernel import Bartlett
    from statsmodels.regression.linear_model import OLS

    path = remembering(0.3, 0.004, 400, 1)
    first, second = path.mean(), (path**2).mean()
    spread = (second - first**2) ** 0.5
    gradient = np.array([second / spread**3, -first / 2 / spread**3])  # Of m1 / sqrt(m2 - m1^2)
    both = np.column_stack([path - first, path**2 - second])
    long_run = Bartlett(both, bandwidth=lags, df_adjust=0, center=False).cov.long_run
    want = float(gradient @ np.asarray(long_run) @ gradient / len(path)) ** 0.5
    found = sharpe_error(path, lags=lags)
    assert found.loc["memory", "bar_error"] == pytest.approx(want, rel=1e-9)
    # The delta method in one regression on a constant: statsmodels' own Newey-West error of the influence
    moved = both @ gradient
    settings = {"maxlags": lags, "use_correction": False}
    fitted = OLS(moved, np.ones((len(path), 1))).fit(cov_type="HAC", cov_kwds=settings)
    assert found.loc["memory", "bar_error"] == pytest.approx(float(fitted.bse[0]), rel=1e-9)


def test_the_year_by_los_factor_is_built_from_autocorrelations() -> None:
    from statsmodels.tsa.stattools import acf

    path = remembering(0.4, 0.003, 600, 4)
    correlations = acf(path, nlags=5, fft=False)[1:]
    table = sharpe_error(path, periods=12, lags=5)
    want = table.loc["memory", "bar"] * time_factor(correlations, 12)
    assert table.loc["factor", "year"] == pytest.approx(want, rel=1e-12)
    few = sharpe_error(path, periods=3, lags=5).loc["factor", "year"]  # Of three bars only two lags count
    assert few == pytest.approx(table.loc["memory", "bar"] * time_factor(correlations[:2], 3), rel=1e-12)
    # Its influence, by taking one bar's weight up a little (a numerical derivative)
    values, step = path.to_numpy(), 1e-6
    yearly, error = remembered(values, 0, 12, 1)

    def weighted(weights: np.ndarray) -> float:
        share = weights / weights.sum()
        away = values - share @ values
        swing = 12 * away**2
        swing[1:] += 22 * away[1:] * away[:-1]
        return float(12 * (share @ values) / (share @ swing) ** 0.5)

    flat = np.full(len(values), 1 / len(values))
    moved = [
        (weighted(flat + step * np.eye(len(values))[one]) - weighted(flat)) / step
        for one in range(0, 600, 60)
    ]
    away = values - values.mean()
    swing = 12 * away**2
    swing[1:] += 22 * away[1:] * away[:-1]
    variance = swing.mean()
    by_hand = 12 * away / variance**0.5 - 6 * values.mean() / variance**1.5 * (swing - variance)
    assert np.allclose(moved, by_hand[::60], rtol=0.02, atol=0.02)
    assert error == pytest.approx(float((by_hand**2).mean() / 600) ** 0.5, rel=1e-9)


def test_arch_draws_the_same_error_with_memory() -> None:
    from arch.bootstrap import CircularBlockBootstrap

    path = remembering(0.3, 0.003, 1_500, 8)
    draws = CircularBlockBootstrap(25, path.to_numpy(), seed=2).apply(
        lambda one: np.array([one.mean() / one.std()]), 800
    )
    table = sharpe_error(path, lags=20)["bar_error"]
    assert draws.std() == pytest.approx(table["memory"], rel=0.1)
    assert table["memory"] > 1.2 * table["normal"]


@pytest.mark.slow
def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    tries, least = 500, binom(500, 0.9).ppf(0.0005)
    most, held = binom(tries, 0.9).ppf(0.9995), dict.fromkeys(["normal", "moments", "memory", "factor"], 0)
    for seed in range(tries):
        table = sharpe_error(remembering(0.25, 0.001, 1_000, seed), 0.9, 12)
        truth = pd.Series(0.1 * 12**0.5, table.index)
        truth["factor"] = 0.1 * time_factor(0.25 ** np.arange(1, 12), 12)
        for name in held:
            held[name] += int(table.loc[name, "low"] <= truth[name] <= table.loc[name, "high"])
    assert least <= held["memory"] <= most and least <= held["factor"] <= most
    assert held["normal"] < least and held["moments"] < least  # Memory is what they leave out


def test_units_levels_and_the_riskless_rate() -> None:
    path = remembering(0.1, 0.002, 300, 2)
    table = sharpe_error(path, 0.8, 52, risk_free=0.03)
    assert table.loc["memory", "year"] == pytest.approx(at.sharpe(path, 0.03, 52), rel=1e-12)
    assert table.loc["factor", "bar"] == table.loc["memory", "bar"]
    reach = norm.ppf(0.9) * table["year_error"]
    assert np.allclose(table["high"] - table["year"], reach) and np.allclose(
        table["year"] - table["low"], reach
    )
    assert neighbours(100) == 4 and neighbours(5_030) == 9 and neighbours(30) == 3
    monthly = sharpe_error(path, periods=1)  # A year of one bar has no memory inside
    assert monthly.loc["factor", "year"] == pytest.approx(monthly.loc["memory", "year"])


def test_swinging_returns_have_no_year_by_the_factor() -> None:
    path = pd.Series(np.tile([0.011, -0.009], 50) + np.random.default_rng(1).normal(0, 1e-4, 100))
    table = sharpe_error(path, lags=1)
    assert table.loc["factor", ["year", "year_error", "low", "high"]].isna().all()
    assert table.drop("factor").notna().all(axis=None)


def test_refusals(refusal: Refusal) -> None:
    path = remembering(0, 0.001, 60, 1)
    path.index = pd.date_range("2020-01-01", periods=60)
    assert "at least 30 returns, got 29" in refusal(ValueError, sharpe_error, path[:29])
    assert len(sharpe_error(path[:30])) == 4
    assert "returns that vary" in refusal(ValueError, sharpe_error, path * 0)
    assert "level must be" in refusal(ValueError, sharpe_error, path, 95)
    for lags in (-1, 30, 2.5):
        assert "lags must be a whole number" in refusal(ValueError, sharpe_error, path, lags=lags)
    path.iloc[4] = np.nan
    assert "2020-01-05" in refusal(ValueError, sharpe_error, path)
    assert "at least 2 returns" in refusal(ValueError, ratio_error, 0.1, 1)
    assert "add 3" in refusal(ValueError, ratio_error, 0.1, 100, 0.0, 0.0)
    assert "between -1 and 1, got 20" in refusal(ValueError, time_factor, [0.1, 20])
    assert "between -1 and 1, got nan" in refusal(ValueError, time_factor, [np.nan])
    assert "no series has" in refusal(ValueError, time_factor, [-0.9], 12)
    assert "at least 1" in refusal(ValueError, time_factor, [], 0)
