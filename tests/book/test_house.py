"What holds the house together: names of the contract, cost of the import, README, sync, fresh outputs."

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, **environment: str) -> str:
    import os

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return done.stdout.strip()


def test_importing_loads_nothing_heavy() -> None:
    heavy = {
        "numba",
        "scipy",
        "arch",
        "matplotlib",
        "seaborn",
        "papermill",
        "yfinance",
        "pandas",
        "numpy",
        "IPython",
    }
    loaded = python(f"import sys, alphatwin; print(sorted({heavy} & set(sys.modules)))")
    assert loaded == "[]"


@pytest.mark.slow
def test_the_first_ten_lines_load_no_plotting_and_no_statistics() -> None:
    code = (
        "import sys, alphatwin as at; b = at.load('SPX'); at.backtest(b, at.sma_cross(b)).summary(); "
        "print(sorted({'arch', 'matplotlib', 'papermill', 'yfinance'} & set(sys.modules)))"
    )
    assert python(code) == "[]"


def test_import_cost_was_measured_and_is_below_its_bar() -> None:
    measured = json.loads((ROOT / "benchmarks" / "import_cost.json").read_text(encoding="utf-8"))
    assert measured["added_over_pandas_s"] < measured["bar_s"] == 0.3


def test_every_name_of_the_contract_exists_and_is_what_the_type_checker_sees() -> None:
    import ast

    import alphatwin

    tree = ast.parse((ROOT / "alphatwin" / "__init__.py").read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(alphatwin.__all__)
    for name in alphatwin.__all__:
        assert callable(getattr(alphatwin, name)), name


@pytest.mark.parametrize("stage", ["data", "signals", "metrics", "backtest", "content"])
def test_every_name_of_a_stage_exists(stage: str) -> None:
    module = __import__(f"alphatwin.{stage}", fromlist=["__all__"])
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None, name


def test_the_names_of_the_design_are_there() -> None:
    import alphatwin as at

    for name in "samples load validate sma_cross buy_and_hold backtest summary certify record Result".split():
        assert name in dir(at), name


@pytest.mark.slow
def test_backtest_is_a_package_and_a_call_in_any_order_of_imports() -> None:
    call = "b = at.load('SPX', end='1999-03-01'); assert at.backtest(b, at.buy_and_hold(b)).equity.iloc[-1] > 0; "
    for before in (
        "",
        "import alphatwin.backtest.vector; ",
        "from alphatwin.backtest import backtest, certify; ",
    ):
        assert python(f"import alphatwin as at; {before}{call}print('ok')") == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--clean"]], ids=["export", "clean"])
def test_exporting_and_cleaning_change_nothing(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alphatwin_book.sync", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_sync_notices_an_edited_module(tmp_path: Path) -> None:
    "The check itself: one edited line is found, and the tree is left as it was."
    import shutil

    copy = tmp_path / "clone"
    ignored = shutil.ignore_patterns(
        ".venv", "_build", "_site", ".git", "__pycache__", ".*_cache", ".hypothesis"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    module = copy / "alphatwin" / "metrics" / "returns.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace("periods: float = 252", "periods: float = 260"),
        encoding="utf-8",
    )
    edited = module.read_bytes()
    code = "import sys; sys.path.insert(0, '.'); from alphatwin_book import sync; sys.argv = ['sync']; sys.exit(sync.main())"
    import os

    environment = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1 and "alphatwin/metrics/returns.py" in done.stdout, done.stdout + done.stderr
    assert module.read_bytes() == edited


def test_readme_is_made_from_the_index() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make episode" in text.split("```")[1] and "make test" in text.split("```")[1]
    assert "at.backtest(bars, target, fees=0.001)" in text and text.count("![") == 1
    for line in text.splitlines():
        for target in [part.split(")")[0] for part in line.split("](")[1:]]:
            if not target.startswith("http"):
                assert (ROOT / target).exists(), target


@pytest.mark.slow
def test_a_stale_output_is_found(tmp_path: Path) -> None:
    from alphatwin.content.runs import normalise, read_notebook
    from alphatwin_book.execute import execute, stale_cells

    path = ROOT / "nbs" / "3_metrics" / "00_metrics.ipynb"
    committed = normalise(read_notebook(path))
    fresh, _ = execute(path)
    assert stale_cells(committed, fresh) == []
    place = next(i for i, cell in enumerate(committed.cells) if cell.cell_type == "code" and cell.outputs)
    committed.cells[place].outputs[0]["data"]["text/plain"] += "0"
    assert len(stale_cells(committed, fresh)) == 1
