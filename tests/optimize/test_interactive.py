"The interactive map: one file, no network, and always the twin and the card."

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import alphatwin as at
from alphatwin.optimize.interactive import DIGITS, draw_page, page_data, short_numbers
from alphatwin.optimize.plateau import grid_array
from alphatwin.optimize.sweeping import Sweep, sweep
from alphatwin.optimize.verdict import judge, twins_of

Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def panel() -> Sweep:
    "Two symbols, three parameters, cells that are not meaningful."
    bars = at.load(["IBM", "MSFT"], start="2011-06-01")
    grid = {"fast": [5, 10, 20], "slow": [10, 20, 40, 60], "signal": [5, 9]}
    return sweep(bars, at.macd_cross, grid, fees=0.001, progress=False)


@pytest.fixture(scope="module")
def file(panel: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_page(panel, title="A & <b>", twins=2).save(tmp_path_factory.mktemp("map") / "map.html")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if program is None:
        pytest.skip("no Chromium found: on Debian, apt install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def test_numbers_are_short() -> None:
    assert short_numbers(np.array([0.0123456, -123456.0, np.nan, 0.0])) == [0.01235, -123500, None, 0]
    rough = np.random.default_rng(1).normal(size=200)
    assert np.allclose(np.array(short_numbers(rough), dtype="float64"), rough, rtol=10.0 ** (1 - DIGITS))


@pytest.mark.slow
def test_the_page_holds_the_sweep_its_twin_and_its_cards(panel: Sweep, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    assert data["symbols"] == ["", "IBM", "MSFT"] and len(data["maps"]) == 3 * 4
    others = twins_of(panel, 2)
    for key, (real, twin) in data["maps"].items():
        symbol, metric = key.split("|")
        card = judge(panel, metric, symbol or None, others)
        for side, one in ((real, panel), (twin, card.twin)):
            want = grid_array(one, metric, symbol or None).ravel()
            assert np.allclose(np.array(side, dtype="float64"), want, rtol=1e-3, equal_nan=True)
        lines, sentence = data["cards"][key]
        assert [line[1] for line in lines] == [
            line.shown for line in card.lines
        ] and sentence == card.sentence


def test_it_asks_for_nothing_outside_and_a_title_is_text(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//|src=|href=|@import|url\(|fetch\(|XMLHttp", text)
    assert "<title>A &amp; &lt;b&gt;</title>" in text


def test_in_a_notebook_it_stands_in_a_frame(panel: Sweep) -> None:
    shown = draw_page(panel, twins=1)._repr_html_()
    assert shown.startswith("<iframe") and shown.endswith("</iframe>") and shown.count("<") == 2


def test_what_it_refuses(panel: Sweep, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    from alphatwin.optimize import interactive

    monkeypatch.setattr(interactive, "MOST_CELLS", 23)
    assert "at most 23 cells, this grid has 24" in refusal(ValueError, page_data, panel)


def drawn(page: Page) -> str:
    return page.evaluate(
        "document.getElementById('real').toDataURL() + document.getElementById('twin').toDataURL()"
    )


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "light"), [(1280, "dark"), (390, "light")])
def test_the_page_in_a_browser(chromium: Browser, panel: Sweep, file: Path, width: int, light: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=light, offline=True)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(11, 15, 20)" if light == "dark" else "rgb(251, 250, 247)")
    # It changes with what is chosen: metric, symbol, the third parameter
    seen = [drawn(page)]
    card = judge(panel, "sharpe", None, 2)
    assert page.inner_text("#verdict") == card.sentence
    for name, value in (("metric", "max_drawdown"), ("symbol", "MSFT"), ("signal", "1"), ("across", "2")):
        page.select_option(f"select[name={name}]", value)
        seen.append(drawn(page))
    assert len(set(seen)) == len(seen)
    assert page.inner_text("#verdict") == judge(panel, "max_drawdown", "MSFT", 2).sentence
    # Keyboard: the focused cell is told, in words and with the table's number
    page.select_option("select[name=across]", "0")
    page.focus("#real")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    table = panel.table
    row = table[(table.symbol == "MSFT") & (table.fast == 5) & (table.slow == 60) & (table.signal == 9)].iloc[
        0
    ]
    said = page.inner_text("#said")
    assert said.startswith("fast 5, slow 60, signal 9: max drawdown ")
    assert f"{100 * row['max_drawdown']:.1f} %".replace("-", "−") in said
    # A pointer on the blank corner
    box = page.locator("#real").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] - 44)
    assert "fast 20, slow 10" in page.inner_text("#said") and "Not meaningful" in page.inner_text("#said")
    assert "best" in (page.get_attribute("#twin", "aria-label") or "")
    page.click("summary")
    assert page.locator("#top tr").count() == 10
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not faults and asked == [file.as_uri()]
    context.close()
