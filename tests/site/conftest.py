"Small projects and the built site, shared by the tests of the site."

import fcntl
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sitekit import DRAWDOWN, ROOT, Cell, code, markdown, notebook

SOURCES = {".ipynb", ".qmd", ".css", ".scss", ".svg", ".png", ".py", ".js"}


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    "Make a project with a library page that explains `max_drawdown`, and the notebooks that are given."

    def make(**pages: Cell) -> Path:
        (tmp_path / "settings.ini").write_text("[DEFAULT]\nlib_name = alphatwin\n")
        library = notebook(
            markdown("# Drawdown\n\n> How far it fell."),
            code("#| default_exp metrics.drawdown"),
            code(DRAWDOWN),
        )
        for name, page in {"nbs/3_metrics/03_drawdown": library, **pages}.items():
            path = tmp_path / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(page))
        return tmp_path

    return make


@pytest.fixture(scope="session")
def site() -> Path:
    "The built site of this repository; built now if a source is newer than it."
    out = ROOT / "_site"
    made = out / "search.json"
    sources = [ROOT / "_quarto.yml", ROOT / "index.html"]
    for folder in ("nbs", "theme", "alphatwin_book"):
        sources += [
            p
            for p in (ROOT / folder).rglob("*")
            if p.suffix in SOURCES and ".ipynb_checkpoints" not in p.parts
        ]
    newest = max(p.stat().st_mtime for p in sources)
    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / "site.lock").open("w") as lock:  # Two processes of one test run build it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists() and made.stat().st_mtime >= newest:
            return out
        command = [sys.executable, "-m", "alphatwin_book.site"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return out
