"Tails, gains, benchmarks, lengths of falls, tables and rolling metrics: against others, paper and each other."

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as peer
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

import alphatwin as at
from alphatwin.metrics.benchmark import aligned
from alphatwin.metrics.overview import BENCHMARK_METRICS, CONVENTIONS, FUNCTIONS, METRICS
from alphatwin.metrics.tails import bent_quantile, beyond

Refusal = Callable[..., str]
paths = st.lists(st.sampled_from([-0.5, -0.1, 0.0, 0.1, 0.25, 1.0]), min_size=1, max_size=40)


def dated(values: Any) -> pd.Series:
    return pd.Series(
        np.asarray(values, dtype="float64"), index=pd.bdate_range("2015-01-05", periods=len(values))
    )


def walk(seed: int, rows: int = 300) -> pd.Series:
    rng = np.random.default_rng(seed)
    return dated(np.clip(rng.standard_t(4, rows) * rng.uniform(0.002, 0.03) + 0.0005, -0.9, 2.0))


# Tails


@pytest.mark.parametrize("seed", range(20))
def test_tails_as_scipy_and_numpy_have_them(seed: int) -> None:
    path = walk(seed, 50 + 37 * seed)
    for biased in (True, False):
        assert at.skewness(path, biased) == pytest.approx(stats.skew(path, bias=biased), rel=1e-10)
        assert at.kurtosis(path, True, biased) == pytest.approx(stats.kurtosis(path, bias=biased), rel=1e-10)
        raw = stats.kurtosis(path, bias=biased, fisher=False)
        assert at.kurtosis(path, excess=False, biased=biased) == pytest.approx(raw, rel=1e-10)
    for level in (0.01, 0.05, 0.25):
        assert at.value_at_risk(path, level) == pytest.approx(np.quantile(path, level), rel=1e-9)
        bell = stats.norm(path.mean(), path.std())
        assert at.value_at_risk(path, level, "normal") == pytest.approx(bell.ppf(level), rel=1e-9)
        below, _ = integrate.quad(
            lambda x, bell=bell: x * bell.pdf(x), bell.mean() - 12 * bell.std(), bell.ppf(level)
        )
        assert at.cvar(path, level, "normal") == pytest.approx(below / level, rel=1e-7)
        # Exactly a share: the mean of the quantile function up to the level.
        ordered, share = np.sort(path.to_numpy()), level * len(path)
        parts = np.clip(share - np.arange(len(path)), 0, 1)
        assert at.cvar(path, level, tail="share") == pytest.approx((ordered * parts).sum() / share, rel=1e-10)


@pytest.mark.parametrize(("skew", "excess"), [(0.0, 0.0), (-0.5, 0.0), (0.0, 1.5), (0.3, 0.8), (-0.8, 2.0)])
def test_the_bent_bell_is_integrated_rightly(skew: float, excess: float) -> None:
    def density(x: float) -> float:
        he = [np.polynomial.hermite_e.hermeval(x, [0] * n + [1]) for n in (3, 4, 6)]
        return stats.norm.pdf(x) * (1 + skew * he[0] / 6 + excess * he[1] / 24 + skew**2 * he[2] / 72)

    for level in (0.01, 0.05, 0.2):
        border = bent_quantile(level, skew, excess)
        area, _ = integrate.quad(lambda x: x * density(x), -14, border, epsabs=1e-13)
        assert beyond(level, skew, excess) == pytest.approx(area / level, rel=1e-9)
    assert bent_quantile(0.05, 0.0, 0.0) == pytest.approx(stats.norm.ppf(0.05), rel=1e-12)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_the_expansion_is_near_a_lopsided_law(level: float) -> None:
    "Cornish and Fisher's expansion was made for this: a gamma law of shape k has skewness 2 / root k, excess 6 / k."
    law = stats.gamma(400)
    true = (law.ppf(level) - law.mean()) / law.std()
    assert bent_quantile(level, 2 / 20, 6 / 400) == pytest.approx(true, abs=1e-4)
    assert bent_quantile(level, -2 / 20, 6 / 400) == pytest.approx(-(law.isf(level) - 400) / 20, abs=1e-4)


