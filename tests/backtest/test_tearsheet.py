"The figures show the numbers, with units; the table of months compounds to the year."

import io
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.dates import date2num
from playwright.sync_api import sync_playwright

import alphatwin as at
from alphatwin.backtest import TearSheet, equity_figure, monthly_figure, monthly_table
from alphatwin.backtest.curves import MONTHS, growth_of
from alphatwin.backtest.markup import say
from alphatwin.backtest.panels import (
    cost_figure,
    excursion_figure,
    exposure_figure,
    rolling_figure,
    rolling_table,
    trades_figure,
    yearly_figure,
)
from alphatwin.backtest.sheet import INTERVALS
from alphatwin.backtest.trading import cost_parts
from alphatwin.metrics.break_even import cost_curve
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


@pytest.mark.slow
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


# The small pictures


def test_panels_show_their_numbers(rule: at.Result, spx: pd.DataFrame) -> None:
    returns, trades = rule.returns, rule.trades
    top, bottom = rolling_figure(returns, 252).axes
    window = returns.iloc[-252:]
    assert top.lines[0].get_ydata()[-1] == pytest.approx(at.sharpe(window), rel=1e-9)
    assert bottom.lines[0].get_ydata()[-1] == pytest.approx(100 * at.volatility(window), rel=1e-9)
    (axis,) = yearly_figure(returns).axes
    heights = [bar.get_height() for bar in axis.patches]
    np.testing.assert_allclose(heights, 100 * monthly_table(returns)["Year"], rtol=1e-12)
    (axis,) = trades_figure(trades).axes
    drawn = np.sort([part[1, 1] for lines in axis.collections for part in lines.get_segments()])
    np.testing.assert_allclose(drawn, np.sort(100 * trades["return"]), rtol=1e-12)
    reach = at.excursions(trades, spx)
    for axis, name in zip(excursion_figure(trades, reach).axes, ("mae", "mfe"), strict=True):
        dots = np.concatenate([line.get_xdata() for line in axis.lines])
        np.testing.assert_allclose(np.sort(dots), np.sort(100 * reach[name]), rtol=1e-12)
    (axis,) = cost_figure(cost_parts(rule)).axes
    zero = at.trade_summary(rule)["break_even_cost"]
    assert axis.lines[2].get_xdata() == pytest.approx([zero, zero])
    assert axis.lines[0].get_ydata()[0] == pytest.approx(100 * cost_curve(cost_parts(rule), [0]).iloc[0])


def test_exposure_is_drawn_with_all_its_steps() -> None:
    days = pd.bdate_range("2024-01-01", periods=8)
    weights = pd.Series([0, 0, 0.5, 0.5, 0.5, -1, 0, 0], days)
    (axis,) = exposure_figure(weights).axes
    (area,) = axis.collections
    corners = {(round(x - date2num(days[0])), y) for x, y in area.get_paths()[0].vertices}
    # Half from Wednesday on, short on the Monday after, nothing from the Tuesday on
    assert {(2, 0.0), (2, 50.0), (7, 50.0), (7, -100.0), (8, -100.0), (8, 0.0)} <= corners


def test_rolling_numbers_of_flat_windows_are_none() -> None:
    days = pd.bdate_range("2024-01-01", periods=60)
    returns = pd.Series(np.r_[np.zeros(30), np.random.default_rng(1).normal(0, 0.01, 30)], days)
    table = rolling_table(returns, 10)
    assert table["sharpe"].iloc[:30].isna().all() and (table["volatility"].iloc[9:30] == 0).all()
    assert table["sharpe"].iloc[45] == pytest.approx(at.sharpe(returns.iloc[36:46]), rel=1e-9)


# The page


