"""Prove that exporting (or, with --clean, cleaning) the notebooks changes nothing.

Works on whatever is in the tree, committed or not, and leaves it as it was.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from alphatwin_book import readme

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def snapshot(folder: str, pattern: str) -> dict[Path, bytes]:
    "The bytes of all files of a kind below a folder."
    return {
        path: path.read_bytes()
        for path in sorted((ROOT / folder).rglob(pattern))
        if "__pycache__" not in path.parts
    }


def changed_by(program: str, folder: str, pattern: str) -> list[str]:
    "Run a program, list the files that it changed, and put them back."
    before = snapshot(folder, pattern)
    done = subprocess.run([str(BIN / program)], cwd=ROOT, capture_output=True, text=True)
    after = snapshot(folder, pattern)
    different = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    for path in different:
        if path in before:
            path.write_bytes(before[path])
        else:
            path.unlink()
    if done.returncode:
        return [f"{program} failed:\n{done.stderr[-2000:]}"]
    return [str(path.relative_to(ROOT)) for path in different]


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
