"Receipts: every leaf counts, in its own part; what may be forgiven and what may not."

import copy
import io
import json
from typing import Any

import pytest

from alphatwin.content.environment import describe_environment, requirements, sha256
from alphatwin.content.narration import MIME as RECORD
from alphatwin.content.receipt import (
    MIME,
    compare,
    differences,
    look_of,
    make_receipt,
    same_look,
    source_cause,
)


def picture(shade: int, spot: int | None = None) -> bytes:
    from PIL import Image

    image = Image.new("RGBA", (160, 90), (shade, shade, shade, 255))
    if spot is not None:
        image.paste((spot, spot, spot, 255), (0, 0, 20, 20))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def receipt(
    shade: int = 100, value: Any = 0.02, python: str = "3.11.7", script: bytes = b"words"
) -> dict[str, Any]:
    output = {
        "output_type": "display_data",
        "data": {RECORD: {"name": "growth", "value": value, "unit": "", "tol": 1e-6}},
    }
    nb = {"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [output]}]}
    collected = {
        "data": {"SPX": {"bars_sha256": "aa", "rows": 5031}},
        "environment": {"python": python, "packages": {"pandas": "3.1.1"}},
    }
    files = {"figure-01.png": picture(shade), "script.md": script}
    return json.loads(
        json.dumps(make_receipt("ep000", nb, {"given": {}, "values": {"fast": 20}}, collected, files))
    )


def parts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [verdict.part for verdict in compare(old, new) if not verdict.agrees]


def leaves(part: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(part, dict):
        return [leaf for key, value in part.items() for leaf in leaves(value, (*path, key))]
    return [path]


def test_a_receipt_agrees_with_itself() -> None:
    assert parts(receipt(), receipt()) == []


@pytest.mark.parametrize("path", leaves({k: v for k, v in receipt().items() if k in ("causes", "outputs")}))
@pytest.mark.parametrize("change", ["changed", None, 10**6])
def test_every_changed_leaf_is_reported_as_its_part(path: tuple[str, ...], change: Any) -> None:
    spoilt = receipt()
    place: Any = spoilt
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change
    assert parts(spoilt, receipt()) == [path[1] if path[0] == "causes" else "outputs"]


@pytest.mark.parametrize("path", leaves({k: v for k, v in receipt().items() if k in ("causes", "outputs")}))
def test_every_missing_leaf_is_reported_as_its_part(path: tuple[str, ...]) -> None:
    spoilt = receipt()
    place: Any = spoilt
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    assert parts(spoilt, receipt()) == [path[1] if path[0] == "causes" else "outputs"]


@pytest.mark.parametrize("key", ["format", "episode", "causes", "outputs"])
def test_a_damaged_frame_is_refused(key: str) -> None:
    spoilt = receipt()
    del spoilt[key]
    with pytest.raises(ValueError, match="damaged"):
        compare(spoilt, receipt())
    with pytest.raises(ValueError, match="damaged"):
        compare(receipt() | {key: "other"}, receipt())
    with pytest.raises(ValueError, match="damaged"):
        compare([], receipt())  # type: ignore[arg-type]


def test_elsewhere_a_tolerance_is_granted() -> None:
    there = receipt(python="3.13.0")
    assert parts(receipt(value=0.02 + 5e-7), there) == ["environment"]
    assert parts(receipt(value=0.02 + 5e-6), there) == ["environment", "outputs"]
    assert parts(receipt(shade=102), there) == ["environment"]
    assert parts(receipt(shade=110), there) == ["environment", "outputs"]
    assert parts(receipt(script=b"other"), there) == ["environment", "outputs"]
    assert parts(receipt(value=1), receipt(value=2, python="3.13.0")) == ["environment", "outputs"]


def test_here_none_is() -> None:
    assert parts(receipt(value=0.02 + 1e-15), receipt()) == ["outputs"]
    assert parts(receipt(shade=101), receipt()) == ["outputs"]


def test_looks() -> None:
    assert len(look_of(picture(100))) == 2 * 16 * 9
    assert same_look(look_of(picture(100)), look_of(picture(102))) and not same_look(
        look_of(picture(100)), look_of(picture(110))
    )
    assert not same_look(look_of(picture(100)), look_of(picture(100, spot=0)))
    assert not same_look("zz", "00") and not same_look("00", "0000")


def test_source_ignores_outputs_and_parameters_and_nothing_else() -> None:
    def nb(text: str = "a", tags: tuple[str, ...] = (), outputs: tuple[Any, ...] = ()) -> dict[str, Any]:
        cell = {
            "cell_type": "code",
            "source": text,
            "metadata": {"tags": list(tags)},
            "outputs": list(outputs),
        }
        defaults = {
            "cell_type": "code",
            "source": "fast = 1",
            "metadata": {"tags": ["parameters"]},
            "outputs": [],
        }
        return {"cells": [cell, defaults]}

    same = nb(outputs=({"data": {}},))
    other = copy.deepcopy(nb())
    other["cells"][1]["source"] = "fast = 2"
    assert source_cause(nb()) == source_cause(same) == source_cause(other)
    assert source_cause(nb("b")) != source_cause(nb()) != source_cause(nb(tags=("narration",)))


def test_differences_name_the_place() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == ["a.c: 2 -> 3"]
    assert differences({"a": 1}, {}) == ["a: 1 -> (not there)"]
    assert differences({"a": 1}, {"a": 1.0}) == ["a: 1 -> 1.0"]
    assert differences({"a": "x" * 64}, {"a": "y"}) == ["a: " + "x" * 20 + "... -> y"]


def test_the_environment_is_what_is_imported() -> None:
    import pandas

    told = describe_environment()
    assert told["packages"]["pandas"] == pandas.__version__ and len(told["alphatwin_sha256"]) == 64
    assert "torch" not in told["packages"] and "setuptools" not in told["packages"]
    assert told["processor"].split()[0] in ("Linux", "Darwin", "Windows")


def test_requirements_are_followed_without_extras() -> None:
    ours = requirements()
    assert {"alphatwin", "pandas", "numpy", "arch", "scipy", "tornado"} <= ours
    assert not {"nbdev", "smalldocs", "pytest", "mypy", "bt"} & ours
    assert requirements("no-such-package") == set()


def test_collect_displays_ledger_and_environment() -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    import alphatwin as at
    from alphatwin.content.receipt import collect

    at.load("FB")
    InteractiveShell.instance()
    try:
        with capture_output() as seen:
            collect()
    finally:
        InteractiveShell.clear_instance()
    told = seen.outputs[0].data[MIME]
    assert "FB from sample, None to None, adjust none" in told["data"] and set(told) == {
        "data",
        "environment",
    }


def test_sha256_of_the_standards_example() -> None:
    assert (
        sha256("abc") == sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
