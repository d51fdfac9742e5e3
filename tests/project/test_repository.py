"Forms, citation, security page, devcontainer and hooks: valid, and true to the rest of the repository."

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Lint = Callable[..., subprocess.CompletedProcess[str]]

FORMS = ["bug", "data_fault", "idea", "lesson_unclear"]
SCHEMAS = {
    "vendor.github-issue-forms": [f".github/ISSUE_TEMPLATE/{name}.yml" for name in FORMS],
    "vendor.github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
    "vendor.citation-file-format": ["CITATION.cff"],
}
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "deploy/README.md"]


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_fit_their_schema(root: Path, lint: Lint, schema: str) -> None:
    done = lint("check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_form_is_checked(root: Path) -> None:
    assert sorted(path.stem for path in (root / ".github/ISSUE_TEMPLATE").iterdir()) == sorted(
        [*FORMS, "config"]
    )


@pytest.mark.slow
def test_the_schema_finds_a_planted_fault(root: Path, lint: Lint, tmp_path: Path) -> None:
    bad = tmp_path / "bug.yml"
    bad.write_text(
        (root / ".github/ISSUE_TEMPLATE/bug.yml")
        .read_text(encoding="utf-8")
        .replace("type: textarea", "type: texts")
    )
    assert lint("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", bad).returncode != 0


def test_citation_and_links_say_what_settings_say(root: Path, settings: dict[str, str]) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    home = f"https://github.com/{settings['user']}/{settings['repo']}"
    assert citation["version"] == settings["version"]
    assert citation["title"] == settings["title"]
    assert citation["abstract"] == settings["description"]
    assert citation["license"].lower() == settings["license"]
    assert citation["repository-code"] == home
    contact = yaml.safe_load((root / ".github/ISSUE_TEMPLATE/config.yml").read_text(encoding="utf-8"))[
        "contact_links"
    ]
    assert contact[0]["url"] == f"{home}/security/advisories/new"
    assert f"git clone {home}" in (root / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_no_address_is_invented(root: Path) -> None:
    for page in PAGES:
        text = (root / page).read_text(encoding="utf-8")
        assert not re.search(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", text), page
    assert "Report a vulnerability" in (root / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*PAGES, ".github/pull_request_template.md"])
def test_commands_and_links_exist(root: Path, make_targets: set[str], page: str) -> None:
    text = (root / page).read_text(encoding="utf-8")
    spoken = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert spoken <= make_targets, (
        f"{page} names targets that the Makefile lacks: {sorted(spoken - make_targets)}"
    )
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert ((root / page).parent / target).exists(), f"{page}: {target}"


def test_devcontainer_sets_up_the_same_house(
    root: Path, settings: dict[str, str], make_targets: set[str]
) -> None:
    container = json.loads((root / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert f"/python:{settings['min_python']}-" in container["image"]
    assert re.findall(r"make ([a-z-]+)", container["postCreateCommand"]) == ["dev"]
    assert "dev" in make_targets
    workflow = yaml.safe_load((root / ".github/workflows/site.yml").read_text(encoding="utf-8"))
    published = next(
        step["with"]["version"]
        for step in workflow["jobs"]["build"]["steps"]
        if "quarto" in step.get("uses", "")
    )
    assert [feature["version"] for name, feature in container["features"].items() if "quarto" in name] == [
        published
    ]


def test_hooks_are_valid(root: Path, lint: Lint) -> None:
    done = lint("pre-commit", "validate-config", root / ".pre-commit-config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_hooks_call_the_projects_own_tools(root: Path, make_targets: set[str]) -> None:
    config = yaml.safe_load((root / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = {hook["id"]: hook for hook in config["repos"][0]["hooks"]}
    assert list(hooks)[:4] == ["ruff-check", "ruff-format", "nbdev-clean", "export"]
    for hook in hooks.values():
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        if program == "make":
            assert {word for word in arguments if not word.startswith("-")} <= make_targets
        else:
            tool = Path(program)
            assert str(tool.parent) == ".venv/bin"
            assert shutil.which(tool.name, path=str(Path(sys.executable).parent)), (
                f"{tool.name} is not in the environment: make dev"
            )


def test_a_notebook_triggers_clean_and_export(root: Path) -> None:
    config = yaml.safe_load((root / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    by_file = {hook["id"]: hook["files"] for hook in config["repos"][0]["hooks"] if "files" in hook}
    assert {name for name, files in by_file.items() if re.search(files, "nbs/1_data/00_data.ipynb")} == {
        "nbdev-clean",
        "export",
    }
    assert {name for name, files in by_file.items() if re.search(files, "alphatwin/data/schema.py")} == {
        "export"
    }
    assert {name for name, files in by_file.items() if re.search(files, ".github/workflows/ci.yml")} == {
        "workflows",
        "actionlint",
    }
