"The zoo is a zoo, every detector finds what it is known to find, and none accuses an honest rule."

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alphatwin as at
from alphatwin.backtest import detectors, examination
from alphatwin.backtest.detectors import DETECTORS, grounds, matrix, measure
from alphatwin.backtest.zoo import Specimen
from alphatwin.backtest.zoo_of_accounts import ALL

FUNCTIONS = [one for one in ALL if one.kind in ("rule", "panel") and one.family != "outside"]
MONEY = [one for one in ALL if one.kind == "money"]
DATA = [one for one in ALL if one.kind == "data"]
# What each method does not find among the functions' leaks. Shorter would be better; longer is a fault.
MISSED: dict[str, set[str]] = {
    "certificate: both": set(),
    "future gone": {"before a fall"},
    "another future": {
        "a share of all bars",
        "last bar of the month",
        "the survivors",
        "the winner",
        "how many there will be",
        "bfill before the listing",
    },
}


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    return measure(ALL)


def given(one: Specimen) -> pd.DataFrame:
    "The bars for a specimen."
    several = one.kind == "panel" or one.name == "the list of today"
    return grounds()["several" if several else "one"]


def found_by(detector: Callable[..., bool], zoo: list[Specimen]) -> set[str]:
    return {one.name for one in zoo if detector(one.leak, given(one), one.kind)}


def test_how_many_leaks_and_twins() -> None:
    assert len(ALL) >= 40 and len({one.name for one in ALL}) == len(ALL)
    assert len({one.family for one in ALL}) >= 9
    wanted = "bfill,centred,z-score,quantile,same_close,restated,resample,shift,survivors,covariance"
    names = " ".join(one.name for one in ALL)
    assert all(word in names for word in wanted.split(",")), names


@pytest.mark.slow
def test_no_honest_rule_is_accused(measured: pd.DataFrame) -> None:
    accused = measured[measured["accused"]]
    assert accused.empty, accused[["detector", "name"]].to_numpy().tolist()
    assert set(measured["detector"]) == set(DETECTORS) and len(measured) == len(ALL) * len(DETECTORS)


@pytest.mark.parametrize("name", MISSED)
def test_what_the_house_finds(name: str, measured: pd.DataFrame) -> None:
    rows = measured[(measured["detector"] == name) & measured["name"].isin([one.name for one in FUNCTIONS])]
    assert set(rows.loc[~rows["found"], "name"]) <= MISSED[name]
    assert len(rows) == len(FUNCTIONS) >= 40


def test_accounts_and_data_have_their_own_detectors(measured: pd.DataFrame) -> None:
    table = matrix(measured)
    assert table.loc["kinks within a bar", "account"] == "6/6"
    assert table.loc["two vintages", "data"] == "4/4"
    assert table.loc["certificate: both", ["account", "data", "outside"]].tolist() == ["0/6", "0/4", "0/2"]
    assert (table["false alarms"] == 0).all()
    assert 0.55 < table.loc["freqtrade's signals", "recall"] < table.loc["certificate: both", "recall"]
    assert 0.55 < table.loc["change after the middle", "recall"] < table.loc["certificate: both", "recall"]
    outside = measured[measured["name"].isin(["memory", "a table at hand"])]
    assert len(outside) and not outside["found"].any()  # Shown as missed


@pytest.mark.slow
@pytest.mark.parametrize("one", FUNCTIONS, ids=lambda one: one.name)
def test_the_default_certificate(one: Specimen) -> None:
    bars = given(one)
    assert at.certify(one.twin, bars).ok, str(at.certify(one.twin, bars))
    proof = at.certify(one.leak, bars)
    assert proof.verdict == "sees the future", str(proof)
    found = proof.counterexample
    assert found is not None and found.seen is not None and found.time <= found.cut < found.seen


# A detector with its rule taken out finds less than it must


def test_without_a_future_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    some = FUNCTIONS[::6]
    before = found_by(DETECTORS["future gone"], some)
    monkeypatch.setattr(examination, "gone", lambda futures, place: futures.bars)
    assert before - MISSED["future gone"] and found_by(DETECTORS["future gone"], some) == set()


@pytest.mark.slow
def test_without_another_future(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [*FUNCTIONS[::6], *(one for one in FUNCTIONS if one.name == "before a fall")]
    before = found_by(DETECTORS["another future"], some)
    monkeypatch.setattr("alphatwin.backtest.causality.other_bars", lambda bars, seed: bars)
    assert "before a fall" in before and found_by(DETECTORS["another future"], some) == set()
    assert "before a fall" not in found_by(DETECTORS["certificate: both"], some)


def test_without_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    some = FUNCTIONS[::6]
    assert found_by(DETECTORS["certificate: both"], some) == {one.name for one in some}
    monkeypatch.setattr(examination, "compare_tables", lambda one, other, until: None)
    assert found_by(DETECTORS["certificate: both"], some) == set()


def test_without_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    "What is called rounding is no leak: the border decides."
    some = FUNCTIONS[::6]
    monkeypatch.setattr(examination, "ROUNDING", np.inf)
    assert found_by(DETECTORS["certificate: both"], some) == set()


@pytest.mark.slow
def test_without_the_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    "The quick look may only say `the same` where the careful one would."
    some = FUNCTIONS[::6]
    before = found_by(DETECTORS["certificate: both"], some)
    monkeypatch.setattr(examination.Fast, "agrees", lambda self, known, until: False)
    assert found_by(DETECTORS["certificate: both"], some) == before
    monkeypatch.setattr(examination.Fast, "agrees", lambda self, known, until: True)
    assert found_by(DETECTORS["certificate: both"], some) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blunt", "zoo"),
    [
        ("freqtrade's signals", partial(detectors.by_signals, least=10**6), FUNCTIONS[::5]),
        ("kinks within a bar", partial(detectors.by_kinks, move=0.0), MONEY),
    ],
)
def test_without_the_rule(name: str, blunt: Callable[..., bool], zoo: list[Specimen]) -> None:
    assert len(found_by(DETECTORS[name], zoo)) >= len(zoo) / 2
    assert found_by(blunt, zoo) == set()


