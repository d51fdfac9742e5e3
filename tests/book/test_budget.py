"The guards that keep the notebooks a book: size, order, names, tags, sidebar."

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NBS = sorted(
    p for p in (ROOT / "nbs").rglob("*.ipynb") if not any(part.startswith((".", "_")) for part in p.parts)
)
STAGES = ["data", "signals", "metrics", "backtest", "optimize", "ml", "live", "serve", "content"]

# (notebook, what is exceeded): the reason. Whatever is not here keeps the budget.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("1_data/01_schema.ipynb", "exported lines"): "the border in one place: declaration, conversion and gate",
    ("1_data/01_schema.ipynb", "code lines"): "as above",
    (
        "1_data/30_validation.ipynb",
        "exported lines",
    ): "the one call, its report, and all rules that they join",
    ("1_data/30_validation.ipynb", "code lines"): "as above",
    ("1_data/30_validation.ipynb", "cell lines"): "the report is one small class; a class may have 60 lines",
    ("1_data/31_repairs.ipynb", "code lines"): "each step is shown on its own case",
    ("1_data/31_repairs.ipynb", "exported lines"): "the short list of what may be changed, in one place",
    (
        "1_data/25_levels.ipynb",
        "exported lines",
    ): "four faults of level that must be told from each other in one place",
    ("1_data/25_levels.ipynb", "code lines"): "each rule is measured where it is written",
    (
        "1_data/26_actions.ipynb",
        "exported lines",
    ): "splits, payouts and adjusted closes are one story of a table",
    ("1_data/26_actions.ipynb", "code lines"): "each rule is measured where it is written",
    (
        "1_data/00_data.ipynb",
        "cell lines",
    ): "a list of names, once for the reader and once for the type checker",
    ("1_data/21_one_pass.ipynb", "exported lines"): "one kernel with its plain definition beside it",
    ("1_data/21_one_pass.ipynb", "cell lines"): "the kernel's steps share a dozen variables",
    ("1_data/08_files.ipynb", "exported lines"): "every layout that a newcomer brings, in one place",
    ("1_data/08_files.ipynb", "code lines"): "as above",
    ("1_data/01_schema.ipynb", "cell lines"): "the gate asks one question after the other",
    (
        "1_data/20_findings.ipynb",
        "exported lines",
    ): "the view, and the two questions about dates that come before all checks",
    ("1_data/20_findings.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    (
        "9_content/07_episode.ipynb",
        "exported lines",
    ): "finding, checking, running, building and verifying are one road that reads in order",
    ("9_content/07_episode.ipynb", "code lines"): "as above",
    ("9_content/08_cli.ipynb", "exported lines"): "what may be installed beside, one line each",
    ("9_content/08_cli.ipynb", "cell lines"): "running and verifying say what they did line by line",
    (
        "5_optimize/21_sweeping.ipynb",
        "exported lines",
    ): "the sweep, its table, and its entry in the ledger are one road that reads in order",
    ("5_optimize/57_pointwise.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    ("5_optimize/58_found.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    (
        "5_optimize/32_halves.ipynb",
        "exported lines",
    ): "the kernel with its plain definition beside it, the verdict and its picture",
    ("5_optimize/32_halves.ipynb", "code lines"): "as above",
    ("5_optimize/27_heatmap.ipynb", "kilobytes"): "maps are what the page is about, each with its card",
    (
        "episodes/ep002_how_much_is_luck.ipynb",
        "kilobytes",
    ): "a whole analysis on one page: map, halves, walk and equity",
    ("00_contract.ipynb", "code lines"): "as below",
    (
        "5_optimize/00_optimize.ipynb",
        "cell lines",
    ): "a list of names, once for the reader and once for the type checker",
    ("00_contract.ipynb", "cell lines"): "a list of names, once for the reader and once for the type checker",
    ("2_signals/02_panels.ipynb", "exported lines"): "the one way in and out of every kernel, for all shapes",
    ("2_signals/02_panels.ipynb", "code lines"): "as above",
    ("2_signals/03_oscillators.ipynb", "exported lines"): "eight kernels, each beside its function",
    ("2_signals/03_oscillators.ipynb", "code lines"): "as above",
    ("2_signals/04_ranges.ipynb", "exported lines"): "seven kernels, each beside its function",
    ("2_signals/04_ranges.ipynb", "code lines"): "as above",
    ("4_backtest/28_examination.ipynb", "exported lines"): "one examination, one question after the other",
    ("4_backtest/06_books.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    ("4_backtest/11_plain.ipynb", "exported lines"): "two loops, for one symbol and for many, share no line",
    ("4_backtest/11_plain.ipynb", "code lines"): "as above",
    ("4_backtest/11_plain.ipynb", "cell lines"): "a loop over bars keeps a dozen numbers in registers",
    ("4_backtest/13_kernels.ipynb", "exported lines"): "the whole small print in one compiled loop",
    ("4_backtest/13_kernels.ipynb", "code lines"): "as above",
    ("4_backtest/13_kernels.ipynb", "cell lines"): "a loop over bars keeps a dozen numbers in registers",
    ("4_backtest/08_result.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    (
        "3_metrics/00_metrics.ipynb",
        "cell lines",
    ): "a list of names, once for the reader and once for the type checker",
    ("3_metrics/07_kernels.ipynb", "exported lines"): "five passes over the same sums",
    ("3_metrics/07_kernels.ipynb", "cell lines"): "as above: the sums are one numbered list",
    ("3_metrics/08_formulas.ipynb", "cell lines"): "one formula a line",
    ("3_metrics/09_overview.ipynb", "exported lines"): "the names of all metrics, each with its sentence",
    ("3_metrics/09_overview.ipynb", "cell lines"): "as above, and one signature for all conventions",
    ("3_metrics/10_rolling.ipynb", "cell lines"): "a kernel's left and right parts share a dozen arrays",
    ("3_metrics/11_rosetta.ipynb", "code lines"): "five libraries, each asked in its own words",
    ("4_backtest/15_vector.ipynb", "cell lines"): "the engine in one piece: its steps share a dozen arrays",
    (
        "00_contract.ipynb",
        "exported lines",
    ): "a list of names, once for the reader and once for the type checker",
    ("5_optimize/08_walk.ipynb", "cell lines"): "a kernel: its loop keeps a dozen numbers in registers",
    ("5_optimize/09_sides.ipynb", "exported lines"): "a kernel with the parts that it is made of",
    ("5_optimize/09_sides.ipynb", "code lines"): "as above",
    ("5_optimize/09_sides.ipynb", "cell lines"): "a kernel: its loop keeps a dozen numbers in registers",
    ("5_optimize/14_fused.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    ("5_optimize/21_sweeping.ipynb", "cell lines"): "one small class; a class may have 60 lines",
    (
        "5_optimize/27_heatmap.ipynb",
        "exported lines",
    ): "no public call may draw a map without its twin, so the parts stay together",
    ("5_optimize/27_heatmap.ipynb", "code lines"): "as above",
    (
        "5_optimize/30_curves_of_cells.ipynb",
        "exported lines",
    ): "one kernel, and the way to it of every family",
    ("5_optimize/28_interactive.ipynb", "exported lines"): "the page's script in one place",
    ("5_optimize/28_interactive.ipynb", "cell lines"): "as above",
}


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT / "nbs"))


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def code_lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))