def test_the_mean_beyond_on_paper() -> None:
    line = dated(np.arange(-10, 11) / 100)
    assert at.cvar(line) == pytest.approx(-0.095) and at.value_at_risk(line) == pytest.approx(-0.09)
    assert at.cvar(line, tail="share") == pytest.approx(-(0.10 + 0.05 * 0.09) / 1.05)
    assert at.cvar(dated([-0.1, 0.2]), level=0.05, tail="share") == pytest.approx(-0.1)
    assert at.value_at_risk(dated([-0.1, 0.2]), interpolation="inverted_cdf") == pytest.approx(-0.1)
    assert at.tail_ratio(dated([-0.1] * 10 + [0.3] * 10)) == pytest.approx(3.0)


# Gains, and lengths of falls


@given(paths)
def test_gains_and_losses_add_up(values: list[float]) -> None:
    path = dated(values)
    gains, losses = [v for v in values if v > 0], [-v for v in values if v < 0]
    if gains and losses:
        assert at.payoff_ratio(path) == pytest.approx((sum(gains) / len(gains)) / (sum(losses) / len(losses)))
        assert at.profit_factor(path) == pytest.approx(sum(gains) / sum(losses))
    else:
        assert np.isnan(at.payoff_ratio(path))
    if gains or losses:
        assert at.hit_rate(path) == pytest.approx(len(gains) / (len(gains) + len(losses)))
    assert at.hit_rate(path, flat=True) == pytest.approx(len(gains) / len(values))
    assert at.expectancy(path) == pytest.approx(sum(values) / len(values), abs=1e-15)


@given(paths)
def test_falls_are_as_long_as_a_slow_count_says(values: list[float]) -> None:
    money, best, since, longest, below, streak = 1.0, 1.0, 0, 0, 0, 0
    for value in values:
        money *= 1 + value
        since = since + 1 if money < best else (since + 1 if since else 0)
        longest = max(longest, since)
        streak = streak + 1 if money < best else 0
        below = max(below, streak)
        if money >= best:
            best, since = money, 0
    path = dated(values)
    assert at.max_drawdown_duration(path) == longest
    assert at.max_drawdown_duration(path, since="below", until="below") == max(below - 1, 0)
    table = at.drawdown_table(path)
    assert (table["bars"].max() if len(table) else 0) == longest
    assert table["depth"].min() == at.max_drawdown(path) if len(table) else at.max_drawdown(path) == 0


def test_days_of_the_calendar() -> None:
    path = dated([0.1, -0.1, 0.0, 0.0, 0.2, 0.0])  # Monday to Monday; peak on Monday, back on Friday
    assert at.max_drawdown_duration(path) == 4 and at.max_drawdown_duration(path, unit="days") == 4
    assert at.max_drawdown_duration(path, unit="days", since="below") == 3
    assert at.max_drawdown_duration(path, unit="days", since="below", until="below") == 2
    assert at.recovery(path) == 3


# Beside a benchmark


@pytest.mark.parametrize("seed", range(15))
def test_the_benchmark_as_numpy_and_quantstats_have_it(seed: int) -> None:
    own, other = walk(seed), walk(seed + 100)
    slope, _ = np.polyfit(other, own, 1)
    greeks = peer.greeks(own, other)
    assert at.beta(own, other) == pytest.approx(slope, rel=1e-9)
    assert at.beta(own, other) == pytest.approx(greeks["beta"], rel=1e-9)
    assert at.alpha(own, other, yearly="simple") == pytest.approx(greeks["alpha"], rel=1e-9)
    assert at.tracking_error(own, other) == pytest.approx((own - other).std() * 252**0.5, rel=1e-10)
    assert at.information_ratio(own, other, periods=1) == pytest.approx(
        peer.information_ratio(own, other), rel=1e-9
    )
    rising = other > 0
    grown = [np.prod(1 + one[rising]) ** (252 / rising.sum()) - 1 for one in (own, other)]
    assert at.up_capture(own, other) == pytest.approx(grown[0] / grown[1], rel=1e-9)
    falling = other < 0
    means = own[falling].mean() / other[falling].mean()
    assert at.down_capture(own, other, capture="arithmetic") == pytest.approx(means, rel=1e-9)


