"Find the repository's files and the linters that belong to it."

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def settings() -> dict[str, str]:
    "settings.ini as nbdev and setup.py read it."
    ini = ConfigParser(delimiters=["="])
    ini.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(ini["DEFAULT"])


@pytest.fixture(scope="session")
def make_targets() -> set[str]:
    "Every target that the Makefile defines."
    return set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture(scope="session")
def lint() -> Callable[..., subprocess.CompletedProcess[str]]:
    "Run a linter; without it skip by name, and in CI fail, for there it must not be missing."

    def run(tool: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        program = shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool)
        if program is None:
            message = f"{tool} is not installed; it is one of settings.ini's dev_requirements: make dev"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        return subprocess.run([program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)

    return run
