"Scripts and captions: no word lost, no overlap, no line too wide, whatever is said."

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphatwin.content.script import (
    caption_blocks,
    clock,
    scenes_of,
    script_text,
    spoken,
    srt_text,
    timed_captions,
    vtt_text,
)

WORDS = st.lists(
    st.sampled_from("a trend pays, sometimes. Dr. S&P <500> extraordinarily long-winded! ok? 1.5%".split()),
    min_size=1,
    max_size=80,
)


def told(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": text, "metadata": {"tags": ["narration"]}}


def coded(text: str, **tags: list[str]) -> dict[str, Any]:
    return {"cell_type": "code", "source": text, "metadata": tags}


def test_clock() -> None:
    assert (
        clock(0) == "00:00:00.000"
        and clock(3725.5, ",") == "01:02:05,500"
        and clock(59.9996) == "00:01:00.000"
    )


@pytest.mark.parametrize(
    ("markdown", "speech"),
    [
        ("# Title\n\nText", "Title. Text"),
        ("# Really?\n\nYes", "Really? Yes"),
        ("**bold** and *soft* and `code`", "bold and soft and code"),
        ("[link](a.html) ![picture](b.png) end", "link end"),
        ("> quoted\n- item", "quoted item"),
    ],
)
def test_spoken(markdown: str, speech: str) -> None:
    assert spoken(markdown) == speech


@given(WORDS)
def test_captions_lose_nothing_and_fit(words: list[str]) -> None:
    text = " ".join(words)
    blocks = caption_blocks(text)
    assert " ".join(" ".join(blocks).split()) == text
    for block in blocks:
        lines = block.splitlines()
        assert len(lines) <= 2 and all(len(line) <= 42 for line in lines)


def test_captions_are_balanced() -> None:
    "No word stands alone where its neighbours have room."
    blocks = caption_blocks(
        "Sell when the trend turns down, buy back when it turns up: the oldest promise in trading."
    )
    assert len(blocks) == 2 and min(len(block.split()) for block in blocks) >= 5


@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(80, 300))
def test_times_add_up(texts: list[list[str]], pace: int) -> None:
    cells: list[dict[str, Any]] = []
    for words in texts:
        cells += [told(" ".join(words)), coded("x")]
    scenes = scenes_of({"cells": cells}, {}, pace)
    for before, after in zip(scenes, scenes[1:], strict=False):
        assert before.start + before.seconds == pytest.approx(after.start)
    for scene, words in zip(scenes, texts, strict=True):
        assert scene.seconds == pytest.approx(max(2.0, 60 * len(words) / pace), abs=1e-3)
    timed = timed_captions(scenes)
    assert all(a < b for a, b, _ in timed)
    assert all(timed[i][1] <= timed[i + 1][0] + 2e-3 for i in range(len(timed) - 1))
    assert timed[-1][1] == pytest.approx(scenes[-1].start + scenes[-1].seconds, abs=2e-3)


def test_shots() -> None:
    cells = [
        told("# Film"),
        coded("#| hide\nimport os"),
        coded("fast = 1", tags=["parameters"]),
        coded('#| fig-cap: "x"\nplot()'),
        told("next"),
        coded("table"),
        told("and"),
        told("last"),
    ]
    scenes = scenes_of({"cells": cells}, {3: ["figure-01.png"]})
    assert [(s.shot, s.source) for s in scenes] == [
        ("figure", "figure-01.png"),
        ("code", "table"),
        ("code", "table"),
        ("code", "table"),
    ]
    assert scenes_of({"cells": [told("# Film"), told("words")]}, {})[0].source == "Film"
    shown = scenes_of({"cells": cells}, {})[0]
    assert (shown.shot, shown.source) == ("code", "plot()")


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no cell is tagged narration"):
        scenes_of({"cells": [coded("x")]}, {})
    with pytest.raises(ValueError, match="says nothing"):
        scenes_of({"cells": [told("  ")]}, {})
    with pytest.raises(ValueError, match="between 60 and 400"):
        scenes_of({"cells": [told("word")]}, {}, 10)


def test_formats() -> None:
    scenes = scenes_of({"cells": [told("Up & down <now>."), coded("x = 1")]}, {})
    assert srt_text(scenes) == "1\n00:00:00,000 --> 00:00:02,000\nUp & down <now>.\n"
    assert vtt_text(scenes) == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nUp &amp; down &lt;now&gt;.\n"
    script = script_text("Film", scenes)
    assert (
        "## Scene 1 (00:00, 2.0 s)" in script
        and "```python\nx = 1\n```" in script
        and "4 words, 00:02 minutes" in script
    )
    figure = scenes_of({"cells": [told("Look."), coded("p")]}, {1: ["figure-01.png"]})
    assert "![](figure-01.png)" in script_text("Film", figure)
    assert "title card, Film" in script_text("Film", scenes_of({"cells": [told("# Film")]}, {}))
