"The notebook filter: what a page shows of a notebook."

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pandas as pd
import pytest
from sitekit import Cell, code, markdown, notebook, shown

from alphatwin_book import nbfilter
from alphatwin_book.nbfilter import build_index, filter_notebook

Make = Callable[..., Path]


def page_of(root: Path, name: str) -> list[dict[str, Any]]:
    "The filtered cells of one notebook of a project."
    path = root / f"{name}.ipynb"
    folder = path.parent.relative_to(root).as_posix()
    page = filter_notebook(json.loads(path.read_text()), build_index(root), folder)
    nbformat.validate(nbformat.from_dict(page))
    return page["cells"]


def text(cells: list[Cell]) -> str:
    return "\n".join(cell["source"] for cell in cells)


def test_exported_function_becomes_an_api_block_with_its_source(project: Make) -> None:
    cells = page_of(project(), "nbs/3_metrics/03_drawdown")
    whole = text(cells)
    assert whole.count("### max_drawdown {#max_drawdown") == 1
    assert "max_drawdown(returns: pd.Series, *, window: int | None = None) -> float" in whole
    assert '<td class="p-meaning">Simple returns, one per bar</td>' in whole
    assert '<td class="p-meaning">Bars to look back; <code>None</code> for all</td>' in whole
    assert (
        '<td class="p-name"><span title="what comes back">→</span></td><td class="p-type"><code>float</code></td>'
        in whole
    )
    (source,) = [c for c in cells if c["cell_type"] == "code"]
    assert source["source"].startswith('#| code-fold: true\n#| code-summary: "Source"\ndef max_drawdown(')
    assert "default_exp" not in whole and "#| export" not in whole


def test_comment_of_a_wrapped_return_is_found(project: Make) -> None:
    wrapped = "#| export\ndef f(\n    x: int,  # In\n) -> (\n    pd.DataFrame\n):  # Out\n    return x"
    inside = "#| export\ndef g(x: int) -> int:\n    # not about what comes back\n    return x"
    page = notebook(markdown("# A"), code("#| default_exp a"), code(wrapped), code(inside))
    whole = text(page_of(project(**{"nbs/a": page}), "nbs/a"))
    assert '<td class="p-meaning">In</td>' in whole and '<td class="p-meaning">Out</td>' in whole
    assert 'p-meaning">not about' not in whole


def test_class_shows_fields_methods_and_properties(project: Make) -> None:
    lines = [
        "#| export",
        "@dataclass(frozen=True)",
        "class Spell:",
        '    "One stay below a peak."',
        "    depth: float = 0.0  # The deepest point",
        "",
        "    @property",
        "    def deep(self) -> bool:",
        '        "Say whether it hurts."',
        "        return self.depth < -0.2",
        "",
        "    def days(self, business: bool = True) -> int:",
        '        "Count the days."',
        "        return 0",
    ]
    root = project(**{"nbs/a": notebook(markdown("# A"), code("#| default_exp a"), code("\n".join(lines)))})
    whole = text(page_of(root, "nbs/a"))
    assert '<td class="p-name"><code>depth</code></td>' in whole and "The deepest point" in whole
    assert "<code>a property -&gt; bool</code>" in whole
    assert "<code>(business: bool = True) -&gt; int</code>" in whole


def test_hidden_cells_and_plumbing_are_left_out(project: Make) -> None:
    page = notebook(
        markdown("# A\n\n> Short."),
        code("#| default_exp a"),
        code("#| export\nimport numpy as np\n\nfrom x import y\n\n__all__ = ['f']"),
        code("#| hide\nsecret = 1"),
        code("#| export\n__getattr__, __dir__, __all__ = attach(__name__)"),
        code('#| export\nLIMITS = {"stop": -0.5}'),
        code("#| export\ndef _half(x: float) -> float:\n    return x / 2"),
        code("visible = 1"),
    )
    cells = page_of(project(**{"nbs/a": page}), "nbs/a")
    whole = text(cells)
    assert "import numpy" not in whole and "secret" not in whole and "__all__ = ['f']" not in whole
    assert any('"What can be imported from here"' in c["source"] for c in cells)
    assert 'LIMITS = {"stop": -0.5}' in [c["source"] for c in cells]
    assert any("Source of _half" in c["source"] for c in cells)
    assert cells[-1]["source"] == "visible = 1"


