"The figures show the numbers, with units; the table of months compounds to the year."

import io
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

import alphatwin as at
from alphatwin.backtest import equity_figure, monthly_figure, monthly_table
from alphatwin.backtest.curves import MONTHS, growth_of
from alphatwin.style import PALETTE

Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def rule(spx: pd.DataFrame) -> at.Result:
    return at.backtest(spx, at.sma_cross(spx), fees=0.001)


@pytest.fixture(scope="module")
def held(spx: pd.DataFrame) -> pd.Series:
    return at.backtest(spx, at.buy_and_hold(spx)).returns


# The curve


def test_what_is_drawn_is_the_growth_and_the_fall(rule: at.Result, held: pd.Series) -> None:
    figure = equity_figure(rule, held)
    top, bottom = figure.axes
    benchmark, strategy = top.lines
    np.testing.assert_allclose(strategy.get_ydata(), rule.equity / 100_000, rtol=1e-9)
    np.testing.assert_allclose(benchmark.get_ydata(), (1 + held).cumprod(), rtol=1e-12)
    assert (to_hex(strategy.get_color()), to_hex(benchmark.get_color())) == (
        PALETTE["strategy"],
        PALETTE["benchmark"],
    )
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), 100 * at.drawdown(held), rtol=1e-12)
    (area,) = bottom.collections
    lowest = area.get_paths()[0].vertices[:, 1].min()
    assert lowest == pytest.approx(100 * rule.summary()["max_drawdown"], rel=1e-12)
    assert to_hex(area.get_facecolor()[0]) == PALETTE["loss"]


def test_axes_say_what_they_show(rule: at.Result, held: pd.Series) -> None:
    top, bottom = equity_figure(rule, held).axes
    assert (top.get_ylabel(), bottom.get_ylabel()) == ("growth of 1", "below peak, %")
    assert top.get_yscale() == "log"
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["benchmark", "strategy"]


def test_without_a_benchmark_there_is_one_line(rule: at.Result) -> None:
    top, bottom = equity_figure(rule).axes
    assert len(top.lines) == 1 and len(bottom.lines) == 0 and len(bottom.collections) == 1


def test_figures_do_not_stay_open(rule: at.Result) -> None:
    before = plt.get_fignums()
    rule.plot()
    monthly_figure(rule.returns)
    assert plt.get_fignums() == before


def test_figures_are_transparent_and_repeat_byte_for_byte(rule: at.Result, held: pd.Series) -> None:
    def drawn() -> list[bytes]:
        made = []
        for figure in (equity_figure(rule, held), monthly_figure(rule.returns)):
            assert figure.get_facecolor()[3] == 0
            page = io.BytesIO()
            figure.savefig(page, format="png")
            made.append(page.getvalue())
        return made

    one = drawn()
    assert one == drawn() and one[0] != one[1]


@pytest.mark.parametrize("other", ["fewer", "shifted"])
def test_a_benchmark_of_other_bars_is_refused(
    other: str, rule: at.Result, held: pd.Series, refusal: Refusal
) -> None:
    wrong = held.iloc[1:] if other == "fewer" else held.set_axis(held.index + pd.Timedelta(days=1))
    sentence = refusal(ValueError, equity_figure, rule, wrong)
    assert f"benchmark has {len(wrong)} returns for other bars" in sentence and "5031" in sentence


def test_growth_compounds_and_refuses_what_is_not_returns(refusal: Refusal) -> None:
    assert growth_of(pd.Series([0.1, -0.1, 0.2])).tolist() == pytest.approx([1.1, 0.99, 1.188])
    assert "never NaN" in refusal(ValueError, growth_of, pd.Series([0.1, np.nan]))


# The months


def test_months_on_paper() -> None:
    days = pd.DatetimeIndex(["2023-12-29", "2024-01-10", "2024-01-31", "2024-02-01", "2024-04-01"])
    table = monthly_table(pd.Series([0.5, 0.1, 0.1, -0.5, 1.0], index=days))
    assert list(table.columns) == [*MONTHS, "Year"] and table.index.tolist() == [2023, 2024]
    assert table.index.name == "year"
    assert table.loc[2024, ["Jan", "Feb", "Apr"]].tolist() == pytest.approx([0.21, -0.5, 1.0])
    assert table.loc[2024, "Year"] == pytest.approx(1.21 * 0.5 * 2 - 1)
    assert table.loc[2023, "Dec"] == table.loc[2023, "Year"] == 0.5
    assert table.isna().sum().tolist() == [1, 1, 2, 1, 2, 2, 2, 2, 2, 2, 2, 1, 0]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 900), tz=st.sampled_from([None, "UTC"]))
def test_months_compound_to_the_year_and_years_to_the_whole(seed: int, length: int, tz: str | None) -> None:
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2015-11-20", periods=length, tz=tz)
    returns = pd.Series(rng.normal(0, 0.02, length), index=days)
    table = monthly_table(returns)
    np.testing.assert_allclose((1 + table[MONTHS].fillna(0)).prod(axis=1) - 1, table["Year"], atol=1e-12)
    assert (1 + table["Year"]).prod() - 1 == pytest.approx(at.total_return(returns), rel=1e-9, abs=1e-12)
    slow: dict[tuple[int, str], float] = {}
    for day, value in returns.items():
        key = (day.year, MONTHS[day.month - 1])
        slow[key] = slow.get(key, 1.0) * (1 + value)
    assert table[MONTHS].notna().to_numpy().sum() == len(slow)
    for (year, month), grown in slow.items():
        assert table.loc[year, month] == pytest.approx(grown - 1, rel=1e-9, abs=1e-12)


def test_the_months_of_the_index(held: pd.Series) -> None:
    table = monthly_table(held)
    assert len(table) == 20
    # October 2008: from 1,166.36 to 968.75, as printed
    assert table.loc[2008, "Oct"] == pytest.approx(968.75 / 1166.36 - 1, abs=1e-4)
    assert table.loc[2008, "Year"] == pytest.approx(903.25 / 1468.36 - 1, abs=1e-4)


def test_the_picture_of_the_months_shows_the_table(held: pd.Series) -> None:
    (axis,) = monthly_figure(held).axes
    (mesh,) = axis.collections
    table = 100 * monthly_table(held)
    np.testing.assert_allclose(np.ma.filled(mesh.get_array(), np.nan).reshape(table.shape), table, rtol=1e-12)
    assert mesh.norm.vmin == -mesh.norm.vmax and mesh.norm.vmax > 0  # white is nothing, whatever the data
    assert [label.get_text() for label in axis.get_xticklabels()] == [*MONTHS, "Year"]
    assert [label.get_text() for label in axis.get_yticklabels()] == [str(year) for year in range(1999, 2019)]
    assert "%" in axis.get_title(loc="left") + axis.get_title()
    numbers = [text.get_text() for text in axis.texts]
    assert len(numbers) == 260 and numbers[:2] == [f"{value:.0f}" for value in table.iloc[0, :2]]


@pytest.mark.parametrize("function", [monthly_table, monthly_figure])
def test_months_need_times_and_returns(function: Callable[..., object], refusal: Refusal) -> None:
    sentence = refusal(ValueError, function, pd.Series([0.1, 0.2]))
    assert "monthly_table needs times in the index, got int64" in sentence
    bad = pd.Series([0.1, np.nan], index=pd.bdate_range("2024-01-01", periods=2))
    assert "return at 2024-01-02" in refusal(ValueError, function, bad)
