"The ledger counts what was tried: once each, on the market it was tried on, and nothing that was no attempt."

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.optimize import trial_ledger
from alphatwin.optimize.cells import cells_of
from alphatwin.optimize.trial_ledger import marks_of, unlisted

GRID = {"fast": (5, 10, 20), "slow": (50, 100)}


@pytest.fixture(autouse=True)
def empty_book(monkeypatch):
    monkeypatch.setattr(trial_ledger, "BOOK", [])


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return at.load("SPX").iloc[:1_000]


def rule(bars: pd.DataFrame, days: int = 10) -> pd.Series:
    return (bars["close"] > bars["close"].rolling(days).mean()).astype(float)


def test_the_same_question_counts_once_and_small_print_makes_another(bars):
    for options in ({}, {}, {"fees": 0.001}, {"fees": at.Fees(rate=0.001)}, {"cash": 5_000.0}):
        at.sweep(bars, at.sma_cross, GRID, **options)
    assert at.trials().table["new"].tolist() == [6, 0, 6, 0, 6]
    assert at.trials().count(bars) == 18


def test_a_part_of_the_bars_is_the_same_market_and_later_bars_alone_are_not(bars):
    at.sweep(bars, at.sma_cross, GRID)
    at.sweep(bars.iloc[:500], at.sma_cross, GRID)
    assert at.trials().count(bars.iloc[100:300]) == 6
    assert at.trials().count(at.load("SPX").iloc[1_000:]) == 0
    assert at.trials().count(at.load("IXIC")) == 0


def test_an_edited_rule_is_another_rule(bars):
    at.sweep(bars, rule, {"days": (10, 20)})

    def changed(bars: pd.DataFrame, days: int = 10) -> pd.Series:
        return (bars["close"] < bars["close"].rolling(days).mean()).astype(float)

    changed.__name__ = changed.__qualname__ = rule.__qualname__
    at.sweep(bars, changed, {"days": (10, 20)})
    assert at.trials().table["new"].tolist() == [2, 2]


def test_noise_twins_and_windows_are_no_attempts_of_their_own(bars):
    found = at.sweep(bars, at.sma_cross, GRID)
    at.judge(found, twins=3)
    at.walk_forward(bars, at.sma_cross, GRID, train=400, test=200)
    table = at.trials().table
    assert table["what"].tolist() == ["sweep", "walk-forward"]
    assert table["new"].tolist() == [6, 0], "a walk asks the same questions of parts of the same history"


def test_what_is_no_question_and_what_was_not_reached_is_no_trial(bars):
    grid = {"fast": (5, 10, 20), "slow": (5, 10, 20)}
    assert at.sweep(bars, at.sma_cross, grid).trials == 3
    assert at.trials().count(bars) == 3
    calls = []

    def slow(bars: pd.DataFrame, days: int = 5) -> pd.Series:
        calls.append(days)
        if days == 7:
            raise KeyboardInterrupt
        return rule(bars, days)

    with pytest.warns(UserWarning, match="interrupted"):
        found = at.sweep(bars, slow, {"days": (5, 6, 7, 8)}, workers=1, certify=False, progress=False)
    assert 0 < found.trials < 4
    assert at.trials().table["trials"].iloc[-1] == found.trials


def test_several_symbols_and_a_portfolio_know_their_markets(bars):
    other = at.load("IXIC").iloc[:1_000]
    both = pd.concat({"SPX": bars, "IXIC": other}, names=["symbol", "time"])
    at.sweep(both, at.sma_cross, GRID)
    assert at.trials().count(bars) == at.trials().count(other) == at.trials().count(both) == 6
    assert (
        at.trials().table["market"].iloc[0].startswith("IXIC, SPX")
        or "SPX, IXIC" in at.trials().table["market"].iloc[0]
    )


def test_numbers_of_trials_are_as_good_as_the_trials_themselves():
    cells = cells_of({"fast": range(1, 301), "slow": range(1, 301), "kind": ("a", "b"), "on": (True, False)})
    assert len(marks_of("q", cells, np.ones(len(cells), bool))) == len(cells) == 360_000
    halves = cells_of({"x": [0.1 * k for k in range(1_000)], "y": [None, "None", 0, 1.5]})
    assert len(marks_of("q", halves, np.ones(len(halves), bool))) == 4_000


def test_unlisted_ends_with_an_error_too(bars):
    with pytest.raises(ValueError), unlisted():
        raise ValueError
    at.sweep(bars, at.sma_cross, GRID)
    assert len(trial_ledger.BOOK) == 1


def test_an_empty_ledger_says_so():
    assert "nothing was searched" in repr(at.trials())
    assert at.trials().table.empty and list(at.trials().table) == [
        "what",
        "strategy",
        "market",
        "trials",
        "new",
    ]
    assert at.trials()._repr_html_()