class Page(HTMLParser):
    "What stands on a page: numbers by table and row, headings, pictures, and every address."

    def __init__(self, text: str) -> None:
        super().__init__()
        self.numbers: dict[tuple[str, str], list[tuple[float, str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside, self.caption, self.row, self.value = "", "", "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "caption":
            self.caption = ""
        if tag == "data":
            self.value = dict(attrs)["value"] or ""

    def handle_data(self, data: str) -> None:
        if self.inside == "caption":
            self.caption += data
        elif self.inside in ("th", "dt"):
            self.row = data
        elif self.inside == "data":
            self.numbers.setdefault((self.caption, self.row), []).append((float(self.value), data))

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


@pytest.fixture(scope="module")
def sheet(rule: at.Result, spx: pd.DataFrame) -> TearSheet:
    other = at.simple_returns(spx["close"])
    return rule.tearsheet(benchmark=other, bars=spx, title="Rule & <index>", repetitions=200)


@pytest.fixture(scope="module")
def plain(spx: pd.DataFrame) -> TearSheet:
    return at.tearsheet(at.simple_returns(spx["close"]), repetitions=200)


def test_every_number_on_the_page_is_the_metric(sheet: TearSheet, rule: at.Result, spx: pd.DataFrame) -> None:
    page = Page(sheet.html)
    own, other = rule.returns.iloc[1:], at.simple_returns(spx["close"])
    ours, theirs = at.summary(own), at.summary(other)
    for name in ours.index:
        found = [value for value, _ in page.numbers["Returns", name.replace("_", " ")]]
        np.testing.assert_allclose(found, [ours[name], theirs[name]], rtol=1e-9)
    trading = at.trade_summary(rule, spx)
    for name, value in trading.items():
        ((found, said),) = page.numbers["Trading", name.replace("_", " ")]
        assert found == value and said == say(name, value)
    interval = at.confidence_intervals(own, repetitions=200)
    for name in ("estimate", "low", "high"):
        found = [value for value, _ in page.numbers[INTERVALS, name]]
        np.testing.assert_allclose(found, interval[name], rtol=1e-9)
    months = monthly_table(own)
    for year, row in months.iterrows():
        found = [value for value, _ in page.numbers["Return of each month and year, in per cent", str(year)]]
        np.testing.assert_allclose(found, row.dropna(), rtol=1e-9)


def test_key_numbers_stand_first(plain: TearSheet, spx: pd.DataFrame) -> None:
    marks = at.summary(at.simple_returns(spx["close"]))
    page = Page(plain.html)
    assert page.numbers["", "total return"] == [(marks["total_return"], "104.1 %")]
    assert page.numbers["", "max drawdown"] == [(marks["max_drawdown"], "−56.8 %")]


@pytest.mark.parametrize("which", ["sheet", "plain"])
def test_the_page_needs_nothing_from_outside(which: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(which).html
    assert not re.search(r"https?:|//|@import|<script|<link|<iframe|\bon\w+=", text)
    for tag, attrs in Page(text).tags:
        for name in ("src", "href", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#"), (tag, attrs)


@pytest.mark.parametrize("which", ["sheet", "plain"])
def test_the_page_can_be_heard(which: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(which)
    tags = Page(made.html).tags
    pictures = [attrs for tag, attrs in tags if tag == "svg"]
    assert [attrs["aria-label"] for attrs in pictures] == [panel.alt for panel in made.panels]
    assert all(
        len(panel.alt) > 20 and attrs["role"] == "img"
        for panel, attrs in zip(made.panels, pictures, strict=True)
    )
    names = [tag for tag, _ in tags]
    assert names.count("h1") == 1 and names.count("h2") == len(made.panels) + 2
    assert names.count("table") == names.count("caption") > 1
    assert all("scope" in attrs for tag, attrs in tags if tag == "th")
    used = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(used) == len(set(used)), "each id once"
    for _, attrs in tags:
        for address in re.findall(r"#([\w-]+)", f"{attrs.get('clip-path')} {attrs.get('xlink:href')}"):
            assert address in used


def test_titles_are_text_and_not_markup(sheet: TearSheet) -> None:
    assert "<title>Rule &amp; &lt;index&gt;</title>" in sheet.html and "<index>" not in sheet.html


def test_the_page_repeats_and_is_saved_as_it_is(sheet: TearSheet, rule: at.Result, tmp_path: Path) -> None:
    rule.tearsheet(tmp_path / "one.html", repetitions=100)
    at.tearsheet(rule, str(tmp_path / "two.html"), repetitions=100)
    one, two = ((tmp_path / f"{name}.html").read_bytes() for name in ("one", "two"))
    assert one == two and len(one) < 600_000
    assert plt.get_fignums() == []
    assert [type(figure).__name__ for figure in sheet.figures] == ["Figure"] * 7


def test_what_is_left_out_is_said(
    rule: at.Result, plain: TearSheet, market: Callable[..., pd.DataFrame]
) -> None:
    assert "nothing is known of their trades" in plain.html and "Trading" not in plain.tables
    assert [panel.name for panel in plain.panels] == ["equity", "rolling", "years"]
    bare = rule.tearsheet(repetitions=100)
    assert "pass bars=" in bare.html and "moments" not in [panel.name for panel in bare.panels]
    bars = market(1, 20)
    idle = at.backtest(bars, pd.Series(0.0, bars.index)).tearsheet()
    assert [panel.name for panel in idle.panels] == ["equity", "years", "held"]
    assert "they need 30 returns, there are 20" in idle.html and "It never traded" in idle.html
    assert "20 bars are not more than a window of 252" in idle.html
    late = rule.tearsheet(benchmark=rule.returns["2010":], repetitions=100)
    assert "of 5,031 bars in common" in late.html


def test_one_return_makes_a_page() -> None:
    one = at.tearsheet(pd.Series([0.01], pd.DatetimeIndex(["2024-01-02"])))
    assert "1.0 %" in one.html and Page(one.html).numbers["Returns", "sharpe"][0][1] == "–"


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ([0.1, 0.2], "must be a Result or a Series of returns, got list"),
        (pd.Series([0.1, 0.2]), "needs times in the index"),
        (pd.Series([100.0, -50], pd.bdate_range("2024-01-01", periods=2)), "-50.0; returns are fractions"),
        (pd.Series([0.1, np.inf], pd.bdate_range("2024-01-01", periods=2)), "is inf"),
    ],
)
def test_what_is_no_result_is_refused(subject: object, words: str, refusal: Refusal) -> None:
    assert words in refusal(ValueError, at.tearsheet, subject)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("light", ["dark", "light"])
def test_the_page_in_a_browser(
    sheet: TearSheet, plain: TearSheet, width: int, light: str, tmp_path: Path
) -> None:
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if program is None:
        pytest.skip("no Chromium found: on Debian, apt install chromium")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=light)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for number, made in enumerate((sheet, plain)):
            page.goto(made.save(tmp_path / f"{number}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            inside = "[...document.querySelectorAll('svg,table')].every(e => e.getBoundingClientRect().right <= innerWidth)"
            assert page.evaluate(inside)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(11, 15, 20)" if light == "dark" else "rgb(251, 250, 247)")
            letters = "Math.min(...[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect().height))"
            assert page.evaluate(letters) >= 7
        assert len(asked) == 2 and all(one.startswith("file:") for one in asked)
        chromium.close()
