"The haircut for many tries: a printed table, another library, the authors' arithmetic, and what luck may find."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control, norm, t

from alphatwin.optimize.haircuts import WAYS, adjust, haircut

Refusal = Callable[..., str]


def test_the_ten_tests_of_harvey_liu_and_zhu() -> None:
    # Harvey, Liu and Zhu (2016), table 4: what each way keeps at 5 per cent, counted from 1
    ratios = np.array([1.99, 2.63, 2.21, 3.43, 2.17, 2.64, 4.56, 5.34, 2.75, 2.49])
    p = 2 * norm.sf(ratios)
    kept = {way: set(np.flatnonzero(adjust(p, way) <= 0.05) + 1) for way in WAYS}
    assert kept["bonferroni"] == {4, 7, 8} and kept["bhy"] == {2, 4, 6, 7, 8, 9}
    assert kept["holm"] == {2, 4, 6, 7, 8, 9}  # Unrounded; their table stops after four


def test_adjusting_by_hand_and_against_scipy() -> None:
    p = np.array([0.04, 0.01, 0.30, 0.02])
    assert adjust(p, "bonferroni") == pytest.approx([0.16, 0.04, 1.0, 0.08])
    assert adjust(p, "holm") == pytest.approx([0.08, 0.04, 0.30, 0.06])
    harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4
    assert adjust(p, "bhy") == pytest.approx(np.array([0.16 / 3, 0.04, 0.30, 0.04]) * harmonic)
    many = np.random.default_rng(1).uniform(0, 0.2, 40)
    assert np.allclose(adjust(many, "bhy"), false_discovery_control(many, method="by"), rtol=1e-12)
    ranks = many.argsort().argsort()
    holm = np.minimum(np.maximum.accumulate((40 - np.arange(40)) * np.sort(many)), 1)[ranks]
    assert np.allclose(adjust(many, "holm"), holm, rtol=1e-12)


def test_one_ratio_and_the_road_back() -> None:
    for ratio, years, tries in ((0.75, 20, 200), (1.0, 10, 100), (-0.9, 15, 20)):
        row = haircut(ratio, 12 * years, tries, 12).iloc[0]
        length, p = 12 * years, 2 * t.sf(abs(ratio) * years**0.5, 12 * years - 1)
        want = t.ppf(1 - min(tries * p, 1) / 2, length - 1) / length**0.5 * 12**0.5
        assert row["bonferroni_p"] == pytest.approx(tries * p, rel=1e-9)
        assert row["bonferroni_sharpe"] == pytest.approx(np.sign(ratio) * want, rel=1e-9)
        assert row["bonferroni_cut"] == pytest.approx(1 - want / abs(ratio), rel=1e-9)
        assert row["t"] == pytest.approx(ratio * years**0.5)
        assert "holm_p" not in row and "bhy_p" not in row  # They need all the others
    # The Bonferroni of a public copy of the authors' program at (1.0, 120 months, 100 tries, no memory): 0.465 is
    # with an autocorrelation of 0.1; its correction of the ratio is Lo's factor
    from alphatwin.optimize.sharpe_errors import time_factor

    corrected = time_factor(0.1 ** np.arange(1, 12), 12) / 12**0.5
    assert haircut(corrected, 120, 100, 12)["bonferroni_p"].iloc[0] == pytest.approx(0.465, abs=0.01)


def test_all_ways_of_a_family() -> None:
    ratios = pd.Series([1.5, 0.9, -0.6, 0.0, 0.3], list("abcde"))
    table = haircut(ratios, 1_260)
    assert list(table.index) == list("abcde")
    p = 2 * t.sf(np.abs(ratios) * 5**0.5, 1_259)
    assert np.allclose(table["p"], p)
    for way in WAYS:
        assert np.allclose(table[f"{way}_p"], adjust(p, way))
        back = np.sign(ratios) * t.isf(table[f"{way}_p"] / 2, 1_259) / 5**0.5
        assert np.allclose(table[f"{way}_sharpe"], back, atol=1e-12)
        assert table.loc["d", [f"{way}_sharpe", f"{way}_cut"]].tolist() == [0.0, 0.0]
    assert (table["holm_cut"] <= table["bonferroni_cut"] + 1e-12).all()
    more = haircut(ratios, 1_260, tries=50)
    assert np.allclose(more["bonferroni_p"], np.minimum(50 * p, 1)) and "holm_p" not in more


def test_a_ratio_beyond_doubt_is_not_cut_to_nothing_or_to_infinity() -> None:
    row = haircut([40.0, 0.1], 2_520).iloc[0]
    assert row["bonferroni_sharpe"] == pytest.approx(40.0, rel=0.01) and np.isfinite(row.to_numpy()).all()
    assert 0 <= row["bonferroni_cut"] < 0.01


@pytest.mark.slow
def test_worthless_searches_find_something_as_often_as_they_may() -> None:
    tries, found = 400, 0
    for seed in range(tries):
        draws = np.random.default_rng(seed).normal(0, 0.01, (120, 30))
        ratios = 252**0.5 * draws.mean(axis=0) / draws.std(axis=0, ddof=1)
        found += int(haircut(np.abs(ratios).max(), 120, 30)["bonferroni_p"].iloc[0] <= 0.05)
    exact = 1 - (1 - 0.05 / 30) ** 30  # Independent tries: a little below 5 per cent
    assert binom(tries, exact).ppf(0.0005) <= found <= binom(tries, exact).ppf(0.9995)


def test_refusals(refusal: Refusal) -> None:
    assert "at least 30 returns, got 29" in refusal(ValueError, haircut, 0.5, 29, 10)
    assert len(haircut(0.5, 30, 10)) == 1
    assert "at least 2 tries" in refusal(ValueError, haircut, 0.5, 300)
    assert "no fewer than there are ratios (3), got 2" in refusal(ValueError, haircut, [1, 2, 3], 300, 2)
    assert "that is one try" in refusal(ValueError, haircut, [0.5, 0.5], 300)
    assert "'b' is nan" in refusal(ValueError, haircut, pd.Series({"a": 1.0, "b": np.nan}), 300)
    assert "there is none" in refusal(ValueError, haircut, [], 300)
    assert "periods" in refusal(ValueError, haircut, [1, 2], 300, None, 0)
    assert "p-value 1 is 1.2" in refusal(ValueError, adjust, [0.1, 1.2], "holm")
    assert "there is none" in refusal(ValueError, adjust, [], "holm")
    assert "'sidak'" in refusal(ValueError, adjust, [0.1], "sidak")
