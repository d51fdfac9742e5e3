"How the test of a lesson reads its cells and asks its exercises."

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LESSONS = Path(__file__).resolve().parent.parent / "nbs" / "lessons"


def code_cells(lesson: str) -> list[str]:
    "The code of a lesson, cell by cell."
    cells = json.loads((LESSONS / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def verdict(cells: list[str], space: dict[str, Any], name: str, answer: str) -> str:
    "Fill in an answer and return what the exercise's cell says."
    (text,) = [text for text in cells if text.startswith(f"answer_{name} = ...")]
    assignment, _, question = text.replace("= ...", f"= {answer}", 1).partition("\n")
    space = dict(space)
    exec(assignment, space)
    return str(eval(question.strip(), space))


def assert_graded(
    cells: list[str], space: dict[str, Any], right: Mapping[str, Any], wrong: Mapping[str, Any]
) -> None:
    "Each exercise waits, knows the right answer, and says of a wrong one what to think of."
    assert {text.split(" ")[0] for text in cells if text.startswith("answer_")} == {
        f"answer_{name}" for name in right
    }
    for name in right:
        letter = name.upper()
        assert verdict(cells, space, name, "...") == f"{letter}: waiting for you"
        assert verdict(cells, space, name, repr(float(right[name]))) == f"{letter}: right!"
        assert verdict(cells, space, name, repr(float(wrong[name]))).startswith(f"{letter}: not yet. ")