def test_a_riskless_rate_moves_alpha_by_what_beta_leaves() -> None:
    own, other = walk(1), walk(2)
    plain, lent = (at.alpha(own, other, rate, yearly="simple", compounding="simple") for rate in (0.0, 0.1))
    assert lent - plain == pytest.approx(-0.1 * (1 - at.beta(own, other)), rel=1e-9)
    growth = [at.cagr(one) for one in (own, other)]
    jensen = growth[0] - 0.1 - at.beta(own, other) * (growth[1] - 0.1)
    assert at.alpha(own, other, 0.1, yearly="jensen") == pytest.approx(jensen, rel=1e-9)


def test_growth_over_falling_bars_keeps_its_digits() -> None:
    "Thousands of falling bars leave a hundred-millionth: 1 + (growth - 1) would have eight digits."
    own, other = dated([-0.01] * 2000), dated([-0.011] * 2000)
    assert at.cagr(own) == pytest.approx(0.99**252 - 1, rel=1e-12)
    assert at.down_capture(own, other) == pytest.approx((0.99**252 - 1) / (0.989**252 - 1), rel=1e-12)


# Tables

KINDS: list[dict[str, Any]] = [
    {},
    {"risk_free": 0.03, "periods": 52, "ddof": 0},
    {"denominator": "downside", "correction": 1, "biased": True, "excess": False},
    {"level": 0.01, "offset": -1, "years": 3.0, "compounding": "simple", "risk_free": 0.01},
    {"level": 0.3, "flat": True, "yearly": "simple", "capture": "arithmetic"},
    {"minimum": 0.2, "yearly": "jensen", "risk_free": 0.02},
    {"mean": "geometric", "start": False, "tail": "share", "growth": "mean", "reinvest": False},
]


