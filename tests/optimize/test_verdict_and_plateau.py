"The card counts what it says it counts; a plateau is what one can walk; maps always have a twin."

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import alphatwin as at
from alphatwin.optimize.best_cell import best_place, cell_returns, cell_table, probabilistic_sharpe, psr_of
from alphatwin.optimize.heatmap import draw_heatmap
from alphatwin.optimize.maps import COLOURS, colour_map, flatten, outline, shared_scale, view_of
from alphatwin.optimize.null_market import null_bars
from alphatwin.optimize.plateau import (
    find_plateau,
    grid_array,
    half_level,
    marginals,
    share_below,
    stability,
    walk_region,
)
from alphatwin.optimize.sweeping import Sweep, sweep
from alphatwin.optimize.verdict import judge, sentence_of, twins_for

Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def grid(spx: pd.DataFrame) -> Sweep:
    pairs = {"fast": [5, 10, 20, 40], "slow": [20, 40, 60, 100, 150]}
    return sweep(spx.loc["2010":], at.sma_cross, pairs, fees=0.001, progress=False)


@pytest.fixture(scope="module")
def panel() -> Sweep:
    bars = at.load(["IBM", "MSFT", "AAPL"], start="2010-01-01")
    return sweep(bars, at.sma_cross, {"fast": [5, 10], "slow": [20, 40, 60]}, fees=0.001, progress=False)


# The best cell


def test_psr_against_printed_digits_and_by_hand() -> None:
    # Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio": 0.9004 for a benchmark of 0.1132 a day
    assert psr_of(2.5 / 250**0.5, 1250, -3.0, 10.0, 0.1132) == pytest.approx(0.9004, abs=5e-4)
    assert psr_of(0.1, 101, 0.0, 3.0) == pytest.approx(0.84075, abs=1e-4)
    assert np.isnan(psr_of(5.0, 100, 10.0, 1.0)) and np.isnan(psr_of(0.1, 1, 0, 3))


def test_psr_of_returns_uses_plain_moments() -> None:
    from scipy.stats import kurtosis, norm, skew

    path = np.random.default_rng(2).standard_t(5, 400) * 0.01 + 0.0008
    ratio = path.mean() / path.std(ddof=1)
    spread = (1 - skew(path) * ratio + (kurtosis(path, fisher=False) - 1) / 4 * ratio**2) ** 0.5
    for yearly in (0.0, 0.5):
        want = norm.cdf((ratio - yearly / 252**0.5) * 399**0.5 / spread)
        assert probabilistic_sharpe(pd.Series(path), yearly) == pytest.approx(want, rel=1e-12)
    assert np.isnan(probabilistic_sharpe(pd.Series(np.zeros(40))))


def test_the_best_cell_and_its_returns_are_the_engines(grid: Sweep, panel: Sweep, spx: pd.DataFrame) -> None:
    place = best_place(cell_table(grid)["sharpe"].to_numpy(), "sharpe")
    row = grid.best("sharpe")
    assert cell_table(grid)["sharpe"][place] == row["sharpe"]
    target = at.sma_cross(grid.bars, int(row["fast"]), int(row["slow"]))
    assert cell_returns(grid, place).equals(at.backtest(grid.bars, target, fees=0.001).returns)
    one = {s: cell_returns(panel, 3, s) for s in ("IBM", "MSFT", "AAPL")}
    assert np.allclose(cell_returns(panel, 3), pd.DataFrame(one).mean(axis=1))
    held = sweep(
        spx.loc["2015":],
        at.sma_cross,
        {"fast": [5], "slow": [20, 40]},
        exposure=lambda b: b["close"] * 0 + 0.5,
    )
    assert at.sharpe(cell_returns(held, 1)) == pytest.approx(held.table["sharpe"][1], rel=1e-9)


def test_of_several_symbols_the_median_counts(panel: Sweep) -> None:
    wide = panel.table.pivot_table(index=["fast", "slow"], columns="symbol", values="sharpe", observed=True)
    assert np.allclose(cell_table(panel)["sharpe"], wide.median(axis=1))
    assert np.allclose(cell_table(panel, "IBM")["sharpe"], wide["IBM"])


