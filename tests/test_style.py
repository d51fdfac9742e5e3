"The house style: contrasts as WCAG has them, colours that read on both grounds, settings that are given back."

from collections.abc import Callable

import matplotlib.pyplot as plt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rcParams
from matplotlib.colors import to_hex

from alphatwin.style import GROUNDS, PALETTE, contrast, house_style, luminance, styled

Refusal = Callable[..., str]
colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")

# Ratios as WCAG's understanding documents and the WebAIM checker print them, cut to two digits.
PUBLISHED = [
    ("#000000", "#ffffff", 21.0),
    ("#777777", "#ffffff", 4.47),
    ("#767676", "#ffffff", 4.54),
    ("#666666", "#ffffff", 5.74),
    ("#595959", "#ffffff", 7.0),
    ("#333333", "#ffffff", 12.63),
    ("#ff0000", "#ffffff", 3.99),
    ("#0000ff", "#ffffff", 8.59),
    ("#00ff00", "#ffffff", 1.37),
    ("#ffff00", "#ffffff", 1.07),
    ("#808080", "#000000", 5.31),
    ("#FFFFFF", "#ffffff", 1.0),
]


@pytest.mark.parametrize(("one", "other", "ratio"), PUBLISHED)
def test_published_contrasts(one: str, other: str, ratio: float) -> None:
    assert int(100 * contrast(one, other) + 1e-9) / 100 == ratio
    assert contrast(other, one) == contrast(one, other)


def test_luminance_by_hand() -> None:
    assert luminance("#ffffff") == pytest.approx(1.0) and luminance("#000000") == 0.0
    # Pure channels have the weights of the definition.
    weights = [luminance(colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    assert weights == pytest.approx([0.2126, 0.7152, 0.0722])
    assert luminance("#0a0a0a") == pytest.approx(10 / 255 / 12.92)  # the straight part of the curve


@given(colours, colours)
def test_a_contrast_is_between_1_and_21(one: str, other: str) -> None:
    assert 1 <= contrast(one, other) <= 21 + 1e-12
    assert contrast(one, one) == 1


@pytest.mark.parametrize("wrong", ["red", "#fff", "ffffff0", "", "#ffffff0"])
def test_what_is_not_a_colour_is_refused(wrong: str, refusal: Refusal) -> None:
    sentence = refusal(ValueError, luminance, wrong)
    assert "#rrggbb" in sentence and repr(wrong) in sentence


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("name", PALETTE)
def test_every_colour_of_the_house_reads_on_both_grounds(name: str, ground: str) -> None:
    # WCAG 2.2, 1.4.11 asks for three to one; the house settles for 2.8 and thicker lines, as 01_style says.
    assert contrast(PALETTE[name], GROUNDS[ground]) >= 2.8


def test_figures_have_the_style_inside_and_the_reader_has_his_own_outside() -> None:
    before = dict(rcParams)
    with styled():
        figure, axis = plt.subplots()
        (line,) = axis.plot([1, 2])
        assert to_hex(line.get_color()) == PALETTE["strategy"]
        assert figure.get_facecolor()[3] == 0 and axis.get_facecolor()[3] == 0  # transparent
        assert not axis.spines["top"].get_visible() and axis.spines["left"].get_visible()
        plt.close(figure)
    assert dict(rcParams) == before


def test_settings_are_given_back_after_an_error_too() -> None:
    before = dict(rcParams)
    with pytest.raises(ZeroDivisionError), styled():
        _ = 1 / 0
    assert dict(rcParams) == before


def test_every_setting_is_one_that_matplotlib_knows() -> None:
    settings = house_style()
    assert set(settings) <= set(rcParams)
    assert [colour["color"] for colour in settings["axes.prop_cycle"]][0] == PALETTE["strategy"]
    assert house_style() is not settings
