"Reality check, SPA, StepM and the model confidence set: arch on the same draws, known truths, refusals."

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, SPA, StepM
from scipy import stats

import alphatwin as at
from alphatwin.optimize.beyond_market import less_market, market_returns
from alphatwin.optimize.curves_of_cells import returns_of
from alphatwin.optimize.many_rules import (
    edges_of,
    model_confidence_set,
    spa_p_values,
    superior_ability,
    superior_rules,
)
from alphatwin.optimize.planted import counts_of, resample_ratios


class SameDraws:
    "Hands arch the histories that were counted."

    def __init__(self, data: np.ndarray, counts: np.ndarray) -> None:
        self.data, self.counts = data, counts

    def bootstrap(self, reps: int):
        for row in self.counts[:reps]:
            yield (self.data[np.repeat(np.arange(len(row)), row.astype(int))],), {}


@pytest.fixture(scope="module")
def rules() -> pd.DataFrame:
    draws = np.random.default_rng(6).standard_normal((400, 7)) * [0.01, 0.02, 0.01, 0.005, 0.03, 0.01, 0.01]
    means = np.array([0.0008, 0.0, -0.0002, 0.0, 0.001, -0.004, 0.0])
    return pd.DataFrame(draws + means, columns=list("ABCDEFG"))


def within(count: int, tries: int, rate: float) -> bool:
    low, high = stats.binom.interval(0.9999, tries, rate)
    return bool(low <= count <= high)


@pytest.mark.parametrize("seed", range(4))
def test_all_three_p_values_are_archs_on_the_same_draws(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(rng.normal(0, 0.0008, 9), rng.uniform(0.002, 0.03, 9), (350, 9)))
    counts = counts_of(350, 300, 7, seed)
    peer = SPA(np.zeros(350), -edges_of(table), block_size=7, reps=300)
    peer.bootstrap = SameDraws(peer._loss_diff, counts)
    peer.compute()
    ours = spa_p_values(resample_ratios(table.to_numpy(), counts, 7))
    assert ours.to_dict() == peer.pvalues.to_dict()
    assert superior_ability(table, block=7, repetitions=300, seed=seed).p_values.equals(ours)


def test_plain_means_are_archs_own(rules):
    found = superior_ability(rules, scale=False, block=8, repetitions=200, seed=4)
    peer = SPA(np.zeros(400), -rules.to_numpy(), block_size=8, reps=200, seed=4)
    peer.compute()
    assert found.p_values.to_dict() == peer.pvalues.to_dict()
    assert found.best == "E" and superior_ability(rules).best == "A", "the highest mean, the highest ratio"
    assert found.p_value == peer.pvalues["consistent"]


def test_what_is_sure_and_what_is_hopeless():
    table = pd.DataFrame(np.random.default_rng(1).normal(0.0001, 0.01, (40, 3)))
    assert superior_ability(table + 0.05, repetitions=200).p_values.to_list() == [0, 0, 0]
    none = superior_ability(table - 0.05, repetitions=200)
    assert none.p_values["upper"] > 0.9 and none.p_value > 0.3 and none.ratio < 0


def test_a_benchmark_is_taken_off(rules):
    beaten = rules["A"].rename("beaten")
    shifted = superior_ability(rules[["B", "C", "D"]].sub(beaten, axis=0), seed=2)
    assert superior_ability(rules[["B", "C", "D"]], beaten, seed=2).p_values.equals(shifted.p_values)
    assert superior_rules(rules[["B", "C", "D"]] + 0.01, rules["B"] + 0.01, repetitions=200) == []


def test_a_sweep_is_judged_as_on_the_verdict_card(spx):
    bars = spx.iloc[:1_500]
    grid = at.sweep(bars, at.sma_cross, {"fast": range(5, 50, 9), "slow": range(60, 200, 40)})
    found = superior_ability(grid, repetitions=500)
    assert found.p_value == at.luck_of(grid).p_value
    earned = returns_of(grid)
    rest = pd.DataFrame(less_market(earned.to_numpy(), market_returns(bars)), earned.index, earned.columns)
    assert superior_ability(rest, repetitions=500).p_values.equals(found.p_values)
    assert found.rules == len(grid.table) and found.bars == 1_500 and "White's Reality Check" in repr(found)


def test_stepm_and_the_confidence_set_are_archs(rules):
    scaled = (rules / rules.std(ddof=0)).to_numpy()
    step = StepM(np.zeros(400), -scaled, 0.2, 10, 300, seed=1)
    step.compute()
    assert sorted(superior_rules(rules, level=0.2, repetitions=300, seed=1)) == [
        rules.columns[one] for one in step.superior_models
    ]
    for method in ("R", "max"):
        peer = MCS(-scaled, 0.1, 300, 10, method, seed=1)
        peer.compute()
        found = model_confidence_set(rules, 0.1, repetitions=300, seed=1, method=method)
        assert set(found.index[found["in_set"]]) == {rules.columns[one] for one in peer.included}
        theirs = peer.pvalues["Pvalue"]
        for place, name in enumerate(rules.columns):
            assert found["p_value"][name] == theirs[place]
        assert found.index[0] == "A" and found["p_value"].iloc[0] == 1 and found.index[-1] == "F"


