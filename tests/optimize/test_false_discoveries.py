"False discovery rates against scipy, by hand, and on lists whose truth is known."

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import alphatwin as at
from alphatwin.optimize.false_discoveries import LISTS, mean_p_values, q_values, share_of_worthless


@pytest.mark.parametrize("seed", range(5))
def test_two_lists_are_those_of_scipy(seed):
    p = np.random.default_rng(seed).uniform(size=80) ** 3
    np.testing.assert_allclose(q_values(p), stats.false_discovery_control(p), rtol=1e-12)
    other = stats.false_discovery_control(p, method="by")
    np.testing.assert_allclose(q_values(p, "benjamini_yekutieli"), other, rtol=1e-12)
    np.testing.assert_allclose(q_values(p, "storey"), q_values(p) * share_of_worthless(p), rtol=1e-12)


def test_the_share_of_worthless_rules_by_hand():
    assert share_of_worthless([0.01, 0.02, 0.03, 0.6]) == 1.0
    assert share_of_worthless([0.01] * 17 + [0.6, 0.7, 0.9]) == pytest.approx(0.4)


def test_false_discoveries_keep_their_rate():
    shares = []
    for seed in range(300):
        draws = np.random.default_rng(seed).standard_normal(100)
        draws[:20] += 3
        kept = q_values(stats.norm.sf(draws)) <= 0.1
        shares.append(kept[20:].sum() / max(1, kept.sum()))
    error = np.std(shares) / 300**0.5
    assert abs(np.mean(shares) - 0.1 * 80 / 100) < 4 * error, (
        "exactly the rate times the share of worthless rules"
    )


def test_p_values_of_means_know_memory():
    draws = np.random.default_rng(0).standard_normal((2_000, 3)) / 100
    draws[:, 1] += 0.002
    draws[:, 2] = 0.0
    found = mean_p_values(pd.DataFrame(draws, columns=list("abc")))
    plain = stats.ttest_1samp(draws[:, 0], 0, alternative="greater").pvalue
    assert found["a"] == pytest.approx(plain, abs=0.05) and found["b"] < 1e-6 and found["c"] == 1
    rejected = {"memory": 0, "plain": 0}
    for seed in range(300):
        noise = np.random.default_rng(seed).standard_normal(600)
        series = np.empty(600)
        series[0] = noise[0]
        for bar in range(1, 600):
            series[bar] = 0.4 * series[bar - 1] + noise[bar]
        rejected["memory"] += mean_p_values(pd.DataFrame({"x": series / 100}))["x"] <= 0.05
        rejected["plain"] += stats.ttest_1samp(series, 0, alternative="greater").pvalue <= 0.05
    assert rejected["memory"] <= stats.binom.ppf(0.9999, 300, 0.075) < rejected["plain"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: q_values([0.1]), "at least 2 rules"),
        (lambda: q_values(pd.Series({"a": 0.1, "b": np.nan})), "rule b is nan"),
        (lambda: q_values([0.1, -0.1]), "rule 1 is -0.1"),
        (lambda: q_values([0.1, 0.2], "bonferroni"), f"there are {', '.join(LISTS)}"),
        (lambda: share_of_worthless([0.1, 0.2], 1.0), "between 0 and 1"),
        (lambda: mean_p_values(pd.DataFrame({"a": [0.1] * 10})), "at least 30 bars, got 10"),
        (
            lambda: mean_p_values(pd.DataFrame({"a": [0.1] * 40, "b": [np.nan] * 40})),
            "rule b: return at 0 is nan",
        ),
    ],
)
def test_what_is_no_list_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_public_names():
    assert at.q_values is q_values