def module_of(path: Path) -> str | None:
    for cell in cells(path):
        found = re.match(r"#\| default_exp (\S+)", source(cell))
        if found:
            return found[1]
    return None


def kind(path: Path) -> str:
    if path.parent.name == "nbs":
        return "front"
    if path.parent.name in ("lessons", "episodes"):
        return path.parent.name
    if path.name.startswith("00_"):
        return "contract"
    return "library" if module_of(path) else "evidence"


def measure(path: Path) -> dict[str, float]:
    everything = cells(path)
    code = [source(cell) for cell in everything if cell["cell_type"] == "code"]
    exported = [text for text in code if text.startswith(("#| export", "#| exports"))]
    return {
        "cells": len(everything),
        "code lines": sum(map(code_lines, code)),
        "exported lines": sum(map(code_lines, exported)),
        "cell lines": max([code_lines(text) for text in exported], default=0),
        "markdown share": sum(cell["cell_type"] == "markdown" for cell in everything) / len(everything),
        "hidden cells": sum(text.startswith("#| hide") for text in code),
        "kilobytes": path.stat().st_size / 1000,
        "figures": sum(
            "image/png" in out.get("data", {}) for cell in everything for out in cell.get("outputs", [])
        ),
    }


LIMITS = {
    "code lines": 250,
    "exported lines": 180,
    "cell lines": 40,
    "hidden cells": 2,
    "kilobytes": 150,
    "figures": 4,
}
CELLS = {
    "library": (20, 45),
    "evidence": (20, 45),
    "contract": (8, 45),
    "front": (8, 45),
    "lessons": (20, 60),
    "episodes": (12, 45),
}


