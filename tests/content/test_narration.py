"Narration: slots, records, typed numbers."

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphatwin.content.narration import (
    MIME,
    NarrationError,
    Record,
    check_narration,
    fill,
    filled,
    record,
    records_of,
    typed_numbers,
)


def narrated(*texts: str, records: list[dict[str, Any]] = ()) -> dict[str, Any]:  # type: ignore[assignment]
    outputs = [{"output_type": "display_data", "data": {MIME: entry}} for entry in records]
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": "c0", "metadata": {}, "source": "1", "outputs": outputs}
    ]
    cells += [
        {"cell_type": "markdown", "id": f"m{n}", "metadata": {"tags": ["narration"]}, "source": text}
        for n, text in enumerate(texts)
    ]
    return {"cells": cells}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{x:.1%}}", "2.1%"),
        ("{{ x : .1% }}", "2.1%"),
        ("{{n:,}} and {{n}}", "5,031 and 5031"),
        ("{{day:%B %Y}}", "January 1999"),
        ("{{day}}", "1999-01-04"),
        ("{{who}}", "the rule"),
        ("{{=500}} {{= 500 }}", "500 500"),
        ("no slots, { braces }", "no slots, { braces }"),
    ],
)
def test_fill(text: str, said: str) -> None:
    records = {
        r.name: r
        for r in (
            Record("x", 0.0213),
            Record("n", 5031),
            Record("day", "1999-01-04"),
            Record("who", "the rule"),
        )
    }
    assert fill(text, records) == said


@pytest.mark.parametrize(
    ("text", "why"),
    [("{{y}}", "nothing was recorded as 'y'; recorded: x"), ("{{x:.1q}}", r"slot \{\{x:.1q\}\}")],
)
def test_fill_refuses(text: str, why: str) -> None:
    with pytest.raises(NarrationError, match=why):
        fill(text, {"x": Record("x", 1.0)})


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([".1%", ".3f", ",.0f", "g"]))
def test_fill_says_what_python_formats(value: float, form: str) -> None:
    assert fill(f"a {{{{x:{form}}}}} b", {"x": Record("x", value)}) == f"a {value:{form}} b"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It made 12% in 2003.", ["12%", "2003"]),
        ("It fell by half. Twice as much!", ["half", "Twice"]),
        ("One rule, once. Someone won.", []),
        ("{{x:.1%}} of {{=500}}", []),
        ("[the page](p2.html) and ![fig](f1.png)", []),
        ("A 20-day average", ["20"]),
        ("1,234.56 dollars", ["1,234.56"]),
        ("# Episode 1\n\nText", ["1"]),
        ("the tenth, often, twofold", []),
    ],
)
def test_typed_numbers(text: str, numbers: list[str]) -> None:
    assert [number for number, _ in typed_numbers(text)] == numbers


def test_the_error_names_the_cell_and_the_sentence() -> None:
    nb = narrated("All is well.", "First this. It made 7% a year. Then that.")
    with pytest.raises(
        NarrationError, match=r"cell 2 \(m1\) says '7%'.* in: 'It made 7% a year\.'"
    ) as refusal:
        check_narration(nb)
    assert "{{=7%}}" in str(refusal.value)


def test_only_narration_is_checked() -> None:
    nb = narrated("Fine.")
    nb["cells"].append({"cell_type": "markdown", "id": "z", "metadata": {}, "source": "Made 7%."})
    check_narration(nb)


def test_filled_changes_a_copy_and_names_the_cell_of_an_unknown_slot() -> None:
    entry = {"name": "x", "value": 0.5, "unit": "", "tol": 0.0}
    nb = narrated("It is {{x:.0%}}.", records=[entry])
    assert filled(nb)["cells"][1]["source"] == "It is 50%." and nb["cells"][1]["source"] == "It is {{x:.0%}}."
    with pytest.raises(NarrationError, match=r"cell 1 \(m0\): slot"):
        filled(narrated("It is {{y}}.", records=[entry]))


def test_a_name_is_recorded_once() -> None:
    entry = {"name": "x", "value": 1, "unit": "", "tol": 0.0}
    assert records_of(narrated(records=[entry])) == {"x": Record("x", 1, "", 0.0)}
    with pytest.raises(NarrationError, match="cell 0 records 'x' a second time"):
        records_of(narrated(records=[entry, entry]))


@pytest.mark.parametrize(
    "value", [1.5, 3, "text", pd.Timestamp("1999-01-04"), dt.date(1999, 1, 4), pd.Series([2.0]).iloc[0]]
)
def test_record_hands_the_value_on(value: Any) -> None:
    assert record("x", value) is value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("a b", 1, "not a name"),
        ("x", float("inf"), "inf"),
        ("x", None, "NoneType"),
        ("x", True, "bool"),
        ("x", [1], "list"),
    ],
)
def test_record_refuses(name: str, value: Any, why: str) -> None:
    with pytest.raises(NarrationError, match=why):
        record(name, value)


def test_record_displays_what_records_of_reads(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        with capture_output() as seen:
            record("cagr", 0.02, unit="per year", tol=1e-6)
            record("start", pd.Timestamp("1999-01-04"))
    finally:
        InteractiveShell.clear_instance()
    del shell
    outputs = [{"output_type": "display_data", "data": out.data} for out in seen.outputs]
    found = records_of({"cells": [{"cell_type": "code", "outputs": outputs}]})
    assert found == {
        "cagr": Record("cagr", 0.02, "per year", 1e-6),
        "start": Record("start", "1999-01-04", "", 0.0),
    }
    assert seen.outputs[0].data["text/plain"] == "cagr = 0.02 per year"
