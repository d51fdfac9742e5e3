"The builder without Quarto: the mends, and a small site from end to end."

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sitekit import ROOT, code, markdown, notebook, shown

from alphatwin_book import site as builder
from alphatwin_book.links import check_site
from alphatwin_book.site import SiteError, draw_diagram, mathml, number_references, replace_folder

Make = Callable[..., Path]


def test_references_are_numbered_in_reading_order() -> None:
    cells = [
        "See @fig-b, @fig-a and @eq-one; not a@fig-a.example.",
        '#| label: fig-a\n#| fig-cap: "First"\nplot()',
        '#| label: fig-b\n#| fig-cap: "Second"\nplot()',
        "$$ x $$ {#eq-one}",
    ]
    prose, first, second, formula = number_references(cells)
    assert (
        prose == "See [Figure 2](#fig-b), [Figure 1](#fig-a) and [Equation 1](#eq-one); not a@fig-a.example."
    )
    assert '#| fig-cap: "Figure 1. First"' in first and '#| fig-cap: "Figure 2. Second"' in second
    assert r"\qquad (1)$$" in formula and "{#eq-one}" in formula


def test_formulas_become_mathml() -> None:
    script = '<script src="https://cdn.jsdelivr.net/npm/katex@0/katex.min.js" defer></script>'
    page = mathml(f'<span class="math inline">\\(a &lt; \\frac{{1}}{{2}}\\)</span>{script}')
    assert "<mfrac>" in page and "<mo>&#x0003C;</mo>" in page and "katex" not in page
    assert "<msup>" not in mathml('<span class="math inline">\\(p\'\\)</span>')  # a prime is raised as it is


def test_diagrams_follow_the_theme() -> None:
    svg = draw_diagram("flowchart LR\n  a[bars] --> b[target]")
    assert "var(--at-node)" in svg and "var(--at-text)" in svg and "#01010" not in svg
    assert "bars" in svg and "min-width" in svg


def test_only_a_built_site_is_replaced(tmp_path: Path) -> None:
    new, precious = tmp_path / "new", tmp_path / "precious"
    new.mkdir()
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(SiteError, match="not a built site"):
        replace_folder(new, precious)
    assert (precious / "thesis.txt").exists()


@pytest.fixture
def small(project: Make) -> Path:
    "A project of three pages with the theme and the settings of this one."
    home = notebook(
        markdown("# Home\n\n> Where it starts."),
        markdown("Inline $x^2$ and `max_drawdown`.\n\n```mermaid\nflowchart LR\n  a --> b\n```"),
        code("df", shown(text_html='<table border="1" class="dataframe"><tr><td>1</td></tr></table>')),
    )
    root = project(**{"nbs/index": home})
    (root / "nbs" / "guides").mkdir()
    (root / "nbs" / "guides" / "run.qmd").write_text("---\ntitle: Run\n---\n\nSee [home](../index.ipynb).\n")
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text())
    config["website"]["navbar"]["left"] = [{"text": "Home", "href": "nbs/index.ipynb"}]
    pages = ["nbs/index.ipynb", "nbs/3_metrics/03_drawdown.ipynb", "nbs/guides/run.qmd"]
    config["website"]["sidebar"]["contents"] = [{"section": "All", "contents": pages}]
    (root / "_quarto.yml").write_text(yaml.safe_dump(config))
    shutil.copy(ROOT / "index.html", root)
    shutil.copytree(ROOT / "theme", root / "theme")
    return root


def test_a_small_site_asks_for_nothing_outside(small: Path) -> None:
    said: list[str] = []
    assert builder.build(small, small / "_site", plain=True, say=said.append) == 3
    assert check_site(small / "_site") == []
    home = (small / "_site" / "nbs" / "index.html").read_text()
    assert "<math" in home and "<svg" in home and 'href="3_metrics/03_drawdown.html#max_drawdown"' in home
    assert not re.search(r"<(?:script|link|img)[^>]*https?://", home)
    assert len(re.findall(r'<link rel="stylesheet" href="[^"]*themes', home)) == 1
    assert said[-1].startswith("site: 3 pages rendered")
    assert builder.build(small, small / "_site", plain=True, say=said.append) == 3  # over the older one


QUARTO = """#!/bin/sh
test "$1" = render && cd "$2" || exit 3
command -v alphatwin-nbfilter > filter.txt || exit 4
mkdir -p _site/site_libs _site/nbs && cp index.html _site/ && echo "<p>$PAGE</p>" > _site/nbs/index.html
mkdir -p _site/theme && cp theme/favicon.svg _site/theme/
"""


def test_quarto_is_used_where_it_is_installed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = small / "bin" / "quarto"
    program.parent.mkdir()
    program.write_text(QUARTO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PAGE", "from Quarto")
    assert builder.build(small, small / "_site", say=lambda text: None) == 1
    assert "from Quarto" in (small / "_site" / "nbs" / "index.html").read_text()
    assert Path((small / "filter.txt").read_text().strip()).name == "alphatwin-nbfilter"
    assert builder.build(small, small / "elsewhere", say=lambda text: None) == 1
    assert (small / "elsewhere" / "index.html").exists()
    monkeypatch.setenv("PAGE", '<a href="gone.html">x</a>')
    with pytest.raises(SiteError, match=r"nbs/index.html: gone.html: no such file"):
        builder.build(small, small / "_site", say=lambda text: None)


def test_a_broken_link_fails_the_build_by_name(small: Path) -> None:
    (small / "nbs" / "guides" / "run.qmd").write_text("---\ntitle: Run\n---\n\n[gone](gone.qmd)\n")
    with pytest.raises(SiteError, match=r"nbs/guides/run.qmd: broken link gone"):
        builder.build(small, small / "_site", plain=True, say=lambda text: None)


def test_a_broken_anchor_fails_the_build_by_name(small: Path) -> None:
    (small / "nbs" / "guides" / "run.qmd").write_text("---\ntitle: Run\n---\n\n[gone](../index.ipynb#gone)\n")
    with pytest.raises(SiteError, match=r"nbs/guides/run.html: ../index.html#gone: no such anchor"):
        builder.build(small, small / "_site", plain=True, say=lambda text: None)


def test_a_bad_notebook_fails_the_build_by_name(small: Path) -> None:
    (small / "nbs" / "index.ipynb").write_text("{}")
    with pytest.raises(SiteError, match=r"nbs/index.ipynb"):
        builder.build(small, small / "_site", plain=True, say=lambda text: None)


def test_the_config_reaches_quarto_and_smalldocs_alike() -> None:
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text())
    html = config["format"]["html"]
    assert next(iter(html["theme"])) == "dark"  # Quarto shows the first by default
    assert html["ipynb-filters"] == ["alphatwin-nbfilter"] and html["html-math-method"] == "mathml"
    plain = builder.plain_config(config)
    assert plain["website"] == config["website"] and "ipynb-filters" not in plain["format"]["html"]
