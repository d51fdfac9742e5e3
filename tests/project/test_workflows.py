"The workflows are well formed, safe, and do what the documentation says they do."

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

NAMES = ["ci", "episodes", "site"]
Lint = Callable[..., subprocess.CompletedProcess[str]]


class Loader(yaml.SafeLoader):
    "YAML as GitHub reads it: `on` is a word, not True."


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def path_of(root: Path, name: str) -> Path:
    return root / ".github" / "workflows" / f"{name}.yml"


def load(root: Path, name: str) -> dict[str, Any]:
    return yaml.load(path_of(root, name).read_text(encoding="utf-8"), Loader=Loader)


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_these_are_all(root: Path) -> None:
    assert sorted(path.stem for path in (root / ".github" / "workflows").iterdir()) == NAMES


LINTERS = {
    "actionlint": ["-no-color"],
    "zizmor": ["--offline", "--no-progress", "--quiet", "--persona", "pedantic"],
    "check-jsonschema": ["--builtin-schema", "vendor.github-workflows"],
}
FAULTS = {
    "actionlint": ("matrix.python }}", "matrix.pyhton }}"),
    "zizmor": ("run: make test", "run: make test ${{ github.head_ref }}"),
    "check-jsonschema": ("timeout-minutes:", "timeout-minuts:"),
}


