"Every page in a real browser, at the width of a desk and of a phone."

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

pytestmark = pytest.mark.browser
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--mute-audio",
]  # fmt: skip

# Text whose contrast to its ground is under 4.5 (3 for large text): WCAG 2 level AA.
FAINT = """() => {
  const parse = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, low) => top.slice(0, 3).map((v, i) => v * top[3] + low[i] * (1 - top[3]));
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  // Thousands of pieces of code share a few ancestors: the ground of each element is worked out once.
  const grounds = new Map();
  const ground = (el) => { if (!el) return [255, 255, 255]; if (!grounds.has(el)) grounds.set(el, over(parse(getComputedStyle(el).backgroundColor), ground(el.parentElement))); return grounds.get(el); };
  const found = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const el = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !el.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) || el.closest("svg, script, style")) continue;
    const style = getComputedStyle(el);
    if (!/^rgb/.test(style.color)) continue;
    const low = ground(el), a = light(over(parse(style.color), low)), b = light(low);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) found.set(`${el.tagName}.${el.className} ${ratio.toFixed(2)}: ${walk.currentNode.data.trim().slice(0, 40)}`, 1);
  }
  return [...found.keys()];
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    "Serve without a line for each request."

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    "The site on the loopback interface."
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    "The machine's own Chromium."
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if program is None:
        pytest.skip("no Chromium found: on Debian, apt install chromium")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


def context_of(browser: Browser, width: str, faults: list[str], **options: Any) -> BrowserContext:
    "A context that writes down every console error, failed request and request to another host."
    wide, high = WIDTHS[width]
    context = browser.new_context(viewport={"width": wide, "height": high}, **options)
    context.on(
        "console",
        lambda m: faults.append(f"{m.page.url if m.page else ''}: {m.text}") if m.type == "error" else None,
    )
    context.on("weberror", lambda e: faults.append(f"{e.page.url if e.page else ''}: {e.error}"))
    # A request that is dropped because the page is left is no fault; a missing file answers 404.
    context.on(
        "requestfailed", lambda r: None if "ERR_ABORTED" in r.failure else faults.append(f"failed: {r.url}")
    )
    context.on("response", lambda r: faults.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    context.on(
        "request",
        lambda r: (
            None
            if r.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else faults.append(f"outside: {r.url}")
        ),
    )
    return context


def pages_of(site: Path) -> list[str]:
    return sorted(p.relative_to(site).as_posix() for p in (site / "nbs").rglob("*.html"))


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_loads_in_peace(site: Path, address: str, browser: Browser, width: str) -> None:
    """Nothing fails, nothing is too wide, pictures show; and on a desk all text has contrast in both themes."""
    faults: list[str] = []
    names = pages_of(site)
    assert names
    with context_of(browser, width, faults, reduced_motion="reduce") as context:
        page = context.new_page()
        for name in names:
            page.goto(f"{address}/{name}", wait_until="load")
            needed, given = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            if needed > given:
                faults.append(f"{name}: {needed} px of content in a window of {given} px")
            broken = page.evaluate("[...document.images].filter((i) => i.complete && !i.naturalWidth).length")
            if broken:
                faults.append(f"{name}: {broken} pictures do not show")
            if width == "desk":
                faults += [f"{name}: {text}" for text in page.evaluate(FAINT)]
                toggle(page)  # The next page begins in the theme in which this one ends
                faults += [f"{name}: {text}" for text in page.evaluate(FAINT)]
    assert faults == []


def ground(page: Page) -> float:
    "How bright the page's ground is, from 0 to 1."
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    return sum(colour[:3]) / 765


def toggle(page: Page) -> None:
    "Press the theme toggle and wait until the ground has changed."
    was = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".quarto-color-scheme-toggle").first.click()
    page.wait_for_function("was => getComputedStyle(document.body).backgroundColor !== was", arg=was)


def test_dark_is_the_default_and_the_choice_of_light_is_kept(
    site: Path, address: str, browser: Browser
) -> None:
    faults: list[str] = []
    with context_of(browser, "desk", faults, color_scheme="light") as context:
        page = context.new_page()
        page.goto(f"{address}/nbs/index.html")
        assert ground(page) < 0.2
        toggle(page)
        page.reload()
        assert ground(page) > 0.8
        page.goto(f"{address}/{pages_of(site)[-1]}")
        assert ground(page) > 0.8
        toggle(page)
        assert ground(page) < 0.2
    assert faults == []


@pytest.mark.parametrize("width", WIDTHS)
def test_search_finds_drawdown_and_leads_there(address: str, browser: Browser, width: str) -> None:
    faults: list[str] = []
    with context_of(browser, width, faults) as context:
        page = context.new_page()
        page.goto(f"{address}/nbs/index.html")
        if width == "phone":
            page.locator(".navbar-toggler").click()
        page.locator("#quarto-search input").first.fill("drawdown")
        hit = page.locator(".search-result, .aa-Panel a[href]").first
        hit.wait_for()
        assert "drawdown" in hit.inner_text().lower()
        hit.click()
        page.wait_for_url(lambda url: "/nbs/index.html" not in url)
        assert "drawdown" in page.locator("main").inner_text().lower()
    assert faults == []


def test_a_phone_opens_the_list_of_pages(address: str, browser: Browser) -> None:
    faults: list[str] = []
    with context_of(browser, "phone", faults) as context:
        page = context.new_page()
        page.goto(f"{address}/nbs/index.html")
        link = page.locator("#quarto-sidebar a.sidebar-link.active").first
        page.locator(".quarto-btn-toggle").first.click()
        page.wait_for_timeout(400)
        box = link.bounding_box()
        assert box is not None and 0 <= box["x"] and box["x"] + box["width"] <= WIDTHS["phone"][0]
    assert faults == []


def test_the_root_leads_home(address: str, browser: Browser) -> None:
    faults: list[str] = []
    with context_of(browser, "desk", faults) as context:
        page = context.new_page()
        page.goto(f"{address}/")
        page.wait_for_url("**/nbs/index.html")
        assert page.locator("main h1").first.inner_text()
    assert faults == []
