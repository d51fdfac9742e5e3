"""Effective trials: order statistics by hand, streamed against a whole matrix, and false positives of each pair."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import alphatwin as at
from alphatwin.optimize.curves_of_cells import returns_of
from alphatwin.optimize.independent_trials import effective_trials, height_of_best, trials_at_height


def alike(rho: float, count: int, seed: int = 0, length: int = 2_000) -> pd.DataFrame:
    noise = np.random.default_rng(seed).standard_normal((length, count + 1))
    return pd.DataFrame(rho**0.5 * noise[:, :1] + (1 - rho) ** 0.5 * noise[:, 1:])


@pytest.mark.parametrize("trials", [1.0, 1.5, 2.0, 3.0, 40.0, 1_000.0, 1e6])
def test_heights_are_what_quadrature_says_and_the_way_back(trials: float) -> None:
    def density(x: float) -> float:
        return x * trials * stats.norm.pdf(x) * np.exp((trials - 1) * stats.norm.logcdf(x))

    exact, _ = integrate.quad(density, -9, 12, points=[0, 2, 4, 6], limit=300)
    assert height_of_best(trials) == pytest.approx(exact, abs=1e-8)
    if trials > 1:
        assert trials_at_height(height_of_best(trials)) == pytest.approx(trials, rel=1e-6)
    assert trials_at_height(0.0) == trials_at_height(-1.0) == 1.0


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_equal_correlations_have_a_formula(rho: float) -> None:
    found = effective_trials(alike(rho, 60), draws=4_000)
    assert found.height == pytest.approx((1 - rho) ** 0.5 * height_of_best(60), abs=0.06)
    assert found.correlation == pytest.approx(rho, abs=0.04) and found.trials == 60
    assert found.simple == pytest.approx(found.correlation + (1 - found.correlation) * 60)


def test_copies_are_one_and_opposites_are_more_than_two() -> None:
    one = alike(0.0, 1)[0] / 100
    copies = effective_trials(pd.concat([one, 3 * one, one + 0.01], axis=1))
    assert (copies.number, copies.height, copies.trials) == (1.0, 0.0, 3)
    assert copies.correlation == pytest.approx(1) and copies.simple == pytest.approx(1)
    both = effective_trials(pd.concat([one, -one], axis=1), draws=20_000)
    assert both.height == pytest.approx((2 / np.pi) ** 0.5, abs=0.02)


@pytest.mark.slow
def test_parts_give_what_the_whole_gives() -> None:
    "Three hundred rules go through in two parts; a matrix of all correlations says the same."
    table = alike(0.4, 300, 2, 500)
    table[7] = 0.0  # Never trades
    found = effective_trials(table, draws=4_000)
    rest = table.drop(columns=7)
    matrix = np.corrcoef(rest.to_numpy().T)
    assert found.trials == 299
    assert found.correlation == pytest.approx((matrix.sum() - 299) / (299 * 298), rel=1e-9)
    draws = np.random.default_rng(9).multivariate_normal(np.zeros(299), matrix, 4_000, method="eigh")
    assert found.height == pytest.approx(draws.max(axis=1).mean(), abs=0.05)
    assert effective_trials(table, seed=1).number != effective_trials(table, seed=2).number


@pytest.mark.slow
def test_a_sweep_is_its_table_of_returns(spx: pd.DataFrame) -> None:
    grid = at.sweep(
        spx[-900:], at.sma_cross, {"fast": range(5, 60, 3), "slow": range(20, 120, 5)}, progress=False
    )
    ours, table = effective_trials(grid), effective_trials(returns_of(grid))
    assert ours.trials == table.trials == grid.trials
    assert ours.number == pytest.approx(table.number, rel=1e-9)
    assert ours.correlation == pytest.approx(table.correlation, rel=1e-9)
    assert 1 < ours.number < 30


@pytest.mark.slow
def test_pairs_of_spread_and_number_on_simulated_searches() -> None:
    "All with the spread across, or the effective with the own: at most nominal. The mixture counts likeness twice."
    generator, level = np.random.default_rng(4), stats.norm.ppf(0.95)
    most = stats.binom(10_000, 0.05).ppf(0.999)
    for rho in (0.0, 0.5, 0.9):
        ratios = rho**0.5 * generator.standard_normal((10_000, 1))
        ratios = ratios + (1 - rho) ** 0.5 * generator.standard_normal((10_000, 40))
        best, across = ratios.max(axis=1), ratios.std(axis=1, ddof=1)
        found = effective_trials(alike(rho, 40, 5), draws=4_000)
        assert (best - across * height_of_best(40) > level).sum() <= most
        assert (best - found.height > level).sum() <= most * 1.1  # The height is itself estimated
        if rho == 0.9:
            assert (best - across * found.height > level).sum() > 1.5 * most  # Twice counted
            assert (best - height_of_best(40) > level).sum() < 20  # Not at all
            assert (best - found.height > level).sum() > 300  # And no stricter than it need be


@pytest.mark.slow
def test_null_markets_are_rarely_believed(spx: pd.DataFrame) -> None:
    "Moving averages on markets without timing or drift: both right pairs stay below nominal; PSR of the best does not."
    dsr, own, values = [], [], {"fast": range(5, 45, 8), "slow": range(50, 150, 20)}
    for seed in range(60):
        market = at.null_bars(spx[-750:], seed=seed, drift=False)
        grid = at.sweep(market, at.sma_cross, values, progress=False)
        best = returns_of(grid, grid.best().name).iloc[:, 0]
        worth = effective_trials(grid, draws=500)
        dsr.append(at.deflated_sharpe(best, grid.table["sharpe"]))
        own.append(at.probabilistic_sharpe(best, worth.height * (252 / len(best)) ** 0.5))
    most = stats.binom(60, 0.05).ppf(0.999)
    assert (np.array(dsr) > 0.95).sum() <= most and (np.array(own) > 0.95).sum() <= most
    assert np.median(own) > 0.05  # Not so strict that nothing is ever believed


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: effective_trials(alike(0.0, 1)), "at least two trials are needed, got 1"),
        (lambda: effective_trials(alike(0.0, 3)[:29]), "at least 30 bars, got 29"),
        (lambda: effective_trials(alike(0.0, 3).assign(x=np.nan)), "trial x never has a number"),
        (
            lambda: effective_trials(alike(0.0, 3).replace(alike(0.0, 3).iloc[5, 1], np.inf)),
            "trial 1 is not a number at 5",
        ),
        (lambda: effective_trials(alike(0.0, 3) * 0.0), "returns vary are needed, got 0"),
        (lambda: effective_trials(alike(0.0, 3), draws=10), "draws must be at least 100, got 10"),
        (lambda: height_of_best(0.5), "trials must be at least 1, got 0.5"),
    ],
)
def test_what_cannot_be_counted_is_refused(refusal: Any, call: Any, words: str) -> None:
    assert words in refusal(ValueError, call)