@pytest.mark.parametrize("conventions", KINDS, ids=lambda c: ", ".join(c) or "defaults")
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 21, 101, 400])
def test_a_table_gives_what_its_columns_give(rows: int, conventions: dict[str, Any]) -> None:
    table = pd.DataFrame({seed: walk(seed, rows) for seed in range(36)})
    table[33], table[34], table[35] = 0.01, 0.0, np.where(np.arange(rows) == rows // 2, -0.9, 0.001)
    other = walk(99, rows)
    got = at.summary(table, other, **conventions)
    assert list(got.columns) == [*METRICS, *BENCHMARK_METRICS] and list(got.index) == list(table.columns)
    for name in table.columns[:: 1 if rows < 22 else 5].union([33, 34, 35]):
        wanted = at.summary(table[name], other, **conventions)
        np.testing.assert_allclose(got.loc[name], wanted, rtol=1e-12, atol=1e-12, err_msg=str(name))


@given(st.lists(paths, min_size=2, max_size=5))
def test_a_table_of_coarse_returns(columns: list[list[float]]) -> None:
    rows = min(map(len, columns))
    table = pd.DataFrame({place: dated(values[:rows]) for place, values in enumerate(columns)})
    got = at.summary(table)
    for name in table:
        np.testing.assert_allclose(
            got.loc[name], at.summary(table[name]), rtol=1e-11, atol=1e-11, err_msg=str(name)
        )


def test_the_layout_of_memory_and_the_number_of_series_change_nothing() -> None:
    table = pd.DataFrame({seed: walk(seed) for seed in range(70)})
    one_way = at.summary(table)
    other_way = at.summary(pd.DataFrame(np.ascontiguousarray(table.to_numpy()), table.index, table.columns))
    pd.testing.assert_frame_equal(one_way, other_way, check_exact=True)
    pd.testing.assert_frame_equal(at.summary(table.iloc[:, 40:45]), one_way.iloc[40:45], check_exact=True)
    assert at.summary(table[[7]]).loc[7].equals(at.summary(table[7]).rename(7))


def test_regimes_divide_the_bars() -> None:
    path, other = walk(4), walk(5)
    labels = pd.Series(np.where(np.arange(300) % 7 < 3, "calm", "wild"), path.index)
    got = at.summary(path, other, by=labels, risk_free=0.02)
    assert list(got.index) == ["calm", "wild"]
    for label in got.index:
        own, market = (one[labels == label].to_numpy() for one in (path, other))
        wanted = at.summary(pd.Series(own), pd.Series(market), risk_free=0.02)
        pd.testing.assert_series_equal(got.loc[label], wanted, check_names=False)
    growth = 1 + got["total_return"]
    assert growth.prod() == pytest.approx(1 + at.total_return(path), rel=1e-12)


def test_every_name_has_a_sentence_and_every_convention_is_known() -> None:
    assert set(FUNCTIONS) == {*METRICS, *BENCHMARK_METRICS} and all(map(len, METRICS.values()))
    for name in (
        "ddof",
        "periods",
        "risk_free",
        "minimum",
        "denominator",
        "biased",
        "excess",
        "level",
        "start",
    ):
        assert name in CONVENTIONS


# Rolling


@pytest.mark.parametrize("window", [2, 5, 21, 60, 61, 150])
def test_rolling_as_pandas_and_the_plain_functions_have_it(window: int) -> None:
    table = pd.DataFrame({seed: walk(seed, 150) for seed in range(70)})
    spread, ratio, fall = (
        f(table, window) for f in (at.rolling_volatility, at.rolling_sharpe, at.rolling_max_drawdown)
    )
    rolled = table.rolling(window)
    np.testing.assert_allclose(spread, rolled.std() * 252**0.5, rtol=1e-8, equal_nan=True)
    np.testing.assert_allclose(ratio, rolled.mean() / rolled.std() * 252**0.5, rtol=1e-7, atol=1e-9)
    lent = at.rolling_sharpe(table, window, risk_free=0.05, ddof=0)
    for name in (0, 31, 64, 69):
        wanted = rolled[name].apply(at.max_drawdown)
        np.testing.assert_allclose(fall[name], wanted, rtol=1e-10, atol=1e-12)
        late = rolled[name].apply(lambda part: at.max_drawdown(part, start=False))
        np.testing.assert_allclose(
            at.rolling_max_drawdown(table, window, start=False)[name], late, atol=1e-12
        )
        last = table[name][-window:]
        assert lent[name].iloc[-1] == pytest.approx(at.sharpe(last, 0.05, ddof=0), rel=1e-9)
        pd.testing.assert_series_equal(
            at.rolling_max_drawdown(table[name], window), fall[name], check_exact=True
        )


@given(paths, st.integers(1, 12))
def test_the_worst_fall_of_every_window(values: list[float], window: int) -> None:
    got = at.rolling_max_drawdown(dated(values), window)
    for end in range(len(values)):
        if end + 1 < window:
            assert np.isnan(got.iloc[end])
        else:
            wanted = at.max_drawdown(values[end + 1 - window : end + 1])
            assert got.iloc[end] == pytest.approx(wanted, abs=1e-12)


def test_a_total_loss_is_over_when_its_window_is() -> None:
    got = at.rolling_max_drawdown(dated([0.1, -1.0, 0.2, -0.3, 0.1]), 2)
    assert got.tolist()[1:] == pytest.approx([-1.0, -1.0, -0.3, -0.3])


# Bad input

BAD: dict[str, tuple[Any, list[str]]] = {
    "nan": (dated([0.1, np.nan]), ["2015-01-06", "nan", "never NaN"]),
    "infinity": (dated([0.1, np.inf]), ["2015-01-06", "inf"]),
    "below -1": (dated([0.1, -7.0]), ["2015-01-06", "-7.0", "fractions"]),
    "prices": (dated([101.0, 102.0, 99.0]), ["look like prices", "at.simple_returns"]),
    "empty": (dated([]), ["at least one value"]),
    "unsorted": (dated([0.1, 0.2, -0.1])[::-1], ["2015-01-06", "sort_index()"]),
    "twice": (pd.concat([dated([0.1]), dated([0.2])]), ["2015-01-05", "each time once"]),
    "mixed": (
        pd.Series(
            0.01,
            pd.bdate_range("2020-01-01", periods=60).append(
                pd.date_range("2021-01-31", periods=60, freq="ME")
            ),
        ),
        ["mixed frequencies", "at.compound"],
    ),
}
RETURN_METRICS = {name: f for name, f in FUNCTIONS.items() if name in METRICS} | {"summary": at.summary}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("metric", RETURN_METRICS)
def test_bad_returns_are_named_by_every_metric(metric: str, name: str, refusal: Refusal) -> None:
    wrong, words = BAD[name]
    sentence = refusal(ValueError, RETURN_METRICS[metric], wrong)
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("name", ["nan", "infinity", "below -1", "prices"])
def test_bad_columns_are_named_in_a_table(name: str, refusal: Refusal) -> None:
    wrong, words = BAD[name]
    table = pd.DataFrame({"good": dated([0.1, 0.2, 0.3][: len(wrong)]), "bad": wrong})
    for call in (at.summary, lambda t: at.summary(t, mean="geometric")):
        sentence = refusal(ValueError, call, table)
        assert all(word in sentence for word in words), sentence
    assert refusal(ValueError, at.summary, table).startswith("bad: ")


def test_tables_without_anything_and_out_of_order(refusal: Refusal) -> None:
    table = pd.DataFrame({"a": walk(1), "b": walk(2)})
    assert "sort_index()" in refusal(ValueError, at.summary, table[::-1])
    assert "at least one row and one column" in refusal(ValueError, at.summary, table.iloc[:0])
    assert "at least one row and one column" in refusal(ValueError, at.summary, table.iloc[:, :0])
    assert "take its columns" in refusal(ValueError, at.summary, table, by=table["a"])


@pytest.mark.parametrize("name", [*BENCHMARK_METRICS, "summary"])
def test_a_benchmark_must_cover_the_returns(name: str, refusal: Refusal) -> None:
    call = FUNCTIONS[name] if name in FUNCTIONS else at.summary
    path = walk(1, 40)
    later = walk(2, 40).set_axis(pd.bdate_range("2030-01-01", periods=40))
    assert "does not overlap: returns and benchmark run from 2015-01-05" in refusal(
        ValueError, call, path, later
    )
    sentence = refusal(ValueError, call, path, walk(2, 30))
    assert "no return at 2015-02-16" in sentence and "10 of 40 bars are missing" in sentence
    assert "40 returns and 30 of the benchmark" in refusal(ValueError, call, path, walk(2, 30).tolist())
    assert "nan" in refusal(ValueError, call, path, walk(2, 40).where(path.index != path.index[3]))
    longer = walk(2, 60)
    pd.testing.assert_series_equal(aligned(path, longer)[1], longer[:40], check_freq=False)


@pytest.mark.parametrize("value", [0.01, 0.0, -0.01])
def test_a_constant_series_has_reasons(value: float) -> None:
    flat = dated([value] * 6)
    got, why = at.summary(flat, flat), at.why_undefined(flat, flat)
    assert set(why.index) == set(got.index[got.isna()]) and why.map(len).min() > 10
    assert why["sharpe"] == why["skewness"] == "the returns never vary"
    assert why["beta"] == "the benchmark never varies" and not np.isinf(got).any()
    assert ("calmar" in why) == (value >= 0)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_short_series_have_reasons(rows: int) -> None:
    path = dated([-0.01, 0.02, 0.015, -0.03][:rows])
    got, why = at.summary(path), at.why_undefined(path)
    assert set(why.index) == set(got.index[got.isna()])
    assert ("volatility" in why) == (rows < 2) and ("kurtosis" in why) == (rows < 4)
    if rows == 1:
        assert why["sharpe"] == "needs at least 2 returns, got 1"
        assert at.why_undefined(path, ddof=0)["sharpe"] == "the returns never vary"
    assert set(at.why_undefined(walk(3), walk(4)).index) <= {"recovery"}


def test_wrong_conventions(refusal: Refusal) -> None:
    path = walk(1)
    wrong = [
        (
            at.value_at_risk,
            {"method": "gauss"},
            "method must be 'historical' or 'normal' or 'cornish_fisher'",
        ),
        (at.cvar, {"tail": "half"}, "tail must be 'bars' or 'share', got 'half'"),
        (
            at.tail_ratio,
            {"level": 0.95},
            "level must be the share of bad bars, above 0 and up to 0.5, got 0.95",
        ),
        (at.calmar, {"growth": "linear"}, "growth must be 'compound' or 'mean'"),
        (at.max_drawdown_duration, {"unit": "weeks"}, "unit must be 'bars' or 'days'"),
        (at.sharpe, {"mean": "median"}, "mean must be 'arithmetic' or 'geometric'"),
        (at.sharpe, {"compounding": "none"}, "compounding must be 'geometric' or 'simple'"),
        (at.sortino, {"below": "zero"}, "below must be 'minimum' or 'mean'"),
    ]
    for call, conventions, words in wrong:
        assert words in refusal(ValueError, call, path, **conventions)
        if "method" not in conventions:
            assert words in refusal(
                ValueError, at.summary, pd.DataFrame({"a": path, "b": path}), **conventions
            )
    for call in (at.summary, at.why_undefined):
        assert "no metric knows the convention 'risk_fre'" in refusal(TypeError, call, path, risk_fre=0.1)
    assert "days need times" in refusal(ValueError, at.max_drawdown_duration, [-0.1, 0.0], unit="days")
    assert "no label at 2015-01-05" in refusal(
        ValueError, at.summary, path, by=pd.Series(["x"], path.index[-1:])
    )


@pytest.mark.parametrize("call", [at.rolling_sharpe, at.rolling_volatility, at.rolling_max_drawdown])
def test_rolling_refuses_what_is_not_returns(call: Callable[..., Any], refusal: Refusal) -> None:
    path = walk(1, 30)
    table = pd.DataFrame({"good": path, "bad": path - 3})
    assert refusal(ValueError, call, table, 5).startswith("bad: return at 2015-01-05")
    assert "sort_index()" in refusal(ValueError, call, path[::-1], 5)
    assert "sort_index()" in refusal(ValueError, call, table[["good"]][::-1], 5)
    assert "window" in refusal(ValueError, call, path, 0)
    hole = path.copy()
    hole.iloc[7] = np.nan
    assert "return is nan at 2015-01-14" in refusal(ValueError, call, hole, 5)


@given(paths, paths)
def test_losing_the_order_of_bars_keeps_tails_and_gains(one: list[float], two: list[float]) -> None:
    assume(len(one) > 4)
    there, back = at.summary(dated(one)), at.summary(dated(one[::-1]))
    for name in ("value_at_risk", "cvar", "hit_rate", "profit_factor", "payoff_ratio", "expectancy", "omega"):
        assert there[name] == pytest.approx(back[name], rel=1e-9, abs=1e-12, nan_ok=True)
