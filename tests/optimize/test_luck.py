"Verdicts on a search: what they say of noise and of a planted truth, and how often they are wrong."

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import alphatwin as at
from alphatwin.optimize.beyond_market import less_market, market_returns
from alphatwin.optimize.calibration import (
    LENGTHS,
    LEVEL,
    MEMORIES,
    TRIALS,
    VALUES,
    VERDICTS,
    as_good_as,
    ask_verdicts,
    count_errors,
    error_of_ratio,
    read_table,
)
from alphatwin.optimize.deflation import expected_maximum
from alphatwin.optimize.independent_trials import effective_trials, height_of_best, trials_at_height
from alphatwin.optimize.luck import NoVerdict, in_equal_parts, judge_returns, spread_cells
from alphatwin.optimize.planted import (
    counts_of,
    draw_search,
    long_run_variance,
    plant,
    resample_ratios,
    superior_p_value,
)
from alphatwin.optimize.questions import GRIDS, grid_in, strategy_in


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return at.load("SPX")


def within(count: int, tries: int, rate: float, sure: float = 0.9999) -> bool:
    low, high = stats.binom.interval(sure, tries, rate)
    return bool(low <= count <= high)


def test_the_shipped_table_is_what_its_command_computes():
    full = read_table()
    assert len(full) == 2 * 3 * len(LENGTHS) * len(TRIALS) * len(MEMORIES)
    for place in ((250, 5, 0.2), (500, 2, -0.2)):
        again = count_errors(*place)
        for (verdict, planted), row in again.iterrows():
            assert (full.loc[(verdict, *place, planted)] == row).all()


def test_another_seed_agrees_within_binomial_bounds():
    full = read_table()
    again = count_errors(500, 10, searches=600, whole=150, seed=5)
    for (verdict, planted), row in again.iterrows():
        known = full.loc[(verdict, 500, 10, 0.0, planted)]
        for value in (0.05, 0.2, 0.5):
            table = [
                [row[value], row["searches"] - row[value]],
                [known[value], known["searches"] - known[value]],
            ]
            assert stats.fisher_exact(table)[1] > 1e-4, (verdict, planted, value, row[value], known[value])


def test_no_verdict_is_fooled_more_often_than_it_promised():
    "Two years and five trials or more, no positive memory; bounds for so many places at once. Elsewhere rates are shown."
    full = read_table().xs(0, level="planted").reset_index()
    calm = full[(full["memory"] <= 0) & (full["trials"] >= 5) & (full["length"] >= 500)]
    assert len(calm) == 3 * 4 * 6 * 2
    for _, row in calm.iterrows():
        assert row[LEVEL] <= stats.binom.ppf(1 - 1e-5, row["searches"], 0.05), row.to_dict()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "trials", "memory"), [(250, 10, 0.0), (700, 60, 0.15), (1_000, 300, -0.2), (2_000, 4, 0.0)]
)
def test_at_the_limit_new_noise_is_believed_one_time_in_twenty(length, trials, memory):
    "At places of the table and between them; the table's own count is as uncertain as any."
    asked = np.array(
        [
            ask_verdicts(length, trials, memory, (4, length, number), 0.0, number < 100)[0]
            for number in range(500)
        ]
    )
    limits = at.error_rates(length, trials, memory)["limit"]
    for place, verdict in enumerate(VERDICTS):
        fresh, known = (100, 1_000 if trials <= 100 else 200) if verdict == "SPA" else (500, 2_000)
        count, spread = (
            (asked[:, place] <= limits[verdict]).sum(),
            (fresh * 0.05 * 0.95 * (1 + fresh / known)) ** 0.5,
        )
        assert abs(count - 0.05 * fresh) < 4 * spread, (verdict, count)


