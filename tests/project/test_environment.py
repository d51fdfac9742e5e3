"environment.yml (conda) and settings.ini (pip) promise the same."

from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

# The same software under another name on conda-forge; every other name is the same.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "seaborn": "seaborn-base"}
# In the environment but not a Python requirement.
PROGRAMS = {"python", "pip", "git", "make", "quarto"}


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def wanted(settings: dict[str, str]) -> dict[str, SpecifierSet]:
    "What settings.ini asks for, by PyPI name."
    lines = [text for key, text in settings.items() if key.endswith("requirements")]
    found = [Requirement(text) for line in lines for text in line.split()]
    return {normal(requirement.name): requirement.specifier for requirement in found}


def offered(environment: dict[str, Any]) -> dict[str, SpecifierSet]:
    "What environment.yml installs, by PyPI name."
    pypi_names = {conda: pypi for pypi, conda in CONDA_NAMES.items()}
    found: dict[str, SpecifierSet] = {}
    for entry in environment["dependencies"]:
        if isinstance(entry, str):
            name, _, specifier = entry.partition(" ")
            if name not in PROGRAMS:
                found[normal(pypi_names.get(name, name))] = SpecifierSet(specifier)
        else:
            for line in entry["pip"]:
                if not line.startswith("-"):
                    requirement = Requirement(line)
                    found[normal(requirement.name)] = requirement.specifier
    return found


def differences(settings: dict[str, str], environment: dict[str, Any]) -> list[str]:
    "Every line on which the two disagree, in words."
    want, have = wanted(settings), offered(environment)
    return (
        [
            f"settings.ini wants {name}{want[name]}, environment.yml lacks it"
            for name in sorted(want.keys() - have.keys())
        ]
        + [
            f"environment.yml has {name}{have[name]}, settings.ini does not"
            for name in sorted(have.keys() - want.keys())
        ]
        + [
            f"{name}: settings.ini says {want[name] or 'any'}, environment.yml says {have[name] or 'any'}"
            for name in sorted(want.keys() & have.keys())
            if want[name] != have[name]
        ]
    )


@pytest.fixture()
def environment(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


def test_both_ask_for_the_same(settings: dict[str, str], environment: dict[str, Any]) -> None:
    assert differences(settings, environment) == []


def test_a_difference_is_named(settings: dict[str, str], environment: dict[str, Any]) -> None:
    changed = settings | {
        "requirements": settings["requirements"].replace("pandas>=", "pandas>=9.") + " newcomer>=1"
    }
    report = "\n".join(differences(changed, environment))
    assert "newcomer" in report and "pandas: settings.ini says >=9." in report
    fewer = environment | {"dependencies": ["stranger >=2"]}
    report = "\n".join(differences(settings, fewer))
    assert "environment.yml has stranger>=2" in report and "wants nbdev" in report


def test_conda_can_read_every_line(environment: dict[str, Any]) -> None:
    rattler = pytest.importorskip("rattler", reason="py-rattler is not installed: make dev")
    lines = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert len(lines) > 10
    for line in lines:
        assert rattler.MatchSpec(line, strict=True).name is not None
    with pytest.raises(Exception, match="."):
        rattler.MatchSpec("pandas =>3", strict=True)


def test_conda_brings_quarto_and_this_clone(settings: dict[str, str], environment: dict[str, Any]) -> None:
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    names = {
        entry.partition(" ")[0]: entry.partition(" ")[2]
        for entry in environment["dependencies"]
        if isinstance(entry, str)
    }
    assert "quarto" in names
    assert f">={settings['min_python']}" in names["python"].split(",")
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip[-1] == "-e ."
