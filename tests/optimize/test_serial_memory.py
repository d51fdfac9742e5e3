"Seven tests of a series: by hand, against other libraries, and on series whose truth is known."

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, chi2, kstwobign, norm

from alphatwin.optimize.serial_memory import TESTS, ask_level, ask_memory, serial_tests

Refusal = Callable[..., str]


def made(kind: str, seed: int, length: int = 250) -> np.ndarray:
    shocks = np.random.default_rng(seed).normal(0, 0.01, length)
    if kind == "remembers":
        return np.asarray(lfilter([1], [1, -0.3], shocks))
    if kind == "wanders":
        return np.asarray(0.1 * shocks.cumsum())
    return shocks + (0.008 * (np.arange(length) >= length // 2) if kind == "breaks" else 0.0)


def series(kind: str, seed: int, length: int = 250) -> pd.Series:
    return pd.Series(made(kind, seed, length), pd.date_range("2020-01-01", periods=length))


def test_memory_by_the_papers_formulas() -> None:
    values = made("remembers", 4)
    length, found = len(values), ask_memory(values, 7, 4)

    def box(one: np.ndarray) -> tuple[float, float]:
        away = one - one.mean()
        squares = [(away[k:] @ away[:-k] / (away @ away)) ** 2 / (length - k) for k in range(1, 8)]
        statistic = length * (length + 2) * sum(squares)
        return statistic, float(chi2.sf(statistic, 7))

    assert found["Ljung-Box"] == pytest.approx(box(values), rel=1e-9)
    assert found["Ljung-Box of squares"] == pytest.approx(box((values - values.mean()) ** 2), rel=1e-9)
    # Lo and MacKinlay (1988): overlapping sums, unbiased variances, and z* which allows for changing swings
    away = values - values.mean()
    sums = np.convolve(values, np.ones(4), "valid") - 4 * values.mean()
    many = 4 * (length - 4 + 1) * (1 - 4 / length)
    ratio = (sums @ sums / many) / (away @ away / (length - 1))
    weights = [
        (2 * (4 - k) / 4) ** 2 * ((away[k:] ** 2) @ (away[:-k] ** 2)) / (away @ away) ** 2 for k in (1, 2, 3)
    ]
    z = (ratio - 1) / sum(weights) ** 0.5
    assert found["turn"][0] == pytest.approx(ratio, rel=1e-9)
    assert found["variance ratio"] == pytest.approx((z, 2 * norm.sf(abs(z))), rel=0.01)


def test_level_against_statsmodels_and_by_hand() -> None:
    from statsmodels.tsa.stattools import adfuller, kpss, zivot_andrews

    values = made("breaks", 2)
    found = ask_level(values)
    theirs = adfuller(values, maxlag=4, autolag=None, regression="c", result_object=False)
    assert found["ADF"] == pytest.approx(theirs[:2], rel=1e-6)
    with pytest.warns():  # Statsmodels says that its p-value is outside of its table
        assert found["KPSS"][0] == pytest.approx(kpss(values, nlags=15)[0], rel=1e-9)
    theirs = zivot_andrews(values, maxlag=4, autolag=None, regression="c")
    assert found["Zivot-Andrews"][0] == pytest.approx(theirs[0], rel=0.02)
    away = values - values.mean()
    height = np.abs(away.cumsum()).max() / (250 * away.var(ddof=1)) ** 0.5
    assert found["CUSUM"] == pytest.approx((height, kstwobign.sf(height)), rel=1e-9)
    assert found["place"][0] == np.abs(away.cumsum()).argmax() + 1


@pytest.mark.slow
def test_how_often_they_speak_up() -> None:
    tries, share = 100, {}
    for kind, ask in (("noise", "both"), ("remembers", "memory"), ("wanders", "level"), ("breaks", "level")):
        found = []
        for seed in range(tries):
            values, one = made(kind, seed), {}
            one |= ask_memory(values, 10, 5) if ask != "level" else {}
            one |= ask_level(values) if ask != "memory" else {}
            found.append(one)
        share[kind] = {name: sum(one[name][1] < 0.05 for one in found) for name in TESTS if name in found[0]}
    least, most = binom(tries, 0.05).ppf([0.0005, 0.9995])
    for name in ("Ljung-Box", "Ljung-Box of squares", "variance ratio"):
        assert least <= share["noise"][name] <= most, name
    assert share["noise"]["KPSS"] <= most and share["noise"]["CUSUM"] <= most  # Both are shy in 250 bars
    for name in ("ADF", "Zivot-Andrews"):
        assert share["noise"][name] > 0.99 * tries and least <= share["wanders"][name] <= most
    assert min(share["remembers"][name] for name in ("Ljung-Box", "variance ratio")) > 0.85 * tries
    assert share["wanders"]["KPSS"] > 0.6 * tries
    assert min(share["breaks"][name] for name in ("CUSUM", "KPSS")) > 0.9 * tries


def test_the_words_follow_the_numbers() -> None:
    broken = serial_tests(series("breaks", 1))
    assert list(broken.index) == list(TESTS) and list(broken) == ["granted", "statistic", "p_value", "says"]
    words = broken.loc["CUSUM", "says"]
    assert (
        words.startswith("the mean changed, most likely at 2020-0")
        and not broken["says"].str.contains("{").any()
    )
    place = pd.Timestamp(words[-10:])
    assert abs((place - pd.Timestamp("2020-05-05")).days) < 15  # Bar 125 is the first of the new mean
    remembers = serial_tests(series("remembers", 1), lags=3, step=2)
    assert remembers.loc["Ljung-Box", ["granted", "says"]].tolist() == [
        "returns don't remember the last 3",
        "returns remember",
    ]
    assert remembers.loc["variance ratio", "says"].startswith("moves go on (ratio 1.")
    turning = np.random.default_rng(5).normal(0, 0.01, 300)
    turned = serial_tests(pd.Series(turning[1:] - 0.8 * turning[:-1]))
    assert turned.loc["variance ratio", "says"].startswith("moves turn back (ratio 0.")
    shy = serial_tests(series("breaks", 1), level=1e-12).loc["KPSS", "says"]
    assert shy == "no moving level seen" and broken.loc["KPSS", "says"] == "the level moves"
    wanders = serial_tests(series("wanders", 3))
    assert wanders.loc["ADF", "says"] == "the level may wander off"


@pytest.mark.filterwarnings("error")
def test_a_series_of_equal_steps_is_not_asked_what_it_cannot_tell() -> None:
    flips = np.random.default_rng(1).permutation(np.repeat([0.01, -0.01], 50))
    table = serial_tests(pd.Series(flips))
    assert table.loc["Ljung-Box of squares", "says"] == "cannot be told"
    assert table["p_value"].drop("Ljung-Box of squares").notna().all()
    alternating = serial_tests(pd.Series(np.tile([0.01, -0.01], 50)))
    assert alternating.loc["Ljung-Box", "says"] == "returns remember"
    assert (alternating["says"] == "cannot be told").sum() >= 1


def test_refusals(refusal: Refusal) -> None:
    path = series("noise", 1)
    assert "at least 60 returns, got 59" in refusal(ValueError, serial_tests, path[:59])
    assert len(serial_tests(path[:60])) == 7
    assert "never varies" in refusal(ValueError, serial_tests, path * 0 + 0.001)
    assert "lags must be a whole number from 1 to a quarter" in refusal(ValueError, serial_tests, path, 63)
    assert "step must be a whole number from 2" in refusal(ValueError, serial_tests, path, 10, 1)
    assert "level must be" in refusal(ValueError, serial_tests, path, level=5)
    path.iloc[9] = np.nan
    assert "2020-01-10" in refusal(ValueError, serial_tests, path)