def test_rates_at_a_place_of_the_table_are_its_own_and_between_they_lie_between():
    full = read_table()
    rates = at.error_rates(1_000, 100, 0.0)
    for verdict in VERDICTS:
        noise, truth = (full.loc[(verdict, 1_000, 100, 0.0, planted)] for planted in (0, 1))
        own = [one[LEVEL] / one["searches"] for one in (noise, truth)]
        np.testing.assert_allclose(rates.loc[verdict, ["false_positives", "power"]], own)
        limit = rates.loc[verdict, "limit"]
        above, below = next(v for v in VALUES if v >= limit), max(v for v in VALUES if v <= limit)
        assert noise[below] / noise["searches"] <= 0.05 <= noise[above] / noise["searches"]
        reached = as_good_as({verdict: limit}, 1_000, 100).loc[verdict]
        searches = noise["searches"]
        assert reached["noise"] == pytest.approx((1 + 0.05 * searches) / (1 + searches))
        assert reached["truth"] == pytest.approx(
            (1 + rates.loc[verdict, "power_at_limit"] * searches) / (1 + searches)
        )
    power = [at.error_rates(1_000, trials)["power"]["SPA"] for trials in (30, 60, 100)]
    assert min(power[0], power[2]) <= power[1] <= max(power[0], power[2])
    assert at.error_rates(50_000, 5_000, 0.9).equals(at.error_rates(5_000, 1_000, 0.2))


def test_how_often_noise_does_as_well_is_never_zero_and_grows_with_the_value():
    for value, low, high in ((0.0, 1 / 2_001, 0.001), (1.0, 1.0, 1.0)):
        found = as_good_as({"DSR": value}, 5_000, 30).loc["DSR", "noise"]
        assert low <= found <= high
    shares = [as_good_as({"PBO": value}, 1_500, 20).loc["PBO", "noise"] for value in np.linspace(0, 1, 30)]
    assert np.all(np.diff(shares) >= 0)


@pytest.mark.parametrize("memory", [-0.2, 0.0, 0.2])
def test_the_error_of_a_ratio_is_what_the_bootstrap_measures_on_average(memory):
    rules = draw_search(2_000, 300, memory, (12,), whole=True).series.T
    measured = resample_ratios(rules, counts_of(2_000)).errors.mean() / 2_000**0.5
    assert error_of_ratio(2_000, memory) == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"length": 100, "trials": 10}, "from 250 bars on, got 100"),
        ({"length": float("nan"), "trials": 10}, "from 250 bars on"),
        ({"length": 1_000, "trials": 0}, "at least 1, got 0"),
        ({"length": 1_000, "trials": 10, "autocorrelation": 1}, "between -1 and 1"),
    ],
)
def test_error_rates_refuse(asked, words):
    with pytest.raises(ValueError, match=words):
        at.error_rates(**asked)


def test_the_best_of_two_is_where_the_textbook_has_it():
    draws = np.random.default_rng(0).standard_normal((4_000, 2))
    draws -= draws.mean(axis=0)
    first = draws[:, 0]
    second = draws[:, 1] - (draws[:, 1] @ first) / (first @ first) * first
    second *= np.linalg.norm(first) / np.linalg.norm(second)
    for share in (0.0, 0.5, 0.9):
        pair = pd.DataFrame({"a": first, "b": share * first + (1 - share**2) ** 0.5 * second})
        found = effective_trials(pair, draws=20_000)
        assert found.height == pytest.approx(((1 - share) / np.pi) ** 0.5, abs=0.008)
        assert found.correlation == pytest.approx(share, abs=1e-9)


def test_equal_correlations_lower_the_height_by_the_root_of_what_is_not_shared():
    "Owen and Steck 1962: the mean of the best is that of independent ones times the root of 1 - correlation."
    draws = np.random.default_rng(1).standard_normal((4_000, 101))
    for share in (0.0, 0.5, 0.9):
        rules = share**0.5 * draws[:, :1] + (1 - share) ** 0.5 * draws[:, 1:]
        found = effective_trials(pd.DataFrame(rules), draws=4_000)
        assert found.height == pytest.approx((1 - share) ** 0.5 * height_of_best(100), rel=0.06)