def test_names_come_best_first():
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(0, 0.01, (600, 4)) + [0.002, 0.004, -0.001, 0.003], columns=list("wxyz"))
    assert superior_rules(table, repetitions=300) == ["x", "z", "w"]
    assert superior_rules(table - 0.01, repetitions=300) == []
    assert superior_rules(table[["x", "z", "w"]], repetitions=300) == ["x", "z", "w"], (
        "all, in more than one step"
    )


@pytest.mark.slow
def test_names_and_sets_are_wrong_as_seldom_as_they_say():
    "Sixty tables of six rules: any false name at ten per cent, the best rule outside the set at ten."
    false_names, any_found, lost, tries = 0, 0, 0, 60
    for seed in range(tries):
        noise = np.random.default_rng(500 + seed).normal(0, 0.01, (250, 6))
        false_names += bool(
            superior_rules(pd.DataFrame(noise), level=0.1, block=2, repetitions=120, seed=seed)
        )
        planted = pd.DataFrame(noise + [0.002, 0.004, 0, 0, 0, 0])
        named = superior_rules(planted, level=0.1, block=2, repetitions=120, seed=seed)
        any_found += 1 in named
        best = model_confidence_set(planted, 0.1, block=2, repetitions=120, seed=seed)
        lost += not best["in_set"][1]
    most = stats.binom.ppf(0.9999, tries, 0.1)
    assert 0 < false_names <= most and lost <= most
    assert any_found >= 0.95 * tries


def test_the_level_of_spa_holds_on_noise_and_a_truth_is_found():
    noise, truth = 0, 0
    for seed in range(200):
        table = pd.DataFrame(np.random.default_rng(900 + seed).normal(0, 0.01, (500, 12)))
        noise += superior_ability(table, repetitions=200, seed=1).p_value <= 0.05
        table[3] += 0.0025
        truth += superior_ability(table, repetitions=200, seed=1).p_value <= 0.05
    assert within(noise, 200, 0.05) and truth > 185


@pytest.mark.parametrize("call", [superior_ability, superior_rules, model_confidence_set])
@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda table: table[["A"]], ValueError, "at least two rules are needed to compare, got 1"),
        (lambda table: table.iloc[:29], ValueError, "at least 30 bars are needed, got 29"),
        (
            lambda table: table.assign(B=np.nan, C=np.nan),
            ValueError,
            "2 of 7 rules never have a number, first 'B'",
        ),
        (
            lambda table: table.assign(D=table["D"].where(table.index != 4)),
            ValueError,
            "rule 'D': return at 4 is nan",
        ),
        (lambda table: table[["A", "A", "A"]], ValueError, "all 3 rules have the same returns"),
        (lambda table: table.to_numpy(), TypeError, "table of returns"),
    ],
)
def test_tables_that_are_refused(call, spoil, kind, words, rules, refusal):
    assert words in refusal(kind, call, spoil(rules))


@pytest.mark.parametrize(
    ("call", "asked", "words"),
    [
        (superior_ability, {"repetitions": 50}, "repetitions must be at least 100, got 50"),
        (superior_ability, {"block": 0}, "block must be from 1 bar to the table's own 400, got 0"),
        (superior_rules, {"level": 5}, "level must be between 0 and 1"),
        (model_confidence_set, {"level": 0}, "level must be between 0 and 1"),
        (model_confidence_set, {"method": "S"}, "method must be"),
        (model_confidence_set, {"repetitions": 10_000_000}, "ask for method='max'"),
    ],
)
def test_questions_that_are_refused(call, asked, words, rules, refusal):
    assert words in refusal(ValueError, call, rules, **asked)


def test_other_refusals(rules, refusal, spx):
    late = rules["A"].iloc[5:]
    assert "the benchmark has no return at 0" in refusal(ValueError, superior_ability, rules, late)
    twins = rules.assign(copy=2 * rules["B"])
    assert "2 rules have a twin" in refusal(ValueError, model_confidence_set, twins)
    still = pd.DataFrame({"a": np.zeros(50), "b": np.full(50, 0.01)})
    assert "no rule ever varies" in refusal(ValueError, superior_ability, still)
    grid = at.sweep(spx.iloc[:300], at.sma_cross, {"fast": (3, 5), "slow": (20, 40)})
    assert "hand a table for another benchmark" in refusal(ValueError, superior_ability, grid, rules["A"])
