"""How high luck jumps: printed digits, hand calculations, and noise that looks like noise."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import alphatwin as at
from alphatwin.optimize.best_cell import psr_of
from alphatwin.optimize.deflation import expected_maximum, luck_height


@pytest.mark.parametrize("trials", [5, 20, 100, 1_000, 10_000, 1_000_000])
def test_the_best_of_many_is_nearly_what_integration_says(trials: int) -> None:
    def density(x: float) -> float:
        return x * trials * stats.norm.pdf(x) * np.exp((trials - 1) * stats.norm.logcdf(x))

    exact, _ = integrate.quad(density, -8, 12, points=[0, 2, 4, 6], limit=200)
    assert expected_maximum(trials) == pytest.approx(exact, abs=0.04)


def test_printed_digits_of_the_deflated_sharpe_ratio() -> None:
    """Bailey and López de Prado 2014, the numerical example: 250 bars a year, 1,250 bars, variance one half."""
    ratios = np.array([-1.0, 1.0]) * 0.5  # Their variance (ddof 1) is one half
    height = luck_height(ratios, trials=100) / 250**0.5
    assert height == pytest.approx(0.1132, abs=5e-5)
    assert psr_of(2.5 / 250**0.5, 1_250, -3.0, 10.0, height) == pytest.approx(0.9004, abs=5e-5)
    fewer = luck_height(ratios, trials=46) / 250**0.5
    assert psr_of(2.5 / 250**0.5, 1_250, -3.0, 10.0, fewer) == pytest.approx(0.9505, abs=5e-5)


def test_printed_digits_of_lengths() -> None:
    """Bailey and others 2014: 45 trials in five years. Bailey and López de Prado 2012: 2.73, 2.83 and 3.24 years."""
    assert at.minimum_backtest_length(45) == pytest.approx(5, abs=0.05)
    assert at.minimum_backtest_length(45, 2.0) == pytest.approx(at.minimum_backtest_length(45) / 4)
    for bars, years in ((252, 2.73), (52, 2.83), (12, 3.24)):
        assert at.minimum_track_record(2 / bars**0.5, 1 / bars**0.5) / bars == pytest.approx(years, abs=0.005)


@pytest.mark.parametrize(("skew", "raw_kurtosis"), [(0.0, 3.0), (-1.5, 9.0), (0.7, 4.0)])
def test_the_record_is_as_long_as_the_psr_asks(skew: float, raw_kurtosis: float) -> None:
    bars = at.minimum_track_record(0.1, 0.02, skew, raw_kurtosis, level=0.9)
    # psr_of takes whole bars or not: at exactly this length it says 90 per cent.
    assert psr_of(0.1, bars, skew, raw_kurtosis, 0.02) == pytest.approx(0.9, abs=1e-12)
    assert at.minimum_track_record(0.02, 0.1) == np.inf == at.minimum_track_record(0.1, 0.1)


def test_one_trial_more_or_less_alike_is_seen() -> None:
    generator = np.random.default_rng(0)
    returns = pd.Series(generator.normal(0.0008, 0.01, 750))
    narrow, wide = generator.normal(0, 0.2, 300), generator.normal(0, 0.8, 300)
    sure = at.deflated_sharpe(returns, narrow)
    assert sure > at.deflated_sharpe(returns, wide)
    assert at.deflated_sharpe(returns, narrow, trials=3) > sure
    assert sure < at.probabilistic_sharpe(returns)
    assert at.deflated_sharpe(returns, np.append(narrow, np.nan)) == sure  # A cell that never traded
    yearly = at.deflated_sharpe(returns, narrow * (12 / 252) ** 0.5, periods=12)
    assert yearly == pytest.approx(sure, abs=1e-12)  # The same ratios, said in another unit


def test_noise_is_noise_and_worth_is_found() -> None:
    generator, sizes = np.random.default_rng(1), []
    for worth in (0.0, 0.0025):
        found = 0
        for _ in range(150):
            market = generator.normal(0, 0.01, (400, 40))
            market[:, 0] += worth  # A Sharpe ratio of about 4 a year
            ratios = 252**0.5 * market.mean(axis=0) / market.std(axis=0, ddof=1)
            found += at.deflated_sharpe(pd.Series(market[:, ratios.argmax()]), ratios) > 0.95
        sizes.append(found)
    assert sizes[0] <= stats.binom(150, 0.05).ppf(0.999)
    assert sizes[1] > 75


def test_a_constant_has_no_deflated_sharpe_ratio() -> None:
    assert np.isnan(at.deflated_sharpe(pd.Series(np.zeros(100)), [0.1, 0.2]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: expected_maximum(1), "at least 2 trials to be chosen from, got 1"),
        (lambda: expected_maximum(float("nan")), "at least 2 trials"),
        (lambda: at.minimum_backtest_length(10, 0.0), "ratio must be a Sharpe ratio above 0, got 0.0"),
        (lambda: at.minimum_track_record(0.1, level=95), "level must be between 0.5 and 1"),
        (lambda: at.deflated_sharpe(pd.Series(np.zeros(29)), [1, 2]), "at least 30 returns, got 29"),
        (
            lambda: at.deflated_sharpe(pd.Series(np.zeros(30)), [1]),
            "2 trials with a Sharpe ratio are needed, got 1 of 1",
        ),
        (lambda: at.deflated_sharpe(pd.Series(np.zeros(30)), [1, np.nan]), "got 1 of 2"),
        (
            lambda: at.deflated_sharpe(pd.Series(np.zeros(30)), [1, 1]),
            "all 2 trials have the same Sharpe ratio",
        ),
    ],
)
def test_what_has_no_answer_is_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
