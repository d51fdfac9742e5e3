"The Sharpe ratio of resampled histories: held against arch on its own draws, and the law of our own."

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import CircularBlockBootstrap, IIDBootstrap, StationaryBootstrap
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

import alphatwin as at
from alphatwin.optimize.resampling import (
    blocks_of,
    draw_block,
    draw_ratios,
    lengths_of,
    resampled_sharpe,
    ring_of,
    sharpe_of_blocks,
)


def plain(values: np.ndarray) -> float:
    return values.mean() / values.std(ddof=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda values: StationaryBootstrap(10, values, seed=3),
        lambda values: StationaryBootstrap(60, values, seed=4),
        lambda values: CircularBlockBootstrap(25, values, seed=5),
        lambda values: IIDBootstrap(values, seed=6),
    ],
)
def test_equal_to_arch_on_archs_own_indices(make, spx):
    values = at.simple_returns(spx["close"]).to_numpy()[:1_003]
    peer, ring = make(values), ring_of(values)
    theirs = peer.apply(plain, 200)[:, 0]
    peer.reset()
    ours = []
    for _ in peer.bootstrap(200):
        ours.append(sharpe_of_blocks(ring, *blocks_of(np.asarray(peer.index))))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@given(some.lists(some.integers(0, 11), min_size=12, max_size=12))
def test_any_list_of_bars_is_cut_into_blocks_that_are_this_list(indices):
    starts, sizes = blocks_of(np.array(indices))
    again = [(start + step) % 12 for start, size in zip(starts, sizes, strict=True) for step in range(size)]
    assert again == indices
    values = np.random.default_rng(1).normal(0.5, 0.01, 12)
    if len(set(indices)) > 1:
        found = sharpe_of_blocks(ring_of(values), starts, sizes)
        assert found == pytest.approx(plain(values[indices]), rel=1e-9)


def test_hardly_a_digit_is_lost_far_from_zero():
    "A mean a thousand times the spread, and one day of minus fifty per cent."
    values = 0.1 + np.random.default_rng(2).normal(0, 0.0001, 5_000)
    values[1_234] = -0.5
    peer, ring = StationaryBootstrap(20, values, seed=8), ring_of(values)
    for data in peer.bootstrap(50):
        assert sharpe_of_blocks(ring, *blocks_of(peer.index)) == pytest.approx(plain(data[0][0]), rel=1e-9)


@pytest.mark.parametrize("block", [1, 1.5, 10, 200])
def test_lengths_are_geometric_and_starts_are_even(block):
    draws, table = np.random.default_rng(int(10 * block)), lengths_of("stationary", block, 300)
    drawn = np.array([draw_block(draws, table, 300) for _ in range(60_000)])
    chance, most = 1 / block, 300
    law = np.append(chance * (1 - chance) ** np.arange(most - 1), (1 - chance) ** (most - 1))
    assert drawn[:, 1].min() >= 1 and drawn[:, 1].max() <= most
    for size in (1, 2, 3, 7, 20, 150, 299):  # Bounds for each, and below a test of all at once
        low, high = stats.binom.interval(1 - 1e-5, 60_000, law[:size].sum())
        assert low <= (drawn[:, 1] <= size).sum() <= high, size
    if block > 1:
        group = np.minimum((law.cumsum() * 20).astype(int), 19)
        counts, expected = np.bincount(group[drawn[:, 1] - 1], minlength=20), np.bincount(group, law, 20)
        fine = expected > 1e-3
        assert stats.chisquare(counts[fine], 60_000 * expected[fine] / expected[fine].sum()).pvalue > 1e-4
    assert stats.chisquare(np.bincount(drawn[:, 0], minlength=300)).pvalue > 1e-4


def test_other_kinds_have_the_lengths_that_they_promise():
    draws = np.random.default_rng(0)
    assert {draw_block(draws, lengths_of("circular", 7, 100), 100)[1] for _ in range(500)} == {7}
    assert {draw_block(draws, lengths_of("iid", 7, 100), 100)[1] for _ in range(500)} == {1}
    assert {draw_block(draws, lengths_of("circular", 100, 100), 100)[1] for _ in range(500)} == {100}


@pytest.mark.parametrize("kind", ["stationary", "circular", "iid"])
def test_the_kernel_draws_what_its_blocks_say(kind):
    "The same random numbers through the public block: the same ratio, with the last block cut."
    values = np.random.default_rng(5).normal(0.001, 0.01, 211)
    ring, table = ring_of(values), lengths_of(kind, 8, 211)
    ratios = np.empty(40)
    draw_ratios(np.random.default_rng(9), ring, table, ratios)
    draws = np.random.default_rng(9)
    for ratio in ratios:
        bars: list[int] = []
        while len(bars) < 211:
            start, size = draw_block(draws, table, 211)
            bars.extend((start + step) % 211 for step in range(size))
        assert ratio == pytest.approx(plain(values[bars[:211]]), rel=1e-10)


@pytest.mark.parametrize(
    ("kind", "peer"),
    [
        ("stationary", lambda values: StationaryBootstrap(12, values, seed=1)),
        ("circular", lambda values: CircularBlockBootstrap(12, values, seed=1)),
        ("iid", lambda values: IIDBootstrap(values, seed=1)),
    ],
)
def test_the_law_is_archs(kind, peer):
    "On returns with memory, where blocks matter: same mean and spread, same shape."
    noise = np.random.default_rng(3).normal(0, 0.01, 1_500)
    memory = pd.Series(noise).ewm(span=4).mean() + 0.0003
    ours = resampled_sharpe(memory, 6_000, 12, kind, periods=1)
    theirs = peer(memory.to_numpy()).apply(plain, 4_000)[:, 0]
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    other = resampled_sharpe(memory, 6_000, 1 if kind != "iid" else 12, "stationary", periods=1)
    assert stats.ks_2samp(other, theirs).pvalue < 1e-6, "another law is seen"


def test_riskless_rate_and_periods_are_the_house_s():
    path = pd.Series(np.random.default_rng(3).normal(0.001, 0.01, 100))
    turned = resampled_sharpe(path, 100, 100, "circular", risk_free=0.03, periods=52)
    np.testing.assert_allclose(turned, at.sharpe(path, 0.03, 52), rtol=1e-9)


def test_a_drawn_history_that_never_varies_has_no_ratio():
    path = pd.Series(np.r_[np.zeros(60), 0.01])
    drawn = resampled_sharpe(path, 400, 50, seed=1)
    assert 20 < np.isnan(drawn).sum() < 400
    assert np.isnan(resampled_sharpe(path * 0, 100)).all()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"block": 0.5}, "block must be from 1 bar to the series' own 200, got 0.5"),
        ({"block": 201}, "to the series' own 200, got 201.0"),
        ({"block": float("nan")}, "block must be from 1 bar"),
        ({"repetitions": 99}, "repetitions must be at least 100, got 99"),
        ({"blocks": "moving"}, "blocks must be"),
    ],
)
def test_what_is_refused(asked, words, refusal):
    path = pd.Series(np.random.default_rng(3).normal(0.001, 0.01, 200))
    assert words in refusal(ValueError, resampled_sharpe, path, **asked)


def test_too_little_is_refused_with_how_much_is_needed(refusal):
    path = pd.Series(np.random.default_rng(3).normal(0.001, 0.01, 29))
    assert "at least 30 returns, got 29" in refusal(ValueError, resampled_sharpe, path)
    assert "never NaN" in refusal(ValueError, resampled_sharpe, path.where(path > 0))