def test_copies_add_no_trials_and_independent_rules_add_their_number():
    draws = pd.DataFrame(np.random.default_rng(3).standard_normal((3_000, 60)))
    alone = effective_trials(draws).number
    assert 50 < alone < 72
    copied = effective_trials(pd.DataFrame(np.repeat(draws.to_numpy(), 3, axis=1)))
    assert copied.number == pytest.approx(alone, rel=1e-6) and copied.trials == 180
    assert effective_trials(draws[[0, 0, 0]]).number == 1


@pytest.mark.parametrize("trials", [1, 2, 3.5, 45, 1_000])
def test_height_and_trials_are_each_others_way_back(trials):
    assert trials_at_height(height_of_best(trials)) == pytest.approx(trials, rel=1e-3)
    if trials >= 45:
        assert height_of_best(trials) == pytest.approx(expected_maximum(trials), rel=0.02)


def test_a_sweep_and_the_table_of_its_returns_are_worth_the_same(bars):
    grid = at.sweep(bars.iloc[:800], at.sma_cross, {"fast": range(5, 40, 5), "slow": range(50, 120, 10)})
    from_sweep, from_table = effective_trials(grid), effective_trials(at.returns_of(grid))
    assert from_sweep.number == pytest.approx(from_table.number, rel=1e-6)


def test_effective_trials_refuse_what_is_too_little():
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((100, 3)), columns=list("abc"))
    for wrong, words in (
        (table[["a"]], "at least two trials are needed, got 1"),
        (table.iloc[:20], "at least 30 bars, got 20"),
        (table.assign(b=np.nan), "trial b never has a number"),
        (table.assign(a=table["a"].where(table.index != 7)), "trial a is not a number at 7"),
        (table * 0, "at least two trials whose returns vary are needed, got 0"),
    ):
        with pytest.raises(ValueError, match=words):
            effective_trials(wrong)


def test_counts_are_draws_and_their_variance_is_the_formula():
    counts = counts_of(300, 20_000, 5.0, 1)
    assert (counts.sum(axis=1) == 300).all()
    series = np.random.default_rng(2).standard_normal((300, 4)).cumsum(axis=0) * 0.1
    means = counts @ (series - series.mean(axis=0)) / 300
    np.testing.assert_allclose(
        means.var(axis=0) * 300, long_run_variance(series - series.mean(axis=0), 5.0), rtol=0.05
    )


def test_planting_in_the_resampled_means_is_planting_in_the_series():
    nothing = draw_search(400, 12, 0.1, (9,), whole=True)
    counts = counts_of(400)
    drawn = resample_ratios(nothing.series.T, counts)
    drawn.ratios[0] += 0.1 / drawn.swings[0]
    drawn.drawn[:, 0] += 0.1 / drawn.swings[0]
    assert superior_p_value(drawn) == superior_p_value(resample_ratios(plant(nothing, 0.1).series.T, counts))


@pytest.mark.slow
def test_noise_looks_like_noise_and_a_planted_truth_is_found():
    found = {"nothing": [], "planted": []}
    for number in range(150):
        nothing = draw_search(500, 15, 0.0, (77, number), whole=True)
        for name, one in (("nothing", nothing), ("planted", plant(nothing, 0.25))):
            best = int(one.sums.sharpe().argmax())
            luck = judge_returns(one.series.T / 100, best, 15, 15)
            found[name].append([luck.deflated, luck.overfitting, luck.p_value, best == 0, luck.trials])
    noise, truth = (np.array(found[name]) for name in ("nothing", "planted"))
    assert within((noise[:, 2] <= 0.05).sum(), 150, 0.05), "SPA keeps its level"
    assert (noise[:, 0] >= 0.95).sum() <= stats.binom.ppf(0.9999, 150, 0.05)
    assert (noise[:, 1] <= 0.05).sum() <= stats.binom.ppf(0.9999, 150, 0.05)
    limit = at.error_rates(500, 15)["limit"]
    said = np.column_stack([1 - noise[:, 0], noise[:, 1], noise[:, 2]])
    for verdict, values in zip(VERDICTS, said.T, strict=True):
        count = (values <= limit[verdict]).sum()
        assert within(count, 150, 0.05), ("the card's verdicts keep the table's level", verdict, count)
    assert np.median(noise[:, 4]) == pytest.approx(15, rel=0.15), (
        "fifteen independent rules are fifteen trials"
    )
    assert (
        (truth[:, 3] == 1).all()
        and (truth[:, 0] >= 0.95).mean() > 0.95
        and (truth[:, 2] <= 0.05).mean() > 0.99
    )


