"The container files: linted, loopback only, never root, never open."

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lint = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    "The Dockerfile with continued lines joined and comments gone."
    text = (root / "deploy/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def stages(dockerfile: str) -> dict[str, str]:
    "Every build stage by name."
    parts = re.split(r"^FROM \S+ AS (\w+)$", dockerfile, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture()
def compose(root: Path, lint: Lint) -> dict[str, Any]:
    "compose.yaml as compose itself understands it."
    done = lint("docker-compose", "-f", root / "deploy/compose.yaml", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_hadolint_is_content(root: Path, lint: Lint) -> None:
    done = lint("hadolint", "--no-color", root / "deploy/Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_a_planted_fault(root: Path, lint: Lint, tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text(
        (root / "deploy/Dockerfile")
        .read_text(encoding="utf-8")
        .replace("RUN python3 -m venv", "RUN cd /opt && sudo python3 -m venv")
    )
    assert lint("hadolint", "--no-color", bad).returncode != 0


def test_compose_is_valid_and_a_planted_fault_is_found(root: Path, lint: Lint, tmp_path: Path) -> None:
    good = lint("docker-compose", "-f", root / "deploy/compose.yaml", "config", "-q")
    assert good.returncode == 0, good.stderr
    bad = tmp_path / "compose.yaml"
    bad.write_text(
        (root / "deploy/compose.yaml").read_text(encoding="utf-8").replace("read_only:", "readonly:")
    )
    assert lint("docker-compose", "-f", bad, "config", "-q").returncode != 0


def test_services_are_bound_to_this_machine(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"lab", "site"}
    for name, service in compose["services"].items():
        assert [port["host_ip"] for port in service["ports"]] == ["127.0.0.1"], name
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert compose["services"]["site"]["read_only"] is True


def test_compose_builds_what_the_dockerfile_offers(
    compose: dict[str, Any], stages: dict[str, str], root: Path
) -> None:
    for name, service in compose["services"].items():
        build = service["build"]
        assert Path(build["context"]).resolve() == root
        assert (root / build["dockerfile"]).is_file()
        assert build["target"] == name and name in stages
        port = service["ports"][0]["target"]
        assert f"EXPOSE {port}" in stages[name] and f"127.0.0.1:{port}/" in stages[name]


def test_images_run_as_nobody_and_report_their_health(stages: dict[str, str]) -> None:
    for name in ("lab", "site"):
        lines = stages[name].splitlines()
        assert "USER 10001" in lines
        assert any(line.startswith("HEALTHCHECK") for line in lines)
        assert not any(line.startswith(("RUN", "COPY", "ADD")) for line in lines[lines.index("USER 10001") :])


def test_the_lab_is_never_open(dockerfile: str, compose: dict[str, Any]) -> None:
    assert not re.search(r"(token|password)\s*=", dockerfile, re.IGNORECASE)
    assert "disable_check" not in dockerfile and "allow_origin" not in dockerfile
    assert compose["services"]["lab"]["environment"] == {"JUPYTER_TOKEN": ""}  # empty: Jupyter makes its own


def test_base_can_be_replaced_and_is_new_enough(dockerfile: str, settings: dict[str, str]) -> None:
    assert f"ARG BASE=python:{settings['min_python']}-slim" in dockerfile
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${BASE}", "book"}
    assert "/usr/local" not in dockerfile


def test_requirements_come_from_settings(root: Path, dockerfile: str, settings: dict[str, str]) -> None:
    script = re.search(r"RUN (sed -n '.*?' settings\.ini)", dockerfile)
    assert script
    done = subprocess.run(["sh", "-c", script[1]], cwd=root, capture_output=True, text=True, check=True)
    lines = [
        text for key, text in settings.items() if key.endswith("requirements") and not key.startswith("dev_")
    ]
    assert len(lines) >= 6 and done.stdout.split() == " ".join(lines).split()
    assert "pip install -c constraints.txt" in dockerfile


def test_the_builder_gets_what_it_copies_and_no_more(root: Path, dockerfile: str) -> None:
    rules = [
        line
        for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    named = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
        for word in line.split()
    } - {"."}
    assert named <= sent
    assert {
        "alphatwin",
        "alphatwin_book",
        "nbs",
        "theme",
        "_quarto.yml",
        "setup.py",
        "pyproject.toml",
    } <= sent
    assert [name for name in sorted(sent) if not (root / name).exists()] == []