def test_lower_is_better_for_risks() -> None:
    values = np.array([np.nan, 3.0, 1.0, 1.0, 5.0])
    assert best_place(values, "sharpe") == 4 and best_place(values, "volatility") == 2


# The card


def test_the_card_counts_twins_that_were_really_run(grid: Sweep) -> None:
    card = judge(grid, "sharpe", twins=4, seed=7)
    bests = [grid.again(null_bars(grid.bars, 7 + n)).best("sharpe")["sharpe"] for n in range(4)]
    assert card.twin_bests.tolist() == pytest.approx(bests, rel=1e-12)
    value = {line.name: line.value for line in card.lines}
    assert value["settings tried"] == grid.trials and value["best sharpe"] == grid.best("sharpe")["sharpe"]
    assert value["noise as good"] == sum(best >= value["best sharpe"] for best in bests) / 4
    assert value["best on noise"] == pytest.approx(np.median(bests))
    assert "Verdict card" in card._repr_html_() and card.sentence in repr(card)


def test_of_risks_the_lower_counts(grid: Sweep) -> None:
    bars, pairs = grid.bars, {"fast": [5, 10], "slow": [20, 60]}
    found = sweep(bars, at.sma_cross, pairs, metrics=("volatility", "sharpe"), progress=False)
    card = judge(found, "volatility", twins=3)
    best = found.table["volatility"].min()
    assert card.lines[1].value == best and card.lines[3].value == (card.twin_bests <= best).mean()


def test_a_cell_that_beats_everything_is_told_from_luck(spx: pd.DataFrame) -> None:
    bars = spx.loc["2012":]

    def oracle(bars: pd.DataFrame, skill: float) -> pd.Series:
        known = (np.diff(np.log(real), append=np.log(real[-1])) > 0) | (np.arange(len(bars)) % 10 >= skill)
        return pd.Series(np.where(np.roll(known, -1), 1.0, 0.0), bars.index)

    real = bars["open"].to_numpy()
    found = sweep(bars, oracle, {"skill": [5.0, 10.0]}, certify=False, progress=False)
    card = judge(found, "sharpe", twins=20)
    assert card.lines[3].value == 0 and "Luck alone seldom" in card.sentence


def test_sentences_keep_to_their_counts() -> None:
    assert "none of 20" in sentence_of(0, 20) and "seldom" in sentence_of(0, 19)
    assert "cannot rule out" in sentence_of(0, 18) and "one null market" in sentence_of(0, 1)
    assert "possible reason" in sentence_of(1, 20) and "reason enough" in sentence_of(4, 20)
    assert [twins_for(cells) for cells in (1, 2_000, 2_001, 40_000, 10**6)] == [20, 20, 19, 1, 1]


def test_nothing_defined_is_refused_and_noise_without_a_trade_is_said(grid: Sweep, refusal: Refusal) -> None:
    bare = replace(grid, table=grid.table.assign(sharpe=np.nan))
    assert "sharpe is undefined in all 20 cells" in refusal(ValueError, judge, bare)
    card = judge(grid, twins=[bare])
    assert card.lines[2].shown == "–" and card.lines[3].shown == "0 of 1"
    assert "did you mean 'sharpe'" in refusal(ValueError, judge, grid, "sharp")
    for wrong in (0, 1.5, True):
        assert "at least 1" in refusal(ValueError, judge, grid, "sharpe", None, wrong)


def unfinished(grid: Sweep) -> Sweep:
    words = grid.table["status"].astype(str)
    words.iloc[12:] = "not reached"
    table = grid.table.copy()
    table.loc[12:, list(grid.metrics)] = np.nan
    return replace(grid, table=table.assign(status=words.astype("category")))


def test_an_incomplete_sweep_says_so(grid: Sweep) -> None:
    part = unfinished(grid)
    card = judge(part, twins=1)
    assert not card.complete and card.lines[-1].name == "not reached" and card.lines[-1].value == 8
    figure = draw_heatmap(part, twins=1)
    assert "INCOMPLETE: 12 of 20 cells" in figure.get_suptitle()


# The plateau