@pytest.mark.slow
def test_real_sweeps_of_null_markets_pass_no_more_often_than_promised(bars):
    part, grid = bars.iloc[:1_000], {"fast": range(5, 50, 5), "slow": range(20, 200, 20)}
    found = []
    for seed in range(40):
        luck = at.luck_of(at.sweep(at.null_bars(part, seed), at.sma_cross, grid))
        found.append([1 - luck.deflated, luck.overfitting, luck.p_value, *luck.rates["noise"]])
    for column, count in enumerate((np.array(found) <= 0.05).sum(axis=0)):
        assert count <= stats.binom.ppf(0.9999, 40, 0.05), (column, count)
    assert 0.3 < np.mean(found, axis=0).min() and np.mean(found, axis=0).max() < 0.7


def test_other_searches_of_the_same_market_lower_the_verdict(monkeypatch, bars):
    from alphatwin.optimize import trial_ledger

    monkeypatch.setattr(trial_ledger, "BOOK", [])
    grid = at.sweep(bars, at.sma_cross, {"fast": range(5, 50, 5), "slow": range(60, 200, 20)})
    alone = at.luck_of(grid)
    at.sweep(bars, at.ema_cross, {"fast": range(5, 50, 2), "slow": range(60, 200, 4)})
    after = at.luck_of(grid)
    assert alone.counted == grid.trials and after.counted > 5 * grid.trials
    assert after.trials == pytest.approx(alone.trials * after.counted / grid.trials)
    assert after.deflated < alone.deflated and after.overfitting == alone.overfitting


def test_the_card_says_why_there_is_no_verdict(bars):
    grid = {"fast": (5, 10), "slow": (20, 40)}
    both = pd.concat({"SPX": bars.iloc[:900], "IXIC": at.load("IXIC").iloc[:900]}, names=["symbol", "time"])
    several = at.sweep(both, at.sma_cross, grid)
    for symbol in (None, "IXIC"):
        card = at.judge(several, symbol=symbol, twins=1)
        assert [line.name for line in card.lines][5:] == ["DSR", "PBO", "SPA"]
    short = at.judge(at.sweep(bars.iloc[:60], at.sma_cross, {"fast": (2, 3), "slow": (5, 10)}), twins=1)
    assert "at least 64 bars, got 60" in repr(short)
    young = at.judge(at.sweep(bars.iloc[:200], at.sma_cross, {"fast": (2, 3), "slow": (5, 10)}), twins=1)
    assert "noise does as well" not in repr(young) and {line.name for line in young.lines} >= {
        "DSR",
        "PBO",
        "SPA",
    }
    one = at.judge(at.sweep(bars, at.sma_cross, {"fast": (10,), "slow": (50,)}), twins=1)
    assert "two different rules" in repr(one)