@pytest.mark.parametrize("path", NBS, ids=ids)
def test_notebook_keeps_its_budget(path: Path) -> None:
    found, name = measure(path), ids(path)
    low, high = CELLS[kind(path)]
    over = [what for what, limit in LIMITS.items() if found[what] > limit and (name, what) not in EXCEPTIONS]
    assert not over, {what: found[what] for what in over}
    assert low <= found["cells"] <= high, found["cells"]
    assert found["markdown share"] >= 1 / 3, found["markdown share"]


def test_every_exception_is_needed() -> None:
    by_name = {ids(path): measure(path) for path in NBS}
    idle = [key for key in EXCEPTIONS if key[0] not in by_name or by_name[key[0]][key[1]] <= LIMITS[key[1]]]
    assert not idle, f"within the budget again: {idle}"


@pytest.mark.parametrize("path", NBS, ids=ids)
def test_title_and_description(path: Path) -> None:
    everything = cells(path)
    title = source(everything[0])
    assert everything[0]["cell_type"] == "markdown" and title.startswith("# "), "the first cell is the title"
    text = title if kind(path) != "episodes" else title + "\n" + source(everything[2])
    assert re.search(r"(?m)^> \S", text), "a `> sentence` says what the notebook is about"


@pytest.mark.parametrize("path", NBS, ids=ids)
def test_outputs_carry_no_trace_of_a_machine(path: Path) -> None:
    outputs = json.dumps([cell.get("outputs", []) for cell in cells(path)])
    for trace in ("site-packages", "/home/", "/root/", "ipykernel_", '"stderr"'):
        assert trace not in outputs, trace
    assert all(cell.get("execution_count") is None for cell in cells(path))


@pytest.mark.parametrize("path", [p for p in NBS if kind(p) == "library"], ids=ids)
def test_library_notebook_has_its_parts(path: Path) -> None:
    everything = cells(path)
    assert source(everything[1]).startswith("#| default_exp "), "the second cell names the module, alone"
    opening = source(everything[2]) + source(everything[3])
    assert "**In:**" in opening and "**Out:**" in opening, "in, out and used by are said at the beginning"
    last = source(everything[-1])
    assert everything[-1]["cell_type"] == "markdown" and "## Limits" in "".join(
        source(cell) for cell in everything[-2:]
    ), "limits at the end"
    assert "nbdev_export" not in "".join(map(source, everything)) and last


def test_no_stale_modules_and_none_missing() -> None:
    wanted = {
        (ROOT / "alphatwin" / (name.replace(".", "/") + ".py")) for path in NBS if (name := module_of(path))
    }
    there = set((ROOT / "alphatwin").rglob("*.py")) - {ROOT / "alphatwin" / "_modidx.py"}
    assert there - wanted == set(), "modules without a notebook"
    assert wanted - there == set(), "notebooks that were not exported"


def test_modules_are_named_after_their_notebooks() -> None:
    for path in NBS:
        name = module_of(path)
        if name and kind(path) == "library":
            assert name == f"{path.parent.name.partition('_')[2]}.{path.stem.partition('_')[2]}", path