@pytest.mark.slow
def test_without_noise_after_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        def uniform(self, low: float, high: float, count: int) -> np.ndarray:
            return np.ones(count)

    some = FUNCTIONS[::5]
    assert len(found_by(detectors.by_middle, some)) >= len(some) / 2
    monkeypatch.setattr(detectors.np.random, "default_rng", lambda seed: Still())
    assert found_by(detectors.by_middle, some) == set()


def test_without_the_older_vintage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_by(detectors.by_vintages, DATA) == {one.name for one in DATA}
    real = detectors.compare
    monkeypatch.setattr(detectors, "compare", lambda old, new: real(new, new))
    assert found_by(detectors.by_vintages, DATA) == set()


def test_each_half_of_the_kinks_is_needed() -> None:
    "The close alone does not find who bought at the low; the range alone does not find who waited."
    bars = grounds()["one"]
    low, wait = (next(one for one in MONEY if one.name == name) for name in ("at the low", "no shift"))
    held_high = bars.assign(high=bars["high"] * 1.2, low=bars["low"] * 0.8)
    assert detectors.by_kinks(low.leak, bars, "money") and detectors.by_kinks(wait.leak, held_high, "money")
    assert not detectors.by_kinks(low.twin, bars, "money") and not detectors.by_kinks(wait.leak, bars, "rule")


# The rules of the published methods, one by one


def accused(rule: Callable[..., Any], **how: int) -> bool:
    return detectors.by_signals(rule, grounds()["one"], "rule", **how)


def test_signals_of_the_whole_history_are_tried() -> None:
    def honest_at_first(bars: pd.DataFrame) -> pd.Series:
        rose = (bars["close"] > bars["close"].shift(1)) * 1.0
        return rose.where(np.arange(len(bars)) < 60, (bars["close"].shift(-1) > bars["close"]) * 1.0)

    assert accused(honest_at_first) and not accused(honest_at_first, most=1)


def test_a_signal_that_is_not_given_is_not_tried() -> None:
    "So the method is described, and so it misses who is silent when he knows something."

    def silent_before_a_fall(bars: pd.DataFrame) -> pd.Series:
        return pd.Series(1.0, bars.index).where(~(bars["close"].shift(-1) < bars["close"]))

    assert not accused(silent_before_a_fall)
    assert detectors.by_certificate(silent_before_a_fall, grounds()["one"], "rule")


def test_one_column_that_turns_is_a_signal() -> None:
    def table(bars: pd.DataFrame, step: int) -> pd.DataFrame:
        return pd.DataFrame({"always": 1.0, "rises": (bars["close"].shift(step) > bars["close"]) * 1.0})

    assert accused(partial(table, step=-1)) and not accused(partial(table, step=1))


def test_who_sells_at_the_high_is_found_by_the_high() -> None:
    def at_the_high(bars: pd.DataFrame) -> pd.Series:
        rose = (bars["close"] > bars["close"].shift(1)).shift(1, fill_value=False)
        return rose * (bars["high"] / bars["open"] - 1)

    assert detectors.by_kinks(at_the_high, grounds()["one"], "money")


def test_rows_that_a_vendor_forgets_are_found() -> None:
    def forgets(bars: pd.DataFrame) -> pd.DataFrame:
        return bars if len(bars) < 60 else bars.iloc[10:]

    bars = grounds()["one"]
    assert detectors.by_vintages(forgets, bars, "data")
    assert not detectors.by_vintages(lambda table: table, bars, "data")


# Counting


def test_the_matrix_counts() -> None:
    def always(rule: Callable[..., Any], bars: pd.DataFrame, kind: str) -> bool:
        return True

    def never(rule: Callable[..., Any], bars: pd.DataFrame, kind: str) -> bool:
        return False

    zoo = [one._replace(family=family) for one, family in zip(FUNCTIONS, "aab", strict=False)]
    rows = measure(zoo, {"always": always, "never": never})
    table = matrix(rows)
    assert table.loc["always"].tolist() == ["2/2", "1/1", 1.0, 1.0]
    assert table.loc["never"].tolist() == ["0/2", "0/1", 0.0, 0.0]
    assert list(table.columns) == ["a", "b", "recall", "false alarms"]
