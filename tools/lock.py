"""Write constraints.txt: the exact release of every package that is installed in .venv.

`make lock` after changing requirements in settings.ini, in a fresh .venv made with an empty constraints.txt.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Exact releases of everything that is installed, for runs whose bytes repeat. Made by `make lock`; do not edit.
# settings.ini says what is required and why; this file only says which release was tested.
"""


def main() -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "freeze",
        "--exclude-editable",
        "--exclude",
        "pip",
        "--exclude",
        "setuptools",
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    odd = [line for line in lines if "==" not in line]
    if odd:
        sys.exit(f"lock: not from a registry by name: {', '.join(odd)}")
    (ROOT / "constraints.txt").write_text(
        HEADER + "\n".join(sorted(lines, key=str.lower)) + "\n", encoding="utf-8"
    )
    print(f"lock: {len(lines)} packages in constraints.txt")


if __name__ == "__main__":
    main()
