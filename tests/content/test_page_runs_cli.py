"Pages that need nothing else, runs that leave no noise, and the program's answers."

import os
import shutil
from pathlib import Path

import nbformat
import pytest

from alphatwin.content import cli
from alphatwin.content.page import alt_texts, outside_requests, page_html, with_mathml
from alphatwin.content.runs import (
    fixed_environment,
    join_streams,
    normalise,
    notebook_text,
    read_notebook,
    refuse_addresses,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("$x$", '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"'),
        ("$$x^2$$", 'display="block"'),
        ("`$x$`", "`$x$`"),
        ("```\n$x$ and $y$\n```", "```\n$x$ and $y$\n```"),
        ("costs $5 and $6", "costs $5 and $6"),
        (r"\$x$", r"\$x$"),
        ("from 5$ to 6$", "from 5$ to 6$"),
    ],
)
def test_mathml(text: str, part: str) -> None:
    assert part in with_mathml(text)


def test_a_formula_that_cannot_be_translated_is_named() -> None:
    with pytest.raises(ValueError, match=r"the formula \\left\( x cannot"):
        with_mathml(r"$\left( x$")


def test_page() -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    out = nbformat.v4.new_output("display_data", {"image/png": png})
    cells = [
        nbformat.v4.new_markdown_cell("# Title & more\n\n$a$"),
        nbformat.v4.new_code_cell('#| fig-alt: "A <dot>"\nplot()', outputs=[out]),
        nbformat.v4.new_code_cell("other()", outputs=[out]),
        nbformat.v4.new_code_cell("#| hide\nsecret()"),
    ]
    nb = nbformat.v4.new_notebook(cells=cells)
    html = page_html(nb, "Title & more", "made <here>")
    assert alt_texts(nb) == ["A <dot>", "figure"]
    assert 'alt="A &lt;dot&gt;"' in html and 'alt="figure"' in html
    assert "<title>Title &amp; more</title>" in html and "made &lt;here&gt;" in html
    assert "secret" not in html and "#|" not in html and "<details" in html
    assert outside_requests(html) == [] and "<script" not in html
    assert page_html(nb, "Title & more", "made <here>") == html


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<img src="https://x.org/a.png">', ["https://x.org/a.png"]),
        ('<img src="data:image/png;base64,AA">', []),
        ('<link rel="stylesheet" href="//x.org/a.css">', ["//x.org/a.css"]),
        ("<style>@import 'a.css';</style>", ["'a.css'"]),
        ("<style>b { background: url(x.png) }</style>", ["x.png"]),
        ('<a href="https://x.org">a link is not loaded</a>', []),
    ],
)
def test_outside_requests(html: str, found: list[str]) -> None:
    assert outside_requests(html) == found


def test_the_environment_is_fixed_inside_and_untouched_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    before = dict(os.environ)
    with pytest.raises(RuntimeError), fixed_environment():
        assert (
            os.environ["TZ"] == "UTC"
            and os.environ["PYTHONHASHSEED"] == "0"
            and "PYTHONOPTIMIZE" not in os.environ
        )
        assert Path(os.environ["MATPLOTLIBRC"]).exists()
        folder = os.environ["IPYTHONDIR"]
        raise RuntimeError
    assert dict(os.environ) == before and not Path(folder).exists()


def noisy() -> nbformat.NotebookNode:
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a"),
        nbformat.v4.new_output("stream", name="stdout", text="b"),
        nbformat.v4.new_output(
            "stream",
            name="stderr",
            text="/tmp/ipykernel_12/34.py:1: W\n/x/lib/site-packages/pandas/a.py:2: V",
        ),
        nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=4, metadata={"x": 1}),
    ]
    cell = nbformat.v4.new_code_cell(
        "x", outputs=outputs, execution_count=4, metadata={"tags": ["t"], "papermill": {"start": 1}}
    )
    injected = nbformat.v4.new_code_cell("y = 1", metadata={"tags": ["injected-parameters"]})
    return nbformat.v4.new_notebook(
        cells=[cell, injected],
        metadata={"papermill": {"a": 1}, "language_info": {"name": "python", "version": "3"}},
    )


def test_normalise() -> None:
    nb = normalise(noisy())
    cell, injected = nb.cells
    assert (
        set(nb.metadata) == {"kernelspec"}
        and cell.metadata == {"tags": ["t"]}
        and injected["id"] == "injected"
    )
    assert [out.get("text") for out in cell.outputs] == ["ab", ":1: W\npandas/a.py:2: V", None]
    assert (
        cell.execution_count is None
        and cell.outputs[2].execution_count is None
        and cell.outputs[2].metadata == {}
    )
    assert notebook_text(nb) == notebook_text(normalise(nbformat.from_dict(nb)))
    assert join_streams([]) == []


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_addresses_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="cell 7 prints a place in memory"):
        refuse_addresses({"data": {kind: "<Model at 0x7f3a12345678>"}}, 7)
    refuse_addresses({"data": {kind: "meet me at 0x1"}}, 7)


def test_read_notebook(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_notebook(tmp_path / "none.ipynb")
    (tmp_path / "bad.ipynb").write_text("{}")
    with pytest.raises(ValueError, match=r"bad\.ipynb is not a notebook"):
        read_notebook(tmp_path / "bad.ipynb")


def test_cli_lists_and_refuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["episode", "list"]) == 0
    assert "ep001_moving_average" in capsys.readouterr().out
    assert cli.main(["episode", "run", "ep999"]) == 1
    assert "no episode 'ep999'; there are: ep001_moving_average" in capsys.readouterr().err
    with pytest.raises(SystemExit) as refusal:
        cli.main(["episode", "run", "ep001", "-p", "fast"])
    assert refusal.value.code == 2 and "name=value" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert cli.main(["episode", "list"]) == 1
    assert "no folder nbs/episodes here or above" in capsys.readouterr().err


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["doctor"]) == 0
    assert "SPX" in capsys.readouterr().out
    real = cli.util.find_spec
    monkeypatch.setattr(cli.util, "find_spec", lambda name: None if name in ("arch", "nbdev") else real(name))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert (
        "MISSING: pip install alphatwin" in said
        and "optional, to change the notebooks" in said
        and "optional, for the browser test" in said
    )


def test_the_doctor_says_which_samples_load_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from alphatwin.data import catalogue

    cli.main(["doctor"])
    whole = capsys.readouterr().out
    assert "JPM" in whole and "not here" not in whole
    real = catalogue.find_spec
    monkeypatch.setattr(
        catalogue, "find_spec", lambda name: None if name in ("skfolio", "great_tables") else real(name)
    )
    cli.main(["doctor"])
    lines = {line[:22].strip(): line[23:] for line in capsys.readouterr().out.splitlines()}
    assert lines["sample series"] == "SPX, IXIC, AAPL, FB, GOOG, IBM, MSFT, VIX, WTI"
    assert lines["not here"].startswith("SPX_LONG, SPX_CLOSES, AAPL_LONG, ")
    assert lines["not here"].endswith("VLUE: pip install 'alphatwin[samples]'")


def test_the_program_of_the_package_is_installed() -> None:
    import subprocess
    import sys

    program = Path(sys.executable).parent / "alphatwin"
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("alphatwin 0.")