def test_several_symbols_are_judged_as_one_account_in_equal_parts(bars, monkeypatch):
    from alphatwin.optimize import trial_ledger

    monkeypatch.setattr(trial_ledger, "BOOK", [])
    grid = {"fast": (5, 10, 20, 30), "slow": (50, 80, 100)}
    one, other = bars.iloc[:900], at.load("IXIC").iloc[100:1_000]
    alone = at.luck_of(at.sweep(one, at.sma_cross, grid))
    twice = at.luck_of(
        at.sweep(pd.concat({"A": one, "B": one}, names=["symbol", "time"]), at.sma_cross, grid)
    )
    assert (twice.deflated, twice.overfitting, twice.p_value) == pytest.approx(
        (alone.deflated, alone.overfitting, alone.p_value), abs=1e-9
    )
    assert twice.counted == 12, "the same trial on two symbols is one trial"
    both = pd.concat({"A": one, "B": other}, names=["symbol", "time"])
    sweep = at.sweep(both, at.sma_cross, grid)
    found = in_equal_parts(at.returns_of(sweep, [3, 7], symbol) for symbol in ("A", "B"))
    assert len(found) == len(one.index.union(other.index))
    apart = [
        at.backtest(own, at.sma_cross(own, **sweep.params(sweep.table.iloc[7]))).returns
        for own in (one, other)
    ]
    np.testing.assert_allclose(found[7], pd.concat(apart, axis=1).mean(axis=1), atol=1e-12)


def test_verdicts_refuse_what_is_too_little():
    draws = np.random.default_rng(0).standard_normal((100, 3)) / 100
    with pytest.raises(NoVerdict, match="at least 64 bars, got 50"):
        judge_returns(draws[:50], 0, 3, 3)
    with pytest.raises(NoVerdict, match="two different rules"):
        judge_returns(draws[:, [0, 0, 0]], 0, 3, 3)
    with pytest.raises(NoVerdict, match="two different rules"):
        judge_returns(draws[:, :1], 0, 1, 1)


def test_the_best_is_always_among_the_cells_that_are_looked_at():
    taken = spread_cells(np.arange(0, 10_000, 3), 3_333, 50)
    assert 3_333 in taken and len(taken) in (50, 51) and taken[0] == 0 and taken[-1] == 9_999


def test_what_is_beyond_the_market_is_the_rest_of_a_regression(bars):
    import statsmodels.api as sm

    market = market_returns(bars)
    rule = (market.shift(3).fillna(0.0) > 0) * market
    fit = sm.OLS(rule, sm.add_constant(market)).fit()
    rest = less_market(rule.to_numpy()[:, None], market)[:, 0]
    np.testing.assert_allclose(rest, rule - fit.params["market"] * market, atol=1e-15)
    assert not less_market(np.column_stack([market, 2 * market]), market).any()
    long = pd.concat({"A": bars, "B": at.load("IXIC")}, names=["symbol", "time"])
    both = market_returns(long)
    day = both.index[100]
    own = [one["close"].pct_change()[day] for one in (bars, at.load("IXIC"))]
    assert both[day] == pytest.approx(np.mean(own))


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_of_the_house_has_no_refused_name(name, bars):
    assert at.sweep(bars.iloc[:400], strategy_in(name), grid_in("", name)).trials > 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fast", "not of the form"),
        ("fast=1:2:3:4", "is no range"),
        ("fast=9:1", "is empty"),
        ("fast=1:5:0", "is empty"),
        ("fast=x", "is no number"),
        ("fast=1 fast=2", "given twice"),
    ],
)
def test_grids_as_text_are_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        grid_in(text)


def test_a_rule_of_ones_own_is_read_from_its_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def rule(bars, days=5):\n    return bars['close'] > bars['close'].shift(days)\n")
    assert strategy_in(f"{file}:rule")(at.load("SPX"), days=3).any()
    with pytest.raises(ValueError, match="it has rule"):
        strategy_in(f"{file}:other")
    with pytest.raises(ValueError, match="did you mean sma_cross"):
        strategy_in("sma_kross")
    with pytest.raises(ValueError, match="no file"):
        strategy_in("nothing.py:rule")
