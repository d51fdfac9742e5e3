"Timing and signs against chance: all clocks by brute force, scipy's exact orders, and how often nothing is found."

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, permutation_test

from alphatwin.optimize.permutations import sign_test, timing_test

Refusal = Callable[..., str]


def remembering(memory: float, seed: int, length: int = 400) -> pd.Series:
    noise = np.random.default_rng(seed).normal(0, 0.01, length)
    return pd.Series(lfilter([1], [1, -memory], noise), pd.date_range("2020-01-01", periods=length))


def test_all_clocks_by_brute_force() -> None:
    for seed, length in ((1, 60), (2, 61)):
        returns = remembering(0, seed, length) + 0.002
        held = np.sign(remembering(0.8, seed + 50, length)) + 0.3
        found = timing_test(returns, held)
        clocks = [returns.to_numpy() @ np.roll(held.to_numpy(), turn) / length for turn in range(length)]
        assert found.earned == pytest.approx(clocks[0], rel=1e-12)
        assert found.drawn == pytest.approx(np.array(clocks[1:]), abs=1e-15)
        assert found.p_value == pytest.approx(np.mean(np.array(clocks) >= clocks[0] - 1e-15))
        assert found.by_chance == pytest.approx(np.mean(clocks[1:]))


def test_clocks_that_are_as_good_to_the_last_digit_count() -> None:
    held = pd.Series(np.tile([1.0, 0.0, 0.0], 20))
    returns = pd.Series(np.tile([0.03, -0.01, 0.01], 20))
    assert timing_test(returns, held).p_value == pytest.approx(20 / 60)  # Every third clock is the same one
    assert timing_test(-returns, held).p_value == 1.0


def test_blocks_against_scipys_exact_orders() -> None:
    returns, held = remembering(0.2, 3, 34), np.sign(remembering(0.7, 9, 34))
    found = timing_test(returns, held, "blocks", block=4, draws=20_000)  # 8 pieces and two bars that stay
    values, weights = returns.to_numpy(), held.to_numpy()
    away, leaning = values - values.mean(), weights - weights.mean()
    met = away[:32].reshape(8, 4) @ leaning[:32].reshape(8, 4).T

    def statistic(order: np.ndarray, axis: int) -> np.ndarray:
        places = np.moveaxis(order, axis, -1).astype(int)
        return np.asarray(met[np.arange(8), places].sum(axis=-1))

    exact = permutation_test(
        (np.arange(8),), statistic, permutation_type="pairings", alternative="greater", n_resamples=np.inf,
        vectorized=True,
    )  # fmt: skip
    assert len(exact.null_distribution) == 40_320
    edge = 4 * (exact.pvalue * (1 - exact.pvalue) / 20_000) ** 0.5
    assert found.p_value == pytest.approx(exact.pvalue, abs=edge)
    assert found.earned == pytest.approx(values @ weights / 34, rel=1e-12)


def test_one_more_in_each_count_and_the_same_seed() -> None:
    returns = remembering(0, 4, 300)
    knows = np.sign(returns)
    found = timing_test(returns, knows, "blocks", block=10, draws=199)
    assert found.p_value == 1 / 200 and timing_test(returns, knows).p_value == 1 / 300
    again = timing_test(returns, knows, "blocks", block=10, draws=199)
    assert np.array_equal(found.drawn, again.drawn)
    other = timing_test(returns, knows, "blocks", block=10, draws=199, seed=1)
    assert not np.array_equal(found.drawn, other.drawn)
    assert timing_test(returns, -knows).p_value == 1.0
    assert timing_test(returns, knows * 2 + 1).p_value == timing_test(returns, knows).p_value


def test_signs_against_every_pattern() -> None:
    values = np.random.default_rng(6).normal(0.004, 0.01, 10)
    sums = [np.dot(signs, values) for signs in product((1, -1), repeat=10)]
    found = sign_test(pd.Series(values))
    assert found.p_value == pytest.approx(np.mean(np.array(sums) >= values.sum() - 1e-12))
    assert found.earned == pytest.approx(values.mean()) and len(found.drawn) == 1_024
    pairs = np.random.default_rng(7).normal(0.002, 0.01, 17)  # Nine pieces, the last of one bar
    joined = np.r_[pairs[:16].reshape(8, 2).sum(axis=1), pairs[16]]
    sums = [np.dot(signs, joined) for signs in product((1, -1), repeat=9)]
    assert sign_test(pd.Series(pairs), block=2).p_value == pytest.approx(
        np.mean(np.array(sums) >= joined.sum() - 1e-12)
    )
    many = sign_test(pd.Series(np.random.default_rng(8).normal(0.01, 0.01, 200)), draws=499)
    assert many.p_value == 1 / 500  # Never zero