def test_the_region_against_a_walk_in_plain_python() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = np.where(rng.random((4, 5, 3)) < 0.15, np.nan, rng.normal(0.3, 1, (4, 5, 3)))
        metric = ("sharpe", "volatility")[seed % 2]
        values = np.abs(values) if metric == "volatility" else values
        start = tuple(int(i) for i in np.unravel_index(best_place(values.ravel(), metric), values.shape))
        level, seen, todo = half_level(values[start], metric), {start}, [start]
        while todo:
            here = todo.pop()
            for axis in range(3):
                for step in (-1, 1):
                    there = tuple(p + step * (a == axis) for a, p in enumerate(here))
                    if there in seen or any(not 0 <= p < n for p, n in zip(there, values.shape, strict=True)):
                        continue
                    if values[there] <= level if metric == "volatility" else values[there] >= level:
                        seen.add(there)
                        todo.append(there)
        assert {tuple(map(int, p)) for p in np.argwhere(walk_region(values, start, metric))} == seen


def test_half_of_a_gain_and_double_of_a_loss() -> None:
    assert [half_level(v, "sharpe") for v in (0.9, -0.2, 0.0)] == [0.45, -0.4, 0.0]
    assert half_level(0.1, "volatility") == 0.2 and half_level(-0.3, "max_drawdown") == -0.6


def test_steps_and_edges_on_paper(grid: Sweep) -> None:
    surface = {
        (5, 20): 0.1,
        (5, 40): 0.6,
        (5, 60): 1.0,
        (5, 100): 0.7,
        (5, 150): 0.2,
        (10, 60): 0.5,
        (20, 60): 0.4,
    }
    keys = zip(grid.table["fast"], grid.table["slow"], strict=True)
    drawn = replace(grid, table=grid.table.assign(sharpe=[surface.get(key, np.nan) for key in keys]))
    plateau = find_plateau(drawn)
    assert plateau.cells == 4 and plateau.share == 4 / 7 and plateau.level == 0.5
    assert plateau.steps.loc["slow"].tolist() == [60, 1, 1, 40, 100, "none"]
    assert plateau.steps.loc["fast"].tolist() == [5, 0, 1, 5, 10, "low"]
    along = marginals(drawn).set_index(["parameter", "value"])
    assert along.loc[("fast", 5), ["best", "median", "cells"]].tolist() == [1.0, 0.6, 5]
    assert along.loc[("slow", 60), ["best", "median", "cells"]].tolist() == [1.0, 0.5, 3]