def test_front_matter_has_title_and_description_and_no_output_file(project: Make) -> None:
    page = notebook(markdown("# A title\n\n> What it is about.\n\nAnd the text that follows."))
    cells = page_of(project(**{"nbs/a": page}), "nbs/a")
    assert cells[0]["cell_type"] == "raw"
    assert "title: A title" in cells[0]["source"] and "description: What it is about." in cells[0]["source"]
    assert "output-file" not in cells[0]["source"]
    assert cells[1]["source"] == "And the text that follows."


def test_names_are_linked_once_and_relative(project: Make) -> None:
    prose = "See `max_drawdown`, `max_drawdown()` and `at.max_drawdown`.\n\n```python\n`max_drawdown`\n```\n\n## `max_drawdown`"
    root = project(**{"nbs/lessons/l01": notebook(markdown("# L"), markdown(prose))})
    source = page_of(root, "nbs/lessons/l01")[-1]["source"]
    target = "../3_metrics/03_drawdown.html#max_drawdown"
    assert source.startswith(
        f"See [`max_drawdown`]({target}), `max_drawdown()` and [`at.max_drawdown`]({target})."
    )
    assert source.count(target) == 2
    assert "http" not in source


def test_a_method_is_linked_to_its_class(project: Make) -> None:
    library = notebook(
        markdown("# R"), code("#| default_exp r"), code("#| export\nclass Result:\n    size: int")
    )
    root = project(
        **{"nbs/r": library, "nbs/l": notebook(markdown("# L"), markdown("`Result.plot`, `result.plot`"))}
    )
    assert page_of(root, "nbs/l")[-1]["source"] == "[`Result.plot`](r.html#Result), `result.plot`"


def test_a_name_that_two_pages_define_is_not_guessed(project: Make) -> None:
    double = notebook(
        markdown("# D"), code("#| default_exp other"), code("#| export\ndef max_drawdown():\n    return 0")
    )
    root = project(**{"nbs/d": double, "nbs/l": notebook(markdown("# L"), markdown("`max_drawdown`"))})
    assert page_of(root, "nbs/l")[-1]["source"] == "`max_drawdown`"
    assert (
        build_index(root)["alphatwin.metrics.drawdown.max_drawdown"].page == "nbs/3_metrics/03_drawdown.html"
    )


def test_outputs_keep_what_a_reader_should_see(project: Make) -> None:
    table = '<div>\n<style scoped>\n td {color: red}\n</style>\n<table border="1" class="dataframe"><tr><td>1</td></tr></table></div>'
    record = shown(text_plain="cagr")
    record["data"]["application/x-alphatwin-record+json"] = {"name": "cagr"}
    outputs = [shown(text_html=table), record, shown(text_plain="<Axes: title='x'>"), shown(text_plain="0.5")]
    root = project(**{"nbs/a": notebook(markdown("# A"), code("f()", *outputs))})
    kept = page_of(root, "nbs/a")[-1]["outputs"]
    assert len(kept) == 2
    assert (
        "scoped" not in kept[0]["data"]["text/html"]
        and '<table class="dataframe">' in kept[0]["data"]["text/html"]
    )
    assert kept[1]["data"] == {"text/plain": "0.5"}


def test_the_name_of_a_tables_index_moves_into_its_corner(project: Make) -> None:
    frame = pd.DataFrame({"open": [1.0], "close": [2.0]}, index=pd.Index(["monday"], name="time"))
    root = project(**{"nbs/a": notebook(markdown("# A"), code("f()", shown(text_html=frame.to_html())))})
    table = page_of(root, "nbs/a")[-1]["outputs"][0]["data"]["text/html"]
    assert re.findall(r"<th>(\w*)</th>", table) == ["time", "open", "close", "monday"]


