"""Prove that exporting (or, with --clean, cleaning) the notebooks changes nothing.

Works on whatever is in the tree, committed or not, and never writes to it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from alphatwin_book import readme

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def snapshot(root: Path, folder: str, pattern: str) -> dict[str, bytes]:
    "The bytes of all files of a kind below a folder."
    paths = sorted((root / folder).rglob(pattern))
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in paths
        if "__pycache__" not in path.parts
    }


def changed_by(program: str, folder: str, pattern: str) -> list[str]:
    "Run a program in a copy of the tree, so that nobody imports a module that is half written; list what it changed."
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        for name in ("nbs", "alphatwin"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        for name in ("settings.ini", "pyproject.toml"):
            shutil.copy2(ROOT / name, copy / name)
        done = subprocess.run([str(BIN / program)], cwd=copy, capture_output=True, text=True)
        before, after = snapshot(ROOT, folder, pattern), snapshot(copy, folder, pattern)
    if done.returncode:
        return [f"{program} failed:\n{done.stderr[-2000:]}"]
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", action="store_true", help="check nbdev_clean and not the export")
    if parser.parse_args().clean:
        different, remedy = changed_by("nbdev_clean", "nbs", "*.ipynb"), "make export"
    else:
        different, remedy = (
            changed_by("nbdev_export", "alphatwin", "*.py"),
            "make export, and never edit alphatwin/*.py by hand",
        )
        text, picture = readme.make_readme()
        for name, content in {"README.md": text.encode(), readme.PICTURE: picture}.items():
            if not (ROOT / name).exists() or (ROOT / name).read_bytes() != content:
                different.append(name)
    for name in different:
        print(f"not in sync: {name}")
    if different:
        print(f"remedy: {remedy}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
