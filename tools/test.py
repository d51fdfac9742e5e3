"""Run everything that `make test` promises, cheapest first, and say how long each part took.

All parts run even if an early one fails; the exit code is 1 if any did.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PYTHON = str(BIN / "python")
LINTED = ["nbs", "alphatwin_book", "tools", "tests", "benchmarks", "setup.py"]

PARTS = [
    ("lint", [str(BIN / "ruff"), "check", "--quiet", *LINTED]),
    ("format", [str(BIN / "ruff"), "format", "--quiet", "--check", *LINTED]),
    ("types", [str(BIN / "mypy"), "--no-error-summary"]),
    ("sync", [PYTHON, "-m", "alphatwin_book.sync"]),
    ("clean", [PYTHON, "-m", "alphatwin_book.sync", "--clean"]),
    # Runs every cell of every notebook, asserts included; `make notebooks` does the same through nbdev_test.
    ("fresh outputs", [PYTHON, "-m", "alphatwin_book.execute", "--check"]),
    ("site", [PYTHON, "-m", "alphatwin_book.site"]),
    ("links", [PYTHON, "-m", "alphatwin_book.links"]),
    ("browser", [sys.executable, str(ROOT / "tools" / "browser.py")]),
    # Files in the order of collection, which tests/conftest.py sorts.
    (
        "tests",
        [
            PYTHON,
            "-m",
            "pytest",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "--no-loadscope-reorder",
            "-rs",
            "--durations=40",
        ],
    ),
]

# Each part that is slow starts a process a core; threads of their own within each would only be in each other's way.
ENVIRONMENT = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> int:
    results: list[tuple[str, float, bool]] = []
    for name, command in PARTS:
        print(f"\n=== {name} ===", flush=True)
        start = time.monotonic()
        good = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL).returncode == 0
        results.append((name, time.monotonic() - start, good))
        print(f"=== {name}: {'ok' if good else 'FAILED'} in {results[-1][1]:.0f} s ===", flush=True)
    print(
        "\n"
        + "\n".join(
            f"  {name:<14} {'ok' if good else 'FAILED':<7} {took:6.1f} s" for name, took, good in results
        )
    )
    failed = [name for name, _, good in results if not good]
    total = sum(took for _, took, _ in results)
    print(
        f"\n{len(results) - len(failed)} of {len(results)} parts ok in {total:.0f} s"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