@pytest.mark.slow
@pytest.mark.parametrize("linter", LINTERS)
def test_linter_is_content(root: Path, lint: Lint, linter: str) -> None:
    done = lint(linter, *LINTERS[linter], *(path_of(root, name) for name in NAMES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("linter", LINTERS)
def test_linter_finds_a_planted_fault(root: Path, lint: Lint, linter: str, tmp_path: Path) -> None:
    right, wrong = FAULTS[linter]
    text = path_of(root, "ci").read_text(encoding="utf-8")
    assert right in text
    bad = tmp_path / ".github" / "workflows" / "ci.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(text.replace(right, wrong), encoding="utf-8")
    assert lint(linter, *LINTERS[linter], bad).returncode != 0


@pytest.mark.slow
def test_dependabot_file_is_valid(root: Path, lint: Lint) -> None:
    done = lint(
        "check-jsonschema", "--builtin-schema", "vendor.dependabot", root / ".github" / "dependabot.yml"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_by_commit_and_named_by_release(root: Path) -> None:
    pins: dict[str, set[str]] = {}
    for name in NAMES:
        uses = re.findall(r"uses: (.*)", path_of(root, name).read_text(encoding="utf-8"))
        assert uses
        for line in uses:
            match = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line)
            assert match, f"{name}: {line}"
            pins.setdefault(match[1], set()).add(f"{match[2]} {match[3]}")
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


def test_rights_are_read_only_by_default(root: Path) -> None:
    wider = {}
    for name in NAMES:
        workflow = load(root, name)
        assert workflow["permissions"] == {"contents": "read"}, name
        wider.update(
            {
                f"{name}.{key}": job["permissions"]
                for key, job in workflow["jobs"].items()
                if "permissions" in job
            }
        )
    assert wider == {"site.deploy": {"pages": "write", "id-token": "write"}}


def test_no_secret_no_risky_trigger_no_lasting_credentials(root: Path) -> None:
    for name in NAMES:
        workflow = load(root, name)
        assert "secrets." not in path_of(root, name).read_text(encoding="utf-8")
        assert not {"pull_request_target", "workflow_run"} & set(workflow["on"])
        assert "concurrency" in workflow
        for job in workflow["jobs"].values():
            assert 0 < job["timeout-minutes"] <= 60
        for step in steps(workflow):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_nothing_is_interpolated_into_a_shell(root: Path) -> None:
    for name in NAMES:
        for step in steps(load(root, name)):
            assert "${{" not in step.get("run", ""), f"{name}: {step}"


def test_make_targets_exist(root: Path, make_targets: set[str]) -> None:
    used = {
        target
        for name in NAMES
        for step in steps(load(root, name))
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
    }
    assert {"test", "site", "episode", "verify"} <= used
    assert used <= make_targets


def test_ci_runs_everything_on_every_python(root: Path, settings: dict[str, str]) -> None:
    workflow = load(root, "ci")
    promised = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (root / "setup.py").read_text(encoding="utf-8")
    )
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == promised
    assert promised[0] == settings["min_python"]
    assert {"push", "pull_request"} <= set(workflow["on"])
    assert any(step.get("run") == "make test" for step in workflow["jobs"]["test"]["steps"])


def test_site_is_built_by_quarto_and_published_from_main_alone(root: Path) -> None:
    workflow = load(root, "site")
    build, deploy = workflow["jobs"]["build"], workflow["jobs"]["deploy"]
    uses = [step.get("uses", step.get("run", "")).partition("@")[0] for step in build["steps"]]
    assert (
        uses.index("quarto-dev/quarto-actions/setup")
        < uses.index("make site")
        < uses.index("actions/upload-pages-artifact")
    )
    assert deploy["needs"] == "build"
    assert deploy["if"] == "github.ref == 'refs/heads/main' && github.event_name != 'pull_request'"
    assert deploy["environment"]["name"] == "github-pages"


def test_episodes_run_twice_a_week_and_on_request(root: Path) -> None:
    workflow = load(root, "episodes")
    runs = 0
    for entry in workflow["on"]["schedule"]:
        _, _, day, month, weekdays = entry["cron"].split()
        assert (day, month) == ("*", "*")
        runs += len(set(weekdays.split(",")) & set("0123456"))
    assert runs == 2
    assert set(workflow["on"]["workflow_dispatch"]["inputs"]) == {"EP", "P"}
    job = workflow["jobs"]["episode"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "make episode"
    assert commands[1].startswith('.venv/bin/alphatwin verify "$EP" --strict --receipt ')
    assert commands[2].startswith("make verify ")
    kept = next(
        step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/upload-artifact@")
    )
    assert kept["path"] == "_build/episodes" and kept["if-no-files-found"] == "error"


def plan(root: Path, folder: Path, episode: str, parameters: str) -> tuple[int, str]:
    "Run the planning step as the runner would; its exit code, and the episodes or the complaint."
    script = next(step["run"] for step in load(root, "episodes")["jobs"]["plan"]["steps"] if "run" in step)
    output = folder / "output"
    output.write_text("", encoding="utf-8")
    env = {"EP": episode, "P": parameters, "GITHUB_OUTPUT": str(output), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True
    )
    return done.returncode, output.read_text(encoding="utf-8").strip() or done.stderr.strip()


@pytest.fixture()
def clone(tmp_path: Path) -> Path:
    episodes = tmp_path / "nbs" / "episodes"
    episodes.mkdir(parents=True)
    for name in ("ep001_first.ipynb", "ep002_second_one.ipynb"):
        (episodes / name).touch()
    return tmp_path


def test_plan_lists_all_episodes_or_the_one_asked_for(root: Path, clone: Path) -> None:
    code, line = plan(root, clone, "", "")
    assert code == 0 and json.loads(line.removeprefix("episodes=")) == ["ep001", "ep002"]
    assert plan(root, clone, "ep002", "fast=10 slow=50 fee=0.001") == (0, 'episodes=["ep002"]')


def test_plan_refuses_what_a_shell_or_make_would_expand(root: Path, clone: Path) -> None:
    for episode in ("ep999", "../ep001", "ep001 ep002", "$(id)", "ep001;id"):
        code, complaint = plan(root, clone, episode, "")
        assert code == 1 and complaint, episode
    for parameters in (
        "$(shell id)",
        "fast=10;id",
        "fast=`id`",
        "fast='1",
        "fast",
        "--help",
        "fast=1\nslow=2;id",
    ):
        code, complaint = plan(root, clone, "ep001", parameters)
        assert code == 1 and "P must look like" in complaint, parameters
