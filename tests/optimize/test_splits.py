"Cuts of time agree with their peers', and no outcome is both learned and tested."

import sys
from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from alphatwin.optimize.splits import (
    Split,
    blocks_of,
    check_overlap,
    combinatorial_splits,
    draw_splits,
    embargo,
    purge,
    walk_splits,
)

Refusal = Callable[..., str]
NONE = np.array([], dtype="int64")


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("gap", [0, 1, 7])
@pytest.mark.parametrize("length", [41, 57, 100, 101])
def test_walks_are_skfolios_and_scikit_learns(anchored: bool, gap: int, length: int) -> None:
    from skfolio.model_selection import WalkForward
    from sklearn.model_selection import TimeSeriesSplit

    ours = walk_splits(length, 30, 9, anchored, gap)
    peers = WalkForward(9, 30, expand_train=anchored, reduce_test=True, purged_size=gap)
    theirs = list(peers.split(np.zeros((length, 1))))
    assert len(ours) == len(theirs)
    for one, (learned, tested) in zip(ours, theirs, strict=True):
        assert np.array_equal(one.train, learned) and np.array_equal(one.test, tested)
        assert one.dropped.tolist() == list(range(learned[-1] + 1, tested[0]))
    if (length - 30 - gap) % 9 == 0 and len(ours) > 1:
        even = TimeSeriesSplit(len(ours), max_train_size=None if anchored else 30, test_size=9, gap=gap)
        for one, (learned, tested) in zip(ours, even.split(np.zeros(length)), strict=True):
            assert np.array_equal(one.train, learned) and np.array_equal(one.test, tested)


def test_scikit_learn_was_really_asked() -> None:
    assert any((length - 30 - gap) % 9 == 0 for gap in (0, 1, 7) for length in (41, 57, 100, 101))


def overlaps_by_hand(split: Split, ends: np.ndarray) -> set[int]:
    "Compare every training outcome with every test outcome, bar by bar."
    return {
        int(i)
        for i in split.train
        for j in split.test
        if set(range(i, ends[i] + 1)) & set(range(j, ends[j] + 1))
    }


def test_a_purge_against_sets_of_bars() -> None:
    draw = np.random.default_rng(1)
    for _ in range(60):
        length = int(draw.integers(20, 60))
        part = np.sort(draw.choice(length, 2, replace=False))
        test = np.arange(part[0], part[1])
        split = Split(np.setdiff1d(np.arange(length), test), test, NONE)
        ends = np.arange(length) + draw.integers(0, 8, length)
        left = purge(split, ends)
        assert set(split.train) - set(left.train) == overlaps_by_hand(split, ends) == set(left.dropped)
        check_overlap([left], ends)
        assert np.array_equal(left.test, split.test)


def test_a_bar_ahead_is_the_edge(refusal: Refusal) -> None:
    "An outcome that is known at the first test bar overlaps; one bar earlier it does not."
    split = Split(np.arange(5), np.arange(5, 8), NONE)
    early, late = np.arange(8), np.arange(8)
    early[4], late[4] = 4, 5
    assert purge(split, early).train.tolist() == [0, 1, 2, 3, 4]
    assert purge(split, late).train.tolist() == [0, 1, 2, 3]
    words = refusal(ValueError, check_overlap, [split, split], late)
    assert "split 0: the outcome of bar 4 (known at bar 5)" in words and "1 of 5 training bars" in words


def test_an_embargo_drops_what_follows_each_block() -> None:
    split = Split(np.r_[0:3, 5:9, 11:14], np.r_[3:5, 9:11], NONE)
    assert embargo(split, 1).dropped.tolist() == [5, 11]
    assert embargo(split, 3).dropped.tolist() == [5, 6, 7, 11, 12, 13]
    assert embargo(split, 0).train.tolist() == split.train.tolist()