def test_long_cells_fold_and_figures_hide_their_code(project: Make) -> None:
    long = "\n".join(f"x{n} = {n}" for n in range(nbfilter.LONG_CELL))
    draw = "\n".join(f"x{n} = {n}" for n in range(nbfilter.LONG_FIGURE))
    page = notebook(markdown("# A"), code(long), code(draw, shown(image_png="iVBORw0KGgo=")), code(draw))
    _, first, figure, short = page_of(project(**{"nbs/a": page}), "nbs/a")
    assert first["source"].startswith("#| code-fold: show")
    assert figure["source"].startswith("#| code-fold: true")
    assert short["source"] == draw


def test_diagrams_are_fenced_for_quarto(project: Make) -> None:
    page = notebook(markdown("# A"), markdown("```mermaid\nflowchart LR\n  a --> b\n```"))
    assert page_of(project(**{"nbs/a": page}), "nbs/a")[-1]["source"].startswith("```{mermaid}\n")


def test_narration_is_filled_from_the_records(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    telling = ModuleType("alphatwin.content.narration")
    telling.records_of = lambda nb: {"cells": len(nb["cells"])}  # type: ignore[attr-defined]
    telling.fill = lambda text, records: text.replace("{{cells}}", str(records["cells"]))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "alphatwin.content.narration", telling)
    page = notebook(
        markdown("# A"), markdown("It has {{cells}} cells.", "narration"), markdown("Not {{cells}}.")
    )
    cells = page_of(project(**{"nbs/a": page}), "nbs/a")
    assert cells[1]["source"].strip() == "::: {.narration}\n\nIt has 3 cells.\n\n:::"
    assert cells[2]["source"] == "Not {{cells}}."


def test_a_spoken_title_is_front_matter_and_its_words_are_told(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = ModuleType("alphatwin.content.narration")
    telling.records_of = lambda nb: {}  # type: ignore[attr-defined]
    telling.fill = lambda text, records: text.replace("{{=500}}", "500")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "alphatwin.content.narration", telling)
    title = markdown("# Does it pay?\n\nWe test it on the S&P {{=500}}.", "narration")
    page = notebook(
        title, code("fast = 20"), markdown("> An honest test.\n\nMore."), markdown("## The rule", "narration")
    )
    front, told, _, more, head = page_of(project(**{"nbs/ep": page}), "nbs/ep")
    assert "title: Does it pay?" in front["source"] and "description: An honest test." in front["source"]
    assert told["source"].strip() == "::: {.narration}\n\nWe test it on the S&P 500.\n\n:::"
    assert (more["source"], head["source"].strip()) == ("More.", "## The rule")


def test_cells_that_only_name_numbers_are_folded(project: Make) -> None:
    cells = [
        code('a = at.record("a", 1)\nat.record("b", 2)'),
        code('late = run(bars)\na = at.record("a", late)'),
    ]
    _, names, result = page_of(project(**{"nbs/ep": notebook(markdown("# E"), *cells)}), "nbs/ep")
    assert '#| code-summary: "Numbers for the narrator"' in names["source"]
    assert result["source"].startswith("late = run(bars)")


def test_a_notebook_without_narration_does_not_ask_for_it(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "alphatwin.content.narration", None)  # an import would fail
    root = project(**{"nbs/a": notebook(markdown("# A"), markdown("Plain."))})
    assert page_of(root, "nbs/a")[-1]["source"] == "Plain."


def test_command_reads_stdin_and_writes_stdout(
    project: Make, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    root = project(**{"nbs/lessons/l01": notebook(markdown("# Über"), markdown("`max_drawdown`"))})
    monkeypatch.chdir(root / "nbs" / "lessons")
    raw = (root / "nbs" / "lessons" / "l01.ipynb").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    nbfilter.main()
    page = json.loads(capsysbinary.readouterr().out)
    assert "(../3_metrics/03_drawdown.html#max_drawdown)" in page["cells"][-1]["source"]