def test_no_function_has_the_name_of_its_module() -> None:
    "`alphatwin.data.samples` would be a module at one time and a function at another."
    for module in (ROOT / "alphatwin").rglob("*.py"):
        names = {
            node.name
            for node in ast.parse(module.read_text()).body
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        }
        siblings = {p.stem for p in module.parent.glob("*.py")} - {"__init__"}
        assert not names & siblings, (module, names & siblings)


def imported(module: Path) -> set[str]:
    "Names of our modules that a module imports, absolutely."
    package = module.relative_to(ROOT).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level] if node.level else ()
            found.add(".".join([*above, *([node.module] if node.module else [])]))
    return found


@pytest.mark.slow
def test_arrows_point_down_the_stages() -> None:
    for module in (ROOT / "alphatwin").rglob("*.py"):
        parts = module.relative_to(ROOT / "alphatwin").parts
        if len(parts) == 1:
            continue
        here = STAGES.index(parts[0])
        for name in imported(module):
            pieces = name.split(".")
            if pieces[0] == "alphatwin" and len(pieces) > 1 and pieces[1] in STAGES:
                assert STAGES.index(pieces[1]) <= here, f"{'/'.join(parts)} imports {name}, a later stage"


def test_the_order_check_sees_relative_imports() -> None:
    gate = imported(ROOT / "alphatwin" / "backtest" / "gate.py")
    assert "alphatwin.signals.strategies" in gate and "alphatwin.data.schema" in gate


def test_exported_code_needs_nothing_of_nbdev() -> None:
    for module in (ROOT / "alphatwin").rglob("*.py"):
        tops = {name.partition(".")[0] for name in imported(module)}
        assert not tops & {"nbdev", "fastcore", "execnb", "alphatwin_book"}, module
        assert "import *" not in module.read_text(encoding="utf-8"), module


def test_docments() -> None:
    "Public functions have a docstring, one parameter a line with a comment, and full type hints."
    for module in (ROOT / "alphatwin").rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            assert ast.get_docstring(node), f"{module.name}: {node.name} has no docstring"
            assert node.returns is not None, f"{module.name}: {node.name} says not what it returns"
            for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                assert argument.annotation is not None, (
                    f"{module.name}: {node.name}({argument.arg}) has no type"
                )
                said = lines[argument.lineno - 1 : argument.end_lineno + 2]
                assert any("# " in line for line in said), (
                    f"{module.name}: {node.name}({argument.arg}) has no comment"
                )


def sidebar_pages() -> list[str]:
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    found: list[str] = []

    def walk(part: object) -> None:
        if isinstance(part, str) and part.endswith((".ipynb", ".qmd")):
            found.append(part)
        elif isinstance(part, list):
            for one in part:
                walk(one)
        elif isinstance(part, dict):
            for key in ("href", "file", "contents", "section"):
                walk(part.get(key))

    walk(config["website"]["sidebar"])
    return found


def test_the_sidebar_holds_every_notebook_once_and_in_order() -> None:
    pages = sidebar_pages()
    guides = [str(p.relative_to(ROOT)) for p in sorted((ROOT / "nbs" / "guides").glob("*.qmd"))]
    there = [str(path.relative_to(ROOT)) for path in NBS]
    assert sorted(pages) == sorted([*there, *guides])
    for stage in sorted({Path(page).parent for page in pages}):
        inside = [page for page in pages if Path(page).parent == stage and stage.name != "nbs"]
        assert inside == sorted(inside), f"{stage}: not in the order of its numbers"


def test_tags_survive_cleaning() -> None:
    "nbdev_clean keeps papermill's tag; without it injected parameters are overwritten by the defaults."
    ini = (ROOT / "settings.ini").read_text(encoding="utf-8")
    assert re.search(r"(?m)^allowed_cell_metadata_keys = tags$", ini)
    for path in NBS:
        if kind(path) == "episodes":
            tags = [cell["metadata"].get("tags", []) for cell in cells(path)]
            assert sum("parameters" in t for t in tags) == 1, path
            assert sum("narration" in t for t in tags) >= 3, path