def test_stability_is_spearmans_and_its_parts_are_the_sample(grid: Sweep) -> None:
    found = stability(grid, parts=3)
    length = len(grid.bars)
    cuts = [grid.bars.iloc[length * n // 3 : length * (n + 1) // 3] for n in range(3)]
    first, second, _ = (grid.again(cut).table["sharpe"] for cut in cuts)
    there = first.notna() & second.notna()
    assert found.ranks.iloc[0, 1] == pytest.approx(spearmanr(first[there], second[there]).statistic)
    assert found.best["from"].tolist() == [cut.index[0] for cut in cuts]
    assert found.best["worse in the next"].iloc[0] == share_below(second.to_numpy(), int(first.idxmax()))
    assert share_below(np.array([1.0, 2.0, np.nan, 2.0, 3.0]), 1) == 0.5


# Maps and figures


def test_flatten_against_loops() -> None:
    rng = np.random.default_rng(4)
    values = np.where(rng.random((3, 4, 2)) < 0.2, np.nan, rng.normal(size=(3, 4, 2)))
    axes: dict[str, list[Any]] = {"a": [1, 2, 3], "b": [1, 2, 3, 4], "c": ["x", "y"]}
    laid = flatten(values, axes, ("c", "a"), {}, "sharpe")
    chosen = flatten(values, axes, ("b", "a"), {"c": "y"}, "volatility")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(laid, np.nanmax(values, axis=1).T, equal_nan=True)
    assert np.array_equal(chosen, values[:, :, 1].T, equal_nan=True)


def test_the_colours_turn_for_risks_and_the_scale_holds_the_good() -> None:
    assert colour_map("sharpe")(1.0) == colour_map("volatility")(0.0) and len(COLOURS) == 10
    assert shared_scale(np.array([0.0, 1.0]), np.array([5.0]), "sharpe")[1] == 5.0
    assert shared_scale(np.array([0.1, 1.0]), np.array([5.0]), "volatility")[0] == 0.1
    assert shared_scale(np.array([np.nan]), np.array([np.nan]), "sharpe") == (0.0, 1.0)
    assert len(outline(np.ones((3, 2), bool))) == 10


@pytest.mark.slow
def test_the_picture_shows_the_numbers_and_the_twin(grid: Sweep) -> None:
    figure = draw_heatmap(grid, "sharpe", twins=1, seed=3)
    real, twin = (image for axis in figure.axes for image in axis.images)
    other = grid.again(null_bars(grid.bars, 3))
    for image, one in ((real, grid), (twin, other)):
        shown = np.ma.filled(image.get_array(), np.nan).T
        assert np.array_equal(shown, grid_array(one), equal_nan=True)
    assert real.get_clim() == twin.get_clim() == shared_scale(grid_array(grid), grid_array(other), "sharpe")
    assert real.axes.patch.get_hatch() and np.isnan(grid_array(grid)).any()  # Blank is not zero
    words = " ".join(" ".join(text.get_text().split()) for axis in figure.axes for text in axis.texts)
    assert "PSR" in words and "settings tried" in words and "null market" in words
    assert plt.get_fignums() == []
    pages = []
    for _ in range(2):
        page = io.BytesIO()
        draw_heatmap(grid, "sharpe", twins=1, seed=3).savefig(page, format="png")
        pages.append(page.getvalue())
    assert pages[0] == pages[1]


@pytest.mark.slow
def test_facets_lines_and_panels_have_their_twins(panel: Sweep, grid: Sweep) -> None:
    each = draw_heatmap(panel, facet="symbol", twins=1)
    assert sum(len(axis.images) for axis in each.axes) == 6
    assert len({image.get_clim() for axis in each.axes for image in axis.images}) == 1
    line = draw_heatmap(grid, where={"slow": 60}, twins=1, parts=2).axes[0]
    labels = [one.get_label() for one in line.lines]
    assert "real market" in labels and "noise twin" in labels
    assert draw_heatmap(panel, twins=1, symbol="IBM").axes


@pytest.mark.slow
def test_a_large_grid_is_drawn_as_an_image(grid: Sweep) -> None:
    side = 1000
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"a": np.repeat(np.arange(side), side), "b": np.tile(np.arange(side), side)})
    values = np.sin(table["a"] / 200) + np.cos(table["b"] / 300) + rng.normal(0, 0.01, side**2)
    table = table.assign(sharpe=values, status=pd.Categorical(["ok"] * side**2))
    large = replace(grid, table=table, parameters=("a", "b"), metrics=("sharpe",))
    view = view_of(large, replace(judge(grid, twins=1), twin=large))
    assert view.real.shape == (side, side)
    assert find_plateau(large).cells > 1000


def test_what_figures_refuse(grid: Sweep, panel: Sweep, refusal: Refusal, spx: pd.DataFrame) -> None:
    say: list[tuple[str, dict[str, Any]]] = [
        ("did you mean 'slow'", {"x": "slwo", "twins": 1}),
        ("x and y are both fast", {"x": "fast", "y": "fast", "twins": 1}),
        ("fast has no value 7; there are 5, 10, 20, 40", {"where": {"fast": 7}, "twins": 1}),
        ("no parameter is left", {"where": {"fast": 5, "slow": 20}, "twins": 1}),
        ("needs a sweep of several symbols", {"facet": "symbol", "twins": 1}),
        ("parts must be a whole number", {"parts": 1, "twins": 1}),
    ]
    for words, options in say:
        assert words in refusal(ValueError, lambda o=options: draw_heatmap(grid, **o))
    assert "did you mean 'IBM'" in refusal(ValueError, lambda: draw_heatmap(panel, symbol="IBN"))
    one = sweep(spx.loc["2015":], at.sma_cross, {"fast": 5, "slow": 20}, progress=False)
    assert "all are fixed: fast=5, slow=20" in refusal(ValueError, lambda: draw_heatmap(one, twins=1))