@pytest.mark.parametrize(("folds", "tested"), [(3, 2), (6, 2), (6, 3), (8, 2), (7, 4)])
def test_combinations_are_complete_and_paths_cover_history_once(folds: int, tested: int) -> None:
    length = 101
    splits, paths = combinatorial_splits(length, folds, tested, purge=2, embargo=3)
    size = length // folds
    edges = [*range(0, folds * size, size), length]
    blocks = [np.arange(one, two) for one, two in zip(edges[:-1], edges[1:], strict=True)]
    want = [np.concatenate([blocks[b] for b in chosen]) for chosen in combinations(range(folds), tested)]
    assert [one.test.tolist() for one in splits] == [one.tolist() for one in want]
    assert paths.shape == (comb(folds, folds - tested) * tested // folds, folds)
    for block in range(folds):  # Each path takes a block from another split that tests it
        assert len(set(paths[:, block])) == len(paths)
        assert all(np.isin(blocks[block], splits[split].test).all() for split in paths[:, block])
    for split in splits:
        whole = Split(np.setdiff1d(np.arange(length), split.test), split.test, NONE)
        assert np.array_equal(embargo(purge(whole, 2), 5).train, split.train)
        every = np.sort(np.concatenate([split.train, split.test, split.dropped]))
        assert np.array_equal(every, np.arange(length))


def test_the_books_second_path() -> None:
    # Lopez de Prado (2018), section 12.3: (G1,S2), (G2,S6), (G3,S6), (G4,S7), (G5,S8), (G6,S9)
    splits, paths = combinatorial_splits(60)
    assert len(splits) == 15 and len(paths) == 5 and (paths[1] + 1).tolist() == [2, 6, 6, 7, 8, 9]


def test_the_picture_shows_the_bars() -> None:
    import matplotlib.pyplot as plt

    splits = walk_splits(60, 20, 10, purge=3)
    figure = draw_splits(splits)
    bars = [(one.get_x(), one.get_width(), one.get_y()) for one in figure.axes[0].patches]
    assert len(bars) == 3 * len(splits) and plt.get_fignums() == []
    assert [(x, w) for x, w, y in bars if abs(y + 0.375) < 1e-9] == [(0, 20), (23, 10), (20, 3)]
    times = pd.date_range("2020-01-01", periods=60)
    assert draw_splits(splits, times).axes[0].patches


def test_what_splits_refuse(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "needs at least 61 bars (50 to learn from, 10 between, one to test), got 60" in refusal(
        ValueError, walk_splits, 60, 50, 5, purge=10
    )
    assert len(walk_splits(61, 50, 5, purge=10)) == 1
    for given in ((0, 5), (5, 0), (5.0, 5), (True, 5)):
        assert "must be a whole number, at least 1" in refusal(ValueError, walk_splits, 60, *given)
    assert "purge must be a whole number, at least 0" in refusal(ValueError, walk_splits, 60, 9, 9, purge=-1)
    assert "need at least 132 bars, got 131" in refusal(ValueError, combinatorial_splits, 131, purge=20)
    assert len(combinatorial_splits(132, purge=20)[0]) == 15
    assert "tested must be a whole number, at least 2" in refusal(ValueError, combinatorial_splits, 99, 6, 1)
    assert "none is left to learn from" in refusal(ValueError, combinatorial_splits, 99, 6, 6)
    assert "is to be learned from and tested on" in refusal(ValueError, Split, [1, 2], [2, 3], [])
    assert "must increase" in refusal(ValueError, Split, [2, 1], [3], [])
    assert "no split to draw" in refusal(ValueError, draw_splits, [])
    split = Split(np.arange(3), np.arange(3, 5), NONE)
    assert "at its own bar or later" in refusal(ValueError, purge, split, [0, 1, 2])
    assert "at its own bar or later" in refusal(ValueError, purge, split, [0, 0, 2, 3, 4])
    monkeypatch.setitem(sys.modules, "skfolio.model_selection", None)
    assert "pip install 'alphatwin[samples]'" in refusal(ImportError, combinatorial_splits, 99)
    assert blocks_of(NONE) == []