@pytest.mark.slow
def test_nothing_is_found_where_there_is_nothing() -> None:
    tries = 250
    least, most = binom(tries, 0.05).ppf([0.0005, 0.9995])
    rules = {"shift": {}, "pieces": {"by": "blocks", "block": 40, "draws": 199}}
    false = dict.fromkeys([*rules, "bars", "signs", "flipped pieces", "flipped bars"], 0)
    for seed in range(tries):
        returns, held = remembering(0.4, seed), np.sign(remembering(0.95, 5_000 + seed))
        for name, settings in rules.items():
            false[name] += int(timing_test(returns, held, **settings).p_value <= 0.05)
        false["bars"] += int(timing_test(returns, held, "blocks", block=1, draws=199).p_value <= 0.05)
        false["signs"] += int(sign_test(remembering(0, seed), draws=199).p_value <= 0.05)
        false["flipped pieces"] += int(sign_test(returns, block=25, draws=199).p_value <= 0.05)
        false["flipped bars"] += int(sign_test(returns, draws=199).p_value <= 0.05)
    for name in ("shift", "pieces", "signs", "flipped pieces"):
        assert least <= false[name] <= most, (name, false)
    assert false["bars"] > most and false["flipped bars"] > most  # Memory was left out


@pytest.mark.slow
def test_timing_is_found_and_presence_is_not() -> None:
    found = merely = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        returns = pd.Series(generator.normal(0.001, 0.01, 500))
        told = np.where(generator.random(500) < 0.15, np.sign(returns), generator.choice([-1.0, 1.0], 500))
        found += int(timing_test(returns, pd.Series(told)).p_value <= 0.05)
        present = pd.Series(np.repeat(generator.random(25) < 0.7, 20).astype(float))
        merely += int(timing_test(returns, present).p_value <= 0.05)
    assert found >= 70 and merely <= binom(100, 0.05).ppf(0.9995)


def test_refusals(refusal: Refusal) -> None:
    returns, held = remembering(0, 1, 60), np.sign(remembering(0.5, 2, 60))
    assert "at least 30 bars, got 29" in refusal(ValueError, timing_test, returns[:29], held[:29])
    assert timing_test(returns[:30], held[:30]).drawn.size == 29
    assert "60 returns and 59 positions" in refusal(ValueError, timing_test, returns, held[:59])
    late = held.set_axis(held.index + pd.Timedelta("1D"))
    words = refusal(ValueError, timing_test, returns, late)
    assert "return at 2020-01-01" in words and "position at 2020-01-02" in words
    holed = held.copy()
    holed.iloc[3] = np.nan
    assert "position at 2020-01-04" in refusal(ValueError, timing_test, returns, holed)
    assert "return at 2020-01-04" in refusal(ValueError, timing_test, returns * holed, held)
    assert "all 60 positions are 1" in refusal(ValueError, timing_test, returns, held * 0 + 1)
    assert "all 60 returns are 0" in refusal(ValueError, timing_test, returns * 0, held)
    assert "'shift' or 'blocks'" in refusal(ValueError, timing_test, returns, held, "bars")
    assert "160 bars of 20 a block; got 60" in refusal(ValueError, timing_test, returns, held, "blocks")
    assert "block must be" in refusal(ValueError, timing_test, returns, held, "blocks", 0)
    assert "at least 99" in refusal(ValueError, timing_test, returns, held, "blocks", 5, 50)
    assert "at least 8 blocks, 40 returns; got 35" in refusal(ValueError, sign_test, returns[:35], 5)
    assert "block must be" in refusal(ValueError, sign_test, returns, 1.5)
    assert "at least 99" in refusal(ValueError, sign_test, returns, 1, 10)
    assert "no sign to flip" in refusal(ValueError, sign_test, returns * 0)
